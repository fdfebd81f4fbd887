"""What somebody else has joined the networks with, as both clouds of the sandbox show it, and what cuts it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.process import Sandbox
from cloudlink_sandbox.world_file import InvalidWorldFile, parse
from tests.steps.test_existing_link import config
from tests.support.life import Life


@pytest.fixture(scope="module", params=["vpn", "transit-gateway", "expressroute"])
def life(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    sandbox = Sandbox(tmp_path_factory.mktemp("wires"), speed=0, durations=Durations(exact=True))
    sandbox.start()
    made = Life(sandbox, config(request.param))
    yield made
    sandbox.stop()


def kind(life: Life) -> str:
    assert life.link.sandbox is not None
    return str(life.link.sandbox.wire)


def ways(life: Life) -> int:
    return len(life.sandbox.context.world().ways)


@pytest.mark.own(
    "A VPN, a transit gateway and ExpressRoute with Direct Connect of somebody else carry packets from the start"
)
def test_packets_pass_from_the_start(life: Life) -> None:
    world = life.sandbox.context.world()
    assert len(world.ways) == (1 if kind(life) == "expressroute" else 4)
    assert all(w.to_aws and w.to_azure for w in world.ways)
    (cluster,) = world.azure.clusters
    to = next(i.address for i in world.aws.interfaces if i.kind == "load-balancer")
    assert world.reach(cluster, cluster.node_addresses[0], to, "tcp", 443).outcome == "delivered"


@pytest.mark.documentation("ExpressRoute gateways tell what they have learned as VPN gateways do")
def test_azures_gateway_says_what_it_has_learned(life: Life) -> None:
    azure = life.clouds().azure
    (gateway,) = azure.network.virtual_network_gateways.list("contoso-wan")
    expected = "ExpressRoute" if kind(life) == "expressroute" else "Vpn"
    assert gateway.properties.gateway_type == expected
    learned = [r for r in azure.learned_routes_of(gateway.id) if r["origin"] == "EBgp"]
    assert {r["network"] for r in learned} == {"10.10.0.0/16"}
    states = [
        azure.network.virtual_network_gateway_connections.get("contoso-wan", c.name).properties.connection_status
        for c in azure.network.virtual_network_gateway_connections.list("contoso-wan")
    ]
    assert set(states) == {"Connected"}


@pytest.mark.documentation(
    "Virtual private gateways propagate what Direct Connect teaches; transit gateways need routes of the VPC"
)
def test_awss_tables_lead_to_the_vnet(life: Life) -> None:
    ec2 = life.clouds().aws.ec2
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [life.link.aws.vpc_id]}])["RouteTables"]
    for table in tables:
        (route,) = [r for r in table["Routes"] if r["DestinationCidrBlock"].startswith("10.20.")]
        if kind(life) == "transit-gateway":
            assert route["TransitGatewayId"].startswith("tgw-")
        else:
            assert route["Origin"] == "EnableVgwRoutePropagation"


@pytest.mark.model(
    "Direct Connect gateways, associations, attachments and virtual interfaces are read; writes are refused"
)
def test_direct_connect_is_read_and_not_written(life: Life) -> None:
    client = life.clouds().aws.client("directconnect")
    gateways = client.describe_direct_connect_gateways()["directConnectGateways"]
    if kind(life) != "expressroute":
        assert gateways == []
        return
    (gateway,) = gateways
    assert gateway["directConnectGatewayState"] == "available"
    id_ = gateway["directConnectGatewayId"]
    (association,) = client.describe_direct_connect_gateway_associations(directConnectGatewayId=id_)[
        "directConnectGatewayAssociations"
    ]
    assert association["associatedGateway"]["type"] == "virtualPrivateGateway"
    assert association["allowedPrefixesToDirectConnectGateway"] == [{"cidr": "10.10.0.0/16"}]
    (attachment,) = client.describe_direct_connect_gateway_attachments(directConnectGatewayId=id_)[
        "directConnectGatewayAttachments"
    ]
    assert attachment["attachmentState"] == "attached"
    (interface,) = client.describe_virtual_interfaces()["virtualInterfaces"]
    assert interface["virtualInterfaceId"] == attachment["virtualInterfaceId"]
    with pytest.raises(ClientError):
        client.describe_direct_connect_gateway_associations()
    with pytest.raises(ClientError) as refused:
        client.create_direct_connect_gateway(directConnectGatewayName="mine")
    assert "sandbox" in str(refused.value)


@pytest.mark.documentation(
    "Circuits of ExpressRoute are read; making one is refused, and so is deleting one that is provisioned"
)
def test_a_circuit_is_read_and_not_made(life: Life) -> None:
    azure = life.clouds().azure
    circuits = list(azure.network.express_route_circuits.list("contoso-wan"))
    if kind(life) != "expressroute":
        assert circuits == []
        return
    (circuit,) = circuits
    assert circuit.properties.service_provider_provisioning_state == "Provisioned"
    (peering,) = circuit.properties.peerings
    assert (peering.properties.azure_asn, peering.properties.state) == (12076, "Enabled")
    body: dict[str, Any] = {"location": "westeurope", "properties": {}}
    with pytest.raises(Exception, match="does not model"):
        azure.network.express_route_circuits.begin_create_or_update("contoso-wan", "mine", body)
    with pytest.raises(Exception, match="cannot be deleted"):
        azure.network.express_route_circuits.begin_delete("contoso-wan", circuit.name)


@pytest.mark.own("A table of a transit gateway or of the VPC without the way back drops answers")
def test_without_its_routes_nothing_comes_back(life: Life) -> None:
    ec2 = life.clouds().aws.ec2
    world = life.sandbox.context.world()
    (cluster,) = world.azure.clusters
    interface = next(i for i in world.aws.interfaces if i.kind == "load-balancer")
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [life.link.aws.vpc_id]}])["RouteTables"]
    learning = [(t["RouteTableId"], g["GatewayId"]) for t in tables for g in t["PropagatingVgws"]]
    blackhole = {"DestinationCidrBlock": "10.20.0.0/16"}
    if kind(life) == "transit-gateway":
        (table,) = ec2.describe_transit_gateway_route_tables()["TransitGatewayRouteTables"]
        blackhole["TransitGatewayRouteTableId"] = table["TransitGatewayRouteTableId"]
        ec2.create_transit_gateway_route(**blackhole, Blackhole=True)
    for id_, gateway in learning:
        ec2.disable_vgw_route_propagation(RouteTableId=id_, GatewayId=gateway)
    reach = life.sandbox.context.world().reach(cluster, cluster.node_addresses[0], interface.address, "tcp", 443)
    assert reach.outcome == "dropped"
    assert "no route back" in reach.why

    if kind(life) == "transit-gateway":
        ec2.delete_transit_gateway_route(**blackhole)
    for id_, gateway in learning:
        ec2.enable_vgw_route_propagation(RouteTableId=id_, GatewayId=gateway)
    again = life.sandbox.context.world().reach(cluster, cluster.node_addresses[0], interface.address, "tcp", 443)
    assert again.outcome == "delivered"


@pytest.mark.own("A wire comes back with its saved world")
def test_a_wire_survives_a_restart(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path / "one", speed=0, durations=Durations(exact=True))
    sandbox.start()
    made = Life(sandbox, config("expressroute"))
    assert ways(made) == 1
    sandbox.save()
    sandbox.stop()
    again = Sandbox(tmp_path / "one", speed=0, durations=Durations(exact=True))
    assert again.load()
    assert len(again.context.world().ways) == 1


@pytest.mark.own("A wire that the world file cannot have is refused with its key")
@pytest.mark.parametrize(
    ("wire", "word"),
    [
        ({"kind": "carrier-pigeon"}, "wire.kind"),
        ({"gateway_subnet": "10.99.0.0/27"}, "wire.gateway_subnet"),
        ({"gatewaysubnet": "10.20.0.0/27"}, "gateway_subnet"),
    ],
)
def test_a_wire_that_cannot_be_is_refused(wire: dict[str, Any], word: str) -> None:
    with pytest.raises(InvalidWorldFile) as raised:
        parse({"wire": wire})
    assert word in str(raised.value.detail)
