"""Virtual private gateways: one per VPC, with attachments that take time and a delete that refuses what is in use."""

from __future__ import annotations

from typing import Any

from moto.core.responses import EmptyResult

from cloudlink_sandbox.aws.backend import new_id
from cloudlink_sandbox.aws.ec2_base import Ec2Base
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.filters import chosen
from cloudlink_sandbox.aws.objects import VpnGateway
from cloudlink_sandbox.aws.plain import Plain
from cloudlink_sandbox.aws.shared_vpcs import check_owner
from cloudlink_sandbox.aws.timeline import Timeline

LIMIT = 5
"""Virtual private gateways per region. https://docs.aws.amazon.com/vpn/latest/s2svpn/vpn-limits.html"""


def asn_allowed(asn: int) -> bool:
    return 64_512 <= asn <= 65_534 or 4_200_000_000 <= asn <= 4_294_967_294


def find_vpn_gateway(call: Ec2Base, gateway_id: str) -> VpnGateway:
    """Raises ApiError for an id that is malformed, unknown or deleted."""
    call.well_formed(gateway_id, "vgw", "InvalidVpnGatewayID")
    gateway = call.store.vpn_gateways.get(gateway_id)
    if gateway is None or gateway.life.at(call.now) == "deleted":
        raise ApiError("InvalidVpnGatewayID.NotFound", f"The vpnGateway ID '{gateway_id}' does not exist")
    return gateway


def _gateway_json(call: Ec2Base, gateway: VpnGateway, moment: float) -> dict[str, Any]:
    return {
        "VpnGatewayId": gateway.id,
        "State": gateway.life.at(moment),
        "Type": "ipsec.1",
        "AvailabilityZone": gateway.zone,
        "AmazonSideAsn": gateway.asn,
        "VpcAttachments": [
            {"VpcId": vpc, "State": life.at(moment)} for vpc, life in gateway.attachments.items() if life.at(moment)
        ],
        "Tags": call.store.tag_list_of(gateway.id),
    }


def create_vpn_gateway(call: Ec2Base) -> Plain:
    """Not idempotent: a repeated call makes a second gateway."""
    if call.given("Type") != "ipsec.1":
        raise ApiError("InvalidParameterValue", f"Value ({call.given('Type')}) for parameter type is invalid.")
    asn = int(call.given("AmazonSideAsn", 64_512))
    if not asn_allowed(asn):
        raise ApiError("InvalidParameterValue", f"Value ({asn}) for parameter amazonSideAsn is invalid.")
    tags = call.tags_for("vpn-gateway")
    call.dry_run()
    live = [g for g in call.store.vpn_gateways.values() if g.life.at(call.now) != "deleted"]
    if len(live) >= LIMIT:
        raise ApiError("VpnGatewayLimitExceeded", "The maximum number of virtual private gateways has been reached.")
    gateway = VpnGateway(
        new_id("vgw"), asn, call.given("AvailabilityZone"), Timeline.of("available", call.now), call.now
    )
    call.store.vpn_gateways[gateway.id] = gateway
    call.keep(gateway.id, tags)
    return Plain({"VpnGateway": _gateway_json(call, gateway, call.now)})


def describe_vpn_gateways(call: Ec2Base) -> Plain:
    call.dry_run()
    ids, filters = call.given("VpnGatewayIds", []), call.filters()
    for gateway_id in ids:
        call.well_formed(gateway_id, "vgw", "InvalidVpnGatewayID")
        if gateway_id not in call.store.vpn_gateways:
            raise ApiError("InvalidVpnGatewayID.NotFound", f"The vpnGateway ID '{gateway_id}' does not exist")
    moment = call.as_of(filters, ids)
    found = chosen(
        [
            g
            for g in call.store.vpn_gateways.values()
            if (not ids or g.id in ids) and g.born <= moment and call.seen(g.id)
        ],
        filters,
        {
            "amazon-side-asn": lambda g: (str(g.asn),),
            "attachment.state": lambda g: tuple(life.at(moment) for life in g.attachments.values()),
            "attachment.vpc-id": lambda g: tuple(g.attachments),
            "availability-zone": lambda g: (g.zone,) if g.zone else (),
            "state": lambda g: (g.life.at(moment),),
            "type": lambda _: ("ipsec.1",),
            "vpn-gateway-id": lambda g: (g.id,),
        },
        lambda g: call.store.tags_of(g.id),
    )
    return Plain({"VpnGateways": [_gateway_json(call, g, moment) for g in found]})


def attach_vpn_gateway(call: Ec2Base) -> Plain:
    """A repeat on the same VPC is fine; a second gateway of a VPC and a second VPC of a gateway are not."""
    gateway = find_vpn_gateway(call, call.given("VpnGatewayId"))
    vpc = call.store.get_vpc(call.given("VpcId"))
    check_owner(vpc, call.cloud.principal, "AttachVpnGateway", call.region)
    call.dry_run()
    now = call.now
    for other in call.store.vpn_gateways.values():
        if other is not gateway and vpc.id in other.held_by(now):
            raise ApiError("InvalidVpcState", f"VpcId {vpc.id} has an attached virtual private gateway already.")
    held = gateway.held_by(now)
    if held and vpc.id not in held:
        raise ApiError(
            "VpnGatewayAttachmentLimitExceeded", f"The virtual private gateway {gateway.id} is attached already."
        )
    life = gateway.attachments.get(vpc.id)
    if life is not None and life.at(now) == "detaching":
        raise ApiError("IncorrectState", f"The attachment of {gateway.id} to {vpc.id} is detaching.")
    if life is None or life.at(now) == "detached":
        life = gateway.attachments[vpc.id] = Timeline()
        life.transition(
            now,
            "attaching",
            call.sample("aws.vgw.attach", vpc.id),
            ends=call.outcome(),
            good="attached",
            bad="detached",
        )
    return Plain({"VpcAttachment": {"VpcId": vpc.id, "State": life.at(now)}})


def detach_vpn_gateway(call: Ec2Base) -> EmptyResult:
    gateway = find_vpn_gateway(call, call.given("VpnGatewayId"))
    vpc_id, now = call.given("VpcId"), call.now
    call.dry_run()
    life = gateway.attachments.get(vpc_id)
    if life is None or life.at(now) in ("detached", "detaching"):
        raise ApiError(
            "InvalidVpnGatewayAttachment.NotFound",
            f"The attachment with vpn gateway ID '{gateway.id}' and vpc ID '{vpc_id}' does not exist",
        )
    if life.at(now) == "attaching":
        raise ApiError("IncorrectState", f"The attachment of {gateway.id} to {vpc_id} is attaching.")
    life.transition(
        now,
        "detaching",
        call.sample("aws.vgw.detach", vpc_id),
        ends=call.outcome(),
        good="detached",
        bad="attached",
    )
    for table_id in [t.id for t in call.store.route_tables.values() if t.vpc_id == vpc_id]:
        call.store.propagations.get(table_id, {}).pop(gateway.id, None)
    return EmptyResult()


def delete_vpn_gateway(call: Ec2Base) -> EmptyResult:
    gateway = find_vpn_gateway(call, call.given("VpnGatewayId"))
    call.dry_run()
    used = any(
        c.vpn_gateway_id == gateway.id and c.life.at(call.now) != "deleted" for c in call.store.vpn_connections.values()
    )
    if used or gateway.held_by(call.now):
        raise ApiError("IncorrectState", "The VPN gateway is in use.")
    if gateway.life.at(call.now) == "available":
        gateway.life.transition(call.now, "deleted", 0, ends="succeeds", good="deleted", bad="deleted")
    return EmptyResult()
