"""A customer gateway for each public IP of Azure's gateway."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import ClassVar

from cloudlink.clouds.aws import cached
from cloudlink.clouds.aws.client import AwsObject, value_in
from cloudlink.clouds.aws.tags import name_for, tag_specification
from cloudlink.clouds.malformed import parsing
from cloudlink.clouds.ownership import Claim, from_aws, owner_of
from cloudlink.core.resource import Node, Outputs, Started, Timing
from cloudlink.errors import ConflictError
from cloudlink.steps.aws_resource import AwsResource, Parsed
from cloudlink.steps.aws_vpn.connections import vpc_of_connection
from cloudlink.steps.aws_vpn.gateway import gateway_phase
from cloudlink.steps.outputs import CustomerGateway, PublicIp


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
    timing: ClassVar[Timing] = Timing(create=5, delete=5)
    immutable: ClassVar[frozenset[str]] = frozenset({"address", "asn"})
    key: ClassVar[str] = "CustomerGatewayId"
    kind: ClassVar[str] = "AWS's customer gateways"
    stale: ClassVar[tuple[str, ...]] = (cached.CUSTOMER_GATEWAYS,)

    def spec(self, outputs: Outputs) -> CustomerGatewaySpec:
        return CustomerGatewaySpec(outputs[self.public_ip].address, self.link.azure.asn)

    def listed(self, *, fresh: bool) -> Iterable[AwsObject]:
        return self.aws.customer_gateways(fresh=fresh)

    def parse(self, item: AwsObject, *, fresh: bool) -> Parsed:
        asn = int(item.get("BgpAsnExtended") or item.get("BgpAsn") or 0)
        spec = CustomerGatewaySpec(IPv4Address(item["IpAddress"]), asn)
        out = CustomerGateway(item["CustomerGatewayId"])
        return Parsed(out.id, gateway_phase(item["State"]), spec, out, item["State"])

    def vpc_of(self, item: AwsObject) -> str:
        """The VPC of a connection that uses it; empty: there is none."""
        number = item["CustomerGatewayId"]
        users = [c for c in self.aws.vpn_connections() if c.get("CustomerGatewayId") == number]
        users.sort(key=lambda c: c.get("State") == "deleted")
        return next((vpc for c in users if (vpc := vpc_of_connection(self.aws, c))), "")

    def create(self, spec: CustomerGatewaySpec) -> Started:
        """AWS gives back an existing gateway of the same address, ASN and device name, even a foreign one: the device
        name makes ours unlike any other, and what comes back without our tags is refused with ConflictError."""
        name = name_for(self.link.name, f"azure-{self.number + 1}")
        wide = spec.asn > 2**31 - 1  # BgpAsn is signed
        try:
            made = self.aws.ec2.create_customer_gateway(
                Type="ipsec.1",
                IpAddress=str(spec.address),
                DeviceName=name,
                **({"BgpAsnExtended": spec.asn} if wide else {"BgpAsn": spec.asn}),
                TagSpecifications=tag_specification("customer-gateway", owner_of(self.link), self.address, name),
            )
        finally:
            self.aws.cache.invalidate(cached.CUSTOMER_GATEWAYS)
        id_ = str(value_in(made, "CustomerGateway", "CustomerGatewayId"))
        with parsing(self.kind):
            claim = owner_of(self.link).claim(from_aws(made["CustomerGateway"].get("Tags")), self.address)
        if claim is not Claim.OURS:
            raise ConflictError(
                "A customer gateway of the same address exists without cloudlink's tags",
                f"AWS answered with {id_}, which somebody else made for {spec.address}.",
                "Delete it if nothing uses it, then run the command again.",
                resource=self.address,
            )
        return Started(id_)

    def remove(self, id_: str) -> None:
        self.aws.ec2.delete_customer_gateway(CustomerGatewayId=id_)
