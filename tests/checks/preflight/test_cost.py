"""The whole link's price and what the plan adds, out of one table."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from cloudlink.checks.preflight.cost import CostFacts, addresses, check, estimate, of_existing
from cloudlink.checks.preflight.prices import NOTED, PRICES
from cloudlink.config.schema import _SKUS
from cloudlink.core.plan import Action, Adopted, Plan
from cloudlink.link import NewCluster
from tests.support.pinned import pinned

from .samples import ADDRESSES, first_plan, link, plan

FACTS = CostFacts(endpoint_subnets=3)
WHOLE = 140.0 + 2 * 3.65 + 2 * 36.5 + 4 * 3.65 + 3 * 91.25 + 0.5


def test_the_first_plan_makes_the_whole_link() -> None:
    cost = estimate(FACTS, link(), first_plan())
    assert (round(cost.whole, 2), round(cost.added, 2)) == (WHOLE, WHOLE)
    (finding,) = pinned(check(FACTS, link(), first_plan()))
    assert f"about {WHOLE:,.0f} USD a month, plus traffic (list prices as of {NOTED}" in finding.detail


def test_a_plan_that_goes_on_adds_only_what_is_missing() -> None:
    there = replace(first_plan())
    changes = tuple(c if c.address.startswith("resolver.") else replace(c, action=Action.NO_OP) for c in there.changes)
    cost = estimate(FACTS, link(), Plan(changes))
    assert (round(cost.whole, 2), round(cost.added, 2)) == (WHOLE, 3 * 91.25 + 0.5)
    (finding,) = pinned(check(FACTS, link(), Plan(changes)))
    assert "of which this plan adds 274" in finding.detail


def test_what_is_somebody_elses_is_not_what_the_link_costs() -> None:
    address = "resolver.zone"
    changes = tuple(replace(c, action=Action.NO_OP) if c.address == address else c for c in first_plan().changes)
    cost = estimate(FACTS, link(), Plan(changes, adopted=(Adopted(address, "zone", "Z1"),)))
    assert (round(cost.whole, 2), round(cost.added, 2)) == (WHOLE - 0.5, WHOLE - 0.5)


def test_a_plan_that_makes_nothing_that_costs_says_nothing() -> None:
    assert list(check(FACTS, link(), plan(Action.UPDATE))) == []


@pytest.mark.parametrize("sku", _SKUS)
def test_every_size_of_gateway_has_a_price_and_counts_once(sku: str) -> None:
    cost = estimate(FACTS, link(azure={"sku": sku}), first_plan())
    assert round(cost.whole - PRICES[sku].monthly, 2) == round(WHOLE - 140.0, 2)


@pytest.mark.parametrize("item", PRICES)
def test_every_price_says_where_and_when_it_was_read(item: str) -> None:
    price = PRICES[item]
    assert price.monthly > 0
    assert price.source.startswith("https://")
    assert "20" in price.date


@pytest.mark.parametrize("existing", [ADDRESSES, ("aws_vpn.connection[0]",), ("azure_vpn.gateway", "resolver.zone")])
def test_what_a_question_and_an_end_say_is_what_the_plan_says(existing: tuple[str, ...]) -> None:
    """The endpoint has an address in each of the cluster's subnets, in all three places."""
    there = Plan(tuple(c for c in first_plan().changes if c.address in existing))
    assert of_existing(existing, link(), addresses(link(), ("subnet-1", "subnet-2", "subnet-3"))) == pytest.approx(
        estimate(FACTS, link(), there).whole
    )


def test_the_addresses_of_a_vpn_connection_are_paid_for() -> None:
    """AWS takes money for every public IPv4 address since 2024: a connection has two."""
    assert of_existing(("aws_vpn.connection[0]",), link()) == pytest.approx(36.5 + 2 * 3.65)


def test_keys_in_secrets_manager_are_paid_for() -> None:
    plain = of_existing(ADDRESSES, link())
    kept = of_existing(ADDRESSES, link(aws={"psk_storage": "secrets-manager"}))
    assert plain is not None and kept is not None
    assert kept - plain == pytest.approx(2 * 0.40)


def test_what_large_tunnels_cost_more_is_said() -> None:
    """The list price differs by region and is in no source that was read: the sum is without it, and says so."""
    (standard,) = pinned(check(FACTS, link(aws={"gateway": "create-transit"}), first_plan()))
    (large,) = pinned(check(FACTS, link(aws={"gateway": "create-transit", "bandwidth": "large"}), first_plan()))
    assert "large tunnels" not in standard.detail
    assert "plus what large tunnels cost more than standard ones (https://aws.amazon.com/vpn/pricing)" in large.detail


@pytest.mark.parametrize(
    ("region", "cloud", "unpriced", "priced"),
    [
        ("eu-central-1", "china", ("Azure China",), True),
        ("us-gov-west-1", "public", ("AWS GovCloud (US)",), True),
        ("us-gov-west-1", "usgovernment", ("AWS GovCloud (US)", "Azure Government"), False),
        ("cn-north-1", "china", ("AWS China", "Azure China"), False),
    ],
)
def test_no_price_of_one_cloud_is_told_for_another(
    region: str, cloud: str, unpriced: tuple[str, ...], priced: bool
) -> None:
    elsewhere = link(aws={"region": region}, azure={"cloud": cloud})
    (finding,) = pinned(check(FACTS, elsewhere, first_plan()))
    assert finding.summary == "What the link costs is not known"
    assert all(name in finding.detail for name in unpriced) and finding.hint.count("https://") == len(unpriced)
    assert ("USD" in finding.detail) == priced  # of the part whose prices are known
    assert of_existing(ADDRESSES, elsewhere) is None


def test_a_plan_without_anything_that_costs_says_nothing_there_either() -> None:
    elsewhere = link(aws={"region": "cn-north-1"}, azure={"cloud": "china"})
    assert list(check(FACTS, elsewhere, plan(Action.UPDATE, "dns_forward"))) == []
    assert of_existing(("resolver.security_group", "dns_forward.forward"), elsewhere) == 0.0


def test_a_cluster_that_is_made_costs_by_its_nodes() -> None:
    made = NewCluster(1, "Standard_D2s_v5", None, IPv4Network("10.244.0.0/16"), IPv4Network("10.0.0.0/16"))
    (finding,) = pinned(check(FACTS, link(azure={"new_cluster": made}), first_plan()))
    assert "plus the AKS cluster's nodes and traffic" in finding.detail
