"""With exactly the least permissions, the life of each kind of link passes. What they are for one of them is asked of no cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from reliability.least_permissions import granted
from reliability.link_kinds import KINDS

from cloudlink.clouds.aws.iam_policy import iam_policy
from cloudlink.config import load
from cloudlink.connect import topology_unasked
from cloudlink.steps.least_permissions import least
from cloudlink.view import permissions

LIVED = (
    "existing",
    "transit gateway joined",
    "transit gateway made",
    "adopted Azure gateway",
    "adopted zone",
    "names for the whole VNet",
    "names back",
    "state in S3",
    "state in a blob",
)
LIFE = (
    ("up", "--no-verify"),
    ("status",),
    ("verify-dns",),
    ("pause",),
    ("resume", "--no-verify"),
    ("teardown", "--yes"),
)


@pytest.mark.long
@pytest.mark.parametrize("kind", LIVED)
def test_exactly_these_are_enough(kind: str) -> None:
    with KINDS[kind].opened() as harness:
        KINDS[kind].begin(harness)
        grants = harness.sandbox.context.grants
        for command, *more in LIFE:
            if command in ("pause", "resume") and (harness.link.dns.back or harness.link.dns.forward == "vnet"):
                continue  # such a link is not paused
            allowed = least(harness.link, topology_unasked(harness.link).nodes(), [command])
            grants.limit(granted(a) for a in allowed)
            ended = harness.run(command, *more)
            denied = [a for a, may in grants.json()["used"].items() if not may]
            assert ended.code == 0, f"{command}: denied {denied}\n{ended}"
            grants.allow_all()
            harness.sandbox.context.clock.advance(900)


def printed(folder: Path, kind: str, command: str) -> set[str]:
    path = folder / "config.toml"
    path.write_text(KINDS[kind].text)
    link = load(path)
    return {a.action for a in least(link, topology_unasked(link).nodes(), [command])}


@pytest.mark.parametrize(
    ("kind", "command", "action"),
    [
        ("adopted zone", "up", "Microsoft.Resources/tags/write"),
        ("state in S3", "up", "route53:ChangeTagsForResource"),
        ("state in S3", "status", "route53:ListTagsForResource"),
        ("state in S3", "verify-dns", "route53resolver:ListTagsForResource"),
        ("names back", "teardown", "route53resolver:ListTagsForResource"),
        ("names back", "status", "Microsoft.Network/privateDnsZones/read"),
        ("existing", "status", "ec2:DescribeRouteTables"),
        ("existing", "status", "Microsoft.Network/virtualNetworkGateways/read"),
        ("existing", "teardown", "ec2:DescribeVpnConnections"),
        ("transit gateway joined", "status", "ec2:DescribeVpnGateways"),
        ("transit gateway joined", "teardown", "ec2:DescribeTransitGatewayRouteTables"),
        ("adopted Azure gateway", "up", "Microsoft.Network/virtualNetworks/read"),
    ],
)
def test_what_a_kind_needs_that_others_do_not(tmp_path: Path, kind: str, command: str, action: str) -> None:
    assert action in printed(tmp_path, kind, command)


def test_without_tags_none_are_read_or_written(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(KINDS["names back"].text.replace('[tags]\nteam = "blue"\n', ""))
    link = load(path)
    actions = {a.action for a in least(link, topology_unasked(link).nodes())}
    assert not {a for a in actions if a.endswith(("ListTagsForResource", "ChangeTagsForResource", "tags/write"))}


def forms_of(folder: Path, kind: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    path = folder / "config.toml"
    path.write_text(KINDS[kind].text)
    link = load(path)
    found = least(link, topology_unasked(link).nodes())
    return permissions.iam(found, link), permissions.azure_role(found, link), permissions.terraform(found, link)


def test_a_state_in_s3_is_allowed_where_it_lies_and_in_any_region(tmp_path: Path) -> None:
    policy, role, _ = forms_of(tmp_path, "state in S3")
    parts = {s["Sid"]: s for s in policy["Statement"]}
    state = parts["TheState"]
    assert state["Action"] == ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    assert state["Resource"] == [f"arn:aws:s3:::team-state/links/demo.json{end}" for end in ("", ".lock")]
    assert parts["TheStatesBucket"]["Resource"] == "arn:aws:s3:::team-state"
    assert "Condition" not in state and not role["DataActions"]
    assert {"s3:GetObject", "s3:ListBucket"} == {
        a for a in printed(tmp_path, "state in S3", "status") if a.startswith("s3:")
    }


def test_a_state_in_a_blob_takes_data_actions(tmp_path: Path) -> None:
    _, role, terraform = forms_of(tmp_path, "state in a blob")
    assert [a.rpartition("/")[2] for a in role["DataActions"]] == ["delete", "read", "write"]
    assert not [a for a in role["Actions"] if "Microsoft.Storage" in a]
    assert "data_actions = [" in terraform
    assert "data_actions" not in forms_of(tmp_path, "state in S3")[2]


def test_tags_of_a_zone_are_allowed_on_zones_alone() -> None:
    actions = ["route53:ChangeTagsForResource", "route53:ListTagsForResource"]
    statements = iam_policy(actions, link="demo", region="eu-central-1", zone_ids=["Z1"])["Statement"]
    assert [(s["Sid"], s["Resource"]) for s in statements] == [("TheZone", "arn:aws:route53:::hostedzone/Z1")]
