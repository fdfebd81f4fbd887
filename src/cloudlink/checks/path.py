"""Whether the way between two networks that somebody else has joined lets packets pass, as far as both clouds say it.

Two directions, each as findings: there (pods on AKS to the VPC) and back (the VPC's answers). What neither cloud shows,
such as a provider's routers and firewalls, is for a pod to prove. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Network

from cloudlink.checks.also_learned import over_existing
from cloudlink.checks.path_reads import PathFacts, Transit
from cloudlink.checks.preflight.azure_facts import Unread
from cloudlink.checks.preflight.paths import az_where, cluster_routes, cluster_subnets, table_of, transit
from cloudlink.clouds.aws.parse_routes import Table, TableRoute
from cloudlink.clouds.aws.parse_transit import DIRECT_CONNECT, Attachment
from cloudlink.clouds.azure.parse_pieces import last
from cloudlink.core.also_learned import AlsoLearned
from cloudlink.errors import Finding, Severity
from cloudlink.link import Link

TOPIC = "path"
NO_WAY_THERE = "Azure has no way to the VPC"
NO_WAY_BACK = "AWS has no way back to Azure"
_OUT = ("igw-", "nat-", "eigw-", "vpce-")  # targets that lead to the internet or to a service of AWS's


@dataclass(frozen=True)
class PathReport:
    there: tuple[Finding, ...] = ()  # Azure's side
    back: tuple[Finding, ...] = ()  # AWS's side
    # what carries the packets, by name
    there_by: tuple[str, ...] = ()
    back_by: tuple[str, ...] = ()
    # what could not be read of each side
    unread: tuple[Finding, ...] = ()
    unread_in_aws: tuple[Finding, ...] = ()
    also_learned: tuple[AlsoLearned, ...] = ()  # what each side has beyond what the link is for

    @property
    def findings(self) -> tuple[Finding, ...]:
        return (*self.there, *self.back, *self.unread, *self.unread_in_aws)


def diagnose(facts: PathFacts, link: Link) -> PathReport:
    return PathReport(
        tuple(_there(facts, link)),
        tuple(_back(facts, link)),
        tuple(dict.fromkeys(_there_by(facts))),
        tuple(dict.fromkeys(_back_by(facts))),
        tuple(map(_not_read, facts.unread)),
        tuple(map(_not_read, facts.unread_in_aws)),
        over_existing(facts, link),
    )


def with_others(first: PathReport, others: Mapping[str, PathReport]) -> PathReport:
    """The report of a link with several AKS clusters. others: of the clusters beside the first, by label; what both find is said once."""

    def joined(of: Callable[[PathReport], tuple[Finding, ...]]) -> tuple[Finding, ...]:
        found = list(of(first))
        said = {(f.summary, f.detail) for f in found}
        for label, report in others.items():
            new = [f for f in of(report) if (f.summary, f.detail) not in said]
            said |= {(f.summary, f.detail) for f in new}
            found += [f if label in f.detail else replace(f, detail=f"On {label}: {f.detail}") for f in new]
        return tuple(found)

    every = (first, *others.values())
    return replace(
        first,
        there=joined(lambda r: r.there),
        back=joined(lambda r: r.back),
        there_by=tuple(dict.fromkeys(by for r in every for by in r.there_by)),
        back_by=tuple(dict.fromkeys(by for r in every for by in r.back_by)),
        unread=joined(lambda r: r.unread),
        unread_in_aws=joined(lambda r: r.unread_in_aws),
    )


def _not_read(one: Unread) -> Finding:
    return _finding(Severity.NOT_PROVED, f"Not proved: {one.what}", f"It could not be read: {one.why.rstrip('.')}.")


def _finding(severity: Severity, summary: str, detail: str, hint: str = "") -> Finding:
    return Finding(TOPIC, severity, summary, detail, hint)


def _listed(ranges: Iterable[object]) -> str:
    return ", ".join(map(str, ranges))


# --- there ------------------------------------------------------------------------------------------------


def _there(facts: PathFacts, link: Link) -> Iterator[Finding]:
    yield from cluster_routes(facts.azure, link)
    cluster, vnet = facts.azure.cluster, facts.azure.vnet
    if cluster is not None and vnet is not None and not any(vnet.is_at(v) for v in cluster.vnets):
        yield from transit(facts.azure, link)
    if not facts.wanted or _by_appliance(facts):
        return  # nobody knows where, or on through something that does not say
    if facts.wan:
        yield _finding(
            Severity.NOT_PROVED,
            "Not proved: the routes of a Virtual WAN hub",
            f"The peering {facts.wan} joins the cluster's VNet to a hub of Virtual WAN. Whether that has a route to "
            f"{_listed(facts.wanted)} is not seen from here; a pod proves it before CoreDNS gets the zone.",
        )
        return
    if not facts.azure_gateways:
        if not [u for u in facts.unread if "VNet" in u.what or "gateway" in u.what]:
            yield _nothing_joins(facts, link)
        return
    blind = [g for g in facts.azure_gateways if not g.known]
    routes = [r for g in facts.azure_gateways for r in g.routes]
    lacking = [w for w in facts.wanted if not any(w.subnet_of(r) for r in routes)]
    if lacking and not blind:
        yield _not_learned(facts, lacking)


def _by_appliance(facts: PathFacts) -> bool:
    """Whether the cluster's subnets send all that is wanted to an appliance, which is said already."""
    subnets = cluster_subnets(facts.azure)
    tables = [table_of(s, facts.azure.tables) for s in subnets]
    return bool(subnets) and all(
        t is not None
        and all(
            any(
                r.next_hop.lower() == "virtualappliance" and r.range is not None and w.subnet_of(r.range)
                for r in t.routes
            )
            for w in facts.wanted
        )
        for t in tables
    )


def _nothing_joins(facts: PathFacts, link: Link) -> Finding:
    vnet = last(facts.azure.cluster.vnets[0]) if facts.azure.cluster and facts.azure.cluster.vnets else link.azure.vnet
    return _finding(
        Severity.OBSTACLE,
        NO_WAY_THERE,
        f"Nothing joins {vnet}, the cluster's VNet, to AWS: it has no gateway of its own, uses none of a peered VNet, and no "
        f"route of the cluster's subnets leads to {_listed(facts.wanted)} through an appliance.",
        'Have the networks joined, or let cloudlink do it: leave out link.transport = "existing" and set '
        "azure.vpn_gateway.subnet_prefix.",
    )


def _not_learned(facts: PathFacts, lacking: list[IPv4Network]) -> Finding:
    names = " and ".join(g.name for g in facts.azure_gateways)
    first = facts.azure_gateways[0].gateway.id
    known = sorted({r for g in facts.azure_gateways for r in g.routes})
    said = (
        f"It has {_listed(known[:6])}{' and more' if len(known) > 6 else ''}." if known else "It has none to anywhere."
    )
    return _finding(
        Severity.OBSTACLE,
        NO_WAY_THERE,
        f"{names} has no route to {_listed(lacking)} of the VPC, where packets of pods have to go. {said}",
        "Have the other side announce that range (BGP), or add it to the local network gateway. What is learned: "
        f"az network vnet-gateway list-learned-routes {az_where(first)} --name {last(first)} -o table",
    )


# --- back -------------------------------------------------------------------------------------------------


def _back(facts: PathFacts, link: Link) -> Iterator[Finding]:
    told: set[tuple[str, str]] = set()
    for source in facts.sources:
        for table in facts.tables:
            for found in _one_table(facts, link, table, source):
                if (found.summary, found.detail) not in told:
                    told.add((found.summary, found.detail))
                    yield found


def _best(table: Table, source: IPv4Network) -> TableRoute | None:
    """The most specific route for all of a range; a static one before one that was learned."""
    fitting = [r for r in table.routes if source.subnet_of(r.destination)]
    return max(fitting, key=lambda r: (r.destination.prefixlen, not r.propagated), default=None)


def _one_table(facts: PathFacts, link: Link, table: Table, source: IPv4Network) -> Iterator[Finding]:
    who = f"{table.id}, the route table of {_subnets(table)},"
    best = _best(table, source)
    if best is None or best.target.startswith(_OUT):
        out = f" What is for elsewhere goes to {best.target}." if best is not None else ""
        yield _finding(
            Severity.OBSTACLE,
            NO_WAY_BACK,
            f"{who} has no route to {source}, where the cluster's packets come from, so that answers do not come back.{out}",
            _how_to_route(facts, link, table, source),
        )
        return
    if not best.active or not best.target:
        yield _finding(
            Severity.OBSTACLE,
            NO_WAY_BACK,
            f"{who} sends {best.destination} to {best.target or 'nowhere'}, which is not there any more (blackhole), so that "
            f"answers to {source} do not come back.",
            f"aws ec2 delete-route --region {link.aws.region} --route-table-id {table.id} --destination-cidr-block "
            f"{best.destination}\n{_how_to_route(facts, link, table, source)}",
        )
        return
    diverted = [
        r
        for r in table.routes
        if r.destination != source and r.destination.subnet_of(source) and r.target not in ("local", best.target)
    ]
    if diverted:
        yield _finding(
            Severity.WARNING,
            "A part of the way back leads elsewhere",
            f"{who} sends {diverted[0].destination}, a part of {source}, to {diverted[0].target or 'nowhere'} and the rest "
            f"to {best.target}.",
        )
    yield from _target(facts, link, who, best, source)


def _target(facts: PathFacts, link: Link, who: str, route: TableRoute, source: IPv4Network) -> Iterator[Finding]:
    if route.target.startswith("vgw-"):
        yield from _virtual_gateway(facts, link, who, route)
    elif route.target.startswith("tgw-"):
        through = next((t for t in facts.transits if t.id == route.target), None)
        if through is not None:
            yield from _transit(facts, link, who, through, source)
    elif route.target != "local":
        yield _finding(
            Severity.NOT_PROVED,
            "Not proved: the way back behind a target of AWS",
            f"{who} sends {route.destination} to {route.target}; how it goes on from there is not seen from here. A pod "
            "proves it before CoreDNS gets the zone.",
        )


def _virtual_gateway(facts: PathFacts, link: Link, who: str, route: TableRoute) -> Iterator[Finding]:
    id_ = route.target
    if id_ not in facts.gateways:
        yield _finding(
            Severity.OBSTACLE,
            NO_WAY_BACK,
            f"{who} sends {route.destination} to {id_}, which is not attached to {link.aws.vpc_id}.",
            f"aws ec2 attach-vpn-gateway --region {link.aws.region} --vpn-gateway-id {id_} --vpc-id {link.aws.vpc_id}",
        )
        return
    tunnels = [t for c in facts.connections if c.gateway == id_ for t in c.tunnels]
    direct = [a for a in facts.direct if a.gateway == id_ and a.works]
    if tunnels or direct:
        known = facts.could_read(f"Direct Connect gateways behind {id_}")
        if known and not direct and all(t.state != "UP" for t in tunnels):
            yield _finding(
                Severity.OBSTACLE,
                "No tunnel of the VPN is up",
                f"{who} sends {route.destination} to {id_}, and none of the {len(tunnels)} tunnels of its VPN connections is "
                "up.",
                "aws ec2 describe-vpn-connections "
                f"--region {link.aws.region} --filters Name=vpn-gateway-id,Values={id_} --query 'VpnConnections[].VgwTelemetry'",
            )
        elif direct and not tunnels:
            yield from _allowed(facts, direct_of=id_)
    elif facts.could_read("VPN connections") and facts.could_read(f"Direct Connect gateways behind {id_}"):
        yield _finding(
            Severity.OBSTACLE,
            NO_WAY_BACK,
            f"{who} sends {route.destination} to {id_}, behind which there is neither a VPN connection nor a Direct Connect "
            "gateway.",
            "Have it joined with Azure's side, or name the route table's real way.",
        )


def _allowed(facts: PathFacts, direct_of: str) -> Iterator[Finding]:
    """What a Direct Connect gateway is told to announce: with a transit gateway an empty list announces nothing."""
    told = [p for a in facts.direct if a.gateway == direct_of and a.works for p in a.allowed]
    if not told and direct_of.startswith("vgw-"):
        return  # all ranges of the VPC
    lacking = [w for w in facts.wanted if not any(w.subnet_of(p) for p in told)]
    if lacking:
        one = next(a for a in facts.direct if a.gateway == direct_of and a.works)
        yield _finding(
            Severity.OBSTACLE,
            "Direct Connect does not announce the VPC",
            f"The Direct Connect gateway {one.direct_connect_gateway} may announce {_listed(told) or 'nothing'} of "
            f"{direct_of} (allowed prefixes), so that the other side has no way to {_listed(lacking)}.",
            "aws directconnect update-direct-connect-gateway-association --association-id ID "
            f"--add-allowed-prefixes-to-direct-connect-gateway {' '.join(f'cidr={w}' for w in facts.vpc)}",
        )


def _transit(facts: PathFacts, link: Link, who: str, through: Transit, source: IPv4Network) -> Iterator[Finding]:
    """In the table of the VPC's attachment a route to Azure, and in that of where it leads one to the VPC."""
    if not facts.could_read(f"the attachments of {through.id}"):
        return
    region = link.aws.region
    own = through.of_vpc(link.aws.vpc_id)
    if own is None:
        yield _finding(
            Severity.OBSTACLE,
            NO_WAY_BACK,
            f"{who} sends {source} to {through.id}, to which {link.aws.vpc_id} is not attached.",
            f"aws ec2 create-transit-gateway-vpc-attachment --region {region} --transit-gateway-id {through.id} --vpc-id "
            f"{link.aws.vpc_id} --subnet-ids SUBNET-OF-EACH-ZONE",
        )
        return
    if not own.table:
        yield _finding(
            Severity.OBSTACLE,
            NO_WAY_BACK,
            f"{own.id}, the attachment of {link.aws.vpc_id} to {through.id}, is associated with no route table.",
            f"aws ec2 associate-transit-gateway-route-table --region {region} --transit-gateway-attachment-id {own.id} "
            "--transit-gateway-route-table-id TGW-RTB",
        )
        return
    table = through.table(own.table)
    if table is None:
        return  # not read, which is said
    route = table.route_to(source)
    if route is None or not route.active:
        if not table.whole:
            return
        found = "a blackhole for" if route is not None else "no route to"
        yield _finding(
            Severity.OBSTACLE,
            NO_WAY_BACK,
            f"{table.id}, the table of the transit gateway {through.id} in which the VPC's packets are looked up, has {found} "
            f"{source}, so that answers to the cluster do not come back.",
            f"aws ec2 search-transit-gateway-routes --region {region} --transit-gateway-route-table-id {table.id} "
            "--filters Name=state,Values=active,blackhole\nThen let what leads to Azure propagate into that table: "
            f"aws ec2 enable-transit-gateway-route-table-propagation --region {region} --transit-gateway-route-table-id "
            f"{table.id} --transit-gateway-attachment-id TGW-ATTACH",
        )
        return
    for id_ in route.attachments:
        if (beyond := through.attachment(id_)) is not None:
            yield from _beyond(facts, link, through, beyond)
            break  # several share the load


def _beyond(facts: PathFacts, link: Link, through: Transit, beyond: Attachment) -> Iterator[Finding]:
    if beyond.kind == DIRECT_CONNECT:
        if facts.could_read(f"Direct Connect gateways behind {through.id}"):
            yield from _allowed(facts, direct_of=through.id)
        return
    if beyond.kind == "vpn":
        tunnels = [t for c in facts.connections if c.id == beyond.resource for t in c.tunnels]
        if tunnels and all(t.state != "UP" for t in tunnels):
            yield _finding(
                Severity.WARNING,
                "No tunnel of the VPN is up",
                f"No tunnel of {beyond.resource}, through which {through.id} sends answers to Azure, is up.",
                f"aws ec2 describe-vpn-connections --region {link.aws.region} --vpn-connection-ids {beyond.resource} "
                "--query 'VpnConnections[].VgwTelemetry'",
            )
    table = through.table(beyond.table)
    if beyond.kind not in ("vpn", "connect") or table is None or not table.whole:
        return
    lacking = [w for w in facts.wanted if (r := table.route_to(w)) is None or not r.active]
    if lacking:
        own = through.of_vpc(link.aws.vpc_id)
        yield _finding(
            Severity.OBSTACLE,
            "The transit gateway has no way to the VPC",
            f"{table.id}, in which {through.id} looks up what comes from Azure by {beyond.resource}, has no route to "
            f"{_listed(lacking)}, so that nothing is announced to Azure and nothing arrives.",
            f"aws ec2 enable-transit-gateway-route-table-propagation --region {link.aws.region} "
            f"--transit-gateway-route-table-id {table.id} --transit-gateway-attachment-id {own.id if own else 'TGW-ATTACH'}",
        )


def _how_to_route(facts: PathFacts, link: Link, table: Table, source: IPv4Network) -> str:
    region = link.aws.region
    if facts.gateways:
        one = sorted(facts.gateways)[0]
        return (
            f"aws ec2 enable-vgw-route-propagation --region {region} --route-table-id {table.id} --gateway-id {one}\n"
            "It takes over what the gateway has learned; whether that has Azure's ranges is for its owner to say."
        )
    if facts.transits:
        return (
            f"aws ec2 create-route --region {region} --route-table-id {table.id} --destination-cidr-block {source} "
            f"--transit-gateway-id {facts.transits[0].id}"
        )
    return (
        f"aws ec2 describe-transit-gateway-attachments --region {region} --filters "
        f"Name=resource-id,Values={link.aws.vpc_id}\nNo virtual private gateway is attached to {link.aws.vpc_id}, and no route of "
        "it leads to a transit gateway: have it joined with Azure, and a route made in that table."
    )


def _subnets(table: Table) -> str:
    shown = _listed(table.subnets[:3])
    return shown or "the subnets that have none of their own"


# --- what carries it --------------------------------------------------------------------------------------


def _there_by(facts: PathFacts) -> Iterator[str]:
    for gateway in facts.azure_gateways:
        if any(w.subnet_of(r) for w in facts.wanted for r in gateway.routes):
            yield gateway.name
    if facts.wan:
        yield "Virtual WAN"


def _back_by(facts: PathFacts) -> Iterator[str]:
    for table in facts.tables:
        for source in facts.sources:
            best = _best(table, source)
            if best is None or not best.active or best.target == "local" or best.target.startswith(_OUT):
                continue
            yield _target_name(facts, best.target)


def _target_name(facts: PathFacts, target: str) -> str:
    if target.startswith("vgw-"):
        direct = [a for a in facts.direct if a.gateway == target and a.works]
        count = sum(c.gateway == target for c in facts.connections)
        behind = "Direct Connect" if direct else f"{count} VPN connection{'s' * (count != 1)}"
        return f"virtual private gateway {target} ({behind})"
    if target.startswith("tgw-"):
        return f"transit gateway {target}"
    return target
