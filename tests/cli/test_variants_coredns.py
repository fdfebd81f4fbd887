"""CoreDNS that does not come up with the zone: put back, said, exit code 5, and the cluster's own names go on working."""

from __future__ import annotations

from tests.support.cli import Cli
from tests.support.manual_edits import KEY, ManualEdits


def cluster_dns_works(place: Cli, hand: ManualEdits) -> None:
    deployment = hand.clouds.aks.deployment("kube-system", "coredns")
    assert deployment["status"]["readyReplicas"] == deployment["spec"]["replicas"]
    assert "unavailableReplicas" not in deployment["status"] or not deployment["status"]["unavailableReplicas"]


def test_a_crashing_coredns_is_rolled_back(linked: Cli) -> None:
    hand = ManualEdits(linked)
    hand.coredns_key(KEY, None)
    hand.restart_coredns("bare")
    hand.later(200)
    before = hand.clouds.aks.config_map("kube-system", "coredns-custom").get("data") or {}
    fault = linked.control("POST", "faults", {"kind": "pod-fails", "target": "kube-system/coredns-*", "times": None})
    failed = linked.cloudlink("up", "--no-verify")
    linked.control("DELETE", f"faults/{fault['id']}")
    assert failed.code == 5, failed.out + failed.err
    assert "removed again" in failed.err or "restored" in failed.err
    hand.later(200)
    assert (hand.clouds.aks.config_map("kube-system", "coredns-custom").get("data") or {}) == before
    cluster_dns_works(linked, hand)


def test_a_foreign_key_that_serves_the_zone_is_found_before_anything_is_written(linked: Cli) -> None:
    hand = ManualEdits(linked)
    hand.coredns_key(KEY, None)
    hand.coredns_key("theirs.server", "prod.corp.example:53 {\n    forward . 10.1.2.3\n}\n")
    try:
        refused = linked.cloudlink("up", "--json")
        assert refused.code == 3
        (found,) = next(e for e in refused.lines if e["type"] == "error")["findings"]
        assert "theirs.server already serves prod.corp.example" in found["detail"]
        assert KEY not in (hand.clouds.aks.config_map("kube-system", "coredns-custom").get("data") or {})
        cluster_dns_works(linked, hand)
    finally:
        hand.coredns_key("theirs.server", None)
