"""``azure.vpn_gateway.adopt``: what a link over a gateway that exists may say, and what contradicts it."""

from __future__ import annotations

import pytest

from cloudlink.config import parse
from cloudlink.errors import ConfigError
from tests.support.config_texts import config_text

SUBSCRIPTION = "00000000-1111-2222-3333-444444444444"
ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/network/providers/Microsoft.Network/virtualNetworkGateways/shared"
BASE = config_text(
    "hub",
    resource_group="test",
    vnet="apps",
    gateway=f'adopt = "{ID}"',
    zone="aws.corp.example",
    host='addresses = ["10.10.3.4"]',
)


def mistakes(text: str, *, sandbox: bool = False) -> dict[str, str]:
    with pytest.raises(ConfigError) as raised:
        parse(text, "config.toml", sandbox=sandbox)
    return {m.path: m.allowed for m in raised.value.mistakes}


def with_key(line: str) -> str:
    return BASE.replace("[azure.vpn_gateway]\n", f"[azure.vpn_gateway]\n{line}\n")


def test_it_needs_no_subnet_and_is_named_by_id_or_name() -> None:
    link = parse(BASE, "config.toml")
    assert link.azure.gateway_subnet is None
    assert link.azure_gateway == ("shared", "network")
    named = parse(BASE.replace(ID, "shared"), "config.toml")
    assert named.azure_gateway == ("shared", "test")
    assert parse(BASE.replace(f'adopt = "{ID}"', 'subnet_prefix = "10.20.255.0/27"'), "c").azure_gateway == (
        "cloudlink-hub-gateway",
        "test",
    )


@pytest.mark.parametrize(
    "line", ['subnet_prefix = "10.20.255.0/27"', 'sku = "VpnGw2AZ"', 'zones = ["1"]', "asn = 65010"]
)
def test_settings_of_a_new_gateway_contradict_it(line: str) -> None:
    key = f"azure.vpn_gateway.{line.partition(' ')[0]}"
    assert "azure.vpn_gateway.adopt names a gateway that has its own" in mistakes(with_key(line))[key]


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ('name = "apps"', 'name = "apps"\ncreate = true', "azure.vnet.create"),
        (ID, ID.replace("0000-1111", "0000-2222"), "azure.vpn_gateway.adopt"),
        (ID, 'shared"\n[azure.vnet2]\nx = "', "azure.vnet2"),
        (ID, ID.replace("virtualNetworkGateways", "vpnGateways"), "azure.vpn_gateway.adopt"),
        (ID, f"{ID}/connections/one", "azure.vpn_gateway.adopt"),
        ('name = "hub"', 'name = "hub"\n[link]\ntransport = "existing"', "azure.vpn_gateway.adopt"),
    ],
)
def test_contradictions_are_found(old: str, new: str, path: str) -> None:
    assert path in mistakes(BASE.replace(old, new))


def test_the_group_of_the_gateway_is_not_made() -> None:
    making = BASE.replace('resource_group = "test"', 'resource_group = "test"\ncreate_resource_group = true')
    assert parse(making, "config.toml").azure.create_resource_group  # the gateway is in another one
    for gateway in ("shared", ID.replace("/network/", "/Test/")):
        assert "azure.create_resource_group" in mistakes(making.replace(ID, gateway))


def test_the_number_of_aws_is_not_compared_with_one_that_nobody_chose() -> None:
    """65000 would be Azure's number, if a gateway were made."""
    text = BASE.replace("[aws]", "[aws]\nasn = 65000")
    assert parse(text, "config.toml").aws.asn == 65_000


def test_what_the_sandbox_holds_of_it() -> None:
    link = parse(f'{BASE}\n[sandbox]\ngateway = "active-standby"\n', "config.toml", sandbox=True)
    assert link.sandbox is not None
    assert link.sandbox.gateway == "active-standby"
    assert link.sandbox.gateway_subnet is not None
    without = BASE.replace(f'adopt = "{ID}"', 'subnet_prefix = "10.20.255.0/27"')
    assert parse(without, "c", sandbox=True).sandbox.gateway is None  # type: ignore[union-attr]
    assert "sandbox.gateway" in mistakes(f'{without}\n[sandbox]\ngateway = "active-standby"\n', sandbox=True)


def test_a_gateway_with_one_instance_leaves_two_tunnels() -> None:
    link = parse(BASE, "config.toml")
    one = link.over_gateway(65_515, 1)
    assert ([t.index for t in one.tunnels], [t.index for t in one.spare]) == ([0, 1], [2, 3])
    assert (one.instances, one.azure.asn) == ((0,), 65_515)
    assert one.over_gateway(65_515, 2).tunnels == link.tunnels
