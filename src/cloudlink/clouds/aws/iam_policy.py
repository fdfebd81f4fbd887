"""An identity-based policy of IAM that allows a link's actions, and these on the link's objects where IAM can tell them.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html (which actions see a tag)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from cloudlink.clouds.aws.logs import PREFIX
from cloudlink.clouds.ownership import LINK_TAG

# Of each the one object that is concerned carries our tags.
_TAGGED = (
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:DeleteCustomerGateway",
    "ec2:DeleteSecurityGroup",
    "ec2:DeleteTransitGateway",
    "ec2:DeleteTransitGatewayVpcAttachment",
    "ec2:DeleteVpnConnection",
    "ec2:DeleteVpnGateway",
    "ec2:ModifyVpnTunnelOptions",
    "ec2:ReplaceVpnTunnel",
    "ec2:RevokeSecurityGroupIngress",
    "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
)
_ZONE = (
    "route53:AssociateVPCWithHostedZone",
    "route53:ChangeResourceRecordSets",
    "route53:ChangeTagsForResource",
    "route53:DeleteHostedZone",
    "route53:GetHostedZone",
    "route53:ListResourceRecordSets",
    "route53:ListTagsForResource",
)
_CHANGE = "route53:GetChange"
_STATE = ("s3:DeleteObject", "s3:GetObject", "s3:PutObject")
_LIST = "s3:ListBucket"  # else S3 answers 403 where there is no object yet
_LOG_GROUP = (
    "logs:CreateLogGroup",
    "logs:DeleteLogGroup",
    "logs:FilterLogEvents",
    "logs:ListTagsForResource",
    "logs:PutRetentionPolicy",
    "logs:TagResource",
)
_GLOBAL = ("route53:", "iam:", "cloudtrail:")  # CloudTrail's events of Route 53 lie in the first region


_PARTITIONS = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("eusc-", "aws-eusc"),
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
    ("us-iso-", "aws-iso"),
    ("eu-isoe-", "aws-iso-e"),
)  # by how the names of their regions begin


def iam_policy(
    actions: Iterable[str],
    *,
    link: str,
    region: str,
    zone_ids: Sequence[str | None],
    state: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """zone_ids: of adopted zones; None among them: the id of one that is made is not known before. state: bucket and key of an
    object of S3, beside which its lock lies; the bucket may be in another region."""
    named = list(actions)
    partition = next((name for start, name in _PARTITIONS if region.startswith(start)), "aws")
    in_region = {"StringEquals": {"aws:RequestedRegion": region}}
    tagged = {"StringEquals": {f"aws:ResourceTag/{LINK_TAG}": link}}
    known = sorted({id_ for id_ in zone_ids if id_ is not None}) if None not in zone_ids else []
    arns = [f"arn:{partition}:route53:::hostedzone/{id_}" for id_ in known or ["*"]]
    log_group = f"arn:{partition}:logs:{region}:*:log-group:{PREFIX}{link}*"  # with its streams
    elsewhere = (*_TAGGED, *_LOG_GROUP, *_STATE, _LIST)
    bucket, key = state or ("", "")
    objects = [f"arn:{partition}:s3:::{bucket}/{key}{end}" for end in ("", ".lock")]
    parts = [
        ("InTheRegion", [a for a in named if not a.startswith(_GLOBAL) and a not in elsewhere], "*", in_region),
        ("ObjectsOfTheLink", [a for a in named if a in _TAGGED], "*", tagged),
        ("TheLogGroup", [a for a in named if a in _LOG_GROUP], log_group, None),
        ("TheZone", [a for a in named if a in _ZONE], arns[0] if len(arns) == 1 else arns, None),
        ("TheState", [a for a in named if a in _STATE], objects, None),
        ("TheStatesBucket", [a for a in named if a == _LIST], f"arn:{partition}:s3:::{bucket}", None),
        ("ChangesOfZones", [a for a in named if a == _CHANGE], f"arn:{partition}:route53:::change/*", None),
        ("Everywhere", [a for a in named if a.startswith(_GLOBAL) and a not in (*_ZONE, _CHANGE)], "*", None),
    ]
    statements = [
        {"Sid": sid, "Effect": "Allow", "Action": some, "Resource": on, **({"Condition": when} if when else {})}
        for sid, some, on, when in parts
        if some
    ]
    return {"Version": "2012-10-17", "Statement": statements}
