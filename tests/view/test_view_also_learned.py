"""Ranges that a side learns beyond what the link is for: in a plan, a status, a page, and in Markdown."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.links import make_link
from tests.support.report_samples import kept
from tests.view import view_samples as samples

from cloudlink.core.also_learned import AlsoLearned
from cloudlink.view import also_learned, markdown, report
from cloudlink.view.plan import plan_lines
from cloudlink.view.status import status_lines
from cloudlink.view.text import Look, text_of

ROW = AlsoLearned("aws", "10.30.0.0/16", "VNet hub; the cluster has no subnet in it", "rtb-1", "Nothing limits that.")


@pytest.mark.parametrize("width", [60, 120])
def test_side_range_owner_place_and_limit_are_shown(width: int) -> None:
    for planned, verb in ((True, "will learn"), (False, "has learned")):
        lines = [text_of(x) for x in also_learned.also_learned_lines([ROW, ROW], Look(width, True), planned=planned)]
        shown = " ".join(" ".join(lines).split())
        for part in (f"AWS {verb}", ROW.range, ROW.owner, ROW.where):
            assert part in shown
        assert shown.count(ROW.limit) == 1
        assert max(map(len, lines)) <= width


def test_nothing_to_tell_is_no_heading() -> None:
    assert list(also_learned.also_learned_lines([], Look(100, True), planned=True)) == []


def test_what_could_not_be_read_is_said() -> None:
    lines = also_learned.also_learned_lines([], Look(100, True), planned=False, unread="denied")
    assert "Not all of it could be read: denied" in "\n".join(map(text_of, lines))


def test_all_details_of_a_status_have_it() -> None:
    found = replace(samples.HEALTHY, also_learned=(ROW,))
    for everything in (True, False):
        text = "\n".join(text_of(x) for x in status_lines(found, Look(120, True), samples.START, everything=everything))
        assert (ROW.range in text) is everything


def test_a_plan_has_it_and_says_that_nothing_of_others_is_changed_on_a_joined_transit_gateway() -> None:
    plan = replace(samples.LATER_PLAN, also_learned=(ROW,))
    for gateway, said in (("tgw-0aaaabbbbccccdddd", True), ("create-transit", False), ("create", False)):
        link = make_link(aws={"gateway": gateway})
        text = "\n".join(text_of(x) for x in plan_lines(plan, Look(120, True), link=link))
        assert ROW.range in text
        assert ("Nothing that others have in the route tables of tgw-0aaaabbbbccccdddd is changed" in text) is said


def test_markdown_and_the_page_have_it() -> None:
    plan = replace(samples.LATER_PLAN, also_learned=(ROW,))
    assert "* AWS will learn `10.30.0.0/16`: VNet hub" in markdown.plan_markdown(plan, link=samples.LINK)
    page = report.page(samples.LINK, kept(replace(samples.HEALTHY, also_learned=(ROW,))), version="0.2.0")
    assert "10.30.0.0/16" in page and "VNet hub" in page
