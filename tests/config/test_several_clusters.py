"""[[azure.clusters]]: what it means, and what is wrong with it."""

from __future__ import annotations

import pytest

from cloudlink.link import ClusterPlace
from tests.support.config_texts import CREATES, SMALLEST, add, mistakes, parsed, swap

HERE, OTHER = "00000000-1111-2222-3333-444444444444", "99999999-1111-2222-3333-444444444444"


def cluster(name: str, *lines: str) -> str:
    return "\n".join(("[[azure.clusters]]", f'name = "{name}"', *lines, ""))


def told(text: str) -> dict[str, str]:
    return {m.path: f"{m.found}: {m.allowed}" for m in mistakes(text)}


def test_what_a_cluster_leaves_out_is_as_for_the_first() -> None:
    text = SMALLEST + cluster("green") + cluster("blue", 'resource_group = "other"', f'subscription = "{OTHER}"')
    side = parsed(text).azure
    assert side.more_clusters == (
        ClusterPlace("green", side.aks_resource_group, None),
        ClusterPlace("blue", "other", OTHER),
    )
    assert side.clusters[0] == ClusterPlace(side.aks_cluster, side.aks_resource_group, None)
    text = add("azure.aks", f'resource_group = "apps"\nsubscription = "{OTHER}"', SMALLEST) + cluster("green")
    assert parsed(text).azure.more_clusters == (ClusterPlace("green", "apps", OTHER),)


def test_a_link_without_further_clusters_is_as_it_was() -> None:
    assert parsed(SMALLEST).azure.more_clusters == ()
    assert parsed(SMALLEST).azure.clusters_said == "test"


def test_clusters_are_called_by_name_and_by_more_where_that_is_not_enough() -> None:
    text = SMALLEST + cluster("test", 'resource_group = "other"') + cluster("green", f'subscription = "{OTHER}"')
    side = parsed(text).azure
    group = side.aks_resource_group
    assert [side.label_of(c) for c in side.clusters] == ["test", "other/test", f"{OTHER}/{group}/green"]
    assert side.clusters_said == f"test, other/test, {OTHER}/{group}/green"
    many = parsed(SMALLEST + "".join(cluster(f"c{n}") for n in range(4))).azure
    assert many.clusters_said == "test and 4 more"


def test_each_is_seen_as_if_it_was_the_only_one() -> None:
    link = parsed(SMALLEST + cluster("green", 'resource_group = "other"'))
    own = link.on(link.azure.more_clusters[0])
    assert (own.azure.aks_cluster, own.azure.aks_resource_group, own.azure.more_clusters) == ("green", "other", ())
    assert own.dns is link.dns


@pytest.mark.parametrize(
    ("tables", "path"),
    [
        (cluster("test"), "azure.clusters[0].name"),
        (cluster("TEST"), "azure.clusters[0].name"),
        (cluster("green") + cluster("blue") + cluster("Green"), "azure.clusters[2].name"),
        (cluster("test", f'subscription = "{HERE}"'), "azure.clusters[0].name"),
    ],
)
def test_the_same_cluster_twice(tables: str, path: str) -> None:
    (found,) = told(SMALLEST + tables).items()
    assert found[0] == path
    assert "each cluster once; it is at azure." in found[1]


def test_the_same_name_in_another_resource_group_is_another_cluster() -> None:
    assert not told(SMALLEST + cluster("test", 'resource_group = "other"'))


@pytest.mark.parametrize("name", ["-green", "gr een", "grün", "", "a" * 64, "green/blue", "a]"])
def test_names_that_azure_does_not_take(name: str) -> None:
    assert list(told(SMALLEST + cluster(name))) == ["azure.clusters[0].name"]


def test_where_it_has_no_effect_or_cannot_be() -> None:
    vnet = swap("[[dns.hosts]]", 'forward = "vnet"\n[[dns.hosts]]')
    assert "the VNet resolves for every cluster" in told(vnet + cluster("green"))["azure.clusters"]
    assert "only its own cluster" in told(CREATES + cluster("green"))["azure.clusters"]
    assert "without effect" in told(add("sandbox", 'more_clusters = "peered"'))["sandbox.more_clusters"]


def test_forms_that_people_write() -> None:
    assert told(SMALLEST + '[azure.clusters]\nname = "green"\n') == {
        "azure.clusters": "a single table: at least one [[azure.clusters]]"
    }
    lists = SMALLEST.replace("[azure.aks]", "[[azure.aks]]")
    (found,) = (m for m in mistakes(lists) if m.path == "azure.aks")
    assert "[[azure.clusters]]" in found.near_miss
    assert "azure.clusters[0].nam" in told(SMALLEST + '[[azure.clusters]]\nnam = "green"\n')
    assert "at most 20" in told(SMALLEST + "".join(cluster(f"c{n}") for n in range(21)))["azure.clusters"]


def test_the_sandbox_has_them_in_the_vnet_or_in_one_of_their_own() -> None:
    tables = cluster("green") + cluster("blue")
    link = parsed(SMALLEST + tables, sandbox=True)
    assert link.sandbox is not None
    assert link.sandbox.peered == ()
    link = parsed(add("sandbox", 'more_clusters = "peered"') + tables, sandbox=True)
    assert link.sandbox is not None
    ranges = [*link.sandbox.peered, *link.sandbox.vnet_prefixes, *link.sandbox.vpc_cidrs]
    assert len(link.sandbox.peered) == 2
    assert not any(a.overlaps(b) for i, a in enumerate(ranges) for b in ranges[i + 1 :])
