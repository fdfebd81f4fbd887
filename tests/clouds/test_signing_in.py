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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
from azure.core.credentials import AccessToken

from cloudlink import connect
from cloudlink.checks.preflight import signin as preflight_signin
from cloudlink.clouds.aws import errors as aws_errors
from cloudlink.clouds.aws import signin
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure.credential import CachedCredential, Identity, Lasting, identity_of, lasting
from cloudlink.clouds.azure.session import AzureSession
from cloudlink.core.plan import Action, Change, Plan
from cloudlink.core.polling import WallClock
from cloudlink.errors import (
    AccessError,
    CloudError,
    CredentialsError,
    MissingError,
    NoContactError,
    ObstaclesError,
    Severity,
    UnreachableError,
)
from tests.support.aws_sandbox import aws_link
from tests.support.clocks import FakeClock

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
    ends = aws.lasting().ends
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
    assert Aws(region="eu-central-1", clock=WallClock()).lasting() == signin.Lasting()


def test_temporary_keys_that_say_when_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `aws configure export-credentials --format env` prints them."""
    ends = int(time.time()) + 3000
    for name, value in {
        "AWS_ACCESS_KEY_ID": "ASIAX",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_SESSION_TOKEN": "t",
        "AWS_CREDENTIAL_EXPIRATION": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(ends)),
    }.items():
        monkeypatch.setenv(name, value)
    lasting = Aws(region="eu-central-1", clock=WallClock()).lasting()
    assert lasting.ends == ends and lasting.known and "stay as they are" in lasting.why


def test_temporary_keys_that_do_not_say_when_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "ASIAX")
    lasting = Aws(region="eu-central-1", clock=WallClock()).lasting()
    assert (lasting.ends, lasting.known) == (None, False)


@pytest.mark.parametrize(("refresh", "ends"), [({}, 9000), ({"refreshToken": "r"}, None)])
def test_a_sign_in_with_identity_center(refresh: dict[str, str], ends: float | None) -> None:
    """The role's keys are renewed until the token ends that they are fetched with."""

    class Fetcher:
        _start_url, _sso_session_name = "https://x.awsapps.com/start", None

        def _token_loader(self, *_: Any) -> dict[str, str]:
            return {"accessToken": "a", "expiresAt": "1970-01-01T02:30:00UTC", **refresh}

        def fetch_credentials(self) -> None: ...

    class Keys:
        method, token, _expiry_time = "sso", "t", None
        _refresh_using = Fetcher().fetch_credentials

    class Core:
        full_config: ClassVar[dict[str, Any]] = {}
        profile = None

    class Session:
        _session = Core()

    found = signin.lasting(Session(), Keys(), "prod")
    assert found.ends == ends and found.again == "aws sso login --profile prod"


class Sides:
    """Both sign-ins, and a plan."""

    def __init__(self, aws: signin.Lasting, azure: Lasting, action: Action = Action.CREATE) -> None:
        clock = type("Clock", (), {"now": staticmethod(lambda: 1000.0)})
        self.aws: Any = type("Aws", (), {"clock": clock, "lasting": lambda _: aws})()
        self.who = Identity("me", "t")
        self.azure: Any = type("Azure", (), {"lasting": lambda _: azure, "identity": lambda _: self.who})()
        self.plan = Plan((Change("azure_vpn.gateway", "gateway", action),))


@pytest.mark.parametrize(
    ("aws", "azure", "action", "summaries"),
    [
        (signin.Lasting(4600), Lasting(4600), Action.CREATE, []),
        (signin.Lasting(3000), Lasting(), Action.CREATE, ["The AWS session ends before the build does"]),
        (signin.Lasting(995), Lasting(), Action.NO_OP, ["The AWS session ends before the build does"]),
        (signin.Lasting(3000), Lasting(), Action.NO_OP, []),
        (signin.Lasting(), Lasting(1600), Action.CREATE, ["The Azure session ends before the build does"]),
        (
            signin.Lasting(known=False),
            Lasting(),
            Action.CREATE,
            ["Whether the AWS session lasts as long as the build"],
        ),
        (signin.Lasting(known=False), Lasting(), Action.UPDATE, []),
    ],
)
def test_a_session_that_is_shorter_than_the_build_is_warned_of(
    aws: signin.Lasting, azure: Lasting, action: Action, summaries: list[str]
) -> None:
    findings = list(preflight_signin.find(cast(Any, Sides(aws, azure, action))))
    assert [f.summary for f in findings] == summaries
    assert all(f.severity is not Severity.OBSTACLE for f in findings)
    assert all("minutes" in f.detail and "same command again" in f.hint for f in findings)


@pytest.mark.parametrize(
    ("claims", "action", "warned"),
    [
        ({"upn": "me", "amr": ["pwd"]}, Action.CREATE, True),
        ({"upn": "me", "amr": ["pwd"], "idtyp": "user"}, Action.UPDATE, True),
        ({"upn": "me", "amr": ["pwd"]}, Action.NO_OP, False),
        ({"upn": "me", "amr": ["rsa", "mfa"]}, Action.CREATE, False),
        ({"upn": "me"}, Action.CREATE, False),
        ({"appid": "a-1", "idtyp": "app", "amr": ["pwd"]}, Action.CREATE, False),
    ],
)
def test_a_user_without_a_second_factor_is_told_before_the_first_write(
    claims: dict[str, Any], action: Action, warned: bool
) -> None:
    sides = Sides(signin.Lasting(), Lasting(), action)
    sides.who = identity_of(token(**claims))
    found = list(preflight_signin.find(cast(Any, sides)))
    assert [f.summary for f in found] == ["The sign-in to Azure has no second factor"] * warned
    assert all(f.severity is Severity.WARNING and "az login" in f.hint for f in found)


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


def test_one_refusal_answers_all_who_wait_for_it_and_the_next_one_asks_again() -> None:
    """A network that is lost takes half a minute of each attempt: twenty threads must not try one after the other."""
    asked = []
    waiting = threading.Event()

    class Lost:
        def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
            asked.append(scopes)
            waiting.wait(5)
            raise OSError("no connection")

    credential = CachedCredential(Lost())
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(credential.get_token, "a/.default") for _ in range(8)]
        threading.Event().wait(0.3)  # until all of them wait
        waiting.set()
        errors = [a.exception() for a in answers]
    assert {type(e) for e in errors} == {OSError} and len(asked) == 1
    with pytest.raises(OSError, match="no connection"):
        credential.get_token("a/.default")
    assert len(asked) == 2


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
        (token(appid="a-1", tid="t", idtyp="app"), Identity("application a-1", "t", "a-1")),
        ("no token", Identity("", "")),
        ("a.b.c", Identity("", "")),
        (f"x.{base64.urlsafe_b64encode(b'[1]').decode()}.y", Identity("", "")),
    ],
)
def test_who_a_token_is_for(text: str, identity: Identity) -> None:
    assert identity_of(text) == identity


GITHUB, AKS = "https://token.actions.githubusercontent.com", "https://westeurope.oic.prod-aks.azure.com/t/"


@pytest.mark.parametrize(
    ("issuer", "ends"),
    [(GITHUB, 5000.0), ("https://vstoken.dev.azure.com/x", 5000.0), ("https://gitlab.corp", 5000.0), (AKS, None)],
)
def test_an_identity_of_a_pipeline_cannot_be_exchanged_again(issuer: str, ends: float | None, tmp_path: Path) -> None:
    """The file of a pod is written anew by its node, that of a job is not."""
    (tmp_path / "token").write_text(token(iss=issuer, exp=1600))
    environ = {"AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token")}
    assert lasting("WorkloadIdentityCredential", 5000.0, environ, tmp_path).ends == ends


@pytest.mark.parametrize(
    ("entry", "client", "ends"),
    [
        ({"client_id": "app", "client_assertion": token(iss=GITHUB, exp=1600)}, "app", 5000.0),
        ({"client_id": "app", "client_assertion": token(iss=GITHUB, exp=1600)}, "another", None),
        ({"client_id": "app", "client_assertion": token(iss=GITHUB, exp=1600)}, "", None),
        ({"client_id": "app", "client_secret": "s"}, "app", None),
        ({"client_id": "app", "client_assertion": "no token"}, "app", None),
    ],
)
def test_az_that_was_signed_in_by_a_pipeline(
    entry: dict[str, str], client: str, ends: float | None, tmp_path: Path
) -> None:
    (tmp_path / ".azure").mkdir()
    (tmp_path / ".azure" / "service_principal_entries.json").write_text(json.dumps([entry, "x"]))
    assert lasting("AzureCliCredential", 5000.0, {}, tmp_path, client).ends == ends
    moved = {"AZURE_CONFIG_DIR": str(tmp_path / "elsewhere")}
    assert lasting("AzureCliCredential", 5000.0, moved, tmp_path, client).ends is None


@pytest.mark.parametrize("way", ["ManagedIdentityCredential", "EnvironmentCredential", "AzurePowerShellCredential", ""])
def test_ways_that_renew_themselves(way: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(token(iss=GITHUB, exp=1600))
    environ = {"AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "token")}
    assert lasting(way, 5000.0, environ, tmp_path) == Lasting()


def test_the_way_that_gave_the_token_is_known() -> None:
    class Chain:
        _successful_credential: Any = None

        def get_token(self, *_: str, **_options: Any) -> AccessToken:
            self._successful_credential = Counting()
            return AccessToken("t", int(time.time()) + 3600)

    credential = CachedCredential(Chain())
    credential.get_token("a")
    assert credential.way == "Counting"


def test_a_token_is_used_to_its_end_where_there_is_no_other() -> None:
    inner = Counting()
    credential = CachedCredential(inner, now=lambda: inner.at)
    first = credential.get_token("a/.default").token

    def refuse(*_: str, **_options: Any) -> AccessToken:
        raise CredentialsError("AADSTS700024")

    inner.get_token = refuse  # type: ignore[method-assign]
    inner.at += 3500  # four minutes and some before its end, when another one is asked for
    assert credential.get_token("a/.default").token == first
    inner.at += 200
    with pytest.raises(CredentialsError):
        credential.get_token("a/.default")


# --- both ---------------------------------------------------------------------------------------------------


class Cloud:
    """signing: what the sign-in raises; asked: what each further question raises, and nothing where the list has ended."""

    region, home_region = "eu-south-1", "us-east-1"

    def __init__(self, signing: Exception | None = None, asked: Sequence[Exception | None] = ()) -> None:
        self._signing, self._asked = signing, list(asked)
        self.questions = 0

    def sign_in(self) -> None:
        if self._signing:
            raise self._signing

    def contact(self) -> None:
        self.questions += 1
        if self._asked and (error := self._asked.pop(0)):
            raise error

    def region_states(self) -> dict[str, str]:
        return {"eu-south-1": "not-opted-in"}

    def translate(self, error: Exception) -> Exception:
        return error


def signing_in(aws: Cloud, azure: Cloud, *, ask: bool = True) -> None:
    connect._sign_in(cast(Any, aws), cast(Any, azure), FakeClock(), ask=ask)


AWS_ENDED, AZURE_ENDED = CredentialsError("The sign-in to AWS has expired"), CredentialsError("Not signed in to Azure")
NO_NETWORK = NoContactError("A name does not resolve")
NO_ACTION = CredentialsError("A permission is missing in AWS")
WRONG_KEYS = CredentialsError("AWS does not accept the credentials", code="AuthFailure")


@pytest.mark.parametrize(
    ("aws", "azure"),
    [
        (Cloud(AWS_ENDED), Cloud(AZURE_ENDED)),
        (Cloud(asked=[AWS_ENDED]), Cloud(AZURE_ENDED)),
        (Cloud(AWS_ENDED), Cloud(asked=[AZURE_ENDED])),
        (Cloud(asked=[AWS_ENDED]), Cloud(asked=[AZURE_ENDED])),
    ],
)
def test_what_is_wrong_with_both_sign_ins_is_said_at_once(aws: Cloud, azure: Cloud) -> None:
    with pytest.raises(AccessError) as caught:
        signing_in(aws, azure)
    assert {f.summary for f in caught.value.findings} == {AWS_ENDED.summary, AZURE_ENDED.summary}
    assert {f.topic for f in caught.value.findings} == {"sign-in"}
    assert caught.value.exit_code == 4


def test_one_problem_is_said_by_itself() -> None:
    with pytest.raises(CredentialsError) as caught:
        signing_in(Cloud(), Cloud(AZURE_ENDED))
    assert caught.value is AZURE_ENDED
    signing_in(Cloud(), Cloud())


def test_a_network_that_is_not_there_is_told_before_anything_is_read() -> None:
    aws, azure = Cloud(asked=[NO_NETWORK] * 9), Cloud(asked=[NO_NETWORK] * 9)
    with pytest.raises(NoContactError) as caught:
        signing_in(aws, azure)
    assert caught.value is NO_NETWORK and caught.value.exit_code == 5
    assert aws.questions == azure.questions == 2


def test_a_network_that_is_not_there_hides_no_missing_sign_in() -> None:
    with pytest.raises(AccessError) as caught:
        signing_in(Cloud(asked=[NO_NETWORK] * 9), Cloud(AZURE_ENDED))
    assert [f.summary for f in caught.value.findings] == [NO_NETWORK.summary, AZURE_ENDED.summary]


@pytest.mark.parametrize(
    "error", [NO_ACTION, UnreachableError("AWS failed to answer"), CloudError("Azure asks to slow down"), None]
)
def test_whatever_else_is_answered_is_left_to_those_who_read(error: Exception | None) -> None:
    aws, azure = Cloud(asked=[error]), Cloud(asked=[error])
    signing_in(aws, azure)
    assert aws.questions == azure.questions == 1


def test_a_subscription_that_is_not_seen_is_told_at_once() -> None:
    gone = MissingError("The Azure subscription was not found")
    with pytest.raises(MissingError):
        signing_in(Cloud(), Cloud(asked=[gone]))


def test_a_network_that_comes_back_in_time() -> None:
    aws = Cloud(asked=[NO_NETWORK])
    signing_in(aws, Cloud())
    assert aws.questions == 2


def test_keys_that_only_this_region_refuses() -> None:
    with pytest.raises(ObstaclesError) as caught:
        signing_in(Cloud(asked=[WRONG_KEYS]), Cloud())
    assert caught.value.findings[0].summary == "The AWS region is not enabled for this account"
    with pytest.raises(AccessError) as both:
        signing_in(Cloud(asked=[WRONG_KEYS]), Cloud(AZURE_ENDED))
    assert [f.summary for f in both.value.findings] == [caught.value.findings[0].summary, AZURE_ENDED.summary]


def test_a_sandbox_is_not_asked() -> None:
    aws, azure = Cloud(), Cloud()
    signing_in(aws, azure, ask=False)
    assert aws.questions == azure.questions == 0


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
