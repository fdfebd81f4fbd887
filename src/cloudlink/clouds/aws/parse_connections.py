"""What AWS says of VPN connections and their tunnels, as frozen facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from cloudlink.clouds.aws import parse_ec2
from cloudlink.clouds.aws.fields import AwsObject, part, parts, text, text_or
from cloudlink.clouds.aws.parse_ec2 import GONE, Ec2Object, link_of, resource_of
from cloudlink.clouds.aws.parse_ipsec import policy_of
from cloudlink.clouds.malformed import parsing
from cloudlink.clouds.ownership import VNET_TAG, VPC_TAG, from_aws
from cloudlink.clouds.spelling import values, words
from cloudlink.ipsec import ANY_RANGE, IpsecPolicy
from cloudlink.secret import Secret

_BOTH_VERSIONS = frozenset({"ikev1", "ikev2"})


@dataclass(frozen=True)
class Tunnel:
    """One of the two tunnels of a VPN connection: how it is set up, and its telemetry."""

    inside: IPv4Network
    outside: IPv4Address | None  # None: AWS has not said it yet, or it is IPv6, which others' may have
    key: Secret | None  # None: not yet, or kept in Secrets Manager
    policy: IpsecPolicy
    ike_groups: tuple[str, ...] = ()  # those that are permitted; none: AWS's own list
    pfs_groups: tuple[str, ...] = ()
    versions: frozenset[str] = _BOTH_VERSIONS  # of IKE
    initiates: bool = False  # whether AWS starts the negotiation itself
    # Telemetry
    state: str = "DOWN"  # UP, DOWN
    message: str = ""
    routes: int = 0  # accepted from Azure
    since: float | None = None  # seconds since 1970
    # ARNs of the log groups that it writes to; empty: the log is off
    ike_log: str = ""
    bgp_log: str = ""


@dataclass(frozen=True)
class Connection:
    """A VPN connection with its tunnels."""

    id: str
    state: str
    gateway: str  # virtual private or transit gateway
    customer_gateway: str
    tunnels: tuple[Tunnel, ...]  # by inside range, which both sides know; AWS's order means nothing
    bgp: bool
    stored_keys: str  # the ARN of its keys in Secrets Manager; empty: they are not there
    # What AWS lets through the tunnels
    azure_range: str
    aws_range: str
    large: bool = False  # whether its tunnels have the larger bandwidth
    # Its tags
    link: str = ""  # name of the link
    resource: str = ""  # which of the link's resources it is
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class VpnConnection:
    """One of a list: ours or another's."""

    id: str
    gateway: str  # virtual private or transit gateway
    insides: tuple[str, ...]
    link: str  # name of the link that its tag names; empty: none
    customer_gateway: str = ""
    state: str = "available"
    vpc: str = ""  # of that link, as its tags say
    vnet: str = ""

    @property
    def exists(self) -> bool:
        """AWS lists deleted ones for an hour."""
        return self.state not in GONE


def connections(found: Iterable[AwsObject]) -> tuple[Ec2Object, ...]:
    """Deleted ones too."""
    return parse_ec2.objects(found, "VpnConnectionId")


@parsing("AWS's VPN connections")
def vpn_connections(found: Iterable[AwsObject]) -> tuple[VpnConnection, ...]:
    """Deleted ones too."""
    return tuple(
        VpnConnection(
            id=text(c, "VpnConnectionId"),
            gateway=_gateway(c),
            insides=tuple(text_or(t, "TunnelInsideCidr") for t in _options(c)),
            link=link_of(c),
            vpc=from_aws(c.get("Tags")).get(VPC_TAG, ""),
            vnet=from_aws(c.get("Tags")).get(VNET_TAG, ""),
            customer_gateway=text_or(c, "CustomerGatewayId"),
            state=text_or(c, "State", "available"),
        )
        for c in found
    )


@parsing("AWS's VPN connections")
def connection(found: AwsObject) -> Connection:
    options = part(found, "Options")
    telemetry = {text_or(t, "OutsideIpAddress"): t for t in parts(found, "VgwTelemetry")}
    tunnels = [_tunnel(t, telemetry) for t in _options(found) if t.get("TunnelInsideCidr")]
    return Connection(
        id=text(found, "VpnConnectionId"),
        state=text(found, "State"),
        gateway=_gateway(found),
        customer_gateway=text_or(found, "CustomerGatewayId"),
        tunnels=tuple(sorted(tunnels, key=lambda t: t.inside)),
        bgp=not options.get("StaticRoutesOnly", False),
        stored_keys=text_or(found, "PreSharedKeyArn"),
        # AWS's "local" is the customer's side, its "remote" AWS's own
        azure_range=text_or(options, "LocalIpv4NetworkCidr") or ANY_RANGE,
        aws_range=text_or(options, "RemoteIpv4NetworkCidr") or ANY_RANGE,
        large=text_or(options, "TunnelBandwidth") == "large",
        link=link_of(found),
        resource=resource_of(found),
        tags=from_aws(found.get("Tags")),
    )


def existing_connections(found: Iterable[AwsObject]) -> tuple[Connection, ...]:
    return tuple(connection(c) for c in found if c.get("State") not in GONE)


def _gateway(found: AwsObject) -> str:
    return text_or(found, "VpnGatewayId") or text_or(found, "TransitGatewayId")


def _options(found: AwsObject) -> list[AwsObject]:
    return parts(part(found, "Options"), "TunnelOptions")


def _tunnel(option: AwsObject, telemetry: Mapping[str, AwsObject]) -> Tunnel:
    outside = text_or(option, "OutsideIpAddress")
    status = telemetry.get(outside, {})
    changed = status.get("LastStatusChange")
    return Tunnel(
        inside=IPv4Network(text(option, "TunnelInsideCidr")),
        outside=IPv4Address(outside) if "." in outside else None,
        key=option.get("PreSharedKey") or None,
        policy=policy_of(option),
        ike_groups=_words(option.get("Phase1DHGroupNumbers")),
        pfs_groups=_words(option.get("Phase2DHGroupNumbers")),
        versions=frozenset(_words(option.get("IkeVersions"))) or _BOTH_VERSIONS,
        initiates=option.get("StartupAction") == "start",
        state=text_or(status, "Status", "DOWN"),
        message=text_or(status, "StatusMessage"),
        routes=int(status.get("AcceptedRouteCount") or 0),
        since=changed.timestamp() if isinstance(changed, datetime) else None,
        ike_log=_log(option, ""),
        bgp_log=_log(option, "Bgp"),
    )


def _log(option: AwsObject, kind: str) -> str:
    said = part(part(option, "LogOptions"), "CloudWatchLogOptions")
    return text_or(said, f"{kind}LogGroupArn").removesuffix(":*") if said.get(f"{kind}LogEnabled") else ""


def _words(entries: Any) -> tuple[str, ...]:
    return tuple(map(words, values(entries)))
