"""The endpoint's security group, and what it lets in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from cloudlink.clouds.aws import cached
from cloudlink.clouds.aws.client import Aws, AwsObject, value_in
from cloudlink.clouds.aws.tags import find_owned, name_for, tag_specification
from cloudlink.clouds.malformed import parsing
from cloudlink.clouds.ownership import owner_of
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
from cloudlink.steps.aws_resource import AwsResource, Parsed
from cloudlink.steps.outputs import Nothing, SecurityGroup, VirtualNetwork


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
    key: ClassVar[str] = "GroupId"
    kind: ClassVar[str] = "AWS's security groups"
    stale: ClassVar[tuple[str, ...]] = (cached.SECURITY_GROUPS,)

    def spec(self, outputs: Outputs) -> GroupSpec:
        return GroupSpec(self.link.aws.vpc_id)

    def listed(self, *, fresh: bool) -> Iterable[AwsObject]:
        return self.aws.security_groups(self.link.aws.vpc_id, fresh=fresh)

    def vpc_of(self, item: AwsObject) -> str:
        return str(item["VpcId"])

    def parse(self, item: AwsObject, *, fresh: bool) -> Parsed:
        out = SecurityGroup(item["GroupId"])
        return Parsed(out.id, Phase.READY, GroupSpec(item["VpcId"]), out)

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[GroupSpec, SecurityGroup] | None:
        """Raises ConflictError for a group of our name without our tags: names are unique in a VPC."""
        found = super().find(receipts, fresh=fresh)
        if found is not None:
            return found
        name = name_for(self.link.name, "resolver")
        with parsing(self.kind):
            foreign = next((str(g["GroupId"]) for g in self.listed(fresh=False) if g["GroupName"] == name), None)
        if foreign is not None:
            raise ConflictError(
                "A security group of our name exists without cloudlink's tags",
                f"{foreign} in {self.link.aws.vpc_id} is called {name}, but cloudlink did not make it.",
                "Delete it if nothing uses it, or give the link another name.",
                resource=self.address,
            )
        return None

    def create(self, spec: GroupSpec) -> Started:
        name = name_for(self.link.name, "resolver")
        try:
            made = self.aws.ec2_once.create_security_group(
                GroupName=name,
                Description=f"DNS from Azure to the Resolver endpoint of cloudlink {self.link.name}",
                VpcId=spec.vpc,
                TagSpecifications=tag_specification("security-group", owner_of(self.link), self.address, name),
            )
        finally:
            self.aws.cache.invalidate(cached.SECURITY_GROUPS)
        return Started(value_in(made, "GroupId"))

    def remove(self, id_: str) -> None:
        """Refused with DependencyViolation until the endpoint's network interfaces are gone."""
        self.aws.ec2.delete_security_group(GroupId=id_)


def find_group(link: Link, address: str, receipts: Receipts, groups: list[AwsObject]) -> AwsObject | None:
    """The endpoint's group by receipt or tags."""
    return find_owned(
        groups,
        key="GroupId",
        owner=owner_of(link),
        address=address,
        receipt=receipts.get(address),
        region=link.aws.region,
        vpc_of=lambda group: str(group["VpcId"]),
    )


@dataclass(frozen=True, order=True)
class Rule:
    """One inbound rule."""

    protocol: str
    first_port: int
    last_port: int
    source: str  # a prefix, or whatever else AWS lets in (a group, a prefix list)
    description: str


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

    def spec(self, outputs: Outputs) -> IngressSpec:
        says = f"cloudlink {self.link.name}: DNS from Azure"
        rules = {
            Rule(protocol, 53, 53, str(prefix), says)
            for prefix in outputs[self.network].advertised
            for protocol in ("tcp", "udp")
        }
        return IngressSpec(outputs[self.group].id, frozenset(rules))

    @parsing("AWS's security groups")
    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[IngressSpec, Nothing] | None:
        groups = self.aws.security_groups(self.link.aws.vpc_id, fresh=fresh)
        group = find_group(self.link, self.group.address, receipts, groups)
        if group is None:
            return None
        rules = frozenset(rule for permission in group.get("IpPermissions") or () for rule in rules_of(permission))
        if not rules:
            return None
        spec = IngressSpec(group["GroupId"], rules)
        return Observed(spec.group, Phase.READY, spec, Nothing(), Ownership.OWNED, f"{len(rules)} rules")

    def create(self, spec: IngressSpec) -> Started:
        self._call("authorize_security_group_ingress", spec.group, spec.rules)
        return Started(spec.group)

    def update(self, found: Observed[IngressSpec, Nothing], spec: IngressSpec) -> Started:
        """Let in first, describe then, shut out last: one call each, so that nothing is refused in between."""
        assert found.spec is not None
        now = {_key(rule): rule for rule in found.spec.rules}
        wanted = {_key(rule): rule for rule in spec.rules}
        missing = [wanted[key] for key in wanted.keys() - now.keys()]
        renamed = [wanted[key] for key in wanted.keys() & now.keys() if wanted[key] != now[key]]
        if missing:
            self._call("authorize_security_group_ingress", spec.group, missing)
        elif renamed:
            self._call("update_security_group_rule_descriptions_ingress", spec.group, renamed)
        else:
            self._call("revoke_security_group_ingress", spec.group, found.spec.rules - spec.rules)
        return Started(spec.group)

    def delete(self, found: Observed[IngressSpec, Nothing], prior_state: Any) -> Started | None:
        assert found.spec is not None
        try:
            self._call("revoke_security_group_ingress", found.id, found.spec.rules)
        except Exception as error:
            if self.aws.missing(error):
                return None
            raise
        return Started(found.id)

    def _call(self, operation: str, group: str, rules: Any) -> None:
        try:
            permissions = [permission_of(rule) for rule in sorted(rules)]
            getattr(self.aws.ec2, operation)(GroupId=group, IpPermissions=permissions)
        finally:
            self.aws.cache.invalidate(cached.SECURITY_GROUPS)


def _key(rule: Rule) -> tuple[str, int, int, str]:
    return rule.protocol, rule.first_port, rule.last_port, rule.source


_SOURCES = (  # where AWS lists sources, and the field that names one
    ("IpRanges", "CidrIp"),
    ("Ipv6Ranges", "CidrIpv6"),
    ("PrefixListIds", "PrefixListId"),
    ("UserIdGroupPairs", "GroupId"),
)

_ALL_PORTS = -1


def rules_of(permission: AwsObject) -> list[Rule]:
    """AWS's form, many sources under one protocol and port range, taken apart."""
    first, last = permission.get("FromPort", _ALL_PORTS), permission.get("ToPort", _ALL_PORTS)
    return [
        Rule(permission["IpProtocol"], first, last, item[name], item.get("Description", ""))
        for sources, name in _SOURCES
        for item in permission.get(sources) or ()
    ]


def permission_of(rule: Rule) -> dict[str, Any]:
    """The way back of ``rules_of`` for one rule."""
    if rule.source.startswith("sg-"):
        sources, name = "UserIdGroupPairs", "GroupId"
    elif rule.source.startswith("pl-"):
        sources, name = "PrefixListIds", "PrefixListId"
    else:
        sources, name = ("Ipv6Ranges", "CidrIpv6") if ":" in rule.source else ("IpRanges", "CidrIp")
    source = {name: rule.source, **({"Description": rule.description} if rule.description else {})}
    ports = {} if rule.protocol == "-1" else {"FromPort": rule.first_port, "ToPort": rule.last_port}
    return {"IpProtocol": rule.protocol, **ports, sources: [source]}
