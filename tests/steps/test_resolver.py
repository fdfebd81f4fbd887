"""Names in AWS, against the sandbox's AWS."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from cloudlink.clouds.aws.parse_groups import Rule, permission_of, rules_of
from cloudlink.clouds.aws.parse_zones import ZoneRecord, plain_name, record_of, record_set, records
from cloudlink.core.plan import diff
from cloudlink.core.resource import Observed, Outputs, Ownership, Phase
from cloudlink.errors import CloudError, ConflictError, MissingError
from cloudlink.link import AddressTarget, Host, KubernetesTarget, Link, LoadBalancerTarget
from cloudlink.steps.outputs import EksCluster, VirtualNetwork
from cloudlink.steps.resolver.endpoint import spread
from cloudlink.steps.resolver.step import Resolver
from cloudlink_sandbox.aws.cloud import AwsCloud
from cloudlink_sandbox.aws.resolver import endpoints_of
from tests.support.aws_sandbox import (
    NETWORK,
    REGION,
    VPC,
    AwsSandbox,
    Fixed,
    Server,
    aws_link,
    from_azure,
    listening,
    make_aws_sandbox,
)
from tests.support.contract import NO_RECEIPTS, bring_up, check_contract, receipt_of, settle, settle_gone, take_down

MakeSandbox = Callable[..., AwsSandbox]
CLUSTER = Fixed(address="aws_vpn.cluster", title="EKS cluster")


class EksStatus:
    """The status of Services and Ingresses on EKS, as the sandbox has them."""

    def __init__(self, cloud: AwsCloud) -> None:
        self._cloud = cloud

    def load_balancer_of(self, kind: str, namespace: str, name: str) -> str:
        found = self._cloud.load_balancer_of("eu-central-1", kind, namespace, name)  # type: ignore[arg-type]
        if found is None:
            raise MissingError("There is no such service", name)
        return found


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Server, str]]:
    with listening() as pair:
        yield pair


@pytest.fixture
def sandbox_of(server: tuple[Server, str], tmp_path: Path) -> MakeSandbox:
    return lambda link=None: make_aws_sandbox(link or aws_link(), tmp_path, *server)


@pytest.fixture
def sandbox(sandbox_of: MakeSandbox) -> AwsSandbox:
    return sandbox_of()


def step_of(sandbox: AwsSandbox, link: Link | None = None) -> Resolver:
    return Resolver(link or sandbox.link, sandbox.aws, CLUSTER, NETWORK, lambda _: EksStatus(sandbox.cloud))


def eks_given(sandbox: AwsSandbox) -> Outputs:
    subnets = sandbox.aws.eks_cluster("prod")["resourcesVpcConfig"]["subnetIds"]  # type: ignore[index]
    return from_azure().with_(CLUSTER, EksCluster("prod", VPC, tuple(subnets), None, "", "", "1.33"))


def built(sandbox: AwsSandbox, *nodes: Any) -> Outputs:
    outputs = eks_given(sandbox)
    for node in nodes:
        if hasattr(node, "read"):
            outputs = sandbox.read(outputs, node)
        else:
            outputs = outputs.with_(node, bring_up(node, outputs, sandbox.wait).outputs)
    return outputs


def records_by_hand(sandbox: AwsSandbox, zone: str) -> dict[tuple[str, str], Any]:
    pages = sandbox.aws.route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone)
    return {(plain_name(r["Name"]), r["Type"]): r for page in pages for r in page["ResourceRecordSets"]}


def change(sandbox: AwsSandbox, zone: str, action: str, record: dict[str, Any]) -> None:
    sandbox.aws.route53.change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": record}]}
    )


def read_back(record: dict[str, Any]) -> ZoneRecord:
    (found,) = records([record])
    return record_of(found)


def an_address(name: str, *values: str) -> dict[str, Any]:
    return {"Name": name, "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": v} for v in values]}


# --- DNS settings of the VPC --------------------------------------------------------------------------------


def test_vpc_dns_is_switched_on_and_put_back(sandbox: AwsSandbox) -> None:
    sandbox.hand.modify_vpc_attribute(VpcId=VPC, EnableDnsHostnames={"Value": False})
    sandbox.hand.modify_vpc_attribute(VpcId=VPC, EnableDnsSupport={"Value": False})
    vpc_dns = step_of(sandbox).vpc_dns
    first = vpc_dns.find(NO_RECEIPTS)
    assert first is not None
    assert first.owned is Ownership.SHARED
    before = vpc_dns.prior_state(first)
    assert before == {"support": False, "hostnames": False}
    found = bring_up(vpc_dns, Outputs(), sandbox.wait)
    assert vpc_dns.delete(found, before) is not None
    sandbox.wait(3)
    back = vpc_dns.find(receipt_of(vpc_dns, found, before), fresh=True)
    assert back is not None
    assert back.spec == first.spec
    assert vpc_dns.delete(back, before) is None


def test_vpc_dns_that_was_on_is_left_alone(sandbox: AwsSandbox) -> None:
    vpc_dns = step_of(sandbox).vpc_dns
    found = vpc_dns.find(NO_RECEIPTS)
    assert found is not None
    assert found.spec is not None
    assert diff(found.spec, vpc_dns.spec(Outputs())) == ()
    calls = sandbox.writes()
    assert vpc_dns.delete(found, None) is None
    assert sandbox.writes() == calls


# --- the security group -------------------------------------------------------------------------------------


def test_security_group_contract(sandbox: AwsSandbox) -> None:
    def twin(found: Observed[Any, Any]) -> Callable[[], object]:
        tags = sandbox.hand.describe_tags(Filters=[{"Name": "resource-id", "Values": [found.id]}])["Tags"]
        made = sandbox.hand.create_security_group(GroupName="twin", Description="twin", VpcId=VPC)["GroupId"]
        sandbox.hand.create_tags(Resources=[made], Tags=[{"Key": t["Key"], "Value": t["Value"]} for t in tags])
        return lambda: sandbox.hand.delete_security_group(GroupId=made)

    group = step_of(sandbox).security_group
    check_contract(
        group,
        Outputs(),
        wait=sandbox.wait,
        make_twin=twin,
        foreign_objects=sandbox.foreign_objects,
        writes=sandbox.writes,
    )


def test_a_foreign_group_of_our_name_is_a_conflict(sandbox: AwsSandbox) -> None:
    made = sandbox.hand.create_security_group(GroupName="cloudlink-demo-resolver", Description="x", VpcId=VPC)
    with pytest.raises(ConflictError, match=made["GroupId"]):
        step_of(sandbox).security_group.find(NO_RECEIPTS)


def test_ingress_contract(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    outputs = built(sandbox, step.security_group)

    def drift(found: Observed[Any, Any]) -> None:
        keep, change_it, lose, *_ = sorted(found.spec.rules)
        assert keep
        sandbox.hand.revoke_security_group_ingress(GroupId=found.id, IpPermissions=[permission_of(lose)])
        sandbox.hand.update_security_group_rule_descriptions_ingress(
            GroupId=found.id, IpPermissions=[permission_of(dataclasses.replace(change_it, description="by hand"))]
        )
        sandbox.hand.authorize_security_group_ingress(
            GroupId=found.id, IpPermissions=[permission_of(Rule("tcp", 22, 22, "0.0.0.0/0", "oops"))]
        )

    found = check_contract(
        step.ingress,
        outputs,
        wait=sandbox.wait,
        make_drift=drift,
        foreign_objects=sandbox.foreign_objects,
        writes=sandbox.writes,
    )
    assert found.spec is not None
    assert {(r.protocol, r.first_port, r.source) for r in found.spec.rules} == {
        (protocol, 53, prefix) for protocol in ("tcp", "udp") for prefix in ("10.1.0.0/16", "10.2.0.0/16")
    }


def test_a_new_prefix_of_azure_is_let_in_before_the_old_one_is_shut_out(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    outputs = built(sandbox, step.security_group, step.ingress)
    network = VirtualNetwork("vnet", (), (IPv4Network("10.9.0.0/16"),))
    outputs = outputs.with_(NETWORK, network)
    found = step.ingress.find(NO_RECEIPTS)
    assert found is not None
    step.ingress.update(found, step.ingress.spec(outputs))
    between = step.ingress.find(NO_RECEIPTS, fresh=True)
    assert between is not None
    assert between.spec is not None
    assert len(between.spec.rules) == 6
    bring_up(step.ingress, outputs, sandbox.wait)


SOURCES = st.one_of(
    st.integers(0, 255).map(lambda n: f"10.{n}.0.0/16"),
    st.just("2001:db8::/32"),
    st.just("sg-0123456789abcdef0"),
    st.just("pl-0123456789abcdef0"),
)


@given_any(
    st.builds(Rule, st.sampled_from(["tcp", "udp", "icmp"]), st.integers(-1, 9), st.integers(-1, 9), SOURCES, st.text())
)
def test_rules_there_and_back(rule: Rule) -> None:
    assert rules_of(permission_of(rule)) == [rule]


def test_a_rule_for_everything_has_no_ports() -> None:
    assert rules_of({"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}) == [
        Rule("-1", -1, -1, "0.0.0.0/0", "")
    ]
    assert "FromPort" not in permission_of(Rule("-1", -1, -1, "0.0.0.0/0", ""))


# --- the endpoint -------------------------------------------------------------------------------------------


def test_endpoint_contract(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    outputs = built(sandbox, step.security_group, step.subnets)

    def drift(found: Observed[Any, Any]) -> None:
        gone, *_ = sorted(
            sandbox.aws.route53resolver.list_resolver_endpoint_ip_addresses(ResolverEndpointId=found.id)["IpAddresses"],
            key=lambda a: a["IpId"],
        )
        sandbox.aws.route53resolver.disassociate_resolver_endpoint_ip_address(
            ResolverEndpointId=found.id, IpAddress={"IpId": gone["IpId"]}
        )
        sandbox.wait(100)
        sandbox.aws.route53resolver.update_resolver_endpoint(ResolverEndpointId=found.id, Protocols=["Do53", "DoH"])

    def twin(found: Observed[Any, Any]) -> Callable[[], object]:
        made = sandbox.aws.route53resolver.create_resolver_endpoint(
            CreatorRequestId="cloudlink/demo/twin",
            Direction="INBOUND",
            SecurityGroupIds=sorted(found.spec.groups),
            IpAddresses=[{"SubnetId": s} for s in found.spec.subnets],
        )["ResolverEndpoint"]["Id"]

        def undo() -> None:
            sandbox.wait(200)
            sandbox.aws.route53resolver.delete_resolver_endpoint(ResolverEndpointId=made)

        return undo

    found = check_contract(
        step.endpoint,
        outputs,
        wait=sandbox.wait,
        make_drift=drift,
        make_twin=twin,
        foreign_objects=sandbox.foreign_objects,
        writes=sandbox.writes,
    )
    assert found.outputs is not None
    assert set(found.outputs.addresses) == outputs[step.subnets].ids


def test_another_links_endpoint_is_not_ours(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    built(sandbox, step.security_group, step.subnets, step.endpoint)
    other = step_of(sandbox, dataclasses.replace(sandbox.link, name="dem"))
    assert other.endpoint.find(NO_RECEIPTS) is None


def test_an_endpoint_that_goes_between_two_calls_is_going(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    built(sandbox, step.security_group, step.subnets, step.endpoint)
    other = sandbox.again()  # whoever deletes it, just after it was listed
    (listed,) = other.resolver_endpoints()

    def delete(**_: Any) -> None:
        if other.resolver_endpoints(fresh=True):
            other.route53resolver.delete_resolver_endpoint(ResolverEndpointId=listed["Id"])
            sandbox.wait(200)

    events = sandbox.aws.route53resolver.meta.events
    events.register("after-call.route53resolver.ListResolverEndpoints", delete)
    sandbox.wait(5)
    found = step.endpoint.find(NO_RECEIPTS, fresh=True)
    assert found is not None
    assert found.phase is Phase.DELETING
    sandbox.wait(5)
    assert step.endpoint.find(NO_RECEIPTS, fresh=True) is None


def test_subnets_are_exchanged_one_by_one_and_a_new_one_comes_first(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    outputs = built(sandbox, step.security_group, step.subnets, step.endpoint)
    all_of_them = [s["SubnetId"] for s in sandbox.aws.subnets(VPC)]
    old = sorted(outputs[step.subnets].ids)
    new = [s for s in all_of_them if s not in old]
    moved = step_of(sandbox, aws_link(dns={"endpoint_subnets": (old[0], *new)}))
    outputs = sandbox.read(outputs, moved.subnets)
    sandbox.context.journal.clear()
    found = bring_up(moved.endpoint, outputs, sandbox.wait)
    assert found.outputs is not None
    assert set(found.outputs.addresses) == {old[0], *new}
    assert [c.operation for c in sandbox.context.journal.calls() if c.writes] == [
        *["AssociateResolverEndpointIpAddress"] * 2,
        *["DisassociateResolverEndpointIpAddress"] * 2,
    ]


def test_an_address_that_failed_is_exchanged(sandbox: AwsSandbox) -> None:
    sandbox.fault("operation-fails", "aws.CreateResolverEndpoint")
    step = step_of(sandbox)
    outputs = built(sandbox, step.security_group, step.subnets)
    step.endpoint.create(step.endpoint.spec(outputs))
    sandbox.wait(120)
    passing = step.endpoint.find(NO_RECEIPTS, fresh=True)
    assert passing is not None
    assert passing.phase is Phase.CREATING, "it has been seen to recover by itself"
    sandbox.wait(400)
    found = bring_up(step.endpoint, outputs, sandbox.wait)
    assert found.outputs is not None
    assert set(found.outputs.addresses) == outputs[step.subnets].ids


def test_a_repeated_create_makes_no_second_endpoint(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    outputs = built(sandbox, step.security_group, step.subnets)
    spec = step.endpoint.spec(outputs)
    sandbox.fault("cut-after", "aws.CreateResolverEndpoint")
    for _ in range(2):
        with pytest.raises(Exception) as caught:
            step.endpoint.create(spec)
        assert sandbox.aws.unknown_outcome(caught.value)
    settle(step.endpoint, sandbox.wait)
    assert len(sandbox.aws.resolver_endpoints()) == 1


def test_the_group_cannot_go_before_the_endpoint(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    built(sandbox, step.security_group, step.subnets, step.endpoint)
    group = step.security_group.find(NO_RECEIPTS)
    assert group is not None
    with pytest.raises(Exception) as caught:
        step.security_group.delete(group, None)
    assert sandbox.aws.retryable(caught.value)


@given_any(st.dictionaries(st.integers(0, 99).map(lambda n: f"subnet-{n:02}"), st.sampled_from("abc"), max_size=30))
def test_spread_takes_all_zones_first(zones: dict[str, str]) -> None:
    chosen = spread(zones, 6)
    assert len(chosen) == len(set(chosen)) == min(6, len(zones))
    assert {zones[s] for s in chosen} == set(zones.values())
    assert spread(dict(reversed(zones.items())), 6) == chosen


def test_subnets_elsewhere(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox, aws_link(dns={"endpoint_subnets": ("subnet-0000000a", "subnet-0000000b")}))
    with pytest.raises(MissingError, match="subnet-0000000a"):
        step.subnets.read(Outputs())


# --- the zone -----------------------------------------------------------------------------------------------


def test_zone_contract(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    other = sandbox.hand.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    drifted: list[str] = []

    def drift(found: Observed[Any, Any]) -> None:
        drifted.append(found.id)
        zone = {"HostedZoneId": found.id}
        sandbox.aws.route53.associate_vpc_with_hosted_zone(**zone, VPC={"VPCRegion": REGION, "VPCId": other})
        sandbox.aws.route53.disassociate_vpc_from_hosted_zone(**zone, VPC={"VPCRegion": REGION, "VPCId": VPC})

    def twin(found: Observed[Any, Any]) -> Callable[[], object]:
        made = sandbox.aws.route53.create_hosted_zone(Name="twin.example", CallerReference="cloudlink/demo/twin")
        return lambda: sandbox.aws.route53.delete_hosted_zone(Id=made["HostedZone"]["Id"])

    def wait(seconds: float) -> None:
        """Once our VPC is back the other one leaves: a zone that others use is kept."""
        sandbox.wait(seconds)
        for id_ in drifted:
            if len(sandbox.aws.route53.get_hosted_zone(Id=id_)["VPCs"]) > 1:
                vpc = {"VPCRegion": REGION, "VPCId": other}
                sandbox.aws.route53.disassociate_vpc_from_hosted_zone(HostedZoneId=id_, VPC=vpc)
                drifted.clear()

    check_contract(
        step.zone,  # type: ignore[arg-type]
        Outputs(),
        wait=wait,
        make_drift=drift,
        make_twin=twin,
        foreign_objects=sandbox.foreign_objects,
        writes=sandbox.writes,
    )


def test_a_new_zone_is_not_waited_for_and_its_records_are(sandbox: AwsSandbox) -> None:
    """Route 53 carries out the changes of a zone in order: the records' tells for both."""
    step = step_of(sandbox)
    zone, records = cast(Any, step.zone), cast(Any, step.records)
    started = zone.create(zone.spec(Outputs()))
    assert started.made == zone.find(NO_RECEIPTS, fresh=True)
    assert started.made.phase is Phase.READY and sandbox.calls("GetChange") == 0
    zone_id = started.made.id
    records._change(zone_id, frozenset({ZoneRecord("a.corp.example", "A", ("10.0.0.1",), ttl=60)}))
    assert records.find(NO_RECEIPTS, fresh=True).phase is Phase.CREATING
    sandbox.wait(60)
    records.find(NO_RECEIPTS, fresh=True)  # asks once more, and sees that it is served
    calls = sandbox.calls("GetChange")
    zone.find(NO_RECEIPTS, fresh=True)
    assert sandbox.calls("GetChange") == calls == 2


def test_what_the_answers_of_creates_say_is_what_a_read_says(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    group, ingress = cast(Any, step.security_group), cast(Any, step.ingress)
    outputs = built(sandbox)
    made = group.create(group.spec(outputs)).made
    assert made == group.find(NO_RECEIPTS, fresh=True)
    outputs = outputs.with_(group, made.outputs)
    let_in = ingress.create(ingress.spec(outputs)).made
    assert let_in == ingress.find(NO_RECEIPTS, fresh=True)
    assert let_in.spec.rules


def test_a_zone_with_foreign_records_is_kept(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    outputs = built(sandbox, step.zone)
    zone: Any = step.zone
    number = outputs[step.zone].id
    change(sandbox, number, "CREATE", an_address("mine.corp.example", "10.0.0.1"))
    found = zone.find(NO_RECEIPTS, fresh=True)
    with pytest.raises(ConflictError, match=r"mine\.corp\.example A"):
        zone.delete(found, None)
    assert sandbox.calls("DeleteHostedZone") == 0
    change(sandbox, number, "DELETE", an_address("mine.corp.example", "10.0.0.1"))
    sandbox.wait(3)
    take_down(zone, found, sandbox.wait)


def test_a_zone_that_others_have_associated_with_their_vpcs_is_kept(sandbox: AwsSandbox) -> None:
    """Another team resolves the link's names too: deleting the zone would take it off their VPC in silence."""
    zone: Any = step_of(sandbox).zone
    number = built(sandbox, zone)[zone].id
    theirs = sandbox.hand.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"]
    vpc = {"VPCRegion": REGION, "VPCId": theirs}
    sandbox.aws.route53.associate_vpc_with_hosted_zone(HostedZoneId=number, VPC=vpc)
    sandbox.wait(60)
    found = zone.find(NO_RECEIPTS, fresh=True)
    with pytest.raises(ConflictError, match="serves other VPCs") as caught:
        zone.delete(found, None)
    assert theirs in str(caught.value) and "disassociate-vpc-from-hosted-zone" in caught.value.hint
    assert sandbox.calls("DeleteHostedZone") == 0
    sandbox.aws.route53.disassociate_vpc_from_hosted_zone(HostedZoneId=number, VPC=vpc)
    sandbox.wait(60)
    take_down(zone, zone.find(NO_RECEIPTS, fresh=True), sandbox.wait)


def test_an_endpoint_that_was_changed_to_ipv6_is_made_anew(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    built(sandbox, step.security_group, step.subnets, step.endpoint)

    def six(parsed: Any, **_: Any) -> None:
        for endpoint in parsed.get("ResolverEndpoints") or ():
            endpoint["ResolverEndpointType"] = "IPV6"
        for address in parsed.get("IpAddresses") or ():
            address["Ipv6"] = f"fd00::{address.pop('Ip').rpartition('.')[2]}"

    again = sandbox.again()
    for name in ("ListResolverEndpoints", "ListResolverEndpointIpAddresses"):
        again.route53resolver.meta.events.register(f"after-call.route53resolver.{name}", six)
    found = dataclasses.replace(step.endpoint, aws=again).find(NO_RECEIPTS, fresh=True)
    assert found is not None and (found.phase, found.outputs) == (Phase.FAILED, None)
    assert "over IPv6 alone" in found.detail


def test_another_zone_of_the_name_is_a_conflict(sandbox: AwsSandbox) -> None:
    vpc = {"VPCRegion": REGION, "VPCId": VPC}
    sandbox.aws.route53.create_hosted_zone(Name="corp.example", CallerReference="by hand", VPC=vpc)
    zone: Any = step_of(sandbox).zone
    assert zone.find(NO_RECEIPTS) is None, "a foreign zone is not ours by its name"
    with pytest.raises(Exception) as caught:
        zone.create(zone.spec(Outputs()))
    ours = sandbox.aws.translate(caught.value)
    assert isinstance(ours, ConflictError)
    assert "dns.hosted_zone" in ours.hint


ADOPTED = "Z0ADOPTEDZONE0000000"


def test_adopted_zone_is_cleaned_without_a_state_file_and_kept(sandbox_of: MakeSandbox) -> None:
    sandbox = sandbox_of(aws_link(dns={"adopt_zone": ADOPTED}))
    step = step_of(sandbox)
    change(sandbox, ADOPTED, "CREATE", an_address("theirs.corp.example", "10.0.0.1"))
    before = records_by_hand(sandbox, ADOPTED)
    outputs = sandbox.read(eks_given(sandbox), step.zone, step.targets)
    found = bring_up(step.records, outputs, sandbox.wait)
    assert len(records_by_hand(sandbox, ADOPTED)) == len(before) + 4
    again = step_of(sandbox, sandbox.link)
    seen = again.records.find(NO_RECEIPTS, fresh=True)
    assert seen is not None
    assert seen.spec == found.spec
    take_down(again.records, seen, sandbox.wait)
    assert records_by_hand(sandbox, ADOPTED) == before


@dataclasses.dataclass
class ZoneOf:
    """AWS, as far as it answers for one zone."""

    answer: Any

    def zone(self, number: str) -> Any:
        return self.answer


def test_adopted_zone_that_cannot_serve(sandbox_of: MakeSandbox) -> None:
    sandbox = sandbox_of(aws_link(dns={"adopt_zone": ADOPTED}))
    missing: Any = step_of(sandbox, aws_link(dns={"adopt_zone": "Z0NOTHERE"})).zone
    with pytest.raises(MissingError, match="Z0NOTHERE"):
        missing.read(Outputs())
    renamed: Any = step_of(sandbox, aws_link(dns={"adopt_zone": ADOPTED, "zone": "other.example"})).zone
    with pytest.raises(CloudError, match="another name"):
        renamed.read(Outputs())
    elsewhere: Any = step_of(
        sandbox, aws_link(dns={"adopt_zone": "Z0STRANGERBILLING000", "zone": "billing.internal"})
    ).zone
    with pytest.raises(CloudError, match="does not serve"):
        elsewhere.read(Outputs())
    kept = cast(Any, step_of(sandbox, aws_link(dns={"adopt_zone": ADOPTED})).zone)
    answer = sandbox.aws.zone(ADOPTED)
    by = {
        "ServicePrincipal": "servicediscovery.amazonaws.com",
        "Description": "arn:aws:servicediscovery:x:1:namespace/ns-1",
    }
    told = {**answer, "HostedZone": {**answer["HostedZone"], "LinkedService": by}}
    with pytest.raises(CloudError, match=r"servicediscovery\.amazonaws\.com") as caught:
        dataclasses.replace(kept, aws=ZoneOf(told)).read(Outputs())
    assert "kept by a service of AWS" in caught.value.summary
    public = sandbox.aws.route53.create_hosted_zone(Name="corp.example", CallerReference="public")["HostedZone"]["Id"]
    open_zone: Any = step_of(sandbox, aws_link(dns={"adopt_zone": public.rpartition("/")[2]})).zone
    with pytest.raises(CloudError, match="public"):
        open_zone.read(Outputs())


# --- records ------------------------------------------------------------------------------------------------


def test_records_contract(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    outputs = built(sandbox, step.zone, step.targets)
    zone = outputs[step.zone].id

    def drift(found: Observed[Any, Any]) -> None:
        there = records_by_hand(sandbox, zone)
        change(sandbox, zone, "DELETE", there["*.corp.example", "A"])
        change(sandbox, zone, "UPSERT", an_address("app.corp.example", "10.0.0.99"))

    def others() -> Any:
        return [(k, r) for k, r in records_by_hand(sandbox, zone).items() if k[1] in ("NS", "SOA", "MX")]

    change(
        sandbox,
        zone,
        "CREATE",
        {"Name": "corp.example", "Type": "MX", "TTL": 5, "ResourceRecords": [{"Value": "10 mail.corp.example"}]},
    )
    found = check_contract(
        step.records,
        outputs,
        wait=sandbox.wait,
        make_drift=drift,
        foreign_objects=others,
        writes=sandbox.writes,
        keep=True,
    )
    there = records_by_hand(sandbox, zone)
    balancer = outputs[step.targets].load_balancers["app.corp.example"]
    assert there["app.corp.example", "A"]["AliasTarget"]["HostedZoneId"] == balancer.hosted_zone_id
    assert there["app.corp.example", "A"]["AliasTarget"]["DNSName"].removesuffix(".") == balancer.dns_name
    assert "AliasTarget" in there["*.corp.example", "A"]
    assert {v["Value"] for v in there["corp.example", "A"]["ResourceRecords"]} == {"10.20.0.9", "10.20.0.10"}
    assert ("_cloudlink-demo.corp.example", "TXT") in there
    take_down(step.records, found, sandbox.wait)
    assert set(records_by_hand(sandbox, zone)) == {("corp.example", k) for k in ("MX", "NS", "SOA")}


def test_records_go_in_one_batch(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    outputs = built(sandbox, step.zone, step.targets)
    calls = sandbox.calls("ChangeResourceRecordSets")
    bring_up(step.records, outputs, sandbox.wait)
    assert sandbox.calls("ChangeResourceRecordSets") == calls + 1


def test_five_hundred_names_of_thirty_addresses(sandbox_of: MakeSandbox) -> None:
    """As many calls as Route 53's 1,000 values in a call ask for, and no more; all of it is read back and goes again."""
    hosts = tuple(
        Host(f"n{i:03d}", AddressTarget(tuple(IPv4Address(f"10.20.{i % 200}.{j}") for j in range(1, 31))))
        for i in range(500)
    )
    sandbox = sandbox_of(aws_link(dns={"hosts": hosts}))
    step = step_of(sandbox)
    given = built(sandbox, step.zone, step.targets)
    calls = sandbox.calls("ChangeResourceRecordSets")
    found = bring_up(step.records, given, sandbox.wait)
    assert sandbox.calls("ChangeResourceRecordSets") - calls == 16
    assert found.spec == step.records.spec(given)
    there = records_by_hand(sandbox, given[step.zone].id)
    assert sum(kind == "A" for _, kind in there) == 500
    assert {name for name, kind in there if kind == "TXT"} == {
        "_cloudlink-demo.corp.example",
        "_2._cloudlink-demo.corp.example",
    }
    take_down(step.records, found, sandbox.wait)
    assert set(records_by_hand(sandbox, given[step.zone].id)) == {("corp.example", "NS"), ("corp.example", "SOA")}


def test_a_name_that_is_wanted_no_more_goes(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    outputs = built(sandbox, step.zone, step.targets, step.records)
    fewer = step_of(sandbox, aws_link(dns={"hosts": sandbox.link.dns.hosts[:1]}))
    bring_up(fewer.records, outputs, sandbox.wait)
    assert set(records_by_hand(sandbox, outputs[step.zone].id)) == {
        ("corp.example", "NS"),
        ("corp.example", "SOA"),
        ("app.corp.example", "A"),
        ("_cloudlink-demo.corp.example", "TXT"),
    }


@pytest.mark.parametrize("kind", ["A", "CNAME"])
def test_somebody_elses_record_is_not_overwritten(sandbox: AwsSandbox, kind: str) -> None:
    step = step_of(sandbox)
    outputs = built(sandbox, step.zone, step.targets)
    theirs = an_address("App.corp.example", "10.0.0.1")
    if kind == "CNAME":
        theirs = {**theirs, "Type": "CNAME", "ResourceRecords": [{"Value": "elsewhere.example"}]}
    change(sandbox, outputs[step.zone].id, "CREATE", theirs)
    sandbox.wait(3)
    with pytest.raises(ConflictError, match=rf"app\.corp\.example {kind}"):
        step.records.create(step.records.spec(outputs))


def test_in_an_adopted_zone_even_an_equal_foreign_record_stays(sandbox_of: MakeSandbox) -> None:
    sandbox = sandbox_of(aws_link(dns={"adopt_zone": ADOPTED}))
    step = step_of(sandbox)
    outputs = sandbox.read(eks_given(sandbox), step.zone, step.targets)
    apex = {**an_address("corp.example", "10.20.0.9", "10.20.0.10"), "TTL": sandbox.link.dns.record_ttl}
    change(sandbox, ADOPTED, "CREATE", apex)
    with pytest.raises(ConflictError, match=r"corp\.example A"):
        step.records.create(step.records.spec(outputs))


def test_a_lost_owner_record_is_made_again(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    outputs = built(sandbox, step.zone, step.targets, step.records)
    zone = outputs[step.zone].id
    change(sandbox, zone, "DELETE", records_by_hand(sandbox, zone)["_cloudlink-demo.corp.example", "TXT"])
    sandbox.wait(3)
    assert step.records.find(NO_RECEIPTS, fresh=True) is None
    bring_up(step.records, outputs, sandbox.wait)


def test_two_links_share_an_adopted_zone(sandbox_of: MakeSandbox) -> None:
    sandbox = sandbox_of(aws_link(dns={"adopt_zone": ADOPTED}))
    first = step_of(sandbox)
    outputs = sandbox.read(eks_given(sandbox), first.zone, first.targets)
    bring_up(first.records, outputs, sandbox.wait)
    hosts = (Host("db", AddressTarget((IPv4Address("10.20.0.50"),))),)
    other = step_of(sandbox, dataclasses.replace(aws_link(dns={"adopt_zone": ADOPTED, "hosts": hosts}), name="demo-2"))
    assert other.records.find(NO_RECEIPTS) is None
    found = bring_up(other.records, sandbox.read(outputs, other.targets), sandbox.wait)
    between = first.records.find(NO_RECEIPTS, fresh=True)
    assert between is not None
    assert between.spec == first.records.spec(outputs)
    take_down(other.records, found, sandbox.wait)
    mine = first.records.find(NO_RECEIPTS, fresh=True)
    assert mine is not None
    assert mine.spec is not None
    assert len(mine.spec.records) == 4


NAMES = st.sampled_from(["corp.example", "*.corp.example", "a.corp.example", "_x.corp.example"])
ADDRESSES = st.lists(st.ip_addresses(v=4).map(int), min_size=1, max_size=5, unique=True).map(
    lambda numbers: tuple(str(IPv4Address(n)) for n in sorted(numbers))
)


@given_any(
    st.one_of(
        st.builds(ZoneRecord, NAMES, st.just("A"), ADDRESSES, ttl=st.integers(1, 900)),
        st.builds(ZoneRecord, NAMES, st.just("A"), st.just(("nlb-1.elb.eu-1.amazonaws.com",)), alias=st.just("Z1")),
        st.builds(ZoneRecord, NAMES, st.just("TXT"), st.just(('"owns A *.x"', '"z"')), ttl=st.just(300)),
    )
)
def test_records_there_and_back(record: ZoneRecord) -> None:
    assert read_back(record_set(record)) == record


def test_the_order_of_values_means_nothing() -> None:
    one, two = an_address("x", "10.0.0.2", "10.0.0.10"), an_address("x", "10.0.0.10", "10.0.0.2")
    assert read_back(one) == read_back(two)
    assert read_back(one).values == ("10.0.0.2", "10.0.0.10")


def test_names_as_route_53_spells_them() -> None:
    assert plain_name("\\052.Corp.Example.") == "*.corp.example"
    assert plain_name("corp.example") == "corp.example"


# --- targets ------------------------------------------------------------------------------------------------


def test_targets(sandbox: AwsSandbox) -> None:
    step = step_of(sandbox)
    targets = step.targets.read(eks_given(sandbox))
    assert set(targets.load_balancers) == {"app.corp.example", "*.corp.example"}
    assert targets.addresses == {"corp.example": (IPv4Address("10.20.0.9"), IPv4Address("10.20.0.10"))}
    assert sandbox.calls("DescribeNetworkInterfaces") == 0
    arns = [b.arn for b in targets.load_balancers.values()]
    private = sandbox.aws.load_balancer_addresses(arns)
    assert all(len(addresses) == 2 for addresses in private.values())
    assert all(IPv4Address(a) in IPv4Network("10.20.0.0/16") for addresses in private.values() for a in addresses)
    assert sandbox.calls("DescribeNetworkInterfaces") == 1


@pytest.mark.parametrize(("address", "taken"), [("8.8.8.8", False), ("100.64.3.4", True), ("198.51.100.9", True)])
def test_an_address_outside_the_vpc_is_no_endpoints(sandbox: AwsSandbox, address: str, taken: bool) -> None:
    """Whoever answers with it: CoreDNS would send it every question. A VPC may have public ranges of its own."""
    step = step_of(sandbox)
    built(sandbox, step.security_group, step.subnets, step.endpoint)
    sandbox.aws.ec2.associate_vpc_cidr_block(VpcId=VPC, CidrBlock="198.51.100.0/24")
    for endpoint in endpoints_of(sandbox.cloud.account, REGION).values():
        endpoint.addresses[0].ip = IPv4Address(address)
    sandbox.wait(5)
    if taken:
        found = step.endpoint.find(NO_RECEIPTS, fresh=True)
        assert found is not None
        assert IPv4Address(address) in found.outputs.addresses.values()
    else:
        with pytest.raises(CloudError, match="outside the VPC") as raised:
            step.endpoint.find(NO_RECEIPTS, fresh=True)
        assert address in raised.value.detail


def test_a_public_load_balancer_is_refused(sandbox: AwsSandbox) -> None:
    subnets = [s["SubnetId"] for s in sandbox.aws.subnets(VPC)][:2]
    sandbox.aws.client("elbv2").create_load_balancer(
        Name="shopfront", Subnets=subnets, Scheme="internet-facing", Type="network"
    )
    step = step_of(sandbox, aws_link(dns={"hosts": (Host("shop", LoadBalancerTarget("shopfront")),)}))
    with pytest.raises(CloudError, match="internet-facing"):
        step.targets.read(Outputs())


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (LoadBalancerTarget("nope"), "nope"),
        (KubernetesTarget("service", "default", "nope"), "nope"),
    ],
)
def test_a_target_that_is_not_there(sandbox: AwsSandbox, target: Any, says: str) -> None:
    step = step_of(sandbox, aws_link(dns={"hosts": (Host("x", target),)}))
    with pytest.raises(MissingError, match=says):
        step.targets.read(eks_given(sandbox))


# --- the whole step -----------------------------------------------------------------------------------------


def test_whole_step_up_and_down(sandbox: AwsSandbox) -> None:
    before = sandbox.foreign_objects()
    step = step_of(sandbox)
    built(sandbox, *step.nodes())
    facts = sandbox.cloud.facts()
    zone = next(z for z in facts.zones if z.name.strip(".") == "corp.example")
    assert {r.name.strip(".") for r in zone.records if r.type == "A"} == {
        "corp.example",
        "*.corp.example",
        "app.corp.example",
    }
    sandbox.aws = sandbox.again()
    sandbox.context.journal.clear()
    second = step_of(sandbox)
    outputs = eks_given(sandbox)
    for node in second.nodes():
        if hasattr(node, "read"):
            outputs = sandbox.read(outputs, node)
            continue
        found: Any = node.find(NO_RECEIPTS)  # type: ignore[attr-defined]
        outputs = outputs.with_(node, found.outputs)
        assert diff(found.spec, node.spec(outputs)) == ()  # type: ignore[attr-defined]
    assert sandbox.writes() == 0
    assert len(sandbox.context.journal.calls()) <= 12
    for node in (second.records, second.zone, second.endpoint, second.ingress, second.security_group):
        resource: Any = node
        resource.delete(resource.find(NO_RECEIPTS, fresh=True), None)
        settle_gone(resource, sandbox.wait)
    assert sandbox.foreign_objects() == before
