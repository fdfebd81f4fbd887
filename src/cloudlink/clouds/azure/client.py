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
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, cast

from cloudlink.clouds.azure import errors as azure_errors
from cloudlink.clouds.azure.errors import missing, retryable, unknown_outcome
from cloudlink.clouds.azure.session import VERSION_OF_NETWORK_WRITES, AzureSession, FirstAnswer
from cloudlink.clouds.cache import ReadCache
from cloudlink.clouds.endpoints import Endpoints
from cloudlink.clouds.malformed import parsing
from cloudlink.clouds.ownership import LINK_TAG, owner_of
from cloudlink.core.polling import Clock
from cloudlink.core.resource import Started
from cloudlink.errors import CloudlinkError, WaitError
from cloudlink.link import Link
from cloudlink.secret import Secret

__all__ = ["Azure", "Json", "missing", "retryable", "unknown_outcome"]

Json = dict[str, Any]
T = TypeVar("T")

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
_LOCAL_DNS_VERSIONS = ("2026-08-01", "2025-09-01")
_READ_TRIES = 3
_ACTION_EVERY = 4.0  # seconds between reads of the result of a gateway's action; it usually takes ten
_ACTION_DEADLINE = 180.0


class Azure:
    """The Azure side of one link. Thread-safe once ``sign_in`` has been called. endpoints: see AzureSession."""

    def __init__(self, link: Link, endpoints: Endpoints | None, clock: Clock, cache: ReadCache) -> None:
        self.side = link.azure
        self.link = link.name
        self.owner = owner_of(link)
        self.clock = clock
        self.cache = cache
        self._session = AzureSession(link.azure, endpoints)

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
        """The VPN gateway that bears our name."""
        return self._one(GATEWAY, self.id("virtualNetworkGateways", self.name("gateway")), fresh)

    @parsing("Azure's answers")
    def vnet_of_gateway(self) -> str:
        """The id in lower case of the VNet of the gateway of our name; empty: there is no gateway."""
        for config in _children(self.gateway(), "ipConfigurations"):
            subnet = str(((config.get("properties") or {}).get("subnet") or {}).get("id") or "").lower()
            if vnet := subnet.partition("/subnets/")[0]:
                return vnet
        return ""

    def local_gateways(self, *, fresh: bool = False) -> list[Json]:
        """Those of the link's resource group, others' included."""
        return self._all(LOCAL_GATEWAYS, self.id("localNetworkGateways"), fresh)

    def connection(self, name: str, *, fresh: bool = False) -> Json | None:
        """One by one: lists of connections leave out the key and the status. The key is a Secret; it is not there for
        whoever may not read it.

        Asks nothing while there is no gateway: Azure keeps a gateway as long as it has connections.
        """
        if self.gateway() is None:
            return None
        id_ = self.id("connections", name)
        return self.cache.get(
            connection_kind(name), lambda: self._read_or(lambda: self._with_key(self._get(id_), id_), None), fresh=fresh
        )

    def aks_cluster(self, *, fresh: bool = False) -> Json | None:
        return self._one(AKS, self.aks_id, fresh)

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
    def aks_with_local_dns(self) -> Json | None:
        """The cluster in a version of the API that has localDNSProfile: the older ones leave it out in silence. Where Azure
        has none of them (other clouds get them late), as ``aks_cluster`` reads it."""

        def read() -> Json | None:
            for version in _LOCAL_DNS_VERSIONS:
                try:
                    return cast(Json, self._session.ask("GET", self.aks_id, **{"api-version": version}).json())
                except Exception as error:
                    if missing(error):
                        return None
                    if getattr(error, "status_code", None) != 400:
                        raise
            return self.aks_cluster()

        return self.cache.get(f"{AKS}/local-dns", read)

    def other_gateways(self) -> list[str]:
        """Ids of gateways of any kind in the VNet's gateway subnet that are not ours."""
        subnet = next((s for s in _children(self.vnet(), "subnets") if s.get("name") == GATEWAY_SUBNET), {})
        ours = self.id("virtualNetworkGateways", self.name("gateway")).lower()
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

    def policy_restrictions(self, resource: Json, api_version: str, *, whole_subscription: bool = False) -> Json:
        """What policies would do with an object that is to be made in the link's group: asks, and changes nothing.

        whole_subscription: the group is not there yet.
        https://learn.microsoft.com/rest/api/policyinsights/policy-restrictions/check-at-resource-group-scope
        """
        side = self.side
        scope = f"/subscriptions/{side.subscription}" if whole_subscription else self.group_id(side.resource_group)
        body = {
            "resourceDetails": {"resourceContent": resource, "apiVersion": api_version},
            "pendingFields": [{"field": "tags"}],
        }
        path = f"{scope}/providers/Microsoft.PolicyInsights/checkPolicyRestrictions"
        return cast(Json, self._read(lambda: self._session.ask("POST", path, body=body)).json())

    # Reads that are not shared

    def permissions(self, scope: str) -> list[Json]:
        """What the caller's roles give on a scope: ``actions`` and ``notActions`` of each."""
        return self._asked_on(scope, "permissions")

    def deny_assignments(self, scope: str) -> list[Json]:
        """What is denied on a scope whatever the roles say, inherited assignments included."""
        return self._asked_on(scope, "denyAssignments")

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
        return self._list(f"{self.id('virtualNetworkGateways', self.name('gateway'))}/connections")

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

    @parsing("Azure's answers")
    def resources_by_tag(self) -> list[Json]:
        """Everything in the subscription that says it belongs to this link: ``id``, ``name``, ``type``, ``tags``.

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
        return list({str(i["id"]).lower(): i for i in items if self.owner.holds(i.get("tags"))}.values())

    def in_group(self) -> list[Json]:
        """Whatever lives in the link's resource group."""
        return self._list(f"{self.group_id(self.side.resource_group)}/resources")

    def whole(self, id_: str) -> Json:
        """An object of Microsoft.Network with everything that a write of it must name, lest it be taken away; its key is
        left out. Raises azure.core.exceptions.HttpResponseError.
        """
        version = {"api-version": VERSION_OF_NETWORK_WRITES}
        found = cast(Json, self._read(lambda: self._session.ask("GET", id_, **version)).json())
        (found.get("properties") or {}).pop("sharedKey", None)
        return found

    # Writes. Each sends one request and returns.

    def mark(self, id_: str) -> Started:
        """Add to one of our objects the tags that say where its link is, and the configured ones; its other tags and
        settings stay.

        https://learn.microsoft.com/rest/api/resources/tags/update-at-scope
        """
        body = {"operation": "Merge", "properties": {"tags": self.owner.added_tags()}}
        kinds = (GROUP, VNET, PUBLIC_IPS, GATEWAY, LOCAL_GATEWAYS, AKS, connection_kind(id_.rpartition("/")[2]))
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
        """The error for the user; None when it is none of Azure's SDK."""
        side = self.side
        return azure_errors.translate(error, tenant=side.tenant, subscription=side.subscription, location=side.location)

    # How calls are made

    def _one(self, kind: str, id_: str, fresh: bool) -> Json | None:
        return self.cache.get(kind, lambda: self._read_or(lambda: self._get(id_), None), fresh=fresh)

    def _all(self, kind: str, path: str, fresh: bool) -> list[Json]:
        return self.cache.get(kind, lambda: self._list(path), fresh=fresh)

    @parsing("Azure's answers")
    def _get(self, id_: str) -> Json:
        found = cast(Json, self._read(lambda: self._session.ask("GET", id_)).json())
        if key := (found.get("properties") or {}).get("sharedKey"):
            found["properties"]["sharedKey"] = Secret(key)  # so that no log and no traceback can show it
        return found

    def _with_key(self, connection: Json, id_: str) -> Json:
        """A connection that Azure answered without its key, or with an empty one: the key has an address of its own."""
        held = connection.setdefault("properties", {})
        if not held.get("sharedKey"):
            held.pop("sharedKey", None)
            if key := self._read(lambda: self._key_if_visible(id_)):
                held["sharedKey"] = Secret(key)
        return connection

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
            page = self._read(lambda: self._session.ask("GET", path, **query)).json()
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
        """A read is tried again after a lost answer, a throttle or a hiccup of Azure's; waiting is left to our clock."""
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
            begin(*arguments, polling=first)
        finally:
            self.cache.invalidate(*kinds)  # also when it raises: the outcome may be unknown
        return first

    @parsing("Azure's answers")
    def _action(self, what: str) -> list[Json]:
        """A POST to the gateway that only reads; its result lies behind its Location. Looked for by our clock:
        Retry-After is wall time in the SDK.

        Raises WaitError when it does not come.
        """
        path = f"{self.id('virtualNetworkGateways', self.name('gateway'))}/{what}"
        response = self._read(lambda: self._session.ask("POST", path))
        url = response.headers.get("Location")
        started = self.clock.now()
        while response.status_code == 202 and url:
            if self.clock.now() - started > _ACTION_DEADLINE or self.clock.wait(_ACTION_EVERY):
                raise WaitError("The gateway did not answer in time", f"{what} gave no result.")
            response = self._read(lambda: self._session.follow(url))
        return list((response.json() or {}).get("value") or [])


def connection_kind(name: str) -> str:
    """What a connection's read is filed under in ``Reads``."""
    return f"azure.connection/{name}"


def _children(item: Json | None, what: str) -> list[Json]:
    return list(((item or {}).get("properties") or {}).get(what) or [])
