"""Both clouds' facts by hand: one tunnel, one Resolver endpoint with two addresses, one load balancer, one AKS cluster."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from cloudlink_sandbox.clock import SandboxClock
from cloudlink_sandbox.context import SandboxContext
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.facts import (
    AksCluster,
    AwsFacts,
    AwsTunnel,
    AzureConnection,
    AzureFacts,
    AzureGateway,
    AzureInstance,
    Interface,
    Proposals,
    Record,
    RouteTable,
    Rule,
    Subnet,
    Vnet,
    VnetSubnet,
    Zone,
)
from cloudlink_sandbox.faults import FaultRegistry
from cloudlink_sandbox.journal import Journal

START = 1_800_000_000.0
CLUSTER_ID = "/subscriptions/0/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/aks-one"
RESOLVERS = (IPv4Address("10.1.1.10"), IPv4Address("10.1.2.10"))
BALANCER = IPv4Address("10.1.1.50")
ZONE = "corp.example"

_WORDS = Proposals(
    frozenset({2}),
    frozenset({"AES256-GCM"}),
    frozenset({"SHA384"}),
    frozenset({20}),
    frozenset({"AES256-GCM"}),
    frozenset(),
    frozenset({20}),
)
_VNET = IPv4Network("10.20.0.0/16")
_OPEN = (Rule("udp", 53, 53, _VNET), Rule("tcp", 53, 53, _VNET))


def aws_facts() -> AwsFacts:
    vpc = IPv4Network("10.1.0.0/16")
    return AwsFacts(
        vpcs={"vpc-1": (vpc,)},
        subnets={f"subnet-{i}": Subnet(f"subnet-{i}", IPv4Network(f"10.1.{i}.0/24"), "vpc-1", "rtb-1") for i in (1, 2)},
        route_tables={"rtb-1": RouteTable("rtb-1", "vpc-1", frozenset({"vgw-1"}))},
        interfaces=(
            Interface(RESOLVERS[0], "subnet-1", "resolver", "rslvr-in-1", _OPEN, True),
            Interface(RESOLVERS[1], "subnet-2", "resolver", "rslvr-in-1", _OPEN, True),
            Interface(
                BALANCER, "subnet-1", "load-balancer", "arn:lb", None, True, frozenset({80, 443}), frozenset({443})
            ),
        ),
        zones=(
            Zone(
                "Z1",
                ZONE,
                frozenset({"vpc-1"}),
                (
                    Record(f"app.{ZONE}", "A", 60, (str(BALANCER),)),
                    Record(f"*.wild.{ZONE}", "A", 60, (str(BALANCER),)),
                    Record(f"alias.{ZONE}", "CNAME", 60, (f"app.{ZONE}",)),
                    Record(f"big.{ZONE}", "TXT", 60, tuple(f'"{"x" * 200}{i}"' for i in range(5))),
                ),
            ),
        ),
        tunnels=(
            AwsTunnel(
                "vpn-1",
                ("vpc-1",),
                "vgw-1",
                IPv4Address("52.0.0.1"),
                IPv4Network("169.254.21.0/30"),
                "a-pre-shared-key",
                IPv4Address("20.0.0.1"),
                65000,
                64512,
                _WORDS,
                True,
                False,
                True,
                START - 10_000,
            ),
        ),
    )


def azure_facts(version: str = "1.33") -> AzureFacts:
    subnet = VnetSubnet("/vnet-1/subnets/aks", (IPv4Network("10.20.1.0/24"),), True)
    instance = AzureInstance(
        "default", IPv4Address("20.0.0.1"), IPv4Address("10.20.255.4"), (IPv4Address("169.254.21.2"),)
    )
    return AzureFacts(
        vnets={"/vnet-1": Vnet("/vnet-1", (_VNET,), (_VNET,), (subnet,))},
        gateways={"/gw-1": AzureGateway("/gw-1", 65000, True, (instance,), "/vnet-1", True)},
        connections=(
            AzureConnection(
                "/con-1",
                "con-1",
                "/gw-1",
                IPv4Address("52.0.0.1"),
                IPv4Address("169.254.21.1"),
                64512,
                "a-pre-shared-key",
                _WORDS,
                True,
                True,
                True,
                {"default": IPv4Address("169.254.21.2")},
                True,
                START - 10_000,
            ),
        ),
        clusters=(
            AksCluster(
                CLUSTER_ID,
                "aks-one",
                "/vnet-1",
                subnet.id,
                (IPv4Address("10.20.1.4"), IPv4Address("10.20.1.5")),
                IPv4Network("10.244.0.0/16"),
                IPv4Network("10.0.0.0/16"),
                IPv4Address("10.0.0.10"),
                "node",
                version,
            ),
        ),
    )


@dataclass
class SmallWorld:
    """Change aws and azure (frozen facts) to change the world."""

    home: Path
    speed: float = 0.0
    aws: AwsFacts = field(default_factory=aws_facts)
    azure: AzureFacts = field(default_factory=azure_facts)

    def __post_init__(self) -> None:
        self.context = SandboxContext(
            clock=SandboxClock(self.speed, START),
            faults=FaultRegistry(),
            journal=Journal(),
            durations=Durations(exact=True),
            home=self.home,
            aws_facts=lambda: self.aws,
            azure_facts=lambda: self.azure,
        )

    def with_interfaces(self, *interfaces: Interface) -> None:
        self.aws = replace(self.aws, interfaces=interfaces)
