"""What answers Azure's requests, a part for each type of resource."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cloudlink_sandbox.azure.admin_rules import EffectiveRules
from cloudlink_sandbox.azure.bgp import Bgp
from cloudlink_sandbox.azure.connections import Connections
from cloudlink_sandbox.azure.deployments import Deployments
from cloudlink_sandbox.azure.dns_resolvers import (
    ForwardingRules,
    InboundEndpoints,
    OutboundEndpoints,
    Resolvers,
    RulesetLinks,
    Rulesets,
)
from cloudlink_sandbox.azure.entra import Entra
from cloudlink_sandbox.azure.express_route import Circuits
from cloudlink_sandbox.azure.facts import AksEndpoint
from cloudlink_sandbox.azure.governance import Governance
from cloudlink_sandbox.azure.local_gateways import LocalGateways
from cloudlink_sandbox.azure.managed_clusters import ManagedClusters
from cloudlink_sandbox.azure.monitor import Monitor
from cloudlink_sandbox.azure.operations import Operations
from cloudlink_sandbox.azure.policies import Policies
from cloudlink_sandbox.azure.private_records import ARecords, CnameRecords
from cloudlink_sandbox.azure.private_zones import PrivateZones, ZoneLinks
from cloudlink_sandbox.azure.public_ips import PublicIps
from cloudlink_sandbox.azure.resource_groups import ResourceGroups
from cloudlink_sandbox.azure.resource_provider import ResourceProvider
from cloudlink_sandbox.azure.routing_and_filtering import RouteTables, SecurityGroups
from cloudlink_sandbox.azure.store import Store
from cloudlink_sandbox.azure.usages import Usages
from cloudlink_sandbox.azure.vnets import Peerings, Subnets, VirtualNetworks
from cloudlink_sandbox.azure.vpn_gateways import VpnGateways


@dataclass
class Parts:
    """Everything that answers requests. providers: by resource type in lower case."""

    entra: Entra
    operations: Operations
    vnets: VirtualNetworks
    subnets: Subnets
    peerings: Peerings
    public_ips: PublicIps
    route_tables: RouteTables
    security_groups: SecurityGroups
    admin_rules: EffectiveRules
    gateways: VpnGateways
    local_gateways: LocalGateways
    connections: Connections
    circuits: Circuits
    resolvers: Resolvers
    inbound_endpoints: InboundEndpoints
    outbound_endpoints: OutboundEndpoints
    rulesets: Rulesets
    ruleset_links: RulesetLinks
    forwarding_rules: ForwardingRules
    private_zones: PrivateZones
    a_records: ARecords
    cname_records: CnameRecords
    vnet_links: ZoneLinks
    bgp: Bgp
    clusters: ManagedClusters
    groups: ResourceGroups
    deployments: Deployments
    governance: Governance
    usages: Usages
    monitor: Monitor
    providers: dict[str, ResourceProvider]


def make_parts(store: Store, entra: Entra, endpoint: Callable[[], AksEndpoint]) -> Parts:
    operations = Operations(store)
    vnets, subnets, peerings = (
        VirtualNetworks(store, operations),
        Subnets(store, operations),
        Peerings(store, operations),
    )
    public_ips, route_tables = PublicIps(store, operations), RouteTables(store, operations)
    security_groups, gateways = SecurityGroups(store, operations), VpnGateways(store, operations)
    local_gateways, connections = LocalGateways(store, operations), Connections(store, operations)
    circuits = Circuits(store, operations)
    resolvers, rulesets = Resolvers(store, operations), Rulesets(store, operations)
    inbound, outbound = InboundEndpoints(store, operations), OutboundEndpoints(store, operations)
    ruleset_links, rules = RulesetLinks(store, operations), ForwardingRules(store, operations)
    private_zones, vnet_links = PrivateZones(store, operations), ZoneLinks(store, operations)
    a_records, cname_records = ARecords(store, operations), CnameRecords(store, operations)
    private_zones.record_sets = (a_records, cname_records)
    clusters = ManagedClusters(store, operations, endpoint, entra.tenant)
    providers: list[ResourceProvider] = [
        vnets,
        subnets,
        peerings,
        public_ips,
        route_tables,
        security_groups,
        gateways,
        local_gateways,
        connections,
        circuits,
        resolvers,
        inbound,
        outbound,
        rulesets,
        ruleset_links,
        rules,
        private_zones,
        vnet_links,
        a_records,
        cname_records,
        clusters,
    ]
    by_type = {k.type.lower(): k for k in providers}
    return Parts(
        entra=entra,
        operations=operations,
        vnets=vnets,
        subnets=subnets,
        peerings=peerings,
        public_ips=public_ips,
        route_tables=route_tables,
        security_groups=security_groups,
        admin_rules=EffectiveRules(store),
        gateways=gateways,
        local_gateways=local_gateways,
        connections=connections,
        circuits=circuits,
        resolvers=resolvers,
        inbound_endpoints=inbound,
        outbound_endpoints=outbound,
        rulesets=rulesets,
        ruleset_links=ruleset_links,
        forwarding_rules=rules,
        private_zones=private_zones,
        a_records=a_records,
        cname_records=cname_records,
        vnet_links=vnet_links,
        bgp=Bgp(store, operations, gateways),
        clusters=clusters,
        groups=ResourceGroups(store, by_type, entra.tenant),
        deployments=Deployments(store, by_type),
        governance=Governance(store, Policies(store)),
        usages=Usages(store),
        monitor=Monitor(store),
        providers=by_type,
    )
