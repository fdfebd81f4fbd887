"""Which configuration a command takes when none is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudlink.session import CONFIG, EXAMPLE, find_config


def test_the_example_serves_the_sandbox_only_and_only_where_there_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    EXAMPLE.touch()
    assert find_config(None, sandbox=True) == EXAMPLE
    assert find_config(None, sandbox=False) == CONFIG, "real clouds are never built from the example"
    CONFIG.touch()
    assert find_config(None, sandbox=True) == CONFIG
    named = Path("other.toml")
    assert find_config(named, sandbox=True) == named
