"""The failure catalogue, names: each misconfiguration shows its symptom to whoever asks from AKS.

The numbers are those of the catalogue that the project began with. Left out here:

* 33, 34 and 35 (a broken file that kills CoreDNS later, a forward in an override, an edited ``coredns``):
  tests/sandbox/kube/test_rollout.py, test_corefile.py and test_coredns.py, and the real CoreDNS in tests/coredns.
* 38, as far as it is LocalDNS that serves old answers, and 41 (too many questions): the sandbox has neither.
"""

from __future__ import annotations

from typing import Any

import pytest

from cloudlink_sandbox.faults import Fault
from tests.sandbox.world.harness import NOTHING, SENTRY, Harness
from tests.support.manual_edits import KEY

POSTGRES = "postgres.prod.corp.example"
POSTGRES_ADDRESSES = "10.10.24.15 10.10.8.15"
ANYWHERE = {"CidrIp": "0.0.0.0/0"}


def forward(harness: Harness) -> str:
    """The block that cloudlink wrote."""
    return str(harness.hand.clouds.aks.config_map("kube-system", "coredns-custom")["data"][KEY])


def everywhere(harness: Harness, name: str = SENTRY, kind: str = "A") -> tuple[str, str, str]:
    """The answers of the cluster's DNS, and of one endpoint address by UDP and TCP."""
    at = harness.endpoint_addresses()[0]
    return (
        harness.ask(name, kind=kind),
        harness.ask(name, kind=kind, at=at),
        harness.ask(name, kind=kind, at=at, tcp=True),
    )


@pytest.mark.own("In a healthy link a name has the same answer by every road, and what it names can be reached")
def test_00_nothing_is_wrong(harness: Harness) -> None:
    cluster, udp, tcp = everywhere(harness)
    assert cluster == udp == tcp != NOTHING
    for address in cluster.split():
        assert harness.reach(address)[0] == "delivered"
    assert everywhere(harness, POSTGRES) == (POSTGRES_ADDRESSES,) * 3


@pytest.mark.documentation("A security group that does not let the real source in drops every question")
def test_28_security_group_of_the_endpoint(harness: Harness) -> None:
    for protocol in ("udp", "tcp"):
        harness.hand.shut_out(protocol)
        rule = {"IpProtocol": protocol, "FromPort": 53, "ToPort": 53, "IpRanges": [{"CidrIp": "10.244.0.0/16"}]}
        harness.ec2.authorize_security_group_ingress(
            GroupId=harness.hand.security_group()["GroupId"], IpPermissions=[rule]
        )  # pods' addresses are not what AWS sees with an overlay network
    cluster, udp, tcp = everywhere(harness)
    assert (udp, tcp) == (NOTHING, NOTHING)
    assert cluster in (NOTHING, "SERVFAIL")
    assert "lets no udp/53 in from 10.20.0.4" in harness.reach(harness.endpoint_addresses()[0], 53, tcp=False)[1]


@pytest.mark.documentation(
    "With one protocol let in, questions by the other are dropped; CoreDNS asks as it was asked unless told"
)
def test_29_one_protocol_only(harness: Harness) -> None:
    harness.hand.shut_out("tcp")
    cluster, udp, tcp = everywhere(harness)
    assert cluster == udp != NOTHING
    assert tcp == NOTHING
    assert harness.ask(tcp=True) == udp  # prefer_udp in cloudlink's block
    harness.coredns(KEY, "\n".join(line for line in forward(harness).splitlines() if "prefer_udp" not in line))
    assert harness.ask(POSTGRES, tcp=True) in (NOTHING, "SERVFAIL")
    harness.later(60)  # CoreDNS keeps a SERVFAIL for some seconds
    assert harness.ask(POSTGRES) == POSTGRES_ADDRESSES


@pytest.mark.documentation(
    "A network ACL that drops questions, or their answers, silences the address in its subnet alone"
)
@pytest.mark.parametrize(
    ("leaving", "ports", "silent"),
    [(False, (53, 53), True), (True, (32_768, 65_535), True), (True, (53, 53), False), (False, (54, 65_535), False)],
)
def test_30_network_acl(harness: Harness, leaving: bool, ports: tuple[int, int], silent: bool) -> None:
    first, second, *_ = harness.endpoint_addresses()
    interfaces = harness.ec2.describe_network_interfaces(Filters=[{"Name": "private-ip-address", "Values": [first]}])
    subnet = interfaces["NetworkInterfaces"][0]["SubnetId"]
    acl = harness.ec2.create_network_acl(VpcId=harness.place.link.aws.vpc_id)["NetworkAcl"]["NetworkAclId"]
    for egress in (False, True):
        harness.ec2.create_network_acl_entry(
            NetworkAclId=acl, Egress=egress, RuleNumber=200, Protocol="-1", RuleAction="allow", CidrBlock="0.0.0.0/0"
        )
    harness.ec2.create_network_acl_entry(
        NetworkAclId=acl, Egress=leaving, RuleNumber=100, Protocol="17", RuleAction="deny", CidrBlock="10.20.0.0/16",
        PortRange={"From": ports[0], "To": ports[1]},
    )  # fmt: skip
    of_subnet = [{"Name": "association.subnet-id", "Values": [subnet]}]
    (before,) = harness.ec2.describe_network_acls(Filters=of_subnet)["NetworkAcls"]
    association = next(a for a in before["Associations"] if a["SubnetId"] == subnet)["NetworkAclAssociationId"]
    harness.ec2.replace_network_acl_association(AssociationId=association, NetworkAclId=acl)
    answer = harness.ask(at=second)
    assert answer != NOTHING
    assert (harness.ask(at=first) == NOTHING) is silent
    assert harness.ask(at=first, tcp=True) == answer


@pytest.mark.documentation(
    "An endpoint address that does not answer costs some questions two seconds, and the others nothing"
)
def test_30_one_address_dies_and_comes_back(harness: Harness) -> None:
    dead, *others = harness.endpoint_addresses()
    fault = harness.sandbox.context.faults.add(Fault("endpoint-ip-down", dead, times=None))
    assert harness.ask(at=dead) == NOTHING
    assert all(harness.ask(at=a) != NOTHING for a in others)
    assert f"{dead}" in str(harness.status()["endpoint"])
    harness.sandbox.context.faults.remove(fault.id)
    assert harness.ask(at=dead) == harness.ask(at=others[0])


@pytest.mark.documentation("A zone that is not associated with the endpoint's VPC answers nothing: NXDOMAIN")
def test_31_zone_of_another_vpc(harness: Harness) -> None:
    harness.hand.disassociate_zone()
    assert everywhere(harness) == ("NXDOMAIN",) * 3


@pytest.mark.documentation("A more specific zone answers for its names, with NXDOMAIN when it is empty")
def test_31_a_more_specific_zone(harness: Harness) -> None:
    vpc = {"VPCRegion": harness.place.link.aws.region, "VPCId": harness.place.link.aws.vpc_id}
    harness.hand.route53.create_hosted_zone(Name=SENTRY, CallerReference="specific", VPC=vpc)
    assert everywhere(harness)[1:] == ("NODATA", "NODATA")  # its own apex exists
    assert everywhere(harness, f"api.{SENTRY}")[1:] == ("NXDOMAIN", "NXDOMAIN")
    assert harness.ask(POSTGRES, at=harness.endpoint_addresses()[0]) == POSTGRES_ADDRESSES


@pytest.mark.documentation("A FORWARD rule of a zone's own name beats the zone, one above it does not")
@pytest.mark.belief("A rule whose name servers cannot be reached ends in SERVFAIL")
@pytest.mark.parametrize(("domain", "taken"), [("prod.corp.example", True), ("corp.example", False), (SENTRY, True)])
def test_31_resolver_rule(harness: Harness, domain: str, taken: bool) -> None:
    api, link = harness.hand.clouds.aws.route53resolver, harness.place.link
    subnets = [s["SubnetId"] for s in harness.ec2.describe_subnets()["Subnets"] if s["VpcId"] == link.aws.vpc_id][:2]
    endpoint = api.create_resolver_endpoint(
        CreatorRequestId="out", Direction="OUTBOUND", SecurityGroupIds=[harness.hand.security_group()["GroupId"]],
        IpAddresses=[{"SubnetId": s} for s in subnets],
    )["ResolverEndpoint"]["Id"]  # fmt: skip
    rule = api.create_resolver_rule(
        CreatorRequestId="rule", RuleType="FORWARD", DomainName=domain, ResolverEndpointId=endpoint,
        TargetIps=[{"Ip": "192.0.2.53"}],
    )["ResolverRule"]["Id"]  # fmt: skip
    at = harness.endpoint_addresses()[0]
    before = harness.ask(at=at)
    api.associate_resolver_rule(ResolverRuleId=rule, VPCId=link.aws.vpc_id)
    harness.later()
    assert harness.ask(at=at) == ("SERVFAIL" if taken else before)


@pytest.mark.documentation(
    "A zone that CoreDNS does not forward is asked of the internet: NXDOMAIN there, right at the endpoint"
)
@pytest.mark.parametrize("how", ["key absent", "wrong suffix"])
def test_32_zone_not_forwarded(harness: Harness, how: str) -> None:
    block = forward(harness)
    harness.coredns(KEY, None)
    if how == "wrong suffix":
        harness.coredns(KEY.replace(".server", ".conf"), block)
    cluster, udp, _ = everywhere(harness)
    assert cluster == "NXDOMAIN"
    assert udp not in ("NXDOMAIN", NOTHING)


@pytest.mark.documentation("A more specific server block takes its names away from cloudlink's")
def test_32_shadowed(harness: Harness) -> None:
    harness.coredns("theirs.server", f"{SENTRY}:53 {{\n    forward . 168.63.129.16\n}}\n")
    assert everywhere(harness)[0] == "NXDOMAIN"
    assert everywhere(harness, POSTGRES)[0] == POSTGRES_ADDRESSES


@pytest.mark.documentation(
    "Upstreams that know different names give right answers and NXDOMAIN in turns: NXDOMAIN is final"
)
def test_36_mixed_upstreams(harness: Harness) -> None:
    good = harness.endpoint_addresses()[0]
    block = f"prod.corp.example:53 {{\n    forward . {good} 168.63.129.16 {{\n        policy round_robin\n    }}\n}}\n"
    harness.coredns(KEY, block)
    assert {harness.ask(POSTGRES) for _ in range(4)} == {POSTGRES_ADDRESSES, "NXDOMAIN"}


@pytest.mark.documentation(
    "A wildcard answers neither for the zone's own name nor for a name that has a record of any type"
)
def test_37_wildcards(harness: Harness) -> None:
    at = harness.endpoint_addresses()[0]
    wildcard = harness.ask("anything.prod.corp.example", at=at)
    assert harness.ask("a.b.prod.corp.example", at=at) == wildcard not in ("NODATA", "NXDOMAIN", NOTHING)
    for record in harness.hand.records():
        if record["Name"] == "prod.corp.example." and record["Type"] == "A":
            harness.hand.change_record("DELETE", record)
    assert harness.ask("prod.corp.example", at=at) == "NODATA"
    text = {"Name": "note.prod.corp.example", "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": '"x"'}]}
    assert harness.ask("note.prod.corp.example", at=at) == wildcard
    harness.hand.change_record("CREATE", text)
    assert harness.ask("note.prod.corp.example", at=at) == "NODATA"


@pytest.mark.documentation(
    "A record with a load balancer's addresses leads nowhere once the balancer was made anew; an alias has none"
)
def test_38_a_load_balancer_made_anew(harness: Harness) -> None:
    balancers, at = harness.hand.clouds.aws.client("elbv2"), harness.endpoint_addresses()[0]
    (old,) = balancers.describe_load_balancers(Names=["sentry-internal"])["LoadBalancers"]
    addresses = harness.ask(at=at).split()
    values = [{"Value": a} for a in addresses]
    fixed = {"Name": "fixed.prod.corp.example", "Type": "A", "TTL": 60, "ResourceRecords": values}
    harness.hand.change_record("CREATE", fixed)
    balancers.delete_load_balancer(LoadBalancerArn=old["LoadBalancerArn"])
    assert harness.ask("fixed.prod.corp.example", at=at).split() == addresses
    assert {harness.reach(a) for a in addresses} == {("dropped", f"nothing in the VPC has {a}") for a in addresses}
    assert harness.ask(at=at) == "NODATA"


@pytest.mark.documentation("Nodes and pods in their network ask Azure's resolver, which knows nothing of the zone")
def test_39_pods_that_bypass_coredns(harness: Harness) -> None:
    assert harness.ask(at="168.63.129.16") == "NXDOMAIN"
    assert harness.ask() not in ("NXDOMAIN", NOTHING)


@pytest.mark.documentation(
    "An address that could not be made, or whose interface was deleted, leaves its endpoint in ACTION_NEEDED"
)
def test_40_an_endpoint_that_calls_for_action(harness: Harness) -> None:
    api = harness.hand.clouds.aws.route53resolver
    lost, *others = harness.endpoint_addresses()
    by_ip = [{"Name": "private-ip-address", "Values": [lost]}]
    (interface,) = harness.ec2.describe_network_interfaces(Filters=by_ip)["NetworkInterfaces"]
    harness.ec2.delete_network_interface(NetworkInterfaceId=interface["NetworkInterfaceId"])
    (endpoint,) = api.list_resolver_endpoints()["ResolverEndpoints"]
    assert endpoint["Status"] == "ACTION_NEEDED"
    assert harness.ask(at=lost) == NOTHING
    assert all(harness.ask(at=a) != NOTHING for a in others)
    said = harness.status()["endpoint"]
    assert "ACTION_NEEDED" in str(said) or "FAILED_RESOURCE_GONE" in str(said)


def fence(harness: Harness, *rules: dict[str, Any]) -> None:
    """Rules of the network security group on the subnet of AKS."""
    subnets = harness.network.virtual_networks.get("test", "test-vnet").properties.subnets
    group = next(s for s in subnets if s.name != "GatewaySubnet").properties.network_security_group.id
    found = next(g for g in harness.network.network_security_groups.list_all() if g.id == group)
    found.properties.security_rules = [{"name": f"r{i}", "properties": r} for i, r in enumerate(rules)]
    place = group.split("/")
    harness.network.network_security_groups.begin_create_or_update(place[4], place[-1], found, polling=False)
    harness.later(60)


def rule(priority: int, access: str, **more: str) -> dict[str, Any]:
    return {
        "priority": priority, "access": access, "direction": "Outbound", "protocol": "*", "sourceAddressPrefix": "*",
        "sourcePortRange": "*", "destinationAddressPrefix": "VirtualNetwork", "destinationPortRange": "*", **more,
    }  # fmt: skip


@pytest.mark.documentation("The load balancer's security group decides who connects to a name that resolves")
def test_42_security_group_of_the_load_balancer(harness: Harness) -> None:
    (address, *_) = harness.ask().split()
    harness.hand.close_port("sentry-internal-lb", 443)
    assert harness.ask().split()[0] == address
    assert harness.reach(address) == ("dropped", "the security group lets no tcp/443 in from 10.20.0.4")


@pytest.mark.documentation(
    "Outbound rules of Azure's security group are read by priority; VirtualNetwork holds what a gateway leads to"
)
@pytest.mark.parametrize(
    ("rules", "passes"),
    [
        ([rule(200, "Deny")], False),
        ([rule(200, "Deny"), rule(100, "Allow", destinationAddressPrefix="10.10.0.0/16")], True),
        ([rule(100, "Deny", destinationPortRange="80")], True),
        ([rule(100, "Deny", destinationPortRange="400-500", protocol="Tcp")], False),
        ([rule(100, "Deny", protocol="Udp")], True),
        ([rule(100, "Deny", destinationAddressPrefix="Internet")], True),
        ([rule(100, "Deny", direction="Inbound")], True),
    ],
)
def test_42_network_security_group(harness: Harness, rules: list[dict[str, Any]], passes: bool) -> None:
    (address, *_) = harness.ask().split()
    fence(harness, *rules)
    outcome, why = harness.reach(address)
    assert (outcome == "delivered") is passes
    assert passes or why == "the network security group of the AKS subnet lets no tcp/443 out"
