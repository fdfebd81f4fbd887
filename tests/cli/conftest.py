"""One healthy link for all modules that look at it, break it or change it, so that it is built once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Cli, make_cli

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """Built by the example's configuration, on a clock fast enough for tests that wait for the clouds."""
    with make_cli(tmp_path_factory.mktemp("shared"), speed=200) as made:
        built = made.cloudlink("up", "--no-verify")
        assert built.code == 0, built.out + built.err
        made.control("POST", "clock", {"advance": 600})
        yield made


@pytest.fixture
def linked(shared: Cli) -> Iterator[Cli]:
    """What a test breaks is repaired after it, its configuration and its faults included."""
    text = shared.config.read_text()
    yield shared
    shared.config.write_text(text)
    shared.control("DELETE", "faults")
    repair(shared)


def repair(place: Cli) -> None:
    done = place.cloudlink("up", "--no-verify")
    assert done.code == 0, done.out + done.err
    # tunnels and routes follow by themselves
    place.control("POST", "clock", {"advance": 600})


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests here share a link and tell its life in order: within a file they stay as they are written."""
    files: dict[Path, int] = {}
    places = [i for i, item in enumerate(items) if HERE in item.path.parents]
    for i in places:
        files.setdefault(items[i].path, i)
    told = sorted((items[i] for i in places), key=lambda item: (files[item.path], item.location[1] or 0))
    for place, item in zip(places, told, strict=True):
        items[place] = item
