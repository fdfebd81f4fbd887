"""The world: from both sides' configuration alone to tunnels, BGP sessions, routes and reachability.

A pure computation over :mod:`cloudlink_sandbox.facts` at one moment. A tunnel is up only if public addresses,
keys, proposals, inside addresses, peer addresses and ASNs match on both sides; nothing is assumed connected.
Each AWS tunnel names the first reason why it is not up, so that the sandbox can be asked as well as watched.

How far it goes: a VGW accepts IKE only from its customer gateway's address, so of the two instances from which
Azure tries each connection only one can succeed (the other stays disconnected for ever, as in the real cloud).
Times to come up after the last change of anything involved are samples of ``durations``.
"""

from __future__ import annotations

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
    Interface,
    Record,
    Zone,
)
from cloudlink_sandbox.faults import FaultRegistry
from cloudlink_sandbox.filtering import Packet, into_interface, out_of_vnet
from cloudlink_sandbox.negotiation import ike_phase, mismatch

ConnectionStatus = Literal["Unknown", "Connecting", "Connected", "NotConnected"]

# How long Azure shows "Unknown" after a connection was made, and "Connecting" before it gives up. Assumption: recordings
# show Unknown right after creation and then Connecting or NotConnected, but not when it changes.
_UNKNOWN_SECONDS = 5.0
_CONNECTING_SECONDS = 60.0


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
    """One row of getLearnedRoutes or getAdvertisedRoutes. next_hop None for origin Network."""

    local_address: IPv4Address
    network: IPv4Network
    next_hop: IPv4Address | None
    source_peer: IPv4Address
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
    """What an inbound endpoint says. zone None: no private zone matches, the public DNS would be asked."""

    rcode: Literal["NOERROR", "NXDOMAIN", "REFUSED", "SERVFAIL"]
    records: tuple[Record, ...]
    zone: str | None


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
            return Tunnel(aws, connection, instance, False, False, 0.0, 0.0, why)
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
        assert tunnel.connection is not None
        return self._announced_by(self.azure.gateways[tunnel.connection.gateway_id])

    def _announced_by(self, gateway: AzureGateway) -> tuple[IPv4Network, ...]:
        vnet = self.azure.vnets.get(gateway.vnet_id)
        return vnet.advertised if vnet else ()

    def propagated(self, route_table_id: str) -> tuple[tuple[IPv4Network, str], ...]:
        """Routes that appear in a route table by propagation: (destination, gateway id)."""
        table = self.aws.route_tables.get(route_table_id)
        if table is None:
            return ()
        routes: dict[IPv4Network, str] = {}
        for t in self.tunnels:
            if t.bgp and t.aws.gateway_id in table.propagating and table.vpc_id in t.aws.vpc_ids:
                for prefix in self._azure_prefixes(t):
                    routes.setdefault(prefix, t.aws.gateway_id)
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
                itself = other is instance
                rows.append(
                    BgpRow(
                        local_address=instance.default_bgp,
                        neighbor=other.default_bgp,
                        asn=gateway.asn,
                        state="Unknown" if itself else "Connected",
                        connected_seconds=None if itself else 3600.0,
                        routes_received=0,
                        sent=0 if itself else 60,
                        received=0 if itself else 60,
                    )
                )
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

    def _aws_prefixes(self, tunnel: Tunnel) -> tuple[IPv4Network, ...]:
        """What AWS advertises and Azure accepts: the VPC's ranges, less those that a VNet overlaps."""
        assert tunnel.connection is not None
        own = self._azure_prefixes(tunnel)
        ranges = [c for v in tunnel.aws.vpc_ids for c in self.aws.vpcs.get(v, ())]
        return tuple(r for r in ranges if not any(r.overlaps(o) for o in own))

    def learned_routes(self, gateway_id: str) -> tuple[LearnedRoute, ...]:
        gateway = self.azure.gateways.get(gateway_id)
        if gateway is None:
            return ()
        rows: list[LearnedRoute] = []
        vnet = self.azure.vnets.get(gateway.vnet_id)
        for instance in gateway.instances:
            me = instance.default_bgp
            rows.extend(LearnedRoute(me, p, None, me, "Network", "", 32768) for p in (vnet.advertised if vnet else ()))
            for t in self.tunnels:
                if not (t.bgp and t.connection and t.connection.gateway_id == gateway.id and t.instance):
                    continue
                peer = t.aws.inside.network_address + 1
                if t.instance is instance:
                    rows.append(LearnedRoute(me, IPv4Network(f"{peer}/32"), None, me, "Network", "", 32768))
                    origin, source = "EBgp", peer
                else:
                    origin, source = "IBgp", t.instance.default_bgp
                rows.extend(
                    LearnedRoute(me, p, peer, source, origin, str(t.aws.amazon_asn), 32768)
                    for p in self._aws_prefixes(t)
                )
        return tuple(rows)

    def advertised_routes(self, gateway_id: str, peer: str) -> tuple[LearnedRoute, ...]:
        gateway = self.azure.gateways.get(gateway_id)
        rows: list[LearnedRoute] = []
        for t in self.tunnels:
            if not (gateway and t.bgp and t.connection and t.connection.gateway_id == gateway.id and t.instance):
                continue
            if str(t.aws.inside.network_address + 1) == peer:
                local = local_bgp(t.connection, t.instance)
                rows.extend(
                    LearnedRoute(local, p, local, local, "Igp", str(gateway.asn), 0) for p in self._azure_prefixes(t)
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
        vnet = self.azure.vnets.get(cluster.vnet_id)
        if vnet is None:
            return Reach("dropped", "the cluster's VNet is gone")
        if any(to in p for p in vnet.prefixes):
            return Reach("dropped", f"nothing in the VNet has {to}")
        if to.is_global:
            return Reach("dropped", "the sandbox has no internet")
        packet = Packet(source, to, protocol, port)
        ways = [
            t
            for t in self.tunnels
            if t.bgp and t.connection and self.azure.gateways[t.connection.gateway_id].vnet_id in (vnet.id, *vnet.hubs)
        ]
        learned = {p: None for t in ways for p in self._aws_prefixes(t)}
        leaves = next((s for s in vnet.subnets if s.id.lower() == cluster.subnet_id.lower()), None)
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
        gateways = {t.aws.gateway_id for t in ways if any(to in p for p in self._aws_prefixes(t))}
        back |= {p for p, g in (table.static if table else ()) if g in gateways}
        if not any(source in p for p in back):
            return Reach(
                "dropped", f"the route table of {interface.subnet_id} has no route back to {source}", interface
            )
        if not interface.working or self._faults.active("endpoint-ip-down", str(to)):
            return Reach("dropped", f"{to} does not answer", interface)
        if interface.kind == "resolver":
            return Reach("delivered" if port == 53 else "dropped", "", interface)
        if protocol == "tcp" and port in interface.ports:
            return Reach("delivered", "", interface)
        return Reach("refused", f"{to} has no listener on {protocol}/{port}", interface)

    def resolve(self, interface: Interface, name: str, kind: str) -> Answer:
        """What an inbound endpoint answers: the longest matching private zone of its VPC, with wildcards.

        A matching zone without the name answers NXDOMAIN; there is no fall-through to the public DNS. A forwarding rule
        for the zone's own name, or one below it, comes before the zone.
        https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html
        """
        subnet = self.aws.subnets.get(interface.subnet_id)
        name = name.rstrip(".").lower()
        zones = [
            z
            for z in self.aws.zones
            if subnet and subnet.vpc_id in z.vpc_ids and (name == z.name or name.endswith("." + z.name))
        ]
        rules = [
            r
            for r in self.aws.forwarding
            if subnet and subnet.vpc_id in r.vpc_ids and f".{name}".endswith(f".{r.domain}" if r.domain else "")
        ]
        rule = max(rules, key=lambda r: len(r.domain), default=None)
        zone = max(zones, key=lambda z: len(z.name), default=None)
        if rule is not None and rule.targets and (zone is None or len(rule.domain) >= len(zone.name)):
            return Answer("SERVFAIL", (), rule.domain)  # of the rule's name servers none is in the sandbox
        if zone is None:
            return Answer("NXDOMAIN", (), None)
        return _answer(zone, name, kind)


def _answer(zone: Zone, name: str, kind: str) -> Answer:
    here = [r for r in zone.records if r.name == name]
    if not here:
        # an "empty non-terminal" exists: something below it does
        if any(r.name.endswith("." + name) for r in zone.records):
            return Answer("NOERROR", (), zone.name)
        parent = name
        while not here and parent != zone.name and "." in parent:
            parent = parent.partition(".")[2]
            here = [r for r in zone.records if r.name == f"*.{parent}"]
            if here or any(r.name == parent or r.name.endswith("." + parent) for r in zone.records):
                break  # the closest existing name above decides
        if not here:
            return Answer("NXDOMAIN", (), zone.name)
    found = tuple(r for r in here if r.type in (kind, "CNAME"))
    return Answer("NOERROR", tuple(Record(name, r.type, r.ttl, r.values) for r in found), zone.name)


def local_bgp(connection: AzureConnection, instance: AzureInstance) -> IPv4Address:
    """The address from which an instance speaks BGP on a connection.

    A connection that names none uses the instance's first custom address on every connection: the trap that keeps
    the second tunnel's session down. https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-howto-aws-bgp
    """
    named = connection.custom_bgp.get(instance.config)
    if named is not None:
        return named
    return instance.custom_bgp[0] if instance.custom_bgp else instance.default_bgp
