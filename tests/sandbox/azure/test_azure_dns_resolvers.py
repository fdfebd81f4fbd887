"""Azure DNS Private Resolver and private zones, as requests see them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from azure_sandbox import SUBNETS, SUBSCRIPTION, Azure, code, make_world

from cloudlink_sandbox.facts import VnetRule
from cloudlink_sandbox.faults import Fault

DNS = "2022-07-01"
ZONES = "2020-06-01"
VNET = SUBNETS.removesuffix("/subnets")
TARGETS = [{"ipAddress": "10.20.0.10", "port": 53}, {"ipAddress": "10.20.1.10", "port": 53}]


def put(azure: Azure, path: str, properties: dict[str, Any], **beside: Any) -> Any:
    api = ZONES if "/privateDnsZones/" in path else DNS if "/dns" in path else "2024-05-01"
    answer = azure.call("PUT", path, {**beside, "properties": properties}, api=api)
    azure.advance(300)
    return answer


def here(azure: Azure, path: str, properties: dict[str, Any], **beside: Any) -> Any:
    return put(azure, path, properties, **{"location": "westeurope", **beside})


def subnet(azure: Azure, name: str = "dns-out", prefix: str = "10.60.200.0/28", service: str = "dnsResolvers") -> str:
    given = [{"name": "dns", "properties": {"serviceName": f"Microsoft.Network/{service}"}}] if service else []
    assert put(azure, f"{SUBNETS}/{name}", {"addressPrefix": prefix, "delegations": given}).status_code == 201
    return f"{SUBNETS}/{name}"


def resolver(azure: Azure) -> str:
    path = azure.path("dnsResolvers", "resolver")
    assert here(azure, path, {"virtualNetwork": {"id": VNET}}).status_code == 202
    return path


def endpoint(azure: Azure) -> str:
    path = f"{resolver(azure)}/outboundEndpoints/out"
    assert here(azure, path, {"subnet": {"id": subnet(azure)}}).status_code == 202
    return path


def ruleset(azure: Azure) -> str:
    path = azure.path("dnsForwardingRulesets", "rules")
    assert here(azure, path, {"dnsResolverOutboundEndpoints": [{"id": endpoint(azure)}]}).status_code == 202
    return path


def rule(azure: Azure, of: str, name: str = "corp", domain: str = "corp.example.", **more: Any) -> Any:
    return put(azure, f"{of}/forwardingRules/{name}", {"domainName": domain, "targetDnsServers": TARGETS, **more})


@pytest.fixture
def linked(seeded: Azure) -> str:
    path = ruleset(seeded)
    assert put(seeded, f"{path}/virtualNetworkLinks/link", {"virtualNetwork": {"id": VNET}}).status_code == 202
    return path


@pytest.mark.recorded("A PUT is answered with 202 and {}, and its result is the object; a DELETE with 202 and no body")
def test_a_write_is_accepted_and_read_afterwards(seeded: Azure) -> None:
    path = seeded.path("dnsResolvers", "resolver")
    body = {"location": "westeurope", "tags": {"a": "b"}, "properties": {"virtualNetwork": {"id": VNET}}}
    answer = seeded.call("PUT", path, body, api=DNS)
    assert (answer.status_code, answer.json()) == (202, {})
    assert seeded.call("GET", path, api=DNS).json()["properties"]["provisioningState"] == "Creating"
    polled = answer.headers["Azure-AsyncOperation"]
    assert (
        "/resourceGroups/link-rg/providers/Microsoft.Network/locations/westeurope/dnsResolverOperationStatuses/"
        in polled
    )
    status = seeded.call("GET", polled).json()
    assert status["status"] == "InProgress"
    assert set(status) == {"id", "name", "startTime", "status"}
    assert seeded.call("GET", polled.replace("Statuses/", "Statuses/x")).status_code == 404
    seeded.advance(30)
    made = seeded.call("GET", answer.headers["Location"]).json()
    assert (made["tags"], made["properties"]["dnsResolverState"]) == ({"a": "b"}, "Connected")
    found = seeded.call("POST", f"{VNET}/listDnsResolvers", api=DNS).json()
    assert found == {"value": [{"id": made["id"]}]}
    gone = seeded.call("DELETE", path, api=DNS)
    assert (gone.status_code, gone.content) == (202, b"")
    seeded.advance(30)
    assert seeded.call("GET", path, api=DNS).status_code == 404


RECORDINGS = Path(__file__).parents[4] / "shared" / "azure-recordings"


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings of Azure are not beside the project")
@pytest.mark.recorded("What a resolver and an endpoint show, and their types, are Azure's")
@pytest.mark.parametrize("kind", ["", "inbound_"])
def test_what_is_shown_has_the_recorded_shape(seeded: Azure, kind: str) -> None:
    said = json.loads((RECORDINGS / f"dnsresolver_{kind}get_200.json").read_text(encoding="utf-8"))["response"]["body"]
    path = resolver(seeded)
    if kind:
        path += "/inboundEndpoints/in"
        here(seeded, path, {"ipConfigurations": [{"subnet": {"id": subnet(seeded)}}]}, tags={"a": "b"})
    shown = seeded.call("GET", path, api=DNS).json()
    assert set(said) - set(shown) <= {"systemData"}
    assert set(shown["properties"]) == set(said["properties"])
    assert {k: type(v) for k, v in shown["properties"].items()} == {k: type(v) for k, v in said["properties"].items()}
    assert shown["type"] == said["type"]


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings of Azure are not beside the project")
@pytest.mark.recorded("The answers to a write and to its polls have Azure's bodies")
def test_a_write_and_its_polls_answer_as_recorded(seeded: Azure) -> None:
    def said(name: str) -> Any:
        return json.loads((RECORDINGS / f"dnsresolver_{name}.json").read_text(encoding="utf-8"))["response"]

    path = seeded.path("dnsResolvers", "resolver")
    answer = seeded.call(
        "PUT", path, {"location": "westeurope", "properties": {"virtualNetwork": {"id": VNET}}}, api=DNS
    )
    for recorded in (said("put_202"), said("inbound_put_202")):
        assert (answer.status_code, answer.json()) == (recorded["status"], recorded["body"])
        assert {"location", "azure-asyncoperation"} <= {k.lower() for k in recorded["headers"]}
    assert {"Location", "Azure-AsyncOperation"} <= set(answer.headers)
    for name, seconds in (("op_inprogress", 0), ("op_succeeded", 60)):
        seeded.advance(seconds)
        shown = seeded.call("GET", answer.headers["Azure-AsyncOperation"]).json()
        assert set(shown) == set(said(name)["body"])
        assert shown["status"] == said(name)["body"]["status"]


@pytest.mark.recorded("Rules are there at once, other parts take seconds to minutes")
def test_rules_are_in_force_for_the_vnets_that_the_ruleset_is_linked_to(seeded: Azure, linked: str) -> None:
    made = seeded.call(
        "PUT",
        f"{linked}/forwardingRules/corp",
        {"properties": {"domainName": "Corp.Example.", "targetDnsServers": TARGETS, "metadata": {"by": "us"}}},
        api=DNS,
    )
    assert made.status_code == 201
    assert made.json()["properties"] == {
        "domainName": "corp.example.",
        "targetDnsServers": TARGETS,
        "forwardingRuleState": "Enabled",
        "metadata": {"by": "us"},
        "provisioningState": "Succeeded",
    }
    (fact,) = seeded.cloud.facts().rules
    assert isinstance(fact, VnetRule)
    assert (fact.vnet_id, fact.domain, str(fact.source)) == (VNET, "corp.example", "10.60.200.4")
    assert [(str(a), p) for a, p in fact.targets] == [("10.20.0.10", 53), ("10.20.1.10", 53)]
    assert rule(seeded, linked, forwardingRuleState="Disabled").status_code == 200
    assert not seeded.cloud.facts().rules
    assert seeded.call("DELETE", f"{linked}/forwardingRules/corp", api=DNS).status_code == 200
    assert seeded.call("DELETE", f"{linked}/forwardingRules/corp", api=DNS).status_code == 204
    found = seeded.call("POST", f"{VNET}/listDnsForwardingRulesets", api=DNS).json()["value"]
    assert [f["properties"]["virtualNetworkLink"]["id"] for f in found] == [f"{linked}/virtualNetworkLinks/link"]


@pytest.mark.documentation("A rule's domain ends with a dot and has 2 to 34 labels, or is the root; one to six targets")
@pytest.mark.parametrize(
    ("domain", "more"),
    [
        ("corp.example", {}),
        ("corp.", {}),
        (".".join("a" * 35) + ".", {}),
        ("", {}),
        ("corp..example.", {}),
        ("corp.example.", {"targetDnsServers": []}),
        ("corp.example.", {"targetDnsServers": TARGETS * 4}),
        ("corp.example.", {"targetDnsServers": [{"ipAddress": "app.corp"}]}),
        ("corp.example.", {"forwardingRuleState": "Off"}),
        ("corp.example.", {"unheardOf": True}),
    ],
)
def test_a_rule_is_refused(seeded: Azure, linked: str, domain: str, more: dict[str, Any]) -> None:
    assert rule(seeded, linked, domain=domain, **more).status_code == 400
    assert seeded.call("GET", f"{linked}/forwardingRules/corp", api=DNS).status_code == 404


@pytest.mark.documentation("A ruleset has 1000 rules at most")
@pytest.mark.own("Two rules for one domain are refused")
def test_a_ruleset_is_full(seeded: Azure, linked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloudlink_sandbox.azure.dns_resolvers.MOST_RULES", 2)
    assert rule(seeded, linked).status_code == 201
    assert rule(seeded, linked, "twice").status_code == 400
    assert rule(seeded, linked, "root", ".").status_code == 201
    assert rule(seeded, linked, "third", "other.example.").status_code == 400
    assert rule(seeded, linked, "corp").status_code == 200


@pytest.mark.documentation("A VNet has one resolver and is linked to one ruleset")
def test_a_vnet_has_one_of_each(seeded: Azure, linked: str) -> None:
    other = here(seeded, seeded.path("dnsResolvers", "second"), {"virtualNetwork": {"id": VNET}})
    assert code(other) == (400, "BadRequest")
    endpoints = [{"id": f"{seeded.path('dnsResolvers', 'resolver')}/outboundEndpoints/out"}]
    second = seeded.path("dnsForwardingRulesets", "second")
    assert here(seeded, second, {"dnsResolverOutboundEndpoints": endpoints}).status_code == 202
    link = put(seeded, f"{second}/virtualNetworkLinks/link", {"virtualNetwork": {"id": VNET}})
    assert code(link) == (400, "BadRequest")
    assert f"{linked}/virtualNetworkLinks/link" in link.text
    third = here(seeded, seeded.path("dnsForwardingRulesets", "third"), {"dnsResolverOutboundEndpoints": endpoints})
    assert code(third) == (400, "BadRequest")


@pytest.mark.recorded(
    "An endpoint's subnet is a /28 or larger, of the resolver's VNet, its own, and no other service's"
)
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"service": ""}, ""),
        ({"service": "netapp"}, "SubnetMissingRequiredDelegation"),
        ({"prefix": "10.60.200.0/29"}, "BadRequest"),
        ({"prefix": "10.60.200.0/21"}, ""),
        ({}, ""),
    ],
)
def test_what_an_endpoints_subnet_must_be(seeded: Azure, changes: dict[str, str], expected: str) -> None:
    place = subnet(seeded, **changes)
    above = resolver(seeded)
    answer = here(seeded, f"{above}/outboundEndpoints/out", {"subnet": {"id": place}})
    assert answer.status_code == (400 if expected else 202)
    if expected:
        assert code(answer) == (400, expected)
        return
    again = here(seeded, f"{above}/outboundEndpoints/out", {"subnet": {"id": place}})
    assert again.status_code == 202
    second = here(seeded, f"{above}/outboundEndpoints/second", {"subnet": {"id": place}})
    assert code(second) == (400, "SubnetIsFull")
    assert code(seeded.call("DELETE", place)) == (400, "InUseSubnetCannotBeDeleted")
    shown = seeded.call("GET", place).json()["properties"]
    assert shown["serviceAssociationLinks"][0]["properties"]["linkedResourceType"] == "Microsoft.Network/dnsResolvers"
    assert [d["properties"]["serviceName"] for d in shown["delegations"]] == ["Microsoft.Network/dnsResolvers"]
    without = put(seeded, place, {"addressPrefix": shown["addressPrefix"]})
    assert code(without) == (400, "SubnetMissingRequiredDelegation")


@pytest.mark.documentation("An endpoint's subnet holds nothing else")
def test_a_subnet_with_nodes_is_refused(seeded: Azure) -> None:
    above = resolver(seeded)
    answer = here(seeded, f"{above}/outboundEndpoints/out", {"subnet": {"id": f"{SUBNETS}/aks"}})
    assert answer.status_code == 400


@pytest.mark.documentation("Resolver, endpoint, ruleset and VNet are in one region")
def test_everything_is_in_one_region(seeded: Azure) -> None:
    wanted = {"virtualNetwork": {"id": VNET}}
    assert here(seeded, seeded.path("dnsResolvers", "r"), wanted, location="eastus").status_code == 400
    out = endpoint(seeded)
    rules = {"dnsResolverOutboundEndpoints": [{"id": out}]}
    assert here(seeded, seeded.path("dnsForwardingRulesets", "r"), rules, location="eastus").status_code == 400


@pytest.mark.documentation("An inbound endpoint has a dynamic or a static address of its subnet")
def test_an_inbound_endpoint_has_an_address(seeded: Azure) -> None:
    path = f"{resolver(seeded)}/inboundEndpoints/in"
    config: dict[str, Any] = {"subnet": {"id": subnet(seeded)}}
    assert here(seeded, path, {"ipConfigurations": [config]}).status_code == 202
    shown = seeded.call("GET", path, api=DNS).json()["properties"]["ipConfigurations"][0]
    assert (shown["privateIpAddress"], shown["privateIpAllocationMethod"]) == ("10.60.200.4", "Dynamic")
    static = {**config, "privateIpAllocationMethod": "Static", "privateIpAddress": "10.60.200.9"}
    assert here(seeded, path, {"ipConfigurations": [static]}).status_code == 202
    wrong = {**static, "privateIpAddress": "10.60.200.3"}
    assert here(seeded, path, {"ipConfigurations": [wrong]}).status_code == 400
    assert here(seeded, path, {"ipConfigurations": [static, static]}).status_code == 400


@pytest.mark.documentation("Links go first, then the ruleset, the endpoint, the resolver, the subnet")
def test_the_order_of_removal(seeded: Azure, linked: str) -> None:
    above = seeded.path("dnsResolvers", "resolver")
    rule(seeded, linked)

    def gone(path: str) -> int:
        api = DNS if "/dns" in path.lower().partition("/providers/")[2] else "2024-05-01"
        answer = seeded.call("DELETE", path, api=api)
        seeded.advance(60)
        return answer.status_code

    order = [f"{linked}/virtualNetworkLinks/link", linked, f"{above}/outboundEndpoints/out", above]
    for later in order[1:]:
        assert gone(later) in (400, 409)
    assert [gone(path) for path in order] == [202] * 4
    assert gone(f"{SUBNETS}/dns-out") == 202
    assert seeded.call("GET", f"{linked}/forwardingRules", api=DNS).status_code == 404


@pytest.mark.documentation("These types have versions of their own")
def test_another_version_is_refused(seeded: Azure) -> None:
    answer = seeded.call("GET", seeded.path("dnsResolvers"), api="2024-01-01")
    assert code(answer) == (400, "NoRegisteredProviderFound")
    assert "2022-07-01" in answer.text


@pytest.mark.documentation("Private zones are global and are linked to VNets; zones with links stay")
def test_private_zones_are_linked(seeded: Azure) -> None:
    zone = seeded.path("privateDnsZones", "corp.example")
    assert put(seeded, zone, {}, location="westeurope").status_code == 400
    assert put(seeded, zone, {}, location="global").status_code == 201
    link = f"{zone}/virtualNetworkLinks/aks"
    assert put(seeded, link, {"virtualNetwork": {"id": VNET}}, location="global").status_code == 201
    (fact,) = seeded.cloud.facts().zones
    assert (fact.name, fact.vnets) == ("corp.example", {VNET.lower()})
    assert code(seeded.call("DELETE", zone, api=ZONES)) == (409, "CannotDeleteResource")


@pytest.mark.documentation("Record sets are written in the call itself; the zone shows how many it has, with its SOA")
def test_records_of_a_private_zone(seeded: Azure) -> None:
    zone = seeded.path("privateDnsZones", "corp.example")
    put(seeded, zone, {}, location="global")
    properties = {"ttl": 60, "aRecords": [{"ipv4Address": "10.60.7.7"}], "metadata": {"a": "b"}}
    made = seeded.call("PUT", f"{zone}/A/app", {"properties": properties}, api=ZONES)
    assert made.status_code == 201
    assert made.json()["properties"] == {**properties, "fqdn": "app.corp.example.", "isAutoRegistered": False}
    assert made.json()["type"].lower() == "microsoft.network/privatednszones/a"
    assert seeded.call("PUT", f"{zone}/A/app", {"properties": properties}, api=ZONES).status_code == 200
    other = {"ttl": 60, "cnameRecord": {"cname": "app.corp.example"}}
    assert seeded.call("PUT", f"{zone}/CNAME/also", {"properties": other}, api=ZONES).status_code == 201
    assert {r["name"] for r in seeded.call("GET", f"{zone}/ALL", api=ZONES).json()["value"]} == {"app", "also"}
    assert [r["name"] for r in seeded.call("GET", f"{zone}/A", api=ZONES).json()["value"]] == ["app"]
    assert seeded.call("GET", zone, api=ZONES).json()["properties"]["numberOfRecordSets"] == 3
    assert {r.name for r in seeded.cloud.facts().zones[0].records} == {"app.corp.example", "also.corp.example"}
    assert seeded.call("DELETE", f"{zone}/A/app", api=ZONES).status_code == 200
    assert seeded.call("DELETE", f"{zone}/A/app", api=ZONES).status_code == 204
    assert seeded.call("GET", f"{zone}/A/app", api=ZONES).status_code == 404


@pytest.mark.documentation("A CNAME stands alone and not at the apex; an address is one; other types are not modelled")
@pytest.mark.parametrize(
    ("record", "properties", "expected"),
    [
        ("A/app", {"ttl": 60, "aRecords": [{"ipv4Address": "nowhere"}]}, (400, "InvalidParameter")),
        ("A/app", {"ttl": 60, "aRecords": []}, (400, "BadRequest")),
        ("A/a_b..c", {"ttl": 60, "aRecords": [{"ipv4Address": "10.0.0.1"}]}, (400, "BadRequest")),
        ("CNAME/@", {"ttl": 60, "cnameRecord": {"cname": "a.example"}}, (400, "BadRequest")),
        ("CNAME/there", {"ttl": 60, "cnameRecord": {"cname": "a.example"}}, (409, "Conflict")),
        ("CNAME/app", {"ttl": 60, "cnameRecord": {}}, None),
        ("TXT/app", {"ttl": 60, "txtRecords": [{"value": ["a"]}]}, None),
    ],
)
def test_records_that_are_refused(
    seeded: Azure, record: str, properties: dict[str, Any], expected: tuple[int, str] | None
) -> None:
    zone = seeded.path("privateDnsZones", "corp.example")
    put(seeded, zone, {}, location="global")
    there = {"properties": {"ttl": 60, "aRecords": [{"ipv4Address": "10.60.7.7"}]}}
    assert seeded.call("PUT", f"{zone}/A/there", there, api=ZONES).status_code == 201
    answer = seeded.call("PUT", f"{zone}/{record}", {"properties": properties}, api=ZONES)
    assert answer.status_code >= 400
    assert expected is None or code(answer)[0] == expected[0]
    assert len(seeded.cloud.facts().zones[0].records) == 1


@pytest.mark.documentation("An inbound endpoint answers at its address in the resolver's VNet")
def test_inbound_endpoints_answer(seeded: Azure) -> None:
    path = f"{resolver(seeded)}/inboundEndpoints/in"
    config = {"subnet": {"id": subnet(seeded, "dns-in")}, "privateIpAllocationMethod": "Static"}
    given = {"ipConfigurations": [{**config, "privateIpAddress": "10.60.200.6"}]}
    assert here(seeded, path, given).status_code == 202
    (found,) = seeded.cloud.facts().inbound
    assert (str(found.address), found.vnet_id.lower()) == ("10.60.200.6", VNET.lower())
    seeded.context.faults.add(Fault(kind="endpoint-ip-down", target="10.60.200.6"))
    assert not seeded.cloud.facts().inbound


@pytest.mark.own("A group with all of it goes with one call, and a saved sandbox keeps it")
def test_a_group_goes_with_everything(seeded: Azure, linked: str) -> None:
    rule(seeded, linked)
    kept = seeded.cloud.snapshot()
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/link-rg"
    seeded.call("DELETE", group, api="2022-09-01")
    seeded.advance(600)
    assert seeded.call("GET", group, api="2022-09-01").status_code == 404
    assert not seeded.cloud.facts().rules
    seeded.cloud.restore(kept)
    assert len(seeded.cloud.facts().rules) == 1


@pytest.mark.own("A world that names none has none")
def test_a_world_without_it_has_none(azure: Azure) -> None:
    azure.cloud.seed(make_world())
    assert (azure.cloud.facts().rules, azure.cloud.facts().zones) == ((), ())
