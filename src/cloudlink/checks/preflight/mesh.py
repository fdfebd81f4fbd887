"""A service mesh that lets pods reach registered hosts only: names resolve there, and connections to AWS are refused by the pod's
own sidecar. The pod that proves the names has none, so that it would not show.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.aws import parse_vpc
from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.kube.errors import KubeApiError, missing
from cloudlink.clouds.kube.parse_mesh import (
    REGISTRY_ONLY,
    EgressNetwork,
    cluster_networks,
    denying_networks,
    limiting_settings,
    outbound_of_sidecars,
    registered_hosts,
)
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link
from cloudlink.steps.least_permissions import MESH_ROOTS

TOPIC = "aks"
_RECORDS = "resolver.records"
_ISTIO, _LINKERD = "networking.istio.io", "policy.linkerd.io"  # their groups in the cluster's API
_EGRESS = f"/apis/{_LINKERD}/v1alpha1"
EGRESS_SPACE = "linkerd-egress"
"""Whose EgressNetworks are for all namespaces. Assumption: as Linkerd's chart has it (egress.globalEgressNetworkNamespace)."""
_SHOWN = 4


@dataclass(frozen=True)
class MeshFacts:
    by: str = ""  # what limits pods of the probe's namespace, in words; empty: nothing does
    hosts: frozenset[str] = frozenset()  # names that are registered
    unread: str = ""


def find(context: Context) -> Iterator[Finding]:
    link = context.link
    if not context.writes("dns_forward") or link.azure.new_cluster is not None or context.cluster_away:
        return
    groups = _groups(context.aks)
    if _ISTIO in groups:
        yield from check(read(context.aks, link, groups[_ISTIO]), link)
    if _LINKERD in groups:
        yield from check_linkerd(*read_linkerd(context.aks, link), _vpc(context), link)


def _groups(kube: Kube) -> Mapping[str, str]:
    """One question tells which meshes are there, AKS's add-on or somebody's own. Where it may not be asked, Istio itself is."""
    try:
        return kube.api_groups()
    except KubeApiError as error:
        if error.status != 403:
            raise
        return {_ISTIO: "v1"}


def _vpc(context: Context) -> tuple[IPv4Network, ...]:
    found = parse_vpc.vpc(context.aws.vpc(context.link.aws.vpc_id))
    return found.ranges if found is not None else ()


def read(kube: Kube, link: Link, version: str) -> MeshFacts:
    """version: of Istio's API. What may not be read is not known."""
    space, api = link.probe.namespace, f"/apis/{_ISTIO}/{version}"
    try:
        own = outbound_of_sidecars(kube.objects(f"{api}/namespaces/{space}/sidecars"))
    except KubeApiError as error:
        if missing(error):
            return MeshFacts()  # no Istio, or one of which nothing but gateways is installed
        if error.status != 403:
            raise
        return MeshFacts(unread=error.message or str(error))
    try:
        by = _limit(kube, api, space, own)
        return MeshFacts(by, registered_hosts(kube.objects(f"{api}/serviceentries"))) if by else MeshFacts()
    except KubeApiError as error:
        if error.status != 403:
            raise
        return MeshFacts(unread=error.message or str(error))


def _limit(kube: Kube, api: str, space: str, own: Mapping[str, str]) -> str:
    """A Sidecar of the namespace comes before one of the root namespace, and that before the mesh's settings."""
    if own:
        return next((f"the Sidecar {name} in {space}" for name, mode in own.items() if mode == REGISTRY_ONLY), "")
    for root in MESH_ROOTS:
        wide = outbound_of_sidecars(kube.objects(f"{api}/namespaces/{root}/sidecars"))
        if wide:
            return next((f"the Sidecar {name} in {root}" for name, mode in wide.items() if mode == REGISTRY_ONLY), "")
    for root in MESH_ROOTS:
        if name := limiting_settings(kube.objects(f"/api/v1/namespaces/{root}/configmaps")):
            return f"the mesh's settings (ConfigMap {name} in {root})"
    return ""


def read_linkerd(kube: Kube, link: Link) -> tuple[tuple[EgressNetwork, ...], tuple[IPv4Network, ...], str]:
    """The EgressNetworks that are for the probe's namespace, the networks of the cluster, and what could not be read."""
    try:
        found = denying_networks(
            e
            for space in dict.fromkeys((link.probe.namespace, EGRESS_SPACE))
            for e in kube.objects(f"{_EGRESS}/namespaces/{space}/egressnetworks")
        )
        wide = any(not network.ranges for network in found)
        own = cluster_networks(kube.objects("/api/v1/namespaces/linkerd/configmaps")) if wide else ()
    except KubeApiError as error:
        if missing(error):
            return (), (), ""  # before Linkerd 2.17 there are none
        if error.status != 403:
            raise
        return (), (), error.message or str(error)
    return found, own, ""


def check_linkerd(
    found: Iterable[EgressNetwork],
    own: Sequence[IPv4Network],
    unread: str,
    vpc: Iterable[IPv4Network],
    link: Link,
) -> Iterator[Finding]:
    """own: the cluster's networks; vpc: the VPC's."""
    yield from _unread(unread, link)
    for network in found:
        if shut := [n for n in vpc if network.denies(n, own)]:
            yield Finding(
                TOPIC,
                Severity.WARNING,
                "The service mesh keeps pods from the VPC",
                f"On {link.azure.aks_cluster} the EgressNetwork {network.name} of Linkerd in {network.namespace} denies what is for "
                f"{', '.join(map(str, shut))}: pods with a sidecar resolve the names, and their sidecar refuses connections that no "
                "route of it lets through. The pod that proves the names has no sidecar, so it would not show.",
                f"Leave the VPC's range out of it (spec.networks[].except), or add a TCPRoute or TLSRoute whose parent it is: "
                f"kubectl --namespace {network.namespace} edit egressnetwork {network.name}",
                resource=_RECORDS,
            )
            return


def _is_registered(name: str, hosts: frozenset[str]) -> bool:
    parts = name.split(".")
    return name in hosts or any(f"*.{'.'.join(parts[i:])}" in hosts for i in range(1, len(parts))) or "*" in hosts


def check(facts: MeshFacts, link: Link) -> Iterator[Finding]:
    yield from _unread(facts.unread, link)
    names = [host.fqdn(zone.name) for zone, host in link.dns.all_hosts]
    unknown = [n for n in names if not _is_registered(n.lower(), facts.hosts)]
    if not facts.by or not unknown:
        return
    shown = ", ".join(unknown[:_SHOWN]) + (f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else "")
    yield Finding(
        TOPIC,
        Severity.WARNING,
        "The service mesh lets pods reach registered hosts only",
        f"On {link.azure.aks_cluster} {facts.by} says {REGISTRY_ONLY}: pods with a sidecar resolve {shown}, and their sidecar refuses "
        "the connection, because no ServiceEntry names them. The pod that proves the names has no sidecar, so it would not show.",
        f"Register them: a ServiceEntry with location MESH_EXTERNAL, resolution NONE and hosts such as *.{link.dns.zone}",
        resource=_RECORDS,
    )


def _unread(why: str, link: Link) -> Iterator[Finding]:
    if why:
        yield Finding(
            TOPIC,
            Severity.NOT_PROVED,
            "The service mesh's settings may not be read",
            f"Whether the mesh on {link.azure.aks_cluster} lets its pods reach hosts that are not registered is not known ({why}).",
            "cloudlink permissions --checks --format k8s-role",
            resource=_RECORDS,
        )
