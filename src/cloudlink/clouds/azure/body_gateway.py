"""The body of a VPN gateway, see ``body``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, cast

from cloudlink.clouds.azure.body import Body, body_of, rest_of
from cloudlink.clouds.azure.parse_pieces import Json, as_list, as_map, id_of, properties
from cloudlink.clouds.malformed import parsing


@dataclass(frozen=True)
class InstanceSettings:
    """The wanted settings of one instance of the gateway."""

    config: str  # id of its ipConfiguration, in lower case; empty: it has none yet
    name: str  # of an ipConfiguration that is new
    public_ip: str  # id
    addresses: tuple[IPv4Address, ...]  # inside addresses


@parsing("Azure's gateways")
def gateway(
    there: Json | None,
    *,
    id_: str,
    location: str,
    tags: dict[str, str],
    type_: str,
    routing: str,
    sku: str,
    active_active: bool,
    bgp: bool,
    asn: int,
    subnet: str,
    instances: Sequence[InstanceSettings],
) -> Body:
    """bgpPeeringAddress is left out: Azure refuses to change it, and gives it itself.

    The ipConfigurations' ids name children of the gateway that is being made; Azure accepts that. Others' are a
    third one, which point-to-site needs on an active-active gateway.
    """
    held = properties(there)
    old_bgp = as_map(held.get("bgpSettings"))
    old = {id_of(c).lower(): c for c in as_list(held.get("ipConfigurations"))}
    ours = {i.config for i in instances}
    configs, peering = [], []
    for instance in instances:
        config = old.get(instance.config) or {}
        name = str(config.get("name") or instance.name)
        settings = {
            "privateIPAllocationMethod": "Dynamic",
            **rest_of(properties(config), "privateIPAddress"),
            "publicIPAddress": {"id": instance.public_ip},
            "subnet": {"id": subnet},
        }
        configs.append({"name": name, "properties": settings})
        addresses = [str(a) for a in instance.addresses]
        peering.append({"ipconfigurationId": f"{id_}/ipConfigurations/{name}", "customBgpIpAddresses": addresses})
    others = {key: c for key, c in old.items() if key not in ours}
    configs += [{"name": c["name"], "properties": rest_of(properties(c), "privateIPAddress")} for c in others.values()]
    peering += [
        rest_of(entry, "defaultBgpIpAddresses", "tunnelIpAddresses")
        for entry in as_list(old_bgp.get("bgpPeeringAddresses"))
        if str(entry.get("ipconfigurationId", "")).lower() in others
    ]
    changed = {
        "gatewayType": type_,
        "vpnType": routing,
        "sku": {"name": sku, "tier": sku},
        "activeActive": active_active,
        "enableBgp": bgp,
        "ipConfigurations": configs,
        "bgpSettings": {**rest_of(old_bgp, "bgpPeeringAddress"), "asn": asn, "bgpPeeringAddresses": peering},
    }
    own = ["inboundDnsForwardingEndpoint", "packetCaptureDiagnosticState", "isMigrateToCSES"]
    if str(as_map(held.get("sku")).get("name") or "") != sku:
        own.append("vpnGatewayGeneration")  # it goes with the SKU
    return body_of(there, changed, *own, location=location, tags=tags)


# What Azure says of a gateway and lets nobody set, beside what ``_without`` leaves out everywhere.
_SAID = ("name", "type", "systemData")
_SAID_OF_IT = ("inboundDnsForwardingEndpoint", "vpnClientConnectionHealth")
_SAID_OF_INSTANCES = ("defaultBgpIpAddresses", "tunnelIpAddresses")


@parsing("Azure's gateways")
def with_inside_addresses(there: Json, wanted: Mapping[str, Sequence[IPv4Address]]) -> Body:
    """Somebody else's gateway as it was read, with other inside addresses and not a letter else changed: what this program
    does not know of it goes back as it came. Only what its specification calls read-only is not sent.

    wanted: id of an ipConfiguration, in lower case -> all its inside addresses; others keep theirs.
    """
    body: Body = {k: v for k, v in _without(there).items() if k not in _SAID}
    held: Body = body["properties"]
    for name in _SAID_OF_IT:
        held.pop(name, None)
    cast(Body, as_map(held.get("sku"))).pop("capacity", None)
    for entry in as_list(as_map(held.get("bgpSettings")).get("bgpPeeringAddresses")):
        own = cast(Body, entry)
        for name in _SAID_OF_INSTANCES:
            own.pop(name, None)
        addresses = wanted.get(str(own.get("ipconfigurationId") or "").lower())
        if addresses is not None:
            own["customBgpIpAddresses"] = [str(a) for a in addresses]
    return body


def _without(value: Any) -> Any:
    """A copy without what Azure says of each object and part of one."""
    if isinstance(value, Mapping):
        return {k: _without(v) for k, v in value.items() if k not in ("etag", "provisioningState", "resourceGuid")}
    return [_without(v) for v in value] if isinstance(value, list | tuple) else value
