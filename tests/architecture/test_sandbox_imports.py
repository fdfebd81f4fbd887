"""The sandbox's modules form no cycle, not even by imports for types alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "sandbox" / "src"


def imports(source: Path, package: str) -> dict[str, set[str]]:
    """Module -> the modules of the package that it imports, wherever in its text."""
    found: dict[str, set[str]] = {}
    for path in source.rglob("*.py"):
        name = ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
        wanted = found.setdefault(name, set())
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                wanted |= {a.name for a in node.names if a.name.startswith(f"{package}.")}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == package:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    is_module = (source / inner.replace(".", "/")).with_suffix(".py").exists()
                    wanted.add(inner if is_module else str(node.module))
    return found


def test_no_module_imports_what_imports_it() -> None:
    found = imports(SOURCE, "cloudlink_sandbox")
    assert len(found) > 100
    TopologicalSorter(found).prepare()  # raises CycleError, which names the cycle


def test_this_test_sees_a_cycle(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.py").write_text("from p.b import x")
    (tmp_path / "p" / "b.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p import a")
    with pytest.raises(CycleError):
        TopologicalSorter(imports(tmp_path, "p")).prepare()


@pytest.mark.parametrize("arguments", [["--help"], ["sandbox", "--help"], ["up", "--help"], ["plan"]], ids=" ".join)
def test_without_sandbox_nobody_looks_for_it(tmp_path: Path, arguments: list[str]) -> None:
    """Entry points are found by importlib.metadata, whose import costs as much as half of ``--help``."""
    program = (
        "import atexit, sys\n"
        "atexit.register(lambda: print([m for m in sys.modules if m.startswith(('importlib.metadata', 'cloudlink_sandbox'))]))\n"
        "from cloudlink.cli import main\nmain()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stdout.splitlines()[-1] == "[]", ran.stdout + ran.stderr
