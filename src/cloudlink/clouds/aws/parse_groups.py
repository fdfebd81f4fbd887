"""What AWS says of security groups, as frozen facts, and rules as AWS wants them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, collapse_addresses
from typing import Any

from cloudlink.clouds.aws import parse_ec2
from cloudlink.clouds.aws.fields import AwsObject, parts, text, text_or
from cloudlink.clouds.aws.parse_ec2 import Ec2Object, link_of
from cloudlink.clouds.malformed import parsing

_ALL_PORTS = -1
_SOURCES = (  # where AWS lists sources, and the field that names one
    ("IpRanges", "CidrIp"),
    ("Ipv6Ranges", "CidrIpv6"),
    ("PrefixListIds", "PrefixListId"),
    ("UserIdGroupPairs", "GroupId"),
)


@dataclass(frozen=True)
class SecurityGroup:
    """One of a list: ours or another's."""

    id: str
    link: str
    name: str = ""


@dataclass(frozen=True, order=True)
class Rule:
    """One inbound rule."""

    protocol: str
    first_port: int
    last_port: int
    source: str  # a prefix, or whatever else AWS lets in (a group, a prefix list)
    description: str


def groups(found: Iterable[AwsObject]) -> tuple[Ec2Object, ...]:
    return parse_ec2.objects(found, "GroupId")


@parsing("AWS's security groups")
def vpc_of(group: AwsObject) -> str:
    return text(group, "VpcId")


@parsing("AWS's security groups")
def security_groups(found: Iterable[AwsObject]) -> tuple[SecurityGroup, ...]:
    return tuple(
        SecurityGroup(
            id=text(g, "GroupId"),
            link=link_of(g),
            name=text_or(g, "GroupName"),
        )
        for g in found
    )


@parsing("AWS's security groups")
def rules(group: AwsObject) -> frozenset[Rule]:
    """What it lets in."""
    return frozenset(rule for permission in parts(group, "IpPermissions") for rule in rules_of(permission))


@parsing("AWS's security groups")
def rules_made(answer: AwsObject) -> frozenset[Rule]:
    """What a call that lets prefixes in has answered with; a rule for something else than a prefix is left out."""
    return frozenset(
        Rule(
            text(rule, "IpProtocol"),
            int(rule.get("FromPort", _ALL_PORTS)),
            int(rule.get("ToPort", _ALL_PORTS)),
            text(rule, "CidrIpv4"),
            text_or(rule, "Description"),
        )
        for rule in parts(answer, "SecurityGroupRules")
        if not rule.get("IsEgress") and rule.get("CidrIpv4")
    )


@parsing("AWS's security groups")
def lets_dns_out(group: AwsObject) -> bool:
    """Whether questions to any private address leave it, over both protocols."""
    found = [rule for permission in parts(group, "IpPermissionsEgress") for rule in rules_of(permission)]
    return all(
        lets_in(found, protocol, 53, IPv4Network(n))
        for protocol in ("tcp", "udp")
        for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
    )


@parsing("AWS's security groups")
def rules_by_group(found: Iterable[AwsObject]) -> dict[str, frozenset[Rule]]:
    """What each lets in, by its id."""
    return {text(g, "GroupId"): rules(g) for g in found}


def lets_in(found: Iterable[Rule], protocol: str, port: int, network: IPv4Network) -> bool:
    """Whether all of a range is let in. What a prefix list holds is not known here, and taken to be enough."""
    fit = [r for r in found if lets_port(r, protocol, port)]
    if any(r.source.startswith("pl-") for r in fit):
        return True
    ranges = [IPv4Network(r.source, strict=False) for r in fit if "." in r.source]
    return any(network.subnet_of(one) for one in collapse_addresses(ranges))


def lets_port(rule: Rule, protocol: str, port: int) -> bool:
    """Whether the rule is about this port, from wherever."""
    if rule.protocol not in ("-1", protocol):
        return False
    return rule.protocol == "-1" or rule.first_port == _ALL_PORTS or rule.first_port <= port <= rule.last_port


def rules_of(permission: AwsObject) -> list[Rule]:
    """AWS's form, many sources under one protocol and port range, taken apart."""
    first, last = permission.get("FromPort", _ALL_PORTS), permission.get("ToPort", _ALL_PORTS)
    return [
        Rule(text(permission, "IpProtocol"), int(first), int(last), text(item, name), text_or(item, "Description"))
        for sources, name in _SOURCES
        for item in parts(permission, sources)
    ]


def permission_of(rule: Rule) -> dict[str, Any]:
    """The inverse of ``rules_of`` for one rule."""
    if rule.source.startswith("sg-"):
        sources, name = "UserIdGroupPairs", "GroupId"
    elif rule.source.startswith("pl-"):
        sources, name = "PrefixListIds", "PrefixListId"
    else:
        sources, name = ("Ipv6Ranges", "CidrIpv6") if ":" in rule.source else ("IpRanges", "CidrIp")
    source = {name: rule.source, **({"Description": rule.description} if rule.description else {})}
    ports = {} if rule.protocol == "-1" else {"FromPort": rule.first_port, "ToPort": rule.last_port}
    return {"IpProtocol": rule.protocol, **ports, sources: [source]}
