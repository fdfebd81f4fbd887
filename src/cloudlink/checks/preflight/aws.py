"""The VPC, its virtual private gateway, and subnets with room for the endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cloudlink.addressing import azure_peer_asn_problem
from cloudlink.checks.preflight.context import Context, of_mistakes
from cloudlink.checks.preflight.facts import PreflightFacts, gather_aws
from cloudlink.checks.preflight.parse import Json
from cloudlink.core.plan import Action, Plan
from cloudlink.errors import Finding, Mistake
from cloudlink.link import Link


def find(context: Context) -> Iterator[Finding]:
    if context.creates:
        facts = gather_aws(context.link, context.aws)
        yield from of_mistakes("aws", check_aws(context.link, facts, context.plan))


def check_aws(link: Link, facts: PreflightFacts, plan: Plan) -> Iterable[Mistake]:
    cluster_vpc = ((facts.eks or {}).get("resourcesVpcConfig") or {}).get("vpcId")
    if cluster_vpc and cluster_vpc != link.aws.vpc_id:
        yield Mistake("aws.vpc", link.aws.vpc_id, f"the VPC of the EKS cluster, {cluster_vpc}")
    if facts.vpc is not None and facts.vpc.get("InstanceTenancy") == "dedicated":
        yield Mistake(
            "aws.vpc",
            f"{link.aws.vpc_id} with dedicated tenancy",
            "a VPC with default tenancy; Resolver endpoints need it",
        )
    yield from _gateways(link, facts, plan)
    yield from _endpoint_subnets(link, facts, plan)


def _gateways(link: Link, facts: PreflightFacts, plan: Plan) -> Iterable[Mistake]:
    attached = [
        g
        for g in facts.vpn_gateways
        if g.get("State") not in ("deleted", "deleting")
        and any(
            a.get("VpcId") == link.aws.vpc_id and a.get("State") in ("attached", "attaching")
            for a in g.get("VpcAttachments") or ()
        )
    ]
    adopted = link.aws.adopt_gateway
    if adopted is None:
        change = plan.of("aws_vpn.gateway")
        ours = change.id if change is not None else ""
        for other in attached:
            if other["VpnGatewayId"] != ours:
                yield Mistake(
                    "aws.gateway",
                    f'"create", but {other["VpnGatewayId"]} is attached to {link.aws.vpc_id}',
                    f'"{other["VpnGatewayId"]}", to adopt it; a VPC has one virtual private gateway only',
                )
        return
    gateway: Json | None = next((g for g in facts.vpn_gateways if g["VpnGatewayId"] == adopted), None)
    if gateway is None or gateway.get("State") in ("deleted", "deleting"):
        return  # the plan's own read says so
    asn = int(gateway.get("AmazonSideAsn") or 64512)
    if problem := azure_peer_asn_problem(asn):
        yield Mistake(
            "aws.gateway", f"{adopted} with ASN {asn}", f"a gateway whose ASN Azure takes as a peer's: {problem}"
        )
    if asn == link.azure.asn:
        yield Mistake("azure.vpn_gateway.asn", str(asn), f"an ASN other than that of {adopted}")
    used = {
        str(o.get("TunnelInsideCidr"))
        for c in facts.vpn_connections
        if c.get("VpnGatewayId") == adopted
        and c.get("State") not in ("deleted", "deleting")
        and not any(t.get("Key") == "cloudlink-link" and t.get("Value") == link.name for t in c.get("Tags") or ())
        for o in (c.get("Options") or {}).get("TunnelOptions") or ()
    }
    for tunnel in link.tunnels:
        if str(tunnel.inside) in used:
            yield Mistake(
                "vpn.inside_pool", str(tunnel.inside), f"ranges that no other VPN connection of {adopted} uses"
            )


def _endpoint_subnets(link: Link, facts: PreflightFacts, plan: Plan) -> Iterable[Mistake]:
    change = plan.of("resolver.endpoint")
    if change is None or change.action is not Action.CREATE:
        return
    known = {s["SubnetId"]: s for s in facts.subnets}
    for subnet in link.dns.endpoint_subnets or ():
        if subnet not in known:
            yield Mistake("dns.endpoint_subnets", subnet, f"subnets of {link.aws.vpc_id}")
    cluster = ((facts.eks or {}).get("resourcesVpcConfig") or {}).get("subnetIds") or ()
    for subnet in (link.dns.endpoint_subnets or tuple(cluster))[:6]:
        free = known.get(subnet, {}).get("AvailableIpAddressCount")
        if free is not None and int(free) < 1:
            yield Mistake(
                "dns.endpoint_subnets", f"{subnet} without a free address", "subnets with at least one free address"
            )
