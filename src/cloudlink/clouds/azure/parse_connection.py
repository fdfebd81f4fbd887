"""Local network gateways and connections, in frozen facts."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from cloudlink.clouds.azure.parse_ipsec import from_azure, renewal_group
from cloudlink.clouds.azure.parse_pieces import Json, as_list, as_map, id_of, last, properties, ranges, region, texts
from cloudlink.clouds.malformed import parsing
from cloudlink.ipsec import IpsecPolicy
from cloudlink.secret import Secret


@dataclass(frozen=True)
class LocalGateway:
    """What Azure knows of the other end of a tunnel."""

    id: str
    location: str
    state: str
    address: str  # public; empty: it is known by a name
    asn: int | None
    peer: str  # who speaks BGP there; empty: nobody
    prefixes: tuple[IPv4Network, ...] = ()


@dataclass(frozen=True)
class InstanceAddress:
    """From which inside address an instance of the gateway speaks BGP on a connection."""

    config: str  # id of its ipConfiguration, in lower case
    address: IPv4Address | None

    @property
    def config_name(self) -> str:
        return last(self.config)


@dataclass(frozen=True)
class Connection:
    """Ids in lower case."""

    id: str
    name: str
    location: str
    state: str
    type: str
    gateway: str
    local_gateway: str
    protocol: str
    key: Secret | None  # None: Azure does not show it
    policy: IpsecPolicy
    renewal_group: str  # Diffie-Hellman group of the renewal of keys: a number, or ``none``; empty: it cannot be told
    has_policy: bool  # False: it uses Azure's own
    bgp: bool
    bgp_addresses: tuple[InstanceAddress, ...] = ()
    mode: str = "Default"
    policy_selectors: bool = False
    selectors: frozenset[str] = frozenset()
    by_certificate: bool = False  # it signs in with one, and not with the key
    from_private_address: bool = False  # it tunnels from the gateway's address in the VNet, and not from its public one
    nat_rules: tuple[str, ...] = ()  # names of the gateway's rules that change addresses on it
    # as it works
    status: str = "Unknown"  # Azure's word: Connected, NotConnected, ...
    ingress: int = 0  # bytes
    egress: int = 0


@parsing("Azure's local network gateways")
def local_gateway(raw: Json) -> LocalGateway:
    held = properties(raw)
    bgp = as_map(held.get("bgpSettings"))
    asn = bgp.get("asn")
    return LocalGateway(
        id=str(raw["id"]),
        location=region(raw.get("location")),
        state=str(held.get("provisioningState") or ""),
        address=str(held.get("gatewayIpAddress") or ""),
        asn=None if asn is None else int(asn),
        peer=str(bgp.get("bgpPeeringAddress") or ""),
        prefixes=ranges(as_map(held.get("localNetworkAddressSpace")).get("addressPrefixes")),
    )


@parsing("Azure's connections")
def connection(raw: Json) -> Connection:
    held = properties(raw)
    policies = as_list(held.get("ipsecPolicies"))
    return Connection(
        id=str(raw["id"]),
        name=str(raw.get("name") or ""),
        location=region(raw.get("location")),
        state=str(held.get("provisioningState") or ""),
        type=str(held.get("connectionType") or ""),
        gateway=id_of(held.get("virtualNetworkGateway1")).lower(),
        local_gateway=id_of(held.get("localNetworkGateway2")).lower(),
        protocol=str(held.get("connectionProtocol") or ""),
        key=_key(held.get("sharedKey")),
        policy=from_azure(policies[0] if policies else None, dpd_timeout=held.get("dpdTimeoutSeconds")),
        renewal_group=renewal_group(policies[0]) if policies else "",
        has_policy=bool(policies),
        bgp=bool(held.get("enableBgp", held.get("enableBGP"))),
        bgp_addresses=tuple(map(_instance_address, as_list(held.get("gatewayCustomBgpIpAddresses")))),
        mode=str(held.get("connectionMode") or "Default"),
        policy_selectors=bool(held.get("usePolicyBasedTrafficSelectors")),
        selectors=frozenset(map(_selector, as_list(held.get("trafficSelectorPolicies")))),
        by_certificate=str(held.get("authenticationType") or "PSK").lower() == "certificate",
        from_private_address=held.get("useLocalAzureIpAddress") is True,
        nat_rules=tuple(
            last(id_of(rule)) for key in ("ingressNatRules", "egressNatRules") for rule in as_list(held.get(key))
        ),
        status=str(held.get("connectionStatus") or "Unknown"),
        ingress=int(held.get("ingressBytesTransferred") or 0),
        egress=int(held.get("egressBytesTransferred") or 0),
    )


def _key(value: Any) -> Secret | None:
    if not value:
        return None
    return value if isinstance(value, Secret) else Secret(str(value))


def _instance_address(raw: Json) -> InstanceAddress:
    """Connections write ipConfigurationId, gateways ipconfigurationId."""
    return InstanceAddress(
        str(raw.get("ipConfigurationId") or "").lower(), address_or_none(raw.get("customBgpIpAddress"))
    )


def _selector(raw: Json) -> str:
    local, remote = (", ".join(texts(raw.get(f"{side}AddressRanges"))) for side in ("local", "remote"))
    return f"{local} to {remote}"


def address_or_none(text: object) -> IPv4Address | None:
    """None for what is not an IPv4 address: a gateway found by name, a peer that is not set."""
    try:
        return IPv4Address(str(text))
    except ValueError:
        return None
