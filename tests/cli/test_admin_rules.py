"""A company's network manager forbids on every VNet what pods send to AWS; no security group can let it through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.cli import Cli, make_cli

DNS = {"name": "no-outside-dns", "ports": ["53"], "destinations": ["10.10.0.0/16"]}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with make_cli(tmp_path_factory.mktemp("managed"), speed=600) as made:
        assert made.sandbox("start").code == 0
        yield made


def put(place: Cli, *rules: dict[str, Any]) -> None:
    world = place.control("GET", "fixtures")
    world["azure"]["vnet"]["admin_rules"] = list(rules)
    place.control("POST", "fixtures", world)


def words(said: Any) -> str:
    return " ".join((said.out + said.err).split())


def test_a_rule_that_denies_is_told_before_the_first_write_and_by_verify_dns(place: Cli) -> None:
    put(place, DNS)
    before = place.writes()
    planned = place.cloudlink("plan")
    assert planned.code == 3
    told = "The rule no-outside-dns of the network manager company (Azure Virtual Network Manager)"
    assert told in words(planned)
    assert "drops tcp/53, udp/53 from aks to 10.10." in words(planned)
    assert place.writes() == before
    # tried before it: packets pass, and nothing is said
    put(place, DNS, {**DNS, "name": "but-aws", "access": "AlwaysAllow", "priority": 5})
    assert place.cloudlink("plan").code == 0
    built = place.cloudlink("up")
    assert built.code == 0, built.out + built.err
    put(place, DNS)
    place.control("POST", "clock", {"advance": 600})
    assert place.cloudlink("status").code == 0, "it is not asked for where nothing is known to be wrong"
    seen = place.cloudlink("status", "--all")
    assert seen.code == 8, seen.out + seen.err
    assert told in words(seen)
    place.control("POST", "faults", {"kind": "denied", "target": "azure.POST:*AdminRules*", "times": None})
    assert place.cloudlink("status", "--all").code == 0, "a Reader may not ask, and nothing is claimed then"
    place.control("DELETE", "faults")
    asked = place.cloudlink("verify-dns")
    assert asked.code == 8, asked.out + asked.err
    assert told in words(asked)
    assert place.cloudlink("status").code == 8, "names that were wrong when they were asked last are a reason to ask"
