"""Whether the sandbox of a folder runs, for whoever asked the real clouds and meant it."""

from __future__ import annotations

import shlex
from pathlib import Path

from cloudlink.errors import CloudlinkError
from cloudlink.session.locations import sandbox_place


def hint(command: str, config: Path | None) -> str:
    """A sentence with the line that shows the sandbox's link; empty where no sandbox runs here. It raises nothing."""
    from cloudlink import sandbox_client

    try:
        place = sandbox_place(config)
        # most folders have none: then nothing has to be loaded to look for it
        if not any(place.home.glob("*.json")) or sandbox_client.find(place.home) is None:
            return ""
    except (CloudlinkError, OSError):
        return ""
    given = f" --config {shlex.quote(str(config))}" if config is not None else ""
    return f"A sandbox of this folder is running. Its link is shown by: cloudlink {command} --sandbox{given}"
