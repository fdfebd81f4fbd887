"""The names that AWS, Azure, Kubernetes and DNS accept: a value type for each.

https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
"""

from __future__ import annotations

import re
from dataclasses import replace

from cloudlink.config.shown import shown, shown_key
from cloudlink.config.value_types import ValidationError, ValueType, closest, invalid, text
from cloudlink.errors import Mistake
from cloudlink.link import KubernetesTarget, StateLocation

LINK_NAME = text(
    "1 to 30 lower-case letters, digits and hyphens, starting with a letter (it is part of every object's name)",
    r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?",
    near=lambda value: re.sub(r"[^a-z0-9]+", "-", value.lower()).strip("-"),
)

# --- AWS

_DIRECTIONS = ("north", "northeast", "east", "southeast", "south", "southwest", "west", "northwest", "central")
_REGION = rf"[a-z]{{2,4}}(-(gov|iso[a-z]?|de))?-({'|'.join(_DIRECTIONS)})-[0-9]{{1,2}}"


def _near_region(value: str) -> str:
    parts = value.strip().lower().replace("_", "-").split("-")
    if re.fullmatch(r"[0-9]+[a-z]", parts[-1]):
        parts[-1] = parts[-1][:-1]  # an availability zone
    return "-".join([parts[0], *(closest(part, ("gov", *_DIRECTIONS)) or part for part in parts[1:])])


def _aws_id(prefix: str, noun: str) -> ValueType[str]:
    return text(
        f"the id of {noun}, {prefix}- and 8 or 17 hexadecimal digits", rf"{prefix}-([0-9a-f]{{8}}|[0-9a-f]{{17}})"
    )


AWS_REGION = text("an AWS region such as eu-central-1", _REGION, near=_near_region)
AWS_PROFILE = text("the name of a profile in AWS's shared configuration files", longest=128)
VPC_ID = _aws_id("vpc", "a VPC")
GATEWAY_OF_AWS = text(
    '"create-transit", or the id of a virtual private gateway or transit gateway, vgw- or tgw- and 8 or 17 hexadecimal digits',
    r"create-transit|(vgw|tgw)-([0-9a-f]{8}|[0-9a-f]{17})",
    near=lambda value: "create-transit" if re.search(r"transit|tgw(?!-[0-9a-f])", value.lower()) else value.lower(),
)
SUBNET_ID = _aws_id("subnet", "a subnet")
ROUTE_TABLE_ID = _aws_id("rtb", "a route table")
EKS_CLUSTER = text(
    "1 to 100 letters, digits, hyphens and underscores, starting with a letter or digit",
    r"[0-9A-Za-z][A-Za-z0-9_-]{0,99}",
)
HOSTED_ZONE_ID = text(
    "the id of a hosted zone, Z and capital letters and digits",
    r"Z[A-Z0-9]{3,31}",
    near=lambda value: value.rpartition("/")[2].upper(),
)

_LOAD_BALANCER_NAME = r"(?!internal-)[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?"
LOAD_BALANCER_ARN = re.compile(
    r"arn:aws[a-z-]*:elasticloadbalancing:([a-z0-9-]+):[0-9]{12}:loadbalancer/(app|net|gwy)/[A-Za-z0-9-]{1,32}/[0-9a-f]{16}"
)


def _read_load_balancer(value: object) -> str:
    allowed = LOAD_BALANCER.allowed
    if isinstance(value, str) and (match := LOAD_BALANCER_ARN.fullmatch(value)):
        if match[2] == "gwy":
            raise invalid(value, f"{allowed}; a Gateway Load Balancer has no name to point at")
        return value
    if isinstance(value, str) and value.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        # internal-NAME-1234567890.eu-central-1.elb.amazonaws.com (ALB), NAME-0123456789abcdef.elb... (NLB)
        name = value.partition(".")[0].removeprefix("internal-").rpartition("-")[0]
        near = name if re.fullmatch(_LOAD_BALANCER_NAME, name) else ""
        raise invalid(value, f"{allowed}; not its DNS name", near)
    return text(allowed, _LOAD_BALANCER_NAME).read(value)


LOAD_BALANCER = ValueType(
    "string",
    "the name (1 to 32 letters, digits and hyphens) or ARN of an internal NLB or ALB",
    _read_load_balancer,
)

# --- Azure

GUID = text(
    "a GUID such as 00000000-0000-0000-0000-000000000000",
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    lower=True,
    near=lambda value: value.strip().strip("{}").lower().rpartition("/subscriptions/")[2].partition("/")[0],
)
AZURE_LOCATION = text(
    "an Azure region in its short form such as westeurope",
    r"[a-z]{4,30}[0-9]?",
    near=lambda value: re.sub(r"[^a-z0-9]", "", value.lower()),
)
RESOURCE_GROUP = text(
    "1 to 90 letters, digits, underscores, hyphens, periods and parentheses, not ending in a period",
    r"[\w().-]{0,89}[\w()-]",
)
_GATEWAY_OF_VNET = text(
    "the name of a VPN gateway, or its id as /subscriptions/.../virtualNetworkGateways/NAME",
    r"[A-Za-z0-9]([A-Za-z0-9._-]{0,78}[A-Za-z0-9_])?"
    r"|(?i:/subscriptions/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/resourceGroups/)[\w().-]{1,90}"
    r"(?i:/providers/Microsoft\.Network/virtualNetworkGateways/)[A-Za-z0-9]([A-Za-z0-9._-]{0,78}[A-Za-z0-9_])?",
    longest=400,
)
_OF_VIRTUAL_WAN = re.compile(r"/(vpnGateways|virtualHubs|virtualWans|expressRouteGateways)/", re.I)


def _read_gateway(value: object) -> str:
    """A hub of Virtual WAN has gateways of another kind, which take connections to sites and no custom BGP addresses of ours."""
    if isinstance(value, str) and _OF_VIRTUAL_WAN.search(value):
        raise invalid(
            value,
            'the gateway of a VNet: one in a hub of Virtual WAN is not supported, and over it link.transport = "existing"',
        )
    return _GATEWAY_OF_VNET.read(value)


AZURE_GATEWAY = replace(_GATEWAY_OF_VNET, read=_read_gateway)
VNET_NAME = text(
    "2 to 64 letters, digits, underscores, hyphens and periods; starts with a letter or digit",
    r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}[A-Za-z0-9_]",
)
SUBNET_NAME = text(
    "1 to 80 letters, digits, underscores, hyphens and periods; starts with a letter or digit; not GatewaySubnet",
    r"(?i:(?!gatewaysubnet$))[A-Za-z0-9]([A-Za-z0-9._-]{0,78}[A-Za-z0-9_])?",
)
AKS_CLUSTER = text(
    "1 to 63 letters, digits, underscores and hyphens; starts and ends with a letter or digit",
    r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?",
)
NODE_SIZE = text(
    "a VM size such as Standard_D2s_v5",
    r"Standard_[A-Za-z0-9-]+(_[A-Za-z0-9-]+)*",
    longest=64,
    near=lambda value: "Standard_" + re.sub(r"(?i)^standard[ _-]?", "", value.strip()),
)

# --- Object stores

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
# https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
_KEY = r"(?P<key>[A-Za-z0-9._=@+-]+(/[A-Za-z0-9._=@+-]+)*)"
_S3 = re.compile(rf"s3://(?P<bucket>[a-z0-9](?!.*\.\.)[a-z0-9.-]{{1,61}}[a-z0-9])/{_KEY}")
_AZBLOB = re.compile(
    rf"azblob://(?P<account>[a-z0-9]{{3,24}})/(?P<bucket>[a-z0-9](?!.*--)[a-z0-9-]{{1,61}}[a-z0-9])/{_KEY}"
)
_LONGEST_KEY = 900  # S3 takes 1024 bytes, and the lock's key is a little longer


def _read_state_location(value: object) -> StateLocation:
    allowed = STATE_LOCATION.allowed
    if not isinstance(value, str):
        raise invalid(value, allowed)
    parts = value.split("/")
    steps = any(part in (".", "..") for part in parts[3:])
    if (found := _S3.fullmatch(value)) and not steps and len(found["key"]) <= _LONGEST_KEY:
        return StateLocation("s3", "", found["bucket"], found["key"])
    if (found := _AZBLOB.fullmatch(value)) and not steps and len(found["key"]) <= _LONGEST_KEY:
        return StateLocation("azblob", found["account"], found["bucket"], found["key"])
    near = ""
    blob = re.fullmatch(r"https://([a-z0-9]+)\.blob\.core\.[a-z.]+/(.+)", value)
    if blob is not None:
        near = f"azblob://{blob[1]}/{blob[2]}"
    if near and not _AZBLOB.fullmatch(near):
        near = ""
    raise invalid(value, allowed, near)


STATE_LOCATION = ValueType("string", "s3://BUCKET/KEY or azblob://ACCOUNT/CONTAINER/KEY", _read_state_location)

# --- Kubernetes

_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
KUBERNETES_VERSION = text("a Kubernetes version such as 1.35 or 1.35.2, in quotes", r"1\.[0-9]{2}(\.[0-9]{1,3})?")
NAMESPACE = text("a Kubernetes namespace: 1 to 63 lower-case letters, digits and hyphens", _LABEL)
KUBERNETES_NAME = text("a Kubernetes name: 1 to 63 lower-case letters, digits and hyphens", _LABEL)
IMAGE = text(
    "an image such as registry.example/path/name:tag",
    r"[a-z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[0-9a-f]{64})?",
)


def _read_service(value: object) -> KubernetesTarget:
    found = text('"namespace/name" of a Service on EKS', rf"{_LABEL}/{_LABEL}").read(value)
    namespace, _, name = found.partition("/")
    return KubernetesTarget("service", namespace, name)


def _read_ingress(value: object) -> KubernetesTarget:
    pattern = rf"{_LABEL}/{_LABEL}(\.{_LABEL})*"
    found = text('"namespace/name" of an Ingress on EKS', pattern, longest=317).read(value)
    namespace, _, name = found.partition("/")
    return KubernetesTarget("ingress", namespace, name)


KUBERNETES_SERVICE = ValueType("string", '"namespace/name" of a Service of type LoadBalancer on EKS', _read_service)
KUBERNETES_INGRESS = ValueType("string", '"namespace/name" of an Ingress on EKS', _read_ingress)

# --- DNS

HOST_LABEL = text(
    'a name below the zone in lower case (app, or a.b), "*" or "*.a" for everything below, "@" for the zone itself',
    rf"@|\*|(\*\.)?{_LABEL}(\.{_LABEL})*",
    longest=240,
)

# Names that a cluster or a cloud resolves itself. Forwarding one of them, or a parent, to AWS breaks the cluster.
_TAKEN_ZONES = (
    "cluster.local",
    "in-addr.arpa",
    "ip6.arpa",
    "internal.cloudapp.net",
    "reddog.microsoft.com",
    "azmk8s.io",
)


def _read_zone(value: object) -> str:
    allowed = ZONE.allowed
    zone = text(allowed, rf"{_LABEL}(\.{_LABEL})+", longest=253).read(value)
    if zone.rpartition(".")[2].isdigit():
        raise invalid(zone, "another zone: an address is not a zone")
    for taken in _TAKEN_ZONES:
        if zone == taken or taken.endswith(f".{zone}") or zone.endswith(f".{taken}"):
            raise invalid(zone, f"another zone: AKS or Azure resolves {taken} itself")
    return zone


ZONE = ValueType(
    "string", "a DNS name of two or more labels in lower case, without a trailing dot, such as corp.example", _read_zone
)

# Names that EKS, or AWS's own services, are resolved by. A rule for one of them, or a parent, breaks the cluster.
_TAKEN_IN_AWS = (
    "cluster.local",
    "in-addr.arpa",
    "ip6.arpa",
    "compute.internal",
    "ec2.internal",
    "amazonaws.com",
    "eks.aws",
)
_MOST_LABELS = 34


def _read_back_zone(value: object) -> str:
    allowed = BACK_ZONE.allowed
    zone = text(allowed, rf"{_LABEL}(\.{_LABEL})+", longest=253).read(value)
    if zone.rpartition(".")[2].isdigit() or zone.count(".") >= _MOST_LABELS:
        raise invalid(zone, f"{allowed}; Azure's private zones have 2 to {_MOST_LABELS} labels")
    for taken in _TAKEN_IN_AWS:
        if zone == taken or taken.endswith(f".{zone}") or zone.endswith(f".{taken}"):
            raise invalid(zone, f"another zone: EKS or AWS resolves {taken} itself")
    return zone


BACK_ZONE = ValueType(
    "string",
    "the name of a private DNS zone in lower case, without a trailing dot, such as privatelink.blob.core.windows.net",
    _read_back_zone,
)
PRIVATE_ZONE_ID = text(
    "the id of a private DNS zone, /subscriptions/.../privateDnsZones/NAME",
    r"(?i:/subscriptions/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/resourceGroups/)[\w().-]{1,90}"
    r"(?i:/providers/Microsoft\.Network/privateDnsZones/)[A-Za-z0-9._-]{1,253}",
    longest=600,
)

# --- tags of both clouds: what either refuses is refused here, since every object gets the same ones

MOST_TAGS = 40  # AWS and Azure take 50 for an object; cloudlink's own are among them
_TAG_KEY = r"[^\W][\w .:=+@-]{0,126}[\w.:=+@-]|[^\W]"
_TAG_VALUE = r"[\w .:/=+@-]{0,256}"
_TAKEN_TAGS = {
    "aws:": "AWS keeps keys that start so to itself",
    "microsoft": "Azure keeps keys that start so to itself",
    "azure": "Azure keeps keys that start so to itself",
    "windows": "Azure keeps keys that start so to itself",
    "cloudlink-": "by keys that start so cloudlink knows its own objects",
}


def _tag_mistake(key: str, value: object, taken: dict[str, str]) -> Mistake | None:
    at = f".{shown_key(key)}"
    reason = next((why for start, why in _TAKEN_TAGS.items() if key.lower().startswith(start)), "")
    if key.lower() == "name":
        reason = "cloudlink gives each object a name in AWS's console by it"
    if reason:
        return Mistake(at, shown(key), f"another key: {reason}")
    if not re.fullmatch(_TAG_KEY, key):
        return Mistake(
            at, shown(key), "a key of 1 to 128 letters, digits, spaces and _ . : = + - @, as both clouds take it"
        )
    if key.lower() in taken:
        return Mistake(at, shown(key), f"each key once; Azure does not tell it from {shown(taken[key.lower()])}")
    if not isinstance(value, str):
        near = f'"{shown(value)}"' if isinstance(value, int | float) else ""
        return Mistake(at, shown(value), "a string", near)
    if not re.fullmatch(_TAG_VALUE, value):
        return Mistake(
            at, shown(value), "0 to 256 letters, digits, spaces and _ . : / = + - @, as both clouds take them"
        )
    return None


def _read_tags(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise invalid(value, TAGS.allowed, '[tags] with team = "platform"')
    mistakes: list[Mistake] = []
    taken: dict[str, str] = {}
    for key, word in value.items():
        if problem := _tag_mistake(key, word, taken):
            mistakes.append(problem)
        taken.setdefault(key.lower(), key)
    if len(value) > MOST_TAGS:
        mistakes = [Mistake("", f"{len(value)} tags", f"at most {MOST_TAGS}")]
    if mistakes:
        raise ValidationError(*mistakes[:50])
    return tuple(value.items())


# https://docs.aws.amazon.com/tag-editor/latest/userguide/best-practices-and-strats.html#id_tags_naming_best_practices
# https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations
TAGS = ValueType(
    "table of strings",
    f"at most {MOST_TAGS}: keys of 1 to 128 and values of up to 256 letters, digits, spaces and _ . : = + - @ (values "
    "also /)",
    _read_tags,
)
