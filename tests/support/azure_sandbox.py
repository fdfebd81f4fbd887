"""A sandbox's Azure behind a listener, and cloudlink's Azure steps in front of it. AWS's nodes are stood in for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.cache import ReadCache
from cloudlink.clouds.endpoints import Endpoints
from cloudlink.core.plan import diff
from cloudlink.core.resource import Lookup, Node, Observed, Outputs, Ownership, Phase, Receipt, Receipts, Resource
from cloudlink.link import (
    AzureSubnet,
    Link,
    NewCluster,
    NewNetwork,
    SandboxFixtures,
)
from cloudlink.sandbox_world import description
from cloudlink.secret import Secret
from cloudlink.steps.azure_vpn.step import AzureSite, AzureVpn
from cloudlink.steps.outputs import AwsTunnelEnd, VpnConnection, VpnGateway
from cloudlink_sandbox.azure.cloud import AzureCloud
from cloudlink_sandbox.clock import SandboxClock
from cloudlink_sandbox.context import SandboxContext
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.facts import AwsFacts
from cloudlink_sandbox.faults import Fault, FaultRegistry
from cloudlink_sandbox.journal import Journal
from cloudlink_sandbox.listener import Listener
from cloudlink_sandbox.tls import Authority
from cloudlink_sandbox.world_file import parse
from tests.support.clocks import SandboxTime
from tests.support.links import INSIDE_RANGES, make_link

TENANT, CLIENT, PASSWORD = "8d3a1f3e-1f6b-4c58-9d8c-0b0f7c9f1a11", "a-client", "a-password"


def azure_link(**changes: Any) -> Link:
    """changes: of the Azure side."""
    fixtures = SandboxFixtures(
        vpc_cidrs=(IPv4Network("10.10.0.0/16"),),
        eks_service_cidr=IPv4Network("172.20.0.0/16"),
        eks_subnets=(IPv4Network("10.10.1.0/24"),),
        vnet_prefixes=(IPv4Network("10.20.0.0/16"),),
        aks_subnet=IPv4Network("10.20.0.0/22"),
    )
    side = {"tenant": TENANT, "location": "West Europe", "aks_cluster": "test", "aks_resource_group": "aks-rg"}
    return make_link(azure={**side, **changes}, sandbox=fixtures)


def made_from_nothing() -> Link:
    return azure_link(
        vnet_resource_group="link-rg",
        aks_resource_group="link-rg",
        create_resource_group=True,
        new_network=NewNetwork((IPv4Network("10.20.0.0/16"),), AzureSubnet("cluster", IPv4Network("10.20.0.0/22"))),
        new_cluster=NewCluster(2, "Standard_D2s_v5", None, IPv4Network("10.244.0.0/16"), IPv4Network("10.96.0.0/16")),
    )


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Stand(Lookup[Any]):
    """In place of one of AWS's nodes."""

    def read(self, outputs: Outputs) -> Any:
        return AWS[self.address]


PSKS = [Secret(f"psk{i}" + "x" * 29) for i in range(4)]
AWS_GATEWAY = Stand(address="aws_vpn.gateway", title="")
AWS_VPNS = (Stand(address="aws_vpn.connection[0]", title=""), Stand(address="aws_vpn.connection[1]", title=""))
OUTSIDE = [IPv4Address(f"52.10.0.{i + 1}") for i in range(4)]
AWS: dict[str, Any] = {
    AWS_GATEWAY.address: VpnGateway("vgw-1", 64512),
    **{
        # The second tunnel first: AWS's order means nothing.
        AWS_VPNS[v].address: VpnConnection(
            f"vpn-{v}",
            tuple(AwsTunnelEnd(OUTSIDE[i], IPv4Network(INSIDE_RANGES[i]), PSKS[i]) for i in (2 * v + 1, 2 * v)),
        )
        for v in (0, 1)
    },
}


class Server:
    """One listener for all tests: stopping one takes half a second. Passes requests on to the cloud of the moment."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.authority = Authority(home)
        self.cloud: AzureCloud | None = None
        self.listener = Listener(self.pass_on, self.authority.server_context())
        self.listener.start()

    def pass_on(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        assert self.cloud is not None
        return self.cloud.app(environ, start_response)


class AzureSandbox:
    """A sandbox's Azure and cloudlink's view of it."""

    def __init__(self, link: Link, server: Server, seed: bool = True) -> None:
        self.link = link
        self.context = SandboxContext(
            SandboxClock(0, 1_800_000_000.0), FaultRegistry(), Journal(), Durations(exact=True), server.home
        )
        self.cloud = AzureCloud(self.context, tenant=TENANT, client_id=CLIENT, client_secret=PASSWORD)
        self.context.azure_facts = self.cloud.facts
        self.context.aws_facts = lambda: AwsFacts({}, {}, {}, (), (), ())
        if seed:
            self.cloud.seed(parse(description(link)))
        server.cloud = self.cloud
        url = self.cloud.base_url = server.listener.url
        ca_file = server.authority.ca_file
        self.endpoints = Endpoints("", "", Secret(""), url, TENANT, CLIENT, Secret(PASSWORD), ca_file)
        self.time = SandboxTime(self.context.clock)
        self.azure, self.step = self.reconnect()
        self.outputs: dict[str, Any] = dict(AWS)
        self.receipts = Receipts()

    def reconnect(self, link: Link | None = None) -> tuple[Azure, AzureVpn]:
        """What another run of cloudlink would build."""
        azure = Azure(link or self.link, self.endpoints, self.time, ReadCache(self.time))
        return azure, AzureVpn(AzureSite(link or self.link, azure), AWS_VPNS, AWS_GATEWAY, ())

    def node(self, address: str) -> Any:
        return next(n for n in self.step.nodes() if n.address == address)

    def record(self, tail: str) -> Any:
        """The sandbox's own record of the one object whose id ends so."""
        (found,) = [r for k, r in self.cloud.store.resources.items() if k.endswith(tail.lower())]
        return found

    def find(self, resource: Resource[Any, Any]) -> Observed[Any, Any] | None:
        self.time.wait(3)  # a fresh read of before is not fresh now
        return resource.find(self.receipts, fresh=True)

    def wait(self, resource: Resource[Any, Any], *phases: Phase) -> Observed[Any, Any]:
        for i in range(20):
            found = self.find(resource)
            if found is not None and found.phase in (phases or (Phase.READY,)):
                return found
            self.time.wait(5 * 2**i)
        raise AssertionError(f"{resource.address} did not get there")

    def make(self, address: str) -> Observed[Any, Any]:
        """Like the engine: brings one resource to what it should be and keeps its outputs."""
        node: Node[Any] = self.node(address)
        if isinstance(node, Lookup):
            self.outputs[address] = node.read(Outputs(self.outputs))
            return None  # type: ignore[return-value]
        assert isinstance(node, Resource)
        spec = node.spec(Outputs(self.outputs))
        found = self.find(node)
        if found is None:
            self.note(address, "create")
            node.create(spec)
            found = self.wait(node)
            self.note(address)
        for _ in range(3):
            if not diff(found.spec, spec):
                break
            node.update(found, spec)
            found = self.wait(node)
        assert found.spec == spec, diff(found.spec, spec)
        self.outputs[address] = found.outputs
        return found

    def note(self, address: str, intent: str = "") -> None:
        receipt = Receipt(address, "", "creating", "", Ownership.OWNED, self.time.now(), intent=intent)
        self.receipts = Receipts({**self.receipts, address: receipt})

    def make_all(self, until: str = "") -> None:
        for node in self.step.nodes():
            self.make(node.address)
            if node.address == until:
                return

    def others(self) -> dict[str, Any]:
        """Everything that is not cloudlink's, as it is."""
        kept = self.cloud.store.resources.items()
        return {k: (dict(r.properties), dict(r.tags or {})) for k, r in kept if "cloudlink" not in k}

    def fault(self, kind: str, place: str, times: int | None = 1) -> None:
        self.context.faults.add(Fault(kind, place, times))

    def writes(self) -> list[str]:
        return [f"{c.operation}/{c.target}" for c in self.context.journal.calls() if c.writes]
