"""The world file: TOML or JSON, a default for every key, and every mistake at once."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from cloudlink_sandbox.world_file import InvalidWorldFile, WorldFile, parse, read

FULL = """
foreign_objects = false

[aws]
region = "eu-west-1"
cidrs = ["10.30.0.0/20"]
load_balancers = [{ name = "nlb", type = "network", ports = [80, 443] }]
vpn_gateway = { id = "vgw-1" }

[[aws.services]]
name = "vault"
namespace = "vault"

[[aws.servers]]
address = "10.30.0.9"

[azure]
vnet = false
resource_groups = ["a", "b"]
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(InvalidWorldFile) as caught:
        parse(json.loads(text))
    return [str(m) for m in caught.value.mistakes]


@pytest.mark.own("An empty world file is a VPC with EKS and a VNet with AKS whose ranges do not meet")
def test_an_empty_file_is_a_world(tmp_path: Path) -> None:
    (tmp_path / "world.toml").write_text("")
    world = read(tmp_path / "world.toml")
    assert world == WorldFile()
    assert world.azure.vnet is not None
    assert world.azure.aks is not None
    ranges = [*world.aws.cidrs, *world.azure.vnet.prefixes, world.azure.aks.pod_cidr, world.azure.aks.service_cidr]
    assert not [(a, b) for a in ranges for b in ranges if a is not b and a.overlaps(b)]
    assert len(world.aws.eks_subnets) == 3


@pytest.mark.own("A world file may be TOML or JSON, and what is read can be written and read again")
def test_toml_and_json(tmp_path: Path) -> None:
    (tmp_path / "world.toml").write_text(FULL)
    world = read(tmp_path / "world.toml")
    assert (world.aws.region, world.azure.vnet, world.foreign_objects) == ("eu-west-1", None, False)
    assert world.aws.eks_subnets[0] == IPv4Network("10.30.0.0/24"), "a sixteenth of the range"
    assert world.aws.servers[0].address == IPv4Address("10.30.0.9")
    assert world.aws.services[0].kind == "service"
    assert world.aws.vpn_gateway is not None
    assert world.aws.vpn_gateway.asn == 64512
    (tmp_path / "world.json").write_text(json.dumps(world.json()))
    assert read(tmp_path / "world.json") == world


@pytest.mark.own("All mistakes of a world file are told at once, each with its place and what is allowed")
def test_all_mistakes_at_once(tmp_path: Path) -> None:
    text = """
    regoin = "x"
    [aws]
    regoin = "eu-west-1"
    vpc = 7
    cidrs = ["10.10.0.1/16", "10.10.0.0/8x"]
    foreign_objects = true
    [[aws.hosted_zones]]
    id = "Z1"
    [[aws.load_balancers]]
    type = "netwerk"
    [azure]
    aks = { sign_in = "password", pod_cidr = 5 }
    resource_groups = "test"
    """
    (tmp_path / "world.toml").write_text(text)
    with pytest.raises(InvalidWorldFile) as caught:
        read(tmp_path / "world.toml")
    told = {m.path: m for m in caught.value.mistakes}
    assert set(told) == {
        "regoin", "aws.regoin", "aws.vpc", "aws.cidrs[0]", "aws.cidrs[1]", "aws.foreign_objects",
        "aws.hosted_zones[0].name", "aws.load_balancers[0].name", "aws.load_balancers[0].type",
        "azure.aks.sign_in", "azure.aks.pod_cidr", "azure.resource_groups",
    }  # fmt: skip
    assert told["aws.regoin"].near_miss == "region"
    assert told["aws.cidrs[0]"].near_miss == "10.10.0.0/16"
    assert told["aws.load_balancers[0].type"].near_miss == "network"
    assert str(tmp_path / "world.toml") in str(caught.value)
    assert all(path in str(caught.value) for path in told)


@pytest.mark.own("What no cloud could hold is a mistake in a world file")
@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"aws": {"cidrs": []}}', "aws.cidrs"),
        ('{"aws": {"eks_subnets": ["10.11.0.0/24"]}}', "aws.eks_subnets[0]"),
        ('{"aws": {"eks_subnets": ["10.10.0.0/24", "10.10.0.0/25"]}}', "aws.eks_subnets[1]"),
        ('{"aws": {"load_balancer_subnets": ["10.10.0.0/24"]}}', "aws.load_balancer_subnets[0]"),
        ('{"azure": {"vnet": {"aks_subnet": "10.21.0.0/24"}}}', "azure.vnet.aks_subnet"),
        ('{"azure": {"vnet": {"prefixes": []}}}', "azure.vnet.prefixes"),
        ('{"azure": {"vnet": {"prefixes": ["10.20.0.0/24"]}, "keep_free": ["10.20.0.0/16"]}}', "azure.vnet.prefixes"),
        ('{"aws": {"load_balancers": [{"name": "a", "ports": [70000]}]}}', "aws.load_balancers[0].ports"),
        ("[]", "the file"),
        ('{"aws": 5}', "aws"),
        ('{"aws": {"services": [5]}}', "aws.services[0]"),
    ],
)
def test_what_no_cloud_could_hold(text: str, path: str) -> None:
    assert [m.partition(" is ")[0] for m in mistakes(text)] == [path]


@pytest.mark.own("A world file that cannot be read is named")
@pytest.mark.parametrize("content", [None, b"\xff", b"a = ", b"{"])
@pytest.mark.parametrize("name", ["world.toml", "world.json"])
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None, name: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidWorldFile, match=name):
        read(tmp_path / name)
