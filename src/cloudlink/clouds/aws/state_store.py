"""A state in an S3 bucket: one object, and beside it a lock that is written under conditions.

S3 has no leases. The lock is an object that is made only where there is none (``If-None-Match: *``) and changed only
as it was read (``If-Match``). It does not end by itself: how old it is, S3's own clock says, and who finds one that has
ended takes it over. The state is written under conditions as well, and the run that takes the lock writes it once: from then
on a write of the run before is refused, whatever that run believes.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
"""

from __future__ import annotations

import base64
import hashlib
import shlex
import threading
import time
from collections.abc import Callable
from typing import Any

from cloudlink.clouds.aws import parse_objects
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.errors import code_of
from cloudlink.clouds.aws.parse_objects import StoredObject
from cloudlink.core.object_store import LOCK_SECONDS, Held, Holder, LockHeld, LockLost, same_lock
from cloudlink.errors import CredentialsError, StateError

_CONDITION = frozenset({"PreconditionFailed", "412"})
_AGAIN = frozenset({"ConditionalRequestConflict", "409"})  # two writes at the same time: S3 asks to repeat it
_ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})
_ELSEWHERE = frozenset(
    {"PermanentRedirect", "301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)
_TRIES = 5


class S3Store:
    """One key of a bucket. aws: of the bucket's region. sleep: between two tries, seconds of the wall clock."""

    def __init__(self, aws: Aws, bucket: str, key: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._aws = aws
        self._bucket = bucket
        self._key = key
        self._sleep = sleep
        self._guard = threading.RLock()
        self._made: Any = None
        self._state = ""  # the state's ETag as it was read or written last; empty: there is none
        self._lock = ""  # that of our lock; empty: we have none
        self._holder: Holder | None = None
        self._beats = 0
        self._versions: bool | None = None

    @property
    def where(self) -> str:
        return f"s3://{self._bucket}/{self._key}"

    @property
    def keeps_versions(self) -> bool | None:
        return self._versions

    @property
    def versions_hint(self) -> str:
        return (
            f"aws s3api put-bucket-versioning --bucket {shlex.quote(self._bucket)} --versioning-configuration "
            "Status=Enabled"
        )

    # --- the lock -----------------------------------------------------------------------------------------

    def lock(self, holder: Holder, *, is_dead: Callable[[Holder], bool]) -> None:
        for _ in range(_TRIES):
            found = self._get(self._lock_key)
            if found is not None:
                held = _held(found)
                ended = held.quiet is not None and held.quiet > LOCK_SECONDS
                if not ended and not (held.holder is not None and is_dead(held.holder)):
                    raise LockHeld(held)
            self._holder = holder
            try:
                self._lock = self._put_lock({"IfMatch": found.etag} if found is not None else {"IfNoneMatch": "*"})
                return
            except LockLost:
                continue  # another one was quicker: see who
        raise LockHeld(Held(None, None, ""))

    def renew(self) -> None:
        with self._guard:
            if not self._lock:
                raise LockLost("it was given back")
            self._lock = self._put_lock({"IfMatch": self._lock})

    def unlock(self) -> None:
        with self._guard:
            if self._lock:
                etag, self._lock = self._lock, ""
                self._delete(self._lock_key, etag)

    def held(self) -> Held | None:
        found = self._get(self._lock_key)
        if found is None:
            return None
        held = _held(found)
        return None if held.quiet is not None and held.quiet > LOCK_SECONDS else held

    def break_lock(self, held: Held) -> None:
        found: Held | None = held
        for attempt in range(_TRIES):
            if found is None:
                break
            try:
                self._delete(self._lock_key, found.token)
                break
            except LockLost:
                if attempt + 1 == _TRIES:
                    raise LockHeld(found) from None
                found = same_lock(held, self.held())
        # A state that is not as the old holder left it: its next write is refused although nobody else has written.
        for _ in range(_TRIES):
            state = self._get(self._key)
            if state is None:
                return
            try:
                self._put(self._key, f"{state.text}\n", {"IfMatch": state.etag})
                return
            except LockLost:
                # The old holder's last write came between. A new holder marks the state itself.
                if self.held() is not None:
                    return
        raise LockHeld(held)

    def _put_lock(self, condition: dict[str, str]) -> str:
        assert self._holder is not None
        self._beats += 1  # so that each sign of life has an ETag of its own
        text = f"{self._holder.json()}\n{self._beats}\n"
        return self._put(self._lock_key, text, condition)

    @property
    def _lock_key(self) -> str:
        return f"{self._key}.lock"

    # --- the state ----------------------------------------------------------------------------------------

    def read(self) -> str | None:
        found = self._get(self._key)
        self._state = found.etag if found is not None else ""
        return found.text if found is not None else None

    def write(self, text: str) -> None:
        with self._guard:
            if not self._lock:
                raise LockLost("it was given back")
            self._state = self._put(
                self._key, text, {"IfMatch": self._state} if self._state else {"IfNoneMatch": "*"}, state=True
            )

    def delete(self) -> None:
        with self._guard:
            if not self._lock:
                raise LockLost("it was given back")
            if self._state:
                self._delete(self._key, self._state)
                self._state = ""

    # --- calls --------------------------------------------------------------------------------------------

    @property
    def _client(self) -> Any:
        with self._guard:
            if self._made is None:
                try:
                    self._aws.sign_in()
                    self._made = self._aws.client("s3")
                except Exception as error:
                    raise self._translated(error) from error
                # botocore would ask another region's host by itself, which an answer names.
                self._made.meta.events.register_last("before-parameter-build.s3", _stay)
            return self._made

    def _get(self, key: str) -> StoredObject | None:
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
            return parse_objects.stored_object(answer)
        except UnicodeDecodeError as error:
            what = "lock" if key == self._lock_key else "state file"
            raise StateError(
                f"The {what} is damaged",
                f"s3://{self._bucket}/{key} is not a {what} of cloudlink: UnicodeDecodeError. Nothing was changed.",
                "Put an older version of it back, or move it away.",
            ) from error
        except Exception as error:
            if code_of(error) in _ABSENT:
                return None
            raise self._translated(error) from error

    def _put(self, key: str, text: str, condition: dict[str, str], *, state: bool = False) -> str:
        """The new ETag. Raises LockLost where the condition does not hold."""
        body = text.encode()
        # A bucket with Object Lock takes no write without a checksum.
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
        checksum = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
        for attempt in range(_TRIES):
            try:
                answer = self._client.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=body,
                    ContentMD5=checksum,
                    ContentType="application/json",
                    **condition,
                )
            except Exception as error:
                code = code_of(error)
                if code in _AGAIN and attempt + 1 < _TRIES:
                    self._sleep(0.2 * 2**attempt)
                    continue
                if code in _CONDITION or code in _ABSENT:
                    # It may have been our own write whose answer was lost, and which the SDK then repeated.
                    found = self._get(key)
                    if found is not None and found.text == text:
                        return found.etag
                    raise LockLost("another run has written there") from error
                raise self._translated(error) from error
            written = parse_objects.written(answer)
            if state:
                self._versions = written.versioned
            return written.etag
        raise AssertionError("the last try returns or raises")

    def _delete(self, key: str, etag: str) -> None:
        """Raises LockLost for an object that was changed; one that is gone is deleted."""
        try:
            self._client.delete_object(Bucket=self._bucket, Key=key, IfMatch=etag)
        except Exception as error:
            code = code_of(error)
            if code in _ABSENT:
                return
            if code in _CONDITION or code in _AGAIN:
                raise LockLost("another run has written there") from error
            raise self._translated(error) from error

    def _translated(self, error: Exception) -> Exception:
        code = code_of(error)
        bucket = shlex.quote(self._bucket)
        if code == "NoSuchBucket":
            return StateError(
                "The bucket of the state does not exist",
                f"{self.where}: there is no bucket {self._bucket}. cloudlink does not make one.",
                f"Correct state.location, or make it: aws s3 mb s3://{bucket} --region {self._aws.region}",
                code=code,
            )
        if code in _ELSEWHERE:
            region = parse_objects.region_of(error)
            return StateError(
                "The bucket of the state is in another region",
                f"{self.where} was asked in {self._aws.region}" + (f", and is in {region}." if region else "."),
                f'Set state.region = "{region or "..."}"'
                + ("" if region else f" (aws s3api head-bucket --bucket {bucket})"),
                code=code,
            )
        known = self._aws.translate(error)
        if isinstance(known, CredentialsError) and code in ("AccessDenied", "403"):
            needs = (
                "The state needs s3:GetObject, s3:PutObject and s3:DeleteObject on the object and on the one beside it "
                "that ends in .lock, and s3:ListBucket on the bucket."
            )
            if "kms:" in known.detail:
                needs = (
                    "The bucket encrypts with a key of KMS: the state needs kms:GenerateDataKey and kms:Decrypt on that "
                    "key, and the key's own policy must let the account's users in."
                )
            elif "resource-based policy" in known.detail:
                needs += (
                    " Here the policy of the bucket denies it. If it wants an encryption header with each write: "
                    "cloudlink sends none, as S3 encrypts every object by the bucket's default; take that statement out of "
                    "the policy, or let both objects through."
                )
            return CredentialsError(
                known.summary,
                f"{self.where}: {known.detail}",
                f"{needs} {known.hint}",
                request_id=known.request_id,
                code=known.code,
            )
        return known if known is not None else error


def _held(found: StoredObject) -> Held:
    return Held(Holder.parse(found.text.partition("\n")[0]), found.age, found.etag)


def _stay(context: Any = None, **_: Any) -> None:
    """As if the request had been sent to another region already: then botocore sends it to no further one."""
    if isinstance(context, dict) and isinstance(context.get("s3_redirect"), dict):
        context["s3_redirect"]["redirected"] = True
