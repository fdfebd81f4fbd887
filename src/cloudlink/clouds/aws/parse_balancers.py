"""What AWS says of load balancers, as frozen facts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cloudlink.clouds.aws.fields import AwsObject, part, parts, text, text_or
from cloudlink.clouds.malformed import parsing


@dataclass(frozen=True)
class LoadBalancer:
    name: str
    arn: str
    vpc: str
    subnets: tuple[str, ...]
    scheme: str = "internal"  # or internet-facing; empty for a gateway load balancer
    dns_name: str = ""
    zone: str = ""  # the hosted zone that an alias to it names
    groups: tuple[str, ...] = ()  # its security groups; none: it takes whatever comes
    kind: str = "network"  # application, network, gateway
    state: str = "active"  # provisioning, active, active_impaired, failed
    why: str = ""  # it is in that state

    @property
    def internal(self) -> bool:
        return self.scheme == "internal"


@parsing("AWS's load balancers")
def load_balancers(found: Iterable[AwsObject]) -> tuple[LoadBalancer, ...]:
    return tuple(
        LoadBalancer(
            name=text(b, "LoadBalancerName"),
            arn=text(b, "LoadBalancerArn"),
            vpc=text_or(b, "VpcId"),
            subnets=tuple(text(z, "SubnetId") for z in parts(b, "AvailabilityZones") if z.get("SubnetId")),
            scheme=text_or(b, "Scheme"),
            dns_name=_if_named(b, "DNSName"),
            zone=_if_named(b, "CanonicalHostedZoneId"),
            groups=tuple(str(g) for g in b.get("SecurityGroups") or ()),
            kind=text_or(b, "Type"),
            state=text_or(part(b, "State"), "Code"),
            why=text_or(part(b, "State"), "Reason"),
        )
        for b in found
    )


@dataclass(frozen=True)
class Listener:
    port: int
    tls: bool
    arn: str = ""
    fixed: int = 0  # the status that it answers itself where no rule takes the request; 0: it hands it on


@parsing("AWS's listeners")
def listeners(found: Iterable[AwsObject]) -> tuple[Listener, ...]:
    """Of one load balancer, those for TCP. A gateway load balancer's have no port."""
    heard = [b for b in found if b.get("Port") and text_or(b, "Protocol") != "UDP"]
    return tuple(
        sorted(
            (
                Listener(
                    int(b["Port"]),
                    text_or(b, "Protocol") in _TLS,
                    text_or(b, "ListenerArn"),
                    _fixed(parts(b, "DefaultActions")),
                )
                for b in heard
            ),
            key=lambda s: s.port,
        )
    )


@dataclass(frozen=True)
class HostRule:
    """A rule of a listener for HTTP, by the hosts that it is for."""

    hosts: tuple[str, ...] = ()  # patterns of the load balancer's, in lower case; none: any
    fixed: int = 0  # as of ``Listener``
    always: bool = False  # no other condition: it takes every request for its hosts
    unclear: bool = False  # its hosts are given in a way that is not understood here


@parsing("AWS's rules of listeners")
def host_rules(found: Iterable[AwsObject]) -> tuple[HostRule, ...]:
    """In the order in which they are tried, without the default."""
    named = [r for r in found if text_or(r, "Priority").isdigit()]
    return tuple(map(_host_rule, sorted(named, key=lambda r: int(text(r, "Priority")))))


def _host_rule(found: AwsObject) -> HostRule:
    conditions = parts(found, "Conditions")
    of_hosts = [c for c in conditions if text_or(c, "Field") == "host-header"]
    hosts = [h for c in of_hosts for h in (part(c, "HostHeaderConfig").get("Values") or c.get("Values") or ())]
    return HostRule(
        tuple(str(h).lower() for h in hosts),
        _fixed(parts(found, "Actions")),
        always=len(conditions) == len(of_hosts),
        unclear=len(of_hosts) > 1 or bool(of_hosts and not hosts) or bool(found.get("Transforms")),
    )


def _fixed(actions: Iterable[AwsObject]) -> int:
    """Sign-in may come first; what answers comes last."""
    last = max(actions, key=lambda a: int(a.get("Order") or 0), default={})
    return int(text_or(part(last, "FixedResponseConfig"), "StatusCode") or 0)


_TLS = ("HTTPS", "TLS")


def _if_named(found: AwsObject, key: str) -> str:
    """A gateway load balancer has no name and no scheme."""
    return text(found, key) if found.get("Scheme") else text_or(found, key)
