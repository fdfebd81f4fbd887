"""Reads a parsed TOML document against the schema: values on one side, every mistake on the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from cloudlink.config import other_words
from cloudlink.config.schema import (
    BACK,
    CLUSTERS,
    GATEWAY_ADOPT,
    MOST_BACK,
    MOST_CLUSTERS,
    MOST_HOSTS,
    MOST_ZONES,
    TABLES,
    TRANSPORT,
    ZONE,
    ZONES,
    Key,
    Table,
)
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
    meant: frozenset[str] = frozenset()  # names of keys that its unknown ones probably meant

    def __getitem__(self, key: Key[T]) -> T:
        """Only to be asked once the document is known to have no mistakes."""
        return cast(T, self.found[key.path])

    def get(self, key: Key[T]) -> T | None:
        """None if the value could not be read (or is an optional one that was left out)."""
        return cast("T | None", self.found.get(key.path))

    def has(self, key: Key[Any]) -> bool:
        """Whether the key is in the file, with a valid value or not."""
        return key.path in self.given

    def at(self, key: Key[Any]) -> str:
        """The key's path in this file: ``dns.hosts[1].name`` for a repeated table."""
        return f"{self.where}.{key.name}" if self.where else key.path


@dataclass(frozen=True, slots=True)
class ZoneValues:
    """One [[dns.zones]]."""

    values: Values
    hosts: tuple[Values, ...]


@dataclass(frozen=True, slots=True)
class Document:
    values: Values
    hosts: tuple[Values, ...]  # of [dns]
    zones: tuple[ZoneValues, ...]  # beside it
    tables: frozenset[str]  # paths of the tables in the file
    backs: tuple[Values, ...] = ()  # each [[dns.back]]
    clusters: tuple[Values, ...] = ()  # each [[azure.clusters]]

    @property
    def all_hosts(self) -> tuple[Values, ...]:
        return (*self.hosts, *(host for zone in self.zones for host in zone.hosts))

    def __getitem__(self, key: Key[T]) -> T:
        return self.values[key]

    def get(self, key: Key[T]) -> T | None:
        return self.values.get(key)


class _Reader:
    def __init__(self, chosen: frozenset[str]) -> None:
        self.chosen = chosen  # what makes some required keys needless
        self.found: dict[str, object] = {}
        self.given: set[str] = set()
        self.tables: set[str] = set()
        self.hosts: tuple[Values, ...] = ()
        self.zones: list[ZoneValues] = []
        self.backs: tuple[Values, ...] = ()
        self.clusters: tuple[Values, ...] = ()
        self.mistakes: list[Mistake] = []
        self.guesses = 0
        self.elsewhere: set[str] = set()  # paths that were probably meant by what stands in another table

    def table(self, table: Table, raw: dict[str, Any]) -> None:
        """One single table, then the tables within it."""
        children = [child for child in TABLES if child.parent == table.path]
        self.tables.add(table.path)
        meant = self._keys(table, raw, table.path, self.found, self.given)
        for child in children:
            if child.name in raw or child.name not in meant:
                self._child(child, raw.get(child.name))

    def _child(self, child: Table, raw: object) -> None:
        if child is ZONES:
            self._zones(raw)
        elif child is BACK:
            self.backs = self._optional(child, raw, MOST_BACK)
        elif child is CLUSTERS:
            self.clusters = self._optional(child, raw, MOST_CLUSTERS)
        elif child.repeated:
            self.hosts = self._hosts(child, raw, child.path)
        elif isinstance(raw, dict):
            self.table(child, raw)
        elif raw is not None:
            several = child.path == "azure.aks" and isinstance(raw, list)
            near = "[azure.aks] for the first cluster, [[azure.clusters]] for each other" if several else ""
            allowed = f"a table: [{child.path}]"
            self.mistakes.append(Mistake(child.path, shown(raw), allowed, near or _as_table(child, raw)))
        elif child.optional:
            return
        elif missing := _required_within(child, self.chosen):
            self.mistakes.append(Mistake(child.path, _NOTHING, f"[{child.path}] with {', '.join(missing)}"))
        else:
            self.table(child, {})
            self.tables.discard(child.path)

    def _zones(self, raw: object) -> None:
        hosts = next(child for child in TABLES if child.parent == ZONES.path)
        if ZONE.path not in self.given and isinstance(raw, list) and raw and isinstance(raw[0], str):
            self.mistakes.append(
                Mistake(
                    ZONES.path,
                    shown(raw),
                    "tables: [[dns.zones]], for zones beside dns.zone",
                    f"zone = {shown(raw[0])}",
                )
            )
            self.elsewhere.add(ZONE.path)
            return
        entries = (
            ()
            if raw is None
            else self._entries(ZONES, raw, ZONES.path, MOST_ZONES, "more belong into links of their own")
        )
        for where, entry in entries:
            values, meant = self._values(ZONES, entry, where)
            named = hosts.name in entry or hosts.name not in meant
            below = self._hosts(hosts, entry.get(hosts.name), f"{where}.{hosts.name}") if named else ()
            self.zones.append(ZoneValues(values, below))

    def _optional(self, table: Table, raw: object, most: int) -> tuple[Values, ...]:
        """Of an array of tables that may be left out."""
        if raw is None:
            return ()
        found = self._entries(table, raw, table.path, most, "more belong into links of their own")
        return tuple(self._values(table, entry, at)[0] for at, entry in found)

    def _hosts(self, table: Table, raw: object, where: str) -> tuple[Values, ...]:
        found = self._entries(table, raw, where, MOST_HOSTS, "Route 53 takes no more in one change")
        return tuple(self._values(table, entry, at)[0] for at, entry in found)

    def _values(self, table: Table, raw: dict[str, Any], where: str) -> tuple[Values, set[str]]:
        """Of one table of several, and which keys its unknown ones probably meant."""
        found: dict[str, object] = {}
        given: set[str] = set()
        meant = self._keys(table, raw, where, found, given)
        return Values(where, found, frozenset(given), frozenset(meant)), meant

    def _entries(
        self, table: Table, raw: object, where: str, most: int, why: str
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Path and content of each table of an array of tables. where: of the array. most, why: tables that it may have."""
        needed = f"at least one [[{table.path}]]"
        if raw is None or raw == []:
            self.mistakes.append(Mistake(where, _NOTHING, needed))
        elif isinstance(raw, dict):
            self.mistakes.append(Mistake(where, "a single table", needed, f"[[{table.path}]]"))
        elif not isinstance(raw, list):
            self.mistakes.append(Mistake(where, shown(raw), needed))
        elif len(raw) > most:
            self.mistakes.append(Mistake(where, f"{len(raw)} tables", f"at most {most}: {why}"))
        else:
            for index, entry in enumerate(raw):
                at = f"{where}[{index}]"
                if isinstance(entry, dict):
                    yield at, entry
                else:
                    self.mistakes.append(
                        Mistake(at, shown(entry), f"a table: [[{table.path}]]", _as_table(table, entry))
                    )

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
                if not _needed(key, self.chosen):
                    found[key.path] = key.default
                elif key.name not in meant:  # a misspelt key was reported already
                    self.mistakes.append(Mistake(path, _NOTHING, f"{key.kind.allowed}. {_begin(key.meaning)}"))
                continue
            given.add(key.path)
            try:
                found[key.path] = key.kind.read(raw[key.name])
            except ValidationError as error:
                several = closest(key.name, _repeated_in(table), 0.8) if isinstance(raw[key.name], dict | list) else ""
                if several:
                    found_ = "tables" if isinstance(raw[key.name], list) else "a table"
                    self.mistakes.append(
                        Mistake(
                            path, found_, key.kind.allowed, f'[[{_join(table.path, several)}]], or {key.name} = "..."'
                        )
                    )
                    continue
                self.mistakes += [Mistake(path + m.path, m.found, m.allowed, m.near_miss) for m in error.mistakes]
        return meant

    def _unknown(self, table: Table, raw: dict[str, Any], where: str, known: list[str]) -> set[str]:
        """Reports the keys that do not exist; answers which ones were probably meant."""
        meant: set[str] = set()
        for name, value in raw.items():
            if name in known:
                continue
            path = _join(where, shown_key(name))
            if _CREDENTIAL.search(name):
                self.mistakes.append(Mistake(path, "a key that looks like a credential", _NO_CREDENTIALS))
                continue
            # a misspelt table's own tables make it exist: [dsn] beside [[dns.hosts]]
            free = [o for o in known if o not in raw or (isinstance(value, dict) and isinstance(raw[o], dict))]
            near = self._near(name, table, free)
            (self.elsewhere if "." in near or (near and near not in known) else meant).add(near)
            allowed = "one of " + ", ".join(known)
            self.mistakes.append(Mistake(path, "an unknown key", allowed, near))
        return meant

    def _near(self, name: str, table: Table, known: list[str]) -> str:
        """A key of this table with a similar spelling, else the same or a similar key of another table."""
        self.guesses += 1
        if self.guesses > _MOST_GUESSES:
            return ""
        return (
            closest(name, known, 0.8)
            or _in_other_words(name, table, known)
            or _elsewhere(name, table)
            or closest(name, known)
        )

    def told(self) -> list[Mistake]:
        """Without those on a key that is missing only because it stands elsewhere, or there is called otherwise."""
        choices = {path.rpartition(".")[2] for path in self.elsewhere}
        needless = {key.path for table in TABLES for key in table.keys if choices.intersection(key.not_with)}
        return [
            m
            for m in self.mistakes
            if m.found != _NOTHING
            or not (m.path in needless or any(f"{path}.".startswith(f"{m.path}.") for path in self.elsewhere))
        ]


def read(raw: dict[str, Any]) -> tuple[Document, list[Mistake]]:
    """Everything in the document that can be read, and everything that is wrong with single keys."""
    transport, adopted = _raw(raw, TRANSPORT), _raw(raw, GATEWAY_ADOPT)
    chosen = ["adopt"] if adopted is not None else []
    reader = _Reader(frozenset([*chosen, transport] if isinstance(transport, str) else chosen))
    reader.table(TABLES[0], raw)
    values = Values("", reader.found, frozenset(reader.given))
    return Document(
        values, reader.hosts, tuple(reader.zones), frozenset(reader.tables), reader.backs, reader.clusters
    ), reader.told()


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _elsewhere(name: str, table: Table) -> str:
    """The full path of a key or table of that name, if it was put in the wrong table."""
    paths = [key.path for other in TABLES if other is not table for key in other.keys if key.name == name]
    paths += [other.path for other in TABLES if other.name == name]
    paths = list(dict.fromkeys(paths))
    paths = [path for path in paths if not path.startswith(("sandbox.", "dns.back.", "azure.clusters."))] or paths
    return " or ".join(paths) if len(paths) <= 3 else ""


def _in_other_words(name: str, table: Table, free: list[str]) -> str:
    """A key or table by another name: its own where it is of this table, else its path."""
    path = other_words.meant(table.path, name)
    if not path or path.rpartition(".")[0] != table.path:
        return path
    own = path.rpartition(".")[2]
    return own if own in free else path


def _repeated_in(table: Table) -> list[str]:
    return [child.name for child in TABLES if child.parent == table.path and child.repeated]


def _as_table(table: Table, value: object) -> str:
    """A single value written as the table that is wanted, where one of its keys takes it."""
    for key in table.keys:
        if isinstance(value, str) and key.kind.type == "string":
            try:
                key.kind.read(value)
            except ValidationError:
                continue
            head = f"[[{table.path}]]" if table.repeated else f"[{table.path}]"
            return f"{head} with {key.name} = {shown(value)}"
    return ""


def _begin(meaning: str) -> str:
    """Its first sentence."""
    return f"{meaning.partition('. ')[0].rstrip('.')}."


def _raw(document: dict[str, Any], key: Key[Any]) -> object:
    """What is written for a key, read or not; None: nothing."""
    found: object = document
    for name in key.path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _needed(key: Key[Any], chosen: frozenset[str]) -> bool:
    return key.required and not chosen.intersection(key.not_with)


def _required_within(table: Table, chosen: frozenset[str]) -> list[str]:
    own = [key.name for key in table.keys if _needed(key, chosen)]
    for child in TABLES:
        if child.parent == table.path and not child.optional:
            own += [child.name] if child.repeated or _required_within(child, chosen) else []
    return own
