"""The two ports of the engine: where receipts are kept, and what the clouds' errors mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cloudlink.core.resource import Receipt, Receipts
from cloudlink.errors import CloudlinkError, UnreachableError, WaitError


class Store(Protocol):
    """The state file, as far as the engine needs it. Written to on the main thread only; read from any."""

    def receipts(self) -> Receipts: ...

    def put(self, receipt: Receipt) -> None: ...

    def remove(self, address: str) -> None: ...


@dataclass(frozen=True)
class ErrorPolicy:
    """What errors of any of the SDKs mean. An error that no SDK raised has no meaning here: it is a bug."""

    translate: Callable[[Exception], CloudlinkError | None]  # to our error; None: not an SDK's
    retry_after: Callable[[Exception], float | None]  # seconds until the same call makes sense again; None: never
    unknown_outcome: Callable[[Exception], bool]  # whether a write that ended so may have had its effect
    # whether it says that what was just made is not there: believed after a while, and not after the whole deadline
    not_seen_yet: Callable[[Exception], bool] = lambda _: False
    # whether the reason of an operation that ended as failed (``Started.reason``) says that the same write may succeed
    failed_in_passing: Callable[[str], bool] = lambda _: False

    def may_pass(self, error: Exception) -> bool:
        """Whether the same call may succeed a little later."""
        return self.retry_after(error) is not None or self.unknown_outcome(error)

    def is_final(self, error: CloudlinkError) -> bool:
        """Whether a retry cannot help before the user acts: access denied, a conflict, a quota, a policy, a missing object."""
        if isinstance(error, UnreachableError | WaitError):
            return False
        cause = error.__cause__
        return not (isinstance(cause, Exception) and self.may_pass(cause))
