"""A link, and what a plan of it holds, for the checks of what is there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from cloudlink.config import load
from cloudlink.connect import topology_unasked
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link
from cloudlink.steps.permissions import Nodes, by_address

EXAMPLE = Path(__file__).parents[3] / "config.example.toml"
VPC = "vpc-0a1b2c3d4e5f60718"
ADDRESSES = (
    "azure_vpn.public_ip[0]",
    "azure_vpn.public_ip[1]",
    "azure_vpn.gateway_subnet",
    "azure_vpn.gateway",
    *(f"azure_vpn.local_gateway[{i}]" for i in range(4)),
    *(f"azure_vpn.connection[{i}]" for i in range(4)),
    "aws_vpn.gateway",
    "aws_vpn.attachment",
    "aws_vpn.customer_gateway[0]",
    "aws_vpn.customer_gateway[1]",
    "aws_vpn.connection[0]",
    "aws_vpn.connection[1]",
    "aws_vpn.route_propagation",
    "resolver.vpc_dns",
    "resolver.security_group",
    "resolver.ingress",
    "resolver.endpoint",
    "resolver.zone",
    "resolver.records",
    "dns_forward.forward",
)
"""As the topology names them."""


def link(*, aws: dict[str, Any] | None = None, azure: dict[str, Any] | None = None, dns: Any = None) -> Link:
    found = load(EXAMPLE, sandbox=True)
    return replace(
        found,
        aws=replace(found.aws, **(aws or {})),
        azure=replace(found.azure, **(azure or {})),
        dns=replace(found.dns, **(dns or {})),
    )


def nodes(of: Link | None = None) -> Nodes:
    return by_address(topology_unasked(of or link()).nodes())


def plan(action: Action = Action.CREATE, *only: str) -> Plan:
    """All of these addresses, the others unchanged. only: empty: all."""
    return Plan(
        tuple(
            Change(a, a, action if not only or a.startswith(only) else Action.NO_OP, id=f"id-of-{a}") for a in ADDRESSES
        )
    )


def first_plan() -> Plan:
    """Of an account where nothing of the link exists."""
    return Plan(tuple(Change(a, a, Action.CREATE) for a in ADDRESSES))


def networks(*texts: str) -> tuple[IPv4Network, ...]:
    return tuple(map(IPv4Network, texts))


def told(findings: Iterable[Finding]) -> list[tuple[Severity, str]]:
    """Severity and summary of each, every one with words that say what and what to do."""
    found = list(findings)
    for finding in found:
        assert finding.detail
        assert finding.hint or finding.severity is not Severity.OBSTACLE
    return [(f.severity, f.summary) for f in found]
