"""CustomerGatewayConfiguration: the XML document that AWS makes for the configuration of the other end.

https://docs.aws.amazon.com/vpn/latest/s2svpn/VPNTunnels.html
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address
from xml.etree import ElementTree as ET

from cloudlink_sandbox.aws.tunnel_options import TunnelOptions

_CIPHERS = {
    "AES128": "aes-128-cbc",
    "AES256": "aes-256-cbc",
    "AES128-GCM-16": "aes-128-gcm",
    "AES256-GCM-16": "aes-256-gcm",
}
_HASHES = {"SHA1": "sha1", "SHA2-256": "sha2-256", "SHA2-384": "sha2-384", "SHA2-512": "sha2-512"}


@dataclass(frozen=True)
class Ends:
    """What both tunnels of a connection share."""

    connection_id: str
    customer_gateway_id: str
    vpn_gateway_id: str
    customer_ip: IPv4Address
    customer_asn: int
    amazon_asn: int
    static: bool


def _add(parent: ET.Element, path: str, text: str | int) -> None:
    node = parent
    for name in path.split("/"):
        found = node.find(name)
        node = ET.SubElement(node, name) if found is None else found
    node.text = str(text)


def _tunnel(parent: ET.Element, ends: Ends, options: TunnelOptions, *, with_key: bool) -> None:
    tunnel = ET.SubElement(parent, "ipsec_tunnel")
    inside = options.inside
    for name, outside, address, asn in (
        ("customer_gateway", ends.customer_ip, inside.network_address + 2, ends.customer_asn),
        ("vpn_gateway", options.outside, inside.network_address + 1, ends.amazon_asn),
    ):
        end = ET.SubElement(tunnel, name)
        _add(end, "tunnel_outside_address/ip_address", str(outside))
        _add(end, "tunnel_inside_address/ip_address", str(address))
        _add(end, "tunnel_inside_address/network_mask", str(inside.netmask))
        _add(end, "tunnel_inside_address/network_cidr", inside.prefixlen)
        if not ends.static:
            _add(end, "bgp/asn", asn)
            _add(end, "bgp/hold_time", 30)
    ike = ET.SubElement(tunnel, "ike")
    _add(ike, "authentication_protocol", _HASHES[options.phase1_integrity[0]])
    _add(ike, "encryption_protocol", _CIPHERS[options.phase1_encryption[0]])
    _add(ike, "lifetime", options.phase1_lifetime)
    _add(ike, "perfect_forward_secrecy", f"group{options.phase1_groups[0]}")
    _add(ike, "mode", "main")
    _add(ike, "pre_shared_key", options.psk if with_key else "")
    ipsec = ET.SubElement(tunnel, "ipsec")
    _add(ipsec, "protocol", "esp")
    _add(ipsec, "authentication_protocol", f"hmac-{_HASHES[options.phase2_integrity[0]]}-96")
    _add(ipsec, "encryption_protocol", _CIPHERS[options.phase2_encryption[0]])
    _add(ipsec, "lifetime", options.phase2_lifetime)
    _add(ipsec, "perfect_forward_secrecy", f"group{options.phase2_groups[0]}")
    _add(ipsec, "mode", "tunnel")
    _add(ipsec, "clear_df_bit", "true")
    _add(ipsec, "fragmentation_before_encryption", "true")
    _add(ipsec, "tcp_mss_adjustment", 1379)
    _add(ipsec, "dead_peer_detection/interval", 10)
    _add(ipsec, "dead_peer_detection/retries", 3)


@lru_cache(maxsize=256)  # every description of a connection repeats it
def document(ends: Ends, tunnels: tuple[TunnelOptions, ...], *, with_key: bool) -> str:
    """The order of the tunnels says nothing, as on AWS: readers match by inside CIDR or address."""
    root = ET.Element("vpn_connection", id=ends.connection_id)
    _add(root, "customer_gateway_id", ends.customer_gateway_id)
    _add(root, "vpn_gateway_id", ends.vpn_gateway_id)
    _add(root, "vpn_connection_type", "ipsec.1")
    if ends.static:
        _add(root, "vpn_connection_attributes", "NoBGPVPNConnection")
    for options in tunnels:
        _tunnel(root, ends, options, with_key=with_key)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"
