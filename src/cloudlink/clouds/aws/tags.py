"""Which of a list of EC2 objects is ours: by our tags, never by the receipt's id alone, nor by a tag-filtered read.

A receipt is a file: a copied, mixed-up or planted one must not make an object of somebody else's ours.

A tag-filtered read lags behind what it describes; a recorded answer still said ``available`` in the second in which
a read by id said ``deleted``. So the whole list is read and matched here.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address
from typing import Any

from cloudlink.clouds import ownership
from cloudlink.clouds.aws.parse_ec2 import Ec2Object
from cloudlink.clouds.ownership import Claim, Owner, to_aws
from cloudlink.core.resource import Receipt
from cloudlink.errors import ConflictError


def find_owned(
    objects: Iterable[Ec2Object],
    *,
    owner: Owner,
    address: str,
    receipt: Receipt | None,
    region: str,
    vpc_of: Callable[[Ec2Object], str],
) -> Ec2Object | None:
    """The object that is ``address`` of this link; one that is being deleted only when there is no other. The receipt
    tells of two that are being deleted, and of one whose tags do not say its place, which is ours.

    vpc_of: the VPC that an object without a place in its tags serves; empty: nothing shows it. Raises ConflictError when
    two live objects carry our tags, or one is of a link of the same name elsewhere.
    """
    known = receipt.id if receipt is not None else ""
    live: list[Ec2Object] = []
    going: list[Ec2Object] = []
    for item in objects:
        claim = owner.claim(item.tags, address)
        if claim is Claim.NONE and (item.id != known or item.state != "deleting"):
            continue
        match item.state:
            case "deleted":
                continue
            case "deleting" if claim is not Claim.ELSEWHERE:
                going.append(item)
            case "deleting":
                continue
            case _:
                _check_place(item, claim, owner, address, known, region, vpc_of)
                live.append(item)
    if len(live) > 1:
        names = " and ".join(sorted(item.id for item in live))
        raise ConflictError(
            "Two objects carry the same cloudlink tags",
            f"{names} are both marked as {address} of the link {owner.link}, so cloudlink cannot tell which one is in use.",
            f"Delete the one that is not needed, or remove its tag {ownership.LINK_TAG}, then run the command again.",
            resource=address,
        )
    return next(iter(live or going), None)


def without_our_tags(
    objects: Iterable[Ec2Object], owner: Owner, address: str, receipt: Receipt | None
) -> Ec2Object | None:
    """What the receipt names and our tags do not: they were taken away, or it never was ours."""
    known = receipt.id if receipt is not None else ""
    return next(
        (o for o in objects if known and o.id == known and o.exists and owner.claim(o.tags, address) is Claim.NONE),
        None,
    )


def foreign_object(item: Ec2Object, owner: Owner, address: str, region: str) -> ConflictError:
    """The error for such an object."""
    held = item.tags
    ours = (ownership.LINK_TAG, ownership.RESOURCE_TAG)
    said = ", ".join(f"{k}={held[k]}" for k in ours if k in held) or "no tag of cloudlink's"
    tags = shlex.join(f"Key={key},Value={value}" for key, value in owner.tags(address).items())
    return ConflictError(
        "An object of the state does not have our tags",
        f"{item.id} is {address} of the link {owner.link} by its state, and has {said}. It is left alone, because it may be "
        "somebody else's.",
        f"If cloudlink made it and its tags were lost: aws ec2 create-tags --region {region} --resources "
        f"{shlex.quote(item.id)} --tags {tags}\nIf it is somebody else's, the state is wrong: move it away. cloudlink "
        "finds its objects again by their tags.",
        resource=address,
    )


def _check_place(
    item: Ec2Object,
    claim: Claim,
    owner: Owner,
    address: str,
    known: str,
    region: str,
    vpc_of: Callable[[Ec2Object], str],
) -> None:
    if claim is Claim.OURS:
        return
    if claim is Claim.ELSEWHERE:
        raise ownership.same_name_elsewhere(item.id, ownership.place_in(item.tags), owner, address)
    vpc = vpc_of(item)
    if vpc and vpc != owner.vpc:
        raise ownership.same_name_elsewhere(item.id, f"VPC {vpc}", owner, address)
    if not vpc and item.id != known:
        raise ownership.place_unknown(item.id, owner, address, command_to_mark(item.id, owner, region))


def is_unmarked(item: Ec2Object, owner: Owner) -> bool:
    """Whether the place is missing from the tags of one of our objects."""
    return owner.claim_of_place(item.tags) is Claim.INCOMPLETE


KEYS_TAG = "cloudlink-keys-made"
"""Of a VPN connection, with a moment: when it was created, and its keys with it. AWS tells no time of creation."""


def keys_made(at: float) -> tuple[str, str]:
    """The tag. at: seconds since the epoch."""
    return KEYS_TAG, datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


ADDED_TAG = "cloudlink-bgp-added"
"""Of a customer gateway on an Azure gateway of somebody else's: the custom BGP addresses that cloudlink adds to that one. They
have no mark of their own, and Azure's gateway is not ours to tag."""


def added_addresses(addresses: Iterable[IPv4Address]) -> tuple[str, str]:
    """The tag. A tag of AWS's takes 256 characters: a dozen addresses, and there are four."""
    return ADDED_TAG, " ".join(map(str, sorted(addresses)))


def addresses_in(tags: Mapping[str, str]) -> frozenset[IPv4Address]:
    """What the tag names; none where it is not there, or was changed into something else."""
    try:
        return frozenset(map(IPv4Address, tags.get(ADDED_TAG, "").split()))
    except ValueError:
        return frozenset()


@dataclass(frozen=True)
class Mark:
    """How one of our objects is marked in the create call itself, so that nothing we make can be lost.

    name: what the console shows. more: tags besides.
    """

    owner: Owner
    address: str
    name: str
    more: tuple[tuple[str, str], ...] = ()

    def specification(self, kind: str) -> list[dict[str, Any]]:
        """For TagSpecifications. kind: such as ``vpn-gateway``."""
        return [
            {"ResourceType": kind, "Tags": [*self.owner.aws_tags(self.address, self.name), *to_aws(dict(self.more))]}
        ]


def name_for(link: str, what: str) -> str:
    """The Name tag of our objects, as the console shows it."""
    return f"cloudlink-{link}-{what}"


def command_to_mark(id_: str, owner: Owner, region: str) -> str:
    """For the user to type: the tags that say where the link of an object is."""
    tags = shlex.join(f"Key={key},Value={value}" for key, value in owner.place_tags().items())
    return f"aws ec2 create-tags --region {region} --resources {shlex.quote(id_)} --tags {tags}"


def command_to_list(what: str, *, region: str, link: str, address: str) -> str:
    """For the user to type: all objects of a kind, such as ``vpn-gateways``, with our tags."""
    tags = {ownership.LINK_TAG: link, ownership.RESOURCE_TAG: address}.items()
    filters = shlex.join(f"Name=tag:{key},Values={value}" for key, value in tags)
    return f"aws ec2 describe-{what} --region {region} --filters {filters}"
