"""An AWS account of the sandbox behind a real listener. The clock stands still."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_account import Account, SmallContext, a_world

from cloudlink_sandbox.aws.cloud import AwsCloud
from cloudlink_sandbox.clock import SandboxClock
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.faults import FaultRegistry
from cloudlink_sandbox.journal import Journal
from cloudlink_sandbox.listener import Listener


class Front:
    """The application behind the listener, exchanged by every test: one listener serves them all."""

    def __init__(self) -> None:
        self.app: Any = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer: Iterable[bytes] = self.app(environ, start_response)
        return answer


@pytest.fixture(scope="session")
def front() -> Iterator[tuple[Front, str]]:
    front = Front()
    listener = Listener(front)
    listener.start()
    yield front, listener.url
    listener.stop()


@pytest.fixture
def make_account(tmp_path: Path, front: tuple[Front, str]) -> Callable[[], Account]:
    def make() -> Account:
        context = SmallContext(
            SandboxClock(0, 1_800_000_000.0), FaultRegistry(), Journal(), Durations(exact=True), tmp_path
        )
        cloud = AwsCloud(context)
        cloud.eks_endpoint = lambda *_: "https://127.0.0.1:1"
        cloud.eks_certificate = lambda: "Q0E="
        context.aws_facts = cloud.facts
        front[0].app = cloud.app
        return Account(cloud, context, front[1])

    return make


@pytest.fixture
def account(make_account: Callable[[], Account]) -> Account:
    return make_account()


@pytest.fixture
def seeded(account: Account) -> Account:
    account.cloud.seed(a_world())
    return account
