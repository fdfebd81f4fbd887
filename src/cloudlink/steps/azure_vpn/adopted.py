"""A VPN gateway that exists: it is looked up, gets the tunnels' inside addresses, and is otherwise left as it is."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, ClassVar

from cloudlink.clouds.azure import body_gateway, parse_gateway
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_gateway import Gateway
from cloudlink.core.permissions import Permission, Permissions
from cloudlink.core.resource import (
    Lookup,
    Node,
    Observed,
    Outputs,
    Ownership,
    Receipts,
    Resource,
    Started,
    Timing,
)
from cloudlink.errors import ConflictError, MissingError
from cloudlink.link import Link
from cloudlink.steps.azure_resource import phase
from cloudlink.steps.azure_vpn.connections import GATEWAY_SERIAL
from cloudlink.steps.outputs import AzureGateway, CustomerGateway, GatewayInstance, Nothing, PublicIp
from cloudlink.steps.permissions import GROUP, JOIN_SUBNET, NETWORK

_KIND = f"{NETWORK}/virtualNetworkGateways"
_READ = Permission(f"{_KIND}/read", GROUP)
_WRITE = (
    Permission(f"{_KIND}/write", GROUP),
    # a PUT names them again: https://learn.microsoft.com/azure/vpn-gateway/roles-permissions
    Permission(f"{NETWORK}/publicIPAddresses/join/action", GROUP),
    JOIN_SUBNET,
)
_PART = "/bgpSettings"  # what the id of the addresses has beside the gateway's
TRIES = 3  # of a write that somebody else's came before


@dataclass(frozen=True, kw_only=True, eq=False)
class AdoptedGateway(Lookup[AzureGateway]):
    """The gateway that the configuration names. What of it does not fit the link is said by preflight, all at once."""

    link: Link
    azure: Azure
    permissions: ClassVar[Permissions] = Permissions(read=(_READ,))

    def read(self, outputs: Outputs) -> AzureGateway:
        del outputs
        found = existing(self.link, self.azure, self.address)
        instances = tuple(GatewayInstance(_config_id(found, a.config), a.public[0]) for a in found.instances)
        return AzureGateway(found.id, found.asn or 0, instances)

    def adopted(self, outputs: AzureGateway) -> str:
        return outputs.id


@dataclass(frozen=True, kw_only=True, eq=False)
class AdoptedPublicIp(Lookup[PublicIp]):
    """The public address of one instance of the adopted gateway, as the gateway says itself."""

    link: Link
    azure: Azure
    index: int
    permissions: ClassVar[Permissions] = Permissions(read=(_READ,))

    def read(self, outputs: Outputs) -> PublicIp:
        """Raises MissingError when the gateway is gone, or does not say which instances it has."""
        del outputs
        found = existing(self.link, self.azure, self.address)
        if self.index >= len(found.instances):
            raise unclear_instances(found, self.address)
        instance = found.instances[self.index]
        config = found.config(instance.config)
        return PublicIp(config.public_ip if config else "", instance.public[0])


def existing(link: Link, azure: Azure, address: str) -> Gateway:
    """The adopted gateway. Raises MissingError, which names the gateway that the VNet has instead."""
    raw = azure.gateway()
    if raw is not None:
        return parse_gateway.gateway(raw)
    name, group = link.azure_gateway
    others = azure.other_vpn_gateways()
    hint = f"az network vnet-gateway list --resource-group {group} --subscription {link.azure.subscription} -o table"
    if others:
        hint = f'{link.azure.vnet} has the VPN gateway {others[0]}. To use it: azure.vpn_gateway.adopt = "{others[0]}"'
    raise MissingError(
        "The VPN gateway to adopt does not exist",
        f"The resource group {group} has no VPN gateway {name}.",
        hint,
        resource=address,
    )


def unclear_instances(found: Gateway, address: str) -> MissingError:
    wanted = "two instances" if found.active_active else "one instance"
    return MissingError(
        "Which instances the VPN gateway has cannot be told",
        f"{found.id} should show {wanted} with a public address and a BGP address, and shows "
        f"{sum(bool(a.public and a.default) for a in found.addresses)} (state {found.state or 'unknown'}, BGP "
        f"{'on' if found.bgp else 'off'}).",
        "If it is being changed, wait until it is Succeeded, then run the command again.",
        resource=address,
    )


def _config_id(found: Gateway, key: str) -> str:
    config = found.config(key)
    return config.id if config else key


# --- the inside addresses on it -------------------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class InsideAddress:
    instance: int  # -1: on an ipConfiguration that is no instance of the link's
    address: IPv4Address

    def __str__(self) -> str:
        return f"{self.address} on instance {self.instance + 1}" if self.instance >= 0 else f"{self.address} elsewhere"


@dataclass(frozen=True)
class InsideSpec:
    addresses: frozenset[InsideAddress]  # ours that are on the gateway
    # all that are ours, wherever they are: written down before the first write, and not to be changed after it
    reserved: frozenset[IPv4Address]


@dataclass(frozen=True, kw_only=True, eq=False)
class InsideAddresses(Resource[InsideSpec, Nothing]):
    """The tunnels' inside addresses among the gateway's custom BGP addresses: the one thing of it that is altered.

    Which of ours were there before is recorded before the first write, and a removal takes away the others. They are ours by
    the configuration, or, once they are written down, by the receipt.

    https://learn.microsoft.com/azure/vpn-gateway/bgp-howto (custom Azure APIPA BGP IP addresses)
    """

    link: Link
    azure: Azure
    gateway: Node[AzureGateway]
    named_by: tuple[Node[CustomerGateway], ...] = ()  # their tags say which are added, see ``to_be_added``

    timing: ClassVar[Timing] = Timing(
        update=142, delete=142, deadline=5400
    )  # recorded: 62 to 3556 s, 142 in the middle
    serial: ClassVar[str] = GATEWAY_SERIAL
    permissions: ClassVar[Permissions] = Permissions(read=(_READ,), update=_WRITE, delete=_WRITE)

    def spec(self, outputs: Outputs) -> InsideSpec:
        return InsideSpec(frozenset(InsideAddress(t.vpn, t.azure_inside) for t in self.link.tunnels), self._ours)

    @property
    def _ours(self) -> frozenset[IPv4Address]:
        """Of all four tunnels, so that an instance that comes later is accounted for."""
        return frozenset(t.azure_inside for t in (*self.link.tunnels, *self.link.spare))

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[InsideSpec, Nothing] | None:
        raw = self.azure.gateway(fresh=fresh)
        if raw is None:
            return None
        found = parse_gateway.gateway(raw)
        receipt = receipts.of(self)
        noted = _noted(receipt.prior_state if receipt else None)
        reserved = noted[0] if noted else self._ours
        relevant = {t.azure_inside for t in self.link.tunnels} | (reserved - self._ours)
        spec = InsideSpec(frozenset(a for a in addresses_on(found) if a.address in relevant), reserved)
        id_ = f"{found.id}{_PART}"
        return Observed(id_, phase(found.state), spec, Nothing(), Ownership.SHARED, found.state)

    def prior_state(self, found: Observed[InsideSpec, Nothing] | None) -> Any:
        """Which addresses are ours, and which of them were on the gateway before."""
        if found is None or found.spec is None:
            return None
        return prior_addresses(found.spec.reserved, {a.address for a in found.spec.addresses})

    def create(self, spec: InsideSpec) -> Started:
        raise existing_again(self.link, self.azure, self.address)

    def update(self, found: Observed[InsideSpec, Nothing], spec: InsideSpec) -> Started:
        """Raises ConflictError where the inside ranges of a link that is there are others in the configuration."""
        assert found.spec is not None
        if found.spec.reserved != spec.reserved:
            raise ConflictError(*ranges_words(found.id), resource=self.address)
        wanted: dict[int, list[IPv4Address]] = {i: [] for i in self.link.instances}
        for entry in sorted(spec.addresses):
            wanted[entry.instance].append(entry.address)
        return self._write(frozenset(a.address for a in found.spec.addresses | spec.addresses), wanted)

    def delete(self, found: Observed[InsideSpec, Nothing], prior_state: Any) -> Started | None:
        """Takes away exactly what was added."""
        noted = _noted(prior_state)
        if noted is None or found.spec is None:
            return None
        ours, there = noted
        if not any(a.address in ours - there for a in found.spec.addresses):
            return None
        return self._write(ours - there, {})

    def _write(self, ours: frozenset[IPv4Address], wanted: dict[int, list[IPv4Address]]) -> Started:
        """ours: what goes from wherever it is; wanted: what comes, by instance."""
        for tries_left in reversed(range(TRIES)):
            there = self.azure.whole(self.azure.gateway_id)
            found = parse_gateway.gateway(there)
            self._refuse_to_lose(found)
            body = body_gateway.with_inside_addresses(there, changed(found, ours, wanted))
            try:
                return self.azure.put_adopted_gateway(body, found.etag)
            except Exception as error:
                if not tries_left or not self.azure.changed_meanwhile(error):
                    raise
        raise AssertionError("unreachable")

    def _refuse_to_lose(self, found: Gateway) -> None:
        """Azure never shows the secret of a RADIUS server, and a PUT without it takes it away from the people who sign
        in by it. Raises ConflictError."""
        if found.has_radius:
            raise ConflictError(*radius_words(found), resource=self.address)


def to_be_added(link: Link, azure: Azure) -> frozenset[IPv4Address]:
    """The tunnels' inside addresses that an adopted gateway does not have: those that a link brings. Empty: cloudlink makes
    the gateway."""
    raw = azure.gateway(fresh=True) if link.azure.adopt_gateway is not None else None
    found = parse_gateway.gateway(raw) if raw is not None else None
    if found is None or found.has_radius:  # with RADIUS its owner adds them
        return frozenset()
    there = {a.address for a in addresses_on(found)}
    return frozenset(t.azure_inside for t in link.tunnels) - there


def ranges_words(id_: str) -> tuple[str, str, str]:
    """What is said of inside ranges that were changed while the link is there: summary, detail, hint. id_: of the resource."""
    detail = (
        f"{id_.removesuffix(_PART)} has addresses for the ranges of before, which cloudlink added, and what uses them is still "
        "there."
    )
    hint = "Set vpn.inside_pool or vpn.inside_cidrs as they were, or take the link down first: cloudlink teardown"
    return "The tunnels' inside ranges were changed", detail, hint


def radius_words(found: Gateway) -> tuple[str, str, str]:
    """What is said of a gateway with RADIUS: summary, detail, hint."""
    detail = (
        f"Point-to-site of {found.id} has a RADIUS server. Azure does not show its secret, so that any change of the gateway "
        "by cloudlink would delete it. The gateway is left as it is."
    )
    hint = (
        "Change its custom BGP addresses in the portal, which asks for the secret (Configuration, Custom Azure APIPA BGP IP "
        "address): those that the plan shows, on the instances that it shows. Then run the command again."
    )
    return "The gateway has settings that cloudlink cannot write back", detail, hint


def existing_again(link: Link, azure: Azure, address: str) -> MissingError:
    """For a gateway that went away after it was planned with."""
    name, group = link.azure_gateway
    return MissingError(
        "The VPN gateway to adopt does not exist",
        f"The resource group {group} has no VPN gateway {name} any more.",
        f"az network vnet-gateway show --ids {shlex.quote(azure.gateway_id)}",
        resource=address,
    )


def addresses_on(found: Gateway) -> tuple[InsideAddress, ...]:
    """All custom addresses of a gateway, with the number of the instance that each is on."""
    numbers = {a.config: i for i, a in enumerate(found.instances)}
    return tuple(InsideAddress(numbers.get(a.config, -1), c) for a in found.addresses for c in a.custom)


def changed(
    found: Gateway, ours: frozenset[IPv4Address], wanted: dict[int, list[IPv4Address]]
) -> dict[str, list[IPv4Address]]:
    """All custom addresses that each ipConfiguration is to have, by its id in lower case: others' stay in their order, ours
    come after them. Only those that change are named."""
    numbers = {a.config: i for i, a in enumerate(found.instances)}
    made: dict[str, list[IPv4Address]] = {}
    for entry in found.addresses:
        own = wanted.get(numbers.get(entry.config, -1), [])
        kept = [a for a in entry.custom if a not in ours or a in own]
        whole = kept + [a for a in own if a not in kept]
        if whole != list(entry.custom):
            made[entry.config] = whole
    return made


def prior_addresses(ours: frozenset[IPv4Address], there: set[IPv4Address]) -> dict[str, list[str]]:
    """What is written down of the gateway's addresses. ours: all of the link's; there: those that were on the gateway before."""
    return {"ours": _texts(ours), "there": _texts(there & ours)}


def _noted(prior_state: Any) -> tuple[frozenset[IPv4Address], frozenset[IPv4Address]] | None:
    """Ours, and those of them that were there before; None: nothing is recorded, or not by cloudlink."""
    if not isinstance(prior_state, dict):
        return None
    try:
        ours, there = (frozenset(map(IPv4Address, prior_state[k])) for k in ("ours", "there"))
    except (KeyError, TypeError, ValueError):
        return None
    return ours, there


def _texts(addresses: frozenset[IPv4Address] | set[IPv4Address]) -> list[str]:
    return [str(a) for a in sorted(addresses)]
