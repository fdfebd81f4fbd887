"""Rules of Route 53 Resolver: which names of a VPC are asked of others before its private zones are looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_IN_FORCE = frozenset({"COMPLETE", "CREATING", "OVERRIDDEN"})


@dataclass(frozen=True)
class ForwardRule:
    id: str
    domain: str  # without the trailing dot
    targets: tuple[str, ...]  # addresses that are asked


def forward_rules(rules: Iterable[Mapping[str, Any]], associations: Iterable[Mapping[str, Any]]) -> list[ForwardRule]:
    """Those that forward and are associated, from ListResolverRules and ListResolverRuleAssociations of one VPC."""
    associated = {str(a.get("ResolverRuleId")) for a in associations if a.get("Status", "COMPLETE") in _IN_FORCE}
    return [
        ForwardRule(
            str(rule["Id"]),
            str(rule.get("DomainName") or "").rstrip(".").lower(),
            tuple(str(t["Ip"]) for t in rule.get("TargetIps") or () if t.get("Ip")),
        )
        for rule in rules
        if str(rule.get("Id")) in associated and rule.get("RuleType") == "FORWARD"
    ]


def taking_away(rules: Iterable[ForwardRule], zone: str, names: Iterable[str]) -> list[ForwardRule]:
    """Rules that answer for a name instead of the zone: a rule wins over a zone of its own name, and over one above it.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html
    """
    wanted = tuple(names)
    return [
        rule
        for rule in rules
        if rule.domain == zone
        or (rule.domain.endswith(f".{zone}") and any(n == rule.domain or n.endswith(f".{rule.domain}") for n in wanted))
    ]
