"""One sandbox and one signed-in shell for all tests here. They are long: a client takes about a second to start."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from cloudlink_sandbox import client
from tests.clients import install
from tests.clients.shell import ROOT, Bash, Clients, blocks, first_environment


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bash]:
    """The shell of docs/clients.md after its first section: the sandbox runs, az is signed in."""
    install.need("az")  # the shell signs in with it
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
