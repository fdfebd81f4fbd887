"""What is kept for a report."""

from __future__ import annotations

import json
from pathlib import Path

from cloudlink.state.history import MOST_LOOKS, History, history_path
from tests.support.report_samples import kept
from tests.view.view_samples import DEGRADED


def a_look() -> dict[str, object]:
    return dict(kept(DEGRADED)["status"]["report"])


def test_nothing_then_looks_then_the_newest_of_many(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    path = history_path(tmp_path, "demo")
    history = History(path, "demo")
    assert history.read()["status"] is None
    for number in range(MOST_LOOKS + 3):
        history.add_status(f"at {number}", a_look(), [])
    history.add_dns("later", {"names": []})
    found = history.read()
    assert len(found["history"]) == MOST_LOOKS and found["history"][-1]["at"] == f"at {MOST_LOOKS + 2}"
    assert found["history"][-1]["up"] == 3 and found["history"][-1]["of"] == 4
    assert found["status"]["at"] == f"at {MOST_LOOKS + 2}" and found["dns"]["at"] == "later"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_what_is_damaged_or_of_another_link_is_begun_again(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    path = history_path(tmp_path, "demo")
    whole = {"format": 1, "link": "demo", "status": {"at": "x", "report": {}}, "dns": None, "history": []}
    damaged = ({"link": "other"}, {"status": {"at": "x"}}, {"status": 5}, {"dns": []}, {"history": {}})
    for text in ("", "{", "[]", '{"format": 2}', *(json.dumps({**whole, **part}) for part in damaged)):
        path.write_text(text)
        assert History(path, "demo").read()["status"] is None
    path.write_text(json.dumps(whole))
    assert History(path, "demo").read() == whole
    path.write_text(json.dumps({**whole, "history": 5}))
    History(path, "demo").add_status("now", a_look(), [])
    assert History(path, "demo").read()["status"]["at"] == "now"


def test_where_it_cannot_be_kept_nothing_is_written_and_nothing_stops(tmp_path: Path) -> None:
    missing = tmp_path / "none"
    History(history_path(missing, "demo"), "demo").add_status("now", a_look(), [])
    assert not missing.exists()
    there = tmp_path / "there"
    there.mkdir(mode=0o700)
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text("mine")
    path = history_path(there, "demo")
    path.symlink_to(elsewhere)
    History(path, "demo").add_status("now", a_look(), [])
    assert elsewhere.read_text() == "mine"
