"""The saved world as data: JSON that says what there is, and nothing that is carried out when it is read.

Objects are a table of nodes that refer to each other by number, since moto's stores do. An object is its class's name and
its attributes; it comes back without its constructor. Only classes of moto's stores and of the sandbox are known, and of
methods only those by which moto filters its objects. A seal (HMAC-SHA256) with a key that lies in the user's own state
folder tells a file that this user's sandbox wrote from one that came with a folder or was changed.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import hmac
import json
import math
import os
import secrets
import sys
import types
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

from cloudlink_sandbox.errors import SavedWorldRefused

FORMAT = 1
_HEAD = "cloudlink-sandbox world"
# Classes whose instances are data. Anything else in a saved world is a bug, or somebody's attempt to run code.
_MODULES = (
    "cloudlink_sandbox.",
    "moto.ec2.models.",
    "moto.elbv2.models",
    "moto.route53resolver.models",
    "moto.utilities.tagging_service",
    "moto.core.base_backend",
)
_TEXTS: dict[str, Callable[[str], Any]] = {
    "IPv4Address": IPv4Address,
    "IPv4Network": IPv4Network,
    "IPv6Address": IPv6Address,
    "IPv6Network": IPv6Network,
    "datetime": datetime.datetime.fromisoformat,
    "bytes": base64.b64decode,
    "float": float,  # those that JSON has no word for
}
_FACTORIES = {"dict": dict, "list": list, "set": set, "int": int, "str": str, "none": None}
_METHODS = "filter_"  # moto's objects hold bound methods of this name, and no others


class NotData(Exception):
    """Something in a world that has no form here."""


# --- to data ---------------------------------------------------------------------------------------------------------


class _Writer:
    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []  # so that no id is given twice
        self._todo: list[tuple[int, Any]] = []

    def value(self, value: Any) -> Any:
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float and math.isfinite(value):
            return value
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self.nodes)
            self._kept.append(value)
            self.nodes.append(None)
            self._todo.append((self._numbers[id(value)], value))
        return {"@": self._numbers[id(value)]}

    def run(self) -> None:
        while self._todo:
            number, value = self._todo.pop()
            self.nodes[number] = self._node(value)

    def _node(self, value: Any) -> list[Any]:
        kind = type(value)
        if kind in (list, tuple, set, frozenset):
            return [kind.__name__, [self.value(v) for v in value]]
        if kind in (dict, OrderedDict):
            return [kind.__name__, self._items(value)]
        if kind is defaultdict:
            name = "none" if value.default_factory is None else getattr(value.default_factory, "__name__", "")
            if _FACTORIES.get(name, ...) is not value.default_factory:
                raise NotData(f"a defaultdict of {value.default_factory}")
            return ["defaultdict", name, self._items(value)]
        if kind.__name__ in _TEXTS and kind.__module__ in ("ipaddress", "datetime", "builtins"):
            return ["text", kind.__name__, _text_of(value)]
        if isinstance(value, Enum):
            return ["enum", _name_of(kind), value.name]
        if isinstance(value, type):
            return ["store", _name_of(_store(value))]
        if kind is types.MethodType:
            name = value.__func__.__name__
            if not name.startswith(_METHODS):
                raise NotData(f"the method {name}")
            return ["method", self.value(value.__self__), name]
        return self._object(value, kind)

    def _object(self, value: Any, kind: type[Any]) -> list[Any]:
        name = _name_of(kind)
        if _known(name) is not kind:
            raise NotData(f"an object of {name}")
        attributes = dict(getattr(value, "__dict__", {}))
        for owner in kind.__mro__:
            for slot in getattr(owner, "__slots__", ()):
                if slot not in ("__dict__", "__weakref__") and hasattr(value, slot):
                    attributes[slot] = getattr(value, slot)
        items = self._items(value) if isinstance(value, dict) else None
        return ["object", name, {k: self.value(v) for k, v in attributes.items()}, items]

    def _items(self, value: dict[Any, Any]) -> list[list[Any]]:
        return [[self.value(k), self.value(v)] for k, v in value.items()]


def _text_of(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value.isoformat()) if isinstance(value, datetime.datetime) else str(value)


# --- from data -------------------------------------------------------------------------------------------------------


class _Reader:
    def __init__(self, nodes: list[Any]) -> None:
        self._nodes = nodes
        self._made: dict[int, Any] = {}
        self._filled: set[int] = set()
        self._todo: list[int] = []
        self._open: set[int] = set()

    def value(self, value: Any) -> Any:
        if not isinstance(value, dict):
            if isinstance(value, list):
                raise NotData("a list where a value belongs")
            return value
        return self._get(value["@"])

    def run(self) -> None:
        while self._todo:
            self._fill(self._todo.pop())

    def _get(self, number: int) -> Any:
        if number in self._made:
            return self._made[number]
        if type(number) is not int or not 0 <= number < len(self._nodes):
            raise NotData("a reference to nothing")
        if number in self._open:
            raise NotData("something that consists of itself")
        self._open.add(number)
        made = self._shell(self._nodes[number])
        self._open.discard(number)
        self._made[number] = made
        self._todo.append(number)
        return made

    def _shell(self, node: list[Any]) -> Any:
        """The object itself; what may be filled later is empty."""
        match node[0]:
            case "list":
                return []
            case "dict":
                return {}
            case "set":
                return set()
            case "OrderedDict":
                return OrderedDict()
            case "defaultdict":
                return defaultdict(_FACTORIES[node[1]])
            case "tuple":
                return tuple(self.value(v) for v in node[1])
            case "frozenset":
                return frozenset(self._key(v) for v in node[1])
            case "text":
                return _TEXTS[node[1]](node[2])
            case "enum":
                kind = _known(node[1])
                if not issubclass(kind, Enum):
                    raise NotData(f"{node[1]} as an enum")
                return kind[node[2]]
            case "store":
                return _store(_known(node[1]))
            case "method":
                owner, name = self.value(node[1]), node[2]
                method = getattr(type(owner), name, None) if name.startswith(_METHODS) else None
                if not isinstance(method, types.FunctionType) or not _is_known(type(owner)):
                    raise NotData(f"the method {name}")
                return types.MethodType(method, owner)
            case "object":
                kind = _known(node[1])
                return dict.__new__(kind) if issubclass(kind, dict) else object.__new__(kind)
        raise NotData(f"a node of kind {node[0]!r}")

    def _fill(self, number: int) -> None:
        if number in self._filled:
            return
        self._filled.add(number)
        node, made = self._nodes[number], self._made[number]
        match node[0]:
            case "list":
                made.extend(self.value(v) for v in node[1])
            case "set":
                made.update(self._key(v) for v in node[1])
            case "dict" | "OrderedDict":
                made.update((self._key(k), self.value(v)) for k, v in node[1])
            case "defaultdict":
                made.update((self._key(k), self.value(v)) for k, v in node[2])
            case "object":
                for name, value in node[2].items():
                    if name.startswith("__"):
                        raise NotData(f"the attribute {name}")
                    object.__setattr__(made, name, self.value(value))
                if node[3] is not None:
                    for key, value in node[3]:
                        dict.__setitem__(made, self._key(key), self.value(value))

    def _key(self, value: Any) -> Any:
        """It is hashed at once: what it consists of has to be there."""
        made = self.value(value)
        if isinstance(value, dict):
            self._complete(value["@"])
        return made

    def _complete(self, number: int) -> None:
        self._fill(number)
        node = self._nodes[number]
        inner = node[1] if node[0] == "tuple" else list(node[2].values()) if node[0] == "object" else ()
        for one in inner:
            if isinstance(one, dict) and one["@"] not in self._filled:
                self.value(one)
                self._complete(one["@"])


def _store(kind: type[Any]) -> type[Any]:
    """moto's table of regions holds the class of its stores; no other class is a value."""
    if not any(_name_of(base) == "moto.core.base_backend:BaseBackend" for base in kind.__mro__):
        raise NotData(f"the class {kind.__qualname__}")
    return _known(_name_of(kind))


def _name_of(kind: type[Any]) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


def _is_known(kind: type[Any]) -> bool:
    with contextlib.suppress(NotData):
        return _known(_name_of(kind)) is kind
    return False


def _known(name: str) -> type[Any]:
    """A class that is loaded already; nothing is imported for a name in a file."""
    module, _, path = name.partition(":")
    if not any(module == m or (module + ".").startswith(m if m.endswith(".") else m + ".") for m in _MODULES):
        raise NotData(f"an object of {name}")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        if part.startswith("_") and part.startswith("__"):
            raise NotData(f"an object of {name}")
        found = vars(found).get(part) if found is not None else None
    if not isinstance(found, type) or found.__module__ != module or issubclass(found, type | BaseException):
        raise NotData(f"an object of {name}")
    return found


def encode(value: Any) -> dict[str, Any]:
    """Raises NotData."""
    writer = _Writer()
    root = writer.value(value)
    writer.run()
    return {"root": root, "nodes": writer.nodes}


def decode(data: dict[str, Any]) -> Any:
    """Raises NotData, or whatever the wrong shape of data leads to: LookupError, TypeError, ValueError, AttributeError."""
    reader = _Reader(data["nodes"])
    root = reader.value(data["root"])
    reader.run()
    return root


# --- the file --------------------------------------------------------------------------------------------------------


def sealed(value: Any, made_by: str, key: bytes) -> bytes:
    """made_by: which versions wrote it; others do not read it. Raises NotData."""
    body = json.dumps({"made_by": made_by, "world": encode(value)}, separators=(",", ":")).encode()
    return f"{_HEAD} {FORMAT} {_seal(body, key)}\n".encode() + body


def opened(content: bytes, made_by: str, key: bytes) -> Any:
    """What ``sealed`` was given; None when other versions wrote it. Raises SavedWorldRefused."""
    head, _, body = content.partition(b"\n")
    words = head[:300].decode("utf-8", "replace").split(" ")
    if " ".join(words[:2]) != _HEAD or len(words) != 4:
        raise SavedWorldRefused("It is not a world that a sandbox saved.")
    if words[2] != str(FORMAT):
        raise SavedWorldRefused(f"It has format {words[2]}; this sandbox reads format {FORMAT}.")
    if not hmac.compare_digest(words[3], _seal(body, key)):
        raise SavedWorldRefused(
            "It was changed, or another user or machine wrote it: its seal is not of this user's key. Nothing of it was read."
        )
    try:
        data = json.loads(body)
        if data["made_by"] != made_by:
            return None
        return decode(data["world"])
    except (NotData, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise SavedWorldRefused(f"It has not the form of a saved world ({type(error).__name__}: {error}).") from error


def _seal(body: bytes, key: bytes) -> str:
    return hmac.new(key, body, hashlib.sha256).hexdigest()


def user_key() -> bytes:
    """The key of this user's seals, made when it is first needed. Raises OSError."""
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    folder = base / "cloudlink-sandbox"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "world.key"
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as out:
            out.write(secrets.token_hex(32).encode())
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise PermissionError(13, "it must be this user's alone", str(path))
        return file.read()
