"""Which pods a policy of Calico's selects, as far as what is known of a pod tells. Pure.

https://docs.tigera.io/calico/latest/reference/resources/globalnetworkpolicy#selectors
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_TOKEN = re.compile(r"""\s*(&&|\|\||==|!=|[!(){},]|'[^']*'|"[^"]*"|[A-Za-z0-9_./-]+)""")
Known = Callable[[str], bool]


class _NotUnderstood(Exception):
    """What is no selector that this file reads."""


def selects(selector: str, labels: Mapping[str, str], known: Known = lambda _: True) -> bool | None:
    """None: that depends on a label that is not known, or on an expression that is not understood.

    known: whether the labels say of this key what is to be said.
    """
    if not selector.strip():
        return True
    try:
        reader = _Reader(_tokens(selector), labels, known)
        found = reader.either()
        if reader.rest:
            raise _NotUnderstood
    except (_NotUnderstood, IndexError):
        return None
    return found


def _tokens(text: str) -> list[str]:
    found, at = list[str](), 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _NotUnderstood
        found.append(match[1])
        at = match.end()
    return found


class _Reader:
    def __init__(self, tokens: list[str], labels: Mapping[str, str], known: Known) -> None:
        self.rest = tokens
        self._labels = labels
        self._known = known

    def either(self) -> bool | None:
        found = [self._both()]
        while self._next("||"):
            found.append(self._both())
        return True if True in found else None if None in found else False

    def _both(self) -> bool | None:
        found = [self._one()]
        while self._next("&&"):
            found.append(self._one())
        return False if False in found else None if None in found else True

    def _one(self) -> bool | None:
        if self._next("!"):
            inner = self._one()
            return None if inner is None else not inner
        if self._next("("):
            inside = self.either()
            self._must(")")
            return inside
        word = self.rest.pop(0)
        if word in ("all", "global", "has") and self._next("("):
            key = "" if word != "has" else self.rest.pop(0)
            self._must(")")
            if word == "has":
                return (key in self._labels) if self._known(key) else None
            return True if word == "all" else None
        return self._compared(word)

    def _compared(self, key: str) -> bool | None:
        operator = self.rest.pop(0)
        if operator in ("not", "starts", "ends"):
            operator += f" {self.rest.pop(0)}"
        values = self._set() if operator in ("in", "not in") else {self._value()}
        value = self._labels.get(key)
        (first, *_) = values or {""}
        found = {
            "==": value == first,
            "!=": value != first,
            "in": value in values,
            "not in": value not in values,
            "contains": value is not None and first in value,
            "starts with": value is not None and value.startswith(first),
            "ends with": value is not None and value.endswith(first),
        }
        if operator not in found:
            raise _NotUnderstood
        return found[operator] if self._known(key) else None

    def _set(self) -> set[str]:
        self._must("{")
        values = set[str]()
        while not self._next("}"):
            values.add(self._value())
            self._next(",")
        return values

    def _value(self) -> str:
        text = self.rest.pop(0)
        if text[0] not in "'\"":
            raise _NotUnderstood
        return text[1:-1]

    def _next(self, token: str) -> bool:
        if self.rest and self.rest[0] == token:
            self.rest.pop(0)
            return True
        return False

    def _must(self, token: str) -> None:
        if not self._next(token):
            raise _NotUnderstood
