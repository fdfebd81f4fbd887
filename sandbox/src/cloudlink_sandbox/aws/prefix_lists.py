"""Managed prefix lists: named ranges with versions, that routes and rules of security groups refer to.

https://docs.aws.amazon.com/vpc/latest/userguide/managed-prefix-lists.html
Lists of IPAM, of other accounts and their earlier versions' restoring are not modelled.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, ip_network
from typing import Any

from moto.ec2.models.managed_prefixes import ManagedPrefixList

from cloudlink_sandbox.aws.backend import SandboxEc2
from cloudlink_sandbox.aws.ec2_base import Ec2Base
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.filters import chosen
from cloudlink_sandbox.aws.plain import Plain

_MOST_ENTRIES = 1000
_FAMILIES = {"IPv4": 4, "IPv6": 6}
_OWNER = "AWS"  # of the lists that AWS keeps itself


def find_prefix_list(call: Ec2Base, list_id: str) -> ManagedPrefixList:
    """Raises ApiError for an id that is malformed or unknown."""
    call.well_formed(list_id, "pl", "InvalidPrefixListID")
    found: ManagedPrefixList | None = call.store.managed_prefix_lists.get(list_id)
    if found is None:
        raise ApiError("InvalidPrefixListID.NotFound", f"The prefix list ID '{list_id}' does not exist")
    return found


def ranges_in(store: SandboxEc2, list_id: str) -> tuple[IPv4Network, ...]:
    """The IPv4 ranges of a list as it is now; none where there is no such list."""
    found = store.managed_prefix_lists.get(list_id)
    return tuple(IPv4Network(e["Cidr"]) for e in _entries(found)) if found and found.address_family == "IPv4" else ()


def _entries(found: ManagedPrefixList) -> list[dict[str, str]]:
    if found.version is None:  # AWS's own
        return [e for several in found.entries.values() for e in several or ()]
    return list(found.entries.get(found.version) or ())


def _json(call: Ec2Base, found: ManagedPrefixList, state: str = "") -> dict[str, Any]:
    return {
        "PrefixListId": found.id,
        "AddressFamily": found.address_family,
        "State": state or found.state,
        "PrefixListArn": found.prefix_list_arn,
        "PrefixListName": found.prefix_list_name,
        "MaxEntries": None if found.max_entries is None else int(found.max_entries),
        "Version": found.version,
        "Tags": call.store.tag_list_of(found.id),
        "OwnerId": found.owner_id,
    }


def _checked(entries: list[dict[str, str]], family: str, most: int) -> list[dict[str, str]]:
    """Raises ApiError for a range that is none, is of the other family or is named twice, and for too many."""
    kept: dict[str, dict[str, str]] = {}
    for entry in entries:
        try:
            network = ip_network(entry.get("Cidr", ""))
        except ValueError:
            raise ApiError("InvalidParameterValue", f"The CIDR '{entry.get('Cidr')}' is invalid.") from None
        if network.version != _FAMILIES[family]:
            raise ApiError("InvalidParameterValue", f"The CIDR '{network}' is not of the address family {family}.")
        if str(network) in kept:
            raise ApiError("InvalidParameterValue", f"The CIDR '{network}' is given more than once.")
        kept[str(network)] = {"Cidr": str(network)} | (
            {"Description": entry["Description"]} if entry.get("Description") else {}
        )
    if len(kept) > most:
        raise ApiError(
            "PrefixListMaxEntriesExceeded", f"The prefix list has {most} entries at most, and {len(kept)} were given."
        )
    return list(kept.values())


def _most(call: Ec2Base) -> int:
    most = int(call.given("MaxEntries"))
    if not 1 <= most <= _MOST_ENTRIES:
        raise ApiError("InvalidParameterValue", f"MaxEntries must be between 1 and {_MOST_ENTRIES}.")
    return most


def _name(call: Ec2Base) -> str:
    name = str(call.given("PrefixListName"))
    if name.startswith("com.amazonaws") or len(name) > 255:
        raise ApiError("InvalidParameterValue", f"The prefix list name '{name}' is invalid.")
    return name


def create_managed_prefix_list(call: Ec2Base) -> Plain:
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateManagedPrefixList.html"""
    for name in ("PrefixListName", "MaxEntries", "AddressFamily"):
        if not call.given(name):
            raise ApiError("MissingParameter", f"The request must contain the parameter {name}")
    family = str(call.given("AddressFamily"))
    if family not in _FAMILIES:
        raise ApiError("InvalidParameterValue", f"Value ({family}) for parameter AddressFamily is invalid.")
    name, most = _name(call), _most(call)
    entries = _checked(list(call.given("Entries") or []), family, most)
    tags = call.tags_for("prefix-list")
    call.dry_run()
    made = call.store.create_managed_prefix_list(family, entries, str(most), name)
    made.entries = {1: entries}
    call.keep(made.id, tags)
    return Plain({"PrefixList": _json(call, made, "create-in-progress")})


def describe_managed_prefix_lists(call: Ec2Base) -> Plain:
    call.dry_run()
    ids = list(call.given("PrefixListIds") or [])
    found = [find_prefix_list(call, i) for i in ids] if ids else list(call.store.managed_prefix_lists.values())
    filters = call.filters()
    rows = [(_json(call, one), one) for one in found if call.seen(one.id)]
    kept = chosen(
        [row for row, _ in rows],
        filters,
        {
            "owner-id": lambda row: [row["OwnerId"]],
            "prefix-list-id": lambda row: [row["PrefixListId"]],
            "prefix-list-name": lambda row: [row["PrefixListName"]],
        },
        lambda row: {t["Key"]: t["Value"] for t in row["Tags"]},
    )
    return Plain({"PrefixLists": kept})


def get_managed_prefix_list_entries(call: Ec2Base) -> Plain:
    """Of the version that is asked for, or of the newest."""
    found = find_prefix_list(call, call.given("PrefixListId"))
    call.dry_run()
    version = call.given("TargetVersion")
    if version is not None and found.version is not None:
        if int(version) not in found.entries:
            raise ApiError("InvalidParameterValue", f"The prefix list {found.id} has no version {version}.")
        return Plain({"Entries": list(found.entries[int(version)] or ())})
    return Plain({"Entries": _entries(found)})


def modify_managed_prefix_list(call: Ec2Base) -> Plain:
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyManagedPrefixList.html"""
    found = _own(call)
    added, removed = list(call.given("AddEntries") or []), list(call.given("RemoveEntries") or [])
    if call.given("IpamPrefixListResolverSyncEnabled") is not None:
        raise ApiError("InvalidParameterValue", "Lists of IPAM are not modelled by the sandbox.")
    if call.given("MaxEntries") and (added or removed):
        raise ApiError("InvalidParameterCombination", "Entries and MaxEntries cannot be changed in one request.")
    most, name = int(found.max_entries or 0), found.prefix_list_name
    if call.given("MaxEntries"):
        most = _most(call)
    if call.given("PrefixListName"):
        name = _name(call)
    entries = _entries(found)
    if added or removed:
        version = call.given("CurrentVersion")
        if version is None:
            raise ApiError("MissingParameter", "The request must contain the parameter CurrentVersion")
        if int(version) != found.version:
            raise ApiError(
                "PrefixListVersionMismatch", f"The prefix list has version {found.version}, and {version} was given."
            )
        gone = {r.get("Cidr") for r in removed}
        if missing := gone - {e["Cidr"] for e in entries}:
            raise ApiError("InvalidParameterValue", f"The prefix list has no entry {min(map(str, missing))}.")
        again = {a.get("Cidr") for a in added}
        entries = [e for e in entries if e["Cidr"] not in gone | again] + added
    entries = _checked(entries, str(found.address_family), most)
    call.dry_run()
    found.prefix_list_name, found.max_entries = name, str(most)
    if added or removed:
        assert found.version is not None
        found.version += 1
        found.entries[found.version] = entries
    found.state = "modify-complete"
    return Plain({"PrefixList": _json(call, found, "modify-in-progress")})


def delete_managed_prefix_list(call: Ec2Base) -> Plain:
    """Raises ApiError while a route or a rule refers to it."""
    found = _own(call)
    if users := sorted(_users(call.store, found.id)):
        raise ApiError("DependencyViolation", f"The prefix list {found.id} is referenced by {', '.join(users)}.")
    call.dry_run()
    row = _json(call, found, "delete-in-progress")
    del call.store.managed_prefix_lists[found.id]
    return Plain({"PrefixList": row})


def _own(call: Ec2Base) -> ManagedPrefixList:
    found = find_prefix_list(call, call.given("PrefixListId"))
    if found.owner_id == _OWNER:
        raise ApiError("UnauthorizedOperation", "A prefix list that AWS manages cannot be changed.", 403)
    return found


def _users(store: SandboxEc2, list_id: str) -> Iterator[str]:
    for table in store.route_tables.values():
        if any(r.destination_prefix_list_id == list_id for r in table.routes):
            yield str(table.id)
    for groups in store.groups.values():
        for group in groups.values():
            if any(rule.prefix_list_id == list_id for rule in (*group.ingress_rules, *group.egress_rules)):
                yield str(group.id)
