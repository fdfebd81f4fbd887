"""VPCs and network ACLs: what moto takes without looking, looked at first."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from moto.ec2.responses import EC2Response

from cloudlink_sandbox.aws.backend import ranges_of
from cloudlink_sandbox.aws.ec2_room import Ec2Room
from cloudlink_sandbox.aws.refusal import Refusal

MOST_BLOCKS = 5
"""Of a VPC. https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html"""


class VpcAnswers(Ec2Room):
    def associate_vpc_cidr_block(self) -> Any:
        """Another range of a VPC, between /16 and /28, apart from those it has."""
        vpc, text = self.store.get_vpc(self.given("VpcId")), self.given("CidrBlock")
        if not text:
            raise Refusal("InvalidParameterValue", "Only IPv4 ranges given by CidrBlock are modelled by the sandbox.")
        try:
            block = IPv4Network(text)
        except ValueError:
            raise Refusal("InvalidParameterValue", f"Value ({text}) for parameter cidrBlock is invalid.") from None
        if not 16 <= block.prefixlen <= 28:
            raise Refusal("InvalidVpc.Range", f"The CIDR '{text}' is invalid.")
        there = ranges_of(vpc)
        if any(block.overlaps(other) for other in there):
            raise Refusal("CidrConflict", f"The CIDR '{text}' conflicts with another range of {vpc.id}.")
        if len(there) >= MOST_BLOCKS:
            raise Refusal("CidrLimitExceeded", f"This network '{vpc.id}' has met its maximum number of allowed CIDRs.")
        self.dry_run()
        return EC2Response.associate_vpc_cidr_block(self)  # type: ignore[arg-type]

    def create_subnet(self) -> Any:
        if not self.given("CidrBlock"):
            raise Refusal("MissingParameter", "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided.")
        self.dry_run()
        return EC2Response.create_subnet(self)  # type: ignore[arg-type]

    def replace_network_acl_association(self) -> Any:
        wanted = self.given("AssociationId")
        known = {a.id for acl in self.store.network_acls.values() for a in acl.associations}
        if wanted not in known:
            raise Refusal("InvalidAssociationID.NotFound", f"The association ID '{wanted}' does not exist")
        self.store.get_network_acl(self.given("NetworkAclId"))
        self.dry_run()
        return EC2Response.replace_network_acl_association(self)  # type: ignore[arg-type]

    def _check_entry(self) -> None:
        """Raises Refusal for an entry that the ACL does not have."""
        acl = self.store.get_network_acl(self.given("NetworkAclId"))
        number, leaving = int(self.given("RuleNumber")), bool(self.given("Egress"))
        if (number, leaving) not in {(int(e.rule_number), bool(e.egress)) for e in acl.network_acl_entries}:
            raise Refusal("InvalidNetworkAclEntry.NotFound", f"There is no entry {number} in {acl.id}.")
        self.dry_run()

    def delete_network_acl_entry(self) -> Any:
        self._check_entry()
        return EC2Response.delete_network_acl_entry(self)  # type: ignore[arg-type]

    def replace_network_acl_entry(self) -> Any:
        self._check_entry()
        return EC2Response.replace_network_acl_entry(self)  # type: ignore[arg-type]
