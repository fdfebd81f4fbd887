"""What is read as working and what is not, where one good sign among bad ones could be taken for all."""

from __future__ import annotations

from typing import Any

import pytest

from cloudlink.checks.names.diagnose import diagnose, health, works
from cloudlink.checks.names.probe import Connect, Handshake
from cloudlink.checks.report import Health
from cloudlink.checks.status import _learned
from tests.checks.test_names import GOOD, WANTED, facts
from tests.steps.kube_bench import a_link

OTHER = "10.1.2.50"
TLS = Handshake("ok", "", "", 20.0)


def connect(address: str, port: int, outcome: str) -> Connect:
    return Connect(address, port, outcome, "", 9.0, TLS if outcome == "ok" else None)


def judged(*connects: Connect) -> tuple[bool, Health]:
    report = diagnose(WANTED, facts(GOOD, connects=connects))
    return works(report), health([report])


def test_one_open_port_is_not_all_of_them() -> None:
    assert judged(connect(GOOD, 443, "ok"), connect(GOOD, 8443, "refused")) == (False, Health.DOWN)
    assert judged(connect(GOOD, 8443, "refused"), connect(GOOD, 443, "ok")) == (False, Health.DOWN)
    assert judged(connect(GOOD, 443, "ok"), connect(GOOD, 8443, "ok")) == (True, Health.HEALTHY)


def test_one_address_that_takes_a_port_is_enough_for_that_port() -> None:
    assert judged(connect(GOOD, 443, "timeout"), connect(OTHER, 443, "ok")) == (True, Health.DEGRADED)
    assert judged(connect(GOOD, 443, "ok"), connect(OTHER, 443, "timeout")) == (True, Health.DEGRADED)


def row(network: str, origin: str, peer: str, hop: str) -> dict[str, Any]:
    return {"network": network, "origin": origin, "sourcePeer": peer, "nextHop": hop}


@pytest.mark.parametrize(
    ("origin", "peer", "hop", "counts"),
    [
        ("EBgp", "ours", "ours", True),
        ("EBgp", "10.20.255.4", "ours", True),
        ("IBgp", "10.20.255.5", "ours", False),  # the other instance tells what it has: no path of this one
        ("IBgp", "ours", "ours", False),
        ("Network", "ours", "", False),
        ("EBgp", "169.254.99.1", "169.254.99.1", False),  # a tunnel of somebody else's
    ],
)
def test_only_what_a_tunnel_of_ours_taught_counts(origin: str, peer: str, hop: str, counts: bool) -> None:
    link = a_link()
    inside = str(link.tunnels[0].aws_inside)
    said = row("10.10.0.0/16", origin, peer.replace("ours", inside), hop.replace("ours", inside))
    assert _learned(link, [said]) == (("10.10.0.0/16",) if counts else ())
    assert _learned(link, None) == ()
