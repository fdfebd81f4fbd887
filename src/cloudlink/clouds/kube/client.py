"""One cluster's Kubernetes API, by plain JSON over the ``kubernetes`` package's transport.

Only the transport: the package's typed API pulls in its whole model tree, which costs more than a second, for the
dozen calls that cloudlink makes. Importing it at all costs a third of a second, so that is done when it is first used.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from cloudlink.clouds import answers
from cloudlink.clouds.cache import ReadCache
from cloudlink.clouds.deferred import deferred
from cloudlink.clouds.kube.access import Access, tls_context
from cloudlink.clouds.kube.contexts import in_context
from cloudlink.clouds.kube.errors import KubeApiError, NoCluster, api_error
from cloudlink.clouds.malformed import parsing
from cloudlink.clouds.recorded import RECORDING
from cloudlink.errors import MalformedError, MissingError

# (connect, read) in seconds. The API of a private cluster that cannot be reached drops packets: find out soon.
_TIMEOUT = (10.0, 30.0)

_JSON = "application/json"
_DRY_RUN = "?dryRun=All"
_MERGE_PATCH = "application/merge-patch+json"

KubeObject = dict[str, Any]


class Kube:
    """One cluster. Thread-safe. Every method makes one call; objects are the API's JSON.

    access: asked at the first call, for the cluster may still have to be made; raises MissingError, or an error of
    Azure's SDK with status 404, while there is none. Raises NoCluster then, :class:`KubeApiError`, and urllib3's
    errors; :func:`translate` turns the latter two
    into cloudlink's own. cache: shared by all that read the same objects. kind: ``aks`` or ``eks``. beside: of an AKS cluster beside
    the first, its ARM id, by which a recording tells them apart. context: as kubectl calls it, for commands to type.
    """

    def __init__(
        self,
        name: str,
        access: Callable[[], Access],
        cache: ReadCache,
        kind: str = "aks",
        beside: str = "",
        context: str = "",
    ) -> None:
        self.name = name
        self.context = context
        self.kind = kind
        self._beside = beside.lower()
        self.cache = cache
        self._access = access
        self._opened: _Opened | None = None
        self._lock = threading.Lock()

    # --- config maps, deployments ------------------------------------------------------------------------

    def config_map(self, namespace: str, name: str) -> KubeObject:
        return self._json("GET", f"/api/v1/namespaces/{_q(namespace)}/configmaps/{_q(name)}")

    def patch_config_map(
        self, namespace: str, name: str, patch: Mapping[str, Any], *, dry_run: bool = False
    ) -> KubeObject:
        """A JSON merge patch: keys given as None are removed, keys not given stay.

        With ``metadata.resourceVersion`` in it the API answers 409 when somebody else wrote in between. dry_run: asks for
        permission and admission as in truth, and stores nothing.
        """
        path = f"/api/v1/namespaces/{_q(namespace)}/configmaps/{_q(name)}"
        return self._json("PATCH", path + _DRY_RUN * dry_run, patch)

    def deployment(self, namespace: str, name: str) -> KubeObject:
        return self._json("GET", f"/apis/apps/v1/namespaces/{_q(namespace)}/deployments/{_q(name)}")

    def patch_deployment(
        self, namespace: str, name: str, patch: Mapping[str, Any], *, dry_run: bool = False
    ) -> KubeObject:
        """A JSON merge patch. dry_run: as above."""
        path = f"/apis/apps/v1/namespaces/{_q(namespace)}/deployments/{_q(name)}"
        return self._json("PATCH", path + _DRY_RUN * dry_run, patch)

    def daemon_set(self, namespace: str, name: str) -> KubeObject:
        return self._json("GET", f"/apis/apps/v1/namespaces/{_q(namespace)}/daemonsets/{_q(name)}")

    # --- pods --------------------------------------------------------------------------------------------

    @parsing("the cluster's answers")
    def pods(self, namespace: str, selector: str) -> list[KubeObject]:
        """selector: a label selector such as ``k8s-app=kube-dns``."""
        found = self._json("GET", f"/api/v1/namespaces/{_q(namespace)}/pods?{urlencode({'labelSelector': selector})}")
        return list(found.get("items") or ())

    def pod(self, namespace: str, name: str) -> KubeObject:
        return self._json("GET", f"/api/v1/namespaces/{_q(namespace)}/pods/{_q(name)}")

    def create_pod(self, namespace: str, manifest: Mapping[str, Any], *, dry_run: bool = False) -> KubeObject:
        return self._json("POST", f"/api/v1/namespaces/{_q(namespace)}/pods" + _DRY_RUN * dry_run, manifest)

    def pod_log(
        self, namespace: str, name: str, *, tail: int | None = None, previous: bool = False, container: str = ""
    ) -> str:
        """previous: of the container before the last restart, which is the one that says why it crashed. container: must be
        named where a pod may have others beside it, such as a sidecar that somebody injects."""
        query = {
            **({"container": container} if container else {}),
            **({"tailLines": str(tail)} if tail else {}),
            **({"previous": "true"} if previous else {}),
        }
        path = f"/api/v1/namespaces/{_q(namespace)}/pods/{_q(name)}/log"
        return self._call("GET", f"{path}?{urlencode(query)}" if query else path).decode(errors="replace")

    def delete_pod(self, namespace: str, name: str) -> bool:
        """At once, without a grace period. False: it was gone already."""
        try:
            path = f"/api/v1/namespaces/{_q(namespace)}/pods/{_q(name)}?gracePeriodSeconds=0"
            self._json("DELETE", path)
        except KubeApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    # --- questions ---------------------------------------------------------------------------------------

    @parsing("the cluster's answers")
    def allowed(self, verb: str, group: str, resource: str, namespace: str, name: str = "") -> bool:
        """Whether the signed-in user may do this (a SelfSubjectAccessReview; itself allowed to everybody). Asked once."""
        attributes = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
        if name:
            attributes["name"] = name
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }

        def asked() -> bool:
            answer = self._json("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
            return bool((answer.get("status") or {}).get("allowed"))

        return self.cache.get(f"kube.allowed {self.name} {sorted(attributes.items())}", asked)

    @parsing("the cluster's answers")
    def load_balancer_of(self, kind: str, namespace: str, name: str) -> str:
        """The DNS name of the load balancer in the status of a ``service`` or ``ingress``.

        Raises MissingError when there is no such object, or its load balancer does not exist yet.
        """
        paths = {
            "service": f"/api/v1/namespaces/{_q(namespace)}/services/{_q(name)}",
            "ingress": f"/apis/networking.k8s.io/v1/namespaces/{_q(namespace)}/ingresses/{_q(name)}",
        }
        try:
            found = self._json("GET", paths[kind])
        except KubeApiError as error:
            if error.status != 404:
                raise
            raise MissingError(
                f"There is no such {kind} in the cluster",
                f"Cluster {self.name} has no {kind} {name} in namespace {namespace}.",
                in_context(f"kubectl get {kind} --all-namespaces", self.context),
            ) from error
        ingress = ((found.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
        names = [str(i["hostname"]) for i in ingress if i.get("hostname")]
        if not names and (addresses := [str(i["ip"]) for i in ingress if i.get("ip")]):
            raise MissingError(
                f"The {kind} is not behind a load balancer of AWS",
                f"The status of {kind} {name} in namespace {namespace} of cluster {self.name} names addresses "
                f"({', '.join(addresses[:4])}) and no load balancer: something else in the cluster gives it these.",
                f"Point the name at them, if they stay: addresses = [{', '.join(repr(a) for a in addresses[:4])}] in dns.hosts.".replace(
                    "'", '"'
                ),
            )
        if not names:
            raise MissingError(
                f"The {kind} has no load balancer yet",
                f"The status of {kind} {name} in namespace {namespace} of cluster {self.name} names no load balancer. "
                + ("Only a service of type LoadBalancer gets one. " if kind == "service" else "")
                + "The AWS Load Balancer Controller usually needs a few minutes.",
                in_context(f"kubectl describe {kind} {name} --namespace {namespace}", self.context),
            )
        return names[0]

    @parsing("the cluster's answers")
    def objects(self, path: str) -> list[KubeObject]:
        """All of a kind, in every namespace. path: such as ``/api/v1/services``."""
        return list(self._json("GET", path).get("items") or ())

    def api_groups(self) -> dict[str, str]:
        """The groups of its API, such as ``networking.istio.io``, with the version that it prefers: they tell what is installed.
        Anyone who is signed in may ask."""
        groups = self._json("GET", "/apis").get("groups") or ()
        return {str(g.get("name")): str((g.get("preferredVersion") or {}).get("version") or "v1") for g in groups}

    # --- transport ---------------------------------------------------------------------------------------

    def _open(self) -> _Opened:
        with self._lock:
            if self._opened is None:
                try:
                    access = self._access()
                except Exception as error:
                    # Azure's SDK names the HTTP status of the answer to "give me the kubeconfig" so.
                    if not isinstance(error, MissingError) and getattr(error, "status_code", None) != 404:
                        raise
                    raise NoCluster(
                        "There is no such cluster", f"The cluster {self.name} does not exist.", "cloudlink plan"
                    ) from error
                self._opened = _Opened(access, _transport(access))
            return self._opened

    def _json(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> KubeObject:
        raw = self._call(method, path, body)
        try:
            value = json.loads(raw)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise MalformedError(
                "The cluster's answer cannot be read",
                f"{self._what(method, path)} was answered with something that is not a JSON object.",
                "Run the command again; if it happens again, look for a proxy between here and the cluster.",
            )
        return value

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        headers = {"Accept": "application/json, */*", "User-Agent": "cloudlink"}
        opened = self._open()
        if token := opened.access.token():
            headers["Authorization"] = f"Bearer {token.reveal()}"
        if body is not None:
            headers["Content-Type"] = _MERGE_PATCH if method == "PATCH" else _JSON
        from urllib3.util.timeout import Timeout

        url = opened.access.server + path
        response = opened.rest.pool_manager.request(
            method,
            url,
            headers=headers,
            body=json.dumps(body).encode() if body is not None else None,
            timeout=Timeout(connect=_TIMEOUT[0], read=_TIMEOUT[1]),
            preload_content=False,
            redirect=False,
        )
        answers.refuse_redirect(response.status, response.headers, url)
        raw = answers.read_whole(response, decode=True)
        if RECORDING.on:
            kept = json.dumps(body) if body is not None else None
            RECORDING.add(
                self.kind,
                method,
                url,
                kept,
                response.status,
                response.headers,
                raw,
                service=self._beside,
                below=urlsplit(opened.access.server).path,
            )
        if 200 <= response.status < 300:
            return raw
        wait = answers.seconds_to_wait(response.headers.get("Retry-After"), response.headers.get("Date"))
        error = api_error(response.status, raw, wait, self._what(method, path))
        error.kind, error.context = self.kind, self.context
        if response.status == 401:
            error.hint = _hint(opened.access)
        raise error

    def _what(self, method: str, path: str) -> str:
        return f"{method} {path.partition('?')[0]} of cluster {self.name}"


@dataclass(frozen=True)
class _Opened:
    access: Access
    rest: Any


# Above the two modules that are used. What their ``__init__`` import is the whole distribution.
_PACKAGES = ("kubernetes", "kubernetes.client", "kubernetes.utils")


def _transport(access: Access) -> Any:
    with deferred(_PACKAGES):
        from kubernetes.client.configuration import Configuration
        from kubernetes.client.rest import RESTClientObject
    from urllib3.util.retry import Retry

    configuration = Configuration(host=access.server)
    if answers.is_loopback(access.server):
        configuration.proxy = None  # a sandbox is never behind a proxy, whatever the environment says
    # Only failures to connect are tried again: nothing has been sent then. An answer with Retry-After is an answer.
    configuration.retries = Retry(
        total=2, connect=2, read=0, redirect=0, status=0, other=0, backoff_factor=0.5, respect_retry_after_header=False
    )
    rest: Any = RESTClientObject(configuration)
    # The package would read the certificates from files at each new connection; a context holds them in memory.
    rest.pool_manager.connection_pool_kw["ssl_context"] = tls_context(access)
    answers.bound_heads(rest.pool_manager, always_there=False)
    return rest


def _hint(access: Access) -> str:
    """What lets the cluster know us; that we cannot be asked who we are must not hide that it refused us."""
    try:
        return access.unauthorized()
    except Exception:  # noqa: BLE001
        return ""


def _q(part: str) -> str:
    return quote(part, safe="")
