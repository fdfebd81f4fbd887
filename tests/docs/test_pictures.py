"""The README's pictures: there, whole, small, of real screens. That their words are today's: `docs/pictures.py --check`,
which `just docs` runs."""

from __future__ import annotations

import importlib.util
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NAMES = ("up", "status", "verify-dns")


def _pictures() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pictures", ROOT / "docs" / "pictures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["pictures"] = module
    spec.loader.exec_module(module)
    return module


PICTURES = _pictures()


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_shows_it_and_it_loads_nothing(name: str) -> None:
    assert f"](docs/pictures/{name}.svg)" in README
    text = (ROOT / "docs" / "pictures" / f"{name}.svg").read_text(encoding="utf-8")
    ElementTree.fromstring(text)
    assert len(text) < 60_000
    assert re.findall(r"(?:https?:)?//[^\s\"')<]+", text.replace("http://www.w3.org/2000/svg", "")) == []
    assert "@font-face" not in text


def test_the_live_picture_and_a_tunnel_that_is_down_are_what_they_show() -> None:
    words = {n: PICTURES.words_of((ROOT / "docs" / "pictures" / f"{n}.svg").read_text("utf-8")) for n in NAMES}
    assert {"VPN", "gateway", "creating", "waits"} <= set(words["up"])
    assert "!DEGRADED" in words["status"] or "DEGRADED" in words["status"]
    assert any("sentry.prod.corp.example" in word for word in words["verify-dns"])


def test_what_differs_from_run_to_run_does_not_count_and_what_else_differs_does() -> None:
    def words(screen: str) -> object:
        return PICTURES.words_of(PICTURES.svg(screen, "cloudlink status"))

    one = "tunnel 2  vpn-0581d3d05f9872956 at 198.51.100.11  4m41s ago  12 kB"
    assert words(one) == words("tunnel 3  vpn-1 at\n198.51.100.9  1h02m ago  998 B")
    assert words(one) != words(one.replace("tunnel", "connection"))


def test_a_screen_is_what_is_left_after_lines_were_drawn_over() -> None:
    screen = PICTURES.Screen()
    screen.write("above\r\n\x1b[1mone\x1b[0m\r\ntwo\r\n")
    screen.write("\r\x1b[1A\x1b[2K\x1b[1A\x1b[2Kthree")
    assert PICTURES.plain(screen.text()).rstrip("\n") == "above\nthree"
