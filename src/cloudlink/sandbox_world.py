"""A link as the sandbox's description of a world: what its clouds hold before cloudlink makes anything.

The keys are those of a world file of cloudlink-sandbox, which checks them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network
from typing import Any

from cloudlink.clouds.azure import body_dns
from cloudlink.link import (
    AddressTarget,
    ClusterPlace,
    Host,
    KubernetesTarget,
    Link,
    LoadBalancerTarget,
    SandboxFixtures,
)

_ARN = re.compile(
    r"arn:[\w-]+:elasticloadbalancing:[\w-]+:\d+:loadbalancer/(?P<kind>app|net)/(?P<name>[\w-]+)/[0-9a-f]+"
)


def description(link: Link) -> dict[str, Any]:
    """Plain data for JSON. Raises ValueError for a link that was read without its [sandbox] part."""
    if link.sandbox is None:
        raise ValueError("the link has no [sandbox] part, so it is not known what its clouds hold")
    world: dict[str, Any] = {"aws": _aws(link, link.sandbox), "azure": _azure(link, link.sandbox)}
    if (state := link.state) is not None:
        if state.store == "s3":
            world["aws"]["buckets"] = [{"name": state.bucket, "region": link.state_region or link.aws.region}]
        else:
            world["azure"]["blob_containers"] = [{"account": state.account, "name": state.bucket}]
    if (wire := link.sandbox.wire) is not None and wire != "none":
        subnet = link.sandbox.wire_gateway_subnet
        world["wire"] = {"kind": wire, "gateway_subnet": str(subnet) if subnet is not None else None}
    return world


def _aws(link: Link, fixtures: SandboxFixtures) -> dict[str, Any]:
    aws, dns = link.aws, link.dns
    adopted = {"id": aws.adopt_gateway, "asn": aws.asn} if aws.adopt_gateway else None
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
        "vpn_gateway": None if aws.transit else adopted,
        "transit_gateway": adopted if aws.transit else None,
        "hosted_zones": [{"id": z.adopt, "name": z.name} for z in dns.zones if z.adopt],
        "load_balancers": [
            {**_load_balancer(h.target), **_ports(h)}
            for _, h in dns.all_hosts
            if isinstance(h.target, LoadBalancerTarget)
        ],
        "services": [
            {"kind": h.target.kind, "namespace": h.target.namespace, "name": h.target.name, **_ports(h)}
            for _, h in dns.all_hosts
            if isinstance(h.target, KubernetesTarget)
        ],
        "servers": [
            {"address": str(address), "name": h.label, **_ports(h)}
            for _, h in dns.all_hosts
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
    gateway = azure.gateway_subnet or fixtures.wire_gateway_subnet or fixtures.gateway_subnet
    keep_free = [gateway] if gateway is not None else []
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
    more = [
        {
            "name": cluster.name,
            "resource_group": cluster.resource_group,
            "subscription": cluster.within,
            "version": fixtures.aks_version,
            "pod_cidr": str(fixtures.aks_pod_cidr),
            "service_cidr": str(fixtures.aks_service_cidr),
            "sign_in": fixtures.aks_sign_in,
            "vnet": _own_vnet(cluster, fixtures.peered[index]) if fixtures.peered else None,
        }
        for index, cluster in enumerate(azure.more_clusters)
    ]
    return {
        "subscription": azure.subscription,
        "location": azure.location,
        "resource_groups": [] if azure.create_resource_group else [azure.resource_group],
        "vnet": vnet,
        "aks": aks,
        "more_aks": more,
        "keep_free": _texts(keep_free),
        "calls": list(_private_zones(link, fixtures)) if azure.new_network is None else [],
        "vpn_gateway": _adopted_gateway(link, fixtures) if fixtures.gateway is not None else None,
    }


def _own_vnet(cluster: ClusterPlace, prefix: IPv4Network) -> dict[str, Any]:
    return {
        "name": f"{cluster.name}-vnet",
        "resource_group": cluster.resource_group,
        "prefixes": [str(prefix)],
        "subscription": cluster.within,
    }


_PRIVATE_ZONES = "Microsoft.Network/privateDnsZones"


def _private_zones(link: Link, fixtures: SandboxFixtures) -> Iterator[dict[str, Any]]:
    """The zones of [[dns.back]], linked to the VNet, with a record each; those in a subscription that the sandbox does not have
    are left out."""
    side = link.azure
    home = f"/subscriptions/{side.vnet_subscription}/resourceGroups/{side.vnet_resource_group}"
    vnet = f"{home}/providers/Microsoft.Network/virtualNetworks/{side.vnet}"
    homes = {side.subscription.lower(), side.vnet_subscription.lower()}
    address = str(fixtures.vnet_prefixes[0].broadcast_address - 9) if fixtures.vnet_prefixes else "10.255.255.9"
    for zone in link.dns.back:
        group = home
        if zone.private_zone is not None:
            group = "/".join(zone.private_zone.split("/")[:5])
            if zone.private_zone.split("/")[2].lower() not in homes:
                continue
            yield _call(group, {"location": side.location}, "2022-09-01")
        path = f"{group}/providers/{_PRIVATE_ZONES}/{zone.name}"
        yield _call(path, body_dns.private_zone())
        yield _call(f"{path}/virtualNetworkLinks/{side.vnet}", body_dns.zone_link(vnet))
        yield _call(f"{path}/A/sandbox", body_dns.address_record(address))


def _call(path: str, body: dict[str, Any], version: str = "2020-06-01") -> dict[str, Any]:
    return {"path": path, "method": "PUT", "body": json.dumps(body), "api_version": version}


def _adopted_gateway(link: Link, fixtures: SandboxFixtures) -> dict[str, Any]:
    """The gateway that the configuration says to adopt, made by somebody else in the VNet."""
    name, group = link.azure_gateway
    return {
        "name": name,
        "resource_group": group,
        "kind": fixtures.gateway,
        "subnet": str(fixtures.gateway_subnet),
    }


def _texts(networks: Iterable[IPv4Network]) -> list[str]:
    return list(map(str, networks))
