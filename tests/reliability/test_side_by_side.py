"""What the side by side makes of three judges' words, and that its page has each of its changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from reliability.side_by_side.changes import CHANGES, Change
from reliability.side_by_side.sides import Before, Side, layer_of, of_daemons, of_status
from reliability.side_by_side.table import markdown, named, put_into
from reliability.side_by_side.trial import Row

PAGE = Path(__file__).parents[2] / "docs" / "rehearsal.md"
NUMBERS = {"198.51.100.11": 1, "198.51.100.12": 2}


def test_the_page_has_each_change_and_no_other() -> None:
    assert len({str(c) for c in CHANGES}) == len(CHANGES) > 60
    assert named(PAGE.read_text()) == [str(c) for c in CHANGES]


@pytest.mark.parametrize(
    ("words", "layer"),
    [
        ("the pre-shared keys differ", "IKE"),
        ("no IKE proposal in common", "IKE"),
        ("the ESP encryption differs: AWS permits AES128, Azure uses AES256", "ESP"),
        ("AWS agrees to 10.10.0.0/16 only, Azure takes all addresses or nothing", "ESP"),
        ("Azure expects the BGP peer 169.254.21.9, AWS is 169.254.21.1", "BGP"),
        ("BGP Error: Bad peer AS", "BGP"),
        ("BGP is up, but it carries nothing: AWS's virtual private gateway vgw-1 is not attached to vpc-1", "routes"),
    ],
)
def test_each_reason_has_its_layer(words: str, layer: str) -> None:
    assert layer_of(words) == layer


def test_a_reason_without_a_layer_is_no_guess() -> None:
    with pytest.raises(KeyError, match="to which layer"):
        layer_of("something new")


def tunnel(number: int, **changed: Any) -> dict[str, Any]:
    bgp = {"up": True, "routes": 1, "learned": 1, "announced": 1, "why": ""} | changed.pop("bgp", {})
    made = {"name": f"1-{number}", "outside": f"198.51.100.{10 + number}", "up": True, "why": "", "bgp": bgp}
    return made | changed


def report(*tunnels: dict[str, Any], **lists: Any) -> dict[str, Any]:
    return {"tunnels": list(tunnels), "renewals": [], "endpoints": [], "names": [], "requests": [], **lists}


def test_what_the_daemons_say() -> None:
    before = Before(NUMBERS, {})
    bad = {"tunnel": "1-1", "side": "aws", "what": "child", "good": False, "why": "no proposal in common"}
    said = of_daemons(report(tunnel(1), tunnel(2, up=False, why="the keys differ"), renewals=[bad]), before)
    assert (dict(said.down), said.lost, said.beyond) == ({2: "IKE"}, frozenset({1}), "")
    assert str(said) == "2 down: IKE; 1 up, not renewed"
    assert of_daemons(report(tunnel(1, bgp={"learned": 0}), tunnel(2)), before).down == {1: "routes"}
    assert of_daemons(report(tunnel(1, bgp={"announced": 2}), tunnel(2)), before).beyond == "packets"


def test_a_name_that_leads_elsewhere_than_before() -> None:
    before = Before(NUMBERS, {"app.example": frozenset({"10.0.0.1"})})
    name = {"name": "app.example", "good": True, "by": {"UDP": "right"}, "addresses": ["10.0.0.2"], "why": ""}
    said = of_daemons(report(tunnel(1), tunnel(2), names=[name]), before)
    assert (said.beyond, said.said) == ("names", "app.example leads to 10.0.0.2")


def test_what_status_says() -> None:
    tunnels = [
        {"address": "tunnel[0]", "up": False, "why": "the pre-shared keys differ", "concern": ""},
        {"address": "tunnel[1]", "up": True, "why": "", "concern": "it will be lost when its keys are renewed"},
    ]
    checks = [{"name": "routes-aws", "outcome": "failed", "detail": "off"}]
    said = of_status(json.dumps({"tunnels": tunnels, "checks": checks}), "")
    assert said.judged == (((1, "IKE"),), frozenset({2}), "packets")


def test_a_difference_needs_a_reason() -> None:
    plain = Change("IKE", "a thing", lambda hands: None)
    reasoned = Change("IKE", "another", lambda hands: None, reason="it is so")
    rows = [
        Row(plain),
        Row(reasoned, world=Side({1: "IKE"})),
        Row(plain, daemons=Side({1: "IKE"})),
        Row(plain, refused="no"),
    ]
    assert [r.accounted for r in rows] == [True, True, False, True]
    text = markdown(rows)
    assert text.startswith("4 changes: in 1 all three agree, 1 a cloud's API refuses, 2 differ.")
    assert "| 1 down: IKE | up | up | **differ**: it is so |" in text
    page = put_into("a\n<!-- side by side: from here -->\nold\n<!-- side by side: to here -->\nb", text)
    assert named(page) == ["IKE: a thing", "IKE: another", "IKE: a thing", "IKE: a thing"]
    assert "old" not in page
