"""Transit gateways and their attachments: VPCs that somebody attaches, VPN connections that attach themselves.

Everything takes its time. What was deleted stays listed for an hour, attachments included, so that a look-up by the id
of a VPN connection may find a deleted attachment beside a live one. Peerings, multicast and Connect are not modelled.
https://docs.aws.amazon.com/vpc/latest/tgw/working-with-transit-gateways.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cloudlink_sandbox.aws.backend import SandboxEc2, new_id
from cloudlink_sandbox.aws.ec2_base import Ec2Base
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.filters import Words, chosen
from cloudlink_sandbox.aws.objects import TransitAttachment, TransitGateway, TransitRouteTable
from cloudlink_sandbox.aws.plain import Plain
from cloudlink_sandbox.aws.timeline import Timeline, as_datetime
from cloudlink_sandbox.aws.vpn_gateways import asn_allowed

LIMIT = 5
"""Per region. https://docs.aws.amazon.com/vpc/latest/tgw/transit-gateway-quotas.html"""

GATEWAY_DEFAULTS: dict[str, Any] = {
    "AmazonSideAsn": 64_512,
    "AutoAcceptSharedAttachments": "disable",
    "DefaultRouteTableAssociation": "enable",
    "DefaultRouteTablePropagation": "enable",
    "VpnEcmpSupport": "enable",
    "DnsSupport": "enable",
    "SecurityGroupReferencingSupport": "disable",
    "MulticastSupport": "disable",
}
VPC_DEFAULTS = {
    "DnsSupport": "enable",
    "SecurityGroupReferencingSupport": "enable",
    "Ipv6Support": "disable",
    "ApplianceModeSupport": "disable",
}


def table_of(store: SandboxEc2, attachment_id: str, now: float) -> TransitRouteTable | None:
    """The route table that an attachment is associated with by now."""
    for table in store.transit_gateways_route_tables.values():
        life = table.associations.get(attachment_id)
        if life is not None and life.at(now) in ("associating", "associated"):
            return table
    return None


def find_transit_gateway(call: Ec2Base, gateway_id: str) -> TransitGateway:
    """Raises ApiError for an id that is malformed, unknown or deleted."""
    call.well_formed(gateway_id, "tgw", "InvalidTransitGatewayID")
    gateway = call.store.transit_gateways.get(gateway_id)
    if gateway is None or gateway.life.at(call.now) == "deleted":
        raise ApiError(
            "InvalidTransitGatewayID.NotFound", f"Transit Gateway {gateway_id} was deleted or does not exist."
        )
    return gateway


def own_transit_gateway(call: Ec2Base, gateway_id: str) -> TransitGateway:
    """For what only the owner may do. Raises ApiError as if there were none where another account shares it, as AWS does:
    https://github.com/hashicorp/terraform-provider-aws/issues/8070"""
    gateway = ready_transit_gateway(call, gateway_id)
    if gateway.owner:
        raise ApiError(
            "InvalidTransitGatewayID.NotFound", f"Transit Gateway {gateway_id} was deleted or does not exist."
        )
    return gateway


def ready_transit_gateway(call: Ec2Base, gateway_id: str) -> TransitGateway:
    """Raises ApiError IncorrectState while it is made, changed or deleted."""
    gateway = find_transit_gateway(call, gateway_id)
    if (state := gateway.life.at(call.now)) != "available":
        raise ApiError("IncorrectState", f"{gateway_id} is in invalid state ({state})")
    return gateway


def find_attachment(call: Ec2Base, attachment_id: str) -> TransitAttachment:
    """Raises ApiError for an id that is malformed, unknown or deleted."""
    call.well_formed(attachment_id, "tgw-attach", "InvalidTransitGatewayAttachmentID")
    attachment = call.store.transit_gateway_attachments.get(attachment_id)
    if attachment is None or attachment.life.at(call.now) == "deleted":
        raise ApiError(
            "InvalidTransitGatewayAttachmentID.NotFound",
            f"Transit Gateway Attachment {attachment_id} was deleted or does not exist.",
        )
    return attachment


def select(call: Ec2Base, book: Mapping[str, Any], ids: list[str], words: Mapping[str, Words[Any]]) -> list[Any]:
    """Those with these ids, or all, that pass the filters; by tag as they were a moment ago."""
    filters = call.filters()
    moment = call.as_of(filters, ids)
    things: Iterable[Any] = [book[i] for i in ids] if ids else book.values()
    born = [t for t in things if t.born <= moment and call.seen(t.id)]
    return chosen(born, filters, words, lambda thing: call.store.tags_of(thing.id))


def check_known(book: Mapping[str, Any], ids: list[str], code: str) -> list[str]:
    """Raises ApiError for an id that nothing has."""
    for wanted in ids:
        if wanted not in book:
            raise ApiError(f"{code}.NotFound", f"{wanted} was deleted or does not exist.")
    return ids


# --- gateways ----------------------------------------------------------------------------------------


def _gateway_answer(call: Ec2Base, gateway: TransitGateway) -> dict[str, Any]:
    account = call.cloud.account
    options = dict(gateway.options)
    for what in ("Association", "Propagation"):
        if gateway.uses_default(what):
            options[f"{what}DefaultRouteTableId"] = gateway.default_table
    account = gateway.owner or account
    return {
        "TransitGatewayId": gateway.id,
        "TransitGatewayArn": f"arn:aws:ec2:{call.region}:{account}:transit-gateway/{gateway.id}",
        "State": gateway.life.at(call.now),
        "OwnerId": account,
        "Description": gateway.description,
        "CreationTime": as_datetime(gateway.born),
        "Options": options,
        "Tags": call.store.tag_list_of(gateway.id),
    }


def _checked_options(given: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name, value in given.items():
        if value in (None, []):
            continue
        if name not in GATEWAY_DEFAULTS or (name == "MulticastSupport" and value != "disable"):
            raise ApiError("InvalidParameterValue", f"{name} is not supported (the sandbox does not model it).")
        if name == "AmazonSideAsn":
            if not asn_allowed(int(value)):
                raise ApiError("InvalidParameterValue", f"Value ({value}) for parameter amazonSideAsn is invalid.")
            value = int(value)
        elif value not in ("enable", "disable"):
            raise ApiError("InvalidParameterValue", f"Value ({value}) for parameter {name} is invalid.")
        options[name] = value
    return options


def create_transit_gateway(call: Ec2Base) -> Plain:
    """Not idempotent: a repeated call makes a second gateway."""
    options = GATEWAY_DEFAULTS | _checked_options(call.given("Options") or {})
    tags = call.tags_for("transit-gateway")
    call.dry_run()
    live = [g for g in call.store.transit_gateways.values() if g.life.at(call.now) != "deleted"]
    if len(live) >= LIMIT:
        raise ApiError("TransitGatewayLimitExceeded", "The maximum number of transit gateways has been reached.")
    gateway = TransitGateway(new_id("tgw"), call.given("Description") or "", options, Timeline(), call.now)
    begin_transition(
        call, gateway.life, "pending", str(len(call.store.transit_gateways)), good="available", bad="deleted"
    )
    call.store.transit_gateways[gateway.id] = gateway
    if gateway.uses_default("Association") or gateway.uses_default("Propagation"):
        table = TransitRouteTable(new_id("tgw-rtb"), gateway.id, True, gateway.life, call.now)
        call.store.transit_gateways_route_tables[table.id] = table
        gateway.default_table = table.id
    call.keep(gateway.id, tags)
    return Plain({"TransitGateway": _gateway_answer(call, gateway)})


def begin_transition(
    call: Ec2Base, life: Timeline, through: str, key: str, *, good: str, bad: str, kind: str = "aws.tgw"
) -> float:
    return life.transition(call.now, through, call.sample(kind, key), ends=call.outcome(), good=good, bad=bad)


def describe_transit_gateways(call: Ec2Base) -> Plain:
    call.dry_run()
    ids = check_known(call.store.transit_gateways, call.given("TransitGatewayIds", []), "InvalidTransitGatewayID")
    words: dict[str, Words[Any]] = {
        "owner-id": lambda g: (g.owner or call.cloud.account,),
        "state": lambda g: (g.life.at(call.now),),
        "transit-gateway-id": lambda g: (g.id,),
        "options.amazon-side-asn": lambda g: (str(g.asn),),
        "options.default-route-table-association": lambda g: (g.options["DefaultRouteTableAssociation"],),
        "options.default-route-table-propagation": lambda g: (g.options["DefaultRouteTablePropagation"],),
        "options.vpn-ecmp-support": lambda g: (g.options["VpnEcmpSupport"],),
        "options.dns-support": lambda g: (g.options["DnsSupport"],),
    }
    found = select(call, call.store.transit_gateways, ids, words)
    return Plain({"TransitGateways": [_gateway_answer(call, g) for g in found]})


def modify_transit_gateway(call: Ec2Base) -> Plain:
    gateway = own_transit_gateway(call, call.given("TransitGatewayId"))
    given = call.given("Options") or {}
    options = _checked_options(given)
    attached = any(a.kind == "vpn" for a in attachments_of(call, gateway.id))
    if options.get("AmazonSideAsn", gateway.asn) != gateway.asn and attached:
        raise ApiError("IncorrectState", f"{gateway.id} has VPN attachments: its ASN cannot be changed.")
    call.dry_run()
    gateway.options |= options
    gateway.description = call.given("Description") or gateway.description
    begin_transition(call, gateway.life, "modifying", str(gateway.asn), good="available", bad="available")
    return Plain({"TransitGateway": _gateway_answer(call, gateway)})


def attachments_of(call: Ec2Base, gateway_id: str) -> list[TransitAttachment]:
    return [
        a
        for a in call.store.transit_gateway_attachments.values()
        if a.gateway_id == gateway_id and a.life.at(call.now) != "deleted"
    ]


def delete_transit_gateway(call: Ec2Base) -> Plain:
    gateway = find_transit_gateway(call, call.given("TransitGatewayId"))
    left = attachments_of(call, gateway.id)
    if left:
        kinds = {"vpc": "VPC", "vpn": "VPN"}[left[0].kind]
        raise ApiError(
            "IncorrectState",
            f"{gateway.id} has non-deleted {kinds} Attachments: {', '.join(a.id for a in left)}.",
        )
    call.dry_run()
    if gateway.life.at(call.now) != "deleting":
        begin_transition(call, gateway.life, "deleting", f"delete {gateway.asn}", good="deleted", bad="available")
    return Plain({"TransitGateway": _gateway_answer(call, gateway)})


# --- attachments -------------------------------------------------------------------------------------


def _attachment_answer(call: Ec2Base, attachment: TransitAttachment) -> dict[str, Any]:
    """As DescribeTransitGatewayAttachments has it, whatever its kind."""
    table = table_of(call.store, attachment.id, call.now)
    answer: dict[str, Any] = {
        "TransitGatewayAttachmentId": attachment.id,
        "TransitGatewayId": attachment.gateway_id,
        "TransitGatewayOwnerId": call.store.transit_gateways[attachment.gateway_id].owner or call.cloud.account,
        "ResourceOwnerId": call.cloud.account,
        "ResourceType": attachment.kind,
        "ResourceId": attachment.resource_id,
        "State": attachment.life.at(call.now),
        "CreationTime": as_datetime(attachment.born),
        "Tags": call.store.tag_list_of(attachment.id),
    }
    if table is not None:
        state = table.associations[attachment.id].at(call.now)
        answer["Association"] = {"TransitGatewayRouteTableId": table.id, "State": state}
    return answer


def _vpc_attachment_answer(call: Ec2Base, attachment: TransitAttachment) -> dict[str, Any]:
    return {
        "TransitGatewayAttachmentId": attachment.id,
        "TransitGatewayId": attachment.gateway_id,
        "VpcId": attachment.resource_id,
        "VpcOwnerId": call.cloud.account,
        "State": attachment.life.at(call.now),
        "SubnetIds": list(attachment.subnet_ids),
        "CreationTime": as_datetime(attachment.born),
        "Options": dict(attachment.options),
        "Tags": call.store.tag_list_of(attachment.id),
    }


def _attach(call: Ec2Base, attachment: TransitAttachment, gateway: TransitGateway, opens: float) -> None:
    """Keep a new attachment, and put it into the default route table as far as the gateway does so.

    opens: when it will be available.
    """
    call.store.transit_gateway_attachments[attachment.id] = attachment
    table = call.store.transit_gateways_route_tables.get(gateway.default_table)
    if table is None:
        return
    took = call.sample("aws.tgw.association", attachment.kind)
    if gateway.uses_default("Association"):
        table.associations[attachment.id] = Timeline([("associating", opens), ("associated", opens + took)])
    if gateway.uses_default("Propagation"):
        table.propagations[attachment.id] = Timeline([("enabled", opens)])


def attach_vpn(call: Ec2Base, connection_id: str, gateway: TransitGateway, opens: float) -> None:
    """A VPN connection on a transit gateway is attached by itself, as soon as it is available."""
    attachment = TransitAttachment(new_id("tgw-attach"), gateway.id, "vpn", connection_id, call.now)
    attachment.life = Timeline([("pending", call.now), ("available", opens)])
    _attach(call, attachment, gateway, opens)
    call.keep(attachment.id, {})


def detach_vpn(call: Ec2Base, connection_id: str, gone: float) -> None:
    for attachment in call.store.transit_gateway_attachments.values():
        if attachment.resource_id == connection_id and attachment.life.at(call.now) != "deleted":
            attachment.life = Timeline([*attachment.life.steps, ("deleting", call.now), ("deleted", gone)])


def _subnets_of(call: Ec2Base, vpc_id: str, subnet_ids: list[str]) -> list[str]:
    """Raises ApiError for subnets that are unknown, of another VPC, or two in one zone."""
    zones = []
    for subnet_id in subnet_ids:
        subnet = call.store.get_subnet(subnet_id)
        if subnet.vpc_id != vpc_id:
            raise ApiError("InvalidParameterValue", f"Subnet {subnet_id} is not in VPC {vpc_id}.")
        zones.append(subnet.availability_zone)
    if len(set(zones)) != len(zones):
        raise ApiError("DuplicateSubnetsInSameZone", "Two subnets are in the same Availability Zone.")
    return subnet_ids


def create_transit_gateway_vpc_attachment(call: Ec2Base) -> Plain:
    gateway = ready_transit_gateway(call, call.given("TransitGatewayId"))
    tags = call.tags_for("transit-gateway-attachment")
    vpc = call.store.get_vpc(call.given("VpcId"))
    subnets = _subnets_of(call, vpc.id, list(call.given("SubnetIds", [])))
    options = VPC_DEFAULTS | {k: v for k, v in (call.given("Options") or {}).items() if v}
    for name, value in options.items():
        if name not in VPC_DEFAULTS or value not in ("enable", "disable"):
            raise ApiError("InvalidParameterValue", f"Value ({value}) for parameter {name} is invalid.")
    if any(a.resource_id == vpc.id for a in attachments_of(call, gateway.id)):
        raise ApiError(
            "DuplicateTransitGatewayAttachment",
            f"{gateway.id} has non-deleted Transit Gateway Attachments with same VPC ID.",
        )
    call.dry_run()
    attachment = TransitAttachment(
        new_id("tgw-attach"), gateway.id, "vpc", vpc.id, call.now, subnet_ids=subnets, options=options
    )
    if gateway.owner and gateway.options["AutoAcceptSharedAttachments"] == "disable":
        attachment.life = Timeline.of("pendingAcceptance", call.now)  # until its owner accepts it
        call.store.transit_gateway_attachments[attachment.id] = attachment
    else:
        opens = begin_transition(call, attachment.life, "pending", vpc.id, good="available", bad="failed")
        _attach(call, attachment, gateway, opens)
    call.keep(attachment.id, tags)
    return Plain({"TransitGatewayVpcAttachment": _vpc_attachment_answer(call, attachment)})


def _attachments(call: Ec2Base, kind: str | None) -> list[TransitAttachment]:
    book = call.store.transit_gateway_attachments
    ids = check_known(book, call.given("TransitGatewayAttachmentIds", []), "InvalidTransitGatewayAttachmentID")
    words: dict[str, Words[Any]] = {
        "state": lambda a: (a.life.at(call.now),),
        "transit-gateway-attachment-id": lambda a: (a.id,),
        "transit-gateway-id": lambda a: (a.gateway_id,),
    }
    if kind == "vpc":
        words["vpc-id"] = lambda a: (a.resource_id,)
    else:
        words |= {
            "association.transit-gateway-route-table-id": lambda a: tuple(
                t.id for t in (table_of(call.store, a.id, call.now),) if t
            ),
            "resource-id": lambda a: (a.resource_id,),
            "resource-owner-id": lambda _: (call.cloud.account,),
            "resource-type": lambda a: (a.kind,),
            "transit-gateway-owner-id": lambda _: (call.cloud.account,),
        }
    return [a for a in select(call, book, ids, words) if kind in (None, a.kind)]


def describe_transit_gateway_attachments(call: Ec2Base) -> Plain:
    call.dry_run()
    return Plain({"TransitGatewayAttachments": [_attachment_answer(call, a) for a in _attachments(call, None)]})


def describe_transit_gateway_vpc_attachments(call: Ec2Base) -> Plain:
    call.dry_run()
    return Plain({"TransitGatewayVpcAttachments": [_vpc_attachment_answer(call, a) for a in _attachments(call, "vpc")]})


def _vpc_attachment(call: Ec2Base) -> TransitAttachment:
    """Raises ApiError for one that is not of a VPC, or not available."""
    attachment = find_attachment(call, call.given("TransitGatewayAttachmentId"))
    if attachment.kind != "vpc":
        raise ApiError("InvalidTransitGatewayAttachmentID.NotFound", f"{attachment.id} is no attachment of a VPC.")
    if (state := attachment.life.at(call.now)) not in ("available", "pendingAcceptance"):
        raise ApiError("IncorrectState", f"{attachment.id} is in invalid state ({state})")
    return attachment


def modify_transit_gateway_vpc_attachment(call: Ec2Base) -> Plain:
    attachment = _vpc_attachment(call)
    gone, more = call.given("RemoveSubnetIds", []), call.given("AddSubnetIds", [])
    subnets = [s for s in attachment.subnet_ids if s not in gone]
    subnets = _subnets_of(call, attachment.resource_id, [*subnets, *more])
    if not subnets:
        raise ApiError("InvalidParameterValue", "An attachment needs at least one subnet.")
    call.dry_run()
    attachment.subnet_ids = subnets
    attachment.options |= {k: v for k, v in (call.given("Options") or {}).items() if k in VPC_DEFAULTS and v}
    begin_transition(call, attachment.life, "modifying", attachment.resource_id, good="available", bad="available")
    return Plain({"TransitGatewayVpcAttachment": _vpc_attachment_answer(call, attachment)})


def delete_transit_gateway_vpc_attachment(call: Ec2Base) -> Plain:
    attachment = _vpc_attachment(call)
    call.dry_run()
    begin_transition(
        call, attachment.life, "deleting", f"delete {attachment.resource_id}", good="deleted", bad="available"
    )
    return Plain({"TransitGatewayVpcAttachment": _vpc_attachment_answer(call, attachment)})
