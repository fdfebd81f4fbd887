"""What the sandbox's own EC2 operations share: filters, tags, ids, dry runs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from moto.core.utils import camelcase_to_underscores
from moto.ec2.responses import EC2Response

from cloudlink_sandbox.aws.backend import SandboxEc2, network_of
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.filters import asks_for_tags
from cloudlink_sandbox.aws.handlers import Handlers

_ID = re.compile(r"[a-z]+(-[a-z]+)*-([0-9a-f]{8}|[0-9a-f]{17})")

_IDS = {
    "VpcId": ("vpc", "InvalidVpcID"),
    "SubnetId": ("subnet", "InvalidSubnetID"),
    "GroupId": ("sg", "InvalidGroupId"),
    "RouteTableId": ("rtb", "InvalidRouteTableID"),
}


class Ec2Base(Handlers, EC2Response):
    """The store of this call's region, and the parts of a request that all EC2 operations read alike."""

    def __init__(self) -> None:
        EC2Response.__init__(self)

    def by_moto(self) -> Any:
        """What moto answers to this operation. Raises ApiError for an id that is none."""
        self.check_ids()
        return getattr(EC2Response, camelcase_to_underscores(self._get_action()))(self)

    def _filters_from_querystring(self) -> Any:
        return self.filters()

    @property
    def store(self) -> SandboxEc2:
        return network_of(self.cloud.account, self.region)

    def as_of(self, filters: Mapping[str, list[str]], ids: Sequence[str]) -> float:
        """The moment whose objects a read shows. Reads by id are of now, others can lag behind.

        A recorded fact: a tag-filtered read still said ``available`` in the second in which a read by id said
        ``deleted``. https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html
        """
        if ids:
            return self.now
        return self.now - self.sample("aws.lag.tags" if asks_for_tags(filters) else "aws.lag.lists", "")

    def filters(self) -> dict[str, list[str]]:
        """Raises ApiError InvalidParameterValue for a filter without a name or without values."""
        found: dict[str, list[str]] = {}
        for item in self.given("Filters") or self.given("Filter") or []:
            if not item.get("Name"):
                raise ApiError("InvalidParameterValue", "The filter 'null' is invalid")
            if not item.get("Values"):
                raise ApiError("InvalidParameterValue", f"The filter '{item['Name']}' has no values")
            found[item["Name"]] = item["Values"]
        return found

    def tags_for(self, kind: str) -> dict[str, str]:
        """The tags that the create call carries. Raises ApiError when they are for another kind of resource."""
        tags: dict[str, str] = {}
        for spec in self.given("TagSpecifications") or self.given("TagSpecification") or []:
            if spec.get("ResourceType") != kind:
                raise ApiError(
                    "InvalidParameterValue",
                    f"'{spec.get('ResourceType')}' is not a valid taggable resource type for this operation.",
                )
            for tag in spec.get("Tags", []):
                if tag["Key"].startswith("aws:"):
                    raise ApiError(
                        "InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use"
                    )
                tags[tag["Key"]] = tag.get("Value", "")
        if len(tags) > 50:
            raise ApiError("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
        return tags

    def keep(self, resource_id: str, tags: Mapping[str, str]) -> None:
        self.store.create_tags([resource_id], dict(tags))
        self.store.born[resource_id] = self.now
        if fault := self.fault("unseen"):
            self.cloud.unseen[resource_id] = self.now + fault.seconds

    def seen(self, resource_id: str) -> bool:
        """Whether reads find it already."""
        return self.cloud.unseen.get(resource_id, 0.0) <= self.now

    def dry_run(self) -> None:
        """Raises ApiError DryRunOperation where a dry run was asked for: the call would have worked."""
        if self.given("DryRun"):
            raise ApiError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)

    def check_ids(self) -> None:
        """Raises ApiError Malformed for ids that moto would look for without a look at them."""
        for name, (prefix, code) in _IDS.items():
            for several in (f"{name}s", name):
                given = self.given(several)
                for one in given if isinstance(given, list) else [given] if given else []:
                    if not _ID.fullmatch(str(one)) or not str(one).startswith(f"{prefix}-"):
                        raise ApiError(f"{code}.Malformed", f'Invalid id: "{one}" (expecting "{prefix}-...")')

    def well_formed(self, resource_id: str, prefix: str, code: str) -> str:
        """Raises ApiError ``<code>.Malformed`` for what cannot be an id of this kind, and ``.NotFound`` for what is not
        found yet."""
        if not _ID.fullmatch(resource_id or "") or not resource_id.startswith(prefix + "-"):
            raise ApiError(f"{code}.Malformed", f'Invalid id: "{resource_id}" (expecting "{prefix}-...")')
        if not self.seen(resource_id):
            raise ApiError(f"{code}.NotFound", f"The ID '{resource_id}' does not exist")
        return resource_id
