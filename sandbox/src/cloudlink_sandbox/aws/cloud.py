"""One AWS account in the sandbox: its stores, its calls, its facts."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import moto
from moto.core.base_backend import BackendDict
from moto.core.request import Request
from moto.ec2.models import ec2_backends
from moto.elbv2.models import elbv2_backends
from moto.route53resolver.models import route53resolver_backends

from cloudlink_sandbox.aws.application import Application, Incoming, dispatched
from cloudlink_sandbox.aws.backend import SandboxEc2, networks_of
from cloudlink_sandbox.aws.ec2 import Ec2Answers
from cloudlink_sandbox.aws.eks import Cluster, EksAnswers
from cloudlink_sandbox.aws.facts import facts_of
from cloudlink_sandbox.aws.fixtures import Fixtures, seed
from cloudlink_sandbox.aws.iam import IamAnswers
from cloudlink_sandbox.aws.load_balancers import Balancer, LoadBalancerAnswers
from cloudlink_sandbox.aws.refusal import WireAnswer
from cloudlink_sandbox.aws.resolver import ResolverAnswers, settle_resolver
from cloudlink_sandbox.aws.resolver_rules import ResolverRuleAnswers, settle_rules
from cloudlink_sandbox.aws.route53 import Route53Answers
from cloudlink_sandbox.aws.route53_zones import Zones
from cloudlink_sandbox.aws.secrets_manager import SecretsManagerAnswers, SecretStore
from cloudlink_sandbox.aws.sts import StsAnswers, cluster_of_token

if TYPE_CHECKING:
    from cloudlink_sandbox.aws.answers import Answers
    from cloudlink_sandbox.cloud import Sky
    from cloudlink_sandbox.facts import AwsFacts
    from cloudlink_sandbox.world_file import WorldFile

_MOTO: tuple[BackendDict[Any], ...] = (ec2_backends, elbv2_backends, route53resolver_backends)


class _ResolverAnswers(ResolverAnswers, ResolverRuleAnswers):
    """Everything the sandbox answers for the Resolver."""


_ANSWERS: dict[str, type[Answers]] = {
    "ec2": Ec2Answers,
    "sts": StsAnswers,
    "iam": IamAnswers,
    "elasticloadbalancing": LoadBalancerAnswers,
    "route53": Route53Answers,
    "route53resolver": _ResolverAnswers,
    "secretsmanager": SecretsManagerAnswers,
    "eks": EksAnswers,
}
_ONE_AT_A_TIME = threading.RLock()  # moto's stores are global to the process
_READS = ("Describe", "Get", "List", "Search", "Simulate")


def _unset() -> str:
    raise RuntimeError("the sandbox has not said yet where the EKS cluster's API is")


class AwsCloud:
    """``app`` is a WSGI application for a threaded server on loopback that hands out ``werkzeug.socket``.

    eks_endpoint, eks_certificate: set by whoever runs the cluster's API: its URL, and its authority's PEM in base64.
    Several clouds may live in one process: moto's global stores hold the one that is being asked.
    """

    _installed: ClassVar[AwsCloud | None] = None

    def __init__(
        self,
        sky: Sky,
        *,
        account: str = "123456789012",
        access_key: str = "AKIASANDBOX000000001",
        secret_key: str = "sandbox/secret/key/that/opens/nothing/0",  # noqa: S107  opens loopback only
    ) -> None:
        self.sky = sky
        self.account = account
        self.access_key = access_key
        self.secret_key = secret_key
        self.eks_endpoint: Callable[[], str] = _unset
        self.eks_certificate: Callable[[], str] = _unset
        self._moto: list[dict[str, Any]] = [{} for _ in _MOTO]
        self.zones = Zones()
        self.secrets = SecretStore(account)
        self.clusters: dict[tuple[str, str], Cluster] = {}
        self.balancers: dict[str, Balancer] = {}
        self.fixtures = Fixtures()
        self.unseen: dict[str, float] = {}  # id of what reads do not find yet, by a fault -> until when
        self.app = Application(self)

    @property
    def now(self) -> float:
        return self.sky.clock.now()

    @property
    def principal(self) -> str:
        return f"arn:aws:iam::{self.account}:user/cloudlink"

    def answer(self, call: Incoming, operation: str, request: Request) -> WireAnswer:
        """One call, under the lock. Raises Refusal."""
        request.environ["HTTP_X_MOTO_ACCOUNT_ID"] = self.account
        answers = _ANSWERS[call.service]().for_cloud(self, call.protocol)
        with self.sky.lock, _ONE_AT_A_TIME:
            self._install()
            self._settle()
            try:
                return dispatched(answers, request)
            finally:
                if not operation.startswith(_READS):
                    self.sky.touch()

    def _install(self) -> None:
        """Make moto's global stores ours. Called under the lock."""
        here = AwsCloud._installed
        if here is self:
            return
        if here is not None:
            here._moto = [dict(book) for book in _MOTO]
        for book, mine in zip(_MOTO, self._moto, strict=True):
            dict.clear(book)
            dict.update(book, mine)
        AwsCloud._installed = self

    def networks(self) -> list[SandboxEc2]:
        """The EC2 stores of all regions in use."""
        self._install()
        return networks_of(self.account)

    def _settle(self) -> None:
        """Let everything that is due by now take effect: new options, freed interfaces, lapsed objects."""
        now, linger = self.now, self.sky.durations.draw("aws.linger")
        for store in self.networks():
            for connection in list(store.vpn_connections.values()):
                connection.settle(now)
                if connection.life.at(now) == "deleted":
                    self.secrets.by_arn.pop(connection.secret_arn or "", None)
            books: tuple[dict[str, Any], ...] = (
                store.vpn_connections,
                store.customer_gateways,
                store.vpn_gateways,
                store.transit_gateway_attachments,
                store.transit_gateways_route_tables,
                store.transit_gateways,
            )
            for book in books:
                for thing in list(book.values()):
                    if thing.life.at(now) == "deleted" and now - thing.life.since(now) >= linger:
                        del book[thing.id]
                        store.forget(thing.id)
            settle_resolver(store, now)
            settle_rules(self.account, store.region_name, now)

    def facts(self) -> AwsFacts:
        with self.sky.lock, _ONE_AT_A_TIME:
            self._install()
            self._settle()
            return facts_of(self)

    def seed(self, world: WorldFile) -> None:
        """Make what the world file says exists, and somebody else's objects."""
        with self.sky.lock, _ONE_AT_A_TIME:
            self._install()
            seed(self, world)
            self.sky.touch()

    def load_balancer_of(self, kind: Literal["service", "ingress"], namespace: str, name: str) -> str | None:
        """The DNS name in the status of a Service or Ingress on EKS; None when the world file has none such."""
        return self.fixtures.kubernetes.get((kind, namespace, name))

    def identity_of_token(self, token: str) -> str | None:
        """Who a token for EKS (``k8s-aws-v1.…``) speaks for; None when it is not good for any cluster here."""
        names = [name for _, name in self.clusters]
        good = cluster_of_token(token, self.access_key, self.secret_key, names)
        return self.principal if good is not None else None

    def snapshot(self) -> dict[str, Any]:
        """Everything, picklable. One pickle for all of it: the stores refer to each other."""
        with self.sky.lock, _ONE_AT_A_TIME:
            self._install()
            state = pickle.dumps(
                (
                    [dict(book) for book in _MOTO],
                    self.zones,
                    self.secrets,
                    self.clusters,
                    self.balancers,
                    self.fixtures,
                )
            )
            return {"moto": moto.__version__, "account": self.account, "state": state}

    def restore(self, saved: dict[str, Any]) -> None:
        """Raises ValueError for what another version of moto, or another account, saved."""
        if saved["moto"] != moto.__version__ or saved["account"] != self.account:
            raise ValueError(f"saved with moto {saved['moto']} for account {saved['account']}: cannot be restored here")
        with self.sky.lock, _ONE_AT_A_TIME:
            self._install()
            books, *rest = pickle.loads(saved["state"])  # noqa: S301  written by snapshot(), kept in a 0700 folder
            for book, mine in zip(_MOTO, books, strict=True):
                dict.clear(book)
                dict.update(book, mine)
            self.zones, self.secrets, self.clusters, self.balancers, self.fixtures = rest
            self.sky.touch()
