"""What people write for a key of ours: the words of Terraform, of the clouds' own tools and of the field.

A spelling that is merely close is found without this; here stand those that are not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_GATEWAY_RANGE = "azure.vpn_gateway.subnet_prefix"
_PREFIXES = "azure.vnet.prefixes"

# table -> (word in it -> path of the key or table that is meant; in a repeated table: its own key)
OTHER_WORDS: Mapping[str, Mapping[str, str]] = {
    "": {
        "link_name": "name",
        "zone": "dns.zone",
        "kubernetes": "azure.aks",
        "eks": "aws.eks_cluster",
        "vpc": "aws.vpc",
        "gateway": "azure.vpn_gateway",
        "ipsec": "vpn.policy",
        "records": "dns.hosts",
        "names": "dns.hosts",
        "hosts": "dns.hosts",
        "host": "dns.hosts",
        "zones": "dns.zones",
    },
    "aws": {
        "eks": "aws.eks_cluster",
        "eks_name": "aws.eks_cluster",
        "eks_cluster_name": "aws.eks_cluster",
        "cluster_name": "aws.eks_cluster",
        "location": "aws.region",
        "bgp_asn": "aws.asn",
        "amazon_side_asn": "aws.asn",
        "transit_gateway": "aws.gateway",
        "transit_gateway_id": "aws.gateway",
        "tgw": "aws.gateway",
        "tgw_id": "aws.gateway",
        "vgw": "aws.gateway",
        "vgw_id": "aws.gateway",
        "vpn_gateway": "aws.gateway",
        "vpn_gateway_id": "aws.gateway",
        "subnets": "dns.endpoint_subnets",
        "subnet_ids": "dns.endpoint_subnets",
    },
    "azure": {
        "region": "azure.location",
        "rg": "azure.resource_group",
        "gateway": "azure.vpn_gateway",
        "vnet_gateway": "azure.vpn_gateway",
        "virtual_network_gateway": "azure.vpn_gateway",
        "adopt_gateway": "azure.vpn_gateway.adopt",
        "gateway_subnet": _GATEWAY_RANGE,
        "aks_cluster": "azure.aks",
        "aks_name": "azure.aks.name",
        "cluster": "azure.aks",
        "vnet_name": "azure.vnet.name",
        "virtual_network": "azure.vnet",
        "network": "azure.vnet",
        "directory": "azure.tenant",
        "environment": "azure.cloud",
    },
    "azure.vnet": {
        "gateway_subnet": _GATEWAY_RANGE,
        "gateway_subnet_prefix": _GATEWAY_RANGE,
        "cidr": _PREFIXES,
        "address_space": _PREFIXES,
        "address_prefix": _PREFIXES,
        "address_prefixes": _PREFIXES,
        "ranges": _PREFIXES,
        "rg": "azure.vnet.resource_group",
    },
    "azure.vpn_gateway": {
        "subnet": _GATEWAY_RANGE,
        "subnet_cidr": _GATEWAY_RANGE,
        "gateway_subnet": _GATEWAY_RANGE,
        "gateway_subnet_prefix": _GATEWAY_RANGE,
        "prefix": _GATEWAY_RANGE,
        "cidr": _GATEWAY_RANGE,
        "address_prefix": _GATEWAY_RANGE,
        "name": "azure.vpn_gateway.adopt",
        "id": "azure.vpn_gateway.adopt",
        "existing": "azure.vpn_gateway.adopt",
        "size": "azure.vpn_gateway.sku",
        "bgp_asn": "azure.vpn_gateway.asn",
        "availability_zones": "azure.vpn_gateway.zones",
    },
    "azure.aks": {
        "cluster": "azure.aks.name",
        "cluster_name": "azure.aks.name",
        "rg": "azure.aks.resource_group",
    },
    "link": {"name": "name", "tags": "tags", "kind": "link.transport", "type": "link.transport"},
    "vpn": {
        "psk_store": "vpn.psk_storage",
        "inside_cidr": "vpn.inside_cidrs",
        "inside_ranges": "vpn.inside_cidrs",
        "phase1": "vpn.policy",
        "phase2": "vpn.policy",
        "ike": "vpn.policy",
        "esp": "vpn.policy",
        "ipsec": "vpn.policy",
        "ipsec_policy": "vpn.policy",
    },
    "dns": {
        "domain": "dns.zone",
        "private_zone": "dns.zone",
        "zone_name": "dns.zone",
        "zone_id": "dns.hosted_zone",
        "records": "dns.hosts",
        "names": "dns.hosts",
    },
    "dns.hosts": {
        "host": "name",
        "hostname": "name",
        "record": "name",
        "fqdn": "name",
        "dns_name": "name",
        "target": "load_balancer",
        "lb": "load_balancer",
        "nlb": "load_balancer",
        "alb": "load_balancer",
        "elb": "load_balancer",
        "arn": "load_balancer",
        "ip": "addresses",
        "ips": "addresses",
        "service": "kubernetes_service",
        "svc": "kubernetes_service",
        "k8s_service": "kubernetes_service",
        "ingress": "kubernetes_ingress",
        "k8s_ingress": "kubernetes_ingress",
    },
    "dns.zones": {"name": "zone", "domain": "zone", "zone_name": "zone"},
}


def plain(word: str) -> str:
    """Without capitals, hyphens and underscores: ``eksCluster``, ``eks-cluster`` and ``eks_cluster`` are one."""
    return re.sub(r"[^a-z0-9]", "", word.lower())


def meant(table: str, word: str) -> str:
    """Path of the key or table that is written so in this table; empty: none that is known of."""
    found = {plain(other): path for other, path in OTHER_WORDS.get(_OF.get(table, table), {}).items()}.get(
        plain(word), ""
    )
    return f"{table}.{found}" if found and table in _REPEATED else found


_REPEATED = ("dns.hosts", "dns.zones", "dns.zones.hosts")  # whose words lead to keys of their own
_OF = {"dns.zones.hosts": "dns.hosts"}
