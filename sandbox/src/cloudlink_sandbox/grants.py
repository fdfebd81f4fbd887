"""What the caller may do: everything, or only the actions that were listed, named as each cloud's access control names them.

    ec2:CreateVpnGateway
    Microsoft.Network/connections/write
    aks:patch:configmaps:kube-system:coredns-custom     cluster, verb, resource, namespace, name (empty in a create or list)

A list takes shell patterns. Not saved with the world: a new process allows everything.
"""

from __future__ import annotations

import fnmatch
import threading
from collections.abc import Iterable
from typing import Any


class Grants:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._allowed: tuple[str, ...] | None = None
        self._asked: dict[str, bool] = {}

    def limit(self, actions: Iterable[str]) -> None:
        with self._lock:
            self._allowed = tuple(a.lower() for a in actions)
            self._asked.clear()

    def allow_all(self) -> None:
        with self._lock:
            self._allowed = None
            self._asked.clear()

    def first_missing(self, actions: Iterable[str]) -> str:
        """The first of these that a call needs and the caller may not; empty where all are allowed."""
        missing = ""
        with self._lock:
            for action in actions:
                allowed = self._allows(action)
                self._asked[action] = allowed
                missing = missing or ("" if allowed else action)
        return missing

    def would_allow(self, action: str) -> bool:
        """For who asks without calling."""
        with self._lock:
            return self._allows(action)

    def _allows(self, action: str) -> bool:
        if self._allowed is None:
            return True
        return any(fnmatch.fnmatchcase(action.lower(), pattern) for pattern in self._allowed)

    def json(self) -> dict[str, Any]:
        """used: every action that a call needed since the last change, and whether it was allowed."""
        with self._lock:
            return {
                "allowed": None if self._allowed is None else list(self._allowed),
                "used": dict(sorted(self._asked.items())),
            }
