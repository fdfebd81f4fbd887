"""500 names are 500 names: batches and owner records within Route 53's limits, as many calls as needed and no more."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given as over
from hypothesis import settings
from hypothesis import strategies as st

from cloudlink.clouds.aws.parse_zones import ZoneRecord, record_set, records
from cloudlink.clouds.aws.zones import MOST_CHARACTERS, MOST_IN_BATCH, RecordChange, batches
from cloudlink.clouds.ownership import Owner
from cloudlink.steps.resolver.records import owned_records, owner_records, quoted, unquoted

OWNER = Owner("demo", "vpc-1", "sub/rg/vnet")
SOA = {"Name": "corp.example.", "Type": "SOA", "TTL": 900, "ResourceRecords": [{"Value": "x"}]}
CHANGES = st.lists(
    st.builds(
        lambda action, values: RecordChange(action, {}, tuple(values)),
        st.sampled_from(["CREATE", "UPSERT", "DELETE"]),
        st.lists(st.text("0123456789.", min_size=1, max_size=300), min_size=1, max_size=200),
    ),
    max_size=60,
)


def size(batch: list[RecordChange]) -> tuple[int, int]:
    weighed = [(2 if c.action == "UPSERT" else 1, c.values) for c in batch]
    return sum(w * len(v) for w, v in weighed), sum(w * sum(map(len, v)) for w, v in weighed)


@settings(deadline=None)
@over(CHANGES)
def test_batches_keep_the_order_and_the_limits_and_are_as_few_as_that_allows(changes: list[RecordChange]) -> None:
    made = list(batches(changes))
    assert [c for batch in made for c in batch] == changes
    for batch in made:
        values, characters = size(batch)
        assert len(batch) == 1 or (values <= MOST_IN_BATCH and characters <= MOST_CHARACTERS)
    for batch, following in pairwise(made):
        values, characters = size([*batch, following[0]])
        assert values > MOST_IN_BATCH or characters > MOST_CHARACTERS, "the next change would have had room"


@settings(deadline=None)
@over(st.integers(0, 1300), st.integers(1, 60))
def test_owner_records_name_every_record_whatever_their_number(count: int, width: int) -> None:
    named = [ZoneRecord(f"n{i:0{width}d}.corp.example", "A", ("10.0.0.1",), ttl=60) for i in range(count)]
    owners = owner_records(OWNER, "corp.example", named)
    there = records([SOA, *map(record_set, (*owners, *named))])
    assert all(len(o.values) <= 400 for o in owners)
    assert len(owners) == max(1, -(-count // 398))
    assert {name for name, kind in owned_records(OWNER, there) if kind == "A"} == {r.name for r in named}
    assert len(owned_records(Owner("demo-2", "vpc-1", "sub/rg/vnet"), there)) == 0
    assert len(owned_records(Owner("dem", "vpc-1", "sub/rg/vnet"), there)) == 0


@settings(deadline=None)
@over(st.text("abcdefghij.", min_size=1, max_size=700))
def test_a_text_record_of_any_length_there_and_back(text: str) -> None:
    assert unquoted(quoted(text)) == text
    assert all(len(part.strip('"')) <= 255 for part in quoted(text).split(" "))


def test_a_record_of_our_name_without_our_content_is_somebody_elses() -> None:
    foreign = {
        "Name": "_cloudlink-demo.corp.example.",
        "Type": "TXT",
        "ResourceRecords": [{"Value": '"owns A corp.example"'}],
    }
    apex = {"Name": "corp.example.", "Type": "A", "ResourceRecords": [{"Value": "10.0.0.1"}]}
    assert owned_records(OWNER, records([SOA, foreign, apex])) == {}


def test_a_copy_of_our_owner_record_at_a_longer_name_is_somebody_elses() -> None:
    (ours,) = owner_records(OWNER, "corp.example", [ZoneRecord("corp.example", "A", ("10.0.0.1",), ttl=60)])
    copy = {**record_set(ours), "Name": "_cloudlink-demo-copy.corp.example."}
    apex = {"Name": "corp.example.", "Type": "A", "ResourceRecords": [{"Value": "10.0.0.1"}]}
    assert owned_records(OWNER, records([SOA, copy, apex])) == {}
    assert len(owned_records(OWNER, records([SOA, record_set(ours), apex]))) == 2
