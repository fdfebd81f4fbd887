"""NetworkPolicies of a cluster: what they must say, and which packets of pods they drop.

https://kubernetes.io/docs/concepts/services-networking/network-policies/

A pod that a policy selects for a direction sends (or takes) what some policy of that direction lets through, and no more.
Answers come back by themselves. What a node sends, and a pod in its node's network, no policy holds.

Assumption: a plugin of the user's own enforces policies as Azure's, Calico's and Cilium's do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any, Literal

from cloudlink_sandbox.kube import status
from cloudlink_sandbox.kube.cluster_base import ClusterBase
from cloudlink_sandbox.kube.kinds import NAMESPACES, NETWORK_POLICIES
from cloudlink_sandbox.kube.objects import Object

Direction = Literal["Egress", "Ingress"]
_PROTOCOLS = ("TCP", "UDP", "SCTP")
_SIDES: dict[Direction, tuple[str, str]] = {"Egress": ("egress", "to"), "Ingress": ("ingress", "from")}


@dataclass(frozen=True)
class Peer:
    """Who is at the other end: a pod, or an address outside of the cluster."""

    address: IPv4Address | None
    pod: Object | None = None


@dataclass(frozen=True)
class Packet:
    """receiver: the pod that it goes to, whose ports have names. engine: which carries out the policies."""

    protocol: str
    port: int
    receiver: Object | None
    engine: str


def fill_in(policy: Object) -> None:
    """What the server adds to a new one."""
    spec = policy.setdefault("spec", {})
    spec.setdefault("podSelector", {})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    for side, _ in _SIDES.values():
        for rule in spec.get(side) or ():
            for port in rule.get("ports") or ():
                port.setdefault("protocol", "TCP")


def check(policy: Object) -> None:
    """Raises ApiError for the first mistake."""
    name, spec = policy["metadata"].get("name", ""), policy.get("spec") or {}
    for path, why in _mistakes(spec):
        raise status.invalid(NETWORK_POLICIES, name, path, why)


def dropped(cluster: ClusterBase, direction: Direction, pod: Object, peer: Peer, packet: Packet) -> str:
    """Which policies drop a packet that this pod sends or takes; empty: none does."""
    if pod["spec"].get("hostNetwork"):
        return ""
    mine = [
        p
        for p in cluster.store.all(NETWORK_POLICIES, pod["metadata"]["namespace"])
        if direction in p["spec"]["policyTypes"] and selects(p["spec"].get("podSelector"), _labels(pod))
    ]
    side, other = _SIDES[direction]
    for policy in mine:
        for rule in policy["spec"].get(side) or ():
            ports, peers = rule.get("ports"), rule.get(other)
            if ports and not any(_has_port(p, packet) for p in ports):
                continue
            if not peers or any(
                _is_peer(cluster, p, policy["metadata"]["namespace"], peer, packet.engine) for p in peers
            ):
                return ""
    return ", ".join(f"NetworkPolicy {p['metadata']['name']}" for p in mine)


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """A LabelSelector; one that is empty selects all."""
    selector = selector or {}
    plain = all(labels.get(k) == v for k, v in (selector.get("matchLabels") or {}).items())
    return plain and all(_holds(e, labels) for e in selector.get("matchExpressions") or ())


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels


def _labels(obj: Object | None) -> dict[str, str]:
    return ((obj or {}).get("metadata") or {}).get("labels") or {}


def _has_port(rule: Mapping[str, Any], packet: Packet) -> bool:
    if rule.get("protocol", "TCP").lower() != packet.protocol:
        return False
    first = rule.get("port")
    if first is None:
        return True
    if isinstance(first, str):
        named = [p for c in (packet.receiver or {}).get("spec", {}).get("containers", ()) for p in c.get("ports") or ()]
        return any((p.get("name"), p.get("containerPort")) == (first, packet.port) for p in named)
    return int(first) <= packet.port <= int(rule.get("endPort") or first)


def _is_peer(cluster: ClusterBase, rule: Mapping[str, Any], namespace: str, peer: Peer, engine: str) -> bool:
    """For Cilium's engine a block of addresses holds no pods.

    https://learn.microsoft.com/azure/aks/azure-cni-powered-by-cilium
    """
    if block := rule.get("ipBlock"):
        if engine == "cilium" and peer.pod is not None:
            return False
        if peer.address is None or peer.address not in ip_network(block["cidr"], strict=False):
            return False
        return not any(peer.address in ip_network(e, strict=False) for e in block.get("except") or ())
    if peer.pod is None:
        return False
    theirs = peer.pod["metadata"]["namespace"]
    if "namespaceSelector" in rule:
        if not selects(rule["namespaceSelector"], _labels(cluster.store.find(NAMESPACES, "", theirs))):
            return False
    elif theirs != namespace:
        return False
    return selects(rule.get("podSelector"), _labels(peer.pod))


# --- mistakes -----------------------------------------------------------------------------------------------------


def _mistakes(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for number, kind in enumerate(spec.get("policyTypes") or ()):
        if kind not in _SIDES:
            yield f"spec.policyTypes[{number}]", f'Unsupported value: "{kind}": supported values: "Egress", "Ingress"'
    for side, other in _SIDES.values():
        for number, rule in enumerate(spec.get(side) or ()):
            place = f"spec.{side}[{number}]"
            for at, port in enumerate(rule.get("ports") or ()):
                yield from _mistakes_of_port(port, f"{place}.ports[{at}]")
            for at, peer in enumerate(rule.get(other) or ()):
                yield from _mistakes_of_peer(peer, f"{place}.{other}[{at}]")


def _mistakes_of_port(port: Mapping[str, Any], place: str) -> Iterator[tuple[str, str]]:
    if (protocol := port.get("protocol", "TCP")) not in _PROTOCOLS:
        supported = ", ".join(f'"{p}"' for p in sorted(_PROTOCOLS))
        yield f"{place}.protocol", f'Unsupported value: "{protocol}": supported values: {supported}'
    first, last = port.get("port"), port.get("endPort")
    if isinstance(first, int) and not 0 < first < 65536:
        yield f"{place}.port", f"Invalid value: {first}: must be between 1 and 65535, inclusive"
    if last is not None and (not isinstance(first, int) or last < first):
        yield f"{place}.endPort", f"Invalid value: {last}: must be greater than or equal to `port`"


def _mistakes_of_peer(peer: Mapping[str, Any], place: str) -> Iterator[tuple[str, str]]:
    block, selectors = peer.get("ipBlock"), [k for k in ("podSelector", "namespaceSelector") if peer.get(k) is not None]
    if block is None:
        if not selectors:
            yield place, "Required value: must specify a peer"
        return
    if selectors:
        yield place, "Forbidden: may not specify both ipBlock and another peer"
    try:
        network = ip_network(block.get("cidr") or "")
    except ValueError:
        yield f"{place}.ipBlock.cidr", f'Invalid value: "{block.get("cidr")}": must be a valid CIDR address'
        return
    for number, text in enumerate(block.get("except") or ()):
        try:
            inside = ip_network(text)
            strictly = inside != network and ip_address(inside.network_address) in network
        except ValueError:
            strictly = False
        if not strictly:
            why = f'Invalid value: "{text}": must be a strict subset of `{network}`'
            yield f"{place}.ipBlock.except[{number}]", why
