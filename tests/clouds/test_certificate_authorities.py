"""A certificate that is not trusted: which SDK misses the authority, and which of the variables that are set it does not read."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from azure.core import PipelineClient
from azure.core.rest import HttpRequest

from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure import transport
from cloudlink.clouds.network import explain
from cloudlink.core.polling import WallClock
from cloudlink.errors import CloudlinkError
from tests.clouds.hostile_peer import peer, plain

VARIABLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


def told(who: str, **environ: str) -> CloudlinkError:
    refused = ssl.SSLCertVerificationError(
        1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed (_ssl.c:1)"
    )
    error = explain(refused, who, environ)
    assert error is not None
    assert error.summary == "A certificate was not issued by an authority that is trusted"
    return error


@pytest.mark.parametrize(
    ("who", "environ", "said", "hint"),
    [
        ("AWS", {"SSL_CERT_FILE": "/ca.pem"}, "SSL_CERT_FILE is set, which AWS's SDK does not read", "export AWS_CA_BUNDLE=$SSL_CERT_FILE"),
        ("Azure", {"AWS_CA_BUNDLE": "/ca.pem"}, "AWS_CA_BUNDLE is set, which Azure's", "export REQUESTS_CA_BUNDLE=$AWS_CA_BUNDLE"),
        ("Microsoft Entra", {"SSL_CERT_FILE": "/ca.pem"}, "SSL_CERT_FILE", "export REQUESTS_CA_BUNDLE=$SSL_CERT_FILE"),
        ("AWS", {"CURL_CA_BUNDLE": "/c", "SSL_CERT_FILE": "/s"}, "reads none of them", "export AWS_CA_BUNDLE=$CURL_CA_BUNDLE"),
        ("AWS", {"AWS_CA_BUNDLE": "/ca.pem", "SSL_CERT_FILE": "/x"}, "those of AWS_CA_BUNDLE (/ca.pem) alone", "unset AWS_CA_BUNDLE"),
        ("AWS", {"REQUESTS_CA_BUNDLE": "/ca.pem"}, "those of REQUESTS_CA_BUNDLE (/ca.pem) alone", "Add your company's root"),
        ("Azure", {"SSL_CERT_DIR": "/certs"}, "SSL_CERT_DIR is set, which Azure's SDK does not read", "REQUESTS_CA_BUNDLE=FILE"),
        ("Azure", {}, "Nothing was sent.", "REQUESTS_CA_BUNDLE=FILE"),
    ],
)  # fmt: skip
def test_which_sdk_misses_which_variable(who: str, environ: dict[str, str], said: str, hint: str) -> None:
    error = told(who, **environ)
    assert said in error.detail
    assert hint in error.hint


def asked_aws(url: str) -> None:
    aws = Aws(region="eu-central-1", clock=WallClock())
    try:
        aws.client("sts").get_caller_identity()
    except Exception as error:
        raise aws.translate(error) or error from error


def asked_azure(url: str) -> None:
    client = PipelineClient(url, transport=transport.transport(None), policies=[])
    client.send_request(HttpRequest("GET", f"{url}/x"))


@pytest.mark.parametrize(
    ("ask", "who", "moved_by"),
    [
        (asked_aws, "AWS", "AWS_CA_BUNDLE REQUESTS_CA_BUNDLE"),
        (asked_azure, "Azure", "REQUESTS_CA_BUNDLE CURL_CA_BUNDLE"),
    ],
)
@pytest.mark.parametrize("variable", VARIABLES)
def test_the_sdks_read_what_is_said_of_them(
    ask: Any, who: str, moved_by: str, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the real SDKs: only a variable that one reads lets its question arrive."""
    for name in (*VARIABLES, "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_MAX_ATTEMPTS", "1"), ("HOME", str(tmp_path)),
        ("AWS_CONFIG_FILE", str(tmp_path / "none")), ("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none")),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    with peer(tmp_path / "cloud", lambda *_: plain(400, b"{}")) as cloud:
        monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.url)
        monkeypatch.setenv(variable, cloud.ca_file if variable != "SSL_CERT_DIR" else str(Path(cloud.ca_file).parent))
        error: Exception | None = None
        try:
            ask(cloud.url)
        except Exception as failed:
            error = failed
        arrived = bool(cloud.arrived)
    assert arrived is (variable in moved_by.split())
    if not arrived:
        assert error is not None
        known = error if isinstance(error, CloudlinkError) else explain(error, who)
        assert known is not None
        assert f"{variable} is set, which {who}'s SDK does not read" in known.detail
