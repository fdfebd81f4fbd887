"""Azure as cloudlink uses it: sign-in, shared reads, and writes that return at once.

Reads give the bodies as Azure wrote them (camelCase, plain dicts and lists), so that step modules never see a model
class. They go by the SDK's own pipeline alone: a run that changes nothing does without the management clients, whose
models cost more time and memory than all the rest of it. Writes go by the management clients, each imported when
something is first written with it.

Writes start a long-running operation and do not follow it: whether an object is ready is read from the object
itself, because Azure's own Retry-After grows to 100 seconds and a poller would notice the end that much late. The
operation's signed URL is kept only in memory, to ask once why an operation failed.
https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations
"""

from __future__ import annotations

import base64
import copy
import io
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from cloudlink.clouds.azure import errors as azure_errors
from cloudlink.clouds.azure import parse_dns, parse_subscription
from cloudlink.clouds.azure.credential import Identity, Lasting, identity_of, lasting
from cloudlink.clouds.azure.errors import missing, retryable, unknown_outcome
from cloudlink.clouds.azure.parse_object import AzureObject, azure_objects
from cloudlink.clouds.azure.parse_pieces import named
from cloudlink.clouds.azure.parse_policy import PUT_ON_SUBNETS
from cloudlink.clouds.azure.parse_subscription import Subscription
from cloudlink.clouds.azure.session import AzureSession, FirstAnswer
from cloudlink.clouds.cache import ReadCache
from cloudlink.clouds.deferred import any_names
from cloudlink.clouds.endpoints import Endpoints
from cloudlink.clouds.malformed import parsing
from cloudlink.clouds.ownership import LINK_TAG, owner_of
from cloudlink.core.polling import Clock
from cloudlink.core.resource import Started
from cloudlink.errors import CloudlinkError, CredentialsError, WaitError
from cloudlink.link import Link
from cloudlink.secret import Secret

__all__ = ["Azure", "Json", "missing", "retryable", "unknown_outcome"]

Json = dict[str, Any]
T = TypeVar("T")

_MOST_PAGES = 20
GATEWAY_SUBNET = "GatewaySubnet"  # the only name that Azure accepts for a gateway's subnet

# What a write makes stale. A gateway shows in its subnet and in its public IPs, a subnet in its VNet.
GROUP, VNET, PUBLIC_IPS, GATEWAY, LOCAL_GATEWAYS, AKS = (
    "azure.group",
    "azure.vnet",
    "azure.public-ips",
    "azure.gateway",
    "azure.local-gateways",
    "azure.aks",
)
_DNS_CHILDREN = ("inboundEndpoints", "outboundEndpoints", "forwardingRules", "virtualNetworkLinks")
_READ_TRIES = 3
_MORE_PAGES = 3  # of the Activity Log, which begins with the newest
_ACTION_FIRST = 10.5  # seconds until the result of a gateway's action is read first; it usually takes ten
_ACTION_EVERY = 3.0  # and between two reads of it
_ACTION_DEADLINE = 180.0


class Azure:
    """The Azure side of one link. Thread-safe once ``sign_in`` has been called. endpoints: see AzureSession."""

    def __init__(self, link: Link, endpoints: Endpoints | None, clock: Clock, cache: ReadCache) -> None:
        self.side = link.azure
        self.link = link.name
        self.owner = owner_of(link)
        self._gateway, self._gateway_group = link.azure_gateway
        self.clock = clock
        self.cache = cache
        self._session = AzureSession(link.azure, endpoints)
        self._aks_read = AKS

    def beside(self, link: Link) -> Azure:
        """The same client for another AKS cluster of the link. link: as if that was its only one."""
        other = copy.copy(self)
        other.side = link.azure
        other._aks_read = f"{AKS} {other.aks_id.lower()}"
        return other

    # Names

    def name(self, what: str) -> str:
        """The name of one of our objects: ``gateway``, ``public-ip-1``, ``local-gateway-1``, ``connection-1``."""
        return f"cloudlink-{self.link}-{what}"

    def group_id(self, group: str, subscription: str = "") -> str:
        """subscription: empty for the link's."""
        return f"/subscriptions/{subscription or self.side.subscription}/resourceGroups/{group}"

    def id(self, kind: str, name: str = "") -> str:
        """The id of a Microsoft.Network object in the link's resource group, such as ``virtualNetworkGateways``; without
        a name, where all of the kind are listed."""
        path = f"{self.group_id(self.side.resource_group)}/providers/Microsoft.Network/{kind}"
        return f"{path}/{name}" if name else path

    @property
    def gateway_id(self) -> str:
        """Of the link's VPN gateway: the one of our name, or the one that the configuration says to adopt."""
        return (
            f"{self.group_id(self._gateway_group)}/providers/Microsoft.Network/virtualNetworkGateways/{self._gateway}"
        )

    @property
    def vnet_id(self) -> str:
        group = self.group_id(self.side.vnet_resource_group, self.side.vnet_subscription)
        return f"{group}/providers/Microsoft.Network/virtualNetworks/{self.side.vnet}"

    @property
    def aks_id(self) -> str:
        group = self.group_id(self.side.aks_resource_group, self.side.aks_subscription)
        return f"{group}/providers/Microsoft.ContainerService/managedClusters/{self.side.aks_cluster}"

    def sign_in(self) -> None:
        """Fetch one token. Call it before threads start: otherwise each would sign in.

        Raises CredentialsError, or UnreachableError when there is nobody to ask.
        """
        try:
            self._session.sign_in()
        except Exception as error:
            translated = self.translate(error)
            if translated is None:
                raise
            raise translated from error

    def identity(self) -> Identity:
        """The signed-in user or service principal, from the token."""
        return identity_of(self._session.management_token().token)

    def lasting(self) -> Lasting:
        """How long the sign-in lasts without the user."""
        if self._session.is_sandbox:
            return Lasting()
        token = self._session.management_token()
        client = identity_of(token.token).application
        return lasting(self._session.credential.way, float(token.expires_on), os.environ, Path.home(), client)

    def contact(self) -> None:
        """Ask Azure once for what plans read anyway. Raises what is wrong with the way there or the sign-in."""
        try:
            self.cache.get("azure.subscription", self._ask_subscription)
        except Exception as error:
            translated = self.translate(error)
            if translated is None:
                raise
            raise translated from error

    @parsing("Azure's subscriptions")
    def subscription(self) -> Subscription:
        """The link's."""
        return self.cache.get("azure.subscription", lambda: self._read(self._ask_subscription))

    def subscription_of_vnet(self) -> Subscription:
        """The one that holds the VNet, which may be another than the link's."""
        wanted = self.side.vnet_subscription
        if wanted.lower() == self.side.subscription.lower():
            return self.subscription()
        return self.cache.get(
            f"azure.subscription/{wanted}", lambda: self._read(lambda: self._ask_subscription(wanted))
        )

    @parsing("Azure's subscriptions")
    def _ask_subscription(self, wanted: str = "") -> Subscription:
        path = f"/subscriptions/{wanted or self.side.subscription}"
        return parse_subscription.subscription(self._session.ask("GET", path).json())

    def token(self, scope: str) -> str:
        """An Entra token for another audience, such as ``<AKS server application>/.default``. Keep it in memory."""
        return self._session.token(scope)

    @property
    def network(self) -> Any:
        """The NetworkManagementClient."""
        return self._session.network

    @property
    def _vnet_network(self) -> Any:
        """The NetworkManagementClient of the VNet's subscription."""
        return self._session.network_of(self.side.vnet_subscription)

    @property
    def containers(self) -> Any:
        """The ContainerServiceClient of the cluster's subscription."""
        return self._session.containers

    @property
    def resources(self) -> Any:
        """The ResourceManagementClient."""
        return self._session.resources

    # Shared reads. Each takes fresh=True when the answer decides about a write or ends a wait.

    def group(self, *, fresh: bool = False) -> Json | None:
        """The link's resource group."""
        return self._one(GROUP, self.group_id(self.side.resource_group), fresh)

    def vnet(self, *, fresh: bool = False) -> Json | None:
        """With its subnets and peerings."""
        return self._one(VNET, self.vnet_id, fresh)

    def public_ips(self, *, fresh: bool = False) -> list[Json]:
        """Those of the link's resource group, others' included."""
        return self._all(PUBLIC_IPS, self.id("publicIPAddresses"), fresh)

    def gateway(self, *, fresh: bool = False) -> Json | None:
        """The VPN gateway with our name, or the one that is adopted."""
        return self._one(GATEWAY, self.gateway_id, fresh)

    @parsing("Azure's answers")
    def vnet_of_gateway(self) -> str:
        """The id in lower case of the VNet of the link's gateway; empty: there is no gateway."""
        for config in _children(self.gateway(), "ipConfigurations"):
            subnet = str(((config.get("properties") or {}).get("subnet") or {}).get("id") or "").lower()
            if vnet := subnet.partition("/subnets/")[0]:
                return vnet
        return ""

    def local_gateways(self, *, fresh: bool = False) -> list[Json]:
        """Those of the link's resource group, others' included."""
        return self._all(LOCAL_GATEWAYS, self.id("localNetworkGateways"), fresh)

    def connection(self, name: str, *, fresh: bool = False) -> Json | None:
        """One by one: lists of connections leave out the key and the status. The key is a Secret; Azure
        leaves it out where the caller may not read it. In the version that it is written in: older ones do not tell how it
        signs in.

        Asks nothing while there is no gateway: Azure keeps a gateway as long as it has connections.
        """
        if self.gateway() is None:
            return None
        id_ = self.id("connections", name)
        return self.cache.get(
            connection_kind(name),
            lambda: self._read_or(lambda: self._with_key(self._get(id_, for_write=True), id_), None),
            fresh=fresh,
        )

    def aks_cluster(self, *, fresh: bool = False) -> Json | None:
        return self._one(self._aks_read, self.aks_id, fresh)

    @parsing("Azure's answers")
    def aks_power(self) -> str:
        """Azure's word for whether the cluster runs: ``Running`` or ``Stopped``. Empty: it does not say, or cannot be asked,
        which is no reason to end with another error than the one that made somebody ask."""
        try:
            held = (self.aks_cluster() or {}).get("properties") or {}
        except Exception as error:
            if self.translate(error) is None:
                raise
            return ""
        return str((held.get("powerState") or {}).get("code") or "")

    @parsing("Azure's answers")
    def other_gateways(self) -> list[str]:
        """Ids of gateways of any kind in the VNet's gateway subnet that are not ours."""
        subnet = dict(named(_children(self.vnet(), "subnets"), GATEWAY_SUBNET) or {})
        ours = self.gateway_id.lower()
        users = {str(c.get("id", "")).partition("/ipConfigurations/")[0] for c in _children(subnet, "ipConfigurations")}
        return sorted(u for u in users if "/virtualnetworkgateways/" in u.lower() and u.lower() != ours)

    @parsing("Azure's answers")
    def other_vpn_gateways(self) -> list[str]:
        """Ids of VPN gateways in the VNet that are not ours. A VNet holds one VPN gateway at most."""
        gateways = (self.thing(g, fresh=True) or {} for g in self.other_gateways())
        return [str(g["id"]) for g in gateways if (g.get("properties") or {}).get("gatewayType") == "Vpn"]

    def thing(self, id_: str, *, fresh: bool = False) -> Json | None:
        """Any object by its id, whatever its subscription: a VNet that is peered, a route table of a subnet."""
        return self._one(f"azure.thing{id_.lower()}", id_, fresh)

    def admin_rules(self, vnet_id: str) -> list[Json]:
        """The security admin rules that network managers have put on a VNet; a Reader may not ask.

        https://learn.microsoft.com/rest/api/networkmanager/list-network-manager-effective-security-admin-rules/list
        """
        path = f"{vnet_id}/listNetworkManagerEffectiveSecurityAdminRules"

        def read() -> list[Json]:
            found, token = list[Json](), ""
            for _ in range(_MOST_PAGES):
                body = {"skipToken": token} if token else {}
                page = cast(Json, self._read(lambda body=body: self._session.ask("POST", path, body=body)).json())  # type: ignore[misc]
                found += page.get("value") or ()
                token = str(page.get("skipToken") or "")
                if not token:
                    break
            return found

        return self.cache.get(f"azure.admin_rules{vnet_id.lower()}", read, fresh=False)

    def locations(self) -> list[Json]:
        """The locations of the link's subscription, with their zones."""
        return self._all("azure.locations", f"/subscriptions/{self.side.subscription}/locations", False)

    def provider(self, namespace: str, subscription: str = "") -> Json | None:
        """A resource provider with its state of registration. subscription: empty for the link's."""
        path = f"/subscriptions/{subscription or self.side.subscription}/providers/{namespace}"
        return self._one(f"azure.provider{path}", path, False)

    def locks(self, subscription: str) -> list[Json]:
        """All locks of a subscription, those of its groups and objects included."""
        path = f"/subscriptions/{subscription}/providers/Microsoft.Authorization/locks"
        return self._all(f"azure.locks/{subscription}", path, False)

    @parsing("Azure's answers")
    def policy_restrictions(
        self, resource: Json, api_version: str, *, whole_subscription: bool = False, parent: str = ""
    ) -> Json:
        """What policies would do with an object that is to be made in the link's group. Changes nothing.

        whole_subscription: the group is not there yet. parent: id of the VNet that a subnet is made in, which may be in another group;
        of a subnet it is asked what policies would put on it, which has no tags.
        https://learn.microsoft.com/rest/api/policyinsights/policy-restrictions/check-at-resource-group-scope
        """
        side = self.side
        group = parent.partition("/providers/")[0] or self.group_id(side.resource_group)
        scope = group.rpartition("/resourceGroups/")[0] if whole_subscription else group
        details = {"resourceContent": resource, "apiVersion": api_version, **({"scope": parent} if parent else {})}
        pending = PUT_ON_SUBNETS if parent else ("tags",)
        body = {"resourceDetails": details, "pendingFields": [{"field": name} for name in pending]}
        path = f"{scope}/providers/Microsoft.PolicyInsights/checkPolicyRestrictions"
        return cast(Json, self._read(lambda: self._session.ask("POST", path, body=body)).json())

    def diagnostic_setting(self) -> Json | None:
        """The one of our name on our gateway."""
        return self._read_or(lambda: self._get(self._setting_id), None)

    def diagnostic_settings(self) -> list[Json]:
        """All of our gateway, whoever made them."""
        return self._list(self._setting_id.rpartition("/")[0])

    @parsing("Log Analytics' answers")
    def gateway_log(self, query: str, since: float, until: float) -> Json:
        """What the workspaces hold of our gateway; seconds since the epoch. Not shared. A workspace that holds no line
        yet does not know the table, which is told as no lines.

        Raises CredentialsError where it may not be read.
        """
        begin, end = (datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in (since, until + 60))
        try:
            answer = self._read(lambda: self._session.query_logs(self.gateway_id, query, f"{begin}/{end}"))
        except Exception as error:
            status = getattr(error, "status_code", None)
            if status == 403:
                raise CredentialsError(
                    "Azure's logs may not be read",
                    f"Log Analytics refused to tell what it holds of {self.gateway_id.rpartition('/')[2]}: it asks for "
                    "Microsoft.Insights/logs/AzureDiagnostics/read, of the gateway or of the workspace.",
                    "cloudlink permissions --for logs",
                ) from error
            if status == 400 and "Failed to resolve table" in str(cast(Any, error).response.text()):
                return {"tables": []}
            raise
        return cast(Json, answer.json())

    @parsing("Azure's Activity Log")
    def activity_log(self, subscription: str, group: str, since: float, until: float) -> list[Json]:
        """The newest events of a resource group, of objects that are gone too; seconds since the epoch. Not shared.

        https://learn.microsoft.com/rest/api/monitor/activity-logs/list
        """
        begin, end = (datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for at in (since, until + 60))
        path = f"/subscriptions/{subscription}/providers/Microsoft.Insights/eventtypes/management/values"
        wanted = f"eventTimestamp ge '{begin}' and eventTimestamp le '{end}' and resourceGroupName eq '{group}'"
        query = {"$filter": wanted, "$select": "caller,eventTimestamp,operationName,resourceId,status"}
        page = self._read(lambda: self._session.ask("GET", path, query=query)).json()
        found = list(page["value"])
        for _ in range(_MORE_PAGES):
            if not (url := page.get("nextLink")):
                break
            page = self._read(partial(self._session.follow, url)).json()
            found += page["value"]
        return found

    # Names of the VNet

    @property
    def dns_subnet_id(self) -> str:
        """Of the outbound endpoint's subnet, if cloudlink makes it."""
        return f"{self.vnet_id}/subnets/{self.name('dns')}"

    @property
    def dns_inbound_subnet_id(self) -> str:
        """Of the inbound endpoint's subnet, if cloudlink makes it."""
        return f"{self.vnet_id}/subnets/{self.name('dns-in')}"

    @parsing("Azure's DNS resolvers")
    def vnet_dns(self, *, fresh: bool = False, part: str = "") -> Json:
        """The VNet's DNS resolver with its outbound endpoints, and the ruleset that it is linked to with its rules and that link:
        somebody else's, or ours, which are there before they are linked. See ``parse_dns.vnet_dns``.

        fresh: all of it is read anew; with a part ("resolver", "endpoint", "ruleset", "link", "rules") that one alone, and what the
        VNet lists where it is not there: whatever else is in its place was made by somebody else meanwhile.
        """

        def anew(name: str) -> bool:
            return fresh and part in ("", name)

        found: Json = {}
        everything = fresh and not part
        resolver_id = self._dns_resolver_id(fresh=everything)
        resolver = self._dns_object(resolver_id, fresh=anew("resolver"))
        if resolver is None and anew("resolver"):
            resolver_id = self._dns_resolver_id(fresh=True)
            resolver = self._dns_object(resolver_id, fresh=True)
        if resolver is not None:
            found["resolver"] = resolver
            found["endpoints"] = self._dns_list(f"{resolver_id}/outboundEndpoints", fresh=anew("endpoint"))
        link_id = self._ruleset_link_id(fresh=everything)
        ruleset, link = self._linked_ruleset(link_id, fresh=anew("ruleset"), link_fresh=anew("link"))
        if (ruleset is None and anew("ruleset")) or (link is None and anew("link")):
            link_id = self._ruleset_link_id(fresh=True)
            ruleset, link = self._linked_ruleset(link_id, fresh=anew("ruleset"), link_fresh=anew("link"))
        if ruleset is not None:
            rules = f"{parse_dns.ruleset_of(link_id)}/forwardingRules"
            found["ruleset"], found["link"] = ruleset, link
            found["rules"] = self._dns_list(rules, fresh=anew("rules"))
        return found

    def _dns_resolver_id(self, *, fresh: bool) -> str:
        """The VNet's, or the one that ours would have."""
        listed = self._of_vnet("listDnsResolvers", fresh=fresh)
        return parse_dns.first_id(listed) or self.id("dnsResolvers", self.name("dns"))

    def _ruleset_link_id(self, *, fresh: bool) -> str:
        """Of the link by which the VNet has a ruleset, or the one that ours would have."""
        ours = f"{self.id('dnsForwardingRulesets', self.name('dns'))}/virtualNetworkLinks/{self.name('dns')}"
        return parse_dns.first_link(self._of_vnet("listDnsForwardingRulesets", fresh=fresh)) or ours

    def _linked_ruleset(self, link_id: str, *, fresh: bool, link_fresh: bool) -> tuple[Json | None, Json | None]:
        ruleset = self._dns_object(parse_dns.ruleset_of(link_id), fresh=fresh)
        return ruleset, self._dns_object(link_id, fresh=link_fresh) if ruleset is not None else None

    def inbound_endpoints(self, *, fresh: bool = False) -> list[Json]:
        """Of the VNet's resolver, somebody else's or ours; none: it has no resolver."""
        resolver = self.vnet_dns().get("resolver")
        if resolver is None:
            return []
        return self._dns_list(f"{parse_dns.id_of_resolver(resolver)}/inboundEndpoints", fresh=fresh)

    def _dns_object(self, id_: str, *, fresh: bool) -> Json | None:
        return self.cache.get(_dns_kind(id_), lambda: self._read_or(lambda: self._get(id_), None), fresh=fresh)

    def _dns_list(self, path: str, *, fresh: bool) -> list[Json]:
        return self._all(_dns_kind(path), path, fresh)

    def private_zone(self, id_: str) -> Json | None:
        return self._read_or(lambda: self._get(id_), None)

    def zone_records(self, id_: str) -> list[Json]:
        """The A records of a private zone."""
        return self._list(f"{id_}/A")

    def _of_vnet(self, what: str, *, fresh: bool) -> list[Json]:
        """What a POST to the VNet lists; a VNet that is not there has nothing."""
        path = f"{self.vnet_id}/{what}"

        def read() -> list[Json]:
            answer = self._read_or(lambda: self._read(lambda: self._session.ask("POST", path)), None)
            return list(((answer.json() if answer is not None else None) or {}).get("value") or [])

        return self.cache.get(_dns_kind(path), read, fresh=fresh)

    def private_zones(self) -> list[Json]:
        """Those of the VNet's subscription."""
        side = self.side
        path = f"/subscriptions/{side.vnet_subscription}/providers/Microsoft.Network/privateDnsZones"
        return self._all("azure.private-zones", path, False)

    def vnet_links(self, id_: str) -> list[Json]:
        """The VNets that a private zone or a forwarding ruleset is linked to."""
        return self._list(f"{id_}/virtualNetworkLinks")

    @parsing("Azure's answers")
    def whole_dns(self, id_: str) -> Json:
        """A part of what ``vnet_dns`` reads, with everything that a write of it must name."""
        return cast(Json, self._read(lambda: self._session.ask("GET", id_)).json())

    def put_dns(self, id_: str, body: Json) -> Started:
        """A resolver, an endpoint, a ruleset, a link or a rule; the outbound endpoint's subnet.

        https://learn.microsoft.com/rest/api/dns/dnsresolver
        """
        return Started(id_, self._write_dns("PUT", id_, body).reason)

    def delete_dns(self, id_: str) -> Started | None:
        """None: gone already."""
        try:
            first = self._write_dns("DELETE", id_)
        except Exception as error:
            if not missing(error):
                raise
            return None
        return None if first.status_code == 204 else Started(id_, first.reason)

    def _write_dns(self, method: str, id_: str, body: Json | None = None) -> FirstAnswer:
        first = FirstAnswer(self._session.follow)
        try:
            first.response = self._session.ask(method, id_, body=body)
        finally:
            self.cache.invalidate(*_dns_kinds(id_), *((VNET,) if "/subnets/" in id_ else ()))
        return first

    @property
    def _setting_id(self) -> str:
        return f"{self.gateway_id}/providers/Microsoft.Insights/diagnosticSettings/{self.name('logs')}"

    # Reads that are not shared

    def permissions(self, scope: str) -> list[Json]:
        """What the caller's roles give on a scope: ``actions`` and ``notActions`` of each."""
        return self._asked_on(scope, "permissions")

    def deny_assignments(self, scope: str) -> list[Json]:
        """What is denied whatever the roles say: on a scope, above it and below it.

        https://learn.microsoft.com/azure/role-based-access-control/deny-assignments-rest
        """
        return self._list(f"{scope}/providers/Microsoft.Authorization/denyAssignments")

    @parsing("Azure's answers")
    def _asked_on(self, scope: str, what: str) -> list[Json]:
        answer = self._read(lambda: self._session.ask("GET", f"{scope}/providers/Microsoft.Authorization/{what}"))
        return list(answer.json().get("value") or [])

    def network_usages(self) -> list[Json]:
        """What the subscription has in the link's location, and may have: ``name, currentValue, limit``."""
        place = self.side.location.replace(" ", "").lower()
        return self._list(
            f"/subscriptions/{self.side.subscription}/providers/Microsoft.Network/locations/{place}/usages"
        )

    def gateway_connections(self) -> list[Json]:
        """All connections on our gateway, others' included; without key and status, which lists leave out."""
        return self._list(f"{self.gateway_id}/connections")

    @parsing("Azure's answers")
    def user_kubeconfig(self) -> bytes:
        """The cluster's kubeconfig for users. It holds a key or a token: keep it in memory, never write it."""
        answer = self._read(lambda: self._session.ask("POST", f"{self.aks_id}/listClusterUserCredential"))
        return base64.b64decode(answer.json()["kubeconfigs"][0]["value"])

    def bgp_peers(self) -> list[Json]:
        """Rows of ``localAddress, neighbor, asn, state, connectedDuration, routesReceived`` ...: each neighbour once for
        each instance of the gateway, the instances themselves included. Takes about ten seconds."""
        return self._action("getBgpPeerStatus")

    def learned_routes(self) -> list[Json]:
        """Rows of ``localAddress, network, nextHop, sourcePeer, origin, asPath, weight``. Takes about ten seconds."""
        return self._action("getLearnedRoutes")

    def learned_routes_of(self, gateway_id: str) -> list[Json]:
        """The same of any gateway, VPN's or ExpressRoute's."""
        return self.cache.get(
            f"azure.learned{gateway_id.lower()}", lambda: self._action("getLearnedRoutes", gateway_id)
        )

    def connections_of(self, gateway_id: str) -> list[Json]:
        """All connections on any gateway; without key and status, which lists leave out."""
        return self._all(f"azure.connections_of{gateway_id.lower()}", f"{gateway_id}/connections", False)

    @parsing("Azure's answers")
    def resources_by_tag(self) -> tuple[AzureObject, ...]:
        """Everything in the link's subscriptions whose tags say that it belongs to this link.

        Asked twice, because the index of tags lags behind: by tag in the whole subscription, and without a filter in the
        link's resource group. Children such as subnets have no tags and are not in it.
        """
        side = self.side
        tagged = f"tagName eq '{LINK_TAG}' and tagValue eq '{self.link}'"
        items = [
            *(
                item
                for subscription in dict.fromkeys((side.subscription, side.vnet_subscription, side.aks_subscription))
                for item in self._list(f"/subscriptions/{subscription}/resources", tagged)
            ),
            *self.in_group(),
            *self._list(f"/subscriptions/{side.subscription}/resourcegroups", tagged),
        ]
        found = {o.id.lower(): o for o in azure_objects(items) if self.owner.holds(o.tags)}
        return tuple(found.values())

    def in_group(self) -> list[Json]:
        """Everything in the link's resource group."""
        return self._list(f"{self.group_id(self.side.resource_group)}/resources")

    @parsing("Azure's answers")
    def whole(self, id_: str) -> Json:
        """An object of Microsoft.Network with everything that a write of it must name, because a PUT removes the rest; its key is
        left out. Raises azure.core.exceptions.HttpResponseError.
        """
        found = cast(Json, self._read(lambda: self._session.ask("GET", id_, for_write=True)).json())
        (found.get("properties") or {}).pop("sharedKey", None)
        return found

    # Writes. Each sends one request and returns.

    def mark(self, id_: str) -> Started:
        """Add to one of our objects the tags that say where its link is, and the configured ones; its other tags and
        settings stay.

        https://learn.microsoft.com/rest/api/resources/tags/update-at-scope
        """
        body = {"operation": "Merge", "properties": {"tags": self.owner.added_tags()}}
        kinds = (
            GROUP,
            VNET,
            PUBLIC_IPS,
            GATEWAY,
            LOCAL_GATEWAYS,
            AKS,
            *_dns_kinds(id_),
            connection_kind(id_.rpartition("/")[2]),
        )
        return self._put(kinds, id_, self.resources.tags.begin_update_at_scope, id_, body)

    def put_group(self, body: Json) -> Started:
        groups = self.resources.resource_groups
        self._done(GROUP, lambda: groups.create_or_update(self.side.resource_group, body))
        return Started(self.group_id(self.side.resource_group))

    def delete_group(self) -> Started | None:
        name = self.side.resource_group
        return self._begin((GROUP,), self.group_id(name), self.resources.resource_groups.begin_delete, name)

    def put_vnet(self, body: Json) -> Started:
        begin = self._vnet_network.virtual_networks.begin_create_or_update
        return self._put((VNET,), self.vnet_id, begin, self.side.vnet_resource_group, self.side.vnet, body)

    def delete_vnet(self) -> Started | None:
        begin = self._vnet_network.virtual_networks.begin_delete
        return self._begin((VNET,), self.vnet_id, begin, self.side.vnet_resource_group, self.side.vnet)

    def put_gateway_subnet(self, body: Json) -> Started:
        begin, where = (
            self._vnet_network.subnets.begin_create_or_update,
            (self.side.vnet_resource_group, self.side.vnet),
        )
        return self._put((VNET,), f"{self.vnet_id}/subnets/{GATEWAY_SUBNET}", begin, *where, GATEWAY_SUBNET, body)

    def delete_gateway_subnet(self) -> Started | None:
        begin, where = self._vnet_network.subnets.begin_delete, (self.side.vnet_resource_group, self.side.vnet)
        return self._begin((VNET,), f"{self.vnet_id}/subnets/{GATEWAY_SUBNET}", begin, *where, GATEWAY_SUBNET)

    def put_public_ip(self, name: str, body: Json) -> Started:
        begin = self.network.public_ip_addresses.begin_create_or_update
        return self._put((PUBLIC_IPS,), self.id("publicIPAddresses", name), begin, self.side.resource_group, name, body)

    def delete_public_ip(self, name: str) -> Started | None:
        begin = self.network.public_ip_addresses.begin_delete
        return self._begin((PUBLIC_IPS,), self.id("publicIPAddresses", name), begin, self.side.resource_group, name)

    def put_gateway(self, body: Json) -> Started:
        name, begin = self.name("gateway"), self.network.virtual_network_gateways.begin_create_or_update
        id_ = self.id("virtualNetworkGateways", name)
        return self._put((GATEWAY, VNET, PUBLIC_IPS), id_, begin, self.side.resource_group, name, body)

    def put_adopted_gateway(self, body: Json, etag: str) -> Started:
        """Of somebody else's. The body goes out as it is: the SDK's models would drop what they do not know.

        etag: of what was read.

        Assumption: Azure refuses the write with 412 when the gateway has changed since, or ignores the
        header; its specification does not name it.
        """
        begin = partial(
            self.network.virtual_network_gateways.begin_create_or_update, headers={"If-Match": etag} if etag else {}
        )
        content = json.dumps(body).encode()
        return self._put(
            (GATEWAY, VNET), self.gateway_id, begin, self._gateway_group, self._gateway, io.BytesIO(content)
        )

    def changed_meanwhile(self, error: Exception) -> bool:
        """Whether a write was refused because somebody else's came between it and its read."""
        return getattr(error, "status_code", None) == 412

    def delete_gateway(self) -> Started | None:
        name, begin = self.name("gateway"), self.network.virtual_network_gateways.begin_delete
        id_ = self.id("virtualNetworkGateways", name)
        return self._begin((GATEWAY, VNET, PUBLIC_IPS), id_, begin, self.side.resource_group, name)

    def put_local_gateway(self, name: str, body: Json) -> Started:
        begin, id_ = self.network.local_network_gateways.begin_create_or_update, self.id("localNetworkGateways", name)
        return self._put((LOCAL_GATEWAYS,), id_, begin, self.side.resource_group, name, body)

    def delete_local_gateway(self, name: str) -> Started | None:
        begin, id_ = self.network.local_network_gateways.begin_delete, self.id("localNetworkGateways", name)
        return self._begin((LOCAL_GATEWAYS,), id_, begin, self.side.resource_group, name)

    def put_connection(self, name: str, body: Json) -> Started:
        begin = self.network.virtual_network_gateway_connections.begin_create_or_update
        kinds = (connection_kind(name), LOCAL_GATEWAYS)
        return self._put(kinds, self.id("connections", name), begin, self.side.resource_group, name, body)

    def put_shared_key(self, name: str, body: Json) -> Started:
        """Changes the connection's key and nothing else. body: ``{"value": key}``."""
        begin = self.network.virtual_network_gateway_connections.begin_set_shared_key
        return self._put(
            (connection_kind(name),), self.id("connections", name), begin, self.side.resource_group, name, body
        )

    def put_diagnostic_setting(self, body: Json) -> None:
        """Where the logs of our gateway go; no tunnel is touched. Repeating it is harmless.

        https://learn.microsoft.com/rest/api/monitor/diagnostic-settings/create-or-update
        """
        self._read(lambda: self._session.ask("PUT", self._setting_id, body=body))

    def delete_diagnostic_setting(self) -> None:
        """Also of a gateway that is gone: Azure keeps the setting, and gives it to the next gateway of the same name."""
        self._read_or(lambda: self._read(lambda: self._session.ask("DELETE", self._setting_id)), None)

    def reset_connection(self, name: str) -> Started:
        """Azure opens the tunnel of a connection again; its settings stay."""
        begin = self.network.virtual_network_gateway_connections.begin_reset_connection
        return self._put((connection_kind(name),), self.id("connections", name), begin, self.side.resource_group, name)

    def delete_connection(self, name: str) -> Started | None:
        begin = self.network.virtual_network_gateway_connections.begin_delete
        kinds = (connection_kind(name), LOCAL_GATEWAYS)
        return self._begin(kinds, self.id("connections", name), begin, self.side.resource_group, name)

    def put_aks_cluster(self, body: Json) -> Started:
        begin = self.containers.managed_clusters.begin_create_or_update
        return self._put((AKS, VNET), self.aks_id, begin, self.side.aks_resource_group, self.side.aks_cluster, body)

    def delete_aks_cluster(self) -> Started | None:
        begin = self.containers.managed_clusters.begin_delete
        return self._begin((AKS, VNET), self.aks_id, begin, self.side.aks_resource_group, self.side.aks_cluster)

    # Errors

    def translate(self, error: Exception) -> CloudlinkError | None:
        """The error for the user; None: no error of Azure's SDK."""
        side = self.side
        return azure_errors.translate(
            error, tenant=side.tenant, subscription=side.subscription, location=side.location, cloud=side.cloud
        )

    # How calls are made

    def _one(self, kind: str, id_: str, fresh: bool) -> Json | None:
        return self.cache.get(kind, lambda: self._read_or(lambda: self._get(id_), None), fresh=fresh)

    def _all(self, kind: str, path: str, fresh: bool) -> list[Json]:
        return self.cache.get(kind, lambda: self._list(path), fresh=fresh)

    @parsing("Azure's answers")
    def _get(self, id_: str, *, for_write: bool = False) -> Json:
        found = cast(Json, self._read(lambda: self._session.ask("GET", id_, for_write=for_write)).json())
        if key := (found.get("properties") or {}).get("sharedKey"):
            found["properties"]["sharedKey"] = Secret(key)  # so that no log and no traceback can show it
        return found

    @parsing("Azure's answers")
    def _with_key(self, connection: Json, id_: str) -> Json:
        """A connection that Azure answered without its key, or with an empty one: the key has an address of its own."""
        held = connection.setdefault("properties", {})
        if not held.get("sharedKey"):
            held.pop("sharedKey", None)
            if key := self._read(lambda: self._key_if_visible(id_)):
                held["sharedKey"] = Secret(key)
        return connection

    @parsing("Azure's answers")
    def _key_if_visible(self, id_: str) -> str:
        """Empty: we may not read it, which Azure says with 403, with an empty value, or by failing."""
        try:
            answer = self._session.ask("GET", f"{id_}/sharedkey").json()
        except Exception as error:
            if azure_errors.hides(error) or missing(error):
                return ""
            raise
        return str((answer or {}).get("value") or "")

    @parsing("Azure's answers")
    def _list(self, path: str, only: str | None = None) -> list[Json]:
        """All pages. A list in a resource group that is not there is empty. only: Azure's ``$filter``."""
        query = {"$filter": only} if only else {}

        def pages() -> list[Json]:
            page = self._read(lambda: self._session.ask("GET", path, query=query)).json()
            found = list(page["value"])
            while url := page.get("nextLink"):
                page = self._read(partial(self._session.follow, url)).json()
                found += page["value"]
            return found

        return self._read_or(pages, [])

    def _read_or(self, call: Callable[[], T], absent: T) -> T:
        try:
            return call()
        except Exception as error:
            if not missing(error):
                raise
            return absent

    def _read(self, call: Callable[[], T]) -> T:
        """A read is repeated after a lost connection, a throttle or a server error; waits use our clock."""
        for tries_left in reversed(range(_READ_TRIES)):
            try:
                return call()
            except Exception as error:
                wait = azure_errors.transient(error)
                if wait is None or not tries_left or self.clock.wait(wait):
                    raise
        raise AssertionError("unreachable")

    def _done(self, kind: str, call: Callable[[], Any]) -> None:
        try:
            call()
        finally:
            self.cache.invalidate(kind)  # the outcome of a failed write is unknown

    def _put(self, kinds: tuple[str, ...], id_: str, begin: Callable[..., Any], *arguments: Any) -> Started:
        return Started(id_, self._send(kinds, begin, *arguments).reason)

    def _begin(self, kinds: tuple[str, ...], id_: str, begin: Callable[..., Any], *arguments: Any) -> Started | None:
        """A delete. None: Azure says that there is nothing to delete (204, or 404 where the parent is gone too)."""
        try:
            first = self._send(kinds, begin, *arguments)
        except Exception as error:
            if not missing(error):
                raise
            return None
        return None if first.status_code == 204 else Started(id_, first.reason)

    @parsing("Azure's answers")
    def _send(self, kinds: tuple[str, ...], begin: Callable[..., Any], *arguments: Any) -> FirstAnswer:
        first = FirstAnswer(self._session.follow)
        try:
            with any_names():
                begin(*arguments, polling=first)
        finally:
            self.cache.invalidate(*kinds)  # also when it raises: the outcome may be unknown
        return first

    @parsing("Azure's answers")
    def _action(self, what: str, gateway_id: str = "") -> list[Json]:
        """A POST to a gateway, ours where none is named, that only reads; its result lies behind its Location. Looked
        for by our clock: Retry-After is wall time in the SDK.

        Raises WaitError when it does not come.
        """
        path = f"{gateway_id or self.gateway_id}/{what}"
        response = self._read(lambda: self._session.ask("POST", path))
        url = response.headers.get("Location")
        started = self.clock.now()
        pause = _ACTION_FIRST
        while response.status_code == 202 and url:
            if self.clock.now() - started > _ACTION_DEADLINE or self.clock.wait(pause):
                raise WaitError("The gateway did not answer in time", f"{what} gave no result.")
            pause = _ACTION_EVERY
            response = self._read(lambda: self._session.follow(url))
        return list((response.json() or {}).get("value") or [])


def connection_kind(name: str) -> str:
    """What a connection's read is filed under in ``Reads``."""
    return f"azure.connection/{name}"


def _dns_kind(path: str) -> str:
    return f"azure.vnet-dns {path.lower()}"


def _dns_kinds(id_: str) -> tuple[str, ...]:
    """What is another after a write of a resolver, a ruleset or a part of one: itself, the list that it is in, what is in it. What
    the VNet lists is read anew where the object is not there, see ``Azure.vnet_dns``."""
    paths = (id_, id_.rpartition("/")[0], *(f"{id_}/{child}" for child in _DNS_CHILDREN))
    return tuple(map(_dns_kind, paths))


def _children(item: Json | None, what: str) -> list[Json]:
    return list(((item or {}).get("properties") or {}).get(what) or [])
