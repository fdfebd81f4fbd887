"""What AWS says of Route 53 Resolver, as frozen facts: endpoints, their addresses, and rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address

from cloudlink.clouds.aws.fields import AwsObject, parts, text, text_or, texts
from cloudlink.clouds.aws.parse_zones import plain_name
from cloudlink.clouds.malformed import parsing

_ON_THE_WAY = frozenset({"CREATING", "ATTACHING", "REMAP_ATTACHING", "REMAP_DETACHING", "UPDATING"})
_LEAVING = frozenset({"DETACHING", "DELETING"})
_IN_FORCE = frozenset({"COMPLETE", "CREATING", "OVERRIDDEN"})


@dataclass(frozen=True)
class Endpoint:
    id: str
    arn: str
    vpc: str
    status: str  # CREATING, OPERATIONAL, UPDATING, AUTO_RECOVERING, ACTION_NEEDED, DELETING
    message: str
    creator: str  # the request id that it was created with
    groups: frozenset[str]
    protocols: frozenset[str]
    changed: float | None = None  # seconds since 1970; read only where it says ACTION_NEEDED
    by_ipv6: bool = False  # alone; one that has both kinds of addresses answers over IPv4 as well

    @property
    def leaving(self) -> bool:
        return self.status == "DELETING"


@dataclass(frozen=True)
class EndpointAddress:
    id: str
    subnet: str
    status: str
    address: IPv4Address | None  # None: it has none yet, or an IPv6 address alone

    @property
    def good(self) -> bool:
        return self.status == "ATTACHED" and self.address is not None

    @property
    def on_the_way(self) -> bool:
        return self.status in _ON_THE_WAY

    @property
    def leaving(self) -> bool:
        return self.status in _LEAVING


@parsing("AWS's Resolver endpoints")
def endpoints(found: Iterable[AwsObject]) -> tuple[Endpoint, ...]:
    return tuple(
        Endpoint(
            id=text(e, "Id"),
            arn=text(e, "Arn"),
            vpc=text(e, "HostVPCId"),
            status=text(e, "Status"),
            message=text_or(e, "StatusMessage"),
            creator=text_or(e, "CreatorRequestId"),
            groups=frozenset(texts(e, "SecurityGroupIds")),
            protocols=frozenset(texts(e, "Protocols") or ("Do53",)),
            changed=_changed(e) if e["Status"] == "ACTION_NEEDED" else None,
            by_ipv6=text_or(e, "ResolverEndpointType") == "IPV6",
        )
        for e in found
    )


@parsing("AWS's Resolver endpoints")
def inbound_of(found: Iterable[AwsObject], vpc: str) -> tuple[str, ...]:
    """Ids of the endpoints that answer in this VPC, no matter who made them."""
    return tuple(text(e, "Id") for e in found if e.get("Direction") == "INBOUND" and text(e, "HostVPCId") == vpc)


@parsing("AWS's Resolver endpoints")
def addresses(found: Iterable[AwsObject]) -> tuple[EndpointAddress, ...]:
    return tuple(
        EndpointAddress(text(a, "IpId"), text(a, "SubnetId"), text_or(a, "Status"), _address(a)) for a in found
    )


def _changed(endpoint: AwsObject) -> float | None:
    said = text_or(endpoint, "ModificationTime") or text_or(endpoint, "CreationTime")
    return datetime.fromisoformat(said).timestamp() if said else None


def _address(found: AwsObject) -> IPv4Address | None:
    placed = found.get("Status") == "ATTACHED" and not found.get("Ipv6")
    said = text(found, "Ip") if placed else text_or(found, "Ip")
    return IPv4Address(said) if said else None


# --- rules: which names of a VPC are asked of others before its private zones are looked at -----------------


@dataclass(frozen=True)
class ForwardRule:
    id: str
    domain: str  # without the trailing dot
    targets: tuple[str, ...]  # addresses that are asked


@dataclass(frozen=True)
class ResolverRule:
    id: str
    domain: str
    kind: str = "FORWARD"  # FORWARD, SYSTEM, RECURSIVE, DELEGATE
    owner: str = ""
    delegation: str = ""  # of a DELEGATE rule, which has no domain: the name servers that it takes questions to


@dataclass(frozen=True)
class OwnRule:
    """A FORWARD rule of this account, with all that a link knows its own by."""

    id: str
    arn: str
    domain: str  # without the trailing dot
    creator: str  # the request id that it was created with
    status: str  # COMPLETE, DELETING, UPDATING, FAILED
    message: str
    targets: tuple[str, ...]  # sorted, as 10.60.1.4 or 10.60.1.4:5353
    endpoint: str


@dataclass(frozen=True)
class Association:
    id: str
    rule: str
    vpc: str
    status: str  # CREATING, COMPLETE, DELETING, FAILED, OVERRIDDEN
    message: str


@parsing("AWS's Resolver rules")
def own_rules(rules: Iterable[AwsObject], creators: str) -> tuple[OwnRule, ...]:
    """Those whose creator's id begins so."""
    return tuple(
        OwnRule(
            id=text(r, "Id"),
            arn=text(r, "Arn"),
            domain=plain_name(text(r, "DomainName")),
            creator=text(r, "CreatorRequestId"),
            status=text(r, "Status"),
            message=text_or(r, "StatusMessage"),
            targets=tuple(sorted(_target(t) for t in parts(r, "TargetIps"))),
            endpoint=text_or(r, "ResolverEndpointId"),
        )
        for r in rules
        if text_or(r, "CreatorRequestId").startswith(creators)
    )


def _target(found: AwsObject) -> str:
    port = int(found.get("Port") or 53)
    return text(found, "Ip") if port == 53 else f"{text(found, 'Ip')}:{port}"


@parsing("AWS's Resolver rules")
def associations(found: Iterable[AwsObject]) -> tuple[Association, ...]:
    return tuple(
        Association(
            text(a, "Id"), text(a, "ResolverRuleId"), text(a, "VPCId"), text(a, "Status"), text_or(a, "StatusMessage")
        )
        for a in found
    )


@parsing("AWS's Resolver rules")
def forward_rules(rules: Iterable[AwsObject], associations: Iterable[AwsObject]) -> list[ForwardRule]:
    """Those that forward and are associated, from ListResolverRules and ListResolverRuleAssociations of one VPC."""
    associated = _associated(associations)
    return [
        ForwardRule(
            text(rule, "Id"),
            text_or(rule, "DomainName").rstrip(".").lower(),
            tuple(text(t, "Ip") for t in parts(rule, "TargetIps") if t.get("Ip")),
        )
        for rule in rules
        if rule.get("Id") in associated and rule.get("RuleType") == "FORWARD"
    ]


@parsing("AWS's Resolver rules")
def rules_of_vpc(rules: Iterable[AwsObject], associations: Iterable[AwsObject], vpc: str) -> tuple[ResolverRule, ...]:
    """Those that the VPC uses."""
    used = _associated(a for a in associations if a.get("VPCId") == vpc)
    return tuple(_rule(r) for r in rules if r.get("Id") in used)


@parsing("AWS's Resolver rules")
def rule_of(rules: Iterable[AwsObject], id_: str) -> ResolverRule | None:
    """The one with this id."""
    return next((_rule(r) for r in rules if r.get("Id") == id_), None)


def _rule(found: AwsObject) -> ResolverRule:
    return ResolverRule(
        text(found, "Id"),
        plain_name((text_or if found.get("RuleType") == "DELEGATE" else text)(found, "DomainName")),
        text_or(found, "RuleType"),
        text_or(found, "OwnerId"),
        plain_name(text_or(found, "DelegationRecord")) if found.get("DelegationRecord") else "",
    )


def _associated(associations: Iterable[AwsObject]) -> frozenset[str]:
    return frozenset(text(a, "ResolverRuleId") for a in associations if text_or(a, "Status", "COMPLETE") in _IN_FORCE)


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
