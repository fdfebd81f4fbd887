"""Which of a list of EC2 objects is ours: by the receipt's id, else by our tags, never by a tag-filtered read.

A tag-filtered read lags behind what it describes; a recorded answer still said ``available`` in the second in which
a read by id said ``deleted``. So the whole list is read and matched here.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cloudlink.clouds import ownership
from cloudlink.core.resource import Receipt
from cloudlink.errors import ConflictError

AwsObject = Mapping[str, Any]


def find_owned(
    objects: Iterable[AwsObject],
    *,
    key: str,
    link: str,
    address: str,
    receipt: Receipt | None,
    state: Callable[[AwsObject], str] = lambda o: str(o.get("State", "available")),
) -> AwsObject | None:
    """The object that is ``address`` of this link; one that is being deleted only when there is no other.

    key: the field that holds the id. Raises ConflictError when two live objects carry our tags.
    """
    known = receipt.id if receipt is not None else ""
    live: list[AwsObject] = []
    going: list[AwsObject] = []
    for item in objects:
        tagged = ownership.is_owned(ownership.from_aws(item.get("Tags")), link, address)
        if not tagged and (not known or item[key] != known):
            continue
        match state(item):
            case "deleted":
                continue
            case "deleting":
                going.append(item)
            case _:
                live.append(item)
    if len(live) > 1:
        names = " and ".join(sorted(str(item[key]) for item in live))
        raise ConflictError(
            "Two objects carry the same cloudlink tags",
            f"{names} are both marked as {address} of the link {link}, so cloudlink cannot tell which one is in use.",
            f"Delete the one that is not needed, or remove its tag {ownership.LINK_TAG}, then run the command again.",
            resource=address,
        )
    return next(iter(live or going), None)


def name_for(link: str, what: str) -> str:
    """The Name tag of our objects, as the console shows it."""
    return f"cloudlink-{link}-{what}"


def tag_specification(kind: str, link: str, address: str, name: str) -> list[dict[str, Any]]:
    """For TagSpecifications: tagged in the create call itself, so that nothing we make can be lost."""
    return [{"ResourceType": kind, "Tags": ownership.aws_tags(link, address, name)}]


def command_to_list(what: str, *, region: str, link: str, address: str) -> str:
    """For the user to type: all objects of a kind, such as ``vpn-gateways``, that bear our tags."""
    tags = ownership.tags(link, address).items()
    filters = shlex.join(f"Name=tag:{key},Values={value}" for key, value in tags)
    return f"aws ec2 describe-{what} --region {region} --filters {filters}"
