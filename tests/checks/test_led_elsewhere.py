"""Names that do not lead where they should although every object is there, and what comes first on the screen then."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from cloudlink.checks import advice, led_elsewhere
from cloudlink.checks.preflight import filters
from cloudlink.checks.report import Check, Drift, Health, Outcome, TunnelStatus
from cloudlink.clouds.aws.parse_groups import Rule
from cloudlink.clouds.aws.parse_zones import FoundRecord, ZoneRecord
from cloudlink.steps.resolver.vpc_dns import VpcDnsSpec
from cloudlink.view.status import _grouped
from tests.checks.test_tunnels import LINK, Said
from tests.support.pinned import pin, pinned

WANTED = ZoneRecord("db.corp.example", "A", ("10.10.8.15", "10.10.24.15"), ttl=60)


def found(kind: str, *values: str) -> FoundRecord:
    answer = {"Name": "db.corp.example.", "Type": kind, "TTL": 7, "ResourceRecords": [{"Value": v} for v in values]}
    return FoundRecord("db.corp.example", kind, values=values, answer=answer)


@pytest.mark.parametrize(
    ("there", "said", "fix"),
    [
        ([found("A", "10.10.24.15", "10.10.8.15")], "", ""),
        (
            [found("A", "10.10.8.99")],
            "db.corp.example leads to 10.10.8.99 instead of 10.10.8.15, 10.10.24.15",
            "cloudlink up",
        ),
        (
            [found("CNAME", "db.other.example")],
            "db.corp.example has a CNAME record of somebody else's to db.other.example",
            "Delete that record",
        ),
        ([], "", ""),  # that there is none is told by another check
    ],
)
def test_a_record_that_leads_elsewhere(there: list[FoundRecord], said: str, fix: str) -> None:
    made = pin(led_elsewhere.records([WANTED], there))
    assert (made.detail if made else "") == said
    assert made is None or made.fix.startswith(fix)


def test_a_vpc_without_dns_settings_answers_nothing_from_private_zones() -> None:
    assert led_elsewhere.zone("vpc-1", VpcDnsSpec(support=True, hostnames=True)) is None
    for support, hostnames, begun in (
        (True, False, "DNS hostnames are off in vpc-1"),
        (False, True, "DNS support is off in vpc-1"),
        (False, False, "DNS support and DNS hostnames are off in vpc-1"),
    ):
        made = pin(led_elsewhere.zone("vpc-1", VpcDnsSpec(support, hostnames)))
        assert made is not None and made.detail.startswith(begun)
        assert (made.name, made.outcome, made.fix) == ("zone", Outcome.FAILED, "cloudlink up")


def test_the_endpoints_own_security_group_is_opened_again_by_an_up() -> None:
    azure = IPv4Network("10.20.0.0/16")
    endpoint = filters.endpoint(["subnet-1"], [IPv4Address("10.10.1.4")], ["sg-1"])
    rules = {"sg-1": frozenset({Rule("tcp", 53, 53, "10.20.0.0/16", "")})}
    (told,) = pinned(filters.check_groups([endpoint], rules, [azure], LINK))
    assert "lets no udp/53 in from 10.20.0.0/16" in told.detail
    assert told.hint == "cloudlink up"
    open_ = {"sg-1": frozenset({*rules["sg-1"], Rule("udp", 53, 53, "10.20.0.0/16", "")})}
    assert list(filters.check_groups([endpoint], open_, [azure], LINK)) == []


# --- what comes first ---------------------------------------------------------------------------------------


def seen(*failed: Check, down: int = 1, drift: tuple[Drift, ...] = ()) -> advice.Seen:
    report = Said().report()
    lost = tuple(replace(t, up=False, kind="repair", why="the pre-shared keys differ") for t in report.tunnels[:down])
    checks = (Check("tunnels", "", Outcome.FAILED, "3 of 4"), Check("bgp", "", Outcome.FAILED, "3 of 4"), *failed)
    return advice.Seen(LINK, Health.DEGRADED, (*lost, *report.tunnels[down:]), checks, drift, 0.0)


RECORDS = Check("records", "", Outcome.FAILED, "no record for a.corp.example", "cloudlink up")
KEY_DRIFT = Drift("azure_vpn.connection[0]", "connection 1", "key differs")
RECORD_DRIFT = Drift("resolver.records", "records", "gone")


def test_names_that_fail_come_before_a_tunnel_that_another_replaces() -> None:
    told = pin(advice.advise(seen(RECORDS, drift=(KEY_DRIFT, RECORD_DRIFT))))
    assert told.cause == "No record for a.corp.example."
    assert told.others == ("Tunnel 1: the pre-shared keys differ",)
    assert told.command == "cloudlink up"
    assert "Traffic passes through the other tunnels" in told.waiting


def test_without_any_tunnel_the_tunnels_come_first_and_nothing_is_hidden() -> None:
    told = pin(advice.advise(seen(RECORDS, down=4, drift=(KEY_DRIFT, RECORD_DRIFT))))
    assert told.cause == "All 4 tunnels: the pre-shared keys differ."
    assert told.others == ("no record for a.corp.example",)


def test_what_could_not_be_read_is_told_beside_a_tunnel_that_is_down() -> None:
    hidden = Check("forward", "", Outcome.UNSEEN, "AKS cluster test: The cluster does not answer: cut")
    told = pin(advice.advise(seen(hidden, drift=(KEY_DRIFT,))))
    assert told.others == ("not seen: CoreDNS: AKS cluster test: The cluster does not answer",)


def test_reads_that_failed_for_one_reason_are_one_cause() -> None:
    reason = "The sign-in to AWS has expired: {} answered RequestExpired"
    checks = tuple(
        Check(name, "", Outcome.UNSEEN, reason.format(call))
        for name, call in (("tunnels", "DescribeVpnConnections"), ("zone", "GetHostedZone"))
    )
    azure: tuple[TunnelStatus, ...] = tuple(
        replace(t, aws=None, up=False, azure=t.azure and replace(t.azure, status="NotConnected"))
        for t in Said().report().tunnels[:2]
    )
    told = pin(advice.advise(advice.Seen(LINK, Health.UNKNOWN, azure, checks, ())))
    assert told.cause.startswith("Not seen: tunnels, the zone. The sign-in to AWS has expired")
    assert told.others == ("Azure reports all 2 tunnels NotConnected",), "what the other cloud knows is not hidden"


def test_since_when_is_not_told_of_a_tunnel_that_aws_calls_up() -> None:
    tunnels = Said().report().tunnels
    detached = tuple(replace(t, up=False) for t in tunnels)
    assert detached[0].aws is not None and detached[0].aws.state == "UP"
    assert advice.since(Health.DOWN, detached) is None
    lost = tuple(replace(t, up=False, aws=t.aws and replace(t.aws, state="DOWN")) for t in tunnels)
    assert advice.since(Health.DOWN, lost) == max(t.aws.since or 0 for t in lost if t.aws)


def test_options_of_one_tunnel_take_that_tunnel_down_alone() -> None:
    drift = Drift(
        "aws_vpn.connection[1]", "VPN connection 2", "policies: tunnel 3: dpd timeout 60, wanted tunnel 3: 45"
    )
    assert advice._touched_by(drift) == (3,)
    assert advice._touched_by(replace(drift, what=f"{drift.what}; bandwidth: large, wanted standard")) == (3, 4)


def test_the_same_change_by_the_same_person_is_told_once() -> None:
    at = "2026-11-28 12:{:02} UTC (Activity Log)"
    who = [f"anna: connections/delete, {at.format(minute)}" for minute in (10, 15, 12)]
    assert _grouped([*who, "not known"]) == (
        "anna: connections/delete, 3 times, last 2026-11-28 12:15 UTC (Activity Log)",
        "not known",
    )
    assert _grouped(who[:1]) == (who[0],)
