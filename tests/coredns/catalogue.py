"""What people put into coredns-custom, and whether CoreDNS starts with it.

Each is put to the real CoreDNS, by cloudlink's own check and by the sandbox, beside cloudlink's own key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Version = tuple[int, int, int]
ALWAYS: Version = (0, 0, 0)
NEVER: Version = (99, 0, 0)

ZONE = "corp.example"
_GOOD = """other.example:53 {
    errors
    cache 30
    forward . 10.9.1.10 10.9.2.10 {
        policy random
        max_fails 3
        health_check 5s
        expire 10s
        prefer_udp
    }
}
"""


@dataclass(frozen=True)
class Case:
    """starts: from which version on CoreDNS starts with these keys."""

    name: str
    starts: Version
    keys: Mapping[str, str]

    def starts_with(self, version: str) -> bool:
        return tuple(int(p) for p in version.split(".")) >= self.starts


def _server(name: str, starts: Version, text: str, key: str = "x.server") -> Case:
    return Case(name, starts, {key: text})


def _override(name: str, starts: Version, text: str) -> Case:
    return Case(name, starts, {"x.override": text})


def _changed(name: str, starts: Version, old: str, new: str) -> Case:
    assert old in _GOOD, old
    return _server(name, starts, _GOOD.replace(old, new))


def _option(line: str, starts: Version = ALWAYS) -> Case:
    return _changed(f"forward option: {line}", starts, "prefer_udp", line)


def _upstream(text: str, starts: Version = ALWAYS) -> Case:
    return _changed(f"upstream {text}", starts, "10.9.1.10 10.9.2.10", text)


def _line(line: str, starts: Version = ALWAYS) -> Case:
    return _changed(f"line: {line}", starts, "    errors\n", f"    {line}\n")


def _twice(plugin: str, line: str = "", starts: Version = NEVER) -> Case:
    text = f"    {line or plugin}\n"
    return _server(f"{plugin} twice", starts, f"other.example {{\n{text}{text}}}\n")


CASES = (
    Case("nothing", ALWAYS, {}),
    _server("a good block", ALWAYS, _GOOD),
    # zones
    _server("our zone in another key", NEVER, f"{ZONE}:53 {{\n    errors\n}}\n"),
    _server("our zone in another key, before ours", NEVER, f"{ZONE} {{\n    errors\n}}\n", "a.server"),
    _server("our zone, with a dot and a scheme", NEVER, f"dns://{ZONE}. {{\n    errors\n}}\n"),
    _server("our zone in capitals", ALWAYS, f"{ZONE.upper()}:53 {{\n    errors\n}}\n"),
    _server("our zone among others", NEVER, f"a.example b.example, {ZONE} {{\n    errors\n}}\n"),
    _server("our zone at another port", ALWAYS, f"{ZONE}:5399 {{\n    errors\n}}\n"),
    _server("a zone below ours", ALWAYS, f"eu.{ZONE} {{\n    errors\n}}\n"),
    _server("a zone above ours", ALWAYS, "example {\n    errors\n}\n"),
    Case("one zone in two keys", NEVER, {"x.server": _GOOD, "y.server": "other.example {\n    whoami\n}\n"}),
    Case(
        "one zone in two keys, once in capitals",
        ALWAYS,
        {"x.server": _GOOD, "y.server": _GOOD.replace("other", "Other")},
    ),
    _server("one zone twice in a key", NEVER, _GOOD + _GOOD),
    _server("one zone twice in a block", NEVER, "a.example a.example {\n    errors\n}\n"),
    _server("the root", NEVER, ".:53 {\n    errors\n}\n"),
    _server("the root without a port", NEVER, ". {\n    errors\n}\n"),
    _server("the root as a port alone", NEVER, ":53 {\n    errors\n}\n"),
    _server("the root at another port", ALWAYS, ".:5398 {\n    errors\n}\n"),
    _server("a reverse zone", ALWAYS, "10.9.0.0/16 {\n    whoami\n}\n"),
    _server("a zone with an empty label", NEVER, "a..example {\n    errors\n}\n"),
    _server("a zone that begins with a dot", NEVER, ".a.example {\n    errors\n}\n"),
    _server("a label of 64 letters", NEVER, f"{'a' * 64}.example {{\n    errors\n}}\n"),
    _server("a colon without a port", NEVER, "a.example: {\n    errors\n}\n"),
    _server("a wildcard as a zone", ALWAYS, "*.a.example {\n    whoami\n}\n"),
    _server("an underscore", ALWAYS, "_tcp.a_b.example {\n    whoami\n}\n"),
    _server("commas without spaces", ALWAYS, "a.example,b.example {\n    whoami\n}\n"),
    _server("a list over two lines", ALWAYS, "a.example,\nb.example\n{\n    whoami\n}\n".replace("\n{", " {")),
    _server("a comma before the brace", NEVER, "a.example, {\n    whoami\n}\n"),
    # braces and words
    _server("an empty key", ALWAYS, ""),
    _server("a comment alone", ALWAYS, "# nothing {\n"),
    _server("no brace at all at the end", ALWAYS, "other.example\nforward . 10.9.1.10\n"),
    _server("no brace at all before ours", NEVER, "other.example\nforward . 10.9.1.10\n", "a.server"),
    _server("the brace on its own line", ALWAYS, "other.example\n{\n    whoami\n}\n"),
    _server("a zone alone at the end", ALWAYS, "other.example\n"),
    _server("the last brace missing, at the end", ALWAYS, _GOOD.removesuffix("}\n")),
    _server("the last brace missing, before ours", NEVER, _GOOD.removesuffix("}\n"), "a.server"),
    _server("the last brace missing after a plain line", NEVER, "other.example {\n    errors\n"),
    _server("both braces missing", NEVER, _GOOD.removesuffix("    }\n}\n")),
    _server("a brace too many, at the end", ALWAYS, _GOOD + "}\n"),
    _server("a brace too many, before ours", NEVER, _GOOD + "}\n", "a.server"),
    _server("two braces too many", ALWAYS, _GOOD + "}}\n"),
    _server("a block without a zone", ALWAYS, "{\n    errors\n}\n"),
    _server("a brace without a space, at the end", ALWAYS, "other.example{\n    errors\n}\n"),
    _server("a brace without a space, before ours", ALWAYS, "other.example{\n    errors\n}\n", "a.server"),
    _server("a block in one line, as YAML without | makes it", NEVER, _GOOD.replace("\n", " ")),
    _server("a short block in one line", NEVER, "other.example { whoami }\n"),
    _server("a quotation mark that is not closed", NEVER, 'other.example {\n    log "x\n}\n'),
    _server("a comment behind a word", ALWAYS, "other.example { # { {\n    whoami # }\n}\n"),
    _server("a comment within a word", ALWAYS, "other.example {\n    forward . 10.9.1.10#first\n}\n"),
    _server("Windows line ends", ALWAYS, _GOOD.replace("\n", "\r\n")),
    _server("no line end at the end", ALWAYS, _GOOD.removesuffix("\n")),
    _server("tabs", ALWAYS, _GOOD.replace("    ", "\t")),
    _server("a byte order mark", ALWAYS, "\ufeff" + _GOOD),
    _server("no Corefile at all", NEVER, "forward: 10.9.1.10\nzones:\n  - other.example\n"),
    # imports
    _server("a snippet", ALWAYS, "(usual) {\n    errors\n}\nother.example {\n    import usual\n    whoami\n}\n"),
    _server("a snippet twice", NEVER, "(usual) {\n    errors\n}\n(usual) {\n    errors\n}\n"),
    _server("an import of what is not there", NEVER, "other.example {\n    import more.conf\n}\n"),
    _server("an import of a pattern that fits nothing", ALWAYS, "other.example {\n    import more*.conf\n}\n"),
    Case(
        "an import of another key",
        ALWAYS,
        {"x.server": "other.example {\n    import y.conf\n}\n", "y.conf": "whoami\n"},
    ),
    # suffixes
    _server("nonsense under another suffix", ALWAYS, "}{ nonsense", "x.conf"),
    _server("our zone under another suffix", ALWAYS, f"{ZONE} {{\n}}\n", "x.server.txt"),
    # plugins
    _line("nonsense", NEVER),
    _line("Errors", NEVER),
    _line("forwards . 10.9.1.10", NEVER),
    _line("unbound", NEVER),
    _line("proxy . 10.9.1.10", NEVER),
    _line("log"),
    _line("rewrite name a.example b.example"),
    _line("whoami"),
    _line("minimal"),
    _line("timeouts {\n        read 5s\n    }", (1, 11, 0)),
    _line("multisocket 2", (1, 12, 0)),
    _line("errors stdout"),
    _line("errors a b", NEVER),
    _line("errors file.log", NEVER),
    _line("loop on", NEVER),
    _line("cache 30", NEVER),
    _line("forward . 10.9.1.11", ALWAYS),
    *(_twice(p) for p in ("errors", "cache", "loop", "nsid")),
    _twice("ready", "ready 127.0.0.1:0"),
    _twice("hosts", "hosts {\n        192.0.2.1 a.other.example\n    }"),
    _twice("log", starts=ALWAYS),
    _twice("whoami", starts=ALWAYS),
    _twice("template", "template ANY ANY a.example {\n        rcode NXDOMAIN\n    }", ALWAYS),
    # cache
    _changed("cache without a time", ALWAYS, "cache 30", "cache"),
    _changed("cache 0", NEVER, "cache 30", "cache 0"),
    _changed("cache -1", NEVER, "cache 30", "cache -1"),
    _changed("cache 30s is a zone", ALWAYS, "cache 30", "cache 30s"),
    _changed("cache with options", ALWAYS, "cache 30", "cache 30 {\n        success 100 60\n        denial 100\n    }"),
    _changed("cache with an unknown option", NEVER, "cache 30", "cache 30 {\n        sucess 100 60\n    }"),
    _changed("cache with a word for a number", NEVER, "cache 30", "cache 30 {\n        success many\n    }"),
    _changed(
        "cache that serves stale answers", ALWAYS, "cache 30", "cache 30 {\n        serve_stale 1h immediate\n    }"
    ),
    # forward
    _upstream("10.9.1.10"),
    _upstream("10.9.1.10:5353"),
    _upstream("fd00::1"),
    _upstream("[fd00::1]:53"),
    _upstream("dns://10.9.1.10"),
    _upstream("tls://10.9.1.10"),
    _upstream("/etc/resolv.conf"),
    _upstream("", NEVER),
    _upstream("10.9.1.1000", NEVER),
    _upstream("10.9.1", NEVER),
    _upstream("10.9.1.10,10.9.2.10", NEVER),
    _upstream("10.9.1.10/32", NEVER),
    _upstream("dns.example", NEVER),
    _upstream("https://10.9.1.10", NEVER),
    _upstream("grpc://10.9.1.10", NEVER),
    _upstream(" ".join(f"10.9.1.{i}" for i in range(1, 16))),
    _upstream(" ".join(f"10.9.1.{i}" for i in range(1, 17)), NEVER),
    _changed("forward without its zone", NEVER, "forward . 10.9.1.10 10.9.2.10", "forward 10.9.1.10"),
    _option("force_tcp"),
    _option("prefer_udp yes", NEVER),
    _option("prefer_tcp", NEVER),
    _option("policy round_robin"),
    _option("policy sequential"),
    _option("policy fair", NEVER),
    _option("policy", NEVER),
    _option("max_fails 0"),
    _option("max_fails -1", NEVER),
    _option("max_fails three", NEVER),
    _option("expire 10", NEVER),
    _option("expire 1m30s"),
    _option("expire 0"),
    _option("expire -5s", NEVER),
    _option("health_check 500ms no_rec domain a.example"),
    _option("health_check 5", NEVER),
    _option("health_check 5s always", NEVER),
    _option("health_check 5s domain", NEVER),
    _option("max_concurrent 1000"),
    _option("max_concurrent -1", NEVER),
    _option("except a.other.example"),
    _option("except", NEVER),
    _option("tls_servername dns.example"),
    _option("tls a b c d", NEVER),
    _option("next NXDOMAIN", (1, 12, 0)),
    _option("next NEVER", NEVER),
    _option("failfast_all_unhealthy_upstreams", (1, 12, 0)),
    _option("failover SERVFAIL", (1, 13, 0)),
    _option("failover NEVER", NEVER),
    _option("max_connect_attempts 3", (1, 14, 0)),
    _option("max_idle_conns 3", (1, 14, 1)),
    _option("max_age 10s", (1, 14, 3)),
    _option("max_age 1s", NEVER),
    # .override: lines beside AKS's own
    _override("an override of a log line", ALWAYS, "log\n"),
    _override("an override of hosts", ALWAYS, "hosts {\n    192.0.2.1 a.example\n    fallthrough\n}\n"),
    _override("an override of a rewrite", ALWAYS, "rewrite name a.example b.example\n"),
    _override("an override with a comment alone", ALWAYS, "# nothing\n"),
    _override("a server block in an override", NEVER, _GOOD),
    _override("a brace too many in an override", NEVER, "log\n}\n"),
    _override("a brace missing in an override", NEVER, "hosts {\n    192.0.2.1 a.example\n"),
    _override("an unknown plugin in an override", NEVER, "nonsense\n"),
    _override("our zone's forward in an override", ALWAYS, f"forward {ZONE} 10.9.1.10\n"),
    _override("a bad forward in an override", NEVER, f"forward {ZONE} 10.9.1\n"),
    *(_override(f"a second {p} in an override", NEVER, f"{p}\n") for p in ("errors", "loop", "ready", "cache 10")),
    _override("a second kubernetes in an override", NEVER, "kubernetes cluster.local\n"),
    _override("a second prometheus in an override", NEVER, "prometheus :9154\n"),
    _override("a second reload in an override", ALWAYS, "reload 10s\n"),
    _override("a second loadbalance in an override", ALWAYS, "loadbalance round_robin\n"),
    Case("hosts in two overrides", NEVER, {f"{k}.override": "hosts {\n    192.0.2.1 a.example\n}\n" for k in "xy"}),
)

# Grammar of one plugin, which the check of what is written beside other keys does not look into.
REWRITES = (
    _line("rewrite", NEVER),
    _line("rewrite nothing", NEVER),
    _line("rewrite nothing a b", NEVER),
    _line("rewrite stop", NEVER),
    _line("rewrite name a.example", NEVER),
    _line("rewrite name stop a.example b.example", NEVER),
    _line("rewrite stop {\n        name regex (.*)\\.a\\.example {1}.b.example\n        answer auto\n    }"),
    _line("rewrite continue name suffix .a.example .b.example answer auto"),
    _line("rewrite name suffix .a.example .b.example answer", NEVER),
    _line("rewrite name suffix .a.example .b.example auto", NEVER),
    _line("rewrite name suffix .a.example .b.example answer other", NEVER),
    _line("rewrite name suffix .a.example .b.example answer auto answer name x y", NEVER),
    _line("rewrite name regex (.*)\\.a\\.example {2}.b.example"),
    _line("rewrite name regex (.*)\\.a\\.example {1}.{2}.b.example", NEVER),
    _line("rewrite name regex (.* b.example", NEVER),
    _line("rewrite name regex (?=a).* b.example", NEVER),
    _line("rewrite type A AAAA"),
    _line("rewrite type A NOTHING", NEVER),
    _line("rewrite ttl suffix .a.example 30-60"),
    _line("rewrite ttl a.example -", NEVER),
    _line("rewrite ttl a.example 60-30", NEVER),
    _line("rewrite edns0 local set 0xffee 0x61626364"),
    _line("rewrite edns0 local", NEVER),
    _line("rewrite class IN CH"),
    _line("rewrite class IN", NEVER),
    _line("rewrite answer name a b", NEVER),
    _line("rewrite cname exact a.example. b.example.", (1, 11, 0)),
    _line("rewrite rcode suffix .a.example NXDOMAIN NOERROR", (1, 11, 2)),
    _line("rewrite rcode suffix .a.example NEVER NOERROR", NEVER),
)
