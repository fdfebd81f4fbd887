"""CoreDNS's rewrite plugin: what a question becomes, and how its answer is turned back.

https://coredns.io/plugins/rewrite/ . Rules for ``edns0`` are kept and have no effect: no name server of the sandbox looks
at these options. Rules for ``class`` and ``cname`` are not modelled (``parse`` returns None for them).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from cloudlink_sandbox.kube.corefile import BrokenCorefile, Directive

Match = Literal["exact", "prefix", "suffix", "substring", "regex"]

_MATCHES: tuple[Match, ...] = ("exact", "prefix", "suffix", "substring", "regex")
_LONGEST_PATTERN = 10_000
_MOST_TTL = 2**31 - 1
# Rdata with a name in it, as a rule for values sees it: type -> where in the text form the name is.
_NAME_AT = {"CNAME": 0, "NS": 0, "DNAME": 0, "PTR": 0, "SOA": 0, "MX": 1, "SRV": 3, "NAPTR": 5}


@dataclass(frozen=True)
class Replace:
    """A text that another takes the place of. Groups of a pattern stand as {1} in the new text."""

    match: Literal["remap", "suffix", "regex"]
    old: str
    new: str

    def of(self, text: str) -> str:
        if self.match == "regex":
            found = re.search(self.old, text)
            return _filled(self.new, found) if found else text
        if self.match == "suffix":
            return text.removesuffix(self.old) + self.new if text.endswith(self.old) else text
        if text == self.old:
            return self.new
        return text[: -len(self.old)] + self.new if text.endswith(f".{self.old}") else text


@dataclass(frozen=True)
class OnAnswer:
    """What is done to each record of the answer: to its name, to the name in its value, to its TTL, or to the code."""

    what: Literal["name", "value", "ttl", "rcode"]
    replace: Replace | None = None
    bounds: tuple[int, int] = (0, _MOST_TTL)  # of TTLs
    codes: tuple[int, int] = (0, 0)  # the code that is replaced, and by which


@dataclass(frozen=True)
class Rule:
    """goes_on: whether the rules behind it are looked at as well. auto: names of the answer are turned back."""

    what: Literal["name", "type", "answer", "nothing"]
    goes_on: bool
    match: Match = "exact"
    old: str = ""
    new: str = ""
    types: tuple[int, int] = (0, 0)
    auto: bool = False
    on_answer: tuple[OnAnswer, ...] = ()

    def apply(self, name: str, kind: int) -> tuple[str, int, tuple[OnAnswer, ...]] | None:
        """The question's name and type after the rule, and what is done to the answer. None: it does not match."""
        if self.what == "type":
            return (name, self.types[1], ()) if kind == self.types[0] else None
        if self.what == "nothing" or not self._matches(name):
            return None
        if self.what == "answer":
            return name, kind, self.on_answer
        new = self._renamed(name)
        back = Replace("remap", new, name)
        if self.match == "suffix":
            back = Replace("suffix", self.new, self.old)
        turned = (OnAnswer("name", back), OnAnswer("value", back)) if self.auto else ()
        return new, kind, turned + self.on_answer

    def _matches(self, name: str) -> bool:
        match self.match:
            case "exact":
                return name == self.old
            case "prefix":
                return name.startswith(self.old)
            case "suffix":
                return name.endswith(self.old)
            case "substring":
                return self.old in name
        return re.search(self.old, name) is not None

    def _renamed(self, name: str) -> str:
        match self.match:
            case "exact":
                return self.new
            case "prefix":
                return self.new + name.removeprefix(self.old)
            case "suffix":
                return name.removesuffix(self.old) + self.new
            case "substring":
                return name.replace(self.old, self.new)
        found = re.search(self.old, name)
        return _filled(self.new, found) if found else name


class InvalidName(Exception):
    """A rule made something of the question that is no name."""


@dataclass(frozen=True)
class Rewrites:
    """All rules of a server block. backwards: whether the last rule turns its part of the answer back first."""

    rules: tuple[Rule, ...] = ()
    backwards: bool = True


def rewritten(rewrites: Rewrites, name: str, kind: int) -> tuple[str, int, tuple[OnAnswer, ...]]:
    """What is asked instead, and what is done to the answer, in order. Raises InvalidName.

    name: in lower case, with its final dot.
    """
    later: tuple[OnAnswer, ...] = ()
    for rule in rewrites.rules:
        done = rule.apply(name, kind)
        if done is None:
            continue
        name, kind = done[0], done[1]
        try:
            dns.name.from_text(name)
        except dns.exception.DNSException:
            raise InvalidName(f"invalid name after rewrite: {name}") from None
        later += done[2]
        if not rule.goes_on:
            break
    return name, kind, later[::-1] if rewrites.backwards else later


def turn_back(response: dns.message.Message, rules: tuple[OnAnswer, ...]) -> None:
    """Changes the answer's records as the rules say, in their order. Without a record the code stays as it is, too."""
    for section in (response.authority, response.answer):
        section[:] = [_turned(rrset, response, rules) for rrset in section]


def _turned(rrset: dns.rrset.RRset, response: dns.message.Message, rules: tuple[OnAnswer, ...]) -> dns.rrset.RRset:
    name, ttl = rrset.name.to_text(), rrset.ttl
    kind = dns.rdatatype.to_text(rrset.rdtype)
    values = [r.to_text() for r in rrset]
    for rule in rules:
        match rule.what:
            case "name" if rule.replace:
                name = rule.replace.of(name)
            case "value" if rule.replace and kind in _NAME_AT:
                values = [_with_name(v, _NAME_AT[kind], rule.replace) for v in values]
            case "ttl":
                ttl = min(max(ttl, rule.bounds[0]), rule.bounds[1])
            case "rcode" if response.rcode() == rule.codes[0]:
                response.set_rcode(dns.rcode.Rcode(rule.codes[1]))
    return dns.rrset.from_text(name, ttl, rrset.rdclass, rrset.rdtype, *values)


def _with_name(value: str, at: int, replace: Replace) -> str:
    words = value.split(" ")
    words[at] = replace.of(words[at])
    return " ".join(words)


# --- from the Corefile -----------------------------------------------------------------------------------------------


Version = tuple[int, int, int]

_CNAME: Version = (1, 11, 0)  # https://coredns.io/2023/07/25/coredns-1.11.0-release/
_RCODE: Version = (1, 11, 2)  # https://coredns.io/2024/01/26/coredns-1.11.2-release/
BACKWARDS: Version = (1, 11, 4)  # https://coredns.io/2024/11/13/coredns-1.11.4-release/


def parse(d: Directive, version: Version) -> Rule | None:
    """None: a rule that changes answers in a way that is not modelled. Raises BrokenCorefile."""
    words = list(d.args)
    if len(words) < 2:  # then the rule is in the block
        words += [word for o in d.block for word in (o.name, *o.args)]
    if not words:
        raise _broken("no rule type specified for rewrite")
    goes_on = words[0].lower() == "continue"
    if words[0].lower() in ("continue", "stop"):
        mode = words.pop(0).lower()
        if not words:
            raise _broken(f"{mode} rule must begin with a rule type")
    what, *rest = words
    match what.lower():
        case "name":
            return _name(goes_on, rest)
        case "type":
            return _type(goes_on, rest)
        case "ttl":
            return _ttl(goes_on, rest)
        case "rcode" if version >= _RCODE:
            return _rcode(goes_on, rest)
        case "edns0":
            if len(rest) < 2:
                raise _broken("too few arguments for an EDNS0 rule")
            return Rule("nothing", goes_on)
        case "class" if len(rest) != 2:
            raise _broken("class rules must have exactly two arguments")
        case "class":
            return None
        case "cname" if version >= _CNAME:
            if len(rest) not in (2, 3):
                raise _broken(f"too few ({len(rest)}) arguments for a cname rule")
            return None
        case "answer":
            raise _broken("response rewrites must begin with a name rule")
    raise _broken(f'invalid rule type "{words[0]}"')


def _name(goes_on: bool, words: list[str]) -> Rule:
    if len(words) < 2:
        raise _broken("too few arguments for a name rule")
    match: Match = "exact"
    if len(words) == 2:
        old, new = words
    else:
        found = next((m for m in _MATCHES if m == words[0].lower()), None)
        if found is None:
            raise _broken(
                "name rule supports only exact, prefix, suffix, substring, and regex name matching, received: "
                + words[0].lower()
            )
        match, old, new = found, words[1], words[2]
    auto, on_answer = _answer_rules(match, words[3:]) if len(words) > 3 else (False, ())
    if match == "regex":
        _pattern(old, new)
        return Rule("name", goes_on, match, old, _normal(new), auto=auto, on_answer=on_answer)
    old, new = _normal(old), _normal(new)
    if match == "exact":
        _pattern(new, old)
    return Rule("name", goes_on, match, old, new, auto=auto or match == "exact", on_answer=on_answer)


def _answer_rules(match: str, words: list[str]) -> tuple[bool, tuple[OnAnswer, ...]]:
    if len(words) < 2:
        raise _broken(f"invalid arguments for {match} rule")
    auto, found, last = False, list[OnAnswer](), ""
    while words:
        if words[0] == "answer":
            words = words[1:]
        elif not last:
            raise _broken(f"exceeded the number of arguments for a non-answer rule argument for {match} rule")
        if not words:
            raise _broken(f"type missing for answer rule for {match} rule")
        last, *words = words
        if last == "auto":
            auto = True
        elif last in ("name", "value"):
            if len(words) < 2:
                raise _broken(f"{last} answer rule for {match} rule: 2 arguments required")
            old, new, *words = words
            _pattern(old, new)
            replace = Replace("regex", old, _normal(new))
            found.append(OnAnswer("name" if last == "name" else "value", replace))
        else:
            raise _broken(f'invalid type "{last}" for answer rule for {match} rule')
    if auto and any(rule.what == "name" for rule in found):
        raise _broken("auto name answer rule cannot be combined with explicit name anwer rules")
    return auto, tuple(found)


def _type(goes_on: bool, words: list[str]) -> Rule:
    if len(words) != 2:
        raise _broken("type rules must have exactly two arguments")
    types = []
    for word in words:
        try:
            types.append(int(dns.rdatatype.from_text(word.upper())))
        except dns.exception.DNSException:
            raise _broken(f'invalid type "{word.upper()}"') from None
    return Rule("type", goes_on, types=(types[0], types[1]))


def _ttl(goes_on: bool, words: list[str]) -> Rule:
    if len(words) < 2:
        raise _broken(f"too few ({len(words)}) arguments for a ttl rule")
    found = re.fullmatch(r"(?:(\d+)|(\d*)-(\d*))", words[-1])
    if not found or words[-1] == "-":
        raise _broken(f"invalid TTL '{words[-1]}' for a ttl rule")
    low = int(found[1] or found[2] or 0)
    high = int(found[1] or found[3] or _MOST_TTL)
    if low > high:
        raise _broken(f"invalid TTL '{words[-1]}' for a ttl rule")
    return _of_names(goes_on, "ttl", words[:-1], OnAnswer("ttl", bounds=(low, high)))


def _rcode(goes_on: bool, words: list[str]) -> Rule:
    if len(words) < 3:
        raise _broken(f"too few ({len(words)}) arguments for a rcode rule")
    codes = []
    for word, which in zip(words[-2:], ("matching", "replacement"), strict=True):
        try:
            codes.append(int(dns.rcode.from_text(word.upper())))
        except dns.exception.DNSException:
            raise _broken(f"invalid {which} RCODE '{word}' for a rcode rule") from None
    return _of_names(goes_on, "rcode", words[:-2], OnAnswer("rcode", codes=(codes[0], codes[1])))


def _of_names(goes_on: bool, what: str, words: list[str], on_answer: OnAnswer) -> Rule:
    """A rule that leaves the question alone: ``[exact|prefix|suffix|substring|regex] NAME``."""
    if len(words) > 2:
        raise _broken(f"many few arguments for a {what} rule")
    match: Match = "exact"
    if len(words) == 2:
        found = next((m for m in _MATCHES if m == words[0].lower()), None)
        if found is None:
            raise _broken(f"{what} rule supports only exact, prefix, suffix, substring, and regex name matching")
        match = found
    old = words[-1]
    if match == "regex":
        _pattern(old, "")
    return Rule("answer", goes_on, match, old if match == "regex" else _normal(old), on_answer=(on_answer,))


def _normal(name: str) -> str:
    """As CoreDNS keeps names: in lower case and with a final dot, also a prefix and what is searched within a name."""
    return name.lower().rstrip(".") + "."


def _pattern(old: str, new: str) -> None:
    if len(old) > _LONGEST_PATTERN:
        raise _broken(f"regex pattern too long: {len(old)} > {_LONGEST_PATTERN}")
    try:
        groups = re.compile(old).groups
    except re.error:
        raise _broken(f"invalid regex matching pattern: {old}") from None
    if re.search(r"\(\?(=|!|<=|<!)|\\[1-9]", old):  # Go's expressions have neither looks ahead nor back references
        raise _broken(f"invalid regex matching pattern: {old}")
    if len({n for n in re.findall(r"\{(\d{1,3})\}", new) if int(n) <= 100}) > groups:
        raise _broken(
            f"the rewrite regex pattern ({new}) uses more subexpressions than its corresponding matching regex pattern ({old})"
        )


def _filled(text: str, found: re.Match[str]) -> str:
    for number in range(len(found.groups()) + 1):
        text = text.replace(f"{{{number}}}", found[number] or "")
    return text


def _broken(why: str) -> BrokenCorefile:
    return BrokenCorefile(f"plugin/rewrite: {why}")
