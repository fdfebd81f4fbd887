"""botocore's descriptions of AWS's services, as small as they can be held in memory."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any


class PlainModels:
    """Reads the files of botocore's data folder, in the place of ``botocore.loaders.JSONFileLoader``.

    That one makes an OrderedDict of every object, from times when dicts kept no order: 10 MB more for EC2 alone.
    """

    def exists(self, file_path: str) -> bool:
        """file_path: without its extension."""
        return any(file.is_file() for file in _files(file_path))

    def load_file(self, file_path: str) -> Any:
        """What the file holds; None: there is no such file."""
        plain, packed = _files(file_path)
        if plain.is_file():
            return json.loads(plain.read_bytes())
        return json.loads(gzip.decompress(packed.read_bytes())) if packed.is_file() else None


def _files(file_path: str) -> tuple[Path, Path]:
    return Path(f"{file_path}.json"), Path(f"{file_path}.json.gz")
