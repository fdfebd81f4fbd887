"""A file's bytes as a TOML document. Any other content is a ConfigError."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any, NoReturn

from cloudlink.config.lines import places
from cloudlink.config.schema import TABLES
from cloudlink.config.shown import shown
from cloudlink.config.value_types import closest
from cloudlink.errors import ConfigError, Mistake

LARGEST = 256 * 1024  # bytes; a full configuration has two thousand
DEEPEST = 128  # parts of a dotted key: the reader's time grows with their square, and a domain name has no more labels

EXAMPLE = "config.example.toml"
# In an installation, and where cloudlink runs from a checkout.
SHIPPED_EXAMPLES = (Path(__file__).parents[1] / EXAMPLE, Path(__file__).parents[3] / EXAMPLE)
_PART = r"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')"""
_DEEP = re.compile(rf"(?<![A-Za-z0-9_-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{DEEPEST}}}")
_POSITION = re.compile(
    r"(?P<what>.*?) ?\(at (?:line (?P<line>[0-9]+), column (?P<column>[0-9]+)|end of document)\)", re.DOTALL
)


def read_text(path: Path) -> str:
    """The file as text. Raises ConfigError if it cannot be read."""
    file = str(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except FileNotFoundError:
        _refuse(file, "file", "nothing of this name", "an existing TOML file", _missing_hint(path))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        _refuse(file, "file", reason, "a TOML file that can be read", _missing_hint(path))
    if len(content) > LARGEST:
        _refuse(file, "file", f"more than {LARGEST} bytes", "a configuration of ordinary size")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - (content.rfind(b"\n", 0, error.start) + 1) + 1
        _refuse(file, f"line {line}, column {column}", f"the byte 0x{content[error.start]:02X}", "UTF-8 text")


def _missing_hint(path: Path) -> str:
    example = next((e for e in SHIPPED_EXAMPLES if e.exists()), Path(EXAMPLE))
    copy = shlex.join(["cp", str(example), str(path)])
    init = "cloudlink init" + (f" --out {shlex.quote(str(path))}" if path != Path("config.toml") else "")
    return f"{init}\nOr: {copy}\nThen put in your own names. Or name another file with --config."


def parse_toml(text: str, file: str) -> dict[str, Any]:
    """Raises ConfigError with line and column if the text is not TOML."""
    import tomllib

    if deep := _DEEP.search(text):
        line = text.count("\n", 0, deep.start()) + 1
        _refuse(file, f"line {line}", f"a key of more than {DEEPEST} parts", "the tables of the reference")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        match = _POSITION.fullmatch(str(error))
        what = match["what"] if match else str(error)
        lines = text.split("\n")
        line, column = (int(match["line"]), int(match["column"])) if match and match["line"] else (len(lines), 1)
        if not (match and match["line"]):
            column = len(lines[-1]) + 1
        where, found = f"line {line}, column {column}", _next_text(lines[line - 1], column)
        said, near = _twice(lines, line) if _AGAIN.match(what) else ("", "")
        what += _QUOTES if what == "Invalid value" else said
        _refuse(file, where, found, f"TOML syntax: {what}", excerpt=_excerpt(lines, line, column), near=near)
    except RecursionError:
        _refuse(file, "file", "values nested too deeply", "the tables of the reference")
    except ValueError as error:  # such as a number of thousands of digits
        _refuse(file, "file", "a value that Python cannot hold", f"ordinary values: {shown(str(error))}")


# tomllib's words for what stands there already.
_AGAIN = re.compile(r"Cannot (overwrite a value|declare .* twice|mutate immutable|append to|redefine)")
_QUOTES = ' (text stands in quotes, as in region = "eu-central-1")'


def _twice(lines: list[str], line: int) -> tuple[str, str]:
    """What is given in this line although another line has given it, in words, and what was probably meant; empty: it
    cannot be told."""
    above = list(places("\n".join(lines[:line])))
    if not above or above[-1].line != line:
        return "", ""
    last = above.pop()
    path = last.path.removesuffix("[0]")
    before = next((p.line for p in above if p.path.removesuffix("[0]") == path), 0)
    if not before or not path.isprintable() or len(path) > _EXCERPT:
        return "", ""
    table, _, name = path.rpartition(".")
    several = closest(name, [t.name for t in TABLES if t.repeated and t.parent == table]) if last.header == "[[" else ""
    return f" (line {before} gives {path} already)", f"[[{table}.{several}]]" if several else ""


def _next_text(line: str, column: int) -> str:
    """One character: more of the line might hold what nobody should see."""
    rest = line[column - 1 :]
    return shown(rest[0]) if rest.strip() else "the end of the line"


_EXCERPT = 60  # columns


def _excerpt(lines: list[str], line: int, column: int) -> str:
    """The line and a caret below. What ends too early ends with the last line that says something. Of values only their
    signs are shown: they might hold what nobody should see."""
    while line > 1 and not lines[line - 1].strip():
        line -= 1
        column = len(lines[line - 1].rstrip()) + 1
    text = lines[line - 1].rstrip().replace("\t", " ")
    key, equals, value = text.partition("=")
    if not text.lstrip().startswith("[") or equals:
        key = key if equals else re.sub(r"[^\s\[\]{},=.\"'#]", "x", key)
    plain = key + equals + re.sub(r"[^\s\[\]{},=\"'#]", "x", value)
    if not plain.isprintable() or not plain:
        return ""
    begin = max(0, column - _EXCERPT)
    head = f"{line} | "
    return f"{head}{plain[begin : begin + _EXCERPT]}\n{' ' * (len(head) + column - 1 - begin)}^"


def _refuse(
    file: str, path: str, found: str, allowed: str, hint: str = "", excerpt: str = "", near: str = ""
) -> NoReturn:
    raise ConfigError((Mistake(path, found, allowed, near, excerpt),), file=file, hint=hint) from None
