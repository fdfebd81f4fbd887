"""One running CoreDNS: how it answers with the configuration that it has. Sandbox time, no sockets.

What forward does with failing upstreams, and cache with lifetimes: https://coredns.io/plugins/forward/ and
https://coredns.io/plugins/cache/ . Not modelled, and answered SERVFAIL with a line in the log: plugins that change
answers in other ways (``plugins.Block.unmodelled``). prefetch and serve_stale are accepted and have no effect.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Literal, Protocol

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from cloudlink_sandbox.kube import rewrites
from cloudlink_sandbox.kube.plugins import Block, Cache, Configuration, Forward, Kubernetes, Upstream, fqdn, within

Transport = Literal["udp", "tcp"]

_READ_SECONDS = 2.0
_GIVE_UP_SECONDS = 5.0
_LONGEST_DIAL = 30.0
_SHORTEST_DIAL = 1.0


@dataclass(frozen=True)
class Exchange:
    """What became of one question to an upstream. seconds: sandbox time that it took when it was answered."""

    outcome: Literal["answered", "dropped", "refused"]
    response: dns.message.Message | None = None
    seconds: float = 0.0


class Network(Protocol):
    """What CoreDNS needs of the world around it."""

    def ask(self, upstream: Upstream, query: dns.message.Message, transport: Transport) -> Exchange: ...

    def services(self) -> dict[tuple[str, str], str]:
        """(namespace, name) -> cluster IP, ``None`` for headless ones."""
        ...

    def namespaces(self) -> set[str]: ...


@dataclass(frozen=True)
class Reply:
    """seconds: how long CoreDNS took, in sandbox time."""

    response: dns.message.Message
    seconds: float


@dataclass
class CoreDns:
    """One process. log takes lines for the pod's log."""

    configuration: Configuration
    network: Network
    log: Callable[[str], None]
    seed: int = 0
    _cache: dict[tuple[str, str, int], tuple[float, float, dns.message.Message]] = field(default_factory=dict)
    _failing: dict[Upstream, float] = field(default_factory=dict)
    _dial: dict[Upstream, float] = field(default_factory=dict)
    _turn: int = 0

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def answer(self, query: dns.message.Message, transport: Transport, now: float) -> Reply:
        if not query.question:
            return Reply(_refusal(query, "FORMERR"), 0.0)
        question = query.question[0]
        name = fqdn(question.name.to_text())
        blocks = [b for b in self.configuration.blocks if b.scheme == "dns" and b.port == 53 and within(name, b.zone)]
        if not blocks:
            return Reply(_refusal(query, "REFUSED"), 0.0)
        block = max(blocks, key=lambda b: len(b.zone) if b.zone != "." else 0)
        if block.unmodelled:
            self.log(f"[SANDBOX] {name}: not modelled in this server block: {', '.join(block.unmodelled)}")
            return Reply(_refusal(query, "SERVFAIL"), 0.0)
        caches = block.cache is not None and any(within(name, z) for z in block.cache.zones)
        key = (block.zone, name, int(question.rdtype))
        if caches and (kept := self._cached(key, query, now)):
            return Reply(kept, 0.0)
        reply = self._rewritten(block, query, name, transport, now)
        if caches and block.cache is not None:
            self._keep(block.cache, key, reply.response, now + reply.seconds)
        return reply

    # --- cache -------------------------------------------------------------------------------------------

    def _cached(self, key: tuple[str, str, int], query: dns.message.Message, now: float) -> dns.message.Message | None:
        found = self._cache.get(key)
        if found is None or found[0] <= now:
            return None
        expires, _, message = found
        response = dns.message.make_response(query, recursion_available=True)
        response.set_rcode(message.rcode())
        for section, kept in ((response.answer, message.answer), (response.authority, message.authority)):
            for rrset in kept:
                again: dns.rrset.RRset = rrset.copy()  # type: ignore[no-untyped-call]
                again.ttl = max(0, int(expires - now))
                section.append(again)
        return response

    def _keep(self, cache: Cache, key: tuple[str, str, int], response: dns.message.Message, now: float) -> None:
        if response.flags & dns.flags.TC:
            return
        denied = any(r.rdtype == dns.rdatatype.SOA for r in response.authority)
        if response.answer and response.rcode() == dns.rcode.NOERROR:
            (cap, floor), ttls = cache.success, [r.ttl for r in response.answer]
        elif denied and response.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            soa = next(r for r in response.authority if r.rdtype == dns.rdatatype.SOA)
            (cap, floor), ttls = cache.denial, [soa.ttl, soa[0].minimum]
        elif response.rcode() == dns.rcode.SERVFAIL:
            (cap, floor), ttls = (5, 5), [5]
        else:
            return
        ttl = min(cap, max(floor, min(ttls)))
        for rrset in (*response.answer, *response.authority):
            rrset.ttl = ttl
        self._cache[key] = (now + ttl, now, response)

    # --- the plugins, in the order of plugin.cfg ---------------------------------------------------------------

    def _rewritten(
        self, block: Block, query: dns.message.Message, name: str, transport: Transport, now: float
    ) -> Reply:
        """What the plugins behind ``rewrite`` say to the question that it makes of this one, with the answer turned back."""
        if not block.rewrites.rules:
            return self._uncached(block, query, name, transport, now)
        question = query.question[0]
        try:
            other, kind, later = rewrites.rewritten(block.rewrites, name, int(question.rdtype))
        except rewrites.InvalidName as error:
            self.log(f"[ERROR] plugin/errors: 2 {name} {dns.rdatatype.to_text(question.rdtype)}: {error}")
            return Reply(_refusal(query, "SERVFAIL"), 0.0)
        if (other, kind) == (name, int(question.rdtype)):
            inner = query
        else:
            inner = dns.message.make_query(
                other, dns.rdatatype.RdataType(kind), use_edns=query.edns if query.edns >= 0 else False
            )
            inner.id, inner.flags = query.id, query.flags
        reply = self._uncached(block, inner, other, transport, now)
        reply.response.question = list(query.question)
        rewrites.turn_back(reply.response, later)
        return reply

    def _uncached(self, block: Block, query: dns.message.Message, name: str, transport: Transport, now: float) -> Reply:
        for template in block.templates:
            if within(name, template.zone):
                if any(re.search(m, name) for m in template.matches):
                    return Reply(_refusal(query, template.rcode), 0.0)
                if not template.fallthrough:
                    return Reply(_refusal(query, "NXDOMAIN"), 0.0)
        if block.hosts and (addresses := [str(a) for n, a in block.hosts.entries if n == name]):
            response = _answer(query)
            if query.question[0].rdtype == dns.rdatatype.A:
                response.answer.append(dns.rrset.from_text(name, block.hosts.ttl, "IN", "A", *addresses))
            return Reply(response, 0.0)
        if block.hosts and not block.hosts.fallthrough:
            return Reply(_refusal(query, "NXDOMAIN"), 0.0)
        if block.kubernetes:
            zone = next((z for z in block.kubernetes.zones if within(name, z)), None)
            if zone is not None and (found := self._kubernetes(block.kubernetes, zone, query, name)):
                return Reply(found, 0.0)
        for forward in block.forwards:
            if within(name, forward.zone) and not any(within(name, z) for z in forward.excepted):
                return self._forward(forward, query, name, transport, now)
        return Reply(_refusal(query, "REFUSED"), 0.0)

    def _kubernetes(
        self, plugin: Kubernetes, zone: str, query: dns.message.Message, name: str
    ) -> dns.message.Message | None:
        kind = query.question[0].rdtype
        services = self.network.services()
        if zone.endswith(".arpa."):
            for (namespace, service), own in services.items():
                if own != "None" and fqdn(IPv4Address(own).reverse_pointer) == name:
                    response = _answer(query)
                    target = f"{service}.{namespace}.svc.cluster.local."
                    response.answer.append(dns.rrset.from_text(name, plugin.ttl, "IN", "PTR", target))
                    return response
        else:
            labels = name.removesuffix(zone).rstrip(".").split(".") if name != zone else []
            exists, address = _service(labels, services, self.network.namespaces())
            if exists:
                response = _answer(query)
                if address and kind == dns.rdatatype.A:
                    response.answer.append(dns.rrset.from_text(name, plugin.ttl, "IN", "A", address))
                else:
                    response.authority.append(_soa(zone, plugin.ttl))
                return response
        if plugin.fallthrough is not None and any(within(name, z) for z in plugin.fallthrough):
            return None
        response = _refusal(query, "NXDOMAIN")
        response.flags |= dns.flags.AA
        response.authority.append(_soa(zone, plugin.ttl))
        return response

    def _forward(
        self, forward: Forward, query: dns.message.Message, name: str, transport: Transport, now: float
    ) -> Reply:
        order = list(forward.upstreams)
        if forward.policy == "random":
            self._rng.shuffle(order)
        elif forward.policy == "round_robin":
            self._turn += 1
            order = order[self._turn % len(order) :] + order[: self._turn % len(order)]
        spent, index, skipped, why = 0.0, 0, 0, "no healthy proxies"
        while spent < _GIVE_UP_SECONDS:
            if index >= len(order):
                index = skipped = 0
            upstream = order[index]
            index += 1
            if self._down(forward, upstream, now + spent):
                skipped += 1
                if skipped < len(order):
                    continue
                upstream = self._rng.choice(order)
            how: Transport = "tcp" if forward.force_tcp else "udp" if forward.prefer_udp else transport
            outbound = dns.message.make_query(
                query.question[0].name, query.question[0].rdtype, use_edns=query.edns if query.edns >= 0 else False
            )
            got = self.network.ask(upstream, outbound, how)
            if got.response is not None and got.response.flags & dns.flags.TC and forward.prefer_udp and how == "udp":
                how = "tcp"
                got = self.network.ask(upstream, outbound, how)
            spent += self._cost(upstream, got, how)
            if got.response is not None:
                response = dns.message.make_response(query, recursion_available=True)
                response.set_rcode(got.response.rcode())
                response.answer = list(got.response.answer)
                response.authority = list(got.response.authority)
                response.flags |= got.response.flags & dns.flags.TC
                return Reply(response, spent)
            word = "i/o timeout" if got.outcome == "dropped" else "connection refused"
            why = f"read {how} ->{upstream.address}:{upstream.port}: {word}"
            if forward.max_fails:
                self._failing.setdefault(upstream, now + spent)
            if skipped >= len(order):
                break
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        self.log(f"[ERROR] plugin/errors: 2 {name} {kind}: {why}")
        return Reply(_refusal(query, "SERVFAIL"), spent)

    def _cost(self, upstream: Upstream, got: Exchange, how: Transport) -> float:
        """A dropped UDP question costs the read time-out, a dropped TCP one the (adaptive) dial time-out."""
        average = self._dial.get(upstream, _LONGEST_DIAL / 2)
        if got.outcome == "dropped" and how == "tcp":
            dial = max(_SHORTEST_DIAL, min(_LONGEST_DIAL, average * 2))
            self._dial[upstream] = average + (dial - average) / 4
            return dial
        self._dial[upstream] = average * 0.75
        if got.outcome == "dropped":
            return _READ_SECONDS
        return got.seconds if got.outcome == "answered" else 0.1

    def _down(self, forward: Forward, upstream: Upstream, now: float) -> bool:
        """Health checks begin after a failure and end with the first answer, whatever it says.

        Assumption: each failed check takes its interval and one second of waiting.
        """
        since = self._failing.get(upstream)
        if since is None or forward.max_fails == 0:
            return False
        if now - since < forward.health_check:
            return False
        check = self.network.ask(upstream, dns.message.make_query(".", "NS"), "tcp" if forward.force_tcp else "udp")
        if check.outcome == "answered":
            del self._failing[upstream]
            return False
        return now - since >= forward.max_fails * (forward.health_check + 1.0)


def _service(labels: list[str], services: dict[tuple[str, str], str], namespaces: set[str]) -> tuple[bool, str | None]:
    """Whether a name below the cluster's zone exists, and its address."""
    match labels:
        case [] | ["svc"] | ["pod"]:
            return True, None
        case [namespace, "svc"]:
            return namespace in namespaces, None
        case [name, namespace, "svc"]:
            address = services.get((namespace, name))
            return address is not None, address if address != "None" else None
    return False, None


def _answer(query: dns.message.Message) -> dns.message.Message:
    response = dns.message.make_response(query, recursion_available=True)
    response.flags |= dns.flags.AA
    return response


def _refusal(query: dns.message.Message, rcode: str) -> dns.message.Message:
    response = dns.message.make_response(query, recursion_available=True)
    response.set_rcode(dns.rcode.from_text(rcode))
    return response


def _soa(zone: str, ttl: int) -> dns.rrset.RRset:
    return dns.rrset.from_text(zone, ttl, "IN", "SOA", f"ns.dns.{zone} hostmaster.{zone} 1 7200 1800 86400 {ttl}")
