"""Network ACLs, as AWS describes them, in frozen facts.

https://docs.aws.amazon.com/vpc/latest/userguide/vpc-network-acls.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network

from cloudlink.clouds.aws.fields import AwsObject, number, part, parts, text, text_or
from cloudlink.clouds.malformed import parsing

PROTOCOLS = {"tcp": "6", "udp": "17"}
ANY = "-1"
EVERY_PORT = (0, 65_535)


@dataclass(frozen=True)
class AclEntry:
    """IPv4 only."""

    number: int
    allows: bool
    protocol: str  # the number of the protocol; -1: any
    ports: tuple[int, int]
    network: IPv4Network

    def matches(self, protocol: str, port: int) -> bool:
        return self.protocol in (ANY, PROTOCOLS[protocol]) and self.ports[0] <= port <= self.ports[1]


@dataclass(frozen=True)
class Acl:
    id: str
    subnets: tuple[str, ...] = ()
    inbound: tuple[AclEntry, ...] = ()  # in the order in which they are tried
    outbound: tuple[AclEntry, ...] = ()


def passes(entries: Iterable[AclEntry], protocol: str, port: int, network: IPv4Network) -> bool:
    """Whether all of a range passes: the first entry that matches decides, and what none matches is denied.

    An entry that denies a part of the range denies it; one that allows a part decides nothing.
    """
    for entry in entries:
        if entry.matches(protocol, port) and entry.network.overlaps(network):
            if not entry.allows:
                return False
            if network.subnet_of(entry.network):
                return True
    return False


@parsing("AWS's network ACLs")
def acls(found: Iterable[AwsObject]) -> tuple[Acl, ...]:
    return tuple(
        Acl(
            id=text(a, "NetworkAclId"),
            subnets=tuple(text(s, "SubnetId") for s in parts(a, "Associations")),
            inbound=_entries(a, leaving=False),
            outbound=_entries(a, leaving=True),
        )
        for a in found
    )


def _entries(found: AwsObject, *, leaving: bool) -> tuple[AclEntry, ...]:
    wanted = [e for e in parts(found, "Entries") if bool(e.get("Egress")) is leaving and text_or(e, "CidrBlock")]
    return tuple(sorted(map(_entry, wanted), key=lambda e: e.number))


def _entry(found: AwsObject) -> AclEntry:
    ports = part(found, "PortRange")
    return AclEntry(
        number=number(found, "RuleNumber"),
        allows=text(found, "RuleAction") == "allow",
        protocol=text(found, "Protocol"),
        ports=(number(ports, "From"), number(ports, "To")) if ports else EVERY_PORT,
        network=IPv4Network(text(found, "CidrBlock"), strict=False),
    )
