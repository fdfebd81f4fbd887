"""What keeps CoreDNS from starting with a server block that can be read: plugins and options by version.

What people put into coredns-custom is known: names, what may appear once, forward and cache here, and other plugins in
``corefile_plugins``. The rest passes, for its mistakes show when CoreDNS is restarted. https://coredns.io/plugins
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address

from cloudlink.steps.dns_forward import corefile_plugins
from cloudlink.steps.dns_forward.corefile_grammar import Directive, Server
from cloudlink.steps.dns_forward.corefile_plugins import RCODES, seconds

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
_REMOVED: Version = (1, 7, 0)  # in which kubernetes lost these options
_REMOVED_OPTIONS = ("upstream", "resyncperiod", "transfer")
_POLICIES = ("random", "round_robin", "sequential")
_MOST_UPSTREAMS = 15
_CACHE_OPTIONS = ("success", "denial", "prefetch", "serve_stale", "servfail", "disable", "keepttl")


def version_of(text: str) -> Version:
    """Of ``1.9.4`` or of an image as ``…/coredns:v1.9.4-hotfix``. NEWEST where it names none."""
    found = re.search(r"(?:^|:)v?(\d+)\.(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2]), int(found[3])) if found else NEWEST


def has_plugin(name: str, version: Version) -> bool:
    return version > NEWEST or (name in _PLUGINS and version >= _PLUGINS[name])


def problems(server: Server, version: Version) -> Iterator[tuple[str, str]]:
    """(key, what is wrong with it), as a clause that follows "because"."""
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
        case "kubernetes" if version >= _REMOVED:
            for name, *_ in directive.options:
                if name in _REMOVED_OPTIONS:
                    yield f"kubernetes of CoreDNS {'.'.join(map(str, version))} has no option {name}"
    yield from corefile_plugins.problems(directive, newer=version > NEWEST)


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
    age, expire = (seconds(given.get(name, usual)) for name, usual in (("max_age", "0"), ("expire", "10s")))
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
            return len(arguments) == 1 and arguments[0] in _POLICIES
        case "max_fails" | "max_concurrent" | "max_idle_conns" | "max_connect_attempts":
            return arguments[0].isdecimal() and int(arguments[0]) < 2**32
        case "expire" | "max_age":
            return len(arguments) == 1 and seconds(arguments[0]) >= 0
        case "next" | "failover":
            return all(a.upper() in RCODES for a in arguments)
        case "health_check":
            words = iter(arguments[1:])
            return seconds(arguments[0]) >= 0 and all(
                w == "no_rec" or (w == "domain" and bool(next(words, ""))) for w in words
            )
    return True


def _cache(directive: Directive) -> Iterator[str]:
    if directive.arguments and re.fullmatch(r"[+-]?\d+", directive.arguments[0]) and int(directive.arguments[0]) <= 0:
        yield f"cache cannot keep answers for {directive.arguments[0]} s"
    for name, *arguments in directive.options:
        if not (name in _CACHE_OPTIONS and _cache_option_is_right(name, arguments)):
            yield f"cache does not take {' '.join((name, *arguments))}"


def _cache_option_is_right(name: str, arguments: list[str]) -> bool:
    """https://coredns.io/plugins/cache"""
    match name:
        case "success" | "denial":
            numbers = [int(a) for a in arguments[:3] if re.fullmatch(r"[+-]?\d+", a)]
            return bool(arguments) and len(numbers) == len(arguments[:3]) and all(n > 0 for n in numbers[1:2])
        case "prefetch":
            amount, *rest = arguments or [""]
            percent = re.fullmatch(r"(\d+)%", rest[1]) if len(rest) > 1 else None
            in_range = len(rest) < 2 or (percent is not None and 10 <= int(percent[1]) <= 90)
            return amount.isdecimal() and (not rest or seconds(rest[0]) >= 0) and in_range
        case "servfail":
            return len(arguments) == 1 and 0 <= seconds(arguments[0]) <= 300
        case "serve_stale":
            known = len(arguments) < 2 or arguments[1].lower() in ("verify", "immediate")
            return len(arguments) < 3 and (not arguments or seconds(arguments[0]) >= 0) and known
        case "disable":
            return bool(arguments) and arguments[0] in ("success", "denial")
        case "keepttl":
            return not arguments
    return True
