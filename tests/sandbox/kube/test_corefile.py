"""The Corefile's grammar, and what keeps each CoreDNS version from starting."""

from __future__ import annotations

import pytest

from cloudlink_sandbox.kube.addons import ADDON_CONFIGMAPS
from cloudlink_sandbox.kube.corefile import BrokenCorefile, parse
from cloudlink_sandbox.kube.plugins import Configuration, configure, coredns_version

BASE = ADDON_CONFIGMAPS["coredns"]["data"]["Corefile"]
GOOD = """corp.example:53 {
    errors
    cache 30
    forward . 10.1.1.10 10.1.2.10 {
        policy random
        max_fails 3
        health_check 5s
        expire 10s
        prefer_udp
    }
}
"""


def custom(version: str = "1.12.1", **keys: str) -> Configuration:
    files = {f"custom/{k.replace('__', '.')}": v for k, v in keys.items()}
    return configure({"Corefile": BASE, **files}, version, own=["10.0.0.10"])


@pytest.mark.documentation("A Corefile has tokens, quotes, comments and nested blocks")
def test_tokens_quotes_comments_and_nested_blocks() -> None:
    text = 'a.example b.example, c.example { # comment\n  errors "two words" {\n    x "a \\"b\\" #no"\n  }\n}\n'
    (block,) = parse({"Corefile": text})
    assert block.keys == ("a.example", "b.example", "c.example")
    (errors,) = block.directives
    assert errors.args == ("two words",)
    assert errors.block[0].args == ('a "b" #no',)


@pytest.mark.documentation("Snippets and files are imported, by name and by pattern")
def test_snippets_and_imports() -> None:
    text = "(common) {\n  errors\n  log\n}\na.example {\n  import common\n  import more/*.conf\n}\nimport blocks/*.server\n"
    blocks = parse({"Corefile": text, "more/x.conf": "ready", "blocks/z.server": "z.example {\n whoami\n}"})
    assert [b.keys[0] for b in blocks] == ["a.example", "z.example"]
    assert [d.name for d in blocks[0].directives] == ["errors", "log", "ready"]


@pytest.mark.program("Unclosed, misplaced and empty parts are refused")
@pytest.mark.parametrize(
    "text",
    [
        "a {\n errors\n",
        "a {\n errors {\n",
        "a { errors }\n",
        "a, {\n errors\n}\n",
        "a {\n import missing.conf\n}\n",
        "a {\n import a b\n}\n",
        "a {\n import\n}\n",
        "(s) {\n errors\n}\n(s) {\n}\n",
    ],
)
def test_broken_grammar(text: str) -> None:
    with pytest.raises(BrokenCorefile):
        parse({"Corefile": text})


@pytest.mark.program("What CoreDNS forgives at a file's end is forgiven")
@pytest.mark.parametrize(
    "text",
    [
        GOOD.removesuffix("}\n"),  # any brace that ends the text is taken for the block's
        GOOD + "}\n",  # a zone of that name
        "a.example\nwhoami\n",
        "a.example\n",
        "{\n errors\n}\n",
        "(usual) {\n errors\n}\na.example {\n import usual\n}\n",
        GOOD.replace("10.1.2.10", "10.1.2.10#second"),
    ],
)
def test_what_is_forgiven_at_the_end(text: str) -> None:
    """Each was shown to the real CoreDNS; so are all of them in tests/coredns."""
    custom(z__server=text)


@pytest.mark.program("A zone in capitals is another zone")
def test_a_zone_in_capitals_is_another_zone() -> None:
    made = custom(a__server=GOOD.replace("corp.example:53", "Corp.Example"), b__server=GOOD)
    assert [b.zone for b in made.blocks] == [".", "Corp.Example.", "corp.example."]


@pytest.mark.program("The block that cloudlink writes works in every version that AKS ships")
@pytest.mark.parametrize("version", ["1.9.4", "1.11.3", "1.12.1", "1.13.1", "1.14.3", "1.14.6", "1.15.0"])
def test_the_recommended_block_works_everywhere(version: str) -> None:
    made = custom(version, link__server=GOOD)
    assert [b.zone for b in made.blocks] == [".", "corp.example."]
    (forward,) = made.blocks[1].forwards
    assert [u.address for u in forward.upstreams] == ["10.1.1.10", "10.1.2.10"]
    assert (forward.max_fails, forward.health_check, forward.prefer_udp) == (3, 5.0, True)
    assert made.reloads


@pytest.mark.documentation("Keys with other suffixes are ignored")
def test_other_suffixes_are_ignored() -> None:
    assert len(custom(link__conf=GOOD, other="garbage {{{").blocks) == 1


@pytest.mark.program(
    "Zones twice, plugins twice, unknown options and wrong arguments keep CoreDNS from starting, in its own words"
)
@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"a__server": GOOD, "b__server": GOOD}, "cannot serve dns://corp.example.:53 - it is already defined"),
        ({"a__server": GOOD.replace("corp.example:53", ".:53")}, "already defined"),
        ({"a__server": GOOD.replace("corp.example:53", "corp.example."), "b__server": GOOD}, "already defined"),
        (
            {"a__server": GOOD.replace("    errors", "    errors\n    errors")},
            "plugin/errors: this plugin can only be used once",
        ),
        ({"a__override": "cache 10"}, "plugin/cache: this plugin can only be used once"),
        ({"a__override": "log\nnonsense"}, "Unknown directive 'nonsense'"),
        ({"a__server": GOOD.replace("prefer_udp", "prefer_tcp")}, "unknown property 'prefer_tcp'"),
        ({"a__server": GOOD.replace("10.1.1.10", "10.1.1.1000")}, "not an IP address or file"),
        ({"a__server": GOOD.replace("10.1.1.10", "dns.example")}, "not an IP address or file"),
        (
            {"a__server": GOOD.replace("10.1.1.10 10.1.2.10", " ".join(f"10.1.1.{i}" for i in range(16)))},
            "more than 15 TOs",
        ),
        ({"a__server": GOOD.replace(" 10.1.1.10 10.1.2.10", "")}, "Wrong argument count"),
        ({"a__server": GOOD.replace("expire 10s", "expire 10")}, "invalid duration"),
        ({"a__server": GOOD.replace("policy random", "policy fair")}, "unknown policy"),
        ({"a__server": GOOD.replace("cache 30", "cache 0")}, "can not be zero"),
        ({"a__server": GOOD.replace("10.1.1.10", "10.0.0.10").replace("errors", "errors\n loop")}, "Loop"),
        ({"a__server": GOOD.rstrip("}\n ")}, "Unexpected EOF"),
        ({"a__server": GOOD.replace("\n", " ")}, "Unexpected '}' because no matching opening brace"),
        ({"a__server": GOOD.removesuffix("}\n"), "b__server": "b {\n}\n"}, "Unknown directive 'b'"),
        ({"a__server": GOOD + "}\n", "b__server": "b {\n}\n"}, "Unknown directive 'b'"),
    ],
)
def test_what_is_fatal(keys: dict[str, str], says: str) -> None:
    with pytest.raises(BrokenCorefile, match="(?i)" + says.replace("(", r"\(")):
        custom(**keys)


@pytest.mark.program("Options of forward are unknown before their version")
@pytest.mark.parametrize(
    ("option", "first"),
    [
        ("next NXDOMAIN", "1.12.1"),
        ("failover SERVFAIL", "1.13.1"),
        ("max_age 10s", "1.14.3"),
        ("source_address 10.0.0.1", "1.14.6"),
    ],
)
def test_options_know_their_first_version(option: str, first: str) -> None:
    versions = ["1.9.4", "1.11.3", "1.12.1", "1.13.1", "1.14.3", "1.14.6"]
    text = GOOD.replace("prefer_udp", option)
    for version in versions[: versions.index(first)]:
        with pytest.raises(BrokenCorefile, match="unknown property"):
            custom(version, a__server=text)
    custom(first, a__server=text)


@pytest.mark.documentation("A second forward in a block is fatal up to 1.9.3, and allowed since")
def test_a_forward_in_an_override() -> None:
    override = {"a__override": "forward corp.example 10.1.1.10"}
    with pytest.raises(BrokenCorefile, match="plugin/forward: this plugin can only be used once"):
        custom("1.9.3", **override)
    assert [f.zone for f in custom("1.9.4", **override).blocks[0].forwards] == [".", "corp.example."]


@pytest.mark.documentation("AKS ships the CoreDNS of its release notes")
@pytest.mark.belief("AKS 1.36 ships CoreDNS 1.14.3")
@pytest.mark.parametrize(
    ("aks", "coredns"),
    [
        ("1.30", "1.9.4"),
        ("1.31.5", "1.9.4"),
        ("1.32", "1.11.3"),
        ("1.33", "1.12.1"),
        ("1.35", "1.13.1"),
        ("1.36", "1.14.3"),
    ],
)
def test_versions_by_aks_version(aks: str, coredns: str) -> None:
    assert coredns_version(aks) == coredns
