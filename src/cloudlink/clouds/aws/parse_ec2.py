"""What all tagged objects of EC2 have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cloudlink.clouds import ownership
from cloudlink.clouds.aws.fields import AwsObject, text, text_or
from cloudlink.clouds.malformed import parsing

GONE = ("deleted", "deleting")


@dataclass(frozen=True)
class Ec2Object:
    """One of a list, as far as its kind does not matter. answer: for the parse function of its kind, which takes the rest
    for granted only in an object that is ours."""

    id: str
    state: str  # "available" for kinds that have none
    tags: Mapping[str, str]
    answer: AwsObject = field(repr=False)

    @property
    def exists(self) -> bool:
        """AWS lists deleted objects for an hour."""
        return self.state not in GONE


@parsing("AWS's answers")
def objects(found: Iterable[AwsObject], key: str) -> tuple[Ec2Object, ...]:
    """key: the field that holds the id."""
    return tuple(
        Ec2Object(text(item, key), text_or(item, "State", "available"), ownership.from_aws(item.get("Tags")), item)
        for item in found
    )


def link_of(item: AwsObject) -> str:
    """The link that its tag names; empty: none."""
    return ownership.from_aws(item.get("Tags")).get(ownership.LINK_TAG, "")


def resource_of(item: AwsObject) -> str:
    """The resource of a link that its tag says it is; empty: none."""
    return ownership.from_aws(item.get("Tags")).get(ownership.RESOURCE_TAG, "")


@parsing("AWS's answers")
def count_existing(found: Iterable[AwsObject]) -> int:
    """How many of a list of objects are neither deleted nor being deleted."""
    return sum(1 for item in found if text_or(item, "State", "available") not in GONE)
