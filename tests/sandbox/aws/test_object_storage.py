"""S3 in the sandbox: objects under conditions, versions, and its own form of refusal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.state.object_stores import BUCKET, REGION, endpoints, sandbox_with_stores
from tests.support.clocks import FakeClock

from cloudlink.clouds.aws.client import Aws
from cloudlink_sandbox.faults import Fault
from cloudlink_sandbox.process import Sandbox


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with sandbox_with_stores(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="module")
def s3(sandbox: Sandbox) -> Any:
    return Aws(region=REGION, endpoints=endpoints(sandbox), clock=FakeClock()).client("s3", once=True)


def refused(call: Any, **asked: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as raised:
        call(**asked)
    response = raised.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.documentation("S3 writes an object only where there is none (If-None-Match), or as it was read (If-Match)")
def test_conditions_of_a_write(s3: Any) -> None:
    first = s3.put_object(Bucket=BUCKET, Key="a/b c", Body=b"1", IfNoneMatch="*")["ETag"]
    assert refused(s3.put_object, Bucket=BUCKET, Key="a/b c", Body=b"2", IfNoneMatch="*") == ("PreconditionFailed", 412)
    second = s3.put_object(Bucket=BUCKET, Key="a/b c", Body=b"2", IfMatch=first)["ETag"]
    assert refused(s3.put_object, Bucket=BUCKET, Key="a/b c", Body=b"3", IfMatch=first) == ("PreconditionFailed", 412)
    assert refused(s3.put_object, Bucket=BUCKET, Key="none", Body=b"3", IfMatch=first) == ("NoSuchKey", 404)
    assert s3.get_object(Bucket=BUCKET, Key="a/b c")["Body"].read() == b"2"
    assert refused(s3.delete_object, Bucket=BUCKET, Key="a/b c", IfMatch=first) == ("PreconditionFailed", 412)
    s3.delete_object(Bucket=BUCKET, Key="a/b c", IfMatch=second)
    assert refused(s3.get_object, Bucket=BUCKET, Key="a/b c") == ("NoSuchKey", 404)


@pytest.mark.documentation("A bucket with versioning keeps what was written over and what was deleted; others say so")
def test_versions(s3: Any) -> None:
    old = s3.put_object(Bucket=BUCKET, Key="v", Body=b"old")["VersionId"]
    s3.put_object(Bucket=BUCKET, Key="v", Body=b"new")
    marker = s3.delete_object(Bucket=BUCKET, Key="v")
    assert marker["DeleteMarker"] is True
    assert s3.get_object(Bucket=BUCKET, Key="v", VersionId=old)["Body"].read() == b"old"
    made = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket="plain", CreateBucketConfiguration=made)
    assert "VersionId" not in s3.put_object(Bucket="plain", Key="v", Body=b"x")
    assert "Status" not in s3.get_bucket_versioning(Bucket="plain")
    s3.put_bucket_versioning(Bucket="plain", VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket="plain")["Status"] == "Enabled"


@pytest.mark.documentation("Two writes at the same moment: S3 answers one of them 409, which is to be repeated")
def test_a_conflict_by_a_fault(s3: Any, sandbox: Sandbox) -> None:
    sandbox.context.faults.add(Fault("conflict", "aws.PutObject"))
    asked = {"Bucket": BUCKET, "Key": "met", "Body": b"1", "IfNoneMatch": "*"}
    assert refused(s3.put_object, **asked) == ("ConditionalRequestConflict", 409)
    assert s3.put_object(**asked)["ETag"]


@pytest.mark.documentation("What is not there, and what is elsewhere, has S3's codes")
def test_refusals(s3: Any) -> None:
    assert refused(s3.get_object, Bucket="nobodys-bucket", Key="x") == ("NoSuchBucket", 404)
    made = {"LocationConstraint": REGION}
    assert refused(s3.create_bucket, Bucket=BUCKET, CreateBucketConfiguration=made) == ("BucketAlreadyOwnedByYou", 409)


@pytest.mark.documentation("A body that does not fit its Content-MD5 is refused and not kept")
def test_a_body_that_does_not_fit_its_checksum(s3: Any) -> None:
    asked = {"Bucket": BUCKET, "Key": "summed", "Body": b"1"}
    assert refused(s3.put_object, ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==", **asked)[0] == "BadDigest"
    assert refused(s3.get_object, Bucket=BUCKET, Key="summed")[0] == "NoSuchKey"
    assert s3.put_object(ContentMD5="xMpCOKC5I4INzFCab3WEmw==", **asked)["ETag"]


@pytest.mark.own("What S3 would act on and the sandbox would not is refused, and not dropped")
def test_what_is_not_modelled_is_refused(s3: Any) -> None:
    code, status = refused(s3.put_object, Bucket=BUCKET, Key="x", Body=b"1", ServerSideEncryption="aws:kms")
    assert (code, status) == ("NotImplemented", 501)
    assert refused(s3.put_object, Bucket=BUCKET, Key="x", Body=b"1", Tagging="a=b")[0] == "NotImplemented"
    assert refused(s3.get_object, Bucket=BUCKET, Key="x", Range="bytes=0-1")[0] == "NotImplemented"
    assert refused(s3.list_objects_v2, Bucket=BUCKET)[0] == "NotImplemented"
