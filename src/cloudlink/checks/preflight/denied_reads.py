"""Reads that the caller may not make: what every up has to read is an obstacle, and all that is missing is told at once.

What only a check reads stays "not proved". Which is which is said by ``least_permissions``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cloudlink.checks.preflight import permissions
from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.aws import permissions as aws_permissions
from cloudlink.clouds.aws.permissions import Verdict
from cloudlink.clouds.azure.parse_permissions import allowed
from cloudlink.core.permissions import Permission
from cloudlink.errors import CredentialsError, Finding, is_denial
from cloudlink.steps.least_permissions import UP, Allowance, Where, least
from cloudlink.steps.permissions import AKS, GATEWAY_GROUP, GROUP, VNET

# A policy cannot narrow these to some objects, so the simulator's answer for all of them holds.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
_ON_ALL = ("ec2:Describe", "elasticloadbalancing:Describe", "route53:ListHostedZones")
_PLACES = (GROUP, GATEWAY_GROUP, VNET, AKS)  # elsewhere a role on the group of the object is enough


def needed(context: Context) -> tuple[Allowance, ...]:
    """What an up of this link reads and does, without what only its checks read."""
    return tuple(least(context.link, context.nodes.values(), (UP,)))


def stops(error: CredentialsError, context: Context) -> bool:
    """Whether it says that a permission is missing without which no up gets to its end."""
    if not error.action or not is_denial(error):
        return False
    return any(_same(a.action, error.action) for a in needed(context))


def _same(action: str, denied: str) -> bool:
    """AWS does not always name the service, and Azure does not care for upper and lower case."""
    action, denied = action.lower(), denied.lower()
    return denied == (action if ":" in denied or "/" in denied else action.rpartition(":")[2])


def others(context: Context, told: Iterable[str]) -> Iterator[Finding]:
    """Reads that are missing as well, and that nothing has come to because of those that failed first. Asks AWS's simulator
    once, and Azure what the caller may do. told: the actions that are told already."""
    told = {action.lower() for action in told}
    wanted = [a for a in needed(context) if _reads(a) and a.action.lower() not in told]
    in_aws = [a.action for a in wanted if a.where is Where.AWS and a.action.startswith(_ON_ALL)]
    for proof in aws_permissions.simulate(context.aws, in_aws, {}):
        if proof.verdict is Verdict.MISSING:
            yield permissions.missing_in_aws(proof, ())
    places = {a.place for a in wanted if a.where is Where.AZURE and a.place in _PLACES}
    scopes = permissions.read_scopes(context.link, context.azure, places)
    for allowance in wanted:
        scope = scopes.get(allowance.place)
        if scope is not None and not scope.unread and not allowed(allowance.action, scope.grants):
            yield permissions.missing_in_azure(Permission(allowance.action, allowance.place), scope, ())


def _reads(allowance: Allowance) -> bool:
    """Writes are proved by another check."""
    if allowance.where is Where.AZURE:
        return allowance.action.endswith("/read")
    return allowance.where is Where.AWS
