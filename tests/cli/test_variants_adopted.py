"""A link on what others made: a virtual private gateway, a hosted zone, listed route tables and subnets, keys in Secrets
Manager, and an AKS cluster that lets users in through Entra ID only. Afterwards all of it stands as it stood."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.cli import Cli, Result, make_cli

GATEWAY = "vgw-0aaaabbbbccccdddd"
ZONE = "Z0ADOPTEDZONE0000001"
TABLES = ("rtb-0aaaabbbbccccddd1", "rtb-0aaaabbbbccccddd2")
SUBNETS = ("subnet-0aaaabbbbccccddd1", "subnet-0aaaabbbbccccddd2")
FOREIGN = {"Name": "mail.prod.corp.example.", "Type": "A", "TTL": 300, "ResourceRecords": [{"Value": "10.10.7.7"}]}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with make_cli(tmp_path_factory.mktemp("adopted"), speed=200, more='aks_sign_in = "entra"\n') as made:
        made.replace('# gateway = "create"', f'gateway = "{GATEWAY}"')
        made.replace('# route_tables = "auto"', f"route_tables = {json.dumps(TABLES)}")
        made.replace('# psk_storage = "standard"', 'psk_storage = "secrets-manager"')
        made.replace('# endpoint_subnets = "auto"', f"endpoint_subnets = {json.dumps(SUBNETS)}")
        made.replace('# hosted_zone = "create"', f'hosted_zone = "{ZONE}"')
        yield made


@pytest.fixture(scope="module")
def stood(place: Cli) -> dict[str, Any]:
    """What is there before cloudlink comes: a foreign record in the zone, and one table that has the routes already."""
    assert place.sandbox("start").code == 0
    clouds = place.clouds()
    batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": FOREIGN}]}
    clouds.aws.route53.change_resource_record_sets(HostedZoneId=ZONE, ChangeBatch=batch)
    clouds.aws.ec2.enable_vgw_route_propagation(GatewayId=GATEWAY, RouteTableId=TABLES[1])
    place.control("POST", "clock", {"advance": 120})
    return place.inventory()


@pytest.fixture(scope="module")
def built(place: Cli, stood: dict[str, Any]) -> Result:
    assert stood
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("COLUMNS", "100")  # the rows of a plan have room in it, whatever runs the tests
        return place.cloudlink("up")


def test_up_links_what_is_there(place: Cli, built: Result) -> None:
    assert built.code == 0, built.out + built.err
    assert re.search(rf"adopted: +aws_vpn.gateway .*{GATEWAY}", built.out), built.out
    clouds = place.clouds()
    connections = [c for c in clouds.aws.ec2.describe_vpn_connections()["VpnConnections"] if c["State"] == "available"]
    assert {c["VpnGatewayId"] for c in connections} == {GATEWAY}
    addresses = place.cloudlink("status", "--json").json["endpoint"]["addresses"]
    assert {a["subnet"] for a in addresses} == set(SUBNETS)


def test_the_keys_are_in_secrets_manager_and_the_tunnels_agree_on_them(place: Cli, built: Result) -> None:
    assert built.code == 0
    connections = place.clouds().aws.ec2.describe_vpn_connections()["VpnConnections"]
    assert all(c.get("PreSharedKeyArn") for c in connections if c["State"] == "available")
    assert all(t["up"] for t in place.cloudlink("status", "--json").json["tunnels"])


def test_routes_are_in_the_listed_tables_only(place: Cli, built: Result) -> None:
    assert built.code == 0
    tables = place.clouds().aws.ec2.describe_route_tables()["RouteTables"]
    having = {
        t["RouteTableId"] for t in tables if any(g["GatewayId"] == GATEWAY for g in t.get("PropagatingVgws") or ())
    }
    assert having == set(TABLES)
    assert {t["id"] for t in place.cloudlink("status", "--json").json["route_tables"]} == set(TABLES)


def test_names_work_beside_foreign_ones(place: Cli, built: Result) -> None:
    assert built.code == 0
    result = place.cloudlink("verify-dns", "sentry.prod.corp.example", "--json")
    assert (result.code, result.json["names"][0]["verdict"]) == (0, "ok")


def test_the_cluster_was_entered_with_a_token_of_entra(place: Cli, built: Result) -> None:
    assert built.code == 0
    cluster = place.clouds().azure.containers.managed_clusters.get("test", "test")
    assert cluster.disable_local_accounts
    calls = place.control("GET", "journal")["calls"]
    assert any(c["cloud"] == "entra" for c in calls)
    assert any(c["cloud"] == "aks" and c["status"] == 200 for c in calls)


def test_a_second_up_writes_nothing(place: Cli, built: Result) -> None:
    assert built.code == 0
    before = place.writes()
    assert place.cloudlink("up").code == 0
    assert place.writes() == before


def test_a_name_that_somebody_else_has_is_refused(place: Cli, built: Result) -> None:
    assert built.code == 0
    text = place.config.read_text()
    place.replace('name = "postgres"', 'name = "mail"')
    try:
        refused = place.cloudlink("up", "--json")
        assert refused.code == 3
        (error,) = (e for e in refused.lines if e["type"] == "error")
        assert ["did not make" in f["summary"] for f in error["findings"]] == [True]
    finally:
        place.config.write_text(text)
    records = place.clouds().aws.route53.list_resource_record_sets(HostedZoneId=ZONE)["ResourceRecordSets"]
    assert FOREIGN in records


def test_teardown_leaves_what_was_adopted_as_it_stood(place: Cli, built: Result, stood: dict[str, Any]) -> None:
    """Last in this module."""
    assert built.code == 0
    down = place.cloudlink("teardown", "--json")
    assert down.code == 0, down.out + down.err
    report = down.lines[-1]["teardown"]
    assert not report["leftovers"]
    kept = {
        "aws_vpn.gateway": GATEWAY,
        "aws_vpn.attachment": f"{GATEWAY}/{place.link.aws.vpc_id}",
        "resolver.zone": ZONE,
    }
    planned = next(line for line in down.lines if line["type"] == "planned")
    assert {k["address"]: k["id"] for k in planned["kept"]} == kept
    assert {line["address"] for line in down.lines if line["type"] == "kept"} == set(kept)
    assert {k["address"]: k["detail"] for k in report["kept"]} == kept
    assert down.lines[-1]["counts"]["kept"] == len(kept)
    left = place.inventory()
    for what, were in stood.items():
        assert left[what] == were, what
