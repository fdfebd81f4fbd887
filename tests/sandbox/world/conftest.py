from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.world.harness import Harness, make_harness


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    with make_harness(tmp_path_factory.mktemp("harness")) as harness:
        yield harness


@pytest.fixture
def harness(built: Harness) -> Harness:
    """As it was built, whatever the test before has done to it."""
    assert built.sandbox.load()
    return built
