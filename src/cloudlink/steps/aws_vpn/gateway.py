"""The gateway of the VPC and its attachment: a virtual private gateway, made or adopted; ``transit.py`` has the other kind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from cloudlink.clouds.aws import gateways, parse_gateways
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_ec2 import Ec2Object
from cloudlink.clouds.aws.requests import Request
from cloudlink.clouds.aws.tags import command_to_list, find_owned
from cloudlink.clouds.ownership import owner_of
from cloudlink.core.permissions import Permissions
from cloudlink.core.resource import (
    Lookup,
    Node,
    Observed,
    Outputs,
    Ownership,
    Phase,
    Receipts,
    Resource,
    Started,
    Timing,
    built_on,
)
from cloudlink.errors import ConflictError, MissingError
from cloudlink.link import Link
from cloudlink.steps.aws_resource import AwsResource, Parsed, gateway_phase, started_unless_gone
from cloudlink.steps.aws_vpn import transit
from cloudlink.steps.outputs import EksCluster, Nothing, VpnGateway
from cloudlink.steps.permissions import TAG, DryRunnable, Existing, iam

READ = iam("ec2:DescribeVpnGateways")


@dataclass(frozen=True)
class GatewaySpec:
    asn: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Gateway(AwsResource[GatewaySpec, VpnGateway]):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpnGateway.html"""

    timing: ClassVar[Timing] = Timing(create=3, delete=5)
    immutable: ClassVar[frozenset[str]] = frozenset({"asn"})
    permissions: ClassVar[Permissions] = Permissions(
        read=(READ,),
        create=(iam("ec2:CreateVpnGateway", "vpn-gateway"), TAG),
        delete=(iam("ec2:DeleteVpnGateway", "vpn-gateway"),),
        marks=(TAG,),
    )

    def spec(self, outputs: Outputs) -> GatewaySpec:
        return GatewaySpec(self.link.aws.asn)

    def listed(self, *, fresh: bool) -> Iterable[Ec2Object]:
        return parse_gateways.gateways(self.aws.vpn_gateways(fresh=fresh))

    def vpc_of(self, item: Ec2Object) -> str:
        return parse_gateways.vpn_gateway(item.answer).vpc

    def parse(self, item: Ec2Object, *, fresh: bool) -> Parsed:
        found = parse_gateways.vpn_gateway(item.answer)
        out = VpnGateway(found.id, found.asn)
        return Parsed(gateway_phase(found.state), GatewaySpec(out.asn), out, found.state)

    def create(self, spec: GatewaySpec) -> Started:
        """Raises ConflictError before making anything when the VPC has a gateway already: it could not be attached."""
        refuse_second_gateway(self.link, self.aws)
        return Started(gateways.create(self.aws, spec.asn, self.mark("gateway")))

    def duplicate_check_command(self) -> str:
        return command_to_list("vpn-gateways", region=self.link.aws.region, link=self.link.name, address=self.address)

    def remove(self, id_: str) -> None:
        gateways.delete(self.aws, id_)

    def creation(self, existing: Existing) -> Request:
        return gateways.to_create(self.link.aws.asn, self.mark("gateway"))

    def removal(self, id_: str) -> Request:
        return gateways.to_delete(id_)


def own_gateway(
    link: Link, aws: Aws, address: str, receipts: Receipts, *, fresh: bool
) -> parse_gateways.VpnGateway | None:
    """The gateway that this link's cloudlink made. Raises ConflictError for one of a link of the same name elsewhere."""
    found = find_owned(
        parse_gateways.gateways(aws.vpn_gateways(fresh=fresh)),
        owner=owner_of(link),
        address=address,
        receipt=receipts.get(address),
        region=link.aws.region,
        vpc_of=lambda item: parse_gateways.vpn_gateway(item.answer).vpc,
    )
    return parse_gateways.vpn_gateway(found.answer) if found is not None else None


def gateway_of_vpc(aws: Aws, vpc_id: str, *, fresh: bool = False) -> parse_gateways.VpnGateway | None:
    """The virtual private gateway that is attached to the VPC, ours or not."""
    found = parse_gateways.vpn_gateways(aws.vpn_gateways(fresh=fresh))
    return next((g for g in found if g.serves(vpc_id)), None)


def refuse_second_gateway(link: Link, aws: Aws, own: str = "") -> None:
    """Raises ConflictError when a gateway other than ``own`` is attached to the link's VPC, which takes one only."""
    other = gateway_of_vpc(aws, link.aws.vpc_id, fresh=True)
    if other is not None and other.id != own:
        raise ConflictError(
            "The VPC has another virtual private gateway",
            f"{other.id} (ASN {other.asn}) is attached to {link.aws.vpc_id}, and a VPC has at most one.",
            f'Adopt it: set aws.gateway = "{other.id}" and aws.asn = {other.asn}.',
            resource="aws_vpn.gateway",
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class AdoptedGateway(Lookup[VpnGateway]):
    """A gateway that the configuration names; it is used and never deleted. Its real ASN is passed on."""

    link: Link
    aws: Aws

    def read(self, outputs: Outputs) -> VpnGateway:
        """Raises MissingError when it is gone, ConflictError when it serves another VPC."""
        wanted, vpc = self.link.aws.adopt_gateway, self.link.aws.vpc_id
        for gateway in parse_gateways.vpn_gateways(self.aws.vpn_gateways()):
            if gateway.id != wanted or not gateway.exists:
                continue
            for attachment in gateway.attachments:
                if attachment.state != "detached" and attachment.vpc != vpc:
                    raise ConflictError(
                        "The virtual private gateway is attached to another VPC",
                        f"{wanted} is attached to {attachment.vpc}, not to {vpc}.",
                        "Name another gateway in aws.gateway, or leave it out to have one made.",
                        resource=self.address,
                    )
            return VpnGateway(gateway.id, gateway.asn)
        raise MissingError(
            "The virtual private gateway does not exist",
            f"There is no {wanted} in {self.link.aws.region}.",
            "Correct aws.gateway, or leave it out to have one made.",
            resource=self.address,
        )

    def adopted(self, outputs: VpnGateway) -> str:
        return outputs.id


# --- its attachment to the VPC ------------------------------------------------------------------------------


@dataclass(frozen=True)
class AttachmentSpec:
    gateway: str
    vpc: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Attachment(Resource[AttachmentSpec, Nothing], DryRunnable):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachVpnGateway.html"""

    link: Link
    aws: Aws
    gateway: Node[VpnGateway] = built_on()
    timing: ClassVar[Timing] = Timing(create=15, delete=30, deadline=1800)
    immutable: ClassVar[frozenset[str]] = frozenset({"gateway", "vpc"})
    permissions: ClassVar[Permissions] = Permissions(
        read=(READ,),
        create=(iam("ec2:AttachVpnGateway", "vpc", "vpn-gateway"),),
        delete=(iam("ec2:DetachVpnGateway", "vpc", "vpn-gateway"),),
        owner_only="attach a virtual private gateway",
    )

    def spec(self, outputs: Outputs) -> AttachmentSpec:
        return AttachmentSpec(outputs[self.gateway].id, self.link.aws.vpc_id)

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[AttachmentSpec, Nothing] | None:
        """Of an adopted gateway it is adopted too, unless the receipt says that it was made here."""
        gateway = locate_gateway(self.link, self.aws, self.gateway, receipts, fresh=fresh)
        if gateway is None:
            return None
        adopted = self.link.aws.adopt_gateway is not None
        receipt = receipts.of(self)
        mine = not adopted or (receipt is not None and receipt.owned is Ownership.OWNED)
        for attachment in gateway.attachments:
            state = attachment.state
            if state == "detached" or (adopted and attachment.vpc != self.link.aws.vpc_id):
                continue
            spec = AttachmentSpec(gateway.id, attachment.vpc)
            phase = {"attached": Phase.READY, "detaching": Phase.DELETING}.get(state, Phase.CREATING)
            owned = Ownership.OWNED if mine else Ownership.ADOPTED
            return Observed(f"{spec.gateway}/{spec.vpc}", phase, spec, Nothing(), owned, state)
        return None

    def create(self, spec: AttachmentSpec) -> Started:
        """Repeating it for the same VPC is harmless. Raises ConflictError when the VPC has another gateway."""
        refuse_second_gateway(self.link, self.aws, own=spec.gateway)
        gateways.attach(self.aws, spec.gateway, spec.vpc)
        return Started(f"{spec.gateway}/{spec.vpc}")

    def creation(self, existing: Existing) -> Request | None:
        gateway = self.link.aws.adopt_gateway or existing(self.gateway)
        return gateways.to_attach(gateway, self.link.aws.vpc_id) if gateway else None

    def update(self, found: Observed[AttachmentSpec, Nothing], spec: AttachmentSpec) -> Started:
        raise AssertionError("an attachment cannot be changed")

    def delete(self, found: Observed[AttachmentSpec, Nothing], prior_state: Any) -> Started | None:
        gateway, _, vpc = found.id.partition("/")
        return started_unless_gone(self.aws, found.id, lambda: gateways.detach(self.aws, gateway, vpc))


def locate_gateway(
    link: Link, aws: Aws, node: Node[VpnGateway], receipts: Receipts, *, fresh: bool
) -> parse_gateways.VpnGateway | None:
    """The gateway that the link uses, own or adopted; None: gone."""
    if link.aws.adopt_gateway is None:
        return own_gateway(link, aws, node.address, receipts, fresh=fresh)
    found = parse_gateways.vpn_gateways(aws.vpn_gateways(fresh=fresh))
    return next((g for g in found if g.id == link.aws.adopt_gateway and g.state != "deleted"), None)


# --- which of them a link has -------------------------------------------------------------------------------


def gateway_for(link: Link, aws: Aws) -> Node[Any]:
    """Of ``VpnGateway``, or of ``TransitGateway``, which is one."""
    here: dict[str, Any] = {"address": transit.GATEWAY, "link": link, "aws": aws}
    if link.aws.transit:
        kind = transit.NewTransitGateway if link.aws.adopt_gateway is None else transit.AdoptedTransitGateway
        made: Node[Any] = kind(title="transit gateway", **here)
        return made
    if link.aws.adopt_gateway is None:
        return Gateway(title="virtual private gateway", **here)
    return AdoptedGateway(title="virtual private gateway", **here)


def attachment_for(link: Link, aws: Aws, gateway: Node[Any], cluster: Node[EksCluster]) -> tuple[Node[Any], ...]:
    """The attachment, after what it needs. cluster: in whose subnets a transit gateway is attached."""
    here: dict[str, Any] = {"link": link, "aws": aws}
    address, title = transit.ATTACHMENT, "attachment to the VPC"
    if not link.aws.transit:
        return (Attachment(address=address, title=title, gateway=gateway, **here),)
    subnets = transit.AttachmentSubnets(
        address="aws_vpn.attachment_subnets", title="subnets of the attachment", cluster=cluster, **here
    )
    return subnets, transit.VpcAttachment(address=address, title=title, gateway=gateway, subnets=subnets, **here)


def own_table_for(link: Link, aws: Aws, gateway: Node[Any], *, left: bool) -> transit.VpnTable | None:
    """left: the link has one, whether or not the configuration still asks for it."""
    if not link.aws.transit or not (link.aws.limit_routes or left):
        return None
    return transit.VpnTable(
        address=transit.VPN_TABLE,
        title="route table of the VPN connections",
        link=link,
        aws=aws,
        gateway=gateway,
        unwanted=not link.aws.limit_routes,
    )


def members_for(
    link: Link,
    aws: Aws,
    gateway: Node[Any],
    attachment: Node[Any],
    connections: tuple[Node[Any], ...],
    own: transit.VpnTable | None,
) -> tuple[Node[Any], ...]:
    """What leads both ways in the route tables of a transit gateway; nothing, where it is another. own: see ``own_table_for``."""
    if not link.aws.transit:
        return ()
    here: dict[str, Any] = {"link": link, "aws": aws, "gateway": gateway, "own": own}
    tables = transit.TransitTableLookup(
        address="aws_vpn.transit_tables", title="route tables of the transit gateway", **here
    )
    found: list[Node[Any]] = [tables]
    kinds: tuple[tuple[type[transit.Member[Any]], str], ...] = (
        (transit.Association, "association"),
        (transit.TransitPropagation, "propagation"),
    )
    for kind, word in kinds:
        for number, attached in enumerate((attachment, *connections)):
            of = f"of VPN connection {number}" if number else "of the VPC"
            moves = kind is transit.Association and own is not None and number > 0
            found.append(
                (transit.MovedAssociation if moves else kind)(
                    address=f"aws_vpn.{word}[{number}]",
                    title=f"{word} {of}",
                    attached=cast("Resource[Any, Any]", attached),
                    tables=tables,
                    number=number,
                    **here,
                )
            )
    return tuple(found)
