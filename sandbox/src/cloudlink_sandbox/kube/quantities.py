"""Quantities: 250m of a processor, 64Mi of memory. https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/"""

from __future__ import annotations

import re
from fractions import Fraction

_SUFFIXES = {
    **{s: Fraction(1024) ** n for n, s in enumerate(("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))},
    **{s: Fraction(1000) ** n for n, s in ((-3, "n"), (-2, "u"), (-1, "m"))},
    **{s: Fraction(1000) ** n for n, s in enumerate(("", "k", "M", "G", "T", "P", "E"))},
}
_FORM = re.compile(r"([+-]?[0-9.]+)([eE][+-]?[0-9]+)?([numkMGTPE]?i?)")


def amount(text: object) -> Fraction:
    """Raises ValueError."""
    found = _FORM.fullmatch(str(text))
    if not found or found[3] not in _SUFFIXES:
        raise ValueError(f"quantities must match the regular expression of quantities: {text!r}")
    return Fraction(found[1] + (found[2] or "")) * _SUFFIXES[found[3]]


def shown(value: Fraction, like: str) -> str:
    """As short as possible, in the kind of suffix that another quantity has."""
    if value.denominator != 1:
        return f"{int(value * 1000)}m"
    if like.endswith("i"):
        for suffix in ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki"):
            if value and value % _SUFFIXES[suffix] == 0:
                return f"{int(value / _SUFFIXES[suffix])}{suffix}"
    return str(int(value))
