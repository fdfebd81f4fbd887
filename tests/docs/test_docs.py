"""The documentation says what the program does: generated parts are fresh, commands and links exist, and nothing of a
developer's machine stands in a committed file."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from typer.main import get_command

from cloudlink.cli.commands import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "sandbox" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TRY = "python3 -m venv .venv && .venv/bin/pip install . ./sandbox && .venv/bin/cloudlink up --sandbox"
WORK = "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' -e ./sandbox && .venv/bin/just check"


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATE = _generator()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_generated_parts_are_fresh(page: Path) -> None:
    _, changed = GENERATE.renewed(page.read_text(encoding="utf-8"))
    assert changed == [], "renew them with: .venv/bin/python docs/generate.py"


@pytest.mark.parametrize("name", GENERATE.files())
def test_generated_files_are_fresh(name: str) -> None:
    fresh = (ROOT / name).read_text(encoding="utf-8") == GENERATE.files()[name]
    assert fresh, "renew them with: .venv/bin/python docs/generate.py"


def test_every_block_is_used_somewhere() -> None:
    everything = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [name for name in GENERATE.BLOCKS if f"<!-- begin: {name} -->" not in everything] == []


def test_a_stale_block_is_noticed_and_renewed() -> None:
    text = "a\n<!-- begin: exit-codes -->\nold\n<!-- end: exit-codes -->\nb\n"
    new, changed = GENERATE.renewed(text)
    assert changed == ["exit-codes"]
    assert new.startswith("a\n<!-- begin: exit-codes -->\n\n| Code |")
    assert new.endswith("<!-- end: exit-codes -->\nb\n")
    assert GENERATE.renewed(new) == (new, [])


@pytest.mark.parametrize(
    "text",
    [
        "<!-- begin: exit-codes -->\n",
        "<!-- end: exit-codes -->\n",
        "<!-- begin: exit-codes -->\n<!-- end: faults -->\n",
        "<!-- begin: no-such-block -->\n<!-- end: no-such-block -->\n",
    ],
)
def test_broken_markers_are_refused(text: str) -> None:
    with pytest.raises(SystemExit):
        GENERATE.renewed(text)


# --- commands -----------------------------------------------------------------------------------------------


def _commands() -> Iterator[tuple[tuple[str, ...], object]]:
    def walk(command: object, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
        if words:
            yield words, command
        for name, child in getattr(command, "commands", {}).items():
            yield from walk(child, (*words, name))

    return walk(get_command(app), ())


@pytest.mark.parametrize(
    ("words", "command"), list(_commands()), ids=lambda v: " ".join(v) if isinstance(v, tuple) else ""
)
def test_every_command_has_help_and_is_documented(words: tuple[str, ...], command: object) -> None:
    assert getattr(command, "help", None), "no help text"
    for parameter in getattr(command, "params", ()):
        told = getattr(parameter, "help", None)
        assert told or parameter.name == "config", f"{parameter.name} has no help text"
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert f"### `cloudlink {' '.join(words)}`" in page
    assert f"cloudlink {words[0]}" in README


def test_commands_and_options_in_the_documentation_exist() -> None:
    known = dict(_commands())
    for page in PAGES:
        for line in re.findall(r"cloudlink ((?:[a-z-]+ )*[a-z-]+[^\n`|]*)", _shell(page.read_text(encoding="utf-8"))):
            words = line.split("#")[0].split()
            path = tuple(w for i, w in enumerate(words) if tuple(words[: i + 1]) in known)
            assert path, f"{page.name}: cloudlink {line}"
            rest = words[len(path) :]
            if hasattr(known[path], "commands"):
                assert not rest or not re.fullmatch(r"[a-z][a-z-]*", rest[0]), f"{page.name}: cloudlink {line}"
            offered = {o for p in known[path].params for o in (*p.opts, *p.secondary_opts)}  # type: ignore[attr-defined]
            for option in (w.rstrip(".,;:)") for w in words if w.startswith("--")):
                assert option in offered | {"--help"}, f"{page.name}: {option} in cloudlink {line}"


def _shell(text: str) -> str:
    """What stands in sh blocks, and in line as code that begins with cloudlink."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    inline = re.findall(r"`(cloudlink [a-z][^`\n]*)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return "\n".join([*blocks, *inline]).replace("cloudlink --", "--")


# --- README -------------------------------------------------------------------------------------------------


def test_the_first_two_commands_of_the_readme() -> None:
    """One line each, to be copied; the first is how to try it, the second what CI runs."""
    indented = [line.strip() for line in README.splitlines() if line.startswith("    ") and ".venv" in line]
    assert indented[:2] == [TRY, WORK]
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert WORK in ci


def test_the_readme_is_one_that_is_read() -> None:
    assert len(README.encode()) <= 12_000, "reference stands in docs/"


def test_what_the_first_command_needs_is_there() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(project["optional-dependencies"]) == {"dev"}
    assert (ROOT / "sandbox" / "pyproject.toml").exists()
    assert project["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert (ROOT / "config.example.toml").exists()


def _metadata() -> dict[str, set[str]]:
    """Folder as pip is told it -> the extras of the distribution in it. Of what is published, only a dependency of ours."""
    found = {"botocore": {"crt"}}
    for folder in (".", "./sandbox"):
        project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        found[folder] = set(project.get("optional-dependencies", {}))
    return found


def _install_hints() -> Iterator[tuple[str, str]]:
    """What pip is told to install, wherever that is said to a user or to CI."""
    files = [*PAGES, ROOT / "justfile", ROOT / ".ci" / "run"]
    files += [*(ROOT / "src").rglob("*.py"), *(ROOT / "sandbox" / "src").rglob("*.py")]
    for file in files:
        for line in re.findall(r"pip install ([^\n`&|#]+)", file.read_text(encoding="utf-8")):
            yield str(file.relative_to(ROOT)), line.split(";")[0].strip('" ')


def test_what_pip_is_told_to_install_exists() -> None:
    """A distribution that is published nowhere is installed from its folder, with an extra that it has."""
    known, seen = _metadata(), 0
    for file, line in _install_hints():
        words = [w.strip("'") for w in line.split()]
        if "-r" in words or "uv" in words:
            continue
        for word in (w for w in words if not w.startswith("-")):
            folder, _, extra = word.partition("[")
            assert folder in known, f"{file}: {word}"
            assert not extra or extra.rstrip("]") in known[folder], f"{file}: {word}"
            seen += 1
    assert seen >= 6


def test_both_distributions_have_one_version_and_the_names_that_are_spoken_of() -> None:
    from cloudlink import __version__
    from cloudlink.sandbox_client import GROUP

    product, sandbox = (
        tomllib.loads((ROOT / f / "pyproject.toml").read_text(encoding="utf-8")) for f in (".", "sandbox")
    )
    assert (product["project"]["name"], sandbox["project"]["name"]) == ("cloudlink-cli", "cloudlink-sandbox")
    assert sandbox["project"]["version"] == __version__
    assert list(sandbox["project"]["entry-points"]) == [GROUP]
    assert not [d for d in product["project"]["dependencies"] if "moto" in d or "sandbox" in d]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(
        r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    ):
        if target.startswith("http"):
            continue
        name, _, anchor = target.partition("#")
        file = page.parent / name if name else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {_anchor(h) for h in headings}, target


def _anchor(heading: str) -> str:
    """As GitHub makes them."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_files_named_in_the_documentation_exist() -> None:
    for page in PAGES:
        for name in re.findall(r"`(src/cloudlink/[\w./]+)`", page.read_text(encoding="utf-8")):
            assert (ROOT / name).exists(), f"{page.name}: {name}"


# --- every committed text file ------------------------------------------------------------------------------

# Written in pieces, so that this file does not contain them.
FORBIDDEN = {
    "a path of one machine": re.compile("(?<![\\w.~-])/(?:work|root|home|Users)" + "/"),
    "a folder for passing files": re.compile("/tmp" + "/"),
    "a tool that writes text": re.compile(r"(?i)\b(?:chat" + "gpt|clau" + "de|anthro" + "pic|copi" + r"lot)\b"),
}


def _committed() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout: there is no list of committed files")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name]


def test_no_committed_file_names_a_developers_machine() -> None:
    found = []
    for path in _committed():
        try:
            text = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
        for what, pattern in FORBIDDEN.items():
            found += [f"{path.relative_to(ROOT)}: {what}: {match[0]}" for match in pattern.finditer(text)]
    assert found == []


def test_the_files_that_a_change_touches_exist() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition("## What a change touches")[2].partition("\n## ")[0]
    names = list(re.findall(r"`([\w/{},]+\.py)`", table))
    names = [name for name in names if "NAME" not in name and not name.startswith("docs/")]
    assert len(names) > 20
    every = {str(path.relative_to(ROOT / "src" / "cloudlink")) for path in (ROOT / "src" / "cloudlink").rglob("*.py")}
    for name in names:
        before, _, rest = name.partition("{")
        middle, _, after = rest.partition("}")
        for one in middle.split(",") if rest else [""]:
            wanted = f"{before}{one}{after}"
            assert any(path == wanted or path.endswith(f"/{wanted}") for path in every), wanted


def test_pages_name_one_price_for_a_whole_link() -> None:
    said = re.findall(r"about (5\d\d)\s+USD", "\n".join(page.read_text(encoding="utf-8") for page in PAGES))
    assert len(said) >= 2 and len(set(said)) == 1, said
