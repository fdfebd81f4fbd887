"""Questions that are put as objects: may I, what may I, who am I."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cloudlink_sandbox.faults import FaultRegistry
from cloudlink_sandbox.kube import status
from cloudlink_sandbox.kube.requests import Request

_METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE", "deletecollection": "DELETE"}


def review(
    request: Request, faults: FaultRegistry, may: Callable[[str, dict[str, Any]], bool]
) -> tuple[int, dict[str, Any]]:
    """(HTTP status, the answer). Everything is allowed, unless a fault denies it or the grants leave it out."""
    kind = request.kind
    assert kind is not None
    if request.method != "POST":
        raise status.method_not_allowed()
    spec = request.json().get("spec") or {}
    match kind.kind:
        case "SelfSubjectAccessReview":
            asked = spec.get("resourceAttributes") or {}
            answer = _access(asked, faults)
            if not may(str(asked.get("verb", "")), asked):
                answer = {"allowed": False, "reason": "no grant of the sandbox allows it"}
        case "SelfSubjectRulesReview":
            answer = {
                "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
                "incomplete": any(f.kind == "denied" for f in faults.in_force()),  # rules cannot say what is denied
            }
        case _:
            answer = {"userInfo": {"username": request.user, "groups": ["system:authenticated"]}}
    return 201, {
        "kind": kind.kind,
        "apiVersion": kind.api_version,
        "metadata": {},
        **({"spec": spec} if spec else {}),
        "status": answer,
    }


def _access(asked: dict[str, Any], faults: FaultRegistry) -> dict[str, Any]:
    method = _METHODS.get(asked.get("verb", ""), "GET")
    parts = [asked.get("resource", ""), asked.get("name", ""), asked.get("subresource", "")]
    target = f"kube.{method}:{'/'.join(p for p in parts if p)}"
    denied = faults.active("denied", target)
    return {"allowed": not denied, **({"reason": "denied by a fault of the sandbox"} if denied else {})}
