"""Our CoreDNS block, written and read back, and what other keys serve. The sandbox's own parser is the judge of ours."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudlink.clouds.ownership import Owner
from cloudlink.steps.dns_forward import corefile
from cloudlink.steps.dns_forward.corefile import Head, Unreadable, examine, heads, read, written
from cloudlink.steps.dns_forward.corefile_rules import NEWEST, version_of
from cloudlink_sandbox.kube import corefile as sandbox_corefile

ADDRESSES = (IPv4Address("10.1.2.10"), IPv4Address("10.1.1.10"))
OWNER = Owner("demo", "vpc-1", "sub/rg/vnet")
WANTED = corefile.block(("corp.example",), ADDRESSES)


def test_the_text() -> None:
    assert written(OWNER, WANTED) == (
        "# Managed by cloudlink, link demo. Changes made here are undone by the next `cloudlink up`.\n"
        "# Its place: VPC vpc-1, VNet sub/rg/vnet\n"
        "corp.example:53 {\n"
        "    errors\n"
        "    cache 30\n"
        "    forward . 10.1.1.10 10.1.2.10 {\n"
        "        policy random\n"
        "        max_fails 3\n"
        "        health_check 5s\n"
        "        expire 10s\n"
        "        prefer_udp\n"
        "    }\n"
        "}\n"
    )


@given(
    st.lists(st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True), min_size=1, max_size=4),
    st.sets(st.ip_addresses(v=4), min_size=1, max_size=6),
)
@settings(max_examples=60, deadline=None)
def test_reading_is_the_way_back(labels: list[str], addresses: set[IPv4Address]) -> None:
    wanted = corefile.block((".".join(labels),), tuple(addresses))
    text = written(OWNER, wanted)
    assert read(text) == wanted
    assert heads(text) == (Head(wanted.zone, "dns", 53),)
    (server,) = sandbox_corefile.parse({"Corefile": text})
    assert server.keys == (f"{wanted.zone}:53",)
    (forward,) = (d for d in server.directives if d.name == "forward")
    assert forward.args == (".", *(str(a) for a in sorted(addresses)))


def test_the_mark_is_of_one_link() -> None:
    text = written(OWNER, WANTED)
    assert corefile.is_marked(text, "demo")
    assert not corefile.is_marked(text, "demo2")
    assert not corefile.is_marked(text, "dem")


@pytest.mark.parametrize(
    "text", ["", "corp.example", "forward . nonsense", "}{", "a {\n b {\n", "corp.example { forward . 10.1.1.1 }"]
)
def test_whatever_stands_there_can_be_read_and_differs(text: str) -> None:
    assert read(text) != WANTED


@pytest.mark.parametrize(
    ("text", "zones"),
    [
        (
            "a.example:53 {\n errors\n}\nb.example {\n forward . 10.0.0.1 {\n  prefer_udp\n }\n}\n",
            ["a.example", "b.example"],
        ),
        ("A.Example. b.example:53 {\n}\n", ["A.Example", "b.example"]),  # capitals stay, and such a zone is never found
        ("a.example,\nb.example\n{\n errors\n}\n", ["a.example", "b.example"]),
        ("# a comment {\na.example { # another }\n errors\n}\n", ["a.example"]),
        ("(snippet) {\n errors\n}\na.example {\n import snippet\n}\n", ["a.example"]),
        ("import other/*.conf\na.example {\n}\n", ["a.example"]),
        (
            'a.example {\n template ANY ANY {\n  answer "{{ .Name }} # {"\n }\n}\nb.example {\n}\n',
            ["a.example", "b.example"],
        ),
        (". {\n}\n", ["."]),
        (":53 {\n}\n", ["."]),
        ("dns://a.example {\n}\n", ["a.example"]),
        ("tls://a.example a.example:5353 b.example {\n}\n", ["b.example"]),
        ("", []),
    ],
)
def test_zones_that_a_text_serves(text: str, zones: list[str]) -> None:
    assert [h.zone for h in heads(text) if h.is_plain_dns] == zones
    if "import other" not in text:
        sandbox_corefile.parse({"Corefile": text})  # and it is a Corefile at all


@pytest.mark.parametrize(
    "text",
    [
        "a.example {\n errors\n",
        'a.example {\n "no end\n}\n',
        "a.example { errors }\n",
        "a.example, {\n}\n",
        "a..example {\n}\n",
        "a.example: {\n}\n",
    ],
)
def test_what_is_no_corefile(text: str) -> None:
    with pytest.raises(Unreadable):
        heads(text)


KEY = corefile.key_of("demo")


def test_our_own_key_is_no_conflict() -> None:
    assert examine({KEY: written(OWNER, WANTED)}, KEY, ("corp.example",)) == corefile.Examination((), ())


@pytest.mark.parametrize(
    ("keys", "conflict"),
    [
        ({"x.server": "corp.example {\n}\n"}, "already serves corp.example"),
        ({"x.server": "dns://corp.example.:53 {\n}\n"}, "already serves corp.example"),
        ({"x.server": ".:53 {\n}\n"}, "root zone"),
        ({"x.server": "a.b {\n}\n", "y.server": "a.b:53 {\n}\n"}, "both serve a.b"),
        ({"x.server": "a.b {\n"}, "The key x.server cannot be read"),
        ({"a.server": "a.b\n"}, "The key a.server cannot be read"),  # it swallows what follows, which is ours
        ({"x.server": "a.b {\n nonsense\n}\n"}, "CoreDNS has no plugin nonsense"),
        ({"x.server": "a.b {\n forward . 10.1.1\n}\n"}, "forward cannot ask 10.1.1"),
        ({"x.server": "a.b {\n forward . 10.1.1.1 {\n  fast\n }\n}\n"}, "has no option fast"),
        ({"x.override": "cache 10\n"}, "cache may appear once"),
        ({"x.override": "corp.example {\n}\n"}, "no plugin corp.example"),
    ],
)
def test_conflicts(keys: dict[str, str], conflict: str) -> None:
    (found,) = examine(keys, KEY, ("corp.example",)).conflicts
    assert conflict in found


@pytest.mark.parametrize(
    "keys",
    [
        {"x.server": "example {\n}\n"},  # less specific: ours wins
        {"x.server": "corp.example:5353 {\n}\n"},
        {"x.server": "tls://corp.example {\n}\n"},
        {"x.override": "log\n"},
        {"x.server": "CORP.example {\n}\n"},  # to CoreDNS another zone, which no question is ever in
        {"x.server": "othercorp.example {\n}\n"},
    ],
)
def test_no_conflicts(keys: dict[str, str]) -> None:
    assert examine(keys, KEY, ("corp.example",)) == corefile.Examination((), ())


def test_options_and_plugins_know_their_first_version() -> None:
    keys = {
        "x.server": "a.b {\n forward . 10.1.1.1 {\n  next NXDOMAIN\n }\n}\n",
        "y.server": "c.d {\n multisocket 2\n}\n",
    }
    assert examine(keys, KEY, ("corp.example",), (1, 12, 1)) == corefile.Examination((), ())
    (unreadable,) = examine(keys, KEY, ("corp.example",), (1, 9, 4)).conflicts
    assert "no plugin multisocket" in unreadable
    (unknown,) = examine({"x.server": keys["x.server"]}, KEY, ("corp.example",), (1, 11, 3)).conflicts
    assert "forward of CoreDNS 1.11.3 has no option next" in unknown


def test_of_a_newer_coredns_nothing_is_called_unknown() -> None:
    keys = {"x.server": "a.b {\n novelty\n forward . 10.1.1.1 {\n  faster\n }\n}\n"}
    assert examine(keys, KEY, ("corp.example",), (2, 0, 0)).conflicts == ()
    assert examine(keys, KEY, ("corp.example",)).conflicts


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("1.9.4", (1, 9, 4)),
        ("mcr.microsoft.com/oss/v2/kubernetes/coredns:v1.11.3-7", (1, 11, 3)),
        ("localhost:5000/coredns:v1.12.1@sha256:00", (1, 12, 1)),
        ("coredns:latest", NEWEST),
        ("", NEWEST),
    ],
)
def test_the_version_that_an_image_names(image: str, version: tuple[int, int, int]) -> None:
    assert version_of(image) == version


def test_warnings() -> None:
    seen = examine(
        {"x.server": "eu.corp.example {\n}\n", "corp.example": "corp.example {\n}\n"}, KEY, ("corp.example",)
    )
    assert seen.conflicts == ()
    assert seen.shadowed == ("eu.corp.example",)
    assert any("ignores it" in w for w in seen.warnings)
    assert any("never reach AWS" in w for w in seen.warnings)


NAMES = "hosts {\n 10.1.2.3 billing.corp.example pay.corp.example\n 10.1.2.4 other.example\n fallthrough\n}\n"


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"names.override": NAMES}, ("names.override", "billing.corp.example, pay.corp.example")),
        ({"parent.server": f"example:53 {{\n {NAMES} forward . 10.9.9.9\n}}\n"}, ("parent.server", "billing.corp.")),
        (
            {"parent.server": "example:53 {\n forward . 10.9.9.9\n}\n"},
            ("parent.server serves example", "cannot be read"),
        ),
        (
            {"t.override": 'template IN A corp.example {\n match "^x[.]corp[.]example[.]$"\n answer "x"\n}\n'},
            ("t.override", "corp.example (template)"),
        ),
        (
            {"r.override": "rewrite stop name exact db.corp.example db.default.svc.cluster.local\n"},
            ("db.corp.example",),
        ),
        ({"r.override": "rewrite name suffix .corp.example .svc.cluster.local\n"}, ("corp.example (rewrite)",)),
        (
            {"r.override": "rewrite {\n name regex (.*)\\.corp\\.example {1}.x.example\n}\n"},
            ("corp.example (rewrite)",),
        ),
    ],
)
def test_names_that_other_keys_answer_today_go_to_aws(keys: dict[str, str], told: tuple[str, ...]) -> None:
    seen = examine(keys, KEY, ("corp.example",))
    assert seen.conflicts == ()
    (sentence,) = seen.taken
    assert all(words in sentence for words in told), sentence
    assert "go to AWS from now on" in sentence
    assert "other.example" not in sentence


@pytest.mark.parametrize(
    "keys",
    [
        {"names.override": "hosts {\n 10.1.2.3 billing.other.example\n fallthrough\n}\n"},
        {"below.server": "eu.corp.example {\n forward . 10.1.2.3\n}\n"},  # keeps its names
        {"log.override": "log\n"},
    ],
)
def test_other_keys_that_lose_no_name(keys: dict[str, str]) -> None:
    assert examine(keys, KEY, ("corp.example",)).taken == ()


OWN = ".:53 {\n errors\n hosts /etc/coredns/private.hosts\n forward . 10.9.9.9\n import custom/*.override\n}\nimport custom/*.server\n"


def test_the_clusters_own_corefile_is_read() -> None:
    """hosts stands in it already on clusters whose API is private."""
    keys = {"names.override": NAMES}
    assert examine(keys, KEY, ("corp.example",)).conflicts == ()
    (conflict,) = examine(keys, KEY, ("corp.example",), base=OWN).conflicts
    assert "names.override" in conflict
    assert "hosts may appear once" in conflict
    # cache, which the usual one has, is free here
    assert examine({"c.override": "cache 10\n"}, KEY, ("corp.example",)).conflicts
    assert examine({"c.override": "cache 10\n"}, KEY, ("corp.example",), base=OWN).conflicts == ()


def test_the_key_is_named_where_the_clusters_own_line_comes_after_it() -> None:
    base = ".:53 {\n import custom/*.override\n hosts /etc/x\n}\nimport custom/*.server\n"
    (conflict,) = examine({"names.override": NAMES}, KEY, ("corp.example",), base=base).conflicts
    assert "names.override" in conflict


def test_a_zone_of_the_clusters_own_corefile() -> None:
    base = OWN + "corp.example:53 {\n forward . 10.9.9.9\n}\n"
    (conflict,) = examine({}, KEY, ("corp.example",), base=base).conflicts
    assert "corp.example" in conflict


def test_a_corefile_that_cannot_be_read_is_taken_for_the_usual_one() -> None:
    assert examine({"c.override": "cache 10\n"}, KEY, ("corp.example",), base=".:53 {\n").conflicts


def test_keys_that_are_not_text() -> None:
    (conflict,) = examine({}, KEY, ("corp.example",), not_text=("other.server", "picture.png")).conflicts
    assert "The key other.server is not text in UTF-8" in conflict


def test_an_option_that_coredns_has_lost_is_found_before_the_restart() -> None:
    keys = {"rw.server": "shop.example:53 {\n errors\n kubernetes cluster.local {\n  upstream\n }\n}\n"}
    (conflict,) = examine(keys, KEY, ("corp.example",), (1, 11, 3)).conflicts
    assert "rw.server" in conflict
    assert "no option upstream" in conflict
    assert examine(keys, KEY, ("corp.example",), (1, 6, 6)).conflicts == ()
