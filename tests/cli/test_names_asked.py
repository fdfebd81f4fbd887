"""What status and up say of names: records are read, and whether names work is known only since a pod asked them."""

from __future__ import annotations

from pathlib import Path

from cloudlink.state import history_path
from tests.support.cli import Cli
from tests.support.manual_edits import ManualEdits


def history(place: Cli) -> Path:
    return history_path(place.home, place.link.name)


def screen(place: Cli, *arguments: str) -> str:
    done = place.cloudlink(*arguments)
    return " ".join((done.out + done.err).split())


def test_status_says_what_it_has_read_and_when_names_were_proved(linked: Cli) -> None:
    history(linked).unlink(missing_ok=True)
    said = screen(linked, "status")
    assert "5 records" in said and "5 names" not in said, said
    assert "Whether names work is not known here: no pod has been asked yet." in said
    assert linked.cloudlink("status", "--json").json["names_asked"] is None

    assert linked.cloudlink("verify-dns").code == 0
    linked.control("POST", "clock", {"advance": 7200})
    assert "5 of 5 names resolved and reached from a pod 2h0" in screen(linked, "status")
    kept = linked.cloudlink("status", "--json").json["names_asked"]
    assert (kept["good"], kept["asked"], kept["wrong"]) == (5, 5, []) and kept["asked_at"].endswith("Z")


def test_names_that_failed_are_named_until_they_are_asked_again(linked: Cli) -> None:
    ManualEdits(linked).remove_records("sentry.prod.corp.example.", "\\052.prod.corp.example.")
    linked.control("POST", "clock", {"advance": 90})
    assert linked.cloudlink("verify-dns").code == 8
    assert "names resolved and reached from a pod" in screen(linked, "status")
    assert "not sentry.prod.corp.example" in screen(linked, "status")


def test_what_another_version_kept_is_passed_over(linked: Cli) -> None:
    kept = history(linked)
    assert linked.cloudlink("status").code == 0
    text = kept.read_text()
    kept.write_text(
        '{"format": 1, "link": "demo", "status": null, "history": [], "dns": {"at": "soon", "report": {"names": [{}]}}}'
    )
    try:
        assert "Whether names work is not known here" in screen(linked, "status")
    finally:
        kept.write_text(text)


def test_an_up_that_has_proved_everything_names_what_to_type_next(linked: Cli) -> None:
    ManualEdits(linked).remove_records("sentry.prod.corp.example.")
    linked.control("POST", "clock", {"advance": 90})
    done = linked.cloudlink("up", "--yes")
    assert done.code == 0, done.out + done.err
    *_, command, effect = done.out.splitlines()
    assert command.split() == ["next", "cloudlink", "status", "--sandbox"], done.out
    assert effect.strip().startswith("changes nothing")
