"""The virtual private gateway, made or adopted, and its attachment to the VPC."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from cloudlink.clouds.aws import cached
from cloudlink.clouds.aws.client import Aws, AwsObject, value_in
from cloudlink.clouds.aws.tags import command_to_list, find_owned, name_for, tag_specification
from cloudlink.clouds.malformed import parsing
from cloudlink.clouds.ownership import owner_of
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
from cloudlink.steps.aws_resource import AwsResource, Parsed
from cloudlink.steps.outputs import Nothing, VpnGateway


def gateway_phase(state: str) -> Phase:
    """Of AWS's word for a virtual private gateway or customer gateway: pending, available, deleting."""
    return {"available": Phase.READY, "deleting": Phase.DELETING}.get(state, Phase.CREATING)


@dataclass(frozen=True)
class GatewaySpec:
    asn: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Gateway(AwsResource[GatewaySpec, VpnGateway]):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpnGateway.html"""

    timing: ClassVar[Timing] = Timing(create=3, delete=5)
    immutable: ClassVar[frozenset[str]] = frozenset({"asn"})
    key: ClassVar[str] = "VpnGatewayId"
    kind: ClassVar[str] = "AWS's virtual private gateways"
    stale: ClassVar[tuple[str, ...]] = (cached.VPN_GATEWAYS,)

    def spec(self, outputs: Outputs) -> GatewaySpec:
        return GatewaySpec(self.link.aws.asn)

    def listed(self, *, fresh: bool) -> Iterable[AwsObject]:
        return self.aws.vpn_gateways(fresh=fresh)

    def vpc_of(self, item: AwsObject) -> str:
        return vpc_of_gateway(item)

    def parse(self, item: AwsObject, *, fresh: bool) -> Parsed:
        out = VpnGateway(item["VpnGatewayId"], int(item["AmazonSideAsn"]))
        return Parsed(out.id, gateway_phase(item["State"]), GatewaySpec(out.asn), out, item["State"])

    def create(self, spec: GatewaySpec) -> Started:
        """Raises ConflictError before making anything when the VPC has a gateway already: it could not be attached."""
        refuse_second_gateway(self.link, self.aws)
        try:
            made = self.aws.ec2_once.create_vpn_gateway(
                Type="ipsec.1",
                AmazonSideAsn=spec.asn,
                TagSpecifications=tag_specification(
                    "vpn-gateway", owner_of(self.link), self.address, name_for(self.link.name, "gateway")
                ),
            )
        finally:
            self.aws.cache.invalidate(cached.VPN_GATEWAYS)
        return Started(value_in(made, "VpnGateway", "VpnGatewayId"))

    def duplicate_check_command(self) -> str:
        return command_to_list("vpn-gateways", region=self.link.aws.region, link=self.link.name, address=self.address)

    def remove(self, id_: str) -> None:
        self.aws.ec2.delete_vpn_gateway(VpnGatewayId=id_)


def own_gateway(link: Link, aws: Aws, address: str, receipts: Receipts, *, fresh: bool) -> AwsObject | None:
    """The gateway that this link's cloudlink made. Raises ConflictError for one of a link of the same name elsewhere."""
    return find_owned(
        aws.vpn_gateways(fresh=fresh),
        key="VpnGatewayId",
        owner=owner_of(link),
        address=address,
        receipt=receipts.get(address),
        region=link.aws.region,
        vpc_of=vpc_of_gateway,
    )


def vpc_of_gateway(gateway: AwsObject) -> str:
    """The VPC that it is attached to, or was last; empty: none is shown."""
    attachments = sorted(gateway.get("VpcAttachments") or (), key=lambda a: str(a.get("State")) == "detached")
    return next((str(a["VpcId"]) for a in attachments if a.get("VpcId")), "")


def gateway_of_vpc(aws: Aws, vpc_id: str, *, fresh: bool = False) -> AwsObject | None:
    """The virtual private gateway that is attached to the VPC, ours or not."""
    for gateway in aws.vpn_gateways(fresh=fresh):
        if any(
            a["VpcId"] == vpc_id and a["State"] in ("attaching", "attached")
            for a in gateway.get("VpcAttachments") or ()
        ):
            return gateway
    return None


def refuse_second_gateway(link: Link, aws: Aws, own: str = "") -> None:
    """Raises ConflictError when a gateway other than ``own`` is attached to the link's VPC, which takes one only."""
    other = gateway_of_vpc(aws, link.aws.vpc_id, fresh=True)
    if other is not None and other["VpnGatewayId"] != own:
        raise ConflictError(
            "The VPC has another virtual private gateway",
            f"{other['VpnGatewayId']} (ASN {other['AmazonSideAsn']}) is attached to {link.aws.vpc_id}, "
            "and a VPC has at most one.",
            f'Adopt it: set aws.gateway = "{other["VpnGatewayId"]}" and aws.asn = {other["AmazonSideAsn"]}.',
            resource="aws_vpn.gateway",
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class AdoptedGateway(Lookup[VpnGateway]):
    """A gateway that the configuration names; it is used and never deleted. Its real ASN is passed on."""

    link: Link
    aws: Aws

    @parsing("AWS's virtual private gateways")
    def read(self, outputs: Outputs) -> VpnGateway:
        """Raises MissingError when it is gone, ConflictError when it serves another VPC."""
        wanted = self.link.aws.adopt_gateway
        for gateway in self.aws.vpn_gateways():
            if gateway["VpnGatewayId"] != wanted or gateway["State"] in ("deleting", "deleted"):
                continue
            for attachment in gateway.get("VpcAttachments") or ():
                if attachment["State"] != "detached" and attachment["VpcId"] != self.link.aws.vpc_id:
                    raise ConflictError(
                        "The virtual private gateway is attached to another VPC",
                        f"{wanted} is attached to {attachment['VpcId']}, not to {self.link.aws.vpc_id}.",
                        "Name another gateway in aws.gateway, or leave it out to have one made.",
                        resource=self.address,
                    )
            return VpnGateway(gateway["VpnGatewayId"], int(gateway["AmazonSideAsn"]))
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
class Attachment(Resource[AttachmentSpec, Nothing]):
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachVpnGateway.html"""

    link: Link
    aws: Aws
    gateway: Node[VpnGateway] = built_on()
    timing: ClassVar[Timing] = Timing(create=15, delete=30, deadline=1800)
    immutable: ClassVar[frozenset[str]] = frozenset({"gateway", "vpc"})

    def spec(self, outputs: Outputs) -> AttachmentSpec:
        return AttachmentSpec(outputs[self.gateway].id, self.link.aws.vpc_id)

    @parsing("AWS's virtual private gateways")
    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[AttachmentSpec, Nothing] | None:
        """Of an adopted gateway it is adopted too, unless the receipt says that it was made here."""
        gateway = locate_gateway(self.link, self.aws, self.gateway, receipts, fresh=fresh)
        if gateway is None:
            return None
        adopted = self.link.aws.adopt_gateway is not None
        receipt = receipts.of(self)
        mine = not adopted or (receipt is not None and receipt.owned is Ownership.OWNED)
        for attachment in gateway.get("VpcAttachments") or ():
            state = attachment["State"]
            if state == "detached" or (adopted and attachment["VpcId"] != self.link.aws.vpc_id):
                continue
            spec = AttachmentSpec(gateway["VpnGatewayId"], attachment["VpcId"])
            phase = {"attached": Phase.READY, "detaching": Phase.DELETING}.get(state, Phase.CREATING)
            owned = Ownership.OWNED if mine else Ownership.ADOPTED
            return Observed(f"{spec.gateway}/{spec.vpc}", phase, spec, Nothing(), owned, state)
        return None

    def create(self, spec: AttachmentSpec) -> Started:
        """Repeating it for the same VPC is harmless. Raises ConflictError when the VPC has another gateway."""
        refuse_second_gateway(self.link, self.aws, own=spec.gateway)
        try:
            self.aws.ec2.attach_vpn_gateway(VpnGatewayId=spec.gateway, VpcId=spec.vpc)
        finally:
            self.aws.cache.invalidate(cached.VPN_GATEWAYS)
        return Started(f"{spec.gateway}/{spec.vpc}")

    def update(self, found: Observed[AttachmentSpec, Nothing], spec: AttachmentSpec) -> Started:
        raise AssertionError("an attachment cannot be changed")

    def delete(self, found: Observed[AttachmentSpec, Nothing], prior_state: Any) -> Started | None:
        gateway, _, vpc = found.id.partition("/")
        try:
            self.aws.ec2.detach_vpn_gateway(VpnGatewayId=gateway, VpcId=vpc)
        except Exception as error:
            if self.aws.missing(error):
                return None
            raise
        finally:
            self.aws.cache.invalidate(cached.VPN_GATEWAYS, cached.ROUTE_TABLES)
        return Started(found.id)


def locate_gateway(
    link: Link, aws: Aws, node: Node[VpnGateway], receipts: Receipts, *, fresh: bool
) -> AwsObject | None:
    """The gateway that the link uses, own or adopted, as AWS describes it; None: gone."""
    if link.aws.adopt_gateway is None:
        return own_gateway(link, aws, node.address, receipts, fresh=fresh)
    gateways = aws.vpn_gateways(fresh=fresh)
    return next((g for g in gateways if g["VpnGatewayId"] == link.aws.adopt_gateway and g["State"] != "deleted"), None)
