"""Which configuration a command takes when none is named."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cloudlink.config import load
from cloudlink.errors import ConfigError
from cloudlink.session.locations import CONFIG, EXAMPLE, find_config, sandbox_place

ROOT = Path(__file__).parents[2]


def test_the_example_serves_the_sandbox_only_and_only_where_there_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = find_config(None, sandbox=True)
    assert shipped.read_text() == (ROOT / "config.example.toml").read_text(), "where there is none at all"
    assert sandbox_place(None).home == tmp_path / ".cloudlink" / "sandbox" / "demo", "nothing is kept beside that one"
    EXAMPLE.touch()
    assert find_config(None, sandbox=True) == EXAMPLE
    assert find_config(None, sandbox=False) == CONFIG, "real clouds are never built from the example"
    CONFIG.touch()
    assert find_config(None, sandbox=True) == CONFIG
    named = Path("other.toml")
    assert find_config(named, sandbox=True) == named


def test_without_a_configuration_the_line_to_type_names_an_example_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load(CONFIG)
    (copy,) = [line.removeprefix("Or: ") for line in caught.value.hint.splitlines() if line.startswith("Or: ")]
    assert copy.startswith("cp ") and copy.endswith(" config.toml")
    subprocess.run(copy, shell=True, check=True)
    assert load(CONFIG).name == "demo"
