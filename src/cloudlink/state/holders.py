"""Who holds a lock: what a run says of itself, and whether a run on this machine still lives."""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import os
import socket
import time
from pathlib import Path

from cloudlink.core.object_store import LOCK_SECONDS, Held, Holder


def user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def host() -> str:
    return socket.gethostname()


def pid() -> int:
    return os.getpid()


def machine() -> str:
    """This start of this machine and this container: only there a process id means what it meant. Empty: not known.

    https://man7.org/linux/man-pages/man7/pid_namespaces.7.html
    """
    with contextlib.suppress(OSError):
        started = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = Path("/proc/self/ns/pid").readlink()
        return hashlib.sha256(f"{started} {space}".encode()).hexdigest()[:32]
    return ""


def is_dead(holder: Holder) -> bool:
    """Whether a holder is known not to live any more. One on another machine never is."""
    if not holder.machine or holder.machine != machine():
        return False
    try:
        os.kill(holder.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def lives(held: Held) -> bool:
    """Whether a run of somebody else's is known to be at work: its process or its last sign of life says so."""
    if held.holder is None or (held.holder.machine == machine() and held.holder.pid == pid()):
        return False
    if held.quiet is None or is_dead(held.holder):
        return False
    return held.quiet < LOCK_SECONDS


def said(holder: Holder | None) -> str:
    """A sentence."""
    if holder is None:
        return "It does not say who it is."
    try:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder.since))
    except (ValueError, OverflowError, OSError):
        since = "an unknown time"
    return f"`{holder.command}` of {holder.user} on {holder.host} (process {holder.pid}) has held it since {since}."
