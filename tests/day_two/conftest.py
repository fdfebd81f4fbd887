"""One link for all tests of the second day, put back before each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloudlink.config import load
from tests.support.built_link import BuiltLink
from tests.support.cli import EXAMPLE


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuiltLink]:
    made = BuiltLink(load(EXAMPLE, sandbox=True), tmp_path_factory.mktemp("built"))
    yield made
    made.stop()


@pytest.fixture
def place(built: BuiltLink) -> BuiltLink:
    built.back()
    return built
