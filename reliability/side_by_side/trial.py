"""One change after the other on a linked sandbox, each with what the three say of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from cloudlink.errors import CloudlinkError
from cloudlink.rehearse import performance
from reliability.harness import Harness
from reliability.side_by_side.changes import Change
from reliability.side_by_side.hands import Hands, Refused
from reliability.side_by_side.sides import Before, Side, names_of, of_daemons, of_status, of_world

SETTLING = 6  # minutes: longer than Azure shows a connection as being tried, and AWS a tunnel as replaced


@dataclass(frozen=True)
class Row:
    """refused: what a cloud said to the change; the sides are then of no change."""

    change: Change
    world: Side = field(default_factory=Side)
    status: Side = field(default_factory=Side)
    daemons: Side = field(default_factory=Side)
    refused: str = ""
    seconds: float = 0.0

    @property
    def agree(self) -> bool:
        return self.world.judged == self.status.judged == self.daemons.judged

    @property
    def accounted(self) -> bool:
        """Whether they agree, or the change says why not."""
        return self.agree or bool(self.change.reason)


def rows(changes: Iterable[Change]) -> Iterator[Row]:
    with Harness() as harness:
        built = harness.run("up", "--yes", "--no-verify")
        assert built.code == 0, f"the link was not built: {built}"
        harness.settle()
        harness.keep("linked")
        hands = Hands(harness)
        numbers = {hands.outside(t.index): t.index + 1 for t in harness.link.tunnels}
        before = Before(numbers, names_of(harness.link, harness.sandbox.context.world()))
        for change in changes:
            yield _row(hands, change, before)
            harness.back_to("linked")


def _row(hands: Hands, change: Change, before: Before) -> Row:
    harness, began = hands.harness, time.monotonic()
    try:
        change.make(hands)
    except (Refused, ClientError, CloudlinkError) as error:
        return Row(change, refused=" ".join(str(error).split())[:200])
    for _ in range(SETTLING):
        harness.settle()
    world = of_world(harness.link, harness.sandbox, before)
    status = harness.run("status", "--json")
    names = harness.run("verify-dns", "--json").out if change.names else ""
    done = performance.perform(
        hands.fresh(), quick=False, failover=False, capture=False, install=False, tell=lambda line: None
    )
    said = of_status(status.out, names), of_daemons(done.report, before)
    return Row(change, world, *said, seconds=time.monotonic() - began)
