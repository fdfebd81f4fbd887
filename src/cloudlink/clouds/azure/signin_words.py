"""Why there is no sign-in to Azure, and what to type: Entra's codes, and the ways that the SDK has tried.

https://learn.microsoft.com/entra/identity-platform/reference-error-codes
"""

from __future__ import annotations

import re

from cloudlink.errors import CredentialsError

_LONGEST = 900
_TENANT = re.compile(r"must match (?:one of )?the tenants? '?https?://[^/]+/([0-9a-f-]{36})", re.IGNORECASE)
_CODE = re.compile(r"AADSTS(\d+)")

# Entra's code -> (summary, what to do); {login} is the right ``az login``.
_ENTRA = {
    "50076": ("Entra asks for a second factor", "{login}"),
    "50078": ("The second factor of the Entra sign-in is too old", "{login}"),
    "50079": ("Entra wants a second factor to be set up", "Set it up at https://aka.ms/mfasetup, then: {login}"),
    "50158": ("Entra asks for a sign-in with another provider", "{login}"),
    "53000": (
        "A conditional access policy wants a managed device",
        "Sign in on a device that your company manages: {login}",
    ),
    "53001": ("A conditional access policy wants a joined device", "Sign in on a joined device: {login}"),
    "53003": (
        "A conditional access policy blocks the sign-in",
        "Ask who runs Entra which condition (place, device, application) is not met; then: {login}",
    ),
    "530002": ("A conditional access policy wants a compliant device", "Sign in on a compliant device: {login}"),
    "530003": ("A conditional access policy wants a managed device", "Sign in on a managed device: {login}"),
    "65001": ("Consent for the application is missing in the tenant", "Ask who runs Entra to consent, then: {login}"),
    "70043": ("The Entra sign-in has ended by the sign-in frequency policy", "{login}"),
    "700082": ("The Entra sign-in has expired", "{login}"),
    "700084": ("The Entra sign-in has expired", "{login}"),
    "50173": ("The Entra sign-in was revoked", "{login}"),
    "50132": ("The Entra sign-in was revoked", "{login}"),
    "7000215": (
        "The client secret in the environment is wrong",
        "Correct AZURE_CLIENT_SECRET, or unset it (unset AZURE_CLIENT_SECRET) to use az login.",
    ),
    "7000222": (
        "The client secret in the environment has expired",
        "Set a new AZURE_CLIENT_SECRET (az ad app credential reset), or unset it to use az login.",
    ),
    "700016": (
        "The application in the environment is not known in the tenant",
        "Compare AZURE_CLIENT_ID and AZURE_TENANT_ID, or unset both to use az login.",
    ),
    "700024": (
        "This machine's clock is wrong",
        "Set the clock (timedatectl set-ntp true), then run the command again.",
    ),
    "90002": ("The tenant does not exist", "Compare azure.tenant (or AZURE_TENANT_ID) with: az account list -o table"),
    "500011": (
        "The tenant does not know the resource",
        "Compare azure.tenant and azure.cloud with: az account list -o table",
    ),
    "50020": (
        "The signed-in user is not known in the tenant",
        "Sign in as a user or guest of the tenant: {login}",
    ),
    "50034": ("The user does not exist in the tenant", "{login}"),
    "50126": ("User name or password is wrong", "{login}"),
    "50057": ("The user is disabled in Entra", "Ask who runs Entra, then: {login}"),
}
# Ways that simply are not set up say so in these words: they explain nothing.
_NOT_SET_UP = (
    "not fully configured",
    "not found on path",
    "could not be found",
    "is not installed",
    "not installed",
    "ManagedIdentityCredential authentication unavailable",
    "shared token cache",
    "SharedTokenCacheCredential",
    "Azure Developer CLI",
    "Az.Account module",
    "broker",
    "VisualStudioCode",
    "VS Code",
)


def failed(text: str, login: str) -> CredentialsError:
    """From what azure-identity raises."""
    ways = ways_that_failed(text)
    if text.startswith("DefaultAzureCredential") and not ways:
        detail = "Neither the environment, a workload or managed identity nor an Azure command line gave a token."
        return CredentialsError("Not signed in to Azure", detail, login, code="NotSignedIn")
    return refused(" ".join(ways) if ways else _tidy(text), login)


def refused(detail: str, login: str, *, code: str = "", request_id: str = "") -> CredentialsError:
    """With the cause and the next command for what is known of it."""
    detail = _tidy(detail)
    if other := _TENANT.search(detail):
        return CredentialsError(
            "The Azure sign-in is for another tenant than the subscription's",
            detail,
            f"az login --tenant {other[1]}  (and set azure.tenant to it)",
            code=code or "InvalidAuthenticationTokenTenant",
            request_id=request_id,
        )
    entra = _CODE.search(detail)
    if entra and entra[1] in _ENTRA:
        summary, hint = _ENTRA[entra[1]]
        return CredentialsError(
            summary, detail, hint.format(login=login), code=f"AADSTS{entra[1]}", request_id=request_id
        )
    if code == "ExpiredAuthenticationToken" or "expiry UTC time" in detail:
        return CredentialsError(
            "The Azure token has expired, or this machine's clock is wrong",
            detail,
            f"{login}. If that does not help, set the clock: timedatectl set-ntp true",
            code=code,
            request_id=request_id,
        )
    summary, hint = "Not signed in to Azure", login
    if "Failed to invoke the Azure CLI" in detail:
        detail += " It gave no token within 90 seconds, or could not be started."
        hint = "See whether it answers, and how fast: az account get-access-token --query expiresOn"
    elif "CERTIFICATE_VERIFY_FAILED" in detail:
        summary = "The Azure command line does not trust a certificate"
        hint = "A proxy opens TLS: export REQUESTS_CA_BUNDLE=FILE with your company's root certificate, then run again."
    elif "Permission denied" in detail:
        summary = "The Azure command line cannot read its own files"
        hint = f"See who owns them: ls -l ~/.azure; then {login}"
    elif "EnvironmentCredential" in detail:
        hint = "Correct the AZURE_CLIENT_* variables, or unset them to use az login."
    return CredentialsError(summary, detail, hint, code=code or "NotSignedIn", request_id=request_id)


def ways_that_failed(text: str) -> list[str]:
    """The SDK names each way to sign in and why it gave nothing: twenty lines for a forgotten ``az login``. What counts
    is a way that was there and failed: a wrong secret, an expired login, a server or a program that did not answer."""
    ways = [" ".join(way.split()) for way in re.split(r"\n\t", text)[1:]]
    ways = [way.partition(" To mitigate this issue")[0].rstrip() for way in ways]
    worth = [way for way in ways if not any(mark in way for mark in _NOT_SET_UP) or "AADSTS" in way]
    return list(dict.fromkeys(way for way in worth if "Please run 'az login'" not in way))


def _tidy(text: str) -> str:
    text = " ".join(text.partition("To mitigate this issue")[0].split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."
