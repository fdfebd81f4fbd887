"""Names forwarded by the VNet: Azure DNS Private Resolver through plan, up, status, verify-dns, drift, a lost state and teardown.

Both clouds in this process; pods are real programs, so waits take some real time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cloudlink.checks.report import CHECKS, DnsReport, Health, Outcome, check, titled
from cloudlink.clouds.azure.client import Azure, Json
from cloudlink.clouds.errors import error_policy
from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.kube.errors import KubeApiError
from cloudlink.config import parse
from cloudlink.core.plan import Action
from cloudlink.core.resource import Ownership, Receipt, Started
from cloudlink.errors import CloudlinkError, ConflictError, Interrupted, Severity, StateError
from cloudlink.inspection.inspection import Inspection
from cloudlink.link import PrivateZone
from cloudlink.session.building import Building
from cloudlink.session.pausing import Pausing
from cloudlink.steps.dns_forward.rules import VnetRules
from cloudlink.steps.least_permissions import least
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.faults import Fault
from cloudlink_sandbox.process import Sandbox
from tests.support.built_link import Killed
from tests.support.config_texts import add, config_text
from tests.support.life import Life, Memory

ZONE = "aws.corp.example"
CONFIG = add(
    "dns",
    'forward = "vnet"',
    config_text(
        "joined",
        link='transport = "existing"',
        resource_group="test",
        gateway="",
        zone=ZONE,
        host='load_balancer = "app-alb"',
        sandbox='wire = "vpn"',
    ),
)
MOST_CALLS = 92  # of the first up, without the polls of its pod
OWN = [
    "dns_forward.subnet",
    "dns_forward.resolver",
    "dns_forward.endpoint",
    "dns_forward.ruleset",
    "dns_forward.link",
    f"dns_forward.rule[{ZONE}]",
]
DNS, ZONES = "2022-07-01", "2020-06-01"


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    sandbox = Sandbox(tmp_path, speed=0, durations=Durations(exact=True))
    sandbox.start()
    yield Life(sandbox, parse(CONFIG, "config.toml", sandbox=True), pause=0.15)
    sandbox.stop()


def arm(life: Life, method: str, path: str, body: Any = None, api: str = DNS) -> Any:
    """Somebody else's call, and the time that it takes."""
    text = json.dumps(body) if body is not None else ""
    answer = life.sandbox.azure.app.carry_out(method, path, text, api)
    assert answer.status < 400, answer.body
    life.clock.wait(300)
    return answer.body


def vnet_id(life: Life) -> str:
    return life.clouds().azure.vnet_id


def network(life: Life, kind: str) -> str:
    side = life.link.azure
    return f"/subscriptions/{side.subscription}/resourceGroups/{side.resource_group}/providers/Microsoft.Network/{kind}"


def theirs(life: Life, *, link: bool = True) -> str:
    """Somebody else's resolver, endpoint and ruleset, linked to the VNet. The ruleset's id."""
    vnet = vnet_id(life)
    given = [{"name": "d", "properties": {"serviceName": "Microsoft.Network/dnsResolvers"}}]
    subnet = {"properties": {"addressPrefix": "10.20.200.0/28", "delegations": given}}
    arm(life, "PUT", f"{vnet}/subnets/their-dns", subnet, "2024-01-01")
    here = {"location": "westeurope"}
    resolver = network(life, "dnsResolvers/theirs")
    arm(life, "PUT", resolver, {**here, "properties": {"virtualNetwork": {"id": vnet}}})
    out = f"{resolver}/outboundEndpoints/out"
    arm(life, "PUT", out, {**here, "properties": {"subnet": {"id": f"{vnet}/subnets/their-dns"}}})
    if not link:
        return resolver
    ruleset = network(life, "dnsForwardingRulesets/theirs")
    arm(life, "PUT", ruleset, {**here, "properties": {"dnsResolverOutboundEndpoints": [{"id": out}]}})
    rule = {"domainName": "other.example.", "targetDnsServers": [{"ipAddress": "10.20.0.9", "port": 53}]}
    arm(life, "PUT", f"{ruleset}/forwardingRules/other", {"properties": rule})
    arm(life, "PUT", f"{ruleset}/virtualNetworkLinks/theirs", {"properties": {"virtualNetwork": {"id": vnet}}})
    return ruleset


def everything(life: Life) -> str:
    """All of the VNet's DNS, and its subnets."""
    azure = life.clouds().azure
    raw = azure.vnet() or {}
    subnets = sorted(s["name"] for s in raw["properties"]["subnets"])
    return json.dumps([azure.vnet_dns(), subnets], sort_keys=True)


def made(life: Life) -> list[str]:
    plan = life.up()
    return [c.address for c in plan.changes if c.action is Action.CREATE and c.step == "dns_forward"]


def asked(life: Life) -> DnsReport:
    clouds = life.clouds()
    translate = error_policy(life.link).translate
    look = Inspection(
        clouds.link, clouds.aws, clouds.azure, clouds.aks, clouds.topology, life.engine(clouds), life.clock, translate
    )
    return look.dns(())


def found(life: Life, severity: Severity = Severity.OBSTACLE) -> dict[str, str]:
    life.plan()
    return {f.summary: f"{f.detail} {f.hint}" for f in life.found if f.severity is severity}


def test_a_life_of_names_by_the_vnet(life: Life) -> None:
    before = everything(life)
    assert made(life) == OWN
    calls = life.calls()
    # each part is asked for itself: before it is written, and while it is waited for
    assert {"azure POST listDnsResolvers": 2, "azure POST listDnsForwardingRulesets": 3}.items() <= calls.items()
    assert calls.total() - calls["aks GET pods"] <= MOST_CALLS, calls.most_common()
    costs = [f.detail for f in life.found if f.summary == "What the link costs"]
    assert "list prices" in costs[0]
    keys = life.clouds().aks.config_map("kube-system", "coredns-custom").get("data") or {}
    assert not any("joined" in key for key in keys), "CoreDNS is left as it is"
    status = life.status()
    assert status.health is Health.HEALTHY, status
    assert f"the VNet sends {ZONE} to" in status.forward

    report = asked(life)
    assert report.health is Health.HEALTHY, report
    (name,) = report.names
    assert {h.hop: h.result for h in name.hops}["node-dns"] == "ok"
    assert {h.hop: h.result for h in name.hops}["cluster-dns"] == "ok"
    assert not any("do not see the zone" in note for note in report.notes)

    life.store = Memory()  # the state file is lost
    assert {c.action for c in life.up().changes} == {Action.NO_OP}
    used = {a for a in life.sandbox.context.grants.json()["used"] if a.startswith("Microsoft.Network/")}
    allowed = {a.action for a in least(life.link, life.clouds().topology.nodes(), checks=True)}
    assert {a for a in used - allowed if "dns" in a.lower() or "join" in a} == set()
    assert {a for a in allowed if "dns" in a.lower() and not a.endswith("delete")} - used <= {
        "Microsoft.Network/privateDnsZones/virtualNetworkLinks/read"
    }

    # somebody changes the rule, and another time takes it away
    rule = life.store.held[OWN[-1]].id
    wrong = {"domainName": f"{ZONE}.", "targetDnsServers": [{"ipAddress": "10.99.0.9", "port": 53}]}
    held = arm(life, "GET", rule)["properties"]["metadata"]
    arm(life, "PUT", rule, {"properties": {**wrong, "metadata": held}})
    drifted = life.status()
    assert [d.address for d in drifted.drift] == [OWN[-1]]
    assert drifted.health is not Health.HEALTHY
    life.up()
    assert life.status().health is Health.HEALTHY
    arm(life, "DELETE", rule)
    assert [d.address for d in life.status().drift] == [OWN[-1]]
    life.up()
    assert life.status().health is Health.HEALTHY

    life.teardown()
    assert life.status().health is Health.ABSENT
    assert everything(life) == before
    assert not [a for a in life.store.held if a.startswith("dns_forward.")]


def test_somebody_elses_ruleset_gets_the_rules_and_nothing_else(life: Life) -> None:
    theirs(life)
    before = everything(life)
    assert made(life) == [OWN[-1]]
    assert "Somebody else's forwarding ruleset is used" in {f.summary for f in life.found}
    assert asked(life).health is Health.HEALTHY
    assert {c.action for c in life.up().changes} == {Action.NO_OP}
    life.teardown()
    assert everything(life) == before


def test_somebody_elses_resolver_is_used(life: Life) -> None:
    theirs(life, link=False)
    before = everything(life)
    assert made(life) == OWN[3:]
    assert asked(life).health is Health.HEALTHY
    assert {c.action for c in life.up().changes} == {Action.NO_OP}
    life.teardown()
    assert everything(life) == before


def test_a_rule_of_somebody_else_for_the_zone_is_left_alone(life: Life) -> None:
    ruleset = theirs(life)
    rule = {"domainName": f"{ZONE}.", "targetDnsServers": [{"ipAddress": "10.20.0.9", "port": 53}]}
    arm(life, "PUT", f"{ruleset}/forwardingRules/zone", {"properties": rule})
    _, engine = life.plan()
    assert isinstance(engine.snapshot.errors[OWN[-1]], ConflictError)
    assert "az resource delete" in engine.snapshot.errors[OWN[-1]].hint


def test_what_comes_before_rules_is_found_in_the_plan(life: Life) -> None:
    zone = network(life, "privateDnsZones/corp.example")
    arm(life, "PUT", zone, {"location": "global"}, ZONES)
    link = {"location": "global", "properties": {"virtualNetwork": {"id": vnet_id(life)}}}
    arm(life, "PUT", f"{zone}/virtualNetworkLinks/aks", link, ZONES)
    arm(life, "PUT", network(life, "privateDnsZones/elsewhere.example"), {"location": "global"}, ZONES)
    vnet = arm(life, "GET", vnet_id(life), api="2024-01-01")
    vnet["properties"]["dhcpOptions"] = {"dnsServers": ["10.20.0.9"]}
    arm(life, "PUT", vnet_id(life), vnet, "2024-01-01")
    seen = found(life)
    assert set(seen) == {
        "A private zone of Azure's comes before the forwarding rule",
        "The VNet has DNS servers of its own",
    }
    assert "10.20.0.9" in seen["The VNet has DNS servers of its own"]


@pytest.mark.parametrize("at", [OWN[0], OWN[2], OWN[5]])
def test_a_run_that_dies_is_gone_on_with(life: Life, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """The write is carried out and its answer is lost with the process, and so at the teardown."""
    parts = {OWN[0]: "/subnets/", OWN[2]: "/outboundEndpoints/", OWN[5]: "/forwardingRules/"}
    put, delete = Azure.put_dns, Azure.delete_dns

    def dies_at_put(self: Azure, id_: str, body: Json) -> Started:
        started = put(self, id_, body)
        if parts[at] in id_:
            raise Killed
        return started

    def dies_at_delete(self: Azure, id_: str) -> Started | None:
        started = delete(self, id_)
        if parts[at] in id_:
            raise Killed
        return started

    with monkeypatch.context() as patch, pytest.raises((Killed, Interrupted)):
        patch.setattr(Azure, "put_dns", dies_at_put)
        life.up()
    life.clock = life.new_clock()  # the run's own was stopped
    life.up()
    assert {c.action for c in life.up().changes} == {Action.NO_OP}
    assert life.status().health is Health.HEALTHY
    with monkeypatch.context() as patch, pytest.raises((Killed, Interrupted)):
        patch.setattr(Azure, "delete_dns", dies_at_delete)
        life.teardown()
    life.clock = life.new_clock()
    life.teardown()
    assert life.status().health is Health.ABSENT
    assert json.loads(everything(life))[0] == {}


def test_the_endpoint_moves_to_another_subnet(life: Life) -> None:
    """Azure locks a subnet while an endpoint is in it: endpoint and ruleset go first, and the rules last of all come back."""
    life.up()
    moved = IPv4Network("10.20.201.0/28")
    life.link = replace(life.link, dns=replace(life.link.dns, outbound_subnet=moved))
    plan = life.up()
    assert {c.address for c in plan.changes if c.action is Action.REPLACE} >= {OWN[0], OWN[2]}
    raw = life.clouds().azure.vnet() or {}
    ranges = {s["name"]: s["properties"]["addressPrefix"] for s in raw["properties"]["subnets"]}
    assert ranges["cloudlink-joined-dns"] == str(moved)
    assert life.status().health is Health.HEALTHY
    assert {c.action for c in life.up().changes} == {Action.NO_OP}


def test_others_rules_in_our_ruleset_survive_a_teardown(life: Life) -> None:
    life.up()
    ruleset = life.store.held["dns_forward.ruleset"].id
    rule = {"domainName": "other.example.", "targetDnsServers": [{"ipAddress": "10.20.0.9", "port": 53}]}
    arm(life, "PUT", f"{ruleset}/forwardingRules/other", {"properties": rule})
    with pytest.raises(CloudlinkError, match="used by others"):
        life.teardown()
    assert arm(life, "GET", f"{ruleset}/forwardingRules/other")["properties"]["domainName"] == "other.example."


def test_a_vnet_of_others_that_is_linked_to_our_ruleset_keeps_it(life: Life) -> None:
    """Azure refuses to delete a ruleset with links: told at once, and the other VNet keeps its link."""
    life.up()
    ruleset = life.store.held["dns_forward.ruleset"].id
    spoke = f"{ruleset.partition('/dnsForwardingRulesets/')[0]}/virtualNetworks/spoke"
    space = {"addressSpace": {"addressPrefixes": ["10.77.0.0/16"]}}
    arm(life, "PUT", spoke, {"location": "westeurope", "properties": space})
    life.clock.wait(600)
    link = f"{ruleset}/virtualNetworkLinks/spoke"
    arm(life, "PUT", link, {"properties": {"virtualNetwork": {"id": spoke}}})
    life.clock.wait(600)
    begun = life.clock.now()
    with pytest.raises(CloudlinkError, match="used by others"):
        life.teardown()
    assert arm(life, "GET", link)["properties"]["virtualNetwork"]["id"] == spoke
    arm(life, "DELETE", link)
    life.clock.wait(600)
    life.teardown()
    assert life.status().health is Health.ABSENT and life.clock.now() - begun < 7200


def test_a_zone_that_is_configured_no_more_loses_its_rule(life: Life) -> None:
    more = f'{CONFIG}\n[[dns.zones]]\nzone = "data.example"\n[[dns.zones.hosts]]\nname = "db"\naddresses = ["10.10.0.77"]\n'
    one = life.link
    life.link = parse(more, "config.toml", sandbox=True)
    assert made(life)[-2:] == [OWN[-1], "dns_forward.rule[data.example]"]
    assert asked(life).health is not Health.DOWN
    life.link = one
    plan = life.up()
    gone = [c.address for c in plan.changes if c.action is Action.DELETE]
    assert "dns_forward.rule[data.example]" in gone and "resolver.zone[data.example]" in gone
    assert {c.action for c in life.up().changes} == {Action.NO_OP}
    life.teardown()
    assert json.loads(everything(life))[0] == {}


def test_over_tunnels_of_cloudlinks_own(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path, speed=0, durations=Durations(exact=True))
    sandbox.start()
    try:
        text = add("dns", 'forward = "vnet"', config_text(resource_group="test", host='load_balancer = "app-alb"'))
        life = Life(sandbox, parse(text, "config.toml", sandbox=True), pause=0.15)
        before = everything(life)
        rule = made(life)[-1]
        assert rule == "dns_forward.rule[prod.corp.example]"
        life.clock.wait(600)
        assert life.status().health is Health.HEALTHY
        assert asked(life).health is Health.HEALTHY
        life.teardown()
        assert everything(life) == before
    finally:
        sandbox.stop()


def test_where_a_policy_refuses_the_nodes_network_the_resolver_is_asked_all_the_same(
    life: Life, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.up()
    create, seen = Kube.create_pod, list[bool]()

    def strict(self: Kube, namespace: str, body: Any) -> Any:
        seen.append(bool(body["spec"].get("hostNetwork")))
        if seen[-1]:
            said = 'pods "p" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)'
            raise KubeApiError(403, "Forbidden", said, "create pod p")
        return create(self, namespace, body)

    monkeypatch.setattr(Kube, "create_pod", strict)
    report = asked(life)
    assert seen == [False, True, False]
    assert {h.hop: h.result for h in report.names[0].hops}["node-dns"] == "ok"


@pytest.mark.parametrize(
    ("made_by", "now", "refused"),
    [
        ("dns_forward.forward", "vnet", True),
        (f"dns_forward.rule[{ZONE}]", "coredns", True),
        ("dns_forward.forward", "coredns", False),
        (f"dns_forward.rule[{ZONE}]", "vnet", False),
        ("resolver.zone", "vnet", False),
    ],
)
def test_the_way_to_forward_is_not_changed_while_the_link_exists(made_by: str, now: str, refused: bool) -> None:
    link = parse(CONFIG.replace('forward = "vnet"', f'forward = "{now}"'), "config.toml", sandbox=True)
    store = Memory({made_by: Receipt(made_by, "id", "ready", "", Ownership.OWNED, 0.0)})
    session = SimpleNamespace(link=link, state=store)
    with pytest.raises(StateError, match="another way to forward") if refused else nullcontext():
        Building._refuse_another_forward(session)  # type: ignore[arg-type]


@pytest.mark.parametrize(("built", "now"), [("dns_forward.forward", "vnet"), (f"dns_forward.rule[{ZONE}]", "coredns")])
def test_a_pause_changes_the_way_to_forward_as_little_as_an_up(built: str, now: str) -> None:
    link = parse(CONFIG.replace('forward = "vnet"', f'forward = "{now}"'), "config.toml", sandbox=True)
    session = object.__new__(Pausing)
    session.link = link
    session.state = Memory({built: Receipt(built, "id", "ready", "", Ownership.OWNED, 0.0)})  # type: ignore[assignment]
    with pytest.raises(StateError, match="another way to forward"):
        session.plan_pause(deep=False, answer="servfail", hours=10, days=5)


def test_each_rule_that_is_missing_or_switched_off_is_said_and_no_such_rule_is_said_to_send(life: Life) -> None:
    life.up()
    [rule] = life.clouds().azure.vnet_dns()["rules"]
    rule["properties"]["forwardingRuleState"] = "Disabled"
    arm(life, "PUT", rule["id"], {"properties": rule["properties"]})
    link = life.link
    second = PrivateZone("data.example", link.dns.hosts)
    two = replace(link, dns=replace(link.dns, more_zones=(second,)))
    said = VnetRules(two, life.clouds().azure, "dns_forward.rule").status()
    assert said.problem == (
        f"no forwarding rule of the VNet is for data.example; the forwarding rule for {ZONE} is switched off"
    )
    assert "sends" not in said.line


def test_the_check_is_of_the_vnet_where_the_vnet_forwards() -> None:
    checks = (check("zone", Outcome.PASSED, ""), check("forward", Outcome.PASSED, ""))
    assert [c.title for c in titled(checks, by_vnet=True)] == [CHECKS["zone"], "The VNet forwards the zone"]
    assert titled(checks, by_vnet=False) == checks


def test_a_stopped_cluster_hides_nothing_of_what_azure_says(life: Life) -> None:
    """Over what others have joined, a pod tries the way before the first rule."""
    side = life.link.azure
    group = f"/subscriptions/{side.subscription}/resourceGroups/{side.aks_resource_group}/providers"
    cluster = f"{group}/Microsoft.ContainerService/managedClusters/{side.aks_cluster}"
    arm(life, "POST", f"{cluster}/stop", api="2024-05-01")
    zone = network(life, f"privateDnsZones/{ZONE}")
    arm(life, "PUT", zone, {"location": "global"}, ZONES)
    link = {"location": "global", "properties": {"virtualNetwork": {"id": vnet_id(life)}}}
    arm(life, "PUT", f"{zone}/virtualNetworkLinks/x", link, ZONES)
    obstacles = found(life)
    assert set(obstacles) == {
        "A private zone of Azure's comes before the forwarding rule",
        "The AKS cluster is stopped",
    }
    assert "CoreDNS" not in obstacles["The AKS cluster is stopped"]
    assert not [f for f in life.found if f.severity is Severity.NOT_PROVED], "it is said once"
    arm(life, "POST", f"{cluster}/start", api="2024-05-01")
    arm(life, "DELETE", f"{zone}/virtualNetworkLinks/x", api=ZONES)
    arm(life, "DELETE", zone, api=ZONES)
    assert made(life) == OWN
    arm(life, "POST", f"{cluster}/stop", api="2024-05-01")
    assert life.status().health is Health.HEALTHY
    with pytest.raises(CloudlinkError, match="cannot be asked") as refused:
        asked(life)
    assert "which is stopped" in refused.value.detail and "az aks start --name" in refused.value.hint


def test_a_cluster_that_may_not_be_asked_hides_nothing_of_what_azure_says(life: Life) -> None:
    zone = network(life, f"privateDnsZones/{ZONE}")
    arm(life, "PUT", zone, {"location": "global"}, ZONES)
    link = {"location": "global", "properties": {"virtualNetwork": {"id": vnet_id(life)}}}
    arm(life, "PUT", f"{zone}/virtualNetworkLinks/x", link, ZONES)
    life.sandbox.context.faults.add(Fault("cut-before", "kube.GET:configmaps/*", times=None))
    assert "A private zone of Azure's comes before the forwarding rule" in found(life)
    unproved = [f for f in life.found if f.summary == "Whether CoreDNS of the cluster answers the zone is not known"]
    assert len(unproved) == 1
