"""What keeps names of Azure's private zones from EKS and the VPC: before the rule, and behind it.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network

from cloudlink.checks import back
from cloudlink.checks.back import ZoneSeen
from cloudlink.checks.preflight import aws as aws_topic
from cloudlink.checks.preflight.context import Context
from cloudlink.checks.preflight.filters import check_asked, check_questions
from cloudlink.checks.preflight.vnet_dns import subnet_findings
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_acls import Acl, acls
from cloudlink.clouds.aws.parse_resolver import ResolverRule, own_rules, rules_of_vpc
from cloudlink.clouds.aws.parse_vpc import Subnet, dhcp_options_of, name_servers
from cloudlink.clouds.aws.parse_vpc import vpc as parse_vpc
from cloudlink.clouds.aws.parse_zones import VpcZone, zones_of_vpc
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_filters import SecurityGroup, security_group
from cloudlink.clouds.azure.parse_network import Subnet as AzureSubnet
from cloudlink.clouds.azure.parse_network import Vnet, vnet
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link
from cloudlink.steps.dns_forward.back import inbound
from cloudlink.steps.dns_forward.resolver import free_prefix
from cloudlink.steps.resolver.back import ADDRESSES, CREATORS
from cloudlink.steps.resolver.endpoint import spread

TOPIC = "names"
MOST_INBOUND = 5  # endpoints of a resolver; learn.microsoft.com/azure/azure-resource-manager/management/azure-subscription-service-limits
_PUBLIC = (".windows.net", ".azure.com", ".azure.net", ".azurecr.io", ".azmk8s.io", ".microsoft.com")


@dataclass(frozen=True)
class BackFacts:
    zones: tuple[ZoneSeen, ...] = ()
    hosted: tuple[VpcZone, ...] = ()  # of the VPC
    rules: tuple[ResolverRule, ...] = ()  # that the VPC uses
    ours: frozenset[str] = frozenset()  # ids of our own among them
    room: Vnet | None = None  # where the inbound endpoint's subnet is to be made; None: it is there
    endpoints: int = 0  # inbound ones that the VNet's resolver has
    acls: tuple[Acl, ...] = ()  # of the VPC
    asking: tuple[Subnet, ...] = ()  # of the VPC, in which the outbound endpoint has its addresses
    asked: AzureSubnet | None = None  # the inbound endpoint's, where it exists
    group: SecurityGroup | None = None  # before that
    to: tuple[IPv4Network, ...] = ()  # where the inbound endpoint has its address, or will have it
    vpc: tuple[IPv4Network, ...] = ()
    servers: tuple[str, ...] = ()  # that machines in the VPC ask for names by its DHCP options; none: AWS's own


def find(context: Context) -> Iterator[Finding]:
    if context.link.dns.back and (context.writes("resolver.back_") or context.writes("dns_forward.inbound")):
        yield from check(read(context.link, context.aws, context.azure), context.link)


def read(link: Link, aws: Aws, azure: Azure) -> BackFacts:
    vpc, rules = link.aws.vpc_id, aws.resolver_rules()
    raw = azure.vnet()
    found = vnet(raw) if raw else None
    own = f"/{azure.name('dns-in')}".lower()
    there = inbound(azure)
    own_vpc = aws.vpc(vpc)
    options, known = dhcp_options_of(own_vpc), parse_vpc(own_vpc)
    return BackFacts(
        back.read(link, azure),
        zones_of_vpc(aws.zones_of_vpc(vpc)),
        rules_of_vpc(rules, aws.resolver_rule_associations(vpc), vpc),
        frozenset(r.id for r in own_rules(rules, f"{CREATORS}/{link.name}/{vpc}/")),
        found if found is not None and found.subnet(azure.dns_inbound_subnet_id) is None else None,
        sum(not e.object.id.lower().endswith(own) for e in there),
        acls(aws.network_acls(vpc)),
        _asking(link, aws, azure),
        asked := found.subnet(azure.dns_inbound_subnet_id) if found is not None else None,
        _group(azure, asked),
        asked.prefixes if asked is not None else _to_be(link, found),
        known.ranges if known is not None else (),
        name_servers(aws.dhcp_options(options)) if options else (),
    )


def _asking(link: Link, aws: Aws, azure: Azure) -> tuple[Subnet, ...]:
    """As the outbound endpoint will be placed: in two of the inbound one's subnets."""
    facts = aws_topic.read(link, aws, azure)
    ids = set(aws_topic.endpoint_subnets(facts, link))
    chosen = spread({s.id: s.zone for s in facts.subnets if s.id in ids}, ADDRESSES)
    return tuple(s for s in facts.subnets if s.id in chosen)


def _group(azure: Azure, subnet: AzureSubnet | None) -> SecurityGroup | None:
    raw = azure.thing(subnet.security_group_id) if subnet is not None and subnet.security_group_id else None
    return security_group(raw) if raw is not None else None


def _to_be(link: Link, found: Vnet | None) -> tuple[IPv4Network, ...]:
    """The range that the inbound endpoint's subnet gets, as far as it can be told."""
    if link.dns.inbound_subnet is not None or found is None:
        return (link.dns.inbound_subnet,) if link.dns.inbound_subnet is not None else ()
    free = free_prefix(link, found.prefixes, [p for s in found.subnets for p in s.prefixes])
    return (free,) if free is not None else ()


def check(facts: BackFacts, link: Link) -> Iterator[Finding]:
    yield from subnet_findings(facts.room, link, link.dns.inbound_subnet, "dns.inbound_subnet_prefix")
    if facts.endpoints >= MOST_INBOUND:
        yield _found(
            Severity.OBSTACLE,
            "The VNet's DNS resolver is full",
            f"The resolver of {link.azure.vnet} has {facts.endpoints} inbound endpoints, and {MOST_INBOUND} are the most.",
            "Take away one that is not needed any more.",
        )
    yield from check_questions(facts.acls, [s.id for s in facts.asking], facts.to, link)
    if facts.group is not None and facts.asked is not None:
        sources = tuple(s.network for s in facts.asking if s.network is not None)
        yield from check_asked(facts.group, facts.asked, sources)
    yield from _asked_elsewhere(facts, link)
    for zone in facts.zones:
        yield from _in_azure(zone, link)
        yield from _in_aws(zone.name, facts, link)


def _asked_elsewhere(facts: BackFacts, link: Link) -> Iterator[Finding]:
    """Rules are of Route 53 Resolver, at the VPC's second address: machines that ask others by DHCP, and pods by way of them, are not
    served by it. https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html"""
    own = {"AmazonProvidedDNS", "169.254.169.253", *(str(n.network_address + 2) for n in facts.vpc)}
    if facts.servers and not own.intersection(facts.servers):
        yield _found(
            Severity.WARNING,
            "The VPC's machines ask other name servers",
            f"The DHCP options of {link.aws.vpc_id} name {', '.join(facts.servers)} as name servers, so that nodes of EKS, and pods by way "
            "of them, do not ask Route 53 Resolver: names of Azure's zones are found only if these servers ask it in turn.",
            "Have them forward "
            f"{', '.join(z.name for z in link.dns.back)} to the VPC's second address, or name AmazonProvidedDNS in the options.",
        )


def _in_azure(zone: ZoneSeen, link: Link) -> Iterator[Finding]:
    side = link.azure
    if not zone.id:
        yield _found(
            Severity.OBSTACLE,
            "The private DNS zone does not exist",
            f"No private DNS zone {zone.name} can be seen in the subscription {side.vnet_subscription}: Azure would answer EKS with "
            "what the public DNS says.",
            f"Create it: {back.creating(link, zone)}",
        )
    elif not zone.linked:
        yield _found(
            Severity.OBSTACLE,
            "The private DNS zone is not linked to the VNet",
            f"{zone.id} is not linked to {side.vnet}: its resolver, which answers EKS, does not know the zone's names then.",
            back.linking(link, zone),
        )
    if not zone.name.startswith("privatelink.") and f".{zone.name}".endswith(_PUBLIC):
        yield _found(
            Severity.WARNING,
            "The zone holds names of everybody's",
            f"Public names end with {zone.name}, those of others as well: whatever machines in the VPC ask below it then goes to Azure, "
            "and what the private zone does not have does not exist for them.",
            f"Take the zone of private endpoints: privatelink.{zone.name}",
        )


def _in_aws(name: str, facts: BackFacts, link: Link) -> Iterator[Finding]:
    vpc = link.aws.vpc_id
    for hosted in facts.hosted:
        if hosted.name == name:
            yield _found(
                Severity.OBSTACLE,
                "A hosted zone of the VPC has the name of the zone in Azure",
                f"{hosted.id} is associated with {vpc} and is called {name}: the rule would come before it, and its names would be "
                "gone for the VPC.",
                "Take it off the VPC: aws route53 disassociate-vpc-from-hosted-zone "
                f"--hosted-zone-id {hosted.id} --vpc VPCRegion={link.aws.region},VPCId={vpc}",
            )
        elif hosted.name.endswith(f".{name}"):
            yield _found(
                Severity.WARNING,
                "A narrower hosted zone takes names away",
                f"{hosted.id} of {vpc} answers {hosted.name}, and the longest name wins: Azure is not asked for these.",
            )
    for rule in facts.rules:
        if rule.id in facts.ours:
            continue
        if rule.domain == name:
            yield _found(
                Severity.OBSTACLE,
                "A Resolver rule of the VPC is for the zone already",
                f"{rule.id} ({rule.kind}) is associated with {vpc} for {name}, and AWS takes one rule for a name.",
                f"aws route53resolver disassociate-resolver-rule --region {link.aws.region} --resolver-rule-id {rule.id} "
                f"--vpc-id {vpc}",
            )
        elif rule.domain.endswith(f".{name}"):
            yield _found(
                Severity.WARNING,
                "A narrower Resolver rule takes names away",
                f"{rule.id} ({rule.kind}) decides on {rule.domain}, and the longest name wins: Azure is not asked for these.",
            )


def _found(severity: Severity, summary: str, detail: str, hint: str = "") -> Finding:
    return Finding(TOPIC, severity, summary, detail, hint, resource="resolver.back_endpoint")
