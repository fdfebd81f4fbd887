"""What stands behind a name: whoever has a fixed address, and listeners, targets and their security groups of a load balancer."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from cloudlink.checks.preflight import targets
from cloudlink.checks.preflight.targets import AddressFacts, Behind, Group, causes, check_addresses
from cloudlink.clouds.aws import parse_targets
from cloudlink.clouds.aws.parse_balancers import Listener, LoadBalancer
from cloudlink.clouds.aws.parse_groups import rules_by_group
from cloudlink.clouds.aws.parse_targets import Interface, Target, TargetGroup
from cloudlink.core.plan import Action
from cloudlink.errors import Finding, Severity
from cloudlink.link import AddressTarget, Host, Link, LoadBalancerTarget
from tests.support.pinned import pinned

from .account import context, summaries
from .samples import VPC, link, networks, plan, told

OBSTACLE, WARNING = Severity.OBSTACLE, Severity.WARNING
AZURE = networks("10.20.0.0/16")
ADDRESS = IPv4Address("10.10.8.15")
DB = link(dns={"hosts": (Host("db", AddressTarget((ADDRESS,)), (5432,)),)})
OPEN = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
OF_THE_VPC = {**OPEN, "IpRanges": [{"CidrIp": "10.10.0.0/16"}]}


def guard(*permissions: dict[str, Any], id_: str = "sg-db") -> dict[str, Any]:
    return {"GroupId": id_, "IpPermissions": list(permissions)}


def address(
    holder: Interface | None, *permissions: dict[str, Any], of: Link = DB, vpc: str = "10.10.0.0/16"
) -> list[Finding]:
    holders = {ADDRESS: holder} if holder is not None else {}
    facts = AddressFacts(networks(vpc), frozenset({ADDRESS}), holders, rules_by_group([guard(*permissions)]), AZURE)
    found = list(check_addresses(facts, of))
    pinned(found[:3])
    told(found)
    return found


HELD = Interface((ADDRESS,), ("sg-db",), "i-1")


def test_an_address_that_a_machine_has_and_that_azure_gets_to() -> None:
    assert address(HELD, OPEN) == []


@pytest.mark.parametrize(
    ("holder", "severity", "words"),
    [
        (None, WARNING, "no network interface of"),
        (replace(HELD, description="ELB app/web-internal/50dc6c495c0c9188"), WARNING, 'load_balancer = "web-internal"'),
        (replace(HELD, keeper="Amazon RDS"), WARNING, "which Amazon RDS holds"),
    ],
)
def test_addresses_that_will_not_stay(holder: Interface | None, severity: Severity, words: str) -> None:
    (finding,) = address(holder, OPEN)
    assert finding.severity is severity
    assert words in f"{finding.detail} {finding.hint}"


def test_the_security_group_of_a_database_lets_the_vpc_in_only() -> None:
    (finding,) = address(HELD, OF_THE_VPC)
    assert (finding.severity, finding.summary) == (OBSTACLE, "The security group of an address keeps Azure out")
    assert "sg-db, in front of 10.10.8.15 (db), lets no tcp/5432 in from 10.20.0.0/16" in finding.detail


def test_an_address_of_a_peered_vpc() -> None:
    """A virtual private gateway does not pass it on; a transit gateway may, and what others joined is proved by a pod."""
    (finding,) = address(None, vpc="10.11.0.0/16")
    assert finding.severity is OBSTACLE and f"in no range of {VPC}" in finding.detail
    by_transit = replace(DB, aws=replace(DB.aws, gateway="create-transit"))
    assert address(None, vpc="10.11.0.0/16", of=by_transit) == []


def interface(**more: Any) -> dict[str, Any]:
    return {
        "NetworkInterfaceId": "eni-1",
        "PrivateIpAddress": str(ADDRESS),
        "PrivateIpAddresses": [{"PrivateIpAddress": str(ADDRESS), "Primary": True}, {"PrivateIpAddress": "10.10.8.16"}],
        "Groups": [{"GroupId": "sg-db", "GroupName": "db"}],
        "InterfaceType": "interface",
        **more,
    }


@pytest.mark.parametrize(
    ("more", "keeper", "balancer"),
    [
        ({"Attachment": {"InstanceId": "i-1"}}, "", ""),
        (
            {"RequesterManaged": True, "RequesterId": "amazon-rds", "Description": "RDSNetworkInterface"},
            "Amazon RDS",
            "",
        ),
        ({"RequesterManaged": True, "RequesterId": "amazon-elasticache"}, "amazon-elasticache", ""),
        ({"RequesterManaged": True, "RequesterId": "amazon-elb", "Description": "ELB app/web/5"}, "amazon-elb", "web"),
        ({"RequesterManaged": True, "InterfaceType": "network_load_balancer", "Description": "ELB net/web/5"}, "", ""),
        ({"RequesterManaged": True, "InterfaceType": "vpc_endpoint", "RequesterId": "1234"}, "", ""),
    ],
)
def test_who_holds_an_address(more: dict[str, Any], keeper: str, balancer: str) -> None:
    (found,) = parse_targets.interfaces([interface(**more)])
    assert (found.keeper, found.of_balancer, found.groups) == (keeper, balancer, ("sg-db",))
    assert ADDRESS in found.addresses and len(found.addresses) == 2


def test_the_account_is_asked_only_where_a_name_has_an_address() -> None:
    other = guard(OF_THE_VPC, id_="sg-other")  # opens the port to some and not to Azure: it may be in front of it
    well: dict[str, Any] = {"interfaces_at": [interface()], "security_groups": [guard(OPEN), other]}
    assert summaries(targets.find, of=DB, **well) == []
    assert summaries(targets.find, of=DB, **{**well, "interfaces_at": []}) == [
        "Nothing has an address that a name points at"
    ]
    itself = {**OPEN, "IpRanges": [], "UserIdGroupPairs": [{"GroupId": "sg-default"}]}
    quiet = context(of=DB, interfaces_at=[], security_groups=[guard(OPEN), guard(itself, id_="sg-default")])
    assert list(targets.find(quiet)) == [] and "interfaces_at" not in quiet.aws.asked  # type: ignore[attr-defined]
    named = link(dns={"hosts": (Host("web", LoadBalancerTarget("sentry-internal")),)})
    for idle in (context(of=named), context(plan(Action.NO_OP), of=DB)):
        assert list(targets.find(idle)) == [] and idle.aws.asked == []  # type: ignore[attr-defined]


def test_of_thousands_of_addresses_only_those_are_judged_that_were_asked_for() -> None:
    """A filter of EC2's takes 200 values: of the others nothing is said, and not that nothing has them."""
    many = tuple(IPv4Address(int(IPv4Address("10.10.32.0")) + n) for n in range(250))
    of = link(dns={"hosts": (Host("many", AddressTarget(many), (5432,)),)})
    other = guard(OF_THE_VPC, id_="sg-other")
    found = summaries(targets.find, of=of, interfaces_at=[], security_groups=[other])
    assert found == ["Nothing has an address that a name points at"] * 200


# --- behind a load balancer that does not answer -----------------------------------------------------------------------

NLB = LoadBalancer("web", "arn:lb", VPC, ("subnet-1",), groups=())
PODS = TargetGroup("arn:tg", "k8s-web", "ip")
POD = Target("10.10.1.7", 8080, "healthy")
WELL = Behind(NLB, (Listener(443, False),), (Group(PODS, (POD,)),))
WEB = Host("web", LoadBalancerTarget("web"), (443,))
IN = {"IpProtocol": "tcp", "FromPort": 8080, "ToPort": 8080}


def behind(found: Behind, *groups: dict[str, Any], host: Host = WEB) -> list[Finding]:
    said = list(causes(found, host, rules_by_group(groups), AZURE, link()))
    told(said)
    return said


def test_a_load_balancer_that_is_well() -> None:
    assert behind(WELL) == []
    for state in ("initial", "unavailable"):
        assert behind(replace(WELL, groups=(Group(PODS, (replace(POD, state=state),)),))) == [], "nothing is known yet"


def test_a_port_without_a_listener() -> None:
    (finding,) = behind(WELL, host=replace(WEB, ports=(443, 8443)))
    assert finding.severity is OBSTACLE and "web has no listener on 8443; it listens on 443" in finding.detail


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ((), "k8s-web of web has no targets."),
        ((replace(POD, state="unhealthy", why="Health checks failed"),), "10.10.1.7: unhealthy, Health checks failed"),
        ((replace(POD, state="unused", why="Target.NotInUse"),), "unused"),
    ],
)
def test_no_target_that_answers(held: tuple[Target, ...], words: str) -> None:
    (finding,) = behind(replace(WELL, groups=(Group(PODS, held),)))
    assert words in finding.detail and "--target-group-arn arn:tg" in finding.hint


def kept(*source: tuple[str, str], balancer: LoadBalancer = NLB) -> list[Finding]:
    """The nodes' group lets in what these say, and the load balancer keeps its clients' addresses."""
    kinds = {"cidr": ("IpRanges", "CidrIp"), "group": ("UserIdGroupPairs", "GroupId")}
    permissions = [{**IN, kinds[k][0]: [{kinds[k][1]: s}]} for k, s in source]
    group = Group(PODS, (POD,), clients_addresses=True, guards={POD.id: ("sg-nodes",)})
    return behind(Behind(balancer, WELL.listeners, (group,)), guard(*permissions, id_="sg-nodes"))


def test_the_group_of_the_targets_where_the_pods_address_is_kept() -> None:
    """The controller of EKS lets in the VPC's own range, or the clients that a Service names; Azure is neither."""
    (finding,) = kept(("cidr", "10.10.0.0/16"))
    assert (finding.severity, finding.summary) == (OBSTACLE, "The targets' security group keeps Azure out")
    assert "sg-nodes of 10.10.1.7 lets no tcp/8080 in from 10.20.0.0/16" in finding.detail
    assert (
        "--group-id sg-nodes --protocol tcp --port 8080" in finding.hint and "loadBalancerSourceRanges" in finding.hint
    )
    assert kept(("cidr", "10.20.0.0/16")) == []
    assert kept(("group", "sg-of-the-balancer")) != []
    assert kept(("group", "sg-web"), balancer=replace(NLB, groups=("sg-web",))) == [], (
        "by the load balancer's own group"
    )


def test_targets_that_see_the_load_balancer_alone() -> None:
    group = Group(PODS, (POD,), clients_addresses=False, guards={POD.id: ("sg-nodes",)})
    assert behind(replace(WELL, groups=(group,)), guard(id_="sg-nodes")) == []
    unknown = replace(group, clients_addresses=True, guards={POD.id: ("sg-of-another-account",)})
    assert behind(replace(WELL, groups=(unknown,))) == []


class Elb:
    """Answers as AWS does of one load balancer and its group of instances."""

    def __init__(self, kept: str) -> None:
        self.kept = kept

    def load_balancers(self) -> list[dict[str, Any]]:
        return [
            {
                "LoadBalancerName": "web",
                "LoadBalancerArn": "arn:lb",
                "Type": "network",
                "Scheme": "internal",
                "DNSName": "w",
                "CanonicalHostedZoneId": "Z",
            }
        ]

    def target_groups(self, arn: str) -> list[dict[str, Any]]:
        return [{"TargetGroupArn": "arn:tg", "TargetGroupName": "nodes", "TargetType": "instance"}]

    def target_health(self, arn: str) -> list[dict[str, Any]]:
        return [{"Target": {"Id": "i-1", "Port": 30443}, "TargetHealth": {"State": "healthy"}}]

    def target_group_attributes(self, arn: str) -> list[dict[str, Any]]:
        return [
            {"Key": "preserve_client_ip.enabled", "Value": self.kept},
            {"Key": "stickiness.enabled", "Value": "false"},
        ]

    def listeners(self, arn: str) -> list[dict[str, Any]]:
        return [{"Port": 443, "Protocol": "TCP"}]

    def interfaces_of(self, ids: list[str]) -> list[dict[str, Any]]:
        assert ids == ["i-1"]
        return [interface(Attachment={"InstanceId": "i-1"})]


@pytest.mark.parametrize(("kept", "guards"), [("true", {"i-1": ("sg-db",)}), ("false", {})])
def test_what_is_read_of_a_load_balancer(kept: str, guards: dict[str, Any]) -> None:
    aws: Any = Elb(kept)
    found = targets.behind(link(), aws, "arn:lb")
    assert found is not None and [g.guards for g in found.groups] == [guards]
    assert [(t.id, t.port, t.state) for t in found.groups[0].targets] == [("i-1", 30443, "healthy")]
    assert targets.behind(link(), aws, "arn:another") is None
