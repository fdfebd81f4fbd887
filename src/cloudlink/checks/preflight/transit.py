"""The transit gateway that the configuration says to adopt or to make: whether the link can go through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network

from cloudlink.checks.preflight.aws import AwsFacts, learned, used_subnets, used_tables, wrong
from cloudlink.checks.preflight.aws import read as read_aws
from cloudlink.checks.preflight.context import Context
from cloudlink.checks.preflight.gateways import as_number
from cloudlink.clouds.aws import parse_routes, parse_transit, parse_vpc
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_connections import vpn_connections
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_aks import aks_cluster
from cloudlink.clouds.azure.parse_network import vnet as parse_vnet
from cloudlink.clouds.ownership import owner_of
from cloudlink.core.plan import Action, Plan
from cloudlink.core.resource import Receipts
from cloudlink.errors import CloudlinkError, Finding, Severity
from cloudlink.link import Link
from cloudlink.steps.aws_vpn.blackholes import BLACKHOLES
from cloudlink.steps.aws_vpn.transit import (
    ATTACHMENT,
    VPN_TABLE,
    TransitTables,
    locate,
    no_gateway,
    no_table,
    one_in_each_zone,
    tables_of,
)

TOPIC = "aws"
STATIC_ROUTES = "aws_vpn.static_routes"
GATEWAYS_IN_REGION = 5
ROUTES_OF_GATEWAY = 10_000
"""https://docs.aws.amazon.com/vpc/latest/tgw/transit-gateway-quotas.html"""
ROUTES_IN_TABLE = 500  # that somebody wrote, of a VPC's table; until June 2025 it was 50
"""https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html"""


@dataclass(frozen=True)
class TransitFacts:
    """What exists in the region. tables: None where none can be told to be the right one."""

    account: str = ""
    gateway: parse_transit.Gateway | None = None
    gateways: int = 0  # of the account
    attachments: tuple[parse_transit.Attachment, ...] = ()
    vpc_attachments: tuple[parse_transit.VpcAttachment, ...] = ()
    own: frozenset[str] = frozenset()  # ids of the link's VPN connections and of the VPC
    beside: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """VPN connections of other links to the same VNet, by id: name and VPC of the link."""
    tables: TransitTables | None = None
    routes: Mapping[str, parse_transit.TransitTable] = field(default_factory=dict)  # of these tables, by id
    unread: str = ""  # why they could not be read
    vpc: tuple[IPv4Network, ...] = ()
    azure: tuple[IPv4Network, ...] = ()  # what AWS learns
    subnets: tuple[parse_vpc.Subnet, ...] = ()  # of the cluster
    used: tuple[parse_vpc.Subnet, ...] = ()  # of the cluster, the endpoint and the load balancers
    nodes: tuple[IPv4Network, ...] = ()  # subnets of the AKS cluster
    vpc_tables: Mapping[str, tuple[IPv4Network, ...]] = field(
        default_factory=dict
    )  # static routes of those that get ours, by id

    def attachment(self, vpc: str) -> parse_transit.VpcAttachment | None:
        """That of a VPC to the gateway."""
        gateway = self.gateway.id if self.gateway else ""
        return next((a for a in self.vpc_attachments if a.exists and (a.gateway, a.vpc) == (gateway, vpc)), None)


def read(link: Link, aws: Aws, facts: AwsFacts) -> TransitFacts:
    """facts: of the VPC, which are shared with its own checks. Besides what the plan has read, one call for each table."""
    everything = tuple(g for g in parse_transit.gateways(aws.transit_gateways()) if g.exists)
    gateway = locate(link, aws, Receipts({}))
    cluster = set(facts.cluster.subnets) if facts.cluster else set()
    found = TransitFacts(
        account=facts.account,
        gateway=gateway,
        gateways=sum(g.owner == facts.account for g in everything),
        vpc_attachments=parse_transit.vpc_attachments(aws.transit_vpc_attachments()),
        vpc=link.aws.reachable(facts.vpc.ranges if facts.vpc else ()),
        azure=_sent_to(link, learned(facts, link)),
        subnets=tuple(s for s in facts.subnets if s.id in cluster),
        used=tuple(s for s in facts.subnets if s.id in set(used_subnets(facts, link))),
        vpc_tables=_written(link, aws, {t.id for t in used_tables(facts, link)}),
    )
    return found if gateway is None or gateway.owner != facts.account else _with_tables(found, gateway, link, aws)


def standing(
    link: Link, aws: Aws, vpc: Callable[[], tuple[IPv4Network, ...]], azure: tuple[IPv4Network, ...]
) -> TransitFacts:
    """Of a link that exists. vpc: reads its ranges. azure: what AWS learns. Besides what the plan has read, one call for each
    table."""
    gateway = locate(link, aws, Receipts({}))
    found = TransitFacts(gateway=gateway, vpc=link.aws.reachable(vpc()), azure=_sent_to(link, azure))
    return _with_tables(found, gateway, link, aws) if gateway is not None else found


def _written(link: Link, aws: Aws, wanted: set[str]) -> dict[str, tuple[IPv4Network, ...]]:
    """The routes of the VPC's tables that somebody wrote, by table."""
    found = parse_routes.tables(aws.route_tables(link.aws.vpc_id))
    return {t.id: tuple(r.destination for r in t.routes if not r.propagated) for t in found if t.id in wanted}


def _sent_to(link: Link, azure: tuple[IPv4Network, ...]) -> tuple[IPv4Network, ...]:
    """Of Azure's ranges those that the VPC's table is to lead to: the table of an adopted gateway gets no blackhole."""
    return link.aws.reachable(azure) if link.aws.adopt_gateway is None else azure


def _with_tables(found: TransitFacts, gateway: parse_transit.Gateway, link: Link, aws: Aws) -> TransitFacts:
    connections = vpn_connections(aws.vpn_connections())
    found = replace(
        found,
        attachments=tuple(a for a in parse_transit.attachments(aws.transit_attachments(gateway.id)) if a.exists),
        own=frozenset({link.aws.vpc_id, *(c.id for c in connections if c.link == link.name)}),
        beside={
            c.id: (c.link, c.vpc)
            for c in connections
            if c.exists and c.link not in ("", link.name) and c.vnet == owner_of(link).vnet
        },
        tables=tables_of(link, aws, gateway.id, gateway.association_table),
    )
    wanted = {found.tables.vpc, *found.tables.vpn} if found.tables is not None else set()
    return with_routes(found, wanted, aws)


def with_routes(found: TransitFacts, wanted: set[str], aws: Aws) -> TransitFacts:
    """Not everybody may read them; what they hold is then not checked."""
    routes: dict[str, parse_transit.TransitTable] = {}
    unread = ""
    for table in sorted(wanted):
        try:
            routes[table] = parse_transit.table(table, aws.transit_routes(table))
        except Exception as error:
            known = error if isinstance(error, CloudlinkError) else aws.translate(error)
            if known is None:
                raise
            unread = str(known)
    return replace(found, routes=routes, unread=unread)


def find(context: Context) -> Iterator[Finding]:
    if context.link.aws.transit:
        facts = read_aws(context.link, context.aws, context.azure)
        each = [c.azure for c in context.clusters.values()] or [context.azure]
        found = replace(read(context.link, context.aws, facts), nodes=nodes_of(each))
        yield from check(found, context.link, context.plan)


def nodes_of(each: Sequence[Azure]) -> tuple[IPv4Network, ...]:
    """The subnets of the AKS clusters in the link's VNet; those of a peered one are not read here. each: as if the cluster was the
    link's only one."""
    vnet = each[0].vnet()
    if vnet is None:
        return ()
    ids = {s.lower() for azure in each if (raw := azure.aks_cluster()) is not None for s in aks_cluster(raw).subnets}
    return tuple(p for s in parse_vnet(vnet).subnets if s.id.lower() in ids for p in s.prefixes)


def check(facts: TransitFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    if link.aws.adopt_gateway is None:
        yield from _quota(facts, link, plan)
    elif facts.gateway is None:
        yield wrong(
            "aws.gateway",
            link.aws.adopt_gateway,
            f"a transit gateway that exists in {link.aws.region}",
            *no_gateway(link),
        )
    elif facts.account and facts.gateway.owner and facts.gateway.owner != facts.account:
        yield _shared(facts.gateway, facts, link)
        return
    else:
        yield from _adopted(facts.gateway, link)
    yield from _subnets(facts, link, plan)
    yield from _room_for_routes(facts, link, plan)
    yield from _cut_off(facts, link)
    if facts.gateway is None:
        return
    yield from _attachment(facts, link)
    yield from _moves(facts, plan)
    if facts.tables is None:
        yield wrong(
            "aws.gateway",
            facts.gateway.id,
            "a transit gateway whose right route table can be told",
            *no_table(link, facts.gateway.id),
        )
        return
    if facts.unread:
        yield Finding(
            TOPIC,
            Severity.NOT_PROVED,
            "A check could not be made",
            f"Whether other routes of {facts.gateway.id} are in the way could not be read: {facts.unread}",
        )
    yield from overlaps(facts, link)


# --- the gateway --------------------------------------------------------------------------------------------


def _quota(facts: TransitFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    change = plan.of("aws_vpn.gateway")
    if change is not None and change.action is Action.CREATE and facts.gateways >= GATEWAYS_IN_REGION:
        yield Finding(
            TOPIC,
            Severity.WARNING,
            "A quota of AWS may be used up",
            f"{facts.gateways} of {GATEWAYS_IN_REGION} transit gateways in {link.aws.region} are there, and the plan makes 1 "
            f"more. {GATEWAYS_IN_REGION} is the default; unless it was raised for this account, AWS refuses what is too many.",
            'Adopt one of them: set aws.gateway = "tgw-...", or ask for more: https://'
            f"{link.aws.region}.console.aws.amazon.com/servicequotas/home/services/ec2/quotas",
        )


def _room_for_routes(facts: TransitFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    """A transit gateway propagates nothing into a VPC's tables: what Azure announces is written there, range by range."""
    region = link.aws.region
    more = _acts(plan, STATIC_ROUTES)
    for table, routes in sorted(facts.vpc_tables.items()):
        new = len(set(facts.azure) - set(routes)) if more else 0
        if new and len(routes) + new > ROUTES_IN_TABLE:
            yield Finding(
                TOPIC,
                Severity.WARNING,
                "A quota of AWS may be used up",
                f"{len(routes)} of {ROUTES_IN_TABLE} routes of {table} are there, and the plan makes {new} more, one for each range of "
                f"Azure. {ROUTES_IN_TABLE} is the default; unless it was raised for this account, AWS refuses what is too many.",
                "Have Azure's VNets announce fewer ranges, or ask for more: "
                f"https://{region}.console.aws.amazon.com/servicequotas/home/services/vpc/quotas",
            )
    there = sum(len(t.routes) for t in facts.routes.values())
    more_in_tables = [t.id for t in facts.routes.values() if not t.whole]
    new = len(link.aws.blackholes) if _acts(plan, BLACKHOLES) else 0
    if facts.gateway is not None and (there + new > ROUTES_OF_GATEWAY or (new and more_in_tables)):
        counted = f"{', '.join(more_in_tables)} has more than AWS lists at once; " if more_in_tables else ""
        yield Finding(
            TOPIC,
            Severity.WARNING,
            "A quota of AWS may be used up",
            f"{facts.gateway.id} has {there} routes or more in the tables of the link, and the plan makes {new} blackhole routes in "
            f"each table of its own. {counted}{ROUTES_OF_GATEWAY} of all its tables is the default.",
            f"Take ranges out of aws.blackholes, or ask for more: https://{region}.console.aws.amazon.com/servicequotas/home/"
            "services/ec2/quotas",
        )


def _acts(plan: Plan, address: str) -> bool:
    change = plan.of(address)
    return change is not None and change.action in (Action.CREATE, Action.UPDATE, Action.REPLACE)


def _shared(gateway: parse_transit.Gateway, facts: TransitFacts, link: Link) -> Finding:
    return wrong(
        "aws.gateway",
        f"{gateway.id} of account {gateway.owner}",
        f"a transit gateway of account {facts.account}, as which cloudlink is signed in",
        "The transit gateway belongs to another AWS account",
        f"{gateway.id} is owned by account {gateway.owner} and shared with {facts.account}. An account that it is shared with "
        f"may attach {link.aws.vpc_id} and write routes in the VPC's tables; a VPN connection on it, and what its own route "
        "tables hold, AWS leaves to its owner, whatever the permissions are.",
        f'Have account {gateway.owner} join it with Azure, attach the VPC, and set link.transport = "existing": cloudlink '
        "then makes the names over it. Or leave aws.gateway out to have a gateway of your own made.\n"
        f"To attach it, as {facts.account}: aws ec2 create-transit-gateway-vpc-attachment --region {link.aws.region} "
        f"--transit-gateway-id {gateway.id} --vpc-id {link.aws.vpc_id} --subnet-ids SUBNET ...\n"
        f"Where it then is pendingAcceptance, as {gateway.owner}: aws ec2 accept-transit-gateway-vpc-attachment --region "
        f"{link.aws.region} --transit-gateway-attachment-id TGW-ATTACH",
    )


def _adopted(gateway: parse_transit.Gateway, link: Link) -> Iterator[Finding]:
    if gateway.state != "available":
        yield wrong(
            "aws.gateway",
            f"{gateway.id}, which is {gateway.state}",
            "a transit gateway that is available",
            "The transit gateway is not available",
            f"{gateway.id} is {gateway.state}; nothing can be attached to it now.",
            f"Wait until it is available: aws ec2 describe-transit-gateways --region {link.aws.region} "
            f"--transit-gateway-ids {gateway.id}",
        )
    wrong_number = tuple(
        as_number(
            gateway.id,
            gateway.asn,
            link,
            "cannot be changed while it has VPN connections",
            'Take another gateway, or set aws.gateway = "create-transit" to have one made.',
        )
    )
    yield from wrong_number
    if not wrong_number and gateway.asn != link.aws.asn:
        yield wrong(
            "aws.asn",
            str(link.aws.asn),
            f"{gateway.asn}, the ASN of {gateway.id}",
            "The transit gateway has another AS number",
            f"{gateway.id} has the ASN {gateway.asn}, and aws.asn is {link.aws.asn}: Azure would be told the wrong one, and no "
            "BGP session would come up.",
            f"Set aws.asn = {gateway.asn}",
        )
    if not gateway.ecmp:
        yield Finding(TOPIC, Severity.WARNING, *one_path(gateway, link), key="aws.gateway")


def one_path(gateway: parse_transit.Gateway, link: Link) -> tuple[str, str, str]:
    """What it means that a transit gateway does not use equal paths, and what its owner can do."""
    return (
        "The transit gateway uses one tunnel at a time",
        (
            f"VpnEcmpSupport of {gateway.id} is off: of the tunnels AWS takes one for what goes to Azure, and the others stand "
            "by."
        ),
        (
            f"If its owner agrees: aws ec2 modify-transit-gateway --region {link.aws.region} --transit-gateway-id {gateway.id} "
            "--options VpnEcmpSupport=enable"
        ),
    )


def _cut_off(facts: TransitFacts, link: Link) -> Iterator[Finding]:
    """Blackhole routes for something that the link is for. A propagated range that is narrower wins over a wider blackhole."""
    both = link.aws.adopt_gateway is None
    for range_ in link.aws.blackholes:
        within = [p for p in (*facts.vpc, *facts.azure) if p != range_ and p.subnet_of(range_)]
        needed = [(s.network, f"subnet {s.id}") for s in facts.used if s.network is not None]
        needed += [(n, "a subnet of the AKS cluster") for n in facts.nodes if both]
        hit = next((w for n, w in needed if n.overlaps(range_) and not any(n.subnet_of(p) for p in within)), "")
        if hit:
            yield wrong(
                "aws.blackholes",
                str(range_),
                "ranges in which nothing of the link lies",
                "A blackhole route would cut off a part of the link",
                f"{hit}, which the link is for, lies in {range_}: with a blackhole route for it nothing would get there, or come back.",
                "Take the range out of aws.blackholes, or name the parts of it that must not be reached.",
            )


# --- the attachment -----------------------------------------------------------------------------------------


def _subnets(facts: TransitFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    """Where the attachment gets an address."""
    change = plan.of(ATTACHMENT)
    if change is None or change.action not in (Action.CREATE, Action.REPLACE, Action.UPDATE):
        return
    there = facts.attachment(link.aws.vpc_id)
    has = there.subnets if there is not None else ()
    known = {s.id: s for s in facts.subnets}
    for subnet in one_in_each_zone(facts.subnets, has):
        if known[subnet].free_addresses == 0 and subnet not in has:
            yield wrong(
                "aws.eks_cluster",
                f"{subnet} in {known[subnet].zone} without a free address",
                "in each availability zone of the cluster a subnet with a free address",
                "A subnet of the attachment has no free address",
                f"The transit gateway's attachment takes an address in one of the cluster's subnets in {known[subnet].zone}, "
                f"and none of them has a free one ({subnet} was checked first).",
                "Free an address there, or attach the VPC by hand in another subnet of the zone, which is then adopted: "
                f"aws ec2 create-transit-gateway-vpc-attachment --region {link.aws.region} --transit-gateway-id "
                f"{facts.gateway.id if facts.gateway else 'TGW'} --vpc-id {link.aws.vpc_id} --subnet-ids SUBNET ...",
            )


def _moves(facts: TransitFacts, plan: Plan) -> Iterator[Finding]:
    """VPN connections of a link that exists, which go into another route table."""
    change = plan.of(VPN_TABLE)
    if change is None or change.action not in (Action.CREATE, Action.REPLACE, Action.DELETE):
        return
    moving = [a.resource for a in facts.attachments if a.kind == "vpn" and a.resource in facts.own and a.table]
    if moving:
        into = "the table that they share with others" if change.action is Action.DELETE else "a table of their own"
        yield Finding(
            TOPIC,
            Severity.WARNING,
            "The VPN connections move to another route table",
            f"{', '.join(sorted(moving))} go into {into}, one after the other: what comes from Azure over the one that moves is "
            "dropped for some seconds.",
            key="aws.limit_routes",
        )


def _attachment(facts: TransitFacts, link: Link) -> Iterator[Finding]:
    """One that is there already."""
    there = facts.attachment(link.aws.vpc_id)
    if there is None:
        return
    if there.state == "pendingAcceptance":
        yield wrong(
            "aws.gateway",
            f"{there.id}, which is {there.state}",
            "an attachment that the gateway's owner has accepted",
            "The attachment of the VPC waits to be accepted",
            f"{there.id} attaches {there.vpc} to {there.gateway}, and carries nothing until the owner of the gateway accepts it.",
            f"aws ec2 accept-transit-gateway-vpc-attachment --region {link.aws.region} --transit-gateway-attachment-id "
            f"{there.id}",
        )
    covered = {s.zone for s in facts.subnets if s.id in there.subnets}
    bare = sorted({s.zone for s in facts.subnets} - covered)
    # subnets of others, such as those made for it, are not among the cluster's: then nothing can be told
    if bare and set(there.subnets) <= {s.id for s in facts.subnets}:
        yield Finding(
            TOPIC,
            Severity.WARNING,
            "The attachment of the VPC leaves out an availability zone",
            f"{there.id} has no subnet in {', '.join(bare)}: nodes there do not reach {there.gateway}, whatever their route "
            "table says.",
            f"aws ec2 modify-transit-gateway-vpc-attachment --region {link.aws.region} --transit-gateway-attachment-id "
            f"{there.id} --add-subnet-ids SUBNET",
            resource=ATTACHMENT,
        )


# --- other routes -------------------------------------------------------------------------------------------


def overlaps(facts: TransitFacts, link: Link) -> Iterator[Finding]:
    """Routes of the tables through which the link goes that take its packets, or keep its own out.

    https://docs.aws.amazon.com/vpc/latest/tgw/how-transit-gateways-work.html (which route is taken)
    """
    assert facts.tables is not None
    kinds = {a.id: a for a in facts.attachments}
    mine = {a.id for a in facts.attachments if a.resource in facts.own}
    for table in sorted(set(facts.tables.vpn)):
        for route in _of_others(facts, table, mine, link):
            others = [kinds[a] for a in route.attachments if a in kinds]
            of_vpc = not route.static and any(a.kind == "vpc" for a in others)
            taken = [
                r for r in facts.vpc if route.destination.subnet_of(r) or (of_vpc and route.destination.overlaps(r))
            ]
            if taken:
                yield _overlap(route, table, f"{link.aws.vpc_id}'s range {taken[0]}", _who(others), link, back=True)
    beside: set[tuple[str, str]] = set()
    for route in _of_others(facts, facts.tables.vpc, mine, link):
        others = [kinds[a] for a in route.attachments if a in kinds]
        if others and not route.static and all(a.resource in facts.beside for a in others):
            if any(route.destination.subnet_of(r) for r in facts.azure):
                beside |= {facts.beside[a.resource] for a in others}
            continue  # to the very gateway of Azure that the link goes to
        for range_ in facts.azure:
            if route.destination == range_:
                yield _overlap(route, facts.tables.vpc, f"Azure's range {range_}", _who(others), link, back=False)
            elif route.destination.subnet_of(range_):
                yield replace(
                    _overlap(
                        route, facts.tables.vpc, f"a part of Azure's range {range_}", _who(others), link, back=False
                    ),
                    severity=Severity.WARNING,
                    mistake=None,
                )
    yield from _beside(beside, facts, link)


def _beside(found: set[tuple[str, str]], facts: TransitFacts, link: Link) -> Iterator[Finding]:
    """Other links of this gateway to the same VNet. found: name and VPC of each."""
    gateway = facts.gateway.id if facts.gateway else ""
    for name in sorted(name for name, vpc in found if vpc == link.aws.vpc_id):
        yield Finding(
            TOPIC,
            Severity.OBSTACLE,
            "Another link joins this VPC with this VNet",
            f"The link {name} goes from {link.aws.vpc_id} through {gateway} to {link.azure.vnet} already. A second one would use its "
            "attachment and its routes, and lose them at its teardown.",
            f'Add the names to the link {name} ([[dns.zones]], [[azure.clusters]]), or set link.transport = "existing", which makes '
            "names of a link's own over it.",
            key="aws.gateway",
        )
    if elsewhere := sorted(f"{name} ({vpc})" for name, vpc in found if vpc != link.aws.vpc_id):
        yield Finding(
            TOPIC,
            Severity.WARNING,
            "Another link goes through the transit gateway to the same VNet",
            f"{gateway} leads to {link.azure.vnet} over the tunnels of {', '.join(elsewhere)} already. AWS spreads packets over the "
            "tunnels of all of them, those of this link's VPC too; a teardown of one leaves the others whole.",
            key="aws.gateway",
        )


def _of_others(facts: TransitFacts, table: str, mine: set[str], link: Link) -> list[parse_transit.TransitRoute]:
    """Without the blackholes that the configuration asks for."""
    found = facts.routes.get(table)
    routes = found.routes if found is not None else ()
    return [
        r
        for r in routes
        if not mine.intersection(r.attachments) and (r.attachments or r.destination not in link.aws.blackholes)
    ]


def _who(attachments: list[parse_transit.Attachment]) -> str:
    return ", ".join(f"{a.id} ({a.kind} {a.resource})" for a in attachments) or "nothing (blackhole)"


def _overlap(route: parse_transit.TransitRoute, table: str, what: str, who: str, link: Link, *, back: bool) -> Finding:
    kind = "static" if route.static else "propagated"
    means = (
        "a range that overlaps is not propagated by AWS, without an error, so that nothing would come back from Azure"
        if back
        else "AWS takes the more specific route, and of two for the same range a static one or that of a VPC or a Direct "
        "Connect gateway before ours"
    )
    return wrong(
        "aws.gateway",
        f"{table} with a route to {route.destination}",
        f"a transit gateway whose tables have no other route to {what}",
        "Another network behind the transit gateway has the same addresses",
        f"{table} has a {kind} route to {route.destination} that leads to {who}, and overlaps {what}: {means}.",
        f"Look at it: aws ec2 search-transit-gateway-routes --region {link.aws.region} --transit-gateway-route-table-id {table} "
        "--filters Name=state,Values=active,blackhole\nTake that route away, or use a gateway or table without it.",
    )
