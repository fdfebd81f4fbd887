"""Signed in to one of Azure's clouds, or to a sandbox: the credential, the clients, and the first answer of a write.

https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cloudlink import __version__
from cloudlink.clouds import azure_errors
from cloudlink.clouds.endpoints import Endpoints
from cloudlink.link import AzureSide

_POOL = 32  # connections kept open; the SDK's default of ten makes more threads shake hands anew


@dataclass(frozen=True)
class _Cloud:
    """One of Azure's clouds. https://learn.microsoft.com/azure/developer/python/sdk/authentication-multi-cloud"""

    management: str
    scope: str
    authority: str


_CLOUDS = {
    "public": _Cloud(
        "https://management.azure.com", "https://management.azure.com/.default", "login.microsoftonline.com"
    ),
    "usgovernment": _Cloud(
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net/.default",
        "login.microsoftonline.us",
    ),
    "china": _Cloud(
        "https://management.chinacloudapi.cn", "https://management.chinacloudapi.cn/.default", "login.chinacloudapi.cn"
    ),
}


class AzureSession:
    """Clients of one subscription, each imported and built when it is first used. Thread-safe after ``sign_in``.

    endpoints: of a running sandbox; None: the real Azure, signed in as DefaultAzureCredential finds it
    (environment, workload or managed identity, ``az login``).
    """

    def __init__(self, side: AzureSide, endpoints: Endpoints | None) -> None:
        self.side = side
        self._endpoints = endpoints
        self._lock = threading.RLock()
        self._made: dict[str, Any] = {}
        if endpoints is None:
            cloud = _CLOUDS[side.cloud]
            self._url, self._scope, self._authority = cloud.management, cloud.scope, cloud.authority
        else:
            url = endpoints.azure_url.rstrip("/")
            self._url, self._scope, self._authority = url, f"{url}/.default", url

    def sign_in(self) -> None:
        """Fetch one token and build the network client. Raises azure.core.exceptions.ClientAuthenticationError."""
        self.token(self._scope)
        assert self.network is not None

    def token(self, scope: str) -> str:
        return str(self.credential.get_token(scope).token)

    @property
    def credential(self) -> Any:
        return self._once("credential", self._make_credential)

    @property
    def network(self) -> Any:
        def make() -> Any:
            from azure.mgmt.network import NetworkManagementClient

            return NetworkManagementClient(self.credential, self.side.subscription, **self._client_settings())

        return self._once("network", make)

    @property
    def containers(self) -> Any:
        def make() -> Any:
            from azure.mgmt.containerservice import ContainerServiceClient

            return ContainerServiceClient(self.credential, self.side.subscription, **self._client_settings())

        return self._once("containers", make)

    @property
    def resources(self) -> Any:
        def make() -> Any:
            from azure.mgmt.resource.resources import ResourceManagementClient

            return ResourceManagementClient(self.credential, self.side.subscription, **self._client_settings())

        return self._once("resources", make)

    def _once(self, what: str, make: Callable[[], Any]) -> Any:
        with self._lock:
            if what not in self._made:
                self._made[what] = make()
            return self._made[what]

    def _make_credential(self) -> Any:
        if self._endpoints is not None:
            from azure.identity import ClientSecretCredential

            return ClientSecretCredential(
                self._endpoints.azure_tenant,
                self._endpoints.azure_client_id,
                self._endpoints.azure_client_secret.reveal(),
                authority=self._authority,
                disable_instance_discovery=True,
                transport=self._transport(),
            )
        from azure.identity import DefaultAzureCredential

        if self.side.tenant is None:
            return DefaultAzureCredential(authority=self._authority)
        found = DefaultAzureCredential(authority=self._authority, additionally_allowed_tenants=[self.side.tenant])
        return _InTenant(found, self.side.tenant)

    def _client_settings(self) -> dict[str, Any]:
        """No retries inside the SDK: they sleep where Ctrl-C cannot wake them, and would send a write again whose
        answer was lost. Reads are retried below, writes by the engine."""
        from azure.core.pipeline.policies import RetryPolicy

        return {
            "base_url": self._url,
            "credential_scopes": [self._scope],
            "transport": self._transport(),
            "retry_policy": RetryPolicy.no_retries(),
            "user_agent": f"cloudlink/{__version__}",
        }

    def _transport(self) -> Any:
        import requests
        from azure.core.pipeline.transport import RequestsTransport
        from requests.adapters import HTTPAdapter

        session = requests.Session()
        session.mount("https://", HTTPAdapter(pool_connections=_POOL, pool_maxsize=_POOL))
        verify: bool | str = True
        if self._endpoints is not None:
            verify = self._endpoints.ca_file
            session.trust_env = False  # no proxy between us and loopback
        return RequestsTransport(session=session, connection_verify=verify, connection_timeout=20, read_timeout=60)


class FirstAnswer:
    """The SDK's place for a polling strategy: ours keeps the first answer and does not poll.

    It has the methods of azure.core.polling.PollingMethod without being one, because that would import the SDK here.
    """

    def __init__(self) -> None:
        self.client: Any = None
        self.response: Any = None

    def initialize(self, client: Any, initial_response: Any, deserialization_callback: Any) -> None:
        del deserialization_callback
        self.client, self.response = client, initial_response.http_response

    def run(self) -> None: ...

    def status(self) -> str:
        return "Succeeded"

    def finished(self) -> bool:
        return True

    def resource(self) -> None:
        return None

    @property
    def status_code(self) -> int:
        return int(self.response.status_code)

    @property
    def location(self) -> str:
        return str(self.response.headers.get("Location") or "")

    def get(self, url: str) -> Any:
        """One GET through the client's pipeline. The URL is signed: it is used as it came. Raises for 5xx and 429."""
        from azure.core.exceptions import HttpResponseError
        from azure.core.rest import HttpRequest

        response = self.client.send_request(HttpRequest("GET", url))
        if response.status_code in (408, 429) or response.status_code >= 500:
            raise HttpResponseError(response=response)
        return response

    def reason(self) -> str:
        """Why the operation failed, as ``code: message``; empty when it did not fail or cannot be asked."""
        url = self.response.headers.get("Azure-AsyncOperation")
        if not url:
            return ""
        try:
            answer = self.get(str(url)).json()
        except Exception as problem:
            if not (azure_errors.is_azure(problem) or isinstance(problem, ValueError)):  # unreachable, or not JSON
                raise
            return ""
        if not isinstance(answer, dict) or str(answer.get("status", "")).lower() not in ("failed", "canceled"):
            return ""
        error = answer.get("error") or {}
        return azure_errors.words_of(error.get("code") or str(answer["status"]), error.get("message"))


class _InTenant:
    """A credential that always asks for tokens of one tenant: DefaultAzureCredential itself takes no tenant."""

    def __init__(self, credential: Any, tenant: str) -> None:
        self._credential = credential
        self._tenant = tenant

    def get_token(self, *scopes: str, **options: Any) -> Any:
        return self._credential.get_token(*scopes, **{**options, "tenant_id": self._tenant})

    def get_token_info(self, *scopes: str, options: Any = None) -> Any:
        return self._credential.get_token_info(*scopes, options={**(options or {}), "tenant_id": self._tenant})
