"""The plan in Markdown, as a pull request or a build's summary shows it.

What clouds and configuration say is text there, never markup: no link, no image, no mention of a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from cloudlink.core.plan import Action, Change, Plan
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link
from cloudlink.view import words
from cloudlink.view.also_learned import SIDES, TITLE
from cloudlink.view.plan import totals

_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$-])")
_WORD_JOINER = "\u2060"  # keeps GitHub and GitLab from finding a person's name behind an at-sign


def plan_markdown(plan: Plan, *, link: Link) -> str:
    return "\n".join(_lines(plan, link)) + "\n"


def _lines(plan: Plan, link: Link) -> Iterator[str]:
    yield f"### cloudlink plan: {code(link.name)}"
    yield ""
    obstacles = plan.found(Severity.OBSTACLE)
    if obstacles:
        yield f"**{words.count(len(obstacles), 'obstacle')}: up would refuse this plan.**"
        yield ""
    if plan.writes:
        yield f"**{totals(plan)}**"
    else:
        yield f"**Nothing to do:** {words.count(len(plan.changes), 'resource')} checked, all match the configuration."
    yield ""
    yield from _accounts(plan, link)
    if plan.writes:
        yield ""
        yield "| | Resource | | Why |"
        yield "|---|---|---|---|"
        for change in sorted(plan.writes, key=lambda c: words.step_order(c.step)):
            yield _row(change)
    if plan.also_learned:
        yield ""
        yield f"**{TITLE}**"
        yield ""
        for a in plan.also_learned:
            limit = f" {text(a.limit)}" if a.limit else ""
            yield f"* {SIDES[a.side]} will learn {code(a.range)}: {text(a.owner)}.{limit}"
    for title, found in (
        ("Obstacles", obstacles),
        ("Warnings", plan.found(Severity.WARNING)),
        ("Not proved", plan.found(Severity.NOT_PROVED)),
    ):
        texts = [*(plan.warnings if title == "Warnings" else ()), *(_finding(f) for f in found)]
        if texts:
            yield ""
            yield f"**{title}**"
            yield ""
            yield from (f"* {text(t) if isinstance(t, str) else t[0]}" for t in texts)


def _accounts(plan: Plan, link: Link) -> Iterator[str]:
    a = plan.accounts
    aws = [f"AWS {code(a.aws_account)}" if a and a.aws_account else "AWS", code(link.aws.vpc_id), code(link.aws.region)]
    name = a.azure_subscription_name if a and a.azure_subscription_name else link.azure.subscription
    yield f"{' '.join(aws)} · Azure {code(name)} {code(link.azure.vnet)} {code(link.azure.location)}"


def _row(change: Change) -> str:
    arrow = words.glyph("arrow", unicode=True)
    fields = [
        f"{code(f.field)}: {code(f.old)} {arrow} {code(f.new) if f.new != f.old else 'another one'}"
        for f in change.fields
    ]
    why = "<br>".join([*([text(change.why)] if change.why and change.action is not Action.CREATE else []), *fields])
    glyph = code(f"{change.action.glyph} {words.action_word(change.action)}")
    return f"| {glyph} | {code(change.address)} | {text(change.title)} | {why} |"


def _finding(finding: Finding) -> tuple[str]:
    hint = finding.hint
    return (text(finding.text) + (f" {code(hint)}" if hint and "\n" not in hint else f" {text(hint)}" if hint else ""),)


def text(said: str) -> str:
    """Text from a cloud or the configuration, escaped, on one line."""
    plain = " ".join(words.visible(part) for part in said.split())
    return _MARKUP.sub(r"\\\1", plain).replace("@", f"@{_WORD_JOINER}")


def code(said: str) -> str:
    """A name or a value. A table's column ends at a bar even within code."""
    plain = " ".join(words.visible(part) for part in said.split()).replace("`", "'").replace("|", "\u2223")
    return f"`{plain or ' '}`"
