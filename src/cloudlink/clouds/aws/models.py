"""botocore's descriptions of AWS's services, as small as they can be held in memory."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


class PlainModels:
    """Reads the files of botocore's data folder, in the place of ``botocore.loaders.JSONFileLoader``.

    That one makes an OrderedDict of every object, from times when dicts kept no order: 10 MB more for EC2 alone.
    """

    def exists(self, file_path: str) -> bool:
        """file_path: without its extension. Asked a thousand times for one client, so with the cheapest of calls."""
        return any(os.path.isfile(file_path + ending) for ending in _ENDINGS)  # noqa: PTH113

    def load_file(self, file_path: str) -> Any:
        """What the file holds; None: there is no such file."""
        for ending, unpack in _ENDINGS.items():
            file = Path(file_path + ending)
            if file.is_file():
                return json.loads(unpack(file.read_bytes()))
        return None


def _as_it_is(data: bytes) -> bytes:
    return data


_ENDINGS: dict[str, Callable[[bytes], bytes]] = {".json.gz": gzip.decompress, ".json": _as_it_is}
