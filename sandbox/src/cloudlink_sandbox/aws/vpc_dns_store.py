"""DNS Firewall and Route 53 Profiles, as the account keeps them. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cloudlink_sandbox.facts import NameFilter

_KINDS = {"hostedzone": "HOSTED_ZONE", "resolver-rule": "RESOLVER_RULE", "firewall-rule-group": "FIREWALL_RULE_GROUP"}


@dataclass
class RuleGroup:
    """rules: as they are shown, without their group."""

    id: str
    region: str
    name: str
    creator: str
    rules: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class DomainList:
    id: str
    region: str
    name: str
    creator: str
    domains: list[str] = field(default_factory=list)


@dataclass
class Profile:
    """vpcs: VPC -> association, as it is shown. resources: the same of what it holds."""

    id: str
    region: str
    name: str
    vpcs: dict[str, dict[str, Any]] = field(default_factory=dict)
    resources: list[dict[str, Any]] = field(default_factory=list)

    def ids(self, kind: str) -> list[str]:
        """Of what it holds of a kind, as ``hostedzone``."""
        return [r["ResourceArn"].rpartition("/")[2] for r in self.resources if r["ResourceType"] == _KINDS[kind]]


def kind_of(arn: str) -> str | None:
    """The type of a resource that a profile can hold."""
    return _KINDS.get(arn.rpartition(":")[2].partition("/")[0])


@dataclass
class VpcDns:
    groups: dict[str, RuleGroup] = field(default_factory=dict)
    lists: dict[str, DomainList] = field(default_factory=dict)
    associations: dict[str, dict[str, Any]] = field(default_factory=dict)  # of groups with VPCs, as they are shown
    profiles: dict[str, Profile] = field(default_factory=dict)

    def profiled(self, kind: str, id_: str) -> frozenset[str]:
        """The VPCs that a profile gives this resource."""
        return frozenset(v for p in self.profiles.values() if id_ in p.ids(kind) for v in p.vpcs)

    def filters(self) -> tuple[NameFilter, ...]:
        """Every rule on every VPC, in the order in which they are looked at."""
        used = [(False, int(a["Priority"]), a["VpcId"], a["FirewallRuleGroupId"]) for a in self.associations.values()]
        used += [
            (True, 0, vpc, group)
            for p in self.profiles.values()
            for group in p.ids("firewall-rule-group")
            for vpc in p.vpcs
        ]
        return tuple(
            NameFilter(
                vpc,
                tuple(self.lists[rule["FirewallDomainListId"]].domains),
                rule["Action"],
                rule.get("BlockResponse", ""),
                rule.get("BlockOverrideDomain", ""),
                int(rule.get("BlockOverrideTtl") or 0),
                rule.get("Qtype", ""),
            )
            for _, _, vpc, group in sorted(used)
            if group in self.groups
            for rule in sorted(self.groups[group].rules, key=lambda r: int(r["Priority"]))
        )
