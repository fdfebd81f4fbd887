"""Each sentence of the README's safety section has its proof and its figure on docs/reliability.md, and both pages name
proofs that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from reliability.__main__ import PROOFS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
HEADING = "## The README's safety section, sentence by sentence"
FIGURE = re.compile(r"\d[\d,]* of \d[\d,]*")


def section(text: str, heading: str) -> str:
    return text.partition(f"\n{heading}\n")[2].partition("\n## ")[0]


def plain(text: str) -> str:
    """Without marks of Markdown, on one line."""
    text = re.sub(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\([^)]*\)", r"\1", text)
    return " ".join(re.sub(r"[*`]", "", text).split())


def sentences(text: str) -> list[str]:
    """Of the bullets of the section."""
    bullets = re.findall(r"(?ms)^\* (.*?)(?=^\* |^\s*$)", section(text, "## Safety") + "\n")
    return [s for bullet in bullets for s in re.split(r"(?<=\.) (?=[A-Z])", plain(bullet))]


def rows() -> list[list[str]]:
    found = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section(PAGE, HEADING).splitlines()
             if line.startswith("| ")]  # fmt: skip
    return [row for row in found[1:] if not set(row[0]) <= {"-", " "}]


def test_each_sentence_has_a_row_and_each_row_its_sentence() -> None:
    assert [plain(row[0]) for row in rows()] == sentences(README)
    assert len(rows()) >= 12


@pytest.mark.parametrize("row", rows(), ids=lambda row: plain(row[0])[:40])
def test_a_row_names_proofs_that_there_are_and_their_figures(row: list[str]) -> None:
    """The figure is one of the Figures table."""
    _, proof, figure = row
    named = [name for name in re.findall(r"`([a-z_]+)`", proof) if name in PROOFS]
    assert named, f"no proof among {', '.join(PROOFS)}"
    figures = section(PAGE, "## Figures")
    held = FIGURE.findall(figure)
    assert held
    for number in held:
        assert number in figures, f"{number} is not in the table of figures"
        left, _, right = number.partition(" of ")
        assert left == right, "not all of them held"


def test_what_a_new_sentence_would_do() -> None:
    more = README.replace(
        "* **Keys are in no file", "* **Nothing is ever slow.** It is quick.\n* **Keys are in no file"
    )
    assert "Nothing is ever slow." in sentences(more)
    assert [plain(row[0]) for row in rows()] != sentences(more)


@pytest.mark.parametrize("name", PROOFS)
def test_each_proof_is_described_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE
