"""A state in an object store, for several machines: locked there, and renewed in the background while a run lasts.

A lock that is lost ends the run before its next write: every write to a cloud is preceded by a receipt, and the store
itself refuses a receipt of a run whose lock it does not know any more.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from cloudlink.core.object_store import LOCK_SECONDS, RENEW_EVERY, Held, Holder, LockHeld, LockLost, ObjectStore
from cloudlink.errors import CloudlinkError, CredentialsError, StateError
from cloudlink.state import holders
from cloudlink.state.document import Document
from cloudlink.state.file import StateFile

_MARGIN = 5.0  # seconds before the lock's end in which it does not count any more: a write takes a while


def _wait(stop: threading.Event, seconds: float) -> bool:
    return stop.wait(seconds)


class RemoteState(Document):
    """Receipts of one link, in an object store after every change. Use as a context manager: it holds the lock.

    Raises what StateFile raises, and the store's own errors.
    """

    def __init__(
        self,
        store: ObjectStore,
        link: str,
        *,
        place: Mapping[str, str] | None = None,
        command: str = "",
        readonly: bool = False,
        local: Path | None = None,
        tell: Callable[[str], None] = lambda _text: None,
        now: Callable[[], float] = time.monotonic,
        wait: Callable[[threading.Event, float], bool] = _wait,
    ) -> None:
        """local: the state file of before, which is taken over. tell: says what the user should know.

        now, wait: the clock of the renewals, in seconds of the real time that the store counts in.
        """
        super().__init__(link, place=place, command=command, readonly=readonly)
        self._store = store
        self._local = local
        self._tell = tell
        self._now = now
        self._wait = wait
        self._holder = Holder(
            str(uuid.uuid4()), holders.user(), holders.host(), holders.pid(), command, time.time(), holders.machine()
        )
        self._valid_until = 0.0
        self._gone = ""  # why the lock is lost
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._warned = False

    # --- life ---------------------------------------------------------------------------------------------

    def __enter__(self) -> RemoteState:
        if self._readonly:
            self._load()
            if self.lost:
                self._load_local()
            return self
        asked = self._now()
        try:
            self._store.lock(self._holder, is_dead=holders.is_dead)
        except LockHeld as error:
            raise self._refused(error.held) from None
        self._valid_until = asked + LOCK_SECONDS - _MARGIN
        try:
            self._load()
            self._take_over()
            self._warn()
        except BaseException:
            with contextlib.suppress(LockLost, CloudlinkError):
                self._store.unlock()
            raise
        self._thread = threading.Thread(target=self._keep, name="state lock", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._readonly:
            return
        self._stop.set()
        if self._thread is not None:
            self._thread.join(2.0)
        if self._gone:
            return
        try:
            if self.lost and not self._receipts:
                self._store.delete()  # what marked the lock's place
            self._store.unlock()
        except (LockLost, CloudlinkError):
            if kind is None and self._receipts:  # it ends by itself; what the run did is written down
                self._tell(f"The lock of {self.where} could not be given back. It ends by itself within a minute.")

    # --- the lock -----------------------------------------------------------------------------------------

    def _keep(self) -> None:
        while not self._wait(self._stop, RENEW_EVERY):
            self.renew()
            if self._gone:
                return

    def renew(self) -> None:
        """A sign of life. What keeps it from arriving is no loss as long as the lock has not ended."""
        asked = self._now()
        try:
            self._store.renew()
        except LockLost as error:
            self._gone = str(error)
        except Exception:  # noqa: BLE001, S110 - the next one may arrive; a lock that ended is seen before the next write
            pass
        else:
            self._valid_until = asked + LOCK_SECONDS - _MARGIN

    def _check_lock(self) -> None:
        if not self._gone and self._now() > self._valid_until:
            self.renew()  # when this still works, nobody has taken it
            if not self._gone and self._now() > self._valid_until:
                raise self._unwritten("the lock has ended, and the store cannot be asked for another minute")
        if self._gone:
            raise self._lost_error()

    def _lost_error(self) -> StateError:
        held: Held | None = None
        with contextlib.suppress(CloudlinkError):
            held = self._store.held()
        by = f" Now {holders.said(held.holder)}" if held is not None and held.holder is not None else ""
        return StateError(
            "The lock of this link is lost",
            f"{self.where}: {self._gone}.{by} This run changes nothing more.",
            "See what the other run does, then run the same command again: it goes on from what is there.",
        )

    def _refused(self, held: Held) -> StateError:
        quiet = "" if held.quiet is None else f" Its last sign of life is {max(0, round(held.quiet))} s old."
        return StateError(
            "Another run holds this link",
            f"{self.where}: {holders.said(held.holder)}{quiet} Two runs at once could make things twice.",
            "Wait for it to end. If it is dead, its lock ends by itself a minute after its last sign of life, or at once "
            "with: cloudlink unlock",
        )

    def held(self) -> Held | None:
        """Who holds the lock; None: nobody."""
        return self._store.held()

    def break_lock(self, held: Held) -> None:
        """Raises StateError when another run holds it by now, or the one that holds it writes all the time."""
        try:
            self._store.break_lock(held)
        except LockHeld as error:
            raise self._refused(error.held) from None

    # --- the object ---------------------------------------------------------------------------------------

    @property
    def where(self) -> str:
        return self._store.where

    def _way_back(self) -> str:
        return f"Put an older version of {self.where} back, or move it away: cloudlink finds its objects again by their tags."

    def _text(self, **more: str) -> str:
        # With the run's id no two runs ever write the same: a store tells by the content who wrote.
        return super()._text(lock=self._holder.id, **more)

    def _load(self) -> None:
        text = self._store.read()
        if text is None:
            self.lost = True
        else:
            self._parse(text)

    def _load_local(self) -> None:
        if self._local is not None:
            with StateFile(self._local, self.link, place=self._place, readonly=True) as old:
                self._receipts, self.lost = dict(old.receipts()), old.lost

    def _take_over(self) -> None:
        """Write once before anything else: the previous holder of the lock cannot write from then on. A state file of
        before comes along; its own lock is held meanwhile."""
        if self._local is None or not self._local.exists():
            self._mark()
            return
        with StateFile(self._local, self.link, place=self._place, command=self._command) as old:
            if not self.lost and dict(old.receipts()) != self._receipts:
                raise StateError(
                    "There are two states of this link",
                    f"{self._local} and {self.where} are different. Which one is true cannot be told from here. "
                    "Nothing was changed.",
                    f"If {self.where} is, move the file away: mv {self._local} {self._local}.old\nIf the file is, move "
                    "the object away.",
                )
            if self.lost:
                self._receipts, self.lost = dict(old.receipts()), False
            self._mark()
            kept = self._local.with_name(self._local.name + ".moved")
            self._local.replace(kept)
        self._tell(f"The state is now in {self.where}. The file of before is kept as {kept}.")

    def _mark(self) -> None:
        try:
            self._store.write(self._text())
        except LockLost as error:
            self._gone = str(error)
            raise self._lost_error() from error

    def _write(self, text: str) -> None:
        self._check_lock()
        try:
            self._store.write(text)
        except LockLost as error:
            self._gone = str(error)
            raise self._lost_error() from error
        except CredentialsError:
            raise
        except StateError:
            raise
        except CloudlinkError as error:
            raise self._unwritten(str(error)) from error

    def _unwritten(self, why: str) -> StateError:
        return StateError(
            "The state cannot be written",
            f"{self.where}: {why.rstrip('.')}. Nothing further is created, so that nothing is made without a receipt.",
            "When the store answers again, run the same command again: it finds what it made.",
        )

    def _warn(self) -> None:
        if self._store.keeps_versions is False and not self._warned:
            self._warned = True
            self._tell(
                f"Warning: {self.where} keeps no older versions, so that a damaged state cannot be put back. To keep "
                f"them: {self._store.versions_hint}"
            )

    def remove_if_empty(self) -> None:
        if not self._receipts:
            self._check_lock()
            try:
                self._store.delete()
            except LockLost as error:
                self._gone = str(error)
                raise self._lost_error() from error
