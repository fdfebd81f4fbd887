"""The likeliest cause of the first hop that fails, and what to do.

Asking the endpoints directly is what tells a fault of CoreDNS from one of the link or of the zone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cloudlink.checks.names.answers import Connect, Query
from cloudlink.checks.names.wanted import DnsContext, Wanted
from cloudlink.checks.report import Hop

_STATUS = "cloudlink status"
_UP = "cloudlink up"

Asked = list[tuple[Query, Hop]]
"""Each question with its hop."""


class Cause(NamedTuple):
    why: str
    fix: str


def likeliest_cause(wanted: Wanted, asked: Asked, connects: tuple[Connect, ...], context: DnsContext) -> Cause:
    """The likeliest cause of the first thing that is wrong on the way, seen from the far end: link, zone, CoreDNS."""
    direct = [(q, h) for q, h in asked if q.via == "endpoint"]
    cluster = next((h for q, h in asked if q.via == "cluster"), Hop("cluster-dns", "error"))
    for found in (
        _shut_off(direct, cluster, connects, context),
        _endpoint_cause(direct, cluster, connects),
        _zone_cause(wanted, direct),
        _cluster_cause(wanted, cluster, context),
        _connect_cause(wanted, connects),
    ):
        if found:
            return found
    return Cause("Something on the way does not answer as it should", _STATUS)


def _silent(hop: Hop) -> bool:
    return hop.result in ("timeout", "reset", "error")


def _shut_off(direct: Asked, cluster: Hop, connects: tuple[Connect, ...], context: DnsContext) -> Cause | None:
    """Nothing at all answers the pod. The cluster's own name needs no link: with it the pod is told from the link."""
    reached = any(c.outcome in ("ok", "refused", "reset") for c in connects)
    if reached or not _silent(cluster) or not all(_silent(h) for _, h in direct):
        return None
    policies = f"kubectl get networkpolicies --namespace {context.namespace}"
    if context.control == "timeout":
        return Cause(
            "Nothing answers the pod, not even the cluster's DNS for kubernetes.default.svc: the pod itself is shut off (a "
            "network policy of its namespace lets nothing out), or CoreDNS does not run. This says nothing of the link",
            f"{policies}; allow port 53 and the VPC's ranges, or name another [probe] namespace; kubectl get pods --namespace "
            "kube-system --selector k8s-app=kube-dns",
        )
    if context.control == "" and direct:
        return Cause(
            "No endpoint address answers, and the cluster's DNS does not either: the pod itself is shut off (a network policy), "
            "or the link is down and CoreDNS waits for it",
            f"{policies}; {_STATUS} shows the tunnels",
        )
    return None


def _endpoint_cause(direct: Asked, cluster: Hop, connects: tuple[Connect, ...] = ()) -> Cause | None:
    silent = [(q.server, q.protocol) for q, h in direct if _silent(h)]
    if not direct or not silent:
        return None
    servers = list(dict.fromkeys(q.server for q, _ in direct))
    if len(silent) == len(direct):
        if cluster.result == "ok":
            return Cause(
                "The cluster's DNS answers, but the pod itself reaches no endpoint address: a network policy or an NSG "
                "lets only CoreDNS out",
                "Nothing need be done for names; for connections allow the VPC's ranges in the network policies",
            )
        if reached := next((c for c in connects if c.outcome in ("ok", "refused", "reset")), None):
            return Cause(
                f"The VPC is reachable ({reached.address}:{reached.port} answers); only port 53 at {_count(servers)} is silent: "
                "the endpoint's security group does not let it in from the address that AWS sees (the node's with CNI overlay, "
                "else the pod's), a network ACL is in the way, or a network policy of the pod's namespace",
                f"{_UP} puts the endpoint's security group rules right; compare the network ACLs of the endpoint's subnets and "
                "the network policies of the pod's namespace: kubectl get networkpolicies --all-namespaces",
            )
        return Cause(
            "No endpoint address answers: packets do not get to the VPC, do not get back, or the endpoint's security group "
            "does not let port 53 in from the address that AWS sees (the node's with CNI overlay, else the pod's)",
            f"{_STATUS} shows tunnels and route tables; {_UP} puts security group rules and routes right",
        )
    for protocol, other in (("udp", "TCP"), ("tcp", "UDP")):
        if set(silent) == {(s, protocol) for s in servers}:
            return Cause(
                f"The endpoint answers over {other} only: a security group, network ACL or NSG does not let "
                f"{protocol.upper()} port 53 through",
                f"{_UP} repairs the endpoint's security group; check network ACLs and NSGs as well",
            )
    broken = [s for s in servers if {(s, "udp"), (s, "tcp")} <= set(silent)]
    if broken and {s for s, _ in silent} == set(broken):
        share = f"about {len(broken)} of {len(servers)} questions" if len(servers) > 1 else "every question"
        return Cause(
            f"{' and '.join(broken)} {'does' if len(broken) == 1 else 'do'} not answer, the other endpoint addresses do: the "
            "subnet's route table has no route back, a network ACL is in the way, or its network interface is gone. "
            f"CoreDNS waits 2 seconds in {share} until it notices",
            f"{_STATUS} shows the route tables and the state of each endpoint address; {_UP} puts them right",
        )
    some = ", ".join(f"{s} over {p.upper()}" for s, p in silent)
    return Cause(f"Not every way to the endpoint works: no answer from {some}", f"{_STATUS}, then {_UP}")


def _count(servers: Sequence[str]) -> str:
    return f"{len(servers)} addresses" if len(servers) > 1 else servers[0]


def _zone_cause(wanted: Wanted, direct: Asked) -> Cause | None:
    results = {h.result for _, h in direct if not _silent(h)}
    wrong = results - {"ok"}
    if not wrong:
        return None
    if "ok" in results:
        return Cause(
            "The endpoint's addresses answer differently: a change is still spreading", "Wait a minute and ask again"
        )
    match next(h.result for _, h in direct if h.result in wrong):
        case "nxdomain" if not wanted.known:
            return Cause(
                f"{wanted.name} is not in the configuration, and the zone {wanted.zone}, which alone is asked for it, has no "
                "such name and no wildcard for it",
                f"Add it to the names of {wanted.zone} in the configuration, or ask for a name that is there",
            )
        case "nxdomain":
            return Cause(
                f"AWS itself does not know the name: the record for {wanted.configured} is missing, the zone {wanted.zone} "
                "is not associated with the endpoint's VPC, a more specific zone there hides it, or a Resolver rule sends "
                "the question elsewhere",
                _UP,
            )
        case "nodata":
            return Cause(
                f"AWS knows the name, but has no address for it: {wanted.configured} has records of other types", _UP
            )
        case "servfail":
            return Cause(
                "The Resolver endpoint cannot answer (SERVFAIL): a Resolver rule of the VPC forwards the zone to servers that "
                "do not answer or back to the endpoint, or the endpoint is overloaded (1,500 questions a second for each address)",
                "aws route53resolver list-resolver-rules",
            )
        case "refused":
            return Cause("The Resolver endpoint refuses to answer", "Check the VPC's DNS Firewall rules")
        case "public-address":
            return Cause(
                f"AWS answers with a public address: the zone {wanted.zone} is not associated with the endpoint's VPC, or the "
                "record leads to an internet-facing load balancer",
                _UP,
            )
        case "link-local-address":
            return _LINK_LOCAL
        case _:
            return Cause("The record leads to addresses that are not the target's any more", _UP)


# https://docs.aws.amazon.com/vpc-lattice/latest/ug/vpc-associations.html
_LINK_LOCAL = Cause(
    "The name leads to a link-local address (169.254.0.0/16), as services of VPC Lattice have: only machines in a VPC that is "
    "associated with the service network reach it, and no packet to it crosses a link",
    "Make a service-network endpoint in the VPC, whose addresses are the VPC's own, or put a load balancer before the service, and "
    "point the record there",
)


def _vnet_cause(context: DnsContext) -> Cause:
    """Where the VNet's own resolver is to answer by the cluster's DNS."""
    what = "The endpoint answers right, but the VNet's resolver does not ask it"
    if context.key_problem:
        return Cause(f"{what}: {context.key_problem}", context.key_task or _UP)
    return Cause(
        f"{what}, or does not reach it: a private zone that is linked to the VNet, a narrower rule, DNS servers of the VNet's own or "
        "another key of CoreDNS comes first, an old answer is still cached, or the outbound endpoint's subnet has no way to AWS",
        "cloudlink plan; kubectl get configmap coredns-custom --namespace kube-system --output yaml",
    )


def _cluster_cause(wanted: Wanted, cluster: Hop, context: DnsContext) -> Cause | None:
    if cluster.result == "ok":
        return None
    restart = f"{_UP} writes the key again and restarts CoreDNS"
    what = "The endpoint answers right, but the cluster's DNS does not ask it"
    hiding = [z for z in context.shadowed if wanted.name == z or wanted.name.endswith(f".{z}")]
    if hiding:  # whatever that key's own servers answer, or do not
        return Cause(
            f"{what}: another CoreDNS key serves {hiding[0]}, which is more specific",
            "kubectl get configmap coredns-custom --namespace kube-system --output yaml",
        )
    if context.by_vnet and cluster.result != "stale-address":
        return _vnet_cause(context)
    match cluster.result:
        case "nxdomain" | "public-address" | "link-local-address" | "nodata":
            if context.key_problem:
                return Cause(f"{what}: {context.key_problem}", context.key_task or restart)
            if "asked 169.254.20.10" in cluster.detail:
                return Cause(
                    f"{what}: the pod asks NodeLocal DNSCache (169.254.20.10), which forwards elsewhere than to CoreDNS",
                    "kubectl get configmap node-local-dns --namespace kube-system --output yaml; its zone . must forward to "
                    "the cluster's DNS service",
                )
            return Cause(
                f"{what}: CoreDNS has not loaded its key, a more specific zone hides it, the pods' DNS goes elsewhere "
                "(LocalDNS, dnsPolicy), or an old answer is still cached (30 seconds)",
                f"Ask again in a minute; then {restart}",
            )
        case "timeout" | "reset":
            return Cause(
                "The endpoint answers the pod, but the cluster's DNS does not: CoreDNS's pods run on nodes whose address AWS "
                "does not let in, or are not running",
                "kubectl get pods --namespace kube-system --selector k8s-app=kube-dns --output wide",
            )
        case "servfail" | "refused":
            return Cause(
                "The endpoint answers the pod, but CoreDNS gets no answer from it: CoreDNS forwards to other addresses than the "
                f"endpoint has now, or its nodes' address is not let in{f' ({context.key_problem})' if context.key_problem else ''}",
                f"kubectl logs --namespace kube-system --selector k8s-app=kube-dns; {restart}",
            )
        case "stale-address":
            return Cause(
                "The endpoint answers right, the cluster's DNS still has an old address: a cache (CoreDNS 30 seconds, LocalDNS "
                "up to an hour while it serves stale answers)",
                "Ask again in a minute",
            )
        case _:
            return Cause(f"The cluster's DNS does not answer as it should: {cluster.detail}", restart)


def _connect_cause(wanted: Wanted, connects: tuple[Connect, ...]) -> Cause | None:
    places = ", ".join(f"{c.address}:{c.port}" for c in connects if c.outcome != "ok")
    worst = next((c.outcome for c in connects if c.outcome != "ok"), "")
    match worst:
        case "timeout" if wanted.fixed:
            return Cause(
                f"The name resolves, but there is no answer from {places}: nothing in the VPC has the address, its security "
                "group does not let the Azure ranges in, or its subnet's route table has no route back",
                f"Compare the addresses of {wanted.configured} in the configuration; allow the VNet's ranges in the security group",
            )
        case "timeout":
            return Cause(
                f"The name resolves, but there is no answer from {places}: the load balancer's security group, or with preserved "
                "client addresses the nodes', does not let the Azure ranges in; or the load balancer's subnets have no route back",
                f"{_STATUS} shows the route tables; allow the VNet's ranges in those security groups",
            )
        case "refused":
            return Cause(
                f"The name resolves, but nothing listens at {places}",
                f"Compare the ports of {wanted.configured} in the configuration with the load balancer's listeners",
            )
        case "reset":
            return Cause(
                f"{places} takes the connection and drops it: no healthy target", "Look at the target group's health"
            )
        case "":
            pass
        case _:
            return Cause(f"{places} cannot be reached from the pod", _STATUS)
    for c in connects:
        if c.tls is not None and c.tls.outcome != "ok":
            return Cause(
                f"{c.address}:{c.port} takes connections but does not speak TLS, or stalls in the middle of it (large packets "
                f"lost: the MSS should be 1350): {c.tls.error or c.tls.outcome}",
                f"Take the port out of tls_ports of {wanted.configured} if it is not meant to speak TLS",
            )
    return None
