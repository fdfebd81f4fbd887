"""What CoreDNS's plugins do not take: with any of it the process ends before it serves. https://coredns.io/plugins/

Plugins whose effect is computed are in ``plugins`` and ``rewrites``; here is what others take, and the rest of what those take.
tests/coredns asks the real CoreDNS for each.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_network

import dns.exception
import dns.rdatatype
from dns.rcode import Rcode

from cloudlink_sandbox.kube.corefile import BrokenCorefile, Directive

_DURATION = re.compile(r"0|((\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h))+")
_RCODES = {rcode.name for rcode in Rcode} | {"NOTIMPL"}
_LOG_CLASSES = ("success", "denial", "error", "all")
_MOST_ARGUMENTS = {
    "debug": 0,
    "health": 1,
    "loop": 0,
    "minimal": 0,
    "pprof": 1,
    "prometheus": 1,
    "ready": 1,
    "reload": 2,
    "whoami": 0,
}
_LEAST_ARGUMENTS = {"bind": 1, "dnstap": 1, "file": 1, "root": 1}


def check(d: Directive) -> None:
    """Raises BrokenCorefile."""
    if not _LEAST_ARGUMENTS.get(d.name, 0) <= len(d.args) <= _MOST_ARGUMENTS.get(d.name, 1000):
        raise _wrong(d, d, "Wrong argument count or unexpected line ending after " + repr((d.args or (d.name,))[-1]))
    if found := _CHECKS.get(d.name):
        found(d)


def _wrong(plugin: Directive, line: Directive, why: str) -> BrokenCorefile:
    return BrokenCorefile(f"plugin/{plugin.name}: {line.where} - Error during parsing: {why}")


def _duration(d: Directive, line: Directive, text: str) -> None:
    if not _DURATION.fullmatch(text):
        raise _wrong(d, line, f'time: invalid duration "{text}"')


def _expression(d: Directive, line: Directive, text: str) -> None:
    try:
        re.compile(text)
    except re.error as error:
        raise _wrong(d, line, f"error parsing regexp: {error}: `{text}`") from None
    if re.search(r"\(\?(=|!|<=|<!)", text):
        raise _wrong(d, line, f"error parsing regexp: invalid or unsupported Perl syntax: `{text}`")


def _hosts(d: Directive) -> None:
    for line in d.block:
        if line.name == "ttl" and not (line.args and line.args[0].isdigit() and 0 < int(line.args[0]) <= 65535):
            raise _wrong(d, line, "ttl provided is invalid")
        if line.name == "reload" and not (line.args and _DURATION.fullmatch(line.args[0])):
            raise _wrong(d, line, f"invalid duration for reload '{' '.join(line.args)}'")


def _template(d: Directive) -> None:
    if d.args[0].upper() not in ("IN", "CS", "CH", "HS", "NONE", "ANY"):
        raise _wrong(d, d, f"invalid query class {d.args[0]}")
    try:
        dns.rdatatype.from_text(d.args[1].upper())
    except dns.exception.DNSException:
        raise _wrong(d, d, f"invalid RR class {d.args[1]}") from None
    for line in d.block:
        if line.name == "match":
            for text in line.args:
                _expression(d, line, text)
        if line.name == "rcode" and not (line.args and line.args[0].upper() in _RCODES):
            raise _wrong(d, line, f"unknown rcode {' '.join(line.args)}")
        if line.name in ("answer", "additional", "authority"):
            for text in line.args:
                if text.count("{{") != text.count("}}"):
                    raise _wrong(d, line, f"could not compile template: {text}")


def _log(d: Directive) -> None:
    for line in d.block:
        if line.name != "class" or not line.args:
            raise _wrong(d, line, f"Wrong argument count or unexpected line ending after '{line.name}'")
        for word in line.args:
            if word not in _LOG_CLASSES:
                raise BrokenCorefile(f"plugin/log: invalid Class: {word}")


def _errors(d: Directive) -> None:
    if d.args and d.args != ("stdout",):
        raise _wrong(d, d, f"invalid log file: {d.args[0]}")
    for line in d.block:
        if line.name == "consolidate" and len(line.args) > 1:
            _duration(d, line, line.args[0])
            _expression(d, line, line.args[1])
        elif line.name != "stacktrace":
            raise _wrong(d, line, f"Unexpected token '{line.name}', expecting 'Unknown field'")


def _health(d: Directive) -> None:
    for line in d.block:
        if line.name == "lameduck":
            _duration(d, line, "".join(line.args))


def _cache(d: Directive) -> None:
    for line in d.block:
        first, second = [*line.args, "", ""][:2]
        match line.name:
            case "prefetch":
                share = re.fullmatch(r"(\d+)%", [*line.args, "", "", ""][2]) if len(line.args) > 2 else None
                if not first.isdigit() or (len(line.args) > 2 and not (share and 10 <= int(share[1]) <= 90)):
                    raise BrokenCorefile(f"plugin/cache: prefetch does not take {' '.join(line.args)}")
                if second:
                    _duration(d, line, second)
            case "servfail":
                _duration(d, line, first)
                if re.fullmatch(r".*h.*|([6-9]|\d{2,})m.*", first):
                    raise BrokenCorefile("plugin/cache: caching SERVFAIL responses over 5 minutes is not permitted")
            case "serve_stale" if line.args:
                _duration(d, line, first)
                if second.lower() not in ("", "verify", "immediate"):
                    raise BrokenCorefile(f"plugin/cache: invalid value for serve_stale refresh mode: {second}")
            case "disable" if first not in ("success", "denial"):
                raise BrokenCorefile('plugin/cache: cache type for disable must be "success" or "denial"')
            case "keepttl" if line.args:
                raise _wrong(d, line, f"Wrong argument count or unexpected line ending after '{first}'")
            case "success" | "denial" if second == "0":
                raise BrokenCorefile("plugin/cache: cache TTL can not be zero or negative: 0")


def _transfer(d: Directive) -> None:
    if not any(line.name == "to" for line in d.block):
        raise _wrong(d, d, "'to' is required")


def _listens(d: Directive) -> None:
    if d.args and ":" not in d.args[0]:
        raise BrokenCorefile(f"plugin/{d.name}: address {d.args[0]}: missing port in address")


def _reload(d: Directive) -> None:
    if d.args[:1] == ("off",):
        return
    for text in d.args:
        _duration(d, d, text)
    if d.args and re.fullmatch(r"0|1s|[\d.]+(ns|us|µs|ms)|1\.\d*s", d.args[0]):
        raise BrokenCorefile("plugin/reload: interval value must be greater or equal to 2s")


def _loadbalance(d: Directive) -> None:
    if d.args and d.args[0] not in ("round_robin", "weighted"):
        raise BrokenCorefile(f"plugin/loadbalance: unknown policy: {d.args[0]}")


def _acl(d: Directive) -> None:
    for line in d.block:
        if line.name not in ("allow", "block", "filter", "drop"):
            raise _wrong(d, line, f"unexpected token \"{line.name}\"; expect 'allow', 'block', 'filter' or 'drop'")
        inside = False
        for word in line.args:
            if word in ("net", "type"):
                inside = word == "net"
            elif inside and word != "*":
                try:
                    ip_network(word, strict=False)
                except ValueError:
                    raise _wrong(d, line, f'illegal CIDR notation "{word}"') from None


def _bufsize(d: Directive) -> None:
    if d.args and not (d.args[0].isdigit() and 512 <= int(d.args[0]) <= 4096):
        raise _wrong(d, d, f"Wrong argument count or unexpected line ending after '{d.args[0]}'")


def _cancel(d: Directive) -> None:
    for text in d.args:
        _duration(d, d, text)


def _header(d: Directive) -> None:
    for line in d.block:
        words = [line.name, *line.args]
        words = words[1:] if words[0] in ("query", "response") else words
        if not words or words[0] not in ("set", "clear"):
            raise BrokenCorefile(
                f"plugin/header: setting up rule: invalid selector={line.name} should be query or response"
            )
        for flag in words[1:]:
            if flag.lower() not in ("aa", "ra", "rd"):
                raise BrokenCorefile(f"plugin/header: setting up rule: unknown/unsupported flag={flag}")


def _kubernetes(d: Directive) -> None:
    for line in d.block:
        if line.name == "pods" and line.args and line.args[0] not in ("disabled", "verified", "insecure"):
            raise BrokenCorefile(f"plugin/kubernetes: wrong value for pods: {line.args[0]}")
        if line.name == "ttl" and not (line.args and line.args[0].isdigit() and int(line.args[0]) <= 3600):
            raise _wrong(d, line, "ttl must be in range [0, 3600]")


def _dns64(d: Directive) -> None:
    for text in [*d.args, *(a for line in d.block if line.name == "prefix" for a in line.args)]:
        try:
            ip_network(text, strict=False)
        except ValueError:
            raise BrokenCorefile(f"plugin/dns64: invalid CIDR address: {text}") from None


def _tls(d: Directive) -> None:
    """AKS's pods mount CoreDNS's two ConfigMaps and no certificate."""
    if not 2 <= len(d.args) <= 3:
        raise _wrong(d, d, f"Wrong argument count or unexpected line ending after '{(d.args or (d.name,))[-1]}'")
    raise BrokenCorefile(f"plugin/tls: could not load TLS cert: open {d.args[0]}: no such file or directory")


_CHECKS: dict[str, Callable[[Directive], None]] = {
    "acl": _acl,
    "bufsize": _bufsize,
    "cache": _cache,
    "cancel": _cancel,
    "dns64": _dns64,
    "errors": _errors,
    "header": _header,
    "health": _health,
    "hosts": _hosts,
    "kubernetes": _kubernetes,
    "loadbalance": _loadbalance,
    "log": _log,
    "pprof": _listens,
    "prometheus": _listens,
    "reload": _reload,
    "template": _template,
    "tls": _tls,
    "transfer": _transfer,
}
