"""What each kind of value says of itself to editors, and the kinds that the schema of the configuration makes for itself."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest

from cloudlink.config import names, pods
from cloudlink.config.schema import (
    _aks_range_problem,
    _azure_range_problem,
    _ciphers,
    _groups,
    keys_of,
)
from cloudlink.config.value_types import (
    ValidationError,
    ValueType,
    choice,
    integer,
    listing,
    network,
    number,
    one_or_more,
    text,
    word_or,
)


def refused(kind: ValueType[Any], value: object) -> tuple[str, str, str]:
    with pytest.raises(ValidationError) as caught:
        kind.read(value)
    (mistake,) = caught.value.mistakes
    return mistake.found, mistake.allowed, mistake.near_miss


def test_what_editors_are_told_of_a_kind() -> None:
    digit = text("a digit", "[0-9]", longest=1)
    form = {"type": "string", "pattern": "^(?:[0-9])$", "maxLength": 1}
    assert digit.schema == form
    for kind in (text("any case", "[a-z]", lower=True), text("words", r"\w"), text("words", "(?i:a)")):
        assert kind.schema == {"type": "string"}, "JavaScript reads this pattern otherwise"
    assert text("anything").schema == {"type": "string", "pattern": "^(?:.+)$", "maxLength": 255}
    assert integer(2, 10).schema == {"type": "integer", "minimum": 2, "maximum": 10}
    assert number(0.5, 10).schema == {"type": "number", "minimum": 0.5, "maximum": 10}
    assert choice({"a": 1, "b": 2}).schema == {"enum": ["a", "b"]}
    several = {"type": "array", "items": form, "minItems": 1, "maxItems": 3, "uniqueItems": True}
    assert listing(digit, 1, 3, of="digits").schema == several
    assert one_or_more(digit, 3, of="digits").schema == {"anyOf": [form, several]}
    assert word_or("auto", digit).schema == {"anyOf": [{"const": "auto"}, form]}
    cidr = "^([0-9]{1,3}(?:\\.[0-9]{1,3}){3})/([0-9]{1,2})$"
    assert network().schema == {"type": "string", "pattern": cidr}


def test_ids_of_aws() -> None:
    kind = names._aws_id("x", "a thing")
    assert (kind.type, kind.allowed) == ("string", "the id of a thing, x- and 8 or 17 hexadecimal digits")
    assert kind.read("x-0123abcd") == "x-0123abcd"
    assert kind.read("x-0123456789abcdef0") == "x-0123456789abcdef0"
    assert refused(kind, "x-0123abcde")[2] == ""
    assert refused(kind, "y-0123abcd")[2] == ""


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("eu-centrall-1", "eu-central-1"),
        (" EU_CENTRAL_1 ", "eu-central-1"),
        ("us-west-2b", "us-west-2"),
        ("us-gob-west-1", "us-gov-west-1"),
        ("xx", "xx"),
        ("eu-zzzz-1", "eu-zzzz-1"),
        ("ab-1bc", "ab-1bc"),
    ],
)
def test_the_region_that_was_meant(written: str, meant: str) -> None:
    assert names._near_region(written) == meant


def test_ciphers() -> None:
    kind = _ciphers()
    four = "AES128, AES256, AES128-GCM or AES256-GCM"
    assert (kind.type, kind.allowed) == ("string", four)
    assert [kind.read(name) for name in ("AES128", "AES256-GCM")] == ["AES128", "AES256-GCM"]
    for name, meant in (
        *(("AES192", "AES256"), ("AES192-GCM", "AES256-GCM"), ("DES", ""), ("DES3", ""), ("3DES", ""), ("None", "")),
    ):
        assert refused(kind, name) == (f'"{name}"', f"{four} (AWS does not have it)", meant)
    for name, meant in (
        *(("GCMAES256", "AES256-GCM"), ("GCMAES128", "AES128-GCM"), ("GCMAES192", "AES256-GCM"), ("AES", "AES256")),
        *(("AES256-GCM-16", "AES256-GCM"), ("AES128-GCM-16", "AES128-GCM"), ("aes128", "AES128")),
    ):
        assert refused(kind, name) == (f'"{name}"', four, meant)


def test_groups() -> None:
    kind = _groups()
    assert (kind.type, kind.allowed) == ("integer", "14, 19, 20 or 24")
    assert [kind.read(n) for n in (14, 19, 20, 24)] == [14, 19, 20, 24]
    reasons = {1: "AWS does not have it", 2: "both clouds take it, but it is too weak to be used"}
    azure = (5, 15, 16, 17, 18, 21, 22, 23, 35, 36, 37)
    for group, reason in (reasons | dict.fromkeys(azure, "Azure does not have it")).items():
        assert refused(kind, group) == (str(group), f"14, 19, 20 or 24 ({reason})", "")
    for group in (0, 3, 34, 38):
        assert refused(kind, group) == (str(group), "14, 19, 20 or 24", "")
    for word, meant in (
        *(("14", "14"), ("DHGroup14", "14"), ("DHGroup2048", "14"), ("PFS14", "14"), ("PFS2048", "14"), ("19", "19")),
        *(
            ("ECP256", "19"),
            ("ecp384", "20"),
            ("20", "20"),
            ("DHGroup24", "24"),
            ("PFS24", "24"),
            ("24", "24"),
            ("x", ""),
        ),
    ):
        assert refused(kind, word) == (f'"{word}"', "14, 19, 20 or 24", meant)


@pytest.mark.parametrize(
    ("range_", "aks", "azure"),
    [
        ("10.0.0.0/8", "", ""),
        ("172.29.0.0/16", "", ""),
        ("172.30.0.0/16", "AKS does not take 172.30.0.0/16", ""),
        ("172.31.4.0/24", "AKS does not take 172.31.0.0/16", ""),
        ("192.0.2.0/25", "AKS does not take 192.0.2.0/24", ""),
        ("0.0.0.0/8", "Azure does not take 0.0.0.0/8", "Azure does not take 0.0.0.0/8"),
        ("127.1.0.0/16", "Azure does not take 127.0.0.0/8", "Azure does not take 127.0.0.0/8"),
        ("169.254.1.0/24", "Azure does not take 169.254.0.0/16", "Azure does not take 169.254.0.0/16"),
        ("168.63.129.0/24", "Azure does not take 168.63.129.16/32", "Azure does not take 168.63.129.16/32"),
        ("168.63.130.0/24", "", ""),
        ("224.0.0.0/4", "Azure does not take 224.0.0.0/3", "Azure does not take 224.0.0.0/3"),
        ("223.255.255.0/24", "", ""),
    ],
)
def test_ranges_that_azure_refuses(range_: str, aks: str, azure: str) -> None:
    assert _aks_range_problem(IPv4Network(range_)) == aks
    assert _azure_range_problem(IPv4Network(range_)) == azure


def test_keys_of_a_table() -> None:
    assert [key.path for key in keys_of("")] == ["name", "tags"]
    assert [key.path for key in keys_of("vpn")] == [
        "vpn.inside_pool",
        "vpn.inside_cidrs",
        "vpn.psk_storage",
        "vpn.bandwidth",
    ]
    with pytest.raises(StopIteration):
        keys_of("nothing")


def test_pairs_say_what_they_are() -> None:
    kind = pods._pairs("letters", "[a-z]", "[0-9]")
    assert (kind.type, kind.allowed, kind.schema) == ("table of strings", "at most 40: letters", {})
