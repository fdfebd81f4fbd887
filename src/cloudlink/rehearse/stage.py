"""What a rehearsal sets up on this machine, made from the clouds' answers alone: namespaces, links, and the configuration
of each daemon. Nothing is started here.

    aws0 .. aws3   one IKE daemon for each AWS tunnel, with its outside address
         |
        inet       a router without a way out; Azure's public addresses lie behind several daemons
         |
    az0 ..         one IKE daemon for each connection on each instance of Azure's gateway
    vgw            AWS's gateway: the inner ends of its tunnels, BGP, and behind it the hosts of the VPC
    azg0, azg1     the instances of Azure's gateway
    vnet           the VNet's router; behind it CoreDNS and a namespace that stands for a pod
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from cloudlink.clouds.aws.parse_offers import TunnelOffer
from cloudlink.clouds.azure.parse_gateway import GatewayAddresses
from cloudlink.clouds.azure.parse_offers import ConnectionOffer, FarGateway
from cloudlink.ipsec import ANY_RANGE
from cloudlink.rehearse import filters, proposals
from cloudlink.rehearse.answers import Answers, Host
from cloudlink.rehearse.transit import MOST_ROUTES
from cloudlink.secret import Secret

ROUTER = "100.64.0.1"  # the near end of every link, in a range that neither cloud gives to users
VNET, FIRST_INSTANCE = "100.64.1.1", 2
AZURE_HOLD, AZURE_KEEPALIVE = 180, 60
AZURE_ROUTES, AWS_ROUTES = 4000, 100  # prefixes that each cloud takes from a peer
RETRANSMISSIONS = 3
LARGE = "rehearsal-large"  # a name with more addresses than fit into one datagram
ANSWERS = 60


@dataclass(frozen=True)
class Link:
    """A host behind a router."""

    router: str
    host: str
    address: str
    default: bool = True  # whether the host has a way beyond the router


@dataclass(frozen=True)
class Charon:
    """One IKE daemon, which is one end of one tunnel."""

    name: str
    side: str  # aws, azure
    tunnel: str  # which of AWS's tunnels it belongs to, by outside address
    address: str
    peer: str
    gateway: str  # the namespace that has the inner end
    device: str
    inner: tuple[str, ...]  # arguments of ``ip addr add``
    key: Secret
    connection: dict[str, Any]  # as vici takes it
    asks: bool  # whether it opens the tunnel itself
    answers: bool = True  # whether it takes a tunnel that the other side opens
    problem: str = ""  # why it cannot be set up


@dataclass(frozen=True)
class Session:
    """A BGP session as one end has it."""

    name: str
    local: str
    asn: int
    peer: str
    peer_asn: int
    device: str
    hold: int
    keepalive: int


@dataclass(frozen=True)
class Target:
    """What a name leads to, and where it is asked."""

    address: str
    ports: tuple[int, ...]
    tls: tuple[int, ...]


@dataclass(frozen=True)
class Stage:
    namespaces: tuple[str, ...]
    links: tuple[Link, ...]
    charons: tuple[Charon, ...]
    birds: dict[str, str]  # namespace -> configuration
    routes: tuple[tuple[str, str], ...]  # namespace, arguments of ``ip route add``
    rules: tuple[tuple[str, str, str], ...]  # from, to, link: which of the daemons with one address is meant
    pod: str
    resolver: str  # CoreDNS's address
    blocks: dict[str, str]
    endpoints: tuple[str, ...]
    targets: tuple[Target, ...]
    zone: str
    records: dict[str, tuple[str, ...]]
    zones_below: dict[str, dict[str, tuple[str, ...]]]
    sent_away: tuple[str, ...]
    tunnels: tuple[tuple[str, str], ...]  # name, outside address
    filters: tuple[tuple[str, str], ...] = ()  # namespace, arguments of ``ip rule add``, in their order
    announced: int = 0  # prefixes that AWS tells Azure
    notes: tuple[str, ...] = field(default=())


def of(answers: Answers, *, hurry: int = 1) -> Stage:
    """Raises nothing: what a daemon cannot be set up with is told at that daemon. hurry: by how much the timers that tell
    a dead end are shorter than the clouds'."""
    notes: list[str] = []
    first = {
        o.connection: min(p.inside for p in answers.offers if p.connection == o.connection) for o in answers.offers
    }
    offers = sorted(answers.offers, key=lambda o: (first[o.connection], o.connection, o.inside, o.outside))
    charons = [_aws_end(n, _hurried(offer, hurry)) for n, offer in enumerate(offers)]
    vgw = [s for n, offer in enumerate(offers) if (s := _aws_session(n, _hurried(offer, hurry))) is not None]
    by_far = {f.id: f for f in answers.far}
    rules: dict[tuple[str, str], str] = {}
    azure: dict[int, list[Session]] = {}
    for connection in sorted(answers.connections, key=lambda c: c.name):
        connection = replace(connection, dpd_timeout=max(4, connection.dpd_timeout // hurry))
        far = by_far.get(connection.local_gateway)
        if far is None or far.address not in {o.outside for o in offers}:
            notes.append(
                f"Azure's connection {connection.name} leads to {far.address if far else 'nothing'}, "
                "which is no AWS tunnel of this link"
            )
            continue
        for number, instance in enumerate(answers.instances):
            for public in instance.public:
                name = f"az{len(charons) - len(offers)}"
                at = (far.address, str(public))
                if at in rules:
                    notes.append(f"two connections of Azure lead to {far.address}; {connection.name} is left out")
                    continue
                rules[at] = name
                charons.append(_azure_end(name, number, connection, far, instance, str(public)))
                session = _azure_session(name, connection, far, instance, answers)
                if session is not None:
                    azure.setdefault(number, []).append(session)
    instances = [f"azg{n}" for n in range(len(answers.instances))]
    pod, resolver = _node_addresses(answers)
    vpc_hosts = _hosts(answers)
    inside = [f"host{n}" for n in range(len(vpc_hosts))]
    links = [
        *(Link("inet", c.name, c.address) for c in charons),
        *(Link("vgw", name, host.address, host.way_back) for name, host in zip(inside, vpc_hosts, strict=True)),
        Link("vnet", "pod", pod),
        Link("vnet", "dns", resolver),
    ]
    routes = [(name, f"{net} via {VNET}") for name in instances for net in answers.vnet]
    told = _aws_filters(answers, offers)
    birds = {"vgw": _bird(_router_id(0), vgw, told)}
    for number, name in enumerate(instances):
        birds[name] = _bird(
            _router_id(number + 1), azure.get(number, []), _azure_filters(answers), _inner(number, answers)
        )
    birds["vnet"] = _vnet(len(instances), answers)
    return Stage(
        namespaces=("inet", "vgw", "vnet", *instances, *(link.host for link in links)),
        links=tuple(links),
        charons=tuple(charons),
        birds=birds,
        routes=tuple(routes),
        rules=tuple((source, target, name) for (source, target), name in rules.items()),
        pod=pod,
        resolver=resolver,
        blocks=dict(answers.server_blocks),
        endpoints=tuple(h.address for h in answers.endpoints),
        targets=tuple(Target(h.address, h.ports, tuple(sorted(h.tls))) for h in answers.targets),
        zone=answers.zone,
        records=dict(answers.records),
        zones_below={zone: dict(names) for zone, names in answers.zones_below.items()},
        sent_away=answers.sent_away,
        tunnels=tuple((_tunnel_name(n, offers), offer.outside) for n, offer in enumerate(offers)),
        filters=(
            *(("vgw", rule) for rule in filters.before_hosts(vpc_hosts)),
            *(("vnet", rule) for rule in filters.behind_nodes(answers)),
        ),
        announced=len(told[0]),
        notes=(*notes, *answers.notes),
    )


def _hurried(offer: TunnelOffer, hurry: int) -> TunnelOffer:
    """BGP takes no hold time below three seconds."""
    return replace(offer, hold_time=max(3, offer.hold_time // hurry), dpd_timeout=max(4, offer.dpd_timeout // hurry))


def _tunnel_name(number: int, offers: list[TunnelOffer]) -> str:
    """``1-2``: the second tunnel of the first connection, by inside range."""
    connections = list(dict.fromkeys(o.connection for o in offers))
    own = [o for o in offers if o.connection == offers[number].connection]
    return f"{connections.index(offers[number].connection) + 1}-{own.index(offers[number]) + 1}"


# --- IKE ------------------------------------------------------------------------------------------------------


def _aws_end(number: int, offer: TunnelOffer) -> Charon:
    problem = ""
    try:
        offered = proposals.of_aws(offer.ike, offer.esp)
    except proposals.CannotOffer as error:
        offered, problem = proposals.Offer((), ()), f"strongSwan knows no {error}"
    return Charon(
        name=f"aws{number}",
        side="aws",
        tunnel=offer.outside,
        address=offer.outside,
        peer=offer.customer,
        gateway="vgw",
        device=f"tun{number}",
        inner=(f"{offer.own_inside}/{offer.inside.prefixlen}",),
        key=offer.key or Secret(""),
        connection=_connection(
            offer.outside,
            offer.customer,
            offered,
            version=_version(offer.versions),
            local=offer.aws_range,
            remote=offer.azure_range,
            ike_lifetime=offer.ike.lifetime,
            esp_lifetime=offer.esp.lifetime,
            margin=offer.rekey_margin,
            dpd=offer.dpd_timeout,
            dpd_action={"restart": "restart", "none": "none"}.get(offer.dpd_action, "clear"),
        ),
        asks=offer.opens,
        problem=problem or ("" if offer.key else "AWS does not show its key"),
    )


def _azure_end(
    name: str, number: int, connection: ConnectionOffer, far: FarGateway, instance: GatewayAddresses, public: str
) -> Charon:
    problem = ""
    try:
        offered = proposals.of_azure(connection.policy)
    except proposals.CannotOffer as error:
        offered, problem = proposals.Offer((), ()), f"strongSwan knows no {error}"
    local = _inside(connection, instance)
    peer = far.peer or far.address
    return Charon(
        name=name,
        side="azure",
        tunnel=far.address,
        address=public,
        peer=far.address,
        gateway=f"azg{number}",
        device=name,
        # Azure knows two addresses, and no range around them
        inner=(local, "peer", peer) if local and far.peer else (),
        key=connection.key or Secret(""),
        connection=_connection(
            public,
            far.address,
            offered,
            version="1" if connection.protocol.lower() == "ikev1" else "2",
            local=ANY_RANGE,
            remote=ANY_RANGE,
            ike_lifetime=28_800,
            esp_lifetime=connection.policy.lifetime if connection.policy else 27_000,
            margin=300,
            dpd=connection.dpd_timeout,
            dpd_action="restart" if connection.mode != "ResponderOnly" else "clear",
        ),
        asks=connection.mode != "ResponderOnly",
        answers=connection.mode != "InitiatorOnly",
        problem=problem or ("" if connection.key else "Azure does not show its key"),
    )


def _version(versions: tuple[str, ...]) -> str:
    """0: both."""
    words = {v.lower() for v in versions}
    return "0" if len(words) > 1 else "1" if words == {"ikev1"} else "2"


def _connection(
    address: str,
    peer: str,
    offer: proposals.Offer,
    *,
    version: str,
    local: str,
    remote: str,
    ike_lifetime: int,
    esp_lifetime: int,
    margin: int,
    dpd: int,
    dpd_action: str,
) -> dict[str, Any]:
    """As vici takes it. Nothing starts by itself: the rehearsal asks, so that it sees the answer at once."""
    return {
        "t": {
            "version": version,
            "local_addrs": [address],
            "remote_addrs": [peer],
            "encap": "yes",  # ESP in user space exists inside UDP only
            "mobike": "no",
            "proposals": list(offer.ike),
            "dpd_delay": str(max(1, dpd // (RETRANSMISSIONS + 1))),
            "rekey_time": str(max(1, ike_lifetime - margin)),
            "over_time": str(margin),
            "keyingtries": "1",
            "unique": "replace",
            "local": {"auth": "psk", "id": address},
            "remote": {"auth": "psk", "id": peer},
            "children": {
                "c": {
                    "mode": "tunnel",
                    "local_ts": [local],
                    "remote_ts": [remote],
                    "esp_proposals": list(offer.esp),
                    "rekey_time": str(max(1, esp_lifetime - margin)),
                    "life_time": str(esp_lifetime),
                    "dpd_action": dpd_action,
                    "start_action": "none",
                    "close_action": "none",
                }
            },
        }
    }


# --- BGP ------------------------------------------------------------------------------------------------------


def _aws_session(number: int, offer: TunnelOffer) -> Session | None:
    if not offer.bgp or offer.asn is None or offer.peer_asn is None:
        return None
    return Session(
        f"aws{number}",
        offer.own_inside,
        offer.asn,
        offer.peer_inside,
        offer.peer_asn,
        f"tun{number}",
        offer.hold_time,
        max(1, offer.hold_time // 3),
    )


def _azure_session(
    name: str, connection: ConnectionOffer, far: FarGateway, instance: GatewayAddresses, answers: Answers
) -> Session | None:
    local = _inside(connection, instance)
    if not (connection.bgp and answers.azure_bgp and far.peer and far.asn and answers.azure_asn and local):
        return None
    return Session(name, local, answers.azure_asn, far.peer, far.asn, name, AZURE_HOLD, AZURE_KEEPALIVE)


def _inside(connection: ConnectionOffer, instance: GatewayAddresses) -> str:
    """From which the instance speaks BGP on the connection: what the connection says, where the instance owns it. A
    connection that says nothing uses the instance's first custom address."""
    said = connection.inside.get(instance.config, "")
    owned = [str(a) for a in (*instance.custom, *instance.default)]
    if said:
        return said if said in owned else ""
    return next(iter(owned), "")


def _aws_filters(answers: Answers, offers: list[TunnelOffer]) -> tuple[list[str], str, str]:
    """Statics, import and export of AWS's gateway: a virtual private one says the VPC's ranges while it is attached to it, a transit
    gateway what is in the connections' table."""
    if answers.announced is not None:
        return [str(n) for n in answers.announced], "import all", f"import limit {MOST_ROUTES} action disable"
    attached = any(o.gateway in answers.attached for o in offers)
    return [str(n) for n in answers.vpc] if attached else [], "import all", f"import limit {AWS_ROUTES} action disable"


def _azure_filters(answers: Answers) -> tuple[list[str], str, str]:
    """Azure drops what is equal to a prefix of the VNet or lies in one; what encloses one it takes.
    https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-vpn-faq#bgp"""
    own = ", ".join(f"{n}+" for n in answers.vnet)
    taken = f"import filter {{ if net ~ [ {own} ] then reject; accept; }}" if own else "import all"
    return [str(n) for n in answers.vnet], taken, f"import limit {AZURE_ROUTES} action disable"


def _inner(number: int, answers: Answers) -> str:
    asn = answers.azure_asn or 65515
    return f"""protocol bgp vnet {{
  local {_instance(number)} as {asn}; neighbor {VNET} as {asn}; direct; bfd on; {_TIMERS.format(hold=9, keepalive=3)}
  ipv4 {{ import none; export where source = RTS_BGP; next hop self; }};
}}
{_BFD}"""


def _vnet(instances: int, answers: Answers) -> str:
    asn = answers.azure_asn or 65515
    sessions = "\n".join(
        f"""protocol bgp azg{n} {{
  local {VNET} as {asn}; neighbor {_instance(n)} as {asn}; direct; bfd on; {_TIMERS.format(hold=9, keepalive=3)}
  ipv4 {{ import all; export none; }};
}}"""
        for n in range(instances)
    )
    return f"{_BASE.format(id='100.64.255.100')}{sessions}\n{_BFD}"


# What waits in BIRD is cut short: a session's first attempt would come after five seconds.
_TIMERS = (
    "hold time {hold}; keepalive time {keepalive}; startup hold time 30; connect delay time 1; connect retry time 1; "
    "error wait time 1, 2; error forget time 5;"
)
_BASE = """router id {id};
log stderr {{ warning, error, fatal, bug, trace }};
debug protocols {{ states }};
protocol device {{ scan time 2; }}
protocol kernel {{ merge paths on; ipv4 {{ import none; export where source = RTS_BGP; }}; }}
"""
_BFD = 'protocol bfd { interface "*" { min rx interval 300 ms; min tx interval 300 ms; multiplier 3; }; }\n'


def _bird(router: str, sessions: list[Session], filters: tuple[list[str], str, str], more: str = "") -> str:
    statics, taken, limit = filters
    own = "".join(f" route {n} unreachable;" for n in statics)
    found = [_BASE.format(id=router), f"protocol static own {{ ipv4;{own} }}\n"]
    found += [
        f"""protocol bgp {s.name} {{
  local {s.local} as {s.asn}; neighbor {s.peer} as {s.peer_asn}; direct; interface "{s.device}";
  {_TIMERS.format(hold=s.hold, keepalive=s.keepalive)}
  ipv4 {{ {taken}; {limit}; export where source = RTS_STATIC; next hop self; }};
}}
"""
        for s in sessions
    ]
    return "".join(found) + more


def _router_id(number: int) -> str:
    return f"100.64.255.{number + 1}"


def _instance(number: int) -> str:
    return f"100.64.1.{FIRST_INSTANCE + number}"


# --- hosts ----------------------------------------------------------------------------------------------------


def _hosts(answers: Answers) -> list[Host]:
    found = {h.address: h for h in (*answers.endpoints, *answers.targets)}
    return list(found.values())


def _node_addresses(answers: Answers) -> tuple[str, str]:
    """A pod's packets leave with an address of its node's subnet, or one of their own in the VNet."""
    nodes = answers.nodes or next(iter(answers.vnet), IPv4Network("100.64.2.0/24"))
    first = int(nodes.network_address)
    return str(IPv4Address(first + 10)), str(IPv4Address(first + 11))
