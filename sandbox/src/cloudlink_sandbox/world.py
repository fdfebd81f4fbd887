"""The world: from both sides' configuration alone to tunnels, BGP sessions, routes and reachability.

A pure computation over :mod:`cloudlink_sandbox.facts` at one moment. A tunnel is up only if public addresses,
keys, proposals, inside addresses, peer addresses and ASNs match on both sides; nothing is assumed connected.
Each AWS tunnel names the first reason why it is not up, so that the sandbox can be asked as well as watched.

How far it goes: a VGW accepts IKE only from its customer gateway's address, so of the two instances from which
Azure tries each connection only one can succeed (the other stays disconnected for ever, as in the real cloud).
Times to come up after the last change of anything involved are samples of ``durations``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.facts import (
    AksCluster,
    AwsFacts,
    AwsTunnel,
    AzureConnection,
    AzureFacts,
    AzureGateway,
    AzureInstance,
    DirectConnect,
    ExpressRoute,
    ForwardingRule,
    Interface,
    NameFilter,
    Record,
    Vnet,
    VnetInbound,
    VpcSender,
)
from cloudlink_sandbox.faults import FaultRegistry
from cloudlink_sandbox.filtering import Packet, from_gateway, into_interface, into_vnet, out_of_vnet, out_of_vpc
from cloudlink_sandbox.negotiation import ike_phase, mismatch

ConnectionStatus = Literal["Unknown", "Connecting", "Connected", "NotConnected"]

# How long Azure shows "Unknown" after a connection was made, and "Connecting" before it gives up. Assumption: recordings
# show Unknown in every answer up to 95 s after creation, and later Connecting or NotConnected, but not when it changes.
_UNKNOWN_SECONDS = 95.0
_CONNECTING_SECONDS = 150.0

# Seconds between two messages of a gateway's two instances to each other, sent and received. Recorded: 8468 and 7922 in
# 418,810 s.
_SIBLING_SAYS = (49.5, 52.9)


@dataclass(frozen=True)
class Tunnel:
    """What becomes of one AWS tunnel. why: the first thing that keeps it from being up; empty when it is up.

    down_since: when it was lost, of one that was up before; else 0.
    """

    aws: AwsTunnel
    connection: AzureConnection | None
    instance: AzureInstance | None
    ipsec: bool
    bgp: bool
    ipsec_since: float
    bgp_since: float
    why: str
    down_since: float = 0.0


@dataclass(frozen=True)
class Way:
    """What carries packets between a gateway of AWS's and one of Azure's: a tunnel, or a circuit.

    connection: the VPN connection, or the association of the Direct Connect gateway. to_aws, to_azure: what is announced.
    """

    aws_gateway: str
    vpc_ids: tuple[str, ...]
    azure_gateway: str
    connection: str
    to_aws: tuple[IPv4Network, ...]
    to_azure: tuple[IPv4Network, ...]


@dataclass(frozen=True)
class Largest:
    """Octets of an IPv4 packet that passes whole, and of the TCP payload to which gateways cut SYNs down (MSS)."""

    packet: int
    mss: int


WHOLE = Largest(1500, 1460)
TUNNEL = Largest(min(1446, 1400), min(1406, 1350))  # AWS's end, Azure's end


@dataclass(frozen=True)
class Telemetry:
    """AWS's VgwTelemetry of one tunnel. since: of the last change of status, sandbox seconds."""

    up: bool
    message: str
    routes: int
    since: float


@dataclass(frozen=True)
class PairView:
    """One Azure instance's attempt at one connection."""

    public_ip: IPv4Address
    status: ConnectionStatus
    ingress: int
    egress: int
    since: float | None


@dataclass(frozen=True)
class ConnectionView:
    status: ConnectionStatus
    ingress: int
    egress: int
    tunnels: tuple[PairView, ...]


@dataclass(frozen=True)
class BgpRow:
    """One row of getBgpPeerStatus. connected_seconds None: not connected."""

    local_address: IPv4Address
    neighbor: IPv4Address
    asn: int
    state: Literal["Unknown", "Stopped", "Idle", "Connecting", "Connected"]
    connected_seconds: float | None
    routes_received: int
    sent: int
    received: int


@dataclass(frozen=True)
class LearnedRoute:
    """One row of getLearnedRoutes or getAdvertisedRoutes. next_hop None for origin Network.

    local_address, source_peer None: of a gateway without BGP, which speaks from nowhere.
    """

    local_address: IPv4Address | None
    network: IPv4Network
    next_hop: IPv4Address | None
    source_peer: IPv4Address | None
    origin: str
    as_path: str
    weight: int


@dataclass(frozen=True)
class Reach:
    """What becomes of a packet. outcome: delivered, dropped (time-out) or refused (reset). why: for people."""

    outcome: Literal["delivered", "dropped", "refused"]
    why: str
    interface: Interface | None = None


@dataclass(frozen=True)
class Answer:
    """What a resolver says. zone None: no private zone matches, the public DNS would be asked."""

    rcode: Literal["NOERROR", "NXDOMAIN", "REFUSED", "SERVFAIL"]
    records: tuple[Record, ...]
    zone: str | None
    rule: ForwardingRule | None = None  # its name servers are asked
    passed_on: bool = False  # a zone of Azure's leaves it to the public DNS


class World:
    """One moment. Everything is computed when asked for, and kept."""

    def __init__(
        self, aws: AwsFacts, azure: AzureFacts, now: float, faults: FaultRegistry, durations: Durations
    ) -> None:
        self.aws = aws
        self.azure = azure
        self.now = now
        self._faults = faults
        self._durations = durations

    # --- tunnels -----------------------------------------------------------------------------------------

    @cached_property
    def tunnels(self) -> tuple[Tunnel, ...]:
        return tuple(self._tunnel(t) for t in self.aws.tunnels)

    def _tunnel(self, aws: AwsTunnel) -> Tunnel:
        down = Tunnel(aws, None, None, False, False, 0.0, 0.0, "")

        def fails(why: str, i: AzureInstance | None = None, since: float = 0.0) -> Tunnel:
            return Tunnel(aws, None, i, False, False, 0.0, 0.0, why, since)

        if not aws.ready:
            return fails("AWS is making or replacing this tunnel's endpoint")
        if fault := self._faults.active("tunnel-down", str(aws.outside_ip)):
            return fails("the endpoint is down (fault)", None, fault.since)
        instances = [
            (g, i) for g in self.azure.gateways.values() for i in g.instances if i.public_ip == aws.customer_ip
        ]
        if not instances:
            return fails(f"no Azure gateway has the customer gateway's address {aws.customer_ip}")
        gateway, instance = instances[0]
        if not gateway.ready:
            return fails("the Azure gateway is not ready")
        if not instance.working:
            fault = self._faults.active("instance-down", str(instance.public_ip))
            return fails("the Azure instance is down (fault)", None, fault.since if fault else 0.0)
        candidates = [c for c in self.azure.connections if c.gateway_id == gateway.id and c.peer_ip == aws.outside_ip]
        if not candidates:
            return fails(f"no Azure connection has the peer address {aws.outside_ip}", instance)
        best = down
        for connection in candidates:
            tunnel = self._pair(aws, connection, gateway, instance)
            if tunnel.bgp or (tunnel.ipsec and not best.ipsec) or best is down:
                best = tunnel
        return best

    def _pair(
        self, aws: AwsTunnel, connection: AzureConnection, gateway: AzureGateway, instance: AzureInstance
    ) -> Tunnel:
        if why := mismatch(aws, connection):
            changed = max(aws.changed_at, connection.changed_at)
            return Tunnel(aws, connection, instance, False, False, 0.0, 0.0, why, changed)
        now = ike_phase(
            aws,
            connection,
            changed=max(aws.changed_at, connection.changed_at),
            lost=max(
                self._faults.ended("tunnel-down", str(aws.outside_ip)),
                self._faults.ended("instance-down", str(instance.public_ip)),
            ),
            now=self.now,
            takes=self._durations.sample("world.ike", str(aws.outside_ip)),
        )
        if not now.up:
            return Tunnel(aws, connection, instance, False, False, 0.0, 0.0, now.why, now.since)
        bgp_at = now.since + self._durations.sample("world.bgp", str(aws.outside_ip))
        why = "" if aws.static and not connection.bgp else self._bgp_mismatch(aws, connection, gateway, instance)
        if not why and self.now < bgp_at:
            why = "the BGP session is being opened"
        return Tunnel(aws, connection, instance, True, not why, now.since, bgp_at, why)

    def _bgp_mismatch(
        self, aws: AwsTunnel, connection: AzureConnection, gateway: AzureGateway, instance: AzureInstance
    ) -> str:
        if aws.static or not connection.bgp:
            return "only one side speaks BGP"
        first, second = aws.inside.network_address + 1, aws.inside.network_address + 2
        if connection.peer_bgp != first:
            return f"Azure expects the BGP peer {connection.peer_bgp}, AWS is {first}"
        local = local_bgp(connection, instance)
        if local != second:
            return f"Azure speaks BGP from {local}, AWS expects {second}"
        if instance.custom_bgp and local not in instance.custom_bgp:
            # Assumption: a connection cannot use an address that was taken from its gateway since.
            return f"Azure's gateway does not have the custom BGP address {local}"
        if connection.peer_asn != aws.amazon_asn:
            return f"Azure expects ASN {connection.peer_asn}, AWS has {aws.amazon_asn}"
        if gateway.asn != aws.customer_asn:
            return f"AWS expects ASN {aws.customer_asn}, Azure has {gateway.asn}"
        if gateway.asn == aws.amazon_asn:
            return f"both sides have ASN {gateway.asn}"
        announced = len(self._announced_by(gateway))
        if announced > aws.most_prefixes:
            # https://docs.aws.amazon.com/vpn/latest/s2svpn/vpn-limits.html
            return f"Azure announces {announced} prefixes, AWS takes no more than {aws.most_prefixes}"
        return ""

    # --- circuits, and all ways --------------------------------------------------------------------------

    @cached_property
    def circuits(self) -> tuple[tuple[DirectConnect, ExpressRoute], ...]:
        """A virtual interface and a circuit that meet at one router of a provider."""
        return tuple(
            (direct, express)
            for direct in self.aws.direct_connects
            for express in self.azure.express_routes
            if direct.working and express.working and direct.router == express.router
            if self.azure.gateways[express.gateway_id].ready
        )

    @cached_property
    def ways(self) -> tuple[Way, ...]:
        """ExpressRoute comes first: of equal prefixes Azure prefers its."""
        found = [
            Way(
                direct.gateway_id,
                direct.vpc_ids,
                express.gateway_id,
                direct.id,
                self._over_circuit(direct, express),
                self._announced_by(self.azure.gateways[express.gateway_id]),
            )
            for direct, express in self.circuits
        ]
        found += [
            Way(
                t.aws.gateway_id,
                t.aws.vpc_ids,
                t.connection.gateway_id,
                t.aws.connection_id,
                self._aws_prefixes(t),
                self._azure_prefixes(t),
            )
            for t in self.tunnels
            if t.bgp and t.connection
        ]
        return tuple(found)

    def _over_circuit(self, direct: DirectConnect, express: ExpressRoute) -> tuple[IPv4Network, ...]:
        """What Direct Connect announces, and Azure accepts: the VPC's ranges as far as they are allowed."""
        own = self._announced_by(self.azure.gateways[express.gateway_id])
        ranges = [c for v in direct.vpc_ids for c in self.aws.vpcs.get(v, ())]
        let = [r for r in ranges if any(r.subnet_of(a) for a in direct.allowed)]
        let += [a for a in direct.allowed if a not in let and any(a.subnet_of(r) for r in ranges)]
        return tuple(r for r in let if not any(r.overlaps(o) for o in own))

    # --- AWS's view --------------------------------------------------------------------------------------

    def aws_telemetry(self, connection_id: str, outside_ip: str | IPv4Address) -> Telemetry:
        """Of one tunnel of a VPN connection; UP of a dynamic connection means that BGP is established."""
        for t in self.tunnels:
            if t.aws.connection_id == connection_id and t.aws.outside_ip == IPv4Address(str(outside_ip)):
                if t.bgp:
                    routes = len(self._azure_prefixes(t))
                    return Telemetry(True, f"{routes} BGP ROUTES", routes, t.bgp_since)
                message = "IPSEC IS UP" if t.ipsec else "IPSEC IS DOWN"
                return Telemetry(False, message, 0, t.ipsec_since or t.down_since or t.aws.changed_at)
        return Telemetry(False, "", 0, self.now)

    def _azure_prefixes(self, tunnel: Tunnel) -> tuple[IPv4Network, ...]:
        """What AWS takes from Azure over a tunnel: the VNets' ranges, and what the gateway has learned of its other peers, but for
        what overlaps a VNet's and what has AWS's own number in its path already.
        https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-vpn-faq#bgp"""
        assert tunnel.connection is not None
        gateway = self.azure.gateways[tunnel.connection.gateway_id]
        own = self._announced_by(gateway)
        passed_on = {
            p: None
            for t in self.tunnels
            if t.bgp and t.connection and t.connection.gateway_id == gateway.id
            if t.aws.amazon_asn != tunnel.aws.amazon_asn
            for p in self._aws_prefixes(t)
            if not any(p.overlaps(o) for o in own)
        }
        return (*own, *passed_on)

    def _announced_by(self, gateway: AzureGateway) -> tuple[IPv4Network, ...]:
        vnet = self.azure.vnets.get(gateway.vnet_id)
        return vnet.advertised if vnet else ()

    def propagated(self, route_table_id: str) -> tuple[tuple[IPv4Network, str], ...]:
        """Routes that appear in a route table by propagation: (destination, gateway id)."""
        table = self.aws.route_tables.get(route_table_id)
        if table is None:
            return ()
        routes: dict[IPv4Network, str] = {}
        for way in self.ways:
            if way.aws_gateway in table.propagating and table.vpc_id in way.vpc_ids:
                for prefix in way.to_azure:
                    routes.setdefault(prefix, way.aws_gateway)
        return tuple(routes.items())

    def learned_over(self, connection_id: str) -> tuple[IPv4Network, ...]:
        """What Azure announces over the tunnels of a VPN connection."""
        routes = {
            p: None
            for t in self.tunnels
            if t.bgp and t.aws.connection_id == connection_id
            for p in self._azure_prefixes(t)
        }
        return tuple(routes)

    # --- Azure's view ------------------------------------------------------------------------------------

    def azure_connection(self, connection_id: str) -> ConnectionView:
        """status is Connected when the one real tunnel is up, whether BGP runs or not."""
        connection = next((c for c in self.azure.connections if c.id.lower() == connection_id.lower()), None)
        if connection is None:
            return ConnectionView("Unknown", 0, 0, ())
        age = self.now - connection.changed_at
        idle: ConnectionStatus = "Connecting" if age < _CONNECTING_SECONDS else "NotConnected"
        gateway = self.azure.gateways.get(connection.gateway_id)
        pairs = []
        for instance in gateway.instances if gateway else ():
            tunnel = next(
                (
                    t
                    for t in self.tunnels
                    if t.ipsec and t.connection is connection and t.instance is not None and t.instance is instance
                ),
                None,
            )
            if tunnel:
                # keepalives and BGP updates: a few hundred octets a minute, in each direction
                octets = int((self.now - tunnel.ipsec_since) * 9) + 1_200
                pairs.append(PairView(instance.public_ip, "Connected", octets, octets - 180, tunnel.ipsec_since))
            else:
                pairs.append(PairView(instance.public_ip, idle, 0, 0, None))
        status: ConnectionStatus = "Connected" if any(p.status == "Connected" for p in pairs) else idle
        if status != "Connected" and age < _UNKNOWN_SECONDS:
            status = "Unknown"
        return ConnectionView(status, sum(p.ingress for p in pairs), sum(p.egress for p in pairs), tuple(pairs))

    def bgp_peers(self, gateway_id: str) -> tuple[BgpRow, ...]:
        """Every peer once for each instance; each instance lists itself as Unknown and its sibling as iBGP."""
        gateway = self.azure.gateways.get(gateway_id)
        if gateway is None:
            return ()
        rows: list[BgpRow] = []
        for instance in gateway.instances:
            rows.extend(
                self._bgp_row(c, instance)
                for c in self.azure.connections
                if c.gateway_id == gateway.id and c.bgp and c.peer_bgp is not None
            )
            for other in gateway.instances if gateway.active_active else ():
                if other is instance:
                    rows.append(BgpRow(instance.default_bgp, other.default_bgp, gateway.asn, "Unknown", None, 0, 0, 0))
                    continue
                up = max(0.0, self.now - gateway.ready_at)
                learned = {r.network for r in self._learned_by(gateway, other) if r.origin != "IBgp"}
                received = len(learned - set(self._announced_by(gateway)))
                sent = int(up / _SIBLING_SAYS[0]) + 2, int(up / _SIBLING_SAYS[1]) + 2
                row = BgpRow(instance.default_bgp, other.default_bgp, gateway.asn, "Connected", up, received, *sent)
                rows.append(row)
        return tuple(rows)

    def _bgp_row(self, connection: AzureConnection, instance: AzureInstance) -> BgpRow:
        assert connection.peer_bgp is not None
        tunnel = next(
            (t for t in self.tunnels if t.bgp and t.connection is connection and t.instance is instance), None
        )
        up = self.now - tunnel.bgp_since if tunnel else None
        messages = int(up / 10) + 3 if up is not None else 1
        return BgpRow(
            local_address=local_bgp(connection, instance),
            neighbor=connection.peer_bgp,
            asn=connection.peer_asn,
            state="Connected" if tunnel else "Connecting",
            connected_seconds=up,
            routes_received=len(self._aws_prefixes(tunnel)) if tunnel else 0,
            sent=messages,
            received=messages if tunnel else 0,
        )

    def exchanged(self, tunnel: Tunnel) -> tuple[tuple[IPv4Network, ...], tuple[IPv4Network, ...]]:
        """Of a tunnel with BGP: the prefixes that AWS has taken from Azure, and Azure from AWS."""
        return self._azure_prefixes(tunnel), self._aws_prefixes(tunnel)

    def _aws_prefixes(self, tunnel: Tunnel) -> tuple[IPv4Network, ...]:
        """What AWS advertises and Azure accepts: the VPC's ranges, less those that are a VNet's prefix or lie in one. One that
        encloses a VNet's is accepted. https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-vpn-faq#bgp"""
        assert tunnel.connection is not None
        own = self._announced_by(self.azure.gateways[tunnel.connection.gateway_id])
        hidden = tunnel.aws.unannounced
        ranges = [c for v in tunnel.aws.vpc_ids for c in self.aws.vpcs.get(v, ()) if c not in hidden]
        return tuple(r for r in ranges if not any(r.subnet_of(o) for o in own))

    def learned_routes(self, gateway_id: str) -> tuple[LearnedRoute, ...]:
        """Of every instance: its VNet, the peers that it reaches itself with what they announce, and what the sibling has
        from its own peers. A gateway without BGP has learned nothing."""
        gateway = self.azure.gateways.get(gateway_id)
        if gateway is None or not gateway.bgp:
            return ()
        rows: list[LearnedRoute] = []
        for instance in gateway.instances:
            own = self._learned_by(gateway, instance)
            rows.extend(own)
            known = {r.network for r in own if r.origin == "Network"}
            for other in gateway.instances if gateway.active_active else ():
                if other is instance:
                    continue
                told: dict[IPv4Network, LearnedRoute] = {}
                for r in self._learned_by(gateway, other):
                    if r.network not in known:  # one row for each prefix, by way of the sibling
                        sibling = other.default_bgp
                        row = LearnedRoute(
                            instance.default_bgp, r.network, sibling, sibling, "IBgp", r.as_path, r.weight
                        )
                        told.setdefault(r.network, row)
                rows.extend(told.values())
        return tuple(rows)

    def _learned_by(self, gateway: AzureGateway, instance: AzureInstance) -> list[LearnedRoute]:
        """What an instance has by itself, without its sibling."""
        me = instance.default_bgp
        rows = [LearnedRoute(me, p, None, me, "Network", "", 32768) for p in self._announced_by(gateway)]
        for t in self.tunnels:
            if t.bgp and t.connection and t.connection.gateway_id == gateway.id and t.instance is instance:
                peer = t.aws.inside.network_address + 1
                rows.append(LearnedRoute(me, IPv4Network(f"{peer}/32"), None, me, "Network", "", 32768))
                rows.extend(
                    LearnedRoute(me, p, peer, peer, "EBgp", str(t.aws.amazon_asn), 32768) for p in self._aws_prefixes(t)
                )
        for direct, express in self.circuits:
            if express.gateway_id == gateway.id:
                path = f"{express.microsoft}-{express.router}-{direct.asn}"
                rows.extend(
                    LearnedRoute(me, p, express.address, express.address, "EBgp", path, 32769)
                    for p in self._over_circuit(direct, express)
                )
        return rows

    def advertised_routes(self, gateway_id: str, peer: str) -> tuple[LearnedRoute, ...]:
        """To a peer: the VNet's prefixes, and the peer's own address, which is a route of the gateway too."""
        gateway = self.azure.gateways.get(gateway_id)
        if gateway is None:
            return ()
        if not gateway.bgp:
            return tuple(LearnedRoute(None, p, None, None, "Network", "", 0) for p in self._announced_by(gateway))
        rows: list[LearnedRoute] = []
        for t in self.tunnels:
            if not (t.bgp and t.connection and t.connection.gateway_id == gateway.id and t.instance):
                continue
            if str(t.aws.inside.network_address + 1) == peer:
                local = local_bgp(t.connection, t.instance)
                rows.extend(
                    LearnedRoute(local, p, local, local, "Igp", str(gateway.asn), 0)
                    for p in (*self._azure_prefixes(t), IPv4Network(f"{peer}/32"))
                )
        return tuple(rows)

    # --- packets and names -------------------------------------------------------------------------------

    def source_of(self, cluster: AksCluster, pod: IPv4Address) -> IPv4Address:
        """The address with which a pod's packets leave the VNet."""
        return pod if cluster.source == "pod" or not cluster.node_addresses else cluster.node_addresses[0]

    def reach(
        self, cluster: AksCluster, source: IPv4Address, to: IPv4Address, protocol: Literal["tcp", "udp"], port: int
    ) -> Reach:
        """A packet from AKS (``source`` as it leaves the VNet) to an address behind the link, and its answer back."""
        if to in cluster.pod_cidr or to in cluster.service_cidr:
            return Reach("dropped", f"{to} lies in a range of the cluster itself")
        return self.reach_from(cluster.vnet_id, cluster.subnet_id, source, to, protocol, port)

    def reach_from(
        self,
        vnet_id: str,
        subnet_id: str,
        source: IPv4Address,
        to: IPv4Address,
        protocol: Literal["tcp", "udp"],
        port: int,
    ) -> Reach:
        """As ``reach``, from a subnet of a VNet."""
        vnet = self.azure.vnets.get(vnet_id)
        if vnet is None:
            return Reach("dropped", "the cluster's VNet is gone")
        if any(to in p for p in vnet.prefixes):
            return Reach("dropped", f"nothing in the VNet has {to}")
        if to.is_global:
            return Reach("dropped", "the sandbox has no internet")
        packet = Packet(source, to, protocol, port)
        ways = [w for w in self.ways if self.azure.gateways[w.azure_gateway].vnet_id in (vnet.id, *vnet.hubs)]
        learned = {p: None for w in ways for p in w.to_aws}
        leaves = next((s for s in vnet.subnets if s.id.lower() == subnet_id.lower()), None)
        if why := out_of_vnet(leaves, packet, learned):
            return Reach("dropped", why)
        interface = next((i for i in self.aws.interfaces if i.address == to), None)
        if interface is None:
            return Reach("dropped", f"nothing in the VPC has {to}")
        subnet = self.aws.subnets.get(interface.subnet_id)
        if why := into_interface(interface, subnet, packet):
            return Reach("dropped", why, interface)
        back = {p for p, _ in self.propagated(subnet.route_table_id)} if subnet else set()
        table = self.aws.route_tables.get(subnet.route_table_id) if subnet else None
        gateways = {w.aws_gateway for w in ways if any(to in p for p in w.to_aws)}
        vpc_id = subnet.vpc_id if subnet else ""
        back |= {
            p
            for p, g in (table.static if table else ())
            if g in gateways and (not g.startswith("tgw-") or self._sent_on(g, vpc_id, source, ways))
        }
        if not any(source in p for p in back):
            return Reach(
                "dropped", f"the route table of {interface.subnet_id} has no route back to {source}", interface
            )
        if why := self._lost_behind_gateways(vnet, ways, source):
            return Reach("dropped", why, interface)
        if not interface.working or self._faults.active("endpoint-ip-down", str(to)):
            return Reach("dropped", f"{to} does not answer", interface)
        if interface.kind == "resolver":
            return Reach("delivered" if port == 53 else "dropped", "", interface)
        if protocol == "tcp" and port in interface.ports:
            return Reach("delivered", "", interface)
        return Reach("refused", f"{to} has no listener on {protocol}/{port}", interface)

    def _lost_behind_gateways(self, vnet: Vnet, ways: Iterable[Way], to: IPv4Address) -> str:
        """Why no gateway passes on what is for this address of the VNet; empty when one does."""
        at = {self.azure.gateways[w.azure_gateway].vnet_id for w in ways}
        lost = []
        for home in (h for h in self.azure.vnets.values() if h.id in at):
            own = next((s for s in home.subnets if s.id.lower().endswith("/subnets/gatewaysubnet")), None)
            lost.append(from_gateway(own, (*home.prefixes, *vnet.prefixes), to))
        return lost[0] if lost and all(lost) else ""

    def reach_back(
        self, sender: VpcSender, to: IPv4Address, protocol: Literal["tcp", "udp"], port: int
    ) -> tuple[Reach, VnetInbound | None]:
        """A packet from the VPC to an inbound endpoint in a VNet, and its answer back. Nothing else in a VNet answers here."""
        subnet = self.aws.subnets.get(sender.subnet_id)
        if subnet is None:
            return Reach("dropped", f"{sender.subnet_id} is gone"), None
        packet = Packet(sender.address, to, protocol, port)
        if why := out_of_vpc(sender, subnet, packet):
            return Reach("dropped", why), None
        table = self.aws.route_tables.get(subnet.route_table_id)
        if table is None:
            return Reach("dropped", f"{subnet.id} has no route table"), None
        over = [w for w in self.ways if subnet.vpc_id in w.vpc_ids and any(to in p for p in w.to_azure)]
        sent = {g for p, g in (*self.propagated(table.id), *table.static) if to in p}
        ways = [
            w
            for w in over
            if w.aws_gateway in sent
            and (not w.aws_gateway.startswith("tgw-") or self._sent_on(w.aws_gateway, subnet.vpc_id, to, over))
        ]
        if not ways:
            return Reach("dropped", f"the route table of {subnet.id} has no route that works to {to}"), None
        found = next((i for i in self.azure.inbound if i.address == to and self._joined(i, ways)), None)
        if found is None:
            return Reach("dropped", f"nothing in the VNet answers at {to}"), None
        vnet = self.azure.vnets[found.vnet_id]
        there = next((s for s in vnet.subnets if s.id.lower() == found.subnet_id.lower()), None)
        if why := into_vnet(there, packet, {p: None for w in ways for p in w.to_aws}):
            return Reach("dropped", why), None
        return (Reach("delivered", ""), found) if port == 53 else (Reach("dropped", "only DNS answers there"), None)

    def _joined(self, inbound: VnetInbound, ways: list[Way]) -> bool:
        """Whether one of these ways ends in the endpoint's VNet, or in one whose gateway that uses."""
        vnet = self.azure.vnets.get(inbound.vnet_id)
        return vnet is not None and any(
            self.azure.gateways[w.azure_gateway].vnet_id in (vnet.id, *vnet.hubs) for w in ways
        )

    def largest_packet(self, cluster: AksCluster, to: IPv4Address) -> Largest:
        """What fits between a pod and an address behind the link: of several ways the least.

        AWS: MTU 1446, MSS 1406; https://docs.aws.amazon.com/vpn/latest/s2svpn/cgw-best-practice.html
        Azure: MTU 1400, its gateway sets the MSS of both directions to 1350;
        https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-about-vpn-devices
        Assumption: what is larger is dropped without a word, whether or not it may be fragmented.
        """
        vnet = self.azure.vnets.get(cluster.vnet_id)
        if vnet is None:
            return WHOLE
        ways = [w for w in self.ways if self.azure.gateways[w.azure_gateway].vnet_id in (vnet.id, *vnet.hubs)]
        fitting = [TUNNEL if w.connection.startswith("vpn-") else WHOLE for w in ways if any(to in p for p in w.to_aws)]
        return min(fitting, key=lambda largest: largest.packet, default=WHOLE)

    def _sent_on(self, gateway_id: str, vpc_id: str, to: IPv4Address, ways: list[Way]) -> bool:
        """Whether a transit gateway has a route for what comes from this VPC, and it leads into one of these ways."""
        table = next((t for t in self.aws.transit if (t.gateway_id, t.vpc_id) == (gateway_id, vpc_id)), None)
        if table is None:
            return False
        there = {w.connection for w in ways}
        learned = [(p, w.connection) for w in ways if w.connection in table.learns for p in w.to_azure]
        fitting = [(p, target) for p, target in (*table.static, *learned) if to in p]
        best = max(fitting, key=lambda route: route[0].prefixlen, default=None)  # of equal ones the first: static
        return best is not None and best[1] in there

    def resolve(self, vpc_id: str, name: str, kind: str) -> Answer:
        """What the VPC's resolver answers, and an inbound endpoint: the longest matching private zone, with wildcards.

        A matching zone without the name answers NXDOMAIN; there is no fall-through to the public DNS. A forwarding rule
        for the zone's own name, or one below it, comes before the zone: then the answer is the rule's name servers'.
        https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html
        """
        name = name.rstrip(".").lower()
        if (filter_ := self._filter(vpc_id, name, kind)) is not None and filter_.action == "BLOCK":
            return _blocked(filter_, name)
        zones = [z for z in self.aws.zones if vpc_id in z.vpc_ids and (name == z.name or name.endswith("." + z.name))]
        rules = [
            r
            for r in self.aws.forwarding
            if vpc_id in r.vpc_ids and f".{name}".endswith(f".{r.domain}" if r.domain else "")
        ]
        rule = max(rules, key=lambda r: len(r.domain), default=None)
        zone = max(zones, key=lambda z: len(z.name), default=None)
        if rule is not None and rule.targets and (zone is None or len(rule.domain) >= len(zone.name)):
            return Answer("SERVFAIL", (), rule.domain, rule)
        if zone is None:
            return Answer("NXDOMAIN", (), None)
        return Answer(*answer_of(zone.name, zone.records, name, kind), zone.name)

    def _filter(self, vpc_id: str, name: str, kind: str) -> NameFilter | None:
        """The rule of DNS Firewall that decides: the first that is about this question."""
        return next(
            (
                f
                for f in self.aws.filters
                if f.vpc_id == vpc_id and f.kind in ("", kind) and any(_is_about(d, name) for d in f.domains)
            ),
            None,
        )

    def vnet_answer(self, vnet_id: str, name: str, kind: str) -> Answer:
        """What Azure's resolver says in a VNet by itself: the longest private zone that is linked to it. zone None: none is, or
        the zone passes a name that it does not have on to the public DNS."""
        name = name.rstrip(".").lower()
        zones = [z for z in self.azure.zones if vnet_id.lower() in z.vnets and f".{name}".endswith(f".{z.name}")]
        zone = max(zones, key=lambda z: len(z.name), default=None)
        if zone is None:
            return Answer("NXDOMAIN", (), None)
        rcode, records = answer_of(zone.name, zone.records, name, kind)
        if rcode == "NXDOMAIN" and vnet_id.lower() in zone.redirects:
            return Answer("NXDOMAIN", (), None, passed_on=True)
        return Answer(rcode, records, zone.name)


def _is_about(domain: str, name: str) -> bool:
    plain = domain.rstrip(".")
    return plain == "*" or (name.endswith(plain[1:]) if plain.startswith("*.") else name == plain)


def _blocked(filter_: NameFilter, name: str) -> Answer:
    if filter_.response == "OVERRIDE":
        return Answer("NOERROR", (Record(name, "CNAME", filter_.ttl, (filter_.instead,)),), name)
    return Answer("NXDOMAIN" if filter_.response == "NXDOMAIN" else "NOERROR", (), name)


def answer_of(
    zone: str, records: tuple[Record, ...], name: str, kind: str
) -> tuple[Literal["NOERROR", "NXDOMAIN"], tuple[Record, ...]]:
    """What a zone says of a name in it."""
    here = [r for r in records if r.name == name]
    if not here:
        # an "empty non-terminal" exists: something below it does; so does the zone itself, by its SOA
        if name == zone or any(r.name.endswith("." + name) for r in records):
            return "NOERROR", ()
        parent = name
        while not here and parent != zone and "." in parent:
            parent = parent.partition(".")[2]
            here = [r for r in records if r.name == f"*.{parent}"]
            if here or any(r.name == parent or r.name.endswith("." + parent) for r in records):
                break  # the closest existing name above decides
        if not here:
            return "NXDOMAIN", ()
    found = tuple(r for r in here if r.type in (kind, "CNAME"))
    return "NOERROR", tuple(Record(name, r.type, r.ttl, r.values) for r in found)


def local_bgp(connection: AzureConnection, instance: AzureInstance) -> IPv4Address:
    """The address from which an instance speaks BGP on a connection.

    A connection that names none uses the instance's first custom address on every connection: the trap that keeps
    the second tunnel's session down. https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-howto-aws-bgp
    """
    named = connection.custom_bgp.get(instance.config)
    if named is not None:
        return named
    return instance.custom_bgp[0] if instance.custom_bgp else instance.default_bgp
