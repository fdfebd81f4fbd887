"""One sandbox for what pipelines do, built by the example workflow itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import Cli, make_cli

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A sandbox in which nothing is built yet."""
    with make_cli(tmp_path_factory.mktemp("pipeline"), speed=300) as made:
        assert made.sandbox("start").code == 0
        yield made


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file tells the life of one link in order: its tests stay as they are written."""
    files: dict[Path, int] = {}
    places = [i for i, item in enumerate(items) if HERE in item.path.parents]
    for i in places:
        files.setdefault(items[i].path, i)
    told = sorted((items[i] for i in places), key=lambda item: (files[item.path], item.location[1] or 0))
    for place, item in zip(places, told, strict=True):
        items[place] = item
