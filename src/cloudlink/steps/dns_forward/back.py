"""Names back, on Azure's side: an inbound endpoint of the VNet's DNS resolver, which answers AWS with the private zones that are
linked to the VNet.

The resolver is the one that the VNet has, ours or somebody else's: a VNet has one at most. The endpoint is always our own, in a
subnet of its own, and what others have in the resolver stays as it is.
https://learn.microsoft.com/azure/dns/private-resolver-endpoints-rulesets#inbound-endpoints
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any, ClassVar

from cloudlink.clouds.azure import body_dns, parse_dns, parse_network
from cloudlink.clouds.azure.client import Azure, Json
from cloudlink.clouds.azure.parse_dns import InboundEndpoint
from cloudlink.clouds.azure.parse_object import azure_object
from cloudlink.clouds.ownership import owner_of
from cloudlink.core.permissions import Permission, Permissions
from cloudlink.core.plan import Action
from cloudlink.core.resource import Node, Outputs, Started, Timing, built_on
from cloudlink.link import Link
from cloudlink.steps.azure_resource import AzureResource
from cloudlink.steps.dns_forward.resolver import DnsResolver, DnsSubnet, permissions_of, read
from cloudlink.steps.outputs import AzureInbound, DnsPart, VirtualNetwork
from cloudlink.steps.permissions import GROUP, JOIN_SUBNET, NETWORK

_FIRST_FREE = 4  # Azure keeps the first four addresses of a subnet
_READ = Permission(f"{NETWORK}/dnsResolvers/inboundEndpoints/read", GROUP)


def inbound(azure: Azure, *, fresh: bool = False) -> tuple[InboundEndpoint, ...]:
    return parse_dns.inbound_endpoints(azure.inbound_endpoints(fresh=fresh))


@dataclass(frozen=True, kw_only=True, eq=False)
class InboundSubnet(DnsSubnet):
    """outbound: the outbound endpoint's, which the same plan may make."""

    outbound: DnsSubnet | None = None

    endpoint: ClassVar[str] = "inbound endpoint"
    key: ClassVar[str] = "dns.inbound_subnet_prefix"
    permissions: ClassVar[Permissions] = replace(DnsSubnet.permissions, read=(*DnsSubnet.permissions.read, _READ))

    @property
    def subnet_id(self) -> str:
        return self.azure.dns_inbound_subnet_id

    @property
    def configured(self) -> IPv4Network | None:
        return self.link.dns.inbound_subnet

    def beside(
        self, prefixes: Iterable[IPv4Network], subnets: Mapping[str, tuple[IPv4Network, ...]]
    ) -> Iterable[IPv4Network]:
        return (self.outbound.wanted(prefixes, subnets),) if self.outbound is not None else ()

    def others_endpoint(self) -> str:
        return ""

    def holds_ours(self, *, fresh: bool) -> bool:
        owner, here = owner_of(self.link), self.subnet_id.lower()
        return any(e.subnet_id.lower() == here and owner.holds(e.object.tags) for e in inbound(self.azure, fresh=fresh))


@dataclass(frozen=True)
class InboundSpec:
    subnet: str
    address: IPv4Address | None  # fixed, so that AWS's rule stays right when the endpoint is made again
    fixed: bool = True


@dataclass(frozen=True, kw_only=True, eq=False)
class InboundResource(AzureResource[InboundSpec, AzureInbound]):
    resolver: Node[DnsPart] = built_on()
    subnet: InboundSubnet = built_on()
    network: Node[VirtualNetwork]

    timing: ClassVar[Timing] = Timing(create=167, update=120, delete=10, deadline=1800)
    permissions: ClassVar[Permissions] = replace(
        permissions_of("dnsResolvers/inboundEndpoints", JOIN_SUBNET),
        read=(*permissions_of("dnsResolvers").read, _READ),
    )
    immutable: ClassVar[frozenset[str]] = frozenset({"subnet", "address", "fixed"})
    on_failure: ClassVar[Action] = Action.REPLACE  # a create that was refused late has left it: a repeat would collide

    def spec(self, outputs: Outputs) -> InboundSpec:
        _ = outputs[self.resolver], outputs[self.subnet]
        network = outputs[self.network]
        prefix = self.subnet.wanted(network.prefixes, network.subnets)
        return InboundSpec(self.azure.dns_inbound_subnet_id.lower(), prefix.network_address + _FIRST_FREE)

    def raw(self, *, fresh: bool) -> Json | None:
        own = self.azure.name("dns-in").lower()
        return next((e for e in self.azure.inbound_endpoints(fresh=fresh) if azure_object(e).name.lower() == own), None)

    def whole(self, id_: str) -> Json:
        return self.azure.whole_dns(id_)

    def parse_spec(self, raw: Json) -> InboundSpec:
        (found,) = parse_dns.inbound_endpoints([raw])
        return InboundSpec(found.subnet_id.lower(), found.address, found.fixed)

    def parse_outputs(self, raw: Json) -> AzureInbound | None:
        (found,) = parse_dns.inbound_endpoints([raw])
        return AzureInbound(found.object.id, found.address) if found.address is not None else None

    @property
    def id(self) -> str:
        found = read(self.azure).resolver
        above = found.id if found else self.azure.id("dnsResolvers", self.azure.name("dns"))
        return f"{above}/inboundEndpoints/{self.azure.name('dns-in')}"

    def put(self, spec: InboundSpec, tags: dict[str, str], there: Json | None) -> Started:
        assert spec.address is not None, "a wanted endpoint has an address"
        raw = self.azure.vnet()
        location = parse_network.vnet(raw).location if raw else self.link.azure.location
        subnet = self.azure.dns_inbound_subnet_id
        body = body_dns.inbound_endpoint(there, location=location, tags=tags, subnet_id=subnet, address=spec.address)
        return self.azure.put_dns(self.id, body)

    def remove(self) -> Started | None:
        return self.azure.delete_dns(self.id)


class BackInbound:
    """Azure's part of names back. resolver, outbound: of a link whose names the VNet forwards; None: it has none."""

    def __init__(
        self,
        link: Link,
        azure: Azure,
        network: Node[VirtualNetwork],
        group: tuple[Node[Any], ...] = (),
        resolver: DnsResolver | None = None,
        outbound: DnsSubnet | None = None,
    ) -> None:
        here: dict[str, Any] = {"link": link, "azure": azure}
        gone: dict[str, Any] = {"unwanted": not link.dns.back}
        self.subnet = InboundSubnet(
            address="dns_forward.inbound_subnet",
            title="subnet of the inbound endpoint",
            network=network,
            outbound=outbound,
            **here,
            **gone,
        )
        own = resolver or DnsResolver(
            address="dns_forward.resolver",
            title=f"DNS resolver of {link.azure.vnet}",
            network=network,
            group=group,
            **here,
            **gone,
        )
        self.inbound = InboundResource(
            address="dns_forward.inbound",
            title="Azure's inbound endpoint",
            resolver=own,
            subnet=self.subnet,
            network=network,
            **here,
            **gone,
        )
        self._nodes: tuple[Node[Any], ...] = (self.subnet, *(() if resolver else (own,)), self.inbound)

    def nodes(self) -> tuple[Node[Any], ...]:
        return self._nodes
