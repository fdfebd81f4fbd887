"""What both clouds answer of a link, as a rehearsal needs it. Reads only, and asks nothing of cloudlink's own plan.

Which objects are the link's is told by what leads to one another: the connections on Azure's gateway, the local network
gateways that they name, and the AWS tunnels that end on either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from itertools import chain
from typing import Any, TypeVar

from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_acls import Acl, AclEntry, acls
from cloudlink.clouds.aws.parse_balancers import LoadBalancer, listeners, load_balancers
from cloudlink.clouds.aws.parse_gateways import existing_customer_gateways, vpn_gateways
from cloudlink.clouds.aws.parse_groups import Rule, groups, rules
from cloudlink.clouds.aws.parse_offers import TunnelOffer, tunnel_offers
from cloudlink.clouds.aws.parse_resolver import addresses, endpoints, inbound_of
from cloudlink.clouds.aws.parse_routes import Table, tables
from cloudlink.clouds.aws.parse_vpc import Subnet, prefix_list
from cloudlink.clouds.aws.parse_vpc import subnets as parse_subnets
from cloudlink.clouds.aws.parse_vpc import vpc as parse_vpc
from cloudlink.clouds.aws.parse_zones import FoundRecord, records, zones_of_vpc
from cloudlink.clouds.azure.client import Azure, Json
from cloudlink.clouds.azure.parse_aks import aks_cluster
from cloudlink.clouds.azure.parse_filters import FilterRule, security_group
from cloudlink.clouds.azure.parse_gateway import GatewayAddresses, gateway, gateway_connections
from cloudlink.clouds.azure.parse_network import GATEWAY_SUBNET, route_table
from cloudlink.clouds.azure.parse_network import Subnet as AzureSubnet
from cloudlink.clouds.azure.parse_network import vnet as parse_vnet
from cloudlink.clouds.azure.parse_offers import ConnectionOffer, FarGateway, connection_offer, far_gateway
from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.kube.parse import deployment, key_map
from cloudlink.errors import CloudlinkError, CredentialsError, UnhealthyError
from cloudlink.link import Link
from cloudlink.rehearse import transit

T = TypeVar("T")

_GATEWAY = "VirtualNetworkGateway"
_NAMESPACE, _CUSTOM, _COREDNS = "kube-system", "coredns-custom", "coredns"


@dataclass(frozen=True)
class Host:
    """An address in the VPC. way_back: whether its subnet's route table leads back to Azure. lets_in: what its security
    groups do; None: it has none, and everything is let in. acl_in, acl_out: entries of its subnet's network ACL, in their
    order; None: they could not be read."""

    address: str
    way_back: bool
    ports: tuple[int, ...] = (80, 443)  # where it is asked over TCP
    tls: frozenset[int] = frozenset({443})  # those of them that speak TLS
    lets_in: tuple[Rule, ...] | None = None
    acl_in: tuple[AclEntry, ...] | None = None
    acl_out: tuple[AclEntry, ...] | None = None


@dataclass(frozen=True)
class Answers:
    """Both clouds' answers, as far as packets depend on them."""

    offers: tuple[TunnelOffer, ...] = ()
    attached: frozenset[str] = frozenset()  # gateways that are attached to the VPC
    announced: tuple[IPv4Network, ...] | None = (
        None  # what a transit gateway tells; None: the gateway tells the VPC's ranges
    )
    vpc: tuple[IPv4Network, ...] = ()
    endpoints: tuple[Host, ...] = ()  # of the inbound endpoint
    targets: tuple[Host, ...] = ()
    zone: str = ""
    records: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # name -> addresses
    zones_below: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)  # the VPC's, below the zone
    sent_away: tuple[str, ...] = ()  # domains in and around the zone that a Resolver rule asks of others
    instances: tuple[GatewayAddresses, ...] = ()
    azure_asn: int | None = None
    azure_bgp: bool = True
    connections: tuple[ConnectionOffer, ...] = ()
    far: tuple[FarGateway, ...] = ()
    vnet: tuple[IPv4Network, ...] = ()
    nodes: IPv4Network | None = None  # the subnet of the cluster's nodes
    turned_away: tuple[IPv4Network, ...] = ()  # ranges that the nodes' route table does not send to the gateway
    lets_out: tuple[FilterRule, ...] | None = (
        None  # by the security group of that subnet; None: it has none, or it is unread
    )
    server_blocks: Mapping[str, str] = field(default_factory=dict)  # keys of coredns-custom
    coredns: str = ""  # its version in the cluster
    notes: tuple[str, ...] = ()  # what could not be read, and is therefore not rehearsed


def read(link: Link, aws: Aws, azure: Azure, aks: Kube) -> Answers:
    """Raises UnhealthyError where there is no link yet."""
    raw = azure.gateway()
    connections = aws.vpn_documents()
    if raw is None or not connections:
        missing = "no VPN gateway in Azure" if raw is None else "no VPN connection in AWS"
        raise UnhealthyError("The link does not exist", f"There is {missing}: nothing to rehearse.", "cloudlink up")
    own = gateway(raw)
    ours = [c for c in (azure.connection(g.name) for g in gateway_connections(azure.gateway_connections())) if c]
    offers_of_azure = tuple(map(connection_offer, ours))
    far = tuple(map(far_gateway, azure.local_gateways()))
    ends = [g for g in vpn_gateways(aws.vpn_gateways()) if g.exists]
    offers = tunnel_offers(
        connections,
        {g.id: (str(g.address), g.asn or None) for g in existing_customer_gateways(aws.customer_gateways())},
        {**{g.id: g.asn or None for g in ends}, **(transit.asns(aws) if link.aws.transit else {})},
    )
    named = {f.address for f in far if any(c.local_gateway == f.id for c in offers_of_azure)}
    public = {str(a) for i in own.addresses for a in i.public}
    offers = tuple(o for o in offers if o.outside in named or o.customer in public)
    attached = frozenset(
        g.id for g in ends if any(a.vpc == link.aws.vpc_id and a.state == "attached" for a in g.attachments)
    )
    network = parse_vpc(aws.vpc(link.aws.vpc_id))
    vnet = azure.vnet()
    net = parse_vnet(vnet) if vnet is not None else None
    cluster = azure.aks_cluster()
    wanted = {s.lower() for p in (aks_cluster(cluster).pools if cluster else ()) for s in (p.subnet_id,) if s}
    subnets = [s for s in (net.subnets if net else ()) if s.name != GATEWAY_SUBNET and s.prefixes]
    nodes = next((s for s in subnets if s.id.lower() in wanted), subnets[0] if subnets else None)
    unread: list[str] = []
    by_transit = _through(link, aws, offers, net.prefixes if net else (), unread)
    ways = _Ways(aws, link.aws.vpc_id, {o.gateway for o in offers}, unread, by_transit)
    lets_out = _lets_out(azure, nodes, unread)
    zone, names, balancers = _zone(link, aws)
    vpc = network.ranges if network else ()
    keys = key_map(aks.config_map(_NAMESPACE, _CUSTOM)).text
    image = deployment(aks.deployment(_NAMESPACE, _COREDNS)).images.get("coredns", "")
    return Answers(
        offers=offers,
        attached=attached,
        announced=by_transit.announced if by_transit is not None else None,
        vpc=vpc,
        endpoints=_endpoints(link, aws, ways),
        targets=tuple(_target(a, link, aws, names, balancers, ways) for a in sorted(set(chain(*names.values())))),
        zone=zone,
        records=names,
        zones_below=_zones_below(link, aws),
        sent_away=_sent_away(link, aws),
        instances=own.addresses,
        azure_asn=own.asn,
        azure_bgp=own.bgp,
        connections=offers_of_azure,
        far=far,
        vnet=net.prefixes if net else (),
        nodes=nodes.prefixes[0] if nodes else None,
        turned_away=_turned_away(azure, nodes, vpc),
        lets_out=lets_out,
        server_blocks={k: v for k, v in keys.items() if k.endswith((".server", ".override"))},
        coredns=image.rpartition(":")[2].lstrip("v").partition("-")[0],
        notes=tuple(unread),
    )


def _through(
    link: Link, aws: Aws, offers: Iterable[TunnelOffer], vnet: Iterable[IPv4Network], unread: list[str]
) -> transit.Through | None:
    """None: the tunnels end on a virtual private gateway."""
    if not link.aws.transit:
        return None
    vpc, connections = link.aws.vpc_id, {o.connection for o in offers}
    gateway = next((o.gateway for o in offers), "")
    nothing = transit.Through((), False, frozenset())
    what = "route tables of the transit gateway"
    return _unless_denied(aws, lambda: transit.through(aws, vpc, gateway, connections, vnet), nothing, what, unread)


def _unless_denied(cloud: Aws | Azure, call: Callable[[], T], nothing: T, what: str, unread: list[str]) -> T:
    """A permission that can be done without: what it would show is not rehearsed, and said."""
    try:
        return call()
    except Exception as error:
        known = error if isinstance(error, CloudlinkError) else cloud.translate(error)
        if not isinstance(known, CredentialsError):
            raise
        unread.append(f"{what} may not be read, and are not rehearsed")
        return nothing


def _lets_out(azure: Azure, nodes: AzureSubnet | None, unread: list[str]) -> tuple[FilterRule, ...] | None:
    """By the subnet's security group; those before single nodes are not looked at."""
    if nodes is None or not nodes.security_group_id:
        return None
    id_, what = nodes.security_group_id, "Azure's network security groups"
    held: Json | None = _unless_denied(azure, lambda: azure.thing(id_), None, what, unread)
    return security_group(held).outbound if held is not None else None


def _turned_away(azure: Azure, subnet: AzureSubnet | None, vpc: Iterable[IPv4Network]) -> tuple[IPv4Network, ...]:
    """A user's own route wins where it is as long as what BGP says or longer.
    https://learn.microsoft.com/azure/virtual-network/virtual-networks-udr-overview"""
    raw = azure.thing(subnet.route_table_id) if subnet is not None and subnet.route_table_id else None
    if raw is None:
        return ()
    table = route_table(raw)
    ways = [(r.range, r.next_hop) for r in table.routes if r.range is not None]
    led = [where for where, hop in ways if hop == _GATEWAY]
    away = [where for where, hop in ways if hop != _GATEWAY and any(where.subnet_of(v) for v in vpc)]
    if not table.propagates:
        away += [v for v in vpc if not any(v.subnet_of(where) for where in led)]
    return tuple(away)


class _Ways:
    """Which subnets' route tables lead to the VPN gateway, and which network ACLs are around them."""

    def __init__(
        self, aws: Aws, vpc: str, gateways: set[str], unread: list[str], by_transit: transit.Through | None = None
    ) -> None:
        self._subnets: tuple[Subnet, ...] = parse_subnets(aws.subnets(vpc))
        none: tuple[Acl, ...] = ()
        found = _unless_denied(aws, lambda: acls(aws.network_acls(vpc)), none, "AWS's network ACLs", unread)
        self._acls = {subnet: acl for acl in found for subnet in acl.subnets}
        self._tables: tuple[Table, ...] = tables(aws.route_tables(vpc))
        self._gateways = gateways
        self._by_transit = by_transit

    def host(self, address: str) -> Host:
        at = IPv4Address(address)
        subnet = next((s for s in self._subnets if s.network is not None and at in s.network), None)
        own = [t for t in self._tables if subnet is not None and subnet.id in t.subnets]
        table = next(iter(own or [t for t in self._tables if t.main]), None)
        acl = self._acls.get(subnet.id) if subnet is not None else None
        around: dict[str, Any] = {"acl_in": acl.inbound, "acl_out": acl.outbound} if acl is not None else {}
        if table is None:
            return Host(address, False, **around)
        leads = set(table.propagates) | {r.target for r in table.routes if r.active}
        reached = self._by_transit is None or (self._by_transit.back and self._in_its_zones(subnet))
        return Host(address, reached and bool(leads & self._gateways), **around)

    def _in_its_zones(self, subnet: Subnet | None) -> bool:
        """Whether the transit gateway is attached in the zone of the subnet: from elsewhere no packet gets to it."""
        assert self._by_transit is not None
        zones = {s.zone for s in self._subnets if s.id in self._by_transit.subnets}
        return subnet is not None and subnet.zone in zones


def _endpoints(link: Link, aws: Aws, ways: _Ways) -> tuple[Host, ...]:
    vpc = link.aws.vpc_id
    found = aws.resolver_endpoints()
    hosts = {
        str(address.address): replace(ways.host(str(address.address)), lets_in=_lets_in(aws, vpc, endpoint.groups))
        for endpoint in endpoints(e for e in found if inbound_of([e], vpc))
        for address in addresses(aws.endpoint_addresses(endpoint.id))
        if address.address is not None
    }
    return tuple(hosts[a] for a in sorted(hosts))


def _lets_in(aws: Aws, vpc: str, wanted: Iterable[str]) -> tuple[Rule, ...] | None:
    """By ranges: what comes from another group does not come from Azure."""
    ids = set(wanted)
    if not ids:
        return None
    raw = aws.security_groups(vpc)
    found: set[Rule] = set()
    for rule in chain.from_iterable(rules(g) for g, of in zip(raw, groups(raw), strict=True) if of.id in ids):
        if rule.source.startswith("pl-"):
            found |= {replace(rule, source=str(p)) for p in prefix_list(aws.prefix_list(rule.source))}
        elif rule.source[:1].isdigit() and ":" not in rule.source:
            found.add(rule)
    return tuple(sorted(found))


def _target(
    address: str,
    link: Link,
    aws: Aws,
    names: Mapping[str, tuple[str, ...]],
    balancers: Mapping[str, LoadBalancer],
    ways: _Ways,
) -> Host:
    """A load balancer says itself where it listens. Of another address nobody does: it is asked where ``verify-dns``
    would."""
    host = ways.host(address)
    balancer = balancers.get(address)
    if balancer is not None:
        host = replace(host, lets_in=_lets_in(aws, link.aws.vpc_id, balancer.groups))
        try:
            heard = listeners(aws.listeners(balancer.arn))
        except Exception as error:
            known = error if isinstance(error, CloudlinkError) else aws.translate(error)
            if not isinstance(known, CredentialsError):
                raise
        else:
            return replace(host, ports=tuple(s.port for s in heard), tls=frozenset(s.port for s in heard if s.tls))
        # what may not be read is asked as of the others
    configured = [h for name, h in link.dns.named_hosts.items() if address in names.get(name, ())]
    ports = tuple(sorted({p for h in configured for p in h.ports}))
    tls = frozenset(p for h in configured for p in h.tls_ports)
    return replace(host, ports=ports, tls=tls) if configured else host


def _zone(link: Link, aws: Aws) -> tuple[str, dict[str, tuple[str, ...]], dict[str, LoadBalancer]]:
    """The first zone that the VPC uses for the link's names, what the names of all of them lead to, and the load balancers
    among that."""
    found = [z for z in zones_of_vpc(aws.zones_of_vpc(link.aws.vpc_id)) if z.name in link.dns.zone_names]
    contents = [r for zone in found for r in records(aws.records(zone.id)) if r.type == "A"]
    return link.dns.zone, *_addresses(aws, contents)


def _zones_below(link: Link, aws: Aws) -> dict[str, dict[str, tuple[str, ...]]]:
    """The link's other zones as well. Of a name in two zones the longer one answers, whether it knows the name or not."""
    of_vpc = [z for z in zones_of_vpc(aws.zones_of_vpc(link.aws.vpc_id)) if z.name != link.dns.zone]
    found = [z for z in of_vpc if link.dns.zone_of(z.name) is not None]
    return {z.name: _addresses(aws, [r for r in records(aws.records(z.id)) if r.type == "A"])[0] for z in found}


def _sent_away(link: Link, aws: Aws) -> tuple[str, ...]:
    domains = {rule.domain for rule in aws.forward_rules(link.aws.vpc_id)}
    return tuple(sorted(d for d in domains if link.dns.zone_of(d) is not None))


def _addresses(aws: Aws, contents: list[FoundRecord]) -> tuple[dict[str, tuple[str, ...]], dict[str, LoadBalancer]]:
    known = {b.dns_name.lower(): b for b in load_balancers(aws.load_balancers())} if contents else {}

    def balancer(content: FoundRecord) -> LoadBalancer | None:
        name = next(iter(content.values), "").lower()
        return known.get(name) or known.get(name.removeprefix("dualstack."))

    named = {c.name: balancer(c) if c.alias else None for c in contents}
    all_of_them = {b.arn: b for b in named.values() if b is not None}
    behind = aws.load_balancer_addresses(all_of_them)
    names = {
        c.name: c.values if not c.alias else behind.get(b.arn, ()) if (b := named[c.name]) is not None else ()
        for c in contents
    }
    return names, {a: all_of_them[arn] for arn, found in behind.items() for a in found}
