"""Which of a list of EC2 objects is ours: by the receipt's id, else by our tags, never by a tag-filtered read.

A tag-filtered read lags behind what it describes; a recorded answer still said ``available`` in the second in which
a read by id said ``deleted``. So the whole list is read and matched here.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cloudlink.clouds import ownership
from cloudlink.clouds.ownership import Claim, Owner
from cloudlink.core.plan import FieldChange
from cloudlink.core.resource import Receipt
from cloudlink.errors import ConflictError

AwsObject = Mapping[str, Any]


def find_owned(
    objects: Iterable[AwsObject],
    *,
    key: str,
    owner: Owner,
    address: str,
    receipt: Receipt | None,
    region: str,
    state: Callable[[AwsObject], str] = lambda o: str(o.get("State", "available")),
    vpc_of: Callable[[AwsObject], str],
) -> AwsObject | None:
    """The object that is ``address`` of this link; one that is being deleted only when there is no other.

    key: the field that holds the id. vpc_of: the VPC that an object without a place in its tags serves; empty: nothing
    shows it. Raises ConflictError when two live objects carry our tags, or one is of a link of the same name elsewhere.
    """
    known = receipt.id if receipt is not None else ""
    live: list[AwsObject] = []
    going: list[AwsObject] = []
    for item in objects:
        tags = ownership.from_aws(item.get("Tags"))
        claim = owner.claim(tags, address)
        if claim is Claim.NONE and (not known or item[key] != known):
            continue
        match state(item):
            case "deleted":
                continue
            case "deleting" if claim is not Claim.ELSEWHERE:
                going.append(item)
            case "deleting":
                continue
            case _:
                _check_place(item, str(item[key]), tags, claim, owner, address, known, region, vpc_of)
                live.append(item)
    if len(live) > 1:
        names = " and ".join(sorted(str(item[key]) for item in live))
        raise ConflictError(
            "Two objects carry the same cloudlink tags",
            f"{names} are both marked as {address} of the link {owner.link}, so cloudlink cannot tell which one is in use.",
            f"Delete the one that is not needed, or remove its tag {ownership.LINK_TAG}, then run the command again.",
            resource=address,
        )
    return next(iter(live or going), None)


def _check_place(
    item: AwsObject,
    id_: str,
    tags: Mapping[str, str],
    claim: Claim,
    owner: Owner,
    address: str,
    known: str,
    region: str,
    vpc_of: Callable[[AwsObject], str],
) -> None:
    if claim is Claim.OURS:
        return
    if claim is Claim.ELSEWHERE:
        raise ownership.same_name_elsewhere(id_, ownership.place_in(tags), owner, address)
    vpc = vpc_of(item)
    if vpc and vpc != owner.vpc:
        raise ownership.same_name_elsewhere(id_, f"VPC {vpc}", owner, address)
    if not vpc and id_ != known:
        raise ownership.place_unknown(id_, owner, address, command_to_mark(id_, owner, region))


def is_unmarked(item: AwsObject, owner: Owner) -> bool:
    """Whether the place is missing from the tags of one of our objects."""
    return owner.claim_of_place(ownership.from_aws(item.get("Tags"))) is Claim.INCOMPLETE


def lacking(item: AwsObject, owner: Owner) -> tuple[FieldChange, ...]:
    """The configured tags that an object of ours has not."""
    return owner.lacking(ownership.from_aws(item.get("Tags")))


def name_for(link: str, what: str) -> str:
    """The Name tag of our objects, as the console shows it."""
    return f"cloudlink-{link}-{what}"


def tag_specification(kind: str, owner: Owner, address: str, name: str) -> list[dict[str, Any]]:
    """For TagSpecifications: tagged in the create call itself, so that nothing we make can be lost."""
    return [{"ResourceType": kind, "Tags": owner.aws_tags(address, name)}]


def command_to_mark(id_: str, owner: Owner, region: str) -> str:
    """For the user to type: the tags that say where the link of an object is."""
    tags = shlex.join(f"Key={key},Value={value}" for key, value in owner.place_tags().items())
    return f"aws ec2 create-tags --region {region} --resources {shlex.quote(id_)} --tags {tags}"


def command_to_list(what: str, *, region: str, link: str, address: str) -> str:
    """For the user to type: all objects of a kind, such as ``vpn-gateways``, that bear our tags."""
    tags = {ownership.LINK_TAG: link, ownership.RESOURCE_TAG: address}.items()
    filters = shlex.join(f"Name=tag:{key},Values={value}" for key, value in tags)
    return f"aws ec2 describe-{what} --region {region} --filters {filters}"
