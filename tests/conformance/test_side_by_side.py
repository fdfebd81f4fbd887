"""A sample of the changes of ``just side-by-side``: the sandbox's world, ``status`` and real daemons say the same of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from reliability.side_by_side.changes import CHANGES
from reliability.side_by_side.trial import Row, rows

from cloudlink.errors import UsageError
from cloudlink.rehearse import programs

pytestmark = pytest.mark.conformance

SAMPLE = {
    "Azure sharedKey": "1 down: IKE",
    "AWS Phase2DHGroupNumbers 19": "1 up, not renewed",
    "AWS customer gateway of the other instance": "1, 2 down: BGP",
}


@pytest.fixture(scope="module")
def made() -> Iterator[dict[str, Row]]:
    try:
        if not programs.found("").coredns:
            pytest.skip("there is no CoreDNS here: tests/conformance/install.py builds it")
    except UsageError as missing:
        pytest.skip(f"{missing} (tests/conformance/install.py fetches the daemons)")
    yield {row.change.name: row for row in rows(c for c in CHANGES if c.name in SAMPLE)}


@pytest.mark.own("world, status and daemons name the same tunnel, layer and renewal")
@pytest.mark.parametrize("name", SAMPLE)
def test_all_three_say_the_same(made: dict[str, Row], name: str) -> None:
    row = made[name]
    assert not row.refused
    sides = {who: str(side) for who, side in (("world", row.world), ("status", row.status), ("daemons", row.daemons))}
    assert sides == dict.fromkeys(sides, SAMPLE[name])
