"""Azure Storage's answers about single blobs, as facts: they are all in the headers.

https://learn.microsoft.com/rest/api/storageservices/get-blob
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from cloudlink.core.object_store import Holder

HOLDER = "x-ms-meta-cloudlinklock"  # who holds the lease, in the blob's own metadata


@dataclass(frozen=True)
class BlobFacts:
    etag: str
    leased: bool
    holder: Holder | None


def blob_facts(headers: Mapping[str, str]) -> BlobFacts:
    """https://learn.microsoft.com/rest/api/storageservices/lease-blob (states of a lease: one that is breaking still
    keeps others out)"""
    leased = headers.get("x-ms-lease-state", "") in ("leased", "breaking")
    return BlobFacts(headers.get("ETag", ""), leased, _holder(headers.get(HOLDER, "")))


def holder_header(holder: Holder) -> dict[str, str]:
    return {HOLDER: base64.b64encode(holder.json().encode()).decode()}


def is_versioned(headers: Mapping[str, str]) -> bool:
    """Of a write: whether the account keeps what was written over."""
    return "x-ms-version-id" in headers


def code_of(headers: Mapping[str, str]) -> str:
    """Of a refusal. https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes"""
    return headers.get("x-ms-error-code", "")


def _holder(text: str) -> Holder | None:
    try:
        return Holder.parse(base64.b64decode(text, validate=True).decode()) if text else None
    except ValueError:
        return None
