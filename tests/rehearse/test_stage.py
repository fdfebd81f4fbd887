"""What each daemon is set up with follows from the clouds' answers and from nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Network

import pytest

from cloudlink.clouds.aws.parse_acls import AclEntry
from cloudlink.clouds.aws.parse_groups import Rule
from cloudlink.clouds.aws.parse_offers import Phase
from cloudlink.clouds.azure.parse_filters import FilterRule
from cloudlink.clouds.azure.parse_ipsec import AZURES_OWN
from cloudlink.rehearse import filters, proposals, stage
from cloudlink.rehearse.answers import Host
from cloudlink.rehearse.filters import FIRST
from cloudlink.rehearse.programs import Programs
from cloudlink.rehearse.run import Options, told
from cloudlink_sandbox.azure.ipsec_policies import DEFAULT
from tests.support import rehearsal as link
from tests.support.rehearsal import POLICY


def test_one_daemon_for_each_tunnel_and_for_each_connection_on_each_instance() -> None:
    made = stage.of(link.answers())
    assert [c.name for c in made.charons if c.side == "aws"] == ["aws0", "aws1", "aws2", "aws3"]
    azure = [(c.address, c.peer) for c in made.charons if c.side == "azure"]
    assert sorted(azure) == sorted((p, o) for p in link.PUBLIC for o in link.OUTSIDE)
    assert made.tunnels == tuple(zip(("1-1", "1-2", "2-1", "2-2"), link.OUTSIDE, strict=True))
    assert not made.notes


def test_each_end_has_its_own_clouds_key_addresses_and_proposals() -> None:
    other = link.connection(0, key=link.key(9), policy=replace(POLICY, pfs_group="PFS24"))
    made = stage.of(link.answers(connections=(other, *(link.connection(n) for n in (1, 2, 3)))))
    aws = next(c for c in made.charons if c.name == "aws0")
    azure = next(c for c in made.charons if c.name == "az0")
    assert (aws.key, azure.key) == (link.key(0), link.key(9))
    assert aws.connection["t"]["children"]["c"]["esp_proposals"] == ["aes256gcm16-ecp384"]
    assert azure.connection["t"]["children"]["c"]["esp_proposals"] == ["aes256gcm16-modp2048s256"]
    assert aws.connection["t"]["proposals"] == ["aes256-sha256-ecp384"]
    assert aws.connection["t"]["children"]["c"]["life_time"] == "3600"
    assert aws.connection["t"]["dpd_delay"] == "11"


def test_bgp_is_spoken_from_what_each_side_says() -> None:
    wrong = (link.far(0, asn=64999), *(link.far(n) for n in (1, 2, 3)))
    made = stage.of(link.answers(far=wrong))
    assert "local 169.254.21.1 as 64512; neighbor 169.254.21.2 as 65000" in made.birds["vgw"]
    assert "local 169.254.21.2 as 65000; neighbor 169.254.21.1 as 64999" in made.birds["azg0"]


def test_an_address_that_the_instance_does_not_own_is_not_spoken_from() -> None:
    strange = link.connection(0, inside={"config-0": "169.254.99.2"})
    made = stage.of(link.answers(connections=(strange,)))
    assert "169.254.99.2" not in made.birds["azg0"]


def test_a_detached_gateway_tells_no_route_and_a_tables_missing_way_leaves_its_host_alone() -> None:
    made = stage.of(link.answers(attached=frozenset(), targets=(Host("10.10.1.10", False),)))
    assert "route 10.10.0.0/16" not in made.birds["vgw"]
    assert [k.default for k in made.links if k.address == "10.10.1.10"] == [False]


def test_azure_drops_what_lies_in_its_vnet_and_takes_what_encloses_it() -> None:
    made = stage.of(link.answers(vnet=(IPv4Network("10.10.128.0/18"),)))
    assert "net ~ [ 10.10.128.0/18+ ] then reject" in made.birds["azg0"]


def test_a_connection_that_names_no_address_speaks_from_the_instances_first() -> None:
    made = stage.of(link.answers(connections=(link.connection(1, inside={}),), far=(link.far(1),)))
    first = link.answers().instances[0].custom[0]
    assert f"local {first} as 65000; neighbor {link.far(1).peer} as 64512" in made.birds["azg0"]


def test_what_a_security_group_lets_in_stands_before_what_it_keeps_out() -> None:
    rules = (Rule("-1", -1, -1, "10.20.0.0/24", ""), Rule("tcp", 80, 90, "10.20.1.0/24", ""))
    hosts = (Host("10.10.1.10", True, lets_in=rules), Host("10.10.1.11", True))
    made = stage.of(link.answers(targets=hosts, turned_away=(IPv4Network("10.10.0.0/16"),))).filters
    assert [rule for place, rule in made if place == "vnet"] == ["from 10.20.0.0/20 to 10.10.0.0/16 blackhole"]
    assert tuple(rule for place, rule in made if place == "vgw") == (
        "to 10.10.1.10 iif lo lookup main",
        "to 10.10.1.10 ipproto udp dport 7 lookup main",
        "from 10.20.0.0/24 to 10.10.1.10 lookup main",
        "from 10.20.1.0/24 to 10.10.1.10 ipproto tcp dport 80-90 lookup main",
        "to 10.10.1.10 blackhole",
    )


def test_what_a_network_acl_lets_in_still_meets_the_security_group_and_its_answer_the_acl() -> None:
    acl_in = (
        AclEntry(90, False, "17", (53, 53), IPv4Network("10.20.0.0/24")),
        AclEntry(100, True, "-1", (0, 65_535), IPv4Network("10.20.0.0/20")),
    )
    acl_out = (AclEntry(100, True, "6", (1024, 65_535), IPv4Network("0.0.0.0/0")),)
    group = (Rule("tcp", 0, 65_535, "10.20.0.0/20", ""),)
    host = Host("10.10.1.10", True, lets_in=group, acl_in=acl_in, acl_out=acl_out)
    made = stage.of(link.answers(endpoints=(), targets=(host,))).filters
    assert tuple(rule for place, rule in made if place == "vgw") == (
        "to 10.10.1.10 iif lo lookup main",
        "to 10.10.1.10 ipproto udp dport 7 lookup main",
        "from 10.20.0.0/24 to 10.10.1.10 ipproto 17 dport 53-53 blackhole",
        f"from 10.20.0.0/20 to 10.10.1.10 goto {FIRST + 5}",
        "to 10.10.1.10 blackhole",
        "from 10.20.0.0/20 to 10.10.1.10 ipproto tcp lookup main",  # number 5
        "to 10.10.1.10 blackhole",
        "from 10.10.1.10 ipproto udp sport 7 lookup main",
        "from 10.10.1.10 to 0.0.0.0/0 ipproto 6 dport 1024-65534 lookup main",
        "from 10.10.1.10 blackhole",
    )


def test_an_acl_that_lets_everything_pass_is_no_filter_and_one_without_a_group_ends_the_search_itself() -> None:
    everything = (AclEntry(100, True, "-1", (0, 65_535), IPv4Network("0.0.0.0/0")),)
    host = Host("10.10.1.10", True, acl_in=everything, acl_out=everything)
    assert filters.before_hosts((host,)) == ()
    some = (AclEntry(100, True, "6", (443, 443), IPv4Network("10.20.0.0/20")),)
    made = filters.before_hosts((replace(host, acl_in=some),))
    assert made[2:] == (
        f"from 10.20.0.0/20 to 10.10.1.10 ipproto 6 dport 443-443 goto {FIRST + 4}",
        "to 10.10.1.10 blackhole",
        "to 10.10.1.10 lookup main",  # number 4
    )


def test_what_leaves_the_nodes_subnet_passes_its_security_group_and_then_its_route_table() -> None:
    def rule(priority: int, allows: bool, protocol: str, ports: tuple[int, int], target: str) -> FilterRule:
        return FilterRule("r", priority, allows, protocol, (ports,), ("*",), (target,))

    rules = (
        rule(100, True, "*", (53, 53), "10.10.0.0/20"),
        rule(110, False, "tcp", (0, 65_535), "virtualnetwork"),
        rule(120, False, "*", (0, 65_535), "storage"),
        rule(130, False, "*", (0, 65_535), "192.168.0.0/16"),
        rule(140, False, "ah", (0, 65_535), "*"),
    )
    nodes, vpc = IPv4Network("10.20.0.0/20"), (IPv4Network("10.10.0.0/16"),)
    wanted = (
        "from 10.20.0.0/20 to 10.10.0.0/16 ipproto udp dport 7 {}",
        "from 10.20.0.0/20 to 10.10.0.0/20 ipproto tcp dport 53-53 {}",
        "from 10.20.0.0/20 to 10.10.0.0/20 ipproto udp dport 53-53 {}",
        "from 10.20.0.0/20 to 10.10.0.0/16 ipproto tcp blackhole",
    )
    free = filters.behind_nodes(link.answers(nodes=nodes, vpc=vpc, lets_out=rules))
    assert free == tuple(w.format("lookup main") for w in wanted)
    away = IPv4Network("10.10.8.0/24")
    led = filters.behind_nodes(link.answers(nodes=nodes, vpc=vpc, lets_out=rules, turned_away=(away,)))
    assert led == (
        *(w.format(f"goto {FIRST + 4}") for w in wanted),
        "from 10.20.0.0/20 to 10.10.8.0/24 blackhole",  # number 4
    )


def test_a_connection_that_leads_elsewhere_is_told() -> None:
    made = stage.of(link.answers(far=(link.far(0, address="192.0.2.9"), *(link.far(n) for n in (1, 2, 3)))))
    assert made.notes == ("Azure's connection connection-1 leads to 192.0.2.9, which is no AWS tunnel of this link",)
    assert not [c for c in made.charons if c.side == "azure" and c.tunnel == link.OUTSIDE[0]]


def test_what_no_daemon_knows_is_that_ends_problem() -> None:
    odd = link.connection(0, policy=replace(POLICY, ike_group="None"))
    made = stage.of(link.answers(connections=(odd,)))
    assert next(c.problem for c in made.charons if c.side == "azure").startswith("strongSwan knows no IKE without")


@pytest.mark.parametrize(
    ("mode", "asks", "answers"),
    [("Default", True, True), ("InitiatorOnly", True, False), ("ResponderOnly", False, True)],
)
def test_who_asks(mode: str, asks: bool, answers: bool) -> None:
    made = stage.of(link.answers(connections=(link.connection(0, mode=mode),)))
    end = next(c for c in made.charons if c.side == "azure")
    assert (end.asks, end.answers) == (asks, answers)


def test_keys_are_in_what_goes_through_the_pipe_alone() -> None:
    made = stage.of(link.answers())
    assert link.key(0).reveal() not in repr(made)
    text = told(made, Programs({"bird": "/b"}), Options(quick=True))
    assert json.loads(text)["stage"]["charons"][0]["key"] == link.key(0).reveal()
    assert json.loads(text)["options"] == {"quick": True, "failover": False, "pcap": False}


def test_hurried_timers_are_a_tenth() -> None:
    made = stage.of(link.answers(), hurry=10)
    assert "hold time 3;" in made.birds["vgw"]
    assert made.charons[0].connection["t"]["dpd_delay"] == "1"


# --- proposals --------------------------------------------------------------------------------------------------


def test_aws_lists_become_one_proposal_for_gcm_and_one_for_the_rest() -> None:
    phase = Phase(("AES128", "AES256-GCM-16"), ("SHA1", "SHA2-512"), (14, 21), 1)
    offered = proposals.of_aws(phase, phase)
    assert offered.ike == ("aes256gcm16-prfsha1-prfsha512-modp2048-ecp521", "aes128-sha1-sha512-modp2048-ecp521")
    assert offered.esp == ("aes256gcm16-modp2048-ecp521", "aes128-sha1-sha512-modp2048-ecp521")


@pytest.mark.parametrize(
    ("pfs", "wanted"),
    [("None", "aes256gcm16"), ("PFSMM", "aes256gcm16-ecp384"), ("PFS2048", "aes256gcm16-modp2048")],
)
def test_azures_renewal_groups(pfs: str, wanted: str) -> None:
    assert proposals.of_azure(replace(POLICY, pfs_group=pfs)).esp == (wanted,)


def test_azures_own_policy_is_the_one_that_the_sandbox_has_and_asks_without_a_group_first() -> None:
    mine = {name: set(values) for name, values in AZURES_OWN.items()}
    assert mine == {
        "ike_encryption": DEFAULT.ike_encryption,
        "ike_integrity": DEFAULT.ike_integrity,
        "ike_group": {str(g) for g in DEFAULT.ike_groups},
        "esp_encryption": DEFAULT.esp_encryption,
        "esp_integrity": DEFAULT.esp_integrity,
        "pfs_group": {str(g or "none") for g in DEFAULT.pfs_groups},
    }
    offered = proposals.of_azure(None)
    assert offered.ike == ("aes256-aes128-3des-sha1-sha256-modp1024",)
    assert offered.esp[:2] == ("aes256gcm16", "aes256-aes128-3des-sha1-sha256")
    assert offered.esp[2].startswith("aes256gcm16-modp768-modp1024-modp2048-ecp256")


@pytest.mark.parametrize(
    ("cipher", "digest", "udp", "packet"),
    [("gcm", "", False, 1446), ("gcm", "", True, 1438), ("aes", "sha256", False, 1438), ("3des", "sha1", False, 1446)],
)
def test_the_largest_packet(cipher: str, digest: str, udp: bool, packet: int) -> None:
    """By hand from RFC 4303: 1500 without outer header, ESP header, vector and check, in whole blocks, without trailer."""
    assert proposals.largest_inside(cipher, digest, udp=udp) == packet
    assert proposals.mss(packet) == packet - 40
