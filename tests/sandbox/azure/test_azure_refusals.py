"""What Azure would not take: each refusal with its code, and nothing changed by it."""

from __future__ import annotations

from typing import Any

import pytest
from azure_sandbox import PIP, SUBNETS, Azure, code, connection, gateway, lng, put_gateway_subnet, put_ips


def change(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The body with one field, named by dots and indices, set."""
    place: Any = body
    *steps, last = [int(s) if s.isdigit() else s for s in path.split(".")]
    for step in steps:
        place = place[step]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return body


@pytest.fixture
def ready(seeded: Azure) -> Azure:
    """Everything that a gateway needs."""
    put_ips(seeded)
    put_gateway_subnet(seeded)
    return seeded


SKU = "properties.sku"
CUSTOM = "properties.bgpSettings.bgpPeeringAddresses.0.customBgpIpAddresses"


@pytest.mark.documentation(
    "SKUs without zones are NonAzSkusNotAllowedForVPNGateway; two instances need two configurations"
)
@pytest.mark.recorded("A Basic gateway is InvalidGatewaySkuSpecifiedForGatewayDeploymentType")
@pytest.mark.documentation(
    "Custom addresses lie between 169.254.21.0 and 169.254.22.255, are unique, and reserved ASNs are refused"
)
@pytest.mark.belief("The codes for wrong custom addresses, configurations, ASNs, subnets and values")
@pytest.mark.own("Properties that are not modelled are refused")
@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (SKU, {"name": "VpnGw1", "tier": "VpnGw1"}, "NonAzSkusNotAllowedForVPNGateway"),
        (SKU, {"name": "Basic", "tier": "Basic"}, "InvalidGatewaySkuSpecifiedForGatewayDeploymentType"),
        (SKU, {"name": "VpnGw9AZ", "tier": "VpnGw9AZ"}, "InvalidRequestFormat"),
        ("properties.ipConfigurations.1", None, "ActiveActiveGatewayMustHaveExactlyTwoIpConfigurations"),
        ("properties.bgpSettings.bgpPeeringAddresses.1", None, "BgpPeeringAddressesCountNotCorrect"),
        (
            "properties.bgpSettings.bgpPeeringAddresses.1.ipconfigurationId",
            "/x",
            "InvalidIpConfigurationIdInBgpPeeringAddresses",
        ),
        (CUSTOM, ["169.254.21.256"], "InvalidIpAddress"),
        (CUSTOM, ["169.254.20.255"], "CustomBgpIpAddressOutOfRange"),
        (CUSTOM, ["169.254.23.0"], "CustomBgpIpAddressOutOfRange"),
        (CUSTOM, ["169.254.21.6"], "DuplicateCustomBgpIpAddress"),
        ("properties.bgpSettings.asn", 8075, "VirtualNetworkGatewayAsnIsReserved"),
        ("properties.gatewayType", "Teleport", "InvalidRequestFormat"),
        ("properties.natRules", [{"name": "n"}], "NotModelledBySandbox"),
        ("properties.activeActive", "yes", "InvalidRequestFormat"),
        ("properties.ipConfigurations.0.properties.subnet.id", f"{SUBNETS}/aks", "InvalidSubnetNameForGateway"),
        ("properties.ipConfigurations.0.properties.publicIPAddress.id", "pip", "LinkedInvalidPropertyId"),
        ("location", "atlantis", "LocationNotAvailableForResourceType"),
        ("location", None, "LocationRequired"),
    ],
)
def test_gateways(ready: Azure, path: str, value: Any, expected: str) -> None:
    address = ready.path("virtualNetworkGateways", "gw")
    answer = ready.call("PUT", address, change(gateway(ready), path, value))
    assert code(answer) == (400, expected), answer.text
    assert ready.call("GET", address).status_code == 404
    assert ready.call("PUT", address, gateway(ready)).status_code == 201


@pytest.mark.documentation("A gateway keeps its generation; VpnGw2AZ and VpnGw3AZ are of either, 4 and 5 of the second")
@pytest.mark.belief("The code for a resize across generations")
@pytest.mark.parametrize(
    ("generation", "sku", "to", "refused"),
    [
        (None, "VpnGw1AZ", "VpnGw3AZ", False),
        (None, "VpnGw1AZ", "VpnGw4AZ", True),
        ("Generation2", "VpnGw2AZ", "VpnGw5AZ", False),
        ("Generation2", "VpnGw2AZ", "VpnGw1AZ", True),
        (None, "VpnGw5AZ", "VpnGw2AZ", False),
    ],
)
def test_resizing(ready: Azure, generation: str | None, sku: str, to: str, refused: bool) -> None:
    address, size = (
        ready.path("virtualNetworkGateways", "gw"),
        {"vpnGatewayGeneration": generation} if generation else {},
    )
    made = gateway(ready, sku={"name": sku, "tier": sku}, **size)
    ready.settle(ready.call("PUT", address, made))
    was = ready.call("GET", address).json()["properties"]["vpnGatewayGeneration"]
    answer = ready.call("PUT", address, gateway(ready, sku={"name": to, "tier": to}))
    if refused:
        assert code(answer) == (400, "ResizeOfGatewayAcrossGenerationsNotAllowed")
    else:
        ready.settle(answer)
        assert ready.call("GET", address).json()["properties"]["vpnGatewayGeneration"] == was


@pytest.mark.documentation("A size is refused in a generation that does not have it")
@pytest.mark.parametrize(("sku", "generation"), [("VpnGw1AZ", "Generation2"), ("VpnGw5AZ", "Generation1")])
def test_sizes_of_the_other_generation(ready: Azure, sku: str, generation: str) -> None:
    wrong = gateway(ready, sku={"name": sku, "tier": sku}, vpnGatewayGeneration=generation)
    assert code(ready.call("PUT", ready.path("virtualNetworkGateways", "gw"), wrong)) == (400, "InvalidRequestFormat")


@pytest.mark.documentation("The addresses of a gateway have zones, the same ones, and are two")
@pytest.mark.documentation("A reference to nothing is InvalidResourceReference")
def test_gateways_need_public_ips_with_the_same_zones(ready: Azure) -> None:
    for name, zones in (("plain", None), ("one", ["1"])):
        body = {**PIP, "zones": zones} if zones else {k: v for k, v in PIP.items() if k != "zones"}
        ready.settle(ready.call("PUT", ready.path("publicIPAddresses", name), body), 60)
    config = "properties.ipConfigurations.{}.properties.publicIPAddress.id"
    address = ready.path("virtualNetworkGateways", "gw")
    mixed = change(gateway(ready), config.format(0), ready.path("publicIPAddresses", "one"))
    assert code(ready.call("PUT", address, mixed))[1] == "ActiveActiveGatewayPublicIPAddressesDiffersInSkuOrZones"
    twice = change(gateway(ready), config.format(0), ready.path("publicIPAddresses", "pip-1"))
    assert code(ready.call("PUT", address, twice))[1] == "IpConfigurationsReferenceSamePublicIPAddress"
    alone = gateway(ready, activeActive=False, bgpSettings={"asn": 65000})
    del alone["properties"]["ipConfigurations"][1]
    change(alone, config.format(0), ready.path("publicIPAddresses", "plain"))
    assert code(ready.call("PUT", address, alone))[1] == "VmssVpnGatewayPublicIpsMustHaveZonesConfigured"
    gone = change(gateway(ready), config.format(0), ready.path("publicIPAddresses", "nobody"))
    assert code(ready.call("PUT", address, gone)) == (400, "InvalidResourceReference")


@pytest.mark.documentation("A VNet has one VPN gateway")
@pytest.mark.belief("Its code is SubnetAlreadyHasVirtualNetworkGateway")
@pytest.mark.documentation("A gateway's BGP address cannot be modified")
def test_a_vnet_has_one_gateway_and_an_address_one_user(built: Azure) -> None:
    other = built.call("PUT", built.path("virtualNetworkGateways", "second"), gateway(built, "second"))
    assert code(other) == (400, "SubnetAlreadyHasVirtualNetworkGateway")
    changed = gateway(built)
    changed["properties"]["bgpSettings"]["bgpPeeringAddress"] = "10.60.255.30"
    answer = built.call("PUT", built.path("virtualNetworkGateways", "gw"), changed)
    assert code(answer) == (400, "VirtualNetworkGatewayBgpPeeringAddressCannotBeModified")


@pytest.mark.recorded("An ASN of zero, a wrong address and a wrong prefix are refused with their codes")
@pytest.mark.documentation("An APIPA prefix and Azure's own ASNs are refused")
@pytest.mark.belief("The codes of those two")
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (lng(asn=0), "LocalNetworkGatewayCannotHaveZeroAsn"),
        (lng(asn=65515), "LocalNetworkGatewayAsnIsReserved"),
        (lng(address="10.0.0.257"), "InvalidIpAddress"),
        (
            change(lng(), "properties.localNetworkAddressSpace", {"addressPrefixes": ["192.168.0.0"]}),
            "InvalidAddressPrefixFormat",
        ),
        (
            change(lng(), "properties.localNetworkAddressSpace", {"addressPrefixes": ["169.254.21.1/32"]}),
            "LocalNetworkGatewayApipaPrefixNotAllowed",
        ),
        (change(lng(), "properties.gatewayIpAddress", None), "InvalidRequestFormat"),
    ],
)
def test_local_gateways(seeded: Azure, body: dict[str, Any], expected: str) -> None:
    answer = seeded.call("PUT", seeded.path("localNetworkGateways", "l"), body)
    assert code(answer) == (400, expected)


@pytest.mark.documentation("A connection has exactly two ends")
@pytest.mark.documentation("A key has at most 128 printable characters; a policy is complete")
@pytest.mark.belief("The codes for wrong keys, policies and values")
@pytest.mark.own("Kinds of connection that are not modelled are refused")
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"localNetworkGateway2": None}, "GatewayConnectionMustHaveExactlyTwoEndpoints"),
        ({"connectionType": "Rope"}, "InvalidRequestFormat"),
        ({"connectionType": "Vnet2Vnet"}, "NotModelledBySandbox"),
        ({"trafficSelectorPolicies": [{"localAddressRanges": ["10.0.0.0/8"]}]}, "InvalidRequestFormat"),
        (
            {"trafficSelectorPolicies": [{"localAddressRanges": ["10.0.0.0/8"], "remoteAddressRanges": ["all"]}]},
            "InvalidRequestFormat",
        ),
        ({"enableBgp": "on"}, "InvalidRequestFormat"),
        ({"connectionMode": "Sometimes"}, "InvalidRequestFormat"),
        ({"sharedKey": "two words"}, "InvalidSharedKey"),
        ({"sharedKey": "x" * 129}, "InvalidSharedKey"),
        ({"dpdTimeoutSeconds": 5}, "InvalidRequestFormat"),
        ({"ipsecPolicies": [{"saLifeTimeSeconds": 3600}]}, "InvalidRequestFormat"),
        ({"ipsecPolicies": ["all"]}, "InvalidRequestFormat"),
    ],
)
def test_connections(built: Azure, fields: dict[str, Any], expected: str) -> None:
    answer = built.call("PUT", built.path("connections", "t"), connection(built, **fields))
    assert code(answer) == (400, expected)


@pytest.mark.documentation("A connection's custom address is one of its instance's own")
@pytest.mark.belief("The codes for an address or an instance that is not there")
def test_a_connection_may_only_use_its_own_instance_s_custom_addresses(built: Azure) -> None:
    config = built.path("virtualNetworkGateways", "gw") + "/ipConfigurations/{}"

    def put(name: str, address: str) -> tuple[int, str | None]:
        chosen = [{"ipConfigurationId": config.format(name), "customBgpIpAddress": address}]
        body = connection(built, gatewayCustomBgpIpAddresses=chosen)
        return code(built.call("PUT", built.path("connections", "t"), body))

    assert put("c0", "169.254.21.6") == (400, "GatewayCustomBgpIpAddressNotFound")
    assert put("c7", "169.254.21.2") == (400, "GatewayCustomBgpIpConfigurationNotFound")
    assert put("c0", "169.254.22.2")[0] == 201


@pytest.mark.recorded("A used subnet, VNet and address are not deleted")
@pytest.mark.documentation("A gateway with connections is VirtualNetworkGatewayCannotBeDeleted")
@pytest.mark.belief("The code for a local gateway that is used")
def test_what_is_used_is_not_deleted(built: Azure) -> None:
    built.settle(built.call("PUT", built.path("connections", "t"), connection(built)), 60)
    vnet = SUBNETS.removesuffix("/subnets")
    for path, expected in (
        (built.path("localNetworkGateways", "lng-0"), "LocalNetworkGatewayCannotBeDeleted"),
        (built.path("virtualNetworkGateways", "gw"), "VirtualNetworkGatewayCannotBeDeleted"),
        (built.path("publicIPAddresses", "pip-0"), "PublicIPAddressCannotBeDeleted"),
        (f"{SUBNETS}/GatewaySubnet", "InUseSubnetCannotBeDeleted"),
        (f"{SUBNETS}/aks", "InUseSubnetCannotBeDeleted"),
        (vnet, "InUseSubnetCannotBeDeleted"),
        (
            built.path("networkSecurityGroups", "aks-vnet-aks", group="net-rg"),
            "InUseNetworkSecurityGroupCannotBeDeleted",
        ),
    ):
        assert code(built.call("DELETE", path)) == (400, expected)


@pytest.mark.documentation("Overlapping, foreign, misaligned and too small subnets are refused")
@pytest.mark.belief("NetcfgInvalidSubnet and InvalidSubnetPrefixLength are their codes")
@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("10.61.0.0/24", "NetcfgInvalidSubnet"),
        ("10.60.0.0/24", "NetcfgSubnetRangesOverlap"),
        ("10.60.9.1/24", "InvalidCIDRNotation"),
        ("10.60.9.0", "InvalidAddressPrefixFormat"),
        ("10.60.9.0/30", "InvalidSubnetPrefixLength"),
    ],
)
def test_subnets(seeded: Azure, prefix: str, expected: str) -> None:
    answer = seeded.call("PUT", f"{SUBNETS}/new", {"properties": {"addressPrefix": prefix}})
    assert code(answer) == (400, expected)


@pytest.mark.documentation(
    "Basic addresses are retired, ten Standard ones are the most, zones and location stay as they are"
)
def test_public_ips(seeded: Azure) -> None:
    path = seeded.path("publicIPAddresses", "pip")
    assert code(seeded.call("PUT", path, {"location": "westeurope"}))[1] == "IPv4BasicSkuPublicIpCountLimitReached"
    assert code(seeded.call("PUT", path, {**PIP, "zones": ["9"]}))[1] == "InvalidRequestFormat"
    put_ips(seeded, 8)  # somebody else has two
    assert code(seeded.call("PUT", path, PIP)) == (400, "PublicIPCountLimitReached")
    zoneless = {k: v for k, v in PIP.items() if k != "zones"}
    again = seeded.call("PUT", seeded.path("publicIPAddresses", "pip-0"), zoneless)
    assert code(again) == (400, "ResourceAvailabilityZonesCannotBeModified")
    moved = seeded.call("PUT", seeded.path("publicIPAddresses", "pip-0"), {**PIP, "location": "northeurope"})
    assert code(moved) == (409, "InvalidResourceLocation")
