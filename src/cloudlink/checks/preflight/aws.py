"""The VPC and who owns it, its route tables, and subnets with room for the endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network

from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.aws import parse_vpc
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_balancers import LoadBalancer, load_balancers
from cloudlink.clouds.aws.parse_cluster import Cluster, cluster
from cloudlink.clouds.aws.parse_gateways import vpn_gateways
from cloudlink.clouds.azure import parse_ranges
from cloudlink.clouds.azure.client import Azure
from cloudlink.core.plan import Action, Plan
from cloudlink.core.resource import Receipts
from cloudlink.errors import Finding, Mistake, Severity
from cloudlink.link import Link, LoadBalancerTarget
from cloudlink.steps.aws_vpn.routes import by_subnets, subnets_of_targets
from cloudlink.steps.aws_vpn.transit import locate
from cloudlink.steps.permissions import Nodes
from cloudlink.steps.resolver.endpoint import MOST_ADDRESSES, spread

TOPIC = "aws"


@dataclass(frozen=True)
class AwsFacts:
    account: str = ""  # of the caller
    vpc: parse_vpc.Vpc | None = None
    cluster: Cluster | None = None
    subnets: tuple[parse_vpc.Subnet, ...] = ()
    tables: tuple[parse_vpc.RouteTable, ...] = ()
    balancers: tuple[LoadBalancer, ...] = ()
    # by address, what only the owner of a shared VPC can do: https://docs.aws.amazon.com/vpc/latest/userguide/vpc-sharing.html
    owner_only: Mapping[str, str] = field(default_factory=dict)
    azure: parse_ranges.AzureRanges = field(default_factory=parse_ranges.AzureRanges)
    transit: str = ""  # id of the link's transit gateway; empty: it has none, or none yet
    # virtual private gateways that serve the VPC, or are to: what leads there goes the same way as what the tunnels teach
    gateways: frozenset[str] = frozenset()


def read(link: Link, aws: Aws, azure: Azure) -> AwsFacts:
    """Shared with what the plan has read; beyond that one question for the account."""
    named = any(isinstance(h.target, LoadBalancerTarget) for _, h in link.dns.all_hosts)
    return AwsFacts(
        account=aws.account(),
        vpc=parse_vpc.vpc(aws.vpc(link.aws.vpc_id)),
        cluster=cluster(aws.eks_cluster(link.aws.eks_cluster)),
        subnets=parse_vpc.subnets(aws.subnets(link.aws.vpc_id)),
        tables=parse_vpc.route_tables(aws.route_tables(link.aws.vpc_id)),
        balancers=load_balancers(aws.load_balancers()) if named else (),
        azure=parse_ranges.azure_ranges(azure.vnet() if link.azure.new_network is None else None, None),
        transit=_transit(link, aws),
        gateways=_gateways(link, aws),
    )


def owner_only(nodes: Nodes) -> dict[str, str]:
    return {a: node.permissions.owner_only for a, node in nodes.items() if node.permissions.owner_only}


def standing(link: Link, aws: Aws, azure: Azure) -> AwsFacts:
    """What is needed to check the routes of a link that exists: all of it has been read already."""
    named = any(isinstance(h.target, LoadBalancerTarget) for _, h in link.dns.all_hosts)
    return AwsFacts(
        cluster=cluster(aws.eks_cluster(link.aws.eks_cluster)),
        tables=parse_vpc.route_tables(aws.route_tables(link.aws.vpc_id)),
        balancers=load_balancers(aws.load_balancers()) if named else (),
        subnets=parse_vpc.subnets(aws.subnets(link.aws.vpc_id)) if by_subnets(link) else (),
        azure=parse_ranges.azure_ranges(azure.vnet() if link.azure.new_network is None else None, None),
        transit=_transit(link, aws),
        gateways=_gateways(link, aws),
    )


def _gateways(link: Link, aws: Aws) -> frozenset[str]:
    if not link.makes_vpn or link.aws.transit:
        return frozenset()
    here = {g.id for g in vpn_gateways(aws.vpn_gateways()) if g.exists and g.serves(link.aws.vpc_id)}
    return frozenset({*here, *((link.aws.adopt_gateway,) if link.aws.adopt_gateway else ())})


def _transit(link: Link, aws: Aws) -> str:
    found = locate(link, aws, Receipts({})) if link.makes_vpn and link.aws.transit else None
    return found.id if found is not None else ""


def find(context: Context) -> Iterator[Finding]:
    facts = replace(read(context.link, context.aws, context.azure), owner_only=owner_only(context.nodes))
    yield from check(facts, context.link, context.plan)


def check(facts: AwsFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    yield from _vpc(facts, link, plan)
    yield from _endpoint_subnets(facts, link, plan)
    if link.makes_vpn:
        yield from _routes(facts, link)
        yield from _known_already(facts, link, plan)
        yield from _not_listed(facts, link)
        yield from _through_an_appliance(facts, link)
        yield from _of_a_gateway(facts, link)


def wrong(path: str, found: str, allowed: str, summary: str, detail: str, hint: str) -> Finding:
    return Finding(TOPIC, Severity.OBSTACLE, summary, detail, hint, key=path, mistake=Mistake(path, found, allowed))


# --- the VPC ----------------------------------------------------------------------------------------------


def _vpc(facts: AwsFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    side = link.aws
    if facts.vpc is None:
        yield wrong(
            "aws.vpc",
            side.vpc_id,
            f"a VPC that exists in {side.region}",
            "The VPC does not exist",
            f"There is no {side.vpc_id} in {side.region}.",
            f"List them with: aws ec2 describe-vpcs --region {side.region}",
        )
    if facts.cluster is not None and facts.cluster.vpc and facts.cluster.vpc != side.vpc_id:
        yield wrong(
            "aws.vpc",
            side.vpc_id,
            f"the VPC of the EKS cluster, {facts.cluster.vpc}",
            "The EKS cluster is in another VPC",
            f"{side.eks_cluster} is in {facts.cluster.vpc}, but aws.vpc is {side.vpc_id}.",
            f'Set aws.vpc = "{facts.cluster.vpc}", or name another cluster in aws.eks_cluster.',
        )
    if facts.vpc is not None and facts.vpc.dedicated:
        yield wrong(
            "aws.vpc",
            f"{side.vpc_id} with dedicated tenancy",
            "a VPC with default tenancy; Resolver endpoints need it",
            "The VPC has dedicated tenancy",
            f"{side.vpc_id} has dedicated tenancy, and AWS makes no Resolver endpoints in such a VPC.",
            f"aws ec2 modify-vpc-tenancy --region {side.region} --vpc-id {side.vpc_id} --instance-tenancy default",
        )
    if facts.vpc is not None and facts.vpc.encryption_control and _written(plan, "aws_vpn.attachment"):
        yield Finding(
            TOPIC,
            Severity.OBSTACLE,
            "The VPC lets no virtual private gateway in",
            f"{side.vpc_id} has an encryption control in the mode enforce ({facts.vpc.encryption_control}), which keeps out "
            "whatever AWS does not encrypt itself: a virtual private gateway is kept out unless it is excluded.",
            f"Ask who keeps it, or: aws ec2 modify-vpc-encryption-control --region {side.region} "
            f"--vpc-encryption-control-id {facts.vpc.encryption_control} --virtual-private-gateway-exclusion enable",
            key="aws.vpc",
        )
    if facts.vpc is not None and facts.vpc.owner and facts.account and facts.vpc.owner != facts.account:
        yield from _shared(facts.vpc, facts, plan)


def _shared(vpc: parse_vpc.Vpc, facts: AwsFacts, plan: Plan) -> Iterator[Finding]:
    """A VPC that was shared by Resource Access Manager: its participants may use its subnets and no more."""
    needed = [what for address, what in facts.owner_only.items() if _written(plan, address)]
    if not needed:
        return
    yield Finding(
        TOPIC,
        Severity.OBSTACLE,
        "The VPC belongs to another AWS account",
        f"{vpc.id} is owned by account {vpc.owner} and shared with {facts.account}, as which cloudlink is signed in. Only the "
        f"owner can {_and(needed)}; AWS refuses that to everybody else, whatever their permissions are.",
        f"Sign in to account {vpc.owner}: set aws.profile to a profile of that account, or have its owner run cloudlink.",
        key="aws.profile",
        mistake=Mistake(
            "aws.profile", f"account {facts.account}", f"account {vpc.owner}, which owns {vpc.id}: {_and(needed)}"
        ),
    )


def _written(plan: Plan, address: str) -> bool:
    change = plan.of(address)
    return change is not None and change.action is not Action.NO_OP


def _and(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


# --- subnets of the endpoint ------------------------------------------------------------------------------


def _endpoint_subnets(facts: AwsFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    change = plan.of("resolver.endpoint")
    makes = change is not None and change.action in (Action.CREATE, Action.REPLACE)
    if not makes and not (
        change is not None and change.action is Action.UPDATE and any(f.field == "subnets" for f in change.fields)
    ):
        return
    known = {s.id: s for s in facts.subnets}
    for subnet in link.dns.endpoint_subnets or ():
        if subnet not in known:
            yield wrong(
                "dns.endpoint_subnets",
                subnet,
                f"subnets of {link.aws.vpc_id}",
                "A subnet of the endpoint does not exist",
                f"There is no {subnet} in {link.aws.vpc_id}.",
                f"List them with: aws ec2 describe-subnets --region {link.aws.region} --filters "
                f"Name=vpc-id,Values={link.aws.vpc_id}",
            )
    gone = [s for s in facts.cluster.subnets if s not in known] if facts.cluster and facts.subnets else []
    if gone and link.dns.endpoint_subnets is None:
        # EKS goes on naming the subnets that it was made with
        yield wrong(
            "dns.endpoint_subnets",
            f"those of {link.aws.eks_cluster}, of which {_and(gone)} {'is' if len(gone) == 1 else 'are'} gone",
            f"subnets that exist in {link.aws.vpc_id}",
            "A subnet of the EKS cluster does not exist any more",
            f"{link.aws.eks_cluster} still names {_and(gone)}, which {link.aws.vpc_id} does not have (any more); the Resolver "
            "endpoint would get an address in each of the cluster's subnets.",
            "Set dns.endpoint_subnets to two to six subnets"
            + (f", for example of: {', '.join(_roomy(facts))}." if _roomy(facts) else "."),
        )
    if not makes:  # the others have an address already
        return
    chosen = endpoint_subnets(facts, link)
    for subnet in chosen:
        yield from _unfit(known[subnet], facts)
        free = None if known[subnet].without_ipv4 else known[subnet].free_addresses
        if free is not None and free < 1:
            yield wrong(
                "dns.endpoint_subnets",
                f"{subnet} without a free address",
                "subnets with at least one free address",
                "A subnet of the endpoint has no free address",
                f"{subnet} has no free address, and the Resolver endpoint gets one in it.",
                "Set dns.endpoint_subnets to two to six subnets with free addresses"
                + (f", for example of: {', '.join(_roomy(facts))}." if _roomy(facts) else "."),
            )
    zones = {known[s].zone for s in chosen}
    if len(chosen) > 1 and len(zones) == 1 and "" not in zones:
        yield Finding(
            TOPIC,
            Severity.WARNING,
            "All addresses of the endpoint are in one availability zone",
            f"{', '.join(chosen)} are all in {next(iter(zones))}: names do not resolve while that zone is out of order.",
            "Set dns.endpoint_subnets to subnets of two zones.",
            key="dns.endpoint_subnets",
        )


def _unfit(subnet: parse_vpc.Subnet, facts: AwsFacts) -> Iterator[Finding]:
    """https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-forwarding-inbound-queries.html"""
    where = subnet.at_the_edge
    if not where and not subnet.without_ipv4:
        return
    found = f"{subnet.id}, which is in {where}" if where else f"{subnet.id}, which has IPv6 addresses only"
    yield wrong(
        "dns.endpoint_subnets",
        found,
        "subnets with IPv4 in availability zones of the region",
        "A subnet of the endpoint is of a kind that takes none",
        f"{found}; the Resolver endpoint needs an IPv4 address in an availability zone of the region itself.",
        "Set dns.endpoint_subnets to two to six other subnets"
        + (f", for example of: {', '.join(_roomy(facts))}." if _roomy(facts) else "."),
    )


def endpoint_subnets(facts: AwsFacts, link: Link) -> list[str]:
    """The subnets in which the endpoint gets an address, of those that exist."""
    wanted = link.dns.endpoint_subnets or (facts.cluster.subnets if facts.cluster else ())
    known = {s.id: s for s in facts.subnets}
    return sorted(spread({s: known[s].zone for s in dict.fromkeys(wanted) if s in known}, MOST_ADDRESSES))


def _roomy(facts: AwsFacts) -> list[str]:
    fit = (s for s in facts.subnets if (s.free_addresses or 0) > 0 and not s.at_the_edge and not s.without_ipv4)
    return sorted(s.id for s in fit)[:MOST_ADDRESSES]


# --- routes ------------------------------------------------------------------------------------------------


def _routes(facts: AwsFacts, link: Link) -> Iterator[Finding]:
    """A static route of a table wins over what the tunnels teach, when it is as specific or more so.

    https://docs.aws.amazon.com/vpc/latest/userguide/route-tables-priority.html
    """
    ranges = learned(facts, link)
    for table in used_tables(facts, link):
        for route in table.routes:
            if route.target in (facts.gateways | {facts.transit}) and route.active:
                continue  # the same way
            for network in ranges:
                if not route.destination.subnet_of(network):
                    continue
                yield _route(table, route, network, link)


def _known_already(facts: AwsFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    """An adopted gateway that leads to Azure's ranges before the link is there: to a place of that range in the company, over
    Direct Connect or another VPN. Direct Connect wins over any VPN, and the more specific route over both.

    https://docs.aws.amazon.com/vpn/latest/s2svpn/vpn-route-priority.html
    """
    made = [c for c in plan.changes if c.address.startswith("aws_vpn.connection[")]
    if not made or any(c.action is not Action.CREATE for c in made):
        return  # what it has learned may be from our own tunnels
    for network in learned(facts, link):
        taught = {
            r.destination: t.id
            for t in facts.tables
            for r in t.learned
            if r.target == link.aws.adopt_gateway and r.destination.subnet_of(network)
        }
        if not taught:
            continue
        yield Finding(
            TOPIC,
            Severity.OBSTACLE,
            "The gateway has a way to Azure's range already",
            f"{link.aws.adopt_gateway} has taught {next(iter(taught.values()))} a route to {', '.join(map(str, taught))} although the link is not "
            f"there yet: another VPN connection or Direct Connect announces it, so that {network} is in use elsewhere, or joined "
            "with Azure some other way. Packets for it would go there, or now here and now there.",
            f"See who announces it: aws ec2 describe-vpn-connections --region {link.aws.region} --filters "
            f'Name=vpn-gateway-id,Values={link.aws.adopt_gateway}\nIf it is joined with Azure: link.transport = "existing".',
            key="aws.gateway",
        )


def _of_a_gateway(facts: AwsFacts, link: Link) -> Iterator[Finding]:
    """A table that routes what comes through a gateway takes no routes to outside the VPC, neither learned nor written."""
    for table in used_tables(facts, link):
        if table.edges:
            yield wrong(
                "aws.route_tables",
                f"{table.id}, the route table of {_and(list(table.edges))}",
                "tables of subnets",
                "A route table is a gateway's own",
                f"{table.id} is associated with {_and(list(table.edges))} and takes no routes to Azure; AWS refuses to propagate any "
                "into it.",
                "Take it out of aws.route_tables"
                + (f", and give {_subnets(table)} a table of their own." if table.subnets or table.main else "."),
            )


def _through_an_appliance(facts: AwsFacts, link: Link) -> Iterator[Finding]:
    """A gateway route table: what comes through an adopted gateway goes to a firewall first.

    https://docs.aws.amazon.com/vpc/latest/userguide/gateway-route-tables.html
    """
    for table in facts.tables:
        for gateway in sorted(facts.gateways.intersection(table.edges)):
            for route in table.routes:
                dead = "" if route.active else ", which is not there any more (blackhole)"
                yield Finding(
                    TOPIC,
                    Severity.WARNING if route.active else Severity.OBSTACLE,
                    "What comes from Azure is led through an appliance"
                    if route.active
                    else "What comes from Azure is led to nowhere",
                    f"{table.id} is the route table of {gateway} itself, and leads what is for {route.destination} of the VPC to "
                    f"{route.target}{dead}. "
                    + (
                        "A firewall there must let Azure's ranges through, and answers must go back the same way, by a route of the "
                        f"subnets to {_and([str(n) for n in learned(facts, link)]) or 'Azure'}; a route that the tunnels teach goes past it."
                        if route.active
                        else "Packets for it are dropped."
                    ),
                    "Ask who keeps that table; without an appliance: "
                    f"aws ec2 disassociate-route-table --region {link.aws.region} --association-id ID",
                    key="aws.gateway",
                )


def _not_listed(facts: AwsFacts, link: Link) -> Iterator[Finding]:
    """Tables of what is asked from Azure that aws.route_tables leaves out."""
    listed = link.aws.route_tables
    if listed is None:
        return
    own = {s: t for t in facts.tables for s in t.subnets}
    main = next((t for t in facts.tables if t.main), None)
    asked = {*(link.dns.endpoint_subnets or endpoint_subnets(facts, link)), *used_subnets(facts, link, cluster=False)}
    ranges = learned(facts, link)
    left: dict[str, list[str]] = {}
    for subnet in sorted(asked):
        table = own.get(subnet, main)
        if table is None or table.id in listed:
            continue
        ways = [r.destination for r in (*table.routes, *table.learned) if r.active and not r.target.startswith(_OUT)]
        if not all(any(n.subnet_of(w) for w in ways) for n in ranges):
            left.setdefault(table.id, []).append(subnet)
    for table_id, subnets in left.items():
        yield Finding(
            TOPIC,
            Severity.WARNING,
            "A route table that is needed is not listed",
            f"aws.route_tables does not list {table_id}, which {_and(subnets)} use{'s' * (len(subnets) == 1)}, where the Resolver "
            "endpoint or what names point at has addresses: with no route back to Azure their answers are lost.",
            f'Add "{table_id}" to aws.route_tables, or leave that key out.',
            key="aws.route_tables",
        )


_OUT = ("igw-", "nat-", "eigw-", "vpce-")  # to the internet, or to a service of AWS's


def routes_by_lists(facts: AwsFacts, lists: Mapping[str, tuple[IPv4Network, ...]], link: Link) -> Iterator[Finding]:
    """The same for routes to managed prefix lists, which landing zones have to their transit gateway. lists: their ranges."""
    for table in used_tables(facts, link):
        for listed in table.lists:
            for range_ in lists.get(listed.list_id, ()):
                for network in learned(facts, link):
                    if range_.subnet_of(network) and listed.target not in (facts.gateways | {facts.transit}):
                        route = parse_vpc.Route(range_, listed.target, listed.active)
                        yield _route(table, route, network, link, listed.list_id)


def _route(
    table: parse_vpc.RouteTable, route: parse_vpc.Route, network: IPv4Network, link: Link, list_id: str = ""
) -> Finding:
    """list_id: of the prefix list that the route is for."""
    whole = route.destination == network
    leads = f"leads to {route.target}" + ("" if route.active else ", which does not exist any more (blackhole)")
    return Finding(
        TOPIC,
        Severity.OBSTACLE if whole else Severity.WARNING,
        "A static route takes the way back to Azure"
        if whole
        else "A static route takes a part of the way back to Azure",
        f"{table.id} has a static route to {route.destination}{f' (prefix list {list_id})' if list_id else ''} that {leads}. {_wins(network, link)}, so that answers from {_subnets(table)} to {'Azure' if whole else 'that part'} do not come back.",
        f"If nothing needs it: aws ec2 delete-route --region {link.aws.region} --route-table-id {table.id} "
        + (f"--destination-prefix-list-id {list_id}" if list_id else f"--destination-cidr-block {route.destination}"),
        resource="aws_vpn.static_routes" if link.aws.transit else "aws_vpn.route_propagation",
    )


def _wins(network: IPv4Network, link: Link) -> str:
    if link.aws.transit:
        return f"It is left as it is, and is in the way of the route to {network} through the transit gateway"
    return f"AWS prefers it to the route to {network} that the tunnels teach"


def _subnets(table: parse_vpc.RouteTable) -> str:
    return ", ".join(table.subnets[:3]) or "the subnets that use it"


def learned(facts: AwsFacts, link: Link) -> tuple[IPv4Network, ...]:
    """The ranges that AWS learns from Azure."""
    vnet = link.azure.new_network.prefixes if link.azure.new_network else facts.azure.vnet
    return (*vnet, *(n for p in facts.azure.peerings if p.gateway_transit for n in p.ranges))


def used_tables(facts: AwsFacts, link: Link) -> Iterable[parse_vpc.RouteTable]:
    """Those that are listed, or those of the subnets of the cluster, the endpoint and what names point at."""
    if link.aws.route_tables is not None:
        return [t for t in facts.tables if t.id in link.aws.route_tables]
    own = {s: t for t in facts.tables for s in t.subnets}
    main = next((t for t in facts.tables if t.main), None)
    used = {t.id: t for t in (own.get(s, main) for s in used_subnets(facts, link)) if t is not None}
    return list(used.values())


def used_subnets(facts: AwsFacts, link: Link, *, cluster: bool = True) -> list[str]:
    """Those of the cluster, of the endpoint, and of what names point at."""
    names = {h.target.name_or_arn for _, h in link.dns.all_hosts if isinstance(h.target, LoadBalancerTarget)}
    subnets = {
        *(facts.cluster.subnets if facts.cluster and cluster else ()),
        *(link.dns.endpoint_subnets or ()),
        *subnets_of_targets(link, facts.subnets),
        *(s for b in facts.balancers if b.vpc == link.aws.vpc_id and {b.name, b.arn} & names for s in b.subnets),
    }
    return sorted(subnets)
