"""What is shown while a run goes on: lines, JSON lines and the live picture."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import view_samples as samples
from rich.console import Console
from tests.support.clocks import FakeClock

from cloudlink.clouds.kube.contexts import KubectlContext
from cloudlink.core.events import Begun, Done, Event, Kept, Note, Progress, Queued, Reading, Tick
from cloudlink.core.plan import Action
from cloudlink.errors import CloudError
from cloudlink.view import choose, open_view
from cloudlink.view.board import Board
from cloudlink.view.live import LiveView, frame, summary_lines
from cloudlink.view.options import ViewOptions
from cloudlink.view.printer import Printer
from cloudlink.view.text import Look, cells, line, text_of

Golden = Callable[[str, str], None]
T = samples.START


def plain(events: Iterable[Event], *, sandbox_speed: float | None = None, width: str = "100") -> str:
    err, out = io.StringIO(), io.StringIO()
    view = open_view(
        "plain",
        out=out,
        err=err,
        color=None,
        clock=FakeClock(samples.START),
        command="up",
        link="prod-test",
        sandbox_speed=sandbox_speed,
    )
    for event in events:
        view.event(event)
    view.close()
    assert not out.getvalue(), "progress never goes to stdout"
    return err.getvalue()


def test_plain_lines(golden: Golden) -> None:
    golden("lines-up.txt", plain(samples.up_events()))


def test_plain_lines_in_the_sandbox_beat_slower() -> None:
    text = plain(samples.up_events(), sandbox_speed=120.0)
    assert text.startswith("Sandbox: its clock runs 120× as fast")
    assert plain(samples.up_events()).count("still waiting") > text.count("still waiting") == 0


def test_heartbeats_come_once_a_minute_and_name_what_is_waited_for() -> None:
    events: list[Event] = [Begun(T, "azure_vpn.gateway", "VPN gateway", "create", 1380)]
    events += [Tick(T + second) for second in range(1, 301)]
    rows = [row for row in plain(events).splitlines() if "still waiting" in row]
    assert [row[:8] for row in rows] == ["06:01:00", "06:02:00", "06:03:00", "06:04:00", "06:05:00"]
    assert rows[0].endswith("azure_vpn.gateway 1m00s, usually 9m to 44m")


def test_what_a_cloud_refuses_for_long_is_named_again_and_again() -> None:
    busy = "waiting: Azure is still busy with an earlier operation (AnotherOperationInProgress)"
    events: list[Event] = [Begun(T, "azure_vpn.connection[1]", "connection 2", "update", 60)]
    events += [Progress(T + 2, "azure_vpn.connection[1]", busy), Tick(T + 200)]
    *_, row = [row for row in plain(events).splitlines() if "still waiting" in row]
    assert row.endswith(busy), row
    said = plain([*events, Progress(T + 210, "azure_vpn.connection[1]", "Updating"), Tick(T + 300)])
    assert not said.splitlines()[-2].endswith(busy), "it has been taken"


def test_what_is_gone_already_is_not_unchanged() -> None:
    """A teardown that runs again finds nothing of what the last one has deleted."""
    events: list[Event] = []
    for address, changed in (("aws_vpn.gateway", True), ("aws_vpn.connection[0]", False), ("resolver.zone", False)):
        events.append(Begun(T, address, "an object", "delete", 60))
        events.append(Done(T + 5, address, "an object", "delete", 5.0, "", changed=changed))
    said = plain(events)
    assert "1 deleted, 2 already gone." in said and "unchanged" not in said, said


def test_a_repeated_word_of_the_cloud_is_told_once() -> None:
    events: list[Event] = [Begun(T, "azure_vpn.gateway", "VPN gateway", "create", 1380)]
    events += [Progress(T + second, "azure_vpn.gateway", "Updating") for second in range(1, 30)]
    assert plain(events).count("Updating") == 1


def test_what_takes_longer_than_usual_is_said() -> None:
    events: list[Event] = [Begun(T, "azure_vpn.gateway", "VPN gateway", "create", 60), Tick(T + 120)]
    assert "2m00s, longer than usual (up to 2m)" in plain(events)


def test_in_a_sandbox_nothing_takes_longer_than_usual() -> None:
    """Its clock counts the machine's own time many times over, which says nothing of the cloud."""
    events: list[Event] = [Begun(T, "azure_vpn.gateway", "VPN gateway", "create", 60), Tick(T + 3600)]
    told = plain(events, sandbox_speed=60.0)
    assert "still waiting" in told and "usually up to 2m" in told and "longer than usual" not in told
    for speed, late in ((None, True), (60.0, False)):
        board = Board(simulated=speed is not None)
        for event in events:
            board.take(event)
        picture = "\n".join(map(text_of, frame(board, Look(100, unicode=True), title="up", sandbox_speed=speed)))
        assert ("longer than usual" in picture) is late


# --- JSON -------------------------------------------------------------------------------------------------


def json_lines(show: Callable[[Any], None], command: str) -> tuple[list[Any], str, str]:
    out, err = io.StringIO(), io.StringIO()
    view = open_view(
        "json",
        out=out,
        err=err,
        color=None,
        clock=FakeClock(T + 400),
        command=command,
        link="prod-test",
        sandbox_speed=60.0,
    )
    show(view)
    view.close()
    view.close()
    return [json.loads(row) for row in out.getvalue().splitlines()], out.getvalue(), err.getvalue()


def test_json_lines_of_up(golden: Golden) -> None:
    def show(view: Any) -> None:
        view.plan(samples.FIRST_PLAN, link=samples.LINK)
        for event in samples.up_events():
            view.event(event)
        view.status(samples.DEGRADED)
        view.error(samples.REFUSED)

    objects, text, err = json_lines(show, "up")
    golden("lines-up.jsonl", text)
    assert not err
    assert all({"at", "type"} <= set(o) for o in objects)
    assert objects[-1]["type"] == "result"
    assert (objects[-1]["outcome"], objects[-1]["exit_code"]) == ("error", 5)
    assert objects[-1]["counts"] == {
        "created": 3,
        "updated": 0,
        "replaced": 0,
        "deleted": 0,
        "restored": 0,
        "failed": 1,
        "skipped": 1,
        "kept": 1,
    }


def test_json_of_a_run_without_error() -> None:
    for report, outcome, code in ((samples.HEALTHY, "done", 0), (samples.DEGRADED, "unhealthy", 8)):
        objects, _, _ = json_lines(lambda view, report=report: view.status(report), "up")
        assert len(objects) == 1
        assert (objects[0]["type"], objects[0]["outcome"], objects[0]["exit_code"]) == ("result", outcome, code)
        assert objects[0]["health"] == report.health.value == objects[0]["status"]["health"]


def test_json_of_a_run_whose_tunnels_are_up_and_whose_names_are_not() -> None:
    def show(view: Any) -> None:
        view.status(samples.HEALTHY)
        view.dns(samples.DNS)

    (result,), _, _ = json_lines(show, "up")
    assert (result["outcome"], result["exit_code"], result["health"]) == ("unhealthy", 8, "healthy")
    assert result["dns"]["health"] == "degraded"


def test_json_of_teardown() -> None:
    objects, _, _ = json_lines(lambda view: view.teardown(samples.LEFTOVERS), "teardown")
    assert (objects[-1]["outcome"], objects[-1]["exit_code"]) == ("unhealthy", 8)
    assert objects[-1]["teardown"]["leftovers"] == [
        {
            "address": "resolver.security_group",
            "title": "Security group",
            "detail": "sg-0dead is still used by eni-0beef",
        }
    ]


@pytest.mark.parametrize(
    ("name", "command", "show"),
    [
        ("plan.json", "plan", lambda v: v.plan(samples.LATER_PLAN, link=samples.LINK)),
        ("status.json", "status", lambda v: v.status(samples.DEGRADED)),
        ("dns.json", "verify-dns", lambda v: v.dns(samples.DNS)),
        ("error.json", "status", lambda v: v.error(samples.REFUSED)),
        ("plan-findings.json", "plan", lambda v: v.plan(samples.FOUND_PLAN, link=samples.LINK)),
        ("error-obstacles.json", "plan", lambda v: v.error(samples.BLOCKED)),
        ("error-config.json", "plan", lambda v: v.error(samples.MISTAKEN)),
    ],
)
def test_one_object(name: str, command: str, show: Callable[[Any], None], golden: Golden) -> None:
    def all_of_it(view: Any) -> None:
        view.event(Reading(T, 3))
        view.note("a note for people")
        show(view)
        view.event(Tick(T + 9))

    objects, _, err = json_lines(all_of_it, command)
    assert len(objects) == 1
    assert err == "a note for people\n"
    golden(name, json.dumps(objects[0], indent=2) + "\n")


def test_an_error_after_the_one_object_goes_to_stderr() -> None:
    def show(view: Any) -> None:
        view.status(samples.DEGRADED)
        view.error(samples.UNSIGNED)

    objects, _, err = json_lines(show, "status")
    assert len(objects) == 1
    assert samples.UNSIGNED.summary in err


@pytest.mark.parametrize(
    ("speed", "given", "more"),
    [
        (None, "", ""),
        (60.0, "", " --sandbox"),
        (None, " --config 'my link.toml'", " --config 'my link.toml'"),
        (60.0, " --config x.toml", " --sandbox --config x.toml"),
    ],
)
def test_commands_to_type_are_for_the_link_and_the_clouds_that_were_looked_at(
    speed: float | None, given: str, more: str
) -> None:
    out = io.StringIO()
    view = open_view(
        "json",
        out=out,
        err=io.StringIO(),
        color=None,
        clock=FakeClock(samples.START),
        command="status",
        link="prod-test",
        sandbox_speed=speed,
        given=given,
    )
    view.status(samples.DEGRADED)
    shown = json.loads(out.getvalue())
    assert shown["next"] == [f"cloudlink up{more}", f"cloudlink verify-dns{more}"]
    assert shown["tunnels"][2]["fix"] == f"cloudlink up{more}"
    assert shown["advice"]["command"] == f"cloudlink up{more}"


def test_plan_object_has_what_programs_were_promised() -> None:
    (plan,), _, _ = json_lines(lambda v: v.plan(samples.LATER_PLAN, link=samples.LINK), "plan")
    assert set(plan) == {"link", "changes", "counts", "warnings", "kept", "findings", "accounts", "also_learned"}
    assert plan["counts"] == {a.value: samples.LATER_PLAN.count(a) for a in Action}
    assert all(
        set(c) == {"address", "action", "title", "step", "why", "fields", "id", "drift", "who"} for c in plan["changes"]
    )
    (status,), _, _ = json_lines(lambda v: v.status(samples.DEGRADED), "status")
    assert [t["address"] for t in status["tunnels"]] == [f"tunnel[{i}]" for i in range(4)]
    assert {"aws", "azure", "bgp", "up", "why", "fix", "inside", "instance"} <= set(status["tunnels"][2])
    assert status["tunnels"][2]["aws"]["since"] == "2025-11-23T05:56:00.000Z"
    (dns,), _, _ = json_lines(lambda v: v.dns(samples.DNS), "verify-dns")
    assert all(set(h) == {"hop", "result", "detail", "ms"} for n in dns["names"] for h in n["hops"])


def test_questions_in_json_mode_leave_stdout_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for typed, meant in (("yes\n", True), ("Y\n", True), ("\n", False), ("n\n", False), ("", False), ("yeah\n", False)):
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        answers: list[bool] = []
        objects, _, err = json_lines(lambda view, answers=answers: answers.append(view.confirm("Do it?")), "up")
        assert answers == [meant]
        assert err == "Do it? [y/N] "
        assert [o["type"] for o in objects] == ["result"]


# --- live -------------------------------------------------------------------------------------------------


def board_at(seconds: float) -> Board:
    board = Board()
    for event in samples.up_events():
        if event.at <= T + seconds:
            board.take(event)
    board.take(Tick(T + seconds))
    return board


@pytest.mark.parametrize("width", [100, 60])
@pytest.mark.parametrize("seconds", [2, 5, 19, 95, 240])
def test_live_picture_at_chosen_moments(seconds: int, width: int, golden: Golden) -> None:
    lines = frame(board_at(seconds), Look(width), title="up prod-test", sandbox_speed=60.0)
    assert all(cells(text_of(parts)) <= width for parts in lines)
    golden(f"live-{seconds:03d}s-{width}.txt", "".join(text_of(parts) + "\n" for parts in lines))


def test_live_summary(golden: Golden) -> None:
    text = "".join(text_of(parts) + "\n" for parts in summary_lines(board_at(331), Look(100)))
    golden("live-summary.txt", text)


@pytest.mark.parametrize("height", [4, 8, 12, 20])
def test_live_picture_fits_the_height(height: int) -> None:
    lines = frame(board_at(95), Look(60), title="up prod-test", sandbox_speed=60.0, height=height)
    assert len(lines) <= height


def test_estimate_is_the_longest_chain_and_never_ends_early() -> None:
    board = Board()
    board.take(Queued(T, "a.one", "", "create", (), 100))
    board.take(Queued(T, "a.two", "", "create", ("a.one",), 50))
    board.take(Queued(T, "a.other", "", "create", (), 120))
    assert board.left() == 150
    board.take(Begun(T, "a.one", "", "create", 100))
    board.take(Tick(T + 60))
    assert board.left() == 120  # a.other has not begun
    board.take(Begun(T, "a.other", "", "create", 120))
    board.take(Tick(T + 400))
    assert board.left() == 60
    assert board.fraction() < 1
    for address in ("a.one", "a.two", "a.other"):
        board.take(Done(T + 401, address, "", "create", 1, ""))
    assert (board.left(), board.fraction()) == (0, 1)


def test_circular_needs_do_not_hang_the_estimate() -> None:
    board = Board()
    board.take(Queued(T, "a.one", "", "create", ("a.two",), 10))
    board.take(Queued(T, "a.two", "", "create", ("a.one",), 10))
    assert 10 <= board.left() <= 20


class Wall:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def live_view(width: int = 100, **more: Any) -> tuple[LiveView, samples.Terminal, samples.Terminal, Wall]:
    out, err, wall = samples.Terminal(), samples.Terminal(), Wall()
    screen = Console(
        file=err,
        force_terminal=True,
        color_system=None,
        width=width,
        height=40,
        markup=False,
        emoji=False,
        highlight=False,
    )
    options = ViewOptions(
        out=out,
        err=err,
        color=False,
        clock=FakeClock(samples.START),
        command="up",
        link="prod-test",
        env={"COLUMNS": str(width), "TERM": "xterm"},
        **more,
    )
    view = LiveView(options, wall=wall, screen=screen)
    return view, out, err, wall


def test_live_view_draws_at_most_eight_times_a_second_and_leaves_a_summary() -> None:
    view, out, err, wall = live_view()
    view.event(Begun(T, "azure_vpn.gateway", "VPN gateway", "create", 1380))
    drawings = err.getvalue().count("up prod-test")
    for tick in range(1000):
        wall.at = tick / 100  # ten seconds
        view.event(Tick(T + tick))
    drawings = err.getvalue().count("up prod-test") - drawings
    assert 60 <= drawings <= 80
    assert "16m28s, usually 9m to 44m" in err.getvalue()
    view.event(Done(T + 1300, "azure_vpn.gateway", "VPN gateway", "create", 1300, "gw"))
    view.close()
    view.close()
    assert err.getvalue().endswith("After 21m40s: 1 created.\n")
    assert "\x1b[?25h" in err.getvalue(), "the cursor is back"
    assert not out.getvalue()


def test_live_view_draws_nothing_that_is_there_already_and_no_half_of_a_queue() -> None:
    view, _, err, wall = live_view()
    view.event(Queued(T, "azure_vpn.public_ip[0]", "public IP", "create", (), 5))
    view.event(Queued(T, "azure_vpn.gateway", "VPN gateway", "create", ("azure_vpn.public_ip[0]",), 1380))
    assert "up prod-test" not in err.getvalue()
    view.event(Begun(T, "azure_vpn.public_ip[0]", "public IP", "create", 5))
    assert err.getvalue().count("up prod-test") == 1
    assert "0 of 2 done" in err.getvalue()
    for tick in range(100):
        wall.at = 1 + tick
        view.event(Tick(T))
    assert err.getvalue().count("up prod-test") == 1
    wall.at += 1
    view.event(Tick(T + 3))
    assert err.getvalue().count("up prod-test") == 2
    view.close()


@pytest.mark.parametrize("colour", [False, True])
def test_a_watch_draws_over_the_look_before_without_blanking_the_screen(colour: bool) -> None:
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen, os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        printer = Printer(terminal, colour=colour, env={"TERM": "xterm", "COLUMNS": "80"})
        printer.redraw([line("one"), line("two")])
        first = screen.read(4096).decode()
        printer.redraw([line("three")])
        second = screen.read(4096).decode()
        printer.rest()
        last = screen.read(4096).decode()
    assert first.startswith("\x1b[H\x1b[2J")
    assert second.startswith("\x1b[H")
    assert "\x1b[2J" not in second
    assert second.endswith("three\x1b[K\r\n\x1b[J"), "what is left of the look before is cleared behind and below"
    assert last == "\r\x1b[K"


def test_live_picture_is_gone_before_results_and_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    view, out, err, _ = live_view()
    view.event(Reading(T, 24))
    assert "reading what exists (24 objects)" in err.getvalue()
    view.plan(samples.FIRST_PLAN, link=samples.LINK)
    assert "\x1b[?25h" in err.getvalue()
    assert "Plan for the link" in out.getvalue()
    assert view.confirm("Carry it out?")
    assert err.getvalue().endswith("Carry it out? [y/N] ")
    view.event(Begun(T, "azure_vpn.gateway", "VPN gateway", "create", 1380))
    view.event(Note(T + 1, "warning", "Azure is slow today"))
    view.note("and a note")
    view.status(samples.HEALTHY)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", err.getvalue())
    assert "! warning:  Azure is slow today\n" in shown
    assert "and a note\n" in shown
    assert "is healthy: 4 of 4 tunnels up" in out.getvalue()
    view.close()


@pytest.mark.parametrize(
    "show",
    [
        lambda v: v.confirm("Stop?"),
        lambda v: v.status(samples.HEALTHY),
        lambda v: v.dns(samples.DNS),
        lambda v: v.teardown(samples.TEARDOWN),
        lambda v: v.error(samples.REFUSED),
        lambda v: v.close(),
    ],
)
def test_every_result_waits_until_the_picture_is_gone(
    show: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    view, _, err, _ = live_view()
    view.event(Begun(T, "azure_vpn.gateway", "VPN gateway", "create", 1380))
    assert "\x1b[?25h" not in err.getvalue()
    show(view)
    assert "\x1b[?25h" in err.getvalue()


@pytest.mark.parametrize("command", ["plan", "status", "verify-dns"])
def test_commands_that_only_look_leave_no_total(command: str) -> None:
    err = io.StringIO()
    view = open_view(
        "plain",
        out=io.StringIO(),
        err=err,
        color=None,
        clock=FakeClock(samples.START),
        command=command,
        link="x",
        sandbox_speed=None,
    )
    view.event(Begun(T, "verify.tunnels", "Tunnels", "check", 5))
    view.event(Done(T + 1, "verify.tunnels", "Tunnels", "check", 1, ""))
    view.close()
    assert "After" not in err.getvalue()


def test_teardown_keeps_are_told() -> None:
    assert "kept  (adopted by the configuration)" in plain(
        [Kept(T, "resolver.zone", "Private hosted zone", "adopted by the configuration")]
    )


@pytest.mark.parametrize(
    ("json_wanted", "terminal", "env", "kind"),
    [
        (True, True, {}, "json"),
        (False, True, {"TERM": "xterm"}, "live"),
        (False, True, {}, "live"),
        (False, False, {"TERM": "xterm"}, "plain"),
        (False, True, {"TERM": "dumb"}, "plain"),
        (False, True, {"TERM": "xterm", "CI": "true"}, "plain"),
        (False, True, {"TERM": "xterm", "NO_COLOR": "1"}, "live"),
    ],
)
def test_choice(json_wanted: bool, terminal: bool, env: dict[str, str], kind: str) -> None:
    assert choose(json_wanted, terminal, env) == kind


@pytest.mark.parametrize("several", [False, True])
def test_commands_of_kubectl_name_the_cluster_and_where_its_context_is_from(several: bool) -> None:
    contexts = [KubectlContext("blue", "aks", "az aks get-credentials --name blue")]
    if several:
        contexts.append(KubectlContext("green", "aks", "az aks get-credentials --name green"))
    error = CloudError("CoreDNS is ill", "x", "kubectl get pods; kubectl --context green get pods")
    err, out = io.StringIO(), io.StringIO()
    for kind, stream in (("plain", err), ("json", out)):
        view = open_view(
            kind,  # type: ignore[arg-type]
            out=out,
            err=err,
            color=None,
            clock=FakeClock(samples.START),
            command="plan",
            link="x",
            sandbox_speed=None,
            contexts=contexts,
        )
        view.error(error)
        view.close()
        said = stream.getvalue()
        assert ("kubectl --context blue get pods" in said) is not several, said
        assert said.count("--context green") == 1, "one that is named stays"
    assert (err.getvalue().count("after: az aks get-credentials --name blue") == 1) is not several
    assert (err.getvalue().count("after: az aks get-credentials --name green") == 1) is several
