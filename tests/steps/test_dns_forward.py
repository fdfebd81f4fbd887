"""The CoreDNS step against the sandbox's AKS: real HTTPS, real merge patches, a CoreDNS that parses what it is given."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from cloudlink.clouds.cache import ReadCache
from cloudlink.clouds.kube import errors as kube_errors
from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.kube.errors import KubeApiError
from cloudlink.core.plan import diff
from cloudlink.core.resource import Ownership, Phase
from cloudlink.errors import ConflictError, CredentialsError, MissingError
from cloudlink.steps.dns_forward.step import DnsForward
from tests.sandbox.kube.small_world import RESOLVERS, ZONE
from tests.steps.contract import check_contract
from tests.steps.kube_bench import KubeBench

KEY = "cloudlink-demo.server"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[KubeBench]:
    made = KubeBench(tmp_path)
    try:
        yield made
    finally:
        made.stop()


def test_absent_then_made_then_nothing_to_do(bench: KubeBench) -> None:
    assert bench.find() is None
    found = bench.up()
    assert found.phase is Phase.READY
    assert found.owned is Ownership.OWNED  # the key; the ConfigMap is AKS's
    assert found.spec == bench.forward.spec(bench.outputs)
    text = bench.custom()[KEY]
    assert "forward . 10.1.1.10 10.1.2.10 {" in text
    assert "link demo" in text

    written = bench.writes()
    bench.another_run()
    again = bench.find()
    assert again is not None and again.phase is Phase.READY
    assert diff(again.spec, bench.forward.spec(bench.outputs)) == ()
    assert bench.writes() == written


def test_a_run_with_nothing_to_do_makes_two_calls_and_status_reads_the_corefile(bench: KubeBench) -> None:
    bench.up()
    bench.another_run()
    bench.time.wait(3)
    before = len(bench.world.context.journal.calls())
    bench.forward.find(bench.receipts)
    bench.forward.find(bench.receipts)
    assert len(bench.world.context.journal.calls()) - before == 2
    bench.forward.status(bench.addresses)
    assert len(bench.world.context.journal.calls()) - before == 3


def test_two_writes_and_the_key_first(bench: KubeBench) -> None:
    wanted = bench.forward.spec(bench.outputs)
    assert wanted is not None
    bench.forward.create(wanted)
    # the question whether we may is a POST that changes nothing
    assert [w for w in bench.writes() if "PATCH" in w] == ["PATCH configmaps", "PATCH deployments"]
    found = bench.find()
    assert found is not None and found.phase is Phase.CREATING


def test_killed_between_key_and_restart(bench: KubeBench) -> None:
    wanted = bench.forward.spec(bench.outputs)
    assert wanted is not None
    bench.fault("cut-before", "kube.PATCH:deployments/coredns")
    with pytest.raises(Exception) as caught:
        bench.forward.create(wanted)
    assert kube_errors.unknown_outcome(caught.value)
    bench.another_run()  # the receipt is lost as well
    found = bench.settle()
    assert found is not None
    assert [c.field for c in diff(found.spec, wanted)] == ["restarted"]
    assert bench.up().spec == wanted


def test_the_contract_of_all_resources(bench: KubeBench) -> None:
    def wait(seconds: float) -> None:
        bench.time.wait(seconds)

    def drift(_: object) -> None:
        bench.set_key(KEY, bench.custom()[KEY].replace("max_fails 3", "max_fails 1"))

    bench.set_key("team.server", "team.example:53 {\n  forward . 10.9.9.9\n}\n")
    check_contract(
        bench.forward,
        bench.outputs,
        wait=wait,
        make_drift=drift,
        strangers=lambda: {k: v for k, v in bench.custom().items() if k != KEY},
        writes=lambda: len(bench.writes()),
    )


def test_other_addresses_are_an_update(bench: KubeBench) -> None:
    bench.up()
    bench.addresses = (IPv4Address("10.1.3.10"), IPv4Address("10.1.1.10"))
    found = bench.find()
    assert found is not None
    assert [c.field for c in diff(found.spec, bench.forward.spec(bench.outputs))] == ["upstreams"]
    assert bench.up().phase is Phase.READY
    assert "forward . 10.1.1.10 10.1.3.10 {" in bench.custom()[KEY]


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("policy random", "policy sequential", "options"),
        ("10.1.2.10", "10.1.2.11", "upstreams"),
        (ZONE + ":53", "x.y", "zone"),
    ],
)
def test_a_change_by_hand_is_drift_and_is_undone_with_a_restart(
    bench: KubeBench, old: str, new: str, field: str
) -> None:
    bench.up()
    text = bench.custom()[KEY]
    bench.set_key(KEY, text.replace(old, new))
    found = bench.find()
    assert found is not None
    assert field in [c.field for c in diff(found.spec, bench.forward.spec(bench.outputs))]
    restarts = sum("deployments" in w for w in bench.writes())
    bench.up()
    assert bench.custom()[KEY] == text
    # although CoreDNS was restarted with this very text before
    assert sum("deployments" in w for w in bench.writes()) > restarts


def test_a_key_removed_by_hand_comes_back(bench: KubeBench) -> None:
    bench.up()
    bench.set_key(KEY, None)
    assert bench.up().phase is Phase.READY
    assert KEY in bench.custom()


def test_other_keys_stay(bench: KubeBench) -> None:
    bench.set_key("team.server", "team.example:53 {\n  forward . 10.9.9.9\n}\n")
    bench.up()
    found = bench.find()
    assert found is not None
    bench.forward.delete(found, None)
    assert set(bench.custom()) == {"team.server"}


def test_delete_removes_only_the_key_and_restarts(bench: KubeBench) -> None:
    found = bench.up()
    assert bench.forward.delete(found, None) is not None
    gone = bench.find()
    assert gone is not None and gone.phase is Phase.DELETING
    assert bench.settle() is None
    assert bench.custom() == {}
    assert bench.forward.delete(found, None) is None


def test_a_teardown_killed_before_the_restart_goes_on(bench: KubeBench) -> None:
    found = bench.up()
    bench.fault("cut-before", "kube.PATCH:deployments/coredns")
    with pytest.raises(Exception) as caught:
        bench.forward.delete(found, None)
    assert kube_errors.unknown_outcome(caught.value)
    bench.another_run()
    left = bench.find()
    assert left is not None and left.phase is Phase.READY
    assert bench.forward.delete(left, None) is not None
    assert bench.settle() is None


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("other.server", f"{ZONE} {{\n forward . 10.9.9.9\n}}\n", "already serves"),
        ("other.server", ". {\n forward . 10.9.9.9\n}\n", "root zone"),
        ("other.server", "a.example {\n forward . 10.9.9.9\n", "cannot be read"),
    ],
)
def test_what_coredns_would_die_of_is_refused_before_anything_is_written(
    bench: KubeBench, key: str, text: str, words: str
) -> None:
    bench.set_key(key, text)
    written = len([w for w in bench.writes() if "PATCH" in w])
    with pytest.raises(ConflictError, match=words):
        bench.up()
    assert len([w for w in bench.writes() if "PATCH" in w]) == written


def test_a_more_specific_zone_is_a_warning(bench: KubeBench) -> None:
    bench.set_key("team.server", f"sub.{ZONE}:53 {{\n forward . 10.9.9.9\n}}\n")
    assert bench.up().phase is Phase.READY
    (warning,) = bench.forward.warnings()
    assert f"sub.{ZONE}" in warning
    assert bench.forward.status().shadowed == (f"sub.{ZONE}",)


def test_a_key_of_our_name_that_we_did_not_write(bench: KubeBench) -> None:
    bench.set_key(KEY, "team.example {\n forward . 10.9.9.9\n}\n")
    with pytest.raises(ConflictError):
        bench.find()


def test_coredns_that_dies_of_it_is_failed_and_undone(bench: KubeBench) -> None:
    good = bench.up()
    assert good.phase is Phase.READY
    text = bench.custom()[KEY]
    bench.another_run()
    bench.fault("pod-fails", "kube-system/coredns-*", None)
    bench.addresses = (RESOLVERS[0],)
    found = bench.up()
    assert found.phase is Phase.FAILED
    assert "CoreDNS does not start" in found.detail
    sentence = bench.forward.rollback(found, None)
    assert "restored" in sentence
    assert bench.custom()[KEY] == text


def test_the_first_key_is_removed_again_when_coredns_dies_of_it(bench: KubeBench) -> None:
    bench.fault("pod-fails", "kube-system/coredns-*", None)
    found = bench.up()
    assert found.phase is Phase.FAILED
    assert "removed again" in bench.forward.rollback(found, None)
    assert bench.custom() == {}
    bench.world.context.faults.clear()
    assert bench.settle() is None


def test_without_permission(bench: KubeBench) -> None:
    bench.fault("denied", "kube.PATCH:*", None)
    try:
        with pytest.raises((CredentialsError, KubeApiError)) as caught:
            bench.up()
    finally:
        bench.world.context.faults.clear()
    error = caught.value
    translated = error if isinstance(error, CredentialsError) else kube_errors.translate(error)
    assert isinstance(translated, CredentialsError)


def test_a_wrong_token(bench: KubeBench) -> None:
    with pytest.raises(KubeApiError) as caught:
        bench.client("wrong").config_map("kube-system", "coredns-custom")
    assert isinstance(kube_errors.translate(caught.value), CredentialsError)


def test_a_lost_answer_is_an_unknown_outcome(bench: KubeBench) -> None:
    wanted = bench.forward.spec(bench.outputs)
    assert wanted is not None
    bench.fault("cut-after", "kube.PATCH:configmaps/*")
    with pytest.raises(Exception) as caught:
        bench.forward.create(wanted)
    assert kube_errors.unknown_outcome(caught.value)
    assert KEY in bench.custom()
    assert bench.up().phase is Phase.READY


def test_somebody_else_writing_in_between_is_a_conflict_to_try_again(bench: KubeBench) -> None:
    version = bench.kube.config_map("kube-system", "coredns-custom")["metadata"]["resourceVersion"]
    bench.set_key("team.server", "team.example:53 {\n forward . 10.9.9.9\n}\n")
    patch = {"metadata": {"resourceVersion": version}, "data": {KEY: "x"}}
    with pytest.raises(KubeApiError) as caught:
        bench.kube.patch_config_map("kube-system", "coredns-custom", patch)
    assert kube_errors.retryable(caught.value) is not None
    assert not kube_errors.unknown_outcome(caught.value)


def test_what_somebody_writes_after_our_look_is_not_overlooked(
    bench: KubeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the other keys holds at the moment of our write, or the write is refused."""
    wanted = bench.forward.spec(bench.outputs)
    assert wanted is not None
    look = bench.kube.config_map

    def look_and_lose(namespace: str, name: str) -> dict[str, object]:
        seen = look(namespace, name)
        other = bench.client()
        other.patch_config_map(namespace, name, {"data": {"team.server": f"{ZONE} {{\n forward . 10.9.9.9\n}}\n"}})
        return seen

    monkeypatch.setattr(bench.kube, "config_map", look_and_lose)
    with pytest.raises(KubeApiError) as caught:
        bench.forward.create(wanted)
    assert caught.value.status == 409
    assert KEY not in bench.custom()


def test_a_cluster_that_is_not_there_yet_has_no_key(bench: KubeBench) -> None:
    def none() -> None:
        raise MissingError("There is no AKS cluster")

    forward = DnsForward(bench.link, Kube("aks-one", none, ReadCache(bench.time)), bench.endpoint).forward  # type: ignore[arg-type]
    assert forward.find(bench.receipts) is None


def test_the_view_says_what_is_wrong(bench: KubeBench) -> None:
    assert "has no key" in bench.forward.status().problem
    bench.up()
    assert bench.forward.status(RESOLVERS).problem == ""
    assert "10.1.9.9" in bench.forward.status((IPv4Address("10.1.9.9"),)).problem
    bench.set_key(KEY, bench.custom()[KEY].replace("policy random", "policy sequential"))
    assert "not as cloudlink wrote it" in bench.forward.status(RESOLVERS).problem


BROKEN = "shop.example:53 {\n    errors\n    kubernetes cluster.local {\n        pods_of_mine\n    }\n}\n"


def test_a_mistake_that_was_in_another_key_before_is_told_and_the_old_pods_stay(bench: KubeBench) -> None:
    """The restart meets what a running CoreDNS had not taken up. The undo does not restart once more."""
    bench.set_key("rw.server", BROKEN)
    template = bench.kube.deployment("kube-system", "coredns")["spec"]["template"]
    pods = {p["metadata"]["name"] for p in bench.kube.pods("kube-system", "k8s-app=kube-dns")}
    found = bench.up()
    assert found.phase is Phase.FAILED
    restarts = sum("deployments" in w for w in bench.writes())
    sentence = bench.forward.rollback(found, None)
    assert sum("deployments" in w for w in bench.writes()) == restarts + 1
    assert bench.kube.deployment("kube-system", "coredns")["spec"]["template"] == template
    assert "mistake is in the key rw.server, which was there before" in sentence
    assert "CoreDNS still cannot start" in sentence
    assert "CoreDNS pods serve" in sentence
    bench.time.wait(30)
    left = {p["metadata"]["name"] for p in bench.kube.pods("kube-system", "k8s-app=kube-dns")}
    assert left & pods, "an old pod goes on serving"
    assert set(bench.custom()) == {"rw.server"}


def test_a_key_in_binary_data_is_read_as_pods_get_it(bench: KubeBench) -> None:
    def put(text: bytes) -> None:
        patch = {"binaryData": {"other.server": base64.b64encode(text).decode()}}
        bench.kube.patch_config_map("kube-system", "coredns-custom", patch)
        bench.kube.cache.clear()

    put(f"{ZONE}:53 {{\n forward . 10.9.9.9\n}}\n".encode())
    with pytest.raises(ConflictError, match=rf"other\.server already serves {ZONE}"):
        bench.up()
    put("other.example:53 {\r\n forward . 10.1.2.3\r\n}\r\n".encode("utf-16"))
    bench.another_run()
    with pytest.raises(ConflictError, match=r"other\.server is not text in UTF-8"):
        bench.up()


def test_the_very_patches_can_be_tried_without_effect(bench: KubeBench) -> None:
    bench.kube.patch_config_map("kube-system", "coredns-custom", {"data": {KEY: "x"}}, dry_run=True)
    annotations = {"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}}
    bench.kube.patch_deployment("kube-system", "coredns", annotations, dry_run=True)
    assert bench.custom() == {}
    assert bench.writes() == []
