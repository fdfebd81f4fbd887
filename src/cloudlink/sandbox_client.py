"""How cloudlink finds and speaks to the sandbox, which is a distribution of its own: cloudlink-sandbox.

It is found by an entry point. Looking for one imports importlib.metadata, which costs 50 ms: only ``--sandbox`` and the
``sandbox`` commands do it.
"""

from __future__ import annotations

import contextlib
import functools
import shlex
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, cast

from cloudlink.clouds.endpoints import Endpoints
from cloudlink.errors import CloudlinkError, StateError, UsageError
from cloudlink.link import Link
from cloudlink.sandbox_world import description
from cloudlink.secret import Secret

GROUP = "cloudlink.sandbox"
COMMAND = "cloudlink sandbox"  # under which we offer the sandbox's commands


def install_hint() -> str:
    """For how cloudlink itself was installed. The sandbox is on no registry, where its name would be anybody's."""
    parts = Path(sys.prefix).parts
    if "pipx" in parts:
        how = "pipx inject cloudlink-cli ./sandbox"
    elif ("uv", "tools") in pairwise(parts):
        how = "uv tool install . --with ./sandbox"
    else:
        how = f"{shlex.quote(sys.executable)} -m pip install . ./sandbox"
    return f"In a checkout of cloudlink: {how}"


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
    """The sandbox's own error. hint_as: with the name of the command that the user knows."""

    summary: str
    detail: str

    def hint_as(self, command: str) -> str: ...


class Client(Protocol):
    """The module behind the entry point ``client``."""

    SandboxError: type[Exception]

    def find(self, home: Path) -> Running | None: ...
    def start(self, home: Path, world: dict[str, Any], *, speed: float, idle: float = ...) -> tuple[Running, bool]: ...


class Commands(Protocol):
    """The module behind the entry point ``commands``: what each command does, and what is to be said of it."""

    def start(self, home: Path, world: dict[str, Any], *, speed: float | None, default_speed: float = ...) -> str: ...
    def start_recorded(self, home: Path, world: dict[str, Any], exchanges: list[Any], read_at: float) -> str: ...
    def stop(self, home: Path) -> str: ...
    def reset(self, home: Path) -> str: ...
    def status(self, home: Path, *, as_json: bool, command: str = ...) -> str: ...
    def env(self, home: Path) -> str: ...
    def clock(self, home: Path, *, speed: float | None, advance: str | None) -> str: ...
    def fault_add(
        self,
        home: Path,
        kind: str,
        target: str,
        *,
        times: int,
        skip: int,
        seconds_: float,
        duration: str | None,
        command: str = ...,
    ) -> tuple[str, str]: ...
    def fault_list(self, home: Path, *, as_json: bool) -> str: ...
    def fault_kinds(self) -> dict[str, str]: ...
    def fault_targets(self, home: Path, kind: str) -> list[str]: ...
    def fault_remove(self, home: Path, number: int | None) -> str: ...


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

    def endpoints(self) -> Endpoints:
        return endpoints_of(self.address)


def find(home: Path) -> Sandbox | None:
    """The sandbox of this folder, if it answers."""
    client = _client()
    with _translated(client):
        running = client.find(home)
    return None if running is None else Sandbox(client, running)


def check_installed() -> None:
    """Raises UsageError with what to type where it is not installed."""
    _client()


def start(home: Path, link: Link, *, speed: float) -> Sandbox:
    """The sandbox of this folder, started if there was none. Its clouds hold what the link says exists."""
    client = _client()
    with _translated(client):
        running, _ = client.start(home, description(link), speed=speed)
    return Sandbox(client, running)


@contextlib.contextmanager
def commands() -> Iterator[Commands]:
    """The commands of the sandbox, whose errors are cloudlink's within."""
    found = cast(Commands, _load("commands"))
    with _translated(_client()):
        yield found


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
        blob_url=address.get("blob_url", ""),
    )


def _client() -> Client:
    return cast(Client, _load("client"))


@functools.cache
def _load(name: str) -> object:
    """The sandbox's own module of this name. Raises UsageError when it is not installed."""
    from importlib.metadata import entry_points

    found = next(iter(entry_points(group=GROUP, name=name)), None)
    if found is None:
        raise UsageError(
            "The sandbox is not installed",
            "The local clouds are a distribution of their own, cloudlink-sandbox, which is not in this environment.",
            install_hint(),
        )
    try:
        module: object = found.load()
    except ImportError as error:
        raise UsageError(
            "The sandbox is not installed", f"cloudlink-sandbox is there, but {error}.", install_hint()
        ) from error
    return module


@contextlib.contextmanager
def _translated(client: Client) -> Iterator[None]:
    try:
        yield
    except client.SandboxError as error:
        failure = cast(Failure, error)
        kinds = {UsageError.exit_code: UsageError, StateError.exit_code: StateError}
        kind: type[CloudlinkError] = kinds.get(getattr(error, "exit_code", 1), SandboxError)
        raise kind(failure.summary, failure.detail, failure.hint_as(COMMAND)) from error
