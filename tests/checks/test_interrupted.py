"""What status says while a command is at work, and of a pause that was interrupted before it began."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cloudlink.checks import interrupted, pauses, tunnels
from cloudlink.checks.marks import Mark, Stage, mark_in, numbers
from cloudlink.checks.report import Drift
from cloudlink.clouds.aws.parse_logs import TunnelLogEntry
from cloudlink.clouds.azure.parse_monitor import GatewayLogEntry
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.errors import Severity
from cloudlink.steps.dns_forward.pauses import Pause
from tests.checks.test_tunnels import LINK, Said, plain
from tests.support.pinned import pin

HOLDER = "It is cloudlink up on build-1."


def down(*indexes: int) -> Said:
    said = Said()
    said.down(*indexes)
    return said


@pytest.mark.parametrize(
    ("command", "indexes", "waits"),
    [
        ("cloudlink up", (1,), True),
        ("cloudlink resume", (1,), True),
        ("cloudlink up", (), False),
        ("cloudlink pause", (1,), False),
        ("cloudlink pause --deep", (1,), False),
        ("cloudlink teardown", (1,), False),
    ],
)
def test_while_a_command_is_at_work_one_waits_for_what_it_makes_healthy(
    command: str, indexes: tuple[int, ...], waits: bool
) -> None:
    made = pin(interrupted.running(down(*indexes).report(), command, HOLDER), beside=plain())
    assert made.advice.cause == f"A command is at work on the link. {HOLDER}"
    assert bool(made.advice.command) is waits and made.next == ((made.advice.command,) if waits else ())
    assert bool(made.advice.task) is not waits and bool(made.advice.effect) is waits


def test_a_pause_that_removed_nothing_is_gone_on_with() -> None:
    for said in (down(), down(1), down(0, 1, 2, 3)):
        pin(interrupted.pause_before_anything(said.report()), beside=plain())
    drift = Drift("azure_vpn.connection[0]", "connection 1", "it is there", by_hand=True, who="anna")
    theirs = Drift("resolver.records", "records", "differ", by_hand=True, who="anna")
    pin(interrupted.pause_before_anything(replace(down().report(), drift=(drift, theirs))), beside=plain())
    assert pin(interrupted.pause_before_anything(down().report())).advice.command == "cloudlink pause"


# --- what the ends of a tunnel wrote --------------------------------------------------------------------------


def test_of_a_tunnel_that_is_down_the_last_bad_line_of_awss_end_is_told() -> None:
    first, second, *_ = down(0).report().tunnels
    assert first.aws is not None and second.aws is not None

    def entry(at: float, good: bool | None, of: Any, text: str) -> TunnelLogEntry:
        return TunnelLogEntry(of.aws.connection, of.aws.outside_ip, "ike", at, good, text)

    written = [
        entry(1, False, first, "old"),
        entry(2, False, first, "last"),
        entry(3, True, first, "up"),
        entry(4, None, first, "nothing"),
        entry(5, False, second, "of one that is up"),
    ]
    told = tunnels.with_evidence((first, second), written)
    assert [(t.evidence, t.evidence_at) for t in told] == [("last", 2), ("", None)]


def test_of_azures_lines_what_ike_says_tells_the_cause() -> None:
    first, second, *_ = down(0).report().tunnels
    assert first.aws is not None and second.aws is not None
    here, up = first.aws.outside_ip, second.aws.outside_ip
    gone, cause = GatewayLogEntry(here, "tunnel", 9, False, "gone"), GatewayLogEntry(here, "ike", 3, False, "13801")
    for written, said in (
        ([cause, gone], ("13801", 3)),
        ([gone], ("gone", 9)),
        ([replace(cause, at=1, text="older"), cause], ("13801", 3)),
        ([replace(gone, good=True), replace(cause, good=None)], ("", None)),
        ([replace(gone, remote=up)], ("", None)),
    ):
        told = tunnels.with_azures_evidence((first, second), written)
        assert [(t.azure_evidence, t.azure_evidence_at) for t in told] == [said, ("", None)]
    hidden = replace(first, aws=None)  # and a line that names no other end
    (told,) = tunnels.with_azures_evidence((hidden,), [replace(gone, remote="")])
    assert (told.azure_evidence, told.azure_evidence_at) == ("", None)


# --- pauses and marks -----------------------------------------------------------------------------------------


def test_up_leaves_a_pause_to_resume() -> None:
    plan = Plan(
        tuple(Change(a, a, action) for a, action in (("a", Action.CREATE), ("b", Action.CREATE), ("c", Action.UPDATE)))
    )
    found = pin(pauses.obstacle(plan, LINK, Pause(1_800_000_000.0)))
    assert (found.severity, found.hint, found.instead) == (Severity.OBSTACLE, "cloudlink resume", True)
    assert "makes 2 objects again" in found.detail and "names fail at once" in found.detail
    one = pauses.obstacle(Plan(plan.changes[:1]), LINK, Pause(0.0))
    assert "makes 1 object again" in one.detail
    assert "lets CoreDNS forward the zone again" in pin(pauses.obstacle(Plan(()), LINK, Pause(0.0, "10.9.9.9"))).detail


@pytest.mark.parametrize(
    ("made", "saved"),
    [
        (pauses.Saving(400.0, 100.0, 12, 7), 150.0),
        (pauses.Saving(400.0, 9.5, 24, 1), 390.5 * (1 - 24 / 168)),
        (pauses.Saving(None, 100.0, 12, 7), None),
        (pauses.Saving(400.0, None, 12, 7), None),
    ],
)
def test_what_a_pause_saves(made: pauses.Saving, saved: float | None) -> None:
    assert made.saved == (pytest.approx(saved) if saved is not None else None)
    pin(pauses.finding(made))


@pytest.mark.parametrize(("price", "text"), [(9.994, "9.99"), (10.0, "10"), (1234.5, "1,234"), (0.5, "0.50")])
def test_small_amounts_have_cents(price: float, text: str) -> None:
    assert pauses.usd(price) == text


def test_a_mark_is_read_as_it_is_written() -> None:
    at = datetime(2026, 11, 1, 12, 0, 5, tzinfo=UTC).timestamp()
    for mark, text in (
        (Mark(Stage.BEGAN, at, "1 3"), "began 2026-11-01T12:00:05+00:00 1 3"),
        (Mark(Stage.CHANGED, at), "changed 2026-11-01T12:00:05+00:00"),
    ):
        assert str(mark) == text
        assert mark_in({"k": text}, "k") == mark
    assert mark_in({"k": "soon"}, "k") is None and mark_in({}, "k") is None and mark_in({"k": "began x"}, "k") is None
    assert numbers({3, 1, 2}) == "1 2 3"
    assert (Mark(Stage.BEGAN, at, "on 30d 4 2 2 9").tunnels, Mark(Stage.BEGAN, at, "on 30d 4").days) == ((2, 4), 30)
    assert Mark(Stage.BEGAN, at, "off ad d").days is None
