"""A healthy link in a sandbox of this process, to be spoiled by a test and put back before the next one.

Both clouds are changed and read through their SDKs. What a node of AKS can reach is asked with real DNS messages, and
of the wire. The clock stands still unless a command runs.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query
import dns.rcode

from cloudlink.sandbox_world import description
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.process import Sandbox
from cloudlink_sandbox.wire.routes import Sender, route
from cloudlink_sandbox.world import Tunnel
from cloudlink_sandbox.world_file import parse
from tests.support.cli import Cli, make_cli
from tests.support.manual_edits import GROUP, ManualEdits

FAST = 1000.0
SENTRY = "sentry.prod.corp.example"
GATEWAY = "cloudlink-demo-gateway"
NOTHING = "timeout"


@dataclass
class Harness:
    place: Cli
    sandbox: Sandbox
    hand: ManualEdits = field(init=False)

    def __post_init__(self) -> None:
        self.hand = ManualEdits(self.place)

    @property
    def ec2(self) -> Any:
        return self.hand.ec2

    @property
    def network(self) -> Any:
        return self.hand.network

    def later(self, seconds: float = 600) -> None:
        self.sandbox.context.clock.advance(seconds)

    @contextlib.contextmanager
    def clock_runs(self) -> Iterator[None]:
        self.sandbox.context.clock.set_speed(FAST)
        try:
            yield
        finally:
            self.sandbox.context.clock.set_speed(0)

    # --- the symptoms ------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """What ``cloudlink status`` says."""
        with self.clock_runs():
            said: dict[str, Any] = self.place.cloudlink("status", "--json").json
        return said

    def whys(self) -> list[str]:
        return [t["why"] for t in self.status()["tunnels"]]

    def aws(self) -> list[str]:
        """AWS's words for each tunnel of the plan."""
        said = {}
        for connection in self.ec2.describe_vpn_connections()["VpnConnections"]:
            inside = {o["OutsideIpAddress"]: o["TunnelInsideCidr"] for o in connection["Options"]["TunnelOptions"]}
            for t in connection.get("VgwTelemetry", ()):
                up = t["Status"] == "UP"
                said[inside[t["OutsideIpAddress"]]] = "UP" if up else t["StatusMessage"]
        return [said[str(t.inside)] for t in self.place.link.tunnels]

    def tunnel(self, inside: str) -> Tunnel:
        """What the world says of a tunnel, for a test that has to hit a moment."""
        return next(t for t in self.sandbox.context.world().tunnels if str(t.aws.inside) == inside)

    def azure(self) -> list[str]:
        connections = self.network.virtual_network_gateway_connections
        return [
            str(connections.get(GROUP, f"cloudlink-demo-connection-{i + 1}").properties.connection_status.value)
            for i in range(4)
        ]

    def bgp(self) -> dict[str, str]:
        """The best state of each neighbour on AWS's side."""
        gateways = self.network.virtual_network_gateways
        with self.clock_runs():
            rows = gateways.begin_get_bgp_peer_status(GROUP, GATEWAY).result().value
        best: dict[str, str] = {}
        for row in rows:
            if best.get(row.neighbor) != "Connected" and row.neighbor.startswith("169.254."):
                best[row.neighbor] = row.state
        return best

    def learned(self) -> set[str]:
        """What Azure's gateway learns from AWS."""
        gateways = self.network.virtual_network_gateways
        with self.clock_runs():
            routes = gateways.begin_get_learned_routes(GROUP, GATEWAY).result().value
        return {r.network for r in routes if r.origin == "EBgp"}

    # --- what a node of AKS reaches --------------------------------------------------------------------

    def endpoint_addresses(self) -> list[str]:
        """Of the inbound endpoint, in order; the first two are in subnets that share a route table."""
        resolver = self.hand.clouds.aws.route53resolver
        inbound = [{"Name": "Direction", "Values": ["INBOUND"]}]
        (endpoint,) = resolver.list_resolver_endpoints(Filters=inbound)["ResolverEndpoints"]
        found = resolver.list_resolver_endpoint_ip_addresses(ResolverEndpointId=endpoint["Id"])["IpAddresses"]
        return [a["Ip"] for a in sorted(found, key=lambda a: IPv4Address(a["Ip"]))]

    def ask(self, name: str = SENTRY, *, at: str = "10.0.0.10", kind: str = "A", tcp: bool = False) -> str:
        """The answer of a name server: addresses, an rcode, ``NODATA`` or ``timeout``. 10.0.0.10 is the cluster's DNS."""
        host, port = self.sandbox.wire.dns_address_of(at)
        question = dns.message.make_query(name, kind)
        arrives = self.reach(at, 53, tcp=tcp)[0] == "delivered"  # an answer may take its time on a busy machine
        try:
            answer = (dns.query.tcp if tcp else dns.query.udp)(
                question, host, port=port, timeout=10 if arrives else 0.2
            )
        except (dns.exception.Timeout, OSError, EOFError):
            return NOTHING
        if answer.rcode() != dns.rcode.NOERROR:
            return dns.rcode.to_text(answer.rcode())
        return " ".join(sorted(str(r) for rrset in answer.answer for r in rrset)) or "NODATA"

    def reach(self, to: str, port: int = 443, *, tcp: bool = True) -> tuple[str, str]:
        """(delivered, dropped or refused; why) of a packet."""
        cluster = self.sandbox.aks.by_name(self.place.link.azure.aks_cluster)
        assert cluster is not None
        with self.sandbox.context.lock:
            found = route(Sender(cluster), to, "tcp" if tcp else "udp", port)
        return found.outcome, found.why

    def coredns(self, key: str, text: str | None) -> None:
        """Change a key of coredns-custom, and let CoreDNS take it up."""
        self.hand.coredns_key(key, text)
        self.hand.restart_coredns(f"{key}{len(text or '')}")


@contextlib.contextmanager
def make_harness(folder: Path) -> Iterator[Harness]:
    """Built once by ``cloudlink up``; ``sandbox.load()`` puts it back."""
    with make_cli(folder, speed=FAST) as place:
        sandbox = Sandbox(place.home, speed=FAST, durations=Durations(exact=True))
        sandbox.seed(parse(description(place.link)))
        sandbox.start()
        (place.home / "address.json").write_text(json.dumps(sandbox.address()))
        try:
            built = place.cloudlink("up", "--no-verify")
            assert built.code == 0, built.out + built.err
            sandbox.context.clock.set_speed(0)
            sandbox.context.clock.advance(3600)
            harness = Harness(place, sandbox)
            sandbox.save()
            yield harness
        finally:
            (place.home / "address.json").unlink()
            sandbox.stop()
