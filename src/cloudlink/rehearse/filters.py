"""Packet filters of both clouds, as rules of the routers before the VPC's hosts and behind the VNet's gateway.

The first rule of ``ip rule`` that matches ends the search. So what a network ACL lets in jumps to the security groups behind
it (``goto``), and what a network security group lets out jumps to the subnet's route table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network

from cloudlink.clouds.aws.parse_acls import ANY, EVERY_PORT, AclEntry
from cloudlink.clouds.azure.parse_filters import WIDE, FilterRule
from cloudlink.clouds.azure.parse_pieces import ranges
from cloudlink.rehearse.answers import Answers, Host

FIRST = 100  # preference of a router's first rule; the others follow, one by one
ECHO = 7  # the rehearsal's own port, which no filter of the clouds is about
_MAIN = "lookup main"
_DROP = "blackhole"
_EVERYTHING = IPv4Network("0.0.0.0/0")


def before_hosts(hosts: Iterable[Host]) -> tuple[str, ...]:
    """Network ACLs and security groups, as arguments of ``ip rule add``. What the router itself says belongs to a flow that was
    let in (that a packet is too large)."""
    found: list[str] = []
    for host in hosts:
        inbound, outbound = _filtering(host.acl_in), _filtering(host.acl_out)
        if host.lets_in is None and not inbound and not outbound:
            continue
        found += [f"to {host.address} iif lo {_MAIN}", f"to {host.address} ipproto udp dport {ECHO} {_MAIN}"]
        if inbound:
            behind = f"goto {FIRST + len(found) + len(inbound) + 1}"
            found += [_acl_rule(e, f"from {e.network} to {host.address}", behind) for e in inbound]
            found.append(f"to {host.address} {_DROP}")
        found += _groups(host)
        if outbound:  # it has no memory of flows: an answer has to pass, too
            found.append(f"from {host.address} ipproto udp sport {ECHO} {_MAIN}")
            found += [_acl_rule(e, f"from {host.address} to {e.network}", _MAIN) for e in outbound]
            found.append(f"from {host.address} {_DROP}")
    return tuple(found)


def _filtering(entries: tuple[AclEntry, ...] | None) -> tuple[AclEntry, ...]:
    """Empty where everything passes, as with the ACL that AWS gives a VPC."""
    first = next(iter(entries or ()), None)
    if first is None:
        return ()
    everything = first.allows and first.protocol == ANY and first.network == _EVERYTHING
    return () if everything else entries or ()


def _acl_rule(entry: AclEntry, between: str, passes: str) -> str:
    """passes: what becomes of a packet that the entry allows."""
    protocol = "" if entry.protocol == ANY else f" ipproto {entry.protocol}"
    return f"{between}{protocol}{_ports(*entry.ports)} {passes if entry.allows else _DROP}"


def _ports(first: int, last: int) -> str:
    """A range of the kernel's begins at 1 and ends at 65534; nothing of a rehearsal uses the two that are left out."""
    return "" if first < 0 or (first, last) == EVERY_PORT else f" dport {max(first, 1)}-{min(last, 65_534)}"


def _groups(host: Host) -> Iterator[str]:
    """What no security group lets in goes no further."""
    if host.lets_in is None:
        yield f"to {host.address} {_MAIN}"
        return
    for rule in host.lets_in:
        protocol = "" if rule.protocol == "-1" else f" ipproto {rule.protocol}"
        ports = _ports(rule.first_port, rule.last_port) if rule.protocol in ("tcp", "udp") else ""
        yield f"from {rule.source} to {host.address}{protocol}{ports} {_MAIN}"
    yield f"to {host.address} {_DROP}"


def behind_nodes(answers: Answers) -> tuple[str, ...]:
    """The network security group of the nodes' subnet, then its route table, for what goes to the VPC."""
    away = [f"{_from(answers.nodes)}to {net} {_DROP}" for net in answers.turned_away]
    if answers.lets_out is None or answers.nodes is None:
        return tuple(away)
    matches = [m for rule in answers.lets_out for m in _matches(rule, answers.nodes, answers.vpc)]
    echoes = [f"from {answers.nodes} to {net} ipproto udp dport {ECHO}" for net in answers.vpc]
    on = f"goto {FIRST + len(echoes) + len(matches)}" if away else _MAIN
    return (*(f"{e} {on}" for e in echoes), *(f"{m} {on if allows else _DROP}" for m, allows in matches), *away)


def _from(nodes: IPv4Network | None) -> str:
    return f"from {nodes} " if nodes else ""


def _matches(rule: FilterRule, nodes: IPv4Network, vpc: tuple[IPv4Network, ...]) -> Iterator[tuple[str, bool]]:
    """What the rule is about, as far as it is about packets from the nodes to the VPC, and whether it allows them."""
    for source in _networks(rule.sources, (nodes,)):
        for target in _networks(rule.destinations, vpc):
            for way in _ways(rule):
                yield f"from {source} to {target}{way}", rule.allows


def _networks(prefixes: tuple[str, ...], own: tuple[IPv4Network, ...]) -> tuple[IPv4Network, ...]:
    """own: what a word for everywhere comes to here. Names of services are nowhere in either network."""
    if any(p in WIDE for p in prefixes):
        return own
    named = ranges([p for p in prefixes if p[:1].isdigit()])
    return tuple(n for n in named if any(n.overlaps(o) for o in own))


def _ways(rule: FilterRule) -> Iterator[str]:
    if rule.protocol not in ("*", "tcp", "udp", "icmp"):
        return
    if EVERY_PORT in rule.ports or rule.protocol == "icmp":
        yield "" if rule.protocol == "*" else f" ipproto {rule.protocol}"
        return
    for protocol in ("tcp", "udp") if rule.protocol == "*" else (rule.protocol,):
        for first, last in rule.ports:
            yield f" ipproto {protocol}{_ports(first, last)}"
