"""For all tests: no account of the developer's can be reached, other people's programs are asked only on demand, and
what the sandbox answers is checked against the vendors' own documents."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from reliability.sdk_once import made_once

from cloudlink_sandbox import transcript
from tests.conformance import ConformanceChecks

HERE = Path(__file__).parent
CONFORMANCE = (HERE / "clients", HERE / "coredns")
# Files that take longest come first, longest first: at the end of a run, one of them would be waited for alone.
LONGEST = (
    "clients/test_link_by_hand.py",
    "reliability/test_guards.py",
    "cli/test_pause.py",
    "cli/test_variants_drift.py",
    "cli/test_interrupted.py",
    "steps/test_vnet_forward.py",
    "pipelines/test_pipelines.py",
    "steps/test_adopted_azure_gateway.py",
    "sandbox/kube/test_every_property.py",
    "cli/test_preflight.py",
    "steps/test_existing_link.py",
    "cli/test_two_machines.py",
    "day_two/test_logs.py",
    "day_two/test_interrupted.py",
    "cli/test_variants_transit.py",
    "cli/test_same_name.py",
    "cli/test_azure_accounts.py",
    "cli/test_main_job.py",
    "cli/test_pages.py",
    "cli/test_permissions_of_a_pause.py",
    "cli/test_variants_changes.py",
    "cli/test_variants_sandbox.py",
    "cli/test_variants_names.py",
    "steps/test_transit_gateway.py",
    "checks/test_probe.py",
    "cli/test_variants_adopted_azure.py",
    "cli/test_who.py",
    "day_two/test_rotation.py",
)
# Fixtures that install or build somebody else's program.
HEAVY = {"page", "clients", "program"}


def pytest_configure(config: pytest.Config) -> None:
    """hypothesis calls a fifth of a second for one input a failure, and many inputs a slow test: so they are on a busy machine."""
    if config.pluginmanager.hasplugin("hypothesispytest"):
        from hypothesis import HealthCheck, settings

        settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
        settings.load_profile("any machine")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if HEAVY & set(getattr(item, "fixturenames", ())) and any(
            folder in item.path.parents for folder in CONFORMANCE
        ):
            item.add_marker(pytest.mark.conformance)
    rank = {HERE / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


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
def _models_are_read_once() -> Iterator[None]:
    """botocore reads its models of the services anew for each session, a fifth of a second each time. A command has one
    session in a process; tests have thousands, and share what was read."""
    made = cache(botocore.session.create_loader)

    def shared(*arguments: str) -> Any:
        loader = made(*arguments)
        loader.search_paths[:] = dict.fromkeys(
            loader.search_paths
        )  # each session of boto3 appends its own, the same again
        return loader

    with pytest.MonkeyPatch.context() as patch, made_once():
        patch.setattr(botocore.session, "create_loader", shared)
        yield


@pytest.fixture(scope="session", autouse=True)
def conformance_checks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConformanceChecks]:
    """Every sandbox of the tests, in this process and in others, writes down what it was asked and what it answered."""
    path = tmp_path_factory.mktemp("transcript") / "exchanges.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(transcript.VARIABLE, str(path))
        yield ConformanceChecks(path)


@pytest.fixture(autouse=True)
def _every_exchange_conforms(conformance_checks: ConformanceChecks) -> Iterator[None]:
    """A test fails when one of the exchanges that it caused is not as the clouds' own documents say."""
    yield
    if found := conformance_checks.found():
        pytest.fail("\n".join(found), pytrace=False)
