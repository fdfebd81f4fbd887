"""What keeps a link from being called healthy although four tunnels are up, and what could not be seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest

from cloudlink.checks import status
from cloudlink.checks.report import CHECKS, Check, Health, Outcome, StatusReport, TunnelStatus
from cloudlink.checks.status_reads import Asking, Facts
from cloudlink.checks.tunnels import no_pfs_group_in_common
from cloudlink.clouds.aws.parse_resolver import ForwardRule, forward_rules, taking_away
from cloudlink.clouds.azure.parse_ipsec import renewal_group
from cloudlink.core.plan import diff
from cloudlink.errors import CredentialsError, Finding, MissingError, Severity, UnreachableError
from cloudlink.ipsec import IpsecPolicy
from cloudlink.secret import Secret
from cloudlink.steps.aws_vpn.connections import ConnectionSpec
from tests.checks.test_tunnels import LINK, Said


def check(report: Any, name: str) -> Check:
    found: Check = next(c for c in report.checks if c.name == name)
    return found


# --- the way between cluster and gateway -----------------------------------------------------------------------


TABLE = Finding(
    "azure", Severity.OBSTACLE, "x", "rt-aks keeps the routes out.", "az network route-table update --name rt-aks"
)


def way(*found: Finding) -> Any:
    said = Said()
    said.more["way"] = found
    return said.report()


def test_a_link_whose_clusters_packets_do_not_find_the_gateway_is_not_healthy() -> None:
    report = way(TABLE)
    assert report.health is Health.DEGRADED
    assert "But: rt-aks keeps the routes out" in report.verdict
    assert check(report, "routes-aks").outcome is Outcome.FAILED
    assert report.next == (TABLE.hint,)


@pytest.mark.parametrize(
    ("summary", "health"),
    [
        # before a build no obstacles, but what stands does not carry packets so
        ("The cluster's subnet does not take the gateway's routes", Health.DEGRADED),
        ("The cluster's VNet does not use the gateway", Health.DEGRADED),
        ("Packets for AWS go through an appliance", Health.HEALTHY),
        ("The peering is not in sync", Health.HEALTHY),
    ],
)
def test_which_warnings_count_once_the_link_stands(summary: str, health: Health) -> None:
    report = way(replace(TABLE, severity=Severity.WARNING, summary=summary))
    assert report.health is health
    assert check(report, "routes-aks").outcome is (Outcome.WARNING if health is Health.HEALTHY else Outcome.FAILED)


# --- packet filters -------------------------------------------------------------------------------------------


def test_a_filter_that_drops_what_the_link_carries_is_told_with_evidence() -> None:
    said = Said()
    acl = Finding(
        "aws", Severity.OBSTACLE, "x", "acl-1 lets no udp/53 in from 10.20.0.0/16.", "aws ec2 create-network-acl-entry"
    )
    part = Finding("aws", Severity.WARNING, "x", "rtb-1 has a route to a part.", "aws ec2 delete-route")
    said.more["filters"] = (part, acl)
    report = said.report()
    assert report.health is Health.DEGRADED
    assert "But: acl-1 lets no udp/53 in from 10.20.0.0/16" in report.verdict
    assert check(report, "filters").fix == acl.hint
    assert next(s.outcome for s in report.path if s.name == "routes") is Outcome.FAILED

    said.more["filters"] = (part,)
    report = said.report()
    assert (report.health, check(report, "filters").outcome) == (Health.HEALTHY, Outcome.WARNING)


# --- tunnels that will be lost ------------------------------------------------------------------------------


def no_pfs(said: Said) -> None:
    said.connected(1)["ipsecPolicies"][0]["pfsGroup"] = "None"


def other_group(said: Said) -> None:
    said.connected(1)["ipsecPolicies"][0]["pfsGroup"] = "PFS24"


def aws_asks_for_another(said: Said) -> None:
    said.option(1)["Phase2DHGroupNumbers"] = [{"Value": 19}]


def narrowed(said: Said) -> None:
    said.vpns[0]["Options"]["RemoteIpv4NetworkCidr"] = "10.1.0.0/16"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (no_pfs, "Azure uses none"),
        (other_group, "AWS permits 20, Azure uses 24"),
        (aws_asks_for_another, "AWS permits 19, Azure uses 20"),
        (narrowed, "narrowed to 10.1.0.0/16 on AWS's side"),
    ],
)
def test_a_tunnel_that_will_be_lost_is_up_and_the_link_not_healthy(spoil: Callable[[Said], None], words: str) -> None:
    said = Said()
    spoil(said)
    report = said.report()
    assert all(t.up for t in report.tunnels)
    assert words in report.tunnels[1].concern
    assert report.health is Health.DEGRADED
    assert "will not stay so" in report.verdict
    assert "tunnel 2" in report.verdict
    lasting = check(report, "lasting")
    assert (lasting.outcome, lasting.fix) == (Outcome.FAILED, "cloudlink up")
    assert report.next == ("cloudlink up",)


def test_a_narrowed_connection_is_the_reason_why_its_tunnels_are_down() -> None:
    said = Said()
    narrowed(said)
    said.vpns[0]["Options"]["LocalIpv4NetworkCidr"] = "10.20.0.0/16"
    said.down(0, 1)
    first = said.report().tunnels[0]
    assert first.why == "AWS's VPN connection is narrowed to 10.20.0.0/16 on Azure's side and 10.1.0.0/16 on AWS's side"
    assert first.fix == "cloudlink up"


@pytest.mark.parametrize(
    ("groups", "pfs", "dh", "lost"),
    [
        ([20], "ECP384", "ECP384", False),
        ([14, 20], "PFS2048", "ECP384", False),
        ([20], "PFSMM", "ECP384", False),
        ([20], "PFSMM", "DHGroup14", True),
        ([20], "None", "ECP384", True),
        ([], "None", "ECP384", True),
        ([], "PFS24", "ECP384", False),  # AWS's own list is long
        ([20], "PFS2", "ECP384", True),
        ([20], "PFS99", "ECP384", False),  # a spelling of tomorrow: nothing is claimed
    ],
)
def test_groups_in_common(groups: list[int], pfs: str, dh: str, lost: bool) -> None:
    azure = renewal_group({"pfsGroup": pfs, "dhGroup": dh})
    assert bool(no_pfs_group_in_common([str(g) for g in groups], azure)) is lost


# --- names and routes -----------------------------------------------------------------------------------------


def test_a_target_that_is_gone() -> None:
    said = Said()
    said.more["target"] = MissingError(
        "The load balancer does not exist", "app points at web, which is gone.", "aws elbv2 x"
    )
    report = said.report()
    assert report.health is Health.DEGRADED
    assert "app points at web" in report.verdict
    assert check(report, "targets").fix == "aws elbv2 x"


def test_our_records_are_shown_and_the_others_counted() -> None:
    said = Said()
    mine, account = ("app.corp.example", "A"), ("_cloudlink-demo.corp.example", "TXT")
    said.records.append({"Name": "_2._cloudlink-demo.corp.example.", "Type": "TXT"})
    said.records.append({"Name": "corp.example.", "Type": "NS"})
    said.more["ours"] = {mine, account, ("_2._cloudlink-demo.corp.example", "TXT")}
    report = said.report()
    assert [row[:2] for row in report.records] == [("app.corp.example", "A alias")]
    assert report.other_records == 1  # *.wild; the zone's own SOA and NS are nobody's
    said.more["ours"] = frozenset()
    assert (said.report().records, said.report().other_records) == ((), 4)
    said.more["ours"] = None  # it could not be told whose they are
    assert len(said.report().records) == 2


RULE = {"Id": "rslvr-rr-1", "DomainName": "corp.example.", "RuleType": "FORWARD", "TargetIps": [{"Ip": "10.9.9.9"}]}


def in_force(*, status: str = "COMPLETE", **changes: Any) -> list[ForwardRule]:
    return forward_rules([{**RULE, **changes}], [{"ResolverRuleId": "rslvr-rr-1", "Status": status}])


@pytest.mark.parametrize(
    ("rules", "takes"),
    [
        (in_force(), True),
        (in_force(DomainName="app.corp.example."), True),
        (in_force(DomainName="APP.corp.example."), True),
        (in_force(DomainName="example."), False),  # the zone is the more specific one
        (in_force(DomainName="other.corp.example."), False),
        (in_force(DomainName="xcorp.example."), False),
        (in_force(DomainName="."), False),
        (in_force(RuleType="SYSTEM"), False),
        (in_force(status="DELETING"), False),
        (forward_rules([RULE], []), False),
    ],
)
def test_a_rule_that_takes_names_away(rules: list[ForwardRule], takes: bool) -> None:
    assert bool(taking_away(rules, "corp.example", ["app.corp.example"])) is takes


def test_such_a_rule_is_named_with_what_ends_it() -> None:
    said = Said()
    said.more["rules"] = in_force()
    report = said.report()
    assert report.health is Health.DEGRADED
    found = check(report, "rules")
    assert "rslvr-rr-1 sends corp.example to 10.9.9.9" in found.detail
    assert (
        found.fix
        == "aws route53resolver disassociate-resolver-rule --region eu-west-1 --resolver-rule-id rslvr-rr-1 --vpc-id vpc-1"
    )


@pytest.mark.parametrize(
    ("route", "bad"),
    [
        ({"DestinationCidrBlock": "10.20.4.0/22", "TransitGatewayId": "tgw-1", "State": "active"}, True),
        ({"DestinationCidrBlock": "10.20.4.0/22", "NatGatewayId": "nat-1", "State": "blackhole"}, True),
        ({"DestinationCidrBlock": "10.0.0.0/8", "TransitGatewayId": "tgw-1", "State": "active"}, False),
        ({"DestinationCidrBlock": "10.20.4.0/22", "GatewayId": "vgw-1", "State": "active"}, False),
        ({"DestinationIpv6CidrBlock": "::/0", "GatewayId": "igw-1", "State": "active"}, False),
    ],
)
def test_a_route_that_keeps_answers_from_coming_back(route: dict[str, Any], bad: bool) -> None:
    said = Said()
    said.tables[0]["Routes"].append(route)
    found = check(said.report(), "routes-aws")
    assert found.outcome is (Outcome.FAILED if bad else Outcome.PASSED)
    assert not bad or "do not come back" in found.detail


# --- what could not be seen -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["forward", "endpoint", "zone", "records", "targets", "rules", "routes-aws", "routes-azure", "filters"]
)
def test_what_matters_and_was_not_seen_is_not_called_healthy(name: str) -> None:
    said = Said()
    said.more["unseen"] = {name: "Azure refused permission: AuthorizationFailed"}
    report = said.report()
    assert report.health is Health.UNKNOWN
    assert check(report, name) == Check(
        name, CHECKS[name], Outcome.UNSEEN, "Azure refused permission: AuthorizationFailed"
    )
    others = [c for c in CHECKS if c not in (name, "transit", "names-back")]  # neither is part of this link
    assert [c.outcome for c in report.checks if c.name != name] == [Outcome.PASSED] * len(others)
    assert CHECKS[name] in report.verdict


def test_bgp_that_may_not_be_asked_for_is_told_by_aws() -> None:
    said = Said()
    said.bgp = None
    said.more["unseen"] = {"bgp": "a Reader may not POST"}
    report = said.report()
    assert report.health is Health.HEALTHY
    assert check(report, "bgp").outcome is Outcome.UNSEEN


def test_nothing_is_said_to_be_missing_that_was_not_read() -> None:
    said = Said()
    said.endpoint, said.zone, said.records, said.forward = None, None, [], None
    said.more["unseen"] = dict.fromkeys(("endpoint", "zone", "records", "forward"), "no answer")
    report = said.report()
    assert {check(report, n).outcome for n in ("endpoint", "zone", "records", "forward")} == {Outcome.UNSEEN}
    assert report.health is Health.UNKNOWN


def test_something_wrong_counts_more_than_something_unseen() -> None:
    said = Said()
    said.more["unseen"] = {"forward": "no answer"}
    said.down(0)
    assert said.report().health is Health.DEGRADED
    said.down(1, 2, 3)
    assert said.report().health is Health.DOWN


@pytest.mark.parametrize("cloud", ["aws", "azure"])
def test_a_cloud_that_was_not_read_is_not_said_to_be_empty(cloud: str) -> None:
    said = Said()
    facts = {"aws": said.aws(), "azure": said.azure()}
    blank: Any = type(facts[cloud])(unseen="AWS is away")
    report = status.report(LINK, Facts(**{**facts, cloud: blank}))
    assert report.health is Health.UNKNOWN
    assert "cannot be told" in report.verdict
    assert all("could not be read: AWS is away" in t.why for t in report.tunnels)
    assert check(report, "tunnels").outcome is Outcome.UNSEEN


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


def test_one_read_that_fails_takes_no_other_with_it(pool: ThreadPoolExecutor) -> None:
    asking = Asking(pool, lambda e: CredentialsError("Refused", str(e)) if isinstance(e, OSError) else None, {}, {})

    def refused() -> int:
        raise OSError("no")

    def away() -> int:
        raise UnreachableError("No answer")

    first, second, third = asking.ask("bgp", refused), asking.ask("zone records", away), asking.ask("rules", lambda: 7)
    assert (first.or_none(), second.or_else(3), third.or_none()) == (None, 3, 7)
    assert asking.unseen == {"bgp": "Refused: no", "zone": "No answer", "records": "No answer"}


def test_a_bug_among_the_reads_is_no_excuse(pool: ThreadPoolExecutor) -> None:
    asking = Asking(pool, lambda _: None, {}, {})

    def bug() -> int:
        raise KeyError("x")

    with pytest.raises(KeyError):
        asking.ask("bgp", bug).or_none()


# --- drift: what differs --------------------------------------------------------------------------------------


def spec(*policies: IpsecPolicy) -> ConnectionSpec:
    return ConnectionSpec("vgw-1", "cgw-1", tuple(t.inside for t in LINK.tunnels_of(0)), policies)


def test_of_forty_numbers_only_those_that_differ_are_shown() -> None:
    wanted, other = IpsecPolicy(), replace(IpsecPolicy(), pfs_group=19)
    (one,) = diff(spec(wanted, other), spec(wanted, wanted))
    assert (one.field, one.old, one.new) == ("policies", "tunnel 2: pfs group 19", "tunnel 2: pfs group 20")
    several = replace(other, dpd_timeout=30)
    (found,) = diff(spec(several, wanted), spec(wanted, wanted))
    assert found.old == "tunnel 1: pfs group 19, dpd timeout 30"


def test_a_secret_that_differs_shows_no_value() -> None:
    @dataclass(frozen=True)
    class Holder:
        key: Secret
        other: int

    (found,) = diff(Holder(Secret("a" * 20), 1), Holder(Secret("b" * 20), 1))
    assert (found.old, found.new) == ("(secret)", "(secret)")


def test_over_one_instance_what_could_not_be_read_decides_as_it_does_over_two() -> None:
    """A missing permission keeps its exit code where nothing else is wrong; a fault that was seen has its own."""
    up = tuple(TunnelStatus(f"tunnel[{n}]", "", 0, None, None, None, up=True) for n in (0, 1))
    unseen = Check("routes-azure", "", Outcome.UNSEEN, "a permission is missing")
    failed = Check("zone", "", Outcome.FAILED, "not associated")
    report = StatusReport("demo", Health.NO_REDUNDANCY, "", up, checks=(unseen,))
    assert not report.well and report.well_as_seen
    assert not replace(report, checks=(unseen, failed)).well_as_seen
    assert not replace(report, tunnels=(up[0], replace(up[1], up=False))).well_as_seen
    assert not replace(report, tunnels=(up[0], replace(up[1], instance=1))).well_as_seen, "it has a second one"
    for health, fine in (
        (Health.HEALTHY, True),
        (Health.UNKNOWN, True),
        (Health.DOWN, False),
        (Health.DEGRADED, False),
    ):
        assert replace(report, health=health).well_as_seen is fine
