"""The log groups of an account, with what was written to them.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/Working-with-log-groups-and-streams.html
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cloudlink_sandbox.aws.errors import ApiError

MOST_KEPT = 5_000  # entries of a group


@dataclass(frozen=True)
class LogEntry:
    stream: str
    at: int  # milliseconds since the epoch
    message: str


@dataclass
class LogGroup:
    name: str
    arn: str  # without the ":*" that stands for its streams
    made: float
    tags: dict[str, str] = field(default_factory=dict)
    retention: int | None = None  # days; None: for ever
    entries: list[LogEntry] = field(default_factory=list)

    def write(self, entries: Iterable[LogEntry]) -> None:
        """What is there already is not written again."""
        known = set(self.entries)
        self.entries += [e for e in entries if e not in known]
        self.entries.sort(key=lambda e: e.at)
        del self.entries[:-MOST_KEPT]


class LogStore:
    """All log groups of the account, by region and name."""

    def __init__(self, account: str) -> None:
        self.account = account
        self.groups: dict[tuple[str, str], LogGroup] = {}

    def create(self, region: str, name: str, tags: dict[str, str], now: float) -> None:
        """Raises ApiError where there is one of this name."""
        if (region, name) in self.groups:
            raise ApiError("ResourceAlreadyExistsException", "The specified log group already exists")
        arn = f"arn:aws:logs:{region}:{self.account}:log-group:{name}"
        self.groups[region, name] = LogGroup(name, arn, now, dict(tags))

    def find(self, region: str, name: str) -> LogGroup:
        """Raises ApiError ResourceNotFoundException."""
        found = self.groups.get((region, name))
        if found is None:
            raise ApiError("ResourceNotFoundException", "The specified log group does not exist.")
        return found

    def by_arn(self, arn: str) -> LogGroup | None:
        """The ARN may end with ``:*``."""
        wanted = arn.removesuffix(":*")
        return next((g for g in self.groups.values() if g.arn == wanted), None)
