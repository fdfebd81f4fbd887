"""Reads a configuration file into a Link, or says everything that is wrong with it.

    bytes -> document (TOML) -> reading (each key, against schema) -> checks (several keys) -> build (Link)

Validation is written out here and not left to a library: reading a file takes a few milliseconds, and each message
can name what was found, what is allowed, which cloud wants it so, and what was probably meant.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cloudlink.config import checks, reading
from cloudlink.config.build import build
from cloudlink.config.document import parse_toml, read_text
from cloudlink.config.lines import line_of, lines
from cloudlink.config.reference import reference
from cloudlink.errors import ConfigError, Mistake
from cloudlink.link import Link

__all__ = ["load", "parse", "reference"]

MOST_TOLD = 200  # mistakes in one file


def load(path: Path, *, sandbox: bool = False) -> Link:
    """The link that a file describes. sandbox: with the fixtures of the sandbox's clouds.

    Raises ConfigError with every mistake at once, also if the file is missing or no TOML.
    """
    return parse(read_text(path), str(path), sandbox=sandbox)


def parse(text: str, file: str, *, sandbox: bool = False) -> Link:
    """The link that a text describes. file: its name in messages. Raises ConfigError."""
    document, mistakes = reading.read(parse_toml(text, file))
    mistakes += checks.mistakes(document)
    if len(mistakes) > MOST_TOLD:  # it is another kind of file
        more = Mistake("file", f"{len(mistakes) - MOST_TOLD} more mistakes of this kind", "the keys of the reference")
        mistakes = [*mistakes[:MOST_TOLD], more]
    if mistakes:
        found = lines(text)
        raise ConfigError(tuple(replace(m, line=line_of(m.path, found)) for m in mistakes), file=file)
    return build(document, sandbox=sandbox)
