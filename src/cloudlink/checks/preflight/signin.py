"""Whether the sign-ins last as long as the build: one that ends in the middle stops it there."""

from __future__ import annotations

from collections.abc import Iterator

from cloudlink.checks.preflight.context import Context
from cloudlink.core.plan import Action
from cloudlink.errors import Finding, Severity

_GATEWAY_SECONDS = 50 * 60.0  # what a build takes that makes Azure's gateway; the SDK renews ten minutes before the end
_SHORT_SECONDS = 20 * 60.0
_GO_ON = "or run the same command again when it has stopped."


def find(context: Context) -> Iterator[Finding]:
    gateway = context.plan.of("azure_vpn.gateway")
    long = gateway is not None and gateway.action in (Action.CREATE, Action.REPLACE)
    takes = _GATEWAY_SECONDS if long else _SHORT_SECONDS
    now = context.aws.clock.now()
    aws, azure = context.aws.lasting(), context.azure.lasting()
    if aws.ends is not None:
        yield from time_left("AWS", aws.ends - now, takes, aws.why, aws.again)
    elif not aws.known and long:
        yield Finding(
            "sign-in",
            Severity.NOT_PROVED,
            "Whether the AWS session lasts as long as the build",
            f"{aws.why}, and nothing says when they end; the build takes about {takes / 60:.0f} minutes.",
            f"{aws.again}; {_GO_ON}",
        )
    if any(c.step == "azure_vpn" for c in context.plan.writes) and context.azure.identity().one_factor:
        # https://learn.microsoft.com/entra/identity/authentication/concept-mandatory-multifactor-authentication
        yield Finding(
            "sign-in",
            Severity.WARNING,
            "The sign-in to Azure has no second factor",
            "Since October 2025 Azure refuses what users write who signed in without one, unless the tenant has put that off: "
            "everything can be read, and the first write would be refused.",
            "Sign in again with the second factor: az logout; az login. A service principal or a managed identity needs none.",
        )
    if azure.ends is not None:
        again = "Sign in the job with a managed identity, or with a client secret or certificate (AZURE_CLIENT_SECRET)"
        yield from time_left("Azure", azure.ends - now, takes, azure.why, again)


def time_left(cloud: str, left: float, takes: float, why: str, again: str) -> Iterator[Finding]:
    """left, takes: seconds of the session and of the build. why: it cannot be renewed; again: what to do for a longer one."""
    if left < takes:
        yield Finding(
            "sign-in",
            Severity.WARNING,
            f"The {cloud} session ends before the build does",
            f"It lasts {max(left, 0) / 60:.0f} minutes more, the build about {takes / 60:.0f}. {why}: the run would stop there; "
            "what the clouds had begun goes on.",
            f"{again}; {_GO_ON}",
        )
