"""The plan as a screen: what would be done, step by step, and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby

from cloudlink.core.plan import Action, Change, Plan
from cloudlink.errors import Severity
from cloudlink.link import Link
from cloudlink.view import words
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


def plan_lines(plan: Plan, look: Look, *, link: Link) -> Iterator[Line]:
    yield heading(f"Plan for the link {link.name}")
    yield from paragraph(
        f"AWS: {link.aws.vpc_id} in {link.aws.region}, EKS cluster {link.aws.eks_cluster}", look, 2, "dim"
    )
    yield from paragraph(
        f"Azure: {link.azure.vnet} in {link.azure.location}, AKS cluster {link.azure.aks_cluster}", look, 2, "dim"
    )
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
            yield EMPTY
        if plan.kept:
            yield heading("Kept: cloudlink did not make it")
            rows: list[list[Cell]] = [
                [look.action(Action.NO_OP), k.address, k.title, Span(k.id, "dim")] for k in plan.kept
            ]
            yield from table(rows, look, indent=2)
            yield EMPTY
        yield from paragraph(totals(plan), look)
    else:
        yield from paragraph(
            f"Nothing to do: {words.count(len(plan.changes), 'resource')} checked, all match the configuration.",
            look,
        )
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


def _whose(plan: Plan) -> Iterator[str]:
    """Whose clouds these are: the wrong profile or subscription is seen before anything is built."""
    if (a := plan.accounts) is None:
        return
    if a.aws_account:
        ends = f", until {datetime.fromtimestamp(a.aws_session_end, UTC):%H:%M} UTC" if a.aws_session_end else ""
        yield f"AWS account {a.aws_account}, signed in as {a.aws_principal}{ends}"
    name = (
        f"{a.azure_subscription_name} ({a.azure_subscription})" if a.azure_subscription_name else a.azure_subscription
    )
    words = [f"Azure subscription {name}"]
    words += [f"tenant {a.azure_tenant}"] if a.azure_tenant else []
    words += [f"signed in as {a.azure_user}"] if a.azure_user else []
    yield ", ".join(words)


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
    pad = max((len(f.field) for f in change.fields), default=0)
    for field in change.fields:
        new = field.new if field.new != field.old else "another one"  # both are secret
        shown = f"{field.old} {look.glyph('arrow')} {new}"
        yield from labelled(field.field, shown, look, indent, pad)
