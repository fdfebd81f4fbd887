"""Answers checked against Azure's published OpenAPI specification: types, enum values, required and known fields.

The specification stands beside the project's folder and is not part of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from azure_sandbox import SUBNETS, SUBSCRIPTION, Azure, connection

FOLDER = Path(__file__).parents[4] / "shared" / "azure-openapi"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="Azure's specification is not beside the project")
NETWORK, AKS = "network-2024-01-01", "aks-2024-02-01"

# Fields that Azure answers (they stand in recordings) and its specification of that version does not name.
UNDOCUMENTED = {
    "dpdTimeoutSeconds",
    "packetCaptureDiagnosticState",
    "isMigrateToCSES",
    "disableIPSecReplayProtection",
    "vngClientConnectionConfigurations",
    "defaultOutboundAccess",
    "authenticationType",
    "useLocalAzureIpAddress",
    "ddosSettings",
    "backendPoolType",
    "nodeOSUpgradeChannel",
    "resourceGuid",
    "provisioningState",
    "remoteVirtualNetworkAddressSpace",
    "type",
}


@cache
def document(folder: str, name: str) -> dict[str, Any]:
    path = FOLDER / folder / name
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return loaded


def resolve(schema: dict[str, Any], folder: str, file: str) -> tuple[dict[str, Any], str] | None:
    """The schema behind a reference, and the file it stands in; None for files that are not there."""
    while "$ref" in schema:
        target, _, pointer = schema["$ref"].partition("#")
        file = Path(target).name if target else file
        place: Any = document(folder, file)
        if not place:
            return None
        for step in pointer.strip("/").split("/"):
            place = place[step]
        schema = place
    return schema, file


def fields(schema: dict[str, Any], folder: str, file: str) -> dict[str, tuple[dict[str, Any], str]] | None:
    """Properties with those of the schemas it is made of; None when one of them is not there."""
    found: dict[str, tuple[dict[str, Any], str]] = {}
    for part in schema.get("allOf", []):
        resolved = resolve(part, folder, file)
        inherited = fields(*_three(resolved, folder)) if resolved else None
        if inherited is None:
            return None
        found |= inherited
    return found | {k: (v, file) for k, v in schema.get("properties", {}).items()}


def _three(resolved: tuple[dict[str, Any], str], folder: str) -> tuple[dict[str, Any], str, str]:
    return resolved[0], folder, resolved[1]


def faults(value: Any, schema: dict[str, Any], folder: str, file: str, path: str = "$") -> Iterator[str]:
    resolved = resolve(schema, folder, file)
    if resolved is None:
        return
    schema, file = resolved
    kind = schema.get("type", "object" if "properties" in schema or "allOf" in schema else None)
    if value is None:
        return
    expected = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int, "number": (int, float)}
    if kind in expected and not isinstance(value, expected[kind]):
        yield f"{path}: {value!r} is no {kind}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is none of {schema['enum']}"
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from faults(item, schema.get("items", {}), folder, file, f"{path}[{i}]")
    elif isinstance(value, dict):
        known = fields(schema, folder, file)
        if known is None or "additionalProperties" in schema:
            return
        for name in schema.get("required", []):
            if name not in value and set(value) != {"id"}:  # recorded: a reference is answered with its id alone
                yield f"{path}.{name} is missing"
        for name, inner in value.items():
            if name in known:
                yield from faults(inner, known[name][0], folder, known[name][1], f"{path}.{name}")
            elif known and name not in UNDOCUMENTED:
                yield f"{path}.{name} is not in the specification"


def check(value: Any, definition: str, file: str, folder: str = NETWORK) -> None:
    schema = document(folder, file)["definitions"][definition]
    assert not list(faults(value, schema, folder, file))


@pytest.mark.specification(
    "Gateways, connections, keys, addresses, networks, filters, clusters and routes are answered as specified"
)
def test_answers_fit_the_specification(built: Azure) -> None:
    vnet = SUBNETS.removesuffix("/subnets")
    gateway = built.path("virtualNetworkGateways", "gw")
    policy = {
        "saLifeTimeSeconds": 3600,
        "saDataSizeKilobytes": 102_400_000,
        "ipsecEncryption": "GCMAES256",
        "ipsecIntegrity": "GCMAES256",
        "ikeEncryption": "AES256",
        "ikeIntegrity": "SHA256",
        "dhGroup": "ECP384",
        "pfsGroup": "ECP384",
    }
    custom = {"ipConfigurationId": f"{gateway}/ipConfigurations/c0", "customBgpIpAddress": "169.254.22.2"}
    body = connection(built, ipsecPolicies=[policy], gatewayCustomBgpIpAddresses=[custom])
    made = built.call("PUT", built.path("connections", "t"), body)
    check(made.json(), "VirtualNetworkGatewayConnection", "virtualNetworkGateway.json")
    built.settle(made, 60)

    def get(path: str) -> Any:
        answer = built.call("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    file = "virtualNetworkGateway.json"
    check(get(built.path("connections", "t")), "VirtualNetworkGatewayConnection", file)
    check(get(built.path("connections")), "VirtualNetworkGatewayConnectionListResult", file)
    check(get(f"{gateway}/connections"), "VirtualNetworkGatewayListConnectionsResult", file)
    check(get(gateway), "VirtualNetworkGateway", file)
    check(get(built.path("localNetworkGateways", "lng-0")), "LocalNetworkGateway", file)
    check(get(built.path("connections", "t") + "/sharedkey"), "ConnectionSharedKey", file)
    check(get(built.path("publicIPAddresses", "pip-0")), "PublicIPAddress", "publicIpAddress.json")
    check(get(vnet), "VirtualNetwork", "virtualNetwork.json")
    check(get(f"{SUBNETS}/GatewaySubnet"), "Subnet", "virtualNetwork.json")
    groups = built.path("networkSecurityGroups", "aks-vnet-aks", "net-rg")
    check(get(groups), "NetworkSecurityGroup", "networkSecurityGroup.json")
    cluster = (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/aks-rg/providers/Microsoft.ContainerService/managedClusters"
    )
    check(get(f"{cluster}/test-aks"), "ManagedCluster", "managedClusters.json", AKS)
    for action, definition in (
        ("getBgpPeerStatus", "BgpPeerStatusListResult"),
        ("getLearnedRoutes", "GatewayRouteListResult"),
    ):
        asked = built.call("POST", f"{gateway}/{action}")
        built.advance(20)
        check(get(asked.headers["Location"]), definition, file)


@pytest.mark.own("The comparison with the specification can fail")
def test_the_judge_can_say_no() -> None:
    schema = document(NETWORK, "virtualNetworkGateway.json")["definitions"]["VirtualNetworkGateway"]
    wrong = {"properties": {"gatewayType": "Wpn", "activeActive": "yes", "colour": 1}}
    found = list(faults(wrong, schema, NETWORK, "virtualNetworkGateway.json"))
    assert len(found) == 3, found
