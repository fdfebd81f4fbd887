"""One active-active VPN gateway with BGP."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from ipaddress import IPv4Address

from cloudlink.clouds.azure import body_gateway, kinds, parse_gateway, parse_network
from cloudlink.clouds.azure.body_gateway import InstanceSettings
from cloudlink.clouds.azure.client import GATEWAY_SUBNET, Json
from cloudlink.clouds.azure.parse_gateway import Gateway, GatewayConfig
from cloudlink.clouds.azure.parse_object import find_named
from cloudlink.clouds.azure.parse_pieces import region
from cloudlink.core.permissions import Permission
from cloudlink.core.resource import Node, Outputs, Started, Timing, built_on
from cloudlink.errors import ConflictError, CredentialsError
from cloudlink.steps.azure_resource import AzureResource
from cloudlink.steps.azure_vpn.connections import GATEWAY_SERIAL
from cloudlink.steps.azure_vpn.gateway_subnet import MADE_SUBNET_TAG
from cloudlink.steps.azure_vpn.public_ips import INSTANCES, public_ip_name
from cloudlink.steps.outputs import (
    AzureGateway,
    GatewayInstance,
    GatewaySubnet,
    PublicIp,
)
from cloudlink.steps.permissions import GROUP, JOIN_SUBNET, NETWORK, rbac


@dataclass(frozen=True)
class GatewaySpec:
    """Ids in lower case."""

    location: str
    type: str
    routing: str
    sku: str
    active_active: bool
    bgp: bool
    asn: int
    subnet: str
    # public_ips and bgp_addresses: of instance 0 and 1; the latter are Azure's inside addresses
    public_ips: tuple[str, ...]
    bgp_addresses: tuple[tuple[IPv4Address, ...], ...]
    made_subnet: bool  # written down on the gateway, see MADE_SUBNET_TAG


@dataclass(frozen=True, kw_only=True, eq=False)
class GatewayResource(AzureResource[GatewaySpec, AzureGateway]):
    """The VPN gateway: route-based, active-active, with BGP. Making it takes 20 to 75 minutes.

    Which instance has which public address is read back from ``tunnelIpAddresses``; neither the order of lists nor the
    names of ipConfigurations say it.
    """

    subnet: Node[GatewaySubnet] = built_on()
    public_ips: tuple[Node[PublicIp], Node[PublicIp]] = built_on()

    timing = Timing(create=1400, update=150, delete=420, deadline=5400, create_spread=(0.58, 1.45))
    permissions = rbac(
        f"{NETWORK}/virtualNetworkGateways",
        GROUP,
        Permission(f"{NETWORK}/publicIPAddresses/join/action", GROUP),
        JOIN_SUBNET,
    )
    immutable = frozenset({"location", "type", "routing", "subnet", "public_ips"})
    serial = GATEWAY_SERIAL

    @property
    def name(self) -> str:
        return self.azure.name("gateway")

    def spec(self, outputs: Outputs) -> GatewaySpec:
        side, subnet = self.link.azure, outputs[self.subnet]
        return GatewaySpec(
            location=region(side.location),
            type="Vpn",
            routing="RouteBased",
            sku=side.sku,
            active_active=True,
            bgp=True,
            asn=side.asn,
            subnet=subnet.id.lower(),
            public_ips=tuple(outputs[ip].id.lower() for ip in self.public_ips),
            bgp_addresses=tuple(tuple(sorted(t.azure_inside for t in self.link.tunnels_of(i))) for i in INSTANCES),
            made_subnet=subnet.owned,
        )

    def raw(self, *, fresh: bool) -> Json | None:
        return self.azure.gateway(fresh=fresh)

    def parse_spec(self, raw: Json) -> GatewaySpec:
        found = parse_gateway.gateway(raw)
        configs = [self._config(found, i) for i in INSTANCES]
        return GatewaySpec(
            location=found.location,
            type=found.type,
            routing=found.routing,
            sku=found.sku,
            active_active=found.active_active,
            bgp=found.bgp,
            asn=found.asn or 0,
            subnet=", ".join(sorted({c.subnet for c in configs if c})),
            public_ips=tuple(c.public_ip if c else "" for c in configs),
            bgp_addresses=tuple(tuple(sorted(found.addresses_of(c.key).custom)) if c else () for c in configs),
            made_subnet=found.tags.get(MADE_SUBNET_TAG) == "true",
        )

    def parse_outputs(self, raw: Json) -> AzureGateway | None:
        """Known when the gateway has succeeded: before that Azure does not say which instance has which address."""
        found = parse_gateway.gateway(raw)
        if found.state.lower() != "succeeded":
            return None
        instances = []
        for i in INSTANCES:
            address, config = self._public_address(i), self._config(found, i)
            if config is None or address is None or address not in found.addresses_of(config.key).public:
                return None
            instances.append(GatewayInstance(config.id, address))
        return AzureGateway(found.id, found.asn or 0, tuple(instances))

    def create(self, spec: GatewaySpec) -> Started:
        """Raises ConflictError when the VNet has a VPN gateway already: Azure would find out only after minutes."""
        if others := self._others():
            raise ConflictError(
                "The VNet already has a VPN gateway",
                f"A VNet holds one VPN gateway, and {self.link.azure.vnet} has {', '.join(others)}.",
                f"If it is not needed: az network vnet-gateway delete --ids {shlex.quote(others[0])}\n"
                "Otherwise name another VNet in azure.vnet, peered with this one with gateway transit.",
                resource=self.address,
            )
        return super().create(spec)

    def _others(self) -> list[str]:
        """Empty also where a gateway that is there may not be read: ExpressRoute's, say, in the group of the network's team. Then
        Azure itself refuses a second VPN gateway."""
        try:
            return self.azure.other_vpn_gateways()
        except Exception as error:
            if not isinstance(self.azure.translate(error), CredentialsError):
                raise
            return []

    def put(self, spec: GatewaySpec, tags: dict[str, str], there: Json | None) -> Started:
        """Raises ConflictError for what a write would lose because no read shows it."""
        found = parse_gateway.gateway(there) if there else None
        self._refuse_to_lose(found)
        tags = {k: v for k, v in tags.items() if k != MADE_SUBNET_TAG}
        if spec.made_subnet:
            tags[MADE_SUBNET_TAG] = "true"
        body = body_gateway.gateway(
            there,
            id_=self.azure.id(kinds.GATEWAY, self.name),
            location=spec.location,
            tags=tags,
            type_=spec.type,
            routing=spec.routing,
            sku=spec.sku,
            active_active=spec.active_active,
            bgp=spec.bgp,
            asn=spec.asn,
            subnet=f"{self.azure.vnet_id}/subnets/{GATEWAY_SUBNET}",
            instances=[self._settings(found, i, spec.bgp_addresses[i]) for i in INSTANCES],
        )
        return self.azure.put_gateway(body)

    def _settings(self, found: Gateway | None, instance: int, addresses: tuple[IPv4Address, ...]) -> InstanceSettings:
        config = self._config(found, instance) if found else None
        public_ip = self.azure.id(kinds.PUBLIC_IP, public_ip_name(self.azure, instance))
        return InstanceSettings(config.key if config else "", f"instance{instance}", public_ip, addresses)

    def _refuse_to_lose(self, found: Gateway | None) -> None:
        """Azure never shows the secret of a RADIUS server, and a PUT without it takes it away from the people who sign
        in by it. Raises ConflictError."""
        if found is not None and found.has_radius:
            raise ConflictError(
                "The gateway has settings that cloudlink cannot write back",
                f"Somebody has set up point-to-site with a RADIUS server on {self.name}. Azure does not show its secret, so "
                "that any change of the gateway by cloudlink would delete it. The gateway is left as it is.",
                "Make the change that the plan shows in the portal, which asks for the secret, then run the command again.",
                resource=self.address,
            )

    def remove(self) -> Started | None:
        """Raises ConflictError while connections of others are on it: Azure would refuse, and waiting does not help."""
        prefix = self.azure.name("connection-").lower()
        connections = parse_gateway.gateway_connections(self.azure.gateway_connections())
        others = [c.id for c in connections if not c.name.lower().startswith(prefix)]
        if others:
            raise ConflictError(
                "The gateway has connections that are not cloudlink's",
                f"It is kept, because they would go down with it: {', '.join(sorted(others))}.",
                f"If they are not needed: az network vpn-connection delete --ids {shlex.join(sorted(others))}",
                resource=self.address,
            )
        return self.azure.delete_gateway()

    def _public_address(self, instance: int) -> IPv4Address | None:
        raw = find_named(self.azure.public_ips(), public_ip_name(self.azure, instance))
        return parse_network.public_ip(raw).address if raw else None

    def _config(self, found: Gateway, instance: int) -> GatewayConfig | None:
        """The ipConfiguration of an instance: the one that tunnels with its public address, or, as long as Azure does not
        say that yet, the one that was given its public IP."""
        address = self._public_address(instance)
        for entry in found.addresses:
            if address and address in entry.public:
                return found.config(entry.config)
        wanted = self.azure.id(kinds.PUBLIC_IP, public_ip_name(self.azure, instance)).lower()
        return next((c for c in found.configs if c.public_ip == wanted), None)
