"""What each resource of a whole link is read as, and what it should be, word for word, without any cloud."""

from __future__ import annotations

import json

import pytest

from cloudlink.clouds.azure.client import Azure
from cloudlink.config import parse
from cloudlink.connect import _over_what_exists
from tests.support.clocks import FakeClock
from tests.support.golden import compare
from tests.support.recorded_links import HALF_MADE, LINKS, Kinds, told

RECORDED = sorted([file.stem for file in LINKS.glob("*.toml")] + [f"{name}-half" for name in HALF_MADE])


@pytest.mark.parametrize("name", RECORDED)
def test_what_is_read_of_a_recorded_link(name: str) -> None:
    link = parse(
        (LINKS / f"{name.removesuffix('-half')}.toml").read_text(encoding="utf-8"), "config.toml", sandbox=True
    )
    answers = json.loads((LINKS / f"{name}.json").read_text(encoding="utf-8"))
    cache = Kinds(answers)
    link = _over_what_exists(link, Azure(link, None, FakeClock(), cache))
    compare(told(link, cache), LINKS / f"{name}.txt")
