"""dig, unmodified, asks the loopback addresses of the sandbox's name servers."""

from __future__ import annotations

import pytest

from tests.clients.shell import Clients


@pytest.fixture(scope="session")
def cluster_dns(clients: Clients) -> tuple[str, str]:
    """For dig: @HOST and -pPORT."""
    servers = clients.cloudlink("sandbox", "status", "--json").json["name_servers"]
    host, _, port = next(s["address"] for s in servers.values() if s["what"] == "AKS cluster DNS").rpartition(":")
    return f"@{host}", f"-p{port}"


@pytest.mark.program("dig resolves a service over UDP and TCP")
@pytest.mark.parametrize("transport", ["+notcp", "+tcp"])
def test_a_service_has_its_address(clients: Clients, cluster_dns: tuple[str, str], transport: str) -> None:
    said = clients.ok("dig", *cluster_dns, "kubernetes.default.svc.cluster.local", transport, "+short")
    assert said.out == "10.0.0.1\n"


@pytest.mark.program("dig is told NXDOMAIN")
def test_a_name_that_nobody_has(clients: Clients, cluster_dns: tuple[str, str]) -> None:
    said = clients.ok("dig", *cluster_dns, "nothing.default.svc.cluster.local")
    assert "status: NXDOMAIN" in said.out
