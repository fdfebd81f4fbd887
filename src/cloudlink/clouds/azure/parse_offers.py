"""What Azure's connections offer to the other end, whole and in Azure's words.

A rehearsal gives these to a daemon in Azure's place, so nothing of what cloudlink wants is mixed in here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloudlink.clouds.azure.parse_pieces import Json, as_list, as_map, id_of, properties, texts
from cloudlink.clouds.malformed import parsing
from cloudlink.secret import Secret


@dataclass(frozen=True)
class Policy:
    """An entry of ``ipsecPolicies``."""

    ike_cipher: str
    ike_hash: str
    ike_group: str
    esp_cipher: str
    esp_hash: str
    pfs_group: str
    lifetime: int  # of ESP's keys, in seconds


@dataclass(frozen=True)
class ConnectionOffer:
    """One connection. Ids in lower case."""

    name: str
    gateway: str
    local_gateway: str
    protocol: str  # IKEv1, IKEv2
    key: Secret | None
    policy: Policy | None  # None: Azure's own
    mode: str  # Default, InitiatorOnly, ResponderOnly
    bgp: bool
    inside: Mapping[str, str] = field(default_factory=dict)  # of each ipConfiguration, from which it speaks BGP here
    dpd_timeout: int = 45  # seconds
    policy_selectors: bool = False


@dataclass(frozen=True)
class FarGateway:
    """A local network gateway: what Azure takes the other end to be."""

    id: str  # in lower case
    address: str
    asn: int | None
    peer: str
    prefixes: tuple[str, ...]


@parsing("Azure's connections")
def connection_offer(raw: Json) -> ConnectionOffer:
    held = properties(raw)
    policies, key = as_list(held.get("ipsecPolicies")), held.get("sharedKey")
    return ConnectionOffer(
        name=str(raw.get("name") or ""),
        gateway=id_of(held.get("virtualNetworkGateway1")).lower(),
        local_gateway=id_of(held.get("localNetworkGateway2")).lower(),
        protocol=str(held.get("connectionProtocol") or "IKEv2"),
        key=(key if isinstance(key, Secret) else Secret(str(key))) if key else None,
        policy=_policy(policies[0]) if policies else None,
        mode=str(held.get("connectionMode") or "Default"),
        bgp=bool(held.get("enableBgp", held.get("enableBGP"))),
        inside={
            str(a.get("ipConfigurationId") or "").lower(): str(a.get("customBgpIpAddress") or "")
            for a in as_list(held.get("gatewayCustomBgpIpAddresses"))
        },
        dpd_timeout=int(held.get("dpdTimeoutSeconds") or 45),
        policy_selectors=bool(held.get("usePolicyBasedTrafficSelectors")),
    )


@parsing("Azure's local network gateways")
def far_gateway(raw: Json) -> FarGateway:
    held = properties(raw)
    bgp = as_map(held.get("bgpSettings"))
    asn = bgp.get("asn")
    return FarGateway(
        id=str(raw["id"]).lower(),
        address=str(held.get("gatewayIpAddress") or ""),
        asn=None if asn is None else int(asn),
        peer=str(bgp.get("bgpPeeringAddress") or ""),
        prefixes=texts(as_map(held.get("localNetworkAddressSpace")).get("addressPrefixes")),
    )


def _policy(raw: Json) -> Policy:
    def word(key: str) -> str:
        return str(raw.get(key) or "")

    return Policy(
        ike_cipher=word("ikeEncryption"),
        ike_hash=word("ikeIntegrity"),
        ike_group=word("dhGroup"),
        esp_cipher=word("ipsecEncryption"),
        esp_hash=word("ipsecIntegrity"),
        pfs_group=word("pfsGroup"),
        lifetime=int(raw.get("saLifeTimeSeconds") or 27_000),
    )
