"""Doctor's lines for people."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudlink.checks import doctor
from cloudlink.checks.preflight.run import BEFORE_REMOVAL, EXISTING_WITHOUT_WRITES, WITHOUT_WRITES
from cloudlink.checks.preflight.topics import OVER_EXISTING, TOPICS
from cloudlink.checks.report import Check, Drift, Health, Outcome, StatusReport
from cloudlink.core.plan import Accounts, Plan
from cloudlink.errors import Finding, Severity
from cloudlink.view.doctor import doctor_lines
from cloudlink.view.text import Look
from tests.checks.test_tunnels import LINK, Said
from tests.support.pinned import pin

NAMES = sorted(
    {
        name
        for table in (TOPICS, WITHOUT_WRITES, OVER_EXISTING, EXISTING_WITHOUT_WRITES, BEFORE_REMOVAL)
        for name, _ in table
    }
)


@pytest.mark.parametrize("topic", NAMES)
def test_each_topic_has_a_title(topic: str) -> None:
    """Else its line is the name that programs know it by."""
    made = pin(doctor.report(LINK, [topic], (), None, None))
    assert next(c.title for c in made.checks if c.name == topic) not in (topic, "")


ACCOUNTS = Accounts("111122223333", "user/me", None, "s-1", "shop", "t", "me@example.com")


def lines(*findings: Finding, accounts: Accounts | None = ACCOUNTS, status: StatusReport | None = None) -> list[str]:
    plan = None if accounts is None else Plan((), accounts=accounts)
    made = pin(doctor.report(LINK, ["aws"], findings, plan, status))
    return [f"{c.name} {c.outcome.value}: {c.title}. {c.detail} {c.fix}".rstrip(" .") for c in made.checks]


def test_before_a_link_exists_each_topic_passes_or_says_what_was_found() -> None:
    """What a topic costs is nothing to mend; a topic that was not asked for and told something has a line as well."""
    found = lines(
        Finding("aws", Severity.OBSTACLE, "The VPC does not exist", "There is no vpc-1.", "Correct it."),
        Finding("aws", Severity.WARNING, "A subnet is full", "It has no address.", "Take another."),
        Finding("cost", Severity.WARNING, "What it costs", "The link costs about 400 USD a month."),
        Finding("quotas", Severity.NOT_PROVED, "A check could not be made", "It could not be read."),
    )
    assert found == [
        "configuration passed: The configuration is valid. 2 names in corp.example",
        "sign-in passed: Both clouds are signed in to, for long enough. AWS 111122223333 as user/me, Azure shop as me@example.com",
        "aws failed: The VPC does not exist. There is no vpc-1. Correct it",
        "aws warning: A subnet is full. It has no address. Take another",
        "cost passed: Cost. What it costs. The link costs about 400 USD a month",
        "quotas not seen: A check could not be made. It could not be read",
    ]


def test_a_cost_with_something_to_do_is_a_warning() -> None:
    (*_, last) = lines(Finding("cost", Severity.WARNING, "No price is known", "None is.", "See the price list."))
    assert last == "cost warning: No price is known. None is. See the price list"


@pytest.mark.parametrize(
    ("accounts", "said"),
    [
        (replace(ACCOUNTS, aws_account=""), "Azure shop as me@example.com"),
        (replace(ACCOUNTS, azure_subscription_name="", azure_user=""), "user/me, Azure s-1"),
    ],
)
def test_who_is_signed_in_as_far_as_the_clouds_say(accounts: Accounts, said: str) -> None:
    (line,) = [told for told in lines(accounts=accounts) if told.startswith("sign-in")]
    assert line.endswith(said)
    assert (". AWS" in line) is bool(accounts.aws_account)


def test_clouds_that_could_not_be_read_have_no_sign_in() -> None:
    assert not any(line.startswith("sign-in") for line in lines(accounts=None))


def test_of_a_link_that_exists_the_health_is_told_and_what_differs() -> None:
    said = Said()
    said.down(1)
    whole = said.report()
    drift = Drift("azure_vpn.connection[1]", "connection 2", "key differs")
    told = lines(status=replace(whole, drift=(drift,)))
    assert next(line for line in told if line.startswith("tunnels")).startswith("tunnels failed: ")
    assert (
        told[-1] == "differences failed: Something is not as configured. "
        "azure_vpn.connection[1]: key differs cloudlink up"
    )
    assert lines(status=whole)[-1] == "differences passed: Everything is as configured"
    assert len(lines(status=replace(whole, health=Health.ABSENT))) == 3, "there is no health of what is not there"
    skipped = replace(whole, checks=(Check("bgp", "BGP", Outcome.SKIPPED), whole.checks[0]))
    assert not any(line.startswith("bgp") for line in lines(status=skipped))


def test_how_many_of_a_kind_there_are() -> None:
    made = doctor.report(LINK, ["aws", "azure"], [Finding("aws", Severity.WARNING, "a")], Plan(()), None)
    assert made.count(Outcome.PASSED) == 3 and made.count(Outcome.WARNING) == 1
    assert made.count(Outcome.PASSED, Outcome.WARNING) == 4 and made.count(Outcome.FAILED) == 0
    assert not made.exists


def test_what_was_not_read_is_neither_passed_nor_said_to_be_missing() -> None:
    """A topic whose part in the cluster could not be read is not proved, and a link that nobody could look for may exist."""
    topics, unread = ["coredns", "quotas"], {"coredns": "The cluster could not be asked."}
    made = doctor.report(LINK, topics, (), None, None, unread=unread)
    outcomes = {c.name: (c.outcome, c.detail) for c in made.checks}
    assert outcomes["coredns"] == (Outcome.UNSEEN, "The cluster could not be asked.")
    assert outcomes["quotas"][0] is Outcome.PASSED
    look = Look(100)
    for noted, exists in ((False, None), (True, True)):
        made = doctor.report(LINK, (), (), None, None, noted=noted)
        assert made.exists is exists
        assert "does not exist" not in "".join(s.text for one in doctor_lines(made, look) for s in one)


def test_what_coredns_is_to_do_is_no_line_where_the_vnet_forwards() -> None:
    by_vnet = replace(LINK, dns=replace(LINK.dns, forward="vnet"))
    assert "coredns" not in {c.name for c in doctor.report(by_vnet, ["coredns"], (), None, None).checks}
