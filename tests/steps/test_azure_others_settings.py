"""What others have set on an object of ours is still there after we have changed it: a PUT takes away what it does not
name. What Azure is sent is looked at, so that nothing here depends on what the sandbox models."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any
from urllib.parse import parse_qs

import pytest
from azure.core.exceptions import HttpResponseError

from cloudlink.clouds.azure.body import body_of, rest_of
from cloudlink.clouds.azure.versions import NETWORK, TABLE
from cloudlink.core.resource import Outputs, Phase
from cloudlink.errors import ConflictError
from cloudlink_sandbox.azure.policies import Policies
from tests.support.azure_sandbox import AzureSandbox, Server, azure_link, made_from_nothing
from tests.support.links import SUBSCRIPTION

Json = dict[str, Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("sandbox"))
    yield server
    server.listener.stop()


@pytest.fixture(scope="module")
def built(server: Server) -> tuple[AzureSandbox, Any]:
    sandbox = AzureSandbox(azure_link(), server)
    sandbox.make_all()
    return sandbox, sandbox.cloud.app


@pytest.fixture
def sandbox(built: tuple[AzureSandbox, Any], server: Server) -> AzureSandbox:
    """The listener serves one cloud at a time."""
    sandbox, sandbox.cloud.app = built
    server.cloud = sandbox.cloud
    return sandbox


@dataclass
class Sent:
    method: str
    path: str
    version: str
    body: Json


@pytest.fixture
def sent(sandbox: AzureSandbox) -> list[Sent]:
    """The requests from now on."""
    app = sandbox.cloud.app
    seen: list[Sent] = []

    def call(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        query = parse_qs(environ.get("QUERY_STRING", ""))
        read = json.loads(body) if body[:1] == b"{" else {}
        seen.append(Sent(environ["REQUEST_METHOD"], environ["PATH_INFO"], query.get("api-version", [""])[0], read))
        answer: Iterable[bytes] = app(environ, start)
        return answer

    sandbox.cloud.app = call
    return seen


def drift_gateway(held: Json) -> None:
    held["bgpSettings"]["asn"] = 65099


def drift_local(held: Json) -> None:
    held["gatewayIpAddress"] = "52.99.0.1"


def drift_connection(held: Json) -> None:
    held["connectionMode"] = "ResponderOnly"


CLIENTS = {
    "vpnClientAddressPool": {"addressPrefixes": ["172.16.200.0/24"]},
    "vpnClientProtocols": ["OpenVPN"],
    "vpnAuthenticationTypes": ["AAD"],
    "aadTenant": "https://login.microsoftonline.com/t/",
}
GROUP = {"name": "g", "properties": {"isDefault": True, "priority": 0, "policyMembers": []}}
NAT = [{"name": "nat", "id": "/x/natRules/nat", "properties": {"type": "Static", "mode": "EgressSnat"}}]
# address, end of its id, what changes by hand so that we write, settings of others
OBJECTS: dict[str, tuple[str, str, Callable[[Json], None], Json]] = {
    "point-to-site": (
        "azure_vpn.gateway",
        "virtualNetworkGateways/cloudlink-demo-gateway",
        drift_gateway,
        {"vpnClientConfiguration": CLIENTS, "virtualNetworkGatewayPolicyGroups": [GROUP]},
    ),
    "NAT rules, custom routes, private addresses": (
        "azure_vpn.gateway",
        "virtualNetworkGateways/cloudlink-demo-gateway",
        drift_gateway,
        {
            "natRules": NAT,
            "enableBgpRouteTranslationForNat": True,
            "customRoutes": {"addressPrefixes": ["10.99.0.0/16"]},
            "enablePrivateIpAddress": True,
            "gatewayDefaultSite": {"id": "/x/localNetworkGateways/site"},
            "allowRemoteVnetTraffic": True,
            "disableIPSecReplayProtection": True,
        },
    ),
    "a connection's weight and NAT": (
        "azure_vpn.connection[0]",
        "connections/cloudlink-demo-connection-1",
        drift_connection,
        {
            "routingWeight": 7,
            "ingressNatRules": [{"id": "/x/natRules/nat"}],
            "egressNatRules": [{"id": "/x/natRules/out"}],
            "useLocalAzureIpAddress": True,
        },
    ),
}


def written(sent: list[Sent], tail: str) -> Sent:
    (put,) = [s for s in sent if s.method == "PUT" and s.path.lower().endswith(tail.lower())]
    return put


@pytest.mark.parametrize("case", OBJECTS)
def test_settings_of_others_are_written_back(sandbox: AzureSandbox, sent: list[Sent], case: str) -> None:
    address, tail, drift, theirs = OBJECTS[case]
    record = sandbox.record(tail)
    before = copy.deepcopy(record.properties)
    try:
        record.properties.update(copy.deepcopy(theirs))
        record.tags["theirs"] = "x"
        drift(record.properties)
        sandbox.time.wait(5)
        node = sandbox.node(address)
        found = sandbox.find(node)
        assert found is not None
        sandbox.azure.cache.clear()
        with not_modelled():
            node.update(found, node.spec(Outputs(sandbox.outputs)))
        put = written(sent, tail)
        assert put.body["properties"].items() >= theirs.items()
        assert put.body["tags"]["theirs"] == "x"
        assert not _azures(put.body)
    finally:
        sandbox.time.wait(10_000)
        record.properties = before
        record.effective = copy.deepcopy(before)
        sandbox.azure.cache.clear()


@contextlib.contextmanager
def not_modelled() -> Iterator[None]:
    """The sandbox refuses settings that it does not model, and point-to-site without the third address that the test of
    it has; what it was sent is looked at all the same."""
    try:
        yield
    except HttpResponseError as refused:
        if not any(code in str(refused) for code in ("NotModelledBySandbox", "MustHaveExactlyThreeIpConfigurations")):
            raise


def _azures(value: Any) -> bool:
    """Whether anything in a body is Azure's own to say."""
    if isinstance(value, dict):
        named = {
            "provisioningState",
            "etag",
            "resourceGuid",
            "connectionStatus",
            "tunnelIpAddresses",
            "bgpPeeringAddress",
        }
        local = "bgpPeeringAddress" in value and "bgpPeeringAddresses" not in value  # which names its peer so
        return bool(value.keys() & (named - ({"bgpPeeringAddress"} if local else set()))) or any(
            map(_azures, value.values())
        )
    return isinstance(value, list) and any(map(_azures, value))


def test_the_weight_of_a_peer_stays(sandbox: AzureSandbox) -> None:
    record = sandbox.record("localNetworkGateways/cloudlink-demo-local-gateway-3")
    record.properties["bgpSettings"]["peerWeight"] = 9
    drift_local(record.properties)
    sandbox.make("azure_vpn.local_gateway[2]")
    assert record.properties["bgpSettings"]["peerWeight"] == 9
    assert record.properties["gatewayIpAddress"] == "52.10.0.3"


def test_a_third_address_of_the_gateway_stays(sandbox: AzureSandbox, sent: list[Sent]) -> None:
    """Point-to-site on an active-active gateway needs one of its own."""
    there = copy.deepcopy(
        sandbox.azure.whole(sandbox.azure.id("virtualNetworkGateways", sandbox.azure.name("gateway")))
    )
    third = copy.deepcopy(there["properties"]["ipConfigurations"][0])
    third |= {"name": "p2s", "id": third["id"].rpartition("/")[0] + "/p2s"}
    third["properties"]["publicIPAddress"] = {"id": "/x/publicIPAddresses/p2s"}
    there["properties"]["ipConfigurations"].insert(0, third)
    peer = {"ipconfigurationId": third["id"], "customBgpIpAddresses": [], "defaultBgpIpAddresses": ["10.20.255.6"]}
    there["properties"]["bgpSettings"]["bgpPeeringAddresses"].insert(0, peer)
    node = sandbox.node("azure_vpn.gateway")
    found = sandbox.find(node)
    assert found is not None
    assert found.spec is not None
    with pytest.raises(Exception, match=r"IpConfigurations|referenced"):  # the sandbox has no third one
        node.put(found.spec, {}, there)
    put = written(sent, "gateway").body["properties"]
    names = [c["name"] for c in put["ipConfigurations"]]
    assert sorted(names) == ["instance0", "instance1", "p2s"]
    kept = next(p for p in put["bgpSettings"]["bgpPeeringAddresses"] if p["ipconfigurationId"] == third["id"])
    assert kept == {"ipconfigurationId": third["id"], "customBgpIpAddresses": []}


def test_what_a_write_would_lose_is_not_written(sandbox: AzureSandbox, sent: list[Sent]) -> None:
    there = copy.deepcopy(
        sandbox.azure.whole(sandbox.azure.id("virtualNetworkGateways", sandbox.azure.name("gateway")))
    )
    there["properties"]["vpnClientConfiguration"] = {**CLIENTS, "radiusServerAddress": "10.20.4.4"}
    node = sandbox.node("azure_vpn.gateway")
    found = sandbox.find(node)
    assert found is not None
    assert found.spec is not None
    with pytest.raises(ConflictError, match="RADIUS") as refused:
        node.put(found.spec, {}, there)
    assert "portal" in refused.value.hint
    assert not [s for s in sent if s.method == "PUT"]


def test_a_key_that_is_read_with_an_object_goes_nowhere(sandbox: AzureSandbox) -> None:
    there = sandbox.azure.whole(sandbox.azure.id("connections", sandbox.azure.name("connection-1")))
    assert "sharedKey" not in there["properties"]


def test_what_is_read_to_be_written_back_is_read_in_the_version_of_the_write(
    sandbox: AzureSandbox, sent: list[Sent]
) -> None:
    """An older one would leave out what it does not know."""
    record = sandbox.record("localNetworkGateways/cloudlink-demo-local-gateway-2")
    drift_local(record.properties)
    sandbox.make("azure_vpn.local_gateway[1]")
    asked = [s for s in sent if s.path.endswith("local-gateway-2")]
    put = next(i for i, s in enumerate(asked) if s.method == "PUT")
    assert asked[put].version == asked[put - 1].version == TABLE["public"][NETWORK].write
    assert asked[put - 1].method == "GET"


def test_a_failed_public_ip_keeps_its_name_and_protection(sandbox: AzureSandbox, sent: list[Sent]) -> None:
    record = sandbox.record("publicIPAddresses/cloudlink-demo-public-ip-1")
    theirs = {
        "dnsSettings": {"domainNameLabel": "gw", "fqdn": "gw.westeurope.cloudapp.azure.com"},
        "idleTimeoutInMinutes": 20,
        "ddosSettings": {"protectionMode": "Enabled"},
        "ipTags": [{"ipTagType": "FirstPartyUsage", "tag": "/NonProd"}],
    }
    record.properties.update(copy.deepcopy(theirs))
    record.state = "Failed"
    node = sandbox.node("azure_vpn.public_ip[0]")
    found = sandbox.find(node)
    assert found is not None
    assert (found.phase, found.spec is not None) == (Phase.FAILED, True)
    node.update(found, found.spec)
    put = written(sent, "public-ip-1").body
    assert put["properties"].items() >= theirs.items()
    assert put["zones"] == ["1", "2", "3"]
    assert "ipConfiguration" not in put["properties"]


def test_a_failed_gateway_subnet_keeps_its_table(sandbox: AzureSandbox, sent: list[Sent]) -> None:
    record = sandbox.record("apps/subnets/GatewaySubnet")
    theirs = {
        "routeTable": {"id": "/x/routeTables/through-firewall"},
        "serviceEndpoints": [{"service": "Microsoft.Storage"}],
        "defaultOutboundAccess": False,
    }
    record.properties.update(copy.deepcopy(theirs))
    record.state = "Failed"
    node = sandbox.node("azure_vpn.gateway_subnet")
    sandbox.note("azure_vpn.gateway_subnet")
    found = sandbox.find(node)
    assert found is not None
    try:
        with pytest.raises(Exception, match="routeTables"):  # the sandbox has no such table
            node.update(found, found.spec)
        put = written(sent, "GatewaySubnet").body
        assert put["properties"].items() >= theirs.items()
        assert put["properties"]["addressPrefix"] == "10.20.255.0/27"
        assert "ipConfigurations" not in put["properties"]
    finally:
        record.state = "Succeeded"
        for name in theirs:
            record.properties.pop(name)


def test_a_new_vnet_keeps_what_others_put_into_it(server: Server) -> None:
    sandbox = AzureSandbox(made_from_nothing(), server)
    sandbox.make("azure_vpn.resource_group")
    found = sandbox.make("azure_vpn.network")
    there = copy.deepcopy(sandbox.azure.whole(found.id))
    theirs = {
        "dhcpOptions": {"dnsServers": ["10.20.0.4"]},
        "enableDdosProtection": True,
        "ddosProtectionPlan": {"id": "/x/ddosProtectionPlans/p"},
        "encryption": {"enabled": True, "enforcement": "AllowUnencrypted"},
        "flowTimeoutInMinutes": 10,
        "virtualNetworkPeerings": [{"name": "to-hub", "properties": {"allowForwardedTraffic": True}}],
    }
    there["properties"].update(copy.deepcopy(theirs))
    there["properties"]["subnets"].append({"name": "others", "properties": {"addressPrefix": "10.20.8.0/22"}})
    bodies: list[Json] = []
    sandbox.azure.put_vnet = bodies.append  # type: ignore[method-assign,assignment,return-value]
    sandbox.node("azure_vpn.network").put(found.spec, {}, there)
    (body,) = bodies
    assert body["properties"].items() >= theirs.items()
    assert [s["name"] for s in body["properties"]["subnets"]] == ["others", "cluster"]


def test_a_new_vnet_keeps_the_ipv6_ranges_of_others(server: Server) -> None:
    """Azure refuses to take a range away that a subnet uses; the link itself carries IPv4 alone."""
    sandbox = AzureSandbox(made_from_nothing(), server)
    sandbox.make("azure_vpn.resource_group")
    found = sandbox.make("azure_vpn.network")
    there = copy.deepcopy(sandbox.azure.whole(found.id))
    held = there["properties"]
    held["addressSpace"]["addressPrefixes"].append("fd00:db8::/48")
    held["subnets"][0]["properties"].pop("addressPrefix")
    held["subnets"][0]["properties"]["addressPrefixes"] = ["10.20.0.0/22", "fd00:db8::/64"]
    bodies: list[Json] = []
    sandbox.azure.put_vnet = bodies.append  # type: ignore[method-assign,assignment,return-value]
    sandbox.node("azure_vpn.network").put(found.spec, {}, there)
    (body,) = bodies
    assert body["properties"]["addressSpace"]["addressPrefixes"] == ["10.20.0.0/16", "fd00:db8::/48"]
    (own,) = (s["properties"] for s in body["properties"]["subnets"])
    assert own["addressPrefixes"] == ["10.20.0.0/22", "fd00:db8::/64"] and "addressPrefix" not in own


PRIVATE_SUBNETS = "/providers/Microsoft.Authorization/policyDefinitions/7bca8353-aa3b-429b-904a-9229c4385837"


def test_subnets_that_are_made_are_private(server: Server) -> None:
    """A company may deny every other."""
    sandbox = AzureSandbox(made_from_nothing(), server)
    scope = f"/subscriptions/{SUBSCRIPTION}"
    id_ = f"{scope}/providers/Microsoft.Authorization/policyAssignments/private"
    given = {"policyDefinitionId": PRIVATE_SUBNETS, "parameters": {"effect": {"value": "Deny"}}}
    policies = Policies(sandbox.cloud.store)
    sandbox.cloud.store.policies[id_.lower()] = policies.assignment(id_, scope, "private", {"properties": given})
    for address in ("resource_group", "network", "gateway_subnet"):
        sandbox.make(f"azure_vpn.{address}")
    for name in ("cluster", "GatewaySubnet"):
        assert sandbox.record(f"{sandbox.azure.vnet_id}/subnets/{name}").properties["defaultOutboundAccess"] is False


def test_the_body_of_a_put() -> None:
    there = {
        "id": "/x",
        "name": "x",
        "etag": "1",
        "identity": {"type": "None"},
        "properties": {
            "provisioningState": "Succeeded",
            "a": 1,
            "b": {"etag": "2", "c": [{"resourceGuid": "g", "d": 1}]},
        },
    }
    body = body_of(there, {"a": 2}, location="here")
    assert body == {"identity": {"type": "None"}, "location": "here", "properties": {"a": 2, "b": {"c": [{"d": 1}]}}}
    assert body_of(None, {"a": 2}) == {"properties": {"a": 2}}
    assert rest_of({"x": 1, "mine": 2}, "mine") == {"x": 1}


# --- what is made on request --------------------------------------------------------------------------------


@pytest.fixture
def made(server: Server) -> AzureSandbox:
    sandbox = AzureSandbox(made_from_nothing(), server)
    sandbox.make_all(until="azure_vpn.cluster")
    return sandbox


def others_in_the_cluster(held: Json) -> Json:
    """What people switch on in a test cluster after it was made."""
    theirs: Json = {
        "addonProfiles": {"azurepolicy": {"enabled": True}},
        "autoUpgradeProfile": {"upgradeChannel": "patch"},
        "apiServerAccessProfile": {"authorizedIPRanges": ["203.0.113.0/24"]},
        "disableLocalAccounts": True,
        "nodeResourceGroup": held.get("nodeResourceGroup"),
    }
    held.update(copy.deepcopy(theirs))
    own = held["agentPoolProfiles"][0]
    own.update({"nodeLabels": {"team": "a"}, "maxPods": 60})
    pool = {**copy.deepcopy(own), "name": "gpu", "mode": "User", "count": 3, "vmSize": "Standard_NC6s_v3"}
    held["agentPoolProfiles"].insert(0, pool)
    return theirs


def test_a_cluster_keeps_what_others_have_set(made: AzureSandbox) -> None:
    """Its number of nodes was changed by hand, and is written; pools, addons and labels of others stay."""
    there = copy.deepcopy(made.azure.whole(made.azure.aks_id))
    theirs = others_in_the_cluster(there["properties"])
    there["identity"] = {"type": "UserAssigned", "userAssignedIdentities": {"/x/identities/i": {}}}
    there["sku"] = {"name": "Base", "tier": "Standard"}
    there["properties"]["agentPoolProfiles"][1]["count"] = 7
    bodies: list[Json] = []
    made.azure.put_aks_cluster = bodies.append  # type: ignore[method-assign,assignment,return-value]
    node = made.node("azure_vpn.cluster")
    spec = node.spec(Outputs(made.outputs))
    node.put(spec, {"team": "a"}, there)
    (body,) = bodies
    assert body["properties"].items() >= theirs.items()
    assert (body["identity"], body["sku"]) == (there["identity"], there["sku"])
    gpu, own = body["properties"]["agentPoolProfiles"]
    assert (gpu["name"], gpu["count"]) == ("gpu", 3)
    assert (own["name"], own["count"], own["nodeLabels"], own["maxPods"]) == ("nodes", 2, {"team": "a"}, 60)
    for answered in ("fqdn", "currentKubernetesVersion", "provisioningState", "powerState"):
        assert answered not in body["properties"]
    assert node.parse_spec(there).node_count == 7, "it is the pool of ours that is compared, wherever it stands"


def test_a_cluster_is_read_before_it_is_written(made: AzureSandbox) -> None:
    record = made.record("managedClusters/test")
    record.properties["agentPoolProfiles"][0]["count"] = 5
    record.properties["agentPoolProfiles"][0]["nodeLabels"] = {"team": "a"}
    made.make("azure_vpn.cluster")
    held = made.record("managedClusters/test").properties
    assert held["agentPoolProfiles"][0]["count"] == 2
    assert held["agentPoolProfiles"][0]["nodeLabels"] == {"team": "a"}


def test_a_pool_that_aks_scales_is_left_to_it(made: AzureSandbox) -> None:
    there = copy.deepcopy(made.azure.whole(made.azure.aks_id))
    there["properties"]["agentPoolProfiles"][0].update(
        {"enableAutoScaling": True, "minCount": 1, "maxCount": 9, "count": 7}
    )
    node = made.node("azure_vpn.cluster")
    spec = node.spec(Outputs(made.outputs))
    assert node.parse_spec(there) == spec, "no drift"
    bodies: list[Json] = []
    made.azure.put_aks_cluster = bodies.append  # type: ignore[method-assign,assignment,return-value]
    node.put(spec, {}, there)
    assert bodies[0]["properties"]["agentPoolProfiles"][0]["count"] == 7


def test_a_cluster_that_was_upgraded_is_not_taken_back(made: AzureSandbox) -> None:
    node = made.node("azure_vpn.cluster")
    asked = dataclasses.replace(node, wanted=dataclasses.replace(node.wanted, kubernetes_version="1.33.4"))
    there = copy.deepcopy(made.azure.whole(made.azure.aks_id))
    bodies: list[Json] = []
    made.azure.put_aks_cluster = bodies.append  # type: ignore[method-assign,assignment,return-value]
    for version, written_version in (("1.34.1", "1.34.1"), ("1.33.4", "1.33.4"), ("1.32.9", "1.33.4")):
        there["properties"]["kubernetesVersion"] = version
        spec = asked.spec(Outputs(made.outputs))
        drifted = asked.parse_spec(there).version != spec.version
        assert drifted is (version == "1.32.9")
        asked.put(spec, {}, there)
        assert bodies[-1]["properties"]["kubernetesVersion"] == written_version


def test_a_group_keeps_the_tags_of_others(made: AzureSandbox) -> None:
    node = made.node("azure_vpn.resource_group")
    found = made.find(node)  # read before the others set their tag
    assert found is not None and found.spec is not None
    there = made.azure.group() or {}
    tagged = {"location": there["location"], "tags": {**there["tags"], "costcenter": "42"}}
    made.azure.resources.resource_groups.create_or_update("link-rg", tagged)  # past cloudlink's own reads
    made.time.wait(3)
    node.update(found, found.spec)
    tags = (made.azure.group(fresh=True) or {})["tags"]
    assert tags["costcenter"] == "42" and any(name.startswith("cloudlink") for name in tags)


def test_a_range_that_others_have_added_to_the_vnet_stays(made: AzureSandbox) -> None:
    node = made.node("azure_vpn.network")
    there = copy.deepcopy(made.azure.whole(made.azure.vnet_id))
    there["properties"]["addressSpace"]["addressPrefixes"] += ["10.77.0.0/16", "10.78.0.0/16"]
    there["properties"]["subnets"].append({"name": "others", "properties": {"addressPrefix": "10.77.1.0/24"}})
    spec = node.spec(Outputs(made.outputs))
    assert node.parse_spec(there).prefixes == spec.prefixes | {IPv4Network("10.78.0.0/16")}, "nobody has a subnet there"
    bodies: list[Json] = []
    made.azure.put_vnet = bodies.append  # type: ignore[method-assign,assignment,return-value]
    node.put(spec, {}, there)
    assert bodies[0]["properties"]["addressSpace"]["addressPrefixes"] == ["10.20.0.0/16", "10.77.0.0/16"]


@pytest.mark.parametrize(
    ("added", "named"),
    [
        ({"subnets": {"name": "others", "properties": {"addressPrefix": "10.20.8.0/24"}}}, "subnet others"),
        ({"virtualNetworkPeerings": {"name": "to-hub", "properties": {}}}, "peering to-hub"),
        ({}, ""),
    ],
)
def test_a_vnet_with_things_of_others_is_kept(made: AzureSandbox, added: Json, named: str) -> None:
    there = copy.deepcopy(made.azure.vnet())
    assert there is not None
    for kind, item in added.items():
        there["properties"].setdefault(kind, []).append(item)
    made.azure.vnet = lambda **_: there  # type: ignore[method-assign]
    deleted: list[str] = []
    made.azure.delete_vnet = lambda: deleted.append("vnet")  # type: ignore[method-assign,assignment,return-value]
    node = made.node("azure_vpn.network")
    if not named:
        node.remove()
        assert deleted == ["vnet"]
        return
    with pytest.raises(ConflictError) as caught:
        node.remove()
    assert named in caught.value.detail and deleted == []
