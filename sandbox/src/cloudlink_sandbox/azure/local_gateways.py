"""Local network gateways: what Azure is told about the other end of a tunnel."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.asn import refuse_peer_asn
from cloudlink_sandbox.azure.errors import ApiError
from cloudlink_sandbox.azure.exchange import Json
from cloudlink_sandbox.azure.fields import address, array, inner, number, prefix
from cloudlink_sandbox.azure.ids import ResourceId
from cloudlink_sandbox.azure.resource_provider import ResourceProvider
from cloudlink_sandbox.azure.store import Record

LOCAL_GATEWAY = "Microsoft.Network/localNetworkGateways"
CONNECTION = "Microsoft.Network/connections"
LINK_LOCAL = IPv4Network("169.254.0.0/16")


class LocalGateways(ResourceProvider):
    kinds = ("localNetworkGateways",)
    word = "LocalNetworkGateway"
    lasts = ("azure.lng", "azure.lng", "azure.delete")

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        del old
        given = inner(body, "properties", path="")
        space = [prefix(p, id_) for p in array(inner(given, "localNetworkAddressSpace"), "addressPrefixes")]
        for p in space:
            if IPv4Network(p).overlaps(LINK_LOCAL):
                # Assumption: the code. That an APIPA prefix is refused here is documented in the VPN gateway FAQ.
                raise ApiError(
                    400,
                    "LocalNetworkGatewayApipaPrefixNotAllowed",
                    f"Address prefix {p} of local network gateway {id_} lies in the link-local range.",
                )
        properties: Json = {"localNetworkAddressSpace": {"addressPrefixes": space}}
        ip, fqdn = given.get("gatewayIpAddress"), given.get("fqdn")
        if ip:
            parsed = address(ip)
            if parsed is None or parsed.is_multicast or parsed.is_unspecified:
                raise ApiError(400, "InvalidIpAddress", f"The IP Address {ip} is invalid.")
            properties["gatewayIpAddress"] = str(ip)
        elif fqdn:
            properties["fqdn"] = str(fqdn)
        else:
            raise errors.missing_property("properties.gatewayIpAddress")
        if given.get("bgpSettings"):
            bgp = inner(given, "bgpSettings")
            asn = number(bgp, "asn", 0, 0, 2**32 - 1, path="properties.bgpSettings")
            if asn == 0:
                raise ApiError(
                    400,
                    "LocalNetworkGatewayCannotHaveZeroAsn",
                    f"The local network gateway {id_} cannot have an ASN of zero",
                )
            refuse_peer_asn(id_, asn)
            properties["bgpSettings"] = {
                "asn": asn,
                "bgpPeeringAddress": str(bgp.get("bgpPeeringAddress") or ""),
                "peerWeight": number(bgp, "peerWeight", 0, 0, 100, path="properties.bgpSettings"),
            }
        return properties

    def late_error(self, record: Record) -> Json | None:
        """A BGP peer address that cannot be one is found while the operation runs, not at once."""
        bgp = record.properties.get("bgpSettings")
        if bgp is None:
            return None
        value = address(bgp["bgpPeeringAddress"])
        if value is not None and usable(value):
            return None
        text = f"The specified BGP peer IP address '{bgp['bgpPeeringAddress']}' is not valid."
        return {"code": "InvalidIPAddress", "message": text, "details": []}

    def waits_for(self, id_: ResourceId, properties: Json, *, deleting: bool) -> tuple[str, ...]:
        """While a connection that uses it is written, it cannot be changed."""
        del properties, deleting
        users = [c.id.key for c in self.connections(id_)]
        return (id_.key, *users)

    def connections(self, id_: ResourceId) -> list[Record]:
        return [
            c
            for c in self.store.of_type(CONNECTION)
            if c.properties.get("localNetworkGateway2", {}).get("id", "").lower() == id_.key
        ]

    def refuse_delete(self, record: Record) -> None:
        if users := self.connections(record.id):
            # Assumption: the code was not found recorded or documented; that it is refused is.
            raise errors.in_use(
                "LocalNetworkGatewayCannotBeDeleted", "Local network gateway", str(record.id), str(users[0].id)
            )


def usable(value: IPv4Address) -> bool:
    return not (value.is_multicast or value.is_unspecified or value.is_loopback or int(value) == 2**32 - 1)
