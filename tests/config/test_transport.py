"""``link.transport``: what a link over an existing one may say, and what contradicts it."""

from __future__ import annotations

import pytest

from cloudlink.config import parse
from cloudlink.config.json_schema import json_schema
from cloudlink.errors import ConfigError
from tests.support.config_texts import config_text

BASE = config_text(
    "joined",
    link='transport = "existing"',
    resource_group="test",
    vnet="apps",
    gateway="",
    zone="aws.corp.example",
    host='addresses = ["10.10.3.4"]',
)


def mistakes(text: str, *, sandbox: bool = False) -> dict[str, str]:
    with pytest.raises(ConfigError) as raised:
        parse(text, "config.toml", sandbox=sandbox)
    return {m.path: m.allowed for m in raised.value.mistakes}


def test_a_link_over_an_existing_one_needs_no_gateway_subnet() -> None:
    link = parse(BASE, "config.toml")
    assert not link.makes_vpn
    assert link.azure.gateway_subnet is None


def test_without_it_the_gateway_subnet_is_required_as_ever() -> None:
    assert mistakes(BASE.replace('transport = "existing"', "")) == {
        "azure.vpn_gateway": "[azure.vpn_gateway] with subnet_prefix"
    }
    assert mistakes(BASE.replace('"existing"', '"vpn"')).keys() == {"azure.vpn_gateway"}


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ('[azure.vpn_gateway]\nsubnet_prefix = "10.20.255.0/27"', "azure.vpn_gateway.subnet_prefix"),
        ('[azure.vpn_gateway]\nsku = "VpnGw2AZ"', "azure.vpn_gateway.sku"),
        ('[vpn]\ninside_pool = "169.254.21.0/24"', "vpn.inside_pool"),
        ('[vpn]\npsk_storage = "secrets-manager"', "vpn.psk_storage"),
        ("[vpn.policy]\ndh_group = 20", "vpn.policy.dh_group"),
    ],
)
def test_settings_of_a_vpn_contradict_it(more: str, path: str) -> None:
    found = mistakes(f"{BASE}\n{more}\n")
    assert list(found) == [path]
    assert 'link.transport is "existing"' in found[path]


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("asn = 64513", "aws.asn"),
        ('gateway = "vgw-0a1b2c3d4e5f60718"', "aws.gateway"),
        ('route_tables = ["rtb-0a1b2c3d4e5f60718"]', "aws.route_tables"),
    ],
)
def test_settings_of_awss_gateway_contradict_it(line: str, path: str) -> None:
    assert list(mistakes(BASE.replace('eks_cluster = "production"', f'eks_cluster = "production"\n{line}'))) == [path]


def test_what_cloudlink_would_make_is_joined_to_nothing() -> None:
    text = BASE.replace('location = "westeurope"', 'location = "westeurope"\ncreate_resource_group = true')
    text = text.replace('name = "apps"', 'name = "apps"\ncreate = true')
    text = text.replace("[azure.aks]", "[azure.aks]\ncreate = true")
    found = mistakes(text)
    assert {"azure.create_resource_group", "azure.vnet.create", "azure.aks.create"} <= found.keys()
    assert "joined to nothing" in found["azure.vnet.create"]


def test_a_wire_of_the_sandbox_goes_with_it_only() -> None:
    wired = f'{BASE}\n[sandbox]\nwire = "transit-gateway"\n'
    link = parse(wired, "config.toml", sandbox=True)
    assert link.sandbox is not None
    assert link.sandbox.wire == "transit-gateway"
    gateway = link.sandbox.wire_gateway_subnet
    assert gateway is not None
    assert any(gateway.subnet_of(p) for p in link.sandbox.vnet_prefixes)
    assert link.sandbox.aks_subnet is not None
    assert not gateway.overlaps(link.sandbox.aks_subnet)
    vpn = wired.replace('"existing"', '"vpn"') + '\n[azure.vpn_gateway]\nsubnet_prefix = "10.20.255.0/27"\n'
    assert list(mistakes(vpn, sandbox=True)) == ["sandbox.wire"]


@pytest.mark.parametrize("value", ["expressroute", "ipsec", "tgw", "1"])
def test_other_transports_are_refused_with_what_there_is(value: str) -> None:
    found = mistakes(BASE.replace('"existing"', f'"{value}"'))
    assert "link.transport" in found
    assert "vpn" in found["link.transport"]


def test_the_schema_for_editors_takes_both_kinds() -> None:
    gateway = json_schema()["properties"]["azure"]["properties"]["vpn_gateway"]
    assert "required" not in gateway
