"""Azure's published OpenAPI specification as a check: of every answer of the sandbox's Azure Resource Manager, and of
every request that cloudlink sends to it.

The specification stands beside the project's folder and is not part of it. It has Microsoft.Network and AKS's managed
clusters; of subscriptions, groups, deployments and tags it says nothing, and nothing is said of them here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cloudlink_sandbox.faults import GARBAGE
from tests.conformance.exchanges import Exchange
from tests.conformance.openapi import Operation, Operations, Problem, Schema, schema_at

FOLDER = Path(__file__).parents[3] / "shared" / "azure-openapi"
NETWORK, AKS = (FOLDER / name for name in ("network-2024-01-01", "aks-2024-02-01"))
# Azure's front answers for the providers themselves, and the file of usages is not in the folder.
OURS = re.compile(
    r".*/providers/(microsoft\.network|microsoft\.containerservice)/"
    r"(?!.*/providers/)(?!(un)?register$)(?!locations/[^/]+/usages$)",
    re.IGNORECASE,
)
POLL = re.compile(r"/locations/[^/]+/operations/[^/]+$", re.IGNORECASE)
RESULT = re.compile(r"/locations/[^/]+/operationresults/[^/]+$", re.IGNORECASE)

# Where Azure itself departs from its specification: a recording shows each of these (test_conformance.py looks).
RECORDED = {
    "VirtualNetworkGatewayPropertiesFormat.packetCaptureDiagnosticState",
    "VirtualNetworkGatewayPropertiesFormat.isMigrateToCSES",
    "VirtualNetworkGatewayIPConfiguration.type",
    "VirtualNetworkGatewayConnectionPropertiesFormat.packetCaptureDiagnosticState",
    "VirtualNetworkGatewayConnectionPropertiesFormat.authenticationType",
    "VirtualNetworkGatewayConnectionListEntityPropertiesFormat.packetCaptureDiagnosticState",
    "VirtualNetworkGatewayConnectionListEntityPropertiesFormat.authenticationType",
    "VirtualNetworkGatewayConnectionListEntityPropertiesFormat.useLocalAzureIpAddress",
    "VirtualNetworkGatewayConnectionListEntityPropertiesFormat.dpdTimeoutSeconds",
    "SubnetPropertiesFormat.ipamPoolPrefixAllocations",
    "AzureAsyncOperationResult.properties",  # an empty object at the end of an action
    "VirtualNetworkGatewayConnections_SetSharedKey 200",  # no body
    "VirtualNetworkGatewayConnections_ResetSharedKey 200",  # the word null
}
# Other departures, with their reason.
ELSEWHERE = {
    "CloudErrorBody.additionalInfo": "Azure's front names the policies by which it refuses",
    "CloudErrorBody.subcode": "AKS names the cause of its flat errors so in other recordings",
    "CloudErrorBody.details": "AKS's flat errors carry null where there are none",
    "VirtualNetworkPropertiesFormat.privateEndpointVNetPolicies": "newer versions have it, and az and the SDK send it",
    "VirtualNetworkPeeringPropertiesFormat.routeServiceVips": "other recordings show it, empty",
    "VirtualNetworkPeeringPropertiesFormat.remoteGateways": "other recordings show the gateways of the remote network",
    "VirtualNetworkGatewayPropertiesFormat.vpnClientConnectionHealth": "other recordings show it once clients may connect",
    "AddressSpace.ipamPoolPrefixAllocations": "other recordings show it, empty, since version 2023-11-01",
    "BgpPeerStatus.connectedDuration": "other recordings show null for a peer that is not connected",
}
# Children of a VNet that a PUT must not take away go along as they were read; recorded requests send such fields, too.
CHILDREN = ("$.properties.subnets[]", "$.properties.virtualNetworkPeerings[]")
# AKS's operations have more than a status; the specification is silent on them.
AKS_POLL = {"name", "startTime", "endTime"}


def present() -> bool:
    return FOLDER.is_dir()


@cache
def operations() -> Operations:
    return Operations(NETWORK, AKS)


@cache
def _definition(name: str) -> Schema:
    return schema_at((NETWORK / "network.json").resolve(), f"#/definitions/{name}")


# Their files are not among those that are kept here: the SDK's models judge circuits, in tests/sandbox/test_wires.py, and
# rules of network managers, in tests/sandbox/azure/test_admin_rules.py; recordings the DNS resolvers, in
# tests/sandbox/azure/test_azure_dns_resolvers.py.
NOT_IN_THE_COPY = re.compile(
    "/(expressRouteCircuits|dnsResolver|dnsForwardingRuleset|listDns|privateDnsZones|listNetworkManager)", re.IGNORECASE
)


class AzureSpecificationCheck:
    """Looks at exchanges in their order: the result of an operation is checked against the request that began it."""

    def __init__(self) -> None:
        self._begun: dict[str, Operation] = {}

    def check(self, seen: Exchange) -> list[str]:
        """What is wrong with an exchange, one line each; empty for one that is right or that is not Azure's."""
        if (
            not OURS.match(seen.path)
            or NOT_IN_THE_COPY.search(seen.path)
            or "api-version" not in seen.query
            or seen.answer == GARBAGE
        ):
            return []
        operation = operations().find(seen.method, seen.path)
        found = [*self._answer(seen, operation), *(_request(seen, operation) if operation else ())]
        if operation is not None and "location" in seen.answered:
            self._begun[urlsplit(seen.answered["location"]).path] = operation
        name = operation.id if operation else seen.path
        return [
            f"{seen.method} {name}, {seen.status}: {p}" for p in found if p.field not in RECORDED | ELSEWHERE.keys()
        ]

    def _answer(self, seen: Exchange, operation: Operation | None) -> Iterator[Problem]:
        try:
            body = json.loads(seen.answer) if seen.answer else ...
        except ValueError:
            yield Problem("$", f"is no JSON: {seen.answer[:80]!r}")
            return
        if seen.status >= 400:
            yield from _error(seen, body)
        elif POLL.search(seen.path):
            if isinstance(body, dict) and "containerservice" in seen.path.lower():
                body = {name: value for name, value in body.items() if name not in AKS_POLL}
            yield from _definition("AzureAsyncOperationResult").problems(body)
        elif RESULT.search(seen.path):
            begun = self._begun.get(urlsplit(seen.uri).path)
            if begun is not None:
                yield from _documented(seen, begun, body)
        elif operation is None:
            yield Problem("", "the specification has no such operation")
        else:
            yield from _documented(seen, operation, body)
            if operation.polled_at not in seen.answered and operation.polled_at and seen.status in (201, 202):
                yield Problem("", f"has no {operation.polled_at}, and takes long")
            if operation.list_of and operation.list_of not in (body if isinstance(body, dict) else ()):
                yield Problem(f"$.{operation.list_of}", "is missing in a list")


def _documented(seen: Exchange, operation: Operation, body: Any) -> Iterator[Problem]:
    if str(seen.status) not in operation.answers:
        yield Problem("", f"the specification knows {', '.join(operation.answers)} only")
        return
    schema, case = operation.answers[str(seen.status)], f"{operation.id} {seen.status}"
    if schema is None:
        if body not in (..., None):  # recorded: the word null stands for no body
            yield Problem("$", "the specification has no body here", case)
    elif body in (..., None):
        yield Problem("$", "the specification has a body here", case)
    else:
        yield from schema.problems(body)


def _error(seen: Exchange, body: Any) -> Iterator[Problem]:
    """AKS's own errors have no envelope (recorded); those of the gateway before it do."""
    flat = "containerservice" in seen.path.lower() and isinstance(body, dict) and "error" not in body
    schema = _definition("CloudErrorBody") if flat else _definition("CloudError")
    if body is ...:
        yield Problem("$", "an error has a body")
        return
    yield from schema.problems(body)
    said = body if flat else body.get("error") if isinstance(body, dict) else None
    if not isinstance(said, dict) or not said.get("message"):
        yield Problem("$.error.message", "an error says what is wrong")


def _request(seen: Exchange, operation: Operation) -> Iterator[Problem]:
    """Of cloudlink's own requests. What other clients send is their business, and tests send wrong things on purpose."""
    if "cloudlink/" not in seen.asked.get("user-agent", "") or operation.body is None:
        return
    for problem in operation.body.problems(json.loads(seen.body or b"null"), asked=True):
        if problem.what.startswith("is read-only") and problem.where.startswith(CHILDREN):
            continue
        yield Problem(f"request {problem.where}", problem.what, problem.field)
