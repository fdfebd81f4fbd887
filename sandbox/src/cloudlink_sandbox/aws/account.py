"""One AWS account: its keys and what it holds beside moto's stores. Every handler works on it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from cloudlink_sandbox.aws.direct_connect_gateways import DirectConnectGateways
from cloudlink_sandbox.aws.log_store import LogStore
from cloudlink_sandbox.aws.object_storage import Buckets
from cloudlink_sandbox.aws.objects import Balancer, Cluster
from cloudlink_sandbox.aws.route53_zones import Zones
from cloudlink_sandbox.aws.secret_store import SecretStore
from cloudlink_sandbox.aws.sessions import Sessions, TemporaryKeys
from cloudlink_sandbox.aws.trail_store import Trail
from cloudlink_sandbox.aws.vpc_dns_store import VpcDns
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
    kubernetes: dict[tuple[str, str, str, str], str] = field(default_factory=dict)
    servers: dict[str, ServerAt] = field(default_factory=dict)  # by address


def _unset(*_: str) -> str:
    raise RuntimeError("the sandbox has not said yet where the EKS cluster's API is")


class AwsAccount:
    """eks_endpoint, eks_certificate: set by the server of the clusters' APIs: the URL of one by region and name, and their
    authority's PEM in base64."""

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
        self.eks_endpoint: Callable[[str, str], str] = _unset
        self.eks_certificate: Callable[[], str] = _unset
        self.zones = Zones()
        self.secrets = SecretStore(account)
        self.logs = LogStore(account)
        self.trail = Trail()
        self.clusters: dict[tuple[str, str], Cluster] = {}
        self.balancers: dict[str, Balancer] = {}
        self.buckets = Buckets()
        self.direct_connect = DirectConnectGateways()
        self.vpc_dns = VpcDns()
        self.fixtures = Fixtures()
        self.sessions = Sessions()
        self._caller = threading.local()
        self.unseen: dict[str, float] = {}  # id of what reads do not find yet, by a fault -> until when

    @property
    def now(self) -> float:
        return self.context.clock.now()

    @property
    def user(self) -> str:
        return f"arn:aws:iam::{self.account}:user/cloudlink"

    @property
    def acting(self) -> TemporaryKeys | None:
        """With which temporary keys this thread's call was signed; None: the user's own."""
        found: TemporaryKeys | None = getattr(self._caller, "keys", None)
        return found

    @acting.setter
    def acting(self, keys: TemporaryKeys | None) -> None:
        self._caller.keys = keys

    @property
    def principal(self) -> str:
        """Who makes this thread's call."""
        return self.user if self.acting is None else self.acting.principal

    def secret_of(self, access_key: str) -> str | None:
        """The secret key that goes with an access key; None for one that is nobody's."""
        if access_key == self.access_key:
            return self.secret_key
        found = self.sessions.keys.get(access_key)
        return None if found is None else found.secret_key
