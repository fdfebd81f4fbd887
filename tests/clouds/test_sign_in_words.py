"""What users see when a sign-in fails in ways that ``az login`` or ``aws sso login`` alone does not mend."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import CredentialUnavailableError
from botocore import exceptions as boto

from cloudlink.clouds.aws import errors as aws_errors
from cloudlink.clouds.azure import errors as azure_errors
from cloudlink.clouds.kube import errors as kube_errors
from cloudlink.clouds.kube.access import aks_access
from cloudlink.clouds.kube.errors import KubeApiError
from cloudlink.errors import CloudlinkError

LOGIN = "az login --tenant T"
CHAIN = (
    "DefaultAzureCredential failed to retrieve a token from the included credentials.\nAttempted credentials:\n"
    "\tEnvironmentCredential: EnvironmentCredential authentication unavailable. Environment variables are not fully configured.\n"
    "\tAzureCliCredential: {}"
)
CHALLENGE = "Continuous access evaluation resulted in challenge with result: InteractionRequired and code: {}"
TRACE = "ERROR: The command failed with an unexpected error. Here is the traceback:\n{}\nTraceback (most recent call last):\n  File x"


def of_azure(error: Exception) -> CloudlinkError:
    told = azure_errors.translate(error, tenant="T", subscription="S", location="westeurope")
    assert told is not None
    return told


def refused(said: str) -> ClientAuthenticationError:
    """By Azure Resource Manager: 401."""
    body = {"error": {"code": "InvalidAuthenticationToken", "message": said}}
    response: Any = SimpleNamespace(status_code=401, headers={}, reason="x", json=lambda: body, text=lambda: str(body))
    return ClientAuthenticationError(message=f"(InvalidAuthenticationToken) {said}", response=response)


@pytest.mark.parametrize(
    ("said", "summary", "hint"),
    [
        (
            "ERROR: Decryption failed: [WinError -2146893813] Key not valid for use in specified state.",
            "The Azure command line cannot read the sign-in that it has kept",
            "rm ~/.azure/msal_token_cache.*",
        ),
        (
            TRACE.format("[Errno 30] Read-only file system: '/x/.azure/commandIndex.json'"),
            "The Azure command line cannot write its own files",
            "export AZURE_CONFIG_DIR=",
        ),
        (
            TRACE.format("json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)"),
            "A file of the Azure command line is damaged",
            "mv ~/.azure/azureProfile.json",
        ),
        (
            "ERROR: (pii). Status: Response_Status.Status_InteractionRequired, Error code: 3399614467",
            "The sign-in to Azure that Windows has kept wants to be renewed",
            "az account clear",
        ),
        ("ERROR: AADSTS50055: The password is expired.", "The user's password has expired", "passwordreset"),
        ("ERROR: AADSTS50053: The account is locked.", "The user is locked out in Entra", "Wait some minutes"),
        ("ERROR: AADSTS53004: Registration is needed.", "Entra wants a second factor to be set up", "mfasetup"),
    ],
)
def test_what_az_says(said: str, summary: str, hint: str) -> None:
    told = of_azure(CredentialUnavailableError(message=CHAIN.format(said)))
    assert (told.summary, told.exit_code) == (summary, 4)
    assert hint in told.hint and told.hint.endswith(LOGIN)


@pytest.mark.parametrize("code", ["90033", "90055", "50196"])
def test_entras_own_trouble_is_no_missing_sign_in(code: str) -> None:
    told = of_azure(CredentialUnavailableError(message=CHAIN.format(f"ERROR: AADSTS{code}: Try again.")))
    assert told.exit_code == 5 and "signing in again would not help" in told.hint


@pytest.mark.parametrize(
    "said",
    [
        "EnvironmentCredential: Authentication failed: Missing dependencies for SOCKS support.",
        "AzureCliCredential: ERROR: Missing dependencies for SOCKS support.",
    ],
)
def test_a_socks_proxy_is_the_cause_whatever_way_of_signing_in_met_it(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", "socks5h://127.0.0.1:9")
    told = of_azure(ClientAuthenticationError(message=CHAIN.rpartition("\n\t")[0] + f"\n\t{said}"))
    assert (told.summary, told.exit_code) == ("A SOCKS proxy cannot be used", 5)
    assert "ALL_PROXY (socks5h://127.0.0.1:9)" in told.detail and "AZURE_CLIENT" not in told.hint


def test_a_token_that_was_taken_back() -> None:
    told = of_azure(refused(CHALLENGE.format("TokenIssuedBeforeRevocationTimestamp")))
    assert told.summary == "The sign-in to Azure was revoked, or a policy wants it anew"
    assert told.hint == f"az logout; {LOGIN}"


def test_a_token_from_another_network() -> None:
    """Signing in again by the same way is refused again."""
    told = of_azure(refused(CHALLENGE.format("LocationConditionEvaluationSatisfied")))
    assert told.summary == "Azure sees another network than that of the sign-in"
    assert "VPN and proxy" in told.hint


def test_the_sdks_own_line_for_a_claims_challenge_is_the_hint() -> None:
    line = "az login --claims-challenge eyJhY2Nlc3M= --tenant T --scope https://management.azure.com/.default"
    said = f"This credential doesn't support claims challenges. Please run the following command: {line}"
    told = of_azure(CredentialUnavailableError(message=said))
    assert told.hint.startswith(line) and told.exit_code == 4


@pytest.mark.parametrize(
    ("profile", "line"),
    [(None, "aws login"), ("prod", "aws login --profile prod"), ("a b", "aws login --profile 'a b'")],
)
def test_a_session_of_aws_login_is_renewed_by_it(profile: str | None, line: str) -> None:
    told = aws_errors.translate(boto.LoginRefreshRequired(), profile)
    assert told is not None and told.exit_code == 4
    assert told.hint == f"Sign in again: {line}"


def test_a_user_who_may_make_no_such_session() -> None:
    told = aws_errors.translate(boto.LoginInsufficientPermissions(), None)
    assert told is not None and "signin:CreateOAuth2Token" in told.hint
    assert told.summary == "The AWS user may not make a session of `aws login`"


def test_a_profile_of_aws_login_without_the_part_of_the_sdk_that_it_needs() -> None:
    said = 'Using the login credential provider requires an additional dependency. You will need to pip install "botocore[crt]"'
    told = aws_errors.translate(boto.MissingDependencyException(msg=said), "prod")
    assert told is not None and told.exit_code == 4
    assert "-m pip install 'botocore[crt]'" in told.hint
    assert "aws configure export-credentials --profile prod --format env" in told.hint
    other = aws_errors.translate(boto.MissingDependencyException(msg="Using S3 checksums"), None)
    assert other is not None and other.exit_code == 5


def test_a_cluster_with_entra_that_answers_401_is_told_its_tenant() -> None:
    """The hint named both clouds' sign-ins, and an access entry of EKS."""
    access = aks_access(kubeconfig({"exec": {"command": "kubelogin", "args": ["get-token"]}}), lambda _: "t")
    assert "az login --tenant TENANT" in access.unauthorized()
    local = aks_access(kubeconfig({"token": "t"}), lambda _: "t")
    assert "local accounts were switched off" in local.unauthorized()


def kubeconfig(user: dict[str, Any]) -> bytes:
    return yaml.safe_dump(
        {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": "https://x.hcp.westeurope.azmk8s.io:443"}}],
            "users": [{"name": "u", "user": user}],
        }
    ).encode()


CHECK_FAILED = "Error occured during authorization check. Please retry again. Error: Checkaccess requests have failed"


def test_a_cluster_that_could_not_ask_azure_says_nothing_of_permissions() -> None:
    said = f'configmaps "coredns-custom" is forbidden: User "u" cannot get resource "configmaps" in API group "": {CHECK_FAILED}'
    error = KubeApiError(403, "Forbidden", said, "GET x")
    told = kube_errors.translate(error)
    assert told is not None and (told.exit_code, told.hint) == (5, "Run the command again.")
    assert kube_errors.retryable(error) == 5.0 and not kube_errors.no_permission(error)


def test_a_cluster_whose_store_is_full_does_not_mend_by_running_again() -> None:
    error = KubeApiError(500, "InternalError", "etcdserver: mvcc: database space exceeded", "PATCH x")
    told = kube_errors.translate(error)
    assert told is not None and told.summary == "The cluster's store is full" and "again" not in told.hint
    assert not kube_errors.unknown_outcome(error)
