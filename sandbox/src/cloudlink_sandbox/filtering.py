"""What lets a packet pass on its way: a network security group, user-defined routes, a security group, a network ACL.

AWS's ACLs know no connections, so the answer is looked at as well; all the others let answers through.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from cloudlink_sandbox.facts import Interface, PacketRule, Subnet, VnetSubnet

_EPHEMERAL = 40_000  # the sender's own port: any one above 32767, from which Linux chooses


@dataclass(frozen=True)
class Packet:
    source: IPv4Address
    to: IPv4Address
    protocol: str
    port: int


def _verdict(rules: Iterable[PacketRule], packet: Packet) -> bool | None:
    """What the first rule that fits says; None when none does."""
    return next(
        (r.allows for r in rules if r.fits(packet.protocol, packet.port, packet.source, packet.to)),
        None,
    )


def out_of_vnet(subnet: VnetSubnet | None, packet: Packet, learned: Iterable[IPv4Network]) -> str:
    """Why a packet does not reach the VPN gateway; empty when it does. learned: what the gateway's peers announce.

    The longest prefix decides, and of equal ones the user's own.
    https://learn.microsoft.com/azure/virtual-network/virtual-networks-udr-overview
    """
    if subnet is not None and _verdict(subnet.leaving, packet) is False:
        return f"the network security group of the AKS subnet lets no {packet.protocol}/{packet.port} out"
    ways = [(p, "VirtualNetworkGateway") for p in learned if packet.to in p]
    has_way = bool(ways)
    if subnet is not None and not subnet.propagates:
        ways = []
    own = [(p, hop) for p, hop in (subnet.routes if subnet else ()) if packet.to in p]
    best = max([*own, *ways], key=lambda way: way[0].prefixlen, default=None)
    if best is None:
        if has_way:
            return "a route table on the AKS subnet keeps the gateway's routes out"
    elif best[1] != "VirtualNetworkGateway":
        return f"a route table on the AKS subnet sends {best[0]} to {best[1]}"
    return "" if has_way else f"Azure has no route to {packet.to}: no tunnel with BGP leads there"


def into_interface(interface: Interface, subnet: Subnet | None, packet: Packet) -> str:
    """Why a packet that has reached the VPC does not come in, or its answer not out; empty when both do."""
    if interface.rules is not None and not any(
        r.protocol in (packet.protocol, "-1")
        and (r.protocol == "-1" or r.from_port <= packet.port <= r.to_port)
        and packet.source in r.source
        for r in interface.rules
    ):
        return f"the security group lets no {packet.protocol}/{packet.port} in from {packet.source}"
    if subnet is None or packet.source in subnet.cidr:
        return ""
    if subnet.entering is not None and not _verdict(subnet.entering, packet):
        return f"the network ACL of {subnet.id} lets no {packet.protocol}/{packet.port} in from {packet.source}"
    answer = Packet(packet.to, packet.source, packet.protocol, _EPHEMERAL)
    if subnet.leaving is not None and not _verdict(subnet.leaving, answer):
        return f"the network ACL of {subnet.id} lets no answers out to {packet.source}"
    return ""
