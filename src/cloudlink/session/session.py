"""A session: all that a command may ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudlink.session.day_two import DayTwo
from cloudlink.session.pausing import Pausing
from cloudlink.session.support import Support
from cloudlink.state import holders

if TYPE_CHECKING:
    from cloudlink.core.object_store import Held


@dataclass
class Session(Pausing, Support, DayTwo):
    """One command's session over one link."""

    def lock_holder(self) -> Held | None:
        """Who holds the lock of the state; None: nobody, which is said."""
        held = self.state.held()
        if held is None:
            self.view.note(f"Nobody holds the lock of {self.link.name}.")
            return None
        quiet = "" if held.quiet is None else f" Its last sign of life is {max(0, round(held.quiet))} s old."
        self.view.note(f"{holders.said(held.holder)}{quiet}")
        return held

    def unlock(self, held: Held) -> None:
        self.state.break_lock(held)
        self.view.note(f"The lock of {self.link.name} is free. A run that still lives ends before its next write.")
