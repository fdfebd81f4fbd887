"""How AWS spells the IKE and IPsec policy, both ways: ``policy_of(tunnel_options(p)) == for_aws(p)``.

A spelling that is not known here is no reason to stop: it is passed through, or named in ``deviations``.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_VpnTunnelOptionsSpecification.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloudlink.clouds.spelling import values, whole_number, words
from cloudlink.ipsec import NOT_KNOWN_TO_AWS, IpsecPolicy

# Neutral name to AWS's spelling, where the two differ.
_AWS_SPELLING = {
    "AES128-GCM": "AES128-GCM-16",
    "AES256-GCM": "AES256-GCM-16",
    "SHA256": "SHA2-256",
    "SHA384": "SHA2-384",
    "SHA512": "SHA2-512",
}
_AWS_NEUTRAL = {spelling.lower(): neutral for neutral, spelling in _AWS_SPELLING.items()}


def tunnel_options(policy: IpsecPolicy) -> dict[str, Any]:
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
    "RekeyMarginTimeSeconds": "AWS renews keys at another time than was set up",
    "RekeyFuzzPercentage": "AWS renews keys at another time than was set up",
    "ReplayWindowSize": "packets that arrive late are dropped sooner or later than was set up",
    "EnableTunnelLifecycleControl": "AWS's updates of the endpoint wait for somebody to accept them",
    "Phase1AdditionalKeyExchanges": "Azure has no additional key exchanges",
    "Phase2AdditionalKeyExchanges": "Azure has no additional key exchanges",
}
"""Why an option that differs matters, to be read behind it."""


def policy_of(found: Mapping[str, Any]) -> IpsecPolicy:
    """What a tunnel's options in DescribeVpnConnections (or in a request) mean, in the normal form of ``for_aws``.

    AWS answers in other spellings than it is asked in (``DpdTimeoutSeconds``, ``IkeVersions``); both are read.
    Assumption: an algorithm list that AWS leaves out means "all of them"; it reads as ``any``.
    """
    deviations: list[str] = []

    def either(*names: str) -> Any:
        return next((found[name] for name in names if found.get(name) is not None), None)

    def expect(value: Any, wanted: str, name: str) -> None:
        if value != wanted:
            said = "is not set" if value is None else words(value)
            deviations.append(f"{name} {said} ({_WHAT_IT_DOES[name]})")

    def number(value: Any, name: str) -> int:
        return whole_number(value, name, deviations)

    def group(name: str) -> int:
        given = values(found.get(name))
        return number(given[0] if len(given) == 1 else ", ".join(map(words, given)) or "any", name)

    def algorithm(name: str) -> str:
        given = [words(value) for value in values(found.get(name))]
        return ", ".join(_AWS_NEUTRAL.get(value.lower(), value) for value in given) or "any"

    versions = ", ".join(sorted(words(value) for value in values(either("IkeVersions", "IKEVersions"))))
    expect(versions or None, "ikev2", "IkeVersions")
    expect(either("StartupAction"), "start", "StartupAction")
    expect(either("DpdTimeoutAction", "DPDTimeoutAction"), "restart", "DpdTimeoutAction")
    for name, default in _AWS_DEFAULTS.items():
        value = either(name)
        expect(str(default) if value is None else words(value), str(default), name)
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


def _to_aws(neutral: str) -> str:
    return _AWS_SPELLING.get(neutral, neutral)
