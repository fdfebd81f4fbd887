"""What users of other tools type works, or is answered with what to type here."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudlink.cli.commands import run
from cloudlink.cli.other_words import ours
from cloudlink.errors import UsageError


@pytest.mark.parametrize(
    ("theirs", "mine"),
    [
        ("apply", "up"),
        ("apply --auto-approve", "up --yes"),
        ("apply -auto-approve -o json", "up --yes --json"),
        ("destroy --auto-approve", "teardown --yes"),
        ("status -o json", "status --json"),
        ("status --output=json", "status --json"),
        ("up --dry-run", "plan"),
        ("apply --yes --dry-run --sandbox", "plan --sandbox"),
        ("version", "--version"),
        ("-v", "--version"),
        ("plan --out link.plan", "plan --out link.plan"),
        ("verify-dns -- -v", "verify-dns -- -v"),
        ("", ""),
    ],
)
def test_their_words_are_ours(theirs: str, mine: str) -> None:
    assert ours(theirs.split())[0] == mine.split()


def test_what_was_taken_for_what_is_said() -> None:
    assert ours(["apply", "--auto-approve"])[1] == ["apply is up here.", "--auto-approve is --yes here."]
    assert ours(["up", "--yes"])[1] == []


@pytest.mark.parametrize("line", ["up -v", "status --verbose", "teardown --dry-run"])
def test_what_has_no_like_here_is_answered(line: str) -> None:
    with pytest.raises(UsageError) as raised:
        ours(line.split())
    assert raised.value.hint


def test_in_one_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["version"]) == 0
    assert capsys.readouterr().out.startswith("cloudlink ")
    assert run(["apply", "--auto-approve"]) == 3, "there is no configuration here"
    assert "apply is up here." in capsys.readouterr().err
    assert run(["status", "-v"]) == 2
    assert "--json" in capsys.readouterr().err
