"""AzureCloud: the sandbox's Azure as the rest of the sandbox sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudlink_sandbox.azure.application import Application
from cloudlink_sandbox.azure.authorization import Authorization
from cloudlink_sandbox.azure.bgp import Bgp
from cloudlink_sandbox.azure.connections import Connections
from cloudlink_sandbox.azure.deployments import Deployments
from cloudlink_sandbox.azure.entra import Entra
from cloudlink_sandbox.azure.exchange import Json
from cloudlink_sandbox.azure.facts import AksEndpoint, facts_of
from cloudlink_sandbox.azure.fixtures import Fixtures
from cloudlink_sandbox.azure.kind import Kind
from cloudlink_sandbox.azure.local_gateways import LocalGateways
from cloudlink_sandbox.azure.managed_clusters import ManagedClusters
from cloudlink_sandbox.azure.operations import Operations
from cloudlink_sandbox.azure.public_ips import PublicIps
from cloudlink_sandbox.azure.resource_groups import ResourceGroups
from cloudlink_sandbox.azure.routing_and_filtering import RouteTables, SecurityGroups
from cloudlink_sandbox.azure.store import Store
from cloudlink_sandbox.azure.vnets import Peerings, Subnets, VirtualNetworks
from cloudlink_sandbox.azure.vpn_gateways import VpnGateways
from cloudlink_sandbox.facts import AksCluster, AzureFacts

if TYPE_CHECKING:
    from cloudlink_sandbox.cloud import Sky
    from cloudlink_sandbox.world_file import WorldFile


@dataclass
class Parts:
    """Everything that answers requests. kinds: by resource type in lower case."""

    entra: Entra
    operations: Operations
    vnets: VirtualNetworks
    subnets: Subnets
    peerings: Peerings
    public_ips: PublicIps
    route_tables: RouteTables
    security_groups: SecurityGroups
    gateways: VpnGateways
    local_gateways: LocalGateways
    connections: Connections
    bgp: Bgp
    clusters: ManagedClusters
    groups: ResourceGroups
    deployments: Deployments
    authorization: Authorization
    kinds: dict[str, Kind]


class AzureCloud:
    """Azure Resource Manager, Entra ID and AKS's resource provider, with one tenant and one application.

    app: the WSGI application, to be served over HTTPS. base_url: where it is served, without a trailing slash; set
    after binding. aks_endpoint: where a cluster's API server is; set before clusters' credentials are asked for.
    """

    def __init__(self, sky: Sky, *, tenant: str, client_id: str, client_secret: str) -> None:
        self.sky = sky
        self.base_url = "https://127.0.0.1"
        self.aks_endpoint: AksEndpoint = _no_endpoint
        self.store = Store(sky)
        self.parts = _parts(
            self.store,
            Entra(sky, tenant=tenant, client_id=client_id, client_secret=client_secret),
            lambda: self.aks_endpoint,
        )
        self.app: Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]] = Application(self)

    def settle(self) -> None:
        """Brings everything to its state at this moment."""
        self.store.settle()
        self.parts.groups.settle()
        self.parts.deployments.settle()

    def facts(self) -> AzureFacts:
        """What is in force now."""
        with self.sky.lock:
            self.settle()
            return facts_of(self.store)

    def seed(self, world: WorldFile) -> None:
        """Puts there what the world file says exists, and somebody else's objects. What is there already stays."""
        with self.sky.lock:
            Fixtures(self.store, self.parts.clusters, world, tenant=self.parts.entra.tenant).seed()
            self.sky.touch()

    def token_valid(self, token: str, audience: str | None = None) -> str | None:
        """The audience of an Entra token of this tenant that is still good; None for any other text, and when
        ``audience`` is given and differs."""
        read = self.parts.entra.read(token)
        if read is None or not read[1]:
            return None
        found = str(read[0]["aud"])
        return found if audience in (None, found) else None

    def snapshot(self) -> Json:
        """All state, to be pickled."""
        with self.sky.lock:
            return self.store.snapshot()

    def restore(self, state: Json) -> None:
        with self.sky.lock:
            self.store.restore(state)
            self.sky.touch()


def _no_endpoint(cluster: AksCluster) -> tuple[str, str, str]:
    raise RuntimeError(f"no API server is set for cluster {cluster.name}")


def _parts(store: Store, entra: Entra, endpoint: Callable[[], AksEndpoint]) -> Parts:
    operations = Operations(store)
    vnets, subnets, peerings = (
        VirtualNetworks(store, operations),
        Subnets(store, operations),
        Peerings(store, operations),
    )
    public_ips, route_tables = PublicIps(store, operations), RouteTables(store, operations)
    security_groups, gateways = SecurityGroups(store, operations), VpnGateways(store, operations)
    local_gateways, connections = LocalGateways(store, operations), Connections(store, operations)
    clusters = ManagedClusters(store, operations, endpoint)
    kinds: list[Kind] = [
        vnets,
        subnets,
        peerings,
        public_ips,
        route_tables,
        security_groups,
        gateways,
        local_gateways,
        connections,
        clusters,
    ]
    by_type = {k.type.lower(): k for k in kinds}
    return Parts(
        entra=entra,
        operations=operations,
        vnets=vnets,
        subnets=subnets,
        peerings=peerings,
        public_ips=public_ips,
        route_tables=route_tables,
        security_groups=security_groups,
        gateways=gateways,
        local_gateways=local_gateways,
        connections=connections,
        bgp=Bgp(store, operations, gateways),
        clusters=clusters,
        groups=ResourceGroups(store, by_type, entra.tenant),
        deployments=Deployments(store, by_type),
        authorization=Authorization(store, store.sky.faults),
        kinds=by_type,
    )
