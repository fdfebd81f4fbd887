"""What the link costs a month, and what of that the plan adds."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from cloudlink.checks.preflight.context import Context
from cloudlink.checks.preflight.prices import NOTED, PRICES, Unpriced, aws_unpriced, azure_unpriced
from cloudlink.clouds.aws import parse_cluster
from cloudlink.clouds.aws.client import Aws
from cloudlink.core.plan import Action, Plan
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link
from cloudlink.steps.resolver.back import ADDRESSES
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
    unpriced: tuple[Unpriced, ...] = ()  # the clouds whose part is not in it, because no price is known
    adds: bool = True  # whether the plan makes anything that costs


def read(link: Link, aws: Aws) -> CostFacts:
    cluster = parse_cluster.cluster(aws.eks_cluster(link.aws.eks_cluster))
    return CostFacts(addresses(link, cluster.subnets if cluster is not None else ()))


def addresses(link: Link, of_cluster: Collection[str]) -> int:
    """How many the endpoint gets: one in each subnet that is configured, or of the cluster's."""
    return min(MOST_ADDRESSES, len(set(link.dns.endpoint_subnets or of_cluster)))


def find(context: Context) -> Iterator[Finding]:
    if context.creates:
        yield from check(read(context.link, context.aws), context.link, context.plan)


_LARGE = "what large tunnels cost more than standard ones (https://aws.amazon.com/vpn/pricing)"


def estimate(facts: CostFacts, link: Link, plan: Plan) -> Cost:
    """What is adopted costs its owner, with the link or without it."""
    others = {adopted.address for adopted in plan.adopted}
    left = [c for c in plan.changes if c.action is not Action.DELETE and c.address not in others]
    prices = [(change, _monthly(change.address, facts, link)) for change in left]
    whole = sum(price or 0.0 for _, price in prices)
    added = sum(price or 0.0 for change, price in prices if change.action is Action.CREATE)
    cluster = ("the AKS cluster's nodes",) if link.azure.new_cluster is not None else ()
    large = (_LARGE,) if link.makes_vpn and link.aws.bandwidth == "large" else ()
    unpriced = {_unpriced(change.address, link) for change, price in prices if price is None}
    return Cost(
        whole,
        added,
        (*cluster, *large, "traffic"),
        tuple(sorted((u for u in unpriced if u), key=lambda found: found.place)),
        adds=any(price != 0 for change, price in prices if change.action is Action.CREATE),
    )


def check(facts: CostFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    cost = estimate(facts, link, plan)
    if not cost.adds:
        return
    if cost.unpriced:
        yield from _without_prices(cost)
        return
    besides = f"plus {' and '.join(cost.besides)} (list prices as of {NOTED}, which differ by region)"
    said = f"about {cost.whole:,.0f} USD a month"
    if round(cost.added) != round(cost.whole):
        said += f", of which this plan adds {cost.added:,.0f}"
    yield Finding(TOPIC, Severity.WARNING, "What the link costs", f"The whole link costs {said}, {besides}.")


def _without_prices(cost: Cost) -> Iterator[Finding]:
    """That of another cloud would be a wrong one."""
    clouds = " and ".join(u.place for u in cost.unpriced)
    rest = f" The rest of the link costs about {cost.whole:,.0f} USD a month." if cost.whole else ""
    yield Finding(
        TOPIC,
        Severity.WARNING,
        "What the link costs is not known",
        f"The link costs money by the hour, but no price is known for {clouds}, whose prices differ from the public "
        f"cloud's.{rest}",
        f"See the price list: {'; '.join(u.prices for u in cost.unpriced)}",
    )


# kind of resource -> what is paid for, each so many times
_ITEMS: dict[str, tuple[tuple[str, int], ...]] = {
    "aws_vpn.connection": (("VPN connection", 1), ("public IPv4 address of AWS", 2)),
    "resolver.zone": (("hosted zone", 1),),
    "azure_vpn.public_ip": (("public IP", 1),),
    "dns_forward.endpoint": (("private resolver endpoint", 1),),
    "dns_forward.ruleset": (("private resolver ruleset", 1),),
    "dns_forward.inbound": (("private resolver endpoint", 1),),
    "resolver.back_endpoint": (("Resolver address", ADDRESSES),),
}


def of_existing(existing: Collection[str], link: Link, endpoint: int = 0) -> float | None:
    """USD a month of the resources with these addresses; None: one of them is in a cloud without a known price. endpoint: how
    many addresses it has; 0: not known, so that as many count as are configured, or the two that it has at least."""
    facts = CostFacts(endpoint or len(link.dns.endpoint_subnets or ()) or 2)
    prices = [_monthly(address, facts, link) for address in existing]
    return None if None in prices else sum(price for price in prices if price is not None)


def items(existing: Collection[str], link: Link, endpoint: int = 0) -> tuple[tuple[str, int, float | None], ...]:
    """(what, how many, USD a month of all of them; None: not known) of what has a price. endpoint: as in ``of_existing``."""
    facts = CostFacts(endpoint or len(link.dns.endpoint_subnets or ()) or 2)
    found: dict[str, tuple[int, float | None]] = {}
    for address in existing:
        known = _unpriced(address, link) is None
        for what, many in _items(address, facts, link).items():
            number, price = found.get(what, (0, 0.0))
            price = price + many * PRICES[what].monthly if known and price is not None else None
            found[what] = (number + many, price)
    return tuple((what, number, None if price is None else round(price, 2)) for what, (number, price) in found.items())


def _monthly(address: str, facts: CostFacts, link: Link) -> float | None:
    """None: it costs something, but nobody knows what."""
    paid = _items(address, facts, link)
    if paid and _unpriced(address, link):
        return None
    return sum(many * PRICES[what].monthly for what, many in paid.items())


def _items(address: str, facts: CostFacts, link: Link) -> dict[str, int]:
    """What is paid for, of PRICES, and how many of it."""
    kind = address.partition("[")[0]
    if kind == "azure_vpn.gateway":
        return {link.azure.sku: 1}
    if kind == "resolver.endpoint":
        return {"Resolver address": facts.endpoint_subnets}
    paid = dict(_ITEMS.get(kind, ()))
    if link.aws.transit and kind in ("aws_vpn.connection", "aws_vpn.attachment"):
        paid["transit gateway attachment"] = 1  # a connection attaches itself
    if kind == "aws_vpn.connection" and link.aws.psk_storage == "secrets-manager":
        paid["secret"] = 1  # of a connection: it holds the keys of both tunnels
    return paid


def _unpriced(address: str, link: Link) -> Unpriced | None:
    return azure_unpriced(link) if address.startswith(("azure_vpn.", "dns_forward.")) else aws_unpriced(link)
