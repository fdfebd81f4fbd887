"""A customer gateway for each public IP of Azure's gateway."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, ClassVar

from cloudlink.clouds.aws import cached
from cloudlink.clouds.aws.client import Aws, AwsObject
from cloudlink.clouds.aws.tags import find_owned, is_unmarked, lacking, name_for, tag_specification
from cloudlink.clouds.ownership import Claim, from_aws, owner_of
from cloudlink.core.resource import (
    Node,
    Observed,
    Outputs,
    Ownership,
    Phase,
    Receipts,
    Resource,
    Started,
    Timing,
)
from cloudlink.errors import ConflictError
from cloudlink.link import Link
from cloudlink.steps.aws_vpn.connections import vpc_of_connection
from cloudlink.steps.aws_vpn.gateway import gateway_phase
from cloudlink.steps.outputs import CustomerGateway, PublicIp


@dataclass(frozen=True)
class CustomerGatewaySpec:
    """What AWS knows of one instance of Azure's gateway."""

    address: IPv4Address
    asn: int


@dataclass(frozen=True, kw_only=True, eq=False)
class CustomerGatewayResource(Resource[CustomerGatewaySpec, CustomerGateway]):
    """One instance of Azure's gateway in AWS's words.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateCustomerGateway.html
    """

    link: Link
    aws: Aws
    public_ip: Node[PublicIp]
    number: int
    timing: ClassVar[Timing] = Timing(create=5, delete=5)
    immutable: ClassVar[frozenset[str]] = frozenset({"address", "asn"})

    def spec(self, outputs: Outputs) -> CustomerGatewaySpec:
        return CustomerGatewaySpec(outputs[self.public_ip].address, self.link.azure.asn)

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[CustomerGatewaySpec, CustomerGateway] | None:
        found = find_owned(
            self.aws.customer_gateways(fresh=fresh),
            key="CustomerGatewayId",
            owner=owner_of(self.link),
            address=self.address,
            receipt=receipts.of(self),
            region=self.link.aws.region,
            vpc_of=self._vpc_of,
        )
        if found is None:
            return None
        asn = int(found.get("BgpAsnExtended") or found.get("BgpAsn") or 0)
        spec = CustomerGatewaySpec(IPv4Address(found["IpAddress"]), asn)
        out = CustomerGateway(found["CustomerGatewayId"])
        unmarked = is_unmarked(found, owner_of(self.link))
        phase = gateway_phase(found["State"])
        more = lacking(found, owner_of(self.link)) if phase is Phase.READY else ()
        return Observed(out.id, phase, spec, out, Ownership.OWNED, found["State"], unmarked, more)

    def _vpc_of(self, customer_gateway: AwsObject) -> str:
        """The VPC of a connection that uses it; empty: there is none."""
        number = customer_gateway["CustomerGatewayId"]
        users = [c for c in self.aws.vpn_connections() if c.get("CustomerGatewayId") == number]
        users.sort(key=lambda c: c.get("State") == "deleted")
        return next((vpc for c in users if (vpc := vpc_of_connection(self.aws, c))), "")

    def complete_marks(self, found: Observed[CustomerGatewaySpec, CustomerGateway]) -> Started:
        self.aws.mark(found.id, owner_of(self.link))
        return Started(found.id)

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
            )["CustomerGateway"]
        finally:
            self.aws.cache.invalidate(cached.CUSTOMER_GATEWAYS)
        if owner_of(self.link).claim(from_aws(made.get("Tags")), self.address) is not Claim.OURS:
            raise ConflictError(
                "A customer gateway of the same address exists without cloudlink's tags",
                f"AWS answered with {made['CustomerGatewayId']}, which somebody else made for {spec.address}.",
                "Delete it if nothing uses it, then run the command again.",
                resource=self.address,
            )
        return Started(made["CustomerGatewayId"])

    def update(
        self,
        found: Observed[CustomerGatewaySpec, CustomerGateway],
        spec: CustomerGatewaySpec,
    ) -> Started:
        raise AssertionError("a customer gateway cannot be changed")

    def delete(self, found: Observed[CustomerGatewaySpec, CustomerGateway], prior_state: Any) -> Started | None:
        try:
            self.aws.ec2.delete_customer_gateway(CustomerGatewayId=found.id)
        except Exception as error:
            if self.aws.missing(error):
                return None
            raise
        finally:
            self.aws.cache.invalidate(cached.CUSTOMER_GATEWAYS)
        return Started(found.id)
