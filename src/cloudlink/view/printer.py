"""One output stream with its width, its encoding and whether it takes colour."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, TextIO

from cloudlink.clouds.kube.contexts import named_in
from cloudlink.view.text import Line, Look, Tone, text_of
from cloudlink.view.words import ascii_only, cells

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

# Few colours, all from the terminal's own sixteen, so that they suit its theme.
STYLES: Final[dict[Tone, str]] = {
    "": "",
    "strong": "bold",
    "dim": "dim",
    "good": "green",
    "warn": "yellow",
    "bad": "red",
}
_HOME = "\x1b[H"
_CLEAR = f"{_HOME}\x1b[2J"
_CLEAR_LINE, _CLEAR_BELOW = "\x1b[K", "\x1b[J"  # from the cursor on
_DUMB = ("dumb", "unknown")


def is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):  # closed, or no real stream
        return False


def is_dumb(env: Mapping[str, str]) -> bool:
    """A terminal that cannot move its cursor."""
    return env.get("TERM", "").lower() in _DUMB


def reflows(env: Mapping[str, str]) -> bool:
    """Whether rows that have become too long are broken anew when the window gets narrower. Nearly all terminals do so; xterm,
    GNU screen and Linux's own console cut them."""
    return not (env.get("XTERM_VERSION") or env.get("STY") or env.get("TERM") == "linux")


def takes_colour(stream: TextIO, env: Mapping[str, str]) -> bool:
    """Unless the user says otherwise: terminals do; NO_COLOR (https://no-color.org) and dumb ones do not."""
    return is_terminal(stream) and not env.get("NO_COLOR") and not is_dumb(env)


def width_of(stream: TextIO, env: Mapping[str, str]) -> int:
    """COLUMNS, else the terminal's width, else 100; never so small that nothing fits or so wide that it tires."""
    columns = env.get("COLUMNS", "")
    if columns.isdigit() and int(columns) > 0:
        width = int(columns)
    else:
        try:
            width = os.get_terminal_size(stream.fileno()).columns or 100
        except (OSError, ValueError, AttributeError):
            width = 100
    return min(max(width, 40), 120)


def speaks_unicode(stream: TextIO) -> bool:
    """A stream without an encoding is in memory and takes all characters."""
    encoding = getattr(stream, "encoding", None)
    if not encoding:
        return True
    try:
        return codecs.lookup(encoding).name.startswith("utf")
    except LookupError:
        return False


class Printer:
    """Prints lines to one stream. rich is only imported where there is colour."""

    def __init__(
        self,
        stream: TextIO,
        *,
        colour: bool,
        env: Mapping[str, str] | None = None,
        given: str = "",
        context: str = "",
    ) -> None:
        self._stream = stream
        self._given = given
        self._context = context
        self.contexts: set[str] = set()  # of kubectl, in what was printed
        self._env = os.environ if env is None else env
        self._unicode = speaks_unicode(stream)
        self._console = console(stream, colour=True) if colour else None
        self._redrawn = False

    @property
    def look(self) -> Look:
        """Asked again for each screen: terminals are resized."""
        return Look(width_of(self._stream, self._env), self._unicode, self._given, self._context)

    def print(self, lines: Iterable[Line]) -> None:
        lines = list(lines)
        self.contexts.update(name for parts in lines for name in named_in(text_of(parts)))
        if self._console is None:
            self._stream.write("".join(self.encodable(text_of(parts)) + "\n" for parts in lines))
        else:
            self._console.print(rich_text(lines, unicode=self._unicode), soft_wrap=True)
        self._stream.flush()

    @property
    def redraws(self) -> bool:
        """Whether one screen can take the place of another."""
        return is_terminal(self._stream) and not is_dumb(self._env)

    def redraw(self, lines: Iterable[Line]) -> None:
        """From the top of the screen, over what was there and no lower than its end; the screen never goes blank."""
        shown = _that_fit(lines, os.get_terminal_size(self._stream.fileno()))
        if self._console is None:
            text = "".join(self.encodable(text_of(parts)) + "\n" for parts in shown)
        else:
            with self._console.capture() as captured:
                self._console.print(rich_text(shown, unicode=self._unicode), soft_wrap=True)
            text = captured.get()
        before = _HOME if self._redrawn else _CLEAR
        self._redrawn = True
        self._stream.write(before + text.replace("\n", f"{_CLEAR_LINE}\n") + _CLEAR_BELOW)
        self._stream.flush()

    def rest(self) -> None:
        """After the last of several screens: the terminal's echo of Ctrl-C goes."""
        if self._redrawn:
            self._stream.write(f"\r{_CLEAR_LINE}")
            self._stream.flush()

    def ask(self, question: str) -> None:
        """Without a line break: the answer is typed behind it."""
        self._stream.write(self.encodable(question))
        self._stream.flush()

    def encodable(self, text: str) -> str:
        return text if self._unicode else ascii_only(text)


def _that_fit(lines: Iterable[Line], size: os.terminal_size) -> list[Line]:
    """The first lines, as many as there are rows for: a command that is longer than a row takes several."""
    shown: list[Line] = []
    rows = max(size.lines - 1, 1)
    for parts in lines:
        rows -= max(1, -(-cells(text_of(parts)) // (size.columns or 10_000)))
        if rows < 0:
            break
        shown.append(parts)
    return shown


def console(stream: TextIO, *, colour: bool) -> Console:
    """A rich console that interprets nothing in what it is given. Colour or none is decided by us, not by rich."""
    from rich.console import Console

    return Console(
        file=stream,
        force_terminal=True,
        color_system="standard" if colour else None,
        no_color=not colour,
        markup=False,
        emoji=False,
        highlight=False,
    )


def rich_text(lines: Iterable[Line], *, unicode: bool) -> Text:
    from rich.text import Text

    text = Text(no_wrap=True, overflow="crop", end="\n")
    for number, parts in enumerate(lines):
        if number:
            text.append("\n")
        kept = len(text_of(parts))
        for span in parts:
            piece = span.text[:kept]
            kept -= len(piece)
            text.append(piece if unicode else ascii_only(piece), STYLES[span.tone] or None)
    return text
