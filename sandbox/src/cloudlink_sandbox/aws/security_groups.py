"""Security groups: every rule of a call in its answer, and no delete while network interfaces use the group."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.responses.security_groups import SecurityGroups

from cloudlink_sandbox.aws.ec2_room import Ec2Room
from cloudlink_sandbox.aws.errors import ApiError

_FILTERS = frozenset(
    {
        "description", "group-id", "group-name", "owner-id", "vpc-id",
        *(
            f"{side}ip-permission.{what}"
            for side in ("", "egress.")
            for what in (
                "cidr", "from-port", "group-id", "group-name", "ipv6-cidr", "prefix-list-id", "protocol",
                "to-port", "user-id",
            )
        ),
    }
)  # fmt: skip


class SecurityGroupAnswers(Ec2Room, SecurityGroups):
    def create_security_group(self) -> ActionResult:
        tags = self.tags_for("security-group")
        self.dry_run()
        group = self.store.create_security_group(
            self.given("GroupName"), self.given("Description"), vpc_id=self.given("VpcId"), tags=tags
        )
        self.store.born[group.id] = self.now
        return ActionResult(
            {"GroupId": group.id, "SecurityGroupArn": group.arn, "Tags": self.store.tag_list_of(group.id)}
        )

    def describe_security_groups(self) -> ActionResult:
        self.dry_run()
        filters = self.filters()
        for name in filters:
            if name not in _FILTERS and name != "tag-key" and not name.startswith("tag:"):
                raise ApiError("InvalidParameterValue", f"The filter '{name}' is invalid")
        ids = self.given("GroupIds", [])
        groups = self.store.describe_security_groups(
            group_ids=ids, groupnames=self.given("GroupNames", []), filters=filters
        )
        moment = self.as_of(filters, ids)
        groups = [g for g in groups if self.store.born.get(g.id, 0.0) <= moment]
        return ActionResult({"SecurityGroups": groups})

    def _authorize(self, add: Any) -> ActionResult:
        """All rules of the call or, with InvalidPermission.Duplicate and the like, none."""
        self.dry_run()
        group = self.store.get_security_group_by_name_or_id(self.given("GroupId") or self.given("GroupName") or "")
        before = (list(group.ingress_rules), list(group.egress_rules)) if group else ([], [])
        rules: list[Any] = []
        try:
            for asked in self._process_rules_from_querystring():
                made, _ = add(**asked)
                rules += made
        except Exception:
            if group:
                group.ingress_rules, group.egress_rules = before
            raise
        return ActionResult({"Return": True, "SecurityGroupRules": rules})

    def authorize_security_group_ingress(self) -> ActionResult:
        return self._authorize(self.store.authorize_security_group_ingress)

    def authorize_security_group_egress(self) -> ActionResult:
        return self._authorize(self.store.authorize_security_group_egress)

    def delete_security_group(self) -> ActionResult:
        wanted = self.given("GroupId") or self.given("GroupName")
        if not wanted:
            raise ApiError("MissingParameter", "The request must contain the parameter groupName or groupId")
        if self.given("GroupId"):
            self.well_formed(wanted, "sg", "InvalidGroupId")
        group = self.store.get_security_group_by_name_or_id(wanted)
        if group is None:
            raise ApiError("InvalidGroup.NotFound", f"The security group '{wanted}' does not exist")
        if group.is_default:
            raise ApiError(
                "CannotDelete", f'the specified group: "{group.id}" name: "default" cannot be deleted by a user'
            )
        used = any(group in eni.group_set for eni in self.store.enis.values())
        named = any(
            (rule.source_group or {}).get("GroupId") == group.id
            for groups in self.store.groups.values()
            for other in groups.values()
            if other is not group
            for rule in (*other.ingress_rules, *other.egress_rules)
        )
        if used or named:
            raise ApiError("DependencyViolation", f"resource {group.id} has a dependent object")
        self.dry_run()
        self.store.delete_security_group(group_id=group.id)
        self.store.forget(group.id)
        return EmptyResult()
