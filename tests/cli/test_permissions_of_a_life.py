"""What the resources say that their calls need, against what a link really calls, from the first ``up`` to the end of ``teardown``."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cloudlink.config import load
from cloudlink.connect import topology_unasked
from cloudlink.core.permissions import Permission, Permissions
from cloudlink.core.resource import Resource
from tests.support.cli import Cli, make_cli

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"

# Permissions of other services, which these ask for on the caller's behalf; there is no call of ours.
NO_CALL = {"ec2:CreateTags", "ec2:CreateNetworkInterface", "route53resolver:TagResource"}
# What the example's VPC has already.
NOT_WRITTEN = {"resolver.vpc_dns"}
SAID = {
    node.address.partition("[")[0]: node.permissions
    for node in topology_unasked(load(EXAMPLE)).nodes()
    if isinstance(node, Resource)
}


# Of everybody who is signed in to a cluster: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
EVERYBODYS = ("selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews")
LIFE = (("plan",), ("up", "--no-verify"), ("status",), ("verify-dns",), ("teardown", "--yes"))


@dataclass
class Life:
    """written: what was called, as (cloud, verb or operation, kind), of everything that writes. used: command -> the actions that
    its calls needed. printed: command -> the actions of ``cloudlink permissions``, as patterns."""

    written: set[str] = field(default_factory=set)
    used: dict[str, set[str]] = field(default_factory=dict)
    printed: dict[str, set[str]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """On a cluster that enforces network policies, which are read as well then."""
    found = Life()
    with make_cli(tmp_path_factory.mktemp("life"), speed=300) as place:
        assert place.sandbox("start").code == 0
        clusters = place.clouds().azure.containers.managed_clusters
        cluster = clusters.get("test", "test")
        cluster.network_profile.network_policy = "calico"
        clusters.begin_create_or_update("test", "test", cluster, polling=False)
        place.control("POST", "clock", {"advance": 900})
        for command, *more in LIFE:
            found.printed[command] = _printed(place, "up" if command == "plan" else command)
            place.control("DELETE", "grants")  # what was used so far is forgotten
            done = place.cloudlink(command, *more)
            assert done.code == 0, done.out + done.err
            found.used[command] = set(place.control("GET", "grants")["used"])
        found.written = _writes(place) - {"azure.put managedclusters"}  # the engine, above
        yield found


@pytest.fixture(scope="module")
def written(life: Life) -> set[str]:
    return life.written


def _printed(place: Cli, command: str) -> set[str]:
    """In the words of the sandbox's grants."""
    rows = place.cloudlink("permissions", "--checks", "--for", command, "--json").json
    found = set()
    for row in rows["permissions"]:
        if row["where"] in ("aws", "azure"):
            found.add(row["action"].lower())
        else:
            kind = row["resource"].partition(".")[0] if "/" not in row["resource"] else row["resource"]
            found.add(f"{row['where']}:{row['action']}:{kind}:{row['place']}:{row['name'] or '*'}".lower())
    return found


@pytest.mark.parametrize("command", [command for command, *_ in LIFE])
def test_every_call_of_a_command_is_on_the_list_that_is_printed_for_it(life: Life, command: str) -> None:
    patterns = life.printed[command]
    missing = {
        action
        for action in life.used[command]
        if not any(f":{free}:" in action for free in EVERYBODYS)
        and not any(fnmatch.fnmatchcase(action.lower(), p) for p in patterns)
    }
    assert sorted(missing) == []


def test_the_policies_of_the_cluster_were_read(life: Life) -> None:
    """Else the above would say nothing of them."""
    for command in ("plan", "status"):
        assert "aks:list:networkpolicies:kube-system:" in life.used[command]


def _writes(place: Cli) -> set[str]:
    calls = place.control("GET", "journal")["calls"]
    return {f"{c['cloud']}.{c['operation']}".lower() for c in calls if c["writes"]}


def _called(permission: Permission) -> set[str]:
    """As the journal spells it; none for a permission without a call of its own."""
    action = permission.action
    if action in NO_CALL:
        return set()
    if ":" in action:
        return {f"aws.{action.partition(':')[2]}".lower()}
    *_, kind, verb = action.split("/")
    return {f"azure.{method} {kind}".lower() for method in {"write": ("PUT",), "delete": ("DELETE",)}.get(verb, ())}


def _all(said: Permissions) -> set[str]:
    by_field = (permission for several in said.by_field.values() for permission in several)
    return set().union(*map(_called, (*said.create, *said.update, *said.delete, *by_field)))


def test_nothing_is_called_that_no_resource_says(written: set[str]) -> None:
    known = set().union(*(_all(said) for said in SAID.values()))
    assert {w for w in written if w.startswith(("aws.", "azure."))} - known == set()


@pytest.mark.parametrize("kind", sorted(SAID.keys() - NOT_WRITTEN))
def test_what_is_said_of_a_create_and_of_a_delete_is_called(written: set[str], kind: str) -> None:
    for permission in (*SAID[kind].create, *SAID[kind].delete):
        if kind == "resolver.ingress" and permission.action.endswith("RevokeSecurityGroupIngress"):
            continue  # the rules go with their group
        assert _called(permission) <= written, permission
