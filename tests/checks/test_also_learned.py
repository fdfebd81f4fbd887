"""Which ranges each side learns beyond what the link is for, and whose they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

from cloudlink.checks import also_learned, path
from cloudlink.checks.also_learned import Owned
from cloudlink.checks.path_reads import AzureGateway, Transit
from cloudlink.checks.preflight.transit import TransitFacts
from cloudlink.clouds.aws.parse_routes import Table, TableRoute
from cloudlink.clouds.aws.parse_transit import Association, Attachment, TransitRoute, TransitTable
from cloudlink.clouds.azure.parse_aks import AgentPool, AksCluster
from cloudlink.clouds.azure.parse_gateway import LearnedRoute
from cloudlink.clouds.azure.parse_network import Peering, Subnet, Vnet
from cloudlink.core.also_learned import AlsoLearned
from cloudlink.steps.aws_vpn.transit import TransitTables
from tests.checks import test_path
from tests.checks.test_tunnels import LINK, Said

HUB = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/hub"
SPOKE = HUB.replace("/hub", "/spoke")


def net(text: str) -> IPv4Network:
    return IPv4Network(text)


def said(rows: Iterable[AlsoLearned]) -> dict[str, str]:
    return {f"{r.side} {r.range}": r.owner for r in rows}


def vnet(*prefixes: str, peerings: tuple[Peering, ...] = ()) -> Vnet:
    subnet = Subnet(f"{HUB}/subnets/aks", "aks", (net("10.20.0.0/22"),))
    return Vnet(HUB, "hub", prefixes=tuple(map(net, prefixes)), subnets=(subnet,), peerings=peerings)


def peered(*, lends: bool = True) -> Peering:
    return Peering("id", "to-spoke", HUB, SPOKE, lends_gateway=lends, remote_ranges=(net("10.40.0.0/16"),))


def aks(subnet: str) -> AksCluster:
    return AksCluster("id", "aks", pools=(AgentPool("one", subnet_id=subnet),))


IN_HUB = aks(f"{HUB}/subnets/aks")


# --- a plan -------------------------------------------------------------------------------------------------


def will(side: Any, owned: Iterable[Owned]) -> dict[str, str]:
    return said(also_learned.expected(side, "there", owned))


def test_the_range_in_which_the_link_is_is_no_other() -> None:
    assert will("azure", also_learned.of_vpc(LINK, [net("10.10.0.0/16")], [net("10.10.1.0/24")])) == {}
    assert will("aws", also_learned.of_vnets(vnet("10.20.0.0/16"), IN_HUB, ())) == {}


def test_a_second_range_of_the_vpc_is_told_as_the_vpcs() -> None:
    ranges = [net("10.10.0.0/16"), net("100.64.0.0/16")]
    found = will("azure", also_learned.of_vpc(LINK, ranges, [net("10.10.1.0/24")]))
    assert found == {"azure 100.64.0.0/16": f"VPC {LINK.aws.vpc_id}; nothing of the link lies in it"}
    assert will("azure", also_learned.of_vpc(LINK, ranges, [])) == {}, "where the link is was not read"


def test_a_second_range_of_the_vnet_and_a_peered_vnet_are_told() -> None:
    found = will("aws", also_learned.of_vnets(vnet("10.20.0.0/16", "10.30.0.0/16", peerings=(peered(),)), IN_HUB, ()))
    assert found == {
        "aws 10.30.0.0/16": "VNet hub; the cluster has no subnet in it",
        "aws 10.40.0.0/16": "VNet spoke, which is peered with hub and uses its gateway",
    }


def test_a_peered_vnet_that_may_not_use_the_gateway_is_not_announced() -> None:
    assert will("aws", also_learned.of_vnets(vnet("10.20.0.0/16", peerings=(peered(lends=False),)), IN_HUB, ())) == {}


def test_with_the_cluster_in_a_spoke_the_hub_is_what_is_announced_besides() -> None:
    subnet = Subnet(f"{SPOKE}/subnets/aks", "aks", (net("10.40.0.0/24"),))
    spoke = Vnet(SPOKE, "spoke", subnets=(subnet,))
    for spokes in ((spoke,), ()):  # a spoke that was not read counts whole
        owned = also_learned.of_vnets(vnet("10.20.0.0/16", peerings=(peered(),)), aks(f"{SPOKE}/subnets/aks"), spokes)
        assert will("aws", owned) == {"aws 10.20.0.0/16": "VNet hub; the cluster has no subnet in it"}


TRANSIT = TransitFacts(
    attachments=(
        Attachment("tgw-attach-1", "tgw-1", "vpc", LINK.aws.vpc_id),
        Attachment("tgw-attach-2", "tgw-1", "vpn", "vpn-0"),
        Attachment("tgw-attach-9", "tgw-1", "vpc", "vpc-9"),
        Attachment("tgw-attach-8", "tgw-1", "direct-connect-gateway", "dxgw-8"),
    ),
    own=frozenset({LINK.aws.vpc_id, "vpn-0"}),
    tables=TransitTables("tgw-rtb-1", ("tgw-rtb-1", "tgw-rtb-1")),
    routes={
        "tgw-rtb-1": TransitTable(
            "tgw-rtb-1",
            (
                TransitRoute(net("10.10.0.0/16"), ("tgw-attach-1",)),
                TransitRoute(net("10.20.0.0/16"), ("tgw-attach-2",)),
                TransitRoute(net("10.30.0.0/16"), ("tgw-attach-2",)),
                TransitRoute(net("10.90.0.0/16"), ("tgw-attach-9",)),
                TransitRoute(net("10.80.0.0/16"), ("tgw-attach-8",), static=True),
                TransitRoute(net("10.70.0.0/16"), (), active=False),
            ),
        )
    },
)


def test_what_others_have_in_the_transit_gateways_table_is_told_to_azure() -> None:
    found = will("azure", also_learned.of_transit(TRANSIT, LINK))
    assert found == {
        "azure 10.80.0.0/16": "Direct Connect gateway dxgw-8 (tgw-attach-8)",
        "azure 10.90.0.0/16": "VPC vpc-9 (tgw-attach-9)",
    }
    assert will("azure", also_learned.of_transit(None, LINK)) == {}


def table(*routes: tuple[str, bool]) -> Table:
    return Table("rtb-1", routes=tuple(TableRoute(net(d), "vgw-1", True, p) for d, p in routes))


def test_an_adopted_virtual_private_gateway_tells_azure_what_it_learns_of_others() -> None:
    there = table(("10.20.0.0/16", True), ("172.20.0.0/16", True), ("172.21.0.0/16", False))
    owned = also_learned.of_other_connections(
        ["vgw-1"], [there], [test_path.vpn("vgw-1", "UP")], LINK, [net("10.20.0.0/16")]
    )
    assert will("azure", owned) == {
        "azure 172.20.0.0/16": "a network behind VPN connection vpn-1 or Direct Connect, which vgw-1 is joined with"
    }


def learned(network: str, peer: str, origin: str = "EBgp") -> LearnedRoute:
    return LearnedRoute(network, peer, peer, origin)


def test_an_adopted_gateway_of_azure_tells_aws_what_it_has_of_its_other_peers() -> None:
    ours = str(LINK.tunnels[0].aws_inside)
    rows = [
        learned("10.10.0.0/16", ours),
        learned("172.30.0.0/16", "10.99.0.1"),
        learned("172.31.0.0/16", "10.99.0.2"),
        learned("172.31.0.0/16", "10.99.0.2", "IBgp"),
        learned("10.20.0.0/16", "", "Network"),
    ]
    owned = [
        *also_learned.of_other_peers(LINK, rows, "wan", {"10.99.0.1": "office"}),
        *also_learned.of_static_connections("wan", {"shop": [net("172.28.0.0/16")]}),
    ]
    assert will("aws", owned) == {
        "aws 172.28.0.0/16": "the network behind shop, to which wan has a connection without BGP",
        "aws 172.30.0.0/16": "the network behind office (10.99.0.1), a BGP peer of wan",
        "aws 172.31.0.0/16": "the network behind 10.99.0.2, a BGP peer of wan",
    }


# --- a link that exists ---------------------------------------------------------------------------------------


def reported(*, learned: Iterable[str] = (), tables: Iterable[str] = (), **more: Any) -> Said:
    """learned: by Azure, over a tunnel of ours. tables: propagated into AWS's table."""
    found = Said()
    inside = str(LINK.tunnels[0].aws_inside)
    found.learned = [{"network": n, "sourcePeer": inside, "nextHop": inside, "origin": "EBgp"} for n in learned]
    origin = {"GatewayId": "vgw-1", "State": "active", "Origin": "EnableVgwRoutePropagation"}
    found.tables[0]["Routes"] = [{"DestinationCidrBlock": n, **origin} for n in tables]
    found.more.update(more)
    return found


def of_status(**more: Any) -> tuple[AlsoLearned, ...]:
    found: tuple[AlsoLearned, ...] = reported(**more).report().also_learned
    return found


AZURES = tuple(also_learned.of_vnets(vnet("10.20.0.0/16", "10.30.0.0/16"), IN_HUB, ()))
AWSES = tuple(also_learned.of_vpc(LINK, [net("10.10.0.0/16"), net("100.64.0.0/16")], [net("10.10.1.0/24")]))


def test_status_lists_what_the_tables_have_with_whose_it_is() -> None:
    tables = ("10.20.0.0/16", "10.30.0.0/16", "172.30.0.0/16")
    rows = of_status(tables=tables, azure_owns=AZURES)
    assert said(rows) == {
        "aws 10.30.0.0/16": "VNet hub; the cluster has no subnet in it",
        "aws 172.30.0.0/16": also_learned.UNKNOWN,
    }
    assert {r.where for r in rows} == {"rtb-1"}


def test_a_route_that_may_be_another_connections_is_not_called_azures() -> None:
    said_by = reported(tables=["172.30.0.0/16"], azure_owns=AZURES)
    said_by.vpns.append(dict(said_by.vpns[0], VpnConnectionId="vpn-other", Tags=[]))
    (row,) = said_by.report().also_learned
    assert "VPN connection vpn-other" in row.owner


def test_status_lists_what_azure_has_learned_over_the_tunnels() -> None:
    assert said(of_status(learned=["10.10.0.0/16", "100.64.0.0/16", "10.99.0.0/16"], aws_owns=AWSES)) == {
        "azure 10.99.0.0/16": also_learned.UNKNOWN,
        "azure 100.64.0.0/16": f"VPC {LINK.aws.vpc_id}; nothing of the link lies in it",
    }


def test_where_it_is_not_known_what_the_link_is_for_nothing_is_called_more() -> None:
    assert of_status(learned=["10.99.0.0/16"], tables=["172.30.0.0/16"]) == ()


def test_status_over_a_transit_gateway_reads_its_tables() -> None:
    rows = of_status(transit=TRANSIT, azure_owns=AZURES, aws_owns=AWSES, learned=["10.90.0.0/16"])
    assert said(rows) == {
        "aws 10.30.0.0/16": "VNet hub; the cluster has no subnet in it",
        "azure 10.90.0.0/16": "VPC vpc-9 (tgw-attach-9)",
    }


def test_it_is_neither_an_error_nor_drift() -> None:
    one = reported(tables=["10.20.0.0/16", "172.30.0.0/16"], azure_owns=AZURES).report()
    other = reported(tables=["10.20.0.0/16"], azure_owns=AZURES).report()
    assert one.also_learned and not other.also_learned
    assert (one.health, one.checks, one.drift, one.advice) == (other.health, other.checks, other.drift, other.advice)


# --- over what somebody else has joined -----------------------------------------------------------------------


def over(**changes: Any) -> dict[str, str]:
    return said(path.diagnose(replace(test_path.GOOD, **changes), test_path.LINK).also_learned)


def test_over_a_vpn_of_somebody_elses() -> None:
    gateway = replace(test_path.GOOD.azure_gateways[0], routes=(test_path.VPC, net("172.30.0.0/16")))
    routes = (test_path.way("vgw-1", propagated=True), test_path.way("vgw-1", "172.20.0.0/16", propagated=True))
    assert over() == {}
    found = over(azure_gateways=(gateway,), tables=(test_path.table(*routes),))
    assert found["azure 172.30.0.0/16"] == also_learned.UNKNOWN
    assert "vpn-1" in found["aws 172.20.0.0/16"]


def test_inside_addresses_of_somebody_elses_tunnels_are_called_that() -> None:
    routes = (test_path.VPC, net("169.254.22.1/32"), net("172.30.0.0/16"))
    gateway = replace(test_path.GOOD.azure_gateways[0], routes=routes)
    back = (test_path.way("vgw-1", propagated=True), test_path.way("vgw-1", "169.254.22.2/32", propagated=True))
    found = over(azure_gateways=(gateway,), tables=(test_path.table(*back),))
    assert found == {
        "azure 169.254.22.1/32": "inside address of a tunnel of the VPN that joins the networks",
        "aws 169.254.22.2/32": "inside address of a tunnel of the VPN that joins the networks",
        "azure 172.30.0.0/16": also_learned.UNKNOWN,
    }


def test_allowed_prefixes_that_are_wider_than_the_vpc_are_named() -> None:
    allowed = (test_path.VPC, net("10.0.0.0/8"), net("172.16.0.0/12"))
    for gateway, wider in (("tgw-1", {"azure 10.0.0.0/8", "azure 172.16.0.0/12"}), ("vgw-1", set())):
        direct = Association("dxgw", gateway, "associated", allowed)
        found = over(direct=(direct,))
        assert set(found) == wider
        assert all("allowed prefix of the Direct Connect gateway dxgw" in owner for owner in found.values())


def test_over_a_transit_gateway_of_somebody_elses() -> None:
    through = Transit(
        "tgw-1",
        (
            Attachment("tgw-attach-1", "tgw-1", "vpc", test_path.LINK.aws.vpc_id, table="tgw-rtb-1"),
            Attachment("tgw-attach-2", "tgw-1", "vpn", "vpn-1", table="tgw-rtb-1"),
            Attachment("tgw-attach-9", "tgw-1", "vpc", "vpc-9", table="tgw-rtb-1"),
        ),
        (
            TransitTable(
                "tgw-rtb-1",
                (
                    TransitRoute(test_path.VPC, ("tgw-attach-1",)),
                    TransitRoute(net("10.20.0.0/16"), ("tgw-attach-2",)),
                    TransitRoute(net("172.16.0.0/16"), ("tgw-attach-2",)),
                    TransitRoute(net("10.90.0.0/16"), ("tgw-attach-9",)),
                ),
            ),
        ),
    )
    gateway = AzureGateway(test_path.GOOD.azure_gateways[0].gateway, (test_path.VPC, net("10.90.0.0/16")))
    found = over(transits=(through,), azure_gateways=(gateway,), tables=(test_path.table(test_path.way("tgw-1")),))
    assert found == {
        "aws 172.16.0.0/16": "a network behind VPN connection vpn-1 (tgw-attach-2)",
        "azure 10.90.0.0/16": "VPC vpc-9 (tgw-attach-9)",
    }
