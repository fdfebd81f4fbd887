"""Several AKS clusters over one link: their life, one that stops, one that is taken out, and what a run that dies leaves.

Both clouds in this process; the networks are joined already, so that names are all that is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudlink.checks.report import Health, Outcome
from cloudlink.clouds.kube.client import Kube
from cloudlink.config import parse
from cloudlink.core.plan import Plan
from cloudlink.errors import CloudlinkError, Severity
from cloudlink.link import Link
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.kube.cluster import Cluster
from cloudlink_sandbox.kube.kinds import CONFIGMAPS
from cloudlink_sandbox.process import Sandbox
from tests.support.built_link import Killed
from tests.support.life import Life, Memory

from .test_existing_link import CONFIG

ZONE = "aws.corp.example"
FORWARD, GREEN = "dns_forward.forward", "dns_forward.forward[green]"
KEY = "cloudlink-joined.server"
GROUP = "/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/test"
GONE = f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/gone"


def config(*clusters: str, more: str = "vnet", first: str = "test", lines: str = "") -> Link:
    text = CONFIG.format(wire="transit-gateway")
    assert '[azure.aks]\nname = "test"' in text
    text = text.replace('[azure.aks]\nname = "test"', f'[azure.aks]\nname = "{first}"')
    tables = "".join(f'[[azure.clusters]]\nname = "{name}"\n{lines}' for name in clusters)
    if clusters:
        text = text.replace("[sandbox]\n", f'[sandbox]\nmore_clusters = "{more}"\n')
    return parse(text + tables, "config.toml", sandbox=True)


ONE, TWO = config(), config("green")


def started(folder: Path, link: Link) -> tuple[Sandbox, Life]:
    sandbox = Sandbox(folder, speed=0, durations=Durations(exact=True))
    sandbox.start()
    return sandbox, Life(sandbox, link, pause=0.15)


@pytest.fixture(scope="module", params=["vnet", "peered"])
def each(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    sandbox, made = started(tmp_path_factory.mktemp(request.param), config("green", more=request.param))
    made.up()
    yield made
    sandbox.stop()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    sandbox, made = started(tmp_path_factory.mktemp("built"), TWO)
    made.up()
    yield made
    sandbox.stop()


@pytest.fixture
def life(built: Life) -> Iterator[Life]:
    """What a test changes is put right after it."""
    yield built
    built.link = TWO
    assert built.up()
    assert set(keys(built)) == {"test", "green"}


def actions(plan: Plan) -> dict[str, str]:
    return {c.address: c.action.value for c in plan.writes}


def cluster(life: Life, name: str) -> Cluster:
    with life.sandbox.context.lock:
        found = life.sandbox.aks.by_name(name)
    assert found is not None
    return found


def keys(life: Life, key: str = KEY) -> dict[str, str]:
    """Cluster -> what its CoreDNS has of this key."""
    names = [c.name for c in life.sandbox.azure.facts().clusters]
    maps = {name: cluster(life, name).store.find(CONFIGMAPS, "kube-system", "coredns-custom") for name in names}
    return {name: m["data"][key] for name, m in maps.items() if m and key in (m.get("data") or {})}


def write(life: Life, name: str, key: str, text: str | None) -> None:
    """Somebody edits a key of a cluster."""
    store = cluster(life, name).store
    held = store.find(CONFIGMAPS, "kube-system", "coredns-custom")
    assert held is not None
    data = {k: v for k, v in (held.get("data") or {}).items() if k != key}
    store.replace(CONFIGMAPS, {**held, "data": {**data, **({key: text} if text is not None else {})}})


def power(life: Life, verb: str, *names: str) -> None:
    clusters = life.clouds().azure.containers.managed_clusters
    for name in names or ("green",):
        getattr(clusters, f"begin_{verb}")("test", name, polling=False)
    life.clock.wait(900)


def obstacles(life: Life) -> dict[str, str]:
    life.plan()
    return {f.resource or f.topic: f"{f.summary}. {f.detail}" for f in life.found if f.severity is Severity.OBSTACLE}


def writes(life: Life) -> list[str]:
    return [f"{call.operation} {call.target}" for call in life.sandbox.context.journal.calls() if call.writes]


def test_each_cluster_has_its_key_and_its_proof(each: Life) -> None:
    assert not obstacles(each)
    assert set(keys(each)) == {"test", "green"}
    assert each.store.held[GREEN].place.endswith("/managedClusters/green")
    assert each.store.held[FORWARD].place.endswith("/managedClusters/test")
    assert actions(each.up()) == {}
    status = each.status()
    assert status.health is Health.HEALTHY, status
    assert status.forward.endswith("(on test and green)")
    assert [(c.name, c.problem, c.unread) for c in status.clusters] == [("test", "", ""), ("green", "", "")]
    report = each.inspection().dns(())
    assert report.health is Health.HEALTHY, report
    name = f"app.{ZONE}"
    assert [(n.cluster, n.name, n.verdict) for n in report.names] == [("test", name, "ok"), ("green", name, "ok")]
    only = each.inspection().dns((), cluster="green")
    assert [(n.cluster, n.verdict) for n in only.names] == [("green", "ok")]


def test_a_key_that_somebody_changed_is_put_right_on_that_cluster_alone(life: Life) -> None:
    write(life, "green", KEY, keys(life)["green"].replace("forward . 10.10.", "forward . 10.99."))
    status = life.status()
    assert {d.address for d in status.drift} == {GREEN}
    assert status.forward.count("(on ") == 2
    assert [bool(c.problem) for c in status.clusters] == [False, True]
    assert status.health is Health.DEGRADED
    report = life.inspection().dns(())
    assert report.health is Health.HEALTHY, "CoreDNS was not restarted with it"
    assert actions(life.up()) == {GREEN: "update"}
    assert keys(life)["green"] == keys(life)["test"]
    assert life.status().health is Health.HEALTHY


def test_a_key_of_somebody_else_with_our_zone_is_found_on_the_cluster_that_has_it(life: Life) -> None:
    life.teardown()
    write(life, "green", "theirs.server", f"{ZONE}:53 {{\n    forward . 10.1.1.1\n}}\n")
    found = obstacles(life)
    assert list(found) == [GREEN]
    assert "green" in found[GREEN]
    assert "theirs.server" in found[GREEN]
    write(life, "green", "theirs.server", None)
    assert not obstacles(life)


def test_a_cluster_that_is_stopped_hides_no_other(life: Life) -> None:
    power(life, "stop")
    try:
        status = life.status()
        assert status.health is Health.UNKNOWN
        (forward,) = [c for c in status.checks if c.name == "forward"]
        assert forward.outcome is Outcome.UNSEEN
        assert "AKS cluster green: it is stopped" in forward.detail
        assert "az aks start --name green" in status.advice.command
        assert [(c.name, bool(c.forward), bool(c.unread)) for c in status.clusters] == [
            ("test", True, False),
            ("green", False, True),
        ]
        report = life.inspection().dns(())
        assert report.health is Health.UNKNOWN
        assert [(n.cluster, n.verdict) for n in report.names] == [("test", "ok")]
        assert any("green" in said for said in report.unproved)
        assert life.inspection().dns((), cluster="test").health is Health.HEALTHY
        with pytest.raises(CloudlinkError, match="green, which is stopped") as refused:
            life.inspection().dns((), cluster="green")
        assert "az aks start --name green" in refused.value.hint
    finally:
        power(life, "start")


@pytest.mark.parametrize("stopped", [("test",), ("test", "green")])
def test_each_cluster_that_is_stopped_is_named_with_how_to_start_it(life: Life, stopped: tuple[str, ...]) -> None:
    power(life, "stop", *stopped)
    try:
        status = life.status()
        assert status.health is Health.UNKNOWN
        (forward,) = [c for c in status.checks if c.name == "forward"]
        for name in ("test", "green"):
            assert (f"AKS cluster {name}: it is stopped" in forward.detail) is (name in stopped)
            assert (f"az aks start --name {name} " in f"{status.advice.command}{status.advice.task}") is (
                name in stopped
            )
        assert [bool(c.unread) for c in status.clusters] == [True, "green" in stopped]
    finally:
        power(life, "start", *stopped)


def test_a_cluster_that_is_configured_no_more_loses_its_key(life: Life) -> None:
    life.link = ONE
    status = life.status()
    assert {d.address: d.what for d in status.drift} == {GREEN: "no more in the configuration"}
    plan = life.up()
    assert actions(plan) == {GREEN: "delete"}
    assert len(writes(life)) == 2, "the key and the restart, both on the cluster that is left"
    assert set(keys(life)) == {"test"}
    assert GREEN not in life.store.held
    assert actions(life.up()) == {}


def test_a_cluster_that_is_left_while_it_is_stopped_loses_its_key_later(life: Life) -> None:
    power(life, "stop")
    try:
        life.link = ONE
        assert actions(life.up()) == {}
        assert GREEN in life.store.held
    finally:
        power(life, "start")
    assert actions(life.up()) == {GREEN: "delete"}
    assert set(keys(life)) == {"test"}


def test_another_cluster_becomes_the_first(life: Life) -> None:
    before = keys(life)
    life.link = config("test", first="green")
    assert actions(life.up()) == {}
    assert keys(life) == before
    places = {a: r.place.rpartition("/")[2] for a, r in life.store.held.items() if r.place}
    assert places == {FORWARD: "green", f"{FORWARD}[test]": "test"}
    # and the one that was the first is taken out
    life.link = config(first="green")
    assert actions(life.up()) == {f"{FORWARD}[test]": "delete"}
    assert set(keys(life)) == {"green"}


def test_another_first_cluster_takes_the_key_from_the_one_that_was(life: Life) -> None:
    life.link = config("test", first="green")
    life.up()
    life.link = ONE
    plan = life.up()
    assert actions(plan) == {"dns_forward.forward[green]": "delete"}
    assert set(keys(life)) == {"test"}


def test_a_teardown_begins_with_every_key(life: Life) -> None:
    life.clouds()
    life.teardown()
    assert keys(life) == {}
    made = writes(life)
    last_key = max(i for i, w in enumerate(made) if w.startswith("PATCH"))
    first_other = min(i for i, w in enumerate(made) if not w.startswith("PATCH"))
    assert last_key < first_other
    assert not [a for a in life.store.held if a.startswith("dns_forward")]
    assert actions(life.up())[GREEN] == "create"


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("answered", [False, True])
def test_a_run_that_dies_at_a_write_to_a_cluster_is_ended_by_the_next(
    life: Life, at: int, answered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two writes to each cluster: its key, and the restart."""
    write(life, "green", KEY, keys(life)["green"].replace("forward . 10.10.", "forward . 10.99."))
    write(life, "test", KEY, keys(life)["test"].replace("forward . 10.10.", "forward . 10.98."))
    done = [0]

    def dying(real: Any) -> Any:
        def patch(*args: Any, **named: Any) -> Any:
            if named.get("dry_run"):
                return real(*args, **named)
            done[0] += 1
            if done[0] == at + 1 and not answered:
                raise Killed
            answer = real(*args, **named)
            if done[0] == at + 1:
                raise Killed
            return answer

        return patch

    with monkeypatch.context() as patched:
        for name in ("patch_config_map", "patch_deployment"):
            patched.setattr(Kube, name, dying(getattr(Kube, name)))
        with pytest.raises(Killed):
            life.up()
    life.clock = life.new_clock()
    life.up()
    assert keys(life)["green"] == keys(life)["test"]
    assert "10.10." in keys(life)["test"]
    assert actions(life.up()) == {}
    assert life.status().health is Health.HEALTHY


def test_a_removal_that_dies_is_ended_by_the_next(life: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    life.link = ONE

    real = Kube.patch_deployment

    def dying(*args: Any, **named: Any) -> Any:
        if named.get("dry_run"):
            return real(*args, **named)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Kube, "patch_deployment", dying)
        with pytest.raises(Killed):
            life.up()
    life.clock = life.new_clock()
    assert set(keys(life)) == {"test"}
    assert actions(life.up()) == {GREEN: "delete"}, "CoreDNS was not restarted without the key"
    assert GREEN not in life.store.held
    assert actions(life.up()) == {}


def test_a_cluster_that_is_gone_is_forgotten(life: Life) -> None:
    store = Memory({**life.store.held, GREEN: replace(life.store.held[GREEN], place=GONE)})
    life.store, kept = store, life.store
    life.link = ONE
    assert actions(life.up()) == {}
    assert GREEN not in life.store.held
    life.store = kept
