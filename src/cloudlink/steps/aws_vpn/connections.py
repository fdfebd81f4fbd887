"""A VPN connection of AWS: two tunnels to one instance of Azure's gateway."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import ClassVar, Literal

from cloudlink.clouds.aws import cached
from cloudlink.clouds.aws.client import Aws, AwsObject, value_in
from cloudlink.clouds.aws.tags import command_to_list, name_for, tag_specification
from cloudlink.clouds.ownership import owner_of
from cloudlink.core.resource import Node, Observed, Outputs, Phase, Started, Timing, built_on
from cloudlink.ipsec import IpsecPolicy, aws_tunnel_options, for_aws, from_aws_tunnel_options
from cloudlink.secret import Secret, new_pre_shared_key
from cloudlink.steps.aws_resource import AwsResource, Parsed
from cloudlink.steps.aws_vpn.gateway import vpc_of_gateway
from cloudlink.steps.outputs import AwsTunnelEnd, CustomerGateway, VpnConnection, VpnGateway

PskStorage = Literal["standard", "secrets-manager"]

_STORAGE = {"standard": "Standard", "secrets-manager": "SecretsManager"}
_ANY = "0.0.0.0/0"


@dataclass(frozen=True)
class ConnectionSpec:
    """There is no key in it: keys live in the clouds, and whether both ends have the same one is seen where Azure's
    end is compared with what AWS gives back."""

    gateway: str
    customer_gateway: str
    # insides and policies: of the tunnels, ordered by inside range, because AWS keeps no order
    insides: tuple[IPv4Network, ...]
    policies: tuple[IpsecPolicy, ...]
    bgp: bool = True
    psk_storage: PskStorage = "standard"
    # What AWS lets through the tunnels, of Azure's addresses and of its own. BGP says what is routed, so both are "all"
    azure_range: str = _ANY
    aws_range: str = _ANY


@dataclass(frozen=True, kw_only=True, eq=False)
class Connection(AwsResource[ConnectionSpec, VpnConnection]):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpnConnection.html

    psk_storage is treated as immutable. Assumption: moving the keys of a live connection is not worth the risk;
    ModifyVpnTunnelOptions has a parameter for it, whose effect on a running tunnel is not documented.
    """

    gateway: Node[VpnGateway] = built_on()
    customer_gateway: Node[CustomerGateway] = built_on()
    vpn: int
    # Terraform waits 40 minutes for a create and 30 for the rest; recorded creates took 127 to 220 s.
    timing: ClassVar[Timing] = Timing(create=180, update=120, delete=60, deadline=2400)
    immutable: ClassVar[frozenset[str]] = frozenset({"gateway", "customer_gateway", "insides", "bgp", "psk_storage"})
    why_it_matters: ClassVar[Mapping[str, str]] = {
        "azure_range": "AWS lets no other addresses of Azure's side through the tunnels",
        "aws_range": "AWS lets no other addresses of its own side through the tunnels",
    }
    key: ClassVar[str] = "VpnConnectionId"
    kind: ClassVar[str] = "AWS's VPN connections"
    stale: ClassVar[tuple[str, ...]] = (cached.VPN_CONNECTIONS,)

    def spec(self, outputs: Outputs) -> ConnectionSpec:
        insides = tuple(sorted(t.inside for t in self.link.tunnels_of(self.vpn)))
        policy = for_aws(self.link.policy)
        return ConnectionSpec(
            gateway=outputs[self.gateway].id,
            customer_gateway=outputs[self.customer_gateway].id,
            insides=insides,
            policies=tuple(policy for _ in insides),
            psk_storage=self.link.aws.psk_storage,
        )

    def listed(self, *, fresh: bool) -> Iterable[AwsObject]:
        return self.aws.vpn_connections(fresh=fresh)

    def vpc_of(self, item: AwsObject) -> str:
        return vpc_of_connection(self.aws, item)

    def parse(self, item: AwsObject, *, fresh: bool) -> Parsed:
        state = item["State"]
        # "modifying" is in no list of AWS's, but it is what is seen while an endpoint is replaced.
        phase = {"available": Phase.READY, "deleting": Phase.DELETING}.get(state, Phase.CREATING)
        out = None if phase is Phase.DELETING else self._outputs(item, fresh=fresh)
        return Parsed(item["VpnConnectionId"], phase, _spec_of(item), out, state)

    def _outputs(self, found: AwsObject, *, fresh: bool) -> VpnConnection | None:
        """None while AWS has not said an outside address and a key for each tunnel."""
        stored: dict[str, Secret] = {}
        if found.get("PreSharedKeyArn"):
            stored = self.aws.stored_keys(found["PreSharedKeyArn"], fresh=fresh)
        ends: list[AwsTunnelEnd] = []
        for tunnel in _tunnels(found):
            outside = tunnel.get("OutsideIpAddress")
            psk = tunnel.get("PreSharedKey") or stored.get(str(outside))
            if not outside or not psk:
                return None
            ends.append(AwsTunnelEnd(IPv4Address(outside), IPv4Network(tunnel["TunnelInsideCidr"]), psk))
        return VpnConnection(found["VpnConnectionId"], tuple(ends)) if ends else None

    def create(self, spec: ConnectionSpec) -> Started:
        """The keys are made here, go to AWS in this call, and are read back from AWS when Azure needs them."""
        tunnels = [
            {
                "TunnelInsideCidr": str(inside),
                "PreSharedKey": new_pre_shared_key().reveal(),
                **aws_tunnel_options(policy),
            }
            for inside, policy in zip(spec.insides, spec.policies, strict=True)
        ]
        try:
            answer = self.aws.ec2_once.create_vpn_connection(
                Type="ipsec.1",
                CustomerGatewayId=spec.customer_gateway,
                VpnGatewayId=spec.gateway,
                PreSharedKeyStorage=_STORAGE[spec.psk_storage],
                Options={
                    "StaticRoutesOnly": not spec.bgp,
                    "TunnelInsideIpVersion": "ipv4",
                    "LocalIpv4NetworkCidr": spec.azure_range,
                    "RemoteIpv4NetworkCidr": spec.aws_range,
                    "TunnelOptions": tunnels,
                },
                TagSpecifications=tag_specification(
                    "vpn-connection", owner_of(self.link), self.address, name_for(self.link.name, f"vpn-{self.vpn + 1}")
                ),
            )
            made = str(value_in(answer, "VpnConnection", "VpnConnectionId"))
            del answer, tunnels  # they hold the keys in clear
        finally:
            self.aws.cache.invalidate(cached.VPN_CONNECTIONS)
        return Started(made)

    def duplicate_check_command(self) -> str:
        return command_to_list(
            "vpn-connections", region=self.link.aws.region, link=self.link.name, address=self.address
        )

    def update(self, found: Observed[ConnectionSpec, VpnConnection], spec: ConnectionSpec) -> Started:
        """Change the ranges of the connection, which takes both tunnels down for minutes; else one tunnel, the first that
        differs: that one is down for minutes, the other keeps working."""
        assert found.spec is not None
        if (found.spec.azure_range, found.spec.aws_range) != (spec.azure_range, spec.aws_range):
            return self._widen(found.id, spec)
        outside = {end.inside: end.outside_ip for end in found.outputs.tunnels} if found.outputs else {}
        inside, policy = next(
            (inside, wanted)
            for inside, wanted, now in zip(spec.insides, spec.policies, found.spec.policies, strict=True)
            if wanted != now
        )
        try:
            self.aws.ec2.modify_vpn_tunnel_options(
                VpnConnectionId=found.id,
                VpnTunnelOutsideIpAddress=str(outside[inside]),
                TunnelOptions=aws_tunnel_options(policy),
            )
        finally:
            self.aws.cache.invalidate(cached.VPN_CONNECTIONS)
        return Started(found.id)

    def _widen(self, id_: str, spec: ConnectionSpec) -> Started:
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVpnConnectionOptions.html"""
        try:
            self.aws.ec2.modify_vpn_connection_options(
                VpnConnectionId=id_, LocalIpv4NetworkCidr=spec.azure_range, RemoteIpv4NetworkCidr=spec.aws_range
            )
        finally:
            self.aws.cache.invalidate(cached.VPN_CONNECTIONS)
        return Started(id_)

    def remove(self, id_: str) -> None:
        self.aws.ec2.delete_vpn_connection(VpnConnectionId=id_)


def vpc_of_connection(aws: Aws, connection: AwsObject) -> str:
    """The VPC of the gateway that it ends on; empty: the gateway is gone, or is attached to none."""
    gateways = {g["VpnGatewayId"]: g for g in aws.vpn_gateways()}
    gateway = gateways.get(connection.get("VpnGatewayId"))
    return vpc_of_gateway(gateway) if gateway is not None else ""


def _tunnels(found: AwsObject) -> list[AwsObject]:
    """By inside range, which both sides know; AWS's order means nothing."""
    tunnels = [t for t in found.get("Options", {}).get("TunnelOptions") or () if t.get("TunnelInsideCidr")]
    return sorted(tunnels, key=lambda t: IPv4Network(t["TunnelInsideCidr"]))


def _spec_of(found: AwsObject) -> ConnectionSpec:
    tunnels = _tunnels(found)
    return ConnectionSpec(
        gateway=found.get("VpnGatewayId") or found.get("TransitGatewayId") or "",
        customer_gateway=found.get("CustomerGatewayId", ""),
        insides=tuple(IPv4Network(t["TunnelInsideCidr"]) for t in tunnels),
        policies=tuple(from_aws_tunnel_options(t) for t in tunnels),
        bgp=not found.get("Options", {}).get("StaticRoutesOnly", False),
        psk_storage="secrets-manager" if found.get("PreSharedKeyArn") else "standard",
        # AWS's "local" is the customer's side, its "remote" AWS's own
        azure_range=str(found.get("Options", {}).get("LocalIpv4NetworkCidr") or _ANY),
        aws_range=str(found.get("Options", {}).get("RemoteIpv4NetworkCidr") or _ANY),
    )
