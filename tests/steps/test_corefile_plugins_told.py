"""What is told of lines that plugins do not take, word for word, in ``golden/corefile_plugins.txt``, at both sides of each limit. After a
deliberate change delete the file, run the test once, and read the new one."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloudlink.steps.dns_forward.corefile_grammar import Directive
from cloudlink.steps.dns_forward.corefile_plugins import problems, seconds
from tests.support import golden

GOLDEN = Path(__file__).with_name("golden") / "corefile_plugins.txt"

# A line: the plugin with its arguments, then after "|" each line of its block.
LINES = r"""
debug
debug now
loop now | x
minimal now
whoami now
ready
ready :8181
ready :8181 :8182
bind
bind lo
file
root
dnstap
hosts
hosts | ttl
hosts | ttl 0
hosts | ttl 1
hosts | ttl 65535
hosts | ttl 65536
hosts | ttl 30s
hosts | ttl 30 40
hosts | reload
hosts | reload 10
hosts | reload 0
hosts | reload -1s
hosts | reload 10s
hosts | reload 10s 20s
hosts | no_reverse | 10.0.0.1 a.b | fallthrough | 10.0.0.2 c.d
hosts | fallthrough | ttl 60 | reload 1m | no_reverse | fallthrough
template
template IN
template IN A
template in any
template XX A
template IN XX
template XX YY
template IN A | match
template IN A | match ^a$ (b
template IN A | match ^a$
template IN A | answer
template IN A | answer {{.Name}
template IN A | answer {{.Name}} | additional x | authority x | upstream | ederror 1 | fallthrough
template IN A | additional
template IN A | authority {{x
template IN A | rcode
template IN A | rcode NXDOMAIN
template IN A | rcode nxdomain SERVFAIL
template IN A | rcode NOTHING
template IN A | odd x
log | class
log | class success denial error all
log | class some
log | level 1
errors
errors stdout
errors stderr
errors stdout x
errors | consolidate
errors | consolidate 5m
errors | consolidate 0 x
errors | consolidate 5m (
errors | consolidate 5m ^a$ warning
errors | stacktrace
errors | odd
health
health :8080
health :8080 :8081
health | lameduck
health | lameduck 5
health | lameduck 0
health | lameduck 5s
health | lameduck 5s 6s
health | odd
prometheus
prometheus :9153
prometheus 9153
prometheus :1 :2
pprof here
reload
reload off on odd
reload 1s
reload 2s
reload 30s 15s
reload 30s 15
reload 30s 15s 1s
reload odd
cancel
cancel 1s
cancel 1s 2s
cancel odd
loadbalance
loadbalance round_robin
loadbalance weighted x
loadbalance odd
acl | allow net 10.0.0.0/8
acl | allow
acl | odd net 10.0.0.0/8
acl | block net * type A
acl | filter type A net 10.0.0.0/99 fd00::/8
acl | drop net odd other type x
bufsize
bufsize 511
bufsize 512
bufsize 4096
bufsize 4097
bufsize 1232 1232
bufsize x
header | set aa
header | clear AA rd
header | set zz
header | response set ra
header | query clear
header | query
header | odd aa
kubernetes cluster.local | pods disabled | pods verified | pods insecure | ttl 0 | ttl 3600 | upstream | labels a
kubernetes cluster.local | pods | pods odd | ttl 3601 | ttl | ttl -1 | ttl 1 2 | ttl x | odd
dns64
dns64 64:ff9b::/96
dns64 odd
dns64 | prefix 64:ff9b::/96 | prefix odd | prefix | allow_ipv4
transfer
transfer a.b | to *
transfer a.b | from *
rewrite
rewrite stop
rewrite continue | name a b
rewrite Stop name
rewrite name a b
rewrite name a
rewrite name exact a b
rewrite name prefix a b c
rewrite name odd a b
rewrite name suffix .a .b answer auto
rewrite name SUFFIX .a .b answer auto answer name .b .a
rewrite name suffix .a .b answer
rewrite name suffix .a .b answer name
rewrite name suffix .a .b answer name .b
rewrite name suffix .a .b answer name .b .a value .c .d
rewrite name suffix .a .b answer value (x .a
rewrite name suffix .a .b answer odd .a
rewrite name suffix .a .b odd auto
rewrite name suffix .a .b odd auto more
rewrite name regex (a) {1}
rewrite name regex (a) {1}{2}
rewrite name regex (a {1}
rewrite name regex a(?=b) c
rewrite name regex (a)\1 {1}
rewrite name regex a** b
rewrite name regex (a)(b) {0}{1}{2} answer name (c) {1}
rewrite name regex (a) {1} answer name (c) {1}{2}
rewrite type A
rewrite type A AAAA
rewrite type a aaaa
rewrite type A ODD
rewrite type A AAAA MX
rewrite class IN
rewrite class IN CH
rewrite ttl
rewrite ttl a.b
rewrite ttl a.b 30
rewrite ttl exact a.b 30-60
rewrite ttl a.b 60-30
rewrite ttl a.b 30-30
rewrite ttl a.b -30
rewrite ttl a.b 30-
rewrite ttl a.b -
rewrite ttl a.b odd
rewrite ttl a.b 4294967296-
rewrite ttl 30-20 5
rewrite rcode a.b NXDOMAIN
rewrite rcode a.b NXDOMAIN NOERROR
rewrite rcode a.b nxdomain noerror
rewrite rcode a.b ODD NOERROR
rewrite rcode exact a.b NXDOMAIN NOERROR
rewrite edns0 local
rewrite edns0 local set 0xffee
rewrite cname a
rewrite cname a b
rewrite cname exact a b
rewrite cname exact a b c
rewrite answer name a b
rewrite odd a b
unknown to us | at all
"""


def directive(line: str) -> Directive:
    first, *block = (tuple(part.split()) for part in line.split(" | "))
    return Directive(first[0], first[1:], tuple(block), "k")


def told() -> str:
    found = []
    for line in LINES.split("\n"):
        if not line:
            continue
        found.append(line)
        known = list(problems(directive(line), newer=True))
        for why in problems(directive(line)):
            found.append(f"    {why}" + ("" if why in known else " (unless CoreDNS is newer)"))
    return "\n".join(found) + "\n"


def test_what_is_told_of_what_plugins_do_not_take() -> None:
    golden.compare(told(), GOLDEN)


def test_durations_as_go_reads_them() -> None:
    read = {text: seconds(text) for text in ("0", "1.5h", "2m3s", "1ms", "1us", "1µs", "1ns", "-2s", "+2s", ".5s", "1")}
    assert read == pytest.approx(
        {
            "0": 0.0,
            "1.5h": 5400.0,
            "2m3s": 123.0,
            "1ms": 1e-3,
            "1us": 1e-6,
            "1µs": 1e-6,
            "1ns": 1e-9,
            "-2s": -2.0,
            "+2s": 2.0,
            ".5s": 0.5,
            "1": -1.0,
        }
    )
