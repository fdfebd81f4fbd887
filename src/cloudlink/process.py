"""The process of a run: how signals stop it, and what it must not leave in memory or on disk."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

from cloudlink.core.polling import Clock

END_WITHIN_SECONDS = 1.7  # of the wall clock, from SIGTERM to the end


@contextlib.contextmanager
def stop_on_signals(clock: Clock) -> Iterator[None]:
    """First Ctrl-C, SIGTERM or SIGHUP: stop cleanly. A second Ctrl-C: at once. After SIGTERM or SIGHUP the process ends
    within two seconds in any state: a call that nobody answers, a name that is being looked up or a program that was
    started cannot be woken. What was begun is in the state file before it is asked for."""

    def stop(number: int, _frame: Any) -> None:
        if clock.stopped and number == signal.SIGINT:
            _leave_at_once()
        if number != signal.SIGINT and not ending:
            ending.append(threading.Timer(END_WITHIN_SECONDS, _leave_at_once))
            ending[0].daemon = True  # not cancelled either: Python itself waits for threads when it ends
            ending[0].start()
        clock.stop()

    ending: list[threading.Timer] = []

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    earlier = {n: signal.signal(n, stop) for n in numbers}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _leave_at_once() -> None:
    show_cursor = "\x1b[?25h" if sys.stderr.isatty() else ""  # the live view had hidden it
    said = "\nStopped at once; what the clouds had begun goes on. Run the command again to go on.\n"
    with contextlib.suppress(OSError):
        # not through sys.stderr, which the interrupted code may be in the middle of writing to
        os.write(2, (show_cursor + said).encode())
    os._exit(130)


def one_arena() -> None:
    """glibc gives each thread a heap of its own; for the SDKs' many small objects one is enough, and 12 MB less."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        for option, value in ((-8, 1), (-1, 65_536), (-3, 65_536)):  # M_ARENA_MAX, M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
            libc.mallopt(option, value)


def no_dumps() -> None:
    """A dump of this process's memory would hold pre-shared keys. The limit that is set at the start keeps the kernel
    from writing one to a file; a program that takes dumps from the kernel (systemd-coredump, apport) is not bound by it.

    https://man7.org/linux/man-pages/man2/PR_SET_DUMPABLE.2const.html
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
