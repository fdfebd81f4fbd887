"""An AWS account of the sandbox behind a real listener, and real boto3 clients. The clock stands still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from cloudlink.ipsec import IpsecPolicy
from cloudlink.link import (
    AddressTarget,
    AwsSide,
    AzureSide,
    DnsSide,
    Host,
    KubernetesTarget,
    Link,
    LoadBalancerTarget,
    Probe,
    SandboxFurniture,
    Tunnel,
)
from cloudlink.sandbox.aws.cloud import AwsCloud
from cloudlink.sandbox.clock import SandboxClock
from cloudlink.sandbox.cloud import Sky
from cloudlink.sandbox.durations import Durations
from cloudlink.sandbox.faults import FaultBook
from cloudlink.sandbox.journal import Journal
from cloudlink.sandbox.listener import Listener
from cloudlink.sandbox.world import Telemetry

REGION = "eu-central-1"
VPC = "vpc-0a1b2c3d4e5f60718"
ALB = f"arn:aws:elasticloadbalancing:{REGION}:123456789012:loadbalancer/app/shop/50dc6c495c0c9188"


def a_link() -> Link:
    insides = ("169.254.21.0/30", "169.254.22.0/30", "169.254.21.4/30", "169.254.22.4/30")
    tunnels = tuple(Tunnel(i, i // 2, IPv4Network(n)) for i, n in enumerate(insides))
    return Link(
        name="staging",
        aws=AwsSide(REGION, None, VPC, "prod", 64_512),
        azure=AzureSide(
            "public", None, "sub", "rg", "westeurope", "vnet", "rg", IPv4Network("10.1.255.0/27"), "VpnGw2AZ",
            ("1",), 65_515, "aks", "rg",
        ),
        policy=IpsecPolicy(),
        tunnels=tunnels,  # type: ignore[arg-type]
        dns=DnsSide(
            "corp.example",
            (
                Host("app", LoadBalancerTarget("internal-nlb"), (443, 5432), (443,)),
                Host("shop", LoadBalancerTarget(ALB)),
                Host("*", KubernetesTarget("ingress", "ingress-nginx", "main")),
                Host("vault", KubernetesTarget("service", "vault", "vault"), (8200,), (8200,)),
                Host("db", AddressTarget((IPv4Address("10.20.0.9"),))),
            ),
        ),
        probe=Probe("busybox", "default"),
        sandbox=SandboxFurniture(
            vpc_cidrs=(IPv4Network("10.20.0.0/16"), IPv4Network("100.64.0.0/16")),
            eks_service_cidr=IPv4Network("172.20.0.0/16"),
            eks_subnets=tuple(IPv4Network(f"10.20.{i}.0/24") for i in range(3)),
            load_balancer_subnets=tuple(IPv4Network(f"10.20.{i}.0/24") for i in (10, 11)),
        ),
    )


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

    def propagated(self, route_table_id: str) -> tuple[tuple[IPv4Network, str], ...]:
        return self.learned


@dataclass
class SmallSky(Sky):
    stand_in: StandInWorld = field(default_factory=StandInWorld)

    def world(self) -> Any:
        return self.stand_in


@dataclass
class Account:
    cloud: AwsCloud
    sky: SmallSky
    url: str

    def client(self, service: str, *, attempts: int = 1, region: str = REGION, **keys: Any) -> Any:
        keys = {"aws_access_key_id": self.cloud.access_key, "aws_secret_access_key": self.cloud.secret_key, **keys}
        config = Config(retries={"total_max_attempts": attempts, "mode": "standard"})
        return boto3.client(service, region_name=region, endpoint_url=self.url, config=config, **keys)

    def later(self, seconds: float) -> None:
        self.sky.clock.advance(seconds)


@pytest.fixture
def make_account(tmp_path: Path) -> Iterator[Callable[..., Account]]:
    listeners: list[Listener] = []

    def make() -> Account:
        sky = SmallSky(SandboxClock(0, 1_800_000_000.0), FaultBook(), Journal(), Durations(exact=True), tmp_path)
        cloud = AwsCloud(sky)
        cloud.eks_endpoint = lambda: "https://127.0.0.1:1"
        cloud.eks_certificate = lambda: "Q0E="
        sky.aws_facts = cloud.facts
        listener = Listener(cloud.app)
        listener.start()
        listeners.append(listener)
        return Account(cloud, sky, listener.url)

    yield make
    for listener in listeners:
        listener.stop()


@pytest.fixture
def account(make_account: Callable[..., Account]) -> Account:
    return make_account()


@pytest.fixture
def furnished(account: Account) -> Account:
    account.cloud.furnish(a_link())
    return account


