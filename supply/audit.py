"""Asks whether anything that is locked has a known weakness, where the advisories can be had."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

SKIPPED = "skipped: the advisories cannot be had from here"


def audit(program: Path, lock: Path) -> tuple[int, str]:
    """Exit code and what to say. program: pip-audit. 1: something locked has a known weakness."""
    try:
        ended = subprocess.run(
            [program, "--requirement", lock, "--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"],
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return 0, f"{SKIPPED} ({error})"
    return judged(ended.stdout, ended.stderr)


def judged(out: str, err: str) -> tuple[int, str]:
    """What pip-audit's answer means. A package that its source does not know was not judged, and is said so."""
    try:
        answer: list[dict[str, Any]] = json.loads(out)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return 0, f"{SKIPPED} ({(err.strip().splitlines() or ['pip-audit said nothing'])[-1][:200]})"
    unjudged = [d["name"] for d in answer if "skip_reason" in d]
    if len(unjudged) == len(answer):
        return 0, f"{SKIPPED} (none of {len(answer)} packages is known there)"
    weak = [(d, v) for d in answer for v in d.get("vulns") or ()]
    lines = [
        f"{d['name']} {d['version']}: {v['id']}, mended in {', '.join(v['fix_versions']) or 'no version yet'}"
        for d, v in weak
    ]
    lines.append(f"packages judged: {len(answer) - len(unjudged)}, known weaknesses: {len(weak)}")
    if unjudged:
        lines.append(f"not judged: {', '.join(unjudged)}")
    return (1 if weak else 0), "\n".join(lines)
