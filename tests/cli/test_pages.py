"""What the pages tell a reader to type is typed here as printed, in a folder with a link in the sandbox."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudlink_sandbox import client as sandbox_program
from tests.support.cli import Cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "sandbox" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Where else a block is run, or why none can be. First line of the block: the reason.
ELSEWHERE = {
    "python3 -m venv .venv && .venv/bin/pip install . ./sandbox": "installs from a registry; `up --sandbox` itself: "
    "test_main_job.py",
    "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]'": "what .ci/run runs, as printed",
    "python3 -m venv .venv": "installs from the locks, as .ci/run does",
    "cloudlink plan --detailed-exitcode": "asks one's own accounts; each of its commands: tests/pipelines",
    "export TF_VAR_azure=": "Terraform and its providers are not to be had from a registry that CI may use",
}
RUN_BY_CLIENTS = ROOT / "docs" / "clients.md"  # tests/clients/test_link_by_hand.py types the page from top to end
# Within a block: commands of programs that tests/clients installs, and what installs this very checkout.
NOT_HERE = re.compile(r"^(?:pip install|aws|az|kubectl|terraform) ")


def blocks(page: Path) -> Iterator[list[str]]:
    """The commands of each block of shell, without their comments, and each indented line that is one."""
    text = page.read_text(encoding="utf-8")
    for body in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        lines = [re.sub(r"(^| {2,})# .*", "", line).rstrip() for line in body.replace("\\\n", "").splitlines()]
        yield [line for line in lines if line]
    for line in re.sub(r"```.*?```", "", text, flags=re.DOTALL).splitlines():
        if re.match(r" {4}(?:python3|pip|cloudlink|just|\.venv)\b", line):
            yield [line.strip()]


ALL = [(page, block) for page in PAGES if page != RUN_BY_CLIENTS for block in blocks(page)]
RUN = [(page, block) for page, block in ALL if not any(block[0].startswith(first) for first in ELSEWHERE)]


def typed(block: list[str], folder: Path) -> list[tuple[str, int]]:
    """Each command and how it ended, in one shell."""
    commands = [line for line in block if not NOT_HERE.match(line)]
    script = "\n".join(f"{line}\necho ended $?" for line in commands)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "Traceback" not in done.stderr, done.stderr
    codes = [int(code) for code in re.findall(r"^ended (\d+)$", done.stdout, re.MULTILINE)]
    assert len(codes) == len(commands), done.stdout + done.stderr
    return list(zip(commands, codes, strict=True))


def test_every_block_is_run_or_has_a_reason() -> None:
    assert len(RUN) >= 5
    firsts = [block[0] for _, block in ALL]
    assert [reason for reason in ELSEWHERE if not any(first.startswith(reason) for first in firsts)] == []


@pytest.mark.parametrize(("page", "block"), RUN, ids=lambda v: v.name if isinstance(v, Path) else v[0][:40])
def test_a_block_works_as_printed(page: Path, block: list[str], linked: Cli, tmp_path: Path) -> None:
    own = page.parent.name == "sandbox"
    folder = tmp_path if own else linked.folder
    if own and "cloudlink-sandbox start" not in " ".join(block):
        typed(["cloudlink-sandbox start"], folder)
    try:
        for command, code in typed(block, folder):
            # 8: what was broken on purpose was found
            assert code == 0 or (code == 8 and re.search(r"status|verify-dns", command)), f"{command} ended with {code}"
    finally:
        if own:
            sandbox_program.stop(folder / ".cloudlink-sandbox")


def test_the_snippet_that_changes_a_key_and_what_status_says_then(linked: Cli) -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    subprocess.run([sys.executable, "-c", snippet], cwd=linked.folder, check=True, timeout=120)
    linked.control("POST", "clock", {"advance": 600})
    said = linked.cloudlink("status")
    assert said.code == 8
    assert "3 of 4 tunnels are up" in said.out
    assert "the pre-shared keys differ" in said.out
    done = linked.cloudlink("up", "--yes", "--no-verify", "--json")
    assert [line["address"] for line in done.lines if line["type"] == "done" and line["changed"]] == [
        "azure_vpn.connection[1]"
    ]
