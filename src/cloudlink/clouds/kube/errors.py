"""What a cluster's refusals mean: the one place where the API server's and urllib3's errors become ours."""

from __future__ import annotations

import json
import re
import ssl

from cloudlink.clouds.kube.access import AKS_HOSTS, EKS_HOSTS
from cloudlink.clouds.kube.contexts import in_context
from cloudlink.clouds.network import explain
from cloudlink.errors import CloudError, CloudlinkError, CredentialsError, MissingError, UnreachableError


class KubeApiError(Exception):
    """The API server answered, with something other than success. reason: its word, such as ``NotFound``."""

    def __init__(self, status: int, reason: str, message: str, what: str, retry_after: float | None = None) -> None:
        super().__init__(f"{what}: {status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.what = what
        self.retry_after = retry_after
        self.hint = ""  # what to type, where who asked knows
        self.kind = ""  # aks or eks, where who asked knows
        self.context = ""  # of kubectl, where who asked knows


class NoCluster(MissingError):
    """The cluster itself does not exist (not yet, or not any more)."""


def api_error(status: int, raw: bytes, wait: float | None, what: str) -> KubeApiError:
    """wait: seconds that the answer asks for."""
    reason, message = "", raw.decode(errors="replace").strip()[:500]
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if isinstance(body, dict) and body.get("kind") == "Status":
        reason, message = str(body.get("reason") or ""), str(body.get("message") or "")
    return KubeApiError(status, reason, message, what, wait)


def translate(error: Exception) -> CloudlinkError | None:
    """cloudlink's error for one of the cluster's; None when it is none of them."""
    if isinstance(error, KubeApiError):
        found = _translated(error)
        found.hint = in_context(found.hint, error.context)
        return found
    if _is_transport(error):
        return _unreachable(error)
    return None


# https://learn.microsoft.com/azure/aks/api-server-authorized-ip-ranges
# https://docs.aws.amazon.com/eks/latest/userguide/cluster-endpoint.html
_ADD_ADDRESS = {
    "aks": "az aks update --api-server-authorized-ip-ranges",
    "eks": "aws eks update-cluster-config --resources-vpc-config publicAccessCidrs=...",
}


def _kind_at(error: Exception) -> str:
    """aks or eks, by the host that was asked; empty where that does not tell."""
    host = str(getattr(getattr(error, "pool", None), "host", None) or "")
    for kind, hosts in (("aks", AKS_HOSTS), ("eks", EKS_HOSTS)):
        if any(host == one or host.endswith(f".{one}") for one in hosts):
            return kind
    return ""


def _unreachable(error: Exception) -> CloudlinkError:
    kind = _kind_at(error)
    known = explain(error, "The cluster's API")
    private = (
        "A private cluster's API is only known and reached from inside its network; with authorized ranges, from those."
    )
    if known is None:
        return UnreachableError(
            "The cluster does not answer",
            f"{_plain(error)}. {private}",
            "Check that kubectl reaches the cluster from here, then run the command again.",
        )
    if known.summary == "A certificate was not issued by an authority that is trusted":
        # The cluster's own authority is in its kubeconfig, so that no variable with another one helps.
        return UnreachableError(
            known.summary,
            f"{known.detail} A cluster's certificate is signed by the cluster's own authority; this one is not, which is what "
            "a proxy that opens TLS shows.",
            "Take the cluster's host out of the proxy's inspection, or name it in NO_PROXY.",
        )
    if known.summary == "A certificate has expired":
        return UnreachableError(
            known.summary,
            f"{known.detail} Certificates of a cluster end where nobody renews them.",
            "See whether the clock is right (date -u). If it is: "
            + (
                "EKS renews its certificates itself; ask AWS's support."
                if kind == "eks"
                else "az aks rotate-certs --name NAME --resource-group GROUP (that restarts the nodes)."
            ),
        )
    if known.summary in ("A name does not resolve", "No connection in time"):
        return UnreachableError(
            "The cluster cannot be reached from here",
            f"{known.detail} {private}",
            "Run cloudlink inside that network (VPN, a jump host), or add this machine's address: "
            + ", ".join(command for of, command in _ADD_ADDRESS.items() if kind in ("", of)),
        )
    return known


_MEET_POLICY = (
    "Meet the policy that the message names (a probe's pod: the [probe] keys), or ask its owner for an exemption."
)
_MEET_RULE = (
    "Meet the rule that the message names (a probe's pod: the [probe] keys), or ask its owner for an exemption."
)
_EXEMPT = (
    "Ask its owner to exempt configmaps/coredns-custom and deployments/coredns in kube-system. Or let Azure's DNS forward the "
    'zone, which writes nothing to the cluster: dns.forward = "vnet"'
)

# What an API server says when it refuses for a reason other than a missing permission, though the status is 403 too.
# (marks in the message, summary, hint)
_ADMISSION: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (
        re.compile(r"being terminated|NamespaceTerminating"),
        "The namespace is being deleted",
        "Wait until it is gone, or name another one: [probe] namespace in the configuration.",
    ),
    (
        re.compile(r"exceeded quota|failed quota|must specify (limits|requests)"),
        "A resource quota of the namespace refuses it",
        "kubectl describe resourcequota --namespace NAMESPACE; for the probe set [probe] requests, limits or namespace.",
    ),
    (
        re.compile(r"(maximum|minimum) \S+ usage per|max limit to request ratio|LimitRange"),
        "A limit range of the namespace refuses it",
        "kubectl describe limitrange --namespace NAMESPACE; for the probe set [probe] requests and limits.",
    ),
    (
        re.compile(r"violates PodSecurity"),
        "The namespace's Pod Security Standard refuses the pod",
        "Name another namespace for the probe: [probe] namespace in the configuration.",
    ),
    (
        re.compile(r"error looking up service account"),
        "The service account of the namespace does not exist",
        "Name one that exists: [probe] service_account, or another [probe] namespace.",
    ),
    (
        re.compile(r"node label selector conflict"),
        "The namespace has a node selector of its own, and the pod's is another",
        "Take the label out of [probe] node_selector, or name another [probe] namespace.",
    ),
    (
        re.compile(r"ValidatingAdmissionPolicy '"),
        "An admission policy of the cluster refuses it",
        _MEET_POLICY,
    ),
    (
        re.compile(r"denied the request|denied by "),
        "An admission webhook of the cluster refuses it",
        _MEET_RULE,
    ),
    (
        re.compile(r"Too long: (must have at most|may not be more than) \d+|Request entity too large", re.I),
        "The object would be too large for the cluster",
        "A ConfigMap holds 1 MiB: move large keys of coredns-custom elsewhere, or configure fewer names.",
    ),
    (
        re.compile(r"field is immutable when `immutable` is set"),
        "The ConfigMap is immutable",
        "It can only be deleted and made again: kubectl get configmap coredns-custom --namespace kube-system --output yaml",
    ),
)
_RBAC = re.compile(
    r"cannot (\w+) resource \"([^\"]+)\"(?: in API group \"([^\"]*)\")?(?: in the namespace \"([^\"]+)\")?"
)
_NODE_AWAY = re.compile(r"error dialing backend|containerLogs/|No agent available", re.IGNORECASE)
_STORE_FULL = re.compile(r"mvcc: database space exceeded|etcdserver: no space")
# Guard's words, which asks Azure for a cluster with Azure RBAC: https://github.com/kubeguard/guard
_CHECK_FAILED = re.compile(r"Error occured during authorization check|[Cc]heckaccess requests? (have )?failed")
_WEBHOOK_DOWN = re.compile(r"failed calling webhook \"?([^\":]+)")


# By the kind of cluster; where nobody knows it, of both.
_WANTED = {
    "aks": "AKS with Entra wants a token of its tenant",
    "eks": "EKS wants an access entry for the role",
    "": "EKS wants an access entry for the role, AKS with Entra a token of its tenant",
}
_SIGN_IN = {"aks": "az login", "eks": "aws sso login", "": "az login, aws sso login"}
_SUPPORT = {"aks": "Azure's", "eks": "AWS's", "": "Azure's or AWS's"}


def _for_instance(kind: str, verb: str) -> str:
    """What is made for it already.

    https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html
    """
    if kind == "eks":
        policy = "AmazonEKSViewPolicy" if verb in ("get", "list", "watch") else "AmazonEKSEditPolicy"
        return f"(on EKS for instance the access policy {policy}: aws eks associate-access-policy)"
    return "(on AKS for instance Azure Kubernetes Service RBAC Writer)"


def _translated(error: KubeApiError) -> CloudlinkError:
    detail = f"{error.what} was refused: {error.message or error.reason or error.status}"
    if error.status == 401:
        return CredentialsError(
            "The cluster does not accept our sign-in",
            f"{detail}. The sign-in to the cloud is good, and the cluster does not know it: {_WANTED[error.kind]}.",
            error.hint or f"Sign in again ({_SIGN_IN[error.kind]}) and run the command again.",
            code=error.reason,
        )
    if _CHECK_FAILED.search(error.message):
        return UnreachableError(
            "The cluster could not ask Azure what we may do",
            f"{detail}. That says nothing of permissions.",
            "Run the command again.",
            code=error.reason,
        )
    if known := _in_between(error, detail) or _admission(error, detail):
        return known
    if "system:anonymous" in error.message:
        return CredentialsError(
            "The cluster does not know who asks",
            f"{detail}. It took the request for one of nobody (system:anonymous): the token did not reach it or was not read.",
            error.hint or f"Sign in again ({_SIGN_IN[error.kind]}); look for a proxy that takes headers away.",
            code=error.reason,
        )
    if denied := _RBAC.search(error.message):
        verb, resource, _, namespace = denied.groups()
        azure = " in Azure" in error.message or "Azure does not have opinion" in error.message
        where = f" in the namespace {namespace}" if namespace else ""
        if azure:
            role = "the role Azure Kubernetes Service RBAC Writer on the cluster"
        else:
            role = f"a Role with {verb} on {resource}{where} {_for_instance(error.kind, verb)}".rstrip()
        return CredentialsError("A permission is missing in the cluster", detail, f"Ask for {role}.", code=error.reason)
    if error.status == 403:
        return CloudError(
            "The cluster forbids it",
            detail,
            "It does not say that a permission is missing: look for an admission policy or a quota that the message names.",
            code=error.reason,
        )
    if error.status == 404:
        hint = (
            "kubectl get namespaces; name one that exists (for the probe: [probe] namespace)."
            if error.message.startswith("namespaces ")
            else ""
        )
        return MissingError("The cluster has no such object", detail, hint, code=error.reason)
    if found := _WEBHOOK_DOWN.search(error.message):
        return CloudError(
            "An admission webhook of the cluster does not answer",
            detail,
            f"Its owner has to repair it (kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations shows whose "
            f"{found[1]} is), or name a [probe] namespace that it leaves out.",
            code=error.reason,
        )
    if _NODE_AWAY.search(error.message):
        return UnreachableError(
            "The cluster's API does not reach its node",
            f"{detail}. Logs and commands go from the API to port 10250 of the node"
            + ("." if error.kind == "eks" else ", through a tunnel of the cluster's own."),
            (
                "Let the cluster's security group reach the nodes on port 10250, and look at the node; then run the command again."
                if error.kind == "eks"
                else "Look at the tunnel's pods (kubectl get pods --namespace kube-system -l app=konnectivity-agent) and at the "
                "node; then run the command again."
            ),
            code=error.reason,
        )
    if _STORE_FULL.search(error.message):
        return CloudError(
            "The cluster's store is full",
            f"{detail}. Its API takes no writes until something is deleted (etcd is full).",
            "Delete what fills it: kubectl get --raw /metrics | grep apiserver_storage_objects shows which kinds; for a cluster that "
            f"does not recover ask {_SUPPORT[error.kind]} support.",
            code=error.reason,
        )
    if error.status >= 500:
        return UnreachableError(
            "The cluster answered with an error of its own", detail, "Run the command again.", code=error.reason
        )
    return _passing(error, detail) or CloudError(
        "The cluster refused a request",
        detail,
        "Do what the message says and run the same command again: it goes on from here. For a probe's pod compare the [probe] keys.",
        code=error.reason,
    )


def _in_between(error: KubeApiError, detail: str) -> CloudlinkError | None:
    """An API server answers in JSON. A page is of something else that has opened TLS, or of a balancer before it."""
    if error.status == 407:
        return UnreachableError(
            "The proxy wants a sign-in of its own",
            detail,
            "Give user and password in the variable (HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT), or name the cluster's host in NO_PROXY.",
        )
    if error.status < 500 and error.message.lstrip()[:9].lower().startswith(("<html", "<!doctype")):
        return UnreachableError(
            "Something answers in the cluster's place",
            f"{detail}. That is a page, and no answer of a Kubernetes API: as a rule a proxy's.",
            "Name the cluster's host in NO_PROXY, or ask who runs the proxy to let it through.",
        )
    return None


def _passing(error: KubeApiError, detail: str) -> CloudlinkError | None:
    """What is over after a while, although it was tried for as long as a run waits."""
    if error.status == 409:
        return CloudError(
            "The object was changed in the cluster in the meantime",
            detail,
            "Run the same command again: it reads first.",
            code=error.reason,
        )
    if error.status == 429:
        return CloudError(
            "The cluster asks to slow down",
            detail,
            "Wait a few minutes and run the command again.",
            code=error.reason,
        )
    return None


def _admission(error: KubeApiError, detail: str) -> CloudlinkError | None:
    """Policies and quotas answer 403 too, but no other sign-in would help against them."""
    if error.status not in (400, 403, 409, 413, 422):
        return None
    for mark, summary, hint in _ADMISSION:
        if mark.search(error.message):
            namespace = re.search(r"/namespaces/([^/ ]+)", error.what)
            if hint in (_MEET_POLICY, _MEET_RULE) and "/pods" not in error.what:
                hint = _EXEMPT
            return CloudError(
                summary,
                detail,
                hint.replace("NAMESPACE", namespace[1] if namespace else "NAMESPACE"),
                code=error.reason,
            )
    return None


def retryable(error: Exception) -> float | None:
    """Seconds until the same write is worth another try: our writes read first, and are merge patches."""
    if not isinstance(error, KubeApiError):
        return None
    if error.status == 409 and error.reason in ("Conflict", ""):
        return 1.0
    if error.status == 403 and _CHECK_FAILED.search(error.message):
        return 5.0
    if error.status in (429, 503):
        return error.retry_after or 5.0
    return None


def unknown_outcome(error: Exception) -> bool:
    """Whether a write that ended so may have had its effect all the same."""
    if isinstance(error, KubeApiError):
        return error.status >= 500 and not _STORE_FULL.search(error.message)
    return isinstance(error, UnreachableError) or _is_transport(error)


def missing(error: Exception) -> bool:
    return isinstance(error, KubeApiError) and error.status == 404


def _is_transport(error: Exception) -> bool:
    from urllib3.exceptions import HTTPError

    return isinstance(error, HTTPError | ssl.SSLError)


def _plain(error: Exception) -> str:
    """urllib3 wraps the reason in its own words and objects; the innermost reason says what happened."""
    from urllib3.exceptions import ProtocolError

    reason = getattr(error, "reason", None)
    while isinstance(reason, Exception) and getattr(reason, "reason", None) not in (None, reason):
        inner = reason.reason  # type: ignore[attr-defined]
        if not isinstance(inner, Exception):
            break
        reason = inner
    if isinstance(reason or error, ProtocolError):  # its text is the exception below it as Python prints it
        return "The connection was closed before the answer was whole"
    text = str(reason or error)
    return text.rpartition(": ")[2].rstrip(".") if text.startswith("<") else text.rstrip(".")


def refused_by_policy(error: Exception) -> bool:
    """Whether admission refused it: a policy, a webhook, a quota; not a missing permission."""
    return isinstance(error, KubeApiError) and (error.status == 422 or _admission(error, "") is not None)


def no_permission(error: Exception) -> bool:
    return (
        isinstance(error, KubeApiError)
        and error.status == 403
        and not _CHECK_FAILED.search(error.message)
        and _admission(error, "") is None
    )
