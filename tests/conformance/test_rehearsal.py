"""Real daemons, set up from what both clouds would answer: tunnels, BGP, names, requests, the renewal of keys, and that
nothing is left."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from cloudlink.clouds.aws.parse_acls import AclEntry
from cloudlink.clouds.aws.parse_groups import Rule
from cloudlink.clouds.azure.parse_filters import FilterRule
from cloudlink.errors import CloudlinkError, UsageError
from cloudlink.rehearse import programs, run, stage
from cloudlink.rehearse.answers import Host
from cloudlink.rehearse.report import report
from tests.support import rehearsal as link

pytestmark = pytest.mark.conformance


@pytest.fixture(scope="module")
def daemons() -> programs.Programs:
    try:
        found = programs.found("")
    except UsageError as missing:
        pytest.skip(f"{missing} (tests/conformance/install.py fetches the daemons)")
    if not found.coredns:
        pytest.skip("there is no CoreDNS here: tests/conformance/install.py builds it")
    return found


def rehearsed(daemons: programs.Programs, *, quick: bool = False, pcap: bool = False, **changed: Any) -> dict[str, Any]:
    made = stage.of(link.answers(**changed))
    events = [e for e in run.run(made, daemons, run.Options(quick=quick, pcap=pcap)) if e["event"] != "pcap"]
    return report("demo", made, events)


def others(changed: Any, make: Any) -> tuple[Any, ...]:
    """The first is changed, the others are as they should be."""
    return (changed, *(make(n) for n in (1, 2, 3)))


def children() -> list[int]:
    """Processes of a rehearsal that still live."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = place.read_bytes()
        except OSError:
            continue
        if b"cloudlink.rehearse.lab" in command or b"/run/rehearsal/" in command:
            found.append(int(place.parent.name))
    return found


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = set(children())
    yield
    deadline = time.monotonic() + 15.0  # a busy machine takes longer to end a dozen processes
    while (left := set(children()) - before) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left
    assert not Path("/run/rehearsal").exists()


@pytest.mark.program("both ends alike: four tunnels, BGP and routes come up, keys are renewed from each end")
def test_a_link_whose_ends_agree_carries_everything(daemons: programs.Programs) -> None:
    made = rehearsed(daemons, pcap=True)
    assert made["health"] == "healthy", made
    assert [(t["up"], t["bgp"]["up"], t["bgp"]["routes"]) for t in made["tunnels"]] == [(True, True, 1)] * 4
    assert len(made["renewals"]) == 16
    assert made["names"][0]["by"] == {"UDP": "right", "TCP": "right"}
    assert made["names"][-1]["by"]["UDP"] == "truncated"
    assert {r["scheme"] for r in made["requests"]} == {"http", "https"}
    assert (made["capture"]["marker"], made["capture"]["control"] > 0) == (0, True)


@pytest.mark.program("an adopted gateway of Azure's with one instance: two tunnels carry everything")
def test_two_tunnels_of_one_instance_carry_everything(daemons: programs.Programs) -> None:
    said = link.answers()
    one = replace(
        said, offers=said.offers[:2], connections=said.connections[:2], far=said.far[:2], instances=said.instances[:1]
    )
    made = stage.of(one)
    events = [e for e in run.run(made, daemons, run.Options(quick=True)) if e["event"] != "pcap"]
    found = report("demo", made, events)
    assert found["health"] == "healthy", found
    assert [(t["up"], t["bgp"]["up"], t["bgp"]["routes"]) for t in found["tunnels"]] == [(True, True, 1)] * 2
    assert not found["notes"]


@pytest.mark.program("a renewal group that differs: the tunnel comes up, and its keys are not renewed")
def test_a_group_that_differs_is_green_until_keys_are_renewed(daemons: programs.Programs) -> None:
    other = replace(link.POLICY, pfs_group="PFS24")
    made = rehearsed(daemons, connections=others(link.connection(0, policy=other), link.connection))
    assert all(t["up"] and t["bgp"]["up"] for t in made["tunnels"])
    bad = {(r["tunnel"], r["what"]) for r in made["renewals"] if not r["good"]}
    assert bad == {("1-1", "child")}
    assert made["health"] == "degraded"


@pytest.mark.program("a wrong key, IKE or ESP algorithm or AS number hits its own tunnel and its own layer only")
def test_each_wrong_thing_hits_its_own_tunnel_and_layer(daemons: programs.Programs) -> None:
    policies = (
        link.connection(0, key=link.key(9)),
        link.connection(1, policy=replace(link.POLICY, ike_group="DHGroup24")),
        link.connection(2, policy=replace(link.POLICY, esp_cipher="GCMAES128", esp_hash="GCMAES128")),
        link.connection(3),
    )
    wrong_asn = (*(link.far(n) for n in range(3)), link.far(3, asn=64999))
    made = rehearsed(daemons, quick=True, connections=policies, far=wrong_asn)
    said = [(t["up"], t["why"] or t["bgp"]["why"]) for t in made["tunnels"]]
    assert said[0] == (False, "the keys differ")
    assert (said[1][0], "proposal" in said[1][1]) == (False, True)
    assert (said[2][0], "proposal" in said[2][1]) == (False, True)
    assert (said[3][0], "peer AS" in said[3][1]) == (True, True)
    assert made["health"] == "down"


@pytest.mark.program(
    "ranges of AWS that are narrower than Azure's bring their tunnel down, although strongSwan would narrow"
)
@pytest.mark.parametrize("narrow", [{"azure_range": "10.20.0.0/16"}, {"aws_range": "10.10.0.0/16"}])
def test_narrowed_ranges_bring_a_tunnel_down(daemons: programs.Programs, narrow: dict[str, str]) -> None:
    made = rehearsed(daemons, quick=True, offers=others(link.offer(0, **narrow), link.offer))
    assert [t["up"] for t in made["tunnels"]] == [False, True, True, True]
    why = made["tunnels"][0]["why"]
    assert why == "the ranges do not fit" or why.endswith("Azure takes all addresses or nothing")


@pytest.mark.own("a daemon that ends at once is one message with what it said, and nothing is left")
@pytest.mark.parametrize(("name", "title"), [("charon-systemd", "strongSwan"), ("bird", "BIRD")])
def test_a_daemon_that_ends_is_one_message(daemons: programs.Programs, tmp_path: Path, name: str, title: str) -> None:
    broken = tmp_path / "daemon"
    broken.write_text("#!/bin/sh\necho a library is missing >&2\nexit 127\n")
    broken.chmod(0o755)
    other = replace(daemons, paths={**daemons.paths, name: str(broken)})
    with pytest.raises(CloudlinkError) as caught:
        list(run.run(stage.of(link.answers()), other, run.Options(quick=True)))
    assert caught.value.detail.startswith(f"{title} did not start as ")
    assert "a library is missing. Nothing is left of it" in caught.value.detail


@pytest.mark.program("CoreDNS ends with a server block that it cannot read: the names are bad, with its own words")
def test_a_server_block_that_coredns_cannot_read(daemons: programs.Programs) -> None:
    made = rehearsed(
        daemons, quick=True, server_blocks={"link.server": f"{link.ZONE}:53 {{\n  forwrd . 10.10.1.53\n}}\n"}
    )
    assert made["health"] == "degraded"
    (name,) = made["names"]
    assert "forwrd" in name["why"]


@pytest.mark.program("a port that something else has is told and left out, and the rest goes on")
def test_a_port_that_is_taken(daemons: programs.Programs) -> None:
    taken = Host("10.10.1.53", True, ports=(53, 8080), tls=frozenset())
    made = rehearsed(daemons, quick=True, targets=(taken,), records={f"app.{link.ZONE}": ("10.10.1.53",)})
    assert [s["what"] for s in made["skipped"]] == ["port 53 of 10.10.1.53"]
    assert {r["port"]: r["good"] for r in made["requests"]}[8080]


@pytest.mark.program("a security group that lets in UDP alone: names over TCP and requests are lost, and nothing else")
def test_what_no_security_group_lets_in_is_lost(daemons: programs.Programs) -> None:
    udp = (Rule("udp", 53, 53, "10.20.0.0/16", ""),)
    endpoints = tuple(Host(a, True, lets_in=udp) for a in ("10.10.1.53", "10.10.2.53"))
    target = Host("10.10.1.10", True, ports=(80, 8443), lets_in=(Rule("tcp", 80, 80, "10.0.0.0/8", ""),))
    made = rehearsed(daemons, quick=True, endpoints=endpoints, targets=(target,))
    assert [e["by"] for e in made["endpoints"]] == [{"UDP": "NOERROR", "TCP": "no answer"}] * 2
    assert {r["port"]: r["good"] for r in made["requests"]} == {80: True, 8443: False}
    assert all(t["bgp"]["up"] for t in made["tunnels"])


@pytest.mark.program(
    "a network ACL without memory: what it lets in meets the security group, and the answer needs a way out"
)
def test_what_a_network_acl_or_the_nodes_security_group_drops_is_lost(daemons: programs.Programs) -> None:
    everywhere = IPv4Network("0.0.0.0/0")
    into = (AclEntry(100, True, "-1", (0, 65_535), IPv4Network("10.20.0.0/16")),)
    out = (AclEntry(90, False, "17", (1024, 65_535), everywhere), AclEntry(100, True, "-1", (0, 65_535), everywhere))
    dns = (Rule("udp", 53, 53, "10.20.0.0/16", ""), Rule("tcp", 0, 65_535, "10.20.0.0/16", ""))
    endpoints = tuple(Host(a, True, lets_in=dns, acl_in=into, acl_out=out) for a in ("10.10.1.53", "10.10.2.53"))
    shut = Host("10.10.1.10", True, ports=(80, 8443), lets_in=dns[:1], acl_in=into, acl_out=(out[1],))
    free = Host("10.10.1.11", True, ports=(80, 8443), acl_in=into, acl_out=(out[1],))
    drops = FilterRule("d", 100, False, "tcp", ((8443, 8443),), ("*",), ("virtualnetwork",))
    made = rehearsed(daemons, quick=True, endpoints=endpoints, targets=(shut, free), lets_out=(drops,))
    assert [e["by"] for e in made["endpoints"]] == [{"UDP": "no answer", "TCP": "NOERROR"}] * 2
    assert {(r["target"], r["port"]): r["good"] for r in made["requests"]} == {
        ("10.10.1.10", 80): False,
        ("10.10.1.10", 8443): False,
        ("10.10.1.11", 80): True,
        ("10.10.1.11", 8443): False,
    }
    assert all(t["bgp"]["up"] for t in made["tunnels"])


@pytest.mark.program("ends that die and come back: nothing is lost at the end, within twenty seconds")
def test_ends_that_die_come_back(daemons: programs.Programs) -> None:
    made = stage.of(link.answers(), hurry=10)
    events = list(run.run(made, daemons, run.Options(failover=True)))
    losses = report("demo", made, events)["losses"]
    assert [loss["good"] for loss in losses] == [True] * 3
    assert losses[1]["lost"] > 0, "an instance of Azure's gateway carries some of the flows"
    assert events[-1]["at"] < 20


@pytest.mark.own("a rehearsal that is killed leaves no process and no namespace")
def test_a_kill_in_the_middle_leaves_nothing(daemons: programs.Programs) -> None:
    events = run.run(stage.of(link.answers()), daemons, run.Options())
    assert next(events)["event"] == "network"
    shell = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=False
    )
    mine = [int(pid) for pid in shell.stdout.split() if b"cloudlink.rehearse.lab" in _command(int(pid))]
    assert mine
    os.kill(mine[0], signal.SIGKILL)
    with pytest.raises(Exception, match="could not be carried out"):
        list(events)


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
