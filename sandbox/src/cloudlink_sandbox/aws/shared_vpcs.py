"""A VPC that another account owns and shares: who takes part sees it, and may not change it.

https://docs.aws.amazon.com/vpc/latest/userguide/vpc-sharing.html
"""

from __future__ import annotations

from typing import Any

from moto.ec2.models.vpcs import VPC

from cloudlink_sandbox.aws.errors import ApiError


class SharedVpc(VPC):
    """moto's, with an owner of its own."""

    owner = ""

    @property
    def owner_id(self) -> str:
        return self.owner


def share(vpc: Any, owner: str) -> None:
    vpc.__class__ = SharedVpc
    vpc.owner = owner


def check_owner(vpc: VPC, principal: str, action: str, region: str) -> None:
    """Raises ApiError for what only the owner may do. Assumption: the code; AWS documents the rule only."""
    if isinstance(vpc, SharedVpc):
        raise ApiError(
            "UnauthorizedOperation",
            f"You are not authorized to perform this operation. User: {principal} is not authorized to perform: "
            f"ec2:{action} on resource: arn:aws:ec2:{region}:{vpc.owner}:vpc/{vpc.id} because no resource-based policy "
            f"allows the ec2:{action} action",
            403,
        )
