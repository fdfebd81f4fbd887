"""What the plan makes against what may be there: with numbers, and only for what it makes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudlink.checks.preflight.quotas import QuotaFacts, check
from cloudlink.clouds.aws.parse_ec2 import count_existing
from cloudlink.clouds.azure.parse_usages import usages
from cloudlink.core.plan import Action
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link
from tests.support.pinned import pinned

from .samples import first_plan, link, plan, told


def findings(facts: QuotaFacts, of: Link | None = None) -> list[Finding]:
    found = pinned(check(facts, of or link(), first_plan()))
    told(found)
    return found


FULL = {
    "4 of 4 Resolver endpoints in eu-central-1": QuotaFacts(endpoints=4),
    "49 of 50 VPN connections in eu-central-1": QuotaFacts(connections=49),
    "5 of 5 virtual private gateways in eu-central-1": QuotaFacts(gateways=5),
    "49 of 50 customer gateways in eu-central-1": QuotaFacts(customer_gateways=49),
    "500 of 500 hosted zones in the account": QuotaFacts(zones=500),
    "62 rules in the endpoint's security group": QuotaFacts(azure_prefixes=31),
}
ROOM = QuotaFacts(
    connections=48,
    gateways=4,
    customer_gateways=48,
    endpoints=3,
    zones=499,
    azure_prefixes=30,
    connections_by_gateway={"vgw-1": 8},
)


@pytest.mark.parametrize("words", FULL)
def test_what_is_used_up_is_a_warning_with_its_numbers(words: str) -> None:
    (finding,) = findings(FULL[words])
    assert finding.severity is Severity.WARNING, "a quota may have been raised"
    assert words in finding.detail
    assert "servicequotas" in finding.hint


def test_where_there_is_room_nothing_is_said() -> None:
    assert findings(ROOM) == []


def test_what_exists_already_needs_no_room() -> None:
    facts = replace(FULL["4 of 4 Resolver endpoints in eu-central-1"], connections=50, gateways=5)
    assert list(check(facts, link(), plan(Action.UPDATE))) == []


def test_connections_on_an_adopted_gateway() -> None:
    adopted = link(aws={"gateway": "vgw-1"})
    assert findings(ROOM, adopted) == []
    (finding,) = findings(replace(ROOM, connections_by_gateway={"vgw-1": 9}), adopted)
    assert "9 of 10 VPN connections on vgw-1 are there, and the plan makes 2 more" in finding.detail


def test_azure_says_its_limits_itself() -> None:
    said = [
        {
            "name": {"value": "PublicIPAddresses", "localizedValue": "Public IP Addresses"},
            "currentValue": 9,
            "limit": 10,
        },
        {"name": {"value": "VirtualNetworks"}, "currentValue": 50, "limit": 50},
    ]
    (finding,) = findings(QuotaFacts(azure=usages(said)))
    assert finding.severity is Severity.OBSTACLE
    assert "9 of 10 Public IP Addresses in westeurope are there, and the gateway needs 2 more" in finding.detail
    said[0]["currentValue"] = 8
    assert findings(QuotaFacts(azure=usages(said))) == []


def test_deleted_objects_are_not_counted() -> None:
    assert count_existing([{"State": "available"}, {"State": "deleted"}, {"State": "deleting"}, {}]) == 2
