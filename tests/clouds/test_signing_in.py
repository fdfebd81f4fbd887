"""Signing in: a one-time code is asked for once and kept, one token serves all of Azure, and both clouds' problems are said
at once."""

from __future__ import annotations

import base64
import io
import json
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from cloudlink import connect
from cloudlink.checks.preflight.signin import judge
from cloudlink.clouds.aws import errors as aws_errors
from cloudlink.clouds.aws import signin
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure.credential import CachedCredential, Identity, identity_of
from cloudlink.clouds.azure.session import AzureSession
from cloudlink.core.polling import WallClock
from cloudlink.errors import AccessError, CredentialsError
from tests.support.aws_sandbox import aws_link

CONFIG = """\
[profile base]
region = eu-central-1
[profile prod]
region = eu-central-1
role_arn = arn:aws:iam::123456789012:role/ops
source_profile = base
mfa_serial = arn:aws:iam::123456789012:mfa/me
"""
KEYS = "[base]\naws_access_key_id = AKIAEXAMPLEEXAMPLE00\naws_secret_access_key = secret\n"


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A profile whose role wants a code; no endpoint is reached."""
    (tmp_path / "config").write_text(CONFIG)
    (tmp_path / "credentials").write_text(KEYS)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    return "prod"


def session_in_cache(home: Path, seconds: float) -> None:
    """As the ``aws`` command leaves it: found by a key that botocore computes."""
    core = __import__("botocore.session", fromlist=["Session"]).Session(profile="prod")
    signin.ask_once(core, "prod")
    made: Any = core.get_component("credential_provider").get_provider("assume-role").load()
    key = made._refresh_using._refresh.__self__._cache_key
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))
    folder = home / ".aws" / "cli" / "cache"
    folder.mkdir(parents=True, exist_ok=True)
    credentials = {"AccessKeyId": "ASIAX", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": ends}
    (folder / f"{key}.json").write_text(json.dumps({"Credentials": credentials, "AssumedRoleUser": {}}))


def test_without_a_terminal_it_is_said_what_to_type(profile: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    aws = Aws(region="eu-central-1", profile=profile, clock=WallClock())
    found: list[Exception] = []

    def read(call: Any) -> None:
        try:
            call()
        except Exception as error:
            found.append(error)

    threads = [threading.Thread(target=read, args=(c,)) for c in (aws.vpn_gateways, aws.hosted_zones, aws.account)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 3
    for error in found:
        ours = aws_errors.translate(error)
        assert isinstance(ours, CredentialsError) and ours.exit_code == 4
        assert ours.summary == "AWS asks for a one-time code (MFA)"
        assert "mfa/me" in ours.detail
        assert "aws sts get-caller-identity --profile prod" in ours.hint


def test_the_session_of_the_aws_command_is_used(profile: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    session_in_cache(tmp_path, 3000)
    aws = Aws(region="eu-central-1", profile=profile, clock=WallClock())
    aws.sign_in()
    ends = aws.session_end()
    assert ends is not None and 2900 < ends - time.time() < 3100


def test_a_code_that_ended_in_the_middle_of_a_run() -> None:
    from botocore.exceptions import RefreshWithMFAUnsupportedError

    ours = aws_errors.translate(RefreshWithMFAUnsupportedError())
    assert isinstance(ours, CredentialsError)
    assert "asks for a code again" in ours.summary and "goes on from here" in ours.hint
    assert "othing was changed" not in ours.detail


def test_keys_that_never_end_have_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAX")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert Aws(region="eu-central-1", clock=WallClock()).session_end() is None


@pytest.mark.parametrize(("left", "takes", "warned"), [(3600, 3000, False), (2000, 3000, True), (-5, 3000, True)])
def test_a_session_that_is_shorter_than_the_build_is_warned_of(left: float, takes: float, warned: bool) -> None:
    findings = list(judge(left, takes))
    assert bool(findings) is warned
    assert all("minutes more" in f.detail and "duration_seconds" in f.hint for f in findings)


# --- Azure --------------------------------------------------------------------------------------------------


class Counting:
    """A credential that takes its time, as ``az`` does."""

    def __init__(self, lasts: float = 3600) -> None:
        self.asked: list[tuple[str, ...]] = []
        self._lasts = lasts
        self.at = 1000.0

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.asked.append((*scopes, str(options.get("tenant_id") or "")))
        threading.Event().wait(0.05)
        return AccessToken(f"token-{len(self.asked)}", int(self.at + self._lasts))

    get_token_info = get_token


def test_a_token_is_asked_for_once_for_all_pipelines() -> None:
    inner = Counting()
    credential = CachedCredential(inner, now=lambda: inner.at)
    with ThreadPoolExecutor(8) as pool:
        tokens = {t.token for t in pool.map(lambda _: credential.get_token("a/.default"), range(16))}
    info = credential.get_token_info("a/.default", options={})
    assert tokens == {"token-1"} and info.token == "token-1"
    assert type(info).__name__ == "AccessTokenInfo"
    credential.get_token("cluster/.default")
    credential.get_token("a/.default", tenant_id="other")
    assert [asked[0] for asked in inner.asked] == ["a/.default", "cluster/.default", "a/.default"]


def test_a_token_is_renewed_before_its_end_and_when_azure_wants_another() -> None:
    inner = Counting()
    credential = CachedCredential(inner, now=lambda: inner.at)
    first = credential.get_token("a/.default").token
    inner.at += 3200
    assert credential.get_token("a/.default").token == first
    inner.at += 200
    assert credential.get_token("a/.default").token != first
    credential.get_token("a/.default", claims="more")
    assert len(inner.asked) == 3


def test_az_may_take_a_minute() -> None:
    chain: Any = AzureSession(aws_link().azure, None)._make_credential()
    command = next(c for c in chain.credentials if type(c).__name__ == "AzureCliCredential")
    assert command._process_timeout >= 60


def token(**claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"x.{body}.y"


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        (token(upn="me@corp.example", tid="t"), Identity("me@corp.example", "t")),
        (token(unique_name="live.com#me", tid="t", appid="a", idtyp="user"), Identity("live.com#me", "t")),
        (token(appid="a-1", tid="t", idtyp="app"), Identity("application a-1", "t")),
        ("no token", Identity("", "")),
        ("a.b.c", Identity("", "")),
        (f"x.{base64.urlsafe_b64encode(b'[1]').decode()}.y", Identity("", "")),
    ],
)
def test_who_a_token_is_for(text: str, identity: Identity) -> None:
    assert identity_of(text) == identity


# --- both ---------------------------------------------------------------------------------------------------


class Cloud:
    def __init__(self, error: Exception | None = None, account: Exception | None = None) -> None:
        self._error, self._account = error, account

    def sign_in(self) -> None:
        if self._error:
            raise self._error

    def account(self) -> str:
        if self._account:
            raise self._account
        return "1"

    def translate(self, error: Exception) -> Exception:
        return error


AWS_ENDED, AZURE_ENDED = CredentialsError("The sign-in to AWS has expired"), CredentialsError("Not signed in to Azure")


@pytest.mark.parametrize(
    ("aws", "azure"), [(Cloud(AWS_ENDED), Cloud(AZURE_ENDED)), (Cloud(account=AWS_ENDED), Cloud(AZURE_ENDED))]
)
def test_what_is_wrong_with_both_sign_ins_is_said_at_once(aws: Any, azure: Any) -> None:
    with pytest.raises(AccessError) as caught:
        connect._sign_in(aws, azure)
    assert {f.summary for f in caught.value.findings} == {AWS_ENDED.summary, AZURE_ENDED.summary}
    assert {f.topic for f in caught.value.findings} == {"sign-in"}
    assert caught.value.exit_code == 4


def test_one_problem_is_said_by_itself() -> None:
    azure: Any = Cloud(AZURE_ENDED)
    aws: Any = Cloud()
    with pytest.raises(CredentialsError) as caught:
        connect._sign_in(aws, azure)
    assert caught.value is AZURE_ENDED
    connect._sign_in(aws, aws)


# --- the end ------------------------------------------------------------------------------------------------

HANGS = """
import threading, sys
from cloudlink.core.polling import WallClock
from cloudlink.process import stop_on_signals
with stop_on_signals(WallClock()):
    print("ready", flush=True)
    threading.Event().wait(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_nothing_wakes_ends_within_two_seconds(number: signal.Signals) -> None:
    process = subprocess.Popen([sys.executable, "-c", HANGS], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    began = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert time.monotonic() - began < 8, "a second and a half, and what a busy machine adds"
    assert process.returncode == 130
    assert b"Run the command again" in said
