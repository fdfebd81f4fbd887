"""The report as text. That a browser takes it is tried in tests/browser/test_report.py."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from tests.support.report_samples import kept
from tests.view import view_samples as samples

from cloudlink.checks.report import Health
from cloudlink.view import report

_VOID = {"meta", "br"}


class Outline(HTMLParser):
    """Whether every element ends where it should, and what there is."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}>"


def outline(text: str) -> Outline:
    read = Outline()
    read.feed(text)
    assert read.open == []
    return read


def page(status: Any, **more: Any) -> str:
    return report.page(samples.LINK, kept(status, **more), version="0.2.0")


@pytest.mark.parametrize("status", [samples.HEALTHY, samples.DEGRADED, samples.DOWN, samples.ABSENT])
def test_it_is_small_and_whole_and_loads_and_runs_nothing(status: Any) -> None:
    text = page(status)
    found = outline(text)
    assert len(text.encode()) < 300_000
    tags = [tag for tag, _ in found.tags]
    assert not {"script", "link", "img", "iframe", "object", "form", "a", "base"} & set(tags)
    assert tags.count("h1") == tags.count("main") == tags.count("style") == 1
    assert not [a for _, attributes in found.tags for a in attributes if a.startswith("on") or a == "style"]
    assert not re.search(
        r"(?:https?:)?//(?!www\.w3\.org)", re.sub(r"<[^>]*datetime[^>]*>", "", text).split("</style>")[1]
    )
    assert "url(" not in text and "@import" not in text


def test_its_policy_allows_its_one_style_sheet_and_nothing_else() -> None:
    text = page(samples.HEALTHY)
    style = re.search("<style>(.*?)</style>", text, re.S)
    policy = re.search('Content-Security-Policy" content="(.*?)">', text)
    assert style and policy
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policy[1] == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_what_it_says() -> None:
    text = page(samples.DEGRADED)
    for said in (
        "DEGRADED",
        "The pre-shared keys differ",
        "AES256-GCM",
        "group 20",
        "3.120.44.12",
        "rtb-0c0ffee0c0ffee002",
        "about <strong>396 USD a month</strong>",
        "Forwarding of corp.example in CoreDNS",
        "Certificates fit the names",
        "of the last 40 looks found the link healthy",
        "cloudlink-prod-test.server",
    ):
        assert said.lower() in text.lower(), said
    assert re.search(r"cluster-dns \d+ ms", text) and re.search(r"endpoint \d+ to \d+ ms|endpoint \d+ ms", text)


def test_without_names_it_says_how_to_ask_them() -> None:
    assert "cloudlink report --names" in page(samples.HEALTHY, dns=False)


def test_a_paused_link() -> None:
    status = replace(samples.ABSENT, health=Health.PAUSED, since=samples.START, verdict="The link is paused.")
    text = page(status)
    assert "PAUSED" in text and "The link is paused." in text
    outline(text)


HOSTILE = '<script>alert(1)</script>" onload="x" \u202eevil\x1b[31m'


def test_no_word_of_a_cloud_is_taken_for_markup() -> None:
    def poison(thing: Any) -> Any:
        if isinstance(thing, dict):
            known = ("outcome", "health", "at", "since", "verdict", "inside")
            return {k: v if k in known else poison(v) for k, v in thing.items()}
        if isinstance(thing, list):
            return [poison(v) for v in thing]
        return HOSTILE if isinstance(thing, str) else thing

    clean = outline(page(samples.DEGRADED))
    content = kept(samples.DEGRADED)
    dirty_text = report.page(samples.LINK, poison(content), version=HOSTILE)
    dirty = outline(dirty_text)
    assert {tag for tag, _ in dirty.tags} <= {tag for tag, _ in clean.tags}
    names = {a for _, attributes in clean.tags for a in attributes}
    assert {a for _, attributes in dirty.tags for a in attributes} <= names
    assert "\u202e" not in dirty_text and "\x1b" not in dirty_text and "&lt;script&gt;" in dirty_text


def test_a_table_with_static_routes_alone_is_complete() -> None:
    tables = (replace(samples.HEALTHY.route_tables[0], propagating=False, routes=(), static=("10.20.0.0/16",)),)
    text = page(replace(samples.HEALTHY, route_tables=tables))
    assert "complete, by static routes" in text and "takes no routes" not in text
