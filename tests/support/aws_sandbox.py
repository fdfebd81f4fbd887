"""The sandbox's AWS under the steps: the real SDK over HTTP, a clock that moves only when a test waits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.endpoints import Endpoints
from cloudlink.clouds.ownership import LINK_TAG
from cloudlink.core.resource import Lookup, Node, Outputs
from cloudlink.link import (
    AddressTarget,
    Host,
    KubernetesTarget,
    Link,
    LoadBalancerTarget,
    SandboxFixtures,
)
from cloudlink.sandbox_world import description
from cloudlink.secret import Secret
from cloudlink.steps.outputs import PublicIp, VirtualNetwork
from cloudlink_sandbox.aws.cloud import AwsCloud
from cloudlink_sandbox.clock import SandboxClock
from cloudlink_sandbox.context import SandboxContext
from cloudlink_sandbox.durations import Durations
from cloudlink_sandbox.facts import AzureFacts
from cloudlink_sandbox.faults import Fault, FaultRegistry
from cloudlink_sandbox.journal import Journal
from cloudlink_sandbox.listener import Listener
from cloudlink_sandbox.world_file import parse
from tests.support.clocks import SandboxTime
from tests.support.links import make_link

REGION, VPC = "eu-central-1", "vpc-0a1b2c3d4e5f60718"
HOSTS = (
    Host("app", LoadBalancerTarget("internal-nlb")),
    Host("*", KubernetesTarget("ingress", "web", "main")),
    Host("@", AddressTarget((IPv4Address("10.20.0.9"), IPv4Address("10.20.0.10")))),
)


def aws_link(*, aws: dict[str, Any] | None = None, dns: dict[str, Any] | None = None, **changes: Any) -> Link:
    """aws, dns: changes of those sides; the rest of the link itself."""
    fixtures = SandboxFixtures(
        vpc_cidrs=(IPv4Network("10.20.0.0/16"),),
        eks_service_cidr=IPv4Network("172.20.0.0/16"),
        eks_subnets=tuple(IPv4Network(f"10.20.{i}.0/24") for i in range(3)),
        vnet_prefixes=(IPv4Network("10.1.0.0/16"),),
        load_balancer_subnets=(IPv4Network("10.20.10.0/24"), IPv4Network("10.20.11.0/24")),
    )
    return make_link(
        aws={"region": REGION, "vpc_id": VPC, **(aws or {})},
        azure={"vnet": "vnet", "gateway_subnet": IPv4Network("10.1.255.0/27"), "aks_cluster": "aks"},
        dns={"hosts": HOSTS, **(dns or {})},
        **{"sandbox": fixtures, **changes},
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Fixed(Lookup[Any]):
    """A node of another step, which says what the test wants."""

    def read(self, outputs: Outputs) -> Any:
        raise NotImplementedError


PUBLIC_IPS = (
    Fixed(address="azure_vpn.public_ip[0]", title="public IP 1"),
    Fixed(address="azure_vpn.public_ip[1]", title="public IP 2"),
)
NETWORK = Fixed(address="azure_vpn.network", title="virtual network")


def from_azure() -> Outputs:
    """What the Azure side gives to AWS's."""
    prefixes = (IPv4Network("10.1.0.0/16"), IPv4Network("10.2.0.0/16"))
    return (
        Outputs()
        .with_(PUBLIC_IPS[0], PublicIp("pip-1", IPv4Address("20.0.0.1")))
        .with_(PUBLIC_IPS[1], PublicIp("pip-2", IPv4Address("20.0.0.2")))
        .with_(NETWORK, VirtualNetwork("vnet", prefixes[:1], prefixes))
    )


@dataclass
class AwsSandbox:
    """hand: clients of the test's own, through which things are changed by hand."""

    link: Link
    context: SandboxContext
    cloud: AwsCloud
    aws: Aws

    def wait(self, seconds: float) -> None:
        self.context.clock.advance(seconds)

    @property
    def hand(self) -> Any:
        return self.aws.ec2

    def writes(self) -> int:
        return sum(call.writes for call in self.context.journal.calls())

    def calls(self, operation: str) -> int:
        return sum(call.operation == operation for call in self.context.journal.calls())

    def fault(self, kind: str, place: str, **more: Any) -> None:
        self.context.faults.add(Fault(kind, place, **more))

    def again(self) -> Aws:
        """A second run of the program: nothing remembered, new clients."""
        return Aws(region=REGION, endpoints=self.aws.endpoints, clock=SandboxTime(self.context.clock))

    def read(self, outputs: Outputs, *lookups: Node[Any]) -> Outputs:
        for lookup in lookups:
            assert isinstance(lookup, Lookup)
            outputs = outputs.with_(lookup, lookup.read(outputs))
        return outputs

    def foreign_objects(self) -> Any:
        """Everything in the account's VPN and DNS that does not carry our link's name."""
        ec2 = self.aws.ec2

        def foreign(things: Iterable[Any], key: str) -> list[tuple[str, str]]:
            return sorted(
                (t[key], t.get("State", ""))
                for t in things
                if not any(tag["Key"] == LINK_TAG for tag in t.get("Tags") or ())
            )

        return (
            foreign(ec2.describe_vpn_gateways()["VpnGateways"], "VpnGatewayId"),
            foreign(ec2.describe_customer_gateways()["CustomerGateways"], "CustomerGatewayId"),
            foreign(ec2.describe_security_groups()["SecurityGroups"], "GroupId"),
            [
                (z["Id"], z["ResourceRecordSetCount"])
                for z in self.aws.route53.list_hosted_zones()["HostedZones"]
                if not z["CallerReference"].startswith("cloudlink/")
            ],
        )


class Server:
    """The application behind the listener, exchanged by every test: one listener and its connections serve them all."""

    def __init__(self) -> None:
        self.app: Any = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer: Iterable[bytes] = self.app(environ, start_response)
        return answer


@contextmanager
def listening() -> Iterator[tuple[Server, str]]:
    server = Server()
    listener = Listener(server)
    listener.start()
    try:
        yield server, listener.url
    finally:
        listener.stop()


def make_aws_sandbox(link: Link, home: Path, server: Server, url: str) -> AwsSandbox:
    context = SandboxContext(SandboxClock(0, 1_800_000_000.0), FaultRegistry(), Journal(), Durations(exact=True), home)
    cloud = AwsCloud(context)
    cloud.eks_endpoint = lambda *_: "https://127.0.0.1:1"
    cloud.eks_certificate = lambda: "Q0E="
    context.aws_facts = cloud.facts
    context.azure_facts = lambda: AzureFacts({}, {}, (), ())
    cloud.seed(parse(description(link)))
    server.app = cloud.app
    endpoints = Endpoints(
        aws_url=url,
        aws_access_key=cloud.access_key,
        aws_secret_key=Secret(cloud.secret_key),
        azure_url="",
        azure_tenant="",
        azure_client_id="",
        azure_client_secret=Secret(""),
        ca_file="",
    )
    return AwsSandbox(link, context, cloud, Aws(region=REGION, endpoints=endpoints, clock=SandboxTime(context.clock)))
