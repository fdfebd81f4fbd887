"""Which autonomous system numbers Azure takes, for its own gateway and for its peers.

https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-vpn-faq#bgp
"""

from __future__ import annotations

from cloudlink_sandbox.azure.errors import ApiError
from cloudlink_sandbox.azure.ids import ResourceId

DEFAULT = 65515
OF_AZURE = frozenset({8074, 8075, 12076, 65515, 65517, 65518, 65519, 65520})
OF_IANA = frozenset({23456, 4294967295, *range(64496, 64512), *range(65535, 65552)})


def refuse_peer_asn(id_: ResourceId, asn: int) -> None:
    """Assumption: the code; the list of reserved numbers is documented."""
    if asn in OF_AZURE or asn in OF_IANA:
        raise ApiError(
            400, "LocalNetworkGatewayAsnIsReserved", f"The ASN {asn} of local network gateway {id_} is reserved."
        )


def refuse_own_asn(id_: ResourceId, asn: int) -> None:
    """Assumption: the code. The gateway's own default, 65515, is the one Azure number that is allowed here."""
    if asn in OF_IANA or (asn in OF_AZURE and asn != DEFAULT):
        raise ApiError(
            400, "VirtualNetworkGatewayAsnIsReserved", f"The ASN {asn} of virtual network gateway {id_} is reserved."
        )
