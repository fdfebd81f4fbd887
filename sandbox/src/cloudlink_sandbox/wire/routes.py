"""What becomes of a packet from a pod, decided at the moment it is sent, and what answers it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from typing import Literal

import dns.exception
import dns.flags
import dns.message

from cloudlink_sandbox.facts import AksCluster, EksCluster, Interface
from cloudlink_sandbox.filtering import Packet, into_interface
from cloudlink_sandbox.kube.cluster import Cluster
from cloudlink_sandbox.kube.coredns import Exchange, Transport
from cloudlink_sandbox.kube.kinds import NAMESPACES, PODS, SERVICES
from cloudlink_sandbox.kube.network_policies import Packet as PodPacket
from cloudlink_sandbox.kube.network_policies import Peer, dropped
from cloudlink_sandbox.kube.objects import Object
from cloudlink_sandbox.kube.plugins import Upstream
from cloudlink_sandbox.wire.resolver import azure_answer, endpoint_answer, vnet_answer, vpc_answer
from cloudlink_sandbox.world import WHOLE, Largest, World

AZURE_DNS = IPv4Address("168.63.129.16")
LOCAL_VPC_DNS = IPv4Address("169.254.169.253")
UDP_HEADERS = 28

# A question that goes round in circles is lost after this many turns, as its first asker has long given up by then.
_MOST_TURNS = 3


@dataclass(frozen=True)
class Route:
    """to: what is at the destination. why: for people, when it is not delivered."""

    outcome: Literal["delivered", "dropped", "refused"]
    why: str = ""
    to: Literal["", "cluster-dns", "dns-pod", "azure-dns", "resolver", "load-balancer", "vpc-dns", "vnet-inbound"] = ""
    interface: Interface | None = None
    pod: str = ""
    vnet: str = ""  # of an inbound endpoint
    largest: Largest = WHOLE


@dataclass(frozen=True)
class Sender:
    """A pod, by namespace/name; an empty pod is a node."""

    cluster: Cluster
    pod: str = ""

    def object(self) -> Object | None:
        namespace, _, name = self.pod.partition("/")
        return self.cluster.store.find(PODS, namespace, name) if name else None

    def address(self) -> IPv4Address | None:
        found = self.object()
        text = found["status"].get("podIP") if found else None
        if text:
            return IPv4Address(text)
        facts, vpc = self.cluster.facts(), self.cluster.vpc()
        if vpc is not None and vpc.nodes:
            return vpc.nodes[0].address
        return facts.node_addresses[0] if facts and facts.node_addresses else None


def route(sender: Sender, to: str, protocol: Transport, port: int) -> Route:
    """Called with context.lock held."""
    cluster = sender.cluster
    facts = cluster.facts()
    try:
        address = IPv4Address(to)
    except AddressValueError:
        return Route("dropped", f"{to} is no IPv4 address")
    if (vpc := cluster.vpc()) is not None:
        return _from_vpc(sender, vpc, address, protocol, port)
    if facts is None:
        return Route("dropped", "the cluster is gone")
    if address == facts.dns_service:
        if port != 53 or cluster.dns.server() is None:
            return Route("refused", "no CoreDNS pod is ready" if port == 53 else "the service has no such port")
        if why := _held_back(sender, facts, address, cluster.dns.a_pod(), protocol, port):
            return Route("dropped", why)
        return Route("delivered", to="cluster-dns")
    if address in facts.service_cidr:
        return Route("dropped", f"the sandbox has nothing behind service address {to}")
    for pod in cluster.store.all(PODS, "kube-system"):
        if pod["status"].get("podIP") == to and cluster.dns.is_dns(pod):
            name = pod["metadata"]["name"]
            if why := _held_back(sender, facts, address, pod, protocol, port):
                return Route("dropped", why)
            ready = port == 53 and cluster.dns.server(name) is not None
            return Route("delivered", to="dns-pod", pod=name) if ready else Route("refused", f"{name} is not ready")
    if why := _held_back(sender, facts, address, None, protocol, port):
        return Route("dropped", why)
    if address == AZURE_DNS:
        return Route("delivered", to="azure-dns") if port == 53 else Route("dropped", "only DNS answers there")
    own = sender.address()
    if own is None:
        return Route("dropped", "the sender has no address")
    world = cluster.context.world()
    reach = world.reach(facts, world.source_of(facts, own), address, protocol, port)
    kind = reach.interface.kind if reach.interface else ""
    to_what: Literal["resolver", "load-balancer"] = "resolver" if kind == "resolver" else "load-balancer"
    return Route(reach.outcome, reach.why, to_what, reach.interface, largest=world.largest_packet(facts, address))


def _held_back(
    sender: Sender, facts: AksCluster, to: IPv4Address, receiver: Object | None, protocol: Transport, port: int
) -> str:
    """Why policies of the cluster drop it: on its way out of the sender, or into the pod that it goes to. A service's address
    has become a pod's by then."""
    own, cluster = sender.object(), sender.cluster
    if not facts.policy_engine or own is None or own["spec"].get("hostNetwork"):
        return ""
    there = (receiver or {}).get("status", {}).get("podIP")
    peer = Peer(IPv4Address(there) if there else to, receiver)
    packet = PodPacket(protocol, port, receiver, facts.policy_engine)
    if why := dropped(cluster, "Egress", own, peer, packet):
        return f"{why} does not let it out of {sender.pod}"
    if receiver is None:
        return ""
    why = dropped(cluster, "Ingress", receiver, Peer(sender.address(), own), packet)
    return f"{why} does not let it into {receiver['metadata']['name']}" if why else ""


def vpc_dns_address(world: World, vpc: EksCluster) -> IPv4Address:
    """The address of a VPC's resolver: the third of its first range.

    https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html
    """
    ranges = world.aws.vpcs.get(vpc.vpc_id, ())
    return ranges[0].network_address + 2 if ranges else LOCAL_VPC_DNS


def _from_vpc(sender: Sender, vpc: EksCluster, address: IPv4Address, protocol: Transport, port: int) -> Route:
    """From a pod or a node of EKS. It leaves the VPC with its node's address."""
    world = sender.cluster.context.world()
    if address == vpc.dns_service:
        return Route("delivered", to="cluster-dns") if port == 53 else Route("refused", "the service has no such port")
    if address in vpc.service_cidr:
        return Route("dropped", f"the sandbox has nothing behind service address {address}")
    if address in (LOCAL_VPC_DNS, vpc_dns_address(world, vpc)):
        return Route("delivered", to="vpc-dns") if port == 53 else Route("dropped", "only DNS answers there")
    own = sender.address()
    node = next((n for n in vpc.nodes if own is not None and own in world.aws.subnets[n.subnet_id].cidr), None)
    if node is None or own is None:
        return Route("dropped", "the sender has no address")
    if any(address in r for r in world.aws.vpcs.get(vpc.vpc_id, ())):
        there = next((i for i in world.aws.interfaces if i.address == address), None)
        if there is None or not there.working:
            return Route("dropped", f"nothing in the VPC has {address}")
        if why := into_interface(there, world.aws.subnets.get(there.subnet_id), Packet(own, address, protocol, port)):
            return Route("dropped", why)
        if port not in there.ports:
            return Route("refused", f"{address} has no listener on {protocol}/{port}")
        return Route("delivered", "", "resolver" if there.kind == "resolver" else "load-balancer", there)
    reach, inbound = world.reach_back(node, address, protocol, port)
    return Route(reach.outcome, reach.why, "vnet-inbound" if inbound else "", vnet=inbound.vnet_id if inbound else "")


@dataclass(frozen=True)
class VpcNetwork:
    """The network as EKS's CoreDNS has it: it asks the VPC's resolver, as its nodes do."""

    cluster: Cluster

    def ask(self, upstream: Upstream, query: dns.message.Message, transport: Transport) -> Exchange:
        del upstream
        vpc = self.cluster.vpc()
        if vpc is None:
            return Exchange("dropped")
        return Exchange("answered", *vpc_answer(self.cluster.context.world(), vpc.vpc_id, query, transport))

    def services(self) -> dict[tuple[str, str], str]:
        return _services(self.cluster)

    def namespaces(self) -> set[str]:
        return _namespaces(self.cluster)


def _services(cluster: Cluster) -> dict[tuple[str, str], str]:
    return {
        (s["metadata"]["namespace"], s["metadata"]["name"]): s["spec"].get("clusterIP") or "None"
        for s in cluster.store.all(SERVICES)
    }


def _namespaces(cluster: Cluster) -> set[str]:
    return {n["metadata"]["name"] for n in cluster.store.all(NAMESPACES)}


@dataclass(frozen=True)
class DnsNetwork:
    """The network as a CoreDNS pod has it. turns: how often this question came round already."""

    sender: Sender
    turns: int = 0

    def ask(self, upstream: Upstream, query: dns.message.Message, transport: Transport) -> Exchange:
        if upstream.transport == "tls":
            return Exchange("dropped")  # nothing in the sandbox speaks DNS over TLS
        where = route(self.sender, upstream.address, transport, upstream.port)
        if where.outcome != "delivered":
            return Exchange(where.outcome)
        if self.turns >= _MOST_TURNS:
            return Exchange("dropped")
        answer = ask(self.sender, where, query, transport, self.turns + 1)
        if answer is None:
            return Exchange("dropped")
        return Exchange("answered", answer[0], answer[1])

    def services(self) -> dict[tuple[str, str], str]:
        return _services(self.sender.cluster)

    def namespaces(self) -> set[str]:
        return _namespaces(self.sender.cluster)


def ask(
    sender: Sender, where: Route, query: dns.message.Message, transport: Transport, turns: int = 0
) -> tuple[dns.message.Message, float] | None:
    """The answer and the sandbox seconds that it took; None when the destination does not speak DNS."""
    cluster = sender.cluster
    world: World = cluster.context.world()
    if where.to == "azure-dns":
        facts = cluster.facts()
        return azure_answer(world, facts, query, transport) if facts is not None else None
    if where.to == "resolver" and where.interface is not None:
        return endpoint_answer(world, where.interface, query, transport)
    if where.to == "vnet-inbound":
        return vnet_answer(world, where.vnet, query, transport)
    vpc = cluster.vpc()
    if where.to == "vpc-dns" and vpc is not None:
        return vpc_answer(world, vpc.vpc_id, query, transport)
    if where.to == "cluster-dns" and cluster.untouched_dns is not None:
        reply = cluster.untouched_dns.answer(query, transport, cluster.now())
        return reply.response, reply.seconds
    if where.to in ("cluster-dns", "dns-pod"):
        server = cluster.dns.server(where.pod or None)
        if server is None:
            return None
        if turns:
            network = server.network
            assert isinstance(network, DnsNetwork)
            server.network = DnsNetwork(network.sender, turns)
            try:
                reply = server.answer(query, transport, cluster.now())
            finally:
                server.network = network
        else:
            reply = server.answer(query, transport, cluster.now())
        return reply.response, reply.seconds
    return None


def datagram(sender: Sender, to: str, port: int, data: bytes) -> tuple[Route, bytes, float]:
    """A UDP packet: what becomes of it, the answering packet (empty: none) and the sandbox seconds it took."""
    where = route(sender, to, "udp", port)
    if where.outcome == "delivered" and len(data) + UDP_HEADERS > where.largest.packet:
        return Route("dropped", f"larger than the {where.largest.packet} octets that pass"), b"", 0.0
    if where.outcome != "delivered":
        return where, b"", 0.0
    answer = question(sender, where, data, "udp")
    if answer is None:
        return Route("dropped", "no DNS question"), b"", 0.0
    return where, *answer


def question(sender: Sender, where: Route, data: bytes, transport: Transport) -> tuple[bytes, float] | None:
    """A DNS message in wire form to its answer in wire form, cut to what fits into a UDP packet."""
    try:
        query = dns.message.from_wire(data)
    except dns.exception.DNSException:
        return None
    if not query.question or query.flags & dns.flags.QR:
        return None
    found = ask(sender, where, query, transport)
    if found is None:
        return None
    response, seconds = found
    limit = max(512, query.payload if query.edns >= 0 else 512) if transport == "udp" else 65535
    try:
        return response.to_wire(max_size=limit), seconds
    except dns.exception.TooBig:
        cut = dns.message.make_response(query, recursion_available=True)
        cut.set_rcode(response.rcode())
        cut.flags |= dns.flags.TC
        return cut.to_wire(max_size=limit), seconds
