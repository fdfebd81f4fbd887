"""The sandbox behind a company's proxy, and whose clouds a plan is for."""

from __future__ import annotations

import pytest

from tests.support.cli import Cli

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
