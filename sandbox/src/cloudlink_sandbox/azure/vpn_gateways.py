"""VPN gateways: active-active or active-standby, with BGP and custom (APIPA) BGP addresses."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.asn import DEFAULT, refuse_own_asn
from cloudlink_sandbox.azure.errors import ApiError
from cloudlink_sandbox.azure.exchange import Answer, Json, Request
from cloudlink_sandbox.azure.fields import address, array, choice, flag, inner, number, objects
from cloudlink_sandbox.azure.ids import ResourceId, parse, reference
from cloudlink_sandbox.azure.ipsec_policies import accept_policy
from cloudlink_sandbox.azure.local_gateways import CONNECTION
from cloudlink_sandbox.azure.locations import zones_of
from cloudlink_sandbox.azure.operations import GATEWAY_STEPS, Operations, refuse_if_locked
from cloudlink_sandbox.azure.public_ips import PUBLIC_IP
from cloudlink_sandbox.azure.resource_provider import ResourceProvider
from cloudlink_sandbox.azure.store import Operation, Record, Store
from cloudlink_sandbox.azure.vnets import GATEWAY, GATEWAY_SUBNET, SUBNET, prefixes_of

ZONE_SKUS = ("VpnGw1AZ", "VpnGw2AZ", "VpnGw3AZ", "VpnGw4AZ", "VpnGw5AZ")
RETIRED_SKUS = ("VpnGw1", "VpnGw2", "VpnGw3", "VpnGw4", "VpnGw5")
OTHER_SKUS = ("Basic", "HighPerformance", "Standard", "UltraPerformance", "ErGw1AZ", "ErGw2AZ", "ErGw3AZ", "ErGwScale")
# Recorded: 31 s before a gateway is ready it shows the addresses that it will have
ADDRESSES_EARLIER = 40.0
SMALLEST_SUBNET = 27
RESET = "ResetVirtualNetworkGatewayOperation"
# https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-howto-aws-bgp
APIPA = (IPv4Address("169.254.21.0"), IPv4Address("169.254.22.255"))


def connections_lock(gateway_key: str) -> str:
    """The lock that the connections of one gateway share."""
    return f"{gateway_key}#connections"


_SECOND = ("VpnGw4AZ", "VpnGw5AZ")  # of the second generation alone


class VpnGateways(ResourceProvider):
    kinds = ("virtualNetworkGateways",)
    word = "VirtualNetworkGateway"
    in_edge_zones = True
    lasts = ("azure.vng.create", "azure.vng.update", "azure.vng.delete")
    steps = GATEWAY_STEPS
    etag_header = False
    since = {  # noqa: RUF012 - never changed
        "packetCaptureDiagnosticState": "2019-07-01",
        "vpnGatewayGeneration": "2019-07-01",
        "enablePrivateIpAddress": "2019-12-01",
        "isMigrateToCSES": "2020-01-01",
        "natRules": "2020-01-01",
        "virtualNetworkGatewayPolicyGroups": "2020-01-01",
        "enableBgpRouteTranslationForNat": "2020-01-01",
        "disableIPSecReplayProtection": "2020-01-01",
        "allowRemoteVnetTraffic": "2022-07-01",
        "allowVirtualWanTraffic": "2022-07-01",
    }
    # what they do is not modelled
    as_given = (
        "vpnClientConfiguration",
        "customRoutes",
        "gatewayDefaultSite",
        "adminState",
        "enableDnsForwarding",
        "autoScaleConfiguration",
        "enableHighBandwidthVpnGateway",
        "resiliencyModel",
    )

    def __init__(self, store: Store, operations: Operations) -> None:
        super().__init__(store, operations)
        operations.results[RESET] = self._after_reset

    # What is accepted

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        given = inner(body, "properties", path="")
        held = {} if old is None else old.properties
        for name in ("natRules", "virtualNetworkGatewayPolicyGroups"):
            # such as stand there stay when they are written back
            if array(given, name) != (held.get(name) or []) and array(given, name):
                raise errors.not_modelled("NAT rules and policy groups", str(id_))
        kind = choice(given, "gatewayType", ("Vpn", "ExpressRoute", "LocalGateway"), "Vpn")
        express = ("ergw", "standard", "highperformance", "ultraperformance")
        named = str(inner(given, "sku").get("name") or "").lower()
        if kind == "LocalGateway" or (kind == "ExpressRoute" and named.startswith(express)):
            raise errors.not_modelled(f"gateways of type {kind}", str(id_))
        sku = self._sku(id_, inner(given, "sku"), old, kind)
        vpn_type = choice(given, "vpnType", ("RouteBased", "PolicyBased"), "RouteBased")
        if vpn_type == "PolicyBased":
            # Assumption: the code. Only Basic gateways could be policy-based.
            raise ApiError(
                400, "PolicyBasedVpnTypeNotSupported", f"VpnType PolicyBased of gateway {id_} does not go with its SKU."
            )
        for policy in objects(inner(given, "vpnClientConfiguration"), "vpnClientIpsecPolicies"):
            accept_policy(policy)
        active_active = flag(given, "activeActive", False)
        configs = self._configs(id_, given, active_active, old)
        generation = self._generation(id_, given, sku, old)
        return {
            "packetCaptureDiagnosticState": "None",
            "enablePrivateIpAddress": flag(given, "enablePrivateIpAddress", False),
            "isMigrateToCSES": False,
            "ipConfigurations": configs,
            "natRules": array(given, "natRules"),
            "virtualNetworkGatewayPolicyGroups": array(given, "virtualNetworkGatewayPolicyGroups"),
            "enableBgpRouteTranslationForNat": flag(given, "enableBgpRouteTranslationForNat", False),
            "disableIPSecReplayProtection": flag(given, "disableIPSecReplayProtection", False),
            "sku": {"name": sku, "tier": sku, "capacity": 2},
            "gatewayType": kind,
            "vpnType": vpn_type,
            "enableBgp": flag(given, "enableBgp", False),
            "activeActive": active_active,
            "bgpSettings": self._bgp(id_, given, configs, active_active, old),
            "vpnGatewayGeneration": generation,
            "allowRemoteVnetTraffic": flag(given, "allowRemoteVnetTraffic", False),
            "allowVirtualWanTraffic": flag(given, "allowVirtualWanTraffic", False),
        }

    def _sku(self, id_: ResourceId, given: Json, old: Record | None, kind: str) -> str:
        name = choice(given, "name", (*ZONE_SKUS, *RETIRED_SKUS, *OTHER_SKUS), path="properties.sku")
        tier = choice(given, "tier", (*ZONE_SKUS, *RETIRED_SKUS, *OTHER_SKUS), name, path="properties.sku")
        kept = old is not None and old.properties["sku"]["name"] == name
        if name in RETIRED_SKUS and kept and tier == name:
            # Assumption: one that exists is still changed.
            return name
        if name in RETIRED_SKUS:
            raise ApiError(
                400,
                "NonAzSkusNotAllowedForVPNGateway",
                "VpnGw1-5 non-AZ SKUs are no longer supported for VPN gateways. Only VpnGw1-5AZ SKUs can be created "
                "going forward.",
            )
        if name not in ZONE_SKUS or tier != name or kind != "Vpn":
            listed = "System.Collections.Generic.List`1[Microsoft.WindowsAzure.Networking.Nrp.Frontend.Contract.Csm.Public.VirtualNetworkGatewaySkuName]"
            raise ApiError(
                400,
                "InvalidGatewaySkuSpecifiedForGatewayDeploymentType",
                f"Virtual network gateway Sku specified is not valid for gateway {id_} with DeploymentType VMScaleSet. "
                f"The allowed Skus are {listed},{listed}.",
            )
        return name

    def _generation(self, id_: ResourceId, given: Json, sku: str, old: Record | None) -> str:
        """Which goes with the size, and stays: VpnGw1AZ is of the first, 4 and 5 of the second, 2 and 3 of either.

        https://learn.microsoft.com/azure/vpn-gateway/about-gateway-skus
        """
        now = str(old.properties["vpnGatewayGeneration"]).replace("None", "") if old is not None else ""
        default = now or ("Generation2" if sku in _SECOND else "Generation1")
        wanted = choice(given, "vpnGatewayGeneration", ("None", "Generation1", "Generation2"), default)
        wanted = default if wanted == "None" else wanted
        # Azure itself has moved gateways of the first generation to the second, and their sizes stayed.
        stays = old is not None and old.properties["sku"]["name"] == sku
        fits = wanted != "Generation1" if sku in _SECOND else wanted != "Generation2" or sku != "VpnGw1AZ" or stays
        if now and (wanted != now or not fits):
            # Assumption: the code; resizing across generations is documented as impossible.
            raise ApiError(
                400,
                "ResizeOfGatewayAcrossGenerationsNotAllowed",
                f"Gateway {id_} cannot be resized from {old.properties['sku']['name'] if old else ''} ({now}) to {sku}.",
            )
        if not fits:
            raise errors.invalid_value("properties.vpnGatewayGeneration", wanted, f"a generation that has {sku}")
        return wanted

    def _configs(self, id_: ResourceId, given: Json, active_active: bool, old: Record | None) -> list[Json]:
        configs = objects(given, "ipConfigurations")
        clients = inner(inner(given, "vpnClientConfiguration"), "vpnClientAddressPool").get("addressPrefixes")
        if active_active and clients and len(configs) != 3:
            raise ApiError(
                400,
                "ActiveActiveP2SGatewayMustHaveExactlyThreeIpConfigurations",
                f"Gateway {len(configs)} has {id_} IP configurations specified for gateway. ActiveActive Gateway with Vpn "
                "client configuration must be created with three IP configurations.",
            )
        if active_active and not clients and len(configs) != 2:
            raise ApiError(
                400,
                "ActiveActiveGatewayMustHaveExactlyTwoIpConfigurations",
                f"Gateway has {len(configs)} IP configurations specified for gateway {id_}. ActiveActive Gateway must "
                "be created with two IP configurations.",
            )
        if not active_active and len(configs) != 1:
            # Assumption: the code.
            raise ApiError(
                400,
                "GatewayMustHaveExactlyOneIpConfiguration",
                f"Gateway has {len(configs)} IP configurations specified for gateway {id_}, which is not active-active "
                "and must have one.",
            )
        shown: list[Json] = []
        for config in configs:
            if not config.get("name"):
                raise errors.missing_property("properties.ipConfigurations.name")
            inside = inner(config, "properties")
            child = id_.child("ipConfigurations", str(config["name"]))
            method = choice(inside, "privateIPAllocationMethod", ("Dynamic", "Static"), "Dynamic")
            ip = reference(inside.get("publicIPAddress"), "properties.ipConfigurations.publicIPAddress.id")
            subnet = reference(inside.get("subnet"), "properties.ipConfigurations.subnet.id")
            shown.append(
                {
                    "name": child.name,
                    "id": str(child),
                    "properties": {
                        "privateIPAllocationMethod": method,
                        "publicIPAddress": {"id": str(ip)},
                        "subnet": {"id": str(subnet)},
                        **self._private(given, subnet, len(shown)),
                    },
                }
            )
        if len({c["name"].lower() for c in shown}) != len(shown):
            raise ApiError(
                400,
                "DuplicateResourceName",
                f"Resource {id_}/ipConfigurations/ has two child resources with the same name ({shown[0]['name']}).",
            )
        if len({c["properties"]["publicIPAddress"]["id"].lower() for c in shown}) != len(shown):
            raise ApiError(
                400,
                "IpConfigurationsReferenceSamePublicIPAddress",
                f"The ipConfigurations of gateway {id_} reference the same public IP address.",
            )
        self._check_configs(id_, shown, old)
        return shown

    def _private(self, given: Json, subnet: ResourceId, index: int) -> Json:
        """The instance's address in GatewaySubnet, where private addresses are asked for."""
        found = self.store.find(subnet)
        if not given.get("enablePrivateIpAddress") or found is None or not found.is_type(SUBNET):
            return {}
        first = IPv4Network(prefixes_of(found.properties)[0]).network_address
        return {"privateIPAddress": str(first + 4 + index)}

    def _check_configs(self, id_: ResourceId, configs: list[Json], old: Record | None) -> None:
        subnets = {c["properties"]["subnet"]["id"].lower() for c in configs}
        if len(subnets) != 1 or not next(iter(subnets)).endswith(f"/subnets/{GATEWAY_SUBNET.lower()}"):
            # Assumption: the code; that the name must be exactly GatewaySubnet is documented.
            raise ApiError(
                400,
                "InvalidSubnetNameForGateway",
                f"The subnet of gateway {id_} must be one, and its name must be '{GATEWAY_SUBNET}'.",
            )
        subnet = self.store.find(parse(configs[0]["properties"]["subnet"]["id"]))
        if subnet is None or not subnet.is_type(SUBNET):
            raise errors.reference_not_found(configs[0]["properties"]["subnet"]["id"], str(id_))
        self._check_surroundings(subnet)
        if (
            old is not None
            and old.properties["ipConfigurations"][0]["properties"]["subnet"]["id"].lower() not in subnets
        ):
            raise ApiError(
                400, "VirtualNetworkGatewaySubnetCannotBeModified", f"The subnet of gateway {id_} cannot be changed."
            )
        for other in self.store.of_type(GATEWAY):
            theirs = other.properties["ipConfigurations"][0]["properties"]["subnet"]["id"].lower()
            if other.id.key != id_.key and theirs in subnets and other.properties["gatewayType"] == "Vpn":
                # Assumption: the code; one VPN gateway per VNet is documented.
                raise ApiError(
                    400,
                    "SubnetAlreadyHasVirtualNetworkGateway",
                    f"Subnet {subnet.id} is already used by virtual network gateway {other.id}; a virtual network can "
                    "have one VPN gateway.",
                )
        self._check_public_ips(id_, configs)

    def _check_surroundings(self, subnet: Record) -> None:
        """What must not be on a gateway's subnet. Raises ApiError.

        https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-about-vpn-gateway-settings#gwsub
        """
        if group := subnet.properties.get("networkSecurityGroup"):
            raise errors.fence_around_gateway(group["id"])
        if (small := IPv4Network(prefixes_of(subnet.properties)[0])).prefixlen > SMALLEST_SUBNET:
            # Assumption: the code; that all but the size Basic need a /27 is documented.
            raise ApiError(
                400,
                "GatewaySubnetTooSmall",
                f"Subnet {subnet.id} with the prefix {small} is too small for a gateway: it must be /{SMALLEST_SUBNET} or larger.",
            )
        table = subnet.properties.get("routeTable")
        found = self.store.find(parse(table["id"])) if table else None
        if found is not None and (
            found.properties["disableBgpRoutePropagation"]
            or any(r["properties"]["addressPrefix"] == "0.0.0.0/0" for r in found.properties["routes"])
        ):
            # Assumption: the code; neither a default route nor disabled propagation is supported there.
            raise ApiError(
                400,
                "RouteTableNotSupportedOnGatewaySubnet",
                f"Route table {found.id} on subnet {subnet.id} has a default route or keeps the gateway's routes out.",
            )

    def _check_public_ips(self, id_: ResourceId, configs: list[Json]) -> None:
        looks, zonal = set(), False
        for config in configs:
            text = config["properties"]["publicIPAddress"]["id"]
            ip = self.store.find(parse(text))
            if ip is None or not ip.is_type(PUBLIC_IP):
                raise errors.reference_not_found(text, str(id_))
            zones = tuple(sorted(ip.top.get("zones", [])))
            zonal = zonal or bool(zones_of(ip.location or ""))
            sku = ip.top.get("sku", {}).get("name")
            looks.add((sku, ip.properties["publicIPAllocationMethod"], zones))
            for other in self.store.of_type(GATEWAY):
                for theirs in other.properties["ipConfigurations"]:
                    same = theirs["properties"]["publicIPAddress"]["id"].lower() == ip.id.key
                    if other.id.key != id_.key and same:
                        raise ApiError(
                            400,
                            "PublicIPAddressInUse",
                            f"Resource {config['id']} is referencing public IP address {ip.id} that is already "
                            f"allocated to resource {theirs['id']}.",
                        )
        if len(looks) > 1:
            raise ApiError(
                400,
                "ActiveActiveGatewayPublicIPAddressesDiffersInSkuOrZones",
                f"Virtual network gateway {id_} in active active mode is using PublicIPAddresses either with different "
                "Skus or with different PublicIPAllocationMethod or from a different availability zones. Please use "
                "the same Sku, allocation method and zones for both.",
            )
        if zonal and any(not zones for _, _, zones in looks):
            raise ApiError(
                400,
                "VmssVpnGatewayPublicIpsMustHaveZonesConfigured",
                "Standard Public IPs associated with VPN Gateways with AZ VPN skus must have zones configured.",
            )

    def _bgp(self, id_: ResourceId, given: Json, configs: list[Json], active_active: bool, old: Record | None) -> Json:
        bgp = inner(given, "bgpSettings")
        asn = number(bgp, "asn", 0, 0, 2**32 - 1, path="properties.bgpSettings")
        if asn:
            refuse_own_asn(id_, asn)
        elif old is not None:
            asn = int(old.properties["bgpSettings"]["asn"])
        chosen = old.properties["bgpSettings"].get("bgpPeeringAddress") if old is not None else None
        if bgp.get("bgpPeeringAddress") and (old is None or old.effective is None):
            chosen = self._chosen(bgp["bgpPeeringAddress"], len(speakers_of(configs, active_active)))
        elif old is not None and "bgpPeeringAddress" in bgp:
            now = ",".join(d for defaults in self.default_addresses(old) for d in defaults)
            if bgp["bgpPeeringAddress"] != now:
                raise ApiError(
                    400,
                    "VirtualNetworkGatewayBgpPeeringAddressCannotBeModified",
                    f"The BgpPeeringAddress for the virtual network gateway {id_} cannot be modified",
                )
        if old is not None and old.properties["activeActive"] != active_active:
            chosen = None  # another number of instances, whose addresses Azure chooses
        entries = objects(bgp, "bgpPeeringAddresses", path="properties.bgpSettings")
        speakers = speakers_of(configs, active_active)
        custom: dict[str, list[str]] = {c["id"].lower(): [] for c in speakers}
        if old is not None and old.properties["activeActive"] and not active_active:
            # the instance that goes takes its entry along
            entries = [e for e in entries if str(e.get("ipconfigurationId") or "").lower() in custom]
        if entries and len(entries) != len(speakers):
            raise ApiError(
                400,
                "BgpPeeringAddressesCountNotCorrect",
                f"The number of BgpPeeringAddresses of gateway {id_} must be {len(speakers)}, not {len(entries)}.",
            )
        seen: set[str] = set()
        for entry in entries:
            key = str(entry.get("ipconfigurationId") or "").lower()
            if key not in custom or key in seen:
                # Assumption: the code.
                raise ApiError(
                    400,
                    "InvalidIpConfigurationIdInBgpPeeringAddresses",
                    f"IpconfigurationId '{entry.get('ipconfigurationId')}' in the BgpPeeringAddresses of gateway {id_} "
                    "does not name one of its ipConfigurations, or names one twice.",
                )
            seen.add(key)
            custom[key] = self._custom(id_, array(entry, "customBgpIpAddresses"))
        everything = [a for several in custom.values() for a in several]
        if len(set(everything)) != len(everything):
            # Assumption: the code; that addresses must differ is documented.
            raise ApiError(
                400, "DuplicateCustomBgpIpAddress", f"A custom BGP IP address of gateway {id_} is given twice."
            )
        return {
            "asn": asn,
            **({"bgpPeeringAddress": chosen} if chosen else {}),
            "peerWeight": number(bgp, "peerWeight", 0, 0, 100, path="properties.bgpSettings"),
            "bgpPeeringAddresses": [
                {"ipconfigurationId": c["id"], "customBgpIpAddresses": custom[c["id"].lower()]} for c in speakers
            ],
        }

    def _chosen(self, value: object, instances: int) -> str:
        """Of a new gateway, whose client says what its instances have; an address outside of GatewaySubnet, too."""
        parts = [p.strip() for p in str(value).split(",")]
        if any(address(p) is None for p in parts):
            raise ApiError(400, "InvalidIpAddress", f"The IP Address {value} is invalid.")
        if len(parts) != instances:
            raise errors.invalid_value("properties.bgpSettings.bgpPeeringAddress", value, f"{instances} addresses")
        return ",".join(parts)

    def _custom(self, id_: ResourceId, values: list[Any]) -> list[str]:
        """Assumption: an active-standby gateway takes several, too. A tutorial of 2021 names one; the list of the API, and the
        modules that Microsoft maintains, have several in that mode.
        """
        for value in values:
            parsed = address(value)
            if parsed is None:
                raise ApiError(400, "InvalidIpAddress", f"The IP Address {value} is invalid.")
            if not APIPA[0] <= parsed <= APIPA[1]:
                # Assumption: the code; the range is documented.
                raise ApiError(
                    400,
                    "CustomBgpIpAddressOutOfRange",
                    f"Custom BGP IP address {value} of gateway {id_} must lie between {APIPA[0]} and {APIPA[1]}.",
                )
        return [str(v) for v in values]

    def check_references(self, id_: ResourceId, properties: Json) -> None:
        for config in properties["ipConfigurations"]:
            for name in ("publicIPAddress", "subnet"):
                used = self.store.find(parse(config["properties"][name]["id"]))
                if used is not None and (state := self.store.state_of(used)) != "Succeeded":
                    word = "PublicIpAddress" if name == "publicIPAddress" else "Subnet"
                    raise errors.not_provisioned(str(used.id), str(id_), state, f"Put{word}Operation")

    def _whole(self, record: Record, body: Json) -> Json:
        """The address of an instance that goes is given up on purpose: the request holds it as it was read."""
        old, given = self.store.find(record.id), inner(body, "properties", path="")
        if old is not None and old.properties["activeActive"] and not record.properties["activeActive"]:
            bgp = {k: v for k, v in inner(given, "bgpSettings").items() if not k.startswith("bgpPeeringAddress")}
            body = {**body, "properties": {**given, "bgpSettings": bgp}}
        return super()._whole(record, body)

    # How it is answered

    def default_addresses(self, record: Record) -> list[list[str]]:
        """Those that its client chose. Else, active-active: the .4 and .5 of GatewaySubnet, one each; active-standby:
        the last usable address."""
        return self._defaults(record.properties)

    def _defaults(self, properties: Json) -> list[list[str]]:
        configs = properties["ipConfigurations"]
        if chosen := properties["bgpSettings"].get("bgpPeeringAddress"):
            return [[a] for a in chosen.split(",")]
        subnet = self.store.find(parse(configs[0]["properties"]["subnet"]["id"]))
        if subnet is None:
            return [[] for _ in configs]
        network = IPv4Network(prefixes_of(subnet.properties)[0])
        if properties["activeActive"]:
            return [[str(network.network_address + 4 + i)] for i in range(len(speakers_of(configs, True)))]
        return [[str(network.broadcast_address - 1)]]

    def public_address(self, config: Json) -> str | None:
        ip = self.store.find(parse(config["properties"]["publicIPAddress"]["id"]))
        return None if ip is None else ip.properties.get("ipAddress")

    def shape(self, record: Record, state: str, *, listed: bool) -> Json:
        shown = super().shape(record, state, listed=listed)
        built = record.effective is not None or self._nearly(record)
        shown["ipConfigurations"] = [
            {
                "name": config["name"],
                "id": config["id"],
                "etag": record.etag,
                "type": f"{GATEWAY}/ipConfigurations",
                "properties": {"provisioningState": state, **config["properties"]},
            }
            for config in record.properties["ipConfigurations"]
        ]
        clients = record.properties.get("vpnClientConfiguration")
        if clients and built and clients.get("vpnClientAddressPool"):
            shown["vpnClientConnectionHealth"] = {
                "vpnClientConnectionsCount": 0,
                "allocatedIpAddresses": [],
                "totalIngressBytesTransferred": 0,
                "totalEgressBytesTransferred": 0,
            }
        bgp = record.properties["bgpSettings"]
        defaults = self.default_addresses(record)
        peers: list[Json] = []
        configs = speakers_of(record.properties["ipConfigurations"], record.properties["activeActive"])
        for config, entry, default in zip(configs, bgp["bgpPeeringAddresses"], defaults, strict=True):
            peer = {
                "ipconfigurationId": entry["ipconfigurationId"],
                "defaultBgpIpAddresses": default if built else [],
                "customBgpIpAddresses": entry["customBgpIpAddresses"],
            }
            if built:
                peer["tunnelIpAddresses"] = [a for a in (self.public_address(config),) if a]
            peers.append(peer)
        shown_bgp: Json = {"asn": bgp["asn"] or (DEFAULT if built else 0)}
        if built:
            # while an instance goes or comes, those that there were
            there = defaults if state == "Succeeded" else self._defaults(record.effective or record.properties)
            shown_bgp["bgpPeeringAddress"] = ",".join(d for several in there for d in several)
        elif "bgpPeeringAddress" in bgp:
            shown_bgp["bgpPeeringAddress"] = bgp["bgpPeeringAddress"]
        shown_bgp["peerWeight"] = bgp["peerWeight"]
        shown_bgp["bgpPeeringAddresses"] = peers
        shown["bgpSettings"] = shown_bgp
        return shown

    def _nearly(self, record: Record) -> bool:
        running = self.store.operation_on(record.id.key)
        return running is not None and running.ends_at - self.store.now() <= ADDRESSES_EARLIER

    def first_answer(self, shown: Json) -> Json:
        """The answer to a PUT alone shows what point-to-site would have."""
        defaults = {
            "vpnClientProtocols": ["OpenVPN", "IkeV2"],
            "vpnAuthenticationTypes": [],
            "vpnClientRootCertificates": [],
            "vpnClientRevokedCertificates": [],
            "vngClientConnectionConfigurations": [],
            "radiusServers": [],
            "vpnClientIpsecPolicies": [],
        }
        given = shown["properties"].get("vpnClientConfiguration") or {}
        shown["properties"]["vpnClientConfiguration"] = {**defaults, **given}
        return shown

    # Locks, uses, actions

    def waits_for(self, id_: ResourceId, properties: Json, *, deleting: bool) -> tuple[str, ...]:
        del properties, deleting
        return (id_.key, connections_lock(id_.key))

    def connections(self, gateway: Record) -> list[Record]:
        return [
            c
            for c in self.store.of_type(CONNECTION)
            if gateway.id.key
            in (c.properties.get(f"virtualNetworkGateway{n}", {}).get("id", "").lower() for n in (1, 2))
        ]

    def refuse_delete(self, record: Record) -> None:
        if users := self.connections(record):
            raise errors.gateway_has_connections(str(record.id), str(users[0].id))

    def reset(self, request: Request) -> Answer:
        """Restarts the instance with ``gatewayVip``, or the first one. Its result is the gateway.

        Assumption: Azure takes the word None for none. az 2.91 sends it where no address is given, and its
        documentation shows that call.
        """
        record = self.record(request)
        vip = request.query.get("gatewayvip", "")
        vip = "" if vip == "None" else vip
        addresses = [self.public_address(c) for c in record.properties["ipConfigurations"]]
        if vip and vip not in addresses:
            raise ApiError(400, "InvalidGatewayVip", f"The gateway VIP {vip} does not belong to gateway {record.id}.")
        awaited = self.waits_for(record.id, record.properties, deleting=False)
        refuse_if_locked(self.store, self.operations, request, record.id, awaited, retryable=True)
        operation = self.operations.start(
            request,
            record,
            name=RESET,
            lasts="azure.vng.reset",
            flips=(record.id.key,),
            locks=(record.id.key,),
            steps=self.steps,
            post=True,
            restarts=True,
        )
        return self.operations.accepted(request, operation, 202, None)

    def _after_reset(self, operation: Operation) -> Json | None:
        record = self.store.resources.get(operation.target)
        return None if record is None else self.show(record)


def speakers_of(configs: list[Json], active_active: bool) -> list[Json]:
    """The ipConfigurations of the instances, which tunnel and speak BGP. A third one serves point-to-site alone.

    Assumption: it is the last, and has no BGP address.
    """
    return configs[: 2 if active_active else 1]
