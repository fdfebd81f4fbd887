"""The plan as a screen: what would be done, step by step, and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby

from cloudlink.core.plan import Action, Change, Plan
from cloudlink.errors import Severity
from cloudlink.link import Link
from cloudlink.view import words
from cloudlink.view.also_learned import also_learned_lines
from cloudlink.view.text import (
    EMPTY,
    Cell,
    Line,
    Look,
    Span,
    Tone,
    advice,
    fold,
    heading,
    labelled,
    line,
    paragraph,
    table,
)

TONES: dict[Action, Tone] = {
    Action.NO_OP: "dim",
    Action.DEFER: "dim",
    Action.CREATE: "good",
    Action.UPDATE: "warn",
    Action.REPLACE: "warn",
    Action.DELETE: "bad",
    Action.RESTORE: "warn",
}

# Why something is created or deleted, where that word says it already; 25 such lines would hide the others.
_EXPECTED = {Action.CREATE: ("does not exist yet", "details known after"), Action.DELETE: ("cloudlink made it",)}


def question(plan: Plan, link: Link, doing: str, monthly_cost: float | None = 0.0) -> str:
    """What is agreed to with a yes: whose clouds these are, as whom, and what it costs. doing: ``Make these changes to``.

    monthly_cost: of the whole link afterwards, in USD; 0: not said; None: no price is known for one of the clouds.
    """
    where = [f"AWS in {link.aws.region}", f"Azure subscription {link.azure.subscription}"]
    if (told := plan.accounts) is not None:
        if told.aws_account:
            where[0] = f"AWS {told.aws_account} (as {told.aws_principal.rpartition(':')[2] or 'yourself'})"
        named = f'"{told.azure_subscription_name}"' if told.azure_subscription_name else told.azure_subscription
        where[1] = f"Azure {named}" + (f" (as {told.azure_user})" if told.azure_user else "")
    price = f", which then costs {words.monthly(monthly_cost)}" if monthly_cost != 0 else ""
    return f"{doing} the link {link.name} in {where[0]} and {where[1]}{price}?"


def plan_lines(plan: Plan, look: Look, *, link: Link) -> Iterator[Line]:
    yield heading(f"Plan for the link {link.name}")
    yield from paragraph(
        f"AWS: {link.aws.vpc_id} in {link.aws.region}, EKS cluster {link.aws.eks_cluster}", look, 2, "dim"
    )
    several = "clusters" if link.azure.more_clusters else "cluster"
    where = f"{link.azure.vnet} in {link.azure.location}, AKS {several} {link.azure.clusters_said}"
    yield from paragraph(f"Azure: {where}", look, 2, "dim")
    for text in _whose(plan):
        yield from paragraph(text, look, 2, "dim")
    yield EMPTY
    if plan.writes:
        ordered = sorted(plan.changes, key=lambda c: words.step_order(c.step))
        action_width = max(len(words.action_word(c.action)) for c in plan.writes)
        address_width = max(len(c.address) for c in plan.writes)
        for step, group in groupby(ordered, key=lambda c: c.step):
            changes = tuple(group)
            yield heading(words.step_title(step))
            for change in changes:
                if change.action is not Action.NO_OP:
                    yield from _change(change, look, action_width, address_width)
            unchanged = sum(1 for c in changes if c.action is Action.NO_OP)
            if unchanged:
                yield line(Span(f"  {look.action(Action.NO_OP)} {unchanged} unchanged", "dim"))
            used = [a for a in plan.adopted if a.step == step]
            yield from table([["adopted:", a.address, a.title, Span(a.id, "dim")] for a in used], look, indent=2)
            yield EMPTY
        for why in dict.fromkeys(k.why for k in plan.kept):
            yield heading(f"Kept: {why}")
            rows: list[list[Cell]] = [
                [look.action(Action.NO_OP), k.address, k.title, Span(k.id, "dim")] for k in plan.kept if k.why == why
            ]
            yield from table(rows, look, indent=2)
            yield EMPTY
        yield from paragraph(totals(plan), look)
    else:
        yield from paragraph(
            f"Nothing to do: {words.count(len(plan.changes), 'resource')} checked, all match the configuration.",
            look,
        )
    yield from also_learned_lines(plan.also_learned, look, planned=True, note=_others_tables(link))
    warned, unproved = plan.found(Severity.WARNING), plan.found(Severity.NOT_PROVED)
    if plan.warnings or warned or unproved:
        yield EMPTY
    for warning in plan.warnings:
        yield from labelled(look.glyph("warn"), warning, look, 0, tone="warn")
    for finding in (*warned, *unproved):
        label = look.glyph("warn") if finding in warned else f"{look.glyph('waiting')} not proved:"
        yield from labelled(
            label, finding.text.removeprefix("Not proved: "), look, 0, tone="warn" if finding in warned else "dim"
        )
        if finding.hint:
            yield from advice(finding.hint, look, 3)


def _others_tables(link: Link) -> str:
    joined = link.makes_vpn and link.aws.transit and link.aws.adopt_gateway
    return f"Nothing that others have in the route tables of {joined} is changed." if joined else ""


def _whose(plan: Plan) -> Iterator[str]:
    """Whose clouds these are: the wrong profile or subscription is seen before anything is built."""
    if (a := plan.accounts) is None:
        return
    if a.aws_account:
        yield f"AWS account {a.aws_account}, signed in as {a.aws_principal}{_until(a.aws_session_end)}"
    name = (
        f"{a.azure_subscription_name} ({a.azure_subscription})" if a.azure_subscription_name else a.azure_subscription
    )
    words = [f"Azure subscription {name}"]
    words += [f"tenant {a.azure_tenant}"] if a.azure_tenant else []
    words += [f"signed in as {a.azure_user}"] if a.azure_user else []
    yield ", ".join(words) + _until(a.azure_session_end)


def _until(end: float | None) -> str:
    return f", until {datetime.fromtimestamp(end, UTC):%H:%M} UTC" if end else ""


def totals(plan: Plan) -> str:
    """``30 to create, 0 to update, ...``: always the same words in the same order."""
    counts = [f"{plan.count(a)} to {a}" for a in (Action.CREATE, Action.UPDATE, Action.REPLACE, Action.DELETE)]
    if plan.count(Action.RESTORE):
        counts.append(f"{plan.count(Action.RESTORE)} to restore")
    if plan.count(Action.DEFER):
        counts.append(f"{plan.count(Action.DEFER)} known after apply")
    counts.append(f"{plan.count(Action.NO_OP)} unchanged")
    return ", ".join(counts) + "."


def _change(change: Change, look: Look, action_width: int, address_width: int) -> Iterator[Line]:
    mark = f"{look.action(change.action)} {words.action_word(change.action):<{action_width}}"
    indent = 2 + len(mark) + 2
    parts = [Span("  "), Span(mark, TONES[change.action]), Span("  ")]
    if look.narrow:
        yield line(*parts, change.address)
        yield from fold(line(" " * indent, change.title), look.width, indent)
    else:
        hang = indent + address_width + 2
        yield from fold(line(*parts, f"{change.address:<{address_width}}  ", change.title), look.width, hang)
    why = change.why or ("depends on what does not exist yet" if change.action is Action.DEFER else "")
    if why.startswith(_EXPECTED.get(change.action, ())):
        why = ""
    yield from paragraph(why, look, indent, "warn" if change.drift else "dim")
    if change.who:
        yield from labelled("who", change.who, look, indent)
    pad = max((len(f.field) for f in change.fields), default=0)
    for field in change.fields:
        shown = f"{field.old} {look.glyph('arrow')} {field.new}"
        if field.new == field.old:  # both are secret, and AWS is the master of keys
            shown = "Azure takes over the key that AWS has now; this tunnel only"
        yield from labelled(field.field, shown, look, indent, pad)
