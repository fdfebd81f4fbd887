"""S3's answers about single objects, as facts. https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from cloudlink.clouds.malformed import parsing


@dataclass(frozen=True)
class StoredObject:
    text: str
    etag: str
    age: float | None  # seconds since it was written, both told by S3; None: it did not tell


@dataclass(frozen=True)
class Written:
    etag: str
    versioned: bool  # whether the bucket keeps what was written over


@parsing("S3's answers")
def stored_object(answer: Mapping[str, Any]) -> StoredObject:
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    age = None
    if date:
        age = parsedate_to_datetime(date).timestamp() - answer["LastModified"].timestamp()
    return StoredObject(answer["Body"].read().decode(), str(answer["ETag"]), age)


@parsing("S3's answers")
def written(answer: Mapping[str, Any]) -> Written:
    # A bucket whose versioning is suspended names the version "null".
    return Written(str(answer["ETag"]), answer.get("VersionId") not in (None, "null"))


def region_of(error: Exception) -> str:
    """Where S3 says that the bucket is; empty: it does not say."""
    response = getattr(error, "response", None) or {}
    headers = (response.get("ResponseMetadata") or {}).get("HTTPHeaders") or {}
    return str(headers.get("x-amz-bucket-region") or (response.get("Error") or {}).get("Region") or "")
