"""The one abstraction: a resource is one cloud object with one create call.

A resource says what it should be (``spec``), what it is (``find``), and how to write it (``create``, ``update``,
``delete``). It never sleeps, retries, prints, logs or opens the state file: ordering, diffing, waiting, saving
and reporting live once, in the engine. What a resource needs are its dataclass fields that are nodes; what it
gives to others is its type parameter ``OutT``, so the type checker sees the wiring.
"""

from __future__ import annotations

import dataclasses
import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar, cast

from cloudlink.core.plan import Action

SpecT = TypeVar("SpecT")
OutT = TypeVar("OutT")


class Phase(enum.StrEnum):
    """Where a cloud object is in its life. Absent objects have no phase: ``find`` returns None for them."""

    CREATING = "creating"  # being made or being changed; wait
    READY = "ready"
    DELETING = "deleting"
    FAILED = "failed"


class Ownership(enum.StrEnum):
    OWNED = "owned"  # cloudlink made it and may delete it
    ADOPTED = "adopted"  # the configuration says to use it; never deleted
    SHARED = "shared"  # belongs to others, cloudlink alters part of it; put back on teardown


@dataclass(frozen=True)
class Receipt:
    """What the state file remembers of one resource. Never feeds a create or an update.

    before: what an altered shared object was like, to put back on teardown (JSON-able); None otherwise.
    since: seconds since the epoch. intent: a write was begun and its outcome not yet seen.
    """

    address: str
    id: str
    phase: str
    spec_hash: str
    owned: Ownership
    since: float
    intent: str = ""  # "", "create", "update" or "delete"
    prior_state: Any = None


class Receipts(Mapping[str, Receipt]):
    """Receipts by address; ``of`` a node, typed."""

    def __init__(self, items: Mapping[str, Receipt] | None = None) -> None:
        self._items = dict(items or {})

    def __getitem__(self, address: str) -> Receipt:
        return self._items[address]

    def __iter__(self) -> Any:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def of(self, node: Node[Any]) -> Receipt | None:
        return self._items.get(node.address)


@dataclass(frozen=True)
class Observed(Generic[SpecT, OutT]):
    """A cloud object as it is now.

    spec: in the very type that the resource wants, holding only what the cloud gives back; None while the cloud
    does not say yet. outputs: what others need of it; None until known (they may be known before READY).
    detail: the cloud's own word on how it stands, or why it failed.
    """

    id: str
    phase: Phase
    spec: SpecT | None
    outputs: OutT | None
    owned: Ownership
    detail: str = ""


class UnknownOutput(Exception):
    """A needed output is not known yet. ``node`` is the one that will give it."""

    def __init__(self, node: Node[Any]) -> None:
        super().__init__(node.address)
        self.node = node


class Outputs:
    """Outputs of the nodes so far: ``given[self.gateway]`` is typed, and raises NotYetKnown when unknown."""

    def __init__(self, outputs: Mapping[str, Any] | None = None) -> None:
        self._outputs = dict(outputs or {})

    def __getitem__(self, node: Node[OutT]) -> OutT:
        try:
            return cast(OutT, self._outputs[node.address])
        except KeyError:
            raise UnknownOutput(node) from None

    def with_(self, node: Node[OutT], outputs: OutT) -> Outputs:
        return Outputs({**self._outputs, node.address: outputs})


def _no_reason() -> str:
    return ""


@dataclass(frozen=True)
class Started:
    """What a write gave back: the object's id, and how to ask later why it failed (one call at most)."""

    id: str
    reason: Callable[[], str] = _no_reason


@dataclass(frozen=True)
class Timing:
    """How long things usually take, in seconds (medians), and how long to wait at most."""

    create: float = 5
    update: float = 5
    delete: float = 5
    deadline: float = 600


@dataclass(frozen=True, kw_only=True, eq=False)
class Node(ABC, Generic[OutT]):
    """A vertex of the graph. address: ``step.name`` or ``step.name[i]``; title: for people."""

    address: str
    title: str

    @property
    def step(self) -> str:
        return self.address.partition(".")[0]

    def needs(self) -> tuple[Node[Any], ...]:
        """The nodes among this one's fields, including those in tuples."""
        found: list[Node[Any]] = []
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            found.extend(n for n in (value if isinstance(value, tuple) else (value,)) if isinstance(n, Node))
        return tuple(found)


@dataclass(frozen=True, kw_only=True, eq=False)
class Lookup(Node[OutT]):
    """Something that must stand there already and is only read: a VPC, a cluster, a load balancer.

    proof: it only proves that something is there and no spec needs what it gives; it is not asked for while
    everything that is to be made exists.
    """

    proof: ClassVar[bool] = False

    @abstractmethod
    def read(self, outputs: Outputs) -> OutT:
        """Read it. Raises errors.MissingError with what is missing and where it was looked for."""

    def adopted(self, outputs: OutT) -> str:
        """The id of what the configuration says to use and a teardown leaves; empty: it is no part of the link."""
        del outputs
        return ""


def built_on(**kwargs: Any) -> Any:
    """Marks a field whose replacement forces this resource's replacement (it cannot outlive it)."""
    return field(metadata={"built_on": True}, **kwargs)


@dataclass(frozen=True, kw_only=True, eq=False)
class Resource(Node[OutT], Generic[SpecT, OutT]):
    """One cloud object.

    immutable: spec fields that cannot be changed in place; a difference there means replace.
    telling: spec fields whose change in place changes what others are given, so that those can only be judged after it.
    serial: resources with the same key are written one after the other, each until it is ready.
    after_failure: how to mend one that the cloud left in a failed state: write it again, or make it anew.
    changes_adopted: whether an adopted object may be brought in line, too.
    """

    timing: ClassVar[Timing] = Timing()
    immutable: ClassVar[frozenset[str]] = frozenset()
    outputs_depend_on: ClassVar[frozenset[str]] = frozenset()
    serial: ClassVar[str] = ""
    on_failure: ClassVar[Action] = Action.UPDATE
    changes_adopted: ClassVar[bool] = False

    @abstractmethod
    def spec(self, outputs: Outputs) -> SpecT | None:
        """What it should be; pure. None: it should not exist. Raises NotYetKnown through ``given``."""

    @abstractmethod
    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[SpecT, OutT] | None:
        """Look it up: by the receipt's id, else by tag or name. None: absent (deleted objects are absent).

        fresh: the answer decides about a write or ends a wait, so it must not come from an earlier read.
        Raises ConflictError when two objects carry our tag, or one carries our name without our tag.
        """

    @abstractmethod
    def create(self, spec: SpecT) -> Started:
        """One write, tagged in the same call."""

    @abstractmethod
    def update(self, found: Observed[SpecT, OutT], spec: SpecT) -> Started:
        """One change in place, from ``found.spec`` to ``spec``."""

    @abstractmethod
    def delete(self, found: Observed[SpecT, OutT], prior_state: Any) -> Started | None:
        """Remove it, or put ``before`` back where the object is shared. None: gone already."""

    def prior_state(self, found: Observed[SpecT, OutT] | None) -> Any:
        """What to remember of a shared object before the first write to it (JSON-able). None: nothing."""
        return None

    def rollback(self, found: Observed[SpecT, OutT] | None, prior_state: Any) -> str:
        """Called when a write ended in FAILED or timed out and leaving it would harm the user.

        Returns what was done, for the error message; empty: nothing was undone.
        """
        return ""

    def duplicate_check_command(self) -> str:
        """What to type to see whether there are two, where the cloud itself does not keep a repeated create from
        making a second one. Empty: it does, by a name or a request id."""
        return ""

    def built_on(self) -> tuple[Node[Any], ...]:
        marked: list[Node[Any]] = []
        for f in dataclasses.fields(self):
            if f.metadata.get("built_on"):
                value = getattr(self, f.name)
                marked.extend(value if isinstance(value, tuple) else (value,))
        return tuple(marked)
