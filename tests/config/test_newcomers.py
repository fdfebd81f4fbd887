"""Configurations as somebody writes them who has not read the reference: one mistake, its line, and the right key."""

from __future__ import annotations

import pytest

from cloudlink.config import other_words
from cloudlink.config.lines import line_of, lines
from cloudlink.config.schema import TABLES
from tests.support.config_texts import EXAMPLE, SMALLEST, add, mistakes, swap

HOST = '[[dns.hosts]]\nname = "app"\nload_balancer = "app-internal"\n'
RANGE = 'subnet_prefix = "10.20.255.0/27"\n'


def without(words: str) -> str:
    return swap(words, "")


def to_azure(table: str, line: str) -> str:
    """The table's lines taken out, and one key of [azure] in their place."""
    begin = SMALLEST.index(f"[azure.{table}]")
    end = SMALLEST.index("[", begin + 1)
    text = SMALLEST[:begin] + SMALLEST[end:]
    return text.replace('location = "westeurope"\n', f'location = "westeurope"\n{line}\n')


def target(line: str) -> str:
    return swap('load_balancer = "app-internal"', line)


# (text, path, what was meant)
WRONG: dict[str, tuple[str, str, str]] = {
    "hosts in the singular": (swap("[[dns.hosts]]", "[[dns.host]]"), "dns.host", "hosts"),
    "all zones in a list": (
        swap('zone = "prod.corp.example"', 'zones = ["prod.corp.example"]'),
        "dns.zones",
        'zone = "prod.corp.example"',
    ),
    "a transit gateway to be made": (add("aws", 'gateway = "create-tgw"'), "aws.gateway", "create-transit"),
    "a transit gateway, in a word": (add("aws", 'gateway = "transit"'), "aws.gateway", "create-transit"),
    "a transit gateway's own key": (add("aws", 'tgw_id = "tgw-0a1b2c3d"'), "aws.tgw_id", "gateway"),
    "no range for the gateway": (without(RANGE), "azure.vpn_gateway.subnet_prefix", ""),
    "the gateway's range by its subnet": (
        swap("subnet_prefix", "gateway_subnet"),
        "azure.vpn_gateway.gateway_subnet",
        "subnet_prefix",
    ),
    "the gateway's range in the VNet": (
        without(RANGE).replace('name = "test-vnet"\n', 'name = "test-vnet"\ngateway_subnet = "10.20.255.0/27"\n'),
        "azure.vnet.gateway_subnet",
        "azure.vpn_gateway.subnet_prefix",
    ),
    "the EKS cluster's name": (swap("eks_cluster", "eks"), "aws.eks", "eks_cluster"),
    "hyphens": (swap("eks_cluster", "eks-cluster"), "aws.eks-cluster", "eks_cluster"),
    "Azure's region": (swap("location =", "region ="), "azure.region", "location"),
    "the AKS cluster as a string": (to_azure("aks", 'aks = "test"'), "azure.aks", '[azure.aks] with name = "test"'),
    "the VNet's name": (to_azure("vnet", 'vnet_name = "v"'), "azure.vnet_name", "azure.vnet.name"),
    "the gateway's table": (swap("[azure.vpn_gateway]", "[azure.gateway]"), "azure.gateway", "vpn_gateway"),
    "a gateway that exists": (
        to_azure("vpn_gateway", 'adopt_gateway = "hub"'),
        "azure.adopt_gateway",
        "azure.vpn_gateway.adopt",
    ),
    "hosts without their table": (swap("[[dns.hosts]]", "[[hosts]]"), "hosts", "dns.hosts"),
    "hosts as a list of names": (swap(HOST, 'hosts = ["app"]\n'), "dns.hosts[0]", '[[dns.hosts]] with name = "app"'),
    "hosts as one table": (swap(HOST, '[dns.hosts]\napp = "x"\n'), "dns.hosts", "[[dns.hosts]]"),
    "a host's name": (swap('name = "app"', 'hostname = "app"'), "dns.hosts[0].hostname", "name"),
    "a target": (target('lb = "x"'), "dns.hosts[0].lb", "load_balancer"),
    "a Service": (target('service = "shop/web"'), "dns.hosts[0].service", "kubernetes_service"),
    "an address": (target('ip = "10.1.1.1"'), "dns.hosts[0].ip", "addresses"),
    "one port": (target('load_balancer = "x"\nports = 443'), "dns.hosts[0].ports", "[443]"),
    "a port as text": (target('load_balancer = "x"\nports = ["443"]'), "dns.hosts[0].ports[0]", "443"),
    "a number as text": (add("aws", 'asn = "64512"'), "aws.asn", "64512"),
    "a truth as text": (add("azure.aks", 'create = "yes"'), "azure.aks.create", "true"),
    "the link's name in its table": (
        f'[link]\nname = "demo"\n{SMALLEST.partition(chr(10))[2]}',
        "link.name",
        "name",
    ),
    "the size of the gateway among the tunnels": (add("vpn", 'sku = "VpnGw2AZ"'), "vpn.sku", "azure.vpn_gateway.sku"),
    "what both clouds' phases are called": (add("vpn", 'phase1 = "aes256"'), "vpn.phase1", "policy"),
    "tags as a list": (f'tags = ["team=net"]\n{SMALLEST}', "tags", '[tags] with team = "platform"'),
    "tags as a text": (f'tags = "team=net"\n{SMALLEST}', "tags", '[tags] with team = "platform"'),
    "a key of two tables in a third": (add("vpn", "asn = 65000"), "vpn.asn", "aws.asn or azure.vpn_gateway.asn"),
}


@pytest.mark.parametrize("case", WRONG)
def test_one_mistake_with_its_line_and_the_right_key(case: str) -> None:
    text, path, meant = WRONG[case]
    (mistake,) = mistakes(text)
    assert (mistake.path, mistake.near_miss) == (path, meant)
    written = path.rpartition("[")[0] if path.endswith("]") else path
    name = written.rpartition(".")[2]
    shown = text.split("\n")[mistake.line - 1]
    assert name in shown or (mistake.found == "nothing" and shown == f"[{written.rpartition('.')[0]}]")


def test_a_second_zone_as_one_of_the_first_key() -> None:
    (mistake,) = mistakes(f'{SMALLEST}[[dns.zone]]\nzone = "b.example"\n')
    first = SMALLEST[: SMALLEST.index("zone =")].count("\n") + 1
    assert mistake.near_miss == "[[dns.zones]]" and f"line {first} gives dns.zone already" in mistake.allowed
    zones = SMALLEST.replace("[dns]", "[[dns.zone]]").replace("[[dns.hosts]]", "[[dns.zone.hosts]]")
    told = {m.path: m for m in mistakes(zones)}
    assert told["dns.zone"].near_miss.startswith("[[dns.zones]]")


def test_a_key_that_is_given_twice_says_where_it_was_first() -> None:
    (mistake,) = mistakes(swap("[dns]\n", '[dns]\nzone = "x.example"\n'))
    assert "gives dns.zone already" in mistake.allowed
    (mistake,) = mistakes(swap('"eu-central-1"', "eu-central-1"))
    assert "text stands in quotes" in mistake.allowed


def test_what_is_missing_is_said_with_what_it_is_for() -> None:
    (mistake,) = mistakes(without(RANGE))
    assert "Range of GatewaySubnet" in mistake.allowed and "/27" in mistake.allowed


def test_other_words_lead_to_keys_and_tables_that_exist() -> None:
    paths = {key.path for table in TABLES for key in table.keys} | {table.path for table in TABLES}
    for table, words in other_words.OTHER_WORDS.items():
        keys = {key.name for one in TABLES if one.path == table for key in one.keys}
        for word, meant in words.items():
            assert meant in (keys if table in ("dns.hosts", "dns.zones") else paths), (table, word)
            assert word not in keys, "such a key there is"


def test_lines_of_the_example_and_of_values_over_several() -> None:
    text = EXAMPLE.read_text()
    found = lines(text)
    for path, line in found.items():
        assert path.rpartition(".")[2].partition("[")[0] in text.split("\n")[line - 1]
    assert {"name", "aws.region", "dns.hosts[0].name"} <= set(found)
    several = 'a = """\nb = 1\n[c]\n"""\nd = [\n  "x = [",  # ]\n]\n[e.\'f\']\n"g.h" = {i = 1}\n'
    assert lines(several) == {"a": 1, "d": 5, "e.f": 8, 'e.f."g.h"': 9}
    assert line_of("e.f.nothing", lines(several)) == 8 and line_of("z", lines(several)) == 0
