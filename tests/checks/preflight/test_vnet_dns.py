"""What comes before the VNet's rules, and what of others' rulesets is in the way."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any, cast

import pytest

from cloudlink.checks.preflight import vnet_dns
from cloudlink.checks.preflight.vnet_dns import VnetDnsFacts
from cloudlink.clouds.azure.parse_dns import Rule, Ruleset, Server, VnetDns
from cloudlink.clouds.azure.parse_network import vnet
from cloudlink.clouds.azure.parse_object import AzureObject
from cloudlink.clouds.cache import ReadCache
from cloudlink.errors import Severity
from cloudlink.link import Link
from cloudlink.steps.dns_forward.resolver import free_prefix, used
from tests.support.clocks import FakeClock
from tests.support.config_texts import add, mistakes, parsed
from tests.support.pinned import pinned

LINK = parsed(add("dns", 'forward = "vnet"'))
OTHERS = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/dnsForwardingRulesets/theirs"
OURS = {
    "resolver": "/r/ours",
    "endpoint": "/r/ours/outboundEndpoints/ours",
    "ruleset": "/s/ours",
    "link": "/s/ours/l/ours",
}


def rule(domain: str) -> Rule:
    return Rule(f"{OTHERS}/forwardingRules/{domain}", domain, (Server(IPv4Address("10.20.0.9")),), enabled=True)


def ruleset(*domains: str, id_: str = OTHERS) -> VnetDns:
    thing = AzureObject(id_, "theirs", "westeurope", "Succeeded", {})
    return VnetDns(ruleset=Ruleset(thing, ("/out",), tuple(map(rule, domains))))


def found(link: Link = LINK, **facts: object) -> dict[str, Severity]:
    return {f.summary: f.severity for f in pinned(vnet_dns.check(VnetDnsFacts(**facts), link))}  # type: ignore[arg-type]


def test_nothing_is_in_the_way_of_an_empty_vnet() -> None:
    assert found() == {}


@pytest.mark.parametrize(
    ("zone", "severity"),
    [
        ("corp.example", Severity.OBSTACLE),
        ("prod.corp.example", Severity.OBSTACLE),
        ("app.prod.corp.example", Severity.OBSTACLE),
        ("other.prod.corp.example", Severity.WARNING),
    ],
)
def test_linked_private_zones_come_first(zone: str, severity: Severity) -> None:
    assert found(zones=(zone,)) == {"A private zone of Azure's comes before the forwarding rule": severity}


class Zones:
    """Azure with private zones that are all linked to the VNet."""

    vnet_id = "/v"

    def __init__(self, *names: str) -> None:
        self.names = names

    def vnet(self) -> None:
        return None

    def aks_cluster(self) -> None:
        return None

    def private_zones(self) -> list[dict[str, Any]]:
        return [{"id": f"/z/{n}", "name": n} for n in self.names]

    def vnet_links(self, id_: str) -> list[dict[str, Any]]:
        return [{"properties": {"virtualNetwork": {"id": "/V"}}}]

    def vnet_dns(self, *, fresh: bool = False, part: str = "") -> dict[str, Any]:
        return {"ruleset": {"id": OTHERS, "name": "theirs", "properties": {}}, "endpoints": []}

    def name(self, what: str) -> str:
        return f"cloudlink-demo-{what}"

    def id(self, kind: str, name: str) -> str:
        return f"/{kind}/{name}"


def test_only_zones_above_and_below_the_links_own_are_read() -> None:
    azure: Any = Zones("example", "prod.corp.example", "a.prod.corp.example", "dev.corp.example", "d.corp.example")
    facts = vnet_dns.read(LINK, azure, cast(Any, NoKeys()))
    assert facts.zones == ("example", "prod.corp.example", "a.prod.corp.example")


class NoKeys:
    """A cluster without coredns-custom."""

    cache = ReadCache(FakeClock())

    def config_map(self, namespace: str, name: str) -> dict[str, Any]:
        return {}


def test_a_spoke_that_the_ruleset_is_not_linked_to_is_a_warning_with_the_command() -> None:
    facts = VnetDnsFacts(spokes=("/s/virtualNetworks/spoke",), linking="az dns-resolver vnet-link create")
    (one,) = pinned(vnet_dns.check(facts, LINK))
    assert one.severity is Severity.WARNING and "are in spoke" in one.detail and "after cloudlink up" in one.detail
    assert one.hint == "az dns-resolver vnet-link create"


def test_own_servers_of_the_vnet_are_an_obstacle() -> None:
    assert found(servers=("10.20.0.4",)) == {"The VNet has DNS servers of its own": Severity.OBSTACLE}


@pytest.mark.parametrize(
    ("key", "text", "taken"),
    [
        ("demo.server", "prod.corp.example:53 {\n    forward . 10.0.0.1\n}", True),
        ("other.server", "corp.example. {\n    forward . 10.0.0.1\n}", True),
        ("other.server", "else.example:53 {\n    forward . 10.0.0.1\n}", False),
        ("other.server", ".:5353 {\n    forward . 10.0.0.1\n}", False),
        ("other.server", "prod.corp.example:53 {", False),
        ("other.override", "prod.corp.example:53 {\n    forward . 10.0.0.1\n}", False),
    ],
)
def test_keys_of_coredns_that_answer_the_zone(key: str, text: str, taken: bool) -> None:
    assert found(keys={key: text}) == ({"A key of CoreDNS's answers the zone": Severity.OBSTACLE} if taken else {})


def test_somebody_elses_ruleset() -> None:
    shared = "Somebody else's forwarding ruleset is used"
    narrower = "A narrower forwarding rule takes names away"
    assert found(dns=ruleset("other.example", "corp.example")) == {shared: Severity.WARNING}
    assert found(dns=ruleset("app.prod.corp.example")) == {shared: Severity.WARNING, narrower: Severity.WARNING}
    full = ruleset(*(f"n{i}.example" for i in range(1000)))
    assert found(dns=full)["The VNet's forwarding ruleset is full"] is Severity.OBSTACLE


def test_the_last_free_range_is_taken() -> None:
    vnet, taken = [IPv4Network("10.20.0.0/16")], [IPv4Network("10.20.0.0/20")]
    gateway = LINK.azure.gateway_subnet
    assert str(gateway) == "10.20.255.0/27"
    assert str(free_prefix(LINK, vnet, taken)) == "10.20.255.240/28"
    assert str(free_prefix(LINK, vnet, [*taken, IPv4Network("10.20.255.128/25")])) == "10.20.255.112/28"
    assert (
        str(
            free_prefix(
                LINK,
                vnet,
                [
                    *taken,
                    IPv4Network("10.20.255.32/27"),
                    IPv4Network("10.20.255.64/26"),
                    IPv4Network("10.20.255.128/25"),
                ],
            )
        )
        == "10.20.254.240/28"
    )
    assert free_prefix(LINK, vnet, vnet) is None
    small = [IPv4Network("10.0.16.0/24"), IPv4Network("10.0.0.0/24")]
    assert str(free_prefix(replace(LINK, azure=replace(LINK.azure, gateway_subnet=None)), small, [])) == "10.0.0.240/28"


def test_what_is_used_of_the_vnets() -> None:
    assert used(VnetDns(), OURS).others == frozenset()
    theirs = used(ruleset("other.example"), OURS)
    assert (theirs.ruleset, theirs.endpoint) == (OTHERS, "/out")
    assert theirs.others == {"ruleset", "link", "endpoint", "resolver"}


def test_a_subnet_without_a_resolver_is_a_mistake() -> None:
    (wrong,) = mistakes(add("dns", 'outbound_subnet_prefix = "10.20.200.0/28"'))
    assert wrong.path == "dns.outbound_subnet_prefix"
    assert not mistakes(add("dns", 'forward = "vnet"\noutbound_subnet_prefix = "10.20.200.0/28"'))
    assert mistakes(add("dns", 'forward = "vnet"\noutbound_subnet_prefix = "10.20.200.0/29"'))
    assert mistakes(add("dns", 'forward = "node"'))


@pytest.mark.parametrize(
    ("prefix", "summary", "allowed"),
    [
        ("10.99.0.0/28", "The DNS resolver's subnet is outside the VNet", "(10.20.0.0/16)"),
        ("10.20.0.16/28", "The DNS resolver's subnet overlaps another", "the subnet aks (10.20.0.0/20)"),
        ("10.20.255.0/28", "The DNS resolver's subnet overlaps another", "the subnet GatewaySubnet (10.20.255.0/27)"),
        ("10.20.200.0/28", "", ""),
    ],
)
def test_the_range_of_the_outbound_endpoints_subnet_fits_into_the_vnet(prefix: str, summary: str, allowed: str) -> None:
    one = {"id": "/v/subnets/aks", "name": "aks", "properties": {"addressPrefix": "10.20.0.0/20"}}
    space = {"addressSpace": {"addressPrefixes": ["10.20.0.0/16"]}, "subnets": [one]}
    room = vnet({"id": "/v", "name": "v", "location": "westeurope", "properties": space})
    link = replace(LINK, dns=replace(LINK.dns, outbound_subnet=IPv4Network(prefix)))
    seen = pinned(vnet_dns.check(VnetDnsFacts(room=room), link))
    assert [f.summary for f in seen] == ([summary] if summary else [])
    for finding in seen:
        assert finding.mistake is not None
        assert (finding.mistake.path, allowed in finding.mistake.allowed) == ("dns.outbound_subnet_prefix", True)
    assert found(link) == {}  # the subnet is there, or somebody else's endpoint is used
