"""Signed in to one of Azure's clouds, or to a sandbox: the credential, the pipeline that reads, the clients that write.

https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from cloudlink import __version__
from cloudlink.clouds import answers
from cloudlink.clouds.azure import errors as azure_errors
from cloudlink.clouds.azure import transport
from cloudlink.clouds.azure.credential import CachedCredential
from cloudlink.clouds.endpoints import Endpoints
from cloudlink.clouds.malformed import parsing
from cloudlink.link import AzureSide

_USER_AGENT = f"cloudlink/{__version__}"
# Seconds for ``az`` to give a token: the SDK's own 10 are too few on a busy machine, and 30 half of the time.
CLI_SECONDS = 90


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


# In which version of each provider's API we read. Azure serves a version for years, and its other clouds get new ones
# late; these have everything that we read, and a published specification that what we read is checked against.
_VERSIONS = {
    "Microsoft.Network": "2024-01-01",
    "Microsoft.ContainerService": "2024-02-01",
    "Microsoft.Authorization": "2020-05-01",  # locks
    "Microsoft.PolicyInsights": "2022-03-01",
}
# In which version the management clients write (their own default). What is read to be changed and written back is read
# in it, too: an older one would leave out what it does not know, and the write would take that away.
VERSION_OF_NETWORK_WRITES = "2026-03-01"
_VERSION_OF_PERMISSIONS = "2022-04-01"
_VERSION_OF_LOCATIONS = "2022-12-01"  # the first that tells the zones of a location
_VERSION_OF_GROUPS = "2022-09-01"  # Microsoft.Resources, which paths to groups and to lists of resources do not name


class AzureSession:
    """One subscription: what it answers, and its clients, each imported when it is first used. Thread-safe after
    ``sign_in``.

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
        """Fetch one token. Raises azure.core.exceptions.ClientAuthenticationError."""
        self.token(self._scope)

    def token(self, scope: str) -> str:
        return str(self.credential.get_token(scope).token)

    @property
    def credential(self) -> CachedCredential:
        """One for all pipelines and clients: each audience's token is asked for once."""
        made: CachedCredential = self._once("credential", lambda: CachedCredential(self._make_credential()))
        return made

    def management_token(self) -> Any:
        """The AccessToken that reads and writes are sent with: also who it is for and how long it lasts."""
        return self.credential.get_token(self._scope)

    def ask(self, method: str, path: str, *, body: Any = None, **query: str) -> Any:
        """The answer to a request that changes nothing. path: an id, or a path below one. body: JSON of a question.

        Raises azure.core.exceptions.HttpResponseError for an answer that is an error.
        """
        return self._send(method, self._url + quote(path), {"api-version": _version_of(path), **query}, body)

    def follow(self, url: str) -> Any:
        """The answer behind a URL that Azure gave. It is signed, or has a place in a list: it is used as it came."""
        return self._send("GET", url, {})

    def _send(self, method: str, url: str, query: dict[str, str], body: Any = None) -> Any:
        from azure.core.rest import HttpRequest

        response = self._pipeline.send_request(HttpRequest(method, url, params=query, json=body))
        response.raise_for_status()
        return response

    @property
    def _pipeline(self) -> Any:
        """What the management clients are built on, without their models. No retries, for the same reason as there."""

        def make() -> Any:
            from azure.core import PipelineClient
            from azure.core.pipeline import policies

            return PipelineClient(
                self._url,
                transport=self._transport,
                policies=[
                    transport.same_origin_policy(self._url),
                    policies.RequestIdPolicy(),
                    policies.UserAgentPolicy(_USER_AGENT),
                    transport.no_redirects(),
                    policies.BearerTokenCredentialPolicy(self.credential, self._scope),
                    policies.ContentDecodePolicy(),
                    policies.SensitiveHeaderCleanupPolicy(),
                ],
            )

        return self._once("pipeline", make)

    @property
    def network(self) -> Any:
        """In the link's subscription."""
        return self.network_of(self.side.subscription)

    def network_of(self, subscription: str) -> Any:
        def make() -> Any:
            from azure.mgmt.network import NetworkManagementClient

            return NetworkManagementClient(self.credential, subscription, **self._client_settings())

        return self._once(f"network/{subscription}", make)

    @property
    def containers(self) -> Any:
        def make() -> Any:
            from azure.mgmt.containerservice import ContainerServiceClient

            return ContainerServiceClient(self.credential, self.side.aks_subscription, **self._client_settings())

        return self._once("containers", make)

    @property
    def resources(self) -> Any:
        def make() -> Any:
            from azure.mgmt.resource.resources import ResourceManagementClient

            return ResourceManagementClient(self.credential, self.side.subscription, **self._client_settings())

        return self._once("resources", make)

    def _once(self, what: str, make: Callable[[], Any]) -> Any:
        if what not in self._made:  # what is made already need not wait for half a second of importing
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
                transport=self._transport,
            )
        from azure.identity import DefaultAzureCredential

        if self.side.tenant is None:
            return DefaultAzureCredential(authority=self._authority, process_timeout=CLI_SECONDS)
        found = DefaultAzureCredential(
            authority=self._authority,
            process_timeout=CLI_SECONDS,
            additionally_allowed_tenants=[self.side.tenant],
        )
        return _InTenant(found, self.side.tenant)

    def _client_settings(self) -> dict[str, Any]:
        """No retries inside the SDK: they sleep where Ctrl-C cannot wake them, and would send a write again whose
        answer was lost. Reads are retried below, writes by the engine."""
        from azure.core.pipeline.policies import RetryPolicy

        return {
            "base_url": self._url,
            "credential_scopes": [self._scope],
            "transport": self._transport,
            "retry_policy": RetryPolicy.no_retries(),
            "redirect_policy": transport.no_redirects(),
            "per_call_policies": [transport.same_origin_policy(self._url)],
            "user_agent": _USER_AGENT,
        }

    @property
    def _transport(self) -> Any:
        ca_file = self._endpoints.ca_file if self._endpoints is not None else None
        return self._once("transport", lambda: transport.transport(ca_file))


def _version_of(path: str) -> str:
    """By the provider that a path names last; a path to a provider itself is answered by Azure's own front."""
    if path.endswith("/locations"):
        return _VERSION_OF_LOCATIONS
    provider, _, type_ = path.rpartition("/providers/")[2].partition("/")
    if type_ in ("permissions", "denyAssignments"):
        return _VERSION_OF_PERMISSIONS
    return _VERSIONS[provider] if "/providers/" in path and type_ else _VERSION_OF_GROUPS


class FirstAnswer:
    """The SDK's place for a polling strategy: ours keeps the first answer and does not poll.

    It has the methods of azure.core.polling.PollingMethod without being one, because that would import the SDK here.
    follow: AzureSession's.
    """

    def __init__(self, follow: Callable[[str], Any]) -> None:
        self._follow = follow
        self.response: Any = None

    def initialize(self, client: Any, initial_response: Any, deserialization_callback: Any) -> None:
        del client, deserialization_callback
        self.response = initial_response.http_response

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

    @parsing("Azure's answers")
    def reason(self) -> str:
        """Why the operation failed, as ``code: message``; empty when it did not fail or cannot be asked."""
        url = self.response.headers.get("Azure-AsyncOperation")
        if not url:
            return ""
        try:
            answer = self._follow(str(url)).json()
        except answers.ForeignAddress as foreign:
            return f"it cannot be asked why: {foreign}"
        except Exception as problem:
            known = azure_errors.is_azure(problem) or isinstance(problem, ValueError | answers.UnboundedAnswer)
            if not known:  # unreachable, or not JSON
                raise
            return ""
        if not isinstance(answer, dict) or str(answer.get("status", "")).lower() not in ("failed", "canceled"):
            return ""
        error = answer.get("error") or {}
        error = error if isinstance(error, dict) else {}
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
