"""A service mesh that lets pods reach registered hosts only: names resolve there, and connections to AWS are refused by the pod's
own sidecar. The pod that proves the names has none, so that it would not show.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.azure.parse_aks import aks_cluster
from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.kube.errors import KubeApiError, missing
from cloudlink.clouds.kube.parse_mesh import REGISTRY_ONLY, limiting_settings, outbound_of_sidecars, registered_hosts
from cloudlink.errors import CredentialsError, Finding, Severity, UnreachableError
from cloudlink.link import Link
from cloudlink.steps.least_permissions import MESH_ROOTS

TOPIC = "aks"
_RECORDS = "resolver.records"
_API = "/apis/networking.istio.io/v1"
_SHOWN = 4


@dataclass(frozen=True)
class MeshFacts:
    by: str = ""  # what limits pods of the probe's namespace, in words; empty: nothing does
    hosts: frozenset[str] = frozenset()  # names that are registered
    unread: str = ""


def find(context: Context) -> Iterator[Finding]:
    link = context.link
    away = isinstance(context.failed.get("dns_forward.forward"), UnreachableError | CredentialsError)
    if not context.writes("dns_forward") or link.azure.new_cluster is not None or away:
        return
    raw = context.azure.aks_cluster()
    # Of a mesh that somebody has installed by hand Azure says nothing; a cluster that enforces policies is one where such are.
    if raw is None or not ((found := aks_cluster(raw)).mesh or found.enforces_policies):
        return
    yield from check(read(context.aks, link), link)


def read(kube: Kube, link: Link) -> MeshFacts:
    """Without Istio it is one question. What may not be read is not known."""
    space = link.probe.namespace
    try:
        own = outbound_of_sidecars(kube.objects(f"{_API}/namespaces/{space}/sidecars"))
    except KubeApiError as error:
        if missing(error):
            return MeshFacts()  # no Istio
        if error.status != 403:
            raise
        return MeshFacts(unread=error.message or str(error))
    try:
        by = _limit(kube, space, own)
        return MeshFacts(by, registered_hosts(kube.objects(f"{_API}/serviceentries"))) if by else MeshFacts()
    except KubeApiError as error:
        if error.status != 403:
            raise
        return MeshFacts(unread=error.message or str(error))


def _limit(kube: Kube, space: str, own: Mapping[str, str]) -> str:
    """A Sidecar of the namespace comes before one of the root namespace, and that before the mesh's settings."""
    if own:
        return next((f"the Sidecar {name} in {space}" for name, mode in own.items() if mode == REGISTRY_ONLY), "")
    for root in MESH_ROOTS:
        wide = outbound_of_sidecars(kube.objects(f"{_API}/namespaces/{root}/sidecars"))
        if wide:
            return next((f"the Sidecar {name} in {root}" for name, mode in wide.items() if mode == REGISTRY_ONLY), "")
    for root in MESH_ROOTS:
        if name := limiting_settings(kube.objects(f"/api/v1/namespaces/{root}/configmaps")):
            return f"the mesh's settings (ConfigMap {name} in {root})"
    return ""


def _is_registered(name: str, hosts: frozenset[str]) -> bool:
    parts = name.split(".")
    return name in hosts or any(f"*.{'.'.join(parts[i:])}" in hosts for i in range(1, len(parts))) or "*" in hosts


def check(facts: MeshFacts, link: Link) -> Iterator[Finding]:
    if facts.unread:
        yield Finding(
            TOPIC,
            Severity.NOT_PROVED,
            "The service mesh's settings may not be read",
            f"Whether the mesh on {link.azure.aks_cluster} lets its pods reach hosts that are not registered is not known "
            f"({facts.unread}).",
            "cloudlink permissions --checks --format k8s-role",
            resource=_RECORDS,
        )
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
