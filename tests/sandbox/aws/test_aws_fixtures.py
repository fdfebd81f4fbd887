"""What the account holds at the start: what the world file says, and somebody else's objects."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network
from typing import Any

import pytest
from aws_account import ALB, REGION, VPC, Account, a_world, refused

from cloudlink_sandbox.world_file import HostedZone, VpnGateway

OURS = [{"Name": "vpc-id", "Values": [VPC]}]


@pytest.mark.own(
    "The VPC has the configured ranges, subnets in three zones, and route tables of which some are explicit and one is the main one"
)
@pytest.mark.documentation("Subnets without a table of their own use the main one")
def test_network(seeded: Account) -> None:
    ec2 = seeded.client("ec2")
    (vpc,) = ec2.describe_vpcs(VpcIds=[VPC])["Vpcs"]
    assert [a["CidrBlock"] for a in vpc["CidrBlockAssociationSet"]] == ["10.20.0.0/16", "100.64.0.0/16"]
    for name in ("enableDnsSupport", "enableDnsHostnames"):
        value = ec2.describe_vpc_attribute(VpcId=VPC, Attribute=name)
        assert value[name[0].upper() + name[1:]] == {"Value": True}
    subnets = ec2.describe_subnets(Filters=OURS)["Subnets"]
    assert len({s["AvailabilityZone"] for s in subnets}) == 3
    assert all(0 < s["AvailableIpAddressCount"] <= 251 for s in subnets)
    tables = ec2.describe_route_tables(Filters=OURS)["RouteTables"]
    explicit = sorted(len([a for a in t["Associations"] if not a["Main"]]) for t in tables)
    assert explicit == [0, 1, 2]
    assert all({r["DestinationCidrBlock"] for r in t["Routes"]} == {"10.20.0.0/16", "100.64.0.0/16"} for t in tables)
    facts = seeded.cloud.facts()
    assert facts.vpcs[VPC] == (IPv4Network("10.20.0.0/16"), IPv4Network("100.64.0.0/16"))
    main = next(t["RouteTableId"] for t in tables if any(a["Main"] for a in t["Associations"]))
    using = [s.route_table_id for s in facts.subnets.values() if s.vpc_id == VPC]
    assert using.count(main) == 2  # the load balancers' subnets have no table of their own


@pytest.mark.documentation(
    "Each region has the zones that it has: two in us-west-1, no b in ap-northeast-1, China's and the US's"
)
@pytest.mark.parametrize(
    ("region", "letters"),
    [
        ("us-west-1", "ab"),
        ("ap-northeast-1", "acd"),
        ("ca-central-1", "abd"),
        ("cn-north-1", "ab"),
        ("us-gov-west-1", "abc"),
    ],
)
def test_zones_of_a_region(account: Account, region: str, letters: str) -> None:
    account.cloud.seed(a_world(region=region))
    subnets = account.client("ec2", region=region).describe_subnets(Filters=OURS)["Subnets"]
    assert {s["AvailabilityZone"] for s in subnets} == {region + letter for letter in letters}


@pytest.mark.own(
    "A world file that names another region than before makes its things there; the first region keeps its own"
)
def test_a_world_that_moves_to_another_region_and_back(account: Account) -> None:
    world = a_world()
    open_there = (replace(world.aws.servers[0], ports=(443,)),)
    for region in ("us-west-1", "ap-northeast-1", "us-west-1"):
        moved = a_world(region=region)
        account.cloud.seed(replace(moved, aws=replace(moved.aws, servers=open_there)))
        found = account.client("ec2", region=region).describe_network_interfaces()["NetworkInterfaces"]
        (server,) = [i for i in found if i["PrivateIpAddress"] == "10.20.0.9"]
        (known,) = account.cloud.fixtures.servers.values()
        assert (known.interface_id, known.ports) == (server["NetworkInterfaceId"], {443})


@pytest.mark.model(
    "EKS describes the cluster with its endpoint, certificate, service range, subnets and security group"
)
@pytest.mark.documentation("An unknown cluster is ResourceNotFoundException, 404")
def test_cluster(seeded: Account) -> None:
    cluster = seeded.client("eks").describe_cluster(name="prod")["cluster"]
    assert (cluster["status"], cluster["endpoint"]) == ("ACTIVE", "https://127.0.0.1:1")
    assert cluster["certificateAuthority"]["data"] == "Q0E="
    assert cluster["kubernetesNetworkConfig"]["serviceIpv4Cidr"] == "172.20.0.0/16"
    config = cluster["resourcesVpcConfig"]
    groups = seeded.client("ec2").describe_security_groups(GroupIds=[config["clusterSecurityGroupId"]])
    assert groups["SecurityGroups"][0]["VpcId"] == VPC == config["vpcId"]
    assert seeded.client("eks").list_clusters()["clusters"] == ["prod"]
    refused("ResourceNotFoundException", 404, seeded.client("eks").describe_cluster, name="other")


@pytest.mark.documentation(
    "An internal load balancer has a name below elb.REGION.amazonaws.com, the region's zone id, and one interface in each subnet, described ELB net/NAME/ID"
)
@pytest.mark.documentation("An unknown name is LoadBalancerNotFound")
def test_load_balancers(seeded: Account) -> None:
    elb, ec2 = seeded.client("elbv2"), seeded.client("ec2")
    (nlb,) = elb.describe_load_balancers(Names=["internal-nlb"])["LoadBalancers"]
    assert (nlb["Type"], nlb["Scheme"], nlb["State"]["Code"]) == ("network", "internal", "active")
    assert nlb["CanonicalHostedZoneId"] == "Z3F0SRJ5LGBH90"
    assert nlb["DNSName"].endswith(f".elb.{REGION}.amazonaws.com")
    (alb,) = elb.describe_load_balancers(LoadBalancerArns=[ALB])["LoadBalancers"]
    assert (alb["Type"], alb["LoadBalancerName"], alb["CanonicalHostedZoneId"]) == (
        "application",
        "shop",
        "Z215JYRZR1TBD5",
    )
    assert alb["DNSName"].startswith("internal-shop-")
    number = nlb["LoadBalancerArn"].rsplit("/", 1)[-1]
    wanted = [{"Name": "description", "Values": [f"ELB net/internal-nlb/{number}"]}]
    interfaces = ec2.describe_network_interfaces(Filters=wanted)["NetworkInterfaces"]
    assert {i["SubnetId"] for i in interfaces} == {z["SubnetId"] for z in nlb["AvailabilityZones"]}
    assert {i["RequesterManaged"] for i in interfaces} == {True}
    facts = {i.address: i for i in seeded.cloud.facts().interfaces if i.owner == nlb["LoadBalancerArn"]}
    assert {str(a) for a in facts} == {i["PrivateIpAddress"] for i in interfaces}
    assert {(i.ports, i.tls, i.rules) for i in facts.values()} == {(frozenset({443, 5432}), frozenset({443}), None)}
    listeners = elb.describe_listeners(LoadBalancerArn=nlb["LoadBalancerArn"])["Listeners"]
    assert {(one["Port"], one["Protocol"]) for one in listeners} == {(443, "TLS"), (5432, "TCP")}
    refused("LoadBalancerNotFound", 400, elb.describe_load_balancers, Names=["internal-nlb", "nobody"])


@pytest.mark.documentation("An Ingress has an application load balancer, a Service a network one")
def test_load_balancers_behind_kubernetes(seeded: Account) -> None:
    cloud = seeded.cloud
    names = {b["DNSName"]: b for b in seeded.client("elbv2").describe_load_balancers()["LoadBalancers"]}
    ingress = cloud.load_balancer_of(REGION, "ingress", "ingress-nginx", "main")
    service = cloud.load_balancer_of(REGION, "service", "vault", "vault")
    assert ingress is not None
    assert service is not None
    assert (names[ingress]["Type"], names[service]["Type"]) == ("application", "network")
    assert cloud.load_balancer_of(REGION, "service", "vault", "other") is None


@pytest.mark.documentation("A load balancer has an interface in each of its subnets as long as it exists")
def test_a_load_balancer_made_later(seeded: Account) -> None:
    elb = seeded.client("elbv2")
    subnets = seeded.client("eks").describe_cluster(name="prod")["cluster"]["resourcesVpcConfig"]["subnetIds"]
    made = elb.create_load_balancer(Name="late", Subnets=subnets, Scheme="internal", Type="network")["LoadBalancers"][0]
    owned = [i for i in seeded.cloud.facts().interfaces if i.owner == made["LoadBalancerArn"]]
    assert len(owned) == 3
    elb.delete_load_balancer(LoadBalancerArn=made["LoadBalancerArn"])
    assert made["LoadBalancerArn"] not in {i.owner for i in seeded.cloud.facts().interfaces}


@pytest.mark.own(
    "Somebody else's gateway, customer gateway, security group and zone are there from the start, unless the world file says no"
)
def test_foreign_objects(seeded: Account) -> None:
    ec2: Any = seeded.client("ec2")
    assert len(ec2.describe_vpn_gateways()["VpnGateways"]) == 1
    assert len(ec2.describe_customer_gateways()["CustomerGateways"]) == 1
    names = {g["GroupName"] for g in ec2.describe_security_groups(Filters=OURS)["SecurityGroups"]}
    assert "bastion" in names
    zones = seeded.client("route53").list_hosted_zones()["HostedZones"]
    assert [z["Name"] for z in zones] == ["billing.internal."]


@pytest.mark.own("What the world file names by id has that id")
def test_everything_named_by_id_has_that_id(account: Account) -> None:
    world = a_world(
        vpn_gateway=VpnGateway("vgw-0aaaaaaaaaaaaaaaa"),
        route_tables=("rtb-0aaaaaaaaaaaaaaaa", "rtb-0bbbbbbbbbbbbbbbb"),
        hosted_zones=(HostedZone("Z0CORP", "corp.example"),),
        subnet_ids=("subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"),
    )
    account.cloud.seed(world)
    ec2 = account.client("ec2")
    gateway = ec2.describe_vpn_gateways(VpnGatewayIds=["vgw-0aaaaaaaaaaaaaaaa"])["VpnGateways"][0]
    assert gateway["VpcAttachments"] == [{"VpcId": VPC, "State": "attached"}]
    assert len(ec2.describe_subnets(SubnetIds=list(world.aws.subnet_ids))["Subnets"]) == 2
    tables = ec2.describe_route_tables(RouteTableIds=list(world.aws.route_tables))["RouteTables"]
    assert sorted(len(t["Associations"]) for t in tables) == [1, 2]
    assert account.client("route53").get_hosted_zone(Id="Z0CORP")["HostedZone"]["Name"] == "corp.example."


@pytest.mark.own("Without foreign objects only what the world file names is there")
def test_nothing_foreign(account: Account) -> None:
    account.cloud.seed(replace(a_world(), foreign_objects=False))
    ec2: Any = account.client("ec2")
    assert [v["VpcId"] for v in ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["false"]}])["Vpcs"]] == [
        VPC
    ]
    assert ec2.describe_vpn_gateways()["VpnGateways"] == []
    assert account.client("route53").list_hosted_zones()["HostedZones"] == []


@pytest.mark.own("A world around another VPC changes nothing of what is there")
def test_another_vpc_leaves_what_is_there_as_it_is(account: Account) -> None:
    world = a_world(
        vpn_gateway=VpnGateway("vgw-0aaaaaaaaaaaaaaaa"),
        route_tables=("rtb-0aaaaaaaaaaaaaaaa",),
        hosted_zones=(HostedZone("Z0CORP", "corp.example"),),
        subnet_ids=("subnet-0aaaaaaaaaaaaaaaa",),
    )
    account.cloud.seed(world)
    ec2, dns, eks = account.client("ec2"), account.client("route53"), account.client("eks")
    record = {"Name": "kept.corp.example", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "10.9.9.9"}]}
    changes = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    dns.change_resource_record_sets(HostedZoneId="Z0CORP", ChangeBatch=changes)

    def seen() -> Any:
        vpc = [{"Name": "vpc-id", "Values": [VPC]}]
        return (
            dns.list_resource_record_sets(HostedZoneId="Z0CORP")["ResourceRecordSets"],
            dns.get_hosted_zone(Id="Z0CORP")["VPCs"],
            ec2.describe_vpn_gateways(VpnGatewayIds=["vgw-0aaaaaaaaaaaaaaaa"])["VpnGateways"],
            ec2.describe_subnets(Filters=vpc)["Subnets"],
            ec2.describe_route_tables(Filters=vpc)["RouteTables"],
            eks.describe_cluster(name=world.aws.eks_cluster)["cluster"]["resourcesVpcConfig"],
        )

    before = seen()
    account.cloud.seed(replace(world, aws=replace(world.aws, vpc="vpc-0fedcba9876543210")))
    assert seen() == before
    assert ec2.describe_vpcs(VpcIds=["vpc-0fedcba9876543210"])["Vpcs"], "what is new is there"
