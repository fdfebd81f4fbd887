"""The fifth step: nothing to create, only to check."""

from __future__ import annotations

from typing import Any

from cloudlink.core.resource import Node


class Verify:
    """Nothing to create: the checks are made by ``inspection``."""

    def nodes(self) -> tuple[Node[Any], ...]:
        return ()
