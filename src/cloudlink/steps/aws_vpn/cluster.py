"""The EKS cluster, looked up: its VPC, subnets and ranges."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.malformed import parsing
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

    @parsing("EKS's clusters")
    def read(self, outputs: Outputs) -> EksCluster:
        """Raises MissingError for a cluster that is not there, CloudError for one in another VPC or not running."""
        side = self.link.aws
        found = self.aws.eks_cluster(side.eks_cluster)
        if found is None:
            raise MissingError(
                "The EKS cluster does not exist",
                f"There is no cluster {side.eks_cluster} in {side.region}.",
                f"List them with: aws eks list-clusters --region {side.region}",
                resource=self.address,
            )
        network = found["resourcesVpcConfig"]
        if network["vpcId"] != side.vpc_id:
            raise CloudError(
                "The EKS cluster is in another VPC",
                f"{side.eks_cluster} is in {network['vpcId']}, but aws.vpc is {side.vpc_id}.",
                f'Set aws.vpc to "{network["vpcId"]}", or name another cluster.',
                resource=self.address,
            )
        if found["status"] not in ("ACTIVE", "UPDATING"):
            raise CloudError(
                "The EKS cluster is not running",
                f"{side.eks_cluster} is {found['status']}.",
                "Wait until it is ACTIVE, then run the command again.",
                resource=self.address,
            )
        services = found.get("kubernetesNetworkConfig", {}).get("serviceIpv4Cidr")
        return EksCluster(
            name=side.eks_cluster,
            vpc_id=network["vpcId"],
            subnets=tuple(network["subnetIds"]),
            service_cidr=IPv4Network(services) if services else None,
            endpoint=found["endpoint"],
            ca=found["certificateAuthority"]["data"],
            version=found["version"],
        )
