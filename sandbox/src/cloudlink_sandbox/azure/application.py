"""The WSGI application: finds the route, signs the caller in, applies faults, answers with Azure's headers."""

from __future__ import annotations

import contextlib
import json
import math
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote

from cloudlink_sandbox.azure import actions, errors, log_analytics
from cloudlink_sandbox.azure.errors import ApiError
from cloudlink_sandbox.azure.exchange import Answer, Request
from cloudlink_sandbox.azure.parts import Parts
from cloudlink_sandbox.azure.routes import Route, table
from cloudlink_sandbox.context import SandboxContext
from cloudlink_sandbox.faults import GARBAGE
from cloudlink_sandbox.journal import Call

WHOLE_SECONDS_SPEED = 1.0
SOONEST_MS = 20.0  # a client that is told less would spin
API_VERSION = re.compile(r"20\d\d-(0[1-9]|1[0-2])-\d\d(-[a-z]+)?")
# Within these every version is taken for the same: clients ask with many, and the shapes hardly differ.
OLDEST_VERSION, NEWEST_VERSION = "2014-01-01", "2027-12-31"
COMMON = [
    ("Cache-Control", "no-cache"),
    ("Pragma", "no-cache"),
    ("Expires", "-1"),
    ("Server", "Microsoft-HTTPAPI/2.0"),
    ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
    ("X-Content-Type-Options", "nosniff"),
]
# ARM's audiences besides the sandbox's own address
AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")

StartResponse = Callable[..., Any]


class Cloud(Protocol):
    """What the application serves."""

    @property
    def context(self) -> SandboxContext: ...
    @property
    def parts(self) -> Parts: ...
    @property
    def base_url(self) -> str: ...
    def advance(self) -> None: ...
    def only_versions(self, path: str) -> tuple[str, ...]: ...


class Application:
    """``context.lock`` is held while a request is carried out, and not while a fault lets it wait."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.context = cloud.context
        self.by_length: dict[int, list[tuple[tuple[str, ...], Route]]] = {}
        for route in table(cloud.parts):
            segments = tuple(s if s.startswith("{") else s.lower() for s in route.segments)
            self.by_length.setdefault(len(segments), []).append((segments, route))

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        began = time.monotonic()
        method = environ["REQUEST_METHOD"].upper()
        path = tuple(unquote(s) for s in environ.get("PATH_INFO", "/").split("/") if s)
        query = {
            k.lower() if not k.startswith("$") else k: v
            for k, v in parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        }
        headers = {k[5:].lower().replace("_", "-"): v for k, v in environ.items() if k.startswith("HTTP_")}
        length = environ.get("CONTENT_LENGTH") or "0"
        body = environ["wsgi.input"].read(int(length)) if length.isdigit() and int(length) else b""
        route, where = self.match(method, path)
        word = route.word if route else (path[-1] if path else "")
        target = where.get(route.named, "") if route and route.named else ""
        cloud = "entra" if route and route.open else "azure"
        name = f"{cloud}.{method}:{word}" + (f"/{target}" if target else "")
        request = Request(method, "/" + "/".join(path), query, headers, body, self.cloud.base_url, where, name)
        try:
            status, answer_headers, data = self.respond(request, route, path)
        except _Cut as cut:
            status, answer_headers, data = cut.status, [], b""
            hang_up(environ)
        self.context.journal.add(
            Call(
                at=self.context.clock.now(),
                cloud=cloud,
                operation=f"{method} {word}",
                target=target,
                status=status,
                writes=bool(route and route.writes),
                ms=(time.monotonic() - began) * 1000,
            )
        )
        start_response(f"{status} {_phrase(status)}", answer_headers)
        return [data]

    def match(self, method: str, path: tuple[str, ...]) -> tuple[Route | None, dict[str, str]]:
        lowered = tuple(s.lower() for s in path)
        for segments, route in self.by_length.get(len(path), ()):
            if route.method == method and all(
                t.startswith("{") or t == s for t, s in zip(segments, lowered, strict=True)
            ):
                return route, {t[1:-1]: s for t, s in zip(segments, path, strict=True) if t.startswith("{")}
        return None, {}

    def calls(self) -> Iterator[str]:
        """Patterns of every call that is answered, as targets of faults name them."""
        for routes in self.by_length.values():
            for _, route in routes:
                cloud = "entra" if route.open else "azure"
                yield f"{cloud}.{route.method}:{route.word}" + ("/*" if route.named else "")

    # One request

    def respond(
        self, request: Request, route: Route | None, path: tuple[str, ...]
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """Raises _Cut when a fault cuts the connection."""
        faults = self.context.faults
        if slow := faults.match(request.fault_target, "slow"):
            time.sleep(slow.seconds)
        before = faults.match(request.fault_target, "cut-before", "throttled", "busy", "error", "expired", "denied")
        if before is not None and before.kind == "cut-before":
            raise _Cut(0)
        with self.context.lock:
            answer = self._refused(before.kind, request) if before else self._carry_out(request, route, path)
        after = faults.match(request.fault_target, "cut-after", "garbage") if before is None else None
        if after is not None and after.kind == "cut-after":
            raise _Cut(answer.status)
        data = b"" if answer.body is ... else json.dumps(answer.body, separators=(",", ":")).encode()
        if after is not None:
            data = GARBAGE
        return answer.status, self._headers(request, answer, data), data

    def _refused(self, kind: str, request: Request) -> Answer:
        """The answer that a fault asks for."""
        if kind == "throttled":
            return _answer(errors.throttled(request.where.get("subscription", ""), request.fault_target, 6))
        if kind == "busy":
            return _answer(errors.another_operation(f"{self.cloud.base_url}{request.path}"))
        if kind == "expired":
            return _answer(
                self._not_signed_in(
                    "ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time."
                )
            )
        if kind == "denied":
            return _answer(self._denied(request))
        polls = request.method == "GET" and "operation" in request.fault_target.lower()
        return _answer(errors.poll_timeout("Microsoft.Network") if polls else errors.server_error())

    def _denied(self, request: Request) -> ApiError:
        if request.path.startswith("/v1/"):
            return log_analytics.insufficient_access()
        verb = {"GET": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}.get(request.method, "action")
        action = f"{type_in(request.path) or 'Microsoft.Resources/subscriptions'}/{verb}"
        return errors.authorization_failed(self.cloud.parts.entra.client_id, action, request.path)

    def _carry_out(self, request: Request, route: Route | None, path: tuple[str, ...]) -> Answer:
        self.cloud.advance()
        try:
            if route is not None and route.open:
                return route.endpoint(request)
            self._check_token(request, route.audience if route else "")
            if route is None or not route.audience:
                self._check_version(request)
            if route is None:
                raise self._unknown(request, path)
            self._check_grants(request, route)
            self.cloud.parts.governance.check_locks(request)
            answer = route.endpoint(request)
        except ApiError as error:
            return _answer(error)
        if route.writes:
            self.context.touch()
            action = next(iter(actions.needed(request.method, request.path)))
            self.cloud.parts.monitor.note(request, action, self._caller(request), answer.status)
        return answer

    def _check_grants(self, request: Request, route: Route) -> None:
        """ARM asks for what a write refers to after the write itself, with a refusal of its own."""
        needed = tuple(actions.needed(request.method, request.path))
        linked = tuple(actions.linked(request.method, request.path, _content(request)))
        missing = self.context.grants.first_missing((*needed, *(action for action, _ in linked)))
        if not missing:
            return
        if route.audience:
            raise log_analytics.insufficient_access()
        client = self.cloud.parts.entra.client_id
        scope = next((scope for action, scope in linked if action == missing), "")
        if scope:
            raise errors.linked_authorization_failed(client, needed[0], request.path, missing, scope)
        raise errors.authorization_failed(client, missing, request.path)

    def _caller(self, request: Request) -> str:
        """As the Activity Log names who asked: a person by name, an application by its id."""
        read = self.cloud.parts.entra.read(request.headers.get("authorization", "")[7:].strip())
        claims = read[0] if read else {}
        return str(claims.get("upn") or claims.get("appid") or claims.get("oid") or "")

    def _check_token(self, request: Request, only: str = "") -> None:
        """only: the one audience that another service than ARM takes."""
        given = request.headers.get("authorization", "")
        if not given.lower().startswith("bearer "):
            raise self._not_signed_in(
                "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."
            )
        read = self.cloud.parts.entra.read(given[7:].strip())
        if read is None:
            raise self._not_signed_in("InvalidAuthenticationToken", "The access token is invalid.")
        claims, good = read
        if not good:
            raise self._not_signed_in(
                "ExpiredAuthenticationToken",
                "The access token expiry UTC time is earlier than current UTC time.",
            )
        audience = str(claims["aud"]).rstrip("/")
        if only and audience != only:
            raise self._not_signed_in(
                "InvalidTokenError", "The provided authentication token is not valid for this resource"
            )
        if not only and audience not in (*AUDIENCES, self.cloud.base_url.rstrip("/"), _other_name(self.cloud.base_url)):
            raise self._not_signed_in(
                "InvalidAuthenticationTokenAudience",
                f"The access token has been obtained for wrong audience or resource '{audience}'. It should exactly "
                f"match with one of the allowed audiences '{self.cloud.base_url}/', '{AUDIENCES[0]}/'.",
            )

    def _not_signed_in(self, code: str, message: str) -> ApiError:
        return errors.unauthenticated(code, message, f"{self.cloud.base_url}/{self.cloud.parts.entra.tenant}")

    def carry_out(self, method: str, path: str, body: str, version: str) -> Answer:
        """A call of the sandbox's own, from nobody and with no fault in its way."""
        segments = tuple(s for s in path.split("/") if s)
        route, where = self.match(method, segments)
        request = Request(method, path, {"api-version": version}, {}, body.encode(), self.cloud.base_url, where)
        self.cloud.advance()
        try:
            if route is None:
                raise self._unknown(request, segments)
            return route.endpoint(request)
        except ApiError as error:
            return _answer(error)

    def _check_version(self, request: Request) -> None:
        if "api-version" not in request.query:
            raise errors.missing_api_version()
        if not API_VERSION.fullmatch(request.api_version):
            raise errors.invalid_api_version(request.api_version)
        only = self.cloud.only_versions(request.path)
        if only and request.api_version not in only:
            raise errors.no_provider_for("global", request.api_version, type_in(request.path), ", ".join(only))
        if not OLDEST_VERSION <= request.api_version <= NEWEST_VERSION:
            supported = f"{NEWEST_VERSION[:4]}, ..., {OLDEST_VERSION[:4]}"
            raise errors.no_provider_for("global", request.api_version, type_in(request.path), supported)

    def _unknown(self, request: Request, path: tuple[str, ...]) -> ApiError:
        """Why there is no such route, in the order in which ARM finds out."""
        if any(self.match(method, path)[0] for method in ("GET", "PUT", "POST", "PATCH", "DELETE")):
            return errors.method_not_allowed(request.method)
        namespace, _, type_ = type_in(request.path).partition("/")
        if not namespace:
            message = f"No HTTP resource was found that matches the request URI '{request.path}'."
            return errors.gateway(404, "NotFound", message)
        providers = self.cloud.parts.providers
        if namespace.lower() not in self.cloud.parts.groups.namespaces():
            return errors.invalid_namespace(namespace)
        top = f"{namespace}/{type_.split('/')[0]}"
        if top.lower() in providers and request.method == "POST":
            message = f"The action '{path[-1]}' does not exist for resource type '{top}'."
            return errors.gateway(404, "InvalidResourceAction", message)
        return errors.invalid_type(namespace, type_, request.api_version)

    # Headers

    def _headers(self, request: Request, answer: Answer, data: bytes) -> list[tuple[str, str]]:
        id_ = str(uuid.uuid4())
        headers = [
            *COMMON,
            ("x-ms-request-id", id_),
            ("x-ms-correlation-request-id", request.headers.get("x-ms-correlation-request-id", id_)),
            ("x-ms-arm-service-request-id", str(uuid.uuid4())),
            # which of ARM's fronts took the call, and when
            ("x-ms-routing-request-id", f"WESTEUROPE:{_stamp(self.context.clock.now())}:{id_}"),
            ("Content-Length", str(len(data))),
        ]
        if answer.body is not ...:
            headers.append(("Content-Type", _content_type(request, answer)))
        if client := request.headers.get("x-ms-client-request-id"):
            headers.append(("x-ms-client-request-id", client))
        remaining = {"GET": ("reads", "11999"), "DELETE": ("deletes", "14999")}.get(request.method, ("writes", "1199"))
        if "subscription" in request.where:
            headers.append((f"x-ms-ratelimit-remaining-subscription-{remaining[0]}", remaining[1]))
        headers += answer.headers.items()
        if answer.retry_after is not None:
            headers.append(self.retry_after(answer.retry_after))
        return headers

    def retry_after(self, seconds: float) -> tuple[str, str]:
        """Whole seconds as Azure sends them while the clock runs at its usual speed; otherwise milliseconds, shortened
        like everything else. azure-core reads both, and takes a Retry-After of 0 for none at all."""
        speed = self.context.clock.speed
        if speed == WHOLE_SECONDS_SPEED:
            return "Retry-After", str(max(1, math.ceil(seconds)))
        scaled = seconds * 1000 / speed if speed > 0 else SOONEST_MS
        return "retry-after-ms", str(max(int(SOONEST_MS), round(scaled)))


class _Cut(Exception):
    """The connection is to be cut. status: what the caller would have seen."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def hang_up(environ: dict[str, Any]) -> None:
    """Shuts the client's connection down, as a network that breaks does."""
    connection = environ.get("werkzeug.socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _content(request: Request) -> Any:
    """The body; nothing where it is none, which is refused later."""
    try:
        return json.loads(request.body or b"{}") if request.method in ("PUT", "PATCH") else {}
    except ValueError:
        return {}


def type_in(path: str) -> str:
    """``Microsoft.Network/virtualNetworks/subnets`` of a path; empty when it names no provider."""
    parts = [p for p in path.split("/") if p]
    at = next((i for i, p in enumerate(parts) if p.lower() == "providers"), len(parts))
    return "/".join((*parts[at + 1 : at + 2], *parts[at + 2 :: 2]))


def _answer(error: ApiError) -> Answer:
    return Answer(error.status, error.body(), dict(error.headers), retry_after=error.retry_after)


def _content_type(request: Request, answer: Answer) -> str:
    """AKS names no character set; ARM's front, which refuses before AKS is asked, does."""
    aks = "/microsoft.containerservice/" in request.path.lower() and "x-ms-failure-cause" not in answer.headers
    return "application/json" if aks else "application/json; charset=utf-8"


def _stamp(moment: float) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(moment))


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Cut"


def _other_name(base_url: str) -> str:
    """``localhost`` and ``127.0.0.1`` are the same listener."""
    if "127.0.0.1" in base_url:
        return base_url.replace("127.0.0.1", "localhost").rstrip("/")
    return base_url.replace("localhost", "127.0.0.1").rstrip("/")
