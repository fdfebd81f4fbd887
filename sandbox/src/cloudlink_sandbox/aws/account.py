"""One AWS account: its keys and what it holds beside moto's stores. Every handler works on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cloudlink_sandbox.aws.objects import Balancer, Cluster
from cloudlink_sandbox.aws.route53_zones import Zones
from cloudlink_sandbox.aws.secret_store import SecretStore
from cloudlink_sandbox.context import SandboxContext


@dataclass
class ServerAt:
    """A machine at a fixed address, with these ports open."""

    interface_id: str
    ports: set[int]
    tls: set[int]


@dataclass
class Fixtures:
    """What was seeded and has no place in AWS's own stores."""

    # (kind, namespace, name) of a Service or Ingress -> DNS name of the load balancer behind it
    kubernetes: dict[tuple[str, str, str], str] = field(default_factory=dict)
    servers: dict[str, ServerAt] = field(default_factory=dict)  # by address


def _unset() -> str:
    raise RuntimeError("the sandbox has not said yet where the EKS cluster's API is")


class AwsAccount:
    """eks_endpoint, eks_certificate: set by the server of the cluster's API: its URL, and its authority's PEM in base64."""

    def __init__(
        self,
        context: SandboxContext,
        *,
        account: str = "123456789012",
        access_key: str = "AKIASANDBOX000000001",
        secret_key: str = "sandbox/secret/key/that/opens/nothing/0",  # noqa: S107  opens loopback only
    ) -> None:
        self.context = context
        self.account = account
        self.access_key = access_key
        self.secret_key = secret_key
        self.eks_endpoint: Callable[[], str] = _unset
        self.eks_certificate: Callable[[], str] = _unset
        self.zones = Zones()
        self.secrets = SecretStore(account)
        self.clusters: dict[tuple[str, str], Cluster] = {}
        self.balancers: dict[str, Balancer] = {}
        self.fixtures = Fixtures()
        self.unseen: dict[str, float] = {}  # id of what reads do not find yet, by a fault -> until when

    @property
    def now(self) -> float:
        return self.context.clock.now()

    @property
    def principal(self) -> str:
        return f"arn:aws:iam::{self.account}:user/cloudlink"
