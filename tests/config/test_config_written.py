"""What ``init`` writes: the text itself, and that it means what was chosen."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

from cloudlink.config.written import NewConfig, NewHost, written
from cloudlink.link import AddressTarget, KubernetesTarget, LoadBalancerTarget
from tests.support.config_texts import parsed

LEAST = NewConfig(
    name="demo",
    region="eu-central-1",
    vpc="vpc-0a1b2c3d",
    eks="eks",
    subscription="00000000-0000-0000-0000-00000000000a",
    location="westeurope",
    vnet="hub",
    vnet_group="hubs",
    gateway_subnet=IPv4Network("10.20.255.0/27"),
    aks="aks",
    aks_group="clusters",
    zone="corp.example",
    hosts=(NewHost("app", "load_balancer", "app-internal"),),
)
MOST = replace(
    LEAST,
    hosts=(
        NewHost("db", "addresses", "10.10.3.4,10.10.3.5", (5432, 6432)),
        NewHost("web", "kubernetes_service", "a/b"),
        NewHost("*", "kubernetes_ingress", "a/b", (80,)),
    ),
    profile="prod",
    cloud="china",
    location="chinanorth3",
    aks_subscription="00000000-0000-0000-0000-00000000000b",
    aws_asn=64600,
    azure_asn=65010,
    adopt_gateway="vgw-0a1b2c3d",
    adopt_zone="Z0ABCDEF",
    zones=("1", "3"),
    inside_pool=(IPv4Network("169.254.21.0/28"), IPv4Network("169.254.22.0/28")),
)

LEAST_TEXT = """\
#:schema schema.json
# Made by `cloudlink init`. Check it, then: cloudlink doctor, cloudlink plan, cloudlink up.
# Every key: cloudlink schema, or docs/configuration.md.

name = "demo"  # part of every object's name; two links differ in it

[aws]
region = "eu-central-1"
vpc = "vpc-0a1b2c3d"
eks_cluster = "eks"

[azure]
subscription = "00000000-0000-0000-0000-00000000000a"
resource_group = "hubs"  # where the gateway and its parts are made
location = "westeurope"

[azure.vnet]  # the one that AKS runs in
name = "hub"

[azure.vpn_gateway]
subnet_prefix = "10.20.255.0/27"  # free in the VNet, or its GatewaySubnet
# sku = "VpnGw1AZ"  # 650 Mbit/s; from VpnGw2AZ on 1.25 Gbit/s

[azure.aks]
name = "aks"
resource_group = "clusters"

[dns]
zone = "corp.example"  # hides public names below it from the VPC: give it a sub-domain of its own

# Names for pods on AKS. Ports are what `cloudlink verify-dns` connects to.

[[dns.hosts]]
name = "app"
load_balancer = "app-internal"
"""

# the lines that only the larger one has
MORE = """\
profile = "prod"
gateway = "vgw-0a1b2c3d"  # attached to the VPC already: used, and never deleted
asn = 64600  # that of the gateway
cloud = "china"
location = "chinanorth3"
zones = ["1", "3"]  # those that the location has
asn = 65010  # another than AWS's
subscription = "00000000-0000-0000-0000-00000000000b"

[vpn]
inside_pool = ["169.254.21.0/28", "169.254.22.0/28"]  # other VPN connections use the rest
hosted_zone = "Z0ABCDEF"  # there already: only cloudlink's own records are touched in it
name = "db"
addresses = ["10.10.3.4", "10.10.3.5"]
ports = [5432, 6432]

[[dns.hosts]]
name = "web"
kubernetes_service = "a/b"

[[dns.hosts]]
name = "*"
kubernetes_ingress = "a/b"
ports = [80]
"""


def test_the_text_with_the_least() -> None:
    assert written(LEAST, schema="schema.json") == LEAST_TEXT


def test_the_text_with_everything_has_these_lines_more() -> None:
    least, most = LEAST_TEXT.splitlines(), written(MOST, schema="schema.json").splitlines()
    assert [line for line in most if line and line not in least] == [
        line for line in MORE.splitlines() if line and line not in least
    ]
    assert [line for line in most if line.startswith("[")] == [
        *(
            "[aws]",
            "[azure]",
            "[azure.vnet]  # the one that AKS runs in",
            "[azure.vpn_gateway]",
            "[azure.aks]",
            "[vpn]",
        ),
        *("[dns]", "[[dns.hosts]]", "[[dns.hosts]]", "[[dns.hosts]]"),
    ]
    assert most[most.index("[vpn]") - 1] == "" and most[most.index("[dns]") - 1] == ""


def test_it_means_what_was_chosen() -> None:
    link = parsed(written(MOST, schema="schema.json"))
    assert (link.aws.profile, link.aws.gateway, link.aws.asn) == ("prod", "vgw-0a1b2c3d", 64600)
    assert (link.azure.cloud, link.azure.zones, link.azure.asn) == ("china", ("1", "3"), 65010)
    assert (link.azure.resource_group, link.azure.aks_resource_group) == ("hubs", "clusters")
    assert link.azure.aks_in == "00000000-0000-0000-0000-00000000000b"
    assert str(link.tunnels[0].inside) == "169.254.21.0/30"
    assert link.dns.adopt_zone == "Z0ABCDEF"
    db, web, ingress = link.dns.hosts
    assert isinstance(db.target, AddressTarget) and db.ports == (5432, 6432)
    assert web.target == KubernetesTarget("service", "a", "b")
    assert ingress.target == KubernetesTarget("ingress", "a", "b") and ingress.ports == (80,)
    assert parsed(written(LEAST, schema="schema.json")).dns.hosts[0].target == LoadBalancerTarget("app-internal")


def test_no_zones_are_written_as_none_and_strange_text_as_a_string() -> None:
    assert "zones = []  # those that" in written(replace(LEAST, zones=()), schema="s")
    assert "vnet_group" not in written(LEAST, schema="s")
    assert r'eks_cluster = "é\"\n"' in written(replace(LEAST, eks='é"\n'), schema="s")
