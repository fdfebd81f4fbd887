"""The WSGI application: who calls, which operation, which faults hit it, who answers; and one line in the journal."""

from __future__ import annotations

import contextlib
import hmac
import io
import json
import logging
import re
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from botocore.model import OperationNotFoundError
from moto.core.request import Request
from moto.core.routing import get_service_router
from werkzeug.exceptions import NotFound

from cloudlink_sandbox.aws import actions, object_storage
from cloudlink_sandbox.aws.account import AwsAccount
from cloudlink_sandbox.aws.errors import (
    CONTENT_TYPES,
    PROTOCOLS,
    ApiError,
    Protocol,
    WireAnswer,
    bad_signature,
    broken,
    denied,
    expired,
    not_modelled,
    on_the_wire,
    prior_request,
    request_id,
    throttled,
    unknown_key,
)
from cloudlink_sandbox.aws.handlers import Handlers
from cloudlink_sandbox.aws.signature import Signed, is_right, signed
from cloudlink_sandbox.aws.throttling import InFlight, Throttle
from cloudlink_sandbox.faults import GARBAGE
from cloudlink_sandbox.journal import Call

_log = logging.getLogger(__name__)
_READS = ("Describe", "Get", "List", "Search", "Simulate", "Head", "Filter", "Lookup", "Assume")
_TAGS = re.compile(rb'"[Tt]ags"')
_MADE = re.compile(r"<(?:\w+GatewayId|vpnConnectionId|groupId)>([a-z]+-[0-9a-f]+)<")
_COLLECTIONS = frozenset(
    [
        "2013-04-01",
        "hostedzone",
        "rrset",
        "associatevpc",
        "disassociatevpc",
        "change",
        "tags",
        "clusters",
        "hostedzonesbyvpc",
        "hostedzonesbyname",
        "hostedzonecount",
    ]
)


@dataclass(frozen=True)
class Incoming:
    """A request, read once. headers have lower-case names; path and query are as they were on the wire."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    said: Signed

    @property
    def service(self) -> str:
        return self.said.scope.service

    @property
    def protocol(self) -> Protocol:
        return PROTOCOLS[self.service]

    def form(self) -> dict[str, str]:
        text = self.body.decode("utf-8", "replace") or self.query
        return {k: v[0] for k, v in parse_qs(text, keep_blank_values=True).items()}


class Application:
    """Serve with a threaded WSGI server; the lock of the context makes it one call at a time."""

    def __init__(self, account: AwsAccount, answer: Callable[[Incoming, str, Request], WireAnswer]) -> None:
        """answer: carries out one call, by the name of its operation."""
        self.account = account
        self.answer = answer
        self.throttle = Throttle(account.context.clock)
        self.in_flight = InFlight()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        begun = time.monotonic()
        body = _body(environ)
        headers = _headers(environ)
        path, _, query = _raw_uri(environ).partition("?")
        said = signed(query, headers)
        if said is None or said.scope.service not in PROTOCOLS:
            answer = _unreadable(said, headers, query)
            return _send(answer, environ, start_response)
        call = Incoming(environ["REQUEST_METHOD"], path, query, headers, body, said)
        operation = _operation(call, environ)
        answer, cut = self._one_by_one(call, operation, environ)
        writes = not operation.startswith(_READS) and not _is_dry_run(call)
        target = _target(call) or (_made(answer) if writes else "")
        if writes and call.service != "s3" and not (cut and answer.status == 503):  # it has not arrived
            self._trail(call, operation, answer)
        self.account.context.journal.add(
            Call(
                at=self.account.context.clock.now(),
                cloud="aws",
                operation=operation,
                target=target,
                status=0 if cut else answer.status,
                writes=writes,
                ms=round((time.monotonic() - begun) * 1000, 2),
            )
        )
        if cut:
            _cut(environ)
        return _send(answer, environ, start_response)

    def _trail(self, call: Incoming, operation: str, answer: WireAnswer) -> None:
        """What a write leaves in CloudTrail, also where its answer does not reach the caller."""
        said = f"{call.path} {unquote(call.body.decode('latin-1'))}"
        if operation.startswith("Create"):  # what it is made of is not what it is about
            said = _made(answer) or answer.body.decode("utf-8", "replace")
        with self.account.context.lock:
            self.account.trail.note(
                at=self.account.context.clock.now(),
                region=call.said.scope.region,
                service=call.service,
                name=operation,
                arn=self.account.principal,
                key=call.said.scope.access_key,
                agent=call.headers.get("user-agent", ""),
                said=said,
                error=answer.headers.get("x-amzn-ErrorType", "") or ("Client.Error" if answer.status >= 400 else ""),
            )

    def _one_by_one(self, call: Incoming, operation: str, environ: dict[str, Any]) -> tuple[WireAnswer, bool]:
        """A hosted zone takes one change at a time; all else may overlap."""
        if operation != "ChangeResourceRecordSets":
            return self._answer(call, operation, environ)
        zone = call.path.strip("/").split("/")[-2]
        if not self.in_flight.enter(zone):
            return on_the_wire(prior_request(), call.protocol), False
        try:
            return self._answer(call, operation, environ)
        finally:
            self.in_flight.leave(zone)

    def _answer(self, call: Incoming, operation: str, environ: dict[str, Any]) -> tuple[WireAnswer, bool]:
        """The answer, and whether the connection is to be cut instead of giving it."""
        faults, target = self.account.context.faults, f"aws.{operation}"
        regional = f"aws.{call.said.scope.region}.{operation}"
        slow = faults.match(target, "slow", also=regional)
        if slow is not None:
            time.sleep(slow.seconds)  # wall time, outside the lock: only this call is slow
        if _is_dry_run(call):
            return self._tried(call, operation, environ), False
        try:
            self._check_caller(call)
            self._check_grants(call, operation)
            fault = faults.match(target, "throttled", "error", "expired", "denied", "cut-before", also=regional)
            if fault is not None:
                if fault.kind == "cut-before":
                    return WireAnswer(503, {}, b""), True
                raise self._faulty(fault.kind, call, operation)
            if not self.throttle.admits(call.service, call.said.scope.region, operation):
                raise throttled(call.protocol)
            if not operation:
                raise not_modelled(call.protocol, f"{call.method} {call.path}")
            answer = self.answer(call, operation, Request(environ))
        except ApiError as error:
            return on_the_wire(error, call.protocol), False
        except OperationNotFoundError:
            return on_the_wire(not_modelled(call.protocol, operation), call.protocol), False
        except Exception:  # noqa: BLE001  whatever it is, the client gets an answer of its protocol
            _log.exception("a bug in the sandbox, in %s", operation)
            problem = ApiError("InternalError", f"A bug in the sandbox, in {operation}; its log says more.", 500)
            return on_the_wire(problem, call.protocol), False
        after = faults.match(target, "cut-after", "garbage", also=regional)
        if after is not None and after.kind == "garbage":
            return WireAnswer(200, {"Content-Type": "text/html"}, GARBAGE), False
        return answer, after is not None

    def _tried(self, call: Incoming, operation: str, environ: dict[str, Any]) -> WireAnswer:
        """A dry run: whether the call would be allowed. Faults of the call itself wait for the call itself."""
        faults, places = self.account.context.faults, (f"aws.{operation}", f"aws.{call.said.scope.region}.{operation}")
        try:
            self._check_caller(call)
            self._check_grants(call, operation)
            if any(faults.would_match(place, "denied") for place in places):
                raise denied(call.protocol, self.account.principal, f"{call.service}:{operation}")
            return self.answer(call, operation, Request(environ))
        except ApiError as refusal:
            return on_the_wire(refusal, call.protocol)
        except OperationNotFoundError:
            return on_the_wire(not_modelled(call.protocol, operation), call.protocol)

    def _faulty(self, kind: str, call: Incoming, operation: str) -> ApiError:
        if kind == "throttled":
            return throttled(call.protocol)
        if kind == "expired":
            return expired(call.protocol)
        if kind == "denied":
            return denied(call.protocol, self.account.principal, f"{call.service}:{operation}")
        return broken(call.protocol)

    def _check_grants(self, call: Incoming, operation: str) -> None:
        """Raises ApiError for an action that the caller may not."""
        tags = (
            "TagSpecification" in call.body.decode("latin-1")
            if call.service == "ec2"
            else _TAGS.search(call.body) is not None
        )
        logs = b"LogEnabled=true" in call.body
        missing = self.account.context.grants.first_missing(
            actions.needed(call.service, operation, tags=tags, logs=logs)
        )
        if missing:
            raise denied(call.protocol, self.account.principal, missing)

    def _check_caller(self, call: Incoming) -> None:
        """Raises ApiError for a key that nobody has and for a signature that its secret did not make."""
        said = call.said
        secret = self.account.secret_of(said.scope.access_key)
        if secret is None:
            raise unknown_key(call.protocol)
        keys = self.account.acting = self.account.sessions.keys.get(said.scope.access_key)
        if keys is not None:
            token = call.headers.get("x-amz-security-token") or call.form().get("X-Amz-Security-Token", "")
            if not hmac.compare_digest(token, keys.token):
                raise unknown_key(call.protocol)
            if self.account.sessions.ended(keys):
                raise expired(call.protocol)
        if not is_right(
            said,
            secret,
            method=call.method,
            path=call.path,
            query=call.query,
            headers=call.headers,
            body=call.body,
        ):
            raise bad_signature(call.protocol)


def _is_dry_run(call: Incoming) -> bool:
    return call.protocol == "ec2" and call.form().get("DryRun", "").lower() == "true"


def _body(environ: dict[str, Any]) -> bytes:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = environ["wsgi.input"].read(length) if length else b""
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    return body


def _headers(environ: dict[str, Any]) -> dict[str, str]:
    headers = {k[5:].replace("_", "-").lower(): v for k, v in environ.items() if k.startswith("HTTP_")}
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    headers["content-length"] = environ.get("CONTENT_LENGTH", "")
    return headers


def _raw_uri(environ: dict[str, Any]) -> str:
    """As it was on the wire; werkzeug gives it, other servers may only give the decoded parts."""
    raw: str = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    if not raw:
        raw = environ.get("PATH_INFO", "/") + (f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else "")
    return re.sub(r"^https?://[^/]+", "", raw)


def _unreadable(said: Signed | None, headers: dict[str, str], query: str) -> WireAnswer:
    """Neither the caller nor the service can be told; the refusal has the form that the client seems to speak."""
    protocol = _spoken(said.scope.service if said else "", headers, query)
    if said is None:
        return on_the_wire(ApiError("MissingAuthenticationToken", "Missing Authentication Token", 403), protocol)
    code = "UnknownOperationException" if protocol in ("json", "rest-json") else "InvalidAction"
    return on_the_wire(ApiError(code, f"The sandbox does not model the service {said.scope.service}."), protocol)


def _spoken(service: str, headers: dict[str, str], query: str) -> Protocol:
    """The protocol of a service that is not modelled, from the look of its request."""
    content = headers.get("content-type", "")
    if "x-amz-target" in headers:
        return "json"
    if "form-urlencoded" in content or "Action=" in query:
        return "query"
    if service in ("s3", "cloudfront"):
        return "rest-xml"
    return "rest-json" if service else "json" if "json" in content else "query"


def _operation(call: Incoming, environ: dict[str, Any]) -> str:
    """The operation's name, or "" when the service has none like this."""
    if call.protocol in ("ec2", "query"):
        return call.form().get("Action", "")
    if call.protocol == "json":
        return call.headers.get("x-amz-target", "").rpartition(".")[2]
    if call.protocol == "s3":
        return object_storage.operation_of(call.method, call.path, call.query)
    with contextlib.suppress(NotFound, NotImplementedError):
        operation, _ = get_service_router(call.service).match(Request(environ))
        return str(operation.name)
    return ""


_BY_ID = (
    "VpnConnectionId", "VpnConnectionId.1", "VpnGatewayId", "VpnGatewayId.1", "CustomerGatewayId",
    "CustomerGatewayId.1", "RouteTableId", "RouteTableId.1", "GroupId", "GroupId.1", "ResourceId.1",
    "ResolverEndpointId", "VpcId", "VpcId.1", "SubnetId.1", "IpAddress", "GroupName", "LoadBalancerArn",
    "SecretId", "logGroupName", "CreatorRequestId", "Names.member.1",
)  # fmt: skip


def _target(call: Incoming) -> str:
    """The id or name that the call is about; never a body."""
    if call.protocol in ("rest-xml", "rest-json", "s3"):
        parts = (unquote(part) for part in call.path.split("/"))
        return next((part for part in parts if part and part not in _COLLECTIONS), "")
    values: dict[str, Any] = {}
    if call.protocol == "json":
        with contextlib.suppress(ValueError):
            values = json.loads(call.body or b"{}")
    else:
        values = call.form()
    if str(values.get("Action", "")).startswith("Create"):
        return ""  # the answer names what was made
    return next((str(values[name]) for name in _BY_ID if isinstance(values.get(name), str)), "")


def _made(answer: WireAnswer) -> str:
    found = _MADE.search(answer.body.decode("utf-8", "replace"))
    return found.group(1) if found else ""


def _cut(environ: dict[str, Any]) -> None:
    """Close the connection under the client, as a network does."""
    connection = environ.get("werkzeug.socket")
    if connection is None:
        raise RuntimeError("this WSGI server does not hand out its socket, so the connection cannot be cut")
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def _send(answer: WireAnswer, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    headers = {k: str(v) for k, v in answer.headers.items() if k.lower() not in ("status", "content-length")}
    headers["Content-Length"] = str(len(answer.body))
    start_response(f"{answer.status} {'OK' if answer.status < 400 else 'Refused'}", list(headers.items()))
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]


def dispatched(answers: Handlers, request: Request) -> WireAnswer:
    """Let a service's answers handle a request."""
    status, headers, body = answers._dispatch(request)
    data = body if isinstance(body, bytes) else str(body).encode()
    said = {name.lower(): value for name, value in headers.items()}
    ours = {"content-type": CONTENT_TYPES[answers.protocol]}
    return WireAnswer(int(status), {"x-amzn-requestid": request_id(), **said, **ours}, data)
