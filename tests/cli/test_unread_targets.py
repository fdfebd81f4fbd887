"""verify-dns where what the names should lead to may not be read: 0 only with every name resolved and reached, else 4."""

from __future__ import annotations

import pytest

from tests.support.cli import Cli
from tests.support.manual_edits import ManualEdits


def deny(place: Cli, call: str) -> None:
    place.control("POST", "faults", {"kind": "denied", "target": call, "times": None})


def test_names_that_work_end_with_0_and_what_is_not_proved_is_said(linked: Cli) -> None:
    deny(linked, "aws.DescribeLoadBalancers")
    result = linked.cloudlink("verify-dns", "--json")
    assert result.code == 0, result.out + result.err
    assert {n["verdict"] for n in result.json["names"]} == {"ok"}
    said = " ".join(result.json["unproved"])
    assert "sentry.prod.corp.example (internal-sentry-internal-" in said
    assert "elasticloadbalancing:DescribeLoadBalancers" in said
    assert "postgres.prod.corp.example" not in said, "configured addresses need no reading"
    screen = " ".join(linked.cloudlink("verify-dns", "sentry").out.split())
    assert "Not proved that the answers are that load balancer's addresses" in screen


def test_addresses_of_load_balancers_that_may_not_be_read_are_told_alike(linked: Cli) -> None:
    deny(linked, "aws.DescribeNetworkInterfaces")
    result = linked.cloudlink("verify-dns", "sentry", "--json")
    assert result.code == 0, result.out + result.err
    assert "ec2:DescribeNetworkInterfaces" in " ".join(result.json["unproved"])


@pytest.mark.parametrize("broken", ["record", "port"])
def test_where_a_name_fails_the_permission_is_what_is_missing(linked: Cli, broken: str) -> None:
    hand = ManualEdits(linked)
    group, rule = "", None
    if broken == "record":
        hand.remove_records("sentry.prod.corp.example.", "\\052.prod.corp.example.")
    else:
        group, rule = hand.close_port("sentry-internal-lb", 443)
    hand.later(90)
    deny(linked, "aws.DescribeLoadBalancers")
    try:
        result = linked.cloudlink("verify-dns", "sentry")
        assert result.code == 4, result.out + result.err
        assert "sentry.prod.corp.example" in result.out, "what was seen is shown before"
        said = " ".join(result.err.split())
        assert "elasticloadbalancing:DescribeLoadBalancers" in said
        assert "What the names should lead to was not wholly seen" in said
    finally:
        if broken == "port":
            hand.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])


def test_a_name_of_somebody_elses_that_leads_to_a_service_of_vpc_lattice(linked: Cli) -> None:
    """It has a link-local address, which a pod of Azure takes for its own network's."""
    clouds = linked.clouds()
    (zone,) = [z["Id"] for z in clouds.aws.hosted_zones() if z["Name"] == "prod.corp.example."]
    record = {
        "Name": "orders.prod.corp.example",
        "Type": "A",
        "TTL": 60,
        "ResourceRecords": [{"Value": "169.254.171.33"}],
    }

    def change(action: str) -> None:
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": record}]}
        clouds.aws.route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)
        linked.control("POST", "clock", {"advance": 120})

    change("CREATE")
    try:
        result = linked.cloudlink("verify-dns", "orders", "--json")
        assert result.code == 8, result.out + result.err
        (name,) = result.json["names"]
        assert name["verdict"] == "link-local-address"
        assert "VPC Lattice" in name["cause"] and "service-network endpoint" in name["fix"]
    finally:
        change("DELETE")
