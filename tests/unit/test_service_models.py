"""botocore's descriptions of services, held small: the same as botocore reads them, but for the manual."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore
import pytest

from cloudlink.clouds.aws.models import Packed, PlainModels

DATA = Path(botocore.__file__).parent / "data"


def read(folder: Path, text: str) -> Any:
    (folder / "service-2.json").write_text(text, encoding="utf-8")
    return PlainModels().load_file(str(folder / "service-2"))


def unpacked(found: Any) -> Any:
    if isinstance(found, dict | Packed):
        return {name: unpacked(row) for name, row in found.items()}
    return [unpacked(one) for one in found] if isinstance(found, list) else found


def without_manual(found: Any) -> Any:
    if isinstance(found, dict):
        texts = {k for k, v in found.items() if k == "documentation" and isinstance(v, str)}
        return {name: without_manual(row) for name, row in found.items() if name not in texts}
    return [without_manual(one) for one in found] if isinstance(found, list) else found


@pytest.mark.parametrize("name", ["endpoints", "partitions", "sts/2011-06-15/service-2", "eks/2017-11-01/paginators-1"])
def test_what_botocore_brings_is_read_whole(name: str) -> None:
    mine, file = PlainModels().load_file(str(DATA / name)), DATA / f"{name}.json"
    plain = json.loads(file.read_bytes()) if file.exists() else json.loads(_unzipped(DATA / f"{name}.json.gz"))
    assert unpacked(mine) == without_manual(plain)


def _unzipped(file: Path) -> bytes:
    import gzip

    return gzip.decompress(file.read_bytes())


def test_shapes_are_packed_and_their_manual_is_gone(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        '{"shapes" : {"A":{"type":"string","documentation":"long"} , "B\\"}": {"type":"list"}}, "documentation": "x", "version":3}',
    )
    shapes = found["shapes"]
    assert isinstance(shapes, Packed)
    assert (len(shapes), list(shapes)) == (2, ["A", 'B\\"}'])
    assert (shapes["A"], "C" in shapes) == ({"type": "string"}, False)
    assert {name: found[name] for name in found if name != "shapes"} == {"version": 3}


def test_a_member_may_be_called_documentation(tmp_path: Path) -> None:
    found = read(tmp_path, '{"shapes":{"A":{"members":{"documentation":{"shape":"B"}}}}}')
    assert found["shapes"]["A"] == {"members": {"documentation": {"shape": "B"}}}


def test_each_asker_gets_a_shape_of_its_own(tmp_path: Path) -> None:
    shapes = read(tmp_path, '{"shapes":{"A":{"type":"string"}}}')["shapes"]
    shapes["A"]["type"] = "spoilt"
    assert shapes["A"] == {"type": "string"}


@pytest.mark.parametrize(
    "text", ['{"shapes":{"A":{}}', '{"shapes":{"A":{}', '{"version":3', '{"version":3} 4', "{'a'}"]
)
def test_a_file_that_is_cut_off_is_no_model(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError):  # json's own, or ours
        read(tmp_path, text)


def test_lists_and_files_that_are_not_there(tmp_path: Path) -> None:
    assert read(tmp_path, '[{"documentation":"x","a":1}]') == [{"a": 1}]
    assert PlainModels().load_file(str(tmp_path / "nothing")) is None


def test_what_is_merged_into_a_service_leaves_its_other_shapes() -> None:
    """S3's has such a file beside it: without its shapes no state could lie in a bucket."""
    from botocore.loaders import create_loader

    ours, theirs = create_loader(), create_loader()
    ours.file_loader = PlainModels()
    found, whole = (loader.load_service_model("s3", "service-2") for loader in (ours, theirs))
    assert set(found["shapes"]) == set(whole["shapes"])
    assert "GetObjectRequest" in found["shapes"]
