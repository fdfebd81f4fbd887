"""AWS's half of what somebody else has joined the networks with: made long ago, and working."""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Network

from cloudlink_sandbox import world_file
from cloudlink_sandbox.aws.account import AwsAccount
from cloudlink_sandbox.aws.backend import SandboxEc2, new_id, ranges_of
from cloudlink_sandbox.aws.direct_connect_gateways import Association, Gateway, Interface
from cloudlink_sandbox.aws.objects import (
    CustomerGateway,
    TransitAttachment,
    TransitGateway,
    TransitRouteTable,
    Tunnel,
    VpnConnection,
    VpnGateway,
)
from cloudlink_sandbox.aws.timeline import Timeline
from cloudlink_sandbox.aws.transit_gateways import GATEWAY_DEFAULTS, VPC_DEFAULTS
from cloudlink_sandbox.aws.tunnel_options import TunnelOptions
from cloudlink_sandbox.wires import LONG_AGO, ROUTER_ASN, WirePlan
from cloudlink_sandbox.world_file import Aws

NAME = "corporate-wan"


def seed_wire(
    cloud: AwsAccount,
    store: SandboxEc2,
    aws: Aws,
    ranges: list[IPv4Network],
    plan: WirePlan,
    subnets: list[str],
) -> None:
    """Called under the context's lock. ranges: of the VNet and of those that use its gateway. subnets: of the EKS cluster."""
    made = cloud.now - LONG_AGO
    if plan.kind == "transit-gateway":
        _transit_gateway(store, aws, ranges, plan, subnets, made)
        return
    gateway = VpnGateway(
        new_id("vgw"),
        plan.aws_asn,
        None,
        Timeline.of("available", made),
        made,
        {aws.vpc: Timeline.of("attached", made)},
    )
    store.vpn_gateways[gateway.id] = gateway
    store.create_tags([gateway.id], {"Name": NAME})
    for table in store.route_tables.values():
        if table.vpc_id == aws.vpc:
            store.propagations.setdefault(table.id, {})[gateway.id] = made
    if plan.kind == "vpn":
        for connection in _connections(store, plan, made, vpn_gateway=gateway.id):
            store.vpn_connections[connection.id] = connection
    else:
        _direct_connect(cloud, store, aws, plan, gateway.id)


def _connections(
    store: SandboxEc2,
    plan: WirePlan,
    made: float,
    *,
    vpn_gateway: str | None = None,
    transit_gateway: str | None = None,
) -> list[VpnConnection]:
    """Two, one to each instance of Azure's gateway."""
    found = []
    for instance, address in enumerate(plan.public):
        customer = CustomerGateway(new_id("cgw"), address, plan.azure_asn, None, Timeline.of("available", made), made)
        store.customer_gateways[customer.id] = customer
        store.create_tags([customer.id], {"Name": f"{NAME}-azure-{instance + 1}"})
        first, second = (Tunnel(TunnelOptions(t.inside, t.psk, t.outside), made) for t in plan.tunnels_of(instance))
        connection = VpnConnection(
            new_id("vpn"),
            customer.id,
            vpn_gateway,
            transit_gateway,
            False,
            (first, second),
            f"seeded {instance}",
            life=Timeline.of("available", made),
            born=made,
        )
        found.append(connection)
        store.create_tags([connection.id], {"Name": f"{NAME}-{instance + 1}"})
    return found


def _transit_gateway(
    store: SandboxEc2, aws: Aws, ranges: list[IPv4Network], plan: WirePlan, subnets: list[str], made: float
) -> None:
    """With the VPC and both connections in its default table, and static routes in the VPC's tables."""
    options = GATEWAY_DEFAULTS | {"AmazonSideAsn": plan.aws_asn}
    gateway = TransitGateway(new_id("tgw"), NAME, options, Timeline.of("available", made), made)
    table = TransitRouteTable(new_id("tgw-rtb"), gateway.id, True, Timeline.of("available", made), made)
    gateway.default_table = table.id
    store.transit_gateways[gateway.id] = gateway
    store.transit_gateways_route_tables[table.id] = table
    connections = _connections(store, plan, made, transit_gateway=gateway.id)
    zones: dict[str, str] = {}
    for subnet in subnets:
        zones.setdefault(store.get_subnet(subnet).availability_zone, subnet)
    attachments = [
        TransitAttachment(
            new_id("tgw-attach"),
            gateway.id,
            "vpc",
            aws.vpc,
            made,
            subnet_ids=list(zones.values()),
            options=dict(VPC_DEFAULTS),
        )
    ]
    for connection in connections:
        store.vpn_connections[connection.id] = connection
        attachments.append(TransitAttachment(new_id("tgw-attach"), gateway.id, "vpn", connection.id, made))
    for attachment in attachments:
        attachment.life = Timeline.of("available", made)
        store.transit_gateway_attachments[attachment.id] = attachment
        table.associations[attachment.id] = Timeline.of("associated", made)
        table.propagations[attachment.id] = Timeline.of("enabled", made)
    store.create_tags([gateway.id], {"Name": NAME})
    for one in [t for t in store.route_tables.values() if t.vpc_id == aws.vpc]:
        for prefix in ranges:
            store.create_route(one.id, str(prefix), transit_gateway_id=gateway.id)


def seed_transit_gateway(store: SandboxEc2, wanted: world_file.TransitGateway, made: float) -> None:
    """One that joins other networks already: a VPC of the account is attached to it."""
    default = "enable" if wanted.default_route_table else "disable"
    options = GATEWAY_DEFAULTS | {
        "AmazonSideAsn": wanted.asn,
        "VpnEcmpSupport": "enable" if wanted.equal_paths else "disable",
        "DefaultRouteTableAssociation": default,
        "DefaultRouteTablePropagation": default,
    }
    gateway = TransitGateway(wanted.id, NAME, options, Timeline.of("available", made), made, owner=wanted.owner)
    table = TransitRouteTable(
        new_id("tgw-rtb"), gateway.id, wanted.default_route_table, Timeline.of("available", made), made
    )
    gateway.default_table = table.id if wanted.default_route_table else ""
    store.transit_gateways[gateway.id] = gateway
    store.transit_gateways_route_tables[table.id] = table
    store.create_tags([gateway.id], {"Name": NAME})
    if wanted.owner:
        return
    other = store.create_vpc("172.28.0.0/16").id
    store.create_tags([other], {"Name": "analytics"})
    attachment = TransitAttachment(
        new_id("tgw-attach"),
        gateway.id,
        "vpc",
        other,
        made,
        Timeline.of("available", made),
        options=dict(VPC_DEFAULTS),
    )
    store.transit_gateway_attachments[attachment.id] = attachment
    store.create_tags([attachment.id], {"Name": "analytics"})
    table.associations[attachment.id] = Timeline.of("associated", made)
    table.propagations[attachment.id] = Timeline.of("enabled", made)


def _direct_connect(cloud: AwsAccount, store: SandboxEc2, aws: Aws, plan: WirePlan, gateway_id: str) -> None:
    """A Direct Connect gateway with a virtual interface to the provider's router, associated with the VPC's gateway."""
    digest = hashlib.sha256(gateway_id.encode()).hexdigest()
    id_ = f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"
    gateway = Gateway(id_, NAME, plan.aws_asn + 1)
    allowed = list(ranges_of(store.vpcs[aws.vpc]))
    gateway.associations.append(Association(f"{digest[32:40]}-{id_[9:]}", gateway_id, aws.region, allowed))
    gateway.interfaces.append(
        Interface(f"dxvif-{digest[:8]}", NAME, aws.region, ROUTER_ASN, 101, f"dxcon-{digest[8:16]}")
    )
    cloud.direct_connect.by_id[gateway.id] = gateway
