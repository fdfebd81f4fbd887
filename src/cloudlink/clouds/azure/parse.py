"""Azure's and AKS's answers as frozen facts, without a call: nothing else in the checks knows the keys of their JSON.

Ids keep Azure's case, since they are shown and typed again; they are compared in lower case.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any

from cloudlink.errors import CloudError

Json = Mapping[str, Any]

GATEWAY_SUBNET = "GatewaySubnet"
AZURE_OWN_ASN = 65_515  # of Route Servers and of ExpressRoute gateways


@dataclass(frozen=True)
class AgentPool:
    name: str
    mode: str = "User"  # System, User, Gateway
    os: str = "Linux"  # Linux, Windows
    size: str = ""
    taints: tuple[str, ...] = ()
    running: bool = True
    subnet_id: str = ""  # empty: in the VNet that AKS made
    pod_subnet_id: str = ""
    count: int | None = None
    autoscaled: bool = False
    local_dns: str = ""  # Enabled, Disabled; empty: not said


@dataclass(frozen=True)
class AksCluster:
    """A managed cluster as it is judged before anything is written."""

    id: str
    name: str
    power: str = ""  # Running, Stopped; empty: not said
    state: str = ""  # provisioningState
    sku: str = "Base"  # Base, Automatic
    private: bool = False
    public_name: bool = False  # a private cluster that has a public name besides
    private_name: str = ""
    authorized_ranges: tuple[str, ...] = ()
    public_access: bool = True
    pools: tuple[AgentPool, ...] = ()
    makes_nodes: bool = False  # nodes that belong to no pool that is listed
    hosted: bool = False  # its system nodes are AKS's own
    hosted_subnet_id: str = ""
    plugin: str = ""  # azure, kubenet, none
    pod_ranges: tuple[IPv4Network, ...] = ()
    service_ranges: tuple[IPv4Network, ...] = ()
    outbound: str = ""
    node_group: str = ""

    @property
    def subnets(self) -> tuple[str, ...]:
        """Ids of the subnets that its nodes and pods are in, each once."""
        found = [s for p in self.pools for s in (p.subnet_id, p.pod_subnet_id)] + [self.hosted_subnet_id]
        return tuple({s.lower(): s for s in found if s}.values())

    @property
    def vnets(self) -> tuple[str, ...]:
        """Ids of the VNets of these subnets, each once."""
        return tuple({v.lower(): v for v in map(vnet_of, self.subnets)}.values())


@dataclass(frozen=True)
class Subnet:
    id: str
    name: str
    prefixes: tuple[IPv4Network, ...] = ()
    route_table_id: str = ""
    security_group_id: str = ""
    delegations: tuple[str, ...] = ()
    users: tuple[str, ...] = ()  # ids of the ipConfigurations in it


@dataclass(frozen=True)
class Peering:
    id: str
    name: str
    vnet_id: str  # whose half it is
    remote_id: str
    state: str = "Connected"  # Initiated, Connected, Disconnected
    sync: str = "FullyInSync"
    lends_gateway: bool = False  # allowGatewayTransit
    uses_gateway: bool = False  # useRemoteGateways
    access: bool = True  # allowVirtualNetworkAccess
    seen_ranges: tuple[IPv4Network, ...] = ()  # the other side's as they were when it was peered
    remote_ranges: tuple[IPv4Network, ...] = ()  # as they are now

    @property
    def connected(self) -> bool:
        return self.state.lower() == "connected"


@dataclass(frozen=True)
class Vnet:
    id: str
    name: str
    location: str = ""
    prefixes: tuple[IPv4Network, ...] = ()
    subnets: tuple[Subnet, ...] = ()
    peerings: tuple[Peering, ...] = ()
    dns_servers: tuple[str, ...] = ()

    def is_at(self, id_: str) -> bool:
        return id_.lower() == self.id.lower() if self.id else last(id_).lower() == self.name.lower()

    def subnet(self, name_or_id: str) -> Subnet | None:
        """An id that names another VNet is not searched for here."""
        wanted = name_or_id.lower()
        return next((s for s in self.subnets if wanted in (s.name.lower(), s.id.lower())), None)

    def peering_with(self, vnet_id: str) -> Peering | None:
        return next((p for p in self.peerings if p.remote_id.lower() == vnet_id.lower()), None)


@dataclass(frozen=True)
class Route:
    name: str
    prefix: str  # a range, or the name of a service
    next_hop: str  # VirtualAppliance, Internet, VirtualNetworkGateway, VnetLocal, None
    address: str = ""  # of the appliance

    @property
    def range(self) -> IPv4Network | None:
        try:
            return IPv4Network(self.prefix)
        except ValueError:
            return None


@dataclass(frozen=True)
class RouteTable:
    id: str
    name: str
    propagates: bool = True  # the gateway's routes, too
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True)
class Lock:
    id: str
    name: str
    level: str  # CanNotDelete, ReadOnly
    scope: str
    notes: str = ""

    @property
    def stops_writes(self) -> bool:
        return self.level.lower() == "readonly"


@dataclass(frozen=True)
class Restriction:
    """What a policy would do with an object of the link."""

    kind: str  # of the object, such as Microsoft.Network/publicIPAddresses
    policy: str  # id of the definition
    assignment: str  # id of the assignment
    needs_tag: str = ""  # the tag that the object must have; empty: it is refused for another reason
    values: tuple[str, ...] = ()  # what the tag may be; empty: anything
    fills_in: str = ""  # the value that the policy itself would put there
    field: str = ""  # what it is about


@dataclass(frozen=True)
class Neighbour:
    """Another gateway in our VNet: ExpressRoute's, or a Route Server."""

    id: str
    kind: str  # ExpressRoute, RouteServer
    asn: int = AZURE_OWN_ASN

    @property
    def name(self) -> str:
        return last(self.id)


@dataclass(frozen=True)
class Location:
    name: str
    zones: tuple[str, ...] | None = None  # the logical ones, as objects name them; None: Azure does not say


@dataclass(frozen=True)
class Provider:
    namespace: str
    state: str

    @property
    def registered(self) -> bool:
        return self.state.lower() in ("registered", "registering")


@dataclass(frozen=True)
class PolicyRefusal:
    """What a policy's refusal says of itself, where it says it."""

    policy: str = ""
    assignment: str = ""
    assignment_id: str = ""
    scope: str = ""
    missing_tags: tuple[str, ...] = ()
    reasons: tuple[str, ...] = field(default=())  # as "location westus is NotIn westeurope"


# --- AKS ------------------------------------------------------------------------------------------------------------


def aks_cluster(raw: Json) -> AksCluster:
    held = _map(raw.get("properties"))
    access, network = _map(held.get("apiServerAccessProfile")), _map(held.get("networkProfile"))
    hosted = _map(held.get("hostedSystemProfile"))
    return AksCluster(
        id=str(raw.get("id") or ""),
        name=str(raw.get("name") or ""),
        power=str(_map(held.get("powerState")).get("code") or ""),
        state=str(held.get("provisioningState") or ""),
        sku=str(_map(raw.get("sku")).get("name") or "Base"),
        private=bool(access.get("enablePrivateCluster")),
        public_name=bool(access.get("enablePrivateClusterPublicFQDN")),
        private_name=str(held.get("privateFQDN") or ""),
        authorized_ranges=tuple(map(str, access.get("authorizedIPRanges") or ())),
        public_access=str(held.get("publicNetworkAccess") or "Enabled").lower() != "disabled",
        pools=tuple(map(_pool, _list(held.get("agentPoolProfiles")))),
        makes_nodes=str(_map(held.get("nodeProvisioningProfile")).get("mode") or "").lower() == "auto",
        hosted=bool(hosted.get("enabled")),
        hosted_subnet_id=str(hosted.get("nodeSubnetId") or hosted.get("nodeSubnetID") or ""),
        plugin=str(network.get("networkPlugin") or "").lower(),
        pod_ranges=ranges(network.get("podCidrs") or [network.get("podCidr")]),
        service_ranges=ranges(network.get("serviceCidrs") or [network.get("serviceCidr")]),
        outbound=str(network.get("outboundType") or ""),
        node_group=str(held.get("nodeResourceGroup") or ""),
    )


@dataclass(frozen=True)
class PoolDns:
    """LocalDNS of a pool: a cache on each node that pods ask instead of CoreDNS."""

    name: str
    mode: str = ""  # Preferred, Required, Disabled
    state: str = ""  # Enabled, Disabled; empty: not said
    kube: Mapping[str, str] = field(default_factory=dict)  # zone -> forwardDestination, for pods with ClusterFirst
    vnet: Mapping[str, str] = field(default_factory=dict)  # the same for pods with dnsPolicy Default

    @property
    def is_on(self) -> bool:
        """Preferred installs nothing by itself; only the state says that it is there."""
        return self.state.lower() == "enabled" or (not self.state and self.mode.lower() == "required")

    @staticmethod
    def override(overrides: Mapping[str, str], zone: str) -> tuple[str, str]:
        """(zone, destination) of the longest that holds ours; empty: none does."""
        holds = [z for z in overrides if z == "." or zone == z.rstrip(".") or zone.endswith(f".{z.rstrip('.')}")]
        best = max(holds, key=len, default="")
        return best, overrides.get(best, "")


def pools_dns(raw: Json) -> tuple[PoolDns, ...]:
    found = []
    for pool in _list(_map(raw.get("properties")).get("agentPoolProfiles")):
        profile = _map(_map(pool).get("localDNSProfile"))
        kube, vnet = (
            {str(z).lower(): str(_map(o).get("forwardDestination") or "") for z, o in _map(profile.get(name)).items()}
            for name in ("kubeDNSOverrides", "vnetDNSOverrides")
        )
        mode, state = str(profile.get("mode") or ""), str(profile.get("state") or "")
        found.append(PoolDns(str(_map(pool).get("name") or ""), mode, state, kube, vnet))
    return tuple(found)


def _pool(raw: Json) -> AgentPool:
    count = raw.get("count")
    return AgentPool(
        name=str(raw.get("name") or ""),
        mode=str(raw.get("mode") or "User"),
        os=str(raw.get("osType") or "Linux"),
        size=str(raw.get("vmSize") or ""),
        taints=tuple(map(str, raw.get("nodeTaints") or ())),
        running=str(_map(raw.get("powerState")).get("code") or "Running").lower() != "stopped",
        subnet_id=str(raw.get("vnetSubnetID") or raw.get("vnetSubnetId") or ""),
        pod_subnet_id=str(raw.get("podSubnetID") or raw.get("podSubnetId") or ""),
        count=int(count) if count is not None else None,
        autoscaled=bool(raw.get("enableAutoScaling")),
        local_dns=str(_map(raw.get("localDNSProfile")).get("state") or ""),
    )


# --- networks -------------------------------------------------------------------------------------------------------


def vnet(raw: Json) -> Vnet:
    held, id_ = _map(raw.get("properties")), str(raw.get("id") or "")
    return Vnet(
        id=id_,
        name=str(raw.get("name") or last(id_)),
        location=str(raw.get("location") or ""),
        prefixes=ranges(_map(held.get("addressSpace")).get("addressPrefixes")),
        subnets=tuple(map(subnet, _list(held.get("subnets")))),
        peerings=tuple(peering(p, id_) for p in _list(held.get("virtualNetworkPeerings"))),
        dns_servers=tuple(map(str, _map(held.get("dhcpOptions")).get("dnsServers") or ())),
    )


def subnet(raw: Json) -> Subnet:
    held = _map(raw.get("properties"))
    return Subnet(
        id=str(raw.get("id") or ""),
        name=str(raw.get("name") or ""),
        prefixes=ranges(held.get("addressPrefixes") or [held.get("addressPrefix")]),
        route_table_id=_id(held.get("routeTable")),
        security_group_id=_id(held.get("networkSecurityGroup")),
        delegations=tuple(
            str(_map(d.get("properties")).get("serviceName") or d.get("name")) for d in _list(held.get("delegations"))
        ),
        users=tuple(_id(c) for c in _list(held.get("ipConfigurations"))),
    )


def peering(raw: Json, vnet_id: str) -> Peering:
    """vnet_id: of the VNet that shows it, for answers that leave out the peering's own id."""
    held = _map(raw.get("properties"))
    id_ = str(raw.get("id") or "")
    seen = ranges(_map(held.get("remoteAddressSpace")).get("addressPrefixes"))
    now = ranges(_map(held.get("remoteVirtualNetworkAddressSpace")).get("addressPrefixes"))
    return Peering(
        id=id_,
        name=str(raw.get("name") or last(id_)),
        vnet_id=id_.partition("/virtualNetworkPeerings/")[0] or vnet_id,
        remote_id=_id(held.get("remoteVirtualNetwork")),
        state=str(held.get("peeringState") or ""),
        sync=str(held.get("peeringSyncLevel") or ""),
        lends_gateway=bool(held.get("allowGatewayTransit")),
        uses_gateway=bool(held.get("useRemoteGateways")),
        access=held.get("allowVirtualNetworkAccess") is not False,
        seen_ranges=seen or now,
        remote_ranges=now or seen,
    )


def route_table(raw: Json) -> RouteTable:
    held = _map(raw.get("properties"))
    id_ = str(raw.get("id") or "")
    return RouteTable(
        id=id_,
        name=str(raw.get("name") or last(id_)),
        propagates=not held.get("disableBgpRoutePropagation"),
        routes=tuple(map(_route, _list(held.get("routes")))),
    )


def _route(raw: Json) -> Route:
    held = _map(raw.get("properties"))
    return Route(
        name=str(raw.get("name") or ""),
        prefix=str(held.get("addressPrefix") or ""),
        next_hop=str(held.get("nextHopType") or ""),
        address=str(held.get("nextHopIpAddress") or ""),
    )


def neighbour_gateway(raw: Json) -> Neighbour | None:
    """None for anything but a gateway of ExpressRoute."""
    held = _map(raw.get("properties"))
    if str(held.get("gatewayType") or "").lower() != "expressroute":
        return None
    asn = _map(held.get("bgpSettings")).get("asn")
    return Neighbour(str(raw.get("id") or ""), "ExpressRoute", int(asn) if asn else AZURE_OWN_ASN)


def route_server(raw: Json) -> Neighbour:
    """A virtual hub of the kind RouteServer."""
    asn = _map(raw.get("properties")).get("virtualRouterAsn")
    return Neighbour(str(raw.get("id") or ""), "RouteServer", int(asn) if asn else AZURE_OWN_ASN)


# --- what the subscription allows -----------------------------------------------------------------------------------


def locations(raw: Iterable[Json]) -> tuple[Location, ...]:
    """A location without mappings has no zones; one whose answer leaves the list out altogether says nothing."""
    found = []
    for item in raw:
        mappings = item.get("availabilityZoneMappings")
        zones = tuple(sorted(str(m.get("logicalZone")) for m in mappings)) if mappings is not None else ()
        found.append(Location(str(item.get("name") or ""), zones))
    if not any(f.zones for f in found):  # an older answer, which knows of no zones at all
        return tuple(Location(f.name) for f in found)
    return tuple(found)


def provider(raw: Json) -> Provider:
    return Provider(str(raw.get("namespace") or ""), str(raw.get("registrationState") or ""))


def locks(raw: Iterable[Json]) -> tuple[Lock, ...]:
    found = []
    for item in raw:
        held, id_ = _map(item.get("properties")), str(item.get("id") or "")
        level = str(held.get("level") or "")
        if level.lower() in ("cannotdelete", "readonly"):
            scope = id_.lower().rpartition("/providers/microsoft.authorization/locks/")[0]
            found.append(
                Lock(id_, str(item.get("name") or last(id_)), level, id_[: len(scope)], str(held.get("notes") or ""))
            )
    return tuple(found)


def restrictions(raw: Json, kind: str) -> tuple[Restriction, ...]:
    """Of an answer to checkPolicyRestrictions for an object of this kind: what is required, and what refuses it."""
    found = []
    for entry in _list(raw.get("fieldRestrictions")):
        name = str(entry.get("field") or "")
        tag = tag_in(name)
        for rule in _list(entry.get("restrictions")):
            result, policy = str(rule.get("result") or "").lower(), _map(rule.get("policy"))
            if result == "removed" or (result == "required" and not tag):
                continue
            found.append(
                Restriction(
                    kind,
                    str(policy.get("policyDefinitionId") or ""),
                    str(policy.get("policyAssignmentId") or ""),
                    tag if result == "required" else "",
                    tuple(map(str, rule.get("values") or ())),
                    str(rule.get("defaultValue") or ""),
                    name,
                )
            )
    for evaluation in _list(_map(raw.get("contentEvaluationResult")).get("policyEvaluations")):
        if str(evaluation.get("evaluationResult") or "").lower() != "noncompliant":
            continue
        effect = str(_map(evaluation.get("effectDetails")).get("policyEffect") or "deny").lower()
        if effect != "deny":
            continue
        info = _map(evaluation.get("policyInfo"))
        expressions = _list(_map(evaluation.get("evaluationDetails")).get("evaluatedExpressions"))
        tags = [t for t in map(_missing_tag, expressions) if t]
        fields = [str(e.get("path") or e.get("expression") or "") for e in expressions]
        who = str(info.get("policyDefinitionId") or ""), str(info.get("policyAssignmentId") or "")
        about = ", ".join(f for f in fields if f)
        found += [Restriction(kind, *who, tag, field=about) for tag in tags or [""]]
    return tuple(dict.fromkeys(found))


def policy_refusals(info: Iterable[Json] | None) -> tuple[PolicyRefusal, ...]:
    """Of an error's ``additionalInfo``: each policy that refused."""
    found = []
    for entry in _list(info):
        if str(entry.get("type") or "") != "PolicyViolation":
            continue
        said = _map(entry.get("info"))
        expressions = _list(_map(said.get("evaluationDetails")).get("evaluatedExpressions"))
        tags = tuple(dict.fromkeys(t for t in map(_missing_tag, expressions) if t))
        found.append(
            PolicyRefusal(
                policy=str(said.get("policyDefinitionDisplayName") or said.get("policyDefinitionName") or ""),
                assignment=str(said.get("policyAssignmentDisplayName") or said.get("policyAssignmentName") or ""),
                assignment_id=str(said.get("policyAssignmentId") or ""),
                scope=str(said.get("policyAssignmentScope") or ""),
                missing_tags=tags,
                reasons=tuple(filter(None, map(_reason, expressions))),
            )
        )
    return tuple(found)


_NAMED = re.compile(r"Policy identifiers: '(\[.*?\])'\.?(?:\s|$)", re.DOTALL)


def policies_named(message: str) -> tuple[PolicyRefusal, ...]:
    """Of a refusal's message alone, which names the policies in JSON."""
    match = _NAMED.search(message)
    try:
        said = json.loads(match.group(1)) if match else []
    except ValueError:
        return ()
    return tuple(
        PolicyRefusal(
            policy=str(_map(entry.get("policyDefinition")).get("name") or ""),
            assignment=str(_map(entry.get("policyAssignment")).get("name") or ""),
            assignment_id=str(_map(entry.get("policyAssignment")).get("id") or ""),
        )
        for entry in _list(said)
    )


def _missing_tag(expression: Json) -> str:
    """The tag that a policy did not find: it asked whether it exists, and was answered no."""
    wanted = str(expression.get("targetValue")).lower()
    name = tag_in(str(expression.get("path") or expression.get("expression") or ""))
    return name if name and str(expression.get("operator") or "").lower() == "exists" and wanted == "false" else ""


def _reason(expression: Json) -> str:
    if _missing_tag(expression) or str(expression.get("result") or "").lower() == "false":
        return ""
    name = str(expression.get("path") or expression.get("expression") or "")
    value, operator, target = (expression.get(k) for k in ("expressionValue", "operator", "targetValue"))
    wanted = ", ".join(map(str, target)) if isinstance(target, list) else target
    return " ".join(str(w) for w in (name, value, operator, wanted) if w not in (None, "")) if name else ""


def tag_in(name: str) -> str:
    """``CostCenter`` of ``tags[CostCenter]``, ``tags['CostCenter']`` and ``tags.CostCenter``; else empty."""
    if name.lower().startswith("tags[") and name.endswith("]"):
        return name[5:-1].strip("'\"")
    return name[5:] if name.lower().startswith("tags.") else ""


# --- pieces ---------------------------------------------------------------------------------------------------------


def ranges(prefixes: Iterable[Any] | None) -> tuple[IPv4Network, ...]:
    """IPv4 only, in the order given. Raises CloudError for what is no range: then something is wrong with the answer."""
    found = []
    for prefix in prefixes or ():
        if not prefix or ":" in str(prefix):
            continue
        try:
            found.append(IPv4Network(str(prefix), strict=False))
        except ValueError as error:
            raise CloudError(
                "A cloud returned an invalid address range",
                f"{str(prefix)[:80]!r} is not an IPv4 range.",
                "Look at it in the cloud's console.",
            ) from error
    return tuple(found)


def last(id_: str) -> str:
    """The name at an id's end."""
    return id_.rpartition("/")[2]


def vnet_of(subnet_id: str) -> str:
    """The id of the VNet that a subnet's id names, whatever its case."""
    return subnet_id[: subnet_id.lower().find("/subnets/")] if "/subnets/" in subnet_id.lower() else subnet_id


def part(id_: str, what: str) -> str:
    """What an id says of ``subscriptions`` or ``resourceGroups``; empty: nothing."""
    parts = id_.strip("/").split("/")
    lowered = [p.lower() for p in parts]
    at = lowered.index(what.lower()) if what.lower() in lowered else -1
    return parts[at + 1] if 0 <= at < len(parts) - 1 else ""


def _id(reference: Any) -> str:
    return str(_map(reference).get("id") or "")


def _map(value: Any) -> Json:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Json]:
    """What is no object is left out: an answer may hold null."""
    return [v for v in value if isinstance(v, Mapping)] if isinstance(value, list | tuple) else []
