"""The API servers as one WSGI application: the first part of the path names the cluster."""

from __future__ import annotations

import hashlib
import json
import logging
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Literal

import yaml

from cloudlink_sandbox.context import SandboxContext
from cloudlink_sandbox.errors import InvalidRequest
from cloudlink_sandbox.facts import AksCluster, EksCluster
from cloudlink_sandbox.faults import GARBAGE, Fault
from cloudlink_sandbox.journal import Call
from cloudlink_sandbox.kube import discovery, status
from cloudlink_sandbox.kube.aks import seed_aks, seed_namespaces, upgrade_aks, write_nodes
from cloudlink_sandbox.kube.cluster import Cluster
from cloudlink_sandbox.kube.eks import seed_services, write_eks_nodes
from cloudlink_sandbox.kube.kinds import KINDS, PODS
from cloudlink_sandbox.kube.remote_command import RemoteCommand
from cloudlink_sandbox.kube.requests import Request, applied, read
from cloudlink_sandbox.kube.streams import follow_log, log_tail, watch
from cloudlink_sandbox.kube.tables import as_table
from cloudlink_sandbox.kube.verbs import perform
from cloudlink_sandbox.world_file import Aks, Aws, Azure, WorldFile

_log = logging.getLogger(__name__)

StartResponse = Callable[..., Any]
Body = Iterable[bytes]

_EKS_VERSION = "1.35"
_METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETE",
}
_PUBLIC = ("/version", "/healthz", "/livez", "/readyz")


def eks_identity(region: str, name: str) -> str:
    """What tells a cluster of EKS from all others: two regions may have one of the same name."""
    return f"{region}/{name}"


class KubeCloud:
    """All clusters of one cloud. authenticate: bearer token -> user, or None for 401.

    The sandbox serves ``app`` over HTTPS and sets base_url. AKS clusters are those in ``context.azure_facts()``; one that is
    new gets AKS's content the first time it is seen. EKS clusters are those that ``seed`` was told of.
    """

    def __init__(
        self, context: SandboxContext, *, name: Literal["aks", "eks"], authenticate: Callable[[str | None], str | None]
    ) -> None:
        self.context = context
        self.name = name
        self.base_url = ""
        self.clusters: dict[str, Cluster] = {}
        self.world: Callable[[], WorldFile | None] = lambda: None  # what the sandbox was seeded with
        self.prepared: Callable[[Cluster], None] = lambda _: None  # the wire puts its networks in here
        self._authenticate = authenticate

    # --- clusters --------------------------------------------------------------------------------------------

    @staticmethod
    def key_of(identity: str) -> str:
        """Of a cluster's ARM id (AKS) or what ``eks_identity`` gives."""
        return hashlib.sha256(identity.lower().encode()).hexdigest()[:16]

    def url_of(self, name_or_id: str) -> str:
        """The server address for a kubeconfig. An AKS cluster may be named by its ARM id before it exists, one of EKS by what
        ``eks_identity`` gives."""
        identity = name_or_id
        if self.name == "aks" and not name_or_id.startswith("/"):
            with self.context.lock:
                found = [c.id for c in self.context.azure_facts().clusters if c.name.lower() == name_or_id.lower()]
            if len(found) != 1:
                raise KeyError(f"{len(found)} AKS clusters are named {name_or_id}")
            identity = found[0]
        return f"{self.base_url}/{self.key_of(identity)}"

    def cluster(self, key: str) -> Cluster | None:
        """By key, up to date; None when there is no such cluster. Call with context.lock held."""
        if self.name == "aks":
            facts = next((c for c in self.context.azure_facts().clusters if self.key_of(c.id) == key), None)
            if facts is None:
                gone = self.clusters.pop(key, None)
                if gone is not None:
                    gone.pods.kill_all()
                return None
            if key not in self.clusters:
                made = self._make(key, facts.name)
                seed_aks(made, facts)
                made.version = facts.version
            elif self.clusters[key].version != facts.version:
                self.clusters[key].version = facts.version
                upgrade_aks(self.clusters[key], facts)
            if self.clusters[key].pools != facts.pools:
                write_nodes(self.clusters[key], facts)
        found = self.clusters.get(key)
        if found is not None:
            if (vpc := found.vpc()) is not None and not found.nodes():
                write_eks_nodes(found, vpc)
            found.catch_up()
        return found

    def _only_key(self) -> str:
        """Of the one cluster here. Raises ApiError where there are several: then the path must name it."""
        keys = (
            [self.key_of(c.id) for c in self.context.azure_facts().clusters] if self.name == "aks" else [*self.clusters]
        )
        if len(keys) != 1:
            raise status.ApiError(404, "NotFound", f"{len(keys)} clusters are here; the path must begin with one's key")
        return keys[0]

    def by_name(self, name_or_id: str) -> Cluster | None:
        """As ``cluster``, by name or ARM id."""
        if self.name == "eks" or name_or_id.startswith("/"):
            return self.cluster(self.key_of(name_or_id))
        ids = [c.id for c in self.context.azure_facts().clusters if c.name.lower() == name_or_id.lower()]
        return self.cluster(self.key_of(ids[0])) if len(ids) == 1 else None

    def _make(self, key: str, name: str) -> Cluster:
        def facts() -> AksCluster | None:
            if self.name == "eks":
                return None
            return next((c for c in self.context.azure_facts().clusters if self.key_of(c.id) == key), None)

        def world() -> Aks | None:
            found = self.world() if self.name == "aks" else None
            all_of_them = (found.azure.aks, *found.azure.more_aks) if found else ()
            return next((aks for aks in all_of_them if aks and aks.name.lower() == name.lower()), None)

        def vpc() -> EksCluster | None:
            if self.name == "aks":
                return None
            return next(
                (c for c in self.context.aws_facts().clusters if self.key_of(eks_identity(c.region, c.name)) == key),
                None,
            )

        made = Cluster(key, name, self.context, facts)
        made.vpc = vpc
        made.world = world
        self.clusters[key] = made
        self.prepared(made)
        return made

    def seed(self, aws: Aws, load_balancer_of: Callable[[str, str, str], str]) -> None:
        """EKS: the cluster of the world file with its Services and Ingresses.

        load_balancer_of(kind, namespace, name) gives the DNS name of the load balancer in their status.
        """
        if self.name != "eks":
            raise ValueError("only EKS is seeded; AKS clusters come from the Azure side")
        with self.context.lock:
            key = self.key_of(eks_identity(aws.region, aws.eks_cluster))
            if key not in self.clusters:
                seed_namespaces(self._make(key, aws.eks_cluster))
            seed_services(self.clusters[key], aws.services, load_balancer_of)

    def apply(self, azure: Azure) -> None:
        """AKS: the Kubernetes objects of the world file, made or changed. Raises InvalidRequest for one that is refused."""
        each = ((aks, text) for aks in (azure.aks, *azure.more_aks) if aks for text in aks.manifests)
        for aks, text in each:
            for number, obj in enumerate(o for o in yaml.safe_load_all(text) if o):
                cluster = self.by_name(aks.name)
                try:
                    if cluster is None:
                        raise status.ApiError(404, "NotFound", f"there is no one cluster {aks.name}")
                    perform(cluster, applied(obj), self.context.faults, self._may)
                    cluster.catch_up()
                except status.ApiError as error:
                    raise InvalidRequest(
                        f"Object {number} of azure.aks.manifests in the world file was refused",
                        error.message,
                        "Correct it; the sandbox takes what kubectl apply takes.",
                    ) from error

    def stop(self) -> None:
        """End the processes of all pods."""
        with self.context.lock:
            for cluster in self.clusters.values():
                cluster.pods.kill_all()

    def calls(self) -> Iterator[str]:
        """Patterns of every call that is answered, as targets of faults name them."""
        yield from (f"kube.GET:{path}" for path in ("api*", "openapi*", "healthz*", "livez*", "readyz*", "version"))
        for kind in KINDS:
            methods = {_METHODS[verb] for verb in kind.verbs}
            for method in sorted(methods):
                yield f"kube.{method}:{kind.plural}"
                yield f"kube.{method}:{kind.plural}/*"

    # --- HTTP ------------------------------------------------------------------------------------------------

    def app(self, environ: dict[str, Any], start_response: StartResponse) -> Body:
        began = time.monotonic()
        try:
            key, request = read(environ)
        except status.ApiError as e:
            return _send(start_response, e.code, e.json())
        if self._unreachable(key):
            self._note(request, 0, began)
            return _cut(environ, start_response)
        fault = self._fault_for(request)
        if fault and fault.kind == "slow":
            time.sleep(fault.seconds)
        if fault and fault.kind == "cut-before":
            self._note(request, 0, began)
            return _cut(environ, start_response)
        try:
            code, answer, headers = self._answer(key, request, fault, environ)
        except status.ApiError as e:
            self._note(request, e.code, began)
            extra = [("Retry-After", str(e.retry_after))] if e.retry_after is not None else []
            return _send(start_response, e.code, e.json(), extra)
        except Exception:  # noqa: BLE001  whatever it is, the client gets an answer that it can read
            _log.exception("a bug in the sandbox, in %s %s", request.method, request.path)
            problem = status.internal("a bug in the sandbox; its log says more")
            self._note(request, problem.code, began)
            return _send(start_response, problem.code, problem.json(), [])
        self._note(request, code, began)
        if isinstance(answer, RemoteCommand):
            start_response("101 Switching Protocols", [])
            return answer.serve()
        if fault and fault.kind == "cut-after":
            return _cut(environ, start_response)
        if fault and fault.kind == "garbage":
            start_response("200 OK", [("Content-Type", "application/json")])
            return [GARBAGE]
        if isinstance(answer, dict):
            return _send(start_response, code, answer, headers)
        if isinstance(answer, bytes):
            start_response(f"{code} OK", [*headers, ("Content-Length", str(len(answer)))])
            return [answer]
        start_response(f"{code} OK", headers)
        return answer

    def _unreachable(self, key: str) -> str:
        """Why nobody on the internet reaches this API server. The real one lets the caller wait or has no name; here the
        connection is cut, which a client takes for the same and sooner."""
        if self.name == "eks":
            return ""
        with self.context.lock:
            clusters = self.context.azure_facts().clusters
            facts = clusters if not key and len(clusters) == 1 else [c for c in clusters if self.key_of(c.id) == key]
            return next((c.unreachable for c in facts), "")

    def _may(self, verb: str, asked: dict[str, Any]) -> bool:
        said = [str(asked.get(k) or "") for k in ("resource", "subresource", "namespace", "name")]
        return self.context.grants.would_allow(_action(self.name, verb, *said))

    def _fault_for(self, request: Request) -> Fault | None:
        kinds = ("throttled", "error", "slow", "cut-before", "cut-after", "garbage", "expired", "denied")
        return self.context.faults.match(request.fault_target, *kinds)

    def _answer(
        self, key: str, request: Request, fault: Fault | None, environ: dict[str, Any]
    ) -> tuple[int, dict[str, Any] | bytes | Iterator[bytes] | RemoteCommand, list[tuple[str, str]]]:
        user = self._authenticate(request.token)
        if fault and fault.kind == "expired":
            raise status.unauthorized()
        if user is None and request.path not in _PUBLIC:
            raise status.unauthorized()
        match fault.kind if fault else "":
            case "throttled":
                raise status.throttled(1)
            case "error":
                raise status.internal("the sandbox was asked for this error")
            case "denied":
                raise status.forbidden(request.kind, request.name, request.namespace or "", request.verb, user or "")
        if request.kind is not None and not request.kind.is_review:
            # a create names nothing yet, as access control sees it
            name = request.name
            action = _action(self.name, request.verb, request.kind.plural, request.subresource, request.namespace, name)
            if self.context.grants.first_missing([action]):
                raise status.forbidden(request.kind, request.name, request.namespace or "", request.verb, user or "")
        plain = [("Content-Type", "text/plain")]
        with self.context.lock:
            cluster = self.cluster(key or self._only_key())
            if cluster is None:
                raise status.ApiError(404, "NotFound", "no such cluster")
            if request.kind is None:
                if request.path in _PUBLIC[1:]:
                    return 200, b"ok", plain
                return 200, self._document(cluster, request), []
            if request.subresource == "log" and request.kind is PODS and request.method == "GET":
                text = log_tail(cluster, request)
                if request.query.get("follow") in ("1", "true", "True"):
                    return 200, follow_log(cluster, request, text), plain
                return 200, text, plain
            if request.subresource == "exec" and request.kind is PODS and request.method in ("GET", "POST"):
                return 101, RemoteCommand(cluster, request, environ), []
            if request.method == "GET" and request.watches:
                events = watch(cluster, request, as_table if "as=Table" in request.accept else None)
                return 200, events, [("Content-Type", "application/json")]
            cluster.warnings = []
            code, answer = perform(cluster, replace(request, user=user or ""), self.context.faults, self._may)
            warnings = [("Warning", f"299 - {json.dumps(w)}") for w in cluster.warnings]
            cluster.catch_up()
        if request.method == "GET" and "as=Table" in request.accept and "g=meta.k8s.io" in request.accept:
            answer = as_table(request.kind, answer, self.context.clock.now())
        return code, answer, warnings

    def _document(self, cluster: Cluster, request: Request) -> dict[str, Any]:
        facts = cluster.facts()
        known = (
            discovery.version(facts.version if facts else self._eks_version()) if request.path == "/version" else None
        )
        found = known or discovery.document(request.path)
        if found is None:
            raise status.no_such_path()
        if request.method != "GET":
            raise status.method_not_allowed()
        return found

    def _eks_version(self) -> str:
        world = self.world()
        return world.aws.eks_version if world else _EKS_VERSION

    def _note(self, request: Request, code: int, began: float) -> None:
        self.context.journal.add(
            Call(
                at=self.context.clock.now(),
                cloud=self.name,
                operation=request.operation,
                target=request.target,
                status=code,
                writes=request.writes,
                ms=(time.monotonic() - began) * 1000,
            )
        )

    # --- saved and loaded ------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Plain data, to be written down. Running processes are not in it; their pods come back as crashed."""
        with self.context.lock:
            return {key: cluster.snapshot() for key, cluster in self.clusters.items()}

    def restore(self, saved: dict[str, Any]) -> None:
        with self.context.lock:
            self.stop()
            self.clusters = {}
            for key, one in saved.items():
                self._make(key, one["name"]).restore(one)


def _send(
    start_response: StartResponse, code: int, answer: dict[str, Any], extra: list[tuple[str, str]] | None = None
) -> Body:
    body = json.dumps(answer).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *(extra or [])]
    start_response(f"{code} {answer.get('reason', 'OK')}", headers)
    return [body]


def _cut(environ: dict[str, Any], start_response: StartResponse) -> Body:
    """End the connection without an answer, where the server lets the application have its socket (Werkzeug does)."""
    connection = environ.get("werkzeug.socket")
    if isinstance(connection, socket.socket):
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return []
        return []
    # a body shorter than promised is the next best cut
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "1000")])
    return [b"{"]


def _action(cluster: str, verb: str, resource: str, subresource: str, namespace: str | None, name: str) -> str:
    """As grants name it."""
    kind = f"{resource}/{subresource}" if subresource else resource
    return f"{cluster}:{verb}:{kind}:{namespace or ''}:{name}"
