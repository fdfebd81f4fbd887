"""Before names go over what somebody else has joined: whether both clouds have a way there and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cloudlink.checks import path, path_reads
from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.errors import error_policy
from cloudlink.errors import Finding, Severity


def find(context: Context) -> Iterator[Finding]:
    link = context.link
    facts = path_reads.read(link, context.aws, context.azure, error_policy(link).translate)
    yield from path.diagnose(facts, link).findings


def find_standing(context: Context) -> Iterator[Finding]:
    """Where nothing is to be written, nothing can be in its way."""
    for found in find(context):
        yield replace(found, severity=Severity.WARNING) if found.severity is Severity.OBSTACLE else found
