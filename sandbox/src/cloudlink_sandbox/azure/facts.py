"""The Azure side as the world reads it: what is in force now, in the neutral words of ``sandbox.facts``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network

from cloudlink_sandbox.azure import admin_rules
from cloudlink_sandbox.azure.asn import DEFAULT
from cloudlink_sandbox.azure.dns_resolvers import inbound_endpoints, vnet_rules
from cloudlink_sandbox.azure.exchange import Json
from cloudlink_sandbox.azure.express_route import express_routes, is_express_route
from cloudlink_sandbox.azure.fields import address
from cloudlink_sandbox.azure.ids import ResourceId, parse
from cloudlink_sandbox.azure.ipsec_policies import proposals
from cloudlink_sandbox.azure.local_gateways import CONNECTION
from cloudlink_sandbox.azure.private_zones import linked_zones
from cloudlink_sandbox.azure.routing_and_filtering import overriding, rules_of, user_routes
from cloudlink_sandbox.azure.store import Record, Store
from cloudlink_sandbox.azure.vnets import GATEWAY, SUBNET, VNET, peering_back, prefixes_of
from cloudlink_sandbox.azure.vpn_gateways import speakers_of
from cloudlink_sandbox.facts import (
    AksCluster,
    AksPool,
    AzureConnection,
    AzureFacts,
    AzureGateway,
    AzureInstance,
    Vnet,
    VnetSubnet,
)

# https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-about-vpn-devices
_DEFAULT_SA_SECONDS = 27_000.0

# The address of the sandbox's user on the internet, as the API servers of AKS see it.
CALLER = IPv4Address("198.51.100.10")

# cluster -> (URL of its API server, PEM of the authority that signed its certificate, a token that it accepts)
AksEndpoint = Callable[[AksCluster], tuple[str, str, str]]


def facts_of(store: Store) -> AzureFacts:
    gateways = {str(r.id): g for r in store.of_type(GATEWAY) if (g := _gateway(store, r)) is not None}
    connections = tuple(c for r in store.of_type(CONNECTION) if (c := _connection(store, r)) is not None)
    clusters = tuple(
        cluster_facts(store, r)
        for r in store.of_type("Microsoft.ContainerService/managedClusters")
        if r.effective is not None
    )
    vnets = {str(r.id): _vnet(store, r) for r in store.of_type(VNET) if r.effective is not None}
    return AzureFacts(
        vnets,
        gateways,
        connections,
        clusters,
        express_routes(store),
        vnet_rules(store),
        linked_zones(store),
        inbound_endpoints(store),
    )


def _deleting(store: Store, record: Record) -> bool:
    return store.state_of(record) == "Deleting"


def _canonical(store: Store, text: str) -> str:
    record = store.find(parse(text))
    return str(record.id) if record is not None else text


def _gateway(store: Store, record: Record) -> AzureGateway | None:
    """None as long as a public address or its subnet is missing, which validation prevents."""
    kept = record.effective or record.properties
    bgp = kept["bgpSettings"]
    custom = {e["ipconfigurationId"].lower(): e["customBgpIpAddresses"] for e in bgp["bgpPeeringAddresses"]}
    subnet_id = parse(kept["ipConfigurations"][0]["properties"]["subnet"]["id"])
    subnet = store.find(subnet_id)
    if subnet is None:
        return None
    network = IPv4Network(prefixes_of(subnet.properties)[0])
    instances = []
    for i, config in enumerate(speakers_of(kept["ipConfigurations"], kept["activeActive"])):
        ip = store.find(parse(config["properties"]["publicIPAddress"]["id"]))
        value = address(ip.properties.get("ipAddress")) if ip is not None else None
        if value is None:
            return None
        default = network.network_address + 4 + i if kept["activeActive"] else network.broadcast_address - 1
        instances.append(
            AzureInstance(
                config=config["name"].lower(),
                public_ip=value,
                default_bgp=default,
                custom_bgp=tuple(IPv4Address(a) for a in custom.get(config["id"].lower(), [])),
                working=not store.context.faults.active("instance-down", str(value)),
            )
        )
    return AzureGateway(
        id=str(record.id),
        asn=bgp["asn"] or DEFAULT,
        active_active=kept["activeActive"],
        instances=tuple(instances),
        vnet_id=_canonical(store, str(subnet_id.parent())),
        ready=record.effective is not None and not _deleting(store, record),
        bgp=bool(kept["enableBgp"]),
        ready_at=record.changed_at,
    )


def _connection(store: Store, record: Record) -> AzureConnection | None:
    kept = record.effective or record.properties
    if is_express_route(kept):
        return None
    gateway = store.find(parse(kept["virtualNetworkGateway1"]["id"]))
    local = store.find(parse(kept["localNetworkGateway2"]["id"]))
    if gateway is None or local is None:
        return None
    peer = local.effective or local.properties
    peer_ip = address(peer.get("gatewayIpAddress"))
    if peer_ip is None:
        return None  # named by FQDN: this sandbox resolves none
    bgp = peer.get("bgpSettings") or {}
    mode = kept["connectionMode"]
    custom = {
        parse_config(e["ipConfigurationId"]): IPv4Address(e["customBgpIpAddress"])
        for e in kept["gatewayCustomBgpIpAddresses"]
    }
    return AzureConnection(
        id=str(record.id),
        name=record.name,
        gateway_id=str(gateway.id),
        peer_ip=peer_ip,
        peer_bgp=address(bgp.get("bgpPeeringAddress")),
        peer_asn=int(bgp.get("asn", 0)),
        psk=kept["sharedKey"],
        proposals=proposals(kept["ipsecPolicies"], kept["connectionProtocol"]),
        initiates=mode != "ResponderOnly",
        responds=mode != "InitiatorOnly",
        own_pfs=None if kept["ipsecPolicies"] else frozenset({0}),
        sa_seconds=kept["ipsecPolicies"][0]["saLifeTimeSeconds"] if kept["ipsecPolicies"] else _DEFAULT_SA_SECONDS,
        any_traffic=not kept["usePolicyBasedTrafficSelectors"],
        bgp=kept["enableBgp"],
        custom_bgp=custom,
        ready=record.effective is not None and not _deleting(store, record),
        changed_at=max(record.changed_at, local.changed_at, gateway.changed_at),
    )


def parse_config(text: str) -> str:
    """The name of an ipConfiguration, in lower case, from its id."""
    return text.rsplit("/", 1)[-1].lower()


def _vnet(store: Store, record: Record) -> Vnet:
    prefixes = _prefixes(record)
    advertised = list(prefixes)
    for peering in store.children(record.id, "virtualNetworkPeerings"):
        advertised += _reached_through(store, record, peering)
    return Vnet(
        id=str(record.id),
        prefixes=prefixes,
        advertised=tuple(advertised),
        subnets=tuple(_subnet(store, s) for s in store.children(record.id, "subnets")),
        hubs=tuple(_hubs(store, record)),
        dns_servers=tuple(IPv4Address(s) for s in (record.properties.get("dhcpOptions") or {}).get("dnsServers", ())),
    )


def _prefixes(record: Record) -> tuple[IPv4Network, ...]:
    kept: Json = record.effective or record.properties
    return tuple(IPv4Network(p) for p in kept["addressSpace"]["addressPrefixes"])


def _reached_through(store: Store, record: Record, peering: Record) -> tuple[IPv4Network, ...]:
    """The peer's prefixes, when this side lends its gateway and the other side uses it."""
    remote, back = _other_half(store, record, peering)
    if remote is None or back is None:
        return ()
    lends = peering.properties["allowGatewayTransit"] and back.properties["useRemoteGateways"]
    return _prefixes(remote) if lends else ()


def _hubs(store: Store, record: Record) -> Iterator[str]:
    """The VNets that lend this one their gateway."""
    for peering in store.children(record.id, "virtualNetworkPeerings"):
        remote, back = _other_half(store, record, peering)
        if remote is None or back is None:
            continue
        if peering.properties["useRemoteGateways"] and back.properties["allowGatewayTransit"]:
            yield str(remote.id)


def _other_half(store: Store, record: Record, peering: Record) -> tuple[Record | None, Record | None]:
    """The VNet on the other side, and its peering; none while packets do not pass between the two."""
    remote = store.find(parse(peering.properties["remoteVirtualNetwork"]["id"]))
    back = peering_back(store, remote, record.id.key) if remote is not None else None
    if back is None or peering.top.get("disconnected") or back.top.get("disconnected"):
        return None, None
    if not (peering.properties["allowVirtualNetworkAccess"] and back.properties["allowVirtualNetworkAccess"]):
        return None, None
    return remote, back


def _subnet(store: Store, record: Record) -> VnetSubnet:
    kept = record.effective or record.properties
    table = store.find(parse(kept["routeTable"]["id"])) if "routeTable" in kept else None
    group = store.find(parse(kept["networkSecurityGroup"]["id"])) if "networkSecurityGroup" in kept else None
    return VnetSubnet(
        id=str(record.id),
        prefixes=tuple(IPv4Network(p) for p in prefixes_of(kept)),
        propagates=table is None or not table.properties["disableBgpRoutePropagation"],
        routes=user_routes(table) if table is not None else (),
        beating=overriding(table) if table is not None else frozenset(),
        leaving=rules_of(group, "Outbound") if group is not None else (),
        entering=rules_of(group, "Inbound") if group is not None else (),
        managed_leaving=admin_rules.rules_of(store, record.id, "Outbound"),
        managed_entering=admin_rules.rules_of(store, record.id, "Inbound"),
    )


def cluster_facts(store: Store, record: Record) -> AksCluster:
    """A cluster without a subnet of its own has the VNet that AKS makes: 10.224.0.0/12 with 10.224.0.0/16 for nodes."""
    kept = record.effective or record.properties
    network = kept["networkProfile"]
    pools = kept["agentPoolProfiles"]
    subnet_text = pools[0].get("vnetSubnetID", "")
    subnet = store.find(parse(subnet_text)) if subnet_text else None
    nodes_in = IPv4Network(prefixes_of(subnet.properties)[0]) if subnet else IPv4Network("10.224.0.0/16")
    if subnet is not None and subnet.is_type(SUBNET):
        subnet_id, vnet_id = str(subnet.id), _canonical(store, str(subnet.id.parent()))
    else:
        hidden = ResourceId(
            record.id.subscription,
            kept["nodeResourceGroup"],
            "Microsoft.Network",
            ("virtualNetworks",),
            (f"aks-vnet-{kept['resourceUID'][:8]}",),
        )
        subnet_id, vnet_id = str(hidden.child("subnets", "aks-subnet")), str(hidden)
    overlay = "podCidr" in network
    count = sum(p["count"] for p in pools)
    return AksCluster(
        id=str(record.id),
        name=record.name,
        vnet_id=vnet_id,
        subnet_id=subnet_id,
        node_addresses=tuple(nodes_in.network_address + 4 + i for i in range(min(count, nodes_in.num_addresses - 5))),
        pod_cidr=IPv4Network(network["podCidr"]) if overlay else nodes_in,
        service_cidr=IPv4Network(network["serviceCidr"]),
        dns_service=IPv4Address(network["dnsServiceIP"]),
        source="node" if overlay else "pod",
        version=kept["currentKubernetesVersion"],
        pools=tuple(_pool(p) for p in pools),
        unreachable=_unreachable(kept),
        policy_engine=_policy_engine(network),
        pod_environment=_proxy_variables(kept.get("httpProxyConfig") or {}),
    )


def _proxy_variables(config: Json) -> tuple[tuple[str, str], ...]:
    if config.get("enabled") is False:
        return ()
    named = {
        "HTTP_PROXY": config.get("httpProxy"),
        "HTTPS_PROXY": config.get("httpsProxy"),
        "NO_PROXY": ",".join(config.get("effectiveNoProxy") or ()),
    }
    return tuple((n, str(value)) for name, value in named.items() if value for n in (name, name.lower()))


def _policy_engine(network: Json) -> str:
    chosen = str(network.get("networkPolicy", "none"))
    return chosen if chosen != "none" else "own" if network["networkPlugin"] == "none" else ""


def _pool(kept: Json) -> AksPool:
    """A ``p`` among the letters of a VM's size, as in D4ps_v5, is Arm.

    https://learn.microsoft.com/azure/virtual-machines/vm-naming-conventions
    """
    letters = re.fullmatch(r"[A-Za-z]+_[A-Z]+\d+(?:-\d+)?([a-z]*).*", kept["vmSize"])
    return AksPool(
        kept["name"],
        kept["count"],
        tuple(kept.get("nodeTaints") or ()),
        tuple((kept.get("nodeLabels") or {}).items()),
        str(kept["osType"]).lower(),
        "arm64" if letters and "p" in letters[1] else "amd64",
    )


def _unreachable(kept: Json) -> str:
    access = kept.get("apiServerAccessProfile") or {}
    if kept["powerState"]["code"] == "Stopped":
        return "the cluster is stopped"
    if access.get("enablePrivateCluster"):
        return "the cluster is private"
    ranges = [IPv4Network(r, strict=False) for r in access.get("authorizedIPRanges") or ()]
    if ranges and not any(CALLER in r for r in ranges):
        return f"{CALLER} is in none of the authorised ranges"
    return ""
