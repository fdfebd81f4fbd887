"""Everything is listed at once: no failed read and no topic hides another."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cloudlink.checks.preflight import denied_reads
from cloudlink.checks.preflight.context import Context, Topic
from cloudlink.checks.preflight.run import check
from cloudlink.errors import (
    AccessError,
    CloudlinkError,
    ConflictError,
    CredentialsError,
    Finding,
    MissingError,
    ObstaclesError,
    Severity,
    StateError,
    UnreachableError,
    refusal,
)

from .context import context

GONE = MissingError("The VPC does not exist", "There is no vpc-1.", "look", resource="aws_vpn.vpc")
THEIRS = ConflictError("Another link has this name", "It is in vpc-2.", "rename it", resource="resolver.zone")
EXPIRED = CredentialsError("The sign-in to AWS has expired", "By a call.", "aws sso login", code="ExpiredToken")
DENIED = CredentialsError("A permission is missing in Azure", "No read on x.", "ask", resource="azure_vpn.gateway")
AWAY = UnreachableError("AWS does not answer", "Time-out.", "again")


def call(address: str, read: Callable[[], Any]) -> Any:
    return read()


def says(*findings: Finding) -> Topic:
    return lambda _: findings


def fails(error: Exception) -> Topic:
    def topic(_: Context) -> Iterator[Finding]:
        yield Finding("aws", Severity.WARNING, "half", "is not told")
        raise error

    return topic


WALL = Finding("aks", Severity.OBSTACLE, "The cluster is stopped", "It is.", "az aks start")


def checked(*errors: CloudlinkError, topics: tuple[Topic, ...] = ()) -> tuple[Finding, ...]:
    named = [(f"topic{i}", t) for i, t in enumerate(topics)]
    return check(context(failed={str(i): e for i, e in enumerate(errors)}), call, named)


def test_failed_reads_and_topics_are_listed_together_and_conflicts_come_first() -> None:
    found = checked(GONE, THEIRS, topics=(says(WALL), says()))
    assert [f.summary for f in found] == [THEIRS.summary, GONE.summary, WALL.summary]
    assert [f.topic for f in found] == ["names", "aws", "aks"]
    error = refusal(found)
    assert isinstance(error, ObstaclesError)
    assert error.exit_code == 3
    assert error.findings == found


def test_one_cause_is_told_once() -> None:
    again = MissingError(GONE.summary, GONE.detail, GONE.hint, resource="aws_vpn.other")
    assert len(checked(GONE, again, GONE)) == 1


def test_a_read_that_an_obstacle_explains_is_not_told_beside_it() -> None:
    away = UnreachableError("The cluster does not answer", "Connection refused.")
    explains = dataclasses.replace(WALL, explains="0")
    assert [f.summary for f in checked(away, topics=(says(explains),))] == [WALL.summary]
    assert [f.summary for f in checked(away, topics=(says(WALL),))] == [away.summary, WALL.summary]


def test_a_topic_that_cannot_be_read_is_not_proved_and_hides_no_other() -> None:
    found = checked(topics=(fails(DENIED), says(WALL)))
    assert [f.severity for f in found] == [Severity.NOT_PROVED, Severity.OBSTACLE]
    assert "No read on x" in found[0].detail
    assert "half" not in [f.summary for f in found]


@pytest.mark.parametrize(
    ("action", "stops"),
    [
        ("ec2:DescribeVpcs", True),
        ("DescribeVpcs", True),  # not every answer of AWS's names the service
        ("microsoft.network/networksecuritygroups/READ", True),
        ("route53:ListHostedZonesByVPC", False),  # a check alone reads it
        ("", False),  # nobody said which
    ],
)
def test_a_read_that_no_up_can_do_without_is_missing_access(action: str, stops: bool) -> None:
    error = CredentialsError("A permission is missing", "x", action=action)
    assert denied_reads.stops(error, context()) is stops


def test_an_expired_sign_in_is_no_missing_read() -> None:
    assert not denied_reads.stops(CredentialsError("The sign-in has expired", action="ec2:DescribeVpcs"), context())


def test_what_the_plan_could_not_read_is_not_told_again_by_a_topic() -> None:
    assert [f.summary for f in checked(GONE, topics=(fails(GONE),))] == [GONE.summary]


def test_missing_access_is_all_told_at_once_with_the_code_of_its_own() -> None:
    with pytest.raises(AccessError) as raised:
        checked(EXPIRED, CredentialsError(EXPIRED.summary, "By another call."), DENIED, GONE, topics=(says(WALL),))
    assert raised.value.exit_code == 4
    assert {f.summary for f in raised.value.findings} == {e.summary for e in (EXPIRED, DENIED, GONE)} | {WALL.summary}
    assert [f.topic for f in raised.value.findings if f.summary in (EXPIRED.summary, DENIED.summary)] == [
        "sign-in",
        "permissions",
    ]


def test_one_missing_access_alone_is_told_in_its_own_words() -> None:
    with pytest.raises(CredentialsError) as raised:
        checked(EXPIRED, CredentialsError(EXPIRED.summary, "By another call."), topics=(fails(EXPIRED),))
    assert raised.value is EXPIRED


def test_a_missing_permission_that_a_topic_found_ends_with_four() -> None:
    finding = Finding("permissions", Severity.OBSTACLE, "A permission is missing", "x", "y")
    error = refusal(checked(topics=(says(WALL), says(finding))))
    assert error is not None
    assert (error.exit_code, error.findings) == (4, (WALL, finding))


def test_a_cloud_that_is_away_is_no_obstacle_in_the_accounts() -> None:
    with pytest.raises(UnreachableError):
        checked(AWAY, UnreachableError(AWAY.summary, "Another time-out."), topics=(fails(AWAY),))
    assert [f.summary for f in checked(AWAY, topics=(says(WALL),))] == [AWAY.summary, WALL.summary]


def test_what_is_neither_is_raised_as_it_is() -> None:
    with pytest.raises(StateError):
        checked(GONE, StateError("The state file cannot be read"))
    with pytest.raises(ZeroDivisionError):
        checked(topics=(fails(ZeroDivisionError()),))


def test_warnings_refuse_nothing() -> None:
    found = checked(topics=(says(Finding("names", Severity.WARNING, "w", "x")), fails(AWAY)))
    assert len(found) == 2
    assert refusal(found) is None
