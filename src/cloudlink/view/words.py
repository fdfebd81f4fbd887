"""Durations, glyphs, step titles, and escaping of text from outside."""

from __future__ import annotations

import math
import re
import time
import unicodedata
from typing import Final, Literal

from cloudlink.checks.health import Health
from cloudlink.core.events import Verb
from cloudlink.core.plan import Action
from cloudlink.steps import STEPS

STEP_TITLES: Final = {step.name: step.title for step in STEPS}

# Verb -> (while it happens, when it has happened).
_VERBS: Final[dict[Verb, tuple[str, str]]] = {
    "read": ("reading", "read"),
    "create": ("creating", "created"),
    "update": ("updating", "updated"),
    "replace": ("replacing", "replaced"),
    "delete": ("deleting", "deleted"),
    "restore": ("restoring", "restored"),
    "wait": ("waiting", "ready"),
    "check": ("checking", "checked"),
}

HEALTH_SENTENCES: Final = {
    Health.HEALTHY: "is healthy",
    Health.DEGRADED: "is degraded",
    Health.NO_REDUNDANCY: "has no redundancy",
    Health.DOWN: "is down",
    Health.ABSENT: "does not exist",
    Health.PAUSED: "is paused",
    Health.UNKNOWN: "was not fully seen",
}

Glyph = Literal["good", "bad", "warn", "running", "waiting", "skipped", "arrow", "bar_done", "bar_left"]

# (on a UTF-8 stream, elsewhere). Every glyph comes with a word that says the same.
_GLYPHS: Final[dict[Glyph, tuple[str, str]]] = {
    "good": ("✓", "*"),
    "bad": ("✗", "x"),
    "warn": ("!", "!"),
    "running": ("●", ">"),
    "waiting": ("○", "."),
    "skipped": ("-", "-"),
    "arrow": ("→", "->"),
    "bar_done": ("━", "#"),
    "bar_left": ("─", "-"),
}

# Typography that may occur in texts of this program, for streams that cannot carry it.
_ASCII: Final = str.maketrans(
    {"→": "->", "←": "<-", "–": "-", "—": "-", "×": "x", "±": "+/-", "…": "...", "‘": "'", "’": "'", "“": '"', "”": '"'}
)


def step_of(address: str) -> str:
    return address.partition(".")[0]


def step_title(address: str) -> str:
    """The title of the step that an address belongs to; an unknown step's own word."""
    step = step_of(address)
    if tunnel := re.fullmatch(r"tunnel\[(\d+)\]", step):
        return f"tunnel {int(tunnel[1]) + 1}"
    return STEP_TITLES.get(step, step)


def step_order(step: str) -> int:
    known = list(STEP_TITLES)
    return known.index(step) if step in STEP_TITLES else len(known)


def object_name(id_: str) -> str:
    """An id as people read it: of Azure's, which repeat subscription and group every time, the last part."""
    return id_.rpartition("/")[2] if id_.startswith("/subscriptions/") else id_


def doing(verb: Verb) -> str:
    return _VERBS[verb][0]


def did(verb: Verb, changed: bool = True) -> str:
    """The past tense of a verb; a write that was not necessary is ``unchanged``, and what nobody had to delete ``already gone``."""
    if verb == "delete" and not changed:
        return "already gone"
    return _VERBS[verb][1] if changed or verb in ("read", "wait", "check") else "unchanged"


def action_word(action: Action) -> str:
    return {Action.NO_OP: "unchanged", Action.DEFER: "known after apply"}.get(action, action.value)


def glyph(name: Glyph, *, unicode: bool) -> str:
    return _GLYPHS[name][0 if unicode else 1]


def action_glyph(action: Action, *, unicode: bool) -> str:
    return action.glyph if unicode or action.glyph.isascii() else "%"


def visible(text: str) -> str:
    """Text of unknown origin, safe to print: it cannot move the cursor, colour, hide or reorder anything.

    White space becomes one plain space; every other control, format (bidirectional overrides, zero-width),
    private-use, surrogate or unassigned character becomes its escape, such as ``\\x1b``. Applying it twice
    changes nothing more.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character in "\t\n\r\v\f":
        return " "
    category = unicodedata.category(character)
    if category == "Zs":
        return " "
    if category[0] != "C" and category not in ("Zl", "Zp"):
        return character
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def ascii_only(text: str) -> str:
    """For streams whose encoding is not UTF-8: known typography spelled out, the rest escaped."""
    return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")


def cells(text: str) -> int:
    """How many columns a terminal gives the text."""
    if text.isascii():
        return len(text)
    return sum(_cell(character) for character in text)


def _cell(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def duration(seconds: float) -> str:
    """``850ms``, ``12s``, ``3m05s``, ``1h02m``, ``2d04h``. Rounded down, so that a clock never runs ahead."""
    seconds = max(0.0, seconds)
    if seconds < 1:
        return f"{int(seconds * 1000)}ms"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, s = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}m{s:02d}s"
    hours, m = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h{m:02d}m"
    days, h = divmod(hours, 24)
    return f"{days}d{h:02d}h"


def about(seconds: float) -> str:
    """A rounded estimate: ``about 10s``, ``about 23m``, ``about 1h05m``."""
    if seconds < 57.5:
        return f"about {max(5, round(seconds / 5) * 5)}s"
    minutes = max(1, round(seconds / 60))
    if minutes < 60:
        return f"about {minutes}m"
    hours, m = divmod(round(minutes / 5) * 5, 60)
    return f"about {hours}h{m:02d}m"


def between(low: float, high: float) -> str:
    """A range, rounded so that it stays true: ``up to 40s``, ``14m to 32m``, ``55m to 1h10m``."""
    if high < 57.5:
        return f"up to {max(5, math.ceil(high / 5) * 5)}s"
    least, most = math.floor(low / 60), math.ceil(high / 60)
    if least < 1:
        return f"up to {_minutes(most)}"
    return _minutes(most) if least == most else f"{_minutes(least)} to {_minutes(most)}"


def _minutes(minutes: int) -> str:
    return f"{minutes}m" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02d}m"


def monthly(price: float | None) -> str:
    """What something costs, in USD a month; None: no price is known for its cloud."""
    if price is None:
        return "money by the hour (no price is known for this cloud)"
    return f"about {price:,.0f} USD a month" if price >= 10 else f"about {price:.2f} USD a month"


def size(octets: float) -> str:
    """``512 B``, ``14 kB``, ``1.4 GB``: two figures are enough to see whether anything flows."""
    for unit in ("B", "kB", "MB", "GB"):
        if octets < 1000:
            return f"{octets:.1f} {unit}" if 0 < octets < 10 and unit != "B" else f"{int(octets)} {unit}"
        octets /= 1000
    return f"{octets:.1f} TB"


def time_of_day(at: float) -> str:
    """Seconds since the epoch as local ``HH:MM:SS``."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def moment(at: float, now: float) -> str:
    """Seconds since the epoch as local ``HH:MM``, with the day where it is another one than now."""
    there, here = time.localtime(at), time.localtime(now)
    return time.strftime("%H:%M" if there[:3] == here[:3] else "%d %b %H:%M", there)


def count(number: int, singular: str, plural: str = "") -> str:
    """``1 name``, ``2 names``."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def sandbox_sentence(speed: float) -> str:
    return f"Sandbox: its clock runs {speed:g}× as fast as yours; all times shown are the clouds' times."
