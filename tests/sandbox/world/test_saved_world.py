"""A saved sandbox is taken up by the very code that wrote it, and by no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudlink_sandbox.process import WORLD_FILE, Sandbox

START = 1_800_000_000.0


@pytest.mark.own("What another version saved, or a file that was cut, is not taken up: the sandbox begins anew")
def test_what_others_wrote_is_left_alone(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "one", speed=0, start=START)
    sandbox.context.clock.advance(100)
    written = sandbox.save().read_bytes()
    other = Sandbox(tmp_path / "two", speed=0, start=START)
    (other.home / WORLD_FILE).write_bytes(b"another " + written)
    assert not other.load()
    (other.home / WORLD_FILE).write_bytes(written[:-20])
    assert not other.load()
    (other.home / WORLD_FILE).write_bytes(b"")
    assert not other.load()
    assert other.context.clock.now() == START
    (other.home / WORLD_FILE).write_bytes(written)
    assert other.load()
    assert other.context.clock.now() == START + 100
