"""A run that was refused for good: the error stands on the screen at once, and the end says what there is and what it costs."""

from __future__ import annotations

import io
import json

import pytest
from tests.support.clocks import FakeClock
from tests.view import view_samples as samples

from cloudlink.core.events import Done, Event, Failed, Halted, Queued, Skipped
from cloudlink.errors import CloudError
from cloudlink.view import open_view

REFUSED = CloudError(
    "A quota of AWS is used up", "No more endpoints.", "Ask for more: https://x.example", resource="r.endpoint"
)


def events() -> list[Event]:
    at = samples.START
    return [
        Queued(at, "a.gateway", "VPN gateway", "create", (), 1400.0),
        Failed(at + 1, "r.endpoint", "Resolver endpoint", REFUSED),
        Done(at + 900, "a.gateway", "VPN gateway", "create", 900.0, "gw", True),
        Skipped(at + 900, "d.forward", "CoreDNS", "r.endpoint was refused"),
        Halted(at + 900, "r.endpoint", ("a.gateway",), 153.3),
    ]


def shown(kind: str, *, upto: int | None = None) -> str:
    out, err = io.StringIO(), io.StringIO()
    view = open_view(
        kind,  # type: ignore[arg-type]
        out=out,
        err=err,
        color=False,
        clock=FakeClock(samples.START),
        command="up",
        link="x",
        sandbox_speed=None,
    )
    for event in events()[:upto]:
        view.event(event)
    if upto is None:
        view.error(REFUSED)
        view.close()
    return out.getvalue() + err.getvalue()


@pytest.mark.parametrize("kind", ["plain", "live"])
def test_the_error_is_shown_with_its_fix_when_it_happens(kind: str) -> None:
    at_once = " ".join(shown(kind, upto=2).split())
    assert "A quota of AWS is used up" in at_once
    assert "No more endpoints." in at_once
    assert "What to do: Ask for more: https://x.example" in at_once


@pytest.mark.parametrize("kind", ["plain", "live"])
def test_the_end_says_what_was_made_what_it_costs_and_how_to_go_on(kind: str) -> None:
    said = " ".join(shown(kind).split())
    end = said[said.index("Nothing more was begun") :]
    assert "because r.endpoint was refused" in end
    assert "Made by this run: VPN gateway." in end
    assert "about 153 USD a month" in end
    assert "run cloudlink up again: it goes on from here" in end
    assert "Error: A quota of AWS is used up (r.endpoint): see above." in end
    assert said.count("What to do:") == 1, "it was shown already"


def test_a_program_gets_it_as_a_line_of_its_own() -> None:
    lines = [json.loads(line) for line in shown("json").splitlines()]
    (halted,) = [line for line in lines if line["type"] == "halted"]
    assert (halted["because"], halted["made"], halted["monthly_cost"]) == ("r.endpoint", ["a.gateway"], 153.3)
    (failed,) = [line for line in lines if line["type"] == "failed"]
    assert failed["error"]["hint"] == REFUSED.hint


@pytest.mark.parametrize(
    ("price", "words"),
    [(153.3, "about 153 USD a month"), (0.5, "about 0.50 USD a month"), (None, "no price is known for this cloud")],
)
def test_what_exists_costs_what_it_costs(price: float | None, words: str) -> None:
    """Half a dollar is not nothing, and without a price list of that cloud nothing is made up."""
    out = io.StringIO()
    view = open_view(
        "plain",
        out=out,
        err=out,
        color=False,
        clock=FakeClock(samples.START),
        command="up",
        link="x",
        sandbox_speed=None,
    )
    for event in events()[:-1]:
        view.event(event)
    view.event(Halted(samples.START + 900, "r.endpoint", ("a.gateway",), price))
    view.close()
    assert words in " ".join(out.getvalue().split())
