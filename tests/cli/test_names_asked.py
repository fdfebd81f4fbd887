"""What status and up say of names: records are read, and whether names work is known only since a pod asked them."""

from __future__ import annotations

from pathlib import Path

from cloudlink.state import history_path
from tests.support.cli import Cli
from tests.support.manual_edits import ManualEdits


def history(place: Cli) -> Path:
    return history_path(place.home, place.link.name)


def screen(place: Cli, *arguments: str) -> str:
    done = place.cloudlink(*arguments)
    return " ".join((done.out + done.err).split())


def test_status_says_what_it_has_read_and_when_names_were_proved(linked: Cli) -> None:
    history(linked).unlink(missing_ok=True)
    said = screen(linked, "status")
    assert "5 records" in said and "5 names" not in said, said
    assert "Whether names work is not known here: no pod has been asked yet." in said
    assert linked.cloudlink("status", "--json").json["names_asked"] is None

    assert linked.cloudlink("verify-dns").code == 0
    linked.control("POST", "clock", {"advance": 7200})
    assert "5 of 5 names resolved and reached from a pod 2h0" in screen(linked, "status")
    kept = linked.cloudlink("status", "--json").json["names_asked"]
    assert (kept["good"], kept["asked"], kept["wrong"]) == (5, 5, []) and kept["asked_at"].endswith("Z")


def test_names_that_failed_are_named_until_they_are_asked_again(linked: Cli) -> None:
    ManualEdits(linked).remove_records("sentry.prod.corp.example.", "\\052.prod.corp.example.")
    linked.control("POST", "clock", {"advance": 90})
    assert linked.cloudlink("verify-dns").code == 8
    assert "names resolved and reached from a pod" in screen(linked, "status")
    assert "not sentry.prod.corp.example" in screen(linked, "status")


def test_a_load_balancer_without_a_healthy_target(linked: Cli) -> None:
    """No read of a link that works asks for it. status asks where names have failed, status --all and doctor always."""
    clouds = linked.clouds()
    elb = clouds.aws.client("elbv2")
    balancer = next(
        b for b in elb.describe_load_balancers()["LoadBalancers"] if b["LoadBalancerName"].startswith("k8s-vault-")
    )
    (group,) = elb.describe_target_groups(LoadBalancerArn=balancer["LoadBalancerArn"])["TargetGroups"]
    (target,) = elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
    said = f"The target group {group['TargetGroupName']} of {balancer['LoadBalancerName']} has no targets"
    assert linked.cloudlink("verify-dns").code == 0
    assert linked.cloudlink("status", "--all").code == 0
    elb.deregister_targets(TargetGroupArn=group["TargetGroupArn"], Targets=[target["Target"]])
    name = f"ELB {balancer['LoadBalancerArn'].split(':loadbalancer/')[1]}"
    interfaces = clouds.aws.ec2.describe_network_interfaces(Filters=[{"Name": "description", "Values": [name]}])
    try:
        everything = linked.cloudlink("status", "--all", "--json")
        assert everything.code == 8 and said in everything.json["advice"]["cause"], everything.out
        assert "aws elbv2 describe-target-health" in everything.json["advice"]["command"]
        assert said in screen(linked, "doctor")
        assert linked.cloudlink("status").code == 0, "names were reached when they were asked last"
        for interface in interfaces["NetworkInterfaces"]:
            fault = {"kind": "endpoint-ip-down", "target": interface["PrivateIpAddress"], "times": None}
            linked.control("POST", "faults", fault)
        assert linked.cloudlink("verify-dns").code == 8
        after = linked.cloudlink("status")
        assert after.code == 8 and said in " ".join(after.out.split()), after.out
    finally:
        elb.register_targets(TargetGroupArn=group["TargetGroupArn"], Targets=[target["Target"]])
        linked.control("DELETE", "faults")
        assert linked.cloudlink("verify-dns").code == 0


def test_what_another_version_kept_is_passed_over(linked: Cli) -> None:
    kept = history(linked)
    assert linked.cloudlink("status").code == 0
    text = kept.read_text()
    kept.write_text(
        '{"format": 1, "link": "demo", "status": null, "history": [], "dns": {"at": "soon", "report": {"names": [{}]}}}'
    )
    try:
        assert "Whether names work is not known here" in screen(linked, "status")
    finally:
        kept.write_text(text)


def test_an_up_that_has_proved_everything_names_what_to_type_next(linked: Cli) -> None:
    ManualEdits(linked).remove_records("sentry.prod.corp.example.")
    linked.control("POST", "clock", {"advance": 90})
    done = linked.cloudlink("up", "--yes")
    assert done.code == 0, done.out + done.err
    last = " ".join(done.out.partition("cloudlink-check.")[2].split())
    assert "next cloudlink status --sandbox changes nothing; says whether" in last, done.out
