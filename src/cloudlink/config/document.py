"""A file's bytes as a TOML document. Whatever the bytes are, the answer is a document or a ConfigError."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn

from cloudlink.config.shown import shown
from cloudlink.errors import ConfigError, Mistake

LARGEST = 256 * 1024  # bytes; a full configuration has two thousand
DEEPEST = 128  # parts of a dotted key: the reader's time grows with their square, and a domain name has no more labels

_MISSING_HINT = "Copy config.example.toml to this place and adapt it, or name another file with --config."
_PART = r"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')"""
_DEEP = re.compile(rf"(?<![A-Za-z0-9_-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{DEEPEST}}}")
_POSITION = re.compile(
    r"(?P<what>.*?) ?\(at (?:line (?P<line>[0-9]+), column (?P<column>[0-9]+)|end of document)\)", re.DOTALL
)


def read_text(path: Path) -> str:
    """The file as text. Raises ConfigError if it cannot be had."""
    file = str(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except FileNotFoundError:
        _refuse(file, "file", "nothing of this name", "an existing TOML file", _MISSING_HINT)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        _refuse(file, "file", reason, "a TOML file that can be read", _MISSING_HINT)
    if len(content) > LARGEST:
        _refuse(file, "file", f"more than {LARGEST} bytes", "a configuration of ordinary size")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - (content.rfind(b"\n", 0, error.start) + 1) + 1
        _refuse(file, f"line {line}, column {column}", f"the byte 0x{content[error.start]:02X}", "UTF-8 text")


def parse_toml(text: str, file: str) -> dict[str, Any]:
    """Raises ConfigError with line and column if the text is no TOML."""
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
        _refuse(file, f"line {line}, column {column}", _next_text(lines[line - 1], column), f"TOML syntax: {what}")
    except RecursionError:
        _refuse(file, "file", "values nested too deeply", "the tables of the reference")
    except ValueError as error:  # such as a number of thousands of digits
        _refuse(file, "file", "a value that Python cannot hold", f"ordinary values: {shown(str(error))}")


def _next_text(line: str, column: int) -> str:
    """One character: more of the line might hold what nobody should see."""
    rest = line[column - 1 :]
    return shown(rest[0]) if rest.strip() else "the end of the line"


def _refuse(file: str, path: str, found: str, allowed: str, hint: str = "") -> NoReturn:
    raise ConfigError((Mistake(path, found, allowed),), file=file, hint=hint) from None
