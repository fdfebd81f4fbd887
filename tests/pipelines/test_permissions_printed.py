"""What ``cloudlink permissions`` prints: every form holds the same, and each is one that its reader takes."""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cloudlink.cli.commands import run
from cloudlink.config import load
from cloudlink.connect import topology_unasked
from cloudlink.steps.least_permissions import COMMANDS, Where, least

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
LINK = load(EXAMPLE)
NODES = topology_unasked(LINK).nodes()


def printed(*arguments: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert run(["permissions", "--config", str(EXAMPLE), *arguments]) == 0
    return out.getvalue()


def actions(where: Where) -> set[str]:
    return {a.action for a in least(LINK, NODES) if a.where is where}


def test_the_policy_of_aws_allows_just_what_is_needed() -> None:
    policy = json.loads(printed("--format", "iam-policy"))
    named = [a for s in policy["Statement"] for a in s["Action"]]
    assert sorted(named) == sorted(actions(Where.AWS))
    assert "*" not in "".join(named)
    assert len(json.dumps(policy, separators=(",", ":"))) < 6144, "IAM's limit of a managed policy"
    deletes = next(s for s in policy["Statement"] if "ec2:DeleteVpnGateway" in s["Action"])
    assert deletes["Condition"] == {"StringEquals": {"aws:ResourceTag/cloudlink-link": "demo"}}


def test_the_role_of_azure_is_assignable_where_it_is_needed() -> None:
    role = json.loads(printed("--format", "azure-role"))
    assert set(role["Actions"]) == actions(Where.AZURE)
    assert role["AssignableScopes"] == [f"/subscriptions/{LINK.azure.subscription}"]
    narrow = json.loads(printed("--format", "azure-role", "--for", "verify-dns"))
    assert narrow["AssignableScopes"] == [
        f"/subscriptions/{LINK.azure.subscription}/resourceGroups/{LINK.azure.aks_resource_group}"
    ]


def test_the_roles_of_kubernetes() -> None:
    documents = list(yaml.safe_load_all(printed("--format", "k8s-role")))
    roles = [d for d in documents if d["kind"] == "Role"]
    bindings = [d for d in documents if d["kind"] == "RoleBinding"]
    assert {d["roleRef"]["name"] for d in bindings} == {d["metadata"]["name"] for d in roles}
    found = {
        (role["metadata"]["namespace"], verb, resource, name)
        for role in roles
        for rule in role["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    }
    wanted = [a for a in least(LINK, NODES) if a.where in (Where.AKS, Where.EKS)]
    assert found == {(a.place, a.action, a.resource, a.name) for a in wanted}
    deployments = next(r for role in roles for r in role["rules"] if r["resources"] == ["deployments"])
    assert deployments["apiGroups"] == ["apps"]


def test_terraform_holds_the_same() -> None:
    text = printed("--format", "terraform")
    for a in least(LINK, NODES):
        assert json.dumps(a.action) in text
    assert text.count("{") == text.count("}")
    assert re.findall(r'^resource "(\w+)"', text, re.MULTILINE)[:2] == ["aws_iam_policy", "azurerm_role_definition"]


def test_the_text_says_which_command_needs_what() -> None:
    text = printed()
    assert re.search(r"route53:CreateHostedZone +up\n", text)
    assert re.search(r"get configmaps/coredns-custom in kube-system +up, status, verify-dns, teardown\n", text)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_needs_less_than_all(command: str) -> None:
    rows: list[Any] = json.loads(printed("--json", "--for", command))["permissions"]
    assert rows
    assert all(row["commands"] == [command] for row in rows)
    assert len(rows) < len(json.loads(printed("--json"))["permissions"])


def test_reading_commands_need_no_writes() -> None:
    for command in ("status", "verify-dns"):
        for a in least(LINK, NODES, [command]):
            if a.where is Where.AZURE:
                assert a.action.endswith(("/read", "/getBgpPeerStatus/action", "/getLearnedRoutes/action")) or (
                    "listClusterUserCredential" in a.action
                )
            elif a.where is Where.AWS:
                assert re.search(r":(Describe|Get|List)", a.action)


def test_what_is_adopted_needs_no_creation(tmp_path: Path) -> None:
    adopted = tmp_path / "config.toml"
    adopted.write_text(EXAMPLE.read_text().replace("[dns]\n", '[dns]\nhosted_zone = "Z0123456789ABC"\n', 1))
    found = {a.action for a in least(load(adopted), topology_unasked(load(adopted)).nodes())}
    assert "route53:CreateHostedZone" in {a.action for a in least(LINK, NODES)}
    assert "route53:CreateHostedZone" not in found


def test_tags_are_read_and_written_by_calls_of_their_own(tmp_path: Path) -> None:
    """AWS shows those of a hosted zone and of an endpoint nowhere else, and a zone's are no part of its create."""
    tagged = tmp_path / "config.toml"
    tagged.write_text(EXAMPLE.read_text().replace("[aws]\n", '[tags]\nteam = "blue"\n[aws]\n', 1))
    link = load(tagged)
    found = least(link, topology_unasked(link).nodes())
    by_action = {a.action: commands for a, commands in found.items()}
    for service in ("route53", "route53resolver"):
        assert {"up", "status", "teardown"} <= {*by_action[f"{service}:ListTagsForResource"]}
    writes = {"route53:ChangeTagsForResource", "Microsoft.Resources/tags/write"}
    assert all("up" in by_action[write] and "status" not in by_action[write] for write in writes)
    assert not writes & {a.action for a in least(LINK, NODES)}


def test_checks_are_more() -> None:
    assert "iam:SimulatePrincipalPolicy" in printed("--checks")
    assert "iam:SimulatePrincipalPolicy" not in printed()


@pytest.mark.parametrize("arguments", [["--format", "yaml"], ["--json", "--format", "terraform"], ["--for", "sandbox"]])
def test_what_cannot_be_understood(arguments: list[str]) -> None:
    assert run(["permissions", "--config", str(EXAMPLE), *arguments]) == 2


def test_a_policy_for_the_second_day_is_narrow_too() -> None:
    policy = json.loads(printed("--format", "iam-policy", "--for", "logs", "--for", "test"))
    by_sid = {s["Sid"]: s for s in policy["Statement"]}
    assert by_sid["TheLogGroup"]["Resource"].endswith(":log-group:/aws/vendedlogs/cloudlink/demo*")
    assert {"ec2:ModifyVpnTunnelOptions", "ec2:ReplaceVpnTunnel"} <= set(by_sid["ObjectsOfTheLink"]["Action"])
    assert not [a for a in by_sid["InTheRegion"]["Action"] if a in by_sid["TheLogGroup"]["Action"]]
    shown = printed("--for", "rotate-keys")
    assert "Microsoft.Network/connections/sharedKey/write" in shown
    assert "logs:" not in shown
