"""A plan in a file, which is carried out later exactly as it was shown: ``plan --out FILE``, ``up FILE``.

The file is a promise and no program: ``up`` plans again and compares. It holds no secret; what is written to the clouds
comes from the configuration, whose fingerprint it carries, because a creation shows no fields.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloudlink.core.plan import Change, Plan, spec_hash
from cloudlink.digests import digest
from cloudlink.errors import DeclinedError, UsageError
from cloudlink.link import Link

FORMAT = 1
LARGEST = 8 * 1024 * 1024  # bytes; a plan of 500 names has 200 thousand


@dataclass(frozen=True)
class SavedPlan:
    link: str
    place: Mapping[str, str]
    version: str  # of cloudlink: another one may make something else of the same configuration
    configuration: str  # fingerprint
    only: tuple[str, ...]  # steps, where the plan was limited to some
    changes: tuple[Mapping[str, Any], ...]
    sections: Mapping[str, str]  # section of the configuration -> its fingerprint, to name the one that was changed


def save(plan: Plan, link: Link, version: str, only: tuple[str, ...] = ()) -> str:
    content = {
        "format": FORMAT,
        "link": link.name,
        "place": link.place,
        "version": version,
        "configuration": spec_hash(link),
        "only": list(only),
        "sections": _sections(link),
        "changes": [_content(c) for c in plan.changes],
    }
    return json.dumps({**content, "digest": _digest(content)}, indent=1) + "\n"


def _digest(content: Mapping[str, Any]) -> str:
    """Against slips, not against people: who may write the file may write this as well."""
    return digest(json.dumps(content, sort_keys=True), 32)


def _sections(link: Link) -> dict[str, str]:
    parts = {
        "link": (link.name, link.transport),
        "aws": link.aws,
        "azure": link.azure,
        "vpn": (link.policy, link.tunnels, link.spare),
        "dns": link.dns,
        "probe": link.probe,
        "tags": link.tags,
        "state": (link.state, link.state_region),
        "sandbox": link.sandbox,
    }
    return {name: spec_hash(part) for name, part in parts.items()}


def read(text: str, file: str) -> SavedPlan:
    """Raises UsageError for a file that is not a plan of this format."""
    try:
        raw = json.loads(text)
        if raw["format"] != FORMAT:
            raise UsageError(
                "The saved plan cannot be read",
                f"{file} has format {raw['format']!r:.20}; this version of cloudlink reads format {FORMAT}.",
                "Make it again: cloudlink plan --out FILE",
            )
        if raw.pop("digest") != _digest(raw):
            raise UsageError(
                "The saved plan was changed",
                f"{file} is not any more what cloudlink plan --out has written. Nothing was changed in the clouds.",
                "Make it again: cloudlink plan --out FILE",
            )
        changes = tuple({key: c[key] for key in ("address", "action", "id", "fields")} for c in raw["changes"])
        return SavedPlan(
            str(raw["link"]),
            {str(k): str(v) for k, v in raw["place"].items()},
            str(raw["version"]),
            str(raw["configuration"]),
            tuple(map(str, raw["only"])),
            changes,
            {str(k): str(v) for k, v in raw["sections"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise UsageError(
            "The saved plan cannot be read",
            f"{file} is not what cloudlink plan --out writes, or it was changed.",
            "Make it again: cloudlink plan --out FILE",
        ) from None


def check_link(saved: SavedPlan, link: Link, version: str, file: str) -> None:
    """Before the clouds are read. Raises UsageError for another link's plan, DeclinedError where the configuration or
    cloudlink is another one than at planning."""
    if (saved.link, saved.place) != (link.name, link.place):
        moved = [k for k in link.place if saved.place.get(k) != link.place[k]]
        what = f"of the link {saved.link}" if saved.link != link.name else f"of another place ({', '.join(moved)})"
        raise UsageError(
            "The saved plan is another link's",
            f"{file} is {what}; the configuration describes {link.name}. Nothing was changed.",
            "Name the configuration it was made with (--config), or make a plan of this one: cloudlink plan --out FILE",
        )
    if saved.version != version:
        raise _changed(file, f"It was made by cloudlink {saved.version}; this is {version}.")
    if saved.configuration != spec_hash(link):
        now = _sections(link)
        named = [f"[{s}]" for s in now if saved.sections.get(s) != now[s]]
        where = f" in {', '.join(named)}" if named else ""
        raise _changed(file, f"The configuration was changed{where} after it was made.")


def check_world(saved: SavedPlan, plan: Plan, file: str) -> None:
    """plan: made just now. Raises DeclinedError where it is not the saved one."""
    now = {c.address: _content(c) for c in plan.changes}
    then = {str(c["address"]): dict(c) for c in saved.changes}
    different = sorted(a for a in now.keys() | then.keys() if now.get(a) != then.get(a))
    if different:
        shown = "; ".join(_difference(a, then.get(a), now.get(a)) for a in different[:_SHOWN])
        more = f"; and {len(different) - _SHOWN} more" if len(different) > _SHOWN else ""
        raise _changed(file, f"The clouds have changed after it was made: {shown}{more}.")


_SHOWN = 3


def _difference(address: str, then: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> str:
    if then is None or now is None:
        return f"{address} is {'no longer' if now is None else 'newly'} in the plan"
    if then["action"] != now["action"]:
        return f"{address} was {then['action']} and is {now['action']}"
    return f"{address} is {'another object' if then['id'] != now['id'] else 'different in other fields'}"


def _changed(file: str, why: str) -> DeclinedError:
    return DeclinedError(
        "The plan has changed",
        f"{file} is no longer what up would do. {why} Nothing was changed.",
        "Look at what it would do now: cloudlink plan",
    )


def _content(change: Change) -> dict[str, Any]:
    return {
        "address": change.address,
        "action": change.action.value,
        "id": change.id,
        "fields": [[f.field, f.old, f.new] for f in change.fields],
    }
