"""azure-core's parts with bounded answers, without redirects, and for one server alone."""

from __future__ import annotations

from typing import Any

from cloudlink.clouds import answers
from cloudlink.clouds.network import explain
from cloudlink.clouds.recorded import RECORDING
from cloudlink.errors import CloudlinkError

_POOL = 32  # connections kept open; the SDK's default of ten makes more threads repeat the TLS handshake


def transport(ca_file: str | None) -> Any:
    """One for reads and writes: who writes finds the connections open that were read by. ca_file: the sandbox's
    authority, which is asked without any proxy; None: the real clouds."""
    import requests
    from azure.core.exceptions import ServiceRequestError, ServiceResponseError, ServiceResponseTimeoutError
    from azure.core.pipeline.transport import RequestsTransport
    from requests.adapters import HTTPAdapter
    from urllib3.exceptions import HTTPError, ReadTimeoutError

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
            super().init_poolmanager(*arguments, **options)
            answers.bound_heads(self.poolmanager)

        def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
            manager = super().proxy_manager_for(*arguments, **options)
            answers.bound_heads(manager)
            return manager

        def send(self, request: Any, *arguments: Any, **options: Any) -> Any:
            options["stream"] = True  # the body is read here, up to its bound
            try:
                response = super().send(request, *arguments, **options)
            except requests.RequestException:
                raise
            except OSError as error:  # the file of authorities, which is opened here
                raise explain(error, "Azure") or ServiceRequestError(f"{error}", error=error) from error
            answers.refuse_redirect(response.status_code, response.headers, str(request.url))
            try:
                response._content = answers.read_whole(response.raw, decode=True)
            except CloudlinkError:
                raise
            except ReadTimeoutError as error:
                raise ServiceResponseTimeoutError(f"{error}", error=error) from error
            except (HTTPError, OSError) as error:
                raise ServiceResponseError(f"{error}", error=error) from error
            response._content_consumed = True
            if RECORDING.on:
                asked = (request.method, request.url, request.body)
                RECORDING.add("azure", *asked, response.status_code, response.headers, response.content)
            return response

    session = requests.Session()
    # Else ``requests`` puts what ~/.netrc has for the host, or for any, in the token's place, and shows it to Azure.
    session.auth = _as_it_is
    for scheme in ("https://", "http://"):
        session.mount(scheme, Adapter(pool_connections=_POOL, pool_maxsize=_POOL))
    if ca_file is not None:
        session.trust_env = False  # no proxy and no other authority between us and loopback
    verify: bool | str = True if ca_file is None else ca_file
    return RequestsTransport(session=session, connection_verify=verify, connection_timeout=10, read_timeout=60)


def _as_it_is(request: Any) -> Any:
    return request


def same_origin_policy(base: str) -> Any:
    """First in a pipeline: what Azure names as the next page or the place of a result is on the server that was asked,
    or is not asked for. So no token is added to a request that goes elsewhere."""
    from azure.core.pipeline.policies import SansIOHTTPPolicy

    class SameOrigin(SansIOHTTPPolicy[Any, Any]):
        def on_request(self, request: Any) -> None:
            answers.require_same_origin(str(request.http_request.url), base)

    return SameOrigin()


def no_redirects() -> Any:
    from azure.core.pipeline.policies import RedirectPolicy

    return RedirectPolicy.no_redirects()
