"""The IKE and IPsec policy of the link, in words both clouds share, and how each cloud spells it.

Each translation has a way back, so that what a cloud reports can be compared with what was wanted:
``from_aws_tunnel_options(aws_tunnel_options(p)) == for_aws(p)``, and the same for Azure. ``for_aws`` and
``for_azure`` are the normal forms: the fields that a cloud does not know have a fixed value in them, so that they
never differ. Wanted policies go through the same normal form before they are compared.

A spelling that is not known here is no reason to stop: it is passed through, or named in ``deviations``, and
therefore compares different from every wanted policy.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_VpnTunnelOptionsSpecification.html
https://learn.microsoft.com/azure/vpn-gateway/ipsec-ike-policy-howto
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

AZURE_IKE_LIFETIME = 28_800
NOT_KNOWN_TO_AWS = 0
ANY_RANGE = "0.0.0.0/0"
UNUSED_WITH_GCM = "unused with GCM"


@dataclass(frozen=True, slots=True)
class IpsecPolicy:
    """One policy for all four tunnels; only values that both clouds support are representable by config.

    Names are neutral: ``AES256``, ``AES128``, ``AES256-GCM``, ``AES128-GCM``; ``SHA256``, ``SHA384``; Diffie-Hellman
    groups by number (14, 19, 20, 24). Times in seconds.
    """

    ike_encryption: str = "AES256"
    ike_integrity: str = "SHA256"
    ike_group: int = 20
    esp_encryption: str = "AES256-GCM"
    esp_integrity: str = "SHA256"  # not used with GCM, but AWS's API needs a value
    pfs_group: int = 20
    ike_lifetime: int = AZURE_IKE_LIFETIME  # fixed by Azure
    sa_lifetime: int = 3_600
    sa_kilobytes: int = 102_400_000
    dpd_timeout: int = 45
    # empty in every wanted policy. In one that was found in a cloud it names, in the cloud's words, what no wanted
    # policy has, such as ``StartupAction add``. A number that could not be read is 0 and is named there
    deviations: str = ""

    @property
    def gcm(self) -> bool:
        """Whether ESP carries its own integrity, so that ``esp_integrity`` has no effect."""
        return self.esp_encryption.endswith("-GCM")


# Neutral name to each cloud's spelling. Found policies may hold more than a wanted one may ask for (SHA1, DES3 ...):
# those have an entry only where the clouds' spelling differs from the neutral one.
_AWS_SPELLING = {
    "AES128-GCM": "AES128-GCM-16",
    "AES256-GCM": "AES256-GCM-16",
    "SHA256": "SHA2-256",
    "SHA384": "SHA2-384",
    "SHA512": "SHA2-512",
}
_AZURE_SPELLING = {"AES128-GCM": "GCMAES128", "AES192-GCM": "GCMAES192", "AES256-GCM": "GCMAES256"}
_AZURE_DH = {14: "DHGroup14", 19: "ECP256", 20: "ECP384", 24: "DHGroup24", 1: "DHGroup1", 2: "DHGroup2"}
_AZURE_PFS = {14: "PFS14", 19: "ECP256", 20: "ECP384", 24: "PFS24", 1: "PFS1", 2: "PFS2"}

_AWS_NEUTRAL = {spelling.lower(): neutral for neutral, spelling in _AWS_SPELLING.items()}
_AZURE_NEUTRAL = {spelling.lower(): neutral for neutral, spelling in _AZURE_SPELLING.items()}
_FROM_AZURE_DH = {name.lower(): group for group, name in _AZURE_DH.items()} | {"dhgroup2048": 14}
_FROM_AZURE_PFS = {name.lower(): group for group, name in _AZURE_PFS.items()} | {"pfs2048": 14}


def for_aws(policy: IpsecPolicy) -> IpsecPolicy:
    """The part of a policy that AWS knows: it has no limit by amount of data."""
    return replace(policy, sa_kilobytes=NOT_KNOWN_TO_AWS)


def for_azure(policy: IpsecPolicy) -> IpsecPolicy:
    """The part of a policy that Azure knows: the IKE lifetime is fixed, and with GCM there is no integrity algorithm."""
    return replace(
        policy,
        ike_lifetime=AZURE_IKE_LIFETIME,
        esp_integrity=UNUSED_WITH_GCM if policy.gcm else policy.esp_integrity,
    )


def aws_tunnel_options(policy: IpsecPolicy) -> dict[str, Any]:
    """The algorithm part of a TunnelOptions entry for CreateVpnConnection and ModifyVpnTunnelOptions.

    Lists have one element: AWS reads them as "permitted" and takes the weakest that the other side offers.
    ``start`` and ``restart`` are given because AWS's defaults (``add``, ``clear``) leave a dropped tunnel down. The last
    four are AWS's defaults, given so that a value that was set outside cloudlink is restored.
    """
    return {
        "IKEVersions": [{"Value": "ikev2"}],
        "Phase1EncryptionAlgorithms": [{"Value": _to_aws(policy.ike_encryption)}],
        "Phase1IntegrityAlgorithms": [{"Value": _to_aws(policy.ike_integrity)}],
        "Phase1DHGroupNumbers": [{"Value": policy.ike_group}],
        "Phase1LifetimeSeconds": policy.ike_lifetime,
        "Phase2EncryptionAlgorithms": [{"Value": _to_aws(policy.esp_encryption)}],
        "Phase2IntegrityAlgorithms": [{"Value": _to_aws(policy.esp_integrity)}],
        "Phase2DHGroupNumbers": [{"Value": policy.pfs_group}],
        "Phase2LifetimeSeconds": policy.sa_lifetime,
        "DPDTimeoutSeconds": policy.dpd_timeout,
        "DPDTimeoutAction": "restart",
        "StartupAction": "start",
        **_AWS_DEFAULTS,
        "EnableTunnelLifecycleControl": False,
    }


# Options that the link leaves at AWS's defaults: AWS leaves them out of an answer when they were not asked for.
_AWS_DEFAULTS = {"RekeyMarginTimeSeconds": 270, "RekeyFuzzPercentage": 100, "ReplayWindowSize": 1_024}

_WHAT_IT_DOES = {
    "StartupAction": "AWS waits for Azure to open the tunnel",
    "DpdTimeoutAction": "AWS does not open the tunnel again after Azure was away",
    "IkeVersions": "Azure speaks IKEv2 on this link",
    "RekeyMarginTimeSeconds": "AWS renews keys at another moment than was set up",
    "RekeyFuzzPercentage": "AWS renews keys at another moment than was set up",
    "ReplayWindowSize": "packets that arrive late are dropped sooner or later than was set up",
    "EnableTunnelLifecycleControl": "AWS's updates of the endpoint wait for somebody to accept them",
    "Phase1AdditionalKeyExchanges": "Azure has no additional key exchanges",
    "Phase2AdditionalKeyExchanges": "Azure has no additional key exchanges",
}
"""Why an option that differs matters, to be read behind it."""


def from_aws_tunnel_options(found: Mapping[str, Any]) -> IpsecPolicy:
    """What a tunnel's options in DescribeVpnConnections (or in a request) mean, in the normal form of ``for_aws``.

    AWS answers in other spellings than it is asked in (``DpdTimeoutSeconds``, ``IkeVersions``); both are read.
    Assumption: an algorithm list that AWS leaves out means "all of them"; it reads as ``any``.
    """
    deviations: list[str] = []

    def either(*names: str) -> Any:
        return next((found[name] for name in names if found.get(name) is not None), None)

    def expect(value: Any, wanted: str, name: str) -> None:
        if value != wanted:
            said = "is not set" if value is None else _words(value)
            deviations.append(f"{name} {said} ({_WHAT_IT_DOES[name]})")

    def number(value: Any, name: str) -> int:
        return _number(value, name, deviations)

    def group(name: str) -> int:
        values = _values(found.get(name))
        return number(values[0] if len(values) == 1 else ", ".join(map(_words, values)) or "any", name)

    def algorithm(name: str) -> str:
        values = [_words(value) for value in _values(found.get(name))]
        return ", ".join(_AWS_NEUTRAL.get(value.lower(), value) for value in values) or "any"

    versions = ", ".join(sorted(_words(value) for value in _values(either("IkeVersions", "IKEVersions"))))
    expect(versions or None, "ikev2", "IkeVersions")
    expect(either("StartupAction"), "start", "StartupAction")
    expect(either("DpdTimeoutAction", "DPDTimeoutAction"), "restart", "DpdTimeoutAction")
    for name, default in _AWS_DEFAULTS.items():
        value = either(name)
        expect(str(default) if value is None else _words(value), str(default), name)
    if found.get("EnableTunnelLifecycleControl") is True:
        expect("on", "off", "EnableTunnelLifecycleControl")
    for name in ("Phase1AdditionalKeyExchanges", "Phase2AdditionalKeyExchanges"):
        if found.get(name):
            expect("is set", "", name)
    return IpsecPolicy(
        ike_encryption=algorithm("Phase1EncryptionAlgorithms"),
        ike_integrity=algorithm("Phase1IntegrityAlgorithms"),
        ike_group=group("Phase1DHGroupNumbers"),
        esp_encryption=algorithm("Phase2EncryptionAlgorithms"),
        esp_integrity=algorithm("Phase2IntegrityAlgorithms"),
        pfs_group=group("Phase2DHGroupNumbers"),
        ike_lifetime=number(either("Phase1LifetimeSeconds"), "Phase1LifetimeSeconds"),
        sa_lifetime=number(either("Phase2LifetimeSeconds"), "Phase2LifetimeSeconds"),
        sa_kilobytes=NOT_KNOWN_TO_AWS,
        dpd_timeout=number(either("DpdTimeoutSeconds", "DPDTimeoutSeconds"), "DpdTimeoutSeconds"),
        deviations="; ".join(deviations),
    )


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
        spelling = _words(policy.get(name)) if policy.get(name) is not None else "not set"
        return _AZURE_NEUTRAL.get(spelling.lower(), spelling)

    def group(name: str, known: Mapping[str, int]) -> int:
        spelling = _words(policy.get(name)) if policy.get(name) is not None else "not set"
        number = known.get(spelling.lower(), 0)
        if number == 0:
            given.append(f"{name} {spelling}")
        return number

    encryption, integrity = algorithm("ipsecEncryption"), algorithm("ipsecIntegrity")
    if encryption.endswith("-GCM") and integrity == encryption:
        integrity = UNUSED_WITH_GCM
    policy_numbers = {
        name: _number(policy.get(name), name, given) for name in ("saLifeTimeSeconds", "saDataSizeKilobytes")
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
        dpd_timeout=_number(dpd_timeout, "dpdTimeoutSeconds", deviations),
        deviations="; ".join(deviations),
    )


def no_pfs_group_in_common(option: Mapping[str, Any], policy: Mapping[str, Any]) -> str:
    """What each side has, where they share no Diffie-Hellman group for the renewal of a tunnel's keys; empty: they share
    one, or it cannot be told. The first keys need none of their own in IKEv2, so such a tunnel comes up all the same.

    option: an AWS tunnel's. policy: an entry of an Azure connection's ``ipsecPolicies``.
    """
    permitted = [_words(value) for value in _values(option.get("Phase2DHGroupNumbers"))]
    spelling = _words(policy.get("pfsGroup")).lower()
    if spelling == "pfsmm":  # the group of the first keys
        number = _FROM_AZURE_DH.get(_words(policy.get("dhGroup")).lower(), 0)
    else:
        number = _FROM_AZURE_PFS.get(spelling, 0)
    if spelling != "none" and (not number or not permitted or str(number) in permitted):
        return ""
    azure = "none" if spelling == "none" else str(number)
    return f"AWS permits {', '.join(permitted) or 'its own, but not none'}, Azure uses {azure}"


def _to_aws(neutral: str) -> str:
    return _AWS_SPELLING.get(neutral, neutral)


def _to_azure(neutral: str) -> str:
    return _AZURE_SPELLING.get(neutral, neutral)


def _values(entries: Any) -> list[Any]:
    """The values of ``[{"Value": x}, ...]``; bare values and a missing list are accepted too."""
    if entries is None:
        return []
    if not isinstance(entries, Sequence) or isinstance(entries, str | bytes):
        entries = [entries]
    return [entry.get("Value") if isinstance(entry, Mapping) else entry for entry in entries]


def _number(value: Any, name: str, deviations: list[str]) -> int:
    """A positive whole number, or 0 with the reason among the deviations."""
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    text = _words(value)
    if value is not None and text.isascii() and text.isdigit() and len(text) < 12 and int(text) > 0:
        return int(text)
    deviations.append(f"{name} {'is not set' if value is None else text}")
    return 0


def _words(value: Any) -> str:
    """A cloud's value as it may be shown in a message: an enum member by its value."""
    return str(getattr(value, "value", value))
