"""What name servers outside the clusters answer: Route 53's in a VPC and Azure's in a VNet, each by their inbound endpoints as
well, and each by rules that ask the other."""

from __future__ import annotations

from typing import Literal

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from cloudlink_sandbox.facts import AksCluster, ForwardingRule, Interface, VnetRule
from cloudlink_sandbox.world import Answer, World

_ROUTE53_SOA = "ns-0.awsdns-00.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
_AZURE_SOA = "azureprivatedns.net. azureprivatedns-host.microsoft.com. 1 3600 300 2419200 10"
# Assumption: how long a target is waited for before the next one is asked.
_PATIENCE = 1.0
_ROOT_SOA = "a.root-servers.net. nstld.verisign-grs.com. 2026010100 1800 900 604800 86400"


Transport = Literal["tcp", "udp"]
Answered = tuple[dns.message.Message, float]
"""An answer, and the sandbox seconds that it took."""

# A question that goes round between the clouds is given up after so many turns. Assumption: each resolver on the way gives
# up earlier than that; nobody gets an answer either way.
_MOST_TURNS = 4


def endpoint_answer(
    world: World, interface: Interface, query: dns.message.Message, transport: Transport = "udp", turns: int = 0
) -> Answered:
    """A Route 53 inbound endpoint's: that of the resolver of its VPC."""
    subnet = world.aws.subnets.get(interface.subnet_id)
    return vpc_answer(world, subnet.vpc_id if subnet else "", query, transport, turns)


def vpc_answer(
    world: World, vpc_id: str, query: dns.message.Message, transport: Transport = "udp", turns: int = 0
) -> Answered:
    """The VPC resolver's. Names in no private zone and of no rule do not exist: the sandbox has no internet.

    Assumption: a CNAME's target is looked up as any other name is, by rules as well.
    """
    response = dns.message.make_response(query, recursion_available=True)
    name = query.question[0].name.to_text().lower()
    kind = dns.rdatatype.to_text(query.question[0].rdtype)
    waited = 0.0
    for _ in range(8):  # a CNAME is followed, as a resolver does
        answer = world.resolve(vpc_id, name, kind)
        response.set_rcode(dns.rcode.from_text(answer.rcode))
        if answer.rule is not None:
            got, seconds = _by_vpc_rule(world, answer.rule, _asking(query, name), transport, turns)
            return _joined(response, got), waited + seconds
        if answer.zone is None:
            response.authority.append(dns.rrset.from_text(".", 86400, "IN", "SOA", _ROOT_SOA))
            return response, waited
        alias = _put(response, answer, kind, _ROUTE53_SOA, 900)
        if alias is None:
            return response, waited
        name = alias
    response.set_rcode(dns.rcode.SERVFAIL)
    return response, waited


def _by_vpc_rule(
    world: World, rule: ForwardingRule, query: dns.message.Message, transport: Transport, turns: int
) -> Answered:
    """Of the rule's targets one after the other, each from the first address of the outbound endpoint that gets there."""
    waited = 0.0
    for target, port in rule.targets if turns < _MOST_TURNS else ():
        for sender in rule.asks_from:
            reach, inbound = world.reach_back(sender, target, transport, port)
            if reach.outcome == "delivered" and inbound is not None:
                got, seconds = vnet_answer(world, inbound.vnet_id, query, transport, turns + 1)
                return got, waited + seconds
        waited += _PATIENCE
    return _failed(query), waited


def _put(response: dns.message.Message, answer: Answer, kind: str, soa: str, negative: int) -> str | None:
    """Puts what a zone says into a response. The name that a CNAME leads to, where it has to be followed."""
    alias = None
    for record in answer.records:
        if not record.values:
            continue  # an alias to a load balancer that is gone: the name exists and has no address
        fqdn = record.name.rstrip(".") + "."
        # Route 53 takes names in values as complete, with or without the final dot
        made = dns.rrset.from_text_list(
            fqdn, record.ttl, "IN", record.type, record.values, origin=dns.name.root, relativize=False
        )
        response.answer.append(made)
        if record.type == "CNAME" and kind != "CNAME":
            alias = record.values[0].rstrip(".").lower() + "."
    if not any(record.values for record in answer.records):
        response.authority.append(dns.rrset.from_text(f"{answer.zone}.", negative, "IN", "SOA", soa))
    return alias


def _asking(query: dns.message.Message, name: str) -> dns.message.Message:
    """The same question of another name."""
    return dns.message.make_query(name, query.question[0].rdtype)


def _joined(response: dns.message.Message, got: dns.message.Message) -> dns.message.Message:
    response.set_rcode(got.rcode())
    response.answer.extend(got.answer)
    response.authority.extend(got.authority)
    return response


def azure_answer(world: World, cluster: AksCluster, query: dns.message.Message, transport: Transport) -> Answered:
    """168.63.129.16's in the cluster's VNet. Where the VNet has DNS servers of its own, they are asked in its place.

    Assumption: those servers know public names only.
    """
    vnet = world.azure.vnets.get(cluster.vnet_id)
    if vnet is None or vnet.dns_servers:
        return _nowhere(query), 0.0
    return vnet_answer(world, vnet.id, query, transport)


def vnet_answer(
    world: World, vnet_id: str, query: dns.message.Message, transport: Transport, turns: int = 0
) -> Answered:
    """Azure's resolver in a VNet, which is the inbound endpoint's as well: of a private zone that is linked to the VNet, else by
    the longest rule that fits of the ruleset that is linked to it, else of the public DNS, where no name exists, because the
    sandbox has no internet.

    https://learn.microsoft.com/azure/dns/private-resolver-endpoints-rulesets#rules
    """
    response = dns.message.make_response(query, recursion_available=True)
    name = query.question[0].name.to_text(omit_final_dot=True).lower()
    kind = dns.rdatatype.to_text(query.question[0].rdtype)
    for _ in range(8):
        answer = world.vnet_answer(vnet_id, name, kind)
        if answer.zone is None:
            rules = [r for r in world.azure.rules if r.vnet_id.lower() == vnet_id.lower() and _below(name, r.domain)]
            rule = None if answer.passed_on else max(rules, key=lambda r: len(r.domain), default=None)
            asked = _asking(query, f"{name}.")
            got, seconds = _by_rule(world, rule, asked, transport, turns) if rule else (_nowhere(asked), 0.0)
            return _joined(response, got), seconds
        response.set_rcode(dns.rcode.from_text(answer.rcode))
        alias = _put(response, answer, kind, _AZURE_SOA, 10)
        if alias is None:
            return response, 0.0
        name = alias.rstrip(".")
    response.set_rcode(dns.rcode.SERVFAIL)
    return response, 0.0


def _by_rule(world: World, rule: VnetRule, query: dns.message.Message, transport: Transport, turns: int) -> Answered:
    """Asked of one target after the other, from the outbound endpoint's subnet."""
    waited = 0.0
    for target, port in rule.targets if turns < _MOST_TURNS else ():
        reach = world.reach_from(rule.leaves_vnet, rule.leaves_subnet, rule.source, target, transport, port)
        if reach.outcome == "delivered" and reach.interface is not None and reach.interface.kind == "resolver":
            got, seconds = endpoint_answer(world, reach.interface, query, transport, turns + 1)
            return got, waited + seconds
        waited += _PATIENCE
    return _failed(query), waited


def _failed(query: dns.message.Message) -> dns.message.Message:
    response = dns.message.make_response(query, recursion_available=True)
    response.set_rcode(dns.rcode.SERVFAIL)
    return response


def _below(name: str, domain: str) -> bool:
    return not domain or name == domain or name.endswith(f".{domain}")


def _nowhere(query: dns.message.Message) -> dns.message.Message:
    """What the public DNS says of every name: none exists."""
    response = dns.message.make_response(query, recursion_available=True)
    response.set_rcode(dns.rcode.NXDOMAIN)
    response.authority.append(dns.rrset.from_text(".", 86400, "IN", "SOA", _ROOT_SOA))
    return response
