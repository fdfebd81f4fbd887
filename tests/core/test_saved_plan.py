"""A plan in a file: what it holds, what is no plan, and each way in which it is no longer what up would do."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from cloudlink.core.plan import Action, Change, FieldChange, Plan, spec_hash
from cloudlink.core.saved_plan import SavedPlan, check_link, check_world, read, save
from cloudlink.errors import DeclinedError, UsageError
from tests.support.links import make_link

LINK = make_link()
NEW = Change("aws_vpn.gateway", "Gateway", Action.CREATE)
CHANGED = Change("resolver.records", "Records", Action.UPDATE, fields=(FieldChange("ttl", "30", "60"),), id="Z1/demo")
PLAN = Plan((NEW, CHANGED))


def saved(plan: Plan = PLAN) -> SavedPlan:
    return read(save(plan, LINK, "1.2", ("resolver",)), "f.plan")


def test_what_is_saved_is_read() -> None:
    assert json.loads(save(PLAN, LINK, "1.2"))["only"] == []
    assert saved() == SavedPlan(
        LINK.name,
        LINK.place,
        "1.2",
        spec_hash(LINK),
        ("resolver",),
        (
            {"address": "aws_vpn.gateway", "action": "create", "id": "", "fields": []},
            {"address": "resolver.records", "action": "update", "id": "Z1/demo", "fields": [["ttl", "30", "60"]]},
        ),
        json.loads(save(PLAN, LINK, "1.2"))["sections"],
    )


def test_a_file_of_which_one_byte_was_changed_is_not_taken_for_a_changed_world() -> None:
    """Each byte: it is no plan, or not the plan that was written; none gets as far as the clouds."""
    text = save(PLAN, LINK, "1.2")
    for place, was in enumerate(text):
        if was in " \n":
            continue
        changed = text[:place] + ("x" if was != "x" else "y") + text[place + 1 :]
        with pytest.raises(UsageError) as caught:
            read(changed, "f.plan")
        assert caught.value.summary in ("The saved plan was changed", "The saved plan cannot be read")
    assert "not any more what cloudlink plan --out has written" in refusal_of(text.replace("Z1/demo", "Z2/demo"))


def refusal_of(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        read(text, "f.plan")
    return caught.value.detail


def test_the_section_of_the_configuration_that_was_changed_is_named() -> None:
    for section, link in (
        ("dns", replace(LINK, dns=replace(LINK.dns, record_ttl=61))),
        ("probe", replace(LINK, probe=replace(LINK.probe, image="another"))),
        ("tags", replace(LINK, tags=(("team", "a"),))),
    ):
        with pytest.raises(DeclinedError) as caught:
            check_link(saved(), link, "1.2", "f.plan")
        assert f"The configuration was changed in [{section}] after it was made." in caught.value.detail


def test_another_format_is_named() -> None:
    with pytest.raises(UsageError) as caught:
        read('{"format": 2}', "f.plan")
    assert caught.value.summary == "The saved plan cannot be read"
    assert caught.value.detail == "f.plan has format 2; this version of cloudlink reads format 1."
    assert caught.value.hint == "Make it again: cloudlink plan --out FILE"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', "[" * 100_000, "null"])
def test_what_is_no_plan(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(text, "f.plan")
    assert caught.value.summary == "The saved plan cannot be read"
    assert caught.value.detail == "f.plan is not what cloudlink plan --out writes, or it was changed."
    assert caught.value.hint == "Make it again: cloudlink plan --out FILE"


def test_its_own_link_is_taken() -> None:
    check_link(saved(), LINK, "1.2", "f.plan")
    check_world(saved(), PLAN, "f.plan")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"link": "other"}, "f.plan is of the link other; the configuration describes"),
        ({"place": dict.fromkeys(LINK.place, "elsewhere")}, f"f.plan is of another place ({', '.join(LINK.place)});"),
        ({"place": {**LINK.place, "more": "x"}}, "f.plan is of another place ();"),
    ],
)
def test_the_plan_of_another_link(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_link(replace(saved(), **changes), LINK, "1.2", "f.plan")
    assert caught.value.summary == "The saved plan is another link's"
    assert caught.value.detail.startswith(said) and caught.value.detail.endswith("Nothing was changed.")
    assert caught.value.hint.endswith("make a plan of this one: cloudlink plan --out FILE")


def declined(**of: Any) -> DeclinedError:
    with pytest.raises(DeclinedError) as caught:
        check_link(replace(saved(), **of), LINK, "1.2", "f.plan")
    return caught.value


def test_another_version_and_another_configuration() -> None:
    start, end = "f.plan is no longer what up would do. ", " Nothing was changed."
    assert declined(version="1.1").detail == f"{start}It was made by cloudlink 1.1; this is 1.2.{end}"
    told = declined(configuration="x")
    assert told.detail == f"{start}The configuration was changed after it was made.{end}"
    assert (told.summary, told.hint) == ("The plan has changed", "Look at what it would do now: cloudlink plan")


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ((NEW,), "resolver.records is no longer in the plan."),
        ((NEW, CHANGED, replace(NEW, address="b")), "b is newly in the plan."),
        ((replace(NEW, action=Action.NO_OP), CHANGED), "aws_vpn.gateway was create and is no-op."),
        ((NEW, replace(CHANGED, id="Z2/demo")), "resolver.records is another object."),
        ((NEW, replace(CHANGED, fields=())), "resolver.records is different in other fields."),
        ((), "aws_vpn.gateway is no longer in the plan; resolver.records is no longer in the plan."),
        (
            tuple(replace(NEW, address=a) for a in "abcd"),
            "a is newly in the plan; aws_vpn.gateway is no longer in the plan; b is newly in the plan; and 3 more.",
        ),
    ],
)
def test_a_world_that_has_changed(now: tuple[Change, ...], said: str) -> None:
    with pytest.raises(DeclinedError) as caught:
        check_world(saved(), Plan(now), "f.plan")
    assert f"The clouds have changed after it was made: {said} Nothing was changed." in caught.value.detail


def test_titles_and_reasons_are_no_difference() -> None:
    check_world(saved(), Plan((replace(NEW, title="Other", why="x"), CHANGED)), "f.plan")
