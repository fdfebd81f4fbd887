"""A connection's custom IPsec policy: what Azure takes, and what it means in the words both clouds share."""

from __future__ import annotations

from cloudlink_sandbox.azure.errors import ApiError
from cloudlink_sandbox.azure.exchange import Json
from cloudlink_sandbox.azure.fields import choice, number
from cloudlink_sandbox.facts import Proposals

# https://learn.microsoft.com/azure/vpn-gateway/ipsec-ike-policy-howto
ENUMS = {
    "ipsecEncryption": ("None", "DES", "DES3", "AES128", "AES192", "AES256", "GCMAES128", "GCMAES192", "GCMAES256"),
    "ipsecIntegrity": ("MD5", "SHA1", "SHA256", "GCMAES128", "GCMAES192", "GCMAES256"),
    "ikeEncryption": ("DES", "DES3", "AES128", "AES192", "AES256", "GCMAES128", "GCMAES256"),
    "ikeIntegrity": ("MD5", "SHA1", "SHA256", "SHA384", "GCMAES128", "GCMAES256"),
    "dhGroup": (
        "None",
        "DHGroup1",
        "DHGroup2",
        "DHGroup14",
        "DHGroup2048",
        "ECP256",
        "ECP384",
        "DHGroup24",
    ),
    "pfsGroup": ("None", "PFS1", "PFS2", "PFS2048", "ECP256", "ECP384", "PFS24", "PFS14", "PFSMM"),
}
GROUPS = {
    "None": 0,
    "DHGroup1": 1,
    "DHGroup2": 2,
    "DHGroup14": 14,
    "DHGroup2048": 14,
    "DHGroup24": 24,
    "ECP256": 19,
    "ECP384": 20,
    "PFS1": 1,
    "PFS2": 2,
    "PFS14": 14,
    "PFS2048": 14,
    "PFS24": 24,
}


def accept_policy(given: Json) -> Json:
    """All eight fields are needed; for data, GCM encryption and integrity must be the same. Raises ApiError.

    For IKE, GCM goes with a hash; that the list of ``ikeIntegrity`` names GCM as well is an error of the API's
    description: https://github.com/Azure/azure-rest-api-specs/issues/27628
    """
    path = "properties.ipsecPolicies[0]"
    policy: Json = {
        "saLifeTimeSeconds": number(given, "saLifeTimeSeconds", None, 300, 172_799, path=path),
        "saDataSizeKilobytes": number(given, "saDataSizeKilobytes", None, 1024, 2_147_483_647, path=path),
    }
    for name, allowed in ENUMS.items():
        policy[name] = choice(given, name, allowed, path=path)
    encryption, integrity = policy["ipsecEncryption"], policy["ipsecIntegrity"]
    if "GCM" in f"{encryption}{integrity}" and encryption != integrity:
        # Assumption: the code; the rule is documented.
        raise ApiError(
            400,
            "InvalidIpsecPolicy",
            f"With GCM, ipsecEncryption and ipsecIntegrity must be the same, not {encryption} and {integrity}.",
        )
    if "GCM" in policy["ikeIntegrity"]:
        # Assumption: the code; the rule is as told in the issue above.
        raise ApiError(
            400, "InvalidIpsecPolicy", f"ikeIntegrity {policy['ikeIntegrity']} is not supported; it must be a hash."
        )
    return policy


# Without a custom policy. Phase 1 has group 2 only; in phase 2 Azure accepts PFS when the other side proposes it.
# https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-about-vpn-devices
DEFAULT = Proposals(
    ike_versions=frozenset({2}),
    ike_encryption=frozenset({"AES256", "AES128", "DES3"}),
    ike_integrity=frozenset({"SHA1", "SHA256"}),
    ike_groups=frozenset({2}),
    esp_encryption=frozenset({"AES256-GCM", "AES256", "AES128", "DES3"}),
    esp_integrity=frozenset({"SHA1", "SHA256"}),
    pfs_groups=frozenset({0, 1, 2, 14, 19, 20, 24}),
)


def proposals(policies: list[Json], protocol: str) -> Proposals:
    """What this connection accepts."""
    versions = frozenset({1 if protocol == "IKEv1" else 2})
    if not policies:
        return Proposals(**{**DEFAULT.__dict__, "ike_versions": versions})
    policy = policies[0]
    ike_group = GROUPS[policy["dhGroup"]]
    return Proposals(
        ike_versions=versions,
        ike_encryption=frozenset({neutral(policy["ikeEncryption"])}),
        ike_integrity=frozenset({neutral(policy["ikeIntegrity"])}),
        ike_groups=frozenset({ike_group}),
        esp_encryption=frozenset({neutral(policy["ipsecEncryption"])}),
        esp_integrity=frozenset({neutral(policy["ipsecIntegrity"])}),
        pfs_groups=frozenset({GROUPS.get(policy["pfsGroup"], ike_group)}),  # PFSMM: the group of phase 1
    )


def neutral(name: str) -> str:
    """``GCMAES256`` is ``AES256-GCM`` to both clouds."""
    return f"{name.removeprefix('GCM')}-GCM" if name.startswith("GCM") else name
