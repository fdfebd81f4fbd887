"""A VPN gateway of Azure's that is to be adopted: what of it does not fit, all of it at once, and what is done to it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from cloudlink.checks.preflight.azure_gateway import GatewayFacts, check, check_others, read_far, resized
from cloudlink.clouds.azure.parse_connection import LocalGateway, local_gateway
from cloudlink.clouds.azure.parse_gateway import Gateway, GatewayAddresses, GatewayConfig, GatewayConnection
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.errors import CloudlinkError, CredentialsError, Finding, Severity
from cloudlink.link import Link
from tests.support.pinned import pinned

from .samples import link as sample
from .samples import told

GROUP = "/subscriptions/s/resourceGroups/network/providers/Microsoft.Network"
VNET = f"{GROUP}/virtualNetworks/hub"
ID = f"{GROUP}/virtualNetworkGateways/shared"
LINK = sample(azure={"adopt_gateway": "shared"})
ALTERS = Plan((Change("azure_vpn.inside_addresses", "custom BGP addresses", Action.UPDATE),))
NOTHING = Plan((Change("azure_vpn.inside_addresses", "custom BGP addresses", Action.NO_OP),))


def config(number: int) -> GatewayConfig:
    id_ = f"{ID}/ipConfigurations/c{number}"
    return GatewayConfig(id_, f"c{number}", f"{GROUP}/publicipaddresses/ip{number}", f"{VNET}/subnets/GatewaySubnet")


def addresses(number: int, *custom: str) -> GatewayAddresses:
    return GatewayAddresses(
        config(number).key,
        tuple(map(IPv4Address, custom)),
        (IPv4Address(f"10.20.255.{3 + number}"),),
        (IPv4Address(f"20.0.0.{number}"),),
    )


def gateway(**changes: Any) -> Gateway:
    good = Gateway(
        ID,
        location=LINK.azure.location,
        state="Succeeded",
        type="Vpn",
        routing="RouteBased",
        sku="VpnGw1AZ",
        active_active=True,
        bgp=True,
        asn=65_515,
        configs=(config(1), config(2)),
        addresses=(addresses(1), addresses(2)),
    )
    return replace(good, **changes)


def findings(
    found: Gateway | None, *, others: tuple[GatewayConnection, ...] = (), of: Link = LINK, plan: Plan = ALTERS
) -> list[Finding]:
    seen = pinned(check(GatewayFacts(found, others, vnet=VNET), of, plan))
    told(seen)
    return seen


def obstacles(found: Gateway, **more: Any) -> list[str]:
    return [f.summary for f in findings(found, **more) if f.severity is Severity.OBSTACLE]


def test_one_that_fits_is_altered_and_that_is_said() -> None:
    (finding,) = findings(gateway())
    assert finding.severity is Severity.WARNING
    assert "169.254.21.2, 169.254.22.2, 169.254.21.6, 169.254.22.6" in finding.detail
    assert findings(gateway(), plan=NOTHING) == []


@pytest.mark.parametrize(
    ("changes", "summary"),
    [
        ({"type": "ExpressRoute"}, "The gateway to adopt is not a VPN gateway"),
        ({"routing": "PolicyBased"}, "The VPN gateway is policy-based"),
        ({"sku": "Basic"}, "The VPN gateway is of the size Basic"),
        ({"bgp": False}, "The VPN gateway has no BGP"),
        ({"location": "northeurope"}, "The VPN gateway is in another location"),
        ({"asn": 64_512}, "Both gateways have the same AS number"),
        ({"asn": 7_224}, "AWS does not take the VPN gateway's AS number"),
        ({"state": "Failed"}, "The VPN gateway is in a failed state"),
        ({"has_radius": True}, "The gateway has settings that cloudlink cannot write back"),
        ({"addresses": (addresses(1),)}, "Which instances the VPN gateway has cannot be told"),
    ],
)
def test_what_does_not_fit(changes: dict[str, Any], summary: str) -> None:
    assert obstacles(gateway(**changes)) == [summary]


@pytest.mark.parametrize(
    ("sku", "new"), [("VpnGw1", "VpnGw1AZ"), ("VpnGw3", "VpnGw3AZ"), ("Standard", "VpnGw1AZ"), ("vpngw2", "VpnGw2AZ")]
)
def test_a_size_that_azure_has_retired_takes_no_change(sku: str, new: str) -> None:
    (finding,) = [f for f in findings(gateway(sku=sku)) if f.severity is Severity.OBSTACLE]
    assert "retired" in finding.summary and finding.hint.endswith(f"--sku {new}")
    assert ID in finding.hint
    idle = findings(gateway(sku=sku), plan=NOTHING)
    assert [f.severity for f in idle if "retired" in f.summary] == [Severity.WARNING], (
        "nothing is written: it carries on"
    )


def test_a_retired_size_without_bgp_needs_both() -> None:
    assert len(obstacles(gateway(sku="VpnGw1", bgp=False))) == 2


def test_all_of_it_is_said_at_once() -> None:
    found = gateway(bgp=False, location="northeurope", state="Failed", has_radius=True)
    assert len(obstacles(found)) == 4


def test_a_number_of_one_region_is_taken_in_another() -> None:
    other = sample(azure={"adopt_gateway": "shared"}, aws={"region": "us-east-1"})
    assert obstacles(gateway(asn=9_059), of=other) == []
    ireland = sample(azure={"adopt_gateway": "shared"}, aws={"region": "eu-west-1"})
    assert obstacles(gateway(asn=9_059), of=ireland) == ["AWS does not take the VPN gateway's AS number"]


def test_a_gateway_of_another_vnet() -> None:
    elsewhere = replace(config(1), subnet=VNET.replace("hub", "spoke") + "/subnets/GatewaySubnet")
    (finding,) = [f for f in findings(gateway(configs=(elsewhere, config(2)))) if f.severity is Severity.OBSTACLE]
    assert finding.summary == "The VPN gateway is in another VNet"
    assert 'azure.vnet.name = "spoke", azure.vnet.resource_group = "network"' in finding.hint


def test_radius_is_no_matter_while_nothing_is_written() -> None:
    assert obstacles(gateway(has_radius=True), plan=NOTHING) == []


def test_addresses_that_others_connections_use_are_taken_and_free_ones_are_named() -> None:
    theirs = GatewayConnection(f"{GROUP}/connections/theirs", "theirs", (IPv4Address("169.254.21.2"),))
    found = gateway(addresses=(addresses(1, "169.254.21.2", "169.254.22.1"), addresses(2)))
    (finding,) = [f for f in findings(found, others=(theirs,)) if f.severity is Severity.OBSTACLE]
    assert "169.254.21.2 is used by the connection theirs" in finding.detail
    assert "169.254.22.1 is on the gateway" in finding.detail
    assert finding.key == "vpn.inside_pool"
    assert (
        finding.hint
        == 'vpn.inside_cidrs = ["169.254.21.4/30", "169.254.22.4/30", "169.254.21.8/30", "169.254.22.8/30"]'
    )


def test_our_own_addresses_that_nobody_uses_are_not_taken() -> None:
    assert obstacles(gateway(addresses=(addresses(1, "169.254.21.2"), addresses(2)))) == []


def test_no_room_among_the_addresses_or_the_connections() -> None:
    every = [
        str(r.network_address + 2) for half in ("21", "22") for r in IPv4Network(f"169.254.{half}.0/24").subnets(6)
    ]
    theirs = GatewayConnection("/x/theirs", "theirs", tuple(map(IPv4Address, every)))
    full = gateway(addresses=(addresses(1, *every), addresses(2)))
    (finding,) = [f for f in findings(full, others=(theirs,)) if f.severity is Severity.OBSTACLE]
    assert "There is no room left" in finding.hint
    many = tuple(GatewayConnection(f"/x/{n}", f"c{n}") for n in range(27))
    assert obstacles(gateway(), others=many) == ["The VPN gateway has no room for the link's connections"]
    assert obstacles(gateway(sku="VpnGw5AZ"), others=many) == []


def test_one_instance_is_said_to_have_no_redundancy() -> None:
    single = gateway(active_active=False, configs=(config(1),), addresses=(addresses(1),))
    words = [f for f in findings(single, of=LINK.over_gateway(65_515, 1)) if "one instance" in f.summary]
    assert [f.severity for f in words] == [Severity.WARNING]
    assert "no redundancy on Azure's side" in words[0].detail


def test_point_to_sites_third_address_is_no_instance() -> None:
    third = GatewayAddresses(config(3).key, public=(IPv4Address("20.0.0.0"),))
    found = gateway(configs=(config(3), config(2), config(1)), addresses=(third, addresses(2), addresses(1)))
    assert [str(i.public[0]) for i in found.instances] == ["20.0.0.1", "20.0.0.2"]
    assert obstacles(found) == []


def site(name: str, *prefixes: str) -> LocalGateway:
    space = {"addressPrefixes": list(prefixes)}
    return local_gateway(
        {"id": f"{GROUP}/localNetworkGateways/{name}", "properties": {"localNetworkAddressSpace": space}}
    )


def test_another_connection_that_takes_a_range_of_the_vpc() -> None:
    """Static routes: a wider one loses against what BGP teaches."""
    vpc = (IPv4Network("10.10.0.0/16"),)
    wide, same, part = (
        site("wide", "10.0.0.0/8"),
        site("same", "10.10.0.0/16"),
        site("part", "10.10.4.0/24", "10.99.0.0/16"),
    )
    seen = list(check_others(GatewayFacts(gateway(), far=(wide, same, part)), vpc))
    assert [(f.severity, f.summary) for f in seen] == [
        (Severity.OBSTACLE, "The VPN gateway sends ranges of the VPC elsewhere")
    ] * 2
    assert "local network gateway same" in seen[0].detail
    assert "10.10.4.0/24:" in seen[1].detail


class Sites:
    """What the gateway's connections lead to. One may not be read, one is the link's own."""

    gateway_id = ID

    def name(self, what: str) -> str:
        return f"cloudlink-demo-{what}"

    def connections_of(self, gateway_id: str) -> list[dict[str, Any]]:
        names = ("office", "secret", "office", "cloudlink-demo-local-gateway-1")
        return [{"properties": {"localNetworkGateway2": {"id": f"{gateway_id}/{n}"}}} for n in names]

    def thing(self, id_: str) -> dict[str, Any] | None:
        if id_.endswith("secret"):
            raise CredentialsError("Azure refused permission", "x")
        return {"id": id_, "properties": {"localNetworkAddressSpace": {"addressPrefixes": ["10.10.0.0/16"]}}}

    def translate(self, error: Exception) -> CloudlinkError | None:
        return error if isinstance(error, CloudlinkError) else None


def test_what_others_connections_lead_to_is_read_once_each() -> None:
    assert [s.id.rpartition("/")[2] for s in read_far(LINK, Sites())] == ["office"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("generation", "sku", "refused"),
    [
        ("Generation1", "VpnGw3AZ", False),
        ("Generation1", "VpnGw4AZ", True),
        ("Generation1", "VpnGw5AZ", True),
        ("Generation2", "VpnGw5AZ", False),
        ("Generation2", "VpnGw1AZ", False),  # Azure has moved such to the second generation
        ("", "VpnGw5AZ", False),  # Azure does not say
    ],
)
def test_the_links_own_gateway_is_not_resized_across_generations(generation: str, sku: str, refused: bool) -> None:
    wanted = replace(LINK, azure=replace(LINK.azure, sku=sku))
    found = list(resized(gateway(generation=generation), wanted))
    assert bool(found) is refused
    for one in found:
        assert one.severity is Severity.OBSTACLE
        assert one.key == "azure.vpn_gateway.sku"
        assert "cloudlink teardown" in one.hint
