"""What an organisation puts over its resources: roles, deny assignments, locks, and policies with their answers.

Locks are kept by scope and enforced before a resource provider is asked; policies are asked by every write of a resource.
https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources
"""

from __future__ import annotations

from collections.abc import Iterator

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.exchange import Answer, Json, Request
from cloudlink_sandbox.azure.policies import DEFINITIONS, Policies
from cloudlink_sandbox.azure.store import Store
from cloudlink_sandbox.faults import Fault

AUTHORIZATION = "Microsoft.Authorization"
POLICY_INSIGHTS = "Microsoft.PolicyInsights"
_LEVELS = ("CanNotDelete", "ReadOnly")
_OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"  # the built-in role: the same in every tenant
# Locks and assignments can be written below a lock: that is how they are taken away.
_ABOVE_LOCKS = (f"/providers/{AUTHORIZATION}/".lower(), f"/providers/{POLICY_INSIGHTS}/".lower())


class Governance:
    """Answers Microsoft.Authorization and Microsoft.PolicyInsights for any scope. The caller is an Owner."""

    def __init__(self, store: Store, policies: Policies) -> None:
        self.store = store
        self.policies = policies

    # Roles

    def permissions(self, request: Request) -> Answer:
        """The owner's, without what a fault denies."""
        self._scope(request)
        faults = self.store.context.faults.in_force()
        denied = sorted({action for fault in faults for action in _denied_actions(fault)})
        allowed = self.store.context.grants.json()["allowed"]
        actions = ["*"] if allowed is None else [a for a in allowed if a.startswith("microsoft.")]
        owner = {"actions": actions, "notActions": denied, "dataActions": [], "notDataActions": []}
        return Answer(200, {"value": [owner]})

    def deny_assignments(self, request: Request) -> Answer:
        """None: only managed applications, deployment stacks and the like make them."""
        self._scope(request)
        return Answer(200, {"value": []})

    def role_definition(self, request: Request) -> Answer:
        self._scope(request)
        if request.where["name"].lower() != _OWNER:
            raise errors.gateway(
                404,
                "RoleDefinitionDoesNotExist",
                f"The specified role definition with ID '{request.where['name']}' does not exist.",
            )
        everything = {"actions": ["*"], "notActions": [], "dataActions": [], "notDataActions": []}
        properties = {
            "roleName": "Owner",
            "type": "BuiltInRole",
            "assignableScopes": ["/"],
            "permissions": [everything],
        }
        return Answer(
            200,
            {
                "properties": properties,
                "id": f"/providers/{AUTHORIZATION}/roleDefinitions/{_OWNER}",
                "type": f"{AUTHORIZATION}/roleDefinitions",
                "name": _OWNER,
            },
        )

    # Locks

    def list_locks(self, request: Request) -> Answer:
        """Those at, above and below the scope; with ``atScope()`` not those below."""
        scope = self._scope(request).lower()
        at_scope = request.query.get("$filter", "").replace(" ", "").lower() == "atscope()"
        shown = [
            lock
            for key, lock in self.store.locks.items()
            if _covers(_scope_of(key), scope) or (not at_scope and _covers(scope, _scope_of(key)))
        ]
        return Answer(200, {"value": shown})

    def get_lock(self, request: Request) -> Answer:
        lock = self.store.locks.get(self._id(request, "locks").lower())
        if lock is None:
            raise errors.gateway(404, "LockNotFound", f"The lock '{request.where['name']}' could not be found.")
        return Answer(200, lock)

    def put_lock(self, request: Request) -> Answer:
        id_ = self._id(request, "locks")
        given = request.json().get("properties")
        given = given if isinstance(given, dict) else {}
        level = next((n for n in _LEVELS if n.lower() == str(given.get("level", "")).lower()), "")
        if not level:
            raise errors.invalid_value("properties.level", given.get("level"), ", ".join(_LEVELS))
        properties: Json = {"level": level}
        if given.get("notes"):
            properties["notes"] = str(given["notes"])
        created = id_.lower() not in self.store.locks
        lock = {"properties": properties, "id": id_, "type": f"{AUTHORIZATION}/locks", "name": request.where["name"]}
        self.store.locks[id_.lower()] = lock
        return Answer(201 if created else 200, lock)

    def delete_lock(self, request: Request) -> Answer:
        return Answer(200 if self.store.locks.pop(self._id(request, "locks").lower(), None) is not None else 204)

    def check_locks(self, request: Request) -> None:
        """Raises ApiError when a lock forbids this call: at its scope or above it, and for a deletion below it, too.

        ReadOnly forbids every POST, so what is only asked for by POST cannot be had either.
        """
        path = request.path.lower()
        if request.method == "GET" or not self.store.locks or any(word in path + "/" for word in _ABOVE_LOCKS):
            return
        deletes = request.method == "DELETE"
        scope = request.path
        if request.method == "POST":
            scope = scope.rpartition("/")[0]
        locked = [
            lock["id"]
            for key, lock in self.store.locks.items()
            if (deletes or lock["properties"]["level"] == "ReadOnly")
            and (_covers(_scope_of(key), scope.lower()) or (deletes and _covers(scope.lower(), _scope_of(key))))
        ]
        if locked:
            scopes = list(dict.fromkeys(_scope_of(id_) for id_ in locked))
            raise errors.scope_locked(scope, "delete" if deletes else "write", scopes)

    # Policies

    def list_assignments(self, request: Request) -> Answer:
        scope = self._scope(request).lower()
        shown = [a for key, a in self.store.policies.items() if _covers(_scope_of(key), scope)]
        return Answer(200, {"value": shown})

    def get_assignment(self, request: Request) -> Answer:
        assignment = self.store.policies.get(self._id(request, "policyAssignments").lower())
        if assignment is None:
            raise errors.gateway(
                404,
                "PolicyAssignmentNotFound",
                f"The policy assignment '{request.where['name']}' is not found.",
            )
        return Answer(200, assignment)

    def put_assignment(self, request: Request) -> Answer:
        id_ = self._id(request, "policyAssignments")
        assignment = self.policies.assignment(id_, self._scope(request), request.where["name"], request.json())
        self.store.policies[id_.lower()] = assignment
        return Answer(201, assignment)

    def delete_assignment(self, request: Request) -> Answer:
        gone = self.store.policies.pop(self._id(request, "policyAssignments").lower(), None)
        return Answer(204) if gone is None else Answer(200, gone)

    def definition(self, request: Request) -> Answer:
        found = DEFINITIONS.get(request.where["name"].lower())
        if found is None:
            raise errors.gateway(
                404,
                "PolicyDefinitionNotFound",
                f"The policy definition '{request.where['name']}' could not be found.",
            )
        return Answer(200, found.show())

    def restrictions(self, request: Request) -> Answer:
        return Answer(200, self.policies.restrictions(self._scope(request), request.json()))

    # Scopes

    def _scope(self, request: Request) -> str:
        """The scope as the path spells it. Raises ApiError when it does not exist."""
        where = request.where
        self.store.check_subscription(where["subscription"])
        scope = request.path[: _extension_at(request.path)]
        if "group" in where:
            group = self.store.group(where["subscription"], where["group"])
            if "namespace" in where and self.store.find(scope) is None:
                type_ = f"{where['namespace']}/{where['type']}"
                raise errors.resource_not_found(type_, where["resource"], group.name)
        return scope

    def _id(self, request: Request, kind: str) -> str:
        return f"{self._scope(request)}/providers/{AUTHORIZATION}/{kind}/{request.where['name']}"


def _extension_at(path: str) -> int:
    return path.lower().rindex("/providers/microsoft.")


def _scope_of(id_: str) -> str:
    """The scope of a lock or an assignment, by its id."""
    return id_[: _extension_at(id_)]


def _covers(above: str, scope: str) -> bool:
    return scope == above or scope.startswith(above + "/")


def scopes(subscription: str, group: str) -> Iterator[str]:
    """Templates of every scope that locks, roles and policies can be asked for."""
    yield subscription
    yield group
    yield group + "/providers/{namespace}/{type}/{resource}"
    yield group + "/providers/{namespace}/{type}/{resource}/{kind}/{child}"


_VERBS = {"GET": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete", "POST": "action"}


def _denied_actions(fault: Fault) -> Iterator[str]:
    """The patterns of actions that a fault denies from now on."""
    if fault.kind != "denied" or fault.skip or (fault.times is not None and fault.hits >= fault.times):
        return
    cloud, _, call = fault.target.partition(".")
    if cloud.lower() not in ("azure", "*"):
        return
    method, _, what = call.partition(":")
    word = what.partition("/")[0] or "*"
    for known in dict.fromkeys(v for m, v in _VERBS.items() if method.upper() in ("", "*", m)):
        yield f"*/{known}" if word == "*" else f"*/{word}/{known}"
