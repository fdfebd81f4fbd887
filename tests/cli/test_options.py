"""Options that several commands share, and what a command says when it cannot begin. One sandbox, mostly not built."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from cloudlink.cli.commands import run
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.session import Session
from tests.support.cli import Cli, Result, make_cli

WRITING = ("up", "teardown")
READING = ("plan", "status", "verify-dns")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A sandbox that cloudlink has built nothing in."""
    with make_cli(tmp_path_factory.mktemp("options"), speed=200) as made:
        assert made.sandbox("start").code == 0
        yield made


def error_of(result: Result) -> dict[str, object]:
    errors = [line for line in result.lines if line["type"] == "error"]
    assert len(errors) == 1, result.out
    return dict(errors[0])


# --- --only -----------------------------------------------------------------------------------------------


def test_only_one_step_is_planned_and_others_are_left_out(place: Cli) -> None:
    planned = place.cloudlink("plan", "--only", "resolver", "--json")
    assert planned.code == 0
    assert {c["step"] for c in planned.json["changes"] if c["action"] != "no-op"} == {"resolver"}


def test_only_an_unknown_step_is_refused_with_the_steps_there_are(place: Cli) -> None:
    refused = place.cloudlink("plan", "--only", "dns", "--json")
    assert refused.code == 2
    assert all(step in str(refused.json) for step in ("aws_vpn", "azure_vpn", "resolver", "dns_forward"))


def test_only_a_step_whose_needs_are_missing_is_refused_and_names_them(place: Cli) -> None:
    before = place.writes()
    refused = place.cloudlink("up", "--only", "dns_forward", "--json")
    assert refused.code == 2
    assert "resolver.endpoint" in str(error_of(refused)["detail"])
    assert place.writes() == before


# --- --json, also of errors -------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [*READING, *WRITING])
def test_a_wrong_configuration_is_json_too(place: Cli, command: str) -> None:
    text = place.config.read_text()
    place.config.write_text(text.replace('region = "', 'regoin = "'))
    try:
        result = place.cloudlink(command, "--json")
    finally:
        place.config.write_text(text)
    assert result.code == 3
    assert "Traceback" not in result.err
    said = error_of(result)
    assert said["exit_code"] == 3
    if command in WRITING:
        assert all("at" in line for line in result.lines)
        assert (result.lines[-1]["type"], result.lines[-1]["command"]) == ("result", command)
        assert (result.lines[-1]["outcome"], result.lines[-1]["exit_code"]) == ("error", 3)
    paths = {m["path"]: m for m in said["mistakes"]}  # type: ignore[attr-defined]
    assert paths["aws.regoin"]["near_miss"] == "region"


def test_also_a_bug_ends_the_lines_with_a_result(
    place: Cli, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Session, "make_plan", lambda self, **_: 1 / 0)
    monkeypatch.chdir(place.folder)
    with pytest.raises(ZeroDivisionError):
        run(["up", "--json", "--sandbox"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["type"], line["exit_code"]) for line in lines[-2:]] == [("error", 1), ("result", 1)]


def test_status_and_verify_dns_where_nothing_is(place: Cli) -> None:
    status = place.cloudlink("status", "--json")
    assert (status.code, status.json["health"]) == (8, "absent")
    assert len(status.json["tunnels"]) == 4
    names = place.cloudlink("verify-dns", "--json")
    assert (names.code, names.json["type"]) == (8, "error")
    assert status.json["next"] == ["cloudlink up --sandbox"]
    assert names.json["hint"] == "cloudlink up --sandbox"


def test_teardown_where_nothing_is(place: Cli) -> None:
    before = place.writes()
    down = place.cloudlink("teardown", "--json")
    assert (down.code, down.lines[-1]["type"], place.writes()) == (0, "result", before)


# --- configuration files ----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [*READING, *WRITING])
@pytest.mark.parametrize("text", [None, "name = [", "\0\xff", ""], ids=["missing", "no TOML", "no text", "empty"])
def test_a_file_that_cannot_be_read_is_told_in_one_message(place: Cli, command: str, text: str | None) -> None:
    path = place.folder / "other.toml"
    path.unlink(missing_ok=True)
    if text is not None:
        path.write_bytes(text.encode("latin-1"))
    result = place.cloudlink(command, "--config", "other.toml")
    assert result.code == 3
    assert "other.toml" in result.err
    assert "Traceback" not in result.err
    assert not result.out


def test_without_a_config_it_is_said_which_is_missing(place: Cli) -> None:
    elsewhere = Cli(place.folder / "elsewhere")
    elsewhere.folder.mkdir(exist_ok=True)
    refused = elsewhere.cloudlink("plan", sandbox=False)
    assert refused.code == 3
    assert "config.toml" in refused.err


# --- asking -----------------------------------------------------------------------------------------------


@pytest.fixture
def as_if_real(place: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The clouds of the sandbox, reached as the real ones are: without --sandbox, so that the question is asked."""
    from cloudlink.session import run

    clouds = place.clouds()
    monkeypatch.setattr(run, "connect", lambda link, clock, endpoints: clouds)
    return place


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_without_a_terminal_up_refuses_unless_told(
    as_if_real: Cli, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    before = as_if_real.writes()
    result = as_if_real.cloudlink("up", *more, sandbox=False)
    assert result.code == 9
    assert "cloudlink up --yes" in result.err + result.out
    assert as_if_real.writes() == before


@pytest.mark.parametrize("answer", ["n\n", "\n", "", "maybe\n"])
def test_on_a_terminal_only_yes_means_yes(as_if_real: Cli, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    before = as_if_real.writes()
    result = as_if_real.cloudlink("up", sandbox=False)
    assert result.code == 9
    assert "Make these changes to the link demo in AWS 123456789012 (as " in result.err
    assert "Nothing was changed" in result.err
    assert as_if_real.writes() == before


@pytest.mark.parametrize(("answer", "code"), [("", 9), ("n\n", 9), ("y\n", 0)])
def test_teardown_asks_as_well(as_if_real: Cli, monkeypatch: pytest.MonkeyPatch, answer: str, code: int) -> None:
    removal = Plan((Change("aws_vpn.gateway", "virtual private gateway", Action.DELETE, "cloudlink made it"),))
    monkeypatch.setattr(Session, "plan_removal", lambda self, **_: removal)
    applied: list[Plan] = []
    monkeypatch.setattr(Session, "apply", lambda self, plan: applied.append(plan))
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n") if not answer else Terminal(answer))
    result = as_if_real.cloudlink("teardown", sandbox=False)
    assert result.code == code
    assert applied == ([removal] if code == 0 else [])
    assert ("cloudlink teardown --yes" if not answer else "Remove the link demo in AWS") in result.err


@pytest.mark.parametrize("how", ["answer", "option"])
def test_yes_begins(as_if_real: Cli, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    applied: list[bool] = []
    monkeypatch.setattr(Session, "apply", lambda self, plan: applied.append(True))
    monkeypatch.setattr(sys, "stdin", Terminal("yes\n" if how == "answer" else ""))
    more = () if how == "answer" else ("--yes",)
    assert as_if_real.cloudlink("up", "--no-verify", *more, sandbox=False).code == 0
    assert applied == [True]


# --- colour, durations, the command line ------------------------------------------------------------------


@pytest.mark.parametrize(("more", "env"), [(("--no-color",), {}), ((), {"NO_COLOR": "1"}), ((), {})])
def test_no_colour_where_none_is_wanted(
    place: Cli, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...], env: dict[str, str]
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    result = place.cloudlink("plan", *more)
    assert result.code == 0
    assert "\x1b[" not in result.out + result.err


@pytest.mark.parametrize("wrong", ["soon", "", "-5m", "5 minutes"])
def test_a_duration_that_is_none(place: Cli, wrong: str) -> None:
    assert place.cloudlink("status", "--wait", wrong).code == 2


@pytest.mark.parametrize("arguments", [[], ["sandbox"], ["sandbox", "fault"]])
def test_asked_for_nothing_it_says_what_there_is(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"Usage: {' '.join(['cloudlink', *arguments])} [OPTIONS] COMMAND")
    assert "Error" not in said
    assert "..." not in said.partition("Commands:")[2], "a command's line is whole"


@pytest.mark.parametrize(
    "arguments", [["upp"], ["up", "--sandbocks"], ["verify-dns", "--image"], ["sandbox", "fault", "add", "x"]]
)
def test_a_command_line_that_cannot_be_understood(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert "--help" in capsys.readouterr().err


def test_status_waits_no_longer_than_it_was_told(place: Cli) -> None:
    begin = time.monotonic()
    result = place.cloudlink("status", "--wait", "5m", "--json")
    assert (result.code, result.json["health"]) == (8, "absent")
    assert time.monotonic() - begin < 20


def test_status_watches_or_waits(place: Cli) -> None:
    result = place.cloudlink("status", "--watch", "--wait", "5m")
    assert result.code == 2
    assert "Leave one of them out" in result.err


def test_status_watch_shows_again_and_again_until_ctrl_c(place: Cli) -> None:
    watching = subprocess.Popen(
        [sys.executable, "-c", "from cloudlink.cli import main; main()", "status", "--watch", "--json", "--sandbox"],
        cwd=place.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CI": "1"},
    )
    assert watching.stdout is not None
    guard = threading.Timer(60, watching.kill)
    guard.start()
    try:
        shown = [json.loads(watching.stdout.readline()) for _ in range(3)]
        watching.send_signal(2)
        _, err = watching.communicate(timeout=30)
    finally:
        guard.cancel()
    assert [s["health"] for s in shown] == ["absent"] * 3
    assert watching.returncode == 8
    assert "Traceback" not in err


# --- the end of the process ---------------------------------------------------------------------------------

HELP = [sys.executable, "-c", "from cloudlink.cli import main; main()", "--help"]
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def test_everything_said_is_written_before_the_process_ends() -> None:
    done = subprocess.run(HELP, env=BUFFERED, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "teardown" in done.stdout


def test_a_reader_that_has_gone_is_told_by_the_code_alone() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(HELP, env=BUFFERED, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")
