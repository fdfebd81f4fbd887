"""Signs in to both clouds and joins the clients that a run needs."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloudlink.core.plan import Accounts
from cloudlink.core.polling import Clock
from cloudlink.errors import AccessError, CloudlinkError, CredentialsError, MissingError, finding_of
from cloudlink.link import Link

if TYPE_CHECKING:
    from cloudlink.clouds.aws.client import Aws
    from cloudlink.clouds.azure.client import Azure
    from cloudlink.clouds.endpoints import Endpoints
    from cloudlink.clouds.kube.client import Kube
    from cloudlink.topology import Topology
from cloudlink.process import no_dumps, one_arena


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
    _topology: Topology | None = None

    @property
    def topology(self) -> Topology:
        if self._topology is None:
            from cloudlink.topology import build

            self._topology = build(self.link, self.aws, self.azure, self.aks, self.eks)
        return self._topology


def connect(link: Link, clock: Clock, endpoints: Endpoints | None) -> Clouds:
    """Sign in to both clouds. Raises CredentialsError with what to type."""
    one_arena()
    no_dumps()
    from cloudlink.clouds.aws.client import Aws
    from cloudlink.clouds.aws.permissions import role_of
    from cloudlink.clouds.azure.client import Azure
    from cloudlink.clouds.cache import ReadCache
    from cloudlink.clouds.kube.access import Access, aks_access, eks_access
    from cloudlink.clouds.kube.client import Kube
    from cloudlink.clouds.malformed import parsing

    cache = ReadCache(clock)
    aws = Aws(region=link.aws.region, profile=link.aws.profile, endpoints=endpoints, clock=clock, cache=cache)
    azure = Azure(link, endpoints, clock, cache)

    def aks() -> Access:
        return aks_access(azure.user_kubeconfig(), azure.token, sandbox=endpoints is not None)

    def eks() -> Access:
        cluster = aws.eks_cluster(link.aws.eks_cluster)
        if cluster is None:
            raise MissingError(
                "The EKS cluster does not exist",
                f"There is no EKS cluster {link.aws.eks_cluster} in {link.aws.region}.",
                f"aws eks list-clusters --region {link.aws.region}",
            )
        with parsing("EKS's clusters"):
            endpoint, authority = cluster["endpoint"], cluster["certificateAuthority"]["data"]
        return eks_access(
            link.aws.eks_cluster,
            endpoint,
            authority,
            lambda: aws.eks_token(link.aws.eks_cluster).reveal(),
            sandbox=endpoints is not None,
            principal=lambda: role_of(aws),
        )

    _sign_in(aws, azure)
    return Clouds(
        link, aws, azure, Kube(link.azure.aks_cluster, aks, cache), Kube(link.aws.eks_cluster, eks, cache), cache, clock
    )


def _sign_in(aws: Aws, azure: Azure) -> None:
    """Both clouds, so that what is wrong with either is said at once."""
    failed: list[CloudlinkError] = []
    for sign_in in (aws.sign_in, azure.sign_in):
        try:
            sign_in()
        except CloudlinkError as error:
            failed.append(error)
        except Exception as error:
            translated = aws.translate(error)
            if translated is None:
                raise
            failed.append(translated)
    if len(failed) == 1 and isinstance(failed[0], CredentialsError):
        # Azure's token is proved by getting it; keys of AWS only by using them
        try:
            aws.account()
        except Exception as error:  # noqa: BLE001 - only what is a missing sign-in matters here
            second = aws.translate(error)
            if isinstance(second, CredentialsError) and second.summary != failed[0].summary:
                failed.insert(0, second)
    if len(failed) > 1 and any(isinstance(e, CredentialsError) for e in failed):
        raise AccessError(tuple(finding_of(e) for e in failed))
    if failed:
        raise failed[0]


def accounts_of(clouds: Clouds) -> Accounts:
    """Whose clouds these are; what cannot be read is left empty."""
    from cloudlink.clouds.azure.credential import Identity

    principal, account, name, who, ends = "", "", "", Identity("", ""), None
    with contextlib.suppress(Exception):
        principal, account = clouds.aws.principal(), clouds.aws.account()
        ends = clouds.aws.session_end()
    with contextlib.suppress(Exception):
        who = clouds.azure.identity()
        name = clouds.azure.subscription_name()
    side = clouds.link.azure
    return Accounts(account, principal, ends, side.subscription, name, who.tenant or side.tenant or "", who.user)
