"""A link as the sandbox's description of a world: what its clouds hold before cloudlink makes anything.

The keys are those of a world file of cloudlink-sandbox, which checks them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network
from typing import Any

from cloudlink.link import AddressTarget, Host, KubernetesTarget, Link, LoadBalancerTarget, SandboxFixtures

_ARN = re.compile(
    r"arn:[\w-]+:elasticloadbalancing:[\w-]+:\d+:loadbalancer/(?P<kind>app|net)/(?P<name>[\w-]+)/[0-9a-f]+"
)


def description(link: Link) -> dict[str, Any]:
    """Plain data for JSON. Raises ValueError for a link that was read without its [sandbox] part."""
    if link.sandbox is None:
        raise ValueError("the link has no [sandbox] part, so it is not known what its clouds hold")
    return {"aws": _aws(link, link.sandbox), "azure": _azure(link, link.sandbox)}


def _aws(link: Link, fixtures: SandboxFixtures) -> dict[str, Any]:
    aws, dns = link.aws, link.dns
    gateway = {"id": aws.adopt_gateway, "asn": aws.asn} if aws.adopt_gateway else None
    return {
        "region": aws.region,
        "vpc": aws.vpc_id,
        "cidrs": _texts(fixtures.vpc_cidrs),
        "eks_cluster": aws.eks_cluster,
        "eks_service_cidr": str(fixtures.eks_service_cidr),
        "eks_subnets": _texts(fixtures.eks_subnets),
        "load_balancer_subnets": _texts(fixtures.load_balancer_subnets),
        "subnet_ids": list(dns.endpoint_subnets or ()),
        "route_tables": list(aws.route_tables or ()),
        "vpn_gateway": gateway,
        "hosted_zones": [{"id": dns.adopt_zone, "name": dns.zone}] if dns.adopt_zone else [],
        "load_balancers": [
            {**_load_balancer(h.target), **_ports(h)} for h in dns.hosts if isinstance(h.target, LoadBalancerTarget)
        ],
        "services": [
            {"kind": h.target.kind, "namespace": h.target.namespace, "name": h.target.name, **_ports(h)}
            for h in dns.hosts
            if isinstance(h.target, KubernetesTarget)
        ],
        "servers": [
            {"address": str(address), "name": h.label, **_ports(h)}
            for h in dns.hosts
            if isinstance(h.target, AddressTarget)
            for address in h.target.addresses
        ],
    }


def _load_balancer(target: LoadBalancerTarget) -> dict[str, Any]:
    """An ARN says of which type it is; of a name it is guessed."""
    if arn := _ARN.fullmatch(target.name_or_arn):
        kind = "network" if arn["kind"] == "net" else "application"
        return {"name": arn["name"], "type": kind, "arn": target.name_or_arn}
    return {
        "name": target.name_or_arn,
        "type": "network" if "nlb" in target.name_or_arn.lower() else "application",
        "arn": None,
    }


def _ports(host: Host) -> dict[str, Any]:
    return {"ports": list(host.ports), "tls_ports": list(host.tls_ports)}


def _azure(link: Link, fixtures: SandboxFixtures) -> dict[str, Any]:
    """What cloudlink is to make itself is left out; the ranges that it will take are kept free."""
    azure = link.azure
    vnet = aks = None
    keep_free = [azure.gateway_subnet]
    if azure.new_network is None:
        vnet = {
            "name": azure.vnet,
            "resource_group": azure.vnet_resource_group,
            "prefixes": _texts(fixtures.vnet_prefixes),
            "aks_subnet": str(fixtures.aks_subnet) if fixtures.aks_subnet else None,
            "subscription": azure.vnet_in,
        }
    else:
        keep_free += azure.new_network.prefixes
    if azure.new_cluster is None:
        aks = {
            "name": azure.aks_cluster,
            "resource_group": azure.aks_resource_group,
            "version": fixtures.aks_version,
            "pod_cidr": str(fixtures.aks_pod_cidr),
            "service_cidr": str(fixtures.aks_service_cidr),
            "sign_in": fixtures.aks_sign_in,
            "subscription": azure.aks_in,
        }
    else:
        keep_free += (azure.new_cluster.pod_cidr, azure.new_cluster.service_cidr)
    return {
        "subscription": azure.subscription,
        "location": azure.location,
        "resource_groups": [] if azure.create_resource_group else [azure.resource_group],
        "vnet": vnet,
        "aks": aks,
        "keep_free": _texts(keep_free),
    }


def _texts(networks: Iterable[IPv4Network]) -> list[str]:
    return list(map(str, networks))
