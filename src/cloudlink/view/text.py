"""Lines of text with a tone, laid out for a width; all screens are made of them.

A span's text is made harmless when the span is made, so nothing that a cloud or a configuration says can
reach a terminal as anything but characters.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from cloudlink.clouds.kube.contexts import in_context
from cloudlink.core.plan import Action
from cloudlink.view import words
from cloudlink.view.words import cells, visible

# Those that take --config and --sandbox; ``cloudlink sandbox ...`` is not among them.
_COMMANDS = re.compile(
    r"\bcloudlink (?:up|plan|status|verify-dns|teardown|pause|resume|report|doctor|permissions|rotate-keys|logs|test|init|gather)\b"
    r"(?! --(?:sandbox|config))"
)

# Names of Azure's resource groups may hold them, and so the ids of all that is in these; a shell takes them for its own.
# https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
_PARENTHESES = re.compile(r"(\s--?[a-z][a-z-]*[ =])([^\s'\"`;]*\([^\s'\"`;]*)")

Tone = Literal["", "strong", "dim", "good", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line."""

    text: str
    tone: Tone = ""  # for the eye only; the words say the same without it

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", visible(self.text))


Line: TypeAlias = tuple[Span, ...]
Cell: TypeAlias = Span | str
EMPTY: Line = ()


@dataclass(frozen=True, slots=True)
class Look:
    """What the output can show."""

    width: int = 100  # columns
    unicode: bool = True
    given: str = ""  # options that commands to type next need too, such as `` --sandbox``
    context: str = ""  # of kubectl, for commands that do not name one; empty: several clusters may be meant

    @property
    def narrow(self) -> bool:
        return self.width < 80

    def glyph(self, name: words.Glyph) -> str:
        return words.glyph(name, unicode=self.unicode)

    def action(self, action: Action) -> str:
        return words.action_glyph(action, unicode=self.unicode)


def line(*parts: Cell) -> Line:
    return tuple(part if isinstance(part, Span) else Span(part) for part in parts)


def text_of(parts: Line) -> str:
    return "".join(span.text for span in parts).rstrip()


def fold(parts: Line, width: int, hang: int) -> list[Line]:
    """Break a line at spaces; what follows the first line is indented by ``hang`` columns.

    A word that is longer than a line stays whole: an identifier must be copyable.
    """
    folded: list[Line] = []
    current: list[Span] = []
    column = 0
    fresh = True  # nothing but indentation on this line yet
    for span in parts:
        for piece in re.split(r"( +)", span.text):
            if not piece:
                continue
            size = cells(piece)
            blank = piece.isspace()
            if not fresh and not blank and column + size > width and column > hang:  # a break must gain room
                folded.append(_trimmed(current))
                current, column, fresh = [Span(" " * hang)], hang, True
            elif blank and fresh and folded:
                continue  # the space at which the line was broken
            _append(current, Span(piece, span.tone))
            column += size
            fresh = fresh and blank
    folded.append(_trimmed(current))
    return folded


def _append(spans: list[Span], span: Span) -> None:
    """Joined with the one before where the tone is the same: one colour code for both."""
    if spans and spans[-1].tone == span.tone:
        spans[-1] = Span(spans[-1].text + span.text, span.tone)
    else:
        spans.append(span)


def _trimmed(spans: list[Span]) -> Line:
    while spans and not spans[-1].text.strip():
        spans.pop()
    if spans:
        spans[-1] = Span(spans[-1].text.rstrip(), spans[-1].tone)
    return tuple(spans)


def paragraph(text: str, look: Look, indent: int = 0, tone: Tone = "") -> Iterator[Line]:
    """Running text; its own line breaks are kept."""
    for part in text.splitlines():
        yield from fold(line(" " * indent, Span(part, tone)), look.width, indent)


def labelled(
    label: str, text: str, look: Look, indent: int, pad: int = 0, *, tone: Tone = "dim", text_tone: Tone = ""
) -> Iterator[Line]:
    """``why  The keys differ ...`` with the text hanging under its own beginning. pad: width of the label."""
    pad = max(pad, cells(label))
    hang = indent + pad + 2
    first = " " * indent + label + " " * (pad - cells(label) + 2)
    for part in text.splitlines() or [""]:
        yield from fold(line(Span(first, tone), Span(part, text_tone)), look.width, hang)
        first = " " * hang


def to_paste(text: str, given: str, context: str = "") -> str:
    """The commands in it with the options that were given: without them they would be about another link, or about real
    clouds. context: of kubectl, which else asks whatever cluster is current."""
    return in_context(_COMMANDS.sub(lambda found: found[0] + given, _PARENTHESES.sub(_quoted, text)), context)


def _quoted(found: re.Match[str]) -> str:
    """The value of an option, as a shell takes it. A parenthesis that is the sentence's own stays outside."""
    value, rest = found[2], ""
    while value and (value[-1] in ".,:" or (value[-1] == ")" and value.count(")") > value.count("("))):
        value, rest = value[:-1], value[-1] + rest
    if "(" not in value or value.count("(") != value.count(")"):
        return found[0]
    return f"{found[1]}{shlex.quote(value)}{rest}"


def advice(text: str, look: Look, indent: int, label: str = "", pad: int = 0) -> Iterator[Line]:
    """What to do next: sentences are folded, a command stays on one line so that it can be copied."""
    text = to_paste(text, look.given, look.context)
    is_command = not text.rstrip().endswith((".", "!", "?", ":"))
    wide = replace(look, width=max(look.width, 10_000)) if is_command else look
    yield from labelled(label, text, wide, indent, pad) if label else paragraph(text, wide, indent)


def table(rows: Iterable[Sequence[Cell]], look: Look, indent: int = 0, gap: int = 2) -> Iterator[Line]:
    """Aligned columns. The last one is folded under itself, or set on lines of its own when there is no room."""
    grid = [[cell if isinstance(cell, Span) else Span(cell) for cell in row] for row in rows]
    if not grid:
        return
    columns = max(len(row) for row in grid)
    widths = [max((cells(row[i].text) for row in grid if i < len(row)), default=0) for i in range(columns)]
    start = indent + sum(width + gap for width in widths[:-1] if width)
    longest = widths[-1] if columns > 1 else 0
    stacked = columns > 1 and start + min(longest, 24) > look.width
    for row in grid:
        parts = [Span(" " * indent)]
        for i, cell in enumerate(row):
            if not widths[i]:
                continue
            if i == columns - 1 and stacked:
                break
            padding = "" if i == columns - 1 else " " * (widths[i] - cells(cell.text) + gap)
            parts += [cell, Span(padding)]
        yield from fold(_trimmed(parts), look.width, start if not stacked else indent + 4)
        if stacked and len(row) == columns and row[-1].text.strip():
            yield from fold(line(" " * (indent + 4), row[-1]), look.width, indent + 4)


def heading(text: str) -> Line:
    return line(Span(text, "strong"))
