"""What becomes of a packet from a pod, decided at the moment it is sent, and what answers it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address
from typing import Literal

import dns.exception
import dns.flags
import dns.message

from cloudlink_sandbox.facts import Interface
from cloudlink_sandbox.kube.cluster import Cluster
from cloudlink_sandbox.kube.coredns import Exchange, Transport
from cloudlink_sandbox.kube.kinds import NAMESPACES, PODS, SERVICES
from cloudlink_sandbox.kube.plugins import Upstream
from cloudlink_sandbox.wire.resolver import azure_answer, endpoint_answer
from cloudlink_sandbox.world import World

AZURE_DNS = IPv4Address("168.63.129.16")

# A question that goes round in circles is lost after this many turns, as its first asker has long given up by then.
_MOST_TURNS = 3


@dataclass(frozen=True)
class Route:
    """to: what is at the destination. why: for people, when it is not delivered."""

    outcome: Literal["delivered", "dropped", "refused"]
    why: str = ""
    to: Literal["", "cluster-dns", "dns-pod", "azure-dns", "resolver", "load-balancer"] = ""
    interface: Interface | None = None
    pod: str = ""


@dataclass(frozen=True)
class Sender:
    """A pod, by namespace/name; an empty pod is a node."""

    cluster: Cluster
    pod: str = ""

    def address(self) -> IPv4Address | None:
        namespace, _, name = self.pod.partition("/")
        found = self.cluster.store.find(PODS, namespace, name) if name else None
        text = found["status"].get("podIP") if found else None
        if text:
            return IPv4Address(text)
        facts = self.cluster.facts()
        return facts.node_addresses[0] if facts and facts.node_addresses else None


def route(sender: Sender, to: str, protocol: Transport, port: int) -> Route:
    """Called with context.lock held."""
    cluster = sender.cluster
    facts = cluster.facts()
    try:
        address = IPv4Address(to)
    except AddressValueError:
        return Route("dropped", f"{to} is no IPv4 address")
    if facts is None:
        return Route("dropped", "only AKS pods have a network in the sandbox")
    if address == facts.dns_service:
        if port != 53 or cluster.dns.server() is None:
            return Route("refused", "no CoreDNS pod is ready" if port == 53 else "the service has no such port")
        return Route("delivered", to="cluster-dns")
    if address in facts.service_cidr:
        return Route("dropped", f"the sandbox has nothing behind service address {to}")
    for pod in cluster.store.all(PODS, "kube-system"):
        if pod["status"].get("podIP") == to and cluster.dns.is_dns(pod):
            name = pod["metadata"]["name"]
            ready = port == 53 and cluster.dns.server(name) is not None
            return Route("delivered", to="dns-pod", pod=name) if ready else Route("refused", f"{name} is not ready")
    if address == AZURE_DNS:
        return Route("delivered", to="azure-dns") if port == 53 else Route("dropped", "only DNS answers there")
    own = sender.address()
    if own is None:
        return Route("dropped", "the sender has no address")
    world = cluster.context.world()
    reach = world.reach(facts, world.source_of(facts, own), address, protocol, port)
    kind = reach.interface.kind if reach.interface else ""
    return Route(reach.outcome, reach.why, "resolver" if kind == "resolver" else "load-balancer", reach.interface)


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
        return {
            (s["metadata"]["namespace"], s["metadata"]["name"]): s["spec"].get("clusterIP") or "None"
            for s in self.sender.cluster.store.all(SERVICES)
        }

    def namespaces(self) -> set[str]:
        return {n["metadata"]["name"] for n in self.sender.cluster.store.all(NAMESPACES)}


def ask(
    sender: Sender, where: Route, query: dns.message.Message, transport: Transport, turns: int = 0
) -> tuple[dns.message.Message, float] | None:
    """The answer and the sandbox seconds that it took; None when the destination does not speak DNS."""
    cluster = sender.cluster
    world: World = cluster.context.world()
    if where.to == "azure-dns":
        return azure_answer(query), 0.0
    if where.to == "resolver" and where.interface is not None:
        return endpoint_answer(world, where.interface, query), 0.0
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
