"""What the proofs rest on sees what it must see: a proof that cannot fail proves nothing."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

from reliability.__main__ import PROOFS, WEIGHTS, share
from reliability.crash_state import CrashState
from reliability.harness import Harness
from reliability.kill import by_design, told
from reliability.ownership import receipt, same
from reliability.random_sequences import Step, shortest
from reliability.results import Point, Results
from reliability.secrets import occurrences
from reliability.snapshot import Snapshots, difference

from reliability import faults

KEY = "aB3" * 16


def test_a_second_object_is_a_difference() -> None:
    one = 'aws vpn gateway {"State": "available", "VpnGatewayId": "<vgw>"}'
    assert difference([one], [one, one]) == [f"+ {one}"]
    assert difference([one, one], [one]) == [f"- {one}"]
    assert difference([one], [one.replace("available", "pending")])[0].startswith("~ aws vpn gateway")
    assert not difference([one], [one])


def test_an_hour_is_shared_out_and_what_one_proof_leaves_goes_to_the_next() -> None:
    left, names = 60.0, list(PROOFS)
    for number in range(len(names)):
        mine = share(names[number:], left)
        assert 0 < mine <= left
        left -= mine / 2
    assert share(["kill", "files"], 15.0) == 14.0
    assert share(["mutants"], left) == left
    assert set(WEIGHTS) <= set(PROOFS)


def test_a_key_is_found_however_it_is_written() -> None:
    for content in (
        f"psk={KEY};".encode(),
        KEY.encode().hex().encode(),
        base64.b64encode(f"x{KEY}".encode()),
        base64.b64encode(f"xy{KEY}".encode()),
        KEY[::-1].encode(),
        KEY[:20].encode(),
    ):
        assert occurrences({KEY}, {"log": b"... " + content + b" ..."}), content
    assert not occurrences({KEY}, {"log": b"********"})


def test_the_exception_made_by_design_is_narrow() -> None:
    assert by_design('+ azure resource {"id": "/x/virtualNetworks/v/subnets/GatewaySubnet"}')
    assert by_design('+ azure resource {"id": "/x/virtualNetworks/v/subnets/cloudlink-demo-dns-in"}')
    assert not by_design('+ azure resource {"id": "/x/virtualNetworks/v/subnets/other"}')
    assert not by_design('+ azure resource {"id": "/x/virtualNetworkGateways/cloudlink-demo-gateway"}')
    gateway = {
        "id": "/x/virtualNetworkGateways/g",
        "properties": {"subnet": "/x/virtualNetworks/v/subnets/GatewaySubnet"},
    }
    assert not by_design(f"+ azure resource {json.dumps(gateway)}")
    assert not by_design('- azure resource {"id": "/x/virtualNetworks/v/subnets/GatewaySubnet"}')


def test_a_foreign_object_that_changes_is_seen() -> None:
    before = {("aws route table", "rtb-1"): '{"Routes": []}', ("aws vpc", "vpc-1"): '{"dns": true}'}
    assert "changed" in same(before, {**before, ("aws route table", "rtb-1"): '{"Routes": [1]}'}, lost=False)
    assert "gone" in same(before, {("aws vpc", "vpc-1"): '{"dns": true}'}, lost=False)
    assert "left" in same(before, {**before, ("aws vpn gateway", "vgw-1"): "{}"}, lost=False)
    assert not same(before, before, lost=False)


def test_a_receipt_that_is_not_the_difference_is_seen() -> None:
    gone = {("aws vpn gateway", "vgw-1"): "{}"}
    stays = {("kube config map", "coredns-custom"): '{"data": {"cloudlink-demo.server": "x"}}'}
    after = {("kube config map", "coredns-custom"): '{"data": {}}'}
    gateway = {"address": "aws_vpn.gateway", "title": "", "detail": "vgw-1"}
    forward = {"address": "dns_forward.forward", "title": "", "detail": "kube-system/coredns-custom/x"}
    rows = [gateway, forward]
    assert not receipt({**gone, **stays}, after, {"deleted": rows, "restored": []})
    assert "vgw-1" in receipt({**gone, **stays}, after, {"deleted": [forward], "restored": []})
    assert "dns_forward.forward" in receipt({**gone, **stays}, after, {"deleted": [gateway], "restored": []})
    assert "neither gone nor changed" in receipt(
        {**gone, **stays}, {**gone, **stays}, {"deleted": [gateway], "restored": []}
    )


def test_a_life_that_fails_is_made_as_short_as_it_can_be() -> None:
    steps = [Step(kind, n) for n, kind in enumerate(("up", "edit", "drift", "kill", "edit", "teardown", "up"))]

    def fails(some: list[Step]) -> bool:
        kinds = [s.kind for s in some]
        return "edit" in kinds and "kill" in kinds

    assert [s.kind for s in shortest(steps, fails)] == ["edit", "kill"]
    assert shortest(steps[:1], lambda _: True) == []


def test_figures_are_kept_point_by_point(tmp_path: Path) -> None:
    file = tmp_path / "x.points"
    results = Results(file=file)
    results.add(Point("kill", "up", "1"))
    results.add(Point("kill", "up", "2", "broken"), say=False)
    read = Results.load([file])
    assert read.points == results.points
    assert read.rows() == [("kill", "up", 1, 2, 2)]
    assert "FAILED" in str(read)
    assert read.failed[0].where == "2"


def test_remains_that_differ_in_anything_are_not_one_trial(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        harness.state.write_text(
            '{"format": 1, "serial": 3, "resources": {"a": {"phase": "ready", "since": 1800000000.5}}}'
        )
        harness.sandbox.context.clock.set_speed(0)
        ec2 = Snapshots(harness).client("ec2")
        first = CrashState.take(harness)
        ec2.create_customer_gateway(BgpAsn=65000, IpAddress="192.0.2.1", Type="ipsec.1")
        begun = CrashState.take(harness)
        harness.settle()
        ended = CrashState.take(harness)
        assert len({first.mark, begun.mark, ended.mark}) == 3, "what is in flight is neither absent nor there"
        assert not begun.same(ended)
        first.put_back(harness)
        assert CrashState.take(harness).mark == first.mark
        assert first.same(CrashState.take(harness))

        text = harness.state.read_text()
        harness.state.write_text(text.replace("ready", "creating"))
        assert CrashState.take(harness).mark != first.mark
        harness.state.write_text(text.replace('"serial": 3', '"serial": 4').replace("1800000000.5", "1800000007.5"))
        assert CrashState.take(harness).mark == first.mark, (
            "neither the number nor the second of a save decides anything"
        )
        harness.previous.write_text("{}")
        assert CrashState.take(harness).mark != first.mark
        assert first.with_state("deleted").mark != first.mark
        assert len(first.with_state("cut in half").folder[harness.state.name]) == len(text) // 2


def test_a_file_beside_the_state_file_that_is_read_is_noticed(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}; from reliability.save_hooks import _unread; _unread('told')\n"
        "for name in ('demo.state.json', 'demo.state.json.lock', 'demo.state.json.previous', '.demo.state.json.12'):\n"
        "    open(name, 'w').write('x'); open(name).read()\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    assert (tmp_path / "told").read_text().split() == ["demo.state.json.previous", ".demo.state.json.12"]


def test_a_trial_that_fails_fails_all_of_its_points() -> None:
    points = [Point("kill", "up", f"call {n}", same="one") for n in range(3)]
    results = Results([*told(points, "broken"), Point("kill", "up", "call 9", same="other")])
    assert len(results.failed) == 3
    assert results.rows() == [("kill", "up", 1, 4, 2)]


def test_what_several_objects_have_in_common_is_one_kind_of_call() -> None:
    calls = [
        {"cloud": "azure", "operation": "GET connections", "target": "one", "writes": False},
        {"cloud": "aws", "operation": "CreateVpnGateway", "target": "", "writes": True},
        {"cloud": "azure", "operation": "GET connections", "target": "two", "writes": False},
        {"cloud": "azure", "operation": "PUT connections", "target": "one", "writes": True},
        {"cloud": "aks", "operation": "POST pods", "target": "probe", "writes": True},
    ]
    assert faults.phases(calls) == {"looking": range(1), "working": range(1, 4), "verifying": range(4, 5)}
    assert faults.place_of(calls[0]) == faults.place_of(calls[2]) == "azure.GET:connections/*"
    assert faults.place_of(calls[1]) == "aws.CreateVpnGateway"
    assert [k for k, kind in faults.KINDS.items() if kind.fits(calls[3]) and not kind.fits(calls[2])] == [
        "throttled-long", "busy-long", "fails", "hangs"
    ]  # fmt: skip
