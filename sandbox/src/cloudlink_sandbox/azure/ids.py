"""Resource ids: taken apart, compared without regard to case, and written the way each provider writes them."""

from __future__ import annotations

from dataclasses import dataclass

from cloudlink_sandbox.azure import errors


@dataclass(frozen=True)
class ResourceId:
    """names and kinds are parallel: kinds ("virtualNetworks", "subnets"), names ("v", "GatewaySubnet")."""

    subscription: str
    group: str
    namespace: str
    kinds: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def type(self) -> str:
        return "/".join((self.namespace, *self.kinds))

    @property
    def name(self) -> str:
        return self.names[-1]

    @property
    def key(self) -> str:
        return str(self).lower()

    def parent(self) -> ResourceId:
        return ResourceId(self.subscription, self.group, self.namespace, self.kinds[:-1], self.names[:-1])

    def child(self, kind: str, name: str) -> ResourceId:
        return ResourceId(self.subscription, self.group, self.namespace, (*self.kinds, kind), (*self.names, name))

    def __str__(self) -> str:
        pairs = "".join(f"/{k}/{n}" for k, n in zip(self.kinds, self.names, strict=True))
        groups = "resourcegroups" if self.namespace == "Microsoft.ContainerService" else "resourceGroups"
        return f"/subscriptions/{self.subscription}/{groups}/{self.group}/providers/{self.namespace}{pairs}"


def parse(text: object) -> ResourceId:
    """Raises ApiError(LinkedInvalidPropertyId) when it is no resource id."""
    if not isinstance(text, str):
        raise errors.malformed_reference(str(text))
    parts = text.strip("/").split("/")
    well_formed = (
        text.startswith("/")
        and len(parts) >= 8
        and len(parts) % 2 == 0
        and all(parts)
        and (parts[0].lower(), parts[2].lower(), parts[4].lower()) == ("subscriptions", "resourcegroups", "providers")
    )
    if not well_formed:
        raise errors.malformed_reference(text)
    return ResourceId(parts[1], parts[3], parts[5], tuple(parts[6::2]), tuple(parts[7::2]))


def reference(value: object, path: str) -> ResourceId:
    """The id inside ``{"id": ...}``. Raises ApiError when there is none."""
    if not isinstance(value, dict) or not value.get("id"):
        raise errors.missing_property(path)
    return parse(value["id"])
