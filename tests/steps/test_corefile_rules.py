"""CoreDNS's Corefile piece by piece: words, blocks, imports, what each plugin takes, and the names that a line answers."""

from __future__ import annotations

import pytest

from cloudlink.steps.dns_forward.corefile_answers import _listed, _names, _rewritten, answers_below
from cloudlink.steps.dns_forward.corefile_grammar import Directive, Server, Unreadable, servers, words
from cloudlink.steps.dns_forward.corefile_rules import (
    NEWEST,
    _is_upstream,
    _option_is_right,
    has_plugin,
    problems,
    seconds,
)

# --- words --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a b\nc", [("a", 1), ("b", 1), ("c", 2)]),
        ("\ufeffa", [("a", 1)]),
        ("a\r\nb", [("a", 1), ("b", 2)]),
        ("a # b c\nd", [("a", 1), ("d", 2)]),
        ("# a\n\nb", [("b", 3)]),
        ("a#b c", [("a", 1), ("c", 1)]),  # the comment ends with the word
        ('"a b" c', [("a b", 1), ("c", 1)]),
        ('x "a\nb" c\nd', [("x", 1), ("a\nb", 1), ("c", 2), ("d", 3)]),
        ('\n\n"a"', [("a", 3)]),
        ('"a\\"b"', [('a"b', 1)]),
        ('"a\\nb"', [("a\\nb", 1)]),
        ('"a\\\\"', [("a\\\\", 1)]),
        ('""', [("", 1)]),
        ('a"b c"', [('a"b', 1), ('c"', 1)]),  # only a word's first character opens a quote
        ('"never', [("never", 1)]),
        ("", []),
        (" \n ", []),
    ],
)
def test_words(text: str, read: list[tuple[str, int]]) -> None:
    assert [(w.text, w.line) for w in words(text)] == read
    assert all(w.key == "k" for w in words(text, "k"))


def test_what_stands_on_one_line() -> None:
    first, second, third = words('"a\nb" c\nd')
    assert second.is_on_line_of(first) and not third.is_on_line_of(second)
    (other,) = words("c", "another")
    assert not other.is_on_line_of(words("b")[0])


# --- blocks -------------------------------------------------------------------------------------------------


def block(text: str, key: str = "k") -> tuple[Directive, ...]:
    (server,) = servers([(key, text)])
    assert server.key == key
    return server.directives


def test_directives_with_their_arguments_and_options() -> None:
    assert block("a {\n log\n forward . 1.1.1.1 {\n  expire 5s\n  prefer_udp\n }\n cache 30\n}\n") == (
        Directive("log", (), (), "k"),
        Directive("forward", (".", "1.1.1.1"), (("expire", "5s"), ("prefer_udp",)), "k"),
        Directive("cache", ("30",), (), "k"),
    )
    # on the brace's own line, and deeper than one
    assert block("a {\n x { one 1\n two {\n deep 3\n }\n three\n }\n}\n") == (
        Directive("x", (), (("one", "1"), ("two",), ("three",)), "k"),
    )


def test_blocks_and_their_addresses() -> None:
    found = servers([("k", "a,\nb c {\n log\n}\n"), ("l", "d {\n}\n{\n log\n}\n")])
    assert [(s.addresses, s.key, len(s.directives)) for s in found] == [(("a", "b", "c"), "k", 1), (("d",), "l", 0)]
    assert [s.addresses for s in servers([("k", "a\n")])] == [("a",)]
    (plain,) = servers([("k", "a\nlog\ncache 3\n")])
    assert [d.name for d in plain.directives] == ["log", "cache"]


def test_a_snippet_is_put_where_it_is_imported() -> None:
    text = (
        "(one) {\n log\n hosts {\n  1.1.1.1 x\n }\n}\n(two) {\n errors\n}\na {\n import one\n import two\n cache\n}\n"
    )
    assert [d.name for d in block(text)] == ["log", "hosts", "errors", "cache"]
    inside = "(o) {\n expire 5s\n}\na {\n forward . 1.1.1.1 {\n  import o\n  prefer_udp\n }\n}\n"
    assert block(inside)[0].options == (("expire", "5s"), ("prefer_udp",))


FILES = {"x.server": "x {\n log\n}\n", "y.server": "y {\n}\n", "c.override": "cache\n"}


@pytest.mark.parametrize(
    ("text", "key", "zones"),
    [
        ("import custom/*.server\n", "", ["x", "y"]),
        ("import /etc/coredns/custom/x.server\n", "", ["x"]),
        ("import other/*.server\n", "", []),
        ("import *.server\n", "", []),  # the Corefile's own folder holds nothing else
        ("import *.server\n", "z.server", ["x", "y"]),
        ("import custom/none*.server\n", "", []),
        ("import sub/none\n", "z.server", []),
    ],
)
def test_imports_of_files(text: str, key: str, zones: list[str]) -> None:
    found = servers([(key, text)], imports=FILES)
    assert [z for s in found for z in s.addresses] == zones
    assert [s.key for s in found] == [f"{z}.server" for z in zones]


def test_imports_inside_a_block() -> None:
    (server,) = servers([("", "a {\n import custom/*.override\n log\n}\n")], imports=FILES)
    assert [(d.name, d.key) for d in server.directives] == [("cache", "c.override"), ("log", "")]
    (passed,) = servers([("", "a {\n import custom/*.override\n log\n}\n")])
    assert [d.name for d in passed.directives] == ["log"]


@pytest.mark.parametrize(
    ("text", "reason", "key"),
    [
        ("a, {\n}\n", "a comma comes before a brace", "k"),
        ("a,", "the text ends after a comma", "k"),
        ("(s)\nlog\n", "the snippet s has no braces", "k"),
        ("(s) {\n log\n}\n(s) {\n}\n", "there are two snippets s", "k"),
        ("(s) {\n log\n", "the snippet s is not closed", "k"),
        ("a {\n log\n", "a block is not closed", "k"),
        ("a {\n log }\n}\n", "a brace is closed that was not opened", "k"),
        ("a {\n hosts {\n  1.1.1.1 x\n", "the braces of hosts are not closed", "k"),
        ("a {\n import\n}\n", "import takes one name", "k"),
        ("a {\n import x y\n}\n", "import takes one name", "k"),
        ("(s) {\n import s\n}\na {\n import s\n}\n", "imports import themselves", "k"),
        ("import x.server2\n", "there is nothing to import as x.server2", "k"),
        ("a {\n nonsense\n}\n", "CoreDNS has no plugin nonsense", "k"),
    ],
)
def test_what_cannot_be_read(text: str, reason: str, key: str) -> None:
    with pytest.raises(Unreadable) as raised:
        servers([("k", text)], imports=FILES, is_directive=lambda name: name != "nonsense")
    assert (str(raised.value), raised.value.key) == (reason, key)


def test_a_hundred_imports_are_no_circle() -> None:
    many = "(s) {\n log\n}\na {\n" + " import s\n" * 100 + "}\n"
    assert len(block(many)) == 100
    with pytest.raises(Unreadable, match="themselves"):
        block(many.replace("a {\n", "a {\n import s\n"))


# --- what plugins take --------------------------------------------------------------------------------------


def wrong(text: str, version: tuple[int, int, int] = NEWEST) -> list[str]:
    (server,) = servers([("k", f"a {{\n{text}\n}}\n")])
    found = list(problems(server, version))
    assert all(key == "k" for key, _ in found)
    return [why for _, why in found]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("forward .", "forward names no upstream"),
        ("forward . nonsense 1.1.1.1", "forward cannot ask nonsense"),
        (f"forward . {' '.join(['1.1.1.1'] * 16)}", "forward has 16 upstreams and may have 15"),
        ("forward . 1.1.1.1 {\n fast 1\n}", "forward of CoreDNS 1.14.3 has no option fast"),
        ("forward . 1.1.1.1 {\n expire\n}", "forward does not take expire"),
        ("forward . 1.1.1.1 {\n policy fast now\n}", "forward does not take policy fast now"),
        ("forward . 1.1.1.1 {\n max_age 5s\n}", "forward's max_age 5s is less than its expire"),
        ("forward . 1.1.1.1 {\n max_age 20s\n expire 30s\n}", "forward's max_age 20s is less than its expire"),
        ("cache 0", "cache cannot keep answers for 0 s"),
        ("cache -1", "cache cannot keep answers for -1 s"),
        ("cache 30 {\n fast 1\n}", "cache does not take fast 1"),
        ("cache {\n success\n}", "cache does not take success"),
        ("cache {\n denial many\n}", "cache does not take denial many"),
        ("cache {\n success 1 2 x\n}", "cache does not take success 1 2 x"),
        ("errors stderr now", "errors does not take stderr now"),
        ("loop now please", "loop does not take now please"),
        ("kubernetes x {\n resyncperiod 5s\n}", "kubernetes of CoreDNS 1.14.3 has no option resyncperiod"),
        ("cache\ncache", "cache may appear once in a server block and AKS's or another line has it"),
    ],
)
def test_what_keeps_a_plugin_from_starting(line: str, why: str) -> None:
    assert wrong(line) == [why]


@pytest.mark.parametrize(
    "line",
    [
        f"forward . {' '.join(['1.1.1.1'] * 15)}",
        "forward . 1.1.1.1 {\n max_age 10s\n}",
        "forward . 1.1.1.1 {\n max_age 5s\n expire 5s\n}",
        "forward . 1.1.1.1 {\n max_age 0s\n}",
        "cache 1\nlog\nlog",
        "cache corp.example",
        "cache 30 {\n success 1 2 3 x\n denial 5\n prefetch 1\n serve_stale\n servfail 5s\n disable success\n keepttl\n}",
        "errors",
        "errors stdout",
        "loop",
        "kubernetes x {\n pods insecure\n}",
        "hosts {\n resyncperiod 5s\n}",
    ],
)
def test_what_is_right(line: str) -> None:
    assert wrong(line) == []


def test_versions_of_options_and_plugins() -> None:
    failover = "forward . 1.1.1.1 {\n failover SERVFAIL\n}"
    assert wrong(failover, (1, 13, 0)) == []
    assert wrong(failover, (1, 12, 9)) == ["forward of CoreDNS 1.12.9 has no option failover"]
    newer = (NEWEST[0], NEWEST[1], NEWEST[2] + 1)
    assert wrong("forward . 1.1.1.1 {\n fast\n}", newer) == []
    assert wrong("forward . 1.1.1.1 {\n policy fast\n}", newer) == ["forward does not take policy fast"]
    assert wrong("kubernetes x {\n upstream\n}", (1, 6, 9)) == []
    assert wrong("kubernetes x {\n upstream\n transfer to *\n}", (1, 7, 0)) == [
        "kubernetes of CoreDNS 1.7.0 has no option upstream",
        "kubernetes of CoreDNS 1.7.0 has no option transfer",
    ]
    assert has_plugin("view", (1, 10, 0)) and not has_plugin("view", (1, 9, 9)) and has_plugin("log", (0, 0, 0))
    assert not has_plugin("novelty", NEWEST) and has_plugin("novelty", newer)


def test_a_second_line_is_told_of_the_key_that_added_it() -> None:
    for keys, told in ((("", "k"), "k"), (("k", ""), "k"), (("j", "k"), "k"), (("", ""), "")):
        server = Server(("a",), tuple(Directive("hosts", (), (), key) for key in keys), "")
        assert [key for key, _ in problems(server, NEWEST)] == [told]
    three = Server(("a",), tuple(Directive("hosts", (), (), "k") for _ in range(3)), "")
    assert len(list(problems(three, NEWEST))) == 1


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("10.1.1.1", True),
        ("10.1.1.1:53", True),
        ("10.1.1.1:dns", False),
        ("10.1.1", False),
        ("fd00::1", True),
        ("[fd00::1]:53", True),
        ("[fd00::1]", True),
        ("fe80::1%eth0", True),
        ("dns://10.1.1.1", True),
        ("TLS://10.1.1.1:853", True),
        ("tls://[fd00::1]:853", True),
        ("https://10.1.1.1", False),
        ("://10.1.1.1", False),
        ("/etc/resolv.conf", True),
        ("dns:///etc/resolv.conf", True),
        ("/etc/hosts", False),
        ("name.example", False),
        ("", False),
    ],
)
def test_upstreams(text: str, is_one: bool) -> None:
    assert _is_upstream(text) is is_one


@pytest.mark.parametrize(
    ("option", "right"),
    [
        ("force_tcp", True),
        ("force_tcp now", False),
        ("prefer_udp", True),
        ("failfast_all_unhealthy_upstreams", True),
        ("failfast_all_unhealthy_upstreams x", False),
        ("tls", True),
        ("tls a b c", True),
        ("tls a b c d", False),
        ("tls_servername x", True),
        ("tls_servername", False),
        ("policy random", True),
        ("policy round_robin", True),
        ("policy sequential", True),
        ("policy Random", False),
        ("max_fails 3", True),
        ("max_fails x", False),
        ("max_fails -1", False),
        ("max_concurrent 1000", True),
        ("max_concurrent many", False),
        ("max_idle_conns 5", True),
        ("max_idle_conns x", False),
        ("max_connect_attempts 2", True),
        ("max_connect_attempts x", False),
        ("expire 10s", True),
        ("expire 0", True),
        ("expire -1s", False),
        ("expire ten", False),
        ("max_age 1h30m", True),
        ("max_age x", False),
        ("next NXDOMAIN servfail", True),
        ("next NXDOMAIN nonsense", False),
        ("failover SERVFAIL", True),
        ("failover x", False),
        ("health_check 5s", True),
        ("health_check 0", True),
        ("health_check often", False),
        ("health_check 5s no_rec", True),
        ("health_check 5s no_rec domain example.", True),
        ("health_check 5s domain", False),
        ("health_check 5s recursive", False),
        ("except a b", True),
        ("except", False),
    ],
)
def test_options_of_forward(option: str, right: bool) -> None:
    name, *arguments = option.split()
    assert _option_is_right(name, arguments) is right


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("0", 0.0), ("5s", 5.0), ("1m30s", 90.0), ("1.5h", 5400.0), (".5s", 0.5), ("5.s", 5.0), ("200ms", 0.2)),
        *(("+5s", 5.0), ("-5s", -5.0), ("3us", 3e-6), ("3µs", 3e-6), ("3ns", 3e-9)),
        *(("5", -1.0), ("", -1.0), ("s", -1.0)),
    ],
)
def test_durations(text: str, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


# --- names that a line answers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "names"),
    [
        (
            "hosts {\n 10.1.1.1 A.corp.example. b.corp.example\n other c.corp.example\n 10.1.1.2 d.example\n}",
            ["a", "b"],
        ),
        ("hosts {\n fd00::1 a.corp.example\n ttl 5\n}", ["a"]),
        ("forward Corp.example. 10.1.1.1", ["corp.example (forward)"]),
        ("forward eu.corp.example corp.example", ["eu.corp.example (forward)"]),
        ("forward . 10.1.1.1", []),
        ("grpc corp.example 10.1.1.1", ["corp.example (grpc)"]),
        ("forward Example. 10.1.1.1", ["example (forward)"]),
        ("forward ample 10.1.1.1", []),
        ("k8s_external corp.example", ["corp.example (k8s_external)"]),
        ("hosts /x/list {\n fallthrough\n}", ["those that /x/list holds (hosts)"]),
        ("hosts /x/list example other.net", ["those that /x/list holds (hosts)"]),
        ("hosts /x/list other.net", []),
        ("hosts /etc/hosts corp.example", []),
        (
            "file /x eu.corp.example corp.example example",
            ["eu.corp.example (file)", "corp.example (file)", "example (file)"],
        ),
        ("template IN corp.example", []),
        ("template IN A Corp.example. other.example", ["corp.example (template)"]),
        (
            "template IN A example {\n match x\\.corp\\.Example\n match\n answer corp.example\n}",
            ["x\\.corp\\.Example (template)"],
        ),
        ("rewrite name a.corp.example b.example", ["a.corp.example (rewrite)"]),
        ("rewrite {\n name exact a.corp.example b\n name c.example d\n}", ["a.corp.example (rewrite)"]),
        ("log corp.example", []),
        ("hosts {\n 10.1.1.1 a.corp.example\n 10.1.1.2 a.corp.example\n}", ["a"]),
    ],
)
def test_names_of_a_line(line: str, names: list[str]) -> None:
    found = _names(block(f"z {{\n{line}\n}}\n"), "corp.example")
    assert found == [n if " " in n else f"{n}.corp.example" for n in names]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("name a.b c", ["a.b"]),
        ("name exact A.B. c", ["a.b"]),
        ("name exact b c", []),
        ("stop name suffix .a.b .c", ["a.b"]),
        ("name suffix .b .c", [".b"]),
        ("name suffix .c .d", []),
        ("continue name prefix x- y-", []),
        ("name substring a y", ["a"]),
        ("name substring x y", []),
        ("name regex (.*)\\.a\\.b$ {1}.c", ["a.b"]),
        ("name regex (a\\.b) c", ["a.b"]),
        ("name regex (.*)\\.b$ {1}.c", ["(.*)\\.b$"]),
        ("name regex (.*)\\.b\\.$ {1}.c", ["(.*)\\.b\\.$"]),
        ("name regex (.*)\\.c {1}.c", []),
        ("name regex (.+)+\\.b {1}.c", []),  # may take for ever
        ("name regex (.* {1}.c", []),
        ("name a", []),
        ("type ANY HINFO x", []),
        ("continue", []),
        ("", []),
    ],
)
def test_names_that_are_rewritten(line: str, names: list[str]) -> None:
    assert list(_rewritten(line.split(), "a.b")) == names


def test_a_long_list_is_cut() -> None:
    assert _listed(["a", "b"]) == "a, b"
    assert _listed([str(n) for n in range(12)]) == ", ".join(map(str, range(12)))
    assert _listed([str(n) for n in range(13)]).endswith("10, 11 and 1 more")


def told(text: str, key: str, zones: list[str]) -> list[str]:
    (server,) = servers([(key, text)])
    return list(answers_below(server, zones, "ours", "corp.example"))


HOSTS = "hosts {\n 10.1.1.1 a.corp.example\n}"


def test_sentences_of_names_that_go_to_aws() -> None:
    parent = f"z {{\n{HOSTS}\n}}\n"
    serves = "The key k serves example and so answers the names below corp.example today; they go to AWS from now on"
    assert told(parent, "k", ["example", "x.other"]) == [f"{serves}: a.corp.example."]
    assert told("z {\n forward . 10.1.1.1\n}\n", "k", ["example"]) == [
        f"{serves} (which they are cannot be read from the key)."
    ]
    assert told(parent, "k", ["ample"]) == [], "no parent: a name that only ends alike"
    assert told(parent, "ours", ["example"]) == []
    assert told("z {\n log\n}\n", "k", ["example"]) == []
    assert told(parent, "k", ["."]) == [
        "The key k answers names below corp.example today, which go to AWS from now on: a.corp.example."
    ]
    assert told(parent, "", ["example"]) == [], "the cluster's own lines belong to no key"
    assert told("z {\n hosts {\n 10.1.1.1 x.example\n }\n}\n", "k", ["."]) == []
