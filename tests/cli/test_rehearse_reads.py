"""What a rehearsal reads of a link: both clouds' answers, and nothing else."""

from __future__ import annotations

from ipaddress import IPv4Network

from cloudlink.rehearse.answers import Answers, read
from tests.support.cli import Cli


def answers(place: Cli) -> Answers:
    clouds = place.clouds()
    return read(clouds.link, clouds.aws, clouds.azure, clouds.aks)


def test_a_link_as_both_clouds_tell_it(shared: Cli) -> None:
    before = shared.writes()
    said = answers(shared)
    assert shared.writes() == before
    assert (len(said.offers), len(said.connections), len(said.far), len(said.instances)) == (4, 4, 4, 2)
    assert all(o.key for o in said.offers)
    assert {c.key for c in said.connections} == {o.key for o in said.offers}
    assert said.vpc == (IPv4Network("10.10.0.0/16"),)
    assert (said.turned_away, said.sent_away, said.zones_below) == ((), (), {})
    assert list(said.server_blocks) == ["cloudlink-demo.server"]


def test_each_target_is_asked_where_it_listens(shared: Cli) -> None:
    said = answers(shared)
    by_address = {h.address: h for h in said.targets}
    ports = {
        name: {(by_address[a].ports, tuple(by_address[a].tls)) for a in addresses}
        for name, addresses in said.records.items()
    }
    zone = shared.link.dns.zone
    assert ports[f"vault.{zone}"] == {((8200,), (8200,))}
    assert ports[f"postgres.{zone}"] == {((5432,), ())}, "nobody says it but the configuration"
    assert ports[f"sentry.{zone}"] == {((443,), (443,))}
    assert by_address[said.records[f"postgres.{zone}"][0]].lets_in is None


def test_the_endpoints_security_group_comes_with_its_addresses(shared: Cli) -> None:
    for host in answers(shared).endpoints:
        assert {(r.protocol, r.first_port, r.source) for r in host.lets_in or ()} == {
            ("tcp", 53, "10.20.0.0/16"),
            ("udp", 53, "10.20.0.0/16"),
        }


def test_without_the_permission_for_listeners_the_configured_ports_are_asked(shared: Cli) -> None:
    refused = {"kind": "denied", "target": "aws.DescribeListeners", "times": None}
    shared.control("POST", "faults", refused)
    try:
        said = answers(shared)
    finally:
        shared.control("DELETE", "faults")
    by_address = {h.address: h.ports for h in said.targets}
    assert {by_address[a] for a in said.records[f"vault.{shared.link.dns.zone}"]} == {(8200,)}
    assert {by_address[a] for a in said.records[shared.link.dns.zone]} == {(80, 443)}


def test_the_network_acl_around_an_address_comes_with_it(shared: Cli) -> None:
    said = answers(shared)
    for host in (*said.endpoints, *said.targets):
        assert host.acl_in and host.acl_out, host
        assert host.acl_in[0].allows and host.acl_in[0].network == IPv4Network("0.0.0.0/0")


def test_a_network_acl_that_may_not_be_read_is_a_note_and_no_more(shared: Cli) -> None:
    refused = {"kind": "denied", "target": "aws.DescribeNetworkAcls", "times": None}
    shared.control("POST", "faults", refused)
    try:
        said = answers(shared)
    finally:
        shared.control("DELETE", "faults")
    assert said.notes == ("AWS's network ACLs may not be read, and are not rehearsed",)
    assert [h.acl_in for h in said.endpoints] == [None] * len(said.endpoints)


def test_the_security_group_of_the_nodes_subnet_says_what_leaves_it(shared: Cli) -> None:
    clouds = shared.clouds()
    vnet = clouds.azure.vnet()
    held = next(
        s["properties"]["networkSecurityGroup"]["id"] for s in vnet["properties"]["subnets"] if "aks" in s["name"]
    )
    group, name = held.split("/")[4], held.rpartition("/")[2]
    rules = clouds.azure.network.security_rules
    rule = {
        "priority": 100,
        "direction": "Outbound",
        "access": "Deny",
        "protocol": "Tcp",
        "sourceAddressPrefix": "*",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "10.10.0.0/16",
        "destinationPortRange": "443",
    }
    rules.begin_create_or_update(group, name, "shut", {"properties": rule}).result()
    try:
        said = answers(shared)
    finally:
        rules.begin_delete(group, name, "shut").result()
    assert said.lets_out is not None
    first = said.lets_out[0]
    assert (first.name, first.allows, first.ports) == ("shut", False, ((443, 443),))
    assert any(r.name == "AllowVnetOutBound" for r in said.lets_out)
