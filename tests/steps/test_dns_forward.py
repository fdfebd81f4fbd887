"""The CoreDNS step against the sandbox's AKS: real HTTPS, real merge patches, a CoreDNS that parses what it is given."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from cloudlink.clouds.cache import ReadCache
from cloudlink.clouds.kube import errors as kube_errors
from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.kube.errors import KubeApiError
from cloudlink.core.plan import diff
from cloudlink.core.resource import Ownership, Phase
from cloudlink.errors import ConflictError, CredentialsError, MissingError, UnhealthyError
from cloudlink.steps.dns_forward.step import DnsForward
from tests.sandbox.kube.small_world import RESOLVERS, ZONE
from tests.support.contract import check_contract
from tests.support.kube_sandbox import KubeSandbox

KEY = "cloudlink-demo.server"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[KubeSandbox]:
    made = KubeSandbox(tmp_path)
    try:
        yield made
    finally:
        made.stop()


def test_absent_then_made_then_nothing_to_do(sandbox: KubeSandbox) -> None:
    assert sandbox.find() is None
    found = sandbox.up()
    assert found.phase is Phase.READY
    assert found.owned is Ownership.OWNED  # the key; the ConfigMap is AKS's
    assert found.spec == sandbox.forward.spec(sandbox.outputs)
    text = sandbox.custom()[KEY]
    assert "forward . 10.1.1.10 10.1.2.10 {" in text
    assert "link demo" in text

    written = sandbox.writes()
    sandbox.another_run()
    again = sandbox.find()
    assert again is not None and again.phase is Phase.READY
    assert diff(again.spec, sandbox.forward.spec(sandbox.outputs)) == ()
    assert sandbox.writes() == written


def test_a_run_with_nothing_to_do_makes_two_calls_and_status_reads_the_corefile(sandbox: KubeSandbox) -> None:
    sandbox.up()
    sandbox.another_run()
    sandbox.time.wait(3)
    before = len(sandbox.world.context.journal.calls())
    sandbox.forward.find(sandbox.receipts)
    sandbox.forward.find(sandbox.receipts)
    assert len(sandbox.world.context.journal.calls()) - before == 2
    sandbox.forward.status(sandbox.addresses)
    assert len(sandbox.world.context.journal.calls()) - before == 3


def test_the_zone_goes_nowhere_before_a_pod_has_reached_it(sandbox: KubeSandbox) -> None:
    """Over what somebody else has joined: asked before the key is written, and again only where it goes elsewhere."""
    asked: list[tuple[IPv4Address, ...]] = []

    def silent(addresses: tuple[IPv4Address, ...]) -> None:
        asked.append(addresses)
        raise UnhealthyError("A pod does not reach the inbound endpoint")

    forward = replace(sandbox.forward, reach=silent)
    wanted = forward.spec(sandbox.outputs)
    with pytest.raises(UnhealthyError):
        forward.create(wanted)
    assert asked == [wanted.upstreams]
    assert KEY not in sandbox.custom()
    assert not [w for w in sandbox.writes() if "PATCH" in w]

    sandbox.up()
    found = sandbox.find()
    assert found is not None
    forward.update(found, wanted)  # the same addresses: a restart, or a line of the key
    assert len(asked) == 1
    with pytest.raises(UnhealthyError):
        forward.update(found, replace(wanted, upstreams=(IPv4Address("10.1.9.9"),)))
    assert "10.1.9.9" not in sandbox.custom()[KEY]


def test_two_writes_and_the_key_first(sandbox: KubeSandbox) -> None:
    wanted = sandbox.forward.spec(sandbox.outputs)
    assert wanted is not None
    sandbox.forward.create(wanted)
    # the question whether we may is a POST that changes nothing
    assert [w for w in sandbox.writes() if "PATCH" in w] == ["PATCH configmaps", "PATCH deployments"]
    found = sandbox.find()
    assert found is not None and found.phase is Phase.CREATING


def test_killed_between_key_and_restart(sandbox: KubeSandbox) -> None:
    wanted = sandbox.forward.spec(sandbox.outputs)
    assert wanted is not None
    sandbox.fault("cut-before", "kube.PATCH:deployments/coredns")
    with pytest.raises(Exception) as caught:
        sandbox.forward.create(wanted)
    assert kube_errors.unknown_outcome(caught.value)
    sandbox.another_run()  # the receipt is lost as well
    found = sandbox.settle()
    assert found is not None
    assert [c.field for c in diff(found.spec, wanted)] == ["restarted"]
    assert sandbox.up().spec == wanted


def test_the_contract_of_all_resources(sandbox: KubeSandbox) -> None:
    def wait(seconds: float) -> None:
        sandbox.time.wait(seconds)

    def drift(_: object) -> None:
        sandbox.set_key(KEY, sandbox.custom()[KEY].replace("max_fails 3", "max_fails 1"))

    sandbox.set_key("team.server", "team.example:53 {\n  forward . 10.9.9.9\n}\n")
    check_contract(
        sandbox.forward,
        sandbox.outputs,
        wait=wait,
        make_drift=drift,
        foreign_objects=lambda: {k: v for k, v in sandbox.custom().items() if k != KEY},
        writes=lambda: len(sandbox.writes()),
    )


def test_other_addresses_are_an_update(sandbox: KubeSandbox) -> None:
    sandbox.up()
    sandbox.addresses = (IPv4Address("10.1.3.10"), IPv4Address("10.1.1.10"))
    found = sandbox.find()
    assert found is not None
    assert [c.field for c in diff(found.spec, sandbox.forward.spec(sandbox.outputs))] == ["upstreams"]
    assert sandbox.up().phase is Phase.READY
    assert "forward . 10.1.1.10 10.1.3.10 {" in sandbox.custom()[KEY]


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("policy random", "policy sequential", "options"),
        ("10.1.2.10", "10.1.2.11", "upstreams"),
        (ZONE + ":53", "x.y", "zone"),
    ],
)
def test_a_change_by_hand_is_drift_and_is_undone_with_a_restart(
    sandbox: KubeSandbox, old: str, new: str, field: str
) -> None:
    sandbox.up()
    text = sandbox.custom()[KEY]
    sandbox.set_key(KEY, text.replace(old, new))
    found = sandbox.find()
    assert found is not None
    assert field in [c.field for c in diff(found.spec, sandbox.forward.spec(sandbox.outputs))]
    restarts = sum("deployments" in w for w in sandbox.writes())
    sandbox.up()
    assert sandbox.custom()[KEY] == text
    # although CoreDNS was restarted with this very text before
    assert sum("deployments" in w for w in sandbox.writes()) > restarts


def test_a_key_removed_by_hand_comes_back(sandbox: KubeSandbox) -> None:
    sandbox.up()
    sandbox.set_key(KEY, None)
    assert sandbox.up().phase is Phase.READY
    assert KEY in sandbox.custom()


def test_other_keys_stay(sandbox: KubeSandbox) -> None:
    sandbox.set_key("team.server", "team.example:53 {\n  forward . 10.9.9.9\n}\n")
    sandbox.up()
    found = sandbox.find()
    assert found is not None
    sandbox.forward.delete(found, None)
    assert set(sandbox.custom()) == {"team.server"}


def test_delete_removes_only_the_key_and_restarts(sandbox: KubeSandbox) -> None:
    found = sandbox.up()
    assert sandbox.forward.delete(found, None) is not None
    gone = sandbox.find()
    assert gone is not None and gone.phase is Phase.DELETING
    assert sandbox.settle() is None
    assert sandbox.custom() == {}
    assert sandbox.forward.delete(found, None) is None


def test_a_teardown_killed_before_the_restart_goes_on(sandbox: KubeSandbox) -> None:
    found = sandbox.up()
    sandbox.fault("cut-before", "kube.PATCH:deployments/coredns")
    with pytest.raises(Exception) as caught:
        sandbox.forward.delete(found, None)
    assert kube_errors.unknown_outcome(caught.value)
    sandbox.another_run()
    left = sandbox.find()
    assert left is not None and left.phase is Phase.READY
    assert sandbox.forward.delete(left, None) is not None
    assert sandbox.settle() is None


WRONG_SINCE = "shop.example:53 {\n kubernetes cluster.local {\n upstream\n }\n}\n"


@pytest.mark.parametrize("killed", [False, True])
def test_a_teardown_writes_nothing_where_coredns_would_not_start_without_the_key_either(
    sandbox: KubeSandbox, killed: bool
) -> None:
    """Another team's key has become wrong since: a running CoreDNS goes on with what it read, our zone included."""
    found = sandbox.up()
    if killed:  # the key is gone, and CoreDNS was not restarted without it
        sandbox.set_key(KEY, None)
    sandbox.set_key("rw.server", WRONG_SINCE)
    sandbox.another_run()
    written = sandbox.writes()
    with pytest.raises(ConflictError, match="let go of the zone") as caught:
        sandbox.forward.delete(found, None)
    assert "the key rw.server" in caught.value.detail
    assert "--leave-coredns" in caught.value.hint and "kubectl edit configmap coredns-custom" in caught.value.hint
    assert sandbox.writes() == written
    sandbox.set_key("rw.server", None)
    sandbox.another_run()
    assert sandbox.forward.delete(found, None) is not None
    assert sandbox.settle() is None


def test_another_key_with_our_zone_is_no_reason_to_keep_ours(sandbox: KubeSandbox) -> None:
    found = sandbox.up()
    sandbox.set_key("other.server", f"{ZONE} {{\n forward . 10.9.9.9\n}}\n")
    sandbox.another_run()
    assert sandbox.forward.delete(found, None) is not None


@pytest.mark.parametrize(
    ("key", "text", "words"),
    [
        ("other.server", f"{ZONE} {{\n forward . 10.9.9.9\n}}\n", "already serves"),
        ("other.server", ". {\n forward . 10.9.9.9\n}\n", "root zone"),
        ("other.server", "a.example {\n forward . 10.9.9.9\n", "cannot be read"),
    ],
)
def test_what_coredns_would_die_of_is_refused_before_anything_is_written(
    sandbox: KubeSandbox, key: str, text: str, words: str
) -> None:
    sandbox.set_key(key, text)
    written = len([w for w in sandbox.writes() if "PATCH" in w])
    with pytest.raises(ConflictError, match=words):
        sandbox.up()
    assert len([w for w in sandbox.writes() if "PATCH" in w]) == written


def test_a_more_specific_zone_is_a_warning(sandbox: KubeSandbox) -> None:
    sandbox.set_key("team.server", f"sub.{ZONE}:53 {{\n forward . 10.9.9.9\n}}\n")
    assert sandbox.up().phase is Phase.READY
    (warning,) = sandbox.forward.warnings()
    assert f"sub.{ZONE}" in warning
    assert sandbox.forward.status().shadowed == (f"sub.{ZONE}",)


def test_a_key_of_our_name_that_we_did_not_write(sandbox: KubeSandbox) -> None:
    sandbox.set_key(KEY, "team.example {\n forward . 10.9.9.9\n}\n")
    with pytest.raises(ConflictError):
        sandbox.find()


def test_coredns_that_dies_of_it_is_failed_and_undone(sandbox: KubeSandbox) -> None:
    good = sandbox.up()
    assert good.phase is Phase.READY
    text = sandbox.custom()[KEY]
    sandbox.another_run()
    before = sandbox.forward.rollback_state()
    sandbox.fault("pod-fails", "kube-system/coredns-*", None)
    sandbox.addresses = (RESOLVERS[0],)
    found = sandbox.up()
    assert found.phase is Phase.FAILED
    assert "CoreDNS does not start" in found.detail
    sentence = sandbox.forward.rollback(found, before)
    assert "restored" in sentence
    assert sandbox.custom()[KEY] == text


def test_the_first_key_is_removed_again_when_coredns_dies_of_it(sandbox: KubeSandbox) -> None:
    sandbox.fault("pod-fails", "kube-system/coredns-*", None)
    found = sandbox.up()
    assert found.phase is Phase.FAILED
    assert "removed again" in sandbox.forward.rollback(found, None)
    assert sandbox.custom() == {}
    sandbox.world.context.faults.clear()
    assert sandbox.settle() is None


def test_without_permission(sandbox: KubeSandbox) -> None:
    sandbox.fault("denied", "kube.PATCH:*", None)
    try:
        with pytest.raises((CredentialsError, KubeApiError)) as caught:
            sandbox.up()
    finally:
        sandbox.world.context.faults.clear()
    error = caught.value
    translated = error if isinstance(error, CredentialsError) else kube_errors.translate(error)
    assert isinstance(translated, CredentialsError)


def test_a_wrong_token(sandbox: KubeSandbox) -> None:
    with pytest.raises(KubeApiError) as caught:
        sandbox.client("wrong").config_map("kube-system", "coredns-custom")
    assert isinstance(kube_errors.translate(caught.value), CredentialsError)


def test_a_lost_answer_is_an_unknown_outcome(sandbox: KubeSandbox) -> None:
    wanted = sandbox.forward.spec(sandbox.outputs)
    assert wanted is not None
    sandbox.fault("cut-after", "kube.PATCH:configmaps/*")
    with pytest.raises(Exception) as caught:
        sandbox.forward.create(wanted)
    assert kube_errors.unknown_outcome(caught.value)
    assert KEY in sandbox.custom()
    assert sandbox.up().phase is Phase.READY


def test_somebody_else_writing_in_between_is_a_conflict_to_try_again(sandbox: KubeSandbox) -> None:
    version = sandbox.kube.config_map("kube-system", "coredns-custom")["metadata"]["resourceVersion"]
    sandbox.set_key("team.server", "team.example:53 {\n forward . 10.9.9.9\n}\n")
    patch = {"metadata": {"resourceVersion": version}, "data": {KEY: "x"}}
    with pytest.raises(KubeApiError) as caught:
        sandbox.kube.patch_config_map("kube-system", "coredns-custom", patch)
    assert kube_errors.retryable(caught.value) is not None
    assert not kube_errors.unknown_outcome(caught.value)


def test_what_somebody_writes_after_our_look_is_not_overlooked(
    sandbox: KubeSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check of the other keys holds at the moment of our write, or the write is refused."""
    wanted = sandbox.forward.spec(sandbox.outputs)
    assert wanted is not None
    look = sandbox.kube.config_map

    def look_and_lose(namespace: str, name: str) -> dict[str, object]:
        seen = look(namespace, name)
        other = sandbox.client()
        other.patch_config_map(namespace, name, {"data": {"team.server": f"{ZONE} {{\n forward . 10.9.9.9\n}}\n"}})
        return seen

    monkeypatch.setattr(sandbox.kube, "config_map", look_and_lose)
    with pytest.raises(KubeApiError) as caught:
        sandbox.forward.create(wanted)
    assert caught.value.status == 409
    assert KEY not in sandbox.custom()


def test_a_cluster_that_is_not_there_yet_has_no_key(sandbox: KubeSandbox) -> None:
    def none() -> None:
        raise MissingError("There is no AKS cluster")

    forward = DnsForward(sandbox.link, Kube("aks-one", none, ReadCache(sandbox.time)), sandbox.endpoint).forward  # type: ignore[arg-type]
    assert forward.find(sandbox.receipts) is None


def test_the_view_says_what_is_wrong(sandbox: KubeSandbox) -> None:
    assert "has no key" in sandbox.forward.status().problem
    sandbox.up()
    assert sandbox.forward.status(RESOLVERS).problem == ""
    assert "10.1.9.9" in sandbox.forward.status((IPv4Address("10.1.9.9"),)).problem
    sandbox.set_key(KEY, sandbox.custom()[KEY].replace("policy random", "policy sequential"))
    assert "not as cloudlink wrote it" in sandbox.forward.status(RESOLVERS).problem


@pytest.mark.parametrize("imported", ["import custom/*.override", "# import custom/*.server", ""])
def test_a_key_that_the_clusters_corefile_does_not_import_is_told(sandbox: KubeSandbox, imported: str) -> None:
    sandbox.up()
    own = sandbox.client().config_map("kube-system", "coredns")["data"]["Corefile"]
    without = own.replace("\nimport custom/*.server", f"\n{imported}")
    assert without != own
    sandbox.client().patch_config_map("kube-system", "coredns", {"data": {"Corefile": without}})
    sandbox.another_run()
    said = sandbox.forward.status(RESOLVERS)
    assert f"does not read the key {KEY}" in said.problem and "does not import custom/*.server" in said.problem
    assert "import custom/*.server" in said.task and "mount" in said.task, "another up would put nothing right"


def test_a_key_whose_configmap_coredns_does_not_mount_is_told(sandbox: KubeSandbox) -> None:
    sandbox.up()
    volumes = [{"name": "config-volume", "configMap": {"name": "coredns"}}]
    patch = {"spec": {"template": {"spec": {"volumes": volumes}}}}
    sandbox.client().patch_deployment("kube-system", "coredns", patch)
    sandbox.time.wait(120)
    sandbox.another_run()
    said = sandbox.forward.status(RESOLVERS)
    assert "do not mount the ConfigMap coredns-custom" in said.problem and said.task


# what no reading of the key can tell: whether the pods have these files
BROKEN = "tls://shop.example:853 {\n    errors\n    FILES\n    forward . 10.9.9.9\n}\n"


@pytest.mark.parametrize("files", ["tls /certs/tls.crt /certs/tls.key", "root /config\n    tls cert.pem key.pem"])
def test_a_mistake_that_was_in_another_key_before_is_told_and_the_old_pods_stay(
    sandbox: KubeSandbox, files: str
) -> None:
    """The restart meets what a running CoreDNS had not taken up. The undo does not restart once more."""
    sandbox.set_key("rw.server", BROKEN.replace("FILES", files))
    template = sandbox.kube.deployment("kube-system", "coredns")["spec"]["template"]
    pods = {p["metadata"]["name"] for p in sandbox.kube.pods("kube-system", "k8s-app=kube-dns")}
    before = sandbox.forward.rollback_state()
    found = sandbox.up()
    assert found.phase is Phase.FAILED
    restarts = sum("deployments" in w for w in sandbox.writes())
    sentence = sandbox.forward.rollback(found, before)
    assert sum("deployments" in w for w in sandbox.writes()) == restarts + 1
    assert sandbox.kube.deployment("kube-system", "coredns")["spec"]["template"] == template
    assert "mistake is in the key rw.server, which was there before" in sentence
    assert "CoreDNS still cannot start" in sentence
    assert "CoreDNS pods serve" in sentence
    sandbox.time.wait(30)
    left = {p["metadata"]["name"] for p in sandbox.kube.pods("kube-system", "k8s-app=kube-dns")}
    assert left & pods, "an old pod goes on serving"
    assert set(sandbox.custom()) == {"rw.server"}


def test_a_key_in_binary_data_is_read_as_pods_get_it(sandbox: KubeSandbox) -> None:
    def put(text: bytes) -> None:
        patch = {"binaryData": {"other.server": base64.b64encode(text).decode()}}
        sandbox.kube.patch_config_map("kube-system", "coredns-custom", patch)
        sandbox.kube.cache.clear()

    put(f"{ZONE}:53 {{\n forward . 10.9.9.9\n}}\n".encode())
    with pytest.raises(ConflictError, match=rf"other\.server already serves {ZONE}"):
        sandbox.up()
    put("other.example:53 {\r\n forward . 10.1.2.3\r\n}\r\n".encode("utf-16"))
    sandbox.another_run()
    with pytest.raises(ConflictError, match=r"other\.server is not text in UTF-8"):
        sandbox.up()


def test_the_very_patches_can_be_tried_without_effect(sandbox: KubeSandbox) -> None:
    sandbox.kube.patch_config_map("kube-system", "coredns-custom", {"data": {KEY: "x"}}, dry_run=True)
    annotations = {"spec": {"template": {"metadata": {"annotations": {"a": "b"}}}}}
    sandbox.kube.patch_deployment("kube-system", "coredns", annotations, dry_run=True)
    assert sandbox.custom() == {}
    assert sandbox.writes() == []
