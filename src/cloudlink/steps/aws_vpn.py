"""AWS's half of the tunnels: a virtual private gateway on the VPC, two customer gateways, two VPN connections, and
the routes that the tunnels teach.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any, ClassVar

from cloudlink.clouds import aws as cloud
from cloudlink.clouds.aws import Aws, AwsObject
from cloudlink.clouds.aws_ours import is_unmarked, name_for, ours, tag_specification
from cloudlink.clouds.ownership import Claim, from_aws, owner_of
from cloudlink.core.resource import (
    Found,
    Given,
    Lookup,
    Node,
    Ownership,
    Receipts,
    Resource,
    Started,
    Usual,
)
from cloudlink.errors import CloudError, ConflictError, MissingError
from cloudlink.link import Link
from cloudlink.steps.aws_connections import Connection, vpc_of_connection
from cloudlink.steps.aws_gateway import AdoptedGateway, Attachment, Gateway, gateway_phase
from cloudlink.steps.aws_routes import RoutePropagation, RouteTables
from cloudlink.steps.outputs import CustomerGateway, EksCluster, PublicIp, VpnGateway


class AwsVpn:
    """What cloudlink makes in AWS for the tunnels. public_ips: of the two instances of Azure's gateway, in order."""

    title = "AWS VPN"

    def __init__(self, link: Link, aws: Aws, public_ips: tuple[Node[PublicIp], Node[PublicIp]]) -> None:
        self.cluster = Cluster(address="aws_vpn.cluster", title="EKS cluster", link=link, aws=aws)
        self.gateway: Node[VpnGateway] = (
            Gateway(address="aws_vpn.gateway", title="virtual private gateway", link=link, aws=aws)
            if link.aws.adopt_gateway is None
            else AdoptedGateway(address="aws_vpn.gateway", title="virtual private gateway", link=link, aws=aws)
        )
        self.attachment = Attachment(
            address="aws_vpn.attachment", title="attachment to the VPC", link=link, aws=aws, gateway=self.gateway
        )
        self.customer_gateways = tuple(
            CustomerGatewayResource(
                address=f"aws_vpn.customer_gateway[{i}]",
                title=f"customer gateway {i + 1}",
                link=link,
                aws=aws,
                public_ip=public_ip,
                number=i,
            )
            for i, public_ip in enumerate(public_ips)
        )
        first, second = (
            Connection(
                address=f"aws_vpn.connection[{i}]",
                title=f"VPN connection {i + 1}",
                link=link,
                aws=aws,
                gateway=self.gateway,
                customer_gateway=customer_gateway,
                vpn=i,
            )
            for i, customer_gateway in enumerate(self.customer_gateways)
        )
        self.connections: tuple[Node[Any], Node[Any]] = (first, second)
        self.route_tables = RouteTables(
            address="aws_vpn.route_tables", title="route tables", link=link, aws=aws, cluster=self.cluster
        )
        self.propagation = RoutePropagation(
            address="aws_vpn.route_propagation",
            title="route propagation",
            link=link,
            aws=aws,
            gateway=self.gateway,
            attachment=self.attachment,
            tables=self.route_tables,
        )

    def nodes(self) -> tuple[Node[Any], ...]:
        return (
            self.cluster,
            self.gateway,
            self.attachment,
            *self.customer_gateways,
            *self.connections,
            self.route_tables,
            self.propagation,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Cluster(Lookup[EksCluster]):
    link: Link
    aws: Aws

    def look(self, given: Given) -> EksCluster:
        """Raises MissingError for a cluster that is not there, CloudError for one in another VPC or not running."""
        side = self.link.aws
        found = self.aws.eks_cluster(side.eks_cluster)
        if found is None:
            raise MissingError(
                "The EKS cluster does not exist",
                f"There is no cluster {side.eks_cluster} in {side.region}.",
                f"List them with: aws eks list-clusters --region {side.region}",
                resource=self.address,
            )
        network = found["resourcesVpcConfig"]
        if network["vpcId"] != side.vpc_id:
            raise CloudError(
                "The EKS cluster is in another VPC",
                f"{side.eks_cluster} is in {network['vpcId']}, but aws.vpc is {side.vpc_id}.",
                f'Set aws.vpc to "{network["vpcId"]}", or name another cluster.',
                resource=self.address,
            )
        if found["status"] not in ("ACTIVE", "UPDATING"):
            raise CloudError(
                "The EKS cluster is not running",
                f"{side.eks_cluster} is {found['status']}.",
                "Wait until it is ACTIVE, then run the command again.",
                resource=self.address,
            )
        services = found.get("kubernetesNetworkConfig", {}).get("serviceIpv4Cidr")
        return EksCluster(
            name=side.eks_cluster,
            vpc_id=network["vpcId"],
            subnets=tuple(network["subnetIds"]),
            service_cidr=IPv4Network(services) if services else None,
            endpoint=found["endpoint"],
            ca=found["certificateAuthority"]["data"],
            version=found["version"],
        )


# --- customer gateways --------------------------------------------------------------------------------------


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
    usual: ClassVar[Usual] = Usual(create=5, delete=5)
    immutable: ClassVar[frozenset[str]] = frozenset({"address", "asn"})

    def spec(self, given: Given) -> CustomerGatewaySpec:
        return CustomerGatewaySpec(given[self.public_ip].address, self.link.azure.asn)

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Found[CustomerGatewaySpec, CustomerGateway] | None:
        found = ours(
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
        return Found(out.id, gateway_phase(found["State"]), spec, out, Ownership.OWNED, found["State"], unmarked)

    def _vpc_of(self, customer_gateway: AwsObject) -> str:
        """The VPC of a connection that uses it; empty: there is none."""
        number = customer_gateway["CustomerGatewayId"]
        users = [c for c in self.aws.vpn_connections() if c.get("CustomerGatewayId") == number]
        users.sort(key=lambda c: c.get("State") == "deleted")
        return next((vpc for c in users if (vpc := vpc_of_connection(self.aws, c))), "")

    def complete_marks(self, found: Found[CustomerGatewaySpec, CustomerGateway]) -> Started:
        self.aws.mark(found.id, owner_of(self.link))
        return Started(found.id)

    def create(self, spec: CustomerGatewaySpec) -> Started:
        """AWS gives back an existing gateway of the same address, ASN and device name, even a stranger's: the device
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
            self.aws.reads.wrote(cloud.CUSTOMER_GATEWAYS)
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
        found: Found[CustomerGatewaySpec, CustomerGateway],
        spec: CustomerGatewaySpec,
    ) -> Started:
        raise AssertionError("a customer gateway cannot be changed")

    def delete(self, found: Found[CustomerGatewaySpec, CustomerGateway], before: Any) -> Started | None:
        try:
            self.aws.ec2.delete_customer_gateway(CustomerGatewayId=found.id)
        except Exception as error:
            if self.aws.missing(error):
                return None
            raise
        finally:
            self.aws.reads.wrote(cloud.CUSTOMER_GATEWAYS)
        return Started(found.id)
