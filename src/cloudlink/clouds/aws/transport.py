"""botocore's HTTP session with bounded answers and without redirects."""

from __future__ import annotations

import io
from typing import Any

from cloudlink.clouds import answers
from cloudlink.clouds.network import proxy_address
from cloudlink.errors import CloudlinkError

# Where AWS's own endpoints are, those of its other partitions and of VPC endpoints included.
# https://docs.aws.amazon.com/general/latest/gr/rande.html
HOSTS = (
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "api.aws",
    "api.amazonwebservices.com.cn",
    "api.amazonwebservices.eu",
    "c2s.ic.gov",
    "sc2s.sgov.gov",
)


class BoundedSession:
    """In the place of a client's own session, which it asks through the proxy that the other SDKs would use."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        inner._proxy_config = _proxies(inner._proxy_config)
        answers.bound_heads(inner._manager)
        inner._pool_classes_by_scheme = inner._manager.pool_classes_by_scheme

    def send(self, request: Any) -> Any:
        from botocore.exceptions import ConnectionClosedError, HTTPClientError, ReadTimeoutError
        from urllib3.exceptions import HTTPError
        from urllib3.exceptions import ReadTimeoutError as SilentError

        request.stream_output = True  # the body is read here, up to its bound
        try:
            response = self._inner.send(request)
        except HTTPClientError as error:  # botocore wraps what it does not know, and would try again
            if isinstance(error.kwargs.get("error"), CloudlinkError):
                raise error.kwargs["error"] from error
            raise
        answers.refuse_redirect(response.status_code, response.headers, request.url)
        try:
            response._content = answers.read_whole(response.raw, decode=False)
            response.raw = io.BytesIO(response._content)  # from here S3's bodies are read
        except CloudlinkError:
            raise
        except SilentError as error:
            raise ReadTimeoutError(endpoint_url=request.url, error=error) from error
        except (HTTPError, OSError) as error:
            raise ConnectionClosedError(error=error, request=request, endpoint_url=request.url) from error
        return response

    def close(self) -> None:
        self._inner.close()


def _proxies(given: Any) -> Any:
    """botocore takes no ALL_PROXY, and no ranges in NO_PROXY. given: its own, for the settings beside the addresses."""
    from botocore.httpsession import ProxyConfiguration

    class Proxies(ProxyConfiguration):
        def proxy_url_for(self, url: str) -> str:
            fixed: Any = self
            return str(fixed._fix_proxy_url(address)) if (address := proxy_address(url)) else None  # type: ignore[return-value]

    return Proxies(proxies_settings=given.settings)


def session(*arguments: Any) -> Any:
    """botocore's session whose clients are bounded: ours, and those that it makes for itself to sign in with (STS for roles
    and web identities, SSO, ``aws login``).

    Those have botocore's own limits otherwise: a minute for a connection and one for an answer, five times.
    """
    import botocore.session
    from botocore.config import Config

    class Session(botocore.session.Session):
        def create_client(self, *arguments: Any, **options: Any) -> Any:
            return bound(super().create_client(*arguments, **options))

    made = Session(*arguments)
    made.set_default_client_config(
        Config(connect_timeout=10, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 3})
    )
    return made


def bound_fetchers(made: Any) -> None:
    """The same for what asks the machine itself or a container's agent for credentials, which no client does.

    made: the session of the real AWS; asking for its providers calls nobody.
    """
    providers = {p.METHOD: p for p in made.get_component("credential_provider").providers}
    for method, holder in (("iam-role", "_role_fetcher"), ("container-role", "_fetcher")):
        fetcher = getattr(providers.get(method), holder, None)
        if fetcher is not None:
            fetcher._session = BoundedSession(fetcher._session)


def bound(client: Any) -> Any:
    """The same client, whose answers are bounded. Raises ForeignAddress where it would ask a host that is not AWS's."""
    url = str(client.meta.endpoint_url)
    if not answers.is_loopback(url):
        service = client.meta.service_model.service_name
        answers.require_host(
            url,
            HOSTS,
            f"AWS's {service}",
            f"Take AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_{service.upper()} or endpoint_url in ~/.aws/config away.",
        )
    # botocore has no public place for a session of one's own.
    client._endpoint.http_session = BoundedSession(client._endpoint.http_session)
    return client
