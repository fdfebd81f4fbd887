"""What stands behind a name, where it resolves and no connection comes about: fixed addresses that nothing has or that something
guards, and load balancers with no listener, no healthy target, or targets whose own security groups keep Azure out.

Addresses are looked at before the first write, where a security group of the VPC opens a port to some and not to Azure. Load balancers are looked at where ``verify-dns`` got no answer: each takes calls
of its own, and most are well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network

from cloudlink.checks.preflight import aws as aws_topic
from cloudlink.checks.preflight.context import Context
from cloudlink.checks.preflight.filters import Destination, check_groups, clusters_ranges
from cloudlink.clouds.aws import parse_vpc
from cloudlink.clouds.aws.client import MOST_FILTERED, Aws
from cloudlink.clouds.aws.parse_balancers import Listener, LoadBalancer, listeners, load_balancers
from cloudlink.clouds.aws.parse_groups import Rule, lets_in, lets_port, rules_by_group
from cloudlink.clouds.aws.parse_targets import (
    Interface,
    Target,
    TargetGroup,
    interfaces,
    keeps_clients_addresses,
    target_groups,
    targets,
)
from cloudlink.errors import Finding, Severity
from cloudlink.link import AddressTarget, Host, Link

TOPIC = "names"
RECORDS = "resolver.records"
_IN_USE = ("healthy", "draining")  # targets that get connections
_UNKNOWN = ("initial", "unavailable")  # nothing is known of their health yet


@dataclass(frozen=True)
class AddressFacts:
    """Of fixed addresses, by whom they are held."""

    vpc: tuple[IPv4Network, ...] = ()
    asked: frozenset[IPv4Address] = frozenset()  # whose holder was looked for
    holders: Mapping[IPv4Address, Interface] = field(default_factory=dict)
    groups: Mapping[str, frozenset[Rule]] = field(default_factory=dict)
    sources: tuple[IPv4Network, ...] = ()  # where the cluster's packets come from


def find(context: Context) -> Iterator[Finding]:
    """No call where no name has a fixed address, or no group of the VPC is a reason to look who holds it."""
    if context.writes(RECORDS) and _fixed(context.link):
        yield from check_addresses(read_addresses(context), context.link)


def _fixed(link: Link) -> list[tuple[str, Host, tuple[IPv4Address, ...]]]:
    """Short name, host and addresses of each name that has them."""
    return [
        (link.dns.short_name(zone, host), host, host.target.addresses)
        for zone, host in link.dns.all_hosts
        if isinstance(host.target, AddressTarget)
    ]


def read_addresses(context: Context) -> AddressFacts:
    link, aws = context.link, context.aws
    wanted = {a for _, _, addresses in _fixed(link) for a in addresses}
    vpc = parse_vpc.vpc(aws.vpc(link.aws.vpc_id))
    groups = rules_by_group(aws.security_groups(link.aws.vpc_id))
    sources = clusters_ranges(link, context.azure) or aws_topic.learned(aws_topic.read(link, aws, context.azure), link)
    ports = {p for _, host, _ in _fixed(link) for p in host.ports}
    asked: frozenset[IPv4Address] = frozenset()
    if any(_shuts_out(id_, rules, p, sources) for id_, rules in groups.items() for p in ports):
        asked = frozenset(sorted(wanted)[:MOST_FILTERED])
    held = interfaces(aws.interfaces_at(link.aws.vpc_id, map(str, asked))) if asked else ()
    holders = {a: i for i in held for a in i.addresses if a in asked}
    return AddressFacts(vpc.ranges if vpc is not None else (), asked, holders, groups, sources)


def _shuts_out(group: str, rules: Iterable[Rule], port: int, sources: Iterable[IPv4Network]) -> bool:
    """Whether the group is for others than Azure: it opens the port to somebody beside itself, and not to all of Azure."""
    rules = tuple(rules)
    opens = any(lets_port(r, "tcp", port) and r.source != group for r in rules)
    return opens and not all(lets_in(rules, "tcp", port, n) for n in sources)


def check_addresses(facts: AddressFacts, link: Link) -> Iterator[Finding]:
    for name, host, addresses in _fixed(link):
        for address in addresses:
            holder = facts.holders.get(address)
            if facts.vpc and not any(address in n for n in facts.vpc):
                yield from _outside(name, address, link)
            elif address not in facts.asked:
                continue
            elif holder is None:
                yield _said(
                    Severity.WARNING,
                    "Nothing has an address that a name points at",
                    f"{name} points at {address}, and no network interface of {link.aws.vpc_id} has it (any more).",
                    "Correct the addresses in dns.hosts, or start what is to have it.",
                )
            else:
                yield from _held(name, host, address, holder, facts, link)


def _outside(name: str, address: IPv4Address, link: Link) -> Iterator[Finding]:
    """https://docs.aws.amazon.com/vpn/latest/s2svpn/how_it_works.html: a virtual private gateway is for its own VPC."""
    if not link.makes_vpn or link.aws.transit:
        return
    yield _said(
        Severity.OBSTACLE,
        "An address is outside the VPC",
        f"{name} points at {address}, which is in no range of {link.aws.vpc_id}: a virtual private gateway does not pass packets on "
        "to another VPC or network, also where it is peered or joined with this one.",
        f"Point the name at something in {link.aws.vpc_id} (a network load balancer can lead to addresses of a peered VPC), or use a "
        'transit gateway: aws.gateway = "create-transit".',
    )


def _held(
    name: str, host: Host, address: IPv4Address, holder: Interface, facts: AddressFacts, link: Link
) -> Iterator[Finding]:
    if balancer := holder.of_balancer:
        yield _said(
            Severity.WARNING,
            "An address is one of a load balancer's, which changes",
            f"{name} points at {address}, an address of the application load balancer {balancer}: AWS exchanges these at any time.",
            f'Point it at the load balancer itself: load_balancer = "{balancer}".',
        )
    elif holder.keeper:
        yield _said(
            Severity.WARNING,
            "An address is kept by a service of AWS, which may change it",
            f"{name} points at {address}, which {holder.keeper} holds: after a failover or maintenance the service has another one, "
            "and the name leads nowhere.",
            "Put a network load balancer before it, whose addresses stay, or change dns.hosts when it changes.",
        )
    guarded = Destination(f"{address} ({name})", frozenset(("tcp", p) for p in host.ports), groups=holder.groups)
    for found in check_groups([guarded], facts.groups, facts.sources, link):
        yield replace(found, summary="The security group of an address keeps Azure out")


def _said(severity: Severity, summary: str, detail: str, hint: str) -> Finding:
    return Finding(TOPIC, severity, summary, detail, hint, resource=RECORDS, key="dns.hosts")


# --- load balancers that do not answer ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """A target group behind a load balancer. guards: target's id -> its security groups, of those that are known."""

    group: TargetGroup
    targets: tuple[Target, ...] = ()
    clients_addresses: bool = False
    guards: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Behind:
    balancer: LoadBalancer
    listeners: tuple[Listener, ...] = ()
    groups: tuple[Group, ...] = ()


def behind(link: Link, aws: Aws, arn: str) -> Behind | None:
    """Four calls for a load balancer with one target group, and one more for what the targets are. None: there is none."""
    balancer = next((b for b in load_balancers(aws.load_balancers()) if b.arn == arn), None)
    if balancer is None:
        return None
    found = []
    for group in target_groups(aws.target_groups(arn)):
        held = targets(aws.target_health(group.arn))
        keeps = balancer.kind == "network" and keeps_clients_addresses(aws.target_group_attributes(group.arn))
        found.append(Group(group, held, keeps, _guards(link, aws, group, held) if keeps else {}))
    return Behind(balancer, listeners(aws.listeners(arn)), tuple(found))


def _guards(link: Link, aws: Aws, group: TargetGroup, held: Iterable[Target]) -> dict[str, tuple[str, ...]]:
    ids = sorted({t.id for t in held})
    if not ids or group.kind not in ("ip", "instance"):
        return {}
    if group.kind == "ip":
        return {str(a): i.groups for i in interfaces(aws.interfaces_at(link.aws.vpc_id, ids)) for a in i.addresses}
    return {i.instance: i.groups for i in interfaces(aws.interfaces_of(ids))}


def causes(
    found: Behind, host: Host, groups: Mapping[str, frozenset[Rule]], sources: Sequence[IPv4Network], link: Link
) -> Iterator[Finding]:
    """What surely keeps connections to a load balancer from coming about. groups: security groups of the VPC."""
    name = found.balancer.name
    heard = {entry.port for entry in found.listeners}
    if lacking := [p for p in host.ports if p not in heard]:
        yield _said(
            Severity.OBSTACLE,
            "A load balancer does not listen on a configured port",
            f"{name} has no listener on {', '.join(map(str, lacking))}; it listens on {', '.join(map(str, sorted(heard))) or 'none'}.",
            "Correct ports of the name in dns.hosts, or add the listener.",
        )
    for group in found.groups:
        live = [t for t in group.targets if t.state in _IN_USE]
        if not live and not any(t.state in _UNKNOWN for t in group.targets):
            why = "; ".join(dict.fromkeys(f"{t.id}: {t.state}, {t.why}".rstrip(", ") for t in group.targets[:3]))
            yield _said(
                Severity.OBSTACLE,
                "A load balancer has no healthy target",
                f"The target group {group.group.name} of {name} has {'no healthy target' if group.targets else 'no targets'}"
                + (f" ({why})." if why else "."),
                f"aws elbv2 describe-target-health --region {link.aws.region} --target-group-arn {group.group.arn}",
            )
        yield from _kept_out(found, group, groups, sources, link)


def _kept_out(
    found: Behind, group: Group, groups: Mapping[str, frozenset[Rule]], sources: Sequence[IPv4Network], link: Link
) -> Iterator[Finding]:
    """With clients' addresses kept, the targets' own groups decide; those of the load balancer may be let in instead.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/network/target-group-register-targets.html
    """
    if not group.clients_addresses:
        return
    for target in group.targets:
        guards = group.guards.get(target.id, ())
        if not guards or any(g not in groups for g in guards):
            continue
        rules = [r for g in guards for r in groups[g]]
        through = [r for r in rules if r.source in found.balancer.groups]
        if any(lets_port(r, "tcp", target.port) for r in through):
            continue
        shut = next((n for n in sources if not lets_in(rules, "tcp", target.port, n)), None)
        if shut is None:
            continue
        yield _said(
            Severity.OBSTACLE,
            "The targets' security group keeps Azure out",
            f"{found.balancer.name} keeps its clients' addresses (preserve_client_ip), so that the security group of its targets "
            f"decides: {' and '.join(guards)} of {target.id} {'let' if len(guards) > 1 else 'lets'} no tcp/{target.port} in from {shut}.",
            f"aws ec2 authorize-security-group-ingress --region {link.aws.region} --group-id {guards[0]} --protocol tcp --port "
            f"{target.port} --cidr {shut}\nOf a Service of the AWS Load Balancer Controller instead: spec.loadBalancerSourceRanges, or "
            "the attribute preserve_client_ip.enabled=false.",
        )
        return  # the same for each
