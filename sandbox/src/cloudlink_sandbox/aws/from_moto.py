"""The operations that are moto's own answers: looked at one by one, and good enough. All its others are refused.

moto accepts much that AWS refuses, and forgets parameters without a word; an operation that nobody has looked at would
be taken for AWS.
"""

from __future__ import annotations

EC2 = frozenset([
    "DeleteVpc", "DescribeVpcAttribute", "ModifyVpcAttribute", "DisassociateVpcCidrBlock",
    "ModifySubnetAttribute",
    "CreateRouteTable", "AssociateRouteTable", "DisassociateRouteTable", "ReplaceRouteTableAssociation", "DeleteRoute",
    "CreateNetworkAcl", "DeleteNetworkAcl", "DescribeNetworkAcls", "CreateNetworkAclEntry",
    "DescribeSecurityGroupRules", "RevokeSecurityGroupIngress", "RevokeSecurityGroupEgress",
    "UpdateSecurityGroupRuleDescriptionsIngress", "UpdateSecurityGroupRuleDescriptionsEgress",
    "CreateNetworkInterface", "DescribeNetworkInterfaceAttribute",
    "CreateInternetGateway", "AttachInternetGateway", "DetachInternetGateway", "DeleteInternetGateway",
    "DescribeInternetGateways",
    "DescribeAddresses", "DescribeAvailabilityZones", "DescribeDhcpOptions",
    "DescribeInstances", "DescribeNatGateways", "DescribePrefixLists", "DescribeVpcEndpoints",
    "DescribeVpcPeeringConnections",
])  # fmt: skip

LOAD_BALANCERS = frozenset([
    "DescribeCapacityReservation", "DescribeListeners", "DescribeListenerAttributes",
    "DescribeRules",
    "CreateTargetGroup", "DescribeTargetGroups", "ModifyTargetGroup",
    "DescribeTargetGroupAttributes", "ModifyTargetGroupAttributes", "RegisterTargets", "DeregisterTargets",
    "DescribeTargetHealth",
    "AddTags", "RemoveTags", "DescribeTags", "DescribeAccountLimits", "DescribeSSLPolicies",
])  # fmt: skip

RESOLVER = frozenset(["ListTagsForResource", "TagResource", "UntagResource"])
