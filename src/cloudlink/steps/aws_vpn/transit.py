"""A transit gateway in the place of a virtual private one, made or adopted; the attachment of the VPC; and what leads both ways
in its route tables.

Each attachment is associated with one table, the one that is looked up for what comes from it, and propagates its ranges
into any number: the VPC's into those of the VPN connections, and theirs into the VPC's. By default a transit gateway does
both by itself, with one table. What somebody else has chosen is followed, and never changed.
https://docs.aws.amazon.com/vpc/latest/tgw/how-transit-gateways-work.html
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from cloudlink.clouds.aws import gateways, parse_connections, parse_routes, parse_transit, parse_vpc
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_ec2 import Ec2Object
from cloudlink.clouds.aws.requests import Request
from cloudlink.clouds.aws.tags import command_to_list, find_owned
from cloudlink.clouds.ownership import Claim, owner_of
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
    SpecT,
    Started,
    Timing,
    built_on,
)
from cloudlink.errors import ConflictError, MissingError
from cloudlink.link import Link
from cloudlink.steps.aws_resource import AwsResource, Parsed, gateway_phase
from cloudlink.steps.outputs import EksCluster, Nothing, TransitGateway, TransitTable
from cloudlink.steps.permissions import TAG, Existing, iam

GATEWAY = "aws_vpn.gateway"
ATTACHMENT = "aws_vpn.attachment"
VPN_TABLE = "aws_vpn.vpn_table"
_READ = iam("ec2:DescribeTransitGateways")
_READ_ATTACHMENTS = iam("ec2:DescribeTransitGatewayAttachments")
_READ_VPC_ATTACHMENTS = iam("ec2:DescribeTransitGatewayVpcAttachments")


# --- the gateway --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TransitSpec:
    asn: int
    equal_paths: bool = True  # whether it uses all four tunnels at once


@dataclass(frozen=True, kw_only=True, eq=False)
class NewTransitGateway(AwsResource[TransitSpec, TransitGateway]):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateTransitGateway.html"""

    timing: ClassVar[Timing] = Timing(create=60, update=60, delete=60, deadline=1200)
    immutable: ClassVar[frozenset[str]] = frozenset({"asn"})
    permissions: ClassVar[Permissions] = Permissions(
        read=(_READ,),
        create=(iam("ec2:CreateTransitGateway", "transit-gateway"), TAG),
        update=(iam("ec2:ModifyTransitGateway", "transit-gateway"),),
        delete=(iam("ec2:DeleteTransitGateway", "transit-gateway"),),
        marks=(TAG,),
    )

    def spec(self, outputs: Outputs) -> TransitSpec:
        return TransitSpec(self.link.aws.asn)

    def listed(self, *, fresh: bool) -> Iterable[Ec2Object]:
        return parse_transit.gateway_objects(self.aws.transit_gateways(fresh=fresh))

    def vpc_of(self, item: Ec2Object) -> str:
        return ""

    def parse(self, item: Ec2Object, *, fresh: bool) -> Parsed:
        found = parse_transit.gateway(item.answer)
        return Parsed(gateway_phase(found.state), TransitSpec(found.asn, found.ecmp), _outputs(found), found.state)

    def create(self, spec: TransitSpec) -> Started:
        return Started(gateways.create_transit(self.aws, spec.asn, self.mark("gateway")))

    def update(self, found: Observed[TransitSpec, TransitGateway], spec: TransitSpec) -> Started:
        gateways.use_equal_paths(self.aws, found.id)
        return Started(found.id)

    def duplicate_check_command(self) -> str:
        return command_to_list(
            "transit-gateways", region=self.link.aws.region, link=self.link.name, address=self.address
        )

    def remove(self, id_: str) -> None:
        gateways.delete_transit(self.aws, id_)

    def creation(self, existing: Existing) -> Request:
        return gateways.to_create_transit(self.link.aws.asn, self.mark("gateway"))

    def removal(self, id_: str) -> Request:
        return gateways.to_delete_transit(id_)


def _outputs(found: parse_transit.Gateway) -> TransitGateway:
    return TransitGateway(found.id, found.asn, found.association_table, found.propagation_table)


@dataclass(frozen=True, kw_only=True, eq=False)
class AdoptedTransitGateway(Lookup[TransitGateway]):
    """One that the configuration names; it is used and never deleted or changed."""

    link: Link
    aws: Aws

    def read(self, outputs: Outputs) -> TransitGateway:
        """Raises MissingError when it is gone."""
        wanted = self.link.aws.adopt_gateway
        found = parse_transit.gateways(self.aws.transit_gateways())
        gateway = next((g for g in found if g.id == wanted and g.exists), None)
        if gateway is None:
            raise MissingError(*no_gateway(self.link), resource=self.address)
        return _outputs(gateway)

    def adopted(self, outputs: TransitGateway) -> str:
        return outputs.id


def no_gateway(link: Link) -> tuple[str, str, str]:
    """What is wrong, why, and what to do, where the adopted one does not exist."""
    region = link.aws.region
    return (
        "The transit gateway does not exist",
        (
            f"There is no {link.aws.adopt_gateway} in {region} that this account may see. A VPC can be attached to a transit "
            "gateway of its own region only."
        ),
        f"Correct aws.gateway. List them with: aws ec2 describe-transit-gateways --region {region}",
    )


def locate(link: Link, aws: Aws, receipts: Receipts, *, fresh: bool = False) -> parse_transit.Gateway | None:
    """The transit gateway that the link uses, own or adopted; None: there is none, or not any more."""
    answers = aws.transit_gateways(fresh=fresh)
    if link.aws.adopt_gateway is not None:
        return next((g for g in parse_transit.gateways(answers) if g.id == link.aws.adopt_gateway and g.exists), None)
    found = find_owned(
        parse_transit.gateway_objects(answers),
        owner=owner_of(link),
        address=GATEWAY,
        receipt=receipts.get(GATEWAY),
        region=link.aws.region,
        vpc_of=lambda _: "",
    )
    return parse_transit.gateway(found.answer) if found is not None and found.exists else None


# --- the attachment of the VPC ------------------------------------------------------------------------------


@dataclass(frozen=True)
class ZoneSubnets:
    ids: frozenset[str]


@dataclass(frozen=True, kw_only=True, eq=False)
class AttachmentSubnets(Lookup[ZoneSubnets]):
    """Of the cluster's subnets one in each availability zone: packets of a zone without one do not get to a transit gateway.

    One that the attachment has stays, whichever it is of its zone; else one with a free address is taken, the same each time.
    https://docs.aws.amazon.com/vpc/latest/tgw/tgw-vpc-attachments.html
    """

    link: Link
    aws: Aws
    cluster: Node[EksCluster]

    def read(self, outputs: Outputs) -> ZoneSubnets:
        wanted = set(outputs[self.cluster].subnets)
        subnets = [s for s in parse_vpc.subnets(self.aws.subnets(self.link.aws.vpc_id)) if s.id in wanted]
        has = {
            subnet
            for a in parse_transit.vpc_attachments(self.aws.transit_vpc_attachments())
            if a.exists and a.vpc == self.link.aws.vpc_id
            for subnet in a.subnets
        }
        return ZoneSubnets(frozenset(one_in_each_zone(subnets, has)))


def one_in_each_zone(subnets: Iterable[parse_vpc.Subnet], has: Iterable[str] = ()) -> list[str]:
    """has: those that an attachment has already, which come first."""
    kept = set(has)
    chosen: dict[str, str] = {}
    for subnet in sorted(subnets, key=lambda s: (s.id not in kept, s.free_addresses == 0, s.id)):
        chosen.setdefault(subnet.zone, subnet.id)
    return sorted(chosen.values())


@dataclass(frozen=True)
class VpcAttachmentSpec:
    gateway: str
    subnets: frozenset[str]


@dataclass(frozen=True, kw_only=True, eq=False)
class VpcAttachment(AwsResource[VpcAttachmentSpec, Nothing]):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateTransitGatewayVpcAttachment.html

    A VPC has one on a gateway at most: where somebody else has made it, it is adopted, and stays as it is.
    """

    gateway: Node[TransitGateway] = built_on()
    subnets: Node[ZoneSubnets]
    timing: ClassVar[Timing] = Timing(create=60, update=60, delete=60, deadline=1200)
    immutable: ClassVar[frozenset[str]] = frozenset({"gateway"})
    permissions: ClassVar[Permissions] = Permissions(
        read=(_READ, _READ_VPC_ATTACHMENTS, iam("ec2:DescribeRouteTables")),
        create=(
            iam(
                "ec2:CreateTransitGatewayVpcAttachment",
                "transit-gateway-attachment",
                "transit-gateway",
                "vpc",
                "subnet",
            ),
            TAG,
        ),
        update=(iam("ec2:ModifyTransitGatewayVpcAttachment", "transit-gateway-attachment", "subnet"),),
        delete=(iam("ec2:DeleteTransitGatewayVpcAttachment", "transit-gateway-attachment"),),
        marks=(TAG,),
        owner_only="attach the VPC to a transit gateway",
    )

    def spec(self, outputs: Outputs) -> VpcAttachmentSpec:
        return VpcAttachmentSpec(outputs[self.gateway].id, outputs[self.subnets].ids)

    def listed(self, *, fresh: bool) -> Iterable[Ec2Object]:
        return parse_transit.vpc_attachment_objects(self.aws.transit_vpc_attachments(fresh=fresh))

    def vpc_of(self, item: Ec2Object) -> str:
        return parse_transit.vpc_attachment(item.answer).vpc

    def parse(self, item: Ec2Object, *, fresh: bool) -> Parsed:
        found = parse_transit.vpc_attachment(item.answer)
        spec = VpcAttachmentSpec(found.gateway, frozenset(found.subnets))
        return Parsed(gateway_phase(found.state), spec, Nothing(), found.state)

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[VpcAttachmentSpec, Nothing] | None:
        """Ours, else the one that somebody else has made, which no receipt makes ours."""
        receipt = receipts.of(self)
        adopted = receipt is not None and receipt.owned is Ownership.ADOPTED
        ours = super().find(Receipts({}) if adopted else receipts, fresh=fresh)
        if ours is not None and ours.phase is not Phase.DELETING:
            return ours
        for item in self.listed(fresh=fresh):
            found = parse_transit.vpc_attachment(item.answer)
            if (found.gateway, found.vpc) == (self.link.aws.adopt_gateway, self.link.aws.vpc_id) and item.exists:
                p = self.parse(item, fresh=fresh)
                return Observed(found.id, p.phase, p.spec, p.outputs, Ownership.ADOPTED, p.detail)
        return ours

    def create(self, spec: VpcAttachmentSpec) -> Started:
        mark = self.mark("attachment")
        return Started(gateways.attach_vpc(self.aws, spec.gateway, self.link.aws.vpc_id, spec.subnets, mark))

    def update(self, found: Observed[VpcAttachmentSpec, Nothing], spec: VpcAttachmentSpec) -> Started:
        assert found.spec is not None
        now, wanted = found.spec.subnets, spec.subnets
        gateways.change_subnets(self.aws, spec.gateway, found.id, add=wanted - now, remove=now - wanted)
        return Started(found.id)

    def remove(self, id_: str) -> None:
        """Raises ConflictError while routes of the VPC's tables lead through it: those are somebody else's, for ours are taken
        away before."""
        there = parse_transit.vpc_attachments(self.aws.transit_vpc_attachments())
        gateway = next((a.gateway for a in there if a.id == id_), "")
        tables = parse_routes.tables(self.aws.route_tables(self.link.aws.vpc_id, fresh=True))
        others = [f"{r.destination} in {t.id}" for t in tables for r in t.routes if r.target == gateway]
        if others and self.link.aws.adopt_gateway is not None:
            raise ConflictError(
                "Routes of others lead through the attachment",
                f"{id_} is kept, because deleting it would end them: {', '.join(sorted(others))}.",
                "Take these routes away or have somebody else keep the attachment (take its tags that begin with cloudlink- "
                "away), then run the command again.",
                resource=self.address,
            )
        gateways.detach_vpc(self.aws, gateway, id_)

    def creation(self, existing: Existing) -> Request | None:
        """With one subnet of the VPC, of which no permission depends; None while the gateway does not exist."""
        gateway = self.link.aws.adopt_gateway or existing(self.gateway)
        subnets = [s.id for s in parse_vpc.subnets(self.aws.subnets(self.link.aws.vpc_id))][:1]
        if not gateway or not subnets:
            return None
        return gateways.to_attach_vpc(gateway, self.link.aws.vpc_id, subnets, self.mark("attachment"))

    def removal(self, id_: str) -> Request:
        return gateways.to_detach_vpc(id_)


# --- its route tables ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class VpnTableSpec:
    gateway: str


@dataclass(frozen=True, kw_only=True, eq=False)
class VpnTable(AwsResource[VpnTableSpec, TransitTable]):
    """The table that is looked up for what comes from Azure (``aws.limit_routes``). Only the VPC propagates into it, and AWS
    announces over a VPN connection what is in its table: so Azure learns the VPC's ranges alone.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateTransitGatewayRouteTable.html
    """

    gateway: Node[TransitGateway] = built_on()
    timing: ClassVar[Timing] = Timing(create=20, update=20, delete=20, deadline=900)
    immutable: ClassVar[frozenset[str]] = frozenset({"gateway"})
    permissions: ClassVar[Permissions] = Permissions(
        read=(_READ, iam("ec2:DescribeTransitGatewayRouteTables")),
        create=(
            iam("ec2:CreateTransitGatewayRouteTable", "transit-gateway", "transit-gateway-route-table"),
            TAG,
        ),
        delete=(iam("ec2:DeleteTransitGatewayRouteTable", "transit-gateway-route-table"),),
        marks=(TAG,),
    )

    def spec(self, outputs: Outputs) -> VpnTableSpec:
        return VpnTableSpec(outputs[self.gateway].id)

    def listed(self, *, fresh: bool) -> Iterable[Ec2Object]:
        return parse_transit.table_objects(self.aws.transit_tables(fresh=fresh))

    def vpc_of(self, item: Ec2Object) -> str:
        return ""

    def parse(self, item: Ec2Object, *, fresh: bool) -> Parsed:
        spec = VpnTableSpec(parse_transit.gateway_of_table(item.answer))
        return Parsed(gateway_phase(item.state), spec, TransitTable(item.id), item.state)

    def create(self, spec: VpnTableSpec) -> Started:
        return Started(gateways.create_table(self.aws, spec.gateway, self.mark("vpn-table")))

    def duplicate_check_command(self) -> str:
        region, link = self.link.aws.region, self.link.name
        return command_to_list("transit-gateway-route-tables", region=region, link=link, address=self.address)

    def remove(self, id_: str) -> None:
        gateways.delete_table(self.aws, id_)

    def creation(self, existing: Existing) -> Request | None:
        gateway = self.link.aws.adopt_gateway or existing(self.gateway)
        return gateways.to_create_table(gateway, self.mark("vpn-table")) if gateway else None

    def removal(self, id_: str) -> Request:
        return gateways.to_delete_table(id_)


def own_table(link: Link, aws: Aws, *, fresh: bool = False) -> str:
    """The id of the table that the link has for its VPN connections; empty: it has none."""
    found = find_owned(
        parse_transit.table_objects(aws.transit_tables(fresh=fresh)),
        owner=owner_of(link),
        address=VPN_TABLE,
        receipt=None,
        region=link.aws.region,
        vpc_of=lambda _: "",
    )
    return found.id if found is not None and found.exists else ""


@dataclass(frozen=True)
class TransitTables:
    """The route tables of the transit gateway that are looked up: for what comes from the VPC, and from each VPN connection."""

    vpc: str
    vpn: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class TransitTableLookup(Lookup[TransitTables]):
    link: Link
    aws: Aws
    gateway: Node[TransitGateway]
    own: VpnTable | None = None  # of the VPN connections

    def read(self, outputs: Outputs) -> TransitTables:
        """Raises MissingError where none can be told to be the right one."""
        gateway = outputs[self.gateway]
        found = tables_of(self.link, self.aws, gateway.id, gateway.association_table, own=self.own)
        if found is not None and self.own is not None and not self.own.unwanted:
            each = {t.vpn for t in self.link.tunnels}
            return TransitTables(found.vpc, tuple(outputs[self.own].id for _ in each))
        if found is None:
            raise MissingError(*no_table(self.link, gateway.id), resource=self.address)
        return found


def no_table(link: Link, gateway: str) -> tuple[str, str, str]:
    """What is wrong, why, and what to do, where no route table can be told to be the right one."""
    region = link.aws.region
    at = f"--region {region} --transit-gateway-attachment-id TGW-ATTACH --transit-gateway-route-table-id TGW-RTB"
    return (
        "The transit gateway has no route table for the link",
        (
            f"{gateway} puts nothing into a route table by itself, the VPC's attachment is associated with none, and the gateway "
            "has none or several: which of them should lead to Azure cannot be told."
        ),
        (
            f"Associate the VPC's attachment with the right one: aws ec2 associate-transit-gateway-route-table {at}\n"
            f"Without an attachment: aws ec2 create-transit-gateway-vpc-attachment --region {region} --transit-gateway-id "
            f"{gateway} --vpc-id {link.aws.vpc_id} --subnet-ids SUBNET ..."
        ),
    )


def tables_of(
    link: Link, aws: Aws, gateway: str, default: str, *, own: VpnTable | None = None, fresh: bool = False
) -> TransitTables | None:
    """Those that the attachments are associated with; where one has none yet, the gateway's default, else the VPC's, else the
    only one that there is. With ``aws.limit_routes`` the VPN connections' is the link's own, and there is none before that is made. default: empty where the gateway has none. own: where it is on its way out, it is passed over. None: it cannot be told."""
    there = [a for a in parse_transit.attachments(aws.transit_attachments(gateway, fresh=fresh)) if a.exists]
    owner = owner_of(link)
    connections = [c for c in parse_connections.connections(aws.vpn_connections()) if c.exists]

    limited = link.aws.limit_routes
    mine = own_table(link, aws, fresh=fresh) if limited or (own is not None and own.unwanted) else ""

    def now(resource: str) -> str:
        return next((a.table for a in there if resource and a.resource == resource and a.table != mine), "")

    def connection(number: int) -> str:
        wanted = (Claim.OURS, Claim.INCOMPLETE)
        return next((c.id for c in connections if owner.claim(c.tags, f"aws_vpn.connection[{number}]") in wanted), "")

    vpc = now(link.aws.vpc_id) or default
    if not vpc:
        every = [t for t in parse_transit.table_ids(aws.transit_tables(gateway)) if t != mine]
        vpc = every[0] if len(every) == 1 else ""
    if not vpc:
        return None
    each = sorted({t.vpn for t in link.tunnels})
    if limited:
        return TransitTables(vpc, tuple(mine for _ in each) if mine else ())
    return TransitTables(vpc, tuple(now(connection(i)) or default or vpc for i in each))


@dataclass(frozen=True, kw_only=True, eq=False)
class Member(Resource[SpecT, Nothing]):
    """Something that one attachment has in a route table of the transit gateway. It goes with the attachment; on one that
    somebody else has made it is taken away by itself, as far as it was made here."""

    link: Link
    aws: Aws
    gateway: Node[TransitGateway]
    attached: Resource[Any, Any]  # the attachment of the VPC, or a VPN connection, which attaches itself
    tables: Node[TransitTables]
    own: VpnTable | None = None  # the table of the VPN connections, which goes after all that is in it
    number: int = 0  # 0: of the VPC; 1 and 2: of the VPN connections
    timing: ClassVar[Timing] = Timing(create=30, update=30, delete=30, deadline=900)

    def wanted(self, tables: TransitTables) -> str:
        """The table that is looked up for what comes from it."""
        return tables.vpc if self.number == 0 else tables.vpn[self.number - 1]

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[SpecT, Nothing] | None:
        gateway = locate(self.link, self.aws, receipts)
        there = self.attached.find(receipts)
        if gateway is None or there is None or there.phase is Phase.DELETING:
            return None
        if there.spec is not None and there.spec.gateway != gateway.id:
            return None
        found = parse_transit.attachments(self.aws.transit_attachments(gateway.id, fresh=fresh))
        attachment = next((a for a in found if a.exists and there.id in (a.id, a.resource)), None)
        if attachment is None or not attachment.works:
            said = attachment.state if attachment else "its attachment is not there yet"
            return Observed(there.id, Phase.CREATING, None, None, Ownership.SHARED, said)
        receipt = receipts.of(self)
        mine = there.owned is Ownership.ADOPTED and receipt is not None and receipt.owned is Ownership.OWNED
        return self.seen(gateway, attachment, Ownership.OWNED if mine else Ownership.SHARED, fresh=fresh)

    @abstractmethod
    def seen(
        self, gateway: parse_transit.Gateway, attachment: parse_transit.Attachment, owned: Ownership, *, fresh: bool
    ) -> Observed[SpecT, Nothing] | None:
        """What the attachment has; None: it has nothing."""


@dataclass(frozen=True)
class AssociationSpec:
    table: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Association(Member[AssociationSpec]):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AssociateTransitGatewayRouteTable.html

    A transit gateway may put a new VPN connection into its default table by itself. To be in another one it has to be taken
    out first: https://github.com/hashicorp/terraform/issues/23058
    """

    arises_by_itself: ClassVar[bool] = True
    why_it_matters: ClassVar[Mapping[str, str]] = {
        "table": "what comes from Azure over this connection is dropped for some seconds while it is moved"
    }
    permissions: ClassVar[Permissions] = Permissions(
        read=(_READ, _READ_ATTACHMENTS),
        create=(
            iam("ec2:AssociateTransitGatewayRouteTable", "transit-gateway-attachment", "transit-gateway-route-table"),
        ),
        delete=(
            iam(
                "ec2:DisassociateTransitGatewayRouteTable", "transit-gateway-attachment", "transit-gateway-route-table"
            ),
        ),
        by_field={
            "table": (
                iam(
                    "ec2:DisassociateTransitGatewayRouteTable",
                    "transit-gateway-attachment",
                    "transit-gateway-route-table",
                ),
                iam(
                    "ec2:AssociateTransitGatewayRouteTable",
                    "transit-gateway-attachment",
                    "transit-gateway-route-table",
                ),
            )
        },
    )

    def spec(self, outputs: Outputs) -> AssociationSpec:
        return AssociationSpec(self.wanted(outputs[self.tables]))

    def seen(
        self, gateway: parse_transit.Gateway, attachment: parse_transit.Attachment, owned: Ownership, *, fresh: bool
    ) -> Observed[AssociationSpec, Nothing] | None:
        phases = {"associated": Phase.READY, "associating": Phase.CREATING, "disassociating": Phase.DELETING}
        phase = phases.get(attachment.association)
        if self.number and self.own is not None:  # it may have to move, out of a table and into another
            phase = Phase.CREATING if phase is Phase.DELETING else phase or Phase.READY
            id_, said = _member_id(gateway, attachment), attachment.association or "in no table"
            return Observed(id_, phase, AssociationSpec(attachment.table), Nothing(), owned, said)
        if phase is None:
            return None
        spec = AssociationSpec(attachment.table) if attachment.table else None
        return Observed(_member_id(gateway, attachment), phase, spec, Nothing(), owned, attachment.association)

    def create(self, spec: AssociationSpec) -> Started:
        id_ = _attachment_id(self)
        gateway, _, attachment = id_.partition("/")
        gateways.associate(self.aws, gateway, attachment, spec.table)
        return Started(id_)

    def update(self, found: Observed[AssociationSpec, Nothing], spec: AssociationSpec) -> Started:
        """Out of the table in which it is, or into the wanted one: a second call follows the first."""
        assert found.spec is not None
        gateway, _, attachment = found.id.partition("/")
        if found.spec.table:
            gateways.disassociate(self.aws, gateway, attachment, found.spec.table)
        else:
            gateways.associate(self.aws, gateway, attachment, spec.table)
        return Started(found.id)

    def delete(self, found: Observed[AssociationSpec, Nothing], prior_state: Any) -> Started | None:
        if found.owned is not Ownership.OWNED or found.spec is None:
            return None
        gateway, _, attachment = found.id.partition("/")
        gateways.disassociate(self.aws, gateway, attachment, found.spec.table)
        return Started(found.id)


@dataclass(frozen=True, kw_only=True, eq=False)
class MovedAssociation(Association):
    """Of a VPN connection that has to be in the link's own table: one connection after the other, so that the other works."""

    serial: ClassVar[str] = "aws-associations"


@dataclass(frozen=True)
class TransitPropagationSpec:
    """Of all tables that an attachment propagates into those that the link needs."""

    tables: frozenset[str]


@dataclass(frozen=True, kw_only=True, eq=False)
class TransitPropagation(Member[TransitPropagationSpec]):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_EnableTransitGatewayRouteTablePropagation.html"""

    permissions: ClassVar[Permissions] = Permissions(
        read=(_READ, _READ_ATTACHMENTS, iam("ec2:GetTransitGatewayAttachmentPropagations")),
        create=(
            iam(
                "ec2:EnableTransitGatewayRouteTablePropagation",
                "transit-gateway-attachment",
                "transit-gateway-route-table",
            ),
        ),
        update=(
            iam(
                "ec2:EnableTransitGatewayRouteTablePropagation",
                "transit-gateway-attachment",
                "transit-gateway-route-table",
            ),
        ),
        delete=(
            iam(
                "ec2:DisableTransitGatewayRouteTablePropagation",
                "transit-gateway-attachment",
                "transit-gateway-route-table",
            ),
        ),
    )

    def spec(self, outputs: Outputs) -> TransitPropagationSpec:
        return TransitPropagationSpec(self._needed(outputs[self.tables]))

    def _needed(self, tables: TransitTables) -> frozenset[str]:
        """The VPC's ranges have to be in the tables of the VPN connections, and what these learn in the VPC's."""
        return frozenset(tables.vpn) if self.number == 0 else frozenset({tables.vpc})

    def seen(
        self, gateway: parse_transit.Gateway, attachment: parse_transit.Attachment, owned: Ownership, *, fresh: bool
    ) -> Observed[TransitPropagationSpec, Nothing] | None:
        tables = tables_of(self.link, self.aws, gateway.id, gateway.association_table, own=self.own)
        states = parse_transit.propagations(self.aws.transit_propagations(attachment.id, fresh=fresh))
        there = frozenset(states) & self._needed(tables) if tables is not None else frozenset()
        if not there:
            return None
        phase = Phase.CREATING if any(states[t] != "enabled" for t in there) else Phase.READY
        said = f"{len(there)} route table{'' if len(there) == 1 else 's'}"
        return Observed(_member_id(gateway, attachment), phase, TransitPropagationSpec(there), Nothing(), owned, said)

    def prior_state(self, found: Observed[TransitPropagationSpec, Nothing] | None) -> Any:
        """Of an attachment that somebody else has made."""
        if found is None or found.spec is None or found.owned is not Ownership.SHARED:
            return None
        there = self.attached.find(Receipts({}))
        return sorted(found.spec.tables) if there is not None and there.owned is Ownership.ADOPTED else None

    def create(self, spec: TransitPropagationSpec) -> Started:
        id_ = _attachment_id(self)
        gateways.propagate_into(self.aws, id_.partition("/")[2], on=sorted(spec.tables), off=())
        return Started(id_)

    def update(self, found: Observed[TransitPropagationSpec, Nothing], spec: TransitPropagationSpec) -> Started:
        assert found.spec is not None
        on = sorted(spec.tables - found.spec.tables)
        gateways.propagate_into(self.aws, found.id.partition("/")[2], on=on, off=())
        return Started(found.id)

    def delete(self, found: Observed[TransitPropagationSpec, Nothing], prior_state: Any) -> Started | None:
        if found.spec is None or (found.owned is not Ownership.OWNED and not isinstance(prior_state, list)):
            return None
        off = sorted(found.spec.tables - frozenset(prior_state or ()))
        if not off:
            return None
        gateways.propagate_into(self.aws, found.id.partition("/")[2], on=(), off=off)
        return Started(found.id)


def _member_id(gateway: parse_transit.Gateway, attachment: parse_transit.Attachment) -> str:
    return f"{gateway.id}/{attachment.id}"


def _attachment_id(member: Member[Any]) -> str:
    """GATEWAY/ATTACHMENT, of what exists: its resource was waited for."""
    there = member.attached.find(Receipts({}))
    gateway = locate(member.link, member.aws, Receipts({}))
    found = parse_transit.attachments(member.aws.transit_attachments(gateway.id)) if gateway is not None else ()
    attachment = next((a for a in found if there is not None and a.exists and there.id in (a.id, a.resource)), None)
    if gateway is None or attachment is None:
        raise MissingError(
            "An attachment of the transit gateway is gone",
            f"What {member.title} is about is not there any more.",
            "Run cloudlink up again: it makes what is missing.",
            resource=member.address,
        )
    return _member_id(gateway, attachment)
