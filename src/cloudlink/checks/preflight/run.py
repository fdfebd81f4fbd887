"""What must hold before the first write: every obstacle is found at once, by reads alone.

Each would otherwise end an ``up`` half an hour in, or leave a link that is up and carries nothing. What the clouds
would refuse, or what would drop the traffic, is an obstacle; what only may become a problem is a warning. Topics are
read in parallel, and one that cannot be read hides no other: what it would have found is then not proved. Only a read that
no up can do without, and that the caller may not make, is an obstacle: it is said with all that is missing beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from cloudlink.checks.preflight import azure, existing
from cloudlink.checks.preflight.context import Context, OnCluster, Topic
from cloudlink.clouds.kube.errors import NoCluster
from cloudlink.errors import (
    CloudError,
    CloudlinkError,
    ConflictError,
    CredentialsError,
    Finding,
    LostContactError,
    Severity,
    UnreachableError,
    finding_of,
    is_denial,
    refusal,
)
from cloudlink.link import Link

WITHOUT_WRITES: tuple[tuple[str, Topic], ...] = (("azure", azure.find_standing),)
EXISTING_WITHOUT_WRITES: tuple[tuple[str, Topic], ...] = (("path", existing.find_standing),)
BEFORE_REMOVAL: tuple[tuple[str, Topic], ...] = (("azure", azure.find_locked),)

_CLUSTER = "azure_vpn.cluster"

Guard = Callable[[str, Callable[[], Any]], Any]  # runs a read: tries again what may pass, translates the rest


def topics_of(link: Link, *, writes: bool) -> tuple[tuple[str, Topic], ...]:
    """writes: the plan writes something, or could not be made whole. A run with nothing to do does not load what else there is."""
    if writes:
        from cloudlink.checks.preflight import topics

        found = topics.before_writes(link)
    else:
        found = WITHOUT_WRITES if link.makes_vpn else EXISTING_WITHOUT_WRITES
    if not link.azure.more_clusters:
        return found
    from cloudlink.checks.preflight import clusters

    return tuple(clusters.on_each(found, link))


def check(
    context: Context,
    guard: Guard,
    topics: Iterable[tuple[str, Topic]],
) -> tuple[Finding, ...]:
    """All findings: the reads of the plan that failed, and those of every topic.

    Raises the error itself where access is missing for a read of the plan, or where all that failed is that a cloud
    does not answer; and what is neither an obstacle in the clouds nor missing access.
    """
    known = _distinct(context.failed.values())
    for error in known:
        if not isinstance(error, CloudError | CredentialsError):
            raise error
    denied = {e.action for e in known if isinstance(e, CredentialsError) and is_denial(e)} - {""}
    of_topics = list(_of_topics(context, known, guard, tuple(topics), denied))
    explained = {context.failed[f.explains].summary for f in of_topics if f.explains in context.failed}
    told = [e for e in known if not (isinstance(e, UnreachableError) and e.summary in explained)]
    found = [f for e in told for f in (e.findings or (finding_of(e),))]
    found += of_topics
    if denied:
        found += _denied_beside(context, guard, denied)
    if any(isinstance(e, CredentialsError) for e in known):
        raised = refusal(tuple(found))
        assert raised is not None
        # one alone says it better itself, with its code and request id
        raise known[0] if len([f for f in found if f.severity is Severity.OBSTACLE]) == 1 else raised
    others = [f for f in of_topics if f.severity is Severity.OBSTACLE]
    if known and not others and all(isinstance(e, UnreachableError) for e in known):
        raise known[0]
    return tuple(found)


def _denied_beside(context: Context, guard: Guard, denied: Iterable[str]) -> tuple[Finding, ...]:
    """What else may not be read. Where that cannot be asked, what is known is told without it."""
    from cloudlink.checks.preflight import denied_reads

    try:
        return tuple(guard("preflight.permissions", lambda: list(denied_reads.others(context, denied))))
    except CloudlinkError:
        return ()


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
    context: Context,
    known: Iterable[CloudlinkError],
    guard: Guard,
    topics: tuple[tuple[str, Topic], ...],
    denied: set[str],
) -> Iterator[Finding]:
    """denied: the actions that may not be done, to which those are added that a topic finds."""
    told = {(e.summary, e.detail) for e in known} | {(e.summary, "") for e in known if isinstance(e, UnreachableError)}
    with ThreadPoolExecutor(max(len(topics), 1), thread_name_prefix="preflight") as pool:
        reads = [(name, topic, pool.submit(_run, name, topic, context, guard)) for name, topic in topics]
    said: set[tuple[str, str]] = set()
    for name, topic, read in reads:
        on = topic if isinstance(topic, OnCluster) else None
        try:
            found = [f for f in read.result() if (f.summary, f.detail) not in told]
            if on is not None and on.alike:
                found = [f for f in found if (f.summary, f.detail) not in said]
            said |= {(f.summary, f.detail) for f in found}
            yield from (on.said(f, _kubectl(context, on)) for f in found) if on is not None else found
        except LostContactError:
            raise
        except CloudlinkError as error:
            if isinstance(error, NoCluster) and any(a.startswith(_CLUSTER) for a in context.failed):
                continue  # that it is not there is said by the plan's own read
            if (error.summary, error.detail) in told or (error.summary, "") in told:
                continue
            from cloudlink.checks.preflight import denied_reads

            if isinstance(error, CredentialsError) and denied_reads.stops(error, context):
                denied.add(error.action)
                told.add((error.summary, error.detail))
                yield replace(finding_of(error), resource="")  # the topic read it, and no resource
            else:
                yield _not_proved(f"{name} on {on.label}" if on is not None else name, error)


def _kubectl(context: Context, on: OnCluster) -> str:
    at = context.clusters.get(on.label)
    return at.aks.context if at is not None and at.aks is not None else ""


def _run(name: str, topic: Topic, context: Context, guard: Guard) -> list[Finding]:
    def read() -> list[Finding]:
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
