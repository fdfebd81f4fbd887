"""Our key in CoreDNS as it is read back, and the addresses of any server block: value by value."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from cloudlink.clouds.ownership import Owner
from cloudlink.steps.dns_forward import corefile
from cloudlink.steps.dns_forward.corefile import Block, Head, Unreadable, heads
from cloudlink.steps.dns_forward.corefile_grammar import servers
from cloudlink.steps.dns_forward.pauses import NXDOMAIN, PUBLIC, SERVFAIL, Pause, is_answer, options_of, pause_of

OWNER = Owner("demo", "vpc-1", "sub/rg/vnet")
ONE, TWO = IPv4Address("10.1.1.10"), IPv4Address("10.1.2.10")


def test_the_key_and_the_wanted_block() -> None:
    assert corefile.key_of("demo") == "cloudlink-demo.server"
    assert corefile.block(("corp.example",), (TWO, ONE)) == Block(
        "corp.example",
        (ONE, TWO),
        (
            *("errors", "cache 30"),
            *("policy random", "max_fails 3", "health_check 5s", "expire 10s", "prefer_udp"),
        ),
    )


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", Block("", (), ())),
        ("# a {\n", Block("", (), ())),
        ("a.b:53 {\n}\n", Block("a.b", (), ())),
        ("a.b {\n}\n", Block("a.b", (), ())),
        ("a.b:5353 {\n}\n", Block("a.b:5353", (), ())),
        ("a.b:53 c.d:53 {\n}\n", Block("a.b c.d", (), ())),
        ("  a.b:53{\n}\n", Block("a.b", (), ())),
        ("a:53 {\n errors # why\n  cache   30\n}\n", Block("a", (), ("errors", "cache 30"))),
        ("a:53 {\n forward . 10.1.2.10 10.1.1.10\n}\n", Block("a", (ONE, TWO), ())),
        ("a:53 {\n forward . 10.1.1.10 {\n  prefer_udp\n }\n}\n", Block("a", (ONE,), ("prefer_udp",))),
        ("a:53 {\n forward b 10.1.1.10\n}\n", Block("a", (), ("forward b 10.1.1.10",))),
        ("a:53 {\n forward . dns.example\n}\n", Block("a", (), ("forward . dns.example",))),
        ("a:53 {\n forward . 10.1.1.10\n forward . 10.1.2.10\n}\n", Block("a", (ONE,), ("forward . 10.1.2.10",))),
        ("a:53 {\n}\nb:53 {\n}\n", Block("a", (), ("b:53 {",))),
        ("errors\na {\n}\n", Block("a", (), ("errors",))),
    ],
)
def test_a_block_as_it_is(text: str, read: Block) -> None:
    assert corefile.read(text) == read


@pytest.mark.parametrize(
    ("line", "place", "is_ours"),
    [
        ("# Its place: VPC vpc-1, VNet sub/rg/vnet", "VPC vpc-1, VNet sub/rg/vnet", True),
        ("# Its place: VPC VPC-1, VNet Sub/RG/vnet", "VPC VPC-1, VNet Sub/RG/vnet", True),
        ("# Its place: VPC vpc-2, VNet sub/rg/vnet", "VPC vpc-2, VNet sub/rg/vnet", False),
        ("# Its place: VPC vpc-1, VNet sub/rg/other", "VPC vpc-1, VNet sub/rg/other", False),
        ("# Its place: VPC vpc-1", "VPC vpc-1", False),
        ("#Its place: x", "", True),
        ("", "", True),
    ],
)
def test_the_place_that_a_key_names(line: str, place: str, is_ours: bool) -> None:
    text = f"# Managed by cloudlink, link demo. More.\n{line}\na:53 {{\n}}\n# Its place: second\n"
    text = text if line.startswith("# Its") else text.replace("# Its place: second\n", "")
    assert corefile.place_of(text) == place
    assert corefile.is_of_place(text, OWNER) is is_ours


@pytest.mark.parametrize(
    ("text", "is_ours"),
    [
        ("# Managed by cloudlink, link demo. x", True),
        ("a\n# Managed by cloudlink, link demo.\n", True),
        ("# Managed by cloudlink, link demo", False),
        (" # Managed by cloudlink, link demo.", False),
        ("# Managed by cloudlink, link DEMO.", False),
        ("", False),
    ],
)
def test_the_mark(text: str, is_ours: bool) -> None:
    assert corefile.is_marked(text, "demo") is is_ours


MARKED = (
    "# Managed by cloudlink, link demo. The link is paused; `cloudlink resume` goes on with it.\n"
    "# Its place: VPC vpc-1, VNet sub/rg/vnet\n"
    '# Paused: {"addresses": {"s": "10.1.1.10", "t": "10.1.2.10"}, "answer": "%s", "since": "1970-01-01T00:01:00+00:00"}\n'
    "corp.example:53 {\n%s}\n"
)


@pytest.mark.parametrize(
    ("answer", "lines", "said"),
    [
        (
            SERVFAIL,
            "    errors\n    template ANY ANY {\n        rcode SERVFAIL\n    }\n",
            "names fail at once (SERVFAIL)",
        ),
        (
            NXDOMAIN,
            "    errors\n    template ANY ANY {\n        rcode NXDOMAIN\n    }\n",
            "names do not exist (NXDOMAIN)",
        ),
        (
            PUBLIC,
            "    errors\n    cache 30\n    forward . /etc/resolv.conf\n",
            "names are asked of the cluster's own upstream",
        ),
        (
            "192.0.2.1",
            (
                '    errors\n    template IN A {\n        answer "{{ .Name }} 30 IN A 192.0.2.1"\n    }\n'
                "    template ANY ANY {\n        rcode NOERROR\n    }\n"
            ),
            "names lead to 192.0.2.1",
        ),
    ],
)
def test_the_text_while_the_link_is_paused(answer: str, lines: str, said: str) -> None:
    pause = Pause(60.0, answer, {"t": TWO, "s": ONE})
    text = corefile.paused(OWNER, ("corp.example",), pause)
    assert text == MARKED % (answer, lines)
    assert pause_of(text) == pause
    assert pause.said == said
    assert is_answer(answer)
    assert corefile.is_marked(text, "demo") and corefile.is_of_place(text, OWNER)
    back = corefile.read(text)
    assert (back.zone, back.options) == ("corp.example", options_of(answer))
    assert heads(text) == (Head("corp.example", "dns", 53),)


@pytest.mark.parametrize(
    "said",
    [
        *("", "{}", "[]", "3", "null", '{"since": "never", "answer": "servfail", "addresses": {}}'),
        '{"since": "1970-01-01T00:01:00+00:00", "answer": "servfail", "addresses": []}',
        '{"since": "1970-01-01T00:01:00+00:00", "answer": "servfail", "addresses": {"s": "x"}}',
    ],
)
def test_a_damaged_mark_still_says_that_the_link_is_paused(said: str) -> None:
    assert pause_of(f"# Paused: {said}\n") == Pause(0.0, SERVFAIL, {})


def test_other_texts_are_not_paused_and_other_answers_are_none() -> None:
    assert pause_of("a:53 {\n}\n#Paused: {}\n") is None
    assert not is_answer("10.1.1") and not is_answer("fd00::1") and not is_answer("refused")
    strange = '# Paused: {"since": "1970-01-01T00:01:00+00:00", "answer": "refused", "addresses": {}}'
    assert pause_of(strange) == Pause(60.0, SERVFAIL, {})


@pytest.mark.parametrize(
    ("address", "head"),
    [
        ("a.b", Head("a.b", "dns", 53)),
        ("a.b.", Head("a.b", "dns", 53)),
        (".", Head(".", "dns", 53)),
        (":1053", Head(".", "dns", 1053)),
        (".:1053", Head(".", "dns", 1053)),
        ("a.b:1053", Head("a.b", "dns", 1053)),
        ("a.b:dns", Head("a.b:dns", "dns", 53)),
        ("dns://a.b", Head("a.b", "dns", 53)),
        ("tls://a.b", Head("a.b", "tls", 853)),
        ("TLS://a.b", Head("a.b", "tls", 853)),
        ("quic://a.b", Head("a.b", "quic", 853)),
        ("grpc://a.b", Head("a.b", "grpc", 443)),
        ("https://a.b", Head("a.b", "https", 443)),
        ("https3://a.b", Head("a.b", "https3", 443)),
        ("https://a.b:8443", Head("a.b", "https", 8443)),
        ("tls://", Head(".", "tls", 853)),
        (f"{'a' * 63}.b", Head(f"{'a' * 63}.b", "dns", 53)),
    ],
)
def test_the_address_of_a_block(address: str, head: Head) -> None:
    assert heads(f"{address} {{\n}}\n") == (head,)
    assert head.is_plain_dns is (head.transport == "dns" and head.port == 53)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("a.b:", "a.b: names no port"),
        ("tls://a:", "tls://a: names no port"),
        ("a..b", "a..b is not a zone"),
        (".a", ".a is not a zone"),
        (f"{'a' * 64}.b", f"{'a' * 64}.b is not a zone"),
        ("udp://a", ""),
    ],
)
def test_an_address_that_is_none(address: str, reason: str) -> None:
    if not reason:
        assert heads(f"{address} {{\n}}\n") == (Head("udp://a", "dns", 53),)
        return
    with pytest.raises(Unreadable) as caught:
        heads(f"x {{\n}}\n{address} {{\n}}\n")
    assert (str(caught.value), caught.value.key) == (reason, "")


# --- the grammar at its edges -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("a {\n}\nb {\n}\n", [("a", 0), ("b", 0)]),
        ("a, b,\nc {\n log\n}\n", [("a b c", 1)]),
        ("a {\n log\n}", [("a", 1)]),
        ("a { log\n}\n", [("a", 1)]),
        ("a\n{\n log\n}\n", [("a", 1)]),
        ("{\n log\n}\na {\n}\n", [("a", 0)]),  # a block without a zone is dropped
        ("a {\n log\n cache {\n  keepttl\n }\n}\n", [("a", 2)]),
        ("a {\n cache { }\n log\n}\n", [("a", 2)]),
        ("(s) {\n log {\n  class all\n }\n}\na {\n import s\n}\nb {\n import s\n import s\n}\n", [("a", 1), ("b", 2)]),
        ("(s) {\n}\na {\n import s\n}\n", [("a", 0)]),
        ("a (b) {\n}\n", [("a (b)", 0)]),  # a snippet is a block with one name
        ("(s {\n}\n", [("(s", 0)]),
        ("s) {\n}\n", [("s)", 0)]),
        ("a import {\n}\n", [("a import", 0)]),  # no import: it does not begin the line
        ('a {\n log "import" x\n}\n', [("a", 1)]),
        ('"" {\n log\n}\n', []),
    ],
)
def test_blocks_of_a_text(text: str, blocks: list[tuple[str, int]]) -> None:
    assert [(" ".join(s.addresses), len(s.directives)) for s in servers([("k", text)])] == blocks


def test_texts_one_after_the_other() -> None:
    found = servers([("j", "a {\n log\n"), ("k", "}\nb {\n}\n")])
    assert [(s.addresses, s.key) for s in found] == [(("a",), "j"), (("b",), "k")]
    assert [s.key for s in servers([("j", "a,\n"), ("k", "b {\n}\n")])] == ["j"], "the key where it begins"
    assert [s.addresses for s in servers([("j", "a"), ("k", "b {\n}\n")])] == [("a",)]
