"""Parts of an SDK without the rest of it.

``import kubernetes.client.rest`` runs the ``__init__`` of each package above it. Kubernetes' import everything that the
distribution has, with pydantic, oauthlib and a websocket client: 11 MB for a class that needs urllib3. Azure's network
client imports 1,500 models, of which its operations need nothing but names for annotations as long as bodies are plain
JSON: 17 MB.

``importlib.util.LazyLoader`` helps in neither case: it loads a package as soon as a module below it is looked for, and a
module as soon as an annotation names something of it.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from collections.abc import Iterator
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from types import ModuleType
from typing import Any

_importing = threading.RLock()
_thread = threading.local()


@contextlib.contextmanager
def deferred(packages: tuple[str, ...], names_only: tuple[str, ...] = ()) -> Iterator[None]:
    """For the imports in the block, which one thread at a time runs.

    packages: their ``__init__`` waits until they are asked for a name that they do not have yet; parents before children.
    names_only: modules below them that the block needs in annotations alone, as ``any_names`` has it.

    What is imported already stays as it is, and what is not installed is left for the import to miss.
    """
    with _importing:
        for name in packages:
            _put(name, _Waiting)
        for name in names_only:
            _put(name, _Names)
        with any_names():
            yield


@contextlib.contextmanager
def any_names() -> Iterator[None]:
    """In this block, on this thread, the names of modules that are not loaded yet and are wanted for annotations stand for
    ``typing.Any``; all others load the module. So do names of errors here, which are made of answers."""
    before, _thread.any_names = getattr(_thread, "any_names", False), True
    try:
        yield
    finally:
        _thread.any_names = before


def _put(name: str, kind: type[_Waiting]) -> None:
    if name in sys.modules:
        return
    above, _, last = name.rpartition(".")
    parent = importlib.import_module(above) if above else None
    found = PathFinder.find_spec(name, parent.__path__ if parent else None)
    if found is None or found.loader is None:
        return
    module = module_from_spec(found)
    module.__class__ = kind
    sys.modules[name] = module
    if parent:
        setattr(parent, last, module)


class _Waiting(ModuleType):
    """A module that has its place and its path, and nothing else yet."""

    def __getattr__(self, name: str) -> Any:
        with _importing:
            if isinstance(self, _Waiting) and "__loading__" not in self.__dict__:
                spec = self.__spec__
                assert spec is not None and spec.loader is not None
                self.__dict__["__loading__"] = True
                try:
                    spec.loader.exec_module(self)
                finally:
                    del self.__dict__["__loading__"]
                self.__class__ = ModuleType  # type: ignore[assignment]  # no longer one that waits
            if name in self.__dict__:
                return self.__dict__[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


class _Names(_Waiting):
    """One whose names are in annotations."""

    def __getattr__(self, name: str) -> Any:
        if getattr(_thread, "any_names", False) and not name.startswith("__") and "Error" not in name:
            return Any
        return super().__getattr__(name)
