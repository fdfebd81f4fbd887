"""What both clouds answered while a bundle was gathered, kept so that a sandbox can answer the same.

Only answers to reads are kept, and neither tokens nor credentials: what hands some out is left out, and each key in an answer is
made known as a secret before it is kept. An exchange is plain data:

| Key | |
|---|---|
| ``cloud`` | ``aws``, ``azure``, ``aks`` or ``eks`` |
| ``service`` | AWS's name for it; of an AKS cluster beside the first its ARM id in lower case; empty for the others |
| ``method``, ``path`` | path: decoded, below the server |
| ``asked`` | query and body as pairs in order, or the body's JSON |
| ``base`` | the server, as its own answers name it |
| ``status``, ``headers``, ``answer`` | headers: those that lead on; answer: JSON, or text |
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from cloudlink.secret import Secret

_HEADERS = (
    "content-type",
    "location",
    "azure-asyncoperation",
    "etag",
    "x-amzn-requestid",
    "x-amz-request-id",
    "x-ms-request-id",
)
_CREDENTIALS = re.compile(
    r"/listCluster(?:User|Admin|MonitoringUser)Credential$|/oauth2/|/blobServices/", re.IGNORECASE
)
_SECRET_SERVICES = ("secretsmanager", "sso", "sso-oidc", "signin", "s3")
_ROLES = ("AssumeRole", "GetSessionToken", "GetFederationToken")
# AWS's device configuration, with the keys in it, that nobody reads here
_DEVICE = re.compile(r"<customerGatewayConfiguration>.*?</customerGatewayConfiguration>", re.DOTALL)
_KEYS = re.compile(r"<preSharedKey>([^<]+)</preSharedKey>")
_SHARED = re.compile(r"/sharedkey$", re.IGNORECASE)


class Recording:
    """Of this process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[dict[str, Any]] | None = None

    @property
    def on(self) -> bool:
        return self._kept is not None

    @contextmanager
    def kept(self) -> Iterator[list[dict[str, Any]]]:
        """What is answered meanwhile, in order."""
        found: list[dict[str, Any]] = []
        self._kept = found
        try:
            yield found
        finally:
            self._kept = None

    def add(
        self,
        cloud: str,
        method: str,
        url: str,
        body: str | bytes | None,
        status: int,
        headers: Mapping[str, str],
        answer: bytes,
        *,
        service: str = "",
        target: str = "",
        below: str = "",
    ) -> None:
        """body, answer: as sent. target: of AWS's JSON protocols, the operation. below: a path that the server's own begin with."""
        if self._kept is None or service in _SECRET_SERVICES:
            return
        place = urlsplit(url)
        path = unquote(place.path).removeprefix(below) or "/"
        text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body or ""
        asked = _asked(place.query, text, target)
        if _CREDENTIALS.search(path) or any(role in json.dumps(asked) for role in _ROLES):
            return
        found = _DEVICE.sub("", answer.decode("utf-8", "replace"))
        for key in _KEYS.findall(found):
            Secret(key)
        told = _parsed(found)
        _make_known(told, shared=bool(_SHARED.search(path)))
        one = {
            "cloud": cloud,
            "service": service,
            "method": method,
            "path": path,
            "asked": asked,
            "base": f"{place.scheme}://{place.netloc}",
            "status": status,
            "headers": {k.lower(): v for k, v in headers.items() if k.lower() in _HEADERS},
            "answer": told,
        }
        with self._lock:
            if self._kept is not None:
                self._kept.append(one)


RECORDING = Recording()


def _asked(query: str, body: str, target: str) -> Any:
    """The same for the same question, whatever the order of its parts."""
    parts: list[Any] = [["", target]] if target else []
    parts += [[k, v] for k, v in parse_qsl(query, keep_blank_values=True)]
    if (told := _parsed(body)) is not body:
        return [*sorted(parts), told]
    return sorted([*parts, *([k, v] for k, v in parse_qsl(body, keep_blank_values=True))])


def _parsed(text: str) -> Any:
    """JSON as data, so that what is in it can be found; else the text."""
    try:
        return json.loads(text) if text[:1] in ("{", "[") else text
    except ValueError:
        return text


def _make_known(told: Any, *, shared: bool) -> None:
    """shared: it is the answer on a connection's key."""
    if isinstance(told, dict):
        for name, value in told.items():
            if isinstance(value, str):
                if name in ("sharedKey", "PreSharedKey", "primaryKey") or (shared and name == "value"):
                    Secret(value)
            else:
                _make_known(value, shared=shared)
    elif isinstance(told, list):
        for each in told:
            _make_known(each, shared=shared)
