"""What one tunnel may carry, by what both clouds say of their ends: the smaller counts. Pure.

Mbit/s. AWS: a tunnel to a virtual private gateway carries up to 1.25 Gbit/s.
https://docs.aws.amazon.com/vpn/latest/s2svpn/vpn-limits.html
Azure: measured by Microsoft for one tunnel, by SKU and cipher, and no promise.
https://learn.microsoft.com/azure/vpn-gateway/about-gateway-skus
"""

from __future__ import annotations

from dataclasses import dataclass

from cloudlink.link import Link

_AWS = 1_250
# SKU -> with AES256-GCM, and with AES256 and SHA256; of two generations the smaller.
_AZURE = {
    "VpnGw1AZ": (650, 500),
    "VpnGw2AZ": (1_200, 550),
    "VpnGw3AZ": (1_250, 700),
    "VpnGw4AZ": (2_300, 700),
    "VpnGw5AZ": (2_300, 700),
}
_CIPHERS = ("AES256-GCM", "AES256")


@dataclass(frozen=True)
class Capacity:
    """Of one tunnel."""

    mbits: int
    end: str  # whose limit that is


def of_tunnel(link: Link) -> Capacity | None:
    """None: not known of this SKU or cipher, or the tunnels are not cloudlink's."""
    cipher = link.policy.esp_encryption
    known = _AZURE.get(link.azure.sku)
    if known is None or cipher not in _CIPHERS or not link.makes_vpn:
        return None
    azure = known[_CIPHERS.index(cipher)]
    if azure < _AWS:
        return Capacity(azure, f"Azure's {link.azure.sku} with {cipher}")
    return Capacity(_AWS, "AWS's end")
