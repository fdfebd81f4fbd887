"""The whole link's price and what the plan adds, out of one table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudlink.checks.preflight.cost import CostFacts, check, estimate
from cloudlink.checks.preflight.prices import NOTED, PRICES
from cloudlink.config.schema import _SKUS
from cloudlink.core.plan import Action, Plan

from .samples import first_plan, link, plan

FACTS = CostFacts(endpoint_subnets=3)
WHOLE = 140.0 + 2 * 3.65 + 2 * 36.5 + 3 * 91.25 + 0.5


def test_the_first_plan_makes_the_whole_link() -> None:
    cost = estimate(FACTS, link(), first_plan())
    assert (round(cost.whole, 2), round(cost.added, 2)) == (WHOLE, WHOLE)
    (finding,) = check(FACTS, link(), first_plan())
    assert f"about {WHOLE:,.0f} USD a month, plus traffic (list prices as of {NOTED}" in finding.detail


def test_a_plan_that_goes_on_adds_only_what_is_missing() -> None:
    there = replace(first_plan())
    changes = tuple(c if c.address.startswith("resolver.") else replace(c, action=Action.NO_OP) for c in there.changes)
    cost = estimate(FACTS, link(), Plan(changes))
    assert (round(cost.whole, 2), round(cost.added, 2)) == (WHOLE, 3 * 91.25 + 0.5)
    (finding,) = check(FACTS, link(), Plan(changes))
    assert "of which this plan adds 274" in finding.detail


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
