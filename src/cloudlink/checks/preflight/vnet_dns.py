"""What keeps the VNet's own resolver from answering, where it is to forward the zones: before any rule, the VNet's DNS servers
and private zones that are linked to it decide.

https://learn.microsoft.com/azure/dns/private-resolver-endpoints-rulesets
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network

from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.azure import parse_dns
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_dns import VnetDns
from cloudlink.clouds.azure.parse_network import GATEWAY_SUBNET, Vnet, vnet
from cloudlink.clouds.errors import error_policy
from cloudlink.clouds.kube.client import Kube
from cloudlink.clouds.kube.errors import KubeApiError, NoCluster, missing, no_permission
from cloudlink.clouds.kube.parse import key_map
from cloudlink.errors import CloudlinkError, Finding, LostContactError, Mistake, Severity
from cloudlink.link import Link
from cloudlink.steps.dns_forward import corefile, resolver, rules
from cloudlink.steps.dns_forward.coredns import CONFIG_MAP, KEYS_READ, NAMESPACE
from cloudlink.steps.dns_forward.corefile_grammar import Unreadable
from cloudlink.steps.dns_forward.rules import MOST_RULES

TOPIC = "names"

Translate = Callable[[Exception], CloudlinkError | None]


@dataclass(frozen=True)
class VnetDnsFacts:
    servers: tuple[str, ...] = ()  # the VNet's own, in place of Azure's
    zones: tuple[str, ...] = ()  # private zones that are linked to it and touch ours
    dns: VnetDns = field(default_factory=VnetDns)
    keys: Mapping[str, str] = field(default_factory=dict)  # of coredns-custom, which pods ask before the VNet
    spokes: tuple[str, ...] = ()  # ids of the cluster's VNets that are not linked to the ruleset
    linking: str = ""  # the command for the first of them
    unread: CloudlinkError | None = None  # why these could not be read
    room: Vnet | None = None  # where the outbound endpoint's subnet is to be made; None: it is there, or not needed


def find(context: Context) -> Iterator[Finding]:
    if context.link.dns.forward == "vnet" and context.link.azure.new_network is None and context.writes("dns_forward"):
        translate = error_policy(context.link).translate
        aks = None if context.cluster_away else context.aks
        yield from check(read(context.link, context.azure, aks, translate), context.link)


def read(link: Link, azure: Azure, aks: Kube | None, translate: Translate = lambda _: None) -> VnetDnsFacts:
    """aks: None where it is said by itself that the cluster cannot be asked. translate: an SDK's error as ours; None: a bug. A cluster that cannot be asked hides nothing of what Azure says."""
    raw = azure.vnet()
    found = vnet(raw) if raw else None
    touching = [z for z in parse_dns.private_zones(azure.private_zones()) if _touches(z.name, link)]
    linked = [z.name for z in touching if parse_dns.linked_to(azure.vnet_links(z.id), azure.vnet_id)]
    dns = resolver.read(azure)
    needed = "endpoint" not in resolver.used(dns, resolver.names(azure)).others
    room = found if found and needed and found.subnet(azure.dns_subnet_id) is None else None
    keys, unread = dict[str, str](), None
    try:
        keys = dict(_keys(aks)) if aks is not None else keys
    except Exception as error:
        unread = error if isinstance(error, CloudlinkError) else translate(error)
        if unread is None or isinstance(unread, LostContactError):
            raise
    away = rules.unlinked(link, azure)
    command = rules.linking(dns.ruleset.object.id if dns.ruleset else "", away[0], azure) if away else ""
    servers = found.dns_servers if found else ()
    return VnetDnsFacts(servers, tuple(linked), dns, keys, away, command, unread, room)


def _keys(aks: Kube) -> Mapping[str, str]:
    """Nothing where CoreDNS's ConfigMap is not there, or is not ours to read: a pod proves the names in any case."""
    try:
        return key_map(aks.cache.get(KEYS_READ, lambda: aks.config_map(NAMESPACE, CONFIG_MAP))).text
    except NoCluster:
        return {}
    except KubeApiError as error:
        if not missing(error) and not no_permission(error):
            raise
        return {}


def _touches(name: str, link: Link) -> bool:
    return any(_covers(name, z) or _covers(z, name) for z in link.dns.zone_names)


def _covers(zone: str, name: str) -> bool:
    return name == zone or name.endswith(f".{zone}")


def check(facts: VnetDnsFacts, link: Link) -> Iterator[Finding]:
    side = link.azure
    yield from subnet_findings(facts.room, link, link.dns.outbound_subnet, "dns.outbound_subnet_prefix")
    if facts.servers:
        yield _found(
            Severity.OBSTACLE,
            "The VNet has DNS servers of its own",
            f"{side.vnet} gives its nodes {', '.join(facts.servers)} as DNS servers: they are asked in place of Azure's resolver, and "
            "a forwarding rule has no effect.",
            f"Let these servers send {link.dns.zones_said} to AWS or to 168.63.129.16, or take them off the VNet: az network vnet "
            f'update --name {side.vnet} --resource-group {side.vnet_resource_group} --dns-servers ""',
        )
    if facts.spokes:
        yield _found(
            Severity.WARNING,
            "The cluster's VNet is not linked to the forwarding ruleset",
            f"The nodes of {side.aks_cluster} are in {', '.join(v.rpartition('/')[2] for v in facts.spokes)}, and the ruleset is linked to "
            f"{side.vnet}: what is asked there, its rules do not see. The ruleset is there after cloudlink up; until its owner has linked "
            "the cluster's VNet, no pod gets the names. Before cloudlink teardown that link is taken away.",
            facts.linking,
        )
    for name in facts.zones:
        hidden = [z for z in link.dns.zone_names if _covers(name, z)]
        hosts = [h for h in link.dns.named_hosts if _covers(name, h)]
        what = ", ".join(hidden or hosts)
        yield _found(
            Severity.OBSTACLE if what else Severity.WARNING,
            "A private zone of Azure's comes before the forwarding rule",
            f"The private DNS zone {name} is linked to {side.vnet}, and answers all names below it, "
            + (f"those of {what} as well." if what else "which then do not come from AWS."),
            "Unlink it from the VNet, or choose a dns.zone that does not lie in it.",
        )
    if facts.unread is not None:
        yield _found(
            Severity.NOT_PROVED,
            "Whether CoreDNS of the cluster answers the zone is not known",
            f"A key in {NAMESPACE}/{CONFIG_MAP} of {side.aks_cluster} that serves {link.dns.zones_said} would keep its pods from "
            f"asking the VNet. It could not be read: {facts.unread}",
            facts.unread.hint,
        )
    for key, text in sorted(facts.keys.items()):
        if taken := _served(key, text, link):
            ours = key == corefile.key_of(link.name)
            yield _found(
                Severity.OBSTACLE,
                "A key of CoreDNS's answers the zone",
                f"The key {key} in {NAMESPACE}/{CONFIG_MAP} of {side.aks_cluster} serves {', '.join(taken)}: its pods ask that one, and "
                "never the VNet's resolver. "
                + ("An earlier link left it there." if ours else "It is somebody else's."),
                f"Take it away: kubectl edit configmap {CONFIG_MAP} --namespace {NAMESPACE}",
            )
    ruleset = facts.dns.ruleset
    ours = ruleset is not None and f"/{_own(link)}" in ruleset.object.id.lower()
    if ruleset is not None and not ours:
        missing = [z for z in link.dns.zone_names if z not in {r.domain for r in ruleset.rules}]
        if len(ruleset.rules) + len(missing) > MOST_RULES:
            yield _found(
                Severity.OBSTACLE,
                "The VNet's forwarding ruleset is full",
                f"{side.vnet} is linked to {ruleset.object.id}, which has {len(ruleset.rules)} rules; {MOST_RULES} are the most.",
                "Take away rules that are not needed any more.",
            )
        yield _found(
            Severity.WARNING,
            "Somebody else's forwarding ruleset is used",
            f"{side.vnet} is linked to {ruleset.object.id}: cloudlink adds its rules there, for every VNet that is linked to it, and "
            "takes them away again. Nothing else of it is touched. Its outbound endpoint must reach AWS.",
        )
    for rule in ruleset.rules if ruleset else ():
        if rule.enabled and any(rule.domain != z and _covers(z, rule.domain) for z in link.dns.zone_names):
            yield _found(
                Severity.WARNING,
                "A narrower forwarding rule takes names away",
                f"{rule.id} sends {rule.domain} elsewhere, and the longest rule wins.",
            )


def subnet_findings(room: Vnet | None, link: Link, wanted: IPv4Network | None, path: str) -> Iterator[Finding]:
    """What is wrong with the range of a subnet that is to be made. room: the VNet; None: it is there already. wanted: as the key
    at path has it; None: a free one is taken."""
    if room is None or wanted is None:
        return
    if not any(wanted.subnet_of(p) for p in room.prefixes):
        listed = ", ".join(map(str, room.prefixes))
        yield _range(
            "The DNS resolver's subnet is outside the VNet", wanted, path, f"a range inside the VNet's ({listed})"
        )
        return
    taken = {s.name: s.prefixes for s in room.subnets}
    if link.azure.gateway_subnet is not None:
        taken.setdefault(GATEWAY_SUBNET, (link.azure.gateway_subnet,))  # made by the same plan
    for name, prefixes in taken.items():
        for prefix in prefixes:
            if prefix.overlaps(wanted):
                allowed = f"a range that the subnet {name} ({prefix}) does not use"
                yield _range("The DNS resolver's subnet overlaps another", wanted, path, allowed)


def _range(summary: str, wanted: IPv4Network, path: str, allowed: str) -> Finding:
    return replace(
        _found(
            Severity.OBSTACLE,
            summary,
            f"{path} is {wanted}; it must be {allowed}.",
            f"Change {path}, or leave it out: a free range is taken then.",
        ),
        mistake=Mistake(path, str(wanted), allowed),
    )


def _served(key: str, text: str, link: Link) -> tuple[str, ...]:
    """The link's zones that a server block of this key takes whole; of a key that CoreDNS cannot read, none."""
    if not key.endswith(".server"):
        return ()
    try:
        heads = corefile.heads(text)
    except Unreadable:
        return ()
    named = {head.zone.lower() for head in heads if head.is_plain_dns}
    return tuple(z for z in link.dns.zone_names if any(n and _covers(n, z) for n in named))


def _own(link: Link) -> str:
    return f"dnsforwardingrulesets/cloudlink-{link.name}-dns".lower()


def _found(severity: Severity, summary: str, detail: str, hint: str = "") -> Finding:
    return Finding(TOPIC, severity, summary, detail, hint, resource="dns_forward.link")
