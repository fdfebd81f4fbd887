"""The EKS cluster, looked up: its VPC, subnets and ranges."""

from __future__ import annotations

from dataclasses import dataclass

from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_cluster import cluster
from cloudlink.core.resource import (
    Lookup,
    Outputs,
)
from cloudlink.errors import CloudError, MissingError
from cloudlink.link import Link
from cloudlink.steps.outputs import EksCluster


@dataclass(frozen=True, kw_only=True, eq=False)
class EksClusterLookup(Lookup[EksCluster]):
    link: Link
    aws: Aws

    def read(self, outputs: Outputs) -> EksCluster:
        """Raises MissingError for a cluster that is not there, CloudError for one in another VPC or not running."""
        side = self.link.aws
        found = cluster(self.aws.eks_cluster(side.eks_cluster))
        if found is None:
            raise MissingError(
                "The EKS cluster does not exist",
                f"There is no cluster {side.eks_cluster} in {side.region}.",
                f"aws eks list-clusters --region {side.region}",
                resource=self.address,
            )
        if found.elsewhere:
            raise CloudError(
                "The EKS cluster is in no VPC",
                f"{side.eks_cluster} is registered with EKS (EKS Connector) and runs elsewhere ({found.elsewhere}), so that no VPC "
                "leads to it.",
                "Name a cluster that EKS runs in the VPC: aws eks list-clusters --include all shows both kinds.",
                resource=self.address,
            )
        if found.vpc != side.vpc_id:
            raise CloudError(
                "The EKS cluster is in another VPC",
                f"{side.eks_cluster} is in {found.vpc}, but aws.vpc is {side.vpc_id}.",
                f'Set aws.vpc to "{found.vpc}", or name another cluster.',
                resource=self.address,
            )
        if not found.running:
            raise CloudError(
                "The EKS cluster is not running",
                f"{side.eks_cluster} is {found.status}.",
                "Wait until it is ACTIVE, then run the command again.",
                resource=self.address,
            )
        return EksCluster(
            name=side.eks_cluster,
            vpc_id=found.vpc,
            subnets=found.subnets,
            service_cidr=found.services,
            endpoint=found.endpoint,
            ca=found.authority,
            version=found.version,
        )
