"""Our tags: how an object says that cloudlink made it, for which link, which resource it is, and where that link is.

They are written in the create call itself, so that a run that dies right after it leaves no object that cannot be found.
A name alone is not enough: two links of one account may have the same, and neither may touch what is the other's.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cloudlink.core.plan import FieldChange
from cloudlink.errors import ConflictError
from cloudlink.link import Link

LINK_TAG = "cloudlink-link"
RESOURCE_TAG = "cloudlink-resource"
VPC_TAG = "cloudlink-vpc"
VNET_TAG = "cloudlink-vnet"

_NOT_IN_TAGS = re.compile(r"[^\w .:/=+\-@]")


class Claim(enum.Enum):
    """What the marks of an object say about whose it is."""

    NONE = "none"  # not of a link of this name, or not this resource
    OURS = "ours"
    INCOMPLETE = "incomplete"  # name and resource are ours, the place is not said: made by cloudlink 0.1
    ELSEWHERE = "elsewhere"  # a link of the same name in another place


@dataclass(frozen=True)
class Owner:
    """A link as objects name it: its name and its place."""

    link: str
    vpc: str
    vnet: str  # subscription/resource group/VNet in lower case, in characters that both clouds take in a tag
    more: tuple[tuple[str, str], ...] = ()  # the configured ones: they mark nothing

    def tags(self, address: str) -> dict[str, str]:
        """Azure's form: a plain mapping."""
        return {LINK_TAG: self.link, RESOURCE_TAG: address, **self.place_tags(), **dict(self.more)}

    def added_tags(self) -> dict[str, str]:
        """What is added to an object of ours that is there already."""
        return {**self.place_tags(), **dict(self.more)}

    def lacking(self, found: Mapping[str, str] | None, *, fold: bool = False) -> tuple[FieldChange, ...]:
        """The configured tags that are not there as configured; others' do not count. fold: keys differ by more than
        their case, as in Azure."""
        held = {k.lower() if fold else k: v for k, v in (found or {}).items()}
        return tuple(
            FieldChange(f"tag {key}", held.get(key.lower() if fold else key, "(none)"), value)
            for key, value in self.more
            if held.get(key.lower() if fold else key) != value
        )

    def place_tags(self) -> dict[str, str]:
        return {VPC_TAG: self.vpc, VNET_TAG: self.vnet}

    def aws_tags(self, address: str, name: str) -> list[dict[str, str]]:
        """AWS's form; ``Name`` is what the console shows."""
        return to_aws({**self.tags(address), "Name": name})

    def claim(self, found: Mapping[str, str] | None, address: str) -> Claim:
        """What these tags say. Half of name and resource is not enough; one place that differs is somebody else's."""
        if found is None or found.get(LINK_TAG) != self.link or found.get(RESOURCE_TAG) != address:
            return Claim.NONE
        return self.claim_of_place(found)

    def holds(self, found: Mapping[str, str] | None) -> bool:
        """Whether these tags name this link, or a link of this name without saying where it is."""
        return (
            found is not None
            and found.get(LINK_TAG) == self.link
            and self.claim_of_place(found) in (Claim.OURS, Claim.INCOMPLETE)
        )

    def claim_of_place(self, found: Mapping[str, str]) -> Claim:
        """The same for tags that are known to name the link."""
        said = [(found[tag], ours) for tag, ours in self.place_tags().items() if tag in found]
        if any(theirs.lower() != ours.lower() for theirs, ours in said):
            return Claim.ELSEWHERE
        return Claim.OURS if len(said) == len(self.place_tags()) else Claim.INCOMPLETE


def owner_of(link: Link) -> Owner:
    side = link.azure
    vnet = f"{side.vnet_subscription}/{side.vnet_resource_group}/{side.vnet}".lower()
    return Owner(link.name, link.aws.vpc_id, _NOT_IN_TAGS.sub("_", vnet), link.tags)


def merged(theirs: Mapping[str, str], ours: Mapping[str, str]) -> dict[str, str]:
    """Both, ours where both have a key; Azure takes keys that differ by their case for one."""
    named = {key.lower() for key in ours}
    return {**{k: v for k, v in theirs.items() if k.lower() not in named}, **ours}


def to_aws(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": k, "Value": v} for k, v in tags.items()]


def from_aws(pairs: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    """``[{Key, Value}]`` as a mapping."""
    return {str(p["Key"]): str(p.get("Value", "")) for p in pairs or ()}


def place_in(tags: Mapping[str, str]) -> str:
    """Where these tags say that their link is, for a message; empty: they do not say."""
    return " and ".join(f"{what} {tags[tag]}" for what, tag in (("VPC", VPC_TAG), ("VNet", VNET_TAG)) if tags.get(tag))


class AnotherLink(ConflictError):
    """Objects of our name are, or may be, those of a link elsewhere: nothing that is read can be trusted to be ours."""


def same_name_elsewhere(id_: str, place: str, owner: Owner, address: str) -> ConflictError:
    """The error for an object of a link that has our name and another place. place: ``VPC vpc-...``, for people."""
    return AnotherLink(
        "Another link has this name",
        f"{id_} belongs to a link that is called {owner.link} too, in {place}. This one is in VPC {owner.vpc} and VNet "
        f"{owner.vnet}. Nothing was changed: objects of both would be taken for each other.",
        'Give this link another name: name = "..." in the configuration. If it is the same link, correct aws.vpc and '
        "azure.vnet: they must be those that it was built with.",
        resource=address,
    )


def place_unknown(id_: str, owner: Owner, address: str, command: str) -> ConflictError:
    """The error for an object that has our name, says no place, and shows none."""
    return AnotherLink(
        "An object has this link's name and does not say where its link is",
        f"{id_} is marked as {address} of a link {owner.link}, and nothing shows whether that is this link, in VPC "
        f"{owner.vpc}, or another of the same name. It is left alone.",
        f"If it is this link's: {command}\nOtherwise give this link another name.",
        resource=address,
    )
