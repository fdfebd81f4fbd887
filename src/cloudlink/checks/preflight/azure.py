"""Azure's network and what the subscription allows: zones, GatewaySubnet, locks, providers, policies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Network

from cloudlink.checks.preflight import azure_facts
from cloudlink.checks.preflight.azure_facts import AzureFacts
from cloudlink.checks.preflight.context import Context
from cloudlink.checks.preflight.paths import (
    az_peering,
    az_where,
    cluster_routes,
    finding,
    in_use,
    standing,
    transit,
)
from cloudlink.clouds.aws import parse_vpc
from cloudlink.clouds.azure import kinds
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.errors import toml_key
from cloudlink.clouds.azure.parse_gateway import AZURE_OWN_ASN
from cloudlink.clouds.azure.parse_network import GATEWAY_SUBNET, Subnet, Vnet
from cloudlink.clouds.azure.parse_pieces import last, vnet_of
from cloudlink.clouds.azure.parse_policy import PUT_ON_SUBNETS, Restriction
from cloudlink.clouds.azure.parse_subscription import Lock
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.errors import Finding, MalformedError, Mistake, Severity
from cloudlink.link import Link

SMALLEST_GATEWAY_SUBNET = 27
# What AWS takes over one VPN connection; above, it closes the BGP session. https://docs.aws.amazon.com/vpn/latest/s2svpn/vpn-limits.html
PROPAGATED_ROUTES = 100
ROUTES_TO_TRANSIT = 1000
# https://docs.aws.amazon.com/vpn/latest/s2svpn/vpn-limits.html
_MAKES = (Action.CREATE, Action.REPLACE)
_NEW_ZONES = ("azure_vpn.public_ip", "azure_vpn.gateway")


def find(context: Context) -> Iterator[Finding]:
    link, aws, azure = context.link, context.aws, context.azure
    vpc = parse_vpc.vpc(aws.vpc(link.aws.vpc_id))
    facts = azure_facts.read(link, azure, context.plan, vpc.ranges if vpc else ())
    yield from check(facts, link, context.plan)


def find_standing(context: Context) -> Iterator[Finding]:
    """Where nothing is to be written: what keeps packets from their way all the same."""
    link, aws = context.link, context.aws

    def ranges() -> tuple[IPv4Network, ...]:
        vpc = parse_vpc.vpc(aws.vpc(link.aws.vpc_id))
        return vpc.ranges if vpc else ()

    facts = azure_facts.read_standing(link, context.azure, ranges)
    for found in standing(facts, link):
        # nothing is to be written, so that nothing can be in its way
        yield replace(found, severity=Severity.WARNING) if found.severity is Severity.OBSTACLE else found


def standing_on_each(link: Link, azure: Azure, ranges: Callable[[], tuple[IPv4Network, ...]]) -> tuple[Finding, ...]:
    """What keeps packets of any of the AKS clusters from their way. ranges: reads those of the VPC."""
    found = list(standing(azure_facts.read_standing(link, azure, ranges), link))
    for cluster in link.azure.more_clusters:
        own = link.on(cluster)
        facts = azure_facts.read_beside(own, azure.beside(own), ranges())
        found += [f for f in (*cluster_routes(facts, own), *transit(facts, own)) if f not in found]
    return tuple(found)


def find_beside(context: Context) -> Iterator[Finding]:
    """Of an AKS cluster beside the first, whose context it is: the way of its packets to the gateway, and ranges that pods look
    for inside it."""
    link, aws, azure = context.link, context.aws, context.azure
    vpc = parse_vpc.vpc(aws.vpc(link.aws.vpc_id))
    facts = azure_facts.read_beside(link, azure, vpc.ranges if vpc else ())
    severe = bool(context.plan.writes)
    for found in (*cluster_routes(facts, link), *transit(facts, link)):
        # where nothing is to be written, nothing can be in its way
        weaker = found.severity is Severity.OBSTACLE and not severe
        yield replace(found, severity=Severity.WARNING) if weaker else found
    for unread in facts.unread:
        yield finding(
            Severity.NOT_PROVED, f"Not proved: {unread.what}", f"It could not be read: {unread.why.rstrip('.')}."
        )


def find_names(context: Context) -> Iterator[Finding]:
    """Where somebody else has joined the networks: what is in the way of the names' own objects in Azure."""
    link, plan = context.link, context.plan
    if any(azure_facts.in_azure(c) for c in plan.writes):
        facts = azure_facts.read_names(link, context.azure, plan)
        yield from _subscription(facts, link, plan)
        yield from locked(facts.locks, link, plan)
        yield from _providers(facts, link, plan)
        yield from _policies(facts.restrictions, link)
        yield from _unread(facts)


def find_locked(context: Context) -> Iterator[Finding]:
    """Before a removal: locks that keep anything of the link from being deleted, and who uses the gateway still."""
    link, azure = context.link, context.azure
    if any(azure_facts.in_azure(c) for c in context.plan.writes):
        yield from locked(azure_facts.read_locks(link, azure), link, context.plan)
    if context.writes("azure_vpn.gateway"):
        clusters = [(own := link.on(c), azure.beside(own)) for c in link.azure.more_clusters]
        told: list[Finding] = []
        for one in ((link, azure), *clusters):
            told += [f for f in in_use(azure_facts.read_borrowers(*one)) if f not in told]
        yield from told


def check(facts: AzureFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    yield from _subscription(facts, link, plan)
    yield from _zones(facts, link, plan)
    if facts.vnet is not None:
        yield from _failed(facts.vnet, plan)
        if link.azure.adopt_gateway is None:
            yield from _gateway_subnet(facts.vnet, link)
        yield from _vnet(facts.vnet, facts, link)
    yield from _placement(facts, link)
    yield from standing(facts, link)
    yield from _neighbours(facts, link, plan)
    yield from locked(facts.locks, link, plan)
    yield from _providers(facts, link, plan)
    yield from _policies(facts.restrictions, link)
    yield from _unread(facts)


def _unread(facts: AzureFacts) -> Iterator[Finding]:
    for unread in facts.unread:
        yield finding(
            Severity.NOT_PROVED,
            f"Not proved: {unread.what}",
            f"It could not be read: {unread.why.rstrip('.')}.",
        )


def _setting(summary: str, path: str, found: str, allowed: str, near: str = "", detail: str = "") -> Finding:
    """An obstacle that one key of the configuration removes."""
    said = detail or f"{path} is {found}; it must be {allowed}."
    return finding(
        Severity.OBSTACLE,
        summary,
        said,
        f"Set {path} = {near}" if near else f"Change {path}, or what is in Azure.",
        mistake=Mistake(path, found, allowed, near),
    )


def _makes(plan: Plan, *starts: str) -> bool:
    return any(c.action in _MAKES and c.address.startswith(starts) for c in plan.changes)


# --- zones ----------------------------------------------------------------------------------------------------------


def _zones(facts: AzureFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    """Zones that the location has not are refused at the first public IP; none, where there are some, at the gateway."""
    if not _makes(plan, *_NEW_ZONES):
        return
    side = link.azure
    here = side.location.replace(" ", "").lower()
    found = next((at for at in facts.locations if at.name.replace(" ", "").lower() == here), None)
    if found is None or found.zones is None:
        if facts.locations:
            yield finding(
                Severity.NOT_PROVED,
                "Not proved: the zones of the location",
                f"Azure does not say whether {side.location} has zones; azure.vpn_gateway.zones names {_listed(side.zones)}.",
                f"az account list-locations --query \"[?name=='{here}'].availabilityZoneMappings\"",
                key="azure.vpn_gateway.zones",
            )
        return
    path = "azure.vpn_gateway.zones"
    if not found.zones and side.zones:
        yield _setting(
            "The location has no zones",
            path,
            f"{_listed(side.zones)}, and {side.location} has no availability zones",
            "[]",
            "[]",
            f"{side.location} has no availability zones, and Azure refuses public IPs with zones there. SKUs with AZ work "
            "without zones in such a location.",
        )
    elif found.zones and not side.zones:
        yield _setting(
            "The gateway's public IPs need zones",
            path,
            f"[], and {side.location} has the zones {', '.join(found.zones)}",
            f"zones of {side.location}: {_listed(found.zones)}",
            _listed(found.zones),
            f"{side.location} has the zones {', '.join(found.zones)}, and there Azure wants zones on the public IPs of a "
            f"{side.sku} gateway.",
        )
    elif missing := [z for z in side.zones if z not in found.zones]:
        yield _setting(
            "The location lacks a zone",
            path,
            f"{_listed(side.zones)}, and {side.location} has no zone {', '.join(missing)}",
            f"zones of {side.location}: {_listed(found.zones)}",
            _listed(found.zones),
        )


def _listed(words: Iterable[str]) -> str:
    """As in TOML."""
    return "[" + ", ".join(f'"{w}"' for w in words) + "]"


# --- the VNet and GatewaySubnet ---------------------------------------------------------------------------------------


def _vnet(vnet: Vnet, facts: AzureFacts, link: Link) -> Iterator[Finding]:
    side = link.azure
    if facts.other_gateways and side.adopt_gateway is None:
        yield _setting(
            "The VNet has a VPN gateway already",
            "azure.vnet.name",
            f"{side.vnet}, which has the VPN gateway {', '.join(map(last, facts.other_gateways))}",
            "a VNet without a VPN gateway; Azure allows one in a VNet",
        )
    if vnet.location and vnet.location.replace(" ", "").lower() != side.location.replace(" ", "").lower():
        yield _setting(
            "The VNet is in another location",
            "azure.location",
            f"{side.location}, and {side.vnet} is in {vnet.location}",
            f"the location of {side.vnet}: a gateway is where its VNet is",
            f'"{vnet.location}"',
        )
    borrowed = next((p for p in vnet.peerings if p.uses_gateway), None)
    if borrowed is not None and borrowed.of_virtual_wan:
        yield finding(
            Severity.OBSTACLE,
            "The VNet is joined to a hub of Virtual WAN",
            f"The peering {borrowed.name} gives {side.vnet} the gateways of the hub {last(borrowed.remote_id)}. Azure makes no "
            "gateway in such a VNet.",
            'Where the hub has a VPN to AWS: link.transport = "existing". Else name another VNet in azure.vnet, or take this one '
            "off the hub: az network vhub connection list --vhub-name HUB --resource-group GROUP",
            key="azure.vnet.name",
        )
    elif borrowed is not None:
        yield finding(
            Severity.OBSTACLE,
            "The VNet uses the gateway of another VNet",
            f"The peering {borrowed.name} of {side.vnet} uses the gateway of {last(borrowed.remote_id)}. Azure makes no "
            "gateway in such a VNet.",
            f"Name that VNet in azure.vnet, or: {az_peering(borrowed, 'useRemoteGateways=false')}",
            key="azure.vnet.name",
        )
    if vnet.dns_servers:
        yield finding(
            Severity.WARNING,
            "The VNet has DNS servers of its own",
            f"VNet {side.vnet} uses its own DNS servers ({', '.join(vnet.dns_servers)}); the gateway needs them to resolve "
            "public Azure names.",
        )
    # ranges of a VNet that does not get the gateway by its peering are not advertised
    advertised = len(vnet.prefixes) + sum(len(p.remote_ranges) for p in vnet.peerings if p.lends_gateway)
    most = ROUTES_TO_TRANSIT if link.aws.transit else PROPAGATED_ROUTES
    if advertised > most:
        yield _setting(
            "Too many ranges for AWS",
            "azure.vnet",
            f"{advertised} prefixes",
            f"at most {most}; above, AWS closes the BGP sessions",
        )


def _failed(vnet: Vnet, plan: Plan) -> Iterator[Finding]:
    """A VNet, or GatewaySubnet, whose last change failed: Azure takes nothing in it before it is written once more.

    https://learn.microsoft.com/azure/networking/troubleshoot-failed-state
    """
    if not _makes(plan, "azure_vpn.gateway"):
        return
    there = vnet.subnet(GATEWAY_SUBNET)
    mend = f"az network vnet update --ids {vnet.id}"
    if vnet.state.lower() == "failed":
        what, detail = "The VNet is in a failed state", f"The last change of the VNet {vnet.name} failed"
    elif there is not None and there.state.lower() == "failed":
        what, detail = "GatewaySubnet is in a failed state", f"The last change of GatewaySubnet in {vnet.name} failed"
        mend = _az_subnet(there)
    else:
        return
    yield finding(
        Severity.OBSTACLE,
        what,
        f"{detail}, and Azure refuses what is put into it before it is written once more as it is.",
        f"{mend}\nIf it stays so, Azure's support has to repair it.",
        key="azure.vnet.name",
    )


def _gateway_subnet(vnet: Vnet, link: Link) -> Iterator[Finding]:
    side, path = link.azure, "azure.vpn_gateway.subnet_prefix"
    wanted = side.gateway_subnet
    assert wanted is not None, "a link that makes a gateway has a range for its subnet"
    if not vnet.prefixes:  # said of the cloud, not of the configuration, which cannot be made to fit it
        raise MalformedError(
            "A cloud's answer is malformed",
            f"Azure describes the VNet {side.vnet} without an IPv4 range, which every VNet has.",
            "Run the command again. If it stays, something between here and Azure answers in its place.",
        )
    there = vnet.subnet(GATEWAY_SUBNET)
    if there is not None:
        yield from _existing_gateway_subnet(there)
        return
    listed = ", ".join(map(str, vnet.prefixes))
    if not any(wanted.subnet_of(p) for p in vnet.prefixes):
        yield _setting(
            "The gateway's subnet is outside the VNet",
            path,
            str(wanted),
            f"a range inside the VNet's ({listed})",
        )
        return
    for subnet in vnet.subnets:
        for taken in subnet.prefixes:
            if taken.overlaps(wanted):
                yield _setting(
                    "The gateway's subnet overlaps another",
                    path,
                    str(wanted),
                    f"a range that the subnet {subnet.name} ({taken}) does not use",
                )


def _existing_gateway_subnet(subnet: Subnet) -> Iterator[Finding]:
    """https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-about-vpn-gateway-settings#gwsub"""
    for prefix in subnet.prefixes:
        if prefix.prefixlen > SMALLEST_GATEWAY_SUBNET:
            yield _setting(
                "GatewaySubnet is too small",
                "azure.vpn_gateway.subnet_prefix",
                f"GatewaySubnet {prefix}",
                "a /27 or larger for an active-active gateway",
            )
    az = _az_subnet(subnet)
    if subnet.security_group_id:
        name = last(subnet.security_group_id)
        yield finding(
            Severity.OBSTACLE,
            "GatewaySubnet has a network security group",
            f"The network security group {name} is on GatewaySubnet, where Azure supports none: it refuses the gateway.",
            f"{az} --remove networkSecurityGroup",
            mistake=Mistake(
                "azure.vnet",
                f"GatewaySubnet with the network security group {name}",
                "no network security group on GatewaySubnet: Azure does not support one there",
            ),
        )
    if subnet.nat_gateway_id:
        yield finding(
            Severity.OBSTACLE,
            "GatewaySubnet has a NAT gateway",
            f"The NAT gateway {last(subnet.nat_gateway_id)} is on GatewaySubnet, where Azure supports none.",
            f"{az} --remove natGateway",
            key="azure.vnet.name",
        )
    if strangers := [u for u in subnet.users if "/virtualnetworkgateways/" not in u.lower()]:
        named = ", ".join(dict.fromkeys(last(u.partition("/ipConfigurations/")[0]) for u in strangers[:3]))
        yield finding(
            Severity.WARNING,
            "GatewaySubnet holds something else than gateways",
            f"{named} is in GatewaySubnet, where Azure supports gateways only: it may refuse the gateway, or leave it too few addresses.",
            "Move it to another subnet.",
            key="azure.vnet.name",
        )
    if subnet.delegations:
        yield finding(
            Severity.OBSTACLE,
            "GatewaySubnet is delegated to a service",
            f"GatewaySubnet is delegated to {', '.join(subnet.delegations)}; Azure puts no gateway into such a subnet.",
            f"{az} --remove delegations",
            key="azure.vnet.name",
        )


def _placement(facts: AzureFacts, link: Link) -> Iterator[Finding]:
    side = link.azure
    group = facts.cluster.node_group if facts.cluster else ""
    if group and group.lower() == side.vnet_resource_group.lower():
        yield _setting(
            "The VNet belongs to AKS",
            "azure.vnet.resource_group",
            side.vnet_resource_group,
            "a group other than the one that AKS made for the cluster's own resources",
        )
    if side.vnet_subscription.lower() != side.subscription.lower() and not facts.gateway:
        yield finding(
            Severity.NOT_PROVED,
            "Not proved: a gateway in another subscription than its VNet",
            f"{side.vnet} is in the subscription {side.vnet_subscription}, and the gateway would be made in "
            f"{side.subscription}. Whether Azure takes that for this pair of subscriptions shows at the first write only.",
            "Usually both are in one: set azure.subscription to the VNet's, and azure.aks.subscription to the cluster's.",
            key="azure.subscription",
        )


# --- others that speak BGP in the VNet -----------------------------------------------------------------------------------


def _neighbours(facts: AzureFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    """https://learn.microsoft.com/azure/route-server/expressroute-vpn-support"""
    for other in facts.neighbours:
        if other.kind == "RouteServer":
            wrong = link.azure.asn != AZURE_OWN_ASN and _makes(plan, "azure_vpn.gateway")
            yield finding(
                Severity.WARNING,
                "A Route Server is in the VNet",
                f"{other.name} exchanges routes with a VPN gateway whose ASN is {AZURE_OWN_ASN} only"
                + (f"; the gateway gets {link.azure.asn}" if wrong else "")
                + ". Where it does (branch-to-branch), AWS also gets the routes of its network appliances and of "
                f"ExpressRoute; above {PROPAGATED_ROUTES} routes AWS closes the BGP sessions.",
                f"azure.vpn_gateway.asn = {AZURE_OWN_ASN}, if it is to exchange routes" if wrong else "",
                key="azure.vpn_gateway.asn" if wrong else "",
            )
        else:
            yield finding(
                Severity.WARNING,
                "An ExpressRoute gateway is in the VNet",
                f"{other.name} shares GatewaySubnet with the VPN gateway. Networks behind ExpressRoute get a way to AWS, and "
                f"AWS to them, only where a Route Server joins both and the VPN gateway's ASN is {AZURE_OWN_ASN} (it is "
                f"{link.azure.asn}); then their routes count towards the {PROPAGATED_ROUTES} that AWS takes.",
            )


# --- locks ------------------------------------------------------------------------------------------------------------


def locked(locks: Iterable[Lock], link: Link, plan: Plan) -> Iterator[Finding]:
    """Locks that stop a write of the plan: a read-only one every write, the other every deletion.

    https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources
    """
    for lock in locks:
        stopped = [c for c in plan.changes if _stops(lock, c, link)]
        if not stopped:
            continue
        shown = ", ".join(c.title for c in stopped[:4]) + (" and more" if len(stopped) > 4 else "")
        word = "written" if lock.stops_writes else "deleted"
        note = f' Its note says: "{lock.notes}".' if lock.notes else ""
        yield finding(
            Severity.OBSTACLE,
            "A lock in Azure forbids it",
            f"The lock {lock.name} ({lock.level}) on {lock.scope or 'the subscription'} keeps these from being {word}: "
            f"{shown}.{note}",
            f"Ask its owner, or: az lock delete --ids {lock.id}",
        )


def _stops(lock: Lock, change: Change, link: Link) -> bool:
    if not azure_facts.in_azure(change) or change.action is Action.NO_OP:
        return False
    ids = _scopes(change, link)
    deletes = change.action in (Action.DELETE, Action.REPLACE)
    above = any(_within(id_, lock.scope) for id_ in ids)
    if lock.stops_writes:
        return above
    # a group cannot go while something in it is locked
    below = change.address == "azure_vpn.resource_group" and any(_within(lock.scope, id_) for id_ in ids)
    return deletes and (above or below)


def _scopes(change: Change, link: Link) -> tuple[str, ...]:
    """Where a change writes: its object, else the group that it is put into."""
    side = link.azure
    if change.id.startswith("/"):
        return (change.id,)
    vnet = (
        f"/subscriptions/{side.vnet_subscription}/resourceGroups/{side.vnet_resource_group}"
        f"/providers/Microsoft.Network/virtualNetworks/{side.vnet}"
    )
    if change.address in (
        "azure_vpn.gateway_subnet",
        "azure_vpn.network",
        "dns_forward.subnet",
        "dns_forward.inbound_subnet",
    ):
        return (vnet,)
    group = f"/subscriptions/{side.subscription}/resourceGroups/{side.resource_group}"
    if change.address == "azure_vpn.cluster":
        group = f"/subscriptions/{side.aks_subscription}/resourceGroups/{side.aks_resource_group}"
    return (group,)


def _within(id_: str, scope: str) -> bool:
    return f"{id_.lower()}/".startswith(f"{scope.lower().rstrip('/')}/")


# --- providers and policies -----------------------------------------------------------------------------------------------


# What is made in the link's location, each kind with the address of what makes it. Local gateways and connections are
# wherever gateways are.
_REGIONAL = {
    kinds.GATEWAY: "azure_vpn.gateway",
    kinds.DNS_RESOLVER: "dns_forward.resolver",
    kinds.DNS_RULESET: "dns_forward.ruleset",
}


def _providers(facts: AzureFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    side = link.azure
    for provider in facts.providers:
        of_cluster = "container" in provider.namespace.lower()
        needed = ("azure_vpn.cluster",) if of_cluster else ("azure_vpn", *azure_facts.IN_AZURE)
        where = side.aks_subscription if of_cluster else side.subscription
        if not provider.registered and _makes(plan, *needed):
            yield finding(
                Severity.OBSTACLE,
                "The subscription does not use this part of Azure yet",
                f"The resource provider {provider.namespace} is {provider.state} in the subscription "
                f"{where}, so that Azure refuses every object of it.",
                f"az provider register --subscription {where} --namespace {provider.namespace} --wait",
                key="azure.subscription",
            )
        for kind, address in _REGIONAL.items():
            if not of_cluster and provider.lacks(kind, side.location) and _makes(plan, address):
                yield finding(
                    Severity.OBSTACLE,
                    "The Azure location does not have this kind of object",
                    f"{side.location} has no {kind}, so that Azure refuses the {'gateway' if kind == kinds.GATEWAY else 'DNS resolver'}.",
                    f"Locations that have it: {', '.join(sorted(provider.locations[kind.lower()])[:12])}"
                    + ("" if kind == kinds.GATEWAY else '\nOr let CoreDNS forward the names: dns.forward = "coredns"'),
                    key="azure.location",
                )


def _subscription(facts: AzureFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    for found, id_, key in (
        (facts.subscription, link.azure.subscription, "azure.subscription"),
        (facts.vnet_subscription, link.azure.vnet_subscription, "azure.vnet.subscription"),
    ):
        if found is None:
            continue
        if found.read_only:
            yield finding(
                Severity.OBSTACLE,
                "The Azure subscription is disabled",
                f'The subscription "{found.name}" ({id_}) is {found.state}: Azure answers what is read in it and refuses every write.',
                "Its owner has to enable it again (an unpaid bill, a spending limit, an ended trial): "
                "https://learn.microsoft.com/azure/cost-management-billing/manage/subscription-disabled",
                key=key,
            )
        elif found.ending and _makes(plan, "azure_vpn", *azure_facts.IN_AZURE):
            yield finding(
                Severity.WARNING,
                "The Azure subscription is about to be disabled",
                f'The subscription "{found.name}" ({id_}) is {found.state}: a bill is open, and when Azure disables it the gateway '
                "stops and the link with it.",
                "Have its owner pay: https://learn.microsoft.com/azure/cost-management-billing/manage/subscription-states",
                key=key,
            )
    paid = facts.subscription
    if paid is not None and paid.spending_limit and not paid.read_only and _makes(plan, "azure_vpn.gateway"):
        yield finding(
            Severity.WARNING,
            "The Azure subscription has a spending limit",
            f'When the credit of "{paid.name}" is used up, Azure disables the subscription, and the link is down until the next '
            "month or for good. What the link costs is said below.",
            "Its owner can remove the limit: https://learn.microsoft.com/azure/cost-management-billing/manage/spending-limit",
            key="azure.subscription",
        )


def _policies(restrictions: Iterable[Restriction], link: Link) -> Iterator[Finding]:
    """One finding for each assignment and tag, with the kinds that it concerns."""
    given = {k.lower(): v for k, v in link.tags}
    concerned: dict[tuple[str, ...], tuple[Restriction, list[str]]] = {}
    replaced: dict[tuple[str, str, str], Restriction] = {}
    for one in restrictions:
        if one.fills_in and one.field.lower() in map(str.lower, PUT_ON_SUBNETS):
            yield _put_on_subnet(one, link)
            continue
        if one.needs_tag:
            value = given.get(one.needs_tag.lower())
            if one.fills_in and value is not None and value.lower() != one.fills_in.lower():
                replaced.setdefault((one.needs_tag, one.fills_in, value), one)
            if one.fills_in or (value is not None and (not one.values or _among(value, one.values))):
                continue
        elif (tag := tag_named(one.field)) and not _among(given.get(tag), one.values):
            continue  # it refuses values that the tag does not get
        at = (one.assignment, one.policy, one.needs_tag)
        concerned.setdefault(at, (one, []))[1].append(last(one.kind))
    for (tag, theirs, ours), one in replaced.items():
        yield finding(
            Severity.WARNING,
            "An Azure policy may put another value into a tag",
            f"The policy {last(one.policy) or 'without a name'} (assignment {last(one.assignment)}, in {_scope(one.assignment)}) "
            f'writes {tag} = "{theirs}" itself, and [tags] says "{ours}". If it replaces what is there, each plan shows the '
            "tag as changed by hand.",
            f'[tags]\n{toml_key(tag)} = "{theirs}"',
            key="tags",
        )
    for one, several in concerned.values():
        what = ", ".join(dict.fromkeys(several))
        who = f"The policy {last(one.policy) or 'without a name'} (assignment {last(one.assignment)}, in {_scope(one.assignment)})"
        if one.needs_tag:
            values = f", one of {', '.join(one.values)}" if one.values else ""
            yield finding(
                Severity.OBSTACLE,
                "An Azure policy wants a tag",
                f"{who} refuses {what} without the tag {one.needs_tag}{values}.",
                f'[tags]\n{toml_key(one.needs_tag)} = "{one.values[0] if one.values else "..."}"',
                key="tags",
            )
        else:
            about = f" because of {one.field}" if one.field else ""
            yield finding(
                Severity.OBSTACLE,
                "An Azure policy forbids it",
                f"{who} refuses {what}{about}.",
                f"Ask for an exemption, or see what it wants: az policy assignment show --name {last(one.assignment)}"
                + (f" --scope {_scope(one.assignment)}" if _scope(one.assignment).startswith("/") else ""),
            )


def _put_on_subnet(one: Restriction, link: Link) -> Finding:
    """Of the gateway's own subnet: a policy does not know that this one takes neither.

    https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-about-vpn-gateway-settings#gwsub
    """
    group = "networksecuritygroup" in one.field.lower()
    what = "network security group" if group else "route table"
    effect = (
        "Azure supports none there and refuses the gateway"
        if group
        else "where it has a default route, or does not take the gateway's routes, Azure refuses the gateway, and other routes of it lead "
        "AWS's packets elsewhere"
    )
    side = link.azure
    vnet = f"/subscriptions/{side.vnet_subscription}/resourceGroups/{side.vnet_resource_group}/providers/Microsoft.Network/virtualNetworks/{side.vnet}"
    return finding(
        Severity.OBSTACLE if group else Severity.WARNING,
        f"An Azure policy puts a {what} on GatewaySubnet",
        f"The policy {last(one.policy) or 'without a name'} (assignment {last(one.assignment)}, in {_scope(one.assignment)}) puts the "
        f"{what} {last(one.fills_in)} on each new subnet, GatewaySubnet among them: {effect}.",
        "Ask who keeps the policy to leave GatewaySubnet out, or for an exemption: az policy exemption create --name cloudlink "
        f"--exemption-category Waiver --policy-assignment {one.assignment} --scope {vnet}",
        key="azure.vnet.name",
    )


def _among(value: str | None, values: Iterable[str]) -> bool:
    """As policies compare: without case. https://learn.microsoft.com/azure/governance/policy/concepts/definition-structure-policy-rule"""
    return value is not None and value.lower() in {v.lower() for v in values}


def tag_named(field_: str) -> str:
    return field_[5:].lower() if field_.lower().startswith("tags.") else ""


def _scope(assignment: str) -> str:
    scope = assignment.rpartition("/providers/Microsoft.Authorization/")[0]
    return scope or "an unknown scope"


def _az_subnet(subnet: Subnet) -> str:
    return f"az network vnet subnet update {az_where(subnet.id)} --vnet-name {last(vnet_of(subnet.id))} --name {subnet.name}"
