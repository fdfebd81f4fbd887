"""Makes a plan from what is wanted and what is found. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from cloudlink.core.graph import Graph
from cloudlink.core.plan import Action, Adopted, Change, Plan, diff, differences, spec_hash
from cloudlink.core.resource import (
    Lookup,
    Observed,
    Outputs,
    Ownership,
    Phase,
    Receipts,
    Resource,
    UnknownOutput,
)
from cloudlink.errors import CloudlinkError, ConflictError, LostContactError, MissingError, UnreachableError


@dataclass
class Snapshot:
    """Both clouds as they were read once, by address."""

    found: dict[str, Observed[Any, Any] | None] = field(default_factory=dict)  # resources; None: absent
    outputs: dict[str, Any] = field(default_factory=dict)  # of resources and lookups, as far as they are known
    missing: dict[str, CloudlinkError] = field(
        default_factory=dict
    )  # lookups that found nothing, and what a partial read did not see
    errors: dict[str, CloudlinkError] = field(default_factory=dict)  # reads that failed


def take_snapshot(
    graph: Graph,
    receipts: Receipts,
    *,
    guard: Callable[[str, Callable[[], Any]], Any],
    tolerant: bool,
    partial: bool = False,
    pool: ThreadPoolExecutor,
) -> Snapshot:
    """Read everything, in parallel. ``guard(address, call)`` runs a call and translates its errors, which are all
    collected: one does not hide the others.

    tolerant: a lookup that finds nothing is noted and not raised (teardown must work when a cluster is gone).
    partial: so is whatever cannot be read.
    """
    snapshot = Snapshot()

    def find(address: str, resource: Resource[Any, Any]) -> Observed[Any, Any] | None:
        found: Observed[Any, Any] | None = guard(address, lambda: resource.find(receipts))
        return found

    def read(address: str, lookup: Lookup[Any], outputs: Outputs) -> Any:
        return guard(address, lambda: lookup.read(outputs))

    futures = {
        address: pool.submit(find, address, node) for address, node in graph.nodes.items() if isinstance(node, Resource)
    }
    # A lookup that needs nothing can be asked at the same time; the others follow in order below.
    early = {
        address: pool.submit(read, address, node, Outputs())
        for address, node in graph.nodes.items()
        if isinstance(node, Lookup) and not node.proof and not graph.needs[address]
    }
    for address in graph.order:
        node = graph.nodes[address]
        try:
            if isinstance(node, Resource):
                found = futures[address].result()
                snapshot.found[address] = found
                if found is not None and found.outputs is not None and found.phase is not Phase.DELETING:
                    snapshot.outputs[address] = found.outputs
            elif address in early:
                snapshot.outputs[address] = early[address].result()
            elif any(isinstance(e, UnreachableError) for e in snapshot.errors.values()):
                continue  # nobody answers: one more read would only wait as long again
            elif isinstance(node, Lookup) and (not node.proof or any(f.result() is None for f in futures.values())):
                snapshot.outputs[address] = read(address, node, Outputs(snapshot.outputs))
        except UnknownOutput:
            continue
        except LostContactError:
            raise  # of what is left nothing can be read either
        except CloudlinkError as error:
            if partial or (tolerant and isinstance(node, Lookup) and isinstance(error, MissingError)):
                snapshot.missing[address] = error
            else:
                snapshot.errors[address] = error
    return snapshot


def first_error(snapshot: Snapshot) -> CloudlinkError | None:
    """The one to raise where only one can be: whose an object is comes first, for while that is open, what else is
    wrong may be said of somebody else's link."""
    errors = list(snapshot.errors.values())
    return next((e for e in errors if isinstance(e, ConflictError)), errors[0] if errors else None)


def make_plan(graph: Graph, receipts: Receipts, snapshot: Snapshot, *, destroy: bool) -> Plan:
    """One change for each resource, in the order in which the topology names them."""
    changes = _removal(graph, receipts, snapshot) if destroy else _building(graph, receipts, snapshot)
    ordered = tuple(changes[a] for a, n in graph.nodes.items() if isinstance(n, Resource))
    adopted = tuple(_adopted(graph, snapshot))
    return Plan(ordered, kept=adopted) if destroy else Plan(ordered, adopted=adopted)


def _adopted(graph: Graph, snapshot: Snapshot) -> Iterator[Adopted]:
    for address, node in graph.nodes.items():
        if isinstance(node, Resource):
            found = snapshot.found.get(address)
            id_ = found.id if found is not None and found.owned is Ownership.ADOPTED else ""
        elif isinstance(node, Lookup) and address in snapshot.outputs:
            id_ = node.adopted(snapshot.outputs[address])
        else:
            id_ = ""
        if id_:
            yield Adopted(address, node.title, id_)


def _removal(graph: Graph, receipts: Receipts, snapshot: Snapshot) -> dict[str, Change]:
    changes: dict[str, Change] = {}
    for address, node in graph.nodes.items():
        if not isinstance(node, Resource):
            continue
        found, receipt = snapshot.found[address], receipts.get(address)
        prior_state = receipt.prior_state if receipt is not None else None

        def say(
            action: Action,
            why: str,
            address: str = address,
            title: str = node.title,
            found: Observed[Any, Any] | None = found,
        ) -> None:
            changes[address] = Change(address, title, action, why, id=found.id if found else "")

        if found is None:
            say(Action.NO_OP, "does not exist")
        elif found.owned is Ownership.ADOPTED:
            say(Action.NO_OP, "kept: cloudlink did not make it")
        elif found.owned is Ownership.SHARED and prior_state is None:
            say(Action.NO_OP, "not altered by cloudlink", found=None)
        elif found.owned is Ownership.SHARED and node.prior_state(found) == prior_state:
            say(Action.NO_OP, "already as it was", found=None)  # killed before it was altered, or after it was restored
        elif found.owned is Ownership.SHARED:
            say(Action.RESTORE, "as it was before cloudlink altered it")
        else:
            say(Action.DELETE, "cloudlink made it")
    return changes


def _building(graph: Graph, receipts: Receipts, snapshot: Snapshot) -> dict[str, Change]:
    changes: dict[str, Change] = {}
    outputs = Outputs()
    for address in graph.order:
        node = graph.nodes[address]
        if isinstance(node, Resource):
            if address in snapshot.missing:
                change = Change(address, node.title, Action.NO_OP, "could not be read")
            elif address in snapshot.errors:
                why = f"could not be read: {snapshot.errors[address].summary}"
                change = Change(address, node.title, Action.DEFER, why)
            else:
                change = _change(node, outputs, snapshot.found[address], receipts, changes, graph)
            changes[address] = change
            stays = change.action not in (Action.REPLACE, Action.DELETE, Action.CREATE)
        else:
            stays = True
        if stays and address in snapshot.outputs:
            outputs = outputs.with_(node, snapshot.outputs[address])
    return changes


def _change(
    node: Resource[Any, Any],
    outputs: Outputs,
    found: Observed[Any, Any] | None,
    receipts: Receipts,
    changes: dict[str, Change],
    graph: Graph,
) -> Change:
    def say(action: Action, why: str, **more: Any) -> Change:
        return Change(node.address, node.title, action, why, id=found.id if found else "", **more)

    if node.unwanted:
        if found is None or found.owned is Ownership.ADOPTED:
            return say(Action.NO_OP, "does not exist" if found is None else "kept: cloudlink did not make it")
        return say(Action.DELETE, "no more in the configuration")
    receipt = receipts.of(node)
    removed = found is None and receipt is not None and bool(receipt.id) and not receipt.intent
    try:
        spec = node.spec(outputs)
    except UnknownOutput as unknown:
        if removed:
            return say(Action.CREATE, "drift: deleted outside cloudlink", drift=True)
        if found is None or found.phase is Phase.DELETING:
            return say(Action.CREATE, f"details known after {unknown.node.address}")
        if found.owned is not Ownership.ADOPTED and _parent_replaced(node, changes):
            return say(Action.REPLACE, f"{unknown.node.address} is replaced")
        return say(Action.DEFER, f"known after {unknown.node.address}")
    if found is None:
        return say(
            Action.CREATE, "drift: deleted outside cloudlink" if removed else "does not exist yet", drift=removed
        )
    if found.phase is Phase.DELETING:
        return say(Action.CREATE, "made again once it is gone")
    owned = found.owned is not Ownership.ADOPTED
    if owned and _parent_replaced(node, changes):
        return say(Action.REPLACE, "what it is built on is replaced")
    if not owned and found.phase is Phase.FAILED:
        return say(Action.NO_OP, f"adopted as it is ({found.detail or 'it is in a failed state'})")
    if found.phase is Phase.FAILED:
        return say(node.on_failure, found.detail or "it is in a failed state")
    if found.spec is None:
        return say(Action.DEFER, "is being made already; will be waited for")
    fields = differences(found, spec)
    if not fields:
        if found.phase is Phase.CREATING:
            return say(Action.DEFER, "is being made or changed already; will be waited for")
        if teller := _dependency_outputs_change(graph, node, changes):
            return say(Action.DEFER, f"known after {teller}")
        return say(Action.NO_OP, "as wanted")
    drift = receipt is not None and not receipt.intent and receipt.spec_hash == spec_hash(spec)
    fields = tuple(replace(f, reason=node.why_it_matters.get(f.field, "")) for f in fields)
    names = ", ".join(f.field.replace("_", " ") + (f" ({f.reason})" if f.reason else "") for f in fields)
    why = f"drift: {names}" if drift else f"not as configured: {names}"
    if found.owned is Ownership.ADOPTED:
        return say(Action.NO_OP, f"adopted as it is (not as configured: {names})")
    if found.incomplete and not diff(found.spec, spec):
        why = "its marks do not say yet where the link is" if found.unmarked else f"not as configured: {names}"
        return say(Action.UPDATE, why, fields=fields)
    if node.immutable & {f.field for f in fields}:
        return say(Action.REPLACE, f"{why} (cannot be changed in place)", fields=fields, drift=drift)
    return say(Action.UPDATE, why, fields=fields, drift=drift)


def _parent_replaced(node: Resource[Any, Any], changes: dict[str, Change]) -> bool:
    return any(
        changes[n.address].action in (Action.REPLACE, Action.CREATE) for n in node.built_on() if n.address in changes
    )


def _dependency_outputs_change(graph: Graph, node: Resource[Any, Any], changes: dict[str, Change]) -> str:
    """The address of something needed whose outputs a change in place will change; empty if there is none."""
    for address in graph.needs[node.address]:
        needed, change = graph.nodes[address], changes.get(address)
        if not isinstance(needed, Resource) or change is None or change.action is not Action.UPDATE:
            continue
        if needed.outputs_depend_on & {f.field for f in change.fields}:
            return address
    return ""
