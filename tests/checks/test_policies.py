"""Cilium's and Calico's policies, as people write them: what lets CoreDNS ask, what stops it, and what cannot be told."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

import pytest

from cloudlink.checks.policies import Packet, Sender, Verdict, verdict
from cloudlink.checks.policy_selectors import selects
from cloudlink.clouds.kube.parse_cluster_policies import calico_policies, cilium_policies
from cloudlink.clouds.kube.parse_policies import egress_policies
from cloudlink.errors import MalformedError
from tests.support.pinned import pin

Json = dict[str, Any]
COREDNS = Sender("kube-system", {"k8s-app": "kube-dns"})
ASK = Packet(IPv4Network("10.10.1.5/32"), "udp", 53)
DNS: list[Json] = [{"ports": [{"port": "53", "protocol": "ANY"}]}]
OWN_SHUT: Json = {"metadata": {"name": "deny"}, "spec": {"podSelector": {}, "policyTypes": ["Egress"]}}
OWN_OPEN: Json = {"metadata": {"name": "all"}, "spec": {"podSelector": {}, "egress": [{}], "policyTypes": ["Egress"]}}


def cilium(*specs: Json, own: tuple[Json, ...] = (), packet: Packet = ASK, space: str = "") -> str:
    found = [
        {"metadata": {"name": f"p{i}", **({"namespace": space} if space else {})}, "spec": s}
        for i, s in enumerate(specs)
    ]
    policies = cilium_policies(found, "CiliumClusterwideNetworkPolicy")
    return pin(verdict(egress_policies(own), policies, COREDNS, packet, ("cilium",))).answer


def calico(*specs: Json, own: tuple[Json, ...] = (), packet: Packet = ASK, space: str = "") -> str:
    found = [
        {"metadata": {"name": f"p{i}", **({"namespace": space} if space else {})}, "spec": s}
        for i, s in enumerate(specs)
    ]
    policies = calico_policies(found, "Calico GlobalNetworkPolicy")
    return pin(verdict(egress_policies(own), policies, COREDNS, packet, ("calico",))).answer


ALL: Json = {"endpointSelector": {}}
NOT_OURS: Json = {"endpointSelector": {"matchLabels": {"app": "web"}}}
# https://github.com/cilium/cilium/issues/41894, of a policy for all pods that knows names alone
FQDNS: list[Json] = [{"toFQDNs": [{"matchPattern": "*.*.amazonaws.com"}]}]
# https://github.com/devantler-tech/platform/issues/3408, of a single denial that revokes all the rest
METADATA: list[Json] = [{"toCIDR": ["169.254.169.254/32"]}]

CILIUM: dict[str, tuple[tuple[Json, ...], str]] = {
    "nothing for what leaves": (({**ALL, "ingress": [{}]},), "open"),
    "an empty rule lets nothing out": (({**ALL, "egress": [{}]},), "shut"),
    "an empty list is no rule": (({**ALL, "egress": []},), "open"),
    "for other pods": (({**NOT_OURS, "egress": [{}]},), "open"),
    "for other namespaces, by the label of each pod": (
        (
            {
                "endpointSelector": {
                    "matchExpressions": [
                        {"key": "k8s:io.kubernetes.pod.namespace", "operator": "NotIn", "values": ["kube-system"]}
                    ]
                },
                "egress": [{}],
            },
        ),
        "open",
    ),
    "for this namespace": (
        ({"endpointSelector": {"matchLabels": {"k8s:io.kubernetes.pod.namespace": "kube-system"}}, "egress": [{}]},),
        "shut",
    ),
    "by a label of the namespace, which is not read": (
        (
            {
                "endpointSelector": {"matchLabels": {"io.cilium.k8s.namespace.labels.team": "core"}},
                "egress": [{}],
            },
        ),
        "unsure",
    ),
    "of hosts": (({"nodeSelector": {}, "egress": [{}]},), "open"),
    "port 53 to the cluster's DNS alone": (
        ({**ALL, "egress": [{"toEndpoints": [{"matchLabels": {"k8s-app": "kube-dns"}}], "toPorts": DNS}]},),
        "shut",
    ),
    "port 53 to anywhere": (({**ALL, "egress": [{"toPorts": DNS}]},), "open"),
    "port 443 alone": (({**ALL, "egress": [{"toPorts": [{"ports": [{"port": "443"}]}]}]},), "shut"),
    "all ports, said by 0": (
        ({**ALL, "egress": [{"toPorts": [{"ports": [{"port": "0", "protocol": "UDP"}]}]}]},),
        "open",
    ),
    "a range of ports": (({**ALL, "egress": [{"toPorts": [{"ports": [{"port": "1", "endPort": 1024}]}]}]},), "open"),
    "a port by its name": (({**ALL, "egress": [{"toPorts": [{"ports": [{"port": "dns"}]}]}]},), "shut"),
    "to the world": (({**ALL, "egress": [{"toEntities": ["world"]}]},), "open"),
    "to the cluster alone": (({**ALL, "egress": [{"toEntities": ["cluster", "kube-apiserver"]}]},), "shut"),
    "to the VPC": (({**ALL, "egress": [{"toCIDR": ["10.10.0.0/16"]}]},), "open"),
    "to another range": (({**ALL, "egress": [{"toCIDR": ["10.11.0.0/16"]}]},), "shut"),
    "to anywhere but private ranges": (
        ({**ALL, "egress": [{"toCIDRSet": [{"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}]}]},),
        "shut",
    ),
    "to a group of ranges": (({**ALL, "egress": [{"toCIDRSet": [{"cidrGroupRef": "aws"}]}]},), "unsure"),
    "names alone": (({**ALL, "egress": FQDNS},), "unsure"),
    "questions of some names": (
        (
            {
                **ALL,
                "egress": [{"toEntities": ["all"], "toPorts": [{**DNS[0], "rules": {"dns": [{"matchName": "a.b"}]}}]}],
            },
        ),
        "unsure",
    ),
    "questions of all names": (
        (
            {
                **ALL,
                "egress": [{"toEntities": ["all"], "toPorts": [{**DNS[0], "rules": {"dns": [{"matchPattern": "*"}]}}]}],
            },
        ),
        "open",
    ),
    "ICMP alone": (({**ALL, "egress": [{"icmps": [{"fields": [{"type": 8}]}]}]},), "shut"),
    "a denial of elsewhere denies all the rest": (({**ALL, "egressDeny": METADATA},), "shut"),
    "the same, told not to": (({**ALL, "egressDeny": METADATA, "enableDefaultDeny": {"egress": False}},), "open"),
    "a denial comes before what is let out": (
        ({**ALL, "egress": [{"toEntities": ["all"]}]}, {**ALL, "egressDeny": [{"toCIDR": ["10.0.0.0/8"]}]}),
        "shut",
    ),
    "another policy lets it out": (({**ALL, "egress": [{}]}, {**ALL, "egress": [{"toPorts": DNS}]}), "open"),
    "another policy lets it out, of other pods": (
        ({**ALL, "egress": [{}]}, {**NOT_OURS, "egress": [{"toPorts": DNS}]}),
        "shut",
    ),
}


@pytest.mark.parametrize("case", CILIUM)
def test_a_policy_of_ciliums(case: str) -> None:
    specs, answer = CILIUM[case]
    assert cilium(*specs) == answer


def test_ciliums_policies_and_networkpolicies_let_out_together() -> None:
    assert cilium(own=(OWN_SHUT,)) == "shut"
    assert cilium({**ALL, "egress": [{"toPorts": DNS}]}, own=(OWN_SHUT,)) == "open"
    assert cilium({**ALL, "egress": [{}]}, own=(OWN_OPEN,)) == "open"
    assert cilium({**ALL, "egressDeny": [{"toPorts": DNS}]}, own=(OWN_OPEN,)) == "shut"


def test_a_policy_of_another_namespace_is_for_that_one() -> None:
    assert cilium({**ALL, "egress": [{}]}, space="default") == "open"
    assert cilium({**ALL, "egress": [{}]}, space="kube-system") == "shut"
    assert calico({"types": ["Egress"]}, space="default") == "open"
    assert calico({"types": ["Egress"]}, space="kube-system") == "shut"


def test_part_of_a_network_is_not_sure() -> None:
    subnet = Packet(IPv4Network("10.10.1.0/24"), "udp", 53)
    assert cilium({**ALL, "egress": [{"toCIDR": ["10.10.1.5/32"]}]}, packet=subnet) == "unsure"
    part: Json = {"action": "Deny", "destination": {"nets": ["10.10.1.5/32"]}}
    assert calico({"types": ["Egress"], "egress": [part, {"action": "Allow"}]}, packet=subnet) == "unsure"


EGRESS: Json = {"types": ["Egress"]}
TO_VPC: Json = {"action": "Allow", "destination": {"nets": ["10.10.0.0/16"]}}
# https://github.com/projectcalico/calico/issues/8224: the page's own example of a denial for all but the system's namespaces
APPS = (
    'has(projectcalico.org/name) && projectcalico.org/name not in {"kube-system", "calico-system", "calico-apiserver"}'
)

CALICO: dict[str, tuple[tuple[Json, ...], str]] = {
    "what comes in": (({"types": ["Ingress"]},), "open"),
    "nothing may leave": ((EGRESS,), "shut"),
    "nothing may leave, of all": (({**EGRESS, "selector": "all()"},), "shut"),
    "of all but the system's namespaces": (({**EGRESS, "namespaceSelector": APPS},), "open"),
    "of namespaces by a label that is not read": (({**EGRESS, "namespaceSelector": "team == 'core'"},), "unsure"),
    "of other pods": (({**EGRESS, "selector": "app == 'web'"},), "open"),
    "of these pods": (({**EGRESS, "selector": "k8s-app == 'kube-dns' || app == 'x'"},), "shut"),
    "of a selector that is not understood": (({**EGRESS, "selector": "k8s-app ~ 'kube-dns'"},), "unsure"),
    "rules without types": (({"egress": [{"action": "Allow", "protocol": "TCP"}]},), "shut"),
    "to the VPC": (({**EGRESS, "egress": [TO_VPC]},), "open"),
    # https://github.com/projectcalico/calico/issues/5810
    "to anywhere but these": (
        ({**EGRESS, "egress": [{"action": "Allow", "destination": {"notNets": ["10.3.4.0/24"]}}]},),
        "open",
    ),
    "to anywhere but private ranges": (
        (
            {
                **EGRESS,
                "egress": [{"action": "Allow", "destination": {"nets": ["0.0.0.0/0"], "notNets": ["10.0.0.0/8"]}}],
            },
        ),
        "shut",
    ),
    "of other pods, said by the rule's source": (
        ({**EGRESS, "egress": [{"action": "Allow", "source": {"selector": "appType == 'my-plugin'"}}]},),
        "shut",
    ),
    "port 53 of pods with a label": (
        (
            {
                **EGRESS,
                "egress": [
                    {
                        "action": "Allow",
                        "protocol": "UDP",
                        "destination": {"selector": 'k8s-app == "kube-dns"', "ports": [53]},
                    }
                ],
            },
        ),
        "unsure",
    ),
    "port 53": (
        ({**EGRESS, "egress": [{"action": "Allow", "protocol": "UDP", "destination": {"ports": [53]}}]},),
        "open",
    ),
    "by number of the protocol": (({**EGRESS, "egress": [{"action": "Allow", "protocol": 17}]},), "open"),
    "a range": (
        ({**EGRESS, "egress": [{"action": "Allow", "protocol": "UDP", "destination": {"ports": ["50:60"]}}]},),
        "open",
    ),
    "every port but 53": (
        ({**EGRESS, "egress": [{"action": "Allow", "protocol": "UDP", "destination": {"notPorts": [53]}}]},),
        "shut",
    ),
    "IPv6": (({**EGRESS, "egress": [{"action": "Allow", "ipVersion": 6}]},), "shut"),
    "a log, then all": (({**EGRESS, "egress": [{"action": "Log"}, {"action": "Allow"}]},), "open"),
    "passed on": (({**EGRESS, "egress": [{"action": "Pass"}]},), "open"),
    "the first rule decides": (
        ({**EGRESS, "egress": [{"action": "Deny", "protocol": "UDP"}, {"action": "Allow"}]},),
        "shut",
    ),
    "the lowest order decides": (
        ({**EGRESS, "order": 200, "egress": [{"action": "Deny"}]}, {**EGRESS, "order": 100, "egress": [TO_VPC]}),
        "open",
    ),
    "without an order it is the last": (
        ({**EGRESS, "egress": [TO_VPC]}, {**EGRESS, "order": 5, "egress": [{"action": "Deny"}]}),
        "shut",
    ),
    "of a tier whose place is not known": (({**EGRESS, "tier": "security"},), "unsure"),
    "of packets that are not tracked": (({**EGRESS, "doNotTrack": True},), "open"),
}


@pytest.mark.parametrize("case", CALICO)
def test_a_policy_of_calicos(case: str) -> None:
    specs, answer = CALICO[case]
    assert calico(*specs) == answer


def test_networkpolicies_are_calicos_policies_of_order_1000() -> None:
    assert calico({**EGRESS, "order": 2000, "egress": [{"action": "Deny"}]}, own=(OWN_OPEN,)) == "open"
    assert calico({**EGRESS, "order": 10, "egress": [{"action": "Deny"}]}, own=(OWN_OPEN,)) == "shut"
    assert calico({**EGRESS, "order": 2000, "egress": [{"action": "Allow"}]}, own=(OWN_SHUT,)) == "open"


def test_who_shuts_it_is_named() -> None:
    found = [{"metadata": {"name": "deny-metadata"}, "spec": {**ALL, "egressDeny": METADATA}}]
    policies = cilium_policies(found, "CiliumClusterwideNetworkPolicy")
    told = pin(verdict((), policies, COREDNS, ASK, ("cilium",)))
    assert told.by == ("CiliumClusterwideNetworkPolicy deny-metadata",)


def test_an_engine_that_does_not_enforce_says_nothing() -> None:
    found = [{"metadata": {"name": "x"}, "spec": {**ALL, "egress": [{}]}}]
    assert verdict((), cilium_policies(found, "x"), COREDNS, ASK, ("calico",)).answer == "open"


@pytest.mark.parametrize("parse", [cilium_policies, calico_policies])
def test_an_answer_without_its_form_is_malformed(parse: Any) -> None:
    spec = {"endpointSelector": {}, "types": ["Egress"]}
    bad = [{"toCIDR": ["ten"], "destination": {"nets": ["ten"]}}]
    with pytest.raises(MalformedError):
        parse([{"metadata": {"name": "x"}, "spec": {**spec, "egress": bad}}], "x")


@pytest.mark.parametrize(
    ("selector", "taken"),
    [
        ("", True),
        ("all()", True),
        ("has(a)", True),
        ("!has(a)", False),
        ("a == 'x'", True),
        ("a != 'x'", False),
        ('a in {"x", "y"}', True),
        ("a not in {'x'}", False),
        ("a contains 'x'", True),
        ("a starts with 'x' && b ends with 'z'", True),
        ("(a == 'y' || b == 'xyz') && !(c == 'q')", True),
        ("global()", None),
        ("a =", None),
        ("a == x", None),
        ("a == 'x' b", None),
        ("pcsa.role == 'x'", None),
        ("pcsa.role == 'x' || a == 'x'", True),
        ("pcsa.role == 'x' && a == 'y'", False),
    ],
)
def test_what_a_selector_of_calicos_takes(selector: str, taken: bool | None) -> None:
    assert selects(selector, {"a": "x", "b": "xyz"}, lambda key: not key.startswith("pcsa.")) is taken


def test_of_two_engines_the_worst_answer_counts() -> None:
    """What one of them drops does not arrive, whatever the other lets out."""
    shut = cilium_policies([{"metadata": {"name": "c"}, "spec": {**ALL, "egress": [{}]}}], "Cilium")
    calm = cilium_policies(
        [{"metadata": {"name": "c"}, "spec": {**ALL, "egress": [{"toCIDR": ["10.0.0.0/8"]}]}}], "Cilium"
    )
    deny = calico_policies([{"metadata": {"name": "k"}, "spec": {**EGRESS, "egress": [{"action": "Deny"}]}}], "Calico")
    allow = calico_policies(
        [{"metadata": {"name": "k"}, "spec": {**EGRESS, "egress": [{"action": "Allow"}]}}], "Calico"
    )
    unsure = calico_policies(
        [{"metadata": {"name": "k"}, "spec": {**EGRESS, "selector": "global()", "egress": [{"action": "Deny"}]}}],
        "Calico",
    )
    for of_cilium, of_calico, answer in (
        (shut, allow, "shut"),
        (calm, deny, "shut"),
        (calm, allow, "open"),
        (calm, unsure, "unsure"),
        (shut, unsure, "shut"),
    ):
        for engines in (("cilium", "calico"), ("calico", "cilium")):
            told = pin(verdict((), (*of_cilium, *of_calico), COREDNS, ASK, engines))
            assert told.answer == answer, (of_cilium, of_calico)
    assert verdict((), (), COREDNS, ASK, ("cilium", "calico")) == verdict((), (), COREDNS, ASK, ()) == Verdict("open")
    assert verdict(egress_policies((OWN_SHUT,)), (), COREDNS, ASK, ("calico",)).answer == "shut"


def test_labels_that_calico_adds_to_each_pod() -> None:
    for selector, answer in (
        ("projectcalico.org/orchestrator == 'k8s'", "shut"),
        ("projectcalico.org/orchestrator == 'cni'", "open"),
        ("projectcalico.org/namespace == 'kube-system'", "shut"),
        ("projectcalico.org/namespace == 'default'", "open"),
    ):
        assert calico({**EGRESS, "selector": selector, "egress": [{"action": "Deny"}]}) == answer
