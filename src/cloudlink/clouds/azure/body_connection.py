"""Bodies of local network gateways and connections, see ``body``."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from cloudlink.clouds.azure.body import Body, body_of, rest_of
from cloudlink.clouds.azure.parse_ipsec import azure_ipsec_policy
from cloudlink.clouds.azure.parse_pieces import Json, as_map, properties
from cloudlink.clouds.malformed import parsing
from cloudlink.ipsec import IpsecPolicy
from cloudlink.secret import Secret

# What Azure tells of a connection at work.
_MEASURED = (
    "connectionStatus",
    "tunnelConnectionStatus",
    "ingressBytesTransferred",
    "egressBytesTransferred",
    "packetCaptureDiagnosticState",
)


@parsing("Azure's local network gateways")
def local_gateway(
    there: Json | None,
    *,
    location: str,
    tags: dict[str, str],
    address: IPv4Address | None,
    asn: int,
    peer: IPv4Address | None,
    prefixes: Iterable[IPv4Network],
) -> Body:
    """A name in place of the address (fqdn) is not written back: it takes one or the other."""
    bgp = rest_of(as_map(properties(there).get("bgpSettings")))
    changed = {
        "gatewayIpAddress": str(address),
        "bgpSettings": {**bgp, "asn": asn, "bgpPeeringAddress": str(peer)},
        "localNetworkAddressSpace": {"addressPrefixes": [str(p) for p in sorted(prefixes)]},
    }
    return body_of(there, changed, "fqdn", location=location, tags=tags)


@parsing("Azure's connections")
def connection(
    there: Json | None,
    *,
    location: str,
    tags: dict[str, str],
    type_: str,
    protocol: str,
    gateway: str,
    local_gateway: str,
    bgp: bool,
    key: Secret,
    mode: str,
    policy: IpsecPolicy,
    policy_selectors: bool,
    bgp_addresses: Iterable[tuple[str, IPv4Address | None]],
) -> Body:
    """gateway, local_gateway: ids. bgp_addresses: (name of the ipConfiguration, inside address)."""
    held: dict[str, Any] = {
        "connectionType": type_,
        "connectionProtocol": protocol,
        "virtualNetworkGateway1": {"id": gateway, "properties": {}},
        "localNetworkGateway2": {"id": local_gateway, "properties": {}},
        "enableBgp": bgp,
        "sharedKey": key.reveal(),
        "connectionMode": mode,
        "dpdTimeoutSeconds": policy.dpd_timeout,
        "usePolicyBasedTrafficSelectors": policy_selectors,
        "trafficSelectorPolicies": [],
        "ipsecPolicies": [azure_ipsec_policy(policy)],
        "gatewayCustomBgpIpAddresses": [
            {"ipConfigurationId": f"{gateway}/ipConfigurations/{name}", "customBgpIpAddress": str(address)}
            for name, address in bgp_addresses
        ],
    }
    if there is None:
        held["routingWeight"] = 0
    return body_of(there, held, *_MEASURED, location=location, tags=tags)


def shared_key(key: Secret) -> Body:
    """For the key alone."""
    return {"value": key.reveal()}
