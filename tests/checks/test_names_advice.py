"""One thing to do about names: consistent with what the clouds say of the link, and never back to where one came from."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloudlink.checks.names.advice import advised
from cloudlink.checks.names.diagnose import silent
from cloudlink.checks.report import DnsReport, Drift, Health, Hop, HopResult, NameReport
from cloudlink.errors import Finding, Severity
from tests.support.pinned import pin

FIX = "cloudlink status shows tunnels and route tables; cloudlink up puts security group rules and routes right"
RULES = Drift("resolver.ingress", "rules that let Azure ask", "differ")
KEY = Drift("azure_vpn.connection[1]", "connection 2", "key differs")


NO_ANSWER = (Hop("cluster-dns", "servfail"), Hop("endpoint 10.10.1.4 udp", "timeout"))


def report(*fixes: str) -> DnsReport:
    names = tuple(
        NameReport(
            f"n{i}.corp.example", (), "timeout" if fix else "ok", NO_ANSWER, f"because {fix[:9]}" if fix else "", fix
        )
        for i, fix in enumerate(fixes)
    )
    return DnsReport("demo", Health.DOWN, names)


@pytest.mark.parametrize(
    ("tunnels", "drift", "command", "task"),
    [
        (Health.HEALTHY, (RULES,), "cloudlink up", ""),
        (Health.DOWN, (RULES,), "cloudlink up", ""),
        (Health.DOWN, (KEY,), "cloudlink status", ""),
        (Health.DEGRADED, (), "cloudlink status", ""),
        (Health.HEALTHY, (), "", "network ACLs"),
        (Health.HEALTHY, (KEY,), "", "network ACLs"),
    ],
)
def test_what_is_advised_helps(tunnels: Health, drift: tuple[Drift, ...], command: str, task: str) -> None:
    told = pin(advised(report(FIX), tunnels, drift)).advice
    assert told.command == command
    assert task in told.task
    assert bool(told.task) == bool(task)


def test_what_keeps_packets_from_the_gateway_comes_before_what_an_up_would_write() -> None:
    """That ``up`` would end with the same, as an obstacle."""
    hint = "az network vnet peering update --set useRemoteGateways=true"
    way = Finding("azure", Severity.WARNING, "No use of the gateway", "The peering does not use it.", hint)
    for drift in ((), (RULES,)):
        told = pin(advised(report(FIX), Health.HEALTHY, drift, way=(way,))).advice
        assert (told.command, told.cause) == (hint, "n0.corp.example: The peering does not use it.")


def test_the_cause_of_most_names_comes_first_and_the_others_are_named() -> None:
    told = pin(advised(report("", "Look at it", "Open it", "Open it"), Health.HEALTHY, ())).advice
    assert told.cause == "n2.corp.example, n3.corp.example: because Open it."
    assert told.others == ("n1.corp.example: because Look at i",)
    assert told.task == "Open it."


def test_names_that_only_differ_in_the_address_that_answers_are_told_once_and_no_tunnel_is_blamed() -> None:
    fix = "cloudlink up puts the endpoint's security group rules right; compare the network ACLs"
    names = tuple(
        replace(n, cause=f"The VPC is reachable (10.10.8.{i}:443 answers); only port 53 is silent")
        for i, n in enumerate(report(fix, fix).names)
    )
    for tunnels in (Health.HEALTHY, Health.DEGRADED):
        told = pin(advised(replace(report(fix, fix), names=names), tunnels, ())).advice
        assert told.cause == "All 2: The VPC is reachable (10.10.8.0:443 answers); only port 53 is silent."
        assert (told.others, told.command, told.task) == ((), "", "compare the network ACLs.")


def test_what_is_left_of_a_fix_when_an_up_would_find_nothing_to_do() -> None:
    mixed = "cloudlink up writes the key again; kubectl logs --namespace kube-system"
    assert pin(advised(report(mixed), Health.HEALTHY, ())).names[0].fix == "kubectl logs --namespace kube-system"
    assert pin(advised(report(mixed), Health.HEALTHY, ())).advice.command == "kubectl logs --namespace kube-system"


def test_names_that_are_well_need_no_advice() -> None:
    assert pin(advised(report("", ""), Health.HEALTHY, (RULES,))).advice.cause == ""


def test_a_filter_that_drops_the_packets_is_the_cause_of_silent_names() -> None:
    """Only where cloudlink has nothing to repair, and only for names that got no answer."""
    nsg = Finding(
        "azure", Severity.OBSTACLE, "x", "The rule DenyAll of nsg drops udp/53.", "az network nsg rule create x"
    )
    told = pin(advised(report(FIX), Health.HEALTHY, (), (nsg,)))
    assert told.advice.cause == "n0.corp.example: The rule DenyAll of nsg drops udp/53."
    assert told.advice.command == nsg.hint
    assert pin(advised(report(FIX), Health.HEALTHY, (RULES,), (nsg,))).advice.command == "cloudlink up"
    assert pin(advised(report(FIX), Health.DOWN, (), (nsg,))).advice.command == "cloudlink status"
    refused = replace(report(FIX), names=tuple(replace(n, verdict="nxdomain") for n in report(FIX).names))
    assert "nsg" not in pin(advised(refused, Health.HEALTHY, (), (nsg,))).advice.cause


@pytest.mark.parametrize(
    ("own", "beyond", "told"),
    [
        ("servfail", "timeout", True),  # CoreDNS gave up in time
        ("timeout", "timeout", True),  # it did not
        ("ok", "timeout", True),  # one address of several, or the target
        ("servfail", "servfail", False),
        ("timeout", "ok", False),  # CoreDNS alone
        ("ok", "refused", False),
        ("nxdomain", "timeout", False),
    ],
)
def test_silence_is_of_what_lies_beyond_the_cluster(own: HopResult, beyond: HopResult, told: bool) -> None:
    hops = (Hop("cluster-dns", own), Hop("endpoint 10.10.1.4 udp", beyond), Hop("connect", "skipped"))
    name = NameReport("n0.corp.example", (), next(h.result for h in hops if h.result != "ok"), hops)
    assert silent(name) is told


SHUT = Finding(
    "coredns", Severity.OBSTACLE, "A policy", "CoreDNS is shut in.", "kubectl edit x", resource="dns_forward.forward"
)
MAY = Finding("coredns", Severity.WARNING, "A policy", "Pods may be.", "kubectl edit y", resource="resolver.records")


def asked(*hops: Hop, verdict: str) -> NameReport:
    return NameReport("n.corp.example", (), verdict, hops, "because", FIX)


def test_a_policy_that_shuts_coredns_in_is_the_cause_where_the_endpoint_answers_the_pod() -> None:
    name = asked(Hop("cluster-dns", "servfail"), Hop("endpoint 10.10.1.4 udp", "ok"), verdict="servfail")
    seen = pin(advised(DnsReport("demo", Health.DOWN, (name,)), Health.HEALTHY, (), (), (MAY, SHUT)))
    assert seen.names[0].cause == "CoreDNS is shut in."
    assert seen.advice.command == "kubectl edit x"
    elsewhere = replace(name, hops=(Hop("cluster-dns", "nxdomain"), Hop("endpoint 10.10.1.4 udp", "ok")))
    seen = pin(advised(DnsReport("demo", Health.DOWN, (elsewhere,)), Health.HEALTHY, (), (), (SHUT,)))
    assert seen.names[0].cause == "because", "CoreDNS was answered"


def test_what_is_surely_in_the_way_comes_before_what_may_be() -> None:
    name = asked(Hop("cluster-dns", "ok"), Hop("connect 10.10.2.9:443", "timeout"), verdict="timeout")
    seen = pin(advised(DnsReport("demo", Health.DOWN, (name,)), Health.HEALTHY, (), (), (MAY, SHUT)))
    assert seen.names[0].cause == "CoreDNS is shut in. Pods may be."
    down = pin(advised(DnsReport("demo", Health.DOWN, (name,)), Health.DOWN, (), (), (MAY,)))
    assert down.names[0].cause == "because", "with the tunnels down nothing is told of policies"
