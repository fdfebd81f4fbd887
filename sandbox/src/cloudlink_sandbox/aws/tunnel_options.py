"""The options of a VPN tunnel: what AWS accepts, what it fills in, and how it gives them back.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_VpnTunnelOptionsSpecification.html
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.facts import Proposals

_ENCRYPTION = ("AES128", "AES256", "AES128-GCM-16", "AES256-GCM-16")
_INTEGRITY = ("SHA1", "SHA2-256", "SHA2-384", "SHA2-512")
_PHASE1_GROUPS = (2, *range(14, 25))
_PHASE2_GROUPS = (2, 5, *range(14, 25))
_IKE = ("ikev1", "ikev2")

LISTS: dict[str, tuple[str, tuple[Any, ...], tuple[Any, ...]]] = {
    # name in the request: (field, what is allowed, the default)
    "Phase1EncryptionAlgorithms": ("phase1_encryption", _ENCRYPTION, _ENCRYPTION),
    "Phase2EncryptionAlgorithms": ("phase2_encryption", _ENCRYPTION, _ENCRYPTION),
    "Phase1IntegrityAlgorithms": ("phase1_integrity", _INTEGRITY, _INTEGRITY),
    "Phase2IntegrityAlgorithms": ("phase2_integrity", _INTEGRITY, _INTEGRITY),
    "Phase1DHGroupNumbers": ("phase1_groups", (*_PHASE1_GROUPS, 35, 36, 37), _PHASE1_GROUPS),
    "Phase2DHGroupNumbers": ("phase2_groups", (*_PHASE2_GROUPS, 35, 36, 37), _PHASE2_GROUPS),
    "IKEVersions": ("ike_versions", _IKE, _IKE),
}

NUMBERS: dict[str, tuple[str, int, int]] = {
    "Phase1LifetimeSeconds": ("phase1_lifetime", 900, 28_800),
    "Phase2LifetimeSeconds": ("phase2_lifetime", 900, 3_600),
    "RekeyMarginTimeSeconds": ("rekey_margin", 60, 1_800),
    "RekeyFuzzPercentage": ("rekey_fuzz", 0, 100),
    "ReplayWindowSize": ("replay_window", 64, 2_048),
    "DPDTimeoutSeconds": ("dpd_timeout", 30, 2**31 - 1),
}

WORDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "DPDTimeoutAction": ("dpd_action", ("clear", "none", "restart")),
    "StartupAction": ("startup", ("add", "start")),
}

_OUTPUT = {
    "DPDTimeoutSeconds": "DpdTimeoutSeconds",
    "DPDTimeoutAction": "DpdTimeoutAction",
    "IKEVersions": "IkeVersions",
}
_RESERVED = tuple(IPv4Network(n) for n in (*(f"169.254.{i}.0/30" for i in range(6)), "169.254.169.252/30"))
_APIPA = IPv4Network("169.254.0.0/16")
_KEY = re.compile(r"[A-Za-z1-9._][A-Za-z0-9._]{7,63}")
_NOT_MODELLED = (
    "TunnelInsideIpv6Cidr",
    "Phase1AdditionalKeyExchanges",
    "Phase2AdditionalKeyExchanges",
)


@dataclass(frozen=True)
class TunnelOptions:
    """One tunnel's options. given: the names that the request carried."""

    inside: IPv4Network
    psk: str = field(repr=False)
    outside: IPv4Address
    phase1_encryption: tuple[str, ...] = _ENCRYPTION
    phase2_encryption: tuple[str, ...] = _ENCRYPTION
    phase1_integrity: tuple[str, ...] = _INTEGRITY
    phase2_integrity: tuple[str, ...] = _INTEGRITY
    phase1_groups: tuple[int, ...] = _PHASE1_GROUPS
    phase2_groups: tuple[int, ...] = _PHASE2_GROUPS
    ike_versions: tuple[str, ...] = _IKE
    phase1_lifetime: int = 28_800
    phase2_lifetime: int = 3_600
    rekey_margin: int = 270
    rekey_fuzz: int = 100
    replay_window: int = 1_024
    dpd_timeout: int = 30
    dpd_action: str = "clear"
    startup: str = "add"
    lifecycle_control: bool = False
    logs: tuple[tuple[str, Any], ...] = ()  # CloudWatchLogOptions, as they were given
    given: frozenset[str] = frozenset()

    def json(self, *, with_key: bool) -> dict[str, Any]:
        """As DescribeVpnConnections spells it. Assumption: lists that were not asked for stay away."""
        out: dict[str, Any] = {"OutsideIpAddress": str(self.outside), "TunnelInsideCidr": str(self.inside)}
        if with_key:
            out["PreSharedKey"] = self.psk
        for name, (attribute, _, _) in LISTS.items():
            if name in self.given:
                out[_OUTPUT.get(name, name)] = [{"Value": v} for v in getattr(self, attribute)]
        for name, (attribute, _, _) in NUMBERS.items():
            if name in self.given:
                out[_OUTPUT.get(name, name)] = getattr(self, attribute)
        for name, (attribute, _) in WORDS.items():
            if name in self.given:
                out[_OUTPUT.get(name, name)] = getattr(self, attribute)
        out["EnableTunnelLifecycleControl"] = self.lifecycle_control
        if self.logs:
            out["LogOptions"] = {"CloudWatchLogOptions": dict(self.logs)}
        return out

    def logs_to(self, kind: str, arn: str) -> bool:
        """Whether a log goes to this log group. kind: empty for IKE's, ``Bgp``."""
        said = dict(self.logs)
        return bool(said.get(f"{kind}LogEnabled")) and said.get(f"{kind}LogGroupArn", "").removesuffix(":*") == arn

    def proposals(self) -> Proposals:
        """In the neutral words of the world."""
        esp = frozenset(_neutral_cipher(c) for c in self.phase2_encryption)
        return Proposals(
            ike_versions=frozenset(int(v[-1]) for v in self.ike_versions),
            ike_encryption=frozenset(_neutral_cipher(c) for c in self.phase1_encryption),
            ike_integrity=frozenset(_neutral_hash(h) for h in self.phase1_integrity),
            ike_groups=frozenset(self.phase1_groups),
            esp_encryption=esp,
            esp_integrity=frozenset(_neutral_hash(h) for h in self.phase2_integrity),
            pfs_groups=frozenset(self.phase2_groups),
        )


def _neutral_cipher(name: str) -> str:
    return name.removesuffix("-16")


def _neutral_hash(name: str) -> str:
    return name.replace("SHA2-", "SHA")


def _invalid(message: str) -> ApiError:
    return ApiError("InvalidParameterValue", message)


def checked_inside(text: str) -> IPv4Network:
    """Raises ApiError for anything but a usable /30 of 169.254.0.0/16."""
    try:
        inside = IPv4Network(text)
    except ValueError:
        raise _invalid(f"The tunnel inside CIDR {text} is invalid.") from None
    if inside.prefixlen != 30 or not inside.subnet_of(_APIPA):
        raise _invalid(f"The tunnel inside CIDR {text} must be a size /30 CIDR block from the 169.254.0.0/16 range.")
    if inside in _RESERVED:
        raise _invalid(f"The tunnel inside CIDR {text} is reserved and cannot be used.")
    return inside


def _checked_key(text: str) -> str:
    if not _KEY.fullmatch(text):
        raise _invalid(
            "The pre-shared key must be between 8 and 64 characters in length and cannot start with zero (0). "
            "Allowed characters are alphanumeric, periods (.), and underscores (_)."
        )
    return text


def new_key() -> str:
    """As AWS makes one when none is given: 32 characters."""
    letters = string.ascii_letters + string.digits
    return secrets.choice(string.ascii_letters) + "".join(secrets.choice(letters) for _ in range(31))


_LOG_FORMATS = ("json", "text")


def log_groups_of(asked: Mapping[str, Any]) -> list[str]:
    """ARNs of the log groups that a request switches on."""
    said = (asked.get("LogOptions") or {}).get("CloudWatchLogOptions") or {}
    return [said[f"{k}LogGroupArn"] for k in ("", "Bgp") if said.get(f"{k}LogEnabled") and said.get(f"{k}LogGroupArn")]


def _checked_logs(options: TunnelOptions, asked: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Both logs after a request; what it does not name stays. Raises ApiError."""
    said = dict(options.logs) | dict((asked.get("LogOptions") or {}).get("CloudWatchLogOptions") or {})
    for kind in ("", "Bgp"):
        if said.get(f"{kind}LogEnabled"):
            if not said.get(f"{kind}LogGroupArn"):
                raise _invalid(f"{kind}LogGroupArn is required when {kind}LogEnabled is true.")
            if said.setdefault(f"{kind}LogOutputFormat", "json") not in _LOG_FORMATS:
                raise _invalid(f"The value {said[f'{kind}LogOutputFormat']} for {kind}LogOutputFormat is invalid.")
        else:
            for name in ("LogGroupArn", "LogOutputFormat"):
                said.pop(kind + name, None)
    return tuple(sorted(said.items()))


def changed(options: TunnelOptions, asked: Mapping[str, Any]) -> TunnelOptions:
    """The options after a request. Raises ApiError for a value that AWS does not take."""
    for name in _NOT_MODELLED:
        if asked.get(name):
            raise _invalid(f"The parameter {name} is not supported (the sandbox does not model it).")
    new: dict[str, Any] = {}
    if asked.get("TunnelInsideCidr"):
        new["inside"] = checked_inside(asked["TunnelInsideCidr"])
    if asked.get("PreSharedKey"):
        new["psk"] = _checked_key(asked["PreSharedKey"])
    if asked.get("EnableTunnelLifecycleControl") is not None:
        new["lifecycle_control"] = bool(asked["EnableTunnelLifecycleControl"])
    for name, (attribute, allowed, _) in LISTS.items():
        if not asked.get(name):
            continue
        values = tuple(item["Value"] for item in asked[name])
        for value in values:
            if value not in allowed:
                raise _invalid(
                    f"The value {value} for {name} is invalid. Valid values are {', '.join(map(str, allowed))}."
                )
        new[attribute] = values
    for name, (attribute, low, high) in NUMBERS.items():
        if asked.get(name) is None:
            continue
        number = int(asked[name])
        if not low <= number <= high:
            raise _invalid(f"The value {number} for {name} is invalid. It must be between {low} and {high}.")
        new[attribute] = number
    for name, (attribute, words) in WORDS.items():
        if not asked.get(name):
            continue
        if asked[name] not in words:
            raise _invalid(f"The value {asked[name]} for {name} is invalid. Valid values are {', '.join(words)}.")
        new[attribute] = asked[name]
    if asked.get("LogOptions"):
        new["logs"] = _checked_logs(options, asked)
    known = {*LISTS, *NUMBERS, *WORDS}
    new["given"] = options.given | {n for n in known if asked.get(n) not in (None, [])}
    result = replace(options, **new)
    if result.phase2_lifetime >= result.phase1_lifetime:
        raise _invalid("Phase2LifetimeSeconds must be less than Phase1LifetimeSeconds.")
    if result.rekey_margin > result.phase2_lifetime // 2:
        raise _invalid("RekeyMarginTimeSeconds must not exceed half of Phase2LifetimeSeconds.")
    if result.startup == "start" and "ikev2" not in result.ike_versions:
        raise _invalid("StartupAction start is supported for IKEv2 only.")
    return result
