"""What name servers outside the clusters answer: Route 53 inbound endpoints, and Azure's resolver for the VNet."""

from __future__ import annotations

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from cloudlink_sandbox.facts import Interface
from cloudlink_sandbox.world import World

_ROUTE53_SOA = "ns-0.awsdns-00.com. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
_ROOT_SOA = "a.root-servers.net. nstld.verisign-grs.com. 2026010100 1800 900 604800 86400"


def endpoint_answer(world: World, interface: Interface, query: dns.message.Message) -> dns.message.Message:
    """An inbound endpoint's. Names in no private zone do not exist: the sandbox has no internet."""
    response = dns.message.make_response(query, recursion_available=True)
    name = query.question[0].name.to_text().lower()
    kind = dns.rdatatype.to_text(query.question[0].rdtype)
    for _ in range(8):  # a CNAME is followed, as a resolver does
        answer = world.resolve(interface, name, kind)
        response.set_rcode(dns.rcode.from_text(answer.rcode))
        if answer.rcode == "SERVFAIL":
            return response
        if answer.zone is None:
            response.authority.append(dns.rrset.from_text(".", 86400, "IN", "SOA", _ROOT_SOA))
            return response
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
            response.authority.append(dns.rrset.from_text(f"{answer.zone}.", 900, "IN", "SOA", _ROUTE53_SOA))
        if alias is None:
            return response
        name = alias
    response.set_rcode(dns.rcode.SERVFAIL)
    return response


def azure_answer(query: dns.message.Message) -> dns.message.Message:
    """168.63.129.16's, for names outside the cluster: none exists, because the sandbox has no internet."""
    response = dns.message.make_response(query, recursion_available=True)
    response.set_rcode(dns.rcode.NXDOMAIN)
    response.authority.append(dns.rrset.from_text(".", 86400, "IN", "SOA", _ROOT_SOA))
    return response
