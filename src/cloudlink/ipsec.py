"""The IKE and IPsec policy of the link, in words both clouds share. How each cloud spells it: ``clouds/*/parse_ipsec.py``.

Each spelling can be turned back, so that what a cloud reports can be compared with what was wanted. ``for_aws`` and
``for_azure`` are the normal forms: the fields that a cloud does not know have a fixed value in them, so that they
never differ. Wanted policies go through the same normal form before they are compared.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

AZURE_IKE_LIFETIME = 28_800
NOT_KNOWN_TO_AWS = 0
ANY_RANGE = "0.0.0.0/0"
UNUSED_WITH_GCM = "unused with GCM"


@dataclass(frozen=True, slots=True)
class IpsecPolicy:
    """One policy for all tunnels; only values that both clouds support are representable by config.

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
    # Empty in every wanted policy. In one that was found in a cloud it names, in the cloud's words, what no wanted
    # policy has, such as ``StartupAction add``. A number that could not be read is 0 and is named there.
    deviations: str = field(default="", metadata={"shown": "other settings", "empty": "as cloudlink makes them"})

    @property
    def gcm(self) -> bool:
        """Whether ESP carries its own integrity, so that ``esp_integrity`` has no effect."""
        return self.esp_encryption.endswith("-GCM")


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
