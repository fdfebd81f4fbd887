"""Parts of the SDKs are imported without the rest. Each test has a process of its own: others here import all of them."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

# A server that takes every PUT but one, and knows one subnet.
AZURE = """
import json, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer

class Azure(BaseHTTPRequestHandler):
    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        refused = {"error": {"code": "AnotherOperationInProgress", "message": "Wait."}}
        self.answer(400, refused) if "taken" in self.path else self.answer(201, {"name": "s"})

    def do_GET(self):
        self.answer(200, {"name": "s", "properties": {"addressPrefix": "10.1.0.0/24"}})

    def answer(self, status, body):
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_): ...

server = HTTPServer(("127.0.0.1", 0), Azure)
threading.Thread(target=server.serve_forever, daemon=True).start()
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import ContentDecodePolicy
from cloudlink.clouds.azure.session import FirstAnswer, network_client
from cloudlink.clouds.deferred import any_names

made = network_client()(
    object(), "sub", base_url=f"http://127.0.0.1:{server.server_port}", credential_scopes=["s"], policies=[ContentDecodePolicy()]
)
first = FirstAnswer(lambda url: None)

def put(name):
    with any_names():
        made.subnets.begin_create_or_update("g", "v", name, {"properties": {}}, polling=first)

def loaded():
    return "azure.mgmt.network.models._models" in sys.modules
"""


def run(program: str) -> str:
    ran = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_a_cluster_is_asked_without_what_its_sdk_has_beside() -> None:
    """pydantic, oauthlib and a websocket client come with ``import kubernetes``; whoever asks for it later gets all of it."""
    said = run(
        "import sys\n"
        "from cloudlink.clouds.kube.access import Access\n"
        "from cloudlink.clouds.kube.client import _transport\n"
        "_transport(Access('aks', 'https://127.0.0.1:1', ca=''))\n"
        "print(sorted({m.partition('.')[0] for m in sys.modules} & {'pydantic', 'oauthlib', 'websocket', 'aiohttp'}))\n"
        "import kubernetes, kubernetes.config\n"
        "print(kubernetes.client.CoreV1Api.__name__, callable(kubernetes.config.load_kube_config))\n"
        "print(hasattr(kubernetes, 'no_such_name'))\n"
    )
    assert said.splitlines() == ["[]", "CoreV1Api True", "False"]


def test_a_write_to_azures_networks_needs_no_model() -> None:
    said = run(AZURE + "put('mine')\nprint(first.status_code, loaded())")
    assert said == "201 False"


def test_a_refused_write_has_its_error_as_ever() -> None:
    said = run(
        AZURE
        + "try:\n    put('taken')\nexcept HttpResponseError as e:\n    print(e.status_code, e.error.code, type(e.model).__name__)"
    )
    assert said == "400 AnotherOperationInProgress CloudError"


def test_outside_of_our_writes_models_are_what_they_are() -> None:
    said = run(AZURE + "put('mine')\nprint(made.subnets.get('g', 'v', 's').address_prefix, loaded())")
    assert said == "10.1.0.0/24 True"


def test_errors_of_azures_network_client_are_named_so() -> None:
    """``any_names`` tells them from other models by it."""
    spec = importlib.util.find_spec("azure.mgmt.network")
    assert spec is not None and spec.origin is not None
    text = (Path(spec.origin).parent / "operations" / "_operations.py").read_text(encoding="utf-8")
    names = set(re.findall(r"_failsafe_deserialize\(\s*_models\.(\w+)", text))
    assert names and all("Error" in name for name in names)


def test_one_that_is_not_installed_is_missed_by_its_import() -> None:
    said = run(
        "from cloudlink.clouds.deferred import deferred\n"
        "try:\n"
        "    with deferred(('no_such_package', 'json'), names_only=('json.no_such_module',)):\n"
        "        import no_such_package\n"
        "except ModuleNotFoundError as e:\n"
        "    print(e.name)\n"
    )
    assert said == "no_such_package"
