"""Who botocore and azure-identity ask for credentials: bounded, without redirects, by the proxies of the others, and in a
sandbox run nobody but the sandbox."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudlink.clouds import answers
from cloudlink.clouds.answers import ForeignAddress, UnboundedAnswer
from cloudlink.clouds.aws import transport
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure.session import AzureSession
from cloudlink.clouds.network import proxy_address
from cloudlink.core.polling import WallClock
from tests.clouds.hostile_peer import bomb, drip, endless, peer, plain, redirect
from tests.clouds.test_hostile_peer import endpoints
from tests.support.links import make_link

METADATA = "169.254.169.254"


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No profile, no keys: what the tests add is all there is."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_EC2_METADATA_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(answers, "MOST_SECONDS", 0.6)
    return tmp_path


def a_role(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "config").write_text(
        "[default]\nregion = eu-central-1\nrole_arn = arn:aws:iam::123456789012:role/ops\nsource_profile = base\n"
    )
    (folder / "credentials").write_text("[base]\naws_access_key_id = AKIAX\naws_secret_access_key = secret\n")


def a_web_identity(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "token").write_text("a-web-identity-token")
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/ops")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(folder / "token"))


SOURCES = {"a role": a_role, "a web identity": a_web_identity}


@pytest.mark.parametrize("source", SOURCES)
def test_a_redirect_of_sts_is_not_followed(source: str, nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SOURCES[source](nobody, monkeypatch)
    with peer(nobody / "other", lambda *_: plain(200, b"{}")) as other:
        with peer(nobody / "cloud", redirect(other.url)) as cloud:
            monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.url)
            monkeypatch.setenv("AWS_CA_BUNDLE", cloud.ca_file)
            with pytest.raises(ForeignAddress):
                Aws(region="eu-central-1", clock=WallClock()).sign_in()
            assert b"AssumeRole" in cloud.arrived[0]
        assert (other.connections, other.arrived) == (0, [])


@pytest.mark.parametrize("answer", [endless, drip, bomb])
@pytest.mark.parametrize("source", SOURCES)
def test_an_answer_of_sts_is_bounded(
    source: str, answer: Callable[..., Any], nobody: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SOURCES[source](nobody, monkeypatch)
    began = time.monotonic()
    with peer(nobody / "cloud", answer) as cloud:
        monkeypatch.setenv("AWS_ENDPOINT_URL", cloud.url)
        monkeypatch.setenv("AWS_CA_BUNDLE", cloud.ca_file)
        with pytest.raises(Exception) as caught:
            Aws(region="eu-central-1", clock=WallClock()).sign_in()
    assert time.monotonic() - began < 30, "the peer itself takes a hundred seconds"
    assert answer is bomb or isinstance(caught.value, UnboundedAnswer)


@pytest.mark.parametrize("source", SOURCES)
def test_an_endpoint_of_sts_that_is_not_awss(source: str, nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SOURCES[source](nobody, monkeypatch)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "https://sts.evil.example")
    with pytest.raises(ForeignAddress):
        Aws(region="eu-central-1", clock=WallClock()).sign_in()


@pytest.mark.parametrize("service", ["sts", "sso", "sso-oidc", "signin"])
def test_each_client_that_signs_in_is_bounded(service: str, nobody: Path) -> None:
    session = transport.session()
    if service not in session.get_available_services():
        pytest.skip("this botocore has no such service")
    client = session.create_client(service, region_name="eu-central-1")
    assert isinstance(client._endpoint.http_session, transport.BoundedSession)
    timeouts = client.meta.config.connect_timeout, client.meta.config.read_timeout
    assert max(timeouts) <= 30


class Agent(http.server.BaseHTTPRequestHandler):
    """A container's agent, or a machine's metadata: plain HTTP."""

    answer: Callable[[Agent], None]

    def do_GET(self) -> None:
        self.server.arrived.append(self.path)  # type: ignore[attr-defined]
        self.server.answer(self)  # type: ignore[attr-defined]

    do_PUT = do_GET

    def log_message(self, *_: Any) -> None: ...

    def give(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def agent() -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Agent)
    server.arrived = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def without_end(handler: Agent) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(4000):
            handler.wfile.write(b" " * 65_536)
    except OSError:
        return


def container(at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{at.server_address[1]}/get")


def machine(at: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{at.server_address[1]}/")


FETCHERS = {"container": container, "machine": machine}


@pytest.mark.parametrize("fetcher", FETCHERS)
def test_a_redirect_of_the_machine_is_not_followed(
    fetcher: str, agent: Any, nobody: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FETCHERS[fetcher](agent, monkeypatch)
    with peer(nobody / "other", lambda *_: plain(200, b"{}")) as other:
        agent.answer = lambda handler: handler.give(302, b"", Location=f"{other.url}/x")
        with pytest.raises(ForeignAddress):
            Aws(region="eu-central-1", clock=WallClock()).sign_in()
        assert other.connections == 0
    assert agent.arrived


@pytest.mark.parametrize("fetcher", FETCHERS)
def test_an_answer_of_the_machine_is_bounded(
    fetcher: str, agent: Any, nobody: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FETCHERS[fetcher](agent, monkeypatch)
    agent.answer = without_end
    began = time.monotonic()
    with pytest.raises(UnboundedAnswer):
        Aws(region="eu-central-1", clock=WallClock()).sign_in()
    assert time.monotonic() - began < 20


def test_a_container_still_signs_in(agent: Any, nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    container(agent, monkeypatch)
    keys = {"AccessKeyId": "A", "SecretAccessKey": "s", "Token": "t", "Expiration": "2099-01-01T00:00:00Z"}
    agent.answer = lambda handler: handler.give(200, json.dumps(keys).encode())
    aws = Aws(region="eu-central-1", clock=WallClock())
    aws.sign_in()
    assert aws._get_credentials().access_key == "A"


# --- proxies ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "environ", "address"),
    [
        ("https://sts.amazonaws.com", {"ALL_PROXY": "http://p:1"}, "http://p:1"),
        ("https://sts.amazonaws.com", {"all_proxy": "http://p:1", "HTTPS_PROXY": "http://q:2"}, "http://q:2"),
        ("https://sts.amazonaws.com", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "amazonaws.com"}, ""),
        ("https://10.1.2.3", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "10.0.0.0/8"}, ""),
        ("https://vpce.x.amazonaws.com", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*.x.amazonaws.com"}, "http://p:1"),
        (f"http://{METADATA}/latest", {"ALL_PROXY": "http://p:1"}, ""),
        ("http://169.254.170.2/v2", {"HTTPS_PROXY": "http://p:1"}, ""),
        ("https://127.0.0.1:1", {"HTTPS_PROXY": "http://p:1"}, ""),
        ("https://sts.amazonaws.com", {}, ""),
    ],
)
def test_the_proxy_of_an_address(url: str, environ: dict[str, str], address: str) -> None:
    assert proxy_address(url, environ) == address


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "ALL_PROXY"])
def test_a_role_is_assumed_through_the_proxy(variable: str, nobody: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore itself knows no ALL_PROXY, so that the cause would be a time-out without a word of a proxy."""
    a_role(nobody, monkeypatch)
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    aws = Aws(region="eu-central-1", clock=WallClock())
    with pytest.raises(Exception) as caught:
        aws.sign_in()
    error = aws.translate(caught.value)
    assert error is not None and error.summary == "The proxy does not answer"
    assert variable in error.detail


# --- a sandbox run ------------------------------------------------------------------------------------------


@pytest.fixture
def hosts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whoever is looked up."""
    seen: list[str] = []
    ask = socket.getaddrinfo

    def record(host: Any, *arguments: Any, **options: Any) -> Any:
        seen.append(str(host))
        return ask(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", record)
    return seen


@pytest.mark.parametrize("variable", ["AZURE_REGIONAL_AUTHORITY_NAME", "MSAL_FORCE_REGION"])
@pytest.mark.parametrize("region", ["westeurope", "TryAutoDetect", "true"])
def test_no_region_of_azure_is_looked_for_in_a_sandbox_run(
    variable: str, region: str, hosts: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, region)
    with peer(tmp_path / "cloud", lambda *_: plain(404, b"{}")) as cloud:
        session = AzureSession(make_link().azure, endpoints(cloud))
        with pytest.raises(Exception, match=r"."):
            session.sign_in()
        assert cloud.arrived
    assert set(hosts) == {"127.0.0.1"}


def test_no_machine_of_aws_is_asked_in_a_sandbox_run(
    hosts: list[str], nobody: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_role(nobody, monkeypatch)
    for name, value in {
        "AWS_DEFAULTS_MODE": "auto",
        "AWS_PROFILE": "base",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://{METADATA}/",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere",
        "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/ops",
        "HTTPS_PROXY": "http://proxy.example:1",
        "ALL_PROXY": "http://proxy.example:1",
    }.items():
        monkeypatch.setenv(name, value)
    with peer(nobody / "cloud", lambda *_: plain(400, b"{}")) as cloud:
        aws = Aws(region="eu-central-1", profile="base", endpoints=endpoints(cloud), clock=WallClock())
        aws.sign_in()
        with pytest.raises(Exception, match=r"."):
            aws.account()
        assert cloud.arrived
    assert set(hosts) == {"127.0.0.1"}
