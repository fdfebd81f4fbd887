"""Load balancers as the service allows them: their attributes, listeners and target groups; and what they keep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from aws_account import REGION, VPC, Account, refused

CERTIFICATE = f"arn:aws:acm:{REGION}:123456789012:certificate/6f1a2b3c-0000-4000-8000-000000000001"


@dataclass
class Balancers:
    """Both types in the VPC, with a target group for each protocol."""

    elb: Any
    subnets: list[str]
    application: str
    network: str
    groups: dict[str, str]

    def listen(self, balancer: str, protocol: str, port: int, target: str = "", **more: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.elb.create_listener(**self.asked(balancer, protocol, port, target, **more))
        return dict(found["Listeners"][0])

    def asked(self, balancer: str, protocol: str, port: int, target: str = "", **more: Any) -> dict[str, Any]:
        actions = [{"Type": "forward", "TargetGroupArn": self.groups[target or protocol]}]
        return {
            "LoadBalancerArn": balancer, "Protocol": protocol, "Port": port, "DefaultActions": actions, **more
        }  # fmt: skip


@pytest.fixture
def balancers(seeded: Account) -> Balancers:
    elb = seeded.client("elbv2")
    inside = [{"Name": "vpc-id", "Values": [VPC]}]
    subnets = [s["SubnetId"] for s in seeded.client("ec2").describe_subnets(Filters=inside)["Subnets"]][:2]
    made = {
        kind: elb.create_load_balancer(Name=f"test-{kind}", Subnets=subnets, Scheme="internal", Type=kind)
        for kind in ("application", "network")
    }
    arns = {kind: answer["LoadBalancers"][0]["LoadBalancerArn"] for kind, answer in made.items()}
    groups = {
        protocol: elb.create_target_group(
            Name=f"g-{protocol.replace('_', '-')}", Protocol=protocol, Port=80, VpcId=VPC, TargetType="ip"
        )["TargetGroups"][0]["TargetGroupArn"]
        for protocol in ("HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP")
    }
    return Balancers(elb, subnets, arns["application"], arns["network"], groups)


def attributes(elb: Any, arn: str) -> dict[str, str]:
    return {a["Key"]: a["Value"] for a in elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]}


def change(key: str, value: str) -> dict[str, Any]:
    return {"Attributes": [{"Key": key, "Value": value}]}


@pytest.mark.documentation("Each type of load balancer has its own attributes, with AWS's defaults")
def test_attributes_by_type(balancers: Balancers) -> None:
    application, network = (attributes(balancers.elb, a) for a in (balancers.application, balancers.network))
    assert (application["idle_timeout.timeout_seconds"], application["routing.http2.enabled"]) == ("60", "true")
    assert application["load_balancing.cross_zone.enabled"] == "true"
    assert network["load_balancing.cross_zone.enabled"] == "false"
    assert network["dns_record.client_routing_policy"] == "any_availability_zone"
    assert "idle_timeout.timeout_seconds" not in network
    assert "dns_record.client_routing_policy" not in application


@pytest.mark.documentation(
    "An attribute of another type, or of none, is refused: hashicorp/terraform-provider-aws#34135"
)
@pytest.mark.parametrize(
    ("which", "key", "value", "code", "said"),
    [
        ("network", "idle_timeout.timeout_seconds", "60", "InvalidConfigurationRequest", "with type 'network'"),
        ("application", "dns_record.client_routing_policy", "x", "InvalidConfigurationRequest", "type 'application'"),
        ("network", "ipv6.deny_all_igw_traffic", "true", "InvalidConfigurationRequest", "IP address type 'ipv4'"),
        ("network", "colour", "blue", "ValidationError", "not recognized"),
        ("application", "idle_timeout.timeout_seconds", "4001", "ValidationError", "1-4000"),
        ("application", "routing.http2.enabled", "maybe", "ValidationError", "true"),
        ("application", "access_logs.s3.enabled", "true", "InvalidConfigurationRequest", "not modelled"),
    ],
)
def test_attributes_that_are_refused(
    balancers: Balancers, which: str, key: str, value: str, code: str, said: str
) -> None:
    arn = getattr(balancers, which)
    before = attributes(balancers.elb, arn)
    call = balancers.elb.modify_load_balancer_attributes
    assert said in refused(code, 400, call, LoadBalancerArn=arn, **change(key, value))
    assert attributes(balancers.elb, arn) == before


@pytest.mark.documentation("A load balancer that is protected is not deleted")
def test_deletion_protection(balancers: Balancers) -> None:
    arn, elb = balancers.network, balancers.elb
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, **change("deletion_protection.enabled", "true"))
    refused("OperationNotPermitted", 400, elb.delete_load_balancer, LoadBalancerArn=arn)
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, **change("deletion_protection.enabled", "false"))
    elb.delete_load_balancer(LoadBalancerArn=arn)
    refused("LoadBalancerNotFound", 400, elb.describe_load_balancers, LoadBalancerArns=[arn])


@pytest.mark.documentation(
    "Each type has its protocols (hashicorp/terraform-provider-aws#6173), and a port is taken once"
)
def test_protocols_of_listeners(balancers: Balancers) -> None:
    create = balancers.elb.create_listener
    said = refused("ValidationError", 400, create, **balancers.asked(balancers.application, "TCP", 80))
    assert said == "Listener protocol 'TCP' must be one of 'HTTPS, HTTP'"
    refused("ValidationError", 400, create, **balancers.asked(balancers.network, "HTTP", 80))
    for number, protocol in enumerate(("TCP", "UDP", "TCP_UDP")):
        balancers.listen(balancers.network, protocol, 81 + number)
    refused("DuplicateListener", 400, create, **balancers.asked(balancers.network, "TCP", 81))


@pytest.mark.documentation("A secure listener has a certificate and a policy, others have neither: USEPA/webcms#526")
def test_certificates_of_listeners(balancers: Balancers) -> None:
    create, named = balancers.elb.create_listener, {"Certificates": [{"CertificateArn": CERTIFICATE}]}
    refused("ValidationError", 400, create, **balancers.asked(balancers.application, "HTTPS", 443))
    refused("ValidationError", 400, create, **balancers.asked(balancers.application, "HTTP", 80, **named))
    policy = {"SslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06"}
    refused("ValidationError", 400, create, **balancers.asked(balancers.network, "TCP", 80, **policy))
    made = balancers.listen(balancers.application, "HTTPS", 443, **named)
    assert (made["SslPolicy"], made["Certificates"]) == ("ELBSecurityPolicy-2016-08", named["Certificates"])
    assert balancers.listen(balancers.network, "TLS", 443, "TCP", **named, **policy)["SslPolicy"] == policy["SslPolicy"]


@pytest.mark.documentation("A target group's protocol goes with the listener's; a group belongs to one load balancer")
@pytest.mark.belief("The code and the words for protocols that do not go together")
def test_what_listeners_lead_to(balancers: Balancers) -> None:
    elb, create = balancers.elb, balancers.elb.create_listener
    refused("IncompatibleProtocols", 400, create, **balancers.asked(balancers.network, "TCP", 80, "HTTP"))
    made = balancers.listen(balancers.network, "TCP", 80)
    other = elb.create_load_balancer(Name="other", Subnets=balancers.subnets, Scheme="internal", Type="network")
    other_arn = other["LoadBalancers"][0]["LoadBalancerArn"]
    refused("TargetGroupAssociationLimit", 400, create, **balancers.asked(other_arn, "TCP", 80))
    refused("ResourceInUse", 400, elb.delete_target_group, TargetGroupArn=balancers.groups["TCP"])
    (group,) = elb.describe_target_groups(TargetGroupArns=[balancers.groups["TCP"]])["TargetGroups"]
    assert group["LoadBalancerArns"] == [balancers.network]
    elb.delete_listener(ListenerArn=made["ListenerArn"])
    elb.delete_target_group(TargetGroupArn=balancers.groups["TCP"])
    missing = balancers.asked(balancers.network, "TCP", 80)
    refused("TargetGroupNotFound", 400, create, **missing)


@pytest.mark.documentation("A network load balancer forwards, and does nothing else")
@pytest.mark.belief("The code for another action of a network load balancer")
def test_actions_of_network_load_balancers(balancers: Balancers) -> None:
    answer = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}
    asked = {**balancers.asked(balancers.network, "TCP", 80), "DefaultActions": [answer]}
    refused("InvalidLoadBalancerAction", 400, balancers.elb.create_listener, **asked)
    asked = {**balancers.asked(balancers.application, "HTTP", 80), "DefaultActions": [answer]}
    (made,) = balancers.elb.create_listener(**asked)["Listeners"]
    assert made["DefaultActions"][0]["FixedResponseConfig"]["StatusCode"] == "200"


@pytest.mark.documentation("A listener is changed in what is said, and in what its new protocol asks for")
def test_listeners_are_changed(balancers: Balancers) -> None:
    elb, named = balancers.elb, [{"CertificateArn": CERTIFICATE}]
    made = balancers.listen(balancers.application, "HTTP", 80)
    arn = made["ListenerArn"]
    refused("ValidationError", 400, elb.modify_listener, ListenerArn=arn, Protocol="HTTPS", Port=443)
    (changed,) = elb.modify_listener(ListenerArn=arn, Protocol="HTTPS", Port=443, Certificates=named)["Listeners"]
    assert (changed["Port"], changed["Certificates"]) == (443, named)
    assert changed["DefaultActions"] == made["DefaultActions"]
    (back,) = elb.modify_listener(ListenerArn=arn, Protocol="HTTP", Port=80)["Listeners"]
    assert (back["Protocol"], back.get("Certificates"), back.get("SslPolicy")) == ("HTTP", None, None)
    assert elb.describe_listeners(ListenerArns=[arn])["Listeners"][0]["Port"] == 80


@pytest.mark.documentation("The same load balancer again is the one there is; another one of its name is refused")
def test_a_name_is_given_once(balancers: Balancers) -> None:
    same = {"Name": "test-network", "Subnets": balancers.subnets, "Scheme": "internal", "Type": "network"}
    (again,) = balancers.elb.create_load_balancer(**same)["LoadBalancers"]
    assert again["LoadBalancerArn"] == balancers.network
    refused("DuplicateLoadBalancerName", 400, balancers.elb.create_load_balancer, **{**same, "Type": "application"})


@pytest.mark.documentation("A network load balancer has the private addresses that it is given")
def test_addresses_of_network_load_balancers(seeded: Account, balancers: Balancers) -> None:
    ec2, subnet = seeded.client("ec2"), balancers.subnets[0]
    (shown,) = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"]
    wanted = shown["CidrBlock"].rpartition(".")[0] + ".77"
    asked = {"Name": "fixed", "Scheme": "internal", "Type": "network"}
    mapping = {"SubnetMappings": [{"SubnetId": subnet, "PrivateIPv4Address": wanted}]}
    balancers.elb.create_load_balancer(**asked, **mapping)
    of = [{"Name": "description", "Values": ["ELB net/fixed/*"]}]
    (interface,) = ec2.describe_network_interfaces(Filters=of)["NetworkInterfaces"]
    assert interface["PrivateIpAddress"] == wanted
    create = balancers.elb.create_load_balancer
    refused("InvalidConfigurationRequest", 400, create, **{**asked, "Name": "second"}, **mapping)


@pytest.mark.documentation("A rule belongs to a listener, asks something, and leads to groups that there are")
@pytest.mark.belief("The words for a rule without conditions or actions")
def test_rules_of_a_listener(balancers: Balancers) -> None:
    create, listener = balancers.elb.create_rule, balancers.listen(balancers.application, "HTTP", 80)["ListenerArn"]
    group = balancers.groups["HTTP"]
    asked: dict[str, Any] = {
        "ListenerArn": listener,
        "Priority": 1,
        "Conditions": [{"Field": "host-header", "Values": ["a.example"]}],
        "Actions": [{"Type": "forward", "TargetGroupArn": group}],
    }
    refused("ListenerNotFound", 400, create, **asked | {"ListenerArn": listener + "0"})
    refused("ValidationError", 400, create, **asked | {"Conditions": []})
    refused("ValidationError", 400, create, **asked | {"Actions": []})
    unknown = [{"Type": "forward", "TargetGroupArn": group + "0"}]
    refused("TargetGroupNotFound", 400, create, **asked | {"Actions": unknown})
    (made,) = create(**asked)["Rules"]
    balancers.elb.delete_rule(RuleArn=made["RuleArn"])
    refused("RuleNotFound", 400, balancers.elb.delete_rule, RuleArn=made["RuleArn"])
