"""One question with yes or no."""

from __future__ import annotations

import signal
import sys
import threading


def answered_yes() -> bool:
    """Reads one line from standard input. Everything but ``y`` and ``yes`` means no; so do the end of input and
    Ctrl-C, which a run's own handler would only take note of while the question goes on waiting."""
    main = threading.current_thread() is threading.main_thread()
    earlier = signal.signal(signal.SIGINT, signal.default_int_handler) if main else None
    try:
        return sys.stdin.readline().strip().lower() in ("y", "yes")
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return False
    except (OSError, ValueError):  # closed standard input
        return False
    finally:
        if earlier is not None:
            signal.signal(signal.SIGINT, earlier)
