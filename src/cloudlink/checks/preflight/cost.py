"""A rough estimate of what the plan costs a month."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cloudlink.checks.preflight.context import Context
from cloudlink.checks.preflight.facts import PreflightFacts
from cloudlink.core.plan import Action, Plan
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link

PRICES = {"vpn connection": 36.5, "resolver address": 91.25, "zone": 0.5, "gateway VpnGw1AZ": 153.3, "public ip": 3.65}
"""Rough list prices a month in USD, for the estimate on the plan; they differ by region."""


def find(context: Context) -> Iterator[Finding]:
    if context.creates:
        facts = PreflightFacts(eks=context.aws.eks_cluster(context.link.aws.eks_cluster))
        for text in estimate(context.link, facts, context.plan):
            yield Finding("cost", Severity.WARNING, "Estimate", text)


def estimate(link: Link, facts: PreflightFacts, plan: Plan) -> Iterable[str]:
    def made(prefix: str) -> int:
        return sum(1 for c in plan.changes if c.address.startswith(prefix) and c.action is Action.CREATE)

    cluster = ((facts.eks or {}).get("resourcesVpcConfig") or {}).get("subnetIds") or ()
    addresses = min(6, len(link.dns.endpoint_subnets or cluster)) if made("resolver.endpoint") else 0
    total = (
        made("aws_vpn.connection") * PRICES["vpn connection"]
        + addresses * PRICES["resolver address"]
        + made("resolver.zone") * PRICES["zone"]
        + made("azure_vpn.public_ip") * PRICES["public ip"]
        + (PRICES["gateway VpnGw1AZ"] if made("azure_vpn.gateway") and link.azure.sku == "VpnGw1AZ" else 0)
    )
    if total:
        more = [f"the {link.azure.sku} gateway"] * (link.azure.sku != "VpnGw1AZ" and made("azure_vpn.gateway"))
        more += ["the AKS cluster's nodes"] * made("azure_vpn.cluster")
        plus = ", ".join((*more, "traffic"))
        yield f"Estimate: about {total:.0f} USD a month, plus {plus} (list prices, which differ by region)."
