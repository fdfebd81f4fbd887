"""What a cluster's NetworkPolicies let out, in frozen facts.

https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from typing import Any

from cloudlink.clouds.malformed import parsing

Json = Mapping[str, Any]
Labels = Mapping[str, str]


@dataclass(frozen=True)
class Block:
    network: IPv4Network
    without: tuple[IPv4Network, ...] = ()

    def holds(self, network: IPv4Network) -> bool:
        """Whether all of it is let out to."""
        return network.subnet_of(self.network) and not any(network.overlaps(w) for w in self.without)

    def touches(self, network: IPv4Network) -> bool:
        """Whether some of it is let out to."""
        return network.overlaps(self.network) and not any(network.subnet_of(w) for w in self.without)


@dataclass(frozen=True)
class Ports:
    protocol: str  # tcp, udp, sctp
    first: int = 0
    last: int = 65_535

    def hold(self, protocol: str, port: int) -> bool:
        return self.protocol == protocol and self.first <= port <= self.last


@dataclass(frozen=True)
class Condition:
    key: str
    operator: str  # In, NotIn, Exists, DoesNotExist
    values: tuple[str, ...] = ()

    def holds(self, labels: Labels) -> bool:
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case _:
                return self.key not in labels


@dataclass(frozen=True)
class Pod:
    namespace: str
    labels: Labels


@dataclass(frozen=True)
class PodPeer:
    """Pods that are named by labels. namespaces: None: those of the policy's own."""

    namespaces: tuple[Condition, ...] | None
    pods: tuple[Condition, ...]

    def may_be(self, namespace: str, labels: Labels, own: str) -> bool:
        """Whether a pod is one of them. Of a namespace's labels only its name is known; what depends on others may be."""
        if not all(c.holds(labels) for c in self.pods):
            return False
        if self.namespaces is None:
            return namespace == own
        known = {_NAME_LABEL: namespace}
        return all(c.holds(known) for c in self.namespaces if c.key == _NAME_LABEL)


# Set on every namespace: https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-metadata-name
_NAME_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Way:
    """One rule for what leaves. blocks: None: to anywhere. ports: None: all. pods: those of the cluster that it leads to as well."""

    blocks: tuple[Block, ...] | None = None
    ports: tuple[Ports, ...] | None = None
    pods: tuple[PodPeer, ...] = ()
    has_named_ports: bool = False

    def leads(self, network: IPv4Network, protocol: str, port: int) -> bool:
        there = self.blocks is None or any(b.holds(network) for b in self.blocks)
        return there and self._holds(protocol, port)

    def touches(self, network: IPv4Network, protocol: str, port: int) -> bool:
        """Whether it leads to some of the network."""
        there = self.blocks is None or any(b.touches(network) for b in self.blocks)
        return there and self._holds(protocol, port)

    def may_lead_to_pod(self, pod: Pod, own: str, protocol: str, port: int, *, by_address: bool) -> bool:
        """own: the policy's namespace. by_address: whether a block of addresses is about pods as well, so that it may hold this
        one's. A port may be named by its name."""
        named = self.blocks is None or any(p.may_be(pod.namespace, pod.labels, own) for p in self.pods)
        named |= by_address and bool(self.blocks)
        return named and (self._holds(protocol, port) or self.has_named_ports)

    def _holds(self, protocol: str, port: int) -> bool:
        return self.ports is None or any(p.hold(protocol, port) for p in self.ports)


@dataclass(frozen=True)
class EgressPolicy:
    """A policy that says what may leave the pods that it selects; what no policy's way leads to is dropped."""

    name: str
    conditions: tuple[Condition, ...]  # none: every pod of the namespace
    ways: tuple[Way, ...]

    def selects(self, labels: Labels) -> bool:
        return all(c.holds(labels) for c in self.conditions)


@parsing("the cluster's network policies")
def egress_policies(found: Iterable[Json]) -> tuple[EgressPolicy, ...]:
    """Those of one namespace that limit what leaves."""
    policies = []
    for policy in found:
        spec = _part(policy, "spec")
        if "Egress" in (spec.get("policyTypes") or (["Egress"] if spec.get("egress") else [])):
            name = str(_part(policy, "metadata").get("name") or "")
            ways = tuple(_way(rule) for rule in spec.get("egress") or ())
            policies.append(EgressPolicy(name, _conditions(_part(spec, "podSelector")), ways))
    return tuple(policies)


@parsing("the cluster's Deployment")
def pod_labels(deployment: Json) -> Labels:
    """That a Deployment gives its pods."""
    template = _part(_part(deployment, "spec"), "template")
    return {str(k): str(v) for k, v in _part(_part(template, "metadata"), "labels").items()}


def _conditions(selector: Json) -> tuple[Condition, ...]:
    plain = [Condition(str(k), "In", (str(v),)) for k, v in _part(selector, "matchLabels").items()]
    more = [
        Condition(str(e["key"]), str(e["operator"]), tuple(map(str, e.get("values") or ())))
        for e in selector.get("matchExpressions") or ()
    ]
    return (*plain, *more)


def _way(rule: Json) -> Way:
    """A peer that is named by labels is a pod of the cluster, and no address outside of it."""
    peers, ports = rule.get("to"), rule.get("ports")
    blocks = [_block(_part(p, "ipBlock")) for p in peers or () if p.get("ipBlock")]
    return Way(
        tuple(b for b in blocks if b is not None) if peers else None,
        tuple(_ports(p) for p in ports if not isinstance(p.get("port"), str)) if ports else None,
        tuple(_pod_peer(p) for p in peers or () if not p.get("ipBlock")),
        any(isinstance(p.get("port"), str) for p in ports or ()),
    )


def _pod_peer(raw: Json) -> PodPeer:
    spaces = raw.get("namespaceSelector")
    return PodPeer(None if spaces is None else _conditions(spaces), _conditions(_part(raw, "podSelector")))


def _block(raw: Json) -> Block | None:
    network = ip_network(str(raw["cidr"]), strict=False)
    if not isinstance(network, IPv4Network):
        return None
    without = (ip_network(str(w), strict=False) for w in raw.get("except") or ())
    return Block(network, tuple(w for w in without if isinstance(w, IPv4Network)))


def _ports(raw: Json) -> Ports:
    protocol, first = str(raw.get("protocol") or "TCP").lower(), raw.get("port")
    if first is None:
        return Ports(protocol)
    return Ports(protocol, int(first), int(raw.get("endPort") or first))


def _part(raw: Json, key: str) -> Json:
    return raw.get(key) or {}
