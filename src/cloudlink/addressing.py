"""Addresses and AS numbers: which ones both clouds accept, which are free, which collide. Pure arithmetic.

Inside addresses are ours to choose: a /30 from link-local space for each tunnel, AWS on the first host, Azure on the
second. AWS refuses some /30s; Azure takes only 169.254.21.0 to 169.254.22.255.
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_VpnTunnelOptionsSpecification.html
https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-howto-aws-bgp
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, summarize_address_range
from itertools import combinations, product, zip_longest

FourRanges = tuple[IPv4Network, IPv4Network, IPv4Network, IPv4Network]

PRIVATE = tuple(IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))
"""What no packet finds on the open internet: RFC 1918, and RFC 6598's range that clouds use inside."""
LINK_LOCAL = IPv4Network("169.254.0.0/16")
AZURE_INSIDE = (IPv4Network("169.254.21.0/24"), IPv4Network("169.254.22.0/24"))
AWS_RESERVED = tuple(
    IPv4Network(text)
    for text in (
        "169.254.0.0/30",
        "169.254.1.0/30",
        "169.254.2.0/30",
        "169.254.3.0/30",
        "169.254.4.0/30",
        "169.254.5.0/30",
        "169.254.169.252/30",
    )
)
SMALLEST_GATEWAY_SUBNET = 27  # Azure takes /29, but a /27 is what it recommends and what growth needs


class PoolExhausted(ValueError):
    """The pool of inside addresses does not hold four free ranges that both clouds accept."""


def is_private(address: IPv4Address) -> bool:
    return any(address in private for private in PRIVATE)


def allocate(pool: Sequence[IPv4Network], used: Iterable[IPv4Network] = ()) -> FourRanges:
    """Four free /30s in the order of tunnels 1 to 4, the members of the pool taken in turn.

    With Azure's two /24s and nothing used this gives the plan of Microsoft's tutorial: x.21.0, x.22.0, x.21.4, x.22.4.
    used: ranges that other connections of either gateway hold. Raises PoolExhausted.
    """
    taken = tuple(used)
    chosen: list[IPv4Network] = []
    for candidate in _in_turn(pool):
        if inside_problem(candidate) or any(candidate.overlaps(other) for other in (*taken, *chosen)):
            continue
        chosen.append(candidate)
        if len(chosen) == 4:
            return chosen[0], chosen[1], chosen[2], chosen[3]
    names = ", ".join(map(str, pool)) or "an empty pool"
    raise PoolExhausted(f"{names} has {len(chosen)} free /30 ranges that both clouds accept; four are needed")


def aws_inside_refusal(inside: IPv4Network) -> str:
    """Why AWS would not take this range as TunnelInsideCidr; empty if it would."""
    if inside.prefixlen != 30:
        return f"AWS takes a /30, not a /{inside.prefixlen}"
    if not inside.subnet_of(LINK_LOCAL):
        return f"AWS takes a range of {LINK_LOCAL} only"
    if inside in AWS_RESERVED:
        return f"AWS keeps {inside} for itself"
    return ""


def azure_inside_problem(inside: IPv4Network) -> str:
    """Why Azure would not take this range's addresses as custom BGP addresses; empty if it would."""
    if not any(inside.subnet_of(part) for part in AZURE_INSIDE):
        return "Azure takes addresses from 169.254.21.0 to 169.254.22.255 only"
    return ""


def inside_problem(inside: IPv4Network) -> str:
    """Why one of the clouds would refuse this range for a tunnel; empty if both take it."""
    return aws_inside_refusal(inside) or azure_inside_problem(inside)


@dataclass(frozen=True, slots=True)
class NamedRange:
    """A range with the words that a user knows it by, such as ``AKS pod CIDR``."""

    name: str
    network: IPv4Network

    def __str__(self) -> str:
        return f"{self.name} {self.network}"


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two ranges that share addresses: traffic to one would be swallowed by the other."""

    first: NamedRange
    second: NamedRange

    @property
    def shared(self) -> IPv4Network:
        """The smaller of the two: of two ranges that overlap, one contains the other."""
        return max(self.first.network, self.second.network, key=lambda network: network.prefixlen)

    def __str__(self) -> str:
        return f"{self.first} and {self.second}"


def overlaps(groups: Sequence[Sequence[NamedRange]]) -> tuple[Overlap, ...]:
    """Every pair of overlapping ranges from two different groups; within a group ranges may overlap.

    For a link the groups are what AWS routes (VPC CIDRs, EKS service CIDR) and what Azure routes (VNet prefixes, those
    of peered VNets, AKS pod and service CIDRs).
    """
    return tuple(
        Overlap(first, second)
        for one, other in combinations(groups, 2)
        for first, second in product(one, other)
        if first.network.overlaps(second.network)
    )


def free_gateway_subnet(
    prefixes: Iterable[IPv4Network],
    taken: Iterable[IPv4Network],
    prefixlen: int = SMALLEST_GATEWAY_SUBNET,
) -> IPv4Network | None:
    """The highest free range of that size in a VNet, for its GatewaySubnet; None if there is no room.

    The highest, because people and tools number their own subnets from the bottom.
    """
    subnets = tuple(taken)
    for prefix in sorted(prefixes, reverse=True):
        for block in sorted(_without(prefix, subnets), reverse=True):
            if block.prefixlen <= prefixlen:
                return IPv4Network((int(block.broadcast_address) + 1 - 2 ** (32 - prefixlen), prefixlen))
    return None


def aws_asn_refusal(asn: int) -> str:
    """Why a new virtual private gateway cannot have this AS number; empty if it can.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpnGateway.html
    """
    if 64_512 <= asn <= 65_534 or 4_200_000_000 <= asn <= 4_294_967_294:
        return ""
    return "AWS gives a gateway 64512 to 65534 or 4200000000 to 4294967294 only"


_OF_AWS = {7_224: "", 9_059: "eu-west-1", 10_124: "ap-northeast-1", 17_943: "ap-southeast-1"}


def aws_peer_asn_problem(asn: int, region: str) -> str:
    """Why AWS would not accept a peer (Azure's side) with this AS number; empty if it would.

    https://docs.aws.amazon.com/vpn/latest/s2svpn/cgw-options.html
    """
    if asn in _OF_AWS and _OF_AWS[asn] in ("", region):
        return f"AWS keeps {asn} for itself" + (f" in {region}" if _OF_AWS[asn] else "")
    return "" if 1 <= asn <= 4_294_967_294 else "an AS number lies between 1 and 4294967294"


def azure_peer_asn_problem(asn: int) -> str:
    """Why an Azure gateway would not accept a peer (AWS's side) with this AS number; empty if it would.

    https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-vpn-faq#bgp
    """
    if asn in (8_074, 8_075, 12_076) or 65_515 <= asn <= 65_520:
        return "Azure keeps this number for itself"
    return _iana_refusal(asn)


def azure_asn_refusal(asn: int) -> str:
    """Why an Azure gateway cannot have this AS number itself; empty if it can. 65515 is its default."""
    return "" if asn == 65_515 else azure_peer_asn_problem(asn)


def _iana_refusal(asn: int) -> str:
    if not 1 <= asn <= 4_294_967_294:
        return "an AS number lies between 1 and 4294967294"
    if asn == 23_456 or 64_496 <= asn <= 64_511 or 65_535 <= asn <= 65_551:
        return "IANA keeps this number for special use"
    return ""


def _in_turn(pool: Sequence[IPv4Network]) -> Iterator[IPv4Network]:
    """The /30s of all members of the pool, one from each in turn; only the part that Azure accepts is walked."""
    members = [
        (smaller.subnets(new_prefix=30) if smaller.prefixlen <= 30 else iter(()))
        for network in pool
        for part in AZURE_INSIDE
        if network.overlaps(part)
        for smaller in (network if network.prefixlen >= part.prefixlen else part,)
    ]
    for row in zip_longest(*members):
        yield from (network for network in row if network is not None)


def _without(prefix: IPv4Network, taken: Sequence[IPv4Network]) -> Iterator[IPv4Network]:
    """The largest blocks of a prefix that none of the taken ranges touches, in ascending order."""
    start, end = int(prefix.network_address), int(prefix.broadcast_address)
    for network in sorted(taken):
        first, last = int(network.network_address), int(network.broadcast_address)
        if last < start or first > end:
            continue
        if first > start:
            yield from _blocks(start, first - 1)
        start = last + 1
    if start <= end:
        yield from _blocks(start, end)


def _blocks(first: int, last: int) -> Iterator[IPv4Network]:
    start, end = IPv4Network(first).network_address, IPv4Network(last).network_address
    return summarize_address_range(start, end)
