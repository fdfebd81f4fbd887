"""What Azure's resolver answers in a VNet: private zones, then rules of the ruleset, then the public DNS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import dns.message
import dns.rcode
import pytest

from cloudlink_sandbox.facts import PacketRule, VnetRule, VnetSubnet, VnetZone
from cloudlink_sandbox.wire.resolver import azure_answer
from tests.sandbox.kube.conftest import Aks
from tests.sandbox.kube.small_world import BALANCER, RESOLVERS, ZONE, SmallWorld
from tests.sandbox.kube.test_pods import ended, log, run

OUT = "/vnet-1/subnets/dns"
LAST = IPv4Address("10.1.9.9")


def rule(domain: str, *targets: IPv4Address) -> VnetRule:
    servers = tuple((t, 53) for t in targets or RESOLVERS)
    return VnetRule("/vnet-1", domain, servers, "/vnet-1", OUT, IPv4Address("10.20.200.4"))


def forwarding(world: SmallWorld, *rules: VnetRule, **more: Any) -> None:
    vnet = world.azure.vnets["/vnet-1"]
    subnet = replace(vnet.subnets[0], id=OUT)
    vnets = {"/vnet-1": replace(vnet, subnets=(*vnet.subnets, subnet))}
    world.azure = replace(world.azure, **{"vnets": vnets, "rules": rules, **more})


@pytest.fixture
def asked(world: SmallWorld) -> Callable[[str], tuple[str, float]]:
    def ask(name: str) -> tuple[str, float]:
        seen = world.context.world()
        query = dns.message.make_query(f"{name}.", "A")
        found, seconds = azure_answer(seen, seen.azure.clusters[0], query, "udp")
        return str(found.answer[0][0]) if found.answer else dns.rcode.to_text(found.rcode()), seconds

    return ask


Ask = Callable[[str], tuple[str, float]]


@pytest.mark.documentation("The longest rule that fits decides, and other names stay public")
def test_the_longest_rule_decides(world: SmallWorld, asked: Ask) -> None:
    forwarding(world, rule("example", LAST), rule(ZONE))
    assert asked(f"app.{ZONE}") == (str(BALANCER), 0.0)
    assert asked(f"nothing.{ZONE}")[0] == "NXDOMAIN"
    assert asked("other.example")[0] == "SERVFAIL"
    assert asked("notcorp.example")[0] == "SERVFAIL"
    assert asked("www.elsewhere.test") == ("NXDOMAIN", 0.0)


@pytest.mark.own("A target that does not answer is passed over, and costs time")
def test_the_next_target_is_asked(world: SmallWorld, asked: Ask) -> None:
    forwarding(world, rule(ZONE, LAST, RESOLVERS[1]))
    assert asked(f"app.{ZONE}") == (str(BALANCER), 1.0)
    world.aws = replace(world.aws, tunnels=())
    assert asked(f"app.{ZONE}") == ("SERVFAIL", 2.0)


@pytest.mark.documentation("A private zone that is linked to the VNet comes before every rule")
def test_a_private_zone_comes_first(world: SmallWorld, asked: Ask) -> None:
    zone = VnetZone("example", frozenset({"/vnet-1"}))
    forwarding(world, rule(ZONE), zones=(zone,))
    assert asked(f"app.{ZONE}")[0] == "NXDOMAIN"
    forwarding(world, rule(ZONE), zones=(replace(zone, vnets=frozenset({"/vnet-2"})),))
    assert asked(f"app.{ZONE}")[0] == str(BALANCER)


@pytest.mark.documentation("Where a VNet has DNS servers of its own, rules are not asked")
def test_own_servers_know_no_rules(world: SmallWorld, asked: Ask) -> None:
    forwarding(world, rule(ZONE))
    vnet = replace(world.azure.vnets["/vnet-1"], dns_servers=(IPv4Address("10.20.0.9"),))
    world.azure = replace(world.azure, vnets={"/vnet-1": vnet})
    assert asked(f"app.{ZONE}")[0] == "NXDOMAIN"


@pytest.mark.own("A question leaves from the outbound endpoint's subnet, with that subnet's rules")
def test_the_endpoints_subnet_may_keep_it_from_leaving(world: SmallWorld, asked: Ask) -> None:
    forwarding(world, rule(ZONE))
    vnet = world.azure.vnets["/vnet-1"]
    wall = PacketRule(False, "-1", 0, 65535, vnet.prefixes[0], world.aws.vpcs["vpc-1"][0])
    fenced = VnetSubnet(OUT, vnet.subnets[0].prefixes, True, leaving=(wall,))
    vnets = {"/vnet-1": replace(vnet, subnets=(vnet.subnets[0], fenced))}
    world.azure = replace(world.azure, vnets=vnets)
    assert asked(f"app.{ZONE}")[0] == "SERVFAIL"


@pytest.mark.own("Pods behind CoreDNS and pods with their node's resolver are answered by the same rules")
@pytest.mark.parametrize("more", [{}, {"dnsPolicy": "Default"}, {"hostNetwork": True, "dnsPolicy": "Default"}])
def test_pods_of_every_kind_resolve(aks: Aks, more: dict[str, Any]) -> None:
    forwarding(aks.world, rule(ZONE))
    aks.core.list_namespace()
    aks.advance(100)
    program = f"import socket; print(socket.gethostbyname('app.{ZONE}'))"
    run(aks, ["python3", "-c", program], "asker", **more)
    ended(aks, "asker")
    assert log(aks, "asker").strip() == str(BALANCER)
