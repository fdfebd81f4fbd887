"""The sandbox behind a company's proxy, and whose clouds a plan is for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import EXAMPLE, Cli

DEAD = "http://127.0.0.1:9"


@pytest.mark.parametrize("proxy", [DEAD, "socks5h://127.0.0.1:9"])
def test_the_sandbox_is_never_asked_through_a_proxy(linked: Cli, monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy)
    monkeypatch.setenv("AWS_DEFAULTS_MODE", "auto")  # would look for a region behind 169.254.169.254
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    planned = linked.cloudlink("plan", "--json")
    assert planned.code == 0, planned.err
    accounts = planned.json["accounts"]
    assert accounts["aws_account"] == "123456789012" and accounts["aws_principal"].startswith("arn:aws:iam::")
    assert accounts["azure_subscription_name"] == "cloudlink sandbox"
    assert accounts["azure_user"].startswith("application ")
    assert linked.cloudlink("verify-dns").code == 0


@pytest.mark.parametrize("state", ["", '\n[state]\nlocation = "s3://corp-state/links"\n'], ids=["in a file", "in S3"])
def test_without_any_sign_in_both_clouds_are_named(tmp_path: Path, state: str) -> None:
    """With the real clouds, wherever the state is: nobody mends one to learn of the other. No address is reached."""
    (tmp_path / "config.toml").write_text(EXAMPLE.read_text() + state)
    bare = {
        "PATH": str(tmp_path),
        "HOME": str(tmp_path),
        "AWS_EC2_METADATA_DISABLED": "true",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "AZURE_TOKEN_CREDENTIALS": "AzureCliCredential",
    }
    done = subprocess.run(
        [sys.executable, "-c", "from cloudlink.cli import main; main()", "status"],
        cwd=tmp_path,
        env=bare,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = " ".join(done.stderr.split())
    assert done.returncode == 4, said
    assert "Not signed in to AWS" in said and "Not signed in to Azure" in said
    assert "https://aka.ms/install-azcli" in said and "Traceback" not in said
