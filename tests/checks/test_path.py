"""What the way between two networks of others lacks, from facts alone: each direction, each kind of gateway."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any, cast

import pytest

from cloudlink.checks import existing_status, path, path_reads
from cloudlink.checks.path_reads import AzureGateway, PathFacts, Transit
from cloudlink.checks.preflight.azure_facts import AzureFacts, Unread
from cloudlink.checks.report import Health, Outcome
from cloudlink.checks.status_reads import Facts
from cloudlink.clouds.aws.parse_connections import Connection, Tunnel
from cloudlink.clouds.aws.parse_routes import Table, TableRoute
from cloudlink.clouds.aws.parse_transit import Association, Attachment, TransitRoute, TransitTable
from cloudlink.clouds.azure.parse_aks import AgentPool, AksCluster
from cloudlink.clouds.azure.parse_gateway import Gateway
from cloudlink.clouds.azure.parse_network import Peering, Route, RouteTable, Subnet, Vnet
from cloudlink.errors import CloudError, Severity
from cloudlink.ipsec import IpsecPolicy
from tests.support.links import make_link
from tests.support.pinned import pin

VNET = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/apps"
GATEWAY = "/subscriptions/s/resourceGroups/wan/providers/Microsoft.Network/virtualNetworkGateways/wan"
AKS_SUBNET = f"{VNET}/subnets/aks"
VPC, NODES = IPv4Network("10.10.0.0/16"), IPv4Network("10.20.0.0/20")
LINK = make_link(transport="existing", azure={"gateway_subnet": None})


def way(target: str, destination: str = "10.20.0.0/16", **more: Any) -> TableRoute:
    return TableRoute(IPv4Network(destination), target, **{"active": True, "propagated": False, **more})


def table(*routes: TableRoute) -> Table:
    return Table("rtb-1", subnets=("subnet-1",), routes=(TableRoute(VPC, "local", True, False), *routes))


def vpn(gateway: str, *states: str) -> Connection:
    tunnels = tuple(
        Tunnel(IPv4Network(f"169.254.22.{4 * n}/30"), None, None, IpsecPolicy(), state=s) for n, s in enumerate(states)
    )
    return Connection("vpn-1", "available", gateway, "cgw-1", tunnels, True, "", "0.0.0.0/0", "0.0.0.0/0")


def azure(*, table: RouteTable | None = None, peerings: tuple[Peering, ...] = ()) -> AzureFacts:
    subnet = Subnet(AKS_SUBNET, "aks", (NODES,), route_table_id=table.id if table else "")
    return AzureFacts(
        vnet=Vnet(VNET, "apps", "westeurope", (IPv4Network("10.20.0.0/16"),), (subnet,), peerings),
        cluster=AksCluster("id", "aks-one", pools=(AgentPool("one", subnet_id=AKS_SUBNET),)),
        tables=(table,) if table else (),
        vpc=(VPC,),
        gateway=True,
    )


GOOD = PathFacts(
    vpc=(VPC,),
    wanted=(VPC,),
    sources=(NODES,),
    tables=(table(way("vgw-1", propagated=True)),),
    gateways=frozenset({"vgw-1"}),
    connections=(vpn("vgw-1", "UP", "DOWN"),),
    azure=azure(),
    azure_gateways=(AzureGateway(Gateway(GATEWAY, type="Vpn", bgp=True), (VPC,)),),
)


def diagnosed(facts: PathFacts) -> path.PathReport:
    return pin(path.diagnose(facts, LINK), beside=path.diagnose(GOOD, LINK))


def found(facts: PathFacts) -> dict[str, str]:
    path_report = diagnosed(facts)
    return {f.summary: f"{f.severity}: {f.detail} {f.hint}" for f in path_report.findings}


def obstacles(facts: PathFacts) -> list[str]:
    return [f.summary for f in diagnosed(facts).findings if f.severity is Severity.OBSTACLE]


def test_a_way_there_and_back_is_found_clean_and_named() -> None:
    assert found(GOOD) == {}
    path_report = pin(path.diagnose(GOOD, LINK))
    assert path_report.there_by == ("VPN gateway wan",)
    assert path_report.back_by == ("virtual private gateway vgw-1 (1 VPN connection)",)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"azure_gateways": (replace(GOOD.azure_gateways[0], routes=()),)}, "It has none to anywhere"),
        (
            {"azure_gateways": (replace(GOOD.azure_gateways[0], routes=(IPv4Network("10.10.0.0/17"),)),)},
            "It has 10.10.0.0/17",
        ),
        ({"azure_gateways": ()}, "Nothing joins apps"),
    ],
)
def test_azure_without_a_route_to_all_that_is_wanted(changes: dict[str, Any], word: str) -> None:
    said = found(replace(GOOD, **changes))[path.NO_WAY_THERE]
    assert said.startswith("obstacle")
    assert word in said


@pytest.mark.parametrize(
    ("routes", "word"),
    [
        ((), "has no route to 10.20.0.0/20"),
        ((way("nat-1", "0.0.0.0/0"),), "What is for elsewhere goes to nat-1"),
        ((way("vgw-1", active=False),), "blackhole"),
        ((way("vgw-9"),), "not attached to vpc-1"),
        ((way("vgw-1", "10.20.8.0/21"),), "has no route to 10.20.0.0/20"),
    ],
)
def test_aws_without_a_route_back(routes: tuple[TableRoute, ...], word: str) -> None:
    said = found(replace(GOOD, tables=(table(*routes),)))[path.NO_WAY_BACK]
    assert said.startswith("obstacle")
    assert word in said
    assert "rtb-1" in said


def test_a_gateway_behind_which_nothing_is() -> None:
    assert "neither a VPN connection nor a Direct Connect" in found(replace(GOOD, connections=()))[path.NO_WAY_BACK]
    assert obstacles(replace(GOOD, connections=(vpn("vgw-1", "DOWN", "DOWN"),))) == ["No tunnel of the VPN is up"]
    # where it may not be read, nothing is said to be missing
    unread = (Unread("Direct Connect gateways behind vgw-1", "denied"),)
    assert obstacles(replace(GOOD, connections=(), unread_in_aws=unread)) == []
    down = (vpn("vgw-1", "DOWN", "DOWN"),)
    assert obstacles(replace(GOOD, connections=down, unread_in_aws=unread)) == []


@pytest.mark.parametrize(
    ("allowed", "gateway", "bad"),
    [
        ((VPC,), "vgw-1", False),
        ((), "vgw-1", False),  # all ranges of the VPC
        ((IPv4Network("10.99.0.0/16"),), "vgw-1", True),
        ((), "tgw-1", True),  # with a transit gateway nothing is announced by itself
        ((VPC,), "tgw-1", False),
    ],
)
def test_allowed_prefixes_of_a_direct_connect_gateway(
    allowed: tuple[IPv4Network, ...], gateway: str, bad: bool
) -> None:
    direct = (Association("dxgw", gateway, "associated", allowed),)
    facts = replace(GOOD, connections=(), direct=direct)
    if gateway == "tgw-1":
        facts = replace(facts, **over_transit("direct-connect-gateway"))
    assert obstacles(facts) == (["Direct Connect does not announce the VPC"] if bad else [])


def over_transit(kind: str = "vpn", **changes: Any) -> dict[str, Any]:
    attachments = (
        Attachment("attach-vpc", "tgw-1", "vpc", "vpc-1", table="tgw-rtb-1"),
        Attachment("attach-far", "tgw-1", kind, "vpn-1", table="tgw-rtb-2"),
    )
    tables = (
        TransitTable("tgw-rtb-1", (TransitRoute(IPv4Network("10.20.0.0/16"), ("attach-far",)),)),
        TransitTable("tgw-rtb-2", (TransitRoute(VPC, ("attach-vpc",)),)),
    )
    made = Transit("tgw-1", **{"attachments": attachments, "tables": tables, **changes})
    return {"tables": (table(way("tgw-1")),), "transits": (made,), "connections": (vpn("tgw-1", "UP"),)}


def test_a_transit_gateway_with_both_ways() -> None:
    facts = replace(GOOD, **over_transit())
    assert found(facts) == {}
    assert diagnosed(facts).back_by == ("transit gateway tgw-1",)


@pytest.mark.parametrize(
    ("changes", "summary", "word"),
    [
        ({"attachments": ()}, path.NO_WAY_BACK, "create-transit-gateway-vpc-attachment"),
        (
            {"attachments": (Attachment("a", "tgw-1", "vpc", "vpc-1"),)},
            path.NO_WAY_BACK,
            "associate-transit-gateway-route-table",
        ),
        ({"tables": (TransitTable("tgw-rtb-1"),)}, path.NO_WAY_BACK, "has no route to 10.20.0.0/20"),
        (
            {"tables": (TransitTable("tgw-rtb-1", (TransitRoute(IPv4Network("10.20.0.0/16"), (), active=False),)),)},
            path.NO_WAY_BACK,
            "a blackhole for",
        ),
        (
            {
                "tables": (
                    TransitTable("tgw-rtb-1", (TransitRoute(IPv4Network("10.20.0.0/16"), ("attach-far",)),)),
                    TransitTable("tgw-rtb-2"),
                )
            },
            "The transit gateway has no way to the VPC",
            "attach-vpc",
        ),
    ],
)
def test_what_a_transit_gateway_can_lack(changes: dict[str, Any], summary: str, word: str) -> None:
    said = found(replace(GOOD, **over_transit(**changes)))
    assert list(said) == [summary]
    assert said[summary].startswith("obstacle")
    assert word in said[summary]


def test_of_a_table_that_was_not_read_whole_nothing_is_said_to_be_missing() -> None:
    part = TransitTable("tgw-rtb-1", whole=False)
    assert found(replace(GOOD, **over_transit(tables=(part,)))) == {}


def test_what_goes_on_behind_another_target_is_for_a_pod_to_prove() -> None:
    said = found(replace(GOOD, tables=(table(way("eni-1")),)))
    assert list(said) == ["Not proved: the way back behind a target of AWS"]


def test_an_appliance_on_azures_side_is_no_gateway_to_ask() -> None:
    routes = (
        Route("all", "0.0.0.0/0", "VirtualAppliance", "10.9.0.4"),
        Route("vpc", str(VPC), "VirtualAppliance", "10.9.0.4"),
    )
    facts = replace(GOOD, azure=azure(table=RouteTable("rt", "rt", routes=routes)), azure_gateways=())
    assert obstacles(facts) == []
    assert "Packets for AWS go through an appliance" in found(facts)


def test_a_route_of_the_cluster_that_leads_to_nowhere() -> None:
    facts = replace(GOOD, azure=azure(table=RouteTable("rt", "rt", routes=(Route("no", str(VPC), "None"),))))
    assert "A route of the cluster's subnet leads away from AWS" in obstacles(facts)


def test_virtual_wan_is_said_not_to_be_seen() -> None:
    assert list(found(replace(GOOD, azure_gateways=(), wan="to-hub"))) == [
        "Not proved: the routes of a Virtual WAN hub"
    ]


def test_a_part_of_the_way_back_that_leads_elsewhere() -> None:
    facts = replace(GOOD, tables=(table(way("vgw-1"), way("eni-9", "10.20.1.0/24")),))
    assert list(found(facts)) == ["A part of the way back leads elsewhere"]


# --- the verdict of status ------------------------------------------------------------------------------------


def status(facts: PathFacts) -> existing_status.StatusReport:
    return pin(existing_status.report(LINK, Facts(), diagnosed(facts)))


def test_status_says_whose_link_it_is_and_what_carries_it() -> None:
    made = status(GOOD)
    assert made.verdict.startswith("Link: not made by cloudlink (VPN gateway wan; virtual private gateway vgw-1")
    assert "Both clouds have a way there and back." in made.verdict
    assert made.transport == "existing"
    assert pin(existing_status.quick(LINK, diagnosed(GOOD))).health is Health.HEALTHY


def test_a_path_without_a_way_is_down_with_what_to_type() -> None:
    made = existing_status.quick(LINK, path.diagnose(replace(GOOD, tables=(table(),)), LINK))
    assert made.health is Health.DOWN
    assert "does not let packets pass" in made.verdict
    assert "enable-vgw-route-propagation" in f"{made.advice.command} {made.advice.task}"
    (failed,) = [c for c in made.checks if c.outcome is Outcome.FAILED]
    assert failed.name == "routes-aws"


def test_a_path_that_may_not_be_read_is_unknown() -> None:
    facts = replace(GOOD, unread=(Unread("the gateway of the hub", "denied"),))
    made = pin(existing_status.quick(LINK, diagnosed(facts)))
    assert made.health is Health.UNKNOWN
    assert "denied" in made.advice.cause
    assert [c.name for c in made.checks if c.outcome is Outcome.UNSEEN] == ["routes-azure"]
    facts = replace(GOOD, unread_in_aws=(Unread("the route table tgw-rtb-1", "denied"),))
    made = pin(existing_status.quick(LINK, diagnosed(facts)))
    assert [c.name for c in made.checks if c.outcome is Outcome.UNSEEN] == ["routes-aws"]


class Clouds:
    """Azure as the path is read: objects by id."""

    def __init__(self, things: dict[str, Any], learned: list[Any] | Exception) -> None:
        self.things = things
        self.learned = learned
        self.asked: list[str] = []

    def thing(self, id_: str) -> Any:
        self.asked.append(id_)
        return self.things.get(id_)

    def learned_routes_of(self, id_: str) -> list[Any]:
        if isinstance(self.learned, Exception):
            raise self.learned
        return self.learned

    def connections_of(self, id_: str) -> list[Any]:
        return [{"id": f"{id_}/c", "properties": {"localNetworkGateway2": {"id": "/far"}}}]


HUB = VNET.replace("apps", "hub")


def hub(**gateway: Any) -> dict[str, Any]:
    config = {"id": f"{GATEWAY}/ipConfigurations/one"}
    subnet = {
        "name": "GatewaySubnet",
        "id": f"{HUB}/subnets/GatewaySubnet",
        "properties": {"ipConfigurations": [config]},
    }
    return {
        HUB: {"id": HUB, "name": "hub", "properties": {"subnets": [subnet]}},
        GATEWAY: {"id": GATEWAY, "properties": {"gatewayType": "Vpn", "enableBgp": True, **gateway}},
        "/far": {"id": "/far", "properties": {"localNetworkAddressSpace": {"addressPrefixes": ["10.10.0.0/16"]}}},
    }


SPOKE = azure(peerings=(Peering(f"{VNET}/p", "to-hub", VNET, HUB, uses_gateway=True),))
LEARNED = [
    {"network": "10.10.0.0/16", "origin": "EBgp", "nextHop": "169.254.22.1", "sourcePeer": "169.254.22.1"},
    {"network": "10.30.0.0/16", "origin": "Network", "sourcePeer": "10.30.0.4"},
]


def read_gateways(clouds: Clouds, around: AzureFacts) -> tuple[tuple[AzureGateway, ...], str, list[Unread]]:
    reader = path_reads.Reader(lambda error: error if isinstance(error, CloudError) else None)
    found, wan = path_reads.azure_gateways(cast(Any, clouds), around, reader)
    return found, wan, reader.unread


def test_a_spoke_goes_by_the_gateway_of_its_hub() -> None:
    (found,), wan, unread = read_gateways(Clouds(hub(), LEARNED), SPOKE)
    assert (found.name, found.routes, found.known) == ("VPN gateway wan", (VPC,), True)
    assert (wan, unread) == ("", [])


def test_a_gateway_without_bgp_has_the_ranges_of_its_local_network_gateways() -> None:
    (found,), _, _ = read_gateways(Clouds(hub(enableBgp=False), []), SPOKE)
    assert found.routes == (VPC,)


def test_a_hub_that_may_not_be_read_is_said_and_hides_nothing() -> None:
    (found,), _, unread = read_gateways(Clouds(hub(), CloudError("denied")), SPOKE)
    assert not found.known
    assert [u.what for u in unread] == [f"the routes of {GATEWAY}"]
    assert obstacles(replace(GOOD, azure_gateways=(found,))) == []


def test_a_bug_while_reading_is_no_unread_thing() -> None:
    with pytest.raises(ZeroDivisionError):
        read_gateways(Clouds(hub(), ZeroDivisionError()), SPOKE)


def test_a_peering_with_virtual_wan_is_told_by_its_name() -> None:
    wan = azure(peerings=(Peering("p", "to-wan", VNET, VNET.replace("apps", "HV_hub_1"), uses_gateway=True),))
    assert read_gateways(Clouds({}, []), wan)[:2] == ((), "to-wan")


def test_of_what_does_not_exist_no_path_is_told() -> None:
    made = pin(existing_status.absent(status(GOOD), LINK))
    assert (made.health, made.transport, made.next) == (Health.ABSENT, LINK.transport, ("cloudlink up",))
