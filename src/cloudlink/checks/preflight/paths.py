"""The way of a packet between the cluster and the gateway: routes of the cluster's subnets, peerings of hub and spoke.

Said before anything is built, and by status of what exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network

from cloudlink.checks.preflight.azure_facts import AzureFacts
from cloudlink.clouds.azure.parse_network import GATEWAY_SUBNET, Peering, Route, RouteTable, Subnet, Vnet
from cloudlink.clouds.azure.parse_pieces import last, part, vnet_of
from cloudlink.errors import Finding, Mistake, Severity
from cloudlink.link import Link

TOPIC = "azure"
EVERYTHING = IPv4Network("0.0.0.0/0")
_NO_ROUTES = "The cluster's subnet does not take the gateway's routes"
_NOT_USED = "The cluster's VNet does not use the gateway"


def standing(facts: AzureFacts, link: Link) -> Iterator[Finding]:
    """What keeps packets from their way although nothing is to be built."""
    yield from cluster_routes(facts, link)
    yield from gateway_routes(facts)
    yield from transit(facts, link)


def keeps_away(found: Finding) -> bool:
    """Whether a link that exists does not carry the cluster's packets for this. Before it exists, some of it is no
    obstacle: a flag that can be set only afterwards, a firewall that may pass them on."""
    return found.severity is Severity.OBSTACLE or found.summary in (_NO_ROUTES, _NOT_USED)


def finding(
    severity: Severity, summary: str, detail: str, hint: str = "", *, key: str = "", mistake: Mistake | None = None
) -> Finding:
    return Finding(
        TOPIC, severity, summary, detail, hint, key=key or (mistake.path if mistake else ""), mistake=mistake
    )


def gateway_routes(facts: AzureFacts) -> Iterator[Finding]:
    """The route table of GatewaySubnet. Routes for single ranges in it, such as a spoke's through a firewall, are legal.

    https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-about-vpn-gateway-settings#gwsub
    """
    subnet = facts.vnet.subnet(GATEWAY_SUBNET) if facts.vnet else None
    if subnet is None:
        return
    table = table_of(subnet, facts.tables)
    if table is None:
        return
    if default := next((r for r in table.routes if r.range == EVERYTHING), None):
        yield finding(
            Severity.OBSTACLE,
            "GatewaySubnet has a default route of its own",
            f"The route {default.name} of {table.name} sends 0.0.0.0/0 to {hop(default)}; Azure supports no such route on "
            "GatewaySubnet, because the gateway's own traffic would follow it.",
            f"az network route-table route delete {az_where(table.id)} --route-table-name {table.name} --name {default.name}",
            key="azure.vnet.name",
        )
    if not table.propagates:
        yield finding(
            Severity.OBSTACLE,
            "GatewaySubnet keeps the gateway's routes out",
            f"{table.name}, the route table of GatewaySubnet, does not take the routes that the gateway learns "
            "(disableBgpRoutePropagation), so the gateway would not work.",
            az_propagate(table),
            key="azure.vnet.name",
        )
    for route in _losing(table, facts):
        yield finding(
            Severity.OBSTACLE,
            "A route of GatewaySubnet leads away from the cluster",
            f"{table.name}, the route table of GatewaySubnet, sends {route.prefix} to {hop(route)} (route {route.name}): that is where the "
            "gateway's packets for the cluster's nodes and pods go, so that no answer of AWS arrives.",
            f"az network route-table route delete {az_where(table.id)} --route-table-name {table.name} --name {route.name}",
            key="azure.vnet.name",
        )


def _losing(table: RouteTable, facts: AzureFacts) -> Iterator[Route]:
    """Routes that drop what the gateway sends to the cluster. A wider one than the VNet's own range loses against that."""
    homes = [prefix for vnet in vnets_of(facts) for prefix in vnet.prefixes]
    aims = [prefix for subnet in cluster_subnets(facts) for prefix in subnet.prefixes]
    for route in table.routes:
        if route.range is None or route.next_hop.lower() not in ("none", "internet"):
            continue
        if any(route.range.subnet_of(home) for home in homes) and any(route.range.overlaps(aim) for aim in aims):
            yield route


# --- routes of the cluster's subnets ------------------------------------------------------------------------------------


def cluster_routes(facts: AzureFacts, link: Link) -> Iterator[Finding]:
    """Whether a packet of a node or pod for AWS goes to the gateway: the most specific route wins, and of two that are
    alike the user's own. https://learn.microsoft.com/azure/virtual-network/virtual-networks-udr-overview"""
    seen: set[str] = set()
    if facts.cluster and facts.cluster.outbound.lower() == "userdefinedrouting" and not facts.tables:
        yield finding(
            Severity.WARNING,
            "The cluster routes by a table of its own",
            f"{link.azure.aks_cluster} routes by its own table (userDefinedRouting), which could not be read; it must take "
            "the routes of the gateway.",
        )
    for subnet in cluster_subnets(facts):
        table = table_of(subnet, facts.tables)
        if table is None or table.id.lower() in seen:
            continue
        seen.add(table.id.lower())
        yield from _one_table(table, subnet, facts.vpc)


def cluster_subnets(facts: AzureFacts) -> tuple[Subnet, ...]:
    """The subnets of the cluster that could be read."""
    wanted = facts.cluster.subnets if facts.cluster else ()
    found = (v.subnet(s) for s in wanted for v in vnets_of(facts) if v.is_at(vnet_of(s)))
    return tuple(s for s in found if s is not None)


def _one_table(table: RouteTable, subnet: Subnet, vpc: Sequence[IPv4Network]) -> Iterator[Finding]:
    ours = f"{table.name}, the route table of the cluster's subnet {subnet.name},"
    for wanted in vpc:
        own = [
            r
            for r in table.routes
            if r.range is not None and (r.range != EVERYTHING or r.beats_bgp) and r.range.overlaps(wanted)
        ]
        # a wider route loses against the one that the gateway learned, unless that one is kept out or beaten
        deciding = [
            r for r in own if r.range is not None and (r.range.subnet_of(wanted) or r.beats_bgp or not table.propagates)
        ]
        lost = [r for r in deciding if r.next_hop.lower() in ("internet", "none", "vnetlocal")]
        through = [r for r in deciding if r.next_hop.lower() == "virtualappliance"]
        whole = any(r.range is not None and wanted.subnet_of(r.range) for r in own)
        if lost:
            route = lost[0]
            yield finding(
                Severity.OBSTACLE,
                "A route of the cluster's subnet leads away from AWS",
                f"{ours} sends {route.prefix} to {hop(route)} (route {route.name}), so packets for the VPC's {wanted} do not "
                "go to the gateway.",
                f"az network route-table route delete {az_where(table.id)} --route-table-name {table.name} --name {route.name}",
            )
        elif through:
            route = through[0]
            yield finding(
                Severity.WARNING,
                "Packets for AWS go through an appliance",
                f"{ours} sends {route.prefix} to {hop(route)} (route {route.name}). That appliance must pass them on to the "
                "gateway, and GatewaySubnet needs a route for the cluster's range through it, or answers take another "
                "way and a firewall drops them.",
            )
        elif not table.propagates and not (whole and any(r.next_hop.lower() == "virtualnetworkgateway" for r in own)):
            default = next((r for r in table.routes if r.range == EVERYTHING), None)
            rest = (
                f" They go to {hop(default)} with everything else, and whether they get on from there cannot be seen."
                if default is not None and default.next_hop.lower() == "virtualappliance"
                else ""
            )
            yield finding(
                Severity.WARNING if rest else Severity.OBSTACLE,
                _NO_ROUTES,
                f"{ours} has gateway route propagation off (disableBgpRoutePropagation), so packets for the VPC's {wanted} "
                f"do not go to the gateway.{rest}",
                az_propagate(table),
            )
            return  # the same for every range


def hop(route: Route) -> str:
    words = {
        "virtualappliance": "the appliance",
        "none": "nowhere",
        "internet": "the internet",
        "vnetlocal": "the VNet",
    }
    word = words.get(route.next_hop.lower(), route.next_hop)
    return f"{word} {route.address}".strip()


def az_propagate(table: RouteTable) -> str:
    return (
        f"az network route-table update {az_where(table.id)} --name {table.name} --disable-bgp-route-propagation false"
    )


# --- hub and spoke ------------------------------------------------------------------------------------------------------


def transit(facts: AzureFacts, link: Link) -> Iterator[Finding]:
    """A cluster in another VNet than the gateway's: both halves of the peering must be there and have their flag.

    https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-peering-gateway-transit
    """
    hub = facts.vnet
    if hub is None or facts.cluster is None:
        return
    known = {v.id.lower(): v for v in vnets_of(facts)}
    for id_ in facts.cluster.vnets:
        if not hub.is_at(id_):
            yield from _pair(hub, id_, known.get(id_.lower()), facts, link)


def _pair(hub: Vnet, spoke_id: str, spoke: Vnet | None, facts: AzureFacts, link: Link) -> Iterator[Finding]:
    name, cluster = last(spoke_id), facts.cluster.name if facts.cluster else ""
    far = hub.peering_with(spoke_id)
    if far is None:
        same = (
            f" The names are alike: perhaps azure.vnet.resource_group ({link.azure.vnet_resource_group}) or "
            f"azure.vnet.subscription ({link.azure.vnet_subscription}) is not the one that is meant."
            if name.lower() == hub.name.lower()
            else ""
        )
        yield finding(
            Severity.OBSTACLE,
            "The cluster's VNet is not peered with the gateway's",
            f"{cluster} is in {spoke_id}, which has no peering with {hub.name}, so that its pods could not reach the "
            f"gateway.{same}",
            f"{_az_peer(hub.id, spoke_id, 'allow-gateway-transit')}\n{_az_peer(spoke_id, hub.id, 'allow-forwarded-traffic')}",
            key="azure.vnet.name",
        )
        return
    near = spoke.peering_with(hub.id) if spoke else None
    broken = [p for p in (far, near) if p is not None and not p.connected]
    if broken:
        one = broken[0]
        rest = (
            "one half was deleted: delete the other as well, and make both"
            if one.state.lower() == "disconnected"
            else "its other half is missing"
        )
        yield finding(
            Severity.OBSTACLE,
            "The peering of the cluster's VNet is not connected",
            f"The peering {one.name} of {last(one.vnet_id)} is {one.state or 'in no known state'}: {rest}.",
            f"{_az_delete(far)}\n{_az_peer(hub.id, spoke_id, 'allow-gateway-transit')}\n"
            + (f"{_az_delete(near)}\n" if near else "")
            + _az_peer(spoke_id, hub.id, "allow-forwarded-traffic"),
            key="azure.vnet.name",
        )
        return
    yield from _flags(hub, name, far, near, spoke, facts)


def _flags(
    hub: Vnet, name: str, far: Peering, near: Peering | None, spoke: Vnet | None, facts: AzureFacts
) -> Iterator[Finding]:
    if not far.lends_gateway:
        yield finding(
            Severity.OBSTACLE,
            "The gateway's VNet does not lend its gateway",
            f"The peering {far.name} of {hub.name} does not allow gateway transit (allowGatewayTransit), so {name}, the "
            "cluster's VNet, cannot reach AWS through the gateway.",
            az_peering(far, "allowGatewayTransit=true"),
            key="azure.vnet.name",
        )
    if not far.access or (near is not None and not near.access):
        closed = far if not far.access or near is None else near
        yield finding(
            Severity.OBSTACLE,
            "The peering lets no traffic through",
            f"The peering {closed.name} of {last(closed.vnet_id)} does not allow access (allowVirtualNetworkAccess).",
            az_peering(closed, "allowVirtualNetworkAccess=true"),
            key="azure.vnet.name",
        )
    if near is not None and not near.uses_gateway:
        other = next((p for p in spoke.peerings if p.uses_gateway), None) if spoke else None
        if other is not None:
            yield finding(
                Severity.OBSTACLE,
                "The cluster's VNet uses another gateway",
                f"The peering {other.name} of {name} uses the gateway of {last(other.remote_id)}, and a VNet can use one "
                f"only, so not that of {hub.name}.",
                f"Name {last(other.remote_id)} in azure.vnet, or: {az_peering(other, 'useRemoteGateways=false')}",
                key="azure.vnet.name",
            )
        else:
            when = "" if facts.gateway else " Azure takes it only once the gateway is there: set it after cloudlink up."
            yield finding(
                Severity.WARNING,
                _NOT_USED,
                f"The peering {near.name} of {name} does not use the gateway of {hub.name} (useRemoteGateways), so the "
                f"cluster's pods do not reach AWS, and AWS has no way back to {name}.{when}",
                az_peering(near, "useRemoteGateways=true"),
                key="azure.vnet.name",
            )
    yield from _left_out(hub, far, near, facts)
    for half in (far, near):
        if half is not None and half.sync and half.sync.lower() != "fullyinsync":
            lacking = [str(r) for r in half.remote_ranges if r not in half.seen_ranges]
            more = f": {', '.join(lacking)} of the other side is not reached yet" if lacking else ""
            yield finding(
                Severity.WARNING,
                "The peering is not in sync",
                f"The peering {half.name} of {last(half.vnet_id)} is {half.sync}{more}.",
                f"az network vnet peering sync {az_where(half.vnet_id)} --vnet-name {last(half.vnet_id)} --name {half.name}",
            )


def _left_out(hub: Vnet, far: Peering, near: Peering | None, facts: AzureFacts) -> Iterator[Finding]:
    """Subnet peering: what the gateway and the cluster are in must be among the subnets that are peered."""
    used = {
        last(s) for s in (facts.cluster.subnets if facts.cluster else ()) if vnet_of(s).lower() == far.remote_id.lower()
    }
    wanted: list[tuple[Peering, frozenset[str] | None, set[str]]] = [
        (far, far.own_subnets, {GATEWAY_SUBNET}),
        (far, far.remote_subnets, used),
    ]
    if near is not None:
        wanted += [(near, near.own_subnets, used), (near, near.remote_subnets, {GATEWAY_SUBNET})]
    lacking = {
        half.id: half
        for half, named, needed in wanted
        if named is not None and any(n.lower() not in named for n in needed)
    }
    if lacking:
        halves = " and ".join(f"{p.name} of {last(p.vnet_id)}" for p in lacking.values())
        yield finding(
            Severity.OBSTACLE,
            "The peering leaves subnets out",
            f"Only certain subnets are peered by {halves}, and {GATEWAY_SUBNET} of {hub.name} or {', '.join(sorted(used))} of the "
            "cluster is not among them: their packets do not get across.",
            "Add them to localSubnetNames and remoteSubnetNames of both halves, or peer the whole VNets: "
            + "; ".join(az_peering(p, "peerCompleteVnets=true") for p in lacking.values()),
            key="azure.vnet.name",
        )


def in_use(facts: AzureFacts) -> Iterator[Finding]:
    """Before the gateway goes: the VNets that use it from a spoke, which are told so first."""
    ours = {v.lower() for v in (facts.cluster.vnets if facts.cluster else ())}
    for spoke in facts.spokes:
        whose = "The cluster's VNet" if spoke.id.lower() in ours else "Another VNet"
        near = spoke.peering_with(facts.vnet.id) if facts.vnet else None
        if near is not None and near.uses_gateway:
            yield finding(
                Severity.WARNING,
                f"{whose} still uses the gateway",
                f"The peering {near.name} of {spoke.name} uses the gateway that is to be deleted. Azure may keep a gateway "
                "that is in use.",
                az_peering(near, "useRemoteGateways=false"),
                key="azure.vnet.name",
            )


def az_peering(peering: Peering, setting: str) -> str:
    """What to type for one setting of a peering, or who has to do it where that is nobody's to type."""
    if peering.of_virtual_wan:
        return f"{last(peering.remote_id)} is a hub of Virtual WAN, which keeps this peering: az network vhub connection delete"
    if peering.of_network_manager:
        return (
            "Azure Virtual Network Manager keeps this peering: have whoever runs it change its connectivity configuration "
            f"({setting}; useHubGateway in: az network manager connect-config list)"
        )
    return (
        f"az network vnet peering update {az_where(peering.vnet_id)} --vnet-name {last(peering.vnet_id)} "
        f"--name {peering.name} --set {setting}"
    )


def _az_peer(one: str, other: str, flag: str) -> str:
    return (
        f"az network vnet peering create {az_where(one)} --vnet-name {last(one)} --name to-{last(other)} "
        f"--remote-vnet {other} --allow-vnet-access --{flag}"
    )


def _az_delete(peering: Peering) -> str:
    return (
        f"az network vnet peering delete {az_where(peering.vnet_id)} --vnet-name {last(peering.vnet_id)} "
        f"--name {peering.name}"
    )


# --- pieces ---------------------------------------------------------------------------------------------------------------


def vnets_of(facts: AzureFacts) -> tuple[Vnet, ...]:
    return (*((facts.vnet,) if facts.vnet else ()), *facts.spokes)


def table_of(subnet: Subnet, tables: Iterable[RouteTable]) -> RouteTable | None:
    wanted = subnet.route_table_id.lower()
    return next((t for t in tables if wanted and t.id.lower() == wanted), None)


def az_where(id_: str) -> str:
    return f"--subscription {part(id_, 'subscriptions')} --resource-group {part(id_, 'resourceGroups')}"
