"""S3, as far as a state in a bucket needs it: objects under conditions, versions, and what a bucket says of itself.

Not moto's: its S3 has neither conflicts of two writes at once nor regions. Addresses are by path, as SDKs ask a host that
is an IP address. Time is the wall's, because a lock's age is counted in it.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

from cloudlink_sandbox.aws.errors import ApiError, WireAnswer

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_NAME = re.compile(r"[a-z0-9](?!.*\.\.)[a-z0-9.-]{1,61}[a-z0-9]")
_LARGEST = 5 * 1024**3
# (method, whether a key is named, query parameter that says what is meant) -> operation
_OPERATIONS = {
    ("PUT", False, ""): "CreateBucket",
    ("HEAD", False, ""): "HeadBucket",
    ("DELETE", False, ""): "DeleteBucket",
    ("GET", False, "versioning"): "GetBucketVersioning",
    ("PUT", False, "versioning"): "PutBucketVersioning",
    ("GET", False, "location"): "GetBucketLocation",
    ("PUT", True, ""): "PutObject",
    ("GET", True, ""): "GetObject",
    ("HEAD", True, ""): "HeadObject",
    ("DELETE", True, ""): "DeleteObject",
}
OPERATIONS = frozenset(_OPERATIONS.values())
_PLAIN_QUERY = frozenset({"x-id", "versionId"})  # the first is the SDKs' own, and says nothing
# What SDKs send with these operations and what changes nothing here.
_HARMLESS = (
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-user-agent",
    "x-amz-sdk",
    "x-amz-checksum-mode",
)
_CRC32 = "x-amz-checksum-crc32"  # some SDKs send it with each body
_CONDITIONS = frozenset({"if-match", "if-none-match"})


@dataclass
class StoredVersion:
    version: str
    body: bytes
    written: float  # Unix time
    content_type: str = "binary/octet-stream"
    deleted: bool = False  # a delete marker

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.body, usedforsecurity=False).hexdigest()}"'


@dataclass
class Bucket:
    name: str
    region: str
    versioning: str = "Enabled"  # empty: never set
    objects: dict[str, list[StoredVersion]] = field(default_factory=dict)  # by key, the oldest first

    def current(self, key: str) -> StoredVersion | None:
        versions = self.objects.get(key)
        return versions[-1] if versions and not versions[-1].deleted else None


class Buckets:
    """Those of one account, by name. conflict: whether a fault makes a write meet another one."""

    def __init__(self) -> None:
        self.by_name: dict[str, Bucket] = {}

    def answer(
        self,
        operation: str,
        *,
        path: str,
        query: str,
        headers: dict[str, str],
        body: bytes,
        region: str,
        now: float,
    ) -> WireAnswer:
        """Raises ApiError. path and query as they were on the wire."""
        if operation not in OPERATIONS:
            raise ApiError("NotImplemented", f"The sandbox does not model {operation or 'this request'} of S3.", 501)
        name, key = _place(path)
        asked = dict(parse_qsl(query, keep_blank_values=True))
        _refuse_unknown(asked, headers, operation)
        _check_checksum(headers, body)
        if operation == "CreateBucket":
            return self._create(name, body, region)
        bucket = self.by_name.get(name)
        if bucket is None:
            raise ApiError("NoSuchBucket", "The specified bucket does not exist", 404)
        if bucket.region != region:
            raise WrongRegion(bucket.region, name)
        here: dict[str, Callable[[], WireAnswer]] = {
            "HeadBucket": lambda: _answer(200, headers={"x-amz-bucket-region": bucket.region}),
            "DeleteBucket": lambda: self._delete_bucket(bucket),
            "GetBucketVersioning": lambda: _versioning(bucket),
            "PutBucketVersioning": lambda: _set_versioning(bucket, body),
            "GetBucketLocation": lambda: _location(bucket),
            "PutObject": lambda: _put(bucket, key, headers, body, now),
            "GetObject": lambda: _get(bucket, key, asked, now, with_body=True),
            "HeadObject": lambda: _get(bucket, key, asked, now, with_body=False),
            "DeleteObject": lambda: _delete(bucket, key, asked, headers, now),
        }
        return here[operation]()

    def _create(self, name: str, body: bytes, region: str) -> WireAnswer:
        if not _NAME.fullmatch(name):
            raise ApiError("InvalidBucketName", "The specified bucket is not valid.")
        if name in self.by_name:
            message = "Your previous request to create the named bucket succeeded and you already own it."
            raise ApiError("BucketAlreadyOwnedByYou", message, 409)
        wanted = re.search(rb"<LocationConstraint[^>]*>([^<]+)<", body)
        if (wanted[1].decode() if wanted else "us-east-1") != region:
            message = "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to."
            raise ApiError("IllegalLocationConstraintException", message)
        self.by_name[name] = Bucket(name, region, versioning="")
        return _answer(200, headers={"Location": f"/{name}"})

    def _delete_bucket(self, bucket: Bucket) -> WireAnswer:
        if any(bucket.objects.values()):
            raise ApiError("BucketNotEmpty", "The bucket you tried to delete is not empty", 409)
        del self.by_name[bucket.name]
        return _answer(204)


class WrongRegion(ApiError):
    """https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html (PermanentRedirect)"""

    def __init__(self, region: str, bucket: str) -> None:
        message = (
            "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all "
            "future requests to this endpoint."
        )
        super().__init__("PermanentRedirect", message, 301)
        self.headers = {"x-amz-bucket-region": region}
        self.inner = f"<Endpoint>{escape(bucket)}.s3.{region}.amazonaws.com</Endpoint><Bucket>{escape(bucket)}</Bucket>"


def operation_of(method: str, path: str, query: str) -> str:
    """The operation's name; empty for one that is not modelled."""
    _, key = _place(path)
    marks = [k for k, _ in parse_qsl(query, keep_blank_values=True) if k not in _PLAIN_QUERY]
    return _OPERATIONS.get((method, bool(key), marks[0] if marks else ""), "") if len(marks) < 2 else ""


def _place(path: str) -> tuple[str, str]:
    bucket, _, key = path.lstrip("/").partition("/")
    return unquote(bucket), unquote(key)


def _refuse_unknown(asked: dict[str, str], headers: dict[str, str], operation: str) -> None:
    """A header that S3 would act on and the sandbox would not is refused: the caller would believe that it was done."""
    allowed = {
        "PutObject": {*_CONDITIONS},
        "DeleteObject": {"if-match"},
    }.get(operation, set())
    for name in headers:
        conditional = name in _CONDITIONS or name in ("if-modified-since", "if-unmodified-since", "range")
        acts = name.startswith("x-amz-") and not name.startswith(_HARMLESS) and name != _CRC32
        if (conditional or acts) and name not in allowed:
            raise ApiError(
                "NotImplemented", f"A header you provided implies functionality that is not implemented: {name}", 501
            )
    if "versionId" in asked and operation not in ("GetObject", "HeadObject", "DeleteObject"):
        raise ApiError("InvalidArgument", "This operation does not accept a version-id.")


def _check_checksum(headers: dict[str, str], body: bytes) -> None:
    if (given := headers.get(_CRC32)) and given != base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode():
        raise ApiError("BadDigest", "The CRC32 you specified did not match the calculated checksum.")
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    if (given := headers.get("content-md5")) and given != base64.b64encode(digest).decode():
        raise ApiError("BadDigest", "The Content-MD5 you specified did not match what we received.")


def _put(bucket: Bucket, key: str, headers: dict[str, str], body: bytes, now: float) -> WireAnswer:
    if len(body) > _LARGEST or len(key.encode()) > 1024:
        raise ApiError("KeyTooLongError", "Your key is too long")
    current = bucket.current(key)
    _check(current, headers)
    version = StoredVersion(
        secrets.token_urlsafe(24) if bucket.versioning == "Enabled" else "null",
        body,
        now,
        headers.get("content-type") or "binary/octet-stream",
    )
    kept = bucket.objects.setdefault(key, [])
    if version.version == "null":
        kept[:] = [v for v in kept if v.version != "null"]
    kept.append(version)
    return _answer(200, headers={"ETag": version.etag, **_version_header(bucket, version)})


def _check(current: StoredVersion | None, headers: dict[str, str]) -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html"""
    failed = ApiError("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412)
    if (none := headers.get("if-none-match")) is not None:
        if none != "*":
            raise ApiError("NotImplemented", "A header you provided implies functionality that is not implemented", 501)
        if current is not None:
            raise failed
    if (match := headers.get("if-match")) is not None:
        if current is None:
            raise ApiError("NoSuchKey", "The specified key does not exist.", 404)
        if match.strip('"') != current.etag.strip('"') and match != "*":
            raise failed


def _get(bucket: Bucket, key: str, asked: dict[str, str], now: float, *, with_body: bool) -> WireAnswer:
    wanted = asked.get("versionId")
    if wanted is None:
        found = bucket.current(key)
        if found is None:
            raise ApiError("NoSuchKey", "The specified key does not exist.", 404)
    else:
        found = next((v for v in bucket.objects.get(key, ()) if v.version == wanted), None)
        if found is None:
            raise ApiError("NoSuchVersion", "The specified version does not exist.", 404)
        if found.deleted:
            raise ApiError("MethodNotAllowed", "The specified method is not allowed against this resource.", 405)
    return _answer(
        200,
        found.body if with_body else b"",
        {
            "Content-Type": found.content_type,
            "ETag": found.etag,
            "Last-Modified": formatdate(found.written, usegmt=True),
            "Date": formatdate(now, usegmt=True),
            "Accept-Ranges": "bytes",
            **_version_header(bucket, found),
        },
    )


def _delete(bucket: Bucket, key: str, asked: dict[str, str], headers: dict[str, str], now: float) -> WireAnswer:
    """Without a version: a delete marker, or in a bucket that keeps none the object itself."""
    kept = bucket.objects.get(key, [])
    if (wanted := asked.get("versionId")) is not None:
        kept[:] = [v for v in kept if v.version != wanted]
        return _answer(204, headers={"x-amz-version-id": wanted})
    current = bucket.current(key)
    if (match := headers.get("if-match")) is not None:
        if current is None:
            raise ApiError("NoSuchKey", "The specified key does not exist.", 404)
        if match.strip('"') != current.etag.strip('"') and match != "*":
            raise ApiError("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412)
    if bucket.versioning != "Enabled":
        kept[:] = [v for v in kept if v.version != "null"]
        return _answer(204)
    marker = StoredVersion(secrets.token_urlsafe(24), b"", now, deleted=True)
    bucket.objects.setdefault(key, []).append(marker)
    return _answer(204, headers={"x-amz-delete-marker": "true", "x-amz-version-id": marker.version})


def _version_header(bucket: Bucket, version: StoredVersion) -> dict[str, str]:
    return {"x-amz-version-id": version.version} if bucket.versioning else {}


def _versioning(bucket: Bucket) -> WireAnswer:
    inner = f"<Status>{bucket.versioning}</Status>" if bucket.versioning else ""
    return _xml(f'<VersioningConfiguration xmlns="{_NAMESPACE}">{inner}</VersioningConfiguration>')


def _set_versioning(bucket: Bucket, body: bytes) -> WireAnswer:
    found = re.search(rb"<Status>(Enabled|Suspended)</Status>", body)
    if found is None:
        message = "The XML you provided was not well-formed or did not validate against our published schema"
        raise ApiError("MalformedXML", message)
    bucket.versioning = found[1].decode()
    return _answer(200)


def _location(bucket: Bucket) -> WireAnswer:
    where = "" if bucket.region == "us-east-1" else bucket.region
    return _xml(f'<LocationConstraint xmlns="{_NAMESPACE}">{where}</LocationConstraint>')


def _xml(text: str) -> WireAnswer:
    return _answer(200, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode(), {"Content-Type": "application/xml"})


def _answer(status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> WireAnswer:
    number = secrets.token_hex(8).upper()
    return WireAnswer(status, {"x-amz-request-id": number, "x-amz-id-2": "c2FuZGJveA==", **(headers or {})}, body)
