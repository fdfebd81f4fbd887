"""In which version of its API each provider is asked, in each of Azure's clouds: one table for reads and writes.

Azure's other clouds get new versions months after the public one, and nobody publishes which. So each refusal that lists
the versions there are is believed: the newest of them is taken for the rest of the run, and the call is sent again. That
is safe for a write, because Azure's front refuses before the provider sees it.
https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-invalid-resource-type
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit


@dataclass(frozen=True)
class Version:
    """read: also what we look for is in it. write: also in what is read to be written back: an older version leaves out what
    it does not know, and the write would take that away. spare: for a refusal that does not say which versions there are."""

    read: str
    write: str = ""
    spare: str = ""


_INSIGHTS = "microsoft.insights"
NETWORK, AKS = "microsoft.network", "microsoft.containerservice"
# Beside providers: what a path names without one, or with another version than the rest of its provider.
GROUPS, LOCATIONS, SUBSCRIPTIONS, PERMISSIONS = "groups", "locations", "subscriptions", "permissions"

# Types of Microsoft.Network that have versions of their own.
VNET_DNS, PRIVATE_ZONES = "vnet dns", "private zones"

_SAME_EVERYWHERE = {
    VNET_DNS: Version("2022-07-01"),
    PRIVATE_ZONES: Version("2020-06-01"),
    "microsoft.authorization": Version("2020-05-01"),  # locks
    "microsoft.policyinsights": Version("2022-03-01"),
    PERMISSIONS: Version("2022-04-01"),
    "microsoft.insights/diagnosticsettings": Version("2021-05-01-preview"),
    "microsoft.insights/eventtypes": Version("2015-04-01"),
    LOCATIONS: Version("2022-12-01"),  # the first that tells the zones of a location
    SUBSCRIPTIONS: Version("2022-12-01"),
}
_LATER = {
    **_SAME_EVERYWHERE,
    NETWORK: Version("2024-01-01", "2024-01-01"),
    AKS: Version("2025-09-01", "2024-02-01", "2024-02-01"),  # the first with localDNSProfile
    GROUPS: Version("2022-09-01", "2022-09-01"),
}
TABLE: Mapping[str, Mapping[str, Version]] = {
    "public": {
        **_SAME_EVERYWHERE,
        NETWORK: Version("2024-01-01", "2026-03-01"),
        # hosted system nodes, node auto-provisioning and LocalDNS are in it; older ones leave them out in silence
        AKS: Version("2026-08-01", "2026-08-01", "2024-02-01"),
        GROUPS: Version("2022-09-01", "2025-04-01"),
    },
    "usgovernment": _LATER,
    "china": _LATER,
}

# A refusal of the version, of the type or of the location: what it lists tells which.
REFUSED = frozenset(
    {
        "NoRegisteredProviderFound",
        "InvalidResourceType",
        "InvalidApiVersionParameter",
        "UnsupportedApiVersion",
        "ApiVersionNotSupported",
    }
)
_LISTED = re.compile(r"(?:supported|allowed|available) (?:api-)?versions? (?:are|is):? *'?([0-9A-Za-z ,.-]+)'?", re.I)
_ONE = re.compile(r"\b(\d{4}-\d{2}-\d{2})(-[a-z0-9-]+)?\b", re.IGNORECASE)  # also ``2015-08-31-PREVIEW``
_MOST_TRIES = 3


def offered(message: str) -> tuple[str, ...]:
    """The versions that a refusal lists, newest first, previews last: they come in either order."""
    found = _LISTED.search(message)
    versions = {m.group(0) for m in _ONE.finditer(found.group(1) if found else "")}
    return tuple(sorted(versions, key=lambda v: (len(v) == len("2024-01-01"), v), reverse=True))


class Versions:
    """What is asked in which version in one cloud, and what its refusals have taught us. Thread-safe."""

    def __init__(self, cloud: str) -> None:
        self._table = TABLE[cloud]
        self._learned: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def of(self, path: str, *, write: bool = False) -> str:
        """By the provider that a path names last; a path to a provider itself is answered by Azure's own front."""
        kind, wanted = self._wanted(path, write=write)
        with self._lock:
            return self._learned.get((_type_of(path), wanted)) or self._learned.get((kind, wanted)) or wanted

    def learn(self, path: str, asked: str, code: str, message: str, *, write: bool = False) -> str:
        """The version to ask in instead, from now on; empty: the refusal is about something else, or names none.

        A list that holds the version that was asked in says that the location or the type is wrong.
        """
        if code not in REFUSED:
            return ""
        kind, wanted = self._wanted(path, write=write)
        listed = offered(message)
        instead = listed[0] if listed else self._row(kind).spare
        if not instead or instead == asked or asked in listed:
            return ""
        with self._lock:
            self._learned[_type_of(path), wanted] = instead
            self._learned.setdefault((kind, wanted), instead)  # a guess for the provider's other types
        return instead

    def _wanted(self, path: str, *, write: bool) -> tuple[str, str]:
        kind = self._kind(path)
        row = self._row(kind)
        return kind, (row.write or row.read) if write else row.read

    def _row(self, kind: str) -> Version:
        return self._table.get(kind) or self._table[GROUPS]

    def _kind(self, path: str) -> str:
        path = urlsplit(path).path.lower()
        if path.endswith("/locations"):
            return LOCATIONS
        provider, _, type_ = path.rpartition("/providers/")[2].partition("/")
        if provider == NETWORK and (type_.startswith(("dnsresolvers", "dnsforwardingrulesets")) or "/listdns" in type_):
            return VNET_DNS
        if provider == NETWORK and type_.startswith("privatednszones"):
            return PRIVATE_ZONES
        if "/providers/" in path and provider == _INSIGHTS:  # its types are as old as they are different
            return f"{provider}/{type_.partition('/')[0]}"
        if "/providers/" in path and type_:
            return PERMISSIONS if type_.startswith(("permissions", "denyassignments")) else provider
        return SUBSCRIPTIONS if re.fullmatch(r"/subscriptions/[^/]+", path) else GROUPS


def _type_of(path: str) -> str:
    """``microsoft.network/virtualnetworks/subnets`` of an id: Azure keeps a list of versions for each type."""
    words = urlsplit(path).path.lower().rpartition("/providers/")[2].strip("/").split("/")
    return "/".join([words[0], *words[1::2]])


def policy(versions: Versions) -> Any:
    """A policy of azure-core's: writes the version into each request and sends it again in one that Azure offers.

    An address that Azure gave has its version already: such a request is sent with the option ``version_is_given``.
    """
    from azure.core.pipeline.policies import HTTPPolicy

    class ApiVersions(HTTPPolicy[Any, Any]):
        def send(self, request: Any) -> Any:
            if request.context.options.pop("version_is_given", False):
                return self.next.send(request)
            http = request.http_request
            write = request.context.options.pop("version_of_writes", http.method not in ("GET", "HEAD", "POST"))
            options = dict(request.context.options)  # later policies take theirs out
            path = unquote(urlsplit(http.url).path)
            for version in self._tries(path, write=write):
                http.url = with_version(http.url, version)
                request.context.options.update(options)
                response = self.next.send(request)
                code, message = refusal(response.http_response)
                if not versions.learn(path, version, code, message, write=write):
                    break
            return response

        def _tries(self, path: str, *, write: bool) -> Iterator[str]:
            tried: set[str] = set()
            while (version := versions.of(path, write=write)) not in tried and len(tried) < _MOST_TRIES:
                tried.add(version)
                yield version

    return ApiVersions()


def with_version(url: str, version: str) -> str:
    parts = urlsplit(url)
    query = [(k, v) for k, v in parse_qsl(parts.query, keep_blank_values=True) if k.lower() != "api-version"]
    return urlunsplit(parts._replace(query=urlencode([*query, ("api-version", version)], quote_via=quote)))


def refusal(response: Any) -> tuple[str, str]:
    """Code and message of a 400 or 404; empty for anything else."""
    if response.status_code not in (400, 404):
        return "", ""
    try:
        response.read()
        body = response.json()
    except Exception:  # noqa: BLE001  the body may be HTML, cut short or not there at all: then there is nothing to read
        return "", ""
    error = body.get("error", body) if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return "", ""
    return str(error.get("code") or ""), str(error.get("message") or "")
