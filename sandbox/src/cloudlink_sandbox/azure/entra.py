"""Entra ID: discovery documents, and access tokens for the sandbox's one application.

Tokens are JSON web tokens with the fields that clients look at. They expire after an hour of wall time, whatever the
sandbox's clock does: that is when azure-identity gets itself a new one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from cloudlink_sandbox.azure.exchange import Answer, Json, Request
from cloudlink_sandbox.context import SandboxContext
from cloudlink_sandbox.tls import load_or_make_key

LIFETIME = 3599  # seconds, as Entra gives to applications
ALIASES = ("common", "organizations")


class Entra:
    """One tenant with one application that has a secret."""

    def __init__(self, context: SandboxContext, *, tenant: str, client_id: str, client_secret: str) -> None:
        self.wall = time.time
        self.tenant = tenant
        self.client_id = client_id
        self._secret = client_secret
        self._key_file = Path(context.home) / "entra-key.pem"
        self._key: ec.EllipticCurvePrivateKey | None = None
        self.object_id = str(uuid.uuid5(uuid.NAMESPACE_OID, client_id))

    @property
    def key(self) -> ec.EllipticCurvePrivateKey:
        if self._key is None:
            self._key = load_or_make_key(self._key_file)
        return self._key

    # Discovery

    def endpoints(self, request: Request) -> Answer:
        """What ``az cloud register`` and terraform's provider ask a cloud for."""
        base = request.base_url
        return Answer(
            200,
            {
                "portal": base,
                "authentication": {
                    "loginEndpoint": base,
                    "audiences": [base, "https://management.core.windows.net/", "https://management.azure.com/"],
                    "tenant": "common",
                    "identityProvider": "AAD",
                },
                "media": base,
                "graphAudience": f"{base}/",
                "graph": f"{base}/",
                "name": "cloudlinksandbox",
                "suffixes": {
                    "acrLoginServer": "azurecr.invalid",
                    "sqlServerHostname": "database.invalid",
                    "keyVaultDns": "vault.invalid",
                    "storage": "core.invalid",
                    "storageSyncEndpointSuffix": "afs.invalid",
                    "mhsmDns": "managedhsm.invalid",
                    "mysqlServerEndpoint": "mysql.database.invalid",
                    "postgresqlServerEndpoint": "postgres.database.invalid",
                    "mariadbServerEndpoint": "mariadb.database.invalid",
                    "synapseAnalytics": "dev.invalid",
                    "attestationEndpoint": "attest.invalid",
                },
                "batch": base,
                "resourceManager": f"{base}/",
                "vmImageAliasDoc": f"{base}/aliases.json",
                "sqlManagement": base,
                "microsoftGraphResourceId": f"{base}/",
                "gallery": base,
                "activeDirectoryDataLake": base,
            },
        )

    def openid_configuration(self, request: Request) -> Answer:
        tenant = request.where["tenant"]
        if not self._known(tenant):
            return self._unknown_tenant(tenant)
        base = f"{request.base_url}/{tenant}"
        return Answer(
            200,
            {
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
                "jwks_uri": f"{base}/discovery/v2.0/keys",
                "response_modes_supported": ["query", "fragment", "form_post"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["ES256"],
                "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
                "issuer": f"{request.base_url}/{self.tenant}/v2.0",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
                "end_session_endpoint": f"{base}/oauth2/v2.0/logout",
                "tenant_region_scope": "EU",
                "cloud_instance_name": "sandbox",
            },
        )

    def instance_discovery(self, request: Request) -> Answer:
        host = request.base_url.split("://", 1)[1]
        return Answer(
            200,
            {
                "tenant_discovery_endpoint": f"{request.base_url}/{self.tenant}/v2.0/.well-known/openid-configuration",
                "api-version": "1.1",
                "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
            },
        )

    def keys(self, request: Request) -> Answer:
        del request
        numbers = self.key.public_key().public_numbers()
        return Answer(
            200,
            {
                "keys": [
                    {
                        "kty": "EC",
                        "use": "sig",
                        "alg": "ES256",
                        "kid": self._kid(),
                        "crv": "P-256",
                        "x": _b64(numbers.x.to_bytes(32, "big")),
                        "y": _b64(numbers.y.to_bytes(32, "big")),
                    }
                ]
            },
        )

    # Tokens

    def token(self, request: Request) -> Answer:
        tenant = request.where["tenant"]
        if not self._known(tenant):
            return self._unknown_tenant(tenant)
        form = {k: v[0] for k, v in parse_qs(request.body.decode("utf-8", "replace")).items()}
        client, secret = self._client(request, form)
        grant = form.get("grant_type", "")
        if not grant:
            return _refuse(
                400, "invalid_request", 900144, "The request body must contain the following parameter: 'grant_type'."
            )
        if grant != "client_credentials":
            return _refuse(
                400, "unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{grant}'."
            )
        if client != self.client_id:
            return _refuse(
                400,
                "unauthorized_client",
                700016,
                f"Application with identifier '{client}' was not found in the directory '{self.tenant}'. This can happen "
                "if the application has not been installed by the administrator of the tenant or consented to by any "
                "user in the tenant.",
            )
        if not secret:
            return _refuse(
                401,
                "invalid_client",
                7000216,
                "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
            )
        if secret != self._secret:
            return _refuse(
                401,
                "invalid_client",
                7000215,
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
                f"value, not the client secret ID, for a secret added to app '{client}'.",
            )
        audience = _audience(form)
        if audience is None:
            return _refuse(
                400,
                "invalid_scope",
                70011,
                "The provided value for the input parameter 'scope' is not valid. Client credential flows must have a "
                f"scope value with /.default suffixed to the resource identifier (application ID URI). "
                f"The scope {form.get('scope', '')} is not valid.",
            )
        return Answer(
            200,
            {
                "token_type": "Bearer",
                "expires_in": LIFETIME,
                "ext_expires_in": LIFETIME,
                "access_token": self.issue(audience, request.base_url),
            },
            {"Cache-Control": "no-store, no-cache"},
        )

    def issue(self, audience: str, base_url: str) -> str:
        """A token for this audience."""
        wall = int(self.wall())
        claims = {
            "aud": audience,
            "iss": f"{base_url}/{self.tenant}/",
            "iat": wall,
            "nbf": wall,
            "exp": wall + LIFETIME,
            "appid": self.client_id,
            "oid": self.object_id,
            "sub": self.object_id,
            "tid": self.tenant,
            "idtyp": "app",
            "ver": "1.0",
            "uti": _b64(uuid.uuid4().bytes),
        }
        head = {"typ": "JWT", "alg": "ES256", "kid": self._kid()}
        signed = f"{_b64(_json(head))}.{_b64(_json(claims))}"
        r, s = decode_dss_signature(self.key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def read(self, token: str) -> tuple[Json, bool] | None:
        """The claims of a token of ours and whether it is still good. None when it is not ours."""
        try:
            signed, _, signature = token.rpartition(".")
            raw = _unb64(signature)
            der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
            self.key.public_key().verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))
            claims = json.loads(_unb64(signed.split(".")[1]))
        except (ValueError, IndexError, InvalidSignature):
            return None
        return claims, self.wall() < claims["exp"]

    # Pieces

    def _known(self, tenant: str) -> bool:
        return tenant.lower() == self.tenant.lower() or tenant.lower() in ALIASES

    def _unknown_tenant(self, tenant: str) -> Answer:
        return _refuse(
            400,
            "invalid_tenant",
            90002,
            f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the "
            "correct cloud. Check with your subscription administrator, this may happen if there are no active "
            "subscriptions for the tenant.",
        )

    def _client(self, request: Request, form: dict[str, str]) -> tuple[str, str]:
        basic = request.headers.get("authorization", "")
        if basic.lower().startswith("basic "):
            client, _, secret = base64.b64decode(basic[6:]).decode("utf-8", "replace").partition(":")
            return client, secret
        return form.get("client_id", ""), form.get("client_secret", "")

    def _kid(self) -> str:
        numbers = self.key.public_key().public_numbers()
        return _b64(hashlib.sha256(f"{numbers.x}".encode()).digest()[:20])


def _audience(form: dict[str, str]) -> str | None:
    if resource := form.get("resource"):
        return resource
    scope = form.get("scope", "").split(" ")[0]
    return scope.removesuffix("/.default") if scope.endswith("/.default") else None


def _refuse(status: int, error: str, code: int, description: str) -> Answer:
    stamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
    trace, correlation = uuid.uuid4(), uuid.uuid4()
    return Answer(
        status,
        {
            "error": error,
            "error_description": f"AADSTS{code}: {description} Trace ID: {trace} Correlation ID: {correlation} "
            f"Timestamp: {stamp}",
            "error_codes": [code],
            "timestamp": stamp,
            "trace_id": str(trace),
            "correlation_id": str(correlation),
            "error_uri": f"https://login.microsoftonline.com/error?code={code}",
        },
    )


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
