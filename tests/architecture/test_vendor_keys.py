"""Only ``clouds/`` knows how a vendor spells a field: steps, checks and all the rest work with facts."""

from __future__ import annotations

import ast
import gzip
import json
import re
import site
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "cloudlink"
SERVICES = ("ec2", "eks", "elbv2", "route53", "route53resolver", "sts")

# Files that still name vendors' keys. Only ever shorten this list.
NOT_YET: frozenset[str] = frozenset()

# What Azure calls a kind of gateway; EC2 has a field of that name.
NO_KEYS = frozenset({"RouteServer"})
# What JSON Schema calls its own keywords: files that make schemas name those.
JSON_SCHEMA = frozenset(
    {"additionalProperties", "anyOf", "maxItems", "maxLength", "minItems", "oneOf", "properties", "uniqueItems"}
)
MAKE_SCHEMAS = frozenset({"config/json_schema.py", "config/value_types.py", "view/json_schema.py"})
# Words that are everybody's as well: they count where a key of a dictionary is meant, and nowhere else.
PLAIN = re.compile(r"[A-Za-z][a-z]*")
# Vendors' keys of one lower-case word that nobody else would use for a key.
LOWER = frozenset({"metadata", "properties"})


def packages() -> Path:
    return next(Path(p) for p in site.getsitepackages() if (Path(p) / "botocore").is_dir())


@cache
def vendor_keys() -> frozenset[str]:
    """Field names of AWS's, Azure's and Kubernetes' models, as far as they have a capital letter."""
    found = set(LOWER)
    for service in SERVICES:
        newest = max((packages() / "botocore" / "data" / service).iterdir())
        model = newest / "service-2.json.gz"
        text = gzip.decompress(model.read_bytes()) if model.exists() else (newest / "service-2.json").read_bytes()
        for shape in json.loads(text)["shapes"].values():
            found |= shape.get("members", {}).keys()
    written = set()
    for models in ("network", "containerservice"):
        written |= words_of(packages() / "azure" / "mgmt" / models / "models" / "_models.py", r"\bname=\"(\w+)\"")
    for path in (packages() / "kubernetes" / "client" / "models").glob("v1_*.py"):
        written |= words_of(path, r"serialization_alias=\"(\w+)\"")
    found |= {word for word in written if word[0].islower()}
    return frozenset(w for w in found - NO_KEYS if w in LOWER or any(c.isupper() for c in w))


def words_of(path: Path, pattern: str) -> set[str]:
    return set(re.findall(pattern, path.read_text()))


def keys_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, word) of everything that is a vendor's key: where a dictionary's key or an argument's name is meant each of
    them, elsewhere those that are no plain word."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    meant = {id(node) for node in places(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in vendor_keys() - LOWER:
            yield node.value.lineno, node.arg
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in docs:
            continue
        if node.value in vendor_keys() and (id(node) in meant or not PLAIN.fullmatch(node.value)):
            yield node.lineno, node.value


def places(tree: ast.AST) -> Iterator[ast.AST | None]:
    """Where a key is meant: ``x["key"]``, ``x.get("key")``, ``{"key": ...}``, ``"key" in x``."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(slice=key):
                yield key
            case ast.Call(func=ast.Attribute(attr="get" | "pop" | "setdefault"), args=[key, *_]):
                yield key
            case ast.Dict(keys=keys):
                yield from keys
            case ast.Compare(left=key, ops=[ast.In() | ast.NotIn()]):
                yield key


def files() -> list[Path]:
    return [p for p in sorted(SOURCE.rglob("*.py")) if p.relative_to(SOURCE).parts[0] != "clouds"]


def found_in(path: Path) -> list[str]:
    name = str(path.relative_to(SOURCE))
    everybodys = JSON_SCHEMA if name in MAKE_SCHEMAS else frozenset()
    return [f"{name}:{line} {w}" for line, w in keys_in(ast.parse(path.read_text())) if w not in everybodys]


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_no_vendors_key_outside_clouds(path: Path) -> None:
    found = found_in(path)
    if str(path.relative_to(SOURCE)) in NOT_YET:
        assert found, "it names none any more: take it out of NOT_YET"
        return
    assert not found, "\n".join(("read it in clouds/*/parse*.py, as a fact:", *found))


def test_the_list_of_what_is_left_names_existing_files() -> None:
    assert {str(p.relative_to(SOURCE)) for p in files()} >= NOT_YET


# Files that still refuse answers themselves. Only ever shorten this list.
REFUSE_THEMSELVES: frozenset[str] = frozenset()


def test_a_malformed_answer_is_refused_in_clouds_alone() -> None:
    """Around a whole step, ``parsing`` would tell our own mistakes as a cloud's: they end with code 1 and a traceback."""
    guarded = {
        str(path.relative_to(SOURCE))
        for path in files()
        if any(isinstance(n, ast.Name) and n.id == "parsing" for n in ast.walk(ast.parse(path.read_text())))
    }
    assert guarded == REFUSE_THEMSELVES


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ('gateway["State"]', ["State"]),
        ('gateway.get("VpcAttachments") or ()', ["VpcAttachments"]),
        ('{"TunnelInsideCidr": inside, "ours": 1}', ["TunnelInsideCidr"]),
        ("ec2.delete_vpn_gateway(VpnGatewayId=id_)", ["VpnGatewayId"]),
        ('key = "CustomerGatewayId"', ["CustomerGatewayId"]),
        ('"Tags" in item', ["Tags"]),
        ('network["properties"]["provisioningState"]', ["properties", "provisioningState"]),
        ('cluster["resourcesVpcConfig"]', ["resourcesVpcConfig"]),
        ('pod["metadata"].get("creationTimestamp")', ["metadata", "creationTimestamp"]),
        ('{"vpnClientConfiguration": None}', ["vpnClientConfiguration"]),
        ('def f():\n    """VpcId"""\n    say("State", id=1, name=2); plain["name"]', []),
    ],
)
def test_what_counts_as_a_vendors_key(code: str, words: list[str]) -> None:
    assert sorted(word for _, word in keys_in(ast.parse(code))) == sorted(words)
