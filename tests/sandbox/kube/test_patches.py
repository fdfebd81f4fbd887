"""Merge, strategic merge and JSON patches."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloudlink_sandbox.kube.patches import apply_patch
from cloudlink_sandbox.kube.status import ApiError

MERGE, STRATEGIC, JSON = (f"application/{k}+json" for k in ("merge-patch", "strategic-merge-patch", "json-patch"))


def patched(kind: str, patch: Any, obj: dict[str, Any]) -> dict[str, Any]:
    before = json.dumps(obj)
    result = apply_patch(kind, json.dumps(patch).encode(), obj)
    assert json.dumps(obj) == before
    return result


@pytest.mark.specification("A merge patch sets and removes single keys and replaces lists (RFC 7396)")
def test_merge_sets_and_removes_single_keys() -> None:
    obj = {"data": {"a": "1", "b": "2"}}
    assert patched(MERGE, {"data": {"a": None, "c": "3"}}, obj) == {"data": {"b": "2", "c": "3"}}
    assert patched(MERGE, {"data": {"a": "1"}}, {}) == {"data": {"a": "1"}}
    assert patched(MERGE, {"l": [1]}, {"l": [1, 2]}) == {"l": [1]}


@pytest.mark.documentation("A strategic merge patch joins lists by their key and knows delete and replace")
def test_strategic_joins_lists_by_their_key() -> None:
    obj = {"spec": {"containers": [{"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}]}}
    new = patched(STRATEGIC, {"spec": {"containers": [{"name": "a", "env": [{"name": "Y", "value": "2"}]}]}}, obj)
    assert [c["name"] for c in new["spec"]["containers"]] == ["a", "b"]
    assert [e["name"] for e in new["spec"]["containers"][0]["env"]] == ["X", "Y"]
    gone = patched(STRATEGIC, {"spec": {"containers": [{"name": "b", "$patch": "delete"}]}}, obj)
    assert [c["name"] for c in gone["spec"]["containers"]] == ["a"]
    assert patched(STRATEGIC, {"spec": {"$patch": "replace", "x": 1}}, obj) == {"spec": {"x": 1}}


@pytest.mark.specification("A JSON patch tests, adds, moves and removes (RFC 6902)")
def test_json_patch() -> None:
    obj = {"data": {"a.server": "1"}, "l": [1, 3]}
    operations = [
        {"op": "test", "path": "/data/a.server", "value": "1"},
        {"op": "add", "path": "/data/b~1c", "value": "2"},
        {"op": "add", "path": "/l/1", "value": 2},
        {"op": "add", "path": "/l/-", "value": 4},
        {"op": "move", "from": "/data/a.server", "path": "/data/d"},
    ]
    assert patched(JSON, operations, obj) == {"data": {"b/c": "2", "d": "1"}, "l": [1, 2, 3, 4]}


@pytest.mark.documentation("A patch that cannot be applied is 422, a wrong one 400, an unknown kind 415")
@pytest.mark.parametrize(
    ("kind", "patch", "code"),
    [
        (JSON, [{"op": "test", "path": "/a", "value": 2}], 422),
        (JSON, [{"op": "remove", "path": "/b"}], 422),
        (JSON, [{"op": "shake", "path": "/a"}], 400),
        (JSON, {"a": 1}, 400),
        (MERGE, [1], 400),
        ("application/apply-patch+yaml", {}, 415),
    ],
)
def test_refusals(kind: str, patch: Any, code: int) -> None:
    with pytest.raises(ApiError) as e:
        apply_patch(kind, json.dumps(patch).encode(), {"a": 1})
    assert e.value.code == code
