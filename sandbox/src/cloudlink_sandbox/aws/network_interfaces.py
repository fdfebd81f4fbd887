"""Network interfaces: whose they are decides what may be done to them.

Those of load balancers and of Resolver endpoints belong to a service, which is why they can be looked for and not
changed. One of a Resolver endpoint can be deleted all the same; then the endpoint needs somebody's hands.
https://docs.aws.amazon.com/Route53/latest/APIReference/API_route53resolver_ResolverEndpoint.html
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult, EmptyResult

from cloudlink_sandbox.aws.ec2_base import Ec2Base
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.filters import Words, chosen
from cloudlink_sandbox.aws.resolver import interface_lost

_FILTERS: dict[str, Words[Any]] = {
    "addresses.private-ip-address": lambda e: (e.private_ip_address,),
    "attachment.instance-id": lambda e: (e.instance.id,) if e.instance else (),
    "availability-zone": lambda e: (e.availability_zone,),
    "description": lambda e: (e.description,),
    "group-id": lambda e: tuple(g.id for g in e.group_set),
    "group-name": lambda e: tuple(g.name for g in e.group_set),
    "interface-type": lambda e: (e.interface_type,),
    "mac-address": lambda e: (e.mac_address,),
    "network-interface-id": lambda e: (e.id,),
    "owner-id": lambda e: (e.owner_id,),
    "private-dns-name": lambda e: (e.private_dns_name,),
    "private-ip-address": lambda e: (e.private_ip_address,),
    "requester-id": lambda e: (e.requester_id,) if e.requester_managed else (),
    "requester-managed": lambda e: (str(e.requester_managed).lower(),),
    "status": lambda e: (e.status,),
    "subnet-id": lambda e: (e.subnet_id,),
    "vpc-id": lambda e: (e.vpc_id,),
}


def _interface(call: Ec2Base, interface_id: str) -> Any:
    """Raises ApiError for an id that is malformed or unknown."""
    call.well_formed(interface_id, "eni", "InvalidNetworkInterfaceID")
    interface = call.store.enis.get(interface_id)
    if interface is None:
        raise ApiError("InvalidNetworkInterfaceID.NotFound", f"The networkInterface ID '{interface_id}' does not exist")
    return interface


def describe_network_interfaces(call: Ec2Base) -> ActionResult:
    call.dry_run()
    ids = call.given("NetworkInterfaceIds", [])
    asked = [_interface(call, i) for i in ids] if ids else list(call.store.enis.values())
    found = chosen(asked, call.filters(), _FILTERS, lambda e: call.store.tags_of(e.id))
    return ActionResult({"NetworkInterfaces": found})


def delete_network_interface(call: Ec2Base) -> EmptyResult:
    interface = _interface(call, call.given("NetworkInterfaceId"))
    of_endpoint = interface_lost(call.store, interface.id, call.now, really=False)
    if interface.status == "in-use" and not of_endpoint:
        raise ApiError("InvalidParameterValue", f"Network interface '{interface.id}' is currently in use.")
    call.dry_run()
    interface_lost(call.store, interface.id, call.now)
    call.store.delete_network_interface(interface.id)
    call.store.forget(interface.id)
    return EmptyResult()


def modify_network_interface_attribute(call: Ec2Base) -> Any:
    interface = _interface(call, call.given("NetworkInterfaceId"))
    if interface.requester_managed:
        # Assumption: the code; that interfaces of services cannot be changed is documented.
        raise ApiError("OperationNotPermitted", f"You are not allowed to manage the network interface {interface.id}.")
    call.dry_run()
    return call.by_moto()
