"""What AWS's VPN connections offer to the other end, whole: each list of algorithms, not only the one that cloudlink writes.

A rehearsal gives these to a daemon in AWS's place, so nothing of what cloudlink wants is mixed in here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any
from xml.etree import ElementTree as ET

from cloudlink.clouds.aws.fields import AwsObject, part, parts, text, text_or
from cloudlink.clouds.malformed import parsing
from cloudlink.clouds.spelling import values, words
from cloudlink.ipsec import ANY_RANGE
from cloudlink.secret import Secret

_GONE = ("deleted", "deleting")
_KEY = re.compile(r"<pre_shared_key>[^<]*</pre_shared_key>")

# In force where an answer leaves a list out.
# https://docs.aws.amazon.com/vpn/latest/s2svpn/VPNTunnels.html
_CIPHERS = ("AES128", "AES256", "AES128-GCM-16", "AES256-GCM-16")
_HASHES = ("SHA1", "SHA2-256", "SHA2-384", "SHA2-512")
_IKE_GROUPS = (2, *range(14, 25))
_PFS_GROUPS = (2, 5, *range(14, 25))


@dataclass(frozen=True)
class Phase:
    """What one end accepts of IKE or of ESP, in AWS's words."""

    ciphers: tuple[str, ...]
    hashes: tuple[str, ...]
    groups: tuple[int, ...]
    lifetime: int  # seconds


@dataclass(frozen=True)
class TunnelOffer:
    """One tunnel of a connection, as AWS would speak it."""

    connection: str
    gateway: str  # virtual private gateway
    outside: str
    customer: str  # the address that AWS takes the other end to have
    inside: IPv4Network
    own_inside: str
    peer_inside: str
    asn: int | None
    peer_asn: int | None
    hold_time: int  # seconds
    key: Secret | None
    ike: Phase
    esp: Phase
    versions: tuple[str, ...]  # of IKE
    opens: bool  # StartupAction start
    dpd_timeout: int  # seconds
    dpd_action: str  # clear, none, restart
    rekey_margin: int  # seconds before the end of a lifetime in which AWS renews
    azure_range: str
    aws_range: str
    bgp: bool
    mss: int | None  # that AWS asks the other end to clamp to


def without_keys(document: str) -> str:
    """A customer gateway configuration without its pre-shared keys; empty where they cannot be told from the rest."""
    clean = _KEY.sub("", document)
    return "" if "pre_shared_key" in clean else clean


@parsing("AWS's VPN connections")
def tunnel_offers(
    found: Iterable[AwsObject], customers: Mapping[str, tuple[str, int | None]], asns: Mapping[str, int | None]
) -> tuple[TunnelOffer, ...]:
    """All tunnels of all connections that exist. customers: address and ASN of each customer gateway; asns: of each
    gateway. Both count where AWS's own document for the other end does not say it."""
    return tuple(
        _offer(connection, option, customers, asns)
        for connection in found
        if connection.get("State") not in _GONE
        for option in parts(part(connection, "Options"), "TunnelOptions")
        if option.get("TunnelInsideCidr") and option.get("OutsideIpAddress")
    )


def gateway_of(connection: AwsObject) -> str:
    """On which it ends: a virtual private gateway or a transit gateway."""
    return text_or(connection, "VpnGatewayId") or text_or(connection, "TransitGatewayId")


def _offer(
    connection: AwsObject,
    option: AwsObject,
    customers: Mapping[str, tuple[str, int | None]],
    asns: Mapping[str, int | None],
) -> TunnelOffer:
    options, inside = part(connection, "Options"), IPv4Network(text(option, "TunnelInsideCidr"))
    outside, gateway = text(option, "OutsideIpAddress"), gateway_of(connection)
    address, customer_asn = customers.get(text_or(connection, "CustomerGatewayId"), ("", None))
    said = _document(text_or(connection, "CustomerGatewayConfiguration"), outside)
    key = option.get("PreSharedKey")
    hosts = list(inside.hosts())
    bgp = not options.get("StaticRoutesOnly", False)
    return TunnelOffer(
        connection=text(connection, "VpnConnectionId"),
        gateway=gateway,
        outside=outside,
        customer=said.get("customer") or address,
        inside=inside,
        own_inside=said.get("own_inside") or str(hosts[0]),
        peer_inside=said.get("peer_inside") or str(hosts[1]),
        asn=_whole(said.get("asn")) or asns.get(gateway),
        peer_asn=_whole(said.get("peer_asn")) or customer_asn,
        hold_time=_whole(said.get("hold_time")) or 30,
        key=(key if isinstance(key, Secret) else Secret(str(key))) if key else None,
        ike=_phase(option, "Phase1", _IKE_GROUPS, 28_800),
        esp=_phase(option, "Phase2", _PFS_GROUPS, 3_600),
        versions=tuple(map(words, values(option.get("IkeVersions")))) or ("ikev1", "ikev2"),
        opens=option.get("StartupAction") == "start",
        dpd_timeout=int(option.get("DpdTimeoutSeconds") or 30),
        dpd_action=str(option.get("DpdTimeoutAction") or "clear"),
        rekey_margin=int(option.get("RekeyMarginTimeSeconds") or 270),
        azure_range=text_or(options, "LocalIpv4NetworkCidr") or ANY_RANGE,
        aws_range=text_or(options, "RemoteIpv4NetworkCidr") or ANY_RANGE,
        bgp=bgp,
        mss=_whole(said.get("mss")),
    )


def _phase(option: AwsObject, phase: str, groups: tuple[int, ...], lifetime: int) -> Phase:
    def listed(name: str, default: tuple[Any, ...]) -> tuple[str, ...]:
        return tuple(map(words, values(option.get(f"{phase}{name}")))) or tuple(map(str, default))

    return Phase(
        listed("EncryptionAlgorithms", _CIPHERS),
        listed("IntegrityAlgorithms", _HASHES),
        tuple(int(g) for g in listed("DHGroupNumbers", groups)),
        int(option.get(f"{phase}LifetimeSeconds") or lifetime),
    )


def _document(document: str, outside: str) -> dict[str, str]:
    """What AWS's document for the other end says of the tunnel with this outside address; empty: nothing."""
    if not document:
        return {}
    try:
        whole = ET.fromstring(document)  # noqa: S314 - AWS's own answer, over TLS
    except ET.ParseError as error:  # which Python counts among the errors in its own programs
        raise ValueError("the configuration of the other end is no XML") from error
    for tunnel in whole.iter("ipsec_tunnel"):
        at = {
            "outside": "vpn_gateway/tunnel_outside_address/ip_address",
            "customer": "customer_gateway/tunnel_outside_address/ip_address",
            "own_inside": "vpn_gateway/tunnel_inside_address/ip_address",
            "peer_inside": "customer_gateway/tunnel_inside_address/ip_address",
            "asn": "vpn_gateway/bgp/asn",
            "peer_asn": "customer_gateway/bgp/asn",
            "hold_time": "vpn_gateway/bgp/hold_time",
            "mss": "ipsec/tcp_mss_adjustment",
        }
        said = {name: (tunnel.findtext(path) or "").strip() for name, path in at.items()}
        if said["outside"] == outside:
            return said
    return {}


def _whole(value: str | None) -> int | None:
    return int(value) if value else None
