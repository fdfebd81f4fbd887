"""dns_forward by the VNet: a rule for each zone in the ruleset that the VNet is linked to.

A rule has no tags: its metadata says that it is ours. Rules are made last and taken away first, for from the moment that one is
there, everything in the VNet that asks Azure's resolver is answered by AWS.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any, ClassVar

from cloudlink.clouds.azure import body_dns
from cloudlink.clouds.azure.client import Azure
from cloudlink.clouds.azure.parse_aks import aks_cluster
from cloudlink.clouds.azure.parse_dns import Rule, Server, linked_to
from cloudlink.clouds.azure.parse_network import vnet
from cloudlink.clouds.azure.parse_pieces import last, part
from cloudlink.clouds.ownership import Claim, owner_of, place_in, same_name_elsewhere
from cloudlink.core.permissions import Permissions
from cloudlink.core.resource import Node, Observed, Outputs, Ownership, Receipts, Resource, Started, Timing
from cloudlink.errors import ConflictError
from cloudlink.link import Link, PrivateZone
from cloudlink.steps.azure_resource import phase
from cloudlink.steps.dns_forward import resolver
from cloudlink.steps.dns_forward.corefile import ForwardStatus
from cloudlink.steps.dns_forward.pauses import Pause
from cloudlink.steps.dns_forward.resolver import (
    DnsResolver,
    DnsSubnet,
    OutboundEndpointResource,
    RulesetLinkResource,
    RulesetResource,
    marks,
    permissions_of,
)
from cloudlink.steps.outputs import DnsPart, Endpoint, Nothing, VirtualNetwork

MOST_RULES = 1000  # of a ruleset
_LONGEST_NAME = 80
Reach = Callable[[tuple[IPv4Address, ...]], None]


@dataclass(frozen=True)
class RuleSpec:
    domain: str
    servers: tuple[Server, ...]
    enabled: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class ForwardingRule(Resource[RuleSpec, Nothing]):
    """after: what must be there before the VNet is told to use it. reach: see ``step.Forward``."""

    link: Link
    azure: Azure
    zone: str
    ruleset: Node[DnsPart]
    linked: Node[Nothing]
    endpoint: Node[Endpoint]
    after: tuple[Node[Any], ...] = ()
    reach: Reach | None = field(default=None, repr=False)

    timing: ClassVar[Timing] = Timing(create=1, update=1, delete=1, deadline=300)
    permissions: ClassVar[Permissions] = permissions_of("dnsForwardingRulesets/forwardingRules")
    immutable: ClassVar[frozenset[str]] = frozenset({"domain"})

    @property
    def name(self) -> str:
        whole = f"cloudlink-{self.link.name}-{self.zone.replace('.', '-')}"
        if len(whole) <= _LONGEST_NAME and "-" not in self.zone:  # else a-b.example would have the name of a.b.example
            return whole
        return f"cloudlink-{self.link.name}-{hashlib.sha256(self.zone.encode()).hexdigest()[:16]}"

    def spec(self, outputs: Outputs) -> RuleSpec:
        _ = outputs[self.ruleset], outputs[self.linked]
        return RuleSpec(self.zone, servers_of(outputs[self.endpoint].addresses.values()), enabled=True)

    def find(self, receipts: Receipts, *, fresh: bool = False) -> Observed[RuleSpec, Nothing] | None:
        """Raises ConflictError for a rule of our name or for our zone that is not ours."""
        del receipts
        found = resolver.read(self.azure, fresh=fresh, part="rules")
        rules = found.ruleset.rules if found.ruleset else ()
        rule = next((r for r in rules if r.id.rpartition("/")[2].lower() == self.name.lower()), None)
        rule = rule or next((r for r in rules if r.domain == self.zone), None)
        if rule is None:
            return None
        self._check_ours(rule)
        spec = RuleSpec(rule.domain, rule.servers, rule.enabled)
        return Observed(rule.id, phase(rule.state), spec, Nothing(), Ownership.OWNED, rule.state)

    def _check_ours(self, rule: Rule) -> None:
        owner, held = owner_of(self.link), dict(rule.marks)
        claim = owner.claim(held, self.address)
        if claim is Claim.ELSEWHERE:
            raise same_name_elsewhere(rule.id, place_in(held), owner, self.address)
        if claim is Claim.NONE:
            raise ConflictError(
                "A forwarding rule for the zone is not ours",
                f"{rule.id} sends {rule.domain or 'every name'} to {_said(rule.servers)} and has no mark of cloudlink's. It is left "
                "alone, because it may be somebody else's.",
                f"If it is not needed: az resource delete --ids {rule.id}",
                resource=self.address,
            )

    def create(self, spec: RuleSpec) -> Started:
        """Raises UnhealthyError where a pod does not reach the endpoint over what others have joined."""
        if self.reach is not None:
            self.reach(tuple(s.address for s in spec.servers))
        held = resolver.read(self.azure).ruleset
        assert held is not None, "a rule is made after its ruleset"
        body = body_dns.rule(spec.domain, spec.servers, marks(self.link, self.address))
        return self.azure.put_dns(f"{held.object.id}/forwardingRules/{self.name}", body)

    def update(self, found: Observed[RuleSpec, Nothing], spec: RuleSpec) -> Started:
        body = body_dns.rule(spec.domain, spec.servers, marks(self.link, self.address))
        return self.azure.put_dns(found.id, body)

    def delete(self, found: Observed[RuleSpec, Nothing], prior_state: Any) -> Started | None:
        return self.azure.delete_dns(found.id)


def servers_of(addresses: Iterable[IPv4Address]) -> tuple[Server, ...]:
    return tuple(sorted(Server(a) for a in addresses))


def _said(servers: Iterable[Server]) -> str:
    return ", ".join(map(str, servers))


@dataclass(frozen=True)
class VnetRules:
    """What status and verify-dns say of the rules. address: of the first one."""

    link: Link
    azure: Azure = field(repr=False)
    address: str

    def found_pause(self) -> Pause | None:
        """A link that forwards by the VNet is not paused."""
        return None

    def status(self, wanted: tuple[IPv4Address, ...] | None = None) -> ForwardStatus:
        """wanted: the endpoint's addresses now, if they are known. Raises azure.core's errors."""
        found = resolver.read(self.azure)
        rules = {r.domain: r for r in found.ruleset.rules} if found.ruleset else {}
        zones = self.link.dns.zone_names
        there = [rules[z] for z in zones if z in rules]
        said = "; ".join(f"the VNet sends {r.domain} to {_said(r.servers)}" for r in there if r.enabled)
        line = f"left as it is: {said}" if said else ""
        missing = [z for z in zones if z not in rules]
        off = [r.domain for r in there if not r.enabled]
        problems = [f"no forwarding rule of the VNet is for {', '.join(missing)}"] if missing else []
        problems += [f"the forwarding rule for {', '.join(off)} is switched off"] if off else []
        if problems:
            problem = "; ".join(problems)
            return ForwardStatus(line or problem, problem)
        if found.link is None:
            return ForwardStatus(line, "the forwarding ruleset is not linked to the VNet")
        if (away := self._unlinked()) and found.ruleset is not None:
            problem = f"the forwarding ruleset is not linked to {last(away[0])}, in which a cluster is"
            return ForwardStatus(line, problem, task=linking(found.ruleset.object.id, away[0], self.azure))
        for rule in there:
            if wanted is not None and rule.servers != servers_of(wanted):
                said = f"the VNet sends {rule.domain} to {_said(rule.servers)}, the endpoint has {_said(servers_of(wanted))}"
                return ForwardStatus(line, said)
        below = [r.domain for r in rules.values() if r.enabled and any(r.domain.endswith(f".{z}") for z in zones)]
        others = tuple(f"Another forwarding rule answers {d}." for d in below if d not in zones)
        return ForwardStatus(line, warnings=others)

    def _unlinked(self) -> tuple[str, ...]:
        """None where the clusters may not be read: that says nothing of the rules."""
        try:
            return unlinked(self.link, self.azure)
        except Exception as error:
            if self.azure.translate(error) is None:
                raise
            return ()


def unlinked(link: Link, azure: Azure) -> tuple[str, ...]:
    """Ids of the VNets of AKS clusters in a spoke that do not use the ruleset that the hub is linked to: what their pods ask, the
    rules of the hub do not see. A VNet with DNS servers of its own has these to ask.

    https://learn.microsoft.com/azure/dns/private-resolver-architecture
    """
    if link.azure.new_cluster is not None:
        return ()
    asked = (azure, *(azure.beside(link.on(cluster)) for cluster in link.azure.more_clusters))
    raw = [found for one in asked if (found := one.aks_cluster())]
    nets = {v.lower(): v for found in raw for v in aks_cluster(found).vnets}
    away = [v for key, v in nets.items() if key != azure.vnet_id.lower()]
    if not away:
        return ()
    ruleset = resolver.read(azure).ruleset
    links = azure.vnet_links(ruleset.object.id) if ruleset is not None else []
    asking = [v for v in away if not linked_to(links, v)]
    return tuple(v for v in asking if not ((there := azure.thing(v)) and vnet(there).dns_servers))


def linking(ruleset: str, vnet_id: str, azure: Azure) -> str:
    """ruleset: its id; empty: the one that is to be made."""
    id_ = ruleset or resolver.names(azure)["ruleset"]
    return (
        f"az dns-resolver vnet-link create --subscription {part(id_, 'subscriptions')} --resource-group {part(id_, 'resourceGroups')} "
        f"--ruleset-name {last(id_)} --name {last(vnet_id)} --id {vnet_id}"
    )


class VnetForward:
    """The fourth step, where the VNet's own resolver asks AWS for the zones. left: zones that are configured no more."""

    def __init__(
        self,
        link: Link,
        azure: Azure,
        endpoint: Node[Endpoint],
        network: Node[VirtualNetwork],
        group: tuple[Node[Any], ...] = (),
        after: tuple[Node[Any], ...] = (),
        reach: Reach | None = None,
        left: tuple[PrivateZone, ...] = (),
    ) -> None:
        here: dict[str, Any] = {"link": link, "azure": azure}
        vnet = link.azure.vnet
        subnet = DnsSubnet(address="dns_forward.subnet", title="subnet of the DNS resolver", network=network, **here)
        dns = DnsResolver(
            address="dns_forward.resolver", title=f"DNS resolver of {vnet}", network=network, group=group, **here
        )
        out = OutboundEndpointResource(
            address="dns_forward.endpoint", title="outbound endpoint", resolver=dns, subnet=subnet, **here
        )
        ruleset = RulesetResource(address="dns_forward.ruleset", title="forwarding ruleset", endpoint=out, **here)
        linked = RulesetLinkResource(
            address="dns_forward.link", title=f"ruleset linked to {vnet}", ruleset=ruleset, **here
        )
        self.rules = tuple(
            ForwardingRule(
                address=f"dns_forward.rule[{name}]",
                title=f"{vnet} forwards {name}",
                zone=name,
                ruleset=ruleset,
                linked=linked,
                endpoint=endpoint,
                after=after,
                reach=reach,
                unwanted=gone,
                **here,
            )
            for name, gone in (*((z, False) for z in link.dns.zone_names), *((z.name, True) for z in left))
        )
        self.resolver, self.subnet = dns, subnet  # which names back need as well
        self._nodes: tuple[Node[Any], ...] = (subnet, dns, out, ruleset, linked, *self.rules)
        self.forward = VnetRules(link, azure, self.rules[0].address)

    def nodes(self) -> tuple[Node[Any], ...]:
        return self._nodes
