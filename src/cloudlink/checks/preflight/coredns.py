"""CoreDNS on AKS: whether it would start again with our zone, whether we may tell it, and whether pods ask it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.azure.parse_aks import PoolDns, pools_dns
from cloudlink.clouds.kube.body import key_patch, template_patch
from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.kube.errors import (
    KubeApiError,
    NoCluster,
    missing,
    no_permission,
    refused_by_policy,
    unknown_outcome,
)
from cloudlink.clouds.kube.parse import KeyMap, deployment, key_map
from cloudlink.clouds.ownership import owner_of
from cloudlink.core.plan import Plan
from cloudlink.errors import CredentialsError, Finding, Severity, UnreachableError
from cloudlink.link import Link
from cloudlink.steps.dns_forward import corefile
from cloudlink.steps.dns_forward.coredns import (
    ACCESS_READ,
    BASE_CONFIG_MAP,
    CONFIG_MAP,
    COREFILE_READ,
    DEPLOYMENT,
    DEPLOYMENT_READ,
    KEYS_READ,
    LET_IT_READ,
    NAMESPACE,
    annotation_of,
    unread,
)
from cloudlink.steps.dns_forward.corefile_answers import is_below
from cloudlink.steps.dns_forward.corefile_grammar import Unreadable, servers
from cloudlink.steps.dns_forward.corefile_rules import NEWEST, Version, version_of

TOPIC = "coredns"
FORWARD = "dns_forward.forward"
NODE_LOCAL = "node-local-dns"  # the DaemonSet and the ConfigMap of NodeLocal DNSCache
_EDIT = f"kubectl edit configmap {CONFIG_MAP} --namespace {NAMESPACE}"
_PLACEHOLDER = IPv4Address("192.0.2.53")  # where the endpoint's addresses are not known yet; nothing is stored
_TO_CLUSTER = re.compile(r"__PILLAR__CLUSTER__DNS__|kube-dns|10\.|172\.|192\.168\.")


@dataclass(frozen=True)
class Refusal:
    """A write that was tried without effect, and refused."""

    what: str  # such as configmaps/coredns-custom
    why: str
    by_policy: bool = False


@dataclass(frozen=True)
class CoreDnsFacts:
    keys: KeyMap
    corefile: str = ""  # the cluster's own; empty: it could not be read
    version: Version = NEWEST
    refusals: tuple[Refusal, ...] = ()
    unproved: tuple[str, ...] = ()  # what could not be tried, and why
    mounted: tuple[str, ...] | None = None  # ConfigMaps that CoreDNS's pods mount; None: not known
    pods: int = 1  # that the Deployment is to have
    node_local: str | None = None  # Corefile of NodeLocal DNSCache; None: it is not there


def find(context: Context) -> Iterator[Finding]:
    away = context.failed.get(FORWARD)
    if context.link.dns.forward != "coredns":
        return
    if not context.writes("dns_forward") or isinstance(away, UnreachableError | CredentialsError):
        return  # nothing to write, or it is said already that the cluster cannot be asked
    try:
        facts = read(context.link, context.aks)
    except NoCluster:
        return  # cloudlink makes it, or the plan's own read says that it is missing
    yield from check(facts, context.link, context.plan)


def find_local_dns(context: Context) -> Iterator[Finding]:
    coredns = context.link.dns.forward == "coredns"
    if coredns and context.writes("dns_forward") and context.link.azure.new_cluster is None:
        raw = context.azure.aks_cluster()
        yield from check_local_dns(pools_dns(raw) if raw else (), context.link)


# --- reading ------------------------------------------------------------------------------------------------


def read(link: Link, kube: Kube) -> CoreDnsFacts:
    """Raises NoCluster, and what a read of the two objects that must be there raises."""
    keys = key_map(kube.cache.get(KEYS_READ, lambda: kube.config_map(NAMESPACE, CONFIG_MAP)))
    running = deployment(kube.cache.get(DEPLOYMENT_READ, lambda: kube.deployment(NAMESPACE, DEPLOYMENT)))
    unproved: list[str] = []
    own = _optional(
        lambda: kube.cache.get(COREFILE_READ, lambda: kube.config_map(NAMESPACE, BASE_CONFIG_MAP)),
        "the cluster's own Corefile",
        unproved,
    )
    node_local = _optional(lambda: kube.daemon_set(NAMESPACE, NODE_LOCAL), "NodeLocal DNSCache", unproved)
    cache = None
    if node_local is not None:
        found = _optional(lambda: kube.config_map(NAMESPACE, NODE_LOCAL), "NodeLocal DNSCache's Corefile", unproved)
        cache = key_map(found or {}).text.get("Corefile", "")
    refusals = tuple(_tried(link, kube, keys, unproved))
    return CoreDnsFacts(
        keys,
        key_map(own or {}).text.get("Corefile", ""),
        version_of(running.images.get("coredns", "")),
        refusals,
        tuple(unproved),
        running.config_maps,
        running.wanted,
        cache,
    )


def _optional(call: Callable[[], Mapping[str, Any]], what: str, unproved: list[str]) -> Mapping[str, Any] | None:
    """None where it is not there, or may not be read, which is noted."""
    try:
        return call()
    except KubeApiError as error:
        if not missing(error):
            unproved.append(f"{what} could not be read: {error.message or error.reason}")
        return None


def _tried(link: Link, kube: Kube, keys: KeyMap, unproved: list[str]) -> Iterator[Refusal]:
    """The very patch, with ``dryRun``: authorisers and admission answer as in truth. An access review, which asks authorisers
    alone, is made where it cannot be tried.

    https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run
    """
    key = corefile.key_of(link.name)
    text = corefile.written(owner_of(link), corefile.block(link.dns.zone_names, (_PLACEHOLDER,)))
    annotations = template_patch({annotation_of(link.name): "0" * 32})
    tries: tuple[tuple[str, str, str, Callable[[], Any]], ...] = (
        (
            "",
            "configmaps",
            CONFIG_MAP,
            lambda: kube.patch_config_map(NAMESPACE, CONFIG_MAP, key_patch(key, text), dry_run=True),
        ),
        (
            "apps",
            "deployments",
            DEPLOYMENT,
            lambda: kube.patch_deployment(NAMESPACE, DEPLOYMENT, annotations, dry_run=True),
        ),
    )
    passed = 0
    for group, resource, name, attempt in tries:
        what = f"{resource}/{name}"
        refusal: Refusal | None = None
        if not (keys.immutable and resource == "configmaps"):
            refusal, why = _attempt(what, attempt)
            if refusal is None and not why:
                passed += 1
                continue
            unproved += [f"whether {what} may be patched: {why}"] if why else []
        if refusal is None and not kube.allowed("patch", group, resource, NAMESPACE, name):
            refusal = Refusal(what, "the access review says no")
        if refusal is not None:
            yield refusal
    if passed == len(tries):
        kube.cache.get(ACCESS_READ, lambda: None)


def _attempt(what: str, attempt: Callable[[], Any]) -> tuple[Refusal | None, str]:
    """What was refused; and why nothing is known. None and empty: it may be patched."""
    try:
        attempt()
    except KubeApiError as error:
        said = error.message or error.reason
        if no_permission(error):
            return Refusal(what, said), ""
        if refused_by_policy(error):
            return Refusal(what, said, by_policy=True), ""
        if unknown_outcome(error) or error.status in (400, 409, 429):
            return None, said
        raise
    return None, ""


# --- judging ------------------------------------------------------------------------------------------------


def check(facts: CoreDnsFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    zones, key = link.dns.zone_names, corefile.key_of(link.name)
    if facts.keys.immutable:
        yield _found(
            Severity.OBSTACLE,
            "The ConfigMap coredns-custom is immutable",
            f"{NAMESPACE}/{CONFIG_MAP} of {link.azure.aks_cluster} is marked immutable, so no key can be added to it: "
            "Kubernetes takes such a mark back only with the whole object.",
            f"Save it (kubectl get configmap {CONFIG_MAP} --namespace {NAMESPACE} -o yaml), delete it and create it "
            "again without immutable.",
        )
    seen = corefile.examine(
        facts.keys.text,
        key,
        zones,
        facts.version,
        base=facts.corefile or corefile.USUAL_COREFILE,
        not_text=facts.keys.not_text,
    )
    for sentence in seen.conflicts:
        yield _found(
            Severity.OBSTACLE,
            "CoreDNS would not start with the zone added",
            f"{sentence} It would be seen at the restart only, for a running CoreDNS keeps what it read before.",
            _EDIT,
        )
    for sentence in seen.warnings:
        yield _found(Severity.WARNING, "Another key of coredns-custom is in the way", sentence)
    for sentence in seen.taken:
        yield _found(
            Severity.WARNING,
            "Names that another key answers go to AWS",
            sentence,
            "Add these names to dns.hosts if they are still needed, or choose a dns.zone below them.",
        )
    yield from _unread(facts, link)
    yield from _kept(facts, link)
    yield from _access(facts, link)
    for reason in facts.unproved:
        yield _found(Severity.NOT_PROVED, "A check of CoreDNS could not be made", f"{reason.rstrip('.')}.")
    for zone in zones:
        yield from _node_local(facts.node_local, zone)
    del plan


def _found(severity: Severity, summary: str, detail: str, hint: str = "") -> Finding:
    return Finding(TOPIC, severity, summary, detail, hint, resource=FORWARD)


def _kept(facts: CoreDnsFacts, link: Link) -> Iterator[Finding]:
    """Most such tools leave keys that they did not write; some write the whole object, or take it away with what it is of."""
    if not facts.keys.kept_by:
        return
    key = corefile.key_of(link.name)
    yield _found(
        Severity.WARNING,
        "Another tool keeps the ConfigMap of CoreDNS",
        f"{CONFIG_MAP} in {NAMESPACE} of {link.azure.aks_cluster} is kept by {facts.keys.kept_by}. cloudlink adds the key {key} "
        "beside the others. Where the tool writes the whole object (Terraform's kubernetes_config_map, Replace=true of Argo CD) "
        "or prunes it, the key goes too, and pods lose AWS's names at CoreDNS's next restart; cloudlink status says so.",
        f"Have it leave data.{key} alone: ignoreDifferences in Argo CD, kubernetes_config_map_v1_data in Terraform.",
    )


def _unread(facts: CoreDnsFacts, link: Link) -> Iterator[Finding]:
    """What keeps CoreDNS from reading our key although it would start with it."""
    where = f"{NAMESPACE} of {link.azure.aks_cluster}"
    if kept := unread(facts.corefile, facts.mounted):
        yield _found(
            Severity.OBSTACLE,
            "CoreDNS does not read coredns-custom",
            f"In {where}, {' and '.join(kept)}, as AKS's own CoreDNS does: no key of coredns-custom has an effect there, so "
            f"that pods would never get AWS's names. Somebody has put another CoreDNS or Corefile in its place.",
            LET_IT_READ,
        )
    if facts.pods == 0:
        yield _found(
            Severity.OBSTACLE,
            "CoreDNS is scaled to no pods",
            f"The Deployment {DEPLOYMENT} in {where} is to have 0 pods: nobody answers a name in the cluster, unless something "
            "else is in its place, which cloudlink does not know.",
            f"kubectl scale deployment {DEPLOYMENT} --namespace {NAMESPACE} --replicas 2",
        )


def _access(facts: CoreDnsFacts, link: Link) -> Iterator[Finding]:
    missing_ones = [r for r in facts.refusals if not r.by_policy]
    if missing_ones:
        yield Finding(
            "permissions",
            Severity.OBSTACLE,
            "A permission is missing in the AKS cluster",
            f"The signed-in user may not patch {' and '.join(r.what for r in missing_ones)} in namespace {NAMESPACE} of "
            f"cluster {link.azure.aks_cluster}. cloudlink adds one key for CoreDNS there and restarts CoreDNS.",
            "With Azure RBAC: the role Azure Kubernetes Service RBAC Admin on the cluster; with Kubernetes RBAC: a Role "
            f"in {NAMESPACE} that allows get and patch on these two.",
            resource=FORWARD,
        )
    for refusal in facts.refusals:
        if refusal.by_policy:
            yield _found(
                Severity.OBSTACLE,
                "A policy of the cluster refuses the change of CoreDNS",
                f"The patch of {refusal.what} in namespace {NAMESPACE} was tried without effect, and refused: "
                f"{refusal.why.rstrip('.')}. It is no missing permission: another role would not help. On AKS Automatic "
                "AKS guards its namespaces itself.",
                "Ask the policy's owner for an exception for this user; for a policy of AKS, ask Azure's support.",
            )


def _node_local(own: str | None, zone: str) -> Iterator[Finding]:
    """https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/"""
    if own is None:
        return
    targets = _targets(own, zone)
    if targets and all(_TO_CLUSTER.match(t) for t in targets):
        return  # it asks CoreDNS
    where = f"forwards {zone} to {', '.join(targets)}" if targets else "does not say where it forwards the zone"
    yield _found(
        Severity.WARNING,
        "NodeLocal DNSCache may keep the zone from CoreDNS",
        f"Pods ask NodeLocal DNSCache on their node (DaemonSet {NODE_LOCAL}), which {where}: unless it asks CoreDNS for "
        f"{zone}, pods do not get AWS's names.",
        f"Add a server block for {zone} that forwards to the cluster's DNS: kubectl edit configmap {NODE_LOCAL} "
        f"--namespace {NAMESPACE}",
    )


def _targets(own: str, zone: str) -> tuple[str, ...]:
    """Where the block with the longest zone that holds ours forwards to."""
    best: tuple[int, tuple[str, ...]] = (-1, ())
    try:
        for server in servers([("", own)]):
            for address in server.addresses:
                head = address.rpartition("://")[2].partition(":")[0].rstrip(".").lower()
                if head and not is_below(zone, head):
                    continue
                to = [t for d in server.directives if d.name == "forward" for t in d.arguments[1:]]
                best = max(best, (len(head), tuple(to)))
    except Unreadable:
        return ()
    return best[1]


def check_local_dns(pools: tuple[PoolDns, ...], link: Link) -> Iterator[Finding]:
    """https://learn.microsoft.com/azure/aks/localdns-custom"""
    found = [finding for zone in link.dns.zone_names for finding in _local_dns(pools, link, zone)]
    yield from dict.fromkeys(found)  # most is said of a pool, whatever the zone


def _local_dns(pools: tuple[PoolDns, ...], link: Link, zone: str) -> Iterator[Finding]:
    for pool in pools:
        if not pool.is_on:
            continue
        over, to = pool.override(pool.kube, zone)
        if to.lower() == "vnetdns":
            yield _found(
                Severity.OBSTACLE,
                "LocalDNS keeps the zone from CoreDNS",
                f"Pool {pool.name} of {link.azure.aks_cluster} has LocalDNS, whose kubeDNSOverrides send {over} to VnetDNS: "
                f"its pods would ask the VNet's DNS servers for {zone}, and never CoreDNS.",
                f"Add {zone} with the forwardDestination ClusterCoreDNS to the pool's kubeDNSOverrides: az aks nodepool "
                f"update --resource-group {link.azure.aks_resource_group} --cluster-name {link.azure.aks_cluster} "
                f"--name {pool.name} --localdns-config FILE",
            )
            continue
        over, to = pool.override(pool.vnet, zone)
        also = ""
        if over not in ("", ".") and to.lower() == "vnetdns":
            also = f" Its vnetDNSOverrides send {over} to VnetDNS: pods with dnsPolicy Default do not get AWS's names."
        yield _found(
            Severity.WARNING,
            "A pool has LocalDNS",
            f"Pool {pool.name} has LocalDNS: pods may get an old address for up to an hour after a record changes.{also}",
        )
