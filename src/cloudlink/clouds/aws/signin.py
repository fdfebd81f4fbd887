"""Signing in to AWS as the ``aws`` command does: a role's one-time code is asked for once, and its session is kept.

https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-role.html#cli-configure-role-mfa
"""

from __future__ import annotations

import contextlib
import getpass
import shlex
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cloudlink.errors import CredentialsError

_CACHE = ("~", ".aws", "cli", "cache")  # where the command keeps sessions of roles


def ask_once(core: Any, profile: str | None) -> None:
    """core: botocore's session. Sessions of roles are shared with the ``aws`` command, in both directions; the code is
    asked for where there is somebody to ask."""
    provider = core.get_component("credential_provider").get_provider("assume-role")
    provider.cache = _sessions()
    provider._prompter = lambda prompt: _code(prompt, profile)


def _sessions() -> Any:
    """The command's folder of sessions. One that is damaged is none, and a home that is read-only keeps none: the role is
    assumed anew then. https://github.com/boto/botocore/issues/3106"""
    from botocore.utils import JSONFileCache

    class Sessions(JSONFileCache):
        def __contains__(self, key: str) -> bool:
            try:
                return isinstance(self[key], dict)
            except (KeyError, ValueError, OSError):
                return False

        def __setitem__(self, key: str, value: Any) -> None:
            with contextlib.suppress(OSError):
                super().__setitem__(key, value)

    return Sessions(str(Path(*_CACHE).expanduser()))


def _code(prompt: str, profile: str | None) -> str:
    if sys.stdin is None or not sys.stdin.isatty():
        raise CredentialsError(
            "AWS asks for a one-time code (MFA)",
            f"The role of {_named(profile)} wants a code for each session ({prompt.rstrip(': ')}), and there is no terminal "
            "to ask for it.",
            f"Sign in where there is one, then run the same command again within the session: {_who(profile)}",
            code="MFARequired",
        )
    try:
        return getpass.getpass(prompt)
    except (EOFError, KeyboardInterrupt) as error:
        raise CredentialsError(
            "No one-time code (MFA) was given",
            f"The role of {_named(profile)} wants one for each session.",
            f"Run the same command again, or sign in before: {_who(profile)}",
            code="MFARequired",
        ) from error


def credentials_of(session: Any) -> Any:
    """The session's credentials, made now; raises what the SDK raises where there are none."""
    from botocore.exceptions import NoCredentialsError

    credentials = session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    credentials.get_frozen_credentials()
    return credentials


@dataclass(frozen=True)
class Lasting:
    """How long credentials last without the user."""

    ends: float | None = None  # seconds since the epoch; None: they renew themselves, or it is not known
    known: bool = True  # False: they are temporary, and nothing says when they end
    why: str = ""  # why nobody but the user can renew them
    again: str = ""  # what to type for new ones


def lasting(session: Any, credentials: Any, profile: str | None) -> Lasting:
    """Of what the SDK found. Roles, web identities, processes, containers and machines renew themselves.

    https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
    """
    core = session._session
    settings = (core.full_config.get("profiles") or {}).get(core.profile or "default") or {}
    method = str(getattr(credentials, "method", ""))
    ends = _expiry(credentials)
    if method == "assume-role" and settings.get("mfa_serial"):
        return Lasting(
            ends,
            why="A role with a one-time code (MFA) cannot be renewed without you",
            again="Sign in again before you begin (delete ~/.aws/cli/cache), with duration_seconds in the profile in "
            "~/.aws/config",
        )
    if method == "sso":
        token = _sso_token_end(credentials)
        return Lasting(
            max(token, ends or 0.0) if token is not None else None,
            why="A sign-in with IAM Identity Center cannot be renewed without you",
            again="aws sso login" + (f" --profile {shlex.quote(profile)}" if profile else ""),
        )
    if method in ("env", "shared-credentials-file", "config-file", "custom-process") and getattr(
        credentials, "token", None
    ):
        if method == "custom-process":
            return Lasting()
        where = "the environment" if method == "env" else "a file"
        return Lasting(
            ends,
            known=ends is not None,
            why=f"The keys in {where} are temporary and stay as they are",
            again="Get new ones for a longer session (role-duration-seconds, duration_seconds), or name a profile that renews "
            "itself: aws.profile",
        )
    return Lasting()


def _expiry(credentials: Any) -> float | None:
    ends = getattr(credentials, "_expiry_time", None)
    return None if ends is None else float(ends.timestamp())


def _sso_token_end(credentials: Any) -> float | None:
    """When the token ends that role credentials are fetched with; None: it renews itself, or cannot be read."""
    fetcher: Any = getattr(getattr(credentials, "_refresh_using", None), "__self__", None)
    try:
        token = fetcher._token_loader(fetcher._start_url, fetcher._sso_session_name)
        if token.get("refreshToken"):
            return None
        return datetime.fromisoformat(str(token["expiresAt"]).replace("UTC", "+00:00")).timestamp()
    except Exception:  # noqa: BLE001  botocore's own parts: where they look otherwise, the end is not known
        return None


def _named(profile: str | None) -> str:
    return f"profile {profile}" if profile else "the AWS profile"


def _who(profile: str | None) -> str:
    return "aws sts get-caller-identity" + (f" --profile {shlex.quote(profile)}" if profile else "")
