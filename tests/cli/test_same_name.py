"""A link of the same name elsewhere is somebody else's: it is named, and no command changes or deletes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Cli, make_cli

VPC = "vpc-0a1b2c3d4e5f60718"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Cli]:
    with make_cli(tmp_path, speed=600) as made:
        made.sandbox("start")
        yield made


def other_vpc(clouds: Any) -> str:
    return str(next(v["VpcId"] for v in clouds.aws.ec2.describe_vpcs()["Vpcs"] if v["VpcId"] != VPC))


def zone_of_another_link(clouds: Any, reference: str) -> str:
    """A zone of a link that is called demo too, with its records, as cloudlink 0.1 made it."""
    route53 = clouds.aws.route53
    vpc = {"VPCRegion": "eu-central-1", "VPCId": other_vpc(clouds)}
    config = {"Comment": "", "PrivateZone": True}
    zone = route53.create_hosted_zone(
        Name="staging.other.example", CallerReference=reference, VPC=vpc, HostedZoneConfig=config
    )["HostedZone"]["Id"]
    values = [{"Value": '"cloudlink demo"'}, {"Value": '"owns A db.staging.other.example"'}]
    records = [
        {"Name": "db.staging.other.example", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "10.9.9.9"}]},
        {"Name": "_cloudlink-demo.staging.other.example", "Type": "TXT", "TTL": 60, "ResourceRecords": values},
    ]
    route53.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": r} for r in records]}
    )
    return str(zone)


@pytest.mark.parametrize("reference", ["cloudlink/demo/5000", "cloudlink/demo/vpc-0ffffffffffffffff/5000"])
@pytest.mark.parametrize("command", [("plan",), ("up", "--yes"), ("teardown", "--yes")])
def test_the_zone_of_a_link_of_the_same_name(place: Cli, reference: str, command: tuple[str, ...]) -> None:
    clouds = place.clouds()
    zone_of_another_link(clouds, reference)
    before, writes = place.inventory(), place.writes()
    done = place.cloudlink(*command)
    assert done.code == (5 if command[0] == "teardown" else 3), done.out + done.err
    said = " ".join((done.out + done.err).split())
    assert "Another link has this name" in said
    assert (other_vpc(clouds) if reference.count("/") == 2 else "vpc-0ffffffffffffffff") in said
    assert 'name = "..."' in said, "it says what to rename"
    assert place.writes() == writes
    assert place.inventory() == before


def edit(place: Cli, old: str, new: str) -> None:
    place.config.write_text(place.config.read_text().replace(old, new))


def test_the_vpc_of_a_built_link_was_edited_by_mistake(linked: Cli) -> None:
    clouds = linked.clouds()
    other = other_vpc(clouds)
    before = linked.inventory()
    edit(linked, VPC, other)
    for command in (("plan",), ("up", "--yes"), ("teardown", "--yes"), ("status",)):
        done = linked.cloudlink(*command)
        assert done.code == 7, done.out + done.err
        assert f"aws.vpc was {VPC} and is {other}" in " ".join((done.out + done.err).split())
    state = linked.state.read_text()
    linked.state.unlink()
    try:
        for command in (("plan",), ("up", "--yes"), ("teardown", "--yes")):
            done = linked.cloudlink(*command)
            assert done.code == (5 if command[0] == "teardown" else 3), done.out + done.err
            assert "Another link has this name" in done.out + done.err
    finally:
        linked.state.write_text(state)
        linked.state.chmod(0o600)
        edit(linked, other, VPC)
    assert linked.inventory() == before


def test_a_second_configuration_of_the_same_name(linked: Cli) -> None:
    """Another VPC, VNet, resource group, cluster and zone, in the same account and subscription: nothing is taken over."""
    clouds = linked.clouds()
    before, text, state = linked.inventory(), linked.config.read_text(), linked.state.read_text()
    for old, new in (
        (VPC, other_vpc(clouds)),
        ("test-vnet", "other-vnet"),
        ('"cloudlink-demo"', '"elsewhere"'),
        ("prod.corp.example", "test.other.example"),
    ):
        edit(linked, old, new)
    linked.state.unlink()
    try:
        for command in (("plan",), ("up", "--yes"), ("teardown", "--yes")):
            done = linked.cloudlink(*command)
            assert done.code == (5 if command[0] == "teardown" else 3), done.out + done.err
            assert "Another link has this name" in done.out + done.err
    finally:
        linked.config.write_text(text)
        linked.state.write_text(state)
        linked.state.chmod(0o600)
    after = linked.inventory()
    for kind in ("azure", "subnets"):  # the second configuration brings a group and a VNet of its own into the sandbox
        after[kind] = sorted(set(after[kind]) & set(before[kind]))
    assert after == before


def strip_places(clouds: Any) -> None:
    """The marks of a link that cloudlink 0.1 built: no object says where the link is."""
    ec2, azure = clouds.aws.ec2, clouds.azure
    ids = [
        *(g["VpnGatewayId"] for g in ec2.describe_vpn_gateways()["VpnGateways"]),
        *(g["CustomerGatewayId"] for g in ec2.describe_customer_gateways()["CustomerGateways"]),
        *(c["VpnConnectionId"] for c in ec2.describe_vpn_connections()["VpnConnections"]),
        *(g["GroupId"] for g in ec2.describe_security_groups()["SecurityGroups"]),
    ]
    ec2.delete_tags(Resources=ids, Tags=[{"Key": "cloudlink-vpc"}, {"Key": "cloudlink-vnet"}])
    for item in azure.resources_by_tag():
        tags = {k: item.tags[k] for k in ("cloudlink-vpc", "cloudlink-vnet") if k in item.tags}
        azure.resources.tags.begin_update_at_scope(
            item.id, {"operation": "Delete", "properties": {"tags": tags}}
        ).result()


@pytest.mark.parametrize("lost", [False, True], ids=["with state", "state lost"])
def test_marks_of_an_earlier_version_are_read_and_completed(linked: Cli, lost: bool) -> None:
    clouds = linked.clouds()
    azure_tags = {i.id: i.tags for i in clouds.azure.resources_by_tag()}
    strip_places(clouds)
    if lost:
        linked.state.unlink()
    planned = linked.cloudlink("plan")
    assert "its marks do not say yet where the link is" in " ".join(planned.out.split()), planned.out
    done = linked.cloudlink("up", "--yes", "--no-verify")
    assert done.code == 0, done.out + done.err
    assert "Nothing to do" in linked.cloudlink("plan").out
    clouds = linked.clouds()
    assert {i.id: i.tags for i in clouds.azure.resources_by_tag()} == azure_tags
    gateway = next(
        g
        for g in clouds.aws.ec2.describe_vpn_gateways()["VpnGateways"]
        if {"Key": "cloudlink-link", "Value": "demo"} in g["Tags"]
    )
    assert {"Key": "cloudlink-vpc", "Value": VPC} in gateway["Tags"]


def test_a_foreign_owner_record_is_a_foreign_record(place: Cli) -> None:
    """A TXT record of our name that does not hold what we write is not taken for ours, and not overwritten."""
    clouds = place.clouds()
    vpc = {"VPCRegion": "eu-central-1", "VPCId": VPC}
    zone = clouds.aws.route53.create_hosted_zone(
        Name="prod.corp.example", CallerReference="mine", VPC=vpc, HostedZoneConfig={"Comment": "", "PrivateZone": True}
    )["HostedZone"]["Id"]
    record = {
        "Name": "_cloudlink-demo.prod.corp.example",
        "Type": "TXT",
        "TTL": 60,
        "ResourceRecords": [{"Value": '"v=spf1 -all"'}],
    }
    clouds.aws.route53.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    )
    place.replace('# hosted_zone = "create"', f'hosted_zone = "{zone.rpartition("/")[2]}"\n#')
    done = place.cloudlink("up", "--yes", "--no-verify")
    assert done.code != 0
    assert "_cloudlink-demo.prod.corp.example TXT" in " ".join((done.out + done.err).split())
    down = place.cloudlink("teardown", "--yes")
    assert down.code == 0, down.out + down.err
    there = place.clouds().aws.records(zone, fresh=True)
    assert any(r["Name"].startswith("_cloudlink-demo") for r in there)
