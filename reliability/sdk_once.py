"""What botocore works out for each session and each client, worked out once in a process.

A command has one session in a process; tests and proofs have thousands, and spend a tenth of their time on the same
tables: names of events, which handlers take which arguments, a class for each service with a method for each operation.
None of them depends on the session, and none is changed afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import FunctionType
from typing import Any

from botocore import hooks
from botocore.client import ClientCreator
from botocore.hooks import EVENT_ALIASES, EventAliaser


@contextmanager
def made_once() -> Iterator[None]:
    """For all sessions and clients that are made within."""
    found = hooks.accepts_kwargs, EventAliaser.__init__, ClientCreator._create_client_class
    hooks.accepts_kwargs = _of_functions(hooks.accepts_kwargs)
    EventAliaser.__init__ = _with_names(EventAliaser.__init__)
    ClientCreator._create_client_class = _by_service(ClientCreator._create_client_class)
    try:
        yield
    finally:
        hooks.accepts_kwargs, EventAliaser.__init__, ClientCreator._create_client_class = found


def _of_functions(look: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Only of those that hold nothing: a client's own handlers would keep the client."""
    kept = cache(look)

    def accepts(handler: Any) -> Any:
        return kept(handler) if isinstance(handler, FunctionType) and handler.__closure__ is None else look(handler)

    return accepts


def _with_names(begin: Callable[..., None]) -> Callable[..., None]:
    names: dict[str, str] = {}

    def begun(self: Any, event_emitter: Any, event_aliases: Any = None) -> None:
        begin(self, event_emitter, event_aliases)
        if event_aliases in (None, EVENT_ALIASES):
            self._alias_name_cache = names

    return begun


def _by_service(make: Callable[..., Any]) -> Callable[..., Any]:
    classes: dict[str, Any] = {}

    def made(self: Any, service_name: str, service_model: Any) -> Any:
        if service_name == "s3":  # boto3's sessions give it methods that botocore's do not
            return make(self, service_name, service_model)
        if service_name not in classes:
            classes[service_name] = make(self, service_name, service_model)
        return classes[service_name]

    return made
