"""What cloudlink describes to the sandbox, how it finds it, and what it says where there is none."""

from __future__ import annotations

import importlib.metadata
import inspect
import sys
from ipaddress import IPv4Network
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cloudlink import sandbox_client
from cloudlink.cli.commands import run
from cloudlink.config import load
from cloudlink.sandbox_client import Client, Commands, SandboxError
from cloudlink.sandbox_world import description
from cloudlink_sandbox import client
from cloudlink_sandbox import commands as program
from cloudlink_sandbox.world_file import LoadBalancer, parse

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


def world_of(text: str, tmp_path: Path) -> Any:
    path = tmp_path / "config.toml"
    path.write_text(text)
    return parse(description(load(path, sandbox=True)))


def test_the_configuration_becomes_a_world(tmp_path: Path) -> None:
    text = EXAMPLE.read_text()
    world = world_of(text, tmp_path)
    assert (world.aws.vpc, world.aws.eks_cluster, world.azure.vnet.name) == (
        "vpc-0a1b2c3d4e5f60718",
        "production",
        "test-vnet",
    )
    assert {s.name for s in world.aws.services} == {"vault"}
    assert {str(s.address) for s in world.aws.servers} == {"10.10.8.15", "10.10.24.15"}
    assert [b.name for b in world.aws.load_balancers] == ["sentry-internal", "ingress-internal", "ingress-internal"]
    assert IPv4Network("10.20.255.0/27") in world.azure.keep_free
    assert set(world.azure.resource_groups) == {"cloudlink-demo"}


def test_what_is_named_by_id_keeps_its_id(tmp_path: Path) -> None:
    arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/net/shop/50dc6c495c0c9188"
    text = (
        EXAMPLE.read_text()
        .replace('# gateway = "create"', 'gateway = "vgw-0123456789abcdef0" #')
        .replace('# hosted_zone = "create"', 'hosted_zone = "Z0123456789ABC" #')
        .replace('load_balancer = "sentry-internal"', f'load_balancer = "{arn}"')
    )
    world = world_of(text, tmp_path)
    assert world.aws.vpn_gateway.id == "vgw-0123456789abcdef0"
    assert [(z.id, z.name) for z in world.aws.hosted_zones] == [("Z0123456789ABC", "prod.corp.example")]
    assert world.aws.load_balancers[0] == LoadBalancer("shop", "network", arn)


def test_without_a_sandbox_part_there_is_no_world() -> None:
    with pytest.raises(ValueError, match="sandbox"):
        description(load(EXAMPLE))


@pytest.mark.parametrize(
    "command", [("up", "--sandbox"), ("status", "--sandbox"), ("sandbox", "start"), ("sandbox", "env")]
)
def test_where_it_is_not_installed_one_message_says_what_to_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda **_: ())
    monkeypatch.setattr(sandbox_client, "_load", sandbox_client._load.__wrapped__)  # as in a new process
    monkeypatch.chdir(tmp_path)
    assert run(list(command)) == 2
    said = capsys.readouterr()
    assert "pip install . ./sandbox" in said.err
    assert "Traceback" not in said.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("prefix", "how"),
    [
        ("/opt/a/.local/share/pipx/venvs/cloudlink-cli", "pipx inject cloudlink-cli ./sandbox"),
        ("/opt/a/.local/share/uv/tools/cloudlink-cli", "uv tool install . --with ./sandbox"),
        ("/opt/a/b c/.venv", "-m pip install . ./sandbox"),
    ],
)
def test_the_hint_is_for_how_cloudlink_was_installed(monkeypatch: pytest.MonkeyPatch, prefix: str, how: str) -> None:
    """And from a checkout: under the sandbox's name a registry may hold a stranger's package."""
    monkeypatch.setattr(sys, "prefix", prefix)
    monkeypatch.setattr(sys, "executable", "/opt/a/b c/.venv/bin/python")
    said = sandbox_client.install_hint()
    assert (
        said.startswith("In a checkout of cloudlink: ")
        and said.endswith(how)
        and "install cloudlink-sandbox" not in said
    )
    assert "pip install ." not in said or "'/opt/a/b c/.venv/bin/python' -m pip" in said


def test_its_errors_become_ours(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SandboxError) as caught:
        sandbox_client.start(tmp_path / "file" / "home", load(EXAMPLE, sandbox=True), speed=1)
    assert caught.value.exit_code == 1
    assert isinstance(caught.value.__cause__, client.SandboxError)


@pytest.mark.parametrize(("name", "module", "wanted"), [("client", client, Client), ("commands", program, Commands)])
def test_the_entry_points_lead_to_what_cloudlink_uses(name: str, module: ModuleType, wanted: type[Any]) -> None:
    assert sandbox_client._load(name) is module
    for used, promised in vars(wanted).items():
        if inspect.isfunction(promised) and not used.startswith("_"):
            theirs = inspect.signature(getattr(module, used)).parameters
            ours = list(inspect.signature(promised).parameters.values())[1:]
            assert [(p.name, p.kind) for p in theirs.values()] == [(p.name, p.kind) for p in ours], used
