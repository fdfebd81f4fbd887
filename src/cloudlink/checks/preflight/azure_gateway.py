"""The VPN gateway on Azure's side that the configuration says to adopt: whether the link can go over it as it is.

It is somebody else's: nothing of it is switched on, resized or moved, so what does not fit is said, with what its owner can do.
https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-about-vpn-gateway-settings
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network

from cloudlink import addressing
from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.aws import parse_vpc
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_connection import LocalGateway, local_gateway
from cloudlink.clouds.azure.parse_gateway import Gateway, GatewayConnection, far_gateways, gateway, gateway_connections
from cloudlink.clouds.azure.parse_pieces import last, region, vnet_of
from cloudlink.core.plan import Action, Plan
from cloudlink.errors import CredentialsError, Finding, Mistake, Severity
from cloudlink.link import Link, Tunnel
from cloudlink.steps.azure_vpn.adopted import radius_words, ranges_words

TOPIC = "azure"
PATH = "azure.vpn_gateway.adopt"
CONNECTIONS = 30  # of VpnGw1 to 3; larger sizes 100
CONNECTIONS_OF_LARGE = 100
MOST_FAR_READ = 10  # each takes a call
_GATEWAY = "azure_vpn.gateway"
_OF_SECOND_GENERATION = ("VpnGw4", "VpnGw5")
_INSIDE = "azure_vpn.inside_addresses"
_RETIRED = re.compile(r"VpnGw(?P<size>[1-5])|Standard|HighPerformance|UltraPerformance", re.IGNORECASE)


@dataclass(frozen=True)
class GatewayFacts:
    gateway: Gateway | None = None
    others: tuple[GatewayConnection, ...] = ()  # connections on it that are not the link's
    own: tuple[GatewayConnection, ...] = ()
    vnet: str = ""  # id of the link's VNet
    far: tuple[LocalGateway, ...] = ()  # what others' connections lead to


def read(azure: Azure) -> GatewayFacts:
    raw = azure.gateway()
    if raw is None:
        return GatewayFacts()
    found = gateway(raw)
    on_it = gateway_connections(azure.connections_of(azure.gateway_id)) if found.type.lower() == "vpn" else ()
    ours = {azure.id("connections", azure.name(f"connection-{n + 1}")).lower() for n in range(4)}
    return GatewayFacts(
        found,
        others=tuple(c for c in on_it if c.id.lower() not in ours),
        own=tuple(c for c in on_it if c.id.lower() in ours),
        vnet=azure.vnet_id,
    )


def find(context: Context) -> Iterator[Finding]:
    link, azure = context.link, context.azure
    if link.azure.adopt_gateway is not None:
        facts = read(azure)
        yield from check(facts, link, context.plan)
        if facts.others and context.creates:
            vpc = parse_vpc.vpc(context.aws.vpc(link.aws.vpc_id))
            yield from check_others(replace(facts, far=read_far(link, azure)), vpc.ranges if vpc else ())
    elif any(f.field == "sku" for c in context.plan.writes if c.address == _GATEWAY for f in c.fields):
        raw = azure.gateway()
        if raw is not None:
            yield from resized(gateway(raw), link)


def resized(found: Gateway, link: Link) -> Iterator[Finding]:
    """The link's own gateway, to another size. Which sizes there are goes with its generation, which stays.

    https://learn.microsoft.com/azure/vpn-gateway/about-gateway-skus
    """
    wanted = link.azure.sku
    if found.generation == "Generation1" and wanted.startswith(_OF_SECOND_GENERATION):
        path = "azure.vpn_gateway.sku"
        yield Finding(
            TOPIC,
            Severity.OBSTACLE,
            "The VPN gateway cannot be resized to that",
            f"{last(found.id)} ({found.sku}) is of the first generation, which has VpnGw1AZ to VpnGw3AZ. Azure resizes no gateway across "
            f"generations, and {wanted} is of the second.",
            "Set azure.vpn_gateway.sku to VpnGw3AZ at most; or have the gateway made anew, with new addresses and 30 minutes without the "
            "link: cloudlink teardown, then cloudlink up",
            key=path,
            mistake=Mistake(path, wanted, "VpnGw1AZ to VpnGw3AZ: the gateway that is there is of the first generation"),
        )


def read_far(link: Link, azure: Azure) -> tuple[LocalGateway, ...]:
    """The far ends of others' connections, as far as they may be read."""
    ours = {azure.name(f"local-gateway-{t.index + 1}").lower() for t in link.tunnels}
    wanted = [i for i in far_gateways(azure.connections_of(azure.gateway_id)) if last(i).lower() not in ours]
    found = []
    for id_ in list(dict.fromkeys(wanted))[:MOST_FAR_READ]:
        try:
            raw = azure.thing(id_)
        except Exception as error:
            if not isinstance(azure.translate(error), CredentialsError):
                raise
            continue
        if raw is not None:
            found.append(local_gateway(raw))
    return tuple(found)


def check_others(facts: GatewayFacts, vpc: Iterable[IPv4Network]) -> Iterator[Finding]:
    """A range of a local network gateway is a static route of the gateway's: a wider one loses against what BGP teaches, and
    one that is a range of the VPC's, or lies in it, takes packets for AWS elsewhere.

    https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-vpn-faq
    """
    for site in facts.far:
        taken = sorted({p for p in site.prefixes for v in vpc if p.subnet_of(v)})
        if taken:
            yield _wrong(
                "The VPN gateway sends ranges of the VPC elsewhere",
                f"The local network gateway {last(site.id)}, to which a connection of others leads, has "
                f"{', '.join(map(str, taken))}: packets for AWS would go there.",
                f"Its owner takes the range out, if it is not needed: az network local-gateway show --ids {shlex.quote(site.id)}",
                f"a gateway with a connection to {last(site.id)}, which has {', '.join(map(str, taken))}",
            )


def check(facts: GatewayFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    """A gateway that is not there is said by the plan itself."""
    found = facts.gateway
    if found is None:
        return
    if found.type.lower() != "vpn":
        yield _wrong(
            "The gateway to adopt is not a VPN gateway",
            f"{last(found.id)} is of the type {found.type or 'unknown'}.",
            "Name the VPN gateway of the VNet, or leave the key out to have one made: a VNet may hold one of each.",
            f"a gateway of the type {found.type}",
        )
        return
    yield from _kind(found, plan)
    yield from _place(facts, found, link)
    yield from _numbers(found, link)
    yield from _state(found, plan)
    yield from _ranges(plan)
    yield from _addresses(facts, found, link)
    yield from _room(facts, found, link)
    yield from _told(facts, found, link, plan)


def _wrong(summary: str, detail: str, hint: str, what: str, path: str = PATH) -> Finding:
    allowed = "a route-based VPN gateway with BGP that the link can go over"
    return Finding(TOPIC, Severity.OBSTACLE, summary, detail, hint, key=path, mistake=Mistake(path, what, allowed))


def _warning(summary: str, detail: str, hint: str = "") -> Finding:
    return Finding(TOPIC, Severity.WARNING, summary, detail, hint, key=PATH)


def _kind(found: Gateway, plan: Plan) -> Iterator[Finding]:
    name, at = last(found.id), f"--ids {shlex.quote(found.id)}"
    if found.routing.lower() == "policybased":
        yield _wrong(
            "The VPN gateway is policy-based",
            f"{name} is policy-based: it has neither BGP nor more than one connection, and Azure cannot change that.",
            "Its owner has to replace it by a route-based one.",
            f"{name}, which is policy-based",
        )
    elif found.sku.lower() == "basic":
        yield _wrong(
            "The VPN gateway is of the size Basic",
            f"{name} is of the size Basic, which has no BGP, and Azure resizes none of it.",
            "Its owner has to replace it by VpnGw1AZ or larger.",
            f"{name}, which is of the size Basic",
        )
    elif retired := _RETIRED.fullmatch(found.sku):
        yield from _retired(found, f"VpnGw{retired['size'] or 1}AZ", plan)
    if not found.bgp and not _without_bgp(found):
        yield _wrong(
            "The VPN gateway has no BGP",
            f"BGP is off on {name}; routes between the clouds are learned by BGP. Connections without BGP go on as they are "
            "when it is switched on.",
            f"Ask its owner, or: az network vnet-gateway update {at} --enable-bgp true",
            f"{name}, on which BGP is off",
        )


def _without_bgp(found: Gateway) -> bool:
    """Whether it is of a kind for which BGP cannot be switched on at all."""
    return found.routing.lower() == "policybased" or found.sku.lower() == "basic"


def _retired(found: Gateway, new: str, plan: Plan) -> Iterator[Finding]:
    """Azure ended these sizes in September 2026: those that are left carry on, and take no change before they are moved.

    https://learn.microsoft.com/azure/vpn-gateway/gateway-sku-consolidation
    """
    name = last(found.id)
    detail = (
        f"{name} is of the size {found.sku}, which Azure has retired: it refuses changes of such a gateway until it is moved "
        "to a size with zones."
    )
    hint = f"Its owner moves it: az network vnet-gateway update --ids {shlex.quote(found.id)} --sku {new}"
    if _writes(plan):
        yield _wrong("The VPN gateway is of a size that Azure has retired", detail, hint, f"{name} ({found.sku})")
    else:
        yield _warning("The VPN gateway is of a size that Azure has retired", detail, hint)


def _place(facts: GatewayFacts, found: Gateway, link: Link) -> Iterator[Finding]:
    side, name = link.azure, last(found.id)
    if region(found.location) != region(side.location):
        yield _wrong(
            "The VPN gateway is in another location",
            f"{name} is in {found.location}, and azure.location is {side.location}: connections are where their gateway is.",
            f'azure.location = "{found.location}"',
            f"{side.location}, and {name} is in {found.location}",
            "azure.location",
        )
    vnets = {vnet_of(c.subnet) for c in found.configs if c.subnet}
    if elsewhere := sorted(v for v in vnets if v.lower() != facts.vnet.lower()):
        yield _wrong(
            "The VPN gateway is in another VNet",
            f"{name} is in the VNet {last(elsewhere[0])}, and azure.vnet names {side.vnet}. Where the cluster's VNet is a spoke "
            "of that hub, azure.vnet is the hub, and the peering lends its gateway.",
            f'azure.vnet.name = "{last(elsewhere[0])}", azure.vnet.resource_group = "{_group_of(elsewhere[0])}"',
            f"{side.vnet}, and {name} is in {last(elsewhere[0])}",
            "azure.vnet.name",
        )


def _group_of(id_: str) -> str:
    parts = id_.split("/")
    return parts[4] if len(parts) > 4 else ""


def _numbers(found: Gateway, link: Link) -> Iterator[Finding]:
    if found.asn is None or not found.bgp:
        return
    name = last(found.id)
    change = f"az network vnet-gateway update --ids {shlex.quote(found.id)} --asn 65010"
    if found.asn == link.aws.asn:
        yield _wrong(
            "Both gateways have the same AS number",
            f"{name} has the ASN {found.asn}, and aws.asn is {link.aws.asn} too; BGP between two clouds needs two numbers.",
            "Set aws.asn to another number; of a gateway of AWS's that exists it cannot be changed, so name another one.",
            f"{link.aws.asn}, which is the ASN of {name} too",
            "aws.asn",
        )
    elif reason := addressing.aws_peer_asn_problem(found.asn, link.aws.region):
        yield _wrong(
            "AWS does not take the VPN gateway's AS number",
            f"{name} has the ASN {found.asn}, and {reason}.",
            f"Its owner has to change it, which takes down its other BGP peers until they are told: {change}",
            f"{name} with ASN {found.asn}",
        )


def _state(found: Gateway, plan: Plan) -> Iterator[Finding]:
    name, writes = last(found.id), _writes(plan)
    if found.state.lower() == "failed":
        yield _wrong(
            "The VPN gateway is in a failed state",
            f"Azure failed at the last change of {name}, and takes no connections on it before it is repaired.",
            "Its owner repairs it by writing it once more as it is: "
            f"az network vnet-gateway update --ids {shlex.quote(found.id)}; if it stays so, open a support case.",
            f"{name}, which is in a failed state",
        )
    elif found.bgp and found.state.lower() == "succeeded" and not found.instances:
        yield _wrong(
            "Which instances the VPN gateway has cannot be told",
            f"{name} is {'' if found.active_active else 'not '}active-active, and shows "
            f"{sum(bool(a.default and a.public) for a in found.addresses)} ipConfigurations with a BGP address and a public one.",
            f"az network vnet-gateway show --ids {shlex.quote(found.id)} --query bgpSettings",
            name,
        )
    if found.has_radius and writes:
        summary, detail, hint = radius_words(found)
        yield _wrong(summary, detail, hint, f"{name}, whose point-to-site has a RADIUS server")


def _writes(plan: Plan) -> bool:
    change = plan.of(_INSIDE)
    return change is not None and change.action in (Action.CREATE, Action.UPDATE, Action.RESTORE)


# --- inside addresses -------------------------------------------------------------------------------------------


def _addresses(facts: GatewayFacts, found: Gateway, link: Link) -> Iterator[Finding]:
    """An address is taken where another connection uses it, or where the gateway has another one of the same range."""
    used = {a: c for c in facts.others for a in c.custom}
    there = {a for entry in found.addresses for a in entry.custom}
    taken = [(t, why) for t in link.tunnels if (why := _taken(t, used, there))]
    if not taken:
        return
    name = last(found.id)
    free = _free(there | set(used))
    said = "; ".join(f"{t.inside} of {t.name} ({why})" for t, why in taken)
    listed = ", ".join(f'"{r}"' for r in free)
    yield _wrong(
        "An inside address range is taken on the VPN gateway",
        f"{name} has others' custom BGP addresses in {said}.",
        f"vpn.inside_cidrs = [{listed}]"
        if free
        else "There is no room left between 169.254.21.0 and 169.254.22.255: its owner has to give addresses up.",
        ", ".join(str(t.inside) for t, _ in taken),
        "vpn.inside_pool",
    )


def _ranges(plan: Plan) -> Iterator[Finding]:
    """What is written down as ours on the gateway is not what the configuration says."""
    change = plan.of(_INSIDE)
    field = next((f for f in change.fields if f.field == "reserved"), None) if change is not None else None
    if change is not None and field is not None:
        summary, detail, hint = ranges_words(change.id)
        yield _wrong(summary, detail, hint, field.new, "vpn.inside_pool")


def _taken(tunnel: Tunnel, used: dict[IPv4Address, GatewayConnection], there: set[IPv4Address]) -> str:
    ours = tunnel.azure_inside
    if ours in used:
        return f"{ours} is used by the connection {used[ours].name}"
    other = next((a for a in sorted(there) if a in tunnel.inside and a != ours), None)
    return f"{other} is on the gateway" if other else ""


def _free(there: set[IPv4Address]) -> tuple[IPv4Network, ...]:
    try:
        return addressing.allocate(addressing.AZURE_INSIDE, [IPv4Network((int(a) & ~3, 30)) for a in there])
    except addressing.PoolExhausted:
        return ()


def _room(facts: GatewayFacts, found: Gateway, link: Link) -> Iterator[Finding]:
    most = CONNECTIONS_OF_LARGE if found.sku.startswith(("VpnGw4", "VpnGw5")) else CONNECTIONS
    if len(facts.others) + len(link.tunnels) > most:
        yield _wrong(
            "The VPN gateway has no room for the link's connections",
            f"{last(found.id)} ({found.sku}) takes {most} connections, has {len(facts.others)} of others and would get "
            f"{len(link.tunnels)}.",
            "Its owner has to remove some, or to resize it.",
            f"{last(found.id)} with {len(facts.others)} connections",
        )


# --- what is done to it -----------------------------------------------------------------------------------------


def _told(facts: GatewayFacts, found: Gateway, link: Link, plan: Plan) -> Iterator[Finding]:
    name = last(found.id)
    if not found.active_active:
        yield _warning(
            "The VPN gateway has one instance",
            f"{name} is not active-active: the link has two tunnels and no redundancy on Azure's side. While that instance is "
            "maintained nothing passes for 10 to 15 s, after a fault for 1 to 1.5 min.",
            "cloudlink never switches it, because that takes 30 to 45 min and is a downtime for others on it. Once its owner "
            "has, cloudlink up makes the other two tunnels.",
        )
    if _writes(plan):
        on_it = f"{len(facts.others)} connections of others" if facts.others else "no connections of others"
        yield _warning(
            "A VPN gateway of somebody else's is altered",
            f"{name} gets the tunnels' inside addresses as custom BGP addresses ({', '.join(_listed(link))}); a teardown takes "
            f"exactly these away again, and nothing else of it is touched. There are {on_it}. Azure mostly takes two minutes, at worst an "
            "hour, in which no other change of the gateway is possible; BGP sessions may come up again.",
        )


def _listed(link: Link) -> Iterator[str]:
    return (str(t.azure_inside) for t in link.tunnels)
