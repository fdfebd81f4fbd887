"""Direct Connect, as far as it is read: gateways, their associations and attachments, virtual interfaces.

What is there is seeded; every write is refused.
https://docs.aws.amazon.com/directconnect/latest/APIReference/Welcome.html
"""

from __future__ import annotations

from typing import Any

from cloudlink_sandbox.aws.direct_connect_gateways import Association, Gateway, Interface
from cloudlink_sandbox.aws.errors import ApiError
from cloudlink_sandbox.aws.handlers import Handlers
from cloudlink_sandbox.aws.plain import Plain


class DirectConnectHandlers(Handlers):
    def __init__(self) -> None:
        super().__init__(service_name="directconnect")
        self.automated_parameter_parsing = True

    def describe_direct_connect_gateways(self) -> Plain:
        wanted = self.given("directConnectGatewayId")
        self._whole_pages()
        found = [g for g in self._gateways() if wanted in (None, g.id)]
        return Plain({"directConnectGateways": [self._gateway(g) for g in found]})

    def describe_direct_connect_gateway_associations(self) -> Plain:
        """One of the four ids has to be given, as AWS wants it."""
        association, associated = self.given("associationId"), self.given("associatedGatewayId")
        gateway, virtual = self.given("directConnectGatewayId"), self.given("virtualGatewayId")
        if not (association or associated or gateway or virtual):
            raise ApiError("DirectConnectClientException", "At least one of the identifiers has to be given.")
        self._whole_pages()
        found = [
            self._association(g, a)
            for g in self._gateways()
            for a in g.associations
            if gateway in (None, g.id) and association in (None, a.id)
            if associated in (None, a.gateway_id) and virtual in (None, a.gateway_id)
        ]
        return Plain({"directConnectGatewayAssociations": found})

    def describe_direct_connect_gateway_attachments(self) -> Plain:
        gateway, interface = self.given("directConnectGatewayId"), self.given("virtualInterfaceId")
        if not (gateway or interface):
            raise ApiError("DirectConnectClientException", "One of the identifiers has to be given.")
        self._whole_pages()
        found = [
            {
                "directConnectGatewayId": g.id,
                "virtualInterfaceId": i.id,
                "virtualInterfaceRegion": i.region,
                "virtualInterfaceOwnerAccount": self.cloud.account,
                "attachmentState": "attached",
                "attachmentType": "PrivateVirtualInterface",
            }
            for g in self._gateways()
            for i in g.interfaces
            if gateway in (None, g.id) and interface in (None, i.id)
        ]
        return Plain({"directConnectGatewayAttachments": found})

    def describe_virtual_interfaces(self) -> Plain:
        connection, wanted = self.given("connectionId"), self.given("virtualInterfaceId")
        self._whole_pages()
        found = [
            self._interface(g, i)
            for g in self._gateways()
            for i in g.interfaces
            if i.region == self.region and connection in (None, i.connection_id) and wanted in (None, i.id)
        ]
        return Plain({"virtualInterfaces": found})

    # --- answers ------------------------------------------------------------------------------------------

    def _gateways(self) -> list[Gateway]:
        return list(self.cloud.direct_connect.by_id.values())

    def _whole_pages(self) -> None:
        """Few are there, so that everything is one page. Raises ApiError for a token, which nobody was given."""
        self.given("maxResults")
        if self.given("nextToken"):
            raise ApiError("DirectConnectClientException", "The nextToken is invalid.")

    def _gateway(self, gateway: Gateway) -> dict[str, Any]:
        return {
            "directConnectGatewayId": gateway.id,
            "directConnectGatewayName": gateway.name,
            "amazonSideAsn": gateway.asn,
            "ownerAccount": self.cloud.account,
            "directConnectGatewayState": gateway.state,
        }

    def _association(self, gateway: Gateway, association: Association) -> dict[str, Any]:
        return {
            "directConnectGatewayId": gateway.id,
            "directConnectGatewayOwnerAccount": self.cloud.account,
            "associationState": association.state,
            "associatedGateway": {
                "id": association.gateway_id,
                "type": "virtualPrivateGateway",
                "ownerAccount": self.cloud.account,
                "region": association.region,
            },
            "associationId": association.id,
            "allowedPrefixesToDirectConnectGateway": [{"cidr": str(p)} for p in association.allowed],
            "virtualGatewayId": association.gateway_id,
            "virtualGatewayRegion": association.region,
            "virtualGatewayOwnerAccount": self.cloud.account,
        }

    def _interface(self, gateway: Gateway, interface: Interface) -> dict[str, Any]:
        return {
            "ownerAccount": self.cloud.account,
            "virtualInterfaceId": interface.id,
            "connectionId": interface.connection_id,
            "virtualInterfaceType": "private",
            "virtualInterfaceName": interface.name,
            "vlan": interface.vlan,
            "asn": interface.asn,
            "amazonSideAsn": gateway.asn,
            "virtualInterfaceState": interface.state,
            "directConnectGatewayId": gateway.id,
            "region": interface.region,
        }
