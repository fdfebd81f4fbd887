"""Each type of value by itself, value by value: what it reads, and with which words it refuses the rest."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from cloudlink.config.pods import _pairs, quantity
from cloudlink.config.reference import reference
from cloudlink.config.schema import TABLES, Key, Table, _defaulted, _optional, _required
from cloudlink.config.value_types import (
    BOOLEAN,
    PRIVATE_ADDRESS,
    ValidationError,
    ValueType,
    choice,
    closest,
    integer,
    listing,
    network,
    number,
    one_or_more,
    text,
    word_or,
)
from cloudlink.errors import Mistake


def refused(kind: ValueType[Any], value: object) -> tuple[str, str, str]:
    """What is shown as found, what is allowed, and what was probably meant."""
    (mistake,) = mistakes(kind, value)
    assert mistake.path == ""
    return mistake.found, mistake.allowed, mistake.near_miss


def mistakes(kind: ValueType[Any], value: object) -> tuple[Mistake, ...]:
    with pytest.raises(ValidationError) as raised:
        kind.read(value)
    return raised.value.mistakes


# --- text ---------------------------------------------------------------------------------------------------


def test_text() -> None:
    kind = text("small letters", r"[a-z.]+", longest=5)
    assert (kind.type, kind.allowed) == ("string", "small letters")
    assert kind.read("abcde") == "abcde"
    assert refused(kind, "abcdef") == ('"abcdef"', "small letters", "")
    assert refused(kind, "") == ('""', "small letters", "")
    assert refused(kind, " abc ") == ('" abc "', "small letters", "abc")
    assert refused(kind, " ABC ") == ('" ABC "', "small letters", "abc")
    assert refused(kind, "ABC") == ('"ABC"', "small letters", "abc")
    assert refused(kind, "a-b") == ('"a-b"', "small letters", "")
    assert refused(kind, "a\tb")[1:] == ("text without control characters: small letters", "")
    assert refused(kind, True) == ("true", "a string: small letters", "")
    assert refused(kind, 12) == ("12", "a string: small letters", "")


def test_text_of_any_form() -> None:
    assert text("anything").read("x" * 255) == "x" * 255
    assert refused(text("anything"), "x" * 256)[1] == "anything"
    assert refused(text("digits", r"[0-9]+"), 12) == ("12", "a string: digits", '"12"')
    assert refused(text("a number", r"[0-9.]+"), 1.5) == ("1.5", "a string: a number", '"1.5"')
    assert refused(text("digits", r"[0-9]+"), True)[2] == ""
    assert refused(text("true", "true"), True)[2] == "", "a boolean is not a word without its quotes"


def test_a_dot_at_the_end_and_what_else_may_have_been_meant() -> None:
    name = text("a name", r"[a-z]+(\.[a-z]+)*")
    assert refused(name, "a.b.")[2] == "a.b"
    assert refused(name, "A.B.")[2] == "a.b"
    named = text("a name", r"[A-Za-z]+", near=lambda value: value.replace("-", ""))
    assert refused(named, "a-b")[2] == "ab"
    assert refused(named, "a_b")[2] == "", "what was guessed must be accepted itself"
    folded = text("a name", r"[a-z]+", lower=True)
    assert folded.read("AbC") == "abc"
    assert refused(folded, "A-C") == ('"A-C"', "a name", "")


def test_what_was_probably_meant() -> None:
    assert closest("regoin", ("region", "profile")) == "region"
    assert closest("REGION", ("Region",)) == "Region"
    assert closest("zzz", ("region",)) == ""
    assert closest("name", ("Name", "NAME")) == "Name", "the first of equals"
    assert closest("abcd", ("abxy",)) == "" and closest("abcd", ("abxy",), 0.5) == "abxy"
    assert closest("a" * 80 + "b" * 400, ("a" * 80,)) == "a" * 80, "what is very long is compared by its beginning"


# --- numbers ------------------------------------------------------------------------------------------------


def test_integer() -> None:
    kind = integer(2, 10)
    assert (kind.type, kind.allowed) == ("integer", "2 to 10")
    assert [kind.read(n) for n in (2, 3, 10)] == [2, 3, 10]
    assert refused(kind, 1) == ("1", "2 to 10", "")
    assert refused(kind, 11) == ("11", "2 to 10", "")
    assert refused(kind, True) == ("true", "a whole number: 2 to 10", "")
    assert refused(kind, 3.0) == ("3.0", "a whole number: 2 to 10", "")
    for written, near in (("2", "2"), (" 10 ", "10"), ("11", ""), ("1", ""), ("x", ""), ("3.5", ""), ("", "")):
        assert refused(kind, written)[1:] == ("a whole number: 2 to 10", near), written
    big = integer(0, 10**12)
    assert refused(big, "1234567890")[2] == "1234567890" and refused(big, "12345678901")[2] == ""
    assert integer(1, 2, "one or two").allowed == "one or two"
    assert integer(1, 2, why="of two").allowed == "1 to 2 (of two)"
    assert refused(integer(1, 2, "one or two", why="of two"), 3)[1] == "one or two (of two)"


def test_number() -> None:
    kind = number(0.5, 1000)
    assert (kind.type, kind.allowed) == ("number", "0.5 to 1000")
    assert [(n, type(n)) for n in map(kind.read, (0.5, 1, 1000))] == [(0.5, float), (1.0, float), (1000.0, float)]
    assert refused(kind, 0.4) == ("0.4", "0.5 to 1000", "")
    assert refused(kind, 1000.5)[1] == "0.5 to 1000"
    assert refused(kind, float("nan"))[1] == "0.5 to 1000"
    assert refused(number(0, float("inf")), float("inf"))[1] == "0 to inf"
    assert refused(kind, True) == ("true", "a number: 0.5 to 1000", "")
    assert refused(kind, "1") == ('"1"', "a number: 0.5 to 1000", "")


def test_boolean() -> None:
    assert (BOOLEAN.read(True), BOOLEAN.read(False)) == (True, False)
    assert refused(BOOLEAN, "True") == ('"True"', "true or false (without quotes)", "true")
    assert refused(BOOLEAN, "FALSE")[2] == "false"
    assert refused(BOOLEAN, "yes")[2] == "true"
    assert refused(BOOLEAN, "perhaps")[2] == ""
    assert refused(BOOLEAN, 1) == ("1", "true or false (without quotes)", "")


# --- choices ------------------------------------------------------------------------------------------------


def test_choice_of_words() -> None:
    kind = choice(
        {"blue": 1, "green": 2, "red": 3},
        refusals={"pink": "it hurts", "gren": "nobody spells it so"},
        meant={"azure": "blue"},
    )
    assert (kind.type, kind.allowed) == ("string", "blue, green or red")
    assert kind.read("green") == 2
    assert refused(kind, "pink") == ('"pink"', "blue, green or red (it hurts)", "")
    assert refused(kind, "gren") == ('"gren"', "blue, green or red (nobody spells it so)", "")
    assert refused(kind, "Blue") == ('"Blue"', "blue, green or red", "blue")
    assert refused(kind, "AZURE") == ('"AZURE"', "blue, green or red", "blue")
    assert refused(kind, "gree")[2] == "green"
    assert refused(kind, "xyz")[2] == ""
    assert refused(kind, 1) == ("1", "blue, green or red", "")
    assert refused(kind, ["blue"]) == ("a list of 1 values", "blue, green or red", "")
    assert choice({"a": 1}).allowed == "a"
    assert choice({"a": 1, "b": 2}).allowed == "a or b"


def test_choice_of_numbers() -> None:
    kind = choice({14: "fourteen", 20: "twenty"}, type_="integer", refusals={2: "it is broken"})
    assert (kind.type, kind.allowed) == ("integer", "14 or 20")
    assert kind.read(14) == "fourteen"
    assert refused(kind, 2) == ("2", "14 or 20 (it is broken)", "")
    assert refused(kind, "14") == ('"14"', "14 or 20", "14")
    assert refused(kind, 14.0)[1] == "14 or 20"
    assert refused(choice({1: "one"}, type_="integer"), True)[1] == "1"
    assert refused(choice({1: "one"}), 1)[1] == "1", "a number where a word is wanted"


# --- lists --------------------------------------------------------------------------------------------------

DIGIT = text("a digit", r"[0-9]")


def test_listing() -> None:
    kind = listing(DIGIT, 1, 3, of="digits")
    assert (kind.type, kind.allowed) == ("list of strings", "1 to 3 digits, each: a digit")
    assert kind.read(["1"]) == ("1",) and kind.read(["3", "1", "2"]) == ("3", "1", "2")
    assert refused(kind, []) == ("an empty list", "1 to 3 digits", "")
    assert refused(kind, ["1", "2", "3", "4"])[1] == "1 to 3 digits"
    assert refused(kind, "1") == ('"1"', "a list: 1 to 3 digits", '["1"]')
    assert refused(kind, "x") == ('"x"', "a list: 1 to 3 digits", "")
    assert refused(kind, 1) == ("1", "a list: 1 to 3 digits", "")
    assert mistakes(kind, ["1", "x", "1"]) == (
        Mistake("[1]", '"x"', "a digit", ""),
        Mistake("[2]", '"1"', "each value once"),
    )
    assert mistakes(kind, ["x", "2", 3]) == (
        Mistake("[0]", '"x"', "a digit", ""),
        Mistake("[2]", "3", "a string: a digit", '"3"'),
    )
    nested = listing(listing(DIGIT, 1, 2, of="digits"), 0, 2, of="lists")
    assert (nested.type, nested.allowed) == (
        "list of list of stringss",
        "at most 2 lists, each: 1 to 2 digits, each: a digit",
    )
    assert mistakes(nested, [["1"], ["1", "y"]]) == (Mistake("[1][1]", '"y"', "a digit", ""),)
    assert nested.read([]) == ()


def test_a_list_with_too_many_says_why() -> None:
    kind = listing(DIGIT, 1, 2, of="digits", too_many="use two links")
    assert refused(kind, ["1", "2", "3"])[1] == "1 to 2 digits; use two links"
    assert refused(kind, [])[1] == "1 to 2 digits"


def test_one_or_more() -> None:
    kind = one_or_more(DIGIT, 2, of="digits")
    assert (kind.type, kind.allowed) == ("string or list", "a digit; or a list of them")
    assert kind.read("4") == ("4",) and kind.read(["4", "5"]) == ("4", "5")
    assert refused(kind, "x") == ('"x"', "a digit", "")
    assert refused(kind, [])[1] == "1 to 2 digits"
    assert refused(kind, ["1", "2", "3"])[1] == "1 to 2 digits"


def test_a_word_or_something_else() -> None:
    kind = word_or("create", DIGIT)
    assert (kind.type, kind.allowed) == ("string", '"create" or a digit')
    assert kind.read("create") is None and kind.read("7") == "7"
    assert refused(kind, "craete") == ('"craete"', '"create" or a digit', "create")
    assert refused(kind, " 7") == ('" 7"', '"create" or a digit', "7")
    assert refused(kind, "zzz") == ('"zzz"', '"create" or a digit', "")
    assert refused(kind, 7) == ("7", "a string: a digit", '"7"'), "what is no string is for the other kind to refuse"
    numbers = word_or("auto", integer(1, 5))
    assert (numbers.type, numbers.allowed) == ("string or integer", '"auto" or 1 to 5')
    assert numbers.read("auto") is None and numbers.read(3) == 3
    assert refused(numbers, "aut") == ('"aut"', '"auto" or 1 to 5', "auto")
    assert refused(numbers, "3") == ('"3"', '"auto" or 1 to 5', "")
    assert refused(numbers, 9) == ("9", "1 to 5", "")


# --- addresses ----------------------------------------------------------------------------------------------


def test_network() -> None:
    kind = network(16, 28)
    assert (kind.type, kind.allowed) == ("string", "an IPv4 range of /16 to /28")
    assert kind.read("10.1.0.0/16") == IPv4Network("10.1.0.0/16") and kind.read("10.1.0.0/28").prefixlen == 28
    words = "an IPv4 range of /16 to /28"
    assert refused(kind, "10.0.0.0/15") == ('"10.0.0.0/15"', words, "")
    assert refused(kind, "10.1.0.0/29")[1:] == (words, "")
    assert refused(kind, "10.1.2.3/16") == ('"10.1.2.3/16"', f"{words}, written with its first address", "10.1.0.0/16")
    assert refused(kind, " 10.1.0.0/16")[1:] == (f"{words}, written with its first address", "10.1.0.0/16")
    assert refused(kind, "fd00::/16")[1:] == (f"{words}; IPv6 is not linked", "")
    for wrong in ("10.1.0.0", "10.1.0.0/40", "10.1.0.300/16", "a:b", "10.1.0.0/255.255.0.0", "10.1.0.0/"):
        assert refused(kind, wrong)[1:] == (words, ""), wrong
    assert refused(kind, 10) == ("10", f"a string: {words}", "")
    assert network().allowed == "an IPv4 range of /8 to /29"
    assert network().read("10.0.0.0/8").prefixlen == 8 and network().read("10.0.0.0/29").prefixlen == 29
    assert network(30, 30, why="of two").allowed == "an IPv4 range of /30 (of two)"


def test_a_network_that_is_not_accepted_says_why() -> None:
    kind = network(8, 29, problem=lambda found: "it is ours" if found.prefixlen == 16 else "")
    assert refused(kind, "10.1.0.0/16") == ('"10.1.0.0/16"', "another range: it is ours", "")
    assert kind.read("10.1.0.0/17") == IPv4Network("10.1.0.0/17")


def test_a_private_address() -> None:
    words = PRIVATE_ADDRESS.allowed
    assert PRIVATE_ADDRESS.read("100.64.0.1") == IPv4Address("100.64.0.1")
    assert refused(PRIVATE_ADDRESS, "8.8.8.8") == ('"8.8.8.8"', words, "")
    assert refused(PRIVATE_ADDRESS, " 10.1.2.3/24")[1:] == (words, "10.1.2.3")
    assert refused(PRIVATE_ADDRESS, "8.8.8.8/24")[1:] == (words, "")
    assert refused(PRIVATE_ADDRESS, "ten")[1:] == (words, "")
    assert refused(PRIVATE_ADDRESS, 10)[1:] == (f"a string: {words}", "")


# --- what a pod may be given --------------------------------------------------------------------------------


def test_pairs() -> None:
    kind = _pairs("letters", "[a-z]+", "[0-9]{0,3}", taken=("ours-", "theirs"))
    assert (kind.type, kind.allowed) == ("table of strings", "at most 40: letters")
    assert kind.read({"b": "1", "a": ""}) == (("b", "1"), ("a", ""))
    assert kind.read({}) == ()
    assert refused(kind, ["a"]) == ("a list of 1 values", "a table: letters", "")
    assert mistakes(kind, {"a": "1", "ours-x": "1", "B": "2", "c": "1234", "d": 5, "e": True, "f": ["1"]}) == (
        Mistake(".ours-x", '"ours-x"', "another key: this one is cloudlink's own or AKS's"),
        Mistake(".B", '"B"', "letters"),
        Mistake(".c", '"1234"', "a string: letters", ""),
        Mistake(".d", "5", "a string: letters", '"5"'),
        Mistake(".e", "true", "a string: letters", '"true"'),
        Mistake(".f", "a list of 1 values", "a string: letters", ""),
    )
    most = {"a" * n: "1" for n in range(1, 41)}
    assert len(kind.read(most)) == 40
    assert mistakes(kind, most | {"B": "2"}) == (Mistake("", "41 entries", "at most 40"),)
    assert _pairs("any", ".+", ".*").read({"ours-x": "two\nlines"}) == (("ours-x", "two\nlines"),)


@pytest.mark.parametrize(
    ("written", "is_"),
    [
        ("100m", 0.1),
        ("2", 2.0),
        ("1.5", 1.5),
        ("3k", 3000.0),
        ("2Ki", 2048.0),
        ("1M", 1000000.0),
        ("1Mi", 1048576.0),
        ("1G", 1000000000.0),
        ("2Gi", 2147483648.0),
    ],
)
def test_quantities(written: str, is_: float) -> None:
    assert quantity(written) == pytest.approx(is_)


# --- keys, and how the reference shows them -----------------------------------------------------------------


def key_of(key: Key[Any]) -> tuple[Any, ...]:
    return key.path, key.name, key.kind, key.meaning, key.required, key.default, key.written_default


def test_keys() -> None:
    assert key_of(_required("a.b", DIGIT, "what")) == ("a.b", "b", DIGIT, "what", True, None, "")
    assert key_of(_defaulted("b", DIGIT, "4", '"4"', "what")) == ("b", "b", DIGIT, "what", False, "4", '"4"')
    assert key_of(_optional("a.b.c", DIGIT, "what", "another")) == (
        *("a.b.c", "c", DIGIT, "what", False, None),
        "another",
    )
    assert _optional("a", DIGIT, "what").written_default == ""
    table = Table("a.b", "what", ())
    assert (table.parent, table.name) == ("a", "b")
    assert (Table("a", "", ()).parent, Table("", "", ()).parent) == ("", None)


def test_the_reference_row_by_row() -> None:
    from cloudlink.config.reference import _default, _section

    keys = (
        _required("t.one", DIGIT, "The first|one."),
        _defaulted("t.two", DIGIT, "4", '"4"', "Two\nlines."),
        _optional("t.three", DIGIT, "Three.", "chosen"),
        _optional("t.four", DIGIT, "Four."),
    )
    assert _section(Table("t", "Of a test.", keys, repeated=True)).splitlines() == [
        "### `[[t]]`",
        "",
        "Of a test.",
        "",
        "| Key | Type | Default | Allowed | Meaning |",
        "|---|---|---|---|---|",
        "| `one` | string | *required* | a digit | The first\\|one. |",
        '| `two` | string | `"4"` | a digit | Two lines. |',
        "| `three` | string | chosen | a digit | Three. |",
        "| `four` | string | – | a digit | Four. |",
    ]
    assert _section(Table("t", "", ())).splitlines()[0] == "### `[t]`"
    assert _section(Table("", "", ())).splitlines()[0] == "### Above all tables"
    shown = {
        "[1, 2]": "`[1, 2]`",
        "20": "`20`",
        "true": "`true`",
        "false": "`false`",
        "10.1 or another": "10.1 or another",
        '"a" or another': '"a" or another',
        "[1] or others": "[1] or others",
    }
    for written, is_ in shown.items():
        assert _default(_defaulted("t", DIGIT, "", written, "")) == is_


def test_the_reference_is_of_every_table() -> None:
    whole = reference()
    assert len(whole.split("\n\n### ")) == len(TABLES)
    assert whole.endswith("|\n") and not whole.endswith("\n\n")
