"""What is answered without a cloud is answered without importing one: an SDK costs up to half a second."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SDKS = frozenset(
    {
        "boto3",
        "botocore",
        "azure",
        "msal",
        "kubernetes",
        "requests",
        "urllib3",
        "cryptography",
        "moto",
        "flask",
        "rich",
        "pydantic",
    }
)
# The command, and then one line with the top-level names of everything that it imported.
RUN = """
import atexit, sys
atexit.register(lambda: sys.stderr.write("\\n" + " ".join(sorted({m.partition(".")[0] for m in sys.modules}))))
from cloudlink.cli import main
main()
"""


def imported(folder: Path, *arguments: str) -> tuple[int, str, frozenset[str]]:
    ran = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], check=False, cwd=folder, capture_output=True, text=True, timeout=60
    )
    said, _, names = ran.stderr.rpartition("\n")
    return ran.returncode, ran.stdout + said, frozenset(names.split())


@pytest.mark.parametrize(
    "arguments",
    [
        ("--version",),
        ("-V",),
        ("--help",),
        (),
        ("up", "--help"),
        ("plan", "--help"),
        ("status", "--help"),
        ("verify-dns", "--help"),
        ("teardown", "--help"),
        ("sandbox", "--help"),
        ("sandbox", "fault", "add", "--help"),
        ("no-such-command",),
        ("up", "--no-such-option"),
    ],
    ids=" ".join,
)
def test_help_imports_no_sdk(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    _, said, modules = imported(tmp_path, *arguments)
    assert "cloudlink" in said
    assert not modules & SDKS


@pytest.mark.parametrize("command", ["plan", "up", "status", "verify-dns", "teardown"])
@pytest.mark.parametrize("text", [None, "", "name = ", 'name = "x"\n[aws]\nregion = 1\n'])
def test_a_wrong_configuration_imports_no_sdk(tmp_path: Path, command: str, text: str | None) -> None:
    if text is not None:
        (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    code, said, modules = imported(tmp_path, command)
    assert code == 3, said
    assert "config.toml" in said
    assert not modules & SDKS


def test_the_version_needs_no_option_parser(tmp_path: Path) -> None:
    """Scripts ask for it; it is answered before typer is imported."""
    code, said, modules = imported(tmp_path, "--version")
    assert (code, said.split()[0]) == (0, "cloudlink")
    assert "typer" not in modules


def test_this_test_sees_imports(tmp_path: Path) -> None:
    _, _, modules = imported(tmp_path, "--help")
    assert {"cloudlink", "typer"} <= modules


# Every module, for ``imported`` gives packages.
MODULES = """
import atexit, sys
atexit.register(lambda: sys.stderr.write("\\n" + str(len(sys.modules))))
from cloudlink.cli import main
main()
"""


def modules(folder: Path, *arguments: str) -> int:
    ran = subprocess.run(
        [sys.executable, "-c", MODULES, *arguments], check=True, cwd=folder, capture_output=True, text=True, timeout=60
    )
    return int(ran.stderr.rpartition("\n")[2])


def test_a_new_command_imports_no_more_than_an_old_one(tmp_path: Path) -> None:
    """Within five per cent of ``status --help``: each command imports what it needs when it runs."""
    known = modules(tmp_path, "status", "--help")
    for command in ("init", "doctor", "logs", "rotate-keys", "gather", "test", "permissions"):
        assert modules(tmp_path, command, "--help") <= known * 1.05, command
