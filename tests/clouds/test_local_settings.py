"""Variables, files and programs of the user's that an SDK cannot use: told as what they are, by their names, with the exit
code of a sign-in; never as a bug of ours, never as a cloud's fault, and never with a secret in the words."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core import PipelineClient
from azure.core.exceptions import ClientAuthenticationError
from azure.core.rest import HttpRequest

from cloudlink.clouds.aws import signin
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure import errors as azure_errors
from cloudlink.clouds.azure import transport
from cloudlink.clouds.azure.session import AzureSession
from cloudlink.clouds.contact import place_of_url
from cloudlink.clouds.local_settings import unusable
from cloudlink.clouds.network import explain, proxy_address
from cloudlink.core.polling import WallClock
from cloudlink.discovery import Survey
from cloudlink.errors import CloudlinkError, NoContactError
from tests.clouds.hostile_peer import peer, plain
from tests.clouds.test_hostile_peer import endpoints
from tests.support.links import make_link

SECRET = "verysecretvalue"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is set: what the tests add is all there is."""
    for name in [n for n in os.environ if n.startswith(("AWS_", "AZURE_", "ARM_", "MSI_", "IDENTITY_", "IMDS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return tmp_path


def of_aws(profile: str | None = None) -> CloudlinkError:
    aws = Aws(region="eu-central-1", profile=profile, clock=WallClock())
    with pytest.raises(Exception) as caught:
        aws.sign_in()
        aws.contact()
    translated = aws.translate(caught.value)
    assert translated is not None, caught.value
    return translated


def of_azure() -> CloudlinkError:
    with pytest.raises(Exception) as caught:
        AzureSession(make_link().azure, None).sign_in()
    translated = azure_errors.translate(caught.value)
    assert translated is not None, caught.value
    return translated


KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE00", "AWS_SECRET_ACCESS_KEY": SECRET}
PRINCIPAL = {"AZURE_TENANT_ID": "11111111-2222-3333-4444-555555555555", "AZURE_CLIENT_ID": "2" * 8}


@pytest.mark.parametrize(
    ("given", "said", "hint"),
    [
        ({"AWS_ROLE_ARN": "arn:aws:iam::1:role/x", "AWS_WEB_IDENTITY_TOKEN_FILE": "/gone/token"}, "/gone/token", "unset AWS_WEB_IDENTITY_TOKEN_FILE"),
        (
            {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/x", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/gone"},
            "/gone",
            "unset AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        ),
        ({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com/x"}, "example.com", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
        ({"AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE00"}, "missing: AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
        ({**KEYS, "AWS_SESSION_TOKEN": "x", "AWS_CREDENTIAL_EXPIRATION": "soon"}, "soon", "AWS_CREDENTIAL_EXPIRATION"),
        ({**KEYS, "SSLKEYLOGFILE": "/gone/keys.log"}, "/gone/keys.log", "unset SSLKEYLOGFILE"),
        ({**KEYS, "AWS_STS_REGIONAL_ENDPOINTS": "all"}, "regional endpoints", "AWS_STS_REGIONAL_ENDPOINTS"),
        ({**KEYS, "AWS_DEFAULTS_MODE": "fast"}, "fast", "AWS_DEFAULTS_MODE"),
        ({"AWS_METADATA_SERVICE_TIMEOUT": "1s"}, "'1s'", "AWS_METADATA_SERVICE_TIMEOUT"),
    ],
)  # fmt: skip
def test_a_variable_that_awss_sdk_cannot_use(
    given: dict[str, str], said: str, hint: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    error = of_aws()
    assert error.exit_code == 4 and "set on this machine to sign in to AWS" in error.summary
    assert said in error.detail and hint in error.hint
    assert SECRET not in f"{error} {error.hint}"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (b"\xff\xfe[\x00d\x00e\x00f\x00a\x00u\x00l\x00t\x00]\x00", "Unable to parse"),
        (b"[profile a]\nregion=x\n[profile a]\nregion=y\n", "Unable to parse"),
        (
            b"[profile a]\nsso_session=none\nsso_account_id=111122223333\nsso_role_name=x\n",
            "sso-session does not exist",
        ),
        (b"[profile a]\nrole_arn=arn:aws:iam::111122223333:role/x\nsource_profile=gone\n", "gone"),
        (b"[profile a]\nrole_arn=arn:aws:iam::111122223333:role/x\n", "source_profile or credential_source"),
        (
            (
                b"[profile a]\nrole_arn=arn:aws:iam::1:role/x\nsource_profile=b\n"
                b"[profile b]\nrole_arn=arn:aws:iam::1:role/y\nsource_profile=a\n"
            ),
            "Infinite loop",
        ),
    ],
)
def test_a_profile_that_awss_sdk_cannot_use(config: bytes, said: str, home: Path) -> None:
    (home / "config").write_bytes(config)
    error = of_aws("a" if b"profile a" in config else None)
    assert error.exit_code == 4 and "set on this machine to sign in to AWS" in error.summary
    assert said in error.detail and str(home / "config") in error.hint


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 3", "custom-process"),
        ("echo Please sign in at https://idp.example", "no JSON"),
        ("""echo '{"Version": 1}'""", "AccessKeyId"),
        (None, "No such file"),
    ],
)
def test_a_program_that_gives_no_keys(script: str | None, said: str, home: Path) -> None:
    program = home / "keys.sh"
    if script is not None:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o700)
    (home / "config").write_text(f"[profile a]\ncredential_process = {program}\n")
    error = of_aws("a")
    assert error.exit_code == 4 and error.summary == "The program that gives AWS's keys failed"
    assert said in error.detail and "credential_process of the profile a" in error.detail
    assert "aws sso login" not in error.hint


def test_keys_that_ended_before_they_were_given(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**KEYS, "AWS_SESSION_TOKEN": "x", "AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00Z"}.items():
        monkeypatch.setenv(name, value)
    error = of_aws()
    assert error.exit_code == 4 and error.summary == "The sign-in to AWS has expired"
    assert "AWS_CREDENTIAL_EXPIRATION" in error.detail


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
def test_a_line_break_in_a_key_is_told_without_the_key(name: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for key, value in {**KEYS, "AWS_SESSION_TOKEN": "SESSIONVALUE"}.items():
        monkeypatch.setenv(key, value + "\n" if key == name else value)
    error = of_aws()
    assert error.exit_code == 4 and "a character that no key has" in error.summary
    for secret in ("SESSIONVALUE", "AKIAEXAMPLE", SECRET):
        assert secret not in f"{error} {error.hint}"


def test_a_damaged_or_read_only_cache_of_sessions_is_none(home: Path) -> None:
    core: Any = __import__("botocore.session", fromlist=["Session"]).Session()
    signin.ask_once(core, None)
    cache = core.get_component("credential_provider").get_provider("assume-role").cache
    folder = home / ".aws" / "cli" / "cache"
    folder.mkdir(parents=True)
    (folder / "k.json").write_text('{"Credentials": {}}}')
    assert "k" not in cache
    (folder / "k.json").write_text('{"Credentials": {}}')
    assert "k" in cache
    (home / ".aws" / "cli").rename(home / "kept")
    (home / ".aws" / "cli").write_text("no folder")
    cache["k"] = {"Credentials": {}}
    assert "k" not in cache


@pytest.mark.parametrize(
    ("given", "said", "hint"),
    [
        ({"AZURE_TOKEN_CREDENTIALS": "mine"}, "mine", "AZURE_TOKEN_CREDENTIALS"),
        ({**PRINCIPAL, "AZURE_CLIENT_CERTIFICATE_PATH": "/gone.pem"}, "/gone.pem", "unset AZURE_CLIENT_CERTIFICATE_PATH"),
        ({**PRINCIPAL, "AZURE_TENANT_ID": "my tenant!", "AZURE_CLIENT_SECRET": SECRET}, "tenant ID", "AZURE_TENANT_ID"),
        ({**PRINCIPAL, "AZURE_CLIENT_SECRET": ""}, "secret", "AZURE_CLIENT_SECRET"),
    ],
)  # fmt: skip
def test_a_variable_that_azures_sdk_cannot_use(
    given: dict[str, str], said: str, hint: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    error = of_azure()
    assert error.exit_code == 4 and "set on this machine to sign in to Azure" in error.summary
    assert said in error.detail and hint in error.hint
    assert SECRET not in f"{error} {error.hint}"


CHAIN = "DefaultAzureCredential failed to retrieve a token from the included credentials.\nAttempted credentials:\n\t"
NOBODY = (
    CHAIN
    + "EnvironmentCredential: EnvironmentCredential authentication unavailable. Environment variables are not fully configured."
)


@pytest.mark.parametrize(
    ("given", "said", "hint"),
    [
        ({"AZURE_CLIENT_ID": "x", "AZURE_CLIENT_SECRET": SECRET}, "AZURE_TENANT_ID not", "export AZURE_TENANT_ID="),
        ({"AZURE_TENANT_ID": "x", "AZURE_CLIENT_SECRET": SECRET}, "AZURE_CLIENT_ID not", "export AZURE_CLIENT_ID="),
        (
            {"ARM_TENANT_ID": "x", "ARM_CLIENT_ID": "y", "ARM_CLIENT_SECRET": SECRET},
            "Terraform",
            "AZURE_CLIENT_SECRET=$ARM_CLIENT_SECRET",
        ),
        ({"AZURE_TOKEN_CREDENTIALS": "prod"}, "leaves all other ways out", "Unset AZURE_TOKEN_CREDENTIALS"),
        ({"AZURE_CLIENT_ID": "of-a-managed-identity"}, "Neither the environment", "az login"),
    ],
)  # fmt: skip
def test_variables_that_do_not_suffice(
    given: dict[str, str], said: str, hint: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    error = azure_errors.translate(ClientAuthenticationError(message=NOBODY))
    assert error is not None and error.exit_code == 4
    assert said in error.detail and hint in error.hint
    assert SECRET not in f"{error} {error.hint}"


@pytest.mark.parametrize(
    ("way", "summary", "hint", "exit_code"),
    [
        (
            ("EnvironmentCredential: Authentication failed: HTTPSConnection(host='login.microsoftonline.com', port=443): Failed "
            "to resolve 'login.microsoftonline.com' ([Errno -2] Name or service not known)"),
            "A name does not resolve",
            "Check the network",
            5,
        ),
        (
            ("EnvironmentCredential: Authentication failed: HTTPSConnection(host='login.microsoftonline.com', port=443): Failed "
            "to establish a new connection: [Errno 101] Network is unreachable"),
            "Microsoft Entra cannot be reached",
            "Check the network",
            5,
        ),
        (
            ("ManagedIdentityCredential: ManagedIdentityCredential authentication unavailable. No identity has been assigned to "
            "this resource. Error: Multiple user assigned identities exist, please specify the clientId"),
            "This machine has several managed identities, and none is chosen",
            "AZURE_CLIENT_ID",
            4,
        ),
        (
            ("ManagedIdentityCredential: HTTPConnection(host='127.0.0.1', port=1): Failed to establish a new connection: "
            "[Errno 111] Connection refused"),
            "The managed identity of this machine does not answer",
            "az login",
            4,
        ),
        (
            "WorkloadIdentityCredential: Authentication failed: AADSTS70021: No matching federated identity record found",
            "The application in Entra does not take the identity that this machine or pipeline has",
            "federated-credential list",
            4,
        ),
        (
            "WorkloadIdentityCredential: Authentication failed: AADSTS7002138: No matching federated identity record found",
            "The application in Entra does not take the identity that this machine or pipeline has",
            "federated-credential list",
            4,
        ),
        (
            "AzureCliCredential: ERROR: AADSTS50105: Your administrator has configured the application to block users",
            "The user is not assigned to the application in Entra",
            "assign the user",
            4,
        ),
        (
            "EnvironmentCredential: Authentication failed: AADSTS7000229: The client application is missing service principal",
            "The application has no service principal in this tenant",
            "az ad sp create",
            4,
        ),
        (
            ("EnvironmentCredential: Authentication failed: AADSTS700027: The certificate with identifier used to sign the client "
            "assertion is not registered on application"),
            "The certificate in the environment is not one of the application's",
            "AZURE_CLIENT_CERTIFICATE_PATH",
            4,
        ),
        (
            "AzureCliCredential: ERROR: AADSTS530084: Access has been blocked by conditional access token protection policy",
            "A policy wants a token that is bound to the device, which this way of signing in does not give",
            "service principal",
            4,
        ),
    ],
)  # fmt: skip
def test_why_entra_or_this_machine_gave_no_token(way: str, summary: str, hint: str, exit_code: int, home: Path) -> None:
    error = azure_errors.translate(ClientAuthenticationError(message=f"{CHAIN}{way}"))
    assert error is not None
    assert (error.summary, error.exit_code) == (summary, exit_code)
    assert hint in error.hint


def test_a_clock_that_az_names_is_named(home: Path) -> None:
    way = "AzureCliCredential: ERROR: The ID token is not yet valid. Make sure your computer's time and time zone are both correct."
    error = azure_errors.translate(ClientAuthenticationError(message=f"{CHAIN}{way}"))
    assert error is not None and error.summary == "This machine's clock is wrong" and "hwclock" in error.hint


def test_a_federated_tokens_file_that_is_not_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", "/gone/token")
    way = "WorkloadIdentityCredential: [Errno 2] No such file or directory: '/gone/token'"
    error = azure_errors.translate(ClientAuthenticationError(message=f"{CHAIN}{way}"))
    assert error is not None and error.hint == "Correct or unset AZURE_FEDERATED_TOKEN_FILE."


def test_what_netrc_holds_is_never_sent(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``requests`` prefers it to the token, and an entry for any host is one for Azure's."""
    (home / ".netrc").write_text(f"default login me password {SECRET}\n")
    (home / ".netrc").chmod(0o600)
    with peer(home / "cloud", lambda *_: plain(200, b"{}")) as cloud:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", cloud.ca_file)
        client = PipelineClient(cloud.url, transport=transport.transport(None), policies=[])
        client.send_request(HttpRequest("GET", f"{cloud.url}/x", headers={"Authorization": "Bearer ours"}))
        assert b"Bearer ours" in cloud.arrived[0] and b"Basic" not in cloud.arrived[0]


def test_entra_is_asked_in_the_same_way(home: Path) -> None:
    session = AzureSession(make_link().azure, None)
    assert session._sign_in_settings()["transport"].session.auth is transport._as_it_is


@pytest.mark.parametrize(
    "address",
    [f"http://me:{SECRET}#1@proxy:3128", f"http://me:{SECRET}/1@proxy:3128", "http://proxy:port", "http://[::1:3128", " ", "http://proxy:3128\n"],
)  # fmt: skip
def test_the_address_of_a_proxy_that_is_none_is_told_by_its_variable(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("https_proxy", "no_proxy", "NO_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", address)
    for ask in (
        lambda: proxy_address("https://ec2.eu-central-1.amazonaws.com"),
        lambda: place_of_url("https://management.azure.com", proxies=True),
    ):
        with pytest.raises(NoContactError) as caught:
            ask()
        assert caught.value.exit_code == 5 and "HTTPS_PROXY" in caught.value.detail
        assert SECRET not in f"{caught.value} {caught.value.hint}"


def test_a_proxy_without_a_scheme_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    monkeypatch.delenv("https_proxy", raising=False)
    assert proxy_address("https://ec2.eu-central-1.amazonaws.com") == "proxy.example:3128"
    assert place_of_url("https://management.azure.com", proxies=True).host == "proxy.example"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_STS_REGIONAL_ENDPOINTS", "all"),
        ("AWS_ACCOUNT_ID_ENDPOINT_MODE", "all"),
        ("AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES", "x"),
        ("AWS_DISABLE_REQUEST_COMPRESSION", "x"),
        ("AWS_DEFAULTS_MODE", "fast"),
        ("AWS_USE_FIPS_ENDPOINT", "maybe"),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/x"),
        ("AWS_PROFILE", "gone"),
        ("HTTPS_PROXY", "http://u:p#1@h:1"),
    ],
)
def test_nothing_that_is_set_for_the_real_aws_reaches_into_a_sandbox(
    name: str, value: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    nowhere: Any = SimpleNamespace(url="http://127.0.0.1:9", ca_file="")
    Aws(region="eu-central-1", endpoints=endpoints(nowhere), clock=WallClock()).open()


@pytest.mark.parametrize(
    ("variable", "summary"),
    [
        ("SSLKEYLOGFILE", "A file that TLS is set to use cannot be opened"),
        ("REQUESTS_CA_BUNDLE", "The file of certificate authorities cannot be read"),
    ],
)
def test_the_file_that_is_named_is_the_one_that_was_opened(variable: str, summary: str) -> None:
    environ = {"AWS_CA_BUNDLE": "/there.pem", variable: "/gone/file"}
    error = explain(FileNotFoundError(2, "No such file or directory", "/gone/file"), "Azure", environ)
    assert error is not None and error.summary == summary and error.hint == f"Correct or unset {variable}."
    assert explain(FileNotFoundError(2, "No such file or directory", "/of/nobody"), "Azure", environ) is None


def test_a_mistake_of_ours_is_no_setting_of_the_users() -> None:
    """Only an error that came out of the SDK is told so."""
    try:
        int("x")
    except ValueError as error:
        assert unusable(error, "AWS", ("botocore.session",), ("AWS_",)) is None


@pytest.mark.parametrize("address", ["http://proxy:port", "http://127.0.0.1:9"])
def test_init_tells_a_proxy_in_the_way_of_both_clouds_as_one_thing_and_as_no_sign_in(
    address: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended with 4, as if two sign-ins were missing."""
    for name in ("https_proxy", "no_proxy", "NO_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", address)
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_MAX_ATTEMPTS", "1"),
        ("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential"),
        ("AZURE_TENANT_ID", "11111111-1111-1111-1111-111111111111"),
        ("AZURE_CLIENT_ID", "22222222-2222-2222-2222-222222222222"),
        ("AZURE_CLIENT_SECRET", "x"),
    ):
        monkeypatch.setenv(name, value)
    with pytest.raises(CloudlinkError) as caught:
        Survey(None, WallClock()).sign_in()
    assert caught.value.exit_code == 5, caught.value
    assert "HTTPS_PROXY" in caught.value.detail
