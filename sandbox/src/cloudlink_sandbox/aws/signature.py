"""Signature version 4, from the side that checks it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class Scope:
    """Who signed for what: the credential scope of a request."""

    access_key: str
    date: str
    region: str
    service: str

    @classmethod
    def parse(cls, credential: str) -> Scope | None:
        parts = credential.split("/")
        if len(parts) != 5 or parts[4] != "aws4_request":
            return None
        return cls(*parts[:4])

    @property
    def text(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True)
class Signed:
    """What a request says about its own signature. in_query: presigned, as in a token for EKS."""

    scope: Scope
    headers: tuple[str, ...]
    signature: str
    moment: str  # X-Amz-Date
    in_query: bool


def signed(query: str, headers: Mapping[str, str]) -> Signed | None:
    """Read the signature of a request; None when it carries none. ``headers`` have lower-case names."""
    authorization = headers.get("authorization", "")
    if authorization.startswith(_ALGORITHM):
        fields = dict(part.strip().split("=", 1) for part in authorization[len(_ALGORITHM) :].split(",") if "=" in part)
        moment, in_query = headers.get("x-amz-date", ""), False
        credential, names = fields.get("Credential", ""), fields.get("SignedHeaders", "")
        signature = fields.get("Signature", "")
    else:
        given = dict(parse_qsl(query, keep_blank_values=True))
        if given.get("X-Amz-Algorithm") != _ALGORITHM:
            return None
        moment, in_query = given.get("X-Amz-Date", ""), True
        credential, names = given.get("X-Amz-Credential", ""), given.get("X-Amz-SignedHeaders", "")
        signature = given.get("X-Amz-Signature", "")
    scope = Scope.parse(credential)
    if scope is None:
        return None
    return Signed(scope, tuple(names.split(";")), signature, moment, in_query)


def _canonical_query(query: str) -> str:
    pairs = [
        (quote(k, safe="-_.~"), quote(v, safe="-_.~"))
        for k, v in parse_qsl(query, keep_blank_values=True)
        if k != "X-Amz-Signature"
    ]
    return "&".join(f"{k}={v}" for k, v in sorted(pairs))


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _body_hash(said: Signed, headers: Mapping[str, str], body: bytes) -> str:
    """S3's clients may leave the body out of the signature; what they say it is else has to be so.

    https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
    """
    claimed = headers.get("x-amz-content-sha256", "")
    if said.scope.service == "s3" and claimed == "UNSIGNED-PAYLOAD":
        return claimed
    return hashlib.sha256(body).hexdigest()


def is_right(
    said: Signed, secret_key: str, *, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
) -> bool:
    """Whether this secret key made this signature. ``path`` is as it was sent (percent-encoded)."""
    canonical = "\n".join(
        (
            method,
            # every service but S3 encodes the path twice
            (path or "/") if said.scope.service == "s3" else quote(path or "/", safe="/-_.~"),
            _canonical_query(query),
            *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in said.headers),
            "",
            ";".join(said.headers),
            _body_hash(said, headers, body),
        )
    )
    to_sign = "\n".join((_ALGORITHM, said.moment, said.scope.text, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{secret_key}".encode()
    for part in (said.scope.date, said.scope.region, said.scope.service, "aws4_request"):
        key = _hmac(key, part)
    return hmac.compare_digest(hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest(), said.signature)
