"""Addresses that both clouds accept, ranges that collide, room that is free."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudlink import addressing
from cloudlink.addressing import AZURE_INSIDE, NamedRange, PoolExhausted, allocate, free_gateway_subnet, overlaps


def net(text: str) -> IPv4Network:
    return IPv4Network(text)


def networks(base: str, longest: int) -> st.SearchStrategy[IPv4Network]:
    inside = net(base)
    return st.builds(
        lambda offset, prefixlen: IPv4Network((int(inside.network_address) + offset, prefixlen), strict=False),
        st.integers(0, inside.num_addresses - 1),
        st.integers(inside.prefixlen, longest),
    )


def test_the_plan_of_the_tutorial():
    assert [str(n) for n in allocate(AZURE_INSIDE)] == [
        "169.254.21.0/30",
        "169.254.22.0/30",
        "169.254.21.4/30",
        "169.254.22.4/30",
    ]


def test_a_second_link_gets_the_next_ranges():
    first = allocate(AZURE_INSIDE)
    assert [str(n) for n in allocate(AZURE_INSIDE, first)] == [
        "169.254.21.8/30",
        "169.254.22.8/30",
        "169.254.21.12/30",
        "169.254.22.12/30",
    ]


def test_exactly_thirty_two_links_fit():
    used: list[IPv4Network] = []
    for _ in range(32):
        used += allocate(AZURE_INSIDE, used)
    assert len(set(used)) == 128
    with pytest.raises(PoolExhausted, match="has 0 free"):
        allocate(AZURE_INSIDE, used)


pools = st.lists(networks("169.254.0.0/16", 32) | networks("169.254.20.0/22", 30), min_size=1, max_size=4)


@given(pools, st.lists(networks("169.254.20.0/22", 32), max_size=8))
def test_an_allocated_range_is_free_and_accepted_by_both(pool: list[IPv4Network], used: list[IPv4Network]):
    try:
        chosen = allocate(pool, used)
    except PoolExhausted:
        return
    assert len(set(chosen)) == 4
    for inside in chosen:
        assert addressing.inside_problem(inside) == ""
        assert any(inside.subnet_of(member) for member in pool)
        assert not any(inside.overlaps(other) for other in used)


@given(pools, st.lists(networks("169.254.20.0/22", 32), max_size=8))
def test_the_pool_is_exhausted_only_if_it_is(pool: list[IPv4Network], used: list[IPv4Network]):
    free = {
        inside
        for part in AZURE_INSIDE
        for inside in part.subnets(new_prefix=30)
        if any(inside.subnet_of(member) for member in pool) and not any(inside.overlaps(other) for other in used)
    }
    try:
        assert set(allocate(pool, used)) <= free
    except PoolExhausted:
        assert len(free) < 4


@pytest.mark.parametrize(
    ("inside", "aws", "azure"),
    [
        ("169.254.21.0/30", "", ""),
        ("169.254.22.252/30", "", ""),
        ("169.254.23.0/30", "", "169.254.21.0 to 169.254.22.255"),
        ("169.254.20.252/30", "", "169.254.21.0 to 169.254.22.255"),
        ("169.254.5.0/30", "keeps 169.254.5.0/30", "only"),
        ("169.254.169.252/30", "keeps", "only"),
        ("169.254.21.0/29", "a /30, not a /29", ""),
        ("10.0.0.0/30", "169.254.0.0/16 only", "only"),
    ],
)
def test_which_cloud_refuses_what(inside: str, aws: str, azure: str):
    for refusal, words in (
        (addressing.aws_inside_refusal(net(inside)), aws),
        (addressing.azure_inside_problem(net(inside)), azure),
    ):
        assert bool(refusal) == bool(words)
        assert words in refusal


@pytest.mark.parametrize(
    ("asn", "aws", "peer", "own"),
    [
        (64512, True, True, True),
        (65000, True, True, True),
        (65514, True, True, True),
        (65515, True, False, True),
        (65516, True, False, False),
        (65520, True, False, False),
        (65521, True, True, True),
        (65534, True, True, True),
        (65535, False, False, False),
        (8075, False, False, False),
        (23456, False, False, False),
        (3320, False, True, True),
        (4_200_000_000, True, True, True),
        (4_294_967_295, False, False, False),
        (0, False, False, False),
    ],
)
def test_as_numbers(asn: int, aws: bool, peer: bool, own: bool):
    assert (addressing.aws_asn_refusal(asn) == "") is aws
    assert (addressing.azure_peer_asn_problem(asn) == "") is peer
    assert (addressing.azure_asn_refusal(asn) == "") is own


def test_overlaps_name_both_ranges_and_spare_neighbours_in_a_group():
    vpc = [NamedRange("VPC CIDR", net("10.10.0.0/16")), NamedRange("VPC CIDR", net("10.10.8.0/24"))]
    azure = [NamedRange("VNet prefix", net("10.0.0.0/9")), NamedRange("AKS pod CIDR", net("10.244.0.0/16"))]
    found = overlaps([vpc, azure])
    assert [str(overlap) for overlap in found] == [
        "VPC CIDR 10.10.0.0/16 and VNet prefix 10.0.0.0/9",
        "VPC CIDR 10.10.8.0/24 and VNet prefix 10.0.0.0/9",
    ]
    assert found[1].shared == net("10.10.8.0/24")


ranges = networks("10.0.0.0/8", 30)


@given(st.lists(ranges, max_size=5), st.lists(ranges, max_size=5))
def test_overlaps_finds_all_and_only_those(one: list[IPv4Network], other: list[IPv4Network]):
    found = overlaps([[NamedRange("a", n) for n in one], [NamedRange("b", n) for n in other]])
    expected = [(a, b) for a in one for b in other if set_of(a) & set_of(b)]
    assert [(o.first.network, o.second.network) for o in found] == expected
    assert all(set_of(o.shared) == set_of(o.first.network) & set_of(o.second.network) for o in found)


class set_of:
    def __init__(self, network: IPv4Network) -> None:
        self.first, self.last = int(network.network_address), int(network.broadcast_address)

    def __and__(self, other: set_of) -> set_of:
        both = object.__new__(set_of)
        both.first, both.last = max(self.first, other.first), min(self.last, other.last)
        return both

    def __bool__(self) -> bool:
        return self.first <= self.last

    def __eq__(self, other: object) -> bool:
        return isinstance(other, set_of) and (self.first, self.last) == (other.first, other.last)

    __hash__ = None  # type: ignore[assignment]


def test_the_gateway_subnet_goes_to_the_top():
    assert free_gateway_subnet([net("10.20.0.0/16")], []) == net("10.20.255.224/27")
    assert free_gateway_subnet([net("10.20.0.0/16")], [net("10.20.255.240/28")]) == net("10.20.255.192/27")
    assert free_gateway_subnet([net("10.20.0.0/24")], [net("10.20.0.0/25"), net("10.20.0.128/25")]) is None
    assert free_gateway_subnet([net("10.20.0.0/28")], []) is None


parts = networks("10.20.0.0/24", 30)


@given(st.lists(parts, min_size=1, max_size=3), st.lists(parts, max_size=6))
def test_a_free_gateway_subnet_is_found_exactly_if_there_is_one(prefixes: list[IPv4Network], taken: list[IPv4Network]):
    free = [
        block
        for prefix in prefixes
        if prefix.prefixlen <= 27
        for block in prefix.subnets(new_prefix=27)
        if not any(block.overlaps(other) for other in taken)
    ]
    found = free_gateway_subnet(prefixes, taken)
    assert found in free if free else found is None
