"""What AWS says of virtual private gateways and customer gateways, as frozen facts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

from cloudlink.clouds.aws import parse_ec2
from cloudlink.clouds.aws.fields import AwsObject, number, parts, text, text_or
from cloudlink.clouds.aws.parse_ec2 import GONE, Ec2Object
from cloudlink.clouds.aws.tags import addresses_in
from cloudlink.clouds.malformed import parsing
from cloudlink.clouds.ownership import LINK_TAG, from_aws


@dataclass(frozen=True)
class Attachment:
    vpc: str
    state: str  # attaching, attached, detaching, detached

    @property
    def in_force(self) -> bool:
        """A VPC has one of these at most."""
        return self.state in ("attaching", "attached")


@dataclass(frozen=True)
class VpnGateway:
    """A virtual private gateway."""

    id: str
    asn: int
    attachments: tuple[Attachment, ...] = ()
    state: str = "available"
    link: str = ""  # the cloudlink that its tag names

    @property
    def exists(self) -> bool:
        """AWS lists deleted ones for an hour."""
        return self.state not in GONE

    @property
    def vpc(self) -> str:
        """The VPC that it is attached to, or was last; empty: none is shown."""
        attachments = sorted(self.attachments, key=lambda a: a.state == "detached")
        return next((a.vpc for a in attachments if a.vpc), "")

    def serves(self, vpc: str) -> bool:
        return any(a.vpc == vpc and a.in_force for a in self.attachments)


@dataclass(frozen=True)
class CustomerGateway:
    id: str
    state: str
    address: IPv4Address
    asn: int
    added: frozenset[IPv4Address] = frozenset()  # see ``tags.ADDED_TAG``


def gateways(found: Iterable[AwsObject]) -> tuple[Ec2Object, ...]:
    """Virtual private gateways, deleted ones too."""
    return parse_ec2.objects(found, "VpnGatewayId")


def customer_gateways(found: Iterable[AwsObject]) -> tuple[Ec2Object, ...]:
    """Deleted ones too."""
    return parse_ec2.objects(found, "CustomerGatewayId")


@parsing("AWS's virtual private gateways")
def vpn_gateways(found: Iterable[AwsObject]) -> tuple[VpnGateway, ...]:
    """Deleted ones too."""
    return tuple(_vpn_gateway(g) for g in found)


@parsing("AWS's virtual private gateways")
def vpn_gateway(found: AwsObject) -> VpnGateway:
    return _vpn_gateway(found)


def _vpn_gateway(found: AwsObject) -> VpnGateway:
    state = text_or(found, "State", "available")
    return VpnGateway(
        id=text(found, "VpnGatewayId"),
        asn=0 if state == "deleted" else number(found, "AmazonSideAsn"),
        attachments=tuple(Attachment(text_or(a, "VpcId"), text_or(a, "State")) for a in parts(found, "VpcAttachments")),
        state=state,
        link=from_aws(found.get("Tags")).get(LINK_TAG, ""),
    )


@parsing("AWS's customer gateways")
def customer_gateway(found: AwsObject) -> CustomerGateway:
    wide = found.get("BgpAsnExtended")
    return CustomerGateway(
        id=text(found, "CustomerGatewayId"),
        state=text(found, "State"),
        address=IPv4Address(text(found, "IpAddress")),
        asn=int(wide or found.get("BgpAsn") or 0),
        added=addresses_in(from_aws(found.get("Tags"))),
    )


@parsing("AWS's customer gateways")
def existing_customer_gateways(found: Iterable[AwsObject]) -> tuple[CustomerGateway, ...]:
    """Those with an IPv4 address, as all of ours have. Others' may have a certificate or an IPv6 address instead."""
    return tuple(customer_gateway(g) for g in found if g.get("State") not in GONE and "." in text_or(g, "IpAddress"))
