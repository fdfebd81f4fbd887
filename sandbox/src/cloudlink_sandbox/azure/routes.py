"""Every address that the sandbox's Azure answers, in one table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cloudlink_sandbox.azure.agent_pools import AgentPools
from cloudlink_sandbox.azure.exchange import Endpoint
from cloudlink_sandbox.azure.governance import AUTHORIZATION, POLICY_INSIGHTS, scopes
from cloudlink_sandbox.azure.log_analytics import LOG_ANALYTICS
from cloudlink_sandbox.azure.monitor import INSIGHTS
from cloudlink_sandbox.azure.parts import Parts
from cloudlink_sandbox.azure.resource_provider import ResourceProvider
from cloudlink_sandbox.azure.routing_and_filtering import RouteTables, SecurityGroups

SUB = "/subscriptions/{subscription}"
GROUP = SUB + "/resourceGroups/{group}"
NET = GROUP + "/providers/Microsoft.Network"
AKS = GROUP + "/providers/Microsoft.ContainerService/managedClusters"


@dataclass(frozen=True)
class Route:
    """word: what faults and the journal call it. named: the placeholder that names what it is about.

    writes: whether it changes something. open: whether it can be asked without a token.
    """

    method: str
    template: str
    endpoint: Endpoint
    word: str
    named: str = ""
    writes: bool = False
    open: bool = False
    audience: str = ""  # of another service than ARM, whose requests have no version

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(s for s in self.template.split("/") if s)


def table(parts: Parts) -> list[Route]:
    """Placeholders match one segment; everything else is compared without regard to case."""
    entra, groups, operations = parts.entra, parts.groups, parts.operations
    gateways, connections, clusters, bgp = parts.gateways, parts.connections, parts.clusters, parts.bgp
    pools = AgentPools(clusters)
    gateway, connection, cluster = NET + "/virtualNetworkGateways/{name}", NET + "/connections/{name}", AKS + "/{name}"
    return [
        # Entra ID
        Route("GET", "/metadata/endpoints", entra.endpoints, "metadata", open=True),
        Route("GET", "/common/discovery/instance", entra.instance_discovery, "discovery", open=True),
        Route(
            "GET",
            "/{tenant}/v2.0/.well-known/openid-configuration",
            entra.openid_configuration,
            "openid-configuration",
            open=True,
        ),
        Route(
            "GET",
            "/{tenant}/.well-known/openid-configuration",
            entra.openid_configuration,
            "openid-configuration",
            open=True,
        ),
        Route("GET", "/{tenant}/discovery/v2.0/keys", entra.keys, "keys", open=True),
        Route("POST", "/{tenant}/oauth2/v2.0/token", entra.token, "token", open=True),
        Route("POST", "/{tenant}/oauth2/token", entra.token, "token", open=True),
        # Subscriptions, groups, resources
        Route("GET", "/subscriptions", groups.subscriptions, "subscriptions"),
        Route("GET", "/tenants", groups.tenants, "tenants"),
        Route("GET", SUB, groups.subscription, "subscriptions", "subscription"),
        Route("GET", SUB + "/locations", groups.locations, "locations"),
        Route("GET", SUB + "/providers", groups.providers, "providers"),
        Route("GET", SUB + "/providers/{namespace}", groups.provider, "providers", "namespace"),
        Route("POST", SUB + "/providers/{namespace}/register", groups.register, "register", "namespace", writes=True),
        Route(
            "POST", SUB + "/providers/{namespace}/unregister", groups.unregister, "unregister", "namespace", writes=True
        ),
        Route("GET", SUB + "/resources", groups.resources, "resources"),
        Route("GET", GROUP + "/resources", groups.resources, "resources", "group"),
        Route("GET", SUB + "/resourceGroups", groups.list_groups, "resourceGroups"),
        Route("GET", GROUP, groups.get, "resourceGroups", "group"),
        Route("HEAD", GROUP, groups.head, "resourceGroups", "group"),
        Route("PUT", GROUP, groups.put, "resourceGroups", "group", writes=True),
        Route("PATCH", GROUP, groups.patch, "resourceGroups", "group", writes=True),
        Route("DELETE", GROUP, groups.delete, "resourceGroups", "group", writes=True),
        Route("GET", SUB + "/operationresults/{job}", groups.job, "operationResults"),
        *_tags(parts),
        *_governance(parts),
        *_usages(parts),
        *_monitor(parts),
        *_deployments(parts),
        # Operations
        Route(
            "GET",
            SUB + "/providers/{namespace}/locations/{location}/operations/{guid}",
            operations.status,
            "operations",
        ),
        Route(
            "GET",
            SUB + "/providers/{namespace}/locations/{location}/operationResults/{guid}",
            operations.result,
            "operationResults",
        ),
        # Microsoft.Network
        *_resource(NET, "virtualNetworks", parts.vnets),
        *_child(NET, "virtualNetworks", "subnets", parts.subnets),
        *_child(NET, "virtualNetworks", "virtualNetworkPeerings", parts.peerings),
        *_resource(NET, "publicIPAddresses", parts.public_ips),
        *_resource(NET, "routeTables", parts.route_tables),
        *_entries(NET + "/routeTables/{name}", parts.route_tables),
        *_resource(NET, "networkSecurityGroups", parts.security_groups),
        *_entries(NET + "/networkSecurityGroups/{name}", parts.security_groups),
        Route(
            "GET",
            NET + "/networkSecurityGroups/{name}/defaultSecurityRules",
            parts.security_groups.list_defaults,
            "defaultSecurityRules",
        ),
        *_resource(NET, "virtualNetworkGateways", gateways),
        *_resource(NET, "localNetworkGateways", parts.local_gateways),
        *_resource(NET, "connections", connections),
        *_resource(NET, "expressRouteCircuits", parts.circuits),
        *_names(parts),
        Route("GET", gateway + "/connections", connections.list_of_gateway, "connections"),
        Route("POST", gateway + "/reset", gateways.reset, "reset", "name", writes=True),
        Route("POST", gateway + "/getBgpPeerStatus", bgp.peer_status, "getBgpPeerStatus", "name"),
        Route("POST", gateway + "/getLearnedRoutes", bgp.learned_routes, "getLearnedRoutes", "name"),
        Route("POST", gateway + "/getAdvertisedRoutes", bgp.advertised_routes, "getAdvertisedRoutes", "name"),
        Route("GET", connection + "/sharedkey", connections.get_key, "sharedkey", "name"),
        Route("PUT", connection + "/sharedkey", connections.put_key, "sharedkey", "name", writes=True),
        Route("POST", connection + "/sharedkey/reset", connections.reset_key, "resetSharedkey", "name", writes=True),
        Route("POST", connection + "/resetconnection", connections.reset, "resetconnection", "name", writes=True),
        # Microsoft.ContainerService
        *_resource(GROUP + "/providers/Microsoft.ContainerService", "managedClusters", clusters),
        Route("GET", cluster + "/upgradeProfiles/default", clusters.upgrades, "upgradeProfiles", "name"),
        Route(
            "GET",
            SUB + "/providers/Microsoft.ContainerService/locations/{location}/kubernetesVersions",
            clusters.versions,
            "kubernetesVersions",
        ),
        Route("POST", cluster + "/stop", clusters.stop, "stop", "name", writes=True),
        Route("POST", cluster + "/start", clusters.start, "start", "name", writes=True),
        Route("GET", cluster + "/agentPools", pools.list_children, "agentPools"),
        Route("GET", cluster + "/agentPools/{pool}", pools.get, "agentPools", "pool"),
        Route("PUT", cluster + "/agentPools/{pool}", pools.put, "agentPools", "pool", writes=True),
        Route("DELETE", cluster + "/agentPools/{pool}", pools.delete, "agentPools", "pool", writes=True),
        Route(
            "POST",
            cluster + "/listClusterUserCredential",
            clusters.user_credential,
            "listClusterUserCredential",
            "name",
        ),
        Route(
            "POST",
            cluster + "/listClusterAdminCredential",
            clusters.admin_credential,
            "listClusterAdminCredential",
            "name",
        ),
    ]


def _names(parts: Parts) -> Iterator[Route]:
    """DNS resolvers, forwarding rulesets and private zones."""
    yield from _resource(NET, "dnsResolvers", parts.resolvers)
    yield from _child(NET, "dnsResolvers", "inboundEndpoints", parts.inbound_endpoints)
    yield from _child(NET, "dnsResolvers", "outboundEndpoints", parts.outbound_endpoints)
    yield from _resource(NET, "dnsForwardingRulesets", parts.rulesets)
    yield from _child(NET, "dnsForwardingRulesets", "virtualNetworkLinks", parts.ruleset_links)
    yield from _child(NET, "dnsForwardingRulesets", "forwardingRules", parts.forwarding_rules)
    vnet = NET + "/virtualNetworks/{name}"
    yield Route("POST", vnet + "/listDnsResolvers", parts.resolvers.list_of_vnet, "listDnsResolvers", "name")
    managed = "listNetworkManagerEffectiveSecurityAdminRules"
    yield Route("POST", f"{vnet}/{managed}", parts.admin_rules.list_of_vnet, managed, "name")
    rulesets = "listDnsForwardingRulesets"
    yield Route("POST", f"{vnet}/{rulesets}", parts.rulesets.list_of_vnet, rulesets, "name")
    for word, endpoint in (
        ("dnsResolverOperationStatuses", parts.resolvers.operation_status),
        ("dnsResolverOperationResults", parts.resolvers.operation_result),
    ):
        yield Route("GET", f"{NET}/locations/{{location}}/{word}/{{token}}", endpoint, word)
    yield from _resource(NET, "privateDnsZones", parts.private_zones)
    yield from _child(NET, "privateDnsZones", "virtualNetworkLinks", parts.vnet_links)
    yield from _child(NET, "privateDnsZones", "A", parts.a_records)
    yield from _child(NET, "privateDnsZones", "CNAME", parts.cname_records)
    zone = NET + "/privateDnsZones/{name}"
    yield Route("GET", zone + "/ALL", parts.private_zones.all_records, "ALL", "name")
    for kind in ("AAAA", "MX", "PTR", "SOA", "SRV", "TXT"):
        yield Route("GET", f"{zone}/{kind}/{{record}}", parts.private_zones.other_records, kind, "name")
        yield Route("PUT", f"{zone}/{kind}/{{record}}", parts.private_zones.other_records, kind, "name", writes=True)


def _resource(under: str, type_: str, kind: ResourceProvider) -> Iterator[Route]:
    collection = f"{under}/{type_}"
    item = collection + "/{name}"
    yield Route("GET", collection.replace("/resourceGroups/{group}", ""), kind.list_subscription, type_)
    yield Route("GET", collection, kind.list_group, type_)
    yield Route("GET", item, kind.get, type_, "name")
    yield Route("PUT", item, kind.put, type_, "name", writes=True)
    yield Route("PATCH", item, kind.patch, type_, "name", writes=True)
    yield Route("DELETE", item, kind.delete, type_, "name", writes=True)


def _child(under: str, parent: str, type_: str, kind: ResourceProvider) -> Iterator[Route]:
    collection = f"{under}/{parent}/{{parent}}/{type_}"
    item = collection + "/{name}"
    yield Route("GET", collection, kind.list_children, type_)
    yield Route("GET", item, kind.get, type_, "name")
    yield Route("PUT", item, kind.put, type_, "name", writes=True)
    yield Route("DELETE", item, kind.delete, type_, "name", writes=True)


def _entries(parent: str, kind: RouteTables | SecurityGroups) -> Iterator[Route]:
    collection = f"{parent}/{kind.entries}"
    item = collection + "/{entry}"
    yield Route("GET", collection, kind.list_entries, kind.entries)
    yield Route("GET", item, kind.get_entry, kind.entries, "entry")
    yield Route("PUT", item, kind.put_entry, kind.entries, "entry", writes=True)
    yield Route("DELETE", item, kind.delete_entry, kind.entries, "entry", writes=True)


def _deployments(parts: Parts) -> Iterator[Route]:
    deployments = parts.deployments
    collection = GROUP + "/providers/Microsoft.Resources/deployments"
    item = collection + "/{name}"
    yield Route("GET", collection, deployments.list_group, "deployments")
    yield Route("GET", item, deployments.get, "deployments", "name")
    yield Route("PUT", item, deployments.put, "deployments", "name", writes=True)
    yield Route("DELETE", item, deployments.delete, "deployments", "name", writes=True)
    yield Route("POST", item + "/validate", deployments.validate, "validate", "name")
    yield Route("GET", item + "/operationStatuses/{operation}", deployments.status, "operationStatuses")


def _governance(parts: Parts) -> Iterator[Route]:
    """Locks, roles and policies, for every scope that they can be asked for."""
    rules = parts.governance
    for scope in scopes(SUB, GROUP):
        under = f"{scope}/providers/{AUTHORIZATION}"
        yield Route("GET", under + "/permissions", rules.permissions, "permissions")
        yield Route("GET", under + "/denyAssignments", rules.deny_assignments, "denyAssignments")
        yield Route("GET", under + "/locks", rules.list_locks, "locks")
        yield Route("GET", under + "/locks/{name}", rules.get_lock, "locks", "name")
        yield Route("PUT", under + "/locks/{name}", rules.put_lock, "locks", "name", writes=True)
        yield Route("DELETE", under + "/locks/{name}", rules.delete_lock, "locks", "name", writes=True)
        assignments = under + "/policyAssignments"
        yield Route("GET", assignments, rules.list_assignments, "policyAssignments")
        item = assignments + "/{name}"
        yield Route("GET", item, rules.get_assignment, "policyAssignments", "name")
        yield Route("PUT", item, rules.put_assignment, "policyAssignments", "name", writes=True)
        yield Route("DELETE", item, rules.delete_assignment, "policyAssignments", "name", writes=True)
    roles = SUB + f"/providers/{AUTHORIZATION}/roleDefinitions/{{name}}"
    yield Route("GET", roles, rules.role_definition, "roleDefinitions", "name")
    yield Route(
        "GET", f"/providers/{AUTHORIZATION}/policyDefinitions/{{name}}", rules.definition, "policyDefinitions", "name"
    )
    for scope in (SUB, GROUP):
        check = f"{scope}/providers/{POLICY_INSIGHTS}/checkPolicyRestrictions"
        yield Route("POST", check, rules.restrictions, "checkPolicyRestrictions")


def _usages(parts: Parts) -> Iterator[Route]:
    location = SUB + "/providers/Microsoft.Network/locations/{location}"
    quota = location + "/providers/Microsoft.Quota"
    yield Route("GET", location + "/usages", parts.usages.network, "usages", "location")
    yield Route("GET", quota + "/quotas", parts.usages.quotas, "quotas", "location")
    yield Route("GET", quota + "/quotas/{name}", parts.usages.quota, "quotas", "name")
    yield Route("GET", quota + "/usages", parts.usages.quota_usages, "quotaUsages", "location")


def _monitor(parts: Parts) -> Iterator[Route]:
    monitor = parts.monitor
    events = SUB + f"/providers/{INSIGHTS}/eventtypes/management/values"
    yield Route("GET", events, monitor.events, "eventtypes")
    settings = NET + f"/virtualNetworkGateways/{{name}}/providers/{INSIGHTS}/diagnosticSettings"
    yield Route("GET", settings, monitor.settings, "diagnosticSettings")
    query = "/v1" + NET + "/virtualNetworkGateways/{name}/query"
    yield Route("POST", query, monitor.query, "query", "name", audience=LOG_ANALYTICS)
    item = settings + "/{setting}"
    yield Route("GET", item, monitor.setting, "diagnosticSettings", "setting")
    yield Route("PUT", item, monitor.put_setting, "diagnosticSettings", "setting", writes=True)
    yield Route("DELETE", item, monitor.delete_setting, "diagnosticSettings", "setting", writes=True)


def _tags(parts: Parts) -> Iterator[Route]:
    scope = GROUP + "/providers/{namespace}/{type}/{name}/providers/Microsoft.Resources/tags/default"
    yield Route("GET", scope, parts.groups.get_tags, "tags", "name")
    yield Route("PUT", scope, parts.groups.put_tags, "tags", "name", writes=True)
    yield Route("PATCH", scope, parts.groups.patch_tags, "tags", "name", writes=True)
