"""The endpoint's security group, and what it lets in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from cloudlink.clouds.aws import parse_groups, requests, resolver
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_ec2 import Ec2Object
from cloudlink.clouds.aws.parse_groups import Rule
from cloudlink.clouds.aws.requests import Request
from cloudlink.clouds.aws.tags import find_owned
from cloudlink.clouds.ownership import owner_of
from cloudlink.core.permissions import Permissions
from cloudlink.core.resource import (
    Node,
    Observed,
    Outputs,
    Ownership,
    Phase,
    Receipts,
    Resource,
    Started,
    Timing,
    built_on,
)
from cloudlink.errors import ConflictError
from cloudlink.link import Link
from cloudlink.steps.aws_resource import AwsResource, Parsed, started_unless_gone
from cloudlink.steps.outputs import Nothing, SecurityGroup, VirtualNetwork
from cloudlink.steps.permissions import TAG, Existing, iam

_READ = iam("ec2:DescribeSecurityGroups")
_LET_IN = iam("ec2:AuthorizeSecurityGroupIngress", "security-group")
_SHUT_OUT = iam("ec2:RevokeSecurityGroupIngress", "security-group")


@dataclass(frozen=True)
class GroupSpec:
    vpc: str


@dataclass(frozen=True, kw_only=True, eq=False)
class ResolverGroup(AwsResource[GroupSpec, SecurityGroup]):
    """A group of the endpoint's own, because an endpoint's groups cannot be exchanged: only rules can change.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
    """

    timing: ClassVar[Timing] = Timing(create=2, delete=3)
    immutable: ClassVar[frozenset[str]] = frozenset({"vpc"})
    permissions: ClassVar[Permissions] = Permissions(
        read=(_READ,),
        create=(iam("ec2:CreateSecurityGroup", "vpc", "security-group"), TAG),
        delete=(iam("ec2:DeleteSecurityGroup", "security-group"),),
        marks=(TAG,),
    )

    part: ClassVar[str] = "resolver"  # in its name

    @property
    def description(self) -> str:
        return group_description(self.link)

    def spec(self, outputs: Outputs) -> GroupSpec:
        return GroupSpec(self.link.aws.vpc_id)

    def listed(self, *, fresh: bool) -> Iterable[Ec2Object]:
        return parse_groups.groups(self.aws.security_groups(self.link.aws.vpc_id, fresh=fresh))

    def vpc_of(self, item: Ec2Object) -> str:
        return parse_groups.vpc_of(item.answer)

    def parse(self, item: Ec2Object, *, fresh: bool) -> Parsed:
        return Parsed(Phase.READY, GroupSpec(parse_groups.vpc_of(item.answer)), SecurityGroup(item.id))

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[GroupSpec, SecurityGroup] | None:
        """Raises ConflictError for a group of our name without our tags: names are unique in a VPC."""
        found = super().find(receipts, fresh=fresh)
        if found is not None:
            return found
        name = self.mark(self.part).name
        there = parse_groups.security_groups(self.aws.security_groups(self.link.aws.vpc_id))
        foreign = next((group.id for group in there if group.name == name), None)
        if foreign is not None:
            raise ConflictError(
                "A security group of our name exists without cloudlink's tags",
                f"{foreign} in {self.link.aws.vpc_id} is called {name}, but cloudlink did not make it.",
                "Delete it if nothing uses it, or give the link another name.",
                resource=self.address,
            )
        return None

    def creation(self, existing: Existing) -> Request:
        return requests.create_group(self.link.aws.vpc_id, self.description, self.mark(self.part))

    def removal(self, id_: str) -> Request:
        return requests.delete_group(id_)

    def create(self, spec: GroupSpec) -> Started:
        made = resolver.create_group(self.aws, spec.vpc, self.description, self.mark(self.part))
        return Started(made, made=Observed(made, Phase.READY, spec, SecurityGroup(made), Ownership.OWNED))

    def remove(self, id_: str) -> None:
        """Refused with DependencyViolation until the endpoint's network interfaces are gone."""
        resolver.delete_group(self.aws, id_)


def group_description(link: Link) -> str:
    return f"DNS from Azure to the Resolver endpoint of cloudlink {link.name}"


def find_group(link: Link, address: str, receipts: Receipts, groups: Iterable[Ec2Object]) -> Ec2Object | None:
    """The endpoint's group by receipt or tags."""
    return find_owned(
        groups,
        owner=owner_of(link),
        address=address,
        receipt=receipts.get(address),
        region=link.aws.region,
        vpc_of=lambda item: parse_groups.vpc_of(item.answer),
    )


@dataclass(frozen=True)
class IngressSpec:
    group: str
    rules: frozenset[Rule]


@dataclass(frozen=True, kw_only=True, eq=False)
class Ingress(Resource[IngressSpec, Nothing]):
    """DNS over UDP and TCP from every prefix that Azure advertises: a forwarder uses the transport of its client.

    The group is ours alone, so any other rule in it is drift.
    """

    link: Link
    aws: Aws
    group: Node[SecurityGroup] = built_on()
    network: Node[VirtualNetwork]
    timing: ClassVar[Timing] = Timing(create=2, update=2, delete=2, deadline=120)
    immutable: ClassVar[frozenset[str]] = frozenset({"group"})
    permissions: ClassVar[Permissions] = Permissions(
        read=(_READ,),
        create=(_LET_IN,),
        update=(_LET_IN, _SHUT_OUT, iam("ec2:UpdateSecurityGroupRuleDescriptionsIngress", "security-group")),
        delete=(_SHUT_OUT,),
    )

    def spec(self, outputs: Outputs) -> IngressSpec:
        says = f"cloudlink {self.link.name}: DNS from Azure"
        rules = {
            Rule(protocol, 53, 53, str(prefix), says)
            for prefix in outputs[self.network].advertised
            for protocol in ("tcp", "udp")
        }
        return IngressSpec(outputs[self.group].id, frozenset(rules))

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[IngressSpec, Nothing] | None:
        groups = parse_groups.groups(self.aws.security_groups(self.link.aws.vpc_id, fresh=fresh))
        group = find_group(self.link, self.group.address, receipts, groups)
        if group is None:
            return None
        rules = parse_groups.rules(group.answer)
        if not rules:
            return None
        return self._observed(IngressSpec(group.id, rules))

    def create(self, spec: IngressSpec) -> Started:
        there = IngressSpec(spec.group, resolver.change_rules(self.aws, spec.group, "let in", spec.rules))
        if there != spec:
            return Started(spec.group)
        return Started(spec.group, made=self._observed(there))

    def _observed(self, spec: IngressSpec) -> Observed[IngressSpec, Nothing]:
        return Observed(spec.group, Phase.READY, spec, Nothing(), Ownership.OWNED, f"{len(spec.rules)} rules")

    def update(self, found: Observed[IngressSpec, Nothing], spec: IngressSpec) -> Started:
        """Let in first, describe then, shut out last: one call each, so that nothing is refused in between."""
        assert found.spec is not None
        now = {_key(rule): rule for rule in found.spec.rules}
        wanted = {_key(rule): rule for rule in spec.rules}
        missing = [wanted[key] for key in wanted.keys() - now.keys()]
        renamed = [wanted[key] for key in wanted.keys() & now.keys() if wanted[key] != now[key]]
        if missing:
            resolver.change_rules(self.aws, spec.group, "let in", missing)
        elif renamed:
            resolver.change_rules(self.aws, spec.group, "describe", renamed)
        else:
            resolver.change_rules(self.aws, spec.group, "shut out", found.spec.rules - spec.rules)
        return Started(spec.group)

    def delete(self, found: Observed[IngressSpec, Nothing], prior_state: Any) -> Started | None:
        assert found.spec is not None
        rules = found.spec.rules
        return started_unless_gone(
            self.aws, found.id, lambda: resolver.change_rules(self.aws, found.id, "shut out", rules)
        )


def _key(rule: Rule) -> tuple[str, int, int, str]:
    return rule.protocol, rule.first_port, rule.last_port, rule.source
