"""What AWS says of what stands behind a name: network interfaces, target groups and their targets, as frozen facts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

from cloudlink.clouds.aws.fields import AwsObject, part, parts, text, text_or
from cloudlink.clouds.malformed import parsing

# Whose addresses stay as long as the thing does: those of endpoints, of network load balancers and of NAT.
_STAY = ("vpc_endpoint", "gateway_load_balancer_endpoint", "network_load_balancer", "nat_gateway")


@dataclass(frozen=True)
class Interface:
    """A network interface of the VPC."""

    addresses: tuple[IPv4Address, ...]
    groups: tuple[str, ...] = ()  # security groups
    instance: str = ""
    keeper: str = ""  # the service of AWS that may give it another address; empty: nobody
    description: str = ""

    @property
    def of_balancer(self) -> str:
        """Name of the application load balancer whose it is; empty: of none."""
        kind, _, rest = self.description.removeprefix("ELB ").partition("/")
        return rest.partition("/")[0] if self.description.startswith("ELB app/") and kind == "app" else ""


@parsing("AWS's network interfaces")
def interfaces(found: Iterable[AwsObject]) -> tuple[Interface, ...]:
    return tuple(
        Interface(
            tuple(IPv4Address(text(a, "PrivateIpAddress")) for a in parts(i, "PrivateIpAddresses"))
            or tuple(IPv4Address(a) for a in (text_or(i, "PrivateIpAddress"),) if a),
            tuple(text(g, "GroupId") for g in parts(i, "Groups")),
            text_or(part(i, "Attachment"), "InstanceId"),
            _keeper(i),
            text_or(i, "Description"),
        )
        for i in found
    )


def _keeper(found: AwsObject) -> str:
    if not found.get("RequesterManaged") or text_or(found, "InterfaceType") in _STAY:
        return ""
    said = text_or(found, "Description")
    if said == "RDSNetworkInterface":
        return "Amazon RDS"
    return text_or(found, "RequesterId") or said


@dataclass(frozen=True)
class TargetGroup:
    arn: str
    name: str
    kind: str  # instance, ip, alb, lambda


@parsing("AWS's target groups")
def target_groups(found: Iterable[AwsObject]) -> tuple[TargetGroup, ...]:
    return tuple(
        TargetGroup(text(g, "TargetGroupArn"), text(g, "TargetGroupName"), text_or(g, "TargetType")) for g in found
    )


@parsing("AWS's target groups")
def keeps_clients_addresses(attributes: Iterable[AwsObject]) -> bool:
    """Whether targets see the pod's own address and not the load balancer's.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/network/edit-target-group-attributes.html
    """
    said = {text_or(a, "Key"): text_or(a, "Value") for a in attributes}
    return said.get("preserve_client_ip.enabled") == "true"


@dataclass(frozen=True)
class Target:
    id: str  # of an instance, or an address
    port: int
    state: str  # healthy, unhealthy, initial, draining, unused, unavailable
    why: str = ""


@parsing("AWS's targets")
def targets(found: Iterable[AwsObject]) -> tuple[Target, ...]:
    return tuple(
        Target(
            text(part(t, "Target"), "Id"),
            int(part(t, "Target").get("Port") or 0),
            text_or(part(t, "TargetHealth"), "State"),
            text_or(part(t, "TargetHealth"), "Description") or text_or(part(t, "TargetHealth"), "Reason"),
        )
        for t in found
    )
