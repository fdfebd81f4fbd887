"""What was asked of the sandbox and what it answered, word for word, to be compared with what others say about the clouds.

CLOUDLINK_SANDBOX_TRANSCRIPT names a file to which every listener that starts from then on appends one line of JSON for
each exchange. Pre-shared keys and tokens of the sandbox are in it. Streams (watches, exec) and answers that a fault
cut off do not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

VARIABLE = "CLOUDLINK_SANDBOX_TRANSCRIPT"


class Transcript:
    """Appends to one file, also from several processes: each line is one write. It is opened again for each, so that
    nothing is left to close when a listener stops while its connections still answer."""

    def __init__(self, path: str) -> None:
        self._path = path

    def add(
        self,
        *,
        method: str,
        uri: str,
        asked: Iterable[tuple[str, str]],
        body: bytes,
        status: int,
        answered: Iterable[tuple[str, str]],
        answer: bytes,
    ) -> None:
        """Header names become lower case. Bytes that are no UTF-8 are kept as lone surrogates."""
        line: dict[str, Any] = {
            "method": method,
            "uri": uri,
            "asked": {name.lower(): value for name, value in asked},
            "body": body.decode("utf-8", "surrogateescape"),
            "status": status,
            "answered": {name.lower(): value for name, value in answered},
            "answer": answer.decode("utf-8", "surrogateescape"),
        }
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, json.dumps(line).encode() + b"\n")
        finally:
            os.close(descriptor)


def wanted() -> Transcript | None:
    """The transcript that the environment asks for."""
    path = os.environ.get(VARIABLE)
    return Transcript(path) if path else None
