"""A VPN connection of AWS: two tunnels to one instance of Azure's gateway."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from typing import ClassVar

from cloudlink.clouds.aws import parse_connections, parse_gateways, requests, vpn
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_ec2 import Ec2Object
from cloudlink.clouds.aws.requests import Bandwidth, NewTunnel, PskStorage, Request
from cloudlink.clouds.aws.tags import command_to_list, keys_made
from cloudlink.core.permissions import Permissions
from cloudlink.core.resource import Node, Observed, Outputs, Phase, Started, Timing, built_on
from cloudlink.ipsec import ANY_RANGE, IpsecPolicy, for_aws
from cloudlink.secret import Secret, new_pre_shared_key
from cloudlink.steps.aws_resource import AwsResource, Parsed
from cloudlink.steps.outputs import AwsTunnelEnd, CustomerGateway, TransitTable, VpnConnection, VpnGateway
from cloudlink.steps.permissions import TAG, Existing, iam


@dataclass(frozen=True)
class ConnectionSpec:
    """There is no key in it: keys live in the clouds, and whether both ends have the same one is seen where Azure's
    end is compared with what AWS gives back."""

    gateway: str
    customer_gateway: str
    # insides and policies: of the tunnels, ordered by inside range, because AWS keeps no order
    insides: tuple[IPv4Network, ...]
    policies: tuple[IpsecPolicy, ...] = field(metadata={"each": "tunnel"})
    bgp: bool = True
    psk_storage: PskStorage = "standard"
    bandwidth: Bandwidth = "standard"  # of each tunnel
    # What AWS lets through the tunnels, of Azure's addresses and of its own. BGP says what is routed, so both are "all"
    azure_range: str = ANY_RANGE
    aws_range: str = ANY_RANGE


@dataclass(frozen=True, kw_only=True, eq=False)
class Connection(AwsResource[ConnectionSpec, VpnConnection]):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpnConnection.html

    psk_storage is treated as immutable. Assumption: moving the keys of a live connection is not worth the risk;
    ModifyVpnTunnelOptions has a parameter for it, whose effect on a running tunnel is not documented.
    """

    gateway: Node[VpnGateway] = built_on()
    customer_gateway: Node[CustomerGateway] = built_on()
    vpn: int
    # of a transit gateway, for the VPN connections alone: it cannot go before them
    table: Node[TransitTable] | None = None
    # Terraform waits 40 minutes for a create and 30 for the rest; recorded creates took 127 to 220 s.
    timing: ClassVar[Timing] = Timing(create=180, update=120, delete=60, deadline=2400)
    immutable: ClassVar[frozenset[str]] = frozenset({"gateway", "customer_gateway", "insides", "bgp", "psk_storage"})
    permissions: ClassVar[Permissions] = Permissions(
        read=(iam("ec2:DescribeVpnConnections"),),
        create=(iam("ec2:CreateVpnConnection", "vpn-connection", "vpn-gateway", "customer-gateway"), TAG),
        delete=(iam("ec2:DeleteVpnConnection", "vpn-connection"),),
        by_field={
            "policies": (iam("ec2:ModifyVpnTunnelOptions", "vpn-connection"),),
            "azure_range": (iam("ec2:ModifyVpnConnectionOptions", "vpn-connection"),),
            "aws_range": (iam("ec2:ModifyVpnConnectionOptions", "vpn-connection"),),
            "bandwidth": (iam("ec2:ModifyVpnConnectionOptions", "vpn-connection"),),
        },
        marks=(TAG,),
    )
    why_it_matters: ClassVar[Mapping[str, str]] = {
        "azure_range": "AWS lets no other addresses of Azure's side through the tunnels",
        "aws_range": "AWS lets no other addresses of its own side through the tunnels",
        "bandwidth": "both tunnels of the connection are down for minutes while it changes",
    }

    def spec(self, outputs: Outputs) -> ConnectionSpec:
        insides = tuple(sorted(t.inside for t in self.link.tunnels_of(self.vpn)))
        policy = for_aws(self.link.policy)
        return ConnectionSpec(
            gateway=outputs[self.gateway].id,
            customer_gateway=outputs[self.customer_gateway].id,
            insides=insides,
            policies=tuple(policy for _ in insides),
            psk_storage=self.link.aws.psk_storage,
            bandwidth=self.link.aws.bandwidth,
        )

    def listed(self, *, fresh: bool) -> Iterable[Ec2Object]:
        return parse_connections.connections(self.aws.vpn_connections(fresh=fresh))

    def vpc_of(self, item: Ec2Object) -> str:
        (connection,) = parse_connections.vpn_connections([item.answer])
        return vpc_of_connection(self.aws, connection)

    def parse(self, item: Ec2Object, *, fresh: bool) -> Parsed:
        found = parse_connections.connection(item.answer)
        # "modifying" is in no list of AWS's, but it is what is seen while an endpoint is replaced.
        phase = {"available": Phase.READY, "deleting": Phase.DELETING}.get(found.state, Phase.CREATING)
        out = None if phase is Phase.DELETING else self._outputs(found, fresh=fresh)
        return Parsed(phase, _spec_of(found), out, found.state)

    def _outputs(self, found: parse_connections.Connection, *, fresh: bool) -> VpnConnection | None:
        """None while AWS has not said an outside address and a key for each tunnel."""
        stored: dict[str, Secret] = {}
        if found.stored_keys:
            stored = self.aws.stored_keys(found.stored_keys, fresh=fresh)
        ends: list[AwsTunnelEnd] = []
        for tunnel in found.tunnels:
            psk = tunnel.key or stored.get(str(tunnel.outside))
            if not tunnel.outside or not psk:
                return None
            ends.append(AwsTunnelEnd(tunnel.outside, tunnel.inside, psk))
        return VpnConnection(found.id, tuple(ends)) if ends else None

    def create(self, spec: ConnectionSpec) -> Started:
        """The keys are made here, go to AWS in this call, and are read back from AWS when Azure needs them."""
        tunnels = [
            NewTunnel(inside, new_pre_shared_key(), policy)
            for inside, policy in zip(spec.insides, spec.policies, strict=True)
        ]
        made = vpn.create_connection(
            self.aws,
            spec.gateway,
            spec.customer_gateway,
            replace(self.mark(f"vpn-{self.vpn + 1}"), more=(keys_made(self.aws.clock.now()),)),
            tunnels,
            bgp=spec.bgp,
            psk_storage=spec.psk_storage,
            bandwidth=spec.bandwidth,
            azure_range=spec.azure_range,
            aws_range=spec.aws_range,
        )
        return Started(made)

    def duplicate_check_command(self) -> str:
        return command_to_list(
            "vpn-connections", region=self.link.aws.region, link=self.link.name, address=self.address
        )

    def update(self, found: Observed[ConnectionSpec, VpnConnection], spec: ConnectionSpec) -> Started:
        """Change the ranges of the connection or the bandwidth of its tunnels, which takes both down for minutes; else one tunnel,
        the first that differs: that one is down for minutes, the other keeps working."""
        assert found.spec is not None
        if (found.spec.azure_range, found.spec.aws_range) != (spec.azure_range, spec.aws_range):
            vpn.change_ranges(self.aws, found.id, azure=spec.azure_range, aws_side=spec.aws_range)
            return Started(found.id)
        if found.spec.bandwidth != spec.bandwidth:
            vpn.change_bandwidth(self.aws, found.id, spec.bandwidth)
            return Started(found.id)
        outside = {end.inside: end.outside_ip for end in found.outputs.tunnels} if found.outputs else {}
        inside, policy = next(
            (inside, wanted)
            for inside, wanted, now in zip(spec.insides, spec.policies, found.spec.policies, strict=True)
            if wanted != now
        )
        vpn.change_tunnel(self.aws, found.id, outside[inside], policy)
        return Started(found.id)

    def remove(self, id_: str) -> None:
        vpn.delete_connection(self.aws, id_)

    def creation(self, existing: Existing) -> Request | None:
        gateway = self.link.aws.adopt_gateway or existing(self.gateway)
        customer = existing(self.customer_gateway)
        if not gateway or not customer:
            return None
        return requests.create_connection(gateway, customer, self.mark(f"vpn-{self.vpn + 1}"))

    def removal(self, id_: str) -> Request:
        return requests.delete_connection(id_)


def vpc_of_connection(aws: Aws, connection: parse_connections.VpnConnection) -> str:
    """The VPC of the gateway that it ends on; empty: the gateway is gone, or is attached to none."""
    gateways = {g.id: g for g in parse_gateways.vpn_gateways(aws.vpn_gateways())}
    gateway = gateways.get(connection.gateway)
    return gateway.vpc if gateway is not None else ""


def _spec_of(found: parse_connections.Connection) -> ConnectionSpec:
    return ConnectionSpec(
        gateway=found.gateway,
        customer_gateway=found.customer_gateway,
        insides=tuple(t.inside for t in found.tunnels),
        policies=tuple(t.policy for t in found.tunnels),
        bgp=found.bgp,
        psk_storage="secrets-manager" if found.stored_keys else "standard",
        bandwidth="large" if found.large else "standard",
        azure_range=found.azure_range,
        aws_range=found.aws_range,
    )
