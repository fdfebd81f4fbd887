"""The VPC's two DNS settings, without which a private zone does not answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from cloudlink.clouds.aws import resolver
from cloudlink.clouds.aws.client import Aws
from cloudlink.core.permissions import Permissions
from cloudlink.core.resource import (
    Observed,
    Outputs,
    Ownership,
    Phase,
    Receipts,
    Resource,
    Started,
    Timing,
)
from cloudlink.errors import MissingError
from cloudlink.link import Link
from cloudlink.steps.outputs import Nothing
from cloudlink.steps.permissions import iam

_CHANGE = iam("ec2:ModifyVpcAttribute", "vpc")


@dataclass(frozen=True)
class VpcDnsSpec:
    support: bool
    hostnames: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class VpcDns(Resource[VpcDnsSpec, Nothing]):
    """Both settings must be on, or private zones are not served in the VPC. Restored on teardown if changed here.

    https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/hosted-zone-private-considerations.html
    """

    link: Link
    aws: Aws
    timing: ClassVar[Timing] = Timing(create=2, update=2, delete=2, deadline=120)
    permissions: ClassVar[Permissions] = Permissions(
        read=(iam("ec2:DescribeVpcAttribute"),),
        create=(_CHANGE,),
        update=(_CHANGE,),
        delete=(_CHANGE,),
        owner_only="change the VPC's DNS settings",
    )

    def spec(self, outputs: Outputs) -> VpcDnsSpec:
        return VpcDnsSpec(support=True, hostnames=True)

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[VpcDnsSpec, Nothing] | None:
        """None: the VPC is gone."""
        vpc = self.link.aws.vpc_id
        hostnames = resolver.dns_setting(self.aws, vpc, "hostnames", fresh=fresh)
        # Assumption: host names on implies support on, since AWS turns the former on only where the latter is. It saves
        # a call at every read; should it ever be wrong, verify-dns shows it.
        support = True if hostnames else resolver.dns_setting(self.aws, vpc, "support", fresh=fresh)
        if support is None or hostnames is None:
            return None
        return Observed(vpc, Phase.READY, VpcDnsSpec(support, hostnames), Nothing(), Ownership.SHARED)

    def prior_state(self, found: Observed[VpcDnsSpec, Nothing] | None) -> Any:
        if found is None or found.spec is None:
            return None
        return {"support": found.spec.support, "hostnames": found.spec.hostnames}

    def create(self, spec: VpcDnsSpec) -> Started:
        raise MissingError(
            "The VPC does not exist",
            f"There is no {self.link.aws.vpc_id} in {self.link.aws.region}.",
            "Correct aws.vpc.",
            resource=self.address,
        )

    def update(self, found: Observed[VpcDnsSpec, Nothing], spec: VpcDnsSpec) -> Started:
        """AWS takes one setting in a call, and host names only where support is on."""
        assert found.spec is not None
        if found.spec.support != spec.support:
            self._set("support", on=spec.support)
        else:
            self._set("hostnames", on=spec.hostnames)
        return Started(found.id)

    def delete(self, found: Observed[VpcDnsSpec, Nothing], prior_state: Any) -> Started | None:
        if not isinstance(prior_state, Mapping) or found.spec is None:
            return None  # it was never altered here
        support, hostnames = prior_state.get("support"), prior_state.get("hostnames")
        if not (isinstance(support, bool) and isinstance(hostnames, bool)):
            return None  # another note than ours
        wanted = VpcDnsSpec(support, hostnames)
        if found.spec == wanted:
            return None
        if found.spec.hostnames != wanted.hostnames and not wanted.hostnames:
            self._set("hostnames", on=False)
        if found.spec.support != wanted.support:
            self._set("support", on=wanted.support)
        if found.spec.hostnames != wanted.hostnames and wanted.hostnames:
            self._set("hostnames", on=True)
        return Started(found.id)

    def _set(self, setting: resolver.Setting, *, on: bool) -> None:
        resolver.set_dns_setting(self.aws, self.link.aws.vpc_id, setting, on=on)
