"""The manual page, from the same commands as docs/commands.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any


def page(root: Any, commands: list[tuple[tuple[str, ...], Any]], exit_codes: list[tuple[str, str]]) -> str:
    """root: the program; commands: each with its words. exit_codes: (number, meaning)."""
    lines = ['.TH CLOUDLINK 1 "" "cloudlink" "User Commands"', ".SH NAME"]
    lines += [r"cloudlink \- joins an EKS VPC and an AKS VNet, and makes AWS names work in AKS pods"]
    lines += [".SH SYNOPSIS", r".B cloudlink", r"\fICOMMAND\fR [\fIOPTION\fR]... [\fIARGUMENT\fR]..."]
    lines += [".SH DESCRIPTION", *_paragraphs(root.help), ".SH COMMANDS"]
    for words, command in commands:
        if hasattr(command, "commands"):
            continue
        lines += [f".SS cloudlink {_text(' '.join(words))}", *_paragraphs(command.help)]
        for parameter in command.params:
            lines += [".TP", _name(parameter), _text(parameter.help or "")]
        lines += list(_examples(command.epilog or ""))
    lines += [".SH EXIT STATUS"]
    for number, meaning in exit_codes:
        lines += [".TP", rf"\fB{number}\fR", _text(meaning)]
    lines += [
        ".SH ENVIRONMENT",
        ".TP",
        r"\fBCLOUDLINK_CONFIG\fR",
        "The configuration file, where --config does not name one.".replace("-", r"\-"),
        ".TP",
        r"\fBNO_COLOR\fR",
        "No colour.",
        ".SH FILES",
        ".TP",
        r"\fIconfig.toml\fR",
        "The configuration.",
        ".TP",
        r"\fI.cloudlink/\fR",
        "Beside the configuration: the state file of each link, its lock and its log.",
    ]
    return "\n".join(lines) + "\n"


def _name(parameter: Any) -> str:
    options = [*parameter.opts, *parameter.secondary_opts]
    if not options or not options[0].startswith("-"):
        return rf"\fI{_text(parameter.metavar or parameter.name.upper())}\fR"
    shown = ", ".join(rf"\fB{_text(option)}\fR" for option in options)
    takes = not parameter.is_flag
    return shown + (rf" \fI{_text(parameter.metavar or parameter.type.name.upper())}\fR" if takes else "")


def _examples(epilog: str) -> Iterator[str]:
    commands = [line.strip() for line in epilog.splitlines() if line.startswith("  ")]
    if commands:
        yield from (".PP", "Examples:", ".nf", ".RS", *map(_text, commands), ".RE", ".fi")


def _paragraphs(text: str | None) -> Iterator[str]:
    for part in re.split(r"\n\s*\n", (text or "").strip()):
        yield ".PP"
        yield _text(" ".join(part.split()))


def _text(said: str) -> str:
    escaped = said.replace("\\", r"\e").replace("-", r"\-").replace("–", r"\-")
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped
