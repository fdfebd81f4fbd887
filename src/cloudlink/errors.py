"""Every way in which cloudlink can stop, and the exit code of each.

    CloudlinkError
    ├── UsageError            2   the command line cannot be understood
    ├── ConfigError           3   the configuration is wrong; carries every mistake, not just the first
    ├── ObstaclesError        3   what is in the accounts does not allow the plan; carries every obstacle
    ├── CredentialsError      4   not signed in, or signed in without the permission
    │   └── AccessError               the same of several calls at once; carries every obstacle
    ├── CloudError            5   a cloud refused what it was asked
    │   ├── ConflictError         an object of this link exists twice, or exists without our tag
    │   ├── MissingError          something the configuration says exists does not
    │   └── UnreachableError      no answer, or one that cannot be read: the outcome is unknown
    │       ├── NoContactError    not even a connection came about: nothing was asked
    │       └── MalformedError    an answer that has not the documented form
    ├── WaitError             6   gave up waiting; safe to run again
    ├── StateError            7   the state file
    ├── UnhealthyError        8   the link is not healthy
    ├── DeclinedError         9   the user said no, or the plan changed under us
    ├── OutputError           1   what there is to say cannot be written: standard output, or a file that was named
    └── Interrupted         130   Ctrl-C or SIGTERM

A summary has fixed words, so that it can be searched for; what varies is in the detail.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar

from cloudlink.secret import masked


class CloudlinkError(Exception):
    """An expected way to stop: shown as a message, never as a traceback.

    summary: fixed words without user data. detail: full sentences, what is wrong and why it matters.
    hint: a command to type or a thing to do next. resource: address of the resource, if one is concerned.
    request_id: what the cloud's support would ask for.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        summary: str,
        detail: str = "",
        hint: str = "",
        *,
        resource: str = "",
        request_id: str = "",
        code: str = "",
    ) -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = masked(detail)  # it may quote a cloud
        self.hint = hint
        self.resource = resource
        self.request_id = request_id
        self.code = code
        self.findings: tuple[Finding, ...] = ()  # what checks found, each shown with what to do
        self.shown = False  # whether a view has shown it already

    def __str__(self) -> str:
        return f"{self.summary}: {self.detail}" if self.detail else self.summary


class UsageError(CloudlinkError):
    exit_code = 2


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong in a configuration: where, what was found, what is allowed."""

    path: str  # TOML path, such as azure.vpn_gateway.sku
    found: str
    allowed: str
    near_miss: str = ""  # for a misspelt key or value: what was probably meant
    excerpt: str = (
        ""  # of what is no TOML: its line without what is in its value, and below it where it ends to be TOML
    )
    line: int = 0  # of the file, from 1; 0: it stands nowhere in it


class ConfigError(CloudlinkError):
    exit_code = 3

    def __init__(self, mistakes: tuple[Mistake, ...], *, file: str = "", hint: str = "") -> None:
        count = len(mistakes)
        super().__init__(
            "The configuration is not valid",
            f"{count} mistake{'s' if count != 1 else ''} in {file or 'the configuration'}; nothing was changed.",
            hint or "Correct the lines above and run the command again.",
        )
        self.mistakes = mistakes
        self.file = file


class Severity(enum.StrEnum):
    OBSTACLE = "obstacle"  # up would fail, or break something
    WARNING = "warning"  # it may hurt
    NOT_PROVED = "not proved"  # it could not be checked beforehand


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check before the first write found."""

    topic: str  # names, coredns, aks, azure, aws, quotas, permissions, ranges, sign-in, cost
    severity: Severity
    summary: str  # fixed words without user data, so that it can be searched for
    detail: str = ""  # full sentences: what is wrong, with ids and names, and why it matters
    hint: str = ""  # a command to type, or what to set
    resource: str = ""  # address of the resource, if one is concerned
    key: str = ""  # path of the configuration key that fixes it, if one does
    mistake: Mistake | None = None  # where a setting does not fit: what was found and what is allowed
    explains: str = ""  # address of the resource that could not be read because of it
    instead: bool = False  # its hint is to be typed instead of the same command once more

    @property
    def text(self) -> str:
        """Summary and detail as sentences."""
        if not self.detail or not self.summary or self.detail.startswith(self.summary):
            return self.detail or self.summary
        return f"{self.summary}. {self.detail}"


class ObstaclesError(CloudlinkError):
    """What is in the accounts does not allow the plan. Nothing was changed."""

    exit_code = 3

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        count = len(findings)
        again = "Remove what is listed above, then run the same command again."
        super().__init__(
            "The plan cannot be carried out",
            f"{count} obstacle{'s' if count != 1 else ''}; nothing was changed.",
            next((f.hint for f in findings if f.instead), again),
        )
        self.findings = findings


class CredentialsError(CloudlinkError):
    """action: the one that is not allowed, as the cloud names it; empty where that is not known, or the sign-in is missing."""

    exit_code = 4

    def __init__(self, summary: str, detail: str = "", hint: str = "", *, action: str = "", **more: str) -> None:
        """more: as for any other error."""
        super().__init__(summary, detail, hint, **more)
        self.action = action


class AccessError(CredentialsError):
    """A sign-in or a permission is missing, so that not everything could be read. Nothing was changed."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        count = len(findings)
        super().__init__(
            "Access to the accounts is missing",
            f"{count} obstacle{'s' if count != 1 else ''}; nothing was changed.",
            "Do what is listed above, then run the same command again.",
        )
        self.findings = findings


_ACCESS = ("sign-in", "permissions")
_TOPICS = {"aws_vpn": "aws", "azure_vpn": "azure", "resolver": "names", "dns_forward": "coredns"}


def is_denial(error: CloudlinkError) -> bool:
    """Whether access is missing, and not the sign-in: another sign-in as the same user would not help."""
    words = ("ermission", "denies")
    return isinstance(error, CredentialsError) and any(word in error.summary for word in words)


def finding_of(error: CloudlinkError) -> Finding:
    """The error of a read as an obstacle among others."""
    topic = _TOPICS.get(error.resource.partition(".")[0], "aws")
    if isinstance(error, CredentialsError):
        topic = "permissions" if is_denial(error) else "sign-in"
    return Finding(topic, Severity.OBSTACLE, error.summary, error.detail, error.hint, resource=error.resource)


def refusal(findings: tuple[Finding, ...]) -> CloudlinkError | None:
    """The error that carries every obstacle among the findings; None where there is none."""
    obstacles = tuple(f for f in findings if f.severity is Severity.OBSTACLE)
    if not obstacles:
        return None
    return AccessError(obstacles) if any(f.topic in _ACCESS for f in obstacles) else ObstaclesError(obstacles)


class CloudError(CloudlinkError):
    exit_code = 5


class ConflictError(CloudError):
    pass


class MissingError(CloudError):
    pass


class UnreachableError(CloudError):
    pass


class NoContactError(UnreachableError):
    """Not even a connection came about, be it the network, a proxy or a certificate: nothing was asked."""


class LostContactError(NoContactError):
    """A host answers no more while the clouds are only read: all that is under way ends with it. Nothing was being written."""


class MalformedError(UnreachableError):
    """An answer that has not the documented form: nothing was done on the strength of it."""


class WaitError(CloudlinkError):
    """Gave up waiting. The operation may still end well in the cloud; running again picks it up."""

    exit_code = 6


class StateError(CloudlinkError):
    exit_code = 7


class UnhealthyError(CloudlinkError):
    exit_code = 8


class DeclinedError(CloudlinkError):
    exit_code = 9


class OutputError(CloudlinkError):
    """Standard output is closed or its disk is full, so that nothing more can be said there."""

    exit_code = 1


class OutputGone(BrokenPipeError):
    """The program that read our output (head, less), or the terminal, is gone: there is nobody to tell."""


class Interrupted(CloudlinkError):
    exit_code = 130
