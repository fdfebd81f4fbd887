"""Customer gateways: the other side's public address and ASN. An identical create gives back the existing one."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from moto.core.responses import EmptyResult

from cloudlink_sandbox.aws.backend import new_id
from cloudlink_sandbox.aws.ec2_base import Ec2Base
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.filters import chosen
from cloudlink_sandbox.aws.objects import CustomerGateway
from cloudlink_sandbox.aws.plain import Plain
from cloudlink_sandbox.aws.timeline import Timeline

LIMIT = 50


def find_customer_gateway(call: Ec2Base, gateway_id: str) -> CustomerGateway:
    """Raises ApiError for an id that is malformed, unknown or deleted."""
    call.well_formed(gateway_id, "cgw", "InvalidCustomerGatewayID")
    gateway = call.store.customer_gateways.get(gateway_id)
    if gateway is None or not gateway.live(call.now):
        raise ApiError("InvalidCustomerGatewayID.NotFound", f"The customerGateway ID '{gateway_id}' does not exist")
    return gateway


def _customer_gateway_json(call: Ec2Base, gateway: CustomerGateway, moment: float) -> dict[str, Any]:
    wide = gateway.asn > 2**31 - 1
    return {
        "CustomerGatewayId": gateway.id,
        "State": gateway.life.at(moment),
        "Type": "ipsec.1",
        "IpAddress": str(gateway.ip),
        "BgpAsn": None if wide else str(gateway.asn),
        "BgpAsnExtended": str(gateway.asn) if wide else None,
        "DeviceName": gateway.device,
        "Tags": call.store.tag_list_of(gateway.id),
    }


def create_customer_gateway(call: Ec2Base) -> Plain:
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateCustomerGateway.html"""
    if call.given("Type") != "ipsec.1":
        raise ApiError("InvalidParameterValue", f"Value ({call.given('Type')}) for parameter type is invalid.")
    if call.given("CertificateArn"):
        raise ApiError("InvalidParameterValue", "CertificateArn is not supported (the sandbox does not model it).")
    text = call.given("IpAddress") or call.given("PublicIp")
    if not text:
        raise ApiError("MissingParameter", "The request must contain the parameter ipAddress")
    try:
        ip = IPv4Address(text)
    except ValueError:
        raise ApiError("InvalidParameterValue", f"Value ({text}) for parameter ipAddress is invalid.") from None
    if call.given("BgpAsn") and call.given("BgpAsnExtended"):
        raise ApiError("InvalidParameterCombination", "Only one of BgpAsn and BgpAsnExtended may be given.")
    asn = int(call.given("BgpAsn") or call.given("BgpAsnExtended") or 65_000)
    if not 1 <= asn <= 4_294_967_295:
        raise ApiError("InvalidParameterValue", f"Value ({asn}) for parameter bgpAsn is invalid.")
    device = call.given("DeviceName")
    tags = call.tags_for("customer-gateway")
    call.dry_run()
    live = [g for g in call.store.customer_gateways.values() if g.live(call.now)]
    for existing in live:
        if (existing.ip, existing.asn, existing.device) == (ip, asn, device):
            return Plain({"CustomerGateway": _customer_gateway_json(call, existing, call.now)})
    if any(g.ip == ip and g.device == device for g in live):
        raise ApiError(
            "InvalidCustomerGateway.DuplicateIpAddress", f"The IP address {ip} is used by another customer gateway."
        )
    if len(live) >= LIMIT:
        raise ApiError("CustomerGatewayLimitExceeded", "The maximum number of customer gateways has been reached.")
    gateway = CustomerGateway(new_id("cgw"), ip, asn, device, Timeline(), call.now)
    seconds = call.sample("aws.cgw", str(ip))
    gateway.life.transition(call.now, "pending", seconds, ends=call.outcome(), good="available", bad="deleted")
    call.store.customer_gateways[gateway.id] = gateway
    call.keep(gateway.id, tags)
    return Plain({"CustomerGateway": _customer_gateway_json(call, gateway, call.now)})


def describe_customer_gateways(call: Ec2Base) -> Plain:
    call.dry_run()
    ids, filters = call.given("CustomerGatewayIds", []), call.filters()
    for gateway_id in ids:
        call.well_formed(gateway_id, "cgw", "InvalidCustomerGatewayID")
        if gateway_id not in call.store.customer_gateways:
            raise ApiError("InvalidCustomerGatewayID.NotFound", f"The customerGateway ID '{gateway_id}' does not exist")
    moment = call.as_of(filters, ids)
    found = chosen(
        [
            g
            for g in call.store.customer_gateways.values()
            if (not ids or g.id in ids) and g.born <= moment and call.seen(g.id)
        ],
        filters,
        {
            "bgp-asn": lambda g: (str(g.asn),),
            "customer-gateway-id": lambda g: (g.id,),
            "ip-address": lambda g: (str(g.ip),),
            "state": lambda g: (g.life.at(moment),),
            "type": lambda _: ("ipsec.1",),
        },
        lambda g: call.store.tags_of(g.id),
    )
    return Plain({"CustomerGateways": [_customer_gateway_json(call, g, moment) for g in found]})


def delete_customer_gateway(call: Ec2Base) -> EmptyResult:
    gateway = find_customer_gateway(call, call.given("CustomerGatewayId"))
    call.dry_run()
    if any(
        c.customer_gateway_id == gateway.id and c.life.at(call.now) != "deleted"
        for c in call.store.vpn_connections.values()
    ):
        raise ApiError("IncorrectState", "The customer gateway is in use.")
    seconds = call.sample("aws.cgw", f"delete {gateway.ip}")
    gateway.life.transition(call.now, "deleting", seconds, ends=call.outcome(), good="deleted", bad="available")
    return EmptyResult()
