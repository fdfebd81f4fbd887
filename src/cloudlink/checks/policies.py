"""Whether a cluster's policies let a pod's packets out: NetworkPolicies, Cilium's and Calico's together, as each engine joins
them. Pure.

Where that depends on what is not read (labels of namespaces, names that were resolved, tiers), the answer is that it is not sure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Literal

from cloudlink.checks.policy_selectors import selects
from cloudlink.clouds.kube.parse_cluster_policies import ClusterPolicy, Rule, cilium_labels, is_beyond_a_pod
from cloudlink.clouds.kube.parse_policies import EgressPolicy

Answer = Literal["open", "unsure", "shut"]
_OWN_ORDER = 1000.0  # Calico takes NetworkPolicies as policies of this order


@dataclass(frozen=True)
class Sender:
    """A pod."""

    namespace: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Packet:
    network: IPv4Network
    protocol: str  # udp, tcp
    port: int


@dataclass(frozen=True)
class Verdict:
    """by: the policies that shut it, or may."""

    answer: Answer
    by: tuple[str, ...] = ()


def verdict(
    own: Sequence[EgressPolicy],
    cluster: Sequence[ClusterPolicy],
    sender: Sender,
    packet: Packet,
    engines: Sequence[str],
) -> Verdict:
    """own: the NetworkPolicies of the sender's namespace. engines: which of the two others enforce; none: NetworkPolicies alone."""
    mine = [p for p in own if p.selects(sender.labels)]
    found = [
        _cilium(mine, [p for p in cluster if p.engine == "cilium"], sender, packet)
        if engine == "cilium"
        else _calico(mine, [p for p in cluster if p.engine == "calico"], sender, packet)
        for engine in engines
        if any(p.engine == engine for p in cluster)
    ] or [_cilium(mine, (), sender, packet)]
    for answer in ("shut", "unsure"):
        if worst := next((v for v in found if v.answer == answer), None):
            return worst
    return Verdict("open")


def _matches(rule: Rule, packet: Packet) -> bool | None:
    if rule.way.leads(packet.network, packet.protocol, packet.port):
        return True if rule.sure else None
    return None if rule.way.touches(packet.network, packet.protocol, packet.port) else False


def _own_lets_out(policy: EgressPolicy, packet: Packet) -> bool:
    return any(w.leads(packet.network, packet.protocol, packet.port) for w in policy.ways)


def _named(policy: EgressPolicy, sender: Sender) -> str:
    return f"NetworkPolicy {policy.name} in {sender.namespace}"


# --- Cilium: what one policy lets out is let out, and what one denies is denied -----------------------------------------


def _cilium(mine: Sequence[EgressPolicy], policies: Sequence[ClusterPolicy], sender: Sender, packet: Packet) -> Verdict:
    """Without any of Cilium's policies, this is how NetworkPolicies are joined."""
    selected = [(p, taken) for p in policies if (taken := _cilium_selects(p, sender)) is not False]
    may_deny = []
    for policy, taken in selected:
        found = [_matches(r, packet) for r in policy.rules if r.action == "deny"]
        if taken and True in found:
            return Verdict("shut", (str(policy),))
        if True in found or None in found:
            may_deny.append(str(policy))
    dropping = [_named(p, sender) for p in mine] + [str(p) for p, taken in selected if taken and p.denies_rest]
    may_drop = [str(p) for p, taken in selected if taken is None and p.denies_rest]
    allows = [
        found if taken else (None if found else found)
        for p, taken in selected
        for found in [_matches(r, packet) for r in p.rules if r.action == "allow"]
    ]
    allows += [True for p in mine if _own_lets_out(p, packet)]
    if (dropping or may_drop) and True not in allows:
        sure = dropping and None not in allows
        return Verdict("shut" if sure else "unsure", tuple(dropping or may_drop))
    return Verdict("unsure", tuple(may_deny)) if may_deny else Verdict("open")


def _cilium_selects(policy: ClusterPolicy, sender: Sender) -> bool | None:
    if policy.namespace and policy.namespace != sender.namespace:
        return False
    labels = cilium_labels(sender.labels, sender.namespace)
    sure = True
    for condition in policy.conditions:
        if condition.key not in labels and is_beyond_a_pod(condition.key):
            sure = False
        elif not condition.holds(labels):
            return False
    return True if sure else None


# --- Calico: in order, the first rule that matches decides ---------------------------------------------------------------


def _calico(mine: Sequence[EgressPolicy], policies: Sequence[ClusterPolicy], sender: Sender, packet: Packet) -> Verdict:
    steps: list[tuple[float, str, ClusterPolicy | EgressPolicy, bool | None]] = []
    for one in policies:
        selected = _calico_selects(one, sender)
        if selected is not False:
            steps.append((one.order, str(one), one, selected if one.sure else None))
    steps += [(_OWN_ORDER, _named(p, sender), p, True) for p in mine]
    if not steps:
        return Verdict("open")
    may_allow, may_deny = False, list[str]()
    for _, name, policy, taken in sorted(steps, key=lambda s: s[:2]):
        if isinstance(policy, EgressPolicy):
            if _own_lets_out(policy, packet):
                return Verdict("unsure", tuple(may_deny)) if may_deny else Verdict("open")
            continue
        for rule in policy.rules:
            source = selects(rule.source, _calico_labels(sender), _of_a_pod)
            found = _matches(rule, packet)
            if source is False or found is False:
                continue
            found = None if source is None else found
            if found is None or taken is None:
                may_allow |= rule.action == "allow"
                may_deny += [name] if rule.action == "deny" else []
            elif rule.action == "deny":
                return Verdict("unsure" if may_allow else "shut", (name,))
            else:
                return Verdict("unsure", tuple(may_deny)) if may_deny else Verdict("open")
    certain = tuple(name for _, name, _, taken in steps if taken)
    if certain and not may_allow:
        return Verdict("shut", certain)
    return Verdict("unsure", certain or tuple(name for _, name, _, _ in steps))


def _calico_selects(policy: ClusterPolicy, sender: Sender) -> bool | None:
    if policy.namespace and policy.namespace != sender.namespace:
        return False
    space = {"projectcalico.org/name": sender.namespace, "kubernetes.io/metadata.name": sender.namespace}
    found = (
        selects(policy.selector, _calico_labels(sender), _of_a_pod),
        selects(policy.namespaces, space, space.__contains__),
    )
    return False if False in found else None if None in found else True


def _calico_labels(sender: Sender) -> dict[str, str]:
    return {
        **sender.labels,
        "projectcalico.org/namespace": sender.namespace,
        "projectcalico.org/orchestrator": "k8s",
    }


def _of_a_pod(key: str) -> bool:
    """What its namespace and its service account add is not read."""
    return not key.startswith(("pcns.", "pcsa.", "projectcalico.org/serviceaccount"))
