"""Rules that concern several keys. Each reports what it can tell from the values that could be read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
    if document.values.has(schema.GATEWAY_ADOPT):
        azure = None  # the gateway has its own, which the plan reads
    adopted = document.get(schema.AWS_GATEWAY) not in (None, "create-transit")
    if aws is not None:
        # An adopted gateway may have a number that AWS no longer gives; Azure's rules hold in any case.
        reason = "" if adopted else addressing.aws_asn_refusal(aws)
        if reason := reason or addressing.azure_peer_asn_problem(aws):
            yield Mistake(schema.AWS_ASN.path, str(aws), f"another number: {reason}", "64512")
    if azure is not None and (reason := addressing.azure_asn_refusal(azure)):
        yield Mistake(schema.GATEWAY_ASN.path, str(azure), f"another number: {reason}", "65000")
    if aws is not None and aws == azure:
        yield Mistake(schema.GATEWAY_ASN.path, str(azure), f"a number other than {schema.AWS_ASN.path}: BGP needs two")


def _transport(document: Document) -> Iterator[Mistake]:
    """Over what exists already no gateway is made, and none of its settings has an effect."""
    if document.get(schema.TRANSPORT) != "existing":
        if document.values.has(schema.SANDBOX_WIRE):
            allowed = f'nothing, unless {schema.TRANSPORT.path} is "existing"'
            yield Mistake(schema.SANDBOX_WIRE.path, "a value without effect", allowed)
        return
    allowed = f'nothing, as {schema.TRANSPORT.path} is "existing": cloudlink makes no VPN then'
    for table in ("azure.vpn_gateway", "vpn", "vpn.policy"):
        given = [key for key in schema.keys_of(table) if document.values.has(key)]
        yield from (Mistake(key.path, "a value without effect", allowed) for key in given)
    only_vpn: tuple[Key[Any], ...] = (
        schema.AWS_ASN,
        schema.AWS_GATEWAY,
        schema.AWS_ROUTE_TABLES,
        schema.LIMIT_ROUTES,
        schema.BLACKHOLES,
    )
    for key in only_vpn:
        if document.values.has(key):
            yield Mistake(key.path, "a value without effect", allowed)
    for made in (schema.AZURE_CREATE_GROUP, schema.VNET_CREATE, schema.AKS_CREATE):
        if document.get(made):
            allowed = f'false, as {schema.TRANSPORT.path} is "existing": a new network is joined to nothing'
            yield Mistake(made.path, "true", allowed, "false")


def _bandwidth(document: Document) -> Iterator[Mistake]:
    """AWS has large tunnels on transit gateways only: https://docs.aws.amazon.com/vpn/latest/s2svpn/VPNTunnels.html"""
    gateway = document.get(schema.AWS_GATEWAY) or "create"
    if document.get(schema.BANDWIDTH) == "large" and not gateway.startswith(("tgw-", "create-transit")):
        allowed = f"standard, unless {schema.AWS_GATEWAY.path} is create-transit or a transit gateway"
        yield Mistake(schema.BANDWIDTH.path, '"large"', allowed, "standard")


def _limit_routes(document: Document) -> Iterator[Mistake]:
    """A virtual private gateway announces every range of its VPC, and has no tables."""
    gateway = document.get(schema.AWS_GATEWAY) or "create"
    joined = document.get(schema.TRANSPORT) == "existing"  # that it has no effect is said already
    if document.get(schema.LIMIT_ROUTES) and not joined and not gateway.startswith(("tgw-", "create-transit")):
        allowed = f"false, unless {schema.AWS_GATEWAY.path} is create-transit or a transit gateway"
        yield Mistake(schema.LIMIT_ROUTES.path, "true", allowed, "false")
    if document.get(schema.BLACKHOLES) and not joined and not document.get(schema.LIMIT_ROUTES):
        allowed = f"nothing, without {schema.LIMIT_ROUTES.path} = true: in a table that others share nothing is written"
        yield Mistake(schema.BLACKHOLES.path, "a value without effect", allowed)


def _forward(document: Document) -> Iterator[Mistake]:
    if document.values.has(schema.OUTBOUND_SUBNET) and document.get(schema.FORWARD) != "vnet":
        allowed = f'nothing, unless {schema.FORWARD.path} is "vnet"'
        yield Mistake(schema.OUTBOUND_SUBNET.path, "a value without effect", allowed)


def _clusters(document: Document) -> Iterator[Mistake]:
    """Clusters beside the first."""
    group, subscription = document.get(schema.AKS_GROUP), document.get(schema.AKS_SUBSCRIPTION)
    home = (group or document.get(schema.AZURE_GROUP), subscription or document.get(schema.AZURE_SUBSCRIPTION))
    first_at: dict[tuple[str, ...], str] = {}
    first = (document.get(schema.AKS_NAME), *home)
    if all(first):
        first_at[tuple(str(part).lower() for part in first)] = schema.AKS_NAME.path
    for values in document.clusters:
        name, at = values.get(schema.CLUSTER_NAME), values.at(schema.CLUSTER_NAME)
        place = (
            name,
            values.get(schema.CLUSTER_GROUP) or home[0],
            values.get(schema.CLUSTER_SUBSCRIPTION) or home[1],
        )
        if name is None or not all(place):
            continue
        key = tuple(str(part).lower() for part in place)
        if key in first_at:
            yield Mistake(at, shown(name), f"each cluster once; it is at {first_at[key]} already")
        first_at.setdefault(key, at)
    if not document.clusters:
        if document.values.has(schema.SANDBOX_MORE_CLUSTERS):
            allowed = f"nothing, without [[{schema.CLUSTERS.path}]]"
            yield Mistake(schema.SANDBOX_MORE_CLUSTERS.path, "a value without effect", allowed)
        return
    found = "1 cluster" if len(document.clusters) == 1 else f"{len(document.clusters)} clusters"
    if document.get(schema.FORWARD) == "vnet":
        allowed = (
            f'nothing, as {schema.FORWARD.path} is "vnet": the VNet resolves for every cluster in it, and no CoreDNS is told '
            "anything"
        )
        yield Mistake(schema.CLUSTERS.path, found, allowed)
    if document.get(schema.VNET_CREATE):
        allowed = f"nothing, as {schema.VNET_CREATE.path} is true: only its own cluster is in a VNet that is made"
        yield Mistake(schema.CLUSTERS.path, found, allowed)


def _adopted_gateway(document: Document) -> Iterator[Mistake]:
    """A gateway that exists has its size, its zones, its number and its subnet; and its VNet exists with it."""
    joined = document.get(schema.TRANSPORT) == "existing"  # that nothing of its table has an effect is said already
    if document.values.has(schema.SANDBOX_GATEWAY) and (joined or not document.values.has(schema.GATEWAY_ADOPT)):
        allowed = f"nothing, without {schema.GATEWAY_ADOPT.path}"
        yield Mistake(schema.SANDBOX_GATEWAY.path, "a value without effect", allowed)
    adopted = document.get(schema.GATEWAY_ADOPT)
    if adopted is None or joined:
        return
    allowed = f"nothing, as {schema.GATEWAY_ADOPT.path} names a gateway that has its own"
    only_new: tuple[Key[Any], ...] = (
        schema.GATEWAY_SUBNET,
        schema.GATEWAY_SKU,
        schema.GATEWAY_ZONES,
        schema.GATEWAY_ASN,
    )
    for key in only_new:
        if document.values.has(key):
            yield Mistake(key.path, "a value without effect", allowed)
    if document.get(schema.VNET_CREATE):
        allowed = f"false, as {schema.GATEWAY_ADOPT.path} names a gateway, whose VNet exists"
        yield Mistake(schema.VNET_CREATE.path, "true", allowed, "false")
    subscription, group, home = _of_id(adopted), _of_id(adopted, 4), document.get(schema.AZURE_SUBSCRIPTION)
    if subscription and home and subscription != home.lower():
        allowed = f"a gateway in {schema.AZURE_SUBSCRIPTION.path}: its connections are made in its subscription"
        yield Mistake(schema.GATEWAY_ADOPT.path, f"a gateway in the subscription {subscription}", allowed)
    own = document.get(schema.AZURE_GROUP)
    if document.get(schema.AZURE_CREATE_GROUP) and own and group in ("", own.lower()):
        allowed = f"false, as the gateway of {schema.GATEWAY_ADOPT.path} is in that group, which therefore exists"
        yield Mistake(schema.AZURE_CREATE_GROUP.path, "true", allowed, "false")


def _of_id(named: str, part: int = 2) -> str:
    """A part of a resource id, in lower case; empty: it is a name."""
    return named.split("/")[part].lower() if named.startswith("/") else ""


def _probe_resources(document: Document) -> Iterator[Mistake]:
    """Kubernetes refuses a pod whose requests exceed its limits."""
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
    """A cluster that exists is in a VNet that exists; a new one needs the subnet that a new VNet brings."""
    vnet, aks = document.get(schema.VNET_CREATE), document.get(schema.AKS_CREATE)
    if vnet is None or aks is None or (document.get(schema.TRANSPORT) == "existing" and (vnet or aks)):
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
    for host in document.all_hosts:
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
    """Of each zone; a name of one that lies in another is for ``_zones``."""
    for values, hosts in (
        (document.values, document.hosts),
        *((zone.values, zone.hosts) for zone in document.zones),
    ):
        yield from _hosts_of(document, values.get(schema.ZONE), hosts)


def _zones(document: Document) -> Iterator[Mistake]:
    """A name belongs to one zone: of several that hold it Route 53 and CoreDNS ask the longest, and no other."""
    first_at: dict[str, str] = {}
    every = ((document.values, document.hosts), *((zone.values, zone.hosts) for zone in document.zones))
    for values, _ in every:
        name, at = values.get(schema.ZONE), values.at(schema.ZONE)
        if name is None:
            continue
        if name in first_at:
            yield Mistake(at, shown(name), f"each zone once; it is at {first_at[name]} already")
        first_at.setdefault(name, at)
        adopted = values.get(schema.HOSTED_ZONE)
        if adopted is not None and adopted in (others := _adopted_before(document, values)):
            yield Mistake(
                values.at(schema.HOSTED_ZONE), shown(adopted), f"each zone once; it is at {others[adopted]} already"
            )
    for values, hosts in every:
        zone = values.get(schema.ZONE)
        for host in hosts:
            label = host.get(schema.HOST_NAME)
            if zone is None or label is None:
                continue
            full = zone if label == "@" else f"{label}.{zone}"
            longer = [z for z in first_at if len(z) > len(zone) and (full == z or full.endswith(f".{z}"))]
            if longer:
                taker = max(longer, key=len)
                near = full.removesuffix(taker).rstrip(".") or "@"
                allowed = (
                    f"a name outside the zone {taker} ({first_at[taker]}), which alone is asked for it: there, its name is "
                    f"{shown(near)}"
                )
                yield Mistake(host.at(schema.HOST_NAME), shown(label), allowed)
    many = len(document.all_hosts)
    if document.zones and many > schema.MOST_HOSTS:
        allowed = f"at most {schema.MOST_HOSTS} names in all zones together: one pod asks them all"
        yield Mistake(schema.ZONES.path, f"{many} names", allowed)


def _back(document: Document) -> Iterator[Mistake]:
    """Zones of Azure's. A name is asked in one direction only: else a question would go round between the clouds."""
    forward = [
        (name, values.at(schema.ZONE))
        for values in (document.values, *(zone.values for zone in document.zones))
        if (name := values.get(schema.ZONE)) is not None
    ]
    first_at: dict[str, str] = {}
    for back in document.backs:
        name, at = back.get(schema.BACK_ZONE), back.at(schema.BACK_ZONE)
        if name is None:
            continue
        if name in first_at:
            yield Mistake(at, shown(name), f"each zone once; it is at {first_at[name]} already")
        first_at.setdefault(name, at)
        for zone, where in forward:
            if name == zone or name.endswith(f".{zone}") or zone.endswith(f".{name}"):
                how = "is" if name == zone else "lies in" if len(name) > len(zone) else "holds"
                allowed = (
                    f"another zone: it {how} {zone} ({where}), whose names Azure asks of AWS, and a question that is asked in both "
                    "directions would go round between the clouds"
                )
                yield Mistake(at, shown(name), allowed)
        id_ = back.get(schema.BACK_ID)
        if id_ is not None and id_.rpartition("/")[2].lower() != name:
            yield Mistake(back.at(schema.BACK_ID), shown(id_), f"the id of the zone {name}")
    if document.get(schema.VNET_CREATE) and document.backs:
        allowed = f"nothing, as {schema.VNET_CREATE.path} is true: a private zone is linked to a VNet that exists"
        yield Mistake(schema.BACK.path, f"{len(document.backs)} zones", allowed)
    inbound, outbound = document.get(schema.INBOUND_SUBNET), document.get(schema.OUTBOUND_SUBNET)
    if document.values.has(schema.INBOUND_SUBNET) and not document.backs and schema.BACK.path not in document.tables:
        allowed = f"nothing, without [[{schema.BACK.path}]]"
        yield Mistake(schema.INBOUND_SUBNET.path, "a value without effect", allowed)
    gateway = document.get(schema.GATEWAY_SUBNET)
    for path, other in ((schema.OUTBOUND_SUBNET.path, outbound), (schema.GATEWAY_SUBNET.path, gateway)):
        if inbound is not None and other is not None and inbound.overlaps(other):
            allowed = f"a range outside {path} ({other}): each endpoint has a subnet of its own"
            yield Mistake(schema.INBOUND_SUBNET.path, shown(str(inbound)), allowed)


def _adopted_before(document: Document, values: Values) -> dict[str, str]:
    """Ids of hosted zones that are named before this table, and where."""
    found: dict[str, str] = {}
    for other in (document.values, *(zone.values for zone in document.zones)):
        if other is values:
            break
        if (id_ := other.get(schema.HOSTED_ZONE)) is not None:
            found.setdefault(id_, other.at(schema.HOSTED_ZONE))
    return found


def _hosts_of(document: Document, zone: str | None, hosts: Sequence[Values]) -> Iterator[Mistake]:
    first_at: dict[str, str] = {}
    for host in hosts:
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
    if not given and host.meant.intersection(key.name for key in schema.HOST_TARGETS):
        return  # it is told already how the key is called
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
    """Only what no cloud accepts. Ranges that overlap across the clouds are found by the preflight checks."""
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


def _state(document: Document) -> Iterator[Mistake]:
    location = document.get(schema.STATE_LOCATION)
    if document.get(schema.STATE_REGION) is not None and (location is None or location.store != "s3"):
        allowed = f"only with a bucket of S3 in {schema.STATE_LOCATION.path}"
        yield Mistake(schema.STATE_REGION.path, shown(document[schema.STATE_REGION]), allowed)


_CHECKS: tuple[Callable[[Document], Iterator[Mistake]], ...] = (
    _transport,
    _forward,
    _clusters,
    _bandwidth,
    _limit_routes,
    _adopted_gateway,
    _as_numbers,
    _probe_resources,
    _cloud_and_location,
    _created_together,
    _new_network,
    _overlaps,
    _inside_addresses,
    _hosts,
    _zones,
    _back,
    _state,
    _sandbox,
)
