"""The log file: what was done to which object and how it ended, with ids and request ids; never what was in it.

SDK loggers stay shut whatever is asked for: at DEBUG botocore prints the keys of a VPN connection. Every record
passes a filter that masks what looks like a key, as a second net below :class:`cloudlink.secret.Secret`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from typing import TextIO

from cloudlink.secret import masked

_QUIET = ("boto3", "botocore", "urllib3", "azure", "msal", "kubernetes", "s3transfer", "werkzeug")
_KEYS = re.compile(
    r"(?i)(pre_?shared_?key|shared_?key|client_secret|secret_access_key|password|token|authorization)"
    r"(['\"]?\s*[:=>]\s*['\"]?)([^\s'\"<,;&}]{6,})"
)


class _Mask(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        shown = _one_line(_KEYS.sub(r"\1\2********", masked(text)))
        if shown != text:
            record.msg, record.args = shown, ()
        return True


def _one_line(text: str) -> str:
    """Anything that is not a plain character becomes its escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def quiet_sdks() -> None:
    """Keep the SDKs' own words off the terminal; what matters of them is in our errors."""
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)


class _File(logging.StreamHandler[TextIO]):
    """Ends with its file, and keeps quiet when the disk is full: what is done matters more than that it is noted."""

    def close(self) -> None:
        super().close()
        with contextlib.suppress(OSError):
            self.stream.close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 logging's name
        pass


def open_log(descriptor: int | None) -> None:
    """Append to this file of our folder; None: it cannot be written, which does not stop the run."""
    root = logging.getLogger("cloudlink")
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    root.propagate = False
    if descriptor is None:
        root.addHandler(logging.NullHandler())
        return
    file = _File(os.fdopen(descriptor, "a", encoding="utf-8"))
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    file.addFilter(_Mask())
    root.addHandler(file)
    root.setLevel(logging.INFO)
