"""Short hashes of texts, which the clouds and the state keep in a text's place.

A bundle without ids holds other texts, whose hashes are others too: while one is gathered it is noted what was hashed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

_noted: dict[str, str] | None = None


def digest(text: str, length: int) -> str:
    """length: of hexadecimal digits."""
    found = hashlib.sha256(text.encode()).hexdigest()[:length]
    if _noted is not None:
        _noted[found] = text
    return found


@contextmanager
def noted() -> Iterator[dict[str, str]]:
    """Hash -> text, of what is hashed meanwhile."""
    global _noted  # noqa: PLW0603 - of the process, as the recording is
    _noted = {}
    try:
        yield _noted
    finally:
        _noted = None
