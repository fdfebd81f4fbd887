"""A custom role of Azure, as ``az role definition create`` takes it.

https://learn.microsoft.com/azure/role-based-access-control/custom-roles
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def custom_role(
    link: str, actions: Iterable[str], scopes: Sequence[str], data_actions: Iterable[str] = ()
) -> dict[str, Any]:
    """scopes: subscriptions and resource groups at which it is to be assigned; Azure takes nothing narrower."""
    return {
        "Name": f"cloudlink {link}",
        "IsCustom": True,
        "Description": f"What cloudlink needs for the link {link}.",
        "Actions": sorted(set(actions)),
        "NotActions": [],
        "DataActions": sorted(set(data_actions)),
        "NotDataActions": [],
        "AssignableScopes": list(scopes),
    }
