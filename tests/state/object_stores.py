"""The two object stores, each as a test needs it: two runs over one place, and what the place holds."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.state_store import S3Store
from cloudlink.clouds.azure.session import AzureSession
from cloudlink.clouds.azure.state_store import BlobStore
from cloudlink.clouds.endpoints import Endpoints
from cloudlink.core.object_store import Holder, ObjectStore
from cloudlink.link import AzureSide
from cloudlink.sandbox_client import endpoints_of
from cloudlink.state import RemoteState
from cloudlink_sandbox.faults import Fault
from cloudlink_sandbox.process import Sandbox
from cloudlink_sandbox.world_file import parse
from tests.support.clocks import FakeClock
from tests.support.links import make_link

BUCKET, ACCOUNT, CONTAINER, KEY, REGION = "team-state", "teamstate", "links", "demo/state.json", "eu-central-1"
SIDE: AzureSide = make_link().azure
WORLD = {
    "aws": {"buckets": [{"name": BUCKET}, {"name": "far-away", "region": "us-west-2"}]},
    "azure": {"blob_containers": [{"account": ACCOUNT, "name": CONTAINER}]},
}


def no_sleep(_seconds: float) -> None:
    pass


def nobody_is_dead(_holder: Holder) -> bool:
    return False


@functools.cache
def _aws(endpoints: Endpoints, region: str) -> Aws:
    """One for all: to read S3's model takes longer than a test."""
    return Aws(region=region, endpoints=endpoints, clock=FakeClock())


def s3(endpoints: Endpoints, *, bucket: str = BUCKET, key: str = KEY, region: str = REGION) -> S3Store:
    return S3Store(_aws(endpoints, region), bucket, key, sleep=no_sleep)


def blob(endpoints: Endpoints, *, container: str = CONTAINER, key: str = KEY, account: str = ACCOUNT) -> BlobStore:
    session = AzureSession(SIDE, endpoints)
    return BlobStore(session, SIDE, account, container, key, base_url=endpoints.blob_url, sleep=no_sleep)


@dataclass
class Place:
    """One store of one kind. again: another run's client of the same place."""

    kind: str
    again: Callable[[], ObjectStore]
    sandbox: Sandbox | None = None

    def wait(self, seconds: float) -> None:
        assert self.sandbox is not None
        self.sandbox.context.clock.advance(seconds)

    def fault(self, kind: str, s3_call: str, blob_call: str, **more: Any) -> None:
        assert self.sandbox is not None
        self.sandbox.context.faults.add(
            Fault(kind, s3_call if self.kind == "s3" else blob_call, **{"times": 1, **more})
        )


@contextmanager
def sandbox_with_stores(home: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(home, speed=0, start=1_800_000_000.0)
    sandbox.start()
    try:
        sandbox.seed(parse(WORLD))
        yield sandbox
    finally:
        sandbox.stop()


def endpoints(sandbox: Sandbox) -> Endpoints:
    return endpoints_of(sandbox.address())


class Beats:
    """Renewals that come when a test wants them, by a clock that it moves."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.done = threading.Event()

    def now(self) -> float:
        return self.time

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """None comes by itself: a test calls ``renew``."""
        return stop.wait(60.0)

    def state(self, store: ObjectStore, **more: Any) -> RemoteState:
        return RemoteState(store, "demo", now=self.now, wait=self.wait, **{"command": "cloudlink up", **more})
