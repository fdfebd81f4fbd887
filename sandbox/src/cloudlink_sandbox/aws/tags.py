"""Tags of everything that EC2 keeps here: on what exists, within AWS's limits, found by every filter.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Tags.html
"""

from __future__ import annotations

from collections.abc import Container
from itertools import chain
from typing import Any

from moto.core.responses import ActionResult, EmptyResult

from cloudlink_sandbox.aws.backend import SandboxEc2
from cloudlink_sandbox.aws.ec2_base import Ec2Base
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.filters import Words, chosen
from cloudlink_sandbox.aws.plain import Plain

_KINDS = {  # prefix of ids: (kind of resource, code when there is none such)
    "acl": ("network-acl", "InvalidNetworkAclID.NotFound"),
    "cgw": ("customer-gateway", "InvalidCustomerGatewayID.NotFound"),
    "dopt": ("dhcp-options", "InvalidDhcpOptionID.NotFound"),
    "eni": ("network-interface", "InvalidNetworkInterfaceID.NotFound"),
    "igw": ("internet-gateway", "InvalidInternetGatewayID.NotFound"),
    "pl": ("prefix-list", "InvalidPrefixListID.NotFound"),
    "rtb": ("route-table", "InvalidRouteTableID.NotFound"),
    "sg": ("security-group", "InvalidGroup.NotFound"),
    "sgr": ("security-group-rule", "InvalidSecurityGroupRuleId.NotFound"),
    "subnet": ("subnet", "InvalidSubnetID.NotFound"),
    "tgw": ("transit-gateway", "InvalidTransitGatewayID.NotFound"),
    "tgw-attach": ("transit-gateway-attachment", "InvalidTransitGatewayAttachmentID.NotFound"),
    "tgw-rtb": ("transit-gateway-route-table", "InvalidRouteTableID.NotFound"),
    "vgw": ("vpn-gateway", "InvalidVpnGatewayID.NotFound"),
    "vpc": ("vpc", "InvalidVpcID.NotFound"),
    "vpn": ("vpn-connection", "InvalidVpnConnectionID.NotFound"),
}
MOST = 50


def _prefix(resource_id: str) -> str:
    return resource_id.rpartition("-")[0]


def _ids(store: SandboxEc2, prefix: str) -> Container[str]:
    """The ids of one kind of resource."""
    groups = list(chain.from_iterable(g.values() for g in store.groups.values()))
    books: dict[str, Any] = {
        "acl": store.network_acls,
        "cgw": store.customer_gateways,
        "dopt": store.dhcp_options_sets,
        "eni": store.enis,
        "igw": store.internet_gateways,
        "pl": store.managed_prefix_lists,
        "rtb": store.route_tables,
        "sg": {g.id for g in groups},
        "sgr": {r.id for g in groups for r in (*g.ingress_rules, *g.egress_rules)},
        "subnet": set(chain.from_iterable(store.subnets.values())),
        "tgw": store.transit_gateways,
        "tgw-attach": store.transit_gateway_attachments,
        "tgw-rtb": store.transit_gateways_route_tables,
        "vgw": store.vpn_gateways,
        "vpc": store.vpcs,
        "vpn": store.vpn_connections,
    }
    found: Container[str] = books[prefix]
    return found


def _tagged_resources(call: Ec2Base) -> list[str]:
    """Raises ApiError for what cannot be an id and for what does not exist."""
    ids = list(call.given("Resources", []))
    if not ids:
        raise ApiError("MissingParameter", "The request must contain the parameter resourceIdSet")
    for resource_id in ids:
        kind = _KINDS.get(_prefix(resource_id))
        if kind is None:
            raise ApiError("InvalidID", f"The ID '{resource_id}' is not valid")
        if resource_id not in _ids(call.store, _prefix(resource_id)):
            raise ApiError(kind[1], f"The {kind[0]} ID '{resource_id}' does not exist")
    return ids


def create_tags(call: Ec2Base) -> EmptyResult:
    ids, tags = _tagged_resources(call), {t["Key"]: t.get("Value", "") for t in call.given("Tags", [])}
    if not tags:
        raise ApiError("MissingParameter", "The request must contain the parameter tagSet")
    for key, value in tags.items():
        if key.lower().startswith("aws:"):
            raise ApiError("InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use")
        if not 0 < len(key) <= 127 or len(value) > 255:
            raise ApiError("InvalidParameterValue", f"The tag '{key}' is too long.")
    if any(len(call.store.tags_of(i).keys() | tags.keys()) > MOST for i in ids):
        raise ApiError("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
    call.dry_run()
    call.store.create_tags(ids, tags)
    return EmptyResult()


def delete_tags(call: Ec2Base) -> EmptyResult:
    """A tag with a value goes only if it has that value; without any tag named, all of them go."""
    ids, tags = _tagged_resources(call), call.given("Tags") or []
    call.dry_run()
    for resource_id in ids:
        kept = call.store.tags_of(resource_id)
        gone = {t["Key"] for t in tags if t.get("Value") in (None, kept.get(t["Key"]))} if tags else set(kept)
        for key in gone & kept.keys():
            del call.store.tags[resource_id][key]
    return EmptyResult()


def describe_tags(call: Ec2Base) -> ActionResult:
    call.dry_run()
    rows = [
        {"Key": key, "Value": value, "ResourceId": resource_id, "ResourceType": _KINDS[_prefix(resource_id)][0]}
        for resource_id, tags in call.store.tags.items()
        if _prefix(resource_id) in _KINDS
        for key, value in tags.items()
    ]
    words: dict[str, Words[dict[str, str]]] = {
        "key": lambda r: (r["Key"],),
        "resource-id": lambda r: (r["ResourceId"],),
        "resource-type": lambda r: (r["ResourceType"],),
        "value": lambda r: (r["Value"],),
    }
    return Plain({"Tags": chosen(rows, call.filters(), words, lambda r: {r["Key"]: r["Value"]})})
