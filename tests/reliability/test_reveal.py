"""Where a secret may be taken out of its wrapping, and why; every other place is a mistake."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import cloudlink
from cloudlink.errors import CloudError
from cloudlink.secret import Secret, masked

SOURCE = Path(cloudlink.__file__).parent
ALLOWED = {
    "connect.py": "the EKS token goes to the Kubernetes client",
    "discovery.py": "the EKS token goes to the Kubernetes client",
    "clouds/aws/client.py": "the sandbox's AWS key goes to boto3",
    "clouds/azure/session.py": "the sandbox's client secret goes to azure-identity",
    "clouds/kube/client.py": "the cluster's token goes into the Authorization header",
    "clouds/kube/access.py": "a client key goes into a 0600 file, because ssl takes no other",
    "clouds/aws/requests.py": "a new pre-shared key goes to AWS in the create call, or in the one that changes it",
    "rehearse/run.py": "the keys of a rehearsal go to the daemons' first process, through a pipe",
    "clouds/azure/body_connection.py": "a pre-shared key goes to Azure",
}


def reveals(tree: ast.AST) -> int:
    return sum(isinstance(n, ast.Attribute) and n.attr in ("reveal", "_Secret__value") for n in ast.walk(tree))


def test_secrets_are_revealed_in_listed_places_only() -> None:
    found = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if path.name != "secret.py" and reveals(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found - set(ALLOWED) == set(), "a new place reveals secrets: give a reason in the list, or do without"
    assert set(ALLOWED) - found == set(), "the list names places that reveal nothing any more"


def test_the_scan_sees_what_it_looks_for() -> None:
    assert reveals(ast.parse("f = key.reveal\nf()"))
    assert reveals(ast.parse("Secret('x')._Secret__value"))


def test_what_clouds_quote_is_masked() -> None:
    key = Secret("Zq8" * 12)
    error = CloudError("AWS refused a call", f"Value ({key.reveal()}) for parameter preSharedKey is invalid.")
    assert key.reveal() not in str(error)
    assert "********" in error.detail
    assert masked("nothing secret") == "nothing secret"


def test_a_crash_leaves_no_dump_of_the_memory() -> None:
    program = (
        "import resource, sys; from cloudlink.cli import main\n"
        "sys.argv = ['cloudlink', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print('limits', resource.getrlimit(resource.RLIMIT_CORE))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "limits (0, 0)"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux's")
def test_nor_does_a_program_that_takes_dumps_from_the_kernel_get_one() -> None:
    """From before the first key is known: a session's clouds are connected before any is read or made."""
    program = (
        "import ctypes; from cloudlink.connect import connect\n"
        "prctl = ctypes.CDLL(None).prctl\n"
        "before = prctl(3, 0, 0, 0, 0)\n"
        "try: connect(None, None, None)\n"
        "except AttributeError: pass\n"
        "print(before, prctl(3, 0, 0, 0, 0))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["1", "0"]
