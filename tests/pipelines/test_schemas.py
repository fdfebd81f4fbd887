"""The JSON Schemas: they are schemas, they take what cloudlink takes and prints, and they refuse what is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from cloudlink.cli import schema
from cloudlink.cli.commands import run

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "docs" / "schemas"
EXAMPLE = ROOT / "config.example.toml"
BIN = Path(sys.executable).parent
GOLDEN = ROOT / "tests" / "view" / "golden"
PRINTED = {"plan": ("plan.json", "plan-findings.json"), "status": ("status.json",), "verify-dns": ("dns.json",)}


def errors(name: str, document: Any) -> list[str]:
    return [e.message for e in Draft202012Validator(schema.found(name)).iter_errors(document)]


def example() -> dict[str, Any]:
    return tomllib.loads(EXAMPLE.read_text())


@pytest.mark.parametrize("name", schema.NAMES)
def test_what_is_committed_is_what_is_printed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", name]) == 0
    assert capsys.readouterr().out == (SCHEMAS / f"{name}.schema.json").read_text()


def test_all_are_schemas_and_the_example_is_as_they_say() -> None:
    files = sorted(SCHEMAS.glob("*.json"))
    assert len(files) == len(schema.NAMES)
    for arguments in (["--check-metaschema", *files], ["--schemafile", SCHEMAS / "config.schema.json", EXAMPLE]):
        done = subprocess.run([BIN / "check-jsonschema", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", PRINTED)
def test_what_is_printed_is_as_its_schema_says(name: str) -> None:
    for file in PRINTED[name]:
        assert errors(name, json.loads((GOLDEN / file).read_text())) == []


def test_errors_are_as_every_schema_says() -> None:
    for file in ("error.json", "error-config.json", "error-obstacles.json"):
        document = json.loads((GOLDEN / file).read_text())
        for name in PRINTED:
            assert errors(name, document) == []


def test_every_line_of_a_run_is_as_its_schema_says() -> None:
    for line in (GOLDEN / "lines-up.jsonl").read_text().splitlines():
        assert errors("up", json.loads(line)) == []


def test_a_key_that_is_missing_or_of_another_type_is_refused() -> None:
    document = json.loads((GOLDEN / "status.json").read_text())
    document["tunnels"][0]["up"] = "yes"
    assert errors("status", document)
    document = json.loads((GOLDEN / "status.json").read_text())
    del document["health"]
    assert errors("status", document)


def changed(**more: Any) -> dict[str, Any]:
    document = example()
    for path, value in more.items():
        place = document
        *tables, key = path.split("__")
        for table in tables:
            place = place.setdefault(table, {})
        place[key] = value
    return document


@pytest.mark.parametrize(
    "document",
    [
        changed(aws__regoin="eu-central-1"),
        changed(name="Not A Name"),
        changed(aws__asn="65000"),
        changed(azure__vpn_gateway__sku="VpnGw9"),
        changed(dns__hosts=[{"name": "app"}]),
        changed(dns__hosts=[{"name": "app", "load_balancer": "a", "addresses": ["10.0.0.1"]}]),
        changed(dns__hosts=[]),
        changed(vpn__inside_pool=5),
        changed(dns__endpoint_subnets="all"),
    ],
    ids=lambda d: "",
)
def test_a_mistake_in_the_configuration_is_found(document: dict[str, Any]) -> None:
    assert errors("config", document)


def test_every_key_of_the_configuration_is_described() -> None:
    from cloudlink.config.schema import TABLES

    found = schema.found("config")
    for table in TABLES:
        place: Any = found
        for part in filter(None, table.path.split(".")):
            place = place["properties"][part]
            place = place.get("items", place)
        for key in table.keys:
            assert key.meaning in place["properties"][key.name]["description"]


def test_another_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "nonsense"]) == 2
    assert "There is no such schema" in capsys.readouterr().err
