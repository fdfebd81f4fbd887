"""Files that the user named to be written, such as a saved plan or metrics: whole or not at all.

A reader, be it another program that looks every few seconds, sees the file before or the file after, never a part.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from cloudlink.errors import OutputError, UsageError


def check(path: Path, option: str) -> None:
    """Before anything else is done: whether the file can be written. Raises UsageError."""
    folder = path.parent
    problem = ""
    if not folder.is_dir():
        problem = f"there is no folder {folder}"
    elif path.exists() and not path.is_file():
        problem = "it is no regular file"
    elif not os.access(folder, os.W_OK | os.X_OK):
        problem = f"nothing may be written in the folder {folder}"
    if problem:
        raise UsageError(
            "The file cannot be written",
            f"{option} {path}: {problem}. Nothing was done.",
            "Name a file in a folder that exists and that you may write in.",
        )


def write(path: Path, text: str | bytes, *, private: bool = False) -> None:
    """private: only the user may read it. Raises OutputError; the file is then what it was before."""
    target = path.resolve()  # a symbolic link keeps leading where it leads
    content = text.encode() if isinstance(text, str) else text
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".new", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as out:
                out.write(content)
                out.flush()
                os.fsync(out.fileno())
            Path(name).chmod(0o600 if private else _usual_mode())
            Path(name).replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise OutputError(
            "The output cannot be written",
            f"Writing {path} failed: {error.strerror}. It is what it was before.",
            "Make room, or name another file, then run the same command again.",
        ) from error


def _usual_mode() -> int:
    """What a new file gets: a collector of metrics runs as another user and must be able to read it."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
