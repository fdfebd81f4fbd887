"""The wire: one loopback port, TCP and UDP, to which the sockets of all sandbox pods are turned.

A pod's connection begins with a line of JSON (which pod, where to) and is answered with a line (what becomes of it);
a datagram carries the same line in front. Every decision is taken when the packet comes.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable
from typing import Any

from cloudlink_sandbox.clock import busy
from cloudlink_sandbox.context import SandboxContext
from cloudlink_sandbox.kube.cluster import Cluster
from cloudlink_sandbox.kube.container import PodNetwork
from cloudlink_sandbox.kube.coredns import CoreDns
from cloudlink_sandbox.kube.kinds import PODS
from cloudlink_sandbox.kube.plugins import configure
from cloudlink_sandbox.kube.server import KubeCloud
from cloudlink_sandbox.listener import end_loops
from cloudlink_sandbox.wire.certificates import Certificates
from cloudlink_sandbox.wire.routes import (
    AZURE_DNS,
    DnsNetwork,
    Route,
    Sender,
    VpcNetwork,
    datagram,
    question,
    route,
    vpc_dns_address,
)

_IDLE_SECONDS = 10.0

# EKS's own, but for what says how it is watched. Assumption: an add-on of one version for all clusters, whose pods are always there.
_EKS_COREDNS = "1.12.1"
_EKS_COREFILE = """.:53 {
    errors
    health {
      lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
    }
    prometheus :9153
    forward . 169.254.169.253
    cache 30
    loop
    reload
    loadbalance
}
"""


class _TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 1024  # of pods that connect all at once; the kernel bounds it by net.core.somaxconn


class _UdpServer(socketserver.ThreadingUDPServer):
    daemon_threads = True
    max_packet_size = 70_000


class Wire:
    """``Wire(context, aks)`` gives the clusters of that cloud a network; ``start`` before pods are to use it."""

    def __init__(self, context: SandboxContext, *clouds: KubeCloud) -> None:
        self._context = context
        self._clouds = clouds
        self._senders: dict[str, Sender] = {}
        self._tokens: dict[tuple[str, str], str] = {}
        self._servers: list[socketserver.TCPServer] = []
        self._dns: dict[str, tuple[str, int]] = {}
        self._certificates: Certificates | None = None
        self.port = 0
        for cloud in clouds:
            prepare = self._prepare_eks if cloud.name == "eks" else self._prepare
            cloud.prepared = prepare
            for cluster in cloud.clusters.values():
                prepare(cluster)

    def _prepare(self, cluster: Cluster) -> None:
        cluster.pod_network = lambda pod: self._pod_network(cluster, pod)
        cluster.dns.adopt_network(lambda pod: DnsNetwork(Sender(cluster, f"kube-system/{pod}")))

    def _prepare_eks(self, cluster: Cluster) -> None:
        cluster.pod_network = lambda pod: self._pod_network(cluster, pod)
        configuration = configure({"Corefile": _EKS_COREFILE}, _EKS_COREDNS, own=())
        cluster.untouched_dns = CoreDns(configuration, VpcNetwork(cluster), lambda _: None)

    def _pod_network(self, cluster: Cluster, pod: str) -> PodNetwork:
        """pod: namespace/name."""
        self.start()
        token = self._tokens.setdefault((cluster.key, pod), secrets.token_hex(16))
        self._senders[token] = Sender(cluster, pod)
        facts = cluster.facts()
        namespace, _, name = pod.partition("/")
        spec = (cluster.store.find(PODS, namespace, name) or {}).get("spec", {})
        vpc = cluster.vpc()
        if uses_node_dns(spec):
            servers = vpc_dns_address(self._context.world(), vpc) if vpc is not None else AZURE_DNS
            return PodNetwork(self.port, token, f"nameserver {servers}\n", self._context.clock.speed, busy())
        lines = [f"search {namespace}.svc.cluster.local svc.cluster.local cluster.local"]
        if (named := vpc or facts) is not None:
            lines.append(f"nameserver {named.dns_service}")
        lines.append("options ndots:5")
        return PodNetwork(self.port, token, "\n".join(lines) + "\n", self._context.clock.speed, busy())

    # --- listening -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Bind, if that is not done yet."""
        with self._context.lock:
            if self.port:
                return
            self.port = self._listen(self._connection, self._datagram)

    def _listen(self, stream: Callable[[socket.socket], None], packet: Callable[[bytes], bytes | None]) -> int:
        """A TCP and a UDP listener on the same port of loopback."""

        class Stream(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    self.request.settimeout(_IDLE_SECONDS * busy())
                    self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    stream(self.request)

        class Packet(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                data, own = self.request
                answer = packet(data)
                if answer is not None:
                    with contextlib.suppress(OSError):
                        own.sendto(answer, self.client_address)

        for _ in range(20):
            tcp = _TcpServer(("127.0.0.1", 0), Stream)
            port = int(tcp.server_address[1])
            try:
                udp = _UdpServer(("127.0.0.1", port), Packet)
            except OSError:  # taken by somebody else's UDP socket: the next free one
                tcp.server_close()
                continue
            for server in (tcp, udp):
                threading.Thread(target=server.serve_forever, args=(0.1,), name=f"wire {port}", daemon=True).start()
                self._servers.append(server)
            return port
        raise OSError("no port of loopback is free for TCP and UDP")

    def stop(self) -> None:
        end_loops(self._servers)
        for server in self._servers:
            server.server_close()
        self._servers = []
        self._dns = {}
        self.port = 0

    # --- pods' packets ---------------------------------------------------------------------------------------

    def _datagram(self, frame: bytes) -> bytes | None:
        line, _, data = frame.partition(b"\n")
        head = _head(line)
        sender = self._senders.get(str(head.get("token")))
        if sender is None:
            return None
        where, answer, seconds = self._deliver(sender, str(head["to"]), int(head["port"]), data)
        verdict = {"outcome": where.outcome, "from": head["to"], "port": head["port"], "seconds": seconds}
        return json.dumps(verdict).encode() + b"\n" + answer

    def _deliver(self, sender: Sender, to: str, port: int, data: bytes) -> tuple[Route, bytes, float]:
        with self._context.lock:
            sender.cluster.catch_up()
            return datagram(sender, to, port, data)

    def _connection(self, connection: socket.socket) -> None:
        head = _head(_line(connection))
        sender = self._senders.get(str(head.get("token")))
        if sender is None:
            return
        to, port, patience = str(head["to"]), int(head["port"]), head.get("timeout")
        where = self._route(sender, to, port)
        connection.sendall(json.dumps({"outcome": where.outcome, "mss": where.largest.mss}).encode() + b"\n")
        if where.outcome != "delivered":
            return
        if where.to == "load-balancer":
            self._load_balancer(connection, where, port)
        else:
            self._dns_stream(connection, sender, to, port, None if patience is None else float(patience))

    def _route(self, sender: Sender, to: str, port: int) -> Route:
        with self._context.lock:
            sender.cluster.catch_up()
            return route(sender, to, "tcp", port)

    def _dns_stream(
        self, connection: socket.socket, sender: Sender, to: str, port: int, patience: float | None
    ) -> None:
        """DNS over TCP. The way is looked at again for every question: it may be gone by then."""
        while True:
            size = _exactly(connection, 2)
            if size is None:
                return
            data = _exactly(connection, struct.unpack("!H", size)[0])
            if data is None:
                return
            with self._context.lock:
                sender.cluster.catch_up()
                where = route(sender, to, "tcp", port)
                answer = question(sender, where, data, "tcp") if where.outcome == "delivered" else None
            if answer is None or (patience is not None and answer[1] >= patience):
                _reset(connection)
                return
            connection.sendall(struct.pack("!H", len(answer[0])) + answer[0])

    def _load_balancer(self, connection: socket.socket, where: Route, port: int) -> None:
        """Greets a client that says something, in HTTP if that was it; TLS first on ports that have it."""
        if where.interface is not None and port in where.interface.tls:
            with self._context.lock:
                if self._certificates is None:
                    self._certificates = Certificates(self._context.home / "wire")
                context = self._certificates.context()
            try:
                connection = context.wrap_socket(connection, server_side=True)
            except ssl.SSLError:
                return
        with contextlib.closing(connection):
            said = connection.recv(65536)
            if said.split(b" ", 1)[0] in (b"GET", b"HEAD", b"POST", b"PUT", b"OPTIONS"):
                text = b"hello from the sandbox\n"
                head = f"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n"
                connection.sendall(head.encode() + (b"" if said.startswith(b"HEAD") else text))

    # --- for people and tests --------------------------------------------------------------------------------

    def dns_address_of(self, ip: str, cluster: Cluster | None = None) -> tuple[str, int]:
        """A loopback address (UDP and TCP) that answers as this name server does to a node of the cluster.

        cluster: the only AKS cluster when it is not given. A packet that would be dropped is not answered.
        """
        if ip in self._dns:
            return self._dns[ip]
        with self._context.lock:
            cloud, key = self._cluster_key(cluster)

        def sender() -> Sender | None:
            with self._context.lock:
                found = cloud.cluster(key)  # looked up each time: it may be gone, or loaded again
                return Sender(found) if found else None

        def packet(data: bytes) -> bytes | None:
            asker = sender()
            return self._deliver(asker, ip, 53, data)[1] or None if asker else None

        def stream(connection: socket.socket) -> None:
            if asker := sender():
                self._dns_stream(connection, asker, ip, 53, None)

        self._dns[ip] = ("127.0.0.1", self._listen(stream, packet))
        return self._dns[ip]

    def _cluster_key(self, cluster: Cluster | None) -> tuple[KubeCloud, str]:
        if cluster is not None:
            return next(c for c in self._clouds if cluster.key in c.clusters), cluster.key
        ids = [c.id for c in self._context.azure_facts().clusters]
        if len(ids) != 1:
            raise ValueError(f"there are {len(ids)} AKS clusters: say which")
        return next(c for c in self._clouds if c.name == "aks"), KubeCloud.key_of(ids[0])


def uses_node_dns(spec: dict[str, Any]) -> bool:
    """Whether a pod asks its node's DNS servers, and not the cluster's DNS.

    https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#pod-s-dns-policy
    """
    policy = spec.get("dnsPolicy", "ClusterFirst")
    return policy == "Default" or (policy == "ClusterFirst" and bool(spec.get("hostNetwork")))


def _head(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _line(connection: socket.socket) -> bytes:
    line = b""
    while not line.endswith(b"\n") and len(line) < 4096:
        got = connection.recv(1)
        if not got:
            break
        line += got
    return line


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    data = b""
    while len(data) < size:
        got = connection.recv(size - len(data))
        if not got:
            return None
        data += got
    return data


def _reset(connection: socket.socket) -> None:
    """Close without a farewell: a pod's socket takes it for lost packets."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
