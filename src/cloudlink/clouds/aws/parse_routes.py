"""Route tables with all their routes, as frozen facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from cloudlink.clouds.malformed import parsing

AwsObject = Mapping[str, Any]

_TARGETS = (
    "GatewayId",
    "TransitGatewayId",
    "NatGatewayId",
    "VpcPeeringConnectionId",
    "NetworkInterfaceId",
    "InstanceId",
    "CoreNetworkArn",
)


@dataclass(frozen=True)
class TableRoute:
    destination: IPv4Network
    target: str  # ``local``, a gateway's id, ...; empty: nowhere
    active: bool
    propagated: bool  # learned from a virtual private gateway


@dataclass(frozen=True)
class Table:
    id: str
    main: bool = False  # in force for subnets that have none of their own
    subnets: tuple[str, ...] = ()
    propagates: tuple[str, ...] = ()  # gateways whose routes it learns
    routes: tuple[TableRoute, ...] = ()  # IPv4 only: cloudlink links IPv4


@parsing("AWS's route tables")
def tables(found: Iterable[AwsObject]) -> tuple[Table, ...]:
    return tuple(
        Table(
            id=str(t["RouteTableId"]),
            main=any(a.get("Main") and not a.get("SubnetId") for a in t.get("Associations") or ()),
            subnets=tuple(str(a["SubnetId"]) for a in t.get("Associations") or () if a.get("SubnetId")),
            propagates=tuple(str(v.get("GatewayId")) for v in t.get("PropagatingVgws") or ()),
            routes=tuple(_route(r) for r in t.get("Routes") or () if r.get("DestinationCidrBlock")),
        )
        for t in found
    )


def _route(raw: AwsObject) -> TableRoute:
    return TableRoute(
        destination=IPv4Network(raw["DestinationCidrBlock"]),
        target=next((str(raw[key]) for key in _TARGETS if raw.get(key)), ""),
        active=raw.get("State", "active") == "active",
        propagated=raw.get("Origin") == "EnableVgwRoutePropagation",
    )
