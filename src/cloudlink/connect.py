"""Signs in to both clouds and joins the clients that a run needs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

from cloudlink.core.object_store import ObjectStore
from cloudlink.core.plan import Accounts
from cloudlink.core.polling import Clock, Stopped, WallClock
from cloudlink.core.resource import Receipts
from cloudlink.errors import (
    AccessError,
    CloudError,
    CloudlinkError,
    CredentialsError,
    MissingError,
    NoContactError,
    finding_of,
    is_denial,
)
from cloudlink.link import ClusterPlace, Link, PrivateZone

if TYPE_CHECKING:
    from cloudlink.checks.preflight.context import Context
    from cloudlink.clouds.aws.client import Aws
    from cloudlink.clouds.azure.client import Azure
    from cloudlink.clouds.endpoints import Endpoints
    from cloudlink.clouds.kube.client import Kube
    from cloudlink.topology import ClusterBeside, Topology
from cloudlink.process import no_dumps, one_arena

_BEFORE_THE_SECOND_TRY = 2.0  # seconds


@dataclass
class Clouds:
    """Both clouds, both clusters and the topology over them. Clients are built on the main thread."""

    link: Link
    aws: Aws
    azure: Azure
    aks: Kube
    eks: Kube
    cache: Any
    clock: Clock
    receipts: Callable[[], Receipts] = Receipts  # of the state
    beside: tuple[ClusterBeside, ...] = ()  # the AKS clusters of the configuration beside the first
    further: Callable[[ClusterPlace], ClusterBeside] | None = None  # makes the clients of another one
    # of AKS clusters that the configuration names no more, once the topology is built:
    left: tuple[ClusterBeside, ...] = ()  # those whose key can be taken away
    stopped: tuple[ClusterBeside, ...] = ()  # those that cannot be asked now
    gone: tuple[str, ...] = ()  # ARM ids of those that exist no more
    _topology: Topology | None = None

    @property
    def clusters(self) -> tuple[ClusterBeside, ...]:
        """The AKS clusters of the configuration, the first one first."""
        return (self._first, *self.beside)

    @property
    def _first(self) -> ClusterBeside:
        from cloudlink.topology import ClusterBeside

        side = self.link.azure
        own = self.link.on(side.clusters[0]) if side.more_clusters else self.link
        return ClusterBeside(side.aks_cluster, own, self.azure, self.aks, self._reach)

    def on(self, address: str) -> ClusterBeside | None:
        """The AKS cluster whose CoreDNS a resource is of; None: it is no key of CoreDNS's."""
        from cloudlink.steps.dns_forward.step import FORWARD, address_on

        if address == FORWARD:
            return self._first
        return next((c for c in (*self.beside, *self.left) if address_on(c.label) == address), None)

    def on_each_cluster(self, context: Context) -> Context:
        """With what is looked at on each cluster, where there are several."""
        from cloudlink.steps.dns_forward.step import FORWARD, address_on

        if not self.beside:
            return context
        first, *others = self.clusters
        places = ((FORWARD, first), *((address_on(c.label), c) for c in others))
        each = {c.label: context.of_cluster(address, c.link, c.azure, c.aks) for address, c in places}
        return replace(context, clusters=each)

    @property
    def topology(self) -> Topology:
        if self._topology is None:
            from cloudlink.topology import build

            left, back = self._left_zones(), self._left_back()
            made = frozenset(a for a in ("aws_vpn.vpn_table", "aws_vpn.blackholes") if a in self.receipts())
            self._find_left_clusters()
            self._topology = build(
                self.link,
                self.aws,
                self.azure,
                self.aks,
                self.eks,
                self._reach,
                left,
                back,
                left_transit=made,
                beside=(*self.beside, *self.left),
            )
        return self._topology

    def _find_left_clusters(self) -> None:
        """Clusters that are no more in the configuration and have the link's key still. One that is gone has taken the key with it,
        and the pods of one that is stopped ask nobody."""
        from cloudlink.steps.dns_forward.clusters import left_clusters

        left, stopped, gone = [], [], []
        for place in left_clusters(self.link, self.receipts()) if self.further is not None else ():
            assert self.further is not None
            one = self.further(place)
            try:
                there = one.azure.aks_cluster() is not None
            except Exception as error:
                if self.azure.translate(error) is None:
                    raise
                there = True  # what reads its key in the run meets the same, and says so
            if not there:
                gone.append(one.azure.aks_id)
            elif one.azure.aks_power().lower() == "stopped":
                stopped.append(one)
            else:
                left.append(replace(one, left=True))
        self.left, self.stopped, self.gone = tuple(left), tuple(stopped), tuple(gone)

    def _left_zones(self) -> tuple[PrivateZone, ...]:
        from cloudlink.steps.resolver.hosted_zone import left_zones

        try:
            return left_zones(self.link, self.aws, self.receipts())
        except Exception as error:
            if self.aws.translate(error) is None:
                raise
            return ()  # what reads the zones in the run meets the same, and says so

    def _left_back(self) -> tuple[str, ...] | None:
        from cloudlink.steps.resolver.back import left_back

        try:
            return left_back(self.link, self.aws, self.receipts())
        except Exception as error:
            if self.aws.translate(error) is None:
                raise
            return () if self.link.dns.back else None  # the same

    def _reach(self, addresses: tuple[IPv4Address, ...]) -> None:
        _prove(self.link, self.aks, self.clock, "", addresses)


def _prove(link: Link, aks: Kube, clock: Clock, label: str, addresses: tuple[IPv4Address, ...]) -> None:
    """label: of the cluster; empty: the first."""
    from cloudlink.checks.names.reach import prove
    from cloudlink.steps.dns_forward.step import FORWARD, address_on

    prove(link, aks, clock, addresses, address_on(label) if label else FORWARD)


def connect(link: Link, clock: Clock, endpoints: Endpoints | None) -> Clouds:
    """Sign in to both clouds. Raises CredentialsError with what to type."""
    one_arena()
    no_dumps()
    from cloudlink.clouds.aws import parse_cluster
    from cloudlink.clouds.aws.client import Aws
    from cloudlink.clouds.aws.permissions import role_of
    from cloudlink.clouds.azure.client import Azure
    from cloudlink.clouds.cache import ReadCache
    from cloudlink.clouds.kube.access import Access, aks_access, eks_access
    from cloudlink.clouds.kube.client import Kube
    from cloudlink.clouds.kube.contexts import of_aks, of_eks
    from cloudlink.topology import ClusterBeside

    cache = ReadCache(clock)
    aws = Aws(region=link.aws.region, profile=link.aws.profile, endpoints=endpoints, clock=clock, cache=cache)
    azure = Azure(link, endpoints, clock, cache)

    def aks_of(azure: Azure) -> Access:
        return aks_access(azure.user_kubeconfig(), azure.token, sandbox=endpoints is not None)

    def context_of(place: ClusterPlace) -> str:
        return of_aks(link, place, sandbox=endpoints is not None).name

    def beside(place: ClusterPlace) -> ClusterBeside:
        own = link.on(place)
        side = azure.beside(own)
        kube = Kube(
            place.name,
            partial(aks_of, side),
            cache.part(side.aks_id.lower()),
            beside=side.aks_id,
            context=context_of(place),
        )
        label = link.azure.label_of(place)
        return ClusterBeside(label, own, side, kube, partial(_prove, own, kube, clock, label))

    def eks() -> Access:
        cluster = parse_cluster.cluster(aws.eks_cluster(link.aws.eks_cluster))
        if cluster is None:
            raise MissingError(
                "The EKS cluster does not exist",
                f"There is no EKS cluster {link.aws.eks_cluster} in {link.aws.region}.",
                f"aws eks list-clusters --region {link.aws.region}",
            )
        if not cluster.endpoint:
            raise CloudError(
                "The EKS cluster is not running",
                f"{link.aws.eks_cluster} is {cluster.status} and has no API yet.",
                "Wait until it is ACTIVE, then run the command again.",
            )
        return eks_access(
            link.aws.eks_cluster,
            cluster.endpoint,
            cluster.authority,
            lambda: aws.eks_token(link.aws.eks_cluster).reveal(),
            sandbox=endpoints is not None,
            principal=lambda: role_of(aws),
            by_config_map=cluster.by_config_map,
        )

    _sign_in(aws, azure, clock, ask=endpoints is None)
    link = _over_what_exists(link, azure)
    return Clouds(
        link,
        aws,
        azure,
        Kube(link.azure.aks_cluster, partial(aks_of, azure), cache, context=context_of(link.azure.clusters[0])),
        Kube(link.aws.eks_cluster, eks, cache, "eks", context=of_eks(link, sandbox=endpoints is not None).name),
        cache,
        clock,
        beside=tuple(map(beside, link.azure.more_clusters)),
        further=beside,
    )


def _over_what_exists(link: Link, azure: Azure) -> Link:
    """The link with the number of instances and the AS number that an adopted gateway of Azure's has; as it is configured,
    where the gateway cannot be read, which the plan says."""
    from cloudlink.clouds.azure import parse_gateway

    if link.azure.adopt_gateway is None:
        return link
    try:
        raw = azure.gateway()
        found = parse_gateway.gateway(raw) if raw else None
    except Exception as error:
        if not isinstance(error, CloudlinkError) and azure.translate(error) is None:
            raise
        return link
    if found is None:
        return link
    return link.over_gateway(found.asn or link.azure.asn, 2 if found.active_active else 1)


def topology_unasked(link: Link) -> Topology:
    """The topology over clients that nobody signs in with: for what its nodes say of themselves, such as permissions."""
    from cloudlink.clouds.aws.client import Aws
    from cloudlink.clouds.azure.client import Azure
    from cloudlink.clouds.cache import ReadCache
    from cloudlink.clouds.kube.access import Access
    from cloudlink.clouds.kube.client import Kube
    from cloudlink.topology import ClusterBeside, build

    def refuse() -> Access:
        raise AssertionError("this topology asks nobody")

    clock = WallClock()
    cache = ReadCache(clock)
    kube, azure = Kube("", refuse, cache), Azure(link, None, clock, cache)
    beside = tuple(
        ClusterBeside(link.azure.label_of(c), own := link.on(c), azure.beside(own), kube, lambda _: None)
        for c in link.azure.more_clusters
    )
    return build(link, Aws(region=link.aws.region, clock=clock), azure, kube, kube, beside=beside)


def state_store(link: Link, endpoints: Endpoints | None, clock: Clock) -> ObjectStore:
    """Where the link's state is kept. Nothing is asked and nobody signs in before it is first used."""
    assert link.state is not None
    no_dumps()
    where = link.state
    if where.store == "s3":
        from cloudlink.clouds.aws.client import Aws
        from cloudlink.clouds.aws.state_store import S3Store

        region = link.state_region or link.aws.region
        return S3Store(
            Aws(region=region, profile=link.aws.profile, endpoints=endpoints, clock=clock), where.bucket, where.key
        )
    from cloudlink.clouds.azure.session import AzureSession
    from cloudlink.clouds.azure.state_store import BlobStore

    return BlobStore(
        AzureSession(link.azure, endpoints),
        link.azure,
        where.account,
        where.bucket,
        where.key,
        base_url=endpoints.blob_url if endpoints is not None else "",
    )


def _sign_in(aws: Aws, azure: Azure, clock: Clock, *, ask: bool) -> None:
    """Both clouds, so that what is wrong with either is said at once, and before anything waits for an answer.

    ask: put one question to each as well, for keys of AWS are proved by using them only, and a network that is not there
    would otherwise be found by forty reads that each wait for it. A sandbox, which is on this machine, is not asked.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="sign-in") as pool:
        of_aws, asked = _trouble(aws, aws.sign_in), None
        if ask and of_aws is None:  # while az is at work
            asked = pool.submit(_trouble, aws, lambda: _contact(aws.contact, clock))
        of_azure = _trouble(azure, azure.sign_in)
        if ask and of_azure is None:
            of_azure = _trouble(azure, lambda: _contact(azure.contact, clock))
        if asked is not None:
            of_aws = _of_the_region(aws, asked.result())
    raise_joined([error for error in (of_aws, of_azure) if error is not None])


def raise_joined(failed: Sequence[CloudlinkError]) -> None:
    """What keeps the clouds from being asked, as one error; nothing, where nothing does. A missing sign-in says what is wrong with
    each. A network or a proxy that is in the way of both clouds is one thing, and no sign-in."""
    if len(failed) > 1 and any(isinstance(e, CredentialsError) for e in failed):
        raise AccessError(tuple(f for e in failed for f in (e.findings or (finding_of(e),))))
    if failed:
        raise failed[0]


def missing_sign_ins(link: Link, clock: Clock) -> AccessError | None:
    """Asks both of the real clouds; what is wrong with them where it is more than one thing."""
    from cloudlink.clouds.aws.client import Aws
    from cloudlink.clouds.azure.client import Azure
    from cloudlink.clouds.cache import ReadCache

    aws = Aws(region=link.aws.region, profile=link.aws.profile, clock=clock)
    try:
        _sign_in(aws, Azure(link, None, clock, ReadCache(clock)), clock, ask=True)
    except AccessError as error:
        return error
    except CloudlinkError:
        return None
    return None


def _trouble(cloud: Aws | Azure, call: Callable[[], None]) -> CloudlinkError | None:
    """What keeps the call from succeeding; None: nothing."""
    try:
        call()
    except CloudlinkError as error:
        return error
    except Exception as error:
        translated = cloud.translate(error)
        if translated is None:
            raise
        return translated
    return None


def _contact(ask: Callable[[], None], clock: Clock) -> None:
    """Raises what keeps a cloud from being asked at all: no connection, a sign-in that it refuses, or no such account. Any other answer is
    left to those who read: they try again what may pass, and know which object they want."""
    for again in (True, False):
        try:
            ask()
        except CredentialsError as error:
            if not is_denial(error):
                raise
        except NoContactError:
            if again:  # a network that changes just now, such as a VPN that is being joined
                if clock.wait(_BEFORE_THE_SECOND_TRY):
                    raise Stopped from None
                continue
            raise
        except MissingError:
            raise  # the whole subscription: nothing in it can be read
        except CloudlinkError:
            pass
        return


def _of_the_region(aws: Aws, error: CloudlinkError | None) -> CloudlinkError | None:
    """A region that is not enabled refuses keys as if they were wrong."""
    from cloudlink.checks.preflight import region

    if not isinstance(error, CredentialsError):
        return error
    return region.explain(error, aws.region, aws.home_region, aws.region_states) or error


def accounts_of(clouds: Clouds) -> Accounts:
    """Whose clouds these are; what cannot be read is left empty."""
    from cloudlink.clouds.azure.credential import Identity

    principal, account, name, who = "", "", "", Identity("", "")
    aws_ends, azure_ends = None, None
    with contextlib.suppress(Exception):
        principal, account = clouds.aws.principal(), clouds.aws.account()
        aws_ends = clouds.aws.lasting().ends
    with contextlib.suppress(Exception):
        who = clouds.azure.identity()
        azure_ends = clouds.azure.lasting().ends
        name = clouds.azure.subscription().name
    side = clouds.link.azure
    tenant = who.tenant or side.tenant or ""
    return Accounts(account, principal, aws_ends, side.subscription, name, tenant, who.user, azure_ends)
