"""What others have set on an object of ours is still there after we have changed it: a PUT takes away what it does not
name. What Azure is sent is looked at, so that nothing here depends on what the sandbox models."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import pytest

from cloudlink.clouds.azure.session import VERSION_OF_NETWORK_WRITES
from cloudlink.core.resource import Outputs, Phase
from cloudlink.errors import ConflictError
from cloudlink.steps.azure_vpn.resource import body_of, rest_of
from tests.support.azure_sandbox import AzureSandbox, Server, azure_link, made_from_nothing

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
    assert asked[put].version == asked[put - 1].version == VERSION_OF_NETWORK_WRITES
    assert asked[put - 1].method == "GET"


def test_a_failed_public_ip_keeps_its_name_and_protection(sandbox: AzureSandbox, sent: list[Sent]) -> None:
    record = sandbox.record("publicIPAddresses/cloudlink-demo-public-ip-1")
    theirs = {
        "dnsSettings": {"domainNameLabel": "gw", "fqdn": "gw.westeurope.cloudapp.azure.com"},
        "idleTimeoutInMinutes": 20,
        "ddosSettings": {"protectionMode": "Enabled"},
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
