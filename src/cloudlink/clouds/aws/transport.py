"""botocore's HTTP session with bounded answers and without redirects."""

from __future__ import annotations

from typing import Any

from cloudlink.clouds import answers
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
    """In the place of a client's own session, which it asks."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        answers.bound_heads(inner._manager)
        inner._pool_classes_by_scheme = inner._manager.pool_classes_by_scheme

    def send(self, request: Any) -> Any:
        from botocore.exceptions import ConnectionClosedError, ReadTimeoutError
        from urllib3.exceptions import HTTPError
        from urllib3.exceptions import ReadTimeoutError as SilentError

        request.stream_output = True  # the body is read here, up to its bound
        response = self._inner.send(request)
        answers.refuse_redirect(response.status_code, response.headers, request.url)
        try:
            response._content = answers.read_whole(response.raw, decode=False)
        except CloudlinkError:
            raise
        except SilentError as error:
            raise ReadTimeoutError(endpoint_url=request.url, error=error) from error
        except (HTTPError, OSError) as error:
            raise ConnectionClosedError(error=error, request=request, endpoint_url=request.url) from error
        return response

    def close(self) -> None:
        self._inner.close()


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
