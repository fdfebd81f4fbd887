"""What a check before the first write may ask, and how the older checks' words become findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.kube.client import Kube
from cloudlink.core.plan import Action, Plan
from cloudlink.errors import CloudlinkError, Finding, Mistake, Severity
from cloudlink.link import Link


@dataclass(frozen=True)
class Context:
    """The link, the plan and both clouds. Reads of the clients are cached: a topic asks for what it needs."""

    link: Link
    plan: Plan
    aws: Aws
    azure: Azure
    aks: Kube
    eks: Kube
    failed: Mapping[str, CloudlinkError] = field(default_factory=dict)  # reads of the plan that failed, by address

    @property
    def creates(self) -> bool:
        return any(c.action in (Action.CREATE, Action.REPLACE) for c in self.plan.changes)

    def writes(self, step: str) -> bool:
        """Whether the plan writes in this step; an address such as ``resolver.zone`` names one resource."""
        return any(c.address.startswith(step) for c in self.plan.writes)


Topic = Callable[[Context], Iterable[Finding]]


def of_mistakes(topic: str, mistakes: Iterable[Mistake]) -> Iterator[Finding]:
    """A setting that does not fit what is there: the screen shows what was found and what is allowed."""
    for m in mistakes:
        yield Finding(
            topic,
            Severity.OBSTACLE,
            "The configuration does not fit what is in the clouds",
            f"{m.path} is {m.found}; allowed: {m.allowed}.",
            f"Change {m.path} in the configuration, or what is in the cloud.",
            key=m.path,
            mistake=m,
        )


def of_warnings(topic: str, texts: Iterable[str]) -> Iterator[Finding]:
    for text in texts:
        yield Finding(topic, Severity.WARNING, "", text)
