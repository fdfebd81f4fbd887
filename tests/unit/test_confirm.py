"""The question before a change: only yes on a terminal means yes, and a no says what to type."""

from __future__ import annotations

import io
import sys

import pytest

from cloudlink.cli.confirm import confirm
from cloudlink.errors import DeclinedError


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def asked(answer: bool, **more: str) -> None:
    confirm(lambda: answer, "logs --on", effect="Switching logs takes a tunnel down", json=False, **more)


def test_yes_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    asked(True)


@pytest.mark.parametrize(
    ("otherwise", "hint"), [("", "Run cloudlink logs --on again when you are ready."), ("Or not.", "Or not.")]
)
def test_no_changes_nothing(monkeypatch: pytest.MonkeyPatch, otherwise: str, hint: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    with pytest.raises(DeclinedError, match="Declined") as caught:
        asked(False, otherwise=otherwise)
    assert caught.value.hint == hint


@pytest.mark.parametrize(("terminal", "json"), [(False, False), (True, True)])
def test_with_nobody_to_ask_nothing_is_asked(monkeypatch: pytest.MonkeyPatch, terminal: bool, json: bool) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal() if terminal else io.StringIO())
    with pytest.raises(DeclinedError, match="Nobody to ask") as caught:
        confirm(lambda: pytest.fail("asked"), "up", effect="up changes two clouds", json=json)
    assert (
        caught.value.detail == "up changes two clouds, and there is no terminal to confirm it on; nothing was changed."
    )
    assert caught.value.hint == "Say so on the command line: cloudlink up --yes"
