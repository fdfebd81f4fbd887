"""A customer gateway for each public IP of Azure's gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from typing import ClassVar

from cloudlink.clouds.aws import parse_connections, parse_gateways, requests, vpn
from cloudlink.clouds.aws.parse_ec2 import Ec2Object
from cloudlink.clouds.aws.requests import Request
from cloudlink.clouds.aws.tags import Mark, added_addresses
from cloudlink.clouds.ownership import Claim, owner_of
from cloudlink.core.permissions import Permissions
from cloudlink.core.resource import Node, Observed, Outputs, Ownership, Phase, Started, Timing
from cloudlink.errors import ConflictError
from cloudlink.steps.aws_resource import AwsResource, Parsed, gateway_phase
from cloudlink.steps.aws_vpn.connections import vpc_of_connection
from cloudlink.steps.outputs import CustomerGateway, PublicIp
from cloudlink.steps.permissions import TAG, Existing, iam

NOBODYS = IPv4Address("192.0.2.1")


@dataclass(frozen=True)
class CustomerGatewaySpec:
    """What AWS knows of one instance of Azure's gateway."""

    address: IPv4Address
    asn: int


@dataclass(frozen=True, kw_only=True, eq=False)
class CustomerGatewayResource(AwsResource[CustomerGatewaySpec, CustomerGateway]):
    """One instance of Azure's gateway in AWS's words.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateCustomerGateway.html
    """

    public_ip: Node[PublicIp]
    number: int
    to_add: Callable[[], frozenset[IPv4Address]] = frozenset
    """Reads which addresses cloudlink is going to add to an Azure gateway of somebody else's: the tags keep them for a run
    that has lost the state file."""
    timing: ClassVar[Timing] = Timing(create=5, delete=5)
    immutable: ClassVar[frozenset[str]] = frozenset({"address", "asn"})
    permissions: ClassVar[Permissions] = Permissions(
        read=(iam("ec2:DescribeCustomerGateways"),),
        create=(iam("ec2:CreateCustomerGateway", "customer-gateway"), TAG),
        delete=(iam("ec2:DeleteCustomerGateway", "customer-gateway"),),
        marks=(TAG,),
    )

    def spec(self, outputs: Outputs) -> CustomerGatewaySpec:
        return CustomerGatewaySpec(outputs[self.public_ip].address, self.link.azure.asn)

    def listed(self, *, fresh: bool) -> Iterable[Ec2Object]:
        return parse_gateways.customer_gateways(self.aws.customer_gateways(fresh=fresh))

    def parse(self, item: Ec2Object, *, fresh: bool) -> Parsed:
        found = parse_gateways.customer_gateway(item.answer)
        spec = CustomerGatewaySpec(found.address, found.asn)
        return Parsed(gateway_phase(found.state), spec, CustomerGateway(found.id, found.added), found.state)

    def vpc_of(self, item: Ec2Object) -> str:
        """The VPC of a connection that uses it; empty: there is none."""
        connections = parse_connections.vpn_connections(self.aws.vpn_connections())
        users = [c for c in connections if c.customer_gateway == item.id]
        users.sort(key=lambda c: c.state == "deleted")
        return next((vpc for c in users if (vpc := vpc_of_connection(self.aws, c))), "")

    def create(self, spec: CustomerGatewaySpec) -> Started:
        """AWS gives back an existing gateway of the same address, ASN and device name, even a foreign one: the device
        name makes ours unlike any other, and what comes back without our tags is refused with ConflictError."""
        added = self.to_add()
        mark = replace(self._mark, more=(added_addresses(added),)) if added else self._mark
        made = vpn.create_customer_gateway(self.aws, spec.address, spec.asn, mark)
        if owner_of(self.link).claim(made.tags, self.address) is not Claim.OURS:
            raise ConflictError(
                "A customer gateway of the same address exists without cloudlink's tags",
                f"AWS answered with {made.id}, which somebody else made for {spec.address}.",
                "Delete it if nothing uses it, then run the command again.",
                resource=self.address,
            )
        shown = self.parse(made, fresh=True)
        if shown.phase is not Phase.READY:
            return Started(made.id)
        lacking = owner_of(self.link).lacking(made.tags)
        there = Observed(
            made.id, shown.phase, shown.spec, shown.outputs, Ownership.OWNED, shown.detail, lacking=lacking
        )
        return Started(made.id, made=there)

    @property
    def _mark(self) -> Mark:
        return self.mark(f"azure-{self.number + 1}")

    def remove(self, id_: str) -> None:
        vpn.delete_customer_gateway(self.aws, id_)

    def creation(self, existing: Existing) -> Request:
        """With an address of nobody's in place of Azure's, which is not known yet and on which no permission depends."""
        return requests.create_customer_gateway(NOBODYS, self.link.azure.asn, self._mark)

    def removal(self, id_: str) -> Request:
        return requests.delete_customer_gateway(id_)
