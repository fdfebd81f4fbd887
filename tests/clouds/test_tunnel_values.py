"""What is asked of AWS's tunnels is what its own model of the call allows, and what it keeps for itself is what we leave alone."""

from __future__ import annotations

import re
from ipaddress import IPv4Network
from typing import Any

import botocore.session
import pytest

from cloudlink.addressing import AWS_RESERVED
from cloudlink.clouds.aws.parse_ipsec import tunnel_options
from cloudlink.ipsec import IpsecPolicy
from cloudlink.secret import new_pre_shared_key

OPTIONS = (
    botocore.session.get_session().get_service_model("ec2").shape_for("ModifyVpnTunnelOptionsSpecification").members
)
LISTS = [
    *(f"Phase{n}{what}" for n in (1, 2) for what in ("EncryptionAlgorithms", "IntegrityAlgorithms", "DHGroupNumbers")),
    "IKEVersions",
]
POLICIES = [
    IpsecPolicy(ike_encryption=cipher, esp_encryption=cipher, ike_group=group, pfs_group=group, ike_integrity=integrity)
    for cipher, group, integrity in (("AES128", 14, "SHA256"), ("AES256", 19, "SHA384"), ("AES256-GCM", 24, "SHA256"))
]


def codes(option: str) -> set[str]:
    return set(re.findall(r"<code>([^<]+)</code>", OPTIONS[option].documentation))


@pytest.mark.parametrize("policy", [IpsecPolicy(), *POLICIES])
def test_every_value_of_a_list_is_one_that_aws_knows(policy: IpsecPolicy) -> None:
    asked: dict[str, Any] = tunnel_options(policy)
    for name in LISTS:
        values = {str(one["Value"]) for one in asked[name]}
        assert values
        assert values <= codes(name), name


@pytest.mark.parametrize("name", ["DPDTimeoutAction", "StartupAction"])
def test_single_values_are_ones_that_aws_knows(name: str) -> None:
    asked: dict[str, Any] = tunnel_options(IpsecPolicy())
    assert str(asked[name]) in codes(name)


def test_the_ranges_that_aws_keeps_are_left_out() -> None:
    kept = {IPv4Network(text) for text in codes("TunnelInsideCidr") if text.endswith("/30")}
    assert kept
    assert kept <= set(AWS_RESERVED)


def test_new_keys_are_what_a_pre_shared_key_may_be() -> None:
    """https://docs.aws.amazon.com/vpn/latest/s2svpn/VPNTunnels.html"""
    said = " ".join(OPTIONS["PreSharedKey"].documentation.split())
    assert "alphanumeric characters, periods (.), and underscores (_)" in said
    assert "between 8 and 64 characters in length and cannot start with zero (0)" in said
    for _ in range(300):
        assert re.fullmatch(r"[A-Za-z1-9._][A-Za-z0-9._]{7,63}", new_pre_shared_key().reveal())
