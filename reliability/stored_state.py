"""A state in an object store, as its owners and other machines get at it: the object, its versions and its lock."""

from __future__ import annotations

import json
import time
import uuid
from urllib.parse import urlsplit

from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.state_store import S3Store
from cloudlink.clouds.azure.session import AzureSession
from cloudlink.clouds.azure.state_store import BlobStore
from cloudlink.core.object_store import Holder, LockHeld, ObjectStore
from cloudlink.core.polling import WallClock
from cloudlink.sandbox_client import endpoints_of
from cloudlink_sandbox.aws.object_storage import Bucket, StoredVersion
from cloudlink_sandbox.azure.blob_service import Blob
from reliability.harness import Harness

ELSEWHERE = "build-7.elsewhere"
WRITES = {"s3": "aws.PutObject", "azblob": "blob.PUT:blob"}
READS = {"s3": "aws.GetObject", "azblob": "blob.GET:blob"}


class StoredState:
    """location: as in ``[state]``."""

    def __init__(self, harness: Harness, location: str) -> None:
        self.harness = harness
        parts = urlsplit(location)
        self.scheme, self.host, self.key = parts.scheme, parts.netloc, parts.path.lstrip("/")
        self.container, _, self.blob = self.key.partition("/")

    # --- the object -------------------------------------------------------------------------------------

    def _bucket(self) -> Bucket:
        return self.harness.sandbox.aws.buckets.by_name[self.host]

    def _blobs(self) -> dict[str, Blob]:
        return self.harness.sandbox.blobs.accounts[self.host].containers[self.container]

    def versions(self) -> list[bytes]:
        """The oldest first, the one that counts last; none when there is no state."""
        with self.harness.sandbox.context.lock:
            if self.scheme == "s3":
                current = self._bucket().current(self.key)
                return [v.body for v in self._bucket().objects[self.key] if not v.deleted] if current else []
            found = self._blobs().get(self.blob)
            return [*found.versions, found.body] if found and found.body else []

    def put(self, body: bytes) -> None:
        """What its owner writes over it, by hand."""
        with self.harness.sandbox.context.lock:
            if self.scheme == "s3":
                version = StoredVersion(str(uuid.uuid4()), body, self.harness.sandbox.context.clock.real())
                self._bucket().objects.setdefault(self.key, []).append(version)
            else:
                found = self._blobs()[self.blob]
                found.versions.append(found.body)
                found.body, found.etag = body, f'"0x{uuid.uuid4().hex[:15].upper()}"'
            self.harness.sandbox.context.touch()

    def remove(self) -> None:
        with self.harness.sandbox.context.lock:
            if self.scheme == "s3":
                self._bucket().objects.pop(self.key, None)
            else:
                self._blobs().pop(self.blob, None)
            self.harness.sandbox.context.touch()

    def left(self) -> list[str]:
        """What there is beside nothing: after a teardown neither state nor lock."""
        with self.harness.sandbox.context.lock:
            if self.scheme == "s3":
                return [key for key in self._bucket().objects if self._bucket().current(key)]
            return list(self._blobs())

    # --- the lock ---------------------------------------------------------------------------------------

    def _store(self) -> ObjectStore:
        endpoints = endpoints_of(self.harness.sandbox.address())
        if self.scheme == "s3":
            region, clock = self.harness.link.aws.region, WallClock()
            return S3Store(Aws(region=region, endpoints=endpoints, clock=clock), self.host, self.key)
        side = self.harness.link.azure
        session = AzureSession(side, endpoints)
        return BlobStore(session, side, self.host, self.container, self.blob, base_url=endpoints.blob_url)

    def lock_from_elsewhere(self) -> bool:
        """Another machine takes the lock and is not heard of any more; False when one of ours is still held."""
        holder = Holder(str(uuid.uuid4()), "colleague", ELSEWHERE, 4711, "cloudlink up", time.time(), "another-machine")
        try:
            self._store().lock(holder, is_dead=lambda _holder: False)
        except LockHeld:
            return False
        return True


def newer(text: bytes) -> bytes:
    """The same state as a later cloudlink would write it."""
    return json.dumps({**json.loads(text), "format": 99}).encode()
