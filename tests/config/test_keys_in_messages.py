"""A message that names a key of the configuration names one that exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import cloudlink
from cloudlink.config.schema import TABLES

SRC = Path(cloudlink.__file__).parent
TABLE_PATHS = {table.path for table in TABLES if table.path}
KEYS = {key.path for table in TABLES for key in table.keys} | TABLE_PATHS
ROOTS = sorted({path.partition(".")[0] for path in KEYS if "." in path or path in TABLE_PATHS} | {"tunnels", "ipsec"})
DOTTED = re.compile(rf"(?<![\w./@-])(?:{'|'.join(ROOTS)})(?:\.[a-z_]+)+(?![\w/(-])")
BRACKETS = re.compile(rf"\[\[?((?:{'|'.join(ROOTS)})(?:\.[a-z_]+)*)\]\]?")
# Dotted words that begin as a key does and are none: hosts, an SDK's modules, logs, events.
NO_KEYS = re.compile(
    r"\.(?:com|net|cn|us|io|core|mgmt|identity|com\.cn|server|log|json|toml|local|pcap|svg|plan|prom|html|history)\b|^dns\.(?:resolver|query)"
)


def words() -> Iterator[tuple[str, str]]:
    """Where each key is named in a text of the product, and the key."""
    for path in sorted(SRC.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if path.is_relative_to(SRC / "clouds") and " " not in node.value:
                    continue  # the name of a shared read, such as aws.subnets
                for match in [*DOTTED.finditer(node.value), *BRACKETS.finditer(node.value)]:
                    word = match[match.lastindex or 0]
                    if not NO_KEYS.search(word):
                        yield f"{path.relative_to(SRC)}:{node.lineno}", word


def test_every_key_that_a_message_names_exists() -> None:
    found = list(words())
    assert len(found) > 60
    assert [f"{where}: {word}" for where, word in found if word not in KEYS] == []


@pytest.mark.parametrize("text", ["Set tunnels.inside to ranges", "a range for azure.vnet.gateway_subnet.", "[ipsec]"])
def test_a_key_that_does_not_exist_is_seen(text: str) -> None:
    (match,) = [*DOTTED.finditer(text), *BRACKETS.finditer(text)]
    assert match[match.lastindex or 0] not in KEYS
