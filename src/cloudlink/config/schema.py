"""Every key of the configuration, declared once: the reader, the reference and the messages all come from here.

A key is declared with its kind of value, its default and its meaning; tables list their keys in the order in which
the reference shows them. Rules that concern several keys are in ``checks``.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, Generic, Literal, TypeVar, cast

from cloudlink import addressing
from cloudlink.config import names, pods
from cloudlink.config.value_types import (
    BOOLEAN,
    PRIVATE_ADDRESS,
    ValueType,
    choice,
    integer,
    listing,
    network,
    number,
    one_or_more,
    word_or,
)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Cloud = Literal["public", "usgovernment", "china"]
PskStorage = Literal["standard", "secrets-manager"]
Bandwidth = Literal["standard", "large"]
SignIn = Literal["certificate", "entra"]
Transport = Literal["vpn", "existing"]
Forward = Literal["coredns", "vnet"]
SandboxGateway = Literal["active-active", "active-standby", "point-to-site"]
MoreClusters = Literal["vnet", "peered"]
Wire = Literal["vpn", "transit-gateway", "expressroute", "none"]


@dataclass(frozen=True, slots=True, eq=False)
class Key(Generic[T_co]):
    path: str  # from the root of the file
    kind: ValueType[Any]
    meaning: str
    required: bool
    default: T_co | None = None
    written_default: str = ""  # the default in TOML or in words, for the reference
    not_with: tuple[str, ...] = ()  # what makes a required key needless: a transport, or another key of its table

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    path: str
    meaning: str
    keys: tuple[Key[Any], ...]
    optional: bool = False  # may be left out although it has required keys
    repeated: bool = False  # an array of tables

    @property
    def parent(self) -> str | None:
        return self.path.rpartition(".")[0] if self.path else None

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]


def _required(path: str, kind: ValueType[T], meaning: str, *, not_with: tuple[str, ...] = ()) -> Key[T]:
    return Key(path, kind, meaning, required=True, not_with=not_with)


def _defaulted(path: str, kind: ValueType[T], default: T, written: str, meaning: str) -> Key[T]:
    return Key(path, kind, meaning, required=False, default=default, written_default=written)


def _optional(path: str, kind: ValueType[T], meaning: str, instead: str = "") -> Key[T | None]:
    return Key(path, kind, meaning, required=False, written_default=instead)


def _azure_range_problem(found: IPv4Network) -> str:
    """https://learn.microsoft.com/azure/virtual-network/virtual-networks-faq (address ranges)"""
    for text in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "168.63.129.16/32", "224.0.0.0/3"):
        if found.overlaps(IPv4Network(text)):
            return f"Azure does not take {text}"
    return ""


def _aks_range_problem(found: IPv4Network) -> str:
    """https://learn.microsoft.com/azure/aks/configure-azure-cni (ranges that AKS keeps)"""
    for text in ("172.30.0.0/16", "172.31.0.0/16", "192.0.2.0/24"):
        if found.overlaps(IPv4Network(text)):
            return f"AKS does not take {text}"
    return _azure_range_problem(found)


_VNET_RANGE = network(8, 29, problem=_azure_range_problem)
_AKS_RANGE = network(8, 24, problem=_aks_range_problem)
_AKS_SERVICE_RANGE = network(12, 27, problem=_aks_range_problem)
_VPC_RANGE = network(16, 28)
_EKS_SERVICE_RANGE = network(12, 24)
_INSIDE_POOL = network(
    24, 30, problem=addressing.azure_inside_problem, why="within 169.254.21.0 to 169.254.22.255, where Azure wants it"
)
_INSIDE_CIDR = network(
    30, 30, problem=addressing.inside_problem, why="within 169.254.21.0 to 169.254.22.255, where Azure wants it"
)

NAME = _required("name", names.LINK_NAME, "The link's name. Every object is tagged with it; two links differ in it.")
TAGS: Key[tuple[tuple[str, str], ...]] = _defaulted(
    "tags",
    names.TAGS,
    (),
    "{}",
    "Tags that every object of both clouds gets besides cloudlink's own, written as a table `[tags]`. Tags that others "
    "put on an object stay.",
)

# --- [link]
TRANSPORT: Key[Transport] = _defaulted(
    "link.transport",
    choice(
        cast("dict[str, Transport]", {name: name for name in ("vpn", "existing")}),
        meant={"ipsec": "vpn", "expressroute": "existing", "directconnect": "existing", "none": "existing"},
    ),
    "vpn",
    '"vpn"',
    "What carries the packets. `vpn`: tunnels that cloudlink makes. `existing`: what joins the two networks already "
    "(somebody's VPN, transit gateway, Direct Connect with ExpressRoute); cloudlink makes names and proves them over it.",
)

# --- [aws]
AWS_REGION = _required("aws.region", names.AWS_REGION, "Region of the VPC.")
AWS_PROFILE = _optional(
    "aws.profile", names.AWS_PROFILE, "Profile to sign in with.", "boto3's default credential chain"
)
AWS_VPC = _required("aws.vpc", names.VPC_ID, "The VPC that EKS runs in.")
AWS_CLUSTER = _required("aws.eks_cluster", names.EKS_CLUSTER, "The EKS cluster.")
AWS_ASN = _defaulted(
    "aws.asn",
    integer(1, 4_294_967_294, "64512 to 65534 or 4200000000 to 4294967294, but none that Azure keeps"),
    64_512,
    "64512",
    "BGP number of AWS's side. It cannot be changed on a gateway that exists.",
)
AWS_GATEWAY = _defaulted(
    "aws.gateway",
    word_or("create", names.GATEWAY_OF_AWS),
    None,
    '"create"',
    "Make a virtual private gateway (or, create-transit, a transit gateway), or adopt this one of either kind: it is used, and never deleted.",
)
AWS_ROUTE_TABLES = _defaulted(
    "aws.route_tables",
    word_or("auto", listing(names.ROUTE_TABLE_ID, 1, 200, of="route table ids")),
    None,
    '"auto"',
    "Where routes to Azure are propagated, or written for a transit gateway; auto: the tables of the subnets of the cluster, the endpoint and what names point at.",
)

LIMIT_ROUTES = _defaulted(
    "aws.limit_routes",
    BOOLEAN,
    False,
    "false",
    "Give the VPN connections a route table of their own on the transit gateway, so that Azure learns the VPC alone.",
)

BLACKHOLES = _optional(
    "aws.blackholes",
    one_or_more(network(8, 32), 100, of="ranges"),
    "Ranges of either side that must not be reached over the link; needs aws.limit_routes. They get blackhole routes in the VPN "
    "connections' table, and in the VPC's on a transit gateway of cloudlink's own.",
    '["100.64.0.0/16"]',
)

# --- [azure]
AZURE_CLOUD: Key[Cloud] = _defaulted(
    "azure.cloud",
    choice(
        cast("dict[str, Cloud]", {name: name for name in ("public", "usgovernment", "china")}),
        meant={"azurecloud": "public", "azureusgovernment": "usgovernment", "azurechinacloud": "china"},
    ),
    "public",
    '"public"',
    "Which of Microsoft's clouds.",
)
AZURE_TENANT = _optional("azure.tenant", names.GUID, "Tenant to sign in to.", "the signed-in one")
AZURE_SUBSCRIPTION = _required("azure.subscription", names.GUID, "Subscription that pays for the gateway.")
AZURE_GROUP = _required(
    "azure.resource_group",
    names.RESOURCE_GROUP,
    "Where the gateway and its parts are made; also the VNet's and the cluster's, unless they have one of their own.",
)
AZURE_CREATE_GROUP = _defaulted(
    "azure.create_resource_group", BOOLEAN, False, "false", "Make that resource group (and delete it at teardown)."
)
AZURE_LOCATION = _required("azure.location", names.AZURE_LOCATION, "Region of the VNet and of the gateway.")

VNET_NAME = _required(
    "azure.vnet.name",
    names.VNET_NAME,
    "The VNet that gets the gateway: the one that AKS runs in, or a hub that the cluster's VNet is peered with.",
)
VNET_GROUP = _optional("azure.vnet.resource_group", names.RESOURCE_GROUP, "Its resource group.", "azure.resource_group")
VNET_SUBSCRIPTION = _optional("azure.vnet.subscription", names.GUID, "Its subscription.", "azure.subscription")
VNET_CREATE = _defaulted(
    "azure.vnet.create", BOOLEAN, False, "false", "Make the VNet; only together with azure.aks.create."
)
VNET_PREFIXES = _optional(
    "azure.vnet.prefixes",
    listing(_VNET_RANGE, 1, 20, of="address ranges"),
    "Address ranges of a new VNet. Only with create = true; an existing VNet's are read.",
    "required with create = true",
)
CLUSTER_SUBNET_NAME = _required("azure.vnet.cluster_subnet.name", names.SUBNET_NAME, "Name of the nodes' subnet.")
CLUSTER_SUBNET_PREFIX = _required("azure.vnet.cluster_subnet.prefix", _VNET_RANGE, "Its address range.")

GATEWAY_ADOPT = _optional(
    "azure.vpn_gateway.adopt",
    names.AZURE_GATEWAY,
    "The VNet's VPN gateway, if it has one: it is used, gets the tunnels' inside addresses, and is otherwise left as it is. "
    "By name, in azure.resource_group, or by its resource id.",
    "one is made",
)
GATEWAY_SUBNET = _required(
    "azure.vpn_gateway.subnet_prefix",
    network(
        16, addressing.SMALLEST_GATEWAY_SUBNET, problem=_azure_range_problem, why="Azure advises /27 or larger for it"
    ),
    "Range of GatewaySubnet, which is made if the VNet has none. Must be free in the VNet, or be its present range.",
    not_with=("existing", "adopt"),
)
_SKUS = [f"VpnGw{size}AZ" for size in range(1, 6)]
_NO_BGP = "it has neither BGP with custom addresses nor active-active mode"
GATEWAY_SKU = _defaulted(
    "azure.vpn_gateway.sku",
    choice(
        {sku: sku for sku in _SKUS},
        refusals={f"VpnGw{size}": "Azure makes no new gateways without AZ and retires them" for size in range(1, 6)}
        | {"Basic": _NO_BGP, "Standard": "Azure has retired it", "HighPerformance": "Azure has retired it"},
        meant={f"vpngw{size}": f"VpnGw{size}AZ" for size in range(1, 6)},
    ),
    "VpnGw1AZ",
    '"VpnGw1AZ"',
    "Size of the gateway: 650 Mbit/s for 1, 1.25 Gbit/s or more from 2.",
)
GATEWAY_ZONES = _defaulted(
    "azure.vpn_gateway.zones",
    listing(choice({zone: zone for zone in ("1", "2", "3")}), 0, 3, of="zones"),
    ("1", "2", "3"),
    '["1", "2", "3"]',
    "Zones of the public addresses; those that the location has, [] where it has none.",
)
GATEWAY_ASN = _defaulted(
    "azure.vpn_gateway.asn",
    integer(1, 4_294_967_294, "a public number, 64512 to 65515 or 65521 to 65534, but none that Azure keeps"),
    65_000,
    "65000",
    "BGP number of Azure's side.",
)

AKS_NAME = _required("azure.aks.name", names.AKS_CLUSTER, "The AKS cluster whose pods ask for names in AWS.")
AKS_GROUP = _optional("azure.aks.resource_group", names.RESOURCE_GROUP, "Its resource group.", "azure.resource_group")
AKS_SUBSCRIPTION = _optional("azure.aks.subscription", names.GUID, "Its subscription.", "azure.subscription")
AKS_CREATE = _defaulted(
    "azure.aks.create", BOOLEAN, False, "false", "Make a small test cluster; only together with azure.vnet.create."
)
_ONLY_NEW = "Only with create = true."
AKS_NODE_COUNT = _defaulted(
    "azure.aks.node_count", integer(1, 100), 2, "2", f"Number of nodes of a new cluster. {_ONLY_NEW}"
)
AKS_NODE_SIZE = _defaulted(
    "azure.aks.node_size", names.NODE_SIZE, "Standard_D2s_v5", '"Standard_D2s_v5"', f"VM size of its nodes. {_ONLY_NEW}"
)
AKS_VERSION = _optional(
    "azure.aks.version", names.KUBERNETES_VERSION, f"Its Kubernetes version. {_ONLY_NEW}", "AKS's default version"
)
AKS_POD_CIDR = _defaulted(
    "azure.aks.pod_cidr", _AKS_RANGE, IPv4Network("10.244.0.0/16"), '"10.244.0.0/16"', f"Its pods' range. {_ONLY_NEW}"
)
AKS_SERVICE_CIDR = _defaulted(
    "azure.aks.service_cidr",
    _AKS_SERVICE_RANGE,
    IPv4Network("10.0.0.0/16"),
    '"10.0.0.0/16"',
    f"Its services' range. {_ONLY_NEW}",
)

# --- [vpn]
INSIDE_POOL = _optional(
    "vpn.inside_pool",
    one_or_more(_INSIDE_POOL, 8, of="ranges"),
    "Where the tunnels' four inside /30 ranges are taken from; a second link on the same gateways needs another pool.",
    '["169.254.21.0/24", "169.254.22.0/24"]',
)
INSIDE_CIDRS = _optional(
    "vpn.inside_cidrs",
    listing(_INSIDE_CIDR, 4, 4, of="/30 ranges"),
    "The four inside ranges themselves, for tunnels 1 to 4, instead of a pool.",
    "taken from inside_pool",
)
PSK_STORAGE: Key[PskStorage] = _defaulted(
    "vpn.psk_storage",
    choice(
        cast("dict[str, PskStorage]", {name: name for name in ("standard", "secrets-manager")}),
        meant={"secretsmanager": "secrets-manager", "secrets_manager": "secrets-manager"},
    ),
    "standard",
    '"standard"',
    "Where AWS keeps the pre-shared keys that cloudlink generates; Secrets Manager costs extra.",
)

BANDWIDTH: Key[Bandwidth] = _defaulted(
    "vpn.bandwidth",
    choice(cast("dict[str, Bandwidth]", {name: name for name in ("standard", "large")})),
    "standard",
    '"standard"',
    "Of each tunnel on AWS's side: up to 1.25 Gbit/s, or up to 5 for large, which costs more and needs a transit gateway.",
)

_WEAK = "both clouds take it, but it is too weak to be used"
_ENCRYPTION_REFUSALS = {
    "AES192": "AWS does not have it",
    "AES192-GCM": "AWS does not have it",
    "DES": "AWS does not have it",
    "DES3": "AWS does not have it",
    "3DES": "AWS does not have it",
    "None": "AWS does not have it",
}
_ENCRYPTION_MEANT = {
    "gcmaes256": "AES256-GCM",
    "gcmaes128": "AES128-GCM",
    "aes256-gcm-16": "AES256-GCM",
    "aes128-gcm-16": "AES128-GCM",
    "gcmaes192": "AES256-GCM",
    "aes192-gcm": "AES256-GCM",
    "aes192": "AES256",
    "aes": "AES256",
}
_HASH_MEANT = {
    "sha2-256": "SHA256",
    "sha2-384": "SHA384",
    "sha-256": "SHA256",
    "sha-384": "SHA384",
    "sha2": "SHA256",
} | {
    "sha1": "SHA256",
    "md5": "SHA256",
}
_GROUP_MEANT = {
    **dict.fromkeys(("dhgroup14", "dhgroup2048", "pfs14", "pfs2048", "14"), "14"),
    **dict.fromkeys(("ecp256", "19"), "19"),
    **dict.fromkeys(("ecp384", "20"), "20"),
    **dict.fromkeys(("dhgroup24", "pfs24", "24"), "24"),
}
_GROUP_REFUSALS = {
    1: "AWS does not have it",
    2: _WEAK,
    5: "Azure does not have it",
    **dict.fromkeys((*range(15, 19), *range(21, 24), *range(35, 38)), "Azure does not have it"),
}


def _ciphers() -> ValueType[str]:
    return choice(
        {name: name for name in ("AES128", "AES256", "AES128-GCM", "AES256-GCM")},
        refusals=_ENCRYPTION_REFUSALS,
        meant=_ENCRYPTION_MEANT,
    )


def _groups() -> ValueType[int]:
    return choice(
        {group: group for group in (14, 19, 20, 24)}, type_="integer", refusals=_GROUP_REFUSALS, meant=_GROUP_MEANT
    )


IKE_ENCRYPTION = _defaulted("vpn.policy.ike_encryption", _ciphers(), "AES256", '"AES256"', "Cipher of IKE.")
IKE_INTEGRITY = _defaulted(
    "vpn.policy.ike_integrity",
    choice(
        {name: name for name in ("SHA256", "SHA384")},
        refusals={"SHA1": _WEAK, "MD5": "AWS does not have it", "SHA512": "Azure does not have it"},
        meant=_HASH_MEANT,
    ),
    "SHA256",
    '"SHA256"',
    "Hash of IKE.",
)
IKE_GROUP = _defaulted("vpn.policy.dh_group", _groups(), 20, "20", "Diffie-Hellman group of IKE (20 is ECP384).")
ESP_ENCRYPTION = _defaulted(
    "vpn.policy.esp_encryption", _ciphers(), "AES256-GCM", '"AES256-GCM"', "Cipher of the data; GCM is the fastest."
)
ESP_INTEGRITY = _defaulted(
    "vpn.policy.esp_integrity",
    choice(
        {"SHA256": "SHA256"},
        refusals={
            "SHA1": _WEAK,
            "MD5": "AWS does not have it",
            "SHA384": "Azure does not have it for data",
            "SHA512": "Azure does not have it",
        },
        meant=_HASH_MEANT,
    ),
    "SHA256",
    '"SHA256"',
    "Hash of the data; without effect with GCM.",
)
PFS_GROUP = _defaulted("vpn.policy.pfs_group", _groups(), 20, "20", "Diffie-Hellman group of each new data key.")
SA_LIFETIME = _defaulted(
    "vpn.policy.sa_lifetime_seconds",
    integer(900, 3_600, why="AWS refuses less and more; Azure takes 300 and more"),
    3_600,
    "3600",
    "Seconds until the data key is changed.",
)
SA_KILOBYTES = _defaulted(
    "vpn.policy.sa_data_kilobytes",
    integer(1_024, 2_147_483_647, why="Azure refuses less; AWS has no such limit"),
    102_400_000,
    "102400000",
    "Kilobytes until the data key is changed.",
)
DPD_TIMEOUT = _defaulted(
    "vpn.policy.dpd_timeout_seconds",
    integer(30, 3_600, why="AWS refuses less, Azure refuses more"),
    45,
    "45",
    "Seconds of silence after which a peer counts as dead.",
)

# --- [dns]
ZONE = _required(
    "dns.zone",
    names.ZONE,
    "The private zone. It hides every public name below it from the VPC, so take a sub-domain of its own.",
)
ENDPOINT_SUBNETS = _defaulted(
    "dns.endpoint_subnets",
    word_or(
        "auto",
        listing(
            names.SUBNET_ID,
            2,
            6,
            of="subnet ids",
            too_many="AWS's quota is 6 addresses for an endpoint (its API takes 20 once the quota is raised)",
        ),
    ),
    None,
    '"auto"',
    "Where the Resolver endpoint gets an address; auto: in each of the cluster's subnets, at most six.",
)
HOSTED_ZONE = _defaulted(
    "dns.hosted_zone",
    word_or("create", names.HOSTED_ZONE_ID),
    None,
    '"create"',
    "Make a private hosted zone, or adopt this one: only cloudlink's own records are touched in it.",
)
TTL = _defaulted("dns.ttl", integer(1, 86_400), 60, "60", "Seconds that answers with fixed addresses may be kept.")

FORWARD: Key[Forward] = _defaulted(
    "dns.forward",
    choice(
        cast("dict[str, Forward]", {name: name for name in ("coredns", "vnet")}),
        meant={"default": "coredns", "resolver": "vnet", "private-resolver": "vnet"},
    ),
    "coredns",
    '"coredns"',
    "Who sends the zones' names to AWS. `coredns`: CoreDNS on the AKS cluster, for its pods. `vnet`: Azure DNS Private Resolver, "
    "for nodes and virtual machines as well; it costs by the month.",
)
OUTBOUND_SUBNET = _optional(
    "dns.outbound_subnet_prefix",
    network(24, 28, problem=_azure_range_problem, why="a DNS resolver's subnet is a /28 to a /24"),
    'Range of the subnet that Private Resolver asks from; only with `dns.forward = "vnet"`.',
    "a free /28 of the VNet",
)

INBOUND_SUBNET = _optional(
    "dns.inbound_subnet_prefix",
    network(24, 28, problem=_azure_range_problem, why="a DNS resolver's subnet is a /28 to a /24"),
    "Range of the subnet in which Private Resolver answers AWS; only with `[[dns.back]]`.",
    "a free /28 of the VNet",
)
BACK_ZONE = _required(
    "dns.back.zone",
    names.BACK_ZONE,
    "The private DNS zone, linked to the VNet. It neither is, nor holds, nor lies in a zone that Azure gets from AWS.",
)
BACK_ID = _optional(
    "dns.back.private_zone",
    names.PRIVATE_ZONE_ID,
    "Its id, where it is in another subscription than the VNet.",
    "the one that is linked to the VNet",
)

HOST_NAME = _required("dns.hosts.name", names.HOST_LABEL, "The name, below the zone.")
HOST_LOAD_BALANCER = _optional("dns.hosts.load_balancer", names.LOAD_BALANCER, "Points at this load balancer.")
HOST_SERVICE = _optional(
    "dns.hosts.kubernetes_service", names.KUBERNETES_SERVICE, "Points at the load balancer of this Service."
)
HOST_INGRESS = _optional(
    "dns.hosts.kubernetes_ingress", names.KUBERNETES_INGRESS, "Points at the load balancer of this Ingress."
)
HOST_ADDRESSES = _optional(
    "dns.hosts.addresses", listing(PRIVATE_ADDRESS, 1, 100, of="addresses"), "Points at these fixed addresses."
)
_PORTS = listing(integer(1, 65_535), 1, 32, of="port numbers")
HOST_PORTS = _defaulted("dns.hosts.ports", _PORTS, (443,), "[443]", "TCP ports that verify-dns connects to.")
HOST_TLS_PORTS = _optional(
    "dns.hosts.tls_ports",
    listing(integer(1, 65_535), 0, 32, of="port numbers"),
    "Those of them that speak TLS.",
    "443 and 8443, as far as they are in ports",
)

# --- [probe]
PROBE_IMAGE = _defaulted(
    "probe.image",
    names.IMAGE,
    "mcr.microsoft.com/azurelinux/base/python:3.12",
    '"mcr.microsoft.com/azurelinux/base/python:3.12"',
    "Image of the short-lived pod that verify-dns asks from; it needs python3.",
)
PROBE_NAMESPACE = _defaulted("probe.namespace", names.NAMESPACE, "default", '"default"', "Namespace of that pod.")
PROBE_TOLERATIONS = _defaulted(
    "probe.tolerations",
    listing(pods.TOLERATION, 0, 20, of="taints"),
    (),
    "[]",
    "Taints that do not keep that pod from a node, where every Linux pool is tainted.",
)
PROBE_NODE_SELECTOR: Key[pods.Pairs] = _defaulted(
    "probe.node_selector",
    pods.NODE_SELECTOR,
    (),
    "{}",
    "Labels that its node must have, besides Linux, such as `kubernetes.io/arch`.",
)
PROBE_LABELS: Key[pods.Pairs] = _defaulted(
    "probe.labels", pods.LABELS, (), "{}", "Labels of that pod, as network policies or admission policies ask for them."
)
PROBE_ANNOTATIONS: Key[pods.Pairs] = _defaulted(
    "probe.annotations", pods.ANNOTATIONS, (), "{}", "Annotations of that pod."
)
PROBE_REQUESTS: Key[pods.Pairs] = _defaulted(
    "probe.requests",
    pods.RESOURCES,
    (("cpu", "10m"), ("memory", "32Mi")),
    '{ cpu = "10m", memory = "32Mi" }',
    "What its container asks for. Keys that are not given keep their default.",
)
PROBE_LIMITS: Key[pods.Pairs] = _defaulted(
    "probe.limits",
    pods.RESOURCES,
    (("cpu", "500m"), ("memory", "128Mi")),
    '{ cpu = "500m", memory = "128Mi" }',
    "What its container may take at most. Keys that are not given keep their default.",
)
PROBE_PULL_SECRET = _optional(
    "probe.image_pull_secret", names.KUBERNETES_NAME, "Secret in the namespace that the image is pulled with.", "none"
)
PROBE_SERVICE_ACCOUNT = _optional(
    "probe.service_account",
    names.KUBERNETES_NAME,
    "Service account of that pod; its token is not mounted.",
    "the namespace's default",
)

# --- [state]
STATE_LOCATION = _optional(
    "state.location",
    names.STATE_LOCATION,
    "Keeps the state in an object store, so that several machines can run this link, one at a time.",
    "a file: .cloudlink/NAME.state.json beside this one",
)
STATE_REGION = _optional("state.region", names.AWS_REGION, "Region of that bucket.", "aws.region")

# --- [sandbox]
_FITTING = "a range that nothing above uses"
SANDBOX_VPC_CIDRS = _optional(
    "sandbox.vpc_cidrs",
    listing(_VPC_RANGE, 1, 5, of="address ranges"),
    "The VPC's ranges.",
    '["10.10.0.0/16"], or others',
)
SANDBOX_EKS_SERVICE_CIDR = _optional(
    "sandbox.eks_service_cidr", _EKS_SERVICE_RANGE, "Range of the services on EKS.", '"172.20.0.0/16", or another'
)
SANDBOX_EKS_SUBNETS = _optional(
    "sandbox.eks_subnets", listing(_VPC_RANGE, 1, 20, of="ranges"), "The EKS cluster's subnets.", "three /20 of the VPC"
)
SANDBOX_LB_SUBNETS = _optional(
    "sandbox.load_balancer_subnets",
    listing(_VPC_RANGE, 0, 20, of="ranges"),
    "Subnets of the load balancers.",
    "the cluster's subnets",
)
SANDBOX_VNET_PREFIXES = _optional(
    "sandbox.vnet_prefixes",
    listing(_VNET_RANGE, 1, 20, of="ranges"),
    "Ranges of an existing VNet.",
    "the /16 around the gateway subnet",
)
SANDBOX_AKS_SUBNET = _optional("sandbox.aks_subnet", _VNET_RANGE, "Subnet of an existing AKS cluster.", _FITTING)
SANDBOX_POD_CIDR = _optional("sandbox.aks_pod_cidr", _AKS_RANGE, "Its pods' range.", '"10.244.0.0/16", or another')
SANDBOX_SERVICE_CIDR = _optional(
    "sandbox.aks_service_cidr", _AKS_SERVICE_RANGE, "Its services' range.", '"10.0.0.0/16", or another'
)
SANDBOX_VERSION = _defaulted(
    "sandbox.aks_version", names.KUBERNETES_VERSION, "1.35", '"1.35"', "Its Kubernetes version."
)
SANDBOX_SIGN_IN: Key[SignIn] = _defaulted(
    "sandbox.aks_sign_in",
    choice(cast("dict[str, SignIn]", {name: name for name in ("certificate", "entra")})),
    "certificate",
    '"certificate"',
    "How the cluster lets users in.",
)
SANDBOX_WIRE: Key[Wire] = _defaulted(
    "sandbox.wire",
    choice(cast("dict[str, Wire]", {name: name for name in ("vpn", "transit-gateway", "expressroute", "none")})),
    "vpn",
    '"vpn"',
    'What joins the two networks there; only with `link.transport = "existing"`.',
)
SANDBOX_GATEWAY: Key[SandboxGateway] = _defaulted(
    "sandbox.gateway",
    choice(
        cast("dict[str, SandboxGateway]", {name: name for name in ("active-active", "active-standby", "point-to-site")})
    ),
    "active-active",
    '"active-active"',
    "What the gateway there is that `azure.vpn_gateway.adopt` names: with two instances, with one, or with two and a third "
    "address for point-to-site.",
)
SANDBOX_SPEED = _defaulted(
    "sandbox.speed", number(1, 10_000), 60.0, "60", "How many times faster than the real clouds."
)

SANDBOX_MORE_CLUSTERS: Key[MoreClusters] = _defaulted(
    "sandbox.more_clusters",
    choice(cast("dict[str, MoreClusters]", {name: name for name in ("vnet", "peered")})),
    "vnet",
    '"vnet"',
    "Where the clusters of [[azure.clusters]] are there: in the VNet, or each in a VNet of its own that is peered with it.",
)
_HOST_KEYS = (HOST_NAME, HOST_LOAD_BALANCER, HOST_SERVICE, HOST_INGRESS, HOST_ADDRESSES, HOST_PORTS, HOST_TLS_PORTS)
CLUSTER_NAME = _required("azure.clusters.name", names.AKS_CLUSTER, "Its name.")
CLUSTER_GROUP = _optional(
    "azure.clusters.resource_group", names.RESOURCE_GROUP, "Its resource group.", "that of azure.aks"
)
CLUSTER_SUBSCRIPTION = _optional("azure.clusters.subscription", names.GUID, "Its subscription.", "that of azure.aks")
CLUSTERS = Table(
    "azure.clusters",
    "One AKS cluster more beside that of [azure.aks], in the VNet or in a VNet that is peered with it; at most 20 of these.",
    (CLUSTER_NAME, CLUSTER_GROUP, CLUSTER_SUBSCRIPTION),
    repeated=True,
    optional=True,
)
ZONES = Table(
    "dns.zones",
    "One zone more beside that of [dns], answered by the same endpoint; at most 20 of these.",
    (ZONE, HOSTED_ZONE, TTL),
    repeated=True,
    optional=True,
)
BACK = Table(
    "dns.back",
    "One private DNS zone of Azure's whose names pods on EKS and machines in the VPC get; at most 20 of these.",
    (BACK_ZONE, BACK_ID),
    repeated=True,
    optional=True,
)
TABLES: tuple[Table, ...] = (
    Table("", "The link.", (NAME, TAGS)),
    Table("link", "What carries the packets.", (TRANSPORT,)),
    Table(
        "aws",
        "The side with EKS.",
        (
            AWS_REGION,
            AWS_PROFILE,
            AWS_VPC,
            AWS_CLUSTER,
            AWS_ASN,
            AWS_GATEWAY,
            AWS_ROUTE_TABLES,
            LIMIT_ROUTES,
            BLACKHOLES,
        ),
    ),
    Table(
        "azure",
        "The side with AKS.",
        (AZURE_CLOUD, AZURE_TENANT, AZURE_SUBSCRIPTION, AZURE_GROUP, AZURE_CREATE_GROUP, AZURE_LOCATION),
    ),
    Table("azure.vnet", "The VNet.", (VNET_NAME, VNET_GROUP, VNET_SUBSCRIPTION, VNET_CREATE, VNET_PREFIXES)),
    Table(
        "azure.vnet.cluster_subnet",
        "The nodes' subnet in a new VNet; required with azure.vnet.create, and not allowed without.",
        (CLUSTER_SUBNET_NAME, CLUSTER_SUBNET_PREFIX),
        optional=True,
    ),
    Table(
        "azure.vpn_gateway",
        "The VPN gateway: one that is made, always active-active, or one that exists.",
        (GATEWAY_ADOPT, GATEWAY_SUBNET, GATEWAY_SKU, GATEWAY_ZONES, GATEWAY_ASN),
    ),
    Table(
        "azure.aks",
        "The AKS cluster.",
        (
            AKS_NAME,
            AKS_GROUP,
            AKS_SUBSCRIPTION,
            AKS_CREATE,
            AKS_NODE_COUNT,
            AKS_NODE_SIZE,
            AKS_VERSION,
            AKS_POD_CIDR,
            AKS_SERVICE_CIDR,
        ),
    ),
    CLUSTERS,
    Table("vpn", "The tunnels.", (INSIDE_POOL, INSIDE_CIDRS, PSK_STORAGE, BANDWIDTH)),
    Table(
        "vpn.policy",
        "How the tunnels encrypt; only what both clouds support.",
        (
            IKE_ENCRYPTION,
            IKE_INTEGRITY,
            IKE_GROUP,
            ESP_ENCRYPTION,
            ESP_INTEGRITY,
            PFS_GROUP,
            SA_LIFETIME,
            SA_KILOBYTES,
            DPD_TIMEOUT,
        ),
    ),
    Table(
        "dns",
        "Names in AWS for pods in Azure.",
        (ZONE, ENDPOINT_SUBNETS, HOSTED_ZONE, TTL, FORWARD, OUTBOUND_SUBNET, INBOUND_SUBNET),
    ),
    Table(
        "dns.hosts",
        "One name; 1 to 500 of these, each with exactly one target.",
        _HOST_KEYS,
        repeated=True,
    ),
    ZONES,
    Table(
        "dns.zones.hosts",
        "One name in that zone, as in [[dns.hosts]]; of all zones together at most 500.",
        _HOST_KEYS,
        repeated=True,
    ),
    BACK,
    Table(
        "probe",
        "The pod that verify-dns asks from.",
        (
            PROBE_IMAGE,
            PROBE_NAMESPACE,
            PROBE_TOLERATIONS,
            PROBE_NODE_SELECTOR,
            PROBE_LABELS,
            PROBE_ANNOTATIONS,
            PROBE_REQUESTS,
            PROBE_LIMITS,
            PROBE_PULL_SECRET,
            PROBE_SERVICE_ACCOUNT,
        ),
    ),
    Table("state", "Where the state of this link is kept: what cloudlink made.", (STATE_LOCATION, STATE_REGION)),
    Table(
        "sandbox",
        "What exists in the local clouds of --sandbox. The real clouds are read instead.",
        (
            SANDBOX_VPC_CIDRS,
            SANDBOX_EKS_SERVICE_CIDR,
            SANDBOX_EKS_SUBNETS,
            SANDBOX_LB_SUBNETS,
            SANDBOX_VNET_PREFIXES,
            SANDBOX_AKS_SUBNET,
            SANDBOX_POD_CIDR,
            SANDBOX_SERVICE_CIDR,
            SANDBOX_VERSION,
            SANDBOX_SIGN_IN,
            SANDBOX_WIRE,
            SANDBOX_GATEWAY,
            SANDBOX_MORE_CLUSTERS,
            SANDBOX_SPEED,
        ),
    ),
)
HOST_TARGETS: tuple[Key[Any], ...] = (HOST_LOAD_BALANCER, HOST_SERVICE, HOST_INGRESS, HOST_ADDRESSES)
MOST_HOSTS = 500
MOST_ZONES = 20  # beside the first
MOST_BACK = 20
MOST_CLUSTERS = 20  # beside the first


def keys_of(table: str) -> tuple[Key[Any], ...]:
    """Of the table with this path. Raises StopIteration where there is none."""
    return next(t.keys for t in TABLES if t.path == table)
