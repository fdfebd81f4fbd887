"""One token for each audience, asked for once.

The Azure command line keeps nothing for the SDK: each ``get_token`` starts ``az`` anew, which takes a second at best
and a minute at worst, and each client asks for itself. So tokens are kept here, in memory, until shortly before they end.
https://learn.microsoft.com/python/api/azure-identity/azure.identity.azureclicredential
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_RENEW_BEFORE = 300.0  # seconds before a token's end in which another one is asked for


class CachedCredential:
    """In the place of a credential of azure-identity. Thread-safe: who asks for the same audience waits for one call."""

    def __init__(self, credential: Any, now: Callable[[], float] = time.time) -> None:
        self._credential = credential
        self._now = now
        self._tokens: dict[tuple[Any, ...], Any] = {}
        self._locks: defaultdict[tuple[Any, ...], threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def get_token(self, *scopes: str, **options: Any) -> Any:
        return self._kept("token", scopes, options, lambda: self._credential.get_token(*scopes, **options))

    def get_token_info(self, *scopes: str, options: Any = None) -> Any:
        asked = dict(options or {})
        return self._kept("info", scopes, asked, lambda: self._credential.get_token_info(*scopes, options=options))

    def close(self) -> None:
        self._credential.close()

    def _kept(self, form: str, scopes: tuple[str, ...], options: dict[str, Any], ask: Callable[[], Any]) -> Any:
        """form: of the answer. The SDK's own policy asks for one, we for the other; both are made of one token."""
        if options.get("claims"):  # Azure wants another token than the one there is
            return ask()
        key = (scopes, str(options.get("tenant_id") or ""))
        with self._guard:
            lock = self._locks[key]
        with lock:
            token = self._tokens.get(key)
            if token is None or token.expires_on - _RENEW_BEFORE <= self._now():
                token = self._tokens[key] = ask()
            return _in_form(token, form)


def _in_form(token: Any, form: str) -> Any:
    from azure.core.credentials import AccessToken, AccessTokenInfo

    if form == "info" and not isinstance(token, AccessTokenInfo):
        return AccessTokenInfo(token.token, int(token.expires_on))
    if form == "token" and not isinstance(token, AccessToken):
        return AccessToken(token.token, int(token.expires_on))
    return token


@dataclass(frozen=True)
class Identity:
    """What a token says of who it was given to; empty: it does not."""

    user: str  # a name to sign in with, or an application's
    tenant: str


def identity_of(token: str) -> Identity:
    """Reads the token, does not verify it: it is Azure that decides what it is good for.

    https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
    """
    parts = token.split(".")
    try:
        body = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, IndexError):
        return Identity("", "")
    if not isinstance(body, dict):
        return Identity("", "")
    names = ("upn", "unique_name", "preferred_username", "email", "app_displayname")
    user = next((str(body[name]) for name in names if body.get(name)), "")
    application = f"application {body['appid']}" if body.get("appid") and body.get("idtyp", "app") == "app" else ""
    return Identity(user or application, str(body.get("tid") or ""))
