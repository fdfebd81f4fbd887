"""Names back, on AWS's side: an outbound endpoint, and for each zone a rule that sends its names to Azure's inbound endpoint.

A rule has an effect from the moment that it is associated with the VPC: that is done last, and undone first.
https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/resolver-rules-managing.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import Any, ClassVar, Literal

from cloudlink.clouds.aws import parse_groups, parse_resolver, parse_vpc, resolver
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_ec2 import Ec2Object
from cloudlink.clouds.aws.parse_resolver import OwnRule
from cloudlink.clouds.ownership import owner_of
from cloudlink.core.permissions import Permissions
from cloudlink.core.plan import FieldChange, spec_hash
from cloudlink.core.resource import (
    Lookup,
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
from cloudlink.steps.aws_resource import Parsed, mark_of, started_unless_gone
from cloudlink.steps.outputs import AzureInbound, Nothing, ResolverRule, SecurityGroup
from cloudlink.steps.permissions import iam
from cloudlink.steps.resolver.endpoint import GENERATION_SECONDS, InboundEndpoint, Subnets, spread
from cloudlink.steps.resolver.security_group import ResolverGroup

ADDRESSES = 2
"""Of the outbound endpoint: as many as AWS asks for, each paid by the hour."""

CREATORS = "cloudlink-back"
_RULES = "resolver.back_rule["
_ASSOCIATIONS = "resolver.back_association["


@dataclass(frozen=True, kw_only=True, eq=False)
class BackSubnets(Lookup[Subnets]):
    """Two of the subnets in which the inbound endpoint has addresses, from two availability zones where there are."""

    link: Link
    aws: Aws
    every: Node[Subnets]

    def read(self, outputs: Outputs) -> Subnets:
        ids = outputs[self.every].ids
        zones = {s.id: s.zone for s in parse_vpc.subnets(self.aws.subnets(self.link.aws.vpc_id)) if s.id in ids}
        return Subnets(frozenset(spread(zones, ADDRESSES)))


@dataclass(frozen=True)
class BackGroupSpec:
    vpc: str
    asks: bool = True  # lets questions out


_LET_OUT = iam("ec2:AuthorizeSecurityGroupEgress", "security-group")


@dataclass(frozen=True, kw_only=True, eq=False)
class BackGroup(ResolverGroup):
    """Of the outbound endpoint. AWS lets everything out of a new group; whoever takes that away stops the questions."""

    part: ClassVar[str] = "resolver-back"
    permissions: ClassVar[Permissions] = replace(ResolverGroup.permissions, update=(_LET_OUT,))

    @property
    def description(self) -> str:
        return f"DNS from the Resolver endpoint of cloudlink {self.link.name} to Azure"

    def spec(self, outputs: Outputs) -> Any:
        return BackGroupSpec(self.link.aws.vpc_id)

    def parse(self, item: Ec2Object, *, fresh: bool) -> Parsed:
        spec = BackGroupSpec(parse_groups.vpc_of(item.answer), parse_groups.lets_dns_out(item.answer))
        return Parsed(Phase.READY, spec, SecurityGroup(item.id))

    def update(self, found: Observed[Any, SecurityGroup], spec: Any) -> Started:
        resolver.let_dns_out(self.aws, found.id)
        return Started(found.id)


@dataclass(frozen=True, kw_only=True, eq=False)
class OutboundEndpoint(InboundEndpoint):
    direction: ClassVar[Literal["INBOUND", "OUTBOUND"]] = "OUTBOUND"
    part: ClassVar[str] = "resolver-back"
    creators: ClassVar[str] = CREATORS


# --- rules ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BackRuleSpec:
    domain: str
    targets: tuple[str, ...]  # sorted
    endpoint: str


def _rule(operation: str) -> Any:
    return iam(f"route53resolver:{operation}", "resolver-rule")


_LIST = iam("route53resolver:ListResolverRules")
_LIST_USES = iam("route53resolver:ListResolverRuleAssociations")
_TAGS = _rule("TagResource")


@dataclass(frozen=True, kw_only=True, eq=False)
class BackRule(Resource[BackRuleSpec, ResolverRule]):
    """It is found by its CreatorRequestId, which is ours and is listed; rules belong to no VPC, so it names that as well."""

    link: Link
    aws: Aws
    zone: str
    endpoint: Node[Any] = built_on()
    inbound: Node[AzureInbound]

    timing: ClassVar[Timing] = Timing(create=2, update=30, delete=30, deadline=600)
    immutable: ClassVar[frozenset[str]] = frozenset({"domain"})
    permissions: ClassVar[Permissions] = Permissions(
        read=(_LIST,),
        create=(_rule("CreateResolverRule"), _TAGS),
        update=(_rule("UpdateResolverRule"),),
        delete=(_rule("DeleteResolverRule"),),
        marks=(_TAGS,),
        owner_only="make a Resolver rule",
    )

    def spec(self, outputs: Outputs) -> BackRuleSpec:
        return BackRuleSpec(self.zone, (str(outputs[self.inbound].address),), outputs[self.endpoint].id)

    @property
    def _creator(self) -> str:
        return f"{CREATORS}/{self.link.name}/{self.link.aws.vpc_id}/{self.zone}/"

    def ours(self, *, fresh: bool) -> OwnRule | None:
        """Raises ConflictError when two live rules have our mark."""
        found = parse_resolver.own_rules(self.aws.resolver_rules(fresh=fresh), self._creator)
        live = [r for r in found if r.status != "DELETING"]
        if len(live) > 1:
            raise ConflictError(
                "Two Resolver rules are of this link",
                f"{' and '.join(sorted(r.id for r in live))} were both made for {self.zone} of the link {self.link.name}.",
                "Delete the one that the VPC does not use, then run the command again.",
                resource=self.address,
            )
        return next(iter(live or found), None)

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[BackRuleSpec, ResolverRule] | None:
        del receipts
        found = self.ours(fresh=fresh)
        if found is None:
            return None
        phase = {"COMPLETE": Phase.READY, "DELETING": Phase.DELETING, "FAILED": Phase.FAILED}
        now = phase.get(found.status, Phase.CREATING)
        spec = BackRuleSpec(found.domain, found.targets, found.endpoint)
        said = f"{found.status}: {found.message}".removesuffix(": ")
        lacking = self._lacking(found.arn, fresh=fresh) if now is Phase.READY else ()
        return Observed(found.id, now, spec, ResolverRule(found.id), Ownership.OWNED, said, lacking=lacking)

    def _lacking(self, arn: str, *, fresh: bool) -> tuple[FieldChange, ...]:
        return owner_of(self.link).lacking(self.aws.endpoint_tags(arn, fresh=fresh)) if self.link.tags else ()

    def complete_marks(self, found: Observed[BackRuleSpec, ResolverRule]) -> Started:
        rule = self.ours(fresh=False)
        assert rule is not None, "what lacks tags is there"
        self.aws.tag_endpoint(rule.arn, dict(self.link.tags))
        return Started(found.id)

    def create(self, spec: BackRuleSpec) -> Started:
        generation = int(self.aws.clock.now() // GENERATION_SECONDS)
        made = resolver.create_rule(
            self.aws,
            mark_of(self.link, self.address, "back"),
            creator=f"{self._creator}{spec_hash(spec)}/{generation}",
            domain=spec.domain,
            targets=_addresses(spec.targets),
            endpoint=spec.endpoint,
        )
        return Started(made)

    def update(self, found: Observed[BackRuleSpec, ResolverRule], spec: BackRuleSpec) -> Started:
        resolver.update_rule(self.aws, found.id, targets=_addresses(spec.targets), endpoint=spec.endpoint)
        return Started(found.id)

    def delete(self, found: Observed[BackRuleSpec, ResolverRule], prior_state: Any) -> Started | None:
        """Raises the SDK's error where another VPC uses the rule, by somebody else's association, which stays."""
        del prior_state
        return started_unless_gone(self.aws, found.id, lambda: resolver.delete_rule(self.aws, found.id))


def _addresses(targets: Iterable[str]) -> list[IPv4Address]:
    return [IPv4Address(t) for t in targets]


@dataclass(frozen=True)
class BackAssociationSpec:
    rule: str
    vpc: str


@dataclass(frozen=True, kw_only=True, eq=False)
class BackAssociation(Resource[BackAssociationSpec, Nothing]):
    """From here on the VPC asks Azure for the zone. after: what must be there before that. It has no tags: it is its rule's."""

    link: Link
    aws: Aws
    zone: str
    rule: BackRule = built_on()
    after: tuple[Node[Any], ...] = ()

    timing: ClassVar[Timing] = Timing(create=60, update=60, delete=60, deadline=600)
    immutable: ClassVar[frozenset[str]] = frozenset({"rule", "vpc"})
    permissions: ClassVar[Permissions] = Permissions(
        read=(_LIST, _LIST_USES),
        create=(_rule("AssociateResolverRule"),),
        delete=(_rule("DisassociateResolverRule"),),
    )

    def spec(self, outputs: Outputs) -> BackAssociationSpec:
        return BackAssociationSpec(outputs[self.rule].id, self.link.aws.vpc_id)

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[BackAssociationSpec, Nothing] | None:
        del receipts
        rule, vpc = self.rule.ours(fresh=fresh), self.link.aws.vpc_id
        if rule is None:
            return None
        every = parse_resolver.associations(self.aws.resolver_rule_associations(vpc, fresh=fresh))
        found = next((a for a in every if a.rule == rule.id), None)
        if found is None:
            return None
        phase = {"CREATING": Phase.CREATING, "DELETING": Phase.DELETING, "FAILED": Phase.FAILED}
        said = f"{found.status}: {found.message}".removesuffix(": ")
        now = phase.get(found.status, Phase.READY)
        return Observed(found.id, now, BackAssociationSpec(rule.id, vpc), Nothing(), Ownership.OWNED, said)

    def create(self, spec: BackAssociationSpec) -> Started:
        name = mark_of(self.link, self.address, "back").name
        return Started(resolver.associate_rule(self.aws, spec.rule, spec.vpc, name))

    def update(self, found: Observed[BackAssociationSpec, Nothing], spec: BackAssociationSpec) -> Started:
        raise AssertionError(f"{self.address} cannot be changed in place")

    def delete(self, found: Observed[BackAssociationSpec, Nothing], prior_state: Any) -> Started | None:
        del prior_state
        rule = self.rule.ours(fresh=True)
        if rule is None:
            return None
        return started_unless_gone(
            self.aws, found.id, lambda: resolver.disassociate_rule(self.aws, rule.id, self.link.aws.vpc_id)
        )


_PARTS = ("resolver.back_", "dns_forward.inbound")


def left_back(link: Link, aws: Aws, receipts: Receipts) -> tuple[str, ...] | None:
    """Zones that the configuration named and names no more, of which something is there still, as the state knows, and without
    a state the rules of the link. None: nothing of names back is there, and nothing is wanted."""
    shared = () if link.dns.forward == "vnet" else ("dns_forward.resolver",)
    made = None if any(a.startswith("resolver.") for a in receipts) else _made_for(link, aws)
    if not link.dns.back and made is None and not any(a.startswith(_PARTS) or a in shared for a in receipts):
        return None
    named = set(made or ()) | {
        a.removeprefix(start).removesuffix("]")
        for a in receipts
        for start in (_RULES, _ASSOCIATIONS)
        if a.startswith(start)
    }
    return tuple(sorted(named - {zone.name for zone in link.dns.back}))


def _made_for(link: Link, aws: Aws) -> tuple[str, ...] | None:
    """The zones for which this link has rules. None: it has no outbound endpoint, and so no rule, which are then not read: a
    first run asks for nothing more."""
    mine, vpc = f"{CREATORS}/{link.name}/", link.aws.vpc_id
    endpoints = parse_resolver.endpoints(aws.resolver_endpoints())
    if not any(e.vpc == vpc and e.creator.startswith(mine) for e in endpoints):
        return None
    return tuple(rule.domain for rule in parse_resolver.own_rules(aws.resolver_rules(), f"{mine}{vpc}/"))


class BackRules:
    """AWS's part of names back. left: see ``left_back``. after: what must be there before the VPC asks Azure."""

    def __init__(
        self,
        link: Link,
        aws: Aws,
        subnets: Node[Subnets],
        inbound: Node[AzureInbound],
        after: tuple[Node[Any], ...] = (),
        left: tuple[str, ...] = (),
    ) -> None:
        here: dict[str, Any] = {"link": link, "aws": aws}
        gone: dict[str, Any] = {"unwanted": not link.dns.back}
        self.group = BackGroup(
            address="resolver.back_group", title="security group of the outbound endpoint", **here, **gone
        )
        self.subnets = BackSubnets(
            address="resolver.back_subnets", title="subnets of the outbound endpoint", every=subnets, **here
        )
        self.endpoint = OutboundEndpoint(
            address="resolver.back_endpoint",
            title="Resolver outbound endpoint",
            group=self.group,
            subnets=self.subnets,
            **here,
            **gone,
        )
        self.rules: tuple[BackRule, ...] = ()
        self.associations: tuple[BackAssociation, ...] = ()
        for name, unwanted in (*((z.name, False) for z in link.dns.back), *((name, True) for name in left)):
            rule = BackRule(
                address=f"{_RULES}{name}]",
                title=f"rule for {name}",
                zone=name,
                endpoint=self.endpoint,
                inbound=inbound,
                unwanted=unwanted,
                **here,
            )
            association = BackAssociation(
                address=f"{_ASSOCIATIONS}{name}]",
                title=f"the VPC asks Azure for {name}",
                zone=name,
                rule=rule,
                after=after,
                unwanted=unwanted,
                **here,
            )
            self.rules += (rule,)
            self.associations += (association,)

    def nodes(self) -> tuple[Node[Any], ...]:
        return (self.group, self.subnets, self.endpoint, *self.rules, *self.associations)
