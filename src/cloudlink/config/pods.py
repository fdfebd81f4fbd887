"""What a Kubernetes pod may be given: labels, annotations, a node selector, tolerations, resources.

https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/
"""

from __future__ import annotations

import re

from cloudlink.config.shown import shown, shown_key
from cloudlink.config.value_types import ValidationError, ValueType, invalid
from cloudlink.errors import Mistake
from cloudlink.link import Toleration

Pairs = tuple[tuple[str, str], ...]

_NAME = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_KEY = rf"([a-z0-9]([a-z0-9.-]{{0,251}}[a-z0-9])?/)?{_NAME}"
_LABEL_VALUE = rf"({_NAME})?"
_QUANTITY = r"[0-9]{1,9}(\.[0-9]{1,3})?(m|k|Ki|M|Mi|G|Gi)?"
_MOST = 40
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_TOLERATION = re.compile(rf"(?:(?P<key>{_KEY})(?P<value>=(?:{_NAME})?)?|\*)(?::(?P<effect>{'|'.join(_EFFECTS)}))?")


def _pairs(words: str, key: str, value: str, *, taken: tuple[str, ...] = ()) -> ValueType[Pairs]:
    def read(found: object) -> Pairs:
        if not isinstance(found, dict):
            raise invalid(found, f"a table: {words}")
        mistakes = [] if len(found) <= _MOST else [Mistake("", f"{len(found)} entries", f"at most {_MOST}")]
        for name, text in list(found.items())[:_MOST]:
            at = f".{shown_key(name)}"
            if any(name.startswith(start) for start in taken):
                mistakes.append(Mistake(at, shown(name), "another key: this one is cloudlink's own or AKS's"))
            elif not re.fullmatch(key, name):
                mistakes.append(Mistake(at, shown(name), words))
            elif not isinstance(text, str) or not re.fullmatch(value, text, re.DOTALL):
                near = f'"{shown(text)}"' if isinstance(text, int | float) else ""
                mistakes.append(Mistake(at, shown(text), f"a string: {words}", near))
        if mistakes:
            raise ValidationError(*mistakes)
        return tuple(found.items())

    return ValueType("table of strings", f"at most {_MOST}: {words}", read)


_OURS = ("cloudlink-", "app.kubernetes.io/managed-by", "kubernetes.azure.com/")
LABELS = _pairs("label names and values as Kubernetes takes them", _KEY, _LABEL_VALUE, taken=_OURS)
NODE_SELECTOR = _pairs("node label names and values as Kubernetes takes them", _KEY, _LABEL_VALUE)
ANNOTATIONS = _pairs("annotation names as Kubernetes takes them, values of up to 1024 characters", _KEY, r".{0,1024}")
RESOURCES = _pairs(
    "cpu, memory or ephemeral-storage and a quantity such as 100m or 128Mi", "cpu|memory|ephemeral-storage", _QUANTITY
)


_UNITS = {"m": 1e-3, "k": 1e3, "Ki": 2.0**10, "M": 1e6, "Mi": 2.0**20, "G": 1e9, "Gi": 2.0**30}


def quantity(text: str) -> float:
    """``128Mi`` as a number, for comparing. https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/"""
    unit = text.lstrip("0123456789.")
    return float(text.removesuffix(unit)) * _UNITS.get(unit, 1.0)


def _read_toleration(value: object) -> Toleration:
    found = _TOLERATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise invalid(value, TOLERATION.allowed)
    text = found["value"]
    return Toleration(found["key"] or "", None if text is None else text[1:], found["effect"] or "")


TOLERATION = ValueType(
    "string",
    'a taint as kubectl writes it: "key=value:NoSchedule", "key:NoExecute", "key", or "*" for every taint',
    _read_toleration,
)
