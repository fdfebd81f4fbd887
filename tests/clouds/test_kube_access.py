"""Getting into clusters: AKS kubeconfigs of both kinds, EKS; certificates never stay on disk."""

from __future__ import annotations

import base64
import datetime
import ssl
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.core.exceptions import HttpResponseError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cloudlink.clouds.cache import ReadCache
from cloudlink.clouds.kube import errors as kube_errors
from cloudlink.clouds.kube.access import AKS_SERVER_ID, Access, aks_access, eks_access, tls_context
from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.kube.errors import NoCluster
from cloudlink.core.polling import WallClock
from cloudlink.errors import CloudError, CredentialsError, MissingError, UnreachableError
from cloudlink.secret import Secret
from cloudlink_sandbox.listener import Listener
from cloudlink_sandbox.tls import Authority


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def kubeconfig(**user: Any) -> bytes:
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "clusters": [
                {"name": "other", "cluster": {"server": "https://elsewhere:443"}},
                {
                    "name": "test",
                    "cluster": {
                        "server": "https://test.hcp.azmk8s.io:443",
                        "certificate-authority-data": encoded("CA"),
                    },
                },
            ],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "clusterUser"}}],
            "current-context": "test",
            "users": [{"name": "clusterUser", "user": user}],
        }
    ).encode()


def refuse(scope: str) -> str:
    raise AssertionError(scope)


def test_a_kubeconfig_with_certificate_and_token() -> None:
    data = {"client-certificate-data": encoded("CERT"), "client-key-data": encoded("KEY"), "token": "a-token"}
    access = aks_access(kubeconfig(**data), refuse)
    assert (access.name, access.server, access.ca) == ("test", "https://test.hcp.azmk8s.io:443", "CA")
    assert access.certificate == "CERT" and access.key.reveal() == "KEY"
    token = access.token()
    assert token is not None and token.reveal() == "a-token"
    assert "CERT" not in repr(access) and "a-token" not in repr(access)


@pytest.mark.parametrize(
    ("args", "server"),
    [
        (
            ["get-token", "--environment", "AzurePublicCloud", "--server-id", AKS_SERVER_ID, "--client-id", "x"],
            AKS_SERVER_ID,
        ),
        (["get-token", f"--server-id={AKS_SERVER_ID.upper()}"], AKS_SERVER_ID),
        (["get-token"], AKS_SERVER_ID),
        (["get-token", "--server-id"], AKS_SERVER_ID),
    ],
)
def test_an_entra_kubeconfig_asks_azure_and_runs_nothing(args: list[str], server: str) -> None:
    asked: list[str] = []

    def azure_token(scope: str) -> str:
        asked.append(scope)
        return "from-azure"

    access = aks_access(kubeconfig(exec={"command": "/bin/false", "args": args}), azure_token)
    assert asked == []
    token = access.token()
    assert token is not None and token.reveal() == "from-azure"
    assert asked == [f"{server}/.default"]


@pytest.mark.parametrize(
    "bad",
    [
        b"{",
        b"just text",
        kubeconfig(),
        kubeconfig(**{"client-certificate-data": encoded("CERT")}),
        kubeconfig(**{"client-certificate-data": "!", "client-key-data": "!"}),
        kubeconfig(token="t").replace(b"current-context: test", b"current-context: other"),
        kubeconfig(token="t").replace(b"https://test", b"http://test"),
    ],
)
def test_unusable_kubeconfigs(bad: bytes) -> None:
    with pytest.raises(CloudError):
        aks_access(bad, refuse)


def test_eks() -> None:
    access = eks_access("prod", "https://abc.eks.amazonaws.com/", encoded("CA"), lambda: Secret("k8s-aws-v1.x"))
    token = access.token()
    assert (access.server, access.ca) == ("https://abc.eks.amazonaws.com", "CA")
    assert token is not None and token.reveal() == "k8s-aws-v1.x"
    with pytest.raises(CloudError):
        eks_access("prod", "https://x", "!", lambda: "")


class Api:
    """Answers as it is told to, and remembers what it was sent."""

    def __init__(self) -> None:
        self.status = "200 OK"
        self.body = b'{"kind": "ConfigMap"}'
        self.headers: list[tuple[str, str]] = []
        self.seen: list[dict[str, Any]] = []
        self.users: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.seen.append(environ)
        peer = environ["werkzeug.socket"].getpeercert() or {}
        self.users.append(next((v for ((k, v),) in peer.get("subject", ()) if k == "commonName"), ""))
        start_response(
            self.status, [("Content-Type", "application/json"), ("Content-Length", str(len(self.body))), *self.headers]
        )
        return [self.body]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def user() -> tuple[str, str]:
    """A client's certificate and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "clusterUser")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.public_bytes(serialization.Encoding.PEM).decode(), pem.decode()


@pytest.fixture(scope="module")
def served(authority: Authority, user: tuple[str, str]) -> Any:
    api = Api()
    context = authority.server_context()
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=user[0])
    listener = Listener(api, context)
    listener.start()
    yield api, listener.url
    listener.stop()


def client(access: Access) -> Kube:
    return Kube("test", lambda: access, ReadCache(WallClock()))


def test_a_client_certificate_is_used_and_not_left_behind(
    authority: Authority,
    served: tuple[Api, str],
    user: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    api, url = served
    access = Access("test", url, authority.ca_pem, certificate=user[0], key=Secret(user[1]))
    assert client(access).config_map("kube-system", "coredns") == {"kind": "ConfigMap"}
    assert list(tmp_path.iterdir()) == []
    assert api.users[-1] == "clusterUser"
    context = tls_context(access)
    assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname


def test_an_unusable_certificate() -> None:
    with pytest.raises(CredentialsError):
        tls_context(Access("test", "https://x", "", certificate="no", key=Secret("no")))


def test_another_authority_is_not_trusted(served: tuple[Api, str], tmp_path: Path) -> None:
    other = Authority(tmp_path)
    with pytest.raises(Exception) as caught:
        client(Access("test", served[1], other.ca_pem)).config_map("a", "b")
    translated = kube_errors.translate(caught.value)
    assert isinstance(translated, UnreachableError)
    assert "certificate" in translated.detail


def test_the_token_goes_along_and_paths_are_quoted(authority: Authority, served: tuple[Api, str]) -> None:
    api, url = served
    access = Access("test", url, authority.ca_pem, token=lambda: Secret("a-token"))
    client(access).config_map("a/b", "c?d")
    assert api.seen[-1]["HTTP_AUTHORIZATION"] == "Bearer a-token"
    assert api.seen[-1]["RAW_URI"] == "/api/v1/namespaces/a%2Fb/configmaps/c%3Fd"


def answer(api: Api, status: str, body: bytes, *headers: tuple[str, str]) -> None:
    api.status, api.body, api.headers = status, body, list(headers)


@pytest.mark.parametrize(
    ("status", "message", "kind", "retry", "unknown"),
    [
        ("401 Unauthorized", "Unauthorized", CredentialsError, None, False),
        (
            "403 Forbidden",
            'configmaps "x" is forbidden: User "u" cannot patch resource "configmaps"',
            CredentialsError,
            None,
            False,
        ),
        ("403 Forbidden", "configmaps is forbidden: cannot get resource [configmaps]", CloudError, None, False),
        ("403 Forbidden", 'pods "x" is forbidden: violates PodSecurity "restricted:latest"', CloudError, None, False),
        ("404 NotFound", "not found", MissingError, None, False),
        ("409 Conflict", "the object has been modified", CloudError, 1.0, False),
        ("422 Invalid", "is invalid", CloudError, None, False),
        ("429 TooManyRequests", "too many", CloudError, 7.0, False),
        ("500 InternalError", "etcd", UnreachableError, None, True),
        ("503 ServiceUnavailable", "later", UnreachableError, 7.0, True),
    ],
)
def test_refusals(
    authority: Authority,
    served: tuple[Api, str],
    status: str,
    message: str,
    kind: type,
    retry: float | None,
    unknown: bool,
) -> None:
    api, url = served
    body = f'{{"kind": "Status", "reason": "{status.split()[1]}", "message": {yaml.safe_dump(message, default_style=chr(34)).strip()}}}'
    answer(api, status, body.encode(), ("Retry-After", "7"))
    try:
        with pytest.raises(kube_errors.KubeApiError) as caught:
            client(Access("test", url, authority.ca_pem)).patch_config_map("a", "b", {})
    finally:
        answer(api, "200 OK", b'{"kind": "ConfigMap"}')
    translated = kube_errors.translate(caught.value)
    assert type(translated) is kind
    assert message[:10] in translated.detail
    assert kube_errors.retryable(caught.value) == retry
    assert kube_errors.unknown_outcome(caught.value) is unknown
    assert kube_errors.missing(caught.value) is (status[:3] == "404")


def test_a_cluster_that_says_when_it_may_be_asked_again(authority: Authority, served: tuple[Api, str]) -> None:
    """As a date, which some proxies in front of an API write."""
    api, url = served
    said, until = "Sat, 28 Nov 2026 10:00:00 GMT", "Sat, 28 Nov 2026 10:00:40 GMT"
    answer(api, "429 TooManyRequests", b"later", ("Retry-After", until), ("Date", said))
    try:
        with pytest.raises(kube_errors.KubeApiError) as caught:
            client(Access("test", url, authority.ca_pem)).config_map("a", "b")
    finally:
        answer(api, "200 OK", b'{"kind": "ConfigMap"}')
    assert kube_errors.retryable(caught.value) == 40.0


def test_an_answer_that_is_no_json(authority: Authority, served: tuple[Api, str]) -> None:
    api, url = served
    answer(api, "200 OK", b"<html>")
    try:
        with pytest.raises(UnreachableError) as caught:
            client(Access("test", url, authority.ca_pem)).patch_config_map("a", "b", {})
    finally:
        answer(api, "200 OK", b'{"kind": "ConfigMap"}')
    assert kube_errors.unknown_outcome(caught.value)


def test_nobody_listens(authority: Authority) -> None:
    with pytest.raises(Exception) as caught:
        client(Access("test", "https://127.0.0.1:1", authority.ca_pem)).config_map("a", "b")
    assert isinstance(kube_errors.translate(caught.value), UnreachableError)
    assert kube_errors.unknown_outcome(caught.value)


def azure_error(status: int) -> HttpResponseError:
    error = HttpResponseError("Azure says no")
    error.status_code = status
    return error


@pytest.mark.parametrize("why", [MissingError("There is no AKS cluster"), azure_error(404)])
def test_a_cluster_that_does_not_exist(why: Exception) -> None:
    def absent() -> Access:
        raise why

    with pytest.raises(NoCluster):
        Kube("test", absent, ReadCache(WallClock())).config_map("a", "b")


def test_not_being_allowed_to_see_it_is_something_else() -> None:
    def refused() -> Access:
        raise azure_error(403)

    with pytest.raises(HttpResponseError):
        Kube("test", refused, ReadCache(WallClock())).config_map("a", "b")


def test_other_errors_are_left_alone() -> None:
    assert kube_errors.translate(ValueError("x")) is None
    assert kube_errors.retryable(ValueError("x")) is None
    assert not kube_errors.unknown_outcome(ValueError("x"))
    assert not kube_errors.missing(ValueError("x"))


@pytest.mark.parametrize("kind", ["service", "ingress"])
def test_load_balancers(authority: Authority, served: tuple[Api, str], kind: str) -> None:
    api, url = served
    cluster = client(Access("test", url, authority.ca_pem))
    try:
        answer(api, "200 OK", b'{"status": {"loadBalancer": {"ingress": [{"hostname": "lb.elb.amazonaws.com"}]}}}')
        assert cluster.load_balancer_of(kind, "apps", "web") == "lb.elb.amazonaws.com"
        answer(api, "200 OK", b'{"status": {"loadBalancer": {}}}')
        with pytest.raises(MissingError, match="no load balancer"):
            cluster.load_balancer_of(kind, "apps", "web")
        answer(api, "200 OK", b'{"status": {"loadBalancer": {"ingress": [{"ip": "10.10.1.7"}]}}}')
        with pytest.raises(MissingError, match="not behind a load balancer of AWS") as caught:
            cluster.load_balancer_of(kind, "apps", "web")
        assert 'addresses = ["10.10.1.7"]' in caught.value.hint
        answer(api, "404 NotFound", b'{"kind": "Status", "reason": "NotFound"}')
        with pytest.raises(MissingError, match="no such"):
            cluster.load_balancer_of(kind, "apps", "web")
    finally:
        answer(api, "200 OK", b'{"kind": "ConfigMap"}')
