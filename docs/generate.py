"""Keeps the parts of the documentation that repeat the code true.

Files that are made as a whole, such as the JSON Schemas, are named in ``files``. A part is between ``<!-- begin: NAME -->`` and ``<!-- end: NAME -->`` in a README.md or docs/*.md; NAME is a key of
BLOCKS below. Without arguments the parts are written anew; with ``--check`` nothing is written, the stale ones are named
and the exit code is 1.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import io
import json
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "cloudlink"
SANDBOX = ROOT / "sandbox" / "src" / "cloudlink_sandbox"
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "sandbox" / "src"), str(ROOT), str(ROOT / "docs")]
sys.path.append(str(ROOT / "bench"))

_BLOCK = re.compile(r"(<!-- begin: (?P<name>[a-z-]+) -->\n)(?P<body>.*?)(<!-- end: (?P=name) -->)", re.DOTALL)
_MARKER = re.compile(r"<!-- (?:begin|end): ")


def main() -> int:
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not check:
        sys.stderr.write("Usage: docs/generate.py [--check]\n")
        return 2
    stale: list[str] = []
    for path in documents():
        old = path.read_text(encoding="utf-8")
        new, changed = renewed(old)
        stale += [f"{path.relative_to(ROOT)}: {name}" for name in changed]
        if changed and not check:
            path.write_text(new, encoding="utf-8")
    for name, text in files().items():
        path = ROOT / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
    for line in stale:
        sys.stdout.write(f"{'stale' if check else 'renewed'}  {line}\n")
    if stale and check:
        sys.stdout.write("Renew them: .venv/bin/python docs/generate.py\n")
    return 1 if stale and check else 0


def documents() -> list[Path]:
    return [ROOT / "README.md", ROOT / "sandbox" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def renewed(text: str) -> tuple[str, list[str]]:
    """The text with every block as it should be, and the names of those that differed. Raises SystemExit for markers
    without a partner and for names that nobody makes."""
    changed: list[str] = []

    def replace(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in BLOCKS:
            raise SystemExit(f"no such block: {name}; known are {', '.join(BLOCKS)}")
        wanted = f"\n{BLOCKS[name]().strip()}\n\n"
        if wanted != match["body"]:
            changed.append(name)
        return f"{match[1]}{wanted}{match[4]}"

    new = _BLOCK.sub(replace, text)
    if len(_MARKER.findall(text)) != 2 * len(_BLOCK.findall(text)):
        raise SystemExit("a begin or end marker of a generated block has no partner")
    return new, changed


def files() -> dict[str, str]:
    """Path -> content of what is generated as a whole."""
    from cloudlink.cli import schema

    made = {
        f"docs/schemas/{name}.schema.json": json.dumps(schema.found(name), indent=2) + "\n" for name in schema.NAMES
    }
    return {**made, "docs/cloudlink.1": manpage()}


def manpage() -> str:
    import manpage as page
    from typer.main import get_command

    from cloudlink.cli.commands import app

    root = get_command(app)
    commands = [(words, _at(root, words)) for words in walk(root) if words]
    codes = re.findall(r"^\| (\d+) \| (.+?) \| ", exit_codes(), re.MULTILINE)
    return str(page.page(root, commands, [(number, meaning.replace("`", "")) for number, meaning in codes]))


def _at(command: Any, words: tuple[str, ...]) -> Any:
    for word in words:
        command = command.commands[word]
    return command


# --- blocks -------------------------------------------------------------------------------------------------


def configuration() -> str:
    from cloudlink.config import reference

    return reference()


def exit_codes() -> str:
    """From the tree in the docstring of errors.py; the classes must agree with it."""
    from cloudlink import errors

    rows = ["| Code | Meaning | Error |", "|---|---|---|"]
    rows.append("| 0 | done; where a command checks the link, it is healthy | – |")
    rows.append(
        "| 1 | a mistake in cloudlink itself (a traceback is shown), or the sandbox's process is in trouble | – |"
    )
    for name, number, meaning in re.findall(r"── (\w+) +(\d+) +(.+)", errors.__doc__ or ""):
        if getattr(errors, name).exit_code != int(number):
            raise SystemExit(f"the docstring of errors.py and {name}.exit_code differ")
        rows.append(f"| {number} | {meaning} | `{name}` |")
        if number == "9":
            rows.append("| 10 | with `plan --detailed-exitcode`: there are changes | – |")
    return "\n".join(rows)


def commands() -> str:
    """``--help`` of every command, as a terminal of 100 columns shows it."""
    from typer.main import get_command

    from cloudlink.cli.commands import app

    return "\n\n".join(
        f"### `{' '.join(('cloudlink', *words))}`\n\n```text\n{_help(words)}\n```" for words in walk(get_command(app))
    )


def walk(command: object, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command and group of commands, outermost first."""
    yield words
    for name, child in getattr(command, "commands", {}).items():
        yield from walk(child, (*words, name))


def _help(words: tuple[str, ...]) -> str:
    from cloudlink.cli.commands import run

    os.environ.update(COLUMNS="100", NO_COLOR="1")
    os.environ.pop("FORCE_COLOR", None)
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        code = run([*words, "--help"])
    if code != 0:
        raise SystemExit(f"cloudlink {' '.join(words)} --help ended with {code}")
    return "\n".join(line.rstrip() for line in shown.getvalue().strip().splitlines())


def dependencies() -> str:
    """Each with the comment behind it in one of the two pyproject.toml."""
    from supply.declared import read

    what = {"dependencies": "every installation", "sandbox": "`cloudlink-sandbox`", "dev": "`[dev]`"}
    rows = [f"| `{d.text}` | {what[d.heading]} | {d.reason} |" for d in read()]
    return "\n".join(["| Package | For | Why |", "|---|---|---|", *rows])


def layers() -> str:
    """From import-linter's contract, each module with the first sentence of its own docstring."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    (found,) = (c["layers"] for c in contracts if c["type"] == "layers" and c["containers"] == ["cloudlink"])
    rows = ["| Layer | Module | What it is |", "|---|---|---|"]
    for number, layer in enumerate(found, start=1):
        rows += [f"| {number} | `{m}` | {_purpose(m)} |" for m in (part.strip() for part in layer.split("|"))]
    return "\n".join(rows)


def _purpose(module: str) -> str:
    package, single = SOURCE / module / "__init__.py", SOURCE / f"{module}.py"
    doc = ast.get_docstring(ast.parse((single if single.exists() else package).read_text(encoding="utf-8"))) or ""
    first = " ".join(doc.split("\n\n")[0].split())
    sentence = re.split(r"(?<=[.!])\s", first)[0]
    return re.sub(r":\w+:(?=`)", "", sentence).replace("``", "`").replace("|", "\\|")


def docstring(module: str, pattern: str) -> Callable[[], str]:
    """A literal part of a module's docstring as a code block."""

    def make() -> str:
        doc = ast.get_docstring(ast.parse((SOURCE / module).read_text(encoding="utf-8"))) or ""
        found = re.search(pattern, doc, re.DOTALL | re.MULTILINE)
        if found is None:
            raise SystemExit(f"the docstring of {module} has no such part any more")
        lines = found[0].strip("\n").splitlines()
        indent = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
        return "```text\n" + "\n".join(line[indent:].rstrip() for line in lines) + "\n```"

    return make


def assumptions() -> str:
    """Every place in the code that rests on a belief rather than on something documented or recorded."""
    parts: list[str] = []
    for path in (*sorted(SOURCE.rglob("*.py")), *sorted(SANDBOX.rglob("*.py"))):
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        places = [i for i, line in enumerate(lines) if _BELIEF.search(line)]
        if places:
            shown = path.relative_to(SANDBOX.parent if SANDBOX in path.parents else SOURCE).as_posix()
            parts.append(f"**`{shown}`**\n")
            scopes = list(_scopes(ast.parse(text)))
            parts += dict.fromkeys(f"- {_scope(scopes, i + 1)}{_paragraph(lines, i)}" for i in places)
            parts.append("")
    return "\n".join(parts)


_BELIEF = re.compile(r"\bAssumption(?=:| for )")


def _scopes(tree: ast.AST, outer: str = "") -> Iterator[tuple[int, int, str]]:
    """(first line, last line, name) of every class and function, outer ones first."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            name = f"{outer}.{node.name}" if outer else node.name
            yield node.lineno, node.end_lineno or node.lineno, name
            yield from _scopes(node, name)
        else:
            yield from _scopes(node, outer)


def _scope(scopes: list[tuple[int, int, str]], line: int) -> str:
    names = [name for first, last, name in scopes if first <= line <= last]
    return f"`{names[-1]}`: " if names else ""


def _paragraph(lines: list[str], place: int) -> str:
    """The comment, or the paragraph of the docstring, that the line belongs to."""
    comment = lines[place].lstrip().startswith("#")

    def belongs(line: str) -> bool:
        plain = line.strip()
        return plain.startswith("#") if comment else bool(plain) and '"""' not in plain

    first = last = place
    while not ('"""' in lines[first] and not comment) and belongs(lines[first - 1]):
        first -= 1
    if (
        not comment
        and lines[first].count('"""') == 0
        and '"""' in lines[first - 1]
        and lines[first - 1].strip() != '"""'
    ):
        first -= 1
    while lines[last].count('"""') < (2 if last == first else 1) and last + 1 < len(lines) and belongs(lines[last + 1]):
        last += 1
    words = " ".join(line.strip().lstrip("# ") for line in lines[first : last + 1])
    text = " ".join(words.replace('"""', "").replace("``", "`").split())
    bare = text.removeprefix("Assumption: ")
    return bare if bare == text else bare[0].upper() + bare[1:]


def faults() -> str:
    from cloudlink_sandbox.faults import FaultKind

    return "\n".join(
        [
            "| Kind | Where | What happens |",
            "|---|---|---|",
            *(f"| `{k}` | {k.scope} | {k.meaning} |" for k in FaultKind),
        ]
    )


def durations() -> str:
    from cloudlink_sandbox.durations import MEDIANS

    rows = ["| What | Median | From | To |", "|---|---|---|---|"]
    rows += [f"| `{kind}` | {m:g} s | {low:g} s | {high:g} s |" for kind, (m, low, high) in MEDIANS.items()]
    return "\n".join(rows)


def world_file() -> str:
    """Every key of the sandbox's world file, from its dataclasses and the comments at their fields."""
    from cloudlink_sandbox.world_file import WorldFile

    source = (SANDBOX / "world_file.py").read_text(encoding="utf-8")
    lines = source.splitlines()
    comments = {
        (kind.name, node.target.id): lines[(node.end_lineno or node.lineno) - 1].partition("  # ")[2]
        for kind in ast.parse(source).body
        if isinstance(kind, ast.ClassDef)
        for node in kind.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    return "\n".join(["| Key | Default | |", "|---|---|---|", *_keys(WorldFile, "", comments)])


def _keys(kind: Any, path: str, comments: dict[tuple[str, str], str]) -> Iterator[str]:
    hints = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        inner = next((a for a in get_args(hints[field.name]) if dataclasses.is_dataclass(a)), hints[field.name])
        name = f"{path}.{field.name}" if path else field.name
        if dataclasses.is_dataclass(inner):
            several = get_origin(hints[field.name]) is tuple
            about = " ".join((inner.__doc__ or "").split()) if "(" not in (inner.__doc__ or "(")[:40] else ""
            none = " `false`: there is none." if field.default_factory is not dataclasses.MISSING and path else ""
            if about or none or several:
                yield f"| `{f'[[{name}]]' if several else f'[{name}]'}` | | {about}{none} |"
            yield from _keys(inner, f"{name}[]" if several else name, comments)
        else:
            yield f"| `{name}` | {_default(field)} | {next(comments[k.__name__, field.name] for k in kind.__mro__ if (k.__name__, field.name) in comments)} |"


def _default(field: dataclasses.Field[Any]) -> str:
    value = field.default
    if value is dataclasses.MISSING:
        return "*required*"
    if value is None or value == ():
        return "–"
    if isinstance(value, tuple):
        return "`[" + ", ".join(str(v) if isinstance(v, int) else f'"{v}"' for v in value) + "]`"
    return (
        f"`{str(value).lower()}`"
        if isinstance(value, bool)
        else f'`"{value}"`'
        if not isinstance(value, int)
        else f"`{value}`"
    )


def fidelity(shown: str) -> Callable[[], str]:
    """``table`` or ``counts`` of what the tests say about the sandbox: see fidelity.py beside this file."""

    def make() -> str:
        import fidelity as declared

        try:
            return str(getattr(declared, shown)(declared.rows(ROOT)))
        except declared.Undeclared as error:
            raise SystemExit(str(error)) from error

    return make


def rehearsal_differences() -> str:
    from cloudlink.rehearse.differences import DIFFERENCES

    rows = ["| | The clouds | Here | Source |", "|---|---|---|---|"]
    rows += [f"| {d.what} | {d.clouds} | {d.here} | {d.source} |" for d in DIFFERENCES]
    return "\n".join(rows)


def kinds_of_link() -> str:
    """What `just kinds` measured and wrote."""
    import kinds

    return str(kinds.table(kinds.written()))


BLOCKS: dict[str, Callable[[], str]] = {
    "kinds": kinds_of_link,
    "configuration": configuration,
    "exit-codes": exit_codes,
    "commands": commands,
    "dependencies": dependencies,
    "layers": layers,
    "topology": docstring("topology.py", r"^    public IPs.*?^    all of it[^\n]*"),
    "json-lines": docstring("view/json_lines.py", r"^    type  .*?^    result[^\n]*"),
    "assumptions": assumptions,
    "faults": faults,
    "durations": durations,
    "world-file": world_file,
    "rehearsal-differences": rehearsal_differences,
    "fidelity": fidelity("table"),
    "fidelity-counts": fidelity("counts"),
}

if __name__ == "__main__":
    sys.exit(main())
