"""What the daemons do otherwise than the clouds, and what the rehearsal makes of it: beside the generator, as data, so that
its page says neither more nor less than is so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """source: where it is known from; ``belief`` where no page and no recording says it."""

    what: str
    clouds: str
    here: str
    source: str


_AZURE_DEVICES = "https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-about-vpn-devices"
_AZURE_FAQ = "https://learn.microsoft.com/azure/vpn-gateway/vpn-gateway-vpn-faq"
_AWS_TUNNELS = "https://docs.aws.amazon.com/vpn/latest/s2svpn/VPNTunnels.html"
_AWS_ROUTES = "https://docs.aws.amazon.com/vpn/latest/s2svpn/VPNRoutingTypes.html"
_AWS_LIMITS = "https://docs.aws.amazon.com/vpn/latest/s2svpn/vpn-limits.html"

DIFFERENCES = (
    Difference("ESP", "IP protocol 50", "in UDP 4500, since it runs in user space", "RFC 3948"),
    Difference(
        "Who opens",
        "both ends, each by its settings",
        "Azure's ends first, then AWS's where no tunnel came of that, so that there are never two of each",
        "belief",
    ),
    Difference(
        "Narrower ranges",
        "Azure's route-based gateway takes all addresses or nothing",
        "strongSwan would narrow; such a tunnel is ended, and the reason told",
        _AZURE_DEVICES,
    ),
    Difference(
        "`InitiatorOnly`", "Azure does not answer who opens a tunnel", "AWS's end does not open it there", _AZURE_FAQ
    ),
    Difference(
        "Who renews",
        "the side with the shorter lifetime; AWS within its margin before the end",
        "both are made to, one after the other",
        _AWS_TUNNELS,
    ),
    Difference(
        "Azure's default policy",
        "asks for renewal without a group, accepts some",
        "strongSwan has one list for both: without a group first",
        _AZURE_DEVICES,
    ),
    Difference(
        "Keys that are not renewed",
        "not known; the sandbox lets the tunnel begin anew",
        "the IKE SA stays, and nothing passes until it ends",
        "belief",
    ),
    Difference(
        "A refusal",
        "AWS may stay silent, and whether it asks again is not known",
        "strongSwan answers, so the reason is known at once; nobody asks twice",
        "belief",
    ),
    Difference(
        "Prefixes in and around the VNet's",
        "Azure drops what is equal to one or lies in one, and takes what encloses one",
        "a filter of BIRD does the same",
        _AZURE_FAQ,
    ),
    Difference(
        "Too many prefixes",
        "more than 100 end AWS's session (1000 on a transit gateway), more than 4000 Azure's",
        "BIRD's import limit ends the session",
        _AWS_LIMITS,
    ),
    Difference(
        "Instances of Azure's gateway",
        "share routes by means of their own",
        "iBGP with BFD to a router in the VNet's place",
        "belief",
    ),
    Difference(
        "Equal cost paths",
        "a virtual private gateway uses one tunnel, a transit gateway all with `VpnEcmpSupport`",
        "all of them",
        _AWS_ROUTES,
    ),
    Difference(
        "Security groups",
        "filter before each interface, with memory of flows",
        "rules of the router before the VPC's hosts, for what comes from Azure",
        "https://docs.aws.amazon.com/vpc/latest/userguide/vpc-security-groups.html",
    ),
    Difference(
        "Network ACLs",
        "filter around each subnet, without memory of flows",
        "rules of the same router, for what comes from Azure and for the answers",
        "https://docs.aws.amazon.com/vpc/latest/userguide/vpc-network-acls.html",
    ),
    Difference(
        "Azure's network security groups",
        "filter around each subnet and before each node, with memory of flows",
        "rules of the VNet's router for what leaves the nodes' subnet; those before single nodes are not rehearsed",
        "https://learn.microsoft.com/azure/virtual-network/network-security-groups-overview",
    ),
    Difference(
        "Addresses that a record names",
        "answer only where something has them",
        "each of them answers",
        "",
    ),
    Difference(
        "IKEv1",
        "Azure's connections may ask for it",
        "is offered as asked, and not otherwise looked at",
        _AZURE_DEVICES,
    ),
)
