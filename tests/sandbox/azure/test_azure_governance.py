"""Zones, roles, quotas, providers, locks and policies of a subscription, as a client of Azure Resource Manager sees them."""

from __future__ import annotations

import json

import pytest
import requests
from azure_sandbox import GROUP, PIP, SUBNETS, SUBSCRIPTION, Azure
from azure_sandbox import code as status_and_code

SUB = f"/subscriptions/{SUBSCRIPTION}"
RG = f"{SUB}/resourceGroups/{GROUP}"
LOCKS = "/providers/Microsoft.Authorization/locks"
ASSIGNMENTS = "/providers/Microsoft.Authorization/policyAssignments"
NEED_TAG = "/providers/Microsoft.Authorization/policyDefinitions/871b6d14-10aa-478d-b590-94f262ecfa99"
GROUP_TAG = "96670d01-0a4d-4649-9c89-2d3abc0a5025"
CHECK = "/providers/Microsoft.PolicyInsights/checkPolicyRestrictions"


def code(response: requests.Response) -> str | None:
    return status_and_code(response)[1]


def assign(azure: Azure, scope: str, definition: str = NEED_TAG, **parameters: object) -> None:
    given = {"policyDefinitionId": definition, "parameters": {k: {"value": v} for k, v in parameters.items()}}
    made = azure.call("PUT", f"{scope}{ASSIGNMENTS}/req-tag", {"properties": given}, api="2022-06-01")
    assert made.status_code == 201, made.text


def lock(azure: Azure, scope: str, level: str) -> None:
    made = azure.call(
        "PUT", f"{scope}{LOCKS}/keep", {"properties": {"level": level, "notes": "ours"}}, api="2020-05-01"
    )
    assert made.status_code == 201, made.text


@pytest.mark.documentation("Locations tell their zones; a region without zones has no mappings")
def test_locations_and_providers_tell_the_zones(seeded: Azure) -> None:
    answer = seeded.call("GET", f"{SUB}/locations", api="2022-12-01").json()["value"]
    by_name = {v["name"]: v for v in answer}
    zones = [m["logicalZone"] for m in by_name["westeurope"]["availabilityZoneMappings"]]
    assert zones == ["1", "2", "3"]
    assert "availabilityZoneMappings" not in by_name["ukwest"]
    assert by_name["ukwest"]["metadata"]["regionType"] == "Physical"
    assert not [n for n in by_name if n.startswith(("usgov", "china"))]
    network = seeded.call("GET", f"{SUB}/providers/Microsoft.Network", api="2021-04-01").json()
    assert network["registrationState"] == "Registered"
    ips = next(t for t in network["resourceTypes"] if t["resourceType"] == "publicIPAddresses")
    assert "UK West" in ips["locations"]
    mapped = {m["location"]: m["zones"] for m in ips["zoneMappings"]}
    assert mapped["West Europe"] == ["1", "2", "3"]
    assert "UK West" not in mapped


@pytest.mark.documentation("A public IP with zones is refused where there are none: Azure/Azure-Landing-Zones#425")
def test_zones_where_there_are_none(seeded: Azure) -> None:
    body = {**PIP, "location": "ukwest"}
    refused = seeded.call("PUT", seeded.path("publicIPAddresses", "a"), {**body, "zones": ["1", "2", "3"]})
    assert (refused.status_code, code(refused)) == (400, "LocationNotSupportAvailabilityZones")
    assert refused.json()["error"]["message"] == (
        "The resource 'Microsoft.Network/publicIPAddresses/a' does not support availability zones at location 'ukwest'."
    )
    body.pop("zones", None)
    assert seeded.call("PUT", seeded.path("publicIPAddresses", "a"), body).status_code == 201


@pytest.mark.documentation("The caller's permissions, an Owner's, and deny assignments, for any scope")
def test_the_caller_is_an_owner(seeded: Azure) -> None:
    for scope in (SUB, RG):
        answer = seeded.call("GET", f"{scope}/providers/Microsoft.Authorization/permissions", api="2022-04-01").json()
        assert answer["value"] == [{"actions": ["*"], "notActions": [], "dataActions": [], "notDataActions": []}]
        denied = seeded.call("GET", f"{scope}/providers/Microsoft.Authorization/denyAssignments", api="2022-04-01")
        assert denied.json() == {"value": []}
    gone = seeded.call("GET", f"{SUB}/resourceGroups/none/providers/Microsoft.Authorization/permissions")
    assert code(gone) == "ResourceGroupNotFound"


@pytest.mark.recorded(
    "A write joins what it refers to; where it may not it is LinkedAuthorizationFailed with that scope"
)
def test_what_a_subnet_refers_to_is_joined(seeded: Azure) -> None:
    """Recorded in microsoft/planetary-computer-hub#25."""
    table = seeded.path("routeTables", "rt", "net-rg")
    seeded.settle(seeded.call("PUT", table, {"location": "westeurope"}))
    seeded.context.grants.limit(["Microsoft.Network/virtualNetworks/*", "Microsoft.Network/locations/*"])
    plain = {"addressPrefix": "10.60.20.0/24"}
    seeded.settle(seeded.call("PUT", f"{SUBNETS}/more", {"properties": plain}))
    body = {"properties": {**plain, "routeTable": {"id": table}}}
    refused = seeded.call("PUT", f"{SUBNETS}/more", body)
    assert (refused.status_code, code(refused)) == (403, "LinkedAuthorizationFailed")
    message = refused.json()["error"]["message"]
    assert (
        f"permission to perform action 'Microsoft.Network/virtualNetworks/subnets/write' on scope '{SUBNETS}/more'"
        in (message)
    )
    assert f"perform action 'Microsoft.Network/routeTables/join/action' on the linked scope(s) '{table}' or" in message
    vnet = SUBNETS.rpartition("/")[0]
    whole = seeded.call("GET", vnet).json()
    whole["properties"]["subnets"].append(
        {"name": "last", "properties": {"addressPrefix": "10.60.21.0/24", "routeTable": {"id": table}}}
    )
    assert code(seeded.call("PUT", vnet, whole)) == "LinkedAuthorizationFailed"
    seeded.context.grants.limit(
        ["Microsoft.Network/virtualNetworks*", "Microsoft.Network/loc*", "Microsoft.Network/routeTables/*"]
    )
    seeded.settle(seeded.call("PUT", f"{SUBNETS}/more", body))


@pytest.mark.documentation("Usages of a region are counted against its limits; Microsoft.Quota says the same")
def test_usages_count_what_is_there(seeded: Azure) -> None:
    def used() -> tuple[int, int]:
        answer = seeded.call("GET", f"{SUB}/providers/Microsoft.Network/locations/westeurope/usages").json()["value"]
        one = next(v for v in answer if v["name"]["value"] == "StandardSkuPublicIpAddresses")
        return one["currentValue"], one["limit"]

    before, limit = used()
    seeded.call("PUT", seeded.path("publicIPAddresses", "a"), PIP)
    assert used() == (before + 1, 10)
    quota = f"{SUB}/providers/Microsoft.Network/locations/westeurope/providers/Microsoft.Quota/quotas"
    answer = seeded.call("GET", f"{quota}/StandardSkuPublicIpAddresses", api="2023-02-01").json()
    assert answer["properties"]["limit"]["value"] == limit


@pytest.mark.documentation("A provider that is not registered refuses writes: dotnet/core#3276")
def test_a_provider_that_is_not_registered(seeded: Azure) -> None:
    provider = f"{SUB}/providers/Microsoft.Network"
    assert seeded.call("POST", f"{provider}/unregister").json()["registrationState"] == "NotRegistered"
    refused = seeded.call("PUT", seeded.path("publicIPAddresses", "a"), PIP)
    assert (refused.status_code, code(refused)) == (409, "MissingSubscriptionRegistration")
    assert refused.json()["error"]["details"][0]["target"] == "Microsoft.Network"
    assert seeded.call("POST", f"{provider}/register").json()["registrationState"] == "Registered"
    assert seeded.call("PUT", seeded.path("publicIPAddresses", "a"), PIP).status_code == 201


@pytest.mark.documentation("A Delete lock is inherited, and one on a resource keeps its whole group")
def test_a_delete_lock_is_inherited(seeded: Azure) -> None:
    ip = seeded.path("publicIPAddresses", "a")
    seeded.settle(seeded.call("PUT", ip, PIP), 60)
    lock(seeded, RG, "CanNotDelete")
    refused = seeded.call("DELETE", ip)
    assert (refused.status_code, code(refused)) == (409, "ScopeLocked")
    assert refused.json()["error"]["message"] == (
        f"The scope '{ip}' cannot perform delete operation because following scope(s) are locked: '{RG}'. "
        "Please remove the lock and try again."
    )
    seeded.settle(seeded.call("PUT", ip, PIP), 60)
    assert seeded.call("DELETE", f"{RG}{LOCKS}/keep").status_code == 200
    lock(seeded, ip, "CanNotDelete")
    assert code(seeded.call("DELETE", RG)) == "ScopeLocked"
    names = [v["id"] for v in seeded.call("GET", f"{SUB}{LOCKS}").json()["value"]]
    assert names == [f"{ip}{LOCKS}/keep"]
    assert seeded.call("GET", f"{SUB}{LOCKS}", **{"$filter": "atScope()"}).json()["value"] == []
    seeded.call("DELETE", f"{ip}{LOCKS}/keep")
    assert seeded.call("DELETE", ip).status_code == 202


@pytest.mark.documentation("A ReadOnly lock stops writes and every POST, an Owner's too")
@pytest.mark.belief("What a ReadOnly lock refuses is called a write")
def test_a_read_only_lock(built: Azure) -> None:
    gateway = built.path("virtualNetworkGateways", "gw")
    lock(built, gateway, "ReadOnly")
    assert built.call("GET", gateway).status_code == 200
    for answer in (built.call("POST", f"{gateway}/getBgpPeerStatus"), built.call("PATCH", gateway, {"tags": {}})):
        assert (answer.status_code, code(answer)) == (409, "ScopeLocked")
    assert built.call("PUT", built.path("publicIPAddresses", "b"), PIP).status_code == 201


@pytest.mark.documentation("A policy refuses what lacks a tag, and says which: Azure/azure-cli#27562")
def test_a_policy_requires_a_tag(seeded: Azure) -> None:
    assign(seeded, SUB, tagName="CostCenter")
    ip = seeded.path("publicIPAddresses", "a")
    refused = seeded.call("PUT", ip, PIP)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["target"]) == (403, "RequestDisallowedByPolicy", "a")
    identifiers = json.loads(error["message"].partition("identifiers: '")[2].rstrip("'."))
    assert identifiers[0]["policyAssignment"]["id"] == f"{SUB}{ASSIGNMENTS}/req-tag"
    info = error["additionalInfo"][0]["info"]
    assert info["policyDefinitionDisplayName"] == "Require a tag on resources"
    assert info["evaluationDetails"]["evaluatedExpressions"] == [
        {
            "result": "True",
            "expressionKind": "Field",
            "expression": "tags[CostCenter]",
            "path": "tags[CostCenter]",
            "targetValue": "false",
            "operator": "Exists",
        }
    ]
    assert seeded.call("PUT", ip, {**PIP, "tags": {"costcenter": "7"}}).status_code == 201
    assert code(seeded.call("PATCH", ip, {"tags": {}})) == "RequestDisallowedByPolicy"
    group = seeded.call("PUT", f"{SUB}/resourceGroups/more", {"location": "westeurope"})
    assert group.status_code == 201  # the definition looks at resources, not at groups


@pytest.mark.documentation("checkPolicyRestrictions says beforehand what would be refused")
def test_restrictions_are_told_beforehand(seeded: Azure) -> None:
    def ask(**tags: str) -> dict[str, list[dict[str, object]]]:
        content = {"type": "Microsoft.Network/publicIPAddresses", "location": "westeurope", "tags": tags}
        body = {
            "resourceDetails": {"resourceContent": content, "apiVersion": "2024-01-01"},
            "pendingFields": [{"field": "tags"}],
        }
        answer = seeded.call("POST", f"{RG}{CHECK}", body, api="2022-03-01").json()
        assert list(answer) == ["fieldRestrictions", "contentEvaluationResult"]
        return {"fields": answer["fieldRestrictions"], **answer["contentEvaluationResult"]}

    assert ask() == {"fields": [], "policyEvaluations": []}
    assign(seeded, RG, tagName="CostCenter")
    fields = ask()["fields"]
    assert [(f["field"], f["restrictions"][0]["result"]) for f in fields] == [("tags.CostCenter", "Required")]  # type: ignore[index]
    assert ask()["policyEvaluations"][0]["evaluationResult"] == "NonCompliant"
    assert ask(CostCenter="7")["policyEvaluations"] == []


@pytest.mark.documentation("Allowed locations; an assignment that is not enforced refuses nothing")
def test_allowed_locations(seeded: Azure) -> None:
    definition = "/providers/Microsoft.Authorization/policyDefinitions/e56962a6-4747-49cd-b67b-bf8b01975c4c"
    assign(seeded, RG, definition, listOfAllowedLocations=["northeurope"])
    ip = seeded.path("publicIPAddresses", "a")
    said = seeded.call("PUT", ip, PIP).json()["error"]["additionalInfo"][0]["info"]["evaluationDetails"]
    assert said["evaluatedExpressions"][0]["operator"] == "NotIn"
    made = seeded.call("GET", f"{RG}{ASSIGNMENTS}/req-tag").json()
    made["properties"]["enforcementMode"] = "DoNotEnforce"
    seeded.call("PUT", f"{RG}{ASSIGNMENTS}/req-tag", made)
    assert seeded.call("PUT", ip, PIP).status_code == 201


PRIVATE = "/providers/Microsoft.Authorization/policyDefinitions/7bca8353-aa3b-429b-904a-9229c4385837"


@pytest.mark.documentation(
    "Subnets that are not private are refused where the built-in policy denies them: microsoft/finops-toolkit#2161"
)
def test_subnets_should_be_private(seeded: Azure) -> None:
    vnet = seeded.path("virtualNetworks", "net")
    space = {"addressSpace": {"addressPrefixes": ["10.60.0.0/16"]}}
    seeded.settle(seeded.call("PUT", vnet, {"location": "westeurope", "properties": space}), 60)
    assign(seeded, SUB, PRIVATE)
    open_, private = (
        {"addressPrefix": "10.60.1.0/24"},
        {"addressPrefix": "10.60.2.0/24", "defaultOutboundAccess": False},
    )
    seeded.settle(seeded.call("PUT", f"{vnet}/subnets/a", {"properties": open_}), 60)  # audits by default
    assign(seeded, SUB, PRIVATE, effect="Deny")
    refused = seeded.call("PUT", f"{vnet}/subnets/b", {"properties": open_})
    assert (refused.status_code, code(refused)) == (403, "RequestDisallowedByPolicy")
    seeded.settle(seeded.call("PUT", f"{vnet}/subnets/b", {"properties": private}), 60)
    inline = {"location": "westeurope", "properties": {**space, "subnets": [{"name": "a", "properties": open_}]}}
    assert code(seeded.call("PUT", vnet, inline)) == "RequestDisallowedByPolicy"

    def asked(properties: object) -> list[object]:
        content = {"type": "Microsoft.Network/virtualNetworks/subnets", "name": "c", "properties": properties}
        details = {"resourceContent": content, "apiVersion": "2024-01-01", "scope": vnet}
        answer = seeded.call("POST", f"{RG}{CHECK}", {"resourceDetails": details}, api="2022-03-01").json()
        found: list[object] = answer["contentEvaluationResult"]["policyEvaluations"]
        return found

    assert len(asked(open_)) == 1
    assert asked(private) == []


@pytest.mark.documentation("A policy on groups is told beforehand, too: Azure/azure-cli#27562")
def test_groups_are_told_beforehand(seeded: Azure) -> None:
    assign(seeded, SUB, NEED_TAG.replace("871b6d14-10aa-478d-b590-94f262ecfa99", GROUP_TAG), tagName="CostCenter")
    content = {"type": "Microsoft.Resources/subscriptions/resourceGroups", "name": "x", "location": "westeurope"}
    details = {"resourceContent": content, "apiVersion": "2022-09-01"}
    answer = seeded.call("POST", f"{SUB}{CHECK}", {"resourceDetails": details}, api="2022-03-01").json()
    assert len(answer["contentEvaluationResult"]["policyEvaluations"]) == 1


@pytest.mark.own("A policy definition that this sandbox does not have is refused, and so are unknown levels of locks")
def test_unknown_definitions_and_levels(seeded: Azure) -> None:
    body = {"properties": {"policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/none"}}
    assert code(seeded.call("PUT", f"{RG}{ASSIGNMENTS}/x", body)) == "PolicyDefinitionNotFound"
    assert seeded.call("PUT", f"{RG}{LOCKS}/x", {"properties": {"level": "Some"}}).status_code == 400


@pytest.mark.own("Locks and policies are kept with the saved clouds")
def test_rules_are_saved(seeded: Azure) -> None:
    lock(seeded, RG, "CanNotDelete")
    assign(seeded, RG, tagName="CostCenter")
    saved = seeded.cloud.snapshot()
    seeded.call("DELETE", f"{RG}{LOCKS}/keep")
    seeded.cloud.restore(saved)
    assert [v["name"] for v in seeded.call("GET", f"{RG}{LOCKS}").json()["value"]] == ["keep"]
    for name in ("locks", "policies", "unregistered"):  # an older sandbox saved none of these
        saved.pop(name)
    seeded.cloud.restore(saved)
