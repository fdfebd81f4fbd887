"""The subnet of Azure's gateway."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from typing import Any

from cloudlink.clouds.azure import body_network
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_network import GATEWAY_SUBNET, gateway_subnet, joined
from cloudlink.clouds.azure.parse_object import tags_of
from cloudlink.clouds.ownership import owner_of
from cloudlink.core.permissions import Permission
from cloudlink.core.polling import STEADY_DELETION
from cloudlink.core.resource import Node, Observed, Outputs, Ownership, Receipts, Resource, Started, Timing, built_on
from cloudlink.errors import ConflictError
from cloudlink.link import Link
from cloudlink.steps.azure_resource import phase
from cloudlink.steps.outputs import GatewaySubnet, VirtualNetwork
from cloudlink.steps.permissions import NETWORK, VNET, Joins, rbac

# On the gateway: that its subnet is ours. A subnet has no tags, and the state file may be lost.
MADE_SUBNET_TAG = "cloudlink-made-subnet"


@dataclass(frozen=True)
class GatewaySubnetSpec:
    prefix: IPv4Network


@dataclass(frozen=True, kw_only=True, eq=False)
class GatewaySubnetResource(Resource[GatewaySubnetSpec, GatewaySubnet], Joins):
    """The subnet ``GatewaySubnet``. One that is there already is used as it is and never deleted.

    Subnets have no tags: that one is ours is said by the receipt, or by a tag on our gateway. So a subnet whose receipt
    was lost before there was a gateway counts as somebody else's, and stays.
    """

    link: Link
    azure: Azure
    network: Node[VirtualNetwork] = built_on()

    timing = Timing(create=4, update=4, delete=10, deadline=900, delete_pace=STEADY_DELETION)
    permissions = replace(
        rbac(f"{NETWORK}/virtualNetworks/subnets", VNET),
        read=(Permission(f"{NETWORK}/virtualNetworks/read", VNET),),
    )  # it is read with its VNet
    immutable = frozenset({"prefix"})
    serial = "azure-vnet"

    def spec(self, outputs: Outputs) -> GatewaySubnetSpec:
        _ = outputs[self.network]
        return GatewaySubnetSpec(self._wanted)

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[GatewaySubnetSpec, GatewaySubnet] | None:
        subnet = gateway_subnet(self.azure.vnet(fresh=fresh))
        if subnet is None:
            return None
        id_, prefixes, now = subnet.id, tuple(sorted(subnet.prefixes)), phase(subnet.state)
        if self._ours(receipts, id_, prefixes):
            outputs = GatewaySubnet(id_, owned=True)
            prefix = self._wanted if self._wanted in prefixes else prefixes[0]
            return Observed(id_, now, GatewaySubnetSpec(prefix), outputs, Ownership.OWNED, subnet.state)
        # not ours, so its range is no drift; one that is too small for a gateway is found before anything is made
        detail = f"used as it is: {', '.join(map(str, prefixes))}"
        spec = GatewaySubnetSpec(self._wanted)
        return Observed(id_, now, spec, GatewaySubnet(id_), Ownership.ADOPTED, detail)

    @property
    def _wanted(self) -> IPv4Network:
        wanted = self.link.azure.gateway_subnet
        assert wanted is not None, "a link that makes a gateway has a range for its subnet"
        return wanted

    def create(self, spec: GatewaySubnetSpec) -> Started:
        return self.azure.put_gateway_subnet(body_network.new_subnet(spec.prefix))

    def update(self, found: Observed[GatewaySubnetSpec, GatewaySubnet], spec: GatewaySubnetSpec) -> Started:
        """Only a failed one is written again, with whatever others have put on it: its range is immutable."""
        del spec
        return self.azure.put_gateway_subnet(body_network.same_subnet(self.azure.whole(found.id)))

    def joined(self) -> tuple[tuple[str, str], ...]:
        return joined(self.azure.vnet(), GATEWAY_SUBNET)

    def delete(self, found: Observed[GatewaySubnetSpec, GatewaySubnet], prior_state: Any) -> Started | None:
        """Raises ConflictError while a gateway of others is in it: Azure would refuse, and waiting does not help."""
        del prior_state
        if found.owned is not Ownership.OWNED:
            return None
        if others := self.azure.other_gateways():
            raise ConflictError(
                "The gateway subnet is used by others",
                f"cloudlink made it, and {', '.join(others)} is now in it, too. It is kept.",
                "Delete it together with that gateway.",
                resource=self.address,
            )
        return self.azure.delete_gateway_subnet()

    def _ours(self, receipts: Receipts, id_: str, prefixes: tuple[IPv4Network, ...]) -> bool:
        receipt = receipts.of(self)
        if receipt is not None and receipt.intent != "create" and receipt.owned is Ownership.OWNED:
            return True
        if receipt is not None and receipt.intent == "create" and prefixes == (self._wanted,):
            return True  # we had begun to make it when we were killed, and it is what we would have made
        # Also where our receipt says that it was there before: a run on another machine had just made it.
        tags = tags_of(self.azure.gateway())
        here = id_.lower().startswith(f"{self.azure.vnet_of_gateway()}/subnets/")
        return here and owner_of(self.link).holds(tags) and tags.get(MADE_SUBNET_TAG) == "true"
