"""Virtual private gateways: one per VPC, with attachments that take time and a delete that refuses what is in use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from moto.core.responses import EmptyResult

from cloudlink_sandbox.aws.backend import new_id
from cloudlink_sandbox.aws.ec2_room import Ec2Room
from cloudlink_sandbox.aws.filters import chosen
from cloudlink_sandbox.aws.plain import Plain
from cloudlink_sandbox.aws.refusal import Refusal
from cloudlink_sandbox.aws.shared_vpcs import check_owner
from cloudlink_sandbox.aws.timeline import Timeline

LIMIT = 5
"""Virtual private gateways per region. https://docs.aws.amazon.com/vpn/latest/s2svpn/vpn-limits.html"""


@dataclass
class VpnGateway:
    """attachments: VPC id -> its life; a detached one stays listed."""

    id: str
    asn: int
    zone: str | None
    life: Timeline
    born: float
    attachments: dict[str, Timeline] = field(default_factory=dict)

    def attached_to(self, now: float) -> tuple[str, ...]:
        return tuple(vpc for vpc, life in self.attachments.items() if life.at(now) == "attached")

    def held_by(self, now: float) -> tuple[str, ...]:
        """The VPCs that it is attached to, or becoming so, or not yet free of."""
        return tuple(vpc for vpc, life in self.attachments.items() if life.at(now) != "detached")


def asn_allowed(asn: int) -> bool:
    return 64_512 <= asn <= 65_534 or 4_200_000_000 <= asn <= 4_294_967_294


class VpnGatewayAnswers(Ec2Room):
    def _gateway(self, gateway_id: str) -> VpnGateway:
        """Raises Refusal for an id that is malformed, unknown or deleted."""
        self.well_formed(gateway_id, "vgw", "InvalidVpnGatewayID")
        gateway = self.store.vpn_gateways.get(gateway_id)
        if gateway is None or gateway.life.at(self.now) == "deleted":
            raise Refusal("InvalidVpnGatewayID.NotFound", f"The vpnGateway ID '{gateway_id}' does not exist")
        return gateway

    def _gateway_json(self, gateway: VpnGateway, moment: float) -> dict[str, Any]:
        return {
            "VpnGatewayId": gateway.id,
            "State": gateway.life.at(moment),
            "Type": "ipsec.1",
            "AvailabilityZone": gateway.zone,
            "AmazonSideAsn": gateway.asn,
            "VpcAttachments": [
                {"VpcId": vpc, "State": life.at(moment)} for vpc, life in gateway.attachments.items() if life.at(moment)
            ],
            "Tags": self.store.tag_list_of(gateway.id),
        }

    def create_vpn_gateway(self) -> Plain:
        """Not idempotent: a repeated call makes a second gateway."""
        if self.given("Type") != "ipsec.1":
            raise Refusal("InvalidParameterValue", f"Value ({self.given('Type')}) for parameter type is invalid.")
        asn = int(self.given("AmazonSideAsn", 64_512))
        if not asn_allowed(asn):
            raise Refusal("InvalidParameterValue", f"Value ({asn}) for parameter amazonSideAsn is invalid.")
        tags = self.tags_for("vpn-gateway")
        self.dry_run()
        live = [g for g in self.store.vpn_gateways.values() if g.life.at(self.now) != "deleted"]
        if len(live) >= LIMIT:
            raise Refusal("VpnGatewayLimitExceeded", "The maximum number of virtual private gateways has been reached.")
        gateway = VpnGateway(
            new_id("vgw"), asn, self.given("AvailabilityZone"), Timeline.of("available", self.now), self.now
        )
        self.store.vpn_gateways[gateway.id] = gateway
        self.keep(gateway.id, tags)
        return Plain({"VpnGateway": self._gateway_json(gateway, self.now)})

    def describe_vpn_gateways(self) -> Plain:
        self.dry_run()
        ids, filters = self.given("VpnGatewayIds", []), self.filters()
        for gateway_id in ids:
            self.well_formed(gateway_id, "vgw", "InvalidVpnGatewayID")
            if gateway_id not in self.store.vpn_gateways:
                raise Refusal("InvalidVpnGatewayID.NotFound", f"The vpnGateway ID '{gateway_id}' does not exist")
        moment = self.as_of(filters, ids)
        found = chosen(
            [
                g
                for g in self.store.vpn_gateways.values()
                if (not ids or g.id in ids) and g.born <= moment and self.seen(g.id)
            ],
            filters,
            {
                "amazon-side-asn": lambda g: (str(g.asn),),
                "attachment.state": lambda g: tuple(life.at(moment) for life in g.attachments.values()),
                "attachment.vpc-id": lambda g: tuple(g.attachments),
                "availability-zone": lambda g: (g.zone,) if g.zone else (),
                "state": lambda g: (g.life.at(moment),),
                "type": lambda _: ("ipsec.1",),
                "vpn-gateway-id": lambda g: (g.id,),
            },
            lambda g: self.store.tags_of(g.id),
        )
        return Plain({"VpnGateways": [self._gateway_json(g, moment) for g in found]})

    def attach_vpn_gateway(self) -> Plain:
        """A repeat on the same VPC is fine; a second gateway of a VPC and a second VPC of a gateway are not."""
        gateway = self._gateway(self.given("VpnGatewayId"))
        vpc = self.store.get_vpc(self.given("VpcId"))
        check_owner(vpc, self.cloud.principal, "AttachVpnGateway", self.region)
        self.dry_run()
        now = self.now
        for other in self.store.vpn_gateways.values():
            if other is not gateway and vpc.id in other.held_by(now):
                raise Refusal("InvalidVpcState", f"VpcId {vpc.id} has an attached virtual private gateway already.")
        held = gateway.held_by(now)
        if held and vpc.id not in held:
            raise Refusal(
                "VpnGatewayAttachmentLimitExceeded", f"The virtual private gateway {gateway.id} is attached already."
            )
        life = gateway.attachments.get(vpc.id)
        if life is not None and life.at(now) == "detaching":
            raise Refusal("IncorrectState", f"The attachment of {gateway.id} to {vpc.id} is detaching.")
        if life is None or life.at(now) == "detached":
            life = gateway.attachments[vpc.id] = Timeline()
            life.go(
                now,
                "attaching",
                self.draw("aws.vgw.attach", vpc.id),
                ends=self.outcome(),
                good="attached",
                bad="detached",
            )
        return Plain({"VpcAttachment": {"VpcId": vpc.id, "State": life.at(now)}})

    def detach_vpn_gateway(self) -> EmptyResult:
        gateway = self._gateway(self.given("VpnGatewayId"))
        vpc_id, now = self.given("VpcId"), self.now
        self.dry_run()
        life = gateway.attachments.get(vpc_id)
        if life is None or life.at(now) in ("detached", "detaching"):
            raise Refusal(
                "InvalidVpnGatewayAttachment.NotFound",
                f"The attachment with vpn gateway ID '{gateway.id}' and vpc ID '{vpc_id}' does not exist",
            )
        if life.at(now) == "attaching":
            raise Refusal("IncorrectState", f"The attachment of {gateway.id} to {vpc_id} is attaching.")
        life.go(
            now, "detaching", self.draw("aws.vgw.detach", vpc_id), ends=self.outcome(), good="detached", bad="attached"
        )
        for table_id in [t.id for t in self.store.route_tables.values() if t.vpc_id == vpc_id]:
            self.store.propagations.get(table_id, {}).pop(gateway.id, None)
        return EmptyResult()

    def delete_vpn_gateway(self) -> EmptyResult:
        gateway = self._gateway(self.given("VpnGatewayId"))
        self.dry_run()
        used = any(
            c.vpn_gateway_id == gateway.id and c.life.at(self.now) != "deleted"
            for c in self.store.vpn_connections.values()
        )
        if used or gateway.held_by(self.now):
            raise Refusal("IncorrectState", "The VPN gateway is in use.")
        if gateway.life.at(self.now) == "available":
            gateway.life.go(self.now, "deleted", 0, ends="succeeds", good="deleted", bad="deleted")
        return EmptyResult()
