"""A rehearsal's result, made from what its first process told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cloudlink.rehearse import proposals
from cloudlink.rehearse.stage import Stage

_LISTS = {
    "renewal": "renewals",
    "endpoint": "endpoints",
    "name": "names",
    "request": "requests",
    "loss": "losses",
    "skipped": "skipped",
}


def report(link: str, stage: Stage, events: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The object that ``--json`` prints. health: healthy, degraded (some tunnels carry), down."""
    found: dict[str, Any] = {
        "link": link,
        "health": "",
        "seconds": 0.0,
        "tunnels": [],
        "renewals": [],
        "endpoints": [],
        "names": [],
        "requests": [],
        "capture": None,
        "losses": [],
        "skipped": [],
        "notes": list(stage.notes),
    }
    tunnels: dict[str, dict[str, Any]] = {}
    outsides = dict(stage.tunnels)
    for event in events:
        kind = event["event"]
        said = {k: v for k, v in event.items() if k not in ("event", "at")}
        found["seconds"] = event["at"]
        if kind == "tunnel":
            name = str(said.pop("tunnel"))
            unspoken = {"up": False, "routes": 0, "learned": 0, "announced": 0, "why": "not looked at"}
            more = {"bgp": unspoken, **_sizes(str(said["esp"]))}
            tunnels[name] = {"name": name, "outside": outsides[name], **said, **more}
        elif kind == "bgp":
            tunnels[str(said.pop("tunnel"))]["bgp"] = said
        elif kind == "capture":
            found["capture"] = said
        elif kind in _LISTS:
            found[_LISTS[kind]].append(said)
    found["tunnels"] = list(tunnels.values())
    found["health"] = _health(found)
    return found


def _sizes(esp: str) -> dict[str, Any]:
    """What follows from the algorithms chosen, for gateways that speak ESP without UDP around it."""
    words = esp.lower().split("/")
    if not esp:
        return {"largest_packet": None, "mss": None}
    cipher = "gcm" if "gcm" in words[0] else "3des" if "3des" in words[0] else "null" if "null" in words[0] else "aes"
    digest = next((w.split("_")[1] + w.split("_")[2] if "sha2" in w else "sha1" for w in words if "hmac" in w), "")
    digest = digest.replace("sha2256", "sha256").replace("sha2384", "sha384").replace("sha2512", "sha512")
    packet = proposals.largest_inside(cipher, digest)
    return {"largest_packet": packet, "mss": proposals.mss(packet)}


def _health(found: Mapping[str, Any]) -> str:
    carrying = [t for t in found["tunnels"] if t["up"] and t["bgp"]["up"]]
    if not carrying:
        return "down"
    parts = (*found["renewals"], *found["endpoints"], *found["names"], *found["requests"], *found["losses"])
    good = all(p["good"] for p in parts) and (found["capture"] is None or found["capture"]["good"])
    whole = len(carrying) == len(found["tunnels"]) and all(
        t["bgp"]["routes"] and t["bgp"]["learned"] == t["bgp"]["announced"] for t in carrying
    )
    return "healthy" if good and whole else "degraded"
