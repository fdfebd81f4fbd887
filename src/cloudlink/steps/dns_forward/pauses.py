"""A paused link's key in CoreDNS: what it answers meanwhile, and what has to be remembered until the link goes on.

The key says so itself, in a comment, so that a machine without the state file sees that the link is paused, and gives the
endpoint its old addresses back. https://coredns.io/plugins/template
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import AddressValueError, IPv4Address

_MARK = "# Paused: "
SERVFAIL, NXDOMAIN, PUBLIC = "servfail", "nxdomain", "public"
ANSWERS = (SERVFAIL, NXDOMAIN, PUBLIC)
"""What may be answered meanwhile, beside an IPv4 address."""
_RCODES = {SERVFAIL: "SERVFAIL", NXDOMAIN: "NXDOMAIN"}
_TTL = 30  # seconds, as long as the answers of the link are kept


@dataclass(frozen=True)
class Pause:
    """since: seconds since the epoch. answer: one of ANSWERS, or the address that every name has meanwhile."""

    since: float
    answer: str = SERVFAIL
    addresses: Mapping[str, IPv4Address] = field(default_factory=dict)  # of the endpoint before: subnet -> address

    @property
    def said(self) -> str:
        """For people."""
        return {
            SERVFAIL: "names fail at once (SERVFAIL)",
            NXDOMAIN: "names do not exist (NXDOMAIN)",
            PUBLIC: "names are asked of the cluster's own upstream",
        }.get(self.answer, f"names lead to {self.answer}")


def is_answer(text: str) -> bool:
    if text in ANSWERS:
        return True
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True


def lines_of(answer: str) -> tuple[str, ...]:
    """The block's lines, as they are written. Only what CoreDNS 1.9.4 understands, as in ``corefile``."""
    if answer == PUBLIC:
        return ("errors", f"cache {_TTL}", "forward . /etc/resolv.conf")
    if answer in _RCODES:
        return ("errors", "template ANY ANY {", f"    rcode {_RCODES[answer]}", "}")
    return (
        "errors",
        "template IN A {",
        f'    answer "{{{{ .Name }}}} {_TTL} IN A {IPv4Address(answer)}"',
        "}",
        "template ANY ANY {",
        "    rcode NOERROR",
        "}",
    )


def options_of(answer: str) -> tuple[str, ...]:
    """The same lines, as ``corefile.read`` gives them back."""
    stripped = (line.strip() for line in lines_of(answer))
    return tuple(line for line in stripped if line != "}")


def mark(pause: Pause) -> str:
    """The comment."""
    since = datetime.fromtimestamp(pause.since, UTC).isoformat(timespec="seconds")
    kept = {subnet: str(address) for subnet, address in sorted(pause.addresses.items())}
    return _MARK + json.dumps({"since": since, "answer": pause.answer, "addresses": kept}, sort_keys=True)


def pause_of(text: str) -> Pause | None:
    """What the key's text says; None: the link is not paused. A comment that was damaged still says that it is."""
    said = [line.removeprefix(_MARK) for line in text.splitlines() if line.startswith(_MARK)]
    if not said:
        return None
    try:
        content = json.loads(said[0])
        answer = str(content["answer"])
        return Pause(
            datetime.fromisoformat(content["since"]).timestamp(),
            answer if is_answer(answer) else SERVFAIL,
            {str(subnet): IPv4Address(address) for subnet, address in content["addresses"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return Pause(0.0)
