"""How kubectl is told which cluster is meant: the context of each cluster of a link, and the command that makes it.

cloudlink itself neither reads nor writes ``~/.kube``; the commands that it prints have to be about the cluster that it has
asked, whatever context is current there.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from cloudlink.link import ClusterPlace, Link

_VERBS = "apply|create|delete|describe|edit|events|exec|get|label|logs|patch|rollout|scale"
_KUBECTL = re.compile(rf"\bkubectl (?=(?:--namespace \S+ )?(?:{_VERBS})\b)")

_NAMED = re.compile(r"\bkubectl --context (\S+)")


@dataclass(frozen=True)
class KubectlContext:
    name: str
    cloud: str  # aks or eks
    made_by: str  # command that puts it into the user's kubeconfig


def in_context(text: str, name: str) -> str:
    """The text with the context in its commands of kubectl; those that have one keep it. name: empty where it is not known."""
    return _KUBECTL.sub(f"kubectl --context {shlex.quote(name)} ", text) if name else text


def named_in(text: str) -> list[str]:
    """The contexts that the text's commands name."""
    return [name.strip("'\"") for name in _NAMED.findall(text)]


def of_aks(link: Link, cluster: ClusterPlace, *, sandbox: bool = False) -> KubectlContext:
    """Of one of the link's AKS clusters. In the sandbox it is in the kubeconfig that ``cloudlink sandbox env`` names."""
    side = link.azure
    if sandbox:
        first = cluster == side.clusters[0]
        return KubectlContext("aks" if first else f"aks-{cluster.name}", "aks", _OF_SANDBOX)
    alike = [c.name for c in side.clusters].count(cluster.name) > 1
    name = side.label_of(cluster).replace("/", "-") if alike else cluster.name
    command = (
        f"az aks get-credentials --subscription {shlex.quote(cluster.within or side.subscription)} --resource-group "
        f"{shlex.quote(cluster.resource_group)} --name {shlex.quote(cluster.name)}"
    )
    return KubectlContext(name, "aks", command if name == cluster.name else f"{command} --context {shlex.quote(name)}")


def of_eks(link: Link, *, sandbox: bool = False) -> KubectlContext:
    if sandbox:
        return KubectlContext("eks", "eks", _OF_SANDBOX)
    cluster = link.aws.eks_cluster
    taken = {of_aks(link, c).name for c in link.azure.clusters}
    name = f"{cluster}-eks" if cluster in taken else cluster
    profile = f" --profile {shlex.quote(link.aws.profile)}" if link.aws.profile else ""
    return KubectlContext(
        name,
        "eks",
        f"aws eks update-kubeconfig --region {link.aws.region} --name {shlex.quote(cluster)} --alias {shlex.quote(name)}{profile}",
    )


def of_link(link: Link, *, sandbox: bool = False) -> tuple[KubectlContext, ...]:
    """Of every cluster of the link, the first AKS cluster's first."""
    return (*(of_aks(link, c, sandbox=sandbox) for c in link.azure.clusters), of_eks(link, sandbox=sandbox))


def only_context(contexts: Iterable[KubectlContext]) -> str:
    """That of the AKS cluster, which is meant where nothing else is said; empty where there are several."""
    found = [c.name for c in contexts if c.cloud == "aks"]
    return found[0] if len(found) == 1 else ""


def made_together(contexts: Iterable[KubectlContext]) -> dict[str, list[str]]:
    """By the command that makes them, the names."""
    found: dict[str, list[str]] = {}
    for context in contexts:
        found.setdefault(context.made_by, []).append(context.name)
    return found


_OF_SANDBOX = 'eval "$(cloudlink sandbox env)"'
