"""Kubernetes' own Python client on the sandbox: streams (exec, watches). Fast, and part of every run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream
from kubernetes.stream.ws_client import ERROR_CHANNEL

from cloudlink_sandbox import shell
from cloudlink_sandbox.process import Sandbox
from cloudlink_sandbox.world_file import WorldFile


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """CoreV1Api of AKS, from the kubeconfig that ``cloudlink sandbox env`` writes, with a running pod ``sleeper``."""
    home = tmp_path_factory.mktemp("sandbox")
    sandbox = Sandbox(home, speed=600)
    sandbox.seed(WorldFile())
    sandbox.start()
    try:
        path = shell.write_kubeconfig(home, sandbox.address(), sandbox.clusters())
        api = client.CoreV1Api(config.new_client_from_config(str(path), context="aks"))
        container = {"name": "c", "image": "python:3.12", "command": ["sleep", "infinity"]}
        api.create_namespaced_pod("default", {"metadata": {"name": "sleeper"}, "spec": {"containers": [container]}})
        sandbox.context.clock.advance(600)
        yield api
    finally:
        sandbox.stop()
        sandbox.aks.stop()


def run(core: Any, *command: str, **options: Any) -> Any:
    options = {"stdin": False, "stdout": True, "stderr": True, "tty": False} | options
    web = stream(
        core.connect_get_namespaced_pod_exec,
        options.pop("pod", "sleeper"),
        "default",
        command=list(command),
        _preload_content=False,
        **options,
    )
    web.run_forever(timeout=20)
    return web


@pytest.mark.program("Kubernetes' Python client gets both streams and the exit code of a command")
def test_a_command_gives_both_streams_and_its_exit_code(core: Any) -> None:
    web = run(core, "sh", "-c", "echo out; echo err >&2; exit 3")
    assert web.read_stdout() == "out\n"
    assert web.read_stderr() == "err\n"
    assert web.returncode == 3


@pytest.mark.program("Much output comes whole")
def test_much_output_comes_whole(core: Any) -> None:
    web = run(core, "python3", "-c", "print('x' * 300_000)")
    assert web.read_stdout() == "x" * 300_000 + "\n"
    assert web.returncode == 0


@pytest.mark.documentation("What one command leaves in a pod the next one finds")
def test_what_one_command_leaves_the_next_one_finds(core: Any) -> None:
    run(core, "sh", "-c", "echo kept > file")
    assert run(core, "sh", "-c", "read a < file; echo $a").read_stdout() == "kept\n"


@pytest.mark.program("Input is given to the command")
def test_input_is_given_to_the_command(core: Any) -> None:
    web = stream(
        core.connect_get_namespaced_pod_exec, "sleeper", "default", command=["sh", "-c", "read a; echo got $a"],
        stdin=True, stdout=True, stderr=True, tty=False, _preload_content=False,
    )  # fmt: skip
    web.write_stdin("a word\n")
    web.run_forever(timeout=20)
    assert web.read_stdout() == "got a word\n"


@pytest.mark.program("A terminal is one")
def test_a_terminal_is_one(core: Any) -> None:
    web = run(core, "python3", "-c", "import sys; print(sys.stdin.isatty(), sys.stdout.isatty())", stdin=True, tty=True)
    assert "True True" in web.read_stdout()


@pytest.mark.documentation("A program that the image does not have is named in the error")
def test_a_program_that_the_image_does_not_have(core: Any) -> None:
    said = run(core, "nonsense").read_channel(ERROR_CHANNEL)
    assert 'exec: \\"nonsense\\": executable file not found in $PATH' in said


@pytest.mark.documentation("An unknown pod is 404, an unknown container 400")
@pytest.mark.parametrize(
    ("options", "code"), [({"pod": "nobody"}, 404), ({"container": "other"}, 400)], ids=["pod", "container"]
)
def test_refusals(core: Any, options: dict[str, Any], code: int) -> None:
    with pytest.raises(ApiException) as refused:
        run(core, "true", **options)
    assert refused.value.status == 0 or refused.value.status == code
    assert str(code) in str(refused.value)


@pytest.mark.own("Streams over SPDY are refused in words")
def test_spdy_is_refused_in_words(core: Any) -> None:
    with pytest.raises(ApiException, match="WebSocket") as refused:
        core.connect_post_namespaced_pod_exec("sleeper", "default", command=["true"])
    assert refused.value.status == 400


@pytest.mark.program("A watch is answered before anything happens")
def test_a_watch_is_answered_before_anything_happens(core: Any) -> None:
    """Clients wait for the head of the answer, and cannot even give up before it has come."""
    now = core.list_namespaced_config_map("default").metadata.resource_version
    began = time.monotonic()
    answer = core.list_namespaced_config_map("default", watch=True, resource_version=now, _preload_content=False)
    with contextlib.closing(answer):
        assert answer.status == 200
        assert time.monotonic() - began < 5
