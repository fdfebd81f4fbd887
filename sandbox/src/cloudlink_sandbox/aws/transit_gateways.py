"""Transit gateways and their attachments: VPCs that somebody attaches, VPN connections that attach themselves.

Everything takes its time. What was deleted stays listed for an hour, attachments included, so that a look-up by the id
of a VPN connection may find a deleted attachment beside a live one. Peerings, multicast and Connect are not modelled.
https://docs.aws.amazon.com/vpc/latest/tgw/working-with-transit-gateways.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any

from cloudlink_sandbox.aws.backend import SandboxEc2, new_id
from cloudlink_sandbox.aws.ec2_room import Ec2Room
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.filters import Words, chosen
from cloudlink_sandbox.aws.plain import Plain
from cloudlink_sandbox.aws.timeline import Timeline, as_datetime
from cloudlink_sandbox.aws.vpn_gateways import asn_allowed

LIMIT = 5
"""Per region. https://docs.aws.amazon.com/vpc/latest/tgw/transit-gateway-quotas.html"""

_DEFAULTS: dict[str, Any] = {
    "AmazonSideAsn": 64_512,
    "AutoAcceptSharedAttachments": "disable",
    "DefaultRouteTableAssociation": "enable",
    "DefaultRouteTablePropagation": "enable",
    "VpnEcmpSupport": "enable",
    "DnsSupport": "enable",
    "SecurityGroupReferencingSupport": "disable",
    "MulticastSupport": "disable",
}
_VPC_DEFAULTS = {
    "DnsSupport": "enable",
    "SecurityGroupReferencingSupport": "enable",
    "Ipv6Support": "disable",
    "ApplianceModeSupport": "disable",
}


@dataclass
class TransitGateway:
    """options: as they are answered. default_table: the route table that new attachments are put into."""

    id: str
    description: str
    options: dict[str, Any]
    life: Timeline
    born: float
    default_table: str = ""

    @property
    def asn(self) -> int:
        return int(self.options["AmazonSideAsn"])

    def uses_default(self, what: str) -> bool:
        """what: Association or Propagation."""
        return bool(self.options[f"DefaultRouteTable{what}"] == "enable")


@dataclass
class TransitAttachment:
    """kind: vpc or vpn. resource_id: the VPC's or the VPN connection's."""

    id: str
    gateway_id: str
    kind: str
    resource_id: str
    born: float
    life: Timeline = field(default_factory=Timeline)
    subnet_ids: list[str] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)


@dataclass
class TransitRouteTable:
    """associations, propagations: attachment id -> their life. routes: static ones, to an attachment or, when None, to
    nowhere (a blackhole)."""

    id: str
    gateway_id: str
    is_default: bool
    life: Timeline
    born: float
    associations: dict[str, Timeline] = field(default_factory=dict)
    propagations: dict[str, Timeline] = field(default_factory=dict)
    routes: dict[IPv4Network, str | None] = field(default_factory=dict)


def table_of(store: SandboxEc2, attachment_id: str, now: float) -> TransitRouteTable | None:
    """The route table that an attachment is associated with by now."""
    for table in store.transit_gateways_route_tables.values():
        life = table.associations.get(attachment_id)
        if life is not None and life.at(now) in ("associating", "associated"):
            return table
    return None


class TransitGatewayAnswers(Ec2Room):
    def _transit_gateway(self, gateway_id: str) -> TransitGateway:
        """Raises ApiError for an id that is malformed, unknown or deleted."""
        self.well_formed(gateway_id, "tgw", "InvalidTransitGatewayID")
        gateway = self.store.transit_gateways.get(gateway_id)
        if gateway is None or gateway.life.at(self.now) == "deleted":
            raise ApiError(
                "InvalidTransitGatewayID.NotFound", f"Transit Gateway {gateway_id} was deleted or does not exist."
            )
        return gateway

    def _ready_transit_gateway(self, gateway_id: str) -> TransitGateway:
        """Raises ApiError IncorrectState while it is made, changed or deleted."""
        gateway = self._transit_gateway(gateway_id)
        if (state := gateway.life.at(self.now)) != "available":
            raise ApiError("IncorrectState", f"{gateway_id} is in invalid state ({state})")
        return gateway

    def _attachment(self, attachment_id: str) -> TransitAttachment:
        """Raises ApiError for an id that is malformed, unknown or deleted."""
        self.well_formed(attachment_id, "tgw-attach", "InvalidTransitGatewayAttachmentID")
        attachment = self.store.transit_gateway_attachments.get(attachment_id)
        if attachment is None or attachment.life.at(self.now) == "deleted":
            raise ApiError(
                "InvalidTransitGatewayAttachmentID.NotFound",
                f"Transit Gateway Attachment {attachment_id} was deleted or does not exist.",
            )
        return attachment

    def _found(self, book: Mapping[str, Any], ids: list[str], words: Mapping[str, Words[Any]]) -> list[Any]:
        """Those with these ids, or all, that pass the filters; by tag as they were a moment ago."""
        filters = self.filters()
        moment = self.as_of(filters, ids)
        things: Iterable[Any] = [book[i] for i in ids] if ids else book.values()
        born = [t for t in things if t.born <= moment and self.seen(t.id)]
        return chosen(born, filters, words, lambda thing: self.store.tags_of(thing.id))

    def _known(self, book: Mapping[str, Any], ids: list[str], code: str) -> list[str]:
        """Raises ApiError for an id that nothing has."""
        for wanted in ids:
            if wanted not in book:
                raise ApiError(f"{code}.NotFound", f"{wanted} was deleted or does not exist.")
        return ids

    # --- gateways ----------------------------------------------------------------------------------------

    def _gateway_answer(self, gateway: TransitGateway) -> dict[str, Any]:
        account = self.cloud.account
        options = dict(gateway.options)
        for what in ("Association", "Propagation"):
            if gateway.uses_default(what):
                options[f"{what}DefaultRouteTableId"] = gateway.default_table
        return {
            "TransitGatewayId": gateway.id,
            "TransitGatewayArn": f"arn:aws:ec2:{self.region}:{account}:transit-gateway/{gateway.id}",
            "State": gateway.life.at(self.now),
            "OwnerId": account,
            "Description": gateway.description,
            "CreationTime": as_datetime(gateway.born),
            "Options": options,
            "Tags": self.store.tag_list_of(gateway.id),
        }

    def _checked_options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        options: dict[str, Any] = {}
        for name, value in given.items():
            if value in (None, []):
                continue
            if name not in _DEFAULTS or (name == "MulticastSupport" and value != "disable"):
                raise ApiError("InvalidParameterValue", f"{name} is not supported (the sandbox does not model it).")
            if name == "AmazonSideAsn":
                if not asn_allowed(int(value)):
                    raise ApiError("InvalidParameterValue", f"Value ({value}) for parameter amazonSideAsn is invalid.")
                value = int(value)
            elif value not in ("enable", "disable"):
                raise ApiError("InvalidParameterValue", f"Value ({value}) for parameter {name} is invalid.")
            options[name] = value
        return options

    def create_transit_gateway(self) -> Plain:
        """Not idempotent: a repeated call makes a second gateway."""
        options = _DEFAULTS | self._checked_options(self.given("Options") or {})
        tags = self.tags_for("transit-gateway")
        self.dry_run()
        live = [g for g in self.store.transit_gateways.values() if g.life.at(self.now) != "deleted"]
        if len(live) >= LIMIT:
            raise ApiError("TransitGatewayLimitExceeded", "The maximum number of transit gateways has been reached.")
        gateway = TransitGateway(new_id("tgw"), self.given("Description") or "", options, Timeline(), self.now)
        self._pass(gateway.life, "pending", str(len(self.store.transit_gateways)), good="available", bad="deleted")
        self.store.transit_gateways[gateway.id] = gateway
        if gateway.uses_default("Association") or gateway.uses_default("Propagation"):
            table = TransitRouteTable(new_id("tgw-rtb"), gateway.id, True, gateway.life, self.now)
            self.store.transit_gateways_route_tables[table.id] = table
            gateway.default_table = table.id
        self.keep(gateway.id, tags)
        return Plain({"TransitGateway": self._gateway_answer(gateway)})

    def _pass(self, life: Timeline, through: str, key: str, *, good: str, bad: str, kind: str = "aws.tgw") -> float:
        return life.transition(self.now, through, self.sample(kind, key), ends=self.outcome(), good=good, bad=bad)

    def describe_transit_gateways(self) -> Plain:
        self.dry_run()
        ids = self._known(self.store.transit_gateways, self.given("TransitGatewayIds", []), "InvalidTransitGatewayID")
        words: dict[str, Words[Any]] = {
            "owner-id": lambda _: (self.cloud.account,),
            "state": lambda g: (g.life.at(self.now),),
            "transit-gateway-id": lambda g: (g.id,),
            "options.amazon-side-asn": lambda g: (str(g.asn),),
            "options.default-route-table-association": lambda g: (g.options["DefaultRouteTableAssociation"],),
            "options.default-route-table-propagation": lambda g: (g.options["DefaultRouteTablePropagation"],),
            "options.vpn-ecmp-support": lambda g: (g.options["VpnEcmpSupport"],),
            "options.dns-support": lambda g: (g.options["DnsSupport"],),
        }
        found = self._found(self.store.transit_gateways, ids, words)
        return Plain({"TransitGateways": [self._gateway_answer(g) for g in found]})

    def modify_transit_gateway(self) -> Plain:
        gateway = self._ready_transit_gateway(self.given("TransitGatewayId"))
        given = self.given("Options") or {}
        options = self._checked_options(given)
        attached = any(a.kind == "vpn" for a in self._attachments_of(gateway.id))
        if options.get("AmazonSideAsn", gateway.asn) != gateway.asn and attached:
            raise ApiError("IncorrectState", f"{gateway.id} has VPN attachments: its ASN cannot be changed.")
        self.dry_run()
        gateway.options |= options
        gateway.description = self.given("Description") or gateway.description
        self._pass(gateway.life, "modifying", str(gateway.asn), good="available", bad="available")
        return Plain({"TransitGateway": self._gateway_answer(gateway)})

    def _attachments_of(self, gateway_id: str) -> list[TransitAttachment]:
        return [
            a
            for a in self.store.transit_gateway_attachments.values()
            if a.gateway_id == gateway_id and a.life.at(self.now) != "deleted"
        ]

    def delete_transit_gateway(self) -> Plain:
        gateway = self._transit_gateway(self.given("TransitGatewayId"))
        left = self._attachments_of(gateway.id)
        if left:
            kinds = {"vpc": "VPC", "vpn": "VPN"}[left[0].kind]
            raise ApiError(
                "IncorrectState",
                f"{gateway.id} has non-deleted {kinds} Attachments: {', '.join(a.id for a in left)}.",
            )
        self.dry_run()
        if gateway.life.at(self.now) != "deleting":
            self._pass(gateway.life, "deleting", f"delete {gateway.asn}", good="deleted", bad="available")
        return Plain({"TransitGateway": self._gateway_answer(gateway)})

    # --- attachments -------------------------------------------------------------------------------------

    def _attachment_answer(self, attachment: TransitAttachment) -> dict[str, Any]:
        """As DescribeTransitGatewayAttachments has it, whatever its kind."""
        table = table_of(self.store, attachment.id, self.now)
        answer: dict[str, Any] = {
            "TransitGatewayAttachmentId": attachment.id,
            "TransitGatewayId": attachment.gateway_id,
            "TransitGatewayOwnerId": self.cloud.account,
            "ResourceOwnerId": self.cloud.account,
            "ResourceType": attachment.kind,
            "ResourceId": attachment.resource_id,
            "State": attachment.life.at(self.now),
            "CreationTime": as_datetime(attachment.born),
            "Tags": self.store.tag_list_of(attachment.id),
        }
        if table is not None:
            state = table.associations[attachment.id].at(self.now)
            answer["Association"] = {"TransitGatewayRouteTableId": table.id, "State": state}
        return answer

    def _vpc_attachment_answer(self, attachment: TransitAttachment) -> dict[str, Any]:
        return {
            "TransitGatewayAttachmentId": attachment.id,
            "TransitGatewayId": attachment.gateway_id,
            "VpcId": attachment.resource_id,
            "VpcOwnerId": self.cloud.account,
            "State": attachment.life.at(self.now),
            "SubnetIds": list(attachment.subnet_ids),
            "CreationTime": as_datetime(attachment.born),
            "Options": dict(attachment.options),
            "Tags": self.store.tag_list_of(attachment.id),
        }

    def _attach(self, attachment: TransitAttachment, gateway: TransitGateway, opens: float) -> None:
        """Keep a new attachment, and put it into the default route table as far as the gateway does so.

        opens: when it will be available.
        """
        self.store.transit_gateway_attachments[attachment.id] = attachment
        table = self.store.transit_gateways_route_tables.get(gateway.default_table)
        if table is None:
            return
        took = self.sample("aws.tgw.association", attachment.kind)
        if gateway.uses_default("Association"):
            table.associations[attachment.id] = Timeline([("associating", opens), ("associated", opens + took)])
        if gateway.uses_default("Propagation"):
            table.propagations[attachment.id] = Timeline([("enabled", opens)])

    def attach_vpn(self, connection_id: str, gateway: TransitGateway, opens: float) -> None:
        """A VPN connection on a transit gateway is attached by itself, as soon as it is available."""
        attachment = TransitAttachment(new_id("tgw-attach"), gateway.id, "vpn", connection_id, self.now)
        attachment.life = Timeline([("pending", self.now), ("available", opens)])
        self._attach(attachment, gateway, opens)
        self.keep(attachment.id, {})

    def detach_vpn(self, connection_id: str, gone: float) -> None:
        for attachment in self.store.transit_gateway_attachments.values():
            if attachment.resource_id == connection_id and attachment.life.at(self.now) != "deleted":
                attachment.life = Timeline([*attachment.life.steps, ("deleting", self.now), ("deleted", gone)])

    def _subnets_of(self, vpc_id: str, subnet_ids: list[str]) -> list[str]:
        """Raises ApiError for subnets that are unknown, of another VPC, or two in one zone."""
        zones = []
        for subnet_id in subnet_ids:
            subnet = self.store.get_subnet(subnet_id)
            if subnet.vpc_id != vpc_id:
                raise ApiError("InvalidParameterValue", f"Subnet {subnet_id} is not in VPC {vpc_id}.")
            zones.append(subnet.availability_zone)
        if len(set(zones)) != len(zones):
            raise ApiError("DuplicateSubnetsInSameZone", "Two subnets are in the same Availability Zone.")
        return subnet_ids

    def create_transit_gateway_vpc_attachment(self) -> Plain:
        gateway = self._ready_transit_gateway(self.given("TransitGatewayId"))
        tags = self.tags_for("transit-gateway-attachment")
        vpc = self.store.get_vpc(self.given("VpcId"))
        subnets = self._subnets_of(vpc.id, list(self.given("SubnetIds", [])))
        options = _VPC_DEFAULTS | {k: v for k, v in (self.given("Options") or {}).items() if v}
        for name, value in options.items():
            if name not in _VPC_DEFAULTS or value not in ("enable", "disable"):
                raise ApiError("InvalidParameterValue", f"Value ({value}) for parameter {name} is invalid.")
        if any(a.resource_id == vpc.id for a in self._attachments_of(gateway.id)):
            raise ApiError(
                "DuplicateTransitGatewayAttachment",
                f"{gateway.id} has non-deleted Transit Gateway Attachments with same VPC ID.",
            )
        self.dry_run()
        attachment = TransitAttachment(
            new_id("tgw-attach"), gateway.id, "vpc", vpc.id, self.now, subnet_ids=subnets, options=options
        )
        opens = self._pass(attachment.life, "pending", vpc.id, good="available", bad="failed")
        self._attach(attachment, gateway, opens)
        self.keep(attachment.id, tags)
        return Plain({"TransitGatewayVpcAttachment": self._vpc_attachment_answer(attachment)})

    def _attachments(self, kind: str | None) -> list[TransitAttachment]:
        book = self.store.transit_gateway_attachments
        ids = self._known(book, self.given("TransitGatewayAttachmentIds", []), "InvalidTransitGatewayAttachmentID")
        words: dict[str, Words[Any]] = {
            "state": lambda a: (a.life.at(self.now),),
            "transit-gateway-attachment-id": lambda a: (a.id,),
            "transit-gateway-id": lambda a: (a.gateway_id,),
        }
        if kind == "vpc":
            words["vpc-id"] = lambda a: (a.resource_id,)
        else:
            words |= {
                "association.transit-gateway-route-table-id": lambda a: tuple(
                    t.id for t in (table_of(self.store, a.id, self.now),) if t
                ),
                "resource-id": lambda a: (a.resource_id,),
                "resource-owner-id": lambda _: (self.cloud.account,),
                "resource-type": lambda a: (a.kind,),
                "transit-gateway-owner-id": lambda _: (self.cloud.account,),
            }
        return [a for a in self._found(book, ids, words) if kind in (None, a.kind)]

    def describe_transit_gateway_attachments(self) -> Plain:
        self.dry_run()
        return Plain({"TransitGatewayAttachments": [self._attachment_answer(a) for a in self._attachments(None)]})

    def describe_transit_gateway_vpc_attachments(self) -> Plain:
        self.dry_run()
        return Plain(
            {"TransitGatewayVpcAttachments": [self._vpc_attachment_answer(a) for a in self._attachments("vpc")]}
        )

    def _vpc_attachment(self) -> TransitAttachment:
        """Raises ApiError for one that is not of a VPC, or not available."""
        attachment = self._attachment(self.given("TransitGatewayAttachmentId"))
        if attachment.kind != "vpc":
            raise ApiError("InvalidTransitGatewayAttachmentID.NotFound", f"{attachment.id} is no attachment of a VPC.")
        if (state := attachment.life.at(self.now)) != "available":
            raise ApiError("IncorrectState", f"{attachment.id} is in invalid state ({state})")
        return attachment

    def modify_transit_gateway_vpc_attachment(self) -> Plain:
        attachment = self._vpc_attachment()
        gone, more = self.given("RemoveSubnetIds", []), self.given("AddSubnetIds", [])
        subnets = [s for s in attachment.subnet_ids if s not in gone]
        subnets = self._subnets_of(attachment.resource_id, [*subnets, *more])
        if not subnets:
            raise ApiError("InvalidParameterValue", "An attachment needs at least one subnet.")
        self.dry_run()
        attachment.subnet_ids = subnets
        attachment.options |= {k: v for k, v in (self.given("Options") or {}).items() if k in _VPC_DEFAULTS and v}
        self._pass(attachment.life, "modifying", attachment.resource_id, good="available", bad="available")
        return Plain({"TransitGatewayVpcAttachment": self._vpc_attachment_answer(attachment)})

    def delete_transit_gateway_vpc_attachment(self) -> Plain:
        attachment = self._vpc_attachment()
        self.dry_run()
        self._pass(attachment.life, "deleting", f"delete {attachment.resource_id}", good="deleted", bad="available")
        return Plain({"TransitGatewayVpcAttachment": self._vpc_attachment_answer(attachment)})
