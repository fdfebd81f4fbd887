"""Temporary credentials: roles that may be assumed, one-time codes of MFA devices, and the sessions that come of them.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import string
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field

_STEP = 30  # seconds that a one-time code is shown
_LETTERS = string.ascii_uppercase + "234567"


@dataclass(frozen=True)
class Role:
    """A role that the account's user may assume. longest: of its sessions, in seconds."""

    name: str
    mfa: bool = False
    external_id: str | None = None
    longest: int = 3_600


@dataclass(frozen=True)
class TemporaryKeys:
    """principal: whose they are. ends: seconds since the epoch, by the clock on the wall, which signs requests as well."""

    access_key: str
    secret_key: str
    token: str
    principal: str
    user_id: str
    ends: float


@dataclass
class Sessions:
    """Of one account. wall: seconds since the epoch."""

    roles: dict[str, Role] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)  # serial number -> seed in base32
    wall: Callable[[], float] = time.time
    keys: dict[str, TemporaryKeys] = field(default_factory=dict)  # by access key
    used: set[tuple[str, int]] = field(default_factory=set)  # device and moment of each code that was taken

    def open(self, principal: str, user_id: str, seconds: int) -> TemporaryKeys:
        """New keys for this principal. Those that have ended are forgotten."""
        now = self.wall()
        self.keys = {k: v for k, v in self.keys.items() if v.ends > now - 86_400}
        made = TemporaryKeys(
            "ASIA" + "".join(secrets.choice(_LETTERS) for _ in range(16)),
            secrets.token_urlsafe(30),
            base64.b64encode(secrets.token_bytes(192)).decode(),
            principal,
            user_id,
            now + seconds,
        )
        self.keys[made.access_key] = made
        return made

    def shown(self) -> dict[str, str]:
        """What each device shows now, by its serial number."""
        return {serial: one_time_code(seed, self.wall()) for serial, seed in self.devices.items()}

    def ended(self, keys: TemporaryKeys) -> bool:
        return self.wall() >= keys.ends

    def accepts(self, serial: str, code: str) -> bool:
        """Whether a device shows this code now, or has a step ago; each code is taken once."""
        now = int(self.wall() // _STEP)
        for moment in (now, now - 1, now + 1):
            if hmac.compare_digest(one_time_code(self.devices[serial], moment * _STEP), code):
                if (serial, moment) in self.used:
                    return False
                self.used.add((serial, moment))
                return True
        return False


def one_time_code(seed: str, at: float) -> str:
    """What a device shows at this moment. seed: base32. https://www.rfc-editor.org/rfc/rfc6238"""
    digest = hmac.new(_seed(seed), struct.pack(">Q", int(at // _STEP)), hashlib.sha1).digest()
    place = digest[-1] & 15
    return f"{(int.from_bytes(digest[place : place + 4], 'big') & 0x7FFF_FFFF) % 10**6:06}"


def _seed(text: str) -> bytes:
    """Raises ValueError for what is no base32."""
    try:
        return base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except binascii.Error as error:
        raise ValueError(f"the seed {text!r} is no base32") from error
