"""What ``permissions --for`` prints for a pause, a resume and a rehearsal is what they really call: all of it, and no more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloudlink.connect import topology_unasked
from cloudlink.rehearse.answers import read
from cloudlink.steps.least_permissions import Allowance, Where, least
from tests.support.cli import Cli

# Of what the example does not have, and another test of the same clouds may: a route table of the nodes' own, Resolver rules, prefix lists in security groups.
ASIDE = {
    "Microsoft.Network/routeTables/read",
    "ec2:GetManagedPrefixListEntries",
    "route53resolver:ListResolverRules",
}


def printed(place: Cli, command: str, *, checks: bool = False) -> set[Allowance]:
    return set(least(place.link, topology_unasked(place.link).nodes(), [command], checks=checks))


def limit(place: Cli, allowances: set[Allowance]) -> None:
    """Only these from now on; in the clusters everything, whose actions have four colons."""
    actions = [a.action for a in allowances if a.where in (Where.AWS, Where.AZURE)]
    place.control("POST", "grants", {"actions": [*actions, "aks:*:*:*:*", "eks:*:*:*:*"]})


def called(place: Cli) -> set[str]:
    """What was needed since, and allowed."""
    used = place.control("GET", "grants")["used"]
    return {a for a, allowed in used.items() if allowed and a.count(":") < 4}


def of_clouds(allowances: set[Allowance]) -> set[str]:
    return {a.action for a in allowances if a.where in (Where.AWS, Where.AZURE)} - ASIDE


@pytest.fixture
def limited(linked: Cli) -> Iterator[Cli]:
    yield linked
    linked.control("DELETE", "grants")
    assert linked.cloudlink("resume", "--no-verify").code == 0


def test_a_pause_and_a_resume(limited: Cli) -> None:
    """Once as it is and once with --deep; the resume verifies."""
    needed: dict[str, set[str]] = {"pause": set(), "resume": set()}
    for more in ((), ("--deep",)):
        for command, options in (("pause", more), ("resume", ())):
            limit(limited, printed(limited, command))
            done = limited.cloudlink(command, *options)
            assert done.code == 0, done.out + done.err
            needed[command] |= called(limited)
            limited.control("DELETE", "grants")
            limited.control("POST", "clock", {"advance": 600})
    for command, used in needed.items():
        assert used == of_clouds(printed(limited, command)), command


def test_without_one_of_them_nothing_is_paused(limited: Cli) -> None:
    before = limited.inventory()
    limit(limited, {a for a in printed(limited, "pause") if a.action != "ec2:DescribeVpnConnections"})
    done = limited.cloudlink("pause")
    assert done.code == 4 and "ec2:DescribeVpnConnections" in done.err, done.err
    limited.control("DELETE", "grants")
    assert limited.inventory() == before


def test_what_a_rehearsal_reads(shared: Cli) -> None:
    wanted = printed(shared, "rehearse", checks=True) - printed(shared, "rehearse")
    for checks in (False, True):
        limit(shared, printed(shared, "rehearse", checks=checks))
        try:
            clouds = shared.clouds()
            read(clouds.link, clouds.aws, clouds.azure, clouds.aks)
            may = printed(shared, "rehearse", checks=checks)
            assert called(shared) <= {a.action for a in may}
            assert called(shared) - ASIDE == of_clouds(may)
        finally:
            shared.control("DELETE", "grants")
    assert of_clouds(wanted) == {
        "elasticloadbalancing:DescribeListeners",
        "ec2:DescribeNetworkAcls",
        "Microsoft.Network/networkSecurityGroups/read",
    }


def test_in_the_clusters_a_pause_changes_coredns_alone_and_a_rehearsal_nothing(shared: Cli) -> None:
    def kube(command: str) -> set[str]:
        return {str(a) for a in printed(shared, command) if a.where in (Where.AKS, Where.EKS)}

    reads = {"get configmaps/coredns-custom in kube-system", "get deployments/coredns in kube-system"}
    writes = {read.replace("get", "patch") for read in reads}
    assert kube("rehearse") == reads
    assert kube("pause") == reads | writes
    assert kube("resume") == set(kube("up"))


def test_a_rehearsal_writes_nothing(shared: Cli) -> None:
    for action in of_clouds(printed(shared, "rehearse", checks=True)):
        assert (
            action.endswith(("/read", "listClusterUserCredential/action"))
            or ":Describe" in action
            or (action.partition(":")[2].startswith(("Get", "List")))
        )
