"""An AWS account of the sandbox as tests use it: real boto3 clients, a clock that stands still, a world that says what it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from ipaddress import IPv4Address, IPv4Network
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from cloudlink_sandbox.aws.cloud import AwsCloud
from cloudlink_sandbox.context import SandboxContext
from cloudlink_sandbox.world import Telemetry
from cloudlink_sandbox.world_file import Aws, KubernetesService, LoadBalancer, Server, WorldFile

REGION = "eu-central-1"
VPC = "vpc-0a1b2c3d4e5f60718"
ALB = f"arn:aws:elasticloadbalancing:{REGION}:123456789012:loadbalancer/app/shop/50dc6c495c0c9188"


def a_world(**changes: Any) -> WorldFile:
    """changes: of the AWS side."""
    aws = Aws(
        region=REGION,
        vpc=VPC,
        cidrs=(IPv4Network("10.20.0.0/16"), IPv4Network("100.64.0.0/16")),
        eks_cluster="prod",
        eks_subnets=tuple(IPv4Network(f"10.20.{i}.0/24") for i in range(3)),
        load_balancer_subnets=tuple(IPv4Network(f"10.20.{i}.0/24") for i in (10, 11)),
        load_balancers=(
            LoadBalancer("internal-nlb", "network", ports=(443, 5432)),
            LoadBalancer("shop", arn=ALB),
        ),
        services=(
            KubernetesService("main", "ingress-nginx", "ingress"),
            KubernetesService("vault", "vault", ports=(8200,), tls_ports=(8200,)),
        ),
        servers=(Server(IPv4Address("10.20.0.9")),),
    )
    return WorldFile(replace(aws, **changes))


@dataclass
class StandInWorld:
    """What a test says about the tunnels, in the place of the world."""

    routes: dict[str, int] = field(default_factory=dict)  # outside IP -> accepted routes of a tunnel that is up
    learned: tuple[tuple[IPv4Network, str], ...] = ()

    def aws_telemetry(self, connection_id: str, outside_ip: str | IPv4Address) -> Telemetry:
        routes = self.routes.get(str(outside_ip))
        if routes is None:
            return Telemetry(False, "IPSEC IS DOWN", 0, 0.0)
        return Telemetry(True, f"{routes} BGP ROUTES", routes, 0.0)

    def learned_over(self, connection_id: str) -> tuple[IPv4Network, ...]:
        return tuple(prefix for prefix, _ in self.learned)

    def propagated(self, route_table_id: str) -> tuple[tuple[IPv4Network, str], ...]:
        return self.learned


@dataclass
class SmallContext(SandboxContext):
    stand_in: StandInWorld = field(default_factory=StandInWorld)

    def world(self) -> Any:
        return self.stand_in


@cache
def _session() -> Any:
    return boto3.Session()


@cache
def _client(url: str, service: str, attempts: int, region: str, keys: tuple[tuple[str, str], ...]) -> Any:
    """Clients are dear and the listener's address stays the same: one for all tests."""
    config = Config(retries={"total_max_attempts": attempts, "mode": "standard"})
    return _session().client(service, region_name=region, endpoint_url=url, config=config, **dict(keys))


@dataclass
class Account:
    cloud: AwsCloud
    context: SmallContext
    url: str

    def client(self, service: str, *, attempts: int = 1, region: str = REGION, **keys: Any) -> Any:
        keys = {"aws_access_key_id": self.cloud.access_key, "aws_secret_access_key": self.cloud.secret_key, **keys}
        return _client(self.url, service, attempts, region, tuple(sorted(keys.items())))

    def later(self, seconds: float) -> None:
        self.context.clock.advance(seconds)


def refused(code: str, status: int | None, call: Callable[..., Any], **arguments: Any) -> str:
    """The message of a call that must be refused with this code (and status)."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    assert answer["Error"]["Code"] == code, answer["Error"]
    if status is not None:
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
    return str(answer["Error"]["Message"])


def tag_spec(kind: str, **tags: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}]


@dataclass
class Gateways:
    """A virtual private gateway attached to the VPC and one customer gateway, both ready."""

    account: Account
    vgw: str
    cgw: str

    @classmethod
    def of(cls, account: Account) -> Gateways:
        ec2 = account.client("ec2")
        vgw = ec2.create_vpn_gateway(Type="ipsec.1")["VpnGateway"]["VpnGatewayId"]
        ec2.attach_vpn_gateway(VpnGatewayId=vgw, VpcId=VPC)
        cgw = ec2.create_customer_gateway(Type="ipsec.1", IpAddress="20.0.0.1", BgpAsn=65_515)
        account.later(60)
        return cls(account, vgw, cgw["CustomerGateway"]["CustomerGatewayId"])

    def request(self, *tunnels: dict[str, Any], **more: Any) -> dict[str, Any]:
        options = {"Options": {"TunnelOptions": list(tunnels)}} if tunnels else {}
        return {"Type": "ipsec.1", "CustomerGatewayId": self.cgw, "VpnGatewayId": self.vgw, **options, **more}

    def connection(self, *tunnels: dict[str, Any], **more: Any) -> dict[str, Any]:
        made = self.account.client("ec2").create_vpn_connection(**self.request(*tunnels, **more))
        self.account.later(200)
        return dict(made["VpnConnection"])
