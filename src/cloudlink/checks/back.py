"""Names back: the private zones of Azure's as they are, and what status says of the way to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

from cloudlink.checks.report import Check, Outcome, check
from cloudlink.clouds.azure import parse_dns
from cloudlink.clouds.azure.client import Azure
from cloudlink.core.resource import Observed, Phase
from cloudlink.link import AzureSide, BackZone, Link

NAME = "names-back"


@dataclass(frozen=True)
class ZoneSeen:
    """A configured zone in Azure. id: empty where there is none that could be found."""

    name: str
    id: str = ""
    linked: bool = False  # to the VNet
    addresses: Mapping[str, tuple[IPv4Address, ...]] = field(default_factory=dict)  # by full name, where asked for


def read(link: Link, azure: Azure) -> tuple[ZoneSeen, ...]:
    """Of several zones of one name the one that is linked to the VNet."""
    every = parse_dns.private_zones(azure.private_zones()) if any(not z.private_zone for z in link.dns.back) else ()
    return tuple(_seen(zone, every, azure) for zone in link.dns.back)


def _seen(zone: BackZone, every: Sequence[parse_dns.PrivateZone], azure: Azure) -> ZoneSeen:
    if zone.private_zone is not None:
        if azure.private_zone(zone.private_zone) is None:
            return ZoneSeen(zone.name)
        ids = [zone.private_zone]
    else:
        ids = [z.id for z in every if z.name == zone.name]
    linked = next((i for i in ids if parse_dns.linked_to(azure.vnet_links(i), azure.vnet_id)), None)
    return ZoneSeen(zone.name, linked or next(iter(ids), ""), linked is not None)


def addresses(seen: ZoneSeen, azure: Azure) -> dict[str, tuple[IPv4Address, ...]]:
    """Of the zone's A records, by full name; a wildcard is left out."""
    found = parse_dns.addresses(azure.zone_records(seen.id)) if seen.id else {}
    return {name: held for name, held in sorted(found.items()) if "*" not in name}


def status_check(link: Link, found: Mapping[str, Observed[Any, Any] | None], zones: Sequence[ZoneSeen]) -> Check:
    """found: the link's objects, by address."""
    wrong = [(z, why) for z in zones if (why := unanswered(link, z))]
    if wrong:
        return check(NAME, Outcome.FAILED, "; ".join(why for _, why in wrong), mending(link, wrong[0][0]))
    for address, what in (
        ("dns_forward.inbound", "Azure's inbound endpoint"),
        ("resolver.back_endpoint", "the outbound endpoint"),
        *((f"resolver.back_association[{z.name}]", f"the rule for {z.name}") for z in zones),
    ):
        seen = found.get(address)
        if seen is None:
            return check(NAME, Outcome.FAILED, f"{what} is not there", "cloudlink up")
        if seen.phase is not Phase.READY:
            return check(NAME, Outcome.FAILED, f"{what} does not work: {seen.detail}", "cloudlink up")
    return check(NAME, Outcome.PASSED, ", ".join(z.name for z in zones))


def unanswered(link: Link, zone: ZoneSeen) -> str:
    """Why Azure's resolver does not know the zone's names; empty: it does."""
    if not zone.id:
        return f"there is no private DNS zone {zone.name} that could be seen"
    return "" if zone.linked else f"{zone.name} is not linked to {link.azure.vnet}"


def mending(link: Link, zone: ZoneSeen) -> str:
    """What to do about that."""
    return linking(link, zone) if zone.id else creating(link, zone)


def creating(link: Link, zone: ZoneSeen) -> str:
    side = link.azure
    command = f"az network private-dns zone create --name {zone.name} --resource-group {side.resource_group}"
    return f"{command}\nIf it is in another subscription, name it: dns.back.private_zone"


def linking(link: Link, zone: ZoneSeen) -> str:
    side, parts = link.azure, zone.id.split("/")
    known = len(parts) > 4
    subscription, group = (parts[2], parts[4]) if known else (side.vnet_subscription, side.resource_group)
    beside = (subscription.lower(), group.lower()) == (side.vnet_subscription.lower(), side.vnet_resource_group.lower())
    # by its name a VNet is looked for in the zone's own group
    network = side.vnet if beside else vnet_id(side)
    where = "" if subscription.lower() == side.subscription.lower() else f" --subscription {subscription}"
    return (
        f"az network private-dns link vnet create --zone-name {zone.name} --resource-group {group} --name {side.vnet} "
        f"--virtual-network {network} --registration-enabled false{where}"
    )


def vnet_id(side: AzureSide) -> str:
    return (
        f"/subscriptions/{side.vnet_subscription}/resourceGroups/{side.vnet_resource_group}/providers/Microsoft.Network/"
        f"virtualNetworks/{side.vnet}"
    )
