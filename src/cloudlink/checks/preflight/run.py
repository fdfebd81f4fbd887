"""What must hold before anything is created: every obstacle is found at once, by reads alone.

Each would otherwise end an ``up`` half an hour in, or leave a link that is up and carries nothing. What the clouds
would refuse, or what would swallow the traffic, is an error; what only may become a problem is a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from cloudlink.checks.preflight import aws as aws_checks
from cloudlink.checks.preflight import cost, permissions, quotas, ranges
from cloudlink.checks.preflight.azure import check_azure
from cloudlink.checks.preflight.facts import PreflightFacts, gather
from cloudlink.checks.preflight.names import check_names
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure.client import Azure
from cloudlink.core.plan import Plan
from cloudlink.errors import CloudlinkError, ConfigError, CredentialsError, Finding, Mistake, ObstaclesError, Severity
from cloudlink.link import Link


def check(link: Link, aws: Aws, azure: Azure, plan: Plan) -> tuple[str, ...]:
    """Warnings for the plan. Raises ConfigError when the configuration contradicts what is there, ObstaclesError for
    what else is in the way."""
    facts = gather(link, aws, azure)
    mistakes, warnings = evaluate(link, facts, plan)
    findings = find(link, aws, azure, plan)
    obstacles = tuple(f for f in findings if f.severity is Severity.OBSTACLE)
    mistakes += [f.mistake for f in obstacles if f.mistake is not None]
    if obstacles and not mistakes and all(f.topic == permissions.TOPIC for f in obstacles):
        raise _missing_permissions(obstacles)
    others = tuple(f for f in obstacles if f.mistake is None)
    if others:
        raise ObstaclesError((*obstacles,))
    if mistakes:
        raise ConfigError(tuple(mistakes), hint="Correct the configuration, or the clouds, and run the command again.")
    return (*warnings, *(f.detail for f in findings if f.severity is not Severity.OBSTACLE))


def _missing_permissions(findings: tuple[Finding, ...]) -> CredentialsError:
    """All of them at once: each round with an administrator takes a day."""
    if len(findings) == 1:
        (only,) = findings
        return CredentialsError(only.summary, only.detail, only.hint, resource=only.resource)
    listed = "\n".join(f"- {f.detail}" for f in findings)
    return CredentialsError(
        "Permissions are missing",
        f"{len(findings)} permissions that this plan needs are missing; nothing was changed.\n{listed}",
        "\n".join(dict.fromkeys(f.hint for f in findings)),
    )


def find(link: Link, aws: Aws, azure: Azure, plan: Plan) -> tuple[Finding, ...]:
    """Every topic, read at the same time; one that cannot be read does not blind the others."""
    topics: tuple[tuple[str, Callable[[], Iterator[Finding]]], ...] = (
        (aws_checks.TOPIC, lambda: aws_checks.check(aws_checks.read(link, aws, azure), link, plan)),
        (ranges.TOPIC, lambda: ranges.check(ranges.read(link, aws, azure), link, plan)),
        (quotas.TOPIC, lambda: quotas.check(quotas.read(link, aws, azure, plan), link, plan)),
        (permissions.TOPIC, lambda: permissions.check(permissions.read(link, aws, azure, plan), link, plan)),
        (cost.TOPIC, lambda: cost.check(cost.read(link, aws), link, plan)),
    )
    with ThreadPoolExecutor(len(topics)) as pool:
        done = pool.map(lambda topic: _isolated(topic[0], topic[1], aws, azure), topics)
        return tuple(finding for findings in done for finding in findings)


def _isolated(topic: str, run: Callable[[], Iterator[Finding]], aws: Aws, azure: Azure) -> tuple[Finding, ...]:
    try:
        return tuple(run())
    except Exception as error:
        known = error if isinstance(error, CloudlinkError) else aws.translate(error) or azure.translate(error)
        if known is None:
            raise
        said = f"{known.summary}: {known.detail}" if known.detail else known.summary
        return (Finding(topic, Severity.NOT_PROVED, f"The {topic} checks could not be made", said, known.hint),)


def evaluate(link: Link, facts: PreflightFacts, plan: Plan) -> tuple[list[Mistake], list[str]]:
    """Pure: what was read against what is wanted."""
    del plan
    mistakes, warnings = check_azure(link, facts)
    return mistakes, [*warnings, *check_names(link, facts)]
