"""What the plan makes against what the accounts may have. Most defaults can be raised, which AWS does not say here.

https://docs.aws.amazon.com/vpn/latest/s2svpn/vpn-limits.html
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from cloudlink.checks.preflight.context import Context
from cloudlink.checks.preflight.names import places
from cloudlink.clouds.aws import parse_connections
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_ec2 import count_existing
from cloudlink.clouds.aws.parse_zones import plain_id, zones_of_account
from cloudlink.clouds.azure import parse_ranges
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_usages import Usage, usages
from cloudlink.core.plan import Action, Plan
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link

TOPIC = "quotas"

CONNECTIONS_IN_REGION = 50
CONNECTIONS_ON_GATEWAY = 10
GATEWAYS_IN_REGION = 5
CUSTOMER_GATEWAYS_IN_REGION = 50
ENDPOINTS_IN_REGION = 4
ZONES_IN_ACCOUNT = 500
RECORDS_IN_ZONE = 10_000
RULES_IN_GROUP = 60
RULES_FOR_PREFIX = 2  # DNS over UDP and over TCP

_CONSOLE = "https://{region}.console.aws.amazon.com/servicequotas/home/services/{service}/quotas"


@dataclass(frozen=True)
class QuotaFacts:
    """What exists, in the region (zones: in the account)."""

    connections: int = 0
    connections_by_gateway: Mapping[str, int] = field(default_factory=dict)
    gateways: int = 0
    customer_gateways: int = 0
    endpoints: int = 0
    zones: int = 0
    records: Mapping[str, int] = field(default_factory=dict)  # in zones of others that the link puts names into, by id
    azure_prefixes: int = 0  # that AWS learns, each of which is let in by two rules
    azure: tuple[Usage, ...] = ()


def read(link: Link, aws: Aws, azure: Azure, plan: Plan) -> QuotaFacts:
    """Counts what the plan has read; only Azure's counters are a question of their own."""
    vpn = link.makes_vpn  # else nothing of it is made, so that nothing of it is counted
    connections = [c for c in parse_connections.vpn_connections(aws.vpn_connections() if vpn else ()) if c.exists]
    ranges = parse_ranges.azure_ranges(azure.vnet() if link.azure.new_network is None else None, None)
    vnet = link.azure.new_network.prefixes if link.azure.new_network else ranges.vnet
    asked = _created(plan, "azure_vpn.public_ip") > 0
    adopted = {plain_id(z.adopt) for z in link.dns.zones if z.adopt}
    return QuotaFacts(
        connections=len(connections),
        connections_by_gateway=Counter(c.gateway for c in connections),
        gateways=count_existing(aws.vpn_gateways() if vpn else ()),
        customer_gateways=count_existing(aws.customer_gateways() if vpn else ()),
        endpoints=len(aws.resolver_endpoints()),
        zones=len(aws.hosted_zones()),
        records={z.id: z.records for z in zones_of_account(aws.hosted_zones()) if z.id in adopted} if adopted else {},
        azure_prefixes=len(vnet) + sum(len(p.ranges) for p in ranges.peerings if p.gateway_transit),
        azure=usages(azure.network_usages()) if asked else (),
    )


def find(context: Context) -> Iterator[Finding]:
    if context.creates:
        yield from check(read(context.link, context.aws, context.azure, context.plan), context.link, context.plan)


def check(facts: QuotaFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    region = link.aws.region
    connections = _created(plan, "aws_vpn.connection")
    on_gateway = facts.connections_by_gateway.get(link.aws.adopt_gateway or "", 0)
    where = f"in {region}"
    for what, there, more, most, place, service in (
        ("VPN connections", facts.connections, connections, CONNECTIONS_IN_REGION, where, "ec2"),
        (
            "virtual private gateways",
            facts.gateways,
            0 if link.aws.transit else _created(plan, "aws_vpn.gateway"),
            GATEWAYS_IN_REGION,
            where,
            "ec2",
        ),
        (
            "customer gateways",
            facts.customer_gateways,
            _created(plan, "aws_vpn.customer_gateway"),
            CUSTOMER_GATEWAYS_IN_REGION,
            where,
            "ec2",
        ),
        (
            "Resolver endpoints",
            facts.endpoints,
            _created(plan, "resolver.endpoint") + _created(plan, "resolver.back_endpoint"),
            ENDPOINTS_IN_REGION,
            where,
            "route53resolver",
        ),
        (
            "hosted zones",
            facts.zones,
            _created(plan, "resolver.zone"),
            ZONES_IN_ACCOUNT,
            "in the account",
            "route53",
        ),
    ):
        if more and there + more > most:
            yield _aws(what, there, more, most, place, _CONSOLE.format(region=region, service=service))
    if (
        connections
        and link.aws.adopt_gateway
        and not link.aws.transit
        and on_gateway + connections > CONNECTIONS_ON_GATEWAY
    ):
        yield _aws(
            "VPN connections",
            on_gateway,
            connections,
            CONNECTIONS_ON_GATEWAY,
            f"on {link.aws.adopt_gateway}",
            _CONSOLE.format(region=region, service="ec2"),
        )
    for at in places(link):
        there = facts.records.get(plain_id(at.zone.adopt or ""), 0)
        more = len(at.zone.hosts) + 1  # and what says whose they are
        if there and there + more > RECORDS_IN_ZONE and _created(plan, at.records):
            console = _CONSOLE.format(region=region, service="route53")
            yield _aws("records", there, more, RECORDS_IN_ZONE, f"of the zone {at.zone.adopt}", console)
    rules = facts.azure_prefixes * RULES_FOR_PREFIX
    if rules > RULES_IN_GROUP and _written(plan, "resolver.ingress"):
        yield _aws(
            "rules in the endpoint's security group",
            0,
            rules,
            RULES_IN_GROUP,
            f"(two for each of {facts.azure_prefixes} ranges of Azure)",
            _CONSOLE.format(region=region, service="vpc"),
        )
    yield from _azure(facts, link, plan)


def _aws(what: str, there: int, more: int, most: int, place: str, console: str) -> Finding:
    numbers = (
        f"{there} of {most} {what} {place} are there" if there else f"{more} {what} {place} are needed, {most} allowed"
    )
    wants = f", and the plan makes {more} more" if there else ""
    return Finding(
        TOPIC,
        Severity.WARNING,
        "A quota of AWS may be used up",
        f"{numbers}{wants}. {most} is the default; unless it was raised for this account, AWS refuses what is too many.",
        f"Delete what is not needed any more, or ask for more: {console}",
    )


def _azure(facts: QuotaFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    """Azure says its limits itself, so that more than that is certain to be refused."""
    more = _created(plan, "azure_vpn.public_ip")
    for usage in facts.azure:
        if more and usage.counts_public_ips and usage.limit > 0 and usage.current + more > usage.limit:
            yield Finding(
                TOPIC,
                Severity.OBSTACLE,
                "A quota of Azure is used up",
                f"{usage.current} of {usage.limit} {usage.title} in {link.azure.location} are there, and the gateway needs "
                f"{more} more.",
                "Delete what is not needed any more, or ask for more: "
                "https://portal.azure.com/#view/Microsoft_Azure_Capacity/QuotaMenuBlade/~/myQuotas",
            )


def _created(plan: Plan, kind: str) -> int:
    return sum(1 for c in plan.changes if c.address.partition("[")[0] == kind and c.action is Action.CREATE)


def _written(plan: Plan, address: str) -> bool:
    change = plan.of(address)
    return change is not None and change.action is not Action.NO_OP
