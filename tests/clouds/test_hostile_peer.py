"""A cloud that is none: nothing of ours goes to another host, and no answer is longer, deeper or slower than its bound."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudlink.clouds import answers
from cloudlink.clouds.answers import ForeignAddress, UnboundedAnswer
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.cache import ReadCache
from cloudlink.clouds.endpoints import Endpoints
from cloudlink.clouds.kube.access import AKS_SERVER_ID, Access, aks_access, eks_access
from cloudlink.clouds.kube.client import Kube
from cloudlink.core.polling import WallClock
from cloudlink.errors import CloudError
from cloudlink.secret import Secret
from tests.clouds.hostile_peer import (
    Peer,
    bomb,
    deep,
    drip,
    dripping_head,
    endless,
    peer,
    plain,
    redirect,
)
from tests.support.aws_sandbox import REGION, aws_link

KEY = "a-pre-shared-key-of-the-link"
Answer = Callable[[socket.socket, bytes], "bytes | None"]


def endpoints(at: Peer) -> Endpoints:
    return Endpoints(
        aws_url=at.url,
        aws_access_key="AKIASANDBOX",
        aws_secret_key=Secret("sandbox"),
        azure_url=at.url,
        azure_tenant="11111111-1111-1111-1111-111111111111",
        azure_client_id="22222222-2222-2222-2222-222222222222",
        azure_client_secret=Secret("sandbox"),
        ca_file=at.ca_file,
    )


class FixedToken:
    """Signed in already."""

    def get_token(self, *_scopes: str, **_options: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken("a-token", int(time.time()) + 3600)

    def get_token_info(self, *_scopes: str, **_options: Any) -> Any:
        from azure.core.credentials import AccessTokenInfo

        return AccessTokenInfo("a-token", int(time.time()) + 3600)


def azure(at: Peer) -> Azure:
    clock = WallClock()
    made = Azure(aws_link(), endpoints(at), clock, ReadCache(clock))
    made._session._made["credential"] = FixedToken()
    clock.stop()  # no read is tried again
    return made


def aws(at: Peer) -> Aws:
    return Aws(region=REGION, endpoints=endpoints(at), clock=WallClock())


def kube(at: Peer) -> Kube:
    access = Access("test", at.url, at.ca_pem, token=lambda: Secret("a-token"))
    return Kube("test", lambda: access, ReadCache(WallClock()))


CALLS: dict[str, Callable[[Peer], Any]] = {
    "azure read": lambda at: azure(at).group(),
    "azure write": lambda at: azure(at).put_shared_key("c", {"value": KEY}),
    "azure group write": lambda at: azure(at).put_group({"location": "x", "tags": {"key": KEY}}),
    "aws read": lambda at: aws(at).vpn_gateways(),
    "aws write": lambda at: aws(at).ec2_once.create_vpn_connection(
        Type="ipsec.1",
        CustomerGatewayId="cgw-1",
        VpnGatewayId="vgw-1",
        Options={"TunnelOptions": [{"PreSharedKey": KEY}]},
    ),
    "aws rest write": lambda at: aws(at).client("route53", once=True).delete_hosted_zone(Id="Z1"),
    "kube read": lambda at: kube(at).config_map("a", "b"),
    "kube write": lambda at: kube(at).patch_config_map("a", "b", {"data": {"key": KEY}}),
    "kube create": lambda at: kube(at).create_pod("a", {"spec": {}}),
}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(answers, "MOST_SECONDS", 0.6)
    yield


@pytest.mark.parametrize("call", CALLS)
def test_no_redirect_is_followed(call: str, tmp_path: Path) -> None:
    with peer(tmp_path / "other", lambda *_: plain(200, b"{}")) as other:
        with peer(tmp_path / "cloud", redirect(other.url)) as cloud, pytest.raises(ForeignAddress) as caught:
            CALLS[call](cloud)
        assert (other.connections, other.arrived) == (0, [])
    assert other.url in caught.value.detail and "/taken" not in caught.value.detail
    assert "write" not in call or KEY.encode() in cloud.arrived[-1] or "rest" in call, "the call itself was made"


@pytest.mark.parametrize("answer", [bomb, endless, drip, dripping_head, deep])
@pytest.mark.parametrize("call", ["azure read", "azure write", "aws read", "aws rest write", "kube read", "kube write"])
def test_answers_are_bounded(call: str, answer: Answer, tmp_path: Path, quick: None) -> None:
    began = time.monotonic()
    with peer(tmp_path / "cloud", answer) as cloud, pytest.raises(Exception) as caught:
        CALLS[call](cloud)
    assert time.monotonic() - began < 30, "the peer itself takes a hundred seconds"
    if answer is dripping_head or (answer is bomb and "aws" in call):
        # cut off in the head, it is a connection that broke; AWS's answers are not decompressed at all
        assert not isinstance(caught.value, MemoryError | RecursionError)
        assert answer is bomb or "imed out" in str(caught.value) or "imeout" in type(caught.value).__name__
    else:
        assert isinstance(caught.value, UnboundedAnswer)


def test_the_next_page_is_on_the_same_host(tmp_path: Path) -> None:
    with peer(tmp_path / "other", lambda *_: plain(200, b'{"value": []}')) as other:
        page = json.dumps({"value": [], "nextLink": f"{other.url}/next"}).encode()
        with peer(tmp_path / "cloud", lambda *_: plain(200, page)) as cloud, pytest.raises(ForeignAddress):
            azure(cloud).public_ips()
        assert other.connections == 0


def test_the_place_of_a_result_is_on_the_same_host(tmp_path: Path) -> None:
    with peer(tmp_path / "other", lambda *_: plain(200, b"{}")) as other:
        header = f"Location: {other.url}/result"
        with peer(tmp_path / "cloud", lambda *_: plain(202, b"", header)) as cloud:
            made = azure(cloud)
            made.clock = _Patient()
            with pytest.raises(ForeignAddress):
                made.bgp_peers()
        assert other.connections == 0


def test_why_an_operation_failed_is_asked_on_the_same_host(tmp_path: Path) -> None:
    with peer(tmp_path / "other", lambda *_: plain(200, b"{}")) as other:
        header = f"Azure-AsyncOperation: {other.url}/operation"
        with peer(tmp_path / "cloud", lambda *_: plain(200, b"{}", header)) as cloud:
            started = azure(cloud).put_shared_key("c", {"value": KEY})
            assert started.reason is not None
            assert "another host" in started.reason()
        assert other.connections == 0


class _Patient:
    stopped = False

    def now(self) -> float:
        return 0.0

    def wait(self, seconds: float) -> bool:
        return False

    def stop(self) -> None: ...


@pytest.mark.parametrize(
    "url",
    [
        "http://management.azure.com/x",
        "https://management.azure.com:444/x",
        "https://management.azure.com.evil.example/x",
        "https://management.azure.com@evil.example/x",
        "https://evil.example/management.azure.com",
        "//management.azure.com/x",
        "https://[::1/x",
        "",
    ],
)
def test_what_is_not_the_same_origin(url: str) -> None:
    with pytest.raises(ForeignAddress):
        answers.require_same_origin(url, "https://management.azure.com")


def test_what_is_the_same_origin() -> None:
    answers.require_same_origin("https://MANAGEMENT.azure.com:443/next?x=1", "https://management.azure.com")


# --- clusters -----------------------------------------------------------------------------------------------


def kubeconfig(server: str, *args: str) -> bytes:
    return yaml.safe_dump(
        {
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
            "users": [{"name": "u", "user": {"exec": {"command": "kubelogin", "args": list(args)}}}],
        }
    ).encode()


def refuse(scope: str) -> str:
    raise AssertionError(scope)


@pytest.mark.parametrize(
    "server",
    [
        "http://c.hcp.westeurope.azmk8s.io:443",
        "https://c.hcp.westeurope.azmk8s.io.evil.example",
        "https://azmk8s.io",
        "https://127.0.0.1:6443",
        "https://evil.example",
        "https://c.azmk8s.io@evil.example",
    ],
)
def test_an_aks_server_that_is_none(server: str) -> None:
    with pytest.raises(CloudError, match=r"cannot be used|not the cloud's"):
        aks_access(kubeconfig(server, "get-token"), refuse)


@pytest.mark.parametrize(
    "server",
    [
        "https://c-abc.hcp.westeurope.azmk8s.io:443",
        "https://c-abc.1234.privatelink.westeurope.azmk8s.io:443",
        "https://c.hcp.usgovvirginia.cx.aks.containerservice.azure.us:443",
        "https://c.hcp.chinanorth3.cx.prod.service.azk8s.cn:443",
    ],
)
def test_an_aks_server(server: str) -> None:
    asked: list[str] = []

    def token(scope: str) -> str:
        asked.append(scope)
        return "t"

    access = aks_access(kubeconfig(server, "get-token", "--server-id", AKS_SERVER_ID), token)
    assert access.token() is not None and asked == [f"{AKS_SERVER_ID}/.default"]


@pytest.mark.parametrize("audience", ["https://evil.example", "https://management.azure.com", "my-server"])
def test_no_token_for_an_audience_that_a_kubeconfig_names(audience: str) -> None:
    with pytest.raises(CloudError, match="another application"):
        aks_access(kubeconfig("https://c.hcp.x.azmk8s.io", "get-token", "--server-id", audience), refuse)


def test_a_kubeconfig_that_would_take_minutes_to_read() -> None:
    with pytest.raises(CloudError, match="1 MB"):
        aks_access(b"a: " + b"x" * 2_000_000, refuse)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://evil.example",
        "http://A.gr7.eu-central-1.eks.amazonaws.com",
        "https://x.s3.amazonaws.com",
        "https://127.0.0.1:1",
    ],
)
def test_an_eks_endpoint_that_is_none(endpoint: str) -> None:
    with pytest.raises(ForeignAddress):
        eks_access("c", endpoint, "", lambda: "t")


@pytest.mark.parametrize("tail", ["gr7.eu-central-1.eks.amazonaws.com", "sk1.cn-north-1.eks.amazonaws.com.cn"])
def test_an_eks_endpoint(tail: str) -> None:
    assert eks_access("c", f"https://ABC.{tail}", "", lambda: "t").server.endswith(tail)


def test_a_sandbox_is_on_loopback() -> None:
    assert eks_access("c", "https://127.0.0.1:1", "", lambda: "t", sandbox=True).server == "https://127.0.0.1:1"
    with pytest.raises(ForeignAddress):
        eks_access("c", "https://evil.example", "", lambda: "t", sandbox=True)


def test_an_aws_endpoint_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "https://evil.example",
        "AWS_ACCESS_KEY_ID": "AKIAX",
        "AWS_SECRET_ACCESS_KEY": "s",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ForeignAddress) as caught:
        _ = Aws(region=REGION, clock=WallClock()).ec2
    assert "AWS_ENDPOINT_URL" in caught.value.hint
