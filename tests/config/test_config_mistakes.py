"""One case for each kind of mistake: where it is reported, what is said, what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudlink import config
from cloudlink.errors import ConfigError
from cloudlink.view.error import error_lines
from cloudlink.view.text import Look, text_of
from tests.support.config_texts import CREATES, SMALLEST, add, mistakes, parsed, swap

HOST = '[[dns.hosts]]\nname = "{}"\nload_balancer = "x"\n'


def host(lines: str, name: str = "db") -> str:
    return f'{SMALLEST}[[dns.hosts]]\nname = "{name}"\n{lines}\n'


def policy(line: str) -> str:
    return add("vpn.policy", line)


# what is wrong: (text, path, words that the message must hold, near miss)
CASES: dict[str, tuple[str, str, str, str]] = {
    # keys and tables
    "misspelt key": (swap("eks_cluster", "eks_clutser"), "aws.eks_clutser", "eks_cluster", "eks_cluster"),
    "misspelt table": (swap("[azure.vpn_gateway]", "[azure.vpn_gatway]"), "azure.vpn_gatway", "vnet", "vpn_gateway"),
    "misspelt table that its own tables make exist": (swap("[dns]", "[dsn]"), "dsn", "dns", "dns"),
    "key in the wrong table": (add("azure", 'zone = "x"'), "azure.zone", "one of cloud", "dns.zone"),
    "unknown key, nothing near": (add("aws", "qqqqq = 1"), "aws.qqqqq", "one of region", ""),
    "key that TOML would quote": (add("aws", '"a\\u0007b" = 1'), 'aws."a\\u0007b"', "one of region", ""),
    "missing key": (swap('region = "eu-central-1"\n', ""), "aws.region", "an AWS region", ""),
    "missing table": (swap('[azure.aks]\nname = "test"\n', ""), "azure.aks", "[azure.aks] with name", ""),
    "missing hosts": (SMALLEST[: SMALLEST.index("[[dns.hosts")], "dns.hosts", "at least one [[dns.hosts]]", ""),
    "hosts as one table": (swap("[[dns.hosts]]", "[dns.hosts]"), "dns.hosts", "at least one", "[[dns.hosts]]"),
    "hosts as numbers": (
        swap('[[dns.hosts]]\nname = "app"\nload_balancer = "app-internal"\n', "hosts = [1]\n"),
        "dns.hosts[0]",
        "a table",
        "",
    ),
    "too many hosts": (SMALLEST + "".join(HOST.format(f"h{n}") for n in range(500)), "dns.hosts", "at most 500", ""),
    "table as a value": (SMALLEST.replace("[azure.aks]\nname", "aks"), "azure.vpn_gateway.aks", "one of", "azure.aks"),
    "value as a table": ("vpn = 3\n" + SMALLEST, "vpn", "a table: [vpn]", ""),
    "secret": (add("aws", 'secret_access_key = "abc"'), "aws.secret_access_key", "default chain", ""),
    "password": (add("azure", 'client_secret = "abc"'), "azure.client_secret", "DefaultAzureCredential", ""),
    "pre-shared key": (add("vpn", 'psk = "abc"'), "vpn.psk", "generated and never written down", ""),
    # strings
    "not a string": (swap('"eu-central-1"', "1"), "aws.region", "a string", ""),
    "control character": (swap('"production"', '"prod\\u001b[2J"'), "aws.eks_cluster", "control characters", ""),
    "direction override": (swap('"production"', '"prod\\u202e"'), "aws.eks_cluster", "control characters", ""),
    "trailing blank": (swap('"production"', '"production "'), "aws.eks_cluster", "letters", "production"),
    "link name": (swap('"demo"', '"My Demo"'), "name", "lower-case", "my-demo"),
    "link name too long": (swap('"demo"', f'"{"d" * 31}"'), "name", "1 to 30", ""),
    # the probe's pod
    "toleration": (add("probe", 'tolerations = ["a=b:Nope"]'), "probe.tolerations[0]", "as kubectl writes it", ""),
    "tolerations as text": (add("probe", 'tolerations = "gpu"'), "probe.tolerations", "a list", '["gpu"]'),
    "label name": (add("probe", 'labels = { "a b" = "x" }'), 'probe.labels."a b"', "label names", ""),
    "label that is ours": (add("probe", 'labels = { cloudlink-link = "x" }'), "probe.labels.cloudlink-link", "own", ""),
    "label of AKS": (
        add("probe", 'labels = { "kubernetes.azure.com/x" = "y" }'),
        'probe.labels."kubernetes.azure.com/x"',
        "AKS",
        "",
    ),
    "label as a number": (add("probe", "labels = { a = 1 }"), "probe.labels.a", "a string", '"1"'),
    "labels as text": (add("probe", 'labels = "a=b"'), "probe.labels", "a table", ""),
    "node selector": (add("probe", 'node_selector = { a = "b c" }'), "probe.node_selector.a", "node label", ""),
    "annotation": (add("probe", 'annotations = { "-" = "b" }'), "probe.annotations.-", "annotation names", ""),
    "resource": (add("probe", 'requests = { gpu = "1" }'), "probe.requests.gpu", "cpu, memory", ""),
    "quantity": (add("probe", 'limits = { memory = "128 MB" }'), "probe.limits.memory", "such as 100m", ""),
    "more than the limit": (add("probe", 'requests = { cpu = "1" }'), "probe.requests.cpu", "at most 500m", ""),
    "less than the request": (add("probe", 'limits = { memory = "16Mi" }'), "probe.limits.memory", "at least 32Mi", ""),
    "pull secret": (add("probe", 'image_pull_secret = "A"'), "probe.image_pull_secret", "Kubernetes name", "a"),
    # tags
    "tags as a value": ('tags = "x"\n' + SMALLEST, "tags", "at most 40", '[tags] with team = "platform"'),
    "tags as a list": ("tags = []\n" + SMALLEST, "tags", "at most 40", '[tags] with team = "platform"'),
    "tag that is no string": ("tags = {CostCenter = 4711}\n" + SMALLEST, "tags.CostCenter", "a string", '"4711"'),
    "tag that AWS keeps": ('tags = {"aws:x" = "1"}\n' + SMALLEST, 'tags."aws:x"', "AWS keeps", ""),
    "tag that Azure keeps": ('tags = {"microsoft-x" = "1"}\n' + SMALLEST, "tags.microsoft-x", "Azure keeps", ""),
    "tag of cloudlink's own": (
        'tags = {cloudlink-link = "x"}\n' + SMALLEST,
        "tags.cloudlink-link",
        "its own objects",
        "",
    ),
    "tag for the name": ('tags = {Name = "x"}\n' + SMALLEST, "tags.Name", "console", ""),
    "tag with a slash": ('tags = {"a/b" = "x"}\n' + SMALLEST, 'tags."a/b"', "1 to 128 letters", ""),
    "tag without a key": ('tags = {"" = "x"}\n' + SMALLEST, 'tags.""', "1 to 128 letters", ""),
    "tag whose key is too long": (f'tags = {{{"k" * 129} = "x"}}\n{SMALLEST}', f'tags."{"k" * 60}…"', "1 to 128", ""),
    "tag with a line end": ('tags = {a = "x\\ny"}\n' + SMALLEST, "tags.a", "0 to 256 letters", ""),
    "tag whose value is too long": (f'tags = {{a = "{"x" * 257}"}}\n{SMALLEST}', "tags.a", "0 to 256", ""),
    "tags that differ by their case": ('tags = {a = "1", A = "2"}\n' + SMALLEST, "tags.A", "each key once", ""),
    "too many tags": (
        "tags = {" + ", ".join(f'a{i} = "x"' for i in range(41)) + "}\n" + SMALLEST,
        "tags",
        "at most 40",
        "",
    ),
    "table of tags misspelt": (
        '[tag]\na = "1"\n' + SMALLEST.replace('name = "demo"', "", 1),
        "tag",
        "one of name",
        "tags",
    ),
    # other subscriptions
    "subscription of the VNet": (
        add("azure.vnet", 'subscription = "x"'),
        "azure.vnet.subscription",
        "a GUID",
        "",
    ),
    "subscription of the cluster": (add("azure.aks", "subscription = 1"), "azure.aks.subscription", "a string", ""),
    "new VNet in another subscription": (
        CREATES.replace("create = true", 'create = true\nsubscription = "99999999-1111-2222-3333-444444444444"', 1),
        "azure.vnet.subscription",
        "made there",
        "00000000-1111-2222-3333-444444444444",
    ),
    # AWS
    "region": (swap("eu-central-1", "eu-cental-1"), "aws.region", "an AWS region", "eu-central-1"),
    "availability zone": (swap("eu-central-1", "eu-central-1a"), "aws.region", "an AWS region", "eu-central-1"),
    "vpc": (swap("vpc-0a1b2c3d4e5f60718", "vpc-0a1b2c3d4"), "aws.vpc", "vpc- and 8 or 17", ""),
    "vpc in capitals": (swap("vpc-0a1b2c3d", "vpc-0A1B2C3D"), "aws.vpc", "vpc-", "vpc-0a1b2c3d4e5f60718"),
    "gateway word": (add("aws", 'gateway = "crate"'), "aws.gateway", '"create" or', "create"),
    "gateway id": (add("aws", 'gateway = "vgw-1"'), "aws.gateway", "vgw-", ""),
    "route tables": (add("aws", 'route_tables = ["rtb-0a1b2c3d", "x"]'), "aws.route_tables[1]", "rtb-", ""),
    "route table word": (add("aws", 'route_tables = "atuo"'), "aws.route_tables", '"auto"', "auto"),
    "no route tables": (add("aws", "route_tables = []"), "aws.route_tables", "1 to 200", ""),
    # AS numbers
    "number AWS refuses": (add("aws", "asn = 4200"), "aws.asn", "AWS gives a gateway", "64512"),
    "number Azure keeps": (add("aws", "asn = 65515"), "aws.asn", "Azure keeps this number", "64512"),
    "adopted number Azure keeps": (
        add("aws", 'gateway = "vgw-0a1b2c3d"\nasn = 12076'),
        "aws.asn",
        "Azure keeps",
        "64512",
    ),
    "number IANA keeps": (add("azure.vpn_gateway", "asn = 64500"), "azure.vpn_gateway.asn", "IANA keeps", "65000"),
    "Azure's own reserved": (add("azure.vpn_gateway", "asn = 65517"), "azure.vpn_gateway.asn", "Azure keeps", "65000"),
    "equal numbers": (add("azure.vpn_gateway", "asn = 64512"), "azure.vpn_gateway.asn", "other than aws.asn", ""),
    "number as text": (add("aws", 'asn = "64512"'), "aws.asn", "a whole number", "64512"),
    "number as truth": (add("aws", "asn = true"), "aws.asn", "a whole number", ""),
    "huge number": (add("aws", f"asn = 0x{'f' * 9000}"), "aws.asn", "64512 to 65534", ""),
    # Azure
    "cloud": (add("azure", 'cloud = "AzureCloud"'), "azure.cloud", "public, usgovernment or china", "public"),
    "cloud, misspelt": (add("azure", 'cloud = "pubic"'), "azure.cloud", "public", "public"),
    "cloud and location": (swap("westeurope", "chinanorth3"), "azure.cloud", "chinanorth3", "china"),
    "location": (swap('"westeurope"', '"West Europe"'), "azure.location", "westeurope", "westeurope"),
    "subscription": (
        swap("00000000-1111", "/subscriptions/00000000-1111"),
        "azure.subscription",
        "a GUID",
        "00000000-1111-2222-3333-444444444444",
    ),
    "tenant": (add("azure", 'tenant = "contoso"'), "azure.tenant", "a GUID", ""),
    "resource group": (
        swap('resource_group = "demo"', 'resource_group = "demo."'),
        "azure.resource_group",
        "period",
        "demo",
    ),
    "boolean": (
        add("azure", 'create_resource_group = "true"'),
        "azure.create_resource_group",
        "without quotes",
        "true",
    ),
    "vnet name": (swap("test-vnet", "v"), "azure.vnet.name", "2 to 64", ""),
    "aks name": (swap('"test"', '"test_"'), "azure.aks.name", "1 to 63", ""),
    "sku without zones": (
        add("azure.vpn_gateway", 'sku = "VpnGw2"'),
        "azure.vpn_gateway.sku",
        "retires them",
        "VpnGw2AZ",
    ),
    "sku Basic": (add("azure.vpn_gateway", 'sku = "Basic"'), "azure.vpn_gateway.sku", "active-active", ""),
    "zones": (add("azure.vpn_gateway", 'zones = ["1", "4"]'), "azure.vpn_gateway.zones[1]", "1, 2 or 3", ""),
    "zone twice": (add("azure.vpn_gateway", 'zones = ["1", "1"]'), "azure.vpn_gateway.zones[1]", "once", ""),
    "gateway subnet too small": (swap("0/27", "0/28"), "azure.vpn_gateway.subnet_prefix", "Azure advises /27", ""),
    "gateway subnet with host bits": (
        swap("255.0/27", "255.3/27"),
        "azure.vpn_gateway.subnet_prefix",
        "first",
        "10.20.255.0/27",
    ),
    "gateway subnet without length": (swap("0/27", "0"), "azure.vpn_gateway.subnet_prefix", "/16 to /27", ""),
    "IPv6": (swap("10.20.255.0/27", "fd00::/27"), "azure.vpn_gateway.subnet_prefix", "IPv6 is not linked", ""),
    "range Azure refuses": (
        swap("10.20.255.0", "169.254.7.0"),
        "azure.vpn_gateway.subnet_prefix",
        "169.254.0.0/16",
        "",
    ),
    # new network and cluster
    "network without cluster": (
        swap("\ncreate = true\n[dns]", "\n[dns]", CREATES),
        "azure.aks.create",
        "together",
        "true",
    ),
    "cluster without network": (add("azure.aks", "create = true"), "azure.vnet.create", "together", "true"),
    "no prefixes": (swap('prefixes = ["10.20.0.0/16"]', "", CREATES), "azure.vnet.prefixes", "1 to 20", ""),
    "no nodes' subnet": (
        swap('[azure.vnet.cluster_subnet]\nname = "nodes"\nprefix = "10.20.0.0/22"\n', "", CREATES),
        "azure.vnet.cluster_subnet",
        "name and prefix",
        "",
    ),
    "prefixes of an existing network": (
        add("azure.vnet", 'prefixes = ["10.0.0.0/16"]'),
        "azure.vnet.prefixes",
        "unless",
        "",
    ),
    "subnet of an existing network": (
        add("azure.vnet.cluster_subnet", 'name = "n"\nprefix = "10.0.0.0/24"'),
        "azure.vnet.cluster_subnet",
        "unless azure.vnet.create",
        "",
    ),
    "size of an existing cluster": (
        add("azure.aks", "node_count = 3"),
        "azure.aks.node_count",
        "unless azure.aks.create",
        "",
    ),
    "gateway outside the network": (
        swap("10.20.255.0/27", "10.21.0.0/27", CREATES),
        "azure.vpn_gateway.subnet_prefix",
        "within azure.vnet.prefixes",
        "10.20.255.224/27",
    ),
    "nodes outside the network": (
        swap("10.20.0.0/22", "10.21.0.0/22", CREATES),
        "azure.vnet.cluster_subnet.prefix",
        "within azure.vnet.prefixes",
        "",
    ),
    "nodes in the gateway's subnet": (
        swap("10.20.255.0/27", "10.20.1.0/27", CREATES),
        "azure.vpn_gateway.subnet_prefix",
        "outside azure.vnet.cluster_subnet.prefix",
        "10.20.255.224/27",
    ),
    "no room for the nodes": (
        add("azure.aks", "node_count = 3", swap("10.20.0.0/22", "10.20.0.0/29", CREATES)),
        "azure.vnet.cluster_subnet.prefix",
        "room for 3 nodes",
        "",
    ),
    "GatewaySubnet for the nodes": (
        swap('"nodes"', '"gatewaysubnet"', CREATES),
        "azure.vnet.cluster_subnet.name",
        "not GatewaySubnet",
        "",
    ),
    "pods in the network": (
        add("azure.aks", 'pod_cidr = "10.20.0.0/17"', CREATES),
        "azure.aks.pod_cidr",
        "outside azure.vnet.prefixes[0] (10.20.0.0/16)",
        "",
    ),
    "services among the pods": (
        add("azure.aks", 'service_cidr = "10.244.8.0/24"', CREATES),
        "azure.aks.service_cidr",
        "outside azure.aks.pod_cidr",
        "",
    ),
    "range AKS refuses": (
        add("azure.aks", 'pod_cidr = "172.31.0.0/16"', CREATES),
        "azure.aks.pod_cidr",
        "AKS does not take 172.31.0.0/16",
        "",
    ),
    "networks that overlap": (
        swap('["10.20.0.0/16"]', '["10.20.0.0/16", "10.20.8.0/24"]', CREATES),
        "azure.vnet.prefixes[1]",
        "outside azure.vnet.prefixes[0]",
        "",
    ),
    "node size": (
        add("azure.aks", 'node_size = "D2s_v5"', CREATES),
        "azure.aks.node_size",
        "a VM size",
        "Standard_D2s_v5",
    ),
    "version as a number": (add("azure.aks", "version = 1.33", CREATES), "azure.aks.version", "a string", '"1.33"'),
    # tunnels
    "pool outside Azure's range": (
        add("vpn", 'inside_pool = "169.254.30.0/24"'),
        "vpn.inside_pool",
        "169.254.21.0 to",
        "",
    ),
    "pool too small": (add("vpn", 'inside_pool = "169.254.21.0/29"'), "vpn.inside_pool", "has 2 free", ""),
    "pool and ranges": (
        add("vpn", f"inside_pool = '169.254.21.0/24'\ninside_cidrs = {[f'169.254.22.{n}/30' for n in (0, 4, 8, 12)]}"),
        "vpn.inside_cidrs",
        "one of",
        "",
    ),
    "three ranges": (
        add("vpn", f"inside_cidrs = {[f'169.254.22.{n}/30' for n in (0, 4, 8)]}"),
        "vpn.inside_cidrs",
        "4 to 4",
        "",
    ),
    "range AWS keeps": (
        add("vpn", f"inside_cidrs = {['169.254.169.252/30', *(f'169.254.22.{n}/30' for n in (0, 4, 8))]}"),
        "vpn.inside_cidrs[0]",
        "AWS keeps",
        "",
    ),
    "key storage": (add("vpn", 'psk_storage = "SecretsManager"'), "vpn.psk_storage", "standard or", "secrets-manager"),
    "large tunnels on a virtual private gateway": (
        add("vpn", 'bandwidth = "large"'),
        "vpn.bandwidth",
        "unless aws.gateway is create-transit",
        "standard",
    ),
    "limited routes on a virtual private gateway": (
        add("aws", "limit_routes = true"),
        "aws.limit_routes",
        "unless aws.gateway is create-transit",
        "false",
    ),
    "the gateway of a hub of Virtual WAN": (
        add(
            "azure.vpn_gateway",
            'adopt = "/subscriptions/00000000-1111-2222-3333-444444444444/resourceGroups/g/providers/Microsoft.Network/vpnGateways/hub"',
        ),
        "azure.vpn_gateway.adopt",
        "Virtual WAN is not supported",
        "",
    ),
    "blackhole routes in a table that others share": (
        add("aws", 'gateway = "tgw-0a1b2c3d"\nblackholes = "100.64.0.0/16"'),
        "aws.blackholes",
        "nothing, without aws.limit_routes = true",
        "",
    ),
    # policy
    "cipher AWS refuses": (policy('esp_encryption = "AES192"'), "vpn.policy.esp_encryption", "AWS does not", "AES256"),
    "cipher in Azure's words": (
        policy('ike_encryption = "GCMAES256"'),
        "vpn.policy.ike_encryption",
        "AES256-GCM",
        "AES256-GCM",
    ),
    "hash Azure refuses": (policy('ike_integrity = "SHA512"'), "vpn.policy.ike_integrity", "Azure does not", ""),
    "hash for data": (policy('esp_integrity = "SHA384"'), "vpn.policy.esp_integrity", "Azure does not", ""),
    "weak hash": (policy('ike_integrity = "SHA1"'), "vpn.policy.ike_integrity", "too weak", "SHA256"),
    "group Azure refuses": (policy("dh_group = 21"), "vpn.policy.dh_group", "Azure does not have it", ""),
    "group AWS refuses": (policy("pfs_group = 1"), "vpn.policy.pfs_group", "AWS does not have it", ""),
    "group in Azure's words": (policy('dh_group = "ECP384"'), "vpn.policy.dh_group", "14, 19, 20 or 24", "20"),
    "lifetime": (policy("sa_lifetime_seconds = 27000"), "vpn.policy.sa_lifetime_seconds", "AWS refuses", ""),
    "data": (policy("sa_data_kilobytes = 1000"), "vpn.policy.sa_data_kilobytes", "Azure refuses less", ""),
    "silence": (policy("dpd_timeout_seconds = 10"), "vpn.policy.dpd_timeout_seconds", "AWS refuses less", ""),
    # names
    "zone with a dot": (
        swap("prod.corp.example", "prod.corp.example."),
        "dns.zone",
        "without a trailing",
        "prod.corp.example",
    ),
    "zone in capitals": (swap("prod.corp.example", "Prod.Corp.Example"), "dns.zone", "lower case", "prod.corp.example"),
    "zone of one label": (swap("prod.corp.example", "com"), "dns.zone", "two or more", ""),
    "zone of the cluster": (
        swap("prod.corp.example", "x.cluster.local"),
        "dns.zone",
        "resolves cluster.local itself",
        "",
    ),
    "zone above Azure's own": (swap("prod.corp.example", "cloudapp.net"), "dns.zone", "internal.cloudapp.net", ""),
    "zone is an address": (swap("prod.corp.example", "10.0.0.1"), "dns.zone", "an address is not a zone", ""),
    "one subnet": (add("dns", 'endpoint_subnets = ["subnet-0a1b2c3d"]'), "dns.endpoint_subnets", "2 to 6", ""),
    "seven subnets": (
        add("dns", f"endpoint_subnets = {[f'subnet-0000000{n}' for n in range(7)]}"),
        "dns.endpoint_subnets",
        "quota is 6",
        "",
    ),
    "hosted zone": (add("dns", 'hosted_zone = "/hostedzone/Z0ABCDEF"'), "dns.hosted_zone", "hosted zone", "Z0ABCDEF"),
    "ttl": (add("dns", "ttl = 0"), "dns.ttl", "1 to 86400", ""),
    "host in capitals": (host('load_balancer = "x"', "DB"), "dns.hosts[1].name", "lower case", "db"),
    "host with its zone": (
        host('load_balancer = "x"', "db.prod.corp.example"),
        "dns.hosts[1].name",
        "without the zone",
        "db",
    ),
    "asterisk in a label": (host('load_balancer = "x"', "a*"), "dns.hosts[1].name", '"*.a"', ""),
    "asterisk inside": (host('load_balancer = "x"', "a.*"), "dns.hosts[1].name", '"*.a"', ""),
    "long name": (
        host('load_balancer = "x"', ".".join(["a" * 59] * 4)).replace("prod.corp.example", f"{'c' * 40}.example"),
        "dns.hosts[1].name",
        "253 characters",
        "",
    ),
    "host twice": (host('load_balancer = "x"', "app"), "dns.hosts[1].name", "it is at dns.hosts[0].name", ""),
    "no target": (host(""), "dns.hosts[1]", "exactly one of load_balancer", ""),
    "two targets": (
        host('load_balancer = "x"\nkubernetes_service = "a/b"'),
        "dns.hosts[1]",
        "exactly one of load_balancer",
        "",
    ),
    "load balancer by DNS name": (
        host('load_balancer = "internal-web-12345.eu-central-1.elb.amazonaws.com"'),
        "dns.hosts[1].load_balancer",
        "not its DNS name",
        "web",
    ),
    "gateway load balancer": (
        host(f'load_balancer = "arn:aws:elasticloadbalancing:eu-central-1:{"1" * 12}:loadbalancer/gwy/x/{"a" * 16}"'),
        "dns.hosts[1].load_balancer",
        "Gateway Load Balancer",
        "",
    ),
    "load balancer elsewhere": (
        host(f'load_balancer = "arn:aws:elasticloadbalancing:us-east-1:{"1" * 12}:loadbalancer/net/x/{"a" * 16}"'),
        "dns.hosts[1].load_balancer",
        "a load balancer in aws.region, eu-central-1",
        "",
    ),
    "service without namespace": (
        host('kubernetes_service = "vault"'),
        "dns.hosts[1].kubernetes_service",
        "namespace/name",
        "",
    ),
    "ingress in capitals": (
        host('kubernetes_ingress = "Web/Main"'),
        "dns.hosts[1].kubernetes_ingress",
        "namespace/name",
        "web/main",
    ),
    "public address": (host('addresses = ["8.8.8.8"]'), "dns.hosts[1].addresses[0]", "a private IPv4", ""),
    "address with a length": (host('addresses = ["10.1.2.3/32"]'), "dns.hosts[1].addresses[0]", "private", "10.1.2.3"),
    "address outside a list": (host('addresses = "10.1.2.3"'), "dns.hosts[1].addresses", "a list", '["10.1.2.3"]'),
    "address twice": (host('addresses = ["10.1.2.3", "10.1.2.3"]'), "dns.hosts[1].addresses[1]", "each value once", ""),
    "address in Azure": (
        host('addresses = ["10.20.255.9"]'),
        "dns.hosts[1].addresses[0]",
        "outside azure.vpn_gateway.subnet_prefix (10.20.255.0/27)",
        "",
    ),
    "port": (host('load_balancer = "x"\nports = [0]'), "dns.hosts[1].ports[0]", "1 to 65535", ""),
    "no ports": (host('load_balancer = "x"\nports = []'), "dns.hosts[1].ports", "1 to 32", ""),
    "TLS on another port": (host('load_balancer = "x"\ntls_ports = [8443]'), "dns.hosts[1].tls_ports[0]", "443", ""),
    # probe and sandbox
    "image": (add("probe", 'image = "Not An Image"'), "probe.image", "an image", ""),
    "namespace": (add("probe", 'namespace = "Default"'), "probe.namespace", "a Kubernetes namespace", "default"),
    "speed": (add("sandbox", "speed = nan"), "sandbox.speed", "1 to 10000", ""),
    "speed in words": (add("sandbox", 'speed = "fast"'), "sandbox.speed", "a number", ""),
    "sign-in": (add("sandbox", 'aks_sign_in = "certifcate"'), "sandbox.aks_sign_in", "entra", "certificate"),
    "subnet outside the VPC": (
        add("sandbox", 'vpc_cidrs = ["10.9.0.0/16"]\neks_subnets = ["10.8.0.0/20"]'),
        "sandbox.eks_subnets[0]",
        "within sandbox.vpc_cidrs",
        "",
    ),
    "subnets without a VPC": (
        add("sandbox", 'eks_subnets = ["10.8.0.0/20"]'),
        "sandbox.vpc_cidrs",
        "the VPC's ranges",
        "",
    ),
    "subnets that overlap": (
        add(
            "sandbox",
            'vpc_cidrs = ["10.9.0.0/16"]\neks_subnets = ["10.9.0.0/20"]\nload_balancer_subnets = ["10.9.1.0/24"]',
        ),
        "sandbox.load_balancer_subnets[0]",
        "outside sandbox.eks_subnets[0]",
        "",
    ),
    "nodes outside the VNet": (
        add("sandbox", 'vnet_prefixes = ["10.20.0.0/16"]\naks_subnet = "10.21.0.0/24"'),
        "sandbox.aks_subnet",
        "within sandbox.vnet_prefixes",
        "",
    ),
    "nodes where the gateway is": (
        add("sandbox", 'aks_subnet = "10.20.255.0/28"'),
        "sandbox.aks_subnet",
        "outside azure.vpn_gateway.subnet_prefix",
        "",
    ),
    "VNet full": (
        add("sandbox", 'vnet_prefixes = ["10.20.255.0/27"]'),
        "sandbox.vnet_prefixes",
        "room for a cluster",
        "",
    ),
    "VNet that is made": (
        add("sandbox", 'vnet_prefixes = ["10.20.0.0/16"]', CREATES),
        "sandbox.vnet_prefixes",
        "azure.vnet.create is true",
        "",
    ),
    "pods of a cluster that is made": (
        add("sandbox", 'aks_pod_cidr = "10.99.0.0/16"', CREATES),
        "sandbox.aks_pod_cidr",
        "azure.aks.create is true",
        "",
    ),
}


def test_the_texts_that_the_cases_change_are_right():
    assert mistakes(SMALLEST) == ()
    assert mistakes(CREATES) == ()


@pytest.mark.parametrize("case", CASES)
def test_mistake(case: str):
    text, path, words, near_miss = CASES[case]
    found = mistakes(text)
    ours = [mistake for mistake in found if mistake.path.lower() == path.lower()]
    assert len(ours) == 1, found
    assert words in ours[0].allowed
    assert ours[0].near_miss == near_miss
    assert ours[0].found
    assert all((mistake.path + mistake.found + mistake.allowed).isprintable() for mistake in found)


def test_one_misspelling_is_one_mistake():
    for case in (
        "misspelt key",
        "misspelt table",
        "sku without zones",
        "pods in the network",
        "host twice",
        "no target",
    ):
        assert len(mistakes(CASES[case][0])) == 1, case


def test_every_mistake_is_reported_at_once():
    text = swap("eu-central-1", "nowhere", swap('"demo"', "7", add("vpn.policy", "dh_group = 2\npfs_group = 3")))
    text = swap("0/27", "0/28", add("azure.vpn_gateway", "asn = 64512", text))
    assert [mistake.path for mistake in mistakes(text)] == [
        "name",
        "aws.region",
        "azure.vpn_gateway.subnet_prefix",
        "vpn.policy.dh_group",
        "vpn.policy.pfs_group",
        "azure.vpn_gateway.asn",
    ]


def test_values_of_credentials_are_not_repeated():
    with pytest.raises(ConfigError) as caught:
        parsed(
            add("aws", 'aws_secret_access_key = "hunter2"\n[aws.token]\nvalue = "hunter2"').replace("\n[aws.token]", "")
        )
    assert "hunter2" not in repr(caught.value.mistakes)


# --- before there is a document


@pytest.mark.parametrize(
    ("content", "path", "words"),
    [
        (b'name = "demo"\n[aws\n', "line 2, column 5", "TOML syntax"),
        (b'name = "demo', "line 1, column 13", "TOML syntax"),
        (b"a = 1\na = 2\n", "line 2, column 6", "Cannot overwrite"),
        (b'name = "a\xff"\n', "line 1, column 10", "UTF-8"),
        (b"x = 1\n\x00", "line 2, column 1", "TOML syntax"),
        (b"x = " + b"[" * 9000, "file", "reference"),
        (b"x = " + b"9" * 5000, "file", "ordinary values"),
        (b"#" * 300_000, "file", "ordinary size"),
    ],
)
def test_bytes_that_are_no_toml(tmp_path: Path, content: bytes, path: str, words: str):
    file = tmp_path / "config.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    (mistake,) = caught.value.mistakes
    assert mistake.path == path
    assert words in mistake.allowed
    assert caught.value.file == str(file)
    assert mistake.found.isprintable()


@pytest.mark.parametrize(
    ("content", "excerpt"),
    [
        ("x = [\n", "1 | x = [\n         ^"),
        ('name = "demo"\n[aws\n', "2 | [aws\n        ^"),
        ('[dns]\nzone = "geheim\n', '2 | zone = "xxxxxx\n                  ^'),
        ("name demo\n", "1 | xxxx xxxx\n         ^"),
        ("a = 1\na = 2\n", "2 | a = x\n         ^"),
        ("x = 1\n\x00", "2 | x\n    ^"),
    ],
)
def test_what_is_no_toml_is_shown_with_its_line_and_a_caret(tmp_path: Path, content: str, excerpt: str):
    """Without what is in its value, which might be a secret that was put there by mistake."""
    file = tmp_path / "config.toml"
    file.write_text(content)
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    (mistake,) = caught.value.mistakes
    assert mistake.excerpt == excerpt
    shown = [text_of(each) for each in error_lines(caught.value, Look(80, unicode=True))]
    for row in excerpt.splitlines():
        assert f"    {row}" in shown


def test_a_missing_file(tmp_path: Path):
    with pytest.raises(ConfigError) as caught:
        config.load(tmp_path / "config.toml")
    assert "config.example.toml" in caught.value.hint
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("place", [".", "a\0b", "x" * 5000])
def test_a_place_that_is_no_file(tmp_path: Path, place: str):
    with pytest.raises(ConfigError):
        config.load(tmp_path / place)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path):
    file = tmp_path / "config.toml"
    file.write_bytes(b"\xef\xbb\xbf" + SMALLEST.replace("\n", "\r\n").encode())
    assert config.load(file).name == "demo"


def test_the_probes_pod_as_it_may_be_written():
    lines = (
        'tolerations = ["sku=gpu:NoSchedule", "spot", "CriticalAddonsOnly:NoExecute", "*"]\n'
        'labels = { team = "net" }\nrequests = { cpu = "100m" }\nservice_account = "checker"'
    )
    probe = parsed(add("probe", lines)).probe
    assert [(t.key, t.value, t.effect) for t in probe.tolerations] == [
        ("sku", "gpu", "NoSchedule"),
        ("spot", None, ""),
        ("CriticalAddonsOnly", None, "NoExecute"),
        ("", None, ""),
    ]
    assert (probe.labels, probe.requests, probe.service_account) == ((("team", "net"),), (("cpu", "100m"),), "checker")
