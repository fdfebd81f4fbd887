"""What ``permissions`` asks for where a link has AKS clusters in other resource groups and subscriptions. Asks no cloud."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.support.cli import Cli
from tests.support.config_texts import SMALLEST

OWN = "00000000-1111-2222-3333-444444444444"
THEIRS = "00000000-0000-0000-0000-00000000000b"
CLUSTERS = f"""
[[azure.clusters]]
name = "green"
resource_group = "apps"
[[azure.clusters]]
name = "red"
resource_group = "apps"
subscription = "{THEIRS}"
"""


@pytest.fixture
def place(tmp_path: Path) -> Cli:
    (tmp_path / "config.toml").write_text(SMALLEST + CLUSTERS)
    return Cli(tmp_path)


def printed(place: Cli, form: str, *more: str) -> str:
    done = place.cloudlink("permissions", "--format", form, *more, sandbox=False)
    assert done.code == 0, done.out + done.err
    return done.out


def test_the_role_may_be_given_where_each_cluster_is(place: Cli) -> None:
    role = json.loads(printed(place, "azure-role", "--for", "verify-dns"))
    scopes = role["assignableScopes"] if "assignableScopes" in role else role["AssignableScopes"]
    assert f"/subscriptions/{OWN}/resourceGroups/apps" in scopes
    assert f"/subscriptions/{THEIRS}/resourceGroups/apps" in scopes
    alone = place.config.read_text().replace(CLUSTERS, "")
    place.config.write_text(alone)
    assert "apps" not in printed(place, "azure-role", "--for", "verify-dns")


def test_the_roles_in_the_cluster_are_for_each_of_them(place: Cli) -> None:
    text = printed(place, "k8s-role")
    assert f"# On the AKS clusters test, apps/green, {THEIRS}/apps/red:" in text
    kinds = {manifest["kind"] for manifest in yaml.safe_load_all(text) if manifest}
    assert {"Role", "RoleBinding"} <= kinds


def test_terraform_has_a_provider_for_each(place: Cli) -> None:
    text = printed(place, "terraform")
    for alias in ("aks", "aks_2", "aks_3"):
        assert f'"cloudlink_demo_{alias}_kube_system"' in text
        assert f"provider = kubernetes.{alias}\n" in text
    assert f"/subscriptions/{THEIRS}/resourceGroups/apps" in text
