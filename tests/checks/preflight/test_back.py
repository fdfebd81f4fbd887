"""What keeps names of Azure's private zones from EKS, told from facts."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from cloudlink.checks.back import ZoneSeen
from cloudlink.checks.preflight import back
from cloudlink.checks.preflight.back import MOST_INBOUND, BackFacts
from cloudlink.checks.preflight.cost import items
from cloudlink.clouds.aws.parse_acls import Acl, AclEntry
from cloudlink.clouds.aws.parse_resolver import ResolverRule
from cloudlink.clouds.aws.parse_vpc import Subnet, dhcp_options_of, name_servers
from cloudlink.clouds.aws.parse_zones import VpcZone
from cloudlink.clouds.azure.parse_filters import SecurityGroup, security_group
from cloudlink.clouds.azure.parse_network import Subnet as AzureSubnet
from cloudlink.clouds.azure.parse_network import vnet
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link
from tests.support.config_texts import SMALLEST, parsed
from tests.support.pinned import pinned

ZONE = "privatelink.blob.core.windows.net"
LINK = parsed(f'{SMALLEST}\n[[dns.back]]\nzone = "{ZONE}"\n')
ID = f"/subscriptions/s/resourceGroups/dns/providers/Microsoft.Network/privateDnsZones/{ZONE}"
WELL = ZoneSeen(ZONE, ID, linked=True)
TAKEN, NARROWER = "for the zone already", "takes names away"


def told(link: Link = LINK, **facts: object) -> list[Finding]:
    return pinned(back.check(BackFacts(**{"zones": (WELL,), **facts}), link))  # type: ignore[arg-type]


def test_nothing_is_in_the_way() -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("seen", "said", "hint"),
    [
        (ZoneSeen(ZONE), "does not exist", "dns.back.private_zone"),
        (ZoneSeen(ZONE, ID), "not linked", "--resource-group dns "),
    ],
)
def test_the_zone_is_there_and_linked(seen: ZoneSeen, said: str, hint: str) -> None:
    (finding,) = told(zones=(seen,))
    assert finding.severity is Severity.OBSTACLE
    assert said in finding.summary and hint in finding.hint


@pytest.mark.parametrize(
    ("name", "severity"),
    [(ZONE, Severity.OBSTACLE), (f"a.{ZONE}", Severity.WARNING), ("core.windows.net", None), (f"x{ZONE}", None)],
)
def test_hosted_zones_and_rules_of_the_vpc(name: str, severity: Severity | None) -> None:
    for found in (
        told(hosted=(VpcZone("Z1", name),)),
        told(rules=(ResolverRule("rslvr-rr-1", name),)),
        told(rules=(ResolverRule("rslvr-rr-1", name, "SYSTEM"),)),
    ):
        assert [f.severity for f in found] == ([severity] if severity else [])


def test_our_own_rule_is_nothing_in_the_way() -> None:
    assert told(rules=(ResolverRule("rslvr-rr-1", ZONE),), ours=frozenset({"rslvr-rr-1"})) == []


def test_a_full_resolver_is_an_obstacle() -> None:
    assert told(endpoints=MOST_INBOUND - 1) == []
    (finding,) = told(endpoints=MOST_INBOUND)
    assert finding.severity is Severity.OBSTACLE and "full" in finding.summary


@pytest.mark.parametrize("name", ["blob.core.windows.net", "vault.azure.net", "azurecr.io"])
def test_everybodys_names_are_warned_of(name: str) -> None:
    found = told(zones=(ZoneSeen(name, "/z", linked=True),))
    expected = [] if "." not in name else ["The zone holds names of everybody's"]
    assert [f.summary for f in found] == expected
    assert f"privatelink.{name}" in found[0].hint


def test_a_company_zone_is_not_everybodys() -> None:
    assert told(zones=(ZoneSeen("azure.corp.test", "/z", linked=True),)) == []


@pytest.mark.parametrize(
    ("prefix", "said"),
    [("10.99.0.0/28", "outside the VNet"), ("10.20.1.0/28", "overlaps another"), ("10.20.9.0/28", "")],
)
def test_the_subnets_range_fits(prefix: str, said: str) -> None:
    link = replace(LINK, dns=replace(LINK.dns, inbound_subnet=IPv4Network(prefix)))
    subnet = {"id": "/v/subnets/aks", "name": "aks", "properties": {"addressPrefix": "10.20.1.0/24"}}
    raw = {
        "id": "/v",
        "name": "v",
        "location": "westeurope",
        "properties": {"addressSpace": {"addressPrefixes": ["10.20.0.0/16"]}, "subnets": [subnet]},
    }
    found = told(link, room=vnet(raw))
    assert [said in f.summary for f in found] == ([True] if said else [])
    for finding in found:
        assert finding.mistake is not None and finding.mistake.path == "dns.inbound_subnet_prefix"


def test_what_it_costs_is_counted() -> None:
    counted = {
        what: (number, price) for what, number, price in items(["resolver.back_endpoint", "dns_forward.inbound"], LINK)
    }
    assert counted == {"Resolver address": (2, 182.5), "private resolver endpoint": (1, 180.0)}


# --- packet filters of the subnets that the endpoints use ----------------------------------------------------------

OUT, TO = IPv4Network("10.10.1.0/24"), IPv4Network("10.20.255.240/28")
ASKING = (Subnet("subnet-a", "a", OUT, 9),)
EVERYTHING = AclEntry(100, True, "-1", (0, 65_535), IPv4Network("0.0.0.0/0"))


def acl(*, inbound: tuple[AclEntry, ...] = (EVERYTHING,), outbound: tuple[AclEntry, ...] = (EVERYTHING,)) -> Acl:
    return Acl("acl-1", ("subnet-a",), inbound, outbound)


def denied(protocol: str, ports: tuple[int, int]) -> AclEntry:
    return AclEntry(90, False, protocol, ports, IPv4Network("10.20.0.0/16"))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (acl(), ""),
        (acl(outbound=(denied("17", (53, 53)), EVERYTHING)), "lets no udp/53 out to 10.20.255.240/28"),
        (acl(outbound=()), "lets no tcp/53, udp/53 out"),
        (acl(inbound=(denied("6", (1024, 65_535)), EVERYTHING)), "lets no answers (tcp to ports from 1024 on) in"),
        (acl(inbound=(denied("17", (53, 53)), EVERYTHING)), ""),  # nobody in the VPC is asked over this endpoint
    ],
)
def test_network_acls_of_the_subnets_that_ask(found: Acl, said: str) -> None:
    seen = told(acls=(found,), asking=ASKING, to=(TO,))
    assert bool(seen) is bool(said)
    for finding in seen:
        assert finding.severity is Severity.OBSTACLE and said in finding.detail
        assert "create-network-acl-entry" in finding.hint and str(TO) in finding.hint
    assert told(acls=(found,), asking=(), to=(TO,)) == [], "another subnet's ACL does not matter"


def test_a_security_group_before_azures_inbound_endpoint() -> None:
    def group(access: str, source: str = "*", ports: str = "53") -> SecurityGroup:
        rule = {
            "name": "landing-zone",
            "properties": {
                "priority": 200, "direction": "Inbound", "access": access, "protocol": "Udp",
                "sourceAddressPrefix": source, "destinationAddressPrefix": "*", "destinationPortRange": ports,
            },
        }  # fmt: skip
        return security_group(
            {"id": "/subscriptions/s/resourceGroups/g/nsg", "name": "nsg", "properties": {"securityRules": [rule]}}
        )

    asked = AzureSubnet("/s/dns-in", "dns-in", (TO,))
    (finding,) = told(group=group("Deny"), asked=asked, asking=ASKING)
    assert finding.severity is Severity.OBSTACLE
    assert "landing-zone of nsg" in finding.detail and "udp/53 from 10.10.1.0/24" in finding.detail
    assert "--direction Inbound" in finding.hint and "--priority 199" in finding.hint
    for harmless in (group("Allow"), group("Deny", "10.99.0.0/16"), group("Deny", ports="443")):
        assert told(group=harmless, asked=asked, asking=ASKING) == []


@pytest.mark.parametrize(
    ("servers", "warned"),
    [
        ((), 0),
        (("AmazonProvidedDNS",), 0),
        (("10.9.0.10", "10.10.0.2"), 0),
        (("169.254.169.253",), 0),
        (("10.9.0.10",), 1),
    ],
)
def test_machines_of_the_vpc_that_ask_other_name_servers(servers: tuple[str, ...], warned: int) -> None:
    """Active Directory's servers stand in the DHCP options: a rule of the VPC's Resolver reaches nobody then."""
    found = told(servers=servers, vpc=(IPv4Network("10.10.0.0/16"),))
    assert [f.severity for f in found] == [Severity.WARNING] * warned
    assert all("name 10.9.0.10 as name servers" in f.detail for f in found)


def test_what_aws_says_of_dhcp_options() -> None:
    assert [dhcp_options_of(v) for v in (None, {}, {"DhcpOptionsId": "default"}, {"DhcpOptionsId": "dopt-1"})] == [
        "",
        "",
        "",
        "dopt-1",
    ]
    options = [
        {"Key": "domain-name", "Values": [{"Value": "corp"}]},
        {"Key": "domain-name-servers", "Values": [{"Value": "10.9.0.10"}]},
    ]
    assert name_servers([{"DhcpConfigurations": options}]) == ("10.9.0.10",)
