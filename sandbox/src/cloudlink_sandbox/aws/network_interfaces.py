"""Network interfaces: whose they are decides what may be done to them.

Those of load balancers and of Resolver endpoints belong to a service, which is why they can be looked for and not
changed. One of a Resolver endpoint can be deleted all the same; then the endpoint needs somebody's hands.
https://docs.aws.amazon.com/Route53/latest/APIReference/API_route53resolver_ResolverEndpoint.html
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.responses import EC2Response

from cloudlink_sandbox.aws.ec2_room import Ec2Room
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


class NetworkInterfaceAnswers(Ec2Room):
    def _interface(self, interface_id: str) -> Any:
        """Raises ApiError for an id that is malformed or unknown."""
        self.well_formed(interface_id, "eni", "InvalidNetworkInterfaceID")
        interface = self.store.enis.get(interface_id)
        if interface is None:
            raise ApiError(
                "InvalidNetworkInterfaceID.NotFound", f"The networkInterface ID '{interface_id}' does not exist"
            )
        return interface

    def describe_network_interfaces(self) -> ActionResult:
        self.dry_run()
        ids = self.given("NetworkInterfaceIds", [])
        asked = [self._interface(i) for i in ids] if ids else list(self.store.enis.values())
        found = chosen(asked, self.filters(), _FILTERS, lambda e: self.store.tags_of(e.id))
        return ActionResult({"NetworkInterfaces": found})

    def delete_network_interface(self) -> EmptyResult:
        interface = self._interface(self.given("NetworkInterfaceId"))
        of_endpoint = interface_lost(self.store, interface.id, self.now, really=False)
        if interface.status == "in-use" and not of_endpoint:
            raise ApiError("InvalidParameterValue", f"Network interface '{interface.id}' is currently in use.")
        self.dry_run()
        interface_lost(self.store, interface.id, self.now)
        self.store.delete_network_interface(interface.id)
        self.store.forget(interface.id)
        return EmptyResult()

    def modify_network_interface_attribute(self) -> Any:
        interface = self._interface(self.given("NetworkInterfaceId"))
        if interface.requester_managed:
            # Assumption: the code; that interfaces of services cannot be changed is documented.
            raise ApiError(
                "OperationNotPermitted", f"You are not allowed to manage the network interface {interface.id}."
            )
        self.dry_run()
        return EC2Response.modify_network_interface_attribute(self)  # type: ignore[arg-type]
