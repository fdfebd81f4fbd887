"""A saved sandbox is data: taken up by the very code and user that wrote it, refused from anybody else."""

from __future__ import annotations

import json
import os
import pickle
from collections import OrderedDict, defaultdict
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from cloudlink_sandbox import client, saved_world
from cloudlink_sandbox.errors import SavedWorldRefused
from cloudlink_sandbox.facts import AwsFacts
from cloudlink_sandbox.faults import Fault
from cloudlink_sandbox.process import OLD_WORLD_FILE, WORLD_FILE, Sandbox
from cloudlink_sandbox.saved_world import NotData, decode, encode
from cloudlink_sandbox.world_file import WorldFile, parse

START = 1_800_000_000.0
KEY = b"a key"


def nodes_in(content: bytes) -> int:
    return len(json.loads(content.partition(b"\n")[2])["world"]["nodes"])


def there_and_back(value: Any) -> Any:
    return decode(json.loads(json.dumps(encode(value))))


@pytest.mark.own("A world is saved as data and comes back the same, every answer of it")
def test_a_world_comes_back(tmp_path: Path) -> None:
    one = Sandbox(tmp_path / "one", speed=0, start=START)
    one.seed(
        parse({"aws": {"buckets": [{"name": "kept"}]}, "azure": {"blob_containers": [{"account": "abc", "name": "c"}]}})
    )
    one.context.clock.advance(100)
    one.context.faults.add(Fault("slow", "aws.Create*"))
    facts = repr(one.context.aws_facts()), repr(one.context.azure_facts())
    written = one.save().read_bytes()
    two = Sandbox(tmp_path / "two", speed=0, start=START)
    (two.home / WORLD_FILE).write_bytes(written)
    assert two.load()
    assert (repr(two.context.aws_facts()), repr(two.context.azure_facts())) == facts
    assert isinstance(two.context.aws_facts(), AwsFacts)
    assert two.context.clock.now() == START + 100
    assert "kept" in two.aws.buckets.by_name and "c" in two.blobs.accounts["abc"].containers
    assert [f.target for f in two.context.faults.in_force()] == ["aws.Create*"]
    again = two.save().read_bytes()
    assert nodes_in(again) == nodes_in(written)


@pytest.mark.own("What other versions saved is not taken up: the sandbox begins anew")
def test_what_other_versions_wrote_is_left_alone(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path, speed=0, start=START)
    assert not sandbox.load(), "there is nothing yet"
    key = saved_world.user_key()
    (sandbox.home / WORLD_FILE).write_bytes(saved_world.sealed({"x": 1}, "another", key))
    assert not sandbox.load()


@pytest.mark.own("A saved world that was changed, cut or sealed by another user is refused, and nothing of it is read")
@pytest.mark.parametrize("change", ["flip", "cut", "empty", "seal", "format", "link"])
def test_what_was_changed_is_refused(tmp_path: Path, change: str) -> None:
    sandbox = Sandbox(tmp_path / "one", speed=0, start=START)
    path = sandbox.save()
    whole = path.read_bytes()
    changed = {
        "flip": whole.replace(b"aks_token", b"aks_tokem"),
        "cut": whole[:-20],
        "empty": b"",
        "seal": saved_world.sealed({}, "x", b"another key"),
        "format": whole.replace(b" 1 ", b" 2 ", 1),
        "link": whole,
    }[change]
    path.write_bytes(changed)
    if change == "link":
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    sandbox.context.clock.advance(1)
    with pytest.raises(SavedWorldRefused):
        sandbox.load()
    assert sandbox.context.clock.now() == START + 1


class _Bomb:
    def __init__(self, mark: str = "nowhere") -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (self.mark,)


@pytest.mark.own("A world of an older sandbox, which could hold a program, is refused with what to type")
def test_an_old_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    (tmp_path / OLD_WORLD_FILE).write_bytes(pickle.dumps(_Bomb(str(tmp_path / "was-here"))))
    with pytest.raises(SavedWorldRefused) as raised:
        client.start(tmp_path, WorldFile().json(), speed=60)
    assert "older sandbox" in raised.value.detail
    assert "cloudlink-sandbox reset" in raised.value.hint_as()
    assert client.find(tmp_path) is None
    assert not (tmp_path / "was-here").exists()


@pytest.mark.own("Objects that share another one still do when they come back")
def test_the_form_keeps_what_refers_to_what() -> None:
    shared = {"a": [IPv4Address("10.0.0.1"), b"\x00", float("inf"), (1, "x")]}
    value = [
        shared,
        {("k", IPv4Network("10.0.0.0/8")): shared},
        defaultdict(list, {"y": [1]}),
        OrderedDict(b=1, a=2),
        {3, 4},
        frozenset({"z"}),
    ]
    value.append(value)
    back = there_and_back(value)
    assert back[0] is back[1]["k", IPv4Network("10.0.0.0/8")] and back[-1] is back
    assert back[0] == shared and back[2] == value[2] and back[2].default_factory is list
    assert list(back[3]) == ["b", "a"] and back[4] == {3, 4} and back[5] == {"z"}


@pytest.mark.own("Nothing but data has a form: no program, no class of others, no method that does something")
def test_what_is_no_data_is_refused() -> None:
    for value in (_Bomb(), os.system, Path("/"), lambda: 0, defaultdict(lambda: 1), "x".upper):
        with pytest.raises(NotData):
            encode([value])
    nodes: list[Any] = [
        ["object", "os:_Environ", {}, None],
        ["object", "subprocess:Popen", {}, None],
        ["object", "cloudlink_sandbox.saved_world:os.system", {}, None],
        ["object", "cloudlink_sandbox.process:Sandbox", {"__class__": 1}, None],
        ["object", "cloudlink_sandbox.nothing:Sandbox", {}, None],
        ["method", {"@": 1}, "stop"],
        ["text", "eval", "1"],
        ["reduce", "os:system", ["true"]],
        ["tuple", [{"@": 0}]],
    ]
    for node in nodes:
        with pytest.raises((NotData, LookupError, TypeError, ValueError, AttributeError)):
            decode({"root": {"@": 0}, "nodes": [node, ["list", []]]})
