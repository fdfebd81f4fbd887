"""Transit gateways as far as packets of a VPC go through them, and Direct Connect gateways behind any gateway."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network

from cloudlink.clouds.aws import parse_ec2
from cloudlink.clouds.aws.fields import AwsObject, networks, number, part, parts, text, text_or, texts
from cloudlink.clouds.aws.parse_ec2 import GONE, Ec2Object
from cloudlink.clouds.malformed import parsing

DIRECT_CONNECT = "direct-connect-gateway"  # the kind of an attachment
_NEVER_CAME = ("failed", "failing", "rejected", "rejecting")  # an attachment in one of these can be made again


@dataclass(frozen=True)
class Gateway:
    """A transit gateway. association_table, propagation_table: where it puts what is attached by itself; empty: nowhere."""

    id: str
    state: str
    owner: str  # number of its account
    asn: int
    ecmp: bool  # whether it uses several VPN tunnels at once
    association_table: str = ""
    propagation_table: str = ""

    @property
    def exists(self) -> bool:
        """AWS lists deleted ones for an hour."""
        return self.state not in GONE


@dataclass(frozen=True)
class VpcAttachment:
    id: str
    gateway: str
    vpc: str
    state: str
    subnets: tuple[str, ...]

    @property
    def exists(self) -> bool:
        return self.state not in (*GONE, *_NEVER_CAME)


@dataclass(frozen=True)
class Attachment:
    id: str
    gateway: str
    kind: str  # vpc, vpn, direct-connect-gateway, peering, connect ...
    resource: str  # id of what is attached
    state: str = "available"
    table: str = ""  # the route table that it is associated with; empty: none
    association: str = ""  # associating, associated, disassociating; empty: none

    @property
    def exists(self) -> bool:
        return self.state not in (*GONE, *_NEVER_CAME)

    @property
    def works(self) -> bool:
        return self.state in ("available", "modifying")


@dataclass(frozen=True)
class TransitRoute:
    destination: IPv4Network
    attachments: tuple[str, ...] = ()  # their ids; none: it leads nowhere
    active: bool = True
    static: bool = False


@dataclass(frozen=True)
class TransitTable:
    """A route table of a transit gateway. whole: all its routes were answered."""

    id: str
    routes: tuple[TransitRoute, ...] = ()
    whole: bool = True

    def route_to(self, wanted: IPv4Network) -> TransitRoute | None:
        """The most specific one for all of a range; None: there is none."""
        fitting = [r for r in self.routes if wanted.subnet_of(r.destination)]
        return max(fitting, key=lambda r: (r.destination.prefixlen, r.active), default=None)


@dataclass(frozen=True)
class Association:
    """A Direct Connect gateway with a gateway of VPCs."""

    direct_connect_gateway: str
    gateway: str
    state: str
    allowed: tuple[IPv4Network, ...] = ()  # what the other side is told of

    @property
    def works(self) -> bool:
        return self.state in ("associated", "updating")


def gateway_objects(found: Iterable[AwsObject]) -> tuple[Ec2Object, ...]:
    """Deleted ones too."""
    return parse_ec2.objects(found, "TransitGatewayId")


def vpc_attachment_objects(found: Iterable[AwsObject]) -> tuple[Ec2Object, ...]:
    """Deleted ones too, but none that came to nothing."""
    return tuple(o for o in parse_ec2.objects(found, "TransitGatewayAttachmentId") if o.state not in _NEVER_CAME)


@parsing("AWS's transit gateways")
def gateways(found: Iterable[AwsObject]) -> tuple[Gateway, ...]:
    """Deleted ones too."""
    return tuple(_gateway(g) for g in found)


@parsing("AWS's transit gateways")
def gateway(found: AwsObject) -> Gateway:
    return _gateway(found)


def _gateway(found: AwsObject) -> Gateway:
    options = part(found, "Options")

    def default(what: str) -> str:
        if text_or(options, f"DefaultRouteTable{what}") != "enable":
            return ""
        return text_or(options, f"{what}DefaultRouteTableId")

    state = text_or(found, "State", "available")
    return Gateway(
        id=text(found, "TransitGatewayId"),
        state=state,
        owner=text_or(found, "OwnerId"),
        asn=number(options, "AmazonSideAsn") if options else 0,
        ecmp=text_or(options, "VpnEcmpSupport") == "enable",
        association_table=default("Association"),
        propagation_table=default("Propagation"),
    )


@parsing("AWS's attachments of VPCs")
def vpc_attachments(found: Iterable[AwsObject]) -> tuple[VpcAttachment, ...]:
    """Deleted ones too."""
    return tuple(_vpc_attachment(a) for a in found)


@parsing("AWS's attachments of VPCs")
def vpc_attachment(found: AwsObject) -> VpcAttachment:
    return _vpc_attachment(found)


def _vpc_attachment(found: AwsObject) -> VpcAttachment:
    return VpcAttachment(
        id=text(found, "TransitGatewayAttachmentId"),
        gateway=text(found, "TransitGatewayId"),
        vpc=text_or(found, "VpcId"),
        state=text_or(found, "State", "available"),
        subnets=texts(found, "SubnetIds"),
    )


@parsing("AWS's propagations of a transit gateway")
def propagations(found: Iterable[AwsObject]) -> dict[str, str]:
    """Table -> state, of those that are on or on their way there."""
    states = {text(p, "TransitGatewayRouteTableId"): text_or(p, "State", "enabled") for p in found}
    return {table: state for table, state in states.items() if state in ("enabled", "enabling")}


def table_objects(found: Iterable[AwsObject]) -> tuple[Ec2Object, ...]:
    """Deleted ones too."""
    return parse_ec2.objects(found, "TransitGatewayRouteTableId")


@parsing("AWS's route tables of a transit gateway")
def gateway_of_table(found: AwsObject) -> str:
    return text(found, "TransitGatewayId")


@parsing("AWS's route tables of a transit gateway")
def table_ids(found: Iterable[AwsObject]) -> tuple[str, ...]:
    """Of those that exist."""
    return tuple(text(t, "TransitGatewayRouteTableId") for t in found if text_or(t, "State", "available") not in GONE)


@parsing("AWS's attachments of a transit gateway")
def attachments(found: Iterable[AwsObject]) -> tuple[Attachment, ...]:
    return tuple(
        Attachment(
            id=text(a, "TransitGatewayAttachmentId"),
            gateway=text(a, "TransitGatewayId"),
            kind=text_or(a, "ResourceType"),
            resource=text_or(a, "ResourceId"),
            state=text_or(a, "State"),
            table=_table(part(a, "Association")),
            association=text_or(part(a, "Association"), "State"),
        )
        for a in found
    )


def _table(association: AwsObject) -> str:
    if text_or(association, "State") not in ("associated", "associating"):
        return ""
    return text_or(association, "TransitGatewayRouteTableId")


@parsing("AWS's routes of a transit gateway")
def table(id_: str, answer: AwsObject) -> TransitTable:
    """Routes to prefix lists are left out: what they stand for is propagated or static in the same table."""
    return TransitTable(
        id_,
        tuple(
            TransitRoute(
                destination,
                tuple(text(a, "TransitGatewayAttachmentId") for a in parts(r, "TransitGatewayAttachments")),
                active=text_or(r, "State") == "active",
                static=text_or(r, "Type") == "static",
            )
            for r in parts(answer, "Routes")
            for destination in networks([text_or(r, "DestinationCidrBlock")])
        ),
        whole=not answer.get("AdditionalRoutesAvailable"),
    )


@parsing("AWS's associations of a Direct Connect gateway")
def associations(found: Iterable[AwsObject]) -> tuple[Association, ...]:
    return tuple(
        Association(
            direct_connect_gateway=text(a, "directConnectGatewayId"),
            gateway=text_or(part(a, "associatedGateway"), "id"),
            state=text_or(a, "associationState"),
            allowed=networks(text_or(p, "cidr") for p in parts(a, "allowedPrefixesToDirectConnectGateway")),
        )
        for a in found
    )
