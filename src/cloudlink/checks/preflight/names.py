"""Whether the names would be answered: other zones and rules that take them, records that are there, what is hidden."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse import (
    AccountZone,
    RecordFact,
    ResolverRule,
    VpcZone,
    record_facts,
    rules_of_vpc,
    zones_of_account,
    zones_of_vpc,
)
from cloudlink.clouds.ownership import owner_of
from cloudlink.core.plan import Action, Plan
from cloudlink.errors import Finding, Severity
from cloudlink.link import Host, Link
from cloudlink.steps.dns_forward.corefile_answers import is_below
from cloudlink.steps.resolver.hosted_zone import plain_id
from cloudlink.steps.resolver.records import owned_records

TOPIC = "names"
ZONE, RECORDS = "resolver.zone", "resolver.records"
_SHOWN = 12
_MOST_ADDRESSES = 6
_MAKES = (Action.CREATE, Action.REPLACE)
# What pods and the VPC need of the clouds themselves: a private zone over one of these hides it.
_VITAL = (
    "amazonaws.com",
    "eks.amazonaws.com",
    "azure.com",
    "management.azure.com",
    "microsoftonline.com",
    "login.microsoftonline.com",
    "windows.net",
    "core.windows.net",
    "mcr.microsoft.com",
    "azurecr.io",
    "azmk8s.io",
)
_CLUSTER = "cluster.local"  # the cluster's own names


@dataclass(frozen=True)
class NamesFacts:
    on_vpc: tuple[VpcZone, ...] = ()
    account: tuple[AccountZone, ...] = ()
    rules: tuple[ResolverRule, ...] = ()  # that the VPC uses
    others: tuple[RecordFact, ...] = ()  # records of the zone that the link uses which are not its own
    hidden: tuple[
        tuple[AccountZone, tuple[RecordFact, ...]], ...
    ] = ()  # parent zones and what is below our zone in them
    subnets: int = 0  # of the EKS cluster


def find(context: Context) -> Iterator[Finding]:
    if context.writes("resolver"):
        yield from check(read(context.link, context.aws, context.plan), context.link, context.plan)


# --- reading ------------------------------------------------------------------------------------------------


def read(link: Link, aws: Aws, plan: Plan) -> NamesFacts:
    vpc = link.aws.vpc_id
    account = zones_of_account(aws.hosted_zones())
    zone_id = _zone_of(link, plan)
    others: tuple[RecordFact, ...] = ()
    if zone_id and _acts(plan, RECORDS):
        there = aws.records(zone_id)
        ours = set(owned_records(owner_of(link), there))
        others = tuple(r for r in record_facts(there) if r.set_id or (r.name, r.type) not in ours)
    hidden: list[tuple[AccountZone, tuple[RecordFact, ...]]] = []
    zones = zones_of_vpc(aws.zones_of_vpc(vpc))
    if _makes(plan, ZONE):
        here = {z.id for z in zones}
        for parent in account:
            if parent.name != link.dns.zone and is_below(link.dns.zone, parent.name) and _counts(parent, here):
                below = [r for r in record_facts(aws.records_from(parent.id, link.dns.zone)) if _is_in(r, link)]
                if below:
                    hidden.append((parent, tuple(below)))
    eks = aws.eks_cluster(link.aws.eks_cluster) or {}
    return NamesFacts(
        zones,
        account,
        rules_of_vpc(aws.resolver_rules(), aws.resolver_rule_associations(vpc), vpc),
        others,
        tuple(hidden),
        len((eks.get("resourcesVpcConfig") or {}).get("subnetIds") or ()),
    )


def _counts(parent: AccountZone, on_vpc: Iterable[str]) -> bool:
    """Whether the VPC resolves its names today."""
    return not parent.private or parent.id in on_vpc


def _is_in(record: RecordFact, link: Link) -> bool:
    return is_below(record.name, link.dns.zone)


def _zone_of(link: Link, plan: Plan) -> str:
    if link.dns.adopt_zone is not None:
        return plain_id(link.dns.adopt_zone)
    change = plan.of(ZONE)
    return change.id if change is not None and change.action not in _MAKES else ""


def _acts(plan: Plan, address: str) -> bool:
    change = plan.of(address)
    return change is not None and change.action is not Action.NO_OP


def _makes(plan: Plan, address: str) -> bool:
    change = plan.of(address)
    return change is not None and change.action in _MAKES


# --- judging ------------------------------------------------------------------------------------------------


def check(facts: NamesFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    yield from _same_name(facts, link, plan)
    yield from _more_specific(facts, link, plan)
    yield from _rules(facts, link)
    yield from _records(facts, link)
    if _makes(plan, ZONE):
        yield from _what_is_hidden(facts, link)
    if link.dns.endpoint_subnets is None and facts.subnets > _MOST_ADDRESSES and _makes(plan, "resolver.endpoint"):
        yield _found(
            Severity.WARNING,
            "The EKS cluster has more subnets than an endpoint has addresses",
            f"The EKS cluster has {facts.subnets} subnets; the inbound endpoint gets an address in six of them, which is "
            "the usual quota.",
            "Choose them with dns.endpoint_subnets.",
            key="dns.endpoint_subnets",
        )


def _found(
    severity: Severity, summary: str, detail: str, hint: str = "", *, key: str = "", resource: str = ZONE
) -> Finding:
    return Finding(TOPIC, severity, summary, detail, hint, resource=resource, key=key)


def _same_name(facts: NamesFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    """A VPC uses one private zone of a name: ConflictingDomainExists."""
    zone = link.dns.zone
    if not _makes(plan, ZONE):
        return
    mine = {z.id for z in facts.account}
    for other in facts.on_vpc:
        if other.name != zone:
            continue
        if other.id in mine:
            hint = (
                f'Set dns.hosted_zone = "{other.id}" to put the records into that zone (nothing else in it is touched), or '
                "choose another dns.zone."
            )
            owner = ""
        else:
            hint = f"Choose another dns.zone, such as one below it: aws.{zone}. Or ask its owner to take the VPC away from it."
            owner = f" It is of {other.owner or 'another account'}, so cloudlink cannot put records into it."
        yield _found(
            Severity.OBSTACLE,
            "A private zone of this name is on the VPC already",
            f"The private zone {other.id} is named {zone}, and {link.aws.vpc_id} uses it; Route 53 takes one of a name for a "
            f"VPC.{owner}",
            hint,
            key="dns.hosted_zone" if other.id in mine else "dns.zone",
        )


def _within(hosts: Sequence[Host], zone: str, top: str) -> list[str]:
    """The configured names at or below ``top``."""
    return [h.fqdn(zone) for h in hosts if is_below(h.fqdn(zone), top)]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _more_specific(facts: NamesFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    """The zone with the longest name answers, with NXDOMAIN for what is not in it."""
    zone = link.dns.zone
    for other in facts.on_vpc:
        if not other.name.endswith(f".{zone}"):
            continue
        taken = _within(link.dns.hosts, zone, other.name)
        lost = f"the names {_listed(taken)} are never answered from {zone}" if taken else "no configured name is in it"
        yield _found(
            Severity.OBSTACLE if taken else Severity.WARNING,
            "A more specific private zone is on the VPC",
            f"The private zone {other.id} ({other.name}, of {other.owner or 'an unknown owner'}) is on {link.aws.vpc_id} and "
            f"answers for all names below {other.name}: {lost}.",
            f"Put these names into that zone and take them out of dns.hosts, or take {link.aws.vpc_id} away from "
            f"{other.id}."
            if taken
            else "",
            key="dns.hosts" if taken else "",
        )
    del plan


def _rules(facts: NamesFacts, link: Link) -> Iterator[Finding]:
    """A rule takes precedence over a zone of the same name; between different names the longest decides.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html
    """
    zone = link.dns.zone
    used = {r.domain: r for r in facts.rules}
    for rule in facts.rules:
        if rule.kind != "FORWARD" or not is_below(rule.domain, zone):
            continue
        taken = [
            name
            for name in (h.fqdn(zone) for h in link.dns.hosts)
            if is_below(name, rule.domain)
            and max((d for d in used if is_below(name, d)), key=len, default="") == rule.domain
        ]
        all_of_it = rule.domain == zone
        what = f"the names {_listed(taken)}" if taken else "no configured name"
        yield _found(
            Severity.OBSTACLE if taken or all_of_it else Severity.WARNING,
            "A Resolver rule takes names away",
            f"The Resolver rule {rule.id} (of {rule.owner or 'an unknown owner'}) is on {link.aws.vpc_id} and forwards "
            f"{rule.domain} to other servers, before any private zone is asked: it takes {what}.",
            f"aws route53resolver disassociate-resolver-rule --region {link.aws.region} --vpc-id {link.aws.vpc_id} "
            f"--resolver-rule-id {rule.id}",
            key="dns.zone",
        )


def _records(facts: NamesFacts, link: Link) -> Iterator[Finding]:
    zone = link.dns.zone
    own = link.dns.adopt_zone is None
    names = {h.fqdn(zone) for h in link.dns.hosts}
    here = [r for r in facts.others if r.name in names]
    # in our own zone a plain A record may be ours, of which the owner record was lost: that is compared when it is written
    wrong = sorted(r for r in here if r.type == "CNAME" or (r.type == "A" and (r.set_id or not own)))
    if wrong:
        yield _found(
            Severity.OBSTACLE,
            "Records of configured names exist that cloudlink did not make",
            f"{len(wrong)} in the zone {link.dns.adopt_zone or zone}: {_listed([str(r) for r in wrong])}. cloudlink would "
            "overwrite them, or Route 53 refuse a second kind beside them, so nothing is written.",
            "Delete these records, or take the names out of dns.hosts.",
            key="dns.hosts",
            resource=RECORDS,
        )
    v6 = sorted({r.name for r in here if r.type == "AAAA"})
    if v6:
        yield _found(
            Severity.WARNING,
            "Names have IPv6 addresses besides",
            f"{_listed(v6)}: AAAA records that cloudlink did not make stay, and pods with IPv6 may go there instead of "
            "through the tunnels.",
            resource=RECORDS,
        )
    exact = {r.name for r in here}
    for wild in sorted({r.name for r in facts.others if r.name.startswith("*.") and r.type in ("A", "AAAA", "CNAME")}):
        covered = sorted(n for n in names - exact if n != wild and n.endswith(wild[1:]))
        if covered and wild not in names:
            yield _found(
                Severity.WARNING,
                "A wildcard answers configured names today",
                f"{wild} answers {_listed(covered)} today; with records of their own these names point at the configured "
                "targets, for everything that uses the zone.",
                resource=RECORDS,
            )


def _what_is_hidden(facts: NamesFacts, link: Link) -> Iterator[Finding]:
    """A private zone never falls through: what is not in it does not exist for the VPC, nor for the pods."""
    zone = link.dns.zone
    if is_below(zone, _CLUSTER) or is_below(_CLUSTER, zone):
        yield _found(
            Severity.OBSTACLE,
            "The zone holds the cluster's own names",
            f"{_CLUSTER} is where Kubernetes names its services: with a block for {zone}, CoreDNS would ask AWS for them.",
            "Choose another dns.zone.",
            key="dns.zone",
        )
    if "." not in zone:
        yield _found(
            Severity.WARNING,
            "The zone is a top-level name",
            f"Every public name below {zone} is hidden from {link.aws.vpc_id} and from AKS's pods.",
            "Choose a dns.zone of your own.",
            key="dns.zone",
        )
    if vital := [name for name in _VITAL if is_below(name, zone)]:
        yield _found(
            Severity.WARNING,
            "The zone hides names that the clouds need",
            f"{_listed(vital)} would not be found any more by {link.aws.vpc_id} nor by AKS's pods.",
            "Choose a dns.zone of your own.",
            key="dns.zone",
        )
    for public in facts.account:
        if public.name == zone and not public.private:
            yield _found(
                Severity.WARNING,
                "There is a public zone of this name",
                f"The public zone {zone} ({public.id}) is in the account: inside the VPC and in AKS pods its names are hidden "
                "by the private one, for a private zone never falls through.",
            )
    for parent, records in facts.hidden:
        kind = "private" if parent.private else "public"
        names = list(dict.fromkeys(str(r) for r in sorted(records)))
        configured = {h.fqdn(zone) for h in link.dns.hosts}
        if all(r.name in configured for r in records):
            continue
        yield _found(
            Severity.WARNING,
            "The zone hides names of another zone",
            f"The {kind} zone {parent.name} ({parent.id}) has records below {zone}, which the VPC and AKS pods do not find "
            f"any more: {_listed(names)}.",
            "Add these names to dns.hosts, or choose a dns.zone of its own.",
            key="dns.zone",
        )
