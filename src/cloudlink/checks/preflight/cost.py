"""What the link costs a month, and what of that the plan adds."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from cloudlink.checks.preflight.context import Context
from cloudlink.checks.preflight.prices import NOTED, PRICES
from cloudlink.clouds.aws import parse_vpc
from cloudlink.clouds.aws.client import Aws
from cloudlink.core.plan import Action, Plan
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link
from cloudlink.steps.resolver.endpoint import MOST_ADDRESSES

TOPIC = "cost"


@dataclass(frozen=True)
class CostFacts:
    endpoint_subnets: int = 0  # in how many subnets the endpoint has an address, or will have


@dataclass(frozen=True)
class Cost:
    """US dollars a month."""

    whole: float  # of the link, once the plan is carried out
    added: float  # of that, what the plan makes
    besides: tuple[str, ...] = ()  # what is not in it


def read(link: Link, aws: Aws) -> CostFacts:
    cluster = parse_vpc.cluster(aws.eks_cluster(link.aws.eks_cluster))
    subnets = link.dns.endpoint_subnets or (cluster.subnets if cluster is not None else ())
    return CostFacts(min(MOST_ADDRESSES, len(set(subnets))))


def find(context: Context) -> Iterator[Finding]:
    if context.creates:
        yield from check(read(context.link, context.aws), context.link, context.plan)


def estimate(facts: CostFacts, link: Link, plan: Plan) -> Cost:
    """What is adopted costs its owner, with the link or without it."""
    prices = [
        (change, _monthly(change.address, facts, link)) for change in plan.changes if change.action is not Action.DELETE
    ]
    whole = sum(price for _, price in prices)
    added = sum(price for change, price in prices if change.action is Action.CREATE)
    cluster = ("the AKS cluster's nodes",) if link.azure.new_cluster is not None else ()
    return Cost(whole, added, (*cluster, "traffic"))


def check(facts: CostFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    cost = estimate(facts, link, plan)
    if not cost.added:
        return
    besides = f"plus {' and '.join(cost.besides)} (list prices as of {NOTED}, which differ by region)"
    said = f"about {cost.whole:,.0f} USD a month"
    if round(cost.added) != round(cost.whole):
        said += f", of which this plan adds {cost.added:,.0f}"
    yield Finding(TOPIC, Severity.WARNING, "What the link costs", f"The whole link costs {said}, {besides}.")


_ITEMS = {
    "aws_vpn.connection": "VPN connection",
    "resolver.zone": "hosted zone",
    "azure_vpn.public_ip": "public IP",
}


def of_existing(addresses: Collection[str], link: Link) -> float:
    """USD a month of the resources with these addresses. An endpoint counts with the two addresses that it has at least,
    or as many as are configured."""
    facts = CostFacts(len(link.dns.endpoint_subnets or ()) or 2)
    return sum(_monthly(address, facts, link) for address in addresses)


def _monthly(address: str, facts: CostFacts, link: Link) -> float:
    kind = address.partition("[")[0]
    if kind == "azure_vpn.gateway":
        return PRICES[link.azure.sku].monthly
    if kind == "resolver.endpoint":
        return facts.endpoint_subnets * PRICES["Resolver address"].monthly
    return PRICES[_ITEMS[kind]].monthly if kind in _ITEMS else 0.0
