"""What a pause takes away, and what changes with it when it is made again."""

from __future__ import annotations

from collections.abc import Collection

_TAKEN = ("aws_vpn.connection", "resolver.endpoint", "azure_vpn.connection")
"""What is billed by the hour and is back in minutes. Azure's connections cost nothing, but they go with AWS's, whose outside
addresses may be given to somebody else soon after."""
_TAKEN_DEEP = ("azure_vpn.gateway",)
_TAKEN_OF_VPC = ("aws_vpn.static_routes", "aws_vpn.attachment")
"""Through a transit gateway the VPC's attachment is billed as well, and what leads through it would lead nowhere."""
_ARISE = ("aws_vpn.association", "aws_vpn.propagation")
"""What an attachment has in the transit gateway's tables goes and comes with it."""
_FOLLOW = ("azure_vpn.local_gateway",)
"""AWS gives new outside addresses to connections that are made again, and these hold them."""


def taken(addresses: Collection[str], *, deep: bool, attachment: bool = False) -> tuple[str, ...]:
    """Of these resources, what a pause removes. attachment: that of the VPC to a transit gateway goes as well, because cloudlink made it
    and nobody else uses it."""
    of_vpc = attachment and any(a.partition("[")[0] == _TAKEN_OF_VPC[0] for a in addresses)
    return _of(addresses, _TAKEN + _TAKEN_OF_VPC * of_vpc + _TAKEN_DEEP * deep)


def arising(addresses: Collection[str]) -> tuple[str, ...]:
    """Of these resources, what a resume makes again because it went with what was taken."""
    return _of(addresses, _ARISE)


def following(addresses: Collection[str]) -> tuple[str, ...]:
    """Of these resources, what a resume changes besides making again what was taken."""
    return _of(addresses, _FOLLOW)


def _of(addresses: Collection[str], kinds: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(a for a in addresses if a.partition("[")[0] in kinds)
