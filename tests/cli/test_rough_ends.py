"""Output that goes nowhere, and who is asked besides the clouds: one message and the right code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Cli, make_cli

MAIN = "from cloudlink.cli import main; main()"
COMMANDS = (
    ["plan", "--sandbox"],
    ["status", "--sandbox", "--json"],
    ["up", "--sandbox"],
    ["schema"],
)
# In each Python of the run, the sandbox's own among them: the addresses to which it opens a connection.
WATCH = """
import os, sys
def watch(event, given):
    if event == "socket.connect" and isinstance(given[1], tuple):
        with open(os.environ["CONNECTED"], "a") as out: out.write("%s %s\\n" % (given[1][0], sys.orig_argv[1:3]))
sys.addaudithook(watch)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """Every command in a process of its own. Its sandbox is started by one whose environment asks for automatic defaults."""
    folder = tmp_path_factory.mktemp("ends")
    (folder / "watch").mkdir()
    (folder / "watch" / "sitecustomize.py").write_text(WATCH)
    with make_cli(folder) as made:
        yield made


def command(place: Cli, *arguments: str, shell: str = "", **streams: object) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(place.folder / "watch"),
        "CONNECTED": str(place.folder / "connected"),
        "AWS_DEFAULTS_MODE": "auto",
    }
    environment.pop("AWS_EC2_METADATA_DISABLED", None)
    words = [sys.executable, "-c", MAIN, *arguments]
    asked: dict[str, object] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": 120}
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        ["bash", "-c", f'"$@" {shell}', "bash", *words] if shell else words,
        cwd=place.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
        **{**asked, **streams},
    )


def test_nobody_asks_the_machine_for_its_region(place: Cli) -> None:
    """AWS_DEFAULTS_MODE=auto makes the SDK look for one behind 169.254.169.254, which a sandbox run has no business with.

    https://docs.aws.amazon.com/sdkref/latest/guide/feature-smart-config-defaults.html
    """
    done = command(place, "plan", "--sandbox")
    assert done.returncode == 0, done.stderr
    connected = (place.folder / "connected").read_text().splitlines()
    assert connected, "the watch works"
    assert {line.split()[0] for line in connected} == {"127.0.0.1"}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_output_onto_a_full_disk(place: Cli, words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = command(place, *words, stdout=full)
    assert done.returncode == 1
    assert done.stderr.count("The output cannot be written") == 1
    assert "Traceback" not in done.stderr and "mistake in cloudlink" not in done.stderr


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_reader_that_has_gone_is_no_mistake_of_ours(place: Cli, words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = command(place, *words, stdout=writer)
    finally:
        os.close(writer)
    assert done.returncode == 141, done.stderr
    assert "Traceback" not in done.stderr and "Error" not in done.stderr


def test_a_closed_output_is_told_before_anything_begins(place: Cli) -> None:
    done = command(place, "up", "--sandbox", shell=">&-")
    assert done.returncode == 1
    assert "standard output is closed. Nothing was begun" in " ".join(done.stderr.split())
