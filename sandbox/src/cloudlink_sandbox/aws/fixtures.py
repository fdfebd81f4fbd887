"""What AWS holds at the start: what the world file says exists, and somebody else's objects."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend
from moto.elbv2.models import elbv2_backends

from cloudlink_sandbox.aws.account import AwsAccount, ServerAt
from cloudlink_sandbox.aws.backend import SandboxEc2, network_of, new_id
from cloudlink_sandbox.aws.load_balancers import finish
from cloudlink_sandbox.aws.objects import Cluster, CustomerGateway, VpnGateway
from cloudlink_sandbox.aws.route53_zones import HostedZone, canonical, first_records
from cloudlink_sandbox.aws.shared_vpcs import share
from cloudlink_sandbox.aws.timeline import Timeline
from cloudlink_sandbox.aws.wire import seed_transit_gateway, seed_wire
from cloudlink_sandbox.wires import plan_of
from cloudlink_sandbox.world_file import Aws, KubernetesService, LoadBalancer, Server, WorldFile

_LONG_AGO = 30 * 86_400.0


def seed(cloud: AwsAccount, world: WorldFile) -> None:
    """Called under the context's lock. In a VPC that is there already only new load balancers and servers are added.

    What has a name or an id of its own stays as it is, whatever VPC is described around it now: a cluster stays in its VPC, a
    zone keeps its records and a gateway its attachments.
    """
    aws = world.aws
    store = network_of(cloud.account, aws.region)
    made = cloud.now - _LONG_AGO
    if aws.vpc in store.vpcs:
        subnets = [s.id for zone in store.subnets.values() for s in zone.values() if s.vpc_id == aws.vpc]
        _targets(cloud, store, aws, sorted(subnets))
        return
    vpc = _vpc(store, aws.vpc, aws.cidrs, f"{aws.eks_cluster}-vpc")
    if aws.vpc_owner:
        share(store.vpcs[vpc], aws.vpc_owner)
    zones = _zones(aws.region)
    names = iter(_subnet_ids(store, aws))
    eks = [
        _subnet(store, vpc, cidr, zone=zones[i % len(zones)], subnet_id=next(names), name=f"eks-{i}")
        for i, cidr in enumerate(aws.eks_subnets)
    ]
    balancing = [
        _subnet(store, vpc, cidr, zone=zones[i % len(zones)], subnet_id=next(names), name=f"lb-{i}")
        for i, cidr in enumerate(aws.load_balancer_subnets)
    ]
    _route_tables(store, aws, vpc, eks, balancing)
    group = store.create_security_group(f"eks-cluster-sg-{aws.eks_cluster}", "EKS created security group", vpc)
    cloud.clusters.setdefault(
        (aws.region, aws.eks_cluster),
        Cluster(aws.eks_cluster, aws.region, aws.eks_version, vpc, tuple(eks), group.id, aws.eks_service_cidr, made),
    )
    if aws.vpn_gateway is not None and aws.vpn_gateway.id not in store.vpn_gateways:
        gateway = VpnGateway(
            aws.vpn_gateway.id,
            aws.vpn_gateway.asn,
            None,
            Timeline.of("available", made),
            made,
            {vpc: Timeline.of("attached", made)},
        )
        store.vpn_gateways[gateway.id] = gateway
        store.create_tags([gateway.id], {"Name": "corp-gateway"})
    if aws.transit_gateway is not None and aws.transit_gateway.id not in store.transit_gateways:
        seed_transit_gateway(store, aws.transit_gateway, made)
    for zone in aws.hosted_zones:
        if zone.id.rsplit("/", 1)[-1] in cloud.zones.zones:
            continue
        _zone(cloud, zone.id, zone.name, {vpc: aws.region}, made)
    _targets(cloud, store, aws, balancing or eks)
    if (plan := plan_of(world)) is not None and world.azure.vnet is not None:
        peered = [p for aks in world.azure.more_aks if aks.vnet for p in aks.vnet.prefixes]
        seed_wire(cloud, store, aws, [*world.azure.vnet.prefixes, *peered], plan, eks)
    if world.foreign_objects:
        _foreign_objects(cloud, store, vpc, aws, made)


def _zones(region: str) -> tuple[str, ...]:
    """Up to three availability zones that a new account has in the region, as moto's list of them has it: us-west-1 has
    two, and ap-northeast-1 has no b."""
    zones = RegionsAndZonesBackend.zones.get(region)
    if not zones:
        raise ValueError(f"AWS has no region {region}, or one that is newer than this sandbox")
    return tuple(zone.name for zone in zones)[:3]


def _subnet_ids(store: SandboxEc2, aws: Aws) -> Iterable[str]:
    """Those that the world file names come first; the rest, and what is in another VPC already, get ids of their own."""
    there = {name for zone in store.subnets.values() for name in zone}
    yield from (name for name in aws.subnet_ids if name not in there)
    while True:
        yield new_id("subnet")


def _vpc(store: SandboxEc2, vpc_id: str, cidrs: tuple[IPv4Network, ...], name: str) -> str:
    """A VPC under this id. moto draws the id of a VPC itself, so it is changed everywhere."""
    vpc = store.create_vpc(str(cidrs[0]))
    old = vpc.id
    store.vpcs[vpc_id] = store.vpcs.pop(old)
    vpc.id = vpc_id
    for things in (store.route_tables, store.network_acls):
        for thing in things.values():
            if thing.vpc_id == old:
                thing.vpc_id = vpc_id
    store.groups[vpc_id] = store.groups.pop(old)
    for group in store.groups[vpc_id].values():
        group.vpc_id = vpc_id
    vpc.enable_dns_hostnames = vpc.enable_dns_support = True
    for cidr in cidrs[1:]:
        vpc.associate_vpc_cidr_block(str(cidr))
        for table in store.route_tables.values():
            if table.vpc_id == vpc_id:
                store.create_route(table.id, str(cidr), local=True)
    store.create_tags([vpc_id], {"Name": name})
    return vpc_id


def _subnet(store: SandboxEc2, vpc: str, cidr: IPv4Network, *, zone: str, subnet_id: str, name: str) -> str:
    subnet = store.create_subnet(vpc, str(cidr), availability_zone=zone)
    old = subnet.id
    store.subnets[zone][subnet_id] = store.subnets[zone].pop(old)
    subnet.id = subnet_id
    for acl in store.network_acls.values():
        for association in acl.associations:
            if association.subnet_id == old:
                association.subnet_id = subnet_id
    store.create_tags([subnet_id], {"Name": name, "kubernetes.io/role/internal-elb": "1"})
    return subnet_id


def _route_tables(store: SandboxEc2, aws: Aws, vpc: str, eks: list[str], balancing: list[str]) -> None:
    """One table for the first two EKS subnets, one for the others; load balancers' subnets use the main table."""
    named = iter([name for name in aws.route_tables if name not in store.route_tables])

    def table(name: str) -> str:
        made = store.create_route_table(vpc)
        table_id = next(named, made.id)
        store.route_tables[table_id] = store.route_tables.pop(made.id)
        made.id = table_id
        store.create_tags([table_id], {"Name": name})
        return str(table_id)

    shared = table("eks-shared")
    own = table("eks-own") if len(eks) > 2 else shared
    for number, subnet in enumerate(eks):
        store.associate_route_table(shared if number < 2 else own, subnet_id=subnet)
    for number, table_id in enumerate(named):  # more tables than the EKS subnets need
        made = store.create_route_table(vpc)
        store.route_tables[table_id] = store.route_tables.pop(made.id)
        made.id = table_id
        if number < len(balancing):
            store.associate_route_table(table_id, subnet_id=balancing[number])


def _zone(cloud: AwsAccount, zone_id: str, name: str, vpcs: dict[str, str], made: float) -> None:
    short = zone_id.rsplit("/", 1)[-1]
    zone = HostedZone(short, canonical(name), f"made-by-hand-{short}", "", True, vpcs, made)
    first_records(zone)
    cloud.zones.zones[short] = zone


def _server(cloud: AwsAccount, store: SandboxEc2, wanted: Server, vpc: str) -> None:
    """A machine at a fixed address, open to everybody on its ports. An address outside the VPC, or one that something
    else has, is left as it is: then nothing answers there, as in the cloud."""
    address = wanted.address
    server = cloud.fixtures.servers.get(str(address))
    if server is not None and server.interface_id not in store.enis:  # the world file named another region before
        server = _server_again(cloud, store, wanted)
    if server is None:
        subnet = next(
            (
                s
                for zone in store.subnets.values()
                for s in zone.values()
                if s.vpc_id == vpc and address in IPv4Network(s.cidr_block)
            ),
            None,
        )
        if subnet is None or any(str(address) == e.private_ip_address for e in store.enis.values()):
            return
        group = store.create_security_group(f"server-{address}", "a machine with a fixed address", vpc)
        interface = store.create_network_interface(
            subnet.id, str(address), group_ids=[group.id], description=f"server {wanted.name}"
        )
        interface.status = "in-use"
        server = cloud.fixtures.servers[str(address)] = ServerAt(interface.id, set(), set())
    groups = [g.id for g in store.enis[server.interface_id].group_set]
    for port in set(wanted.ports) - server.ports:
        for group_id in groups:
            _let_in(store, group_id, port)
    server.ports |= set(wanted.ports)
    server.tls |= set(wanted.tls_ports)


def _server_again(cloud: AwsAccount, store: SandboxEc2, wanted: Server) -> ServerAt | None:
    """The machine that an earlier start has made in this region, as open as it is; None: there was none."""
    address = str(wanted.address)
    for interface in store.enis.values():
        if interface.private_ip_address == address and interface.description == f"server {wanted.name}":
            ports = {int(r.from_port) for g in interface.group_set for r in g.ingress_rules if r.from_port}
            server = cloud.fixtures.servers[address] = ServerAt(interface.id, ports, set())
            return server
    return None


def _targets(cloud: AwsAccount, store: SandboxEc2, aws: Aws, subnets: list[str]) -> None:
    for server in aws.servers:
        _server(cloud, store, server, aws.vpc)
    for one in aws.load_balancers:
        kind = "net" if one.type == "network" else "app"
        _balancer(cloud, store, one, name=one.name, kind=kind, subnets=subnets, arn=one.arn)
    for service in aws.services:
        key = (aws.region, service.kind, service.namespace, service.name)
        kind = "net" if service.kind == "service" else "app"
        name = f"k8s-{service.namespace[:8]}-{service.name[:8]}-{secrets.token_hex(5)}"
        found = cloud.fixtures.kubernetes.get(key)
        dns = _balancer(cloud, store, service, name=name, kind=kind, subnets=subnets, arn=None, dns_name=found)
        cloud.fixtures.kubernetes[key] = dns


def _balancer(
    cloud: AwsAccount,
    store: SandboxEc2,
    wanted: LoadBalancer | KubernetesService,
    *,
    name: str,
    kind: str,
    subnets: list[str],
    arn: str | None,
    dns_name: str | None = None,
) -> str:
    """The DNS name of this load balancer, made now or by an earlier entry; its listeners grow with every entry."""
    balancers = elbv2_backends[cloud.account][store.region_name]
    made: Any = next(
        (
            b
            for b in balancers.load_balancers.values()
            if b.arn == arn or b.dns_name == dns_name or (not dns_name and b.name == name)
        ),
        None,
    )
    if made is None:
        groups = [_balancer_group(store, name, subnets[0])] if kind == "app" else []
        made = balancers.create_load_balancer(
            name, groups, subnets, scheme="internal", loadbalancer_type="network" if kind == "net" else "application"
        )
        kept = finish(store, balancers, made, arn)
        cloud.balancers[kept.arn] = kept
    there = {int(one.port) for one in made.listeners.values()}
    for port in wanted.ports:
        if port not in there:
            tls = port in wanted.tls_ports
            protocol = ("TLS" if tls else "TCP") if kind == "net" else ("HTTPS" if tls else "HTTP")
            policy: Any = "ELBSecurityPolicy-TLS13-1-2-2021-06" if tls else None
            action = _action(balancers, made, protocol, port)
            listener = balancers.create_listener(made.arn, protocol, str(port), policy, None, [action])
            if tls:
                place = f"arn:aws:acm:{store.region_name}:{cloud.account}:certificate"
                listener.certificate = f"{place}/{uuid.uuid5(uuid.NAMESPACE_DNS, str(made.dns_name))}"
                listener.certificates = [listener.certificate]
            for group_id in made.security_groups:
                _let_in(store, group_id, port)
    return str(made.dns_name)


def _action(balancers: Any, made: Any, protocol: str, port: int) -> dict[str, Any]:
    """An application load balancer answers by itself; one for networks only forwards."""
    if made.type != "network":
        return {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}
    group = balancers.create_target_group(
        f"{made.name[:20].strip('-')}-{port}", protocol=protocol, port=port, vpc_id=made.vpc_id, target_type="ip"
    )
    group.load_balancer_arns = [made.arn]
    balancers.register_targets(group.arn, [{"Id": str(_somewhere(made.subnets[0].cidr_block)), "Port": port}])
    return {"Type": "forward", "TargetGroupArn": group.arn}


def _somewhere(subnet: str) -> IPv4Address:
    """A pod that the load balancer leads to; nothing else is known of it."""
    return IPv4Network(subnet)[-6]


def _balancer_group(store: SandboxEc2, name: str, subnet_id: str) -> str:
    vpc = store.get_subnet(subnet_id).vpc_id
    return str(store.create_security_group(f"{name}-lb", "load balancer", vpc).id)


def _let_in(store: SandboxEc2, group_id: str, port: int) -> None:
    store.authorize_security_group_ingress(
        group_name_or_id=group_id,
        ip_protocol="tcp",
        from_port=str(port),
        to_port=str(port),
        ip_ranges=[{"CidrIp": "0.0.0.0/0"}],
        source_groups=[],
        prefix_list_ids=[],
    )


def _foreign_objects(cloud: AwsAccount, store: SandboxEc2, vpc: str, aws: Aws, made: float) -> None:
    """Somebody else's: a VPC with its gateway, a customer gateway, a security group in the world file's VPC, a zone."""
    other = store.create_vpc("172.29.0.0/16").id
    store.create_tags([other], {"Name": "billing"})
    gateway = VpnGateway(
        new_id("vgw"), 65_010, None, Timeline.of("available", made), made, {other: Timeline.of("attached", made)}
    )
    store.vpn_gateways[gateway.id] = gateway
    store.create_tags([gateway.id], {"Name": "billing-datacenter"})
    customer = CustomerGateway(
        new_id("cgw"), IPv4Address("192.0.2.77"), 65_020, None, Timeline.of("available", made), made
    )
    store.customer_gateways[customer.id] = customer
    store.create_tags([customer.id], {"Name": "billing-datacenter"})
    store.create_security_group("bastion", "not ours", vpc, tags={"Name": "bastion"})
    _zone(cloud, "Z0STRANGERBILLING000", "billing.internal", {other: aws.region}, made)
