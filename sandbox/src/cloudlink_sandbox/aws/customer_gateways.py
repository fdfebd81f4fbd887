"""Customer gateways: the other side's public address and ASN. An identical create gives back the existing one."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from moto.core.responses import EmptyResult

from cloudlink_sandbox.aws.backend import new_id
from cloudlink_sandbox.aws.ec2_room import Ec2Room
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.filters import chosen
from cloudlink_sandbox.aws.plain import Plain
from cloudlink_sandbox.aws.timeline import Timeline

LIMIT = 50


@dataclass
class CustomerGateway:
    id: str
    ip: IPv4Address
    asn: int
    device: str | None
    life: Timeline
    born: float

    def live(self, now: float) -> bool:
        return self.life.at(now) in ("pending", "available")


class CustomerGatewayAnswers(Ec2Room):
    def _customer_gateway(self, gateway_id: str) -> CustomerGateway:
        """Raises ApiError for an id that is malformed, unknown or deleted."""
        self.well_formed(gateway_id, "cgw", "InvalidCustomerGatewayID")
        gateway = self.store.customer_gateways.get(gateway_id)
        if gateway is None or not gateway.live(self.now):
            raise ApiError("InvalidCustomerGatewayID.NotFound", f"The customerGateway ID '{gateway_id}' does not exist")
        return gateway

    def _customer_gateway_json(self, gateway: CustomerGateway, moment: float) -> dict[str, Any]:
        wide = gateway.asn > 2**31 - 1
        return {
            "CustomerGatewayId": gateway.id,
            "State": gateway.life.at(moment),
            "Type": "ipsec.1",
            "IpAddress": str(gateway.ip),
            "BgpAsn": None if wide else str(gateway.asn),
            "BgpAsnExtended": str(gateway.asn) if wide else None,
            "DeviceName": gateway.device,
            "Tags": self.store.tag_list_of(gateway.id),
        }

    def create_customer_gateway(self) -> Plain:
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateCustomerGateway.html"""
        if self.given("Type") != "ipsec.1":
            raise ApiError("InvalidParameterValue", f"Value ({self.given('Type')}) for parameter type is invalid.")
        if self.given("CertificateArn"):
            raise ApiError("InvalidParameterValue", "CertificateArn is not supported (the sandbox does not model it).")
        text = self.given("IpAddress") or self.given("PublicIp")
        if not text:
            raise ApiError("MissingParameter", "The request must contain the parameter ipAddress")
        try:
            ip = IPv4Address(text)
        except ValueError:
            raise ApiError("InvalidParameterValue", f"Value ({text}) for parameter ipAddress is invalid.") from None
        if self.given("BgpAsn") and self.given("BgpAsnExtended"):
            raise ApiError("InvalidParameterCombination", "Only one of BgpAsn and BgpAsnExtended may be given.")
        asn = int(self.given("BgpAsn") or self.given("BgpAsnExtended") or 65_000)
        if not 1 <= asn <= 4_294_967_295:
            raise ApiError("InvalidParameterValue", f"Value ({asn}) for parameter bgpAsn is invalid.")
        device = self.given("DeviceName")
        tags = self.tags_for("customer-gateway")
        self.dry_run()
        live = [g for g in self.store.customer_gateways.values() if g.live(self.now)]
        for existing in live:
            if (existing.ip, existing.asn, existing.device) == (ip, asn, device):
                return Plain({"CustomerGateway": self._customer_gateway_json(existing, self.now)})
        if any(g.ip == ip and g.device == device for g in live):
            raise ApiError(
                "InvalidCustomerGateway.DuplicateIpAddress", f"The IP address {ip} is used by another customer gateway."
            )
        if len(live) >= LIMIT:
            raise ApiError("CustomerGatewayLimitExceeded", "The maximum number of customer gateways has been reached.")
        gateway = CustomerGateway(new_id("cgw"), ip, asn, device, Timeline(), self.now)
        seconds = self.sample("aws.cgw", str(ip))
        gateway.life.transition(self.now, "pending", seconds, ends=self.outcome(), good="available", bad="deleted")
        self.store.customer_gateways[gateway.id] = gateway
        self.keep(gateway.id, tags)
        return Plain({"CustomerGateway": self._customer_gateway_json(gateway, self.now)})

    def describe_customer_gateways(self) -> Plain:
        self.dry_run()
        ids, filters = self.given("CustomerGatewayIds", []), self.filters()
        for gateway_id in ids:
            self.well_formed(gateway_id, "cgw", "InvalidCustomerGatewayID")
            if gateway_id not in self.store.customer_gateways:
                raise ApiError(
                    "InvalidCustomerGatewayID.NotFound", f"The customerGateway ID '{gateway_id}' does not exist"
                )
        moment = self.as_of(filters, ids)
        found = chosen(
            [
                g
                for g in self.store.customer_gateways.values()
                if (not ids or g.id in ids) and g.born <= moment and self.seen(g.id)
            ],
            filters,
            {
                "bgp-asn": lambda g: (str(g.asn),),
                "customer-gateway-id": lambda g: (g.id,),
                "ip-address": lambda g: (str(g.ip),),
                "state": lambda g: (g.life.at(moment),),
                "type": lambda _: ("ipsec.1",),
            },
            lambda g: self.store.tags_of(g.id),
        )
        return Plain({"CustomerGateways": [self._customer_gateway_json(g, moment) for g in found]})

    def delete_customer_gateway(self) -> EmptyResult:
        gateway = self._customer_gateway(self.given("CustomerGatewayId"))
        self.dry_run()
        if any(
            c.customer_gateway_id == gateway.id and c.life.at(self.now) != "deleted"
            for c in self.store.vpn_connections.values()
        ):
            raise ApiError("IncorrectState", "The customer gateway is in use.")
        seconds = self.sample("aws.cgw", f"delete {gateway.ip}")
        gateway.life.transition(self.now, "deleting", seconds, ends=self.outcome(), good="deleted", bad="available")
        return EmptyResult()
