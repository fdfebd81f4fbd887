"""The world file: what both clouds hold before anybody asks them. TOML or JSON, read into frozen data.

Every key has a default, so that an empty file is a VPC with an EKS cluster and a VNet with an AKS cluster whose ranges
do not meet. All mistakes are told at once. Ranges of the two clouds may collide: that can be what is tried out.
"""

from __future__ import annotations

import difflib
import json
import tomllib
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
from functools import cache
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from cloudlink_sandbox.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    """An internal load balancer. One that is named twice gets the listeners of both."""

    name: str
    type: Literal["application", "network"] = "application"  # or "network"
    arn: str | None = None  # none: AWS chooses it
    ports: tuple[int, ...] = (443,)
    tls_ports: tuple[int, ...] = (443,)


@dataclass(frozen=True, slots=True)
class KubernetesService:
    """A Service or Ingress on EKS, with the load balancer behind it."""

    name: str
    namespace: str = "default"
    kind: Literal["service", "ingress"] = "service"  # or "ingress"
    ports: tuple[int, ...] = (443,)
    tls_ports: tuple[int, ...] = (443,)


@dataclass(frozen=True, slots=True)
class Server:
    """A machine in the VPC that answers on these ports. Where no subnet has its address, there is none."""

    address: IPv4Address
    name: str = "server"
    ports: tuple[int, ...] = (443,)
    tls_ports: tuple[int, ...] = (443,)


@dataclass(frozen=True, slots=True)
class VpnGateway:
    """A virtual private gateway that is attached to the VPC."""

    id: str
    asn: int = 64_512


@dataclass(frozen=True, slots=True)
class TransitGateway:
    """A transit gateway of the region, to which another VPC of the account is attached; the VPC is not."""

    id: str
    asn: int = 64_512
    default_route_table: bool = True  # whether what is attached is put into its route table by itself
    equal_paths: bool = True  # VpnEcmpSupport
    owner: str | None = None  # number of the account that shares it; None: the caller's own


@dataclass(frozen=True, slots=True)
class HostedZone:
    """A private hosted zone of the VPC."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Bucket:
    """An empty bucket of S3 that keeps versions."""

    name: str
    region: str | None = None  # none given: aws.region


@dataclass(frozen=True, slots=True)
class Role:
    """A role that the account's user may assume."""

    name: str
    mfa: bool = False  # with a one-time code of aws.mfa_device
    external_id: str | None = None
    longest: int = 3_600  # seconds of its sessions at most


@dataclass(frozen=True, slots=True)
class MfaDevice:
    """The user's device for one-time codes (TOTP, as `oathtool --totp -b SEED` shows them)."""

    name: str = "me"  # its serial number is arn:aws:iam::123456789012:mfa/NAME
    seed: str = "JBSWY3DPEHPK3PXP"  # base32


@dataclass(frozen=True, slots=True)
class Aws:
    region: str = "eu-central-1"
    vpc: str = "vpc-0a1b2c3d4e5f60718"  # its id
    vpc_owner: str | None = None  # number of the account that owns the VPC and shares it; None: the caller's own
    cidrs: tuple[IPv4Network, ...] = (IPv4Network("10.10.0.0/16"),)
    eks_cluster: str = "production"
    eks_version: str = "1.35"
    eks_service_cidr: IPv4Network = IPv4Network("172.20.0.0/16")
    eks_subnets: tuple[IPv4Network, ...] = ()  # none given: three at the start of the VPC's first range
    load_balancer_subnets: tuple[IPv4Network, ...] = ()  # none given: load balancers are in the cluster's subnets
    subnet_ids: tuple[
        str, ...
    ] = ()  # of the first subnets, the cluster's before the load balancers'; others are random
    route_tables: tuple[str, ...] = ()  # ids of the first route tables; others are random
    vpn_gateway: VpnGateway | None = None
    transit_gateway: TransitGateway | None = None
    hosted_zones: tuple[HostedZone, ...] = ()
    load_balancers: tuple[LoadBalancer, ...] = ()
    services: tuple[KubernetesService, ...] = ()
    servers: tuple[Server, ...] = ()
    buckets: tuple[Bucket, ...] = ()
    roles: tuple[Role, ...] = (Role("ops", mfa=True),)
    mfa_device: MfaDevice = MfaDevice()

    def __post_init__(self) -> None:
        if not self.eks_subnets and self.cidrs:
            object.__setattr__(self, "eks_subnets", _first_parts(self.cidrs[0]))


@dataclass(frozen=True, slots=True)
class AdminRule:
    """A security admin rule that somebody's network manager has put on the VNet. It is tried before network security groups."""

    name: str
    access: Literal["Allow", "AlwaysAllow", "Deny"] = "Deny"
    priority: int = 10
    direction: Literal["Inbound", "Outbound"] = "Outbound"
    protocol: Literal["Any", "Tcp", "Udp"] = "Any"
    sources: tuple[str, ...] = ("*",)
    destinations: tuple[str, ...] = ("*",)
    ports: tuple[str, ...] = ("0-65535",)  # of the destination


@dataclass(frozen=True, slots=True)
class Vnet:
    name: str = "test-vnet"
    resource_group: str = "test"
    prefixes: tuple[IPv4Network, ...] = (IPv4Network("10.20.0.0/16"),)
    aks_subnet: IPv4Network | None = None  # of the nodes; none given: the first free part of the prefixes
    subscription: str | None = None  # none given: azure.subscription
    admin_rules: tuple[AdminRule, ...] = ()


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry that the nodes reach beside the public ones. Others have no address: an image from there is not pulled."""

    host: str
    private: bool = False  # whether it asks for the credentials of a pull secret


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A container that a webhook puts into each new pod, unless the pod opts out by an annotation or label."""

    name: str = "istio-proxy"
    image: str = "mcr.microsoft.com/oss/istio/proxyv2:1.27"
    namespaces: tuple[str, ...] = ("*",)
    opt_out: str = "sidecar.istio.io/inject"  # an annotation or label that says "false"


@dataclass(frozen=True, slots=True)
class Admission:
    """A validating webhook. It refuses what it is asked about, but for objects that have the labels or images it wants."""

    message: str  # what it says
    webhook: str = "validation.gatekeeper.sh"
    operations: tuple[Literal["CREATE", "UPDATE", "DELETE"], ...] = ("CREATE", "UPDATE")
    resources: tuple[str, ...] = ("pods",)  # plurals, such as configmaps; * for all
    namespaces: tuple[str, ...] = ("*",)
    excluded_namespaces: tuple[str, ...] = ()
    unless_labels: tuple[str, ...] = ()  # an object that has them all is let in
    unless_images: tuple[str, ...] = ()  # patterns; a pod of which each image fits one is let in
    unless_limits: bool = False  # a pod whose containers all have limits for cpu and memory is let in
    unless_read_only: bool = False  # a pod whose containers all have a read-only root is let in


@dataclass(frozen=True, slots=True)
class Aks:
    """With azure CNI overlay. Without a VNet in the file it has the one that AKS makes."""

    name: str = "test"
    resource_group: str = "test"
    version: str = "1.35"  # one that the sandbox does not know is 1.35
    pod_cidr: IPv4Network = IPv4Network("10.244.0.0/16")
    service_cidr: IPv4Network = IPv4Network("10.0.0.0/16")
    sign_in: Literal["certificate", "entra"] = "certificate"  # or "entra"
    subscription: str | None = None  # none given: azure.subscription
    registries: tuple[Registry, ...] = ()
    network_policy: Literal["none", "azure", "calico", "cilium"] = "none"  # what enforces NetworkPolicies
    sidecars: tuple[Sidecar, ...] = ()
    admission: tuple[Admission, ...] = ()
    manifests: tuple[str, ...] = ()  # YAML of Kubernetes objects that are applied at the start


@dataclass(frozen=True, slots=True)
class MoreAks(Aks):
    """An AKS cluster beside azure.aks, in a subnet of its own."""

    name: str = "test-2"
    subnet: IPv4Network | None = None  # of the nodes, in azure.vnet; none given: the first free part of its prefixes
    vnet: Vnet | None = None  # one of its own, which is peered with azure.vnet; none given: it is in azure.vnet


@dataclass(frozen=True, slots=True)
class BlobContainer:
    """An empty container in a storage account that keeps versions."""

    account: str
    name: str


@dataclass(frozen=True, slots=True)
class ArmCall:
    """A call of Azure Resource Manager that is made at the start, in its turn, and takes no time."""

    path: str  # {subscription} is replaced by azure.subscription
    method: Literal["PUT", "PATCH", "POST", "DELETE"] = "PUT"
    body: str = "{}"  # JSON
    api_version: str = "2024-05-01"


@dataclass(frozen=True, slots=True)
class ApiVersions:
    """The only versions that a resource provider takes, as in the clouds of governments; the refusal lists them."""

    provider: str
    versions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VnetGateway:
    """A VPN gateway of somebody else's in the VNet, with BGP. It needs a VNet in the file."""

    name: str
    subnet: IPv4Network  # GatewaySubnet
    resource_group: str = "test"
    # with two instances, with one, or with two and a third address for point-to-site
    kind: Literal["active-active", "active-standby", "point-to-site"] = "active-active"
    asn: int = 65_515


@dataclass(frozen=True, slots=True)
class Azure:
    subscription: str = "00000000-1111-2222-3333-444444444444"
    location: str = "westeurope"
    resource_groups: tuple[str, ...] = ()  # those of the VNet and of the cluster are there in any case
    vnet: Vnet | None = field(default_factory=Vnet)
    aks: Aks | None = field(default_factory=Aks)
    more_aks: tuple[MoreAks, ...] = ()  # each needs a VNet in the file
    vpn_gateway: VnetGateway | None = None
    blob_containers: tuple[BlobContainer, ...] = ()
    calls: tuple[ArmCall, ...] = ()
    api_versions: tuple[ApiVersions, ...] = ()  # of providers that are not named: those that the sandbox knows
    keep_free: tuple[IPv4Network, ...] = ()  # ranges that nothing is put into, such as a gateway subnet of later


@dataclass(frozen=True, slots=True)
class Wire:
    """What joins the VPC and the VNet at the start, made by somebody else. It needs a VNet in the file."""

    kind: Literal["vpn", "transit-gateway", "expressroute"] = "vpn"  # a VPN on a virtual private gateway; or these
    gateway_subnet: IPv4Network | None = None  # of Azure's gateway; none given: the last /27 of the VNet's first range


@dataclass(frozen=True, slots=True)
class WorldFile:
    aws: Aws = field(default_factory=Aws)
    azure: Azure = field(default_factory=Azure)
    wire: Wire | None = None
    foreign_objects: bool = True  # somebody else's gateways, groups and zones are there as well

    def json(self) -> dict[str, Any]:
        """As ``parse`` reads it."""
        plain = _plain(self)
        assert isinstance(plain, dict)
        return plain


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong. path: as in TOML, such as aws.cidrs[0]."""

    path: str
    found: str
    allowed: str
    near_miss: str = ""

    def __str__(self) -> str:
        meant = f" (meant: {self.near_miss}?)" if self.near_miss else ""
        return f"{self.path} is {self.found}; allowed: {self.allowed}{meant}"


class InvalidWorldFile(InvalidRequest):
    def __init__(self, mistakes: tuple[Mistake, ...], file: str = "") -> None:
        count = f"{len(mistakes)} mistake{'s' if len(mistakes) != 1 else ''}"
        super().__init__(
            "The world file is not valid",
            "\n".join((f"{count} in {file or 'the description of the world'}:", *map(str, mistakes))),
            "Correct these lines; what each key means: README.md of cloudlink-sandbox",
        )
        self.mistakes = mistakes


def read(path: Path) -> WorldFile:
    """Raises InvalidWorldFile."""
    try:
        text = path.read_bytes().decode()
        data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:  # ValueError: neither UTF-8, nor TOML or JSON
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidWorldFile((Mistake(str(path), f"not readable ({said})", "a TOML or JSON file"),)) from error
    return parse(data, file=str(path))


def parse(data: Any, *, file: str = "") -> WorldFile:
    """Raises InvalidWorldFile with every mistake."""
    mistakes: list[Mistake] = []
    world = _table(WorldFile, data, "", mistakes)
    if isinstance(world, WorldFile):
        mistakes += _contradictions(world)
    if mistakes:
        raise InvalidWorldFile(tuple(mistakes), file)
    assert isinstance(world, WorldFile)
    return world


# --- values ----------------------------------------------------------------------------------------------------------

_WRONG = object()


@cache
def _hints(kind: Any) -> dict[str, Any]:
    """Python reads the annotations anew each time, which takes longer than all the rest."""
    return get_type_hints(kind)


def _table(kind: type[Any], data: Any, path: str, mistakes: list[Mistake]) -> Any:
    """The dataclass; _WRONG where a value that has no default is missing or cannot be read."""
    if not isinstance(data, Mapping):
        mistakes.append(Mistake(path or "the file", _shown(data), "a table"))
        return _WRONG
    known = {f.name: f for f in fields(kind)}
    hints = _hints(kind)  # type: ignore[arg-type] # a class can be hashed, whatever its instances can
    for name in data:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1)
            mistakes.append(Mistake(_at(path, str(name)), "an unknown key", f"one of {', '.join(known)}", *near))
    values: dict[str, Any] = {}
    broken = False
    for name, one in known.items():
        if name in data:
            value = _value(hints[name], data[name], _at(path, name), mistakes)
            if value is not _WRONG:
                values[name] = value
                continue
        elif one.default is not MISSING or one.default_factory is not MISSING:
            continue
        else:
            mistakes.append(Mistake(_at(path, name), "missing", _allowed(hints[name])))
        broken = broken or (one.default is MISSING and one.default_factory is MISSING)
    return _WRONG if broken else kind(**values)


def _value(hint: Any, data: Any, path: str, mistakes: list[Mistake]) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        if data is None or data is False:  # TOML has no null
            return None
        (hint,) = (a for a in get_args(hint) if a is not types.NoneType)
    if is_dataclass(hint):
        assert isinstance(hint, type)
        return _table(hint, data, path, mistakes)
    if get_origin(hint) is tuple:
        if not isinstance(data, list):
            mistakes.append(Mistake(path, _shown(data), "a list"))
            return _WRONG
        items = [_value(get_args(hint)[0], item, f"{path}[{i}]", mistakes) for i, item in enumerate(data)]
        return _WRONG if _WRONG in items else tuple(items)
    try:
        return _SCALARS[hint][1](data) if hint in _SCALARS else _choice(hint, data)
    except ValueError as error:
        mistakes.append(Mistake(path, _shown(data), _allowed(hint), str(error)))
        return _WRONG


def _choice(hint: Any, data: Any) -> Any:
    if data in get_args(hint):
        return data
    raise ValueError(*difflib.get_close_matches(str(data), get_args(hint), 1) or ("",))


def _text(data: Any) -> str:
    if not isinstance(data, str) or not data.strip():
        raise ValueError("")
    return data


def _number(data: Any) -> int:
    if not isinstance(data, int) or isinstance(data, bool) or not 0 < data < 2**32:
        raise ValueError("")
    return data


def _truth(data: Any) -> bool:
    if not isinstance(data, bool):
        raise ValueError("")  # noqa: TRY004 - what could be meant, as of all readers
    return data


def _network(data: Any) -> IPv4Network:
    try:
        return IPv4Network(_text(data))
    except ValueError as error:
        try:
            near = str(IPv4Network(_text(data), strict=False))
        except ValueError:
            near = ""
        raise ValueError(near) from error


def _address(data: Any) -> IPv4Address:
    try:
        return IPv4Address(_text(data))
    except ValueError as error:
        raise ValueError("") from error


# What is allowed, and how it is read. A reader raises ValueError with what could be meant, or nothing.
_SCALARS: dict[Any, tuple[str, Callable[[Any], Any]]] = {
    str: ("text", _text),
    int: ("a whole number above 0", _number),
    bool: ("true or false", _truth),
    IPv4Network: ("an IPv4 range without host bits, such as 10.10.0.0/16", _network),
    IPv4Address: ("an IPv4 address", _address),
}


def _allowed(hint: Any) -> str:
    if hint in _SCALARS:
        return _SCALARS[hint][0]
    return f"one of {', '.join(map(str, get_args(hint)))}" if get_origin(hint) is Literal else "a value"


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _shown(data: Any) -> str:
    text = json.dumps(data, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


# --- several keys together -------------------------------------------------------------------------------------------

_MOST_VPC_CIDRS = 5  # AWS's quota: https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html


def _contradictions(world: WorldFile) -> Iterator[Mistake]:
    """What no cloud could hold."""
    aws, azure = world.aws, world.azure
    if not 0 < len(aws.cidrs) <= _MOST_VPC_CIDRS:
        yield Mistake("aws.cidrs", f"{len(aws.cidrs)} ranges", f"one to {_MOST_VPC_CIDRS}")
    seen: list[tuple[str, IPv4Network]] = []
    for several in ("eks_subnets", "load_balancer_subnets"):
        for index, subnet in enumerate(getattr(aws, several)):
            path = f"aws.{several}[{index}]"
            yield from _within(path, subnet, "aws.cidrs", aws.cidrs)
            for other, network in seen:
                if subnet.overlaps(network):
                    yield Mistake(path, str(subnet), f"addresses outside {other} ({network})")
            seen.append((path, subnet))
    if azure.vnet is not None:
        if not azure.vnet.prefixes:
            yield Mistake("azure.vnet.prefixes", "0 ranges", "at least one")
        if azure.vnet.aks_subnet is not None:
            yield from _within(
                "azure.vnet.aks_subnet", azure.vnet.aks_subnet, "azure.vnet.prefixes", azure.vnet.prefixes
            )
        elif azure.vnet.prefixes and room_for_nodes(azure.vnet, azure.keep_free) is None:
            prefixes = ", ".join(map(str, azure.vnet.prefixes))
            yield Mistake("azure.vnet.prefixes", prefixes, "ranges with room for AKS nodes beside azure.keep_free")
    yield from _more_clusters(world)
    if world.wire is not None:
        yield from _wire(world.wire, world)
    if azure.vpn_gateway is not None:
        yield from _gateway(azure.vpn_gateway, world)
    for index, call in enumerate(azure.calls):
        try:
            good = isinstance(json.loads(call.body), dict)
        except ValueError:
            good = False
        if not good:
            yield Mistake(f"azure.calls[{index}].body", _shown(call.body), "an object of JSON")
        if not call.path.lower().startswith("/subscriptions/"):
            yield Mistake(f"azure.calls[{index}].path", _shown(call.path), "a path below /subscriptions/")
    for path, one in _with_ports(aws):
        for port in (*one.ports, *one.tls_ports):
            if port > 65_535:
                yield Mistake(f"{path}.ports", str(port), "ports up to 65535")


def _more_clusters(world: WorldFile) -> Iterator[Mistake]:
    azure = world.azure
    seen = {(azure.aks.subscription, azure.aks.resource_group.lower(), azure.aks.name.lower())} if azure.aks else set()
    for index, aks in enumerate(azure.more_aks):
        at, place = f"azure.more_aks[{index}]", (aks.subscription, aks.resource_group.lower(), aks.name.lower())
        if place in seen:
            yield Mistake(f"{at}.name", _shown(aks.name), "each cluster of a resource group once")
        seen.add(place)
        if azure.vnet is None:
            yield Mistake(at, _shown(aks.name), "nothing, while azure.vnet is none")
            return
        if aks.subnet is not None:
            yield from _within(f"{at}.subnet", aks.subnet, "azure.vnet.prefixes", azure.vnet.prefixes)
        if aks.vnet is None:
            continue
        if aks.subnet is not None:
            yield Mistake(
                f"{at}.subnet", str(aks.subnet), f"nothing, with {at}.vnet: it names its subnet as aks_subnet"
            )
        if room_for_nodes(aks.vnet, azure.keep_free) is None:
            ranges = ", ".join(map(str, aks.vnet.prefixes)) or "no range"
            yield Mistake(f"{at}.vnet.prefixes", ranges, "ranges with room for AKS nodes beside azure.keep_free")
        for prefix in aks.vnet.prefixes:
            if any(prefix.overlaps(other) for other in azure.vnet.prefixes):
                hub = ", ".join(map(str, azure.vnet.prefixes))
                yield Mistake(f"{at}.vnet.prefixes", str(prefix), f"addresses outside azure.vnet.prefixes ({hub})")
    if azure.vnet is not None and azure.more_aks and rooms_in_vnet(azure) is None:
        prefixes = ", ".join(map(str, azure.vnet.prefixes))
        yield Mistake("azure.vnet.prefixes", prefixes, "ranges with room for the nodes of each of azure.more_aks")


def _wire(wire: Wire, world: WorldFile) -> Iterator[Mistake]:
    vnet, subnet = world.azure.vnet, wire.gateway_subnet
    if vnet is None:
        yield Mistake("wire", _shown(wire.kind), "nothing, while azure.vnet is none")
    elif subnet is not None:
        yield from _within("wire.gateway_subnet", subnet, "azure.vnet.prefixes", vnet.prefixes)
        if vnet.aks_subnet is not None and vnet.aks_subnet.overlaps(subnet):
            yield Mistake(
                "wire.gateway_subnet", str(subnet), f"addresses outside azure.vnet.aks_subnet ({vnet.aks_subnet})"
            )
    if wire.kind != "transit-gateway" and world.aws.vpn_gateway is not None:
        yield Mistake(
            "aws.vpn_gateway", _shown(world.aws.vpn_gateway.id), "none: the wire has one, and a VPC takes one"
        )


def _gateway(gateway: VnetGateway, world: WorldFile) -> Iterator[Mistake]:
    vnet = world.azure.vnet
    if vnet is None:
        yield Mistake("azure.vpn_gateway", _shown(gateway.name), "nothing, while azure.vnet is none")
        return
    yield from _within("azure.vpn_gateway.subnet", gateway.subnet, "azure.vnet.prefixes", vnet.prefixes)
    if vnet.aks_subnet is not None and vnet.aks_subnet.overlaps(gateway.subnet):
        allowed = f"addresses outside azure.vnet.aks_subnet ({vnet.aks_subnet})"
        yield Mistake("azure.vpn_gateway.subnet", str(gateway.subnet), allowed)
    if world.wire is not None:
        yield Mistake("azure.vpn_gateway", _shown(gateway.name), "none: the wire has one, and a VNet takes one")


def _within(path: str, subnet: IPv4Network, name: str, ranges: tuple[IPv4Network, ...]) -> Iterator[Mistake]:
    if not any(subnet.subnet_of(r) for r in ranges):
        yield Mistake(path, str(subnet), f"a range within {name}: {', '.join(map(str, ranges))}")


def _with_ports(aws: Aws) -> Iterator[tuple[str, LoadBalancer | KubernetesService | Server]]:
    for index, balancer in enumerate(aws.load_balancers):
        yield f"aws.load_balancers[{index}]", balancer
    for index, service in enumerate(aws.services):
        yield f"aws.services[{index}]", service
    for index, server in enumerate(aws.servers):
        yield f"aws.servers[{index}]", server


def room_for_nodes(vnet: Vnet, keep_free: tuple[IPv4Network, ...]) -> IPv4Network | None:
    """The subnet of AKS's nodes: the one that is given, else the first free block of up to a /22."""
    if vnet.aks_subnet is not None:
        return vnet.aks_subnet
    for prefix in vnet.prefixes:
        for size in range(max(22, prefix.prefixlen), 30):
            for candidate in prefix.subnets(new_prefix=size):
                if not any(candidate.overlaps(k) for k in keep_free):
                    return candidate
    return None


def rooms_in_vnet(azure: Azure) -> tuple[IPv4Network, ...] | None:
    """The nodes' subnet of each of azure.more_aks that is in azure.vnet, in their order; None: there is not room for all."""
    if azure.vnet is None or (first := room_for_nodes(azure.vnet, azure.keep_free)) is None:
        return None
    inside = [aks for aks in azure.more_aks if aks.vnet is None]
    taken = [*azure.keep_free, first, *(aks.subnet for aks in inside if aks.subnet is not None)]
    found: list[IPv4Network] = []
    for aks in inside:
        room = aks.subnet or room_for_nodes(replace(azure.vnet, aks_subnet=None), tuple(taken))
        if room is None:
            return None
        taken.append(room)
        found.append(room)
    return tuple(found)


def _first_parts(cidr: IPv4Network) -> tuple[IPv4Network, ...]:
    """Three subnets: /20 in a /16; in a smaller range a sixteenth each, as far as AWS's smallest, /28, allows."""
    parts = cidr.subnets(new_prefix=max(cidr.prefixlen, min(28, cidr.prefixlen + 4)))
    return tuple(part for part, _ in zip(parts, range(3), strict=False))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)
