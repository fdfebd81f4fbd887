"""The configuration reference in Markdown, made from the schema so that it cannot differ from what is accepted."""

from __future__ import annotations

from cloudlink.config.schema import TABLES, Key, Table


def reference() -> str:
    """One section for each table: key, type, default, allowed values, meaning. Ends with a newline."""
    return "\n\n".join(map(_section, TABLES)) + "\n"


def _section(table: Table) -> str:
    brackets = f"[[{table.path}]]" if table.repeated else f"[{table.path}]"
    heading = f"### `{brackets}`" if table.path else "### Above all tables"
    rows = [_row("Key", "Type", "Default", "Allowed", "Meaning"), "|---|---|---|---|---|"]
    rows += [_row(f"`{key.name}`", key.kind.type, _default(key), key.kind.allowed, key.meaning) for key in table.keys]
    return "\n".join([heading, "", table.meaning, "", *rows])


def _default(key: Key[object]) -> str:
    if key.required:
        without = " or ".join(f"`transport = {w}`" if w == "existing" else f"`{w}`" for w in key.not_with)
        return f"*required*, but not with {without}" if without else "*required*"
    written = key.written_default
    if not written:
        return "–"
    plain = written[0] in '"[' or written.isdigit() or written in ("true", "false")
    return f"`{written}`" if plain and not written.endswith(("or another", "or others")) else written


def _row(*cells: str) -> str:
    escaped = (cell.replace("|", "\\|").replace("\n", " ") for cell in cells)
    return f"| {' | '.join(escaped)} |"
