"""What a cluster's refusals mean: the one place where the API server's and urllib3's errors become ours."""

from __future__ import annotations

import json
import ssl

from cloudlink.errors import CloudError, CloudlinkError, CredentialsError, MissingError, UnreachableError


class KubeApiError(Exception):
    """The API server answered, with something other than success. reason: its word, such as ``NotFound``."""

    def __init__(self, status: int, reason: str, message: str, what: str, retry_after: float | None = None) -> None:
        super().__init__(f"{what}: {status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.what = what
        self.retry_after = retry_after


class NoCluster(MissingError):
    """The cluster itself does not exist (not yet, or not any more)."""


def api_error(status: int, raw: bytes, retry_after: str | None, what: str) -> KubeApiError:
    reason, message = "", raw.decode(errors="replace").strip()[:500]
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if isinstance(body, dict) and body.get("kind") == "Status":
        reason, message = str(body.get("reason") or ""), str(body.get("message") or "")
    seconds = float(retry_after) if retry_after and retry_after.isdigit() else None
    return KubeApiError(status, reason, message, what, seconds)


def translate(error: Exception) -> CloudlinkError | None:
    """cloudlink's error for one of the cluster's; None when it is none of them."""
    if isinstance(error, KubeApiError):
        return _translated(error)
    if _is_transport(error):
        return UnreachableError(
            "The cluster does not answer",
            f"{_plain(error)}. A private cluster's API can only be reached from inside its network.",
            "Check that kubectl reaches the cluster from here, then run the command again.",
        )
    return None


def _translated(error: KubeApiError) -> CloudlinkError:
    detail = f"{error.what} was refused: {error.message or error.reason or error.status}"
    if error.status == 401:
        return CredentialsError(
            "The cluster does not accept our sign-in",
            detail,
            "Sign in again (az login, aws sso login) and run the command again.",
            code=error.reason,
        )
    if error.status == 403 and not _is_admission(error):
        return CredentialsError(
            "A permission is missing in the cluster",
            detail,
            "Ask for a role that allows this, for instance Azure Kubernetes Service RBAC Writer on AKS.",
            code=error.reason,
        )
    if error.status == 404:
        return MissingError("The cluster has no such object", detail, code=error.reason)
    if error.status >= 500:
        return UnreachableError(
            "The cluster answered with an error of its own", detail, "Run the command again.", code=error.reason
        )
    return CloudError("The cluster refused a request", detail, code=error.reason)


def _is_admission(error: KubeApiError) -> bool:
    """Policies and quotas answer 403 too, but no other sign-in would help against them. ``cannot VERB resource`` alone
    is a missing permission. https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/"""
    return any(mark in error.message for mark in _ADMISSION)


_ADMISSION = (
    "violates PodSecurity",
    "exceeded quota",
    "failed quota",
    "denied the request",  # webhooks
    "denied request",  # a ValidatingAdmissionPolicy
    "usage per Container",  # a LimitRange
)


def refused_by_policy(error: Exception) -> bool:
    """Whether admission refused it: a policy, a webhook, a quota; not a missing permission."""
    return isinstance(error, KubeApiError) and (error.status == 422 or _is_admission(error))


def no_permission(error: Exception) -> bool:
    return isinstance(error, KubeApiError) and error.status == 403 and not _is_admission(error)


def retryable(error: Exception) -> float | None:
    """Seconds until the same write is worth another try: our writes read first, and are merge patches."""
    if not isinstance(error, KubeApiError):
        return None
    if error.status == 409 and error.reason in ("Conflict", ""):
        return 1.0
    if error.status in (429, 503):
        return error.retry_after or 5.0
    return None


def unknown_outcome(error: Exception) -> bool:
    """Whether a write that ended so may have had its effect all the same."""
    if isinstance(error, KubeApiError):
        return error.status >= 500
    return isinstance(error, UnreachableError) or _is_transport(error)


def missing(error: Exception) -> bool:
    return isinstance(error, KubeApiError) and error.status == 404


def _is_transport(error: Exception) -> bool:
    from urllib3.exceptions import HTTPError

    return isinstance(error, HTTPError | ssl.SSLError)


def _plain(error: Exception) -> str:
    """urllib3 wraps the reason in its own words and objects; the innermost reason says what happened."""
    reason = getattr(error, "reason", None)
    while isinstance(reason, Exception) and getattr(reason, "reason", None) not in (None, reason):
        inner = reason.reason  # type: ignore[attr-defined]
        if not isinstance(inner, Exception):
            break
        reason = inner
    text = str(reason or error)
    return text.rpartition(": ")[2].rstrip(".") if text.startswith("<") else text.rstrip(".")
