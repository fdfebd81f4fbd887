"""What is read of Azure before a build: no more than the plan needs, and what cannot be read does not hide the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest

from cloudlink.checks.preflight.azure_facts import (
    AzureFacts,
    Unread,
    read,
    read_borrowers,
    read_locks,
    read_names,
    read_standing,
)
from cloudlink.clouds.azure.parse_subscription import Location, Subscription
from cloudlink.clouds.ownership import owner_of
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.errors import CloudError, CloudlinkError
from cloudlink.link import AzureSubnet, Link, NewCluster, NewNetwork

from .samples import first_plan, link, plan

VPC = (IPv4Network("10.10.0.0/16"),)
GROUP = "/subscriptions/s/resourceGroups/net"
VNET = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/hub"
SPOKE = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/spoke"
TABLES = f"{GROUP}/providers/Microsoft.Network/routeTables"
SERVER = f"{GROUP}/providers/Microsoft.Network/virtualHubs/route-server"
EXPRESS = f"{GROUP}/providers/Microsoft.Network/virtualNetworkGateways/express"


def subnet(vnet: str, name: str, table: str = "", users: tuple[str, ...] = ()) -> dict[str, Any]:
    properties: dict[str, Any] = {"addressPrefix": "10.20.1.0/24", "ipConfigurations": [{"id": u} for u in users]}
    if table:
        properties["routeTable"] = {"id": f"{TABLES}/{table}"}
    return {"id": f"{vnet}/subnets/{name}", "name": name, "properties": properties}


def vnet(id_: str, *subnets: dict[str, Any], peered: bool = False) -> dict[str, Any]:
    peering = {"name": "p", "properties": {"remoteVirtualNetwork": {"id": SPOKE}, "peeringState": "Connected"}}
    return {
        "id": id_,
        "name": id_.rpartition("/")[2],
        "location": "germanywestcentral",
        "properties": {
            "addressSpace": {"addressPrefixes": ["10.20.0.0/16"]},
            "subnets": list(subnets),
            "virtualNetworkPeerings": [peering] if peered else [],
            "provisioningState": "Succeeded",
        },
    }


def table(name: str) -> dict[str, Any]:
    return {"id": f"{TABLES}/{name}", "name": name, "properties": {"disableBgpRoutePropagation": False, "routes": []}}


def cluster(*subnets: str) -> dict[str, Any]:
    pools = [
        {"name": f"p{i}", "vnetSubnetID": s, "count": 1, "osType": "Linux", "provisioningState": "Succeeded"}
        for i, s in enumerate(subnets)
    ]
    return {
        "id": f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/aks",
        "name": "aks",
        "properties": {
            "provisioningState": "Succeeded",
            "powerState": {"code": "Running"},
            "agentPoolProfiles": pools,
            "networkProfile": {"networkPlugin": "azure", "serviceCidr": "10.0.0.0/16"},
        },
    }


class AzureOf:
    """Azure's answers from a table, and which of them were asked for. An answer that is an error is raised."""

    vnet_id = VNET

    def __init__(self, of: Link, things: dict[str, Any] | None = None, **answers: Any) -> None:
        self.owner = owner_of(of)
        self.asked: list[str] = []
        self.contents: list[dict[str, Any]] = []
        self.things = {key.lower(): value for key, value in (things or {}).items()}
        self.answers: dict[str, Any] = {
            "vnet": vnet(VNET),
            "aks_cluster": cluster(f"{VNET}/subnets/nodes"),
            "gateway": None,
            "locks": [],
            "locations": [{"name": "germanywestcentral", "availabilityZoneMappings": [{"logicalZone": "1"}]}],
            "provider": {"namespace": "Microsoft.Network", "registrationState": "Registered"},
            "subscription": Subscription("shop", "Enabled"),
            "other_gateways": [],
            "other_vpn_gateways": [],
            "policy_restrictions": {"fieldRestrictions": [], "contentEvaluationResult": {"policyEvaluations": []}},
            **answers,
        }

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in self.__dict__["answers"]:
            raise AttributeError(name)

        def call(*arguments: Any, **more: Any) -> Any:
            self.contents += [a for a in arguments if isinstance(a, dict)]
            shown = [a for a in arguments if isinstance(a, str) and not a.startswith("20")]
            self.asked.append(" ".join([name, *shown, *(k for k, v in more.items() if v)]))
            return self._said(self.answers[name])

        return call

    def thing(self, id_: str) -> Any:
        self.asked.append(f"thing {id_.rpartition('/')[2]}")
        return self._said(self.things.get(id_.lower()))

    def name(self, what: str) -> str:
        return f"cloudlink-demo-{what}"

    def translate(self, error: Exception) -> CloudlinkError | None:
        return error if isinstance(error, CloudlinkError) else None

    @staticmethod
    def _said(answer: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer


def facts(azure: AzureOf, its_plan: Plan, of: Link | None = None) -> AzureFacts:
    return read(of or link(), azure, its_plan, VPC)  # type: ignore[arg-type]


def standing(azure: AzureOf, of: Link | None = None) -> AzureFacts:
    return read_standing(of or link(), azure, lambda: VPC)  # type: ignore[arg-type]


DENIED = CloudError("A permission is missing in Azure", "me may not read this.")


# --- before a build -----------------------------------------------------------------------------------------


def test_a_plan_without_changes_asks_only_for_what_is_there() -> None:
    azure = AzureOf(link())
    found = facts(azure, plan(Action.NO_OP))
    assert azure.asked == ["vnet", "aks_cluster", "gateway"]
    assert found.vnet is not None and found.vnet.id == VNET
    assert found.cluster is not None
    assert (found.vpc, found.gateway, found.unread) == (VPC, False, ())


def test_a_build_asks_for_everything_that_may_be_in_its_way() -> None:
    azure = AzureOf(link(), gateway={"id": "x"})
    found = facts(azure, first_plan())
    kinds = {a for a in azure.asked if a.startswith("policy_restrictions")}
    assert len([a for a in azure.asked if a.startswith("policy_restrictions")]) == 5
    assert kinds == {"policy_restrictions", "policy_restrictions parent"}  # GatewaySubnet's, in the VNet's group
    assert {a.partition(" ")[0] for a in azure.asked} == set(azure.answers)
    assert {name for name in azure.asked if name.startswith("provider")} == {"provider Microsoft.Network"}
    assert found.gateway
    assert found.subscription == Subscription("shop", "Enabled")
    assert [location.name for location in found.locations] == ["germanywestcentral"]
    assert [provider.namespace for provider in found.providers] == ["Microsoft.Network"]
    assert found.unread == ()


@pytest.mark.parametrize(
    ("action", "only", "asked", "spared"),
    [
        (Action.UPDATE, "azure_vpn.connection", "locks", "locations"),
        (Action.DELETE, "azure_vpn.connection", "locks", "locations"),
        (Action.REPLACE, "azure_vpn.connection", "locations", ""),
        (Action.CREATE, "aws_vpn.", "gateway", "locks"),
        (Action.DEFER, "azure_vpn.connection", "gateway", "locks"),
    ],
)
def test_what_is_asked_depends_on_what_the_plan_writes(action: Action, only: str, asked: str, spared: str) -> None:
    azure = AzureOf(link())
    facts(azure, plan(action, only))
    names = {a.partition(" ")[0] for a in azure.asked}
    assert asked in names
    assert not spared or spared not in names


@pytest.mark.parametrize(
    ("only", "kinds"),
    [("azure_vpn.public_ip", 1), ("azure_vpn.gateway_subnet", 1), ("azure_vpn.gateway", 2), ("azure_vpn.c", 1)],
)
def test_policies_are_asked_only_for_what_is_made(only: str, kinds: int) -> None:
    azure = AzureOf(link())
    facts(azure, plan(Action.CREATE, only))
    assert len([a for a in azure.asked if a.startswith("policy_restrictions")]) == kinds


def asked_about(azure: AzureOf) -> dict[str, dict[str, Any]]:
    return {content["type"].rpartition("/")[2]: content for content in azure.contents}


def test_each_kind_that_is_made_is_asked_about_as_it_will_be_made() -> None:
    """A policy may look at the group, a subnet, the VNet or the cluster only."""
    prefix = IPv4Network("10.20.1.0/24")
    new = link(
        azure={
            "new_network": NewNetwork((IPv4Network("10.20.0.0/16"),), AzureSubnet("nodes", prefix)),
            "new_cluster": NewCluster(2, "Standard_B2s", None, prefix, prefix),
        }
    )
    addresses = ("resource_group", "network", "cluster", "gateway_subnet")
    changes = tuple(Change(f"azure_vpn.{a}", a, Action.CREATE) for a in addresses)
    azure = AzureOf(new)
    facts(azure, Plan(changes), new)
    said = asked_about(azure)
    assert set(said) == {"resourceGroups", "virtualNetworks", "managedClusters", "subnets"}
    assert said["resourceGroups"]["tags"]["cloudlink-link"] == new.name
    assert said["subnets"]["properties"]["defaultOutboundAccess"] is False
    assert said["virtualNetworks"]["properties"]["subnets"][0]["properties"]["defaultOutboundAccess"] is False
    assert said["managedClusters"]["properties"]["agentPoolProfiles"][0]["vmSize"] == "Standard_B2s"


@pytest.mark.parametrize("address", ["dns_forward.resolver", "dns_forward.ruleset"])
def test_what_carries_names_in_azure_is_asked_about_too(address: str) -> None:
    plan_ = Plan((Change(address, "x", Action.CREATE),))
    for read_ in (facts, lambda azure, plan: read_names(link(), azure, plan)):
        azure = AzureOf(link())
        found = read_(azure, plan_)
        assert found.subscription is not None
        assert len(azure.contents) == 1
        assert {"locks", "provider"} <= {a.partition(" ")[0] for a in azure.asked}


def test_the_zones_come_with_the_provider_where_it_tells_them() -> None:
    """Those of the kind that gets them, and one call less."""
    held = {
        "resourceType": "publicIPAddresses",
        "locations": ["Germany West Central", "UK West"],
        "zoneMappings": [{"location": "Germany West Central", "zones": ["2", "1"]}],
    }
    told = {"namespace": "Microsoft.Network", "registrationState": "Registered", "resourceTypes": [held]}
    azure = AzureOf(link(), provider=told)
    assert facts(azure, first_plan()).locations == (Location("germanywestcentral", ("1", "2")), Location("ukwest", ()))
    assert "locations" not in azure.asked


def test_the_subscription_of_the_vnet_is_read_where_it_is_another() -> None:
    elsewhere = link(azure={"vnet_in": "11111111-1111-2222-3333-444444444444"})
    azure = AzureOf(elsewhere, subscription_of_vnet=Subscription("hub", "Disabled"))
    assert facts(azure, first_plan(), elsewhere).vnet_subscription == Subscription("hub", "Disabled")


def test_where_the_group_is_made_too_policies_are_asked_of_the_subscription() -> None:
    made = plan(Action.CREATE, "azure_vpn.public_ip")
    changes = (replace(made.changes[0], address="azure_vpn.resource_group", action=Action.CREATE), *made.changes)
    azure = AzureOf(link())
    facts(azure, Plan(changes))
    assert "policy_restrictions whole_subscription" in azure.asked


def test_a_network_and_a_cluster_that_are_made_too_are_not_read() -> None:
    prefix = IPv4Network("10.20.1.0/24")
    new = link(
        azure={
            "new_network": NewNetwork((IPv4Network("10.20.0.0/16"),), AzureSubnet("nodes", prefix)),
            "new_cluster": NewCluster(2, "Standard_B2s", None, prefix, prefix),
        }
    )
    azure = AzureOf(new)
    found = facts(azure, first_plan(), new)
    assert not {"vnet", "aks_cluster", "other_gateways", "other_vpn_gateways"} & {
        a.partition(" ")[0] for a in azure.asked
    }
    assert {"provider Microsoft.Network", "provider Microsoft.ContainerService"} <= {a.strip() for a in azure.asked}
    assert (found.vnet, found.cluster) == (None, None)
    assert standing(azure, new) == AzureFacts()


# --- what is around the VNet --------------------------------------------------------------------------------


def test_route_tables_of_the_gateways_and_the_clusters_subnets_are_read_once_each() -> None:
    own = vnet(
        VNET,
        subnet(VNET, "GatewaySubnet", "rt-gateway"),
        subnet(VNET, "nodes", "rt-nodes"),
        subnet(VNET, "pods", "RT-NODES"),
        subnet(VNET, "others", "rt-others"),
    )
    things = {f"{TABLES}/{name}": table(name) for name in ("rt-gateway", "rt-nodes", "rt-others")}
    azure = AzureOf(link(), things, vnet=own, aks_cluster=cluster(f"{VNET}/subnets/nodes", f"{VNET}/subnets/PODS"))
    found = facts(azure, plan(Action.NO_OP))
    assert sorted(t.id.rpartition("/")[2] for t in found.tables) == ["rt-gateway", "rt-nodes"]
    assert len([a for a in azure.asked if a.startswith("thing")]) == 2


def test_a_spoke_is_read_and_its_tables_too() -> None:
    spoke = vnet(SPOKE, subnet(SPOKE, "nodes", "rt-spoke"))
    azure = AzureOf(
        link(), {SPOKE: spoke, f"{TABLES}/rt-spoke": table("rt-spoke")}, aks_cluster=cluster(f"{SPOKE}/subnets/nodes")
    )
    found = facts(azure, plan(Action.NO_OP))
    assert [s.id for s in found.spokes] == [SPOKE]
    assert [t.id.rpartition("/")[2] for t in found.tables] == ["rt-spoke"]


def test_the_links_own_vnet_in_other_letters_is_no_spoke() -> None:
    azure = AzureOf(link(), aks_cluster=cluster(f"{VNET.upper()}/subnets/nodes"))
    assert facts(azure, plan(Action.NO_OP)).spokes == ()


def test_neighbours_are_other_gateways_and_a_route_server() -> None:
    own = vnet(
        VNET, subnet(VNET, "RouteServerSubnet", users=(f"{SERVER}/ipConfigurations/a", f"{SERVER}/ipConfigurations/b"))
    )
    express = {
        "id": EXPRESS,
        "name": "express",
        "properties": {"gatewayType": "ExpressRoute", "provisioningState": "Succeeded"},
    }
    azure = AzureOf(link(), {EXPRESS: express}, vnet=own, other_gateways=[EXPRESS, f"{EXPRESS}-gone"])
    found = facts(azure, first_plan())
    assert [(n.id, n.kind) for n in found.neighbours] == [(EXPRESS, "ExpressRoute"), (SERVER, "RouteServer")]


def test_others_vpn_gateways_are_named() -> None:
    assert facts(AzureOf(link(), other_vpn_gateways=["vpn-1"]), first_plan()).other_gateways == ("vpn-1",)


# --- what cannot be read ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "what", "field", "times"),
    [
        ("locks", "that no lock is in the way", "locks", 1),
        ("locations", f"the zones of {link().azure.location}", "locations", 1),
        ("provider", "that the resource providers are registered", "providers", 1),
        ("other_gateways", "which other gateways are in the VNet", "neighbours", 1),
        ("other_vpn_gateways", "whether the VNet has a VPN gateway", "other_gateways", 1),
        ("policy_restrictions", "that no policy refuses ", "restrictions", 5),
    ],
)
def test_what_may_not_be_read_is_listed_and_the_rest_is_there(name: str, what: str, field: str, times: int) -> None:
    azure = AzureOf(link(), **{name: DENIED})
    found = facts(azure, first_plan())
    assert len(found.unread) == times
    assert all(u.what.startswith(what) and u.why == str(DENIED) for u in found.unread)
    assert getattr(found, field) == ()
    assert found.vnet is not None


def test_a_spoke_and_a_table_that_may_not_be_read_are_named() -> None:
    own = vnet(VNET, subnet(VNET, "GatewaySubnet", "rt"))
    azure = AzureOf(
        link(), {SPOKE: DENIED, f"{TABLES}/rt": DENIED}, vnet=own, aks_cluster=cluster(f"{SPOKE}/subnets/nodes")
    )
    found = facts(azure, plan(Action.NO_OP))
    assert found.unread == (
        Unread(f"the VNet {SPOKE}", str(DENIED)),
        Unread(f"the route table {TABLES}/rt", str(DENIED)),
    )


def test_a_mistake_of_ours_is_not_taken_for_something_unreadable() -> None:
    with pytest.raises(ZeroDivisionError):
        facts(AzureOf(link(), locations=ZeroDivisionError()), first_plan())


def test_locks_are_read_in_each_subscription_once() -> None:
    lock = {"id": "/l", "name": "l", "properties": {"level": "CanNotDelete"}}
    hub = link(azure={"vnet_in": "hub"})
    azure = AzureOf(hub, locks=[lock])
    found = read_locks(hub, azure)  # type: ignore[arg-type]
    assert [a for a in azure.asked if a.startswith("locks")] == [
        f"locks {s}" for s in dict.fromkeys((hub.azure.subscription, "hub", hub.azure.aks_subscription))
    ]
    assert len(found) == 2


# --- of a link that exists ----------------------------------------------------------------------------------


@pytest.mark.parametrize("there", [None, vnet(VNET), vnet(VNET, subnet(VNET, "nodes"))])
def test_without_tables_and_peerings_nothing_but_the_vnet_is_read(there: Any) -> None:
    azure = AzureOf(link(), vnet=there)
    found = standing(azure)
    assert azure.asked == ["vnet"]
    assert (found.vnet is None) is (there is None)
    assert found.vpc == ()


@pytest.mark.parametrize("there", [vnet(VNET, peered=True), vnet(VNET, subnet(VNET, "GatewaySubnet", "rt"))])
def test_with_a_table_or_a_peering_its_surroundings_are_read(there: Any) -> None:
    azure = AzureOf(link(), {f"{TABLES}/rt": table("rt")}, vnet=there, gateway={"id": "x"})
    found = standing(azure)
    assert (found.vpc, found.gateway) == (VPC, True)
    assert found.cluster is not None
    assert "locks" not in {a.partition(" ")[0] for a in azure.asked}


def test_a_cluster_that_may_not_be_read_does_not_hide_the_tables() -> None:
    there = vnet(VNET, subnet(VNET, "GatewaySubnet", "rt"))
    azure = AzureOf(link(), {f"{TABLES}/rt": table("rt")}, vnet=there, aks_cluster=DENIED)
    found = standing(azure)
    assert found.unread == (Unread("the AKS cluster", str(DENIED)),)
    assert len(found.tables) == 1


def test_before_the_gateway_goes_other_vnets_of_the_hub_are_read() -> None:
    """Those to which the hub lends its gateway; one that may not be read hides nothing."""
    lent = {"remoteVirtualNetwork": {"id": SPOKE}, "peeringState": "Connected", "allowGatewayTransit": True}
    hub = vnet(VNET)
    hub["properties"]["virtualNetworkPeerings"] = [{"name": "p", "properties": lent}]
    azure = AzureOf(link(), {SPOKE: vnet(SPOKE)}, vnet=hub)
    assert [s.id for s in read_borrowers(link(), azure).spokes] == [SPOKE]  # type: ignore[arg-type]
    azure = AzureOf(link(), {SPOKE: DENIED}, vnet=hub)
    assert read_borrowers(link(), azure).spokes == ()  # type: ignore[arg-type]
    hub["properties"]["virtualNetworkPeerings"][0]["properties"]["allowGatewayTransit"] = False
    azure = AzureOf(link(), {SPOKE: vnet(SPOKE)}, vnet=hub)
    assert read_borrowers(link(), azure).spokes == ()  # type: ignore[arg-type]
