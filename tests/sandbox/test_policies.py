"""Every policy that the configuration allows is one that both clouds take, and on which they agree."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv4Network
from itertools import product
from typing import Any

from cloudlink.clouds.aws import parse_ipsec
from cloudlink.clouds.azure.parse_ipsec import azure_ipsec_policy
from cloudlink.config import schema
from cloudlink.config.value_types import ValidationError
from cloudlink.ipsec import IpsecPolicy
from cloudlink_sandbox.aws import tunnel_options
from cloudlink_sandbox.azure import ipsec_policies
from cloudlink_sandbox.negotiation import proposals_mismatch

CIPHERS = ["AES128", "AES192", "AES256", "AES128-GCM", "AES192-GCM", "AES256-GCM", "DES3"]
HASHES = ["MD5", "SHA1", "SHA256", "SHA384", "SHA512"]
GROUPS = list(range(1, 32))


def accepted(key: schema.Key[Any], candidates: list[Any]) -> list[Any]:
    values = []
    for candidate in candidates:
        with contextlib.suppress(ValidationError):
            values.append(key.kind.read(candidate))
    assert values
    return values


def test_both_clouds_take_what_the_configuration_takes_and_agree() -> None:
    asked = tunnel_options.TunnelOptions(IPv4Network("169.254.21.0/30"), "key", IPv4Address("198.51.100.1"))
    for ike, ike_hash, esp, esp_hash, lifetime, silence in product(
        accepted(schema.IKE_ENCRYPTION, CIPHERS),
        accepted(schema.IKE_INTEGRITY, HASHES),
        accepted(schema.ESP_ENCRYPTION, CIPHERS),
        accepted(schema.ESP_INTEGRITY, HASHES),
        accepted(schema.SA_LIFETIME, [900, 3600]),
        accepted(schema.DPD_TIMEOUT, [30, 3600]),
    ):
        for group, pfs in zip(accepted(schema.IKE_GROUP, GROUPS), accepted(schema.PFS_GROUP, GROUPS), strict=True):
            policy = IpsecPolicy(
                ike_encryption=ike,
                ike_integrity=ike_hash,
                ike_group=group,
                esp_encryption=esp,
                esp_integrity=esp_hash,
                pfs_group=pfs,
                sa_lifetime=lifetime,
                dpd_timeout=silence,
            )
            aws = tunnel_options.changed(asked, parse_ipsec.tunnel_options(policy)).proposals()
            given = ipsec_policies.accept_policy(azure_ipsec_policy(policy))
            azure = ipsec_policies.proposals([given], "IKEv2")
            assert proposals_mismatch(aws, azure) == "", policy
