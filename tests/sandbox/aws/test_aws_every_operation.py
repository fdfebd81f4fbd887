"""Every operation of the services there are: answered, or refused in AWS's words."""

from __future__ import annotations

from typing import Any

import pytest
from aws_account import VPC, Account
from botocore import xform_name
from botocore.exceptions import ClientError

from cloudlink_sandbox.aws.ec2 import Ec2Handlers

NOT_MODELLED = {"InvalidAction", "UnknownOperationException"}
# One of each service that moto would answer and nobody has looked at.
REFUSED = {
    "ec2": (
        "CreateFleet",
        "RunInstances",
        "AllocateAddress",
        "CreateVpcEndpoint",
        "CreateNatGateway",
        "CreateFlowLogs",
    ),
    "elbv2": ("ModifyRule", "SetSubnets", "SetIpAddressType"),
    "route53resolver": ("CreateResolverQueryLogConfig", "UpdateResolverDnssecConfig"),
}

STREAMS = ("StartLiveTail", "GetLogObject")  # of hosts of their own


def made_up(shape: Any, name: str = "") -> Any:
    """The least that botocore lets through."""
    match shape.type_name:
        case "structure":
            one_of = list(shape.members)[:1] if getattr(shape, "is_tagged_union", False) else shape.required_members
            return {k: made_up(v, k) for k, v in shape.members.items() if k in one_of}
        case "list":
            return [made_up(shape.member, name)] * max(1, shape.metadata.get("min", 1))
        case "map":
            return {}
        case "integer" | "long":
            return max(1, shape.metadata.get("min", 1))
        case "float" | "double":
            return 1.0
        case "boolean":
            return False
        case "timestamp":
            return 0
        case "blob":
            return b"x"
    if shape.enum:
        return shape.enum[0]
    if name.lower().endswith("vpcid"):
        return VPC
    return "10.0.0.0/24" if "cidr" in name.lower() else "x" * max(1, shape.metadata.get("min", 1))


@pytest.mark.own(
    "What is not modelled is refused in the words of its protocol; nothing that is asked makes the sandbox stumble"
)
@pytest.mark.parametrize(
    "service", ["ec2", "elbv2", "route53", "route53resolver", "secretsmanager", "eks", "sts", "logs", "cloudtrail"]
)
def test_answered_or_refused(seeded: Account, service: str) -> None:
    client = seeded.client(service)
    codes: dict[str, str] = {}
    for operation in client.meta.service_model.operation_names:
        if operation in STREAMS:
            continue
        if service == "ec2" and not Ec2Handlers.answers(operation) and operation not in REFUSED["ec2"]:
            continue  # there are seven hundred of them
        shape = client.meta.service_model.operation_model(operation).input_shape
        try:
            getattr(client, xform_name(operation))(**(made_up(shape) if shape else {}))
            codes[operation] = ""
        except ClientError as error:
            codes[operation] = error.response["Error"]["Code"]
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] < 500, operation
    assert {codes[o] for o in REFUSED.get(service, ())} <= NOT_MODELLED
    assert any(not code for code in codes.values())
