"""What both sign-ins see, and a configuration proposed from it: clusters, free ranges, zone, names, what to adopt."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Literal, TypeVar

from cloudlink import addressing
from cloudlink.clouds.aws import parse_cluster, parse_connections, parse_gateways, parse_vpc
from cloudlink.clouds.aws import survey as aws_survey
from cloudlink.clouds.aws.survey import Balancer, EksName, Zone
from cloudlink.clouds.azure import survey as azure_survey
from cloudlink.clouds.azure.parse_aks import AksCluster
from cloudlink.clouds.azure.parse_pieces import part
from cloudlink.clouds.endpoints import Endpoints
from cloudlink.clouds.kube.survey import Exposed
from cloudlink.config.written import NewBeside, NewConfig, NewHost
from cloudlink.core.polling import Clock, Stopped
from cloudlink.errors import CloudlinkError, MissingError, UsageError

if TYPE_CHECKING:
    from cloudlink.clouds.aws.client import Aws

T = TypeVar("T")
_FALLBACK_REGION = "us-east-1"
_POOL_PREFIX = 28  # four /30 ranges
MOST_HOSTS = 50  # names that are proposed; more are for a person to choose from
_LABEL = re.compile(r"[^a-z0-9-]+")


@dataclass(frozen=True)
class Aks:
    cluster: AksCluster
    subscription: azure_survey.Subscription


@dataclass(frozen=True)
class Proposal:
    config: NewConfig
    good: tuple[str, ...]  # what was found to fit
    notes: tuple[str, ...]  # what a person should look at


@dataclass
class Survey:
    """Reads only. Errors of the clouds are raised as ours."""

    endpoints: Endpoints | None
    clock: Clock
    profile: str | None = None
    cloud: Literal["public", "usgovernment", "china"] = "public"
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._home = self._aws(os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or _FALLBACK_REGION)
        self._azure = azure_survey.session(self.cloud, self.endpoints)
        self._aks: list[Aks] = []

    def _aws(self, region: str) -> Aws:
        from cloudlink.clouds.aws.client import Aws

        return Aws(region=region, profile=self.profile, endpoints=self.endpoints, clock=self.clock)

    def sign_in(self) -> None:
        """Both clouds, so that both problems are told at once. Raises CredentialsError, AccessError or NoContactError."""
        from cloudlink.connect import raise_joined

        failed: list[CloudlinkError] = []
        for sign_in in (self._home.account, self._azure.sign_in):
            try:
                self._read(sign_in)
            except CloudlinkError as error:
                failed.append(error)
        raise_joined(failed)

    def _read(self, call: Callable[[], T]) -> T:
        from cloudlink.clouds.aws import errors as aws_errors
        from cloudlink.clouds.azure import errors as azure_errors
        from cloudlink.clouds.kube import errors as kube_errors

        if self.clock.stopped:
            raise Stopped
        try:
            return call()
        except Exception as error:
            if isinstance(error, CloudlinkError):
                raise
            known = (
                aws_errors.translate(error, self.profile)
                or azure_errors.translate(error, tenant=None, subscription="", location="")
                or kube_errors.translate(error)
            )
            if known is None:
                raise
            raise known from error

    # --- clusters ---------------------------------------------------------------------------------------------

    def eks(self, regions: Sequence[str]) -> list[EksName]:
        """regions: empty for all that are enabled."""
        where = list(regions) or self._read(lambda: aws_survey.enabled_regions(self._home))
        found, refused = aws_survey.eks_clusters(self._home, where)
        if not found and refused and len(refused) == len(where):
            raise next(iter(refused.values()))
        self.notes += [f"EKS in {region} could not be asked: {error.summary}" for region, error in refused.items()]
        return found

    def aks(self) -> list[Aks]:
        found = []
        for subscription in self._read(lambda: azure_survey.subscriptions(self._azure)):
            try:
                clusters = self._read(lambda s=subscription: azure_survey.aks_clusters(self._azure, s.id))  # type: ignore[misc]
            except CloudlinkError as error:
                self.notes.append(f"AKS in {subscription.name} could not be asked: {error.summary}")
                continue
            found += [Aks(cluster, subscription) for cluster in clusters]
        self._aks = found
        return found

    def _beside(self, aks: Aks, vnet_id: str) -> tuple[NewBeside, ...]:
        """The other clusters in the VNet, as far as they were looked for."""
        others = [a for a in self._aks if a is not aks and a.cluster.id.lower() != aks.cluster.id.lower()]
        return tuple(
            NewBeside(a.cluster.name, part(a.cluster.id, "resourceGroups"), a.subscription.id)
            for a in others
            if any(v.lower() == vnet_id.lower() for v in a.cluster.vnets)
        )

    # --- a configuration --------------------------------------------------------------------------------------

    def propose(self, eks: EksName, aks: Aks, *, name: str, zone: str, hosts: Sequence[str]) -> Proposal:
        """name, zone: empty for a proposal. hosts: ``NAME=ADDRESS`` besides what is found."""
        good: list[str] = []
        notes = self.notes
        aws = self._aws(eks.region)
        cluster = self._read(lambda: parse_cluster.cluster(aws.eks_cluster(eks.name)))
        network = self._read(lambda: azure_survey.network_of(self._azure, aks.cluster))
        if cluster is None or network is None:
            raise MissingError(
                "A cluster has no network",
                f"The network of {eks.name if cluster is None else aks.cluster.name} cannot be read.",
                "Run cloudlink init again.",
            )
        vpc = self._read(lambda: parse_vpc.vpc(aws.vpc(cluster.vpc)))
        vpc_ranges = vpc.ranges if vpc is not None else ()
        self._ranges(vpc_ranges, cluster.services, network.prefixes, aks.cluster, good, notes)

        there = azure_survey.gateway_range(network)
        taken = [p for s in network.subnets for p in s.prefixes]
        subnet = there or addressing.free_gateway_subnet(network.prefixes, taken)
        if subnet is None:
            raise MissingError(
                "There is no room for GatewaySubnet",
                f"The VNet {network.name} has no free /27.",
                f"az network vnet update --ids {network.id} --add addressSpace.addressPrefixes RANGE",
            )
        good.append(f"{subnet} is {'the GatewaySubnet of' if there else 'free for GatewaySubnet in'} {network.name}")

        gateway = self._gateway(aws, cluster.vpc)
        aws_asn = gateway.asn if gateway is not None and gateway.asn != 64_512 else None
        if gateway is not None:
            notes.append(f"{gateway.id} is attached to the VPC: it is adopted, and never deleted")
        pool = self._pool(aws)
        if pool:
            good.append(f"inside ranges are free in {', '.join(map(str, pool))}")

        exposed = self._exposed(aws, eks.name, cluster)
        balancers = self._read(lambda: aws_survey.internal_balancers(aws.load_balancers(), cluster.vpc))
        known = self._read(lambda: aws_survey.zones(aws.zones_of_vpc(cluster.vpc)))
        link = name or proposed_name(aks.cluster.name)
        chosen, adopted = proposed_zone(zone, [h for e in exposed for h in e.hosts], known, link)
        if adopted:
            notes.append(
                f"the zone {chosen} exists as {adopted}: it is adopted, and only cloudlink's records are touched in it"
            )
        found = [*proposed_hosts(chosen, balancers, exposed, notes), *given_hosts(hosts)]
        if not found:
            raise UsageError(
                "There is nothing to name",
                f"{eks.name} has no internal load balancer in {cluster.vpc}, and no --host was given.",
                "Name something in the VPC: --host postgres=10.0.0.5",
            )
        subscription = part(network.id, "subscriptions")
        location = network.location.replace(" ", "").lower()
        config = NewConfig(
            name=link,
            region=eks.region,
            vpc=cluster.vpc,
            eks=eks.name,
            profile=self.profile,
            cloud=self.cloud,
            subscription=subscription,
            location=location,
            vnet=network.name,
            vnet_group=part(network.id, "resourceGroups"),
            gateway_subnet=subnet,
            aks=aks.cluster.name,
            aks_group=part(aks.cluster.id, "resourceGroups"),
            aks_subscription="" if aks.subscription.id == subscription else aks.subscription.id,
            zone=chosen,
            hosts=tuple(found),
            aws_asn=aws_asn,
            azure_asn=65_010 if aws_asn == 65_000 else None,
            adopt_gateway=gateway.id if gateway is not None else "",
            adopt_zone=adopted,
            zones=self._zones(subscription, location),
            inside_pool=pool,
            beside=self._beside(aks, network.id),
        )
        return Proposal(config, tuple(good), tuple(notes))

    def _ranges(
        self,
        vpc: Sequence[IPv4Network],
        services: IPv4Network | None,
        vnet: Sequence[IPv4Network],
        aks: AksCluster,
        good: list[str],
        notes: list[str],
    ) -> None:
        named = addressing.NamedRange
        aws = [named("the VPC", r) for r in vpc] + ([named("EKS services", services)] if services else [])
        azure = [named("the VNet", r) for r in vnet] + [named("AKS pods", r) for r in aks.pod_ranges]
        azure += [named("AKS services", r) for r in aks.service_ranges]
        colliding = addressing.overlaps((aws, azure))
        notes += [f"{o} overlap: traffic to one would be swallowed by the other" for o in colliding]
        if not colliding:
            good.append("the ranges of both sides do not overlap")

    def _gateway(self, aws: Aws, vpc_id: str) -> parse_gateways.VpnGateway | None:
        found = self._read(lambda: parse_gateways.vpn_gateways(aws.vpn_gateways()))
        live = ("attached", "attaching")
        return next(
            (g for g in found if g.exists and any(a.vpc == vpc_id and a.state in live for a in g.attachments)), None
        )

    def _pool(self, aws: Aws) -> tuple[IPv4Network, ...]:
        """Empty: nothing in the default pool is in use."""
        held = self._read(lambda: parse_connections.vpn_connections(aws.vpn_connections()))
        return free_pool([IPv4Network(i) for c in held if c.exists for i in c.insides if i and i != "None"])

    def _exposed(self, aws: Aws, name: str, cluster: parse_cluster.Cluster) -> list[Exposed]:
        """Of the EKS cluster; without access to it the load balancers alone are there to propose."""
        from cloudlink.clouds.aws.permissions import role_of
        from cloudlink.clouds.kube import survey as kube_survey
        from cloudlink.clouds.kube.access import Access, eks_access
        from cloudlink.clouds.kube.client import Kube

        def access() -> Access:
            return eks_access(
                name,
                cluster.endpoint,
                cluster.authority,
                lambda: aws.eks_token(name).reveal(),
                sandbox=self.endpoints is not None,
                principal=lambda: role_of(aws),
            )

        try:
            return self._read(lambda: kube_survey.exposed(Kube(name, access, aws.cache)))
        except CloudlinkError as error:
            self.notes.append(f"Services and Ingresses of {name} could not be read: {error.summary}")
            return []

    def _zones(self, subscription: str, location: str) -> tuple[str, ...] | None:
        """None: the default, all three."""
        try:
            there = self._read(lambda: azure_survey.zones_of(self._azure, subscription, location))
        except CloudlinkError:
            return None
        return there if there is not None and there != ("1", "2", "3") else None


# --- proposals, from facts alone ------------------------------------------------------------------------------


def proposed_name(cluster: str) -> str:
    text = re.sub(r"[^a-z0-9]+", "-", cluster.lower()).strip("-")[:30].strip("-")
    return text if text[:1].isalpha() else f"link-{text}"[:30].strip("-")


def free_pool(used: Sequence[IPv4Network]) -> tuple[IPv4Network, ...]:
    """A /28 of each half of Azure's range that no tunnel uses; empty where none of the default's four is in use."""
    first = addressing.allocate(addressing.AZURE_INSIDE)
    if not any(inside.overlaps(other) for inside in first for other in used):
        return ()
    return tuple(
        next(part for part in half.subnets(new_prefix=_POOL_PREFIX) if not any(part.overlaps(u) for u in used))
        for half in addressing.AZURE_INSIDE
        if any(not any(part.overlaps(u) for u in used) for part in half.subnets(new_prefix=_POOL_PREFIX))
    )


def proposed_zone(asked: str, hosts: Sequence[str], known: Sequence[Zone], link: str) -> tuple[str, str]:
    """The zone, and the id of the one to adopt; its id is empty where the zone is to be made."""
    suffixes = [host.partition(".")[2] for host in hosts if host.count(".") >= 2]
    common = max(set(suffixes), key=lambda s: (suffixes.count(s), s)) if suffixes else ""
    zone = asked or common or f"{link}.internal"
    there = next((z.id for z in known if z.name == zone and not z.of_service), "")
    return zone, there


def proposed_hosts(
    zone: str, balancers: Sequence[Balancer], exposed: Sequence[Exposed], notes: list[str]
) -> Iterator[NewHost]:
    """Ingresses by their hosts, Services and other internal load balancers by their names; each name once."""
    internal = {b.dns_name for b in balancers}
    used: set[str] = set()
    covered: set[str] = set()
    made: list[NewHost] = []

    def add(label: str, key: str, target: str, ports: tuple[int, ...] = ()) -> None:
        plain = (
            label if label in ("*", "@") else ".".join(_LABEL.sub("-", p.lower()).strip("-") for p in label.split("."))
        )
        if plain and plain not in used:
            used.add(plain)
            made.append(NewHost(plain, key, target, ports))

    for item in exposed:
        if not internal & set(item.balancers):
            continue
        covered |= set(item.balancers)
        where = f"{item.namespace}/{item.name}"
        if item.kind == "service":
            label = item.name if item.name not in used else f"{item.name}-{item.namespace}"
            add(label, "kubernetes_service", where, item.ports)
            continue
        for host in item.hosts:
            if host == zone or host.endswith(f".{zone}"):
                add("@" if host == zone else host.removesuffix(f".{zone}"), "kubernetes_ingress", where)
            else:
                notes.append(f"{host} of the Ingress {where} is not below {zone}: it is left out")
        if not item.hosts:
            add(item.name, "kubernetes_ingress", where)
    for balancer in balancers:
        if balancer.dns_name not in covered:
            add(balancer.name, "load_balancer", balancer.name)
    if len(made) > MOST_HOSTS:
        notes.append(f"{len(made) - MOST_HOSTS} more load balancers are left out: add those that are needed")
    yield from made[:MOST_HOSTS]


def given_hosts(given: Iterable[str]) -> Iterator[NewHost]:
    """Raises UsageError."""
    for text in given:
        label, _, address = text.partition("=")
        try:
            addresses = [str(IPv4Address(a)) for a in address.split(",")]
        except ValueError:
            addresses = []
        if not label or not addresses:
            raise UsageError(
                "This is not a name and its address", f"--host {text} was given.", "Write it like postgres=10.0.0.5"
            )
        yield NewHost(label, "addresses", ",".join(addresses))
