"""``cloudlink-sandbox``: the command of the sandbox alone, where cloudlink cannot be imported."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from subprocess import CompletedProcess
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from cloudlink_sandbox import client, shell
from cloudlink_sandbox.errors import SilentSandbox
from cloudlink_sandbox.own_files import own_folder, write_own

README = (Path(__file__).parents[2] / "sandbox" / "README.md").read_text(encoding="utf-8")
# Python imports it at its start, also in the process that the command starts.
NO_CLOUDLINK = """
import sys

class NotHere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "cloudlink":
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, NotHere())
"""
RUN = "import sys; from cloudlink_sandbox.cli import main; main()"
Command = Callable[..., "CompletedProcess[str]"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(NO_CLOUDLINK)
    return {**os.environ, "PYTHONPATH": str(folder)}


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]) -> Iterator[Command]:
    """Runs one command line in a folder of its own."""
    folder = tmp_path_factory.mktemp("command")

    def run(*arguments: str, code: int = 0, **more: str) -> CompletedProcess[str]:
        ended = subprocess.run(
            [sys.executable, "-c", RUN, *arguments],
            cwd=folder, env={**environment, **more}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert ended.returncode == code, ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr
        return ended

    (folder / "world.toml").write_text(
        '[aws]\nregion = "eu-west-1"\n[[aws.load_balancers]]\nname = "nlb"\ntype = "network"\n'
    )
    yield run
    run("stop")


@pytest.mark.own("cloudlink-sandbox starts, shows, breaks and stops the clouds of a world file without cloudlink")
@pytest.mark.own("Another start has the addresses of the first, but for a port that is somebody else's by now")
def test_from_start_to_stop(command: Command, environment: dict[str, str]) -> None:
    gone = subprocess.run([sys.executable, "-c", "import cloudlink"], env=environment, capture_output=True, check=False)
    assert gone.returncode == 1, "cloudlink can be imported, so that nothing is proved here"
    assert "cloudlink-sandbox start" in command("status").stdout
    assert "has started" in command("start", "--world", "world.toml", "--speed", "600").stdout
    assert "was running already" in command("start").stdout
    shown = json.loads(command("status", "--json").stdout)
    assert (shown["running"], shown["speed"]) == (True, 600)
    assert shown["urls"]["aws"] in command("status").stdout

    variables = dict(re.findall(r"^export (\w+)='?([^'\n]*)'?$", command("env").stdout, re.MULTILINE))
    assert variables["AWS_REGION"] == "eu-west-1"
    elb = boto3.client(
        "elbv2",
        region_name=variables["AWS_REGION"],
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )
    assert [b["LoadBalancerName"] for b in elb.describe_load_balancers()["LoadBalancers"]] == ["nlb"]

    added = command("fault", "add", "denied", "aws.DescribeLoadBalancers", "--for", "10h")
    assert not added.stderr
    with pytest.raises(elb.exceptions.ClientError, match="AccessDenied"):
        elb.describe_load_balancers()
    assert "aws.DescribeLoadBalancers" in command("fault", "list").stdout
    assert "Warning: aws.DescribeBalancers" in command("fault", "add", "denied", "aws.DescribeBalancers").stderr
    command("fault", "remove", "1")
    assert elb.describe_load_balancers()["LoadBalancers"]
    command("fault", "remove")
    assert json.loads(command("fault", "list", "--json").stdout)["faults"] == []

    before = shown["now"]
    command("clock", "--advance", "2h", "--speed", "60")
    assert json.loads(command("status", "--json").stdout)["now"] >= before + 7200

    assert "kept" in command("stop").stdout
    command("start")  # the world of the last start, and its clouds
    assert "eu-west-1" in command("env").stdout
    assert json.loads(command("status", "--json").stdout)["urls"] == shown["urls"]
    assert "No sandbox" not in command("stop").stdout
    assert "No sandbox was running" in command("stop").stdout
    with socket.create_server(("127.0.0.1", urlsplit(shown["urls"]["aws"]).port or 0)):
        command("start")
    urls = json.loads(command("status", "--json").stdout)["urls"]
    assert {name for name, url in urls.items() if url != shown["urls"][name]} == {"aws"}
    assert "gone" in command("reset").stdout
    assert "No sandbox is running" in command("status").stdout


@pytest.mark.own("What cannot be done is one message of cloudlink-sandbox with what to type, and exit code 2")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("env",), "cloudlink-sandbox start"),
        (("fault", "add", "slow", "*"), "cloudlink-sandbox start"),
        (("start", "--world", "nowhere.toml"), "nowhere.toml"),
        (("clock", "--advance", "soon"), "10m"),
        (("starrt",), "cloudlink-sandbox --help"),
        (("fault", "add", "slow"), "--help"),
        (("fault", "add", "slow", "*", "--times", "-1"), "--help"),
    ],
)
def test_what_cannot_be_done(command: Command, arguments: tuple[str, ...], said: str) -> None:
    assert said in command(*arguments, code=2).stderr


@pytest.mark.own("Two folders are two sandboxes")
def test_the_folder_can_be_named(command: Command, tmp_path: Path) -> None:
    home = tmp_path / "mine"
    command("start", CLOUDLINK_SANDBOX_HOME=str(home))
    try:
        assert "No sandbox is running" in command("status").stdout
        assert json.loads(command("status", "--home", str(home), "--json").stdout)["running"]
        assert home.stat().st_mode & 0o777 == 0o700
    finally:
        command("reset", "--home", str(home))
    assert not home.exists()


@pytest.mark.own("The command is installed under its name")
def test_it_is_installed() -> None:
    (found,) = entry_points(group="console_scripts", name="cloudlink-sandbox")
    assert found.value == "cloudlink_sandbox.cli:main"


@pytest.mark.own("The README's Terraform needs nothing that env does not export")
def test_the_variables_of_the_readme_are_exported() -> None:
    address = dict.fromkeys(
        ("aws_url", "aws_access_key", "aws_secret_key", "azure_url", "azure_tenant", "azure_client_id",
         "azure_client_secret", "ca_file"), "https://x",
    )  # fmt: skip
    printed = shell.exports(Path("home"), address, region="r", subscription="s")
    exported = set(re.findall(r"^export (\w+)=", printed, re.MULTILINE))
    terraform = README[README.index("## Terraform") : README.index("## Break it")]
    named = set(re.findall(r"\b(?:AWS|ARM)_[A-Z_]+\b|(?<=\$)[A-Z_]+\b", terraform))
    assert len(named) > 6
    assert named <= exported


@pytest.mark.own("The README's world file is one, and its Python runs")
def test_the_blocks_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cloudlink_sandbox.world_file import read

    block, *more = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    for other in more:
        (tmp_path / "world.toml").write_text(other)
        read(tmp_path / "world.toml")
    (tmp_path / "world.toml").write_text(block)
    assert read(tmp_path / "world.toml").aws.services[0].name == "vault"
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert printed.startswith("http://127.0.0.1:")
    with pytest.raises(OSError):
        urllib.request.urlopen(printed.strip(), timeout=1)


@pytest.mark.own("A sandbox that is stopped or too busy is told by its process, and none is started in its place")
def test_a_sandbox_that_is_silent_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its clouds would seem to be empty: a link would be told as absent, and built again."""
    monkeypatch.setattr(client, "ANSWER_SECONDS", 0.2)
    own_folder(tmp_path / "home")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the kernel takes connections for a process that is stopped
        address = {"pid": os.getpid(), "control": f"http://127.0.0.1:{silent.getsockname()[1]}", "token": "t"}
        write_own(tmp_path / "home" / client.ADDRESS_FILE, json.dumps(address).encode())
        for ask in (client.find, client.stop, client.reset, lambda home: client.start(home, {}, speed=1)):
            with pytest.raises(SilentSandbox) as caught:
                ask(tmp_path / "home")
            assert f"kill -CONT {os.getpid()}" in caught.value.hint
    assert (tmp_path / "home" / client.ADDRESS_FILE).exists()
    assert client.find(tmp_path / "home") is None, "where nothing listens, none is there"
