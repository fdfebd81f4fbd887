"""One token for each audience, asked for once.

The Azure command line keeps nothing for the SDK: each ``get_token`` starts ``az`` again, which takes a second at best
and a minute at worst, and each client asks for itself. So tokens are kept here, in memory, until shortly before they end.
https://learn.microsoft.com/python/api/azure-identity/azure.identity.azureclicredential
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MOST_READ = 1024 * 1024  # of a file with credentials
_RENEW_BEFORE = 300.0  # seconds before a token's end in which another one is asked for


class CachedCredential:
    """Wraps a credential of azure-identity. Thread-safe: threads that ask for the same audience wait for one call, and what
    that one is refused, or loses with the network, is the answer to all of them: one after the other they would wait for
    minutes."""

    def __init__(
        self,
        credential: Any,
        now: Callable[[], float] = time.time,
        waited: Callable[[Callable[[], Any]], Any] = lambda ask: ask(),
    ) -> None:
        """waited: how each token is waited for."""
        self._credential = credential
        self._waited = waited
        self._now = now
        self._tokens: dict[tuple[Any, ...], Any] = {}
        self._locks: defaultdict[tuple[Any, ...], threading.Lock] = defaultdict(threading.Lock)
        self._refused: dict[tuple[Any, ...], tuple[int, Exception]] = {}  # how often so far, and the last one
        self._guard = threading.Lock()

    def get_token(self, *scopes: str, **options: Any) -> Any:
        return self._kept("token", scopes, options, lambda: self._credential.get_token(*scopes, **options))

    def get_token_info(self, *scopes: str, options: Any = None) -> Any:
        asked = dict(options or {})
        return self._kept("info", scopes, asked, lambda: self._credential.get_token_info(*scopes, options=options))

    def close(self) -> None:
        self._credential.close()

    @property
    def way(self) -> str:
        """The class of azure-identity that gave the tokens, such as ``AzureCliCredential``; empty: none did yet."""
        found = getattr(self._credential, "credential", self._credential)
        found = getattr(found, "_successful_credential", None) or found
        return type(found).__name__

    def _kept(self, form: str, scopes: tuple[str, ...], options: dict[str, Any], ask: Callable[[], Any]) -> Any:
        """form: of the answer. The SDK's own policy asks for one, we for the other; both are made of one token."""
        if options.get("claims"):  # Azure wants another token than the one there is
            return self._waited(ask)
        key = (scopes, str(options.get("tenant_id") or ""))
        with self._guard:
            lock = self._locks[key]
            before, _ = self._refused.get(key, (0, None))
        with lock:
            count, refused = self._refused.get(key, (0, None))
            if refused is not None and count > before:
                raise refused  # while this thread waited
            token = self._tokens.get(key)
            if token is None or token.expires_on - _RENEW_BEFORE <= self._now():
                try:
                    token = self._tokens[key] = self._waited(ask)
                except Exception as error:
                    if token is None or token.expires_on <= self._now():
                        self._refused[key] = (count + 1, error)
                        raise  # until its very end, the one there is is good
            return _in_form(token, form)


def _in_form(token: Any, form: str) -> Any:
    from azure.core.credentials import AccessToken, AccessTokenInfo

    if form == "info" and not isinstance(token, AccessTokenInfo):
        return AccessTokenInfo(token.token, int(token.expires_on))
    if form == "token" and not isinstance(token, AccessToken):
        return AccessToken(token.token, int(token.expires_on))
    return token


@dataclass(frozen=True)
class Lasting:
    """How long a sign-in lasts without the user."""

    ends: float | None = None  # seconds since the epoch; None: it renews itself, or that is not known
    why: str = ""  # why nobody but the user can renew it


# Who gives a pipeline's job an identity of some minutes, in a file that nothing renews.
_PIPELINES = ("token.actions.githubusercontent.com", "vstoken.dev.azure.com", "gitlab")


def lasting(way: str, expires_on: float, environ: Mapping[str, str], home: Path, client: str = "") -> Lasting:
    """By the way that the sign-in went. expires_on: of the token there is. client: the application of the token.

    Users, secrets, certificates and managed identities renew themselves: by a refresh token, or by being asked again. An
    identity that a pipeline gave (OIDC) is good for five to ten minutes; the token that it was exchanged for goes on to its
    end, and there is no other then. https://learn.microsoft.com/azure/devops/pipelines/release/troubleshoot-workload-identity
    """
    if way == "WorkloadIdentityCredential":
        assertion = _text(Path(environ.get("AZURE_FEDERATED_TOKEN_FILE", "")))
    elif way == "AzureCliCredential":
        folder = Path(environ.get("AZURE_CONFIG_DIR") or home / ".azure")
        assertion = _assertion_of_az(_text(folder / "service_principal_entries.json"), client)
    else:
        return Lasting()
    claims = _claims(assertion)
    issuer, ends = str(claims.get("iss") or ""), claims.get("exp")
    renewed = way == "WorkloadIdentityCredential" and not any(p in issuer for p in _PIPELINES)
    if not isinstance(ends, int | float) or renewed:
        return Lasting()
    return Lasting(
        max(float(ends), expires_on),
        "A pipeline's identity (OIDC) cannot be exchanged again once its few minutes are over",
    )


def _assertion_of_az(entries: str, client: str) -> str:
    """The identity with which a service principal signed in to ``az``; empty: by a secret or a certificate, or a user."""
    try:
        found = json.loads(entries)
    except ValueError:
        return ""
    for entry in found if isinstance(found, list) else []:
        if isinstance(entry, dict) and client and entry.get("client_id") == client:
            return str(entry.get("client_assertion") or "")
    return ""


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(_MOST_READ)
    except (OSError, ValueError):
        return ""


@dataclass(frozen=True)
class Identity:
    """The identity that a token was issued for; empty: not in the token."""

    user: str  # a name to sign in with, or an application's
    tenant: str
    application: str = ""  # the id of an application that signed in as itself
    one_factor: bool = False  # a user who signed in without a second one, as far as the token tells


def identity_of(token: str) -> Identity:
    """Reads the token and does not verify it: Azure does.

    https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
    """
    body = _claims(token)
    names = ("upn", "unique_name", "preferred_username", "email", "app_displayname")
    user = next((str(body[name]) for name in names if body.get(name)), "")
    id_ = str(body["appid"]) if body.get("appid") and body.get("idtyp", "app") == "app" else ""
    methods = body.get("amr")
    one = isinstance(methods, list) and bool(methods) and "mfa" not in methods and body.get("idtyp", "user") == "user"
    return Identity(user or (f"application {id_}" if id_ else ""), str(body.get("tid") or ""), id_, one)


def _claims(token: str) -> dict[str, Any]:
    parts = token.split(".")
    try:
        body = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, IndexError):
        return {}
    return body if isinstance(body, dict) else {}
