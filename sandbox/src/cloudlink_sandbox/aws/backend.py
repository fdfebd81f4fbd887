"""moto's EC2 store, holding the sandbox's own VPN objects where moto would hold its own.

The first of the two seams with moto: ``BackendDict.backend`` is the class that moto instantiates per account and region.
"""

from __future__ import annotations

import secrets
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from moto.ec2.models import EC2Backend, ec2_backends

from cloudlink_sandbox.aws.objects import (
    CustomerGateway,
    TransitAttachment,
    TransitGateway,
    TransitRouteTable,
    VpnConnection,
    VpnGateway,
)

_OUTSIDE = IPv4Address("198.51.100.10")


class SandboxEc2(EC2Backend):
    """propagations: route table id -> gateway id -> since when. born: id -> when it was made.

    The VPN dictionaries carry moto's names, so that moto's own look-ups (a route to a gateway, tags) find our objects.
    """

    vpn_gateways: dict[str, VpnGateway]  # type: ignore[assignment]
    customer_gateways: dict[str, CustomerGateway]  # type: ignore[assignment]
    vpn_connections: dict[str, VpnConnection]  # type: ignore[assignment]
    transit_gateways: dict[str, TransitGateway]  # type: ignore[assignment]
    transit_gateway_attachments: dict[str, TransitAttachment]  # type: ignore[assignment]
    transit_gateways_route_tables: dict[str, TransitRouteTable]  # type: ignore[assignment]

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.propagations: dict[str, dict[str, float]] = {}
        self.born: dict[str, float] = {}
        self.outside_given = 0

    def create_security_group(self, *args: Any, **named: Any) -> Any:
        """A VPC's default group lets in what comes from the group itself, besides letting everything out.

        https://docs.aws.amazon.com/vpc/latest/userguide/default-security-group.html
        """
        group = super().create_security_group(*args, **named)
        if group.is_default:
            self.authorize_security_group_ingress(
                group.id, "-1", "-1", "-1", [], source_groups=[{"GroupId": group.id}], vpc_id=group.vpc_id
            )
        return group

    def next_outside(self) -> IPv4Address:
        """A public address of a tunnel endpoint, never given twice (198.51.100.0/24, then 203.0.113.0/24)."""
        number = self.outside_given
        self.outside_given += 1
        if number < 240:
            return _OUTSIDE + number
        return IPv4Address("203.0.113.200") + (number - 240) % 50

    def tags_of(self, resource_id: str) -> dict[str, str]:
        return dict(self.tags[resource_id]) if resource_id in self.tags else {}

    def tag_list_of(self, resource_id: str) -> list[dict[str, str]]:
        return [{"Key": k, "Value": v} for k, v in self.tags_of(resource_id).items()]

    def forget(self, resource_id: str) -> None:
        """The object has expired: its tags go with it."""
        self.tags.pop(resource_id, None)
        self.born.pop(resource_id, None)

    def describe_vpn_gateways(self, filters: Any = None, vpn_gw_ids: list[str] | None = None) -> list[Any]:
        """For moto's own questions (may this VPC be deleted?)."""
        wanted = (filters or {}).get("attachment.vpc-id")
        return [
            g
            for g in self.vpn_gateways.values()
            if (not vpn_gw_ids or g.id in vpn_gw_ids) and (wanted is None or set(g.attachments) & set(wanted))
        ]

    def describe_vpn_connections(self, vpn_connection_ids: list[str] | None = None, filters: Any = None) -> list[Any]:
        """For moto's own questions (does this id exist, so that it may be tagged?)."""
        from cloudlink_sandbox.aws.errors import ApiError

        assert not filters
        for wanted in vpn_connection_ids or ():
            if wanted not in self.vpn_connections:
                raise ApiError("InvalidVpnConnectionID.NotFound", f"The vpnConnection ID '{wanted}' does not exist")
        return list(self.vpn_connections.values())


def network_of(account: str, region: str) -> SandboxEc2:
    """The store of one region, made when it is first asked for."""
    store = ec2_backends[account][region]
    assert isinstance(store, SandboxEc2)
    return store


def networks_of(account: str) -> list[SandboxEc2]:
    """The stores of all regions in use."""
    return [s for s in ec2_backends[account].values() if isinstance(s, SandboxEc2)]


def ranges_of(vpc: Any) -> tuple[IPv4Network, ...]:
    """A VPC's ranges; moto keeps those that were taken from it until the next one is given."""
    return tuple(
        IPv4Network(block["cidr_block"])
        for block in vpc.get_cidr_block_association_set(ipv6=False)
        if block["cidr_block_state"]["state"] != "disassociated"
    )


def new_id(prefix: str) -> str:
    """An id as EC2 makes them: prefix and 17 hexadecimal digits."""
    return f"{prefix}-0{secrets.token_hex(8)}"


ec2_backends.backend = SandboxEc2
