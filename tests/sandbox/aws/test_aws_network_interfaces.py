"""Network interfaces of load balancers and Resolver endpoints: found by what is written on them, and left alone."""

from __future__ import annotations

from typing import Any

import pytest
from aws_account import VPC, Account, refused


def ids(account: Account, **filters: str) -> set[str]:
    wanted = [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in filters.items()]
    found = account.client("ec2").describe_network_interfaces(Filters=wanted)["NetworkInterfaces"]
    return {i["NetworkInterfaceId"] for i in found}


@pytest.fixture
def endpoint(seeded: Account) -> str:
    group = seeded.client("ec2").create_security_group(GroupName="cl", Description="d", VpcId=VPC)["GroupId"]
    cluster = seeded.client("eks").describe_cluster(name="prod")["cluster"]
    subnets = cluster["resourcesVpcConfig"]["subnetIds"]
    made = seeded.client("route53resolver").create_resolver_endpoint(
        CreatorRequestId="one", Direction="INBOUND", SecurityGroupIds=[group],
        IpAddresses=[{"SubnetId": s} for s in subnets],
    )["ResolverEndpoint"]  # fmt: skip
    seeded.later(90)
    return str(made["Id"])


@pytest.mark.documentation(
    "Interfaces of a load balancer and of an endpoint are found by their description, group and subnet"
)
@pytest.mark.model("Interfaces of services show who asked for them, and their kind")
def test_they_are_found(seeded: Account, endpoint: str) -> None:
    ec2 = seeded.client("ec2")
    of_endpoint = ids(seeded, description=f"Route 53 Resolver: {endpoint}:*")
    assert len(of_endpoint) == 3
    assert ids(seeded, group_name="cl") == of_endpoint
    of_balancers = ids(seeded, requester_id="amazon-elb")
    assert of_balancers == ids(seeded, description="ELB *")
    assert ids(seeded, interface_type="network_load_balancer") < of_balancers
    assert ids(seeded, requester_managed="true", status="in-use") == of_endpoint | of_balancers
    one = ec2.describe_network_interfaces(NetworkInterfaceIds=[min(of_endpoint)])["NetworkInterfaces"][0]
    assert ids(seeded, private_ip_address=one["PrivateIpAddress"]) == {one["NetworkInterfaceId"]}
    assert one["NetworkInterfaceId"] in ids(seeded, subnet_id=one["SubnetId"], vpc_id=VPC)


@pytest.mark.model("Unknown ids and filters of interfaces are refused")
@pytest.mark.documentation("An interface that a service uses is neither deleted nor changed")
@pytest.mark.belief("OperationNotPermitted is the code for changing an interface of a service")
def test_they_are_left_alone(seeded: Account) -> None:
    ec2, balancer = seeded.client("ec2"), min(ids(seeded, description="ELB *"))
    refused("InvalidParameterValue", 400, ec2.delete_network_interface, NetworkInterfaceId=balancer)
    refused(
        "OperationNotPermitted", 400, ec2.modify_network_interface_attribute,
        NetworkInterfaceId=balancer, Description={"Value": "mine"},
    )  # fmt: skip
    nowhere = "eni-0fffffffffffffff0"
    for call, arguments in (
        (ec2.delete_network_interface, {"NetworkInterfaceId": nowhere}),
        (ec2.describe_network_interfaces, {"NetworkInterfaceIds": [nowhere]}),
    ):
        refused("InvalidNetworkInterfaceID.NotFound", 400, call, **arguments)
    refused(
        "InvalidParameterValue", 400, ec2.describe_network_interfaces, Filters=[{"Name": "colour", "Values": ["x"]}]
    )


@pytest.mark.documentation("An endpoint whose interface was deleted calls for action, until the address is replaced")
@pytest.mark.model("The address of a deleted interface is FAILED_RESOURCE_GONE")
def test_an_endpoint_that_lost_an_interface(seeded: Account, endpoint: str) -> None:
    ec2, api = seeded.client("ec2"), seeded.client("route53resolver")
    by_id = {"ResolverEndpointId": endpoint}

    def addresses() -> dict[str, Any]:
        return {a["Status"]: a for a in api.list_resolver_endpoint_ip_addresses(**by_id)["IpAddresses"]}

    def status() -> str:
        return str(api.get_resolver_endpoint(**by_id)["ResolverEndpoint"]["Status"])

    lost = ec2.describe_network_interfaces(NetworkInterfaceIds=[min(ids(seeded, group_name="cl"))])
    ip = lost["NetworkInterfaces"][0]["PrivateIpAddress"]
    ec2.delete_network_interface(NetworkInterfaceId=lost["NetworkInterfaces"][0]["NetworkInterfaceId"])
    assert status() == "ACTION_NEEDED"
    gone = addresses()["FAILED_RESOURCE_GONE"]
    assert gone["Ip"] == ip
    assert {str(i.address) for i in seeded.cloud.facts().interfaces if i.kind == "resolver" and not i.working} == {ip}

    api.associate_resolver_endpoint_ip_address(**by_id, IpAddress={"SubnetId": gone["SubnetId"]})
    seeded.later(60)
    assert status() == "ACTION_NEEDED"  # the broken one is there still
    api.disassociate_resolver_endpoint_ip_address(**by_id, IpAddress={"IpId": gone["IpId"]})
    seeded.later(60)
    assert status() == "OPERATIONAL"
    assert set(addresses()) == {"ATTACHED"}


FREE = "10.20.255.240/28"


@pytest.mark.documentation("A subnet with an interface in it is not deleted")
def test_a_subnet_that_is_in_use_stays(seeded: Account, endpoint: str) -> None:
    ec2 = seeded.client("ec2")
    found = ec2.describe_network_interfaces(Filters=[{"Name": "group-name", "Values": ["cl"]}])["NetworkInterfaces"]
    refused("DependencyViolation", 400, ec2.delete_subnet, SubnetId=found[0]["SubnetId"])
    made = ec2.create_subnet(VpcId=VPC, CidrBlock=FREE)["Subnet"]["SubnetId"]
    ec2.delete_subnet(SubnetId=made)
    refused("InvalidSubnetID.NotFound", 400, ec2.delete_subnet, SubnetId=made)
