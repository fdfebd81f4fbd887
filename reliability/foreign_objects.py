"""What others have in both clouds, as like ours as it can be: the same addresses, the same names, half of our tags."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from cloudlink_sandbox.azure.ids import parse
from cloudlink_sandbox.azure.store import Record
from cloudlink_sandbox.kube.kinds import CONFIGMAPS, PODS
from reliability.harness import Harness
from reliability.snapshot import Snapshots

HALF_TAGS: tuple[dict[str, str], ...] = (
    {},
    {"cloudlink-link": "other", "cloudlink-resource": "aws_vpn.gateway"},
    {"cloudlink-resource": "aws_vpn.gateway"},
    {"cloudlink-resource": "azure_vpn.local_gateway[0]"},
    {"Cloudlink-Link": "demo", "cloudlink-resource": "aws_vpn.customer_gateway[0]"},
    {"cloudlink-link": "demo-2", "cloudlink-resource": "aws_vpn.connection[0]"},
    {"cloudlink-link": "demo "},
    {"Name": "cloudlink-demo-gateway", "managed-by": "terraform"},
)
LINK_TAG = {"cloudlink-link": "demo"}
"""Half of our tags, and the half that a teardown looks for at its end: such a thing is named as left over, and left."""


class ForeignObjects:
    """Adds foreign objects to the clouds. Each method is one kind of them."""

    def __init__(self, harness: Harness, snapshots: Snapshots, rng: random.Random, like: dict[str, Record]) -> None:
        self.harness, self.rng, self.like = harness, rng, like
        self.ec2, self.route53 = snapshots.client("ec2"), snapshots.client("route53")
        self.link_tagged = False
        early: list[Callable[[], None]] = [self.config_map, self.route, self.pod, self.private_zone, self.names_off]
        self.late: list[Callable[[], None]] = [
            self.gateway, self.customer_gateway, self.zone, self.group, self.route_table, self.local_gateway,
            self.public_ip, self.attached_rules,
        ]  # fmt: skip
        """Kinds that may also come in the middle of a link's life: they stand beside everything else."""
        self.kinds = [*early, *self.late]

    def tags(self) -> dict[str, str]:
        if self.rng.random() < 0.04:
            self.link_tagged = True
            return dict(LINK_TAG)
        return dict(self.rng.choice(HALF_TAGS))

    def _specification(self, kind: str) -> list[dict[str, Any]]:
        tags = self.tags()
        return [{"ResourceType": kind, "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}] if tags else []

    # --- AWS --------------------------------------------------------------------------------------------

    def gateway(self) -> None:
        self.ec2.create_vpn_gateway(Type="ipsec.1", TagSpecifications=self._specification("vpn-gateway"))

    def customer_gateway(self) -> None:
        """Also of the very addresses that Azure will give to our gateway, where AWS would hand out those of somebody else."""
        ours = [str(r.properties["ipAddress"]) for k, r in self.like.items() if "/publicipaddresses/" in k]
        names = ({}, {}, {"DeviceName": "cloudlink-demo-azure-1"}, {"DeviceName": "router"})
        address = self.rng.choice((*ours, f"203.0.113.{self.rng.randint(1, 254)}"))
        there = self.ec2.describe_customer_gateways()["CustomerGateways"]
        if any(g["IpAddress"] == address and g["State"] == "available" for g in there):
            return
        self.ec2.create_customer_gateway(
            Type="ipsec.1", BgpAsn=self.rng.choice((65000, 65010)), IpAddress=address,
            TagSpecifications=self._specification("customer-gateway"), **self.rng.choice(names),
        )  # fmt: skip

    def zone(self) -> None:
        """A public zone of the same name, or one above it, with records that look like ours."""
        name = self.rng.choice((self.harness.link.dns.zone, self.harness.link.dns.zone.partition(".")[2]))
        made = self.route53.create_hosted_zone(Name=name, CallerReference=f"s{self.rng.random()}")["HostedZone"]
        records = [
            {"Name": f"postgres.{name}", "Type": "A", "TTL": 77, "ResourceRecords": [{"Value": "192.0.2.7"}]},
            {"Name": f"_cloudlink-demo.{name}", "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": '"postgres/A"'}]},
        ]  # fmt: skip
        self.route53.change_resource_record_sets(
            HostedZoneId=made["Id"],
            ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": r} for r in records]},
        )
        if tags := self.rng.choice(HALF_TAGS):
            self.route53.change_tags_for_resource(
                ResourceType="hostedzone", ResourceId=made["Id"].rpartition("/")[2],
                AddTags=[{"Key": k, "Value": v} for k, v in tags.items()],
            )  # fmt: skip

    def private_zone(self) -> None:
        """Above ours, and seen by the same VPC: more specific names are still ours."""
        if any(z["Config"]["PrivateZone"] for z in self.route53.list_hosted_zones()["HostedZones"]):
            return
        self.route53.create_hosted_zone(
            Name=self.harness.link.dns.zone.partition(".")[2], CallerReference=f"s{self.rng.random()}",
            VPC={"VPCRegion": self.harness.link.aws.region, "VPCId": self.harness.link.aws.vpc_id},
        )  # fmt: skip

    def group(self) -> None:
        made = self.ec2.create_security_group(
            GroupName=f"cloudlink-{self.rng.choice(('other', 'demo-2', 'demo'))}-foreign{self.rng.randint(1, 10**6)}",
            Description="not cloudlink's", VpcId=self.harness.link.aws.vpc_id,
            TagSpecifications=self._specification("security-group"),
        )  # fmt: skip
        self._let_in(made["GroupId"], "10.20.0.0/16")

    def _let_in(self, group: str, source: str) -> None:
        self.ec2.authorize_security_group_ingress(
            GroupId=group,
            IpPermissions=[
                {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53,
                 "IpRanges": [{"CidrIp": source, "Description": "cloudlink demo"}]}
            ],
        )  # fmt: skip

    def attached_rules(self) -> None:
        """A rule like ours in a group that exists already."""
        group = self.rng.choice(
            [g for g in self.ec2.describe_security_groups()["SecurityGroups"] if "cloudlink" not in g["GroupName"]]
        )
        try:
            self._let_in(group["GroupId"], f"10.{self.rng.randint(21, 99)}.0.0/16")
        except ClientError as error:
            if error.response["Error"]["Code"] != "InvalidPermission.Duplicate":
                raise

    def route_table(self) -> None:
        made = self.ec2.create_route_table(VpcId=self.harness.link.aws.vpc_id)["RouteTable"]["RouteTableId"]
        if tags := self.tags():
            self.ec2.create_tags(Resources=[made], Tags=[{"Key": k, "Value": v} for k, v in tags.items()])

    def route(self) -> None:
        """In a table that cloudlink will have routes propagated to."""
        table = self.rng.choice(self.ec2.describe_route_tables()["RouteTables"])
        interface = self.ec2.describe_network_interfaces()["NetworkInterfaces"][0]
        self.ec2.create_route(
            RouteTableId=table["RouteTableId"], DestinationCidrBlock=f"198.18.{self.rng.randint(0, 255)}.0/24",
            NetworkInterfaceId=interface["NetworkInterfaceId"],
        )  # fmt: skip

    def names_off(self) -> None:
        """The VPC as its owner wants it: without host names, which a link needs while it exists."""
        self.ec2.modify_vpc_attribute(VpcId=self.harness.link.aws.vpc_id, EnableDnsHostnames={"Value": False})

    def to_be_adopted(self) -> dict[str, str]:
        """A gateway that serves a table already, and a zone with a record: what to write into the configuration."""
        link = self.harness.link
        gateway = self.ec2.create_vpn_gateway(Type="ipsec.1", AmazonSideAsn=link.aws.asn)["VpnGateway"]["VpnGatewayId"]
        self.ec2.attach_vpn_gateway(VpnGatewayId=gateway, VpcId=link.aws.vpc_id)
        self.harness.settle()
        tables = self.ec2.describe_route_tables()["RouteTables"]
        table = self.rng.choice([t for t in tables if t["VpcId"] == link.aws.vpc_id])
        self.ec2.enable_vgw_route_propagation(RouteTableId=table["RouteTableId"], GatewayId=gateway)
        zone = self.route53.create_hosted_zone(
            Name=link.dns.zone, CallerReference=f"s{self.rng.random()}",
            VPC={"VPCRegion": link.aws.region, "VPCId": link.aws.vpc_id},
        )["HostedZone"]["Id"]  # fmt: skip
        record = {"Name": f"mail.{link.dns.zone}", "Type": "A", "TTL": 9, "ResourceRecords": [{"Value": "10.10.7.7"}]}
        self.route53.change_resource_record_sets(
            HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
        )
        return {'# gateway = "create"': f'gateway = "{gateway}"',
                '# hosted_zone = "create"': f'hosted_zone = "{zone.rpartition("/")[2]}"'}  # fmt: skip

    # --- Azure and Kubernetes: in the stores --------------------------------------------------------------

    def _azure(self, kind: str) -> None:
        model = next(r for k, r in self.like.items() if f"/{kind.lower()}/" in k)
        name = self.rng.choice(("foreign-", "cloudlink-other-", "cloudlink-demo-x-")) + str(self.rng.randint(1, 10**6))
        made = copy.deepcopy(model)
        text = str(model.id)
        made.id = parse(text[: text.rindex("/") + 1] + name)
        made.tags = self.tags() or None
        with self.harness.sandbox.context.lock:
            self.harness.sandbox.azure.store.place(made)
            self.harness.sandbox.context.touch()

    def local_gateway(self) -> None:
        self._azure("localNetworkGateways")

    def public_ip(self) -> None:
        self._azure("publicIPAddresses")

    def config_map(self) -> None:
        with self.harness.sandbox.context.lock:
            cluster = self.rng.choice(list(self.harness.sandbox.aks.clusters.values()))
            custom = cluster.store.get(CONFIGMAPS, "kube-system", "coredns-custom")
            key = self.rng.choice(("team.server", "log.override", "cloudlink-other.server", "cloudlink-demo.override"))
            zone = f"z{self.rng.randint(1, 999)}.example"
            text = f"{zone}:53 {{\n    forward . 192.0.2.9\n}}\n" if key.endswith("server") else "log\n"
            custom["data"] = {**(custom.get("data") or {}), key: text}
            cluster.store.replace(CONFIGMAPS, custom)

    def pod(self) -> None:
        """Named as the probe of verify-dns is, without its label."""
        with self.harness.sandbox.context.lock:
            cluster = self.rng.choice(list(self.harness.sandbox.aks.clusters.values()))
            name = f"cloudlink-probe-{self.rng.randint(1, 10**6)}"
            cluster.store.objects[PODS.key]["default", name] = {
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": name, "namespace": "default", "labels": {"app": "theirs"}, "uid": name,
                             "creationTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": "1"},
                "spec": {"containers": [{"name": "main", "image": "theirs"}]},
                "status": {"phase": "Running"},
            }  # fmt: skip
