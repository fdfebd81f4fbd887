"""AzureCloud: the sandbox's Azure as the rest of the sandbox sees it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from cloudlink_sandbox.azure import dns_resolvers, private_zones
from cloudlink_sandbox.azure.application import Application
from cloudlink_sandbox.azure.entra import Entra
from cloudlink_sandbox.azure.exchange import Json
from cloudlink_sandbox.azure.existing_gateway import calls
from cloudlink_sandbox.azure.facts import AksEndpoint, facts_of
from cloudlink_sandbox.azure.fixtures import Fixtures
from cloudlink_sandbox.azure.ids import parse
from cloudlink_sandbox.azure.parts import make_parts
from cloudlink_sandbox.azure.store import Store
from cloudlink_sandbox.azure.wire import WireFixtures
from cloudlink_sandbox.context import SandboxContext
from cloudlink_sandbox.durations import MEDIANS
from cloudlink_sandbox.errors import InvalidRequest
from cloudlink_sandbox.facts import AksCluster, AzureFacts
from cloudlink_sandbox.wires import plan_of
from cloudlink_sandbox.world_file import ArmCall, Vnet, WorldFile


class AzureCloud:
    """Azure Resource Manager, Entra ID and AKS's resource provider, with one tenant and one application.

    app: the WSGI application, to be served over HTTPS. base_url: where it is served, without a trailing slash; set
    after binding. aks_endpoint: where a cluster's API server is; set before clusters' credentials are asked for.
    """

    def __init__(self, context: SandboxContext, *, tenant: str, client_id: str, client_secret: str) -> None:
        self.context = context
        self.base_url = "https://127.0.0.1"
        self.world: Callable[[], WorldFile | None] = lambda: None  # what the sandbox was seeded with
        self.aks_endpoint: AksEndpoint = _no_endpoint
        self.store = Store(context)
        self.parts = make_parts(
            self.store,
            Entra(context, tenant=tenant, client_id=client_id, client_secret=client_secret),
            lambda: self.aks_endpoint,
        )
        self.app = Application(self)

    def advance(self) -> None:
        """Brings everything to its state at this moment."""
        self.store.advance()
        self.parts.groups.advance()
        self.parts.deployments.advance()

    def facts(self) -> AzureFacts:
        """What is in force now."""
        with self.context.lock:
            self.advance()
            return facts_of(self.store)

    def seed(self, world: WorldFile) -> None:
        """Puts there what the world file says exists, and somebody else's objects. What is there already stays."""
        with self.context.lock:
            Fixtures(self.store, self.parts.clusters, world, tenant=self.parts.entra.tenant).seed()
            if (plan := plan_of(world)) is not None and world.azure.vnet is not None:
                WireFixtures(self.store, self.parts, world.azure, plan).seed(world.azure.vnet)
            self._make(world)
            self.context.touch()

    def _make(self, world: WorldFile) -> None:
        """The calls of the world file, without their time. Raises InvalidRequest for one that is refused."""
        durations = self.context.durations
        kept = dict(durations.overrides)
        durations.overrides |= dict.fromkeys((k for k in MEDIANS if k.startswith("azure.")), 0.0)
        try:
            for index, call in (*((-1, c) for c in self._existing(world)), *enumerate(world.azure.calls)):
                path = call.path.replace("{subscription}", world.azure.subscription)
                answer = self.app.carry_out(call.method, path, call.body, call.api_version)
                if answer.status >= 400:
                    said = json.dumps(answer.body)
                    made = "more_aks" if "/virtualNetworkPeerings/" in path else "vpn_gateway"
                    raise InvalidRequest(
                        f"azure.{f'calls[{index}]' if index >= 0 else made} of the world file was refused",
                        f"{call.method} {path}: {answer.status} {said}",
                        "Correct this call; each is carried out in its turn, after the VNet and the cluster are there.",
                    )
                self.advance()
        finally:
            durations.overrides.clear()
            durations.overrides |= kept

    def _existing(self, world: WorldFile) -> tuple[ArmCall, ...]:
        """The calls that make a gateway of the world file, and peerings of its clusters' own VNets; none of what is there already."""
        azure = world.azure
        if azure.vnet is None:
            return ()
        made = tuple(calls(azure, azure.vnet, azure.vpn_gateway)) if azure.vpn_gateway is not None else ()
        made = () if made and self.store.find(parse(made[-1].path)) is not None else made
        return (*made, *(c for c in _peerings(world, azure.vnet) if self.store.find(parse(c.path)) is None))

    def only_versions(self, path: str) -> tuple[str, ...]:
        """The versions of the API that the provider of this path takes alone; empty: all that the sandbox knows."""
        world = self.world()
        provider, _, kind = path.lower().rpartition("/providers/")[2].partition("/")
        rows = world.azure.api_versions if world else ()
        said = next((r.versions for r in rows if r.provider.lower() == provider), ())
        if said or provider != "microsoft.network":
            return said
        if kind.startswith("privatednszones"):
            return private_zones.VERSIONS
        dns = kind.startswith(("dnsresolvers", "dnsforwardingrulesets")) or "/listdns" in kind
        return dns_resolvers.VERSIONS if dns else ()

    def token_valid(self, token: str, audience: str | None = None) -> str | None:
        """The audience of an Entra token of this tenant that is still good; None for any other text, and when
        ``audience`` is given and differs."""
        read = self.parts.entra.read(token)
        if read is None or not read[1]:
            return None
        found = str(read[0]["aud"])
        return found if audience in (None, found) else None

    def snapshot(self) -> Json:
        """All state, to be written down."""
        with self.context.lock:
            return self.store.snapshot()

    def restore(self, state: Json) -> None:
        with self.context.lock:
            self.store.restore(state)
            self.context.touch()


def _peerings(world: WorldFile, hub: Vnet) -> Iterator[ArmCall]:
    """Both halves of the peering of each further cluster's own VNet. It uses the hub's gateway where there is one at the start;
    Azure refuses that before."""
    azure = world.azure
    has_gateway = world.wire is not None or azure.vpn_gateway is not None

    def id_of(vnet: Vnet) -> str:
        group = f"/subscriptions/{vnet.subscription or azure.subscription}/resourceGroups/{vnet.resource_group}"
        return f"{group}/providers/Microsoft.Network/virtualNetworks/{vnet.name}"

    def half(one: Vnet, other: Vnet, **flags: bool) -> ArmCall:
        inside = {"remoteVirtualNetwork": {"id": id_of(other)}, "allowVirtualNetworkAccess": True, **flags}
        path = f"{id_of(one)}/virtualNetworkPeerings/to-{other.name}"
        return ArmCall(path, "PUT", json.dumps({"properties": inside}))

    for vnet in {aks.vnet.name: aks.vnet for aks in azure.more_aks if aks.vnet is not None}.values():
        yield half(hub, vnet, allowGatewayTransit=True)
        yield half(vnet, hub, allowForwardedTraffic=True, useRemoteGateways=has_gateway)


def _no_endpoint(cluster: AksCluster) -> tuple[str, str, str]:
    raise RuntimeError(f"no API server is set for cluster {cluster.name}")
