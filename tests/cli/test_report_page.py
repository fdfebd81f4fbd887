"""``report`` as a user runs it."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import Cli

MOST_SECONDS = 2  # of a processor, four times of what it takes: the modules are counted, and `just bench` measures
HEAVY = ("boto3", "azure", "kubernetes", "rich", "cloudlink_sandbox", "moto")


def test_a_page_from_what_was_just_seen_and_again_without_asking(shared: Cli) -> None:
    done = shared.cloudlink("report", "--names", "--out", "now.html")
    assert done.code == 0, done.out + done.err
    assert "now.html: the link demo is healthy" in done.out
    assert max(map(len, done.out.splitlines())) <= 80
    text = (shared.folder / "now.html").read_text()
    for said in ("HEALTHY", "Asked from a pod on AKS", "vault.prod.corp.example", "USD a month", "cluster-dns"):
        assert said in text, said
    written = shared.writes()
    again = shared.cloudlink("report", "--cached", "--json", "--out", "then.html")
    assert again.code == 0, again.out + again.err
    assert again.json["health"] == "healthy" and again.json["bytes"] == len(text.encode())
    assert (shared.folder / "then.html").read_text() == text
    assert shared.writes() == written


def test_on_a_terminal_the_page_is_named_below_the_display_that_goes(shared: Cli) -> None:
    ours, theirs = pty.openpty()
    code = "import sys; from cloudlink.cli import main; sys.argv[0] = 'cloudlink'; main()"
    words = [sys.executable, "-c", code, "report", "--sandbox", "--out", "seen.html"]
    environment = {k: v for k, v in os.environ.items() if k != "CI"} | {"TERM": "xterm"}
    done = subprocess.Popen(words, cwd=shared.folder, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # the terminal is gone when the command has ended
        while piece := os.read(ours, 65536):
            said += piece
    assert done.wait() == 0
    os.close(ours)
    shown = said.decode()
    assert "reading what exists" in shown, "there was a display"
    assert "\x1b[" not in shown.partition("seen.html: the link demo is")[2], "nothing is wiped away after it"


def test_each_status_is_a_look_more(shared: Cli) -> None:
    def looks() -> int:
        return len(json.loads((shared.home / "demo.history.json").read_text())["history"])

    shared.cloudlink("status")
    before = looks()
    shared.cloudlink("status", "--json")
    assert looks() == before + 1
    shared.cloudlink("report", "--cached")
    assert looks() == before + 1
    assert (shared.folder / "demo-report.html").exists()


def test_from_what_is_kept_it_is_quick_and_imports_nothing_heavy(shared: Cli) -> None:
    shared.cloudlink("status")
    code = (
        "import sys; from cloudlink.cli.commands import run; code = run(sys.argv[1:]); "
        f"print([m for m in {HEAVY} if m in sys.modules]); sys.exit(code)"
    )
    took = []
    for _ in range(3):  # the best of three: a busy machine makes each of them slower
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, "-c", code, "report", "--cached", "--sandbox"],
            cwd=shared.folder,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "CI": "1"},
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.splitlines()[-1] == "[]"
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took) < MOST_SECONDS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--out", "no/such/folder.html"), "there is no folder"),
        (("--out", "."), "it is no regular file"),
        (("--cached", "--names"), "Asking and not asking at once"),
    ],
)
def test_what_it_does_not_take(shared: Cli, arguments: tuple[str, ...], said: str) -> None:
    done = shared.cloudlink("report", *arguments)
    assert done.code == 2 and said in done.err


def test_where_nothing_was_seen_it_says_what_to_type(shared: Cli, tmp_path: Path) -> None:
    place = Cli(tmp_path)
    place.config.write_text(shared.config.read_text())
    done = place.cloudlink("report", "--cached")
    assert done.code == 2 and "Nothing has been seen yet" in done.err and "cloudlink report" in done.err
    assert not list(tmp_path.glob("*.html"))


def test_no_key_is_in_what_is_kept_or_shown(shared: Cli) -> None:
    shared.cloudlink("report", "--out", "keys.html")
    found = shared.clouds().aws.vpn_connections(fresh=True)
    keys = [t["PreSharedKey"].reveal() for c in found for t in c["Options"].get("TunnelOptions", ())]
    assert keys
    for text in ((shared.folder / "keys.html").read_text(), (shared.home / "demo.history.json").read_text()):
        assert not [key for key in keys if key in text]
