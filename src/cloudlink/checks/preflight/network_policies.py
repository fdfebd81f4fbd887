"""Network policies on AKS that keep CoreDNS's own pods from asking the Resolver endpoint, or pods from what names lead to.

Hardened clusters deny by default, in kube-system too or for all namespaces at once, and let CoreDNS out to Azure's DNS alone.
Cloudlink writes no policy: it says which one is in the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network

from cloudlink.checks.policies import Packet, Sender, Verdict, verdict
from cloudlink.checks.preflight import aws as aws_topic
from cloudlink.checks.preflight import filters
from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_aks import AksCluster, aks_cluster
from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.kube.errors import KubeApiError, missing
from cloudlink.clouds.kube.parse_cluster_policies import ClusterPolicy, calico_policies, cilium_policies
from cloudlink.clouds.kube.parse_policies import EgressPolicy, Labels, Pod, egress_policies, pod_labels
from cloudlink.errors import CloudlinkError, Finding, LostContactError, Severity
from cloudlink.link import Link
from cloudlink.steps.dns_forward.coredns import DEPLOYMENT, DEPLOYMENT_READ, NAMESPACE
from cloudlink.steps.least_permissions import CALICO_GROUPS

TOPIC = "coredns"
FORWARD, RECORDS = "dns_forward.forward", "resolver.records"
_DNS = 53
_SHOWN = 4
# kind -> the name that kubectl knows it by
_RESOURCES = {
    "NetworkPolicy": "networkpolicy",
    "CiliumNetworkPolicy": "ciliumnetworkpolicies.cilium.io",
    "CiliumClusterwideNetworkPolicy": "ciliumclusterwidenetworkpolicies.cilium.io",
    "Calico NetworkPolicy": "networkpolicies.crd.projectcalico.org",
    "Calico GlobalNetworkPolicy": "globalnetworkpolicies.crd.projectcalico.org",
}
_CALICO_GROUPS = tuple(f"{group}/{version}" for group, version in zip(CALICO_GROUPS, ("v1", "v3"), strict=True))

Translate = Callable[[Exception], CloudlinkError | None]


@dataclass(frozen=True)
class PolicyFacts:
    policies: tuple[EgressPolicy, ...] = ()  # of CoreDNS's namespace
    labels: Labels | None = None  # of CoreDNS's pods
    endpoint: tuple[IPv4Network, ...] = ()  # where the Resolver endpoint has its addresses
    cluster: tuple[ClusterPolicy, ...] = ()  # Cilium's and Calico's, of all namespaces that matter
    engines: tuple[str, ...] = ()  # which of the two enforce
    of_pods: tuple[EgressPolicy, ...] = ()  # of the probe's namespace
    targets: tuple[filters.Destination, ...] = ()  # what names lead to, as far as its addresses are known
    unread: Mapping[str, str] = field(default_factory=dict)  # kind of policy -> why it could not be read
    asks_on_node: bool = False  # pods have a name server on their node, which these policies may not be about


def find(context: Context) -> Iterator[Finding]:
    link = context.link
    if not context.writes("dns_forward") or link.azure.new_cluster is not None or context.cluster_away:
        return
    raw = context.azure.aks_cluster()
    if raw is None or not (found := aks_cluster(raw)).enforces_policies:
        return  # policies without an engine have no effect
    yield from check(read(context, found), link)


def read(context: Context, found: AksCluster) -> PolicyFacts:
    link = context.link

    def wanted() -> tuple[filters.Destination, ...]:
        return filters.destinations(aws_topic.read(link, context.aws, context.azure), link)

    return _read(link, context.aks, found, wanted)


def standing(
    link: Link, azure: Azure, kube: Kube, wanted: Sequence[filters.Destination], translate: Translate
) -> tuple[Finding, ...]:
    """Of a link that exists. wanted: the endpoint first, then what names lead to. What may not be read is not known, and ends
    nothing."""
    try:
        raw = azure.aks_cluster()
        if raw is None or not (found := aks_cluster(raw)).enforces_policies:
            return ()
        facts = _read(link, kube, found, lambda: tuple(wanted))
    except Exception as error:
        known = error if isinstance(error, CloudlinkError) else translate(error)
        if known is None or isinstance(known, LostContactError):
            raise
        return ()
    return tuple(f for f in check(facts, link) if f.severity is not Severity.NOT_PROVED)


def _read(
    link: Link, kube: Kube, found: AksCluster, wanted: Callable[[], tuple[filters.Destination, ...]]
) -> PolicyFacts:
    unread: dict[str, str] = {}
    policies = egress_policies(_objects(kube, _own_path(NAMESPACE), "NetworkPolicy", unread))
    others = link.probe.namespace
    of_pods = egress_policies(_objects(kube, _own_path(others), "NetworkPolicy", unread)) if others != NAMESPACE else ()
    engines = _engines(found)
    cluster = [p for engine in engines for p in _of_engine(kube, engine, (NAMESPACE, others), unread)]
    if not policies and not of_pods and not cluster:
        return PolicyFacts(unread=unread)
    running = kube.cache.get(DEPLOYMENT_READ, lambda: kube.deployment(NAMESPACE, DEPLOYMENT))
    endpoint, *targets = wanted()
    return PolicyFacts(
        policies,
        pod_labels(running),
        endpoint.networks,
        tuple(cluster),
        engines,
        of_pods if others != NAMESPACE else policies,
        tuple(t for t in targets if t.networks),
        unread,
        any(p.local_dns.lower() == "enabled" for p in found.pools),
    )


def _engines(found: AksCluster) -> tuple[str, ...]:
    """A plugin of the user's own may be any."""
    if found.policies in ("cilium", "calico"):
        return (found.policies,)
    return ("cilium", "calico") if found.plugin == "none" else ()


def _own_path(namespace: str) -> str:
    return f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"


def _of_engine(kube: Kube, engine: str, namespaces: Iterable[str], unread: dict[str, str]) -> Iterator[ClusterPolicy]:
    spaces = tuple(dict.fromkeys(namespaces))
    if engine == "cilium":
        root = "/apis/cilium.io/v2"
        kind = "CiliumClusterwideNetworkPolicy"
        yield from cilium_policies(_objects(kube, f"{root}/ciliumclusterwidenetworkpolicies", kind, unread), kind)
        kind = "CiliumNetworkPolicy"
        for space in spaces:
            path = f"{root}/namespaces/{space}/ciliumnetworkpolicies"
            yield from cilium_policies(_objects(kube, path, kind, unread), kind)
        return
    for group in _CALICO_GROUPS:
        kind = "Calico GlobalNetworkPolicy"
        everywhere = calico_policies(_objects(kube, f"/apis/{group}/globalnetworkpolicies", kind, unread), kind)
        kind = "Calico NetworkPolicy"
        found = [
            policy
            for space in spaces
            for policy in calico_policies(
                _objects(kube, f"/apis/{group}/namespaces/{space}/networkpolicies", kind, unread), kind
            )
        ]
        if everywhere or found:
            yield from (*everywhere, *found)
            return


def _objects(kube: Kube, path: str, kind: str, unread: dict[str, str]) -> Sequence[Mapping[str, object]]:
    """Of a kind that the cluster does not know, there are none; one that may not be read hides no other."""
    try:
        return kube.objects(path)
    except KubeApiError as error:
        if missing(error):
            return ()
        if error.status != 403:
            raise
        unread.setdefault(kind, error.message or str(error))
        return ()


# --- judging ------------------------------------------------------------------------------------------------


def check(facts: PolicyFacts, link: Link) -> Iterator[Finding]:
    if link.dns.forward == "coredns":  # else CoreDNS asks Azure's own DNS
        yield from _of_coredns(facts, link)
    shut_off = list(_dns_of_pods(facts, link))
    yield from shut_off
    yield from _of_pods(facts, link, resolves=not shut_off)
    if facts.unread:
        kinds = ", ".join(facts.unread)
        yield Finding(
            TOPIC,
            Severity.NOT_PROVED,
            "Network policies may not be read",
            f"Whether policies of {link.azure.aks_cluster} keep CoreDNS from asking AWS is not known: {kinds} may not be listed "
            f"({next(iter(facts.unread.values()))}).",
            "cloudlink permissions --checks --format k8s-role",
            resource=FORWARD,
        )


def _of_coredns(facts: PolicyFacts, link: Link) -> Iterator[Finding]:
    sender = Sender(NAMESPACE, facts.labels or {})
    found = {
        protocol: [
            (n, v)
            for n in facts.endpoint
            if (v := _verdict(facts, facts.policies, sender, Packet(n, protocol, _DNS))).answer != "open"
        ]
        for protocol in ("udp", "tcp")
    }
    over = [protocol for protocol, ways in found.items() if ways]
    if not over:
        return
    sure = {protocol for protocol, ways in found.items() if any(v.answer == "shut" for _, v in ways)}
    verdicts = [v for ways in found.values() for _, v in ways]
    networks = ", ".join(sorted({str(n) for ways in found.values() for n, _ in ways}))
    lost = (
        "CoreDNS cannot ask the Resolver endpoint there, so that no name of the zone resolves"
        if "udp" in over
        else "answers that are too large for UDP are lost"
    )
    names, one = _names(verdicts)
    certain = bool(sure)
    yield Finding(
        TOPIC,
        Severity.OBSTACLE if "udp" in sure else Severity.WARNING,
        f"A network policy {'keeps' if certain else 'may keep'} CoreDNS from asking AWS",
        f"{names} of {link.azure.aks_cluster} {'is' if one else 'are'} for CoreDNS's pods and "
        f"{('lets' if one else 'let') if certain else 'may let'} nothing out to {networks} on port {_DNS} of "
        f"{' and '.join(p.upper() for p in over)}: " + (f"{lost}." if certain else f"then {lost}."),
        f"Ask who keeps the policy to let UDP and TCP {_DNS} out to these ranges: {_edit(verdicts)}",
        resource=FORWARD,
    )


def _dns_of_pods(facts: PolicyFacts, link: Link) -> Iterator[Finding]:
    """Pods that may not even ask CoreDNS. Policies of an engine's own kinds may let them all the same: then it is not said."""
    space = link.probe.namespace
    mine = [p for p in facts.of_pods if p.selects(dict(link.probe.labels))]
    if not mine or facts.cluster or facts.asks_on_node or not facts.labels:
        return
    # Cilium's engine looks at pods by their labels alone: https://docs.cilium.io/en/stable/security/policy/language/#cidr-based
    by_address, dns = facts.engines != ("cilium",), Pod(NAMESPACE, facts.labels)
    if any(w.may_lead_to_pod(dns, space, "udp", _DNS, by_address=by_address) for p in mine for w in p.ways):
        return
    verdicts = [Verdict("shut", tuple(f"NetworkPolicy {p.name} in {space}" for p in mine))]
    names, one = _names(verdicts)
    yield Finding(
        TOPIC,
        Severity.WARNING,
        "A network policy keeps pods from the cluster's DNS",
        f"{names} of {link.azure.aks_cluster} {'lets' if one else 'let'} pods such as those of namespace {space} not ask CoreDNS "
        f"on port {_DNS} of UDP: no name resolves there, of AWS or of others, whatever the link does.",
        f"Ask who keeps the policy to let UDP and TCP {_DNS} out to the pods of CoreDNS, or name another namespace in [probe]: "
        f"{_edit(verdicts)}",
        resource=RECORDS,
    )


def _of_pods(facts: PolicyFacts, link: Link, *, resolves: bool) -> Iterator[Finding]:
    """Of a pod that has no labels of its own, as verify-dns asks from: others may be let out by policies for them."""
    sender = Sender(link.probe.namespace, dict(link.probe.labels))
    found: dict[str, tuple[set[str], Verdict]] = {}
    for target in facts.targets:
        for protocol, port in sorted(target.ports):
            for network in target.networks:
                seen = _verdict(facts, facts.of_pods, sender, Packet(network, protocol, port))
                if seen.answer != "open":
                    found.setdefault(target.what, (set(), seen))[0].add(f"{protocol.upper()} {port}")
    if not found:
        return
    verdicts = [v for _, v in found.values()]
    certain = any(v.answer == "shut" for v in verdicts)
    names, one = _names(verdicts)
    shown = "; ".join(f"{what} ({', '.join(sorted(ports))})" for what, (ports, _) in list(found.items())[:_SHOWN])
    more = len(found) - _SHOWN
    keeps = ("keeps" if one else "keep") if certain else "may keep"
    yield Finding(
        TOPIC,
        Severity.WARNING,
        f"A network policy {'keeps' if certain else 'may keep'} pods from what names lead to",
        f"{names} of {link.azure.aks_cluster} {keeps} pods such as those of namespace {sender.namespace} from {shown}"
        f"{f' and {more} more' if more > 0 else ''}: {'their names resolve, and ' if resolves else ''}connections get no answer.",
        f"Ask who keeps the policy to let the pods out that need it: {_edit(verdicts)}",
        resource=RECORDS,
    )


def _verdict(facts: PolicyFacts, own: Sequence[EgressPolicy], sender: Sender, packet: Packet) -> Verdict:
    return verdict(own, facts.cluster, sender, packet, facts.engines)


def _names(verdicts: Iterable[Verdict]) -> tuple[str, bool]:
    """The policies, and whether it is one."""
    by = list(dict.fromkeys(name for v in verdicts for name in v.by))
    return ", ".join(by[:_SHOWN]), len(by) == 1


def _edit(verdicts: Iterable[Verdict]) -> str:
    """The line for the first of them."""
    kind, _, rest = next(name for v in verdicts for name in v.by).rpartition("Policy ")
    name, _, namespace = rest.partition(" in ")
    place = f" --namespace {namespace}" if namespace else ""
    return f"kubectl edit {_RESOURCES[f'{kind}Policy']} {name}{place}"
