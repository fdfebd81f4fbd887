"""``cloudlink sandbox env``: what it prints and what it leaves on disk. Needs no client, but a sandbox."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from cloudlink.cli.commands import run
from cloudlink_sandbox import client
from tests.clients.shell import ROOT


@pytest.mark.own("sandbox env turns a shell's clients to the sandbox, and its kubeconfig is private")
def test_a_shell_takes_it_and_the_kubeconfig_is_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(ROOT / "config.example.toml", tmp_path / "config.toml")
    monkeypatch.chdir(tmp_path)
    home = tmp_path / ".cloudlink" / "sandbox" / "demo"
    try:
        assert run(["sandbox", "start"]) == 0
        capsys.readouterr()
        assert run(["sandbox", "env"]) == 0
        printed = capsys.readouterr().out
        address = client.find(home).address  # type: ignore[union-attr]
        shell = 'AWS_PROFILE=mine; eval "$1"; echo "${AWS_PROFILE-none} $AWS_ENDPOINT_URL $KUBECONFIG $NO_PROXY"'
        said = subprocess.run(["sh", "-c", shell, "sh", printed], check=True, capture_output=True, text=True, env={})
        assert said.stdout == f"none {address['aws_url']} {home}/kubeconfig 127.0.0.1,localhost\n"
        shell = 'eval "$1"; echo "https://$ARM_METADATA_HOSTNAME $ARM_TENANT_ID $NODE_EXTRA_CA_CERTS"'
        said = subprocess.run(["sh", "-c", shell, "sh", printed], check=True, capture_output=True, text=True, env={})
        assert said.stdout == f"{address['azure_url']} {address['azure_tenant']} {address['ca_file']}\n"

        path = home / "kubeconfig"
        assert path.stat().st_mode & 0o777 == 0o600
        config = yaml.safe_load(path.read_text())
        assert [c["name"] for c in config["contexts"]] == ["aks", "eks"]

        # what a client has put there stays
        config["contexts"].append({"name": "theirs", "context": {"cluster": "aks", "user": "aks"}})
        config["current-context"] = "theirs"
        path.write_text(yaml.safe_dump(config))
        assert run(["sandbox", "env"]) == 0
        config = yaml.safe_load(path.read_text())
        assert sorted(c["name"] for c in config["contexts"]) == ["aks", "eks", "theirs"]
        assert config["current-context"] == "theirs"
    finally:
        client.stop(home)


@pytest.mark.own("Without a sandbox, sandbox env says how to start one")
def test_without_a_sandbox_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(ROOT / "config.example.toml", tmp_path / "config.toml")
    monkeypatch.chdir(tmp_path)
    assert run(["sandbox", "env"]) == 2
    assert "cloudlink sandbox start" in "".join(capsys.readouterr())
