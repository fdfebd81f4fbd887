"""Turns a document without mistakes into a Link."""

from __future__ import annotations

from ipaddress import IPv4Network

from cloudlink import addressing
from cloudlink.config import schema
from cloudlink.config.fixtures import fixtures
from cloudlink.config.reading import Document, Values, ZoneValues
from cloudlink.ipsec import IpsecPolicy
from cloudlink.link import (
    AddressTarget,
    AwsSide,
    AzureSide,
    AzureSubnet,
    BackZone,
    ClusterPlace,
    DnsSide,
    Host,
    Link,
    LoadBalancerTarget,
    NewCluster,
    NewNetwork,
    PrivateZone,
    ProbeSettings,
    Target,
    Tunnel,
)

_TLS_BY_CUSTOM = (443, 8443)


def build(document: Document, *, sandbox: bool) -> Link:
    return Link(
        name=document[schema.NAME],
        aws=_aws(document),
        azure=_azure(document),
        policy=_policy(document),
        tunnels=_tunnels(document),
        dns=DnsSide(
            zone=document[schema.ZONE],
            hosts=tuple(map(_host, document.hosts)),
            endpoint_subnets=document[schema.ENDPOINT_SUBNETS],
            adopt_zone=document[schema.HOSTED_ZONE],
            record_ttl=document[schema.TTL],
            more_zones=tuple(map(_zone, document.zones)),
            forward=document[schema.FORWARD],
            outbound_subnet=document[schema.OUTBOUND_SUBNET],
            back=tuple(BackZone(v[schema.BACK_ZONE], v[schema.BACK_ID]) for v in document.backs),
            inbound_subnet=document[schema.INBOUND_SUBNET],
        ),
        probe=_probe(document),
        sandbox=fixtures(document) if sandbox else None,
        state=document[schema.STATE_LOCATION],
        state_region=document[schema.STATE_REGION],
        tags=document[schema.TAGS],
        transport=document[schema.TRANSPORT],
    )


def _aws(document: Document) -> AwsSide:
    return AwsSide(
        region=document[schema.AWS_REGION],
        profile=document[schema.AWS_PROFILE],
        vpc_id=document[schema.AWS_VPC],
        eks_cluster=document[schema.AWS_CLUSTER],
        asn=document[schema.AWS_ASN],
        gateway=document[schema.AWS_GATEWAY] or "create",
        route_tables=document[schema.AWS_ROUTE_TABLES],
        psk_storage=document[schema.PSK_STORAGE],
        bandwidth=document[schema.BANDWIDTH],
        limit_routes=bool(document[schema.LIMIT_ROUTES]),
        blackholes=_sorted(document[schema.BLACKHOLES]),
    )


def _sorted(ranges: tuple[IPv4Network, ...] | None) -> tuple[IPv4Network, ...]:
    return tuple(sorted(set(ranges or ())))


def _probe(document: Document) -> ProbeSettings:
    return ProbeSettings(
        image=document[schema.PROBE_IMAGE],
        namespace=document[schema.PROBE_NAMESPACE],
        tolerations=document[schema.PROBE_TOLERATIONS],
        node_selector=document[schema.PROBE_NODE_SELECTOR],
        labels=document[schema.PROBE_LABELS],
        annotations=document[schema.PROBE_ANNOTATIONS],
        requests=document[schema.PROBE_REQUESTS],
        limits=document[schema.PROBE_LIMITS],
        image_pull_secret=document[schema.PROBE_PULL_SECRET],
        service_account=document[schema.PROBE_SERVICE_ACCOUNT],
    )


def _azure(document: Document) -> AzureSide:
    group = document[schema.AZURE_GROUP]
    return AzureSide(
        cloud=document[schema.AZURE_CLOUD],
        tenant=document[schema.AZURE_TENANT],
        subscription=document[schema.AZURE_SUBSCRIPTION],
        resource_group=group,
        location=document[schema.AZURE_LOCATION],
        vnet=document[schema.VNET_NAME],
        vnet_resource_group=document[schema.VNET_GROUP] or group,
        gateway_subnet=document.get(schema.GATEWAY_SUBNET),
        sku=document[schema.GATEWAY_SKU],
        zones=document[schema.GATEWAY_ZONES],
        asn=document[schema.GATEWAY_ASN],
        aks_cluster=document[schema.AKS_NAME],
        aks_resource_group=document[schema.AKS_GROUP] or group,
        create_resource_group=document[schema.AZURE_CREATE_GROUP],
        new_network=_new_network(document),
        new_cluster=_new_cluster(document),
        vnet_in=_other(document[schema.VNET_SUBSCRIPTION], document[schema.AZURE_SUBSCRIPTION]),
        adopt_gateway=document[schema.GATEWAY_ADOPT],
        aks_in=_other(document[schema.AKS_SUBSCRIPTION], document[schema.AZURE_SUBSCRIPTION]),
        more_clusters=tuple(cluster(document, values) for values in document.clusters),
    )


def cluster(document: Document, values: Values) -> ClusterPlace:
    """One of [[azure.clusters]]; what it leaves out is as for the first."""
    group = values[schema.CLUSTER_GROUP] or document[schema.AKS_GROUP] or document[schema.AZURE_GROUP]
    subscription = values[schema.CLUSTER_SUBSCRIPTION] or document[schema.AKS_SUBSCRIPTION]
    return ClusterPlace(values[schema.CLUSTER_NAME], group, _other(subscription, document[schema.AZURE_SUBSCRIPTION]))


def _other(subscription: str | None, links: str) -> str | None:
    """None for the link's own, whether it is named again or left out."""
    return None if subscription is None or subscription.lower() == links.lower() else subscription


def _new_network(document: Document) -> NewNetwork | None:
    prefixes = document[schema.VNET_PREFIXES]
    if not document[schema.VNET_CREATE] or prefixes is None:
        return None
    subnet = AzureSubnet(document[schema.CLUSTER_SUBNET_NAME], document[schema.CLUSTER_SUBNET_PREFIX])
    return NewNetwork(prefixes=prefixes, cluster_subnet=subnet)


def _new_cluster(document: Document) -> NewCluster | None:
    if not document[schema.AKS_CREATE]:
        return None
    return NewCluster(
        node_count=document[schema.AKS_NODE_COUNT],
        node_size=document[schema.AKS_NODE_SIZE],
        kubernetes_version=document[schema.AKS_VERSION],
        pod_cidr=document[schema.AKS_POD_CIDR],
        service_cidr=document[schema.AKS_SERVICE_CIDR],
    )


def _policy(document: Document) -> IpsecPolicy:
    return IpsecPolicy(
        ike_encryption=document[schema.IKE_ENCRYPTION],
        ike_integrity=document[schema.IKE_INTEGRITY],
        ike_group=document[schema.IKE_GROUP],
        esp_encryption=document[schema.ESP_ENCRYPTION],
        esp_integrity=document[schema.ESP_INTEGRITY],
        pfs_group=document[schema.PFS_GROUP],
        sa_lifetime=document[schema.SA_LIFETIME],
        sa_kilobytes=document[schema.SA_KILOBYTES],
        dpd_timeout=document[schema.DPD_TIMEOUT],
    )


def _tunnels(document: Document) -> tuple[Tunnel, Tunnel, Tunnel, Tunnel]:
    """Tunnels 1 and 2 belong to the first VPN connection, 3 and 4 to the second."""
    pool, inside = document[schema.INSIDE_POOL], document[schema.INSIDE_CIDRS]
    if inside is None:
        inside = addressing.allocate(pool or addressing.AZURE_INSIDE)
    first, second, third, fourth = inside
    return Tunnel(0, 0, first), Tunnel(1, 0, second), Tunnel(2, 1, third), Tunnel(3, 1, fourth)


def _zone(zone: ZoneValues) -> PrivateZone:
    return PrivateZone(
        name=zone.values[schema.ZONE],
        hosts=tuple(map(_host, zone.hosts)),
        adopt=zone.values[schema.HOSTED_ZONE],
        record_ttl=zone.values[schema.TTL],
    )


def _host(values: Values) -> Host:
    ports, tls = values[schema.HOST_PORTS], values[schema.HOST_TLS_PORTS]
    return Host(
        label=values[schema.HOST_NAME],
        target=_target(values),
        ports=ports,
        tls_ports=tuple(port for port in ports if port in _TLS_BY_CUSTOM) if tls is None else tls,
    )


def _target(values: Values) -> Target:
    if name_or_arn := values[schema.HOST_LOAD_BALANCER]:
        return LoadBalancerTarget(name_or_arn)
    if addresses := values[schema.HOST_ADDRESSES]:
        return AddressTarget(addresses)
    target = values[schema.HOST_SERVICE] or values[schema.HOST_INGRESS]
    assert target is not None, "checks allow exactly one target"
    return target
