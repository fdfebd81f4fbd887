"""What all resource types have in common: PUT, GET, list, PATCH of tags and DELETE, with Azure's protocol around."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import ClassVar

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.errors import ApiError
from cloudlink_sandbox.azure.exchange import Answer, Json, Request
from cloudlink_sandbox.azure.ids import ResourceId
from cloudlink_sandbox.azure.locations import location_of
from cloudlink_sandbox.azure.nothing_dropped import as_given, dropped, without_secrets
from cloudlink_sandbox.azure.operations import NETWORK, PLAIN, Operations, refuse_if_locked
from cloudlink_sandbox.azure.policies import Policies
from cloudlink_sandbox.azure.store import Record, Store, new_etag


class ResourceProvider:
    """One resource type. Subclasses say what they accept, how they look, and what keeps them from being deleted.

    word: the type's name in Azure's names of operations. lasts: durations of create, update and delete.
    retryable: see ``refuse_if_locked``.
    """

    namespace: ClassVar[str] = NETWORK
    kinds: ClassVar[tuple[str, ...]]
    word: ClassVar[str]
    lasts: ClassVar[tuple[str, str, str]]
    steps: ClassVar[tuple[float, ...]] = PLAIN
    tracked: ClassVar[bool] = True  # has a location and tags of its own
    etag_header: ClassVar[bool] = True
    retryable: ClassVar[bool] = True
    # property -> the first version of the API that has it. Recorded: versions of before 2020 leave newer ones out, later
    # versions show some that are newer than themselves
    since: ClassVar[Mapping[str, str]] = {}
    in_edge_zones: ClassVar[bool] = False  # may have an extendedLocation
    as_given: ClassVar[tuple[str, ...]] = ()  # properties that are kept and shown as they come, and do nothing here

    def __init__(self, store: Store, operations: Operations) -> None:
        self.store = store
        self.operations = operations

    @property
    def type(self) -> str:
        return "/".join((self.namespace, *self.kinds))

    # To be said by each type

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        """The properties to keep. Raises ApiError for whatever Azure would not take."""
        raise NotImplementedError

    def top(self, body: Json, old: Record | None) -> Json:
        """What is beside the properties: sku, zones."""
        kept = dict(old.top) if old else {}
        if self.in_edge_zones and body.get("extendedLocation"):
            kept["extendedLocation"] = body["extendedLocation"]
        return kept

    def shape(self, record: Record, state: str, *, listed: bool) -> Json:
        """The properties as they are answered."""
        del listed
        return {"provisioningState": state, "resourceGuid": record.guid, **record.properties}

    def refuse_delete(self, record: Record) -> None:
        """Raises ApiError when something uses it."""

    def locks(self, id_: ResourceId, properties: Json) -> tuple[str, ...]:
        """Keys that no other write may touch while this one runs."""
        del properties
        return (id_.key,)

    def waits_for(self, id_: ResourceId, properties: Json, *, deleting: bool) -> tuple[str, ...]:
        """Keys that must not be locked by another write when this one starts."""
        del deleting
        return self.locks(id_, properties)

    def flips(self, id_: ResourceId) -> tuple[str, ...]:
        """Keys that show the write's state while it runs."""
        return (id_.key,)

    def check_references(self, id_: ResourceId, properties: Json) -> None:
        """Raises ApiError when something that this resource refers to is missing or not provisioned."""

    def written(self, record: Record, body: Json) -> tuple[str, ...]:
        """After the record is stored: creates children. Returns the keys that the operation settles."""
        del body
        return (record.id.key,)

    # The same for all

    def id_of(self, request: Request) -> ResourceId:
        where = request.where
        names = [where[k] for k in ("parent", "name") if k in where]
        group = self.store.group(where["subscription"], where["group"])
        return ResourceId(
            self.store.subscriptions[group.subscription.lower()], group.name, self.namespace, self.kinds, tuple(names)
        )

    def record(self, request: Request) -> Record:
        """Raises ApiError in the form that ARM has for this depth: the front answers for resources, the resource
        provider for children."""
        id_ = self.id_of(request)
        found = self.store.find(id_)
        if found is None:
            raise self.missing(id_)
        return found

    def missing(self, id_: ResourceId) -> ApiError:
        if len(id_.kinds) == 1:
            return errors.resource_not_found(id_.type, id_.name, id_.group)
        return errors.child_not_found(str(id_))

    def show(self, record: Record, *, listed: bool = False) -> Json:
        state = self.store.state_of(record)
        body: Json = {"name": record.name, "id": str(record.id), "etag": record.etag, "type": self.type}
        if record.location is not None:
            body["location"] = record.location
        if record.tags is not None:
            body["tags"] = dict(record.tags)
        body.update(copy.deepcopy(record.top))
        body["properties"] = self.shape(record, state, listed=listed)
        return body

    def get(self, request: Request) -> Answer:
        record = self.record(request)
        shown = self.for_version(self.show(record), request.api_version)
        return Answer(200, shown, {"ETag": record.etag} if self.etag_header else {})

    def for_version(self, shown: Json, version: str) -> Json:
        """With what newer versions of the API show, without what older ones do not."""
        for name, first in self.since.items():
            if version < first:
                shown["properties"].pop(name, None)
        return shown

    def list_group(self, request: Request) -> Answer:
        group = self.store.group(request.where["subscription"], request.where["group"])
        found = (r for r in self.store.of_type(self.type) if _in_group(r, group.subscription, group.name))
        return self._list(request, found)

    def list_subscription(self, request: Request) -> Answer:
        subscription = request.where["subscription"]
        self.store.check_subscription(subscription)
        wanted = subscription.lower()
        return self._list(request, (r for r in self.store.of_type(self.type) if r.id.subscription.lower() == wanted))

    def list_children(self, request: Request) -> Answer:
        group = self.store.group(request.where["subscription"], request.where["group"])
        parent = ResourceId(group.subscription, group.name, self.namespace, self.kinds[:-1], (request.where["parent"],))
        if self.store.find(parent) is None:
            raise errors.resource_not_found(parent.type, parent.name, parent.group)
        return self._list(request, iter(self.store.children(parent, self.kinds[-1])))

    def _list(self, request: Request, records: Iterable[Record]) -> Answer:
        version = request.api_version
        return Answer(200, {"value": [self.for_version(self.show(r, listed=True), version) for r in records]})

    def put(self, request: Request) -> Answer:
        id_ = self.id_of(request)
        group = self.store.group(id_.subscription, id_.group)
        if group.state == "Deleting":
            raise errors.group_being_deleted(group.name)
        body = request.json()
        old = self.store.find(id_)
        if old is not None:
            id_ = old.id
        location = self._location(id_, body, old) if self.tracked else None
        tags = tags_of(body) if self.tracked else None
        if (id_.subscription.lower(), self.namespace.lower()) in self.store.unregistered:
            raise errors.not_registered(self.namespace)
        Policies(self.store).check(str(id_), self.type, id_.name, location, tags, _properties(body))
        self._check_match(request, old)
        awaited = self.waits_for(id_, _properties(body), deleting=False)
        refuse_if_locked(self.store, self.operations, request, id_, awaited, retryable=self.retryable)
        properties = self.accept(id_, body, old)
        self.check_references(id_, properties)
        top = self.top(body, old)
        properties = self._whole(Record(id_, location, properties, tags=tags, top=top), body)
        if old is None:
            record = self.store.add(Record(id_, location, properties, tags=tags, top=top))
        else:
            record = old
            record.properties, record.tags, record.top = properties, tags, top
        applies = self.written(record, body)
        flips = self.flips(id_)
        for key in flips:
            if touched := self.store.find(key):
                touched.etag = new_etag()
        operation = self.operations.start(
            request,
            record,
            name=f"Put{self.word}Operation",
            lasts=self.lasts[0] if record.effective is None else self.lasts[1],
            shows=self.write_state(record, created=old is None),
            flips=flips,
            applies=applies,
            locks=self.locks(id_, properties),
            steps=self.steps,
            error=self.late_error(record),
        )
        shown = self.for_version(self.first_answer(self.show(record)), request.api_version)
        return self.operations.accepted(request, operation, 201 if old is None else 200, shown)

    def _whole(self, record: Record, body: Json) -> Json:
        """The properties, with those that are kept as they came. Raises ApiError for what would be dropped in silence."""
        given = _properties(body)
        record.properties = as_given(record.properties, given, self.as_given)
        lost = list(dropped(without_secrets({k: v for k, v in body.items() if k not in BESIDE}), self.preview(record)))
        if lost:
            raise errors.not_modelled(f"{', '.join(lost)} of {self.type}", str(record.id))
        return record.properties

    def first_answer(self, shown: Json) -> Json:
        """What the answer to a PUT shows and later ones do not."""
        return shown

    def preview(self, record: Record) -> Json:
        """What would be answered for a resource that is not kept yet, as soon as it is there."""
        record.effective = record.properties
        return {
            **record.top,
            "properties": self.shape(record, "Succeeded", listed=True),
        }  # a list asks nothing of the world

    def write_state(self, record: Record, *, created: bool) -> str:
        del record, created
        return "Updating"

    def late_error(self, record: Record) -> Json | None:
        """An error that Azure finds only while it works: the operation will fail with it."""
        del record
        return None

    def delete(self, request: Request) -> Answer:
        id_ = self.id_of(request)
        record = self.store.find(id_)
        if record is None:
            return Answer(204)
        locks = self.locks(record.id, record.properties)
        awaited = self.waits_for(record.id, record.properties, deleting=True)
        refuse_if_locked(self.store, self.operations, request, record.id, awaited, retryable=False)
        self.refuse_delete(record)
        operation = self.operations.start(
            request,
            record,
            name=f"Delete{self.word}Operation",
            lasts=self.lasts[2],
            shows="Deleting",
            flips=(record.id.key,),
            locks=locks,
            removes=True,
            steps=self.steps if len(self.steps) > 1 else PLAIN,
        )
        return self.operations.accepted(request, operation, 202)

    def patch(self, request: Request) -> Answer:
        """UpdateTags: takes effect at once and does not disturb the resource."""
        record = self.record(request)
        if more := sorted(set(request.json()) - {"tags"}):
            raise errors.not_modelled(f"a PATCH of {', '.join(more)}", str(record.id))
        tags = tags_of(request.json())
        Policies(self.store).check(str(record.id), self.type, record.name, record.location, tags)
        awaited = self.waits_for(record.id, record.properties, deleting=False)
        refuse_if_locked(self.store, self.operations, request, record.id, awaited, retryable=self.retryable)
        record.tags = tags
        record.etag = new_etag()
        return Answer(200, self.show(record))

    def _location(self, id_: ResourceId, body: Json, old: Record | None) -> str:
        if not body.get("location"):
            raise errors.location_required()
        location = location_of(body["location"], self.type)
        if old is not None and old.location != location:
            raise errors.location_differs(id_.name, old.location or "", id_.group, location)
        return location

    def _check_match(self, request: Request, old: Record | None) -> None:
        wanted = request.headers.get("if-match")
        if wanted and wanted != "*" and (old is None or old.etag.removeprefix("W/") != wanted.removeprefix("W/")):
            raise ApiError(412, "PreconditionFailed", "The precondition given in the request header If-Match failed.")
        if request.headers.get("if-none-match") == "*" and old is not None:
            raise ApiError(
                412, "PreconditionFailed", "The precondition given in the request header If-None-Match failed."
            )


class MadeAtOnce(ResourceProvider):
    """A part of something that is made, changed and deleted in the call itself, without an operation. Its parent must not be
    written meanwhile."""

    tracked = False

    def put(self, request: Request) -> Answer:
        id_ = self.id_of(request)
        old = self.store.find(id_)
        body = request.json()
        self._check_match(request, old)
        refuse_if_locked(self.store, self.operations, request, id_, (id_.parent().key,), retryable=False)
        kept = self._whole(Record(id_, None, self.accept(id_, body, old)), body)
        record = old or self.store.add(Record(id_, None, kept))
        record.properties = kept
        record.effective = dict(kept)
        record.etag = new_etag()
        record.asked_at = self.store.now()
        return Answer(201 if old is None else 200, self.show(record))

    def delete(self, request: Request) -> Answer:
        record = self.store.find(self.id_of(request))
        if record is None:
            return Answer(204)
        self._check_match(request, record)
        self.store.drop(record.id.key)
        return Answer(200)


# Read by ``put`` itself, or said by Azure alone.
BESIDE = ("location", "tags", "id", "name", "type", "etag", "kind", "systemData")


def _in_group(record: Record, subscription: str, group: str) -> bool:
    return (record.id.subscription.lower(), record.id.group.lower()) == (subscription.lower(), group.lower())


def _properties(body: Json) -> Json:
    value = body.get("properties") or {}
    if not isinstance(value, dict):
        raise errors.invalid_value("properties", value)
    return value


def tags_of(body: Json) -> dict[str, str] | None:
    """Raises ApiError for more than 50 tags or values that are no text (Azure's limits)."""
    tags = body.get("tags")
    if tags is None:
        return None
    if not isinstance(tags, dict) or not all(isinstance(v, str) for v in tags.values()):
        raise errors.gateway(400, "InvalidRequestContent", "The request content was invalid: tags must be strings.")
    if len(tags) > 50:
        raise errors.gateway(400, "TooManyTags", "The number of tags exceeds the limit of '50'.")
    for key, value in tags.items():
        if len(key) > 512 or len(value) > 256 or set(key) & set("<>%&\\?/"):
            raise errors.gateway(400, "InvalidTagName", f"The tag name '{key}' or its value is not valid.")
    return dict(tags)
