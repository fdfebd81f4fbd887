"""What the proofs rest on sees what it must see: a proof that cannot fail proves nothing."""

from __future__ import annotations

import base64
from pathlib import Path

from prove.figures import Figures, Point
from prove.kill import BY_DESIGN
from prove.lives import Step, shortest
from prove.ours import _same, receipt
from prove.picture import difference
from prove.secrets import occurrences

KEY = "aB3" * 16


def test_a_second_object_is_a_difference() -> None:
    one = 'aws vpn gateway {"State": "available", "VpnGatewayId": "<vgw>"}'
    assert difference([one], [one, one]) == [f"+ {one}"]
    assert difference([one, one], [one]) == [f"- {one}"]
    assert difference([one], [one.replace("available", "pending")])[0].startswith("~ aws vpn gateway")
    assert not difference([one], [one])


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
    assert BY_DESIGN.match('+ azure resource {"id": "/x/virtualNetworks/v/subnets/GatewaySubnet"}')
    assert not BY_DESIGN.match('+ azure resource {"id": "/x/virtualNetworkGateways/cloudlink-demo-gateway"}')
    assert not BY_DESIGN.match('- azure resource {"id": "/x/virtualNetworks/v/subnets/GatewaySubnet"}')


def test_a_strangers_thing_that_changes_is_seen() -> None:
    before = {("aws route table", "rtb-1"): '{"Routes": []}', ("aws vpc", "vpc-1"): '{"dns": true}'}
    assert "changed" in _same(before, {**before, ("aws route table", "rtb-1"): '{"Routes": [1]}'}, lost=False)
    assert "gone" in _same(before, {("aws vpc", "vpc-1"): '{"dns": true}'}, lost=False)
    assert "left" in _same(before, {**before, ("aws vpn gateway", "vgw-1"): "{}"}, lost=False)
    assert not _same(before, before, lost=False)


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
    figures = Figures(file=file)
    figures.add(Point("kill", "up", "1"))
    figures.add(Point("kill", "up", "2", "broken"), say=False)
    read = Figures.load([file])
    assert read.points == figures.points
    assert read.rows() == [("kill", "up", 1, 2)]
    assert "FAILED" in str(read)
    assert read.failed[0].where == "2"
