"""A cluster that cannot be asked, permissions that are missing, tags that were lost, and a kill at the worst moment."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.cli import Cli, Result, make_cli

from .test_taking_down import begin


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """Tests here tell its life in order; the last ones take it down."""
    with make_cli(tmp_path_factory.mktemp("reach"), speed=400) as made:
        assert made.sandbox("start").code == 0
        built = made.cloudlink("up", "--no-verify")
        assert built.code == 0, built.out + built.err
        made.control("POST", "clock", {"advance": 600})
        yield made


@pytest.fixture
def fault(place: Cli) -> Iterator[Any]:
    yield lambda kind, where, **more: place.control(
        "POST", "faults", {"kind": kind, "target": where, "times": None, **more}
    )
    place.control("DELETE", "faults")


def outcomes(status: Result) -> dict[str, str]:
    return {c["name"]: c["outcome"] for c in status.json["checks"]}


def test_an_answer_that_is_no_json_is_not_told_as_silence(place: Cli, fault: Any) -> None:
    fault("garbage", "kube.GET:configmaps/*")
    plan = place.cloudlink("plan")
    assert plan.code == 5, plan.out + plan.err
    assert "The cluster's answer cannot be read" in plan.err and "could not be reached" not in plan.err


def test_a_reader_is_shown_what_a_reader_may_see(place: Cli, fault: Any) -> None:
    assert place.cloudlink("status").code == 0
    fault("denied", "azure.POST:*")
    status = place.cloudlink("status", "--json")
    assert status.code == 4
    assert "Microsoft.Network/virtualNetworkGateways/getBgpPeerStatus/action" in status.err
    assert status.json["health"] == "unknown"
    seen = outcomes(status)
    assert {n for n, o in seen.items() if o == "not seen"} == {"bgp", "routes-azure", "forward"}
    assert {o for o in seen.values() if o != "not seen"} == {"passed"}
    assert [t["up"] for t in status.json["tunnels"]] == [True] * 4
    (reason,) = {c["detail"] for c in status.json["checks"] if c["name"] == "bgp"}
    assert "permission" in reason
    # what was not seen is not told as missing
    shown = " ".join(place.cloudlink("status", "--all").out.split())
    assert "absent" not in shown and "has learned no route" not in shown
    assert "what it has learned could not be read" in shown
    summary = " ".join(place.cloudlink("status").out.split())
    assert "All 4 tunnels are up" in summary
    cause, _, task = summary.partition(" to do ")
    assert "Ask for a role that allows" in task
    assert cause.count("getBgpPeerStatus") == 1, "Azure's own sentence is not repeated after ours"


def test_clusters_out_of_reach_leave_the_rest_to_be_seen(place: Cli, fault: Any) -> None:
    fault("cut-before", "kube.*")
    status = place.cloudlink("status", "--json")
    assert status.code == 8
    assert {n for n, o in outcomes(status).items() if o != "passed"} == {"targets", "forward"}
    details = {c["name"]: c["detail"] for c in status.json["checks"]}
    assert "EKS cluster production" in details["targets"]
    assert "AKS cluster test" in details["forward"]

    names = place.cloudlink("verify-dns")
    assert names.code == 5
    assert names.err.count("Error:") == 1
    assert "from a pod on the AKS cluster test" in " ".join(names.err.split())

    before = place.writes()
    down = place.cloudlink("teardown")
    assert down.code == 5
    assert "--leave-coredns" in down.err
    assert "Nothing was changed" in " ".join(down.err.split())
    assert place.writes() == before


def test_while_coredns_may_not_be_changed_nothing_is_taken_from_it(place: Cli, fault: Any) -> None:
    stood = place.inventory()
    fault("denied", "kube.PATCH:configmaps/coredns-custom")
    down = place.cloudlink("teardown")
    assert down.code == 4
    assert "--leave-coredns" in down.err
    assert json.dumps(place.inventory(), sort_keys=True) == json.dumps(stood, sort_keys=True)
    assert place.cloudlink("status").code == 0


def test_lost_tags_a_cluster_that_is_left_and_a_kill_before_the_subnet_goes(place: Cli, fault: Any) -> None:
    """What is left is told with what to type; then the state file is lost, and the run dies when the gateway, which
    alone says whose the subnet is, has just gone."""
    tags = place.clouds().azure.resources.tags
    id_ = str(place.clouds().azure.gateway()["id"])
    ours = dict(place.clouds().azure.gateway()["tags"])
    tags.begin_update_at_scope(id_, {"operation": "Delete", "properties": {"tags": ours}}).result()
    fault("cut-before", "kube.*")
    down = place.cloudlink("teardown", "--leave-coredns", "--json")
    assert down.code == 8, down.out + down.err
    said = {line["address"]: line["why"] for line in down.lines if line["type"] == "kept"}
    assert said["dns_forward.forward"] == "left as asked", "it is ours"
    report = down.lines[-1]["teardown"]
    assert {k["address"] for k in report["kept"]} == {
        "azure_vpn.gateway",
        "azure_vpn.gateway_subnet",
        "azure_vpn.public_ip[0]",
        "azure_vpn.public_ip[1]",
        "dns_forward.forward",
    }
    left = {item["address"]: item["hint"] for item in report["left"]}
    assert (
        f"az tag update --operation merge --resource-id {id_} --tags cloudlink-link=demo" in left["azure_vpn.gateway"]
    )
    assert "kubectl --context aks patch configmap coredns-custom" in left["dns_forward.forward"]
    assert report["leftovers"] == [], "only what another teardown would remove"
    place.control("DELETE", "faults")

    tags.begin_update_at_scope(id_, {"operation": "Merge", "properties": {"tags": ours}}).result()
    place.state.unlink()
    with begin(place, "teardown") as killed:
        start = time.monotonic()
        while not any(
            c["operation"] == "DELETE virtualNetworkGateways" for c in place.control("GET", "journal")["calls"]
        ):
            assert time.monotonic() - start < 60
            time.sleep(0.02)
        place.control("POST", "faults", {"kind": "slow", "target": "azure.GET:*", "times": None, "seconds": 30})
        place.control("POST", "clock", {"advance": 3600})
        killed.send_signal(signal.SIGKILL)
    place.control("DELETE", "faults")
    azure = place.clouds().azure
    assert azure.gateway() is None
    assert any(s["name"] == "GatewaySubnet" for s in azure.vnet()["properties"]["subnets"]), "killed too late to tell"
    again = place.cloudlink("teardown")
    assert again.code == 0, again.out + again.err
    assert all(s["name"] != "GatewaySubnet" for s in place.clouds().azure.vnet()["properties"]["subnets"])
    assert "cloudlink-demo.server" not in place.inventory()["coredns"]
