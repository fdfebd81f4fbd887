"""How cloudlink finds and speaks to the sandbox, which is a distribution of its own: cloudlink-sandbox.

It is found by an entry point. Looking for one imports importlib.metadata, which costs 50 ms: only ``--sandbox`` and the
``sandbox`` commands do it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, cast

from cloudlink.clouds.endpoints import Endpoints
from cloudlink.errors import CloudlinkError, UsageError
from cloudlink.link import Link
from cloudlink.sandbox_world import description
from cloudlink.secret import Secret

GROUP = "cloudlink.sandbox"
INSTALL = "In a checkout of cloudlink: pip install . ./sandbox"


class Running(Protocol):
    """A sandbox that answers. address: where its clouds are, with its made-up keys."""

    @property
    def home(self) -> Path: ...
    @property
    def pid(self) -> int: ...
    @property
    def address(self) -> dict[str, Any]: ...
    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any: ...


class Failure(Protocol):
    """The sandbox's own error."""

    summary: str
    detail: str
    hint: str


class Client(Protocol):
    """The module behind the entry point ``client``."""

    SandboxError: type[Exception]

    def find(self, home: Path) -> Running | None: ...
    def start(self, home: Path, world: dict[str, Any], *, speed: float, idle: float = ...) -> tuple[Running, bool]: ...
    def environment(self, running: Any) -> str: ...
    def stop(self, home: Path) -> bool: ...
    def reset(self, home: Path) -> None: ...


class SandboxError(CloudlinkError):
    """The sandbox did not start or does not answer."""

    exit_code = 1


class Sandbox:
    """A sandbox that answers, as a command uses it. Its errors are cloudlink's."""

    def __init__(self, client: Client, running: Running) -> None:
        self._client = client
        self._running = running

    @property
    def home(self) -> Path:
        return self._running.home

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def address(self) -> dict[str, Any]:
        return self._running.address

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        with _translated(self._client):
            return self._running.call(method, path, body)

    def environment(self) -> str:
        """Exports for a shell, after its kubeconfig was written."""
        with _translated(self._client):
            return self._client.environment(self._running)

    def endpoints(self) -> Endpoints:
        return endpoints_of(self.address)


def find(home: Path) -> Sandbox | None:
    """The sandbox of this folder, if it answers."""
    client = load()
    with _translated(client):
        running = client.find(home)
    return None if running is None else Sandbox(client, running)


def start(home: Path, link: Link, *, speed: float) -> tuple[Sandbox, bool]:
    """The sandbox of this folder and whether it was started now. Its clouds hold what the link says exists."""
    client = load()
    with _translated(client):
        running, started = client.start(home, description(link), speed=speed)
    return Sandbox(client, running), started


def stop(home: Path) -> bool:
    """False when none runs. Its clouds are kept."""
    client = load()
    with _translated(client):
        return client.stop(home)


def reset(home: Path) -> None:
    """Stop it and forget its clouds."""
    client = load()
    with _translated(client):
        client.reset(home)


def endpoints_of(address: dict[str, Any]) -> Endpoints:
    """For the SDKs. address: what a running sandbox says of itself."""
    return Endpoints(
        aws_url=address["aws_url"],
        aws_access_key=address["aws_access_key"],
        aws_secret_key=Secret(address["aws_secret_key"]),
        azure_url=address["azure_url"],
        azure_tenant=address["azure_tenant"],
        azure_client_id=address["azure_client_id"],
        azure_client_secret=Secret(address["azure_client_secret"]),
        ca_file=address["ca_file"],
    )


def load(name: str = "client") -> Client:
    """The sandbox's own module of this name. Raises UsageError when it is not installed."""
    from importlib.metadata import entry_points

    found = next(iter(entry_points(group=GROUP, name=name)), None)
    if found is None:
        raise UsageError(
            "The sandbox is not installed",
            "The local clouds are a distribution of their own, cloudlink-sandbox, which is not in this environment.",
            INSTALL,
        )
    try:
        return cast(Client, found.load())
    except ImportError as error:
        raise UsageError(
            "The sandbox is not installed", f"cloudlink-sandbox is there, but {error}.", INSTALL
        ) from error


@contextlib.contextmanager
def _translated(client: Client) -> Iterator[None]:
    try:
        yield
    except client.SandboxError as error:
        failure = cast(Failure, error)
        kind = UsageError if getattr(error, "exit_code", 1) == UsageError.exit_code else SandboxError
        hint = failure.hint.replace("cloudlink-sandbox", "cloudlink sandbox")  # the same commands under our name
        raise kind(failure.summary, failure.detail, hint) from error
