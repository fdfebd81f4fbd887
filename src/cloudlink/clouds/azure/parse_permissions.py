"""What Azure says a caller may do on a scope.

https://learn.microsoft.com/azure/role-based-access-control/role-definitions
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cloudlink.clouds.malformed import parsing

_EVERYONE = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Grant:
    """Of one role that reaches the scope. What it leaves out another role may still give."""

    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()

    def covers(self, action: str) -> bool:
        return _any(self.actions, action) and not _any(self.not_actions, action)


@dataclass(frozen=True)
class DenyAssignment:
    name: str
    denied: tuple[Grant, ...]
    everyone: bool  # it holds for all principals, without exceptions
    scope: str = ""  # its id; what lies below is denied as well
    below: bool = True  # whether it is

    def reaches(self, id_: str) -> bool:
        """Whether it holds for the object or group of this id: a list of Azure's also has those of what lies below.

        https://learn.microsoft.com/azure/role-based-access-control/deny-assignments-rest
        """
        scope, wanted = self.scope.rstrip("/").lower(), id_.rstrip("/").lower()
        return wanted == scope or (self.below and wanted.startswith(f"{scope}/"))


@parsing("Azure's permissions")
def grants(found: Iterable[Mapping[str, Any]]) -> tuple[Grant, ...]:
    return tuple(Grant(tuple(g.get("actions") or ()), tuple(g.get("notActions") or ())) for g in found)


@parsing("Azure's deny assignments")
def deny_assignments(found: Iterable[Mapping[str, Any]]) -> tuple[DenyAssignment, ...]:
    result = []
    for item in found:
        held = item.get("properties") or {}
        principals = {str(p.get("id") or "") for p in held.get("principals") or ()}
        result.append(
            DenyAssignment(
                name=str(held.get("denyAssignmentName") or item.get("name") or "?"),
                denied=grants(held.get("permissions") or ()),
                everyone=_EVERYONE in principals and not held.get("excludePrincipals"),
                scope=str(held.get("scope") or ""),
                below=not held.get("doNotApplyToChildScopes"),
            )
        )
    return tuple(result)


def allowed(action: str, given: Iterable[Grant]) -> bool:
    return any(grant.covers(action) for grant in given)


def _any(patterns: Iterable[str], action: str) -> bool:
    """``*`` matches anything, slashes too; case does not count."""
    return any(
        re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), action, re.IGNORECASE) for pattern in patterns
    )
