"""[[dns.zones]]: several zones in one configuration, and what contradicts itself in them."""

from __future__ import annotations

import pytest

from cloudlink.config import parse
from cloudlink.config.json_schema import json_schema
from cloudlink.config.schema import MOST_ZONES
from cloudlink.errors import ConfigError, Mistake
from cloudlink.link import Link
from tests.support.config_texts import SMALLEST

FIRST = "prod.corp.example"  # the zone of the smallest configuration
HOST = '[[dns.zones.hosts]]\nname = "{}"\nload_balancer = "lb"\n'


def zone(name: str, *labels: str, more: str = "") -> str:
    return f'[[dns.zones]]\nzone = "{name}"\n{more}' + "".join(map(HOST.format, labels))


def linked(*zones: str) -> Link:
    return parse("\n".join((SMALLEST, *zones)), "config.toml")


def mistakes(*zones: str) -> dict[str, Mistake]:
    with pytest.raises(ConfigError) as caught:
        linked(*zones)
    return {m.path: m for m in caught.value.mistakes}


def test_a_configuration_of_one_zone_is_as_it_was() -> None:
    dns = linked().dns
    assert dns.more_zones == ()
    assert dns.zone_names == (FIRST,) == (dns.zone,)
    assert dns.zones[0].hosts == dns.hosts
    assert dns.zones_said == FIRST


def test_zones_stand_beside_the_first_in_their_order() -> None:
    dns = linked(
        zone("data.example", "db", "*", more='hosted_zone = "Z0DATA"\nttl = 5\n'), zone("web.example", "@")
    ).dns
    data, web = dns.more_zones
    assert dns.zone_names == (FIRST, "data.example", "web.example")
    assert (data.adopt, data.record_ttl, [h.label for h in data.hosts]) == ("Z0DATA", 5, ["db", "*"])
    assert (web.adopt, web.record_ttl) == (None, 60)
    assert list(dns.named_hosts)[-3:] == ["db.data.example", "*.data.example", "web.example"]


def test_the_longest_zone_answers() -> None:
    dns = linked(zone(f"data.{FIRST}", "db")).dns
    asked = {name: z.name if (z := dns.zone_of(name)) else "" for name in (f"x.data.{FIRST}", f"data.{FIRST}", FIRST)}
    assert asked == {f"x.data.{FIRST}": f"data.{FIRST}", f"data.{FIRST}": f"data.{FIRST}", FIRST: FIRST}
    assert dns.zone_of("corp.example") is None
    assert dns.zone_of(f"x{FIRST}") is None


def test_a_zone_may_lie_in_another_and_a_name_in_one_only() -> None:
    assert linked(zone("eu.corp.example", "a")).dns.more_zones
    inside = zone("corp.example", "app.prod", "*.prod", "prod", "*", "preprod")  # the first zone lies in this one
    found = mistakes(inside)
    assert set(found) == {f"dns.zones[0].hosts[{i}].name" for i in range(3)}
    assert f"a name outside the zone {FIRST} (dns.zone)" in found["dns.zones[0].hosts[0].name"].allowed
    assert 'its name is "app"' in found["dns.zones[0].hosts[0].name"].allowed
    assert 'its name is "@"' in found["dns.zones[0].hosts[2].name"].allowed


def test_each_zone_once() -> None:
    found = mistakes(zone("data.example", "db"), zone("data.example", "other"), zone(FIRST, "more"))
    assert found["dns.zones[1].zone"].allowed == "each zone once; it is at dns.zones[0].zone already"
    assert found["dns.zones[2].zone"].allowed == "each zone once; it is at dns.zone already"


def test_each_hosted_zone_once() -> None:
    found = mistakes(
        zone("a.example", "x", more='hosted_zone = "Z0A1"\n'), zone("b.example", "x", more='hosted_zone = "Z0A1"\n')
    )
    assert found["dns.zones[1].hosted_zone"].allowed == "each zone once; it is at dns.zones[0].hosted_zone already"


@pytest.mark.parametrize(
    ("text", "path", "allowed"),
    [
        ("[[dns.zones]]\n" + HOST.format("x"), "dns.zones[0].zone", "a DNS name"),
        (zone("a.example"), "dns.zones[0].hosts", "at least one [[dns.zones.hosts]]"),
        ('[dns.zones]\nzone = "a.example"\n', "dns.zones", "at least one [[dns.zones]]"),
        (zone("a.example", "x") + 'adresses = ["10.1.1.1"]\n', "dns.zones[0].hosts[0].adresses", "one of"),
        (zone("a.example", "x", more='hostedzone = "create"\n'), "dns.zones[0].hostedzone", "one of"),
        (zone("a.example", "x.a.example"), "dns.zones[0].hosts[0].name", "the name without the zone a.example"),
        (zone("a.example", "x", "x"), "dns.zones[0].hosts[1].name", "each name once"),
        (zone("a.example", "x") + 'addresses = ["10.1.1.1"]\n', "dns.zones[0].hosts[0]", "exactly one of"),
        ("".join(zone(f"z{i}.example", "x") for i in range(MOST_ZONES + 1)), "dns.zones", f"at most {MOST_ZONES}"),
        (
            "".join(zone(f"z{i}.example", *(f"n{n}" for n in range(100))) for i in range(5)),
            "dns.zones",
            "at most 500 names in all zones together",
        ),
    ],
    ids=range(10),
)
def test_mistakes_are_told_at_their_path(text: str, path: str, allowed: str) -> None:
    found = mistakes(text)
    assert list(found) == [path]
    assert allowed in found[path].allowed


def test_the_schema_for_editors_has_them() -> None:
    zones = json_schema()["properties"]["dns"]["properties"]["zones"]
    assert (zones["type"], zones["maxItems"]) == ("array", MOST_ZONES)
    assert zones["items"]["required"] == ["zone", "hosts"]
    assert "zones" not in json_schema()["properties"]["dns"]["required"]
    assert len(zones["items"]["properties"]["hosts"]["items"]["oneOf"]) == 4
