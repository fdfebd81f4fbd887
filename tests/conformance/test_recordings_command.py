"""The command that puts the sandbox's Azure beside recordings of the real one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import recordings

HELD = Path(__file__).parents[3] / "shared" / "azure-recordings"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
PLACE = f"{recordings.ARM}/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network"
SPACE = {"localNetworkAddressSpace": {"addressPrefixes": ["10.1.0.0/16"]}, "gatewayIpAddress": "131.107.72.22"}
LOCAL = {"location": "westus", "properties": SPACE}
OPERATION = f"{recordings.ARM}/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network/locations/westus/operations/abc"


def exchange(method: str, tail: str, status: int, answer: Any, body: Any = None, **headers: str) -> dict[str, Any]:
    version = "" if tail.startswith("https") else "?api-version=2021-08-01"
    return {
        "request": {"method": method, "uri": (tail if version == "" else f"{PLACE}/{tail}") + version, "body": body},
        "response": {"status": status, "headers": headers, "body": answer},
    }


def a_session() -> list[dict[str, Any]]:
    """A local network gateway is made, awaited and read, as Azure answered it."""
    inside = {"provisioningState": "Updating", "resourceGuid": "x", **SPACE}
    shown = {
        "name": "l",
        "id": f"{PLACE}/localNetworkGateways/l".removeprefix(recordings.ARM),
        "etag": "e",
        "type": "t",
        "location": "westus",
        "properties": inside,
    }
    poll = f"{OPERATION}?api-version=2021-08-01"
    told = {"azure-asyncoperation": poll, "content-type": "application/json; charset=utf-8"}
    ready = {**shown, "properties": {**inside, "provisioningState": "Succeeded"}}
    return [
        exchange("PUT", "localNetworkGateways/l", 201, shown, LOCAL, **told),
        exchange("GET", poll, 200, {"status": "Succeeded"}),
        exchange("GET", "localNetworkGateways/l", 200, ready, etag="x"),
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "session.json").write_text(json.dumps(a_session()))
    return tmp_path


@pytest.mark.own(
    "A session of recorded exchanges is sent in its order, and its operations are asked for where they are here"
)
def test_a_session(folder: Path) -> None:
    found = recordings.figures(folder)
    assert (found.compared, found.status, found.headers, found.shape) == (3, 3, 3, 3), found.why


@pytest.mark.own("A difference in status, header or field lowers its figure, and is named")
@pytest.mark.parametrize(
    ("number", "change", "expected"),
    [
        (0, {"status": 202}, (2, 2, 2)),
        (0, {"headers": {"azure-asyncoperation": f"{OPERATION}?api-version=2021-08-01", "pragma": "x"}}, (3, 2, 3)),
        (1, {"body": {"status": "Succeeded", "colour": "blue"}}, (3, 3, 2)),
    ],
    ids=["status", "header", "field"],
)
def test_differences(folder: Path, number: int, change: dict[str, Any], expected: tuple[int, int, int]) -> None:
    session = a_session()
    session[number]["response"].update(change)
    (folder / "session.json").write_text(json.dumps(session))
    found = recordings.figures(folder)
    assert (found.status, found.headers, found.shape) == expected, found.why
    assert sum(found.why.values()) == 1


@pytest.mark.own(
    "What a recording speaks of is made beforehand; other types, and polls without a beginning, are counted apart"
)
def test_what_is_counted_apart(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps(a_session()[2]))
    (tmp_path / "poll.json").write_text(json.dumps(a_session()[1]))
    (tmp_path / "other.json").write_text(json.dumps(exchange("GET", "bastionHosts/b", 200, {})))
    found = recordings.figures(tmp_path)
    assert (found.compared, found.status, found.shape, found.alone, found.others) == (1, 1, 1, 1, 1), found.why


@pytest.mark.own("Cassettes of vcrpy are read; a folder that is not there, or holds something else, is told")
def test_forms_of_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cassette = """interactions:
- request: {body: null, method: GET, uri: "%s/localNetworkGateways/no?api-version=2021-08-01"}
  response:
    body: {string: '{"error": {"code": "ResourceNotFound", "message": "x"}}'}
    headers: {content-type: [application/json; charset=utf-8], x-ms-failure-cause: [gateway]}
    status: {code: 404, message: Not Found}
"""
    (tmp_path / "one.yaml").write_text(cassette % PLACE)
    assert recordings.main([str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "1 exchanges compared" in said and "100.0 %" in said
    assert recordings.main([str(tmp_path / "no")]) == 2
    (tmp_path / "two.json").write_text("[1]")
    assert recordings.main([str(tmp_path)]) == 2
    assert "two.json" in capsys.readouterr().err


@pytest.mark.recorded("Of the recordings at hand, status, headers and whole shape are as wanted")
@pytest.mark.skipif(not HELD.is_dir(), reason="the recordings of Azure are not beside the project")
def test_the_recordings_at_hand() -> None:
    found = recordings.figures(HELD)
    assert found.compared >= 29
    assert found.status == found.headers == found.compared, found.why
    assert found.shape >= 0.92 * found.compared, found.why
