"""One cause and one thing to do: what is advised helps, or a person's task is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cloudlink.checks import advice, status
from cloudlink.checks.report import Advice, Check, Drift, Health, Outcome, StatusReport
from cloudlink.checks.status_reads import Facts
from cloudlink.errors import MissingError
from tests.checks.test_tunnels import LINK, Said, plain
from tests.support.pinned import pin

SINCE = 1_800_000_000.0
KEY = Drift("azure_vpn.connection[1]", "connection 2", "key differs", seconds=40)
RECORD = Drift("resolver.records", "records", "differ", seconds=40)


def report_of(said: Said, *drift: Drift, age: float = 60.0) -> StatusReport:
    report = said.report()
    statuses = tuple(
        t if t.up or t.aws is None else replace(t, aws=replace(t.aws, since=SINCE)) for t in report.tunnels
    )
    seen = advice.Seen(LINK, report.health, statuses, report.checks, drift, SINCE + age, {}, {0: "20.1.1.1"})
    return replace(report, tunnels=statuses, advice=pin(advice.advise(seen)))


def down(*indexes: int, message: str = "IPSEC IS DOWN") -> Said:
    said = Said()
    said.down(*indexes, message=message)
    return said


def test_a_key_that_differs_is_copied_over_and_it_is_said_what_that_touches() -> None:
    said = down(1)
    said.option(1)["PreSharedKey"] = "another"
    told = report_of(said, KEY).advice
    assert told.cause == "Tunnel 2: the pre-shared keys differ."
    assert (told.command, told.effect) == ("cloudlink up", "touches tunnel 2 only; about 2 min; the others stay up")
    assert told.waiting == "Safe to wait: traffic passes through the other tunnels."
    assert told.consequences == ("BGP sessions",)


GROUP = MissingError("The resource group was not found", "There is none", "az group create --name a")
BALANCER = MissingError("The load balancer does not exist", "a.b points at c, which is not there.", "Name another one.")


def test_of_a_read_it_is_not_said_that_its_effect_is_unknown() -> None:
    unread = Check(
        "tunnels", "x", Outcome.UNSEEN, "AWS's answer cannot be read: It is not known whether the call had its effect."
    )
    seen = advice.Seen(LINK, Health.UNKNOWN, (), (unread,), ())
    assert pin(advice.advise(seen)).cause == "Not seen: tunnels. AWS's answer cannot be read."


def test_what_the_configuration_names_and_is_not_there_comes_before_an_up() -> None:
    up = Advice("No gateway.", command="cloudlink up", effect="about 2 min", others=("not seen: CoreDNS",))
    assert advice.before_up(up, {}, tunnels_down=True) == up
    told = pin(advice.before_up(up, {"azure_vpn.resource_group": GROUP}, tunnels_down=True))
    assert (told.cause, told.command) == (
        "The resource group was not found: There is none.",
        "az group create --name a",
    )
    assert (told.task.partition(".")[0], told.consequences, told.others) == ("cloudlink up", ("tunnels",), ())
    wait = Advice("All 4 tunnels are without IPsec.", command="cloudlink status --wait 10m")
    told = pin(advice.before_up(wait, {"azure_vpn.resource_group": GROUP}, tunnels_down=True))
    assert (told.command, told.others) == (wait.command, ("The resource group was not found: There is none",))


def test_a_name_that_leads_nowhere_keeps_an_up_from_repairing_the_rest() -> None:
    gone = {"resolver.targets": BALANCER}
    up = Advice("The keys differ.", command="cloudlink up", others=("a.b points at c",))
    told = pin(advice.before_up(up, gone, tunnels_down=True))
    assert (told.cause, told.command, told.others) == ("The keys differ.", "", ())
    assert told.task.startswith(
        "cloudlink up is refused until this is put right: The load balancer does not exist: a.b"
    )
    by_hand = Advice("a.b points at c, which is not there.", task="Name another one.")
    assert advice.before_up(by_hand, gone, tunnels_down=False) == by_hand


def test_where_an_up_has_nothing_to_write_it_is_not_advised() -> None:
    """Else it says that there is nothing to do, and sends people back."""
    said = down(1)
    said.option(1)["PreSharedKey"] = "another"
    for drift in ((), (RECORD,)):
        told = report_of(said, *drift).advice
        assert told.command == ""
        assert "support case" in told.task


@pytest.mark.parametrize(
    ("tunnels", "cause", "command"),
    [
        ((1,), "Tunnel 2 is without IPsec; both sides are configured alike.", "az resource invoke-action"),
        (
            (0, 1),
            (
                "Both tunnels of instance 1 of Azure's gateway (20.1.1.1) are without IPsec, lost within 1 s; both sides "
                "are configured alike. The instance is down or being serviced."
            ),
            "--gateway-vip 20.1.1.1",
        ),
        (
            (0, 2),
            "Tunnels 1 and 3 are without IPsec, lost within 1 s; both sides are configured alike.",
            "resetconnection",
        ),
        (
            (0, 1, 2, 3),
            "All 4 tunnels are without IPsec, lost within 1 s; both sides are configured alike.",
            "az network vnet-gateway reset",
        ),
    ],
)
def test_an_outage_is_waited_for_and_then_reset(tunnels: tuple[int, ...], cause: str, command: str) -> None:
    first = report_of(down(*tunnels)).advice
    assert (first.cause, first.command) == (cause, "cloudlink status --wait 10m")
    assert first.waiting.startswith("Safe to wait")
    later = report_of(down(*tunnels), age=700).advice
    assert later.cause == cause
    assert command in later.command
    assert "support case" in later.task
    assert "cloudlink " not in later.command


def test_what_can_be_repaired_comes_before_what_can_only_be_waited_for() -> None:
    said = down(0, 1, 2)
    said.option(2)["PreSharedKey"] = "another"
    told = report_of(said, replace(KEY, address="azure_vpn.connection[2]")).advice
    assert told.tunnels == ("tunnel 3",)
    assert told.command == "cloudlink up"
    assert len(told.others) == 1
    assert told.others[0].startswith("Both tunnels of instance 1 ")


def test_a_cloud_that_is_at_work_is_waited_for() -> None:
    said = down(0, 1)
    said.vpns[0]["State"] = "modifying"
    told = report_of(said).advice
    assert told.command == "cloudlink status --wait 30m"
    assert told.waiting == "Safe to wait: a cloud is still working on it."


@pytest.mark.parametrize(
    ("name", "fix", "drift", "command", "task"),
    [
        ("records", "cloudlink up", (RECORD,), "cloudlink up", ""),
        ("records", "cloudlink up", (KEY,), "", "nothing to do"),
        ("endpoint", "cloudlink up", (), "", "support case with AWS"),
        ("forward", "cloudlink up", (), "", "kubectl logs"),
        ("rules", "aws route53resolver x", (), "aws route53resolver x", ""),
        ("routes-aws", "Take these routes out of the table, or narrow them.", (RECORD,), "", "Take these routes out"),
    ],
)
def test_what_is_wrong_beside_the_tunnels(
    name: str, fix: str, drift: tuple[Drift, ...], command: str, task: str
) -> None:
    report = Said().report()
    checks = tuple(
        Check(c.name, c.title, Outcome.FAILED, "it is wrong", fix) if c.name == name else c for c in report.checks
    )
    told = pin(advice.advise(advice.Seen(LINK, Health.DEGRADED, report.tunnels, checks, drift)))
    assert told.command == command
    assert task in told.task
    assert "It is wrong." in told.cause


def test_what_cannot_be_read_is_the_cause_and_its_hint_the_task() -> None:
    facts = Said().report()
    checks = tuple(
        Check(c.name, c.title, Outcome.UNSEEN, "not allowed", "") if c.name == "tunnels" else c for c in facts.checks
    )
    hints = {"tunnels": "Ask the administrator."}
    told = pin(advice.advise(advice.Seen(LINK, Health.UNKNOWN, facts.tunnels, checks, (), None, hints)))
    assert (told.cause, told.task) == ("Not seen: tunnels. Not allowed.", "Ask the administrator.")


def test_a_link_that_is_well_is_proved_by_its_names_and_one_that_differs_is_put_right() -> None:
    assert report_of(Said()).advice.command == "cloudlink verify-dns"
    differs = report_of(Said(), RECORD).advice
    assert (differs.command, differs.effect) == ("cloudlink up", "touches no tunnel; about 2 min")


@pytest.mark.parametrize(
    ("address", "effect"),
    [
        ("aws_vpn.connection[1]", "touches tunnels 3 and 4 only; about 1 min; the others stay up"),
        ("azure_vpn.local_gateway[2]", "touches tunnel 3 only; about 1 min; the others stay up"),
        ("azure_vpn.gateway", "touches all tunnels; about 1 min"),
        ("azure_vpn.inside_addresses", "touches all tunnels; about 1 min"),
        ("dns_forward.forward", "touches no tunnel; about 1 min"),
    ],
)
def test_which_tunnels_a_write_takes_down(address: str, effect: str) -> None:
    assert report_of(Said(), Drift(address, "", "")).advice.effect == effect


def test_over_a_gateway_of_one_instance_two_tunnels_are_all() -> None:
    report = Said().report()
    seen = advice.Seen(
        LINK, report.health, report.tunnels[:2], report.checks, (Drift("aws_vpn.gateway", "", ""),), SINCE, {}, {}
    )
    assert pin(advice.advise(seen)).effect == "touches all tunnels; about 1 min"


def test_what_is_wrong_begins_with_a_capital_unless_it_is_an_id() -> None:
    for detail, begun in (("there is no zone", "There is no zone."), ("rtb-1 lacks a route", "rtb-1 lacks a route.")):
        check = Check("zone", "The zone belongs to the VPC", Outcome.FAILED, detail, "")
        seen = advice.Seen(LINK, Health.DEGRADED, Said().report().tunnels, (check,), (), SINCE, {}, {})
        assert pin(advice.advise(seen)).cause == begun


def test_the_path_ends_where_nothing_passes() -> None:
    assert [(s.name, s.outcome.value) for s in report_of(down(0, 1, 2, 3)).path] == [
        ("tunnels 0/4", "failed"),
        ("routes", "skipped"),
        ("DNS", "skipped"),
        (f"{len(LINK.dns.hosts)} record{'s' * (len(LINK.dns.hosts) != 1)}", "skipped"),
    ]
    assert [s.outcome.value for s in report_of(down(1)).path] == ["warning", "passed", "passed", "passed"]


def test_a_fix_that_would_find_nothing_to_do_is_not_shown() -> None:
    said = down(1)
    said.option(1)["PreSharedKey"] = "another"
    facts: dict[str, Any] = {"aws": said.aws(), "azure": said.azure()}
    assert status.report(LINK, Facts(**facts), ()).tunnels[1].fix == ""
    assert status.report(LINK, Facts(**facts), (KEY,)).tunnels[1].fix == "cloudlink up"


def test_since_when() -> None:
    report = report_of(down(1))
    assert advice.since(Health.DEGRADED, report.tunnels) == SINCE
    assert advice.since(Health.UNKNOWN, report.tunnels) is None
    assert Advice("").command == ""


def test_an_interrupted_run_says_how_far_it_got_and_both_ways_on() -> None:
    made = pin(status.incomplete(Said().report(), 9, 25), beside=plain())
    assert made.health is Health.DOWN
    assert made.advice.cause == "An up or a teardown was interrupted: 9 of 25 objects are there."
    made = pin(status.incomplete(Said().report(), 9, 25, "cloudlink up"), beside=plain())
    assert made.advice.cause == "An up was interrupted: 9 of 25 objects are there."
    assert made.headline == "The link is not complete: an up has not ended."
    assert made.next == ("cloudlink up", "cloudlink teardown")
    assert "cloudlink teardown removes what is there" in made.advice.effect


def test_an_up_that_was_stopped_before_its_connections_is_no_link_that_went_down() -> None:
    lacking = (Drift("azure_vpn.connection[1]", "connection 2", status.NEVER_MADE, by_hand=False, seconds=1380.0),)
    made = replace(report_of(down(1)), health=Health.DOWN, drift=lacking)
    assert status.never_complete(made)
    assert status.incomplete(made, 19, 25).advice.effect.startswith("builds the rest, about 24 min; ")
    for drift in (
        (),
        (replace(lacking[0], address="resolver.records"),),  # a setting that is new
        (replace(lacking[0], what="was removed", by_hand=True),),
        (*lacking, replace(lacking[0], address="azure_vpn.gateway", by_hand=True)),
    ):
        assert not status.never_complete(replace(made, drift=drift))
    assert not status.never_complete(replace(made, health=Health.DEGRADED))


def test_a_teardown_that_was_stopped_is_told_as_one() -> None:
    """With tunnels still up, too: what a half removed link lacks is no fault to repair."""
    made = pin(status.half_removed(report_of(down(1)), 14, 26), beside=plain())
    assert (made.health, made.since) == (Health.DOWN, None)
    assert made.headline == "The link is being removed: a teardown has not ended."
    assert made.advice.cause == "A teardown was interrupted: 12 of 26 objects are gone."
    assert made.advice.command == "cloudlink teardown"
    assert made.advice.effect == "removes the rest; cloudlink up builds the link again"
    assert made.next == ("cloudlink teardown", "cloudlink up")
