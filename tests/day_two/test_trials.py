"""What is made of one look from a pod: what passes whole, and whether TCP keeps to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudlink.checks.report import DnsReport, Health, Outcome, WayStatus
from cloudlink.config import load
from cloudlink.day_two import capacity
from cloudlink.day_two.reports import Trial
from cloudlink.day_two.trials import from_pod
from tests.support.cli import EXAMPLE

WAY = WayStatus("10.10.1.4", 21.4, 1400, 1500, 1338)


def path(way: WayStatus) -> list[Trial]:
    return list(from_pod(DnsReport("demo", Health.HEALTHY, (), ways=(way,))))


def test_a_path_as_the_two_gateways_make_it() -> None:
    trip, largest, tcp = path(WAY)
    assert [t.outcome for t in (trip, largest, tcp)] == [Outcome.PASSED] * 3
    assert trip.detail == "21 ms" and trip.seconds == 0.0214
    assert largest.detail.startswith("1400 octets pass whole; larger ones are lost and nobody says so")
    assert tcp.detail == "segments of 1338 octets (MSS 1350) pass whole"


def test_a_path_that_tells_of_its_size_is_no_black_hole() -> None:
    assert path(replace(WAY, told=1400))[1].detail == "1400 octets pass whole"


def test_segments_that_do_not_fit_are_named_with_the_mss_to_set() -> None:
    tcp = path(replace(WAY, segment=1448))[2]
    assert tcp.outcome is Outcome.FAILED and "stall" in tcp.detail and "clamped to 1350" in tcp.fix
    small = path(replace(WAY, packet=1300, segment=1338))
    assert [t.outcome for t in small] == [Outcome.PASSED, Outcome.FAILED, Outcome.FAILED]
    assert "clamped to 1260" in small[2].fix


def test_just_fitting_is_fitting() -> None:
    assert path(replace(WAY, packet=1390, segment=1338))[2].outcome is Outcome.PASSED
    assert path(replace(WAY, packet=1389, segment=1338))[2].outcome is Outcome.FAILED


def test_silence_and_no_connection() -> None:
    (silent,) = path(WayStatus("10.10.1.4", None, None, None, None, "TimeoutError: timed out"))
    assert silent.outcome is Outcome.FAILED and "timed out" in silent.detail
    assert path(replace(WAY, segment=None, error="refused"))[2].outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("sku", "cipher", "mbits", "end"),
    [
        ("VpnGw1AZ", "AES256-GCM", 650, "Azure's VpnGw1AZ with AES256-GCM"),
        ("VpnGw1AZ", "AES256", 500, "Azure's VpnGw1AZ with AES256"),
        ("VpnGw3AZ", "AES256-GCM", 1250, "AWS's end"),
        ("VpnGw5AZ", "AES256-GCM", 1250, "AWS's end"),
    ],
)
def test_of_both_ends_the_smaller_limit_counts(sku: str, cipher: str, mbits: int, end: str) -> None:
    link = load(EXAMPLE, sandbox=True)
    link = replace(link, azure=replace(link.azure, sku=sku), policy=replace(link.policy, esp_encryption=cipher))
    found = capacity.of_tunnel(link)
    assert found == capacity.Capacity(mbits, end)
    (row,) = from_pod(DnsReport("demo", Health.HEALTHY, ()), found)
    assert row.outcome is Outcome.SKIPPED and f"up to {mbits} Mbit/s" in row.detail
    assert row.detail.startswith("not measured, only computed") and "iperf3" in row.fix


def test_of_what_is_not_known_nothing_is_said() -> None:
    link = load(EXAMPLE, sandbox=True)
    assert capacity.of_tunnel(replace(link, azure=replace(link.azure, sku="VpnGw9AZ"))) is None
    assert capacity.of_tunnel(replace(link, policy=replace(link.policy, esp_encryption="AES128"))) is None
    assert from_pod(DnsReport("demo", Health.HEALTHY, ())) == ()
