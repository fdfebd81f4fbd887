"""An HTTP request to an API server, taken apart: which cluster, which object, which verb."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from cloudlink_sandbox.kube import protobuf, status
from cloudlink_sandbox.kube.kinds import KINDS, Kind, kind_at

_BODY_LIMIT = 3 << 20  # etcd's
_KEY = re.compile(r"[0-9a-f]{16}")  # KubeCloud.key_of


@dataclass(frozen=True)
class Request:
    """kind None: not an object's path. name empty: the collection."""

    method: str
    path: str
    query: dict[str, str]
    body: bytes
    content_type: str
    accept: str
    token: str | None
    agent: str = ""  # the first word of User-Agent: who writes, where the query does not say
    user: str = ""  # once it is known
    kind: Kind | None = None
    namespace: str | None = None
    name: str = ""
    subresource: str = ""

    def json(self) -> dict[str, Any]:
        """The body as an object. Raises ApiError."""
        if self.content_type.partition(";")[0] not in ("application/json", ""):
            if "yaml" in self.content_type:
                import yaml

                found = yaml.safe_load(self.body)
                if isinstance(found, dict):
                    return found
            if self.content_type == "application/vnd.kubernetes.protobuf":
                try:
                    return protobuf.read(self.body)
                except protobuf.Unreadable as e:
                    raise status.unsupported_media(str(e)) from None
            raise status.unsupported_media(f"the body of the request was in an unknown format: {self.content_type}")
        try:
            found = json.loads(self.body)
        except ValueError as e:
            raise status.bad_request(f"couldn't parse the body: {e}") from None
        if not isinstance(found, dict):
            raise status.bad_request("the body is not an object")
        return found

    @property
    def verb(self) -> str:
        """As authorization knows it."""
        if self.method == "GET":
            return "watch" if self.watches else "get" if self.name else "list"
        if self.method == "DELETE":
            return "delete" if self.name else "deletecollection"
        return {"POST": "create", "PUT": "update", "PATCH": "patch"}.get(self.method, self.method.lower())

    @property
    def watches(self) -> bool:
        return self.query.get("watch") in ("1", "true", "True")

    @property
    def writes(self) -> bool:
        return self.method != "GET" and not (self.kind and self.kind.is_review) and not self.dry_run

    @property
    def dry_run(self) -> str:
        """``All``, or empty when the write is meant. A DELETE says it in its body as well."""
        asked = self.query.get("dryRun", "")
        if asked or self.method != "DELETE" or not self.body:
            return asked
        try:
            return ",".join(self.json().get("dryRun") or ())
        except status.ApiError:
            return ""  # refused for its body later

    @property
    def manager(self) -> str:
        """Whose the fields are that this request sets."""
        return self.query.get("fieldManager") or self.agent or "unknown"

    @property
    def target(self) -> str:
        """The object's name; for a create, the name in the body."""
        if self.name or self.method != "POST":
            return self.name
        try:
            meta = self.json().get("metadata") or {}
        except status.ApiError:
            return ""
        return str(meta.get("name") or meta.get("generateName") or "")

    @property
    def fault_target(self) -> str:
        """What faults call it: ``kube.PATCH:configmaps/coredns-custom``, ``kube.GET:pods``."""
        if self.kind is None:
            return f"kube.{self.method}:{self.path.strip('/')}"
        parts = [self.kind.plural, self.target, self.subresource]
        return f"kube.{self.method}:{'/'.join(p for p in parts if p)}"

    @property
    def operation(self) -> str:
        if self.kind is None:
            return f"{self.method} {self.path}"
        return f"{self.method} {self.kind.plural}{'/' + self.subresource if self.subresource else ''}"


def read(environ: dict[str, Any]) -> tuple[str, Request]:
    """(the cluster's key, the request). Raises ApiError for a body that is too large.

    The key is empty where the path has none: ``kubectl get --raw`` and its like drop what a kubeconfig's server address
    ends with.
    """
    key, _, rest = environ.get("PATH_INFO", "/").lstrip("/").partition("/")
    if not _KEY.fullmatch(key):
        key, rest = "", environ.get("PATH_INFO", "/").lstrip("/")
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > _BODY_LIMIT:
        raise status.ApiError(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728")
    if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
        body = environ["wsgi.input"].read(_BODY_LIMIT)
    else:
        body = environ["wsgi.input"].read(length) if length else b""
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    request = Request(
        method=environ["REQUEST_METHOD"],
        path="/" + rest.rstrip("/"),
        query=dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)),
        body=body,
        content_type=environ.get("CONTENT_TYPE", ""),
        accept=environ.get("HTTP_ACCEPT", ""),
        token=token.strip() if scheme.lower() == "bearer" else None,
        agent=environ.get("HTTP_USER_AGENT", "").partition("/")[0],
    )
    return key, _with_object(request)


def _with_object(request: Request) -> Request:
    match [p for p in request.path.split("/") if p]:
        case ["api", version, *rest]:
            group = ""
        case ["apis", group, version, *rest]:
            pass
        case _:
            return request
    namespace: str | None = None
    if len(rest) >= 3 and rest[0] == "namespaces" and kind_at(group, version, rest[2]):
        namespace, rest = rest[1], rest[2:]
    if not rest:
        return request
    kind = kind_at(group, version, rest[0])
    if kind is None or len(rest) > 3:
        return request
    name, sub = (rest[1] if len(rest) > 1 else ""), (rest[2] if len(rest) > 2 else "")
    return replace(request, kind=kind, namespace=namespace, name=name, subresource=sub)


def applied(obj: dict[str, Any]) -> Request:
    """The request that ``kubectl apply --server-side --force-conflicts`` makes for an object. Raises ApiError."""
    version, meta = str(obj.get("apiVersion") or ""), obj.get("metadata") or {}
    group, _, plain = version.rpartition("/")
    kind = next((k for k in KINDS if (k.group, k.version, k.kind) == (group, plain, obj.get("kind"))), None)
    if kind is None:
        raise status.bad_request(f"no matches for kind {obj.get('kind')!r} in version {version!r}")
    namespace = str(meta.get("namespace") or "default") if kind.namespaced else None
    name = str(meta.get("name") or "")
    place = f"/namespaces/{namespace}" if namespace else ""
    return Request(
        method="PATCH",
        path=f"{kind.root}{place}/{kind.plural}/{name}",
        query={"fieldManager": "kubectl", "force": "true"},
        body=json.dumps(obj).encode(),
        content_type="application/apply-patch+yaml",
        accept="application/json",
        token=None,
        agent="sandbox",
        kind=kind,
        namespace=namespace,
        name=name,
    )
