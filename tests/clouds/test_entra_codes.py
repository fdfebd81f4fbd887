"""Each of Entra's codes has a cause of its own, and a next step that can help against it."""

from __future__ import annotations

import pytest
from azure.core.exceptions import ClientAuthenticationError

from cloudlink.clouds.azure import signin_words
from cloudlink.clouds.azure.errors import translate
from cloudlink.errors import CredentialsError

CHAIN = "DefaultAzureCredential failed to retrieve a token from the included credentials.\nAttempted credentials:\n\t"
TENANT = "5a4db0c5-0000-4000-8000-000000000001"
LOGIN = f"az login --tenant {TENANT}"

# https://learn.microsoft.com/entra/identity-platform/reference-error-codes
AGAIN = ("50034", "50074", "50076", "50078", "50089", "50126", "50132", "50133", "50158", "50173", "500121", "70043", "700082", "700084")  # fmt: skip
NEEDS = {
    "mfasetup": ("50072", "50079", "53004"),
    "device": ("50097", "53000", "53001", "530002", "530003"),
    "Ask who runs Entra": (
        "50057", "50105", "50146", "500014", "53003", "530004", "530031", "530032", "530084", "7000112", "7000229",
    ),
    "to consent": ("65001",),
    "azure.tenant": ("90002", "500011"),
    "of the tenant": ("50020", "90072", "500208"),
    "passwordreset": ("50055",),
    "myaccount": ("50135", "50142"),
    "your company's directory": ("50144",),
    "Wait some minutes": ("50053",),
    "AZURE_CLIENT_SECRET": ("7000215", "7000218", "7000222"),
    "AZURE_CLIENT_ID": ("700016",),
    "AZURE_CLIENT_CERTIFICATE_PATH": ("700027", "1000502"),
    "clock": ("700024",),
}  # fmt: skip
# Another sign-in as the same user, on the same machine, would end in the same way.
NO_LOGIN = [
    "50105",
    "500014",
    "530084",
    "65001",
    "7000112",
    "7000215",
    "7000218",
    "7000222",
    "7000229",
    "700016",
    "700024",
    "700027",
    "90002",
    "500011",
]


def told(code: str, message: str = "") -> CredentialsError:
    words = (
        message or "The words differ from code to code. Trace ID: x Correlation ID: y Timestamp: 2026-11-02 10:00:00Z"
    )
    error = translate(
        ClientAuthenticationError(message=f"{CHAIN}AzureCliCredential: ERROR: AADSTS{code}: {words}"), tenant=TENANT
    )
    assert isinstance(error, CredentialsError)
    assert error.exit_code == 4
    assert error.code == f"AADSTS{code}"
    assert f"AADSTS{code}" in error.detail
    return error


def test_no_code_of_the_table_is_without_a_row_here() -> None:
    assert sorted((*AGAIN, *(c for codes in NEEDS.values() for c in codes))) == sorted(signin_words._ENTRA)


@pytest.mark.parametrize("code", AGAIN)
def test_what_a_new_sign_in_mends_says_so_and_in_which_tenant(code: str) -> None:
    error = told(code)
    assert error.hint == LOGIN
    assert error.summary != "Not signed in to Azure"


@pytest.mark.parametrize(("word", "code"), [(word, code) for word, codes in NEEDS.items() for code in codes])
def test_what_needs_more_than_a_new_sign_in_says_what(word: str, code: str) -> None:
    error = told(code)
    assert word in error.hint
    assert error.hint != LOGIN
    assert not error.hint.startswith("az login")


@pytest.mark.parametrize("code", NO_LOGIN)
def test_where_a_new_sign_in_does_not_help_none_is_the_first_thing_to_do(code: str) -> None:
    assert not told(code).hint.startswith(("az login", "Sign in"))


def test_a_code_that_is_not_known_is_shown_with_its_words() -> None:
    message = f"{CHAIN}AzureCliCredential: ERROR: AADSTS999999: Something new."
    error = translate(ClientAuthenticationError(message=message))
    assert error is not None
    assert "AADSTS999999: Something new." in error.detail


def test_a_tenant_of_another_cloud() -> None:
    """As recorded in https://github.com/Azure/azure-cli/issues/22831"""
    error = told(
        "500011",
        "The resource principal named https://management.azure.com was not found in the tenant named x. This can happen if the "
        "application has not been installed by the administrator of the tenant.",
    )
    assert error.summary == "The tenant does not know the resource"
    assert '"china"' in error.hint
    assert "azure.cloud" in error.hint


def test_a_tenant_without_the_application_of_aks() -> None:
    error = told(
        "500011",
        "The resource principal named 6dae42f8-4368-4678-94ff-3960e28e3630 was not found in the tenant named x.",
    )
    assert "az ad sp create --id 6dae42f8-4368-4678-94ff-3960e28e3630" in error.hint
    assert "aadProfile.tenantID" in error.hint
