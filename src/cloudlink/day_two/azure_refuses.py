"""Whether Azure would take a new key, asked before AWS is given one: a tunnel whose ends have different keys is down.

Locks and the caller's own permissions are read; who may not read them is asked no further, for Azure says it then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_permissions import allowed, grants
from cloudlink.clouds.azure.parse_subscription import Lock, locks
from cloudlink.clouds.azure.roles import built_in_role
from cloudlink.errors import CloudError, CloudlinkError, CredentialsError

WRITE_KEY = "Microsoft.Network/connections/sharedKey/write"
_T = TypeVar("_T")


def refuse(azure: Azure, connections: Iterable[str], translate: Callable[[Exception], CloudlinkError | None]) -> None:
    """Two calls. connections: ids. Raises CloudError for a lock that stops writes, CredentialsError for a missing permission."""
    ids = list(connections)
    group = ids[0].partition("/providers/")[0]

    def read(call: Callable[[], _T], otherwise: _T) -> _T:
        try:
            return call()
        except Exception as error:
            if not isinstance(error, CloudlinkError) and translate(error) is None:
                raise
            return otherwise

    none: tuple[Lock, ...] = ()
    found = read(lambda: locks(azure.locks(group.split("/")[2])), none)
    if (lock := _over(ids, found)) is not None:
        note = f' Its note says: "{lock.notes}".' if lock.notes else ""
        raise CloudError(
            "A lock in Azure forbids it",
            f"The lock {lock.name} ({lock.level}) on {lock.scope or 'the subscription'} keeps Azure from taking a new key.{note} AWS was "
            "given none either: nothing was changed.",
            f"Ask its owner, or: az lock delete --ids {lock.id}",
            code="ScopeLocked",
        )
    may = read(lambda: grants(azure.permissions(group)), None)
    if may is not None and not allowed(WRITE_KEY, may):
        raise CredentialsError(
            "A permission is missing in Azure",
            f"No role gives {WRITE_KEY} on the resource group {group}. AWS was given no new key either: nothing was changed.",
            f'az role assignment create --assignee YOU --role "{built_in_role(WRITE_KEY)}" --scope {group}',
            action=WRITE_KEY,
        )


def _over(ids: Iterable[str], found: Iterable[Lock]) -> Lock | None:
    """The first that stops writes of any of them."""
    under = [f"{id_.lower()}/" for id_ in ids]
    stopping = (lock for lock in found if lock.stops_writes)
    return next((k for k in stopping if any(u.startswith(f"{k.scope.lower().rstrip('/')}/") for u in under)), None)
