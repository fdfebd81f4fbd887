"""The sandbox's Azure as tests use it: a clock that stands still, and plain requests beside the SDKs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import requests

from cloudlink_sandbox.azure import AzureCloud
from cloudlink_sandbox.clock import SandboxClock
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.facts import AwsFacts
from cloudlink_sandbox.faults import FaultRegistry
from cloudlink_sandbox.grants import Grants
from cloudlink_sandbox.journal import Journal
from cloudlink_sandbox.world import World
from cloudlink_sandbox.world_file import Aks, Aws, Vnet, WorldFile
from cloudlink_sandbox.world_file import Azure as AzureSide

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "66666666-7777-8888-9999-000000000000"
SECRET = "s3cret-of-the-sandbox"
SUBSCRIPTION = "99999999-aaaa-bbbb-cccc-dddddddddddd"
GROUP = "link-rg"
START = 1_700_000_000.0
API = "2024-05-01"


@dataclass
class StillContext:
    """The sandbox's shared things with nothing on AWS's side."""

    home: Path
    clock: SandboxClock = field(default_factory=lambda: SandboxClock(0, START))
    faults: FaultRegistry = field(default_factory=FaultRegistry)
    grants: Grants = field(default_factory=Grants)
    journal: Journal = field(default_factory=Journal)
    durations: Durations = field(default_factory=lambda: Durations(exact=True))
    lock: Any = field(default_factory=threading.RLock)
    cloud: Any = None
    aws: AwsFacts = field(default_factory=lambda: AwsFacts({}, {}, {}, (), (), ()))
    touched: int = 0

    def touch(self) -> None:
        self.touched += 1

    def world(self) -> World:
        return World(self.aws, self.cloud.facts(), self.clock.now(), self.faults, self.durations)


@dataclass
class Azure:
    """The sandbox under test with what its clients need."""

    context: StillContext
    cloud: AzureCloud
    url: str
    ca: str
    session: requests.Session = field(default_factory=requests.Session)

    def advance(self, seconds: float) -> None:
        self.context.clock.advance(seconds)

    def token(self, audience: str | None = None) -> str:
        return self.cloud.parts.entra.issue(audience or self.url, self.url)

    def call(
        self, method: str, path: str, body: Any = None, *, api: str | None = API, token: str | None = None, **query: str
    ) -> requests.Response:
        """One plain request; path may also be an absolute URL, which is used as it is."""
        absolute = path.startswith("https://")
        params = {} if absolute or api is None else {"api-version": api, **query}
        return self.session.request(
            method,
            path if absolute else self.url + path,
            params=params,
            json=body,
            headers={"Authorization": f"Bearer {token or self.token()}"},
            verify=self.ca,
            timeout=10,
        )

    def settle(self, response: requests.Response, seconds: float = 3000) -> None:
        """Lets the operation of this answer end, and checks that it ended well."""
        assert response.status_code in (200, 201, 202), response.text
        self.advance(seconds)
        url = response.headers.get("Azure-AsyncOperation")
        if url:
            assert self.call("GET", url).json()["status"] == "Succeeded"

    def path(self, kind: str, name: str = "", group: str = GROUP) -> str:
        base = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Network/{kind}"
        return f"{base}/{name}" if name else base


def make_world(**changes: Any) -> WorldFile:
    """changes: of the Azure side."""
    azure = AzureSide(
        subscription=SUBSCRIPTION,
        resource_groups=(GROUP,),
        vnet=Vnet("aks-vnet", "net-rg", (IPv4Network("10.60.0.0/16"),), IPv4Network("10.60.0.0/22")),
        aks=Aks("test-aks", "aks-rg"),
        keep_free=(IPv4Network("10.60.255.0/27"),),
    )
    return WorldFile(Aws(cidrs=(IPv4Network("10.20.0.0/16"),)), replace(azure, **changes))


PIP = {
    "location": "westeurope",
    "sku": {"name": "Standard"},
    "zones": ["1", "2", "3"],
    "properties": {"publicIPAllocationMethod": "Static"},
}
SUBNETS = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/net-rg/providers/Microsoft.Network/virtualNetworks/aks-vnet/subnets"
)


def lng(address: str = "3.120.0.1", peer: str = "169.254.21.1", asn: int = 64512) -> dict[str, Any]:
    bgp = {"asn": asn, "bgpPeeringAddress": peer}
    return {"location": "westeurope", "properties": {"gatewayIpAddress": address, "bgpSettings": bgp}}


def put_ips(azure: Azure, count: int = 2, **fields: Any) -> None:
    for i in range(count):
        azure.settle(azure.call("PUT", azure.path("publicIPAddresses", f"pip-{i}"), {**PIP, **fields}), 60)


def put_gateway_subnet(azure: Azure, prefix: str = "10.60.255.0/27") -> None:
    azure.settle(azure.call("PUT", f"{SUBNETS}/GatewaySubnet", {"properties": {"addressPrefix": prefix}}), 60)


def gateway(azure: Azure, name: str = "gw", **properties: Any) -> dict[str, Any]:
    id_ = azure.path("virtualNetworkGateways", name)
    configs = [
        {
            "name": f"c{i}",
            "properties": {
                "publicIPAddress": {"id": azure.path("publicIPAddresses", f"pip-{i}")},
                "subnet": {"id": f"{SUBNETS}/GatewaySubnet"},
            },
        }
        for i in range(2)
    ]
    custom = (["169.254.21.2", "169.254.22.2"], ["169.254.21.6", "169.254.22.6"])
    peers = [{"ipconfigurationId": f"{id_}/ipConfigurations/c{i}", "customBgpIpAddresses": custom[i]} for i in range(2)]
    kept: dict[str, Any] = {
        "activeActive": True,
        "enableBgp": True,
        "gatewayType": "Vpn",
        "vpnType": "RouteBased",
        "sku": {"name": "VpnGw1AZ", "tier": "VpnGw1AZ"},
        "ipConfigurations": configs,
        "bgpSettings": {"asn": 65000, "bgpPeeringAddresses": peers},
    }
    return {"location": "westeurope", "properties": kept | properties}


def connection(azure: Azure, number: int = 0, **properties: Any) -> dict[str, Any]:
    kept = {
        "connectionType": "IPsec",
        "enableBgp": True,
        "sharedKey": f"key{number}",
        "virtualNetworkGateway1": {"id": azure.path("virtualNetworkGateways", "gw")},
        "localNetworkGateway2": {"id": azure.path("localNetworkGateways", f"lng-{number}")},
    }
    return {"location": "westeurope", "properties": kept | properties}


def code(response: requests.Response) -> tuple[int, str | None]:
    body = response.json()
    return response.status_code, body.get("error", body).get("code")
