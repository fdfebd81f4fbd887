"""Transit gateways, as far as moto goes, without its traps: filters that filter, ids that must exist, deletes that refuse.

Not modelled: states in passing (everything is available at once), routes learned over BGP in a transit gateway's tables.
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.responses import EC2Response

from cloudlink.sandbox.aws.ec2_room import Ec2Room
from cloudlink.sandbox.aws.filters import Words, chosen
from cloudlink.sandbox.aws.refusal import Refusal


class TransitGatewayAnswers(Ec2Room):
    def _transit_gateway(self, gateway_id: str) -> Any:
        """Raises Refusal for an id that is malformed or unknown."""
        self.well_formed(gateway_id, "tgw", "InvalidTransitGatewayID")
        gateway = self.store.transit_gateways.get(gateway_id)
        if gateway is None:
            raise Refusal(
                "InvalidTransitGatewayID.NotFound", f"Transit Gateway {gateway_id} was deleted or does not exist."
            )
        return gateway

    def _attachment(self, attachment_id: str) -> Any:
        """Raises Refusal for an id that is malformed or unknown."""
        self.well_formed(attachment_id, "tgw-attach", "InvalidTransitGatewayAttachmentID")
        attachment = self.store.transit_gateway_attachments.get(attachment_id)
        if attachment is None:
            raise Refusal(
                "InvalidTransitGatewayAttachmentID.NotFound",
                f"Transit Gateway Attachment {attachment_id} was deleted or does not exist.",
            )
        return attachment

    def _chosen(self, things: list[Any], known: dict[str, Words[Any]]) -> list[Any]:
        return chosen(things, self.filters(), known, lambda thing: self.store.tags_of(thing.id))

    def describe_transit_gateways(self) -> ActionResult:
        ids = self.given("TransitGatewayIds", [])
        things = [self._transit_gateway(i) for i in ids] if ids else list(self.store.transit_gateways.values())
        known: dict[str, Words[Any]] = {
            "owner-id": lambda g: (g.owner_id,),
            "state": lambda g: (g.state,),
            "transit-gateway-id": lambda g: (g.id,),
            "options.amazon-side-asn": lambda g: (str(g.options.get("AmazonSideAsn") or 64_512),),
        }
        return ActionResult({"TransitGateways": self._chosen(things, known)})

    def delete_transit_gateway(self) -> Any:
        gateway = self._transit_gateway(self.given("TransitGatewayId"))
        left = [
            a.id
            for a in self.store.transit_gateway_attachments.values()
            if a.transit_gateway_id == gateway.id and a.state != "deleted"
        ]
        if left:
            raise Refusal("IncorrectState", f"{gateway.id} has non-deleted Attachments: {', '.join(left)}.")
        self.dry_run()
        return EC2Response.delete_transit_gateway(self)  # type: ignore[arg-type]

    def create_transit_gateway_vpc_attachment(self) -> Any:
        """moto reads the tags under another resource's name, so they are kept here."""
        self._transit_gateway(self.given("TransitGatewayId"))
        tags = self.tags_for("transit-gateway-attachment")
        self.store.get_vpc(self.given("VpcId"))
        self.dry_run()
        made = self.store.create_transit_gateway_vpc_attachment(
            transit_gateway_id=self.given("TransitGatewayId"),
            tags=tags,
            vpc_id=self.given("VpcId"),
            subnet_ids=self.given("SubnetIds", []),
            options=self.given("Options", {}),
        )
        return ActionResult({"TransitGatewayVpcAttachment": made})

    def _attachments(self, kind: str | None) -> list[Any]:
        ids = self.given("TransitGatewayAttachmentIds", [])
        book = self.store.transit_gateway_attachments
        things = [self._attachment(i) for i in ids] if ids else list(book.values())
        known: dict[str, Words[Any]] = {
            "resource-id": lambda a: (a.resource_id,),
            "resource-type": lambda a: (a.resource_type,),
            "state": lambda a: (a.state,),
            "transit-gateway-attachment-id": lambda a: (a.id,),
            "transit-gateway-id": lambda a: (a.transit_gateway_id,),
        }
        if kind == "vpc":
            known = {n: w for n, w in known.items() if not n.startswith("resource")}
            known["vpc-id"] = lambda a: (a.resource_id,)
        return self._chosen([a for a in things if kind in (None, a.resource_type)], known)

    def describe_transit_gateway_attachments(self) -> ActionResult:
        return ActionResult({"TransitGatewayAttachments": self._attachments(None)})

    def describe_transit_gateway_vpc_attachments(self) -> ActionResult:
        return ActionResult({"TransitGatewayVpcAttachments": self._attachments("vpc")})

    def delete_transit_gateway_vpc_attachment(self) -> Any:
        self._attachment(self.given("TransitGatewayAttachmentId"))
        self.dry_run()
        return EC2Response.delete_transit_gateway_vpc_attachment(self)  # type: ignore[arg-type]

    def describe_transit_gateway_route_tables(self) -> ActionResult:
        ids = self.given("TransitGatewayRouteTableIds", [])
        book = self.store.transit_gateways_route_tables
        for table_id in ids:
            if table_id not in book:
                raise Refusal("InvalidRouteTableID.NotFound", f"Transit Gateway Route Table {table_id} does not exist.")
        known: dict[str, Words[Any]] = {
            "default-association-route-table": lambda t: (str(t.default_association_route_table).lower(),),
            "default-propagation-route-table": lambda t: (str(t.default_propagation_route_table).lower(),),
            "state": lambda t: (t.state,),
            "transit-gateway-id": lambda t: (t.transit_gateway_id,),
            "transit-gateway-route-table-id": lambda t: (t.id,),
        }
        things = [t for t in book.values() if not ids or t.id in ids]
        return ActionResult({"TransitGatewayRouteTables": self._chosen(things, known)})

    def associate_transit_gateway_route_table(self) -> Any:
        attachment = self._attachment(self.given("TransitGatewayAttachmentId"))
        tables = self.store.transit_gateways_route_tables.values()
        if any(attachment.id in table.route_table_associations for table in tables):
            raise Refusal(
                "Resource.AlreadyAssociated",
                f"Transit Gateway Attachment {attachment.id} is already associated to a route table.",
            )
        return EC2Response.associate_transit_gateway_route_table(self)  # type: ignore[arg-type]

    def disassociate_transit_gateway_route_table(self) -> Any:
        """moto knows nothing of the association that came by default."""
        attachment = self._attachment(self.given("TransitGatewayAttachmentId"))
        table_id = self.given("TransitGatewayRouteTableId")
        table = self.store.transit_gateways_route_tables.get(table_id)
        if table is None or attachment.id not in table.route_table_associations:
            raise Refusal(
                "InvalidAssociation.NotFound",
                f"Transit Gateway Attachment {attachment.id} is not associated to {table_id}.",
            )
        del table.route_table_associations[attachment.id]
        self.store.transit_gateway_associations.pop(attachment.id, None)
        attachment.transit_gateway_route_table = None
        return ActionResult(
            {
                "Association": {
                    "TransitGatewayRouteTableId": table_id,
                    "TransitGatewayAttachmentId": attachment.id,
                    "ResourceId": attachment.resource_id,
                    "ResourceType": attachment.resource_type,
                    "State": "disassociating",
                }
            }
        )
