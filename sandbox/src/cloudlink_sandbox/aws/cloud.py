"""One AWS account in the sandbox: its stores, its calls, its facts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import cache
from typing import Any, ClassVar, Literal

import moto
from moto.core.base_backend import BackendDict
from moto.core.request import Request
from moto.core.utils import get_service_model
from moto.ec2.models import ec2_backends
from moto.elbv2.models import elbv2_backends
from moto.route53resolver.models import route53resolver_backends

from cloudlink_sandbox.aws.account import AwsAccount
from cloudlink_sandbox.aws.application import Application, Incoming, dispatched
from cloudlink_sandbox.aws.backend import SandboxEc2, networks_of
from cloudlink_sandbox.aws.cloudtrail import CloudTrailHandlers
from cloudlink_sandbox.aws.cloudwatch_logs import LogsHandlers
from cloudlink_sandbox.aws.direct_connect import DirectConnectHandlers
from cloudlink_sandbox.aws.dns_firewall import DnsFirewallHandlers
from cloudlink_sandbox.aws.ec2 import Ec2Handlers
from cloudlink_sandbox.aws.eks import EksHandlers
from cloudlink_sandbox.aws.errors import ApiError, WireAnswer, not_modelled
from cloudlink_sandbox.aws.facts import facts_of
from cloudlink_sandbox.aws.fixtures import seed
from cloudlink_sandbox.aws.handlers import Handlers
from cloudlink_sandbox.aws.iam import IamHandlers
from cloudlink_sandbox.aws.load_balancers import LoadBalancerHandlers
from cloudlink_sandbox.aws.object_storage import OPERATIONS, Bucket
from cloudlink_sandbox.aws.profiles import ProfilesHandlers
from cloudlink_sandbox.aws.resolver import ResolverHandlers, advance_resolver
from cloudlink_sandbox.aws.resolver_rules import ResolverRuleHandlers, advance_rules
from cloudlink_sandbox.aws.route53 import Route53Handlers
from cloudlink_sandbox.aws.secrets_manager import SecretsManagerHandlers
from cloudlink_sandbox.aws.sessions import Role, one_time_code
from cloudlink_sandbox.aws.sts import StsHandlers, cluster_of_token
from cloudlink_sandbox.context import SandboxContext
from cloudlink_sandbox.errors import InvalidRequest
from cloudlink_sandbox.facts import AwsFacts
from cloudlink_sandbox.world_file import WorldFile

_MOTO: tuple[BackendDict[Any], ...] = (ec2_backends, elbv2_backends, route53resolver_backends)


class _ResolverHandlers(ResolverHandlers, ResolverRuleHandlers, DnsFirewallHandlers):
    """Everything the sandbox answers for the Resolver."""


_HANDLERS: dict[str, type[Handlers]] = {
    "ec2": Ec2Handlers,
    "sts": StsHandlers,
    "iam": IamHandlers,
    "elasticloadbalancing": LoadBalancerHandlers,
    "route53": Route53Handlers,
    "route53resolver": _ResolverHandlers,
    "secretsmanager": SecretsManagerHandlers,
    "logs": LogsHandlers,
    "cloudtrail": CloudTrailHandlers,
    "eks": EksHandlers,
    "directconnect": DirectConnectHandlers,
    "route53profiles": ProfilesHandlers,
}
_KEPT = (
    "zones",
    "secrets",
    "logs",
    "trail",
    "clusters",
    "balancers",
    "buckets",
    "fixtures",
    "direct_connect",
    "vpc_dns",
)  # beside moto's stores
_ONE_AT_A_TIME = threading.RLock()  # moto's stores are global to the process
_READS = ("Describe", "Get", "List", "Search", "Simulate", "Filter", "Lookup", "Assume")


_MODELS = (
    threading.Lock()
)  # EC2's takes half a second to read: whoever asks for it meanwhile waits, and reads it not as well


def _operations(service: str) -> frozenset[str]:
    """Of a service's model, by the name in a signature's scope."""
    with _MODELS:
        return _read_operations(service)


@cache
def _read_operations(service: str) -> frozenset[str]:
    return frozenset(get_service_model("elbv2" if service == "elasticloadbalancing" else service).operation_names)


def read_models() -> None:
    """So that the first question of each service is answered as fast as the second."""
    for service in _HANDLERS:
        _operations(service)


class AwsCloud(AwsAccount):
    """``app`` is a WSGI application for a threaded server on loopback that hands out ``werkzeug.socket``.

    Several clouds may live in one process: moto's global stores hold the one that is being asked.
    """

    _installed: ClassVar[AwsCloud | None] = None

    def __init__(self, context: SandboxContext, **keys: str) -> None:
        """keys: account, access_key, secret_key."""
        super().__init__(context, **keys)
        self._moto: list[dict[str, Any]] = [{} for _ in _MOTO]
        self.app = Application(self, self.answer)

    def answer(self, call: Incoming, operation: str, request: Request) -> WireAnswer:
        """One call, under the lock. Raises ApiError."""
        if call.service == "s3":
            return self._objects(call, operation)
        request.environ["HTTP_X_MOTO_ACCOUNT_ID"] = self.account
        if operation not in _operations(call.service):
            raise not_modelled(call.protocol, operation)
        answers = _HANDLERS[call.service]().for_cloud(self, call.protocol)
        with self.context.lock, _ONE_AT_A_TIME:
            self._install()
            self._advance()
            try:
                return dispatched(answers, request)
            finally:
                if not operation.startswith(_READS):
                    self.context.touch()

    def _objects(self, call: Incoming, operation: str) -> WireAnswer:
        with self.context.lock:
            # A write that meets another one, as a fault: AWS asks for it to be repeated.
            if self.context.faults.match(f"aws.{operation}", "conflict") is not None:
                message = "The conditional request cannot succeed due to a conflicting operation against this resource."
                raise ApiError("ConditionalRequestConflict", message, 409)
            return self.buckets.answer(
                operation,
                path=call.path,
                query=call.query,
                headers=call.headers,
                body=call.body,
                region=call.said.scope.region,
                now=self.context.clock.real(),
            )

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

    def _advance(self) -> None:
        """Let everything that is due by now take effect: new options, freed interfaces, expired objects."""
        now, retention = self.now, self.context.durations.sample("aws.retention")
        for store in self.networks():
            for connection in list(store.vpn_connections.values()):
                connection.advance(now)
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
                    if thing.life.at(now) == "deleted" and now - thing.life.since(now) >= retention:
                        del book[thing.id]
                        store.forget(thing.id)
            advance_resolver(store, now)
            advance_rules(self.account, store.region_name, now)

    def facts(self) -> AwsFacts:
        with self.context.lock, _ONE_AT_A_TIME:
            self._install()
            self._advance()
            return facts_of(self, self.networks())

    def seed(self, world: WorldFile) -> None:
        """Make what the world file says exists, and somebody else's objects."""
        with self.context.lock, _ONE_AT_A_TIME:
            self._install()
            seed(self, world)
            for bucket in world.aws.buckets:
                self.buckets.by_name.setdefault(bucket.name, Bucket(bucket.name, bucket.region or world.aws.region))
            self._let_in(world)
            self.context.touch()

    def _let_in(self, world: WorldFile) -> None:
        """The roles of the world file, and its device for one-time codes. Raises InvalidRequest for a seed that is none."""
        device, sessions = world.aws.mfa_device, self.sessions
        try:
            one_time_code(device.seed, 0)
        except ValueError as error:
            raise InvalidRequest(
                "aws.mfa_device.seed of the world file is no seed", f"{error}.", "It is base32: letters and 2 to 7."
            ) from error
        sessions.devices = {f"arn:aws:iam::{self.account}:mfa/{device.name}": device.seed}
        sessions.roles = {r.name: Role(r.name, r.mfa, r.external_id, r.longest) for r in world.aws.roles}

    def calls(self) -> Iterator[str]:
        """Patterns of every call that is answered, as targets of faults name them."""
        yield from (f"aws.{operation}" for operation in OPERATIONS)
        for service, handlers in _HANDLERS.items():
            for operation in _operations(service):
                if handlers.answers(operation):
                    yield from (f"aws.{operation}", f"aws.??-*-?.{operation}")  # the second: in a region

    def load_balancer_of(
        self, region: str, kind: Literal["service", "ingress"], namespace: str, name: str
    ) -> str | None:
        """The DNS name in the status of a Service or Ingress on the region's EKS; None when no world file had one such."""
        return self.fixtures.kubernetes.get((region, kind, namespace, name))

    def identity_of_token(self, token: str) -> str | None:
        """Who a token for EKS (``k8s-aws-v1.…``) speaks for; None when it is not good for any cluster here."""
        names = [name for _, name in self.clusters]
        if cluster_of_token(token, self.access_key, self.secret_key, names) is not None:
            return self.user
        for keys in self.sessions.keys.values():
            good = cluster_of_token(token, keys.access_key, keys.secret_key, names)
            if good is not None and not self.sessions.ended(keys):
                return keys.principal
        return None

    def snapshot(self) -> dict[str, Any]:
        """Everything, to be written down at once: the stores refer to each other."""
        with self.context.lock, _ONE_AT_A_TIME:
            self._install()
            return {
                "moto": moto.__version__,
                "account": self.account,
                "stores": [dict(book) for book in _MOTO],
                **{name: getattr(self, name) for name in _KEPT},
            }

    def restore(self, saved: dict[str, Any]) -> None:
        """Raises ValueError for what another version of moto, or another account, saved."""
        if saved["moto"] != moto.__version__ or saved["account"] != self.account:
            raise ValueError(f"saved with moto {saved['moto']} for account {saved['account']}: cannot be restored here")
        with self.context.lock, _ONE_AT_A_TIME:
            self._install()
            for book, mine in zip(_MOTO, saved["stores"], strict=True):
                dict.clear(book)
                dict.update(book, mine)
            for name in _KEPT:
                if name in saved:  # one that an older sandbox saved knows fewer
                    setattr(self, name, saved[name])
            self.context.touch()
