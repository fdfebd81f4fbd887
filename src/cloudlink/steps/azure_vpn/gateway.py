"""One active-active VPN gateway with BGP."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from ipaddress import IPv4Address

from cloudlink.clouds.azure.client import GATEWAY_SUBNET, Json
from cloudlink.clouds.malformed import parsing
from cloudlink.core.resource import Node, Outputs, Started, Timing, built_on
from cloudlink.errors import ConflictError
from cloudlink.steps.azure_vpn.connections import GATEWAY_SERIAL
from cloudlink.steps.azure_vpn.network import (
    MADE_SUBNET_TAG,
)
from cloudlink.steps.azure_vpn.public_ips import INSTANCES, public_ip_name
from cloudlink.steps.azure_vpn.resource import (
    AzureResource,
    body_of,
    location,
    named,
    properties,
    reference,
    rest_of,
    state,
)
from cloudlink.steps.outputs import (
    AzureGateway,
    GatewayInstance,
    GatewaySubnet,
    PublicIp,
)


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

    timing = Timing(create=1400, update=150, delete=420, deadline=5400)
    immutable = frozenset({"location", "type", "routing", "subnet", "public_ips"})
    serial = GATEWAY_SERIAL

    @property
    def name(self) -> str:
        return self.azure.name("gateway")

    def spec(self, outputs: Outputs) -> GatewaySpec:
        side, subnet = self.link.azure, outputs[self.subnet]
        return GatewaySpec(
            location=location(side.location),
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
        held = properties(raw)
        configs = [self._config(raw, i) for i in INSTANCES]
        peering = _peering(raw)
        custom = [peering.get(reference(c), {}).get("customBgpIpAddresses") or () for c in configs]
        subnets = {reference(properties(c).get("subnet")) for c in configs if c}
        return GatewaySpec(
            location=location(raw.get("location")),
            type=str(held.get("gatewayType") or ""),
            routing=str(held.get("vpnType") or ""),
            sku=str((held.get("sku") or {}).get("name") or ""),
            active_active=bool(held.get("activeActive")),
            bgp=bool(held.get("enableBgp")),
            asn=int((held.get("bgpSettings") or {}).get("asn") or 0),
            subnet=", ".join(sorted(subnets)),
            public_ips=tuple(reference(properties(c).get("publicIPAddress")) for c in configs),
            bgp_addresses=tuple(tuple(sorted(IPv4Address(a) for a in addresses)) for addresses in custom),
            made_subnet=(raw.get("tags") or {}).get(MADE_SUBNET_TAG) == "true",
        )

    def parse_outputs(self, raw: Json) -> AzureGateway | None:
        """Known when the gateway has succeeded: before that Azure does not say which instance has which address."""
        if state(raw).lower() != "succeeded":
            return None
        instances = []
        for i in INSTANCES:
            address = self._public_address(i)
            config = self._config(raw, i)
            if config is None or address not in (
                _peering(raw).get(reference(config), {}).get("tunnelIpAddresses") or ()
            ):
                return None
            instances.append(GatewayInstance(str(config["id"]), IPv4Address(address)))
        return AzureGateway(str(raw["id"]), int(properties(raw)["bgpSettings"]["asn"]), tuple(instances))

    def create(self, spec: GatewaySpec) -> Started:
        """Raises ConflictError when the VNet has a VPN gateway already: Azure would find out only after minutes."""
        if others := self.azure.other_vpn_gateways():
            raise ConflictError(
                "The VNet already has a VPN gateway",
                f"A VNet holds one VPN gateway, and {self.link.azure.vnet} has {', '.join(others)}.",
                f"If it is not needed: az network vnet-gateway delete --ids {shlex.quote(others[0])}\n"
                "Otherwise name another VNet in azure.vnet, peered with this one with gateway transit.",
                resource=self.address,
            )
        return super().create(spec)

    def put(self, spec: GatewaySpec, tags: dict[str, str], there: Json | None) -> Started:
        """bgpPeeringAddress is left out: Azure refuses to change it, and gives it itself.

        The ipConfigurations' ids name children of the gateway that is being made; Azure accepts that. Others' are a
        third one, which point-to-site needs on an active-active gateway. Raises ConflictError for what a write would
        lose because no read shows it.
        """
        self._refuse_to_lose(there)
        id_ = self.azure.id("virtualNetworkGateways", self.name)
        configs, peering = [], []
        ours: set[str] = set()
        for i in INSTANCES:
            old = self._config(there, i) or {}
            ours.add(reference(old))
            name = str(old.get("name") or f"instance{i}")
            public_ip = self.azure.id("publicIPAddresses", public_ip_name(self.azure, i))
            held = {
                "privateIPAllocationMethod": "Dynamic",
                **rest_of(properties(old), "privateIPAddress"),
                "publicIPAddress": {"id": public_ip},
                "subnet": {"id": f"{self.azure.vnet_id}/subnets/{GATEWAY_SUBNET}"},
            }
            configs.append({"name": name, "properties": held})
            addresses = [str(a) for a in spec.bgp_addresses[i]]
            peering.append({"ipconfigurationId": f"{id_}/ipConfigurations/{name}", "customBgpIpAddresses": addresses})
        others = [c for c in properties(there).get("ipConfigurations") or [] if reference(c) not in ours]
        configs += [{"name": c["name"], "properties": rest_of(properties(c), "privateIPAddress")} for c in others]
        peering += [
            rest_of(entry, "defaultBgpIpAddresses", "tunnelIpAddresses")
            for id_of_config, entry in _peering(there).items()
            if id_of_config in {reference(c) for c in others}
        ]
        bgp = rest_of(properties(there).get("bgpSettings") or {}, "bgpPeeringAddress")
        tags = {k: v for k, v in tags.items() if k != MADE_SUBNET_TAG}
        if spec.made_subnet:
            tags[MADE_SUBNET_TAG] = "true"
        changed = {
            "gatewayType": spec.type,
            "vpnType": spec.routing,
            "sku": {"name": spec.sku, "tier": spec.sku},
            "activeActive": spec.active_active,
            "enableBgp": spec.bgp,
            "ipConfigurations": configs,
            "bgpSettings": {**bgp, "asn": spec.asn, "bgpPeeringAddresses": peering},
        }
        own = ["inboundDnsForwardingEndpoint", "packetCaptureDiagnosticState", "isMigrateToCSES"]
        if self._sku_of(there) != spec.sku:
            own.append("vpnGatewayGeneration")  # it goes with the SKU
        return self.azure.put_gateway(body_of(there, changed, *own, location=spec.location, tags=tags))

    def _sku_of(self, raw: Json | None) -> str:
        return str((properties(raw).get("sku") or {}).get("name") or "")

    def _refuse_to_lose(self, there: Json | None) -> None:
        """Azure never shows the secret of a RADIUS server, and a PUT without it takes it away from the people who sign
        in by it. Raises ConflictError."""
        clients = properties(there).get("vpnClientConfiguration") or {}
        if clients.get("radiusServerAddress") or clients.get("radiusServers"):
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
        with parsing("Azure's connections"):
            others = [
                str(c["id"]) for c in self.azure.gateway_connections() if not str(c["name"]).lower().startswith(prefix)
            ]
        if others:
            raise ConflictError(
                "The gateway has connections that are not cloudlink's",
                f"It is kept, because they would go down with it: {', '.join(sorted(others))}.",
                f"If they are not needed: az network vpn-connection delete --ids {shlex.join(sorted(others))}",
                resource=self.address,
            )
        return self.azure.delete_gateway()

    @parsing("Azure's gateways")
    def _public_address(self, instance: int) -> str:
        raw = named(self.azure.public_ips(), public_ip_name(self.azure, instance))
        return str(properties(raw).get("ipAddress") or "")

    @parsing("Azure's gateways")
    def _config(self, raw: Json | None, instance: int) -> Json | None:
        """The ipConfiguration of an instance: the one that tunnels with its public address, or, as long as Azure does not
        say that yet, the one that was given its public IP."""
        configs = {reference(c): c for c in properties(raw).get("ipConfigurations") or []}
        address = self._public_address(instance)
        for id_, entry in _peering(raw).items():
            if address and address in (entry.get("tunnelIpAddresses") or ()):
                return configs.get(id_)
        wanted = self.azure.id("publicIPAddresses", public_ip_name(self.azure, instance)).lower()
        return next((c for c in configs.values() if reference(properties(c).get("publicIPAddress")) == wanted), None)


def _peering(raw: Json | None) -> dict[str, Json]:
    """BGP addresses by ipConfiguration id. (Gateways write ipconfigurationId, connections ipConfigurationId.)"""
    entries = (properties(raw).get("bgpSettings") or {}).get("bgpPeeringAddresses") or []
    return {str(e.get("ipconfigurationId", "")).lower(): e for e in entries}
