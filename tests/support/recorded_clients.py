"""Clients of both clouds that answer what they answered once, so that what is read and judged of a whole link needs no cloud.

Only our own clients' methods and properties are answered so; what was not recorded is refused as a read that failed.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import threading
from collections.abc import Callable
from typing import Any

from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.cache import ReadCache
from cloudlink.clouds.kube.access import Access
from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.kube.errors import KubeApiError
from cloudlink.errors import CloudError
from cloudlink.link import Link
from tests.support.clocks import FakeClock
from tests.support.told import decoded, encoded

Calls = dict[str, Any]  # by client, method and arguments
PURE = frozenset(
    ("name", "id", "group_id", "gateway_id", "vnet_id", "aks_id", "translate", "missing", "denied", "beside")
)
CLIENTS = frozenset(
    (
        "client",
        "client_in",
        "ec2",
        "ec2_once",
        "eks",
        "route53",
        "route53resolver",
        "sts",
        "secretsmanager",
        "network",
        "containers",
        "resources",
    )
)


class Unasked(CloudError):
    """A read that is not in the recording."""

    def __init__(self, what: str) -> None:
        super().__init__("Not recorded", what, "Record it.")


def _key(client: str, name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> str:
    rest = {k: v for k, v in named.items() if k != "fresh"}
    return " ".join((client, name, json.dumps(encoded([list(arguments), rest]), sort_keys=True)))


def _intercepting(base: type, answer: Callable[[Any, str, Callable[[], Any]], Any]) -> type:
    """A client whose public reads go through ``answer(client, key, real)``."""

    def found(self: Any, name: str) -> Any:
        get = object.__getattribute__
        if name.startswith("_") or name in PURE or name in CLIENTS:
            return get(self, name)
        kind = f"{base.__name__}:{getattr(get(self, '__dict__').get('kind', ''), 'strip', str)()}"
        if isinstance(inspect.getattr_static(base, name, None), property):
            return answer(self, _key(kind, name, (), {}), lambda: get(self, name))
        held = get(self, name)
        if not inspect.ismethod(held):
            return held
        return lambda *words, **named: answer(self, _key(kind, name, words, named), lambda: held(*words, **named))

    return type(f"Recorded{base.__name__}", (base,), {"__getattribute__": found})


class _Depth(threading.local):
    now = 0


class Recorder:
    """Keeps what these clients answer from now on."""

    def __init__(self) -> None:
        self.calls: Calls = {}
        self._depth = _Depth()

    def watch(self, *clients: Any) -> None:
        for client in clients:
            client.__class__ = _intercepting(type(client), self._asked)

    def _asked(self, client: Any, key: str, real: Callable[[], Any]) -> Any:
        del client
        self._depth.now += 1
        try:
            answer, error = real(), None
            if inspect.isgenerator(answer):
                answer = list(answer)
        except KubeApiError as refused:
            answer, error = {"$refused": [refused.status, refused.reason, refused.message, refused.what]}, refused
        finally:
            self._depth.now -= 1
        self._keep(key, answer)
        if error is not None:
            raise error
        return answer

    def _keep(self, key: str, answer: Any) -> None:
        if self._depth.now:
            return  # a part of another
        with contextlib.suppress(TypeError):  # a client of an SDK's
            self.calls[key] = encoded(answer)


class _NoSession:
    """In place of what would sign in to Azure."""

    is_sandbox = False

    def __getattr__(self, name: str) -> Any:
        raise Unasked(f"Azure: {name}")


class Replayed:
    """The clients of a link over a recording. asked: what of it was used."""

    def __init__(self, link: Link, calls: Calls) -> None:
        self.asked: set[str] = set()
        self._calls = calls
        clock = FakeClock(1_800_003_600.0)
        cache = ReadCache(clock)
        self.clock = clock
        self.aws: Aws = _intercepting(_Aws, self._answer)(region=link.aws.region, clock=clock, cache=cache)
        self.azure: Azure = _intercepting(Azure, self._answer)(link, None, clock, cache)
        self.azure._session = _NoSession()  # type: ignore[assignment]
        kube = _intercepting(Kube, self._answer)
        self.aks: Kube = kube(link.azure.aks_cluster, _refused, cache)
        self.eks: Kube = kube(link.aws.eks_cluster, _refused, cache, "eks")

    def _answer(self, client: Any, key: str, real: Callable[[], Any]) -> Any:
        del client
        if key not in self._calls:
            return real()
        self.asked.add(key)
        answer = self._calls[key]
        if isinstance(answer, dict) and "$refused" in answer:
            raise KubeApiError(*answer["$refused"])
        return decoded(answer)


class _Aws(Aws):
    def client(self, *words: Any, **named: Any) -> Any:
        raise Unasked(f"AWS: {words}")

    def _identity(self) -> Any:
        raise Unasked("AWS: the caller")


_Aws.__name__ = "Aws"


def _refused() -> Access:
    raise Unasked("a cluster")
