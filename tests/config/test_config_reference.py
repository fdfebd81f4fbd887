"""The reference in Markdown is the schema, written out."""

from __future__ import annotations

from cloudlink.config import reference
from cloudlink.config.schema import TABLES


def test_every_key_and_table_stands_in_it():
    text = reference()
    for table in TABLES:
        brackets = f"`[[{table.path}]]`" if table.repeated else f"`[{table.path}]`"
        assert not table.path or brackets in text
        for key in table.keys:
            assert f"| `{key.name}` | {key.kind.type} | " in text


def test_every_row_has_five_cells():
    rows = [line for line in reference().splitlines() if line.startswith("|")]
    assert len(rows) == sum(len(table.keys) + 2 for table in TABLES)
    assert {row.replace("\\|", "").count("|") for row in rows} == {6}


def test_keys_stand_in_their_tables():
    for table in TABLES:
        path = table.path.replace("dns.zones", "dns")  # the same keys, in a table of their own for each zone
        for key in table.keys:
            assert key.path == (f"{path}.{key.name}" if path else key.name)
            assert key.meaning.endswith(".")


def test_written_defaults_are_the_defaults():
    import tomllib

    compared = 0
    for table in TABLES:
        for key in table.keys:
            if key.default is None or key.required:
                continue
            written = tomllib.loads(f"x = {key.written_default}")["x"]
            assert key.kind.read(written) == key.default, key.path
            compared += 1
    assert compared > 20
