"""A tunnel is disturbed on purpose: only with four of four, with nothing to take back, and watched to its end."""

from __future__ import annotations

import pytest

from cloudlink.day_two.endpoints import TunnelEndpoints
from cloudlink.day_two.failover import Failover
from cloudlink.errors import UnhealthyError
from tests.support.built_link import BuiltLink, Calls, Killed


def failover(place: BuiltLink, *, aws_end: bool = False) -> Failover:
    clouds = place.connect()
    return Failover(TunnelEndpoints(place.link, clouds.aws, clouds.azure, place.time, place.policy), aws_end)


@pytest.mark.parametrize(("aws_end", "write"), [(False, "POST resetconnection"), (True, "ReplaceVpnTunnel")])
def test_one_tunnel_goes_down_and_comes_back(place: BuiltLink, aws_end: bool, write: str) -> None:
    run = failover(place, aws_end=aws_end)
    planned = run.plan()
    trial = run.carry_out(planned)
    assert trial.seconds is not None
    assert trial.seconds > 10
    assert place.writes() == ["CreateTags", write, "CreateTags"]
    assert all(n.settled for n in run.endpoints.read())


def test_not_with_a_tunnel_down(place: BuiltLink) -> None:
    run = failover(place)
    place.fault("tunnel-down", run.endpoints.read()[2].outside)
    place.time.wait(5)  # a read of just now still counts as fresh
    with pytest.raises(UnhealthyError, match="tunnel 3"):
        run.plan()
    assert place.writes() == []


def test_a_second_run_goes_on_with_the_watch(place: BuiltLink) -> None:
    with pytest.MonkeyPatch.context() as patch:
        calls = Calls(patch)

        def die_once_it_is_disturbed() -> None:
            if calls.made[-1] == "POST resetconnection":
                raise Killed

        calls.each = die_once_it_is_disturbed
        run = failover(place)
        with pytest.raises(Killed):
            run.carry_out(run.plan())
    again = failover(place)
    planned = again.plan()
    assert planned.began is not None
    trial = again.carry_out(planned)
    assert "after an interruption" in trial.detail
    assert place.writes().count("POST resetconnection") == 1


def test_killed_before_anything_was_disturbed_the_next_run_tests_anew(place: BuiltLink) -> None:
    with pytest.MonkeyPatch.context() as patch:
        calls = Calls(patch)
        run = failover(place)
        planned = run.plan()

        def die_at_the_tag() -> None:
            if calls.made[-1] == "CreateTags":
                raise Killed

        calls.each = die_at_the_tag
        with pytest.raises(Killed):
            run.carry_out(planned)
    assert failover(place).plan().began is None
