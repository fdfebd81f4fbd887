"""One builder of links for all tests: a complete one, and what a test wants otherwise."""

from __future__ import annotations

import dataclasses
from ipaddress import IPv4Network
from typing import Any

from cloudlink.ipsec import IpsecPolicy
from cloudlink.link import AwsSide, AzureSide, DnsSide, Link, ProbeSettings, Tunnel

SUBSCRIPTION = "3c0ffee0-1111-4222-8333-444455556666"
INSIDE_RANGES = ("169.254.21.0/30", "169.254.22.0/30", "169.254.21.4/30", "169.254.22.4/30")


def make_link(
    *,
    aws: dict[str, Any] | None = None,
    azure: dict[str, Any] | None = None,
    dns: dict[str, Any] | None = None,
    **changes: Any,
) -> Link:
    """aws, azure, dns: changes of those sides; changes: of the link itself."""
    link = Link(
        name="demo",
        aws=AwsSide("eu-west-1", None, "vpc-1", "prod", 64_512),
        azure=AzureSide(
            cloud="public",
            tenant=None,
            subscription=SUBSCRIPTION,
            resource_group="link-rg",
            location="westeurope",
            vnet="apps",
            vnet_resource_group="net-rg",
            gateway_subnet=IPv4Network("10.20.255.0/27"),
            sku="VpnGw1AZ",
            zones=("1", "2", "3"),
            asn=65_000,
            aks_cluster="aks-one",
            aks_resource_group="rg",
        ),
        policy=IpsecPolicy(),
        tunnels=tuple(Tunnel(i, i // 2, IPv4Network(r)) for i, r in enumerate(INSIDE_RANGES)),  # type: ignore[arg-type]
        dns=DnsSide("corp.example", ()),
        probe=ProbeSettings("busybox", "default"),
    )
    return dataclasses.replace(
        link,
        aws=dataclasses.replace(link.aws, **(aws or {})),
        azure=dataclasses.replace(link.azure, **(azure or {})),
        dns=dataclasses.replace(link.dns, **(dns or {})),
        **changes,
    )
