"""A state that several machines share: who may write, who may read, and how a dead run's lock is taken away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudlink import sandbox_client as client
from cloudlink.connect import state_store
from cloudlink.core.object_store import ObjectStore
from cloudlink.core.polling import WallClock
from cloudlink.state import RemoteState
from tests.support.cli import Cli, make_cli

LOCATIONS = ("s3://team-state/demo.json", "azblob://teamstate/links/demo.json")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with make_cli(tmp_path_factory.mktemp("machines"), speed=200) as made:
        yield made


def use(place: Cli, location: str) -> None:
    text = place.config.read_text().partition("\n[state]")[0]
    place.config.write_text(f'{text}\n[state]\nlocation = "{location}"\n')
    assert place.sandbox("start").code == 0


def store(place: Cli) -> ObjectStore:
    running = client.find(place.home)
    assert running is not None
    return state_store(place.link, running.endpoints(), WallClock())


def test_a_file_moves_into_the_store_at_the_first_run(place: Cli) -> None:
    assert place.cloudlink("up", "--no-verify").code == 0
    file = json.loads(place.state.read_text())
    use(place, LOCATIONS[0])
    assert place.cloudlink("status", "--json").json["health"], "who only reads finds the receipts in the file"
    assert place.state.exists()
    moved = place.cloudlink("up", "--no-verify")
    assert moved.code == 0 and "The state is now in s3://team-state/demo.json" in moved.err + moved.out
    assert not place.state.exists()
    assert json.loads(store(place).read() or "")["resources"].keys() == file["resources"].keys()


@pytest.mark.parametrize("location", LOCATIONS)
def test_the_second_machine_waits_and_reads_meanwhile(place: Cli, location: str) -> None:
    use(place, location)
    with RemoteState(store(place), place.link.name, place=place.link.place, command="cloudlink up") as other:
        refused = place.cloudlink("up")
        assert refused.code == 7
        assert "Another run holds this link" in refused.err and "cloudlink unlock" in refused.err
        assert place.cloudlink("teardown").code == 7
        assert place.cloudlink("status", "--json").json["health"]
        assert place.cloudlink("verify-dns", "app", "--json").code != 7
        asked = place.cloudlink("unlock")
        assert asked.code == 9 and "cloudlink unlock --yes" in asked.err
        assert other.held() is not None, "nothing was changed without an answer"
        done = place.cloudlink("unlock", "--yes")
        assert done.code == 0 and "cloudlink up" in done.err + done.out
        assert other.held() is None
    assert place.cloudlink("up", "--no-verify").code == 0
    nobody = place.cloudlink("unlock")
    assert nobody.code == 0 and "Nobody holds the lock" in nobody.err + nobody.out


def test_unlock_of_a_file_speaks_of_the_host_that_holds_it(place: Cli, tmp_path: Path) -> None:
    text = place.config.read_text()
    try:
        place.config.write_text(text.partition("\n[state]")[0])
        lock = place.state.with_name(place.state.name + ".lock")
        holder = {"pid": 1, "host": "elsewhere", "user": "eve", "since": 1.0, "command": "cloudlink up"}
        lock.write_text(json.dumps(holder))
        assert place.cloudlink("up").code == 7
        done = place.cloudlink("unlock", "--yes")
        assert done.code == 0 and "elsewhere" in done.err + done.out
        assert lock.read_text() == ""
        assert place.cloudlink("unlock").code == 0
    finally:
        place.config.write_text(text)


@pytest.mark.parametrize("location", LOCATIONS)
def test_a_teardown_leaves_no_state(place: Cli, location: str) -> None:
    use(place, location)
    assert place.cloudlink("up", "--no-verify").code == 0
    assert place.cloudlink("teardown").code == 0
    assert store(place).read() is None and store(place).held() is None
