"""``status`` of the real clouds in a folder whose sandbox runs: the line that shows the sandbox's link."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudlink import session as session_package
from cloudlink.checks.report import Health, StatusReport
from cloudlink.session.running_sandbox import hint
from tests.support.cli import EXAMPLE, Cli

LINE = "cloudlink status --sandbox"


def bare_status(place: Cli, *options: str) -> subprocess.CompletedProcess[str]:
    """Without any sign-in. No address is reached."""
    bare = {
        "PATH": str(place.folder),
        "HOME": str(place.folder),
        "AWS_EC2_METADATA_DISABLED": "true",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "AZURE_TOKEN_CREDENTIALS": "AzureCliCredential",
    }
    return subprocess.run(
        [sys.executable, "-c", "from cloudlink.cli import main; main()", "status", *options],
        cwd=place.folder,
        env=bare,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_a_sign_in_the_error_ends_with_the_sandboxs_line(shared: Cli) -> None:
    done = bare_status(shared)
    assert done.returncode == 4, done.stderr
    assert done.stderr.rstrip().endswith(f"shown by: {LINE}")
    assert done.stderr.count(LINE) == 1
    as_json = bare_status(shared, "--json")
    assert as_json.returncode == 4
    assert LINE not in as_json.stdout + as_json.stderr, "what programs read stays as it is"


def test_without_a_configuration_the_hint_names_the_sandbox_too(shared: Cli) -> None:
    """The sandbox of the example needs no config.toml, and ``status`` alone asks for one."""
    kept = shared.config.read_text()
    shared.config.unlink()
    try:
        done = shared.cloudlink("status", sandbox=False)
        assert LINE in done.err
        assert done.code == 3, done.err
        assert LINE not in shared.cloudlink("status", "--json", sandbox=False).err
    finally:
        shared.config.write_text(kept)


@pytest.mark.parametrize(("health", "named"), [(Health.ABSENT, True), (Health.HEALTHY, False)])
def test_a_link_of_which_nothing_exists_is_told_with_the_sandbox(
    shared: Cli, monkeypatch: pytest.MonkeyPatch, health: Health, named: bool
) -> None:
    class Session:
        def status(self, *, each: Callable[[StatusReport], None], **_: Any) -> int:
            each(StatusReport("demo", health, "", ()))
            return 0

    @contextlib.contextmanager
    def opened(*_: Any, **__: Any) -> Iterator[Session]:
        yield Session()

    monkeypatch.setattr(session_package, "open_session", opened)
    assert (LINE in shared.cloudlink("status", sandbox=False).err) is named
    assert LINE not in shared.cloudlink("status", "--json", sandbox=False).err


def test_a_folder_without_a_sandbox_says_nothing_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert hint("status", None) == ""
    assert not (tmp_path / ".cloudlink").exists(), "nothing is made to find out"
    shutil.copy(EXAMPLE, tmp_path / "config.toml")
    assert hint("status", None) == ""
