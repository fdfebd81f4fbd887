"""``pause`` and ``resume`` as a user runs them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudlink.checks.preflight.prices import HOURS, PRICES
from tests.cli.conftest import repair
from tests.cli.test_taking_down import begin, wait_for_writes
from tests.support.cli import Cli, make_cli

KEY = "cloudlink-demo.server"
TAKEN = ("vpn connections", "endpoints")
NEW_IDS = ("vpn connections", "endpoints", "interfaces")  # what AWS names anew
FOREIGN = "foreign.example:53 {\n    errors\n    forward . 10.9.9.9\n}\n"


@pytest.fixture
def awake(linked: Cli) -> Iterator[Cli]:
    """The link is not paused after it, whatever happened."""
    yield linked
    done = linked.cloudlink("resume", "--no-verify", "--new-addresses")
    assert done.code == 0, done.out + done.err


def addresses(place: Cli) -> set[str]:
    resolver = place.clouds().aws.route53resolver
    return {
        str(a["Ip"])
        for e in resolver.list_resolver_endpoints()["ResolverEndpoints"]
        for a in resolver.list_resolver_endpoint_ip_addresses(ResolverEndpointId=e["Id"])["IpAddresses"]
    }


def kept(inventory: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in inventory.items() if k not in NEW_IDS}


def paused(place: Cli, *more: str) -> Any:
    done = place.cloudlink("pause", "--json", *more)
    assert done.code == 0, done.out + done.err
    return done.lines[-1]


def resumed(place: Cli) -> None:
    done = place.cloudlink("resume", "--no-verify")
    assert done.code == 0, done.out + done.err
    place.control("POST", "clock", {"advance": 600})


def test_a_night(awake: Cli) -> None:
    before, there = awake.inventory(), addresses(awake)
    said = paused(awake, "--hours", "8", "--days", "5")
    assert said["outcome"] == "done" and said["counts"]["deleted"] == 7 and said["counts"]["updated"] == 1
    report = said["pause"]
    assert {a for _, a in report["endpoint"]} == there
    assert report["saved"] == pytest.approx((report["monthly"] - report["monthly_paused"]) * (1 - 40 / 168), abs=0.01)
    hourly = {what: price.hour for what, price in PRICES.items()}
    connection = hourly["VPN connection"] + 2 * hourly["public IPv4 address of AWS"]
    by_the_hour = 2 * connection + len(there) * hourly["Resolver address"]
    assert report["monthly"] - report["monthly_paused"] == pytest.approx(by_the_hour * HOURS, abs=0.01)
    meanwhile = awake.inventory()
    assert [meanwhile[k] for k in TAKEN] == [[], []]
    assert meanwhile["zones"] == before["zones"] and meanwhile["subnets"] == before["subnets"]
    gone = set(before["azure"]) - set(meanwhile["azure"])
    assert len(gone) == 4 and all("/connections/" in g for g in gone)
    assert "rcode SERVFAIL" in meanwhile["coredns"][KEY] and "10.10.0.2 " not in meanwhile["coredns"][KEY]

    status = awake.cloudlink("status")
    assert status.code == 8 and status.out.startswith("-  PAUSED since ")
    assert "cloudlink resume --sandbox" in status.out and "cloudlink up" not in status.out
    found = awake.cloudlink("status", "--json").json
    assert (
        found["health"] == "paused"
        and found["since"]
        and found["drift"] == []
        and found["next"] == ["cloudlink resume --sandbox"]
    )

    written = awake.writes()
    refused = awake.cloudlink("up", "--yes")
    assert refused.code == 3 and "The link is paused" in refused.err and "cloudlink resume --sandbox" in refused.err
    assert "run the same command again" not in refused.err  # it would be refused again
    count = f"makes {said['counts']['deleted']} objects again"
    assert count in " ".join(refused.err.split()) and count in status.out  # one count, of pause, status and up
    asked = awake.cloudlink("verify-dns")
    assert asked.code == 8 and "The link is paused" in asked.err
    again = paused(awake)
    assert again["counts"]["deleted"] == 0 and again["pause"]["since"] == report["since"]
    assert awake.writes() == written

    resumed(awake)
    after = awake.inventory()
    assert kept(after) == kept(before)
    assert addresses(awake) == there
    assert not set(after["vpn connections"]) & set(before["vpn connections"])
    assert awake.cloudlink("status").code == 0
    assert awake.cloudlink("verify-dns").code == 0
    assert '"paused"' not in awake.state.read_text()


def test_a_resume_of_what_is_not_paused_and_bad_answers_change_nothing(awake: Cli) -> None:
    written = awake.writes()
    done = awake.cloudlink("resume")
    assert done.code == 0 and "is not paused; nothing was changed" in done.err
    assert awake.cloudlink("pause", "--names", "maybe").code == 2
    assert awake.cloudlink("pause", "--names", "::1").code == 2
    assert awake.cloudlink("pause", "--hours", "25").code == 2
    assert awake.writes() == written


def test_what_pods_get_meanwhile(awake: Cli) -> None:
    for answer, line in (("10.9.8.7", "30 IN A 10.9.8.7"), ("public", "forward . /etc/resolv.conf")):
        paused(awake, "--names", answer)
        assert line in awake.inventory()["coredns"][KEY]
    said = paused(awake, "--names", "nxdomain")
    assert said["pause"]["names"] == "names do not exist (NXDOMAIN)"
    assert said["counts"]["updated"] == 1 and len(said["pause"]["endpoint"]) >= 2


def test_an_address_that_was_taken_meanwhile(awake: Cli) -> None:
    lost = sorted(addresses(awake))[0]
    said = paused(awake)
    subnet = next(s for s, a in said["pause"]["endpoint"] if a == lost)
    ec2 = awake.clouds().aws.ec2
    foreign = ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress=lost)["NetworkInterface"]
    refused = awake.cloudlink("resume", "--no-verify")
    assert refused.code == 5 and lost in refused.err
    assert f"{awake.link.name}.log" in "".join(refused.err.split())
    assert "cloudlink resume --sandbox --new-addresses" in refused.err or "--new-addresses" in refused.err
    assert "rcode SERVFAIL" in awake.inventory()["coredns"][KEY]
    done = awake.cloudlink("resume", "--no-verify", "--new-addresses")
    assert done.code == 0, done.out + done.err
    assert lost not in addresses(awake)
    ec2.delete_network_interface(NetworkInterfaceId=foreign["NetworkInterfaceId"])


def test_killed_and_run_again(awake: Cli) -> None:
    before, there = awake.inventory(), addresses(awake)
    killed = begin(awake, "pause")
    wait_for_writes(awake, 2)
    killed.kill()
    killed.wait()
    said = awake.cloudlink("status")
    assert said.code in (0, 8), said.err
    if said.code == 8:
        assert "PAUSED" in said.out, said.out
    paused(awake)
    assert [awake.inventory()[k] for k in TAKEN] == [[], []]
    killed = begin(awake, "resume", "--no-verify")
    wait_for_writes(awake, 2)
    killed.kill()
    killed.wait()
    time.sleep(0.1)
    assert awake.cloudlink("status").out.startswith("-  PAUSED")
    resumed(awake)
    assert kept(awake.inventory()) == kept(before) and addresses(awake) == there


def test_a_resume_that_died_before_its_last_call_and_lost_its_state_file(awake: Cli) -> None:
    """The key says nothing of a pause any more, but CoreDNS was not restarted with it."""
    kube = awake.clouds().aks
    name = "cloudlink.dev/demo"
    template = kube.deployment("kube-system", "coredns")["spec"]["template"]["metadata"]["annotations"]
    wanted, state = template[name], awake.state.read_text()
    kube.patch_deployment(
        "kube-system", "coredns", {"spec": {"template": {"metadata": {"annotations": {name: "of the pause"}}}}}
    )
    awake.state.unlink()
    resumed(awake)
    template = kube.deployment("kube-system", "coredns")["spec"]["template"]["metadata"]["annotations"]
    assert template[name] == wanted
    awake.state.write_text(state)
    awake.state.chmod(0o600)


def test_deep_without_its_state_file_nor_harm_to_others(awake: Cli) -> None:
    """The gateway goes, the addresses and GatewaySubnet stay; the key in CoreDNS knows what the state file knew."""
    kube = awake.clouds().aks
    kube.patch_config_map("kube-system", "coredns-custom", {"data": {"other.server": FOREIGN}})
    before, there = awake.inventory(), addresses(awake)
    paused(awake, "--deep")
    meanwhile = awake.inventory()
    gone = set(before["azure"]) - set(meanwhile["azure"])
    assert any("/virtualnetworkgateways/" in g for g in gone)
    assert not any("/publicipaddresses/" in g for g in gone) and meanwhile["subnets"] == before["subnets"]
    state = awake.state.read_text()
    awake.state.unlink()
    assert awake.cloudlink("status").out.startswith("-  PAUSED")
    awake.state.write_text(state)
    awake.state.chmod(0o600)
    resumed(awake)
    assert kept(awake.inventory()) == kept(before) and addresses(awake) == there
    kube.patch_config_map("kube-system", "coredns-custom", {"data": {"other.server": None}})
    repair(awake)


def test_a_cluster_that_cannot_be_asked(awake: Cli) -> None:
    paused(awake)
    awake.control("POST", "faults", {"kind": "cut-before", "target": "kube.*", "times": None})
    said = awake.cloudlink("status")
    again = awake.cloudlink("pause", "--deep")
    awake.control("DELETE", "faults")
    assert "PAUSED" in said.out, said.out + said.err
    assert again.code == 5 and "CoreDNS cannot be told of the pause" in again.err


def test_a_teardown_of_a_paused_link_leaves_nothing(tmp_path: Path) -> None:
    with make_cli(tmp_path / "own", speed=400) as place:
        empty = None
        nothing = place.cloudlink("pause")
        assert nothing.code == 0 and "nothing to pause" in nothing.err
        empty = place.inventory()
        assert place.cloudlink("up", "--no-verify").code == 0
        assert place.cloudlink("pause", "--deep").code == 0
        killed = begin(place, "teardown", "--yes")
        wait_for_writes(place, 3)
        killed.kill()
        killed.wait()
        said = place.cloudlink("status")  # not that it is paused: a resume would build it again
        assert said.code == 8 and "being removed" in said.out and "cloudlink teardown --sandbox" in said.out, said.out
        assert "cloudlink up --sandbox builds" in " ".join(said.out.split()), said.out
        done = place.cloudlink("teardown")
        assert done.code == 0, done.out + done.err
        assert place.inventory() == empty
        assert not place.state.exists()
