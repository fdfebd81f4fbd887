"""Everything that must hold, as one list: before a link exists what a build needs, afterwards the link's health."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from cloudlink.checks.report import Check, Health, Outcome, StatusReport
from cloudlink.core.plan import Plan
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link


@dataclass(frozen=True)
class DoctorReport:
    link: str
    exists: bool | None  # whether cloudlink has made anything of it; None: neither the state nor a cloud says it
    checks: tuple[Check, ...]

    def count(self, *outcomes: Outcome) -> int:
        return sum(check.outcome in outcomes for check in self.checks)


NOTHING_UNREAD: Mapping[str, str] = MappingProxyType({})

_TITLES = {
    "configuration": "The configuration is valid",
    "sign-in": "Both clouds are signed in to, for long enough",
    "permissions": "Every permission that is needed is there",
    "ranges": "Address ranges do not collide",
    "aws": "AWS's side is as the link needs it",
    "transit gateway": "The transit gateway can carry the link",
    "network ACLs": "No network ACL drops what is to be carried",
    "prefix lists": "No prefix list leads packets for the VNet elsewhere",
    "security groups": "No security group in Azure drops what is to be carried",
    "network managers": "No security admin rule of Azure drops what is to be carried",
    "azure": "Azure's side is as the link needs it",
    "path": "The networks are joined, there and back",
    "aks": "The AKS cluster can be used",
    "names": "The zone and its names are free",
    "coredns": "CoreDNS can take the zone",
    "quotas": "Quotas have room",
    "cost": "Cost",
    "differences": "Everything is as configured",
}
_OUTCOMES = {
    Severity.OBSTACLE: Outcome.FAILED,
    Severity.WARNING: Outcome.WARNING,
    Severity.NOT_PROVED: Outcome.UNSEEN,
}


def report(
    link: Link,
    topics: Iterable[str],
    findings: Sequence[Finding],
    plan: Plan | None,
    status: StatusReport | None,
    *,
    noted: bool = False,
    unread: Mapping[str, str] = NOTHING_UNREAD,
) -> DoctorReport:
    """noted: the state says that cloudlink has made something. unread: topic -> why part of what it looks at could not be read.
    topics: those that were checked before a write. plan: None where the clouds could not be read. status: of a link
    that exists."""
    exists = status.health is not Health.ABSENT if status is not None else True if noted else None
    number = len(link.dns.all_hosts)
    checks = [_passed("configuration", f"{number} {'name' if number == 1 else 'names'} in {link.dns.zones_said}")]
    if plan is not None:
        topics = ("sign-in", *topics)
    for topic in dict.fromkeys([*topics, *(f.topic for f in findings)]):
        found = [f for f in findings if f.topic == topic]
        checks += [_check(f) for f in found]
        if topic in unread:
            checks.append(Check(topic, _TITLES.get(topic, topic), Outcome.UNSEEN, unread[topic]))
        elif not found and (topic != "coredns" or link.dns.forward == "coredns"):
            checks.append(_passed(topic, _signed_in(plan) if topic == "sign-in" else ""))
    if exists and status is not None:
        checks += [c for c in status.checks if c.outcome is not Outcome.SKIPPED]
        checks += _differences(status)
    return DoctorReport(link.name, exists, tuple(checks))


def _passed(topic: str, detail: str = "") -> Check:
    return Check(topic, _TITLES.get(topic, topic), Outcome.PASSED, detail)


def _check(finding: Finding) -> Check:
    # what it costs is said of every link, and is nothing to mend
    outcome = Outcome.PASSED if finding.topic == "cost" and not finding.hint else _OUTCOMES[finding.severity]
    title = _TITLES.get(finding.topic, finding.topic) if outcome is Outcome.PASSED else finding.summary
    if outcome is Outcome.PASSED or not finding.summary:
        return Check(finding.topic, title or _TITLES.get(finding.topic, finding.topic), outcome, finding.text)
    return Check(finding.topic, title, outcome, finding.detail, finding.hint)


def _signed_in(plan: Plan | None) -> str:
    a = plan.accounts if plan is not None else None
    if a is None:
        return ""
    parts = [f"AWS {a.aws_account} as {a.aws_principal}"] if a.aws_account else []
    name = a.azure_subscription_name or a.azure_subscription
    parts.append(f"Azure {name}" + (f" as {a.azure_user}" if a.azure_user else ""))
    return ", ".join(parts)


def _differences(status: StatusReport) -> Iterator[Check]:
    if not status.drift:
        yield _passed("differences")
        return
    said = "; ".join(f"{d.address}: {d.what}" for d in status.drift)
    yield Check("differences", "Something is not as configured", Outcome.FAILED, said, "cloudlink up")
