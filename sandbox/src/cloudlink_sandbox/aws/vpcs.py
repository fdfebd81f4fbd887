"""VPCs and network ACLs: what moto takes without looking, looked at first."""

from __future__ import annotations

import copy
from ipaddress import IPv4Network
from typing import Any

from moto.core.responses import ActionResult

from cloudlink_sandbox.aws.backend import ranges_of
from cloudlink_sandbox.aws.ec2_base import Ec2Base
from cloudlink_sandbox.aws.errors import ApiError

MOST_BLOCKS = 5
"""Of a VPC. https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html"""


def associate_vpc_cidr_block(call: Ec2Base) -> Any:
    """Another range of a VPC, between /16 and /28, apart from those it has."""
    vpc, text = call.store.get_vpc(call.given("VpcId")), call.given("CidrBlock")
    if not text:
        raise ApiError("InvalidParameterValue", "Only IPv4 ranges given by CidrBlock are modelled by the sandbox.")
    try:
        block = IPv4Network(text)
    except ValueError:
        raise ApiError("InvalidParameterValue", f"Value ({text}) for parameter cidrBlock is invalid.") from None
    if not 16 <= block.prefixlen <= 28:
        raise ApiError("InvalidVpc.Range", f"The CIDR '{text}' is invalid.")
    there = ranges_of(vpc)
    if any(block.overlaps(other) for other in there):
        raise ApiError("CidrConflict", f"The CIDR '{text}' conflicts with another range of {vpc.id}.")
    if len(there) >= MOST_BLOCKS:
        raise ApiError("CidrLimitExceeded", f"This network '{vpc.id}' has met its maximum number of allowed CIDRs.")
    call.dry_run()
    return call.by_moto()


def create_vpc(call: Ec2Base) -> Any:
    """Its state is pending in this answer, and available at the next read."""
    call.dry_run()
    answer = call.by_moto()
    shown = copy.copy(answer.result["Vpc"])
    shown.state = "pending"
    return ActionResult({"Vpc": shown})


def describe_account_attributes(call: Ec2Base) -> Any:
    """All of them, or those that are named. Raises ApiError for one that there is not."""
    there = call.by_moto().result["AccountAttributes"]
    wanted = call.given("AttributeNames", [])
    if unknown := set(wanted) - {a["AttributeName"] for a in there}:
        raise ApiError("InvalidParameterValue", f"Value ({min(unknown)}) for parameter attributeName is invalid.")
    return ActionResult({"AccountAttributes": [a for a in there if not wanted or a["AttributeName"] in wanted]})


def create_subnet(call: Ec2Base) -> Any:
    if not call.given("CidrBlock"):
        raise ApiError("MissingParameter", "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided.")
    return call.by_moto()


def delete_subnet(call: Ec2Base) -> Any:
    """Refused while an interface, such as a Resolver endpoint's, is in it."""
    wanted = call.given("SubnetId")
    if any(interface.subnet.id == wanted for interface in call.store.enis.values()):
        raise ApiError("DependencyViolation", f"The subnet '{wanted}' has dependencies and cannot be deleted.")
    return call.by_moto()


def replace_network_acl_association(call: Ec2Base) -> Any:
    wanted = call.given("AssociationId")
    known = {a.id for acl in call.store.network_acls.values() for a in acl.associations}
    if wanted not in known:
        raise ApiError("InvalidAssociationID.NotFound", f"The association ID '{wanted}' does not exist")
    call.store.get_network_acl(call.given("NetworkAclId"))
    call.dry_run()
    return call.by_moto()


def _check_entry(call: Ec2Base) -> None:
    """Raises ApiError for an entry that the ACL does not have."""
    acl = call.store.get_network_acl(call.given("NetworkAclId"))
    number, leaving = int(call.given("RuleNumber")), bool(call.given("Egress"))
    if (number, leaving) not in {(int(e.rule_number), bool(e.egress)) for e in acl.network_acl_entries}:
        raise ApiError("InvalidNetworkAclEntry.NotFound", f"There is no entry {number} in {acl.id}.")
    call.dry_run()


def delete_network_acl_entry(call: Ec2Base) -> Any:
    _check_entry(call)
    return call.by_moto()


def replace_network_acl_entry(call: Ec2Base) -> Any:
    _check_entry(call)
    return call.by_moto()
