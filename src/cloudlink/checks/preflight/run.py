"""What must hold before anything is created: every obstacle is found at once, by reads alone.

Each would otherwise end an ``up`` half an hour in, or leave a link that is up and carries nothing. What the clouds
would refuse, or what would swallow the traffic, is an error; what only may become a problem is a warning.
"""

from __future__ import annotations

from cloudlink.checks.preflight.aws import check_aws
from cloudlink.checks.preflight.azure import check_azure
from cloudlink.checks.preflight.cost import estimate
from cloudlink.checks.preflight.facts import PreflightFacts, gather
from cloudlink.checks.preflight.names import check_names
from cloudlink.checks.preflight.ranges import check_ranges
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.malformed import parsing
from cloudlink.core.plan import Plan
from cloudlink.errors import ConfigError, Mistake
from cloudlink.link import Link


@parsing("AWS's and Azure's answers")
def check(link: Link, aws: Aws, azure: Azure, plan: Plan) -> tuple[str, ...]:
    """Warnings for the plan. Raises ConfigError when the configuration contradicts what is there."""
    facts = gather(link, aws, azure)
    mistakes, warnings = evaluate(link, facts, plan)
    if mistakes:
        raise ConfigError(tuple(mistakes), hint="Correct the configuration, or the clouds, and run the command again.")
    return (*warnings, *estimate(link, facts, plan))


def evaluate(link: Link, facts: PreflightFacts, plan: Plan) -> tuple[list[Mistake], list[str]]:
    """Pure: what was read against what is wanted."""
    mistakes: list[Mistake] = []
    warnings: list[str] = []
    mistakes += check_ranges(link, facts)
    mistakes += check_aws(link, facts, plan)
    azure_mistakes, azure_warnings = check_azure(link, facts)
    mistakes += azure_mistakes
    warnings += azure_warnings
    warnings += check_names(link, facts)
    return mistakes, warnings
