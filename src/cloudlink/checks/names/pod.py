"""What becomes of the probe's pod: whether it ran, and why not."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from cloudlink.checks.names.script import ENVIRONMENT, SCRIPT
from cloudlink.clouds.kube.body import Body
from cloudlink.clouds.kube.body_pod import python_pod
from cloudlink.clouds.kube.parse_pods import Container, Pod
from cloudlink.errors import CloudError, CloudlinkError, WaitError
from cloudlink.link import Link

MANAGED = "app.kubernetes.io/managed-by"
LINK = "cloudlink-link"
DEADLINE = 600  # of the pod, for its image may take minutes to be pulled; the script ends itself long before
CONTAINER = "probe"


def manifest(link: Link, name: str, asked: Mapping[str, Any], *, on_node: bool = False) -> Body:
    """asked: see ``answers.request``."""
    return python_pod(
        link.probe,
        name=name,
        container=CONTAINER,
        program=SCRIPT,
        environment={ENVIRONMENT: json.dumps(asked), "PYTHONDONTWRITEBYTECODE": "1"},
        labels={MANAGED: "cloudlink", LINK: link.name},
        deadline=DEADLINE,
        on_node=on_node,
    )


_ANOTHER_IMAGE = "Name an image with python3 that the nodes can pull: [probe] image in the configuration."
# What a node's container runtime says of a pull that failed, and what to do.
_PULLS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"toomanyrequests|429 Too Many|rate limit", re.I),
        (
            "The registry limits pulls without a sign-in: name [probe] image_pull_secret, or an image of another registry (the "
            "default is Microsoft's own)."
        ),
    ),
    (
        re.compile(r"no match for platform|exec format error", re.I),
        (
            'The image is for another processor: set [probe] node_selector = { "kubernetes.io/arch" = "amd64" }, or name one for '
            "all: [probe] image."
        ),
    ),
    (
        re.compile(r"\b401\b|\b403\b|unauthorized|authentication required|denied|failed to authorize", re.I),
        (
            "The registry wants a sign-in: name a secret of the namespace in [probe] image_pull_secret; for a registry in Azure "
            "let the nodes pull from it: az aks update --attach-acr REGISTRY --name CLUSTER --resource-group GROUP. A tag that does "
            "not exist is refused so by some registries, too."
        ),
    ),
    (
        re.compile(r"x509|certificate", re.I),
        (
            "The nodes do not trust the registry's certificate (a proxy that opens TLS?): name an image of a registry that they "
            "reach directly ([probe] image), or give the nodes the authority: az aks update --custom-ca-trust-certificates FILE"
        ),
    ),
    (
        re.compile(r"i/o timeout|no such host|connection refused|network is unreachable|deadline exceeded|EOF", re.I),
        (
            "The nodes do not reach the registry (a firewall, a route to an appliance): allow it there, or name an image of a "
            "registry that they reach: [probe] image."
        ),
    ),
    (
        re.compile(r"not ?found|manifest unknown|does not exist", re.I),
        "There is no such image: correct its name and tag in [probe] image.",
    ),
)


def pull_failure(pod: Pod) -> str:
    """What a pull that failed a moment ago said, whether or not it is tried again."""
    waiting = _own(pod).state("waiting")
    return waiting.message if waiting is not None and waiting.reason == "ErrImagePull" else ""


# The same where the nodes are EKS's.
_ON_EKS = (
    (
        "for a registry in Azure let the nodes pull from it: az aks update --attach-acr REGISTRY --name CLUSTER --resource-group GROUP.",
        "for one of ECR give the nodes' role the policy AmazonEC2ContainerRegistryPullOnly.",
    ),
    (
        "az aks update --custom-ca-trust-certificates FILE",
        "in the launch template of their node group.",
    ),
)


def on_cluster(error: CloudlinkError, cluster: str) -> CloudlinkError:
    """The same error of a pod on this cluster. cluster: as ``EKS cluster production``; what is written of an AKS cluster is right of
    that kind only."""
    if not cluster.startswith("EKS"):
        return error
    said, hint = error.detail.replace("the AKS cluster", f"the {cluster}"), error.hint
    for of_aks, of_eks in _ON_EKS:
        hint = hint.replace(of_aks, of_eks)
    hint = hint.replace(
        "Enlarge a pool (az aks nodepool scale)", "Enlarge a node group (aws eks update-nodegroup-config)"
    )
    hint = hint.replace(
        "free addresses of the subnet: az network vnet subnet list-available-ips",
        "free addresses of the subnets: aws ec2 describe-subnets",
    )
    if cluster not in said:
        said = f"On the {cluster}: {said}"
    return type(error)(error.summary, said, hint, resource=error.resource, request_id=error.request_id, code=error.code)


def trouble(pod: Pod, first: str = "") -> CloudError | None:
    """What will not get better by waiting. first: what the first pull of the image said (``pull_failure``)."""
    for container in pod.containers:
        waiting = container.state("waiting")
        if container.name not in ("", CONTAINER) or waiting is None:
            continue
        # ErrImagePull is the first failure and may pass; the back-off comes after it did not.
        if waiting.reason in ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"):
            said = waiting.message or waiting.reason
            # What the first pull said is in the back-off's message since Kubernetes 1.31 only.
            said += f" (before: {first})" if first and first not in said else ""
            return CloudError(
                "The probe's image cannot be pulled",
                f"The nodes of the AKS cluster cannot pull {container.image or 'the image'}: {said}",
                next((hint for mark, hint in _PULLS if mark.search(said)), _ANOTHER_IMAGE),
                code=waiting.reason,
            )
        if waiting.reason in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError"):
            as_root = "run as root" in waiting.message
            return CloudError(
                "The probe's container cannot start",
                waiting.message or waiting.reason,
                "Name an image that does not run as root, or take the rule for it from the namespace: [probe] image, namespace."
                if as_root
                else "See [probe] image and namespace in the configuration.",
                code=waiting.reason,
            )
    return None


def _own(pod: Pod) -> Container:
    """Our own container; others may stand beside it."""
    return next((c for c in pod.containers if c.name == CONTAINER), Container(CONTAINER))


def ran(pod: Pod) -> bool:
    """Whether our container has run to its end."""
    if _own(pod).state("terminated") is not None:
        return True
    return pod.phase == "Succeeded" or (pod.phase == "Failed" and not pod.reason)


_NO_ROOM = re.compile(r"Insufficient \w+|Too many pods", re.I)
_UNPLACED_SECONDS = 135.0  # in which a node takes the pod, or none will
_NEW_NODE_SECONDS = 420.0  # in which an autoscaler makes a node for it, where all that is missing is room


def patience(pod: Pod) -> float:
    """Seconds to wait for a pod that does not run yet."""
    if not pod.unplaced:
        return DEADLINE + 15.0
    return _NEW_NODE_SECONDS if _NO_ROOM.search(pod.unplaced) else _UNPLACED_SECONDS


def gone(name: str, namespace: str) -> CloudError:
    """A pod that somebody deleted while it ran."""
    return CloudError(
        "The cluster took the probe's pod away",
        f"Pod {name} in namespace {namespace} was deleted while it was waited for, not by cloudlink. That is no fault of the "
        "link.",
        f"Look for what cleans up there (kubectl get events --namespace {namespace}), or name another namespace: "
        "[probe] namespace.",
    )


def not_placed(pod: Pod, name: str, namespace: str, waited: float) -> WaitError:
    detail = f"After {waited:.0f} s pod {name} in namespace {namespace} is still {account_of(pod)}."
    why = pod.unplaced
    if taints := sorted(set(re.findall(r"untolerated taint\(?s?\)? \{([^}]*)\}", why))):
        words = ", ".join(json.dumps(t.partition(":")[0].strip()) for t in taints)
        return WaitError(
            "The nodes are tainted against the probe's pod",
            detail,
            f"Tolerate the taints: [probe] tolerations = [{words}]",
        )
    if _NO_ROOM.search(why):
        return WaitError(
            "The cluster's nodes have no room for the probe's pod",
            f"{detail} A node that is made for it on demand would have come by now.",
            "Enlarge a pool (az aks nodepool scale), or ask for less: [probe] requests; kubectl describe nodes shows what "
            "they have left.",
        )
    if why:
        return WaitError(
            "No node takes the probe's pod",
            detail,
            "See [probe] node_selector, requests and tolerations in the configuration; kubectl get nodes",
        )
    return WaitError(
        "The probe's pod does not get to run",
        detail,
        f"kubectl get events --namespace {namespace}; see [probe] in the configuration.",
    )


def taken_away(pod: Pod, name: str, namespace: str, before: Pod | None = None) -> CloudlinkError:
    """A pod that ended without that its container ran to an end. before: as it was last seen while it was waited for."""
    detail = f"Pod {name} in namespace {namespace}: {account_of(pod)}."
    if pod.reason == "DeadlineExceeded":
        waiting = _own(pod).state("waiting")
        why = f" ({waiting.reason})" if waiting is not None and waiting.reason else ""
        if _own(pod).state("running") is not None:
            return WaitError("The probe's pod did not end in time", detail, "Run the command again with fewer names.")
        if before is not None and before.without_network:
            return WaitError(
                "The node gave the probe's pod no network",
                f"{detail} Its container never ran, because the node did not finish the pod's network: most often no address "
                "is left in the range of the cluster's pods, or its network plugin is ill.",
                f"kubectl get events --namespace {namespace} shows what the plugin says; free addresses of the subnet: az "
                "network vnet subnet list-available-ips",
            )
        return WaitError(
            "The probe's container did not begin in time",
            f"{detail} Its container never ran{why}: most likely the nodes wait for a registry that does not answer.",
            f"kubectl get events --namespace {namespace}; name an image that the nodes can pull: [probe] image.",
        )
    return CloudError(
        "The cluster took the probe's pod away",
        f"{detail} That is no fault of the link.",
        "Run the command again; [probe] requests and node_selector decide on which node the pod runs.",
        code=pod.reason,
    )


def no_result(pod: Pod, name: str, namespace: str, log: str) -> CloudError:
    last = (log.strip().splitlines() or ["(none)"])[-1][:300]
    hint = "The image must have python3 of 3.8 or later: see [probe] image in the configuration."
    if "exec format error" in log or "exec format error" in account_of(pod):
        hint = 'The image is for another processor: set [probe] node_selector = { "kubernetes.io/arch" = "amd64" } or image.'
    elif pod.reason == "DeadlineExceeded":
        hint = "It took too long: run the command again with fewer names, or where the nodes are less busy ([probe] node_selector)."
    elif "OOMKilled" in account_of(pod):
        hint = 'The container had too little memory: set [probe] limits = { memory = "256Mi" }.'
    elif "unable to retrieve container logs" in log:
        hint = "The node lost the pod's log before it was read: run the command again."
    return CloudError(
        "The probe's pod gave no result",
        f"Pod {name} in namespace {namespace} ended ({account_of(pod)}) without a result. Its last line: {last}",
        hint,
    )


def account_of(pod: Pod) -> str:
    """A pod's own account of its state."""
    words = [pod.phase or "Unknown", pod.reason, pod.message]
    words += [f"no node takes it: {pod.unplaced}"] if pod.unplaced else []
    for container in pod.containers:
        for state in container.states:
            words += [state.reason, state.message]
            words += [f"exit code {state.exit_code}"] if state.exit_code else []
    return ", ".join(dict.fromkeys(w for w in words if w)).rstrip(".")
