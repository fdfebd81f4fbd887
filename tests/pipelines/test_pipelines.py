"""Pipelines: exit codes, saved plans, Markdown, metrics, and the example workflows, in the order of a link's life."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from prometheus_client.parser import text_string_to_metric_families

from cloudlink.cli import schema
from tests.support.cli import Cli

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
BIN = Path(sys.executable).parent


def valid(name: str, document: Any) -> None:
    errors = list(Draft202012Validator(schema.found(name)).iter_errors(document))
    assert errors == [], errors[0].message


# --- a link that is not built -----------------------------------------------------------------------------


def test_changes_end_with_ten_only_where_that_was_asked_for(place: Cli) -> None:
    assert place.cloudlink("plan").code == 0
    assert place.cloudlink("plan", "--detailed-exitcode").code == 10
    assert place.cloudlink("plan", "--detailed-exitcod").code == 2


def test_a_saved_plan_of_another_link_is_refused(place: Cli, tmp_path: Path) -> None:
    saved = tmp_path / "link.plan"
    made = place.cloudlink("plan", "--out", str(saved))
    assert made.code == 0
    assert f"cloudlink up {shlex.quote(str(saved))} --sandbox" in " ".join(made.err.split())
    assert saved.stat().st_mode & 0o777 == 0o600
    text, before = place.config.read_text(), place.writes()
    place.config.write_text(text.replace('name = "demo"', 'name = "other"'))
    try:
        refused = place.cloudlink("up", str(saved))
        place.sandbox("stop")
    finally:
        place.config.write_text(text)
    assert (refused.code, place.writes()) == (2, before)
    assert "another link's" in refused.err
    assert "cloudlink plan --sandbox --out FILE" in refused.err


def test_a_saved_plan_is_refused_when_the_configuration_was_changed(place: Cli, tmp_path: Path) -> None:
    saved = tmp_path / "link.plan"
    assert place.cloudlink("plan", "--out", str(saved)).code == 0
    text, before = place.config.read_text(), place.writes()
    place.config.write_text(text.replace("[azure.vpn_gateway]", '[azure.vpn_gateway]\nsku = "VpnGw2AZ"'))
    try:
        refused = place.cloudlink("up", str(saved))
    finally:
        place.config.write_text(text)
    assert (refused.code, place.writes()) == (9, before)
    assert "The plan has changed" in refused.err
    assert "configuration was changed in [azure] after" in " ".join(refused.err.split())


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\xff\xfe", b'{"format": 99}', b"[1]", b'{"format": 1, "changes": 3}', None]
)
def test_a_file_that_is_no_plan_is_one_message(place: Cli, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "broken.plan"
    if content is not None:
        file.write_bytes(content)
    before = place.writes()
    refused = place.cloudlink("up", str(file), "--json")
    assert (refused.code, place.writes()) == (2, before)
    assert refused.lines[0]["summary"] == "The saved plan cannot be read"


def test_doctor_before_a_link_exists_is_what_a_build_needs(place: Cli) -> None:
    found = place.cloudlink("doctor", "--json")
    valid("doctor", found.json)
    assert (found.code, found.json["exists"]) == (0, False)
    outcomes = {c["name"]: c["outcome"] for c in found.json["checks"]}
    assert outcomes["sign-in"] == outcomes["permissions"] == outcomes["ranges"] == outcomes["quotas"] == "passed"


def test_doctor_names_a_missing_permission_with_its_fix_and_ends_with_four(place: Cli) -> None:
    before = place.writes()
    place.control("POST", "faults", {"kind": "denied", "target": "aws.CreateHostedZone", "times": None})
    try:
        found = place.cloudlink("doctor", "--json")
        shown = place.cloudlink("doctor")
    finally:
        place.control("DELETE", "faults")
    assert (found.code, shown.code, place.writes()) == (4, 4, before)
    valid("doctor", found.json)
    (failed,) = [c for c in found.json["checks"] if c["outcome"] == "failed"]
    assert "route53:CreateHostedZone" in failed["detail"]
    assert failed["fix"]
    assert shown.out.startswith("✗ fail"), "what is to be fixed comes first"
    assert "1 to fix" in shown.out


def test_a_missing_permission_is_in_the_plan_and_not_told_in_the_middle_of_a_build(place: Cli) -> None:
    before = place.writes()
    place.control("POST", "faults", {"kind": "denied", "target": "aws.CreateVpnConnection", "times": None})
    try:
        planned = place.cloudlink("plan")
        refused = place.cloudlink("up", "--yes")
    finally:
        place.control("DELETE", "faults")
    assert planned.code == refused.code == 4 and place.writes() == before
    for said in (planned, refused):
        assert "ec2:CreateVpnConnection" in said.out + said.err


def test_doctor_where_a_sign_in_has_expired(place: Cli) -> None:
    place.control("POST", "faults", {"kind": "expired", "target": "aws.*", "times": None})
    try:
        found = place.cloudlink("doctor", "--json")
    finally:
        place.control("DELETE", "faults")
    assert found.code == 4
    assert any(c["name"] == "sign-in" and c["outcome"] == "failed" and c["fix"] for c in found.json["checks"])


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "--out", "no-such-folder/link.plan"),
        ("plan", "--out", "."),
        ("plan", "--markdown", "--json"),
        ("status", "--prometheus", "no-such-folder/link.prom"),
        ("status", "--prometheus", "link.txt"),
    ],
)
def test_what_cannot_be_written_is_one_message_before_anything_is_read(place: Cli, arguments: tuple[str, ...]) -> None:
    calls = place.control("GET", "journal")["total"]
    refused = place.cloudlink(*arguments)
    assert refused.code == 2
    assert refused.out == "" or '"exit_code": 2' in refused.out
    assert place.control("GET", "journal")["total"] == calls


# --- the example workflows, which build it ----------------------------------------------------------------


def _runs(file: Path) -> Iterator[str]:
    """What the workflow runs, step by step, without the installation."""
    for job in yaml.safe_load(file.read_text())["jobs"].values():
        for step in job["steps"]:
            if "run" in step and step["name"] != "Install cloudlink":
                yield step["run"]


def _workflow(place: Cli, name: str, tmp_path: Path) -> tuple[str, str]:
    """Every step's lines as GitHub's runner runs them, against the sandbox; its summary and its outputs."""
    shim = tmp_path / "bin" / "cloudlink"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec {BIN}/cloudlink "$@" --sandbox\n')
    shim.chmod(0o755)
    summary, output = tmp_path / "summary", tmp_path / "output"
    more = {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(output), "CI": "true"}
    env = {**os.environ, **more, "PATH": f"{shim.parent}:{os.environ['PATH']}"}
    for script in _runs(EXAMPLES / name):
        done = subprocess.run(
            ["bash", "-e", "-c", script], cwd=place.folder, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return summary.read_text(), output.read_text()


def test_the_workflow_of_a_pull_request(place: Cli, tmp_path: Path) -> None:
    before = place.writes()
    summary, output = _workflow(place, "plan-on-pull-request.yml", tmp_path)
    assert output == "code=10\n"
    assert "### cloudlink plan: `demo`" in summary
    assert "| `+ create` | `azure_vpn.gateway` |" in summary
    assert place.writes() == before


def test_the_workflow_of_the_main_branch_builds_the_link(place: Cli, tmp_path: Path) -> None:
    summary, output = _workflow(place, "up-on-main.yml", tmp_path)
    assert output == "code=10\n"
    assert "to create" in summary
    status = json.loads((place.folder / "status.json").read_text())
    assert status["health"] == "healthy"
    valid("status", status)


def test_the_workflows_are_ones_that_github_takes() -> None:
    done = subprocess.run(
        [BIN / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *sorted(EXAMPLES.glob("*.yml"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


# --- the link that they built -----------------------------------------------------------------------------


def test_nothing_to_do_ends_with_zero(place: Cli) -> None:
    plan = place.cloudlink("plan", "--detailed-exitcode", "--json")
    assert plan.code == 0
    valid("plan", plan.json)
    said = place.cloudlink("plan", "--detailed-exitcode", "--markdown")
    assert said.code == 0
    assert "**Nothing to do:**" in said.out


def test_a_saved_plan_is_refused_when_the_world_has_changed(place: Cli, tmp_path: Path) -> None:
    saved = tmp_path / "link.plan"
    assert place.cloudlink("plan", "--out", str(saved)).code == 0
    clouds = place.clouds()
    zone = next(
        z for z in clouds.aws.route53.list_hosted_zones()["HostedZones"] if z["Name"] == f"{place.link.dns.zone}."
    )
    records = clouds.aws.route53.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
    ours = next(r for r in records if r["Type"] in ("A", "CNAME"))
    change = {"Changes": [{"Action": "DELETE", "ResourceRecordSet": ours}]}
    clouds.aws.route53.change_resource_record_sets(HostedZoneId=zone["Id"], ChangeBatch=change)
    before = place.writes()
    refused = place.cloudlink("up", str(saved), "--json", "--yes")
    assert (refused.code, place.writes()) == (9, before)
    assert "resolver.records was no-op and is update" in str(refused.lines)
    place.control("POST", "faults", {"kind": "denied", "target": "aws.ChangeResourceRecordSets", "times": None})
    obstacle = place.cloudlink("up", str(saved))
    place.control("DELETE", "faults")
    assert (obstacle.code, place.writes()) == (4, before), "an obstacle that has come since is told as itself"
    assert "route53:ChangeResourceRecordSets" in obstacle.err
    text = saved.read_text()
    saved.write_text(text.replace("resolver.records", "resolver.recordz"))
    damaged = place.cloudlink("up", str(saved))
    assert (damaged.code, place.writes()) == (2, before) and "The saved plan was changed" in damaged.err
    saved.write_text(text)
    for line in refused.lines:
        valid("up", line)
    # a plan of the world as it is now is carried out, and without a question
    planned = place.cloudlink("plan", "--out", str(saved), "--detailed-exitcode", "--only", "resolver", "--json")
    assert planned.code == 10
    valid("plan", planned.json)
    done = place.cloudlink("up", str(saved), "--json", "--no-verify")
    assert done.code == 0, done.out
    for line in done.lines:
        valid("up", line)
    assert place.cloudlink("plan", "--detailed-exitcode").code == 0


def test_metrics_are_read_by_prometheus(place: Cli, tmp_path: Path) -> None:
    place.control("POST", "clock", {"advance": 600})
    file = tmp_path / "link.prom"
    file.write_text("old\n")
    status = place.cloudlink("status", "--json", "--prometheus", str(file))
    valid("status", status.json)
    text = file.read_text()
    families = {f.name: f for f in text_string_to_metric_families(text)}
    up = {s.labels["tunnel"]: s.value for s in families["cloudlink_tunnel_up"].samples}
    assert up == {t["address"]: float(t["up"]) for t in status.json["tunnels"]}
    assert families["cloudlink_tunnel_received_bytes"].type == "counter"
    holds = [s.labels["health"] for s in families["cloudlink_health"].samples if s.value]
    assert holds == [status.json["health"]]
    assert text.endswith("\n")
    assert file.stat().st_mode & 0o044, "the collector runs as another user"
    assert list(tmp_path.iterdir()) == [file]


def test_doctor_of_a_link_that_exists_is_its_health(place: Cli) -> None:
    healthy = place.cloudlink("doctor", "--json")
    valid("doctor", healthy.json)
    assert (healthy.code, healthy.json["exists"]) == (0, True)
    assert {"tunnels", "endpoint", "forward", "differences"} <= {c["name"] for c in healthy.json["checks"]}
    target = next(t["aws"]["outside_ip"] for t in place.cloudlink("status", "--json").json["tunnels"])
    place.control("POST", "faults", {"kind": "tunnel-down", "target": target, "times": None})
    try:
        broken = place.cloudlink("doctor", "--json")
    finally:
        place.control("DELETE", "faults")
        place.control("POST", "clock", {"advance": 600})
    assert broken.code == 8
    assert any(c["outcome"] == "failed" for c in broken.json["checks"])


def test_a_read_that_is_denied_is_told_and_ends_with_four(place: Cli) -> None:
    """The verdict on what was seen is not the whole one."""
    place.control("POST", "faults", {"kind": "denied", "target": "azure.POST:getBgpPeerStatus*", "times": None})
    try:
        status = place.cloudlink("status")
    finally:
        place.control("DELETE", "faults")
    assert status.code == 4
    assert "Microsoft.Network/virtualNetworkGateways/getBgpPeerStatus/action" in status.out + status.err


def test_a_folder_that_goes_away_leaves_one_message(
    place: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    from cloudlink import named_files

    def check(path: Path, _: str) -> None:
        path.parent.rmdir()

    monkeypatch.setattr(named_files, "check", check)
    failed = place.cloudlink("status", "--prometheus", str(folder / "link.prom"))
    assert failed.code == 1
    assert "The output cannot be written" in failed.err
    assert "Traceback" not in failed.err


def test_names_and_a_removal_are_as_their_schemas_say(place: Cli) -> None:
    names = place.cloudlink("verify-dns", "--json")
    valid("verify-dns", names.json)
    down = place.cloudlink("teardown", "--yes", "--json")
    assert down.code == 0
    for line in down.lines:
        valid("teardown", line)
    absent = place.cloudlink("verify-dns", "--json")
    assert absent.code == 8
    valid("verify-dns", absent.json)
