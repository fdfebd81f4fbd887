"""As much of a terminal as the live view needs, which is resized as terminals are.

With ``reflows`` a row that is too long is broken anew when the window gets narrower, as VTE, kitty, Windows Terminal and tmux
do; without it, it is cut, as xterm does. Rows above the top are in the history, where nothing reaches them any more.
"""

from __future__ import annotations

import re

_PART = re.compile(r"\x1b\[(?P<numbers>[0-9;?]*)(?P<verb>[A-Za-z])|(?P<sign>[\r\n])|(?P<text>[^\x1b\r\n]+)")


class Terminal:
    def __init__(self, columns: int, rows: int, *, reflows: bool) -> None:
        self._columns, self._height, self._reflows = columns, rows, reflows
        self._rows: list[str] = [""]
        self._goes_on: list[bool] = [False]  # whether the row is the rest of the one above it
        self._at, self._column = 0, 0

    @property
    def _top(self) -> int:
        return max(0, len(self._rows) - self._height)

    @property
    def screen(self) -> list[str]:
        return [row.rstrip() for row in self._rows[self._top :]]

    def write(self, text: str) -> None:
        for part in _PART.finditer(text):
            numbers = part["numbers"] or ""
            if part["text"]:
                for letter in part["text"]:
                    self._put(letter)
            elif part["sign"] == "\n":
                self._down(goes_on=False)
            elif part["sign"] == "\r":
                self._column = 0
            elif part["verb"] == "A":
                self._at = max(self._top, self._at - int(numbers or 1))
            elif part["verb"] == "K":
                row = self._rows[self._at]
                self._rows[self._at] = "" if numbers == "2" else row[: self._column]
            elif part["verb"] not in ("m", "h", "l"):
                raise AssertionError(f"not modelled: {part[0]!r}")

    def _put(self, letter: str) -> None:
        if self._column == self._columns:
            self._down(goes_on=True)
            self._column = 0
        row = self._rows[self._at].ljust(self._column)
        self._rows[self._at] = row[: self._column] + letter + row[self._column + 1 :]
        self._column += 1

    def _down(self, *, goes_on: bool) -> None:
        self._at += 1
        if self._at == len(self._rows):
            self._rows.append("")
            self._goes_on.append(goes_on)
        self._goes_on[self._at] = goes_on

    def resize(self, columns: int, rows: int) -> None:
        del self._rows[self._at + 1 :], self._goes_on[self._at + 1 :]
        self._columns, self._height = columns, rows
        if not self._reflows:
            self._rows = [row[:columns] for row in self._rows]
            self._column = min(self._column, columns)
            return
        whole: list[str] = []
        for row, goes_on in zip(self._rows, self._goes_on, strict=True):
            if goes_on:
                whole[-1] += row
            else:
                whole.append(row)
        self._rows, self._goes_on = [], []
        for row in whole:
            pieces = [row[i : i + columns] for i in range(0, len(row), columns)] or [""]
            self._rows += pieces
            self._goes_on += [False] + [True] * (len(pieces) - 1)
        self._at, self._column = len(self._rows) - 1, len(self._rows[-1])
