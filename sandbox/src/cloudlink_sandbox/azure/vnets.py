"""Virtual networks, their subnets and peerings. Subnets are resources of their own that their VNet shows inline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Network

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.errors import ApiError
from cloudlink_sandbox.azure.exchange import Answer, Json, Request
from cloudlink_sandbox.azure.fields import address, array, check_overlap, choice, flag, inner, number, objects, prefix
from cloudlink_sandbox.azure.ids import ResourceId, parse, reference
from cloudlink_sandbox.azure.nothing_dropped import dropped
from cloudlink_sandbox.azure.operations import SHORT
from cloudlink_sandbox.azure.resource_provider import ResourceProvider
from cloudlink_sandbox.azure.store import Record, Store, new_etag

VNET = "Microsoft.Network/virtualNetworks"
SUBNET = "Microsoft.Network/virtualNetworks/subnets"
PEERING = "Microsoft.Network/virtualNetworks/virtualNetworkPeerings"
GATEWAY = "Microsoft.Network/virtualNetworkGateways"
GATEWAY_SUBNET = "GatewaySubnet"
DNS_RESOLVERS = "Microsoft.Network/dnsResolvers"
INBOUND = f"{DNS_RESOLVERS}/inboundEndpoints"
OUTBOUND = f"{DNS_RESOLVERS}/outboundEndpoints"
POOLS_SINCE = "2023-11-01"  # recorded: from then on ranges say which pools they come from

Find = Callable[[ResourceId], Record | None]
OfType = Callable[[str], Iterator[Record]]


class VirtualNetworks(ResourceProvider):
    kinds = ("virtualNetworks",)
    word = "VirtualNetwork"
    in_edge_zones = True
    lasts = ("azure.vnet", "azure.vnet", "azure.delete")
    steps = SHORT

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        given = inner(body, "properties", path="")
        space = inner(given, "addressSpace")
        prefixes = [prefix(p, id_) for p in array(space, "addressPrefixes")]
        if not prefixes:
            raise errors.missing_property("properties.addressSpace.addressPrefixes")
        check_overlap(
            prefixes, "VnetAddressSpaceOverlaps", f"Address prefixes {{0}} and {{1}} of virtual network {id_} overlap."
        )
        for subnet in objects(given, "subnets"):
            if not subnet.get("name"):
                raise errors.missing_property("properties.subnets.name")
        properties: Json = {"addressSpace": {"addressPrefixes": prefixes}}
        servers = [str(s) for s in array(inner(given, "dhcpOptions"), "dnsServers")]
        if any(address(s) is None for s in servers):
            raise errors.invalid_value("properties.dhcpOptions.dnsServers", servers)
        if servers or "dhcpOptions" in given:
            properties["dhcpOptions"] = {"dnsServers": servers}
        properties["enableDdosProtection"] = flag(given, "enableDdosProtection", False)
        properties.update(self._rare(id_, given))
        self._check_subnets(id_, prefixes, given, old)
        return properties

    def _rare(self, id_: ResourceId, given: Json) -> Json:
        """Properties that are shown only where somebody has set them."""
        for name in ("ddosProtectionPlan", "bgpCommunities", "ipAllocations"):
            if given.get(name):
                raise errors.not_modelled(name, str(id_))
        if flag(inner(given, "encryption"), "enabled", False, path="properties.encryption"):
            raise errors.not_modelled("encryption", str(id_))
        kept: Json = {}
        if "privateEndpointVNetPolicies" in given:
            kept["privateEndpointVNetPolicies"] = choice(
                given, "privateEndpointVNetPolicies", ("Disabled", "Basic"), "Disabled"
            )
        if given.get("flowTimeoutInMinutes") is not None:
            kept["flowTimeoutInMinutes"] = number(given, "flowTimeoutInMinutes", None, 4, 30)
        return kept

    def for_version(self, shown: Json, version: str) -> Json:
        for subnet in shown["properties"]["subnets"]:
            _leave_out(subnet, Subnets.since, version)
        for peering in shown["properties"]["virtualNetworkPeerings"]:
            _leave_out(peering, Peerings.since, version)
        if version >= POOLS_SINCE:
            inside = shown["properties"]
            inside["addressSpace"] = {**inside["addressSpace"], "ipamPoolPrefixAllocations": []}
            inside.setdefault("privateEndpointVNetPolicies", "Disabled")
            for subnet in inside["subnets"]:
                subnet["properties"]["ipamPoolPrefixAllocations"] = []
            for peering in inside["virtualNetworkPeerings"]:
                with_pools(peering)
        return shown

    def preview(self, record: Record) -> Json:
        """Its subnets were looked at one by one."""
        shown = super().preview(record)
        shown["properties"]["virtualNetworkPeerings"] = [
            show_peering("Succeeded", p, self.store) for p in self.store.children(record.id, "virtualNetworkPeerings")
        ]
        return shown

    def _check_subnets(self, id_: ResourceId, prefixes: list[str], given: Json, old: Record | None) -> None:
        """Everything is checked before anything is changed: a refused PUT leaves no half of it behind.

        Assumption: a PUT without ``subnets`` leaves the present ones alone (Azure since 2024); with the list, those
        that are missing from it are deleted.
        """
        present = self.store.children(id_, "subnets") if old else []
        if given.get("subnets") is None:
            check_inside(present, prefixes)
            return
        names = {str(s["name"]).lower() for s in given["subnets"]}
        for gone in (s for s in present if s.name.lower() not in names):
            refuse_used_subnet(self.store.of_type, gone)
        wanted = [
            subnet_properties(id_.child("subnets", str(s["name"])), inner(s, "properties"), prefixes)
            for s in given["subnets"]
        ]
        check_overlap([p for w in wanted for p in prefixes_of(w)], "NetcfgSubnetRangesOverlap", OVERLAP)
        for s, w in zip(given["subnets"], wanted, strict=True):
            child = Record(id_.child("subnets", str(s["name"])), None, w)
            if lost := list(dropped(inner(s, "properties"), show_subnet("Succeeded", child, self.store)["properties"])):
                raise errors.not_modelled(f"{', '.join(lost)} of {SUBNET}", str(child.id))
            check_subnet_references(self.store.find, id_.child("subnets", str(s["name"])), w)
            refuse_fence(self.store, id_.child("subnets", str(s["name"])), w)
            refuse_undelegated(self.store, id_.child("subnets", str(s["name"])), w)

    def written(self, record: Record, body: Json) -> tuple[str, ...]:
        given = inner(body, "properties", path="")
        applied = [record.id.key]
        if given.get("subnets") is None:
            return tuple(applied)
        prefixes = record.properties["addressSpace"]["addressPrefixes"]
        names = {str(s["name"]).lower() for s in given["subnets"]}
        for gone in self.store.children(record.id, "subnets"):
            if gone.name.lower() not in names:
                self.store.drop(gone.id.key)
        for subnet in given["subnets"]:
            child = record.id.child("subnets", str(subnet["name"]))
            properties = subnet_properties(child, inner(subnet, "properties"), prefixes)
            if old := self.store.find(child):
                old.properties = properties
            else:
                self.store.add(Record(child, None, properties))
            applied.append(child.key)
        return tuple(applied)

    def flips(self, id_: ResourceId) -> tuple[str, ...]:
        return family(self.store.children(id_, "subnets"), id_)

    def shape(self, record: Record, state: str, *, listed: bool) -> Json:
        subnets = [
            show_subnet(self.store.state_of(s), s, self.store) for s in self.store.children(record.id, "subnets")
        ]
        peerings = [
            show_peering(self.store.state_of(p), p, self.store)
            for p in self.store.children(record.id, "virtualNetworkPeerings")
        ]
        shown = super().shape(record, state, listed=listed)
        ddos = shown.pop("enableDdosProtection")
        return {**shown, "subnets": subnets, "virtualNetworkPeerings": peerings, "enableDdosProtection": ddos}

    def refuse_delete(self, record: Record) -> None:
        for subnet in self.store.children(record.id, "subnets"):
            refuse_used_subnet(self.store.of_type, subnet)


class Subnets(ResourceProvider):
    since = {  # noqa: RUF012 - never changed
        "delegations": "2018-08-01",
        "privateEndpointNetworkPolicies": "2019-04-01",
        "privateLinkServiceNetworkPolicies": "2019-04-01",
    }
    kinds = ("virtualNetworks", "subnets")
    word = "Subnet"
    lasts = ("azure.subnet", "azure.subnet", "azure.delete")
    steps = SHORT
    tracked = False
    retryable = False

    def missing(self, id_: ResourceId) -> ApiError:
        if self.store.find(id_.parent()) is None:
            return errors.resource_not_found(id_.parent().type, id_.parent().name, id_.group)
        return super().missing(id_)

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        del old
        vnet = self.store.find(id_.parent())
        if vnet is None:
            raise parent_missing(id_)
        if vnet.state == "Failed":
            raise errors.parent_failed(str(id_), vnet.guid)
        prefixes = vnet.properties["addressSpace"]["addressPrefixes"]
        properties = subnet_properties(id_, inner(body, "properties", path=""), prefixes)
        others = [s for s in self.store.children(vnet.id, "subnets") if s.id.key != id_.key]
        taken = [p for s in others for p in prefixes_of(s.properties)]
        check_overlap([*prefixes_of(properties), *taken], "NetcfgSubnetRangesOverlap", OVERLAP)
        check_subnet_references(self.store.find, id_, properties)
        refuse_fence(self.store, id_, properties)
        refuse_undelegated(self.store, id_, properties)
        return properties

    def locks(self, id_: ResourceId, properties: Json) -> tuple[str, ...]:
        del properties
        return (id_.parent().key,)  # one write per VNet at a time

    def flips(self, id_: ResourceId) -> tuple[str, ...]:
        return family(self.store.children(id_.parent(), "subnets"), id_.parent())

    def for_version(self, shown: Json, version: str) -> Json:
        shown = super().for_version(shown, version)
        if version >= POOLS_SINCE:
            shown["properties"]["ipamPoolPrefixAllocations"] = []
        return shown

    def preview(self, record: Record) -> Json:
        return show_subnet("Succeeded", record, self.store)

    def show(self, record: Record, *, listed: bool = False) -> Json:
        del listed
        return show_subnet(self.store.state_of(record), record, self.store)

    def refuse_delete(self, record: Record) -> None:
        refuse_used_subnet(self.store.of_type, record)


class Peerings(ResourceProvider):
    since = {  # noqa: RUF012 - never changed
        "doNotVerifyRemoteGateways": "2020-01-01",
        "resourceGuid": "2020-01-01",
        "peeringSyncLevel": "2020-01-01",
        "remoteVirtualNetworkAddressSpace": "2020-01-01",
        "peerCompleteVnets": "2020-01-01",
        "routeServiceVips": "2020-01-01",
    }
    # only parts of networks that are peered: kept and shown, and the whole networks are peered here all the same
    as_given = ("localSubnetNames", "remoteSubnetNames", "enableOnlyIPv6Peering")
    kinds = ("virtualNetworks", "virtualNetworkPeerings")
    word = "VirtualNetworkPeering"
    lasts = ("azure.vnet", "azure.vnet", "azure.delete")
    steps = SHORT
    tracked = False
    retryable = False

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        del old
        if self.store.find(id_.parent()) is None:
            raise parent_missing(id_)
        given = inner(body, "properties", path="")
        remote = reference(given.get("remoteVirtualNetwork"), "properties.remoteVirtualNetwork.id")
        other = self.store.find(remote)
        if other is None:
            raise errors.reference_not_found(str(remote), str(id_))
        self._check_ranges(id_, other)
        self._check_other_half(id_, other)
        if flag(given, "useRemoteGateways", False):
            self._check_gateways(id_, other)
        return {
            "remoteVirtualNetwork": {"id": str(remote)},
            "allowVirtualNetworkAccess": flag(given, "allowVirtualNetworkAccess", True),
            "allowForwardedTraffic": flag(given, "allowForwardedTraffic", False),
            "allowGatewayTransit": flag(given, "allowGatewayTransit", False),
            "useRemoteGateways": flag(given, "useRemoteGateways", False),
            "doNotVerifyRemoteGateways": flag(given, "doNotVerifyRemoteGateways", False),
            "peerCompleteVnets": flag(given, "peerCompleteVnets", True),
            "routeServiceVips": {},
        }

    def _check_ranges(self, id_: ResourceId, other: Record) -> None:
        """Peered networks must not overlap. Raises ApiError."""
        own = self.store.find(id_.parent())
        assert own is not None
        ours, theirs = ([IPv4Network(p) for p in r.properties["addressSpace"]["addressPrefixes"]] for r in (own, other))
        if own is other or any(a.overlaps(b) for a in ours for b in theirs):
            # Assumption: the code; that ranges must not overlap is documented.
            raise ApiError(
                400,
                "VnetAddressSpacesOverlap",
                f"Cannot create or update peering {id_}. Virtual networks {own.id} and {other.id} cannot be peered "
                "because their address spaces overlap.",
            )

    def _check_gateways(self, id_: ResourceId, other: Record) -> None:
        """https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-peering-gateway-transit"""
        if not _has_gateway(self.store, other.id):
            raise ApiError(
                400,
                "RemoteVnetHasNoGateways",
                f"Peering {id_} cannot have UseRemoteGateway flag set to true because remote virtual network {other.id} "
                "referenced by the peering does not have any gateways.",
            )
        if _has_gateway(self.store, id_.parent()):
            # Assumption: the code; that a VNet with a gateway cannot use another's is documented.
            raise ApiError(
                400,
                "VnetHasGatewayAndUsesRemoteGateways",
                f"Peering {id_} cannot have UseRemoteGateway flag set to true because virtual network {id_.parent()} "
                "has a gateway of its own.",
            )

    def top(self, body: Json, old: Record | None) -> Json:
        """A PUT brings a half that was Disconnected back to Initiated."""
        del body, old
        return {}

    def delete(self, request: Request) -> Answer:
        """The other half is Disconnected from then on.

        https://learn.microsoft.com/azure/virtual-network/virtual-network-manage-peering
        """
        record = self.store.find(self.id_of(request))
        answer = super().delete(request)
        remote = self.store.find(parse(record.properties["remoteVirtualNetwork"]["id"])) if record else None
        back = peering_back(self.store, remote, record.id.parent().key) if record and remote else None
        if back is not None:
            back.top["disconnected"] = True
        return answer

    def _check_other_half(self, id_: ResourceId, other: Record) -> None:
        """Raises ApiError while the other half is Disconnected: it has to be written or removed first."""
        back = peering_back(self.store, other, id_.parent().key)
        if back is not None and back.top.get("disconnected") and self.store.find(id_) is None:
            raise ApiError(
                400,
                "RemotePeeringIsDisconnected",
                f"Cannot create or update peering {id_} because remote peering {back.id} referencing parent virtual "
                f"network {id_.parent()} is in Disconnected state. Update or re-create the remote peering to get it "
                "back to Initiated state. Peering gets Disconnected when remote vnet or remote peering is deleted and "
                "re-created.",
            )

    def locks(self, id_: ResourceId, properties: Json) -> tuple[str, ...]:
        del properties
        return (id_.parent().key,)

    def for_version(self, shown: Json, version: str) -> Json:
        shown = super().for_version(shown, version)
        return with_pools(shown) if version >= POOLS_SINCE else shown

    def preview(self, record: Record) -> Json:
        return show_peering("Succeeded", record, self.store)

    def show(self, record: Record, *, listed: bool = False) -> Json:
        del listed
        return show_peering(self.store.state_of(record), record, self.store)


def _leave_out(shown: Json, since: Mapping[str, str], version: str) -> None:
    for name, first in since.items():
        if version < first:
            shown["properties"].pop(name, None)


def with_pools(peering: Json) -> Json:
    for name in ("remoteAddressSpace", "remoteVirtualNetworkAddressSpace"):
        peering["properties"][name] = {**peering["properties"][name], "ipamPoolPrefixAllocations": []}
    return peering


def _has_gateway(store: Store, vnet: ResourceId) -> bool:
    return bool(_gateways_of(store, vnet))


def _gateways_of(store: Store, vnet: ResourceId) -> list[Record]:
    return [
        g
        for g in store.of_type(GATEWAY)
        if parse(g.properties["ipConfigurations"][0]["properties"]["subnet"]["id"]).parent().key == vnet.key
    ]


OVERLAP = "Subnet prefix {0} is not valid because it overlaps with subnet prefix {1} of the same virtual network."


def family(subnets: list[Record], vnet: ResourceId) -> tuple[str, ...]:
    """A VNet and its subnets change state together."""
    return (vnet.key, *(s.id.key for s in subnets))


def parent_missing(id_: ResourceId) -> ApiError:
    return errors.gateway(
        404,
        "ParentResourceNotFound",
        f"Failed to perform 'write' on resource(s) of type '{id_.type}', because the parent resource "
        f"'{id_.parent()}' could not be found.",
    )


def prefixes_of(properties: Json) -> list[str]:
    return list(properties.get("addressPrefixes") or [properties["addressPrefix"]])


def subnet_properties(id_: ResourceId, given: Json, space: list[str]) -> Json:
    """Raises ApiError when the prefix is malformed, too small for its use, or outside the VNet."""
    several = [prefix(p, id_) for p in array(given, "addressPrefixes")]
    single = given.get("addressPrefix")
    if single is None and not several:
        raise errors.missing_property("properties.addressPrefix")
    mine = several or [prefix(single, id_)]
    for p in mine:
        network = IPv4Network(p)
        if not any(network.subnet_of(IPv4Network(s)) for s in space):
            raise ApiError(
                400,
                "NetcfgInvalidSubnet",
                f"Subnet '{id_.name}' is not valid in virtual network '{id_.parent().name}'.",
            )
        if network.prefixlen > 29:
            raise ApiError(
                400, "InvalidSubnetPrefixLength", f"The prefix length of subnet {id_} must be 29 or less, not {p}."
            )
    properties: Json = {"addressPrefixes": mine} if len(mine) > 1 or single is None else {"addressPrefix": mine[0]}
    for name in ("networkSecurityGroup", "routeTable", "natGateway"):
        if given.get(name):
            properties[name] = {"id": str(reference(given[name], f"properties.{name}.id"))}
    if endpoints := objects(given, "serviceEndpoints"):
        properties["serviceEndpoints"] = [
            {"provisioningState": "Succeeded", "locations": ["*"], **e} for e in endpoints
        ]
    properties["delegations"] = [_delegation(id_, d) for d in objects(given, "delegations")]
    policies = ("Enabled", "Disabled")
    properties["privateEndpointNetworkPolicies"] = choice(
        given,
        "privateEndpointNetworkPolicies",
        (*policies, "NetworkSecurityGroupEnabled", "RouteTableEnabled"),
        "Disabled",
    )
    properties["privateLinkServiceNetworkPolicies"] = choice(
        given, "privateLinkServiceNetworkPolicies", policies, "Enabled"
    )
    if given.get("sharingScope"):
        properties["sharingScope"] = choice(given, "sharingScope", ("Tenant", "DelegatedServices"))
    if "defaultOutboundAccess" in given:
        properties["defaultOutboundAccess"] = flag(given, "defaultOutboundAccess", True)
    return properties


def _delegation(id_: ResourceId, given: Json) -> Json:
    child = id_.child("delegations", str(given.get("name") or "0"))
    inside = inner(given, "properties")
    return {
        "name": child.name,
        "id": str(child),
        "etag": given.get("etag") or new_etag(),
        "properties": {
            "provisioningState": "Succeeded",
            **inside,
            # Assumption: what a service may do with a subnet that is delegated to it; most may join and no more
            "actions": inside.get("actions") or ["Microsoft.Network/virtualNetworks/subnets/join/action"],
        },
        "type": f"{SUBNET}/delegations",
    }


def check_inside(subnets: list[Record], space: list[str]) -> None:
    for subnet in subnets:
        for p in prefixes_of(subnet.properties):
            if not any(IPv4Network(p).subnet_of(IPv4Network(s)) for s in space):
                raise ApiError(
                    400,
                    "InUsePrefixCannotBeDeleted",
                    f"IpPrefix {p} on Subnet {subnet.name} has active allocations and cannot be deleted.",
                )


def check_subnet_references(find: Find, id_: ResourceId, properties: Json) -> None:
    for name in ("networkSecurityGroup", "routeTable", "natGateway"):
        if name in properties and find(parse(properties[name]["id"])) is None:
            raise errors.reference_not_found(properties[name]["id"], str(id_))


def refuse_fence(store: Store, id_: ResourceId, properties: Json) -> None:
    """A network security group around a gateway. Raises ApiError."""
    if "networkSecurityGroup" not in properties or id_.name.lower() != GATEWAY_SUBNET.lower():
        return
    subnet = store.find(id_)
    if subnet is not None and users_of_subnet(store.of_type, subnet):
        raise errors.fence_around_gateway(properties["networkSecurityGroup"]["id"])


def users_of_subnet(of_type: OfType, subnet: Record) -> list[str]:
    """What is in a subnet: gateways' ipConfigurations and AKS agent pools (as their scale sets)."""
    users = [
        f"{gateway.id}/ipConfigurations/{config['name']}"
        for gateway in of_type(GATEWAY)
        for config in gateway.properties["ipConfigurations"]
        if config["properties"]["subnet"]["id"].lower() == subnet.id.key
    ]
    for cluster in of_type("Microsoft.ContainerService/managedClusters"):
        nodes = f"/subscriptions/{cluster.id.subscription}/resourceGroups/{cluster.properties['nodeResourceGroup']}"
        users.extend(
            f"{nodes}/providers/Microsoft.Compute/virtualMachineScaleSets/aks-{pool['name']}-vmss"
            "/virtualMachines/0/networkInterfaces/aks/ipConfigurations/ipconfig1"
            for pool in cluster.properties["agentPoolProfiles"]
            if str(pool.get("vnetSubnetID", "")).lower() == subnet.id.key
        )
    return users


def endpoints_in(of_type: OfType, subnet: Record) -> list[Record]:
    """The endpoints of DNS resolvers in a subnet."""
    inbound = [
        e for e in of_type(INBOUND) if e.properties["ipConfigurations"][0]["subnet"]["id"].lower() == subnet.id.key
    ]
    return inbound + [e for e in of_type(OUTBOUND) if e.properties["subnet"]["id"].lower() == subnet.id.key]


def delegated_to(properties: Json) -> list[str]:
    """The services to which a subnet is delegated, in lower case."""
    return [str(d["properties"].get("serviceName", "")).lower() for d in properties["delegations"]]


def delegate(subnet: Record, service: str) -> None:
    """As a service does by itself with a subnet that it is put into."""
    given = {"name": service.replace("/", "."), "properties": {"serviceName": service}}
    subnet.properties["delegations"].append(_delegation(subnet.id, given))
    subnet.etag = new_etag()


def refuse_undelegated(store: Store, id_: ResourceId, properties: Json) -> None:
    """Raises ApiError for a subnet that would lose its delegation to the DNS resolver in it.

    https://github.com/Azure/terraform-azurerm-caf-enterprise-scale/issues/505. Assumption: the wording.
    """
    old = store.find(id_)
    if old is None or DNS_RESOLVERS.lower() in delegated_to(properties):
        return
    if endpoints_in(store.of_type, old):
        raise ApiError(
            400,
            "SubnetMissingRequiredDelegation",
            f"Subnet {id_} requires the delegation {DNS_RESOLVERS} to reference the service association link "
            f"{_association(id_)}.",
        )


def refuse_used_subnet(of_type: OfType, subnet: Record) -> None:
    if users := users_of_subnet(of_type, subnet):
        raise errors.subnet_in_use(subnet.name, users[0])
    if endpoints_in(of_type, subnet):
        raise errors.subnet_in_use(subnet.name, _association(subnet.id))


def _association(subnet: ResourceId) -> str:
    """Assumption: the name under which a subnet shows that a DNS resolver is in it."""
    return f"{subnet}/serviceAssociationLinks/dnsResolverLink"


def show_subnet(state: str, record: Record, store: Store) -> Json:
    properties = {"provisioningState": state, **record.properties}
    users = users_of_subnet(store.of_type, record)
    if users:
        properties["ipConfigurations"] = [{"id": u} for u in users]
    if endpoints_in(store.of_type, record):
        inside = {"linkedResourceType": "Microsoft.Network/dnsResolvers", "allowDelete": False}
        link = {"name": "dnsResolverLink", "id": _association(record.id), "properties": inside}
        properties["serviceAssociationLinks"] = [link]
    return {
        "name": record.name,
        "id": str(record.id),
        "etag": record.etag,
        "properties": properties,
        "type": SUBNET,
    }


def peering_back(store: Store, remote: Record, vnet_key: str) -> Record | None:
    """The other half of a peering: the one of the remote VNet that names this VNet."""
    halves = store.children(remote.id, "virtualNetworkPeerings")
    return next((p for p in halves if p.properties["remoteVirtualNetwork"]["id"].lower() == vnet_key), None)


def show_peering(state: str, record: Record, store: Store) -> Json:
    remote = store.find(parse(record.properties["remoteVirtualNetwork"]["id"]))
    other = peering_back(store, remote, record.id.parent().key) if remote is not None else None
    gone = remote is None or bool(record.top.get("disconnected"))
    back = other is not None and not gone and not other.top.get("disconnected")
    gateways = _gateways_of(store, remote.id) if remote is not None else []
    space = remote.properties["addressSpace"] if remote is not None else {"addressPrefixes": []}
    return {
        "name": record.name,
        "id": str(record.id),
        "etag": record.etag,
        "type": PEERING,
        "properties": {
            "provisioningState": state,
            "resourceGuid": record.guid,
            "peeringState": "Connected" if back else "Disconnected" if gone else "Initiated",
            "peeringSyncLevel": "FullyInSync" if back else "RemoteNotInSync",
            **record.properties,
            **({"remoteGateways": [{"id": str(g.id)} for g in gateways]} if gateways else {}),
            "remoteAddressSpace": space,
            "remoteVirtualNetworkAddressSpace": space,
        },
    }
