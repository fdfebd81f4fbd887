"""Names on AWS's side: an inbound endpoint that AKS can ask, and a private zone with a record for each name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from cloudlink.clouds import aws as cloud
from cloudlink.clouds.aws import Aws, AwsObject
from cloudlink.clouds.aws_ours import is_unmarked, name_for, ours, tag_specification
from cloudlink.clouds.ownership import owner_of
from cloudlink.core.resource import (
    Found,
    Given,
    Node,
    Ownership,
    Phase,
    Receipts,
    Resource,
    Started,
    Usual,
    built_on,
)
from cloudlink.errors import ConflictError, MissingError
from cloudlink.link import Link
from cloudlink.steps.hosted_zone import AdoptedZone, Zone
from cloudlink.steps.outputs import EksCluster, HostedZone, Nothing, SecurityGroup, VirtualNetwork
from cloudlink.steps.resolver_endpoint import EndpointSubnets, InboundEndpoint
from cloudlink.steps.targets import BalancerNames, TargetLookup
from cloudlink.steps.zone_records import Records


class Resolver:
    """What cloudlink makes in AWS for names. kube_eks: gives access to the cluster's Kubernetes API."""

    title = "Names in AWS"

    def __init__(
        self,
        link: Link,
        aws: Aws,
        cluster: Node[EksCluster],
        network: Node[VirtualNetwork],
        kube_eks: BalancerNames,
    ) -> None:
        self.vpc_dns = VpcDns(address="resolver.vpc_dns", title="DNS settings of the VPC", link=link, aws=aws)
        self.security_group = ResolverGroup(
            address="resolver.security_group", title="security group of the endpoint", link=link, aws=aws
        )
        self.ingress = Ingress(
            address="resolver.ingress",
            title="rules that let Azure ask",
            link=link,
            aws=aws,
            group=self.security_group,
            network=network,
        )
        self.subnets = EndpointSubnets(
            address="resolver.subnets", title="subnets of the endpoint", link=link, aws=aws, cluster=cluster
        )
        self.endpoint = InboundEndpoint(
            address="resolver.endpoint",
            title="Resolver inbound endpoint",
            link=link,
            aws=aws,
            group=self.security_group,
            subnets=self.subnets,
        )
        self.zone: Node[HostedZone] = (
            Zone(address="resolver.zone", title="private hosted zone", link=link, aws=aws, vpc_dns=self.vpc_dns)
            if link.dns.adopt_zone is None
            else AdoptedZone(address="resolver.zone", title="private hosted zone", link=link, aws=aws)
        )
        self.targets = TargetLookup(
            address="resolver.targets",
            title="what the names point at",
            link=link,
            aws=aws,
            cluster=cluster,
            kube_eks=kube_eks,
        )
        self.records = Records(
            address="resolver.records",
            title="records",
            link=link,
            aws=aws,
            zone=self.zone,
            targets=self.targets,
        )

    def nodes(self) -> tuple[Node[Any], ...]:
        return (
            self.vpc_dns,
            self.security_group,
            self.ingress,
            self.subnets,
            self.endpoint,
            self.zone,
            self.targets,
            self.records,
        )


# --- DNS settings of the VPC --------------------------------------------------------------------------------


@dataclass(frozen=True)
class VpcDnsSpec:
    support: bool
    hostnames: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class VpcDns(Resource[VpcDnsSpec, Nothing]):
    """Both settings must be on, or private zones are not served in the VPC. Put back on teardown if altered here.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html
    """

    link: Link
    aws: Aws
    usual: ClassVar[Usual] = Usual(create=2, update=2, delete=2, deadline=120)

    def spec(self, given: Given) -> VpcDnsSpec:
        return VpcDnsSpec(support=True, hostnames=True)

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Found[VpcDnsSpec, Nothing] | None:
        """None: the VPC is gone."""
        vpc = self.link.aws.vpc_id
        hostnames = self.aws.vpc_attribute(vpc, "enableDnsHostnames", fresh=fresh)
        # Assumption: host names on implies support on, since AWS turns the former on only where the latter is. It saves
        # a call at every look; should it ever be wrong, verify-dns shows it.
        support = True if hostnames else self.aws.vpc_attribute(vpc, "enableDnsSupport", fresh=fresh)
        if support is None or hostnames is None:
            return None
        return Found(vpc, Phase.READY, VpcDnsSpec(support, hostnames), Nothing(), Ownership.SHARED)

    def before(self, found: Found[VpcDnsSpec, Nothing] | None) -> Any:
        if found is None or found.spec is None:
            return None
        return {"support": found.spec.support, "hostnames": found.spec.hostnames}

    def create(self, spec: VpcDnsSpec) -> Started:
        raise MissingError(
            "The VPC does not exist",
            f"There is no {self.link.aws.vpc_id} in {self.link.aws.region}.",
            "Correct aws.vpc.",
            resource=self.address,
        )

    def update(self, found: Found[VpcDnsSpec, Nothing], spec: VpcDnsSpec) -> Started:
        """AWS takes one setting in a call, and host names only where support is on."""
        assert found.spec is not None
        if found.spec.support != spec.support:
            self._set("EnableDnsSupport", on=spec.support)
        else:
            self._set("EnableDnsHostnames", on=spec.hostnames)
        return Started(found.id)

    def delete(self, found: Found[VpcDnsSpec, Nothing], before: Any) -> Started | None:
        if not isinstance(before, Mapping) or found.spec is None:
            return None  # it was never altered here
        wanted = VpcDnsSpec(bool(before["support"]), bool(before["hostnames"]))
        if found.spec == wanted:
            return None
        if found.spec.hostnames != wanted.hostnames and not wanted.hostnames:
            self._set("EnableDnsHostnames", on=False)
        if found.spec.support != wanted.support:
            self._set("EnableDnsSupport", on=wanted.support)
        if found.spec.hostnames != wanted.hostnames and wanted.hostnames:
            self._set("EnableDnsHostnames", on=True)
        return Started(found.id)

    def _set(self, attribute: str, *, on: bool) -> None:
        vpc = self.link.aws.vpc_id
        try:
            self.aws.ec2.modify_vpc_attribute(VpcId=vpc, **{attribute: {"Value": on}})
        finally:
            names = ("enableDnsSupport", "enableDnsHostnames")
            self.aws.reads.wrote(*(f"{cloud.VPC_ATTRIBUTES}/{vpc}/{name}" for name in names))


# --- the security group of the endpoint ---------------------------------------------------------------------


@dataclass(frozen=True)
class GroupSpec:
    vpc: str


@dataclass(frozen=True, kw_only=True, eq=False)
class ResolverGroup(Resource[GroupSpec, SecurityGroup]):
    """A group of the endpoint's own, because an endpoint's groups cannot be exchanged: only rules can change.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html
    """

    link: Link
    aws: Aws
    usual: ClassVar[Usual] = Usual(create=2, delete=3)
    immutable: ClassVar[frozenset[str]] = frozenset({"vpc"})

    def spec(self, given: Given) -> GroupSpec:
        return GroupSpec(self.link.aws.vpc_id)

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Found[GroupSpec, SecurityGroup] | None:
        """Raises ConflictError for a group of our name without our tags: names are unique in a VPC."""
        groups = self.aws.security_groups(self.link.aws.vpc_id, fresh=fresh)
        found = find_group(self.link, self.address, receipts, groups)
        if found is not None:
            out = SecurityGroup(found["GroupId"])
            unmarked = is_unmarked(found, owner_of(self.link))
            return Found(out.id, Phase.READY, GroupSpec(found["VpcId"]), out, Ownership.OWNED, unmarked=unmarked)
        name = name_for(self.link.name, "resolver")
        stranger = next((g for g in groups if g["GroupName"] == name), None)
        if stranger is not None:
            raise ConflictError(
                "A security group of our name exists without cloudlink's tags",
                f"{stranger['GroupId']} in {self.link.aws.vpc_id} is called {name}, but cloudlink did not make it.",
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
            self.aws.reads.wrote(cloud.SECURITY_GROUPS)
        return Started(made["GroupId"])

    def update(self, found: Found[GroupSpec, SecurityGroup], spec: GroupSpec) -> Started:
        raise AssertionError("a security group cannot be changed")

    def complete_marks(self, found: Found[GroupSpec, SecurityGroup]) -> Started:
        self.aws.mark(found.id, owner_of(self.link))
        return Started(found.id)

    def delete(self, found: Found[GroupSpec, SecurityGroup], before: Any) -> Started | None:
        """Refused with DependencyViolation until the endpoint's network interfaces are gone."""
        try:
            self.aws.ec2.delete_security_group(GroupId=found.id)
        except Exception as error:
            if self.aws.missing(error):
                return None
            raise
        finally:
            self.aws.reads.wrote(cloud.SECURITY_GROUPS)
        return Started(found.id)


def find_group(link: Link, address: str, receipts: Receipts, groups: list[AwsObject]) -> AwsObject | None:
    """The endpoint's group by receipt or tags."""
    return ours(
        groups,
        key="GroupId",
        owner=owner_of(link),
        address=address,
        receipt=receipts.get(address),
        region=link.aws.region,
        vpc_of=lambda group: str(group["VpcId"]),
    )


# --- its rules ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class Rule:
    """One inbound rule. source: a prefix, or whatever else AWS lets in (a group, a prefix list)."""

    protocol: str
    first_port: int
    last_port: int
    source: str
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
    usual: ClassVar[Usual] = Usual(create=2, update=2, delete=2, deadline=120)
    immutable: ClassVar[frozenset[str]] = frozenset({"group"})

    def spec(self, given: Given) -> IngressSpec:
        says = f"cloudlink {self.link.name}: DNS from Azure"
        rules = {
            Rule(protocol, 53, 53, str(prefix), says)
            for prefix in given[self.network].advertised
            for protocol in ("tcp", "udp")
        }
        return IngressSpec(given[self.group].id, frozenset(rules))

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Found[IngressSpec, Nothing] | None:
        groups = self.aws.security_groups(self.link.aws.vpc_id, fresh=fresh)
        group = find_group(self.link, self.group.address, receipts, groups)
        if group is None:
            return None
        rules = frozenset(rule for permission in group.get("IpPermissions") or () for rule in rules_of(permission))
        if not rules:
            return None
        spec = IngressSpec(group["GroupId"], rules)
        return Found(spec.group, Phase.READY, spec, Nothing(), Ownership.OWNED, f"{len(rules)} rules")

    def create(self, spec: IngressSpec) -> Started:
        self._call("authorize_security_group_ingress", spec.group, spec.rules)
        return Started(spec.group)

    def update(self, found: Found[IngressSpec, Nothing], spec: IngressSpec) -> Started:
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

    def delete(self, found: Found[IngressSpec, Nothing], before: Any) -> Started | None:
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
            self.aws.reads.wrote(cloud.SECURITY_GROUPS)


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
