"""[[dns.back]]: zones of Azure's for EKS, and what contradicts itself in them."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest

from cloudlink.config import parse
from cloudlink.config.json_schema import json_schema
from cloudlink.config.schema import MOST_BACK
from cloudlink.errors import ConfigError, Mistake
from cloudlink.link import Link
from tests.support.config_texts import SMALLEST, add

FIRST = "prod.corp.example"  # the zone of the smallest configuration
BLOB = "privatelink.blob.core.windows.net"
ID = "/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/dns/providers/Microsoft.Network/privateDnsZones/"


def back(zone: str, more: str = "") -> str:
    return f'[[dns.back]]\nzone = "{zone}"\n{more}'


def linked(*tables: str, text: str = SMALLEST) -> Link:
    return parse("\n".join((text, *tables)), "config.toml")


def mistakes(*tables: str, text: str = SMALLEST) -> dict[str, Mistake]:
    with pytest.raises(ConfigError) as caught:
        linked(*tables, text=text)
    return {m.path: m for m in caught.value.mistakes}


def test_a_configuration_without_it_is_as_it_was() -> None:
    assert (linked().dns.back, linked().dns.inbound_subnet) == ((), None)


def test_zones_and_the_subnet_have_their_place_in_the_link() -> None:
    text = add("dns", 'inbound_subnet_prefix = "10.20.201.0/28"')
    dns = linked(back(BLOB), back("azure.corp.test", f'private_zone = "{ID}azure.corp.test"\n'), text=text).dns
    assert [(z.name, z.private_zone) for z in dns.back] == [(BLOB, None), ("azure.corp.test", f"{ID}azure.corp.test")]
    assert dns.inbound_subnet == IPv4Network("10.20.201.0/28")
    assert (zone := dns.back_zone_of(f"data.{BLOB}")) is not None and zone.name == BLOB
    assert dns.back_zone_of("blob.core.windows.net") is None


@pytest.mark.parametrize(
    ("zone", "how"), [(FIRST, "it is"), (f"a.{FIRST}", "it lies in"), ("corp.example", "it holds")]
)
def test_a_zone_goes_in_one_direction_only(zone: str, how: str) -> None:
    found = mistakes(back(BLOB), back(zone))
    assert list(found) == ["dns.back[1].zone"]
    assert how in found["dns.back[1].zone"].allowed
    assert f"{FIRST} (dns.zone)" in found["dns.back[1].zone"].allowed


def test_of_several_forward_zones_each_is_compared() -> None:
    more = '[[dns.zones]]\nzone = "data.example"\n[[dns.zones.hosts]]\nname = "db"\naddresses = ["10.10.0.77"]\n'
    found = mistakes(more, back("eu.data.example"))
    assert "data.example (dns.zones[0].zone)" in found["dns.back[0].zone"].allowed


def test_a_zone_may_lie_in_another_of_the_same_direction() -> None:
    assert len(linked(back("azure.corp.test"), back("a.azure.corp.test")).dns.back) == 2


@pytest.mark.parametrize(
    "zone",
    ["cluster.local", "local", "eu-central-1.compute.internal", "eks.amazonaws.com", "10.in-addr.arpa", "Bad.Example"],
)
def test_what_eks_or_aws_resolves_itself_is_refused(zone: str) -> None:
    assert list(mistakes(back(zone))) == ["dns.back[0].zone"]


def test_contradictions_are_told_with_their_keys() -> None:
    twice = mistakes(back(BLOB), back(BLOB))
    assert "dns.back[0].zone already" in twice["dns.back[1].zone"].allowed
    other = mistakes(back(BLOB, f'private_zone = "{ID}other.example"\n'))
    assert BLOB in other["dns.back[0].private_zone"].allowed
    alone = mistakes(text=add("dns", 'inbound_subnet_prefix = "10.20.201.0/28"'))
    assert "[[dns.back]]" in alone["dns.inbound_subnet_prefix"].allowed
    same = add(
        "dns", 'forward = "vnet"\noutbound_subnet_prefix = "10.20.201.0/28"\ninbound_subnet_prefix = "10.20.201.0/27"'
    )
    assert "dns.outbound_subnet_prefix" in mistakes(back(BLOB), text=same)["dns.inbound_subnet_prefix"].allowed
    assert list(mistakes("[dns.back]\n" + f'zone = "{BLOB}"')) == ["dns.back"]
    assert "at most 20" in mistakes(*(back(f"z{i}.example") for i in range(MOST_BACK + 1)))["dns.back"].allowed
    assert list(mistakes("[[dns.back]]\n")) == ["dns.back[0].zone"]


def test_the_json_schema_knows_it() -> None:
    assert "back" in json_schema()["properties"]["dns"]["properties"]
