"""Signing in to AWS as the ``aws`` command does: a role's one-time code is asked for once, and its session is kept.

https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-role.html#cli-configure-role-mfa
"""

from __future__ import annotations

import getpass
import shlex
import sys
from pathlib import Path
from typing import Any

from cloudlink.errors import CredentialsError

_CACHE = ("~", ".aws", "cli", "cache")  # where the command keeps sessions of roles


def ask_once(core: Any, profile: str | None) -> None:
    """core: botocore's session. Sessions of roles are shared with the ``aws`` command, in both directions; the code is
    asked for where there is somebody to ask."""
    from botocore.utils import JSONFileCache

    provider = core.get_component("credential_provider").get_provider("assume-role")
    provider.cache = JSONFileCache(str(Path(*_CACHE).expanduser()))
    provider._prompter = lambda prompt: _code(prompt, profile)


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


def end_of(session: Any, credentials: Any) -> float | None:
    """When a session ends that asks for a code again; others renew themselves, or do not say when they end."""
    core = session._session
    profile = (core.full_config.get("profiles") or {}).get(core.profile or "default") or {}
    if getattr(credentials, "method", "") != "assume-role" or not profile.get("mfa_serial"):
        return None
    ends = getattr(credentials, "_expiry_time", None)
    return None if ends is None else float(ends.timestamp())


def _named(profile: str | None) -> str:
    return f"profile {profile}" if profile else "the AWS profile"


def _who(profile: str | None) -> str:
    return "aws sts get-caller-identity" + (f" --profile {shlex.quote(profile)}" if profile else "")
