"""How Azure spells an IPsec policy, both ways: ``from_azure(azure_ipsec_policy(p)) == for_azure(p)``.

A spelling that is not known is no reason to stop: it is passed through, or named in ``deviations``, and therefore compares
different from every wanted policy. https://learn.microsoft.com/azure/vpn-gateway/ipsec-ike-policy-howto
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudlink.clouds.spelling import whole_number, words
from cloudlink.ipsec import AZURE_IKE_LIFETIME, UNUSED_WITH_GCM, IpsecPolicy

# Neutral name to Azure's, where they differ.
_AZURE_SPELLING = {"AES128-GCM": "GCMAES128", "AES192-GCM": "GCMAES192", "AES256-GCM": "GCMAES256"}
_AZURE_DH = {14: "DHGroup14", 19: "ECP256", 20: "ECP384", 24: "DHGroup24", 1: "DHGroup1", 2: "DHGroup2"}
_AZURE_PFS = {14: "PFS14", 19: "ECP256", 20: "ECP384", 24: "PFS24", 1: "PFS1", 2: "PFS2"}

# What a connection without a policy of its own takes, in neutral words: one list of several for each field that two sides
# must have something of in common. It takes a group for the renewal of keys, or none.
# https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-about-vpn-devices
AZURES_OWN: Mapping[str, tuple[str, ...]] = {
    "ike_encryption": ("AES256", "AES128", "DES3"),
    "ike_integrity": ("SHA1", "SHA256"),
    "ike_group": ("2",),
    "esp_encryption": ("AES256-GCM", "AES256", "AES128", "DES3"),
    "esp_integrity": ("SHA1", "SHA256"),
    "pfs_group": ("none", "1", "2", "14", "19", "20", "24"),
}

_AZURE_NEUTRAL = {spelling.lower(): neutral for neutral, spelling in _AZURE_SPELLING.items()}
_FROM_AZURE_DH = {name.lower(): group for group, name in _AZURE_DH.items()} | {"dhgroup2048": 14}
_FROM_AZURE_PFS = {name.lower(): group for group, name in _AZURE_PFS.items()} | {"pfs2048": 14}


def azure_ipsec_policy(policy: IpsecPolicy) -> dict[str, Any]:
    """The single entry of a connection's ``ipsecPolicies``, in wire names; Azure wants all eight fields.

    The dead peer detection timeout is no part of it: it is the connection's own ``dpdTimeoutSeconds``.
    For data Azure demands that with GCM the integrity repeats the encryption. For IKE it stays a hash, which serves as
    the pseudo-random function: https://github.com/Azure/azure-rest-api-specs/issues/27628
    """
    encryption = _to_azure(policy.esp_encryption)
    return {
        "saLifeTimeSeconds": policy.sa_lifetime,
        "saDataSizeKilobytes": policy.sa_kilobytes,
        "ipsecEncryption": encryption,
        "ipsecIntegrity": encryption if policy.gcm else _to_azure(policy.esp_integrity),
        "ikeEncryption": _to_azure(policy.ike_encryption),
        "ikeIntegrity": _to_azure(policy.ike_integrity),
        "dhGroup": _AZURE_DH.get(policy.ike_group, f"DHGroup{policy.ike_group}"),
        "pfsGroup": _AZURE_PFS.get(policy.pfs_group, f"PFS{policy.pfs_group}"),
    }


def from_azure(found: Mapping[str, Any] | None, *, dpd_timeout: Any) -> IpsecPolicy:
    """What an entry of ``ipsecPolicies`` and the connection's ``dpdTimeoutSeconds`` mean, in ``for_azure``'s form.

    found None or empty: the connection has no policy of its own and uses Azure's default one.
    Case is ignored: ARM does not promise to keep it.
    """
    policy = found or {}
    deviations: list[str] = [] if found else ["no policy of its own (Azure's default)"]
    given = deviations if found else []  # with no policy at all, one sentence says more than eight

    def algorithm(name: str) -> str:
        spelling = words(policy.get(name)) if policy.get(name) is not None else "not set"
        return _AZURE_NEUTRAL.get(spelling.lower(), spelling)

    def group(name: str, known: Mapping[str, int]) -> int:
        spelling = words(policy.get(name)) if policy.get(name) is not None else "not set"
        number = known.get(spelling.lower(), 0)
        if number == 0:
            given.append(f"{name} {spelling}")
        return number

    encryption, integrity = algorithm("ipsecEncryption"), algorithm("ipsecIntegrity")
    if encryption.endswith("-GCM") and integrity == encryption:
        integrity = UNUSED_WITH_GCM
    policy_numbers = {
        name: whole_number(policy.get(name), name, given) for name in ("saLifeTimeSeconds", "saDataSizeKilobytes")
    }
    return IpsecPolicy(
        ike_encryption=algorithm("ikeEncryption"),
        ike_integrity=algorithm("ikeIntegrity"),
        ike_group=group("dhGroup", _FROM_AZURE_DH),
        esp_encryption=encryption,
        esp_integrity=integrity,
        pfs_group=group("pfsGroup", _FROM_AZURE_PFS),
        ike_lifetime=AZURE_IKE_LIFETIME,
        sa_lifetime=policy_numbers["saLifeTimeSeconds"],
        sa_kilobytes=policy_numbers["saDataSizeKilobytes"],
        dpd_timeout=whole_number(dpd_timeout, "dpdTimeoutSeconds", deviations),
        deviations="; ".join(deviations),
    )


def renewal_group(policy: Mapping[str, Any]) -> str:
    """The Diffie-Hellman group of the renewal of a tunnel's keys in an entry of ``ipsecPolicies``: a number, or ``none``;
    empty: a spelling that is not known."""
    spelling = words(policy.get("pfsGroup")).lower()
    if spelling == "none":
        return "none"
    if spelling == "pfsmm":  # the group of the first keys
        number = _FROM_AZURE_DH.get(words(policy.get("dhGroup")).lower(), 0)
    else:
        number = _FROM_AZURE_PFS.get(spelling, 0)
    return str(number) if number else ""


def _to_azure(neutral: str) -> str:
    return _AZURE_SPELLING.get(neutral, neutral)
