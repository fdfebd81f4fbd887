"""Whether the names would be answered: other zones and rules that take them, records that are there, what is hidden."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.aws import parse_zones
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_cluster import cluster
from cloudlink.clouds.aws.parse_resolver import ResolverRule, rules_of_vpc
from cloudlink.clouds.aws.parse_zones import (
    AccountZone,
    FoundRecord,
    RecordFact,
    VpcZone,
    ZoneRecord,
    plain_id,
    record_facts,
    zones_of_account,
    zones_of_vpc,
)
from cloudlink.clouds.ownership import owner_of
from cloudlink.core.plan import Action, Plan
from cloudlink.errors import Finding, Severity
from cloudlink.link import Host, Link, PrivateZone
from cloudlink.steps.dns_forward.corefile_answers import is_below
from cloudlink.steps.resolver.hosted_zone import address_of
from cloudlink.steps.resolver.records import owned_records, owner_records

TOPIC = "names"
ZONE, RECORDS = "resolver.zone", "resolver.records"
_SHOWN = 12
_MOST_ADDRESSES = 6
_MAKES = (Action.CREATE, Action.REPLACE)
# What pods and the VPC need of the clouds themselves: a private zone over one of these hides it.
_VITAL = (
    "amazonaws.com",
    "amazonaws.com.cn",
    "compute.internal",  # EC2's own names of machines
    "ec2.internal",
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
    "azure.us",
    "azure.cn",
)
# Where the clouds name what people make: a private zone below one of these hides all others of its kind.
_SERVICES = (
    "amazonaws.com",
    "amazonaws.com.cn",
    "api.aws",
    "azure.com",
    "windows.net",
    "azmk8s.io",
    "azurecr.io",
    "azure.net",
)
_CLUSTER = "cluster.local"  # the cluster's own names


@dataclass(frozen=True)
class NamesFacts:
    on_vpc: tuple[VpcZone, ...] = ()
    account: tuple[AccountZone, ...] = ()
    rules: tuple[ResolverRule, ...] = ()  # that the VPC uses
    others: tuple[FoundRecord | RecordFact, ...] = ()  # records of the zone that the link uses which are not its own
    hidden: tuple[
        tuple[AccountZone, tuple[RecordFact, ...]], ...
    ] = ()  # parent zones and what is below our zone in them
    subnets: int = 0  # of the EKS cluster


def find(context: Context) -> Iterator[Finding]:
    if context.writes("resolver"):
        for at in places(context.link):
            yield from check(read(context.link, context.aws, context.plan, at), context.link, context.plan, at)


@dataclass(frozen=True)
class Place:
    """One of the link's zones, and where it stands in the plan and in the configuration."""

    zone: PrivateZone
    resource: str = ZONE
    records: str = RECORDS
    table: str = "dns"

    @property
    def is_first(self) -> bool:
        return self.resource == ZONE


def places(link: Link) -> tuple[Place, ...]:
    first, *more = link.dns.zones
    others = (
        Place(zone, address_of("zone", zone.name), address_of("records", zone.name), f"dns.zones[{i}]")
        for i, zone in enumerate(more)
    )
    return (Place(first), *others)


# --- reading ------------------------------------------------------------------------------------------------


def read(link: Link, aws: Aws, plan: Plan, at: Place) -> NamesFacts:
    vpc = link.aws.vpc_id
    account = zones_of_account(aws.hosted_zones())
    zone_id = _zone_of(at, plan)
    others: tuple[FoundRecord, ...] = ()
    if zone_id and _acts(plan, at.records):
        there = parse_zones.records(aws.records(zone_id))
        ours = set(owned_records(owner_of(link), there))
        others = tuple(r for r in there if r.set_id or r.key not in ours)
    hidden: list[tuple[AccountZone, tuple[RecordFact, ...]]] = []
    zones = zones_of_vpc(aws.zones_of_vpc(vpc))
    if _makes(plan, at.resource):
        here = {z.id for z in zones}
        for parent in account:
            if parent.name != at.zone.name and is_below(at.zone.name, parent.name) and _counts(parent, here):
                below = [r for r in record_facts(aws.records_from(parent.id, at.zone.name)) if at.zone.holds(r.name)]
                for star in _wildcards_over(at.zone.name, parent.name):
                    below += [r for r in record_facts(aws.records_from(parent.id, star)) if r.name == star]
                if below:
                    hidden.append((parent, tuple(below)))
    eks = cluster(aws.eks_cluster(link.aws.eks_cluster))
    used = aws.resolver_rule_associations(vpc)
    return NamesFacts(
        zones,
        account,
        rules_of_vpc(aws.resolver_rules() if used else (), used, vpc),
        others,
        tuple(hidden),
        len(eks.subnets) if eks is not None else 0,
    )


def _wildcards_over(zone: str, parent: str) -> Iterator[str]:
    """The wildcards of a parent zone that answer names below the zone."""
    while zone != parent:
        zone = zone.partition(".")[2]
        yield f"*.{zone}"


def _counts(parent: AccountZone, on_vpc: Iterable[str]) -> bool:
    """Whether the VPC resolves its names today."""
    return not parent.private or parent.id in on_vpc


def _zone_of(at: Place, plan: Plan) -> str:
    if at.zone.adopt is not None:
        return plain_id(at.zone.adopt)
    change = plan.of(at.resource)
    return change.id if change is not None and change.action not in _MAKES else ""


def _acts(plan: Plan, address: str) -> bool:
    change = plan.of(address)
    return change is not None and change.action is not Action.NO_OP


def _makes(plan: Plan, address: str) -> bool:
    change = plan.of(address)
    return change is not None and change.action in _MAKES


# --- judging ------------------------------------------------------------------------------------------------


def check(facts: NamesFacts, link: Link, plan: Plan, at: Place) -> Iterator[Finding]:
    yield from _same_name(facts, link, plan, at)
    yield from _more_specific(facts, link, plan, at)
    yield from _rules(facts, link, at)
    yield from _records(facts, link, at)
    yield from _kept_by_external_dns(facts, at)
    yield from _delegations(facts, link, at)
    if _makes(plan, at.resource):
        yield from _what_is_hidden(facts, link, at)
    if not at.is_first:
        return
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


def _same_name(facts: NamesFacts, link: Link, plan: Plan, at: Place) -> Iterator[Finding]:
    """A VPC uses one private zone of a name: ConflictingDomainExists."""
    zone = at.zone.name
    if not _makes(plan, at.resource):
        return
    mine = {z.id for z in facts.account}
    for other in facts.on_vpc:
        if other.name != zone:
            continue
        if other.id in mine:
            hint = (
                f'Set {at.table}.hosted_zone = "{other.id}" to put the records into that zone (nothing else in it is touched), or '
                f"choose another {at.table}.zone."
            )
            owner = ""
        else:
            hint = f"Choose another {at.table}.zone, such as one below it: aws.{zone}. Or ask its owner to take the VPC away from it."
            owner = f" It is of {other.owner or 'another account'}, so cloudlink cannot put records into it."
        yield _found(
            Severity.OBSTACLE,
            "A private zone of this name is on the VPC already",
            f"The private zone {other.id} is named {zone}, and {link.aws.vpc_id} uses it; Route 53 takes one of a name for a "
            f"VPC.{owner}",
            hint,
            key=f"{at.table}.hosted_zone" if other.id in mine else f"{at.table}.zone",
            resource=at.resource,
        )


def _within(hosts: Sequence[Host], zone: str, top: str) -> list[str]:
    """The configured names at or below ``top``."""
    return [h.fqdn(zone) for h in hosts if is_below(h.fqdn(zone), top)]


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _more_specific(facts: NamesFacts, link: Link, plan: Plan, at: Place) -> Iterator[Finding]:
    """The zone with the longest name answers, with NXDOMAIN for what is not in it."""
    zone = at.zone.name
    going = {c.id for c in plan.changes if c.action is Action.DELETE}
    for other in facts.on_vpc:
        # those of the link are meant to, and no name of this one is in them
        if not other.name.endswith(f".{zone}") or other.name in link.dns.zone_names or other.id in going:
            continue
        taken = _within(at.zone.hosts, zone, other.name)
        lost = f"the names {_listed(taken)} are never answered from {zone}" if taken else "no configured name is in it"
        yield _found(
            Severity.OBSTACLE if taken else Severity.WARNING,
            "A more specific private zone is on the VPC",
            f"The private zone {other.id} ({other.name}, of {other.owner or 'an unknown owner'}) is on {link.aws.vpc_id} and "
            f"answers for all names below {other.name}: {lost}.",
            f"Put these names into that zone and take them out of {at.table}.hosts, or take {link.aws.vpc_id} away from "
            f"{other.id}."
            if taken
            else "",
            key=f"{at.table}.hosts" if taken else "",
            resource=at.resource,
        )


def _rules(facts: NamesFacts, link: Link, at: Place) -> Iterator[Finding]:
    """A rule takes precedence over a zone of the same name; between different names the longest decides.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html
    """
    zone = at.zone.name
    used = {r.domain: r for r in facts.rules if r.kind != "DELEGATE"}
    for rule in facts.rules:
        if rule.kind != "FORWARD" or not is_below(rule.domain, zone):
            continue
        taken = [
            name
            for name in (h.fqdn(zone) for h in at.zone.hosts)
            if is_below(name, rule.domain)
            and max((d for d in used if is_below(name, d)), key=len, default="") == rule.domain
        ]
        all_of_it = rule.domain == zone
        if not all_of_it and (answering := link.dns.zone_of(rule.domain)) is not None and answering.name != zone:
            continue  # it is told of the zone that answers there
        what = f"the names {_listed(taken)}" if taken else "no configured name"
        yield _found(
            Severity.OBSTACLE if taken or all_of_it else Severity.WARNING,
            "A Resolver rule takes names away",
            f"The Resolver rule {rule.id} (of {rule.owner or 'an unknown owner'}) is on {link.aws.vpc_id} and forwards "
            f"{rule.domain} to other servers, before any private zone is asked: it takes {what}.",
            f"aws route53resolver disassociate-resolver-rule --region {link.aws.region} --vpc-id {link.aws.vpc_id} "
            f"--resolver-rule-id {rule.id}",
            key=f"{at.table}.zone",
            resource=at.resource,
        )


def _records(facts: NamesFacts, link: Link, at: Place) -> Iterator[Finding]:
    zone = at.zone.name
    own = at.zone.adopt is None
    names = {h.fqdn(zone) for h in at.zone.hosts}
    here = [r for r in facts.others if r.name in names]
    # in our own zone a plain A record may be ours, of which the owner record was lost: that is compared when it is written
    wrong = [r for r in here if r.type == "CNAME" or (r.type == "A" and (r.set_id or not own))]
    accounts = {r.name for r in owner_records(owner_of(link), zone, [ZoneRecord(n, "A", ()) for n in names])}
    wrong = sorted([*wrong, *(r for r in facts.others if r.name in accounts and r.type in ("TXT", "CNAME"))])
    if wrong:
        yield _found(
            Severity.OBSTACLE,
            "Records of names that cloudlink needs exist that it did not make",
            f"{len(wrong)} in the zone {at.zone.adopt or zone}: {_listed([str(r) for r in wrong])}. cloudlink would "
            "overwrite them, or Route 53 refuse a second kind beside them, so nothing is written.",
            f"Delete these records, or take the names out of {at.table}.hosts; a TXT record _cloudlink-NAME is in the way of the link's "
            "name.",
            key=f"{at.table}.hosts",
            resource=at.records,
        )
    v6 = sorted({r.name for r in here if r.type == "AAAA"})
    if v6:
        yield _found(
            Severity.WARNING,
            "Names have IPv6 addresses besides",
            f"{_listed(v6)}: AAAA records that cloudlink did not make stay, and pods with IPv6 may go there instead of "
            "through the tunnels.",
            resource=at.records,
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
                resource=at.records,
            )


def _kept_by_external_dns(facts: NamesFacts, at: Place) -> Iterator[Finding]:
    """external-dns knows its records by TXT records that it puts beside them, or before them in a name of their own: what it finds
    at such a name it takes for its own, also where the address is gone and cloudlink puts one there.

    https://kubernetes-sigs.github.io/external-dns/latest/docs/registry/txt/
    """
    names = {h.fqdn(at.zone.name) for h in at.zone.hosts}
    owners: dict[str, str] = {}
    for record in facts.others:
        said = " ".join(record.values) if isinstance(record, FoundRecord) and record.type == "TXT" else ""
        owner = _HERITAGE.search(said)
        if owner is None:
            continue
        first, _, rest = record.name.partition(".")
        kind, _, bare = first.partition("-")
        marked = {record.name, f"{bare}.{rest}" if kind in ("a", "cname", "aaaa") else record.name}
        owners.update(dict.fromkeys(marked & names, owner[1]))
    if owners:
        yield _found(
            Severity.WARNING,
            "external-dns keeps names that are configured",
            f"TXT records in the zone {at.zone.adopt or at.zone.name} say that external-dns keeps {_listed(sorted(owners))} (owner "
            f"{', '.join(sorted(set(owners.values())))}): it would change or delete the addresses that cloudlink puts there.",
            f"Take the names out of what that external-dns serves, and delete the TXT records; or take them out of {at.table}.hosts.",
            key=f"{at.table}.hosts",
            resource=at.records,
        )


_HERITAGE = re.compile(r"heritage=external-dns,external-dns/owner=([^,\"\s]+)")


def _delegations(facts: NamesFacts, link: Link, at: Place) -> Iterator[Finding]:
    """NS records below the zone's own. With a delegation rule on the VPC, Route 53 Resolver follows them.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/outbound-delegation-tutorial.html
    """
    zone = at.zone.name
    rules = [r for r in facts.rules if r.kind == "DELEGATE"]
    for name in sorted({r.name for r in facts.others if r.type == "NS" and r.name != zone}):
        covered = _within(at.zone.hosts, zone, name)
        if not covered:
            continue
        way = (
            f"{link.aws.vpc_id} has the delegation rule {rules[0].id}, by which they are asked there"
            if rules
            else "a Resolver that follows it never asks for the records that cloudlink writes"
        )
        yield _found(
            Severity.OBSTACLE if rules else Severity.WARNING,
            "Configured names are delegated to other name servers",
            f"{name} has an NS record in the zone {at.zone.adopt or zone}, which hands {_listed(covered)} to other name "
            f"servers: {way}.",
            f"Delete the NS record if nothing needs it, or take the names out of {at.table}.hosts.",
            key=f"{at.table}.hosts",
            resource=at.records,
        )


def _what_is_hidden(facts: NamesFacts, link: Link, at: Place) -> Iterator[Finding]:
    """A private zone never falls through: what is not in it does not exist for the VPC, nor for the pods."""
    zone = at.zone.name
    if is_below(zone, _CLUSTER) or is_below(_CLUSTER, zone):
        yield _found(
            Severity.OBSTACLE,
            "The zone holds the cluster's own names",
            f"{_CLUSTER} is where Kubernetes names its services: with a block for {zone}, CoreDNS would ask AWS for them.",
            f"Choose another {at.table}.zone.",
            key=f"{at.table}.zone",
            resource=at.resource,
        )
    if "." not in zone:
        yield _found(
            Severity.WARNING,
            "The zone is a top-level name",
            f"Every public name below {zone} is hidden from {link.aws.vpc_id} and from AKS's pods.",
            f"Choose a {at.table}.zone of your own.",
            key=f"{at.table}.zone",
            resource=at.resource,
        )
    region = f"{link.aws.region}.compute.internal"
    if vital := [name for name in (*_VITAL, region) if is_below(name, zone)]:
        yield _found(
            Severity.WARNING,
            "The zone hides names that the clouds need",
            f"{_listed(vital)} would not be found any more by {link.aws.vpc_id} nor by AKS's pods.",
            f"Choose a {at.table}.zone of your own.",
            key=f"{at.table}.zone",
            resource=at.resource,
        )
    elif of_a_cloud := next((name for name in _SERVICES if zone != name and is_below(zone, name)), None):
        apex = any(h.fqdn(zone) == zone for h in at.zone.hosts)
        yield _found(
            Severity.WARNING,
            "The zone is one of a cloud's own",
            f"{zone} is where {of_a_cloud} has names of its own: all of them but the configured ones would not be found any "
            f"more by {link.aws.vpc_id} nor by AKS's pods"
            + (
                ", those below the name itself included."
                if apex
                else ", databases, clusters and endpoints of others included."
            ),
            f"Choose a {at.table}.zone of your own with names that point there, or as {at.table}.zone the whole name of the one thing.",
            key=f"{at.table}.zone",
            resource=at.resource,
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
        configured = {h.fqdn(zone) for h in at.zone.hosts}
        wild = f"*.{zone}" in configured  # what a wildcard there answered, ours does
        if all(r.name in configured or (wild and r.name.startswith("*.")) for r in records):
            continue
        yield _found(
            Severity.WARNING,
            "The zone hides names of another zone",
            f"The {kind} zone {parent.name} ({parent.id}) has records for names below {zone}, which the VPC and AKS pods do "
            f"not find any more: {_listed(names)}.",
            f"Add these names to {at.table}.hosts, or choose a {at.table}.zone of its own.",
            key=f"{at.table}.zone",
            resource=at.resource,
        )
