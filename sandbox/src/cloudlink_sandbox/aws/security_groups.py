"""Security groups: every rule of a call in its answer, and no delete while network interfaces use the group."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult, EmptyResult

from cloudlink_sandbox.aws.ec2_base import Ec2Base
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.prefix_lists import find_prefix_list

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


def create_security_group(call: Ec2Base) -> ActionResult:
    tags = call.tags_for("security-group")
    call.dry_run()
    group = call.store.create_security_group(
        call.given("GroupName"), call.given("Description"), vpc_id=call.given("VpcId"), tags=tags
    )
    call.store.born[group.id] = call.now
    return ActionResult({"GroupId": group.id, "SecurityGroupArn": group.arn, "Tags": call.store.tag_list_of(group.id)})


def describe_security_groups(call: Ec2Base) -> ActionResult:
    call.dry_run()
    filters = call.filters()
    for name in filters:
        if name not in _FILTERS and name != "tag-key" and not name.startswith("tag:"):
            raise ApiError("InvalidParameterValue", f"The filter '{name}' is invalid")
    call.check_ids()
    ids = call.given("GroupIds", [])
    groups = call.store.describe_security_groups(
        group_ids=ids, groupnames=call.given("GroupNames", []), filters=filters
    )
    moment = call.as_of(filters, ids)
    groups = [g for g in groups if call.store.born.get(g.id, 0.0) <= moment]
    return ActionResult({"SecurityGroups": groups})


def _authorize(call: Ec2Base, add: Any) -> ActionResult:
    """All rules of the call or, with InvalidPermission.Duplicate and the like, none."""
    call.dry_run()
    group = call.store.get_security_group_by_name_or_id(call.given("GroupId") or call.given("GroupName") or "")
    before = (list(group.ingress_rules), list(group.egress_rules)) if group else ([], [])
    rules: list[Any] = []
    for permission in call.given("IpPermissions") or ():
        for named in permission.get("PrefixListIds") or ():
            find_prefix_list(call, named.get("PrefixListId"))
    try:
        for asked in call._process_rules_from_querystring():
            made, _ = add(**asked)
            rules += made
    except Exception:
        if group:
            group.ingress_rules, group.egress_rules = before
        raise
    return ActionResult({"Return": True, "SecurityGroupRules": rules})


def authorize_security_group_ingress(call: Ec2Base) -> ActionResult:
    return _authorize(call, call.store.authorize_security_group_ingress)


def authorize_security_group_egress(call: Ec2Base) -> ActionResult:
    return _authorize(call, call.store.authorize_security_group_egress)


def delete_security_group(call: Ec2Base) -> ActionResult:
    wanted = call.given("GroupId") or call.given("GroupName")
    if not wanted:
        raise ApiError("MissingParameter", "The request must contain the parameter groupName or groupId")
    if call.given("GroupId"):
        call.well_formed(wanted, "sg", "InvalidGroupId")
    group = call.store.get_security_group_by_name_or_id(wanted)
    if group is None:
        raise ApiError("InvalidGroup.NotFound", f"The security group '{wanted}' does not exist")
    if group.is_default:
        raise ApiError("CannotDelete", f'the specified group: "{group.id}" name: "default" cannot be deleted by a user')
    used = any(group in eni.group_set for eni in call.store.enis.values())
    named = any(
        (rule.source_group or {}).get("GroupId") == group.id
        for groups in call.store.groups.values()
        for other in groups.values()
        if other is not group
        for rule in (*other.ingress_rules, *other.egress_rules)
    )
    if used or named:
        raise ApiError("DependencyViolation", f"resource {group.id} has a dependent object")
    call.dry_run()
    call.store.delete_security_group(group_id=group.id)
    call.store.forget(group.id)
    return EmptyResult()
