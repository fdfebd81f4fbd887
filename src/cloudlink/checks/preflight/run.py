"""What must hold before the first write: every obstacle is found at once, by reads alone.

Each would otherwise end an ``up`` half an hour in, or leave a link that is up and carries nothing. What the clouds
would refuse, or what would swallow the traffic, is an obstacle; what only may become a problem is a warning. Topics are
read in parallel, and one that cannot be read hides no other: what it would have found is then not proved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

from cloudlink.checks.preflight import aks, aws, azure, coredns, cost, names, permissions, quotas, ranges, signin
from cloudlink.checks.preflight.context import Context, Topic
from cloudlink.clouds.malformed import parsing
from cloudlink.errors import (
    CloudError,
    CloudlinkError,
    ConflictError,
    CredentialsError,
    Finding,
    Severity,
    UnreachableError,
    finding_of,
    is_denial,
    refusal,
)

TOPICS: tuple[tuple[str, Topic], ...] = (
    ("ranges", ranges.find),
    ("aws", aws.find),
    ("azure", azure.find),
    ("aks", aks.find),
    ("names", names.find),
    ("coredns", coredns.find),
    ("coredns", coredns.find_local_dns),
    ("quotas", quotas.find),
    ("permissions", permissions.find),
    ("sign-in", signin.find),
    ("cost", cost.find),
)
"""Each topic's name, and what reads its facts and judges them."""

WITHOUT_WRITES: tuple[tuple[str, Topic], ...] = (("azure", azure.find_standing),)
BEFORE_REMOVAL: tuple[tuple[str, Topic], ...] = (("azure", azure.find_locked),)

PARSE_THEMSELVES = frozenset({"names", "coredns"})  # what they parse may have any form

Guard = Callable[[str, Callable[[], Any]], Any]  # runs a read: tries again what may pass, translates the rest


def check(
    context: Context,
    guard: Guard,
    topics: Iterable[tuple[str, Topic]] = TOPICS,
) -> tuple[Finding, ...]:
    """All findings: the reads of the plan that failed, and those of every topic.

    Raises the error itself where access is missing for a read of the plan, or where all that failed is that a cloud
    does not answer; and what is neither an obstacle in the clouds nor missing access.
    """
    known = _distinct(context.failed.values())
    for error in known:
        if not isinstance(error, CloudError | CredentialsError):
            raise error
    found = [f for e in known for f in (e.findings or (finding_of(e),))]
    reads = len(found)
    found += _of_topics(context, known, guard, tuple(topics))
    if any(isinstance(e, CredentialsError) for e in known):
        raised = refusal(tuple(found))
        assert raised is not None
        # one alone says it better itself, with its code and request id
        raise known[0] if len([f for f in found if f.severity is Severity.OBSTACLE]) == 1 else raised
    others = [f for f in found[reads:] if f.severity is Severity.OBSTACLE]
    if known and not others and all(isinstance(e, UnreachableError) for e in known):
        raise known[0]
    return tuple(found)


def _distinct(errors: Iterable[CloudlinkError]) -> list[CloudlinkError]:
    """Each cause once; whose an object is comes first, for else the rest may be said of somebody else's link."""
    once: dict[tuple[str, str], CloudlinkError] = {}
    for error in sorted(errors, key=lambda e: not isinstance(e, ConflictError)):
        cause = error.summary if isinstance(error, UnreachableError) else error.detail
        if isinstance(error, CredentialsError) and not is_denial(error):
            cause = ""  # an expired sign-in is one cause, whatever call found it
        once.setdefault((error.summary, cause), error)
    return list(once.values())


def _of_topics(
    context: Context, known: Iterable[CloudlinkError], guard: Guard, topics: tuple[tuple[str, Topic], ...]
) -> Iterator[Finding]:
    told = {(e.summary, e.detail) for e in known} | {(e.summary, "") for e in known if isinstance(e, UnreachableError)}
    with ThreadPoolExecutor(max(len(topics), 1), thread_name_prefix="preflight") as pool:
        reads = [(name, pool.submit(_run, name, topic, context, guard)) for name, topic in topics]
    for name, read in reads:
        try:
            yield from (f for f in read.result() if (f.summary, f.detail) not in told)
        except CloudlinkError as error:
            if (error.summary, error.detail) not in told and (error.summary, "") not in told:
                yield _not_proved(name, error)


def _run(name: str, topic: Topic, context: Context, guard: Guard) -> list[Finding]:
    def read() -> list[Finding]:
        with parsing("the clouds' answers") if name in PARSE_THEMSELVES else nullcontext():
            return list(topic(context))

    found: list[Finding] = guard(f"preflight.{name}", read)
    return found


def _not_proved(topic: str, error: CloudlinkError) -> Finding:
    return Finding(
        topic,
        Severity.NOT_PROVED,
        "A check could not be made",
        f"What may be in the way ({topic}) could not be read: {error}",
        error.hint,
    )
