"""What a SIGKILL leaves behind: the clouds, with what is in flight in them, and the files in the state folder.

Nothing else can reach the next run: memory, sockets and threads are the kernel's to clear. So two points at which a
process can be killed are the same point when these two are the same, and ``CrashState.mark`` says when they are.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from moto.core.base_backend import BaseBackend

from cloudlink_sandbox import saved_world
from cloudlink_sandbox.clock import SandboxClock as Clock

if TYPE_CHECKING:
    from reliability.harness import Harness

STATE = ".state.json"
_EPOCH = 1e9  # a number beyond this is a moment
_MOMENT = re.compile(r"\b1\d{9}\.\d+\b")
_TIME = re.compile(r"\b20\d\d-\d\d-\d\d[T ]\d\d:\d\d:\d\d[0-9.:+Z]*")
_SERIAL = re.compile(r'"serial": \d+')
_PROCESS = re.compile(r"(?<=\.state\.json\.)\d+")
_NAMES = re.compile(
    r"\b(?:[a-z]{2,9}(?:-in|-attach|-autodefined)?-[0-9a-f]{8,17}(?:-[0-9a-f]{5})?"  # AWS's ids, and pods
    r"|[ZC][A-Z0-9]{12,}"  # hosted zones and their changes
    r"|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
    r"|[0-9a-f]{10,64}"  # hashes
    r"|[A-Za-z][A-Za-z0-9]{47}"  # keys
    r"|(?:[0-9a-f]{2}:){5}[0-9a-f]{2}"
    r"|ip(?:-\d{1,3}){4}|vmss\d+"
    r"|(?<=/)\d{6,9}"  # generations of a creator's request id
    r"|(?:\d{1,3}\.){3}\d{1,3}(?!/))(?!\w)"  # addresses; ranges stay
)
# Counters, and what a read leaves: none of it decides what a later call is answered.
_PASSING = frozenset(
    ("etag", "serial", "polls", "retry_after", "signing_key", "outside_given", "resourceVersion", "generation",
     "managedFields", "jobs", "_reset_model_refs", "random")
)  # fmt: skip


@dataclass(frozen=True)
class CrashState:
    """clouds: as ``Sandbox.save`` writes them, compressed. folder: files of the state folder, by name."""

    clouds: bytes
    clouds_mark: str
    folder: dict[str, bytes]

    @classmethod
    def take(cls, harness: Harness) -> CrashState:
        """As they stand at this moment. The process under test must not run meanwhile."""
        sandbox = harness.sandbox
        with sandbox.context.lock:
            sandbox.azure.advance()
            sandbox.aws.facts()
            for cloud in (sandbox.aks, sandbox.eks):
                for cluster in cloud.clusters.values():
                    cluster.catch_up()
            clouds = sandbox.save().read_bytes()
        files = (p for p in harness.home.iterdir() if STATE in p.name and p.is_file())
        kept = zlib.compress(clouds, 1)
        return cls(kept, _hash(clouds_lines(kept)), {p.name: p.read_bytes() for p in files})

    @property
    def mark(self) -> str:
        """Equal for states from which the next run cannot but do the same.

        Moments count as past, to come, or never: what is in flight is told apart from what has ended, how long it
        still takes is not.
        """
        return f"{self.clouds_mark}/{self.folder_mark}"

    @property
    def folder_mark(self) -> str:
        return _hash(folder_lines(self.folder))

    @property
    def mark_without_ids(self) -> str:
        """As ``mark``, without ids, keys and addresses, so that two runs can be compared."""
        lines = [*clouds_lines(self.clouds), *folder_lines(self.folder)]
        return _hash([_NAMES.sub("<>", line) for line in lines])

    def same(self, later: CrashState) -> bool:
        """Whether nothing has changed; a probe's pod, which is a process of its own, may have come to its end."""
        if self.mark == later.mark:
            return True
        lines, others = (clouds_lines(r.clouds) for r in (self, later))
        clusters = [line for line in lines if line.startswith("aks ")]
        pod = any("cloudlink-probe" in line for line in clusters)
        without = [{line for line in some if not line.startswith("aks ")} for some in (lines, others)]
        return pod and without[0] == without[1] and self.folder_mark == later.folder_mark

    def put_back(self, harness: Harness) -> None:
        """Make the clouds and the folder what they were."""
        harness.take_up(zlib.decompress(self.clouds), self.folder)

    def put_back_clouds(self, harness: Harness) -> None:
        harness.take_up_clouds(zlib.decompress(self.clouds))

    def with_state(self, what: str) -> CrashState:
        """With the state file deleted, cut in half, or its previous one put back."""
        files = dict(self.folder)
        name = next((n for n in files if n.endswith(STATE) and not n.startswith(".")), "")
        previous = files.get(f"{name}.previous")
        if name and what == "deleted":
            del files[name]
        elif name and what == "cut in half":
            files[name] = files[name][: len(files[name]) // 2]
        elif previous is not None and what == "previous restored":
            files[name] = previous
        return replace(self, folder=files)


def _hash(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]


def folder_lines(folder: dict[str, bytes]) -> list[str]:
    """The state file as it is. Of the others only that they are there: no command reads them, which every recovery
    checks (``Order.unread``), and who held the lock is dead."""
    lines = []
    for name, content in folder.items():
        if name.endswith(".lock"):
            continue
        read = name.endswith(STATE) and not name.startswith(".")
        text = _SERIAL.sub("", _MOMENT.sub("<time>", content.decode("utf-8", "replace"))) if read else ""
        lines.append(f"file {_PROCESS.sub('', name)} {text!r}")
    return lines


@lru_cache(maxsize=2)
def clouds_lines(clouds: bytes) -> tuple[str, ...]:
    """One line for each object in the clouds' stores, whatever it is. clouds: compressed."""
    saved = saved_world.decode(json.loads(zlib.decompress(clouds).partition(b"\n")[2])["world"])  # behind the seal
    clock = Clock.__new__(Clock)
    clock.__setstate__(saved["clock"])
    now = clock.now()
    stores = {
        "aws": {name: store for name, store in saved["aws"].items() if name not in ("moto", "account")},
        "azure": _without_what_has_ended(saved["azure"]),
        "blobs": saved["blobs"],
        "aks": {key: _without_order(cluster) for key, cluster in saved["aks"].items()},
        "eks": {key: _without_order(cluster) for key, cluster in saved["eks"].items()},
    }
    return tuple(_Walk(now).lines(stores))


def _without_what_has_ended(azure: dict[str, Any]) -> dict[str, Any]:
    """Of operations only those count that still go on and change something."""
    going_on = [o for o in azure["operations"].values() if not o.applied and not o.post]
    return {**azure, "operations": sorted(going_on, key=lambda o: (o.target, o.name))}


def _without_order(cluster: dict[str, Any]) -> dict[str, Any]:
    """What is to happen, without the numbers that order what is due at the same moment."""
    return {**cluster, "event_queue": sorted((what, whom, when) for when, _, what, whom in cluster["event_queue"])}


class _Walk:
    """Through a graph of objects: each one that has an id is a line of its own, and named by it elsewhere."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._seen: set[int] = set()
        self._open: list[Any] = []
        self._todo: list[tuple[str, Any]] = []

    def lines(self, stores: dict[str, Any]) -> Iterator[str]:
        for name, store in stores.items():
            self._todo.append((name, store))
        while self._todo:
            name, thing = self._todo.pop()
            whole = {}
            for key, value in _fields(thing).items():
                if key in _PASSING:
                    continue
                if isinstance(value, dict) and _is_store(thing):
                    for k, v in value.items():
                        yield f"{name} {self._key(key)} {self._key(k)} {json.dumps(self._plain(v), sort_keys=True)}"
                else:
                    whole[self._key(key)] = self._plain(value)
            yield f"{name} {json.dumps(whole, sort_keys=True)}"

    def _key(self, key: Any) -> str:
        return key if isinstance(key, str) else str(self._plain(key))

    def _plain(self, thing: Any) -> Any:
        if thing is None or isinstance(thing, (bool, int)):
            return thing
        if isinstance(thing, str):
            return _TIME.sub("<time>", thing) if "20" in thing else thing
        if isinstance(thing, float):
            return self._moment(thing)
        if isinstance(thing, datetime.datetime):
            return "<time>"
        if isinstance(thing, bytes):
            return hashlib.sha256(thing).hexdigest()
        if isinstance(thing, Enum):
            return str(thing)
        if isinstance(thing, dict):
            return {self._key(k): self._plain(v) for k, v in thing.items() if k not in _PASSING}
        if isinstance(thing, (set, frozenset)):
            return sorted((self._plain(v) for v in thing), key=repr)
        if isinstance(thing, (list, tuple)):
            return [self._plain(v) for v in thing]
        return self._object(thing)

    def _object(self, thing: Any) -> Any:
        if not hasattr(thing, "__dict__") and not hasattr(type(thing), "__slots__"):
            return str(thing)
        if type(thing).__module__ == "ipaddress":
            return str(thing)
        name = f"{type(thing).__name__} {self._name(thing)}".strip()
        if id(thing) in self._seen:
            return name
        if self._name(thing) or _is_store(thing):
            self._seen.add(id(thing))
            self._open.append(thing)
            self._todo.append((name, thing))
            return name
        if any(thing is o for o in self._open):
            return name
        self._open.append(thing)
        plain = {k: self._plain(v) for k, v in _fields(thing).items() if k not in _PASSING}
        self._open.pop()
        return {type(thing).__name__: plain}

    @staticmethod
    def _name(thing: Any) -> str:
        found = getattr(thing, "id", "") or getattr(thing, "arn", "")
        return found if isinstance(found, str) else ""

    def _moment(self, number: float) -> Any:
        if number == math.inf:
            return "<never>"
        if number > _EPOCH:
            return "<past>" if number <= self._now else "<to come>"
        return number


def _is_store(thing: Any) -> bool:
    return isinstance(thing, (dict, BaseBackend))


def _fields(thing: Any) -> dict[Any, Any]:
    if isinstance(thing, dict):
        return thing
    if hasattr(thing, "__dict__"):
        return vars(thing)
    return {name: getattr(thing, name) for name in type(thing).__slots__}
