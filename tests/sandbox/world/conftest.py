from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.world.ground import Ground, make_ground


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with make_ground(tmp_path_factory.mktemp("ground")) as ground:
        yield ground


@pytest.fixture
def ground(built: Ground) -> Ground:
    """As it was built, whatever the test before has done to it."""
    assert built.sandbox.load()
    return built
