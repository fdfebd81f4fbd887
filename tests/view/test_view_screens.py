"""Each screen as it looks, wide and narrow, and that colour and encoding change nothing but colour and encoding."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
import view_samples as samples
from tests.support.clocks import FakeClock

from cloudlink.core.events import Failed
from cloudlink.errors import CloudError, CloudlinkError
from cloudlink.view import View, open_view
from cloudlink.view.text import fold, line, text_of

Show = Callable[[View], None]

SCREENS: dict[str, tuple[str, Show]] = {
    "plan-first": ("plan", lambda v: v.plan(samples.FIRST_PLAN, link=samples.LINK)),
    "plan-later": ("plan", lambda v: v.plan(samples.LATER_PLAN, link=samples.LINK)),
    "plan-findings": ("plan", lambda v: v.plan(samples.FOUND_PLAN, link=samples.LINK)),
    "plan-removal": ("teardown", lambda v: v.plan(samples.REMOVAL, link=samples.LINK)),
    "plan-nothing": ("plan", lambda v: v.plan(samples.NO_PLAN, link=samples.LINK)),
    "status-degraded": ("status", lambda v: v.status(samples.DEGRADED)),
    "status-healthy": ("status", lambda v: v.status(samples.HEALTHY)),
    "status-absent": ("status", lambda v: v.status(samples.ABSENT)),
    "up-degraded": ("up", lambda v: v.status(samples.DEGRADED)),
    "up-healthy": ("up", lambda v: v.status(samples.HEALTHY)),
    "dns": ("verify-dns", lambda v: v.dns(samples.DNS)),
    "teardown": ("teardown", lambda v: v.teardown(samples.TEARDOWN)),
    "teardown-leftovers": ("teardown", lambda v: v.teardown(samples.LEFTOVERS)),
    "error-config": ("up", lambda v: v.error(samples.MISTAKEN)),
    "error-obstacles": ("up", lambda v: v.error(samples.BLOCKED)),
    "error-cloud": ("up", lambda v: v.error(samples.REFUSED)),
    "error-credentials": ("up", lambda v: v.error(samples.UNSIGNED)),
}


def shown(name: str, *, kind: str = "plain", color: bool | None = None, ascii_stream: bool = False) -> tuple[str, str]:
    command, show = SCREENS[name]
    out = samples.AsciiTerminal() if ascii_stream else io.StringIO()
    err = samples.AsciiTerminal() if ascii_stream else io.StringIO()
    assert kind in ("plain", "live")
    view = open_view(
        "live" if kind == "live" else "plain",
        out=out,
        err=err,
        color=color,
        clock=FakeClock(samples.START),
        command=command,
        link="prod-test",
        sandbox_speed=None,
    )
    show(view)
    view.close()
    return out.getvalue(), err.getvalue()


@pytest.mark.parametrize("width", [100, 60])
@pytest.mark.parametrize("name", SCREENS)
def test_screen_is_as_it_was(
    name: str, width: int, golden: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    out, err = shown(name)
    assert bool(err) == name.startswith("error"), "results on stdout, errors on stderr"
    assert bool(out) != bool(err)
    golden(f"{name}-{width}.txt", out + err)


@pytest.mark.parametrize("width", [100, 60])
@pytest.mark.parametrize("name", SCREENS)
def test_screen_keeps_within_the_width_but_for_words_longer_than_it(
    name: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for row in "".join(shown(name)).splitlines():
        command = row.strip() in (
            samples.REFUSED.hint,
            *(f.hint for f in samples.OBSTACLES),
        )  # commands stay whole, so that they can be copied
        assert len(row) <= width or len(row.split()) == 1 or command, row
        assert row == row.rstrip()


@pytest.mark.parametrize("name", SCREENS)
def test_colour_adds_nothing_but_colour(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    coloured = "".join(shown(name, kind="live", color=True))
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == "".join(shown(name))
    assert "".join(shown(name, kind="live", color=False)) == "".join(shown(name))


@pytest.mark.parametrize("name", SCREENS)
def test_streams_without_utf8_get_ascii(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    text = "".join(shown(name, ascii_stream=True))
    assert text.isascii()
    assert "\\u" not in text, "every glyph of ours has an ASCII form"
    assert "\x1b" not in text
    assert "\x1b[" in "".join(shown(name, kind="live", color=True, ascii_stream=True))


def test_no_color_wins_over_a_terminal_and_the_user_wins_over_both(monkeypatch: pytest.MonkeyPatch) -> None:
    def status(color: bool | None) -> str:
        out = samples.Terminal()
        view = open_view(
            "live",
            out=out,
            err=samples.Terminal(),
            color=color,
            clock=FakeClock(samples.START),
            command="status",
            link="x",
            sandbox_speed=None,
        )
        view.status(samples.DEGRADED)
        return out.getvalue()

    assert "\x1b[" in status(None)
    assert "\x1b[" not in status(False)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in status(None)
    assert "\x1b[" in status(True)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b[" not in status(None)


def test_a_cause_that_names_share_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = samples.DNS.names[1]
    others = [replace(wrong, name=f"{label}.corp.example") for label in ("one", "two")]
    report = replace(samples.DNS, names=(wrong, *others, replace(wrong, name="three.corp.example", cause="Another.")))
    monkeypatch.setitem(SCREENS, "dns-alike", ("verify-dns", lambda v: v.dns(report)))
    out, _ = shown("dns-alike")
    assert out.count("The security group of the endpoint") == 1
    assert out.count(f"cause  the same as of {wrong.name}") == 2
    assert out.count("cause  Another.") == 1
    assert out.count("fix    cloudlink up") == 2


def test_an_error_is_shown_once() -> None:
    err = io.StringIO()
    view = open_view(
        "plain",
        out=io.StringIO(),
        err=err,
        color=None,
        clock=FakeClock(samples.START),
        command="up",
        link="x",
        sandbox_speed=None,
    )
    for event in samples.up_events():
        view.event(event)
    view.error(samples.REFUSED)
    view.close()
    assert err.getvalue().count("What to do:") == 1
    assert err.getvalue().count(samples.REFUSED.request_id) == 1


def test_the_same_failure_of_four_objects_is_one_message_that_names_them() -> None:
    err = io.StringIO()
    view = open_view(
        "plain",
        out=io.StringIO(),
        err=err,
        color=None,
        clock=FakeClock(samples.START),
        command="up",
        link="x",
        sandbox_speed=None,
    )
    failures = [
        CloudError(
            "Azure refused the request", "InvalidIpsecPolicy", "Change it.", resource=f"azure_vpn.connection[{i}]"
        )
        for i in range(4)
    ]
    for failure in failures:
        view.event(Failed(samples.START, failure.resource, "connection", failure))
    view.error(failures[0])
    view.close()
    assert err.getvalue().count("What to do:") == 1
    assert all(f.resource in err.getvalue().partition("Error:")[2] for f in failures)


def test_failures_that_nobody_reports_are_shown_on_closing() -> None:
    err = io.StringIO()
    view = open_view(
        "plain",
        out=io.StringIO(),
        err=err,
        color=None,
        clock=FakeClock(samples.START),
        command="up",
        link="x",
        sandbox_speed=None,
    )
    for event in samples.up_events():
        view.event(event)
    view.error(CloudlinkError("The run was not finished"))
    view.close()
    text = err.getvalue()
    assert text.index(samples.REFUSED.hint) < text.index("Error: The run was not finished")


def test_long_words_stay_whole_and_spaces_inside_a_line_are_kept() -> None:
    word = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/net/prod/0123456789abcdef"
    folded = [text_of(part) for part in fold(line(f"  target {word} end"), 40, 4)]
    assert folded == ["  target", f"    {word}", "    end"]
    assert [text_of(p) for p in fold(line("a   b"), 40, 0)] == ["a   b"]


def test_two_results_stand_apart() -> None:
    out = io.StringIO()
    view = open_view(
        "plain",
        out=out,
        err=io.StringIO(),
        color=None,
        clock=FakeClock(samples.START),
        command="up",
        link="x",
        sandbox_speed=None,
    )
    view.status(samples.HEALTHY)
    view.dns(samples.DNS)
    assert "\n\n!  DEGRADED  1 of 2 names" in out.getvalue()
