"""What AWS's stores say, in the words of the world."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from moto.elbv2.models import elbv2_backends

from cloudlink_sandbox.aws.account import AwsAccount
from cloudlink_sandbox.aws.backend import SandboxEc2, ranges_of
from cloudlink_sandbox.aws.objects import VpnConnection
from cloudlink_sandbox.aws.prefix_lists import ranges_in
from cloudlink_sandbox.aws.resolver import endpoints_of
from cloudlink_sandbox.aws.resolver_rules import forwarding_of
from cloudlink_sandbox.aws.route53_zones import RecordSet, plain
from cloudlink_sandbox.aws.transit_gateways import table_of
from cloudlink_sandbox.aws.transit_route_tables import answers_from, blackholes_before, vpcs_behind
from cloudlink_sandbox.facts import (
    AwsFacts,
    AwsTunnel,
    DirectConnect,
    EksCluster,
    ForwardingRule,
    Interface,
    PacketRule,
    Record,
    RouteTable,
    Rule,
    Subnet,
    TransitRoutes,
    VpcSender,
    Zone,
)

_ALIAS_TTL = 60
_MOST_PREFIXES, _MOST_PREFIXES_OF_TRANSIT = 100, 1_000


def facts_of(cloud: AwsAccount, stores: list[SandboxEc2]) -> AwsFacts:
    """Called under the context's lock, with moto's stores in place."""
    facts = AwsFacts({}, {}, {}, (), (), ())
    interfaces: list[Interface] = []
    tunnels: list[AwsTunnel] = []
    forwarding: list[ForwardingRule] = []
    transit: list[TransitRoutes] = []
    clusters: list[EksCluster] = []
    for store in stores:
        for vpc in store.vpcs.values():
            facts.vpcs[vpc.id] = ranges_of(vpc)
        _tables(store, facts, cloud.now)
        interfaces += _resolver_interfaces(cloud, store)
        interfaces += _balancer_interfaces(cloud, store) + _server_interfaces(cloud, store)
        for connection in store.vpn_connections.values():
            tunnels += _tunnels(cloud, store, connection)
        senders = _resolver_senders(cloud, store)
        forwarding += forwarding_of(cloud, store.region_name, senders)
        clusters += _clusters(cloud, store)
        transit += _transit(store, cloud.now)
    return AwsFacts(
        facts.vpcs,
        facts.subnets,
        facts.route_tables,
        tuple(interfaces),
        _zones(cloud, interfaces),
        tuple(tunnels),
        tuple(forwarding),
        tuple(transit),
        _direct_connects(cloud, stores),
        tuple(clusters),
        cloud.vpc_dns.filters(),
    )


def _direct_connects(cloud: AwsAccount, stores: list[SandboxEc2]) -> tuple[DirectConnect, ...]:
    """Each virtual interface with each association of its gateway."""
    found = []
    for gateway in cloud.direct_connect.by_id.values():
        for association in gateway.associations:
            for interface in gateway.interfaces:
                for store in stores:
                    there = store.vpn_gateways.get(association.gateway_id)
                    if there is None or store.region_name != association.region:
                        continue
                    vpcs = there.attached_to(cloud.now)
                    found.append(
                        DirectConnect(
                            association.id,
                            there.id,
                            vpcs,
                            gateway.asn,
                            interface.asn,
                            tuple(association.allowed)
                            or tuple(r for v in vpcs if v in store.vpcs for r in ranges_of(store.vpcs[v])),
                            working=association.state == "associated" and interface.state == "available",
                        )
                    )
    return tuple(found)


def _transit(store: SandboxEc2, now: float) -> list[TransitRoutes]:
    """Of each attachment of a VPC the table that it is associated with."""
    book = store.transit_gateway_attachments
    live = {a.id: a for a in book.values() if a.life.at(now) in ("available", "modifying")}
    found = []
    for attachment in live.values():
        table = table_of(store, attachment.id, now) if attachment.kind == "vpc" else None
        if table is None:
            continue
        static = tuple(
            (prefix, live[target].resource_id if target in live else None) for prefix, target in table.routes.items()
        )
        learns = {a for a, life in table.propagations.items() if life.at(now) == "enabled"}
        connections = frozenset(live[a].resource_id for a in learns if a in live)
        found.append(TransitRoutes(attachment.gateway_id, attachment.resource_id, static, connections))
    return found


def _destinations(store: SandboxEc2, route: Any) -> tuple[IPv4Network, ...]:
    """The range of a route, or the ranges of the list that it names."""
    if route.destination_cidr_block:
        return (IPv4Network(route.destination_cidr_block),)
    list_id = route.destination_prefix_list_id
    return ranges_in(store, list_id) if list_id else ()


def _tables(store: SandboxEc2, facts: AwsFacts, now: float) -> None:
    main: dict[str, str] = {}
    explicit: dict[str, str] = {}
    for table in store.route_tables.values():
        if table.main_association_id:
            main[table.vpc_id] = table.id
        for target in table._associations.values():
            explicit[target] = table.id
        facts.route_tables[table.id] = RouteTable(
            table.id,
            table.vpc_id,
            frozenset(store.propagations.get(table.id, ())),
            tuple(
                (prefix, str(r.gateway_id or r.transit_gateway_id))
                for r in table.routes
                for prefix in _destinations(store, r)
                if not r.local
                and (
                    answers_from(store, r.transit_gateway_id, table.vpc_id, now)
                    if r.transit_gateway_id
                    else str(r.gateway_id or "").startswith("vgw-")
                )
            ),
        )
    acls = {
        association.subnet_id: (_acl_rules(acl, leaving=False), _acl_rules(acl, leaving=True))
        for acl in store.network_acls.values()
        for association in acl.associations
    }
    for zone in store.subnets.values():
        for subnet in zone.values():
            entering, leaving = acls.get(subnet.id, (None, None))
            facts.subnets[subnet.id] = Subnet(
                subnet.id,
                IPv4Network(subnet.cidr_block),
                subnet.vpc_id,
                explicit.get(subnet.id) or main.get(subnet.vpc_id, ""),
                entering,
                leaving,
            )


_EVERYWHERE = IPv4Network("0.0.0.0/0")
_PROTOCOLS = {"-1": "-1", "6": "tcp", "17": "udp", "tcp": "tcp", "udp": "udp"}


def _acl_rules(acl: Any, *, leaving: bool) -> tuple[PacketRule, ...]:
    """The entries of one direction in the order of their numbers; ICMP and IPv6 carry nothing here."""
    found = []
    for entry in sorted(acl.network_acl_entries, key=lambda e: int(e.rule_number)):
        protocol = _PROTOCOLS.get(str(entry.protocol))
        if bool(entry.egress) != leaving or protocol is None or not entry.cidr_block:
            continue
        every = protocol == "-1" or entry.port_range_from is None
        other = IPv4Network(entry.cidr_block)
        found.append(
            PacketRule(
                entry.rule_action == "allow",
                protocol,
                0 if every else int(entry.port_range_from),
                65_535 if every else int(entry.port_range_to),
                *((_EVERYWHERE, other) if leaving else (other, _EVERYWHERE)),
            )
        )
    return tuple(found)


def _rules(store: SandboxEc2, group_ids: Iterable[str], *, leaving: bool = False) -> tuple[Rule, ...]:
    """Inbound or outbound rules with an address range; groups as sources do not reach across the tunnels."""
    found: list[Rule] = []
    for group_id in group_ids:
        group = store.get_security_group_from_id(group_id)
        for rule in (group.egress_rules if leaving else group.ingress_rules) if group else ():
            source = (rule.ip_range or {}).get("CidrIp")
            sources: tuple[IPv4Network, ...] = (IPv4Network(source),) if source else ()
            if rule.prefix_list_id:
                sources = ranges_in(store, rule.prefix_list_id)
            first, last = rule.from_port, rule.to_port
            every = rule.ip_protocol == "-1" or first in (None, -1)
            ports = (0, 65_535) if every else (int(first or 0), int(last or 0))
            found += [Rule(str(rule.ip_protocol), *ports, one) for one in sources]
    return tuple(found)


def _resolver_interfaces(cloud: AwsAccount, store: SandboxEc2) -> list[Interface]:
    now = cloud.now
    return [
        Interface(
            address=address.ip,
            subnet_id=address.subnet_id,
            kind="resolver",
            owner=endpoint.id,
            rules=_rules(store, endpoint.security_groups),
            working=address.life.at(now) == "ATTACHED"
            and endpoint.status(now) in ("OPERATIONAL", "UPDATING", "ACTION_NEEDED")
            and not cloud.context.faults.active("endpoint-ip-down", str(address.ip)),
            ports=frozenset({53}),
        )
        for endpoint in endpoints_of(cloud.account, store.region_name).values()
        if endpoint.direction == "INBOUND"
        for address in endpoint.present(now)
    ]


def _resolver_senders(cloud: AwsAccount, store: SandboxEc2) -> dict[str, tuple[VpcSender, ...]]:
    """Of outbound endpoints, by id: the addresses from which they ask."""
    now = cloud.now
    return {
        endpoint.id: tuple(
            VpcSender(address.ip, address.subnet_id, _rules(store, endpoint.security_groups, leaving=True))
            for address in endpoint.present(now)
            if address.life.at(now) == "ATTACHED"
            and not cloud.context.faults.active("endpoint-ip-down", str(address.ip))
        )
        for endpoint in endpoints_of(cloud.account, store.region_name).values()
        if endpoint.direction == "OUTBOUND" and endpoint.status(now) in ("OPERATIONAL", "UPDATING", "ACTION_NEEDED")
    }


_MOST_NODES = 2


def _clusters(cloud: AwsAccount, store: SandboxEc2) -> list[EksCluster]:
    """Assumption: a cluster has a node in each of its first two subnets, with the cluster's security group."""
    subnets = {s.id: IPv4Network(s.cidr_block) for zone in store.subnets.values() for s in zone.values()}
    found = []
    for (region, name), cluster in cloud.clusters.items():
        if region != store.region_name:
            continue
        rules = _rules(store, (cluster.security_group_id,), leaving=True) if cluster.security_group_id else None
        nodes = tuple(
            VpcSender(subnets[i].broadcast_address - 2, i, rules)
            for i in cluster.subnet_ids[:_MOST_NODES]
            if i in subnets
        )
        first = cluster.service_cidr.network_address
        found.append(EksCluster(region, name, cluster.vpc_id, cluster.service_cidr, first + 10, cluster.version, nodes))
    return found


def _balancer_interfaces(cloud: AwsAccount, store: SandboxEc2) -> list[Interface]:
    found: list[Interface] = []
    for balancer in elbv2_backends[cloud.account][store.region_name].load_balancers.values():
        kept = cloud.balancers.get(balancer.arn)
        listeners = list(balancer.listeners.values())
        groups = tuple(balancer.security_groups or ())
        for interface_id in kept.interfaces if kept else ():
            interface = store.enis[interface_id]
            found.append(
                Interface(
                    address=IPv4Address(interface.private_ip_address),
                    subnet_id=interface.subnet_id,
                    kind="load-balancer",
                    owner=balancer.arn,
                    rules=_rules(store, groups) if groups else None,
                    working=balancer.state == "active"
                    and not cloud.context.faults.active("endpoint-ip-down", str(interface.private_ip_address)),
                    ports=frozenset(int(one.port) for one in listeners),
                    tls=frozenset(int(one.port) for one in listeners if one.protocol in ("TLS", "HTTPS")),
                )
            )
    return found


def _server_interfaces(cloud: AwsAccount, store: SandboxEc2) -> list[Interface]:
    found = []
    for address, server in cloud.fixtures.servers.items():
        interface = store.enis.get(server.interface_id)
        if interface is not None:
            found.append(
                Interface(
                    address=IPv4Address(address),
                    subnet_id=interface.subnet.id,
                    kind="load-balancer",
                    owner=interface.id,
                    rules=_rules(store, tuple(g.id for g in interface.group_set)),
                    working=not cloud.context.faults.active("endpoint-ip-down", address),
                    ports=frozenset(server.ports),
                    tls=frozenset(server.tls),
                )
            )
    return found


def _zones(cloud: AwsAccount, interfaces: list[Interface]) -> tuple[Zone, ...]:
    addresses: dict[str, tuple[str, ...]] = {}
    for balancer in cloud.balancers.values():
        addresses[balancer.dns_name.lower()] = tuple(str(i.address) for i in interfaces if i.owner == balancer.arn)

    def record(found: RecordSet) -> Record | None:
        name = plain(found.name)
        if found.alias is None:
            return Record(name, found.type, found.ttl or 0, found.values)
        target = plain(found.alias[1]).removeprefix("dualstack.")
        if found.type != "A":
            return None  # an alias to an IPv4 load balancer has no AAAA
        return Record(name, "A", _ALIAS_TTL, addresses.get(target, ()))

    return tuple(
        Zone(
            zone.id,
            plain(zone.name),
            frozenset(zone.vpcs) | cloud.vpc_dns.profiled("hostedzone", zone.id),
            tuple(r for r in map(record, zone.in_order()) if r is not None),
        )
        for zone in cloud.zones.zones.values()
        if zone.private
    )


def _gateway_facts(store: SandboxEc2, connection: VpnConnection, now: float) -> tuple[str, tuple[str, ...], int, float]:
    """Gateway id, the VPCs it serves, Amazon's ASN, and when its attachments last changed."""
    if connection.vpn_gateway_id:
        gateway = store.vpn_gateways[connection.vpn_gateway_id]
        vpcs = gateway.attached_to(now)
        since = max((gateway.attachments[v].since(now) for v in vpcs), default=gateway.born)
        return gateway.id, vpcs, gateway.asn, since
    transit = store.transit_gateways[connection.transit_gateway_id or ""]
    return transit.id, vpcs_behind(store, connection.id, now), transit.asn, 0.0


def _tunnels(cloud: AwsAccount, store: SandboxEc2, connection: VpnConnection) -> list[AwsTunnel]:
    now = cloud.now
    if connection.life.at(now) in ("deleting", "deleted"):
        return []
    customer = store.customer_gateways[connection.customer_gateway_id]
    gateway_id, vpcs, asn, gateway_since = _gateway_facts(store, connection, now)
    opened = next((start for name, start in connection.life.steps if name == "available"), connection.born)
    return [
        AwsTunnel(
            connection_id=connection.id,
            vpc_ids=vpcs,
            unannounced=blackholes_before(store, connection.id, now) if connection.transit_gateway_id else frozenset(),
            gateway_id=gateway_id,
            outside_ip=tunnel.options.outside,
            inside=tunnel.options.inside,
            psk=tunnel.options.psk,
            customer_ip=customer.ip,
            customer_asn=customer.asn,
            amazon_asn=asn,
            proposals=tunnel.options.proposals(),
            initiates=tunnel.options.startup == "start",
            static=connection.static,
            reopens=tunnel.options.dpd_action == "restart",
            any_traffic=connection.local_cidr == connection.remote_cidr == str(_EVERYWHERE),
            sa_seconds=tunnel.options.phase2_lifetime,
            most_prefixes=_MOST_PREFIXES_OF_TRANSIT if connection.transit_gateway_id else _MOST_PREFIXES,
            ready=connection.ready(tunnel, now),
            changed_at=max(customer.life.since(now), gateway_since, tunnel.changed_at, min(opened, now)),
        )
        for tunnel in connection.tunnels
    ]
