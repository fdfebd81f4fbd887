"""The command line: one file per command, each with its options, its question and its exit code, and nothing else."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point. Expected errors become a message and an exit code; only a bug shows a traceback."""
    # asked by scripts again and again: not worth loading anything
    if sys.argv[1:] in (["--version"], ["-V"]) and sys.stdout is not None:
        from cloudlink import __version__

        try:
            sys.stdout.write(f"cloudlink {__version__}\n")
            sys.stdout.flush()
            return
        except OSError:
            pass  # told below, as of any other command
    import gc
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump of this process's memory would hold pre-shared keys
    # Importing an SDK makes a hundred thousand objects that stay; to look through them again and again for garbage
    # would be an eighth of a short command's time.
    gc.set_threshold(10_000, 50, 1000)
    from cloudlink.cli import output
    from cloudlink.cli.commands import run

    try:
        code = run(sys.argv[1:]) if output.guard() else 1
    except Exception:  # noqa: BLE001 - a bug; its traceback may quote what an SDK was given
        import traceback

        from cloudlink.secret import masked

        sys.stderr.write(masked(traceback.format_exc()))
        code = 1
    import signal

    # Everything is said and saved: another Ctrl-C now could only show where in its clearing up Python was.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = output.let_go(code)
    # Python looks through all objects for garbage before it ends: of the SDKs' hundred thousand there is none to find.
    gc.freeze()
    sys.exit(code)
