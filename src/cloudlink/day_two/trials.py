"""What ``cloudlink test`` makes of one look from a pod: each name, and the way to each endpoint
address: the round trip, the largest packet that passes whole, and what TCP makes of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from cloudlink.checks.report import DnsReport, Health, Outcome, WayStatus
from cloudlink.day_two.capacity import Capacity
from cloudlink.day_two.reports import Trial

_WHOLE = 1500  # octets of a packet of Ethernet
# A path that carries less is not that of the two gateways alone: Azure's tunnels have an MTU of 1400.
# https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-about-vpn-devices
_LEAST = 1390
_AZURE_ADVISES = 1350
# cloudlink makes nothing in EKS, and the endpoint answers no more than questions: there is nobody to send to.
_MEASURE = "Measure it between two pods of your own (iperf3 in EKS and AKS, 4 to 8 streams): the traffic is billed."
_TCP_HEADERS, _TIMESTAMPS = 40, 12


def from_pod(report: DnsReport, capacity: Capacity | None = None) -> tuple[Trial, ...]:
    """capacity: what one tunnel may carry; None: not known."""
    return (*_names(report), *_path(report), *_speed(capacity))


def _speed(capacity: Capacity | None) -> Iterator[Trial]:
    if capacity is not None:
        said = f"not measured, only computed: one tunnel carries up to {capacity.mbits} Mbit/s, which is the limit of {capacity.end}"
        yield Trial("path", "throughput", Outcome.SKIPPED, said, _MEASURE)


def _names(report: DnsReport) -> Iterator[Trial]:
    for each in report.names:
        good = each.verdict == "ok"
        answers = ", ".join(each.answers)
        yield Trial(
            "names",
            f"{each.name}{_on(each.cluster)}",
            Outcome.PASSED if good else Outcome.FAILED,
            answers if good else f"{each.verdict}: {each.cause or answers}",
            "" if good else each.fix,
        )
    if report.unproved:  # one that nobody could ask has not passed
        shown = report.health is Health.HEALTHY or any(each.verdict != "ok" for each in report.names)
        outcome = Outcome.UNSEEN if shown else Outcome.FAILED
        yield Trial(
            "names", "names not proved", outcome, " ".join(report.unproved), report.advice.task or report.advice.command
        )


def _on(cluster: str) -> str:
    """Of several AKS clusters, the one that asked."""
    return f" on {cluster}" if cluster else ""


def _path(report: DnsReport) -> Iterator[Trial]:
    """A question and its answer go through the tunnels, and the endpoint answers at once."""
    for way in sorted(report.ways, key=lambda w: w.address):
        title = f"round trip to {way.address}{_on(way.cluster)}"
        if way.ms is None:
            said = f"no packet was answered{f' ({way.error})' if way.error else ''}"
            yield Trial("path", title, Outcome.FAILED, said, "cloudlink status")
            continue
        yield Trial("path", title, Outcome.PASSED, f"{way.ms:.0f} ms", seconds=way.ms / 1000)
        if way.packet is not None:
            yield _largest(way, way.packet)
            yield _segments(way, way.packet)


def _largest(way: WayStatus, packet: int) -> Trial:
    title, said = f"largest packet to {way.address}{_on(way.cluster)}", f"{packet} octets pass whole"
    if packet < _LEAST:
        fix = f"Look for another tunnel or appliance between pod and gateway: {_LEAST} octets are to pass."
        return Trial("path", title, Outcome.FAILED, said, fix)
    if packet < _WHOLE and way.told == _WHOLE:
        said += "; larger ones are lost and nobody says so, which TCP avoids by its MSS and large UDP does not"
    return Trial("path", title, Outcome.PASSED, said)


def _segments(way: WayStatus, packet: int) -> Trial:
    title, fits = f"TCP to {way.address}{_on(way.cluster)}", packet - _TCP_HEADERS
    if way.segment is None:
        return Trial("path", title, Outcome.FAILED, f"no connection: {way.error}", "cloudlink verify-dns")
    # with timestamps, as Linux sends them, twelve octets of each segment are theirs
    if way.segment + _TIMESTAMPS > fits:
        said = f"segments of {way.segment} octets do not fit into packets of {packet}: connections open, and then stall"
        fix = f"Have the MSS clamped to {min(fits, _AZURE_ADVISES)}: Azure's gateway does it for the tunnels, an appliance between may not."
        return Trial("path", title, Outcome.FAILED, said, fix)
    return Trial(
        "path", title, Outcome.PASSED, f"segments of {way.segment} octets (MSS {way.segment + _TIMESTAMPS}) pass whole"
    )
