"""Other people's object stores judge the sandbox's: moto's S3 and Azurite pass the tests that the sandbox's own stores pass.

What those tests ask of a clock or of faults only the sandbox has; the others run here as they stand.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudlink.clouds.azure.session import AzureSession
from cloudlink.clouds.azure.state_store import BlobStore
from cloudlink.clouds.endpoints import Endpoints
from cloudlink.secret import Secret
from cloudlink_sandbox.tls import Authority
from tests.clients import install
from tests.state.object_stores import ACCOUNT, BUCKET, CONTAINER, REGION, SIDE, Place, no_sleep, s3
from tests.state.test_remote_state import (  # noqa: F401 - collected here, with the places of this file
    test_a_file_of_before_is_taken_over_and_that_is_said,
    test_a_link_is_its_name_and_its_place,
    test_a_run_of_this_machine_that_is_dead_holds_nothing,
    test_a_run_that_makes_nothing_leaves_nothing,
    test_a_take_over_that_was_killed_in_the_middle_goes_on,
    test_of_many_runs_at_once_one_wins,
    test_receipts_are_there_for_the_next_run_and_nothing_is_left_after_the_last,
    test_two_runs_exclude_each_other_and_the_second_says_who_and_what_to_type,
    test_two_states_that_differ_are_refused,
    test_unlock_leaves_another_lock_than_the_one_that_was_shown,
    test_unlock_takes_the_lock_and_ends_the_run_before_its_next_write,
)

pytestmark = pytest.mark.conformance
TENANT = "5a4db0c5-0000-4000-8000-000000000001"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _started(command: list[str], port: int, folder: Path, **more: str) -> subprocess.Popen[bytes]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env={**os.environ, **more})
    began = time.monotonic()
    while time.monotonic() - began < 60:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return process
        except OSError:
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)
    process.kill()
    raise AssertionError((folder / "log").read_text())


def _token() -> str:
    """Azurite reads who issued a token, for whom and how long, and checks no signature."""
    now = int(time.time())
    claims = {
        "aud": "https://storage.azure.com",
        "iss": f"https://sts.windows.net/{TENANT}/",
        "iat": now - 60,
        "nbf": now - 60,
        "exp": now + 3600,
    }
    parts = ({"alg": "RS256", "typ": "JWT"}, claims)
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=").decode() for p in parts), "c2ln"])


class _Token:
    def get_token(self, *_scopes: str, **_options: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken(_token(), int(time.time()) + 3600)

    def get_token_info(self, *_scopes: str, **_options: Any) -> Any:
        from azure.core.credentials import AccessTokenInfo

        return AccessTokenInfo(_token(), int(time.time()) + 3600)


def _endpoints(**more: str) -> Endpoints:
    return Endpoints(
        **{
            "aws_url": "",
            "aws_access_key": "AKIAIOSFODNN7EXAMPLE",
            "aws_secret_key": Secret("a-secret"),
            "azure_url": "",
            "azure_tenant": TENANT,
            "azure_client_id": TENANT,
            "azure_client_secret": Secret("a-secret"),
            "ca_file": "",
            **more,
        }  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def moto_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    install.need("moto_server")
    port = _free_port()
    program = str(install.folder() / "bin" / "moto_server")
    process = _started([program, "-H", "127.0.0.1", "-p", str(port)], port, tmp_path_factory.mktemp("moto"))
    at = _endpoints(aws_url=f"http://127.0.0.1:{port}")
    client = s3(at)._client
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    yield at
    process.terminate()
    process.wait()


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    install.need("azurite-blob")
    folder = tmp_path_factory.mktemp("azurite")
    authority = Authority(folder)
    pem = authority.server_certificate(("localhost",))
    port = _free_port()
    command = [str(install.folder() / "bin" / "azurite-blob"), "--blobHost", "127.0.0.1", "--blobPort", str(port)]
    options = ["--inMemoryPersistence", "--oauth", "basic", "--cert", str(pem), "--key", str(pem), "--silent"]
    accounts = f"{ACCOUNT}:{base64.b64encode(b'a key that nobody uses').decode()}"
    process = _started([*command, *options, "--disableTelemetry"], port, folder, AZURITE_ACCOUNTS=accounts)
    url = f"https://127.0.0.1:{port}"
    request = urllib.request.Request(
        f"{url}/{ACCOUNT}/{CONTAINER}?restype=container",
        method="PUT",
        headers={"Authorization": f"Bearer {_token()}", "x-ms-version": "2021-12-02", "Content-Length": "0"},
    )
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=authority.client_context()))
    opener.open(request).close()
    yield _endpoints(azure_url=url, blob_url=url, ca_file=authority.ca_file)
    process.terminate()
    process.wait()


@pytest.fixture(params=["s3", "azblob"])
def place(request: pytest.FixtureRequest) -> Place:
    key = f"{uuid.uuid4()}/demo.json"
    at: Endpoints = request.getfixturevalue("moto_s3" if request.param == "s3" else "azurite")
    if request.param == "s3":
        return Place("s3", lambda: s3(at, key=key))

    def again() -> BlobStore:
        session = AzureSession(SIDE, at)
        session._made["credential"] = _Token()
        return BlobStore(session, SIDE, ACCOUNT, CONTAINER, key, base_url=at.blob_url, sleep=no_sleep)

    return Place("azblob", again)
