"""API servers over HTTPS on loopback, with a certificate authority that lives as long as the tests."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from kubernetes import client as kubernetes_client

from cloudlink_sandbox.kube.server import KubeCloud
from cloudlink_sandbox.listener import Listener
from cloudlink_sandbox.wire.service import Wire
from tests.sandbox.kube.small_world import CLUSTER_ID, SmallWorld

TOKEN = "a-good-token"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


@pytest.fixture
def world(tmp_path: Path) -> SmallWorld:
    return SmallWorld(tmp_path)


def _serve(cloud: KubeCloud, certificate: Path) -> Listener:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = Listener(cloud.app, context)
    cloud.base_url = server.url
    server.start()
    return server


@dataclass
class Aks:
    """The cloud of the one AKS cluster, its wire, and a real client for it."""

    world: SmallWorld
    cloud: KubeCloud
    wire: Wire
    api: kubernetes_client.ApiClient

    @property
    def core(self) -> kubernetes_client.CoreV1Api:
        return kubernetes_client.CoreV1Api(self.api)

    @property
    def apps(self) -> kubernetes_client.AppsV1Api:
        return kubernetes_client.AppsV1Api(self.api)

    def advance(self, seconds: float) -> None:
        """Move time on in small steps, so that what happens can be followed by what it causes."""
        self.world.context.clock.advance(seconds)


def api_client(url: str, certificate: Path, token: str = TOKEN) -> kubernetes_client.ApiClient:
    configuration = kubernetes_client.Configuration()
    configuration.host = url
    configuration.ssl_ca_cert = str(certificate)
    configuration.api_key = {"authorization": f"Bearer {token}"}
    configuration.retries = False
    return kubernetes_client.ApiClient(configuration)


@pytest.fixture
def aks(world: SmallWorld, certificate: Path) -> Iterator[Aks]:
    cloud = KubeCloud(world.context, name="aks", authenticate=lambda token: "clusterAdmin" if token == TOKEN else None)
    wire = Wire(world.context, cloud)
    server = _serve(cloud, certificate)
    try:
        yield Aks(world, cloud, wire, api_client(cloud.url_of(CLUSTER_ID), certificate))
    finally:
        cloud.stop()
        wire.stop()
        server.stop()


@pytest.fixture
def eks(world: SmallWorld, certificate: Path) -> Iterator[KubeCloud]:
    cloud = KubeCloud(world.context, name="eks", authenticate=lambda token: "admin" if token == TOKEN else None)
    server = _serve(cloud, certificate)
    try:
        yield cloud
    finally:
        cloud.stop()
        server.stop()
