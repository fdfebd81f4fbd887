"""aws, unmodified: what the page of docs/clients.md leaves out."""

from __future__ import annotations

import json

import pytest

from tests.clients.shell import Clients


@pytest.fixture(scope="session")
def cluster(clients: Clients) -> dict[str, object]:
    found = clients.aws("eks describe-cluster --name production")["cluster"]
    assert isinstance(found, dict)
    return found


@pytest.mark.program("aws knows who it is")
def test_who_am_i(clients: Clients) -> None:
    assert clients.aws("sts get-caller-identity")["Arn"].startswith("arn:aws:iam::")


@pytest.mark.program("aws is refused with a wrong key")
def test_a_wrong_key_is_refused(clients: Clients) -> None:
    said = clients.run("aws", "ec2", "describe-vpcs", AWS_SECRET_ACCESS_KEY="wrong")
    assert said.code != 0
    assert "AuthFailure" in said.err or "SignatureDoesNotMatch" in said.err


@pytest.mark.program("aws assumes a role with a one-time code, and is refused with another")
def test_a_role_with_a_code(clients: Clients) -> None:
    role = "arn:aws:iam::123456789012:role/ops"
    ((serial, code),) = clients.cloudlink("sandbox", "status", "--json").json["mfa"].items()
    assume = f"sts assume-role --role-arn {role} --role-session-name me --serial-number {serial} --token-code"
    assert "invalid MFA one time pass code" in clients.refused(f"aws {assume} 000000")
    keys = clients.aws(f"{assume} {code}")["Credentials"]
    mine = {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
    }
    said = clients.ok("aws", "sts", "get-caller-identity", "--output", "json", **mine)
    assert json.loads(said.out)["Arn"] == "arn:aws:sts::123456789012:assumed-role/ops/me"
    token = clients.ok("aws", "eks", "get-token", "--cluster-name", "production", "--output", "json", **mine)
    assert json.loads(token.out)["status"]["token"].startswith("k8s-aws-v1.")


@pytest.mark.program(
    "aws makes a listener, and is refused where the type of load balancer has no such protocol or attribute"
)
def test_listeners(clients: Clients, cluster: dict[str, object]) -> None:
    vpc = cluster["resourcesVpcConfig"]["vpcId"]  # type: ignore[index]
    arn = clients.aws("elbv2 describe-load-balancers --names sentry-internal")["LoadBalancers"][0]["LoadBalancerArn"]
    make = "elbv2 create-target-group --name mine --protocol HTTP --port 80 --target-type ip --vpc-id"
    group = clients.aws(f"{make} {vpc} --matcher HttpCode=200-299")["TargetGroups"][0]["TargetGroupArn"]
    listen = f"elbv2 create-listener --load-balancer-arn {arn} --default-actions Type=forward,TargetGroupArn={group}"
    said = clients.refused(f"aws {listen} --protocol TCP --port 8081")
    assert "Listener protocol 'TCP' must be one of 'HTTPS, HTTP'" in said
    made = clients.aws(f"{listen} --protocol HTTP --port 8081")["Listeners"][0]["ListenerArn"]
    change = f"elbv2 modify-load-balancer-attributes --load-balancer-arn {arn} --attributes"
    assert "not supported on load balancers" in clients.refused(
        f"aws {change} Key=dns_record.client_routing_policy,Value=any_availability_zone"
    )
    clients.aws(f"{change} Key=idle_timeout.timeout_seconds,Value=120")
    clients.aws(f"elbv2 delete-listener --listener-arn {made}")
    clients.aws(f"elbv2 delete-target-group --target-group-arn {group}")


@pytest.mark.program("aws lists clusters, waits for them, and makes their tokens")
def test_clusters_and_their_tokens(clients: Clients, cluster: dict[str, object]) -> None:
    assert cluster["status"] == "ACTIVE"
    listed, token = clients.together(
        lambda: clients.aws("eks list-clusters"), lambda: clients.aws("eks get-token --cluster-name production")
    )
    assert listed["clusters"] == ["production"]
    assert token["status"]["token"].startswith("k8s-aws-v1.")
    clients.ok("aws", "eks", "wait", "cluster-active", "--name", "production")


@pytest.mark.program("The kubeconfig that aws writes opens EKS")
def test_update_kubeconfig(clients: Clients) -> None:
    path = clients.folder / "eks.yaml"
    clients.ok("aws", "eks", "update-kubeconfig", "--name", "production", "--alias", "mine", "--kubeconfig", str(path))
    said = clients.kubectl("mine", "get namespaces --output name", KUBECONFIG=str(path))
    assert "namespace/vault" in said.rows


@pytest.mark.program("aws finds a load balancer, its listeners and its interfaces")
def test_load_balancers_and_their_addresses(clients: Clients) -> None:
    found = clients.aws("elbv2 describe-load-balancers --names sentry-internal")["LoadBalancers"][0]
    assert found["Scheme"] == "internal"
    listeners, interfaces = clients.together(
        lambda: clients.aws(f"elbv2 describe-listeners --load-balancer-arn {found['LoadBalancerArn']}"),
        lambda: clients.aws(
            "ec2 describe-network-interfaces", "--filters", f"Name=description,Values=ELB {found['LoadBalancerArn'].split('loadbalancer/')[1]}"
        ),
    )  # fmt: skip
    assert listeners["Listeners"]
    assert len(interfaces["NetworkInterfaces"]) == len(found["AvailabilityZones"])


@pytest.mark.program("aws makes, waits for, tags and deletes a customer gateway")
@pytest.mark.model("An identical customer gateway is given back")
def test_customer_gateways(clients: Clients) -> None:
    create = "ec2 create-customer-gateway --type ipsec.1 --bgp-asn 65020 --public-ip 203.0.113.9"
    made = clients.aws(create)["CustomerGateway"]["CustomerGatewayId"]
    assert clients.aws(create)["CustomerGateway"]["CustomerGatewayId"] == made  # the same again is no second one
    clients.ok("aws", "ec2", "wait", "customer-gateway-available", "--customer-gateway-ids", made)
    clients.aws(f"ec2 create-tags --resources {made} --tags Key=Name,Value=mine")
    with clients.slowly():  # a deleted one is shown for an hour: six seconds at 600
        clients.aws(f"ec2 delete-customer-gateway --customer-gateway-id {made}")
        clients.advance("5m")
        shown = clients.aws(f"ec2 describe-customer-gateways --customer-gateway-ids {made}")["CustomerGateways"]
    assert [g["State"] for g in shown] == ["deleted"]


@pytest.mark.documentation("Unknown ids, wrong values and missing parameters are refused with AWS's codes")
@pytest.mark.own("What is not modelled is refused")
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("ec2 describe-vpn-connections --vpn-connection-ids vpn-00000000000000000", "InvalidVpnConnectionID.NotFound"),
        ("ec2 delete-vpn-gateway --vpn-gateway-id vgw-00000000000000000", "InvalidVpnGatewayID.NotFound"),
        ("ec2 create-vpn-gateway --type ipsec.1 --amazon-side-asn 7", "InvalidParameterValue"),
        ("ec2 describe-vpn-gateways --filters Name=nonsense,Values=1", "InvalidParameterValue"),
        ("ec2 create-customer-gateway --type ipsec.1 --bgp-asn 65000", "MissingParameter"),
        ("route53 get-hosted-zone --id Z0NOTHING", "NoSuchHostedZone"),
        ("route53resolver get-resolver-endpoint --resolver-endpoint-id rslvr-in-0", "ResourceNotFoundException"),
        ("eks describe-cluster --name nothing", "ResourceNotFoundException"),
        ("elbv2 describe-load-balancers --names nothing", "LoadBalancerNotFound"),
        ("ec2 run-instances --image-id ami-1", "Invalid"),
    ],
)
def test_refusals(clients: Clients, command: str, code: str) -> None:
    assert code in clients.refused(f"aws {command}")


@pytest.mark.model("A batch of records is all or nothing")
@pytest.mark.program("aws waits for a change of records")
def test_a_batch_of_records_is_all_or_nothing(clients: Clients, cluster: dict[str, object]) -> None:
    vpc = cluster["resourcesVpcConfig"]["vpcId"]  # type: ignore[index]
    where = f"VPCRegion=eu-central-1,VPCId={vpc}"
    made = clients.aws(f"route53 create-hosted-zone --name batch.example --caller-reference batch --vpc {where}")
    zone = made["HostedZone"]["Id"]

    def change(action: str, value: str) -> dict[str, object]:
        record = {"Name": f"{value}.batch.example", "Type": "A", "TTL": 5, "ResourceRecords": [{"Value": "10.10.0.7"}]}
        return {"Action": action, "ResourceRecordSet": record}

    def batch(*changes: dict[str, object]) -> str:
        return json.dumps({"Changes": list(changes)})

    apply = f"route53 change-resource-record-sets --hosted-zone-id {zone} --change-batch"
    said = clients.refused(f"aws {apply}", batch(change("CREATE", "a"), change("DELETE", "b")))
    assert "InvalidChangeBatch" in said
    done = clients.aws(apply, batch(change("CREATE", "a")))["ChangeInfo"]
    clients.advance("5m")
    clients.ok("aws", "route53", "wait", "resource-record-sets-changed", "--id", done["Id"])
    records = clients.aws(f"route53 list-resource-record-sets --hosted-zone-id {zone}")["ResourceRecordSets"]
    assert [r["Name"] for r in records if r["Type"] == "A"] == ["a.batch.example."]
    assert "HostedZoneNotEmpty" in clients.refused(f"aws route53 delete-hosted-zone --id {zone}")
    clients.aws(apply, batch(change("DELETE", "a")))
    clients.aws(f"route53 delete-hosted-zone --id {zone}")
