"""What TAB offers, asked as the shells ask."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import make_cli

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


def offered(folder: Path, line: str) -> list[str]:
    words = line.split(" ")
    env = {
        **os.environ,
        "_CLOUDLINK_COMPLETE": "complete_bash",
        "COMP_WORDS": line.rstrip(),
        "COMP_CWORD": str(len(words) - 1),
    }
    code = "from cloudlink.cli import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.stderr == ""
    return ran.stdout.split("\n")[:-1] if ran.stdout.endswith("\n") else ran.stdout.split("\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.toml").write_bytes(EXAMPLE.read_bytes())
    (tmp_path / "other.toml").write_bytes(EXAMPLE.read_bytes())
    (tmp_path / "notes.txt").write_text("")
    return tmp_path


def test_steps(folder: Path) -> None:
    assert offered(folder, "cloudlink up --only a") == ["aws_vpn", "azure_vpn"]


def test_names_of_the_configuration(folder: Path) -> None:
    all_of_them = offered(folder, "cloudlink verify-dns ")
    assert len(all_of_them) > 2 and all("." in name for name in all_of_them)
    first = all_of_them[0]
    assert offered(folder, f"cloudlink verify-dns {first[:3]}")[0] == first
    assert first not in offered(folder, f"cloudlink verify-dns {first} ")
    assert offered(folder, "cloudlink verify-dns --config other.toml ") == all_of_them


def test_a_configuration_that_cannot_be_read_offers_nothing(folder: Path) -> None:
    (folder / "config.toml").write_text("x = [")
    assert offered(folder, "cloudlink verify-dns ") in ([], [""])


def test_configurations(folder: Path) -> None:
    assert offered(folder, "cloudlink status --config o") == ["other.toml"]


def test_what_a_fault_can_hit_in_the_sandbox_that_runs(tmp_path: Path, folder: Path) -> None:
    with make_cli(tmp_path / "sandbox") as place:
        assert place.sandbox("start").code == 0
        pods = offered(place.folder, "cloudlink sandbox fault add pod-fails kube-system/coredns")
        calls = offered(place.folder, "cloudlink sandbox fault add denied a")
    assert pods and all(pod.startswith("kube-system/coredns-") for pod in pods)
    assert calls in ([], [""])
    assert offered(folder, "cloudlink sandbox fault add pod-fails k") in ([], [""]), "no sandbox runs here"


def test_faults_and_commands_of_permissions(folder: Path) -> None:
    assert "tunnel-down" in offered(folder, "cloudlink sandbox fault add tunnel")
    assert offered(folder, "cloudlink permissions --for ro") == ["rotate-keys"]
    assert offered(folder, "cloudlink schema lo") == ["logs"]
    assert offered(folder, "cloudlink logs --on --tunnel ")[:2] == ["1", "2"]
