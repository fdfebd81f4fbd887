"""What ``cloudlink status`` says, from what the clouds say.

``report`` is pure; ``gather`` asks the clouds, all at once, because Azure's answers on BGP take ten seconds each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Generic, TypeVar

from cloudlink.checks import tunnels
from cloudlink.checks.preflight.azure_facts import read_standing
from cloudlink.checks.preflight.paths import keeps_away, standing
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
from cloudlink.clouds.aws.rules import ForwardRule, taking_away
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.malformed import parsing
from cloudlink.errors import CloudlinkError, Finding
from cloudlink.link import Link
from cloudlink.steps.dns_forward.corefile import ForwardStatus
from cloudlink.steps.outputs import VirtualNetwork

Json = Mapping[str, Any]
T = TypeVar("T")

# Stable name of each check (for programs), and its title (for people), in the order in which they are shown.
CHECKS = {
    "tunnels": "Four tunnels are up",
    "bgp": "Four BGP sessions carry routes",
    "lasting": "The tunnels will stay up",
    "routes-azure": "Azure has learned the VPC's ranges",
    "routes-aks": "The cluster's packets find the gateway",
    "routes-aws": "AWS's route tables lead to the VNet",
    "endpoint": "The inbound endpoint works",
    "zone": "The zone belongs to the VPC",
    "records": "Every configured name has a record",
    "targets": "What the names point at exists",
    "rules": "No Resolver rule takes the zone away",
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
    target: CloudlinkError | None = None  # what is wrong with something that a name points at; None: nothing
    rules: Sequence[ForwardRule] | None = None  # Resolver rules that are in force in the VPC; None: not asked
    way: Sequence[Finding] | None = None  # what is in the way between cluster and gateway; None: not asked
    unseen: Mapping[str, str] = field(default_factory=dict)  # check -> why what it looks at could not be read


# What need not be seen for a link to be called healthy: AWS calls a tunnel up only while its BGP session is.
_TOLD_ELSEWHERE = frozenset({"bgp"})

Translate = Callable[[Exception], CloudlinkError | None]


class _Asking:
    """Reads that go on side by side, each by itself: one that fails leaves a reason and takes nothing else with it."""

    def __init__(self, pool: ThreadPoolExecutor, translate: Translate, unseen: Mapping[str, str]) -> None:
        self._pool = pool
        self._translate = translate
        self.unseen = dict(unseen)

    def ask(self, checks: str, call: Callable[[], T]) -> _Asked[T]:
        """Begin a read. checks: the names of the checks that look at it, with a blank between."""
        return _Asked(self._pool.submit(call), partial(self._note, checks))

    def _note(self, checks: str, error: Exception) -> None:
        known = error if isinstance(error, CloudlinkError) else self._translate(error)
        if known is None:
            raise error
        for check in checks.split():
            self.unseen.setdefault(check, str(known))


@dataclass(frozen=True)
class _Asked(Generic[T]):
    future: Future[T]
    note: Callable[[Exception], None]

    def or_none(self) -> T | None:
        """The answer; None where there is none."""
        try:
            return self.future.result()
        except Exception as error:  # noqa: BLE001 - what is none of an SDK's is raised again
            self.note(error)
            return None

    def or_else(self, otherwise: T) -> T:
        """The answer, or this where there is none."""
        found = self.or_none()
        return otherwise if found is None else found


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
    cluster_subnets: Sequence[str] = (),
    target: CloudlinkError | None = None,
    unseen: Mapping[str, str] | None = None,
    translate: Translate = lambda _: None,
    fresh: bool = True,
) -> Facts:
    """Ask both clouds. forward: reads the state of CoreDNS (``Forward.status``).

    endpoint_id, zone_id: as found by their resources; None: there is none. network: the VNet, None: there is none.
    cluster_subnets: of EKS. unseen: of what the caller has read, check -> why not. translate: an SDK's error as ours; None: a bug.
    """
    with ThreadPoolExecutor(12, thread_name_prefix="status") as pool:
        asking = _Asking(pool, translate, unseen or {})
        ask = asking.ask
        gateway = ask("azure bgp routes-azure", lambda: azure.gateway(fresh=fresh)).or_none()
        peers = ask("bgp", azure.bgp_peers) if gateway else None
        learned = ask("routes-azure", azure.learned_routes) if gateway else None
        ranges = partial(_ranges_of, aws, link.aws.vpc_id)
        way = ask("routes-aks", lambda: tuple(standing(read_standing(link, azure, ranges), link))) if gateway else None
        connections = {t.index: ask("azure", partial(_connection, azure, t.index, fresh)) for t in link.tunnels}
        local_gateways = ask("azure", lambda: azure.local_gateways(fresh=fresh))
        vpn = ask("aws", lambda: aws.vpn_connections(fresh=fresh))
        customer_gateways = ask("aws", lambda: aws.customer_gateways(fresh=fresh))
        gateways = ask("aws", lambda: aws.vpn_gateways(fresh=fresh))
        route_tables = ask("routes-aws", lambda: aws.route_tables(link.aws.vpc_id, fresh=fresh))
        vpc = ask("routes-azure", lambda: aws.vpc(link.aws.vpc_id))
        endpoints = ask("endpoint", lambda: aws.resolver_endpoints(fresh=fresh)) if endpoint_id else None
        addresses = None
        if endpoint_id:
            addresses = ask("endpoint", lambda: aws.endpoint_addresses(endpoint_id, fresh=fresh))
        zone = ask("zone", lambda: aws.zone(zone_id, fresh=fresh)) if zone_id else None
        records = ask("records", lambda: aws.records(zone_id, fresh=fresh)) if zone_id else None
        rules = ask("rules", lambda: aws.forward_rules(link.aws.vpc_id)) if zone_id or endpoint_id else None
        view = ask("forward", forward) if forward and "forward" not in asking.unseen else None

        placed = addresses.or_else([]) if addresses else []
        subnets = [*cluster_subnets, *(str(a["SubnetId"]) for a in placed if a.get("SubnetId"))]
        seen_peers = peers.or_none() if peers else None
        seen_zone = zone.or_none() if zone else None
        seen_forward = view.or_none() if view else None
        found = {index: answer.or_none() for index, answer in connections.items()}
        facts = Facts(
            aws=tunnels.AwsFacts(vpn.or_else([]), customer_gateways.or_else([]), gateways.or_else([])),
            azure=tunnels.AzureFacts(
                gateway,
                {index: c for index, c in found.items() if c is not None},
                local_gateways.or_else([]),
                seen_peers,
            ),
            learned=learned.or_none() if learned else None,
            tables=tables_of(route_tables.or_else([]), subnets, link.aws.route_tables),
            advertised=network.advertised if network else (),
            vpc=vpc_ranges(vpc.or_none()),
            endpoint=next((e for e in endpoints.or_else([]) if e.get("Id") == endpoint_id), None)
            if endpoints
            else None,
            endpoint_addresses=placed,
            zone=seen_zone,
            records=records.or_else([]) if records else (),
            forward=seen_forward,
            target=target,
            way=way.or_none() if way else None,
            rules=rules.or_none() if rules else None,
        )
        return replace(
            facts,
            aws=replace(facts.aws, unseen=asking.unseen.get("aws", "")),
            azure=replace(facts.azure, unseen=asking.unseen.get("azure", "")),
            unseen=asking.unseen,
        )


def _connection(azure: Azure, index: int, fresh: bool) -> Json | None:
    return azure.connection(azure.name(f"connection-{index + 1}"), fresh=fresh)


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
    blind = [cloud for cloud, why in (("AWS", facts.aws.unseen), ("Azure", facts.azure.unseen)) if why]
    if blind:
        health = Health.UNKNOWN
        verdict = f"Whether the tunnels are up cannot be told: {' and '.join(blind)} could not be read."
    if health is not Health.ABSENT:
        judged = (
            _tunnel_check(statuses),
            _bgp_check(statuses),
            _lasting_check(statuses),
            _learned_check(facts, learned),
            _way_check(facts.way),
            _table_check(tables, facts, statuses),
            _endpoint_check(endpoint),
            _zone_check(link, facts),
            _record_check(link, facts),
            _target_check(facts),
            _rule_check(link, facts),
            _forward_check(facts.forward),
        )
        reasons = {**facts.unseen, **({"tunnels": facts.aws.unseen or facts.azure.unseen} if blind else {})}
        checks = tuple(_as_seen(check, reasons.get(check.name, "")) for check in judged)
        health, verdict = _whole(health, verdict, checks)
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


def _as_seen(check: Check, why: str) -> Check:
    """The check, or why it could not be made. What was seen to be wrong is said all the same, where there is something to
    look at: of what was not read nothing can be said to be missing."""
    if not why:
        return check
    partly = check.name == "routes-aws" and check.outcome is Outcome.FAILED
    return check if partly else _check(check.name, Outcome.UNSEEN, why)


def _whole(health: Health, verdict: str, checks: Sequence[Check]) -> tuple[Health, str]:
    """The verdict on the tunnels, with what was found beside them."""
    beside = [c for c in checks if c.outcome is Outcome.FAILED and c.name not in ("tunnels", "bgp", "lasting")]
    unseen = [c for c in checks if c.outcome is Outcome.UNSEEN]
    if beside and health is not Health.DOWN:
        verdict += f" But: {beside[0].detail.rstrip('.')}."
    if beside and health is Health.HEALTHY:
        health = Health.DEGRADED
    if unseen:
        verdict += f" Not everything could be read ({', '.join(c.title for c in unseen)}: see below)."
    if health is Health.HEALTHY and any(c.name not in _TOLD_ELSEWHERE for c in unseen):
        health = Health.UNKNOWN
    return health, verdict


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


def _lasting_check(statuses: Sequence[TunnelStatus]) -> Check:
    concerned = [s for s in statuses if s.concern]
    if not any(s.up for s in statuses):
        return _check("lasting", Outcome.SKIPPED, "no tunnel is up")
    if not concerned:
        return _check("lasting", Outcome.PASSED, "none has a reason to be lost")
    words = "; ".join(f"{s.name}: {s.concern}" for s in concerned)
    return _check("lasting", Outcome.FAILED, words, "cloudlink up")


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
    if diverted := _diverted(facts, statuses):
        words = f"{'; '.join(diverted)}: answers to Azure do not come back that way"
        return _check("routes-aws", Outcome.FAILED, words, "Take these routes out of the table, or narrow them.")
    bad = [t for t in tables if t.missing]
    if not bad:
        return _check("routes-aws", Outcome.PASSED, ", ".join(t.id for t in tables))
    if not any(s.aws and s.aws.state == "UP" for s in statuses):
        return _check("routes-aws", Outcome.FAILED, "no tunnel is up, so that no route is propagated")
    words = "; ".join(f"{t.id} lacks {', '.join(t.missing)}" for t in bad)
    return _check("routes-aws", Outcome.FAILED, words, "Routes follow a tunnel within a minute; then: cloudlink up")


def _diverted(facts: Facts, statuses: Sequence[TunnelStatus]) -> list[str]:
    """Routes that send answers to a part of Azure's ranges elsewhere: the more specific one wins, also one that leads
    nowhere."""
    ours = {s.aws.connection for s in statuses if s.aws}
    gateways = {str(v.get("VpnGatewayId")) for v in facts.aws.connections if v.get("VpnConnectionId") in ours}
    found = []
    for table in facts.tables:
        for route in table.get("Routes") or ():
            text, target = str(route.get("DestinationCidrBlock") or ""), _target_of(route)
            if not text or target == "local" or target in gateways:
                continue
            if any(IPv4Network(text) != p and IPv4Network(text).subnet_of(p) for p in facts.advertised):
                found.append(f"{table.get('RouteTableId')} sends {text} to {target or 'nowhere'}")
    return found


def _target_of(route: Json) -> str:
    keys = (
        "GatewayId",
        "TransitGatewayId",
        "NatGatewayId",
        "VpcPeeringConnectionId",
        "NetworkInterfaceId",
        "InstanceId",
    )
    return next((str(route[key]) for key in keys if route.get(key)), "")


def _ranges_of(aws: Aws, vpc: str) -> tuple[IPv4Network, ...]:
    return vpc_ranges(aws.vpc(vpc))


def _way_check(found: Sequence[Finding] | None) -> Check:
    """The same judgement as before a build, on what stands."""
    if found is None:
        return _check("routes-aks", Outcome.SKIPPED, "Azure has no gateway to lead to")
    bad = [f for f in found if keeps_away(f)]
    if bad:
        return _check("routes-aks", Outcome.FAILED, " ".join(f.detail for f in bad), bad[0].hint)
    if found:
        return _check("routes-aks", Outcome.WARNING, " ".join(f.detail for f in found), found[0].hint)
    return _check("routes-aks", Outcome.PASSED, "no route table and no peering is in the way")


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


def _target_check(facts: Facts) -> Check:
    if facts.target is None:
        return _check("targets", Outcome.PASSED, "all of them")
    return _check("targets", Outcome.FAILED, facts.target.detail or facts.target.summary, facts.target.hint)


def _rule_check(link: Link, facts: Facts) -> Check:
    if facts.rules is None:
        return _check("rules", Outcome.SKIPPED, "there is no zone")
    taken = taking_away(facts.rules, link.dns.zone, [h.fqdn(link.dns.zone) for h in link.dns.hosts])
    if not taken:
        return _check("rules", Outcome.PASSED, "none does")
    words = "; ".join(f"{r.id} sends {r.domain} to {', '.join(r.targets) or 'others'}" for r in taken)
    fix = f"aws route53resolver disassociate-resolver-rule --resolver-rule-id {taken[0].id} --vpc-id {link.aws.vpc_id}"
    return _check("rules", Outcome.FAILED, f"the Resolver rule {words}, before the zone is asked", fix)


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
