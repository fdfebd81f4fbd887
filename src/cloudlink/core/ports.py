"""The two ports of the engine: where receipts are kept, and what the clouds' errors mean."""

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
    """What the clouds' errors mean, for all SDKs."""

    translate: Callable[[Exception], CloudlinkError | None]  # to our error; None: not an SDK's
    retry_after: Callable[[Exception], float | None]  # seconds until the same call makes sense again; None: never
    unknown_outcome: Callable[[Exception], bool]  # whether a write that ended so may have had its effect
