"""Subscriptions, tenants, resource groups with their delete job, providers, the list of resources, and tags."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.errors import ApiError
from cloudlink_sandbox.azure.exchange import Answer, Json, Request
from cloudlink_sandbox.azure.locations import DISPLAY_NAMES, beside, location_of, zones_of
from cloudlink_sandbox.azure.policies import GROUPS, Policies
from cloudlink_sandbox.azure.resource_provider import ResourceProvider, tags_of
from cloudlink_sandbox.azure.store import Group, Record, Store, new_etag

# Assumption: ARM's index of tags knows a new resource after about half a minute (sandbox seconds).
TAG_INDEX_LAG = 30.0

CASCADE = (  # what goes first when a group is deleted
    "Microsoft.Network/connections",
    "Microsoft.ContainerService/managedClusters",
    "Microsoft.Network/virtualNetworkGateways",
    "Microsoft.Network/localNetworkGateways",
    "Microsoft.Network/publicIPAddresses",
    "Microsoft.Network/dnsForwardingRulesets/virtualNetworkLinks",
    "Microsoft.Network/dnsForwardingRulesets",
    "Microsoft.Network/dnsResolvers/outboundEndpoints",
    "Microsoft.Network/dnsResolvers/inboundEndpoints",
    "Microsoft.Network/dnsResolvers",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
    "Microsoft.Network/privateDnsZones/A",
    "Microsoft.Network/privateDnsZones/CNAME",
    "Microsoft.Network/privateDnsZones",
    "Microsoft.Network/virtualNetworks",
    "Microsoft.Network/routeTables",
    "Microsoft.Network/networkSecurityGroups",
)

# Providers of which only some reads are answered: whether a subscription has to register them, and their types.
OTHER_PROVIDERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Microsoft.Authorization": (
        "RegistrationFree",
        ("locks", "permissions", "denyAssignments", "policyAssignments", "policyDefinitions", "roleDefinitions"),
    ),
    "Microsoft.PolicyInsights": ("RegistrationRequired", ("checkPolicyRestrictions",)),
    "Microsoft.Quota": ("RegistrationRequired", ("quotas", "usages")),
    "Microsoft.Resources": ("RegistrationFree", ("subscriptions", "resourceGroups", "deployments", "tags")),
}
ZONAL_TYPES = ("publicIPAddresses", "virtualNetworkGateways", "managedClusters")


class ResourceGroups:
    """providers: every resource type of this sandbox, by its lower-case type; asked what blocks a deletion."""

    def __init__(self, store: Store, providers: dict[str, ResourceProvider], tenant: str) -> None:
        self.store = store
        self.providers_by_type = providers
        self.tenant = tenant

    # Subscriptions

    def subscriptions(self, request: Request) -> Answer:
        del request
        shown = [self._show_subscription(s) for s in self.store.subscriptions.values()]
        return Answer(200, {"value": shown, "count": {"type": "Total", "value": len(shown)}})

    def subscription(self, request: Request) -> Answer:
        self.store.check_subscription(request.where["subscription"])
        return Answer(200, self._show_subscription(request.where["subscription"]))

    def _show_subscription(self, subscription: str) -> Json:
        return {
            "id": f"/subscriptions/{subscription}",
            "authorizationSource": "RoleBased",
            "managedByTenants": [],
            "subscriptionId": subscription,
            "tenantId": self.tenant,
            "displayName": "cloudlink sandbox",
            "state": "Enabled",
            "subscriptionPolicies": {
                "locationPlacementId": "Public_2014-09-01",
                "quotaId": "PayAsYouGo_2014-09-01",
                "spendingLimit": "Off",
            },
        }

    def tenants(self, request: Request) -> Answer:
        del request
        tenant = {
            "id": f"/tenants/{self.tenant}",
            "tenantId": self.tenant,
            "countryCode": "DE",
            "displayName": "cloudlink sandbox",
            "domains": ["sandbox.invalid"],
            "tenantCategory": "Home",
        }
        return Answer(200, {"value": [tenant]})

    def locations(self, request: Request) -> Answer:
        subscription = request.where["subscription"]
        self.store.check_subscription(subscription)
        shown = [_show_location(subscription, name) for name in beside(self._home())]
        return Answer(200, {"value": shown})

    def _home(self) -> str:
        """A region of the cloud that this is."""
        return next((g.location for g in self.store.groups.values()), "westeurope")

    # Providers

    def namespaces(self) -> dict[str, str]:
        """As they are spelled, by their lower case."""
        named = (*(k.namespace for k in self.providers_by_type.values()), *OTHER_PROVIDERS)
        return {n.lower(): n for n in named}

    def providers(self, request: Request) -> Answer:
        self.store.check_subscription(request.where["subscription"])
        names = sorted(self.namespaces().values())
        return Answer(200, {"value": [self._show_provider(request.where["subscription"], n) for n in names]})

    def provider(self, request: Request) -> Answer:
        return Answer(200, self._show_provider(request.where["subscription"], self._namespace(request)))

    def register(self, request: Request) -> Answer:
        namespace = self._namespace(request)
        self.store.unregistered.discard((request.where["subscription"].lower(), namespace.lower()))
        return Answer(200, self._show_provider(request.where["subscription"], namespace))

    def unregister(self, request: Request) -> Answer:
        namespace = self._namespace(request)
        if OTHER_PROVIDERS.get(namespace, ("", ()))[0] == "RegistrationFree":
            raise errors.gateway(
                409, "CannotUnregisterProvider", f"Cannot unregister the resource provider '{namespace}'."
            )  # Assumption: the code
        self.store.unregistered.add((request.where["subscription"].lower(), namespace.lower()))
        return Answer(200, self._show_provider(request.where["subscription"], namespace))

    def _namespace(self, request: Request) -> str:
        self.store.check_subscription(request.where["subscription"])
        known = self.namespaces().get(request.where["namespace"].lower())
        if known is None:
            raise errors.invalid_namespace(request.where["namespace"])
        return known

    def _show_provider(self, subscription: str, namespace: str) -> Json:
        locations = beside(self._home())
        kinds = ["/".join(k.kinds) for k in self.providers_by_type.values() if k.namespace == namespace]
        policy, more = OTHER_PROVIDERS.get(namespace, ("RegistrationRequired", ()))
        types = []
        for kind in (*kinds, *more):
            shown: Json = {
                "resourceType": kind,
                "locations": [DISPLAY_NAMES[n] for n in locations] if kind in kinds else [],
                "apiVersions": ["2026-03-01", "2025-07-01", "2024-07-01", "2024-01-01", "2022-01-01"],
                "capabilities": "CrossResourceGroupResourceMove, SupportsTags, SupportsLocation",
            }
            if kind in ZONAL_TYPES:
                shown["zoneMappings"] = [
                    {"location": DISPLAY_NAMES[n], "zones": list(zones_of(n))} for n in locations if zones_of(n)
                ]
            types.append(shown)
        gone = (subscription.lower(), namespace.lower()) in self.store.unregistered
        return {
            "id": f"/subscriptions/{subscription}/providers/{namespace}",
            "namespace": namespace,
            "resourceTypes": types,
            "registrationState": "NotRegistered" if gone else "Registered",
            "registrationPolicy": policy,
        }

    # Groups

    def _show(self, group: Group) -> Json:
        shown: Json = {
            "id": f"/subscriptions/{group.subscription}/resourceGroups/{group.name}",
            "name": group.name,
            "type": "Microsoft.Resources/resourceGroups",
            "location": group.location,
        }
        if group.tags is not None:
            shown["tags"] = dict(group.tags)
        shown["properties"] = {"provisioningState": group.state}
        return shown

    def get(self, request: Request) -> Answer:
        return Answer(200, self._show(self.store.group(request.where["subscription"], request.where["group"])))

    def head(self, request: Request) -> Answer:
        self.store.check_subscription(request.where["subscription"])
        key = (request.where["subscription"].lower(), request.where["group"].lower())
        return Answer(204 if key in self.store.groups else 404)

    def list_groups(self, request: Request) -> Answer:
        subscription = request.where["subscription"]
        self.store.check_subscription(subscription)
        wanted = Filter(request.query.get("$filter", ""))
        shown = [
            self._show(g)
            for g in self.store.groups.values()
            if g.subscription.lower() == subscription.lower()
            and wanted.fits("Microsoft.Resources/resourceGroups", g.name, g.tags)
        ]
        return Answer(200, {"value": shown})

    def put(self, request: Request) -> Answer:
        subscription, name = request.where["subscription"], request.where["group"]
        self.store.check_subscription(subscription)
        if not re.fullmatch(r"[\w.()-]{0,89}[\w()-]", name):
            raise errors.gateway(
                400,
                "InvalidResourceGroup",
                f"The provided resource group name '{name}' has these invalid characters or ends with a period.",
            )
        body = request.json()
        if not body.get("location"):
            raise errors.location_required()
        location = location_of(body["location"], "Microsoft.Resources/resourceGroups")
        tags = tags_of(body)
        self._check_policies(subscription, name, location, tags)
        key = (subscription.lower(), name.lower())
        old = self.store.groups.get(key)
        if old is not None:
            if old.state == "Deleting":
                raise errors.group_being_deleted(old.name)
            if old.location != location:
                raise errors.gateway(
                    409,
                    "InvalidResourceGroupLocation",
                    f"Invalid resource group location '{location}'. The Resource group already exists in location "
                    f"'{old.location}'.",
                )
            old.tags = tags
            return Answer(200, self._show(old))
        group = Group(self.store.subscriptions[subscription.lower()], name, location, tags)
        self.store.groups[key] = group
        return Answer(201, self._show(group))

    def patch(self, request: Request) -> Answer:
        group = self.store.group(request.where["subscription"], request.where["group"])
        if group.state == "Deleting":
            raise errors.group_being_deleted(group.name)
        tags = tags_of(request.json())
        self._check_policies(group.subscription, group.name, group.location, tags)
        group.tags = tags
        return Answer(200, self._show(group))

    def _check_policies(self, subscription: str, name: str, location: str, tags: dict[str, str] | None) -> None:
        id_ = f"/subscriptions/{subscription}/resourceGroups/{name}"
        Policies(self.store).check(id_, GROUPS, name, location, tags)

    # Deleting a group is a job that ends with 200, or with 409 when something in it cannot go

    def delete(self, request: Request) -> Answer:
        group = self.store.group(request.where["subscription"], request.where["group"])
        named = {
            "jobId": f"RESOURCEGROUPDELETIONJOB-{group.name.upper()}-{group.location.upper()}",
            "jobLocation": group.location,
        }
        job = base64.urlsafe_b64encode(json.dumps(named, separators=(",", ":")).encode()).decode().rstrip("=")
        if group.state != "Deleting":
            group.state = "Deleting"
            duration = self.store.context.durations.sample("azure.rg.delete", group.name)
            inside = self._inside(group)
            if any(r.is_type("Microsoft.Network/virtualNetworkGateways") for r in inside):
                duration += self.store.context.durations.sample("azure.vng.delete", group.name)
            self.store.jobs[job] = {
                "group": (group.subscription.lower(), group.name.lower()),
                "ends_at": self.store.now() + duration,
                "outcome": None,
            }
        return Answer(202, ..., {"Location": self._job_url(request, group.subscription, job)}, retry_after=15)

    def _job_url(self, request: Request, subscription: str, job: str) -> str:
        return (
            f"{request.base_url}/subscriptions/{subscription}/operationresults/{job}?api-version={request.api_version}"
        )

    def job(self, request: Request) -> Answer:
        job = self.store.jobs.get(request.where["job"])
        if job is None:
            raise errors.gateway(404, "JobNotFound", "The job was not found.")
        if job["outcome"] is None:
            url = self._job_url(request, request.where["subscription"], request.where["job"])
            return Answer(202, ..., {"Location": url}, retry_after=15)
        if job["outcome"] == {}:
            return Answer(200)
        return Answer(409, job["outcome"])

    def advance(self) -> None:
        """Carries out the jobs that have ended by now."""
        now = self.store.now()
        for job in self.store.jobs.values():
            if job["outcome"] is None and now >= job["ends_at"]:
                job["outcome"] = self._carry_out(job["group"])
                self.store.context.touch()

    def _carry_out(self, key: tuple[str, str]) -> Json:
        group = self.store.groups[key]
        refused: list[tuple[Record, ApiError]] = []
        for kind in CASCADE:
            for record in [r for r in self._inside(group) if r.is_type(kind)]:
                try:
                    self.providers_by_type[kind.lower()].refuse_delete(record)
                except ApiError as error:
                    refused.append((record, error))
                else:
                    self.store.drop(record.id.key)
        if not refused:
            del self.store.groups[key]
            prefix = f"/subscriptions/{key[0]}/resourcegroups/{key[1]}/"
            for kept in (self.store.deployments, self.store.locks, self.store.policies):
                for gone in [d for d in kept if d.startswith(prefix)]:
                    del kept[gone]
            return {}
        group.state = "Succeeded"
        return deletion_blocked(group.name, refused)

    def _inside(self, group: Group) -> list[Record]:
        wanted = (group.subscription.lower(), group.name.lower())
        return [r for r in self.store.resources.values() if (r.id.subscription.lower(), r.id.group.lower()) == wanted]

    # Resources across types

    def resources(self, request: Request) -> Answer:
        subscription = request.where["subscription"]
        self.store.check_subscription(subscription)
        records: Iterable[Record] = self.store.resources.values()
        if "group" in request.where:
            records = self._inside(self.store.group(subscription, request.where["group"]))
        wanted = Filter(request.query.get("$filter", ""))
        if "tagName" in wanted.terms:
            newest = self.store.now() - TAG_INDEX_LAG
            records = [r for r in records if r.created_at <= newest]
        top = request.query.get("$top", "1000")
        if not top.isdigit():
            raise errors.gateway(400, "InvalidQueryParameterValue", f"The $top '{top}' is not a number.")
        shown = [
            _brief(r)
            for r in records
            if r.location is not None
            and r.id.subscription.lower() == subscription.lower()
            and wanted.fits(r.id.type, r.name, r.tags, group=r.id.group, location=r.location)
        ]
        return Answer(200, {"value": shown[: int(top)]})

    # Tags of anything, by scope

    def get_tags(self, request: Request) -> Answer:
        record = self._scope(request)
        return Answer(200, _show_tags(record))

    def put_tags(self, request: Request) -> Answer:
        record = self._scope(request)
        return self._tagged(record, tags_of(_given_tags(request)) or {})

    def patch_tags(self, request: Request) -> Answer:
        record = self._scope(request)
        operation = str(request.json().get("operation", ""))
        given = tags_of(_given_tags(request)) or {}
        present = dict(record.tags or {})
        if operation.lower() == "merge":
            named = {k.lower() for k in given}  # keys differ by more than their case
            tags = {**{k: v for k, v in present.items() if k.lower() not in named}, **given}
        elif operation.lower() == "replace":
            tags = given
        elif operation.lower() == "delete":
            tags = {k: v for k, v in present.items() if given.get(k) != v}
        else:
            raise errors.gateway(400, "InvalidTagPatchOperation", f"The tag patch operation '{operation}' is invalid.")
        return self._tagged(record, tags)

    def _tagged(self, record: Record, tags: dict[str, str]) -> Answer:
        Policies(self.store).check(str(record.id), record.id.type, record.name, record.location, tags)
        record.tags = tags
        record.etag = new_etag()
        return Answer(200, _show_tags(record))

    def _scope(self, request: Request) -> Record:
        where = request.where
        group = self.store.group(where["subscription"], where["group"])
        type_ = f"{where['namespace']}/{where['type']}"
        id_ = (
            f"/subscriptions/{group.subscription}/resourcegroups/{group.name}/providers/{type_}/{where['name']}".lower()
        )
        record = self.store.find(id_)
        if record is None:
            raise errors.resource_not_found(type_, where["name"], group.name)
        return record


def _show_location(subscription: str, name: str) -> Json:
    """A region without zones has no ``availabilityZoneMappings``."""
    zones = zones_of(name)
    shown: Json = {
        "id": f"/subscriptions/{subscription}/locations/{name}",
        "name": name,
        "type": "Region",
        "displayName": DISPLAY_NAMES[name],
        "regionalDisplayName": DISPLAY_NAMES[name],
        "metadata": {"regionType": "Physical", "regionCategory": "Recommended" if zones else "Other"},
    }
    if zones:
        shown["availabilityZoneMappings"] = [{"logicalZone": z, "physicalZone": f"{name}-az{z}"} for z in zones]
    return shown


def deletion_blocked(group: str, refused: list[tuple[Record, ApiError]]) -> Json:
    """With capitals, and the inner errors as JSON texts, as ARM's job answers."""
    names = ",".join(f"{r.id.type}/{r.name}" for r, _ in refused)
    details = [
        {
            "Code": None,
            "Target": str(record.id),
            "Message": json.dumps({"error": error.inner()}, separators=(",", ":")),
            "Details": None,
            "AdditionalInfo": None,
        }
        for record, error in refused
    ]
    return {
        "Error": {
            "Code": "ResourceGroupDeletionBlocked",
            "Target": None,
            "Message": f"Deletion of resource group '{group}' failed as resources with identifiers '{names}' could not be "
            "deleted. The provisioning state of the resource group will be rolled back. The tracking Id is "
            "'00000000-0000-0000-0000-000000000000'. Please check audit logs for more details.",
            "Details": details,
            "AdditionalInfo": None,
        }
    }


def _brief(record: Record) -> Json:
    shown: Json = {"id": str(record.id), "name": record.name, "type": record.id.type, "location": record.location}
    if record.tags is not None:
        shown["tags"] = dict(record.tags)
    if "sku" in record.top:
        shown["sku"] = record.top["sku"]
    return shown


def _given_tags(request: Request) -> Json:
    properties: Any = request.json().get("properties")
    return properties if isinstance(properties, dict) else {}


def _show_tags(record: Record) -> Json:
    return {
        "id": f"{record.id}/providers/Microsoft.Resources/tags/default",
        "name": "default",
        "type": "Microsoft.Resources/tags",
        "properties": {"tags": dict(record.tags or {})},
    }


class Filter:
    """The part of ARM's ``$filter`` that lists of resources know: equality, joined by ``and``."""

    _TERM = re.compile(
        r"\s*(?:substringof\('(?P<part>[^']*)',\s*name\)|(?P<field>\w+)\s+eq\s+'(?P<value>(?:[^']|'')*)')\s*"
    )

    def __init__(self, text: str) -> None:
        self.terms: dict[str, str] = {}
        if not text:
            return
        for term in re.split(r"\s+and\s+", text, flags=re.IGNORECASE):
            match = self._TERM.fullmatch(term)
            field = match and _FIELDS.get((match["field"] or "substring").lower())
            if match is None or field is None:
                raise errors.gateway(
                    400, "InvalidFilterInQueryString", f"Invalid $filter '{text}' specified in the query string."
                )
            value = match["part"] if match["part"] is not None else match["value"]
            self.terms[field] = value.replace("''", "'")
        if "tagName" in self.terms and "resourceType" in self.terms:
            # ARM refuses tags together with anything else.
            raise errors.gateway(
                400, "InvalidFilterInQueryString", f"Invalid $filter '{text}' specified in the query string."
            )

    def fits(self, type_: str, name: str, tags: dict[str, str] | None, *, group: str = "", location: str = "") -> bool:
        lowered = {k.lower(): v for k, v in (tags or {}).items()}
        tests: dict[str, Callable[[str], bool]] = {
            "tagName": lambda v: v.lower() in lowered,
            "tagValue": lambda v: lowered.get(self.terms.get("tagName", "").lower()) == v,
            "resourceType": lambda v: type_.lower() == v.lower(),
            "name": lambda v: name.lower() == v.lower(),
            "resourceGroup": lambda v: group.lower() == v.lower(),
            "location": lambda v: location.lower() == v.lower(),
            "substring": lambda v: v.lower() in name.lower(),
        }
        return all(tests[field](value) for field, value in self.terms.items())


# OData's names are compared without regard to case: az asks for ``tagname``.
_FIELDS = {
    name.lower(): name
    for name in ("tagName", "tagValue", "resourceType", "name", "resourceGroup", "location", "substring")
}
