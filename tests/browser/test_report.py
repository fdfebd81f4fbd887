"""The report in a real browser: layout, errors, network, accessibility, pictures, print."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudlink.checks.report import Health
from cloudlink.view.report import page
from tests.clients import install
from tests.support.report_samples import kept
from tests.view import view_samples as samples

HERE = Path(__file__).parent
PICTURES = HERE / "pictures"
WIDTHS = (360, 768, 1280)
MOST_DIFFERENT = 0.02  # of a picture's points; what Debian's next version of a library may change
LONG = "a" * 150

pytestmark = pytest.mark.conformance


@pytest.fixture(scope="module")
def looks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    install.need("chromium-headless-shell", "playwright-core")
    if not shutil.which("node"):
        pytest.skip("node is not here")
    folder = tmp_path_factory.mktemp("report")
    pages = {
        "degraded": samples.DEGRADED,
        "paused": replace(samples.ABSENT, health=Health.PAUSED, verdict="The link is paused."),
        "long": replace(samples.DEGRADED, zone=LONG, learned=(LONG,), records=((LONG, "A alias", LONG),)),
    }
    for name, status in pages.items():
        (folder / f"{name}.html").write_text(page(samples.LINK, kept(status), version="0.0.0"))
    found = json.loads(
        _node("browser.mjs", install.folder() / "bin" / install.CHROMIUM, folder, *folder.glob("*.html"))
    )
    assert isinstance(found, list)
    return found


def _node(script: str, *arguments: object) -> str:
    command = ["node", HERE / script, install.folder() / "pages", *arguments]
    done = subprocess.run([str(a) for a in command], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _on_screen(looks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    shown = [look for look in looks if look["scheme"] != "print"]
    assert {look["width"] for look in shown} == set(WIDTHS) and len(shown) == 18
    return shown


def test_nothing_is_loaded_run_or_refused(looks: list[dict[str, Any]]) -> None:
    for look in _on_screen(looks):
        assert (look["errors"], look["requests"], look["scripts"]) == ([], 1, 0), look


def test_it_fits_every_width_and_its_drawing_can_be_read(looks: list[dict[str, Any]]) -> None:
    for look in _on_screen(looks):
        assert look["beyond"] <= 0 and look["drawings"] == 1, look
        assert look["smallest"] >= 10, look


def test_no_barrier_to_anybody(looks: list[dict[str, Any]]) -> None:
    assert [look["violations"] for look in _on_screen(looks) if look["violations"]] == []


def test_light_dark_and_paper(looks: list[dict[str, Any]]) -> None:
    backgrounds = {look["scheme"]: look["background"] for look in looks}
    assert backgrounds == {
        "light": "rgb(255, 255, 255)",
        "dark": "rgb(13, 17, 23)",
        "print": "rgb(255, 255, 255)",
    }


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_it_looks_as_somebody_last_saw_it(
    looks: list[dict[str, Any]], width: int, scheme: str, request: pytest.FixtureRequest
) -> None:
    """Renewed by hand: look at the new picture, then put it in the old one's place."""
    (look,) = (o for o in _on_screen(looks) if "degraded" in o["page"] and (o["width"], o["scheme"]) == (width, scheme))
    known = PICTURES / f"report-{width}-{scheme}.png"
    found = json.loads(_node("compare.mjs", known, look["picture"]))
    assert found["part"] <= MOST_DIFFERENT, f"{found['part']:.1%} differs: {look['picture']}"
