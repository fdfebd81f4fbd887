"""What ``permissions --for`` prints for the commands of the second day is what they really call: all of it, and no more."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloudlink.connect import topology_unasked
from cloudlink.day_two import logs as day_two_logs
from cloudlink.day_two.endpoints import TunnelEndpoints
from cloudlink.day_two.failover import Failover
from cloudlink.day_two.logs import Logs
from cloudlink.day_two.rotation import Rotation
from cloudlink.steps.least_permissions import Where, least
from tests.support.built_link import BuiltLink

WORKSPACE = "/subscriptions/s/resourceGroups/ops/providers/Microsoft.OperationalInsights/workspaces/ops"


def endpoints(place: BuiltLink) -> TunnelEndpoints:
    clouds = place.connect()
    return TunnelEndpoints(place.link, clouds.aws, clouds.azure, place.time, place.policy)


def rotate(place: BuiltLink) -> None:
    run = Rotation(endpoints(place))
    run.carry_out(run.plan((1,)))


def fail_over(place: BuiltLink) -> None:
    for aws_end in (False, True):
        run = Failover(endpoints(place), aws_end)
        run.carry_out(run.plan())


def switch_logs(place: BuiltLink) -> None:
    run = Logs(endpoints(place))
    run.carry_out(run.plan("on", (1,), WORKSPACE))
    run.show()
    run = Logs(endpoints(place))
    run.carry_out(run.plan("off"))
    clouds = place.connect()
    day_two_logs.remove(place.link, clouds.aws, clouds.azure, remembered=(day_two_logs.AZURE_ADDRESS,))


@pytest.mark.parametrize(("command", "life"), [("rotate-keys", rotate), ("test", fail_over), ("logs", switch_logs)])
def test_exactly_what_is_called(place: BuiltLink, command: str, life: Callable[[BuiltLink], None]) -> None:
    grants = place.sandbox.context.grants
    printed = {
        a.action.lower()
        for a in least(place.link, topology_unasked(place.link).nodes(), [command])
        if a.where in (Where.AWS, Where.AZURE)
    }
    if command == "test":  # the half that asks names is verify-dns, which has a proof of its own
        printed -= {
            a.action.lower() for a in least(place.link, topology_unasked(place.link).nodes(), ["verify-dns"])
        } - _OF_A_FAILOVER
    grants.limit(printed)
    try:
        life(place)
        checks = least(place.link, topology_unasked(place.link).nodes(), [command], checks=True)
        used = {action.lower() for action in grants.json()["used"]} - {a.action.lower() for a in checks} | (
            printed & {action.lower() for action in grants.json()["used"]}
        )
    finally:
        grants.allow_all()
    assert used == printed


_OF_A_FAILOVER = {"ec2:describecustomergateways", "ec2:describevpnconnections", "ec2:describevpngateways"}


def test_the_default_does_not_ask_for_more_than_before() -> None:
    from cloudlink.config import load
    from tests.support.cli import EXAMPLE

    link = load(EXAMPLE)
    default = {a.action for a in least(link, topology_unasked(link).nodes())}
    assert not [a for a in default if a.startswith("logs:") or "Insights" in a or "LookupEvents" in a]
    checks = {a.action for a in least(link, topology_unasked(link).nodes(), checks=True)}
    assert {"cloudtrail:LookupEvents", "Microsoft.Insights/eventtypes/values/read"} <= checks
