"""The log of a run: one line for each thing that was begun, and how it ended."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from cloudlink.core import events as ev
from cloudlink.own_files import open_own

LOG = logging.getLogger("cloudlink")
LOG.addHandler(logging.NullHandler())  # a command that only reads keeps no log; the view says what there is to say


def log_file(path: Path) -> int | None:
    """None: a log that cannot be written does not stop the run. Raises StateError for a file that is not ours."""
    try:
        return open_own(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    except OSError:
        return None


def record(event: Any) -> None:
    """One line in the log file for what was begun and how it ended."""
    match event:
        case ev.Begun(address=address, verb=verb):
            LOG.info("%s %s begun", address, verb)
        case ev.Done(address=address, verb=verb, seconds=seconds, id=id_):
            LOG.info("%s %s done in %.0f s: %s", address, verb, seconds, id_)
        case ev.Failed(address=address, error=error):
            LOG.error(
                "%s failed: %s (%s, request %s)", address, error, error.code or "no code", error.request_id or "unknown"
            )
        case ev.Skipped(address=address, because=because):
            LOG.info("%s skipped: %s", address, because)
        case ev.Halted(because=because, made=made):
            LOG.error("nothing more was begun: %s was refused; made: %s", because, ", ".join(made) or "nothing")
