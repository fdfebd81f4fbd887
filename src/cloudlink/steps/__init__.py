"""The five areas that a user sees: aws_vpn, azure_vpn, resolver, dns_forward, verify."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StepName:
    """A step as users name it and see it."""

    name: str  # the first part of its resources' addresses, and what --only takes
    title: str
    help: str  # what it makes, for the command line


STEPS = (
    StepName("aws_vpn", "AWS VPN", "the gateway, VPN connections and routes on AWS's side"),
    StepName("azure_vpn", "Azure VPN", "the gateway and connections on Azure's side"),
    StepName("resolver", "Resolver", "the inbound endpoint, private zone and records"),
    StepName("dns_forward", "DNS forward", "the zone in AKS's CoreDNS"),
    StepName("verify", "Verify", "nothing; checks the tunnels, and the names from a pod"),
)
"""In the order in which they are shown."""


def step_names() -> tuple[str, ...]:
    return tuple(step.name for step in STEPS)
