"""What lets a packet pass on its way: a network security group, user-defined routes, a security group, a network ACL.

AWS's ACLs know no connections, so the answer is looked at as well; all the others let answers through.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network

from cloudlink_sandbox.facts import Interface, ManagedRule, PacketRule, Subnet, VnetSubnet, VpcSender

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


def _managed(rules: Iterable[ManagedRule], packet: Packet) -> tuple[bool, bool]:
    """Whether a network manager's rules let it pass, and whether security groups are still asked."""
    p = packet
    found = next((r for r in rules if r.rule.fits(p.protocol, p.port, p.source, p.to)), None)
    return (True, True) if found is None else (found.rule.allows, not found.final)


def out_of_vnet(subnet: VnetSubnet | None, packet: Packet, learned: Iterable[IPv4Network]) -> str:
    """Why a packet does not reach the VPN gateway; empty when it does. learned: what the gateway's peers announce.

    The longest prefix decides, and of equal ones the user's own.
    https://learn.microsoft.com/azure/virtual-network/virtual-networks-udr-overview
    """
    passes, asked = _managed(subnet.managed_leaving if subnet is not None else (), packet)
    if not passes:
        return f"a security admin rule of the VNet's network manager lets no {packet.protocol}/{packet.port} out"
    if subnet is not None and asked and _verdict(subnet.leaving, packet) is False:
        return f"the network security group of the AKS subnet lets no {packet.protocol}/{packet.port} out"
    ways = [(p, "VirtualNetworkGateway") for p in learned if packet.to in p]
    has_way = bool(ways)
    if subnet is not None and not subnet.propagates:
        ways = []
    own = [(p, hop) for p, hop in (subnet.routes if subnet else ()) if packet.to in p]
    if subnet is not None and any(packet.to in p for p in subnet.beating):
        ways = []
    best = max([*own, *ways], key=lambda way: way[0].prefixlen, default=None)
    if best is None:
        if has_way:
            return "a route table on the AKS subnet keeps the gateway's routes out"
    elif best[1] != "VirtualNetworkGateway":
        return f"a route table on the AKS subnet sends {best[0]} to {best[1]}"
    return "" if has_way else f"Azure has no route to {packet.to}: no tunnel with BGP leads there"


def from_gateway(subnet: VnetSubnet | None, homes: Iterable[IPv4Network], to: IPv4Address) -> str:
    """Why what the VPN gateway has received does not get to its receiver in Azure; empty when it does.

    subnet: GatewaySubnet, with its user's own routes, which win over the VNet's where they are as long. homes: the ranges of
    the VNet and of those that use its gateway.
    https://learn.microsoft.com/azure/virtual-network/virtual-networks-udr-overview
    """
    own = [(p, hop) for p, hop in (subnet.routes if subnet else ()) if to in p]
    ways = [(p, "") for p in homes if to in p]
    prefix, hop = max([*own, *ways], key=lambda way: way[0].prefixlen, default=(None, ""))
    lost = hop.lower() in ("none", "internet")
    return f"the route table of GatewaySubnet sends {prefix} to {hop}" if lost else ""


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


def out_of_vpc(sender: VpcSender, subnet: Subnet, packet: Packet) -> str:
    """Why a packet does not leave its subnet of the VPC, or its answer not come back in; empty when both do."""
    if sender.leaving is not None and not any(
        r.protocol in (packet.protocol, "-1")
        and (r.protocol == "-1" or r.from_port <= packet.port <= r.to_port)
        and packet.to in r.source
        for r in sender.leaving
    ):
        return f"the security group of {packet.source} lets no {packet.protocol}/{packet.port} out to {packet.to}"
    if subnet.leaving is not None and not _verdict(subnet.leaving, packet):
        return f"the network ACL of {subnet.id} lets no {packet.protocol}/{packet.port} out to {packet.to}"
    answer = Packet(packet.to, packet.source, packet.protocol, _EPHEMERAL)
    if subnet.entering is not None and not _verdict(subnet.entering, answer):
        return f"the network ACL of {subnet.id} lets no answers in from {packet.to}"
    return ""


def into_vnet(subnet: VnetSubnet | None, packet: Packet, learned: Iterable[IPv4Network]) -> str:
    """Why a packet that has reached the VNet does not come in, or its answer not back to the VPN gateway; empty when both do.
    learned: what the gateway's peers announce.

    Assumption: what comes through the VNet's gateway counts as VirtualNetwork, which the default rules let in.
    """
    passes, asked = _managed(subnet.managed_entering if subnet is not None else (), packet)
    if not passes:
        return f"a security admin rule of the VNet's network manager lets no {packet.protocol}/{packet.port} in"
    if subnet is not None and asked and _verdict(subnet.entering, packet) is False:
        return (
            f"the network security group of {subnet.id} lets no {packet.protocol}/{packet.port} in from {packet.source}"
        )
    answers = (
        replace(subnet, leaving=(), managed_leaving=()) if subnet is not None else None
    )  # a group lets answers through
    return out_of_vnet(answers, Packet(packet.to, packet.source, packet.protocol, _EPHEMERAL), learned)
