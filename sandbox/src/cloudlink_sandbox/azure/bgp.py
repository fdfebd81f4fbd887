"""What a gateway says about its BGP sessions and routes. Answers come ten seconds after the question, from the world."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloudlink_sandbox.azure.errors import ApiError
from cloudlink_sandbox.azure.exchange import Answer, Json, Request
from cloudlink_sandbox.azure.fields import address
from cloudlink_sandbox.azure.operations import Operations
from cloudlink_sandbox.azure.store import Operation, Store
from cloudlink_sandbox.azure.vpn_gateways import VpnGateways
from cloudlink_sandbox.world import BgpRow, LearnedRoute


class Bgp:
    """getBgpPeerStatus, getLearnedRoutes and getAdvertisedRoutes."""

    def __init__(self, store: Store, operations: Operations, gateways: VpnGateways) -> None:
        self.store = store
        self.operations = operations
        self.gateways = gateways
        results: dict[str, Callable[[Operation], Any]] = {
            "getBgpPeerStatus": self._peers,
            "getLearnedRoutes": self._learned,
            "getAdvertisedRoutes": self._advertised,
        }
        operations.results.update(results)

    def peer_status(self, request: Request) -> Answer:
        return self._ask(request, "getBgpPeerStatus", request.query.get("peer", ""))

    def learned_routes(self, request: Request) -> Answer:
        return self._ask(request, "getLearnedRoutes", "")

    def advertised_routes(self, request: Request) -> Answer:
        peer = request.query.get("peer", "")
        if address(peer) is None:
            raise ApiError(400, "InvalidPeer", f"The peer '{peer}' is not a valid IP address.")
        return self._ask(request, "getAdvertisedRoutes", peer)

    def _ask(self, request: Request, action: str, peer: str) -> Answer:
        record = self.gateways.record(request)
        operation = self.operations.start(
            request,
            record,
            name=f"{action[0].upper()}{action[1:]}Operation",
            lasts="azure.action",
            post=True,
            action=action,
            peer=peer,
        )
        return self.operations.accepted(request, operation, 202, None)

    def _gateway_id(self, operation: Operation) -> str | None:
        record = self.store.resources.get(operation.target)
        return None if record is None or record.effective is None else str(record.id)

    def _peers(self, operation: Operation) -> Json:
        id_ = self._gateway_id(operation)
        rows = self.store.context.world().bgp_peers(id_) if id_ else ()
        shown = [peer_row(r) for r in rows if not operation.peer or str(r.neighbor) == operation.peer]
        return {"value": shown}

    def _learned(self, operation: Operation) -> Json:
        id_ = self._gateway_id(operation)
        return {"value": [route_row(r) for r in (self.store.context.world().learned_routes(id_) if id_ else ())]}

    def _advertised(self, operation: Operation) -> Json:
        id_ = self._gateway_id(operation)
        routes = self.store.context.world().advertised_routes(id_, operation.peer) if id_ else ()
        shown = [route_row(r) for r in routes]
        for row in shown:
            row.pop("sourcePeer", None)  # advertised routes have no source
        return {"value": shown}


def peer_row(row: BgpRow) -> Json:
    """connectedDuration is a .NET TimeSpan and null while not connected."""
    return {
        "localAddress": str(row.local_address),
        "neighbor": str(row.neighbor),
        "asn": row.asn,
        "state": row.state,
        "connectedDuration": None if row.connected_seconds is None else timespan(row.connected_seconds),
        "routesReceived": row.routes_received,
        "messagesSent": row.sent,
        "messagesReceived": row.received,
    }


def route_row(route: LearnedRoute) -> Json:
    """nextHop is absent for the gateway's own networks."""
    if route.local_address is None:  # of a gateway without BGP, as recorded
        return {
            "localAddress": "",
            "network": str(route.network),
            "nextHop": "Virtual Network",
            "origin": route.origin,
            "weight": route.weight,
        }
    row: Json = {"localAddress": str(route.local_address), "network": str(route.network)}
    if route.next_hop is not None:
        row["nextHop"] = str(route.next_hop)
    row["sourcePeer"] = str(route.source_peer)
    row["origin"] = route.origin
    row["asPath"] = route.as_path
    row["weight"] = route.weight
    return row


def timespan(seconds: float) -> str:
    """``hh:mm:ss.fffffff``, from a day on ``d.hh:mm:ss.fffffff``."""
    ticks = round(seconds * 10_000_000)
    whole, fraction = divmod(ticks, 10_000_000)
    days, rest = divmod(whole, 86_400)
    clock = f"{rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}.{fraction:07}"
    return f"{days}.{clock}" if days else clock
