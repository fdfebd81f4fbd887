"""Listeners of load balancers: what each type of load balancer takes, and which target groups go with a protocol.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateListener.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cloudlink_sandbox.aws.errors import ApiError

PROTOCOLS = {"application": ("HTTPS", "HTTP"), "network": ("TLS", "TCP", "TCP_UDP", "UDP")}
_SECURE = ("HTTPS", "TLS")
# What a listener hands over to: https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-listeners.html
_BEHIND = {
    "HTTP": ("HTTP", "HTTPS"),
    "HTTPS": ("HTTP", "HTTPS"),
    "TCP": ("TCP", "TCP_UDP"),
    "TLS": ("TCP", "TLS"),
    "UDP": ("UDP", "TCP_UDP"),
    "TCP_UDP": ("TCP_UDP",),
}
ONLY_FORWARD = "network"


def check(store: Any, balancer: Any, wanted: Mapping[str, Any], itself: Any = None) -> None:
    """Raises ApiError for a listener that AWS would not make. store: moto's. itself: the one that is changed.

    wanted: Protocol, Port, Certificates, SslPolicy, AlpnPolicy, DefaultActions, as they would be afterwards.
    """
    protocol, port = str(wanted.get("Protocol") or ""), wanted.get("Port")
    words = PROTOCOLS[balancer.type]
    if not protocol:
        raise ApiError("ValidationError", "A listener protocol must be specified")
    if protocol not in words:
        raise ApiError("ValidationError", f"Listener protocol '{protocol}' must be one of '{', '.join(words)}'")
    if port is None:
        raise ApiError("ValidationError", "A listener port must be specified")
    if not 1 <= int(port) <= 65_535:
        raise ApiError("ValidationError", f"Listener port '{port}' must be between '1-65535' inclusive")
    for other in balancer.listeners.values():
        if other is not itself and int(other.port) == int(port):
            raise ApiError(
                "DuplicateListener",
                "A listener already exists on this port for this load balancer '" + balancer.arn + "'",
            )
    _check_security(protocol, wanted)
    _check_actions(store, balancer, protocol, wanted.get("DefaultActions") or [])


def _check_security(protocol: str, wanted: Mapping[str, Any]) -> None:
    if protocol in _SECURE:
        if not wanted.get("Certificates"):
            raise ApiError("ValidationError", f"A certificate must be specified for {protocol} listeners")
    elif wanted.get("Certificates"):
        raise ApiError("ValidationError", f"A certificate cannot be specified for {protocol} listeners")
    elif wanted.get("SslPolicy"):
        raise ApiError("ValidationError", f"An SSL policy cannot be specifed for {protocol} listeners")
    if wanted.get("AlpnPolicy") and protocol != "TLS":
        # Assumption: the wording; ALPN goes with TLS listeners alone.
        raise ApiError("ValidationError", f"An ALPN policy cannot be specified for {protocol} listeners")


def _check_actions(store: Any, balancer: Any, protocol: str, actions: list[dict[str, Any]]) -> None:
    if not actions:
        raise ApiError("ValidationError", "A default action must be specified")
    for action in actions:
        if balancer.type == ONLY_FORWARD and action.get("Type") != "forward":
            # Assumption: the wording; a network load balancer forwards and does nothing else.
            raise ApiError(
                "InvalidLoadBalancerAction",
                f"Action type '{action.get('Type')}' is not supported for {protocol} listeners",
            )
    for arn in target_groups(actions):
        group = store.target_groups.get(arn)
        if group is None:
            raise ApiError("TargetGroupNotFound", f"Target groups '{arn}' not found")
        if group.protocol and group.protocol not in _BEHIND[protocol]:
            raise ApiError(
                "IncompatibleProtocols",
                f"The listener protocol '{protocol}' is not supported with a target group with the target protocol "
                f"'{group.protocol}'",
            )
        if any(other != balancer.arn for other in group.load_balancer_arns):
            raise ApiError(
                "TargetGroupAssociationLimit",
                f"The following target groups cannot be associated with more than one load balancer: {arn}",
            )


def target_groups(actions: list[dict[str, Any]]) -> Iterator[str]:
    for action in actions:
        if arn := action.get("TargetGroupArn"):
            yield str(arn)
        yield from (str(g["TargetGroupArn"]) for g in (action.get("ForwardConfig") or {}).get("TargetGroups") or ())


def secure(protocol: str) -> bool:
    return protocol in _SECURE
