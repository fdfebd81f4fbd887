"""Files that are not the user's own: nothing of somebody else's is emptied, appended to, followed or trusted."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudlink.errors import StateError
from cloudlink.own_files import open_own, own_folder
from cloudlink.state import StateFile, state_path

from .test_state import RECEIPT, write

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND
NAME = "demo"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / ".cloudlink"
    made.mkdir(mode=0o755)
    return made


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    made = tmp_path / "victim"
    made.write_text("keep\n")
    made.chmod(0o644)
    return made


def cloudlink(
    place: Path, *arguments: str, limit: int | None = None, memory: int | None = None, **streams: object
) -> subprocess.CompletedProcess[str]:
    """In a process of its own. limit: bytes that a file may get; more is refused, as on a full disk. memory: bytes, too."""
    if not (place / "config.toml").exists():
        (place / "config.toml").write_text(EXAMPLE.read_text())

    def before() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        if memory is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    asked: dict[str, object] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "timeout": 60}
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-c", "from cloudlink.cli import main; main()", *arguments],
        cwd=place,
        check=False,
        preexec_fn=before,
        **{**asked, **streams},
    )


# --- links --------------------------------------------------------------------------------------------------


def link_to(victim: Path, at: Path) -> None:
    at.symlink_to(victim)


def hard_link_to(victim: Path, at: Path) -> None:
    at.hardlink_to(victim)


def dangling(victim: Path, at: Path) -> None:
    at.symlink_to(victim.with_name("new"))


def pipe(victim: Path, at: Path) -> None:
    os.mkfifo(at)


@pytest.mark.parametrize("put", [link_to, hard_link_to, dangling, pipe])
@pytest.mark.parametrize("name", ["demo.state.json.lock", "demo.log"])
def test_what_is_no_file_of_ours_is_neither_emptied_nor_appended_to(
    folder: Path, victim: Path, name: str, put: Callable[[Path, Path], None]
) -> None:
    put(victim, folder / name)
    done = cloudlink(folder.parent, "teardown", "--yes")
    assert done.returncode == 7, done.stderr
    assert name in done.stderr
    assert "Traceback" not in done.stderr
    assert victim.read_text() == "keep\n"
    assert mode(victim) == 0o644
    assert not victim.with_name("new").exists()


@pytest.mark.parametrize("readonly", [True, False])
def test_a_state_file_is_not_read_through_a_link(folder: Path, tmp_path: Path, readonly: bool) -> None:
    other = state_path(tmp_path / "other", NAME)
    write(other, RECEIPT)
    state_path(folder, NAME).symlink_to(other)
    with (
        pytest.raises(StateError, match="not its own"),
        StateFile(state_path(folder, NAME), NAME, readonly=readonly),
    ):
        pass


@pytest.mark.parametrize("command", [["teardown", "--yes"], ["up", "--yes"], ["status"], ["plan"]])
def test_a_folder_that_is_a_link_is_refused_and_left(tmp_path: Path, command: list[str]) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    (tmp_path / ".cloudlink").symlink_to(elsewhere)
    done = cloudlink(tmp_path, *command)
    assert done.returncode == 7, done.stderr
    assert "symbolic link" in " ".join(done.stderr.split())
    assert mode(elsewhere) == 0o755
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("part", [".cloudlink", ".cloudlink/sandbox", ".cloudlink/sandbox/demo"])
def test_so_is_each_folder_above_a_sandbox(tmp_path: Path, part: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    at = tmp_path / part
    at.parent.mkdir(parents=True, exist_ok=True)
    at.symlink_to(elsewhere)
    for command in (["sandbox", "start"], ["sandbox", "reset"], ["up", "--sandbox"]):
        done = cloudlink(tmp_path, *command)
        assert done.returncode == 7, done.stderr
    assert list(elsewhere.iterdir()) == []


def test_the_temporary_file_of_a_save_follows_no_link(folder: Path, victim: Path) -> None:
    path = state_path(folder, NAME)
    with StateFile(path, NAME) as state:
        path.with_name(f".{path.name}.{os.getpid()}").symlink_to(victim)
        path.with_name(f"{path.name}.previous").symlink_to(victim)
        state.put(RECEIPT)
        state.put(RECEIPT)
    assert victim.read_text() == "keep\n"
    assert not path.is_symlink()


# --- owners and modes ---------------------------------------------------------------------------------------


def test_what_another_user_owns_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "demo.log").write_text("theirs")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(StateError, match="not to you") as raised:
        own_folder(folder, make=True)
    assert raised.value.exit_code == 7
    for flags in (os.O_RDONLY, APPEND):
        with pytest.raises(StateError, match="not to you"):
            open_own(folder / "demo.log", flags)


def test_folder_and_files_are_closed_to_others_whatever_they_were_before(folder: Path) -> None:
    folder.chmod(0o777)
    path = state_path(folder, NAME)
    lock = path.with_name(f"{path.name}.lock")
    lock.touch(mode=0o666)
    lock.chmod(0o666)
    write(path, RECEIPT)
    path.chmod(0o644)
    with StateFile(path, NAME) as state:
        assert state.receipts()
        assert [oct(mode(p)) for p in (folder, path, lock)] == ["0o700", "0o600", "0o600"]


def test_every_folder_down_to_a_sandbox_is_closed(tmp_path: Path) -> None:
    home = tmp_path / ".cloudlink" / "sandbox" / "demo"
    home.mkdir(parents=True)
    (tmp_path / ".cloudlink").chmod(0o775)
    assert own_folder(home, top=tmp_path / ".cloudlink", make=False)
    assert {mode(p) for p in (home, home.parent, home.parent.parent)} == {0o700}
    assert mode(tmp_path) & 0o700 == 0o700
    assert not own_folder(tmp_path / "nothing", make=False)
    assert not (tmp_path / "nothing").exists()


# --- rough ends ---------------------------------------------------------------------------------------------


def test_a_full_disk_when_the_lock_is_taken(tmp_path: Path) -> None:
    done = cloudlink(tmp_path, "teardown", "--yes", limit=0)
    assert done.returncode == 7, done.stderr
    assert "lock file cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    # nothing holds it afterwards
    with StateFile(state_path(tmp_path / ".cloudlink", NAME), NAME):
        pass


def test_output_onto_a_full_disk_is_one_message(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = cloudlink(tmp_path, "plan", "--help", stdout=full)
    assert done.returncode == 1
    assert done.stderr.count("\n") <= 4
    assert "standard output failed" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", [1, 2])
def test_a_closed_stream_is_no_place_for_another_file(tmp_path: Path, closed: int) -> None:
    """A descriptor that is free would be given to the next file that is opened, such as the lock."""
    (tmp_path / "config.toml").write_text(EXAMPLE.read_text())
    program = f"{sys.executable} -c 'from cloudlink.cli import main; main()' plan --config nothing.toml {closed}>&-"
    done = subprocess.run(
        ["bash", "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == (1 if closed == 1 else 3), done.stderr
    assert "Traceback" not in done.stderr
    assert (closed == 2) or "standard output is closed" in done.stderr


NESTED = {
    "dotted key": "a" + ".a" * 49_999 + " = 1\n",
    "table": "[" + ".".join(["a"] * 49_999) + "]\n",
    "inline table": 'x = {"a"' + ' . "a"' * 30_000 + " = 1}\n",
    "lists": "x = " + "[" * 50_000 + "]" * 50_000 + "\n",
    "many tables": "".join(f"[a{n}]\n" for n in range(30_000)),
}


@pytest.mark.parametrize("text", NESTED.values(), ids=NESTED)
def test_a_configuration_of_many_nested_keys_is_refused_in_little_memory(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    done = cloudlink(tmp_path, "plan", memory=300_000_000)
    assert done.returncode == 3, done.stderr
    assert "The configuration is not valid" in done.stderr


@pytest.mark.parametrize("text", NESTED.values(), ids=NESTED)
def test_a_configuration_of_many_nested_keys_is_refused_soon(tmp_path: Path, text: str) -> None:
    from cloudlink.config import load
    from cloudlink.errors import ConfigError

    path = tmp_path / "config.toml"
    path.write_text(text)
    start = time.process_time()
    with pytest.raises(ConfigError) as raised:
        load(path)
    assert time.process_time() - start < 5
    assert len(raised.value.mistakes) <= 201


def test_the_mode_of_a_file_that_has_another_name_as_well_is_left(folder: Path, victim: Path) -> None:
    state_path(folder, NAME).hardlink_to(victim)
    with pytest.raises(StateError, match="damaged"), StateFile(state_path(folder, NAME), NAME, readonly=True):
        pass
    assert mode(victim) == 0o644


def test_a_lock_that_has_another_name_as_well_is_refused(folder: Path, victim: Path) -> None:
    (folder / f"{NAME}.state.json.lock").hardlink_to(victim)
    with pytest.raises(StateError, match="hard link"), StateFile(state_path(folder, NAME), NAME):
        pass
    assert victim.read_text() == "keep\n"
