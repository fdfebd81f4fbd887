"""What a pod's process may reach of this machine."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from cloudlink_sandbox.kube import isolation
from cloudlink_sandbox.kube.container import PodNetwork, prepare_folder, start_process

bounded = pytest.mark.skipif(isolation.abi() < 4, reason=isolation.said())


def run(folder: Path, *argv: str, network: PodNetwork | None = None) -> str:
    """What the program said, on both streams."""
    folder.mkdir()
    prepare_folder(folder, network, "pod")
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return start_process(folder, list(argv), {}, "pod", network, **streams).communicate(timeout=60)[0].decode()


@bounded
@pytest.mark.own(
    "A pod reads and writes its own folder, and neither the user's files nor passing ones nor /etc nor /proc"
)
def test_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the user's own")
    tries = f"cat {secret}; ls {tmp_path}; ls {tempfile.gettempdir()}; cat /etc/passwd; cat /proc/self/environ; echo x > {tmp_path}/written; ls $HOME/../.."
    said = run(tmp_path / "pod", "sh", "-c", f"PATH=/bin:/usr/bin; {tries}; echo mine > mine && cat mine")
    assert said.count("ermission denied") >= 6, said
    assert "the user's own" not in said and "root:" not in said
    assert said.rstrip().endswith("mine")
    assert not (tmp_path / "written").exists()


@bounded
@pytest.mark.own("So does Python in a pod, and a shell's python3; what they need of Python is there")
def test_python(tmp_path: Path) -> None:
    program = "import ssl, json, socket, pathlib; print('ran')\ntry: open('/etc/passwd')\nexcept OSError as e: print(e)"
    for number, argv in enumerate((["python3", "-c", program], ["sh", "-c", f'python3 -c "{program}"'])):
        said = run(tmp_path / f"pod{number}", *argv)
        assert said.startswith("ran") and "Permission denied" in said, said


@bounded
@pytest.mark.own("A pod connects to the sandbox's network and to no other port of this machine")
def test_connections(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as wire, socket.create_server(("127.0.0.1", 0)) as others:
        network = PodNetwork(wire.getsockname()[1], "token", "nameserver 10.0.0.10\n", 60.0)
        program = (
            "import _socket\n"
            "def ask(port):\n"
            "    try:\n"
            "        _socket.socket().connect(('127.0.0.1', port)); print('connected')\n"
            "    except OSError as e: print(e)\n"
            f"ask({others.getsockname()[1]}); ask({wire.getsockname()[1]})"
        )
        said = run(tmp_path / "pod", "python3", "-c", program, network=network)
    assert said.split("\n")[:2] == ["[Errno 13] Permission denied", "connected"], said


@bounded
@pytest.mark.own("A pod sends no signal to processes of the user's, and nothing of the environment is given to it")
def test_processes_and_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-user")
    said = run(tmp_path / "pod", "sh", "-c", f"env; kill -0 {os.getpid()} && echo reached")
    assert "of-the-user" not in said and "AWS_" not in said
    if isolation.abi() >= 6:
        assert "reached" not in said


@pytest.mark.own("Where there is no such means, the sandbox says so")
def test_it_says_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for version, words in ((0, "ordinary processes"), (2, "cannot bound their connections"), (7, "network alone")):
        monkeypatch.setattr(isolation, "abi", lambda found=version: found)
        assert words in isolation.said()
