"""What a request said that its answer does not: a property is kept and shown, or the request is refused.

https://learn.microsoft.com/azure/azure-resource-manager/management/overview says that a PUT replaces a resource; Azure keeps
every property of its specification. Each type of the sandbox keeps those that it knows; what is left over is found here, by
comparing the request with what would be answered to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cloudlink_sandbox.azure.exchange import Json

# Said by Azure alone: clients send them back as they read them, and Azure looks at none of them.
READ_ONLY = frozenset(
    name.lower()
    for name in [
        "id",
        "type",
        "name",
        "etag",
        "provisioningState",
        "resourceGuid",
        "resourceUID",
        "powerState",
        "systemData",
        "createdAt",
        "managedBy",
        "principalId",
        "tenantId",
        "clientId",
        "objectId",
        "fqdn",
        "privateFQDN",
        "azurePortalFQDN",
        "currentKubernetesVersion",
        "nodeImageVersion",
        "currentOrchestratorVersion",
        "connectionStatus",
        "ingressBytesTransferred",
        "egressBytesTransferred",
        "tunnelConnectionStatus",
        "ipConfiguration",
        "subnets",
        "networkInterfaces",
        "defaultSecurityRules",
        "peeringState",
        "peeringSyncLevel",
        "remoteVirtualNetworkAddressSpace",
        "remoteAddressSpace",
        "remoteBgpCommunities",
        "remoteVirtualNetworkEncryption",
        "remoteGateways",
        "defaultBgpIpAddresses",
        "tunnelIpAddresses",
        "effectiveOutboundIPs",
        "vpnClientConnectionHealth",
        "flowLogs",
        "inboundDnsForwardingEndpoint",
        "resourceNavigationLinks",
        "serviceAssociationLinks",
        "privateEndpoints",
        "ipConfigurationProfiles",
        "purpose",
        "packetCaptureDiagnosticState",
        "isMigrateToCSES",
        "capacity",
        "maxAgentPools",
        "provisioningErrors",
        "scaleSetEvictionPolicy",
        "spotMaxPrice",
        "scaleSetPriority",
    ]
)


_NONE_IS_ZERO = (".osDiskSizeGB",)  # where 0 leaves the choice to Azure


def dropped(given: Any, shown: Any, path: str = "") -> Iterator[str]:
    """Paths of what was given and is not shown, or is shown otherwise.

    Nothing is missing of what says nothing: null, an empty list or object, false where no such property is shown.
    """
    if given is None or given == "" or (isinstance(given, dict | list) and not given):
        return
    if given == 0 and path.endswith(_NONE_IS_ZERO):
        return
    if isinstance(given, dict):
        if not isinstance(shown, dict):
            yield path
            return
        held = {k.lower(): v for k, v in shown.items()}
        for name, value in given.items():
            if name.lower() in READ_ONLY:
                continue
            here = f"{path}.{name}" if path else name
            if name.lower() in held:
                yield from dropped(value, held[name.lower()], here)
            elif value not in (None, False, "", [], {}):
                yield here
    elif isinstance(given, list):
        if not isinstance(shown, list):
            yield path
            return
        for index, item in enumerate(given):
            found = _partner(item, index, shown)
            if found is None:
                yield f"{path}[{index}]"
            else:
                yield from dropped(item, found, f"{path}[{index}]")
    elif not _same(given, shown):
        yield path


def _partner(item: Any, index: int, shown: list[Any]) -> Any:
    """The entry of a list that is meant: of the same name, equal, or at the same place."""
    if isinstance(item, dict) and "name" in item:
        named = (s for s in shown if isinstance(s, dict) and _same(s.get("name"), item["name"]))
        return next(named, None)
    if not isinstance(item, dict):
        return next((s for s in shown if _same(item, s)), None)
    return shown[index] if index < len(shown) else None


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one.lower().rstrip("/") == other.lower().rstrip("/")
    return bool(one == other)


# Taken and never shown again.
_SECRETS = frozenset(("sharedkey", "radiusserversecret", "secret", "adminpassword", "authorizationkey"))


def without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_secrets(v) for k, v in value.items() if k.lower() not in _SECRETS}
    return [without_secrets(v) for v in value] if isinstance(value, list) else value


def as_given(properties: Json, given: Json, names: tuple[str, ...]) -> Json:
    """The properties, with these as they were given."""
    found = {n: without_secrets(given[n]) for n in names if given.get(n) not in (None, [], {})}
    return {**properties, **found}
