"""The gateway on AWS's side: one that is in the way of ours, or the one that the configuration says to adopt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cloudlink.addressing import azure_peer_asn_problem
from cloudlink.checks.preflight.aws import wrong
from cloudlink.checks.preflight.context import Context
from cloudlink.clouds.aws.client import Aws
from cloudlink.clouds.aws.parse_connections import VpnConnection, vpn_connections
from cloudlink.clouds.aws.parse_gateways import VpnGateway, vpn_gateways
from cloudlink.core.plan import Plan
from cloudlink.errors import Finding
from cloudlink.link import Link


@dataclass(frozen=True)
class GatewayFacts:
    """What exists in the region."""

    gateways: tuple[VpnGateway, ...] = ()
    connections: tuple[VpnConnection, ...] = ()


def read(aws: Aws) -> GatewayFacts:
    """Shared with what the plan has read."""
    return GatewayFacts(
        gateways=tuple(g for g in vpn_gateways(aws.vpn_gateways()) if g.exists),
        connections=tuple(c for c in vpn_connections(aws.vpn_connections()) if c.exists),
    )


def find(context: Context) -> Iterator[Finding]:
    yield from check(read(context.aws), context.link, context.plan)


def check(facts: GatewayFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    if link.aws.transit:
        return  # see ``transit``; the VPC may have a virtual private gateway as well
    if link.aws.adopt_gateway is None:
        yield from _other_gateways(facts, link, plan)
    else:
        yield from _adopted_gateway(facts, link, link.aws.adopt_gateway)


def _other_gateways(facts: GatewayFacts, link: Link, plan: Plan) -> Iterator[Finding]:
    vpc = link.aws.vpc_id
    change = plan.of("aws_vpn.gateway")
    if change is None:
        return
    for other in facts.gateways:
        state = next((a.state for a in other.attachments if a.vpc == vpc and a.state in ("attached", "attaching")), "")
        if other.id != change.id and any(a.vpc == vpc and a.state == "detaching" for a in other.attachments):
            yield _leaving(other, link)
        if other.id == change.id or not state or other.link == link.name:  # of two with our tags the plan itself tells
            continue
        yield wrong(
            "aws.gateway",
            f'"create", but {other.id} is {state} to {vpc}',
            f'"{other.id}", to adopt it; a VPC has one virtual private gateway only',
            "The VPC has another virtual private gateway",
            f"{other.id} (ASN {other.asn}) is {state} to {vpc}, and a VPC has at most one.",
            f'Adopt it: set aws.gateway = "{other.id}" and aws.asn = {other.asn}.',
        )


def _adopted_gateway(facts: GatewayFacts, link: Link, adopted: str) -> Iterator[Finding]:
    gateway = next((g for g in facts.gateways if g.id == adopted), None)
    if gateway is None:
        yield wrong(
            "aws.gateway",
            adopted,
            f"a virtual private gateway that exists in {link.aws.region}",
            "The virtual private gateway does not exist",
            f"There is no {adopted} in {link.aws.region}.",
            "Correct aws.gateway, or leave it out to have one made.",
        )
        return
    elsewhere = [a for a in gateway.attachments if a.vpc != link.aws.vpc_id and a.state in ("attached", "attaching")]
    if elsewhere:
        yield wrong(
            "aws.gateway",
            f"{adopted}, which is {elsewhere[0].state} to {elsewhere[0].vpc}",
            f"a gateway of {link.aws.vpc_id}, or one that is attached to no VPC",
            "The virtual private gateway is attached to another VPC",
            f"{adopted} is {elsewhere[0].state} to {elsewhere[0].vpc}; a gateway serves one VPC.",
            "Correct aws.gateway, or leave it out to have one made.",
        )
    for other in facts.gateways:
        if other.id != adopted and any(a.vpc == link.aws.vpc_id and a.state == "detaching" for a in other.attachments):
            yield _leaving(other, link)
        state = next(
            (a.state for a in other.attachments if a.vpc == link.aws.vpc_id and a.state in ("attached", "attaching")),
            "",
        )
        if state and other.id != adopted:
            yield wrong(
                "aws.gateway",
                f"{adopted}, but {other.id} is {state} to {link.aws.vpc_id}",
                f'"{other.id}": a VPC has one virtual private gateway only',
                "The VPC has another virtual private gateway",
                f"{other.id} (ASN {other.asn}) is {state} to {link.aws.vpc_id}, and a VPC has at most one.",
                f'Adopt that one: set aws.gateway = "{other.id}" and aws.asn = {other.asn}.',
            )
    yield from as_number(
        adopted,
        gateway.asn,
        link,
        "cannot be changed",
        "Take another gateway, or leave aws.gateway out to have one made.",
    )
    used = {inside for c in facts.connections if c.gateway == adopted and c.link != link.name for inside in c.insides}
    for tunnel in link.tunnels:
        if str(tunnel.inside) in used:
            yield wrong(
                "vpn.inside_pool",
                str(tunnel.inside),
                f"ranges that no other VPN connection of {adopted} uses",
                "An inside address range is used by another tunnel of the same gateway",
                f"Another VPN connection of {adopted} uses {tunnel.inside}.",
                "Set vpn.inside_pool to ranges that are free.",
            )


def _leaving(other: VpnGateway, link: Link) -> Finding:
    """Until it is off, AWS refuses another one, as if that one were to stay."""
    return wrong(
        "aws.vpc",
        f"{link.aws.vpc_id}, which {other.id} is leaving",
        "a VPC without another virtual private gateway",
        "Another gateway is being taken off the VPC",
        f"{other.id} is detaching from {link.aws.vpc_id}, and until it is off AWS attaches no other; with Direct Connect behind it "
        "that takes minutes.",
        f"Wait, then run the same command again: aws ec2 describe-vpn-gateways --region {link.aws.region} --vpn-gateway-ids "
        f"{other.id} --query 'VpnGateways[].VpcAttachments'",
    )


def as_number(id_: str, asn: int, link: Link, fixed: str, instead: str) -> Iterator[Finding]:
    """Of an adopted gateway of either kind. fixed: when it can be changed, as ``cannot be changed``. instead: what to do."""
    if problem := azure_peer_asn_problem(asn):
        yield wrong(
            "aws.gateway",
            f"{id_} with ASN {asn}",
            f"a gateway whose ASN Azure takes as a peer's: {problem}",
            "Azure does not take the gateway's AS number",
            f"{id_} has the ASN {asn}, which {fixed}, and {problem}.",
            instead,
        )
    if asn == link.azure.asn:
        yield wrong(
            "azure.vpn_gateway.asn",
            str(asn),
            f"an ASN other than that of {id_}",
            "Both gateways have the same AS number",
            f"{id_} has the ASN {asn} too; BGP between two clouds needs two numbers.",
            "Set azure.vpn_gateway.asn to another number.",
        )
