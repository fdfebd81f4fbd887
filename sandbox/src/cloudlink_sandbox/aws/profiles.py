"""Route 53 Profiles: what they hold, and the VPCs that use them. Changes are done at once.

https://docs.aws.amazon.com/Route53/latest/APIReference/API_Operations_Amazon_Route_53_Profiles.html
"""

from __future__ import annotations

import secrets
from typing import Any

from cloudlink_sandbox.aws.backend import network_of
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.handlers import Handlers
from cloudlink_sandbox.aws.plain import Plain
from cloudlink_sandbox.aws.timeline import as_datetime
from cloudlink_sandbox.aws.vpc_dns_store import Profile, kind_of


class ProfilesHandlers(Handlers):
    def __init__(self) -> None:
        super().__init__(service_name="route53profiles")
        self.automated_parameter_parsing = True

    def _profile(self) -> Profile:
        wanted = self.given("ProfileId")
        found = self.cloud.vpc_dns.profiles.get(wanted)
        if found is None or found.region != self.region:
            raise ApiError("ResourceNotFoundException", f"Profile with ID '{wanted}' does not exist.", 404)
        return found

    def create_profile(self) -> Plain:
        number = f"rp-{secrets.token_hex(8)}"
        made = self.cloud.vpc_dns.profiles[number] = Profile(number, self.region, self.given("Name"))
        return Plain(
            {
                "Profile": {
                    "Id": made.id,
                    "Arn": f"arn:aws:route53profiles:{self.region}:{self.cloud.account}:profile/{made.id}",
                    "Name": made.name,
                    "OwnerId": self.cloud.account,
                    "Status": "COMPLETE",
                    "ShareStatus": "NOT_SHARED",
                    "ClientToken": self.given("ClientToken"),
                }
            }
        )

    def associate_profile(self) -> Plain:
        """A VPC uses one."""
        profile, vpc = self._profile(), self.given("ResourceId")
        if vpc not in network_of(self.cloud.account, self.region).vpcs:
            raise ApiError("ResourceNotFoundException", f"VPC '{vpc}' does not exist.", 404)
        if any(vpc in p.vpcs for p in self.cloud.vpc_dns.profiles.values()):
            raise ApiError("ConflictException", f"VPC '{vpc}' has a profile already.", 409)
        made = profile.vpcs[vpc] = {
            "Id": f"rpassoc-{secrets.token_hex(8)}",
            "Name": self.given("Name"),
            "OwnerId": self.cloud.account,
            "ProfileId": profile.id,
            "ResourceId": vpc,
            "Status": "COMPLETE",
            "StatusMessage": "",
            "CreationTime": as_datetime(self.now),
            "ModificationTime": as_datetime(self.now),
        }
        return Plain({"ProfileAssociation": made})

    def disassociate_profile(self) -> Plain:
        profile, vpc = self._profile(), self.given("ResourceId")
        found = profile.vpcs.pop(vpc, None)
        if found is None:
            raise ApiError("ResourceNotFoundException", f"Profile '{profile.id}' is not associated with '{vpc}'.", 404)
        return Plain({"ProfileAssociation": {**found, "Status": "DELETING"}})

    def list_profile_associations(self) -> Plain:
        profile, resource = self.given("ProfileId"), self.given("ResourceId")
        found = [
            a
            for p in self.cloud.vpc_dns.profiles.values()
            if p.region == self.region and profile in (None, p.id)
            for a in p.vpcs.values()
            if resource in (None, a["ResourceId"])
        ]
        return self._page("ProfileAssociations", found)

    def associate_resource_to_profile(self) -> Plain:
        profile, arn = self._profile(), str(self.given("ResourceArn"))
        kind = kind_of(arn)
        if kind is None:
            raise ApiError(
                "InvalidParameterException", f"The resource '{arn}' is of a kind that the sandbox does not model."
            )
        made: dict[str, Any] = {
            "Id": f"rpr-{secrets.token_hex(8)}",
            "Name": self.given("Name"),
            "OwnerId": self.cloud.account,
            "ProfileId": profile.id,
            "ResourceArn": arn,
            "ResourceType": kind,
            "Status": "COMPLETE",
            "StatusMessage": "",
            "CreationTime": as_datetime(self.now),
            "ModificationTime": as_datetime(self.now),
        }
        if properties := self.given("ResourceProperties"):
            made["ResourceProperties"] = properties
        profile.resources.append(made)
        return Plain({"ProfileResourceAssociation": made})

    def disassociate_resource_from_profile(self) -> Plain:
        profile, arn = self._profile(), self.given("ResourceArn")
        gone = [r for r in profile.resources if r["ResourceArn"] == arn]
        if not gone:
            raise ApiError("ResourceNotFoundException", f"'{arn}' is not in profile '{profile.id}'.", 404)
        profile.resources.remove(gone[0])
        return Plain({"ProfileResourceAssociation": {**gone[0], "Status": "DELETING"}})

    def list_profile_resource_associations(self) -> Plain:
        wanted, arn = self.given("ResourceType"), self.given("ResourceArn")
        found = [
            r
            for r in self._profile().resources
            if wanted in (None, r["ResourceType"]) and arn in (None, r["ResourceArn"])
        ]
        return self._page("ProfileResourceAssociations", found)

    def _page(self, name: str, found: list[dict[str, Any]]) -> Plain:
        size, start = int(self.given("MaxResults") or 100), int(self.given("NextToken") or 0)
        answer: dict[str, Any] = {name: found[start : start + size]}
        if start + size < len(found):
            answer["NextToken"] = str(start + size)
        return Plain(answer)
