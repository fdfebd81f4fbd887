"""Route tables of transit gateways: associations, propagations, static routes, and what follows from them.

https://docs.aws.amazon.com/vpc/latest/tgw/tgw-route-tables.html
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network
from typing import Any

from cloudlink_sandbox.aws.backend import SandboxEc2, new_id, ranges_of
from cloudlink_sandbox.aws.ec2_base import Ec2Base
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.filters import Words, matches
from cloudlink_sandbox.aws.objects import TransitAttachment, TransitRouteTable
from cloudlink_sandbox.aws.plain import Plain
from cloudlink_sandbox.aws.timeline import Timeline, as_datetime
from cloudlink_sandbox.aws.transit_gateways import (
    begin_transition,
    check_known,
    find_attachment,
    own_transit_gateway,
    select,
    table_of,
)


def leads_to(store: SandboxEc2, table: TransitRouteTable | None, now: float) -> set[str]:
    """The attachments that a table has a route to, static or propagated."""
    if table is None:
        return set()
    wanted = {a for a, life in table.propagations.items() if life.at(now) == "enabled"}
    wanted |= {a for a in table.routes.values() if a is not None}
    book = store.transit_gateway_attachments
    return {a for a in wanted if a in book and book[a].life.at(now) in ("available", "modifying")}


def vpcs_behind(store: SandboxEc2, connection_id: str, now: float) -> tuple[str, ...]:
    """The VPCs to which the table of a VPN connection's attachment has routes: those that AWS announces over BGP."""
    found: list[str] = []
    for attachment in store.transit_gateway_attachments.values():
        if attachment.resource_id == connection_id and attachment.life.at(now) in ("available", "modifying"):
            reached = leads_to(store, table_of(store, attachment.id, now), now)
            found += [store.transit_gateway_attachments[a].resource_id for a in sorted(reached)]
    return tuple(f for f in found if f.startswith("vpc-"))


def blackholes_before(store: SandboxEc2, connection_id: str, now: float) -> frozenset[IPv4Network]:
    """Ranges to which the table of a VPN connection's attachment has a static blackhole, which wins over what is propagated.

    Assumption: AWS announces none of them.
    """
    found: set[IPv4Network] = set()
    for attachment in store.transit_gateway_attachments.values():
        if attachment.resource_id == connection_id and attachment.life.at(now) in ("available", "modifying"):
            table = table_of(store, attachment.id, now)
            found |= {prefix for prefix, target in table.routes.items() if not target} if table is not None else set()
    return frozenset(found)


def answers_from(store: SandboxEc2, gateway_id: str, vpc_id: str, now: float) -> bool:
    """Whether what a VPC sends to its transit gateway goes on into some VPN connection."""
    return any(
        store.transit_gateway_attachments[reached].kind == "vpn"
        for a in store.transit_gateway_attachments.values()
        if (a.gateway_id, a.resource_id) == (gateway_id, vpc_id) and a.life.at(now) in ("available", "modifying")
        for reached in leads_to(store, table_of(store, a.id, now), now)
    )


def _transit_table(call: Ec2Base, table_id: str) -> TransitRouteTable:
    """Raises ApiError for an id that is malformed, unknown or deleted."""
    call.well_formed(table_id, "tgw-rtb", "InvalidRouteTableId")
    table = call.store.transit_gateways_route_tables.get(table_id)
    if table is None or table.life.at(call.now) == "deleted":
        raise ApiError("InvalidRouteTableID.NotFound", f"Transit Gateway Route Table {table_id} does not exist.")
    if call.store.transit_gateways[table.gateway_id].owner:  # only its owner sees it
        raise ApiError("InvalidRouteTableID.NotFound", f"Transit Gateway Route Table {table_id} does not exist.")
    return table


def _transit_table_answer(call: Ec2Base, table: TransitRouteTable) -> dict[str, Any]:
    gateway = call.store.transit_gateways[table.gateway_id]
    return {
        "TransitGatewayRouteTableId": table.id,
        "TransitGatewayId": table.gateway_id,
        "State": table.life.at(call.now),
        "DefaultAssociationRouteTable": table.is_default and gateway.uses_default("Association"),
        "DefaultPropagationRouteTable": table.is_default and gateway.uses_default("Propagation"),
        "CreationTime": as_datetime(table.born),
        "Tags": call.store.tag_list_of(table.id),
    }


def create_transit_gateway_route_table(call: Ec2Base) -> Plain:
    gateway = own_transit_gateway(call, call.given("TransitGatewayId"))
    tags = call.tags_for("transit-gateway-route-table")
    call.dry_run()
    table = TransitRouteTable(new_id("tgw-rtb"), gateway.id, False, Timeline(), call.now)
    key = f"table {len(call.store.transit_gateways_route_tables)}"
    begin_transition(call, table.life, "pending", key, good="available", bad="deleted")
    call.store.transit_gateways_route_tables[table.id] = table
    call.keep(table.id, tags)
    return Plain({"TransitGatewayRouteTable": _transit_table_answer(call, table)})


def describe_transit_gateway_route_tables(call: Ec2Base) -> Plain:
    call.dry_run()
    book = call.store.transit_gateways_route_tables
    ids = check_known(book, call.given("TransitGatewayRouteTableIds", []), "InvalidRouteTableID")
    words: dict[str, Words[Any]] = {
        "default-association-route-table": lambda t: (str(t.is_default).lower(),),
        "default-propagation-route-table": lambda t: (str(t.is_default).lower(),),
        "state": lambda t: (t.life.at(call.now),),
        "transit-gateway-id": lambda t: (t.gateway_id,),
        "transit-gateway-route-table-id": lambda t: (t.id,),
    }
    found = select(call, book, ids, words)
    return Plain({"TransitGatewayRouteTables": [_transit_table_answer(call, t) for t in found]})


def delete_transit_gateway_route_table(call: Ec2Base) -> Plain:
    table = _transit_table(call, call.given("TransitGatewayRouteTableId"))
    book = call.store.transit_gateway_attachments
    held = [
        a
        for a, life in table.associations.items()
        if life.at(call.now) != "disassociated" and a in book and book[a].life.at(call.now) != "deleted"
    ]
    if table.is_default or held:
        raise ApiError("IncorrectState", f"Cannot delete {table.id}: it is the default one or has associations.")
    call.dry_run()
    begin_transition(call, table.life, "deleting", "delete a table", good="deleted", bad="available")
    return Plain({"TransitGatewayRouteTable": _transit_table_answer(call, table)})


# --- associations and propagations ---------------------------------------------------------------------


def _pair(call: Ec2Base) -> tuple[TransitRouteTable, TransitAttachment]:
    """Raises ApiError where one of the two is unknown, or they belong to different gateways."""
    table = _transit_table(call, call.given("TransitGatewayRouteTableId"))
    attachment = find_attachment(call, call.given("TransitGatewayAttachmentId"))
    if table.gateway_id != attachment.gateway_id:
        raise ApiError("InvalidParameterValue", f"{attachment.id} and {table.id} have different gateways.")
    if (state := attachment.life.at(call.now)) not in ("available", "modifying"):
        raise ApiError("IncorrectState", f"{attachment.id} is in invalid state ({state})")
    return table, attachment


def _of(attachment: TransitAttachment) -> dict[str, str]:
    return {
        "TransitGatewayAttachmentId": attachment.id,
        "ResourceId": attachment.resource_id,
        "ResourceType": attachment.kind,
    }


def associate_transit_gateway_route_table(call: Ec2Base) -> Plain:
    table, attachment = _pair(call)
    if table_of(call.store, attachment.id, call.now) is not None:
        raise ApiError(
            "Resource.AlreadyAssociated",
            f"Transit Gateway Attachment {attachment.id} is already associated to a route table.",
        )
    call.dry_run()
    life = table.associations[attachment.id] = Timeline()
    begin_transition(
        call, life, "associating", attachment.kind, good="associated", bad="disassociated", kind="aws.tgw.association"
    )
    return _association_answer(call, table, attachment)


def _association_answer(call: Ec2Base, table: TransitRouteTable, attachment: TransitAttachment) -> Plain:
    state = table.associations[attachment.id].at(call.now)
    return Plain({"Association": {"TransitGatewayRouteTableId": table.id, **_of(attachment), "State": state}})


def disassociate_transit_gateway_route_table(call: Ec2Base) -> Plain:
    table, attachment = _pair(call)
    life = table.associations.get(attachment.id)
    if life is None or life.at(call.now) in ("disassociating", "disassociated"):
        raise ApiError(
            "InvalidAssociation.NotFound",
            f"Transit Gateway Attachment {attachment.id} is not associated to {table.id}.",
        )
    call.dry_run()
    begin_transition(
        call,
        life,
        "disassociating",
        attachment.kind,
        good="disassociated",
        bad="associated",
        kind="aws.tgw.association",
    )
    return _association_answer(call, table, attachment)


def enable_transit_gateway_route_table_propagation(call: Ec2Base) -> Plain:
    table, attachment = _pair(call)
    life = table.propagations.get(attachment.id)
    if life is not None and life.at(call.now) in ("enabling", "enabled"):
        raise ApiError(
            "TransitGatewayRouteTablePropagation.Duplicate", f"{attachment.id} propagates to {table.id} already."
        )
    call.dry_run()
    life = table.propagations[attachment.id] = Timeline()
    begin_transition(
        call, life, "enabling", attachment.kind, good="enabled", bad="disabled", kind="aws.tgw.association"
    )
    return _propagation_answer(call, table, attachment)


def disable_transit_gateway_route_table_propagation(call: Ec2Base) -> Plain:
    table, attachment = _pair(call)
    life = table.propagations.get(attachment.id)
    if life is None or life.at(call.now) in ("disabling", "disabled", ""):
        raise ApiError(
            "TransitGatewayRouteTablePropagation.NotFound", f"{attachment.id} does not propagate to {table.id}."
        )
    call.dry_run()
    begin_transition(
        call, life, "disabling", attachment.kind, good="disabled", bad="enabled", kind="aws.tgw.association"
    )
    return _propagation_answer(call, table, attachment)


def _propagation_answer(call: Ec2Base, table: TransitRouteTable, attachment: TransitAttachment) -> Plain:
    state = table.propagations[attachment.id].at(call.now)
    shown = {"TransitGatewayRouteTableId": table.id, **_of(attachment), "State": state}
    return Plain({"Propagation": shown})


def get_transit_gateway_route_table_associations(call: Ec2Base) -> Plain:
    table = _transit_table(call, call.given("TransitGatewayRouteTableId"))
    shown = _members(call, table.associations, over="disassociated")
    return Plain({"Associations": shown})


def get_transit_gateway_route_table_propagations(call: Ec2Base) -> Plain:
    table = _transit_table(call, call.given("TransitGatewayRouteTableId"))
    shown = _members(call, table.propagations, over="disabled")
    return Plain({"TransitGatewayRouteTablePropagations": shown})


def get_transit_gateway_attachment_propagations(call: Ec2Base) -> Plain:
    """The tables to which an attachment propagates its ranges."""
    attachment = find_attachment(call, call.given("TransitGatewayAttachmentId"))
    filters = call.filters()
    for name in filters:
        if name != "transit-gateway-route-table-id":
            raise ApiError("InvalidParameterValue", f"The filter '{name}' is invalid")
    wanted = filters.get("transit-gateway-route-table-id")
    shown = [
        {"TransitGatewayRouteTableId": table.id, "State": state}
        for table in call.store.transit_gateways_route_tables.values()
        if (life := table.propagations.get(attachment.id)) is not None
        and (state := life.at(call.now)) not in ("", "disabled")
        and (wanted is None or matches(table.id, wanted))
    ]
    return Plain({"TransitGatewayAttachmentPropagations": shown})


def _members(call: Ec2Base, lives: dict[str, Timeline], *, over: str) -> list[dict[str, Any]]:
    filters = call.filters()
    names = {
        "resource-id": "ResourceId",
        "resource-type": "ResourceType",
        "transit-gateway-attachment-id": "TransitGatewayAttachmentId",
    }
    for name in filters:
        if name not in names:
            raise ApiError("InvalidParameterValue", f"The filter '{name}' is invalid")
    shown = [
        {**_of(attachment), "State": life.at(call.now)}
        for attachment_id, life in lives.items()
        if (attachment := call.store.transit_gateway_attachments.get(attachment_id)) is not None
        and attachment.life.at(call.now) != "deleted"
        and life.at(call.now) not in ("", over)
    ]
    return [s for s in shown if all(matches(str(s[names[n]]), wanted) for n, wanted in filters.items())]


# --- routes -------------------------------------------------------------------------------------------


def _destination(call: Ec2Base) -> IPv4Network:
    text = call.given("DestinationCidrBlock")
    try:
        return IPv4Network(text)
    except ValueError:
        raise ApiError("InvalidParameterValue", f"The destination CIDR block {text} is invalid.") from None


def create_transit_gateway_route(call: Ec2Base) -> Plain:
    return _write_route(call, replaces=False)


def replace_transit_gateway_route(call: Ec2Base) -> Plain:
    return _write_route(call, replaces=True)


def _write_route(call: Ec2Base, *, replaces: bool) -> Plain:
    table = _transit_table(call, call.given("TransitGatewayRouteTableId"))
    prefix, attachment_id = _destination(call), call.given("TransitGatewayAttachmentId")
    if bool(attachment_id) == bool(call.given("Blackhole")):
        raise ApiError("InvalidParameterCombination", "Give either an attachment or blackhole.")
    if attachment_id:
        find_attachment(call, attachment_id)
    if replaces != (prefix in table.routes):
        code = "InvalidRoute.NotFound" if replaces else "RouteAlreadyExists"
        raise ApiError(code, f"Route {prefix} in {table.id}.")
    call.dry_run()
    table.routes[prefix] = attachment_id
    return Plain({"Route": _route_answer(call, prefix, attachment_id, "static")})


def delete_transit_gateway_route(call: Ec2Base) -> Plain:
    table, prefix = _transit_table(call, call.given("TransitGatewayRouteTableId")), _destination(call)
    if prefix not in table.routes:
        raise ApiError("InvalidRoute.NotFound", f"Route {prefix} in {table.id} does not exist.")
    call.dry_run()
    shown = _route_answer(call, prefix, table.routes.pop(prefix), "static")
    return Plain({"Route": shown | {"State": "deleted"}})


def _route_answer(call: Ec2Base, prefix: IPv4Network, attachment_id: str | None, kind: str) -> dict[str, Any]:
    book = call.store.transit_gateway_attachments
    attachment = book.get(attachment_id or "")
    live = attachment is not None and attachment.life.at(call.now) in ("available", "modifying")
    answer: dict[str, Any] = {
        "DestinationCidrBlock": str(prefix),
        "Type": kind,
        "State": "active" if live else "blackhole",
    }
    if attachment is not None:
        answer["TransitGatewayAttachments"] = [_of(attachment)]
    return answer


def _propagated(call: Ec2Base, table: TransitRouteTable) -> Iterator[tuple[IPv4Network, str]]:
    """What attachments bring: a VPC its ranges, a VPN connection its static routes or what BGP has told. A range of a VPC that
    overlaps one of a VPC that came before is left out, without an error.

    https://docs.aws.amazon.com/vpc/latest/tgw/tgw-vpc-attachments.html
    """
    of_vpcs: list[IPv4Network] = []
    for attachment_id, life in table.propagations.items():
        attachment = call.store.transit_gateway_attachments.get(attachment_id)
        if attachment is None:
            continue
        if life.at(call.now) != "enabled" or attachment.life.at(call.now) not in ("available", "modifying"):
            continue
        for prefix in _brought_by(call, attachment):
            if attachment.kind == "vpc":
                if any(prefix.overlaps(other) for other in of_vpcs):
                    continue
                of_vpcs.append(prefix)
            yield prefix, attachment_id


def _of_propagation(call: Ec2Base, table: TransitRouteTable) -> list[dict[str, Any]]:
    """One route for each range. Over VPN connections that bring the same it leads to all of them, where the gateway uses equal
    paths; else one of them is taken, as is where a VPC brings it.

    https://docs.aws.amazon.com/vpc/latest/tgw/how-transit-gateways-work.html
    """
    paths: dict[IPv4Network, list[str]] = {}
    for prefix, attachment_id in _propagated(call, table):
        if prefix not in table.routes:
            paths.setdefault(prefix, []).append(attachment_id)
    book = call.store.transit_gateway_attachments
    equal = call.store.transit_gateways[table.gateway_id].options["VpnEcmpSupport"] == "enable"
    found = []
    for prefix, ids in paths.items():
        ids.sort(key=lambda id_: book[id_].kind != "vpc")
        answer = _route_answer(call, prefix, ids[0], "propagated")
        if equal and book[ids[0]].kind == "vpn":
            answer["TransitGatewayAttachments"] = [_of(book[id_]) for id_ in ids]
        found.append(answer)
    return found


def _brought_by(call: Ec2Base, attachment: TransitAttachment) -> list[IPv4Network]:
    if attachment.kind == "vpc":
        return list(ranges_of(call.store.get_vpc(attachment.resource_id)))
    connection = call.store.vpn_connections.get(attachment.resource_id)
    if connection is None:
        return []
    return list(connection.routes) if connection.static else list(call.world.learned_over(connection.id))


def search_transit_gateway_routes(call: Ec2Base) -> Plain:
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_SearchTransitGatewayRoutes.html"""
    table, filters = _transit_table(call, call.given("TransitGatewayRouteTableId")), call.filters()
    routes = [_route_answer(call, p, a, "static") for p, a in table.routes.items()]
    routes += _of_propagation(call, table)
    if not filters:
        raise ApiError("MissingParameter", "The request must contain the parameter Filters")
    kept = [r for r in routes if all(_suits(r, name, values) for name, values in filters.items())]
    most = int(call.given("MaxResults") or 1_000)
    return Plain({"Routes": kept[:most], "AdditionalRoutesAvailable": len(kept) > most})


def _suits(route: dict[str, Any], name: str, values: list[str]) -> bool:
    """Whether a route passes one filter. Raises ApiError for a filter that routes do not have."""
    prefix = IPv4Network(route["DestinationCidrBlock"])
    attachments = route.get("TransitGatewayAttachments", [])
    of_attachment = {
        "attachment.transit-gateway-attachment-id": "TransitGatewayAttachmentId",
        "attachment.resource-id": "ResourceId",
        "attachment.resource-type": "ResourceType",
    }
    try:
        networks = [IPv4Network(v, strict=False) for v in values] if name.startswith("route-search.") else []
    except ValueError:
        raise ApiError("InvalidParameterValue", f"The filter '{name}' has an invalid value") from None
    match name:
        case "state" | "type":
            return matches(route[name.capitalize()], values)
        case "route-search.exact-match":
            return prefix in networks
        case "route-search.longest-prefix-match" | "route-search.supernet-of-match":
            return any(n.subnet_of(prefix) for n in networks)
        case "route-search.subnet-of-match":
            return any(prefix.subnet_of(n) for n in networks)
        case _ if name in of_attachment:
            return any(matches(a[of_attachment[name]], values) for a in attachments)
    raise ApiError("InvalidParameterValue", f"The filter '{name}' is invalid")
