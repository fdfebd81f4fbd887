"""What a paused link's key says and answers, and what it remembers."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudlink.checks.pauses import Saving
from cloudlink.clouds.ownership import Owner
from cloudlink.core.resource import Phase
from cloudlink.steps.dns_forward import corefile, pauses
from cloudlink.steps.dns_forward.corefile_rules import NEWEST
from cloudlink.steps.dns_forward.pauses import Pause
from tests.support.kube_sandbox import KubeSandbox

OWNER = Owner("demo", "vpc-1", "sub/rg/vnet")
ZONE = "corp.example"
ANSWERS = (*pauses.ANSWERS, "10.9.8.7")
OLD = Pause(1_800_000_000.0, "nxdomain", {"subnet-a": IPv4Address("10.1.1.10"), "subnet-b": IPv4Address("10.1.2.10")})


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_is_written_is_read_back(answer: str) -> None:
    pause = Pause(OLD.since, answer, OLD.addresses)
    text = corefile.paused(OWNER, (ZONE,), pause)
    assert pauses.pause_of(text) == pause
    assert corefile.is_marked(text, "demo") and corefile.is_of_place(text, OWNER)
    assert corefile.read(text) == corefile.Block(ZONE, (), pauses.options_of(answer))
    assert corefile.examine({"other.server": text}, "ours.server", ("elsewhere.example",), NEWEST).conflicts == ()
    assert corefile.heads(text) == (corefile.Head(ZONE, "dns", 53),)


def test_the_key_of_a_link_that_works_says_nothing_of_a_pause() -> None:
    text = corefile.written(OWNER, corefile.block((ZONE,), (IPv4Address("10.1.1.10"),)))
    assert pauses.pause_of(text) is None


@given(st.text(max_size=60))
def test_a_damaged_remark_still_says_that_it_is_paused(damage: str) -> None:
    line = "".join(damage.splitlines())
    assert pauses.pause_of(f"# Paused: {line}\n{ZONE}:53 {{\n}}\n") is not None


@pytest.mark.parametrize("word", ["", "ServFail", "::1", "10.0.0", "10.0.0.1 10.0.0.2", "10.0.0.1\n}"])
def test_other_answers_are_none(word: str) -> None:
    assert not pauses.is_answer(word)


def test_coredns_takes_it_and_the_link_comes_back(tmp_path: object) -> None:
    """On the sandbox's AKS, whose CoreDNS parses what it is given: paused, paused again in another way, and resumed."""
    from dataclasses import replace
    from pathlib import Path

    assert isinstance(tmp_path, Path)
    sandbox = KubeSandbox(tmp_path)
    try:
        sandbox.up()
        plain = sandbox.forward
        before = sandbox.custom()["cloudlink-demo.server"]
        for answer in ANSWERS:
            sandbox.forward = replace(plain, pause=Pause(OLD.since, answer, OLD.addresses))
            found = sandbox.up()
            assert found.phase is Phase.READY
            assert plain.found_pause() == Pause(OLD.since, answer, OLD.addresses)
            said = plain.status()
            assert said.pause is not None and not said.problem and "paused" in said.line
        sandbox.forward = plain
        assert sandbox.up().spec == plain.spec(sandbox.outputs)
        assert sandbox.custom()["cloudlink-demo.server"] == before
        assert plain.found_pause() is None
    finally:
        sandbox.stop()


def test_what_a_pause_saves_is_not_made_up_for_a_cloud_without_prices() -> None:
    made = Saving(None, None, 10, 5)
    assert made.saved is None
    assert "not known" in made.sentence and "USD" not in made.sentence
    assert Saving(500.0, 100.0, 24, 7).saved == 0
