"""A mistake of cloudlink's own: exit code 1 and a traceback, which also stands in the log; never the cloud's fault."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cloudlink.errors import CloudError
from cloudlink.session import open_session

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    shutil.copy(EXAMPLE, path)
    return path


def run(config: Path, error: Exception, *, writes: bool = True) -> None:
    with open_session("up", config=config, sandbox=False, json=False, color=False, writes=writes) as session:
        assert session.link
        raise error


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), TypeError("a bug"), KeyError("a bug")])
def test_a_bug_is_raised_as_it_is_and_stands_in_the_log(
    config: Path, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(type(error)):
        run(config, error)
    said = " ".join(capsys.readouterr().err.split())
    (log,) = (config.parent / ".cloudlink").glob("*.log")
    assert "A mistake in cloudlink itself" in said
    assert type(error).__name__ in said
    assert log.name in said.replace(" ", "")
    text = log.read_text()
    assert "Traceback (most recent call last)" in text
    assert 'File "' in text and "raise error" in text
    assert f"{type(error).__name__}: " in text
    assert all(line[:4].isdigit() for line in text.splitlines()), "one record a line"


def test_a_command_that_keeps_no_log_names_none(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError):
        run(config, ZeroDivisionError(), writes=False)
    assert ".log" not in capsys.readouterr().err


def test_a_refusal_of_a_cloud_leaves_no_traceback(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CloudError):
        run(config, CloudError("A cloud's answer is malformed", "It is so."))
    (log,) = (config.parent / ".cloudlink").glob("*.log")
    assert "Traceback" not in log.read_text() + capsys.readouterr().err


def test_the_process_ends_with_code_one_and_the_traceback(config: Path) -> None:
    program = (
        "import sys\n"
        "from cloudlink.session import run\n"
        "def connect(*_):\n"
        "    raise AttributeError('a typo of ours')\n"
        "run.connect = connect\n"
        "sys.argv = ['cloudlink', 'plan', '--config', sys.argv[1]]\n"
        "from cloudlink.cli import main\n"
        "main()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(config)], check=False, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 1
    assert "AttributeError: a typo of ours" in ran.stderr
    assert "Traceback" in ran.stderr
    assert "malformed" not in ran.stderr


@pytest.mark.parametrize(("began", "json", "named"), [(True, False, True), (False, False, False), (True, True, False)])
def test_a_run_that_began_something_and_did_not_end_well_names_its_log(
    config: Path, capsys: pytest.CaptureFixture[str], began: bool, json: bool, named: bool
) -> None:
    with (
        pytest.raises(CloudError),
        open_session("up", config=config, sandbox=False, json=json, color=False, writes=True) as session,
    ):
        session.began = began
        raise CloudError("AWS refuses", "It is so.")
    shown = capsys.readouterr()
    assert (session.log_file.name in "".join((shown.out + shown.err).split())) is named
    assert session.log_file.exists()
