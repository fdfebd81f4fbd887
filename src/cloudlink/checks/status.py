"""What ``cloudlink status`` says, from what the clouds say.

``report`` is pure; ``gather`` asks the clouds, all at once, because Azure's answers on BGP take ten seconds each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from cloudlink.checks import tunnels
from cloudlink.checks.report import (
    Check,
    Drift,
    EndpointStatus,
    Health,
    Outcome,
    RouteTableStatus,
    StatusReport,
    TunnelStatus,
)
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.malformed import parsing
from cloudlink.link import Link
from cloudlink.steps.dns_forward.corefile import ForwardStatus
from cloudlink.steps.outputs import VirtualNetwork

Json = Mapping[str, Any]

# Stable name of each check (for programs), and its title (for people), in the order in which they are shown.
CHECKS = {
    "tunnels": "Four tunnels are up",
    "bgp": "Four BGP sessions carry routes",
    "routes-azure": "Azure has learned the VPC's ranges",
    "routes-aws": "AWS's route tables lead to the VNet",
    "endpoint": "The inbound endpoint works",
    "zone": "The zone belongs to the VPC",
    "records": "Every configured name has a record",
    "forward": "CoreDNS forwards the zone",
}


@dataclass(frozen=True)
class Facts:
    """Everything that status is made from, as the clouds gave it."""

    aws: tunnels.AwsFacts = field(default_factory=tunnels.AwsFacts)
    azure: tunnels.AzureFacts = field(default_factory=tunnels.AzureFacts)
    learned: Sequence[Json] | None = None  # rows of getLearnedRoutes; None: not asked
    tables: Sequence[Json] = ()  # the route tables that matter
    advertised: tuple[IPv4Network, ...] = ()  # what Azure advertises
    vpc: tuple[IPv4Network, ...] = ()  # the VPC's ranges
    endpoint: Json | None = None  # None: there is none
    endpoint_addresses: Sequence[Json] = ()
    zone: Json | None = None  # answer of GetHostedZone
    records: Sequence[Json] = ()
    forward: ForwardStatus | None = None  # None: not read


# --- gathering --------------------------------------------------------------------------------------------


@parsing("AWS's and Azure's answers")
def gather(
    link: Link,
    aws: Aws,
    azure: Azure,
    forward: Callable[[], ForwardStatus] | None,
    *,
    endpoint_id: str | None,
    zone_id: str | None,
    network: VirtualNetwork | None,
    fresh: bool = True,
) -> Facts:
    """Ask both clouds. forward: reads the state of CoreDNS (``Forward.status``); it must not raise what should not end status.

    endpoint_id, zone_id: as found by their resources; None: there is none. network: the VNet, None: there is none.
    """
    with ThreadPoolExecutor(12, thread_name_prefix="status") as pool:
        gateway = azure.gateway(fresh=fresh)
        peers = pool.submit(azure.bgp_peers) if gateway else None
        learned = pool.submit(azure.learned_routes) if gateway else None
        connections = {
            t.index: pool.submit(azure.connection, azure.name(f"connection-{t.index + 1}"), fresh=fresh)
            for t in link.tunnels
        }
        local_gateways = pool.submit(azure.local_gateways, fresh=fresh)
        vpn = pool.submit(aws.vpn_connections, fresh=fresh)
        customer_gateways = pool.submit(aws.customer_gateways, fresh=fresh)
        gateways = pool.submit(aws.vpn_gateways, fresh=fresh)
        route_tables = pool.submit(aws.route_tables, link.aws.vpc_id, fresh=fresh)
        vpc = pool.submit(aws.vpc, link.aws.vpc_id)
        cluster = pool.submit(aws.eks_cluster, link.aws.eks_cluster)
        endpoints = pool.submit(aws.resolver_endpoints, fresh=fresh) if endpoint_id else None
        addresses = pool.submit(aws.endpoint_addresses, endpoint_id, fresh=fresh) if endpoint_id else None
        zone = pool.submit(aws.zone, zone_id, fresh=fresh) if zone_id else None
        records = pool.submit(aws.records, zone_id, fresh=fresh) if zone_id else None
        view = pool.submit(forward) if forward else None

        subnets = [str(s) for s in ((cluster.result() or {}).get("resourcesVpcConfig") or {}).get("subnetIds") or ()]
        placed = addresses.result() if addresses else []
        subnets += [str(a["SubnetId"]) for a in placed if a.get("SubnetId")]
        found = {index: future.result() for index, future in connections.items()}
        return Facts(
            aws=tunnels.AwsFacts(vpn.result(), customer_gateways.result(), gateways.result()),
            azure=tunnels.AzureFacts(
                gateway,
                {index: c for index, c in found.items() if c is not None},
                local_gateways.result(),
                peers.result() if peers else None,
            ),
            learned=learned.result() if learned else None,
            tables=tables_of(route_tables.result(), subnets, link.aws.route_tables),
            advertised=network.advertised if network else (),
            vpc=vpc_ranges(vpc.result()),
            endpoint=next((e for e in endpoints.result() if e.get("Id") == endpoint_id), None) if endpoints else None,
            endpoint_addresses=placed,
            zone=zone.result() if zone else None,
            records=records.result() if records else (),
            forward=view.result() if view else None,
        )


def quick(link: Link, aws: Aws, azure: Azure, *, fresh: bool = False) -> StatusReport:
    """The verdict on the four tunnels alone, without asking for BGP: AWS says UP only when BGP is established.

    Makes no call when ``up`` has just read these objects (fresh False): customer gateways and connections included.
    """
    found = {t.index: azure.connection(azure.name(f"connection-{t.index + 1}"), fresh=fresh) for t in link.tunnels}
    statuses = tunnels.statuses(
        link,
        tunnels.AwsFacts(
            aws.vpn_connections(fresh=fresh), aws.customer_gateways(fresh=fresh), aws.vpn_gateways(fresh=fresh)
        ),
        tunnels.AzureFacts(
            azure.gateway(fresh=fresh),
            {index: c for index, c in found.items() if c is not None},
            azure.local_gateways(fresh=fresh),
        ),
    )
    return StatusReport(
        link=link.name,
        health=tunnels.health(statuses),
        verdict=tunnels.verdict(statuses),
        tunnels=statuses,
        checks=(_tunnel_check(statuses),),
        next=_next(tunnels.health(statuses), statuses, ()),
    )


def tables_of(
    route_tables: Iterable[Json], subnets: Iterable[str], configured: tuple[str, ...] | None
) -> tuple[Json, ...]:
    """The configured route tables, else those in force for these subnets: the explicit one, or the VPC's main."""
    tables = tuple(route_tables)
    if configured is not None:
        return tuple(t for t in tables if t.get("RouteTableId") in configured)
    explicit: dict[str, str] = {}
    main = ""
    for table in tables:
        for association in table.get("Associations") or ():
            if association.get("SubnetId"):
                explicit[str(association["SubnetId"])] = str(table["RouteTableId"])
            elif association.get("Main"):
                main = str(table["RouteTableId"])
    wanted = {explicit.get(s, main) for s in subnets}
    return tuple(t for t in tables if t.get("RouteTableId") in wanted)


def vpc_ranges(vpc: Json | None) -> tuple[IPv4Network, ...]:
    """All IPv4 ranges of a VPC that are in use."""
    blocks = [
        str(b["CidrBlock"])
        for b in (vpc or {}).get("CidrBlockAssociationSet") or ()
        if (b.get("CidrBlockState") or {}).get("State", "associated") == "associated"
    ]
    if not blocks and vpc and vpc.get("CidrBlock"):
        blocks = [str(vpc["CidrBlock"])]
    return tuple(IPv4Network(b) for b in dict.fromkeys(blocks))


# --- the report -------------------------------------------------------------------------------------------


@parsing("AWS's and Azure's answers")
def report(link: Link, facts: Facts, drift: tuple[Drift, ...] = ()) -> StatusReport:
    """Everything that is shown. drift: what the engine found to differ from the configuration."""
    statuses = tunnels.statuses(link, facts.aws, facts.azure)
    learned = _learned(link, facts.learned)
    tables = _tables(facts, statuses)
    endpoint = _endpoint(facts)
    verdict = tunnels.verdict(statuses)
    health = tunnels.health(statuses)
    checks: tuple[Check, ...] = ()
    if health is not Health.ABSENT:
        checks = (
            _tunnel_check(statuses),
            _bgp_check(statuses),
            _learned_check(facts, learned),
            _table_check(tables, facts, statuses),
            _endpoint_check(endpoint),
            _zone_check(link, facts),
            _record_check(link, facts),
            _forward_check(facts.forward),
        )
        beside = [c for c in checks if c.outcome is Outcome.FAILED and c.name not in ("tunnels", "bgp")]
        if beside and health is not Health.DOWN:
            verdict += f" But: {beside[0].detail.rstrip('.')}."
        if beside and health is Health.HEALTHY:
            health = Health.DEGRADED
    return StatusReport(
        link=link.name,
        health=health,
        verdict=verdict,
        tunnels=statuses,
        route_tables=tables,
        learned=learned,
        endpoint=endpoint,
        zone=_zone_line(facts.zone),
        records=_records(facts.records),
        forward=facts.forward.line if facts.forward else "",
        checks=checks,
        drift=drift,
        next=_next(health, statuses, checks, drift),
    )


def _check(name: str, outcome: Outcome, detail: str, fix: str = "") -> Check:
    return Check(name, CHECKS[name], outcome, detail, fix)


def _tunnel_check(statuses: Sequence[TunnelStatus]) -> Check:
    down = [s for s in statuses if not s.up]
    if not down:
        return _check("tunnels", Outcome.PASSED, f"all {len(statuses)} are up")
    named: dict[str, list[str]] = {}
    for status in down:
        named.setdefault(status.why, []).append(status.name)
    words = "; ".join(f"{', '.join(names)}: {why}" for why, names in named.items())
    return _check(
        "tunnels", Outcome.FAILED, f"{len(statuses) - len(down)} of {len(statuses)} are up; {words}", down[0].fix
    )


def _bgp_check(statuses: Sequence[TunnelStatus]) -> Check:
    sessions = [s.bgp for s in statuses if s.bgp is not None]
    if not sessions:
        return _check("bgp", Outcome.SKIPPED, "Azure has no gateway to ask")
    bad = [b for b in sessions if b.state != "Connected" or b.routes < 1]
    if not bad:
        return _check("bgp", Outcome.PASSED, f"all {len(sessions)} are connected")
    words = ", ".join(f"{b.local} to {b.neighbor} {b.state}, {b.routes} routes" for b in bad)
    return _check("bgp", Outcome.FAILED, f"{len(sessions) - len(bad)} of {len(sessions)} are connected; {words}")


def _learned(link: Link, rows: Sequence[Json] | None) -> tuple[str, ...]:
    """Networks that Azure learned from AWS. By the next hop's owner, since each instance also has them from the other."""
    ours = {str(t.aws_inside) for t in link.tunnels}
    networks = {
        str(r.get("network"))
        for r in rows or ()
        if str(r.get("origin")).lower() == "ebgp" and (r.get("sourcePeer") in ours or r.get("nextHop") in ours)
    }
    return tuple(sorted(networks))


def _learned_check(facts: Facts, learned: tuple[str, ...]) -> Check:
    if facts.learned is None:
        return _check("routes-azure", Outcome.SKIPPED, "Azure has no gateway to ask")
    missing = [str(c) for c in facts.vpc if str(c) not in learned]
    if not missing:
        return _check("routes-azure", Outcome.PASSED, ", ".join(str(c) for c in facts.vpc))
    overlapping = [m for m in missing if any(IPv4Network(m).overlaps(p) for p in facts.advertised)]
    if overlapping:
        why = f"{', '.join(overlapping)} overlaps the VNet, so Azure drops it"
        return _check("routes-azure", Outcome.FAILED, why, "The ranges of VPC and VNets must not overlap")
    return _check("routes-azure", Outcome.FAILED, f"Azure has no route to {', '.join(missing)}", "cloudlink up")


def _tables(facts: Facts, statuses: Sequence[TunnelStatus]) -> tuple[RouteTableStatus, ...]:
    """Only what leads to the gateway of the link's own tunnels counts."""
    ours = {s.aws.connection for s in statuses if s.aws}
    gateways = {str(v.get("VpnGatewayId")) for v in facts.aws.connections if v.get("VpnConnectionId") in ours}
    return tuple(_table(t, gateways, [str(p) for p in facts.advertised]) for t in facts.tables)


def _table(table: Json, gateways: set[str], wanted: Sequence[str]) -> RouteTableStatus:
    present: dict[str, str] = {}
    for route in table.get("Routes") or ():
        if route.get("State", "active") == "active" and str(route.get("GatewayId")) in gateways:
            present[str(route.get("DestinationCidrBlock"))] = str(route.get("Origin"))
    return RouteTableStatus(
        id=str(table.get("RouteTableId")),
        propagating=any(str(v.get("GatewayId")) in gateways for v in table.get("PropagatingVgws") or ()),
        routes=tuple(p for p in wanted if present.get(p) == "EnableVgwRoutePropagation"),
        missing=tuple(p for p in wanted if p not in present),
    )


def _table_check(tables: Sequence[RouteTableStatus], facts: Facts, statuses: Sequence[TunnelStatus]) -> Check:
    if not tables:
        return _check("routes-aws", Outcome.SKIPPED, "no route table is known")
    if not facts.advertised:
        return _check("routes-aws", Outcome.SKIPPED, "the VNet's ranges are not known")
    off = [t.id for t in tables if not t.propagating]
    if off:
        return _check("routes-aws", Outcome.FAILED, f"route propagation is off on {', '.join(off)}", "cloudlink up")
    bad = [t for t in tables if t.missing]
    if not bad:
        return _check("routes-aws", Outcome.PASSED, ", ".join(t.id for t in tables))
    if not any(s.aws and s.aws.state == "UP" for s in statuses):
        return _check("routes-aws", Outcome.FAILED, "no tunnel is up, so that no route is propagated")
    words = "; ".join(f"{t.id} lacks {', '.join(t.missing)}" for t in bad)
    return _check("routes-aws", Outcome.FAILED, words, "Routes follow a tunnel within a minute; then: cloudlink up")


def _endpoint(facts: Facts) -> EndpointStatus | None:
    if facts.endpoint is None:
        return None
    return EndpointStatus(
        str(facts.endpoint.get("Id")),
        str(facts.endpoint.get("Status")),
        tuple(
            (str(a.get("Ip")), str(a.get("SubnetId")), str(a.get("Status")))
            for a in sorted(facts.endpoint_addresses, key=lambda a: IPv4Address(str(a.get("Ip") or "0.0.0.0")))
        ),
    )


def _endpoint_check(endpoint: EndpointStatus | None) -> Check:
    if endpoint is None:
        return _check("endpoint", Outcome.FAILED, "there is no inbound endpoint", "cloudlink up")
    bad = [f"{ip} in {subnet} is {state}" for ip, subnet, state in endpoint.addresses if state != "ATTACHED"]
    if endpoint.state != "OPERATIONAL":
        bad.insert(0, f"the endpoint is {endpoint.state}")
    if bad:
        return _check("endpoint", Outcome.FAILED, ", ".join(bad), "cloudlink up")
    return _check("endpoint", Outcome.PASSED, ", ".join(ip for ip, _, _ in endpoint.addresses))


def _zone_line(zone: Json | None) -> str:
    hosted = (zone or {}).get("HostedZone") or {}
    return (
        f"{str(hosted.get('Name', '')).rstrip('.')} ({str(hosted.get('Id', '')).rpartition('/')[2]})" if hosted else ""
    )


def _zone_check(link: Link, facts: Facts) -> Check:
    if facts.zone is None:
        return _check("zone", Outcome.FAILED, f"there is no private hosted zone {link.dns.zone}", "cloudlink up")
    if link.aws.vpc_id not in {v.get("VPCId") for v in facts.zone.get("VPCs") or ()}:
        detail = f"the zone {link.dns.zone} is not associated with {link.aws.vpc_id}"
        return _check("zone", Outcome.FAILED, detail, "cloudlink up")
    return _check("zone", Outcome.PASSED, _zone_line(facts.zone))


def _plain(name: object) -> str:
    """Route 53 spells ``*`` as ``\\052``, in lower case and with a trailing dot."""
    return str(name or "").replace("\\052", "*").rstrip(".").lower()


def _records(records: Iterable[Json]) -> tuple[tuple[str, str, str], ...]:
    """Without the zone's own records and without those in which cloudlink keeps its own account."""
    rows = []
    for record in records:
        if record.get("Type") in ("NS", "SOA") or _plain(record.get("Name")).startswith("_cloudlink-"):
            continue
        alias = record.get("AliasTarget")
        target = (
            _plain(alias.get("DNSName"))
            if alias
            else ", ".join(str(r.get("Value")) for r in record.get("ResourceRecords") or ())
        )
        rows.append((_plain(record.get("Name")), f"{record.get('Type')}{' alias' if alias else ''}", target))
    return tuple(rows)


def _record_check(link: Link, facts: Facts) -> Check:
    if facts.zone is None:
        return _check("records", Outcome.SKIPPED, "there is no zone")
    there = {_plain(r.get("Name")) for r in facts.records if r.get("Type") in ("A", "CNAME")}
    wanted = [h.fqdn(link.dns.zone) for h in link.dns.hosts]
    missing = [n for n in wanted if n not in there]
    if missing:
        return _check("records", Outcome.FAILED, f"no record for {', '.join(missing)}", "cloudlink up")
    return _check("records", Outcome.PASSED, ", ".join(wanted))


def _forward_check(status: ForwardStatus | None) -> Check:
    if status is None:
        return _check("forward", Outcome.SKIPPED, "the AKS cluster was not checked")
    if status.problem:
        return _check("forward", Outcome.FAILED, status.problem, "cloudlink up")
    if status.warnings:
        return _check("forward", Outcome.WARNING, f"{status.line}. {' '.join(status.warnings)}")
    return _check("forward", Outcome.PASSED, status.line)


def _next(
    health: Health, statuses: Sequence[TunnelStatus], checks: Sequence[Check], drift: Sequence[Drift] = ()
) -> tuple[str, ...]:
    """Commands to type, most useful first."""
    if health is Health.ABSENT:
        return ("cloudlink up",)
    if health is Health.HEALTHY:
        return ("cloudlink up",) * bool(drift) + ("cloudlink verify-dns",)
    fixes = [s.fix for s in statuses if s.fix] + [c.fix for c in checks if c.fix and c.outcome is Outcome.FAILED]
    commands = [f for f in dict.fromkeys(fixes) if f.startswith(("cloudlink ", "az ", "aws ", "kubectl "))]
    return tuple(commands) or ("cloudlink status",)
