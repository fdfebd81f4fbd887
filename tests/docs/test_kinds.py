"""The table of the kinds of link: what is measured is what it says, and what is wanted of a kind is judged."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest
from tests.docs.test_docs import GENERATE, ROOT

from cloudlink.config import parse
from cloudlink.link import Link

sys.path.append(str(ROOT / "bench"))
kinds: Any = __import__("kinds")
KINDS = {kind.name: kind for kind in kinds.kinds()}


def link(name: str) -> Link:
    return parse(KINDS[name].config, "config.toml", sandbox=True)


def test_each_kind_is_what_it_is_called() -> None:
    assert link("vpn").aws.adopt_gateway is None
    assert link("vpn, adopted transit gateway").aws.adopt_gateway == "tgw-0aaaabbbbccccdddd"
    assert link("vpn, create-transit").aws.transit
    assert link("vpn, adopted Azure gateway").azure.adopt_gateway == "hub-gateway"
    for name in KINDS:
        assert (link(name).transport == "existing") is name.startswith("existing"), name
    assert link("existing, forward = vnet").dns.forward == "vnet"
    assert [zone.name for zone in link("existing, names back").dns.back] == ["privatelink.blob.core.windows.net"]
    assert len(link("existing, three clusters").azure.more_clusters) == 2
    zones = link("existing, 10 zones of 50 names").dns.zones
    assert [len(zone.hosts) for zone in zones] == [50] * 10
    assert [len(zone.hosts) for zone in link("existing, one zone of 50 names").dns.zones] == [50]


def test_each_kind_has_a_row() -> None:
    assert [one.kind for one in kinds.written()] == list(KINDS)


def test_what_is_wanted_holds_for_the_figures_of_the_documentation() -> None:
    """docs/benchmarks.md says what is missed: calls over an existing link, and a hundredth of the chain with two kinds at once."""
    told = kinds.remarks(kinds.written())
    assert len(told) == 3 + 4 + 1
    missed = [line for line in told if "more than wanted" in line and "longest chain" not in line]
    assert [line.partition(":")[0] for line in missed] == ["existing"]
    assert all(one.up <= one.chain * 1.06 for one in kinds.written() if one.chain)


def test_more_than_wanted_is_said() -> None:
    transit = kinds.Measured("vpn, adopted transit gateway", 1300, 170, 0, 34, 619, 1000, 150, 1282, 170)
    assert [line.endswith("as wanted") for line in kinds.remarks([transit])] == [True, True]
    late = replace(transit, up=round(transit.chain * 1.06), up_calls=171)
    assert [line.endswith("more than wanted") for line in kinds.remarks([late])] == [True, True]
    one = kinds.Measured("existing, one zone of 50 names", 165, 65, 5, 24, 274, 125, 60, 0, None)
    ten = replace(one, kind="existing, 10 zones of 50 names", up_calls=110, second_calls=45)
    assert "in the first up 45 calls more" in kinds.remarks([one, ten])[0]
    assert kinds.remarks([one, ten])[0].endswith("in the second 21; <= 20: more than wanted")


def test_the_price_is_the_plans() -> None:
    finding = {"topic": "cost", "detail": "The whole link costs about 274 USD a month, plus traffic"}
    assert kinds.price_of(GENERATE.json.dumps({"findings": [{"topic": "x", "detail": ""}, finding]})) == 274
    with pytest.raises(SystemExit):
        kinds.price_of('{"findings": []}')


def test_a_row_tells_the_polls_of_a_pod_apart() -> None:
    measured = kinds.Measured("existing", 165, 70, 8, 23, 274, 125, 40, 0, 45)
    assert (
        kinds.table([measured]).splitlines()[-1]
        == "| existing | 2 min 45 s | 62 and 8 | 23 calls | 274 | 2 min 05 s | 40 |"
    )
