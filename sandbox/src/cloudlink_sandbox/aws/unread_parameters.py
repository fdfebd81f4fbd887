"""Parameters that nobody reads: a request with one of them is refused, for AWS would act on it.

What a handler reads it names. So the texts in its code, and in what it calls, tell which parameters it can know; one whose
name is in none of these would be dropped in silence.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any

from moto.core.utils import camelcase_to_underscores

_OURS = ("cloudlink_sandbox.", "moto.")
# Read for every operation, or without an effect on what is kept.
_ALWAYS = frozenset(
    (
        "DryRun",
        "NextToken",
        "MaxResults",
        "Marker",
        "PageSize",
        "ClientToken",
        "ClientRequestToken",
        "VPCRegion",
        "AllAvailabilityZones",  # every zone that there is takes part, so naming those that do not adds none
    )
)
# Looked at as a whole by their handlers.
_WHOLE = frozenset(
    (
        "LogOptions",
        "IpPermissions",
        "TagSpecifications",
        "Tags",
        "tags",
        "Filters",
        "DefaultActions",
        "Actions",
        "Conditions",
        "Attributes",
        "Targets",
        "Matcher",
        "Certificates",
        "PortRange",
    )
)
# Refused whatever they say.
_REFUSED = frozenset(("ModifyNetworkInterfaceAttribute",))


def unread(handler: Callable[..., Any], owner: type, operation: str, parameters: Mapping[str, Any]) -> list[str]:
    """Names of parameters, also within others, that the handler cannot know."""
    if operation in _REFUSED:
        return []
    known = _words(_function(handler), owner, camelcase_to_underscores(operation))
    return sorted({name for name in _names(parameters) if name not in known and name not in _ALWAYS})


def _function(handler: Callable[..., Any]) -> types.FunctionType:
    inner: Any = handler
    while isinstance(inner, partial):
        inner = inner.func
    found: types.FunctionType = getattr(inner, "__func__", inner)
    return found


def _names(value: Any) -> Iterator[str]:
    """Of members that say something; keys of tags and other maps are in values that are lists of pairs."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if inner not in (None, "", [], {}):
                yield str(name)
                yield from () if name in _WHOLE else _names(inner)
    elif isinstance(value, list):
        for item in value:
            yield from _names(item)


@cache
def _words(function: types.FunctionType, owner: type, method: str) -> frozenset[str]:
    """method: what answers the operation in moto, which a handler may fall back on."""
    found: set[str] = set()
    seen: set[Any] = set()
    _collect(function, owner, found, seen)
    if "by_moto" in {getattr(f, "__name__", "") for f in seen}:
        _methods(owner, method, found, seen)
    # "Options.TunnelOptions" reads both
    return frozenset(part for word in found for part in (word, *word.split(".")))


def _collect(function: types.FunctionType, owner: type, found: set[str], seen: set[Any]) -> None:
    if function in seen:
        return
    seen.add(function)
    for cell in function.__closure__ or ():
        _look(cell.cell_contents, owner, found, seen)
    for value in (function.__defaults__ or ()) + tuple((function.__kwdefaults__ or {}).values()):
        _look(value, owner, found, seen)
    for code in _codes(function.__code__):
        for constant in code.co_consts:
            _texts(constant, found)
        for name in code.co_names:
            _methods(owner, name, found, seen)
            here = function.__globals__.get(name)
            _look(here, owner, found, seen)
            for module in (function.__globals__.get(n) for n in code.co_names):
                if isinstance(module, types.ModuleType) and module.__name__.startswith(_OURS):
                    _look(getattr(module, name, None), owner, found, seen)


def _methods(owner: type, name: str, found: set[str], seen: set[Any]) -> None:
    """Of this name, those that are overridden as well: a handler may call them."""
    for one in owner.__mro__:
        _look(one.__dict__.get(name), owner, found, seen)


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _look(value: Any, owner: type, found: set[str], seen: set[Any]) -> None:
    if isinstance(value, property) and value.fget is not None:
        value = value.fget
    value = getattr(value, "__func__", value)
    if isinstance(value, types.FunctionType):
        if value.__module__.startswith(_OURS):
            _collect(value, owner, found, seen)
    elif isinstance(value, str | tuple | list | dict | set | frozenset):
        _texts(value, found)


def _texts(value: Any, found: set[str]) -> None:
    if isinstance(value, str):
        found.add(value)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            _texts(key, found)
            _texts(inner, found)
    elif isinstance(value, tuple | list | set | frozenset):
        for item in value:
            _texts(item, found)
