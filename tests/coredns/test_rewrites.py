"""What the sandbox's rewrite makes of a question and of its answer, beside the real plugin's."""

from __future__ import annotations

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest

from cloudlink_sandbox.kube.coredns import CoreDns, Exchange
from cloudlink_sandbox.kube.coredns import Transport as OurTransport
from cloudlink_sandbox.kube.plugins import Upstream as Forwarded
from cloudlink_sandbox.kube.plugins import configure
from tests.coredns.catalogue import REWRITES, Case
from tests.coredns.conftest import FROM_AZURE, Starter
from tests.coredns.process import Running
from tests.coredns.test_catalogue import BASE, sandbox_says

RULES = (
    "rewrite name orders.example kubernetes.default.svc.cluster.local",
    "rewrite name exact ORDERS.example kubernetes.default.svc.cluster.local",
    "rewrite stop name suffix .a.example .b.example",
    "rewrite stop name suffix .a.example .b.example answer auto",
    "rewrite name suffix .a.example .default.svc.cluster.local answer auto",
    "rewrite name prefix orders. kubernetes.",
    "rewrite name substring a.example. b.example. answer auto",
    (
        "rewrite stop {\n    name regex (.*)\\.a\\.example {1}.default.svc.cluster.local\n"
        "    answer name (.*)\\.default\\.svc\\.cluster\\.local {1}.a.example\n}"
    ),
    "rewrite name regex (.*)\\.a\\.example {1}.default.svc.cluster.local answer auto",
    "rewrite name regex (.*)\\.a\\.example {1}.default.svc.cluster.local",
    "rewrite name a.example b.example\nrewrite name b.example c.example",
    "rewrite continue name a.example b.example\nrewrite continue name b.example c.example",
    "rewrite continue name suffix .a.example .b.example answer auto\nrewrite stop name suffix .b.example .c.example answer auto",
    "rewrite type AAAA A",
    "rewrite ttl suffix .a.example. 5-7",
    "rewrite ttl kubernetes.a.example 7",
)
NAMES = (
    "orders.example.",
    "kubernetes.a.example.",
    "a.example.",
    "b.example.",
    "nothing.a.example.",
    "orders.a.example.",
)


class Surroundings:
    """The same as the real one has: a resolver that knows every name, and the cluster's first Service."""

    def ask(self, upstream: Forwarded, query: dns.message.Message, transport: OurTransport) -> Exchange:
        response = dns.message.make_response(query)
        if query.question[0].rdtype == dns.rdatatype.A:
            response.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", FROM_AZURE))
        return Exchange("answered", response)

    def services(self) -> dict[tuple[str, str], str]:
        return {("default", "kubernetes"): "10.0.0.1"}

    def namespaces(self) -> set[str]:
        return {"default", "kube-system"}


def told(message: dns.message.Message) -> tuple[str, list[str], list[str]]:
    asked = [f"{q.name} {dns.rdatatype.to_text(q.rdtype)}".lower() for q in message.question]
    return dns.rcode.to_text(message.rcode()), asked, sorted(str(rrset).lower() for rrset in message.answer)


@pytest.mark.program("rewrite makes of a question, and of its answer, what the real plugin makes of them")
@pytest.mark.parametrize("rules", RULES)
def test_question_and_answer_are_rewritten_alike(begin: Starter, version: str, rules: str) -> None:
    keys = {"x.override": f"{rules}\n"}
    real = begin(keys)
    assert isinstance(real, Running), real.log
    files = {"Corefile": BASE} | {f"custom/{k}": v for k, v in keys.items()}
    ours = CoreDns(configure(files, version), Surroundings(), lambda _: None)
    for name in NAMES:
        for kind in ("A", "AAAA"):
            mine = ours.answer(dns.message.make_query(name, kind), "udp", 0.0).response
            assert told(mine) == told(real.ask(name, kind)), (name, kind)


@pytest.mark.program(
    "Rules of rewrite that are wrong keep the sandbox's CoreDNS from starting as they keep the real one"
)
@pytest.mark.parametrize("case", REWRITES, ids=lambda c: c.name)
def test_wrong_rules(begin: Starter, version: str, case: Case) -> None:
    begun = begin(case.keys)
    starts = isinstance(begun, Running)
    assert starts == case.starts_with(version), begun.log
    assert (not sandbox_says(dict(case.keys), version)) == starts, begun.log
