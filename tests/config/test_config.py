"""What a right configuration means."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from itertools import product

import pytest

from cloudlink import config
from cloudlink.ipsec import IpsecPolicy
from cloudlink.link import AddressTarget, AzureSubnet, KubernetesTarget, LoadBalancerTarget, SandboxFixtures
from tests.support.config_texts import CREATES, EXAMPLE, SMALLEST, add, parsed, swap


def net(text: str) -> IPv4Network:
    return IPv4Network(text)


def test_the_example_is_right_for_the_real_clouds_and_the_sandbox():
    real, sandbox = config.load(EXAMPLE), config.load(EXAMPLE, sandbox=True)
    assert real.sandbox is None
    assert sandbox.sandbox is not None
    assert [host.fqdn(real.dns.zone) for host in real.dns.hosts] == [
        "sentry.prod.corp.example",
        "vault.prod.corp.example",
        "postgres.prod.corp.example",
        "*.prod.corp.example",
        "prod.corp.example",
    ]
    assert len(sandbox.sandbox.eks_subnets) == 3


def test_the_example_shows_defaults_as_they_are():
    """Every commented-out key of the example may be switched on without a change of meaning, but for more zones and clusters."""
    text = EXAMPLE.read_text()
    switched_on = "\n".join(
        line.removeprefix("# ") if line.startswith(("# [", "# ")) and ("=" in line or line.startswith("# [")) else line
        for line in text.splitlines()
        if not line.startswith(("# profile", '# location = "s3:'))
    )
    assert switched_on != text
    with_defaults = parsed(switched_on, sandbox=True)
    dns = with_defaults.dns
    assert [z.name for z in dns.more_zones] == ["data.corp.example"]
    assert [z.name for z in dns.back] == ["privatelink.blob.core.windows.net"]
    azure = with_defaults.azure
    assert len(azure.more_clusters) == 1
    alone = replace(with_defaults, dns=replace(dns, more_zones=(), back=()), azure=replace(azure, more_clusters=()))
    assert alone == parsed(text, sandbox=True)


def test_defaults():
    link = parsed(SMALLEST)
    assert link.policy == IpsecPolicy()
    assert [str(tunnel.inside) for tunnel in link.tunnels] == [
        "169.254.21.0/30",
        "169.254.22.0/30",
        "169.254.21.4/30",
        "169.254.22.4/30",
    ]
    assert [tunnel.vpn for tunnel in link.tunnels] == [0, 0, 1, 1]
    assert (link.aws.asn, link.azure.asn, link.azure.sku, link.azure.zones) == (
        64512,
        65000,
        "VpnGw1AZ",
        ("1", "2", "3"),
    )
    assert link.azure.vnet_resource_group == link.azure.aks_resource_group == link.azure.resource_group == "demo"
    assert link.azure.new_network is None
    assert link.azure.new_cluster is None
    assert link.dns.hosts[0].target == LoadBalancerTarget("app-internal")
    assert link.dns.endpoint_subnets is link.aws.route_tables is link.aws.adopt_gateway is link.dns.adopt_zone is None
    assert link.probe.namespace == "default"


def test_tags_and_other_subscriptions():
    link = parsed('tags = {CostCenter = "4711", "Cost Owner" = "Team/A"}\n' + SMALLEST)
    assert link.tags == (("CostCenter", "4711"), ("Cost Owner", "Team/A"))
    assert parsed(SMALLEST).tags == ()
    hub, apps = "11111111-1111-2222-3333-444444444444", "22222222-1111-2222-3333-444444444444"
    text = SMALLEST.replace('name = "test-vnet"', f'name = "test-vnet"\nsubscription = "{hub}"')
    side = parsed(text.replace("[azure.aks]", f'[azure.aks]\nsubscription = "{apps}"')).azure
    assert (side.vnet_subscription, side.aks_subscription) == (hub, apps)
    plain = parsed(SMALLEST).azure
    assert plain.vnet_subscription == plain.aks_subscription == plain.subscription
    named = parsed(SMALLEST.replace("[azure.aks]", f'[azure.aks]\nsubscription = "{plain.subscription}"')).azure
    assert named == plain  # naming the link's own says nothing new


def test_adoption_and_lists():
    text = add("aws", 'gateway = "vgw-0a1b2c3d"\nroute_tables = ["rtb-0a1b2c3d"]\nprofile = "prod"')
    text = add(
        "dns", 'hosted_zone = "Z0ABCDEF"\nendpoint_subnets = ["subnet-0a1b2c3d", "subnet-1a1b2c3d"]\nttl = 30', text
    )
    link = parsed(add("vpn", 'psk_storage = "secrets-manager"', text))
    assert link.aws.adopt_gateway == "vgw-0a1b2c3d"
    assert link.aws.route_tables == ("rtb-0a1b2c3d",)
    assert link.aws.profile == "prod"
    assert link.aws.psk_storage == "secrets-manager"
    assert link.dns.adopt_zone == "Z0ABCDEF"
    assert link.dns.endpoint_subnets == ("subnet-0a1b2c3d", "subnet-1a1b2c3d")
    assert link.dns.record_ttl == 30


def test_a_new_network_and_cluster():
    link = parsed(add("azure.aks", 'version = "1.33"\nnode_count = 3', CREATES), sandbox=True)
    assert link.azure.new_network is not None
    assert link.azure.new_network.cluster_subnet == AzureSubnet("nodes", net("10.20.0.0/22"))
    assert link.azure.new_cluster is not None
    assert (link.azure.new_cluster.node_count, link.azure.new_cluster.kubernetes_version) == (3, "1.33")
    assert link.sandbox is not None
    assert link.sandbox.vnet_prefixes == ()
    assert link.sandbox.aks_subnet is None


def test_targets_and_ports():
    text = SMALLEST + (
        '[[dns.hosts]]\nname = "*"\nkubernetes_ingress = "web/main.v2"\nports = [80, 8443]\n'
        '[[dns.hosts]]\nname = "@"\nkubernetes_service = "vault/vault"\nports = [8200]\ntls_ports = [8200]\n'
        '[[dns.hosts]]\nname = "*.a.b"\naddresses = ["10.10.0.9", "100.64.0.1"]\nports = [5432]\n'
    )
    _, ingress, service, fixed = parsed(text).dns.hosts
    assert ingress.target == KubernetesTarget("ingress", "web", "main.v2")
    assert (ingress.ports, ingress.tls_ports) == ((80, 8443), (8443,))
    assert service.target == KubernetesTarget("service", "vault", "vault")
    assert service.tls_ports == (8200,)
    assert fixed.target == AddressTarget((IPv4Address("10.10.0.9"), IPv4Address("100.64.0.1")))
    assert fixed.tls_ports == ()


def test_a_pool_or_the_ranges_themselves():
    pool = parsed(add("vpn", 'inside_pool = "169.254.21.0/24"'))
    assert [str(tunnel.inside) for tunnel in pool.tunnels] == [f"169.254.21.{n}/30" for n in (0, 4, 8, 12)]
    ranges = [f"169.254.22.{n}/30" for n in (8, 16, 0, 32)]
    assert [str(t.inside) for t in parsed(add("vpn", f"inside_cidrs = {ranges}")).tunnels] == ranges


def test_an_adopted_gateway_may_have_an_old_number():
    assert parsed(add("aws", 'gateway = "vgw-0a1b2c3d"\nasn = 9059')).aws.asn == 9059


def all_ranges(fixtures: SandboxFixtures) -> tuple[list[IPv4Network], list[IPv4Network]]:
    aws = [*fixtures.vpc_cidrs, fixtures.eks_service_cidr]
    azure = [*fixtures.vnet_prefixes, fixtures.aks_pod_cidr, fixtures.aks_service_cidr]
    return aws, azure


@pytest.mark.parametrize(
    "gateway", ["10.10.255.0/27", "10.0.0.0/24", "10.244.7.0/27", "172.20.1.0/26", "10.128.0.0/16", "192.168.9.0/27"]
)
@pytest.mark.parametrize("address", ["", "10.10.9.9", "10.20.3.4", "192.168.1.9", "172.20.3.3"])
def test_sandbox_ranges_are_chosen_around_what_is_named(gateway: str, address: str):
    text = swap("10.20.255.0/27", gateway)
    if address:
        text += f'[[dns.hosts]]\nname = "db"\naddresses = ["{address}"]\n'
    fixtures = parsed(text, sandbox=True).sandbox
    assert fixtures is not None
    assert fixtures.aks_subnet is not None
    aws, azure = all_ranges(fixtures)
    assert not [pair for pair in product(aws, azure) if pair[0].overlaps(pair[1])]
    assert any(net(gateway).subnet_of(prefix) for prefix in fixtures.vnet_prefixes)
    assert any(fixtures.aks_subnet.subnet_of(prefix) for prefix in fixtures.vnet_prefixes)
    assert not fixtures.aks_subnet.overlaps(net(gateway))
    assert len(fixtures.eks_subnets) >= 3
    assert all(any(subnet.subnet_of(cidr) for cidr in fixtures.vpc_cidrs) for subnet in fixtures.eks_subnets)
    if address:
        assert any(IPv4Address(address) in subnet for subnet in fixtures.eks_subnets)


def test_the_sandbox_has_as_many_subnets_as_are_named():
    subnets = [f"subnet-0000000{n}" for n in range(5)]
    fixtures = parsed(add("dns", f"endpoint_subnets = {subnets}"), sandbox=True).sandbox
    assert fixtures is not None
    assert len(fixtures.eks_subnets) == 5


def test_colliding_sandbox_ranges_are_left_to_the_preflight_checks():
    fixtures = parsed(add("sandbox", 'vpc_cidrs = ["10.20.0.0/16"]'), sandbox=True).sandbox
    assert fixtures is not None
    assert fixtures.vpc_cidrs == (net("10.20.0.0/16"),)


def test_loading_is_quick_and_needs_no_validation_library():
    """A second `up` has a budget of 1.5 s altogether; pydantic's import alone would take a fifth of a second. Our own modules
    are compiled first, on some machines at each start: that is not measured."""
    program = (
        "import sys, time; from pathlib import Path\n"
        "from cloudlink.config import load\n"
        "start = time.process_time(); load(Path(sys.argv[1]), sandbox=True)\n"
        "print(time.process_time() - start, 'pydantic' in sys.modules, 'difflib' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(EXAMPLE)]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() for _ in range(3)]
    seconds = min(float(run[0]) for run in runs)
    print(f"first load: {seconds * 1000:.0f} ms")
    assert runs[0][1:] == ["False", "False"]
    assert seconds < 0.75  # of processor time, which grows on a busy machine as well; a tenth of it is usual


def test_reading_alone_takes_milliseconds():
    text = EXAMPLE.read_text()
    start = time.process_time()
    for _ in range(10):
        parsed(text, sandbox=True)
    seconds = (time.process_time() - start) / 10
    print(f"parse: {seconds * 1000:.1f} ms")
    assert seconds < 0.2
