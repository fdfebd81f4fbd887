"""EKS, as far as a link reads it: clusters that exist."""

from __future__ import annotations

from typing import Any

from cloudlink_sandbox.aws import eks_versions
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.handlers import Handlers
from cloudlink_sandbox.aws.objects import Cluster
from cloudlink_sandbox.aws.plain import Plain
from cloudlink_sandbox.aws.timeline import as_datetime


class EksHandlers(Handlers):
    def __init__(self) -> None:
        super().__init__(service_name="eks")

    def _cluster_json(self, cluster: Cluster) -> dict[str, Any]:
        account = self.cloud.account
        identity = f"{cluster.region}.amazonaws.com/id/SANDBOX"
        return {
            "name": cluster.name,
            "arn": f"arn:aws:eks:{cluster.region}:{account}:cluster/{cluster.name}",
            "createdAt": as_datetime(cluster.made),
            "version": cluster.version,
            "endpoint": self.cloud.eks_endpoint(cluster.region, cluster.name),
            "roleArn": f"arn:aws:iam::{account}:role/{cluster.name}-cluster",
            "resourcesVpcConfig": {
                "subnetIds": list(cluster.subnet_ids),
                "securityGroupIds": [],
                "clusterSecurityGroupId": cluster.security_group_id,
                "vpcId": cluster.vpc_id,
                "endpointPublicAccess": True,
                "endpointPrivateAccess": True,
                "publicAccessCidrs": ["0.0.0.0/0"],
            },
            "kubernetesNetworkConfig": {"serviceIpv4Cidr": str(cluster.service_cidr), "ipFamily": "ipv4"},
            "logging": {"clusterLogging": []},
            "identity": {"oidc": {"issuer": f"https://oidc.eks.{identity}"}},
            "status": cluster.status,
            "certificateAuthority": {"data": self.cloud.eks_certificate()},
            "platformVersion": "eks.1",
            "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"},
            "tags": dict(cluster.tags),
        }

    def describe_cluster(self) -> Plain:
        name = self.given("name")
        cluster = self.cloud.clusters.get((self.region, name))
        if cluster is None:
            raise ApiError("ResourceNotFoundException", f"No cluster found for name: {name}.", 404)
        return Plain({"cluster": self._cluster_json(cluster)})

    def describe_cluster_versions(self) -> Plain:
        """https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeClusterVersions.html"""
        if (kind := self.given("clusterType") or "eks") != "eks":
            raise ApiError("InvalidParameterException", f"Clusters of type {kind} are not modelled by the sandbox.")
        names = self.querystring.get("clusterVersions") or []
        if unknown := sorted(set(names) - {v.name for v in eks_versions.VERSIONS}):
            raise ApiError("InvalidParameterException", f"unsupported Kubernetes version: {', '.join(unknown)}")
        wanted = str(self.given("versionStatus") or self.given("status") or "").upper().replace("-", "_")
        everything = _said(self.given("includeAll")) or bool(names)
        found = [
            v
            for v in eks_versions.shown(self.now, everything=everything)
            if (not names or v["clusterVersion"] in names)
            and wanted in ("", v["versionStatus"])
            and (v["defaultVersion"] or not _said(self.given("defaultOnly")))
        ]
        return Plain({"clusterVersions": found})

    def list_clusters(self) -> Plain:
        token = self.given("nextToken") or "0"
        if not token.isdecimal():
            raise ApiError("InvalidParameterException", "The token is not valid.")
        size, start = int(self.given("maxResults", 100)), int(token)
        names = sorted(name for region, name in self.cloud.clusters if region == self.region)
        result: dict[str, Any] = {"clusters": names[start : start + size]}
        if start + size < len(names):
            result["nextToken"] = str(start + size)
        return Plain(result)


def _said(value: Any) -> bool:
    """A flag of a query, which is text."""
    return str(value).lower() == "true"
