"""Names of Azure's zones, asked from a pod on EKS: what is asked, and what the answers mean."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from cloudlink.checks import back as status_of_back
from cloudlink.checks.back import ZoneSeen
from cloudlink.checks.names import back
from cloudlink.checks.names.answers import NameFacts, ProbeFacts, Query
from cloudlink.checks.names.verify import checked_name
from cloudlink.checks.report import Advice, DnsReport, Health, NameReport, Outcome
from cloudlink.core.resource import Observed, Ownership, Phase
from cloudlink.errors import UsageError
from tests.support.config_texts import SMALLEST, parsed
from tests.support.pinned import pin

ZONE = "privatelink.blob.core.windows.net"
NAME = f"data.{ZONE}"
LINK = parsed(f'{SMALLEST}\n[[dns.back]]\nzone = "{ZONE}"\n[[dns.back]]\nzone = "azure.corp.test"\n')
KNOWN = {ZONE: {f"n{i}.{ZONE}": (IPv4Address(f"10.20.7.{i}"),) for i in range(9)}}
INBOUND = "10.20.201.4"


def query(via: str, outcome: str = "answer", rcode: int = 0, *addresses: str) -> Query:
    server = "172.20.0.10" if via == "cluster" else INBOUND
    return Query(via, server, "udp", outcome, rcode, addresses, (), truncated=False, error="", ms=3.0)


def report(name: str, own: Query | None, *beyond: Query, zone: str = ZONE) -> NameReport:
    wants = back.wanted(LINK, {ZONE: {NAME: (IPv4Address("10.20.7.7"),)}}, [name])
    facts = NameFacts(name, tuple(q for q in (own, *beyond) if q is not None), ())
    (found,) = back.reports(ProbeFacts((), (), (facts,)), wants)
    return pin(found)


RIGHT = ("answer", 0, "10.20.7.7")


def test_some_records_of_each_zone_are_asked_for_or_the_zone_itself() -> None:
    names = [w.name for w in back.wanted(LINK, KNOWN)]
    assert names == [*(f"n{i}.{ZONE}" for i in range(back.MOST_ASKED)), "azure.corp.test"]
    assert [w.zone for w in back.wanted(LINK, {}, [NAME, "app.prod.corp.example"])] == [ZONE]


def test_the_command_line_takes_a_name_of_azures() -> None:
    assert checked_name(LINK.dns, f"{NAME.upper()}.") == NAME
    with pytest.raises(UsageError):
        checked_name(LINK.dns, "data.blob.core.windows.net")


def test_a_name_that_pods_get() -> None:
    found = report(NAME, query("cluster", *RIGHT), query("endpoint", *RIGHT))
    assert (found.verdict, found.answers, found.cause) == ("ok", ("10.20.7.7",), "")
    assert found.hops[0].hop == "eks-dns"


def test_a_zone_without_records_answers_by_its_name() -> None:
    assert report(ZONE, query("cluster"), query("endpoint")).verdict == "ok"
    assert report(NAME, query("cluster"), query("endpoint")).verdict == "nodata"


def test_a_name_without_an_address_proves_no_more_than_that_its_zone_answers() -> None:
    empty = DnsReport("l", Health.HEALTHY, ())

    def added(name: str, *answer: str) -> DnsReport:
        known = {ZONE: {NAME: (IPv4Address("10.20.7.7"),)}}
        asked = (query("cluster", "answer", 0, *answer), query("endpoint", "answer", 0, *answer))
        return back.added(
            empty, LINK, back.wanted(LINK, known, [name]), ProbeFacts((), (), (NameFacts(name, asked, ()),))
        )

    (said,) = added(ZONE).unproved
    assert said.startswith(f"{ZONE} has no address") and "not proved" in said
    assert added(NAME, "10.20.7.7").unproved == ()
    assert added(NAME).unproved == (), "what is wrong has its cause"


def test_what_azure_does_not_have() -> None:
    found = report(NAME, query("cluster", "answer", 3), query("endpoint", "answer", 3))
    assert found.verdict == "nxdomain" and "not linked to the VNet" in found.cause


@pytest.mark.parametrize(
    ("own", "beyond", "verdict", "said"),
    [
        (query("cluster", "answer", 2), query("endpoint", "timeout"), "servfail", "does not answer a pod on EKS"),
        (query("cluster", "answer", 3), query("endpoint", *RIGHT), "nxdomain", "is not in effect"),
        (query("cluster", "answer", 0, "10.20.7.8"), query("endpoint", *RIGHT), "stale-address", "older answer"),
        (query("cluster", *RIGHT), query("endpoint", "answer", 5), "refused", "does not answer"),
        (query("cluster", "answer", 2), query("endpoint", "answer", 2), "servfail", "answers wrongly"),
        (None, query("endpoint", *RIGHT), "error", "is not in effect"),
    ],
)
def test_the_cause_is_where_the_first_hop_is_wrong(own: Query | None, beyond: Query, verdict: str, said: str) -> None:
    found = report(NAME, own, beyond)
    assert found.verdict == verdict
    assert said in found.cause
    assert found.fix


def test_the_verdict_is_on_both_directions() -> None:
    well, wrong = NameReport("a", (), "ok", ()), NameReport("b", (), "timeout", ())
    assert back.together(Health.HEALTHY, [well]) is Health.HEALTHY
    assert back.together(Health.HEALTHY, [wrong]) is Health.DEGRADED
    assert back.together(Health.DOWN, [wrong]) is Health.DOWN
    assert back.together(Health.DOWN, [well]) is Health.DOWN
    empty, both = DnsReport("l", Health.HEALTHY, ()), DnsReport("l", Health.HEALTHY, (well,))
    unproved = back.unproved(empty, "no pod")
    assert unproved.health is Health.UNKNOWN and "no pod" in unproved.unproved[0]
    names = back.wanted(LINK, {}, [NAME])
    assert pin(back.without_endpoint(empty, LINK, names)).health is Health.DOWN
    assert pin(back.without_endpoint(both, LINK, names)).health is Health.DEGRADED


def seen(phase: Phase = Phase.READY) -> Observed[object, object]:
    return Observed("id", phase, None, None, Ownership.OWNED, "FAILED: because")


def test_status_looks_at_zones_and_at_what_leads_to_them() -> None:
    zones = [ZoneSeen(z.name, "/z", linked=True) for z in LINK.dns.back]
    parts = ["dns_forward.inbound", "resolver.back_endpoint", *(f"resolver.back_association[{z.name}]" for z in zones)]
    found: dict[str, Observed[object, object] | None] = {a: seen() for a in parts}
    assert pin(status_of_back.status_check(LINK, found, zones)).outcome is Outcome.PASSED
    for address in parts:
        for wrong in (None, seen(Phase.FAILED)):
            check = pin(status_of_back.status_check(LINK, {**found, address: wrong}, zones))
            assert (check.outcome, check.fix) == (Outcome.FAILED, "cloudlink up")
    loose = [zones[0], ZoneSeen(zones[1].name, "/z")]
    check = pin(status_of_back.status_check(LINK, found, loose))
    assert "azure.corp.test is not linked" in check.detail and check.fix.startswith("az network private-dns link")


def test_a_zone_that_is_gone_is_told_as_such_and_one_in_another_group_is_linked_by_ids() -> None:
    there = [ZoneSeen(z.name, "/z", linked=True) for z in LINK.dns.back]
    gone = status_of_back.status_check(LINK, {}, [there[0], ZoneSeen("azure.corp.test")])
    assert "there is no private DNS zone azure.corp.test" in gone.detail
    assert gone.fix.startswith("az network private-dns zone create --name azure.corp.test")
    side = LINK.azure
    own = f"/subscriptions/{side.vnet_subscription}/resourceGroups/{side.vnet_resource_group}/providers/x/privateDnsZones/{ZONE}"
    beside = status_of_back.linking(LINK, ZoneSeen(ZONE, own))
    assert f"--virtual-network {side.vnet} " in beside and "--subscription" not in beside
    far = ZoneSeen(ZONE, f"/subscriptions/9999/resourceGroups/dns/providers/x/privateDnsZones/{ZONE}")
    line = status_of_back.linking(LINK, far)
    assert f"--virtual-network /subscriptions/{side.vnet_subscription}/resourceGroups/" in line
    assert "--resource-group dns " in line and line.endswith("--subscription 9999")


def test_a_name_of_azures_that_fails_has_its_cause_and_one_thing_to_do() -> None:
    """Beside names of AWS that work, which have nothing to advise."""
    works = NameReport("app.corp.example", ("10.10.1.1",), "ok", (), "", "")
    lost = report(NAME, query("cluster", "answer", 3), query("endpoint", "answer", 3))
    both = DnsReport("names", Health.DEGRADED, (works, lost))
    told = back.explained(both, LINK, [ZoneSeen(ZONE, "/subscriptions/s/resourceGroups/dns/x/y/z/w/v")], ())
    assert f"{NAME}: {ZONE} is not linked" in told.advice.cause
    assert told.advice.command.startswith("az network private-dns link vnet create")
    assert told.names[0] == works and "--resource-group dns" in told.names[1].fix
    linked = back.explained(both, LINK, [ZoneSeen(ZONE, "/z", linked=True)], ())
    assert linked.advice.command == "cloudlink status" and "tunnels" not in linked.advice.effect
    before = replace(both, advice=Advice("app.corp.example: no answer.", command="cloudlink up"))
    beside = back.explained(before, LINK, [], ())
    assert beside.advice.command == "cloudlink up" and NAME in beside.advice.others[0]
    assert back.explained(replace(both, names=(works,)), LINK, [], ()).advice.cause == ""
