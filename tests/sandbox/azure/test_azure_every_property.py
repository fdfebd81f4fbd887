"""Never ignored: every property of the specification is sent to each type, one at a time, and kept or refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure_sandbox import PIP, SUBNETS, SUBSCRIPTION, Azure, connection, lng
from tests.conformance.openapi import Schema, schema_at

from cloudlink_sandbox.azure.nothing_dropped import READ_ONLY, dropped, without_secrets

FOLDER = Path(__file__).parents[4] / "shared" / "azure-openapi"
NETWORK = FOLDER / "network-2024-01-01"
AKS = FOLDER / "aks-2024-02-01" / "managedClusters.json"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="Azure's specification is not beside the project")

CLUSTERS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/aks-rg/providers/Microsoft.ContainerService/managedClusters"
# type -> its schema, where it lies, and the place of the resource that is changed
TYPES = {
    "virtualNetworkGateways": (NETWORK / "virtualNetworkGateway.json", "VirtualNetworkGateway", "gw"),
    "connections": (NETWORK / "virtualNetworkGateway.json", "VirtualNetworkGatewayConnection", "tunnel-0"),
    "localNetworkGateways": (NETWORK / "virtualNetworkGateway.json", "LocalNetworkGateway", "lng-0"),
    "publicIPAddresses": (NETWORK / "publicIpAddress.json", "PublicIPAddress", "pip-9"),
    "virtualNetworks": (NETWORK / "virtualNetwork.json", "VirtualNetwork", "vnet-9"),
    "subnets": (NETWORK / "virtualNetwork.json", "Subnet", "subnet-9"),
    "networkSecurityGroups": (NETWORK / "networkSecurityGroup.json", "NetworkSecurityGroup", "nsg-9"),
    "securityRules": (NETWORK / "networkSecurityGroup.json", "SecurityRule", "rule-9"),
    "routeTables": (NETWORK / "routeTable.json", "RouteTable", "table-9"),
    "routes": (NETWORK / "routeTable.json", "Route", "route-9"),
    "virtualNetworkPeerings": (NETWORK / "virtualNetwork.json", "VirtualNetworkPeering", "peering-9"),
    "managedClusters": (AKS, "ManagedCluster", "test-aks"),
}
RULE = {
    "protocol": "Tcp", "access": "Allow", "priority": 100, "direction": "Inbound", "sourceAddressPrefix": "*",
    "destinationAddressPrefix": "*", "sourcePortRange": "*", "destinationPortRange": "443",
}  # fmt: skip


def place(azure: Azure, kind: str) -> str:
    name = TYPES[kind][2]
    match kind:
        case "managedClusters":
            return f"{CLUSTERS}/{name}"
        case "subnets":
            return f"{SUBNETS}/{name}"
        case "virtualNetworkPeerings":
            return f"{SUBNETS.removesuffix('/subnets')}/{kind}/{name}"
        case "securityRules":
            return f"{azure.path('networkSecurityGroups', 'nsg-9')}/{kind}/{name}"
        case "routes":
            return f"{azure.path('routeTables', 'table-9')}/{kind}/{name}"
    return azure.path(kind, name)


def body_of(azure: Azure, kind: str) -> dict[str, Any]:
    """What makes such a resource, or changes nothing of the one that is there."""
    here: dict[str, Any] = {"location": "westeurope"}
    match kind:
        case "virtualNetworkGateways" | "managedClusters":
            body: dict[str, Any] = azure.call("GET", place(azure, kind)).json()
            return body
        case "connections":
            return connection(azure)
        case "localNetworkGateways":
            return lng()
        case "publicIPAddresses":
            return PIP
        case "virtualNetworks":
            return {**here, "properties": {"addressSpace": {"addressPrefixes": ["10.99.0.0/16"]}}}
        case "subnets":
            return {"properties": {"addressPrefix": "10.60.200.0/24"}}
        case "securityRules":
            return {"properties": RULE}
        case "routes":
            return {"properties": {"addressPrefix": "10.98.0.0/16", "nextHopType": "None"}}
        case "virtualNetworkPeerings":
            remote = azure.path("virtualNetworks", "vnet-9")
            return {"properties": {"remoteVirtualNetwork": {"id": remote}}}
    return {**here, "properties": {}}


def values(schema: Schema, depth: int = 0) -> Iterator[Any]:
    """Values of each property within, one at a time, as paths of one property each."""
    if depth > 6:
        return
    if schema.fields:
        for name, inner in schema.fields.items():
            if name in schema.read_only or name.lower() in READ_ONLY:
                continue
            for value in values(inner, depth + 1):
                yield {name: value}
    elif schema.kind == "array":
        for value in values(schema.items, depth + 1):
            yield [value]
    elif schema.kind == "boolean":
        yield True
    elif schema.kind in ("integer", "number"):
        yield 17
    elif schema.kind == "object":
        yield {"sandbox": "x"}
    elif schema.kind == "string":
        yield from schema.text.get("enum", ["sandbox"])[-1:]


def with_property(body: Any, change: Any) -> Any:
    """A body with one property more, or another value of one that it has."""
    if isinstance(body, dict) and isinstance(change, dict):
        (name,) = change
        return {**body, name: with_property(body.get(name), change[name])}
    if isinstance(body, list) and body and isinstance(change, list):
        return [with_property(body[0], change[0]), *body[1:]]
    return change


def told(change: Any) -> str:
    path = ""
    while isinstance(change, dict | list) and change:
        if isinstance(change, dict):
            name = next(iter(change))
            path, change = f"{path}.{name}", change[name]
        else:
            path, change = f"{path}[]", change[0]
    return path.lstrip(".")


def changes(kind: str) -> list[Any]:
    file, definition, _ = TYPES[kind]
    if not file.exists():
        return []
    schema = schema_at(file.resolve(), f"#/definitions/{definition}")
    return [c for c in values(schema) if next(iter(c)) not in ("location", "tags")]


@pytest.mark.specification(
    "Every property of each type, sent alone, is read back as it was sent, or the request is refused: none is dropped"
)
@pytest.mark.parametrize("kind", TYPES)
def test_no_property_is_dropped_in_silence(built: Azure, kind: str) -> None:
    for needed in ("virtualNetworks", "networkSecurityGroups", "routeTables", kind):
        if needed != kind or kind not in ("virtualNetworkGateways", "managedClusters", "connections"):
            made = built.call("PUT", place(built, needed), body_of(built, needed))
            assert made.status_code in (200, 201), made.text
            built.advance(120)
    sent, kept, silent = 0, 0, []
    for change in changes(kind):
        body = with_property(body_of(built, kind), change)
        api = "2024-02-01" if kind == "managedClusters" else "2024-01-01"
        answer = built.call("PUT", place(built, kind), body, api=api)
        built.advance(3000)
        sent += 1
        if answer.status_code >= 400:
            assert answer.status_code < 500, (told(change), answer.text)
            continue
        kept += 1
        found = built.call("GET", place(built, kind), api=api).json()
        silent += [f"{told(change)}: {path}" for path in dropped(without_secrets(change), found)]
        back = built.call("PUT", place(built, kind), body_of(built, kind), api=api)
        built.advance(3000)
        assert back.status_code < 400 or back.status_code == 400, back.text
    assert silent == []
    assert kept > 0, (sent, kept)
