"""AWS's facts under the real world: a right Azure side brings the tunnels up, a wrong key keeps one down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from aws_account import VPC, Account, Gateways, a_world

from cloudlink_sandbox.aws.cloud import AwsCloud
from cloudlink_sandbox.clock import SandboxClock
from cloudlink_sandbox.context import SandboxContext
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.facts import (
    AwsFacts,
    AzureConnection,
    AzureFacts,
    AzureGateway,
    AzureInstance,
    Vnet,
    VnetSubnet,
)
from cloudlink_sandbox.faults import Fault, FaultRegistry
from cloudlink_sandbox.journal import Journal

NETWORK = (IPv4Network("10.1.0.0/16"),)


@dataclass
class Both:
    account: Account
    azure: AzureFacts


def azure_for(aws: AwsFacts) -> AzureFacts:
    """An Azure side that fits these tunnels exactly."""
    customs = tuple(t.inside.network_address + 2 for t in aws.tunnels)
    gateway = AzureGateway(
        "gw",
        65_515,
        True,
        (AzureInstance("default", IPv4Address("20.0.0.1"), IPv4Address("10.1.255.4"), customs),),
        "v",
        True,
    )
    connections = tuple(
        AzureConnection(
            id=f"c{n}", name=f"c{n}", gateway_id="gw", peer_ip=t.outside_ip, peer_bgp=t.inside.network_address + 1,
            peer_asn=t.amazon_asn, psk=t.psk, proposals=t.proposals, initiates=False, responds=True,
            bgp=True, custom_bgp={"default": t.inside.network_address + 2}, ready=True, changed_at=0.0,
        )
        for n, t in enumerate(aws.tunnels)
    )  # fmt: skip
    vnet = Vnet("v", NETWORK, NETWORK, (VnetSubnet("s", NETWORK, True),))
    return AzureFacts({"v": vnet}, {"gw": gateway}, connections, ())


@pytest.fixture
def both(tmp_path: Path, front: tuple[Any, str]) -> Both:
    context = SandboxContext(
        SandboxClock(0, 1_800_000_000.0), FaultRegistry(), Journal(), Durations(exact=True), tmp_path
    )
    cloud = AwsCloud(context)
    front[0].app = cloud.app
    account = Account(cloud, context, front[1])  # type: ignore[arg-type]
    both = Both(account, AzureFacts({}, {}, (), ()))
    cloud.eks_endpoint, cloud.eks_certificate = (lambda *_: "https://127.0.0.1:1"), (lambda: "Q0E=")
    context.aws_facts, context.azure_facts = cloud.facts, lambda: both.azure
    cloud.seed(a_world())
    gateways = Gateways.of(account)
    start = {"StartupAction": "start", "IKEVersions": [{"Value": "ikev2"}]}
    gateways.connection(
        {"TunnelInsideCidr": "169.254.21.0/30", **start}, {"TunnelInsideCidr": "169.254.22.0/30", **start}
    )
    table = account.client("ec2").describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [VPC]}])["RouteTables"][0]
    account.client("ec2").enable_vgw_route_propagation(GatewayId=gateways.vgw, RouteTableId=table["RouteTableId"])
    return both


def telemetry(both: Both) -> list[tuple[str, str, int]]:
    (seen,) = both.account.client("ec2").describe_vpn_connections()["VpnConnections"]
    return [(t["Status"], t["StatusMessage"], t["AcceptedRouteCount"]) for t in seen["VgwTelemetry"]]


def propagated(both: Both) -> set[str]:
    tables = both.account.client("ec2").describe_route_tables()["RouteTables"]
    return {
        r["DestinationCidrBlock"] for t in tables for r in t["Routes"] if r["Origin"] == "EnableVgwRoutePropagation"
    }


UP, DOWN = ("UP", "1 BGP ROUTES", 1), ("DOWN", "IPSEC IS DOWN", 0)


@pytest.mark.recorded("A tunnel without a peer is DOWN, IPSEC IS DOWN, with no routes")
def test_nothing_on_the_other_side(both: Both) -> None:
    both.account.later(600)
    assert telemetry(both) == [DOWN, DOWN]
    assert propagated(both) == set()


@pytest.mark.belief("A tunnel with BGP is UP and its message counts the routes")
@pytest.mark.documentation("Routes of a tunnel that is up are propagated into the tables that ask for it")
def test_a_right_other_side(both: Both) -> None:
    both.azure = azure_for(both.account.cloud.facts())
    both.account.later(600)
    assert telemetry(both) == [UP, UP]
    assert propagated(both) == {"10.1.0.0/16"}


SPOILERS: list[tuple[str, Callable[[AzureConnection], AzureConnection], tuple[str, str, int]]] = [
    ("another key", lambda c: replace(c, psk="wrong"), DOWN),
    ("another ASN", lambda c: replace(c, peer_asn=65_000), ("DOWN", "IPSEC IS UP", 0)),
    ("another peer", lambda c: replace(c, peer_bgp=IPv4Address("169.254.21.9")), ("DOWN", "IPSEC IS UP", 0)),
]


@pytest.mark.documentation("Another key keeps IPsec down; another ASN or peer address keeps BGP down while IPSEC IS UP")
@pytest.mark.documentation("The other tunnel still brings the routes")
@pytest.mark.parametrize(("spoil", "seen"), [r[1:] for r in SPOILERS], ids=[r[0] for r in SPOILERS])
def test_a_wrong_other_side(both: Both, spoil: Callable[[AzureConnection], AzureConnection], seen: Any) -> None:
    right = azure_for(both.account.cloud.facts())
    both.azure = replace(right, connections=(spoil(right.connections[0]), *right.connections[1:]))
    both.account.later(600)
    assert telemetry(both) == [seen, UP]
    assert propagated(both) == {"10.1.0.0/16"}  # the other tunnel still brings them


@pytest.mark.documentation("Propagated routes vanish when no tunnel is up")
def test_routes_vanish_with_the_last_tunnel(both: Both) -> None:
    both.azure = azure_for(both.account.cloud.facts())
    both.account.later(600)
    both.account.context.faults.add(Fault("tunnel-down", "*"))
    assert telemetry(both) == [DOWN, DOWN]
    assert propagated(both) == set()
