"""Attributes of load balancers: which there are for which type, what they are before anybody sets them, what they may be.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html
"""

from __future__ import annotations

from typing import Any

from cloudlink_sandbox.aws.errors import ApiError

_FLAG = ("true", "false")
_LOGS = {"enabled": "false", "bucket": "", "prefix": ""}
_BOTH = {
    "deletion_protection.enabled": "false",
    **{f"access_logs.s3.{name}": value for name, value in _LOGS.items()},
    "zonal_shift.config.enabled": "false",
}
_APPLICATION = {
    **_BOTH,
    "load_balancing.cross_zone.enabled": "true",
    "idle_timeout.timeout_seconds": "60",
    "client_keep_alive.seconds": "3600",
    **{f"connection_logs.s3.{name}": value for name, value in _LOGS.items()},
    **{f"health_check_logs.s3.{name}": value for name, value in _LOGS.items()},
    "routing.http.desync_mitigation_mode": "defensive",
    "routing.http.drop_invalid_header_fields.enabled": "false",
    "routing.http.preserve_host_header.enabled": "false",
    "routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false",
    "routing.http.xff_client_port.enabled": "false",
    "routing.http.xff_header_processing.mode": "append",
    "routing.http2.enabled": "true",
    "waf.fail_open.enabled": "false",
}
_NETWORK = {
    **_BOTH,
    "load_balancing.cross_zone.enabled": "false",
    "dns_record.client_routing_policy": "any_availability_zone",
    "secondary_ips.auto_assigned.per_subnet": "0",
}
_DUAL_STACK = "ipv6.deny_all_igw_traffic"
_WORDS = {
    "routing.http.desync_mitigation_mode": ("monitor", "defensive", "strictest"),
    "routing.http.xff_header_processing.mode": ("append", "preserve", "remove"),
    "dns_record.client_routing_policy": (
        "availability_zone_affinity",
        "partial_availability_zone_affinity",
        "any_availability_zone",
    ),
}
_NUMBERS = {
    "idle_timeout.timeout_seconds": (1, 4000),
    "client_keep_alive.seconds": (60, 604_800),
    "secondary_ips.auto_assigned.per_subnet": (0, 7),
}
_KNOWN = {*_APPLICATION, *_NETWORK, _DUAL_STACK}


def of(balancer: Any) -> dict[str, str]:
    """All attributes of a load balancer. balancer: moto's, which keeps those that were set."""
    defaults = _NETWORK if balancer.type == "network" else _APPLICATION
    return {name: str(balancer.attrs.get(name, value)) for name, value in defaults.items()}


def check(balancer: Any, given: dict[str, str]) -> None:
    """Raises ApiError for an attribute that this load balancer has not, or that cannot have this value."""
    there = of(balancer)
    for key, value in given.items():
        if key not in _KNOWN:
            raise ApiError("ValidationError", f"Load balancer attribute key '{key}' is not recognized")
        if key == _DUAL_STACK:
            raise _unsupported(key, f"IP address type '{balancer.ip_address_type}'")
        if key not in there:
            raise _unsupported(key, f"type '{balancer.type}'")
        _check_value(balancer, key, value)


def _unsupported(key: str, what: str) -> ApiError:
    return ApiError(
        "InvalidConfigurationRequest",
        f"Load balancer attribute key '{key}' is not supported on load balancers with {what}",
    )


def _check_value(balancer: Any, key: str, value: str) -> None:
    """Assumption: the wording; the values are documented."""
    if key in _NUMBERS:
        low, high = _NUMBERS[key]
        fine, wanted = value.isdigit() and low <= int(value) <= high, f"between '{low}-{high}' inclusive"
    elif key.endswith((".bucket", ".prefix")):
        fine, wanted = True, ""
    else:
        words = _WORDS.get(key, _FLAG)
        fine, wanted = value in words, f"one of '{', '.join(words)}'"
    if not fine:
        raise ApiError("ValidationError", f"'{key}' value '{value}' must be {wanted}")
    if key == "load_balancing.cross_zone.enabled" and balancer.type != "network" and value == "false":
        # An application load balancer always spreads over the zones.
        raise ApiError(
            "InvalidConfigurationRequest", f"'{key}' cannot be changed on load balancers with type 'application'"
        )
    if ".s3." in key and key.endswith(".enabled") and value == "true":
        raise ApiError("InvalidConfigurationRequest", f"{key}: logs are not modelled by the sandbox.")
