"""Doctor's lines for people."""

from __future__ import annotations

import pytest

from cloudlink.checks import doctor
from cloudlink.checks.preflight.run import BEFORE_REMOVAL, EXISTING_WITHOUT_WRITES, WITHOUT_WRITES
from cloudlink.checks.preflight.topics import OVER_EXISTING, TOPICS
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
