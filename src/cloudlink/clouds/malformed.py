"""Malformed answers: well-formed JSON or XML of wrong types or with missing fields. They raise MalformedError.

Code that reads an answer takes the documented shape for granted. So it is in a function of its own, guarded by
:func:`parsing`, and a cloud (or a proxy in between) that answers something else is told from a bug in cloudlink, which
raises the same exceptions anywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from cloudlink.errors import MalformedError

_SHAPES = (LookupError, AttributeError, TypeError, ValueError)
_ARGUMENTS = re.compile(r"\(\) (takes|missing|got) ")
_OURS_OR_PYTHONS = frozenset({"builtins", "json.decoder", "ipaddress", "binascii"})
_JSON_TYPES = (dict, list, tuple, str, int, float, bool, type(None))


@contextmanager
def parsing(what: str) -> Iterator[None]:
    """Around reading an answer, as a context or as a decorator. what: whose answer, such as ``AWS's VPN gateways``."""
    try:
        yield
    except _SHAPES as error:
        if _is_an_sdks(error) or _is_bug(error):
            raise
        raise MalformedError(
            "A cloud's answer is malformed",
            f"{what[0].upper()}{what[1:]} do not have the documented form ({type(error).__name__}: {str(error)[:200]!r}). "
            "Nothing was done on the strength of it.",
            "Run the command again. If it stays, something between here and the cloud answers in its place.",
            code=type(error).__name__,
        ) from error


def _is_an_sdks(error: Exception) -> bool:
    """Such as a certificate that does not fit, which is a ValueError too: the error policy knows what it means. A body
    that is not UTF-8 comes out of both as Python's own error."""
    return type(error).__module__ not in _OURS_OR_PYTHONS or isinstance(error, UnicodeDecodeError)


def is_not_text(error: Exception, sdk: str) -> bool:
    """Whether an SDK met a body that is not UTF-8. Both of them let Python's own error through then, so that only its way
    tells where it is from. sdk: the package, such as ``botocore``."""
    if not isinstance(error, UnicodeDecodeError):
        return False
    step = error.__traceback__
    while step is not None:
        if str(step.tb_frame.f_globals.get("__name__", "")).startswith(f"{sdk}."):
            return True
        step = step.tb_next
    return False


def _is_bug(error: Exception) -> bool:
    """An attribute that is missing on something that no answer consists of was misspelt by us, and arguments that do not
    fit were given by us."""
    if isinstance(error, AttributeError):
        return not isinstance(getattr(error, "obj", None), _JSON_TYPES)
    return isinstance(error, TypeError) and _ARGUMENTS.search(str(error)) is not None
