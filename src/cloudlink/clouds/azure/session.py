"""Signed in to one of Azure's clouds, or to a sandbox: the credential, the pipeline that reads, the clients that write.

https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote

from cloudlink import __version__
from cloudlink.clouds import answers
from cloudlink.clouds.azure import errors as azure_errors
from cloudlink.clouds.azure import transport, versions
from cloudlink.clouds.azure.credential import CachedCredential
from cloudlink.clouds.contact import CONTACT, place_of_url
from cloudlink.clouds.deferred import deferred
from cloudlink.clouds.endpoints import Endpoints
from cloudlink.clouds.malformed import parsing
from cloudlink.link import AzureSide

_USER_AGENT = f"cloudlink/{__version__}"
# Seconds for ``az`` to give a token: the SDK's own 10 are too few on a busy machine, and 30 half of the time.
CLI_SECONDS = 90
_SIGN_IN_RETRIES = 2
_NETWORK_MODELS = ("azure.mgmt.network.models", "azure.mgmt.network.types")


@dataclass(frozen=True)
class _Cloud:
    """One of Azure's clouds. https://learn.microsoft.com/azure/developer/python/sdk/authentication-multi-cloud"""

    management: str
    scope: str
    authority: str
    logs: str  # of Log Analytics, which has an audience of its own


_CLOUDS = {
    "public": _Cloud(
        "https://management.azure.com",
        "https://management.azure.com/.default",
        "login.microsoftonline.com",
        "https://api.loganalytics.io",
    ),
    "usgovernment": _Cloud(
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net/.default",
        "login.microsoftonline.us",
        "https://api.loganalytics.us",
    ),
    "china": _Cloud(
        "https://management.chinacloudapi.cn",
        "https://management.chinacloudapi.cn/.default",
        "login.chinacloudapi.cn",
        "https://api.loganalytics.azure.cn",
    ),
}


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
        self._versions = versions.Versions(side.cloud)
        cloud = _CLOUDS[side.cloud]
        self._logs_scope = f"{cloud.logs}/.default"
        if endpoints is None:
            self._logs = cloud.logs
            self._url, self._scope, self._authority = cloud.management, cloud.scope, cloud.authority
        else:
            url = self._logs = endpoints.azure_url.rstrip("/")
            self._url, self._scope, self._authority = url, f"{url}/.default", url

    @property
    def is_sandbox(self) -> bool:
        return self._endpoints is not None

    def sign_in(self) -> None:
        """Fetch one token. Raises azure.core.exceptions.ClientAuthenticationError."""
        self.token(self._scope)

    def token(self, scope: str) -> str:
        return str(self.credential.get_token(scope).token)

    @property
    def credential(self) -> CachedCredential:
        """One for all pipelines and clients: each audience's token is asked for once."""

        def make() -> CachedCredential:
            place = place_of_url(self._url, proxies=self._endpoints is None)
            return CachedCredential(self._make_credential(), waited=partial(CONTACT.sign_in, place))

        made: CachedCredential = self._once("credential", make)
        return made

    def management_token(self) -> Any:
        """The AccessToken that reads and writes are sent with: also who it is for and how long it lasts."""
        return self.credential.get_token(self._scope)

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        for_write: bool = False,
    ) -> Any:
        """The answer to a request that changes nothing. path: an id, or a path below one. body: JSON of a question.
        for_write: it is read to be written back, in the version of the API that it will be written in.

        Raises azure.core.exceptions.HttpResponseError for an answer that is an error.
        """
        return self._send(method, self._url + quote(path), query or {}, body, version_of_writes=for_write)

    def follow(self, url: str) -> Any:
        """The answer behind a URL that Azure gave. It is signed, or has a place in a list: it is used as it came."""
        return self._send("GET", url, {}, version_is_given=True)

    def _send(self, method: str, url: str, query: Mapping[str, str], body: Any = None, **options: bool) -> Any:
        from azure.core.rest import HttpRequest

        response = self._pipeline.send_request(HttpRequest(method, url, params=dict(query), json=body), **options)
        response.raise_for_status()
        return response

    @property
    def _pipeline(self) -> Any:
        """What the management clients are built on, without their models."""
        return self._once("pipeline", lambda: self._make_pipeline(self._policies()))

    def storage_pipeline(self, url: str, scope: str) -> Any:
        """For one storage account, with the same credential: nothing of it goes to another host. Its answers are not JSON, and
        its requests name their version in a header."""
        return self._once(f"storage/{url}", lambda: self._make_pipeline(self._outer(url, scope)))

    def query_logs(self, resource: str, query: str, timespan: str) -> Any:
        """What Log Analytics holds of one resource, in whatever workspaces. timespan: two moments of ISO 8601, with a slash.

        Raises azure.core.exceptions.HttpResponseError for an answer that is an error.
        https://learn.microsoft.com/rest/api/logsquery/query/execute-with-resource-id
        """
        from azure.core.rest import HttpRequest

        pipeline = self._once("logs", lambda: self._make_pipeline(self._outer(self._logs, self._logs_scope)))
        body = {"query": query, "timespan": timespan}
        response = pipeline.send_request(HttpRequest("POST", f"{self._logs}/v1{quote(resource)}/query", json=body))
        response.raise_for_status()
        return response

    def _make_pipeline(self, policies: list[Any]) -> Any:
        from azure.core import PipelineClient

        return PipelineClient(self._url, transport=self._transport, policies=policies)

    def _policies(self) -> list[Any]:
        """Of reads and writes alike. No retries: they sleep where Ctrl-C cannot wake them, and would send a write again whose
        answer was lost; reads are retried by the client, writes by the engine. And not the SDK's own list, which registers
        resource providers in the subscription without being asked to."""
        from azure.core.pipeline import policies

        first, *rest = self._outer(self._url, self._scope)
        return [first, versions.policy(self._versions), policies.ContentDecodePolicy(), *rest]

    def _outer(self, url: str, scope: str) -> list[Any]:
        from azure.core.pipeline import policies

        return [
            transport.same_origin_policy(url),
            policies.RequestIdPolicy(),
            policies.UserAgentPolicy(_USER_AGENT),
            transport.no_redirects(),
            policies.BearerTokenCredentialPolicy(self.credential, scope),
            policies.SensitiveHeaderCleanupPolicy(),
        ]

    @property
    def network(self) -> Any:
        """In the link's subscription."""
        return self.network_of(self.side.subscription)

    def network_of(self, subscription: str) -> Any:
        def make() -> Any:
            return network_client()(self.credential, subscription, **self._client_settings())

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

            made: Any = ClientSecretCredential(
                self._endpoints.azure_tenant,
                self._endpoints.azure_client_id,
                self._endpoints.azure_client_secret.reveal(),
                authority=self._authority,
                disable_instance_discovery=True,
                transport=self._transport,
                retry_total=_SIGN_IN_RETRIES,
            )
            # Neither AZURE_REGIONAL_AUTHORITY_NAME nor MSAL_FORCE_REGION: both would ask 169.254.169.254 for a region.
            made._regional_authority = False
            return made
        from azure.identity import DefaultAzureCredential

        if self.side.tenant is None:
            return DefaultAzureCredential(**self._sign_in_settings())
        found = DefaultAzureCredential(**self._sign_in_settings(), additionally_allowed_tenants=[self.side.tenant])
        return _InTenant(found, self.side.tenant)

    def _sign_in_settings(self) -> dict[str, Any]:
        """Its own retries are few: who asks repeats the call as long as the command's patience lasts."""
        return {
            "authority": self._authority,
            "process_timeout": CLI_SECONDS,
            "connection_timeout": 10,
            "read_timeout": 60,
            "retry_total": _SIGN_IN_RETRIES,
            "transport": transport.transport(None),
        }

    def _client_settings(self) -> dict[str, Any]:
        return {
            "base_url": self._url,
            "credential_scopes": [self._scope],
            "transport": self._transport,
            "policies": self._policies(),
        }

    @property
    def _transport(self) -> Any:
        ca_file = self._endpoints.ca_file if self._endpoints is not None else None
        return self._once("transport", lambda: transport.transport(ca_file))


def network_client() -> Any:
    """The class, without its 1,500 models. What is written is plain JSON, and what Azure answers to a write is not read
    (``FirstAnswer``): within ``deferred.any_names`` a write needs none of them, unless it is refused."""
    with deferred(("azure.mgmt.network",), names_only=_NETWORK_MODELS):
        from azure.mgmt.network import NetworkManagementClient

    return NetworkManagementClient


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
        self.credential = self._credential = credential
        self._tenant = tenant

    def get_token(self, *scopes: str, **options: Any) -> Any:
        return self._credential.get_token(*scopes, **{**options, "tenant_id": self._tenant})

    def get_token_info(self, *scopes: str, options: Any = None) -> Any:
        return self._credential.get_token_info(*scopes, options={**(options or {}), "tenant_id": self._tenant})
