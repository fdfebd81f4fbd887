"""What the plugins that people put into coredns-custom do not take: each is a parse error, of which the next CoreDNS that starts dies.

``corefile_rules`` has cache, forward and what a block may hold once. A value that a plugin of a newer CoreDNS may take is no mistake
here. https://coredns.io/plugins
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_network

from cloudlink.steps.dns_forward.corefile_grammar import Directive

Words = tuple[str, ...]

RCODE_NAMES = """NOERROR FORMERR SERVFAIL NXDOMAIN NOTIMP NOTIMPL REFUSED YXDOMAIN YXRRSET NXRRSET NOTAUTH NOTZONE
    DSOTYPENI BADSIG BADVERS BADKEY BADTIME BADMODE BADNAME BADALG BADTRUNC BADCOOKIE"""
RCODES = frozenset(RCODE_NAMES.split())
_TYPE_NAMES = """A NS MD MF CNAME SOA MB MG MR NULL PTR HINFO MINFO MX TXT RP AFSDB X25 ISDN RT NSAPPTR SIG KEY PX GPOS AAAA
    LOC NXT EID NIMLOC SRV ATMA NAPTR KX CERT DNAME OPT APL DS SSHFP IPSECKEY RRSIG NSEC DNSKEY DHCID NSEC3 NSEC3PARAM TLSA
    SMIMEA HIP NINFO RKEY TALINK CDS CDNSKEY OPENPGPKEY CSYNC ZONEMD SVCB HTTPS SPF UINFO UID GID UNSPEC NID L32 L64 LP EUI48
    EUI64 TKEY TSIG IXFR AXFR MAILB MAILA ANY URI CAA AVC AMTRELAY RESINFO TA DLV"""
_TYPES = frozenset(_TYPE_NAMES.split())
_CLASSES = ("IN", "CS", "CH", "HS", "NONE", "ANY")
_DURATION = re.compile(r"[+-]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_WHOLE = re.compile(r"[+-]?\d+")
# Go's expressions have neither looks around nor references back.
_NOT_OF_GO = re.compile(r"\(\?(?:=|!|<=|<!)|(?<!\\)\\[1-9]")
_BROKEN = ("missing )", "unbalanced", "unterminated", "nothing to repeat", "bad character range", "multiple repeat")
_NAME_MATCHES = ("exact", "prefix", "suffix", "substring", "regex")


def seconds(text: str) -> float:
    """A duration as Go reads it, in seconds; negative: it is not one."""
    if _DURATION.fullmatch(text) is None:
        return -1.0
    total = sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"([\d.]+)([a-zµμ]+)", text))
    return -total if text.startswith("-") else total


class _Unknown(str):
    """A word that a newer CoreDNS may know."""


def problems(directive: Directive, *, newer: bool = False) -> Iterator[str]:
    """What is wrong with it, as a clause that follows "because". newer: of a CoreDNS whose words are not all known here."""
    if check := _CHECKS.get(directive.name):
        yield from (why for why in check(directive) if not (newer and isinstance(why, _Unknown)))


def _not_taken(name: str, *words: str) -> str:
    return f"{name} does not take {' '.join(words)}".rstrip()


def _at_most(most: int) -> Callable[[Directive], Iterator[str]]:
    def check(d: Directive) -> Iterator[str]:
        if len(d.arguments) > most:
            yield _not_taken(d.name, *d.arguments)

    return check


def _broken_pattern(text: str) -> bool:
    """Whether Go cannot compile it. What Python alone stumbles over passes."""
    if _NOT_OF_GO.search(text):
        return True
    try:
        re.compile(text)
    except re.error as error:
        return str(error).startswith(_BROKEN)
    except (RecursionError, OverflowError):
        return False
    return False


# --- hosts, template: answers of one's own -----------------------------------------------------------------------------------


def _hosts(d: Directive) -> Iterator[str]:
    """Lines that are no options are entries, whatever they say, as long as no ``fallthrough`` stands before them."""
    ended = False
    for name, *rest in d.options:
        match name:
            case "fallthrough":
                ended = True
            case "ttl" if len(rest) != 1 or _WHOLE.fullmatch(rest[0]) is None or not 0 < int(rest[0]) <= 65_535:
                yield _not_taken("hosts", name, *rest) + " (seconds, from 1 on, without a unit)"
            case "reload" if len(rest) != 1 or seconds(rest[0]) < 0:
                yield _not_taken("hosts", name, *rest) + " (a duration such as 10s)"
            case "ttl" | "reload" | "no_reverse":
                pass
            case _ if ended:
                yield f"hosts takes no entry behind its fallthrough ({' '.join((name, *rest))})"


def _template(d: Directive) -> Iterator[str]:
    if len(d.arguments) < 2:
        yield "template names no class and type, such as IN A"
        return
    if d.arguments[0].upper() not in _CLASSES:
        yield f"template has no class {d.arguments[0]}; it comes before the type, as in IN A"
    elif d.arguments[1].upper() not in _TYPES:
        yield _Unknown(f"template has no type {d.arguments[1]}")
    for name, *rest in d.options:
        match name:
            case "match" if not rest or any(map(_broken_pattern, rest)):
                yield _not_taken("template", name, *rest) + " (an expression that cannot be compiled)"
            case "answer" | "additional" | "authority" if not rest or any(t.count("{{") != t.count("}}") for t in rest):
                yield _not_taken("template", name, *rest) + " (a template that cannot be compiled)"
            case "rcode" if len(rest) != 1 or rest[0].upper() not in RCODES:
                yield _not_taken("template", name, *rest)
            case "match" | "answer" | "additional" | "authority" | "rcode" | "fallthrough" | "upstream" | "ederror":
                pass
            case _:
                yield _Unknown(f"template has no option {name}")


# --- what is logged, checked and read again ----------------------------------------------------------------------------------


def _log(d: Directive) -> Iterator[str]:
    for name, *rest in d.options:
        if name != "class":
            yield _Unknown(f"log has no option {name}")
        elif not rest or any(word not in ("success", "denial", "error", "all") for word in rest):
            yield _not_taken("log", name, *rest)


def _errors(d: Directive) -> Iterator[str]:
    if d.arguments not in ((), ("stdout",)):
        yield _not_taken("errors", *d.arguments)
    for name, *rest in d.options:
        if name == "consolidate":
            if len(rest) < 2 or seconds(rest[0]) <= 0 or _broken_pattern(rest[1]):
                yield _not_taken("errors", name, *rest)
        elif name != "stacktrace":
            yield _Unknown(f"errors has no option {name}")


def _health(d: Directive) -> Iterator[str]:
    yield from _at_most(1)(d)
    for name, *rest in d.options:
        if name == "lameduck" and (len(rest) != 1 or seconds(rest[0]) < 0):
            yield _not_taken("health", name, *rest) + " (a duration such as 5s)"


def _listens(d: Directive) -> Iterator[str]:
    yield from _at_most(1)(d)
    if len(d.arguments) == 1 and ":" not in d.arguments[0]:
        yield f"{d.name} listens at an address with a port, not at {d.arguments[0]}"


def _reload(d: Directive) -> Iterator[str]:
    if d.arguments[:1] == ("off",):
        return
    if len(d.arguments) > 2 or any(seconds(a) < 0 for a in d.arguments):
        yield _not_taken("reload", *d.arguments) + " (durations such as 30s)"
    elif d.arguments and seconds(d.arguments[0]) < 2:
        yield f"reload looks no more often than every 2s, not every {d.arguments[0]}"


def _cancel(d: Directive) -> Iterator[str]:
    if any(seconds(a) < 0 for a in d.arguments) or len(d.arguments) > 1:
        yield _not_taken("cancel", *d.arguments)


# --- who is answered, and how ------------------------------------------------------------------------------------------------


def _loadbalance(d: Directive) -> Iterator[str]:
    if d.arguments and d.arguments[0] not in ("round_robin", "weighted"):
        yield _Unknown(f"loadbalance has no policy {d.arguments[0]}")


def _acl(d: Directive) -> Iterator[str]:
    for name, *rest in d.options:
        if name not in ("allow", "block", "filter", "drop"):
            yield _Unknown(f"acl has no action {name}")
        nets = rest[rest.index("net") + 1 :] if "net" in rest else []
        for net in nets[: nets.index("type")] if "type" in nets else nets:
            try:
                ip_network(net, strict=False)
            except ValueError:
                if net != "*":
                    yield f"acl takes no network {net}"


def _bufsize(d: Directive) -> Iterator[str]:
    if d.arguments and not (
        len(d.arguments) == 1 and d.arguments[0].isdecimal() and 512 <= int(d.arguments[0]) <= 4096
    ):
        yield _not_taken("bufsize", *d.arguments) + " (from 512 to 4096)"


def _header(d: Directive) -> Iterator[str]:
    for words in d.options:
        what = list(words[1:] if words[0] in ("query", "response") else words)
        if not what or what[0] not in ("set", "clear") or not {w.lower() for w in what[1:]} <= {"aa", "ra", "rd"}:
            yield _not_taken("header", *words)


_KUBERNETES_OPTIONS = """endpoint tls kubeconfig namespaces labels pods endpoint_pod_names ttl noendpoints fallthrough ignore
    namespace_labels apiserver_qps apiserver_burst apiserver_max_inflight multicluster startup_timeout"""
# Those at the end are of old versions, which are judged by their number.
_OF_KUBERNETES = frozenset((*_KUBERNETES_OPTIONS.split(), "upstream", "resyncperiod", "transfer"))


def _kubernetes(d: Directive) -> Iterator[str]:
    for name, *rest in d.options:
        if name not in _OF_KUBERNETES:
            yield _Unknown(f"kubernetes has no option {name}")
        if name == "pods" and rest[:1] and rest[0] not in ("disabled", "verified", "insecure"):
            yield _not_taken("kubernetes", name, *rest)
        if name == "ttl" and (len(rest) != 1 or _WHOLE.fullmatch(rest[0]) is None or not 0 <= int(rest[0]) <= 3600):
            yield _not_taken("kubernetes", name, *rest)


def _dns64(d: Directive) -> Iterator[str]:
    prefixes = [rest[0] for name, *rest in d.options if name == "prefix" and rest] + list(d.arguments)
    for text in prefixes:
        try:
            ip_network(text, strict=False)
        except ValueError:
            yield f"dns64 takes no prefix {text}"


def _names_something(d: Directive) -> Iterator[str]:
    if not d.arguments:
        yield f"{d.name} names no file, folder or address"


def _transfer(d: Directive) -> Iterator[str]:
    if not any(words[0] == "to" for words in d.options):
        yield "transfer does not say to whom"


# --- rewrite -----------------------------------------------------------------------------------------------------------------


def _rewrite(d: Directive) -> Iterator[str]:
    if why := _rule(d):
        yield f"rewrite {' '.join(d.arguments)}".rstrip() + f": {why}"


def _rule(d: Directive) -> str:
    """Why CoreDNS takes no such rule; empty: it does."""
    words = list(d.arguments)
    if len(words) < 2:  # then the rule is in the block
        words += [word for line in d.options for word in line]
    if words and words[0].lower() in ("continue", "stop"):
        words = words[1:]
    if not words:
        return "it names no kind of rule"
    kind, *rest = words
    match kind.lower():
        case "name":
            return _of_name(rest)
        case "type" | "class" if len(rest) != 2:
            return f"a rule for a {kind} takes two words"
        case "type" if not {w.upper() for w in rest} <= _TYPES:
            return f"there is no such type of records: {' '.join(rest)}"
        case "ttl":
            return _of_ttl(rest)
        case "rcode" if len(rest) < 3 or not {w.upper() for w in rest[-2:]} <= RCODES:
            return "it takes a name and two codes of an answer"
        case "edns0" if len(rest) < 2:
            return "it says too little"
        case "cname" if len(rest) not in (2, 3):
            return "it takes two names"
        case "answer":
            return "a rule for the answer stands behind one for the name"
        case "type" | "class" | "rcode" | "edns0" | "cname":
            return ""
    return f"there is no rule {kind}"


def _of_name(words: list[str]) -> str:
    if len(words) < 2:
        return "a rule for a name takes the old and the new one"
    if len(words) == 2:
        return ""
    match, old, new = words[0].lower(), words[1], words[2]
    if match not in _NAME_MATCHES:
        return f"names are matched by {', '.join(_NAME_MATCHES)}, not by {words[0]}"
    if match == "regex" and (why := _of_pattern(old, new)):
        return why
    rest, last, auto, named = words[3:], "", False, False
    if len(rest) == 1:
        return f"it does not take {rest[0]}"
    while rest:
        if rest[0] == "answer":  # which may be left out behind the first
            rest = rest[1:]
        elif not last:
            return f"it does not take {' '.join(rest)}"
        if not rest:
            return "it does not say what becomes of the answer"
        last, rest = rest[0], rest[1:]
        if last == "auto":
            auto = True
        elif last in ("name", "value"):
            if len(rest) < 2:
                return f"answer {last} takes the old and the new one"
            if why := _of_pattern(rest[0], rest[1]):
                return why
            named, rest = named or last == "name", rest[2:]
        else:
            return f"there is no answer {last}"
    return "answer auto and answer name exclude each other" if auto and named else ""


def _of_ttl(words: list[str]) -> str:
    if len(words) < 2:
        return "it takes a name and the seconds"
    found = re.fullmatch(r"(\d+)|(\d*)-(\d*)", words[-1])
    if not found or words[-1] == "-":
        return f"{words[-1]} is no time"
    low, high = found[1] or found[2] or 0, found[1] or found[3] or 2**31 - 1
    return f"{words[-1]} begins behind its end" if int(low) > int(high) else ""


def _of_pattern(old: str, new: str) -> str:
    if _broken_pattern(old):
        return f"the expression {old} cannot be compiled"
    try:
        groups = re.compile(old).groups
    except re.error:
        return ""
    used = {n for n in re.findall(r"\{(\d{1,3})\}", new) if int(n) <= 100}
    return f"{new} uses more groups than {old} has" if len(used) > groups else ""


_CHECKS: dict[str, Callable[[Directive], Iterator[str]]] = {
    "acl": _acl,
    "bind": _names_something,
    "bufsize": _bufsize,
    "cancel": _cancel,
    "debug": _at_most(0),
    "dns64": _dns64,
    "errors": _errors,
    "dnstap": _names_something,
    "file": _names_something,
    "header": _header,
    "health": _health,
    "hosts": _hosts,
    "kubernetes": _kubernetes,
    "loadbalance": _loadbalance,
    "log": _log,
    "loop": _at_most(0),
    "minimal": _at_most(0),
    "pprof": _listens,
    "prometheus": _listens,
    "ready": _at_most(1),
    "reload": _reload,
    "rewrite": _rewrite,
    "root": _names_something,
    "template": _template,
    "transfer": _transfer,
    "whoami": _at_most(0),
}
