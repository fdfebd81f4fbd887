"""A link that stands while both networks grow: what each side then learns beyond what the link is for is listed, and is no fault."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.cli import Cli


@pytest.fixture
def grown(linked: Cli) -> Iterator[Cli]:
    """A second range of the VPC, and one of the VNet."""
    clouds = linked.clouds()
    ec2, azure = clouds.aws.ec2, clouds.azure
    added = ec2.associate_vpc_cidr_block(VpcId=linked.link.aws.vpc_id, CidrBlock="100.64.0.0/16")
    where = (linked.link.azure.vnet_resource_group, linked.link.azure.vnet)
    networks = azure.network.virtual_networks
    prefixes = list(networks.get(*where).properties.address_space.address_prefixes)

    def have(ranges: list[str]) -> None:
        found = networks.get(*where)
        found.properties.address_space.address_prefixes = ranges
        networks.begin_create_or_update(*where, found, polling=False)
        linked.control("POST", "clock", {"advance": 300})

    have([*prefixes, "10.30.0.0/16"])
    yield linked
    have(prefixes)
    ec2.disassociate_vpc_cidr_block(AssociationId=added["CidrBlockAssociation"]["AssociationId"])
    linked.control("POST", "clock", {"advance": 300})


def test_ranges_that_nobody_asked_for_are_listed_with_their_owner(grown: Cli) -> None:
    owners = {
        ("azure", "100.64.0.0/16"): f"VPC {grown.link.aws.vpc_id}; nothing of the link lies in it",
        ("aws", "10.30.0.0/16"): f"VNet {grown.link.azure.vnet}; the cluster has no subnet in it",
    }
    for command in ("plan", "status"):
        done = grown.cloudlink(command, "--json")
        assert done.code == 0, done.out
        assert {(a["side"], a["range"]): a["owner"] for a in done.json["also_learned"]} == owners
    shown = grown.cloudlink("status", "--all").out
    assert "10.30.0.0/16" in shown and "Azure has no filter for what its gateway announces." in shown


def test_a_link_as_it_was_asked_for_lists_nothing(linked: Cli) -> None:
    for command in ("plan", "status"):
        assert linked.cloudlink(command, "--json").json["also_learned"] == []
