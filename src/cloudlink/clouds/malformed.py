"""Malformed answers: well-formed JSON or XML of wrong types or with missing fields. They raise CloudError.

Where our code reads an answer it takes the documented shape for granted, so that a cloud (or a proxy in between) that
answers something else shows as an error of Python's. A bug in cloudlink looks the same from outside; the message says where
it was, and that it may be either.
"""

from __future__ import annotations

from cloudlink.errors import CloudError

_SHAPES = (LookupError, AttributeError, TypeError, ValueError)
_READERS = ("cloudlink.clouds.", "cloudlink.steps.", "cloudlink.checks.")


def translate(error: Exception) -> CloudError | None:
    """Ours for an error of shape that arose where answers are read; None for any other."""
    if not isinstance(error, _SHAPES):
        return None
    place = _place(error)
    if not place.startswith(_READERS):
        return None
    return CloudError(
        "A cloud's answer is malformed",
        f"It has not the documented shape ({type(error).__name__}: {str(error)[:200]!r}, read in {place}). "
        "Nothing was done on the strength of it.",
        "Run the command again. If it stays, something between here and the cloud answers in its place, or this is a "
        "bug in cloudlink: report it with this line.",
        code=type(error).__name__,
    )


def _place(error: Exception) -> str:
    """``module:line`` of the innermost frame of cloudlink."""
    found, step = "", error.__traceback__
    while step is not None:
        name = str(step.tb_frame.f_globals.get("__name__", ""))
        if name.startswith("cloudlink."):
            found = f"{name}:{step.tb_lineno}"
        step = step.tb_next
    return found
