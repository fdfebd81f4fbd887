"""One rehearsal from beginning to end: the clouds' answers, the stage, what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cloudlink.core.polling import Stopped
from cloudlink.rehearse import answers, programs, run, stage
from cloudlink.rehearse.report import report

if TYPE_CHECKING:
    from cloudlink.connect import Clouds


@dataclass(frozen=True)
class Performance:
    report: dict[str, Any]
    pcap: bytes = b""  # what was captured between the clouds


def perform(
    clouds: Clouds,
    *,
    quick: bool,
    failover: bool,
    capture: bool,
    install: bool,
    tell: Callable[[str], None],
    cluster: str = "",
) -> Performance:
    """Raises UsageError where this machine lacks something, UnhealthyError where there is no link, and CloudlinkError
    where the rehearsal itself fails. cluster: the label of the AKS cluster that is rehearsed; empty: the first. Nothing is written in the clouds, and nothing is left on the machine."""
    at = next((c for c in clouds.clusters if c.label == cluster), clouds.clusters[0])
    said = answers.read(at.link, clouds.aws, at.azure, at.aks)
    if install:
        programs.install(said.coredns, tell)
    found = programs.found(said.coredns)
    made = stage.of(said, hurry=10 if failover else 1)
    if found.coredns not in ("", said.coredns):
        note = f"CoreDNS {found.coredns} answers here, the cluster has {said.coredns}: --install builds that"
        made = replace(made, notes=(*made.notes, note))
    if clouds.beside:
        made = replace(made, notes=(*made.notes, of_one(at.label, [c.label for c in clouds.clusters])))
    events, captured = [], b""
    options = run.Options(quick=quick, failover=failover, pcap=capture)
    with closing(run.run(made, found, options)) as happening:  # also when it is interrupted: nothing may be left
        for event in happening:
            if clouds.clock.stopped:
                raise Stopped
            if event["event"] == "pcap":
                captured = bytes.fromhex(event["data"])
            else:
                events.append(event)
    return Performance(report(clouds.link.name, made, events), captured)


def of_one(label: str, every: Sequence[str]) -> str:
    """Which of several AKS clusters was rehearsed, for people."""
    others = [other for other in every if other != label]
    return f"of the AKS clusters {label} is rehearsed; another one by --cluster {others[0]}"
