"""Cilium's and Calico's own policies, which select pods of all namespaces or know more than NetworkPolicies, in frozen facts.

https://docs.cilium.io/en/stable/security/policy/
https://docs.tigera.io/calico/latest/reference/resources/globalnetworkpolicy
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from typing import Any, Literal

from cloudlink.clouds.kube.parse_policies import Block, Condition, Ports, Way
from cloudlink.clouds.malformed import parsing

Json = Mapping[str, Any]
Engine = Literal["cilium", "calico"]
EVERYWHERE = IPv4Network("0.0.0.0/0")
LAST = float("inf")
_NAMESPACE = "io.kubernetes.pod.namespace"  # a label that Cilium gives each pod
_NAMESPACE_LABELS = "io.cilium.k8s.namespace.labels."
_WORLD = ("all", "world", "world-ipv4")  # entities outside of the cluster


@dataclass(frozen=True)
class Rule:
    """sure: addresses and ports alone decide; False: it may match what its way leads to, for it asks for names, services, HTTP or
    labels as well. source: Calico's condition on the pod itself; empty: none."""

    action: Literal["allow", "deny"]
    way: Way
    sure: bool = True
    source: str = ""


@dataclass(frozen=True)
class ClusterPolicy:
    """A policy for what leaves pods.

    conditions: Cilium's, on the pod's labels. selector, namespaces: Calico's expressions; empty: all. denies_rest: what none of the
    policies lets out is dropped. order: Calico's, the lowest first. sure: False where it is of a tier whose place is not known.
    """

    engine: Engine
    kind: str
    name: str
    namespace: str  # empty: of all
    rules: tuple[Rule, ...]
    conditions: tuple[Condition, ...] = ()
    selector: str = ""
    namespaces: str = ""
    denies_rest: bool = True
    order: float = LAST
    sure: bool = True

    def __str__(self) -> str:
        return f"{self.kind} {self.name}" + (f" in {self.namespace}" if self.namespace else "")


# --- Cilium -------------------------------------------------------------------------------------------------


@parsing("the cluster's Cilium policies")
def cilium_policies(found: Iterable[Json], kind: str) -> tuple[ClusterPolicy, ...]:
    """Those for pods that say something of what leaves."""
    made = []
    for policy in found:
        metadata = _part(policy, "metadata")
        for spec in (policy.get("spec"), *(policy.get("specs") or ())):
            allows, denies = (spec or {}).get("egress") or (), (spec or {}).get("egressDeny") or ()
            if not spec or "nodeSelector" in spec or not (allows or denies):
                continue
            by_default = _part(spec, "enableDefaultDeny").get("egress")
            made.append(
                ClusterPolicy(
                    "cilium",
                    kind,
                    str(metadata.get("name") or ""),
                    str(metadata.get("namespace") or ""),
                    (*_cilium_rules(denies, "deny"), *_cilium_rules(allows, "allow")),
                    _cilium_conditions(_part(spec, "endpointSelector")),
                    denies_rest=True if by_default is None else bool(by_default),
                )
            )
    return tuple(made)


def _cilium_conditions(selector: Json) -> tuple[Condition, ...]:
    plain = [Condition(_cilium_key(k), "In", (str(v),)) for k, v in _part(selector, "matchLabels").items()]
    more = [
        Condition(_cilium_key(e["key"]), str(e["operator"]), tuple(map(str, e.get("values") or ())))
        for e in selector.get("matchExpressions") or ()
    ]
    return (*plain, *more)


def _cilium_key(key: object) -> str:
    """Without the source of the label: ``k8s:app`` and ``any:app`` are ``app``."""
    text = str(key)
    for source in ("k8s:", "any:"):
        text = text.removeprefix(source)
    return text


def _cilium_rules(found: Iterable[Json], action: Literal["allow", "deny"]) -> list[Rule]:
    made = []
    for rule in found:
        if not rule or rule.get("icmps"):
            continue  # an empty rule lets nothing out; ICMP is neither TCP nor UDP
        blocks, sure = _cilium_blocks(rule)
        for ports, whole in _cilium_ports(rule.get("toPorts")):
            made.append(Rule(action, Way(blocks, ports), sure and whole))
    return made


def _cilium_blocks(rule: Json) -> tuple[tuple[Block, ...] | None, bool]:
    """Where a rule leads outside of the cluster, and whether that is all that it asks."""
    blocks = [Block(net) for cidr in rule.get("toCIDR") or () if (net := _network(cidr)) is not None]
    sure, anywhere, named = True, False, False
    for item in rule.get("toCIDRSet") or ():
        if item.get("cidr"):
            net = _network(item["cidr"])
            without = [n for w in item.get("except") or () if (n := _network(w)) is not None]
            blocks += [Block(net, tuple(without))] if net is not None else []
        else:
            anywhere, sure = True, False  # a group of addresses that is kept elsewhere
    for key in ("toFQDNs", "toServices", "toGroups"):
        if rule.get(key):
            anywhere, sure = True, False
    for entity in rule.get("toEntities") or ():
        anywhere, named = anywhere or entity in _WORLD, True
    for selector in rule.get("toEndpoints") or ():
        named = True
        keys = [str(k) for k in _part(selector, "matchLabels")]
        if any(k in ("reserved:world", "reserved.world") for k in keys):
            anywhere = True
    if anywhere:
        return None, sure
    limited = named or any(rule.get(k) for k in ("toCIDR", "toCIDRSet", "toNodes", "toRequires"))
    return (tuple(blocks) if limited else None), sure


def _cilium_ports(found: Sequence[Json] | None) -> list[tuple[tuple[Ports, ...] | None, bool]]:
    """Each with whether ports alone decide."""
    made: list[tuple[tuple[Ports, ...] | None, bool]] = []
    for part in found or ():
        asked = _part(part, "rules")
        whole = not asked or (list(asked) == ["dns"] and {"matchPattern": "*"} in [dict(d) for d in asked["dns"] or ()])
        numbers = tuple(p for raw in part.get("ports") or () for p in _cilium_port(raw))
        made.append((numbers if part.get("ports") else None, whole))
    return made or [(None, True)]


def _cilium_port(raw: Json) -> Iterable[Ports]:
    text, protocol = str(raw.get("port") or "0"), str(raw.get("protocol") or "ANY").lower()
    if not text.isdigit():
        return ()  # named after a port of a pod
    first = int(text)
    last = int(raw.get("endPort") or first) if first else 65_535
    return tuple(Ports(p, first, last) for p in (("tcp", "udp", "sctp") if protocol == "any" else (protocol,)))


# --- Calico -------------------------------------------------------------------------------------------------


@parsing("the cluster's Calico policies")
def calico_policies(found: Iterable[Json], kind: str) -> tuple[ClusterPolicy, ...]:
    """Those for pods that say something of what leaves."""
    made = []
    for policy in found:
        metadata, spec = _part(policy, "metadata"), _part(policy, "spec")
        types = [str(t).lower() for t in spec.get("types") or (["egress"] if spec.get("egress") else [])]
        if "egress" not in types or spec.get("doNotTrack") or spec.get("preDNAT"):
            continue
        order, tier = spec.get("order"), str(spec.get("tier") or "default")
        made.append(
            ClusterPolicy(
                "calico",
                kind,
                str(metadata.get("name") or ""),
                str(metadata.get("namespace") or ""),
                tuple(r for raw in spec.get("egress") or () for r in _calico_rule(raw)),
                selector=str(spec.get("selector") or ""),
                namespaces=str(spec.get("namespaceSelector") or ""),
                order=LAST if order is None else float(order),
                sure=tier == "default" and not spec.get("serviceAccountSelector"),
            )
        )
    return tuple(made)


def _calico_rule(raw: Json) -> Iterable[Rule]:
    action = str(raw.get("action") or "").lower()
    if action == "log" or raw.get("ipVersion") == 6:
        return ()
    source, to = _part(raw, "source"), _part(raw, "destination")
    other = {k for k, v in to.items() if v} - {"nets", "notNets", "ports", "notPorts"}
    strange = {k for k, v in source.items() if v} - {"selector"}
    sure = not (other or strange or raw.get("notProtocol") or raw.get("http") or raw.get("notICMP"))
    protocol = str(raw.get("protocol") or "").lower()
    protocols = {"6": ("tcp",), "17": ("udp",), "": ("tcp", "udp", "sctp")}.get(protocol, (protocol,))
    return (
        Rule(
            "deny" if action == "deny" else "allow",  # passed on, traffic of a pod is let out
            Way(_calico_blocks(to), _calico_ports(to, protocols, any_protocol=not protocol)),
            sure,
            str(source.get("selector") or ""),
        ),
    )


def _calico_blocks(to: Json) -> tuple[Block, ...] | None:
    nets = [n for text in to.get("nets") or () if (n := _network(text)) is not None]
    without = tuple(n for text in to.get("notNets") or () if (n := _network(text)) is not None)
    if to.get("nets"):
        return tuple(Block(n, without) for n in nets)
    return (Block(EVERYWHERE, without),) if without else None


def _calico_ports(to: Json, protocols: Sequence[str], *, any_protocol: bool) -> tuple[Ports, ...] | None:
    ranges = [r for item in to.get("ports") or () if (r := _range(item)) is not None]
    closed = sorted(r for item in to.get("notPorts") or () if (r := _range(item)) is not None)
    if not to.get("ports"):
        if any_protocol and not closed:
            return None
        ranges = [(0, 65_535)]
    for low, high in closed:
        ranges = [
            part
            for first, last in ranges
            for part in ((first, min(last, low - 1)), (max(first, high + 1), last))
            if part[0] <= part[1]
        ]
    return tuple(Ports(p, first, last) for p in protocols for first, last in ranges)


def _range(item: object) -> tuple[int, int] | None:
    """None: named after a port of a pod."""
    first, _, last = str(item).partition(":")
    return (int(first), int(last or first)) if first.isdigit() else None


def _network(text: object) -> IPv4Network | None:
    found = ip_network(str(text), strict=False)
    return found if isinstance(found, IPv4Network) else None


def _part(raw: Json, key: str) -> Json:
    return raw.get(key) or {}


def cilium_labels(labels: Mapping[str, str], namespace: str) -> dict[str, str]:
    """A pod's labels as Cilium's policies see them."""
    return {**labels, _NAMESPACE: namespace, f"{_NAMESPACE_LABELS}kubernetes.io/metadata.name": namespace}


def is_beyond_a_pod(key: str) -> bool:
    """Whether a label of Cilium's says something that a pod's own labels do not tell."""
    return key.startswith(("io.cilium.", "reserved", "cidr", "fqdn"))
