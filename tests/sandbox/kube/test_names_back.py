"""Names of Azure's private zones, asked in the VPC: a rule, an outbound endpoint, the link, an inbound endpoint in the VNet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import pytest

from cloudlink_sandbox.facts import (
    EksCluster,
    ForwardingRule,
    PacketRule,
    Record,
    Rule,
    VnetInbound,
    VnetRule,
    VnetSubnet,
    VnetZone,
    VpcSender,
)
from cloudlink_sandbox.kube.server import KubeCloud
from cloudlink_sandbox.wire.resolver import vpc_answer
from cloudlink_sandbox.wire.service import Wire
from cloudlink_sandbox.world_file import Aws
from tests.sandbox.kube.conftest import Aks, _serve, api_client
from tests.sandbox.kube.small_world import BALANCER, RESOLVERS, ZONE, SmallWorld
from tests.sandbox.kube.test_pods import ended, log, run

BACK = "privatelink.blob.core.windows.net"
ADDRESS = IPv4Address("10.20.201.4")
IN = "/vnet-1/subnets/dns-in"
_EVERYWHERE = IPv4Network("0.0.0.0/0")
_DNS_OUT = (Rule("udp", 53, 53, _EVERYWHERE), Rule("tcp", 53, 53, _EVERYWHERE))
SENDERS = tuple(VpcSender(IPv4Address(f"10.1.{i}.20"), f"subnet-{i}", _DNS_OUT) for i in (1, 2))
RULE = ForwardingRule(BACK, frozenset({"vpc-1"}), ((ADDRESS, 53),), SENDERS)
RECORDS = (
    Record(f"data.{BACK}", "A", 10, ("10.20.7.7",)),
    Record(f"also.{BACK}", "CNAME", 10, (f"data.{BACK}",)),
)


@pytest.fixture
def back(world: SmallWorld) -> SmallWorld:
    nodes = tuple(VpcSender(IPv4Address(f"10.1.{i}.253"), f"subnet-{i}", None) for i in (1, 2))
    cluster = EksCluster(
        "eu-central-1", "eks-one", "vpc-1", IPv4Network("172.20.0.0/16"), IPv4Address("172.20.0.10"), "1.35", nodes
    )
    world.aws = replace(world.aws, forwarding=(RULE,), clusters=(cluster,))
    vnet = world.azure.vnets["/vnet-1"]
    subnet = VnetSubnet(IN, (IPv4Network("10.20.201.0/28"),), True)
    world.azure = replace(
        world.azure,
        vnets={"/vnet-1": replace(vnet, subnets=(*vnet.subnets, subnet))},
        zones=(VnetZone(BACK, frozenset({"/vnet-1"}), RECORDS),),
        inbound=(VnetInbound("/resolver/in", ADDRESS, "/vnet-1", IN),),
    )
    return world


Ask = Callable[[str], str]


@pytest.fixture
def asked(back: SmallWorld) -> Ask:
    def ask(name: str) -> str:
        found, _ = vpc_answer(back.context.world(), "vpc-1", dns.message.make_query(f"{name}.", "A"))
        return str(found.answer[-1][0]) if found.answer else dns.rcode.to_text(found.rcode())

    return ask


@pytest.mark.documentation("A FORWARD rule sends a domain's names to its targets, and nothing else")
def test_a_rule_asks_azure(asked: Ask) -> None:
    assert asked(f"data.{BACK}") == "10.20.7.7"
    assert asked(f"also.{BACK}") == "10.20.7.7"
    assert asked(f"nothing.{BACK}") == "NXDOMAIN"
    assert asked("data.blob.core.windows.net") == "NXDOMAIN"
    assert asked(f"app.{ZONE}") == str(BALANCER)


@pytest.mark.documentation("Azure answers with zones that are linked to the resolver's VNet")
def test_a_zone_that_is_not_linked_answers_nothing(back: SmallWorld, asked: Ask) -> None:
    (zone,) = back.azure.zones
    back.azure = replace(back.azure, zones=(replace(zone, vnets=frozenset({"/vnet-2"})),))
    assert asked(f"data.{BACK}") == "NXDOMAIN"


def _fenced(world: SmallWorld, **parts: Any) -> None:
    """The inbound endpoint's subnet with these."""
    vnet = world.azure.vnets["/vnet-1"]
    subnets = tuple(replace(s, **parts) if s.id == IN else s for s in vnet.subnets)
    world.azure = replace(world.azure, vnets={"/vnet-1": replace(vnet, subnets=subnets)})


@pytest.mark.own("Whatever stands in the way there or back, the question is lost, and that takes time")
@pytest.mark.parametrize(
    "case", ["group", "acl out", "acl in", "route", "tunnel", "nsg", "route back", "endpoint", "port", "no endpoint"]
)
def test_what_stands_in_the_way(back: SmallWorld, asked: Ask, case: str) -> None:
    aws = back.aws
    nothing = (PacketRule(False, "-1", 0, 65535, _EVERYWHERE, _EVERYWHERE),)
    everything = (PacketRule(True, "-1", 0, 65535, _EVERYWHERE, _EVERYWHERE),)
    if case == "group":
        shut = tuple(replace(s, leaving=(Rule("tcp", 443, 443, _EVERYWHERE),)) for s in SENDERS)
        back.aws = replace(aws, forwarding=(replace(RULE, asks_from=shut),))
    elif case in ("acl out", "acl in"):
        lists = {"leaving": nothing, "entering": everything} if case == "acl out" else {"entering": nothing}
        subnets = {k: replace(s, **lists) for k, s in aws.subnets.items()}  # type: ignore[arg-type]
        back.aws = replace(aws, subnets=subnets)
    elif case == "route":
        tables = {k: replace(t, propagating=frozenset()) for k, t in aws.route_tables.items()}
        back.aws = replace(aws, route_tables=tables)
    elif case == "tunnel":
        back.aws = replace(aws, tunnels=())
    elif case == "nsg":
        _fenced(back, entering=nothing)
    elif case == "route back":
        _fenced(back, propagates=False)
    elif case == "endpoint":
        back.azure = replace(back.azure, inbound=())
    elif case == "port":
        back.aws = replace(aws, forwarding=(replace(RULE, targets=((ADDRESS, 5353),)),))
    else:
        back.aws = replace(aws, forwarding=(replace(RULE, asks_from=()),))
    assert asked(f"data.{BACK}") == "SERVFAIL"
    found = vpc_answer(back.context.world(), "vpc-1", dns.message.make_query(f"data.{BACK}.", "A"))
    assert found[1] == 1.0


@pytest.mark.own("A question that goes round between both clouds ends without an answer")
def test_a_loop_ends(back: SmallWorld, asked: Ask) -> None:
    servers = tuple((r, 53) for r in RESOLVERS)
    leads_back = VnetRule("/vnet-1", BACK, servers, "/vnet-1", IN, IPv4Address("10.20.201.5"))
    back.azure = replace(back.azure, zones=(), rules=(leads_back,))
    assert asked(f"data.{BACK}") == "SERVFAIL"


@pytest.mark.documentation("A link with NxDomainRedirect leaves a name that the zone does not have to the public DNS")
def test_a_redirect_passes_names_on(back: SmallWorld, asked: Ask) -> None:
    (zone,) = back.azure.zones
    back.azure = replace(back.azure, zones=(replace(zone, redirects=frozenset({"/vnet-1"})),))
    assert asked(f"data.{BACK}") == "10.20.7.7"
    query = dns.message.make_query(f"nothing.{BACK}.", "A")
    found, _ = vpc_answer(back.context.world(), "vpc-1", query)
    assert str(found.authority[0].name) == "."


@pytest.fixture
def eks_pods(back: SmallWorld, certificate: Path) -> Iterator[Aks]:
    cloud = KubeCloud(back.context, name="eks", authenticate=lambda token: "admin" if token == "a-good-token" else None)
    wire = Wire(back.context, cloud)
    server = _serve(cloud, certificate)

    cloud.seed(Aws(eks_cluster="eks-one"), lambda *_: "")
    try:
        yield Aks(back, cloud, wire, api_client(cloud.url_of("eu-central-1/eks-one"), certificate))
    finally:
        cloud.stop()
        wire.stop()
        server.shutdown()
        server.server_close()


@pytest.mark.documentation(
    "Pods on EKS have addresses of the VPC and ask its resolver, behind CoreDNS or as their node does"
)
@pytest.mark.parametrize("more", [{}, {"dnsPolicy": "Default"}])
def test_pods_on_eks_get_the_names(eks_pods: Aks, more: dict[str, Any]) -> None:
    program = (
        f"import socket; print(socket.gethostbyname('also.{BACK}'), socket.gethostbyname('app.{ZONE}'))\n"
        + ("" if more else "print(socket.gethostbyname('kubernetes.default.svc.cluster.local'))\n")
        + "s = socket.create_connection(('10.1.1.50', 80), 5); print('open')"
    )
    run(eks_pods, ["python3", "-c", program], "asker", **more)
    pod = ended(eks_pods, "asker")
    said = log(eks_pods, "asker").split()
    assert said == ["10.20.7.7", str(BALANCER), *([] if more else ["172.20.0.1"]), "open"]
    assert IPv4Address(pod.status.pod_ip) in IPv4Network("10.1.0.0/16")


@pytest.mark.own("From a pod on EKS nothing else in the VNet is reached, and nothing on the internet")
def test_pods_on_eks_reach_no_more(eks_pods: Aks) -> None:
    program = (
        "import socket\nfor to in ('10.20.1.4', '8.8.8.8', '172.20.0.77'):\n"
        "  try: socket.create_connection((to, 53), 2); print('open')\n  except OSError as e: print(type(e).__name__)"
    )
    run(eks_pods, ["python3", "-c", program], "asker")
    ended(eks_pods, "asker")
    assert set(log(eks_pods, "asker").split()) == {"TimeoutError"}
