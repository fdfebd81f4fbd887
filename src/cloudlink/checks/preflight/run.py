"""What must hold before anything is created: every obstacle is found at once, by reads alone.

Each would otherwise end an ``up`` half an hour in, or leave a link that is up and carries nothing. What the clouds
would refuse, or what would swallow the traffic, is an error; what only may become a problem is a warning.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cloudlink.checks.preflight import aks
from cloudlink.checks.preflight import azure as azure_checks
from cloudlink.checks.preflight.aks import AksFacts
from cloudlink.checks.preflight.aws import check_aws
from cloudlink.checks.preflight.azure_facts import AzureFacts, read, read_locks, read_standing
from cloudlink.checks.preflight.cost import estimate
from cloudlink.checks.preflight.facts import PreflightFacts, gather
from cloudlink.checks.preflight.names import check_names
from cloudlink.checks.preflight.parse import networks_in, vpc_ranges
from cloudlink.checks.preflight.paths import standing
from cloudlink.checks.preflight.ranges import check_ranges
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure import parse
from cloudlink.clouds.azure.client import Azure
from cloudlink.core.plan import Plan
from cloudlink.errors import ConfigError, Finding, Mistake, ObstaclesError, Severity
from cloudlink.link import Link


def check(link: Link, aws: Aws, azure: Azure, plan: Plan) -> tuple[str, ...]:
    """Warnings for the plan. Raises ConfigError when the configuration contradicts what is there."""
    facts = gather(link, aws, azure)
    facts = replace(facts, azure=read(link, azure, plan, networks_in(vpc_ranges(facts.vpc))), aks_reached=True)
    mistakes, warnings = evaluate(link, facts, plan)
    if mistakes:
        raise ConfigError(tuple(mistakes), hint="Correct the configuration, or the clouds, and run the command again.")
    return (*warnings, *estimate(link, facts, plan))


def check_standing(link: Link, aws: Aws, azure: Azure) -> tuple[str, ...]:
    """Where nothing is to be made: warnings of what keeps packets from their way all the same."""
    facts = read_standing(link, azure, lambda: networks_in(vpc_ranges(aws.vpc(link.aws.vpc_id))))
    return tuple(map(said, standing(facts, link)))


def check_removal(link: Link, azure: Azure, plan: Plan) -> None:
    """Raises ObstaclesError when a lock keeps anything of the link from being deleted: then nothing is."""
    if not any(c.step == "azure_vpn" for c in plan.writes):
        return
    try:
        locks = read_locks(link, azure)
    except Exception as error:
        if azure.translate(error) is None:
            raise
        return  # who may not read locks finds out at the first deletion
    if found := tuple(azure_checks.locked(locks, link, plan)):
        raise ObstaclesError(found)


def evaluate(link: Link, facts: PreflightFacts, plan: Plan) -> tuple[list[Mistake], list[str]]:
    """Pure: what was read against what is wanted."""
    mistakes: list[Mistake] = []
    warnings: list[str] = []
    mistakes += check_ranges(link, facts)
    mistakes += check_aws(link, facts, plan)
    seen = facts.azure or _parsed(facts)
    findings = [
        *azure_checks.check(seen, link, plan),
        *aks.check(AksFacts(seen.cluster, facts.aks_reached), link, plan),
    ]
    mistakes += [mistake_of(f) for f in findings if f.severity is Severity.OBSTACLE]
    warnings += [said(f) for f in findings if f.severity is not Severity.OBSTACLE]
    warnings += check_names(link, facts)
    return mistakes, warnings


def _parsed(facts: PreflightFacts) -> AzureFacts:
    """From the answers alone."""
    return AzureFacts(
        vnet=parse.vnet(facts.vnet) if facts.vnet else None,
        cluster=parse.aks_cluster(facts.aks) if facts.aks else None,
        other_gateways=facts.azure_gateways,
    )


def mistake_of(finding: Finding) -> Mistake:
    if finding.mistake is not None:
        return finding.mistake
    return Mistake(finding.key or finding.topic, f"{finding.summary}: {finding.detail}", finding.hint)


def said(finding: Finding) -> str:
    """On one line."""
    parts: Iterable[str] = (f"{finding.summary}.", finding.detail, finding.hint.replace("\n", " && "))
    return " ".join(p for p in parts if p)
