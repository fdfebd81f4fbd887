"""One sandbox Azure over HTTPS on loopback, with a clock that stands still until a test moves it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure_sandbox import (
    CLIENT,
    SECRET,
    TENANT,
    Azure,
    StillContext,
    gateway,
    lng,
    make_world,
    put_gateway_subnet,
    put_ips,
)

from cloudlink_sandbox.azure import AzureCloud
from cloudlink_sandbox.listener import Listener
from cloudlink_sandbox.tls import Authority


@dataclass
class Switch:
    """One listener for all tests: it hands each request to the cloud of the test that runs."""

    authority: Authority
    url: str = ""
    cloud: AzureCloud | None = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        assert self.cloud is not None
        return self.cloud.app(environ, start_response)


@pytest.fixture(scope="session")
def switch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Switch]:
    switch = Switch(Authority(tmp_path_factory.mktemp("authority")))
    listener = Listener(switch, switch.authority.server_context())
    listener.start()
    switch.url = listener.url
    try:
        yield switch
    finally:
        listener.stop()


@pytest.fixture
def azure(switch: Switch, tmp_path: Path) -> Azure:
    context = StillContext(tmp_path)
    cloud = AzureCloud(context, tenant=TENANT, client_id=CLIENT, client_secret=SECRET)  # type: ignore[arg-type]
    context.cloud = cloud
    cloud.base_url = switch.url
    cloud.aks_endpoint = lambda cluster: (f"{switch.url}/aks/{cluster.name}", switch.authority.ca_pem, "static-token")
    switch.cloud = cloud
    return Azure(context, cloud, switch.url, switch.authority.ca_file)


@pytest.fixture
def seeded(azure: Azure) -> Azure:
    azure.cloud.seed(make_world())
    return azure


@pytest.fixture
def built(seeded: Azure) -> Azure:
    """A finished gateway and two local gateways."""
    put_ips(seeded)
    put_gateway_subnet(seeded)
    seeded.settle(seeded.call("PUT", seeded.path("virtualNetworkGateways", "gw"), gateway(seeded)))
    for i in range(2):
        path = seeded.path("localNetworkGateways", f"lng-{i}")
        seeded.settle(seeded.call("PUT", path, lng(f"3.120.0.{i + 1}", f"169.254.2{i + 1}.1")), 60)
    return seeded
