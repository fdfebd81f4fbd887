"""Recorded sessions with the real Azure, replayed: same request, same status, same headers that matter, same shape.

The recordings stand beside the project's folder and are not part of it. Where the sandbox answers otherwise on
purpose, the reason stands with the case.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from azure_sandbox import PIP, Azure, lng
from tests.conformance.recordings import PRESENT, SAME, shape

from cloudlink_sandbox.azure.locations import zones_of
from cloudlink_sandbox.azure.store import Group
from cloudlink_sandbox.faults import Fault

FOLDER = Path(__file__).parents[4] / "shared" / "azure-recordings"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings of Azure are not beside the project")

ID = re.compile(r"/subscriptions/([^/\"]+)/resource[gG]roups/([^/\"]+)/providers/Microsoft\.(\w+)/(\w+)/([\w-]+)")
NEVER = "the field is newer or older than the recording"
SECOND = ("VpnGw1AZ", "the recorded SKU is retired; the same request is sent with VpnGw1AZ")


@dataclass(frozen=True)
class Case:
    """needs: what must exist before. body: changes to the recorded request. but: field path -> why it may differ."""

    file: str
    needs: str = ""
    body: Callable[[dict[str, Any]], None] | None = None
    but: dict[str, str] = field(default_factory=dict)
    before: str = ""  # a word for something to do just before


def modern_gateway(body: dict[str, Any]) -> None:
    body["properties"]["sku"] = {"name": SECOND[0], "tier": SECOND[0]}


def one_instance_more(body: dict[str, Any]) -> None:
    modern_gateway(body)
    body["properties"]["bgpSettings"].pop("bgpPeeringAddresses")
    body["properties"]["bgpSettings"].pop("bgpPeeringAddress")


def standard_ip(body: dict[str, Any]) -> None:
    body["sku"] = {"name": "Standard"}
    body["properties"]["publicIPAllocationMethod"] = "Static"


def newer_kubernetes(body: dict[str, Any]) -> None:
    body["properties"].pop("linuxProfile")
    body["properties"].pop("servicePrincipalProfile")


NEW_CONNECTION = {
    f"properties.{n}": NEVER
    for n in (
        "authenticationType",
        "useLocalAzureIpAddress",
        "dpdTimeoutSeconds",
        "connectionMode",
        "gatewayCustomBgpIpAddresses",
        "packetCaptureDiagnosticState",
        "trafficSelectorPolicies",
        "connectionProtocol",
        "expressRouteGatewayBypass",
    )
}
NEW_GATEWAY = {f"properties.{n}": NEVER for n in ("allowRemoteVnetTraffic", "allowVirtualWanTraffic")}
NEW_VNET = {
    "properties.addressSpace.ipamPoolPrefixAllocations": NEVER,
    "properties.subnets[].properties.ipamPoolPrefixAllocations": NEVER,
    "properties.privateEndpointVNetPolicies": NEVER,
}
AKS = {
    "properties.linuxProfile": "the sandbox's nodes have no SSH key",
    "properties.servicePrincipalProfile": "identities are managed ones here",
    "properties.networkProfile.networkPolicy": NEVER,
    "properties.networkProfile.networkDataplane": NEVER,
    "properties.networkProfile.loadBalancerProfile.effectiveOutboundIPs": "the sandbox has no outbound load balancer",
    "properties.agentPoolProfiles[].nodeLabels": "recorded while it was made only",
}
DDOS = {"properties.ddosSettings": "Standard addresses show it, Basic ones did not"}

CASES = [
    Case("vnet_put_201.json", but=NEW_VNET),
    Case("vnet_get_200.json", "vnet", but=NEW_VNET),
    Case("subnet_gatewaysubnet_put_201.json", "bare-vnet"),
    Case("subnet_gatewaysubnet_get_200.json", "vnet", but={"properties.defaultOutboundAccess": NEVER}),
    Case("publicip_standard_put_201.json"),
    Case("publicip_standard_get_200.json", "zoneless-ip"),
    Case("publicip_basic_put_201.json", body=standard_ip, but=DDOS),
    Case("vng_activeactive_bgp_put_201.json", "vnet ips", modern_gateway, NEW_GATEWAY),
    Case("vng_activeactive_bgp_get_200_succeeded.json", "vnet ips gateway", but=NEW_GATEWAY),
    Case("vng_vpngw1_put_201_2024.json", "vnet ips", modern_gateway),
    Case("vng_vpngw1_get_200_2024.json", "vnet ips single"),
    Case("vng_put_2xx_retryafter.json", "vnet ips single", modern_gateway, NEW_GATEWAY),
    Case("vng_delete_202.json", "vnet ips single"),
    Case("vng_list_connections_200_2024.json", "vnet ips single lng connection"),
    Case("err_400_InvalidGatewaySku.json", "vnet ips"),
    Case("err_429_RetryableErrorDueToAnotherOperation_vng.json", "vnet ips", before="put-gateway"),
    Case("err_409_AnotherOperationInProgress.json", "vnet", before="put-subnet"),
    Case("lng_bgp_put_201.json"),
    Case("lng_bgp_get_200.json", "lng"),
    Case("conn_put_201_2019.json", "vnet ips single lng", but=NEW_CONNECTION),
    Case("conn_get_200_2019.json", "vnet ips single lng connection", but=NEW_CONNECTION),
    Case("conn_get_200_2024.json", "vnet ips single lng connection"),
    Case("conn_ipsecpolicy_put_200_2024.json", "vnet ips single lng connection"),
    Case("conn_list_rg_200_2024.json", "vnet ips single lng connection"),
    Case(
        "conn_get_200_activeactive_tunnelConnectionStatus_2018.json",
        "vnet ips gateway lng connection",
        but={**NEW_CONNECTION, "properties.tunnelConnectionStatus": "Azure has not answered it since 2018"},
    ),
    Case("conn_delete_202_2019.json", "vnet ips single lng connection"),
    Case("conn_sharedkey_get_200.json", "vnet ips single lng connection"),
    Case("conn_sharedkey_put_200.json", "vnet ips single lng connection"),
    Case("conn_sharedkey_reset_post_202.json", "vnet ips single lng connection"),
    Case("bgp_peerstatus_post_202.json", "vnet ips gateway"),
    Case("aks_get_404.json"),
    Case("aks_put_201.json", body=newer_kubernetes, but=AKS),
    Case("aks_get_200_succeeded.json", "aks", but=AKS),
    Case("aks_delete_202.json", "aks"),
]

# Polls: the operation is started here, and its answers are compared with the recorded ones.
POLLS = {
    "op_inprogress_200.json": ("PUT", "status", 0),
    "vng_poll_retryafter40.json": ("PUT gateway", "status", 0),
    "vng_delete_poll_retryafter160.json": ("DELETE gateway", "status", 0),
    "op_succeeded_200.json": ("PUT", "status", 9000),
    "op_succeeded_post_200.json": ("POST", "status", 9000),
    "opresults_post_200_null.json": ("POST", "result", 9000),
    "conn_delete_operation_200.json": ("DELETE", "status", 9000),
    "conn_delete_opresults_204.json": ("DELETE", "result", 9000),
    "err_op_failed_InternalServerError_lng.json": ("FAIL", "status", 9000),
    "rg_delete_blocked_409.json": ("GROUP", "result", 9000),
}
# How many polls go before the recorded one: Azure asks to wait longer from poll to poll.
EARLIER = {"vng_poll_retryafter40.json": 3, "vng_delete_poll_retryafter160.json": 6}
# Compared by a test of their own.
ELSEWHERE = {
    "bgp_peerstatus_opresults_200_connected.json": "test_rows_of_bgp_and_routes",
    "learned_routes_opresults_200.json": "test_rows_of_bgp_and_routes",
    "advertised_routes_opresults_200.json": "test_rows_of_bgp_and_routes",
    "vng_update_put_200.json": "turns an active-active gateway into one instance: test_an_instance_can_be_given_up",
    "err_op_failed_InvalidIPAddress_bgp.json": "test_azure_deployments.py: test_a_failure_is_wrapped_as_recorded",
    "dnsresolver_get_200.json": "test_azure_dns_resolvers.py",
    "dnsresolver_inbound_get_200.json": "test_azure_dns_resolvers.py",
    "dnsresolver_inbound_put_202.json": "test_azure_dns_resolvers.py",
    "dnsresolver_op_inprogress.json": "test_azure_dns_resolvers.py",
    "dnsresolver_op_succeeded.json": "test_azure_dns_resolvers.py",
    "dnsresolver_put_202.json": "test_azure_dns_resolvers.py",
}


def load(file: str) -> dict[str, Any]:
    recording: dict[str, Any] = json.loads((FOLDER / file).read_text(encoding="utf-8"))
    return recording


class Stage:
    """A sandbox in which the things that a recording speaks of exist."""

    def __init__(self, azure: Azure, recording: dict[str, Any]) -> None:
        self.azure = azure
        self.names: dict[str, list[str]] = {}
        own = ID.findall(recording["request"]["uri"])
        for subscription, group, _, type_, name in ID.findall(json.dumps(recording)) + own:  # its own group comes last
            store = azure.cloud.store
            store.subscriptions[subscription.lower()] = subscription
            store.groups.setdefault((subscription.lower(), group.lower()), Group(subscription, group, "westus"))
            self.root = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft."
            if name not in self.names.setdefault(type_, []):
                self.names[type_].append(name)
        body = recording["response"]["body"]
        self.location = body.get("location", "westus") if isinstance(body, dict) else "westus"

    def named(self, type_: str, default: str) -> str:
        return self.names.get(type_, [default])[0]

    def path(self, type_: str, name: str) -> str:
        return f"{self.root}{'ContainerService' if type_ == 'managedClusters' else 'Network'}/{type_}/{name}"

    def put(self, type_: str, name: str, body: dict[str, Any], wait: float = 9000) -> None:
        made = self.azure.call("PUT", self.path(type_, name), {"location": self.location, **body})
        assert made.status_code in (200, 201), made.text
        self.azure.advance(wait)

    def ips(self) -> list[str]:
        return [*self.names.get("publicIPAddresses", []), "ip-a", "ip-b"][:2]

    def prepare(self, word: str) -> None:
        vnet = self.named("virtualNetworks", "vnet1")
        if word in ("vnet", "bare-vnet"):
            space = {"addressPrefixes": ["10.11.0.0/16", "10.12.0.0/16", "10.225.0.0/16"]}
            subnets = [{"name": "GatewaySubnet", "properties": {"addressPrefix": "10.12.255.0/27"}}]
            properties = {"addressSpace": space, "subnets": subnets if word == "vnet" else []}
            self.put("virtualNetworks", vnet, {"properties": properties})
        elif word == "ips":
            for name in self.ips():
                zones = list(zones_of(self.location.replace(" ", "").lower()))
                self.put("publicIPAddresses", name, {**PIP, "location": self.location, "zones": zones})
        elif word == "zoneless-ip":
            body = {k: v for k, v in PIP.items() if k not in ("zones", "location")}
            self.put("publicIPAddresses", self.named("publicIPAddresses", "ip"), body)
        elif word in ("gateway", "single"):
            self.gateway(2 if word == "gateway" else 1)
        elif word == "lng":
            body = lng("131.107.72.22", "10.52.255.253", 65050)
            body["properties"]["localNetworkAddressSpace"] = {"addressPrefixes": ["10.52.255.253/32"]}
            self.put(
                "localNetworkGateways", self.named("localNetworkGateways", "lgw"), {**body, "location": self.location}
            )
        elif word == "connection":
            properties = {
                "connectionType": "IPsec",
                "sharedKey": "abc",
                "virtualNetworkGateway1": {
                    "id": self.path("virtualNetworkGateways", self.named("virtualNetworkGateways", "gw"))
                },
                "localNetworkGateway2": {
                    "id": self.path("localNetworkGateways", self.named("localNetworkGateways", "lgw"))
                },
            }
            self.put("connections", self.named("connections", "conn"), {"properties": properties, "tags": {}})
        else:
            assert word == "aks"
            pool = {"name": "nodepool1", "count": 1, "vmSize": "Standard_DS2_v2", "mode": "System"}
            properties = {"agentPoolProfiles": [pool], "networkProfile": {"networkPlugin": "kubenet"}}
            self.put("managedClusters", self.named("managedClusters", "aks"), {"properties": properties})

    def gateway(self, instances: int, wait: float = 9000) -> None:
        name = self.named("virtualNetworkGateways", "gw")
        self.put("virtualNetworkGateways", name, self.gateway_body(instances), wait)

    def gateway_body(self, instances: int) -> dict[str, Any]:
        vnet = self.path("virtualNetworks", self.named("virtualNetworks", "vnet1"))
        configs = [
            {
                "name": f"vnetGatewayConfig{i}",
                "properties": {
                    "publicIPAddress": {"id": self.path("publicIPAddresses", ip)},
                    "subnet": {"id": f"{vnet}/subnets/GatewaySubnet"},
                },
            }
            for i, ip in enumerate(self.ips()[:instances])
        ]
        properties = {
            "activeActive": instances == 2,
            "enableBgp": instances == 2,
            "sku": {"name": "VpnGw1AZ", "tier": "VpnGw1AZ"},
            "bgpSettings": {"asn": 65010} if instances == 2 else {},
            "ipConfigurations": configs,
        }
        body: dict[str, Any] = {"location": self.location, "properties": properties}
        if instances == 2:
            body["tags"] = {"foo": "doo"}
        return body


def compare(case: Case, recorded: dict[str, Any], answer: requests.Response) -> None:
    assert answer.status_code == recorded["status"], answer.text
    headers = {k.lower(): v for k, v in recorded["headers"].items()}
    for name in PRESENT:
        # some recordings have kept few headers, and the notification came after 2019
        if name in headers or ("date" in headers and name != "azure-asyncnotification"):
            assert (name in headers) == (name in answer.headers), name
    given = {name.lower() for name in answer.headers}
    assert [name for name in headers if name not in given and name not in case.but] == []
    for name in SAME:
        if name in headers and name not in case.but:
            assert (name, answer.headers.get(name)) == (name, headers[name])
    want, have = recorded["body"], answer.json() if answer.content else ""
    excused = [f"value[].{p}" for p in case.but] + list(case.but)
    wanted, given = set(shape(want)), set(shape(have))
    differing = {
        (p, k) for p, k in wanted ^ given if not any(p == e or p.startswith((e + ".", e + "[")) for e in excused)
    }
    assert not differing, sorted((p, k, "recorded" if (p, k) in wanted else "answered") for p, k in differing)
    if isinstance(want, dict) and "error" in want:
        assert want["error"].get("code") == have["error"].get("code")


@pytest.mark.recorded(
    "Each recorded request gets the recorded status, headers and shape, but for the differences listed with them"
)
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.file.removesuffix(".json"))
def test_a_recorded_request_is_answered_alike(azure: Azure, case: Case) -> None:
    recording = load(case.file)
    stage = Stage(azure, recording)
    for word in case.needs.split():
        stage.prepare(word)
    if case.before == "put-gateway":
        stage.gateway(1, wait=0)
    elif case.before == "put-subnet":
        vnet = stage.path("virtualNetworks", stage.named("virtualNetworks", "vnet1"))
        azure.call("PUT", f"{vnet}/subnets/other", {"properties": {"addressPrefix": "10.225.9.0/28"}})
    azure.context.clock.set_speed(1)  # so that waits are whole seconds, as recorded
    request = recording["request"]
    uri = urlsplit(request["uri"])
    body = request["body"]
    if case.body is not None:
        case.body(body)
    query = dict(parse_qsl(uri.query))
    answer = azure.call(request["method"], uri.path, body, api=query.pop("api-version"), **query)
    compare(case, recording["response"], answer)


@pytest.mark.recorded("Each recorded poll and result of an operation is answered alike")
@pytest.mark.parametrize("file", POLLS)
def test_a_recorded_poll_is_answered_alike(azure: Azure, file: str) -> None:
    recording = load(file)
    stage = Stage(azure, load("conn_get_200_2024.json"))
    how, which, later = POLLS[file]
    for word in ["vnet", "ips", "single", "lng", *(["connection"] if how != "DELETE gateway" else [])]:
        stage.prepare(word)
    gateway = stage.path("virtualNetworkGateways", stage.named("virtualNetworkGateways", "gw"))
    path = stage.path("connections", stage.named("connections", "conn"))
    started = {
        "PUT": lambda: azure.call("PUT", stage.path("localNetworkGateways", "new"), lng()),
        "POST": lambda: azure.call("POST", f"{path}/sharedkey/reset", {"keyLength": 8}),
        "DELETE": lambda: azure.call("DELETE", path),
        "PUT gateway": lambda: azure.call("PUT", gateway, stage.gateway_body(1)),
        "DELETE gateway": lambda: azure.call("DELETE", gateway),
        "FAIL": lambda: azure.call("PUT", stage.path("localNetworkGateways", "new"), lng()),
        "GROUP": lambda: blocked_group(azure, stage),
    }
    if how == "FAIL":
        azure.context.faults.add(Fault("operation-fails", "azure.PUT:localNetworkGateways/*"))
    operation = started[how]()
    azure.advance(later)
    azure.context.clock.set_speed(1)
    url = operation.headers["Azure-AsyncOperation" if which == "status" else "Location"]
    for _ in range(EARLIER.get(file, 0)):
        azure.call("GET", url)
    but = {"error.message": "the wording is Azure's"} if how == "FAIL" else {}
    if recording["response"]["status"] == 204:
        but["content-type"] = "there is no body that could have one"
    compare(Case(file, but=but), recording["response"], azure.call("GET", url))


def blocked_group(azure: Azure, stage: Stage) -> requests.Response:
    """Deletes a group whose VNet and addresses a gateway in another group uses."""
    other = azure.path("virtualNetworkGateways", "foreign")
    record = azure.cloud.store.find(stage.path("virtualNetworkGateways", stage.named("virtualNetworkGateways", "gw")))
    assert record is not None
    azure.call("DELETE", stage.path("connections", stage.named("connections", "conn")))
    azure.advance(600)
    azure.cloud.store.drop(record.id.key)
    from cloudlink_sandbox.azure.ids import parse

    record.id = parse(other)
    azure.cloud.store.resources[record.id.key] = record
    return azure.call("DELETE", stage.root.split("/providers/")[0])


@pytest.mark.recorded("Rows of BGP peers, learned and advertised routes look as recorded")
def test_rows_of_bgp_and_routes(azure: Azure) -> None:
    from ipaddress import IPv4Address, IPv4Network

    from cloudlink_sandbox.azure.bgp import peer_row, route_row
    from cloudlink_sandbox.world import BgpRow, LearnedRoute

    me, peer = IPv4Address("10.0.0.254"), IPv4Address("10.1.0.254")
    row = peer_row(BgpRow(me, peer, 1337, "Connected", 9.8344194, 1, 3, 5))
    assert [row] == load("bgp_peerstatus_opresults_200_connected.json")["response"]["body"]["value"]
    routes = [
        LearnedRoute(me, IPv4Network("10.0.0.0/16"), None, me, "Network", "", 32768),
        LearnedRoute(me, IPv4Network("10.1.0.254/32"), None, me, "Network", "", 32768),
        LearnedRoute(me, IPv4Network("10.1.0.0/16"), peer, peer, "EBgp", "1337", 32768),
    ]
    assert [route_row(r) for r in routes] == load("learned_routes_opresults_200.json")["response"]["body"]["value"]
    sent = route_row(LearnedRoute(me, IPv4Network("10.0.0.0/16"), me, me, "Igp", "65515", 0))
    del sent["sourcePeer"]
    assert sent == load("advertised_routes_opresults_200.json")["response"]["body"]["value"][0]


@pytest.mark.recorded("A gateway can be turned from two instances to one")
def test_an_instance_can_be_given_up(azure: Azure) -> None:
    """Recorded: an update from active-active to one instance, whose request still names both in its BGP settings."""
    recording = load("vng_update_put_200.json")
    stage = Stage(azure, recording)
    for word in ["vnet", "ips", "gateway"]:
        stage.prepare(word)
    body = recording["request"]["body"]
    one_instance_more(body)
    answer = azure.call("PUT", urlsplit(recording["request"]["uri"]).path, body)
    but = {**NEW_GATEWAY, "properties.bgpSettings.bgpPeeringAddress": "the address of the instance that is left"}
    compare(Case("vng_update_put_200.json", but=but), recording["response"], answer)


@pytest.mark.own("Every recording is compared")
def test_no_recording_is_forgotten() -> None:
    known = [*(c.file for c in CASES), *POLLS, *ELSEWHERE]
    assert sorted(known) == sorted(p.name for p in FOLDER.glob("*.json"))


@pytest.mark.own("A difference from a recording in status, header, field or kind of value is found")
@pytest.mark.parametrize(
    "change",
    [
        lambda said: said.update(status=202),
        lambda said: said["headers"].update({"retry-after": "7"}),
        lambda said: said["headers"].update(location="somewhere"),
        lambda said: said["body"].pop("location"),
        lambda said: said["body"].update(colour="blue"),
        lambda said: said["body"]["properties"].update(resourceGuid=7),
    ],
    ids=["status", "value of a header", "header", "missing field", "further field", "kind of value"],
)
def test_a_difference_is_found(azure: Azure, change: Callable[[Any], Any]) -> None:
    recording = load("lng_bgp_put_201.json")
    Stage(azure, recording)
    request = recording["request"]
    answer = azure.call("PUT", urlsplit(request["uri"]).path, request["body"])
    compare(Case("lng_bgp_put_201.json"), recording["response"], answer)
    change(recording["response"])
    with pytest.raises(AssertionError):
        compare(Case("lng_bgp_put_201.json"), recording["response"], answer)
