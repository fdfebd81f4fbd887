"""Our tags: how an object says that cloudlink made it, for which link, and which resource it is.

They are written in the create call itself, so that a run that dies right after it leaves no object that cannot be found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

LINK_TAG = "cloudlink-link"
RESOURCE_TAG = "cloudlink-resource"


def tags(link: str, address: str) -> dict[str, str]:
    """Azure's form: a plain mapping."""
    return {LINK_TAG: link, RESOURCE_TAG: address}


def aws_tags(link: str, address: str, name: str) -> list[dict[str, str]]:
    """AWS's form; ``Name`` is what the console shows."""
    return [{"Key": k, "Value": v} for k, v in {**tags(link, address), "Name": name}.items()]


def from_aws(pairs: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    """``[{Key, Value}]`` as a mapping."""
    return {str(p["Key"]): str(p.get("Value", "")) for p in pairs or ()}


def is_owned(found: Mapping[str, str] | None, link: str, address: str) -> bool:
    """Whether these tags say that this link's cloudlink made this very resource. Half of the tags is not enough."""
    return found is not None and found.get(LINK_TAG) == link and found.get(RESOURCE_TAG) == address
