"""Whether names can be answered, value by value."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from cloudlink.checks.records import (
    endpoint_check,
    endpoint_status,
    forward_check,
    record_check,
    rule_check,
    shown_records,
    target_check,
    zone_check,
    zone_line,
)
from cloudlink.checks.report import Outcome
from cloudlink.clouds.aws.parse_resolver import Endpoint, EndpointAddress, ForwardRule
from cloudlink.clouds.aws.parse_zones import FoundRecord, Zone
from cloudlink.errors import MissingError
from cloudlink.link import AddressTarget, Host, PrivateZone
from cloudlink.steps.dns_forward.corefile import ForwardStatus
from tests.support.links import make_link
from tests.support.pinned import pin

HOSTS = (
    Host("app", AddressTarget((IPv4Address("10.10.0.1"),))),
    Host("*.wild", AddressTarget((IPv4Address("10.10.0.2"),))),
)
LINK = make_link(dns={"hosts": HOSTS})
ZONE = Zone("Z1", "corp.example", True, "cloudlink/demo/", ("vpc-1",))
ENDPOINT = Endpoint("rslvr-in-1", "arn", "vpc-1", "OPERATIONAL", "", "", frozenset(), frozenset({"Do53"}))
FIRST = EndpointAddress("rni-1", "subnet-1", "ATTACHED", IPv4Address("10.10.1.10"))
SECOND = EndpointAddress("rni-2", "subnet-2", "ATTACHED", IPv4Address("10.10.2.9"))


def record(name: str, type_: str = "A", *values: str, alias: bool = False) -> FoundRecord:
    return FoundRecord(f"{name}.corp.example", type_, values=values, alias=alias)


# --- the endpoint -----------------------------------------------------------------------------------------


def test_an_endpoint_whose_addresses_are_attached_passes_in_order_of_its_addresses() -> None:
    status = endpoint_status(ENDPOINT, (SECOND, FIRST))
    assert pin(endpoint_check(status)).outcome is Outcome.PASSED
    assert (
        pin(endpoint_check(status)).detail == "AWS reports it operational, which was not tried: 10.10.1.10, 10.10.2.9"
    )


@pytest.mark.parametrize(
    ("endpoint", "address", "words"),
    [
        (replace(ENDPOINT, status="ACTION_NEEDED"), SECOND, "the inbound endpoint is ACTION_NEEDED"),
        (
            ENDPOINT,
            replace(SECOND, status="DETACHING"),
            "address 10.10.2.9 of the inbound endpoint in subnet-2 is DETACHING",
        ),
        (
            ENDPOINT,
            replace(SECOND, status="CREATING", address=None),
            "an address of the inbound endpoint in subnet-2 is CREATING",
        ),
        (ENDPOINT, replace(SECOND, address=None), "the inbound endpoint has no address for IPv4 in subnet-2"),
    ],
)
def test_one_part_of_an_endpoint_that_does_not_work_fails_it(
    endpoint: Endpoint, address: EndpointAddress, words: str
) -> None:
    said = pin(endpoint_check(endpoint_status(endpoint, (FIRST, address))))
    assert (said.outcome, said.detail) == (Outcome.FAILED, words)


def test_no_endpoint_fails() -> None:
    assert endpoint_status(None, ()) is None
    assert pin(endpoint_check(None)).outcome is Outcome.FAILED


# --- the zone ---------------------------------------------------------------------------------------------


def test_a_zone_must_be_associated_with_the_links_vpc() -> None:
    there = {ZONE.name: ZONE}
    assert (pin(zone_check(LINK, there)).outcome, pin(zone_check(LINK, there)).detail) == (
        Outcome.PASSED,
        "corp.example (Z1)",
    )
    assert "not associated with vpc-1" in pin(zone_check(LINK, {ZONE.name: replace(ZONE, vpcs=("vpc-2",))})).detail
    assert pin(zone_check(LINK, {})).outcome is Outcome.FAILED
    assert zone_line(()) == ""


def test_every_configured_name_needs_a_record_that_gives_an_address() -> None:
    app, wild = record("app", "A", "10.10.0.1"), record("*.wild", "CNAME", "lb.example")
    assert pin(record_check(LINK, {ZONE.name: ZONE}, (app, wild))).outcome is Outcome.PASSED
    missing = pin(record_check(LINK, {ZONE.name: ZONE}, (app, replace(wild, type="TXT"))))
    assert (missing.outcome, missing.detail) == (Outcome.FAILED, "no record for *.wild.corp.example")
    assert pin(record_check(LINK, {}, ())).outcome is Outcome.SKIPPED


def test_our_records_are_shown_without_the_ownership_records_and_others_are_counted() -> None:
    found = (
        record("", "SOA"),
        record("_cloudlink-demo", "TXT", '"cloudlink demo"'),
        record("_2._cloudlink-demo", "TXT", '"more"'),
        record("app", "A", "lb.elb.amazonaws.com", alias=True),
        record("*.wild", "A", "10.10.0.2", "10.10.0.3"),
        record("theirs", "A", "10.10.0.9"),
    )
    ours = {r.key for r in found[1:5]}
    rows, others = shown_records(found, ours)
    assert rows == (
        ("app.corp.example", "A alias", "lb.elb.amazonaws.com"),
        ("*.wild.corp.example", "A", "10.10.0.2, 10.10.0.3"),
    )
    assert others == 1
    assert shown_records(found, None)[1] == 0, "where ours are not known all are shown"


# --- rules, targets, CoreDNS --------------------------------------------------------------------------------


def test_a_rule_of_the_zones_name_fails_with_the_command_that_ends_it() -> None:
    said = pin(rule_check(LINK, (ForwardRule("rslvr-rr-1", "corp.example", ("10.9.9.9",)),)))
    assert said.outcome is Outcome.FAILED
    assert "rslvr-rr-1 sends corp.example to 10.9.9.9" in said.detail
    assert said.fix.endswith("--resolver-rule-id rslvr-rr-1 --vpc-id vpc-1")
    assert pin(rule_check(LINK, (ForwardRule("rslvr-rr-2", "other.example", ()),))).outcome is Outcome.PASSED
    assert pin(rule_check(LINK, None)).outcome is Outcome.SKIPPED


def test_a_target_that_is_gone_fails_in_its_own_words() -> None:
    gone = MissingError("The load balancer is gone", "There is no web.", "Name another.")
    said = pin(target_check(gone))
    assert (said.outcome, said.detail, said.fix) == (Outcome.FAILED, gone.detail, gone.hint)
    assert pin(target_check(None)).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("status", "outcome", "detail"),
    [
        (None, Outcome.SKIPPED, "the AKS cluster was not checked"),
        (ForwardStatus("a"), Outcome.PASSED, "a"),
        (ForwardStatus("a", "no key"), Outcome.FAILED, "no key"),
        (ForwardStatus("a", "", ("b", "c")), Outcome.WARNING, "a. b c"),
    ],
)
def test_coredns(status: ForwardStatus | None, outcome: Outcome, detail: str) -> None:
    said = pin(forward_check(status))
    assert (said.outcome, said.detail) == (outcome, detail)


def test_what_another_up_would_not_put_right_is_a_persons_to_do() -> None:
    assert pin(forward_check(ForwardStatus("a", "no key"))).fix == "cloudlink up"
    assert pin(forward_check(ForwardStatus("a", "it is not read", task="Add the line."))).fix == "Add the line."


def test_of_several_zones_each_that_is_missing_is_named() -> None:
    both = replace(
        LINK, dns=replace(LINK.dns, more_zones=(PrivateZone("b.example", (Host("x", LINK.dns.hosts[0].target),)),))
    )
    other = replace(ZONE, id="Z2", name="b.example")
    whole = pin(zone_check(both, {ZONE.name: ZONE, other.name: other}))
    assert (whole.outcome, whole.detail) == (Outcome.PASSED, "corp.example (Z1), b.example (Z2)")
    one = pin(zone_check(both, {ZONE.name: ZONE}))
    assert (one.outcome, one.detail) == (Outcome.FAILED, "there is no private hosted zone b.example")
    lacking = pin(record_check(both, {ZONE.name: ZONE}, (record("app", "A"), record("*.wild", "A"))))
    assert lacking.detail == "no record for x.b.example"
    taken = pin(rule_check(both, (ForwardRule("r1", "b.example", ("10.1.1.1",)),)))
    assert "r1 sends b.example to 10.1.1.1" in taken.detail


def test_a_cluster_that_was_not_checked_or_not_read() -> None:
    assert pin(forward_check(None)).outcome is Outcome.SKIPPED
    whole = pin(forward_check(ForwardStatus("corp.example to 10.1.1.10.", unread="The cluster is away")))
    assert (whole.name, whole.outcome) == ("forward", Outcome.UNSEEN)
    assert whole.detail == "The cluster is away. corp.example to 10.1.1.10."
    assert pin(forward_check(ForwardStatus("", unread="The cluster is away"))).detail == "The cluster is away."
    warned = pin(forward_check(ForwardStatus("a", warnings=("One.", "Two."))))
    assert (warned.outcome, warned.detail) == (Outcome.WARNING, "a. One. Two.")
