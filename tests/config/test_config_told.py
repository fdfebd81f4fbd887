"""What is told of each mistake, word for word, in ``golden/mistakes.txt``. After a deliberate change delete the file, run the
test once, and read the new one."""

from __future__ import annotations

from pathlib import Path

from tests.config.test_config_mistakes import CASES, HOST, host
from tests.config.test_transport import BASE
from tests.support import golden
from tests.support.config_texts import CREATES, SMALLEST, add, mistakes, swap

GOLDEN = Path(__file__).with_name("golden") / "mistakes.txt"

GUID = "00000000-1111-2222-3333-444444444444"
OTHER = "99999999-1111-2222-3333-444444444444"
ARN = f"arn:aws:elasticloadbalancing:eu-central-1:{'1' * 12}:loadbalancer/net/x/{'a' * 16}"


def sandbox(*lines: str, text: str = SMALLEST) -> str:
    return add("sandbox", "\n".join(lines), text)


def gateway(prefix: str, text: str = CREATES) -> str:
    return swap("10.20.255.0/27", prefix, text)


MORE: dict[str, str] = {
    "nothing wrong": SMALLEST,
    "nothing wrong with what is made": CREATES,
    "nothing wrong over an existing link": BASE,
    # keys and tables
    "an empty file": "",
    "no tables but the first": 'name = "demo"\n',
    "a table as a list": "aws = []\n" + SMALLEST.replace("[aws]", "[awz]"),
    "a list of tables for a table": SMALLEST.replace("[aws]", "[[aws]]"),
    "hosts as text": swap('[[dns.hosts]]\nname = "app"\nload_balancer = "app-internal"\n', 'hosts = "app"\n'),
    "hosts as an empty list": swap('[[dns.hosts]]\nname = "app"\nload_balancer = "app-internal"\n', "hosts = []\n"),
    "as many hosts as may be": SMALLEST + "".join(HOST.format(f"h{n}") for n in range(499)),
    "two misspelt keys": swap("eks_cluster", "eks_clutser", swap("region", "regoin")),
    "a misspelt key of a host": swap("load_balancer", "load_balncer"),
    "a key of another table": add("aws", 'zone = "x"\nsku = "x"'),
    "a table of another table": add("aws", "[aws.policy]").replace("[aws]\n[aws.policy]", "[aws]")
    + "[aws.policy]\ndh_group = 20\n",
    "names that look like credentials": add(
        "aws",
        "\n".join(f'{n} = "x"' for n in ("api-key", "SharedKey", "my_token", "passwd", "keys", "keyed", "monkey")),
    ),
    "more than fifty unknown keys": add("azure", "\n".join(f"tenan{n} = 1" for n in range(52))),
    "more than two hundred mistakes": SMALLEST + "".join(HOST.format("A B") for _ in range(201)),
    "part of a table that may be left out": add("azure.vnet.cluster_subnet", 'name = "n"'),
    # numbers
    "an AS number of AWS below Azure's": add("aws", "asn = 1"),
    "one number, adopted": add("aws", 'gateway = "vgw-0a1b2c3d"\nasn = 65000'),
    "an adopted number that AWS no longer gives": add("aws", 'gateway = "vgw-0a1b2c3d"\nasn = 9059'),
    "numbers at the ends": add("aws", "asn = 4294967294", add("azure.vpn_gateway", "asn = 65534")),
    # the transport
    "an existing link, and all that a VPN has": add(
        "aws", 'asn = 64600\ngateway = "create"\nroute_tables = "auto"', BASE
    )
    + '[azure.vpn_gateway]\nsubnet_prefix = "10.20.255.0/27"\nsku = "VpnGw2AZ"\nzones = ["1"]\nasn = 65010\n'
    + '[vpn]\ninside_pool = "169.254.21.0/24"\npsk_storage = "standard"\n[vpn.policy]\ndh_group = 20\n',
    "an existing link, and a group that is made": add("azure", "create_resource_group = true", BASE),
    "an existing link, and a VNet that is made": add("azure.vnet", "create = true", BASE),
    "an existing link, and a cluster that is made": add("azure.aks", "create = true", BASE),
    "a wire without an existing link": sandbox('wire = "none"'),
    # the probe
    "requests and limits": add("probe", 'requests = { cpu = "2" }\nlimits = { cpu = "1", memory = "16Mi" }'),
    "requests as much as the limits": add("probe", 'requests = { cpu = "500m", memory = "128Mi" }'),
    "storage that has no limit": add("probe", 'requests = { ephemeral-storage = "9G" }'),
    "requests that cannot be read": add("probe", 'requests = "x"\nlimits = { cpu = "1m" }'),
    # clouds
    "a cloud's government": swap("westeurope", "usgovvirginia"),
    "a cloud's defence": swap("westeurope", "usdodeast"),
    "China": swap("westeurope", "chinaeast2"),
    "the public cloud in China's": add("azure", 'cloud = "china"'),
    "the right one": add("azure", 'cloud = "usgovernment"', swap("westeurope", "usgovarizona")),
    # what is made
    "a VNet without a cluster": swap(
        '[azure.aks]\nname = "test"\ncreate = true', '[azure.aks]\nname = "test"', CREATES
    ),
    "a VNet that is made without anything": add("azure.vnet", "create = true"),
    "sizes of a cluster that exists": add(
        "azure.aks",
        'node_count = 3\nnode_size = "Standard_B2s"\nversion = "1.33"\npod_cidr = "10.99.0.0/16"\n'
        'service_cidr = "10.98.0.0/16"',
    ),
    "a VNet that is made elsewhere": swap("create = true", f'create = true\nsubscription = "{OTHER}"', CREATES),
    "a cluster that is made elsewhere": add("azure.aks", f'subscription = "{OTHER}"', CREATES),
    "what is made is made at home": add("azure.aks", f'subscription = "{GUID}"', CREATES),
    "what exists is elsewhere": add("azure.aks", f'subscription = "{OTHER}"'),
    "a gateway outside": gateway("10.21.0.0/27"),
    "a gateway outside a full VNet": swap('["10.20.0.0/16"]', '["10.20.0.0/22"]', gateway("10.21.0.0/27")),
    "a gateway in the nodes of a full VNet": swap('["10.20.0.0/16"]', '["10.20.0.0/22"]', gateway("10.20.0.0/27")),
    "a gateway as large as the VNet": gateway("10.16.0.0/16"),
    "nodes outside": swap("10.20.0.0/22", "10.30.0.0/22", CREATES),
    "one of two ranges": swap('["10.20.0.0/16"]', '["10.30.0.0/16", "10.20.0.0/16"]', CREATES),
    "room for two nodes to the last address": swap("10.20.0.0/22", "10.20.0.0/29", CREATES),
    "one node too many": add("azure.aks", "node_count = 3", swap("10.20.0.0/22", "10.20.0.0/29", CREATES)),
    "one node fewer": add("azure.aks", "node_count = 1", swap("10.20.0.0/22", "10.20.0.0/29", CREATES)),
    # ranges that overlap
    "pods in the VNet": add("azure.aks", 'pod_cidr = "10.20.0.0/17"', CREATES),
    "services in the second range": add(
        "azure.aks",
        'service_cidr = "10.30.8.0/24"',
        swap('["10.20.0.0/16"]', '["10.20.0.0/16", "10.30.0.0/16"]', CREATES),
    ),
    "an address in the VNet": CREATES + '[[dns.hosts]]\nname = "db"\naddresses = ["10.20.3.4"]\n',
    "an address among the pods": CREATES + '[[dns.hosts]]\nname = "db"\naddresses = ["10.9.9.9", "10.244.3.4"]\n',
    "an address beside the gateway": host('addresses = ["10.20.255.32", "10.20.254.255"]'),
    "addresses in the gateway's subnet": host('addresses = ["10.20.255.0", "10.20.255.31"]'),
    "one address of two names": host('addresses = ["10.1.2.3"]')
    + '[[dns.hosts]]\nname = "db2"\naddresses = ["10.1.2.3"]\n',
    # inside addresses
    "a pool with room for three": add("vpn", 'inside_pool = ["169.254.21.0/29", "169.254.22.0/30"]'),
    "a pool with room for four": add("vpn", 'inside_pool = ["169.254.21.0/29", "169.254.22.0/29"]'),
    "a pool and ranges that cannot be read": add("vpn", 'inside_pool = "x"\ninside_cidrs = "y"'),
    # names
    "a name that is the zone": host('load_balancer = "x"', "prod.corp.example"),
    "a name below the zone": host('load_balancer = "x"', "a.b.prod.corp.example"),
    "a name that only ends alike": host('load_balancer = "x"', "myprod.corp.example"),
    "a name of 253 characters": host('load_balancer = "x"', ".".join(["a" * 59] * 4)[:235]),
    "a name of 254 characters": host('load_balancer = "x"', "a" + ".".join(["a" * 58] * 4)[:235]),
    "the zone itself of 253": host('load_balancer = "x"', "@"),
    "the name three times": SMALLEST + HOST.format("app") + HOST.format("app"),
    "all targets": host(
        'load_balancer = "x"\nkubernetes_service = "a/b"\nkubernetes_ingress = "a/b"\naddresses = ["10.1.1.1"]'
    ),
    "a target that cannot be read": host("load_balancer = 1"),
    "TLS on ports that are not there": host('load_balancer = "x"\nports = [443, 80]\ntls_ports = [8443, 443, 22]'),
    "TLS on ports that cannot be read": host('load_balancer = "x"\nports = [0]\ntls_ports = [8443]'),
    "an ARN of the region": host(f'load_balancer = "{ARN}"'),
    "an ARN of another region": host(f'load_balancer = "{ARN.replace("eu-central-1", "us-east-1")}"'),
    "an ARN, and no region": swap("eu-central-1", "nowhere", host(f'load_balancer = "{ARN}"')),
    "names of load balancers": SMALLEST
    + "".join(
        f'[[dns.hosts]]\nname = "h{n}"\nload_balancer = "{name}"\n'
        for n, name in enumerate(
            (
                "internal-x",
                "web-0123456789abcdef.elb.eu-central-1.amazonaws.com",
                "-.elb.amazonaws.com.cn",
                "x-",
                "x" * 33,
            )
        )
    ),
    # the state
    "a region without a bucket": add("state", 'region = "eu-central-1"'),
    "a region of blobs": add("state", 'location = "azblob://account/container/key"\nregion = "eu-central-1"'),
    "a region of a bucket": add("state", 'location = "s3://bucket/key"\nregion = "eu-central-1"'),
    "a place that is a URL": add("state", 'location = "https://account.blob.core.windows.net/container/a/b"'),
    "a URL of no container": add("state", 'location = "https://account.blob.core.windows.net/c"'),
    "a place of another store": add("state", 'location = "gs://bucket/key"'),
    "a place that steps up": add("state", 'location = "s3://bucket/a/../b"'),
    "a place of blobs that steps": add("state", 'location = "azblob://account/container/./b"'),
    "a key that is as long as may be": add("state", f'location = "s3://bucket/{"k" * 900}"'),
    "a key that is too long": add("state", f'location = "s3://bucket/{"k" * 901}"'),
    "a key of blobs that is too long": add("state", f'location = "azblob://account/container/{"k" * 901}"'),
    "a place that is no text": add("state", "location = 3"),
    # the sandbox
    "what the sandbox's VNet is, and what is made": sandbox(
        'vnet_prefixes = ["10.20.0.0/16"]', 'aks_subnet = "10.20.4.0/24"', text=CREATES
    ),
    "what the sandbox's cluster is, and what is made": sandbox(
        'aks_pod_cidr = "10.99.0.0/16"', 'aks_service_cidr = "10.98.0.0/16"', text=CREATES
    ),
    "subnets outside the VPC": sandbox(
        'vpc_cidrs = ["10.9.0.0/16", "10.7.0.0/16"]',
        'eks_subnets = ["10.7.0.0/20", "10.8.0.0/20"]',
        'load_balancer_subnets = ["10.6.0.0/20"]',
    ),
    "subnets of balancers without a VPC": sandbox('load_balancer_subnets = ["10.8.0.0/20"]'),
    "subnets of a VPC that cannot be read": sandbox('vpc_cidrs = "x"', 'eks_subnets = ["10.8.0.0/20"]'),
    "subnets that overlap": sandbox('vpc_cidrs = ["10.9.0.0/16"]', 'eks_subnets = ["10.9.0.0/20", "10.9.0.0/24"]'),
    "a VNet that is full": sandbox('vnet_prefixes = ["10.20.255.0/27"]'),
    "a VNet with room for the smallest subnet": sandbox('vnet_prefixes = ["10.20.255.0/27", "10.21.0.0/29"]'),
    "a full VNet whose nodes are given": sandbox('vnet_prefixes = ["10.20.255.0/27"]', 'aks_subnet = "10.20.255.0/28"'),
    "nodes outside the VNet": sandbox(
        'vnet_prefixes = ["10.20.0.0/16", "10.19.0.0/16"]', 'aks_subnet = "10.21.0.0/24"'
    ),
    "nodes in the second range": sandbox(
        'vnet_prefixes = ["10.20.0.0/16", "10.21.0.0/16"]', 'aks_subnet = "10.21.0.0/24"'
    ),
}


def lines(text: str) -> list[str]:
    told: list[str] = []
    for mistake in mistakes(text):
        told.append(f"  {mistake.path}: {mistake.found}; allowed: {mistake.allowed}")
        told += [f"    -> {mistake.near_miss}"] if mistake.near_miss else []
    return told or ["  nothing"]


def test_what_is_told_of_mistakes() -> None:
    told: list[str] = []
    for name, text in (*((name, case[0]) for name, case in CASES.items()), *MORE.items()):
        found = lines(text)
        told += [
            f"{name}:",
            *found[:12],
            *([f"  ... {len(found)} lines", *found[-3:]] if len(found) > 15 else found[12:]),
            "",
        ]
    golden.compare("\n".join(told), GOLDEN)
