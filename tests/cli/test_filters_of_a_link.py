"""A link that stands, and a packet filter that somebody put into its way: the clouds say nothing, ``status`` does."""

from __future__ import annotations

from typing import Any

from tests.support.cli import Cli


def failed(place: Cli) -> tuple[str, str]:
    """Detail and fix of the check of filters, which alone has failed."""
    status = place.cloudlink("status", "--json")
    assert status.code == 8, status.out
    assert status.json["health"] == "degraded"
    (check,) = [c for c in status.json["checks"] if c["outcome"] == "failed"]
    assert check["name"] == "filters"
    return check["detail"], check["fix"]


def passed(place: Cli) -> str:
    status = place.cloudlink("status", "--json")
    assert status.code == 0, status.out
    (check,) = [c for c in status.json["checks"] if c["name"] == "filters"]
    assert check["outcome"] == "passed"
    return str(check["detail"])


def calls(place: Cli) -> list[str]:
    """Of one status."""
    before = int(place.control("GET", "journal")["total"])
    passed(place)
    return [f"{c['operation']}" for c in place.control("GET", "journal")["calls"][before:]]


def test_one_call_more_for_the_acls_and_one_less_for_the_vpc(linked: Cli) -> None:
    made = calls(linked)
    assert made.count("DescribeNetworkAcls") == 1
    assert "DescribeVpcs" not in made  # its ranges are the local routes of tables that are read
    assert "GetManagedPrefixListEntries" not in made
    assert made.count("ListHostedZonesByVPC") == 1  # for zones of others that take names from ours
    # DNS Firewall and Profiles are one call each; how often Azure's reads are polled depends on its pace, and one call may be
    # cut and made again
    assert len([c for c in made if c != "GET operationResults"]) <= 38


def test_a_network_acl_that_keeps_azure_out(linked: Cli) -> None:
    """The cluster's own subnet may come through, which is enough; a rule against it is named."""
    ec2 = linked.clouds().aws.ec2
    acls = ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [linked.link.aws.vpc_id]}])["NetworkAcls"]
    id_ = acls[0]["NetworkAclId"]

    def put(action: str, cidr: str) -> None:
        ec2.create_network_acl_entry(
            NetworkAclId=id_, RuleNumber=50, Protocol="-1", RuleAction=action, Egress=False, CidrBlock=cidr
        )

    put("deny", "10.20.255.0/24")  # of the VNet, but none of the cluster's
    try:
        passed(linked)
        ec2.delete_network_acl_entry(NetworkAclId=id_, RuleNumber=50, Egress=False)
        put("deny", "10.20.0.0/16")
        detail, fix = failed(linked)
        assert f"{id_}, the network ACL of the subnets of the Resolver endpoint, " in detail
        assert "lets no tcp/53, udp/53" in detail
        assert "create-network-acl-entry" in fix
    finally:
        ec2.delete_network_acl_entry(NetworkAclId=id_, RuleNumber=50, Egress=False)


def test_a_network_security_group_that_drops_what_goes_to_aws(linked: Cli) -> None:
    """Names stay silent, and the rule is named, by status and by verify-dns."""
    network = linked.clouds().azure.network
    group = next(
        g for g in network.network_security_groups.list_all() if any("aks" in s.id for s in g.properties.subnets)
    )
    place = str(group.id).split("/")
    rule = {
        "properties": {
            "priority": 200,
            "direction": "Outbound",
            "access": "Deny",
            "protocol": "*",
            "sourceAddressPrefix": "*",
            "sourcePortRange": "*",
            "destinationAddressPrefix": "10.10.0.0/16",
            "destinationPortRange": "*",
        }
    }
    network.security_rules.begin_create_or_update(place[4], place[-1], "NoAws", rule).result()
    try:
        detail, fix = failed(linked)
        assert f"The rule NoAws of {place[-1]}" in detail and "the Resolver endpoint" in detail
        assert "az network nsg rule create" in fix and "--priority 199" in fix
        names = linked.cloudlink("verify-dns", "postgres", "--json")
        assert names.code == 8
        assert "The rule NoAws" in names.json["advice"]["cause"]
    finally:
        network.security_rules.begin_delete(place[4], place[-1], "NoAws").result()


def test_a_security_group_of_a_load_balancer_that_lets_only_the_vpc_in(linked: Cli) -> None:
    clouds = linked.clouds()
    found = clouds.aws.client("elbv2").describe_load_balancers()["LoadBalancers"]
    balancer = next(b for b in found if b["LoadBalancerName"] == "sentry-internal")
    group = clouds.aws.ec2.create_security_group(GroupName="web", Description="theirs", VpcId=linked.link.aws.vpc_id)[
        "GroupId"
    ]
    permission: dict[str, Any] = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    clouds.aws.ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{**permission, "IpRanges": [{"CidrIp": "10.10.0.0/16"}]}]
    )
    before = balancer.get("SecurityGroups") or []
    clouds.aws.client("elbv2").set_security_groups(LoadBalancerArn=balancer["LoadBalancerArn"], SecurityGroups=[group])
    try:
        detail, fix = failed(linked)
        assert f"{group}, in front of the load balancer of sentry, lets no tcp/443 in" in detail
        assert f"--group-id {group}" in fix
    finally:
        clouds.aws.client("elbv2").set_security_groups(
            LoadBalancerArn=balancer["LoadBalancerArn"], SecurityGroups=before
        )
        clouds.aws.ec2.delete_security_group(GroupId=group)


def test_a_prefix_list_that_leads_azures_range_elsewhere(linked: Cli) -> None:
    """The list has a range of its own first; then the VNet's is added to it, as a network team does."""
    ec2 = linked.clouds().aws.ec2
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [linked.link.aws.vpc_id]}])["RouteTables"]
    list_id = ec2.create_managed_prefix_list(
        PrefixListName="company", MaxEntries=5, AddressFamily="IPv4", Entries=[{"Cidr": "172.28.0.0/16"}]
    )["PrefixList"]["PrefixListId"]
    gateways = ec2.describe_internet_gateways()["InternetGateways"]
    attached = [
        g["InternetGatewayId"] for g in gateways if any(a["VpcId"] == linked.link.aws.vpc_id for a in g["Attachments"])
    ]
    gateway = attached[0] if attached else ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    if not attached:
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=linked.link.aws.vpc_id)
    for table in tables:
        ec2.create_route(RouteTableId=table["RouteTableId"], DestinationPrefixListId=list_id, GatewayId=gateway)
    try:
        passed(linked)
        ec2.modify_managed_prefix_list(
            PrefixListId=list_id, CurrentVersion=1, AddEntries=[{"Cidr": "10.20.0.0/16", "Description": "Azure"}]
        )
        status = linked.cloudlink("status", "--json")
        assert status.code == 8, status.out
        (check,) = [c for c in status.json["checks"] if c["outcome"] == "failed"]
        assert f"prefix list {list_id}" in check["detail"] and gateway in check["detail"]
        assert any(t["RouteTableId"] in check["detail"] for t in tables)
    finally:
        for table in tables:
            ec2.delete_route(RouteTableId=table["RouteTableId"], DestinationPrefixListId=list_id)
        ec2.delete_managed_prefix_list(PrefixListId=list_id)
        if not attached:
            ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=linked.link.aws.vpc_id)
            ec2.delete_internet_gateway(InternetGatewayId=gateway)


def test_what_stands_behind_a_load_balancer_that_does_not_answer(linked: Cli) -> None:
    """The name resolves, and no connection comes about: verify-dns looks at listeners, targets and the targets' own groups."""
    clouds = linked.clouds()
    ec2, elb = clouds.aws.ec2, clouds.aws.client("elbv2")
    found = elb.describe_load_balancers()["LoadBalancers"]
    balancer = next(b for b in found if b["LoadBalancerName"].startswith("k8s-vault-"))
    arn = balancer["LoadBalancerArn"]
    (group,) = elb.describe_target_groups(LoadBalancerArn=arn)["TargetGroups"]
    (target,) = elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
    pod = target["Target"]["Id"]
    name = f"ELB {arn.split(':loadbalancer/')[1]}"
    held = ec2.describe_network_interfaces(Filters=[{"Name": "description", "Values": [name]}])["NetworkInterfaces"]
    for interface in held:
        linked.control(
            "POST", "faults", {"kind": "endpoint-ip-down", "target": interface["PrivateIpAddress"], "times": None}
        )
    guard = ec2.create_security_group(GroupName="nodes", Description="theirs", VpcId=linked.link.aws.vpc_id)["GroupId"]
    own = ec2.create_network_interface(SubnetId=held[0]["SubnetId"], PrivateIpAddress=pod, Groups=[guard])
    try:
        elb.modify_target_group_attributes(
            TargetGroupArn=group["TargetGroupArn"], Attributes=[{"Key": "preserve_client_ip.enabled", "Value": "true"}]
        )
        names = linked.cloudlink("verify-dns", "vault", "--json")
        assert names.code == 8
        assert f"{guard} of {pod} lets no tcp/8200 in from 10.20." in names.json["advice"]["cause"], names.out
        elb.deregister_targets(TargetGroupArn=group["TargetGroupArn"], Targets=[target["Target"]])
        names = linked.cloudlink("verify-dns", "vault", "--json")
        assert (
            f"{group['TargetGroupName']} of {balancer['LoadBalancerName']} has no targets"
            in names.json["advice"]["cause"]
        ), names.out
    finally:
        elb.register_targets(TargetGroupArn=group["TargetGroupArn"], Targets=[target["Target"]])
        ec2.delete_network_interface(NetworkInterfaceId=own["NetworkInterface"]["NetworkInterfaceId"])
        ec2.delete_security_group(GroupId=guard)
        linked.control("DELETE", "faults")
