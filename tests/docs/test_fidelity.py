"""The table of fidelity comes from marks on tests, and a test of the sandbox without one is noticed."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
HEAD = '"""What this file\nis about.\n\nAnd more."""\nimport pytest\n'


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fidelity", ROOT / "docs" / "fidelity.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fidelity"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


FIDELITY = _load()


def project(tmp_path: Path, text: str, file: str = "tests/sandbox/aws/test_x.py") -> Path:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD + text, encoding="utf-8")
    return tmp_path


def test_a_mark_is_a_row_wherever_it_stands_on_the_test(tmp_path: Path) -> None:
    root = project(
        tmp_path,
        '@pytest.mark.recorded("One | two")\n'
        '@pytest.mark.parametrize("a", [1, pytest.param(2, marks=pytest.mark.belief("three"))])\n'
        "def test_one(a): ...\n",
    )
    file = "tests/sandbox/aws/test_x.py"
    found = FIDELITY.rows(root)
    area = "What this file is about."
    assert found == [
        FIDELITY.Row(area, "One | two", "recorded", file, "test_one"),
        FIDELITY.Row(area, "three", "belief", file, "test_one"),
    ]
    table = FIDELITY.table(found)
    assert f"[`test_x.py`](../{file}): {area}" in table
    assert "| One \\| two | recorded | `test_one` |\n| three | **belief** | `test_one` |" in table
    assert "| AWS | 1 | – | – | – | – | 1 | – | 2 |" in FIDELITY.counts(found)


@pytest.mark.parametrize(
    "text",
    [
        "def test_one(): ...\n",
        "class TestIt:\n    @pytest.mark.slow\n    def test_one(self): ...\n",
        "@pytest.mark.belief\ndef test_one(): ...\n",
        '@pytest.mark.belief("")\ndef test_one(): ...\n',
        "SAID = 'x'\n@pytest.mark.belief(SAID)\ndef test_one(): ...\n",
    ],
    ids=["no mark", "another mark", "no sentence", "an empty one", "one that must be run to be read"],
)
def test_a_test_of_the_sandbox_that_says_nothing_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(FIDELITY.Undeclared, match=r"tests/sandbox/aws/test_x\.py:\d+.* test_one"):
        FIDELITY.rows(project(tmp_path, text))


def test_other_tests_need_no_mark_and_may_have_one(tmp_path: Path) -> None:
    root = project(tmp_path, 'def test_one(): ...\n@pytest.mark.own("x")\ndef test_two(): ...\n', "tests/app/test_y.py")
    assert [r.test for r in FIDELITY.rows(root)] == ["test_two"]
    assert "## `tests/app`" in FIDELITY.table(FIDELITY.rows(root))


def test_pytest_knows_every_source() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    marks = {mark.partition("(")[0] for mark in options["markers"] if "(behaviour)" in mark}
    assert marks == set(FIDELITY.SOURCES)


def test_every_folder_of_the_table_has_tests() -> None:
    assert [folder for folder in FIDELITY.FOLDERS if not list((ROOT / folder).glob("test_*.py"))] == []
