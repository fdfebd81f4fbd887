"""ExpressRoute circuits, as far as they are read. What is there is seeded; a circuit is not made here, for a provider would have
to provision it.

https://learn.microsoft.com/azure/expressroute/expressroute-introduction
"""

from __future__ import annotations

from ipaddress import IPv4Network

from cloudlink_sandbox.azure import errors
from cloudlink_sandbox.azure.errors import ApiError
from cloudlink_sandbox.azure.exchange import Json
from cloudlink_sandbox.azure.ids import ResourceId, parse
from cloudlink_sandbox.azure.local_gateways import CONNECTION
from cloudlink_sandbox.azure.resource_provider import ResourceProvider
from cloudlink_sandbox.azure.store import Record, Store
from cloudlink_sandbox.facts import ExpressRoute

CIRCUIT = "Microsoft.Network/expressRouteCircuits"
MICROSOFT_ASN = 12_076


class Circuits(ResourceProvider):
    kinds = ("expressRouteCircuits",)
    word = "ExpressRouteCircuit"
    lasts = ("azure.vnet", "azure.vnet", "azure.delete")

    def accept(self, id_: ResourceId, body: Json, old: Record | None) -> Json:
        del body, old
        raise errors.not_modelled("circuits that are made or changed", str(id_))

    def refuse_delete(self, record: Record) -> None:
        """Assumption: the code; that a circuit which its provider has provisioned is not deleted is documented."""
        raise ApiError(
            400,
            "ExpressRouteCircuitCannotBeDeletedWhenServiceProviderProvisioned",
            f"Circuit {record.id} cannot be deleted: its ServiceProviderProvisioningState is not NotProvisioned.",
        )


def is_express_route(connection: Json) -> bool:
    """Of the properties of a connection: it leads to a circuit, and has no tunnel."""
    return bool(connection["connectionType"] == "ExpressRoute")


def express_routes(store: Store) -> tuple[ExpressRoute, ...]:
    """In the words of the world."""
    found = []
    for record in store.of_type(CONNECTION):
        kept = record.effective or record.properties
        if not is_express_route(kept):
            continue
        gateway = store.find(parse(kept["virtualNetworkGateway1"]["id"]))
        circuit = store.find(parse(kept["peer"]["id"]))
        if gateway is None or circuit is None:
            continue
        held = circuit.properties
        for peering in held["peerings"]:
            inside = peering["properties"]
            if inside["peeringType"] != "AzurePrivatePeering":
                continue
            up = (
                held["serviceProviderProvisioningState"] == "Provisioned"
                and held["circuitProvisioningState"] == "Enabled"
                and inside["state"] == "Enabled"
                and record.effective is not None
            )
            address = IPv4Network(inside["primaryPeerAddressPrefix"]).network_address + 2
            found.append(
                ExpressRoute(str(record.id), str(gateway.id), inside["peerASN"], MICROSOFT_ASN, address, working=up)
            )
    return tuple(found)
