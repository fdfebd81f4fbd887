"""One sandbox and one signed-in shell for all tests here. They are long: a client takes about a second to start."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudlink.sandbox import client
from tests.clients import install
from tests.clients.shell import ROOT, Bash, Clients, blocks, first_environment

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents and "page" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Bash]:
    """The shell of docs/clients.md after its first section: the sandbox runs, az is signed in."""
    wanted = [(pytestconfig.invocation_params.dir / a.split("::")[0]).resolve() for a in pytestconfig.args]
    if not all(path == HERE or HERE in path.parents for path in wanted):
        pytest.skip("minutes long, and run by itself: python -m pytest -n 2 --dist loadfile tests/clients")
    if absent := install.missing():
        pytest.skip(f"{', '.join(absent)} not installed: python tests/clients/install.py")
    folder = tmp_path_factory.mktemp("clients")
    shutil.copy(ROOT / "config.example.toml", folder / "config.toml")
    (folder / "home").mkdir()
    bash = Bash(folder, first_environment(install.folder() / "bin", folder))
    try:
        for block in blocks("Turn a shell to the sandbox"):
            bash.run(block)
        yield bash
    finally:
        bash.close()
        client.stop(folder / ".cloudlink" / "sandbox" / "demo")


@pytest.fixture(scope="session")
def clients(page: Bash) -> Clients:
    return Clients(page.folder, page.variables())
