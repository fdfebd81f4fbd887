"""What exists in the sandbox's Azure: resource groups, resources and operations, in plain dictionaries.

Nothing runs in the background. An operation knows when it ends; the first read after that moment ends it.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.exchange import Json
from cloudlink_sandbox.azure.ids import ResourceId
from cloudlink_sandbox.context import SandboxContext

KEPT_SECONDS = 86_400


@dataclass
class Record:
    """A resource. properties: as it was last asked for. effective: what is in force, None before the first success.

    changed_at: sandbox seconds when what is in force last changed; asked_at: when a PUT last asked for something, of those
    types that show it. serial: order of creation.
    top: what is beside ``properties`` on the wire (sku, zones, identity).
    """

    id: ResourceId
    location: str | None
    properties: Json = field(repr=False)
    tags: dict[str, str] | None = None
    top: Json = field(default_factory=dict)
    etag: str = ""
    guid: str = ""
    state: str = "Succeeded"
    effective: Json | None = field(default=None, repr=False)
    changed_at: float = 0.0
    created_at: float = 0.0
    asked_at: float = 0.0
    serial: int = 0

    @property
    def name(self) -> str:
        return self.id.name

    def is_type(self, kind: str) -> bool:
        return self.id.type.lower() == kind.lower()


@dataclass
class Operation:
    """A long-running operation. ends_at: sandbox seconds, infinite when it hangs.

    name: as Azure names it in errors. target: key of the resource it works on. shows: the provisioningState of
    everything in ``flips`` while it runs. settles: keys whose properties come into force when it succeeds.
    locks: keys that must not be written meanwhile. removes: the target goes away when it succeeds.
    result: what a finished POST answers, when it does not depend on the moment; action: the POST's name otherwise.
    """

    guid: str
    name: str
    namespace: str
    subscription: str
    location: str
    target: str
    started_at: float
    ends_at: float
    shows: str = "Updating"
    flips: tuple[str, ...] = ()
    applies: tuple[str, ...] = ()
    locks: tuple[str, ...] = ()
    removes: bool = False
    empties: bool = False  # the target stays, and its result is nothing: a DELETE of a part, a cluster stopped
    restarts: bool = False  # the target is as if changed when it ends (a reset)
    post: bool = False
    error: Json | None = None
    retry_after: tuple[float, ...] = (10.0,)
    polls: int = 0
    action: str = ""
    peer: str = ""
    result: Any = None
    applied: bool = False
    api_version: str = ""

    def done(self, now: float) -> bool:
        return now >= self.ends_at

    def next_wait(self) -> float:
        """Sandbox seconds to the next poll: Azure's steps, the last of which repeats."""
        wait = self.retry_after[min(self.polls, len(self.retry_after) - 1)]
        self.polls += 1
        return wait


@dataclass
class Group:
    subscription: str
    name: str
    location: str
    tags: dict[str, str] | None = None
    state: str = "Succeeded"


class Store:
    """All state of the sandbox's Azure. Keys are resource ids in lower case."""

    def __init__(self, context: SandboxContext) -> None:
        self.context = context
        self.subscriptions: dict[str, str] = {}  # id as configured, by its lower case
        self.groups: dict[tuple[str, str], Group] = {}
        self.resources: dict[str, Record] = {}
        self.operations: dict[str, Operation] = {}
        self.jobs: dict[str, Json] = {}
        self.deployments: dict[str, Json] = {}
        self.locks: dict[str, Json] = {}  # as they are shown
        self.diagnostics: dict[str, Json] = {}  # settings, as they are shown; they outlive what they are of
        self.diagnosed: dict[str, float] = {}  # since when each of them is there
        self.activity: list[Json] = []  # what was written by whom, oldest first
        self.policies: dict[str, Json] = {}  # assignments, as they are shown
        self.admin_rules: dict[str, list[Json]] = {}  # those in effect on a VNet, as they are shown
        self.unregistered: set[tuple[str, str]] = set()  # subscription and provider, both in lower case
        self.signing_key: str = uuid.uuid4().hex
        self.serial = 0

    _KEPT = (
        "subscriptions",
        "groups",
        "resources",
        "operations",
        "jobs",
        "deployments",
        "locks",
        "policies",
        "admin_rules",
        "diagnostics",
        "diagnosed",
        "activity",
        "unregistered",
        "signing_key",
        "serial",
    )

    def snapshot(self) -> Json:
        return copy.deepcopy({name: getattr(self, name) for name in self._KEPT})

    def restore(self, state: Json) -> None:
        state = copy.deepcopy(state)
        for name in self._KEPT:
            if name in state:  # one that an older sandbox saved knows fewer
                setattr(self, name, state[name])

    # Looking

    def now(self) -> float:
        return self.context.clock.now()

    def find(self, id_: ResourceId | str) -> Record | None:
        return self.resources.get(str(id_).lower())

    def of_type(self, kind: str) -> Iterator[Record]:
        """Records of one type, oldest first."""
        wanted = kind.lower()
        return (r for r in self.resources.values() if r.id.type.lower() == wanted)

    def children(self, parent: ResourceId, kind: str) -> list[Record]:
        prefix = f"{parent.key}/{kind.lower()}/"
        return [r for k, r in self.resources.items() if k.startswith(prefix) and "/" not in k[len(prefix) :]]

    def group(self, subscription: str, name: str) -> Group:
        """Raises ApiError when it does not exist."""
        self.check_subscription(subscription)
        group = self.groups.get((subscription.lower(), name.lower()))
        if group is None:
            raise errors.group_not_found(name)
        return group

    def check_subscription(self, subscription: str) -> None:
        if subscription.lower() not in self.subscriptions:
            raise errors.subscription_not_found(subscription)

    def running(self) -> list[Operation]:
        return [o for o in self.operations.values() if not o.applied]

    def operation_on(self, key: str) -> Operation | None:
        """The running operation that this resource takes part in."""
        return next((o for o in self.running() if key in o.flips), None)

    def lock_on(self, *keys: str) -> Operation | None:
        return next((o for o in self.running() if any(k in o.locks for k in keys)), None)

    def state_of(self, record: Record) -> str:
        operation = self.operation_on(record.id.key)
        return operation.shows if operation else record.state

    # Changing

    def add(self, record: Record) -> Record:
        self.serial += 1
        record.serial = self.serial
        record.guid = record.guid or str(uuid.uuid4())
        record.created_at = self.now()
        record.etag = new_etag()
        self.resources[record.id.key] = record
        return record

    def place(self, record: Record) -> Record:
        """Adds something that has always been there: provisioned, in force."""
        self.add(record)
        record.effective = copy.deepcopy(record.properties)
        record.changed_at = self.now()
        record.created_at = 0.0
        return record

    def drop(self, key: str) -> None:
        """Removes a resource and what hangs below it, its locks and policy assignments included."""
        for kept in (self.resources, self.locks, self.policies):
            for other in [k for k in kept if k == key or k.startswith(key + "/")]:
                del kept[other]

    def advance(self) -> None:
        """Brings every operation that has ended by now to its effect, in the order in which they ended."""
        now = self.now()
        due = sorted((o for o in self.operations.values() if not o.applied and o.done(now)), key=lambda o: o.ends_at)
        for operation in due:
            self._finish(operation)
        if due:
            self._forget(now)
            self.context.touch()

    def _forget(self, now: float) -> None:
        """Azure keeps finished operations for a day (assumption), then their URLs are not found any more."""
        old = [g for g, o in self.operations.items() if o.applied and now - o.ends_at > KEPT_SECONDS]
        for guid in old:
            del self.operations[guid]

    def _finish(self, operation: Operation) -> None:
        operation.applied = True
        for key in operation.flips:
            if record := self.resources.get(key):
                record.etag = new_etag()
                record.state = "Succeeded"
        target = self.resources.get(operation.target)
        if operation.error is not None:
            if target is not None and operation.flips:
                target.state = "Failed"
            return
        if operation.removes:
            self.drop(operation.target)
            return
        for key in operation.applies:
            record = self.resources.get(key)
            if record is not None and record.effective != record.properties:
                record.effective = copy.deepcopy(record.properties)
                record.changed_at = operation.ends_at
        if operation.restarts and target is not None:
            target.changed_at = operation.ends_at


def new_etag() -> str:
    return f'W/"{uuid.uuid4()}"'
