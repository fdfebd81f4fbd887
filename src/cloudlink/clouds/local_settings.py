"""What is set on this machine that an SDK cannot use: a token's file that is not there, a program that gives no keys.

The SDKs read variables and files of the user's, and let Python's own errors through where these are not as they must be.
Such an error is neither a cloud's nor a bug of ours: only its way through the SDK tells it from one.
https://docs.aws.amazon.com/sdkref/latest/guide/environment-variables.html
https://learn.microsoft.com/python/api/overview/azure/identity-readme#environment-variables
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from cloudlink.errors import CredentialsError

_PYTHONS_OWN = (ValueError, OSError, RuntimeError, LookupError)
_MOST_SAID = 200


def unusable(
    error: Exception,
    cloud: str,
    parts: Iterable[str],
    variables: Iterable[str],
    environ: Mapping[str, str] | None = None,
) -> CredentialsError | None:
    """Ours for an error of Python's own that an SDK raised from what is set here; None: it is not one.

    parts: modules of the SDK that read the user's settings. variables: how the names of those begin that the SDK reads.
    """
    if not isinstance(error, _PYTHONS_OWN) or not _raised_in(error, tuple(parts)):
        return None
    environ = os.environ if environ is None else environ
    path = str(getattr(error, "filename", None) or "")
    by = named_by(path, environ) if path else ""
    said = f"{type(error).__name__}: {error}"[:_MOST_SAID].rstrip(".")
    names = [by] if by else sorted(n for n in environ if n.startswith(tuple(variables)))
    where = f", which {by} names" if by else ""
    return CredentialsError(
        f"What is set on this machine to sign in to {cloud} cannot be used",
        f"{cloud}'s SDK read it and stopped: {said}{where}.",
        f"Correct or unset {by}."
        if by
        else f"Look at the variables that are set ({', '.join(names) or 'none'}) and at the files of {cloud}'s own tool.",
        code="LocalSettings",
    )


def named_by(path: str, environ: Mapping[str, str]) -> str:
    """The variable whose value this path is; empty: none."""
    return next((name for name, value in sorted(environ.items()) if value == path), "")


def passed_through(error: Exception, module: str, function: str) -> bool:
    """Whether it came out of this function of an SDK."""
    step = error.__traceback__
    while step is not None:
        frame = step.tb_frame
        if frame.f_globals.get("__name__") == module and frame.f_code.co_name == function:
            return True
        step = step.tb_next
    return False


def _raised_in(error: Exception, parts: tuple[str, ...]) -> bool:
    """Whether the SDK was reading settings when it happened, and had not called us back."""
    inside, step = False, error.__traceback__
    while step is not None:
        module = str(step.tb_frame.f_globals.get("__name__", ""))
        if module.startswith("cloudlink."):
            inside = False
        elif module.startswith(parts):
            inside = True
        step = step.tb_next
    return inside
