"""Names that were asked from several AKS clusters: what is wrong on one of them is told with its name. Reports are given by hand."""

from __future__ import annotations

import pytest

from cloudlink.checks.names import clusters
from cloudlink.checks.names.verify import checked_cluster
from cloudlink.checks.report import Advice, DnsReport, Health, NameReport, Outcome, WayStatus
from cloudlink.config import parse
from cloudlink.day_two.trials import from_pod
from cloudlink.errors import CloudlinkError, UnreachableError, UsageError
from tests.support.config_texts import SMALLEST
from tests.support.pinned import pin

NAME = "app.corp.example"
GOOD = DnsReport("demo", Health.HEALTHY, (NameReport(NAME, ("10.1.1.50",), "ok", ()),))
STALE = Advice("CoreDNS answers as before the key", task="Restart CoreDNS.")
BAD = DnsReport(
    "demo", Health.DOWN, (NameReport(NAME, (), "nxdomain", (), STALE.cause, STALE.task),), ("asked twice",), STALE
)
STOPPED = UnreachableError("The names cannot be asked", "green is stopped.", "az aks start --name green")


def test_a_name_that_is_wrong_on_one_cluster_alone_is_told_with_it() -> None:
    report = pin(clusters.together("demo", {"blue": GOOD, "green": BAD}))
    assert report.health is Health.DEGRADED
    assert [(n.cluster, n.name, n.verdict) for n in report.names] == [("blue", NAME, "ok"), ("green", NAME, "nxdomain")]
    assert report.advice.cause == "On green: CoreDNS answers as before the key"
    assert report.advice.task == "Restart CoreDNS."
    assert report.notes == ("On green: asked twice",)
    assert [(t.name, t.outcome) for t in from_pod(report)] == [
        (f"{NAME} on blue", Outcome.PASSED),
        (f"{NAME} on green", Outcome.FAILED),
    ]


def test_what_is_wrong_on_two_in_the_same_way_is_said_once() -> None:
    other = DnsReport("demo", Health.DOWN, BAD.names, advice=Advice("Its key forwards elsewhere"))
    report = pin(clusters.together("demo", {"blue": BAD, "green": BAD, "red": other}))
    assert report.health is Health.DOWN
    assert report.advice.cause == "On blue and green: CoreDNS answers as before the key"
    assert report.advice.others == ("on red: Its key forwards elsewhere",)


@pytest.mark.parametrize(
    ("found", "health"),
    [
        ({"blue": GOOD, "green": GOOD}, Health.HEALTHY),
        ({"blue": GOOD, "green": STOPPED}, Health.UNKNOWN),
        ({"blue": BAD, "green": STOPPED}, Health.DEGRADED),
        ({"blue": STOPPED, "green": STOPPED}, Health.UNKNOWN),
    ],
)
def test_one_that_cannot_be_asked_proves_nothing(found: dict[str, DnsReport | CloudlinkError], health: Health) -> None:
    assert clusters.together("demo", found).health is health


def test_a_test_does_not_pass_while_a_cluster_cannot_be_asked() -> None:
    report = pin(clusters.together("demo", {"blue": GOOD, "green": STOPPED}))
    passed, unproved = from_pod(report)
    assert (passed.name, passed.outcome) == (f"{NAME} on blue", Outcome.PASSED)
    assert unproved.outcome is Outcome.FAILED
    assert "not proved from green" in unproved.detail
    assert unproved.fix == "az aks start --name green"


def test_the_way_is_told_of_each_cluster() -> None:
    way = DnsReport("demo", Health.HEALTHY, (), ways=(WayStatus("10.10.1.4", 21.0, 1400, 1500, 1338),))
    names = [t.name for t in from_pod(clusters.together("demo", {"blue": way, "green": way}))]
    assert names == [
        f"{what} to 10.10.1.4 on {on}" for on in ("blue", "green") for what in ("round trip", "largest packet", "TCP")
    ]


def test_a_cluster_is_named_by_its_label_or_its_name_where_one_alone_has_it() -> None:
    side = parse(f'{SMALLEST}[[azure.clusters]]\nname = "test"\nresource_group = "other"\n', "c.toml").azure
    assert checked_cluster(side, "OTHER/test") == "other/test"
    assert checked_cluster(side, "test") == "test", "that of the first cluster"
    with pytest.raises(UsageError) as refused:
        checked_cluster(side, "blue", "test")
    assert refused.value.exit_code == 2
    assert "test, other/test" in refused.value.detail
    assert refused.value.hint == "cloudlink test --cluster test"
    assert checked_cluster(parse(SMALLEST, "c.toml").azure, "test") == "", "there is one alone"
