"""What AWS says of an EKS cluster, as a frozen fact."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network

from cloudlink.clouds.aws.fields import AwsObject, networks, part, parts, text, text_or, texts
from cloudlink.clouds.malformed import parsing

RUNNING = ("ACTIVE", "UPDATING")


@dataclass(frozen=True)
class Cluster:
    vpc: str
    subnets: tuple[str, ...]  # in the order in which EKS names them
    services: IPv4Network | None
    status: str = "ACTIVE"
    # of its Kubernetes API; empty while there is none
    endpoint: str = ""
    authority: str = ""  # base64 PEM
    version: str = ""
    # whether it knows identities by its ConfigMap aws-auth alone, and takes no access entries
    by_config_map: bool = False
    # networks outside AWS in which it has nodes and pods (hybrid nodes)
    remote: tuple[IPv4Network, ...] = ()
    # who may ask its API from outside the VPC: whether anybody may, and from which ranges
    public_access: bool = True
    public_ranges: tuple[str, ...] = ()
    elsewhere: str = ""  # who runs a cluster that is registered with EKS and is in no VPC; empty: EKS does

    @property
    def running(self) -> bool:
        return self.status in RUNNING


def _remote(config: AwsObject) -> tuple[IPv4Network, ...]:
    """https://docs.aws.amazon.com/eks/latest/APIReference/API_RemoteNetworkConfigResponse.html"""
    named = [*parts(config, "remoteNodeNetworks"), *parts(config, "remotePodNetworks")]
    return networks(c for n in named for c in texts(n, "cidrs"))


@parsing("EKS's clusters")
def cluster(found: AwsObject | None) -> Cluster | None:
    if found is None:
        return None
    network = part(found, "resourcesVpcConfig")
    status = text(found, "status")
    said = text if status in RUNNING else text_or
    if connector := part(found, "connectorConfig"):
        return Cluster(
            vpc="", subnets=(), services=None, status=status, elsewhere=text_or(connector, "provider") or "another"
        )
    services = networks([text_or(part(found, "kubernetesNetworkConfig"), "serviceIpv4Cidr")])
    return Cluster(
        vpc=text(network, "vpcId"),
        subnets=texts(network, "subnetIds"),
        services=next(iter(services), None),
        status=status,
        endpoint=said(found, "endpoint"),
        authority=said(part(found, "certificateAuthority"), "data"),
        version=said(found, "version"),
        remote=_remote(part(found, "remoteNetworkConfig")),
        public_access=network.get("endpointPublicAccess") is not False,
        public_ranges=texts(network, "publicAccessCidrs"),
        by_config_map=text_or(part(found, "accessConfig"), "authenticationMode") == "CONFIG_MAP",
    )
