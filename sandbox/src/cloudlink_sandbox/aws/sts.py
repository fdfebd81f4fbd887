"""STS: who am I, asked directly or through the presigned URL that is a token for EKS."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

from cloudlink_sandbox.aws.handlers import Handlers
from cloudlink_sandbox.aws.plain import Plain
from cloudlink_sandbox.aws.signature import is_right, signed

_PREFIX = "k8s-aws-v1."
_LONGEST = timedelta(minutes=15)  # X-Amz-Date is honoured this long by EKS, whatever X-Amz-Expires says
_SKEW = timedelta(minutes=5)


class StsHandlers(Handlers):
    def __init__(self) -> None:
        super().__init__(service_name="sts")
        self.automated_parameter_parsing = True

    def get_caller_identity(self) -> Plain:
        return Plain(
            {
                "UserId": "AIDASANDBOXUSER000001",
                "Account": self.cloud.account,
                "Arn": self.cloud.principal,
            }
        )


def _is_sts(host: str) -> bool:
    name = host.rsplit(":", 1)[0]
    return name in ("127.0.0.1", "localhost", "sts.amazonaws.com") or (
        name.startswith("sts.") and name.endswith((".amazonaws.com", ".amazonaws.com.cn"))
    )


def cluster_of_token(
    token: str,
    access_key: str,
    secret_key: str,
    clusters: Iterable[str],
    wall: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> str | None:
    """The one of these clusters that a token for EKS was made for, or None when the token is not good.

    A token is a presigned GetCallerIdentity request. The cluster's name is in the signed header ``x-k8s-aws-id``,
    which is not part of the URL: a check of the token has to try the name it knows.
    https://github.com/kubernetes-sigs/aws-iam-authenticator#api-authorization-from-outside-a-cluster
    """
    if not token.startswith(_PREFIX):
        return None
    coded = token[len(_PREFIX) :]
    try:
        url = base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    said = signed(parts.query, {})
    if said is None or query.get("Action") != "GetCallerIdentity" or said.scope.service != "sts":
        return None
    if not _is_sts(parts.netloc) or said.scope.access_key != access_key:
        return None
    if not {"host", "x-k8s-aws-id"} <= set(said.headers):
        return None
    try:
        made = datetime.strptime(said.moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        lasts = int(query.get("X-Amz-Expires", "0"))
    except ValueError:
        return None
    if not 0 < lasts <= _LONGEST.total_seconds() or not made - _SKEW <= wall() <= made + _LONGEST:
        return None
    for cluster in clusters:
        headers = {"host": parts.netloc, "x-k8s-aws-id": cluster}
        if is_right(said, secret_key, method="GET", path=parts.path, query=parts.query, headers=headers, body=b""):
            return cluster
    return None
