"""What status reads of both clouds: all at once, because Azure's answers on BGP take ten seconds each, and each by itself,
so that one failed read leaves the other checks as they are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from typing import Generic, TypeVar

from cloudlink.checks import also_learned_reads
from cloudlink.checks.also_learned import Owned
from cloudlink.checks.preflight import filters, transit, vpc_dns
from cloudlink.checks.preflight.azure import standing_on_each
from cloudlink.checks.report import Check
from cloudlink.checks.routes import tables_of
from cloudlink.checks.tunnel_ends import AwsFacts, AzureFacts
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_acls import acls as parse_acls
from cloudlink.clouds.aws.parse_balancers import load_balancers
from cloudlink.clouds.aws.parse_connections import existing_connections
from cloudlink.clouds.aws.parse_gateways import existing_customer_gateways, vpn_gateways
from cloudlink.clouds.aws.parse_groups import rules_by_group
from cloudlink.clouds.aws.parse_resolver import Endpoint, EndpointAddress, ForwardRule, addresses, endpoints
from cloudlink.clouds.aws.parse_routes import Table, tables
from cloudlink.clouds.aws.parse_vpc import vpc as parse_vpc
from cloudlink.clouds.aws.parse_zones import FoundRecord, Zone, records
from cloudlink.clouds.aws.parse_zones import zone as parse_zone
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_connection import Connection, connection, local_gateway
from cloudlink.clouds.azure.parse_gateway import Gateway, LearnedRoute, bgp_peers, gateway, learned_routes
from cloudlink.clouds.azure.parse_network import vnet
from cloudlink.clouds.errors import error_policy
from cloudlink.errors import CloudlinkError, Finding, LostContactError
from cloudlink.link import AddressTarget, Link
from cloudlink.steps.dns_forward.corefile import ForwardStatus
from cloudlink.steps.outputs import VirtualNetwork

T = TypeVar("T")
ALSO = "also learned"  # where the reason stands why it could not be read whose a range is; no check looks at it


@dataclass(frozen=True)
class Facts:
    """Everything that status is made from."""

    aws: AwsFacts = field(default_factory=AwsFacts)
    azure: AzureFacts = field(default_factory=AzureFacts)
    learned: Sequence[LearnedRoute] | None = None  # None: not asked
    tables: Sequence[Table] = ()  # the route tables that matter
    advertised: tuple[IPv4Network, ...] = ()  # what Azure advertises
    vpc: tuple[IPv4Network, ...] = ()  # the VPC's ranges
    endpoint: Endpoint | None = None  # None: there is none
    endpoint_addresses: Sequence[EndpointAddress] = ()
    zone: Zone | None = None  # the first
    records: Sequence[FoundRecord] = ()  # of all zones
    forward: ForwardStatus | None = None  # None: not read
    target: CloudlinkError | None = None  # what is wrong with something that a name points at; None: nothing
    rules: Sequence[ForwardRule] | None = None  # Resolver rules that are in force in the VPC; None: not asked
    elsewhere: Sequence[Finding] = ()  # what else takes names away in the VPC, as far as it may be read
    behind: tuple[Finding, ...] = ()  # what keeps load balancers from answering, where that was asked
    way: Sequence[Finding] | None = None  # what is in the way between cluster and gateway; None: not asked
    filters: Sequence[Finding] | None = None  # packet filters and prefix lists that stop what is asked; None: not asked
    unseen: Mapping[str, str] = field(default_factory=dict)  # check -> why what it looks at could not be read
    hints: Mapping[str, str] = field(default_factory=dict)  # check -> what to do so that it can be read
    transit: transit.TransitFacts | None = None  # None: there is none, or it was not read
    ours: Collection[tuple[str, str]] | None = None  # name and type of the records that are ours; None: not known
    more_zones: Mapping[str, Zone] = field(default_factory=dict)  # by name, those that are there
    back: Check | None = None  # of names back; None: there are none
    led: Mapping[str, Check] = field(default_factory=dict)  # checks that fail although all they look for is there
    # whose the ranges are that each side announces
    aws_owns: tuple[Owned, ...] = ()
    azure_owns: tuple[Owned, ...] = ()

    def zones(self, first: str) -> dict[str, Zone]:
        """Those that are there, by name. first: the name of the first one."""
        return {**({first: self.zone} if self.zone is not None else {}), **self.more_zones}


Translate = Callable[[Exception], CloudlinkError | None]
Policies = Callable[[Sequence[filters.Destination]], tuple[Finding, ...]]


class Asking:
    """Reads that go on side by side, each by itself: one that fails leaves a reason and takes nothing else with it."""

    def __init__(
        self, pool: ThreadPoolExecutor, translate: Translate, unseen: Mapping[str, str], hints: Mapping[str, str]
    ) -> None:
        self._pool = pool
        self._translate = translate
        self.unseen = dict(unseen)
        self.hints = dict(hints)

    def ask(self, checks: str, call: Callable[[], T]) -> Asked[T]:
        """Begin a read. checks: the names of the checks that look at it, with a blank between."""
        return Asked(self._pool.submit(call), partial(self._note, checks))

    def _note(self, checks: str, error: Exception) -> None:
        known = error if isinstance(error, CloudlinkError) else self._translate(error)
        if known is None:
            raise error
        if isinstance(known, LostContactError):
            raise known
        for check in checks.split():
            self.unseen.setdefault(check, str(known))
            self.hints.setdefault(check, known.hint)


@dataclass(frozen=True)
class Asked(Generic[T]):
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


def gather(
    link: Link,
    aws: Aws,
    azure: Azure,
    forward: Callable[[], ForwardStatus] | None,
    *,
    endpoint_id: str | None,
    zone_id: str | None,
    more_zones: Mapping[str, str] | None = None,
    network: VirtualNetwork | None,
    cluster_subnets: Sequence[str] = (),
    needed_tables: Collection[str] = (),
    target: CloudlinkError | None = None,
    balancers: Mapping[str, str] | None = None,
    ours: Collection[tuple[str, str]] | None = None,
    unseen: Mapping[str, str] | None = None,
    hints: Mapping[str, str] | None = None,
    policies: Policies = lambda _: (),
    translate: Translate = lambda _: None,
    fresh: bool = True,
) -> Facts:
    """Ask both clouds. forward: reads the state of CoreDNS (``Forward.status``).

    endpoint_id, zone_id: as found by their resources; None: there is none. more_zones: name -> id, beside the first. network: the VNet, None: there is none.
    cluster_subnets: of EKS. needed_tables: route tables that the link needs, beside those of the endpoint's addresses. balancers: full name -> ARN of what it points at. ours: see Facts. unseen, hints: of what the caller has read, check -> why not, and what to do.
    policies: what of the cluster's network policies is in the way to these. translate: an SDK's error as ours; None: a bug.
    """
    vpc_id = link.aws.vpc_id
    with ThreadPoolExecutor(12, thread_name_prefix="status") as pool:
        asking = Asking(pool, translate, unseen or {}, hints or {})
        ask = asking.ask
        # whose a range is may be left unsaid: a permission that is missing for it is no fault of the link
        beside = Asking(pool, error_policy(link).translate, {}, {})
        makes_vpn = link.makes_vpn

        def ask_of_vpn(checks: str, call: Callable[[], tuple[T, ...]]) -> Asked[tuple[T, ...]]:
            """Nothing of it is read where the link makes none."""
            return ask(checks, call if makes_vpn else tuple)

        found = ask("azure bgp routes-azure", lambda: _gateway(azure, fresh)).or_none() if makes_vpn else None
        peers = ask("bgp", lambda: bgp_peers(azure.bgp_peers())) if found else None
        learned = ask("routes-azure", lambda: learned_routes(azure.learned_routes())) if found else None
        ranges = partial(ranges_of, aws, vpc_id)
        way = ask("routes-aks", partial(standing_on_each, link, azure, ranges)) if found else None
        connections = {
            t.index: ask("azure", partial(_connection, azure, t.index, fresh)) for t in link.tunnels if makes_vpn
        }
        local_gateways = ask_of_vpn("azure", lambda: tuple(map(local_gateway, azure.local_gateways(fresh=fresh))))
        vpn = ask_of_vpn("aws", lambda: existing_connections(aws.vpn_connections(fresh=fresh)))
        customer_gateways = ask_of_vpn("aws", lambda: existing_customer_gateways(aws.customer_gateways(fresh=fresh)))
        gateways = ask_of_vpn("aws", lambda: vpn_gateways(aws.vpn_gateways(fresh=fresh)))
        route_tables = ask_of_vpn("routes-aws", lambda: tables(aws.route_tables(vpc_id, fresh=fresh)))
        vpc = ask_of_vpn("routes-azure", ranges)
        azures = network.advertised if network else ()
        owned = beside.ask(ALSO, partial(also_learned_reads.announced_by_azure, link, azure)) if found else None
        vpc_owns = beside.ask(ALSO, partial(also_learned_reads.announced_by_vpc, link, aws, ranges)) if found else None
        through = (
            ask("transit", partial(transit.standing, link, aws, ranges, azures))
            if link.aws.transit and makes_vpn
            else None
        )
        state = placed_at = None
        if endpoint_id:
            state = ask("endpoint", lambda: _endpoint(aws, endpoint_id, fresh))
            placed_at = ask("endpoint", lambda: addresses(aws.endpoint_addresses(endpoint_id, fresh=fresh)))
        ids = {**({link.dns.zone: zone_id} if zone_id else {}), **(more_zones or {})}
        hosted = {n: ask("zone", partial(_zone, aws, id_, fresh)) for n, id_ in ids.items()}
        there = [ask("records", partial(_records, aws, id_, fresh)) for id_ in ids.values()]
        rules = ask("rules", lambda: aws.forward_rules(vpc_id)) if ids or endpoint_id else None
        elsewhere = ask("rules", partial(vpc_dns.standing, link, aws, error_policy(link).translate)) if rules else None
        in_the_way = None
        if placed_at is not None:
            in_the_way = ask(
                "filters",
                partial(
                    _dropped,
                    link,
                    aws,
                    azure,
                    placed_at,
                    endpoint_id or "",
                    balancers or {},
                    network.advertised if network else (),
                    policies,
                ),
            )
        view = ask("forward", forward) if forward and "forward" not in asking.unseen else None

        placed = placed_at.or_else(()) if placed_at else ()
        subnets = [*cluster_subnets, *(a.subnet for a in placed if a.subnet)]
        seen = {index: answer.or_none() for index, answer in connections.items()}
        zones = {n: z for n, answer in hosted.items() if (z := answer.or_none()) is not None}
        taught = learned.or_none() if learned else None
        adopted: tuple[Owned, ...] = ()
        if found and link.azure.adopt_gateway is not None:
            adopted = beside.ask(ALSO, partial(also_learned_reads.of_adopted, link, azure, taught or ())).or_else(())
        facts = Facts(
            aws=AwsFacts(vpn.or_else(()), customer_gateways.or_else(()), gateways.or_else(())),
            azure=AzureFacts(
                found,
                {index: c for index, c in seen.items() if c is not None},
                local_gateways.or_else(()),
                peers.or_none() if peers else None,
            ),
            learned=taught,
            tables=tables_of(route_tables.or_else(()), subnets, link.aws.route_tables, needed_tables),
            advertised=network.advertised if network else (),
            vpc=vpc.or_else(()),
            endpoint=state.or_none() if state else None,
            endpoint_addresses=placed,
            zone=zones.get(link.dns.zone),
            more_zones={n: z for n, z in zones.items() if n != link.dns.zone},
            records=[r for one in there for r in one.or_else(())],
            forward=view.or_none() if view else None,
            target=target,
            way=way.or_none() if way else None,
            filters=in_the_way.or_none() if in_the_way else None,
            rules=rules.or_none() if rules else None,
            elsewhere=elsewhere.or_else(()) if elsewhere else (),
            transit=through.or_none() if through else None,
            ours=ours,
            aws_owns=vpc_owns.or_else(()) if vpc_owns else (),
            azure_owns=(*(owned.or_else(()) if owned else ()), *adopted),
        )
        return replace(
            facts,
            aws=replace(facts.aws, unseen=asking.unseen.get("aws", "")),
            azure=replace(facts.azure, unseen=asking.unseen.get("azure", "")),
            unseen={**asking.unseen, **beside.unseen},
            hints=asking.hints,
        )


def tunnel_facts(link: Link, aws: Aws, azure: Azure, *, fresh: bool) -> tuple[AwsFacts, AzureFacts]:
    """What the verdict on the tunnels needs, without asking for BGP."""
    found = {t.index: _connection(azure, t.index, fresh) for t in link.tunnels}
    return (
        AwsFacts(
            existing_connections(aws.vpn_connections(fresh=fresh)),
            existing_customer_gateways(aws.customer_gateways(fresh=fresh)),
            vpn_gateways(aws.vpn_gateways(fresh=fresh)),
        ),
        AzureFacts(
            _gateway(azure, fresh),
            {index: c for index, c in found.items() if c is not None},
            tuple(map(local_gateway, azure.local_gateways(fresh=fresh))),
        ),
    )


def _gateway(azure: Azure, fresh: bool) -> Gateway | None:
    raw = azure.gateway(fresh=fresh)
    return gateway(raw) if raw else None


def _zone(aws: Aws, id_: str, fresh: bool) -> Zone | None:
    return parse_zone(aws.zone(id_, fresh=fresh))


def _records(aws: Aws, id_: str, fresh: bool) -> Sequence[FoundRecord]:
    return records(aws.records(id_, fresh=fresh))


def _endpoint(aws: Aws, id_: str, fresh: bool) -> Endpoint | None:
    return next((e for e in endpoints(aws.resolver_endpoints(fresh=fresh)) if e.id == id_), None)


def _connection(azure: Azure, index: int, fresh: bool) -> Connection | None:
    raw = azure.connection(azure.name(f"connection-{index + 1}"), fresh=fresh)
    return connection(raw) if raw else None


def ranges_of(aws: Aws, vpc_id: str) -> tuple[IPv4Network, ...]:
    """Each range of a VPC is a local route in its tables, which have been read; that of a table may have been given another
    target, but not that of each."""
    local = {r.destination for t in tables(aws.route_tables(vpc_id)) for r in t.routes if r.target == "local"}
    if local:
        return tuple(sorted(local))
    found = parse_vpc(aws.vpc(vpc_id))
    return found.ranges if found else ()


def _dropped(
    link: Link,
    aws: Aws,
    azure: Azure,
    placed: Asked[tuple[EndpointAddress, ...]],
    endpoint_id: str,
    balancers: Mapping[str, str],
    advertised: Sequence[IPv4Network],
    policies: Policies,
) -> tuple[Finding, ...]:
    addresses = {a.subnet: a.address for a in placed.future.result() if a.subnet and a.address is not None}
    return (
        *dropped(link, aws, azure, addresses, balancers, advertised, endpoint_id),
        *policies(destinations(link, aws, addresses, balancers)),
    )


def dropped(
    link: Link,
    aws: Aws,
    azure: Azure,
    endpoint: Mapping[str, IPv4Address],
    balancers: Mapping[str, str],
    advertised: Sequence[IPv4Network],
    endpoint_id: str = "",
) -> tuple[Finding, ...]:
    """What stops the packets of a link that exists: packet filters of both clouds, and prefix lists.

    endpoint: subnet -> address of the inbound endpoint. balancers: full name -> ARN. endpoint_id: whose security groups are looked
    at as well; they have been read. One call for the network ACLs;
    what else is needed is asked only where one of these, or a security group, seems to be in the way, or where subnets of the
    VNet have security groups and route tables prefix lists.
    """
    wanted, vpc_id = destinations(link, aws, endpoint, balancers), link.aws.vpc_id
    if endpoint_id and (there := _endpoint(aws, endpoint_id, fresh=False)) is not None:
        wanted = (filters.endpoint(endpoint, endpoint.values(), there.groups), *wanted[1:])
    acls = parse_acls(aws.network_acls(vpc_id))
    groups = rules_by_group(aws.security_groups(vpc_id))

    def in_aws(sources: Sequence[IPv4Network]) -> list[Finding]:
        return [*filters.check_acls(wanted, acls, sources, link), *filters.check_groups(wanted, groups, sources, link)]

    found = in_aws(advertised)
    if found and (narrower := filters.clusters_ranges(link, azure)):
        found = in_aws(narrower)
    raw = azure.vnet() if link.azure.new_network is None else None
    if raw and any(s.security_group_id for s in vnet(raw).subnets):
        subnets, held = filters.read_groups(link, azure)
        places = [d for d in wanted if d.networks]  # those of load balancers are not known without another call
        found += filters.check_azure(subnets, held, places, (), link)
    if link.makes_vpn:  # else such a list may be the route to Azure itself, and is checked with it
        found += filters.led_away(link, aws, azure)
    return tuple(found)


def destinations(
    link: Link, aws: Aws, endpoint: Mapping[str, IPv4Address], balancers: Mapping[str, str]
) -> tuple[filters.Destination, ...]:
    """What pods ask and connect to, as it is now."""
    found = [filters.endpoint(endpoint, endpoint.values())]
    known = {b.arn: b for b in load_balancers(aws.load_balancers())} if balancers else {}
    for zone, host in link.dns.all_hosts:
        name = link.dns.short_name(zone, host)
        if isinstance(host.target, AddressTarget):
            found.append(filters.fixed(name, host.ports, host.target.addresses))
        elif there := known.get(balancers.get(host.fqdn(zone.name), "")):
            found.append(filters.balancer(name, host.ports, there))
    return tuple(found)
