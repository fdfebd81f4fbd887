"""The two seams of the engine: where receipts are kept, and what the clouds' errors mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cloudlink.core.resource import Receipt, Receipts
from cloudlink.errors import CloudlinkError


class Store(Protocol):
    """The state file, as far as the engine needs it. Written to on the main thread only; read from any."""

    def receipts(self) -> Receipts: ...

    def put(self, receipt: Receipt) -> None: ...

    def remove(self, address: str) -> None: ...


@dataclass(frozen=True)
class ErrorPolicy:
    """What the clouds' errors mean. One seam for all SDKs.

    translate: to an error of ours, or None if it is not the SDK's. retry_after: seconds until the same call is
    sensible again, or None. unknown_outcome: whether a write may or may not have had its effect.
    """

    translate: Callable[[Exception], CloudlinkError | None]
    retry_after: Callable[[Exception], float | None]
    unknown_outcome: Callable[[Exception], bool]
