"""A link with two AKS clusters as a user runs it, from the plan to the teardown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Cli, Result, make_cli

KEY = "cloudlink-demo.server"
MORE = 'more_clusters = "vnet"\n\n[[azure.clusters]]\nname = "green"\n'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """The tests tell its life in order."""
    with make_cli(tmp_path_factory.mktemp("two"), speed=200, more=MORE) as place:
        assert place.sandbox("start").code == 0
        yield place


@pytest.fixture
def place(made: Cli) -> Cli:
    """Built, whichever test is run."""
    if not any(keys(made).values()):
        succeeded(made.cloudlink("up", "--no-verify"))
        made.control("POST", "clock", {"advance": 600})
    return made


def keys(place: Cli) -> dict[str, str]:
    """Cluster -> the link's key of its CoreDNS, empty: none."""
    maps = {c.label: c.aks.config_map("kube-system", "coredns-custom") for c in place.clouds().clusters}
    return {label: (held.get("data") or {}).get(KEY, "") for label, held in maps.items()}


def succeeded(done: Result) -> str:
    assert done.code == 0, done.out + done.err
    return " ".join(done.out.split())


def test_the_plan_names_both(made: Cli) -> None:
    said = succeeded(made.cloudlink("plan"))
    assert "AKS clusters test, green" in said
    assert made.writes() == 0
    planned = {c["address"] for c in made.cloudlink("plan", "--json").json["changes"]}
    assert {"dns_forward.forward", "dns_forward.forward[green]"} <= planned


def test_each_is_told_and_status_says_so(place: Cli) -> None:
    assert all(keys(place).values())
    assert "on test and green" in succeeded(place.cloudlink("status", "--all"))
    assert [c["name"] for c in place.cloudlink("status", "--json").json["clusters"]] == ["test", "green"]


def test_the_names_are_proved_from_each_and_from_the_one_that_is_named(place: Cli) -> None:
    said = succeeded(place.cloudlink("verify-dns"))
    names = len(place.cloudlink("verify-dns", "--cluster", "green", "--json").json["names"])
    assert f"{names} of {names} on test, {names} of {names} on green" in said
    one = place.cloudlink("verify-dns", "sentry.prod.corp.example", "--cluster", "green", "--json")
    assert [(n["cluster"], n["verdict"]) for n in one.json["names"]] == [("green", "ok")]
    only = succeeded(place.cloudlink("verify-dns", "--cluster", "GREEN"))
    assert "on green" in only and "on test" not in only


@pytest.mark.parametrize("command", ["verify-dns", "test", "rehearse"])
def test_a_cluster_that_is_not_of_the_link_is_refused(place: Cli, command: str) -> None:
    done = place.cloudlink(command, "--cluster", "blue")
    assert done.code == 2, done.out + done.err
    assert "test, green" in done.err
    assert f"cloudlink {command} --sandbox --cluster test" in done.err


def test_a_test_says_from_which_cluster(place: Cli) -> None:
    trials = place.cloudlink("test", "--cluster", "green", "--json").json["trials"]
    tried = [t for t in trials if t["outcome"] != "skipped"]
    assert {t["group"] for t in tried} == {"names", "path"}
    assert all(t["name"].endswith(" on green") for t in tried)
    both = place.cloudlink("test", "--json").json["trials"]
    assert {t["name"].rpartition(" on ")[2] for t in both if t["outcome"] != "skipped"} == {"test", "green"}
    failed_over = place.cloudlink("test", "--failover", "--cluster", "green", "--json").json["trials"][-1]
    assert failed_over["group"] == "failover"
    assert failed_over["detail"].endswith("(asked from a pod on green)")


def test_a_sandbox_from_a_bundle_tells_them_apart(place: Cli, tmp_path: Path) -> None:
    (_, green), file = place.clouds().clusters, tmp_path / "b.tar.gz"
    before = keys(place)["green"]
    green.aks.patch_config_map(
        "kube-system", "coredns-custom", {"data": {KEY: before.replace("forward . ", "forward . 10.9.9.9 ")}}
    )
    succeeded(place.cloudlink("gather", "--redact-ids", "--out", str(file)))
    wanted = place.cloudlink("status", "--json").json["clusters"]
    succeeded(place.cloudlink("up", "--no-verify"))
    assert keys(place)["green"] == before
    there = Cli(tmp_path / "there")
    there.folder.mkdir()
    try:
        succeeded(there.sandbox("start", "--from", str(file)))
        shown = [there.cloudlink("status", "--json").json["clusters"] for _ in range(3)]
    finally:
        there.sandbox("stop")
    assert [bool(c["problem"]) for c in wanted] == [False, True]
    assert shown == [wanted] * 3


def test_a_pause_tells_both_and_a_resume_gives_both_back(place: Cli) -> None:
    before = keys(place)
    succeeded(place.cloudlink("pause"))
    assert all("# Paused:" in text for text in keys(place).values())
    status = place.cloudlink("status", "--json")
    assert "paused" in status.json["verdict"]
    assert place.cloudlink("verify-dns", "--cluster", "green").code == 8
    succeeded(place.cloudlink("resume", "--no-verify"))
    assert keys(place) == before
    place.control("POST", "clock", {"advance": 600})
    succeeded(place.cloudlink("verify-dns", "--cluster", "green"))


def test_a_teardown_takes_both_back(place: Cli) -> None:
    succeeded(place.cloudlink("teardown"))
    assert keys(place) == {"test": "", "green": ""}
