"""Reads that are tried again, and the waits: until an object is ready, or gone, or has failed, or takes too long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from cloudlink.core import events as ev
from cloudlink.core.polling import CREATION, Clock, Pace, Stopped, TimedOut, poll, retry
from cloudlink.core.ports import ErrorPolicy, Store
from cloudlink.core.resource import Observed, Ownership, Phase, Resource, Started, UnknownOutput
from cloudlink.errors import CloudError, CloudlinkError, LostContactError, WaitError

T = TypeVar("T")

# How long a just created object may stay invisible to reads. https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
# (no bound is given there; Terraform's AWS provider waits five minutes)
VISIBLE_WITHIN = 300.0
# Before anything is done, a network that is not there is told soon. Once a run is at work, giving up costs more than
# waiting: a laptop that changes its network, or a cloud's bad quarter of an hour, must not end it.
READ_PATIENCE = 60.0
WORK_PATIENCE = 900.0
# Reads in a row that show an object READY that was to be deleted: then its deletion has failed.
READY_READS_BEFORE_DELETE_FAILED = 3
PAUSE_BEFORE_REPEAT = 20.0  # of a write whose operation failed for something that passes
LONGEST_PAUSE = 15.0  # between two tries of a read that was not answered


class Waiting:
    """The reading half of a worker. tell: is given what is to be reported."""

    def __init__(
        self, *, clock: Clock, store: Store, error_policy: ErrorPolicy, tell: Callable[[ev.Event], None]
    ) -> None:
        self._clock = clock
        self._store = store
        self._error_policy = error_policy
        self._tell = tell

    # --- single reads ------------------------------------------------------------------------------------

    def read(self, address: str, call: Callable[[], T], *, patience: float = READ_PATIENCE) -> T:
        """A read, tried again for ``patience`` seconds while it fails in passing."""
        next_pause = 1.0

        def pause(error: Exception, elapsed: float) -> float | None:
            nonlocal next_pause
            if isinstance(error, CloudlinkError | UnknownOutput) or elapsed > patience:
                return None
            seconds = self._error_policy.retry_after(error)
            if seconds is None and self._error_policy.unknown_outcome(error):
                seconds = next_pause
            next_pause = min(next_pause * 2, LONGEST_PAUSE)
            return seconds

        try:
            return retry(call, pause, self._clock)
        except (UnknownOutput, Stopped):
            raise
        except CloudlinkError as error:
            _name(error, address)
            raise
        except Exception as error:
            raise self.translated(error, address) from error

    def find(self, node: Resource[Any, Any]) -> Observed[Any, Any] | None:
        """As it is now: the answer decides about a write."""
        return self.read(node.address, lambda: node.find(self._store.receipts(), fresh=True), patience=WORK_PATIENCE)

    def pause(self, seconds: float) -> None:
        if self._clock.wait(seconds):
            raise Stopped

    def translated(self, error: Exception, address: str) -> CloudlinkError:
        """An SDK's error as ours. What is neither is a bug, and is raised as it is."""
        translated = error if isinstance(error, CloudlinkError) else self._error_policy.translate(error)
        if translated is None:
            raise error
        _name(translated, address)
        return translated

    # --- waits -------------------------------------------------------------------------------------------

    def until_ready(
        self,
        node: Resource[Any, Any],
        verb: str,
        started: Started | None = None,
        *,
        before: Any = None,
        slack: float = 0.0,
        read_first: bool = False,
        repeatable: bool = False,
    ) -> Observed[Any, Any]:
        """Raises CloudError when it ends as failed, WaitError at its deadline; both after the resource's rollback.

        repeatable: one that failed for something that passes is given back, to be written again. before: what the resource's ``rollback_state`` was before this run's first write.
        """
        begin = self._clock.now()

        def done(seen: Observed[Any, Any] | None) -> bool:
            if seen is None:
                if self._clock.now() - begin > VISIBLE_WITHIN:
                    raise CloudError(
                        "A created object does not appear",
                        f"{node.title} was created ({started.id if started else 'no id'}) and five minutes later the cloud still does not show it.",
                        "Look for it in the cloud's console, then run cloudlink up again.",
                        resource=node.address,
                    )
                return False
            return seen.phase in (Phase.READY, Phase.FAILED)

        try:
            seen = self._poll(
                node,
                done,
                typical_seconds=node.timing.update if verb == "update" else node.timing.create,
                pace=CREATION if verb == "update" else node.timing.create_pace,
                slack=slack,
                read_first=read_first,
                absent="not visible yet",
            )
        except TimedOut as timed_out:
            last = timed_out.last if isinstance(timed_out.last, Observed) else None
            rolled_back = node.rollback(last, before)
            raise WaitError(
                "Gave up waiting",
                f"{node.title} was not ready after {timed_out.waited / 60:.0f} minutes; the cloud last said: "
                f"{_said(last)}. {rolled_back or 'It may still end well by itself.'}",
                "Run cloudlink up again: it reads the object before it does anything.",
                resource=node.address,
            ) from None
        assert seen is not None
        if seen.phase is Phase.FAILED:
            reason = self._reason(started)
            if repeatable and self._error_policy.failed_in_passing(reason):
                words = f"failed for something that passes ({reason.partition(':')[0]}), again in {PAUSE_BEFORE_REPEAT:.0f} s"
                self._tell(ev.Progress(self._clock.now(), node.address, words))
                self.pause(PAUSE_BEFORE_REPEAT)
                return seen
            raise self.failed(node, seen, reason, before=before)
        return seen

    def failed(
        self, node: Resource[Any, Any], found: Observed[Any, Any], reason: str = "", *, before: Any = None
    ) -> CloudError:
        """The error for an object that the cloud left in a failed state, after the resource's rollback.
        reason: the cloud's own."""
        rolled_back = node.rollback(found, before)
        return CloudError(
            "The operation failed in the cloud",
            f"{node.title} ended as failed: {_why(found, reason)}. {rolled_back}".strip(),
            "Correct what the cloud names, then run cloudlink up again.",
            resource=node.address,
        )

    def until_gone(
        self,
        node: Resource[Any, Any],
        found: Observed[Any, Any],
        started: Started | None = None,
        *,
        slack: float = 0.0,
    ) -> None:
        """Or until it is restored, where it is shared. Raises CloudError when its deletion failed, WaitError at its
        deadline."""
        going, back, begin = False, 0, self._clock.now()

        def gone(seen: Observed[Any, Any] | None) -> bool:
            nonlocal going, back
            if seen is None or (found.owned is Ownership.SHARED and seen.phase is Phase.READY):
                back = 0
                return True
            going = going or seen.phase is Phase.DELETING
            back = back + 1 if seen.phase in (Phase.READY, Phase.FAILED) else 0
            # A read may lag behind the deletion, and one that is quick may never be seen going on.
            return back >= READY_READS_BEFORE_DELETE_FAILED and (going or self._clock.now() - begin > VISIBLE_WITHIN)

        try:
            left = self._poll(
                node,
                gone,
                typical_seconds=node.timing.delete,
                pace=node.timing.delete_pace,
                slack=slack,
                read_first=node.timing.delete <= 2,
                absent="gone",
            )
        except TimedOut as timed_out:
            last = timed_out.last if isinstance(timed_out.last, Observed) else None
            raise WaitError(
                "Gave up waiting",
                f"{node.title} was not gone after {timed_out.waited / 60:.0f} minutes; the cloud last said: {_said(last)}.",
                "Run the command again: deletion goes on in the cloud, and it reads before it does anything.",
                resource=node.address,
            ) from None
        if left is not None and back:
            raise CloudError(
                "The deletion failed in the cloud",
                f"{node.title} is still there, its deletion ended as failed: {_why(left, self._reason(started))}.",
                "Run the same command again: it repeats the deletion.",
                resource=node.address,
            )

    def _poll(
        self,
        node: Resource[Any, Any],
        done: Callable[[Observed[Any, Any] | None], bool],
        *,
        typical_seconds: float,
        pace: Pace,
        slack: float,
        read_first: bool,
        absent: str,
    ) -> Observed[Any, Any] | None:
        def tell(seen: Observed[Any, Any] | None) -> None:
            self._tell(ev.Progress(self._clock.now(), node.address, seen.detail if seen else absent))

        try:
            return poll(
                lambda: node.find(self._store.receipts(), fresh=True),
                done,
                clock=self._clock,
                typical_seconds=typical_seconds,
                deadline=node.timing.deadline,
                on_read=tell,
                passing=self._error_policy.may_pass,
                slack=slack,
                read_first=read_first,
                pace=pace,
            )
        except (CloudlinkError, Stopped, TimedOut):
            raise
        except Exception as error:
            raise self.translated(error, node.address) from error

    def _reason(self, started: Started | None) -> str:
        """The cloud's own, as far as it gives one; empty: it gives none, or there is nothing to ask."""
        try:
            return started.reason() if started is not None else ""
        except Exception as error:
            if not isinstance(error, CloudlinkError) and self._error_policy.translate(error) is None:
                raise  # a bug; any other failure is passed over, for the reason is a courtesy
            return ""


def _why(found: Observed[Any, Any], reason: str) -> str:
    return ". ".join(s.rstrip(".") for s in (reason, found.detail) if s) or "no reason was given"


def _name(error: CloudlinkError, address: str) -> None:
    """A network that is lost is none of the resource's that was read just then."""
    if not error.resource and not isinstance(error, LostContactError):
        error.resource = address


def _said(last: Observed[Any, Any] | None) -> str:
    return (last.detail or last.phase.value) if last is not None else "nothing"
