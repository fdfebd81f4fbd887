"""Why there is no sign-in to Azure, and what to type: Entra's codes, and the ways that the SDK has tried.

https://learn.microsoft.com/entra/identity-platform/reference-error-codes
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from cloudlink.clouds.local_settings import named_by
from cloudlink.clouds.network import explain
from cloudlink.errors import CloudlinkError, CredentialsError, NoContactError

_LONGEST = 900
_TENANT = re.compile(r"must match (?:one of )?the tenants? '?https?://[^/]+/([0-9a-f-]{36})", re.IGNORECASE)
# Refusals of different codes since October 2025.
# https://learn.microsoft.com/entra/identity/authentication/concept-mandatory-multifactor-authentication
SECOND_FACTOR = re.compile(r"must (authenticate with|use) (multi-?factor authentication|MFA)", re.IGNORECASE)
_CODE = re.compile(r"AADSTS(\d+)")
# Services of Azure's are named by an address, applications such as the API server of AKS by their id.
_OF_APPLICATION = re.compile(r"resource principal named (?:api://)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")
_TIME = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)"
_ASSERTION = re.compile(rf"Current time: {_TIME}.*?valid from {_TIME}.*?expiry time of assertion {_TIME}", re.DOTALL)
_SKEW_SECONDS, _A_DAY = 240.0, 86_400.0

_FEDERATION = (
    "The application in Entra does not take the identity that this machine or pipeline has",
    (
        "Compare issuer, subject and audience, which the message names, with what the application takes: az ad app "
        "federated-credential list --id AZURE_CLIENT_ID (a managed identity: az identity federated-credential list)"
    ),
)
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
        "The client secret in the environment is not accepted",
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
    "50074": ("Entra asks for a second factor", "{login}"),
    "50089": ("The Entra sign-in has ended before it was complete", "{login}"),
    "50097": ("A conditional access policy wants a known device", "Sign in on a device that is joined: {login}"),
    "500121": ("The second factor of the Entra sign-in was not given", "{login}"),
    "530004": ("A conditional access policy waits for a device to be accepted", "Ask who runs Entra; then: {login}"),
    "530031": (
        "A policy of Entra does not let the sign-in reach this",
        "Ask who runs Entra which policy; then: {login}",
    ),
    "530032": ("A security policy of the Entra tenant blocks the sign-in", "Ask who runs Entra; then: {login}"),
    "530084": (
        "A policy wants a token that is bound to the device, which this way of signing in does not give",
        "Ask who runs Entra for another way, such as a service principal or managed identity.",
    ),
    "50105": (
        "The user is not assigned to the application in Entra",
        "Ask who runs Entra to assign the user, or a group that the user is in, to the application; then: {login}",
    ),
    "500014": (
        "The application is disabled in the Entra tenant",
        "Ask who runs Entra to enable its service principal (az ad sp show --id ID --query accountEnabled).",
    ),
    "500208": (
        "A personal Microsoft account cannot sign in to this tenant",
        "Sign in as a user or guest of the tenant: {login}",
    ),
    "90072": (
        "The signed-in user is not known in the tenant",
        "Sign in as a user of the tenant, or ask to be invited as a guest: {login}",
    ),
    "7000112": (
        "The application is disabled in the Entra tenant",
        "Ask who runs Entra to enable the application that AZURE_CLIENT_ID names.",
    ),
    "7000229": (
        "The application has no service principal in this tenant",
        "Ask who runs Entra: az ad sp create --id AZURE_CLIENT_ID; or correct AZURE_TENANT_ID.",
    ),
    "700027": (
        "The certificate in the environment is not one of the application's",
        "Compare AZURE_CLIENT_CERTIFICATE_PATH with: az ad app credential list --cert --id AZURE_CLIENT_ID",
    ),
    "1000502": (
        "The certificate in the environment has expired",
        "Add a new one to the application and name it in AZURE_CLIENT_CERTIFICATE_PATH.",
    ),
    "50146": (
        "The tenant's rules for tokens do not allow this application",
        "Ask who runs Entra about the application's signing key and claims; then: {login}",
    ),
    "700024": (
        "This machine's clock is wrong",
        "Set the clock (timedatectl set-ntp true), then run the command again.",
    ),
    "90002": ("The tenant does not exist", "Compare azure.tenant (or AZURE_TENANT_ID) with: az account list -o table"),
    "500011": (
        "The tenant does not know the resource",
        (
            'Each tenant is of one cloud: set azure.cloud to the tenant\'s own ("public", "usgovernment", "china"), or azure.tenant to one '
            "of that cloud's: az cloud show --query name; az account list -o table"
        ),
    ),
    "50020": (
        "The signed-in user is not known in the tenant",
        "Sign in as a user or guest of the tenant: {login}",
    ),
    "50034": ("The user does not exist in the tenant", "{login}"),
    "50053": ("The user is locked out in Entra", "Wait some minutes, or ask who runs Entra; then: {login}"),
    "50055": (
        "The user's password has expired",
        "Set a new one (https://passwordreset.microsoftonline.com), then: {login}",
    ),
    "50072": ("Entra wants a second factor to be set up", "Set it up at https://aka.ms/mfasetup, then: {login}"),
    "50133": ("The Entra sign-in has ended, as the password was changed", "{login}"),
    "50135": ("The user has to change the password", "Do it at https://myaccount.microsoft.com, then: {login}"),
    "50142": (
        "A conditional access policy wants the password to be changed",
        "Do it at https://myaccount.microsoft.com, then: {login}",
    ),
    "50144": ("The user's password has expired", "Set a new one in your company's directory, then: {login}"),
    "53004": ("Entra wants a second factor to be set up", "Set it up at https://aka.ms/mfasetup, then: {login}"),
    "7000218": (
        "The application is asked for a secret that was not sent",
        "Set AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH, or unset AZURE_CLIENT_ID to use az login.",
    ),
    "50126": ("User name or password is wrong", "{login}"),
    "50057": ("The user is disabled in Entra", "Ask who runs Entra, then: {login}"),
}
# Entra's own trouble: signing in again would not help. https://learn.microsoft.com/entra/identity-platform/reference-error-codes
_PASSING = frozenset({"90006", "90024", "90033", "90055", "50196", "90025", "90051"})
_CHALLENGED = re.compile(
    r"Continuous access evaluation resulted in|TokenIssuedBeforeRevocationTimestamp|insufficient_claims"
)
_CLAIMS_LOGIN = re.compile(r"az login --claims-challenge \S+(?: --(?:tenant|scope) \S+)*")
_KEPT_SIGN_IN = re.compile(r"Decryption failed|PersistenceDecryptionError")
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


# In the words of requests, urllib3 and Python, as the SDK and ``az`` quote them.
_NO_CONNECTION = re.compile(
    r"Max retries exceeded|Failed to resolve|Failed to establish a new connection|Connection (refused|aborted|reset)"
    r"|Unable to connect to proxy|Read timed out|Connect(ion)? timed? ?out|Missing dependencies for SOCKS"
)
_SEVERAL_IDENTITIES = re.compile(r"[Mm]ultiple user[ -]assigned identities")
_NO_FILE = re.compile(r"\[Errno \d+\] [^:]+: '([^']+)'")


def unreached(text: str) -> CloudlinkError | None:
    """Where the Azure command line is there, and could not reach Entra: signing in again would not either. What it says of a
    certificate is told by ``refused``, for it has authorities of its own."""
    said = " ".join(
        way for way in ways_that_failed(text) if "AADSTS" not in way and not way.startswith("ManagedIdentityCredential")
    )
    if not _NO_CONNECTION.search(said) or "CERTIFICATE_VERIFY_FAILED" in said:
        return None
    return explain(RuntimeError(said), "Microsoft Entra") or NoContactError(
        "Microsoft Entra cannot be reached",
        _tidy(said),
        "Check the network and any proxy, then run the command again.",
    )


def failed(text: str, login: str) -> CloudlinkError:
    """From what azure-identity raises."""
    ways = ways_that_failed(text)
    if (entra := _CODE.search(" ".join(ways) or text)) and entra[1] in _PASSING:
        return NoContactError(
            "Microsoft Entra cannot give a token now",
            _tidy(" ".join(ways) or text),
            "Run the command again in some minutes; signing in again would not help.",
            code=f"AADSTS{entra[1]}",
        )
    if text.startswith("DefaultAzureCredential") and not ways:
        detail = "Neither the environment, a workload or managed identity nor an Azure command line gave a token."
        hint = login
        if "Azure CLI not found on path" in text:
            detail += " The Azure command line (az) is not installed here, or not on the PATH."
            hint = (
                f"Install it (https://aka.ms/install-azcli), then: {login}. Or give a service principal: export "
                "AZURE_TENANT_ID=... AZURE_CLIENT_ID=... AZURE_CLIENT_SECRET=..."
            )
        detail, hint = _half_set(os.environ, detail, hint)
        return CredentialsError("Not signed in to Azure", detail, hint, code="NotSignedIn")
    return refused(" ".join(ways) if ways else _tidy(text), login)


_OF_A_PRINCIPAL = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")


def _half_set(environ: Mapping[str, str], detail: str, hint: str) -> tuple[str, str]:
    """The same, with variables that are there and do not suffice, or keep the SDK from ways that would."""
    there = [name for name in _OF_A_PRINCIPAL if environ.get(name)]
    missing = [name for name in _OF_A_PRINCIPAL if name not in there]
    others = [name.replace("AZURE_", "ARM_") for name in _OF_A_PRINCIPAL]
    chosen = environ.get("AZURE_TOKEN_CREDENTIALS")
    if chosen:
        detail += f" AZURE_TOKEN_CREDENTIALS is {chosen}, which leaves all other ways out."
        hint = f"Unset AZURE_TOKEN_CREDENTIALS, or set what that way needs; then, for a user: {hint}"
    if there and missing and "AZURE_CLIENT_SECRET" in (*there, *missing[:1]):
        detail += f" Of a service principal's variables {_and(there)} {'is' if len(there) == 1 else 'are'} set and {_and(missing)} not, so that none counts."
        hint = f"export {' '.join(f'{name}=...' for name in missing)}, or unset the others and: {hint}"
    elif all(environ.get(name) for name in others):
        detail += " Terraform's variables (ARM_*) are set, which the SDK does not read."
        copies = " ".join(f"{mine}=${theirs}" for mine, theirs in zip(_OF_A_PRINCIPAL, others, strict=True))
        hint = f"export {copies}"
    return detail, hint


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def refused(detail: str, login: str, *, code: str = "", request_id: str = "") -> CredentialsError:
    """With the cause and the next command for what is known of it."""
    detail = _tidy(detail)
    if SECOND_FACTOR.search(detail):
        return CredentialsError(
            "Azure wants a second factor for what is written",
            detail,
            f"Sign in with it: az logout; {login}. A service principal or a managed identity needs none.",
            code=code,
            request_id=request_id,
        )
    if other := _TENANT.search(detail):
        return CredentialsError(
            "The Azure sign-in is for another tenant than the subscription's",
            detail,
            f"az login --tenant {other[1]}  (and set azure.tenant to it)",
            code=code or "InvalidAuthenticationTokenTenant",
            request_id=request_id,
        )
    entra = _CODE.search(detail)
    if entra and entra[1] == "700024" and not _clock_is_wrong(detail):
        return CredentialsError(
            "The identity that the pipeline gave has ended",
            "An identity of a pipeline (OIDC, workload identity federation) is good for five to ten minutes, and is wanted "
            f"again for each new token. What was begun goes on in the clouds. {detail}",
            "Sign the job in again and run the same command: it goes on from here. For a whole build use a managed identity, or "
            "a client secret or certificate.",
            code="AADSTS700024",
            request_id=request_id,
        )
    if entra and entra[1] == "500011" and (application := _OF_APPLICATION.search(detail)):
        return CredentialsError(
            "The tenant does not know the application that a token is for",
            detail,
            "Compare azure.tenant with the cluster's (az aks show --query aadProfile.tenantID). If it is that one, ask who runs Entra: az ad sp "
            f"create --id {application[1]}",
            code="AADSTS500011",
            request_id=request_id,
        )
    if entra and (entra[1] in _ENTRA or entra[1].startswith("70021")):
        summary, hint = _ENTRA.get(entra[1], _FEDERATION)
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
    if asked := _CLAIMS_LOGIN.search(detail):
        return CredentialsError(
            "A policy of Entra wants a sign-in with more than the last one had",
            detail,
            f"{asked[0].rstrip('.')}  (az 2.76 or later)",
            code="InteractionRequired",
            request_id=request_id,
        )
    if _CHALLENGED.search(detail):
        return _challenged(detail, login, code, request_id)
    summary, hint = "Not signed in to Azure", login
    if "Failed to invoke the Azure CLI" in detail:
        detail += " It gave no token within 90 seconds, or could not be started."
        hint = "See whether it answers, and how fast: az account get-access-token --query expiresOn"
    elif "computer's time and time zone" in detail:
        summary = "This machine's clock is wrong"
        hint = f"Set it (timedatectl set-ntp true; WSL: sudo hwclock -s), then: {login}"
    elif _SEVERAL_IDENTITIES.search(detail):
        summary = "This machine has several managed identities, and none is chosen"
        hint = "export AZURE_CLIENT_ID=ID of the one to use: az identity list --query '[].{name:name, id:clientId}' -o table"
    elif "requested identity has not been assigned" in detail or "Identity not found" in detail:
        summary = "The managed identity is not one of this machine's"
        hint = "Correct AZURE_CLIENT_ID, or assign the identity to this machine: az vm identity assign --identities ID"
    elif (lost := _NO_FILE.search(detail)) and (by := named_by(lost[1], os.environ)):
        summary = "A file to sign in to Azure with cannot be read"
        hint = f"Correct or unset {by}."
    elif "ManagedIdentityCredential" in detail and _NO_CONNECTION.search(detail):
        summary = "The managed identity of this machine does not answer"
        given = [n for n in ("IDENTITY_ENDPOINT", "MSI_ENDPOINT", "IMDS_ENDPOINT") if os.environ.get(n)]
        hint = (
            f"Correct or unset {_and(given)}, or: {login}"
            if given
            else f"Run it on the machine that has it, or: {login}"
        )
    elif "CERTIFICATE_VERIFY_FAILED" in detail:
        summary = "The Azure command line does not trust a certificate"
        hint = "A proxy opens TLS: export REQUESTS_CA_BUNDLE=FILE with your company's root certificate, then run again."
    elif _KEPT_SIGN_IN.search(detail):
        summary = "The Azure command line cannot read the sign-in that it has kept"
        hint = f"Take it away and sign in anew: rm ~/.azure/msal_token_cache.* ~/.azure/msal_http_cache.bin; {login}"
    elif "Read-only file system" in detail:
        summary = "The Azure command line cannot write its own files"
        hint = f"Give it a folder that can be written: export AZURE_CONFIG_DIR=$(mktemp -d); then {login}"
    elif "JSONDecodeError" in detail or "Expecting value: line" in detail:
        summary = "A file of the Azure command line is damaged"
        hint = f"Move it away: mv ~/.azure/azureProfile.json ~/.azure/azureProfile.old; then {login}"
    elif "Status_InteractionRequired" in detail:
        summary = "The sign-in to Azure that Windows has kept wants to be renewed"
        hint = f"az account clear; {login}"
    elif "Permission denied" in detail:
        summary = "The Azure command line cannot read its own files"
        hint = f"See who owns them: ls -l ~/.azure; then {login}"
    elif "Traceback (most recent call last)" in detail or "ModuleNotFoundError" in detail:
        summary = "The Azure command line is broken"
        hint = f"See whether it starts at all: az version. Install it again if not (https://aka.ms/install-azcli), then: {login}"
    elif "EnvironmentCredential" in detail:
        hint = "Correct the AZURE_CLIENT_* variables, or unset them to use az login."
    return CredentialsError(summary, detail, hint, code=code or "NotSignedIn", request_id=request_id)


def _challenged(detail: str, login: str, code: str, request_id: str) -> CredentialsError:
    """Azure took a token back before its end. https://learn.microsoft.com/entra/identity/conditional-access/concept-continuous-access-evaluation"""
    if "LocationConditionEvaluationSatisfied" in detail:
        summary = "Azure sees another network than that of the sign-in"
        hint = (
            "Calls and sign-in have to leave by one address: look at VPN and proxy (curl https://ifconfig.me with and without them), "
            f"or ask who runs Entra about the locations of the policy; then: az logout; {login}"
        )
    else:
        summary = "The sign-in to Azure was revoked, or a policy wants it anew"
        hint = f"az logout; {login}"
    return CredentialsError(summary, detail, hint, code=code or "InteractionRequired", request_id=request_id)


def _clock_is_wrong(detail: str) -> bool:
    """Whether this machine made an assertion at another time than Entra's; one that a pipeline gave is simply over."""
    found = _ASSERTION.search(detail)
    if found is None:
        return True
    entra, begins, _ = (datetime.fromisoformat(t).replace(tzinfo=UTC).timestamp() for t in found.groups())
    return begins > entra or _SKEW_SECONDS < abs(time.time() - entra) < _A_DAY


def ways_that_failed(text: str) -> list[str]:
    """The SDK names each way to sign in and why it gave nothing: twenty lines for a forgotten ``az login``. What counts
    is a way that was there and failed: a wrong secret, an expired login, a server or a program that did not answer."""
    ways = [" ".join(way.split()) for way in re.split(r"\n\t", text)[1:]]
    ways = [way.partition(" To mitigate this issue")[0].rstrip() for way in ways]
    worth = [
        way
        for way in ways
        if not any(mark in way for mark in _NOT_SET_UP) or "AADSTS" in way or _SEVERAL_IDENTITIES.search(way)
    ]
    return list(dict.fromkeys(way for way in worth if "Please run 'az login'" not in way))


def _tidy(text: str) -> str:
    text = " ".join(text.partition("To mitigate this issue")[0].split())
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."
