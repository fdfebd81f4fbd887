"""The one abstraction: a resource is one cloud object with one create call.

A resource says what it should be (``spec``), what it is (``find``), and how to write it (``create``, ``update``,
``delete``). It never sleeps, retries, prints, logs or opens the state file: ordering, diffing, waiting, saving
and reporting live once, in the engine. What a resource needs are its dataclass fields that are nodes; its
outputs for others have the type parameter ``OutT``, so the type checker sees the wiring.
"""

from __future__ import annotations

import dataclasses
import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar, cast

from cloudlink.core.permissions import Permissions
from cloudlink.core.plan import Action, FieldChange
from cloudlink.core.polling import CREATION, DELETION, Pace

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
    SHARED = "shared"  # belongs to others, cloudlink alters part of it; restored on teardown


@dataclass(frozen=True)
class Receipt:
    """What the state file holds of one resource. Never feeds a create or an update."""

    address: str
    id: str
    phase: str
    spec_hash: str
    owned: Ownership
    since: float  # seconds since the epoch
    intent: str = ""  # "create", "update" or "delete": a write was begun and its outcome is not known yet; else empty
    prior_state: Any = None  # JSON-able: what a shared object was like before we altered it, to restore on teardown
    place: str = ""  # where it is, of a resource that may be in several places; empty: the address says it


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
        """None also where the receipt is of the same address in another place, which the configuration named before."""
        found, place = self._items.get(node.address), node.place if isinstance(node, Resource) else ""
        elsewhere = found is not None and place and found.place and found.place.lower() != place.lower()
        return None if elsewhere else found


@dataclass(frozen=True)
class Observed(Generic[SpecT, OutT]):
    """A cloud object as it is now."""

    id: str
    phase: Phase
    spec: SpecT | None  # the very type that the resource wants, with what the cloud gives back; None: not said yet
    outputs: OutT | None  # what others need of it; None until known, which may be before READY
    owned: Ownership
    detail: str = ""  # the cloud's own word for its state, or why it failed
    # ours, but its marks do not say where its link is (created by cloudlink 0.1); the next ``up`` adds that
    unmarked: bool = False
    # tags of the configuration that it has not, or has with another value; the next ``up`` adds them
    lacking: tuple[FieldChange, ...] = ()

    @property
    def incomplete(self) -> bool:
        """Whether ``complete_marks`` has something to add."""
        return self.unmarked or bool(self.lacking)


class UnknownOutput(Exception):
    """A needed output is not known yet."""

    def __init__(self, node: Node[Any]) -> None:
        super().__init__(node.address)
        self.node = node  # whose output it is


class Outputs:
    """Outputs of the nodes so far: ``outputs[self.gateway]`` is typed, and raises UnknownOutput when not known yet."""

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
    """What a write returned."""

    id: str
    reason: Callable[[], str] = _no_reason  # asks the cloud why it failed, in one call at most
    # of a create, where the cloud's answer says all that a read would, and there is nothing to wait for: no read follows
    made: Observed[Any, Any] | None = None


@dataclass(frozen=True)
class Timing:
    """Typical durations of a resource's operations in seconds (medians)."""

    create: float = 5
    update: float = 5
    delete: float = 5
    deadline: float = 600  # the longest wait for any of them
    # Eight of ten operations take between these shares of their typical seconds, our reads of them included
    spread: tuple[float, float] = (0.4, 1.9)
    create_spread: tuple[float, float] | None = None  # of creates, where it is another
    create_pace: Pace = CREATION
    delete_pace: Pace = DELETION


@dataclass(frozen=True, kw_only=True, eq=False)
class Node(ABC, Generic[OutT]):
    """A vertex of the graph."""

    address: str  # ``step.name``, ``step.name[i]`` or ``step.name[which]``
    title: str  # for people
    permissions: ClassVar[Permissions] = Permissions()

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
    """Something that must exist already and is only read: a VPC, a cluster, a load balancer."""

    proof: ClassVar[bool] = False
    """It only proves that something exists and no spec needs its outputs: not read while every resource exists."""

    @abstractmethod
    def read(self, outputs: Outputs) -> OutT:
        """Its outputs. Raises errors.MissingError with what is missing and where it was searched for."""

    def adopted(self, outputs: OutT) -> str:
        """The id of what the configuration says to use and a teardown leaves; empty: it is not a part of the link."""
        del outputs
        return ""


def built_on(**kwargs: Any) -> Any:
    """Marks a field whose replacement forces this resource's replacement (it cannot outlive it)."""
    return field(metadata={"built_on": True}, **kwargs)


@dataclass(frozen=True, kw_only=True, eq=False)
class Resource(Node[OutT], Generic[SpecT, OutT]):
    """One cloud object."""

    timing: ClassVar[Timing] = Timing()
    immutable: ClassVar[frozenset[str]] = frozenset()
    """Spec fields that cannot be changed in place; a difference there means replace."""
    why_it_matters: ClassVar[Mapping[str, str]] = {}
    """Of spec fields: what a value other than the wanted one does, for people who look at the plan."""
    outputs_depend_on: ClassVar[frozenset[str]] = frozenset()
    """Spec fields whose change in place changes the outputs: dependents can only be planned after it."""
    serial: ClassVar[str] = ""
    """Resources with the same key are written one after the other, each until it is ready."""
    on_failure: ClassVar[Action] = Action.UPDATE
    """How to repair one that the cloud left in a failed state: write it again, or replace it."""
    arises_by_itself: ClassVar[bool] = False
    """The cloud may have made it by itself when it is its turn, in its own way: changing that is what was approved as a create."""
    unwanted: bool = False
    """The configuration names it no more: it is only ever deleted, once what used it has let go of it."""
    place: str = ""
    """Where it is, for its receipt: of what may be in several places, one of which the configuration names no more some day."""

    @abstractmethod
    def spec(self, outputs: Outputs) -> SpecT:
        """What it should be; pure. Raises UnknownOutput through ``outputs``."""

    @abstractmethod
    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[SpecT, OutT] | None:
        """Find it by the receipt's id, else by tag or name. None: absent (deleted objects are absent).

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
        """Remove it, or restore ``prior_state`` where the object is shared. None: gone already."""

    def prior_state(self, found: Observed[SpecT, OutT] | None) -> Any:
        """What to record of a shared object before the first write to it (JSON-able). None: nothing."""
        return None

    def complete_marks(self, found: Observed[SpecT, OutT]) -> Started:
        """Add to the tags of an object that is ``incomplete`` where its link is, and the configured ones; changes nothing
        else."""
        raise AssertionError(f"{self.address} has no marks to complete")

    def rollback_state(self) -> Any:
        """What ``rollback`` has to know of the object as it is before this run's first write to it; kept for the run only."""
        return None

    def rollback(self, found: Observed[SpecT, OutT] | None, before: Any) -> str:
        """Called when a write ended in FAILED or timed out, to take back what would harm the user.

        before: what ``rollback_state`` gave; None where this run has not written. Returns what was done, for the error
        message; empty: nothing was rolled back.
        """
        return ""

    def duplicate_check_command(self) -> str:
        """The command that shows whether there are two, where the cloud itself does not keep a repeated create from
        making a second one. Empty: it does, by a name or a request id."""
        return ""

    def built_on(self) -> tuple[Node[Any], ...]:
        marked: list[Node[Any]] = []
        for f in dataclasses.fields(self):
            if f.metadata.get("built_on"):
                value = getattr(self, f.name)
                marked.extend(value if isinstance(value, tuple) else (value,))
        return tuple(marked)
