"""The AKS cluster: whether it runs, whether it can be reached, and whether our pod finds a node."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.azure import parse_aks
from cloudlink.clouds.azure.parse_aks import AgentPool, AksCluster
from cloudlink.core.plan import Action, Plan
from cloudlink.errors import Finding, MalformedError, Mistake, Severity, UnreachableError
from cloudlink.link import Link, Toleration

TOPIC = "aks"
_FORWARD = "dns_forward.forward"  # reads CoreDNS's ConfigMap from the cluster's API
_KEY = "azure.aks.name"
_FAILED = ("failed", "canceled")
_HARD_EFFECTS = ("noschedule", "noexecute")
# https://learn.microsoft.com/azure/virtual-machines/vm-naming-conventions: family, CPUs, additive features; p is Arm
_SIZE = re.compile(r"(?:[A-Za-z]+_)?[A-Z]+\d+(?:-\d+)?(?P<features>[a-z]*)")


@dataclass(frozen=True)
class AksFacts:
    """The cluster and how it was reached."""

    cluster: AksCluster | None = None  # None: not there, or cloudlink creates it
    reached: bool | None = None  # whether its API was tried and answered; None: not tried
    why: str = ""  # why it was not reached, in words


def find(context: Context) -> Iterator[Finding]:
    if context.link.azure.new_cluster is not None:
        return
    raw = context.azure.aks_cluster()
    cluster = parse_aks.aks_cluster(raw) if raw else None
    away = context.failed.get(_FORWARD)
    answered = isinstance(away, MalformedError) or not isinstance(away, UnreachableError)
    # where the VNet forwards, the plan asks nothing of the cluster itself
    reached = None if context.link.dns.forward == "vnet" else answered
    yield from check(AksFacts(cluster, reached, str(away) if reached is False else ""), context.link, context.plan)


def check(facts: AksFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    if facts.cluster is None:
        return
    cluster = replace(facts.cluster, name=facts.cluster.name or link.azure.aks_cluster)
    # a run that cannot read the cluster cannot end well either
    # Where the VNet forwards, the cluster is asked only for a pod that tries what somebody else has joined, before the first rule.
    asked = link.dns.forward == "coredns" or not link.makes_vpn
    needed = (asked and _names_change(plan)) or facts.reached is False
    for finding in (*_state(cluster, facts, link, needed), *_reach(cluster, facts, link, needed)):
        obstacle = finding.severity is Severity.OBSTACLE
        yield replace(finding, explains=_FORWARD if obstacle and facts.reached is False else "")
    yield from _nodes(cluster, link)
    yield from _network(cluster, link)
    if cluster.sku.lower() == "automatic":
        yield _found(
            Severity.WARNING,
            "The cluster is AKS Automatic, which guards its system namespaces",
            f"{cluster.name} is of the kind Automatic: besides permissions, policies of AKS decide whether the ConfigMap "
            "coredns-custom may be written and a pod may run, and pods get requests that they did not ask for.",
            "If it is refused, cloudlink says by which policy; another namespace for the pod is set with probe.namespace.",
        )


def _names_change(plan: Plan) -> bool:
    """Whether the plan writes to the cluster."""
    return any(c.step == "dns_forward" and c.action is not Action.NO_OP for c in plan.changes)


def _found(severity: Severity, summary: str, detail: str, hint: str = "", key: str = "", found: str = "") -> Finding:
    mistake = Mistake(key, found, hint) if key and found else None
    return Finding(TOPIC, severity, summary, detail, hint, resource="azure_vpn.cluster", key=key, mistake=mistake)


def start_command(link: Link) -> str:
    """link: as if the cluster was its only one."""
    side = link.azure
    return f"az aks start --name {side.aks_cluster} --resource-group {side.aks_resource_group} --subscription {side.aks_subscription}"


def az_aks(verb: str, cluster: AksCluster, link: Link) -> str:
    side = link.azure
    return (
        f"az aks {verb} --subscription {side.aks_subscription} --resource-group {side.aks_resource_group} "
        f"--name {cluster.name}"
    )


def _state(cluster: AksCluster, facts: AksFacts, link: Link, needed: bool) -> Iterator[Finding]:
    if cluster.power.lower() == "stopped" and link.dns.forward == "vnet":
        start = az_aks("start", cluster, link)
        if needed:
            what, hint = (
                "no pod runs that could try the way to AWS, which is done before the VNet is told about the zone",
                start,
            )
        else:
            what = "no pod runs that could prove them, so that cloudlink up would end with an error after the build"
            hint = f"{start}\nOr leave the proof out: cloudlink up --no-verify"
        yield _found(
            Severity.OBSTACLE if needed else Severity.WARNING,
            "The AKS cluster is stopped",
            f"{cluster.name} is stopped (Azure says {cluster.state or 'nothing'} of it all the same). The VNet gets the names without "
            f"it, but {what}.",
            hint,
        )
        return
    if cluster.power.lower() == "stopped":
        yield _found(
            Severity.OBSTACLE if needed else Severity.WARNING,
            "The AKS cluster is stopped",
            f"{cluster.name} is stopped (Azure says {cluster.state or 'nothing'} of it all the same): its API does not "
            "answer, so CoreDNS cannot be told about the zone, and no pod runs that could ask for names.",
            az_aks("start", cluster, link),
        )
        return
    word = cluster.state.lower()
    if word in _FAILED:
        works = "Its API answered" if facts.reached else "Its API may work all the same"
        yield _found(
            Severity.OBSTACLE if needed and facts.reached is False else Severity.WARNING,
            "The AKS cluster is in a failed state",
            f"Azure says that the last operation on {cluster.name} ended as {cluster.state}. {works}; an upgrade or a new "
            "node may fail until it is repaired.",
            az_aks("update", cluster, link),
        )
    elif word in ("creating", "deleting"):
        yield _found(
            Severity.OBSTACLE if needed else Severity.WARNING,
            "The AKS cluster is not ready",
            f"Azure says that {cluster.name} is {cluster.state}.",
            az_aks("wait", cluster, link) + " --created" if word == "creating" else "Name a cluster that stays.",
        )
    elif word in ("starting", "stopping", "upgrading", "updating"):
        yield _found(
            Severity.WARNING,
            "Another operation on the AKS cluster is under way",
            f"Azure says that {cluster.name} is {cluster.state}; CoreDNS may be restarted or not be reached meanwhile.",
            az_aks("show", cluster, link) + " --query provisioningState",
        )


def _reach(cluster: AksCluster, facts: AksFacts, link: Link, needed: bool) -> Iterator[Finding]:
    """Whether an API can be reached is proved by asking it only: no answer of Azure's says where we ask from. One that
    answers now is asked last of all, half an hour later, when a machine may be somewhere else."""
    if cluster.power.lower() == "stopped":
        return
    severity = Severity.OBSTACLE if needed and facts.reached is False else Severity.WARNING
    said = " It answers now; CoreDNS is written last of all, so stay where it can be reached." if facts.reached else ""
    if facts.reached is False and facts.why:
        said = f" It was tried, without an answer: {facts.why.rstrip('.')}."
    if cluster.private or not cluster.public_access:
        name = f" ({cluster.private_name})" if cluster.private_name else ""
        public = ", though its name is known publicly" if cluster.public_name else ""
        yield _found(
            severity,
            "The cluster's API is private",
            f"The API of {cluster.name}{name} has an address in its VNet only{public}: it is reached from there, or from a "
            f"network that is joined to it.{said}",
            "Run cloudlink on a machine that reaches the VNet, such as one in it or one behind a VPN to it.",
        )
    elif cluster.authorized_ranges:
        shown = ", ".join(cluster.authorized_ranges)
        yield _found(
            severity,
            "The cluster's API takes calls from certain addresses only",
            f"The API of {cluster.name} answers {shown}. The address that this machine has outside must be in them; if it "
            f"is not, calls time out.{said}",
            f"Where it is not among them: {az_aks('update', cluster, link)} --api-server-authorized-ip-ranges "
            f"{','.join(cluster.authorized_ranges)},ADDRESS/32",
        )
    elif facts.reached is False and cluster.state.lower() not in _FAILED:  # which says it already
        yield _found(
            severity,
            "The cluster's API does not answer",
            f"{cluster.name} is not private and limits no addresses, but its API could not be reached.{said}",
            "Look at the network between here and the cluster (a proxy, a firewall), then run the command again.",
        )


def _bypassed(zone: str, listed: Iterable[str]) -> bool:
    """Whether noProxy takes all names of the zone out, for every program: of ``*.zone`` Python and curl know nothing."""
    names = (n.strip().lower() for n in listed)
    plain = (n.lstrip(".") for n in names if not n.startswith("*."))
    return any(n == "*" or (n and (zone == n or zone.endswith(f".{n}"))) for n in plain)


def is_arm(size: str) -> bool:
    match = _SIZE.match(size)
    return match is not None and "p" in match["features"]


def _tainted(pool: AgentPool, tolerations: Iterable[Toleration] = ()) -> bool:
    hard = [t for t in pool.taints if t.rpartition(":")[2].lower() in _HARD_EFFECTS]
    return any(not any(tolerates(t, taint) for t in tolerations) for taint in hard)


def tolerates(toleration: Toleration, taint: str) -> bool:
    """taint: as AKS writes it, ``key=value:Effect``."""
    name, _, effect = taint.rpartition(":")
    key, _, value = name.partition("=")
    return (
        toleration.key in ("", key)
        and toleration.value in (None, value)
        and toleration.effect.lower() in ("", effect.lower())
    )


def _nodes(cluster: AksCluster, link: Link) -> Iterator[Finding]:
    """Whether the pod that asks for names finds a node. Only verify-dns needs one, so that nothing here is an obstacle."""
    if cluster.makes_nodes:
        return  # nodes come for what is to run
    listed = [p for p in cluster.pools if p.mode.lower() != "gateway"]
    if not listed:
        return
    linux = [p for p in listed if p.os.lower() == "linux"]
    if not linux:
        names = ", ".join(p.name for p in listed)
        yield _found(
            Severity.WARNING,
            "No pool of the cluster runs Linux pods",
            f"All pools of {cluster.name} that are listed run Windows ({names}), and the pod that asks for names is a "
            "Linux one.",
            "Add a small pool with Linux to see names work from the cluster.",
        )
        return
    running = [p for p in linux if p.running and (p.count is None or p.count > 0 or p.autoscaled)]
    if not running and cluster.power.lower() != "stopped":
        yield _found(
            Severity.WARNING,
            "The cluster has no node",
            f"Each pool of {cluster.name} with Linux is stopped or has no node: {', '.join(p.name for p in linux)}.",
            "Start or enlarge one.",
        )
        return
    free = [p for p in running if not _tainted(p, link.probe.tolerations)]
    if running and not free:
        shown = "; ".join(f"{p.name}: {', '.join(p.taints)}" for p in running)
        yield _found(
            Severity.WARNING,
            "Every pool of the cluster is tainted",
            f"No node of {cluster.name} takes a pod that tolerates nothing ({shown}), so that the pod that asks for names "
            "would wait in vain.",
            "Let the probe tolerate one of these taints ([probe] tolerations), or add a pool without.",
        )
    candidates = free or running
    if candidates and all(is_arm(p.size) for p in candidates):
        yield _found(
            Severity.WARNING,
            "The cluster's nodes are arm64",
            f"The pools of {cluster.name} that could take the pod have Arm processors "
            f"({', '.join(f'{p.name}: {p.size}' for p in candidates)}), so its image must be one for arm64.",
            "Set probe.image to an image with arm64 if the pod does not start.",
        )


def _network(cluster: AksCluster, link: Link) -> Iterator[Finding]:
    if not cluster.subnets and (cluster.hosted or cluster.makes_nodes or not cluster.pools):
        yield _found(
            Severity.WARNING,
            "AKS does not list the cluster's nodes",
            f"{cluster.name} has nodes that AKS manages itself, and does not say in which subnet: whether it is in "
            f"{link.azure.vnet} or in a VNet peered with it, and which routes it has, could not be checked.",
            "See that its VNet is azure.vnet, or uses its gateway.",
        )
    else:
        for pool in cluster.pools:
            if not pool.subnet_id and not cluster.hosted:
                name = link.azure.aks_cluster
                found = f"{name}, whose pool {pool.name} is in a VNet that AKS manages"
                yield _found(
                    Severity.OBSTACLE,
                    "The cluster is in a VNet that AKS manages",
                    f"The pool {pool.name} of {name} is in a VNet that AKS made for itself, which may not be altered and "
                    "goes with the cluster.",
                    "a cluster in a VNet of your own",
                    key=_KEY,
                    found=found,
                )
    for pool in cluster.pools:
        if pool.local_dns.lower() == "enabled":
            yield _found(
                Severity.WARNING,
                "A pool has LocalDNS",
                f"Pool {pool.name} has LocalDNS: pods may get an old address for up to an hour after a record changes.",
            )
    if cluster.proxy and (proxied := [z for z in link.dns.zone_names if not _bypassed(z, cluster.not_proxied)]):
        zones = ", ".join(proxied)
        starred = [n for n in cluster.not_proxied if n.strip().startswith("*.")]
        also = (
            f" It names {', '.join(starred)}, which some programs understand; Python's and curl do not."
            if starred
            else ""
        )
        yield _found(
            Severity.WARNING,
            "The cluster sends its pods' HTTP through a proxy",
            f"AKS writes HTTP_PROXY and HTTPS_PROXY into every pod of {cluster.name}, and noProxy does not name {zones}: programs "
            f"that heed them ask the proxy for names of {zones}, which does not know AWS's addresses.{also} The pod that proves the names "
            "does without, so it would not show.",
            f"Add .{proxied[0]} to noProxy: {az_aks('update', cluster, link)} --http-proxy-config FILE; or annotate the pods: "
            'kubernetes.azure.com/no-http-proxy-vars: "true"',
        )
    if cluster.plugin == "none" and not cluster.pod_ranges:
        yield _found(
            Severity.WARNING,
            "The range of the cluster's pods is not known to Azure",
            f"{cluster.name} brings its own network plugin, so Azure does not know its pods' addresses. If they leave the "
            "nodes with addresses of their own, AWS must know a way back to these and let them in; and whether they "
            "overlap the VPC could not be checked.",
            "Let the plugin masquerade what leaves for the VPC, or see that the pods' range is one of the VNet's.",
        )
