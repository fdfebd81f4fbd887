"""What status found as metrics in Prometheus's text format, for node_exporter's textfile collector.

https://prometheus.io/docs/instrumenting/exposition_formats/
https://github.com/prometheus/node_exporter#textfile-collector

1 is good everywhere. What was not seen has no sample; when it was looked at is a metric of its own, since the collector
refuses timestamps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cloudlink.checks.report import Health, Outcome, StatusReport

Sample = tuple[Mapping[str, str], float]


def metrics(report: StatusReport, at: float) -> str:
    """at: time of the read, seconds since the epoch."""
    return "".join(_families(report, at))


def _families(report: StatusReport, at: float) -> Iterator[str]:
    link = {"link": report.link}
    yield _family(
        "cloudlink_health",
        "gauge",
        "The verdict on the link: 1 at the one that holds.",
        [({**link, "health": h.value}, float(report.health is h)) for h in Health],
    )
    tunnels = [({**link, "tunnel": t.address, "inside": t.inside}, t) for t in report.tunnels]
    yield _family(
        "cloudlink_tunnel_up", "gauge", "Whether the tunnel carries traffic.", [(n, float(t.up)) for n, t in tunnels]
    )
    yield _family(
        "cloudlink_bgp_up",
        "gauge",
        "Whether the BGP session of the tunnel is established, as Azure says.",
        [(n, float(t.bgp.state == "Connected")) for n, t in tunnels if t.bgp],
    )
    yield _family(
        "cloudlink_bgp_routes",
        "gauge",
        "Routes that came over the BGP session of the tunnel, as Azure says.",
        [(n, float(t.bgp.routes)) for n, t in tunnels if t.bgp],
    )
    yield _family(
        "cloudlink_tunnel_received_bytes_total",
        "counter",
        "Bytes that Azure received over the tunnel since its connection was made.",
        [(n, float(t.azure.ingress)) for n, t in tunnels if t.azure],
    )
    yield _family(
        "cloudlink_tunnel_sent_bytes_total",
        "counter",
        "Bytes that Azure sent over the tunnel since its connection was made.",
        [(n, float(t.azure.egress)) for n, t in tunnels if t.azure],
    )
    yield _family(
        "cloudlink_key_age_seconds",
        "gauge",
        "Since when the tunnel has its key, where that is known.",
        [(n, max(0.0, at - t.key_changed)) for n, t in tunnels if t.key_changed is not None],
    )
    yield _family(
        "cloudlink_check_ok",
        "gauge",
        "Whether a check of status passed; a warning counts as passed.",
        [
            ({**link, "check": c.name}, float(c.outcome is not Outcome.FAILED))
            for c in report.checks
            if c.outcome in (Outcome.PASSED, Outcome.WARNING, Outcome.FAILED)
        ],
    )
    yield _family(
        "cloudlink_differences",
        "gauge",
        "Objects that are not as configured.",
        [(link, float(len(report.drift)))],
    )
    yield _family("cloudlink_status_timestamp_seconds", "gauge", "When this was looked at.", [(link, at)])


def _family(name: str, kind: str, about: str, samples: Iterable[Sample]) -> str:
    lines = [f"{name}{_labels(labels)} {_number(value)}" for labels, value in samples]
    return "\n".join([f"# HELP {name} {about}", f"# TYPE {name} {kind}", *lines, ""]) if lines else ""


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
