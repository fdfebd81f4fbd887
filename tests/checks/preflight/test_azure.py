"""What is said of Azure's network before anything is built, and of what keeps packets from their way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from cloudlink.checks.preflight.azure import check, locked
from cloudlink.checks.preflight.azure_facts import AzureFacts, Unread
from cloudlink.checks.preflight.paths import in_use, standing
from cloudlink.clouds.azure import (
    parse_aks,
    parse_gateway,
    parse_network,
    parse_pieces,
    parse_policy,
    parse_subscription,
)
from cloudlink.config import load
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link
from tests.support.pinned import pinned

LINK = load(Path(__file__).parents[3] / "config.example.toml", sandbox=True)
SUB = LINK.azure.subscription
NET = f"/subscriptions/{SUB}/resourceGroups/test/providers/Microsoft.Network"
VNET, SPOKE = f"{NET}/virtualNetworks/test-vnet", f"{NET}/virtualNetworks/spoke"
GROUP = f"/subscriptions/{SUB}/resourceGroups/cloudlink-demo"
VPC = (IPv4Network("10.10.0.0/16"),)
BUILD = Plan(
    (
        Change("azure_vpn.gateway_subnet", "gateway subnet", Action.CREATE),
        Change("azure_vpn.public_ip[0]", "public IP 1", Action.CREATE),
        Change("azure_vpn.gateway", "VPN gateway", Action.CREATE),
    )
)
Said = dict[str, Any]


def vnet(
    id_: str = VNET, prefix: str = "10.20.0.0/16", *, subnets: Said | None = None, peerings: list[Said] | None = None
) -> parse_network.Vnet:
    shown = [
        {"name": n, "id": f"{id_}/subnets/{n}", "properties": p}
        for n, p in ({"aks": {"addressPrefix": "10.20.0.0/22"}} if subnets is None else subnets).items()
    ]
    properties = {
        "addressSpace": {"addressPrefixes": [prefix]},
        "subnets": shown,
        "virtualNetworkPeerings": peerings or [],
    }
    return parse_network.vnet(
        {"id": id_, "name": parse_pieces.last(id_), "location": "westeurope", "properties": properties}
    )


def peering(of: str, to: str, **properties: Any) -> Said:
    held = {
        "remoteVirtualNetwork": {"id": to},
        "peeringState": "Connected",
        "peeringSyncLevel": "FullyInSync",
        "allowVirtualNetworkAccess": True,
        **properties,
    }
    name = f"to-{parse_pieces.last(to)}"
    return {"id": f"{of}/virtualNetworkPeerings/{name}", "name": name, "properties": held}


def cluster(subnet: str = f"{VNET}/subnets/aks") -> parse_aks.AksCluster:
    pool = {"name": "nodes", "vnetSubnetID": subnet}
    return parse_aks.aks_cluster({"id": "/x/test", "name": "test", "properties": {"agentPoolProfiles": [pool]}})


def table(name: str = "rt", *, off: bool = False, **routes: tuple[str, str]) -> parse_network.RouteTable:
    shown = [
        {"name": n, "properties": {"addressPrefix": p, "nextHopType": h, "nextHopIpAddress": "10.20.254.4"}}
        for n, (p, h) in routes.items()
    ]
    properties = {"disableBgpRoutePropagation": off, "routes": shown}
    return parse_network.route_table({"id": f"{NET}/routeTables/{name}", "name": name, "properties": properties})


def facts(**more: Any) -> AzureFacts:
    kept = {
        "vnet": vnet(),
        "cluster": cluster(),
        "vpc": VPC,
        "locations": (parse_subscription.Location("westeurope", ("1", "2", "3")),),
        "providers": (parse_subscription.Provider("Microsoft.Network", "Registered"),),
    }
    return AzureFacts(**{**kept, **more})


def found(seen: AzureFacts, link: Link = LINK, plan: Plan = BUILD) -> list[Finding]:
    return pinned(check(seen, link, plan))


def side(**changes: Any) -> Link:
    return replace(LINK, azure=replace(LINK.azure, **changes))


@pytest.mark.parametrize("state", ["Disabled", "Expired", "Deleted"])
def test_a_subscription_that_is_read_only(state: str) -> None:
    """Everything can be read there, so that only a write would tell."""
    (one,) = found(facts(subscription=parse_subscription.subscription({"displayName": "shop", "state": state})))
    assert one.severity is Severity.OBSTACLE and one.key == "azure.subscription"
    assert "disabled" in one.summary and '"shop"' in one.detail and state in one.detail


@pytest.mark.parametrize("state", ["Enabled", ""])
def test_a_subscription_in_which_one_may_write(state: str) -> None:
    assert found(facts(subscription=parse_subscription.subscription({"displayName": "shop", "state": state}))) == []


@pytest.mark.parametrize("state", ["Warned", "PastDue"])
def test_a_subscription_that_will_be_disabled(state: str) -> None:
    """Azure takes every write in it until then."""
    seen = facts(subscription=parse_subscription.subscription({"displayName": "shop", "state": state}))
    (one,) = found(seen)
    assert (one.severity, one.key) == (Severity.WARNING, "azure.subscription")
    assert state in one.detail and "the link with it" in one.detail
    assert found(seen, plan=Plan((Change("azure_vpn.gateway", "VPN gateway", Action.NO_OP),))) == []


@pytest.mark.parametrize(("limit", "said"), [("On", True), ("Off", False), ("CurrentPeriodOff", False), (None, False)])
def test_a_subscription_with_a_spending_limit(limit: str | None, said: bool) -> None:
    raw = {"displayName": "shop", "state": "Enabled", "subscriptionPolicies": {"spendingLimit": limit}}
    seen = found(facts(subscription=parse_subscription.subscription(raw)))
    assert [(f.severity, f.summary) for f in seen] == (
        [(Severity.WARNING, "The Azure subscription has a spending limit")] if said else []
    )


def test_the_subscription_of_the_vnet_is_disabled() -> None:
    """Its GatewaySubnet is written there."""
    raw = {"displayName": "hub", "state": "Disabled"}
    (one,) = found(facts(vnet_subscription=parse_subscription.subscription(raw)))
    assert (one.severity, one.key) == (Severity.OBSTACLE, "azure.vnet.subscription")
    assert '"hub"' in one.detail


def test_nothing_is_said_where_nothing_is_in_the_way() -> None:
    assert found(facts()) == []


# --- zones ----------------------------------------------------------------------------------------------------------

ZONED: dict[str, tuple[Callable[[], tuple[AzureFacts, Link]], str]] = {
    "zones where there are none": (
        lambda: (
            facts(locations=(parse_subscription.Location("ukwest", ()), parse_subscription.Location("x", ("1",)))),
            side(location="ukwest"),
        ),
        "[]",
    ),
    "none where there are some": (lambda: (facts(), side(zones=())), '["1", "2", "3"]'),
    "a zone that is not there": (
        lambda: (facts(locations=(parse_subscription.Location("westeurope", ("1", "2")),)), LINK),
        '["1", "2"]',
    ),
}


@pytest.mark.parametrize("case", ZONED)
def test_zones_that_do_not_fit_the_location(case: str) -> None:
    make, meant = ZONED[case]
    seen, link = make()
    one = next(f for f in found(seen, link) if f.key == "azure.vpn_gateway.zones")
    assert one.severity is Severity.OBSTACLE
    assert one.mistake is not None
    assert one.mistake.near_miss == meant
    assert meant in one.hint


def test_no_zones_in_a_location_without_any_are_right() -> None:
    without = facts(
        vnet=vnet(), locations=(parse_subscription.Location("ukwest", ()), parse_subscription.Location("x", ("1",)))
    )
    assert [f.key for f in found(without, side(location="ukwest", zones=()))] == ["azure.location"]  # the VNet's


def test_where_azure_does_not_tell_zones_that_is_said() -> None:
    (one,) = found(facts(locations=(parse_subscription.Location("westeurope"),)))
    assert one.severity is Severity.NOT_PROVED
    assert "zones" in one.summary


def test_zones_matter_only_while_public_addresses_are_made() -> None:
    update = Plan((Change("azure_vpn.connection[0]", "connection 1", Action.UPDATE),))
    assert found(facts(), side(zones=()), update) == []


# --- GatewaySubnet and the VNet ---------------------------------------------------------------------------------------


def gateway_subnet(**more: Any) -> parse_network.Vnet:
    return vnet(
        subnets={
            "aks": {"addressPrefix": "10.20.0.0/22"},
            "GatewaySubnet": {"addressPrefix": "10.20.255.0/27", **more},
        }
    )


ON_GATEWAY = {"routeTable": {"id": f"{NET}/routeTables/rt"}}
GATEWAY_SUBNETS: dict[str, tuple[Said, str, str]] = {
    "security group": (
        {"vnet": gateway_subnet(networkSecurityGroup={"id": "/x/fence"})},
        "network security group",
        "--remove networkSecurityGroup",
    ),
    "delegated": (
        {"vnet": gateway_subnet(delegations=[{"name": "d", "properties": {"serviceName": "Microsoft.X/y"}}])},
        "delegated",
        "--remove delegations",
    ),
    "too small": ({"vnet": gateway_subnet(addressPrefix="10.20.255.0/29")}, "too small", ""),
    "NAT gateway": (
        {"vnet": gateway_subnet(natGateway={"id": "/x/natGateways/out"})},
        "has a NAT gateway",
        "--remove natGateway",
    ),
    "in a failed state": (
        {"vnet": gateway_subnet(provisioningState="Failed")},
        "GatewaySubnet is in a failed state",
        "az network vnet subnet update",
    ),
    "default route": (
        {"vnet": gateway_subnet(**ON_GATEWAY), "tables": (table(all=("0.0.0.0/0", "VirtualAppliance")),)},
        "default route",
        "az network route-table route delete",
    ),
    "a route that drops what is for the cluster": (
        {
            "vnet": gateway_subnet(**ON_GATEWAY),
            "tables": (table(wider=("10.0.0.0/8", "None"), there=("10.20.0.0/16", "None")),),
        },
        "leads away from the cluster",
        "--route-table-name rt --name there",
    ),
    "propagation off": (
        {"vnet": gateway_subnet(**ON_GATEWAY), "tables": (table(off=True),)},
        "keeps the gateway's routes out",
        "--name rt --disable-bgp-route-propagation false",
    ),
}


@pytest.mark.parametrize("case", GATEWAY_SUBNETS)
def test_a_gateway_subnet_that_azure_refuses(case: str) -> None:
    more, summary, hint = GATEWAY_SUBNETS[case]
    (one,) = found(facts(**more))
    assert one.severity is Severity.OBSTACLE
    assert summary in one.summary
    assert hint in one.hint


def test_a_vnet_whose_last_change_failed_takes_nothing() -> None:
    broken = replace(vnet(), state="Failed")
    (one,) = found(facts(vnet=broken))
    assert (one.severity, one.summary) == (Severity.OBSTACLE, "The VNet is in a failed state")
    assert f"az network vnet update --ids {VNET}" in one.hint
    update = Plan((Change("azure_vpn.connection[0]", "connection 1", Action.UPDATE),))
    assert found(facts(vnet=broken), plan=update) == []


def test_something_else_in_the_gateway_subnet() -> None:
    card = f"{NET}/networkInterfaces/jump-box/ipConfigurations/a"
    gate = f"{NET}/virtualNetworkGateways/express/ipConfigurations/a"
    (one,) = found(facts(vnet=gateway_subnet(ipConfigurations=[{"id": gate}, {"id": card}])))
    assert (one.severity, one.key) == (Severity.WARNING, "azure.vnet.name")
    assert one.detail.startswith("jump-box is in GatewaySubnet")
    assert found(facts(vnet=gateway_subnet(ipConfigurations=[{"id": gate}]))) == []


def test_routes_for_single_ranges_on_the_gateway_subnet_are_legal() -> None:
    seen = facts(vnet=gateway_subnet(**ON_GATEWAY), tables=(table(spoke=("10.30.0.0/16", "VirtualAppliance")),))
    assert found(seen) == []


def test_a_vnet_that_uses_anothers_gateway_gets_none() -> None:
    (one,) = found(facts(vnet=vnet(peerings=[peering(VNET, SPOKE, useRemoteGateways=True)])))
    assert "useRemoteGateways=false" in one.hint
    assert one.severity is Severity.OBSTACLE


WAN = "/subscriptions/ms/resourceGroups/RG_hub_1/providers/Microsoft.Network/virtualNetworks/HV_hub_1"


def test_a_vnet_of_virtual_wan_is_not_told_to_change_a_peering_that_is_nobodys() -> None:
    (one,) = found(facts(vnet=vnet(peerings=[peering(VNET, WAN, useRemoteGateways=True)])))
    assert (one.severity, one.summary) == (Severity.OBSTACLE, "The VNet is joined to a hub of Virtual WAN")
    assert 'link.transport = "existing"' in one.hint and "vhub connection" in one.hint
    assert "peering update" not in one.hint


def test_a_peering_that_network_manager_keeps_is_changed_there() -> None:
    kept = peering(VNET, SPOKE, useRemoteGateways=True)
    kept["name"] = "ANM_1A2B_test-vnet_spoke_3C4D"
    (one,) = found(facts(vnet=vnet(peerings=[kept])))
    assert "Azure Virtual Network Manager keeps this peering" in one.hint and "connect-config" in one.hint
    assert "peering update" not in one.hint


# --- routes of the cluster's subnets ------------------------------------------------------------------------------------


def beating(prefix: str, hop: str) -> parse_network.RouteTable:
    """A table with a route that wins against those that BGP teaches, whatever their length."""
    route = {"name": "r", "properties": {"addressPrefix": prefix, "nextHopType": hop, "hasBgpOverride": True}}
    return parse_network.route_table({"id": f"{NET}/routeTables/rt", "name": "rt", "properties": {"routes": [route]}})


def routed(rt: parse_network.RouteTable) -> AzureFacts:
    subnet = {"addressPrefix": "10.20.0.0/22", "routeTable": {"id": rt.id.upper()}}
    return facts(vnet=vnet(subnets={"aks": subnet}), tables=(rt,))


ROUTES: dict[str, tuple[parse_network.RouteTable, Severity | None, str]] = {
    "propagation off, nothing else": (table(off=True), Severity.OBSTACLE, "--disable-bgp-route-propagation false"),
    "propagation off, all to a firewall": (
        table(off=True, all=("0.0.0.0/0", "VirtualAppliance")),
        Severity.WARNING,
        "--disable-bgp-route-propagation false",
    ),
    "propagation off, the range to the gateway": (
        table(off=True, aws=("10.0.0.0/8", "VirtualNetworkGateway")),
        None,
        "",
    ),
    "propagation off, a part of the range to the gateway": (
        table(off=True, aws=("10.10.0.0/20", "VirtualNetworkGateway")),
        Severity.OBSTACLE,
        "--disable-bgp-route-propagation false",
    ),
    "the range to a firewall": (table(aws=("10.10.0.0/16", "VirtualAppliance")), Severity.WARNING, ""),
    "a part of the range to the internet": (table(a=("10.10.4.0/24", "Internet")), Severity.OBSTACLE, "route delete"),
    "a part of the range to nowhere": (table(a=("10.10.4.0/24", "None")), Severity.OBSTACLE, "route delete"),
    "a wider route, which loses": (table(a=("10.0.0.0/8", "None")), None, ""),
    "everything to a firewall, which loses": (table(all=("0.0.0.0/0", "VirtualAppliance")), None, ""),
    "a wider route, which wins against BGP": (beating("10.0.0.0/8", "None"), Severity.OBSTACLE, "route delete"),
    "everything to the internet, against BGP": (beating("0.0.0.0/0", "Internet"), Severity.OBSTACLE, "route delete"),
    "everything to a firewall, against BGP": (beating("0.0.0.0/0", "VirtualAppliance"), Severity.WARNING, ""),
    "a service's name": (table(s=("Storage.WestEurope", "Internet")), None, ""),
}


@pytest.mark.parametrize("case", ROUTES)
def test_the_route_table_of_the_clusters_subnet(case: str) -> None:
    rt, severity, hint = ROUTES[case]
    said = found(routed(rt))
    assert [f.severity for f in said] == ([] if severity is None else [severity])
    for one in said:
        assert "rt, the route table of the cluster's subnet aks," in one.detail
        assert hint in one.hint
    assert [f.detail for f in standing(routed(rt), LINK)] == [f.detail for f in said]  # status says the same


def test_tables_of_other_subnets_do_not_matter() -> None:
    other = {"addressPrefix": "10.20.8.0/22", "routeTable": {"id": f"{NET}/routeTables/rt"}}
    seen = facts(vnet=vnet(subnets={"aks": {"addressPrefix": "10.20.0.0/22"}, "x": other}), tables=(table(off=True),))
    assert found(seen) == []


# --- hub and spoke ------------------------------------------------------------------------------------------------------


def hub_and_spoke(hub: Said | None = None, spoke: Said | None = None, **more: Any) -> AzureFacts:
    """hub, spoke: what their halves of the peering say besides the flags that they need."""
    far = [] if hub is None else [peering(VNET, SPOKE, **{"allowGatewayTransit": True, **hub})]
    near = [] if spoke is None else [peering(SPOKE, VNET, **{"useRemoteGateways": True, **spoke})]
    nodes = {"aks": {"addressPrefix": "10.30.0.0/22"}}
    seen = vnet(SPOKE, "10.30.0.0/16", subnets=nodes, peerings=[*near, *more.pop("others", [])])
    return facts(vnet=vnet(subnets={}, peerings=far), spokes=(seen,), cluster=cluster(f"{SPOKE}/subnets/aks"), **more)


def test_a_hub_whose_peering_has_both_flags() -> None:
    assert found(hub_and_spoke({}, {})) == []
    both = (
        {"localSubnetNames": ["GatewaySubnet"], "remoteSubnetNames": ["aks"]},
        {"localSubnetNames": ["aks"], "remoteSubnetNames": ["gatewaysubnet"]},
    )
    hub, spoke = ({"peerCompleteVnets": False, **half} for half in both)
    assert found(hub_and_spoke(hub, spoke)) == []


AZ_FAR = (
    f"az network vnet peering update --subscription {SUB} --resource-group test --vnet-name test-vnet --name to-spoke"
)
AZ_NEAR = (
    f"az network vnet peering update --subscription {SUB} --resource-group test --vnet-name spoke --name to-test-vnet"
)
ELSEWHERE = f"{NET}/virtualNetworks/old-hub"
HUBS: dict[str, tuple[AzureFacts, Severity, str, str]] = {
    "the hub lends no gateway": (
        hub_and_spoke({"allowGatewayTransit": False}, {}),
        Severity.OBSTACLE,
        "does not lend",
        f"{AZ_FAR} --set allowGatewayTransit=true",
    ),
    "the spoke uses none yet": (
        hub_and_spoke({}, {"useRemoteGateways": False}),
        Severity.WARNING,
        "does not use the gateway",
        f"{AZ_NEAR} --set useRemoteGateways=true",
    ),
    "the spoke uses another": (
        hub_and_spoke({}, {"useRemoteGateways": False}, others=[peering(SPOKE, ELSEWHERE, useRemoteGateways=True)]),
        Severity.OBSTACLE,
        "uses another gateway",
        "old-hub",
    ),
    "no peering": (hub_and_spoke(None, None), Severity.OBSTACLE, "not peered", "az network vnet peering create"),
    "half of a peering": (
        hub_and_spoke({"peeringState": "Initiated"}, None),
        Severity.OBSTACLE,
        "not connected",
        "az network vnet peering create",
    ),
    "a half that lost the other": (
        hub_and_spoke({"peeringState": "Disconnected"}, {}),
        Severity.OBSTACLE,
        "not connected",
        "az network vnet peering delete",
    ),
    "no access": (
        hub_and_spoke({}, {"allowVirtualNetworkAccess": False}),
        Severity.OBSTACLE,
        "lets no traffic through",
        f"{AZ_NEAR} --set allowVirtualNetworkAccess=true",
    ),
    "the cluster's subnet is not among those that are peered": (
        hub_and_spoke(
            {}, {"peerCompleteVnets": False, "localSubnetNames": ["web"], "remoteSubnetNames": ["GatewaySubnet"]}
        ),
        Severity.OBSTACLE,
        "leaves subnets out",
        f"{AZ_NEAR} --set peerCompleteVnets=true",
    ),
    "the gateway's subnet is not among those that are peered": (
        hub_and_spoke({"peerCompleteVnets": False, "localSubnetNames": ["web"], "remoteSubnetNames": ["AKS"]}, {}),
        Severity.OBSTACLE,
        "leaves subnets out",
        f"{AZ_FAR} --set peerCompleteVnets=true",
    ),
    "not in sync": (
        hub_and_spoke(
            {
                "peeringSyncLevel": "RemoteNotInSync",
                "remoteAddressSpace": {"addressPrefixes": ["10.30.0.0/16"]},
                "remoteVirtualNetworkAddressSpace": {"addressPrefixes": ["10.30.0.0/16", "10.31.0.0/16"]},
            },
            {},
        ),
        Severity.WARNING,
        "not in sync",
        "az network vnet peering sync",
    ),
}


@pytest.mark.parametrize("case", HUBS)
def test_both_halves_of_the_peering_are_judged(case: str) -> None:
    seen, severity, summary, hint = HUBS[case]
    (one,) = found(seen)
    assert (one.severity, summary in one.summary) == (severity, True), one
    assert hint in one.hint


def test_the_spokes_flag_can_be_set_only_once_there_is_a_gateway() -> None:
    (before,) = found(hub_and_spoke({}, {"useRemoteGateways": False}))
    (after,) = found(hub_and_spoke({}, {"useRemoteGateways": False}, gateway=True))
    assert "set it after cloudlink up" in before.detail
    assert "set it after" not in after.detail


def test_before_the_gateway_goes_the_spoke_is_named_that_uses_it() -> None:
    (one,) = in_use(hub_and_spoke({}, {}))
    assert one.hint == f"{AZ_NEAR} --set useRemoteGateways=false"
    assert list(in_use(hub_and_spoke({}, {"useRemoteGateways": False}))) == []
    assert list(in_use(facts())) == []


def test_before_the_gateway_goes_others_are_named_that_use_it() -> None:
    """Of a hub: their way to AWS ends as well, and nobody has told them."""
    seen = hub_and_spoke({}, {"useRemoteGateways": False})
    other = vnet(
        f"{NET}/virtualNetworks/shop",
        "10.40.0.0/16",
        peerings=[peering(f"{NET}/virtualNetworks/shop", VNET, useRemoteGateways=True)],
    )
    (one,) = in_use(replace(seen, spokes=(*seen.spokes, other)))
    assert one.summary == "Another VNet still uses the gateway"
    assert "of shop uses the gateway that is to be deleted" in one.detail


def test_a_spoke_that_may_not_be_read_is_no_mistake() -> None:
    seen = replace(hub_and_spoke({}, {}), spokes=(), unread=(Unread("the VNet spoke", "no permission"),))
    (one,) = found(seen)
    assert one.severity is Severity.NOT_PROVED
    assert "no permission" in one.detail


def test_ids_are_compared_without_regard_to_case() -> None:
    assert found(facts(cluster=cluster(f"{VNET}/subnets/aks".upper()))) == []


def test_a_vnet_of_the_same_name_elsewhere_is_told_apart() -> None:
    other = VNET.replace("resourceGroups/test", "resourceGroups/prod")
    (one,) = found(facts(cluster=cluster(f"{other}/subnets/aks")))
    assert "azure.vnet.resource_group" in one.detail


# --- Route Server, ExpressRoute ------------------------------------------------------------------------------------------


def test_who_else_speaks_bgp_in_the_vnet() -> None:
    others = (parse_gateway.Neighbour("/x/rs", "RouteServer"), parse_gateway.Neighbour("/x/er", "ExpressRoute"))
    server, express = found(facts(neighbours=others))
    assert server.severity is express.severity is Severity.WARNING
    assert "65515" in server.hint
    assert "65515" in express.detail
    right, _ = found(facts(neighbours=others), side(asn=65515))
    assert right.hint == ""


# --- locks ------------------------------------------------------------------------------------------------------------


def lock(scope: str, level: str = "CanNotDelete") -> parse_subscription.Lock:
    id_ = f"{scope}/providers/Microsoft.Authorization/locks/keep"
    (one,) = parse_subscription.locks([{"id": id_, "name": "keep", "properties": {"level": level, "notes": "ask Ann"}}])
    assert one.scope == scope
    return one


GATEWAY = f"{GROUP}/providers/Microsoft.Network/virtualNetworkGateways/cloudlink-demo-gateway"
REMOVE = Plan(
    (
        Change("azure_vpn.gateway", "VPN gateway", Action.DELETE, id=GATEWAY),
        Change("azure_vpn.resource_group", "group", Action.DELETE, id=GROUP),
    )
)
LOCKS: dict[str, tuple[parse_subscription.Lock, Plan, list[str]]] = {
    "group, delete": (lock(GROUP), REMOVE, ["VPN gateway, group"]),
    "subscription, delete": (lock(f"/subscriptions/{SUB}"), REMOVE, ["VPN gateway, group"]),
    "the object itself": (lock(GATEWAY), REMOVE, ["VPN gateway, group"]),
    "another object in the group keeps the group": (lock(f"{GROUP}/providers/X/y/z"), REMOVE, ["group"]),
    "a group whose name begins alike": (lock(f"{GROUP}-2"), REMOVE, []),
    "delete lock, building": (lock(GROUP), BUILD, []),
    "read-only on the group, building": (lock(GROUP, "ReadOnly"), BUILD, ["public IP 1, VPN gateway"]),
    "read-only on the VNet, building": (lock(VNET, "ReadOnly"), BUILD, ["gateway subnet"]),
}


@pytest.mark.parametrize("case", LOCKS)
def test_locks_that_stop_the_plan(case: str) -> None:
    one, plan, stopped = LOCKS[case]
    said = list(locked([one], LINK, plan))
    assert len(said) == len(stopped)
    for finding, titles in zip(said, stopped, strict=True):
        assert titles in finding.detail
        assert "ask Ann" in finding.detail
        assert f"az lock delete --ids {one.id}" in finding.hint


# --- providers, policies -----------------------------------------------------------------------------------------------


def network(kind: str, *locations: str) -> parse_subscription.Provider:
    held = {"resourceType": kind, "locations": list(locations)}
    return parse_subscription.provider(
        {"namespace": "Microsoft.Network", "registrationState": "Registered", "resourceTypes": [held]}
    )


def test_a_location_that_has_no_gateways_or_no_resolvers() -> None:
    lacking = facts(providers=(network("virtualNetworkGateways", "North Europe", "UK South"),))
    (one,) = found(lacking)
    assert (one.severity, one.key) == (Severity.OBSTACLE, "azure.location")
    assert "northeurope, uksouth" in one.hint
    names = Plan((Change("dns_forward.resolver", "DNS resolver", Action.CREATE),))
    (one,) = found(facts(providers=(network("dnsResolvers", "North Europe"),)), plan=names)
    assert 'dns.forward = "coredns"' in one.hint
    for fine in (network("virtualNetworkGateways", "West Europe"), network("virtualNetworkGateways")):
        assert found(facts(providers=(fine,))) == []


def test_a_provider_that_is_not_registered() -> None:
    (one,) = found(facts(providers=(parse_subscription.Provider("Microsoft.Network", "NotRegistered"),)))
    assert one.severity is Severity.OBSTACLE
    assert one.hint.startswith(f"az provider register --subscription {SUB} --namespace Microsoft.Network")


CORP = "/providers/Microsoft.Management/managementGroups/corp/providers/Microsoft.Authorization/policyAssignments/req"
RULE = {"policyDefinitionId": "/providers/Microsoft.Authorization/policyDefinitions/tags", "policyAssignmentId": CORP}


def restricted(field: str = "tags.CostCenter", **rule: Any) -> tuple[parse_policy.Restriction, ...]:
    said = {"fieldRestrictions": [{"field": field, "restrictions": [{"result": "Required", "policy": RULE, **rule}]}]}
    kinds = ("Microsoft.Network/publicIPAddresses", "Microsoft.Network/virtualNetworkGateways")
    return tuple(r for kind in kinds for r in parse_policy.restrictions(said, kind))


def test_a_tag_that_a_policy_wants_is_named_once_with_policy_and_assignment() -> None:
    (one,) = found(facts(restrictions=restricted()))
    assert one.severity is Severity.OBSTACLE
    assert one.key == "tags"
    for word in ("policy tags", "assignment req", "managementGroups/corp", "publicIPAddresses", "CostCenter"):
        assert word in one.detail
    assert one.hint == '[tags]\nCostCenter = "..."'


def test_the_policys_tag_in_the_configuration() -> None:
    tagged = replace(LINK, tags=(("costcenter", "4711"),))
    assert found(facts(restrictions=restricted()), tagged) == []
    assert found(facts(restrictions=restricted(values=["4711", "0"])), tagged) == []
    (one,) = found(facts(restrictions=restricted(values=["1"])), tagged)
    assert "one of 1" in one.detail


def test_a_tag_that_the_policy_puts_there_itself_is_no_obstacle() -> None:
    assert found(facts(restrictions=restricted(defaultValue="x"))) == []
    assert found(facts(restrictions=restricted(result="Removed"))) == []


def test_a_tag_that_the_policy_gives_another_value() -> None:
    """An effect "modify" with "addOrReplace" writes it back after each of our writes."""
    seen = facts(restrictions=restricted(defaultValue="x"))
    (one,) = found(seen, replace(LINK, tags=(("CostCenter", "4711"),)))
    assert one.severity is Severity.WARNING and '"x"' in one.detail and '"4711"' in one.detail
    assert one.hint == '[tags]\nCostCenter = "x"'
    assert found(seen, replace(LINK, tags=(("costcenter", "x"),))) == []


def put_on_subnets(field: str, **rule: Any) -> tuple[parse_policy.Restriction, ...]:
    said = {"fieldRestrictions": [{"field": field, "restrictions": [{"result": "Required", "policy": RULE, **rule}]}]}
    return parse_policy.restrictions(said, "Microsoft.Network/virtualNetworks/subnets")


def test_a_security_group_that_a_policy_puts_on_each_new_subnet() -> None:
    """An effect "modify" or "append": what Azure then refuses is the gateway."""
    group = f"{GROUP}/providers/Microsoft.Network/networkSecurityGroups/company"
    (one,) = found(facts(restrictions=put_on_subnets(parse_policy.PUT_ON_SUBNETS[0], defaultValue=group)))
    assert one.severity is Severity.OBSTACLE
    assert "network security group company on each new subnet" in one.detail
    assert (
        f"az policy exemption create --name cloudlink --exemption-category Waiver --policy-assignment {CORP}"
        in one.hint
    )
    assert one.hint.endswith(f"/virtualNetworks/{LINK.azure.vnet}")


def test_a_route_table_that_a_policy_puts_on_each_new_subnet() -> None:
    table = f"{GROUP}/providers/Microsoft.Network/routeTables/to-the-firewall"
    (one,) = found(facts(restrictions=put_on_subnets(parse_policy.PUT_ON_SUBNETS[1].lower(), defaultValue=table)))
    assert one.severity is Severity.WARNING
    assert "route table to-the-firewall" in one.detail


def test_what_a_policy_only_wants_on_subnets_is_told_by_its_refusal() -> None:
    assert put_on_subnets(parse_policy.PUT_ON_SUBNETS[0]) == ()
    assert put_on_subnets("Microsoft.Network/virtualNetworks/subnets/natGateway.id", defaultValue="x") == ()


def test_policies_compare_values_without_case() -> None:
    """https://learn.microsoft.com/azure/governance/policy/concepts/definition-structure-policy-rule"""
    wanted = restricted(result="Required", values=["Prod", "Test"])
    assert found(facts(restrictions=wanted), replace(LINK, tags=(("costcenter", "prod"),))) == []
    denied = restricted(result="Deny", values=["Prod"])
    (one,) = found(facts(restrictions=denied), replace(LINK, tags=(("CostCenter", "PROD"),)))
    assert one.severity is Severity.OBSTACLE
    filled = restricted(result="Required", defaultValue="Prod")
    assert found(facts(restrictions=filled), replace(LINK, tags=(("CostCenter", "prod"),))) == []


def test_values_that_a_policy_denies() -> None:
    seen = facts(restrictions=restricted(result="Deny", values=["test"]))
    assert found(seen) == []
    assert len(found(seen, replace(LINK, tags=(("CostCenter", "test"),)))) == 1


def evaluated(**expression: Any) -> tuple[parse_policy.Restriction, ...]:
    evaluation = {
        "policyInfo": RULE,
        "evaluationResult": "NonCompliant",
        "evaluationDetails": {"evaluatedExpressions": [expression]},
    }
    said = {"contentEvaluationResult": {"policyEvaluations": [evaluation]}}
    return parse_policy.restrictions(said, "Microsoft.Network/publicIPAddresses")


def test_a_policy_that_forbids_the_object() -> None:
    (one,) = found(facts(restrictions=evaluated(path="type", operator="Equals", result="True")))
    assert one.summary == "An Azure policy forbids it"
    assert "because of type" in one.detail
    assert "--name req --scope /providers/Microsoft.Management/managementGroups/corp" in one.hint


def test_a_policy_that_misses_a_tag_in_the_whole_object() -> None:
    (one,) = found(
        facts(restrictions=evaluated(path="tags[Cost Center]", operator="Exists", targetValue="false", result="True"))
    )
    assert one.hint == '[tags]\n"Cost Center" = "..."'


# --- what cannot be read -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "locked_at"),
    [
        ("dns_forward.resolver", GROUP),
        ("dns_forward.subnet", VNET),
        ("dns_forward.inbound_subnet", VNET),
        ("dns_forward.ruleset", GROUP),
    ],
)
def test_a_lock_stops_what_carries_names_in_azure(address: str, locked_at: str) -> None:
    plan = Plan((Change(address, "a part of the way of names", Action.CREATE),))
    (one,) = found(facts(locks=(lock(locked_at, "ReadOnly"),)), plan=plan)
    assert one.severity is Severity.OBSTACLE and "a part of the way of names" in one.detail
    assert (
        found(
            facts(locks=(lock(locked_at, "ReadOnly"),)), plan=Plan((Change("dns_forward.forward", "x", Action.CREATE),))
        )
        == []
    )


def test_what_could_not_be_read_is_listed_and_blinds_nothing() -> None:
    seen = facts(unread=(Unread("that no lock is in the way", "Azure refused permission."),))
    (one,) = found(seen)
    assert one.severity is Severity.NOT_PROVED
    assert one.detail == "It could not be read: Azure refused permission."


@pytest.mark.parametrize("raw", [{}, {"properties": None}, {"id": None, "properties": {"subnets": [None, {}]}}])
def test_half_an_answer_is_no_crash(raw: Said) -> None:
    parse_network.vnet(raw)
    parse_network.route_table(raw)
    parse_subscription.locks([raw])
    parse_policy.restrictions(raw, "x")
    parse_subscription.locations([raw])
    parse_policy.policy_refusals([raw])


def test_a_gateway_in_another_subscription_than_its_vnet_is_not_proved() -> None:
    elsewhere = side(vnet_in="99999999-0000-0000-0000-000000000000")
    (one,) = found(facts(), elsewhere)
    assert one.severity is Severity.NOT_PROVED
    assert one.key == "azure.subscription"
    assert found(facts(gateway=True), elsewhere) == []  # it stands


def ranges_of(count: int) -> Said:
    return {"remoteAddressSpace": {"addressPrefixes": [f"10.{64 + i // 256}.{i % 256}.0/24" for i in range(count)]}}


def test_only_ranges_that_aws_gets_count_towards_what_it_takes() -> None:
    """A VNet that is peered without the gateway is not advertised, however many ranges it has."""
    beside = vnet(peerings=[peering(VNET, SPOKE, **ranges_of(150))])
    assert [f for f in found(facts(vnet=beside)) if "Too many" in f.summary] == []
    through = vnet(peerings=[peering(VNET, SPOKE, allowGatewayTransit=True, **ranges_of(100))])
    (finding,) = [f for f in found(facts(vnet=through)) if "Too many" in f.summary]
    assert "101 prefixes" in str(finding.mistake)
    fits = vnet(peerings=[peering(VNET, SPOKE, allowGatewayTransit=True, **ranges_of(99))])
    assert [f for f in found(facts(vnet=fits)) if "Too many" in f.summary] == []


def test_a_transit_gateway_takes_ten_times_as_many() -> None:
    transit = replace(LINK, aws=replace(LINK.aws, gateway="create-transit"))
    through = vnet(peerings=[peering(VNET, SPOKE, allowGatewayTransit=True, **ranges_of(150))])
    assert [f for f in found(facts(vnet=through), transit) if "Too many" in f.summary] == []
    more = vnet(peerings=[peering(VNET, SPOKE, allowGatewayTransit=True, **ranges_of(1000))])
    (finding,) = [f for f in found(facts(vnet=more), transit) if "Too many" in f.summary]
    assert "at most 1000" in str(finding.mistake)


@pytest.mark.parametrize(
    ("state", "registered"),
    [("Registered", True), ("Registering", True), ("NotRegistered", False), ("Unregistering", False), ("", False)],
)
def test_the_states_of_a_provider(state: str, registered: bool) -> None:
    """One that is being registered is so before the first write comes to it; Azure registers in a minute or two."""
    assert parse_subscription.Provider("Microsoft.Network", state).registered is registered
