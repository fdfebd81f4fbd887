"""AzureCloud: the sandbox's Azure as the rest of the sandbox sees it."""

from __future__ import annotations

from cloudlink_sandbox.azure.application import Application
from cloudlink_sandbox.azure.entra import Entra
from cloudlink_sandbox.azure.exchange import Json
from cloudlink_sandbox.azure.facts import AksEndpoint, facts_of
from cloudlink_sandbox.azure.fixtures import Fixtures
from cloudlink_sandbox.azure.parts import make_parts
from cloudlink_sandbox.azure.store import Store
from cloudlink_sandbox.context import SandboxContext
from cloudlink_sandbox.facts import AksCluster, AzureFacts
from cloudlink_sandbox.world_file import WorldFile


class AzureCloud:
    """Azure Resource Manager, Entra ID and AKS's resource provider, with one tenant and one application.

    app: the WSGI application, to be served over HTTPS. base_url: where it is served, without a trailing slash; set
    after binding. aks_endpoint: where a cluster's API server is; set before clusters' credentials are asked for.
    """

    def __init__(self, context: SandboxContext, *, tenant: str, client_id: str, client_secret: str) -> None:
        self.context = context
        self.base_url = "https://127.0.0.1"
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
            self.context.touch()

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
        with self.context.lock:
            return self.store.snapshot()

    def restore(self, state: Json) -> None:
        with self.context.lock:
            self.store.restore(state)
            self.context.touch()


def _no_endpoint(cluster: AksCluster) -> tuple[str, str, str]:
    raise RuntimeError(f"no API server is set for cluster {cluster.name}")
