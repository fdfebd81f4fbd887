"""Which objects the API servers serve, and what discovery says about them."""

from __future__ import annotations

from dataclasses import dataclass

_ALL = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True)
class Kind:
    """key names the collection in the store and in faults' targets: the plural alone."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    short: tuple[str, ...] = ()
    verbs: tuple[str, ...] = _ALL
    subresources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return self.plural

    @property
    def is_review(self) -> bool:
        """A question put as an object that is never kept."""
        return self.verbs == ("create",)

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self) -> str:
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


KINDS = (
    Kind("", "v1", "namespaces", "Namespace", False, ("ns",), subresources=("status",)),
    Kind("", "v1", "nodes", "Node", False, ("no",), subresources=("status",)),
    Kind("", "v1", "pods", "Pod", True, ("po",), subresources=("log", "exec", "status"), categories=("all",)),
    Kind("", "v1", "services", "Service", True, ("svc",), subresources=("status",), categories=("all",)),
    Kind("", "v1", "configmaps", "ConfigMap", True, ("cm",)),
    Kind("", "v1", "secrets", "Secret", True),
    Kind("", "v1", "serviceaccounts", "ServiceAccount", True, ("sa",)),
    Kind("", "v1", "limitranges", "LimitRange", True, ("limits",)),
    Kind("", "v1", "resourcequotas", "ResourceQuota", True, ("quota",), subresources=("status",)),
    Kind("", "v1", "events", "Event", True, ("ev",)),
    Kind(
        "apps",
        "v1",
        "deployments",
        "Deployment",
        True,
        ("deploy",),
        subresources=("status", "scale"),
        categories=("all",),
    ),
    Kind("apps", "v1", "replicasets", "ReplicaSet", True, ("rs",), subresources=("status",), categories=("all",)),
    Kind("networking.k8s.io", "v1", "ingresses", "Ingress", True, ("ing",), subresources=("status",)),
    Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", True, ("netpol",)),
    Kind("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False, verbs=("create",)),
    Kind("authorization.k8s.io", "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", False, verbs=("create",)),
    Kind("authentication.k8s.io", "v1", "selfsubjectreviews", "SelfSubjectReview", False, verbs=("create",)),
)

BY_KEY = {k.key: k for k in KINDS}
_BY_PATH = {(k.group, k.version, k.plural): k for k in KINDS}
_GROUPS = tuple(dict.fromkeys((k.group, k.version) for k in KINDS))

NAMESPACES = BY_KEY["namespaces"]
NODES = BY_KEY["nodes"]
PODS = BY_KEY["pods"]
SERVICES = BY_KEY["services"]
CONFIGMAPS = BY_KEY["configmaps"]
SECRETS = BY_KEY["secrets"]
LIMIT_RANGES = BY_KEY["limitranges"]
RESOURCE_QUOTAS = BY_KEY["resourcequotas"]
SERVICE_ACCOUNTS = BY_KEY["serviceaccounts"]
DEPLOYMENTS = BY_KEY["deployments"]
REPLICASETS = BY_KEY["replicasets"]
INGRESSES = BY_KEY["ingresses"]
NETWORK_POLICIES = BY_KEY["networkpolicies"]


def kind_at(group: str, version: str, plural: str) -> Kind | None:
    return _BY_PATH.get((group, version, plural))


def served(group: str, version: str) -> bool:
    return (group, version) in _GROUPS


def groups() -> tuple[tuple[str, str], ...]:
    """Named groups with their version, without the core group."""
    return tuple(g for g in _GROUPS if g[0])
