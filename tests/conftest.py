"""For all tests: no account of the developer's can be reached, other people's programs are asked only on demand, and
what the sandbox answers is judged by others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudlink_sandbox import transcript
from tests.judges import Judges

HERE = Path(__file__).parent
JUDGES = (HERE / "clients", HERE / "coredns")
# Fixtures that install or build somebody else's program.
HEAVY = {"page", "clients", "program"}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if HEAVY & set(getattr(item, "fixturenames", ())) and any(j in item.path.parents for j in JUDGES):
            item.add_marker(pytest.mark.judges)
    # By hand it takes two minutes: not at the end, where the other worker has nothing left to do.
    items.sort(key=lambda item: item.path.name != "test_link_by_hand.py")


@pytest.fixture(scope="session", autouse=True)
def _no_accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whatever the developer is signed in to stays out of reach."""
    nothing = tmp_path_factory.mktemp("nobody")
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("AWS_", "AZURE_", "ARM_", "KUBECONFIG", "CLOUDLINK_CONFIG")):
                patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", str(nothing / "aws"))
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(nothing / "credentials"))
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AZURE_CONFIG_DIR", str(nothing / "azure"))
        yield


@pytest.fixture(scope="session", autouse=True)
def judges(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judges]:
    """Every sandbox of the tests, in this process and in others, writes down what it was asked and what it answered."""
    path = tmp_path_factory.mktemp("transcript") / "exchanges.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(transcript.VARIABLE, str(path))
        yield Judges(path)


@pytest.fixture(autouse=True)
def _judged(judges: Judges) -> Iterator[None]:
    """A test fails when one of the exchanges that it caused is not as the clouds' own documents say."""
    yield
    if found := judges.found():
        pytest.fail("\n".join(found), pytrace=False)
