"""A folder for a sandbox that came with a checkout: nothing of somebody else's is emptied, appended to, followed or trusted."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloudlink_sandbox import client, own_files
from cloudlink_sandbox.azure.entra import Entra
from cloudlink_sandbox.context import SandboxContext
from cloudlink_sandbox.errors import SandboxError
from cloudlink_sandbox.own_files import ForeignFile, open_own, own_folder, read_own, write_own
from cloudlink_sandbox.tls import Authority
from tests.sandbox.kube.small_world import SmallWorld


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir(mode=0o755)
    return made


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "victim"
    made.write_text("keep\n")
    made.chmod(0o644)
    yield made
    assert (made.read_text(), mode(made)) == ("keep\n", 0o644)


def link_to(victim: Path, at: Path) -> None:
    at.symlink_to(victim)


def hard_link_to(victim: Path, at: Path) -> None:
    at.hardlink_to(victim)


def pipe(_victim: Path, at: Path) -> None:
    os.mkfifo(at)


PUT = pytest.mark.parametrize("put", [link_to, hard_link_to, pipe])


@pytest.mark.own(
    "A lock or a log of a sandbox that is somebody else's file is refused, and neither emptied nor appended to"
)
@PUT
@pytest.mark.parametrize("name", ["start.lock", "sandbox.log"])
def test_what_is_no_file_of_the_sandboxs_is_left(
    home: Path, victim: Path, name: str, put: Callable[[Path, Path], None]
) -> None:
    put(victim, home / name)
    with pytest.raises(ForeignFile) as raised:
        client.start(home, {}, speed=60)
    assert raised.value.exit_code == 7 and name in raised.value.detail
    assert client.find(home) is None


@pytest.mark.own("What a sandbox writes whole replaces a link of that name and leaves what it led to")
@PUT
@pytest.mark.parametrize("name", ["world.json", "ca.pem", "server.pem", "address.json", "kubeconfig"])
def test_what_is_written_whole_replaces_a_link(
    home: Path, victim: Path, name: str, put: Callable[[Path, Path], None]
) -> None:
    put(victim, home / name)
    write_own(home / name, b"ours")
    assert not (home / name).is_symlink()
    assert ((home / name).read_bytes(), mode(home / name)) == (b"ours", 0o600)
    (home / f"{name}.{os.getpid()}").symlink_to(victim)  # the name of the temporary file can be guessed
    write_own(home / name, b"again")
    assert (home / name).read_bytes() == b"again"


@pytest.mark.own("A certificate authority of a sandbox is neither read nor written through a link")
@pytest.mark.parametrize("name", ["ca.pem", "ca-key.pem"])
def test_an_authority_that_is_a_link(home: Path, tmp_path: Path, victim: Path, name: str) -> None:
    other = tmp_path / "other"
    other.mkdir()
    Authority(other)
    Authority(home)
    (home / name).unlink()
    (home / name).symlink_to(other / name)
    with pytest.raises(ForeignFile):
        Authority(home)
    (home / name).unlink()
    (home / name).symlink_to(victim.with_name("nothing"))
    Authority(home)
    assert not victim.with_name("nothing").exists()
    assert [mode(home / n) for n in ("ca.pem", "ca-key.pem")] == [0o600, 0o600]


@pytest.mark.own("A key that signs a sandbox's tokens is not read through a link")
def test_a_key_of_entra_that_is_a_link(tmp_path: Path, victim: Path) -> None:
    context: SandboxContext = SmallWorld(tmp_path).context
    (context.home / "entra-key.pem").symlink_to(victim)
    entra = Entra(context, tenant="t", client_id="c", client_secret="s")
    with pytest.raises(ForeignFile):
        _ = entra.key


@pytest.mark.own("A sandbox's folder is no link, belongs to the user, and is closed to others whatever it was before")
def test_the_folder_itself(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.chmod(0o777)
    own_folder(home)
    assert mode(home) == 0o700
    link = tmp_path / "link"
    link.symlink_to(home)
    for refused in (lambda: client.start(link, {}, speed=60), lambda: client.reset(link)):
        with pytest.raises(SandboxError, match="not its own") as raised:
            refused()
        assert raised.value.exit_code == 7
    assert list(home.iterdir()) == []
    (home / "sandbox.log").touch(mode=0o666)
    (home / "sandbox.log").chmod(0o666)
    os.close(open_own(home / "sandbox.log", os.O_WRONLY | os.O_TRUNC))
    assert mode(home / "sandbox.log") == 0o600
    monkeypatch.setattr(own_files.os, "geteuid", lambda: os.getuid() + 1)
    for trusted in (lambda: own_folder(home), lambda: read_own(home / "sandbox.log")):
        with pytest.raises(ForeignFile, match="somebody else"):
            trusted()


FULL = """
import resource, sys
from pathlib import Path
from cloudlink_sandbox import client
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
try:
    client.start(Path(sys.argv[1]), {"version": 1, "more": "x" * 1000}, speed=60)
except client.SandboxError as error:
    print(error.summary, error.detail, error.hint)
"""


def test_a_disk_without_room_is_one_message(tmp_path: Path) -> None:
    """The kernel refuses to write more, as it does on a full disk; nothing of the file stays behind."""
    home = tmp_path / "home"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(home)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == "" and done.stdout.startswith("The sandbox has no place to live")
    assert str(home) in done.stdout and "File too large" in done.stdout
    assert [f.name for f in home.iterdir()] == ["start.lock"]
