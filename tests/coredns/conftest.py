"""The programs (built when the first test asks), a resolver in Azure's place, and the sandbox's Kubernetes API."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from cloudlink_sandbox.kube.plugins import coredns_version
from tests.coredns.build import CannotBuild, built
from tests.coredns.process import Refused, Running, Surroundings, start
from tests.coredns.upstreams import Rule, Upstream, addressed, free_port
from tests.sandbox.kube.small_world import CLUSTER_ID
from tests.support.kube_sandbox import TOKEN, KubeSandbox

# The oldest and the newest that AKS ships. More, or others: COREDNS_VERSIONS="1.9.4 1.11.3 1.12.1".
VERSIONS = tuple(os.environ.get("COREDNS_VERSIONS", "").split()) or (coredns_version("1.31"), coredns_version("1.36"))

AZURE_RESOLVER = "127.0.0.53"
FROM_AZURE = "192.0.2.53"

Starter = Callable[..., Running | Refused]


@pytest.fixture(scope="session", params=VERSIONS)
def program(request: pytest.FixtureRequest) -> Path:
    try:
        return built(request.param)
    except CannotBuild as error:
        if error.outside:
            pytest.skip(str(error))
        raise


@pytest.fixture
def version(program: Path) -> str:
    return program.parent.name


@pytest.fixture(scope="session")
def resolver() -> Iterator[Upstream]:
    """What Azure's resolver is to CoreDNS: it knows every name, and each has the same address."""
    try:
        upstream = Upstream(AZURE_RESOLVER, free_port(AZURE_RESOLVER), addressed(FROM_AZURE))
    except OSError as error:
        pytest.skip(f"this machine does not have all of 127.0.0.0/8: {error}")
    yield upstream
    upstream.stop()


@pytest.fixture(scope="session")
def around(tmp_path_factory: pytest.TempPathFactory, resolver: Upstream) -> Iterator[Surroundings]:
    home = tmp_path_factory.mktemp("sandbox")
    bench = KubeSandbox(home)
    (home / "ca.crt").write_text(str(bench.authority.ca_pem))
    kubeconfig = home / "kubeconfig"
    server = {"server": bench.cloud.url_of(CLUSTER_ID), "certificate-authority": str(home / "ca.crt")}
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "aks",
                "clusters": [{"name": "aks", "cluster": server}],
                "users": [{"name": "coredns", "user": {"token": TOKEN}}],
                "contexts": [{"name": "aks", "context": {"cluster": "aks", "user": "coredns"}}],
            }
        )
    )
    yield Surroundings(kubeconfig, f"{resolver.address}:{resolver.port}")
    bench.stop()


@pytest.fixture
def begin(program: Path, around: Surroundings, tmp_path: Path) -> Iterator[Starter]:
    """Start a CoreDNS with these keys in coredns-custom."""
    begun: list[Running] = []

    def starter(keys: Mapping[str, str], reload: str = "reload") -> Running | Refused:
        made = start(program, tmp_path / f"coredns{len(begun)}", keys, around, reload=reload)
        if isinstance(made, Running):
            begun.append(made)
        return made

    yield starter
    for one in begun:
        one.stop()


@pytest.fixture
def serve() -> Iterator[Callable[[str, int, Rule], Upstream]]:
    begun: list[Upstream] = []

    def server(address: str, port: int, rule: Rule) -> Upstream:
        begun.append(Upstream(address, port, rule))
        return begun[-1]

    yield server
    for one in begun:
        one.stop()
