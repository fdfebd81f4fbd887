"""botocore's descriptions of AWS's services, as small as they can be held in memory."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

_LOADERS: dict[tuple[str, ...], Any] = {}


def shared(loader: Any) -> Any:
    """The one ``botocore.loaders.Loader`` of this process that looks where this one does.

    A session brings a loader of its own, which lists 400 folders and reads EC2's 3 MB again, for the same answers.
    """
    loader.file_loader = PlainModels()
    return _LOADERS.setdefault(tuple(loader.search_paths), loader)


class PlainModels:
    """Reads the files of botocore's data folder, in the place of ``botocore.loaders.JSONFileLoader``.

    That one makes an OrderedDict of every object, from times when dicts kept no order, and keeps the manual of each
    operation: 20 MB more for EC2 alone.
    """

    def exists(self, file_path: str) -> bool:
        """file_path: without its extension. Asked a thousand times for one client, so with the cheapest of calls."""
        return any(os.path.isfile(file_path + ending) for ending in _ENDINGS)  # noqa: PTH113

    def load_file(self, file_path: str) -> Any:
        """What the file holds; None: there is no such file."""
        for ending, unpack in _ENDINGS.items():
            file = Path(file_path + ending)
            if file.is_file():
                text = unpack(file.read_bytes()).decode()
                # botocore merges such a file's shapes into those of its service, in place, as S3's are: only a dict takes them. It asks S3 for its manual, too.
                return json.loads(text) if self.exists(f"{file_path}.sdk-extras") else _read(text)
        return None


def _small(found: dict[str, Any]) -> dict[str, Any]:
    """Without its part of the manual (a member may have that name too; it is no text), and with what ``endpoints.json``
    knows of 400 services packed."""
    if isinstance(found.get("documentation"), str):
        del found["documentation"]
    if "partition" in found and isinstance(found.get("services"), dict):
        found["services"] = Packed({name: _text(row) for name, row in found["services"].items()})
    return found


_decoder = json.JSONDecoder(object_hook=_small)
_key = re.compile(r'[\s,]*"((?:[^"\\]|\\.)*)"\s*:\s*')


def _read(text: str) -> Any:
    """Shapes are taken one by one: all of EC2's at once leave 5 MB of holes in the memory that they are freed from."""
    if not text.startswith("{"):
        return _decoder.decode(text)
    found: dict[str, Any] = {}
    at = 1
    while key := _key.match(text, at):
        if key[1] == "shapes" and text.startswith("{", key.end()):
            shapes: dict[str, bytes] = {}
            at = key.end() + 1
            while shape := _key.match(text, at):
                row, at = _decoder.raw_decode(text, shape.end())
                shapes[shape[1]] = _text(row)
            at = text.index("}", at) + 1
            found["shapes"] = Packed(shapes)
        else:
            found[key[1]], at = _decoder.raw_decode(text, key.end())
    if text[at:].strip() != "}":
        raise ValueError("the file of a service does not end where it should")
    return _small(found)


def _text(row: Any) -> bytes:
    return json.dumps(row, separators=(",", ":")).encode()


class Packed(Mapping[str, Any]):
    """A table of which few rows are ever read: EC2 has 4,400 shapes, and a run uses a tenth of them.

    Each row is JSON until it is asked for, and made anew each time: botocore keeps what it builds of one.
    """

    def __init__(self, rows: dict[str, bytes]) -> None:
        self._rows = rows

    def __getitem__(self, name: str) -> Any:
        return json.loads(self._rows[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def _as_it_is(data: bytes) -> bytes:
    return data


_ENDINGS: dict[str, Callable[[bytes], bytes]] = {".json.gz": gzip.decompress, ".json": _as_it_is}
