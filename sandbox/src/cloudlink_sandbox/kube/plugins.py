"""What each CoreDNS version makes of a Corefile: its plugins and options, and what keeps it from starting.

https://coredns.io/plugins/ ; versions by AKS version: https://github.com/Azure/AKS/blob/master/CHANGELOG.md
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network
from typing import Literal

from dns.rcode import Rcode

from cloudlink_sandbox.kube import plugin_grammar, rewrites
from cloudlink_sandbox.kube.corefile import BrokenCorefile, Directive, ServerBlock, parse

Version = tuple[int, int, int]

_PLUGIN_NAMES = """root metadata geoip cancel tls reload nsid bufsize bind debug trace ready health pprof prometheus errors log
    dnstap local dns64 acl any chaos loadbalance tsig cache rewrite header dnssec autopath minimal template transfer hosts
    route53 azure clouddns k8s_external kubernetes file auto secondary etcd loop forward grpc erratic whoami on sign"""
_SAFE_FORWARD_OPTIONS = (
    """except force_tcp prefer_udp expire max_fails tls tls_servername policy health_check max_concurrent"""
)
_KUBERNETES_OPTION_NAMES = """endpoint tls kubeconfig namespaces labels pods endpoint_pod_names ttl noendpoints fallthrough ignore
    namespace_labels apiserver_qps apiserver_burst apiserver_max_inflight multicluster startup_timeout"""
_MODELLED_NAMES = """errors log ready health prometheus loop reload loadbalance cache forward kubernetes template hosts
    pprof debug bufsize nsid metadata minimal cancel root trace dnstap any rewrite"""

_PLUGINS: dict[str, Version] = dict.fromkeys(
    _PLUGIN_NAMES.split(),
    (1, 8, 5),
) | {
    "view": (1, 10, 0),
    "timeouts": (1, 11, 0),
    "multisocket": (1, 12, 0),
    "quic": (1, 13, 0),
    "nomad": (1, 13, 0),
    "grpc_server": (1, 14, 0),
    "https": (1, 14, 0),
    "https3": (1, 14, 0),
    "proxyproto": (1, 14, 2),
    "shed": (1, 14, 7),
    "dynupdate": (1, 15, 0),
    "siit": (1, 15, 0),
}
_ONCE = {"cache", "dnssec", "errors", "grpc", "hosts", "kubernetes", "loop"}
_ONCE |= {"nsid", "pprof", "prometheus", "ready", "tsig", "view"}
_FORWARD_OPTIONS: dict[str, Version] = dict.fromkeys(
    _SAFE_FORWARD_OPTIONS.split(),
    (1, 9, 0),
) | {
    "next": (1, 12, 0),
    "failfast_all_unhealthy_upstreams": (1, 12, 0),
    "failover": (1, 13, 0),
    "max_connect_attempts": (1, 14, 0),
    "max_idle_conns": (1, 14, 1),
    "max_age": (1, 14, 3),
    "next_on_nodata": (1, 14, 4),
    "resolver": (1, 14, 4),
    "read_timeout": (1, 14, 5),
    "doh_method": (1, 14, 5),
    "source_address": (1, 14, 6),
}
_RCODES = {rcode.name for rcode in Rcode} | {"NOTIMPL"}
_ZONAL: Version = (1, 14, 7)  # of the kubernetes plugin
_STALE_POLICY: Version = (1, 14, 7)  # of the cache plugin
_MANY_FORWARDS: Version = (1, 9, 4)
_MOST_UPSTREAMS = 15
_KUBERNETES_OPTIONS = set(_KUBERNETES_OPTION_NAMES.split())
# Plugins that do not change what is answered, or whose effect is computed here.
_MODELLED = set(_MODELLED_NAMES.split())


@dataclass(frozen=True)
class Upstream:
    address: str
    port: int
    transport: Literal["dns", "tls"]


@dataclass(frozen=True)
class Forward:
    """zone: what it matches (FROM), ``.`` for all. health_check: seconds between checks."""

    zone: str
    upstreams: tuple[Upstream, ...]
    excepted: tuple[str, ...] = ()
    policy: str = "random"
    max_fails: int = 2
    health_check: float = 0.5
    force_tcp: bool = False
    prefer_udp: bool = False


@dataclass(frozen=True)
class Cache:
    """Caps and floors in seconds, for success and for denial."""

    zones: tuple[str, ...]
    success: tuple[int, int] = (3600, 5)
    denial: tuple[int, int] = (1800, 5)


@dataclass(frozen=True)
class Kubernetes:
    zones: tuple[str, ...]
    ttl: int = 5
    fallthrough: tuple[str, ...] | None = None  # None: no fallthrough


@dataclass(frozen=True)
class Template:
    zone: str
    matches: tuple[str, ...]
    rcode: str
    fallthrough: bool


@dataclass(frozen=True)
class Hosts:
    entries: tuple[tuple[str, IPv4Address], ...]
    ttl: int
    fallthrough: bool


@dataclass(frozen=True)
class Block:
    """One zone of one server block. unmodelled: plugins whose effect on answers the sandbox does not compute."""

    zone: str
    port: int
    scheme: str
    forwards: tuple[Forward, ...]
    cache: Cache | None
    kubernetes: Kubernetes | None
    templates: tuple[Template, ...]
    hosts: Hosts | None
    rewrites: rewrites.Rewrites
    unmodelled: tuple[str, ...]


@dataclass(frozen=True)
class Configuration:
    blocks: tuple[Block, ...]
    reloads: bool


def coredns_version(kubernetes: str) -> str:
    """Which CoreDNS AKS ships with a Kubernetes version: 1.14.3 with 1.36, by its table of components.

    Assumption for 1.37 and later: 1.15.0, the newest release of CoreDNS when 1.37 came.
    https://learn.microsoft.com/azure/aks/supported-kubernetes-versions#aks-components-breaking-changes-by-version
    """
    major, minor = (int(p) for p in [*kubernetes.lstrip("v").split("."), "0"][:2])
    if (major, minor) <= (1, 31):
        return "1.9.4"
    return {32: "1.11.3", 33: "1.12.1", 34: "1.13.1", 35: "1.13.1", 36: "1.14.3"}.get(minor, "1.15.0")


def configure(files: Mapping[str, str], version: str, own: Iterable[str] = ()) -> Configuration:
    """The configuration that CoreDNS of this version runs with; raises BrokenCorefile when it would not start.

    own: addresses at which this CoreDNS itself is reached (for ``loop``).
    """
    known = _version(version)
    taken: dict[tuple[str, str, int], str] = {}
    blocks: list[Block] = []
    reloads = False
    parsed = parse(files)
    if not parsed:
        raise BrokenCorefile("Corefile: no server block")
    for server in parsed:
        zones = [_zone_key(key, server) for key in server.keys]
        for scheme, zone, port in zones:
            if (scheme, zone, port) in taken:
                raise BrokenCorefile(f"cannot serve {scheme}://{zone}:{port} - it is already defined")
            taken[scheme, zone, port] = server.where
        made = _plugins(server, known, zones[0][1], set(own))
        reloads |= any(d.name == "reload" for d in server.directives)
        blocks += [Block(zone, port, scheme, *made) for scheme, zone, port in zones]
    return Configuration(tuple(blocks), reloads)


def _version(text: str) -> Version:
    parts = [int(p) for p in text.split(".")]
    return (parts[0], parts[1], parts[2])


def fqdn(name: str) -> str:
    """Lower case, with the final dot."""
    return name.lower().rstrip(".") + "."


def within(name: str, zone: str) -> bool:
    """Both fully qualified."""
    return zone in (".", name) or name.endswith("." + zone)


def _zone_key(key: str, server: ServerBlock) -> tuple[str, str, int]:
    scheme, found, rest = key.partition("://")
    if not found:
        scheme, rest = "dns", key
    if scheme not in ("dns", "tls", "https", "grpc", "quic"):  # a part of the name as well
        scheme, rest = "dns", key.replace("/", "").replace(":", "")
    zone, found, port = rest.rpartition(":")
    if not found:
        zone, port = rest, {"dns": "53", "tls": "853", "https": "443", "grpc": "443", "quic": "853"}[scheme]
    if not port:
        raise BrokenCorefile(f"{server.where} - Error during parsing: invalid port in '{key}'")
    if not port.isdigit():  # then it is a part of the name, which nobody asks for
        zone, port = rest, "53"
    if int(port) > 65535:
        raise BrokenCorefile(f"listen tcp: address {port}: invalid port")
    return scheme, _zone(zone, server.where, as_written=True), int(port)


def _zone(text: str, where: str, *, as_written: bool = False) -> str:
    """as_written: CoreDNS leaves a server block's zone in its capitals, and then finds no question to be within it."""
    network = _network(text)
    if network is not None:
        step = 8 if network.version == 4 else 4
        labels = network.network_address.reverse_pointer.split(".")
        return ".".join(labels[-(network.prefixlen // step) - 2 :]).lower() + "."
    zone = "." if text in ("", ".") else text.removesuffix(".") + "."
    labels = zone[:-1].split(".") if zone != "." else []
    if len(zone) > 254 or any(not 0 < len(label) < 64 for label in labels):
        raise BrokenCorefile(f"{where} - Error during parsing: invalid zone '{text}'")
    return zone if as_written else zone.lower()


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False) if "/" in text else None
    except ValueError:
        return None


def _plugins(
    server: ServerBlock, version: Version, zone: str, own: set[str]
) -> tuple[
    tuple[Forward, ...],
    Cache | None,
    Kubernetes | None,
    tuple[Template, ...],
    Hosts | None,
    rewrites.Rewrites,
    tuple[str, ...],
]:
    seen: set[str] = set()
    forwards: list[Forward] = []
    templates: list[Template] = []
    cache: Cache | None = None
    kubernetes: Kubernetes | None = None
    hosts: Hosts | None = None
    rules: list[rewrites.Rule] = []
    unmodelled: list[str] = []
    for d in server.directives:
        if d.name not in _PLUGINS or version < _PLUGINS[d.name]:
            raise BrokenCorefile(f"{d.where} - Error during parsing: Unknown directive '{d.name}'")
        if d.name in seen and (d.name in _ONCE or (d.name == "forward" and version < _MANY_FORWARDS)):
            raise BrokenCorefile(f"plugin/{d.name}: this plugin can only be used once per Server Block")
        seen.add(d.name)
        match d.name:
            case "forward":
                forwards.append(_forward(d, version))
            case "cache":
                cache = _cache(d, zone, version)
            case "kubernetes":
                kubernetes = _kubernetes(d, zone, version)
            case "template":
                made = _template(d, zone)
                templates += [made] if made else []
                unmodelled += [] if made else ["template"]
            case "hosts":
                hosts = _hosts(d)
            case "rewrite":
                rule = rewrites.parse(d, version)
                rules += [rule] if rule else []
                unmodelled += [] if rule else [f"rewrite {' '.join(d.args)}".rstrip()]
            case name if name not in _MODELLED:
                unmodelled.append(name)
        plugin_grammar.check(d)
    if "loop" in seen and any(u.address in own for f in forwards for u in f.upstreams):
        raise BrokenCorefile(f'plugin/loop: Loop (127.0.0.1 -> :53) detected for zone "{zone}"')
    turned = rewrites.Rewrites(tuple(rules), version >= rewrites.BACKWARDS)
    return tuple(forwards), cache, kubernetes, tuple(templates), hosts, turned, tuple(unmodelled)


def _wrong_count(d: Directive, name: str = "") -> BrokenCorefile:
    last = d.args[-1] if d.args else d.name
    return BrokenCorefile(
        f"plugin/{name or d.name}: {d.where} - Error during parsing: Wrong argument count or unexpected line ending after '{last}'"
    )


def _seconds(text: str, d: Directive) -> float:
    """A duration as Go writes it: ``5s``, ``1m30s``, ``500ms``."""
    if text == "0":
        return 0.0
    if not re.fullmatch(r"(\d+(\.\d*)?(ns|us|µs|ms|s|m|h))+", text):
        raise BrokenCorefile(f'plugin/{d.name}: {d.where} - time: invalid duration "{text}"')
    unit = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
    return sum(float(n) * unit[u] for n, u in re.findall(r"(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)", text))


def _whole(text: str, d: Directive) -> int:
    if not text.isdigit():
        raise BrokenCorefile(f'plugin/{d.name}: {d.where} - strconv.Atoi: parsing "{text}": invalid syntax')
    if int(text) >= 2**32:
        raise BrokenCorefile(f'plugin/{d.name}: {d.where} - strconv.Atoi: parsing "{text}": value out of range')
    return int(text)


def _forward(d: Directive, version: Version) -> Forward:
    if len(d.args) < 2:
        raise _wrong_count(d)
    zone = _zone(d.args[0], d.where)
    upstreams = tuple(u for text in d.args[1:] for u in _upstreams(text))
    if len(upstreams) > _MOST_UPSTREAMS:
        raise BrokenCorefile(f"plugin/forward: more than {_MOST_UPSTREAMS} TOs configured: {len(upstreams)}")
    excepted: list[str] = []
    policy, max_fails, check = "random", 2, 0.5
    flags: set[str] = set()
    ages = {"expire": 10.0, "max_age": 0.0}
    for o in d.block:
        if o.name not in _FORWARD_OPTIONS or version < _FORWARD_OPTIONS[o.name]:
            raise BrokenCorefile(f"plugin/forward: {o.where} - Error during parsing: unknown property '{o.name}'")
        needs = {"force_tcp": 0, "prefer_udp": 0, "failfast_all_unhealthy_upstreams": 0}.get(o.name)
        if needs == 0 and o.args:
            raise _wrong_count(o, "forward")
        if (needs is None and not o.args and o.name != "tls") or (o.name == "tls" and len(o.args) > 3):
            raise _wrong_count(o, "forward")
        if o.name in ("policy", "expire", "max_age") and len(o.args) > 1:
            raise BrokenCorefile(f"plugin/forward: {o.where} - Error during parsing: unknown property '{o.args[1]}'")
        match o.name:
            case "except":
                excepted += [_zone(z, o.where) for z in o.args]
            case "policy":
                policy = o.args[0]
                if policy not in ("random", "round_robin", "sequential"):
                    raise BrokenCorefile(f"plugin/forward: {o.where} - Error during parsing: unknown policy '{policy}'")
            case "max_fails":
                max_fails = _whole(o.args[0], o)
            case "max_concurrent" | "max_connect_attempts" | "max_idle_conns":
                _whole(o.args[0], o)
            case "expire" | "max_age":
                ages[o.name] = _seconds(o.args[0], o)
            case "next" | "failover":
                for word in o.args:
                    if word.upper() not in _RCODES:
                        raise BrokenCorefile(f"plugin/forward: {word} is not a valid rcode")
            case "health_check":
                check = _seconds(o.args[0], o)
                rest = list(o.args[1:])
                while rest:
                    word = rest.pop(0)
                    if word == "domain" and rest:
                        _zone(rest.pop(0), o.where)
                    elif word != "no_rec":
                        raise BrokenCorefile(f"plugin/forward: health_check: unknown option {word}")
            case "force_tcp" | "prefer_udp":
                flags.add(o.name)
    if 0 < ages["max_age"] < ages["expire"]:
        raise BrokenCorefile(
            f"plugin/forward: max_age ({ages['max_age']:g}s) must not be less than expire ({ages['expire']:g}s)"
        )
    return Forward(
        zone, upstreams, tuple(excepted), policy, max_fails, check, "force_tcp" in flags, "prefer_udp" in flags
    )


def _upstreams(text: str) -> tuple[Upstream, ...]:
    if text == "/etc/resolv.conf":
        # CoreDNS pods have dnsPolicy Default: the node's resolv.conf, which names Azure's resolver.
        return (Upstream("168.63.129.16", 53, "dns"),)
    scheme, found, rest = text.partition("://")
    if not found:
        scheme, rest = "dns", text
    if scheme not in ("dns", "tls"):
        raise BrokenCorefile(
            f"plugin/forward: '{scheme}' is not supported as a destination protocol in forward: {text}"
        )
    address, port = rest.partition("%")[0], 853 if scheme == "tls" else 53
    if rest.count(":") == 1 or rest.startswith("["):
        address, _, number = rest.rpartition(":")
        address = address.strip("[]").partition("%")[0]
        if not number.isdigit():
            raise BrokenCorefile(f'plugin/forward: not an IP address or file: "{text}"')
        port = int(number)
    try:
        ip_address(address)
    except ValueError:
        raise BrokenCorefile(f'plugin/forward: not an IP address or file: "{text}"') from None
    return (Upstream(address, port, "tls" if scheme == "tls" else "dns"),)


def _cache(d: Directive, zone: str, version: Version) -> Cache:
    args = list(d.args)
    success, denial = (3600, 5), (1800, 5)
    if args and re.fullmatch(r"[+-]?\d+", args[0]):
        ttl = int(args.pop(0))
        if ttl <= 0:
            raise BrokenCorefile(f"plugin/cache: cache TTL can not be zero or negative: {ttl}")
        success, denial = (ttl, 5), (ttl, 5)
    for o in d.block:
        if o.name in ("success", "denial"):
            if not o.args:
                raise _wrong_count(o, "cache")
            numbers = [_whole(a, o) for a in o.args]
            cap, floor = success if o.name == "success" else denial
            pair = (numbers[1] if len(numbers) > 1 else cap, numbers[2] if len(numbers) > 2 else floor)
            success, denial = (pair, denial) if o.name == "success" else (success, pair)
        elif o.name == "serve_stale_policy" and version >= _STALE_POLICY:
            continue
        elif o.name not in ("prefetch", "serve_stale", "servfail", "disable", "keepttl"):
            raise _wrong_count(o, "cache")
    return Cache(tuple(_zone(z, d.where) for z in args) or (zone,), success, denial)


def _kubernetes(d: Directive, zone: str, version: Version) -> Kubernetes:
    ttl = 5
    fallthrough: tuple[str, ...] | None = None
    for o in d.block:
        if o.name not in _KUBERNETES_OPTIONS and not (o.name == "zonal" and version >= _ZONAL):
            raise BrokenCorefile(f"plugin/kubernetes: {o.where} - Error during parsing: unknown property '{o.name}'")
        if o.name == "ttl":
            ttl = _whole(o.args[0] if o.args else "", o)
        if o.name == "fallthrough":
            fallthrough = tuple(_zone(z, o.where) for z in o.args) or (".",)
    return Kubernetes(tuple(_zone(z, d.where) for z in d.args) or (zone,), ttl, fallthrough)


def _template(d: Directive, zone: str) -> Template | None:
    """None: one that makes answers with Go's template language, which is not modelled."""
    if len(d.args) < 2:
        raise _wrong_count(d)
    rcode, fallthrough, modelled = "NOERROR", False, d.args[0].upper() in ("ANY", "IN") and d.args[1].upper() == "ANY"
    matches: list[str] = []
    for o in d.block:
        match o.name:
            case "match":
                matches += o.args
            case "rcode":
                rcode = o.args[0].upper() if o.args else ""
            case "fallthrough":
                fallthrough = True
            case "answer" | "additional" | "authority" | "ederror" | "upstream":
                modelled = False
            case _:
                raise BrokenCorefile(f"plugin/template: {o.where} - Error during parsing: unknown property '{o.name}'")
    where = _zone(d.args[2], d.where) if len(d.args) > 2 else zone
    return Template(where, tuple(matches) or (".*",), rcode, fallthrough) if modelled else None


def _hosts(d: Directive) -> Hosts:
    entries: list[tuple[str, IPv4Address]] = []
    ttl, fallthrough = 3600, False
    for o in d.block:
        match o.name:
            case "ttl":
                ttl = _whole(o.args[0] if o.args else "", o)
            case "fallthrough":
                fallthrough = True
            case "no_reverse" | "reload":
                continue
            case text:
                if fallthrough:
                    raise BrokenCorefile(f"plugin/hosts: {o.where} - Error during parsing: unknown property '{text}'")
                try:
                    address = ip_address(text)
                except ValueError:
                    continue  # a line that names no address is passed over, as in a file of hosts
                if isinstance(address, IPv4Address):
                    entries += [(fqdn(name), address) for name in o.args]
    return Hosts(tuple(entries), ttl, fallthrough)
