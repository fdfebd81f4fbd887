"""The question before a change, the same in every command that has one."""

from __future__ import annotations

import sys
from collections.abc import Callable


def confirm(ask: Callable[[], bool], command: str, *, effect: str, json: bool, otherwise: str = "") -> None:
    """Ask, and raise DeclinedError unless the answer is yes, or when there is nobody to ask.

    command: with its options, such as ``logs --on``. effect: what it does, as the beginning of a sentence. otherwise: what
    to do after a no, if not to run it again.
    """
    from cloudlink.errors import DeclinedError

    if json or not sys.stdin.isatty():
        raise DeclinedError(
            "Nobody to ask",
            f"{effect}, and there is no terminal to confirm it on; nothing was changed.",
            f"Say so on the command line: cloudlink {command} --yes",
        )
    if not ask():
        raise DeclinedError(
            "Declined", "Nothing was changed.", otherwise or f"Run cloudlink {command} again when you are ready."
        )
