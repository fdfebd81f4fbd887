"""Names of Azure's private zones for EKS: through plan, up, status, verify-dns, drift, a run that dies, and teardown.

Both clouds in this process; pods are real programs, so waits take some real time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudlink.checks.report import DnsReport, Health, Outcome
from cloudlink.clouds.aws import resolver as aws_writes
from cloudlink.clouds.azure.client import Azure, Json
from cloudlink.clouds.errors import error_policy
from cloudlink.config import parse
from cloudlink.core.plan import Action
from cloudlink.core.resource import Started
from cloudlink.errors import Interrupted, Severity, UsageError
from cloudlink.inspection.inspection import Inspection
from cloudlink.session.pausing import Pausing
from cloudlink.steps.least_permissions import least
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.process import Sandbox
from tests.steps.test_vnet_forward import arm, everything, network, theirs, vnet_id
from tests.support.built_link import Killed
from tests.support.clocks import SandboxTime
from tests.support.config_texts import config_text
from tests.support.life import Life, Memory

BACK = "privatelink.blob.core.windows.net"
BASE = config_text(
    "joined",
    link='transport = "existing"',
    resource_group="test",
    gateway="",
    zone="aws.corp.example",
    host='load_balancer = "app-alb"',
    sandbox='wire = "vpn"',
)
CONFIG = f'{BASE}\n[[dns.back]]\nzone = "{BACK}"\n'
OWN = [
    "resolver.back_group",
    "resolver.back_endpoint",
    f"resolver.back_rule[{BACK}]",
    f"resolver.back_association[{BACK}]",
    "dns_forward.inbound_subnet",
    "dns_forward.resolver",
    "dns_forward.inbound",
]
ZONES = "2020-06-01"


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    sandbox = Sandbox(tmp_path, speed=0, durations=Durations(exact=True))
    sandbox.start()
    yield Life(sandbox, parse(CONFIG, "config.toml", sandbox=True), pause=0.15)
    sandbox.stop()


def look(life: Life) -> Inspection:
    clouds = life.clouds()
    translate = error_policy(life.link).translate
    engine = life.engine(clouds)
    return Inspection(
        clouds.link,
        clouds.aws,
        clouds.azure,
        clouds.aks,
        clouds.topology,
        engine,
        life.clock,
        translate,
        eks=clouds.eks,
    )


def asked(life: Life, *names: str) -> DnsReport:
    return look(life).dns(names)


def ours(life: Life, action: Action) -> list[str]:
    return [c.address for c in life.up().changes if c.action is action and c.address in OWN]


def of_azure(life: Life) -> str:
    return json.dumps([everything(life), life.clouds().azure.inbound_endpoints()], sort_keys=True)


def of_aws(life: Life) -> str:
    """Others' and ours: Resolver endpoints, rules, what the VPC uses of them, and security groups."""
    aws, vpc = life.clouds().aws, life.link.aws.vpc_id
    groups = sorted(g["GroupId"] for g in aws.security_groups(vpc))
    return json.dumps([aws.resolver_endpoints(), aws.resolver_rules(), aws.resolver_rule_associations(vpc), groups])


def test_a_life_of_names_back(life: Life) -> None:
    before = of_azure(life), of_aws(life)
    assert ours(life, Action.CREATE) == OWN
    (cost,) = (f.detail for f in life.found if f.summary == "What the link costs")
    assert "list prices" in cost
    status = life.status()
    assert status.health is Health.HEALTHY, status
    (row,) = (c for c in status.checks if c.name == "names-back")
    assert (row.outcome, row.detail) == (Outcome.PASSED, BACK)

    report = asked(life)
    assert report.health is Health.HEALTHY, report
    name = report.names[-1]
    assert name.name == f"sandbox.{BACK}"
    hops = {h.hop.partition(" ")[0]: h.result for h in name.hops}
    assert hops == {"eks-dns": "ok", "endpoint": "ok"}
    assert any("asked from a pod on the EKS cluster" in note for note in report.notes)
    only = asked(life, f"sandbox.{BACK}")
    assert (only.health, [n.name for n in only.names]) == (Health.HEALTHY, [f"sandbox.{BACK}"])
    assert asked(life, f"nothing.{BACK}").names[0].verdict == "nxdomain"

    life.store = Memory()  # the state file is lost
    assert {c.action for c in life.up().changes} == {Action.NO_OP}
    used = {a for a in life.sandbox.context.grants.json()["used"] if "esolver" in a or "rivateDns" in a}
    allowed = {a.action for a in least(life.link, life.clouds().topology.nodes(), checks=True)}
    assert used - allowed == set()

    life.teardown()
    assert life.status().health is Health.ABSENT
    assert (of_azure(life), of_aws(life)) == before
    assert not [a for a in life.store.held if a in OWN]


def test_drift_is_seen_and_put_right(life: Life) -> None:
    life.up()
    aws, vpc = life.clouds().aws, life.link.aws.vpc_id
    rule = life.store.held[OWN[2]].id
    endpoint = life.store.held[OWN[6]].id
    group = life.store.held[OWN[0]].id
    writes: dict[str, Any] = {
        OWN[3]: lambda: aws_writes.disassociate_rule(aws, rule, vpc),
        OWN[2]: lambda: aws.route53resolver.update_resolver_rule(
            ResolverRuleId=rule, Config={"TargetIps": [{"Ip": "10.99.0.9", "Port": 53}]}
        ),
        OWN[0]: lambda: aws.ec2.revoke_security_group_egress(
            GroupId=group, IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
        ),
        OWN[6]: lambda: arm(life, "DELETE", endpoint),
    }
    for address, write in writes.items():
        write()
        life.clock.wait(300)
        seen = life.status()
        assert [d.address for d in seen.drift] == [address]
        if address in (OWN[3], OWN[6]):
            assert seen.health is not Health.HEALTHY
        report = asked(life, f"sandbox.{BACK}")
        assert report.health is Health.DOWN, address
        assert report.names[0].cause
        life.up()
        life.clock.wait(60)  # until CoreDNS on EKS forgets
        assert {c.action for c in life.up().changes} == {Action.NO_OP}
        assert asked(life, f"sandbox.{BACK}").health is Health.HEALTHY, address


def test_somebody_elses_resolver_is_used(life: Life) -> None:
    theirs(life)
    before = of_azure(life)
    assert ours(life, Action.CREATE) == [a for a in OWN if a != "dns_forward.resolver"]
    assert asked(life).health is Health.HEALTHY
    assert {c.action for c in life.up().changes} == {Action.NO_OP}
    life.teardown()
    assert of_azure(life) == before


def test_both_directions_share_the_resolver(life: Life) -> None:
    life.link = parse(CONFIG.replace("[dns]\n", '[dns]\nforward = "vnet"\n'), "config.toml", sandbox=True)
    before = of_azure(life)
    life.up()
    assert asked(life).health is Health.HEALTHY
    assert {c.action for c in life.up().changes} == {Action.NO_OP}
    # the zones of one direction are taken away, and the resolver stays for the other
    both, life.link = life.link, replace(life.link, dns=replace(life.link.dns, back=()))
    gone = ours(life, Action.DELETE)
    assert gone == [a for a in OWN if a != "dns_forward.resolver"]
    assert life.status().health is Health.HEALTHY
    assert not any(a.startswith(("resolver.back_", "dns_forward.inbound")) for a in life.store.held)
    life.link = both
    assert ours(life, Action.CREATE) == gone
    life.teardown()
    assert of_azure(life) == before


def test_a_zone_that_is_configured_no_more_loses_its_rule(life: Life) -> None:
    one = life.link
    life.link = parse(f'{CONFIG}[[dns.back]]\nzone = "azure.corp.test"\n', "config.toml", sandbox=True)
    life.__post_init__()  # the other zone is there
    more = [f"resolver.back_{kind}[azure.corp.test]" for kind in ("rule", "association")]
    assert [c.address for c in life.up().changes if c.address in more and c.action is Action.CREATE] == more
    life.link = one
    assert [c.address for c in life.up().changes if c.action is Action.DELETE] == more
    assert {c.action for c in life.up().changes} == {Action.NO_OP}
    life.link = replace(one, dns=replace(one.dns, back=()))
    assert ours(life, Action.DELETE) == OWN
    assert life.status().health is Health.HEALTHY


def obstacles(life: Life, severity: Severity = Severity.OBSTACLE) -> dict[str, str]:
    life.plan()
    return {f.summary: f"{f.detail} {f.hint}" for f in life.found if f.severity is severity}


@pytest.mark.parametrize("zones_left", [1, 0])
def test_a_zone_that_is_configured_no_more_loses_its_rule_without_a_state(life: Life, zones_left: int) -> None:
    """The rules of the link say which zones there were."""
    one = life.link
    life.link = parse(f'{CONFIG}[[dns.back]]\nzone = "azure.corp.test"\n', "config.toml", sandbox=True)
    life.__post_init__()  # the other zone is there
    before = everything(life)
    life.up()
    life.store = Memory()
    life.link = replace(one, dns=replace(one.dns, back=one.dns.back[:zones_left]))
    life.up()
    rules = life.clouds().aws.route53resolver.list_resolver_rules()["ResolverRules"]
    assert [r["DomainName"] for r in rules if r["Name"].startswith("cloudlink")] == [f"{BACK}."] * zones_left
    assert (everything(life) == before) is (zones_left == 0)
    assert {c.action for c in life.up().changes} == {Action.NO_OP}


def test_what_is_in_the_way_is_found_in_the_plan(life: Life) -> None:
    zone = network(life, f"privateDnsZones/{BACK}")
    arm(life, "DELETE", f"{zone}/virtualNetworkLinks/{life.link.azure.vnet}", api=ZONES)
    assert set(obstacles(life)) == {"The private DNS zone is not linked to the VNet"}
    arm(life, "DELETE", zone, api=ZONES)
    assert set(obstacles(life)) == {"The private DNS zone does not exist"}

    aws, vpc = life.clouds().aws, {"VPCRegion": life.link.aws.region, "VPCId": life.link.aws.vpc_id}
    for name in (BACK, f"a.{BACK}"):
        config = {"PrivateZone": True}
        aws.route53.create_hosted_zone(Name=name, VPC=vpc, CallerReference=name, HostedZoneConfig=config)
    assert "A hosted zone of the VPC has the name of the zone in Azure" in obstacles(life)
    assert "A narrower hosted zone takes names away" in obstacles(life, Severity.WARNING)


def test_others_rules_for_the_zone_are_found_in_the_plan(life: Life) -> None:
    aws, vpc = life.clouds().aws, life.link.aws.vpc_id
    for name in (BACK, f"a.{BACK}"):
        made = aws.route53resolver.create_resolver_rule(
            CreatorRequestId=name, Name="theirs", RuleType="SYSTEM", DomainName=name
        )["ResolverRule"]["Id"]
        aws.route53resolver.associate_resolver_rule(ResolverRuleId=made, VPCId=vpc)
        life.clock.wait(200)
    seen = obstacles(life)
    assert set(seen) == {"A Resolver rule of the VPC is for the zone already"}
    assert "disassociate-resolver-rule" in seen["A Resolver rule of the VPC is for the zone already"]
    assert "A narrower Resolver rule takes names away" in obstacles(life, Severity.WARNING)


@pytest.mark.parametrize("at", ["inboundEndpoints", "create_rule", "associate_rule", "create_endpoint"])
def test_a_run_that_dies_is_gone_on_with(life: Life, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """The write is carried out and its answer is lost with the process."""
    put = Azure.put_dns

    def dies_at_put(self: Azure, id_: str, body: Json) -> Started:
        started = put(self, id_, body)
        if at in id_:
            raise Killed
        return started

    def dying(write: Any) -> Any:
        def run(*given: Any, **named: Any) -> str:
            write(*given, **named)
            raise Killed

        return run

    with monkeypatch.context() as patch, pytest.raises((Killed, Interrupted)):
        if at == "inboundEndpoints":
            patch.setattr(Azure, "put_dns", dies_at_put)
        else:
            patch.setattr(aws_writes, at, dying(getattr(aws_writes, at)))
        life.up()
    life.clock = SandboxTime(life.sandbox.context.clock, pause=life.pause)  # the run's own was stopped
    life.up()
    assert {c.action for c in life.up().changes} == {Action.NO_OP}
    assert life.status().health is Health.HEALTHY
    aws = life.clouds().aws
    outbound = [e for e in aws.resolver_endpoints() if e["Direction"] == "OUTBOUND"]
    assert (len(outbound), len(aws.resolver_rules())) == (1, 1)


@pytest.mark.parametrize("at", ["inboundEndpoints", "disassociate_rule", "delete_rule", "delete_endpoint"])
def test_a_teardown_that_dies_is_gone_on_with(life: Life, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    """The delete is carried out and its answer is lost with the process."""
    before = of_azure(life), of_aws(life)
    life.up()
    delete, died = Azure.delete_dns, []

    def dies_at_delete(self: Azure, id_: str) -> Started | None:
        started = delete(self, id_)
        if at in id_:
            died.append(id_)
            raise Killed
        return started

    def dying(write: Any) -> Any:
        def run(*given: Any, **named: Any) -> None:
            write(*given, **named)
            died.append(at)
            raise Killed

        return run

    with monkeypatch.context() as patch, pytest.raises((Killed, Interrupted)):
        if at == "inboundEndpoints":
            patch.setattr(Azure, "delete_dns", dies_at_delete)
        else:
            patch.setattr(aws_writes, at, dying(getattr(aws_writes, at)))
        life.teardown()
    assert died
    life.clock = SandboxTime(life.sandbox.context.clock, pause=life.pause)  # the run's own was stopped
    life.teardown()
    assert life.status().health is Health.ABSENT
    assert (of_azure(life), of_aws(life)) == before


def test_a_pause_is_refused(life: Life) -> None:
    class Run(Pausing):
        def __init__(self) -> None:
            self.link = life.link

        def refuse_another_kind(self) -> None:
            pass

    with pytest.raises(UsageError, match="names back"):
        Run().plan_pause(deep=False, answer="servfail", hours=8, days=5)


def test_a_vnet_of_another_subscription_has_its_zone_by_id(life: Life) -> None:
    """The zone may be in another group: then its id says which."""
    side = life.link.azure
    id_ = f"/subscriptions/{side.subscription}/resourceGroups/zones/providers/Microsoft.Network/privateDnsZones/{BACK}"
    life.link = parse(f'{CONFIG}private_zone = "{id_}"\n', "config.toml", sandbox=True)
    assert set(obstacles(life)) == {"The private DNS zone does not exist"}
    arm(life, "DELETE", f"{network(life, f'privateDnsZones/{BACK}')}/virtualNetworkLinks/{side.vnet}", api=ZONES)
    life.__post_init__()
    assert obstacles(life) == {}
    assert vnet_id(life)
