"""Which IAM actions a call needs: its own, and those that a service asks for on the caller's behalf.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonroute53resolver.html (dependent actions)
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/supported-iam-actions-tagging.html
"""

from __future__ import annotations

from collections.abc import Iterator

NO_PERMISSION = ("sts:GetCallerIdentity", "sts:GetSessionToken")
"""https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html: no permissions are required."""

DEPENDENT = {
    "route53resolver:CreateResolverEndpoint": (
        "ec2:CreateNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVpcs",
    ),
    "route53resolver:DeleteResolverEndpoint": ("ec2:DeleteNetworkInterface",),
    "route53resolver:AssociateResolverEndpointIpAddress": (
        "ec2:CreateNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
    ),
    "route53resolver:DisassociateResolverEndpointIpAddress": ("ec2:DeleteNetworkInterface",),
    "route53:CreateHostedZone": ("ec2:DescribeVpcs",),
    "route53:AssociateVPCWithHostedZone": ("ec2:DescribeVpcs",),
    "route53:ListHostedZonesByVPC": ("ec2:DescribeVpcs",),
}
TAGGED_BY = {
    "ec2": "ec2:CreateTags",
    "route53resolver": "route53resolver:TagResource",
    "logs": "logs:TagResource",
}
LOGS_OF_TUNNELS = (
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
)
"""Needed to switch on the logs of a tunnel: https://docs.aws.amazon.com/vpn/latest/s2svpn/monitoring-logs.html"""


def needed(service: str, operation: str, *, tags: bool, logs: bool = False) -> Iterator[str]:
    """tags: whether a create carries tags. logs: whether it switches on the logs of a tunnel."""
    action = f"{service}:{operation}"
    if action in NO_PERMISSION:
        return
    yield action
    if tags and operation.startswith("Create") and service in TAGGED_BY:
        yield TAGGED_BY[service]
    yield from DEPENDENT.get(action, ())
    if logs and service == "ec2":
        yield from LOGS_OF_TUNNELS
