"""Bodies of DNS resolvers, forwarding rulesets and what they hold, see ``body``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network

from cloudlink.clouds.azure.body import Body, body_of
from cloudlink.clouds.azure.body_network import same_subnet
from cloudlink.clouds.azure.parse_dns import Server
from cloudlink.clouds.azure.parse_pieces import Json
from cloudlink.clouds.malformed import parsing

DELEGATED_TO = "Microsoft.Network/dnsResolvers"


_DELEGATION: Json = {"name": "dnsResolvers", "properties": {"serviceName": DELEGATED_TO}}


def delegated_subnet(prefix: IPv4Network) -> Body:
    return {"properties": {"addressPrefix": str(prefix), "delegations": [_DELEGATION]}}


@parsing("Azure's DNS resolvers")
def same_delegated_subnet(there: Json) -> Body:
    """A resolver's subnet as it is, with whatever others have put on it, and delegated."""
    body = same_subnet(there)
    if not body["properties"].get("delegations"):
        body["properties"]["delegations"] = [_DELEGATION]
    return body


@parsing("Azure's DNS resolvers")
def resolver(there: Json | None, *, location: str, tags: dict[str, str], vnet_id: str) -> Body:
    changed = {"virtualNetwork": {"id": vnet_id}}
    return body_of(there, changed, "dnsResolverState", location=location, tags=tags)


@parsing("Azure's DNS resolvers")
def outbound_endpoint(there: Json | None, *, location: str, tags: dict[str, str], subnet_id: str) -> Body:
    return body_of(there, {"subnet": {"id": subnet_id}}, location=location, tags=tags)


@parsing("Azure's DNS resolvers")
def inbound_endpoint(
    there: Json | None, *, location: str, tags: dict[str, str], subnet_id: str, address: IPv4Address
) -> Body:
    config = {"subnet": {"id": subnet_id}, "privateIpAllocationMethod": "Static", "privateIpAddress": str(address)}
    return body_of(there, {"ipConfigurations": [config]}, location=location, tags=tags)


@parsing("Azure's DNS resolvers")
def ruleset(there: Json | None, *, location: str, tags: dict[str, str], endpoint_id: str) -> Body:
    changed = {"dnsResolverOutboundEndpoints": [{"id": endpoint_id}]}
    return body_of(there, changed, location=location, tags=tags)


def ruleset_link(vnet_id: str, marks: Mapping[str, str]) -> Body:
    return {"properties": {"virtualNetwork": {"id": vnet_id}, "metadata": dict(marks)}}


def rule(domain: str, servers: Iterable[Server], marks: Mapping[str, str]) -> Body:
    targets = [{"ipAddress": str(s.address), "port": s.port} for s in servers]
    held = {"domainName": f"{domain}.", "targetDnsServers": targets, "forwardingRuleState": "Enabled"}
    return {"properties": {**held, "metadata": dict(marks)}}


# --- private zones: cloudlink writes none; the sandbox's description of a world has them


def private_zone() -> Body:
    return {"location": "global"}


def zone_link(vnet_id: str) -> Body:
    return {**private_zone(), "properties": {"virtualNetwork": {"id": vnet_id}, "registrationEnabled": False}}


def address_record(address: str, ttl: int = 10) -> Body:
    return {"properties": {"ttl": ttl, "aRecords": [{"ipv4Address": address}]}}
