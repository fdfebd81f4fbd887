"""Words, numbers, and that nothing from outside steers a terminal."""

from __future__ import annotations

import io
import json
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import view_samples as samples
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clocks import FakeClock

from cloudlink.checks.report import DnsReport, Drift, Health, Hop, NameReport, StatusReport, TeardownReport
from cloudlink.core.events import Begun, Done, Failed, Kept, Note, Progress, Skipped, Verb
from cloudlink.core.plan import Action, Adopted, Change, FieldChange, Plan
from cloudlink.errors import CloudError, ConfigError, Finding, Mistake, ObstaclesError, Severity
from cloudlink.secret import Secret
from cloudlink.view import open_view, words
from cloudlink.view.json_lines import as_json, dumped
from cloudlink.view.text import Span, to_paste


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0ms"),
        (0.85, "850ms"),
        (0.9999, "999ms"),
        (12, "12s"),
        (59.9, "59s"),
        (185, "3m05s"),
        (3599.9, "59m59s"),
        (3720, "1h02m"),
        (86_400 * 2 + 4 * 3600, "2d04h"),
        (-3, "0ms"),
    ],
)
def test_durations(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "about 5s"),
        (12, "about 10s"),
        (58, "about 1m"),
        (1380, "about 23m"),
        (3590, "about 1h00m"),
        (4000, "about 1h05m"),
    ],
)
def test_estimates(seconds: float, said: str) -> None:
    assert words.about(seconds) == said


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (14_591, "14 kB"),
        (184_320, "184 kB"),
        (2_500_000_000, "2.5 GB"),
        (10**13, "10.0 TB"),
    ],
)
def test_sizes(octets: int, said: str) -> None:
    assert words.size(octets) == said


EVIL = "[red]evil[/] :bomb: \x1b[31m\x1b]0;title\x07 \x9b2J \r\n\u202eredro\u2066\u200b\udc80 \x7f\x00"


@given(st.text())
def test_visible_leaves_nothing_that_steers_and_is_stable(text: str) -> None:
    safe = words.visible(text)
    assert safe.isprintable()
    assert words.visible(safe) == safe
    assert Span(text).text == safe


def test_visible_keeps_what_is_harmless() -> None:
    assert words.visible("Zürich 東京 é [bold]x[/bold] C:\\x") == "Zürich 東京 é [bold]x[/bold] C:\\x"
    assert words.visible("a\x1b[31mb\u202ec") == "a\\x1b[31mb\\u202ec"


def _show_evil(kind: Literal["live", "plain", "json"], color: bool) -> str:
    out, err = io.StringIO(), io.StringIO()
    shows: list[tuple[str, Any]] = []
    error = CloudError(EVIL, EVIL, EVIL, resource=EVIL, request_id=EVIL, code=EVIL)
    change = Change("aws_vpn.gateway", EVIL, Action.UPDATE, EVIL, (FieldChange(EVIL, EVIL, EVIL),), EVIL, True)
    tunnel = replace(samples.DEGRADED.tunnels[2], why=EVIL, fix=EVIL, inside=EVIL, address=EVIL)
    status = StatusReport(
        EVIL, Health.DOWN, EVIL, (tunnel,), (), (EVIL,), None, EVIL, ((EVIL,) * 3,), EVIL, (), (), (EVIL,)
    )
    status = replace(status, drift=(Drift(EVIL, EVIL, EVIL),))
    name = NameReport(EVIL, (EVIL,), EVIL, (Hop(EVIL, "timeout", EVIL, 1.0),), EVIL, EVIL)
    shows += [
        (
            "plan",
            lambda v: v.plan(
                Plan((change,), (EVIL,), (Adopted(EVIL, EVIL, EVIL),)), link=replace(samples.LINK, name=EVIL)
            ),
        ),
        ("status", lambda v: v.status(status)),
        ("up", lambda v: v.status(status)),
        ("verify-dns", lambda v: v.dns(DnsReport(EVIL, Health.DOWN, (name,), (EVIL,)))),
        ("teardown", lambda v: v.teardown(TeardownReport(EVIL, *(((EVIL,) * 3,),) * 4))),
        ("up", lambda v: v.error(error)),
        ("up", lambda v: v.error(ObstaclesError((Finding("x", Severity.OBSTACLE, EVIL, EVIL, EVIL, EVIL, EVIL),)))),
        ("up", lambda v: v.error(ConfigError((Mistake(EVIL, EVIL, EVIL, EVIL),), file=EVIL, hint=EVIL))),
        ("up", lambda v: v.note(EVIL)),
        ("up", lambda v: v.confirm(EVIL)),
    ]
    verb: Verb = "create"
    events = [
        Begun(1.0, "a.b", EVIL, verb, 60),
        Progress(2.0, "a.b", EVIL),
        Note(3.0, "warning", EVIL),
        Done(4.0, "a.b", EVIL, verb, 3, EVIL),
        Failed(5.0, "a.c", EVIL, error),
        Skipped(6.0, "a.d", EVIL, EVIL),
        Kept(7.0, "a." + EVIL, EVIL, EVIL),
    ]
    shows.append(("up", lambda v: [v.event(e) for e in events]))
    for command, show in shows:
        view = open_view(
            kind,
            out=out,
            err=err,
            color=color,
            clock=FakeClock(samples.START),
            command=command,
            link=EVIL,
            sandbox_speed=None,
        )
        show(view)
        view.close()
    return out.getvalue() + err.getvalue()


@pytest.mark.parametrize("kind", ["plain", "json"])
def test_nothing_from_outside_steers_the_terminal(
    kind: Literal["plain", "json"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    text = _show_evil(kind, False)
    assert all(character.isprintable() or character == "\n" for character in text)
    assert "[red]evil[/] :bomb:" in text, "what looks like markup is only text"


def test_nothing_from_outside_steers_the_live_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    import re

    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setenv("COLUMNS", "120")
    text = _show_evil("live", True)
    ours = re.compile(r"\x1b\[(0|1|2|31|32|33|\?25[lh]|\d*A|2K)m?")
    rest = ours.sub("", text).replace("\r", "")
    assert all(character.isprintable() or character == "\n" for character in rest)
    assert "\\x1b[31m\\x1b]0;title\\x07 \\x9b2J" in rest
    assert "[red]evil[/] :bomb:" in rest


def test_json_carries_text_unchanged_but_escaped() -> None:
    written = dumped(as_json(Note(1.0, "info", EVIL)))
    assert written.isascii()
    assert written.isprintable()
    assert json.loads(written)["text"] == EVIL


def test_json_gives_no_secret_away() -> None:
    assert as_json({"psk": Secret("abcdefgh12345678")}) == {"psk": "(secret)"}


def test_rich_is_imported_by_the_live_view_alone() -> None:
    program = """
import io, sys
from cloudlink.view import choose, open_view
from cloudlink.core.events import Begun
from cloudlink.core.polling import WallClock
from cloudlink.errors import CloudError
for kind in ("json", "plain", "live"):
    view = open_view(kind, out=io.StringIO(), err=io.StringIO(), color=False, clock=WallClock(), command="up",
                     link="x", sandbox_speed=60.0)
    view.event(Begun(1.0, "a.b", "", "create", 1.0))
    view.error(CloudError("x"))
    view.close()
    print(kind, "rich" in sys.modules)
"""
    source = Path(__file__).parents[2] / "src"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONPATH": str(source)}
    )
    assert done.stdout.split() == ["json", "False", "plain", "False", "live", "True"]


def test_no_other_room_imports_rich() -> None:
    root = Path(__file__).parents[2] / "src" / "cloudlink"
    found = [
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if any(row.strip().startswith(("import rich", "from rich")) for row in path.read_text().splitlines())
    ]
    assert found
    assert all(name.startswith("view/") for name in found)


ID = "/subscriptions/s/resourceGroups/rg(prod)/providers/Microsoft.Network/virtualNetworks/v"


@pytest.mark.parametrize(
    ("text", "pasted"),
    [
        ("az group show --name rg(prod)", "az group show --name 'rg(prod)'"),
        (f"az lock delete --ids {ID}", f"az lock delete --ids '{ID}'"),
        (f"Ask its owner (az lock delete --ids {ID}).", f"Ask its owner (az lock delete --ids '{ID}')."),
        ("Its owner can (az group delete --name plain).", "Its owner can (az group delete --name plain)."),
        ("az group show -g a(b), then -g c(d); done", "az group show -g 'a(b)', then -g 'c(d)'; done"),
        ("az group show --name 'rg(prod)'", "az group show --name 'rg(prod)'"),
        ("Whether (x) holds", "Whether (x) holds"),
    ],
)
def test_names_that_a_shell_would_take_apart_are_quoted(text: str, pasted: str) -> None:
    """A resource group of Azure's may have parentheses in its name."""
    assert to_paste(text, "") == pasted
    assert to_paste(pasted, "") == pasted
    for command in [part for part in re.split(r"[;,]| \(|\)\.?$", pasted) if part.startswith("az ")]:
        shlex.split(command)
