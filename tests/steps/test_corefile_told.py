"""What is told of the other keys of ``coredns-custom``, word for word, in ``golden/corefile.txt``. After a deliberate change
delete the file, run the test once, and read the new one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cloudlink.steps.dns_forward.corefile import Examination, examine, key_of
from cloudlink.steps.dns_forward.corefile_grammar import Unreadable, servers
from tests.support import golden

GOLDEN = Path(__file__).with_name("golden") / "corefile.txt"
ZONE, KEY = "corp.example", key_of("demo")


def block(*lines: str, zone: str = "a.b") -> str:
    return "\n".join((f"{zone} {{", *(f"    {line}" for line in lines), "}", ""))


def forward(option: str) -> str:
    return block("forward . 10.1.1.1 {", f"    {option}", "}")


SERVER: dict[str, str] = {
    # zones
    "our zone": block(zone=ZONE),
    "our zone, written otherwise": block(zone=f"dns://{ZONE}.:53"),
    "our zone on another port": block(zone=f"{ZONE}:5353"),
    "our zone over TLS": block(zone=f"tls://{ZONE}"),
    "our zone over HTTPS": block(zone=f"https://{ZONE}:443"),
    "a zone below ours": block(zone=f"eu.{ZONE}"),
    "a zone that only ends like ours": block(zone=f"my{ZONE}"),
    "the root zone": block(zone="."),
    "one zone twice": block(zone="a.b") + block(zone="a.b:53"),
    "two zones": block(zone="a.b, c.d"),
    "an address without a port": block(zone="a.b:"),
    "an empty label": block(zone="a..b"),
    "a label that is too long": block(zone=f"{'x' * 64}.b"),
    # grammar
    "a block that is not closed": "a.b {\n",
    "no braces": "a.b\n",
    "a brace too many": "a.b {\n}\n}\n",
    "a brace on the line of a plugin": "a.b { errors }\n",
    "a comma before a brace": "a.b, {\n}\n",
    "a comma at the end": "a.b,\n",
    "a quote that is not closed": 'a.b {\n    log "x\n}\n',
    "a comment": "# nothing\n",
    "a snippet": "(s) {\n    errors\n}\n" + block("import s"),
    "a snippet that is there twice": "(s) {\n}\n(s) {\n}\n",
    "a snippet without braces": "(s)\nerrors\n",
    "a snippet that is not closed": "(s) {\n",
    "an import of two": block("import a b"),
    "an import of nothing": block("import other"),
    "an import of itself": "(s) {\n    import s\n}\n" + block("import s"),
    "a plugin that there is not": block("nonsense"),
    "options that are not closed": "a.b {\n    forward . 10.1.1.1 {\n}\n",
    # plugins
    "a plugin twice": block("cache 30", "cache 20"),
    "forward twice": block("forward . 10.1.1.1", "forward c.d 10.1.1.2"),
    "errors with arguments": block("errors stderr"),
    "errors to standard output": block("errors stdout"),
    "loop with arguments": block("loop now"),
    "an option that kubernetes has lost": block("kubernetes cluster.local {", "    resyncperiod 5m", "}"),
    "a plugin of later versions": block("multisocket 2"),
    # forward
    "no upstream": block("forward ."),
    "upstreams of every kind": block(
        "forward . 10.1.1.1 10.1.1.2:5353 tls://10.1.1.3 dns://10.1.1.4 ::1 [::1] [::1]:53 fe80::1%eth0 /etc/resolv.conf"
    ),
    "an upstream by name": block("forward . dns.example"),
    "an upstream with a name for a port": block("forward . 10.1.1.1:dns"),
    "an upstream over HTTPS": block("forward . https://10.1.1.1"),
    "fifteen upstreams": block(f"forward . {' '.join(f'10.1.1.{i}' for i in range(15))}"),
    "sixteen upstreams": block(f"forward . {' '.join(f'10.1.1.{i}' for i in range(16))}"),
    "an option that there is not": forward("fast"),
    "a flag with an argument": forward("force_tcp yes"),
    "a flag": forward("prefer_udp"),
    "tls with four": forward("tls a b c d"),
    "tls with three": forward("tls a b c"),
    "an option without its argument": forward("expire"),
    "a policy": forward("policy sequential"),
    "a policy that there is not": forward("policy best"),
    "max_fails": forward("max_fails 3"),
    "max_fails below nothing": forward("max_fails -1"),
    "expire": forward("expire 10s"),
    "expire without a unit": forward("expire 10"),
    "expire of parts": forward("expire 1h2m0.5s"),
    "expire before now": forward("expire -10s"),
    "a code that there is not": forward("next OK"),
    "codes": forward("next nxdomain SERVFAIL"),
    "a health check": forward("health_check 5s no_rec domain a.b"),
    "a health check of no domain": forward("health_check 5s domain"),
    "a health check with more": forward("health_check 5s often"),
    "a health check of no time": forward("health_check often"),
    "an age that is less than expire": forward("max_age 5s"),
    "an age that is not": forward("max_age 10s"),
    "an age, and an expire below it": block("forward . 10.1.1.1 {", "    max_age 5s", "    expire 4s", "}"),
    # cache
    "cache for no time": block("cache 0"),
    "cache for a second": block("cache 1"),
    "cache of a zone": block("cache a.b"),
    "an option of cache that there is not": block("cache {", "    forever", "}"),
    "success without a size": block("cache {", "    success", "}"),
    "success of words": block("cache {", "    success many", "}"),
    "cache as people have it": block("cache 30 {", "    success 9984 30", "    denial 9984 5", "    prefetch 10", "}"),
    # names that go to AWS from now on
    "hosts of a parent": block("hosts {", f"    10.1.2.3 Billing.{ZONE}. pay.{ZONE} x.other", "}", zone="example"),
    "a parent that forwards": block("forward . 10.9.9.9", zone="example"),
    "a parent that only logs": block("log", zone="example"),
    "a parent with many hosts": block(
        "hosts {", f"    10.1.2.3 {' '.join(f'n{i}.{ZONE}' for i in range(14))}", "}", zone="example"
    ),
    "a parent with lines that are no hosts": block(
        "hosts /etc/x {", f"    ttl a.{ZONE}", "    fallthrough", "}", zone="example"
    ),
}

OVERRIDE: dict[str, str] = {
    "log": "log\n",
    "cache once more": "cache 10\n",
    "a block": block(zone=ZONE),
    "hosts": f"hosts {{\n    10.1.2.3 a.{ZONE}\n    fallthrough\n}}\n",
    "hosts of others": "hosts {\n    10.1.2.3 a.other.example\n}\n",
    "template of the zone": f'template IN A {ZONE}. {{\n    answer "x"\n}}\n',
    "template of a pattern": 'template IN A . {\n    match "^x[.]corp[.]example[.]$"\n    answer "x"\n}\n',
    "template of another pattern": 'template IN A . {\n    match "^x[.]other[.]$"\n}\n',
    "rewrite of a name": f"rewrite name db.{ZONE} db.default.svc.cluster.local\n",
    "rewrite that stops": f"rewrite stop name exact db.{ZONE} db.default\n",
    "rewrite of an ending": f"rewrite continue name suffix .{ZONE} .svc.cluster.local\n",
    "rewrite of a pattern": "rewrite name regex (.*)\\.corp\\.example$ {1}.x\n",
    "rewrite of a type": f"rewrite type {ZONE} a\n",
    "rewrites": f"rewrite {{\n    name exact a.{ZONE} b.c\n    ttl 5\n}}\n",
    "forward of the zone": f"forward {ZONE} 10.1.1.1\n",
    "forward of everything": "forward . 10.1.1.1\n",
    "a file": f"file /etc/x {ZONE} eu.{ZONE} other.example\n",
}

MORE: dict[str, dict[str, Any]] = {
    "a key of another kind": {"data": {"notes.txt": "x"}},
    "keys that are not text": {"data": {}, "not_text": ("b.server", "a.override", "c.png")},
    "two keys with one zone": {"data": {"x.server": block(), "y.server": block()}},
    "two keys that cannot be read": {"data": {"x.server": "a.b {\n", "y.server": block("nonsense")}},
    "not text, and cannot be read": {"data": {"x.server": block("nonsense")}, "not_text": ("b.server",)},
    "an old CoreDNS": {"data": {"x.server": forward("next NXDOMAIN")}, "version": (1, 11, 3)},
    "the first CoreDNS that knows it": {"data": {"x.server": forward("next NXDOMAIN")}, "version": (1, 12, 0)},
    "a CoreDNS that is too old for a plugin": {"data": {"x.server": block("multisocket 2")}, "version": (1, 11, 9)},
    "a CoreDNS that nobody knows": {"data": {"x.server": block("novelty", "cache 1")}, "version": (2, 0, 0)},
    "a CoreDNS in which kubernetes has it": {
        "data": {"x.server": SERVER["an option that kubernetes has lost"]},
        "version": (1, 6, 9),
    },
    "our zone in the cluster's own Corefile": {
        "data": {},
        "base": f".:53 {{\n    errors\n}}\n{ZONE} {{\n}}\nimport custom/*.server\n",
    },
    "a zone of a key in the cluster's own Corefile": {
        "data": {"x.server": block()},
        "base": ".:53 {\n    errors\n}\na.b {\n}\nimport custom/*.server\n",
    },
    "a key is imported by its name": {
        "data": {"x.override": "cache 5\n", "y.override": "cache 6\n"},
        "base": ".:53 {\n    import custom/x.override\n}\nimport custom/*.server\n",
    },
    "a name that is not there is imported": {
        "data": {"x.server": block()},
        "base": ".:53 {\n    import custom/z.override\n}\nimport custom/*.server\n",
    },
    "the cluster's own Corefile cannot be read": {"data": {"x.override": "cache 5\n"}, "base": ".:53 {\n"},
    "the cluster's own mistakes are its own": {
        "data": {},
        "base": ".:53 {\n    loop now\n}\nimport custom/*.server\n",
    },
    "its line comes after the key's": {
        "data": {"x.override": "cache 5\n"},
        "base": ".:53 {\n    import custom/*.override\n    cache 30\n}\nimport custom/*.server\n",
    },
}


def lines(found: Examination) -> list[str]:
    told = [f"  conflict: {text}" for text in found.conflicts]
    told += [f"  warning: {text}" for text in found.warnings]
    told += [f"  shadowed: {zone}" for zone in found.shadowed]
    told += [f"  taken: {text}" for text in found.taken]
    return told or ["  nothing"]


def test_what_is_told_of_other_keys() -> None:
    cases = {f"server, {name}": {"data": {"x.server": text}} for name, text in SERVER.items()}
    cases |= {f"override, {name}": {"data": {"x.override": text}} for name, text in OVERRIDE.items()}
    told: list[str] = []
    for name, case in (cases | MORE).items():
        told += [f"{name}:", *lines(examine(key=KEY, zones=(ZONE,), **case)), ""]
    golden.compare("\n".join(told), GOLDEN)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a, {\n}\n", "k"),
        ("a,\n", "k"),
        ("(s)\nx\n", "k"),
        ("(s) {\n}\n(s) {\n}\n", "k"),
        ("(s) {\n", "k"),
        ("a {\nx\n", "k"),
        ("a {\n x { }\n}\n}\ny }\n", "k"),
        ("a {\n x {\n y\n", "k"),
        ("a {\n import\n}\n", "k"),
    ],
)
def test_the_key_is_named_where_reading_stops(text: str, key: str) -> None:
    with pytest.raises(Unreadable) as caught:
        servers([("before", "z {\n}\n"), (key, text)])
    assert caught.value.key == key
