"""The table of permissions against what a link really calls, from the first ``up`` to the end of ``teardown``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloudlink.steps.permissions import NEEDS, Needs
from tests.support.cli import Cli, make_cli

# Permissions of other services, which these ask for on the caller's behalf; there is no call of ours.
NO_CALL = {"ec2:CreateTags", "ec2:CreateNetworkInterface", "route53resolver:TagResource"}
# Of what the example has already.
NOT_IN_THE_EXAMPLE = {"azure_vpn.resource_group", "azure_vpn.network", "azure_vpn.cluster", "resolver.vpc_dns"}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[set[str]]:
    """What was called, as (cloud, verb or operation, kind), of everything that writes."""
    with make_cli(tmp_path_factory.mktemp("life"), speed=300) as place:
        up = place.cloudlink("up", "--no-verify")
        assert up.code == 0, up.out + up.err
        down = place.cloudlink("teardown", "--yes")
        assert down.code == 0, down.out + down.err
        yield _writes(place)


def _writes(place: Cli) -> set[str]:
    calls = place.control("GET", "journal")["calls"]
    return {f"{c['cloud']}.{c['operation']}".lower() for c in calls if c["writes"]}


def _called(action: str) -> set[str]:
    """As the journal spells it; none for a permission without a call of its own."""
    if action in NO_CALL:
        return set()
    if ":" in action:
        return {f"aws.{action.partition(':')[2]}".lower()}
    *_, kind, verb = action.split("/")
    return {f"azure.{method} {kind}".lower() for method in {"write": ("PUT",), "delete": ("DELETE",)}.get(verb, ())}


def _all(needs: Needs) -> set[str]:
    actions = (*needs.create, *needs.update, *needs.delete, *(a for more in needs.by_field.values() for a in more))
    return set().union(*(_called(action) for action in actions))


def test_nothing_is_called_that_the_table_does_not_know(written: set[str]) -> None:
    known = set().union(*(_all(needs) for needs in NEEDS.values()))
    assert {w for w in written if w.startswith(("aws.", "azure."))} - known == set()


@pytest.mark.parametrize("kind", sorted(NEEDS.keys() - NOT_IN_THE_EXAMPLE))
def test_what_the_table_says_of_a_create_and_of_a_delete_is_called(written: set[str], kind: str) -> None:
    for actions in (NEEDS[kind].create, NEEDS[kind].delete):
        for action in actions:
            if kind == "resolver.ingress" and action.endswith("RevokeSecurityGroupIngress"):
                continue  # the rules go with their group
            assert _called(action) <= written, action
