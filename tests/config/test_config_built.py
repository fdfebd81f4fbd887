"""What each key of the configuration becomes in a Link: every key is given here, and none with its default."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest

from cloudlink.config import fixtures
from cloudlink.config.schema import TABLES
from cloudlink.ipsec import IpsecPolicy
from cloudlink.link import (
    AddressTarget,
    AwsSide,
    AzureSide,
    AzureSubnet,
    DnsSide,
    Host,
    KubernetesTarget,
    Link,
    LoadBalancerTarget,
    NewCluster,
    NewNetwork,
    ProbeSettings,
    SandboxFixtures,
    StateLocation,
    Toleration,
    Tunnel,
)
from tests.support.config_texts import SMALLEST, add, parsed, swap

EXISTING = """\
name = "full"
tags = { team = "net" }
[link]
transport = "vpn"
[aws]
region = "eu-west-1"
profile = "prod"
vpc = "vpc-0a1b2c3d"
eks_cluster = "eks"
asn = 64600
gateway = "vgw-0a1b2c3d"
route_tables = ["rtb-0a1b2c3d"]
[azure]
cloud = "china"
tenant = "00000000-0000-0000-0000-00000000000a"
subscription = "00000000-0000-0000-0000-00000000000b"
resource_group = "group"
create_resource_group = true
location = "chinanorth3"
[azure.vnet]
name = "hub"
resource_group = "hubs"
subscription = "00000000-0000-0000-0000-00000000000c"
[azure.vpn_gateway]
subnet_prefix = "10.20.255.0/27"
sku = "VpnGw3AZ"
zones = ["2"]
asn = 65010
[azure.aks]
name = "aks"
resource_group = "clusters"
subscription = "00000000-0000-0000-0000-00000000000d"
[vpn]
inside_cidrs = ["169.254.21.8/30", "169.254.22.8/30", "169.254.21.12/30", "169.254.22.12/30"]
psk_storage = "secrets-manager"
[vpn.policy]
ike_encryption = "AES128"
ike_integrity = "SHA384"
dh_group = 14
esp_encryption = "AES256"
esp_integrity = "SHA256"
pfs_group = 24
sa_lifetime_seconds = 1800
sa_data_kilobytes = 2048
dpd_timeout_seconds = 60
[dns]
zone = "prod.corp.example"
endpoint_subnets = ["subnet-0a1b2c3d", "subnet-1a1b2c3d"]
hosted_zone = "Z0ABCDEF"
ttl = 30
[[dns.hosts]]
name = "lb"
load_balancer = "app-internal"
ports = [443, 8443, 80]
[[dns.hosts]]
name = "service"
kubernetes_service = "a/b"
ports = [8200]
tls_ports = [8200]
[[dns.hosts]]
name = "ingress"
kubernetes_ingress = "a/b.c"
tls_ports = []
[[dns.hosts]]
name = "db"
addresses = ["10.10.3.4"]
ports = [5432]
[probe]
image = "registry.example/python:3"
namespace = "probes"
tolerations = ["sku=gpu:NoSchedule"]
node_selector = { pool = "small" }
labels = { team = "net" }
annotations = { note = "short" }
requests = { cpu = "20m" }
limits = { cpu = "100m" }
image_pull_secret = "pull"
service_account = "checker"
[state]
location = "s3://states/full.json"
region = "eu-west-2"
[sandbox]
vpc_cidrs = ["10.10.0.0/16"]
eks_service_cidr = "172.21.0.0/16"
eks_subnets = ["10.10.0.0/24"]
load_balancer_subnets = ["10.10.1.0/24"]
vnet_prefixes = ["10.20.0.0/16"]
aks_subnet = "10.20.4.0/24"
aks_pod_cidr = "10.99.0.0/16"
aks_service_cidr = "10.98.0.0/16"
aks_version = "1.34"
aks_sign_in = "entra"
speed = 90
"""


def net(text: str) -> IPv4Network:
    return IPv4Network(text)


def test_every_key_is_given_in_the_text_or_below() -> None:
    """A key that is added is to be added here too."""
    below = {"vnet": {"create", "prefixes"}, "aks": {"create", "node_count", "node_size", "version"}}
    left_out = {
        *(f"azure.{table}.{name}" for table, names in below.items() for name in names),
        *("azure.vnet.cluster_subnet.name", "azure.vnet.cluster_subnet.prefix"),
        *("azure.aks.pod_cidr", "azure.aks.service_cidr", "vpn.inside_pool", "sandbox.wire"),
        *("azure.vpn_gateway.adopt", "sandbox.gateway", "dns.forward", "dns.outbound_subnet_prefix"),
        *("dns.inbound_subnet_prefix", "dns.back.zone", "dns.back.private_zone"),
        *("vpn.bandwidth", "aws.limit_routes", "aws.blackholes"),
        *(f"azure.clusters.{name}" for name in ("name", "resource_group", "subscription")),
        "sandbox.more_clusters",
    }
    given, where = set(), ""
    for line in EXISTING.splitlines():
        if line.startswith("["):
            where = line.strip("[]") + "."
        else:
            given.add(where + line.partition(" =")[0])
    assert {key.path for table in TABLES for key in table.keys} - left_out == given


def test_keys_of_a_link_through_a_transit_gateway() -> None:
    own = 'gateway = "tgw-0a1b2c3d"\nlimit_routes = true\nblackholes = ["100.64.0.0/16", "10.30.0.0/16"]'
    aws = parsed(add("vpn", 'bandwidth = "large"', add("aws", own))).aws
    assert (aws.bandwidth, aws.limit_routes) == ("large", True)
    assert list(map(str, aws.blackholes)) == ["10.30.0.0/16", "100.64.0.0/16"]


def test_every_key_has_its_place_in_the_link() -> None:
    assert parsed(EXISTING, sandbox=True) == Link(
        name="full",
        tags=(("team", "net"),),
        transport="vpn",
        aws=AwsSide(
            region="eu-west-1",
            profile="prod",
            vpc_id="vpc-0a1b2c3d",
            eks_cluster="eks",
            asn=64600,
            gateway="vgw-0a1b2c3d",
            route_tables=("rtb-0a1b2c3d",),
            psk_storage="secrets-manager",
        ),
        azure=AzureSide(
            cloud="china",
            tenant="00000000-0000-0000-0000-00000000000a",
            subscription="00000000-0000-0000-0000-00000000000b",
            resource_group="group",
            location="chinanorth3",
            vnet="hub",
            vnet_resource_group="hubs",
            gateway_subnet=net("10.20.255.0/27"),
            sku="VpnGw3AZ",
            zones=("2",),
            asn=65010,
            aks_cluster="aks",
            aks_resource_group="clusters",
            create_resource_group=True,
            vnet_in="00000000-0000-0000-0000-00000000000c",
            aks_in="00000000-0000-0000-0000-00000000000d",
        ),
        policy=IpsecPolicy(
            ike_encryption="AES128",
            ike_integrity="SHA384",
            ike_group=14,
            esp_encryption="AES256",
            esp_integrity="SHA256",
            pfs_group=24,
            sa_lifetime=1800,
            sa_kilobytes=2048,
            dpd_timeout=60,
        ),
        tunnels=(
            Tunnel(0, 0, net("169.254.21.8/30")),
            Tunnel(1, 0, net("169.254.22.8/30")),
            Tunnel(2, 1, net("169.254.21.12/30")),
            Tunnel(3, 1, net("169.254.22.12/30")),
        ),
        dns=DnsSide(
            zone="prod.corp.example",
            hosts=(
                Host("lb", LoadBalancerTarget("app-internal"), (443, 8443, 80), (443, 8443)),
                Host("service", KubernetesTarget("service", "a", "b"), (8200,), (8200,)),
                Host("ingress", KubernetesTarget("ingress", "a", "b.c"), (443,), ()),
                Host("db", AddressTarget((IPv4Address("10.10.3.4"),)), (5432,), ()),
            ),
            endpoint_subnets=("subnet-0a1b2c3d", "subnet-1a1b2c3d"),
            adopt_zone="Z0ABCDEF",
            record_ttl=30,
        ),
        probe=ProbeSettings(
            image="registry.example/python:3",
            namespace="probes",
            tolerations=(Toleration("sku", "gpu", "NoSchedule"),),
            node_selector=(("pool", "small"),),
            labels=(("team", "net"),),
            annotations=(("note", "short"),),
            requests=(("cpu", "20m"),),
            limits=(("cpu", "100m"),),
            image_pull_secret="pull",
            service_account="checker",
        ),
        state=StateLocation("s3", "", "states", "full.json"),
        state_region="eu-west-2",
        sandbox=SandboxFixtures(
            vpc_cidrs=(net("10.10.0.0/16"),),
            eks_service_cidr=net("172.21.0.0/16"),
            eks_subnets=(net("10.10.0.0/24"),),
            load_balancer_subnets=(net("10.10.1.0/24"),),
            vnet_prefixes=(net("10.20.0.0/16"),),
            aks_subnet=net("10.20.4.0/24"),
            aks_pod_cidr=net("10.99.0.0/16"),
            aks_service_cidr=net("10.98.0.0/16"),
            aks_version="1.34",
            aks_sign_in="entra",
            speed=90.0,
            wire=None,
            wire_gateway_subnet=None,
        ),
    )
    assert parsed(EXISTING).sandbox is None


MADE = (
    SMALLEST.replace(
        "[azure.vpn_gateway]", '[azure.vnet.cluster_subnet]\nname = "n"\nprefix = "10.20.0.0/22"\n[azure.vpn_gateway]'
    )
    .replace('name = "test-vnet"', 'name = "test-vnet"\ncreate = true\nprefixes = ["10.20.0.0/16", "10.30.0.0/16"]')
    .replace(
        'name = "test"\n',
        'name = "test"\ncreate = true\nnode_count = 3\nnode_size = "Standard_B2s"\nversion = "1.34"\n'
        'pod_cidr = "10.99.0.0/16"\nservice_cidr = "10.98.0.0/16"\n',
    )
)


def test_what_is_made_has_what_its_keys_say() -> None:
    link = parsed(MADE, sandbox=True)
    assert link.azure.new_network == NewNetwork(
        (net("10.20.0.0/16"), net("10.30.0.0/16")), AzureSubnet("n", net("10.20.0.0/22"))
    )
    assert link.azure.new_cluster == NewCluster(3, "Standard_B2s", "1.34", net("10.99.0.0/16"), net("10.98.0.0/16"))
    assert link.sandbox is not None
    assert (link.sandbox.vnet_prefixes, link.sandbox.aks_subnet) == ((), None)
    assert (link.sandbox.aks_pod_cidr, link.sandbox.aks_service_cidr) == (net("10.99.0.0/16"), net("10.98.0.0/16"))


def test_what_is_left_out_has_its_default() -> None:
    link = parsed(SMALLEST, sandbox=True)
    assert link == Link(
        name="demo",
        aws=AwsSide("eu-central-1", None, "vpc-0a1b2c3d4e5f60718", "production", 64512),
        azure=AzureSide(
            *("public", None, "00000000-1111-2222-3333-444444444444", "demo", "westeurope", "test-vnet", "demo"),
            *(net("10.20.255.0/27"), "VpnGw1AZ", ("1", "2", "3"), 65000, "test", "demo"),
        ),
        policy=IpsecPolicy(),
        tunnels=(
            Tunnel(0, 0, net("169.254.21.0/30")),
            Tunnel(1, 0, net("169.254.22.0/30")),
            Tunnel(2, 1, net("169.254.21.4/30")),
            Tunnel(3, 1, net("169.254.22.4/30")),
        ),
        dns=DnsSide("prod.corp.example", (Host("app", LoadBalancerTarget("app-internal")),)),
        probe=ProbeSettings(
            "mcr.microsoft.com/azurelinux/base/python:3.12",
            "default",
            requests=(("cpu", "10m"), ("memory", "32Mi")),
            limits=(("cpu", "500m"), ("memory", "128Mi")),
        ),
        sandbox=SandboxFixtures(
            vpc_cidrs=(net("10.10.0.0/16"),),
            eks_service_cidr=net("172.20.0.0/16"),
            eks_subnets=(net("10.10.0.0/20"), net("10.10.16.0/20"), net("10.10.32.0/20")),
            vnet_prefixes=(net("10.20.0.0/16"),),
            aks_subnet=net("10.20.0.0/20"),
        ),
    )


# --- ranges that the sandbox chooses ------------------------------------------------------------------------


def address(*texts: str) -> str:
    listed = ", ".join(f'"{text}"' for text in texts)
    return f'[[dns.hosts]]\nname = "db"\naddresses = [{listed}]\n'


JOINED = SMALLEST.replace('[azure.vpn_gateway]\nsubnet_prefix = "10.20.255.0/27"\n', "").replace(
    "[aws]", '[link]\ntransport = "existing"\n[aws]'
)

# text; VPC, subnets of EKS, its services, subnets of balancers, VNet, nodes, pods, services, gateway of what joins them
CHOSEN: dict[str, tuple[str, str]] = {
    "a gateway in EKS's usual services": (
        swap("10.20.255.0/27", "172.20.1.0/26"),
        "10.10.0.0/16; 10.10.0.0/20 10.10.16.0/20 10.10.32.0/20; 10.100.0.0/16; -; 172.20.0.0/16; 172.20.16.0/20; 10.244.0.0/16; 10.0.0.0/16",
    ),
    "a gateway in the usual VPC": (
        swap("10.20.255.0/27", "10.10.255.0/27"),
        "10.0.0.0/16; 10.0.0.0/20 10.0.16.0/20 10.0.32.0/20; 172.20.0.0/16; -; 10.10.0.0/16; 10.10.0.0/20; 10.244.0.0/16; 10.1.0.0/16",
    ),
    "a gateway in AKS's usual services": (
        swap("10.20.255.0/27", "10.0.0.0/24"),
        "10.10.0.0/16; 10.10.0.0/20 10.10.16.0/20 10.10.32.0/20; 172.20.0.0/16; -; 10.0.0.0/16; 10.0.16.0/20; 10.244.0.0/16; 10.1.0.0/16",
    ),
    "a gateway in the usual pods": (
        swap("10.20.255.0/27", "10.244.7.0/27"),
        "10.10.0.0/16; 10.10.0.0/20 10.10.16.0/20 10.10.32.0/20; 172.20.0.0/16; -; 10.244.0.0/16; 10.244.16.0/20; 10.245.0.0/16; 10.0.0.0/16",
    ),
    "a gateway as large as a VNet": (
        swap("10.20.255.0/27", "10.128.0.0/16"),
        "10.10.0.0/16; 10.10.0.0/20 10.10.16.0/20 10.10.32.0/20; 172.20.0.0/16; -; 10.128.0.0/12; 10.129.0.0/20; 10.244.0.0/16; 10.0.0.0/16",
    ),
    "a gateway of a /20": (
        swap("10.20.255.0/27", "10.128.16.0/20"),
        "10.10.0.0/16; 10.10.0.0/20 10.10.16.0/20 10.10.32.0/20; 172.20.0.0/16; -; 10.128.0.0/16; 10.128.0.0/20; 10.244.0.0/16; 10.0.0.0/16",
    ),
    "a fixed address": (
        SMALLEST + address("10.40.9.9"),
        "10.40.0.0/16; 10.40.0.0/20 10.40.16.0/20 10.40.32.0/20; 172.20.0.0/16; -; 10.20.0.0/16; 10.20.0.0/20; 10.244.0.0/16; 10.0.0.0/16",
    ),
    "a fixed address beside the gateway": (
        SMALLEST + address("10.20.3.4"),
        "10.20.0.0/17; 10.20.0.0/21 10.20.8.0/21 10.20.16.0/21; 172.20.0.0/16; -; 10.20.128.0/17; 10.20.128.0/20; 10.244.0.0/16; 10.0.0.0/16",
    ),
    "a fixed address next to the gateway's subnet": (
        SMALLEST + address("10.20.255.33"),
        "10.10.0.0/16 10.20.255.32/27; 10.10.0.0/20 10.10.16.0/20 10.20.255.32/28; 172.20.0.0/16; -; 10.20.255.0/27 10.0.0.0/16; 10.0.0.0/20; 10.244.0.0/16; 10.1.0.0/16",
    ),
    "fixed addresses in two networks": (
        SMALLEST + address("10.41.9.9", "10.40.9.9", "192.168.3.3"),
        "10.40.0.0/16 10.41.0.0/16 192.168.0.0/16; 10.40.0.0/20 10.41.0.0/20 192.168.0.0/20; 172.20.0.0/16; -; 10.20.0.0/16; 10.20.0.0/20; 10.244.0.0/16; 10.0.0.0/16",
    ),
    "fixed addresses in six networks": (
        SMALLEST + address(*(f"10.{n}.9.9" for n in range(40, 46))),
        "10.40.0.0/16 10.41.0.0/16 10.42.0.0/16 10.43.0.0/16 10.44.0.0/16; 10.40.0.0/20 10.41.0.0/20 10.42.0.0/20 10.43.0.0/20 10.44.0.0/20; 172.20.0.0/16; -; 10.20.0.0/16; 10.20.0.0/20; 10.244.0.0/16; 10.0.0.0/16",
    ),
    "a fixed address in EKS's usual services": (
        SMALLEST + address("172.20.3.3"),
        "172.20.0.0/16; 172.20.0.0/20 172.20.16.0/20 172.20.32.0/20; 10.100.0.0/16; -; 10.20.0.0/16; 10.20.0.0/20; 10.244.0.0/16; 10.0.0.0/16",
    ),
    "a small VPC": (
        add("sandbox", 'vpc_cidrs = ["10.50.0.0/24"]'),
        "10.50.0.0/24; 10.50.0.0/28 10.50.0.16/28 10.50.0.32/28; 172.20.0.0/16; -; 10.20.0.0/16; 10.20.0.0/20; 10.244.0.0/16; 10.0.0.0/16",
    ),
    "the smallest VPC": (
        add("sandbox", 'vpc_cidrs = ["10.50.0.0/28"]'),
        "10.50.0.0/28; 10.50.0.0/28; 172.20.0.0/16; -; 10.20.0.0/16; 10.20.0.0/20; 10.244.0.0/16; 10.0.0.0/16",
    ),
    "a VPC of two ranges": (
        add("sandbox", 'vpc_cidrs = ["10.50.0.0/20", "10.10.0.0/16"]'),
        "10.50.0.0/20 10.10.0.0/16; 10.50.0.0/24 10.50.1.0/24 10.50.2.0/24; 172.20.0.0/16; -; 10.20.0.0/16; 10.20.0.0/20; 10.244.0.0/16; 10.0.0.0/16",
    ),
    "five endpoint subnets": (
        add("dns", f"endpoint_subnets = {[f'subnet-0000000{n}' for n in range(5)]}"),
        "10.10.0.0/16; 10.10.0.0/20 10.10.16.0/20 10.10.32.0/20 10.10.48.0/20 10.10.64.0/20; 172.20.0.0/16; -; 10.20.0.0/16; 10.20.0.0/20; 10.244.0.0/16; 10.0.0.0/16",
    ),
    "nodes elsewhere": (
        add("sandbox", 'aks_subnet = "10.33.4.0/24"'),
        "10.10.0.0/16; 10.10.0.0/20 10.10.16.0/20 10.10.32.0/20; 172.20.0.0/16; -; 10.20.0.0/16 10.33.0.0/16; 10.33.4.0/24; 10.244.0.0/16; 10.0.0.0/16",
    ),
    "nodes beside the gateway": (
        add("sandbox", 'aks_subnet = "10.20.4.0/24"'),
        "10.10.0.0/16; 10.10.0.0/20 10.10.16.0/20 10.10.32.0/20; 172.20.0.0/16; -; 10.20.0.0/16; 10.20.4.0/24; 10.244.0.0/16; 10.0.0.0/16",
    ),
    "a VNet that is given": (
        add("sandbox", 'vnet_prefixes = ["10.20.255.0/26", "10.20.128.0/18"]'),
        "10.10.0.0/16; 10.10.0.0/20 10.10.16.0/20 10.10.32.0/20; 172.20.0.0/16; -; 10.20.255.0/26 10.20.128.0/18; 10.20.128.0/20; 10.244.0.0/16; 10.0.0.0/16",
    ),
    "a small VNet": (
        add("sandbox", 'vnet_prefixes = ["10.20.255.0/25"]'),
        "10.10.0.0/16; 10.10.0.0/20 10.10.16.0/20 10.10.32.0/20; 172.20.0.0/16; -; 10.20.255.0/25; 10.20.255.64/26; 10.244.0.0/16; 10.0.0.0/16",
    ),
    "pods that are given": (
        add("sandbox", 'aks_pod_cidr = "10.10.0.0/16"'),
        "10.0.0.0/16; 10.0.0.0/20 10.0.16.0/20 10.0.32.0/20; 172.20.0.0/16; -; 10.20.0.0/16; 10.20.0.0/20; 10.10.0.0/16; 10.1.0.0/16",
    ),
    "services that are given": (
        add("sandbox", 'aks_service_cidr = "10.244.0.0/16"'),
        "10.10.0.0/16; 10.10.0.0/20 10.10.16.0/20 10.10.32.0/20; 172.20.0.0/16; -; 10.20.0.0/16; 10.20.0.0/20; 10.245.0.0/16; 10.244.0.0/16",
    ),
    "services of EKS that are given": (
        add("sandbox", 'eks_service_cidr = "10.0.0.0/16"'),
        "10.10.0.0/16; 10.10.0.0/20 10.10.16.0/20 10.10.32.0/20; 10.0.0.0/16; -; 10.20.0.0/16; 10.20.0.0/20; 10.244.0.0/16; 10.1.0.0/16",
    ),
    "subnets of balancers": (
        add("sandbox", 'vpc_cidrs = ["10.10.0.0/16"]\nload_balancer_subnets = ["10.10.1.0/24"]'),
        "10.10.0.0/16; 10.10.16.0/20 10.10.32.0/20 10.10.48.0/20; 172.20.0.0/16; 10.10.1.0/24; 10.20.0.0/16; 10.20.0.0/20; 10.244.0.0/16; 10.0.0.0/16",
    ),
    "a VNet and a cluster that are made": (
        MADE,
        "10.10.0.0/16; 10.10.0.0/20 10.10.16.0/20 10.10.32.0/20; 172.20.0.0/16; -; -; -; 10.99.0.0/16; 10.98.0.0/16",
    ),
    "a link over an existing one": (
        JOINED,
        "10.10.0.0/16; 10.10.0.0/20 10.10.16.0/20 10.10.32.0/20; 172.20.0.0/16; -; 10.20.0.0/16; 10.20.16.0/20; 10.244.0.0/16; 10.0.0.0/16; 10.20.0.0/27",
    ),
    "an existing one beside a VNet that is given": (
        JOINED + '[sandbox]\nvnet_prefixes = ["10.60.0.0/16"]\n',
        "10.10.0.0/16; 10.10.0.0/20 10.10.16.0/20 10.10.32.0/20; 172.20.0.0/16; -; 10.60.0.0/16; 10.60.0.0/20; 10.244.0.0/16; 10.0.0.0/16; 10.60.255.224/27",
    ),
    "an existing one in a small VNet": (
        JOINED + '[sandbox]\nvnet_prefixes = ["10.60.0.0/26"]\naks_subnet = "10.60.0.32/27"\n',
        "10.10.0.0/16; 10.10.0.0/20 10.10.16.0/20 10.10.32.0/20; 172.20.0.0/16; -; 10.60.0.0/26; 10.60.0.32/27; 10.244.0.0/16; 10.0.0.0/16; 10.60.0.0/27",
    ),
    "an existing one in a tiny VNet": (
        JOINED + '[sandbox]\nvnet_prefixes = ["10.60.0.0/28", "10.61.0.0/24"]\naks_subnet = "10.60.0.0/28"\n',
        "10.10.0.0/16; 10.10.0.0/20 10.10.16.0/20 10.10.32.0/20; 172.20.0.0/16; -; 10.60.0.0/28 10.61.0.0/24; 10.60.0.0/28; 10.244.0.0/16; 10.0.0.0/16; 10.61.0.224/27",
    ),
    "an existing one whose nodes are in the usual place": (
        JOINED + '[sandbox]\naks_subnet = "10.20.0.0/24"\n',
        "10.10.0.0/16; 10.10.0.0/20 10.10.16.0/20 10.10.32.0/20; 172.20.0.0/16; -; 10.0.0.0/16 10.20.0.0/16; 10.20.0.0/24; 10.244.0.0/16; 10.1.0.0/16; 10.0.0.0/27",
    ),
}


def ranges(found: SandboxFixtures | None) -> str:
    assert found is not None
    several = [found.vpc_cidrs, found.eks_subnets, (found.eks_service_cidr,), found.load_balancer_subnets]
    several += [found.vnet_prefixes, (found.aks_subnet,) if found.aks_subnet else ()]
    several += [(found.aks_pod_cidr,), (found.aks_service_cidr,)]
    several += [(found.wire_gateway_subnet,)] if found.wire_gateway_subnet else []
    return "; ".join(" ".join(map(str, one)) or "-" for one in several)


@pytest.mark.parametrize("case", CHOSEN)
def test_ranges_that_the_sandbox_chooses(case: str) -> None:
    text, chosen = CHOSEN[case]
    assert ranges(parsed(text, sandbox=True).sandbox) == chosen


# --- how they are found -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "others", "found"),
    [
        ("10.1.2.0/27", [], "10.1.0.0/16"),
        ("10.1.2.0/27", ["10.1.3.0/24"], "10.1.2.0/24"),
        ("10.1.2.0/27", ["10.1.2.32/27"], "10.1.2.0/27"),
        ("10.1.2.0/27", ["10.1.2.0/28"], "10.1.2.0/27"),  # nothing helps
        ("10.1.2.3/32", ["10.1.2.0/24"], "10.1.2.0/29"),
    ],
)
def test_the_largest_range_around_another(network: str, others: list[str], found: str) -> None:
    assert fixtures._around(net(network), [net(other) for other in others]) == net(found)


def test_ranges_that_are_tried_one_after_the_other() -> None:
    tried = list(fixtures._candidates("10.10.0.0/16"))
    assert [str(n) for n in tried[:3]] == ["10.10.0.0/16", "10.0.0.0/16", "10.1.0.0/16"]
    assert [str(tried[n]) for n in (256, 257, 264, 265, 266, 329, 330, -1)] == [
        *("10.255.0.0/16", "172.16.0.0/16", "172.23.0.0/16", "192.168.0.0/16", "100.64.0.0/16", "100.127.0.0/16"),
        *("128.0.0.0/16", "191.255.0.0/16"),
    ]
    assert fixtures._first_free(iter(tried), [net("10.0.0.0/8"), net("172.16.0.0/12")]) == net("192.168.0.0/16")


@pytest.mark.parametrize(
    ("vnet", "gateway", "part"),
    [
        (["10.1.0.0/16"], "10.2.0.0/27", "10.1.0.0/20"),
        (["10.1.0.0/16"], "10.1.0.0/27", "10.1.16.0/20"),
        (["10.1.0.0/24", "10.2.0.0/20"], "10.1.0.0/27", "10.2.0.0/20"),
        (["10.1.0.0/26"], "10.1.0.0/27", "10.1.0.32/27"),
        (["10.1.0.0/28"], "10.1.0.0/29", "10.1.0.8/29"),
        (["10.1.0.0/27"], "10.1.0.0/27", ""),
    ],
)
def test_room_for_the_nodes(vnet: list[str], gateway: str, part: str) -> None:
    found = fixtures._free_part([net(prefix) for prefix in vnet], net(gateway))
    assert found == (net(part) if part else None)


def test_the_size_of_a_subnet() -> None:
    sizes = {16: 20, 17: 21, 23: 27, 24: 28, 25: 28, 28: 28}
    assert {n: fixtures._subnet_size(net(f"10.0.0.0/{n}")) for n in sizes} == sizes
