"""What a check before the first write may ask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.kube.contexts import in_context
from cloudlink.core.plan import Action, Plan
from cloudlink.core.resource import Node
from cloudlink.errors import CloudlinkError, CredentialsError, Finding, UnreachableError
from cloudlink.link import Link
from cloudlink.steps.dns_forward.step import FORWARD, address_on
from cloudlink.steps.outputs import Targets

CLUSTER = "azure_vpn.cluster"
"""The address of the AKS cluster."""


@dataclass(frozen=True)
class Context:
    """The link, the plan and both clouds. Reads of the clients are cached: a topic asks for what it needs."""

    link: Link
    plan: Plan
    aws: Aws
    azure: Azure
    aks: Kube
    eks: Kube
    nodes: Mapping[str, Node[Any]] = field(default_factory=dict)  # of the topology, by address
    failed: Mapping[str, CloudlinkError] = field(default_factory=dict)  # reads of the plan that failed, by address
    targets: Targets | None = None  # what the names lead to; None: not known
    # of the AKS clusters, where there are several: as if each was the link's only one, by label, the first one first
    clusters: Mapping[str, Context] = field(default_factory=dict)

    @property
    def creates(self) -> bool:
        return any(c.action in (Action.CREATE, Action.REPLACE) for c in self.plan.changes)

    @property
    def cluster_away(self) -> bool:
        """Whether it is said by itself that the AKS cluster cannot be asked, so that nobody else need try: the plan could not read
        its CoreDNS, or, where the VNet forwards and a plan has nothing to read there, it is stopped."""
        if isinstance(self.failed.get(FORWARD), UnreachableError | CredentialsError):
            return True
        known = self.link.dns.forward == "vnet" and self.link.azure.new_cluster is None
        return known and self.azure.aks_power().lower() == "stopped"

    def writes(self, step: str) -> bool:
        """Whether the plan writes in this step; an address such as ``resolver.zone`` names one resource."""
        return any(c.address.startswith(step) for c in self.plan.writes)

    def of_cluster(self, address: str, link: Link, azure: Azure, aks: Kube) -> Context:
        """For one AKS cluster of several. address: of its key of CoreDNS, which is called here as that of a link's only one.
        link, azure: as if it was the only one. The plan has its key's change alone, and the first cluster's all others."""
        first = address == FORWARD

        def here(other: str) -> str | None:
            if other == address:
                return FORWARD
            return other if first and not other.startswith(f"{FORWARD}[") else None

        changes = tuple(replace(c, address=name) for c in self.plan.changes if (name := here(c.address)) is not None)
        return Context(
            link,
            replace(self.plan, changes=changes),
            self.aws,
            azure,
            aks,
            self.eks,
            {name: node for at, node in self.nodes.items() if (name := here(at)) is not None},
            {name: error for at, error in self.failed.items() if (name := here(at)) is not None},
            self.targets,
        )


Topic = Callable[[Context], Iterable[Finding]]


@dataclass(frozen=True)
class OnCluster:
    """A topic for one cluster. alike: what it finds of the first cluster as well is of both, and said once."""

    topic: Topic
    label: str
    first: bool
    alike: bool = False

    def __call__(self, context: Context) -> Iterable[Finding]:
        return self.topic(context.clusters[self.label])

    def said(self, found: Finding, kubectl: str) -> Finding:
        """With the name of the cluster, and of its resources. kubectl: its context."""
        found = replace(found, hint=in_context(found.hint, kubectl))
        name = self.label.rpartition("/")[2]
        detail = found.detail if name in found.detail else f"On {self.label}: {found.detail}"
        if self.first:
            return replace(found, detail=detail)
        names = {FORWARD: address_on(self.label), CLUSTER: f"{CLUSTER}[{self.label}]"}
        key = "azure.clusters" if found.key.startswith("azure.aks") else found.key
        mistake = found.mistake
        if mistake is not None and mistake.path.startswith("azure.aks"):
            mistake = replace(mistake, path="azure.clusters")
        return replace(
            found,
            detail=detail,
            key=key,
            mistake=mistake,
            resource=names.get(found.resource, found.resource),
            explains=names.get(found.explains, found.explains),
        )
