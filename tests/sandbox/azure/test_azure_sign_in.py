"""Entra ID: the real azure-identity signs in, wrong secrets and tenants are refused, tokens expire."""

from __future__ import annotations

import time

import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential
from azure_sandbox import CLIENT, SECRET, SUBSCRIPTION, TENANT, Azure

AKS_AUDIENCE = "6dae42f8-4368-4678-94ff-3960e28e3630"


def sign_in(
    azure: Azure, *, tenant: str = TENANT, client: str = CLIENT, secret: str = SECRET
) -> ClientSecretCredential:
    return ClientSecretCredential(
        tenant, client, secret, authority=azure.url, disable_instance_discovery=True, connection_verify=azure.ca
    )


@pytest.mark.program("azure-identity signs in with a service principal, and the token is for the audience it asked for")
def test_azure_identity_signs_in_and_the_audience_is_kept(azure: Azure) -> None:
    token = sign_in(azure).get_token(f"{AKS_AUDIENCE}/.default")
    assert azure.cloud.token_valid(token.token) == AKS_AUDIENCE
    assert azure.cloud.token_valid(token.token, AKS_AUDIENCE) == AKS_AUDIENCE
    assert azure.cloud.token_valid(token.token, "something-else") is None
    assert token.expires_on - time.time() > 3000


@pytest.mark.documentation("A wrong secret, tenant or client is refused with its AADSTS code")
@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"secret": "wrong"}, "AADSTS7000215"),
        ({"tenant": "00000000-0000-0000-0000-00000000dead"}, "AADSTS90002"),
        ({"client": "00000000-0000-0000-0000-00000000dead"}, "AADSTS700016"),
    ],
)
def test_a_wrong_sign_in_is_refused(azure: Azure, fields: dict[str, str], code: str) -> None:
    with pytest.raises((ClientAuthenticationError, ValueError)) as refused:
        sign_in(azure, **fields).get_token(f"{azure.url}/.default")
    # msal answers an unknown tenant with a text of its own
    assert code in str(refused.value) or (code == "AADSTS90002" and "tenant" in str(refused.value).lower())


@pytest.mark.specification("A wrong secret is 401 invalid_client")
def test_the_status_of_a_wrong_secret_is_401(azure: Azure) -> None:
    form = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": "x", "scope": "a/.default"}
    answer = requests.post(f"{azure.url}/{TENANT}/oauth2/v2.0/token", data=form, verify=azure.ca, timeout=5)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.specification("A changed token is none")
def test_a_changed_token_is_no_token(azure: Azure) -> None:
    token = azure.token()
    head, claims, signature = token.split(".")
    assert azure.cloud.token_valid(token) == azure.url
    assert azure.cloud.token_valid(f"{head}.{claims[:-2]}AA.{signature}") is None
    assert azure.cloud.token_valid("nonsense") is None


@pytest.mark.documentation("Without a token, with one for another audience, or with an expired one, ARM answers 401")
@pytest.mark.documentation("A token lasts an hour")
def test_arm_wants_a_good_token_for_itself(azure: Azure) -> None:
    answer = requests.get(
        f"{azure.url}/subscriptions", params={"api-version": "2022-12-01"}, verify=azure.ca, timeout=5
    )
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    wrong = azure.call("GET", "/subscriptions", token=azure.token(AKS_AUDIENCE))
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "InvalidAuthenticationTokenAudience")

    token = azure.token()
    assert azure.call("GET", "/subscriptions", token=token).status_code == 200
    azure.cloud.parts.entra.wall = lambda: time.time() + 3600
    late = azure.call("GET", "/subscriptions", token=token)
    assert (late.status_code, late.json()["error"]["code"]) == (401, "ExpiredAuthenticationToken")
    assert azure.cloud.token_valid(token) is None


@pytest.mark.program("The documents that az and the SDKs look for point at the sandbox")
def test_discovery_documents_point_at_the_sandbox(seeded: Azure) -> None:
    def fetch(path: str) -> dict[str, object]:
        return requests.get(seeded.url + path, verify=seeded.ca, timeout=5).json()

    assert fetch("/metadata/endpoints?api-version=2022-09-01")["resourceManager"] == seeded.url + "/"
    known = fetch(f"/{TENANT}/v2.0/.well-known/openid-configuration")
    assert known["token_endpoint"] == f"{seeded.url}/{TENANT}/oauth2/v2.0/token"
    assert len(fetch(f"/{TENANT}/discovery/v2.0/keys")["keys"]) == 1  # type: ignore[arg-type]
    assert fetch("/common/discovery/instance?api-version=1.1")["metadata"]
    listed = seeded.call("GET", "/subscriptions").json()["value"]
    assert [s["subscriptionId"] for s in listed] == [SUBSCRIPTION]
    assert seeded.call("GET", "/tenants").json()["value"][0]["tenantId"] == TENANT
