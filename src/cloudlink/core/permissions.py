"""What the calls of a resource have to be allowed, in the clouds' own names. Each resource class says it once; the engine
does not read it: the checks before a build and ``cloudlink permissions`` do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, order=True)
class Permission:
    action: str  # as the cloud names it: ``ec2:CreateVpnConnection``, ``Microsoft.Network/connections/write``
    place: str = ""  # Azure's: where it is needed; empty: AWS
    # AWS's: the kinds of objects that the call touches, for policies that allow an action on some objects only
    on: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Permissions:
    """What the calls of one kind of resource need."""

    read: tuple[Permission, ...] = ()  # of ``find``
    create: tuple[Permission, ...] = ()
    update: tuple[Permission, ...] = ()
    delete: tuple[Permission, ...] = ()
    by_field: Mapping[str, tuple[Permission, ...]] = field(default_factory=dict)  # of an update, by what differs
    marks: tuple[Permission, ...] = ()  # to complete its tags
    tagged: tuple[Permission, ...] = ()  # of a create that takes no tags, where the configuration has some
    owner_only: str = ""  # what of it only the owner of a VPC may do that is shared with other accounts; empty: nothing
