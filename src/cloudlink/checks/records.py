"""Whether names can be answered: the inbound endpoint, the zone and its records, Resolver rules, and CoreDNS."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from ipaddress import IPv4Address

from cloudlink.checks.report import Check, ClusterForward, EndpointStatus, Outcome, check
from cloudlink.clouds.aws.parse_resolver import Endpoint, EndpointAddress, ForwardRule, taking_away
from cloudlink.clouds.aws.parse_zones import FoundRecord, Zone
from cloudlink.errors import CloudlinkError, Finding, Severity
from cloudlink.link import Link
from cloudlink.steps.dns_forward.corefile import ForwardStatus

Key = tuple[str, str]  # name and type of a record set


NO_ADDRESS = "no address"


def endpoint_status(endpoint: Endpoint | None, addresses: Iterable[EndpointAddress]) -> EndpointStatus | None:
    if endpoint is None:
        return None
    by_address = sorted(addresses, key=lambda a: a.address or IPv4Address(0))
    shown = tuple((str(a.address or NO_ADDRESS), a.subnet, a.status) for a in by_address)
    return EndpointStatus(endpoint.id, endpoint.status, shown)


def endpoint_check(endpoint: EndpointStatus | None) -> Check:
    if endpoint is None:
        return check("endpoint", Outcome.FAILED, "there is no inbound endpoint", "cloudlink up")
    wrong = [row for row in endpoint.addresses if row[2] != "ATTACHED"]
    bad = [f"{_address(ip)} of the inbound endpoint in {subnet} is {state}" for ip, subnet, state in wrong]
    bad += [
        f"the inbound endpoint has {ip} for IPv4 in {subnet}"
        for ip, subnet, s in endpoint.addresses
        if s == "ATTACHED" and ip == NO_ADDRESS
    ]
    if endpoint.state != "OPERATIONAL":
        bad.insert(0, f"the inbound endpoint is {endpoint.state}")
    if bad:
        return check("endpoint", Outcome.FAILED, ", ".join(bad), "cloudlink up")
    said = f"AWS reports it operational, which was not tried: {', '.join(ip for ip, _, _ in endpoint.addresses)}"
    return check("endpoint", Outcome.PASSED, said)


def _address(ip: str) -> str:
    return "an address" if ip == NO_ADDRESS else f"address {ip}"


# --- the zone -----------------------------------------------------------------------------------------------


def zone_line(zones: Iterable[Zone]) -> str:
    return ", ".join(f"{zone.name} ({zone.id})" for zone in zones)


def zone_check(link: Link, zones: Mapping[str, Zone]) -> Check:
    """zones: those that are there, by name."""
    wrong = [f"there is no private hosted zone {name}" for name in link.dns.zone_names if name not in zones]
    vpc = link.aws.vpc_id
    wrong += [f"the zone {name} is not associated with {vpc}" for name, zone in zones.items() if vpc not in zone.vpcs]
    if wrong:
        return check("zone", Outcome.FAILED, ", ".join(wrong), "cloudlink up")
    return check("zone", Outcome.PASSED, zone_line(zones.values()))


def shown_records(
    records: Iterable[FoundRecord], ours: Collection[Key] | None
) -> tuple[tuple[tuple[str, str, str], ...], int]:
    """Our records, without those in which cloudlink keeps its own account, and how many others the zone holds beside its
    own NS and SOA. ours: None where it could not be told; then all are shown."""
    there = [r for r in records if r.type not in ("NS", "SOA")]
    mine = [r for r in there if ours is None or r.key in ours]
    rows = tuple(
        (r.name, f"{r.type}{' alias' if r.alias else ''}", ", ".join(r.values)) for r in mine if not _is_account(r.name)
    )
    return rows, len(there) - len(mine)


def _is_account(name: str) -> bool:
    """``_cloudlink-NAME``, and ``_2._cloudlink-NAME`` where one record cannot hold all names."""
    return name.startswith("_cloudlink-") or name.partition(".")[2].startswith("_cloudlink-")


def record_check(link: Link, zones: Mapping[str, Zone], records: Iterable[FoundRecord]) -> Check:
    if not zones:
        return check("records", Outcome.SKIPPED, "there is no zone")
    there = {r.name for r in records if r.type in ("A", "CNAME")}
    wanted = list(link.dns.named_hosts)
    missing = [n for n in wanted if n not in there]
    if missing:
        return check("records", Outcome.FAILED, f"no record for {', '.join(missing)}", "cloudlink up")
    return check("records", Outcome.PASSED, ", ".join(wanted))


# --- beside it ----------------------------------------------------------------------------------------------


def target_check(wrong: CloudlinkError | None, behind: Sequence[Finding] = ()) -> Check:
    """wrong: with something that a name points at. behind: what keeps load balancers from answering, where that was asked."""
    if wrong is None and behind:
        return check("targets", Outcome.FAILED, " ".join(f.detail for f in behind), behind[0].hint.partition("\n")[0])
    if wrong is None:
        return check("targets", Outcome.PASSED, "all of them")
    return check("targets", Outcome.FAILED, wrong.detail or wrong.summary, wrong.hint)


def rule_check(link: Link, rules: Sequence[ForwardRule] | None, elsewhere: Sequence[Finding] = ()) -> Check:
    """elsewhere: what DNS Firewall and Route 53 Profiles do."""
    if rules is None:
        return check("rules", Outcome.SKIPPED, "there is no zone")
    found = {
        rule.id: rule
        for zone in link.dns.zones
        for rule in taking_away(rules, zone.name, [h.fqdn(zone.name) for h in zone.hosts])
    }
    taken = list(found.values())
    if not taken and elsewhere:
        first = sorted(elsewhere, key=lambda f: f.severity is not Severity.OBSTACLE)
        outcome = Outcome.FAILED if first[0].severity is Severity.OBSTACLE else Outcome.WARNING
        return check("rules", outcome, " ".join(f.detail for f in first), first[0].hint)
    if not taken:
        return check("rules", Outcome.PASSED, "none does")
    words = "; ".join(f"{r.id} sends {r.domain} to {', '.join(r.targets) or 'others'}" for r in taken)
    fix = (
        f"aws route53resolver disassociate-resolver-rule --region {link.aws.region} --resolver-rule-id {taken[0].id} "
        f"--vpc-id {link.aws.vpc_id}"
    )
    return check("rules", Outcome.FAILED, f"the Resolver rule {words}, before the zone is asked", fix)


def on_clusters(status: ForwardStatus | None) -> tuple[ClusterForward, ...]:
    """Of several AKS clusters each; none where there is one."""
    on = status.on if status else ()
    return tuple(ClusterForward(one.name, one.line, one.problem, one.unread) for one in on)


def forward_check(status: ForwardStatus | None) -> Check:
    if status is None:
        return check("forward", Outcome.SKIPPED, "the AKS cluster was not checked")
    if status.problem:
        return check("forward", Outcome.FAILED, status.problem, status.task or "cloudlink up")
    if status.unread:
        return check("forward", Outcome.UNSEEN, f"{status.unread}. {status.line}".rstrip(". ") + ".")
    if status.warnings:
        return check("forward", Outcome.WARNING, f"{status.line}. {' '.join(status.warnings)}")
    return check("forward", Outcome.PASSED, status.line)
