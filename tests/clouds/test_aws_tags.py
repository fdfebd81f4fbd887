"""Whose an object of EC2 is: its tags say so, and no state makes somebody else's ours."""

from __future__ import annotations

import pytest

from cloudlink.clouds.aws.parse_ec2 import Ec2Object
from cloudlink.clouds.aws.tags import find_owned, foreign_object, without_our_tags
from cloudlink.clouds.ownership import Owner
from cloudlink.core.resource import Ownership, Receipt

OWNER = Owner("demo", "vpc-1", "sub/group/vnet")
ADDRESS = "aws_vpn.gateway"
NAMED = {"cloudlink-link": "demo", "cloudlink-resource": ADDRESS}


def item(id_: str, tags: dict[str, str], state: str = "available") -> Ec2Object:
    return Ec2Object(id_, state, tags, {})


def receipt(id_: str) -> Receipt:
    return Receipt(ADDRESS, id_, "ready", "", Ownership.OWNED, 0.0)


def found(*objects: Ec2Object, known: str, vpc: str = "") -> str | None:
    ours = find_owned(
        objects, owner=OWNER, address=ADDRESS, receipt=receipt(known), region="eu-central-1", vpc_of=lambda _: vpc
    )
    return ours.id if ours else None


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"Name": "theirs"},
        {"cloudlink-link": "demo"},
        {"cloudlink-resource": ADDRESS},
        {**NAMED, "cloudlink-link": "demo-2"},
        {**NAMED, "cloudlink-resource": "aws_vpn.customer_gateway[0]"},
    ],
)
def test_a_receipt_alone_makes_nothing_ours(tags: dict[str, str]) -> None:
    theirs = item("vgw-1", tags)
    assert found(theirs, known="vgw-1") is None
    assert without_our_tags([theirs], OWNER, ADDRESS, receipt("vgw-1")) is theirs
    error = foreign_object(theirs, OWNER, ADDRESS, "eu-central-1")
    assert "vgw-1" in error.detail and all(f"{k}={v}" in error.detail for k, v in tags.items() if k in NAMED)
    for key, value in OWNER.tags(ADDRESS).items():
        assert f"Key={key},Value={value}" in str(error.hint)
    assert "--resources vgw-1" in str(error.hint)


def test_what_has_our_tags_is_ours_whatever_the_receipt_names() -> None:
    ours, theirs = item("vgw-2", OWNER.tags(ADDRESS)), item("vgw-1", {})
    assert found(theirs, ours, known="vgw-1") == "vgw-2"
    assert without_our_tags([ours], OWNER, ADDRESS, receipt("vgw-2")) is None
    assert without_our_tags([ours, theirs], OWNER, ADDRESS, None) is None


def test_of_an_object_that_does_not_say_its_place_the_receipt_says_that_it_is_ours() -> None:
    assert found(item("vgw-1", NAMED), known="vgw-1") == "vgw-1"


def test_what_is_being_deleted_is_waited_for_also_when_its_tags_have_gone_first() -> None:
    assert found(item("vgw-1", {}, "deleting"), known="vgw-1") == "vgw-1"
    assert found(item("vgw-1", {}, "deleting"), known="vgw-9") is None
    for state in ("deleting", "deleted"):
        assert without_our_tags([item("vgw-1", {}, state)], OWNER, ADDRESS, receipt("vgw-1")) is None
