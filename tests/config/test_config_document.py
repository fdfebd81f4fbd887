"""A file before its keys are read: what is said of one that is no TOML, and how values are shown. And the schema for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cloudlink.config.document import DEEPEST, LARGEST, SHIPPED_EXAMPLES, parse_toml, read_text
from cloudlink.config.json_schema import json_schema
from cloudlink.config.schema import HOST_TARGETS, MOST_HOSTS, TABLES, keys_of
from cloudlink.config.shown import LONGEST, shown, shown_key
from cloudlink.errors import ConfigError


def refused(text: str) -> tuple[str, str, str]:
    with pytest.raises(ConfigError) as caught:
        parse_toml(text, "f.toml")
    (mistake,) = caught.value.mistakes
    assert (caught.value.file, mistake.near_miss) == ("f.toml", "")
    assert caught.value.hint == "Correct the lines above and run the command again."
    return mistake.path, mistake.found, mistake.allowed


@pytest.mark.parametrize(
    ("text", "path", "found"),
    [
        ("a = \nb = 1\n", "line 1, column 5", "the end of the line"),
        ("a = 1\nb = ?\n", "line 2, column 5", '"?"'),
        ("a = 1\nb = secret\n", "line 2, column 5", '"s"'),  # no more of it is shown
        ("a = 1\n[b\n", "line 2, column 3", "the end of the line"),
        ("a = 1\nb = [", "line 2, column 6", "the end of the line"),
        ('a = "x', "line 1, column 7", "the end of the line"),
        ("a = 1\n\nb = \x07", "line 3, column 5", '"\\u0007"'),
    ],
)
def test_a_place_in_a_text_that_is_no_toml(text: str, path: str, found: str) -> None:
    place, is_there, allowed = refused(text)
    assert (place, is_there) == (path, found)
    assert allowed.startswith("TOML syntax: ") and "(at" not in allowed and not allowed.endswith(" ")


def test_what_toml_holds_and_cloudlink_does_not() -> None:
    part = '"x y"'
    deep = ".".join([part] * (DEEPEST + 1))
    assert refused(f"a = 1\n\n{deep} = 1\n") == (
        "line 3",
        "a key of more than 128 parts",
        "the tables of the reference",
    )
    for parts in ((part, "x", "'z'"), ("x",)):
        for dot in (".", " . "):
            fits = dot.join((list(parts) * DEEPEST)[:DEEPEST])
            assert parse_toml(f"{fits} = 1\n", "f.toml")
            assert refused(f"{fits}{dot}x = 1\n")[0] == "line 1"
    assert refused("x = " + "[" * 9000) == ("file", "values nested too deeply", "the tables of the reference")
    place, found, allowed = refused("x = " + "9" * 5000)
    assert (place, found) == ("file", "a value that Python cannot hold")
    assert allowed.startswith('ordinary values: "Exceeds the limit')


def unread(path: Path) -> tuple[str, str, str]:
    with pytest.raises(ConfigError) as caught:
        read_text(path)
    (mistake,) = caught.value.mistakes
    assert caught.value.file == str(path)
    return mistake.path, mistake.found, mistake.allowed


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "f.toml"
    for content, place, byte in (
        (b"\xffa", "line 1, column 1", "FF"),
        (b"ab\xfe", "line 1, column 3", "FE"),
        (b"a\n\nbc\x80d", "line 3, column 3", "80"),
        (b"a\n\x80", "line 2, column 1", "80"),
        (b"a\x80\n\x80", "line 1, column 2", "80"),
    ):
        file.write_bytes(content)
        assert unread(file) == (place, f"the byte 0x{byte}", "UTF-8 text")
    file.write_bytes(b"#" * (LARGEST + 1))
    assert unread(file) == ("file", "more than 262144 bytes", "a configuration of ordinary size")
    file.write_bytes(b"#" * LARGEST)
    assert read_text(file) == "#" * LARGEST
    file.write_bytes("\ufeffä".encode())
    assert read_text(file) == "ä"


def test_files_that_are_not_there(tmp_path: Path) -> None:
    missing = tmp_path / "my config.toml"
    assert unread(missing) == ("file", "nothing of this name", "an existing TOML file")
    assert unread(tmp_path) == ("file", "Is a directory", "a TOML file that can be read")
    assert unread(tmp_path / "a\0b") == ("file", "embedded null byte", "a TOML file that can be read")
    for path in (missing, tmp_path):
        with pytest.raises(ConfigError) as caught:
            read_text(path)
        init, command, after = caught.value.hint.split("\n")
        example = next(e for e in SHIPPED_EXAMPLES if e.exists())
        quoted = f"'{path}'" if " " in str(path) else str(path)
        assert init == f"cloudlink init --out {quoted}"
        assert command == f"Or: cp {example} {quoted}"
        assert after == "Then put in your own names. Or name another file with --config."


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        ("a", '"a"'),
        ("x" * LONGEST, f'"{"x" * LONGEST}"'),
        ("x" * (LONGEST + 1), f'"{"x" * LONGEST}…"'),
        ("a\n\u202e", '"a\\u000A\\u202E"'),
        ({}, "a table"),
        ([], "an empty list"),
        ([1, 2], "a list of 2 values"),
        (5, "5"),
        (1.5, "1.5"),
        (2**128 - 1, str(2**128 - 1)),
        (2**128, "a number of more than 38 digits"),
    ],
)
def test_how_a_value_is_shown(value: object, text: str) -> None:
    assert shown(value) == text


def test_how_a_key_is_shown() -> None:
    for bare in ("a", "A-b_9", "x" * LONGEST):
        assert shown_key(bare) == bare
    assert shown_key("a.b") == '"a.b"'
    assert shown_key("") == '""'
    assert shown_key("x" * (LONGEST + 1)) == f'"{"x" * LONGEST}…"'


# --- the schema for editors ---------------------------------------------------------------------------------


def of(path: str) -> dict[str, Any]:
    found = json_schema()
    for name in path.split(".") if path else ():
        found = found["properties"][name]
    return found


def test_the_schema_says_what_it_is() -> None:
    whole = json_schema()
    assert whole["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (whole["title"], whole["type"], whole["description"]) == ("cloudlink", "object", "The link.")


@pytest.mark.parametrize("table", [table for table in TABLES if not table.repeated], ids=lambda table: table.path)
def test_the_schema_has_every_table_with_its_keys(table: Any) -> None:
    found = of(table.path)
    tables = [child.name for child in TABLES if child.parent == table.path]
    assert list(found["properties"]) == [*(key.name for key in table.keys), *tables]
    assert (found["type"], found["description"]) == ("object", table.meaning)
    assert found["additionalProperties"] is False


@pytest.mark.parametrize(
    ("table", "required"),
    [
        ("", ["name", "aws", "azure", "dns"]),
        ("link", None),
        ("aws", ["region", "vpc", "eks_cluster"]),
        ("azure", ["subscription", "resource_group", "location", "vnet", "aks"]),
        ("azure.vnet", ["name"]),  # the nodes' subnet may be left out
        ("azure.vnet.cluster_subnet", ["name", "prefix"]),
        ("azure.vpn_gateway", None),  # over an existing link there is none
        ("vpn", None),
        ("dns", ["zone", "hosts"]),
    ],
)
def test_the_schema_asks_for_what_is_required(table: str, required: list[str] | None) -> None:
    assert of(table).get("required") == required


def test_the_schema_of_hosts_takes_one_target_each() -> None:
    hosts = of("dns.hosts")
    assert (hosts["type"], hosts["minItems"], hosts["maxItems"]) == ("array", 1, MOST_HOSTS)
    assert hosts["items"]["oneOf"] == [{"required": [key.name]} for key in HOST_TARGETS]
    assert hosts["items"]["required"] == ["name"]
    assert list(hosts["items"]["properties"]) == [key.name for key in keys_of("dns.hosts")]


def test_the_schema_describes_a_key() -> None:
    assert of("dns.ttl") == {
        "type": "integer",
        "minimum": 1,
        "maximum": 86400,
        "description": "Seconds that answers with fixed addresses may be kept. Allowed: 1 to 86400. Default: 60.",
    }
    assert of("tags")["additionalProperties"] == {"type": "string"} and of("tags")["type"] == "object"
    assert of("state.location")["type"] == "string"
    assert "Default" not in of("aws.region")["description"]
    assert "Default" not in of("azure.vpn_gateway.subnet_prefix")["description"]
    assert of("azure.tenant")["description"].endswith(" Default: the signed-in one.")
