"""Sign-ins that end before the build does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cloudlink.checks.preflight import signin
from cloudlink.clouds.aws.signin import Lasting
from cloudlink.clouds.azure.credential import Identity
from cloudlink.clouds.azure.credential import Lasting as AzureLasting
from cloudlink.core.plan import Action, Plan
from cloudlink.errors import Finding
from tests.support.pinned import pinned

from .account import context
from .samples import plan

NOW = 1_800_000_000.0
MINUTE = 60.0
UNKNOWN = Lasting(known=False, why="The credentials are temporary", again="aws sso login")


def session(minutes: float) -> Lasting:
    return Lasting(NOW + minutes * MINUTE, why="Nobody renews it", again="aws sso login")


def found(
    aws: Lasting | None = None,
    azure: AzureLasting | None = None,
    its_plan: Plan | None = None,
    *,
    one_factor: bool = False,
) -> list[Finding]:
    its = context(its_plan)
    its.aws.answers["lasting"] = aws or Lasting()  # type: ignore[attr-defined]
    its.azure.answers["lasting"] = azure or AzureLasting()  # type: ignore[attr-defined]
    its.azure.answers["identity"] = Identity("me", "t", one_factor=one_factor)  # type: ignore[attr-defined]
    clouds: Any = its.aws
    clouds.clock = SimpleNamespace(now=lambda: NOW)
    return pinned(signin.find(its))


def test_a_sign_in_that_renews_itself() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("its_plan", "minutes", "told"),
    [
        (plan(), 49.9, True),
        (plan(), 50.0, False),
        (plan(Action.REPLACE), 49.9, True),
        (plan(Action.UPDATE), 49.9, False),
        (plan(Action.UPDATE), 19.9, True),
        (plan(Action.UPDATE), 20.0, False),
        (plan(Action.CREATE, "resolver"), 19.9, True),
        (plan(Action.CREATE, "resolver"), 20.0, False),
        (plan(), -5.0, True),
    ],
)
def test_what_is_left_is_compared_with_what_the_plan_takes(its_plan: Plan, minutes: float, told: bool) -> None:
    """Azure's gateway alone takes most of an hour."""
    assert [f.summary for f in found(session(minutes), its_plan=its_plan)] == (
        ["The AWS session ends before the build does"] if told else []
    )
    there = AzureLasting(NOW + minutes * MINUTE, "The job's identity is not renewed")
    assert [f.summary for f in found(azure=there, its_plan=its_plan)] == (
        ["The Azure session ends before the build does"] if told else []
    )


def test_an_end_that_nobody_knows_matters_to_a_long_build_only() -> None:
    (one,) = found(UNKNOWN)
    assert one.summary == "Whether the AWS session lasts as long as the build"
    assert found(UNKNOWN, its_plan=plan(Action.CREATE, "resolver")) == []


def test_without_a_second_factor_the_first_write_in_azure_would_be_refused() -> None:
    (one,) = found(one_factor=True)
    assert one.summary == "The sign-in to Azure has no second factor"
    assert found(one_factor=True, its_plan=plan(Action.CREATE, "aws_vpn")) == []
    assert len(found(one_factor=True, its_plan=plan(Action.CREATE, "azure_vpn.connection"))) == 1
