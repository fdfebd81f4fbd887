"""Packet filters that drop what the link carries: AWS's network ACLs, the security groups of load balancers, and the
network security groups of the cluster's subnets. Neither cloud says a word when it drops a packet, so that names simply do
not resolve, or resolve to what does not answer. Said before anything is built, and by status of what exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network

from cloudlink.checks.preflight import aws as aws_topic
from cloudlink.checks.preflight.aws import AwsFacts
from cloudlink.checks.preflight.context import Context
from cloudlink.checks.preflight.paths import az_where
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_acls import Acl, acls, passes
from cloudlink.clouds.aws.parse_balancers import LoadBalancer
from cloudlink.clouds.aws.parse_groups import Rule, lets_in, rules_by_group
from cloudlink.clouds.aws.parse_vpc import prefix_list
from cloudlink.clouds.azure import parse_aks, parse_network
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_filters import FilterRule, SecurityGroup, security_group
from cloudlink.clouds.azure.parse_pieces import vnet_of
from cloudlink.core.plan import Action, Plan
from cloudlink.errors import Finding, Severity
from cloudlink.link import AddressTarget, KubernetesTarget, Link, LoadBalancerTarget

_DNS = 53
# Where answers arrive that pods and nodes have asked for (Linux's ports for outgoing connections).
# https://docs.aws.amazon.com/vpc/latest/userguide/custom-network-acl.html#nacl-ephemeral-ports
_ANSWERED_AT = (32_768, 60_999)
_QUESTIONS = frozenset({("udp", _DNS), ("tcp", _DNS)})


@dataclass(frozen=True)
class Destination:
    """Something in the VPC that pods send packets to. what: as ``the Resolver endpoint``."""

    what: str
    ports: frozenset[tuple[str, int]]  # protocol and port
    subnets: tuple[str, ...] = ()
    networks: tuple[IPv4Network, ...] = ()  # where it has its addresses; none: anywhere in the VPC
    groups: tuple[str, ...] = ()  # security groups before it
    ours: bool = False  # whether these are cloudlink's, so that an ``up`` opens them again


def destinations(facts: AwsFacts, link: Link) -> tuple[Destination, ...]:
    """The endpoint, and each load balancer that a name points at."""
    known = {s.id: s.network for s in facts.subnets if s.network is not None}

    def networks(subnets: Iterable[str]) -> tuple[IPv4Network, ...]:
        found = [known.get(s) for s in subnets]
        return tuple(n for n in found if n is not None) if None not in found else ()

    chosen = tuple(aws_topic.endpoint_subnets(facts, link))
    found = [replace(endpoint(chosen), networks=networks(chosen))]
    for zone, host in link.dns.all_hosts:
        name = link.dns.short_name(zone, host)
        match host.target:
            case LoadBalancerTarget(wanted):
                there = (b for b in facts.balancers if wanted in (b.name, b.arn))
                found += [balancer(name, host.ports, b, networks(b.subnets)) for b in there]
            case AddressTarget(addresses):
                found.append(fixed(name, host.ports, addresses))
            case KubernetesTarget():
                pass  # where its load balancer is, only the cluster knows
    return tuple(found)


def endpoint(subnets: Iterable[str], addresses: Iterable[IPv4Address] = (), groups: Iterable[str] = ()) -> Destination:
    """addresses, groups: those that it has; none: not known."""
    placed = tuple(map(IPv4Network, addresses))
    return Destination("the Resolver endpoint", _QUESTIONS, tuple(subnets), placed, tuple(sorted(groups)), ours=True)


def balancer(
    label: str, ports: Iterable[int], found: LoadBalancer, networks: tuple[IPv4Network, ...] = ()
) -> Destination:
    """label: of the name that points at it."""
    wanted = frozenset(("tcp", port) for port in ports)
    return Destination(f"the load balancer of {label}", wanted, found.subnets, networks, found.groups)


def fixed(label: str, ports: Iterable[int], addresses: Iterable[IPv4Address]) -> Destination:
    wanted = frozenset(("tcp", port) for port in ports)
    return Destination(f"the addresses of {label}", wanted, networks=tuple(map(IPv4Network, addresses)))


def check_questions(
    found: Iterable[Acl], subnets: Iterable[str], to: Sequence[IPv4Network], link: Link
) -> Iterator[Finding]:
    """Network ACLs that keep the VPC's questions from Azure's inbound endpoint, or its answers away. subnets: of the outbound endpoint.
    to: where the inbound one has its address."""
    by_subnet = {s: a for a in found for s in a.subnets}
    for acl in {by_subnet[s].id: by_subnet[s] for s in subnets if s in by_subnet}.values():
        for network in to:
            dropped = [f"{p}/{n}" for p, n in sorted(_QUESTIONS) if not passes(acl.outbound, p, n, network)]
            shut = {p for p, _ in _QUESTIONS if not all(passes(acl.inbound, p, n, network) for n in _ANSWERED_AT)}
            if not dropped and not shut:
                continue
            said = [f"lets no {', '.join(dropped)} out to {network}"] if dropped else []
            said += (
                [f"lets no answers ({', '.join(sorted(shut))} to ports from 1024 on) in from {network}"] if shut else []
            )
            yield Finding(
                "aws",
                Severity.OBSTACLE,
                "A network ACL of AWS keeps questions from Azure",
                f"{acl.id}, the network ACL of a subnet of the outbound Resolver endpoint, {' and '.join(said)}: names of Azure's zones "
                "would not resolve in the VPC.",
                f"See its entries: aws ec2 describe-network-acls --region {link.aws.region} --network-acl-ids {acl.id}; "
                f"then: aws ec2 create-network-acl-entry --region {link.aws.region} --network-acl-id {acl.id} "
                f"--rule-number NUMBER --protocol -1 {'--egress' if dropped else '--ingress'} --cidr-block {network} "
                "--rule-action allow",
                resource="resolver.back_endpoint",
            )
            break  # the same for every range


# --- AWS --------------------------------------------------------------------------------------------------


def find_aws(context: Context) -> Iterator[Finding]:
    if not _makes(context.plan, "resolver.endpoint", "resolver.records"):
        return
    link, aws, azure = context.link, context.aws, context.azure
    facts = aws_topic.read(link, aws, azure)
    wanted = destinations(facts, link)
    sources = clusters_ranges(link, azure) or aws_topic.learned(facts, link)
    yield from check_acls(wanted, acls(aws.network_acls(link.aws.vpc_id)), sources, link)
    yield from check_groups(wanted, rules_by_group(aws.security_groups(link.aws.vpc_id)), sources, link)


def find_prefix_lists(context: Context) -> Iterator[Finding]:
    """No call while no route is for a prefix list."""
    if not context.creates:
        return
    facts = aws_topic.read(context.link, context.aws, context.azure)
    ids = {r.list_id for t in aws_topic.used_tables(facts, context.link) for r in t.lists}
    lists = {i: prefix_list(context.aws.prefix_list(i)) for i in sorted(ids)}
    yield from aws_topic.routes_by_lists(facts, lists, context.link)


def led_away(link: Link, aws: Aws, azure: Azure) -> Iterator[Finding]:
    """Of a link that exists: prefix lists in the tables of its subnets that take the way back. No call while there are none."""
    facts = aws_topic.standing(link, aws, azure)
    ids = {r.list_id for t in aws_topic.used_tables(facts, link) for r in t.lists}
    lists = {i: prefix_list(aws.prefix_list(i)) for i in sorted(ids)}
    yield from aws_topic.routes_by_lists(facts, lists, link)


def _makes(plan: Plan, *addresses: str) -> bool:
    makes = (Action.CREATE, Action.REPLACE)
    return any(c is not None and c.action in makes for c in map(plan.of, addresses))


def check_acls(
    wanted: Iterable[Destination], found: Iterable[Acl], sources: Sequence[IPv4Network], link: Link
) -> Iterator[Finding]:
    """One finding for each network ACL that drops packets, with all destinations that it concerns. sources: where these
    come from."""
    by_subnet = {s: a for a in found for s in a.subnets}
    behind: dict[str, dict[str, Destination]] = {}
    for one in wanted:
        for subnet in one.subnets:
            if subnet in by_subnet:
                behind.setdefault(by_subnet[subnet].id, {})[one.what] = one
    known = {a.id: a for a in by_subnet.values()}
    for id_, there in behind.items():
        yield from _one_acl(known[id_], list(there.values()), sources, link)


def _one_acl(acl: Acl, wanted: Sequence[Destination], sources: Iterable[IPv4Network], link: Link) -> Iterator[Finding]:
    for network in sources:
        dropped, back = list[str](), list[str]()
        concerned: dict[str, None] = {}
        for one in wanted:
            ports = [f"{p}/{n}" for p, n in sorted(one.ports) if not passes(acl.inbound, p, n, network)]
            answers = sorted(
                {p for p, _ in one.ports if not all(passes(acl.outbound, p, n, network) for n in _ANSWERED_AT)}
            )
            dropped += [port for port in ports if port not in dropped]
            back += [protocol for protocol in answers if protocol not in back]
            if ports or answers:
                concerned[one.what] = None
        if not concerned:
            continue
        said = [f"lets no {', '.join(dropped)} in from {network}"] if dropped else []
        said += [f"lets no answers ({', '.join(back)} to ports from 1024 on) out to {network}"] if back else []
        yield Finding(
            "aws",
            Severity.OBSTACLE,
            "A network ACL of AWS drops what comes from Azure" if dropped else "A network ACL of AWS drops the answers",
            f"{acl.id}, the network ACL of the subnets of {', '.join(concerned)}, {' and '.join(said)}. Nothing is told of "
            "such packets.",
            f"See its entries: aws ec2 describe-network-acls --region {link.aws.region} --network-acl-ids {acl.id}; "
            f"then: aws ec2 create-network-acl-entry --region {link.aws.region} --network-acl-id {acl.id} "
            f"--rule-number NUMBER --protocol -1 {'--ingress' if dropped else '--egress'} --cidr-block {network} "
            "--rule-action allow",
            resource="resolver.endpoint",
        )
        return  # the same for every range


def check_groups(
    wanted: Iterable[Destination],
    groups: Mapping[str, frozenset[Rule]],
    sources: Sequence[IPv4Network],
    link: Link,
) -> Iterator[Finding]:
    """Load balancers whose security groups keep Azure out. groups: those of the VPC, by id."""
    for one in wanted:
        if not one.groups or any(g not in groups for g in one.groups):
            continue
        rules = [r for g in one.groups for r in groups[g]]
        for network in sources:
            shut = [(p, n) for p, n in sorted(one.ports) if not lets_in(rules, p, n, network)]
            if not shut:
                continue
            yield Finding(
                "aws",
                Severity.OBSTACLE,
                "The endpoint's security group keeps Azure out"
                if one.ours
                else "A load balancer's security group keeps Azure out",
                f"{' and '.join(one.groups)}, in front of {one.what}, {'let' if len(one.groups) > 1 else 'lets'} no "
                f"{', '.join(f'{p}/{n}' for p, n in shut)} in from {network}: "
                + ("CoreDNS asks it in vain." if one.ours else "the name resolves, and no connection comes about."),
                "cloudlink up"
                if one.ours
                else f"aws ec2 authorize-security-group-ingress --region {link.aws.region} --group-id {one.groups[0]} --protocol "
                f"{shut[0][0]} --port {shut[0][1]} --cidr {network}",
                resource="resolver.ingress" if one.ours else "resolver.records",
            )
            break  # the same for every range


# --- Azure ------------------------------------------------------------------------------------------------


def find_azure(context: Context) -> Iterator[Finding]:
    """No call while no subnet of the cluster has a security group of its own."""
    link, azure = context.link, context.azure
    if not context.creates:
        return
    subnets, groups = read_groups(link, azure)
    if not groups:
        return
    facts = aws_topic.read(link, context.aws, azure)
    vpc = facts.vpc.ranges if facts.vpc else ()
    yield from check_azure(subnets, groups, destinations(facts, link), vpc, link)


def _clusters_subnets(link: Link, azure: Azure) -> tuple[tuple[parse_network.Subnet, ...], bool]:
    """Those of the clusters' nodes and pods that are known, and whether these are all there are."""
    others = [(own := link.on(c), azure.beside(own)) for c in link.azure.more_clusters]
    each = [_subnets_of(*one) for one in ((link, azure), *others)]
    found = {s.id.lower(): s for subnets, _ in each for s in subnets}
    return tuple(found.values()), all(known for _, known in each)


def _subnets_of(link: Link, azure: Azure) -> tuple[tuple[parse_network.Subnet, ...], bool]:
    """Of one cluster."""
    if link.azure.new_network is not None or link.azure.new_cluster is not None:
        return (), False
    raw = azure.aks_cluster()
    cluster = parse_aks.aks_cluster(raw) if raw else None
    if cluster is None:
        return (), False
    found = []
    for id_ in cluster.subnets:
        network = azure.vnet() if vnet_of(id_).lower() == azure.vnet_id.lower() else azure.thing(vnet_of(id_))
        subnet = parse_network.vnet(network).subnet(id_) if network else None
        found += [subnet] if subnet is not None else []
    known = len(found) == len(cluster.subnets) and bool(found)
    return tuple(found), known and not (cluster.hosted or cluster.makes_nodes or cluster.plugin == "none")


def clusters_subnets(link: Link, azure: Azure) -> tuple[parse_network.Subnet, ...]:
    """Those of the clusters' nodes and pods that are known."""
    return _clusters_subnets(link, azure)[0]


def clusters_ranges(link: Link, azure: Azure) -> tuple[IPv4Network, ...]:
    """Where the cluster's packets come from, as AWS sees them; empty: not known, and it may be anything that AWS learns. People
    who filter let in what they must, and that is not the whole VNet."""
    subnets, all_of_them = _clusters_subnets(link, azure)
    return tuple(p for s in subnets for p in s.prefixes) if all_of_them else ()


def read_groups(link: Link, azure: Azure) -> tuple[tuple[parse_network.Subnet, ...], dict[str, SecurityGroup]]:
    """The cluster's subnets that have a security group of their own, and these groups by id in lower case."""
    subnets = tuple(s for s in _clusters_subnets(link, azure)[0] if s.security_group_id)
    ids = {s.security_group_id.lower(): s.security_group_id for s in subnets}
    return subnets, {id_: security_group(held) for id_, there in ids.items() if (held := azure.thing(there))}


def check_azure(
    subnets: Iterable[parse_network.Subnet],
    groups: Mapping[str, SecurityGroup],
    wanted: Sequence[Destination],
    vpc: Sequence[IPv4Network],
    link: Link,
) -> Iterator[Finding]:
    """groups: by id in lower case. Default rules let everything out that goes to the VNet, which the gateway's ranges count
    as; landing zones put a rule of their own before them that drops the rest, or all but single addresses."""
    del link
    for subnet in subnets:
        group = groups.get(subnet.security_group_id.lower())
        if group is not None:
            yield from _one_group(group, subnet, wanted, vpc)


def check_asked(
    group: SecurityGroup, subnet: parse_network.Subnet, sources: Sequence[IPv4Network]
) -> Iterator[Finding]:
    """A security group before Azure's inbound endpoint that keeps questions out. sources: where they come from."""
    for source, to in ((s, t) for s in sources for t in subnet.prefixes[:1]):
        denied = [
            (f"{p}/{n}", rule)
            for p, n in sorted(_QUESTIONS)
            if (rule := group.admitting(p, n, source, to)) is not None and not rule.allows
        ]
        if not denied:
            continue
        rule = denied[0][1]
        yield Finding(
            "azure",
            Severity.OBSTACLE,
            "A network security group keeps the VPC's questions out",
            f"The rule {rule.name} of {group.name}, the security group of the inbound endpoint's subnet {subnet.name}, drops "
            f"{', '.join(p for p, _ in denied)} from {source}: names of Azure's zones would not resolve in the VPC.",
            f"az network nsg rule create {az_where(group.id)} --nsg-name {group.name} --name from-aws --priority "
            f"{group.free_before(rule) or 'NUMBER'} --direction Inbound --access Allow --protocol '*' --source-address-prefixes {source} "
            "--destination-port-ranges 53",
            resource="dns_forward.inbound",
        )
        return


@dataclass(frozen=True)
class Denial:
    """What one rule keeps from going to AWS. ports: such as ``tcp/443``."""

    rule: FilterRule
    ports: tuple[str, ...]
    networks: tuple[str, ...]
    what: tuple[str, ...]

    def told(self, origin: str = "") -> str:
        return f"{', '.join(self.ports)}{origin} to {', '.join(self.networks)} ({', '.join(self.what)})"


def first_denial(
    group: SecurityGroup, source: IPv4Network, wanted: Iterable[Destination], vpc: Sequence[IPv4Network]
) -> Denial | None:
    """What the first of the rules drops that drops anything. vpc: the ranges of what has no place of its own."""
    denied = [
        (rule, f"{protocol}/{port}", str(network), one.what)
        for one in wanted
        for network in one.networks or vpc
        for protocol, port in sorted(one.ports)
        if (rule := group.deciding(protocol, port, source, network)) is not None and not rule.allows
    ]
    if not denied:
        return None
    rule = denied[0][0]
    ports, networks, what = (
        tuple(dict.fromkeys(column)) for column in zip(*(d[1:] for d in denied if d[0] is rule), strict=True)
    )
    return Denial(rule, ports, networks, what)


def _one_group(
    group: SecurityGroup,
    subnet: parse_network.Subnet,
    wanted: Iterable[Destination],
    vpc: Sequence[IPv4Network],
) -> Iterator[Finding]:
    for source in subnet.prefixes[:1]:
        dropped = first_denial(group, source, wanted, vpc)
        if dropped is None:
            continue
        rule = dropped.rule
        yield Finding(
            "azure",
            Severity.OBSTACLE,
            "A network security group drops what goes to AWS",
            f"The rule {rule.name} of {group.name}, the security group of the cluster's subnet {subnet.name}, drops "
            f"{dropped.told()}.",
            (
                ""
                if (free := group.free_before(rule))
                else f"First make room before {rule.name}, whose priority is {rule.priority}; then: "
            )
            + f"az network nsg rule create {az_where(group.id)} --nsg-name {group.name} --name to-aws --priority "
            f"{free or 'NUMBER'} --direction Outbound --access Allow --protocol '*' "
            f"--destination-address-prefixes {' '.join(dropped.networks)} --destination-port-ranges '*'",
            key="azure.aks.name",
        )
