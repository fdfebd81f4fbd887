"""Exchanges with the sandbox, as its transcript keeps them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True)
class Exchange:
    """One request and its answer. Header names are in lower case; the bodies are as they went over the wire."""

    method: str
    uri: str
    asked: dict[str, str]
    body: bytes
    status: int
    answered: dict[str, str]
    answer: bytes

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.uri).path)

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.uri).query, keep_blank_values=True))

    @classmethod
    def read(cls, line: str) -> Exchange:
        kept: dict[str, Any] = json.loads(line)
        for name in ("body", "answer"):
            kept[name] = kept[name].encode("utf-8", "surrogateescape")
        return cls(**kept)


class Reader:
    """Gives each exchange of a growing transcript once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = 0

    def news(self) -> list[Exchange]:
        if not self._path.exists() or self._path.stat().st_size == self._place:
            return []
        with self._path.open("rb") as lines:
            lines.seek(self._place)
            data = lines.read()
        whole = data[: data.rfind(b"\n") + 1]  # the last line may still be on its way
        self._place += len(whole)
        return [Exchange.read(line) for line in whole.decode().splitlines()]
