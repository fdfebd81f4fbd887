"""What the tunnels of a VPN connection write to CloudWatch Logs, in the JSON form that AWS documents.

Written when somebody reads: what a tunnel is then, since when, and while it is down its last attempt. An endpoint that is
being made or replaced, or is dead, writes nothing.
https://docs.aws.amazon.com/vpn/latest/s2svpn/log-contents.html
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from cloudlink_sandbox.aws.log_store import LogEntry
from cloudlink_sandbox.aws.objects import VpnConnection
from cloudlink_sandbox.world import Tunnel, World

ATTEMPTS_APART = 60  # seconds between two attempts to open a tunnel. Assumption: AWS does not say
_SILENT = ("AWS is making", "the endpoint is down")
# What keeps a tunnel down in the world's words, and AWS's message of it. The first that the world's words begin with counts.
_MESSAGES = (
    ("the pre-shared keys differ", "AWS tunnel detected a pre-shared key mismatch with cgw: {cgw}"),
    ("the IKE versions differ", "No Proposal Match Found by AWS"),
    ("no IKE", "No Proposal Match Found by AWS"),
    ("no Diffie-Hellman", "No Proposal Match Found by AWS"),
    ("no ESP", "AWS tunnel Phase 2 was unable to establish while keeping Phase 1"),
    ("no PFS", 'No Proposal Match Found. Notifying with "No proposal chosen"'),
    ("the traffic selectors differ", "AWS: Traffic Selector: TS_UNACCEPTABLE: received from responder"),
    ("the Azure instance is down", "AWS tunnel DPD timed out after 3 retransmits"),
    ("the tunnel was lost", "AWS tunnel received DELETE for IKE_SA from CGW"),
)
_NO_ANSWER = "AWS tunnel Timeout: deleting un-established Phase 1 IKE_SA with cgw: {cgw}"


def written(world: World, connections: Iterable[VpnConnection], arn: str) -> Iterator[LogEntry]:
    """What these connections' tunnels have to say to a log group at the world's moment."""
    seen = {(t.aws.connection_id, t.aws.outside_ip): t for t in world.tunnels}
    for connection in connections:
        for each in connection.tunnels:
            tunnel = seen.get((connection.id, each.options.outside))
            if tunnel is None:
                continue
            stream = f"{connection.id}-{each.options.outside}"
            if each.options.logs_to("", arn):
                yield from _ike(tunnel, world.now, f"{stream}-IKE.log")
            if each.options.logs_to("Bgp", arn):
                yield from _bgp(tunnel, f"{stream}-BGP.log")


def _ike(tunnel: Tunnel, now: float, stream: str) -> Iterator[LogEntry]:
    if tunnel.ipsec:
        yield _ike_entry(
            stream, tunnel.ipsec_since, "established", "AWS tunnel processed response (id=1) for CREATE_CHILD_SA"
        )
        return
    if tunnel.why.startswith(_SILENT):
        return
    text = next((said for why, said in _MESSAGES if tunnel.why.startswith(why)), _NO_ANSWER)
    text = text.format(cgw=tunnel.aws.customer_ip)
    since = tunnel.down_since or tunnel.aws.changed_at
    yield _ike_entry(stream, since, "down", text)
    if now - since >= ATTEMPTS_APART:
        yield _ike_entry(stream, since + (now - since) // ATTEMPTS_APART * ATTEMPTS_APART, "down", text)


def _bgp(tunnel: Tunnel, stream: str) -> Iterator[LogEntry]:
    if not tunnel.ipsec or tunnel.aws.static:
        return
    neighbour = tunnel.aws.inside.network_address + 2
    if tunnel.bgp:
        said = "AWS-side peer BGP session state has changed from OpenConfirm to Established"
        yield _bgp_entry(stream, tunnel, tunnel.bgp_since, "UP", f"{said} with neighbor {neighbour}")
    elif "prefixes, AWS takes no more" in tunnel.why:
        said = "AWS-side peer detected the maximum prefix limit was exceeded"
        yield _bgp_entry(stream, tunnel, tunnel.ipsec_since, "DOWN", f"{said} from neighbor {neighbour}")
    elif tunnel.why != "the BGP session is being opened":
        said = "AWS-side peer BGP session state has changed from Connect to Active"
        yield _bgp_entry(stream, tunnel, tunnel.ipsec_since, "DOWN", f"{said} with neighbor {neighbour}")


def _ike_entry(stream: str, at: float, phase: str, details: str) -> LogEntry:
    said = {
        **_times(at),
        "dpd_enabled": True,
        "nat_t_detected": False,
        "ike_phase1_state": phase,
        "ike_phase2_state": phase,
        "details": details,
    }
    return LogEntry(stream, int(at * 1000), json.dumps(said))


def _bgp_entry(stream: str, tunnel: Tunnel, at: float, status: str, details: str) -> LogEntry:
    said = {
        "resource_id": f"{tunnel.aws.connection_id}_{tunnel.aws.outside_ip}",
        **_times(at),
        "type": "BGPStatus",
        "status": status,
        "message": {"details": details},
    }
    return LogEntry(stream, int(at * 1000), json.dumps(said))


def _times(at: float) -> dict[str, object]:
    return {"event_timestamp": int(at), "timestamp": datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")}
