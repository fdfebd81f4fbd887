"""Doctor's lines for people."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudlink.checks import doctor
from cloudlink.checks.preflight.run import (
    BEFORE_REMOVAL,
    EXISTING_WITHOUT_WRITES,
    OVER_EXISTING,
    TOPICS,
    WITHOUT_WRITES,
)
from cloudlink.checks.report import Outcome
from cloudlink.view.doctor import doctor_lines
from cloudlink.view.text import Look
from tests.checks.test_tunnels import LINK
from tests.support.pinned import pin

NAMES = sorted(
    {
        name
        for table in (TOPICS, WITHOUT_WRITES, OVER_EXISTING, EXISTING_WITHOUT_WRITES, BEFORE_REMOVAL)
        for name, _ in table
    }
)


@pytest.mark.parametrize("topic", NAMES)
def test_each_topic_has_a_title(topic: str) -> None:
    """Else its line is the name that programs know it by."""
    made = pin(doctor.report(LINK, [topic], (), None, None))
    assert next(c.title for c in made.checks if c.name == topic) not in (topic, "")


def test_what_was_not_read_is_neither_passed_nor_said_to_be_missing() -> None:
    """A topic whose part in the cluster could not be read is not proved, and a link that nobody could look for may exist."""
    topics, unread = ["coredns", "quotas"], {"coredns": "The cluster could not be asked."}
    made = doctor.report(LINK, topics, (), None, None, unread=unread)
    outcomes = {c.name: (c.outcome, c.detail) for c in made.checks}
    assert outcomes["coredns"] == (Outcome.UNSEEN, "The cluster could not be asked.")
    assert outcomes["quotas"][0] is Outcome.PASSED
    look = Look(100)
    for noted, exists in ((False, None), (True, True)):
        made = doctor.report(LINK, (), (), None, None, noted=noted)
        assert made.exists is exists
        assert "does not exist" not in "".join(s.text for one in doctor_lines(made, look) for s in one)


def test_what_coredns_is_to_do_is_no_line_where_the_vnet_forwards() -> None:
    by_vnet = replace(LINK, dns=replace(LINK.dns, forward="vnet"))
    assert "coredns" not in {c.name for c in doctor.report(by_vnet, ["coredns"], (), None, None).checks}
