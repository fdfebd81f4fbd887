"""The tunnels as Azure sees them: a local network gateway for each AWS tunnel end, and a connection to each.

One of each for every tunnel, because every AWS tunnel has a public address and an inside range of its own.
https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-howto-aws-bgp
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import ClassVar

from cloudlink.clouds.azure import body_connection, kinds, parse_connection
from cloudlink.clouds.azure.client import Json
from cloudlink.clouds.azure.parse_connection import address_or_none
from cloudlink.clouds.azure.parse_object import azure_object, find_named
from cloudlink.clouds.azure.parse_pieces import region
from cloudlink.core.polling import STEADY_DELETION
from cloudlink.core.resource import Node, Observed, Outputs, Phase, Started, Timing, built_on
from cloudlink.errors import MissingError
from cloudlink.ipsec import IpsecPolicy, for_azure
from cloudlink.link import Tunnel
from cloudlink.secret import Secret, UnseenSecret
from cloudlink.steps.azure_resource import AzureResource
from cloudlink.steps.outputs import (
    AwsTunnelEnd,
    AzureConnection,
    AzureGateway,
    LocalGateway,
    Nothing,
    ResourceGroup,
    VpnConnection,
    VpnGateway,
)
from cloudlink.steps.permissions import GROUP, NETWORK, rbac

# Everything that is written to the gateway or to a connection on it: Azure does one thing at a time there and answers
# 409 or 429 to a second one.
GATEWAY_SERIAL = "azure-gateway"


def _end(outputs: Outputs, vpn: Node[VpnConnection], tunnel: Tunnel, address: str) -> AwsTunnelEnd:
    try:
        return outputs[vpn].tunnel(tunnel.inside)
    except KeyError:
        raise MissingError(
            "AWS has no tunnel with this inside range",
            f"The VPN connection {outputs[vpn].id} has no tunnel with the inside range {tunnel.inside}, so that Azure's end "
            f"of {tunnel.name} has no counterpart.",
            f"aws ec2 describe-vpn-connections --vpn-connection-ids {outputs[vpn].id}",
            resource=address,
        ) from None


# --- local network gateways -------------------------------------------------------------------------------


@dataclass(frozen=True)
class LocalGatewaySpec:
    location: str
    address: IPv4Address | None  # AWS's public one
    asn: int
    bgp_peer: IPv4Address | None
    # empty, because routes come over BGP; Azure adds the route to the peer itself and would make a static route of
    # anything in it
    prefixes: frozenset[IPv4Network] = frozenset()


@dataclass(frozen=True, kw_only=True, eq=False)
class LocalGatewayResource(AzureResource[LocalGatewaySpec, LocalGateway]):
    """What Azure knows of one AWS tunnel end."""

    tunnel: Tunnel
    group: Node[ResourceGroup]
    vpn: Node[VpnConnection]
    aws_gateway: Node[VpnGateway]

    timing = Timing(create=11, update=30, delete=10, deadline=1800)
    permissions = rbac(f"{NETWORK}/localNetworkGateways", GROUP)
    immutable = frozenset({"location"})
    why_it_matters: ClassVar[Mapping[str, str]] = {
        "address": "Azure's tunnel leads to another address than AWS's end",
        "asn": "the BGP session needs AWS's number",
        "bgp_peer": "the BGP session needs AWS's inside address",
        "prefixes": "Azure makes static routes of them, which stay when the tunnel is down",
    }

    @property
    def name(self) -> str:
        return self.azure.name(f"local-gateway-{self.tunnel.index + 1}")

    def spec(self, outputs: Outputs) -> LocalGatewaySpec:
        return LocalGatewaySpec(
            location=region(self.link.azure.location),
            address=_end(outputs, self.vpn, self.tunnel, self.address).outside_ip,
            asn=outputs[self.aws_gateway].asn,
            bgp_peer=self.tunnel.aws_inside,
        )

    def raw(self, *, fresh: bool) -> Json | None:
        return find_named(self.azure.local_gateways(fresh=fresh), self.name)

    def parse_spec(self, raw: Json) -> LocalGatewaySpec:
        found = parse_connection.local_gateway(raw)
        return LocalGatewaySpec(
            location=found.location,
            address=address_or_none(found.address),
            asn=found.asn or 0,
            bgp_peer=address_or_none(found.peer),
            prefixes=frozenset(found.prefixes),
        )

    def parse_outputs(self, raw: Json) -> LocalGateway:
        return LocalGateway(parse_connection.local_gateway(raw).id)

    def put(self, spec: LocalGatewaySpec, tags: dict[str, str], there: Json | None) -> Started:
        body = body_connection.local_gateway(
            there,
            location=spec.location,
            tags=tags,
            address=spec.address,
            asn=spec.asn,
            peer=spec.bgp_peer,
            prefixes=spec.prefixes,
        )
        return self.azure.put_local_gateway(self.name, body)

    def remove(self) -> Started | None:
        return self.azure.delete_local_gateway(self.name)


# --- connections ------------------------------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class CustomAddress:
    """The inside address that one instance of the gateway uses on this connection."""

    instance: str  # its ipConfiguration
    address: IPv4Address | None

    def __str__(self) -> str:
        return f"{self.address or 'no address'} on {self.instance}"


@dataclass(frozen=True)
class ConnectionSpec:
    location: str
    type: str
    # gateway and local_gateway: ids in lower case
    gateway: str
    local_gateway: str
    protocol: str
    key: Secret  # AWS's; differing is drift and shows no value. One that may not be read differs from none
    policy: IpsecPolicy
    bgp: bool
    bgp_addresses: tuple[CustomAddress, ...]  # one for each instance
    mode: str = "Default"
    policy_selectors: bool = False  # off, because AWS's tunnels are route-based
    selectors: frozenset[str] = frozenset()  # none, for the same reason


@dataclass(frozen=True, kw_only=True, eq=False)
class ConnectionResource(AzureResource[ConnectionSpec, AzureConnection]):
    """Azure's end of one tunnel.

    A connection names an inside address for each of the two instances, although only one of them meets AWS: the
    customer gateway behind the AWS connection has that instance's public address alone. The other instance is given
    its own first address. Left out altogether, every connection would use the first address, and the second
    tunnel of each instance would carry no routes.
    """

    tunnel: Tunnel
    gateway: Node[AzureGateway] = built_on()
    local_gateway: Node[LocalGateway] = built_on()
    vpn: Node[VpnConnection]
    inside: Node[Nothing] | None = None  # the inside addresses on an adopted gateway

    # Assumption: an hour is enough. A connection begun while its gateway is updating was seen to take 35 minutes.
    timing = Timing(create=12, update=40, delete=60, deadline=3600, delete_pace=STEADY_DELETION)
    permissions = rbac(f"{NETWORK}/connections", GROUP)
    immutable = frozenset({"location", "type", "gateway", "local_gateway", "protocol"})
    why_it_matters: ClassVar[Mapping[str, str]] = {
        "mode": "Azure only opens the tunnel, or only waits for AWS to open it",
        "policy_selectors": "AWS's tunnels are route-based, so that the two sides do not agree on what passes",
        "selectors": "AWS's tunnels are route-based, so that the two sides do not agree on what passes",
        "bgp_addresses": "Azure speaks BGP from another address than the one that AWS expects",
        "bgp": "without BGP no routes are learned",
        "key": "the two ends have different keys",
    }
    serial = GATEWAY_SERIAL

    @property
    def name(self) -> str:
        return self.azure.name(f"connection-{self.tunnel.index + 1}")

    def spec(self, outputs: Outputs) -> ConnectionSpec:
        gateway = outputs[self.gateway]
        addresses = [
            CustomAddress(_config_name(instance.config_id), self._inside_address(i))
            for i, instance in enumerate(gateway.instances)
        ]
        return ConnectionSpec(
            location=region(self.link.azure.location),
            type="IPsec",
            gateway=gateway.id.lower(),
            local_gateway=outputs[self.local_gateway].id.lower(),
            protocol="IKEv2",
            key=_end(outputs, self.vpn, self.tunnel, self.address).psk,
            policy=for_azure(self.link.policy),
            bgp=True,
            bgp_addresses=tuple(sorted(addresses)),
        )

    def _inside_address(self, instance: int) -> IPv4Address:
        ends_here = instance == self.tunnel.vpn
        return (self.tunnel if ends_here else self.link.tunnels_of(instance)[0]).azure_inside

    def raw(self, *, fresh: bool) -> Json | None:
        return self.azure.connection(self.name, fresh=fresh)

    def parse_spec(self, raw: Json) -> ConnectionSpec:
        found = parse_connection.connection(raw)
        addresses = [CustomAddress(a.config_name, a.address) for a in found.bgp_addresses]
        return ConnectionSpec(
            location=found.location,
            type=found.type,
            gateway=found.gateway,
            local_gateway=found.local_gateway,
            protocol=found.protocol,
            key=found.key or UnseenSecret(),
            policy=found.policy,
            bgp=found.bgp,
            bgp_addresses=tuple(sorted(addresses, key=lambda a: a.instance)),
            mode=found.mode,
            policy_selectors=found.policy_selectors,
            selectors=found.selectors,
        )

    def parse_outputs(self, raw: Json) -> AzureConnection:
        return AzureConnection(azure_object(raw).id)

    def update(self, found: Observed[ConnectionSpec, AzureConnection], spec: ConnectionSpec) -> Started:
        """Where only the key differs, only the key is written.

        Both writes take about as long (some 40 s) and both make the tunnel agree on new keys. But the narrow one leaves
        the policy and the inside addresses untouched, so that BGP's side of a tunnel that works is not configured again.
        """
        before = found.spec
        key_alone = before is not None and before != spec and dataclasses.replace(before, key=spec.key) == spec
        if key_alone and found.phase is Phase.READY:  # a failed one is written whole
            return self.azure.put_shared_key(self.name, body_connection.shared_key(spec.key))
        return super().update(found, spec)

    def put(self, spec: ConnectionSpec, tags: dict[str, str], there: Json | None) -> Started:
        body = body_connection.connection(
            there,
            location=spec.location,
            tags=tags,
            type_=spec.type,
            protocol=spec.protocol,
            gateway=self.azure.gateway_id,
            local_gateway=self.azure.id(kinds.LOCAL_GATEWAY, self.azure.name(f"local-gateway-{self.tunnel.index + 1}")),
            bgp=spec.bgp,
            key=spec.key,
            mode=spec.mode,
            policy=spec.policy,
            policy_selectors=spec.policy_selectors,
            bgp_addresses=[(a.instance, a.address) for a in spec.bgp_addresses],
        )
        return self.azure.put_connection(self.name, body)

    def remove(self) -> Started | None:
        return self.azure.delete_connection(self.name)


def _config_name(id_: str) -> str:
    """The last part of an ipConfiguration's id: the gateway before it is another field of the spec."""
    return id_.rpartition("/")[2].lower()
