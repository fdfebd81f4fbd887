"""A value that must not be seen: it leaves through :meth:`Secret.reveal` and nowhere else."""

from __future__ import annotations

import hmac
import secrets
import string
from typing import NoReturn

_MASK = "********"
_SHORTEST_MASKED = 8
_KNOWN: set[str] = set()
_FIRST = string.ascii_letters
_REST = string.ascii_letters + string.digits


class Secret:
    """Holds a pre-shared key, token or password. str, repr, format, JSON and pickle do not give it away."""

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value
        if len(value) >= _SHORTEST_MASKED:
            _KNOWN.add(value)

    def reveal(self) -> str:
        """The value itself. Call it only where it is handed to a cloud's SDK (tests list the places)."""
        return self.__value

    def __repr__(self) -> str:
        return f"Secret({_MASK})"

    def __str__(self) -> str:
        return _MASK

    def __format__(self, spec: str) -> str:
        return format(_MASK, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__value.encode(), other.__value.encode())

    def __hash__(self) -> int:
        return hash(("Secret", self.__value))

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")


class UnseenSecret(Secret):
    """One that may not be read. It is equal to every other: no difference can be claimed to what was not seen."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret)

    def __hash__(self) -> int:
        return hash("UnseenSecret")


def masked(text: str) -> str:
    """The text without any secret that this process has come to know. Clouds quote in a refusal what they were sent,
    and so do SDKs: whatever others have worded passes through here before it is shown or written."""
    for value in _KNOWN.copy():
        if value in text:
            text = text.replace(value, _MASK)
    return text


STAND_IN = "standInForASecret"


def with_stand_ins(text: str) -> str:
    """As ``masked``, but each secret becomes a word of its own that says no more than which are equal."""
    for number, known in enumerate(sorted(_KNOWN.copy())):
        text = text.replace(known, f"{STAND_IN}{number:04d}")
    return text


def new_pre_shared_key(length: int = 48) -> Secret:
    """A key that both clouds accept: 32 to 64 letters and digits, the first a letter.

    AWS allows ``[A-Za-z0-9._]``, 8 to 64 characters, not starting with 0; Azure printable ASCII up to 128.
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_VpnTunnelOptionsSpecification.html
    """
    return Secret(secrets.choice(_FIRST) + "".join(secrets.choice(_REST) for _ in range(length - 1)))
