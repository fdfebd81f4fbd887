"""AWS's partitions, and endpoints of a kind that not every region has."""

from __future__ import annotations

import pytest
from botocore.exceptions import EndpointConnectionError

from cloudlink.checks.preflight.prices import aws_unpriced
from cloudlink.clouds.aws.errors import home_region, translate
from cloudlink.clouds.aws.iam_policy import iam_policy
from cloudlink.errors import NoContactError
from tests.support.links import make_link


@pytest.mark.parametrize(
    ("region", "home", "partition"),
    [
        ("eu-central-1", "us-east-1", "aws"),
        ("us-gov-east-1", "us-gov-west-1", "aws-us-gov"),
        ("cn-northwest-1", "cn-north-1", "aws-cn"),
        ("eusc-de-east-1", "eusc-de-east-1", "aws-eusc"),
        ("us-iso-west-1", "us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "us-isob-east-1", "aws-iso-b"),
    ],
)
def test_a_region_of_each_partition(region: str, home: str, partition: str) -> None:
    """Keys of one partition are wrong in another, and so are its ARNs and its prices."""
    assert home_region(region) == home
    policy = iam_policy(["route53:ListResourceRecordSets"], link="demo", region=region, zone_ids=["Z1"])
    assert policy["Statement"][0]["Resource"] == f"arn:{partition}:route53:::hostedzone/Z1"
    assert (aws_unpriced(make_link(aws={"region": region})) is None) is (partition == "aws")


@pytest.mark.parametrize(
    ("host", "variable"),
    [
        ("ec2-fips.eu-central-1.amazonaws.com", "AWS_USE_FIPS_ENDPOINT"),
        ("fips.eks.eu-central-1.amazonaws.com", "AWS_USE_FIPS_ENDPOINT"),
        ("route53resolver.eu-central-1.api.aws", "AWS_USE_DUALSTACK_ENDPOINT"),
        ("ec2.eu-central-1.amazonaws.com", ""),
    ],
)
def test_an_endpoint_of_a_kind_that_the_region_has_not(host: str, variable: str) -> None:
    """The variable is set for the whole company; the name simply does not exist."""
    error = EndpointConnectionError(endpoint_url=f"https://{host}/", error=OSError("Name or service not known"))
    found = translate(error)
    assert isinstance(found, NoContactError) and found.exit_code == 5
    assert (f"{variable}=false" in found.hint and host in found.detail) is bool(variable)
