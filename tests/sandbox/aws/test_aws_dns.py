"""Route 53 and its Resolver: batches that are all or nothing, zones that conflict, endpoints that take their time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from aws_account import REGION, VPC, Account, refused
from botocore.exceptions import ClientError

HERE = {"VPCId": VPC, "VPCRegion": REGION}


@dataclass
class Zone:
    account: Account
    dns: Any
    id: str

    def change(self, *changes: tuple[str, dict[str, Any]]) -> Any:
        batch = {"Changes": [{"Action": action, "ResourceRecordSet": record} for action, record in changes]}
        return self.dns.change_resource_record_sets(HostedZoneId=self.id, ChangeBatch=batch)

    def records(self) -> dict[tuple[str, str], dict[str, Any]]:
        listed = self.dns.list_resource_record_sets(HostedZoneId=self.id)["ResourceRecordSets"]
        return {(r["Name"], r["Type"]): r for r in listed}


def record(name: str, *values: str, kind: str = "A", ttl: int = 60) -> dict[str, Any]:
    return {"Name": name, "Type": kind, "TTL": ttl, "ResourceRecords": [{"Value": v} for v in values]}


@pytest.fixture
def zone(seeded: Account) -> Zone:
    dns = seeded.client("route53")
    made = dns.create_hosted_zone(Name="corp.example", CallerReference="one", VPC=HERE)
    return Zone(seeded, dns, made["HostedZone"]["Id"])


A = record("a.corp.example", "10.0.0.1")
WRONG_BATCHES: list[tuple[str, list[tuple[str, dict[str, Any]]], str]] = [
    ("create what exists", [("CREATE", A)], "already exists"),
    ("delete with a stale value", [("DELETE", record("a.corp.example", "10.0.0.2"))], "do not match the current values"),
    ("delete with another TTL", [("DELETE", record("a.corp.example", "10.0.0.1", ttl=61))], "do not match"),
    ("delete what is not there", [("DELETE", record("b.corp.example", "10.0.0.1"))], "not found"),
    ("CNAME next to A", [("UPSERT", record("a.corp.example", "x.example", kind="CNAME"))], "conflicting RRSet"),
    ("CNAME at the apex", [("UPSERT", record("corp.example", "x.example", kind="CNAME"))], "apex"),
    ("an A that is no address", [("UPSERT", record("b.corp.example", "ten"))], "IPv4"),
    ("an AAAA that is no address", [("UPSERT", record("b.corp.example", "10.0.0.1", kind="AAAA"))], "IPv6"),
    ("a TXT without quotes", [("UPSERT", record("b.corp.example", "text", kind="TXT"))], "quotation marks"),
    ("a name of another zone", [("UPSERT", record("a.other.example", "10.0.0.1"))], "not permitted in zone"),
    ("a name that only ends alike", [("UPSERT", record("acorp.example", "10.0.0.1"))], "not permitted in zone"),
    ("the zone's own NS", [("DELETE", record("corp.example", "ns-0.awsdns-00.com.", "ns-512.awsdns-00.net.",
        "ns-1024.awsdns-00.org.", "ns-1536.awsdns-00.co.uk.", kind="NS", ttl=172_800))], "at least one NS"),
    ("1001 records", [("CREATE", record(f"x{i}.corp.example", "10.0.0.1")) for i in range(1001)], "limit of 1000"),
    ("501 upserts", [("UPSERT", record(f"x{i}.corp.example", "10.0.0.1")) for i in range(501)], "limit of 1000"),
]  # fmt: skip


@pytest.mark.model("A batch with one bad change has no effect and is refused with InvalidChangeBatch")
@pytest.mark.documentation(
    "A record exists already, is deleted with other values or another TTL, clashes with a CNAME, is no address, lies in another zone, is the zone's own NS: each is a bad change"
)
@pytest.mark.documentation("A batch takes 1000 records, an UPSERT counting twice")
@pytest.mark.belief("The wording of those messages")
@pytest.mark.parametrize(("changes", "message"), [r[1:] for r in WRONG_BATCHES], ids=[r[0] for r in WRONG_BATCHES])
def test_a_wrong_change_spoils_the_whole_batch(zone: Zone, changes: Any, message: str) -> None:
    zone.change(("CREATE", A))
    before = zone.records()
    good = ("CREATE", record("good.corp.example", "10.0.0.3"))
    with pytest.raises(ClientError, match=message) as caught:
        zone.change(good, *changes)
    assert caught.value.response["Error"]["Code"] == "InvalidChangeBatch"
    assert zone.records() == before


@pytest.mark.model("InvalidChangeBatch lists the message of every bad change")
def test_every_mistake_of_a_batch_is_told(zone: Zone) -> None:
    with pytest.raises(ClientError) as caught:
        zone.change(("UPSERT", record("b.corp.example", "ten")), ("DELETE", A))
    message = caught.value.response["Error"]["Message"]
    assert "'ten'" in message
    assert "a.corp.example" in message


@pytest.mark.documentation("A delete and a create of one name may share a batch; 500 upserts are one batch")
@pytest.mark.documentation("Record sets come in pages of at most 300, a wildcard as \\052")
def test_right_batches(zone: Zone) -> None:
    zone.change(("CREATE", record("*.Corp.Example.", "10.0.0.9")), ("UPSERT", A))
    zone.change(("DELETE", A), ("CREATE", record("a.corp.example", "x.example", kind="CNAME")))
    zone.change(*[("UPSERT", record(f"x{i:03}.corp.example", "10.0.0.1")) for i in range(500)])
    first = zone.dns.list_resource_record_sets(HostedZoneId=zone.id)
    assert first["IsTruncated"]
    assert len(first["ResourceRecordSets"]) == 300
    pages = zone.dns.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone.id)
    names = [r["Name"] for page in pages for r in page["ResourceRecordSets"]]
    assert len(names) == len(set(names)) + 1 == 504  # SOA and NS share the apex
    assert "\\052.corp.example." in names
    (ours,) = (z for z in zone.account.cloud.facts().zones if z.name == "corp.example")
    assert ("*.corp.example", ("10.0.0.9",)) in {(r.name, r.values) for r in ours.records}


@pytest.mark.documentation("A change is PENDING, then INSYNC; an unknown one is NoSuchChange")
@pytest.mark.documentation("It is INSYNC within the minute that AWS gives as usual")
def test_changes_become_insync(zone: Zone) -> None:
    change = zone.change(("UPSERT", A))["ChangeInfo"]
    assert change["Status"] == "PENDING"
    zone.account.later(30)
    assert zone.dns.get_change(Id=change["Id"])["ChangeInfo"]["Status"] == "INSYNC"
    refused("NoSuchChange", 404, zone.dns.get_change, Id="/change/C123")


@pytest.mark.documentation("A zone made with a VPC is private without being told so")
@pytest.mark.documentation(
    "A used caller reference, the same name on the same VPC, an unknown VPC, the last VPC's removal and the deletion of a zone with records are refused"
)
@pytest.mark.model("Zones are listed by VPC and by name, and carry tags")
def test_zones(zone: Zone) -> None:
    dns = zone.dns
    got = dns.get_hosted_zone(Id=zone.id)
    assert got["HostedZone"]["Config"]["PrivateZone"] is True  # though nobody said PrivateZone
    assert got["VPCs"] == [HERE]
    refused("HostedZoneAlreadyExists", 409, dns.create_hosted_zone, Name="x.example", CallerReference="one", VPC=HERE)
    refused(
        "ConflictingDomainExists", 400, dns.create_hosted_zone, Name="corp.example", CallerReference="two", VPC=HERE
    )
    nowhere = HERE | {"VPCId": "vpc-0fffffffffffffff0"}
    refused("InvalidVPCId", 400, dns.create_hosted_zone, Name="x.example", CallerReference="two", VPC=nowhere)
    refused("LastVPCAssociation", 400, dns.disassociate_vpc_from_hosted_zone, HostedZoneId=zone.id, VPC=HERE)
    listed = dns.list_hosted_zones_by_vpc(VPCId=VPC, VPCRegion=REGION)["HostedZoneSummaries"]
    assert [z["Name"] for z in listed] == ["corp.example."]
    assert {z["CallerReference"] for z in dns.list_hosted_zones()["HostedZones"]} >= {"one"}
    by_name = dns.list_hosted_zones_by_name(DNSName="corp.example", MaxItems="1")["HostedZones"]
    assert by_name[0]["Id"] == zone.id
    short = zone.id.rsplit("/", 1)[-1]
    dns.change_tags_for_resource(ResourceType="hostedzone", ResourceId=short, AddTags=[{"Key": "a", "Value": "b"}])
    tags = dns.list_tags_for_resource(ResourceType="hostedzone", ResourceId=short)["ResourceTagSet"]["Tags"]
    assert tags == [{"Key": "a", "Value": "b"}]
    zone.change(("CREATE", A))
    refused("HostedZoneNotEmpty", 400, dns.delete_hosted_zone, Id=zone.id)
    zone.change(("DELETE", A))
    assert dns.delete_hosted_zone(Id=zone.id)["ChangeInfo"]["Status"] == "PENDING"
    refused("NoSuchHostedZone", 404, dns.get_hosted_zone, Id=zone.id)
    dns.create_hosted_zone(Name="corp.example", CallerReference="one", VPC=HERE)


@dataclass
class Resolver:
    account: Account
    api: Any
    group: str
    subnets: list[str]

    def request(self, reference: str = "one", **more: Any) -> dict[str, Any]:
        return {
            "CreatorRequestId": reference,
            "Name": "cl",
            "Direction": "INBOUND",
            "SecurityGroupIds": [self.group],
            "IpAddresses": [{"SubnetId": s} for s in self.subnets],
            **more,
        }

    def made(self, reference: str = "one", **more: Any) -> str:
        endpoint = self.api.create_resolver_endpoint(**self.request(reference, **more))["ResolverEndpoint"]["Id"]
        self.account.later(90)
        return str(endpoint)

    def status(self, endpoint: str) -> str:
        return str(self.api.get_resolver_endpoint(ResolverEndpointId=endpoint)["ResolverEndpoint"]["Status"])


@pytest.fixture
def resolver(seeded: Account) -> Resolver:
    ec2 = seeded.client("ec2")
    group = ec2.create_security_group(GroupName="cl", Description="d", VpcId=VPC)["GroupId"]
    subnets = seeded.client("eks").describe_cluster(name="prod")["cluster"]["resourcesVpcConfig"]["subnetIds"]
    return Resolver(seeded, seeded.client("route53resolver"), group, subnets)


RESOLVER_REFUSALS: list[tuple[str, Callable[[Resolver], dict[str, Any]], str]] = [
    ("seven addresses", lambda r: {"IpAddresses": [{"SubnetId": r.subnets[0]}] * 7}, "LimitExceededException"),
    ("an unknown subnet", lambda r: {"IpAddresses": [{"SubnetId": "subnet-0fffffffffffffff0"}] * 2},
        "InvalidParameterException"),
    ("an unknown group", lambda _: {"SecurityGroupIds": ["sg-0fffffffffffffff0"]}, "ResourceNotFoundException"),
    ("an address outside", lambda r: {"IpAddresses": [{"SubnetId": r.subnets[0], "Ip": "10.20.1.9"}] * 2},
        "InvalidRequestException"),
    ("a reserved address", lambda r: {"IpAddresses": [{"SubnetId": r.subnets[0], "Ip": "10.20.0.2"}] * 2},
        "InvalidRequestException"),
    ("one address twice", lambda r: {"IpAddresses": [{"SubnetId": r.subnets[0], "Ip": "10.20.0.9"}] * 2},
        "ResourceExistsException"),
    ("DoH and DoH-FIPS", lambda _: {"Protocols": ["DoH", "DoH-FIPS"]}, "InvalidParameterException"),
    ("a name of digits", lambda _: {"Name": "123"}, "InvalidParameterException"),
]  # fmt: skip


@pytest.mark.model(
    "Too many addresses, unknown subnets and groups, addresses outside or reserved or used, and protocols that exclude each other are refused, and nothing is left behind"
)
@pytest.mark.belief("Which of the service's exceptions each of these is")
@pytest.mark.parametrize(("change", "code"), [r[1:] for r in RESOLVER_REFUSALS], ids=[r[0] for r in RESOLVER_REFUSALS])
def test_endpoints_that_are_refused(resolver: Resolver, change: Callable[[Resolver], Any], code: str) -> None:
    interfaces = len(resolver.account.client("ec2").describe_network_interfaces()["NetworkInterfaces"])
    refused(code, 400, resolver.api.create_resolver_endpoint, **resolver.request(**change(resolver)))
    assert resolver.api.list_resolver_endpoints()["ResolverEndpoints"] == []
    left = len(resolver.account.client("ec2").describe_network_interfaces()["NetworkInterfaces"])
    assert left == interfaces


@pytest.mark.model(
    "An endpoint is CREATING, OPERATIONAL, UPDATING, DELETING, then not found; its addresses have states of their own"
)
@pytest.mark.documentation(
    "A used CreatorRequestId is refused with ResourceExistsException; fewer than two addresses are refused"
)
@pytest.mark.belief("An endpoint that is being made, changed or deleted takes no other change")
@pytest.mark.documentation("Its network interfaces hold the security group until it is gone")
def test_life_of_an_endpoint(resolver: Resolver) -> None:
    api, account, ec2 = resolver.api, resolver.account, resolver.account.client("ec2")
    made = api.create_resolver_endpoint(**resolver.request(Protocols=["Do53", "DoH"]))["ResolverEndpoint"]
    endpoint = made["Id"]
    assert endpoint.startswith("rslvr-in-")
    assert (made["Status"], made["ResolverEndpointType"], made["Protocols"]) == ("CREATING", "IPV4", ["Do53", "DoH"])
    assert not any(i.working for i in account.cloud.facts().interfaces if i.kind == "resolver")
    refused("ResourceExistsException", 400, api.create_resolver_endpoint, **resolver.request())
    refused("InvalidRequestException", 400, api.delete_resolver_endpoint, ResolverEndpointId=endpoint)
    account.later(90)
    assert resolver.status(endpoint) == "OPERATIONAL"
    answering = [i for i in account.cloud.facts().interfaces if i.kind == "resolver"]
    assert len(answering) == 3
    assert all(i.working and i.rules == () for i in answering)
    interfaces = ec2.describe_network_interfaces(Filters=[{"Name": "group-id", "Values": [resolver.group]}])
    assert {i["RequesterManaged"] for i in interfaces["NetworkInterfaces"]} == {True}
    assert all(
        i["Description"].startswith(f"Route 53 Resolver: {endpoint}:rni-") for i in interfaces["NetworkInterfaces"]
    )

    ip = api.list_resolver_endpoint_ip_addresses(ResolverEndpointId=endpoint)["IpAddresses"][0]
    asked = {"ResolverEndpointId": endpoint, "IpAddress": {"IpId": ip["IpId"]}}
    assert api.disassociate_resolver_endpoint_ip_address(**asked)["ResolverEndpoint"]["Status"] == "UPDATING"
    refused("InvalidRequestException", 400, api.disassociate_resolver_endpoint_ip_address, **asked)
    account.later(60)
    left = api.list_resolver_endpoint_ip_addresses(ResolverEndpointId=endpoint)["IpAddresses"]
    assert ip["Ip"] not in {i["Ip"] for i in left}
    asked["IpAddress"] = {"IpId": left[0]["IpId"]}
    refused("InvalidRequestException", 400, api.disassociate_resolver_endpoint_ip_address, **asked)  # two at least
    api.associate_resolver_endpoint_ip_address(
        ResolverEndpointId=endpoint, IpAddress={"SubnetId": ip["SubnetId"], "Ip": ip["Ip"]}
    )
    account.later(60)
    ips = api.list_resolver_endpoint_ip_addresses(ResolverEndpointId=endpoint)["IpAddresses"]
    assert {i["Status"] for i in ips} == {"ATTACHED"}
    assert len(ips) == 3

    assert api.delete_resolver_endpoint(ResolverEndpointId=endpoint)["ResolverEndpoint"]["Status"] == "DELETING"
    refused("DependencyViolation", 400, ec2.delete_security_group, GroupId=resolver.group)
    assert not any(i.working for i in account.cloud.facts().interfaces if i.kind == "resolver")
    account.later(60)
    refused("ResourceNotFoundException", 400, api.get_resolver_endpoint, ResolverEndpointId=endpoint)
    ec2.delete_security_group(GroupId=resolver.group)
    left_over = ec2.describe_network_interfaces(Filters=[{"Name": "description", "Values": ["Route 53 Resolver*"]}])
    assert left_over["NetworkInterfaces"] == []


@pytest.mark.documentation("Four endpoints of a region are the most")
@pytest.mark.model("Endpoints are filtered by either spelling of a filter's name, come in pages and carry tags")
def test_quota_filters_and_tags(resolver: Resolver) -> None:
    api = resolver.api
    ids = [resolver.made(f"r{i}") for i in range(4)]
    refused("LimitExceededException", 400, api.create_resolver_endpoint, **resolver.request("r5"))
    for name in ("CreatorRequestId", "CREATOR_REQUEST_ID"):
        found = api.list_resolver_endpoints(Filters=[{"Name": name, "Values": ["r2"]}])["ResolverEndpoints"]
        assert [e["Id"] for e in found] == [ids[2]]
    refused(
        "InvalidParameterException", 400, api.list_resolver_endpoints, Filters=[{"Name": "Colour", "Values": ["x"]}]
    )
    page = api.list_resolver_endpoints(MaxResults=3)
    rest = api.list_resolver_endpoints(MaxResults=3, NextToken=page["NextToken"])
    assert len(rest["ResolverEndpoints"]) == 1
    arn = page["ResolverEndpoints"][0]["Arn"]
    api.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}])
    assert api.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "a", "Value": "b"}]
    out = api.delete_resolver_endpoint(ResolverEndpointId=ids[0])
    assert out["ResolverEndpoint"]["Status"] == "DELETING"


@pytest.fixture
def outbound(resolver: Resolver) -> str:
    return resolver.made("out", Direction="OUTBOUND")


def forward(endpoint: str, **more: Any) -> dict[str, Any]:
    targets = [{"Ip": "10.1.0.4", "Port": 53}]
    request = {
        "CreatorRequestId": "r", "RuleType": "FORWARD", "DomainName": "azure.example", "ResolverEndpointId": endpoint,
        "TargetIps": targets, **more,
    }  # fmt: skip
    return {name: value for name, value in request.items() if value is not None}


RULE_REFUSALS: list[tuple[str, dict[str, Any], str]] = [
    ("no targets", {"TargetIps": None}, "InvalidRequestException"),
    ("seven targets", {"TargetIps": [{"Ip": f"10.1.0.{i}"} for i in range(7)]}, "LimitExceededException"),
    ("a target that is none", {"TargetIps": [{"Ip": "10.1.0.256"}]}, "InvalidParameterException"),
    ("an unknown endpoint", {"ResolverEndpointId": "rslvr-out-0"}, "ResourceNotFoundException"),
    ("a name of digits", {"Name": "123"}, "InvalidParameterException"),
    ("a label too long", {"DomainName": "x" * 64}, "InvalidParameterException"),
    ("a kind that is not modelled", {"RuleType": "RECURSIVE"}, "InvalidParameterException"),
    ("targets of a SYSTEM rule", {"RuleType": "SYSTEM"}, "InvalidRequestException"),
]


@pytest.mark.model("Rules with wrong targets, endpoints or names are refused")
@pytest.mark.parametrize(("change", "code"), [r[1:] for r in RULE_REFUSALS], ids=[r[0] for r in RULE_REFUSALS])
def test_rules_that_are_refused(resolver: Resolver, outbound: str, change: dict[str, Any], code: str) -> None:
    refused(code, 400, resolver.api.create_resolver_rule, **forward(outbound, **change))
    inbound = resolver.made("in")
    refused("InvalidRequestException", 400, resolver.api.create_resolver_rule, **forward(inbound))
    assert resolver.api.list_resolver_rules()["ResolverRules"] == []


@pytest.mark.documentation("An endpoint with rules and a rule with associations are not deleted")
@pytest.mark.documentation("A VPC has one rule for a domain at the most")
@pytest.mark.model("Rules and their associations are made, changed and deleted through states in passing")
@pytest.mark.belief("A change of a rule or an association takes about a minute")
def test_life_of_a_rule_and_its_association(resolver: Resolver, outbound: str) -> None:
    api, later = resolver.api, resolver.account.later
    rule = api.create_resolver_rule(**forward(outbound, Tags=[{"Key": "a", "Value": "b"}]))["ResolverRule"]
    assert (rule["DomainName"], rule["Status"], rule["TargetIps"][0]["Port"]) == ("azure.example.", "COMPLETE", 53)
    assert api.list_tags_for_resource(ResourceArn=rule["Arn"])["Tags"] == [{"Key": "a", "Value": "b"}]
    refused("ResourceExistsException", 400, api.create_resolver_rule, **forward(outbound))
    refused("InvalidRequestException", 400, api.delete_resolver_endpoint, ResolverEndpointId=outbound)

    by_id = {"ResolverRuleId": rule["Id"]}
    made = api.associate_resolver_rule(**by_id, VPCId=VPC)["ResolverRuleAssociation"]
    assert made["Status"] == "CREATING"
    assert resolver.account.cloud.facts().forwarding == ()
    later(60)
    found = api.get_resolver_rule_association(ResolverRuleAssociationId=made["Id"])["ResolverRuleAssociation"]
    assert found["Status"] == "COMPLETE"
    (in_force,) = resolver.account.cloud.facts().forwarding
    assert (in_force.domain, in_force.vpc_ids, [str(t) for t, _ in in_force.targets]) == (
        "azure.example", {VPC}, ["10.1.0.4"],
    )  # fmt: skip
    same = api.create_resolver_rule(**forward(outbound, CreatorRequestId="other"))["ResolverRule"]["Id"]
    refused("InvalidRequestException", 400, api.associate_resolver_rule, ResolverRuleId=same, VPCId=VPC)
    refused("ResourceExistsException", 400, api.associate_resolver_rule, **by_id, VPCId=VPC)
    refused("InvalidParameterException", 400, api.associate_resolver_rule, **by_id, VPCId="vpc-0fffffffffffffff0")
    by_vpc = [{"Name": "VPCId", "Values": [VPC]}]
    assert len(api.list_resolver_rule_associations(Filters=by_vpc)["ResolverRuleAssociations"]) == 1

    changed = api.update_resolver_rule(**by_id, Config={"TargetIps": [{"Ip": "10.1.0.5"}]})["ResolverRule"]
    assert (changed["Status"], changed["TargetIps"][0]["Ip"]) == ("UPDATING", "10.1.0.5")
    refused("InvalidRequestException", 400, api.update_resolver_rule, **by_id, Config={"Name": "x"})
    later(60)
    assert api.get_resolver_rule(**by_id)["ResolverRule"]["Status"] == "COMPLETE"

    refused("ResourceInUseException", 400, api.delete_resolver_rule, **by_id)
    gone = api.disassociate_resolver_rule(**by_id, VPCId=VPC)["ResolverRuleAssociation"]
    assert gone["Status"] == "DELETING"
    refused("ResourceInUseException", 400, api.delete_resolver_rule, **by_id)
    later(60)
    refused("ResourceNotFoundException", 400, api.disassociate_resolver_rule, **by_id, VPCId=VPC)
    assert api.delete_resolver_rule(**by_id)["ResolverRule"]["Status"] == "DELETING"
    later(60)
    refused("ResourceNotFoundException", 400, api.get_resolver_rule, **by_id)
    assert [r["Id"] for r in api.list_resolver_rules()["ResolverRules"]] == [same]


@pytest.mark.own("A fault takes one address of an endpoint away")
def test_a_broken_address_does_not_work(resolver: Resolver) -> None:
    from cloudlink_sandbox.faults import Fault

    endpoint = resolver.made()
    ip = resolver.api.list_resolver_endpoint_ip_addresses(ResolverEndpointId=endpoint)["IpAddresses"][0]["Ip"]
    resolver.account.context.faults.add(Fault("endpoint-ip-down", ip))
    working = {str(i.address): i.working for i in resolver.account.cloud.facts().interfaces if i.kind == "resolver"}
    assert [a for a, works in working.items() if not works] == [ip]
