"""What was last seen of a link, and how each look at it ended: what a report shows without asking a cloud.

One JSON object beside the state file: ``{format, link, status, dns, history}``; status and dns: the last ones, each ``{at,
report, ...}`` as ``--json`` prints them, or null. Nothing depends on it: a file that is damaged or gone is begun again, and one
that cannot be written is not.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from cloudlink.errors import StateError
from cloudlink.own_files import open_own, own_folder

FORMAT = 1
MOST_LOOKS = 300
_MOST_BYTES = 4_000_000

Json = dict[str, Any]


def history_path(folder: Path, link: str) -> Path:
    return folder / f"{link}.history.json"


class History:
    """What is kept of one link."""

    def __init__(self, path: Path, link: str) -> None:
        self._path = path
        self._link = link

    def read(self) -> Json:
        """Empty where nothing was kept. Raises StateError for a file that is not the user's own."""
        nothing: Json = {"format": FORMAT, "link": self._link, "status": None, "dns": None, "history": []}
        try:
            with os.fdopen(open_own(self._path, os.O_RDONLY), encoding="utf-8") as file:
                content = json.loads(file.read(_MOST_BYTES))
        except (OSError, ValueError, RecursionError):
            return nothing
        if not isinstance(content, dict) or content.get("format") != FORMAT or content.get("link") != self._link:
            return nothing
        kept = {**nothing, **content}
        seen = all(kept[k] is None or _holds_report(kept[k]) for k in ("status", "dns"))
        return kept if seen and isinstance(kept["history"], list) else nothing

    def add_status(self, at: str, report: Json, price: list[Json]) -> None:
        """at: RFC 3339, in the clouds' time. report: as ``status --json`` prints it."""
        failed = [c["title"] for c in report["checks"] if c["outcome"] == "failed"]
        up = sum(bool(t["up"]) for t in report["tunnels"])
        look = {"at": at, "health": report["health"], "up": up, "of": len(report["tunnels"]), "failed": failed}
        self._write("status", {"at": at, "report": report, "price": price}, look)

    def add_dns(self, at: str, report: Json) -> None:
        """report: as ``verify-dns --json`` prints it."""
        self._write("dns", {"at": at, "report": report}, None)

    def _write(self, key: str, seen: Json, look: Json | None) -> None:
        """Aside and renamed, so that a reader sees all of it. Where it cannot be kept, a report has less to show."""
        with contextlib.suppress(OSError, StateError):
            if not own_folder(self._path.parent, make=False):
                return
            content = self.read()
            content[key] = seen
            if look is not None:
                content["history"] = [*content["history"], look][-MOST_LOOKS:]
            aside = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            aside.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(aside, flags, 0o600), "w", encoding="utf-8") as out:
                json.dump(content, out, sort_keys=True)
            aside.replace(self._path)


def _holds_report(seen: object) -> bool:
    return isinstance(seen, dict) and isinstance(seen.get("at"), str) and isinstance(seen.get("report"), dict)
