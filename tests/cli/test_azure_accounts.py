"""Azure as accounts really have it: locations without zones, policies, locks, providers, routes, hubs. What is in the way
is told before the first write, and what keeps packets from a link that stands, by status."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from cloudlink.clouds.azure.body_network import same_subnet
from tests.support.cli import Cli, make_cli
from tests.support.manual_edits import ManualEdits

SUB = "/subscriptions/00000000-1111-2222-3333-444444444444"
GROUP = f"{SUB}/resourceGroups/cloudlink-demo"
AUTHORIZATION = "providers/Microsoft.Authorization"
REQUIRE_TAG = f"/{AUTHORIZATION}/policyDefinitions/871b6d14-10aa-478d-b590-94f262ecfa99"
PROPAGATE = "--name rt-spoke --disable-bgp-route-propagation false"


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with make_cli(tmp_path_factory.mktemp("accounts"), speed=200) as made:
        assert made.sandbox("start").code == 0
        yield made


@pytest.fixture
def place(furnished: Cli) -> Iterator[Cli]:
    text = furnished.config.read_text()
    yield furnished
    furnished.config.write_text(text)


class Owner(ManualEdits):
    """Somebody who rules over the subscription; every rule is taken back."""

    def ask(self, method: str, path: str, body: Any = None) -> None:
        self.clouds.azure._session.ask(method, path, body=body)

    @contextlib.contextmanager
    def rule(self, path: str, **properties: Any) -> Iterator[None]:
        self.ask("PUT", path, {"properties": properties})
        yield
        self.ask("DELETE", path)

    def lock(self, scope: str, level: str) -> contextlib.AbstractContextManager[None]:
        return self.rule(f"{scope}/{AUTHORIZATION}/locks/keep", level=level, notes="ask Ann")

    def wants_tag(self, tag: str) -> contextlib.AbstractContextManager[None]:
        path = f"{GROUP}/{AUTHORIZATION}/policyAssignments/books"
        return self.rule(path, policyDefinitionId=REQUIRE_TAG, parameters={"tagName": {"value": tag}})

    @contextlib.contextmanager
    def unregistered(self) -> Iterator[None]:
        self.ask("POST", f"{SUB}/providers/Microsoft.Network/unregister")
        yield
        self.ask("POST", f"{SUB}/providers/Microsoft.Network/register")

    def put_table(self, *subnets: str, off: bool = True) -> None:
        """The route table of a landing zone on these subnets of test-vnet."""
        route = {"addressPrefix": "0.0.0.0/0", "nextHopType": "VirtualAppliance", "nextHopIpAddress": "10.20.254.4"}
        body = {
            "location": "westeurope",
            "properties": {
                "disableBgpRoutePropagation": off,
                "routes": [{"name": "default", "properties": route}] if off else [],
            },
        }
        self.network.route_tables.begin_create_or_update("test", "rt-spoke", body, polling=False)
        self.later(60)
        for name in subnets:
            there = self.network.subnets.get("test", "test-vnet", name).as_dict()
            there["properties"]["routeTable"] = {
                "id": f"{SUB}/resourceGroups/test/providers/Microsoft.Network/routeTables/rt-spoke"
            }
            kept = {k: v for k, v in there["properties"].items() if k not in ("provisioningState", "ipConfigurations")}
            self.network.subnets.begin_create_or_update("test", "test-vnet", name, {"properties": kept}, polling=False)
            self.later(60)

    def peer(self, of: str, to: str, **flags: bool) -> None:
        net = f"{SUB}/resourceGroups/test/providers/Microsoft.Network/virtualNetworks"
        body = {
            "properties": {"remoteVirtualNetwork": {"id": f"{net}/{to}"}, "allowVirtualNetworkAccess": True, **flags}
        }
        peerings = self.network.virtual_network_peerings
        peerings.begin_create_or_update("test", of, f"to-{to}", body, polling=False)
        self.later(60)

    def hub(self) -> None:
        body = {"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.99.0.0/16"]}}}
        self.network.virtual_networks.begin_create_or_update("test", "hub", body, polling=False)
        self.later(60)


def told(place: Cli, code: int) -> str:
    """What plan says, on one line; it writes nothing."""
    before = place.writes()
    said = place.cloudlink("plan")
    assert place.writes() == before
    assert said.code == code, said.out + said.err
    return " ".join((said.out + said.err).split())


def into_hub(place: Cli) -> None:
    place.replace('name = "test-vnet"', 'name = "hub"')
    place.replace('subnet_prefix = "10.20.255.0/27"', 'subnet_prefix = "10.99.255.0/27"')


# --- before anything is built -----------------------------------------------------------------------------------------


def test_a_policy_that_wants_a_tag_is_named_before_the_first_write(place: Cli) -> None:
    with Owner(place).wants_tag("CostCenter"):
        said = told(place, 3)
        for word in ("An Azure policy wants a tag", "assignment books", "publicIPAddresses", "CostCenter", "[tags]"):
            assert word in said
        place.replace('name = "demo"', 'name = "demo"\n\n[tags]\ncostcenter = "4711"\n')
        assert "policy" not in told(place, 0)


def test_a_lock_that_forbids_every_write(place: Cli) -> None:
    with Owner(place).lock(GROUP, "ReadOnly"):
        said = told(place, 3)
        assert "The lock keep (ReadOnly)" in said
        assert "ask Ann" in said
        assert place.cloudlink("up", "--yes").code == 3
    with Owner(place).lock(GROUP, "CanNotDelete"):
        told(place, 0)


def test_a_provider_that_nobody_has_registered(place: Cli) -> None:
    with Owner(place).unregistered():
        assert "az provider register" in told(place, 3)


def test_a_stopped_cluster_is_told_with_the_command_that_starts_it(place: Cli) -> None:
    owner = Owner(place)
    clusters = owner.clouds.azure.containers.managed_clusters
    clusters.begin_stop("test", "test", polling=False)
    owner.later(900)
    try:
        said = told(place, 3)
        assert "The AKS cluster is stopped" in said
        assert "az aks start" in said
    finally:
        clusters.begin_start("test", "test", polling=False)
        owner.later(900)


def test_the_route_table_of_the_clusters_subnet(place: Cli) -> None:
    owner = Owner(place)
    owner.put_table("aks")
    said = told(place, 0)
    assert "rt-spoke, the route table of the cluster's subnet aks," in said
    assert PROPAGATE in said
    owner.put_table(off=False)
    assert "rt-spoke" not in told(place, 0)


def test_a_hub_whose_peering_lacks_a_flag(place: Cli) -> None:
    owner = Owner(place)
    owner.hub()
    into_hub(place)
    assert "az network vnet peering create" in told(place, 3)
    owner.peer("hub", "test-vnet", allowGatewayTransit=False)
    owner.peer("test-vnet", "hub")
    assert "--vnet-name hub --name to-test-vnet --set allowGatewayTransit=true" in told(place, 3)
    owner.peer("hub", "test-vnet", allowGatewayTransit=True)
    said = told(place, 0)
    assert "--vnet-name test-vnet --name to-hub --set useRemoteGateways=true" in said
    assert "set it after cloudlink up" in said


def test_zones_are_those_of_the_location(tmp_path: Any) -> None:
    with make_cli(tmp_path / "ukwest", speed=600) as place:
        place.replace('location = "westeurope"', 'location = "ukwest"')
        assert place.sandbox("start").code == 0
        said = told(place, 3)
        assert "ukwest has no availability zones" in said
        place.replace('# zones = ["1", "2", "3"]', "zones = []")
        assert "zones" not in told(place, 0).partition("Plan for")[2].partition("What the link costs")[0]
        built = place.cloudlink("up", "--no-verify")
        assert built.code == 0, built.out + built.err


# --- a link that stands -----------------------------------------------------------------------------------------------


def test_status_names_the_route_table_that_keeps_packets_from_the_gateway(linked: Cli) -> None:
    owner = Owner(linked)
    owner.put_table("aks")
    try:
        assert PROPAGATE in told(linked, 0)  # nothing is to be written, and it is said all the same
        status = linked.cloudlink("status", "--json")
        assert status.code == 8
        assert status.json["health"] == "degraded"
        (failed,) = [c for c in status.json["checks"] if c["outcome"] == "failed"]
        assert failed["name"] == "routes-aks"
        assert PROPAGATE in failed["fix"]
        again = linked.cloudlink("up", "--json")
        assert again.code == 8 and again.lines[-1]["health"] == "degraded", "what keeps packets away is not healthy"
        asked = linked.cloudlink("verify-dns", "sentry", "--json").json
        assert PROPAGATE in asked["names"][0]["fix"], asked
    finally:
        owner.put_table(off=False)


def test_a_lock_is_told_before_anything_is_deleted(linked: Cli) -> None:
    with Owner(linked).lock(GROUP, "CanNotDelete"):
        before = linked.writes()
        taken = linked.cloudlink("teardown", "--yes")
        assert taken.code == 3
        assert linked.writes() == before
        assert "The lock keep" in " ".join((taken.out + taken.err).split())


# Everything but what joins a route table.
ALL_BUT_TABLES = [
    "*:*",
    *(
        f"Microsoft.{name}"
        for name in ("ContainerService/*", "Resources/*", "Authorization/*", "PolicyInsights/*", "Insights/*")
    ),
    *(f"Microsoft.Network/{kind}*" for kind in ("virtualN", "publicIP", "connections", "local", "locations")),
    "Microsoft.Network/*/read",
]


def test_a_subnet_whose_route_table_may_not_be_joined_is_told_before_it_is_written_again(linked: Cli) -> None:
    """It is in the network team's group, and Azure asks for it whenever the subnet is written."""
    owner = Owner(linked)
    failing = {"kind": "operation-fails", "target": "azure.PUT:subnets/GatewaySubnet", "times": 1}
    linked.control("POST", "faults", failing)
    owner.put_table("GatewaySubnet", off=False)
    linked.control("POST", "grants", {"actions": ALL_BUT_TABLES})
    try:
        said = told(linked, 4)
        assert "No role gives Microsoft.Network/routeTables/join/action on the route table /subscriptions/" in said
        assert "needed for azure_vpn.gateway_subnet" in said
        assert "--scope " in said
        before = linked.writes()
        assert linked.cloudlink("up", "--yes", "--no-verify").code == 4
        assert linked.writes() == before
        clouds = owner.clouds.azure
        there = clouds.whole(f"{clouds.vnet_id}/subnets/GatewaySubnet")
        with pytest.raises(HttpResponseError) as refused:
            clouds.put_gateway_subnet(same_subnet(there))
        assert refused.value.error is not None
        assert refused.value.error.code == "LinkedAuthorizationFailed"
        assert "routeTables/rt-spoke" in str(refused.value)
    finally:
        linked.control("DELETE", "grants")
    assert linked.cloudlink("up", "--no-verify").code == 0
    (subnet,) = [s for s in owner.clouds.azure.vnet()["properties"]["subnets"] if s["name"] == "GatewaySubnet"]
    assert subnet["properties"]["provisioningState"] == "Succeeded"
    assert subnet["properties"]["routeTable"]["id"].endswith("routeTables/rt-spoke")


def test_new_tags_are_added_to_what_stands(linked: Cli) -> None:
    linked.replace('name = "demo"', 'name = "demo"\n\n[tags]\nCostCenter = "4711"\n')
    assert "not as configured: tag CostCenter" in told(linked, 0)
    assert linked.cloudlink("up", "--no-verify").code == 0
    assert "Nothing to do" in told(linked, 0)
    clouds = linked.clouds()
    zone = next(z["Id"] for z in clouds.aws.hosted_zones() if z["CallerReference"].startswith("cloudlink/demo/"))
    assert clouds.aws.zone_tags(zone.rpartition("/")[2]) == {"CostCenter": "4711"}
    assert clouds.azure.gateway()["tags"]["CostCenter"] == "4711"


def test_a_hub_and_two_spokes_from_plan_to_names(tmp_path: Any) -> None:
    """Two clusters, each in a spoke. Azure takes useRemoteGateways only once the hub has its gateway, so that each spoke's owner sets
    it after the ``up``; until then its cluster is named, and the other one is well."""
    with make_cli(tmp_path / "hub", speed=600, more='more_clusters = "peered"\n') as place:
        place.replace("[dns]\n", '[[azure.clusters]]\nname = "green"\n\n[dns]\n')
        assert place.sandbox("start").code == 0
        owner = Owner(place)
        owner.hub()
        spokes = {"test": "test-vnet", "green": "green-vnet"}
        for vnet in spokes.values():
            owner.peer("hub", vnet, allowGatewayTransit=True)
            owner.peer(vnet, "hub")
        into_hub(place)
        assert place.cloudlink("up", "--no-verify").code == 0
        place.control("POST", "clock", {"advance": 600})
        left = dict(spokes)
        for cluster, vnet in spokes.items():
            before = place.cloudlink("status", "--json")
            assert before.code == 8
            said = before.json["advice"]["cause"]
            assert {name for name in spokes.values() if f"to-hub of {name} does not use" in said} == {*left.values()}
            assert f"--vnet-name {vnet} --name to-hub --set useRemoteGateways=true" in before.json["next"][0]
            owner.peer(vnet, "hub", useRemoteGateways=True)
            place.control("POST", "clock", {"advance": 600})
            del left[cluster]
            names = place.cloudlink("verify-dns", "--json").json["names"]
            well = {n["cluster"] for n in names} - {n["cluster"] for n in names if n["verdict"] != "ok"}
            assert well == spokes.keys() - left.keys(), names
            silent = {n["cluster"]: n["cause"] for n in names if n["verdict"] != "ok"}
            assert all(f"to-hub of {left[at]} does not use" in why for at, why in silent.items()), silent
        after = place.cloudlink("status", "--json")
        assert after.json["health"] == "healthy", after.out


def test_the_hubs_ruleset_does_not_serve_a_spoke_until_its_owner_links_it(tmp_path: Any) -> None:
    """dns.forward = "vnet" with the cluster in a spoke: what is asked there, the rules of the hub do not see."""
    with make_cli(tmp_path / "hub", speed=600) as place:
        assert place.sandbox("start").code == 0
        owner = Owner(place)
        owner.hub()
        owner.peer("hub", "test-vnet", allowGatewayTransit=True)
        owner.peer("test-vnet", "hub")
        into_hub(place)
        place.replace("[dns]\n", '[dns]\nforward = "vnet"\n')
        assert "The cluster's VNet is not linked to the forwarding ruleset" in told(place, 0)
        assert place.cloudlink("up", "--no-verify").code == 0
        owner.peer("test-vnet", "hub", useRemoteGateways=True)
        place.control("POST", "clock", {"advance": 600})
        status = place.cloudlink("status", "--json")
        assert status.code == 8 and "not linked to test-vnet" in status.json["advice"]["cause"], status.out
        line = f"{status.json['advice']['command']}{status.json['advice']['task']}"
        ruleset = f"{GROUP}/providers/Microsoft.Network/dnsForwardingRulesets/cloudlink-demo-dns"
        assert line.startswith("az dns-resolver vnet-link create") and "--ruleset-name cloudlink-demo-dns" in line
        assert "not linked to test-vnet" in place.cloudlink("verify-dns", "sentry", "--json").json["names"][0]["cause"]
        vnet = f"{SUB}/resourceGroups/test/providers/Microsoft.Network/virtualNetworks/test-vnet"
        owner.ask("PUT", f"{ruleset}/virtualNetworkLinks/test-vnet", {"properties": {"virtualNetwork": {"id": vnet}}})
        place.control("POST", "clock", {"advance": 600})
        assert place.cloudlink("status").code == 0
        assert place.cloudlink("verify-dns", "sentry").code == 0


def test_a_cluster_behind_a_proxy_that_is_asked_for_the_zones_names(place: Cli) -> None:
    clusters = Owner(place).clouds.azure.containers.managed_clusters
    read = clusters.get("test", "test").as_dict()

    def put(no_proxy: list[str]) -> None:
        config = {"httpProxy": "http://proxy.corp:3128", "httpsProxy": "http://proxy.corp:3128", "noProxy": no_proxy}
        body = {**read, "properties": {**read["properties"], "httpProxyConfig": config}}
        clusters.begin_create_or_update("test", "test", body, polling=False)
        Owner(place).later(900)

    put(["10.0.0.0/8"])
    assert "The cluster sends its pods' HTTP through a proxy" in told(place, 0)
    put(["10.0.0.0/8", ".prod.corp.example"])
    assert "through a proxy" not in told(place, 0)
