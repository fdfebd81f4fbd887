"""ARM template deployments, as far as command-line clients use them to create single resources.

A deployment is carried out whenever something is read: each resource is PUT through the same door as a client's own PUT,
in the order of ``dependsOn``. A 429 of the resource provider is not a failure: the deployment tries again later,
as the real one does.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.errors import ApiError
from cloudlink_sandbox.azure.exchange import Answer, Json, Request
from cloudlink_sandbox.azure.ids import ResourceId
from cloudlink_sandbox.azure.operations import timestamp
from cloudlink_sandbox.azure.resource_provider import ResourceProvider
from cloudlink_sandbox.azure.store import Store
from cloudlink_sandbox.azure.templates import Scope, evaluate, invalid, parameters_of

FAILED = (
    "At least one resource deployment operation failed. Please list deployment operations for details. "
    "Please see https://aka.ms/arm-debug for usage details."
)
ENDED = "The resource operation completed with terminal provisioning state 'Failed'."


class Deployments:
    """Deployments of mode Incremental in resource groups. They live in ``store.deployments``."""

    def __init__(self, store: Store, providers: dict[str, ResourceProvider]) -> None:
        self.store = store
        self.providers = providers

    # Requests

    def put(self, request: Request) -> Answer:
        where = request.where
        group = self.store.group(where["subscription"], where["group"])
        if group.state == "Deleting":
            raise errors.group_being_deleted(group.name)
        deployment = self._read(request, group.subscription, group.name, group.location)
        key = self._key(request)
        present = self.store.deployments.get(key)
        if present is not None and present["state"] == "Running":
            raise errors.gateway(
                409,
                "DeploymentActive",
                f"Unable to edit or replace deployment '{where['name']}': previous deployment is still active.",
            )
        self.store.deployments[key] = deployment
        shown = self._show(deployment)
        shown["properties"]["provisioningState"] = "Accepted"
        shown["properties"].pop("outputResources", None)  # nothing is made yet
        url = (
            f"{request.base_url}{deployment['id']}/operationStatuses/{deployment['operation']}"
            f"?api-version={request.api_version}"
        )
        self._advance(deployment)
        return Answer(201 if present is None else 200, shown, {"Azure-AsyncOperation": url}, retry_after=5)

    def validate(self, request: Request) -> Answer:
        where = request.where
        group = self.store.group(where["subscription"], where["group"])
        deployment = self._read(request, group.subscription, group.name, group.location)
        shown = self._show(deployment)
        shown["properties"]["provisioningState"] = "Succeeded"
        shown["properties"].pop("outputResources", None)
        shown["properties"]["validatedResources"] = [{"id": r["id"]} for r in deployment["resources"]]
        return Answer(200, shown)

    def get(self, request: Request) -> Answer:
        return Answer(200, self._show(self._find(request)))

    def list_group(self, request: Request) -> Answer:
        group = self.store.group(request.where["subscription"], request.where["group"])
        prefix = f"/subscriptions/{group.subscription}/resourcegroups/{group.name}/".lower()
        return Answer(
            200, {"value": [self._show(d) for k, d in self.store.deployments.items() if k.startswith(prefix)]}
        )

    def delete(self, request: Request) -> Answer:
        """Removes the record of the deployment, not what it made."""
        return Answer(204 if self.store.deployments.pop(self._key(request), None) is not None else 404)

    def status(self, request: Request) -> Answer:
        deployment = self._find(request)
        if deployment["operation"] != request.where["operation"]:
            raise errors.gateway(404, "DeploymentOperationNotFound", "The deployment operation was not found.")
        if deployment["state"] == "Running":
            return Answer(200, {"status": "Running"}, retry_after=5)
        body: Json = {"status": deployment["state"]}
        if deployment["error"]:
            body["error"] = deployment["error"]
        return Answer(200, body)

    # Carrying out

    def advance(self) -> None:
        for deployment in self.store.deployments.values():
            if deployment["state"] == "Running":
                self._advance(deployment)

    def _advance(self, deployment: Json) -> None:
        """Starts every resource whose dependencies are there, until nothing moves any more."""
        moved = True
        while moved and deployment["state"] == "Running":
            moved = False
            for resource in deployment["resources"]:
                moved = self._step(deployment, resource) or moved
            if deployment["state"] == "Running" and all(r["state"] == "done" for r in deployment["resources"]):
                self._finish(deployment)
        self.store.context.touch()

    def _step(self, deployment: Json, resource: Json) -> bool:
        if resource["state"] == "waiting":
            unfinished = {r["id"].lower() for r in deployment["resources"] if r["state"] != "done"}
            if any(d in unfinished for d in resource["after"]):
                return False
            return self._begin(deployment, resource)
        if resource["state"] == "running":
            operation = self.store.operations.get(resource["guid"])
            if operation is not None and not operation.done(self.store.now()):
                return False
            if operation is not None and operation.error is not None:
                self._fail(deployment, operation.error)
            resource["state"] = "done"
            return True
        return False

    def _begin(self, deployment: Json, resource: Json) -> bool:
        provider = self.providers[resource["type"].lower()]
        names = resource["name"].split("/")
        where = {"subscription": deployment["subscription"], "group": deployment["group"], "name": names[-1]}
        if len(names) > 1:
            where["parent"] = names[0]
        try:
            body = evaluate(resource["body"], self._scope(deployment))
            request = Request(
                "PUT",
                resource["id"],
                {"api-version": resource["version"]},
                {},
                json.dumps(body).encode(),
                "https://management.azure.com",
                where,
                f"azure.PUT:{provider.kinds[-1]}/{names[-1]}",
            )
            known = set(self.store.operations)
            provider.put(request)
        except ApiError as error:
            if error.status == 429 or error.code == "AnotherOperationInProgress":
                return False  # it is tried again
            self._fail(deployment, error.inner())
            return True
        resource["guid"] = next(g for g in self.store.operations if g not in known)
        resource["state"] = "running"
        return True

    def _finish(self, deployment: Json) -> None:
        deployment["state"], deployment["ended"] = "Succeeded", self.store.now()
        try:
            outputs = evaluate(deployment["outputs"], self._scope(deployment))
        except ApiError as error:
            self._fail(deployment, error.inner())
            return
        deployment["shown_outputs"] = {
            name: {"type": output.get("type", "Object"), "value": output.get("value")}
            for name, output in outputs.items()
        }

    def _fail(self, deployment: Json, error: Json) -> None:
        """As recorded: the resource's error inside a JSON text inside the deployment's."""
        inner = {
            "status": "Failed",
            "error": {"code": "ResourceDeploymentFailure", "message": ENDED, "details": [error]},
        }
        deployment["state"], deployment["ended"] = "Failed", self.store.now()
        deployment["error"] = {
            "code": "DeploymentFailed",
            "message": FAILED,
            "details": [{"code": "Conflict", "message": json.dumps(inner, indent=2).replace("\n", "\r\n")}],
        }

    # Pieces

    def _key(self, request: Request) -> str:
        where = request.where
        base = f"/subscriptions/{where['subscription']}/resourcegroups/{where['group']}"
        return f"{base}/providers/microsoft.resources/deployments/{where['name']}".lower()

    def _find(self, request: Request) -> Json:
        self.store.group(request.where["subscription"], request.where["group"])
        found = self.store.deployments.get(self._key(request))
        if found is None:
            raise errors.gateway(404, "DeploymentNotFound", f"Deployment '{request.where['name']}' could not be found.")
        return found

    def _read(self, request: Request, subscription: str, group: str, location: str) -> Json:
        """The deployment that a body asks for. Raises ApiError for whatever this sandbox does not do."""
        properties = request.json().get("properties") or {}
        template = properties.get("template")
        if not isinstance(template, dict):
            raise invalid("a template in the request itself is needed")
        if str(properties.get("mode", "")).lower() != "incremental":
            raise invalid(f"the mode '{properties.get('mode')}' is not known to this sandbox")
        name = request.where["name"]
        deployment: Json = {
            "id": f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Resources/deployments/{name}",
            "name": name,
            "subscription": subscription,
            "group": group,
            "location": location,
            "operation": f"{uuid.uuid4().int % 10**20:020}",
            "correlation": str(uuid.uuid4()),
            "started": self.store.now(),
            "ended": None,
            "hash": str(int(hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:16], 16)),
            "parameters": parameters_of(template, properties.get("parameters") or {}),
            "declared": {k: v.get("type", "String") for k, v in (template.get("parameters") or {}).items()},
            "variables": template.get("variables") or {},
            "outputs": template.get("outputs") or {},
            "shown_outputs": {},
            "resources": [],
            "state": "Running",
            "error": None,
        }
        scope = self._scope(deployment)
        for resource in template.get("resources") or []:
            deployment["resources"].append(self._resource(resource, scope))
        for resource in deployment["resources"]:
            resource["after"] = [self._dependency(d, deployment) for d in resource["after"]]
        return deployment

    def _resource(self, resource: Json, scope: Scope) -> Json:
        type_, name = str(resource.get("type", "")), str(evaluate(resource.get("name", ""), scope))
        if type_.lower() not in self.providers or not name:
            raise invalid(f"the resource type '{type_}' is not known to this sandbox")
        namespace, *kinds = type_.split("/")
        names = name.split("/")
        if len(names) != len(kinds) or not resource.get("apiVersion"):
            raise invalid(f"the resource '{type_}/{name}' has no apiVersion, or its name does not fit its type")
        kept = {k: v for k, v in resource.items() if k not in ("type", "name", "apiVersion", "dependsOn", "comments")}
        id_ = ResourceId(scope.subscription, scope.group, namespace, tuple(kinds), tuple(names))
        return {
            "id": str(id_),
            "type": type_,
            "name": name,
            "version": str(evaluate(resource["apiVersion"], scope)),
            "body": kept,
            "after": [str(evaluate(d, scope)) for d in resource.get("dependsOn") or []],
            "state": "waiting",
            "guid": "",
        }

    def _dependency(self, text: str, deployment: Json) -> str:
        """Names, ``type/name`` and ids are all used; dependencies on what is not deployed here count for nothing."""
        wanted = text.lower()
        for resource in deployment["resources"]:
            id_ = str(resource["id"]).lower()
            if wanted in (id_, resource["name"].lower()) or id_.endswith("/" + wanted):
                return id_
        return wanted

    def _scope(self, deployment: Json) -> Scope:
        def reference(name: str) -> Json:
            for resource in deployment["resources"]:
                record = self.store.find(resource["id"])
                if record is not None and name.lower() in (resource["id"].lower(), resource["name"].lower()):
                    shown: Json = self.providers[resource["type"].lower()].show(record)["properties"]
                    return shown
            raise invalid(f"the resource '{name}' is not defined in the template")

        return Scope(
            deployment["subscription"],
            deployment["group"],
            deployment["location"],
            deployment["parameters"],
            deployment["variables"],
            reference,
        )

    def _show(self, deployment: Json) -> Json:
        """Values of secure parameters are never shown again."""
        parameters: dict[str, Any] = {}
        for name, type_ in deployment["declared"].items():
            parameters[name] = {"type": type_}
            if not str(type_).lower().startswith("secure"):
                parameters[name]["value"] = deployment["parameters"][name]
        ended = deployment.get("ended")
        moment = self.store.now() if ended is None else ended
        properties: Json = {
            "templateHash": deployment.get("hash", "0"),
            "parameters": parameters,
            "mode": "Incremental",
            "provisioningState": deployment["state"],
            "timestamp": timestamp(moment),
            "duration": f"PT{max(moment - deployment['started'], 1e-7):.7f}".rstrip("0").rstrip(".") + "S",
            "correlationId": deployment["correlation"],
            "providers": self._providers(deployment),
            "dependencies": self._dependencies(deployment),
        }
        if deployment["shown_outputs"]:
            properties["outputs"] = deployment["shown_outputs"]
        if deployment["state"] == "Succeeded":
            properties["outputResources"] = [{"id": r["id"]} for r in deployment["resources"]]
        if deployment["error"]:
            properties["error"] = deployment["error"]
        return {
            "id": deployment["id"],
            "name": deployment["name"],
            "type": "Microsoft.Resources/deployments",
            "properties": properties,
        }

    def _providers(self, deployment: Json) -> list[Json]:
        """The types that the template names, with the places where they are deployed."""
        found: dict[str, dict[str, list[str | None]]] = {}
        for resource in deployment["resources"]:
            namespace, _, kind = resource["type"].partition("/")
            tracked = self.providers[resource["type"].lower()].tracked
            place = deployment["location"] if tracked else None
            places = found.setdefault(namespace, {}).setdefault(kind, [])
            if place not in places:
                places.append(place)
        return [
            {
                "namespace": namespace,
                "resourceTypes": [{"resourceType": k, "locations": places} for k, places in kinds.items()],
            }
            for namespace, kinds in found.items()
        ]

    def _dependencies(self, deployment: Json) -> list[Json]:
        """Of each resource that waits for others."""
        by_id = {r["id"].lower(): r for r in deployment["resources"]}

        def named(resource: Json) -> Json:
            return {"id": resource["id"], "resourceType": resource["type"], "resourceName": resource["name"]}

        return [
            {"dependsOn": waited, **named(resource)}
            for resource in deployment["resources"]
            if (waited := [named(by_id[a]) for a in resource["after"] if a in by_id])
        ]
