"""Reads a parsed TOML document against the schema: values on one side, every mistake on the other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from cloudlink.config.schema import MOST_HOSTS, TABLES, Key, Table
from cloudlink.config.shown import shown, shown_key
from cloudlink.config.value_types import ValidationError, closest
from cloudlink.errors import Mistake

T = TypeVar("T")

_NOTHING = "nothing"
_MOST_GUESSES = 50  # a file full of unknown keys is another kind of file, and guessing takes time
_CREDENTIAL = re.compile(
    r"(^|[_-])(secrets?|passwords?|passwd|passphrase|tokens?|credentials?|psks?|keys?)([_-]|$)|shared_?key|access_?key"
    r"|api_?key|private_?key|client_?secret",
    re.IGNORECASE,
)
_NO_CREDENTIALS = (
    "no credentials in this file: AWS is signed in to through boto3's default chain (environment, profile, SSO, role), "
    "Azure through DefaultAzureCredential (environment, workload identity, az login); "
    "pre-shared keys are generated and never written down"
)


@dataclass(frozen=True, slots=True)
class Values:
    """The readable values of one table or of all single tables."""

    where: str  # the path that the keys' own table has here
    found: Mapping[str, object]
    given: frozenset[str]

    def __getitem__(self, key: Key[T]) -> T:
        """Only to be asked once the document is known to have no mistakes."""
        return cast(T, self.found[key.path])

    def get(self, key: Key[T]) -> T | None:
        """None if the value could not be read (or is an optional one that was left out)."""
        return cast("T | None", self.found.get(key.path))

    def has(self, key: Key[Any]) -> bool:
        """Whether the key is in the file, rightly or wrongly."""
        return key.path in self.given

    def at(self, key: Key[Any]) -> str:
        """The key's path in this file: ``dns.hosts[1].name`` for a repeated table."""
        return f"{self.where}.{key.name}" if self.where else key.path


@dataclass(frozen=True, slots=True)
class Document:
    values: Values
    hosts: tuple[Values, ...]
    tables: frozenset[str]  # paths of the tables in the file

    def __getitem__(self, key: Key[T]) -> T:
        return self.values[key]

    def get(self, key: Key[T]) -> T | None:
        return self.values.get(key)


class _Reader:
    def __init__(self) -> None:
        self.found: dict[str, object] = {}
        self.given: set[str] = set()
        self.tables: set[str] = set()
        self.hosts: list[Values] = []
        self.mistakes: list[Mistake] = []
        self.guesses = 0

    def table(self, table: Table, raw: dict[str, Any]) -> None:
        """One single table, then the tables within it."""
        children = [child for child in TABLES if child.parent == table.path]
        self.tables.add(table.path)
        meant = self._keys(table, raw, table.path, self.found, self.given)
        for child in children:
            if child.name in raw or child.name not in meant:
                self._child(child, raw.get(child.name))

    def _child(self, child: Table, raw: object) -> None:
        if child.repeated:
            self._repeated(child, raw)
        elif isinstance(raw, dict):
            self.table(child, raw)
        elif raw is not None:
            self.mistakes.append(Mistake(child.path, shown(raw), f"a table: [{child.path}]"))
        elif child.optional:
            return
        elif missing := _required_within(child):
            self.mistakes.append(Mistake(child.path, _NOTHING, f"[{child.path}] with {', '.join(missing)}"))
        else:
            self.table(child, {})
            self.tables.discard(child.path)

    def _repeated(self, table: Table, raw: object) -> None:
        needed = f"at least one [[{table.path}]]"
        if raw is None or raw == []:
            self.mistakes.append(Mistake(table.path, _NOTHING, needed))
        elif isinstance(raw, dict):
            self.mistakes.append(Mistake(table.path, "a single table", needed, f"[[{table.path}]]"))
        elif not isinstance(raw, list):
            self.mistakes.append(Mistake(table.path, shown(raw), needed))
        elif len(raw) > MOST_HOSTS:
            self.mistakes.append(
                Mistake(table.path, f"{len(raw)} tables", f"at most {MOST_HOSTS}: Route 53 takes no more in one change")
            )
        else:
            for index, entry in enumerate(raw):
                where = f"{table.path}[{index}]"
                if not isinstance(entry, dict):
                    self.mistakes.append(Mistake(where, shown(entry), f"a table: [[{table.path}]]"))
                    continue
                found: dict[str, object] = {}
                given: set[str] = set()
                self._keys(table, entry, where, found, given)
                self.hosts.append(Values(where, found, frozenset(given)))

    def _keys(
        self,
        table: Table,
        raw: dict[str, Any],
        where: str,
        found: dict[str, object],
        given: set[str],
    ) -> set[str]:
        """Reads a table's own keys; answers which keys and tables its unknown ones probably meant."""
        known = [key.name for key in table.keys]
        children = [child.name for child in TABLES if child.parent == table.path]
        meant = self._unknown(table, raw, where, [*known, *children])
        for key in table.keys:
            path = _join(where, key.name)
            if key.name not in raw:
                if not key.required:
                    found[key.path] = key.default
                elif key.name not in meant:  # a misspelt key was reported already
                    self.mistakes.append(Mistake(path, _NOTHING, key.kind.allowed))
                continue
            given.add(key.path)
            try:
                found[key.path] = key.kind.read(raw[key.name])
            except ValidationError as error:
                self.mistakes += [Mistake(path + m.path, m.found, m.allowed, m.near_miss) for m in error.mistakes]
        return meant

    def _unknown(self, table: Table, raw: dict[str, Any], where: str, known: list[str]) -> set[str]:
        """Reports the keys that do not exist; answers which ones were probably meant."""
        meant: set[str] = set()
        for name in raw:
            if name in known:
                continue
            path = _join(where, shown_key(name))
            if _CREDENTIAL.search(name):
                self.mistakes.append(Mistake(path, "a key that looks like a credential", _NO_CREDENTIALS))
                continue
            near = self._near(name, table, [other for other in known if other not in raw])
            meant.add(near)
            allowed = "one of " + ", ".join(known)
            self.mistakes.append(Mistake(path, "an unknown key", allowed, near))
        return meant

    def _near(self, name: str, table: Table, known: list[str]) -> str:
        """A key of this table that is spelled much like it, the same key of another table, or one not unlike it."""
        self.guesses += 1
        if self.guesses > _MOST_GUESSES:
            return ""
        return closest(name, known, 0.8) or _elsewhere(name, table) or closest(name, known)


def read(raw: dict[str, Any]) -> tuple[Document, list[Mistake]]:
    """Everything in the document that can be read, and everything that is wrong with single keys."""
    reader = _Reader()
    reader.table(TABLES[0], raw)
    values = Values("", reader.found, frozenset(reader.given))
    return Document(values, tuple(reader.hosts), frozenset(reader.tables)), reader.mistakes


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _elsewhere(name: str, table: Table) -> str:
    """The full path of a key or table of that name, if it was put in the wrong table."""
    paths = [key.path for other in TABLES if other is not table for key in other.keys if key.name == name]
    paths += [other.path for other in TABLES if other.name == name]
    return paths[0] if paths else ""


def _required_within(table: Table) -> list[str]:
    own = [key.name for key in table.keys if key.required]
    for child in TABLES:
        if child.parent == table.path and not child.optional:
            own += [child.name] if child.repeated or _required_within(child) else []
    return own
