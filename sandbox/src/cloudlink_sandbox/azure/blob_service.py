"""Azure's blob service, as far as a state in a blob needs it: block blobs, their metadata, conditions and leases.

A service of its own beside Azure Resource Manager: XML, its own codes, and tokens for another audience. Accounts are the
first part of the path, as clients ask a host that is an IP address. Time is the wall's, because leases are counted in it.
https://learn.microsoft.com/rest/api/storageservices/blob-service-rest-api
"""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from cloudlink_sandbox.azure.application import hang_up
from cloudlink_sandbox.azure.entra import Entra
from cloudlink_sandbox.context import SandboxContext
from cloudlink_sandbox.faults import GARBAGE
from cloudlink_sandbox.journal import Call

AUDIENCE = "https://storage.azure.com"
_VERSION = re.compile(r"20\d\d-\d\d-\d\d")
_METADATA = "x-ms-meta-"
_LEASE_ACTIONS = ("acquire", "renew", "change", "release", "break")
_INFINITE = -1
_SHORTEST, _LONGEST = 15, 60  # seconds of a lease that ends
# What clients send that changes nothing here.
_HARMLESS = frozenset(
    {
        "x-ms-version",
        "x-ms-date",
        "x-ms-client-request-id",
        "x-ms-return-client-request-id",
        "x-ms-blob-type",
        "x-ms-blob-content-type",
        "x-ms-lease-id",
        "x-ms-lease-action",
        "x-ms-lease-duration",
        "x-ms-lease-break-period",
        "x-ms-proposed-lease-id",
        "x-ms-content-crc64",
    }
)


class BlobError(Exception):
    """https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes"""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message


@dataclass
class Lease:
    id: str = ""
    duration: int = 0  # seconds; -1: it does not end
    ends: float = 0.0
    broken: bool = False
    etag: str = ""  # of the blob when it ended or was broken: a renewal needs the same

    def state(self, now: float) -> str:
        if not self.id:
            return "available"
        if self.broken:
            return "broken" if now >= self.ends else "breaking"
        return "leased" if self.duration == _INFINITE or now < self.ends else "expired"

    def holds(self, now: float) -> bool:
        return self.state(now) in ("leased", "breaking")


@dataclass
class Blob:
    body: bytes
    made: float
    changed: float
    etag: str
    metadata: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/octet-stream"
    lease: Lease = field(default_factory=Lease)
    versions: list[bytes] = field(default_factory=list)  # what was written over, the oldest first
    version: str = ""


@dataclass
class Account:
    containers: dict[str, dict[str, Blob]] = field(default_factory=dict)  # name -> blob's name -> blob
    versioned: bool = True


@dataclass(frozen=True)
class BlobAnswer:
    status: int
    headers: dict[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class _Asked:
    method: str
    container: str
    blob: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    now: float

    @property
    def comp(self) -> str:
        return self.query.get("comp", "")

    @property
    def lease_id(self) -> str:
        return self.headers.get("x-ms-lease-id", "").lower()


class BlobService:
    """app: the WSGI application, to be served over HTTPS."""

    def __init__(self, context: SandboxContext, entra: Entra) -> None:
        self.context = context
        self.entra = entra
        self.accounts: dict[str, Account] = {}

    def add_container(self, account: str, name: str) -> None:
        """What is there already stays."""
        self.accounts.setdefault(account, Account()).containers.setdefault(name, {})

    def app(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        began = time.monotonic()
        parts = environ.get("PATH_INFO", "/").lstrip("/").split("/", 2)
        account, container, blob = (*parts, "", "", "")[:3]
        headers = {k[5:].lower().replace("_", "-"): v for k, v in environ.items() if k.startswith("HTTP_")}
        headers["content-type"] = environ.get("CONTENT_TYPE", "")
        query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        body = environ["wsgi.input"].read()
        method = environ["REQUEST_METHOD"].upper()
        asked = _Asked(method, container, blob, query, headers, body, self.context.clock.real())
        word = {"lease": "lease", "metadata": "metadata"}.get(asked.comp, "blob" if blob else "container")
        target, faults = f"blob.{method}:{word}", self.context.faults
        if slow := faults.match(target, "slow"):
            time.sleep(slow.seconds)
        before = faults.match(target, "cut-before", "throttled", "error", "denied")
        cut = before is not None and before.kind == "cut-before"
        answer = BlobAnswer(0, {})
        if not cut:
            with self.context.lock:
                answer = _refusal(_faulty(before.kind)) if before is not None else self._answer(account, asked)
        after = faults.match(target, "cut-after", "garbage") if before is None else None
        if after is not None and after.kind == "garbage":
            answer = BlobAnswer(200, {"Content-Type": "text/html"}, GARBAGE)
        cut = cut or (after is not None and after.kind == "cut-after")
        self.context.journal.add(
            Call(
                at=self.context.clock.now(),
                cloud="blob",
                operation=f"{method} {word}",
                target=blob or container,
                status=0 if cut else answer.status,
                writes=method in ("PUT", "DELETE"),
                ms=(time.monotonic() - began) * 1000,
            )
        )
        if cut:
            hang_up(environ)
        body = b"" if method == "HEAD" else answer.body
        all_headers = {
            "Server": "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0",
            "x-ms-request-id": str(uuid.uuid4()),
            "x-ms-version": headers.get("x-ms-version", ""),
            "Date": formatdate(asked.now, usegmt=True),
            **answer.headers,
            "Content-Length": str(len(answer.body) if method == "HEAD" else len(body)),
        }
        if client := headers.get("x-ms-client-request-id"):
            all_headers["x-ms-client-request-id"] = client
        start_response(
            f"{answer.status} {HTTPStatus(answer.status).phrase if answer.status else 'Cut'}", list(all_headers.items())
        )
        return [body]

    def calls(self) -> Iterable[str]:
        """Patterns of every call that is answered, as targets of faults name them."""
        yield from ("blob.PUT:blob", "blob.GET:blob", "blob.HEAD:blob", "blob.DELETE:blob")
        yield from (
            "blob.PUT:lease",
            "blob.PUT:metadata",
            "blob.PUT:container",
            "blob.HEAD:container",
            "blob.GET:container",
        )

    def _answer(self, account_name: str, asked: _Asked) -> BlobAnswer:
        try:
            self._check_caller(asked)
            account = self.accounts.get(account_name)
            if account is None:  # a host that does not exist: with names of their own it would not even resolve
                raise BlobError(404, "ResourceNotFound", "The specified resource does not exist.")
            _refuse_unknown(asked)
            if not asked.blob:
                return _container(account, asked)
            blobs = account.containers.get(asked.container)
            if blobs is None:
                raise BlobError(404, "ContainerNotFound", "The specified container does not exist.")
            return _OPERATIONS.get((asked.method, asked.comp), _unknown)(account, blobs, asked)
        except BlobError as error:
            return _refusal(error)

    def _check_caller(self, asked: _Asked) -> None:
        if not _VERSION.fullmatch(asked.headers.get("x-ms-version", "")):
            raise BlobError(
                400, "InvalidHeaderValue", "The value for one of the HTTP headers is not in the correct format."
            )
        given = asked.headers.get("authorization", "")
        read = self.entra.read(given[7:].strip()) if given.lower().startswith("bearer ") else None
        if read is None:
            code = "InvalidAuthenticationInfo" if given else "NoAuthenticationInformation"
            raise BlobError(
                401,
                code,
                "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.",
            )
        claims, good = read
        if not good or str(claims["aud"]).rstrip("/") != AUDIENCE:
            what = "Lifetime validation failed." if not good else "Audience validation failed."
            raise BlobError(401, "InvalidAuthenticationInfo", f"Server failed to authenticate the request. {what}")


def _container(account: Account, asked: _Asked) -> BlobAnswer:
    if asked.query.get("restype") != "container" or asked.comp:
        return _unknown(account, {}, asked)
    there = asked.container in account.containers
    if asked.method == "PUT":
        if there:
            raise BlobError(409, "ContainerAlreadyExists", "The specified container already exists.")
        account.containers[asked.container] = {}
        return BlobAnswer(201, {"ETag": _new_etag()})
    if asked.method in ("GET", "HEAD"):
        if not there:
            raise BlobError(404, "ContainerNotFound", "The specified container does not exist.")
        return BlobAnswer(200, {"x-ms-lease-state": "available", "x-ms-lease-status": "unlocked"})
    return _unknown(account, {}, asked)


def _put(account: Account, blobs: dict[str, Blob], asked: _Asked) -> BlobAnswer:
    if asked.headers.get("x-ms-blob-type") != "BlockBlob":
        raise BlobError(501, "NotImplemented", "The sandbox models block blobs only.")
    found = blobs.get(asked.blob)
    _check_conditions(found, asked, creates=True)
    _check_lease(found, asked)
    now = asked.now
    blob = found or Blob(b"", now, now, "")
    if found is not None and account.versioned:
        blob.versions.append(blob.body)
    blob.body, blob.changed = asked.body, now
    blob.content_type = (
        asked.headers.get("x-ms-blob-content-type") or asked.headers.get("content-type") or "application/octet-stream"
    )
    blob.metadata = _metadata(asked)
    blob.etag = _new_etag()
    blobs[asked.blob] = blob
    headers = {
        "ETag": blob.etag,
        "Last-Modified": formatdate(now, usegmt=True),
        "Content-MD5": _md5(asked.body),
        "x-ms-request-server-encrypted": "true",
    }
    if account.versioned:
        blob.version = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{len(blob.versions):07d}Z"
        headers["x-ms-version-id"] = blob.version
    return BlobAnswer(201, headers)


def _read(account: Account, blobs: dict[str, Blob], asked: _Asked) -> BlobAnswer:
    blob = _there(blobs, asked)
    _check_conditions(blob, asked, creates=False)
    if asked.lease_id:
        _check_lease(blob, asked)
    state = blob.lease.state(asked.now)
    headers = {
        "Content-Type": blob.content_type,
        "ETag": blob.etag,
        "Last-Modified": formatdate(blob.changed, usegmt=True),
        "x-ms-creation-time": formatdate(blob.made, usegmt=True),
        "x-ms-blob-type": "BlockBlob",
        "x-ms-lease-state": state,
        "x-ms-lease-status": "locked" if state in ("leased", "breaking") else "unlocked",
        **{_METADATA + k: v for k, v in blob.metadata.items()},
    }
    if state == "leased":
        headers["x-ms-lease-duration"] = "infinite" if blob.lease.duration == _INFINITE else "fixed"
    if account.versioned and blob.version:
        headers |= {"x-ms-version-id": blob.version, "x-ms-is-current-version": "true"}
    return BlobAnswer(200, headers, blob.body)


def _delete(account: Account, blobs: dict[str, Blob], asked: _Asked) -> BlobAnswer:
    blob = _there(blobs, asked)
    _check_conditions(blob, asked, creates=False)
    _check_lease(blob, asked)
    del blobs[asked.blob]
    return BlobAnswer(202, {"x-ms-delete-type-permanent": "false" if account.versioned else "true"})


def _set_metadata(account: Account, blobs: dict[str, Blob], asked: _Asked) -> BlobAnswer:
    del account
    blob = _there(blobs, asked)
    _check_conditions(blob, asked, creates=False)
    _check_lease(blob, asked)
    blob.metadata, blob.changed, blob.etag = _metadata(asked), asked.now, _new_etag()
    return BlobAnswer(200, {"ETag": blob.etag, "Last-Modified": formatdate(blob.changed, usegmt=True)})


def _lease(account: Account, blobs: dict[str, Blob], asked: _Asked) -> BlobAnswer:
    """https://learn.microsoft.com/rest/api/storageservices/lease-blob (outcomes of operations by state)"""
    del account
    blob = _there(blobs, asked)
    action = asked.headers.get("x-ms-lease-action", "").lower()
    if action not in _LEASE_ACTIONS:
        raise BlobError(
            400, "InvalidHeaderValue", "The value for one of the HTTP headers is not in the correct format."
        )
    _check_conditions(blob, asked, creates=False)
    lease, now = blob.lease, asked.now
    state = lease.state(now)
    head = {"ETag": blob.etag, "Last-Modified": formatdate(blob.changed, usegmt=True)}
    match action:
        case "acquire":
            return _acquire(blob, asked, state, head)
        case "break":
            return _break(blob, asked, state, head)
        case "renew" | "release" | "change":
            if not lease.id or asked.lease_id != lease.id:
                # after a release there is no lease whose id could be another one
                raise BlobError(
                    409,
                    "LeaseIdMismatchWithLeaseOperation",
                    "The lease ID specified did not match the lease ID for the blob.",
                )
    if action == "release":
        blob.lease = Lease()
        return BlobAnswer(200, head)
    if action == "change":
        raise BlobError(501, "NotImplemented", "The sandbox does not model the change of a lease's id.")
    if lease.broken:
        raise BlobError(
            409,
            "LeaseIsBrokenAndCannotBeRenewed",
            "The lease ID matched, but the lease has been broken explicitly and cannot be renewed.",
        )
    if state == "expired" and lease.etag and lease.etag != blob.etag:
        raise BlobError(
            409, "LeaseIdMismatchWithLeaseOperation", "The lease ID specified did not match the lease ID for the blob."
        )
    if lease.duration != _INFINITE:
        lease.ends = now + lease.duration
    return BlobAnswer(200, {**head, "x-ms-lease-id": lease.id})


def _acquire(blob: Blob, asked: _Asked, state: str, head: dict[str, str]) -> BlobAnswer:
    try:
        duration = int(asked.headers.get("x-ms-lease-duration", ""))
    except ValueError:
        raise BlobError(
            400, "MissingRequiredHeader", "An HTTP header that's mandatory for this request is not specified."
        ) from None
    if duration != _INFINITE and not _SHORTEST <= duration <= _LONGEST:
        raise BlobError(
            400, "InvalidHeaderValue", "The value for one of the HTTP headers is not in the correct format."
        )
    wanted = asked.headers.get("x-ms-proposed-lease-id", "").lower() or str(uuid.uuid4())
    if state == "breaking":
        raise (
            BlobError(
                409,
                "LeaseIsBreakingAndCannotBeAcquired",
                "The lease ID matched, but the lease is currently in breaking state and cannot be acquired until it is broken.",
            )
            if wanted == blob.lease.id
            else _already()
        )
    if state == "leased" and wanted != blob.lease.id:
        raise _already()
    blob.lease = Lease(wanted, duration, asked.now + duration)
    return BlobAnswer(201, {**head, "x-ms-lease-id": wanted})


def _already() -> BlobError:
    return BlobError(409, "LeaseAlreadyPresent", "There is already a lease present.")


def _break(blob: Blob, asked: _Asked, state: str, head: dict[str, str]) -> BlobAnswer:
    if state == "available":
        raise BlobError(409, "LeaseNotPresentWithLeaseOperation", "There is currently no lease on the blob.")
    lease, now = blob.lease, asked.now
    left = 0.0 if lease.duration == _INFINITE else max(0.0, lease.ends - now)
    given = asked.headers.get("x-ms-lease-break-period")
    wait = min(left, float(given)) if given and lease.duration != _INFINITE else float(given or left)
    if state in ("expired", "broken"):
        wait = 0.0
    lease.broken, lease.ends = True, now + wait
    return BlobAnswer(202, {**head, "x-ms-lease-time": str(round(wait))})


def _unknown(account: Account, blobs: dict[str, Blob], asked: _Asked) -> BlobAnswer:
    del account, blobs
    raise BlobError(501, "NotImplemented", f"The sandbox does not model {asked.method} with comp={asked.comp!r}.")


_OPERATIONS: dict[tuple[str, str], Callable[[Account, dict[str, Blob], _Asked], BlobAnswer]] = {
    ("PUT", ""): _put,
    ("GET", ""): _read,
    ("HEAD", ""): _read,
    ("DELETE", ""): _delete,
    ("PUT", "metadata"): _set_metadata,
    ("PUT", "lease"): _lease,
}


def _there(blobs: dict[str, Blob], asked: _Asked) -> Blob:
    found = blobs.get(asked.blob)
    if found is None:
        raise BlobError(404, "BlobNotFound", "The specified blob does not exist.")
    return found


def _check_conditions(blob: Blob | None, asked: _Asked, *, creates: bool) -> None:
    """https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations"""
    none, match = asked.headers.get("if-none-match"), asked.headers.get("if-match")
    if none is not None and blob is not None:
        if none == "*" and creates:
            raise BlobError(409, "BlobAlreadyExists", "The specified blob already exists.")
        if none.strip('"') == blob.etag.strip('"') or none == "*":
            status = 304 if asked.method in ("GET", "HEAD") else 412
            raise BlobError(
                status, "ConditionNotMet", "The condition specified using HTTP conditional header(s) is not met."
            )
    if match is not None and (blob is None or match not in ("*", blob.etag)):
        raise BlobError(412, "ConditionNotMet", "The condition specified using HTTP conditional header(s) is not met.")


def _check_lease(blob: Blob | None, asked: _Asked) -> None:
    """Before a write: the lease's id and no other, where there is a lease; none, where there is none."""
    lease = blob.lease if blob is not None else Lease()
    if lease.holds(asked.now):
        if not asked.lease_id:
            raise BlobError(
                412,
                "LeaseIdMissing",
                "There is currently a lease on the blob and no lease ID was specified in the request.",
            )
        if asked.lease_id != lease.id:
            raise BlobError(
                412,
                "LeaseIdMismatchWithBlobOperation",
                "The lease ID specified did not match the lease ID for the blob.",
            )
    elif asked.lease_id:
        code = "LeaseLost" if lease.id == asked.lease_id and not lease.broken else "LeaseNotPresentWithBlobOperation"
        if code == "LeaseLost":
            raise BlobError(412, code, "A lease ID was specified, but the lease for the blob has expired.")
        raise BlobError(412, code, "There is currently no lease on the blob.")
    elif lease.id and not lease.etag and blob is not None:
        lease.etag = blob.etag  # somebody writes after it ended: it cannot be renewed any more


def _refuse_unknown(asked: _Asked) -> None:
    """What Azure would act on and the sandbox would not is refused: the caller would believe that it was done."""
    for name in asked.headers:
        unknown = name.startswith("x-ms-") and name not in _HARMLESS and not name.startswith(_METADATA)
        if unknown or name in ("if-modified-since", "if-unmodified-since", "range"):
            raise BlobError(501, "NotImplemented", f"The sandbox does not model the header {name}.")
    for name in asked.query:
        if name not in ("comp", "restype", "timeout"):
            raise BlobError(501, "NotImplemented", f"The sandbox does not model the parameter {name}.")


def _metadata(asked: _Asked) -> dict[str, str]:
    return {k[len(_METADATA) :]: v for k, v in asked.headers.items() if k.startswith(_METADATA)}


def _md5(body: bytes) -> str:
    import base64

    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def _new_etag() -> str:
    return f'"0x8D{uuid.uuid4().hex[:13].upper()}"'


def _faulty(kind: str) -> BlobError:
    if kind == "throttled":
        return BlobError(
            503, "ServerBusy", "The server is currently unable to receive requests. Please retry your request."
        )
    if kind == "denied":
        return BlobError(
            403,
            "AuthorizationPermissionMismatch",
            "This request is not authorized to perform this operation using this permission.",
        )
    return BlobError(500, "InternalError", "The server encountered an internal error. Please retry the request.")


def _refusal(error: BlobError) -> BlobAnswer:
    body = f'<?xml version="1.0" encoding="utf-8"?>\n<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>'
    headers = {"Content-Type": "application/xml", "x-ms-error-code": error.code}
    if error.status == 401:
        headers["WWW-Authenticate"] = (
            f"Bearer authorization_uri=https://login.microsoftonline.com/common/oauth2/authorize resource_id={AUDIENCE}"
        )
    return BlobAnswer(error.status, headers, b"" if error.status == 304 else body.encode())
