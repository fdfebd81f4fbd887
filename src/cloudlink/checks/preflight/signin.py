"""Whether the sign-ins last as long as the build: a session that ends in the middle stops it there."""

from __future__ import annotations

from collections.abc import Iterator

from cloudlink.checks.preflight.context import Context
from cloudlink.core.plan import Action
from cloudlink.errors import Finding, Severity

_GATEWAY_SECONDS = 50 * 60.0  # what a build takes that makes Azure's gateway; the SDK renews ten minutes before the end
_SHORT_SECONDS = 20 * 60.0


def find(context: Context) -> Iterator[Finding]:
    ends = context.aws.session_end()
    gateway = context.plan.of("azure_vpn.gateway")
    long = gateway is not None and gateway.action in (Action.CREATE, Action.REPLACE)
    if ends is not None:
        yield from judge(ends - context.aws.clock.now(), _GATEWAY_SECONDS if long else _SHORT_SECONDS)


def judge(left: float, takes: float) -> Iterator[Finding]:
    """left, takes: seconds of the session and of the build."""
    if left < takes:
        yield Finding(
            "sign-in",
            Severity.WARNING,
            "The AWS session ends before the build does",
            f"It lasts {max(left, 0) / 60:.0f} minutes more, the build about {takes / 60:.0f}. A role with a one-time code (MFA) "
            "cannot be renewed without you: the run would stop there; what the clouds had begun goes on.",
            "Sign in again before you begin (delete ~/.aws/cli/cache), with duration_seconds in the profile in ~/.aws/config; or "
            "run the same command again when it has stopped.",
        )
