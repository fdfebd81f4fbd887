"""After a teardown: what was done, and whether either cloud still holds something that carries our tags."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from cloudlink.checks.report import Left, TeardownReport
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.ownership import owner_of
from cloudlink.core.plan import Action, Plan
from cloudlink.link import Link

Row = tuple[str, str, str]


def report(link: Link, aws: Aws, azure: Azure, plan: Plan, left: tuple[Left, ...] = ()) -> TeardownReport:
    """plan: the removal that was carried out. left: what was kept although it may be ours. Raises the SDKs' errors."""
    deleted: list[Row] = []
    restored: list[Row] = []
    for change in plan.changes:
        row = (change.address, change.title, change.id)
        if change.action is Action.DELETE:
            deleted.append(row)
        elif change.action is Action.RESTORE:
            restored.append(row)
    kept = tuple((k.address, k.title, k.id) for k in plan.kept)
    ids = {k.id.lower() for k in plan.kept}
    over = tuple(row for row in leftovers(link, aws, azure) if row[0].lower() not in ids)
    return TeardownReport(link.name, tuple(deleted), tuple(restored), kept, over, left)


def leftovers(link: Link, aws: Aws, azure: Azure) -> Iterable[Row]:
    """Objects that say they belong to this link. What is being deleted, or is listed as deleted, does not count."""
    for id_, kind in aws.tagged(owner_of(link)):
        yield (
            id_,
            kind,
            f"aws resourcegroupstaggingapi get-resources --tag-filters Key=cloudlink-link,Values={link.name}",
        )
    for item in azure.resources_by_tag():
        yield item.id, item.type, f"az resource show --ids {shlex.quote(item.id)}"
