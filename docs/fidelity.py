"""The table of fidelity: what the sandbox does, how we know that the clouds do it, and the test that holds it.

Each row is a mark on a test, read from the source without running it, so that a row cannot outlive its test::

    @pytest.mark.recorded("An update of a gateway answers 200, not 201")
    @pytest.mark.belief("A shared key with a blank is refused with InvalidSharedKey")
    def test_...

The name of the mark says where the truth comes from (SOURCES), its one argument is a sentence about the sandbox. Every
test in FOLDERS must have at least one; tests elsewhere may.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCES = {
    "recorded": "a recorded session with the real cloud",
    "specification": "Azure's published OpenAPI specification, or the standard of a protocol",
    "model": "botocore's model of the AWS service",
    "documentation": "the vendor's documentation, its published source, or what others report in public of the real one",
    "program": "the real program, unmodified, that the test runs against the sandbox or beside it",
    "belief": "a belief: nothing above says it",
    "own": "the sandbox's own: no cloud has it",
}
# Every test here declares what it holds, and from where. The headings of the table.
FOLDERS = {
    "tests/sandbox/aws": "AWS",
    "tests/sandbox/azure": "Azure",
    "tests/sandbox/kube": "Kubernetes and the wire",
    "tests/sandbox/world": "The world, time and faults",
    "tests/coredns": "CoreDNS",
    "tests/clients": "Unmodified clients",
    "tests/conformance": "Every exchange against the vendors' own documents",
}


@dataclass(frozen=True)
class Row:
    """One behaviour. file: relative to the project, with slashes. area: what the file is about, in its own words."""

    area: str
    behaviour: str
    source: str
    file: str
    test: str


class Undeclared(Exception):
    """A test without a mark, or a mark that cannot be read."""


def rows(root: Path) -> list[Row]:
    """Of all tests below root/tests, in the order of files and lines. Raises Undeclared, naming every place at once."""
    found: list[Row] = []
    wrong: list[str] = []
    for path in sorted((root / "tests").rglob("test_*.py")):
        file = path.relative_to(root).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        area = " ".join((ast.get_docstring(tree) or path.stem).split("\n\n")[0].split())
        for test in _tests(tree):
            of_test = list(_marks(test, wrong, file))
            found += [Row(area, said, source, file, test.name) for source, said in of_test]
            if not of_test and any(file.startswith(f"{folder}/") for folder in FOLDERS):
                wrong.append(f"{file}:{test.lineno} {test.name} says nowhere which behaviour it holds")
    if wrong:
        raise Undeclared("\n".join(wrong))
    return found


def _tests(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from _tests(node)
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node


def _marks(test: ast.FunctionDef, wrong: list[str], file: str) -> Iterator[tuple[str, str]]:
    """(source, sentence) of every mark, those of single parameter sets among them."""
    for decorator in test.decorator_list:
        for node in ast.walk(decorator):
            if (
                not isinstance(node, ast.Attribute)
                or node.attr not in SOURCES
                or ast.unparse(node.value) != "pytest.mark"
            ):
                continue
            call = next((c for c in ast.walk(decorator) if isinstance(c, ast.Call) and c.func is node), None)
            match call:
                case ast.Call(args=[ast.Constant(value=str(said))], keywords=[]) if said.strip():
                    yield node.attr, " ".join(said.split())
                case _:
                    wrong.append(f"{file}:{node.lineno} {test.name}: {node.attr} takes one sentence, written out")


def table(found: list[Row]) -> str:
    """Every row, by cloud and file."""
    parts: list[str] = []
    for folder, heading in _headings(found).items():
        of_folder = [r for r in found if _folder(r) == folder]
        parts += [f"### {heading}", ""]
        for file in dict.fromkeys(r.file for r in of_folder):
            of_file = [r for r in of_folder if r.file == file]
            parts += [f"[`{file.rsplit('/', 1)[-1]}`](../{file}): {of_file[0].area}", ""]
            parts += ["| Behaviour | Truth | Test |", "|---|---|---|"]
            parts += [f"| {_cell(r.behaviour)} | {_shown(r.source)} | `{r.test}` |" for r in of_file]
            parts.append("")
    return "\n".join(parts)


def counts(found: list[Row]) -> str:
    """How many rows each source has, in each part of the table."""
    lines = [f"| | {' | '.join(SOURCES)} | all |", "|---|" + "---:|" * (len(SOURCES) + 1)]
    for folder, heading in {**_headings(found), "": "**all**"}.items():
        of_folder = Counter(r.source for r in found if folder in ("", _folder(r)))
        lines.append(
            f"| {heading} | {' | '.join(str(of_folder[s] or '–') for s in SOURCES)} | {sum(of_folder.values())} |"
        )
    lines += ["", "| Truth | comes from |", "|---|---|", *(f"| {s} | {said} |" for s, said in SOURCES.items())]
    return "\n".join(lines)


def _folder(row: Row) -> str:
    return next((f for f in FOLDERS if row.file.startswith(f"{f}/")), row.file.rsplit("/", 1)[0])


def _headings(found: list[Row]) -> dict[str, str]:
    """FOLDERS first, in their order, then others that have rows."""
    used = {_folder(r) for r in found}
    return {f: h for f, h in FOLDERS.items() if f in used} | {f: f"`{f}`" for f in sorted(used - FOLDERS.keys())}


def _shown(source: str) -> str:
    return f"**{source}**" if source == "belief" else source


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
