"""Each screen as it looks, wide and narrow, and that colour and encoding change nothing but colour and encoding."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
import view_samples as samples
from tests.support.clocks import FakeClock

from cloudlink.checks.report import Advice
from cloudlink.core.events import Failed
from cloudlink.core.plan import Adopted
from cloudlink.errors import CloudError, CloudlinkError, CredentialsError
from cloudlink.view import View, open_view
from cloudlink.view.printer import _that_fit
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
    "status-down": ("status", lambda v: v.status(samples.DOWN)),
    "status-all-degraded": ("status", lambda v: v.status(samples.DEGRADED, everything=True)),
    "status-all-healthy": ("status", lambda v: v.status(samples.HEALTHY, everything=True)),
    "status-absent": ("status", lambda v: v.status(samples.ABSENT)),
    "up-degraded": ("up", lambda v: v.status(samples.DEGRADED)),
    "up-healthy": ("up", lambda v: v.status(samples.HEALTHY)),
    "dns": ("verify-dns", lambda v: v.dns(samples.DNS)),
    "dns-all": ("verify-dns", lambda v: v.dns(samples.DNS, everything=True)),
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
    names = (wrong, *others, replace(wrong, name="three.corp.example", cause="Another."))
    report = replace(samples.DNS, names=names, advice=Advice(""))
    monkeypatch.setitem(SCREENS, "dns-alike", ("verify-dns", lambda v: v.dns(report, everything=True)))
    out, _ = shown("dns-alike")
    assert out.count("The security group of the endpoint") == 1
    assert out.count(f"cause  the same as of {wrong.name}") == 2
    assert out.count("cause  Another.") == 1
    assert out.count("fix    cloudlink up") == 2


def test_one_outage_of_five_names_is_a_line_a_name_and_one_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = samples.DNS.names[1]
    names = tuple(replace(silent, name=f"{word}.corp.example") for word in ("app", "db", "git", "vault", "wiki"))
    outage = replace(samples.DNS, names=names, advice=replace(samples.DNS.advice, cause=silent.cause))
    monkeypatch.setitem(SCREENS, "outage", ("verify-dns", lambda v: v.dns(outage)))
    monkeypatch.setenv("COLUMNS", "80")
    text, _ = shown("outage")
    rows = text.splitlines()
    assert "0 of 5 names" in rows[0], "the summary comes first"
    assert len(rows) <= 16 and sum("endpoint 10.10.1.4 udp: timeout" in row for row in rows) == 5
    assert " ".join(text.split()).count(silent.cause) == 1
    assert " ".join(text.split()).index("app.corp.example") < " ".join(text.split()).index(silent.cause)
    assert rows[-1].strip() == "Every hop: cloudlink verify-dns --all"


@pytest.mark.parametrize("columns", ["60", "80"])
def test_one_outage_of_all_tunnels_is_told_once(monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    text, _ = shown("status-down")
    said = " ".join(text.split())
    assert said.count("without IPsec") == 1 and said.count(" cause ") == 1 and said.count(" next ") == 1
    assert "All 4 tunnels" in said and not re.search(r"tunnel [1-4]", said), "one line of four"
    assert "so also BGP sessions; routes" in said, "what follows from it, and no more of it"
    assert len(text.splitlines()) <= 18


def test_every_hop_is_that_of_the_name_that_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """It need not be configured, and would not be asked without being named."""
    report = replace(samples.DNS, names=samples.DNS.names[1:2])
    monkeypatch.setitem(SCREENS, "dns-one", ("verify-dns", lambda v: v.dns(report)))
    assert f"Every hop: cloudlink verify-dns {report.names[0].name} --all" in shown("dns-one")[0]
    assert "Every hop: cloudlink verify-dns --all" in shown("dns")[0]


def of_up(out: io.StringIO, err: io.StringIO) -> View:
    return open_view(
        "plain",
        out=out,
        err=err,
        color=None,
        clock=FakeClock(samples.START),
        command="up",
        link="x",
        sandbox_speed=None,
    )


def test_an_error_is_shown_once() -> None:
    err = io.StringIO()
    view = of_up(io.StringIO(), err)
    for event in samples.up_events():
        view.event(event)
    view.error(samples.REFUSED)
    view.close()
    assert err.getvalue().count("What to do:") == 1
    assert err.getvalue().count(samples.REFUSED.request_id) == 1


def test_what_a_healthy_link_did_not_show_is_told_before_the_error_points_at_it() -> None:
    """All works, but a permission to look at one part is missing: the last line of ``up`` said "see above" of nothing."""
    out, err = io.StringIO(), io.StringIO()
    view = of_up(out, err)
    missing = CredentialsError("Azure refused permission", "The action a/b/read is missing.", "Ask for it.")
    view.status(replace(samples.HEALTHY, advice=Advice(f"Not seen: BGP sessions. {missing}", task=missing.hint)))
    view.error(missing)
    view.close()
    assert missing.detail in " ".join(out.getvalue().split()) or missing.detail in " ".join(err.getvalue().split())


def test_the_same_failure_of_four_objects_is_one_message_that_names_them() -> None:
    err = io.StringIO()
    view = of_up(io.StringIO(), err)
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
    view = of_up(io.StringIO(), err)
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


@pytest.mark.parametrize(("columns", "kept"), [(80, 1), (200, 2)])
def test_a_watch_counts_rows_and_not_lines(columns: int, kept: int) -> None:
    """A command that is longer than the terminal is wide takes several rows; what no longer fits is left out at the end."""
    size = os.terminal_size((columns, 3))
    shown = _that_fit([line("x" * 150), line("the second"), line("the third")], size)
    assert len(shown) == kept
    assert text_of(shown[0]) == "x" * 150


def test_a_watch_into_a_file_says_when_each_look_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCREENS, "watched", ("status", lambda v: (v.watch(samples.HEALTHY), v.watch(samples.DOWN))[0]))
    out, _ = shown("watched")
    assert [row for row in out.splitlines() if row.startswith("---")] == ["--- 06:00:00 ---"] * 2
    assert out.index("HEALTHY") < out.rindex("---") < out.index("DOWN")


def test_what_is_adopted_is_named_in_its_step(monkeypatch: pytest.MonkeyPatch) -> None:
    used = Adopted("aws_vpn.gateway", "Virtual private gateway", "vgw-0f1e")
    plan = replace(samples.LATER_PLAN, adopted=(used,))
    monkeypatch.setitem(SCREENS, "adopting", ("plan", lambda v: v.plan(plan, link=samples.LINK)))
    out, _ = shown("adopting")
    assert "  = 1 unchanged\n  adopted:  aws_vpn.gateway  Virtual private gateway  vgw-0f1e\n" in out
    assert out.count("adopted:") == 1


def test_a_table_behind_a_transit_gateway_takes_no_routes_from_it_and_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = (replace(samples.HEALTHY.route_tables[0], propagating=None),)
    healthy = replace(samples.HEALTHY, route_tables=tables)
    monkeypatch.setitem(SCREENS, "behind", ("status", lambda v: v.status(healthy, everything=True)))
    row = next(r for r in shown("behind")[0].splitlines() if f"AWS {tables[0].id}" in r)
    assert row.split() == ["✓", "AWS", tables[0].id, "to", "Azure:", *", ".join(tables[0].routes).split()]


def test_a_table_with_static_routes_alone_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = (replace(samples.HEALTHY.route_tables[0], propagating=False, routes=(), static=("10.20.0.0/16",)),)
    healthy = replace(samples.HEALTHY, route_tables=tables)
    monkeypatch.setitem(SCREENS, "static", ("status", lambda v: v.status(healthy, everything=True)))
    row = next(r for r in shown("static")[0].splitlines() if f"AWS {tables[0].id}" in r)
    assert row.split() == ["✓", "AWS", tables[0].id, "to", "Azure", "by", "static", "routes:", "10.20.0.0/16"]
