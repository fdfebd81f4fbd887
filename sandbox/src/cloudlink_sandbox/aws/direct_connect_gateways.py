"""Direct Connect gateways with what is associated with them and attached to them, as the account keeps them. Plain data.

https://docs.aws.amazon.com/directconnect/latest/UserGuide/direct-connect-gateways-intro.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network


@dataclass
class Association:
    """With a virtual private gateway. allowed: prefixes that are announced to the other side."""

    id: str
    gateway_id: str
    region: str
    allowed: list[IPv4Network]
    state: str = "associated"


@dataclass
class Interface:
    """A private virtual interface. asn: of the router at its other end."""

    id: str
    name: str
    region: str
    asn: int
    vlan: int
    connection_id: str
    state: str = "available"


@dataclass
class Gateway:
    id: str
    name: str
    asn: int
    associations: list[Association] = field(default_factory=list)
    interfaces: list[Interface] = field(default_factory=list)
    state: str = "available"


@dataclass
class DirectConnectGateways:
    by_id: dict[str, Gateway] = field(default_factory=dict)
