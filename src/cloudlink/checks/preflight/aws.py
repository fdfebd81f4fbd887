"""The VPC and who owns it, its virtual private gateway, its route tables, and subnets with room for the endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from cloudlink.addressing import azure_peer_asn_problem
from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.aws import parse_vpc
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure import parse_ranges
from cloudlink.clouds.azure.client import Azure
from cloudlink.core.plan import Action, Plan
from cloudlink.errors import Finding, Mistake, Severity
from cloudlink.link import Link, LoadBalancerTarget
from cloudlink.steps.resolver.endpoint import MOST_ADDRESSES, spread

TOPIC = "aws"

_OWNER_ONLY = {
    "aws_vpn.attachment": "attach a virtual private gateway",
    "aws_vpn.route_propagation": "change route tables",
    "resolver.vpc_dns": "change the VPC's DNS settings",
    "resolver.endpoint": "make a Resolver endpoint",
    "resolver.zone": "associate a private hosted zone",
}
"""What only the owner of a shared VPC can do. https://docs.aws.amazon.com/vpc/latest/userguide/vpc-sharing.html"""


@dataclass(frozen=True)
class AwsFacts:
    account: str = ""  # of the caller
    vpc: parse_vpc.Vpc | None = None
    cluster: parse_vpc.Cluster | None = None
    subnets: tuple[parse_vpc.Subnet, ...] = ()
    tables: tuple[parse_vpc.RouteTable, ...] = ()
    gateways: tuple[parse_vpc.VpnGateway, ...] = ()
    connections: tuple[parse_vpc.VpnConnection, ...] = ()
    balancers: tuple[parse_vpc.LoadBalancer, ...] = ()
    azure: parse_ranges.AzureRanges = field(default_factory=parse_ranges.AzureRanges)


def read(link: Link, aws: Aws, azure: Azure) -> AwsFacts:
    """Shared with what the plan has read; beyond that one question for the account."""
    named = any(isinstance(h.target, LoadBalancerTarget) for h in link.dns.hosts)
    return AwsFacts(
        account=aws.account(),
        vpc=parse_vpc.vpc(aws.vpc(link.aws.vpc_id)),
        cluster=parse_vpc.cluster(aws.eks_cluster(link.aws.eks_cluster)),
        subnets=parse_vpc.subnets(aws.subnets(link.aws.vpc_id)),
        tables=parse_vpc.route_tables(aws.route_tables(link.aws.vpc_id)),
        gateways=parse_vpc.vpn_gateways(aws.vpn_gateways()),
        connections=parse_vpc.vpn_connections(aws.vpn_connections()),
        balancers=parse_vpc.load_balancers(aws.load_balancers()) if named else (),
        azure=parse_ranges.azure_ranges(azure.vnet() if link.azure.new_network is None else None, None),
    )


def find(context: Context) -> Iterator[Finding]:
    yield from check(read(context.link, context.aws, context.azure), context.link, context.plan)


def check(facts: AwsFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    yield from _vpc(facts, link, plan)
    if link.aws.adopt_gateway is None:
        yield from _other_gateways(facts, link, plan)
    else:
        yield from _adopted_gateway(facts, link, link.aws.adopt_gateway)
    yield from _endpoint_subnets(facts, link, plan)
    yield from _routes(facts, link)


def _wrong(path: str, found: str, allowed: str, summary: str, detail: str, hint: str) -> Finding:
    return Finding(TOPIC, Severity.OBSTACLE, summary, detail, hint, key=path, mistake=Mistake(path, found, allowed))


# --- the VPC ----------------------------------------------------------------------------------------------


def _vpc(facts: AwsFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    side = link.aws
    if facts.vpc is None:
        yield _wrong(
            "aws.vpc",
            side.vpc_id,
            f"a VPC that exists in {side.region}",
            "The VPC does not exist",
            f"There is no {side.vpc_id} in {side.region}.",
            f"List them with: aws ec2 describe-vpcs --region {side.region}",
        )
    if facts.cluster is not None and facts.cluster.vpc and facts.cluster.vpc != side.vpc_id:
        yield _wrong(
            "aws.vpc",
            side.vpc_id,
            f"the VPC of the EKS cluster, {facts.cluster.vpc}",
            "The EKS cluster is in another VPC",
            f"{side.eks_cluster} is in {facts.cluster.vpc}, but aws.vpc is {side.vpc_id}.",
            f'Set aws.vpc = "{facts.cluster.vpc}", or name another cluster in aws.eks_cluster.',
        )
    if facts.vpc is not None and facts.vpc.dedicated:
        yield _wrong(
            "aws.vpc",
            f"{side.vpc_id} with dedicated tenancy",
            "a VPC with default tenancy; Resolver endpoints need it",
            "The VPC has dedicated tenancy",
            f"{side.vpc_id} has dedicated tenancy, and AWS makes no Resolver endpoints in such a VPC.",
            f"aws ec2 modify-vpc-tenancy --region {side.region} --vpc-id {side.vpc_id} --instance-tenancy default",
        )
    if facts.vpc is not None and facts.vpc.owner and facts.account and facts.vpc.owner != facts.account:
        yield from _shared(facts.vpc, facts.account, plan)


def _shared(vpc: parse_vpc.Vpc, account: str, plan: Plan) -> Iterator[Finding]:
    """A VPC that was shared by Resource Access Manager: its participants may use its subnets and no more."""
    needed = [what for address, what in _OWNER_ONLY.items() if _written(plan, address)]
    if not needed:
        return
    yield Finding(
        TOPIC,
        Severity.OBSTACLE,
        "The VPC belongs to another AWS account",
        f"{vpc.id} is owned by account {vpc.owner} and shared with {account}, as which cloudlink is signed in. Only the "
        f"owner can {_and(needed)}; AWS refuses that to everybody else, whatever their permissions are.",
        f"Sign in to account {vpc.owner}: set aws.profile to a profile of that account, or have its owner run cloudlink.",
        key="aws.profile",
        mistake=Mistake(
            "aws.profile", f"account {account}", f"account {vpc.owner}, which owns {vpc.id}: {_and(needed)}"
        ),
    )


def _written(plan: Plan, address: str) -> bool:
    change = plan.of(address)
    return change is not None and change.action is not Action.NO_OP


def _and(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


# --- its virtual private gateway --------------------------------------------------------------------------


def _other_gateways(facts: AwsFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    vpc = link.aws.vpc_id
    change = plan.of("aws_vpn.gateway")
    ours = change.id if change is not None else ""
    for other in facts.gateways:
        state = next((a.state for a in other.attachments if a.vpc == vpc and a.state in ("attached", "attaching")), "")
        if other.id == ours or not state:
            continue
        yield _wrong(
            "aws.gateway",
            f'"create", but {other.id} is {state} to {vpc}',
            f'"{other.id}", to adopt it; a VPC has one virtual private gateway only',
            "The VPC has another virtual private gateway",
            f"{other.id} (ASN {other.asn}) is {state} to {vpc}, and a VPC has at most one.",
            f'Adopt it: set aws.gateway = "{other.id}" and aws.asn = {other.asn}.',
        )


def _adopted_gateway(facts: AwsFacts, link: Link, adopted: str) -> Iterator[Finding]:
    gateway = next((g for g in facts.gateways if g.id == adopted), None)
    if gateway is None:
        yield _wrong(
            "aws.gateway",
            adopted,
            f"a virtual private gateway that exists in {link.aws.region}",
            "The virtual private gateway does not exist",
            f"There is no {adopted} in {link.aws.region}.",
            "Correct aws.gateway, or leave it out to have one made.",
        )
        return
    elsewhere = [a for a in gateway.attachments if a.vpc != link.aws.vpc_id and a.state in ("attached", "attaching")]
    if elsewhere:
        yield _wrong(
            "aws.gateway",
            f"{adopted}, which is {elsewhere[0].state} to {elsewhere[0].vpc}",
            f"a gateway of {link.aws.vpc_id}, or one that is attached to no VPC",
            "The virtual private gateway is attached to another VPC",
            f"{adopted} is {elsewhere[0].state} to {elsewhere[0].vpc}; a gateway serves one VPC.",
            "Correct aws.gateway, or leave it out to have one made.",
        )
    for other in facts.gateways:
        state = next(
            (a.state for a in other.attachments if a.vpc == link.aws.vpc_id and a.state in ("attached", "attaching")),
            "",
        )
        if state and other.id != adopted:
            yield _wrong(
                "aws.gateway",
                f"{adopted}, but {other.id} is {state} to {link.aws.vpc_id}",
                f'"{other.id}": a VPC has one virtual private gateway only',
                "The VPC has another virtual private gateway",
                f"{other.id} (ASN {other.asn}) is {state} to {link.aws.vpc_id}, and a VPC has at most one.",
                f'Adopt that one: set aws.gateway = "{other.id}" and aws.asn = {other.asn}.',
            )
    if problem := azure_peer_asn_problem(gateway.asn):
        yield _wrong(
            "aws.gateway",
            f"{adopted} with ASN {gateway.asn}",
            f"a gateway whose ASN Azure takes as a peer's: {problem}",
            "Azure does not take the gateway's AS number",
            f"{adopted} has the ASN {gateway.asn}, which cannot be changed, and {problem}.",
            "Take another gateway, or leave aws.gateway out to have one made.",
        )
    if gateway.asn == link.azure.asn:
        yield _wrong(
            "azure.vpn_gateway.asn",
            str(gateway.asn),
            f"an ASN other than that of {adopted}",
            "Both gateways have the same AS number",
            f"{adopted} has the ASN {gateway.asn} too; BGP between two clouds needs two numbers.",
            "Set azure.vpn_gateway.asn to another number.",
        )
    used = {inside for c in facts.connections if c.gateway == adopted and c.link != link.name for inside in c.insides}
    for tunnel in link.tunnels:
        if str(tunnel.inside) in used:
            yield _wrong(
                "vpn.inside_pool",
                str(tunnel.inside),
                f"ranges that no other VPN connection of {adopted} uses",
                "An inside address range is used by another tunnel of the same gateway",
                f"Another VPN connection of {adopted} uses {tunnel.inside}.",
                "Set vpn.inside_pool to ranges that are free.",
            )


# --- subnets of the endpoint ------------------------------------------------------------------------------


def _endpoint_subnets(facts: AwsFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    change = plan.of("resolver.endpoint")
    if change is None or change.action not in (Action.CREATE, Action.REPLACE):
        return
    known = {s.id: s for s in facts.subnets}
    for subnet in link.dns.endpoint_subnets or ():
        if subnet not in known:
            yield _wrong(
                "dns.endpoint_subnets",
                subnet,
                f"subnets of {link.aws.vpc_id}",
                "A subnet of the endpoint does not exist",
                f"There is no {subnet} in {link.aws.vpc_id}.",
                f"List them with: aws ec2 describe-subnets --region {link.aws.region} --filters "
                f"Name=vpc-id,Values={link.aws.vpc_id}",
            )
    chosen = _chosen(facts, link)
    for subnet in chosen:
        free = known[subnet].free_addresses
        if free is not None and free < 1:
            yield _wrong(
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


def _chosen(facts: AwsFacts, link: Link) -> list[str]:
    """The subnets in which the endpoint gets an address, of those that exist."""
    wanted = link.dns.endpoint_subnets or (facts.cluster.subnets if facts.cluster else ())
    known = {s.id: s for s in facts.subnets}
    return sorted(spread({s: known[s].zone for s in dict.fromkeys(wanted) if s in known}, MOST_ADDRESSES))


def _roomy(facts: AwsFacts) -> list[str]:
    return sorted(s.id for s in facts.subnets if (s.free_addresses or 0) > 0)[:MOST_ADDRESSES]


# --- routes ------------------------------------------------------------------------------------------------


def _routes(facts: AwsFacts, link: Link) -> Iterator[Finding]:
    """A static route of a table wins over what the tunnels teach, when it is as specific or more so.

    https://docs.aws.amazon.com/vpc/latest/userguide/route-tables-priority.html
    """
    learned = _learned(facts, link)
    for table in _used_tables(facts, link):
        for route in table.routes:
            for network in learned:
                if not route.destination.subnet_of(network):
                    continue
                yield _route(table, route, network, link)


def _route(table: parse_vpc.RouteTable, route: parse_vpc.Route, network: IPv4Network, link: Link) -> Finding:
    whole = route.destination == network
    leads = f"leads to {route.target}" + ("" if route.active else ", which does not exist any more (blackhole)")
    return Finding(
        TOPIC,
        Severity.OBSTACLE if whole else Severity.WARNING,
        "A static route takes the way back to Azure"
        if whole
        else "A static route takes a part of the way back to Azure",
        f"{table.id} has a static route to {route.destination} that {leads}. AWS prefers it to the route to {network} that "
        f"the tunnels teach, so that answers from {_subnets(table)} to {'Azure' if whole else 'that part'} do not come back.",
        f"If nothing needs it: aws ec2 delete-route --region {link.aws.region} --route-table-id {table.id} "
        f"--destination-cidr-block {route.destination}",
        resource="aws_vpn.route_propagation",
    )


def _subnets(table: parse_vpc.RouteTable) -> str:
    return ", ".join(table.subnets[:3]) or "the subnets that use it"


def _learned(facts: AwsFacts, link: Link) -> tuple[IPv4Network, ...]:
    """The ranges that AWS learns from Azure."""
    vnet = link.azure.new_network.prefixes if link.azure.new_network else facts.azure.vnet
    return (*vnet, *(n for p in facts.azure.peerings if p.gateway_transit for n in p.ranges))


def _used_tables(facts: AwsFacts, link: Link) -> Iterable[parse_vpc.RouteTable]:
    """Those that are listed, or those of the subnets of the cluster, the endpoint and the load balancers."""
    if link.aws.route_tables is not None:
        return [t for t in facts.tables if t.id in link.aws.route_tables]
    names = {h.target.name_or_arn for h in link.dns.hosts if isinstance(h.target, LoadBalancerTarget)}
    subnets = {
        *(facts.cluster.subnets if facts.cluster else ()),
        *(link.dns.endpoint_subnets or ()),
        *(s for b in facts.balancers if b.vpc == link.aws.vpc_id and {b.name, b.arn} & names for s in b.subnets),
    }
    own = {s: t for t in facts.tables for s in t.subnets}
    main = next((t for t in facts.tables if t.main), None)
    used = {t.id: t for t in (own.get(s, main) for s in sorted(subnets)) if t is not None}
    return list(used.values())
