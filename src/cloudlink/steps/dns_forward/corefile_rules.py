"""What keeps CoreDNS from starting with a server block that can be read: plugins and options by version.

Only what people put into coredns-custom is known here: names, what may appear once, and forward, cache, errors and loop
in full. The rest passes, for its mistakes show when CoreDNS is restarted. https://coredns.io/plugins
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

from cloudlink.steps.dns_forward.corefile_grammar import Directive, Server

Version = tuple[int, int, int]

# The newest whose plugins and options are known. Of a newer one nothing is called unknown.
NEWEST: Version = (1, 14, 3)
_ALWAYS: Version = (0, 0, 0)

_OLD_PLUGINS = """metadata geoip cancel tls reload nsid bufsize root bind debug trace ready health pprof prometheus errors
    log dnstap local dns64 acl any chaos loadbalance tsig cache rewrite header dnssec autopath minimal template transfer
    hosts route53 azure clouddns k8s_external kubernetes file auto secondary etcd loop forward grpc erratic whoami on
    sign"""
_PLUGINS: dict[str, Version] = dict.fromkeys(_OLD_PLUGINS.split(), _ALWAYS) | {
    "view": (1, 10, 0),
    "timeouts": (1, 11, 0),
    "multisocket": (1, 12, 0),
    "quic": (1, 13, 0),
    "nomad": (1, 13, 0),
    "grpc_server": (1, 14, 0),
    "https": (1, 14, 0),
    "https3": (1, 14, 0),
    "proxyproto": (1, 14, 2),
}
_ONCE_NAMES = "cache dnssec errors grpc hosts kubernetes loop nsid pprof prometheus ready tsig view"
_ONCE = frozenset(_ONCE_NAMES.split())

_OLD_OPTIONS = "except force_tcp prefer_udp expire max_fails tls tls_servername policy health_check max_concurrent"
_FORWARD_OPTIONS: dict[str, Version] = dict.fromkeys(_OLD_OPTIONS.split(), _ALWAYS) | {
    "next": (1, 12, 0),
    "failfast_all_unhealthy_upstreams": (1, 12, 0),
    "failover": (1, 13, 0),
    "max_connect_attempts": (1, 14, 0),
    "max_idle_conns": (1, 14, 1),
    "max_age": (1, 14, 3),
}
_FLAGS = ("force_tcp", "prefer_udp", "failfast_all_unhealthy_upstreams")
_RCODE_NAMES = """NOERROR FORMERR SERVFAIL NXDOMAIN NOTIMP NOTIMPL REFUSED YXDOMAIN YXRRSET NXRRSET NOTAUTH NOTZONE
    DSOTYPENI BADSIG BADVERS BADKEY BADTIME BADMODE BADNAME BADALG BADTRUNC BADCOOKIE"""
_RCODES = frozenset(_RCODE_NAMES.split())
_REMOVED: Version = (1, 7, 0)  # in which kubernetes lost these options
_REMOVED_OPTIONS = ("upstream", "resyncperiod", "transfer")
_POLICIES = ("random", "round_robin", "sequential")
_MOST_UPSTREAMS = 15
_CACHE_OPTIONS = ("success", "denial", "prefetch", "serve_stale", "servfail", "disable", "keepttl")
_DURATION = re.compile(r"[+-]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def version_of(text: str) -> Version:
    """Of ``1.9.4`` or of an image as ``…/coredns:v1.9.4-hotfix``. NEWEST where it names none."""
    found = re.search(r"(?:^|:)v?(\d+)\.(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else NEWEST


def has_plugin(name: str, version: Version) -> bool:
    return version > NEWEST or (name in _PLUGINS and version >= _PLUGINS[name])


def problems(server: Server, version: Version) -> Iterator[tuple[str, str]]:
    """(key, what is wrong with it), in no more words than fit behind "because"."""
    seen: dict[str, list[str]] = {}
    for directive in server.directives:
        keys = seen.setdefault(directive.name, [])
        keys.append(directive.key)
        if len(keys) == 2 and directive.name in _ONCE:
            # the cluster's own line may come after the one that a key adds
            key = next((k for k in reversed(keys) if k), "")
            yield key, f"{directive.name} may appear once in a server block and AKS's or another line has it"
        for why in _plugin_problems(directive, version):
            yield directive.key, why


def _plugin_problems(directive: Directive, version: Version) -> Iterator[str]:
    match directive.name:
        case "forward":
            yield from _forward(directive, version)
        case "cache":
            yield from _cache(directive)
        case "errors" if directive.arguments not in ((), ("stdout",)):
            yield f"errors does not take {' '.join(directive.arguments)}"
        case "kubernetes" if version >= _REMOVED:
            for name, *_ in directive.options:
                if name in _REMOVED_OPTIONS:
                    yield f"kubernetes of CoreDNS {'.'.join(map(str, version))} has no option {name}"
        case "loop" if directive.arguments:
            yield f"loop does not take {' '.join(directive.arguments)}"


def _forward(directive: Directive, version: Version) -> Iterator[str]:
    upstreams = directive.arguments[1:]
    if not upstreams:
        yield "forward names no upstream"
    for upstream in upstreams:
        if not _is_upstream(upstream):
            yield f"forward cannot ask {upstream}"
    if len(upstreams) > _MOST_UPSTREAMS:
        yield f"forward has {len(upstreams)} upstreams and may have {_MOST_UPSTREAMS}"
    for name, *arguments in directive.options:
        if version <= NEWEST and (name not in _FORWARD_OPTIONS or version < _FORWARD_OPTIONS[name]):
            yield f"forward of CoreDNS {'.'.join(map(str, version))} has no option {name}"
        elif name in _FORWARD_OPTIONS and not _option_is_right(name, arguments):
            yield f"forward does not take {' '.join((name, *arguments))}"
    given = {name: arguments[0] for name, *arguments in directive.options if arguments}
    age, expire = (_seconds(given.get(name, usual)) for name, usual in (("max_age", "0"), ("expire", "10s")))
    if 0 < age < expire:
        yield f"forward's max_age {given['max_age']} is less than its expire"


def _is_upstream(text: str) -> bool:
    """An address with or without a port, or the one file of addresses that the pod has."""
    scheme, mark, rest = text.partition("://")
    if mark and scheme.lower() not in ("dns", "tls"):
        return False
    rest = rest if mark else text
    if rest == "/etc/resolv.conf":
        return True
    address = rest.strip("[]")
    if rest.startswith("[") or rest.count(":") == 1:
        host, _, port = rest.rpartition(":")
        address = host.strip("[]") if port.isdigit() else address
    try:
        ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return True


def _option_is_right(name: str, arguments: list[str]) -> bool:
    if name in _FLAGS:
        return not arguments
    if name == "tls":
        return len(arguments) <= 3
    if not arguments:
        return False
    match name:
        case "policy":
            return arguments[0] in _POLICIES
        case "max_fails" | "max_concurrent" | "max_idle_conns" | "max_connect_attempts":
            return arguments[0].isdecimal()
        case "expire" | "max_age":
            return _seconds(arguments[0]) >= 0
        case "next" | "failover":
            return all(a.upper() in _RCODES for a in arguments)
        case "health_check":
            words = iter(arguments[1:])
            return _seconds(arguments[0]) >= 0 and all(
                w == "no_rec" or (w == "domain" and bool(next(words, ""))) for w in words
            )
    return True


def _seconds(text: str) -> float:
    """A duration as Go reads one; below nothing where it is none."""
    if _DURATION.fullmatch(text) is None:
        return -1.0
    total = sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"([\d.]+)([a-zµμ]+)", text))
    return -total if text.startswith("-") else total


def _cache(directive: Directive) -> Iterator[str]:
    if directive.arguments and re.fullmatch(r"[+-]?\d+", directive.arguments[0]) and int(directive.arguments[0]) <= 0:
        yield f"cache cannot keep answers for {directive.arguments[0]} s"
    for name, *arguments in directive.options:
        right = name in _CACHE_OPTIONS
        if name in ("success", "denial"):
            right = bool(arguments) and all(re.fullmatch(r"[+-]?\d+", a) for a in arguments[:3])
        if not right:
            yield f"cache does not take {' '.join((name, *arguments))}"
