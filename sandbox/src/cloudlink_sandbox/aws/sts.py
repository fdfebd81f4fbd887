"""STS: who am I, asked directly or through the presigned URL that is a token for EKS; and the keys of roles.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa_configure-api-require.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cloudlink_sandbox.aws.errors import ApiError, denied
from cloudlink_sandbox.aws.handlers import Handlers
from cloudlink_sandbox.aws.plain import Plain
from cloudlink_sandbox.aws.sessions import TemporaryKeys
from cloudlink_sandbox.aws.signature import is_right, signed

USER_ID = "AIDASANDBOXUSER000001"
_PREFIX = "k8s-aws-v1."
_LONGEST = timedelta(minutes=15)  # X-Amz-Date is honoured this long by EKS, whatever X-Amz-Expires says
_SKEW = timedelta(minutes=5)


class StsHandlers(Handlers):
    def __init__(self) -> None:
        super().__init__(service_name="sts")
        self.automated_parameter_parsing = True

    def get_caller_identity(self) -> Plain:
        keys = self.cloud.acting
        return Plain(
            {
                "UserId": USER_ID if keys is None else keys.user_id,
                "Account": self.cloud.account,
                "Arn": self.cloud.principal,
            }
        )

    def assume_role(self) -> Plain:
        """Raises ApiError for a role that the caller may not assume, and for a one-time code that its device does not show."""
        arn, session = self.given("RoleArn"), self.given("RoleSessionName")
        role = self.cloud.sessions.roles.get(arn.rpartition("/")[2])
        here = role is not None and arn == f"arn:aws:iam::{self.cloud.account}:role/{role.name}"
        proved = self._proved()
        external = self.given("ExternalId")
        if role is None or not here or (role.mfa and not proved) or (role.external_id or external) != external:
            raise denied(self.protocol, self.cloud.principal, f"sts:AssumeRole on resource: {arn}")
        seconds = int(self.given("DurationSeconds", 3_600))
        chained = self.cloud.acting is not None and self.cloud.acting.principal != self.cloud.user
        if seconds > (3_600 if chained else role.longest):
            why = (
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
                if chained
                else "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
            )
            raise ApiError("ValidationError", why)
        self._check_seconds(seconds, 43_200)
        user_id = f"{role_id(role.name)}:{session}"
        principal = f"arn:aws:sts::{self.cloud.account}:assumed-role/{role.name}/{session}"
        keys = self.cloud.sessions.open(principal, user_id, seconds)
        shown = {"AssumedRoleId": user_id, "Arn": principal}
        return Plain({"Credentials": _shown(keys), "AssumedRoleUser": shown, "PackedPolicySize": 0})

    def get_session_token(self) -> Plain:
        """Temporary keys of the user. Raises ApiError for a session that asks, and for a wrong one-time code."""
        if self.cloud.acting is not None:
            raise ApiError("AccessDenied", "Cannot call GetSessionToken with session credentials", 403)
        self._proved()
        seconds = int(self.given("DurationSeconds", 43_200))
        self._check_seconds(seconds, 129_600)
        return Plain({"Credentials": _shown(self.cloud.sessions.open(self.cloud.user, USER_ID, seconds))})

    def _check_seconds(self, seconds: int, most: int) -> None:
        if not 900 <= seconds <= most:
            raise ApiError(
                "ValidationError",
                f"1 validation error detected: Value '{seconds}' at 'durationSeconds' failed to satisfy constraint: "
                f"Member must have value {'greater' if seconds < 900 else 'less'} than or equal to "
                f"{900 if seconds < 900 else most}",
            )

    def _proved(self) -> bool:
        """Whether the call carries a right one-time code. Raises ApiError for a wrong one."""
        serial, code = self.given("SerialNumber"), self.given("TokenCode")
        if not serial and not code:
            return False
        sessions = self.cloud.sessions
        if not serial or not code:
            # Assumption: the code of this refusal.
            why = "must provide both MFA serial number and one time pass code"
        elif serial not in sessions.devices:
            why = "unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this user."
        elif not sessions.accepts(serial, code):
            raise ApiError(
                "AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code. ", 403
            )
        else:
            return True
        raise ApiError("AccessDenied", f"MultiFactorAuthentication failed, {why}", 403)


def role_id(name: str) -> str:
    """The same for the same role. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-prefixes"""
    letters = base64.b32encode(hashlib.sha256(name.encode()).digest()).decode()
    return f"AROA{letters[:17]}"


def _shown(keys: TemporaryKeys) -> dict[str, Any]:
    return {
        "AccessKeyId": keys.access_key,
        "SecretAccessKey": keys.secret_key,
        "SessionToken": keys.token,
        "Expiration": datetime.fromtimestamp(int(keys.ends), UTC),
    }


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
