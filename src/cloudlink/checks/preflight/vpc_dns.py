"""What else has a say in the names of the VPC: its DNS Firewall, the Route 53 Profiles that it is given, and, of a link that
exists, more specific private zones that others have put on it since.

A profile brings private zones, Resolver rules and firewall rules that are found neither with the VPC's own zones nor with its
own rules. What is said here of names holds for the machines of the VPC, and for what its inbound endpoint is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_resolver import ResolverRule, rule_of
from cloudlink.clouds.aws.parse_vpc_dns import (
    FirewallGroup,
    FirewallRule,
    firewall_domains,
    firewall_groups,
    firewall_rules,
    fits,
    profile_resources,
    profiles_of,
)
from cloudlink.clouds.aws.parse_zones import VpcZone, zones_of_vpc
from cloudlink.clouds.aws.parse_zones import zone as parse_zone
from cloudlink.clouds.errors import error_policy
from cloudlink.errors import CloudlinkError, Finding, Severity
from cloudlink.link import Link
from cloudlink.steps.dns_forward.corefile_answers import is_below

TOPIC = "names"
ZONE = "resolver.zone"
_SHOWN = 4
_ASKED = ("", "A")  # types of questions that connections need

T = TypeVar("T")
Translate = Callable[[Exception], CloudlinkError | None]


@dataclass(frozen=True)
class Filter:
    """A rule of a firewall with what its list holds."""

    group: FirewallGroup
    rule: FirewallRule
    domains: tuple[str, ...]


@dataclass(frozen=True)
class Brought:
    """A private zone or a Resolver rule that a profile brings."""

    profile: str
    id: str
    domain: str


@dataclass(frozen=True)
class VpcDnsFacts:
    filters: tuple[Filter, ...] = ()  # in the order in which they are looked at
    zones: tuple[Brought, ...] = ()
    rules: tuple[Brought, ...] = ()
    beside: tuple[VpcZone, ...] = ()  # private zones that the VPC uses; none where they are looked at elsewhere
    unread: tuple[str, ...] = ()  # what could not be read, and why


def find(context: Context) -> Iterator[Finding]:
    if context.writes("resolver"):
        yield from check(read(context.link, context.aws, error_policy(context.link).translate), context.link)


def standing(link: Link, aws: Aws, translate: Translate) -> tuple[Finding, ...]:
    """Of a link that exists; what may not be read is not known."""
    found = check(read(link, aws, translate, zones=True), link)
    return tuple(f for f in found if f.severity is not Severity.NOT_PROVED)


def read(link: Link, aws: Aws, translate: Translate, *, zones: bool = False) -> VpcDnsFacts:
    """Two calls where the VPC has neither. zones: the VPC's private zones as well, which a plan looks at by itself (``names``)."""
    vpc, unread = link.aws.vpc_id, list[str]()

    def ask(what: str, call: Callable[[str], T], of: str) -> T | None:
        try:
            return call(of)
        except Exception as error:
            known = error if isinstance(error, CloudlinkError) else translate(error)
            if known is None:
                raise
            unread.append(f"{what}: {known}")
            return None

    def groups_of(vpc: str) -> list[FirewallGroup]:
        return list(firewall_groups(aws.firewall_associations(vpc), vpc))

    groups = ask("DNS Firewall", groups_of, vpc) or []

    def zones_on(vpc: str) -> tuple[VpcZone, ...]:
        return zones_of_vpc(aws.zones_of_vpc(vpc))

    beside = (ask("private zones", zones_on, vpc) or ()) if zones else ()
    brought, rules = list[Brought](), list[Brought]()
    for profile in ask("Route 53 Profiles", lambda v: profiles_of(aws.profile_associations(v), v), vpc) or ():
        held = ask(f"profile {profile}", lambda p: profile_resources(aws.profile_resources(p)), profile)
        for resource in held or ():
            if resource.kind == "firewall":
                groups.append(FirewallGroup(resource.priority, resource.id, profile))
            elif resource.kind == "zone":
                zone = ask(f"private zone {resource.id}", lambda z: parse_zone(aws.zone(z)), resource.id)
                brought += [Brought(profile, resource.id, zone.name)] if zone is not None else []
            else:
                rule = ask(f"Resolver rule {resource.id}", lambda r: _rule(aws, r), resource.id)
                forwards = rule is not None and rule.kind == "FORWARD"
                rules += [Brought(profile, resource.id, rule.domain)] if rule is not None and forwards else []
    filters = list[Filter]()
    for group in sorted(groups, key=lambda g: (bool(g.profile), g.priority, g.id)):
        for one in ask(f"rule group {group.id}", lambda g: firewall_rules(aws.firewall_rules(g)), group.id) or ():
            if one.domains_id:  # others look for threats
                of = one.domains_id
                domains = ask(f"domain list {of}", lambda d: firewall_domains(aws.firewall_domains(d)), of)
                filters.append(Filter(group, one, domains or ()))
    return VpcDnsFacts(tuple(filters), tuple(brought), tuple(rules), beside, tuple(unread))


def _rule(aws: Aws, id_: str) -> ResolverRule | None:
    """One that is shared with the account by a profile alone is in no list of its rules."""
    return rule_of(aws.resolver_rules(), id_) or rule_of([aws.resolver_rule(id_)], id_)


def causes(link: Link, aws: Aws, names: Iterable[str], translate: Translate) -> dict[str, tuple[Finding, ...]]:
    """Name -> what surely takes it away, of names that were asked in vain."""
    facts = read(link, aws, translate, zones=True)
    found = {name: [f for f in check(facts, link, [name]) if f.severity is Severity.OBSTACLE] for name in names}
    return {name: tuple(said) for name, said in found.items() if said}


# --- judging ------------------------------------------------------------------------------------------------


def check(facts: VpcDnsFacts, link: Link, asked: Iterable[str] | None = None) -> Iterator[Finding]:
    """asked: the names that it is about; None: all that are configured."""
    names = list(asked) if asked is not None else [host.fqdn(zone.name) for zone, host in link.dns.all_hosts]
    yield from _blocked(facts, link, names)
    for brought, what in (
        *((z, "private zone") for z in facts.zones),
        *((r, "Resolver rule") for r in facts.rules),
    ):
        yield from _taken(brought, what, link, names)
    yield from _closer(facts.beside, link, names)
    if facts.unread:
        yield Finding(
            TOPIC,
            Severity.NOT_PROVED,
            "What else answers names in the VPC could not be read",
            f"Whether DNS Firewall or a Route 53 Profile of {link.aws.vpc_id} takes names away is not known: "
            f"{'; '.join(facts.unread)}.",
            "cloudlink permissions --checks",
            resource=ZONE,
        )


def _blocked(facts: VpcDnsFacts, link: Link, names: Iterable[str]) -> Iterator[Finding]:
    """The first rule that is about a name decides."""
    hit: dict[Filter, list[str]] = {}
    for name in names:
        concrete = name.replace("*.", "any-name.", 1)  # below a wildcard
        first = next(
            (
                f
                for f in facts.filters
                if f.rule.question in _ASKED and any(fits(d, concrete) or fits(d, name) for d in f.domains)
            ),
            None,
        )
        if first is not None and first.rule.action == "BLOCK":
            hit.setdefault(first, []).append(name)
    for found, blocked in hit.items():
        by = f" (by the Route 53 Profile {found.group.profile})" if found.group.profile else ""
        yield Finding(
            TOPIC,
            Severity.OBSTACLE,
            "DNS Firewall blocks names",
            f"The rule {found.rule.name or found.rule.priority} of the DNS Firewall group {found.group.id}{by} is on "
            f"{link.aws.vpc_id} and blocks {_listed(blocked)} ({found.rule.response or 'NODATA'}) before any private zone is asked.",
            f"Ask who keeps it for an ALLOW rule with a lower priority number, or to take the names out of its list: aws "
            f"route53resolver list-firewall-domains --region {link.aws.region} --firewall-domain-list-id {found.rule.domains_id}",
            resource=ZONE,
        )


def _taken(brought: Brought, what: str, link: Link, names: Iterable[str]) -> Iterator[Finding]:
    """More specific than the zone, it answers. Of the same name, what the VPC has itself comes before what a profile brings.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/profile-high-level-steps.html
    """
    zone = link.dns.zone_of(brought.domain)
    if zone is None:
        return
    same = brought.domain == zone.name
    if same and brought.id in {z.adopt for z in link.dns.zones}:
        return
    taken = [] if same else [n for n in names if is_below(n, brought.domain)]
    lost = f"it takes {_listed(taken)}" if taken else "no configured name is below it"
    if same:
        lost = f"the VPC's own zone {zone.name} comes before it, for as long as it is there"
    yield Finding(
        TOPIC,
        Severity.OBSTACLE if taken else Severity.WARNING,
        f"A Route 53 Profile brings a {what}",
        f"The Route 53 Profile {brought.profile} on {link.aws.vpc_id} brings the {what} {brought.id} for {brought.domain}: {lost}.",
        f"Ask who keeps the profile, or take the names out of the configuration: aws route53profiles "
        f"list-profile-resource-associations --region {link.aws.region} --profile-id {brought.profile}",
        resource=ZONE,
    )


def _closer(beside: Iterable[VpcZone], link: Link, names: Iterable[str]) -> Iterator[Finding]:
    """The zone with the longest name answers, with NXDOMAIN for what is not in it.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html
    """
    asked = list(names)
    for other in beside:
        zone, to_azure = link.dns.zone_of(other.name), link.dns.back_zone_of(other.name)
        if to_azure is not None and to_azure.name != other.name:
            yield Finding(
                TOPIC,
                Severity.WARNING,
                "A narrower hosted zone takes names away",
                f"{other.id} of {link.aws.vpc_id} answers {other.name}, and the longest name wins: Azure is not asked for these.",
                resource=ZONE,
            )
            continue
        if zone is None or other.name in link.dns.zone_names:
            continue
        taken = [name for name in asked if is_below(name, other.name)]
        if taken:
            yield Finding(
                TOPIC,
                Severity.OBSTACLE,
                "A more specific private zone is on the VPC",
                f"The private zone {other.id} ({other.name}, of {other.owner or 'an unknown owner'}) is on {link.aws.vpc_id} and answers "
                f"for all names below {other.name}: {_listed(taken)} {'is' if len(taken) == 1 else 'are'} never answered from "
                f"{zone.name}.",
                f"aws route53 disassociate-vpc-from-hosted-zone --hosted-zone-id {other.id} --vpc "
                f"VPCRegion={link.aws.region},VPCId={link.aws.vpc_id}\nis for its owner to run, where nothing else in the VPC needs "
                "that zone; else put these names into it and take them out of the configuration.",
                resource=ZONE,
            )


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
