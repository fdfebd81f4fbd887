"""What every part of a session needs: the link, its clouds, its state, the view and the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cloudlink.connect import Clouds, connect
from cloudlink.core import events as ev
from cloudlink.core.polling import WallClock
from cloudlink.errors import CloudlinkError, UsageError, is_denial
from cloudlink.link import Link
from cloudlink.session.locations import CONFIG
from cloudlink.state import History, State, history_path, holders
from cloudlink.view import View

if TYPE_CHECKING:
    from cloudlink.checks.report import DnsReport, Left, NamesAsked, StatusReport
    from cloudlink.clouds.endpoints import Endpoints
    from cloudlink.core.engine import Engine
    from cloudlink.core.ports import ErrorPolicy
    from cloudlink.core.resource import Receipt
    from cloudlink.inspection.inspection import Inspection
    from cloudlink.inspection.read_link import ReadLink

T = TypeVar("T", bound="ReadLink")


@dataclass
class Run:
    """One command's run over one link."""

    link: Link
    clock: WallClock
    view: View
    state: State
    endpoints: Endpoints | None
    command: str
    config_file: Path = field(default=CONFIG, init=False)
    log_file: Path = field(default=CONFIG, init=False)
    began: bool = field(default=False, init=False)  # something that a plan asks for
    configured: Link = field(init=False)  # the link before anything of it was read in the clouds
    _clouds: Clouds | None = field(default=None, init=False)
    _engine: Engine | None = field(default=None, init=False)
    _denials: dict[str, CloudlinkError] = field(default_factory=dict, init=False)  # of reads, by what was said
    _unread_targets: CloudlinkError | None = field(default=None, init=False)  # of the names that were asked last
    _note: Receipt | None = field(
        default=None, init=False
    )  # of what a lost state file said; written before the first write
    _left: tuple[Left, ...] = field(default=(), init=False)  # what a teardown leaves although it may be ours

    def __post_init__(self) -> None:
        self.configured = self.link

    @property
    def clouds(self) -> Clouds:
        if self._clouds is None:
            self._clouds = connect(self.link, self.clock, self.endpoints)
            self.link = self._clouds.link  # over a gateway that exists it has as many tunnels as that has instances for
            self._clouds.receipts = self.state.receipts
        return self._clouds

    def translate(self, error: Exception) -> CloudlinkError | None:
        """An SDK's error as ours; None when it is none, which makes it a bug."""
        return self._error_policy().translate(error) if self._clouds is not None else None

    def require_vpn(self, why: str) -> None:
        """Raises UsageError for a link over what somebody else has joined. why: as ``It has no keys to change``."""
        if not self.link.makes_vpn:
            raise UsageError(
                "The link has no VPN of cloudlink's",
                f'{why}: link.transport is "existing", so that somebody else has made what joins the networks.',
                "cloudlink status",
            )

    def _error_policy(self) -> ErrorPolicy:
        from cloudlink.clouds.errors import error_policy

        policy = error_policy(self.link)

        def translate(error: Exception) -> CloudlinkError | None:
            known = policy.translate(error)
            if known is not None and is_denial(known):
                self._denials.setdefault(known.detail, known)
            return known

        return replace(policy, translate=translate)

    @property
    def inspection(self) -> Inspection:
        from cloudlink.inspection.inspection import Inspection

        return self._inspecting(Inspection)

    @property
    def read_link(self) -> ReadLink:
        """What a plan has found, and the verdict on it: a run with nothing to do loads no more than that takes."""
        from cloudlink.inspection.read_link import ReadLink

        return self._inspecting(ReadLink)

    def _inspecting(self, kind: type[T]) -> T:
        clouds = self.clouds
        engine = self._engine or self._make_engine(clouds.topology.nodes())
        translate = self._error_policy().translate
        return kind(
            self.link,
            clouds.aws,
            clouds.azure,
            clouds.aks,
            clouds.topology,
            engine,
            self.clock,
            translate,
            written_by=self.state.written_by,
            paused=self.state.paused,
            paused_deep=self.state.paused_deep,
            holder=self._at_work,
            eks=clouds.eks,
            clusters=clouds.clusters if clouds.beside else (),
        )

    def _at_work(self) -> tuple[str, str] | None:
        """The command of another run that holds the link now, and a sentence on it; None: there is none that is known to
        live."""
        try:
            held = self.state.held()
        except CloudlinkError:
            return None
        if held is None or held.holder is None or not holders.lives(held):
            return None
        return held.holder.command, holders.said(held.holder)

    def _make_engine(self, nodes: Sequence[Any]) -> Engine:
        from cloudlink.core.engine import Engine

        self._engine = Engine(nodes, clock=self.clock, store=self.state, error_policy=self._error_policy())
        return self._engine

    @property
    def history(self) -> History:
        """What was last seen of the link."""
        return History(history_path(self.log_file.parent, self.link.name), self.link.name)

    def keep_status(self, report: StatusReport) -> None:
        """For a report that asks no cloud."""
        from cloudlink.checks.preflight import cost
        from cloudlink.core.resource import Ownership
        from cloudlink.view.json_lines import as_json, timestamp

        found = self._engine.snapshot.found if self._engine is not None else {}
        own = [a for a, seen in found.items() if seen is not None and seen.owned is Ownership.OWNED]
        rows = cost.items(own, self.link, len(report.endpoint.addresses) if report.endpoint else 0)
        price = [{"what": what, "count": count, "monthly": monthly} for what, count, monthly in rows]
        self.history.add_status(timestamp(self.clock.now()), as_json(report), price)

    def keep_dns(self, report: DnsReport) -> None:
        from cloudlink.view.json_lines import as_json, timestamp

        self.history.add_dns(timestamp(self.clock.now()), as_json(report))

    def names_asked(self) -> NamesAsked | None:
        """How all names did when they were last asked, as it is kept beside the state."""
        from datetime import datetime

        from cloudlink.checks.report import NamesAsked

        kept = self.history.read()["dns"]
        try:
            rows = kept["report"]["names"]
            wrong = tuple(dict.fromkeys(str(row["name"]) for row in rows if row["verdict"] != "ok"))
            good = sum(row["verdict"] == "ok" for row in rows)
            at = datetime.fromisoformat(kept["at"]).timestamp()
        except (KeyError, TypeError, ValueError):  # another version may have written it
            return None
        return NamesAsked(at, good, len(rows), wrong) if rows else None

    def _reading(self) -> None:
        """Azure takes ten seconds for some answers; meanwhile the user is told what is waited for."""
        from cloudlink.core.resource import Resource

        objects = sum(isinstance(node, Resource) for node in self.clouds.topology.nodes())
        self.view.event(ev.Reading(self.clock.now(), objects))
