"""A link whose Azure side cloudlink makes itself: resource group, VNet and a small AKS cluster, and takes down again."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.cli import Cli, Result, make_cli

VNET = """
[azure.vnet]
name = "made-vnet"
create = true
prefixes = ["10.20.0.0/16"]

[azure.vnet.cluster_subnet]
name = "nodes"
prefix = "10.20.0.0/22"
"""
OLD_VNET = """[azure.vnet]                  # the one that AKS runs in, or the hub that its VNet is peered with
name = "test-vnet"
resource_group = "test"       # default: the one above
"""
OLD_AKS = """[azure.aks]
name = "test"
resource_group = "test"
"""
AKS = """[azure.aks]
name = "made"
create = true
node_count = 2
version = "1.33"
"""
EKS_SUBNETS = ", ".join(f'"10.10.{i * 8}.0/21"' for i in range(8))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with make_cli(
        tmp_path_factory.mktemp("made"),
        speed=200,
        more=f'vpc_cidrs = ["10.10.0.0/16"]\neks_subnets = [{EKS_SUBNETS}]\n',
    ) as made:
        made.replace("# create_resource_group = false", "create_resource_group = true")
        made.replace(OLD_VNET, VNET)
        made.replace(OLD_AKS, AKS)
        yield made


@pytest.fixture(scope="module")
def stood(place: Cli) -> str:
    """What is there before cloudlink comes, without what needs the cluster."""
    assert place.sandbox("start").code == 0
    return inventory(place)


@pytest.fixture(scope="module")
def built(place: Cli, stood: str) -> Result:
    assert stood
    planned = place.cloudlink("plan", "--json")
    assert planned.code == 0, planned.out
    created = {c["address"] for c in planned.json["changes"] if c["action"] == "create"}
    assert created >= {"azure_vpn.resource_group", "azure_vpn.network", "azure_vpn.cluster"}
    assert any("8 subnets" in w and "six" in w for w in planned.json["warnings"]), planned.json["warnings"]
    return place.cloudlink("up")


def inventory(place: Cli) -> str:
    clouds = place.clouds()
    ec2 = clouds.aws.ec2
    return json.dumps(
        {
            "gateways": [
                g["VpnGatewayId"] for g in ec2.describe_vpn_gateways()["VpnGateways"] if g["State"] != "deleted"
            ],
            "groups": sorted(g["GroupId"] for g in ec2.describe_security_groups()["SecurityGroups"]),
            "interfaces": sorted(
                i["NetworkInterfaceId"] for i in ec2.describe_network_interfaces()["NetworkInterfaces"]
            ),
            "zones": sorted(z["Id"] for z in clouds.aws.route53.list_hosted_zones()["HostedZones"]),
            "resource groups": sorted(g.name for g in clouds.azure.resources.resource_groups.list()),
            "resources": sorted(str(r.id).lower() for r in clouds.azure.resources.resources.list()),
        },
        indent=1,
    )


def test_up_makes_the_azure_side_and_names_work(place: Cli, built: Result) -> None:
    assert built.code == 0, built.out + built.err
    azure = place.clouds().azure
    group = azure.resources.resource_groups.get("cloudlink-demo")
    assert group.tags["cloudlink-link"] == "demo"
    cluster = azure.containers.managed_clusters.get("cloudlink-demo", "made")
    pool = cluster.agent_pool_profiles[0]
    assert pool.count == 2
    assert str(pool.vnet_subnet_id).lower().endswith("/virtualnetworks/made-vnet/subnets/nodes")
    names = place.cloudlink("verify-dns", "sentry.prod.corp.example", "--json")
    assert names.code == 0
    assert names.json["names"][0]["verdict"] == "ok"


def test_of_more_than_six_subnets_six_get_an_address(place: Cli, built: Result) -> None:
    assert built.code == 0
    assert len(place.cloudlink("status", "--json").json["endpoint"]["addresses"]) == 6


def test_a_second_up_writes_nothing(place: Cli, built: Result) -> None:
    assert built.code == 0
    before = place.writes()
    again = place.cloudlink("up")
    assert again.code == 0
    assert "Nothing to do" in again.out
    assert place.writes() == before


def test_another_number_of_nodes_changes_the_cluster_in_place(place: Cli, built: Result) -> None:
    assert built.code == 0
    place.replace("node_count = 2", "node_count = 3")
    changes = [c for c in place.cloudlink("plan", "--json").json["changes"] if c["action"] != "no-op"]
    assert [(c["address"], c["action"]) for c in changes] == [("azure_vpn.cluster", "update")]
    done = place.cloudlink("up", "--no-verify")
    assert done.code == 0, done.out + done.err
    cluster = place.clouds().azure.containers.managed_clusters.get("cloudlink-demo", "made")
    assert cluster.agent_pool_profiles[0].count == 3


def test_teardown_removes_all_of_it(place: Cli, built: Result, stood: str) -> None:
    """Last in this module: the order of definition is the order of running."""
    assert built.code == 0
    down = place.cloudlink("teardown", "--json")
    assert down.code == 0, down.out + down.err
    report = down.lines[-1]["teardown"]
    assert not report["leftovers"]
    assert not report["kept"]
    deleted = {row["address"] for row in report["deleted"]}
    assert deleted >= {"azure_vpn.resource_group", "azure_vpn.network", "azure_vpn.cluster"}
    assert inventory(place) == stood
