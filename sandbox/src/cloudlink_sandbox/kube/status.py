"""How an API server says no: Status objects.

https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
"""

from __future__ import annotations

from typing import Any

from cloudlink_sandbox.kube.kinds import Kind


class ApiError(Exception):
    """A request that is answered with a Status of failure."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: dict[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details or {}
        self.retry_after = retry_after

    def json(self) -> dict[str, Any]:
        details = dict(self.details)
        if self.retry_after is not None:
            details["retryAfterSeconds"] = self.retry_after
        answer: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        if details:
            answer["details"] = details
        return answer


def _named(kind: Kind, name: str) -> tuple[str, dict[str, Any]]:
    what = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
    details: dict[str, Any] = {"name": name, "kind": kind.plural}
    if kind.group:
        details["group"] = kind.group
    return what, details


def not_found(kind: Kind, name: str) -> ApiError:
    what, details = _named(kind, name)
    return ApiError(404, "NotFound", f'{what} "{name}" not found', details)


def already_exists(kind: Kind, name: str) -> ApiError:
    what, details = _named(kind, name)
    return ApiError(409, "AlreadyExists", f'{what} "{name}" already exists', details)


def conflict(kind: Kind, name: str, why: str = "") -> ApiError:
    what, details = _named(kind, name)
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    return ApiError(409, "Conflict", f'Operation cannot be fulfilled on {what} "{name}": {why}', details)


def invalid(kind: Kind, name: str, field: str, why: str) -> ApiError:
    _, details = _named(kind, name)
    details["kind"] = kind.kind
    details["causes"] = [{"reason": "FieldValueInvalid", "message": why, "field": field}]
    return ApiError(422, "Invalid", f'{kind.kind} "{name}" is invalid: {field}: {why}', details)


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(kind: Kind | None, name: str, namespace: str, verb: str, user: str) -> ApiError:
    plural, group = (kind.plural, kind.group) if kind else ("", "")
    where = f' in the namespace "{namespace}"' if namespace else " at the cluster scope"
    what = f"{plural}.{group}" if group else plural
    return ApiError(
        403,
        "Forbidden",
        f'{what} "{name}" is forbidden: User "{user}" cannot {verb} resource "{plural}" in API group "{group}"{where}',
        {"name": name, "group": group, "kind": plural},
    )


def no_such_path() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def method_not_allowed() -> ApiError:
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def unsupported_media(message: str) -> ApiError:
    return ApiError(415, "UnsupportedMediaType", message)


def throttled(seconds: int) -> ApiError:
    message = "Too many requests, please try again later."
    return ApiError(429, "TooManyRequests", message, retry_after=seconds)


def internal(message: str) -> ApiError:
    return ApiError(500, "InternalError", f"Internal error occurred: {message}")


def success(kind: Kind, name: str, uid: str) -> dict[str, Any]:
    """What a delete answers when the object is gone at once."""
    details: dict[str, Any] = {"name": name, "kind": kind.plural, "uid": uid}
    if kind.group:
        details["group"] = kind.group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
