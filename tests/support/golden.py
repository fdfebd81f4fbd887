"""Files that hold what is told, word for word. To renew one, delete it, run its test once, and read the new one."""

from __future__ import annotations

from pathlib import Path

import pytest


def compare(text: str, path: Path) -> None:
    """Fails where the file says something else. One that is not there is written, which fails as well: it has to be read."""
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        pytest.fail(f"no golden file {path.name}; it was written: read it, then run again")
    assert text == path.read_text(encoding="utf-8")
