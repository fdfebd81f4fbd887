"""What is kept of a link, and its form. Never a secret, never the truth.

One JSON object: ``{format, link, place, serial, command, paused, resources: {address: {id, phase, spec_hash, owned, since, intent,
before, place}}}``. command: which wrote it last, so that a teardown that was stopped is told from a build that was. paused: since
when, for the time in which the cluster cannot be asked, which knows it better; not there: it is not. paused_deep: whether
Azure's gateway was to go as well.
Newer formats are refused, older ones are migrated by the named functions in MIGRATIONS.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from cloudlink.core.resource import Ownership, Receipt, Receipts
from cloudlink.errors import StateError

FORMAT = 1
_ON_DISK = {"prior_state": "before"}  # fields of a receipt that format 1 has under another name
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Format n -> a pure function that makes format n + 1 of it."""


class Document(ABC):
    """Receipts of one link, saved after every change. Where and how: the subclasses say."""

    def __init__(self, link: str, *, place: Mapping[str, str] | None, command: str, readonly: bool) -> None:
        """place: configuration key -> value, of what says where the link is (``aws.vpc``, ``azure.vnet.name`` ...)."""
        self.link = link
        self.lost = False  # whether nothing was kept to begin with
        self.written_by = ""  # the command that wrote it last; empty: not known
        self.paused: float | None = None  # since when, seconds since the epoch
        self.paused_deep = False  # Azure's gateway was to go as well
        self._place = dict(place or {})
        self._command = command
        self._readonly = readonly
        self._serial = 0
        self._receipts: dict[str, Receipt] = {}

    @property
    @abstractmethod
    def where(self) -> str:
        """For messages: a path or an address."""

    @abstractmethod
    def _write(self, text: str) -> None:
        """Raises StateError when it cannot be kept."""

    @abstractmethod
    def _way_back(self) -> str:
        """What to do with a state that cannot be read."""

    # --- the engine's side --------------------------------------------------------------------------------

    def receipts(self) -> Receipts:
        return Receipts(self._receipts)

    def put(self, receipt: Receipt) -> None:
        self._receipts = {**self._receipts, receipt.address: receipt}
        self._save()

    def remove(self, address: str) -> None:
        if address in self._receipts:
            self._receipts = {a: r for a, r in self._receipts.items() if a != address}
            self._save()

    def put_pause(self, since: float | None, *, deep: bool = False) -> None:
        if (since, deep) != (self.paused, self.paused_deep):
            self.paused, self.paused_deep = since, deep
            self._save()

    @abstractmethod
    def remove_if_empty(self) -> None:
        """After a complete teardown nothing is left to record."""

    # --- the form -----------------------------------------------------------------------------------------

    def _save(self) -> None:
        if self._readonly:
            raise AssertionError("a read-only state was written to")
        self._serial += 1
        self._write(self._text())

    def _text(self, **more: str) -> str:
        content = {
            "format": FORMAT,
            "link": self.link,
            "place": self._place,
            "serial": self._serial,
            "command": self._command,
            "resources": {
                a: {_ON_DISK.get(k, k): v for k, v in asdict(r).items() if k != "address" and (v or k != "place")}
                for a, r in sorted(self._receipts.items())
            },
            **({"paused": self.paused} if self.paused is not None else {}),
            **({"paused_deep": True} if self.paused_deep else {}),
            **more,
        }
        return json.dumps(content, indent=1, sort_keys=True) + "\n"

    def _parse(self, text: str) -> None:
        """Raises StateError for what is damaged, of a newer format, of another link or of this one in another place."""
        try:
            content = json.loads(text)
            if not isinstance(content, dict):
                raise TypeError("it is not a JSON object")
            number = int(content["format"])
            if number > FORMAT:
                raise StateError(
                    "The state file is of a newer version",
                    f"{self.where} has format {number}; this cloudlink knows formats up to {FORMAT}.",
                    "Use the cloudlink that wrote it, or a newer one.",
                )
            while number < FORMAT:
                content = MIGRATIONS[number](content)
                number = int(content["format"])
            if content["link"] != self.link:
                raise StateError(
                    "The state file belongs to another link",
                    f"{self.where} is of the link {content['link']!r}, the configuration of {self.link!r}.",
                    "Use the configuration that goes with it, or another place for the state.",
                )
            self._check_place(content.get("place") or {}, any(content["resources"]))
            self._serial = int(content["serial"])
            since = content.get("paused")
            self.paused = float(since) if since is not None else None
            self.paused_deep = bool(content.get("paused_deep"))
            self.written_by = str(content.get("command", ""))
            self._receipts = {
                str(address): Receipt(
                    address=str(address),
                    id=str(item["id"]),
                    phase=str(item["phase"]),
                    spec_hash=str(item["spec_hash"]),
                    owned=Ownership(item["owned"]),
                    since=float(item["since"]),
                    intent=str(item.get("intent", "")),
                    prior_state=_note(item.get(_ON_DISK["prior_state"])),
                    place=str(item.get("place", "")),
                )
                for address, item in content["resources"].items()
            }
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise StateError(
                "The state file is damaged",
                f"{self.where} is not a state file of cloudlink: {type(error).__name__}. Nothing was changed.",
                self._way_back(),
            ) from error

    def _check_place(self, there: Mapping[str, str], has_receipts: bool) -> None:
        """A key that was changed in the configuration since: its objects are elsewhere, and those here are others'."""
        changed = {k: v for k, v in there.items() if k in self._place and v.lower() != self._place[k].lower()}
        if not changed or not has_receipts:
            return
        said = ", ".join(f"{key} was {value} and is {self._place[key]}" for key, value in sorted(changed.items()))
        raise StateError(
            "The link was built in another place",
            f"According to {self.where}, {said}. What was built there is not touched from here.",
            "Put the old values back into the configuration. To move the link: run cloudlink teardown with the old ones "
            "first. For a second link, use another name.",
        )


def _note(prior_state: Any) -> Any:
    """As it is, when it has one of the forms in which notes are written: a list of words, or a mapping to yes and no or to
    lists of words. What is restored by it is somebody else's, so that nothing is read into another form. Raises TypeError."""
    parts = prior_state.values() if isinstance(prior_state, dict) else [prior_state] if prior_state is not None else []
    for part in parts:
        words = isinstance(part, list) and all(isinstance(word, str) for word in part)
        if not (words or (isinstance(prior_state, dict) and isinstance(part, bool))):
            raise TypeError("a note of what was there before has no form of cloudlink's")
    return prior_state
