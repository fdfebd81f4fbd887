"""The failure catalogue, tunnels and routes: each misconfiguration shows its symptom, in both clouds' own answers.

The numbers are those of the catalogue that the project began with. Left out here:

* 19 (MTU), 20 (stateful firewalls between the clouds), 21 (throughput), 43 (Azure private DNS zones), 44 (BGP timers): the
  sandbox has no packets of a size, no firewalls, no load and no such zones, and the timers cannot be configured.
* 22 (one tunnel is no redundancy), 45 (order of taking down): tests/cli/test_variants_tunnels.py, tests/cli/test_taking_down.py.
* 23 (a gateway that cannot be made), 24 and 25 (one write at a time, operations that are forgotten): tests/sandbox/azure.
* 27 (an identical customer gateway is given back): tests/sandbox/aws/test_aws_vpn.py.
* 28 to 42: test_catalogue_of_names.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from botocore.exceptions import ClientError

from cloudlink_sandbox.faults import Fault
from cloudlink_sandbox.world import World
from tests.sandbox.world.harness import GATEWAY, Harness
from tests.support.manual_edits import GROUP

UP, DOWN, NO_BGP = "UP", "IPSEC IS DOWN", "IPSEC IS UP"
PEERS = ("169.254.21.1", "169.254.22.1", "169.254.21.5", "169.254.22.5")


def connections(harness: Harness) -> list[Any]:
    api = harness.network.virtual_network_gateway_connections
    return [api.get(GROUP, f"cloudlink-demo-connection-{i + 1}") for i in range(4)]


def put(harness: Harness, connection: Any) -> None:
    harness.network.virtual_network_gateway_connections.begin_create_or_update(
        GROUP, connection.name, connection, polling=False
    )
    harness.later(300)


@pytest.mark.own("A healthy link: four tunnels up on both sides, with routes both ways")
def test_00_nothing_is_wrong(harness: Harness) -> None:
    assert harness.aws() == [UP] * 4
    assert harness.azure() == ["Connected"] * 4
    assert harness.bgp() == dict.fromkeys(PEERS, "Connected")
    assert harness.learned() == {"10.10.0.0/16"}
    assert harness.whys() == [""] * 4


@pytest.mark.documentation(
    "Connections that name no custom BGP address use the first one: half of the sessions stay Connecting"
)
def test_01_custom_addresses_missing_on_the_connections(harness: Harness) -> None:
    for connection in connections(harness):
        connection.properties.gateway_custom_bgp_ip_addresses = []
        put(harness, connection)
    assert harness.aws() == [UP, NO_BGP, UP, NO_BGP]
    assert harness.azure() == ["Connected"] * 4
    assert {p for p, state in harness.bgp().items() if state == "Connecting"} == {PEERS[1], PEERS[3]}
    assert "speaks BGP from 169.254.21.2, AWS expects 169.254.22.2" in harness.whys()[1]


@pytest.mark.documentation("With the two ends of the inside ranges exchanged IPsec is up everywhere and no session is")
def test_02_inside_addresses_exchanged(harness: Harness) -> None:
    for tunnel in harness.place.link.tunnels:
        harness.hand.local_gateway(tunnel.index, peer=str(tunnel.azure_inside))
    assert harness.aws() == [NO_BGP] * 4
    assert harness.azure() == ["Connected"] * 4
    assert "Connected" not in harness.bgp().values()
    assert all("Azure expects the BGP peer" in why for why in harness.whys())


@pytest.mark.documentation(
    "Azure refuses custom addresses outside its range, and a second one where there is one instance"
)
def test_03_addresses_that_azure_does_not_take(harness: Harness) -> None:
    def refused(**changes: Any) -> str:
        gateway = harness.network.virtual_network_gateways.get(GROUP, GATEWAY)
        gateway.properties.bgp_settings.bgp_peering_address = None
        for name, value in changes.items():
            if name == "custom":
                gateway.properties.bgp_settings.bgp_peering_addresses[0].custom_bgp_ip_addresses = value
            else:
                setattr(gateway.properties, name, value)
        with pytest.raises(HttpResponseError) as caught:
            harness.network.virtual_network_gateways.begin_create_or_update(GROUP, GATEWAY, gateway, polling=False)
        return str(caught.value.error.code)

    assert refused(custom=["169.254.20.2"]) == "CustomBgpIpAddressOutOfRange"
    assert refused(active_active=False) == "GatewayMustHaveExactlyOneIpConfiguration"


@pytest.mark.documentation(
    "A local gateway with another ASN than AWS's keeps BGP down; equal and reserved ASNs are refused"
)
def test_04_as_numbers(harness: Harness) -> None:
    harness.hand.local_gateway(0, asn=64_999)
    assert harness.aws() == [NO_BGP, UP, UP, UP]
    assert harness.bgp()[PEERS[0]] == "Connecting"
    assert "Azure expects ASN 64999, AWS has 64512" in harness.whys()[0]
    with pytest.raises(HttpResponseError) as caught:
        harness.hand.local_gateway(1, asn=65_515)
    assert caught.value.error.code == "LocalNetworkGatewayAsnIsReserved"
    same = harness.ec2.create_customer_gateway(Type="ipsec.1", IpAddress="192.0.2.200", BgpAsn=64_512)
    with pytest.raises(ClientError, match="AsnConflict"):
        harness.ec2.create_vpn_connection(
            Type="ipsec.1",
            CustomerGatewayId=same["CustomerGateway"]["CustomerGatewayId"],
            VpnGatewayId=harness.hand.vpn_gateway(),
        )


@pytest.mark.documentation("Tunnels whose keys differ, and those whose keys were exchanged, are down on both sides")
def test_05_keys(harness: Harness) -> None:
    first, second, *_ = (c.properties.shared_key for c in connections(harness))
    harness.hand.key(0, second)
    harness.hand.key(1, first)
    harness.later()
    assert harness.aws() == [DOWN, DOWN, UP, UP]
    assert harness.azure() == ["NotConnected", "NotConnected", "Connected", "Connected"]
    assert harness.whys()[:2] == ["the pre-shared keys differ"] * 2


@pytest.mark.documentation(
    "A tunnel that leads elsewhere is down; the four unused pairs of instance and peer never come up"
)
def test_06_peer_addresses(harness: Harness) -> None:
    with harness.clock_runs():
        rows = harness.network.virtual_network_gateways.begin_get_bgp_peer_status(GROUP, GATEWAY).result().value
    of_aws = [r.state for r in rows if r.neighbor in PEERS]
    assert (of_aws.count("Connected"), of_aws.count("Connecting")) == (4, 4)
    harness.hand.local_gateway(2, ip="203.0.113.9")
    harness.later()
    assert harness.aws() == [UP, UP, DOWN, UP]
    assert harness.azure()[2] == "NotConnected"
    assert "leads to 203.0.113.9" in harness.whys()[2]


@pytest.mark.documentation("Without a common algorithm a tunnel is down")
def test_07_algorithms(harness: Harness) -> None:
    harness.hand.policy(0, ipsec_encryption="GCMAES128", ipsec_integrity="GCMAES128")
    harness.hand.policy(1, ike_encryption="AES128")
    harness.later()
    assert harness.aws() == [DOWN, DOWN, UP, UP]
    first, second, *_ = harness.whys()
    assert "the ESP encryption differs" in first
    assert "the IKE encryption differs" in second


@pytest.mark.documentation("Without a common Diffie-Hellman group a tunnel is down")
def test_08_diffie_hellman_groups(harness: Harness) -> None:
    harness.hand.tunnel_options(0, Phase1DHGroupNumbers=[{"Value": 14}])
    harness.later()
    assert harness.aws() == [DOWN, UP, UP, UP]
    assert "the IKE Diffie-Hellman group differs" in harness.whys()[0]


@pytest.mark.documentation("Ranges on AWS's connection keep both of its tunnels down, as Azure sends everything")
def test_09_traffic_selectors(harness: Harness) -> None:
    harness.ec2.modify_vpn_connection_options(
        VpnConnectionId=harness.hand.vpn_connection(0)["VpnConnectionId"], RemoteIpv4NetworkCidr="10.20.0.0/16"
    )
    harness.later()
    assert harness.aws() == [DOWN, DOWN, UP, UP]
    assert harness.azure()[:2] == ["NotConnected"] * 2


@pytest.mark.documentation("A tunnel of which AWS takes IKEv1 only is down")
def test_10_ike_versions(harness: Harness) -> None:
    harness.hand.tunnel_options(0, IKEVersions=[{"Value": "ikev1"}], StartupAction="add")
    harness.later()
    assert harness.aws() == [DOWN, UP, UP, UP]
    assert harness.azure()[0] == "NotConnected"


@pytest.mark.documentation(
    "Without a common PFS group a tunnel is up and drops at each renewal of its keys, about hourly"
)
def test_11_pfs_groups(harness: Harness) -> None:
    harness.hand.tunnel_options(0, Phase2DHGroupNumbers=[{"Value": 14}])
    harness.later(200)
    for _ in range(2):
        assert harness.aws() == [UP] * 4
        renewal = harness.tunnel("169.254.21.0/30").ipsec_since + 3600
        harness.later(renewal + 1 - harness.sandbox.context.clock.now())
        assert harness.aws() == [DOWN, UP, UP, UP]
        harness.later(60)


@pytest.mark.documentation(
    "With AWS's DPD action clear and Azure as responder only, a tunnel that is lost does not come back"
)
@pytest.mark.parametrize(("mode", "returns"), [("ResponderOnly", False), ("Default", True)])
def test_12_nobody_opens_a_tunnel_twice(harness: Harness, mode: str, returns: bool) -> None:
    harness.hand.tunnel_options(0, DPDTimeoutAction="clear", StartupAction="start")
    connection = connections(harness)[0]
    connection.properties.connection_mode = mode
    put(harness, connection)
    harness.later()
    assert harness.aws()[0] == UP
    outside = next(
        o["OutsideIpAddress"]
        for o in harness.hand.vpn_connection(0)["Options"]["TunnelOptions"]
        if o["TunnelInsideCidr"] == "169.254.21.0/30"
    )
    harness.sandbox.context.faults.add(Fault("tunnel-down", outside, times=None, duration=120))
    harness.later(60)
    assert harness.aws()[0] == DOWN
    harness.later(3600)
    assert harness.aws()[0] == (UP if returns else DOWN)


@pytest.mark.documentation(
    "An initiator that meets a responder is enough: AWS that waits and Azure that only responds is not"
)
@pytest.mark.parametrize(
    ("mode", "startup", "up"),
    [
        ("InitiatorOnly", "start", True),
        ("InitiatorOnly", "add", True),
        ("ResponderOnly", "start", True),
        ("ResponderOnly", "add", False),
    ],
)
def test_13_connection_modes(harness: Harness, mode: str, startup: str, up: bool) -> None:
    harness.hand.tunnel_options(0, StartupAction=startup)
    connection = connections(harness)[0]
    connection.properties.connection_mode = mode
    put(harness, connection)
    harness.later()
    assert harness.aws()[0] == (UP if up else DOWN)
    assert harness.azure()[0] == ("Connected" if up else "NotConnected")


@pytest.mark.documentation(
    "Without propagation on a subnet's own table all sessions are up and no answer leaves that subnet"
)
def test_14_no_route_back(harness: Harness) -> None:
    table = harness.hand.stop_propagation()
    subnets = [
        a["SubnetId"]
        for t in harness.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"]
        for a in t["Associations"]
        if a.get("SubnetId")
    ]
    assert harness.aws() == [UP] * 4
    silent = [a for a in harness.endpoint_addresses() if "has no route back" in harness.reach(a, 53, tcp=False)[1]]
    assert len(silent) == len(subnets) == 1
    assert harness.reach(silent[0], 53, tcp=False) == (
        "dropped",
        f"the route table of {subnets[0]} has no route back to 10.20.0.4",
    )
    assert "propagat" in str(harness.status()).lower()


def aks_subnet(harness: Harness) -> Any:
    subnets = harness.network.virtual_networks.get("test", "test-vnet").properties.subnets
    return next(s for s in subnets if s.name != "GatewaySubnet")


def gateway_subnet(harness: Harness) -> Any:
    subnets = harness.network.virtual_networks.get("test", "test-vnet").properties.subnets
    return next(s for s in subnets if s.name == "GatewaySubnet")


def with_table(harness: Harness, of: Callable[[Harness], Any] = aks_subnet, **properties: Any) -> None:
    """Put a route table with this content on a subnet: that of AKS, where none is said."""
    body = {"location": "westeurope", "properties": properties}
    harness.network.route_tables.begin_create_or_update("test", "mine", body, polling=False)
    harness.later(60)
    subnet = of(harness)
    subnet.properties.route_table = {"id": harness.network.route_tables.get("test", "mine").id}
    harness.network.subnets.begin_create_or_update("test", "test-vnet", subnet.name, subnet, polling=False)
    harness.later(60)


def route_to(prefix: str, hop: str) -> dict[str, Any]:
    return {"name": "r", "properties": {"addressPrefix": prefix, "nextHopType": hop}}


@pytest.mark.documentation(
    "A route of GatewaySubnet over the cluster's range drops what the gateway has received; a wider one loses"
)
def test_a_route_of_the_gateways_subnet_over_the_cluster(harness: Harness) -> None:
    there = harness.endpoint_addresses()[0]
    with_table(harness, gateway_subnet, routes=[route_to("10.0.0.0/8", "None")])
    assert harness.reach(there, 53)[0] == "delivered"
    with_table(harness, gateway_subnet, routes=[route_to("10.20.0.0/16", "None")])
    assert harness.reach(there, 53) == ("dropped", "the route table of GatewaySubnet sends 10.20.0.0/16 to None")
    assert harness.ask() in ("SERVFAIL", "timeout")
    assert "for the cluster's nodes and pods go" in str(harness.status())


@pytest.mark.documentation(
    "A table that keeps learned routes out drops everything, unless it has a route to the gateway itself"
)
def test_15_no_learned_routes_on_the_subnet_of_aks(harness: Harness) -> None:
    there = harness.endpoint_addresses()[0]
    with_table(harness, disableBgpRoutePropagation=True)
    assert harness.aws() == [UP] * 4
    assert harness.reach(there, 53) == ("dropped", "a route table on the AKS subnet keeps the gateway's routes out")
    assert harness.ask() in ("SERVFAIL", "timeout")
    with_table(harness, disableBgpRoutePropagation=True, routes=[route_to("10.10.0.0/16", "VirtualNetworkGateway")])
    assert harness.reach(there, 53)[0] == "delivered"


@pytest.mark.documentation(
    "Of equal prefixes the user's own route wins, of others the longest: 0.0.0.0/0 to a firewall does not"
)
@pytest.mark.parametrize(("prefix", "passes"), [("0.0.0.0/0", True), ("10.0.0.0/8", True), ("10.10.0.0/16", False)])
def test_15_routes_of_one_s_own(harness: Harness, prefix: str, passes: bool) -> None:
    with_table(harness, routes=[route_to(prefix, "None")])
    assert (harness.reach(harness.endpoint_addresses()[0], 53)[0] == "delivered") is passes


@pytest.mark.documentation(
    "AKS in a spoke reaches AWS through the hub's gateway only if both sides of the peering say so"
)
def test_15_a_cluster_in_a_spoke(harness: Harness) -> None:
    network, there = harness.network, harness.endpoint_addresses()[0]
    hub = network.virtual_networks.get("test", "test-vnet").id
    subnets = [{"name": "nodes", "properties": {"addressPrefix": "10.70.0.0/22"}}]
    spoke = {
        "location": "westeurope",
        "properties": {"addressSpace": {"addressPrefixes": ["10.70.0.0/16"]}, "subnets": subnets},
    }
    network.virtual_networks.begin_create_or_update("test", "spoke", spoke, polling=False)
    harness.later(60)
    made = network.virtual_networks.get("test", "spoke")
    store = harness.sandbox.azure.store
    (cluster,) = store.of_type("Microsoft.ContainerService/managedClusters")
    for properties in (cluster.properties, cluster.effective):
        properties["agentPoolProfiles"][0]["vnetSubnetID"] = made.properties.subnets[0].id

    def peer(one: str, other: str, **flags: bool) -> None:
        body = {"properties": {"remoteVirtualNetwork": {"id": other}, **flags}}
        network.virtual_network_peerings.begin_create_or_update("test", one, "p", body, polling=False)
        harness.later(120)

    groups = [
        i["Groups"][0]["GroupId"]
        for i in harness.ec2.describe_network_interfaces(
            Filters=[{"Name": "addresses.private-ip-address", "Values": [there]}]
        )["NetworkInterfaces"]
    ]
    everything = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.70.0.0/16"}]}
    harness.ec2.authorize_security_group_ingress(GroupId=groups[0], IpPermissions=[everything])
    peer("test-vnet", made.id, allowGatewayTransit=False)
    peer("spoke", hub, useRemoteGateways=True)
    assert harness.reach(there, 53)[0] == "dropped"
    peer("test-vnet", made.id, allowGatewayTransit=True)
    assert harness.reach(there, 53) == ("delivered", "")
    peer("spoke", hub, useRemoteGateways=False)
    assert harness.reach(there, 53)[0] == "dropped"
    peer("spoke", hub, useRemoteGateways=True, allowVirtualNetworkAccess=False)
    assert harness.reach(there, 53)[0] == "dropped"


@pytest.mark.documentation(
    "Prefixes of the VPC that are a prefix of the VNet or lie in one are not learned; those that enclose one are"
)
def test_16_overlapping_prefixes(harness: Harness) -> None:
    for cidr in ("10.20.128.0/20", "10.11.0.0/16"):
        harness.ec2.associate_vpc_cidr_block(VpcId=harness.place.link.aws.vpc_id, CidrBlock=cidr)
    assert harness.learned() == {"10.10.0.0/16", "10.11.0.0/16"}
    assert harness.aws() == [UP] * 4
    network = harness.network.virtual_networks.get("test", "test-vnet")
    network.properties.address_space.address_prefixes.append("10.11.64.0/18")
    harness.network.virtual_networks.begin_create_or_update("test", "test-vnet", network, polling=False)
    harness.later()
    assert harness.learned() == {"10.10.0.0/16", "10.11.0.0/16"}


@pytest.mark.documentation(
    "A gateway tells a peer what it has learned of its others, but for what that peer has sent itself"
)
def test_what_one_peer_teaches_the_others_learn(harness: Harness) -> None:
    seen = harness.sandbox.context.world()
    mine, other = {"10.20.0.0/16"}, {"10.10.0.0/16"}
    assert {str(p) for p in seen.exchanged(seen.tunnels[0])[0]} == mine
    # the second VPN connection belongs to another gateway of AWS's, with a number and a VPC of its own
    second = seen.aws.tunnels[-1].connection_id
    moved = tuple(
        replace(t, gateway_id="vgw-other", vpc_ids=("vpc-other",), amazon_asn=64_999)
        if t.connection_id == second
        else t
        for t in seen.aws.tunnels
    )
    ends = {t.outside_ip for t in moved if t.connection_id == second}
    connections = tuple(replace(c, peer_asn=64_999) if c.peer_ip in ends else c for c in seen.azure.connections)
    aws = replace(seen.aws, tunnels=moved, vpcs={**seen.aws.vpcs, "vpc-other": (IPv4Network("172.30.0.0/16"),)})
    azure = replace(seen.azure, connections=connections)
    world = World(aws, azure, seen.now, harness.sandbox.context.faults, harness.sandbox.context.durations)
    told = {t.aws.gateway_id: {str(p) for p in world.exchanged(t)[0]} for t in world.tunnels}
    assert told.pop("vgw-other") == mine | other
    assert list(told.values()) == [mine | {"172.30.0.0/16"}]


@pytest.mark.documentation("Addresses of the VPC that lie in the ranges of pods or services do not leave the cluster")
def test_17_overlap_with_pods_and_services(harness: Harness) -> None:
    for cidr, address in (("10.244.0.0/17", "10.244.1.9"), ("10.0.0.0/17", "10.0.1.9")):
        harness.ec2.associate_vpc_cidr_block(VpcId=harness.place.link.aws.vpc_id, CidrBlock=cidr)
        assert cidr in harness.learned()
        assert harness.reach(address)[0] == "dropped"
        assert harness.reach(address)[1].endswith(("of the cluster itself", f"behind service address {address}"))


@pytest.mark.documentation("More than a hundred prefixes towards a virtual private gateway end every session")
def test_18_too_many_prefixes(harness: Harness) -> None:
    vnet = harness.network.virtual_networks.get("test", "test-vnet")
    vnet.properties.address_space.address_prefixes += [f"10.100.{i}.0/24" for i in range(100)]
    harness.network.virtual_networks.begin_create_or_update("test", "test-vnet", vnet, polling=False)
    harness.later()
    assert harness.aws() == [NO_BGP] * 4
    assert set(harness.bgp().values()) == {"Connecting"}
    assert harness.learned() == set()


@pytest.mark.documentation(
    "On a gateway that is not attached nothing can propagate, and a link that lost it has no routes"
)
def test_26_a_gateway_that_is_not_attached(harness: Harness) -> None:
    gateway = harness.hand.vpn_gateway()
    table = harness.hand.table_of_one_subnet()["RouteTableId"]
    harness.hand.detach_gateway()
    harness.later()
    with pytest.raises(ClientError, match=r"Gateway\.NotAttached"):
        harness.ec2.enable_vgw_route_propagation(GatewayId=gateway, RouteTableId=table)
    assert harness.learned() == set()
    routes = harness.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    assert {r["Origin"] for r in routes} == {"CreateRouteTable"}
    assert harness.reach(harness.endpoint_addresses()[0], 53)[0] == "dropped"
