"""Rules that concern several keys. Each reports what it can tell from the values that could be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from typing import Any

from cloudlink import addressing
from cloudlink.addressing import NamedRange
from cloudlink.config import schema
from cloudlink.config.names import LOAD_BALANCER_ARN
from cloudlink.config.pods import quantity
from cloudlink.config.reading import Document, Values
from cloudlink.config.schema import Key
from cloudlink.config.shown import shown
from cloudlink.errors import Mistake


def mistakes(document: Document) -> Iterator[Mistake]:
    for check in _CHECKS:
        yield from check(document)


def _as_numbers(document: Document) -> Iterator[Mistake]:
    aws, azure = document.get(schema.AWS_ASN), document.get(schema.GATEWAY_ASN)
    adopted = document.get(schema.AWS_GATEWAY) is not None
    if aws is not None:
        # An adopted gateway may have a number that AWS no longer gives; Azure's rules hold in any case.
        reason = "" if adopted else addressing.aws_asn_refusal(aws)
        if reason := reason or addressing.azure_peer_asn_problem(aws):
            yield Mistake(schema.AWS_ASN.path, str(aws), f"another number: {reason}", "64512")
    if azure is not None and (reason := addressing.azure_asn_refusal(azure)):
        yield Mistake(schema.GATEWAY_ASN.path, str(azure), f"another number: {reason}", "65000")
    if aws is not None and aws == azure:
        yield Mistake(schema.GATEWAY_ASN.path, str(azure), f"a number other than {schema.AWS_ASN.path}: BGP needs two")


def _probe_resources(document: Document) -> Iterator[Mistake]:
    """Kubernetes refuses a pod that asks for more than it may take."""
    requests, limits = document.get(schema.PROBE_REQUESTS), document.get(schema.PROBE_LIMITS)
    if requests is None or limits is None:
        return
    wanted = {**dict(schema.PROBE_REQUESTS.default or ()), **dict(requests)}
    most = {**dict(schema.PROBE_LIMITS.default or ()), **dict(limits)}
    for name, amount in wanted.items():
        if name in most and quantity(amount) > quantity(most[name]):
            given = schema.PROBE_REQUESTS if document.values.has(schema.PROBE_REQUESTS) else schema.PROBE_LIMITS
            found, other = (amount, most[name]) if given is schema.PROBE_REQUESTS else (most[name], amount)
            word = "at most" if given is schema.PROBE_REQUESTS else "at least"
            beside = schema.PROBE_LIMITS if given is schema.PROBE_REQUESTS else schema.PROBE_REQUESTS
            yield Mistake(f"{given.path}.{name}", shown(found), f"{word} {other}, as {beside.path} has it")


def _cloud_and_location(document: Document) -> Iterator[Mistake]:
    cloud, location = document.get(schema.AZURE_CLOUD), document.get(schema.AZURE_LOCATION)
    if cloud is None or location is None:
        return
    home = "usgovernment" if location.startswith(("usgov", "usdod")) else "public"
    home = "china" if location.startswith("china") else home
    if cloud != home:
        yield Mistake(schema.AZURE_CLOUD.path, shown(cloud), f'"{home}", the cloud that {location} belongs to', home)


def _created_together(document: Document) -> Iterator[Mistake]:
    """A cluster that exists lives in a VNet that exists; a new one needs the subnet that a new VNet brings."""
    vnet, aks = document.get(schema.VNET_CREATE), document.get(schema.AKS_CREATE)
    if vnet is None or aks is None:
        return
    if vnet != aks:
        wrong = schema.AKS_CREATE if vnet else schema.VNET_CREATE
        other = schema.VNET_CREATE if vnet else schema.AKS_CREATE
        yield Mistake(wrong.path, "false", f"true, as {other.path}: they are made together or not at all", "true")
    subnet_table = "azure.vnet.cluster_subnet"
    if vnet:
        if not document.values.has(schema.VNET_PREFIXES):
            yield Mistake(schema.VNET_PREFIXES.path, "nothing", schema.VNET_PREFIXES.kind.allowed)
        if subnet_table not in document.tables:
            yield Mistake(subnet_table, "nothing", "a table with name and prefix, for the nodes of the new cluster")
    else:
        if document.values.has(schema.VNET_PREFIXES):
            yield _only_with(schema.VNET_PREFIXES.path, schema.VNET_CREATE)
        if subnet_table in document.tables:
            yield _only_with(subnet_table, schema.VNET_CREATE)
    home = document.get(schema.AZURE_SUBSCRIPTION)
    for made, elsewhere in ((vnet, schema.VNET_SUBSCRIPTION), (aks, schema.AKS_SUBSCRIPTION)):
        named = document.get(elsewhere)
        if made and named is not None and home is not None and named != home:
            allowed = f"nothing, or {schema.AZURE_SUBSCRIPTION.path}: what cloudlink makes is made there"
            yield Mistake(elsewhere.path, shown(named), allowed, home)
    if not aks:
        only_new: tuple[Key[Any], ...] = (
            schema.AKS_NODE_COUNT,
            schema.AKS_NODE_SIZE,
            schema.AKS_VERSION,
            schema.AKS_POD_CIDR,
            schema.AKS_SERVICE_CIDR,
        )
        for key in only_new:
            if document.values.has(key):
                yield _only_with(key.path, schema.AKS_CREATE)


def _only_with(path: str, create: Key[bool]) -> Mistake:
    return Mistake(
        path, "a value without effect", f"nothing, unless {create.path} is true: what exists is read from Azure"
    )


def _new_network(document: Document) -> Iterator[Mistake]:
    prefixes = document.get(schema.VNET_PREFIXES)
    if not document.get(schema.VNET_CREATE) or prefixes is None:
        return
    inside = f"a range within {schema.VNET_PREFIXES.path}: {', '.join(map(str, prefixes))}"
    for key in (schema.GATEWAY_SUBNET, schema.CLUSTER_SUBNET_PREFIX):
        subnet = document.get(key)
        if subnet is not None and not any(subnet.subnet_of(prefix) for prefix in prefixes):
            near = ""
            if key is schema.GATEWAY_SUBNET:
                taken = document.get(schema.CLUSTER_SUBNET_PREFIX)
                near = str(addressing.free_gateway_subnet(prefixes, (taken,) if taken else ()) or "")
            yield Mistake(key.path, shown(str(subnet)), inside, near)
    nodes, subnet = document.get(schema.AKS_NODE_COUNT), document.get(schema.CLUSTER_SUBNET_PREFIX)
    # Azure keeps five addresses of each subnet; an upgrade adds a node for a while.
    if nodes is not None and subnet is not None and subnet.num_addresses - 5 < nodes + 1:
        allowed = (
            f"a range with room for {nodes} nodes, one more during upgrades and the five addresses that Azure keeps"
        )
        yield Mistake(schema.CLUSTER_SUBNET_PREFIX.path, shown(str(subnet)), allowed)


def _named_ranges(document: Document) -> list[list[NamedRange]]:
    """What the configuration itself names, in groups that must not overlap one another."""
    groups: list[list[NamedRange]] = []
    gateway = document.get(schema.GATEWAY_SUBNET)
    subnets = [NamedRange(schema.GATEWAY_SUBNET.path, gateway)] if gateway else []
    if document.get(schema.VNET_CREATE):
        prefixes = document.get(schema.VNET_PREFIXES) or ()
        groups += [
            [NamedRange(f"{schema.VNET_PREFIXES.path}[{index}]", prefix)] for index, prefix in enumerate(prefixes)
        ]
        if any(gateway.subnet_of(prefix) for prefix in prefixes) if gateway else False:
            subnets = []  # a clash with its VNet says it all
    groups.append(subnets)
    if document.get(schema.AKS_CREATE):
        for key in (schema.AKS_POD_CIDR, schema.AKS_SERVICE_CIDR):
            if network := document.get(key):
                groups.append([NamedRange(key.path, network)])
    fixed: list[NamedRange] = []
    for host in document.hosts:
        addresses, at = host.get(schema.HOST_ADDRESSES), host.at(schema.HOST_ADDRESSES)
        fixed += [NamedRange(f"{at}[{index}]", IPv4Network(address)) for index, address in enumerate(addresses or ())]
    return [*groups, fixed]


def _overlaps(document: Document) -> Iterator[Mistake]:
    for overlap in addressing.overlaps(_named_ranges(document)):
        first, second = overlap.first, overlap.second
        found = shown(str(second.network).removesuffix("/32"))
        yield Mistake(second.name, found, f"addresses outside {first.name} ({first.network})")
    if document.get(schema.VNET_CREATE):
        gateway, cluster = document.get(schema.GATEWAY_SUBNET), document.get(schema.CLUSTER_SUBNET_PREFIX)
        if gateway and cluster and gateway.overlaps(cluster):
            prefixes = document.get(schema.VNET_PREFIXES)
            near = addressing.free_gateway_subnet(prefixes or (), (cluster,))
            allowed = f"a range outside {schema.CLUSTER_SUBNET_PREFIX.path} ({cluster})"
            yield Mistake(schema.GATEWAY_SUBNET.path, shown(str(gateway)), allowed, str(near or ""))


def _inside_addresses(document: Document) -> Iterator[Mistake]:
    pool, cidrs = document.get(schema.INSIDE_POOL), document.get(schema.INSIDE_CIDRS)
    if document.values.has(schema.INSIDE_POOL) and document.values.has(schema.INSIDE_CIDRS):
        allowed = f"one of {schema.INSIDE_POOL.path} and {schema.INSIDE_CIDRS.path}"
        yield Mistake(schema.INSIDE_CIDRS.path, "both", allowed)
    elif pool is not None and cidrs is None:
        try:
            addressing.allocate(pool)
        except addressing.PoolExhausted as exhausted:
            yield Mistake(schema.INSIDE_POOL.path, ", ".join(map(str, pool)), f"a larger pool: {exhausted}")


def _hosts(document: Document) -> Iterator[Mistake]:
    zone, first_at = document.get(schema.ZONE), dict[str, str]()
    for host in document.hosts:
        label = host.get(schema.HOST_NAME)
        if label is not None:
            at = host.at(schema.HOST_NAME)
            if label in first_at:
                yield Mistake(at, shown(label), f"each name once; it is at {first_at[label]} already")
            first_at.setdefault(label, at)
            yield from _name_and_zone(at, label, zone)
        yield from _target(host)
        yield from _ports(host)
        yield from _arn(host, document.get(schema.AWS_REGION))


def _name_and_zone(at: str, label: str, zone: str | None) -> Iterator[Mistake]:
    if zone is None:
        return
    if label == zone or label.endswith(f".{zone}"):
        near = label.removesuffix(zone).rstrip(".") or "@"
        yield Mistake(at, shown(label), f"the name without the zone {zone}", near)
    elif label != "@" and len(label) + 1 + len(zone) > 253:
        yield Mistake(at, shown(label), f"a shorter name: with {shown(zone)} it is longer than DNS's 253 characters")


def _target(host: Values) -> Iterator[Mistake]:
    given = [key.name for key in schema.HOST_TARGETS if host.has(key)]
    if len(given) != 1:
        names = ", ".join(key.name for key in schema.HOST_TARGETS)
        yield Mistake(host.where, " and ".join(given) or "no target", f"exactly one of {names}")


def _ports(host: Values) -> Iterator[Mistake]:
    ports, tls = host.get(schema.HOST_PORTS), host.get(schema.HOST_TLS_PORTS)
    for index, port in enumerate(tls or ()):
        if ports is not None and port not in ports:
            allowed = f"ports listed in ports: {', '.join(map(str, ports))}"
            yield Mistake(f"{host.at(schema.HOST_TLS_PORTS)}[{index}]", str(port), allowed)


def _arn(host: Values, region: str | None) -> Iterator[Mistake]:
    target = host.get(schema.HOST_LOAD_BALANCER)
    match = LOAD_BALANCER_ARN.fullmatch(target) if target else None
    if match and region and match[1] != region:
        at = host.at(schema.HOST_LOAD_BALANCER)
        yield Mistake(at, f"an ARN in {match[1]}", f"a load balancer in {schema.AWS_REGION.path}, {region}")


def _sandbox(document: Document) -> Iterator[Mistake]:
    """Only what no cloud could hold. Ranges that collide across the clouds are the preflight checks' to find."""
    if document.get(schema.VNET_CREATE):
        for key in (schema.SANDBOX_VNET_PREFIXES, schema.SANDBOX_AKS_SUBNET):
            if document.values.has(key):
                yield Mistake(key.path, "a value without effect", f"nothing, as {schema.VNET_CREATE.path} is true")
    if document.get(schema.AKS_CREATE):
        for cidr in (schema.SANDBOX_POD_CIDR, schema.SANDBOX_SERVICE_CIDR):
            if document.values.has(cidr):
                yield Mistake(cidr.path, "a value without effect", f"nothing, as {schema.AKS_CREATE.path} is true")
    vpc = document.get(schema.SANDBOX_VPC_CIDRS)
    subnets: list[NamedRange] = []
    for several in (schema.SANDBOX_EKS_SUBNETS, schema.SANDBOX_LB_SUBNETS):
        given = document.get(several)
        for index, subnet in enumerate(given or ()):
            subnets.append(NamedRange(f"{several.path}[{index}]", subnet))
            if vpc is not None and not any(subnet.subnet_of(cidr) for cidr in vpc):
                allowed = f"a range within {schema.SANDBOX_VPC_CIDRS.path}: {', '.join(map(str, vpc))}"
                yield Mistake(f"{several.path}[{index}]", shown(str(subnet)), allowed)
    if subnets and vpc is None and not document.values.has(schema.SANDBOX_VPC_CIDRS):
        yield Mistake(
            schema.SANDBOX_VPC_CIDRS.path, "nothing", "the VPC's ranges, as its subnets are given in this table"
        )
    vnet, gateway = document.get(schema.SANDBOX_VNET_PREFIXES), document.get(schema.GATEWAY_SUBNET)
    nodes = document.get(schema.SANDBOX_AKS_SUBNET)
    if (
        vnet is not None
        and gateway is not None
        and not document.values.has(schema.SANDBOX_AKS_SUBNET)
        and addressing.free_gateway_subnet(vnet, [gateway], prefixlen=29) is None
    ):
        allowed = f"ranges with room for a cluster next to {schema.GATEWAY_SUBNET.path} ({gateway})"
        yield Mistake(schema.SANDBOX_VNET_PREFIXES.path, ", ".join(map(str, vnet)), allowed)
    if nodes is not None and vnet is not None and not any(nodes.subnet_of(prefix) for prefix in vnet):
        allowed = f"a range within {schema.SANDBOX_VNET_PREFIXES.path}: {', '.join(map(str, vnet))}"
        yield Mistake(schema.SANDBOX_AKS_SUBNET.path, shown(str(nodes)), allowed)
    if nodes is not None and gateway is not None and nodes.overlaps(gateway):
        allowed = f"a range outside {schema.GATEWAY_SUBNET.path} ({gateway})"
        yield Mistake(schema.SANDBOX_AKS_SUBNET.path, shown(str(nodes)), allowed)
    for overlap in addressing.overlaps([[subnet] for subnet in subnets]):
        allowed = f"addresses outside {overlap.first.name} ({overlap.first.network})"
        yield Mistake(overlap.second.name, shown(str(overlap.second.network)), allowed)


_CHECKS: tuple[Callable[[Document], Iterator[Mistake]], ...] = (
    _as_numbers,
    _probe_resources,
    _cloud_and_location,
    _created_together,
    _new_network,
    _overlaps,
    _inside_addresses,
    _hosts,
    _sandbox,
)
