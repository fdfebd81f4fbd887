"""Whole links, word for word and without any cloud: what each resource is and should be, what a plan finds, what the status says.

After a deliberate change, or where a plan or the status reads more: ``.venv/bin/python -m tests.support.recorded_links``.
"""

from __future__ import annotations

import pytest

from tests.support.golden import compare
from tests.support.recorded_links import LINKS, TOLD, recorded

RECORDED = sorted(file.stem for file in LINKS.glob("*.json"))


@pytest.mark.parametrize("ending", TOLD)
@pytest.mark.parametrize("name", RECORDED)
def test_what_is_told_of_a_recorded_link(name: str, ending: str) -> None:
    compare(TOLD[ending](*recorded(name)), LINKS / f"{name}{ending}")
